//! Writing messages.
//!
//! [`plan`] asks a [`Source`] for each field once. Small values are encoded on the spot; large arrays of
//! numbers are only noted. The [`Plan`] then knows the exact size, and where the largest array will lie, so
//! that memory can be obtained; [`Plan::write_into`] fills it in one pass, each large array being copied
//! once. Arrays may also be [reserved](FieldWriter::reserve): declared by length, and filled in by the
//! caller in place afterwards.
//!
//! Messages are written as little-endian XCDR1, like ROS does; padding is zero.

mod builder;
mod copy;
mod defaults;
mod plan;
mod sequence;
mod sink;
mod source;
mod writer;

pub use copy::CdrSource;
pub use plan::{Plan, Reserved};
pub use sequence::SequenceWriter;
pub use sink::Sink;
pub use source::{ArrayData, Defaults, MessageStart, Source};
pub use writer::{FieldWriter, Written};

use crate::error::EncodeError;
use crate::layout::Layout;
use crate::value::Value;
use builder::Builder;

/// The largest message that can be written: DDS payload lengths are 32 bits wide.
pub const MAX_SIZE: usize = u32::MAX as usize;

/// Arrays up to this many bytes are copied when the plan is made.
pub const INLINE_ARRAY: usize = 256;

/// Collects a message from `source`; see the [module](self).
pub fn plan<S: Source>(layout: &Layout, source: &S) -> Result<Plan<S::Array>, S::Error> {
    let mut builder = Builder::new();
    builder.message(layout, source)?;
    Ok(builder.finish())
}

/// Encodes an owned [`Value::Struct`]; fields that it lacks take their ROS defaults.
pub fn to_vec(layout: &Layout, value: &Value) -> Result<Vec<u8>, EncodeError> {
    plan(layout, value)?.to_vec()
}

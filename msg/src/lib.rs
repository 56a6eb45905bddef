//! ROS 2 message definitions, views over serialized messages, and their writer.
//!
//! This crate knows nothing of ROS libraries, shared memory or Python. It turns the definition text that
//! ROS ships with every interface into a [`Schema`], and a schema plus serialized bytes (CDR, as ROS
//! itself uses it) into typed values **in place**:
//!
//! - [`Schema::parse`] reads `.msg`, `.srv`, `.action` and `.idl` text and computes the RIHS01 type hash.
//! - [`Layout::locate`] finds a field of a message without decoding what lies before it. It returns
//!   offsets ([`Located`]), so callers decide what to build on them.
//! - [`View`] is that engine for Rust users.
//! - [`validate`] proves that a whole message is well formed.
//! - [`encode::plan`] computes the exact size of a message and writes it in one pass.
//! - [`frame`] is the header that precedes each message in shared memory.
//!
//! Reading is bounds-checked everywhere. Truncated, lying or hostile bytes give a [`CdrError`] that
//! names the field; they never cause a panic, an out-of-bounds read or an allocation larger than the
//! input justifies.
//!
//! The format: OMG DDS-RTPS 2.x §10 (encapsulation) and OMG CDR (XCDR version 1) as Fast CDR writes it.

pub mod cdr;
pub mod definition;
pub mod encode;
mod error;
pub mod frame;
mod hash;
pub mod layout;
mod name;
mod primitive;
mod scalar;
mod schema;
mod value;
mod view;

pub use cdr::{
    ByteOrder, Cdr, Elements, Located, Offsets, Sequence, SequenceElement, largest_array_offset,
    validate,
};
pub use error::{CdrError, CdrErrorKind, DefinitionError, EncodeError, EncodeErrorKind};
pub use hash::{ParseTypeHashError, TypeHash};
pub use layout::{
    ArrayLen, Constant, ElementType, Field, FieldType, Layout, StructField, StructFieldType,
    StructLayout,
};
pub use name::{InterfaceKind, ParseTypeNameError, TypeName};
pub use primitive::Primitive;
pub use scalar::Scalar;
pub use schema::Schema;
pub use value::{NumericArray, Value};
pub use view::View;

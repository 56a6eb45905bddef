//! Rust's numbers as ROS's.

use crate::cdr::{ByteOrder, Cdr};
use crate::error::CdrError;
use crate::primitive::Primitive;

mod sealed {
    pub trait Sealed {}
}

/// Rust types of ROS numbers and bools.
pub trait Scalar: Sized + sealed::Sealed {
    /// The ROS type.
    const PRIMITIVE: Primitive;
    /// What an array of it is called in errors.
    const SLICE_NAME: &'static str;

    #[doc(hidden)]
    fn read(cdr: &Cdr<'_>, offset: usize) -> Result<Self, CdrError>;
}

macro_rules! scalar {
    ($($ty:ty: $primitive:ident, $name:literal;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl Scalar for $ty {
            const PRIMITIVE: Primitive = Primitive::$primitive;
            const SLICE_NAME: &'static str = $name;

            #[inline]
            fn read(cdr: &Cdr<'_>, offset: usize) -> Result<Self, CdrError> {
                let bytes = cdr.array_at(offset)?;
                Ok(match cdr.byte_order() {
                    ByteOrder::Little => Self::from_le_bytes(bytes),
                    ByteOrder::Big => Self::from_be_bytes(bytes),
                })
            }
        }
    )*};
}

scalar! {
    i8: I8, "an array of int8";
    u8: U8, "an array of uint8";
    i16: I16, "an array of int16";
    u16: U16, "an array of uint16";
    i32: I32, "an array of int32";
    u32: U32, "an array of uint32";
    i64: I64, "an array of int64";
    u64: U64, "an array of uint64";
    f32: F32, "an array of float32";
    f64: F64, "an array of float64";
}

impl sealed::Sealed for bool {}
impl Scalar for bool {
    const PRIMITIVE: Primitive = Primitive::Bool;
    const SLICE_NAME: &'static str = "an array of bool";

    fn read(cdr: &Cdr<'_>, offset: usize) -> Result<Self, CdrError> {
        cdr.array_at(offset).map(|[byte]| byte != 0)
    }
}

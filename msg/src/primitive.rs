//! The types that have one fixed size.

use std::fmt;

/// A value of fixed size: everything but strings and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `bool`: one byte, 0 or 1.
    Bool,
    /// `byte`: one opaque byte (IDL `octet`).
    Byte,
    /// IDL `char`: one byte. The `char` of `.msg` files is [`Primitive::U8`], as in ROS.
    Char,
    /// `int8`
    I8,
    /// `uint8`, and the `char` of `.msg` files.
    U8,
    /// `int16`
    I16,
    /// `uint16`
    U16,
    /// `int32`
    I32,
    /// `uint32`
    U32,
    /// `int64`
    I64,
    /// `uint64`
    U64,
    /// `float32`
    F32,
    /// `float64`
    F64,
}

impl Primitive {
    /// Bytes of one value, which is also its alignment in CDR.
    #[inline]
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::Byte | Self::Char | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// The name in `.msg` files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Byte => "byte",
            Self::Char => "char",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// The NumPy type code without byte order: `"f4"`, `"u1"`, `"b1"` for bool.
    #[must_use]
    pub const fn numpy_code(self) -> &'static str {
        match self {
            Self::Bool => "b1",
            Self::Byte | Self::Char | Self::U8 => "u1",
            Self::I8 => "i1",
            Self::I16 => "i2",
            Self::U16 => "u2",
            Self::I32 => "i4",
            Self::U32 => "u4",
            Self::I64 => "i8",
            Self::U64 => "u8",
            Self::F32 => "f4",
            Self::F64 => "f8",
        }
    }

    /// True for `float32` and `float64`.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The smallest and largest value of an integer type; `None` for bool and floats.
    #[must_use]
    pub const fn int_range(self) -> Option<(i128, i128)> {
        Some(match self {
            Self::Bool | Self::F32 | Self::F64 => return None,
            Self::Byte | Self::Char | Self::U8 => (0, u8::MAX as i128),
            Self::I8 => (i8::MIN as i128, i8::MAX as i128),
            Self::I16 => (i16::MIN as i128, i16::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
            Self::I32 => (i32::MIN as i128, i32::MAX as i128),
            Self::U32 => (0, u32::MAX as i128),
            Self::I64 => (i64::MIN as i128, i64::MAX as i128),
            Self::U64 => (0, u64::MAX as i128),
        })
    }

    /// True where an array of `other` has the same bytes and meaning as one of `self`
    /// (`byte`, IDL `char` and `uint8` are interchangeable).
    #[must_use]
    pub fn same_bytes_as(self, other: Self) -> bool {
        let octet = |p| matches!(p, Self::Byte | Self::Char | Self::U8);
        self == other || (octet(self) && octet(other))
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

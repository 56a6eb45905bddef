//! Owned values: defaults, constants, whole messages where a tree is wanted.

use std::sync::Arc;

use crate::primitive::Primitive;

/// A value of any ROS type, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer, `byte` or `char`.
    U64(u64),
    /// `float32` (exactly converted) or `float64`.
    F64(f64),
    /// `string` or `wstring`.
    Str(Box<str>),
    /// An array of numbers.
    Numbers(NumericArray),
    /// An array of strings or messages.
    Seq(Vec<Value>),
    /// A message: its fields by name, in order.
    Struct(Vec<(Arc<str>, Value)>),
}

/// An array of numbers as little-endian bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumericArray {
    /// The elements' type.
    pub primitive: Primitive,
    /// The elements, little-endian; a multiple of the element size.
    pub bytes: Vec<u8>,
}

impl NumericArray {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.primitive.size()
    }

    /// True without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The element at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value> {
        let size = self.primitive.size();
        let bytes = self.bytes.get(index.checked_mul(size)?..)?.get(..size)?;
        Some(Value::from_le_bytes(self.primitive, bytes))
    }

    /// The elements one by one.
    pub fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        self.bytes
            .chunks_exact(self.primitive.size())
            .map(|b| Value::from_le_bytes(self.primitive, b))
    }
}

impl Value {
    /// A primitive from its little-endian bytes; `bytes` has the primitive's size.
    pub(crate) fn from_le_bytes(primitive: Primitive, bytes: &[u8]) -> Self {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match primitive {
            Primitive::Bool => Self::Bool(bits != 0),
            Primitive::Byte | Primitive::Char | Primitive::U8 => Self::U64(bits),
            Primitive::U16 | Primitive::U32 | Primitive::U64 => Self::U64(bits),
            Primitive::I8 => Self::I64(i64::from(bits as i8)),
            Primitive::I16 => Self::I64(i64::from(bits as i16)),
            Primitive::I32 => Self::I64(i64::from(bits as i32)),
            Primitive::I64 => Self::I64(bits as i64),
            Primitive::F32 => Self::F64(f64::from(f32::from_bits(bits as u32))),
            Primitive::F64 => Self::F64(f64::from_bits(bits)),
        }
    }

    /// The little-endian bytes of a number as `primitive`; `None` if it is no number of that sort.
    /// The value is expected to be in range (defaults and constants are checked when they are parsed).
    pub(crate) fn to_le_bytes(&self, primitive: Primitive) -> Option<([u8; 8], usize)> {
        let bits = match (self, primitive) {
            (Self::Bool(value), Primitive::Bool) => u64::from(*value),
            (Self::U64(value), p) if p.int_range().is_some() => *value,
            (Self::I64(value), p) if p.int_range().is_some() => *value as u64,
            (Self::F64(value), Primitive::F32) => u64::from((*value as f32).to_bits()),
            (Self::F64(value), Primitive::F64) => value.to_bits(),
            _ => return None,
        };
        Some((bits.to_le_bytes(), primitive.size()))
    }

    /// What it is, in words, for error messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::I64(_) | Self::U64(_) => "an integer",
            Self::F64(_) => "a float",
            Self::Str(_) => "a string",
            Self::Numbers(_) => "an array of numbers",
            Self::Seq(_) => "a sequence",
            Self::Struct(_) => "a message",
        }
    }

    /// The field `name` of a message.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(n, _)| &**n == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

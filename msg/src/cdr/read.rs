//! Reading the values that [`Located`](super::Located) points to.

use std::borrow::Cow;

use super::{ByteOrder, Cdr};
use crate::error::{CdrError, CdrErrorKind};
use crate::primitive::Primitive;
use crate::value::Value;

impl<'a> Cdr<'a> {
    /// The number or bool at `offset`. Any bool but 0 is true.
    pub fn value_at(&self, offset: usize, primitive: Primitive) -> Result<Value, CdrError> {
        let size = primitive.size();
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(self.slice_at(offset, size)?);
        if self.order == ByteOrder::Big {
            bytes[..size].reverse();
        }
        Ok(Value::from_le_bytes(primitive, &bytes[..size]))
    }

    /// The bytes of a [`Located::Str`](super::Located::Str) of `len` bytes.
    pub fn bytes_at(&self, offset: usize, len: usize) -> Result<&'a [u8], CdrError> {
        self.slice_at(offset, len)
    }

    /// The text of a [`Located::Str`](super::Located::Str); an error if it is not UTF-8.
    pub fn str_at(&self, offset: usize, len: usize) -> Result<&'a str, CdrError> {
        std::str::from_utf8(self.slice_at(offset, len)?)
            .map_err(|_| CdrError::new(offset, CdrErrorKind::NotText))
    }

    /// The UTF-16 units of a [`Located::WStr`](super::Located::WStr) of `len` units. Units are stored in
    /// four bytes each; only the lower two count, as in ROS.
    pub fn utf16_at(&self, offset: usize, len: usize) -> Result<Vec<u16>, CdrError> {
        let bytes = self.slice_at(offset, len.saturating_mul(4))?;
        let unit = |b: &[u8]| match self.order {
            ByteOrder::Little => u16::from_le_bytes([b[0], b[1]]),
            ByteOrder::Big => u16::from_be_bytes([b[2], b[3]]),
        };
        Ok(bytes.chunks_exact(4).map(unit).collect())
    }

    /// The text of a [`Located::WStr`](super::Located::WStr); an error if it is not UTF-16.
    pub fn wstr_at(&self, offset: usize, len: usize) -> Result<String, CdrError> {
        String::from_utf16(&self.utf16_at(offset, len)?)
            .map_err(|_| CdrError::new(offset, CdrErrorKind::NotText))
    }

    /// The elements of an array of numbers as little-endian bytes; copied only if the message is big-endian.
    pub fn le_bytes_at(
        &self,
        offset: usize,
        len: usize,
        primitive: Primitive,
    ) -> Result<Cow<'a, [u8]>, CdrError> {
        let size = primitive.size();
        let bytes = self.slice_at(offset, len.saturating_mul(size))?;
        if self.order == ByteOrder::Little || size == 1 {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut swapped = bytes.to_vec();
        swapped.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        Ok(Cow::Owned(swapped))
    }
}

//! Reading serialized messages in place.

mod elements;
mod largest;
mod locate;
mod offsets;
mod read;
mod skip;
mod validate;

pub use elements::{Elements, Sequence, SequenceElement};
pub use largest::largest_array_offset;
pub use locate::Located;
pub use offsets::Offsets;
pub use validate::validate;

use crate::error::{CdrError, CdrErrorKind};
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::align;

/// The order of the bytes of numbers in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first: what every current ROS machine writes.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// This machine's.
    pub const NATIVE: Self = if cfg!(target_endian = "little") {
        Self::Little
    } else {
        Self::Big
    };
}

/// Serialized bytes: a 4-byte encapsulation header, then the body. Every offset in this crate counts from
/// the encapsulation's first byte. Making one costs next to nothing.
#[derive(Clone, Copy, Debug)]
pub struct Cdr<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl<'a> Cdr<'a> {
    /// Where the body, and so the root message, starts.
    pub const START: usize = ENCAPSULATION_LEN;

    /// Reads the encapsulation header. Plain CDR of both byte orders is accepted (representation 0x0000
    /// and 0x0001); the options field is ignored, as in ROS.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CdrError> {
        let Some(header) = bytes.first_chunk::<ENCAPSULATION_LEN>() else {
            return Err(CdrError::truncated(0, ENCAPSULATION_LEN, bytes.len()));
        };
        let order = match u16::from_be_bytes([header[0], header[1]]) {
            0x0000 => ByteOrder::Big,
            0x0001 => ByteOrder::Little,
            found => return Err(CdrError::new(0, CdrErrorKind::Encapsulation { found })),
        };
        Ok(Self { bytes, order })
    }

    /// All bytes, encapsulation included.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The byte order of the numbers.
    #[inline]
    #[must_use]
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// `N` bytes at `offset`.
    #[inline]
    pub(crate) fn array_at<const N: usize>(&self, offset: usize) -> Result<[u8; N], CdrError> {
        match self.bytes.get(offset..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => Ok(*bytes),
            None => Err(CdrError::truncated(offset, N, self.bytes.len())),
        }
    }

    /// `len` bytes at `offset`.
    #[inline]
    pub(crate) fn slice_at(&self, offset: usize, len: usize) -> Result<&'a [u8], CdrError> {
        match self.bytes.get(offset..).and_then(|tail| tail.get(..len)) {
            Some(bytes) => Ok(bytes),
            None => Err(CdrError::truncated(offset, len, self.bytes.len())),
        }
    }

    /// Checks that `len` bytes lie at `offset`, and returns where they end.
    #[inline]
    pub(crate) fn end_of(&self, offset: usize, len: usize) -> Result<usize, CdrError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.bytes.len() => Ok(end),
            _ => Err(CdrError::truncated(offset, len, self.bytes.len())),
        }
    }

    /// `pos` moved to the next multiple of `alignment` of the body.
    #[inline]
    pub(crate) fn align(pos: usize, alignment: usize) -> usize {
        align(pos - ENCAPSULATION_LEN, alignment) + ENCAPSULATION_LEN
    }

    /// The length field at the next multiple of four, and the position behind it.
    #[inline]
    pub(crate) fn length(&self, pos: usize) -> Result<(usize, usize), CdrError> {
        let at = Self::align(pos, 4);
        let bytes = self.array_at(at)?;
        let len = match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        };
        Ok((len as usize, at + 4))
    }
}

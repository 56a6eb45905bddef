//! A message that is ready to be written.

use std::mem::MaybeUninit;
use std::sync::Arc;

use super::sink::{Sink, append};
use super::source::ArrayData;
use crate::error::{EncodeError, EncodeErrorKind};
use crate::layout::{StructFieldType, StructLayout};
use crate::primitive::Primitive;

/// A message whose exact size is known and whose small values are encoded; see [`plan`](super::plan).
#[derive(Debug)]
pub struct Plan<A> {
    head: Vec<u8>,
    holes: Vec<Hole<A>>,
    size: usize,
    largest: Option<(usize, usize)>,
}

/// An array that the caller fills in place, after the message has been written around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved<'a> {
    /// The field, from the root: `boxes` or `image.data`.
    pub path: &'a str,
    /// The array's first byte, from the encapsulation's first byte.
    pub offset: usize,
    /// Number of elements.
    pub count: usize,
    /// Its bytes.
    pub bytes: usize,
}

/// A stretch of the message that is not in `head`.
#[derive(Debug)]
pub(super) struct Hole<A> {
    /// Its first byte in the message.
    pub(super) offset: usize,
    /// Bytes of `head` before it.
    pub(super) head: usize,
    pub(super) len: usize,
    pub(super) content: Content<A>,
    pub(super) fixup: Fixup,
    pub(super) path: String,
}

#[derive(Debug)]
pub(super) enum Content<A> {
    Data(A),
    Zero,
    Reserved { count: usize },
}

/// What is done with an array's bytes once they are there.
#[derive(Debug)]
pub(super) enum Fixup {
    None,
    /// Every byte must be 0 or 1.
    Bools,
    /// Elements of this layout and stride: padding becomes zero, bools must be 0 or 1.
    Structs(Arc<StructLayout>, usize),
}

impl<A: ArrayData> Plan<A> {
    pub(super) fn new(
        head: Vec<u8>,
        holes: Vec<Hole<A>>,
        hole_bytes: usize,
        largest: Option<(usize, usize)>,
    ) -> Self {
        Self {
            size: head.len() + hole_bytes,
            head,
            holes,
            largest,
        }
    }

    /// The exact size in bytes, encapsulation included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Where the largest array of numbers starts, from the encapsulation's first byte.
    #[must_use]
    pub fn largest_array_offset(&self) -> Option<usize> {
        self.largest.map(|(_, offset)| offset)
    }

    /// The reserved arrays, in order.
    pub fn reserved(&self) -> impl Iterator<Item = Reserved<'_>> {
        self.holes.iter().filter_map(|hole| match hole.content {
            Content::Reserved { count } => Some(Reserved {
                path: &hole.path,
                offset: hole.offset,
                count,
                bytes: hole.len,
            }),
            _ => None,
        })
    }

    /// Writes the message. `out` has exactly [`Plan::size`] bytes.
    ///
    /// After `Ok` every byte of `out` is initialised, except those of [`Plan::reserved`] arrays: they hold
    /// what they held (arrays of bools, and of structures with padding or bools, are zeroed). If the memory
    /// may hold something secret, overwrite them. After `Err` the bytes are to be thrown away.
    pub fn write_into(&self, out: &mut [MaybeUninit<u8>]) -> Result<(), EncodeError> {
        if out.len() != self.size {
            let kind = EncodeErrorKind::BufferSize {
                expected: self.size,
                found: out.len(),
            };
            return Err(EncodeError::new("", kind));
        }
        let mut sink = Sink::new(out);
        let mut head = 0;
        for hole in &self.holes {
            let error = |kind| EncodeError::new(hole.path.clone(), kind);
            sink.put(&self.head[head..hole.head]).map_err(error)?;
            head = hole.head;
            if let (Content::Reserved { .. }, Fixup::None) = (&hole.content, &hole.fixup) {
                sink = sink.leave(hole.len);
                continue;
            }
            let (part, rest) = sink.split(hole.len);
            hole.fill(part).map_err(error)?;
            sink = rest;
        }
        sink.put(&self.head[head..])
            .map_err(|kind| EncodeError::new("", kind))
    }

    /// Writes the message to a vector; reserved arrays are zero.
    pub fn to_vec(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        let mut head = 0;
        let whole = |kind| EncodeError::new("", kind);
        bytes
            .try_reserve_exact(self.size)
            .map_err(|e| whole(EncodeErrorKind::Source(e.to_string())))?;
        for hole in &self.holes {
            bytes.extend_from_slice(&self.head[head..hole.head]);
            head = hole.head;
            append(&mut bytes, hole.len, |sink| {
                let n = sink.remaining();
                match &hole.content {
                    Content::Data(_) => hole.put(sink),
                    Content::Zero | Content::Reserved { .. } => sink.put_zeros(n),
                }
            })
            .map_err(|kind| EncodeError::new(hole.path.clone(), kind))?;
        }
        bytes.extend_from_slice(&self.head[head..]);
        Ok(bytes)
    }
}

impl<A: ArrayData> Hole<A> {
    fn fill(&self, mut sink: Sink<'_>) -> Result<(), EncodeErrorKind> {
        self.put(&mut sink)
    }

    fn put(&self, sink: &mut Sink<'_>) -> Result<(), EncodeErrorKind> {
        let Content::Data(data) = &self.content else {
            return sink.put_zeros(self.len);
        };
        data.fill(sink)?;
        if sink.remaining() > 0 {
            return Err(EncodeErrorKind::ShortArray {
                expected: self.len,
                found: sink.filled(),
            });
        }
        self.fixup.apply(sink.filled_bytes())
    }
}

impl Fixup {
    pub(super) fn apply(&self, bytes: &mut [u8]) -> Result<(), EncodeErrorKind> {
        match self {
            Self::None => Ok(()),
            Self::Bools => check_bools(bytes),
            Self::Structs(layout, stride) => bytes
                .chunks_mut((*stride).max(1))
                .try_for_each(|element| clean(layout, element)),
        }
    }
}

fn check_bools(bytes: &[u8]) -> Result<(), EncodeErrorKind> {
    if bytes.iter().fold(0, |all, byte| all | byte) <= 1 {
        return Ok(());
    }
    Err(EncodeErrorKind::WrongType {
        expected: "bools (0 or 1)".into(),
        found: "bytes of other values".into(),
    })
}

/// Zeroes the padding of one structure (and the bytes behind it), and checks its bools.
fn clean(layout: &StructLayout, element: &mut [u8]) -> Result<(), EncodeErrorKind> {
    let mut end = 0;
    for field in layout.fields() {
        element[end..field.offset].fill(0);
        let size = field.ty.size();
        let count = field.count.unwrap_or(1);
        end = field.offset + size * count;
        let member = &mut element[field.offset..end];
        match &field.ty {
            StructFieldType::Primitive(Primitive::Bool) => check_bools(member)?,
            StructFieldType::Primitive(_) => {}
            StructFieldType::Struct(inner) => {
                member
                    .chunks_mut(size.max(1))
                    .try_for_each(|nested| clean(inner, nested))?;
            }
        }
    }
    element[end..].fill(0);
    Ok(())
}

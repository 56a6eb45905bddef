//! The state while a plan is made.

use std::fmt::Write;
use std::sync::Arc;

use super::plan::{Content, Fixup, Hole, Plan};
use super::sink::append;
use super::source::{ArrayData, MessageStart, Source};
use super::writer::FieldWriter;
use super::{INLINE_ARRAY, MAX_SIZE};
use crate::error::{EncodeError, EncodeErrorKind};
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::{Layout, StructLayout, align};
use crate::primitive::Primitive;

/// Encapsulation header: plain CDR, little-endian, no options.
const ENCAPSULATION: [u8; ENCAPSULATION_LEN] = [0, 1, 0, 0];

pub(super) struct Builder<'l, A> {
    /// Everything but the holes.
    head: Vec<u8>,
    holes: Vec<Hole<A>>,
    /// Bytes of all holes.
    hole_bytes: usize,
    /// Bytes and offset of the largest array.
    largest: Option<(usize, usize)>,
    path: Vec<Segment<'l>>,
}

/// A step of the path to a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'l> {
    Field(&'l str),
    Index(usize),
}

/// The elements of an array whose bytes come in one piece.
pub(super) enum Elements {
    Numbers(Primitive),
    Structs(Arc<StructLayout>, usize),
}

impl<'l, A: ArrayData> Builder<'l, A> {
    pub(super) fn new() -> Self {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(&ENCAPSULATION);
        Self {
            head,
            holes: Vec::new(),
            hole_bytes: 0,
            largest: None,
            path: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Plan<A> {
        Plan::new(self.head, self.holes, self.hole_bytes, self.largest)
    }

    /// The offset of the next byte in the message.
    pub(super) fn pos(&self) -> usize {
        self.head.len() + self.hole_bytes
    }

    pub(super) fn error(&self, kind: EncodeErrorKind) -> EncodeError {
        EncodeError::new(self.path(), kind)
    }

    pub(super) fn path(&self) -> String {
        path_text(&self.path)
    }

    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    pub(super) fn leave_to(&mut self, depth: usize) {
        self.path.truncate(depth);
    }

    pub(super) fn enter_index(&mut self, depth: usize, index: usize) {
        self.path.truncate(depth);
        self.path.push(Segment::Index(index));
    }

    pub(super) fn message<S>(&mut self, layout: &'l Layout, source: &S) -> Result<(), S::Error>
    where
        S: Source<Array = A> + ?Sized,
    {
        let depth = self.depth();
        source.begin(&MessageStart {
            layout,
            path: &self.path,
        })?;
        for (index, field) in layout.fields().iter().enumerate() {
            self.path.truncate(depth);
            self.path.push(Segment::Field(&field.name));
            source.write_field(index, FieldWriter::field(self, field))?;
        }
        self.path.truncate(depth);
        if layout.fields().is_empty() {
            self.put(&[0], 1)?; // structure_needs_at_least_one_member
        }
        Ok(())
    }

    /// Appends padding up to a multiple of `alignment`, then `bytes`.
    pub(super) fn put(&mut self, bytes: &[u8], alignment: usize) -> Result<(), EncodeError> {
        self.pad(alignment)?;
        self.claim(bytes.len())?;
        self.head.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends `n` zero bytes.
    pub(super) fn put_zeros(&mut self, n: usize) -> Result<(), EncodeError> {
        self.claim(n)?;
        if n <= INLINE_ARRAY {
            self.head.resize(self.head.len() + n, 0);
        } else {
            self.hole(n, Content::Zero, Fixup::None);
        }
        Ok(())
    }

    pub(super) fn pad(&mut self, alignment: usize) -> Result<(), EncodeError> {
        let body_pos = self.pos() - ENCAPSULATION_LEN;
        let padding = align(body_pos, alignment) - body_pos;
        self.claim(padding)?;
        self.head.resize(self.head.len() + padding, 0);
        Ok(())
    }

    pub(super) fn put_length(&mut self, n: usize) -> Result<(), EncodeError> {
        let Ok(n) = u32::try_from(n) else {
            return Err(self.error(EncodeErrorKind::TooLarge {
                needed: n,
                limit: MAX_SIZE,
            }));
        };
        self.put(&n.to_le_bytes(), 4)
    }

    /// Fails if `n` more bytes are too many.
    fn claim(&self, n: usize) -> Result<(), EncodeError> {
        match self.pos().checked_add(n) {
            Some(end) if end <= MAX_SIZE => Ok(()),
            end => {
                let needed = end.unwrap_or(usize::MAX);
                Err(self.error(EncodeErrorKind::TooLarge {
                    needed,
                    limit: MAX_SIZE,
                }))
            }
        }
    }

    /// Appends an array of `count` elements: from `data`, or reserved where that is `None`. Any length
    /// field has been written.
    pub(super) fn array(
        &mut self,
        elements: Elements,
        count: usize,
        start_of_structs: usize,
        data: Option<A>,
    ) -> Result<(), EncodeError> {
        if count == 0 {
            return Ok(()); // an empty array is not even aligned
        }
        let (bytes, fixup) = match elements {
            Elements::Numbers(primitive) => {
                self.pad(primitive.size())?;
                let fixup = if primitive == Primitive::Bool {
                    Fixup::Bools
                } else {
                    Fixup::None
                };
                (count.saturating_mul(primitive.size()), fixup)
            }
            Elements::Structs(layout, stride) => {
                self.put_zeros(start_of_structs - self.pos())?;
                let bytes = (count - 1)
                    .saturating_mul(stride)
                    .saturating_add(layout.itemsize());
                let plain =
                    stride == layout.itemsize() && !layout.has_padding() && !layout.has_bool();
                (
                    bytes,
                    if plain {
                        Fixup::None
                    } else {
                        Fixup::Structs(layout, stride)
                    },
                )
            }
        };
        self.claim(bytes)?;
        if bytes > self.largest.map_or(0, |(most, _)| most) {
            self.largest = Some((bytes, self.pos()));
        }
        match data {
            Some(data) if bytes <= INLINE_ARRAY => {
                let at = self.head.len();
                append(&mut self.head, bytes, |sink| data.fill(sink))
                    .and_then(|()| fixup.apply(&mut self.head[at..]))
                    .map_err(|kind| self.error(kind))?;
            }
            Some(data) => self.hole(bytes, Content::Data(data), fixup),
            None => self.hole(bytes, Content::Reserved { count }, fixup),
        }
        Ok(())
    }

    fn hole(&mut self, len: usize, content: Content<A>, fixup: Fixup) {
        let hole = Hole {
            offset: self.pos(),
            head: self.head.len(),
            len,
            content,
            fixup,
            path: self.path(),
        };
        self.holes.push(hole);
        self.hole_bytes += len;
    }
}

/// `boxes[3].label`
pub(super) fn path_text(segments: &[Segment<'_>]) -> String {
    let mut path = String::new();
    for segment in segments {
        // Writing to a String cannot fail.
        let _ = match segment {
            Segment::Field(name) if path.is_empty() => write!(path, "{name}"),
            Segment::Field(name) => write!(path, ".{name}"),
            Segment::Index(index) => write!(path, "[{index}]"),
        };
    }
    path
}

//! Finding one field of a message.

use std::sync::Arc;

use super::elements::{Sequence, SequenceElement};
use super::{Cdr, Offsets};
use crate::error::{CdrError, CdrErrorKind};
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::{ArrayLen, ElementType, FieldType, Layout, StructLayout};
use crate::primitive::Primitive;

/// What a field is and where it lies. Offsets count from the encapsulation's first byte; all bytes named
/// have been checked to be there.
#[derive(Clone, Debug)]
pub enum Located {
    /// A number or bool.
    Scalar {
        /// Its first byte.
        offset: usize,
        /// Its type.
        primitive: Primitive,
    },
    /// A string.
    Str {
        /// Its first byte.
        offset: usize,
        /// Bytes without the terminating NUL.
        len: usize,
    },
    /// A wide string: UTF-16 units, each stored in four bytes (as Fast CDR does), without terminator.
    WStr {
        /// Its first byte.
        offset: usize,
        /// Number of units.
        len: usize,
    },
    /// An array of numbers, contiguous and aligned relative to the body.
    Slice {
        /// Its first byte.
        offset: usize,
        /// Number of elements.
        len: usize,
        /// The elements' type.
        primitive: Primitive,
    },
    /// An array of fixed-size messages that all lie alike.
    StructSlice {
        /// Where the first element starts, padding in front included.
        start: usize,
        /// The first element's first member.
        offset: usize,
        /// Number of elements.
        len: usize,
        /// Bytes from one element to the next. The last one ends after `element.itemsize()` bytes.
        stride: usize,
        /// The layout of an element.
        element: Arc<StructLayout>,
        /// The elements' type.
        layout: Arc<Layout>,
    },
    /// A nested message.
    Message {
        /// Where it starts: to be given to [`Layout::locate`], or to [`Layout::struct_at`] if it
        /// [is fixed](Layout::is_fixed).
        start: usize,
        /// Its type.
        layout: Arc<Layout>,
    },
    /// An array of strings, or of messages that do not all lie alike.
    Sequence(Sequence),
}

impl Layout {
    /// Finds the field with index `field` in the message that starts at `start` ([`Cdr::START`] for the
    /// root). Reads only what lies before the field, and not even that where `found` knows it already.
    ///
    /// `found` belongs to this one message; start with [`Offsets::new`].
    pub fn locate(
        &self,
        cdr: &Cdr<'_>,
        start: usize,
        found: &Offsets,
        field: usize,
    ) -> Result<Located, CdrError> {
        let Some(wanted) = self.fields().get(field) else {
            return Err(CdrError::new(start, CdrErrorKind::NoSuchField));
        };
        // Any `start` is taken; beyond the end there is nothing to find.
        let start = start.clamp(ENCAPSULATION_LEN, cdr.bytes().len());
        let named = |e: CdrError| e.in_field(&wanted.name);
        if let Some(fixed) = self.fixed() {
            let offset = fixed.phase(start - ENCAPSULATION_LEN).offsets[field];
            return Ok(cdr
                .locate_field(&wanted.ty, start + offset)
                .map_err(named)?
                .0);
        }
        let reach = self.reach().field(field);
        let base = self.variable_end(cdr, start, found, reach.after)?;
        let pos = reach.from(base, base - ENCAPSULATION_LEN);
        let (located, end) = cdr.locate_field(&wanted.ty, pos).map_err(named)?;
        if let Some(end) = end
            && self.reach().field(field + 1).after > reach.after
        {
            found.set(reach.after, end);
        }
        Ok(located)
    }

    /// Where the last of the first `n` variable-size fields ends; the message's start for none.
    #[inline]
    fn variable_end(
        &self,
        cdr: &Cdr<'_>,
        start: usize,
        found: &Offsets,
        n: usize,
    ) -> Result<usize, CdrError> {
        let known = (0..n).rev().find_map(|i| Some((i + 1, found.get(i)?)));
        let (first, mut base) = known.unwrap_or((0, start));
        for (number, &index) in self
            .reach()
            .variable()
            .iter()
            .enumerate()
            .take(n)
            .skip(first)
        {
            let field = &self.fields()[index];
            let pos = self
                .reach()
                .field(index)
                .from(base, base - ENCAPSULATION_LEN);
            base = cdr
                .skip_field(&field.ty, pos)
                .map_err(|e| e.in_field(&field.name))?;
            found.set(number, base);
        }
        Ok(base)
    }
}

impl Cdr<'_> {
    /// The value of type `ty` at `pos` (before alignment), and its end where that is known without a walk.
    pub(crate) fn locate_field(
        &self,
        ty: &FieldType,
        pos: usize,
    ) -> Result<(Located, Option<usize>), CdrError> {
        match ty {
            FieldType::Single(element) => self.locate_element(element, pos),
            FieldType::Array(element, ArrayLen::Fixed(n)) => {
                self.locate_array(element, pos, *n, true)
            }
            FieldType::Array(element, _) => {
                let (n, pos) = self.length(pos)?;
                self.locate_array(element, pos, n, false)
            }
        }
    }

    /// One value at `pos`.
    pub(crate) fn locate_element(
        &self,
        element: &ElementType,
        pos: usize,
    ) -> Result<(Located, Option<usize>), CdrError> {
        Ok(match element {
            ElementType::Primitive(primitive) => {
                let offset = Self::align(pos, primitive.size());
                let end = self.end_of(offset, primitive.size())?;
                (
                    Located::Scalar {
                        offset,
                        primitive: *primitive,
                    },
                    Some(end),
                )
            }
            ElementType::String { wide: false, .. } => {
                let (len, offset) = self.length(pos)?;
                let bytes = self.slice_at(offset, len)?;
                // Fast CDR takes strings without a terminator too.
                let text = len - usize::from(bytes.last() == Some(&0));
                (Located::Str { offset, len: text }, Some(offset + len))
            }
            ElementType::String { wide: true, .. } => {
                let (len, offset) = self.length(pos)?;
                let end = self.end_of(offset, len.saturating_mul(4))?;
                (Located::WStr { offset, len }, Some(end))
            }
            ElementType::Message(layout) => {
                // A nested message of variable size is not walked; if it starts beyond the end, its
                // first field says so.
                let end = match layout.is_fixed() {
                    true => Some(self.skip_message(layout, pos)?),
                    false => None,
                };
                (
                    Located::Message {
                        start: pos,
                        layout: Arc::clone(layout),
                    },
                    end,
                )
            }
        })
    }

    fn locate_array(
        &self,
        element: &ElementType,
        pos: usize,
        n: usize,
        fixed_size: bool,
    ) -> Result<(Located, Option<usize>), CdrError> {
        if let ElementType::Primitive(primitive) = *element {
            let size = primitive.size();
            let (offset, end) = match n {
                // Empty arrays are not aligned on the wire, but a view's address may be.
                0 => (Self::align(pos, size).min(self.bytes().len()), pos),
                _ => {
                    let offset = Self::align(pos, size);
                    (offset, self.end_of(offset, n.saturating_mul(size))?)
                }
            };
            return Ok((
                Located::Slice {
                    offset,
                    len: n,
                    primitive,
                },
                Some(end),
            ));
        }
        if let ElementType::Message(layout) = element
            && layout.is_fixed()
        {
            let end = self.fixed_start(layout, pos, n)?;
            let structured = if fixed_size {
                layout.array_struct()
            } else {
                layout.sequence_struct()
            };
            if let Some((structured, stride)) = structured {
                let offset = match layout.struct_at(pos) {
                    Some((offset, _)) if n > 0 => offset,
                    _ => pos,
                };
                let slice = Located::StructSlice {
                    start: pos,
                    offset,
                    len: n,
                    stride,
                    element: Arc::clone(structured),
                    layout: Arc::clone(layout),
                };
                return Ok((slice, Some(end)));
            }
            let sequence = Sequence::new(pos, n, SequenceElement::Message(Arc::clone(layout)));
            return Ok((Located::Sequence(sequence), Some(end)));
        }
        self.end_of(pos, n.saturating_mul(element.min_size()))?;
        let of = match element {
            ElementType::Message(layout) => SequenceElement::Message(Arc::clone(layout)),
            ElementType::String { wide, .. } => SequenceElement::String { wide: *wide },
            ElementType::Primitive(_) => unreachable!("handled above"),
        };
        Ok((
            Located::Sequence(Sequence::new(pos, n, of)),
            (n == 0).then_some(pos),
        ))
    }
}

impl Located {
    /// What it is, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Scalar { primitive, .. } => primitive.name().to_owned(),
            Self::Str { .. } => "a string".to_owned(),
            Self::WStr { .. } => "a wide string".to_owned(),
            Self::Slice { primitive, len, .. } => format!("an array of {len} {primitive}"),
            Self::StructSlice { layout, len, .. } => format!("an array of {len} {}", layout.name()),
            Self::Message { layout, .. } => layout.name().to_string(),
            Self::Sequence(sequence) => match sequence.element() {
                SequenceElement::String { .. } => format!("an array of {} strings", sequence.len()),
                SequenceElement::Message(layout) => {
                    format!("an array of {} {}", sequence.len(), layout.name())
                }
            },
        }
    }

    #[cold]
    pub(crate) fn wrong_type(&self, wanted: &'static str, offset: usize) -> CdrError {
        CdrError::new(
            offset,
            CdrErrorKind::WrongType {
                wanted,
                found: self.describe(),
            },
        )
    }
}

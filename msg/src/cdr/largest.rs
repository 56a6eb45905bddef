//! Where a message's largest array starts.

use super::{Cdr, Located, Offsets};
use crate::error::CdrError;
use crate::layout::{ElementType, FieldType, Layout};
use crate::schema::Schema;

/// How deep nested messages are looked into.
const DEPTH: usize = 3;

/// The offset of the largest array of numbers (or of fixed-size messages), from the encapsulation's first
/// byte: what [`frame::cdr_offset_for`] wants. `None` if the message has no such array with elements, or
/// cannot be read. Cheap: only lengths are looked at. Arrays inside sequences of messages do not count, nor
/// those nested more than three levels deep.
///
/// [`frame::cdr_offset_for`]: crate::frame::cdr_offset_for
#[must_use]
pub fn largest_array_offset(schema: &Schema, cdr: &Cdr<'_>) -> Option<usize> {
    let mut largest = None;
    search(schema.layout(), cdr, Cdr::START, DEPTH, &mut largest).ok()?;
    largest.map(|(_, offset)| offset)
}

/// Looks for arrays of more bytes than `largest`, which holds bytes and offset.
fn search(
    layout: &Layout,
    cdr: &Cdr<'_>,
    start: usize,
    depth: usize,
    largest: &mut Option<(usize, usize)>,
) -> Result<(), CdrError> {
    let found = Offsets::new(layout);
    for (index, field) in layout.fields().iter().enumerate() {
        let worthwhile = match &field.ty {
            FieldType::Array(ElementType::String { .. }, _) => false,
            FieldType::Array(..) => true,
            FieldType::Single(ElementType::Message(_)) => depth > 1,
            FieldType::Single(_) => false,
        };
        if !worthwhile {
            continue;
        }
        let (bytes, offset) = match layout.locate(cdr, start, &found, index)? {
            Located::Slice {
                offset,
                len,
                primitive,
            } => (len * primitive.size(), offset),
            Located::StructSlice {
                offset,
                len,
                stride,
                ..
            } => (len * stride, offset),
            Located::Message { start, layout } => {
                search(&layout, cdr, start, depth - 1, largest)?;
                continue;
            }
            _ => continue,
        };
        if bytes > largest.map_or(0, |(most, _)| most) {
            *largest = Some((bytes, offset));
        }
    }
    Ok(())
}

//! Where a message's largest array starts.

use super::{Cdr, Located, Offsets};
use crate::layout::{ArrayLen, FieldType, Layout};
use crate::schema::Schema;

/// The offset of the largest top-level array of numbers (or of fixed-size messages), from the
/// encapsulation's first byte: what [`frame::cdr_offset_for`] wants. `None` if the message has no such
/// array with elements, or cannot be read. Cheap: only lengths are looked at.
///
/// [`frame::cdr_offset_for`]: crate::frame::cdr_offset_for
#[must_use]
pub fn largest_array_offset(schema: &Schema, cdr: &Cdr<'_>) -> Option<usize> {
    largest_in(schema.layout(), cdr)
}

fn largest_in(layout: &Layout, cdr: &Cdr<'_>) -> Option<usize> {
    let found = Offsets::new(layout);
    let mut largest: Option<(usize, usize)> = None; // (bytes, offset)
    for (index, field) in layout.fields().iter().enumerate() {
        if !matches!(
            field.ty,
            FieldType::Array(
                _,
                ArrayLen::Bounded(_) | ArrayLen::Unbounded | ArrayLen::Fixed(_)
            )
        ) {
            continue;
        }
        let (bytes, offset) = match layout.locate(cdr, Cdr::START, &found, index).ok()? {
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
            _ => continue,
        };
        if bytes > largest.map_or(0, |(most, _)| most) {
            largest = Some((bytes, offset));
        }
    }
    largest.map(|(_, offset)| offset)
}

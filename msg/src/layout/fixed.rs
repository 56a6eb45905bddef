//! Offset tables of messages that have neither strings nor sequences.

use std::sync::Arc;

use super::structs::{StructField, StructFieldType, StructLayout};
use super::{ArrayLen, ElementType, Field, FieldType, Layout};

/// `pos` rounded up to a multiple of `alignment`, a power of two.
#[inline]
pub(crate) const fn align(pos: usize, alignment: usize) -> usize {
    (pos + alignment - 1) & !(alignment - 1)
}

/// One table per phase of the start.
pub(crate) struct FixedLayout {
    phases: Box<[Phase]>,
    /// Element layout and stride of a sequence of this type, if it is the same for every sequence.
    pub(crate) sequence: Option<(Arc<StructLayout>, usize)>,
    /// The same for fixed-size arrays.
    pub(crate) array: Option<(Arc<StructLayout>, usize)>,
}

/// The layout for starts at one phase.
pub(crate) struct Phase {
    /// Each field's offset from the start: of the first byte for numbers, of the nested start for messages.
    pub(crate) offsets: Box<[usize]>,
    /// Bytes from the start to the end.
    pub(crate) size: usize,
    /// Bytes before the first member, and the structured layout from there on.
    pub(crate) structured: Option<(usize, Arc<StructLayout>)>,
}

impl FixedLayout {
    pub(crate) fn of(layout: &Layout) -> Option<Self> {
        let fixed = |field: &Field| match &field.ty {
            FieldType::Array(_, ArrayLen::Bounded(_) | ArrayLen::Unbounded) => false,
            ty => match ty.element() {
                ElementType::Primitive(_) => true,
                ElementType::String { .. } => false,
                ElementType::Message(nested) => nested.is_fixed(),
            },
        };
        if !layout.fields.iter().all(fixed) {
            return None;
        }
        let mut phases: Vec<Phase> = Vec::with_capacity(layout.alignment);
        for start in 0..layout.alignment {
            let mut phase = Phase::of(&layout.fields, start);
            // Equal layouts of several phases are one, so that they can be compared by address.
            if let Some((_, own)) = &mut phase.structured {
                let earlier = phases.iter().filter_map(|p| p.structured.as_ref());
                if let Some((_, same)) = earlier.into_iter().find(|(_, l)| l.same(own)) {
                    *own = Arc::clone(same);
                }
            }
            phases.push(phase);
        }
        let mut fixed = Self {
            phases: phases.into(),
            sequence: None,
            array: None,
        };
        // Behind a length, elements start at a multiple of four.
        fixed.sequence = fixed.uniform(4);
        fixed.array = fixed.uniform(1);
        Some(fixed)
    }

    /// The table for a message that starts `body_pos` bytes into the body.
    #[inline]
    pub(crate) fn phase(&self, body_pos: usize) -> &Phase {
        // The number of phases is a power of two.
        &self.phases[body_pos & (self.phases.len() - 1)]
    }

    /// The start of the `n`th element after one that starts at `body_pos`; `None` if it overflows. The
    /// phases of consecutive elements repeat after at most eight, so this takes no longer for large `n`.
    pub(crate) fn advance(&self, body_pos: usize, n: usize) -> Option<usize> {
        let mut pos = body_pos;
        let mut left = n;
        let mask = self.phases.len() - 1;
        let mut seen: [Option<(usize, usize)>; 8] = [None; 8]; // by phase: (elements left, position)
        while left > 0 {
            if let Some((left_then, pos_then)) = seen[pos & mask] {
                let period = left_then - left;
                let cycles = left / period;
                pos = pos.checked_add((pos - pos_then).checked_mul(cycles)?)?;
                left -= cycles * period;
                seen = [None; 8];
                if left == 0 {
                    break;
                }
            } else {
                seen[pos & mask] = Some((left, pos));
            }
            pos = pos.checked_add(self.phase(pos).size)?;
            left -= 1;
        }
        Some(pos)
    }

    /// Element layout and stride, if they are the same for every element of every array that starts at a
    /// multiple of `granularity`.
    fn uniform(&self, granularity: usize) -> Option<(Arc<StructLayout>, usize)> {
        let mut found: Option<(&Arc<StructLayout>, usize)> = None;
        for first in (0..self.phases.len()).step_by(granularity) {
            let mut start = first;
            for _ in 0..=self.phases.len() {
                let phase = self.phase(start);
                let (lead, layout) = phase.structured.as_ref()?;
                let next = start + phase.size;
                let (next_lead, _) = self.phase(next).structured.as_ref()?;
                let stride = phase.size - lead + next_lead;
                match found {
                    None => found = Some((layout, stride)),
                    Some((l, s)) if Arc::ptr_eq(l, layout) && s == stride => {}
                    Some(_) => return None,
                }
                start = next;
            }
        }
        found.map(|(layout, stride)| (Arc::clone(layout), stride))
    }
}

impl Phase {
    fn of(fields: &[Field], start: usize) -> Self {
        let mut pos = start;
        let mut offsets = Vec::with_capacity(fields.len());
        for field in fields {
            let n = match &field.ty {
                FieldType::Array(_, ArrayLen::Fixed(n)) => *n,
                _ => 1,
            };
            match field.ty.element() {
                ElementType::Primitive(primitive) => {
                    pos = align(pos, primitive.size());
                    offsets.push(pos - start);
                    pos += n * primitive.size();
                }
                ElementType::Message(nested) => {
                    offsets.push(pos - start);
                    // `min_size` is bounded, so this neither overflows nor fails.
                    pos = nested
                        .fixed()
                        .and_then(|f| f.advance(pos, n))
                        .unwrap_or(pos);
                }
                ElementType::String { .. } => offsets.push(pos - start),
            }
        }
        if fields.is_empty() {
            pos += 1; // structure_needs_at_least_one_member
        }
        let size = pos - start;
        let structured = Self::structured(fields, &offsets, start, size);
        Self {
            offsets: offsets.into(),
            size,
            structured,
        }
    }

    fn structured(
        fields: &[Field],
        offsets: &[usize],
        start: usize,
        size: usize,
    ) -> Option<(usize, Arc<StructLayout>)> {
        let mut members = Vec::with_capacity(fields.len());
        for (field, &offset) in fields.iter().zip(offsets) {
            let count = match &field.ty {
                FieldType::Array(_, ArrayLen::Fixed(n)) => Some(*n),
                _ => None,
            };
            let (offset, ty) = match field.ty.element() {
                ElementType::Primitive(primitive) => {
                    (offset, StructFieldType::Primitive(*primitive))
                }
                ElementType::Message(nested) => {
                    let (lead, inner) =
                        nested.fixed()?.phase(start + offset).structured.as_ref()?;
                    if count.is_some_and(|n| n > 1) {
                        // Elements of a member array lie one behind the other without gaps.
                        let (layout, stride) = nested.array_struct()?;
                        if !Arc::ptr_eq(layout, inner) || stride != layout.itemsize() {
                            return None;
                        }
                    }
                    (offset + lead, StructFieldType::Struct(Arc::clone(inner)))
                }
                ElementType::String { .. } => return None,
            };
            members.push(StructField {
                name: Arc::clone(&field.name),
                offset,
                ty,
                count,
            });
        }
        let lead = members.first()?.offset;
        for member in &mut members {
            member.offset -= lead;
        }
        Some((lead, Arc::new(StructLayout::new(members, size - lead))))
    }
}

//! How to get from one field of variable size to the next: everything between them is one addition.

use super::types::Field;
use super::{ArrayLen, ElementType, FieldType, align};

/// For a message of variable size: the distances between its fields.
pub(crate) struct Reach {
    /// One per field, and one for the end of the message.
    fields: Box<[FieldReach]>,
    /// Indexes of the fields of variable size.
    variable: Box<[usize]>,
}

/// How to reach a field.
#[derive(Clone, Copy)]
pub(crate) struct FieldReach {
    /// The number of variable-size fields before it. What follows counts from the end of the last of them,
    /// or from the message's start.
    pub(crate) after: usize,
    /// Bytes from there to the field's start (before alignment), by the phase of that position.
    advance: [u32; 8],
}

impl FieldReach {
    /// The position of the field, if `base` is where the last variable-size field before it ends.
    #[inline]
    pub(crate) fn from(&self, base: usize, body_pos: usize) -> usize {
        base + self.advance[body_pos & 7] as usize
    }
}

impl Reach {
    pub(super) fn of(fields: &[Field]) -> Self {
        let mut reaches = Vec::with_capacity(fields.len() + 1);
        let mut variable = Vec::new();
        let mut ends: [usize; 8] = std::array::from_fn(|phase| phase);
        let reach = |after, ends: &[usize; 8]| FieldReach {
            after,
            // The size of everything fixed is bounded (`MAX_MIN_SIZE`, and padding at most eightfold).
            advance: std::array::from_fn(|phase| (ends[phase] - phase) as u32),
        };
        for (index, field) in fields.iter().enumerate() {
            reaches.push(reach(variable.len(), &ends));
            let skipped = ends
                .iter()
                .map(|pos| fixed_end(&field.ty, *pos))
                .collect::<Option<Vec<_>>>();
            if let Some(skipped) = skipped {
                ends = std::array::from_fn(|phase| skipped[phase]);
            } else {
                variable.push(index);
                ends = std::array::from_fn(|phase| phase);
            }
        }
        reaches.push(reach(variable.len(), &ends));
        Self {
            fields: reaches.into(),
            variable: variable.into(),
        }
    }

    /// How to reach the field with this index; the number of fields stands for the end.
    #[inline]
    pub(crate) fn field(&self, index: usize) -> &FieldReach {
        &self.fields[index]
    }

    /// How to reach the end of the message.
    #[inline]
    pub(crate) fn end(&self) -> &FieldReach {
        &self.fields[self.fields.len() - 1]
    }

    /// The indexes of the fields of variable size, in order.
    #[inline]
    pub(crate) fn variable(&self) -> &[usize] {
        &self.variable
    }
}

/// Where a field of fixed size ends that starts at `pos` of the body; `None` for the others.
fn fixed_end(ty: &FieldType, pos: usize) -> Option<usize> {
    let n = match ty {
        FieldType::Single(_) => 1,
        FieldType::Array(_, ArrayLen::Fixed(n)) => *n,
        FieldType::Array(..) => return None,
    };
    match ty.element() {
        ElementType::Primitive(primitive) => {
            Some(align(pos, primitive.size()) + n * primitive.size())
        }
        ElementType::Message(layout) => layout.fixed()?.advance(pos, n),
        ElementType::String { .. } => None,
    }
}

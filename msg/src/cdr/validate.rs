//! Proving that a whole message is well formed.

use super::Cdr;
use crate::error::{CdrError, CdrErrorKind};
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::{ArrayLen, ElementType, FieldType, Layout};
use crate::primitive::Primitive;
use crate::schema::Schema;

/// Proves that `bytes` hold a message of the schema's type that any ROS middleware can read: everything
/// lies inside the bytes, bounds are kept, bools are 0 or 1, strings end with NUL (and have none inside
/// their length's last byte). Bytes behind the message are tolerated, as ROS does (middlewares pad to four).
///
/// Stricter than Fast CDR, which takes unterminated and empty strings and any bool: others do not.
/// The text of strings is not looked at. The cost is linear in the number of *fields*: arrays of numbers
/// are skipped by arithmetic (arrays of bools are scanned).
pub fn validate(schema: &Schema, bytes: &[u8]) -> Result<(), CdrError> {
    let cdr = Cdr::new(bytes)?;
    cdr.check_message(schema.layout(), Cdr::START).map(|_| ())
}

impl Cdr<'_> {
    fn check_message(&self, layout: &Layout, start: usize) -> Result<usize, CdrError> {
        if !layout.has_bool() {
            return self.check_variable(layout, start);
        }
        let mut pos = start;
        for field in layout.fields() {
            pos = self
                .check_field(&field.ty, pos)
                .map_err(|e| e.in_field(&field.name))?;
        }
        Ok(pos)
    }

    /// A message without bools: only what is of variable size needs a look.
    fn check_variable(&self, layout: &Layout, start: usize) -> Result<usize, CdrError> {
        if layout.is_fixed() {
            return self.skip_message(layout, start);
        }
        let reach = layout.reach();
        let mut base = start;
        for &index in reach.variable() {
            let field = &layout.fields()[index];
            let pos = reach.field(index).from(base, base - ENCAPSULATION_LEN);
            base = self
                .check_field(&field.ty, pos)
                .map_err(|e| e.in_field(&field.name))?;
        }
        let end = reach.end().from(base, base - ENCAPSULATION_LEN);
        self.end_of(base, end - base)
    }

    fn check_field(&self, ty: &FieldType, pos: usize) -> Result<usize, CdrError> {
        match ty {
            FieldType::Single(element) => self.check_element(element, pos),
            FieldType::Array(element, ArrayLen::Fixed(n)) => self.check_elements(element, pos, *n),
            FieldType::Array(element, len) => {
                let (n, start) = self.length(pos)?;
                if let ArrayLen::Bounded(bound) = *len
                    && n > bound
                {
                    return Err(CdrError::new(pos, CdrErrorKind::TooLong { len: n, bound }));
                }
                self.check_elements(element, start, n)
            }
        }
    }

    #[inline]
    fn check_element(&self, element: &ElementType, pos: usize) -> Result<usize, CdrError> {
        match element {
            ElementType::Primitive(Primitive::Bool) => self.check_bools(pos, 1),
            ElementType::Primitive(_) => self.skip(element, pos),
            ElementType::String { wide: false, bound } => {
                let (len, start) = self.length(pos)?;
                let text = self.slice_at(start, len)?;
                if text.last() != Some(&0) {
                    return Err(CdrError::new(start, CdrErrorKind::Unterminated));
                }
                check_bound(start, len - 1, *bound)?;
                Ok(start + len)
            }
            ElementType::String { wide: true, bound } => {
                let (len, start) = self.length(pos)?;
                let end = self.end_of(start, len.saturating_mul(4))?;
                check_bound(start, len, *bound)?;
                Ok(end)
            }
            ElementType::Message(layout) => self.check_message(layout, pos),
        }
    }

    fn check_elements(
        &self,
        element: &ElementType,
        pos: usize,
        n: usize,
    ) -> Result<usize, CdrError> {
        match element {
            ElementType::Primitive(Primitive::Bool) => self.check_bools(pos, n),
            ElementType::Primitive(_) => self.skip_elements(element, pos, n),
            ElementType::Message(layout) if layout.is_fixed() && !layout.has_bool() => {
                self.skip_elements(element, pos, n)
            }
            _ => {
                self.end_of(pos, n.saturating_mul(element.min_size()))?;
                (0..n).try_fold(pos, |pos, i| {
                    self.check_element(element, pos).map_err(|e| e.in_index(i))
                })
            }
        }
    }

    fn check_bools(&self, pos: usize, n: usize) -> Result<usize, CdrError> {
        let bools = self.slice_at(pos, n)?;
        // Without early exit the loop is vectorised; the culprit is looked for only if there is one.
        if bools.iter().fold(0, |all, byte| all | byte) > 1 {
            let at = bools.iter().position(|byte| *byte > 1).unwrap_or_default();
            return Err(CdrError::new(
                pos + at,
                CdrErrorKind::BadBool { found: bools[at] },
            ));
        }
        Ok(pos + n)
    }
}

fn check_bound(pos: usize, len: usize, bound: Option<usize>) -> Result<(), CdrError> {
    match bound {
        Some(bound) if len > bound => Err(CdrError::new(pos, CdrErrorKind::TooLong { len, bound })),
        _ => Ok(()),
    }
}

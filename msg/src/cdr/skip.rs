//! Finding where values end, without decoding them.

use super::Cdr;
use crate::error::CdrError;
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::{ArrayLen, ElementType, FieldType, Layout};

impl Cdr<'_> {
    /// The end of the field of type `ty` that starts (before alignment) at `pos`.
    pub(crate) fn skip_field(&self, ty: &FieldType, pos: usize) -> Result<usize, CdrError> {
        match ty {
            FieldType::Single(element) => self.skip(element, pos),
            FieldType::Array(element, ArrayLen::Fixed(n)) => self.skip_elements(element, pos, *n),
            FieldType::Array(element, _) => {
                let (n, pos) = self.length(pos)?;
                self.skip_elements(element, pos, n)
            }
        }
    }

    /// The end of one value.
    #[inline]
    pub(crate) fn skip(&self, element: &ElementType, pos: usize) -> Result<usize, CdrError> {
        match element {
            ElementType::Primitive(primitive) => {
                self.end_of(Self::align(pos, primitive.size()), primitive.size())
            }
            ElementType::String { wide, .. } => {
                let (len, pos) = self.length(pos)?;
                self.end_of(pos, if *wide { len.saturating_mul(4) } else { len })
            }
            ElementType::Message(layout) => self.skip_message(layout, pos),
        }
    }

    /// The end of a message.
    pub(crate) fn skip_message(&self, layout: &Layout, start: usize) -> Result<usize, CdrError> {
        if let Some(fixed) = layout.fixed() {
            return self.end_of(start, fixed.phase(start - ENCAPSULATION_LEN).size);
        }
        let reach = layout.reach();
        let mut base = start;
        for &index in reach.variable() {
            let field = &layout.fields()[index];
            let pos = reach.field(index).from(base, base - ENCAPSULATION_LEN);
            base = self
                .skip_field(&field.ty, pos)
                .map_err(|e| e.in_field(&field.name))?;
        }
        let end = reach.end().from(base, base - ENCAPSULATION_LEN);
        self.end_of(base, end - base)
    }

    /// The end of `n` values.
    pub(crate) fn skip_elements(
        &self,
        element: &ElementType,
        pos: usize,
        n: usize,
    ) -> Result<usize, CdrError> {
        if n == 0 {
            return Ok(pos); // an empty array is not even aligned
        }
        match element {
            ElementType::Primitive(primitive) => {
                let size = primitive.size();
                self.end_of(Self::align(pos, size), n.saturating_mul(size))
            }
            ElementType::Message(layout) if layout.is_fixed() => self.fixed_start(layout, pos, n),
            _ => {
                // A lying length fails here, not after a long walk.
                self.end_of(pos, n.saturating_mul(element.min_size()))?;
                (0..n).try_fold(pos, |pos, i| {
                    self.skip(element, pos).map_err(|e| e.in_index(i))
                })
            }
        }
    }

    /// The start of the `n`th of consecutive fixed-size messages, checked to lie inside the bytes.
    pub(crate) fn fixed_start(
        &self,
        layout: &Layout,
        start: usize,
        n: usize,
    ) -> Result<usize, CdrError> {
        let body_pos = start - ENCAPSULATION_LEN;
        let end = layout
            .fixed()
            .and_then(|fixed| fixed.advance(body_pos, n))
            .and_then(|end| end.checked_add(ENCAPSULATION_LEN))
            .unwrap_or(usize::MAX);
        self.end_of(start, end - start)
    }
}

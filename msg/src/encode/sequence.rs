//! Arrays that are written element by element.

use super::builder::Builder;
use super::source::ArrayData;
use super::writer::{FieldWriter, Written};
use crate::error::{EncodeError, EncodeErrorKind};
use crate::layout::ElementType;

/// Takes the elements of an array one by one.
pub struct SequenceWriter<'w, 'l, A> {
    builder: &'w mut Builder<'l, A>,
    element: &'l ElementType,
    depth: usize,
    len: usize,
    next: usize,
}

impl<'w, 'l, A: ArrayData> SequenceWriter<'w, 'l, A> {
    pub(super) fn new(
        builder: &'w mut Builder<'l, A>,
        element: &'l ElementType,
        len: usize,
    ) -> Self {
        let depth = builder.depth();
        Self {
            builder,
            element,
            depth,
            len,
            next: 0,
        }
    }

    /// Writes the next element with `write`.
    pub fn element<E: From<EncodeError>>(
        &mut self,
        write: impl FnOnce(FieldWriter<'_, 'l, A>) -> Result<Written, E>,
    ) -> Result<(), E> {
        self.builder.enter_index(self.depth, self.next);
        if self.next == self.len {
            let kind = EncodeErrorKind::WrongLength {
                expected: self.len,
                found: self.len + 1,
            };
            return Err(self.builder.error(kind).into());
        }
        self.next += 1;
        let _proof: Written = write(FieldWriter::of_element(self.builder, self.element))?;
        Ok(())
    }

    /// Ends the sequence. An error if elements are missing: the length was written first.
    pub fn finish(self) -> Result<Written, EncodeError> {
        self.builder.leave_to(self.depth);
        if self.next < self.len {
            let kind = EncodeErrorKind::WrongLength {
                expected: self.len,
                found: self.next,
            };
            return Err(self.builder.error(kind));
        }
        Ok(Written::DONE)
    }
}

//! Default values.

use super::builder::Builder;
use super::source::ArrayData;
use super::writer::{FieldWriter, Target, Written};
use crate::error::EncodeError;
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::{ArrayLen, ElementType, Layout};

impl<A: ArrayData> FieldWriter<'_, '_, A> {
    /// Writes the default that ROS gives the field.
    pub fn default_value(mut self) -> Result<Written, EncodeError> {
        match self.target {
            Target::Element(_, Some(default)) | Target::Array(_, _, Some(default)) => {
                self.value(default)
            }
            Target::Element(element, None) => self.builder.zero_value(element),
            Target::Array(_, ArrayLen::Fixed(n), None) => {
                let element = self.start_array(n, "a default")?;
                self.builder.zero_values(element, n)
            }
            Target::Array(..) => {
                self.start_array(0, "a default")?;
                Ok(Written::DONE)
            }
        }
    }
}

impl<'l, A: ArrayData> Builder<'l, A> {
    fn zero_values(&mut self, element: &'l ElementType, n: usize) -> Result<Written, EncodeError> {
        match element {
            ElementType::Primitive(primitive) => {
                self.pad(primitive.size())?;
                self.put_zeros(n.saturating_mul(primitive.size()))?;
            }
            ElementType::Message(layout) if layout.default_is_zero() => {
                self.zero_messages(layout, n)?;
            }
            _ => (0..n).try_for_each(|_| self.zero_value(element).map(|_| ()))?,
        }
        Ok(Written::DONE)
    }

    fn zero_value(&mut self, element: &'l ElementType) -> Result<Written, EncodeError> {
        match element {
            ElementType::Primitive(primitive) => {
                self.put(&[0; 8][..primitive.size()], primitive.size())?;
            }
            ElementType::String { wide: true, .. } => self.put_length(0)?,
            ElementType::String { wide: false, .. } => {
                self.put_length(1)?;
                self.put(&[0], 1)?;
            }
            ElementType::Message(layout) if layout.default_is_zero() => {
                self.zero_messages(layout, 1)?;
            }
            ElementType::Message(layout) => self.default_message(layout)?,
        }
        Ok(Written::DONE)
    }

    fn zero_messages(&mut self, layout: &Layout, n: usize) -> Result<(), EncodeError> {
        let body_pos = self.pos() - ENCAPSULATION_LEN;
        let end = layout.fixed().and_then(|fixed| fixed.advance(body_pos, n));
        self.put_zeros(end.unwrap_or(usize::MAX) - body_pos)
    }

    fn default_message(&mut self, layout: &'l Layout) -> Result<(), EncodeError> {
        for field in layout.fields() {
            FieldWriter::field(self, field).default_value()?;
        }
        Ok(())
    }
}

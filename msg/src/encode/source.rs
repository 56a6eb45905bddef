//! Where a message's values come from.

use super::builder::{Segment, path_text};
use super::sink::Sink;
use super::writer::{FieldWriter, Written};
use crate::error::{EncodeError, EncodeErrorKind};
use crate::layout::Layout;

/// One message's values, field by field.
///
/// Each field is asked for exactly once, in the order of the definition. Implementations hand the value to
/// the [`FieldWriter`], which checks it against the field's type; nested messages are sources themselves.
pub trait Source {
    /// What arrays of numbers are handed over as.
    type Array: ArrayData;
    /// What fails; [`EncodeError`] where nothing else can.
    type Error: From<EncodeError>;

    /// Called before the first field: the place to refuse names that the type does not have.
    fn begin(&self, message: &MessageStart<'_>) -> Result<(), Self::Error> {
        let _ = message;
        Ok(())
    }

    /// Writes the field with this index in [`Layout::fields`].
    fn write_field(
        &self,
        index: usize,
        out: FieldWriter<'_, '_, Self::Array>,
    ) -> Result<Written, Self::Error>;
}

/// The bytes of an array of numbers: little-endian, contiguous once written.
pub trait ArrayData {
    /// Writes all bytes ([`Sink::remaining`] of them) to `sink`.
    fn fill(&self, sink: &mut Sink<'_>) -> Result<(), EncodeErrorKind>;
}

impl ArrayData for &[u8] {
    fn fill(&self, sink: &mut Sink<'_>) -> Result<(), EncodeErrorKind> {
        sink.put(self)
    }
}

impl ArrayData for Vec<u8> {
    fn fill(&self, sink: &mut Sink<'_>) -> Result<(), EncodeErrorKind> {
        sink.put(self)
    }
}

impl<T: ArrayData + ?Sized> ArrayData for Box<T> {
    fn fill(&self, sink: &mut Sink<'_>) -> Result<(), EncodeErrorKind> {
        (**self).fill(sink)
    }
}

/// A message that is about to be written.
#[derive(Debug)]
pub struct MessageStart<'a> {
    pub(super) layout: &'a Layout,
    pub(super) path: &'a [Segment<'a>],
}

impl MessageStart<'_> {
    /// Its type.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.layout
    }

    /// Where it is, from the root: empty for the root itself.
    #[must_use]
    pub fn path(&self) -> String {
        path_text(self.path)
    }

    /// The error that says that it has no field `name`.
    #[must_use]
    pub fn unknown_field(&self, name: &str) -> EncodeError {
        let fields: Vec<&str> = self
            .layout
            .fields()
            .iter()
            .map(|field| &*field.name)
            .collect();
        EncodeError::new(
            self.path(),
            EncodeErrorKind::UnknownField {
                type_name: self.layout.name().clone(),
                name: name.to_owned(),
                fields: fields.join(", "),
            },
        )
    }
}

/// A message whose fields all have their ROS defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults;

impl Source for Defaults {
    type Array = &'static [u8];
    type Error = EncodeError;

    fn write_field(
        &self,
        _index: usize,
        out: FieldWriter<'_, '_, Self::Array>,
    ) -> Result<Written, EncodeError> {
        out.default_value()
    }
}

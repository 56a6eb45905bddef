//! Writing from values that exist already: owned ones, and messages in their serialized form.

use std::sync::Arc;

use super::source::{ArrayData, MessageStart, Source};
use super::writer::{FieldWriter, Written};
use crate::cdr::{Cdr, Elements, Located, Offsets, Sequence};
use crate::error::{CdrError, EncodeError, EncodeErrorKind};
use crate::layout::{ElementType, Layout};
use crate::value::{NumericArray, Value};

impl<A: ArrayData> FieldWriter<'_, '_, A> {
    /// Writes an owned value.
    pub fn value(self, value: &Value) -> Result<Written, EncodeError> {
        match value {
            Value::Bool(value) => self.bool(*value),
            Value::I64(value) => self.int(i128::from(*value)),
            Value::U64(value) => self.int(i128::from(*value)),
            Value::F64(value) => self.float(*value),
            Value::Str(text) => self.str(text),
            Value::Numbers(array) => self.numbers(array),
            Value::Seq(values) => {
                let mut sequence = self.sequence(values.len())?;
                for value in values {
                    sequence.element(|out| out.value(value))?;
                }
                sequence.finish()
            }
            Value::Struct(_) => self.message(&ValueSource {
                value,
                array: std::marker::PhantomData,
            }),
        }
    }

    fn numbers(self, array: &NumericArray) -> Result<Written, EncodeError> {
        self.numbers_from(array.primitive, array.len(), &array.bytes)
    }

    /// Writes what [`Layout::locate`] found in another message. Types must be equal (bounds may differ, and
    /// are checked); the byte order is converted.
    pub fn located(self, cdr: &Cdr<'_>, located: &Located) -> Result<Written, EncodeError> {
        let unreadable =
            |out: &Self, error: CdrError| out.error(EncodeErrorKind::Unreadable(error));
        match located {
            Located::Scalar { offset, primitive } => {
                let ElementType::Primitive(wanted) = *self.element() else {
                    return Err(self.wrong_type(primitive.name()));
                };
                if !wanted.same_bytes_as(*primitive) || self.array_len().is_some() {
                    return Err(self.wrong_type(primitive.name()));
                }
                match cdr.value_at(*offset, *primitive) {
                    Ok(value) => self.value(&value),
                    Err(error) => Err(unreadable(&self, error)),
                }
            }
            Located::Str { offset, len } => match cdr.slice_at(*offset, *len) {
                Ok(text) => self.bytes(text),
                Err(error) => Err(unreadable(&self, error)),
            },
            Located::WStr { offset, len } => match cdr.utf16_at(*offset, *len) {
                Ok(units) => self.utf16(&units),
                Err(error) => Err(unreadable(&self, error)),
            },
            Located::Slice {
                offset,
                len,
                primitive,
            } => match cdr.le_bytes_at(*offset, *len, *primitive) {
                Ok(bytes) => self.numbers_from(*primitive, *len, &bytes),
                Err(error) => Err(unreadable(&self, error)),
            },
            Located::StructSlice { .. } | Located::Sequence(_) => {
                self.located_sequence(cdr, located)
            }
            Located::Message { start, layout } => {
                self.same_type(layout)?;
                self.message(&CdrSource::<A>::at(*cdr, Arc::clone(layout), *start))
            }
        }
    }

    fn same_type(&self, layout: &Arc<Layout>) -> Result<(), EncodeError> {
        match self.element() {
            ElementType::Message(wanted) if Layout::same_shape(wanted, layout) => Ok(()),
            _ => Err(self.wrong_type(layout.name().as_str())),
        }
    }

    fn located_sequence(self, cdr: &Cdr<'_>, located: &Located) -> Result<Written, EncodeError> {
        let Some(elements) = Sequence::of(located) else {
            return Err(self.wrong_type("a single value"));
        };
        let found = Elements::new();
        let mut sequence = self.sequence(elements.len())?;
        for index in 0..elements.len() {
            sequence.element(|out| match elements.locate(cdr, &found, index) {
                Ok(element) => out.located(cdr, &element),
                Err(error) => Err(out.error(EncodeErrorKind::Unreadable(error))),
            })?;
        }
        sequence.finish()
    }
}

/// A [`Value::Struct`] as the source of a message, for any array type.
struct ValueSource<'a, A> {
    value: &'a Value,
    array: std::marker::PhantomData<fn() -> A>,
}

impl<A: ArrayData> Source for ValueSource<'_, A> {
    type Array = A;
    type Error = EncodeError;

    fn begin(&self, message: &MessageStart<'_>) -> Result<(), EncodeError> {
        let Value::Struct(fields) = self.value else {
            let kind = EncodeErrorKind::WrongType {
                expected: message.layout().name().to_string(),
                found: self.value.kind_name().into(),
            };
            return Err(EncodeError::new(message.path(), kind));
        };
        match fields
            .iter()
            .find(|(name, _)| message.layout().field_index(name).is_none())
        {
            Some((name, _)) => Err(message.unknown_field(name)),
            None => Ok(()),
        }
    }

    fn write_field(
        &self,
        index: usize,
        out: FieldWriter<'_, '_, A>,
    ) -> Result<Written, EncodeError> {
        let _ = index;
        match self.value.field(out.name()) {
            Some(value) => out.value(value),
            None => out.default_value(),
        }
    }
}

impl Source for Value {
    type Array = &'static [u8];
    type Error = EncodeError;

    fn begin(&self, message: &MessageStart<'_>) -> Result<(), EncodeError> {
        ValueSource::<Self::Array> {
            value: self,
            array: std::marker::PhantomData,
        }
        .begin(message)
    }

    fn write_field(
        &self,
        index: usize,
        out: FieldWriter<'_, '_, Self::Array>,
    ) -> Result<Written, EncodeError> {
        ValueSource {
            value: self,
            array: std::marker::PhantomData,
        }
        .write_field(index, out)
    }
}

/// A serialized message as a source: written again field by field, in this machine's byte order and
/// without padding garbage. (To send a whole message on unchanged, copy its bytes instead.)
pub struct CdrSource<'a, A = &'static [u8]> {
    cdr: Cdr<'a>,
    layout: Arc<Layout>,
    start: usize,
    found: Offsets,
    array: std::marker::PhantomData<fn() -> A>,
}

impl<'a, A> CdrSource<'a, A> {
    /// The root message.
    #[must_use]
    pub fn new(cdr: Cdr<'a>, layout: Arc<Layout>) -> Self {
        Self::at(cdr, layout, Cdr::START)
    }

    /// The message that starts at `start`.
    #[must_use]
    pub fn at(cdr: Cdr<'a>, layout: Arc<Layout>, start: usize) -> Self {
        let found = Offsets::new(&layout);
        Self {
            cdr,
            layout,
            start,
            found,
            array: std::marker::PhantomData,
        }
    }
}

impl<A: ArrayData> Source for CdrSource<'_, A> {
    type Array = A;
    type Error = EncodeError;

    fn begin(&self, message: &MessageStart<'_>) -> Result<(), EncodeError> {
        if Layout::same_shape(&self.layout, message.layout()) {
            return Ok(());
        }
        let kind = EncodeErrorKind::WrongType {
            expected: message.layout().name().to_string(),
            found: self.layout.name().to_string(),
        };
        Err(EncodeError::new(message.path(), kind))
    }

    fn write_field(
        &self,
        index: usize,
        out: FieldWriter<'_, '_, A>,
    ) -> Result<Written, EncodeError> {
        match self
            .layout
            .locate(&self.cdr, self.start, &self.found, index)
        {
            Ok(located) => out.located(&self.cdr, &located),
            Err(error) => Err(out.error(EncodeErrorKind::Unreadable(error))),
        }
    }
}

impl Sequence {
    /// Any array of messages or strings as a sequence of single elements.
    fn of(located: &Located) -> Option<Self> {
        match located {
            Located::Sequence(sequence) => Some(sequence.clone()),
            Located::StructSlice {
                start, len, layout, ..
            } => Some(Self::of_messages(*start, *len, layout)),
            _ => None,
        }
    }
}

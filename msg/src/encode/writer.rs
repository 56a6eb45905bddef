//! The side of the writer that a [`Source`](super::Source) talks to.

use std::sync::Arc;

use super::builder::{Builder, Elements};
use super::sequence::SequenceWriter;
use super::source::{ArrayData, Source};
use crate::error::{EncodeError, EncodeErrorKind};
use crate::layout::{ArrayLen, ElementType, Field, FieldType, StructLayout};
use crate::primitive::Primitive;
use crate::value::Value;

/// Takes the value of one field, or of one element of a sequence. Exactly one of its methods is to be
/// called; the [`Written`] that it returns is the proof.
pub struct FieldWriter<'w, 'l, A> {
    pub(super) builder: &'w mut Builder<'l, A>,
    pub(super) target: Target<'l>,
    name: &'l str,
}

/// Proof that a field has been written.
#[derive(Debug)]
pub struct Written(());

impl Written {
    pub(super) const DONE: Self = Self(());
}

/// What is to be written.
#[derive(Clone, Copy)]
pub(super) enum Target<'l> {
    Element(&'l ElementType, Option<&'l Value>),
    Array(&'l ElementType, ArrayLen, Option<&'l Value>),
}

impl<'l> Target<'l> {
    fn of(field: &'l Field) -> Self {
        let default = field.default.as_ref();
        match &field.ty {
            FieldType::Single(element) => Self::Element(element, default),
            FieldType::Array(element, len) => Self::Array(element, *len, default),
        }
    }

    fn describe(&self) -> String {
        match *self {
            Self::Element(element, _) => element.to_string(),
            Self::Array(element, len, _) => FieldType::Array(element.clone(), len).to_string(),
        }
    }
}

impl<'w, 'l, A: ArrayData> FieldWriter<'w, 'l, A> {
    pub(super) fn field(builder: &'w mut Builder<'l, A>, field: &'l Field) -> Self {
        Self {
            builder,
            target: Target::of(field),
            name: &field.name,
        }
    }

    /// For an element of a sequence.
    pub(super) fn of_element(builder: &'w mut Builder<'l, A>, element: &'l ElementType) -> Self {
        Self {
            builder,
            target: Target::Element(element, None),
            name: "",
        }
    }

    /// The field's name; empty for elements of a sequence.
    #[must_use]
    pub fn name(&self) -> &'l str {
        self.name
    }

    /// The type of the value, or of each element.
    #[must_use]
    pub fn element(&self) -> &'l ElementType {
        match self.target {
            Target::Element(element, _) | Target::Array(element, ..) => element,
        }
    }

    /// How many elements are wanted; `None` for a single value.
    #[must_use]
    pub fn array_len(&self) -> Option<ArrayLen> {
        match self.target {
            Target::Element(..) => None,
            Target::Array(_, len, _) => Some(len),
        }
    }

    /// The type in words: `float32[3]`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.target.describe()
    }

    /// The field, from the message's root: `boxes[3].label`.
    #[must_use]
    pub fn path(&self) -> String {
        self.builder.path()
    }

    /// An error at this field.
    #[must_use]
    pub fn error(&self, kind: EncodeErrorKind) -> EncodeError {
        self.builder.error(kind)
    }

    /// The error that says that a value of another type was expected.
    #[must_use]
    pub fn wrong_type(&self, found: impl Into<String>) -> EncodeError {
        self.error(EncodeErrorKind::WrongType {
            expected: self.describe(),
            found: found.into(),
        })
    }

    fn primitive(&self, found: &str) -> Result<Primitive, EncodeError> {
        match self.target {
            Target::Element(ElementType::Primitive(primitive), _) => Ok(*primitive),
            _ => Err(self.wrong_type(found)),
        }
    }

    /// Writes a bool.
    pub fn bool(self, value: bool) -> Result<Written, EncodeError> {
        match self.primitive("a bool")? {
            Primitive::Bool => self.number(&[u8::from(value)]),
            _ => Err(self.wrong_type("a bool")),
        }
    }

    /// Writes an integer; also into float fields.
    pub fn int(self, value: i128) -> Result<Written, EncodeError> {
        let primitive = self.primitive("an integer")?;
        if primitive.is_float() {
            return self.float(value as f64);
        }
        let Some((least, most)) = primitive.int_range() else {
            return Err(self.wrong_type("an integer"));
        };
        if value < least || value > most {
            return Err(self.out_of_range(value.to_string(), primitive));
        }
        self.number(&value.to_le_bytes()[..primitive.size()])
    }

    /// Writes a float. Finite values beyond the range of `float32` are refused for such fields.
    pub fn float(self, value: f64) -> Result<Written, EncodeError> {
        match self.primitive("a float")? {
            Primitive::F64 => self.number(&value.to_le_bytes()),
            Primitive::F32 => {
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return Err(self.out_of_range(value.to_string(), Primitive::F32));
                }
                self.number(&narrow.to_le_bytes())
            }
            _ => Err(self.wrong_type("a float")),
        }
    }

    fn out_of_range(&self, value: String, primitive: Primitive) -> EncodeError {
        self.error(EncodeErrorKind::OutOfRange { value, primitive })
    }

    pub(super) fn number(self, bytes: &[u8]) -> Result<Written, EncodeError> {
        self.builder.put(bytes, bytes.len())?;
        Ok(Written::DONE)
    }

    /// Writes a string, also into `wstring` fields. Bounds count bytes of UTF-8, or UTF-16 units.
    pub fn str(self, text: &str) -> Result<Written, EncodeError> {
        match self.target {
            Target::Element(ElementType::String { wide: true, .. }, _) => {
                self.units(text.encode_utf16().count(), text.encode_utf16())
            }
            _ => self.bytes(text.as_bytes()),
        }
    }

    /// Writes a `string` that need not be UTF-8.
    pub fn bytes(self, text: &[u8]) -> Result<Written, EncodeError> {
        let Target::Element(ElementType::String { bound, wide: false }, _) = self.target else {
            return Err(self.wrong_type("a string"));
        };
        self.check_bound(text.len(), *bound, true)?;
        if text.contains(&0) {
            return Err(self.error(EncodeErrorKind::InteriorNul));
        }
        self.builder.put_length(text.len().saturating_add(1))?;
        self.builder.put(text, 1)?;
        self.builder.put(&[0], 1)?;
        Ok(Written::DONE)
    }

    /// Writes a `wstring` from UTF-16 units, which need not be valid text.
    pub fn utf16(self, units: &[u16]) -> Result<Written, EncodeError> {
        self.units(units.len(), units.iter().copied())
    }

    pub(super) fn units(
        self,
        len: usize,
        units: impl Iterator<Item = u16>,
    ) -> Result<Written, EncodeError> {
        let Target::Element(ElementType::String { bound, wide: true }, _) = self.target else {
            return Err(self.wrong_type("a wide string"));
        };
        self.check_bound(len, *bound, false)?;
        self.builder.put_length(len)?;
        for unit in units {
            self.builder.put(&u32::from(unit).to_le_bytes(), 1)?;
        }
        Ok(Written::DONE)
    }

    fn check_bound(
        &self,
        len: usize,
        bound: Option<usize>,
        bytes: bool,
    ) -> Result<(), EncodeError> {
        match bound {
            Some(bound) if len > bound => {
                Err(self.error(EncodeErrorKind::TooLong { len, bound, bytes }))
            }
            _ => Ok(()),
        }
    }

    /// Checks `len` against the array's type and writes the length field, if there is one.
    pub(super) fn start_array(
        &mut self,
        len: usize,
        found: &str,
    ) -> Result<&'l ElementType, EncodeError> {
        let Target::Array(element, wanted, _) = self.target else {
            return Err(self.wrong_type(found));
        };
        match wanted {
            ArrayLen::Fixed(expected) if len != expected => {
                return Err(self.error(EncodeErrorKind::WrongLength {
                    expected,
                    found: len,
                }));
            }
            ArrayLen::Fixed(_) => return Ok(element),
            ArrayLen::Bounded(bound) => self.check_bound(len, Some(bound), false)?,
            ArrayLen::Unbounded => {}
        }
        self.builder.put_length(len)?;
        Ok(element)
    }

    /// Writes an array of `len` numbers of type `primitive` from the bytes of `data`. The type must be the
    /// field's own (`byte`, `char` and `uint8` are one): nothing is converted here.
    pub fn array(
        mut self,
        primitive: Primitive,
        len: usize,
        data: A,
    ) -> Result<Written, EncodeError> {
        let primitive = self.start_numbers(primitive, len)?;
        self.builder
            .array(Elements::Numbers(primitive), len, 0, Some(data))?;
        Ok(Written::DONE)
    }

    /// Checks that the field is an array of `found`, and writes its length.
    fn start_numbers(&mut self, found: Primitive, len: usize) -> Result<Primitive, EncodeError> {
        match self.target {
            Target::Array(ElementType::Primitive(expected), ..)
                if expected.same_bytes_as(found) =>
            {
                self.start_array(len, "an array")?;
                Ok(*expected)
            }
            Target::Array(ElementType::Primitive(expected), ..) => {
                Err(self.error(EncodeErrorKind::WrongDtype {
                    expected: *expected,
                    found,
                }))
            }
            _ => Err(self.wrong_type(format!("an array of {found}"))),
        }
    }

    /// The same from `len` numbers in little-endian `bytes`, which are copied at once.
    pub fn numbers_from(
        mut self,
        primitive: Primitive,
        len: usize,
        bytes: &[u8],
    ) -> Result<Written, EncodeError> {
        let expected = len.saturating_mul(primitive.size());
        if bytes.len() != expected {
            return Err(self.error(EncodeErrorKind::ShortArray {
                expected,
                found: bytes.len(),
            }));
        }
        let primitive = self.start_numbers(primitive, len)?;
        if primitive == Primitive::Bool && bytes.iter().any(|byte| *byte > 1) {
            return Err(self.wrong_type("bytes other than 0 and 1"));
        }
        if len > 0 {
            self.builder.put(bytes, primitive.size())?;
        }
        Ok(Written::DONE)
    }

    /// The layout and stride in which [`FieldWriter::structs`] takes an array of fixed-size messages;
    /// `None` if the field is no such array.
    #[must_use]
    pub fn struct_layout(&self) -> Option<(&'l Arc<StructLayout>, usize)> {
        match self.target {
            Target::Array(ElementType::Message(layout), ArrayLen::Fixed(_), _) => {
                layout.array_struct()
            }
            Target::Array(ElementType::Message(layout), ..) => layout.sequence_struct(),
            _ => None,
        }
    }

    /// Writes an array of `len` fixed-size messages from the bytes of `data`, which are laid out as
    /// [`FieldWriter::struct_layout`] says: `(len - 1) * stride + itemsize` bytes. Padding is zeroed.
    pub fn structs(mut self, len: usize, data: A) -> Result<Written, EncodeError> {
        let Some(structured) = self.struct_layout() else {
            return Err(self.wrong_type("a structured array"));
        };
        self.struct_array(structured, len, Some(data))
    }

    fn struct_array(
        &mut self,
        (layout, stride): (&Arc<StructLayout>, usize),
        len: usize,
        data: Option<A>,
    ) -> Result<Written, EncodeError> {
        let element = self.start_array(len, "an array")?;
        let start = self.builder.pos();
        let first = match element {
            ElementType::Message(message) => {
                message.struct_at(start).map_or(start, |(first, _)| first)
            }
            _ => start,
        };
        self.builder.array(
            Elements::Structs(Arc::clone(layout), stride),
            len,
            first,
            data,
        )?;
        Ok(Written::DONE)
    }

    /// Makes room for an array of `len` numbers (or fixed-size messages that lie alike), to be filled in
    /// place later: see [`Plan::reserved`](super::Plan::reserved).
    pub fn reserve(mut self, len: usize) -> Result<Written, EncodeError> {
        if let Some(structured) = self.struct_layout() {
            return self.struct_array(structured, len, None);
        }
        let Target::Array(ElementType::Primitive(primitive), ..) = self.target else {
            return Err(self.wrong_type("a length only"));
        };
        self.start_array(len, "a length only")?;
        self.builder
            .array(Elements::Numbers(*primitive), len, 0, None)?;
        Ok(Written::DONE)
    }

    /// Writes a nested message.
    pub fn message<S>(self, source: &S) -> Result<Written, S::Error>
    where
        S: Source<Array = A> + ?Sized,
    {
        let Target::Element(ElementType::Message(layout), _) = self.target else {
            return Err(self.wrong_type("a message").into());
        };
        self.builder.message(layout, source)?;
        Ok(Written::DONE)
    }

    /// Writes an array element by element: each must be written, through [`SequenceWriter::element`].
    pub fn sequence(mut self, len: usize) -> Result<SequenceWriter<'w, 'l, A>, EncodeError> {
        let element = self.start_array(len, "a sequence")?;
        Ok(SequenceWriter::new(self.builder, element, len))
    }
}

//! Messages for Rust users.

use std::borrow::Cow;
use std::sync::Arc;

use bytemuck::Pod;

use crate::cdr::{ByteOrder, Cdr, Elements, Located, Offsets, Sequence};
use crate::error::{CdrError, CdrErrorKind};
use crate::layout::Layout;
use crate::scalar::Scalar;
use crate::schema::Schema;
use crate::value::{NumericArray, Value};

/// A message in its serialized form. Fields are found when they are asked for, by paths such as
/// `pose.position.x` or `transforms[2].header.frame_id`.
///
/// ```
/// use iceway_msg::{Schema, View};
/// let schema = Schema::parse(&"demo/msg/Scan".parse()?, "string frame\nfloat32[] ranges\n")?;
/// let bytes = [0, 1, 0, 0, 2, 0, 0, 0, b'a', 0, 0, 0, 1, 0, 0, 0, 0, 0, 128, 63];
/// let view = View::new(&schema, &bytes)?;
/// assert_eq!(view.str("frame")?, "a");
/// assert_eq!(view.get::<f32>("ranges[0]")?, 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct View<'a> {
    cdr: Cdr<'a>,
    layout: Arc<Layout>,
    start: usize,
    found: Offsets,
}

impl<'a> View<'a> {
    /// The message in `bytes`. Nothing but the encapsulation is looked at.
    pub fn new(schema: &Schema, bytes: &'a [u8]) -> Result<Self, CdrError> {
        Ok(Self::at(
            Cdr::new(bytes)?,
            Arc::clone(schema.layout()),
            Cdr::START,
        ))
    }

    /// The message of type `layout` that starts at `start`, as in [`Located::Message`].
    #[must_use]
    pub fn at(cdr: Cdr<'a>, layout: Arc<Layout>, start: usize) -> Self {
        let found = Offsets::new(&layout);
        Self {
            cdr,
            layout,
            start,
            found,
        }
    }

    /// The message's type.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The serialized bytes.
    #[must_use]
    pub fn cdr(&self) -> Cdr<'a> {
        self.cdr
    }

    /// Where the message starts.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Finds a field by its path.
    pub fn locate(&self, path: &str) -> Result<Located, CdrError> {
        self.locate_inner(path).map_err(|e| {
            if e.path().is_empty() {
                e.in_field(path)
            } else {
                e
            }
        })
    }

    fn locate_inner(&self, path: &str) -> Result<Located, CdrError> {
        let (name, rest) = split_path(path);
        let index = self.field_index(name)?;
        let located = self
            .layout
            .locate(&self.cdr, self.start, &self.found, index)?;
        self.descend(located, rest).map_err(|e| e.in_field(name))
    }

    fn field_index(&self, name: &str) -> Result<usize, CdrError> {
        let error = || CdrError::new(self.start, CdrErrorKind::NoSuchField).in_field(name);
        self.layout.field_index(name).ok_or_else(error)
    }

    fn descend(&self, located: Located, rest: &str) -> Result<Located, CdrError> {
        if rest.is_empty() {
            return Ok(located);
        }
        if let Some((index, rest)) = split_index(rest) {
            let element = self.element(&located, index)?;
            return self.descend(element, rest).map_err(|e| e.in_index(index));
        }
        match (located, rest.strip_prefix('.')) {
            (Located::Message { start, layout }, Some(path)) => {
                Self::at(self.cdr, layout, start).locate_inner(path)
            }
            _ => Err(CdrError::new(self.start, CdrErrorKind::NoSuchField)),
        }
    }

    fn element(&self, located: &Located, index: usize) -> Result<Located, CdrError> {
        let check = |len: usize| match index < len {
            true => Ok(()),
            false => Err(CdrError::new(
                self.start,
                CdrErrorKind::Index { index, len },
            )),
        };
        match located {
            Located::Slice {
                offset,
                len,
                primitive,
            } => {
                check(*len)?;
                Ok(Located::Scalar {
                    offset: offset + index * primitive.size(),
                    primitive: *primitive,
                })
            }
            Located::StructSlice {
                start, len, layout, ..
            } => {
                let sequence = Sequence::of_messages(*start, *len, layout);
                sequence.locate(&self.cdr, &Elements::new(), index)
            }
            Located::Sequence(sequence) => sequence.locate(&self.cdr, &Elements::new(), index),
            other => Err(other.wrong_type("an array", self.start)),
        }
    }

    /// A number or bool. The type must be the field's own (`u8` for byte and char).
    pub fn get<T: Scalar>(&self, path: &str) -> Result<T, CdrError> {
        match self.locate(path)? {
            Located::Scalar { offset, primitive } if T::PRIMITIVE.same_bytes_as(primitive) => {
                T::read(&self.cdr, offset).map_err(|e| e.in_field(path))
            }
            other => Err(other
                .wrong_type(T::PRIMITIVE.name(), self.start)
                .in_field(path)),
        }
    }

    /// A string; an error if it is not UTF-8.
    pub fn str(&self, path: &str) -> Result<&'a str, CdrError> {
        match self.locate(path)? {
            Located::Str { offset, len } => {
                self.cdr.str_at(offset, len).map_err(|e| e.in_field(path))
            }
            other => Err(other.wrong_type("a string", self.start).in_field(path)),
        }
    }

    /// A wide string; an error if it is not UTF-16.
    pub fn wstr(&self, path: &str) -> Result<String, CdrError> {
        match self.locate(path)? {
            Located::WStr { offset, len } => {
                self.cdr.wstr_at(offset, len).map_err(|e| e.in_field(path))
            }
            other => Err(other.wrong_type("a wide string", self.start).in_field(path)),
        }
    }

    /// The bytes of an array of numbers, in the message's byte order. (For arrays of bools too, whose
    /// bytes may be other than 0 and 1 unless the message was [validated](crate::validate).)
    pub fn bytes(&self, path: &str) -> Result<&'a [u8], CdrError> {
        match self.locate(path)? {
            Located::Slice {
                offset,
                len,
                primitive,
            } => self
                .cdr
                .bytes_at(offset, len * primitive.size())
                .map_err(|e| e.in_field(path)),
            other => Err(other
                .wrong_type("an array of numbers", self.start)
                .in_field(path)),
        }
    }

    /// An array of numbers in place. An error if the message has another byte order than this machine, or
    /// the bytes are not aligned in memory; [`View::to_vec`] copies instead.
    pub fn slice<T: Scalar + Pod>(&self, path: &str) -> Result<&'a [T], CdrError> {
        let (offset, len) = self.slice_of::<T>(path)?;
        let error =
            |reason| CdrError::new(offset, CdrErrorKind::NotBorrowable { reason }).in_field(path);
        if self.cdr.byte_order() != ByteOrder::NATIVE && size_of::<T>() > 1 {
            return Err(error("the message has the other byte order"));
        }
        if len == 0 {
            return Ok(&[]);
        }
        let bytes = self
            .cdr
            .bytes_at(offset, len * size_of::<T>())
            .map_err(|e| e.in_field(path))?;
        bytemuck::try_cast_slice(bytes).map_err(|_| error("the bytes are not aligned in memory"))
    }

    /// An array of numbers, copied.
    pub fn to_vec<T: Scalar>(&self, path: &str) -> Result<Vec<T>, CdrError> {
        let (offset, len) = self.slice_of::<T>(path)?;
        (0..len)
            .map(|i| T::read(&self.cdr, offset + i * T::PRIMITIVE.size()))
            .collect::<Result<_, _>>()
            .map_err(|e| e.in_field(path))
    }

    fn slice_of<T: Scalar>(&self, path: &str) -> Result<(usize, usize), CdrError> {
        match self.locate(path)? {
            Located::Slice {
                offset,
                len,
                primitive,
            } if T::PRIMITIVE.same_bytes_as(primitive) => Ok((offset, len)),
            other => Err(other.wrong_type(T::SLICE_NAME, self.start).in_field(path)),
        }
    }

    /// A nested message, or an element of an array of messages.
    pub fn message(&self, path: &str) -> Result<Self, CdrError> {
        match self.locate(path)? {
            Located::Message { start, layout } => Ok(Self::at(self.cdr, layout, start)),
            other => Err(other.wrong_type("a message", self.start).in_field(path)),
        }
    }

    /// The number of elements of an array.
    pub fn len(&self, path: &str) -> Result<usize, CdrError> {
        match self.locate(path)? {
            Located::Slice { len, .. } | Located::StructSlice { len, .. } => Ok(len),
            Located::Sequence(sequence) => Ok(sequence.len()),
            other => Err(other.wrong_type("an array", self.start).in_field(path)),
        }
    }

    /// The messages of an array, one by one.
    pub fn messages(
        &self,
        path: &str,
    ) -> Result<impl Iterator<Item = Result<Self, CdrError>>, CdrError> {
        let sequence = match self.locate(path)? {
            Located::StructSlice {
                start, len, layout, ..
            } => Sequence::of_messages(start, len, &layout),
            Located::Sequence(sequence) if sequence.is_messages() => sequence,
            other => {
                return Err(other
                    .wrong_type("an array of messages", self.start)
                    .in_field(path));
            }
        };
        let (cdr, found, path) = (self.cdr, Elements::new(), path.to_owned());
        Ok((0..sequence.len()).map(move |index| {
            match sequence
                .locate(&cdr, &found, index)
                .map_err(|e| e.in_field(&path))?
            {
                Located::Message { start, layout } => Ok(Self::at(cdr, layout, start)),
                other => Err(other.wrong_type("a message", 0)),
            }
        }))
    }

    /// The strings of an array, one by one.
    pub fn strings(
        &self,
        path: &str,
    ) -> Result<impl Iterator<Item = Result<Cow<'a, str>, CdrError>>, CdrError> {
        let sequence = match self.locate(path)? {
            Located::Sequence(sequence) if !sequence.is_messages() => sequence,
            other => {
                return Err(other
                    .wrong_type("an array of strings", self.start)
                    .in_field(path));
            }
        };
        let (cdr, found, path) = (self.cdr, Elements::new(), path.to_owned());
        Ok((0..sequence.len()).map(move |index| {
            let text = match sequence.locate(&cdr, &found, index)? {
                Located::Str { offset, len } => cdr.str_at(offset, len).map(Cow::Borrowed),
                Located::WStr { offset, len } => cdr.wstr_at(offset, len).map(Cow::Owned),
                other => Err(other.wrong_type("a string", 0)),
            };
            text.map_err(|e| e.in_index(index).in_field(&path))
        }))
    }

    /// The whole message, decoded.
    pub fn to_value(&self) -> Result<Value, CdrError> {
        let fields = self
            .layout
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let value = self
                    .layout
                    .locate(&self.cdr, self.start, &self.found, index)
                    .and_then(|located| {
                        self.decode(&located).map_err(|e| e.in_field(&field.name))
                    })?;
                Ok((Arc::clone(&field.name), value))
            });
        Ok(Value::Struct(fields.collect::<Result<_, _>>()?))
    }

    fn decode(&self, located: &Located) -> Result<Value, CdrError> {
        let cdr = &self.cdr;
        Ok(match located {
            Located::Scalar { offset, primitive } => cdr.value_at(*offset, *primitive)?,
            Located::Str { offset, len } => Value::Str(cdr.str_at(*offset, *len)?.into()),
            Located::WStr { offset, len } => Value::Str(cdr.wstr_at(*offset, *len)?.into()),
            Located::Slice {
                offset,
                len,
                primitive,
            } => {
                let bytes = cdr.le_bytes_at(*offset, *len, *primitive)?.into_owned();
                Value::Numbers(NumericArray {
                    primitive: *primitive,
                    bytes,
                })
            }
            Located::Message { start, layout } => {
                Self::at(self.cdr, Arc::clone(layout), *start).to_value()?
            }
            Located::StructSlice {
                start, len, layout, ..
            } => self.decode_sequence(&Sequence::of_messages(*start, *len, layout))?,
            Located::Sequence(sequence) => self.decode_sequence(sequence)?,
        })
    }

    fn decode_sequence(&self, sequence: &Sequence) -> Result<Value, CdrError> {
        let found = Elements::new();
        let element = |index| {
            let located = sequence.locate(&self.cdr, &found, index)?;
            self.decode(&located).map_err(|e| e.in_index(index))
        };
        Ok(Value::Seq(
            (0..sequence.len()).map(element).collect::<Result<_, _>>()?,
        ))
    }
}

/// Splits the first name off a path.
fn split_path(path: &str) -> (&str, &str) {
    path.split_at(path.find(['.', '[']).unwrap_or(path.len()))
}

/// Splits `[7]` off the front.
fn split_index(rest: &str) -> Option<(usize, &str)> {
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

//! Python objects as sources of messages.

use std::sync::Arc;

use iceway_msg::encode::{CdrSource, FieldWriter, MessageStart, Source, Written};
use iceway_msg::{Cdr, ElementType, EncodeError, EncodeErrorKind, Layout, Primitive};
use pyo3::exceptions::{PyAttributeError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyMapping, PyString, PyTuple};

use super::array::{self, ArrayBytes};
use super::{WriteError, WriteOptions};
use crate::arrays::is_array;
use crate::errors::raise;
use crate::message::Message;

type Out<'w, 'l> = FieldWriter<'w, 'l, ArrayBytes>;
type Result<T> = std::result::Result<T, WriteError>;

/// Up to this size, messages are copied from their serialized form: faster than by way of Python objects,
/// but large arrays are copied once more.
const COPIED_AS_BYTES: usize = 64 * 1024;

/// Fields by name; those that are missing take their ROS defaults.
pub(super) struct Fields<'py> {
    dict: Bound<'py, PyDict>,
    options: WriteOptions,
}

impl<'py> Fields<'py> {
    pub(super) fn new(dict: Bound<'py, PyDict>, options: WriteOptions) -> Self {
        Self { dict, options }
    }
}

impl Source for Fields<'_> {
    type Array = ArrayBytes;
    type Error = WriteError;

    fn begin(&self, message: &MessageStart<'_>) -> Result<()> {
        for name in self.dict.keys() {
            let Ok(name) = name.cast::<PyString>() else {
                let text = format!("fields are named by text, not by {}", name.repr()?);
                return Err(EncodeError::new(message.path(), EncodeErrorKind::Source(text)).into());
            };
            let name = name.to_str()?;
            if message.layout().field_index(name).is_none() {
                return Err(message.unknown_field(name).into());
            }
        }
        Ok(())
    }

    fn write_field(&self, _index: usize, out: Out<'_, '_>) -> Result<Written> {
        match self.dict.get_item(out.name())? {
            Some(value) => write(out, &value, self.options),
            None => Ok(out.default_value()?),
        }
    }
}

/// An object with an attribute (or, for structured scalars of NumPy, an item) for each field.
struct Object<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    items: bool,
    options: WriteOptions,
}

impl Source for Object<'_, '_> {
    type Array = ArrayBytes;
    type Error = WriteError;

    fn write_field(&self, _index: usize, out: Out<'_, '_>) -> Result<Written> {
        let found = match self.items {
            true => self.object.get_item(out.name()),
            false => self.object.getattr(out.name()),
        };
        match found {
            Ok(value) => write(out, &value, self.options),
            Err(error)
                if self.items || error.is_instance_of::<PyAttributeError>(self.object.py()) =>
            {
                let kind = kind_of(self.object);
                Err(out
                    .error(EncodeErrorKind::Source(format!(
                        "the {kind} given has no such attribute"
                    )))
                    .into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What an object is, for error messages.
fn kind_of(value: &Bound<'_, PyAny>) -> String {
    if let Ok(message) = value.cast::<Message>() {
        return message.get().info.type_name().to_owned();
    }
    value
        .get_type()
        .name()
        .map_or_else(|_| "an object".into(), |name| name.to_string())
}

/// Writes a value of any type.
pub(super) fn write(
    out: Out<'_, '_>,
    value: &Bound<'_, PyAny>,
    options: WriteOptions,
) -> Result<Written> {
    if out.array_len().is_some() {
        return write_array(out, value, options);
    }
    match out.element() {
        ElementType::Primitive(primitive) => write_number(out, value, *primitive),
        ElementType::String { .. } => write_string(out, value),
        ElementType::Message(layout) => write_message(out, layout, value, options),
    }
}

fn write_number(
    out: Out<'_, '_>,
    value: &Bound<'_, PyAny>,
    primitive: Primitive,
) -> Result<Written> {
    if primitive == Primitive::Bool {
        // Python's bool and NumPy's, nothing else.
        return match value.extract::<bool>() {
            Ok(value) => Ok(out.bool(value)?),
            Err(_) => Err(out.wrong_type(kind_of(value)).into()),
        };
    }
    if primitive.is_float() {
        return match value.extract::<f64>() {
            Ok(value) => Ok(out.float(value)?),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                let value = value.repr()?.to_string();
                Err(out
                    .error(EncodeErrorKind::OutOfRange { value, primitive })
                    .into())
            }
            Err(_) => Err(out.wrong_type(kind_of(value)).into()),
        };
    }
    if let Ok(bytes) = value.cast::<PyBytes>()
        && let [byte] = *bytes.as_bytes()
        && primitive.size() == 1
    {
        // rclpy writes `byte` and `char` so.
        return Ok(out.int(i128::from(byte))?);
    }
    let number = value
        .extract::<i64>()
        .map(i128::from)
        .or_else(|_| value.extract::<u64>().map(i128::from));
    match number {
        Ok(number) => Ok(out.int(number)?),
        Err(_) if value.is_instance_of::<PyInt>() => {
            let value = value.repr()?.to_string();
            Err(out
                .error(EncodeErrorKind::OutOfRange { value, primitive })
                .into())
        }
        Err(_) => Err(out.wrong_type(kind_of(value)).into()),
    }
}

fn write_string(out: Out<'_, '_>, value: &Bound<'_, PyAny>) -> Result<Written> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(out.wrong_type(kind_of(value)).into());
    };
    let ElementType::String { wide, .. } = out.element() else {
        return Err(out.wrong_type("a string").into());
    };
    if let Ok(text) = text.to_str() {
        return Ok(out.str(text)?);
    }
    // Lone surrogates stand for what was not valid text when it was read.
    if *wide {
        let encoded = text.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
        let units: Vec<u16> = encoded
            .cast::<PyBytes>()
            .map_err(PyErr::from)?
            .as_bytes()
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .collect();
        return Ok(out.utf16(&units)?);
    }
    match text.call_method1("encode", ("utf-8", "surrogateescape")) {
        Ok(encoded) => Ok(out.bytes(encoded.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())?),
        Err(_) => Err(out.wrong_type("text that cannot be encoded").into()),
    }
}

fn write_message(
    out: Out<'_, '_>,
    layout: &Arc<Layout>,
    value: &Bound<'_, PyAny>,
    options: WriteOptions,
) -> Result<Written> {
    if let Ok(message) = value.cast::<Message>() {
        if !Layout::same_shape(&message.get().info.layout, layout) {
            return Err(out.wrong_type(kind_of(value)).into());
        }
        let hold = message.get().memory.hold(value.py())?;
        if hold.len() <= COPIED_AS_BYTES || layout.is_fixed() {
            let cdr = match Cdr::new(hold.bytes()) {
                Ok(cdr) => cdr,
                Err(error) => return Err(out.error(EncodeErrorKind::Unreadable(error)).into()),
            };
            let (layout, start) = (Arc::clone(&message.get().info.layout), message.get().start);
            return Ok(out.message(&CdrSource::<ArrayBytes>::at(cdr, layout, start))?);
        }
    }
    match shape_of(value)? {
        Shape::Mapping => {
            let dict = match value.cast::<PyDict>() {
                Ok(dict) => dict.clone(),
                Err(_) => {
                    let dict = PyDict::new(value.py());
                    dict.update(value.cast::<PyMapping>().map_err(PyErr::from)?)?;
                    dict
                }
            };
            out.message(&Fields::new(dict, options))
        }
        Shape::Object { items } => out.message(&Object {
            object: value,
            items,
            options,
        }),
        Shape::Other => Err(out.wrong_type(kind_of(value)).into()),
    }
}

/// How the fields of a message can be had from an object.
enum Shape {
    Mapping,
    Object { items: bool },
    Other,
}

fn shape_of(value: &Bound<'_, PyAny>) -> PyResult<Shape> {
    if value.is_instance_of::<Message>() {
        return Ok(Shape::Object { items: false });
    }
    if value.is_instance_of::<PyDict>() || value.cast::<PyMapping>().is_ok() {
        return Ok(Shape::Mapping);
    }
    if is_array(value.py(), value) {
        return Ok(Shape::Other);
    }
    if value.hasattr("dtype")? && !value.getattr("dtype")?.getattr("names")?.is_none() {
        return Ok(Shape::Object { items: true }); // an element of a structured array
    }
    // Objects of any class will do if they have the attributes; what cannot have them is told so at once.
    let plain = value.is_none()
        || value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyList>()
        || (value.is_instance_of::<PyTuple>() && !value.hasattr("_fields")?)
        || value.extract::<f64>().is_ok();
    Ok(if plain {
        Shape::Other
    } else {
        Shape::Object { items: false }
    })
}

/// A message as a whole, from a message or an object that has its fields.
pub(super) struct Whole<'a, 'py>(Object<'a, 'py>);

impl<'a, 'py> Whole<'a, 'py> {
    pub(super) fn new(
        layout: &Layout,
        object: &'a Bound<'py, PyAny>,
        options: WriteOptions,
    ) -> Result<Self> {
        let wrong = || {
            let text = format!(
                "expected a {}, or an object with its fields, not {}",
                layout.name(),
                kind_of(object)
            );
            WriteError::Python(raise(object.py(), "TypeMismatch", text))
        };
        if let Ok(message) = object.cast::<Message>()
            && !Layout::same_shape(&message.get().info.layout, layout)
        {
            return Err(wrong());
        }
        match shape_of(object)? {
            Shape::Object { items } => Ok(Self(Object {
                object,
                items,
                options,
            })),
            Shape::Mapping | Shape::Other => Err(wrong()),
        }
    }
}

impl Source for Whole<'_, '_> {
    type Array = ArrayBytes;
    type Error = WriteError;

    fn write_field(&self, index: usize, out: Out<'_, '_>) -> Result<Written> {
        self.0.write_field(index, out)
    }
}

fn write_array(
    out: Out<'_, '_>,
    value: &Bound<'_, PyAny>,
    options: WriteOptions,
) -> Result<Written> {
    let py = value.py();
    if options.reserve && value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return reserve(out, value);
    }
    if let ElementType::Primitive(primitive) = *out.element() {
        return array::numbers(out, value, primitive, options);
    }
    if is_array(py, value)
        && let Some((layout, stride)) = out.struct_layout()
    {
        let layout = Arc::clone(layout);
        return array::structs(out, value, &layout, stride, options);
    }
    // A string is a sequence of strings, but never meant as one.
    let len = match value.len() {
        Ok(len) if !value.is_instance_of::<PyString>() && !value.is_instance_of::<PyDict>() => len,
        _ => return Err(out.wrong_type(kind_of(value)).into()),
    };
    if value.try_iter().is_err() {
        return Err(out.wrong_type(kind_of(value)).into());
    }
    let mut sequence = out.sequence(len)?;
    for item in value.try_iter()? {
        let item = item?;
        sequence.element(|out| write(out, &item, options))?;
    }
    Ok(sequence.finish()?)
}

/// An array of this length: of numbers, to be filled in place; of others, with default values.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is not general enough in its lifetimes"
)]
fn reserve(out: Out<'_, '_>, value: &Bound<'_, PyAny>) -> Result<Written> {
    let Ok(len) = value.extract::<usize>() else {
        let text = format!(
            "{}: the length of an array cannot be {}",
            out.path(),
            value.repr()?
        );
        return Err(raise(value.py(), "FieldValueError", text).into());
    };
    if matches!(out.element(), ElementType::Primitive(_)) || out.struct_layout().is_some() {
        return Ok(out.reserve(len)?);
    }
    let mut sequence = out.sequence(len)?;
    for _ in 0..len {
        sequence.element(|out| out.default_value())?;
    }
    Ok(sequence.finish()?)
}

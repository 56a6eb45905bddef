//! Located values as Python objects.

use std::sync::Arc;

use iceway_msg::{ByteOrder, Cdr, Located, Primitive};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyString};

use crate::arrays::{self, Extent};
use crate::errors;
use crate::memory::{Hold, Memory};
use crate::message::Message;
use crate::sequence::Sequence;
use crate::types::TypeInfo;

/// Where a value is to be built from.
pub(crate) struct Place<'a> {
    pub(crate) memory: &'a Arc<Memory>,
    pub(crate) hold: &'a Arc<Hold>,
    pub(crate) cdr: &'a Cdr<'a>,
    /// The type that has the field.
    pub(crate) info: &'a TypeInfo,
    pub(crate) field: usize,
}

impl Place<'_> {
    /// The Python object for a located field.
    pub(crate) fn build(&self, py: Python<'_>, located: Located) -> PyResult<Py<PyAny>> {
        match located {
            Located::Scalar { offset, primitive } => scalar(
                py,
                self.bytes(py, offset, primitive.size())?,
                primitive,
                self.cdr.byte_order(),
            ),
            Located::Str { offset, len } => string(py, self.bytes(py, offset, len)?),
            Located::WStr { offset, len } => {
                wide_string(py, self.bytes(py, offset, len * 4)?, self.cdr.byte_order())
            }
            Located::Slice {
                offset,
                len,
                primitive,
            } => {
                let dtype = arrays::dtype(py, primitive, self.cdr.byte_order())?;
                let size = primitive.size();
                self.array(
                    py,
                    Extent {
                        offset,
                        len,
                        stride: size,
                        itemsize: size,
                    },
                    dtype,
                )
            }
            Located::StructSlice {
                offset,
                len,
                stride,
                element,
                ..
            } => {
                let dtype =
                    self.info
                        .struct_dtype(py, self.field, &element, self.cdr.byte_order())?;
                self.array(
                    py,
                    Extent {
                        offset,
                        len,
                        stride,
                        itemsize: element.itemsize(),
                    },
                    dtype,
                )
            }
            Located::Message { start, .. } => {
                let info = self.info.nested(py, self.field)?;
                let message = Message::new(Arc::clone(self.memory), Arc::clone(info), start);
                Ok(Py::new(py, message)?.into_any())
            }
            Located::Sequence(sequence) => {
                let info = match sequence.element() {
                    iceway_msg::cdr::SequenceElement::Message(_) => {
                        Some(Arc::clone(self.info.nested(py, self.field)?))
                    }
                    iceway_msg::cdr::SequenceElement::String { .. } => None,
                };
                let name = self.info.type_name().to_owned();
                Ok(Py::new(
                    py,
                    Sequence::new(Arc::clone(self.memory), sequence, info, name),
                )?
                .into_any())
            }
        }
    }

    fn array(
        &self,
        py: Python<'_>,
        extent: Extent,
        dtype: &Bound<'_, numpy::PyArrayDescr>,
    ) -> PyResult<Py<PyAny>> {
        let array = arrays::view(py, self.hold, extent, dtype)?.unbind();
        if self.hold.is_writable() {
            self.memory.record(array.clone_ref(py));
        }
        Ok(array)
    }

    fn bytes(&self, py: Python<'_>, offset: usize, len: usize) -> PyResult<&[u8]> {
        bytes(py, self.cdr, self.info.type_name(), offset, len)
    }
}

/// Bytes that [`Located`] promised; asked for again, so that a wrong promise is an exception.
pub(crate) fn bytes<'a>(
    py: Python<'_>,
    cdr: &Cdr<'a>,
    type_name: &str,
    offset: usize,
    len: usize,
) -> PyResult<&'a [u8]> {
    cdr.bytes()
        .get(offset..)
        .and_then(|tail| tail.get(..len))
        .ok_or_else(|| {
            errors::raise(
                py,
                "MalformedMessage",
                format!("{type_name}: a value at byte {offset} is cut off"),
            )
        })
}

/// A number. `bytes` has its size.
pub(crate) fn scalar(
    py: Python<'_>,
    bytes: &[u8],
    primitive: Primitive,
    order: ByteOrder,
) -> PyResult<Py<PyAny>> {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    if order == ByteOrder::Big {
        wide[..bytes.len()].reverse();
    }
    let bits = u64::from_le_bytes(wide);
    Ok(match primitive {
        Primitive::Bool => PyBool::new(py, bits != 0).to_owned().into_any().unbind(),
        Primitive::Byte
        | Primitive::Char
        | Primitive::U8
        | Primitive::U16
        | Primitive::U32
        | Primitive::U64 => bits.into_pyobject(py)?.into_any().unbind(),
        Primitive::I8 => (bits as i8).into_pyobject(py)?.into_any().unbind(),
        Primitive::I16 => (bits as i16).into_pyobject(py)?.into_any().unbind(),
        Primitive::I32 => (bits as i32).into_pyobject(py)?.into_any().unbind(),
        Primitive::I64 => (bits as i64).into_pyobject(py)?.into_any().unbind(),
        Primitive::F32 => PyFloat::new(py, f64::from(f32::from_bits(bits as u32)))
            .into_any()
            .unbind(),
        Primitive::F64 => PyFloat::new(py, f64::from_bits(bits)).into_any().unbind(),
    })
}

/// Text. Bytes that are not UTF-8 become lone surrogates, as in file names, so that nothing is lost.
pub(crate) fn string(py: Python<'_>, bytes: &[u8]) -> PyResult<Py<PyAny>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(PyString::new(py, text).into_any().unbind());
    }
    let decoded = PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogateescape"))?;
    Ok(decoded.unbind())
}

/// A wide string: UTF-16 units, four bytes each.
pub(crate) fn wide_string(py: Python<'_>, bytes: &[u8], order: ByteOrder) -> PyResult<Py<PyAny>> {
    let units: Vec<u8> = bytes
        .chunks_exact(4)
        .flat_map(|unit| match order {
            ByteOrder::Little => [unit[0], unit[1]],
            ByteOrder::Big => [unit[3], unit[2]],
        })
        .collect();
    let decoded =
        PyBytes::new(py, &units).call_method1("decode", ("utf-16-le", "surrogatepass"))?;
    Ok(decoded.unbind())
}

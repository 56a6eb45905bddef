//! Arrays of numbers and of structures on their way into a message.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use iceway_msg::encode::{ArrayData, FieldWriter, Sink, Written};
use iceway_msg::{ByteOrder, EncodeErrorKind, Primitive, StructLayout};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;

use super::{WriteError, WriteOptions};
use crate::arrays;

/// The bytes of a contiguous array, which is kept alive. They are copied without holding the GIL.
pub(crate) struct ArrayBytes {
    start: NonNull<u8>,
    len: usize,
    _array: Py<PyAny>,
}

// SAFETY: the bytes belong to an object that is kept alive and that any thread may release.
unsafe impl Send for ArrayBytes {}
// SAFETY: the bytes are only read, through a raw pointer.
unsafe impl Sync for ArrayBytes {}

impl ArrayBytes {
    /// The bytes of an array that is C-contiguous.
    fn new(array: &Bound<'_, PyUntypedArray>) -> Option<Self> {
        if !array.is_c_contiguous() {
            return None;
        }
        // SAFETY: the object is an array, so its fields may be read.
        let start = unsafe { (*array.as_array_ptr()).fields.data };
        let len = array.len() * array.dtype().itemsize();
        Some(Self {
            start: NonNull::new(start.cast())?,
            len,
            _array: array.clone().into_any().unbind(),
        })
    }
}

impl ArrayData for ArrayBytes {
    fn fill(&self, sink: &mut Sink<'_>) -> Result<(), EncodeErrorKind> {
        if self.len != sink.remaining() {
            return Err(EncodeErrorKind::ShortArray {
                expected: sink.remaining(),
                found: self.len,
            });
        }
        // SAFETY: the array owns `len` contiguous bytes at `start` while it lives; the sink has room for them
        // (checked above), in memory that no array of Python's overlaps: a fresh loan or vector. Another
        // thread of Python's may write to the array meanwhile, as for any NumPy function that releases the
        // GIL; hence a raw copy and no reference.
        unsafe { std::ptr::copy_nonoverlapping(self.start.as_ptr(), sink.as_mut_ptr(), self.len) };
        // SAFETY: just written.
        unsafe { sink.advance(self.len) };
        Ok(())
    }
}

type Out<'w, 'l> = FieldWriter<'w, 'l, ArrayBytes>;

/// Writes an array of numbers.
pub(super) fn numbers(
    out: Out<'_, '_>,
    value: &Bound<'_, PyAny>,
    primitive: Primitive,
    options: WriteOptions,
) -> Result<Written, WriteError> {
    let py = value.py();
    let dtype = arrays::dtype(py, primitive, ByteOrder::Little)?;
    if let Ok(array) = value.cast::<PyUntypedArray>()
        && array.ndim() > 0
        && array.dtype().is_equiv_to(dtype)
        && let Some(bytes) = ArrayBytes::new(array)
    {
        return Ok(out.array(primitive, array.len(), bytes)?);
    }
    let fitting = py.import(intern!(py, "iceway._arrays"))?.call_method1(
        intern!(py, "numbers"),
        (value, dtype, options.casting.name(), out.path()),
    )?;
    let array = fitting.cast::<PyUntypedArray>().map_err(PyErr::from)?;
    match ArrayBytes::new(array) {
        Some(bytes) => Ok(out.array(primitive, array.len(), bytes)?),
        None => Err(out.wrong_type("an array that is not contiguous").into()),
    }
}

/// Writes an array of fixed-size messages from an array: structured, or of plain numbers if all are alike.
pub(super) fn structs(
    out: Out<'_, '_>,
    value: &Bound<'_, PyAny>,
    layout: &StructLayout,
    stride: usize,
    options: WriteOptions,
) -> Result<Written, WriteError> {
    let py = value.py();
    let dtype = arrays::struct_dtype(py, layout, ByteOrder::Little)?;
    if let Ok(array) = value.cast::<PyUntypedArray>()
        && array.ndim() == 1
        && stride == layout.itemsize()
        && array.dtype().is_equiv_to(&dtype)
        && let Some(bytes) = ArrayBytes::new(array)
    {
        return Ok(out.structs(array.len(), bytes)?);
    }
    let (count, bytes): (usize, Bound<'_, PyUntypedArray>) = py
        .import(intern!(py, "iceway._arrays"))?
        .call_method1(
            intern!(py, "structs"),
            (value, dtype, stride, options.casting.name(), out.path()),
        )?
        .extract()?;
    match ArrayBytes::new(&bytes) {
        Some(bytes) => Ok(out.structs(count, bytes)?),
        None => Err(out.wrong_type("an array that is not contiguous").into()),
    }
}

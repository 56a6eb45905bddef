//! Bytes that Python owns: `bytes`, and everything that NumPy can look into.
#![allow(unsafe_code)]

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::raise;
use crate::memory::Hold;

/// The bytes of a `bytes`, `bytearray`, `memoryview`, array, `mmap` …, in place and kept alive.
pub(crate) fn bytes_of(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Hold> {
    let empty = || raise(py, "FieldValueError", "the buffer is empty");
    if let Ok(bytes) = data.cast::<PyBytes>() {
        let (start, len) = (bytes.as_bytes().as_ptr(), bytes.as_bytes().len());
        // SAFETY: a bytes object never changes nor moves its bytes, and is kept alive by the hold.
        return unsafe { Hold::new(start, len, false, bytes.clone().unbind()) }.ok_or_else(empty);
    }
    let numpy = py.import(intern!(py, "numpy"))?;
    let kind = || {
        data.get_type()
            .name()
            .map_or_else(|_| "object".to_owned(), |name| name.to_string())
    };
    let array = numpy
        .call_method1(
            intern!(py, "frombuffer"),
            (data, numpy.getattr(intern!(py, "uint8"))?),
        )
        .map_err(|error| {
            let text = format!(
                "expected bytes, or an object with a contiguous buffer, not {}: {error}",
                kind()
            );
            raise(py, "FieldTypeError", text)
        })?;
    let array = array.cast_into::<PyUntypedArray>()?;
    // SAFETY: the object is an array, so its fields may be read.
    let start = unsafe { (*array.as_array_ptr()).fields.data };
    let len = array.len() * array.dtype().itemsize();
    // SAFETY: the array is contiguous (frombuffer makes no others), and holds the buffer of `data`, which cannot
    // be moved or resized meanwhile; it is kept alive by the hold. Its owner may write to it at any time, as
    // with all buffers shared with NumPy: reading is bounds-checked whatever the bytes are.
    unsafe { Hold::new(start.cast_const().cast(), len, false, array.unbind()) }.ok_or_else(empty)
}

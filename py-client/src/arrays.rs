//! NumPy arrays over foreign memory.
#![allow(unsafe_code)]

use std::sync::Arc;

use iceway_msg::{ByteOrder, Primitive, StructFieldType, StructLayout};
use numpy::npyffi::{
    NPY_ARRAY_WRITEABLE, NpyTypes, PY_ARRAY_API, PyArray_Check, PyArrayObject, get_type_object,
    npy_intp,
};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::memory::{Hold, Owner};

/// Elements of an array: where they lie in the hold's bytes.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) stride: usize,
    pub(crate) itemsize: usize,
}

/// A one-dimensional array over bytes of `hold`, which it keeps alive. Writable only if the hold is.
pub(crate) fn view<'py>(
    py: Python<'py>,
    hold: &Arc<Hold>,
    extent: Extent,
    dtype: &Bound<'py, PyArrayDescr>,
) -> PyResult<Bound<'py, PyAny>> {
    let Extent {
        offset,
        len,
        stride,
        itemsize,
    } = extent;
    let needed = match len {
        0 => Some(0),
        n => (n - 1)
            .checked_mul(stride)
            .and_then(|most| most.checked_add(itemsize)),
    };
    let end = needed.and_then(|needed| offset.checked_add(needed));
    assert!(
        end.is_some_and(|end| end <= hold.len()),
        "array beyond the end of its message"
    );
    let owner = Bound::new(py, Owner::new(hold))?;
    let mut dims = [len as npy_intp];
    let mut strides = [stride as npy_intp];
    let flags = if hold.is_writable() {
        NPY_ARRAY_WRITEABLE
    } else {
        0
    };
    // SAFETY: `offset` is inside the hold's bytes or at their end, checked above.
    let data = unsafe { hold.start().as_ptr().add(offset) };
    // SAFETY: `dims` and `strides` have one element and are copied; the descriptor's reference is stolen, hence
    // `into_ptr` of a new one; `data` is not null and `len` elements at `stride` lie inside the hold's bytes
    // (checked above), whose life is bound to the array's below. Alignment is found out by NumPy itself.
    let array = unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            dtype.clone().into_dtype_ptr(),
            1,
            dims.as_mut_ptr(),
            strides.as_mut_ptr(),
            data.cast(),
            flags,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: a new reference, or null with an exception set.
    let array = unsafe { Bound::from_owned_ptr_or_err(py, array)? };
    // SAFETY: `array` is an array that has no base yet; the reference to `owner` is stolen, even on failure.
    let failed = unsafe {
        PY_ARRAY_API.PyArray_SetBaseObject(
            py,
            array.as_ptr().cast::<PyArrayObject>(),
            owner.into_ptr(),
        )
    };
    if failed != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(array)
}

/// The same elements as an array object that claims to be writable. Not for users: writing to memory that is
/// mapped read-only ends the process.
fn claimed_writable<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    let mut dims: Vec<npy_intp> = array.shape().iter().map(|n| *n as npy_intp).collect();
    let mut strides: Vec<npy_intp> = array.strides().iter().map(|n| *n as npy_intp).collect();
    // SAFETY: the object is an array, so its fields may be read.
    let data = unsafe { (*array.as_array_ptr()).fields.data };
    // SAFETY: `dims` and `strides` have `ndim` elements and are copied; the descriptor's new reference is stolen;
    // the elements are those of `array`, which becomes the base below.
    let alias = unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            array.dtype().into_dtype_ptr(),
            array.ndim() as std::ffi::c_int,
            dims.as_mut_ptr(),
            strides.as_mut_ptr(),
            data.cast(),
            NPY_ARRAY_WRITEABLE,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: a new reference, or null with an exception set.
    let alias = unsafe { Bound::from_owned_ptr_or_err(py, alias)? };
    // SAFETY: `alias` is an array that has no base yet; the new reference to `array` is stolen.
    let failed = unsafe {
        PY_ARRAY_API.PyArray_SetBaseObject(
            py,
            alias.as_ptr().cast::<PyArrayObject>(),
            array.clone().into_ptr(),
        )
    };
    if failed != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(alias)
}

/// A DLPack capsule of the first version, which cannot say that memory is read-only.
pub(crate) fn old_dlpack<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyAny>> {
    claimed_writable(array)?.call_method0("__dlpack__")
}

/// Takes the right to write through this array object.
pub(crate) fn make_read_only(array: &Bound<'_, PyAny>) -> PyResult<()> {
    // `setflags` rather than the field: the object's layout differs between interpreters.
    array.call_method1("setflags", (false,)).map(drop)
}

/// Checks that `object` is an ndarray (or of a subclass).
pub(crate) fn is_array(py: Python<'_>, object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is a live object.
    unsafe { PyArray_Check(py, object.as_ptr()) != 0 }
}

/// The dtype of numbers in this byte order.
pub(crate) fn dtype<'py>(
    py: Python<'py>,
    primitive: Primitive,
    order: ByteOrder,
) -> PyResult<&'py Bound<'py, PyArrayDescr>> {
    // Indexed by primitive and byte order.
    static DTYPES: PyOnceLock<Vec<Py<PyArrayDescr>>> = PyOnceLock::new();
    let dtypes = DTYPES.get_or_try_init(py, || {
        let make = |primitive: Primitive, order| {
            PyArrayDescr::new(py, code(primitive, order)).map(Bound::unbind)
        };
        PRIMITIVES
            .into_iter()
            .flat_map(|primitive| {
                [
                    make(primitive, ByteOrder::Little),
                    make(primitive, ByteOrder::Big),
                ]
            })
            .collect::<PyResult<Vec<_>>>()
    })?;
    let at = primitive as usize * 2 + usize::from(order == ByteOrder::Big);
    dtypes
        .get(at)
        .map(|dtype| dtype.bind(py))
        .ok_or_else(|| PyTypeError::new_err("unknown primitive"))
}

/// In the order of the enum's discriminants.
const PRIMITIVES: [Primitive; 13] = [
    Primitive::Bool,
    Primitive::Byte,
    Primitive::Char,
    Primitive::I8,
    Primitive::U8,
    Primitive::I16,
    Primitive::U16,
    Primitive::I32,
    Primitive::U32,
    Primitive::I64,
    Primitive::U64,
    Primitive::F32,
    Primitive::F64,
];

const _: () = {
    let mut at = 0;
    while at < PRIMITIVES.len() {
        assert!(PRIMITIVES[at] as usize == at);
        at += 1;
    }
};

/// NumPy's code with byte order, `<f4`.
fn code(primitive: Primitive, order: ByteOrder) -> String {
    let order = if order == ByteOrder::Big { '>' } else { '<' };
    format!("{order}{}", primitive.numpy_code())
}

/// The structured dtype of fixed-size messages.
pub(crate) fn struct_dtype<'py>(
    py: Python<'py>,
    layout: &StructLayout,
    order: ByteOrder,
) -> PyResult<Bound<'py, PyArrayDescr>> {
    let names = PyList::empty(py);
    let formats = PyList::empty(py);
    let offsets = PyList::empty(py);
    for field in layout.fields() {
        names.append(&*field.name)?;
        offsets.append(field.offset)?;
        let element = match &field.ty {
            StructFieldType::Primitive(primitive) => dtype(py, *primitive, order)?.clone(),
            StructFieldType::Struct(inner) => struct_dtype(py, inner, order)?,
        };
        match field.count {
            None => formats.append(element)?,
            Some(count) => formats.append((element, (count,)))?,
        }
    }
    let spec = PyDict::new(py);
    spec.set_item("names", names)?;
    spec.set_item("formats", formats)?;
    spec.set_item("offsets", offsets)?;
    spec.set_item("itemsize", layout.itemsize())?;
    PyArrayDescr::new(py, spec)
}

//! Messages: attribute access is a walk over the serialized bytes.
#![allow(unsafe_code)]

use std::sync::Arc;

use iceway_msg::{Cdr, Located, Offsets};
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::arrays::{self, Extent};
use crate::errors::{self, raise};
use crate::memory::Memory;
use crate::types::{Named, TypeInfo};
use crate::value::Place;

/// A message: its attributes are the fields and constants of its ROS type, and nothing else.
///
/// Everything that can be done with any message is a function: ``iceway.info``, ``iceway.copy``,
/// ``iceway.to_dict``, ``iceway.release``, ``iceway.image`` and so on.
#[pyclass(frozen, weakref, module = "iceway", name = "Message")]
pub(crate) struct Message {
    pub(crate) memory: Arc<Memory>,
    pub(crate) info: Arc<TypeInfo>,
    /// Where it starts in the bytes.
    pub(crate) start: usize,
    offsets: Offsets,
    /// The bytes are this message, and not one that it is part of.
    whole: bool,
}

impl Message {
    pub(crate) fn new(memory: Arc<Memory>, info: Arc<TypeInfo>, start: usize) -> Self {
        let offsets = Offsets::new(&info.layout);
        Self {
            memory,
            info,
            start,
            offsets,
            whole: false,
        }
    }

    /// The message that the bytes as a whole are.
    pub(crate) fn root(memory: Arc<Memory>, info: Arc<TypeInfo>) -> Self {
        Self {
            whole: true,
            ..Self::new(memory, info, Cdr::START)
        }
    }

    pub(crate) fn is_root(&self) -> bool {
        self.whole
    }

    fn field(&self, py: Python<'_>, field: usize) -> PyResult<Py<PyAny>> {
        let hold = self.memory.hold(py)?;
        let malformed = |error: &_| errors::malformed(py, self.info.type_name(), error);
        let cdr = Cdr::new(hold.bytes()).map_err(|e| malformed(&e))?;
        let located = self
            .info
            .layout
            .locate(&cdr, self.start, &self.offsets, field)
            .map_err(|e| malformed(&e))?;
        Place {
            memory: &self.memory,
            hold: &hold,
            cdr: &cdr,
            info: &self.info,
            field,
        }
        .build(py, located)
    }

    fn set_field(&self, py: Python<'_>, field: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let hold = self.memory.hold(py)?;
        if !hold.is_writable() {
            return Err(raise(
                py,
                "ReadOnly",
                format!(
                    "{}: received messages are read-only; iceway.copy(msg) makes one that can be written to",
                    self.info.type_name()
                ),
            ));
        }
        let malformed = |error: &_| errors::malformed(py, self.info.type_name(), error);
        let cdr = Cdr::new(hold.bytes()).map_err(|e| malformed(&e))?;
        let located = self
            .info
            .layout
            .locate(&cdr, self.start, &self.offsets, field)
            .map_err(|e| malformed(&e))?;
        match located {
            Located::Scalar { offset, primitive } => {
                let size = primitive.size();
                let extent = Extent {
                    offset,
                    len: 1,
                    stride: size,
                    itemsize: size,
                };
                let array = arrays::view(
                    py,
                    &hold,
                    extent,
                    arrays::dtype(py, primitive, cdr.byte_order())?,
                )?;
                let name = self.info.field_name(py, field);
                py.import("iceway._arrays")?
                    .call_method1("assign_number", (array, value, name))?;
                Ok(())
            }
            Located::Slice { .. } | Located::StructSlice { .. } => {
                let array = self.field(py, field)?;
                let name = self.info.field_name(py, field);
                py.import("iceway._arrays")?
                    .call_method1("assign", (array, value, name))?;
                Ok(())
            }
            _ => Err(raise(
                py,
                "LoanError",
                format!(
                    "{} of {} has no fixed size, so it cannot be changed in place: give its value to pub.loan() or \
                     publish()",
                    self.info.layout.fields()[field].name,
                    self.info.type_name()
                ),
            )),
        }
    }

    fn unknown(&self, py: Python<'_>, name: &str) -> PyErr {
        let fields: Vec<&str> = self
            .info
            .layout
            .fields()
            .iter()
            .map(|field| &*field.name)
            .collect();
        let known = if fields.is_empty() {
            "it has none".into()
        } else {
            fields.join(", ")
        };
        raise(
            py,
            "UnknownField",
            format!(
                "{} has no field {name:?}; its fields are: {known}",
                self.info.type_name()
            ),
        )
    }
}

#[pymethods]
impl Message {
    fn __getattribute__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        match this.info.find(py, name)? {
            Some(Named::Field(field)) => this.field(py, field),
            Some(Named::Constant(value)) => Ok(value.clone_ref(py)),
            // ROS names start with a letter: the rest is Python's own.
            None if name.to_str()?.starts_with('_') => {
                // SAFETY: both are live objects, and the function returns a new reference or null.
                unsafe {
                    let found = ffi::PyObject_GenericGetAttr(slf.as_ptr(), name.as_ptr());
                    Bound::from_owned_ptr_or_err(py, found).map(Bound::unbind)
                }
            }
            None => Err(PyAttributeError::new_err(())), // and so to `__getattr__`
        }
    }

    /// Called when `__getattribute__` found nothing.
    fn __getattr__(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let name = name.to_str()?;
        match name.starts_with('_') {
            true => Err(PyAttributeError::new_err(format!(
                "'Message' object has no attribute '{name}'"
            ))),
            false => Err(self.unknown(py, name)),
        }
    }

    fn __setattr__(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        match self.info.find(py, name)? {
            Some(Named::Field(field)) => self.set_field(py, field, value),
            Some(Named::Constant(_)) => Err(raise(
                py,
                "ReadOnly",
                format!(
                    "{} is a constant of {}",
                    name.to_str()?,
                    self.info.type_name()
                ),
            )),
            None => Err(self.unknown(py, name.to_str()?)),
        }
    }

    fn __delattr__(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let text = format!("fields cannot be deleted (field {})", name.to_str()?);
        Err(raise(py, "ReadOnly", text))
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names = self.info.field_names(py)?;
        for name in self.info.constant_names(py)? {
            names.append(name)?;
        }
        Ok(names)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        Ok(py
            .import("iceway._repr")?
            .call_method1("message", (slf,))?
            .unbind())
    }

    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        match other.cast::<Self>() {
            Ok(other) => Ok(py
                .import("iceway._compare")?
                .call_method1("equal", (slf, other))?
                .unbind()),
            Err(_) => Ok(py.NotImplemented()),
        }
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        Ok(py
            .import("iceway._compare")?
            .call_method1("reduce", (slf,))?
            .unbind())
    }

    fn __copy__(slf: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        crate::functions::copy(slf.py(), slf)
    }

    fn __deepcopy__(slf: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> PyResult<Py<Self>> {
        crate::functions::copy(slf.py(), slf)
    }
}

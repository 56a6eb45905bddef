//! Arrays of strings, or of messages of variable size: elements are found when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iceway_msg::cdr::{Elements, Sequence as Located};
use iceway_msg::{Cdr, Located as Value};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyList, PySlice, PyType};

use crate::errors;
use crate::memory::Memory;
use crate::message::Message;
use crate::types::TypeInfo;
use crate::value;

/// A read-only sequence of strings or messages, found one by one on demand.
///
/// It behaves like a tuple: ``len``, iteration, negative indices, slices (which share the memory), ``in``,
/// and ``==`` with any list or tuple.
#[pyclass(
    frozen,
    sequence,
    weakref,
    module = "iceway._iceway",
    name = "Sequence"
)]
pub(crate) struct Sequence {
    memory: Arc<Memory>,
    located: Arc<Located>,
    found: Arc<Elements>,
    /// The elements' type; `None` for strings.
    info: Option<Arc<TypeInfo>>,
    /// The type of the message that has the field.
    owner_type: Arc<str>,
    // The range of `located` that this object shows.
    start: isize,
    step: isize,
    len: usize,
}

impl Sequence {
    pub(crate) fn new(
        memory: Arc<Memory>,
        located: Located,
        info: Option<Arc<TypeInfo>>,
        owner_type: String,
    ) -> Self {
        let len = located.len();
        Self {
            memory,
            located: Arc::new(located),
            found: Arc::new(Elements::new()),
            info,
            owner_type: owner_type.into(),
            start: 0,
            step: 1,
            len,
        }
    }

    /// The element at a position that is in range.
    pub(crate) fn item(&self, py: Python<'_>, index: usize) -> PyResult<Py<PyAny>> {
        let hold = self.memory.hold(py)?;
        let malformed = |error: &_| errors::malformed(py, &self.owner_type, error);
        let cdr = Cdr::new(hold.bytes()).map_err(|e| malformed(&e))?;
        let at = (self.start + index as isize * self.step) as usize;
        let located = self
            .located
            .locate(&cdr, &self.found, at)
            .map_err(|e| malformed(&e))?;
        match (located, &self.info) {
            (Value::Message { start, .. }, Some(info)) => {
                let message = Message::new(Arc::clone(&self.memory), Arc::clone(info), start);
                Ok(Py::new(py, message)?.into_any())
            }
            (Value::Str { offset, len }, _) => {
                value::string(py, value::bytes(py, &cdr, &self.owner_type, offset, len)?)
            }
            (Value::WStr { offset, len }, _) => {
                let units = value::bytes(py, &cdr, &self.owner_type, offset, len * 4)?;
                value::wide_string(py, units, cdr.byte_order())
            }
            _ => Err(errors::raise(
                py,
                "MalformedMessage",
                format!("{}: unreadable element", self.owner_type),
            )),
        }
    }
}

/// Iterates over a sequence.
#[pyclass(frozen, module = "iceway._iceway", name = "_Items")]
pub(crate) struct Items {
    sequence: Py<Sequence>,
    next: AtomicUsize,
}

#[pymethods]
impl Items {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let sequence = self.sequence.get();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        (next < sequence.len)
            .then(|| sequence.item(py, next))
            .transpose()
    }
}

#[pymethods]
impl Sequence {
    fn __len__(&self) -> usize {
        self.len
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(self.len as isize)?;
            let part = Self {
                memory: Arc::clone(&self.memory),
                located: Arc::clone(&self.located),
                found: Arc::clone(&self.found),
                info: self.info.clone(),
                owner_type: Arc::clone(&self.owner_type),
                start: self.start + range.start * self.step,
                step: self.step * range.step,
                len: range.slicelength,
            };
            return Ok(Py::new(py, part)?.into_any());
        }
        let index: isize = index.extract()?;
        let at = if index < 0 {
            index + self.len as isize
        } else {
            index
        };
        match usize::try_from(at) {
            Ok(at) if at < self.len => self.item(py, at),
            _ => Err(PyIndexError::new_err(format!(
                "index {index} is out of range for length {}",
                self.len
            ))),
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Items {
        Items {
            sequence: slf.unbind(),
            next: AtomicUsize::new(0),
        }
    }

    /// `Sequence[str]`, for annotations.
    #[classmethod]
    fn __class_getitem__(cls: &Bound<'_, PyType>, item: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let types = cls.py().import("types")?;
        Ok(types.call_method1("GenericAlias", (cls, item))?.unbind())
    }

    fn __contains__<'py>(&self, py: Python<'py>, item: &Bound<'py, PyAny>) -> PyResult<bool> {
        for index in 0..self.len {
            if self.item(py, index)?.bind(py).eq(item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn __eq__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        let comparable = other.is_instance_of::<Self>()
            || other.is_instance_of::<PyList>()
            || other.is_instance_of::<pyo3::types::PyTuple>();
        if !comparable {
            return Ok(py.NotImplemented());
        }
        let mut same = other.len()? == self.len;
        for index in 0..self.len {
            same = same && self.item(py, index)?.bind(py).eq(other.get_item(index)?)?;
        }
        Ok(pyo3::types::PyBool::new(py, same)
            .to_owned()
            .into_any()
            .unbind())
    }

    /// Return the first index of a value; ``ValueError`` if it is not there.
    #[pyo3(signature = (value, start = 0, stop = isize::MAX, /))]
    fn index<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        start: isize,
        stop: isize,
    ) -> PyResult<usize> {
        let len = self.len as isize;
        let clamp = |at: isize| (if at < 0 { at + len } else { at }).clamp(0, len) as usize;
        for at in clamp(start)..clamp(stop) {
            if self.item(py, at)?.bind(py).eq(value)? {
                return Ok(at);
            }
        }
        Err(pyo3::exceptions::PyValueError::new_err(format!(
            "{} is not in the sequence",
            value.repr()?
        )))
    }

    /// Return how often a value is there.
    #[pyo3(signature = (value, /))]
    fn count<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<usize> {
        let mut count = 0;
        for at in 0..self.len {
            count += usize::from(self.item(py, at)?.bind(py).eq(value)?);
        }
        Ok(count)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        Ok(py
            .import("iceway._repr")?
            .call_method1("sequence", (slf,))?
            .unbind())
    }
}

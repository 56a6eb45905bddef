//! Writing messages from what Python users pass: keyword arguments, dicts, messages, objects, arrays.

mod array;
mod source;

use std::sync::Arc;

use iceway_msg::encode::{self, Plan};
use iceway_msg::{EncodeError, Layout};
use pyo3::prelude::*;
use pyo3::types::PyDict;

pub(crate) use array::ArrayBytes;
use source::{Fields, Whole};

use crate::errors;

/// How arrays of another dtype than their field's are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Casting {
    /// Only if no value can change.
    Safe,
    /// Also to smaller types of the same kind.
    SameKind,
}

impl Casting {
    pub(crate) fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        match text {
            "safe" => Ok(Self::Safe),
            "same_kind" => Ok(Self::SameKind),
            _ => {
                let text = format!("casting is {text:?}, but can be 'safe' or 'same_kind'");
                Err(errors::raise(py, "InvalidOption", text))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::SameKind => "same_kind",
        }
    }
}

/// How values are taken.
#[derive(Clone, Copy)]
pub(crate) struct WriteOptions {
    pub(crate) casting: Casting,
    /// Arrays may be given as lengths, to be filled in place.
    pub(crate) reserve: bool,
}

/// Why a message could not be written.
pub(crate) enum WriteError {
    Encode(EncodeError),
    Python(PyErr),
}

impl From<EncodeError> for WriteError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<PyErr> for WriteError {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl WriteError {
    pub(crate) fn into_py(self, py: Python<'_>, type_name: &str) -> PyErr {
        match self {
            Self::Encode(error) => errors::encode(py, type_name, &error),
            Self::Python(error) => error,
        }
    }
}

/// Collects a message from keyword arguments.
pub(crate) fn plan(
    py: Python<'_>,
    layout: &Arc<Layout>,
    fields: &Bound<'_, PyDict>,
    options: WriteOptions,
) -> PyResult<Plan<ArrayBytes>> {
    encode::plan(layout, &Fields::new(fields.clone(), options))
        .map_err(|error| error.into_py(py, layout.name().as_str()))
}

/// The same from a message, or any object that has its fields.
pub(crate) fn plan_object(
    py: Python<'_>,
    layout: &Arc<Layout>,
    object: &Bound<'_, PyAny>,
    options: WriteOptions,
) -> PyResult<Plan<ArrayBytes>> {
    let type_name = layout.name().as_str();
    if let Ok(dict) = object.cast::<PyDict>() {
        return plan(py, layout, dict, options);
    }
    Whole::new(layout, object, options)
        .and_then(|source| encode::plan(layout, &source))
        .map_err(|error| error.into_py(py, type_name))
}

//! Rust errors as exceptions of `iceway._errors`, the one error family.

use iceway_msg::{CdrError, DefinitionError, EncodeError, EncodeErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// The module with the exception classes.
fn family(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || Ok(py.import("iceway._errors")?.unbind()))
        .map(|module| module.bind(py))
}

/// The exception `class` of the family with these arguments.
pub(crate) fn build<'py, A>(py: Python<'py>, class: &str, args: A) -> PyErr
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
{
    let built = family(py)
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1(args.into_pyobject(py)?));
    match built {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// The exception `class` with a text.
pub(crate) fn raise(py: Python<'_>, class: &str, text: impl Into<String>) -> PyErr {
    build(py, class, (text.into(),))
}

/// Bytes that are not a message of the type.
pub(crate) fn malformed(py: Python<'_>, type_name: &str, error: &CdrError) -> PyErr {
    let text = format!("{type_name}: {error}");
    build(
        py,
        "MalformedMessage",
        (
            text,
            error.path(),
            error.offset(),
            error.needed(),
            error.available(),
        ),
    )
}

/// Text that is not a definition.
pub(crate) fn definition(py: Python<'_>, error: &DefinitionError) -> PyErr {
    build(
        py,
        "DefinitionError",
        (error.to_string(), error.line, error.column),
    )
}

/// A value that does not fit its field.
pub(crate) fn encode(py: Python<'_>, type_name: &str, error: &EncodeError) -> PyErr {
    let class = match error.kind() {
        EncodeErrorKind::UnknownField { .. } => "UnknownField",
        EncodeErrorKind::WrongType { .. }
        | EncodeErrorKind::WrongDtype { .. }
        | EncodeErrorKind::Source(_) => "FieldTypeError",
        EncodeErrorKind::TooLarge { .. } => "TooLarge",
        EncodeErrorKind::Unreadable(_) => "MalformedMessage",
        _ => "FieldValueError",
    };
    let text = match (error.path(), error.kind()) {
        // It names the type itself.
        ("", kind @ EncodeErrorKind::UnknownField { .. }) => kind.to_string(),
        ("", kind) => format!("{type_name}: {kind}"),
        (path, kind) => format!("{path}: {kind}"),
    };
    raise(py, class, text)
}

//! Waiting outside the interpreter, and noticing Ctrl-C.

use std::time::Duration;

use iceway_bus::client::{ClientError, Interrupt};
use pyo3::prelude::*;

use crate::bus_errors;
use crate::errors::raise;

/// Runs `wait` without the GIL, so that other Python threads run meanwhile. Its interrupt function sees
/// signals (Ctrl-C), and `stop`.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    doing: &str,
    stop: impl Fn() -> bool + Send + Sync,
    wait: impl FnOnce(Interrupt<'_>) -> Result<T, ClientError> + Send,
) -> PyResult<T> {
    let (result, signal) = py.detach(|| {
        let mut signal = None;
        let mut first = true;
        let mut interrupt = || {
            if stop() {
                return true;
            }
            // The first question comes before anything was waited for. Attaching then would make every call
            // contend with busy threads for the GIL once more.
            if std::mem::take(&mut first) {
                return false;
            }
            signal = Python::attach(|py: Python<'_>| py.check_signals()).err();
            signal.is_some()
        };
        let result = wait(&mut interrupt);
        (result, signal)
    });
    match (result, signal) {
        (Ok(value), _) => Ok(value),
        (Err(ClientError::Interrupted), Some(raised)) => Err(raised),
        (Err(ClientError::Interrupted), None) => {
            Err(bus_errors::client(py, ClientError::Closed, doing))
        }
        (Err(error), _) => Err(bus_errors::client(py, error, doing)),
    }
}

/// A time in seconds as users give it.
pub(crate) fn seconds(py: Python<'_>, name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        let text = format!(
            "{name} is {value}, but it is a time in seconds, 0 or more (None for no limit)"
        );
        raise(py, "InvalidOption", text)
    })
}

/// The same where `None` (or infinity) means for ever.
pub(crate) fn optional_seconds(
    py: Python<'_>,
    name: &str,
    value: Option<f64>,
) -> PyResult<Option<Duration>> {
    match value {
        None => Ok(None),
        Some(f64::INFINITY) => Ok(None),
        Some(value) => seconds(py, name, value).map(Some),
    }
}

//! Functions on any message: what the package's helpers are made of.

use std::sync::Arc;

use iceway_msg::encode::{self, CdrSource};
use iceway_msg::frame::FrameFlags;
use iceway_msg::{Cdr, CdrError, Schema, largest_array_offset};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::arrays;
use crate::errors;
use crate::memory::{Gone, Hold, Memory, Origin};
use crate::message::Message;

/// Return the full name of a message's type, ``sensor_msgs/msg/Image``.
#[pyfunction]
pub(crate) fn type_name(msg: &Bound<'_, Message>) -> String {
    msg.get().info.type_name().to_owned()
}

/// Return the names of a message's fields, in the order of the definition.
#[pyfunction]
pub(crate) fn field_names<'py>(
    py: Python<'py>,
    msg: &Bound<'py, Message>,
) -> PyResult<Bound<'py, PyList>> {
    msg.get().info.field_names(py)
}

/// Tell whether it is a whole message, and not part of one.
#[pyfunction]
pub(crate) fn is_root(msg: &Bound<'_, Message>) -> bool {
    msg.get().is_root()
}

/// Return the values of ``iceway.Info``, in its order.
#[pyfunction]
pub(crate) fn info<'py>(
    py: Python<'py>,
    msg: &Bound<'py, Message>,
) -> PyResult<Bound<'py, PyTuple>> {
    let message = msg.get();
    let Origin {
        topic,
        header,
        from_ros,
        received,
        woken_ns,
    } = &message.memory.origin;
    let header = header.get();
    let origin = match (received, from_ros) {
        (false, _) => "offline",
        (true, true) => "ros",
        (true, false) => "ai",
    };
    let publisher = match (received, from_ros) {
        (false, _) => String::new(),
        (true, true) => hex(&header.gid),
        (true, false) => format!("{:016x}", header.origin),
    };
    let seconds = |from: i64, to: i64| {
        if from > 0 && to > 0 {
            (to - from) as f64 / 1e9
        } else {
            0.0
        }
    };
    // From the wall clock to the monotonic one by way of the moment that is known on both.
    let received_mono_ns = header.taken_mono_ns - (header.taken_ns - header.received_ns);
    let broker_s = if header.received_ns > 0 && header.taken_mono_ns > 0 {
        seconds(received_mono_ns, header.sent_ns)
    } else {
        0.0
    };
    let values: [Bound<'py, PyAny>; 17] = [
        (&**topic).into_pyobject(py)?.into_any(),
        message
            .info
            .schema
            .type_name()
            .as_str()
            .into_pyobject(py)?
            .into_any(),
        header.seq.into_pyobject(py)?.into_any(),
        origin.into_pyobject(py)?.into_any(),
        publisher.into_pyobject(py)?.into_any(),
        header.source_ns.into_pyobject(py)?.into_any(),
        header.received_ns.into_pyobject(py)?.into_any(),
        header.taken_ns.into_pyobject(py)?.into_any(),
        header.taken_mono_ns.into_pyobject(py)?.into_any(),
        header.sent_ns.into_pyobject(py)?.into_any(),
        woken_ns.into_pyobject(py)?.into_any(),
        header.cause_ns.into_pyobject(py)?.into_any(),
        header.lost_before.into_pyobject(py)?.into_any(),
        header
            .flags()
            .contains(FrameFlags::RETAINED)
            .into_pyobject(py)?
            .to_owned()
            .into_any(),
        seconds(header.source_ns, header.received_ns)
            .into_pyobject(py)?
            .into_any(),
        broker_s.into_pyobject(py)?.into_any(),
        seconds(header.sent_ns, *woken_ns)
            .into_pyobject(py)?
            .into_any(),
    ];
    PyTuple::new(py, values)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The message as serialized bytes of its own: those it has if it is whole, else written anew.
fn own_bytes(py: Python<'_>, message: &Message) -> PyResult<Vec<u8>> {
    let hold = message.memory.hold(py)?;
    if message.is_root() {
        return Ok(hold.bytes().to_vec());
    }
    let malformed = |error: &CdrError| errors::malformed(py, message.info.type_name(), error);
    let cdr = Cdr::new(hold.bytes()).map_err(|e| malformed(&e))?;
    let source =
        CdrSource::<&'static [u8]>::at(cdr, Arc::clone(&message.info.layout), message.start);
    encode::plan(&message.info.layout, &source)
        .and_then(|plan| plan.to_vec())
        .map_err(|error| errors::encode(py, message.info.type_name(), &error))
}

/// Return an independent, writable copy of a message.
#[pyfunction]
pub(crate) fn copy(py: Python<'_>, msg: &Bound<'_, Message>) -> PyResult<Py<Message>> {
    let message = msg.get();
    let hold = if message.is_root() {
        let original = message.memory.hold(py)?;
        // Large copies take milliseconds, and need nothing of Python.
        py.detach(|| copy_of(&message.info.schema, original.bytes()))
    } else {
        Hold::copy_of(
            &own_bytes(py, message)?,
            None,
            message.info.layout.alignment(),
        )
    };
    // It still knows where it came from.
    let memory = Memory::new(
        hold,
        Origin {
            received: false,
            ..message.memory.origin.clone()
        },
    );
    Py::new(py, Message::root(memory, Arc::clone(&message.info)))
}

/// A private copy whose largest array is aligned as in shared memory.
pub(crate) fn copy_of(schema: &Schema, bytes: &[u8]) -> Hold {
    let largest = Cdr::new(bytes)
        .ok()
        .and_then(|cdr| largest_array_offset(schema, &cdr));
    Hold::copy_of(bytes, largest, schema.layout().alignment())
}

/// Return type name, bytes and the definition of the whole that the message is part of, for pickling.
#[pyfunction]
pub(crate) fn serialize<'py>(
    py: Python<'py>,
    msg: &Bound<'py, Message>,
) -> PyResult<(String, String, Bound<'py, PyBytes>)> {
    let message = msg.get();
    let bytes = own_bytes(py, message)?;
    let definition = message.info.schema.definition().to_owned();
    Ok((
        message.info.type_name().to_owned(),
        definition,
        PyBytes::new(py, &bytes),
    ))
}

/// Tell whether a message was not released.
#[pyfunction]
pub(crate) fn is_held(msg: &Bound<'_, Message>) -> bool {
    msg.get().memory.is_held()
}

/// Give the memory back; tell whether nothing holds it any more.
#[pyfunction]
pub(crate) fn release(msg: &Bound<'_, Message>) -> bool {
    msg.get().memory.release(Gone::Released)
}

/// Return a DLPack capsule of the first version for an array that may be read-only.
#[pyfunction]
pub(crate) fn dlpack<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyAny>> {
    arrays::old_dlpack(array)
}

/// Remember an array that was made over a loan, so that it becomes read-only with the others.
#[pyfunction]
pub(crate) fn hand_out(msg: &Bound<'_, PyAny>, array: Bound<'_, PyAny>) {
    if let Ok(message) = msg.cast::<Message>()
        && arrays::is_array(array.py(), &array)
    {
        message.get().memory.record(array.unbind());
    }
}

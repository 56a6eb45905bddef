//! Errors of the bus as exceptions.

use iceway_bus::client::ClientError;
use iceway_bus::control::ErrorCode;
use iceway_bus::{BusError, LoanError, ReceiveError, SendError};
use pyo3::prelude::*;

use crate::errors::raise;

/// The exception for an error of the client core. `doing` is for timeouts: what did not happen in time.
pub(crate) fn client(py: Python<'_>, error: ClientError, doing: &str) -> PyErr {
    let text = error.to_string();
    let class = match error {
        ClientError::NoBroker { .. } | ClientError::Unresponsive { .. } => "NoBroker",
        ClientError::VersionMismatch { .. } => "VersionMismatch",
        ClientError::Refused { code, .. } => refused(code),
        ClientError::BrokerGone { .. } => {
            let hint =
                "start one (`iceway run`), and publish again: everything reconnects by itself";
            return raise(py, "BrokerGone", format!("{text}: {hint}"));
        }
        ClientError::Backpressure { .. } => "Backpressure",
        ClientError::Timeout => return raise(py, "Timeout", doing),
        ClientError::Closed => return closed(py, "the bus"),
        ClientError::Receive(error) => return receive(py, &error),
        ClientError::Loan(error) => return loan(py, &error),
        ClientError::Send(SendError::Forked) => "Forked",
        ClientError::Bus(error) => return bus(py, &error),
        _ => "Error",
    };
    raise(py, class, text)
}

/// An object that was closed.
pub(crate) fn closed(py: Python<'_>, what: &str) -> PyErr {
    raise(
        py,
        "Closed",
        format!("{what} was closed: make a new one, inside the `with iceway.connect()` block"),
    )
}

fn refused(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::VersionMismatch => "VersionMismatch",
        ErrorCode::UnknownTopic => "UnknownTopic",
        ErrorCode::UnknownType => "UnknownType",
        ErrorCode::TypeMismatch => "TypeMismatch",
        ErrorCode::InvalidName => "InvalidName",
        ErrorCode::Denied => "Denied",
        ErrorCode::NoRos => "NoRos",
        ErrorCode::NoMemory => "NoMemory",
        ErrorCode::Limit => "LimitReached",
        ErrorCode::BadRequest | ErrorCode::Internal => "Error",
    }
}

fn receive(py: Python<'_>, error: &ReceiveError) -> PyErr {
    match error {
        ReceiveError::BorrowLimit { held } => raise(
            py,
            "BorrowLimit",
            format!(
                "{held} messages of this subscription are alive, and no more can be borrowed from shared memory. \
                 Drop messages (and arrays of them) that are no longer needed, or give them back with \
                 iceway.release(msg); keep iceway.copy(msg) instead of msg where you collect them; or raise \
                 `borrowed` under [limits] in the broker's iceway.toml. What arrives meanwhile is not lost until \
                 the queue is full"
            ),
        ),
        ReceiveError::Forked => raise(py, "Forked", error.to_string()),
        ReceiveError::Unmapped => raise(py, "NoMemory", error.to_string()),
        _ => raise(py, "Error", error.to_string()),
    }
}

fn loan(py: Python<'_>, error: &LoanError) -> PyErr {
    let (class, hint) = match error {
        LoanError::TooLarge { .. } => ("TooLarge", " in the broker's iceway.toml"),
        LoanError::NoMemory { .. } => (
            "NoMemory",
            ": free some (`df -h /dev/shm`), or mount it larger; nothing was sent",
        ),
        LoanError::OutOfChunks { .. } => ("NoMemory", ", or let receivers hold fewer messages"),
        LoanError::Forked => ("Forked", ""),
        _ => ("Error", ""),
    };
    raise(py, class, format!("{error}{hint}"))
}

/// The exception for an error of nodes, channels and ports.
pub(crate) fn bus(py: Python<'_>, error: &BusError) -> PyErr {
    let class = match error {
        BusError::InvalidTopic(_) => "InvalidName",
        BusError::NoMemory { .. } | BusError::AddressSpace { .. } => "NoMemory",
        BusError::Limit { .. } => "LimitReached",
        BusError::TypeConflict { .. } => "TypeMismatch",
        BusError::Forked => "Forked",
        BusError::RootTooLong { .. } | BusError::UnusableRoot { .. } => "InvalidOption",
        _ => "Error",
    };
    raise(py, class, error.to_string())
}

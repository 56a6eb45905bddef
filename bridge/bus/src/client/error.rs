//! What can go wrong for a client.

use std::time::Duration;

use crate::control::{CodecError, ErrorBody, ErrorCode, Reply};
use crate::error::{BusError, LoanError, ReceiveError, SendError};

/// Errors of clients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody serves the domain.
    #[error(
        "no iceway broker serves domain {domain} (waited {waited_s} s at {socket}): start one with `iceway run --domain {domain}`"
    )]
    NoBroker {
        /// The domain.
        domain: u32,
        /// How long was waited.
        waited_s: f64,
        /// Where a broker would listen.
        socket: String,
    },
    /// A broker is there and does not answer.
    #[error("the broker of domain {domain} (process {pid}) did not answer within {waited_s} s")]
    Unresponsive {
        /// The domain.
        domain: u32,
        /// Its process id; 0 if unknown.
        pid: u32,
        /// How long was waited.
        waited_s: f64,
    },
    /// Versions differ.
    #[error("{message}")]
    VersionMismatch {
        /// Ours.
        client: String,
        /// The broker's.
        broker: String,
        /// In words.
        message: String,
    },
    /// The broker refused.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// The broker is gone, and no other came in time.
    #[error("the broker is gone{}", if *.delivered { " (the message reached AI processes, but not ROS)" } else { "" })]
    BrokerGone {
        /// Publishing: true if the frame went out to other AI processes.
        delivered: bool,
    },
    /// ROS does not take the frames as fast as they are sent.
    #[error(
        "{unacknowledged} messages have not been taken by ROS yet{}: publish slower, or with a longer timeout",
        if *.delivered { " (this one reached AI processes, and is queued for ROS)" } else { "; this one was not sent" }
    )]
    Backpressure {
        /// Frames that the broker has not acknowledged.
        unacknowledged: u64,
        /// True if the frame went out, false if it was refused.
        delivered: bool,
    },
    /// Time is up.
    #[error("nothing came in time")]
    Timeout,
    /// The interrupt function said so.
    #[error("interrupted")]
    Interrupted,
    /// The client was closed.
    #[error("the connection was closed")]
    Closed,
    /// The broker speaks nonsense.
    #[error("the broker's answer makes no sense: {0}")]
    Protocol(String),
    /// Receiving failed.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// There was no memory for the message.
    #[error(transparent)]
    Loan(#[from] LoanError),
    /// Sending failed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Creating something failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl ClientError {
    /// An answer to another question.
    pub(crate) fn unexpected(reply: &Reply) -> Self {
        let mut text = format!("{reply:?}");
        if let Some((cut, _)) = text.char_indices().nth(200) {
            text.truncate(cut);
        }
        Self::Protocol(text)
    }

    pub(crate) fn after_waiting(self, waited: Duration) -> Self {
        match self {
            Self::NoBroker { domain, socket, .. } => Self::NoBroker {
                domain,
                socket,
                waited_s: waited.as_secs_f64(),
            },
            Self::Unresponsive { domain, pid, .. } => Self::Unresponsive {
                domain,
                pid,
                waited_s: waited.as_secs_f64(),
            },
            other => other,
        }
    }
}

impl From<ErrorBody> for ClientError {
    fn from(error: ErrorBody) -> Self {
        match error.code {
            ErrorCode::VersionMismatch => Self::VersionMismatch {
                client: crate::VERSION.to_owned(),
                broker: error.broker_version.unwrap_or_default(),
                message: error.message,
            },
            code => Self::Refused {
                code,
                message: error.message,
            },
        }
    }
}

impl From<CodecError> for ClientError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::TooLong { .. } => Self::Protocol(error.to_string()),
            CodecError::Closed | CodecError::Io(_) => Self::BrokerGone { delivered: false },
        }
    }
}

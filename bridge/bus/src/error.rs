//! What can go wrong on the bus, with the numbers that explain it.

use std::io;
use std::path::PathBuf;

use crate::topic::TopicNameError;

/// Errors of nodes, channels and ports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The folder's path is too long for the sockets in it.
    #[error(
        "the path {path} has {len} characters; at most {max} are possible, since sockets lie in it: choose a shorter root (ICEWAY_ROOT)"
    )]
    RootTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        len: usize,
        /// The longest possible.
        max: usize,
    },
    /// The folder cannot be trusted or used.
    #[error("the folder {path} cannot be used: {reason}")]
    UnusableRoot {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An operating-system error.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// The error.
        source: io::Error,
    },
    /// /dev/shm has not enough space.
    #[error("no shared memory for {what}: {need} bytes are needed, {free} are free in /dev/shm")]
    NoMemory {
        /// What was to be created.
        what: &'static str,
        /// Bytes needed, margin included.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// The topic name is not valid.
    #[error(transparent)]
    InvalidTopic(#[from] TopicNameError),
    /// A limit is out of its range.
    #[error("the limit {name} = {value} is out of range: {min} to {max}")]
    InvalidLimits {
        /// The option.
        name: &'static str,
        /// Its value.
        value: u64,
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
    },
    /// Too many ports or processes on one channel.
    #[error("{topic} has all of its {max} {what}: raise the broker's limit `{option}`")]
    Limit {
        /// The channel's topic.
        topic: String,
        /// What there are too many of.
        what: &'static str,
        /// How many are possible.
        max: usize,
        /// The option of [`crate::Limits`].
        option: &'static str,
    },
    /// The channel does not exist.
    #[error("there is no channel for {topic}")]
    NoChannel {
        /// The topic.
        topic: String,
    },
    /// The channel exists with another type.
    #[error(
        "{topic} is in use with type {existing} {existing_hash}, not {requested} {requested_hash}"
    )]
    TypeConflict {
        /// The topic.
        topic: String,
        /// Its type.
        existing: String,
        /// Its type's hash.
        existing_hash: String,
        /// The requested type.
        requested: String,
        /// Its hash.
        requested_hash: String,
    },
    /// A segment of another process does not fit into this process's address space.
    #[error(
        "the shared memory of a writer on {topic} cannot be mapped: raise this process's limit on address space (`ulimit -v`), or lower the broker's `port_virtual_bytes`"
    )]
    AddressSpace {
        /// The topic.
        topic: String,
    },
    /// The object was created before a fork, in the parent process.
    #[error("this object belongs to the parent process of a fork: open it in this process")]
    Forked,
    /// iceoryx2 refused.
    #[error("{doing} failed: iceoryx2 says {detail}")]
    Iceoryx {
        /// What was tried.
        doing: &'static str,
        /// The error, as iceoryx2 names it.
        detail: String,
    },
}

impl BusError {
    pub(crate) fn io(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            doing: doing.into(),
            source: source.into(),
        }
    }

    pub(crate) fn iceoryx(doing: &'static str, detail: impl std::fmt::Debug) -> Self {
        Self::Iceoryx {
            doing,
            detail: format!("{detail:?}"),
        }
    }
}

/// Why there is no loan. Count it with [`crate::Publisher::count_dropped`] when the frame is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoanError {
    /// The message is larger than the channel's chunks.
    #[error("the message has {need} bytes, the channel takes {max}: raise `max_message_bytes`")]
    TooLarge {
        /// Bytes of the message.
        need: u64,
        /// Bytes that fit.
        max: u64,
    },
    /// /dev/shm has not enough space.
    #[error("/dev/shm is full: {need} bytes are needed, {free} are free")]
    NoMemory {
        /// Bytes needed, margin included.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// Every chunk of the port is held or queued somewhere.
    #[error("all {chunks} chunks of this port are held by receivers: raise `port_virtual_bytes`")]
    OutOfChunks {
        /// Chunks of the port.
        chunks: usize,
    },
    /// The publisher was created before a fork, in the parent process.
    #[error(
        "this publisher belongs to the parent process of a fork: advertise again in this process"
    )]
    Forked,
    /// iceoryx2 refused.
    #[error("a loan failed: iceoryx2 says {0}")]
    Iceoryx(String),
}

/// Why a frame was not sent, or not to everyone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The publisher was created before a fork, in the parent process.
    #[error(
        "this publisher belongs to the parent process of a fork: advertise again in this process"
    )]
    Forked,
    /// iceoryx2 refused.
    #[error("sending failed: iceoryx2 says {0}")]
    Iceoryx(String),
}

/// Why nothing could be received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The process holds as many frames of this subscription as the channel allows.
    #[error(
        "{held} frames are still held, and no more can be borrowed: release some, or copy what is to be kept"
    )]
    BorrowLimit {
        /// Frames of this subscriber that are alive.
        held: usize,
    },
    /// A writer's segment could not be mapped; its frames do not arrive.
    #[error(
        "the shared memory of a writer cannot be mapped: raise this process's limit on address space (`ulimit -v`), or lower the broker's `port_virtual_bytes`"
    )]
    Unmapped,
    /// The subscriber was created before a fork, in the parent process.
    #[error(
        "this subscriber belongs to the parent process of a fork: subscribe again in this process"
    )]
    Forked,
    /// iceoryx2 refused.
    #[error("receiving failed: iceoryx2 says {0}")]
    Iceoryx(String),
}

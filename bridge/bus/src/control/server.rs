//! The broker's side of the socket. The broker owns the threads.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::codec::{CodecError, LineReader, MAX_REQUEST_BYTES, encode_line};
use super::messages::{ErrorBody, ErrorCode, Event, Outcome, Reply, Request, Response};
use crate::error::BusError;
use crate::fork;
use crate::lock::BrokerLock;

/// How long a client may take to read an answer before its connection is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// The broker's socket. Removed on drop.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    process: u32,
}

impl Listener {
    /// Binds the socket of the domain that `lock` is for; the socket of a dead broker is replaced.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(lock: &BrokerLock) -> Result<Self, BusError> {
        let path = lock.domain().broker_sock();
        let failed = |e| BusError::io(format!("listening on {}", path.display()), e);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // The folder lets nobody else in, whatever the socket's own mode.
        let socket = UnixListener::bind(&path).map_err(failed)?;
        Ok(Self {
            socket,
            path,
            process: fork::process(),
        })
    }

    /// Waits for the next client.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the listener was made non-blocking.
    pub fn accept(&self) -> io::Result<Connection> {
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => return Connection::new(stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether [`Listener::accept`] waits.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.process == fork::process() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What came from a client.
#[derive(Debug)]
pub enum Incoming {
    /// A request.
    Request(Request),
    /// A line that is no request; answer with `error` and go on.
    Malformed {
        /// The line's `id`, if it has one, else 0.
        id: u64,
        /// What to answer.
        error: ErrorBody,
    },
    /// The client is gone, or cannot be talked to: its lease ends.
    Closed {
        /// Why, for the log.
        reason: String,
    },
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    reader: LineReader,
    stream: UnixStream,
    writer: ResponseWriter,
}

impl Connection {
    fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let writer = ResponseWriter {
            stream: Arc::new(Mutex::new(stream.try_clone()?)),
        };
        Ok(Self {
            reader: LineReader::new(MAX_REQUEST_BYTES),
            stream,
            writer,
        })
    }

    /// Waits for the next line.
    pub fn read_request(&mut self) -> Incoming {
        match self.reader.read_line(&mut self.stream) {
            Ok(Some(line)) => parse(&line),
            Ok(None) => Incoming::Closed {
                reason: "a read timed out".to_owned(),
            },
            Err(error) => Incoming::Closed {
                reason: error.to_string(),
            },
        }
    }

    /// The writing half, for use from other threads.
    #[must_use]
    pub fn writer(&self) -> ResponseWriter {
        self.writer.clone()
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`CodecError`] if the client is gone or does not read.
    pub fn write_response(
        &self,
        id: u64,
        outcome: Result<Reply, ErrorBody>,
    ) -> Result<(), CodecError> {
        self.writer.write_response(id, outcome)
    }

    /// The client's process id, user id, as the kernel knows them.
    #[must_use]
    pub fn peer(&self) -> Option<(u32, u32)> {
        let credentials = rustix::net::sockopt::socket_peercred(&self.stream).ok()?;
        Some((
            credentials.pid.as_raw_nonzero().get().unsigned_abs(),
            credentials.uid.as_raw(),
        ))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Writes whole lines to a client, from any thread.
#[derive(Clone, Debug)]
pub struct ResponseWriter {
    stream: Arc<Mutex<UnixStream>>,
}

impl ResponseWriter {
    /// Answers a request.
    ///
    /// # Errors
    /// [`CodecError`] if the client is gone or does not read.
    pub fn write_response(
        &self,
        id: u64,
        outcome: Result<Reply, ErrorBody>,
    ) -> Result<(), CodecError> {
        let outcome = match outcome {
            Ok(reply) => Outcome::Ok(reply),
            Err(error) => Outcome::Error(error),
        };
        self.write(&encode_line(&Response { id, outcome }))
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`CodecError`] if the client is gone or does not read.
    pub fn write_event(&self, event: &Event) -> Result<(), CodecError> {
        self.write(&encode_line(event))
    }

    /// Ends the connection; the thread in [`Connection::read_request`] sees [`Incoming::Closed`].
    pub fn shutdown(&self) {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }

    fn write(&self, line: &[u8]) -> Result<(), CodecError> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(line).map_err(|error| {
            // Half a line cannot be taken back.
            let _ = stream.shutdown(std::net::Shutdown::Both);
            match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CodecError::Closed,
                _ => CodecError::Io(error),
            }
        })
    }
}

fn parse(line: &[u8]) -> Incoming {
    #[derive(serde::Deserialize)]
    struct Id {
        #[serde(default)]
        id: u64,
    }
    match serde_json::from_slice(line) {
        Ok(request) => Incoming::Request(request),
        Err(error) => {
            let id = serde_json::from_slice::<Id>(line).map_or(0, |found| found.id);
            let message = format!(
                "this is no request of protocol {}: {error}",
                super::PROTOCOL
            );
            Incoming::Malformed {
                id,
                error: ErrorBody::new(ErrorCode::BadRequest, message),
            }
        }
    }
}

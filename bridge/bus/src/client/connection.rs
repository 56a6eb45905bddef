//! Finding a broker, shaking hands, and asking it one thing at a time.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::error::ClientError;
use super::{Interrupt, Notice};
use crate::control::{
    Hello, HelloReply, LineReader, MAX_REPLY_BYTES, Op, Outcome, PROTOCOL, Reply, Request,
    Response, ServerMessage, encode_line,
};
use crate::domain::Domain;
use crate::event::{next_slice, poll_readable};
use crate::lock::BrokerLock;

/// How often a broker is looked for.
pub(super) const RETRY: Duration = Duration::from_millis(100);
/// How long a write to the broker may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection on which one request at a time is made, until the client's thread takes it over.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    pub(super) reader: LineReader,
    pub(super) next_id: u64,
    pub(super) notices: Vec<Notice>,
}

impl Connection {
    /// Waits until there is a broker and it answered our hello.
    pub(super) fn wait_for_broker(
        domain: &Domain,
        name: &str,
        participant: u64,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<(Self, HelloReply), ClientError> {
        loop {
            match Self::open(domain, name, participant, deadline, interrupt) {
                Ok(found) => return Ok(found),
                // Not there, or dying.
                Err(ClientError::NoBroker { .. } | ClientError::BrokerGone { .. }) => {}
                Err(error) => return Err(error),
            }
            if interrupt() {
                return Err(ClientError::Interrupted);
            }
            match next_slice(Some(deadline), RETRY) {
                Some(slice) => std::thread::sleep(slice),
                None => return Err(no_broker(domain)),
            }
        }
    }

    /// Connects once.
    pub(super) fn open(
        domain: &Domain,
        name: &str,
        participant: u64,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<(Self, HelloReply), ClientError> {
        let stream = UnixStream::connect(domain.broker_sock()).map_err(|_| no_broker(domain))?;
        let prepared = stream
            .set_write_timeout(Some(WRITE_TIMEOUT))
            .and_then(|()| stream.set_nonblocking(false));
        prepared.map_err(|_| no_broker(domain))?;
        let mut connection = Self {
            stream,
            reader: LineReader::new(MAX_REPLY_BYTES),
            next_id: 1,
            notices: Vec::new(),
        };
        let hello = Hello {
            protocol: PROTOCOL,
            version: crate::VERSION.to_owned(),
            iceoryx2: crate::ICEORYX2_VERSION.to_owned(),
            pid: std::process::id(),
            name: name.to_owned(),
            participant,
        };
        match connection.ask(Op::Hello(hello), deadline, interrupt) {
            Ok(Reply::Hello(reply)) => {
                check_versions(&reply)?;
                Ok((connection, reply))
            }
            Ok(other) => Err(ClientError::unexpected(&other)),
            Err(ClientError::Timeout) => {
                let holder = BrokerLock::holder(domain).flatten();
                let pid = holder.map_or(0, |info| info.pid);
                Err(ClientError::Unresponsive {
                    domain: domain.id(),
                    pid,
                    waited_s: 0.0,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a request and waits for its answer.
    pub(super) fn ask(
        &mut self,
        op: Op,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<Reply, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let line = encode_line(&Request { id, op });
        self.stream
            .write_all(&line)
            .map_err(|_| ClientError::BrokerGone { delivered: false })?;
        loop {
            while let Some(line) = self.reader.buffered_line()? {
                match parse(line)? {
                    ServerMessage::Response(Response {
                        id: answered,
                        outcome,
                    }) if answered == id => {
                        return match outcome {
                            Outcome::Ok(reply) => Ok(reply),
                            Outcome::Error(error) => Err(error.into()),
                        };
                    }
                    ServerMessage::Response(_) => {}
                    ServerMessage::Event(event) => self.notices.extend(Notice::of(event)),
                }
            }
            if interrupt() {
                return Err(ClientError::Interrupted);
            }
            let slice = next_slice(Some(deadline), RETRY).ok_or(ClientError::Timeout)?;
            let fd = std::os::fd::AsFd::as_fd(&self.stream);
            if matches!(poll_readable([fd], Some(slice)), Ok([true])) {
                self.reader.read_from(&mut &self.stream)?;
            }
        }
    }
}

/// A line from the broker.
pub(super) fn parse(line: &[u8]) -> Result<ServerMessage, ClientError> {
    serde_json::from_slice(line).map_err(|error| ClientError::Protocol(error.to_string()))
}

fn no_broker(domain: &Domain) -> ClientError {
    let socket = domain.broker_sock().display().to_string();
    ClientError::NoBroker {
        domain: domain.id(),
        waited_s: 0.0,
        socket,
    }
}

fn check_versions(broker: &HelloReply) -> Result<(), ClientError> {
    if broker.protocol == PROTOCOL && broker.iceoryx2 == crate::ICEORYX2_VERSION {
        return Ok(());
    }
    Err(ClientError::VersionMismatch {
        client: crate::VERSION.to_owned(),
        broker: broker.version.clone(),
        message: format!(
            "this is iceway {} (protocol {PROTOCOL}, iceoryx2 {}), the broker is iceway {} (protocol {}, iceoryx2 {}): install the same version on both sides",
            crate::VERSION,
            crate::ICEORYX2_VERSION,
            broker.version,
            broker.protocol,
            broker.iceoryx2,
        ),
    })
}

/// Ends the connection for all who use it.
pub(super) fn shut_down(stream: &UnixStream) {
    let result: io::Result<()> = stream.shutdown(std::net::Shutdown::Both);
    drop(result); // it may be closed already
}

//! The client's thread.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Notice;
use super::connection::{Connection, RETRY, parse};
use super::core::{ClientCore, Phase};
use super::error::ClientError;
use super::registered::Registered;
use crate::control::{
    ErrorCode, Event, LineReader, Op, Outcome, Response, ServerMessage, Severity,
};
use crate::event::{Listener, poll_readable};

/// How often idle memory is given back.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);
/// How often ports that a broker refused are declared again.
const RETRY_REFUSED: Duration = Duration::from_secs(1);
/// How long a new broker may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Housekeeping {
    core: Arc<ClientCore>,
    announcements: Listener,
    /// The reading half of the connection; `None` while there is no broker.
    reading: Option<(UnixStream, LineReader)>,
    next_trim: Instant,
    next_attempt: Instant,
    /// Requests of this thread under way.
    retries: HashMap<u64, Retry>,
}

/// A port that the broker refused before is declared again.
#[derive(Debug)]
enum Retry {
    Declaring(Arc<Registered>),
    Ready(Arc<Registered>),
}

impl Retry {
    fn registered(&self) -> &Arc<Registered> {
        match self {
            Self::Declaring(registered) | Self::Ready(registered) => registered,
        }
    }
}

impl Housekeeping {
    pub(super) fn new(
        core: Arc<ClientCore>,
        announcements: Listener,
        reading: (UnixStream, LineReader),
    ) -> Self {
        let now = Instant::now();
        Self {
            core,
            announcements,
            reading: Some(reading),
            next_trim: now + TRIM_INTERVAL,
            next_attempt: now,
            retries: HashMap::new(),
        }
    }

    /// Runs until the client is closed.
    pub(super) fn run(mut self) {
        while self.core.phase() != Phase::Closed {
            let (announced, readable) = self.wait();
            self.core.woken();
            if announced {
                self.announcements.drain();
                self.core
                    .registered()
                    .iter()
                    .for_each(|registered| registered.port().update_connections());
            }
            if readable {
                self.read();
            }
            let now = Instant::now();
            if now >= self.next_trim {
                self.next_trim = now + TRIM_INTERVAL;
                self.core
                    .registered()
                    .iter()
                    .for_each(|registered| registered.port().trim());
            }
            if now >= self.next_attempt {
                self.next_attempt = now + RETRY;
                self.look_for_broker();
            }
        }
    }

    /// Waits until there is something to do: (a writer announced itself, the broker said something).
    fn wait(&self) -> (bool, bool) {
        let mut until = self.next_trim;
        let generation = self.core.generation();
        let unserved = || {
            self.core
                .registered()
                .iter()
                .any(|r| r.is_unserved(generation))
        };
        if self.reading.is_none() || unserved() {
            until = until.min(self.next_attempt);
        }
        let timeout = Some(until.saturating_duration_since(Instant::now()));
        let (wake, announced) = (self.core.wake_fd(), self.announcements.as_fd());
        let polled = match &self.reading {
            Some((stream, _)) => poll_readable([wake, announced, stream.as_fd()], timeout),
            None => poll_readable([wake, announced], timeout).map(|[w, a]| [w, a, false]),
        };
        polled.map_or((false, false), |[_, announced, readable]| {
            (announced, readable)
        })
    }

    fn read(&mut self) {
        if let Err(error) = self.read_lines() {
            if self.core.phase() != Phase::Closed {
                tracing::warn!(%error, "lost the broker; looking for another");
            }
            self.reading = None;
            self.retries.clear();
            self.next_attempt = Instant::now();
            self.core.lost();
        }
    }

    fn read_lines(&mut self) -> Result<(), ClientError> {
        let Some((stream, reader)) = &mut self.reading else {
            return Ok(());
        };
        reader.read_from(stream)?;
        let mut messages = Vec::new();
        while let Some(line) = reader.buffered_line()? {
            messages.push(parse(line)?);
        }
        for message in messages {
            match message {
                ServerMessage::Response(response) => self.answered(response),
                ServerMessage::Event(event) => self.happened(event),
            }
        }
        Ok(())
    }

    /// If there is no broker: tries to reach one, once. If there is one: asks again for what it refused.
    fn look_for_broker(&mut self) {
        if self.reading.is_some() {
            self.retry_refused();
            return;
        }
        match self.reconnect() {
            Ok(reading) => {
                tracing::info!("found a broker again");
                self.reading = Some(reading);
            }
            Err(ClientError::NoBroker { .. } | ClientError::BrokerGone { .. }) => self.core.lost(),
            Err(error) => {
                if self.core.phase() != Phase::Closed {
                    tracing::warn!(%error, "a broker is there, but cannot be used");
                }
                self.next_attempt = Instant::now() + RETRY_REFUSED;
                self.core.lost();
            }
        }
    }

    fn reconnect(&self) -> Result<(UnixStream, LineReader), ClientError> {
        let core = &self.core;
        let mut closed = || core.phase() == Phase::Closed;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let domain = core.node().domain();
        let (mut connection, broker) =
            Connection::open(domain, core.name(), core.node().id(), deadline, &mut closed)?;
        core.note_connecting(&connection.stream, broker);
        let generation = core.generation() + 1; // only this thread makes connections
        let mut declared = Vec::new();
        // Ports may be registered meanwhile, on an older connection; the last look is empty.
        loop {
            let missing: Vec<_> = core
                .registered()
                .into_iter()
                .filter(|registered| !declared.iter().any(|done| Arc::ptr_eq(done, registered)))
                .collect();
            if missing.is_empty() {
                break;
            }
            for registered in missing {
                registered.redeclare(generation, |op| {
                    connection.ask(op, Instant::now() + ANSWER_TIMEOUT, &mut closed)
                })?;
                declared.push(registered);
            }
        }
        let reading = core.install(connection)?;
        core.announce();
        Ok(reading)
    }

    /// Asks again for what the broker refused; the answers come with all others.
    fn retry_refused(&mut self) {
        self.next_attempt = Instant::now() + RETRY_REFUSED;
        let generation = self.core.generation();
        for registered in self.core.registered() {
            let under_way = self
                .retries
                .values()
                .any(|retry| Arc::ptr_eq(retry.registered(), &registered));
            if registered.is_unserved(generation) && !under_way {
                self.tell(Retry::Declaring(registered));
            }
        }
    }

    fn tell(&mut self, retry: Retry) {
        let op = match &retry {
            Retry::Declaring(registered) => registered.declaration(),
            Retry::Ready(registered) => registered.ready(),
        };
        if let Some(id) = self.core.tell(op) {
            self.retries.insert(id, retry);
        }
    }

    fn answered(&mut self, response: Response) {
        let Some(retry) = self.retries.remove(&response.id) else {
            self.core.answered(response);
            return;
        };
        let registered = retry.registered().clone();
        let result = match response.outcome {
            Outcome::Ok(reply) if matches!(retry, Retry::Declaring(_)) => {
                registered.declared(reply, self.core.generation())
            }
            Outcome::Ok(reply) => {
                registered.served(&reply);
                return;
            }
            Outcome::Error(error) => Err(error.into()),
        };
        match result {
            Ok(()) => self.tell(Retry::Ready(registered)),
            Err(ClientError::Refused { code, message }) => registered.refused(code, message),
            Err(error) => registered.refused(ErrorCode::Internal, error.to_string()),
        }
    }

    fn happened(&mut self, event: Event) {
        if let Event::Connect { route, token } = event {
            for registered in self.core.registered() {
                if registered.route() == route {
                    registered.port().update_connections();
                }
            }
            self.core.tell(Op::Connected { route, token });
            return;
        }
        if let Event::RouteClosed {
            route,
            code,
            message,
        } = &event
        {
            for registered in self.core.registered() {
                if registered.route() == *route {
                    registered.refused(*code, message.clone());
                }
            }
        }
        if let Some(notice) = Notice::of(event) {
            let Notice {
                severity,
                topic,
                message,
            } = &notice;
            match severity {
                Severity::Info => tracing::info!(topic, "{message}"),
                Severity::Warning | Severity::Error => tracing::warn!(topic, "{message}"),
            }
            self.core.add_notices([notice]);
        }
    }
}

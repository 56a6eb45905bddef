//! The state that a client's users and its thread share.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::connection::{Connection, shut_down};
use super::error::ClientError;
use super::registered::Registered;
use super::{Interrupt, Notice, REQUEST_TIMEOUT};
use crate::control::{
    HelloReply, LineReader, Op, Outcome, Reply, Request, Response, RouteReply, encode_line,
};
use crate::error::BusError;
use crate::event::{Notifier, next_slice};
use crate::node::BusNode;

/// How often a waiting caller's interrupt function is asked.
const SLICE: Duration = Duration::from_millis(50);
/// Notices kept for the user.
const MAX_NOTICES: usize = 100;

/// Is there a broker?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Yes.
    Connected,
    /// Not since then.
    Gone(Instant),
    /// The client does not want one any more.
    Closed,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The writing half; also set while the thread declares everything again.
    stream: Option<UnixStream>,
    next_id: u64,
    /// Counts connections.
    generation: u64,
    /// Requests under way, and their answers.
    pending: HashMap<u64, Option<Result<Reply, ClientError>>>,
    broker: HelloReply,
    registered: Vec<Weak<Registered>>,
    notices: VecDeque<Notice>,
}

#[derive(Debug)]
pub(crate) struct ClientCore {
    node: BusNode,
    name: String,
    announcer: Notifier,
    wake: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
}

impl ClientCore {
    pub(super) fn new(
        node: BusNode,
        name: String,
        broker: HelloReply,
        announcer: Notifier,
        wake: OwnedFd,
    ) -> Self {
        let state = State {
            phase: Phase::Gone(Instant::now()),
            stream: None,
            next_id: 1,
            generation: 0,
            pending: HashMap::new(),
            broker,
            registered: Vec::new(),
            notices: VecDeque::new(),
        };
        Self {
            node,
            name,
            announcer,
            wake,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, time)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    pub(crate) fn node(&self) -> &BusNode {
        &self.node
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn announce(&self) {
        self.announcer.notify();
    }

    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    pub(super) fn is_connected(&self) -> bool {
        self.phase() == Phase::Connected
    }

    /// Changes with each new connection: what an older one granted is void.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    pub(super) fn broker(&self) -> HelloReply {
        self.lock().broker.clone()
    }

    pub(super) fn take_notices(&self) -> Vec<Notice> {
        self.lock().notices.drain(..).collect()
    }

    pub(super) fn add_notices(&self, notices: impl IntoIterator<Item = Notice>) {
        let mut state = self.lock();
        for notice in notices {
            if state.notices.len() >= MAX_NOTICES {
                state.notices.pop_front();
            }
            state.notices.push_back(notice);
        }
    }

    /// From now on the thread looks after the port; tells the broker that it exists.
    pub(super) fn register(
        &self,
        registered: &Arc<Registered>,
        interrupt: Interrupt<'_>,
    ) -> Result<(), ClientError> {
        // Before the thread knows the port, and may declare it to a new broker under another route.
        let declared_on = registered.generation();
        let mut state = self.lock();
        state.registered.retain(|weak| weak.strong_count() > 0);
        state.registered.push(Arc::downgrade(registered));
        drop(state);
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        match self.request_once(registered.ready(), deadline, interrupt) {
            Ok((reply, _)) => {
                registered.introduced(&reply);
                Ok(())
            }
            // Another broker by now, or none: the thread declares the port.
            Err(ClientError::BrokerGone { .. } | ClientError::Refused { .. })
                if self.generation() != declared_on || !self.is_connected() =>
            {
                self.wake();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for a route, and opens it with `open` (which gets the route, and the connection that granted it);
    /// does both again if the broker dies in between.
    pub(super) fn with_route<T>(
        &self,
        op: &Op,
        deadline: Instant,
        interrupt: Interrupt<'_>,
        open: impl Fn(&RouteReply, u64, Interrupt<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            let (route, generation) = match self.request(op, deadline, interrupt)? {
                (Reply::Route(route), generation) => (route, generation),
                (other, _) => return Err(ClientError::unexpected(&other)),
            };
            match open(&route, generation, interrupt) {
                // The channel went with its broker.
                Err(ClientError::Bus(BusError::NoChannel { .. }))
                    if Instant::now() < deadline
                        && (self.generation() != generation || !self.is_connected()) => {}
                result => return result,
            }
        }
    }

    pub(super) fn registered(&self) -> Vec<Arc<Registered>> {
        self.lock()
            .registered
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Opens `connection` to everyone, and returns its reading half for the thread. The caller has declared
    /// everything on it.
    pub(super) fn install(
        &self,
        connection: Connection,
    ) -> Result<(UnixStream, LineReader), BusError> {
        let Connection {
            stream,
            reader,
            next_id,
            notices,
        } = connection;
        let reading = stream
            .try_clone()
            .map_err(|e| BusError::io("duplicating a socket", e))?;
        self.add_notices(notices);
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            shut_down(&stream);
        } else {
            state.phase = Phase::Connected;
        }
        state.stream = Some(stream);
        state.next_id = next_id;
        state.generation += 1;
        drop(state);
        self.changed.notify_all();
        Ok((reading, reader))
    }

    /// Lets `close` reach a connection on which the thread is still declaring.
    pub(super) fn note_connecting(&self, stream: &UnixStream, broker: HelloReply) {
        let mut state = self.lock();
        state.broker = broker;
        state.stream = stream.try_clone().ok();
        if state.phase == Phase::Closed {
            shut_down(stream);
        }
    }

    /// The broker is gone.
    pub(super) fn lost(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Connected {
            state.phase = Phase::Gone(Instant::now());
        }
        if let Some(stream) = state.stream.take() {
            shut_down(&stream);
        }
        for answer in state.pending.values_mut() {
            answer.get_or_insert(Err(ClientError::BrokerGone { delivered: false }));
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        // First, so that the end of the connection is nothing to wonder about.
        self.lock().phase = Phase::Closed;
        self.lost();
        self.wake();
    }

    /// Lets the thread look around.
    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// The thread looks around.
    pub(super) fn woken(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// An answer came.
    pub(super) fn answered(&self, response: Response) {
        let mut state = self.lock();
        if let Some(answer) = state.pending.get_mut(&response.id) {
            *answer = Some(match response.outcome {
                Outcome::Ok(reply) => Ok(reply),
                Outcome::Error(error) => Err(error.into()),
            });
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Asks the broker, waiting for one until `deadline`; asks again if it dies before it answers. Returns the
    /// answer, and the connection on which it came.
    pub(super) fn request(
        &self,
        op: &Op,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<(Reply, u64), ClientError> {
        loop {
            match self.request_once(op.clone(), deadline, interrupt) {
                Err(ClientError::BrokerGone { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5)); // the thread sees the end by then
                }
                result => return result,
            }
        }
    }

    /// [`ClientCore::request`] for what makes sense on this connection only.
    pub(super) fn request_once(
        &self,
        op: Op,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<(Reply, u64), ClientError> {
        let gone = ClientError::BrokerGone { delivered: false };
        let mut state = self.wait_until_connected(deadline, interrupt)?;
        let id = state.next_id;
        state.next_id += 1;
        let generation = state.generation;
        let Some(stream) = &mut state.stream else {
            return Err(gone);
        };
        if stream.write_all(&encode_line(&Request { id, op })).is_err() {
            shut_down(stream); // the thread sees the end, and looks for a broker
            return Err(gone);
        }
        state.pending.insert(id, None);
        loop {
            if let Some(Some(_)) = state.pending.get(&id) {
                let answer = state.pending.remove(&id).flatten().unwrap_or(Err(gone));
                return answer.map(|reply| (reply, generation));
            }
            let slice = next_slice(Some(deadline), SLICE);
            drop(state);
            let stop = if interrupt() {
                Some(ClientError::Interrupted)
            } else {
                None
            };
            let stop = stop.or_else(|| slice.is_none().then_some(ClientError::Timeout));
            state = self.lock();
            if let Some(error) = stop {
                state.pending.remove(&id);
                return Err(error);
            }
            if let Some(None) = state.pending.get(&id) {
                state = self.wait(state, slice.unwrap_or(SLICE));
            }
        }
    }

    fn wait_until_connected(
        &self,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<MutexGuard<'_, State>, ClientError> {
        let mut state = self.lock();
        loop {
            match state.phase {
                Phase::Connected => return Ok(state),
                Phase::Closed => return Err(ClientError::Closed),
                Phase::Gone(_) => {}
            }
            drop(state);
            if interrupt() {
                return Err(ClientError::Interrupted);
            }
            let slice = next_slice(Some(deadline), SLICE)
                .ok_or(ClientError::BrokerGone { delivered: false })?;
            state = self.lock();
            if !matches!(state.phase, Phase::Connected | Phase::Closed) {
                state = self.wait(state, slice);
            }
        }
    }

    /// Waits until there is a broker again, at most until `timeout` after it went.
    pub(super) fn wait_for_return(
        &self,
        timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<(), ClientError> {
        let deadline = match self.phase() {
            Phase::Connected => return Ok(()),
            Phase::Closed => return Err(ClientError::Closed),
            Phase::Gone(since) => since + timeout,
        };
        self.wait_until_connected(deadline, interrupt).map(drop)
    }

    /// Tells the broker, and does not wait for its answer. Returns the request's id if there is a broker.
    pub(super) fn tell(&self, op: Op) -> Option<u64> {
        let mut state = self.lock();
        if state.phase != Phase::Connected {
            return None;
        }
        let id = state.next_id;
        state.next_id += 1;
        let stream = state.stream.as_mut()?;
        if stream.write_all(&encode_line(&Request { id, op })).is_err() {
            shut_down(stream);
            return None;
        }
        Some(id)
    }
}

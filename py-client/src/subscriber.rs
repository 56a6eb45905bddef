//! A subscription.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use iceway_bus::Frame;
use iceway_bus::client::ClientSubscriber;
use parking_lot::{Mutex, RwLock};
use pyo3::prelude::*;

use crate::bus_errors;
use crate::errors::raise;
use crate::memory::{Hold, Memory, Origin};
use crate::message::Message;
use crate::schema::Schema;
use crate::types::TypeInfo;
use crate::waiting::{optional_seconds, wait};

/// A subscription; `iceway.Subscription` is made of it.
#[pyclass(frozen, module = "iceway._iceway", name = "Subscriber")]
pub(crate) struct Subscriber {
    subscriber: RwLock<Option<Arc<ClientSubscriber>>>,
    closed: AtomicBool,
    info: Arc<TypeInfo>,
    topic: Arc<str>,
    depth_one: bool,
    /// A frame that [`Subscriber::poll`] found.
    pending: Mutex<Option<Frame>>,
    last: Mutex<Last>,
    /// Pending frames that a newer one replaced.
    replaced: AtomicU64,
}

/// The message that was handed out last, for [`Subscriber::latest`].
enum Last {
    /// Nobody has asked for it yet: it lives as long as its user keeps it.
    Seen(Weak<Memory>),
    Kept(Option<Py<Message>>),
}

impl Subscriber {
    pub(crate) fn new(subscriber: ClientSubscriber, info: Arc<TypeInfo>) -> Self {
        Self {
            topic: subscriber.info().topic.as_str().into(),
            depth_one: subscriber.subscriber().depth() == 1,
            subscriber: RwLock::new(Some(Arc::new(subscriber))),
            closed: AtomicBool::new(false),
            info,
            pending: Mutex::new(None),
            last: Mutex::new(Last::Seen(Weak::new())),
            replaced: AtomicU64::new(0),
        }
    }

    fn open(&self, py: Python<'_>) -> PyResult<Arc<ClientSubscriber>> {
        let subscriber = self.subscriber.read().clone();
        subscriber
            .ok_or_else(|| bus_errors::closed(py, &format!("the subscription to {}", self.topic)))
    }

    fn take_pending(&self) -> Option<Frame> {
        self.pending.lock().take()
    }

    /// The next frame without waiting. Notifications are taken only when there is nothing more, so that the
    /// descriptor stays readable as long as there is something.
    fn next(&self, py: Python<'_>, subscriber: &ClientSubscriber) -> PyResult<Option<Frame>> {
        let raise = |error| bus_errors::client(py, error, "");
        let pending = self.take_pending();
        if pending.is_some() && !self.depth_one {
            return Ok(pending);
        }
        let mut found = subscriber.try_recv().map_err(raise)?;
        if found.is_none() && pending.is_none() {
            subscriber.drain_events();
            found = subscriber.try_recv().map_err(raise)?;
        }
        if pending.is_some() && found.is_some() {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        Ok(found.or(pending))
    }

    fn message(&self, py: Python<'_>, frame: Frame) -> PyResult<Py<Message>> {
        let header = frame.header();
        let origin = Origin {
            topic: Arc::clone(&self.topic),
            // Only messages that the broker relays carry a middleware's times and gid.
            from_ros: header.gid != [0; 24] || header.received_ns != 0,
            header: header.into(),
            received: true,
            woken_ns: frame.woken_ns(),
        };
        let (start, len) = (frame.as_ptr(), frame.len());
        // SAFETY: a frame's bytes stay mapped and unchanged as long as it lives, and do not move with it.
        let hold = unsafe { Hold::new(start, len, false, frame) };
        let hold = hold.ok_or_else(|| raise(py, "MalformedMessage", "an empty frame"))?;
        self.deliver(py, Memory::new(hold, origin))
    }

    fn deliver(&self, py: Python<'_>, memory: Arc<Memory>) -> PyResult<Py<Message>> {
        let seen = Arc::downgrade(&memory);
        let message = Py::new(py, Message::root(memory, Arc::clone(&self.info)))?;
        let before = {
            let mut last = self.last.lock();
            let next = match &*last {
                Last::Seen(_) => Last::Seen(seen),
                Last::Kept(_) => Last::Kept(Some(message.clone_ref(py))),
            };
            std::mem::replace(&mut *last, next)
        };
        // Not under the lock: Python may run when an object ends.
        drop(before);
        Ok(message)
    }

    /// The message that was handed out last, unless it is gone.
    fn last(&self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        let seen = match &*self.last.lock() {
            Last::Seen(memory) => memory.upgrade(),
            Last::Kept(message) => {
                let kept = message.as_ref().filter(|m| m.get().memory.is_held());
                return Ok(kept.map(|message| message.clone_ref(py)));
            }
        };
        seen.filter(|memory| memory.is_held())
            .map(|memory| Py::new(py, Message::root(memory, Arc::clone(&self.info))))
            .transpose()
    }

    /// Keeps the last message from now on, and this one for now.
    fn keep(&self, py: Python<'_>, message: Option<&Py<Message>>) {
        let kept = Last::Kept(message.map(|message| message.clone_ref(py)));
        let before = std::mem::replace(&mut *self.last.lock(), kept);
        drop(before);
    }
}

#[pymethods]
impl Subscriber {
    #[getter]
    fn topic(&self) -> &str {
        &self.topic
    }

    #[getter]
    fn schema(&self) -> Schema {
        Schema {
            info: Arc::clone(&self.info),
        }
    }

    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The next message, or None.
    fn try_recv(&self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        let subscriber = self.open(py)?;
        self.next(py, &subscriber)?
            .map(|frame| self.message(py, frame))
            .transpose()
    }

    /// The next message, waiting for it.
    fn recv(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<Message>> {
        let subscriber = self.open(py)?;
        let limit = optional_seconds(py, "timeout", timeout)?;
        if let Some(frame) = self.next(py, &subscriber)? {
            return self.message(py, frame);
        }
        let doing = || match timeout {
            Some(timeout) => format!(
                "nothing arrived on {} within {timeout} s. `iceway topics` shows whether it is published, and \
                 bus.notices() what the broker found wrong, such as an incompatible QoS",
                self.topic
            ),
            None => String::new(),
        };
        let stop = || self.closed.load(Ordering::Acquire);
        let frame = wait(py, &doing(), stop, |interrupt| {
            subscriber.recv(limit, interrupt)
        })?;
        self.message(py, frame)
    }

    /// The newest message, skipping older ones: the last one again if there is no newer. From now on that is kept.
    fn latest(&self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        let subscriber = self.open(py)?;
        let pending = self.take_pending();
        let newest = subscriber
            .latest()
            .map_err(|error| bus_errors::client(py, error, ""))?;
        if pending.is_some() && newest.is_some() {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        let message = match newest.or(pending) {
            Some(frame) => Some(self.message(py, frame)?),
            None => self.last(py)?,
        };
        self.keep(py, message.as_ref());
        Ok(message)
    }

    /// Tell whether there is a message, without taking it.
    fn poll(&self, py: Python<'_>) -> PyResult<bool> {
        let subscriber = self.open(py)?;
        if self.pending.lock().is_some() {
            return Ok(true);
        }
        let Some(frame) = self.next(py, &subscriber)? else {
            return Ok(false);
        };
        let other = self.pending.lock().replace(frame);
        self.replaced
            .fetch_add(u64::from(other.is_some()), Ordering::Relaxed);
        Ok(true)
    }

    /// Readable while there may be a message.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.open(py).map(|subscriber| subscriber.fd())
    }

    /// Counters: received, delivered, overflow, stale, skipped, lost_before, writer_drops, malformed, borrow_limit,
    /// alive.
    fn stats(&self, py: Python<'_>) -> PyResult<[u64; 10]> {
        let subscriber = self.open(py)?;
        let stats = subscriber.stats();
        let replaced = self.replaced.load(Ordering::Relaxed);
        let waiting = u64::from(self.pending.lock().is_some());
        Ok([
            stats.port.received,
            stats.delivered.saturating_sub(replaced + waiting),
            stats.overflow + replaced,
            stats.stale,
            stats.skipped,
            stats.port.lost_before,
            stats.port.writer_drops,
            stats.port.malformed,
            stats.port.borrow_limit,
            subscriber.subscriber().held() as u64,
        ])
    }

    fn close(&self, py: Python<'_>) {
        self.closed.store(true, Ordering::Release);
        let subscriber = self.subscriber.write().take();
        let pending = self.pending.lock().take();
        self.keep(py, None);
        // It tells the broker.
        py.detach(|| drop((pending, subscriber)));
    }
}

//! Waking receivers.

use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iceoryx2::prelude::{FileDescriptorBased, Node};
use iceoryx2::service::builder::event::EventOpenError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::domain::service_name;
use crate::error::BusError;
use crate::fork::ForkGuard;
use crate::limits::Limits;
use crate::node::NodeCore;
use crate::service::Ipc;
use crate::umask;
use crate::wire::IoxEvent;

/// What an event port takes in /dev/shm at most.
const EVENT_PORT_BYTES: u64 = 64 << 10;
/// iceway knows one event: "look".
const MAX_EVENT_ID: usize = 7;

/// How long to wait for another process that is just creating or removing a service.
pub(crate) const FLUX: Duration = Duration::from_secs(2);

/// Opens the service whatever its limits, or creates it with ours: those of a service that live clients keep
/// open may differ from those of a new broker.
pub(crate) fn open_or_create(
    node: &Node<Ipc>,
    name: &str,
    limits: &Limits,
) -> Result<IoxEvent, BusError> {
    let name = service_name(name)?;
    let start = Instant::now();
    loop {
        let error = match node.service_builder(&name).event().open() {
            Ok(service) => return Ok(service),
            Err(EventOpenError::DoesNotExist) => {
                let created = node
                    .service_builder(&name)
                    .event()
                    .max_listeners(limits.subscribers.max(limits.nodes))
                    .max_notifiers(limits.publishers.max(limits.nodes))
                    .max_nodes(limits.nodes)
                    .event_id_max_value(MAX_EVENT_ID)
                    .create();
                match created {
                    Ok(service) => return Ok(service),
                    Err(error) => BusError::iceoryx("creating an event service", error),
                }
            }
            Err(error) => BusError::iceoryx("opening an event service", error),
        };
        if start.elapsed() > FLUX {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Wakes the listeners of a channel. Notify **after** sending.
#[derive(Debug)]
pub struct Notifier {
    port: ForkGuard<iceoryx2::port::notifier::Notifier<Ipc>>,
    _node: Arc<NodeCore>,
}

impl Notifier {
    pub(crate) fn new(node: &Arc<NodeCore>, service: &IoxEvent) -> Result<Self, BusError> {
        node.check_process()?;
        let port = service
            .notifier_builder()
            .create()
            .map_err(|e| BusError::iceoryx("creating a notifier", e))?;
        Ok(Self {
            port: ForkGuard::new(port),
            _node: node.clone(),
        })
    }

    /// Wakes everyone who listens (7 to 35 µs each, depending on how deep the core sleeps; 40 ns for nobody).
    /// A listener that cannot be woken is not an error: it will look when it wakes for another reason.
    pub fn notify(&self) {
        if self.port.is_own()
            && let Err(error) = self.port.notify()
        {
            tracing::debug!(?error, "a notification did not reach every listener");
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There was a notification.
    Notified,
    /// Time is up.
    TimedOut,
    /// A signal arrived; look whether it means to stop.
    Interrupted,
}

/// Hears the notifications of a channel; many notifications may arrive as one.
#[derive(Debug)]
pub struct Listener {
    port: ForkGuard<iceoryx2::port::listener::Listener<Ipc>>,
    _node: Arc<NodeCore>,
}

impl Listener {
    pub(crate) fn new(node: &Arc<NodeCore>, service: &IoxEvent) -> Result<Self, BusError> {
        node.check_process()?;
        node.space().require_for("a listener", EVENT_PORT_BYTES)?;
        let port = umask::isolated(|| service.listener_builder().create())
            .map_err(|e| BusError::io("starting a thread", e))?
            .map_err(|e| BusError::iceoryx("creating a listener", e))?;
        Ok(Self {
            port: ForkGuard::new(port),
            _node: node.clone(),
        })
    }

    /// The file descriptor, for epoll, asyncio and the like: readable when there are notifications. Then call
    /// [`Listener::drain`], then receive until there is nothing more. Do not read it.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        use std::os::fd::AsRawFd;
        self.as_fd().as_raw_fd()
    }

    /// Takes all notifications without waiting; true if there was one.
    pub fn drain(&self) -> bool {
        self.port.is_own() && self.port.try_wait(|_| {}).is_ok_and(|count| count > 0)
    }

    /// Waits for a notification and takes it. Returns early when a signal arrives.
    pub fn wait(&self, timeout: Option<Duration>) -> Wake {
        let wake = self.wait_readable(timeout);
        if wake == Wake::Notified {
            self.drain();
        }
        wake
    }

    /// Waits for a notification and leaves it to the next call: taking it costs some µs, which the look that follows need not wait for.
    /// Notifications that are there already are taken, and end the wait at once. Look after each call.
    pub fn wait_then_look(&self, timeout: Option<Duration>) -> Wake {
        if self.drain() {
            return Wake::Notified;
        }
        self.wait_readable(timeout)
    }

    fn wait_readable(&self, timeout: Option<Duration>) -> Wake {
        if !self.port.is_own() {
            return Wake::TimedOut;
        }
        match poll_readable([self.as_fd()], timeout) {
            Ok([true]) => Wake::Notified,
            Ok([false]) => Wake::TimedOut,
            Err(_) => Wake::Interrupted,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.port)
    }
}

#[allow(unsafe_code)]
fn borrow(port: &iceoryx2::port::listener::Listener<Ipc>) -> BorrowedFd<'_> {
    // SAFETY: the descriptor is open as long as the port, which is borrowed for the result's lifetime; it is
    // not closed, and its flags stay as they are.
    unsafe { BorrowedFd::borrow_raw(port.file_descriptor().native_handle()) }
}

/// Which of the descriptors are readable (or at their end) within `timeout`; an error for EINTR.
pub(crate) fn poll_readable<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> Result<[bool; N], Errno> {
    let mut polled = fds.each_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    poll(&mut polled, timeout.as_ref())?;
    Ok(polled.each_ref().map(|fd| !fd.revents().is_empty()))
}

/// What is left until `deadline`, cut into slices of at most `slice`; `None` if the time is up.
pub(crate) fn next_slice(deadline: Option<Instant>, slice: Duration) -> Option<Duration> {
    match deadline {
        None => Some(slice),
        Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => None,
            left => Some(left.min(slice)),
        },
    }
}

//! A client's subscription.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::core::Phase;
use super::error::ClientError;
use super::registered::{Port, Registered, Registration, RouteInfo};
use super::{Handle, Interrupt, REQUEST_TIMEOUT};
use crate::clock::{monotonic_ns, realtime_ns};
use crate::control::{Op, Qos, Role, RouteReply, WriterCounts};
use crate::error::ReceiveError;
use crate::event::{Listener, next_slice};
use crate::frame::Frame;
use crate::subscriber::{Subscriber, SubscriberOptions, SubscriberStats};
use crate::topic::TopicName;
use iceway_msg::frame::FrameFlags;

/// How often a waiting receiver's interrupt function is asked, if no signal comes.
const SLICE: Duration = Duration::from_millis(200);
/// Queue of a subscriber of a latched topic, at least: several retained frames come at once.
const LATCHED_QUEUE: usize = 16;

/// Options of [`super::Client::subscribe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// 1: always the newest frame. N: a queue of N frames per writer, oldest lost first.
    pub depth: usize,
    /// Skip frames that are older: since their source time, else since they were sent into shared memory.
    pub max_age: Option<Duration>,
    /// [`ClientSubscriber::recv`] looks for frames all the time instead of sleeping: it has them some 20 to 80 µs earlier, and takes a
    /// core while it waits.
    pub spin: bool,
    /// QoS of the ROS subscription, where it is not to follow the publishers'.
    pub qos: Option<Qos>,
    /// The type's definition, for a broker that has no ROS; where it has, it must be the same as ROS's.
    pub definition: Option<String>,
    /// How long to wait for the topic to appear.
    pub timeout: Duration,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            depth: 1,
            max_age: None,
            spin: false,
            qos: None,
            definition: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Counts of a client's subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientSubscriberStats {
    /// Frames handed out.
    pub delivered: u64,
    /// Frames lost because this process was not fast enough: its queue was full, or with depth 1 a newer one
    /// was there.
    pub overflow: u64,
    /// Frames skipped because of `max_age`.
    pub stale: u64,
    /// Frames skipped by [`ClientSubscriber::latest`].
    pub skipped: u64,
    /// Counts of the port.
    pub port: SubscriberStats,
}

#[derive(Debug)]
struct SubscriberPort(Subscriber);

impl Port for SubscriberPort {
    fn update_connections(&self) {
        self.0.update_connections();
    }

    fn granted(&self, _route: &RouteReply) {
        // To the new broker's writers, before it sends what it retains.
        self.0.update_connections();
    }

    fn introduced(&self, writers: &[WriterCounts]) {
        self.0.expect(writers);
    }

    fn role(&self) -> (Role, Option<u64>) {
        (Role::Subscriber, Some(self.0.receiver_id()))
    }
}

/// A subscription: frames of a topic, through restarts of the broker. Usable from all threads. Dropping it ends
/// the demand; frames in hand stay valid.
#[derive(Debug)]
pub struct ClientSubscriber {
    port: Arc<SubscriberPort>,
    listener: Listener,
    registered: Arc<Registered>,
    depth: usize,
    max_age_ns: Option<i64>,
    spin: bool,
    /// Latched topics with a depth above 1: frames put in order.
    ordered: Option<Mutex<VecDeque<Frame>>>,
    delivered: AtomicU64,
    overflow: AtomicU64,
    stale: AtomicU64,
    skipped: AtomicU64,
    handle: Arc<Handle>,
}

impl ClientSubscriber {
    pub(super) fn new(
        handle: &Arc<Handle>,
        topic: &str,
        type_name: Option<&str>,
        options: &SubscribeOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, ClientError> {
        let core = handle.core();
        let depth = options.depth.max(1);
        let timeout_ms = u64::try_from(options.timeout.as_millis()).unwrap_or(u64::MAX);
        let subscribe = |type_name: Option<String>| Op::Subscribe {
            topic: topic.to_string(),
            type_name,
            definition: options.definition.clone(),
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
            qos: options.qos.clone(),
            timeout_ms,
        };
        // The broker waits for the topic; its answer gets some more time.
        let deadline = Instant::now() + options.timeout + REQUEST_TIMEOUT;
        let request = subscribe(type_name.map(str::to_owned));
        core.with_route(
            &request,
            deadline,
            interrupt,
            |route, generation, interrupt| {
                let op = subscribe(Some(route.type_name.clone()));
                let declared = Registration { op, generation };
                Self::open(handle, route, declared, options, interrupt).inspect_err(|_| {
                    core.tell(Op::Unsubscribe { route: route.route });
                })
            },
        )
    }

    fn open(
        handle: &Arc<Handle>,
        reply: &RouteReply,
        declared: Registration,
        options: &SubscribeOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, ClientError> {
        let core = handle.core();
        let depth = options.depth.max(1);
        let topic =
            TopicName::new(&reply.topic).map_err(|e| ClientError::Protocol(e.to_string()))?;
        let channel = core.node().open_channel(&topic)?;
        let listener = channel.listener()?;
        let queue = if reply.latched {
            depth.max(LATCHED_QUEUE).max(reply.retained as usize)
        } else {
            depth
        };
        let subscriber = channel.subscriber(&SubscriberOptions {
            depth: queue,
            remember: queue.max(SubscriberOptions::default().remember),
        })?;
        let port = Arc::new(SubscriberPort(subscriber));
        let registered = Arc::new(Registered::new(reply, declared, port.clone()));
        core.register(&registered, interrupt)?;
        Ok(Self {
            port,
            listener,
            registered,
            depth,
            max_age_ns: options
                .max_age
                .map(|age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)),
            spin: options.spin,
            ordered: (reply.latched && depth > 1).then(Mutex::default),
            delivered: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            handle: handle.clone(),
        })
    }

    /// What the broker said of the topic.
    #[must_use]
    pub fn info(&self) -> &RouteInfo {
        self.registered.info()
    }

    /// The port.
    #[must_use]
    pub fn subscriber(&self) -> &Subscriber {
        &self.port.0
    }

    /// Readable when there may be a frame: then [`ClientSubscriber::drain_events`], then
    /// [`ClientSubscriber::try_recv`] until `None`.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.listener.fd()
    }

    /// Takes the notifications, so that the descriptor is readable again only for newer frames.
    pub fn drain_events(&self) {
        self.listener.drain();
    }

    /// The next frame (with depth 1: the newest), or `None`.
    ///
    /// # Errors
    /// [`ReceiveError`]; [`ClientError::Closed`].
    pub fn try_recv(&self) -> Result<Option<Frame>, ClientError> {
        self.handle.check_process()?;
        if self.handle.core().phase() == Phase::Closed {
            return Err(ClientError::Closed);
        }
        loop {
            let frame = match (&self.ordered, self.depth) {
                (_, 1) => self.newest(&self.overflow)?,
                (Some(ordered), _) => self.next_in_order(ordered)?,
                (None, _) => self.port.0.receive()?,
            };
            match frame {
                Some(frame) if self.is_stale(&frame) => {
                    self.stale.fetch_add(1, Relaxed);
                }
                Some(frame) => {
                    self.delivered.fetch_add(1, Relaxed);
                    return Ok(Some(frame));
                }
                None => return Ok(None),
            }
        }
    }

    /// The newest frame, or `None`; older ones are skipped and counted as `skipped`.
    ///
    /// # Errors
    /// As [`ClientSubscriber::try_recv`].
    pub fn latest(&self) -> Result<Option<Frame>, ClientError> {
        self.handle.check_process()?;
        if self.handle.core().phase() == Phase::Closed {
            return Err(ClientError::Closed);
        }
        let frame = self.newest(&self.skipped)?;
        let frame = frame.filter(|frame| {
            let stale = self.is_stale(frame);
            self.stale.fetch_add(u64::from(stale), Relaxed);
            !stale
        });
        self.delivered
            .fetch_add(u64::from(frame.is_some()), Relaxed);
        Ok(frame)
    }

    /// Waits for the next frame (with depth 1: the newest). While the broker is gone it goes on waiting.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Interrupted`], [`ClientError::Closed`], [`ReceiveError`]; or
    /// [`ClientError::Refused`] if a new broker does not serve the topic.
    pub fn recv(
        &self,
        timeout: Option<Duration>,
        interrupt: Interrupt<'_>,
    ) -> Result<Frame, ClientError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(frame) = self.try_recv()? {
                return Ok(frame);
            }
            self.registered.check()?;
            if interrupt() {
                return Err(ClientError::Interrupted);
            }
            let slice = next_slice(deadline, SLICE).ok_or(ClientError::Timeout)?;
            if !self.spin {
                self.listener.wait_then_look(Some(slice));
                continue;
            }
            self.listener.drain();
            if let Some(frame) = self.spin_for(slice)? {
                return Ok(frame);
            }
        }
    }

    /// Looks for a frame until there is one or the time is up.
    fn spin_for(&self, time: Duration) -> Result<Option<Frame>, ClientError> {
        let end = Instant::now() + time;
        loop {
            let frame = self.try_recv()?;
            if frame.is_some() || Instant::now() >= end {
                return Ok(frame);
            }
            std::hint::spin_loop();
        }
    }

    /// Receives all there is, and keeps the newest; the others are added to `count`.
    fn newest(&self, count: &AtomicU64) -> Result<Option<Frame>, ReceiveError> {
        let mut best: Option<Frame> = None;
        if let Some(ordered) = &self.ordered {
            let mut queue = ordered.lock().unwrap_or_else(PoisonError::into_inner);
            count.fetch_add(queue.len().saturating_sub(1) as u64, Relaxed);
            best = queue.drain(..).next_back();
        }
        loop {
            match self.port.0.receive() {
                Ok(Some(frame)) => {
                    if let Some(other) = &best {
                        count.fetch_add(1, Relaxed);
                        if rank(other) > rank(&frame) {
                            continue;
                        }
                    }
                    best = Some(frame);
                }
                Ok(None) => return Ok(best),
                // The one in hand may be what is too many: newer ones come next time.
                Err(ReceiveError::BorrowLimit { .. }) if best.is_some() => return Ok(best),
                Err(error) => return Err(error),
            }
        }
    }

    /// Retained frames come through another port than live ones, and have to be handed out before them.
    fn next_in_order(
        &self,
        ordered: &Mutex<VecDeque<Frame>>,
    ) -> Result<Option<Frame>, ReceiveError> {
        let mut queue = ordered.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_empty() {
            loop {
                match self.port.0.receive() {
                    Ok(Some(frame)) => queue.push_back(frame),
                    Ok(None) => break,
                    Err(ReceiveError::BorrowLimit { .. }) if !queue.is_empty() => break,
                    Err(error) => return Err(error),
                }
            }
            queue.make_contiguous().sort_by_key(rank);
        }
        Ok(queue.pop_front())
    }

    fn is_stale(&self, frame: &Frame) -> bool {
        let Some(max_age_ns) = self.max_age_ns else {
            return false;
        };
        let header = frame.header();
        let age_ns = match header.source_ns {
            0 => monotonic_ns() - header.sent_ns,
            source_ns => realtime_ns() - source_ns,
        };
        age_ns > max_age_ns
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> ClientSubscriberStats {
        let port = self.port.0.stats();
        ClientSubscriberStats {
            delivered: self.delivered.load(Relaxed),
            overflow: self.overflow.load(Relaxed) + port.overflow,
            stale: self.stale.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            port,
        }
    }
}

/// The order in which frames of several writers are handed out: retained ones first, then as they were sent.
fn rank(frame: &Frame) -> (bool, i64) {
    let header = frame.header();
    (
        !header.flags().contains(FrameFlags::RETAINED),
        header.sent_ns,
    )
}

impl Drop for ClientSubscriber {
    fn drop(&mut self) {
        if self.handle.check_process().is_ok() {
            self.handle.core().tell(Op::Unsubscribe {
                route: self.registered.route(),
            });
        }
    }
}

//! A client's publisher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::error::ClientError;
use super::registered::{Port, Registered, Registration, RouteInfo};
use super::{Handle, Interrupt};
use crate::ack::AckReader;
use crate::control::{Op, Qos, Role, RouteReply};
use crate::error::LoanError;
use crate::event::next_slice;
use crate::loan::{FilledLoan, Loan, Placement};
use crate::publisher::{Publisher, PublisherOptions};
use crate::topic::TopicName;

/// First and longest pause between looks for acknowledgements. There is nothing to wait on: waking the sender for
/// each one would cost more than these looks, and they happen only while ROS is behind.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// Options of [`super::Client::advertise`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertiseOptions {
    /// QoS of the ROS publisher.
    pub qos: Option<Qos>,
    /// The type's definition, for a broker that has no ROS; where it has, it must be the same as ROS's.
    pub definition: Option<String>,
    /// How long to wait for the broker.
    pub timeout: Duration,
    /// How long [`ClientPublisher::send`] waits for ROS, or for a broker.
    pub send_timeout: Duration,
}

impl Default for AdvertiseOptions {
    fn default() -> Self {
        Self {
            qos: None,
            definition: None,
            timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(1),
        }
    }
}

/// Counts of a client's publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublisherStats {
    /// Frames sent.
    pub sent: u64,
    /// Frames that could not be written (no memory, too large).
    pub dropped: u64,
    /// Frames that ended in [`ClientError::Backpressure`].
    pub backpressure: u64,
    /// Frames sent that the broker has not acknowledged, as far as known.
    pub unacknowledged: u64,
}

#[derive(Debug)]
struct PublisherPort {
    publisher: Publisher,
    acks: Option<AckReader>,
    /// The broker's queue; 0 if it does not acknowledge.
    buffer: AtomicU64,
}

impl PublisherPort {
    /// Frames that may be unacknowledged before sending is refused.
    fn most(&self) -> u64 {
        self.buffer.load(Relaxed).saturating_sub(1)
    }

    /// Frames that may be unacknowledged before sending waits.
    fn window(&self) -> u64 {
        self.buffer.load(Relaxed) * 3 / 4
    }
}

impl Port for PublisherPort {
    fn granted(&self, route: &RouteReply) {
        self.buffer.store(u64::from(route.ack_buffer), Relaxed);
    }

    fn redeclared(&self) {
        // The new broker never saw what was sent before.
        if let Some(acks) = &self.acks {
            acks.forgive(self.publisher.next_seq());
        }
    }

    fn trim(&self) {
        self.publisher.trim();
    }

    fn role(&self) -> (Role, Option<u64>) {
        (Role::Publisher, None)
    }
}

/// A writer of a topic, through restarts of the broker. Usable from all threads. Dropping it ends the
/// advertisement.
#[derive(Debug)]
pub struct ClientPublisher {
    port: Arc<PublisherPort>,
    registered: Arc<Registered>,
    send_timeout: Duration,
    sent: AtomicU64,
    dropped: AtomicU64,
    backpressure: AtomicU64,
    handle: Arc<Handle>,
}

impl ClientPublisher {
    pub(super) fn new(
        handle: &Arc<Handle>,
        topic: &str,
        type_name: &str,
        options: &AdvertiseOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, ClientError> {
        let core = handle.core();
        let op = Op::Advertise {
            topic: topic.to_string(),
            type_name: type_name.to_owned(),
            definition: options.definition.clone(),
            qos: options.qos.clone(),
        };
        let deadline = Instant::now() + options.timeout;
        core.with_route(&op, deadline, interrupt, |route, generation, interrupt| {
            let declared = Registration {
                op: op.clone(),
                generation,
            };
            Self::open(handle, route, declared, options.send_timeout, interrupt).inspect_err(|_| {
                core.tell(Op::Unadvertise { route: route.route });
            })
        })
    }

    fn open(
        handle: &Arc<Handle>,
        reply: &RouteReply,
        declared: Registration,
        send_timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, ClientError> {
        let core = handle.core();
        let topic =
            TopicName::new(&reply.topic).map_err(|e| ClientError::Protocol(e.to_string()))?;
        let channel = core.node().open_channel(&topic)?;
        let publisher = channel.publisher(&PublisherOptions::default())?;
        let buffer = u64::from(reply.ack_buffer);
        let acks = if buffer > 0 {
            Some(channel.ack_reader(&publisher)?)
        } else {
            None
        };
        let port = Arc::new(PublisherPort {
            publisher,
            acks,
            buffer: AtomicU64::new(buffer),
        });
        let registered = Arc::new(Registered::new(reply, declared, port.clone()));
        core.register(&registered, interrupt)?;
        core.announce();
        Ok(Self {
            port,
            registered,
            send_timeout,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            backpressure: AtomicU64::new(0),
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
    pub fn publisher(&self) -> &Publisher {
        &self.port.publisher
    }

    /// Borrows shared memory for a message of `cdr_len` bytes. A message that cannot be written is counted, and
    /// receivers see the gap.
    ///
    /// # Errors
    /// [`LoanError`]; [`ClientError::Closed`].
    pub fn loan(
        &self,
        cdr_len: usize,
        placement: impl Into<Placement>,
    ) -> Result<Loan, ClientError> {
        self.handle.check_process()?;
        if self.handle.core().phase() == super::core::Phase::Closed {
            return Err(ClientError::Closed);
        }
        self.port
            .publisher
            .loan(cdr_len, placement)
            .map_err(|error| {
                if error != LoanError::Forked {
                    self.dropped.fetch_add(1, Relaxed);
                    self.port.publisher.count_dropped();
                }
                error.into()
            })
    }

    /// Sends a frame, wakes its receivers, and returns their number (the broker included).
    ///
    /// The frame goes out to AI processes at once; then, if ROS is more than three quarters of the broker's
    /// queue behind, this waits for it, at most the publisher's `send_timeout`.
    ///
    /// # Errors
    /// [`ClientError::Backpressure`] if ROS stays behind, [`ClientError::BrokerGone`] if there is no broker: both
    /// say whether the frame went out. [`ClientError::Refused`] if a new broker does not serve the topic.
    pub fn send(&self, frame: FilledLoan, interrupt: Interrupt<'_>) -> Result<usize, ClientError> {
        self.send_within(frame, self.send_timeout, interrupt)
    }

    /// [`ClientPublisher::send`] with a timeout of its own.
    ///
    /// # Errors
    /// As [`ClientPublisher::send`].
    pub fn send_within(
        &self,
        frame: FilledLoan,
        timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<usize, ClientError> {
        self.handle.check_process()?;
        let deadline = Instant::now() + timeout;
        self.wait_for_ros(PublisherPort::most, false, timeout, deadline, interrupt)?;
        let receivers = frame.send_and_notify()?;
        self.sent.fetch_add(1, Relaxed);
        if !self.handle.core().is_connected() {
            match self.handle.core().wait_for_return(timeout, interrupt) {
                Err(ClientError::BrokerGone { .. }) => {
                    return Err(ClientError::BrokerGone { delivered: true });
                }
                other => other?,
            }
        }
        self.registered.check()?;
        self.wait_for_ros(PublisherPort::window, true, timeout, deadline, interrupt)?;
        Ok(receivers)
    }

    /// Whether more than `limit` frames are unacknowledged; looks for news only if it seems so.
    fn unacknowledged_over(&self, limit: u64) -> bool {
        let Some(acks) = self.port.acks.as_ref().filter(|_| limit > 0) else {
            return false;
        };
        let next_seq = self.port.publisher.next_seq();
        next_seq.saturating_sub(acks.known()) > limit
            && next_seq.saturating_sub(acks.poll()) > limit
    }

    fn wait_for_ros(
        &self,
        limit: fn(&PublisherPort) -> u64,
        delivered: bool,
        timeout: Duration,
        deadline: Instant,
        interrupt: Interrupt<'_>,
    ) -> Result<(), ClientError> {
        let mut pause = FIRST_PAUSE;
        while self.unacknowledged_over(limit(&self.port)) {
            match self.handle.core().wait_for_return(timeout, interrupt) {
                Err(ClientError::BrokerGone { .. }) => {
                    return Err(ClientError::BrokerGone { delivered });
                }
                other => other?,
            }
            if interrupt() {
                return Err(ClientError::Interrupted);
            }
            let Some(slice) = next_slice(Some(deadline), pause) else {
                self.backpressure.fetch_add(1, Relaxed);
                return Err(ClientError::Backpressure {
                    unacknowledged: self.unacknowledged(),
                    delivered,
                });
            };
            std::thread::sleep(slice);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    fn unacknowledged(&self) -> u64 {
        let next_seq = self.port.publisher.next_seq();
        self.port
            .acks
            .as_ref()
            .map_or(0, |acks| next_seq.saturating_sub(acks.known()))
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> PublisherStats {
        PublisherStats {
            sent: self.sent.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            backpressure: self.backpressure.load(Relaxed),
            unacknowledged: self.unacknowledged(),
        }
    }
}

impl Drop for ClientPublisher {
    fn drop(&mut self) {
        if self.handle.check_process().is_ok() {
            self.handle.core().tell(Op::Unadvertise {
                route: self.registered.route(),
            });
        }
    }
}

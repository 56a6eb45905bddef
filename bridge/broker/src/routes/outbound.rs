//! Shared memory → ROS: checks each frame of an AI process and publishes it straight from the mapped sample.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use iceway_bus::ack::Acker;
use iceway_bus::{Frame, Listener, Notifier, ReceiveError, Subscriber};
use iceway_msg::{Schema, validate};

use super::retained::Retained;
use crate::counters::Counters;
use crate::ros::RosPublisher;

/// How long a thread without work sleeps before it looks whether it was told to end.
const IDLE: Duration = Duration::from_millis(500);
/// How long the last messages may take to reach ROS subscribers when a route ends.
const LAST_ACKNOWLEDGED: Duration = Duration::from_secs(2);

/// The outbound half of a route: one thread that sleeps on the channel's listener.
pub(crate) struct Outbound {
    shared: Arc<Shared>,
    wake: Notifier,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    topic: Arc<str>,
    schema: Schema,
    subscriber: Subscriber,
    acks: Acker,
    ros: Option<Arc<RosPublisher>>,
    retained: Arc<OnceLock<Retained>>,
    counters: Arc<Counters>,
    stop: AtomicBool,
    malformed_headers: AtomicU64,
}

/// What an [`Outbound`] is made of.
pub(crate) struct Parts {
    pub(crate) topic: Arc<str>,
    pub(crate) schema: Schema,
    pub(crate) subscriber: Subscriber,
    pub(crate) listener: Listener,
    /// Wakes the thread for its end.
    pub(crate) wake: Notifier,
    pub(crate) acks: Acker,
    pub(crate) ros: Option<Arc<RosPublisher>>,
    pub(crate) retained: Arc<OnceLock<Retained>>,
    pub(crate) counters: Arc<Counters>,
}

impl Outbound {
    pub(crate) fn start(parts: Parts) -> std::io::Result<Self> {
        let Parts {
            topic,
            schema,
            subscriber,
            listener,
            wake,
            acks,
            ros,
            retained,
            counters,
        } = parts;
        let name = format!("to-ros{topic}").chars().take(15).collect();
        let shared = Arc::new(Shared {
            topic,
            schema,
            subscriber,
            acks,
            ros,
            retained,
            counters,
            stop: AtomicBool::new(false),
            malformed_headers: AtomicU64::new(0),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || worker.run(&listener))?;
        Ok(Self {
            shared,
            wake,
            thread: Some(thread),
        })
    }

    /// Connects to writers that came since, before their first frame.
    pub(crate) fn update_connections(&self) {
        self.shared.subscriber.update_connections();
    }

    /// The ROS side of the route.
    pub(crate) fn ros(&self) -> Option<&Arc<RosPublisher>> {
        self.shared.ros.as_ref()
    }
}

impl Drop for Outbound {
    /// Publishes what is still queued, then ends the thread.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake.notify();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(ros) = &self.shared.ros {
            ros.wait_for_all_acked(LAST_ACKNOWLEDGED);
        }
    }
}

impl Shared {
    fn run(&self, listener: &Listener) {
        while !self.stop.load(Ordering::Acquire) {
            listener.wait_then_look(Some(IDLE));
            self.drain();
        }
        self.drain();
    }

    fn drain(&self) {
        loop {
            match self.subscriber.receive() {
                Ok(Some(frame)) => {
                    // Whoever sees the message sees the counts of what was before it.
                    self.count();
                    self.publish(&frame);
                    self.acks.note(&frame);
                }
                Ok(None) => break,
                Err(ReceiveError::BorrowLimit { .. }) => {
                    unreachable!("this thread holds one frame at a time")
                }
                Err(error) => {
                    if self.counters.malformed.one_worth_telling() {
                        tracing::warn!(topic = %self.topic, %error, "a frame of an AI process could not be read");
                    }
                    break;
                }
            }
        }
        self.acks.flush();
        self.count();
    }

    /// Brings the counters up to what the port has seen.
    fn count(&self) {
        let stats = self.subscriber.stats();
        // Headers that make no sense are the port's to count; what they carry never gets as far as `publish`.
        let before = self
            .malformed_headers
            .swap(stats.malformed, Ordering::Relaxed);
        if stats.malformed > before {
            self.counters.malformed.add(stats.malformed - before);
            tracing::warn!(topic = %self.topic, frames = stats.malformed, "refused frames of an AI process that are no messages at all");
        }
        self.counters.overflow.set(stats.overflow);
        self.counters.writer_drops.set(stats.writer_drops);
    }

    fn publish(&self, frame: &Frame) {
        let cdr = frame.cdr();
        // No middleware checks serialized messages: malformed ones would vanish, or crash who takes them.
        if let Err(error) = validate(&self.schema, cdr) {
            if self.counters.malformed.one_worth_telling() {
                tracing::warn!(topic = %self.topic, writer = frame.header().origin, %error, "refused a malformed message of an AI process; ROS does not see it");
            }
            return;
        }
        if let Some(retained) = self.retained.get() {
            retained.keep(&frame.header(), cdr);
        }
        let Some(ros) = &self.ros else { return };
        match ros.publish(cdr) {
            Ok(()) => {
                self.counters.to_ros.add(1);
                self.counters.to_ros_bytes.add(cdr.len() as u64);
            }
            Err(error) => {
                if self.counters.middleware_error.one_worth_telling() {
                    tracing::warn!(topic = %self.topic, %error, "the middleware did not take a message");
                }
            }
        }
    }
}

//! Acknowledgements: how a sender knows that the broker handed its frames to ROS.
//!
//! A full queue overflows on a channel (receivers never block anyone), but frames for ROS must not vanish
//! silently. So the broker's queue is deep, and the broker publishes, per channel, a small table of what it has
//! taken from each writer port. A sender counts the frames that are not acknowledged yet (see
//! [`crate::client::ClientPublisher`]). The table is one sample with a queue of one: only the newest matters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use iceoryx2::service::builder::publish_subscribe::PublishSubscribeOpenError;

use crate::channel::ChannelCore;
use crate::domain::service_name;
use crate::error::BusError;
use crate::event::FLUX;
use crate::fork::ForkGuard;
use crate::frame::Frame;
use crate::service::Ipc;
use crate::wire::IoxAck;

/// Writer ports of a channel that can be acknowledged at the same time.
pub const MAX_ACK_PORTS: usize = 64;

/// What the acknowledgements of a channel take in /dev/shm at most.
const ACK_BYTES: u64 = 256 << 10;

/// What was taken from one writer port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AckEntry {
    /// The port's id, low half first; 0 = unused.
    port: [u64; 2],
    /// Every frame with a smaller sequence number was taken (or lost in the queue).
    next_seq: u64,
}

/// The table as it lies in shared memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckTable {
    entries: [AckEntry; MAX_ACK_PORTS],
}

const _: () = assert!(size_of::<AckTable>() == 24 * MAX_ACK_PORTS && align_of::<AckTable>() == 8);

fn halves(port: u128) -> [u64; 2] {
    [port as u64, (port >> 64) as u64]
}

impl AckTable {
    const EMPTY: Self = Self {
        entries: [AckEntry {
            port: [0; 2],
            next_seq: 0,
        }; MAX_ACK_PORTS],
    };

    fn find(&self, port: u128) -> Option<u64> {
        let port = halves(port);
        self.entries
            .iter()
            .find(|entry| entry.port == port)
            .map(|entry| entry.next_seq)
    }

    /// Notes that `port`'s frames before `next_seq` were taken; `alive` are the ports that still exist, asked
    /// when the table is full.
    fn note(&mut self, port: u128, next_seq: u64, alive: impl FnOnce() -> Vec<u128>) {
        let port = halves(port);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.port == port) {
            entry.next_seq = entry.next_seq.max(next_seq);
            return;
        }
        if !self.entries.iter().any(|entry| entry.port == [0; 2]) {
            let alive: Vec<_> = alive().into_iter().map(halves).collect();
            self.entries
                .iter_mut()
                .filter(|entry| !alive.contains(&entry.port))
                .for_each(|entry| {
                    *entry = AckEntry::default();
                });
        }
        if let Some(free) = self.entries.iter_mut().find(|entry| entry.port == [0; 2]) {
            *free = AckEntry { port, next_seq };
        }
    }
}

fn open(channel: &ChannelCore, create: bool) -> Result<IoxAck, BusError> {
    let node = &channel.node;
    node.check_process()?;
    node.space().require_for("acknowledgements", ACK_BYTES)?;
    let name = service_name(&node.domain().ack_name(&channel.topic))?;
    let start = Instant::now();
    loop {
        let iox = node.lock();
        let builder = || iox.service_builder(&name).publish_subscribe::<AckTable>();
        let error = match builder().enable_safe_overflow(true).open() {
            Ok(service) => return Ok(service),
            Err(PublishSubscribeOpenError::DoesNotExist) if create => {
                let created = builder()
                    .enable_safe_overflow(true)
                    .max_publishers(2)
                    .max_subscribers(MAX_ACK_PORTS)
                    .max_nodes(node.limits().nodes)
                    .subscriber_max_buffer_size(1)
                    .subscriber_max_borrowed_samples(2)
                    .history_size(0)
                    .create();
                match created {
                    Ok(service) => return Ok(service),
                    Err(error) => BusError::iceoryx("creating acknowledgements", error),
                }
            }
            Err(PublishSubscribeOpenError::DoesNotExist) => {
                return Err(BusError::NoChannel {
                    topic: channel.topic.to_string(),
                });
            }
            Err(error) => BusError::iceoryx("opening acknowledgements", error),
        };
        drop(iox);
        if start.elapsed() > FLUX {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The broker's side: tells senders what was taken.
#[derive(Debug)]
pub struct Acker {
    port: ForkGuard<iceoryx2::port::publisher::Publisher<Ipc, AckTable, ()>>,
    table: Mutex<AckTable>,
    channel: Arc<ChannelCore>,
    _service: ForkGuard<IoxAck>,
}

impl Acker {
    pub(crate) fn new(channel: &Arc<ChannelCore>) -> Result<Self, BusError> {
        let service = open(channel, true)?;
        let port = service
            .publisher_builder()
            .create()
            .map_err(|e| BusError::iceoryx("creating the publisher of acknowledgements", e))?;
        Ok(Self {
            port: ForkGuard::new(port),
            table: Mutex::new(AckTable::EMPTY),
            channel: channel.clone(),
            _service: ForkGuard::new(service),
        })
    }

    /// Notes that `frame` was taken: handed to ROS, or refused for a reason that is counted elsewhere. Frames of
    /// a port are taken in order, so this covers all earlier ones of its writer.
    pub fn note(&self, frame: &Frame) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.note(frame.writer_port(), frame.header().seq + 1, || {
            self.channel.writer_ports()
        });
    }

    /// Tells the senders what was noted. Once per batch is enough.
    pub fn flush(&self) {
        if !self.port.is_own() {
            return;
        }
        let table = *self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.port.send_copy(table) {
            tracing::debug!(?error, "acknowledgements were not sent");
        }
    }

    /// [`Acker::note`] and [`Acker::flush`].
    pub fn ack(&self, frame: &Frame) {
        self.note(frame);
        self.flush();
    }
}

/// A sender's side: knows what was taken of one writer port.
#[derive(Debug)]
pub struct AckReader {
    port: ForkGuard<iceoryx2::port::subscriber::Subscriber<Ipc, AckTable, ()>>,
    writer: u128,
    next_seq: AtomicU64,
    _channel: Arc<ChannelCore>,
    _service: ForkGuard<IoxAck>,
}

impl AckReader {
    pub(crate) fn new(channel: &Arc<ChannelCore>, writer: u128) -> Result<Self, BusError> {
        let service = open(channel, false)?;
        let port = service
            .subscriber_builder()
            .create()
            .map_err(|e| BusError::iceoryx("creating the subscriber of acknowledgements", e))?;
        Ok(Self {
            port: ForkGuard::new(port),
            writer,
            next_seq: AtomicU64::new(0),
            _channel: channel.clone(),
            _service: ForkGuard::new(service),
        })
    }

    /// The first sequence number that is not acknowledged, as known without looking.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.next_seq.load(Ordering::Relaxed)
    }

    /// Looks for news, and returns the first sequence number that is not acknowledged.
    pub fn poll(&self) -> u64 {
        if self.port.is_own() {
            while let Ok(Some(sample)) = self.port.receive() {
                if let Some(next) = sample.payload().find(self.writer) {
                    self.next_seq.fetch_max(next, Ordering::Relaxed);
                }
            }
        }
        self.known()
    }

    /// Counts everything before `seq` as acknowledged: a new broker never saw it.
    pub fn forgive(&self, seq: u64) {
        self.next_seq.fetch_max(seq, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_keeps_the_newest_and_evicts_the_dead() {
        let mut table = AckTable::EMPTY;
        assert_eq!(table.find(7), None);
        table.note(7, 5, Vec::new);
        table.note(7, 3, Vec::new);
        assert_eq!(table.find(7), Some(5));
        for port in 100..100 + MAX_ACK_PORTS as u128 - 1 {
            table.note(port, 1, Vec::new);
        }
        table.note(9999, 1, || vec![7, 100]);
        assert_eq!(
            (table.find(9999), table.find(7), table.find(101)),
            (Some(1), Some(5), None)
        );
        // Everyone alive: the newcomer is not listed, and sees no acknowledgement.
        let mut full = AckTable::EMPTY;
        (1..=64).for_each(|port| full.note(port, 1, Vec::new));
        full.note(65, 1, || (1..=64).collect());
        assert_eq!(full.find(65), None);
    }
}

//! The writing end of a channel.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use iceoryx2::port::LoanError as IoxLoanError;
use iceoryx2::port::publisher::PublisherCreateError;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::{AllocationStrategy, BackpressureStrategy};

use crate::channel::ChannelCore;
use crate::control::WriterCounts;
use crate::error::{BusError, LoanError, SendError};
use crate::event::Notifier;
use crate::fork::ForkGuard;
use crate::loan::{Loan, Placement, complete_header};
use crate::memory::{Segment, exclude_from_core_dumps};
use crate::node::NodeCore;
use crate::wire::{IoxFilled, IoxLoan, IoxPublisher};

/// What a publisher port takes in /dev/shm at most, its chunks aside.
const PUBLISHER_BYTES: u64 = 512 << 10;
/// Room in a chunk for placing the message.
const PLACEMENT_SLACK: u64 = 128;
/// Alignment of chunks.
const CHUNK_ALIGNMENT: u64 = 64;
/// iceoryx2's header and ours, in front of each chunk's payload.
const HEADERS: u64 = 256;
/// A port has at least so many chunks; where address space is short, they get smaller.
const MIN_CHUNKS: u64 = 16;
/// A port has at most so many chunks: sixteen receivers with 256 frames each.
const MAX_CHUNKS: u64 = 4096;

/// Options of [`crate::Channel::publisher`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherOptions {
    /// Largest message in bytes, if it is to be less than the channel's.
    pub max_message_bytes: Option<u64>,
}

/// A port that sends frames. Usable from all threads; loans keep it alive. Clones are the same port, and keep
/// its memory mapped.
#[derive(Clone, Debug)]
pub struct Publisher {
    core: Arc<PublisherCore>,
}

#[derive(Debug)]
pub(crate) struct PublisherCore {
    port: ForkGuard<IoxPublisher>,
    sequence: Mutex<Sequence>,
    segment: Segment,
    trimming: Mutex<()>,
    notifier: Notifier,
    headers: usize,
    capacity: usize,
    node: Arc<NodeCore>,
}

#[derive(Debug, Default)]
struct Sequence {
    next: u64,
    drops: u64,
}

/// Sizes of a port's chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChunkPlan {
    /// Bytes of payload.
    payload: u64,
    /// Bytes from chunk to chunk.
    stride: u64,
    count: u64,
}

impl ChunkPlan {
    /// Chunks for messages of `max_message` bytes in a port of `port_bytes`.
    fn new(max_message: u64, port_bytes: u64) -> Self {
        let largest = (port_bytes / MIN_CHUNKS).saturating_sub(HEADERS) & !(CHUNK_ALIGNMENT - 1);
        let wanted = (max_message + PLACEMENT_SLACK).next_multiple_of(CHUNK_ALIGNMENT);
        let payload = wanted.min(largest).max(4096);
        let stride = payload + HEADERS;
        Self {
            payload,
            stride,
            count: (port_bytes / stride).clamp(1, MAX_CHUNKS),
        }
    }

    fn max_message(&self, wanted: u64) -> u64 {
        wanted.min(self.payload - PLACEMENT_SLACK)
    }
}

fn create_error(channel: &ChannelCore, error: PublisherCreateError) -> BusError {
    match error {
        PublisherCreateError::ExceedsMaxSupportedPublishers => BusError::Limit {
            topic: channel.topic.to_string(),
            what: "publishers",
            max: iceoryx2::prelude::PortFactory::static_config(&*channel.frames).max_publishers(),
            option: "publishers",
        },
        error => BusError::iceoryx("creating a publisher", error),
    }
}

impl Publisher {
    pub(crate) fn new(
        channel: &Arc<ChannelCore>,
        options: &PublisherOptions,
    ) -> Result<Self, BusError> {
        let node = &channel.node;
        node.check_process()?;
        node.space().require_for("a publisher", PUBLISHER_BYTES)?;
        let wanted = options
            .max_message_bytes
            .map_or(channel.max_message_bytes(), |own| {
                own.min(channel.max_message_bytes())
            });
        let plan = ChunkPlan::new(wanted, node.budget().port_virtual_bytes);
        let max_message = plan.max_message(wanted);
        if max_message < wanted {
            tracing::warn!(
                topic = %channel.topic, max_message, wanted,
                "messages larger than {max_message} bytes cannot be sent from this process: {}",
                node.budget().shrunk_by.as_deref().unwrap_or("`port_virtual_bytes` is too small"),
            );
        }
        let count = usize::try_from(plan.count).unwrap_or(usize::MAX);
        let payload = usize::try_from(plan.payload).unwrap_or(usize::MAX);
        let port = channel
            .frames
            .publisher_builder()
            .allocation_strategy(AllocationStrategy::Static)
            .initial_max_slice_len(payload)
            .max_loaned_samples(count)
            .override_sample_preallocation(move |worst_case| count.min(worst_case))
            .backpressure_strategy(BackpressureStrategy::DiscardData)
            .create()
            .map_err(|e| create_error(channel, e))?;
        let port = ForkGuard::new(port);
        let (headers, segment) = Self::survey(&port, &plan)?;
        let core = PublisherCore {
            port,
            sequence: Mutex::default(),
            segment,
            trimming: Mutex::new(()),
            notifier: Notifier::new(node, &channel.events)?,
            headers,
            capacity: usize::try_from(max_message).unwrap_or(usize::MAX),
            node: node.clone(),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Looks where the port's chunks lie. The first loan of a port is its first chunk.
    fn survey(port: &IoxPublisher, plan: &ChunkPlan) -> Result<(usize, Segment), BusError> {
        let mut loan = port
            .loan_slice_uninit(1)
            .map_err(|e| BusError::iceoryx("surveying a publisher", e))?;
        let chunk = &raw const *loan.header() as usize;
        let payload = loan.payload_mut().as_ptr() as usize;
        let headers = payload - chunk;
        if headers as u64 != HEADERS || !payload.is_multiple_of(64) {
            let found =
                format!("chunks start {headers} bytes before their payload at {payload:#x}");
            return Err(BusError::iceoryx("surveying a publisher", found));
        }
        exclude_from_core_dumps(chunk as *const u8);
        let segment = Segment::new(chunk, plan.stride as usize, plan.count as usize);
        Ok((headers, segment))
    }

    /// The port's id, unique in the system.
    #[must_use]
    pub fn port_id(&self) -> u128 {
        self.core.port.id().value()
    }

    /// Largest message in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        self.core.capacity as u64
    }

    /// Borrows shared memory for a message of `cdr_len` bytes (encapsulation included).
    ///
    /// The memory is backed: writing to it cannot fail, even when /dev/shm is full.
    ///
    /// # Errors
    /// The message is too large, /dev/shm is full, or every chunk is in use.
    pub fn loan(&self, cdr_len: usize, placement: impl Into<Placement>) -> Result<Loan, LoanError> {
        let core = &self.core;
        if !core.port.is_own() {
            return Err(LoanError::Forked);
        }
        if cdr_len > core.capacity {
            return Err(LoanError::TooLarge {
                need: cdr_len as u64,
                max: core.capacity as u64,
            });
        }
        let offset = placement.into().cdr_offset();
        let no_memory = |e: crate::memory::NoSpace| LoanError::NoMemory {
            need: e.need,
            free: e.free,
        };
        // The chunk's header is written by the loan itself.
        core.node.space().require(0).map_err(no_memory)?;
        let mut sample = core.loan_chunk(offset + cdr_len)?;
        let chunk = &raw const *sample.header() as usize;
        core.segment
            .prepare(chunk, core.headers + offset + cdr_len, core.node.space())
            .map_err(no_memory)?;
        let payload = NonNull::from(sample.payload_mut()).cast();
        Ok(Loan::new(
            ForkGuard::new(sample),
            payload,
            offset,
            cdr_len,
            core.clone(),
        ))
    }

    /// Wakes the receivers.
    pub fn notify(&self) {
        self.core.notify();
    }

    /// Uses up a sequence number for a frame that could not be sent, so that receivers see the gap and know
    /// that it was the writer's. Returns the count so far.
    pub fn count_dropped(&self) -> u64 {
        let mut sequence = self
            .core
            .sequence
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sequence.next += 1;
        sequence.drops += 1;
        sequence.drops
    }

    /// Sequence number of the next frame: how many were sent or dropped.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.core
            .sequence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next
    }

    /// How far it is, for receivers that come now. `lost_before` is what was lost before it so far.
    #[must_use]
    pub fn counts(&self, lost_before: u64) -> WriterCounts {
        let sequence = self
            .core
            .sequence
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        WriterCounts {
            port: format!("{:x}", self.port_id()),
            next_seq: sequence.next,
            drops: sequence.drops,
            lost_before,
        }
    }

    /// Connects to new receivers now rather than at the next send.
    pub fn update_connections(&self) {
        if self.core.port.is_own()
            && let Err(error) = self.core.port.update_connections()
        {
            tracing::debug!(?error, "a publisher could not connect to every subscriber");
        }
    }

    /// Gives back the memory of chunks that were not used since the last call but one; the owner calls it on a
    /// timer (every few seconds). Returns the bytes. Costs next to nothing when there is nothing to do.
    pub fn trim(&self) -> usize {
        let core = &self.core;
        if !core.port.is_own()
            || !core.segment.next_round()
            || core.node.space().require(0).is_err()
        {
            return 0;
        }
        let _trimming = core.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        // Free chunks are a stack: what was used last is on top, what never was is at the bottom. All are held
        // until the end, else the same one would come again; giving them back in reverse keeps the order.
        let mut held = Vec::new();
        let mut freed = 0;
        while let Ok(sample) = core.port.loan_slice_uninit(1) {
            let chunk = &raw const *sample.header() as usize;
            let untouched = core.segment.is_untouched(chunk);
            freed += core.segment.trim(chunk);
            held.push(sample);
            if untouched {
                break;
            }
        }
        while held.pop().is_some() {}
        freed
    }

    /// Bytes of shared memory that the port's chunks hold.
    #[must_use]
    pub fn populated_bytes(&self) -> u64 {
        self.core.segment.populated()
    }
}

impl PublisherCore {
    fn loan_chunk(&self, len: usize) -> Result<IoxLoan, LoanError> {
        let loan = match self.port.loan_slice_uninit(len) {
            Err(IoxLoanError::OutOfMemory | IoxLoanError::ExceedsMaxLoans) => {
                // Perhaps `trim` holds them all.
                drop(self.trimming.lock().unwrap_or_else(PoisonError::into_inner));
                self.port.loan_slice_uninit(len)
            }
            other => other,
        };
        loan.map_err(|error| match error {
            IoxLoanError::OutOfMemory | IoxLoanError::ExceedsMaxLoans => LoanError::OutOfChunks {
                chunks: self.segment.count(),
            },
            error => LoanError::Iceoryx(format!("{error:?}")),
        })
    }

    pub(crate) fn send(
        &self,
        mut sample: IoxFilled,
        offset: usize,
        len: usize,
    ) -> Result<usize, SendError> {
        // Held while sending, so that frames arrive in the order of their numbers.
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let header = &mut sample.user_header_mut().0;
        complete_header(
            header,
            offset,
            len,
            self.node.id(),
            sequence.next,
            sequence.drops,
        );
        sequence.next += 1;
        sample
            .send()
            .map_err(|e| SendError::Iceoryx(format!("{e:?}")))
    }

    pub(crate) fn notify(&self) {
        self.notifier.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_fit_the_port() {
        let plan = ChunkPlan::new(64 << 20, 64 << 30);
        assert_eq!(plan.max_message(64 << 20), 64 << 20);
        assert!(
            plan.count >= 1020 && plan.count * plan.stride <= 64 << 30,
            "{plan:?}"
        );
        // Short of address space: smaller chunks, never fewer than 16.
        let plan = ChunkPlan::new(64 << 20, 256 << 20);
        assert!(
            plan.count >= MIN_CHUNKS && plan.max_message(64 << 20) < 64 << 20,
            "{plan:?}"
        );
        assert!(plan.count * plan.stride <= 256 << 20);
        assert_eq!(plan.payload % 64, 0);
    }
}

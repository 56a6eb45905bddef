//! The reading end of a channel.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iceoryx2::port::subscriber::SubscriberCreateError;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::port::{DegradationAction, DegradationCause, ReceiveError as IoxReceiveError};
use iceoryx2::prelude::{CallbackProgression, PortFactory};
use iceway_msg::frame::{FrameFlags, FrameHeader};

use crate::channel::ChannelCore;
use crate::control::WriterCounts;
use crate::error::{BusError, ReceiveError};
use crate::fork::ForkGuard;
use crate::frame::{Frame, FramePlace};
use crate::memory::exclude_from_core_dumps;
use crate::node::random_id;
use crate::tracker::Tracker;
use crate::wire::{IoxSample, IoxSubscriber};

/// What a subscriber port takes in /dev/shm at most.
const SUBSCRIBER_BYTES: u64 = 512 << 10;

/// Options of [`crate::Channel::subscriber`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberOptions {
    /// Frames that can be queued, per writer port; then the oldest is lost. Capped by the channel's limit.
    pub depth: usize,
    /// So many last messages are recognised when they come again as retained ones.
    pub remember: usize,
}

/// Most topics retain less.
const REMEMBERED: usize = 32;

impl Default for SubscriberOptions {
    fn default() -> Self {
        Self {
            depth: 1,
            remember: REMEMBERED,
        }
    }
}

/// Counts of a subscriber since its creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriberStats {
    /// Frames received.
    pub received: u64,
    /// Frames lost because this subscriber's queue was full.
    pub overflow: u64,
    /// Frames that writers dropped (no memory, too large).
    pub writer_drops: u64,
    /// Frames of the route lost before shared memory, as its writer counts them (middleware gaps, drops at the
    /// broker), since the first frame received.
    pub lost_before: u64,
    /// Frames with a header that makes no sense.
    pub malformed: u64,
    /// Retained frames that had come before.
    pub repeated: u64,
    /// Times that [`ReceiveError::BorrowLimit`] was returned.
    pub borrow_limit: u64,
    /// Writers whose memory could not be mapped.
    pub unmapped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    received: AtomicU64,
    overflow: AtomicU64,
    writer_drops: AtomicU64,
    lost_before: AtomicU64,
    malformed: AtomicU64,
    repeated: AtomicU64,
    borrow_limit: AtomicU64,
}

/// Writers that could not be connected to.
#[derive(Debug, Default)]
struct Unmapped {
    count: AtomicU64,
    unreported: AtomicBool,
}

/// A port that receives frames. Usable from all threads; frames keep it alive.
#[derive(Debug)]
pub struct Subscriber {
    core: Arc<SubscriberCore>,
}

#[derive(Debug)]
pub(crate) struct SubscriberCore {
    port: ForkGuard<IoxSubscriber>,
    own_origin: u64,
    receiver_id: u64,
    depth: usize,
    tracker: Mutex<Tracker>,
    counters: Counters,
    unmapped: Arc<Unmapped>,
    _channel: Arc<ChannelCore>,
}

/// What to do with a sample.
enum Verdict {
    Deliver(std::ops::Range<usize>, Arc<AtomicUsize>),
    Skip,
    TooManyHeld,
}

impl Subscriber {
    pub(crate) fn new(
        channel: &Arc<ChannelCore>,
        options: &SubscriberOptions,
    ) -> Result<Self, BusError> {
        let node = &channel.node;
        node.check_process()?;
        node.space().require_for("a subscriber", SUBSCRIBER_BYTES)?;
        let config = channel.frames.static_config();
        let depth = options.depth.clamp(1, config.subscriber_max_buffer_size());
        let unmapped = Arc::new(Unmapped::default());
        let on_degradation = unmapped.clone();
        let port = channel
            .frames
            .subscriber_builder()
            .buffer_size(depth)
            .set_degradation_handler(move |cause, _| {
                if matches!(cause, DegradationCause::FailedToEstablishConnection) {
                    on_degradation.count.fetch_add(1, Relaxed);
                    on_degradation.unreported.store(true, Relaxed);
                }
                DegradationAction::Ignore
            })
            .create()
            .map_err(|error| match error {
                SubscriberCreateError::ExceedsMaxSupportedSubscribers => BusError::Limit {
                    topic: channel.topic.to_string(),
                    what: "subscribers",
                    max: config.max_subscribers(),
                    option: "subscribers",
                },
                error => BusError::iceoryx("creating a subscriber", error),
            })?;
        let port = ForkGuard::new(port);
        if unmapped.unreported.swap(false, Relaxed) {
            return Err(BusError::AddressSpace {
                topic: channel.topic.to_string(),
            });
        }
        let core = SubscriberCore {
            port,
            own_origin: node.id(),
            receiver_id: random_id(),
            depth,
            tracker: Mutex::new(Tracker::new(channel.writer_ports(), options.remember)),
            counters: Counters::default(),
            unmapped,
            _channel: channel.clone(),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// The next frame, or `None`.
    ///
    /// Frames of the own process and retained frames for others are skipped; frames whose header makes no sense
    /// are skipped and counted.
    ///
    /// # Errors
    /// [`ReceiveError::BorrowLimit`] if too many frames are held: it works again after some are released.
    /// [`ReceiveError::Unmapped`] once for a writer whose memory could not be mapped.
    pub fn receive(&self) -> Result<Option<Frame>, ReceiveError> {
        let core = &self.core;
        if !core.port.is_own() {
            return Err(ReceiveError::Forked);
        }
        loop {
            let sample = match core.port.receive() {
                Ok(Some(sample)) => sample,
                Ok(None) if core.unmapped.unreported.swap(false, Relaxed) => {
                    return Err(ReceiveError::Unmapped);
                }
                Ok(None) => return Ok(None),
                Err(IoxReceiveError::ExceedsMaxBorrows) => return Err(self.borrow_limit()),
                Err(error) => return Err(ReceiveError::Iceoryx(format!("{error:?}"))),
            };
            if let Some(frame) = self.accept(sample)? {
                return Ok(Some(frame));
            }
        }
    }

    fn borrow_limit(&self) -> ReceiveError {
        self.core.counters.borrow_limit.fetch_add(1, Relaxed);
        ReceiveError::BorrowLimit { held: self.held() }
    }

    fn accept(&self, sample: IoxSample) -> Result<Option<Frame>, ReceiveError> {
        let core = &self.core;
        // The header is copied: what was checked is what is used.
        let header = sample.user_header().0;
        if header.origin == core.own_origin {
            return Ok(None);
        }
        let payload = sample.payload();
        let (start, len) = (NonNull::from(payload).cast(), payload.len());
        let port = sample.origin().value();
        match core.judge(&header, port, start, len) {
            Verdict::Skip => Ok(None),
            Verdict::TooManyHeld => {
                drop(sample);
                Err(self.borrow_limit())
            }
            Verdict::Deliver(cdr, held) => {
                let place = FramePlace {
                    payload: start,
                    cdr,
                };
                Ok(Some(Frame::new(
                    sample,
                    &place,
                    header,
                    port,
                    core.clone(),
                    held,
                )))
            }
        }
    }

    /// Connects to new writers now: what they send before is lost. Called by the owner's thread when a writer
    /// announces itself; [`Subscriber::receive`] does it too.
    pub fn update_connections(&self) {
        self.core.update_connections();
    }

    /// The id by which a retained frame is addressed to this subscriber (`target` of its header).
    #[must_use]
    pub fn receiver_id(&self) -> u64 {
        self.core.receiver_id
    }

    /// From `writers` on, every frame is meant for this subscriber: what does not arrive is lost, also before the first one that does.
    pub fn expect(&self, writers: &[WriterCounts]) {
        let mut tracker = self.core.tracker();
        for writer in writers {
            if let Ok(port) = u128::from_str_radix(&writer.port, 16) {
                tracker.expect(port, writer);
            }
        }
    }

    /// Frames that can be queued, per writer.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.core.depth
    }

    /// Frames of this subscriber that are alive.
    #[must_use]
    pub fn held(&self) -> usize {
        self.core.tracker().held()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> SubscriberStats {
        let counters = &self.core.counters;
        SubscriberStats {
            received: counters.received.load(Relaxed),
            overflow: counters.overflow.load(Relaxed),
            writer_drops: counters.writer_drops.load(Relaxed),
            lost_before: counters.lost_before.load(Relaxed),
            malformed: counters.malformed.load(Relaxed),
            repeated: counters.repeated.load(Relaxed),
            borrow_limit: counters.borrow_limit.load(Relaxed),
            unmapped: self.core.unmapped.count.load(Relaxed),
        }
    }
}

impl SubscriberCore {
    pub(crate) fn update_connections(&self) {
        if self.port.is_own()
            && let Err(error) = self.port.update_connections()
        {
            tracing::debug!(?error, "a subscriber could not connect to every publisher");
        }
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, header: &FrameHeader, port: u128, payload: NonNull<u8>, len: usize) -> Verdict {
        let counters = &self.counters;
        let mut tracker = self.tracker();
        let Some(cdr) = header.cdr_range(len) else {
            tracker.note_malformed(port);
            counters.malformed.fetch_add(1, Relaxed);
            return Verdict::Skip;
        };
        if tracker.is_new(port) {
            exclude_from_core_dumps(payload.as_ptr());
        }
        let gap = tracker.note(port, header);
        if gap.overflow > 0 {
            counters.overflow.fetch_add(gap.overflow, Relaxed);
        }
        if gap.writer_drops > 0 {
            counters.writer_drops.fetch_add(gap.writer_drops, Relaxed);
        }
        if gap.lost_before > 0 {
            counters.lost_before.fetch_add(gap.lost_before, Relaxed);
        }
        if header.flags().contains(FrameFlags::RETAINED)
            && ![self.receiver_id, FrameHeader::TO_ALL].contains(&header.target)
        {
            return Verdict::Skip;
        }
        if tracker.is_repeated(header) {
            counters.repeated.fetch_add(1, Relaxed);
            return Verdict::Skip;
        }
        let Some(held) = tracker.hold(port) else {
            return Verdict::TooManyHeld;
        };
        counters.received.fetch_add(1, Relaxed);
        Verdict::Deliver(cdr, held)
    }
}

impl ChannelCore {
    /// Ids of the channel's publisher ports.
    pub(crate) fn writer_ports(&self) -> Vec<u128> {
        let mut ports = Vec::new();
        self.frames.dynamic_config().list_publishers(|details| {
            ports.push(details.publisher_id.value());
            CallbackProgression::Continue
        });
        ports
    }
}

//! ROS → shared memory: takes each message straight into a loan, and sends it.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use iceway_bus::control::WriterCounts;
use iceway_bus::{FrameFlags, FrameHeader, Loan, LoanError, Placement, Publisher, clock};
use iceway_msg::{Cdr, Schema, largest_array_offset};
use parking_lot::Mutex;

use super::retained::Retained;
use crate::config::{BULK_LANE, FAST_LANE, RouteOptions};
use crate::counters::Counters;
use crate::lanes::{Lane, Lanes, Schedule, Work};
use crate::ros::{MessageInfo, RosSubscription, TakeSink, Taken};

/// Messages taken in one go before other routes of the lane get their turn.
const BATCH: usize = 8;
/// Messages of this size and above take the bulk lane.
const BULK_BYTES: usize = 64 * 1024;
/// Messages up to this size are taken on the middleware's own thread, where that is allowed: handing the work to a lane would take that
/// thread as long as doing it, and the message would wait for another thread to wake.
const AT_ONCE_BYTES: usize = 16 * 1024;
/// How long a subscription that was replaced is still taken from: until the publishers know the new one. What both bring is sent once.
const OVERLAP: Duration = Duration::from_secs(1);
/// The place of the largest array is looked up again after this many frames of equal length.
const RELEARN_FRAMES: u32 = 64;

/// The inbound half of a route.
pub(crate) struct Inbound {
    topic: Arc<str>,
    schema: Schema,
    type_hash: [u8; 32],
    publisher: Publisher,
    counters: Arc<Counters>,
    min_period: Option<Duration>,
    lanes: [Lane; 2],
    /// No lane is asked for, so small messages may do without one.
    at_once: bool,
    /// The largest message so far, which decides the lane.
    largest: AtomicUsize,
    schedule: Schedule,
    subscriptions: Mutex<Subscriptions>,
    retained: Arc<OnceLock<Retained>>,
    state: Mutex<State>,
}

/// A publisher with another QoS may demand another subscription; nothing is lost between the two.
#[derive(Default)]
struct Subscriptions {
    current: Option<Arc<RosSubscription>>,
    /// The ones before, and since when they are.
    replaced: Vec<(Arc<RosSubscription>, Instant)>,
}

impl Subscriptions {
    /// All, oldest first.
    fn all(&self) -> impl Iterator<Item = &Arc<RosSubscription>> {
        let replaced = self.replaced.iter().map(|(subscription, _)| subscription);
        replaced.chain(&self.current)
    }
}

/// What is learned from frame to frame.
#[derive(Default)]
struct State {
    array_offset: Option<usize>,
    last_len: usize,
    frames_since_learned: u32,
    last_sent: Option<Instant>,
    lost: u64,
    /// Messages dropped here since the last one that was sent; the next one's number shows them as a gap too.
    dropped_since: u64,
    /// The last sequence number of each ROS publisher.
    publishers: Vec<([u8; 24], u64)>,
    /// What a person should know, and was not told yet.
    troubles: Vec<Trouble>,
}

/// Why a message was dropped that the middleware had.
enum Trouble {
    Loan(LoanError),
    Send(String),
    Take(String),
}

/// More publishers than this on one topic are not followed for gaps.
const MAX_FOLLOWED_PUBLISHERS: usize = 64;

impl Inbound {
    pub(crate) fn new(
        topic: Arc<str>,
        schema: Schema,
        publisher: Publisher,
        counters: Arc<Counters>,
        retained: Arc<OnceLock<Retained>>,
        options: &RouteOptions,
        lanes: &Lanes,
    ) -> Arc<Self> {
        let lane = |default: &str| lanes.get(options.lane.as_deref().unwrap_or(default));
        Arc::new(Self {
            topic,
            type_hash: schema.type_hash().0,
            schema,
            publisher,
            counters,
            min_period: options.min_period,
            lanes: [lane(FAST_LANE), lane(BULK_LANE)],
            at_once: options.lane.is_none(),
            largest: AtomicUsize::new(0),
            schedule: Schedule::default(),
            subscriptions: Mutex::default(),
            retained,
            state: Mutex::new(State {
                publishers: Vec::with_capacity(MAX_FOLLOWED_PUBLISHERS),
                ..State::default()
            }),
        })
    }

    /// How far the port is, for receivers that come now.
    pub(crate) fn counts(&self) -> WriterCounts {
        // One after the other: whoever takes holds the state while it sends.
        let lost = self.state.lock().lost;
        self.publisher.counts(lost)
    }

    /// Connects to receivers that came since.
    pub(crate) fn update_connections(&self) {
        self.publisher.update_connections();
    }

    /// Takes from this subscription from now on, and for a while from the one before as well.
    pub(crate) fn set_subscription(&self, subscription: Arc<RosSubscription>) {
        let mut subscriptions = self.subscriptions.lock();
        if let Some(before) = subscriptions.current.replace(subscription) {
            subscriptions.replaced.push((before, Instant::now()));
        }
    }

    /// Ends subscriptions that were replaced some time ago.
    pub(crate) fn retire(&self) {
        let over = |(_, since): &mut (_, Instant)| since.elapsed() > OVERLAP;
        let retired: Vec<_> = {
            let mut subscriptions = self.subscriptions.lock();
            subscriptions.replaced.extract_if(.., over).collect()
        };
        let mut state = self.state.lock();
        for (subscription, _) in &retired {
            while self.take(&mut state, subscription) {}
        }
        self.tell(&mut state);
        drop(state);
        drop(retired);
    }

    /// Stops taking; what was taken from is given back, to be ended by the caller.
    pub(crate) fn clear_subscriptions(&self) -> impl Sized {
        std::mem::take(&mut *self.subscriptions.lock())
    }

    pub(crate) fn subscription(&self) -> Option<Arc<RosSubscription>> {
        self.subscriptions.lock().current.clone()
    }

    fn nth_subscription(&self, n: usize) -> Option<Arc<RosSubscription>> {
        self.subscriptions.lock().all().nth(n).cloned()
    }

    /// Something may be there to take. Called on a middleware thread: takes small messages, queues other work, and returns.
    pub(crate) fn announce(self: &Arc<Self>) {
        if self.take_at_once() {
            return;
        }
        let bulk = self.largest.load(Ordering::Relaxed) >= BULK_BYTES;
        let work: Arc<dyn Work> = Arc::clone(self) as Arc<dyn Work>;
        self.lanes[usize::from(bulk)].announce(&work);
    }

    /// Takes on the calling middleware thread; false if a lane has to do something. It never waits, since whoever holds one of the locks may
    /// be waiting for this very thread; it drops no subscription, since that waits for this very call; and it does not log, since the log
    /// goes to /rosout.
    fn take_at_once(&self) -> bool {
        let largest = self.largest.load(Ordering::Relaxed);
        // Of the first message the size is not known yet; to keep a message for late joiners takes a lock.
        if !self.at_once || !(1..=AT_ONCE_BYTES).contains(&largest) || self.retained.get().is_some()
        {
            return false;
        }
        let Some(subscriptions) = self.subscriptions.try_lock() else {
            return false;
        };
        let (Some(subscription), []) = (&subscriptions.current, &*subscriptions.replaced) else {
            return false;
        };
        if !subscription.may_take_at_once() {
            return false;
        }
        let Some(mut state) = self.state.try_lock() else {
            return false;
        };
        let more = self.take(&mut state, subscription);
        !more && state.troubles.is_empty()
    }

    /// Gives pages of unused chunks back to the system.
    pub(crate) fn trim(&self) {
        self.publisher.trim();
    }

    fn send(&self, state: &mut State, loan: Loan, len: usize, info: &MessageInfo) {
        let gap = follow(&mut state.publishers, info);
        let lost = gap.map_or(0, |gap| {
            gap.saturating_sub(std::mem::take(&mut state.dropped_since))
        });
        if lost > 0 {
            state.lost += lost;
            self.counters.lost_in_middleware.add(lost);
        }
        // SAFETY-relevant facts are with `assume_filled`: the middleware said that it wrote `len` bytes.
        let mut frame = super::filled(loan, len);
        let (taken_ns, taken_mono_ns) = clock::both_ns();
        let Some(header) = frame.header_mut() else {
            return;
        }; // a forked child
        header.type_hash = self.type_hash;
        header.gid = info.gid;
        header.source_ns = info.source_ns;
        header.received_ns = info.received_ns;
        header.taken_ns = taken_ns;
        header.taken_mono_ns = taken_mono_ns;
        header.publication_seq = info.publication_seq;
        header.lost_before = state.lost;
        if gap.is_none() {
            // Who was there has had it; who came since has not, and recognises nothing.
            (header.flags, header.target) = (FrameFlags::RETAINED.0, FrameHeader::TO_ALL);
        }
        let header = *header;
        let newly_kept = self
            .retained
            .get()
            .is_some_and(|retained| retained.keep(&header, frame.bytes()));
        if gap.is_none() && !newly_kept {
            return;
        }
        if len != state.last_len || state.frames_since_learned >= RELEARN_FRAMES {
            state.array_offset = Cdr::new(frame.bytes())
                .ok()
                .and_then(|cdr| largest_array_offset(&self.schema, &cdr));
            state.last_len = len;
            state.frames_since_learned = 0;
        }
        state.frames_since_learned += 1;
        self.largest.fetch_max(len, Ordering::Relaxed);
        match frame.send_and_notify() {
            Ok(_) => {
                self.counters.from_ros.add(1);
                self.counters.from_ros_bytes.add(len as u64);
            }
            Err(error) => {
                state.lost += 1;
                if self.counters.out_of_chunks.one_worth_telling() {
                    state.troubles.push(Trouble::Send(error.to_string()));
                }
            }
        }
    }

    /// Counts a message that found no place, by cause; the first, and then ever fewer, are worth telling.
    fn refuse(&self, state: &mut State, refused: Option<Refused>) {
        state.lost += 1;
        state.dropped_since += 1;
        let counters = &self.counters;
        let (counter, error) = match refused {
            Some(Refused::TooSoon) => return counters.rate_limited.add(1),
            None => return counters.middleware_error.add(1),
            Some(Refused::Loan(error)) => match error {
                LoanError::TooLarge { .. } => (&counters.too_large, error),
                LoanError::NoMemory { .. } => (&counters.no_memory, error),
                _ => (&counters.out_of_chunks, error),
            },
        };
        if counter.one_worth_telling() {
            state.troubles.push(Trouble::Loan(error));
        }
    }

    /// Tells a person. Never on a middleware thread.
    fn tell(&self, state: &mut State) {
        let topic = &self.topic;
        for trouble in state.troubles.drain(..) {
            match trouble {
                Trouble::Loan(LoanError::TooLarge { need, max }) => {
                    tracing::warn!(%topic, bytes = need, max, "a message is larger than the route allows and was dropped; raise max_message_bytes for this topic in iceway.toml");
                }
                Trouble::Loan(LoanError::NoMemory { need, free }) => {
                    tracing::warn!(%topic, need, free, "/dev/shm is full: a message was dropped; free space there, or mount it larger");
                }
                Trouble::Loan(error) => tracing::warn!(%topic, %error, "a message was dropped"),
                Trouble::Send(error) => {
                    tracing::warn!(%topic, error, "a frame could not be sent into shared memory");
                }
                Trouble::Take(error) => {
                    tracing::warn!(%topic, error, "the middleware could not hand over a message");
                }
            }
        }
    }
}

/// How many messages of its publisher were lost before this one; `None` if it was here before (a latched message that came
/// again because the subscription was made anew).
fn follow(publishers: &mut Vec<([u8; 24], u64)>, info: &MessageInfo) -> Option<u64> {
    if info.publication_seq == 0 {
        return Some(0); // the middleware does not number
    }
    let Some((_, last)) = publishers.iter_mut().find(|(gid, _)| *gid == info.gid) else {
        if publishers.len() == MAX_FOLLOWED_PUBLISHERS {
            publishers.remove(0);
        }
        publishers.push((info.gid, info.publication_seq));
        return Some(0);
    };
    let gap = info.publication_seq.checked_sub(*last + 1)?;
    *last = info.publication_seq;
    Some(gap)
}

impl Inbound {
    /// Takes and sends some messages; true if there may be more.
    fn take(&self, state: &mut State, subscription: &RosSubscription) -> bool {
        for _ in 0..BATCH {
            let too_soon = self
                .min_period
                .is_some_and(|p| state.last_sent.is_some_and(|t| t.elapsed() < p));
            let placement = Placement {
                array_offset: state.array_offset,
                body_alignment: self.schema.layout().alignment(),
            };
            let mut sink = LoanSink::new(&self.publisher, placement, too_soon);
            match subscription.take(&mut sink) {
                Ok(Taken::Empty) => return false,
                Ok(Taken::Echo) => {}
                Ok(Taken::Message { len, info }) => {
                    if let Some(loan) = sink.loan.take() {
                        if self.min_period.is_some() {
                            state.last_sent = Some(Instant::now());
                        }
                        self.send(state, loan, len, &info);
                    }
                }
                Ok(Taken::Refused { .. }) => {
                    let refused = sink.refused.take();
                    self.refuse(state, refused);
                }
                Err(error) => {
                    state.lost += 1;
                    if self.counters.middleware_error.one_worth_telling() {
                        state.troubles.push(Trouble::Take(error.to_string()));
                    }
                }
            }
        }
        true
    }
}

impl Work for Inbound {
    fn run(&self) -> bool {
        let mut state = self.state.lock();
        let mut next = 0;
        let mut more = false;
        // One at a time, so that the lock is not held while taking.
        while let Some(subscription) = self.nth_subscription(next) {
            more |= self.take(&mut state, &subscription);
            next += 1;
        }
        self.tell(&mut state);
        more
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

/// Why a message got no loan.
enum Refused {
    TooSoon,
    Loan(LoanError),
}

/// Gives the middleware a loan to write into, once it knows how large the message is.
pub(super) struct LoanSink<'a> {
    publisher: &'a Publisher,
    placement: Placement,
    too_soon: bool,
    pub(super) loan: Option<Loan>,
    refused: Option<Refused>,
}

impl<'a> LoanSink<'a> {
    /// A sink for one message; with `too_soon` it refuses.
    pub(super) fn new(publisher: &'a Publisher, placement: Placement, too_soon: bool) -> Self {
        Self {
            publisher,
            placement,
            too_soon,
            loan: None,
            refused: None,
        }
    }
}

impl TakeSink for LoanSink<'_> {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        if self.too_soon {
            self.refused = Some(Refused::TooSoon);
            return None;
        }
        match self.publisher.loan(len, self.placement) {
            Ok(loan) => Some(self.loan.insert(loan).as_uninit_slice()),
            Err(error) => {
                self.refused = Some(Refused::Loan(error));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_repetitions_are_told_apart_per_publisher() {
        let mut publishers = Vec::new();
        let mut at = |gid: u8, seq| {
            let info = MessageInfo {
                source_ns: 0,
                received_ns: 0,
                publication_seq: seq,
                gid: [gid; 24],
            };
            follow(&mut publishers, &info)
        };
        assert_eq!(
            at(1, 5),
            Some(0),
            "what was before the first is not ours to count"
        );
        assert_eq!(at(1, 6), Some(0));
        assert_eq!(at(1, 9), Some(2));
        assert_eq!(at(2, 1), Some(0));
        assert_eq!(at(1, 9), None);
        assert_eq!(at(1, 4), None);
        assert_eq!(at(1, 10), Some(0));
        assert_eq!(at(1, 0), Some(0), "a middleware without numbers");
    }
}

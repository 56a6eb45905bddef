//! Counting what a receiver lost, by the writers' sequence numbers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use iceway_msg::frame::{FrameFlags, FrameHeader};

use crate::control::WriterCounts;

/// What happened between two frames of a writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Lost in this receiver's queue.
    pub(crate) overflow: u64,
    /// Dropped by the writer.
    pub(crate) writer_drops: u64,
    /// Lost before the writer.
    pub(crate) lost_before: u64,
}

/// A writer's counts with one frame.
#[derive(Debug, Clone, Copy)]
struct Counts {
    seq: u64,
    drops: u64,
    lost_before: u64,
}

#[derive(Debug)]
struct Writer {
    port: u128,
    /// As of the last frame, with `seq` = the next one.
    last: Counts,
    noted_at: u64,
    /// Its frames that are alive.
    held: Arc<AtomicUsize>,
}

/// Same ROS message, whichever way it came.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Identity {
    gid: [u8; 24],
    publication_seq: u64,
    source_ns: i64,
}

/// What a subscriber remembers of the writers.
#[derive(Debug)]
pub(crate) struct Tracker {
    writers: Vec<Writer>,
    /// Ports that were there before the subscriber: their earlier frames were not meant for it.
    older: Vec<u128>,
    /// The last messages, to recognise those that come a second time because they were retained.
    recent: VecDeque<Identity>,
    remember: usize,
    /// So many of the next live messages may be ones that came as retained ones before.
    suspects: usize,
    notes: u64,
}

/// How many writers are remembered; then the one not heard of for longest is forgotten.
const MAX_WRITERS: usize = 256;

/// Frames of so many writers can be held at the same time. iceoryx2 keeps the connections of vanished writers
/// whose frames are held, and panics when there are too many
/// ([`crate::domain::EXPIRED_CONNECTIONS`]).
const MAX_HELD_WRITERS: usize = 128;
const _: () = assert!(MAX_HELD_WRITERS < crate::domain::EXPIRED_CONNECTIONS);

impl Tracker {
    /// `older` are the ports that exist already; the last `remember` messages are recognised when they come again.
    pub(crate) fn new(older: Vec<u128>, remember: usize) -> Self {
        Self {
            writers: Vec::new(),
            older,
            recent: VecDeque::with_capacity(remember),
            remember,
            suspects: 0,
            notes: 0,
        }
    }

    /// True if `port` was not seen before.
    pub(crate) fn is_new(&self, port: u128) -> bool {
        !self.writers.iter().any(|writer| writer.port == port)
    }

    /// Frames that are alive.
    pub(crate) fn held(&self) -> usize {
        self.writers
            .iter()
            .map(|writer| writer.held.load(Relaxed))
            .sum()
    }

    /// The counter for a frame of `port` that is handed out; `None` if frames of too many writers are held.
    pub(crate) fn hold(&self, port: u128) -> Option<Arc<AtomicUsize>> {
        let writer = self.writers.iter().find(|writer| writer.port == port)?;
        if writer.held.load(Relaxed) == 0 && self.writers.len() > MAX_HELD_WRITERS {
            let holding = self
                .writers
                .iter()
                .filter(|writer| writer.held.load(Relaxed) > 0);
            if holding.count() >= MAX_HELD_WRITERS {
                return None;
            }
        }
        writer.held.fetch_add(1, Relaxed);
        Some(writer.held.clone())
    }

    /// Notes a frame of `port`, and says what was lost before it.
    pub(crate) fn note(&mut self, port: u128, header: &FrameHeader) -> Gap {
        let now = Counts {
            seq: header.seq,
            drops: header.writer_drops,
            lost_before: header.lost_before,
        };
        let next = Counts {
            seq: header.seq.wrapping_add(1),
            ..now
        };
        self.notes += 1;
        let gap = match self.writers.iter_mut().find(|writer| writer.port == port) {
            Some(writer) => {
                let gap = Gap::between(writer.last, now);
                writer.last = next;
                writer.noted_at = self.notes;
                gap
            }
            None => {
                self.add(Writer {
                    port,
                    last: next,
                    noted_at: self.notes,
                    held: Arc::default(),
                });
                let from_its_start = Counts {
                    seq: 0,
                    drops: 0,
                    lost_before: now.lost_before,
                };
                let known = if self.older.contains(&port) {
                    now
                } else {
                    from_its_start
                };
                Gap::between(known, now)
            }
        };
        // A port of retained frames carries those for others too, which may push each other out.
        if header.flags().contains(FrameFlags::RETAINED) && header.target != FrameHeader::TO_ALL {
            Gap::default()
        } else {
            gap
        }
    }

    /// Counts from here for a port of which nothing came yet.
    pub(crate) fn expect(&mut self, port: u128, writer: &WriterCounts) {
        if self.is_new(port) {
            self.add(Writer {
                port,
                last: Counts {
                    seq: writer.next_seq,
                    drops: writer.drops,
                    lost_before: writer.lost_before,
                },
                noted_at: self.notes,
                held: Arc::default(),
            });
        }
    }

    /// Notes a frame of `port` whose header makes no sense: it came, so it is no gap.
    pub(crate) fn note_malformed(&mut self, port: u128) {
        match self.writers.iter_mut().find(|writer| writer.port == port) {
            Some(writer) => writer.last.seq = writer.last.seq.wrapping_add(1),
            None if self.older.contains(&port) => {}
            None => self.add(Writer {
                port,
                last: Counts {
                    seq: 1,
                    drops: 0,
                    lost_before: 0,
                },
                noted_at: self.notes,
                held: Arc::default(),
            }),
        }
    }

    fn add(&mut self, writer: Writer) {
        if self.writers.len() >= MAX_WRITERS {
            let stalest = (0..self.writers.len())
                .filter(|i| self.writers[*i].held.load(Relaxed) == 0)
                .min_by_key(|i| self.writers[*i].noted_at);
            if let Some(index) = stalest {
                self.writers.swap_remove(index);
            }
        }
        self.writers.push(writer);
    }

    /// True if this message came before; remembers it if not. Never true where the middleware tells nothing
    /// by which messages could be told apart.
    pub(crate) fn is_repeated(&mut self, header: &FrameHeader) -> bool {
        let retained = header.flags().contains(FrameFlags::RETAINED);
        if retained {
            self.suspects = self.remember;
        }
        if self.remember == 0 || (header.publication_seq == 0 && header.source_ns == 0) {
            return false;
        }
        let identity = Identity {
            gid: header.gid,
            publication_seq: header.publication_seq,
            source_ns: header.source_ns,
        };
        // Live frames come once; only around retained ones is there anything to look for.
        let suspect = retained || self.suspects > 0;
        if !retained {
            self.suspects = self.suspects.saturating_sub(1);
        }
        if suspect && self.recent.contains(&identity) {
            return true;
        }
        if self.recent.len() >= self.remember {
            self.recent.pop_front();
        }
        self.recent.push_back(identity);
        false
    }
}

impl Gap {
    /// What was lost between a writer's last frame (`seq` = the next one) and this one.
    fn between(last: Counts, now: Counts) -> Self {
        let missing = now.seq.saturating_sub(last.seq);
        let writer_drops = now.drops.saturating_sub(last.drops).min(missing);
        let lost_before = now.lost_before.saturating_sub(last.lost_before);
        Self {
            overflow: missing - writer_drops,
            writer_drops,
            lost_before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(seq: u64, drops: u64) -> FrameHeader {
        FrameHeader {
            seq,
            writer_drops: drops,
            ..FrameHeader::default()
        }
    }

    #[test]
    fn gaps_are_counted_per_writer_and_cause() {
        let mut tracker = Tracker::new(vec![1], 0);
        assert_eq!(tracker.note(1, &header(100, 7)), Gap::default());
        assert_eq!(tracker.note(1, &header(101, 7)), Gap::default());
        assert_eq!(
            tracker.note(1, &header(105, 9)),
            Gap {
                overflow: 1,
                writer_drops: 2,
                lost_before: 0
            }
        );
        // A port that came later: all its frames were meant for us.
        assert_eq!(
            tracker.note(2, &header(3, 1)),
            Gap {
                overflow: 2,
                writer_drops: 1,
                lost_before: 0
            }
        );
        assert_eq!(tracker.note(2, &header(4, 1)), Gap::default());
        let lossy = FrameHeader {
            lost_before: 3,
            ..header(5, 1)
        };
        assert_eq!(
            tracker.note(2, &lossy),
            Gap {
                lost_before: 3,
                ..Gap::default()
            }
        );
        // Numbers that go back (a broken writer) are no losses.
        assert_eq!(tracker.note(2, &header(0, 0)), Gap::default());
    }

    #[test]
    fn frames_of_too_many_writers_are_not_held() {
        let mut tracker = Tracker::new(vec![], 0);
        let mut held = Vec::new();
        for port in 0..MAX_HELD_WRITERS as u128 {
            tracker.note(port, &header(0, 0));
            held.push(tracker.hold(port).unwrap());
        }
        for port in 1000..1000 + 2 * MAX_WRITERS as u128 {
            tracker.note(port, &header(0, 0));
            assert!(tracker.hold(port).is_none());
        }
        assert_eq!(
            (tracker.writers.len(), tracker.held()),
            (MAX_WRITERS, MAX_HELD_WRITERS)
        );
        assert!(tracker.hold(5).is_some(), "more of the same writer");
        held[7].fetch_sub(1, Relaxed);
        assert!(tracker.hold(1000 + 2 * MAX_WRITERS as u128 - 1).is_some());
    }

    #[test]
    fn what_was_lost_before_the_first_frame_is_counted_where_the_writer_is_known() {
        let writer = |next_seq| WriterCounts {
            port: String::new(),
            next_seq,
            drops: 1,
            lost_before: 5,
        };
        let mut tracker = Tracker::new(vec![1, 2], 0);
        tracker.expect(1, &writer(10));
        let first = FrameHeader {
            lost_before: 7,
            ..header(14, 2)
        };
        let gap = Gap {
            overflow: 3,
            writer_drops: 1,
            lost_before: 2,
        };
        assert_eq!(tracker.note(1, &first), gap);
        // Of the other one it is not known which of its frames were meant for us.
        assert_eq!(tracker.note(2, &first), Gap::default());
        // Too late: frames came already.
        tracker.expect(2, &writer(0));
        assert_eq!(tracker.note(2, &header(15, 2)), Gap::default());
    }

    #[test]
    fn retained_frames_are_no_gaps_and_recognised() {
        let mut tracker = Tracker::new(vec![], 2);
        let retained = |seq, publication_seq| FrameHeader {
            flags: FrameFlags::RETAINED.0,
            target: 7,
            publication_seq,
            ..header(seq, 0)
        };
        assert_eq!(tracker.note(5, &retained(40, 1)), Gap::default());
        assert_eq!(tracker.note(5, &retained(60, 2)), Gap::default());
        assert!(!tracker.is_repeated(&retained(40, 1)));
        assert!(tracker.is_repeated(&retained(41, 1)));
        assert!(!tracker.is_repeated(&retained(0, 0)));
        assert!(!tracker.is_repeated(&retained(0, 0)));
        assert!(!tracker.is_repeated(&retained(0, 2)));
        assert!(!tracker.is_repeated(&retained(0, 3)));
        assert!(!tracker.is_repeated(&retained(0, 1)), "forgotten by now");
    }
}

//! The last frames of a latched (transient_local) topic, kept for AI processes that join later.
//!
//! The broker keeps copies and sends them to a joiner from a port of their own, addressed to that one participant:
//! queues are per connection, so this evicts nobody else's frame. iceoryx2's own history would hold `depth` chunks of every
//! channel for ever, dies with its port, and has to be sized before anybody knows that a topic is latched.

use std::collections::VecDeque;

use iceway_bus::{FrameFlags, FrameHeader, Placement, Publisher};
use parking_lot::Mutex;

/// Frames kept of one topic at most, over all its writers.
const MAX_FRAMES: usize = 256;

/// What late joiners of one topic get.
pub(crate) struct Retained {
    depth: usize,
    publisher: Publisher,
    frames: Mutex<VecDeque<(FrameHeader, Vec<u8>)>>,
}

impl Retained {
    pub(crate) fn new(depth: usize, publisher: Publisher) -> Self {
        Self {
            depth,
            publisher,
            frames: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Keeps a copy of a frame; the oldest of the same writer goes when it has more than `depth`: each writer of a topic such as
    /// /tf_static has its own last messages. False if it was kept before, or is older than all that is kept.
    pub(crate) fn keep(&self, header: &FrameHeader, cdr: &[u8]) -> bool {
        let mut frames = self.frames.lock();
        let of_writer = |kept: &FrameHeader| (kept.origin, kept.gid) == (header.origin, header.gid);
        // What comes again because the subscription was made anew may be older than what is here.
        let numbered = header.publication_seq != 0;
        let newer = |kept: &FrameHeader| {
            numbered && of_writer(kept) && kept.publication_seq >= header.publication_seq
        };
        let mut place = frames.iter().position(|(kept, _)| newer(kept));
        if place.is_some_and(|at| frames[at].0.publication_seq == header.publication_seq) {
            return false;
        }
        let full = frames.iter().filter(|(kept, _)| of_writer(kept)).count() >= self.depth;
        let oldest = match full {
            true => frames.iter().position(|(kept, _)| of_writer(kept)),
            false => (frames.len() >= MAX_FRAMES).then_some(0),
        };
        if full && place.is_some() && place <= oldest {
            return false;
        }
        let mut buffer = Vec::new();
        if let Some((_, reused)) = oldest.and_then(|index| frames.remove(index)) {
            buffer = reused;
            place = place.map(|at| at.saturating_sub(1));
        }
        buffer.clear();
        buffer.extend_from_slice(cdr);
        let place = place.unwrap_or(frames.len());
        frames.insert(place, (*header, buffer));
        true
    }

    /// Sends what is kept to the receiver that just joined, oldest first.
    pub(crate) fn send_to(&self, receiver: u64) -> Result<usize, String> {
        let frames = self.frames.lock();
        for (header, cdr) in frames.iter() {
            // A writer never hears itself, live or later.
            if header.origin == receiver {
                continue;
            }
            let loan = self
                .publisher
                .loan(cdr.len(), Placement::UNKNOWN)
                .map_err(|e| e.to_string())?;
            let mut frame = loan.fill(cdr);
            if let Some(sent) = frame.header_mut() {
                *sent = FrameHeader {
                    cdr_offset: sent.cdr_offset,
                    cdr_len: sent.cdr_len,
                    ..*header
                };
                sent.flags |= FrameFlags::RETAINED.0;
                sent.target = receiver;
            }
            frame.send().map_err(|e| e.to_string())?;
        }
        if !frames.is_empty() {
            self.publisher.notify();
        }
        Ok(frames.len())
    }
}

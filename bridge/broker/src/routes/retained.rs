//! The last frames of a latched (transient_local) topic, kept for AI processes that join later.
//!
//! The broker keeps copies and sends them to a joiner from a port of their own, addressed to that one participant:
//! queues are per connection, so this evicts nobody else's frame. iceoryx2's own history would hold `depth` chunks of every
//! channel for ever, dies with its port, and has to be sized before anybody knows that a topic is latched.

use std::collections::VecDeque;

use iceway_bus::{FrameFlags, FrameHeader, Placement, Publisher};
use parking_lot::Mutex;

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
            frames: Mutex::new(VecDeque::with_capacity(depth)),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Keeps a copy of a frame; the oldest goes when there are more than `depth`.
    pub(crate) fn keep(&self, header: &FrameHeader, cdr: &[u8]) {
        let mut frames = self.frames.lock();
        let mut buffer = Vec::new();
        if frames.len() == self.depth
            && let Some((_, oldest)) = frames.pop_front()
        {
            buffer = oldest;
        }
        buffer.clear();
        buffer.extend_from_slice(cdr);
        frames.push_back((*header, buffer));
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

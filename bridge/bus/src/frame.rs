//! A received frame.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iceway_msg::frame::{FrameHeader, HeaderCopy};

use crate::clock::monotonic_ns;
use crate::fork::ForkGuard;
use crate::subscriber::SubscriberCore;
use crate::wire::IoxSample;

/// A message in shared memory, as a receiver sees it: read-only, and alive as long as the frame is, whatever becomes of the
/// subscriber, the writer or the node. Who wants to share it puts it into an `Arc`.
///
/// In a forked child the bytes stay readable, and dropping frees nothing.
pub struct Frame {
    header: HeaderCopy,
    cdr: NonNull<u8>,
    cdr_len: usize,
    writer_port: u128,
    woken_ns: i64,
    // Dropped before the subscriber: a subscriber that goes first lets the writer reuse the chunk.
    _sample: ForkGuard<IoxSample>,
    _subscriber: Arc<SubscriberCore>,
    /// Count of the writer's frames that are alive, this one included.
    held: Arc<AtomicUsize>,
}

/// Where a frame's CDR bytes lie.
pub(crate) struct FramePlace {
    /// Start of the sample's payload.
    pub(crate) payload: NonNull<u8>,
    /// The bytes in it.
    pub(crate) cdr: std::ops::Range<usize>,
}

// SAFETY: the sample is `Send`; the bytes that `cdr` points to are not written after sending, stay mapped as
// long as the subscriber (kept here) and stay reserved as long as the sample (kept here).
unsafe impl Send for Frame {}
// SAFETY: as above. Shared references reach only plain data and the bytes; the sample, which is not `Sync`, is
// touched in `Drop` alone, through `&mut`.
unsafe impl Sync for Frame {}

impl Drop for Frame {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Frame {
    /// `place` was checked against the payload of `sample`; `held` counts this frame already.
    pub(crate) fn new(
        sample: IoxSample,
        place: &FramePlace,
        header: FrameHeader,
        writer_port: u128,
        subscriber: Arc<SubscriberCore>,
        held: Arc<AtomicUsize>,
    ) -> Self {
        // SAFETY: the range lies inside the payload, by the caller's check.
        let start = unsafe { place.payload.add(place.cdr.start) };
        Self {
            header: header.into(),
            cdr: start,
            cdr_len: place.cdr.len(),
            writer_port,
            woken_ns: monotonic_ns(),
            _sample: ForkGuard::new(sample),
            _subscriber: subscriber,
            held,
        }
    }

    /// The header, as it was on arrival.
    #[must_use]
    pub fn header(&self) -> FrameHeader {
        self.header.get()
    }

    /// The message's CDR bytes, encapsulation included.
    #[must_use]
    pub fn cdr(&self) -> &[u8] {
        // SAFETY: the range is inside the payload of the sample, which is mapped and reserved as long as
        // `self`, and no longer written.
        unsafe { std::slice::from_raw_parts(self.cdr.as_ptr(), self.cdr_len) }
    }

    /// Address of the first CDR byte.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.cdr.as_ptr()
    }

    /// Length of the CDR bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cdr_len
    }

    /// Never: a frame has at least its encapsulation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cdr_len == 0
    }

    /// When it was received: `CLOCK_MONOTONIC`, nanoseconds.
    #[must_use]
    pub fn woken_ns(&self) -> i64 {
        self.woken_ns
    }

    /// Id of the writer's port.
    #[must_use]
    pub fn writer_port(&self) -> u128 {
        self.writer_port
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("seq", &self.header().seq)
            .field("origin", &self.header().origin)
            .field("cdr", &self.cdr)
            .field("cdr_len", &self.cdr_len)
            .finish_non_exhaustive()
    }
}

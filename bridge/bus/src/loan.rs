//! A frame that is being written: first [`Loan`] (uninitialised), then [`FilledLoan`], then sent.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use iceway_msg::frame::{FRAME_VERSION, FrameHeader, cdr_offset_aligned};

use crate::clock::monotonic_ns;
use crate::error::SendError;
use crate::fork::ForkGuard;
use crate::publisher::PublisherCore;
use crate::wire::{IoxFilled, IoxLoan};

/// Where the message is put, so that its largest array starts on a 64-byte boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Offset of the largest array from the first byte of the encapsulation, if it is known (learned from the
    /// previous frame of the route).
    pub array_offset: Option<usize>,
    /// Alignment that the type's body needs (1, 2, 4 or 8).
    pub body_alignment: usize,
}

impl Placement {
    /// The body 8-aligned, nothing known of arrays.
    pub const UNKNOWN: Self = Self {
        array_offset: None,
        body_alignment: 8,
    };

    pub(crate) fn cdr_offset(self) -> usize {
        cdr_offset_aligned(self.array_offset, self.body_alignment)
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl From<Option<usize>> for Placement {
    fn from(array_offset: Option<usize>) -> Self {
        Self {
            array_offset,
            ..Self::UNKNOWN
        }
    }
}

/// The CDR bytes of a loan.
#[derive(Debug)]
struct Place {
    start: NonNull<u8>,
    offset: usize,
    len: usize,
}

// SAFETY: the bytes belong to the loan beside which the place is kept, which may move between threads; nobody
// else has access to a chunk on loan.
unsafe impl Send for Place {}

/// Shared memory for one message, not written yet. Dropping it gives it back.
pub struct Loan {
    // Dropped before the port.
    sample: ForkGuard<IoxLoan>,
    place: Place,
    publisher: Arc<PublisherCore>,
}

impl Loan {
    /// `sample` has room for `offset + len` bytes, backed by memory.
    pub(crate) fn new(
        mut sample: ForkGuard<IoxLoan>,
        payload: NonNull<MaybeUninit<u8>>,
        offset: usize,
        len: usize,
        publisher: Arc<PublisherCore>,
    ) -> Self {
        sample.user_header_mut().0 = FrameHeader::default();
        // SAFETY: the caller loaned `offset + len` bytes from `payload`.
        let start = unsafe { payload.cast::<u8>().add(offset) };
        Self {
            sample,
            place: Place { start, offset, len },
            publisher,
        }
    }

    /// Length of the CDR bytes, encapsulation included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.place.len
    }

    /// True for no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.place.len == 0
    }

    /// Address of the first CDR byte, for writers that cannot take a slice (a middleware's allocator).
    /// Valid for [`Loan::len`] bytes as long as the loan lives.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> NonNull<u8> {
        self.place.start
    }

    /// The bytes to write: exactly [`Loan::len`] of them.
    pub fn as_uninit_slice(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the loan owns these bytes, and is borrowed mutably for the result's lifetime.
        unsafe { std::slice::from_raw_parts_mut(self.place.start.cast().as_ptr(), self.place.len) }
    }

    /// The header. Version, CDR offset and length, `seq`, `origin` and `sent_ns` are set on sending.
    pub fn header_mut(&mut self) -> &mut FrameHeader {
        &mut self.sample.user_header_mut().0
    }

    /// Makes the message shorter: its end is not needed.
    ///
    /// # Panics
    /// If `len` is longer than the loan.
    pub fn shrink_to(&mut self, len: usize) {
        assert!(
            len <= self.place.len,
            "a loan of {} bytes cannot grow to {len}",
            self.place.len
        );
        self.place.len = len;
    }

    /// Says that every byte was written.
    ///
    /// # Safety
    /// All [`Loan::len`] bytes have been written.
    #[must_use]
    pub unsafe fn assume_filled(self) -> FilledLoan {
        let Self {
            sample,
            place,
            publisher,
        } = self;
        // Never `None`: a loan of the parent's is refused on sending, and leaked.
        let process_is_own = sample.is_own();
        let sample = if process_is_own {
            // SAFETY: the caller wrote the message. Bytes before and behind it in the payload are never read as
            // a part of the frame, and `u8` has no invalid values.
            sample
                .into_inner()
                .map(|sample| ForkGuard::new(unsafe { sample.assume_init() }))
        } else {
            std::mem::forget(sample);
            None
        };
        FilledLoan {
            sample,
            place,
            publisher,
        }
    }

    /// Copies `cdr` in.
    ///
    /// # Panics
    /// If `cdr` has not exactly [`Loan::len`] bytes.
    #[must_use]
    pub fn fill(mut self, cdr: &[u8]) -> FilledLoan {
        assert_eq!(
            cdr.len(),
            self.place.len,
            "the message has to fill its loan"
        );
        // SAFETY: `cdr` and the loan have the same length, and do not overlap: the loan is borrowed mutably.
        unsafe {
            std::ptr::copy_nonoverlapping(cdr.as_ptr(), self.as_mut_ptr().as_ptr(), cdr.len());
        }
        // SAFETY: all bytes were just written.
        unsafe { self.assume_filled() }
    }

    /// Writes zero everywhere.
    #[must_use]
    pub fn fill_zero(mut self) -> FilledLoan {
        self.as_uninit_slice().fill(MaybeUninit::new(0));
        // SAFETY: all bytes were just written.
        unsafe { self.assume_filled() }
    }
}

/// A written message, ready to be sent. Dropping it gives it back.
pub struct FilledLoan {
    /// `None` in a forked child.
    sample: Option<ForkGuard<IoxFilled>>,
    place: Place,
    publisher: Arc<PublisherCore>,
}

impl FilledLoan {
    /// The CDR bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the bytes are initialised, and belong to the loan, which is borrowed for the lifetime.
        unsafe { std::slice::from_raw_parts(self.place.start.as_ptr(), self.place.len) }
    }

    /// The CDR bytes, to change them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.place.start.as_ptr(), self.place.len) }
    }

    /// The header. Version, CDR offset and length, `seq`, `origin` and `sent_ns` are set on sending.
    ///
    /// `None` in a forked child.
    pub fn header_mut(&mut self) -> Option<&mut FrameHeader> {
        self.sample
            .as_mut()
            .map(|sample| &mut sample.user_header_mut().0)
    }

    /// Sends the frame to all receivers that are connected, and returns their number (receivers of the own
    /// process included). Wake them afterwards: [`crate::Publisher::notify`].
    ///
    /// Never waits: a receiver whose queue is full loses its oldest frame, and counts it.
    ///
    /// # Errors
    /// What iceoryx2 says; the frame's sequence number is used up.
    pub fn send(self) -> Result<usize, SendError> {
        let Self {
            sample,
            place,
            publisher,
        } = self;
        let sample = sample
            .and_then(ForkGuard::into_inner)
            .ok_or(SendError::Forked)?;
        publisher.send(sample, place.offset, place.len)
    }

    /// [`FilledLoan::send`], then wakes the receivers.
    ///
    /// # Errors
    /// As [`FilledLoan::send`].
    pub fn send_and_notify(self) -> Result<usize, SendError> {
        let publisher = self.publisher.clone();
        let receivers = self.send()?;
        publisher.notify();
        Ok(receivers)
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FilledLoan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilledLoan")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Completes the header of a frame that is being sent.
pub(crate) fn complete_header(
    header: &mut FrameHeader,
    offset: usize,
    len: usize,
    origin: u64,
    seq: u64,
    drops: u64,
) {
    header.version = FRAME_VERSION;
    header.cdr_offset = offset as u32;
    header.cdr_len = len as u64;
    header.origin = origin;
    header.seq = seq;
    header.writer_drops = drops;
    header.sent_ns = monotonic_ns();
}

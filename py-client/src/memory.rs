//! The memory under messages and arrays, and who keeps it alive.
//!
//! A [`Hold`] owns bytes: a received frame, a Python object, a private buffer, a loan. Every array and
//! every message has a share of it, so the bytes outlive whoever can reach them. A [`Memory`] is what the
//! messages over one hold have in common; it can let go of the hold early ([`Memory::release`]), after
//! which those messages raise, and arrays live on.
#![allow(unsafe_code)]

use std::alloc::{Layout as AllocLayout, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iceway_msg::frame::HeaderCopy;
use parking_lot::{Mutex, RwLock};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::fork;

/// A zeroed heap buffer whose start is 64-byte aligned.
pub(crate) struct AlignedBuffer {
    start: NonNull<u8>,
    layout: AllocLayout,
}

// SAFETY: the buffer is plain memory that the value owns.
unsafe impl Send for AlignedBuffer {}
// SAFETY: through a shared reference only the address can be had.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    pub(crate) fn new(len: usize) -> Self {
        let layout = AllocLayout::from_size_align(len.max(1), 64).expect("a size below isize::MAX");
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Self { start, layout }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: `start` was allocated with this layout, and is freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// Bytes of a message, kept alive.
pub(crate) struct Hold {
    start: NonNull<u8>,
    len: usize,
    /// Arrays over it may be written to: a private copy, or a loan that is not sent yet.
    writable: AtomicBool,
    /// What owns the bytes; dropped with the last share.
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the bytes belong to `_owner`, which is Send and Sync; the address itself may be shared.
unsafe impl Send for Hold {}
// SAFETY: as above. Writers are Python's arrays, which synchronise (or do not) as all NumPy arrays.
unsafe impl Sync for Hold {}

impl Hold {
    /// Bytes that `owner` keeps alive.
    ///
    /// # Safety
    /// `len` bytes at `start` stay mapped and initialised for as long as `owner` lives, wherever it is
    /// moved to. If `writable`, they may be written to, and nobody holds a Rust reference to them.
    pub(crate) unsafe fn new(
        start: *const u8,
        len: usize,
        writable: bool,
        owner: impl Any + Send + Sync,
    ) -> Option<Self> {
        let start = NonNull::new(start.cast_mut())?;
        Some(Self {
            start,
            len,
            writable: AtomicBool::new(writable),
            _owner: Box::new(owner),
        })
    }

    /// A private, writable copy of a message, placed so that its body is 8-aligned and the array at
    /// `array_offset` starts on a 64-byte boundary where that is possible.
    pub(crate) fn copy_of(bytes: &[u8], array_offset: Option<usize>, alignment: usize) -> Self {
        let at = iceway_msg::frame::cdr_offset_aligned(array_offset, alignment);
        let buffer = AlignedBuffer::new(at + bytes.len());
        // SAFETY: the buffer has `at + bytes.len()` bytes and is not shared yet.
        let start = unsafe { buffer.start.add(at) };
        // SAFETY: as above; a fresh allocation does not overlap `bytes`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
        Self {
            start,
            len: bytes.len(),
            writable: AtomicBool::new(true),
            _owner: Box::new(buffer),
        }
    }

    /// The bytes. Python may write to arrays among them at the same time, as with any buffer that is
    /// shared with NumPy; lengths and strings, which steer the walk, cannot be written to.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: by the contract of `new` (and by allocation in `copy_of`) the bytes are mapped and
        // initialised while `self` lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    pub(crate) fn make_read_only(&self) {
        self.writable.store(false, Ordering::Relaxed);
    }
}

/// The base of arrays: keeps their bytes alive.
#[pyclass(frozen, module = "iceway._iceway", name = "_Owner")]
pub(crate) struct Owner {
    _hold: Arc<Hold>,
}

impl Owner {
    pub(crate) fn new(hold: &Arc<Hold>) -> Self {
        Self {
            _hold: Arc::clone(hold),
        }
    }
}

/// Where a message came from; see `iceway.Info`.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    pub(crate) topic: Arc<str>,
    pub(crate) header: HeaderCopy,
    /// Written by a ROS node, as opposed to a participant of the bus.
    pub(crate) from_ros: bool,
    /// False for offline bytes, copies and loans: there is no header.
    pub(crate) received: bool,
    pub(crate) woken_ns: i64,
}

/// Why messages over a memory cannot be read any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Released,
    LoanEnded,
}

enum State {
    Held(Arc<Hold>),
    Gone(Gone),
}

/// What the messages over one hold share.
pub(crate) struct Memory {
    state: RwLock<State>,
    generation: u32,
    pub(crate) origin: Origin,
    /// Arrays given out while writable, to be made read-only when a loan ends. `None` if nothing is
    /// recorded: private copies stay writable.
    handed_out: Option<Mutex<Vec<Py<PyAny>>>>,
}

impl Memory {
    pub(crate) fn new(hold: Hold, origin: Origin) -> Arc<Self> {
        Arc::new(Self {
            state: RwLock::new(State::Held(Arc::new(hold))),
            generation: fork::generation(),
            origin,
            handed_out: None,
        })
    }

    /// Memory of a loan: arrays given out are recorded.
    pub(crate) fn of_loan(hold: Hold, origin: Origin) -> Arc<Self> {
        Arc::new(Self {
            state: RwLock::new(State::Held(Arc::new(hold))),
            generation: fork::generation(),
            origin,
            handed_out: Some(Mutex::new(Vec::new())),
        })
    }

    /// The bytes, unless they are gone or belong to the parent process.
    pub(crate) fn hold(&self, py: Python<'_>) -> PyResult<Arc<Hold>> {
        if self.generation != fork::generation() && self.origin.received {
            return Err(raise(
                py,
                "Forked",
                "this message was received before os.fork() and belongs to the parent process: copy it before \
                 forking (iceway.copy), or connect and subscribe in this process",
            ));
        }
        // The lock is released before Python is called: that may run anything, `release` included.
        let gone = match &*self.state.read() {
            State::Held(hold) => return Ok(Arc::clone(hold)),
            State::Gone(gone) => *gone,
        };
        Err(match gone {
            Gone::Released => raise(
                py,
                "Released",
                "this message was given back with iceway.release(): take what you need from it before, or copy it \
                 with iceway.copy()",
            ),
            Gone::LoanEnded => raise(
                py,
                "LoanError",
                "this loan has ended: fill its fields inside the with block, and get a new loan for the next message",
            ),
        })
    }

    /// Lets go of the bytes. True if nothing holds them any more.
    pub(crate) fn release(&self, why: Gone) -> bool {
        let state = std::mem::replace(&mut *self.state.write(), State::Gone(why));
        match state {
            State::Held(hold) => Arc::into_inner(hold).is_some(),
            State::Gone(_) => true,
        }
    }

    /// True while the bytes are held.
    pub(crate) fn is_held(&self) -> bool {
        matches!(&*self.state.read(), State::Held(_))
    }

    /// Remembers a writable array over a loan.
    pub(crate) fn record(&self, array: Py<PyAny>) {
        if let Some(handed_out) = &self.handed_out {
            handed_out.lock().push(array);
        }
    }

    /// The writable arrays given out so far; they are forgotten.
    pub(crate) fn take_handed_out(&self) -> Vec<Py<PyAny>> {
        self.handed_out
            .as_ref()
            .map(|handed_out| std::mem::take(&mut *handed_out.lock()))
            .unwrap_or_default()
    }
}

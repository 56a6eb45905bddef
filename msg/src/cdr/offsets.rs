//! Remembered positions of a message's fields.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::layout::Layout;

/// Where the fields of **one** message start, as far as they have been found. Kept beside the message (a
/// view, a Python object), and filled by [`Layout::locate`]. It may be shared between threads: each
/// position depends only on the message's bytes, so whoever writes it writes the same.
///
/// The message's bytes must not change while it is in use; if they do, results are wrong but never out of
/// bounds.
#[derive(Debug, Default)]
pub struct Offsets {
    /// Position of each field's start (before alignment), and of the message's end. 0 is unknown: no
    /// field starts inside the encapsulation.
    starts: Box<[AtomicUsize]>,
}

impl Offsets {
    /// Nothing found yet. Allocates only for types of variable size.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        if layout.is_fixed() {
            return Self::default();
        }
        Self {
            starts: (0..=layout.fields().len())
                .map(|_| AtomicUsize::new(0))
                .collect(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<usize> {
        // Relaxed: the position is the whole message; nothing else is published by it.
        let pos = self.starts.get(index)?.load(Ordering::Relaxed);
        (pos != 0).then_some(pos)
    }

    #[inline]
    pub(crate) fn set(&self, index: usize, pos: usize) {
        if let Some(start) = self.starts.get(index) {
            start.store(pos, Ordering::Relaxed);
        }
    }
}

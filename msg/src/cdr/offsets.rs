//! Remembered positions of a message's fields.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::layout::Layout;

/// Positions that are kept without an allocation.
const INLINE: usize = 8;

/// Where the variable-size fields of **one** message end, as far as they have been found: all that is needed
/// to find the others. Kept beside the message (a view, a Python object), and filled by
/// [`Layout::locate`]. It may be shared between threads: each position depends only on the message's
/// bytes, so whoever writes it writes the same.
///
/// The message's bytes must not change while it is in use; if they do, results are wrong but never out of
/// bounds.
#[derive(Debug, Default)]
pub struct Offsets {
    /// 0 is unknown: no field ends inside the encapsulation. Positions beyond 32 bits are not kept.
    first: [AtomicU32; INLINE],
    more: Box<[AtomicU32]>,
}

impl Offsets {
    /// Nothing found yet. Allocates only for types with more than eight fields of variable size.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let more = layout.variable_fields().saturating_sub(INLINE);
        Self {
            first: Default::default(),
            more: (0..more).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&AtomicU32> {
        self.first
            .get(index)
            .or_else(|| self.more.get(index - INLINE))
    }

    /// The end of the variable-size field with this number.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<usize> {
        // Relaxed: the position is the whole message; nothing else is published by it.
        let pos = self.slot(index)?.load(Ordering::Relaxed);
        (pos != 0).then_some(pos as usize)
    }

    #[inline]
    pub(crate) fn set(&self, index: usize, pos: usize) {
        if let (Some(slot), Ok(pos)) = (self.slot(index), u32::try_from(pos)) {
            slot.store(pos, Ordering::Relaxed);
        }
    }
}

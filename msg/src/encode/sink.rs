//! Filling uninitialised memory. The only `unsafe` code of the writer is here.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use crate::error::EncodeErrorKind;

/// A stretch of output that is filled from front to back.
///
/// Invariant: the first `filled` bytes of `out` are initialised, and `filled <= out.len()`.
#[derive(Debug)]
pub struct Sink<'a> {
    out: &'a mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'a> Sink<'a> {
    /// An empty sink over `out`.
    #[must_use]
    pub fn new(out: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { out, filled: 0 }
    }

    /// Bytes that are still to be filled.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.out.len() - self.filled
    }

    /// Bytes filled so far.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Appends `bytes`.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeErrorKind> {
        let expected = self.out.len();
        let Some(target) = self.out[self.filled..].get_mut(..bytes.len()) else {
            return Err(EncodeErrorKind::ShortArray {
                expected,
                found: self.filled + bytes.len(),
            });
        };
        // SAFETY: `target` is `bytes.len()` writable bytes, borrowed mutably, so the two do not overlap;
        // writing `u8`s to `MaybeUninit<u8>`s is valid for any content of theirs.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.as_mut_ptr().cast(), bytes.len());
        }
        self.filled += bytes.len();
        Ok(())
    }

    /// Appends `bytes` with the bytes of each element of `size` reversed: from the other byte order.
    pub fn put_swapped(&mut self, bytes: &[u8], size: usize) -> Result<(), EncodeErrorKind> {
        let mut swapped = [0; 8];
        for element in bytes.chunks_exact(size.clamp(1, 8)) {
            let swapped = &mut swapped[..element.len()];
            swapped.copy_from_slice(element);
            swapped.reverse();
            self.put(swapped)?;
        }
        Ok(())
    }

    /// Appends `n` zero bytes.
    pub fn put_zeros(&mut self, n: usize) -> Result<(), EncodeErrorKind> {
        let expected = self.out.len();
        let Some(target) = self.out[self.filled..].get_mut(..n) else {
            return Err(EncodeErrorKind::ShortArray {
                expected,
                found: self.filled.saturating_add(n),
            });
        };
        target.fill(MaybeUninit::new(0));
        self.filled += n;
        Ok(())
    }

    /// Where the next byte goes, for code that writes by pointer ([`Sink::remaining`] bytes may be
    /// written), to be followed by [`Sink::advance`].
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.out[self.filled..].as_mut_ptr().cast()
    }

    /// Says that `n` more bytes have been written through [`Sink::as_mut_ptr`].
    ///
    /// # Safety
    /// The next `n` bytes have been initialised, and `n` is at most [`Sink::remaining`].
    pub unsafe fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.remaining());
        self.filled += n;
    }

    /// The filled bytes.
    #[must_use]
    pub fn filled_bytes(&mut self) -> &mut [u8] {
        let filled = &mut self.out[..self.filled];
        // SAFETY: by the invariant these bytes are initialised; `MaybeUninit<u8>` has the layout of `u8`,
        // and the result borrows `self` mutably, so nobody else reaches them meanwhile.
        unsafe { std::slice::from_raw_parts_mut(filled.as_mut_ptr().cast(), filled.len()) }
    }

    /// Leaves `n` bytes as they are, whatever they hold: they become the caller's business.
    ///
    /// The sink's filled part starts anew behind them.
    pub(super) fn leave(self, n: usize) -> Sink<'a> {
        let at = (self.filled + n).min(self.out.len());
        Sink {
            out: &mut self.out[at..],
            filled: 0,
        }
    }

    /// The next `n` bytes as a sink of their own, and the sink behind them.
    pub(super) fn split(self, n: usize) -> (Sink<'a>, Sink<'a>) {
        let rest = &mut self.out[self.filled..];
        let n = n.min(rest.len());
        let (first, second) = rest.split_at_mut(n);
        (Sink::new(first), Sink::new(second))
    }
}

/// Appends `n` bytes that `fill` provides to `bytes`. On an error, or if `fill` gives less than `n`,
/// `bytes` is as before.
pub(super) fn append(
    bytes: &mut Vec<u8>,
    n: usize,
    fill: impl FnOnce(&mut Sink<'_>) -> Result<(), EncodeErrorKind>,
) -> Result<(), EncodeErrorKind> {
    bytes.reserve(n);
    let mut sink = Sink::new(&mut bytes.spare_capacity_mut()[..n]);
    fill(&mut sink)?;
    let found = sink.filled();
    if found != n {
        return Err(EncodeErrorKind::ShortArray { expected: n, found });
    }
    let len = bytes.len() + n;
    // SAFETY: `n` bytes of spare capacity exist, and the sink says that all of them are initialised.
    unsafe { bytes.set_len(len) };
    Ok(())
}

//! Fork safety: shared-memory objects of the parent are left alone in a forked child.
//!
//! A child that dropped an inherited port would unregister the parent's. So everything that owns shared
//! memory sits in a [`ForkGuard`], which leaks its content in a process other than its own. The process
//! is known by a page that the kernel wipes in every forked child, so that the check is one load and not a
//! system call.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// A page that is zero in a new process.
struct WipedPage(NonNull<AtomicU32>);

// SAFETY: the pointer leads to an atomic in a mapping that is never unmapped.
unsafe impl Send for WipedPage {}
// SAFETY: as above; atomics may be used from all threads.
unsafe impl Sync for WipedPage {}

static PAGE: OnceLock<Option<WipedPage>> = OnceLock::new();

fn map_page() -> Option<WipedPage> {
    let len = rustix::param::page_size();
    // SAFETY: a fresh anonymous mapping at an address that the kernel chooses overlaps nothing.
    let page = unsafe {
        mmap_anonymous(
            std::ptr::null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }
    .ok()?;
    // SAFETY: the range is the private anonymous mapping made above; WIPEONFORK changes children only.
    if unsafe { madvise(page, len, Advice::LinuxWipeOnFork) }.is_err() {
        // SAFETY: nobody else knows of the mapping.
        let _ = unsafe { rustix::mm::munmap(page, len) };
        return None;
    }
    NonNull::new(page.cast()).map(WipedPage)
}

/// The id of this process. Cheap: no system call, except for the first call in a process.
pub(crate) fn process() -> u32 {
    match PAGE.get_or_init(map_page) {
        None => std::process::id(),
        Some(page) => {
            // SAFETY: the mapping is page-aligned, at least 4 bytes long, zero or written below through
            // the same atomic, and stays mapped for the life of the process.
            let cell = unsafe { page.0.as_ref() };
            match cell.load(Ordering::Relaxed) {
                0 => {
                    let id = std::process::id();
                    cell.store(id, Ordering::Relaxed);
                    id
                }
                id => id,
            }
        }
    }
}

/// Owns a `T`, and leaks it in a forked child.
#[derive(Debug)]
pub(crate) struct ForkGuard<T> {
    value: ManuallyDrop<T>,
    process: u32,
}

impl<T> ForkGuard<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: ManuallyDrop::new(value),
            process: process(),
        }
    }

    /// False in a forked child.
    pub(crate) fn is_own(&self) -> bool {
        self.process == process()
    }

    /// The content; `None` in a forked child, where it is leaked.
    pub(crate) fn into_inner(self) -> Option<T> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped nor used again, so the value is taken once.
        this.is_own()
            .then(|| unsafe { ManuallyDrop::take(&mut this.value) })
    }
}

impl<T> Deref for ForkGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for ForkGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for ForkGuard<T> {
    fn drop(&mut self) {
        if self.is_own() {
            // SAFETY: drop runs once, and `into_inner` keeps it from running.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}

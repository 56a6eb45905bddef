//! Knowing that this process was forked: objects of the parent must not be used in the child.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often this process, or an ancestor since iceway was imported, was forked.
static GENERATION: AtomicU32 = AtomicU32::new(0);

extern "C" fn count() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Starts counting. Called when the module is imported.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `count` is async-signal-safe (one atomic addition) and lives as long as the process, since
        // Python never unloads extension modules. A failure (no memory) leaves the counter at zero.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
}

/// Which process this is, told apart from its parents. One load.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

//! Keeping the process's umask out of harm's way.
//!
//! iceoryx2 sets the umask of the whole process to 0177 while it binds a listener's socket. Meanwhile folders that
//! other threads create cannot be entered, and two listeners at once can leave the umask so for good. So listeners
//! are created by a short-lived thread whose umask is its own.
#![allow(unsafe_code)]

use std::io;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::thread::{UnshareFlags, unshare_unsafe};

static UMASK: Mutex<()> = Mutex::new(());

/// While it is held, nothing in this crate changes the process's umask.
pub(crate) fn steady() -> MutexGuard<'static, ()> {
    UMASK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `bind`, which may change the umask, without other threads noticing; where the system does not let a thread
/// have its own (some containers), at least one at a time.
///
/// # Errors
/// No thread could be started.
pub(crate) fn isolated<T: Send>(bind: impl FnOnce() -> T + Send) -> io::Result<T> {
    let isolated = || {
        // SAFETY: this concerns the calling thread's umask and working directory only, and that thread ends here;
        // file descriptors stay shared.
        match unsafe { unshare_unsafe(UnshareFlags::FS) } {
            Ok(()) => bind(),
            Err(_) => {
                let _steady = steady();
                bind()
            }
        }
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, isolated)?;
        thread.join().map_or_else(|panic| resume_unwind(panic), Ok)
    })
}

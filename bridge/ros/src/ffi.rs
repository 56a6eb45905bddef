//! What all calls to rcl share.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};

use parking_lot::{Mutex, MutexGuard};

use crate::error::RosError;

/// The right to make and end rcl entities. rcl does not allow that on two threads at once (rcl/node.h, rcl/subscription.h:
/// "Thread-Safe: No"), so there is one, behind a lock.
pub(crate) struct Entities(());

static ENTITIES: Mutex<Entities> = Mutex::new(Entities(()));

/// Held while an rcl entity is made or ended.
pub(crate) fn entities() -> MutexGuard<'static, Entities> {
    ENTITIES.lock()
}

/// Success, or rcl's error with its message; the thread's error state is reset.
pub(crate) fn check(call: &'static str, code: i32) -> Result<(), RosError> {
    if code == 0 {
        Ok(())
    } else {
        Err(RosError::Call {
            call,
            code,
            message: take_error(),
        })
    }
}

/// The thread's last error message, which is taken away.
pub(crate) fn take_error() -> String {
    // SAFETY: the returned struct holds a NUL-terminated string by value; both calls only touch this thread's error state.
    unsafe {
        let error = r2r_rcl::rcutils_get_error_string();
        let message = CStr::from_ptr(error.str_.as_ptr().cast::<c_char>())
            .to_string_lossy()
            .into_owned();
        r2r_rcl::rcutils_reset_error();
        message
    }
}

/// Forgets the thread's last error; every failed call must be followed by this, or the next one warns.
pub(crate) fn reset_error() {
    // SAFETY: touches only this thread's error state.
    unsafe { r2r_rcl::rcutils_reset_error() }
}

pub(crate) fn c_string(text: &str) -> Result<CString, RosError> {
    CString::new(text).map_err(|_| RosError::Nul(text.to_owned()))
}

/// A copy of a C string; empty for NULL.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that lives during the call.
pub(crate) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn allocator() -> r2r_rcl::rcutils_allocator_t {
    // SAFETY: returns a struct of function pointers; no preconditions.
    unsafe { r2r_rcl::rcutils_get_default_allocator() }
}

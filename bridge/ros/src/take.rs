//! Taking serialized messages straight into memory of the caller's choice.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use r2r_rcl as rcl;

use crate::error::RosError;
use crate::ffi::{reset_error, take_error};

/// Gives memory for a message.
pub trait TakeSink {
    /// Called with the exact size of the serialized message (encapsulation header and body) before it is written. The first `len` bytes
    /// of what it gives are then written to; it must give at least as many. `None`: the message is dropped.
    ///
    /// It may be called more than once in one take: a middleware may discard a message after it was written (one of this process,
    /// with `ignore_local`) and go on to the next. What was given before is then void.
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]>;
}

/// How a take ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The first `len` bytes of what the sink gave last are written.
    Message {
        /// Bytes written.
        len: usize,
        /// What the middleware tells of the message.
        info: MessageInfo,
    },
    /// The sink gave no memory; the message is gone.
    Refused {
        /// Its size.
        len: usize,
    },
    /// A message of one of this process's own publishers: not for the caller, whatever was loaned.
    Echo,
    /// There is none; what the sink gave, if it was asked at all, is not used.
    Empty,
}

/// What the middleware tells of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageInfo {
    /// When the publisher sent it: `CLOCK_REALTIME`, nanoseconds.
    pub source_ns: i64,
    /// When the middleware received it: `CLOCK_REALTIME`, nanoseconds.
    pub received_ns: i64,
    /// Its number among its publisher's messages, from 1; 0 where the middleware does not number.
    pub publication_seq: u64,
    /// Its publisher's id, padded with zeros.
    pub gid: [u8; 24],
}

impl MessageInfo {
    pub(crate) fn from_rmw(info: &rcl::rmw_message_info_t) -> Self {
        // rmw's "not supported" is the largest number.
        let publication_seq = Some(info.publication_sequence_number)
            .filter(|n| *n != u64::MAX)
            .unwrap_or(0);
        let mut gid = [0; 24];
        let data = &info.publisher_gid.data;
        gid[..data.len()].copy_from_slice(data);
        Self {
            source_ns: info.source_timestamp,
            received_ns: info.received_timestamp,
            publication_seq,
            gid,
        }
    }
}

/// Which way messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakePath {
    /// `rcl_take_serialized_message`: works with every middleware; inside rmw_fastrtps it copies twice.
    Serialized,
    /// Fast DDS only: its payload is copied once, straight to the sink. See `fastdds.rs`.
    SingleCopy,
}

/// The sink and what became of it, as C sees it.
pub(crate) struct SinkState<'a> {
    sink: &'a mut dyn TakeSink,
    asked: Asked,
    /// A panic of the sink, kept until C has returned.
    panic: Option<Box<dyn Any + Send>>,
}

/// The sink's answer to the last message.
#[derive(Clone, Copy)]
enum Asked {
    Nothing,
    Gave { len: usize },
    Refused { len: usize },
}

impl<'a> SinkState<'a> {
    pub(crate) fn new(sink: &'a mut dyn TakeSink) -> Self {
        Self {
            sink,
            asked: Asked::Nothing,
            panic: None,
        }
    }

    /// Asks the sink for `len` bytes, which are valid for writing until it is asked again or the state ends. NULL: refused.
    /// Does not unwind, so that C can call it: a panic of the sink is a refusal here, and goes on in [`finish`].
    pub(crate) fn ask(&mut self, len: usize) -> *mut u8 {
        self.asked = Asked::Refused { len };
        if self.panic.is_some() {
            return ptr::null_mut();
        }
        let sink = &mut *self.sink;
        let gave = catch_unwind(AssertUnwindSafe(|| {
            let memory = sink.loan(len)?;
            assert!(
                memory.len() >= len,
                "the sink gave {} bytes for a message of {len}",
                memory.len()
            );
            Some(memory.as_mut_ptr().cast::<u8>())
        }));
        match gave {
            Ok(Some(memory)) => {
                self.asked = Asked::Gave { len };
                memory
            }
            Ok(None) => ptr::null_mut(),
            Err(panic) => {
                self.panic = Some(panic);
                ptr::null_mut()
            }
        }
    }
}

/// The allocator's `reallocate`: called by the rmw with the exact size for an empty buffer. This *is* the loan.
unsafe extern "C" fn reallocate(old: *mut c_void, len: usize, state: *mut c_void) -> *mut c_void {
    if !old.is_null() {
        return ptr::null_mut(); // growing a loan is not possible
    }
    // SAFETY: `state` is the SinkState that `take_serialized` put into the allocator, alive and not otherwise borrowed during the call.
    let state = unsafe { &mut *state.cast::<SinkState<'_>>() };
    state.ask(len).cast()
}

unsafe extern "C" fn allocate(len: usize, state: *mut c_void) -> *mut c_void {
    // SAFETY: same contract as `reallocate`.
    unsafe { reallocate(ptr::null_mut(), len, state) }
}

unsafe extern "C" fn zero_allocate(count: usize, size: usize, state: *mut c_void) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: same contract as `reallocate`.
        Some(len) => unsafe { reallocate(ptr::null_mut(), len, state) },
        None => ptr::null_mut(),
    }
}

/// The memory is the sink's: nothing to free.
unsafe extern "C" fn deallocate(_: *mut c_void, _: *mut c_void) {}

/// Takes through `rcl_take_serialized_message`.
///
/// # Safety
/// `subscription` is initialised, and not ended during the call.
pub(crate) unsafe fn take_serialized(
    subscription: *const rcl::rcl_subscription_t,
    sink: &mut dyn TakeSink,
) -> Result<Taken, RosError> {
    let mut state = SinkState::new(sink);
    let allocator = rcl::rcutils_allocator_t {
        allocate: Some(allocate),
        deallocate: Some(deallocate),
        reallocate: Some(reallocate),
        zero_allocate: Some(zero_allocate),
        state: (&raw mut state).cast(),
    };
    let mut message = rcl::rcl_serialized_message_t {
        buffer: ptr::null_mut(),
        buffer_length: 0,
        buffer_capacity: 0,
        allocator,
    };
    let mut info = rcl::rmw_message_info_t::default();
    // SAFETY: the subscription is valid by this function's contract; message, info and the state behind the allocator live during the call,
    // and the rmw writes at most `len` bytes to what `reallocate` gave for `len`.
    let code = unsafe {
        rcl::rcl_take_serialized_message(
            subscription,
            &raw mut message,
            &raw mut info,
            ptr::null_mut(),
        )
    };
    finish(
        "rcl_take_serialized_message",
        code,
        state,
        Some(message.buffer_length),
        &info,
    )
}

/// What a take's return code means; `written` is how much the middleware says that it wrote. A panic of the sink goes on here,
/// where no C is below.
pub(crate) fn finish(
    call: &'static str,
    code: i32,
    state: SinkState<'_>,
    written: Option<usize>,
    info: &rcl::rmw_message_info_t,
) -> Result<Taken, RosError> {
    let SinkState { asked, panic, .. } = state;
    let taken = match (code, asked) {
        (0, Asked::Gave { len }) => Taken::Message {
            len: written.unwrap_or(len).min(len),
            info: MessageInfo::from_rmw(info),
        },
        (code, _) if code == rcl::RCL_RET_SUBSCRIPTION_TAKE_FAILED as i32 => Taken::Empty,
        (_, Asked::Refused { len }) => Taken::Refused { len },
        (code, _) => {
            return Err(RosError::Call {
                call,
                code,
                message: take_error(),
            });
        }
    };
    if code != 0 {
        reset_error();
    }
    match panic {
        Some(panic) => resume_unwind(panic),
        None => Ok(taken),
    }
}

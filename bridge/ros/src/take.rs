//! Taking serialized messages straight into memory of the caller's choice.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use r2r_rcl as rcl;

use crate::error::RosError;
use crate::ffi::{reset_error, take_error};

/// Gives memory for a message.
pub trait TakeSink {
    /// Called at most once per take, with the exact size of the serialized message (encapsulation header and body), before it is
    /// written. The memory must hold `len` bytes and stay valid until the take returns. `None`: the message is dropped.
    fn loan(&mut self, len: usize) -> Option<NonNull<u8>>;
}

/// How a take ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// `len` bytes were written to what the sink gave.
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
    /// There is none.
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
    /// The size that was asked for, once it was.
    pub(crate) asked: Option<usize>,
    /// What the sink gave.
    pub(crate) given: Option<NonNull<u8>>,
}

impl<'a> SinkState<'a> {
    pub(crate) fn new(sink: &'a mut dyn TakeSink) -> Self {
        Self {
            sink,
            asked: None,
            given: None,
        }
    }

    /// Asks the sink, once. A panic in it must not unwind into C: it counts as a refusal.
    pub(crate) fn ask(&mut self, len: usize) -> Option<NonNull<u8>> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = Some(len);
        self.given = catch_unwind(AssertUnwindSafe(|| self.sink.loan(len)))
            .ok()
            .flatten();
        self.given
    }
}

/// The allocator's `reallocate`: called by the rmw with the exact size for an empty buffer. This *is* the loan.
unsafe extern "C" fn reallocate(old: *mut c_void, len: usize, state: *mut c_void) -> *mut c_void {
    if !old.is_null() {
        return ptr::null_mut(); // growing a loan is not possible
    }
    // SAFETY: `state` is the SinkState that `take_serialized` put into the allocator, alive and not otherwise borrowed during the call.
    let state = unsafe { &mut *state.cast::<SinkState<'_>>() };
    state
        .ask(len)
        .map_or(ptr::null_mut(), |p| p.as_ptr().cast())
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
        &state,
        message.buffer_length,
        &info,
    )
}

/// What a take's return code means.
pub(crate) fn finish(
    call: &'static str,
    code: i32,
    state: &SinkState<'_>,
    written: usize,
    info: &rcl::rmw_message_info_t,
) -> Result<Taken, RosError> {
    match (code, state.asked) {
        (0, Some(_)) if state.given.is_some() => Ok(Taken::Message {
            len: written,
            info: MessageInfo::from_rmw(info),
        }),
        (_, Some(len)) if state.given.is_none() => {
            reset_error();
            Ok(Taken::Refused { len })
        }
        (code, _) if code == rcl::RCL_RET_SUBSCRIPTION_TAKE_FAILED as i32 => {
            reset_error();
            Ok(Taken::Empty)
        }
        (code, _) => Err(RosError::Call {
            call,
            code,
            message: take_error(),
        }),
    }
}

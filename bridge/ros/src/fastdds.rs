//! One copy less on rmw_fastrtps: the DDS payload is copied once, straight to where the caller wants it.
//!
//! `rcl_take_serialized_message` of rmw_fastrtps deserializes into a buffer of its own and copies that. Here the subscription is made with a type
//! support whose Fast DDS callbacks are ours. `rcl_take` then hands Fast DDS's own `Cdr` of the received payload to our "deserialize", with
//! the sink in the place of the message. The payload's length is found by `Cdr::jump`, an exported function of Fast CDR that
//! fails at the end of the buffer, so no private layout is relied on.
//!
//! This leans on an interface between rmw_fastrtps and its type supports (`message_type_support_callbacks_t`, as in Jazzy and Kilted). It is
//! used only if the middleware is rmw_fastrtps_cpp, the symbols are there, and a start-up test has taken known messages through it
//! (`self_test.rs`). Otherwise, and for everything else, the portable path is taken.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use iceway_msg::TypeName;
use parking_lot::Mutex;
use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::take::{SinkState, TakeSink, Taken, finish};
use crate::type_support::TypeSupport;

/// What rmw_fastrtps looks for in a C type support.
const FASTRTPS_C: &CStr = c"rosidl_typesupport_fastrtps_c";

/// The only middleware with this interface.
const MIDDLEWARE: &str = "rmw_fastrtps_cpp";

/// Whether the middleware and what is needed of it are here at all; else why not.
pub(crate) fn present(context: &Context) -> Result<(), String> {
    if context.middleware() != MIDDLEWARE {
        return Err(format!("it is for {MIDDLEWARE} only"));
    }
    fast_cdr()
        .map(|_| ())
        .ok_or_else(|| "this version of Fast CDR does not export what it needs".to_owned())
}

/// Whether the middleware can leave out a context's own messages without harm. rmw_fastrtps (Jazzy, Kilted) cannot: when a serialized take
/// meets such a message, it also loses the one behind it, since its buffer can be filled only once.
pub(crate) fn ignores_local_well(context: &Context) -> bool {
    !context.middleware().starts_with("rmw_fastrtps")
}

/// `message_type_support_callbacks_t` of rosidl_typesupport_fastrtps_cpp (message_type_support.h).
#[repr(C)]
struct Callbacks {
    message_namespace: *const c_char,
    message_name: *const c_char,
    serialize: unsafe extern "C" fn(*const c_void, *mut c_void) -> bool,
    deserialize: unsafe extern "C" fn(*mut c_void, *mut c_void) -> bool,
    serialized_size: unsafe extern "C" fn(*const c_void) -> u32,
    max_serialized_size: unsafe extern "C" fn(*mut c_char) -> usize,
    key_callbacks: *const c_void,
}

/// Exported member functions of Fast CDR's class `Cdr`; `this` comes first.
struct FastCdr {
    buffer: Position,
    position: Position,
    jump: Jump,
}
type Position = unsafe extern "C" fn(*mut c_void) -> *mut u8;
type Jump = unsafe extern "C" fn(*mut c_void, usize) -> bool;

fn fast_cdr() -> Option<&'static FastCdr> {
    static FOUND: OnceLock<Option<FastCdr>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            // SAFETY: RTLD_NOLOAD only finds what rmw_fastrtps has loaded; the symbols are Fast CDR's member functions
            // `getBufferPointer() const`, `get_current_position()` and `jump(size_t)`, whose `this` is the first argument in the C++ ABI.
            unsafe {
                let library = [c"libfastcdr.so.2", c"libfastcdr.so"]
                    .iter()
                    .map(|name| libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD))
                    .find(|handle| !handle.is_null())?;
                let symbol = |name: &CStr| {
                    Some(libc::dlsym(library, name.as_ptr())).filter(|s| !s.is_null())
                };
                Some(FastCdr {
                    buffer: std::mem::transmute::<*mut c_void, Position>(symbol(
                        c"_ZN8eprosima7fastcdr3Cdr18get_buffer_pointerEv",
                    )?),
                    position: std::mem::transmute::<*mut c_void, Position>(symbol(
                        c"_ZN8eprosima7fastcdr3Cdr20get_current_positionEv",
                    )?),
                    jump: std::mem::transmute::<*mut c_void, Jump>(symbol(
                        c"_ZN8eprosima7fastcdr3Cdr4jumpEm",
                    )?),
                })
            }
        })
        .as_ref()
}

/// Our "deserialize": `message` is a [`SinkState`]. Never unwinds: the sink's panics are caught.
unsafe extern "C" fn deserialize(cdr: *mut c_void, message: *mut c_void) -> bool {
    let Some(fast_cdr) = fast_cdr() else {
        return false;
    };
    // SAFETY: `cdr` is Fast DDS's reader of the received payload, valid during this call; `message` is what `take_direct` gave to rcl_take.
    // Jumping as far as it goes, in halving steps, ends at the payload's end: `len` bytes from the buffer's start are readable.
    unsafe {
        let state = &mut *message.cast::<SinkState<'_>>();
        let start = (fast_cdr.buffer)(cdr);
        let mut step = 1_usize << 31;
        while step > 0 {
            while (fast_cdr.jump)(cdr, step) {}
            step >>= 1;
        }
        let len = (fast_cdr.position)(cdr) as usize - start as usize;
        let target = state.ask(len);
        if !target.is_null() {
            ptr::copy_nonoverlapping(start, target, len);
        }
        // Also when the sink refused: the message is gone then, while after a failure Fast DDS would hand it out for ever.
        true
    }
}

/// Subscriptions never serialize.
unsafe extern "C" fn serialize(_: *const c_void, _: *mut c_void) -> bool {
    false
}

unsafe extern "C" fn serialized_size(_: *const c_void) -> u32 {
    0
}

/// "Unbounded, not plain": so the rmw never preallocates or copies by size.
unsafe extern "C" fn max_serialized_size(bounds: *mut c_char) -> usize {
    // SAFETY: the rmw passes a valid out parameter.
    unsafe { *bounds = 0 };
    4
}

/// A type support that answers for Fast DDS with our callbacks, and otherwise with the real one.
#[repr(C)]
pub(crate) struct DirectTypeSupport {
    // First: `find` gets a pointer to it and casts it back.
    handle: rcl::rosidl_message_type_support_t,
    fastrtps: rcl::rosidl_message_type_support_t,
    real: *const rcl::rosidl_message_type_support_t,
    callbacks: Callbacks,
    _names: (CString, CString),
}

// SAFETY: immutable after construction; the pointers lead to itself and to static constants.
unsafe impl Send for DirectTypeSupport {}
// SAFETY: as for Send.
unsafe impl Sync for DirectTypeSupport {}

impl DirectTypeSupport {
    /// The one for this type; made once and never freed, since the middleware registers types for good.
    pub(crate) fn of(real: &TypeSupport) -> Option<&'static Self> {
        static MADE: Mutex<Option<HashMap<TypeName, &'static DirectTypeSupport>>> =
            Mutex::new(None);
        fast_cdr()?;
        let mut made = MADE.lock();
        let made = made.get_or_insert_default();
        if let Some(found) = made.get(real.name()) {
            return Some(found);
        }
        let name = real.name();
        let names = (
            CString::new(format!("{}::{}", name.pkg(), name.kind().as_str())).ok()?,
            CString::new(name.name()).ok()?,
        );
        // SAFETY: the real handle points to a static constant of a library that stays loaded.
        let template = unsafe { *real.handle() };
        let direct = Box::leak(Box::new(Self {
            handle: rcl::rosidl_message_type_support_t {
                func: Some(find),
                ..template
            },
            fastrtps: rcl::rosidl_message_type_support_t {
                typesupport_identifier: FASTRTPS_C.as_ptr(),
                data: ptr::null(),
                func: Some(itself),
                ..template
            },
            real: real.handle(),
            callbacks: Callbacks {
                message_namespace: names.0.as_ptr(),
                message_name: names.1.as_ptr(),
                serialize,
                deserialize,
                serialized_size,
                max_serialized_size,
                key_callbacks: ptr::null(),
            },
            _names: names,
        }));
        direct.fastrtps.data = (&raw const direct.callbacks).cast();
        made.insert(name.clone(), direct);
        Some(direct)
    }

    pub(crate) fn handle(&self) -> *const rcl::rosidl_message_type_support_t {
        &raw const self.handle
    }
}

/// `func` of the handle: the type support of that name.
unsafe extern "C" fn find(
    handle: *const rcl::rosidl_message_type_support_t,
    identifier: *const c_char,
) -> *const rcl::rosidl_message_type_support_t {
    // SAFETY: the handle is the first field of a leaked DirectTypeSupport (repr(C)); the identifier is a C string.
    unsafe {
        let direct = &*handle.cast::<DirectTypeSupport>();
        if CStr::from_ptr(identifier) == FASTRTPS_C {
            return &raw const direct.fastrtps;
        }
        rcl::get_message_typesupport_handle(direct.real, identifier)
    }
}

/// `func` of the inner type support: itself, if it is asked for by its own name.
unsafe extern "C" fn itself(
    handle: *const rcl::rosidl_message_type_support_t,
    identifier: *const c_char,
) -> *const rcl::rosidl_message_type_support_t {
    // SAFETY: the handle is valid and its identifier a C string, as is the other one.
    let same =
        unsafe { CStr::from_ptr((*handle).typesupport_identifier) == CStr::from_ptr(identifier) };
    if same { handle } else { ptr::null() }
}

/// Takes through `rcl_take` and our callbacks.
///
/// # Safety
/// `subscription` is initialised with a [`DirectTypeSupport`], and not ended during the call.
pub(crate) unsafe fn take_direct(
    subscription: *const rcl::rcl_subscription_t,
    sink: &mut dyn TakeSink,
) -> Result<Taken, RosError> {
    let mut state = SinkState::new(sink);
    let mut info = rcl::rmw_message_info_t::default();
    // SAFETY: by this function's contract the "message" only reaches our `deserialize`, which expects a SinkState.
    let code = unsafe {
        rcl::rcl_take(
            subscription,
            (&raw mut state).cast(),
            &raw mut info,
            ptr::null_mut(),
        )
    };
    finish("rcl_take", code, state, None, &info)
}

//! Publishers of serialized messages.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::ffi::{allocator, c_string, check, entities, reset_error};
use crate::qos::Qos;
use crate::subscription::OWN_GIDS;
use crate::type_support::TypeSupport;

/// A publisher on one topic.
pub struct Publisher {
    context: Arc<Context>,
    handle: *mut rcl::rcl_publisher_t,
    gid: [u8; 24],
    _type_support: Arc<TypeSupport>,
}

// SAFETY: rcl_publish and the questions are thread-safe for one publisher (rcl/publisher.h, "Thread-Safe: Yes" for rmw_fastrtps and
// rmw_cyclonedds); making and ending run under `entities()`.
unsafe impl Send for Publisher {}
// SAFETY: as for Send.
unsafe impl Sync for Publisher {}

impl Publisher {
    /// Advertises `topic` (absolute; remapping applies).
    ///
    /// # Errors
    /// What rcl says.
    pub fn new(
        context: &Arc<Context>,
        topic: &str,
        type_support: &Arc<TypeSupport>,
        qos: &Qos,
    ) -> Result<Self, RosError> {
        let name = c_string(topic)?;
        let _guard = entities();
        // SAFETY: as for a subscription: a boxed, zero-initialised handle; node and type support outlive it.
        unsafe {
            let handle = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_publisher()));
            let mut options = rcl::rcl_publisher_get_default_options();
            options.qos = qos.to_rmw(options.qos);
            let code = rcl::rcl_publisher_init(
                handle,
                context.node(),
                type_support.handle(),
                name.as_ptr(),
                &raw const options,
            );
            if let Err(error) = check("rcl_publisher_init", code) {
                drop(Box::from_raw(handle));
                return Err(error);
            }
            let gid = gid_of(handle);
            OWN_GIDS.write().push(gid);
            Ok(Self {
                context: Arc::clone(context),
                handle,
                gid,
                _type_support: Arc::clone(type_support),
            })
        }
    }

    /// Publishes a serialized message: encapsulation header and body. The middleware copies it once and checks nothing.
    ///
    /// # Errors
    /// What rcl says.
    pub fn publish(&self, cdr: &[u8]) -> Result<(), RosError> {
        let message = rcl::rcl_serialized_message_t {
            // The rmw only reads; the field is not const because the same struct serves for taking.
            buffer: cdr.as_ptr().cast_mut(),
            buffer_length: cdr.len(),
            buffer_capacity: cdr.len(),
            allocator: allocator(),
        };
        // SAFETY: the handle is valid; the message and its bytes live during the call and are only read.
        let code = unsafe {
            rcl::rcl_publish_serialized_message(self.handle, &raw const message, ptr::null_mut())
        };
        check("rcl_publish_serialized_message", code)
    }

    /// This publisher's id, padded with zeros.
    #[must_use]
    pub fn gid(&self) -> [u8; 24] {
        self.gid
    }

    /// How many subscriptions it has.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        let mut count = 0;
        // SAFETY: the handle is valid; `count` is written during the call.
        let code =
            unsafe { rcl::rcl_publisher_get_subscription_count(self.handle, &raw mut count) };
        check("rcl_publisher_get_subscription_count", code).map_or(0, |()| count)
    }

    /// Waits until every reliable subscription has everything; false when the time is up or the middleware cannot tell.
    pub fn wait_for_all_acked(&self, timeout: Duration) -> bool {
        let nanoseconds = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        // SAFETY: the handle is valid.
        let code = unsafe { rcl::rcl_publisher_wait_for_all_acked(self.handle, nanoseconds) };
        if code != 0 {
            reset_error();
        }
        code == 0
    }

    /// The QoS in force.
    #[must_use]
    pub fn qos(&self) -> Qos {
        // SAFETY: the handle is valid; the profile lives as long as it.
        unsafe { rcl::rcl_publisher_get_actual_qos(self.handle).as_ref() }
            .map(Qos::from_rmw)
            .unwrap_or_default()
    }
}

/// # Safety
/// `handle` is an initialised publisher.
unsafe fn gid_of(handle: *const rcl::rcl_publisher_t) -> [u8; 24] {
    let mut gid = [0; 24];
    let mut found = rcl::rmw_gid_t {
        implementation_identifier: ptr::null(),
        data: [0; _],
    };
    // SAFETY: by this function's contract; `found` is written during the call.
    let code = unsafe {
        rcl::rmw_get_gid_for_publisher(rcl::rcl_publisher_get_rmw_handle(handle), &raw mut found)
    };
    if code == 0 {
        gid[..found.data.len()].copy_from_slice(&found.data);
    } else {
        reset_error();
    }
    gid
}

impl Drop for Publisher {
    fn drop(&mut self) {
        OWN_GIDS.write().retain(|gid| *gid != self.gid);
        let _guard = entities();
        // SAFETY: the handle is valid and ended once; nobody else has the pointer, since this needs `self` alone.
        unsafe {
            if let Err(error) = check(
                "rcl_publisher_fini",
                rcl::rcl_publisher_fini(self.handle, self.context.node_mut()),
            ) {
                tracing::debug!(%error, "ending a publisher");
            }
            drop(Box::from_raw(self.handle));
        }
    }
}

/// The ids of this process's publishers.
pub(crate) struct OwnGids;

impl OwnGids {
    pub(crate) fn contains(gid: &[u8; 24]) -> bool {
        OWN_GIDS.read().contains(gid)
    }
}

//! Publishers of serialized messages.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::events::Event;
use crate::ffi::{allocator, c_string, check, entities, reset_error};
use crate::qos::Qos;
use crate::type_support::TypeSupport;
use crate::waiter::Watched;

/// The shortest message: the encapsulation header.
const HEADER_LEN: usize = 4;

/// A publisher on one topic.
pub struct Publisher {
    shared: Arc<PublisherHandle>,
}

/// The publisher itself, with its events: a look at the events may keep it alive for a moment longer than [`Publisher`].
pub(crate) struct PublisherHandle {
    context: Arc<Context>,
    // Boxed: its events keep pointers to it.
    handle: *mut rcl::rcl_publisher_t,
    topic: String,
    gid: [u8; 24],
    events: Vec<Event>,
    _type_support: Arc<TypeSupport>,
}

// SAFETY: rcl ties a publisher to no thread. Publishing, and asking for its QoS and subscriptions, is thread-safe (rcl/publisher.h); making and ending happen under `entities()`.
unsafe impl Send for PublisherHandle {}
// SAFETY: as for Send.
unsafe impl Sync for PublisherHandle {}

impl PublisherHandle {
    fn new(
        context: &Arc<Context>,
        topic: &str,
        type_support: &Arc<TypeSupport>,
        qos: &Qos,
    ) -> Result<Self, RosError> {
        let name = c_string(topic)?;
        let entities = entities();
        // SAFETY: the handle is zero-initialised by rcl's own function, and boxed; the node outlives it (an Arc), the type support too;
        // name and options live during the call.
        unsafe {
            let handle = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_publisher()));
            let mut options = rcl::rcl_publisher_get_default_options();
            options.qos = qos.to_rmw(options.qos);
            let (node, support) = (context.node(), type_support.handle());
            let code =
                rcl::rcl_publisher_init(handle, node, support, name.as_ptr(), &raw const options);
            if let Err(error) = check("rcl_publisher_init", code) {
                drop(Box::from_raw(handle));
                return Err(error);
            }
            let gid = gid_of(handle);
            context.own.add(gid);
            Ok(Self {
                context: Arc::clone(context),
                handle,
                topic: topic.to_owned(),
                gid,
                events: Event::of_publisher(&entities, handle),
                _type_support: Arc::clone(type_support),
            })
        }
    }
}

impl Watched for PublisherHandle {
    fn topic(&self) -> &str {
        &self.topic
    }
    fn qos(&self) -> Qos {
        // SAFETY: the handle is valid; the profile lives as long as it.
        unsafe { rcl::rcl_publisher_get_actual_qos(self.handle).as_ref() }
            .map(Qos::from_rmw)
            .unwrap_or_default()
    }
    fn events(&self) -> &[Event] {
        &self.events
    }
}

impl Drop for PublisherHandle {
    fn drop(&mut self) {
        self.context.own.ended(self.gid);
        let entities = entities();
        // SAFETY: initialised; its events end first, and nobody reads them, since that takes an Arc; made by Box::into_raw, and not used again.
        unsafe {
            self.events.drain(..).for_each(|event| event.end(&entities));
            let code = rcl::rcl_publisher_fini(self.handle, self.context.node_mut());
            if let Err(error) = check("rcl_publisher_fini", code) {
                tracing::debug!(%error, topic = self.topic, "ending a publisher");
            }
            drop(Box::from_raw(self.handle));
        }
    }
}

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
        let handle = PublisherHandle::new(context, topic, type_support, qos)?;
        Ok(Self {
            shared: Arc::new(handle),
        })
    }

    /// Publishes a serialized message: encapsulation header and body. The middleware copies it once and checks nothing: of a
    /// malformed message, other nodes see an error, nothing, or worse. Validate what comes from elsewhere.
    ///
    /// # Errors
    /// [`RosError::TooShort`] for what cannot be a message; what rcl says.
    pub fn publish(&self, cdr: &[u8]) -> Result<(), RosError> {
        if cdr.len() < HEADER_LEN {
            return Err(RosError::TooShort { len: cdr.len() });
        }
        let message = rcl::rcl_serialized_message_t {
            // The rmw only reads; the field is not const because the same struct serves for taking.
            buffer: cdr.as_ptr().cast_mut(),
            buffer_length: cdr.len(),
            buffer_capacity: cdr.len(),
            allocator: allocator(),
        };
        // SAFETY: the handle is valid; the message and its bytes live during the call and are only read.
        let code = unsafe {
            rcl::rcl_publish_serialized_message(
                self.shared.handle,
                &raw const message,
                ptr::null_mut(),
            )
        };
        check("rcl_publish_serialized_message", code)
    }

    /// This publisher's id, padded with zeros.
    #[must_use]
    pub fn gid(&self) -> [u8; 24] {
        self.shared.gid
    }

    /// The topic's name as it was given.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// How many subscriptions it has.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        let mut count = 0;
        // SAFETY: the handle is valid; `count` is written during the call.
        let code = unsafe {
            rcl::rcl_publisher_get_subscription_count(self.shared.handle, &raw mut count)
        };
        check("rcl_publisher_get_subscription_count", code).map_or(0, |()| count)
    }

    /// Waits until every reliable subscription has everything; false when the time is up or the middleware cannot tell.
    pub fn wait_for_all_acked(&self, timeout: Duration) -> bool {
        let nanoseconds = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        // SAFETY: the handle is valid.
        let code =
            unsafe { rcl::rcl_publisher_wait_for_all_acked(self.shared.handle, nanoseconds) };
        if code != 0 {
            reset_error();
        }
        code == 0
    }

    /// The QoS in force.
    #[must_use]
    pub fn qos(&self) -> Qos {
        self.shared.qos()
    }

    pub(crate) fn watched(&self) -> Weak<dyn Watched> {
        let weak: Weak<PublisherHandle> = Arc::downgrade(&self.shared);
        weak
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

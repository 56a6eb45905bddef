//! Subscriptions that take serialized messages.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::RwLock;
use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::events::Event;
use crate::fastdds::{self, DirectTypeSupport};
use crate::ffi::{c_string, check, entities};
use crate::publisher::OwnGids;
use crate::qos::Qos;
use crate::self_test::best_path;
use crate::take::{TakePath, TakeSink, Taken, take_serialized};
use crate::type_support::TypeSupport;

/// Called when messages arrive, with how many, on a thread of the middleware: do little, and do not take there.
type OnMessage = Box<dyn Fn(usize) + Send + Sync>;

/// Options of a subscription beside its QoS.
pub struct SubscriptionOptions {
    /// Called when messages arrive.
    pub on_message: OnMessage,
    /// How to take; `None`: the fastest way that works here.
    pub take_path: Option<TakePath>,
    /// Leave out what this process's own publishers send.
    pub ignore_local: bool,
}

/// A subscription to one topic.
pub struct Subscription {
    context: Arc<Context>,
    handle: *mut rcl::rcl_subscription_t,
    on_message: *mut OnMessage,
    topic: String,
    events: Vec<Event>,
    ignore_local: bool,
    /// With the single-copy take: what stands in for the type support. rcl keeps a pointer to it.
    direct: Option<&'static DirectTypeSupport>,
    _type_support: Arc<TypeSupport>,
    /// Taking from two threads at once is allowed by rcl only where the rmw says so: one at a time.
    taking: parking_lot::Mutex<()>,
}

// SAFETY: rcl allows taking and asking for the QoS from any thread; takes are serialised by `taking`, making and ending by `entities()`.
unsafe impl Send for Subscription {}
// SAFETY: as for Send.
unsafe impl Sync for Subscription {}

impl Subscription {
    /// Subscribes to `topic` (absolute; remapping applies).
    ///
    /// # Errors
    /// What rcl says.
    pub fn new(
        context: &Arc<Context>,
        topic: &str,
        type_support: &Arc<TypeSupport>,
        qos: &Qos,
        options: SubscriptionOptions,
    ) -> Result<Self, RosError> {
        let name = c_string(topic)?;
        let path = options.take_path.unwrap_or_else(best_path);
        let direct = match path {
            TakePath::SingleCopy => DirectTypeSupport::of(type_support),
            TakePath::Serialized => None,
        };
        let support = direct.map_or(type_support.handle(), DirectTypeSupport::handle);
        let guard = entities();
        // SAFETY: the handle is zero-initialised by rcl and boxed, so that its address holds until `drop`; node and type support outlive it
        // (an Arc and a static); name and options live during the call.
        unsafe {
            let handle = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_subscription()));
            let mut rcl_options = rcl::rcl_subscription_get_default_options();
            rcl_options.qos = qos.to_rmw(rcl_options.qos);
            rcl_options
                .rmw_subscription_options
                .ignore_local_publications = options.ignore_local;
            let code = rcl::rcl_subscription_init(
                handle,
                context.node(),
                support,
                name.as_ptr(),
                &raw const rcl_options,
            );
            if let Err(error) = check("rcl_subscription_init", code) {
                drop(Box::from_raw(handle));
                return Err(error);
            }
            let subscription = Self {
                context: Arc::clone(context),
                handle,
                on_message: Box::into_raw(Box::new(options.on_message)),
                topic: topic.to_owned(),
                events: Event::all_of(handle),
                ignore_local: options.ignore_local,
                direct,
                _type_support: Arc::clone(type_support),
                taking: parking_lot::Mutex::new(()),
            };
            drop(guard); // what follows may call back into code that makes entities
            // Calls it at once if messages are there already.
            let code = rcl::rcl_subscription_set_on_new_message_callback(
                handle,
                Some(arrived),
                subscription.on_message.cast(),
            );
            check("rcl_subscription_set_on_new_message_callback", code)?;
            Ok(subscription)
        }
    }

    /// Takes the next message into what `sink` gives.
    ///
    /// # Errors
    /// What rcl says; the message, if there was one, is lost.
    pub fn take(&self, sink: &mut dyn TakeSink) -> Result<Taken, RosError> {
        let _one = self.taking.lock();
        // SAFETY: the handle is initialised until `drop`, which needs `self` alone; with `direct` the subscription was made with it.
        let taken = unsafe {
            match self.direct {
                Some(_) => fastdds::take_direct(self.handle, sink)?,
                None => take_serialized(self.handle, sink)?,
            }
        };
        Ok(match taken {
            Taken::Message { info, .. } if self.ignore_local && OwnGids::contains(&info.gid) => {
                Taken::Echo
            }
            other => other,
        })
    }

    /// Takes the next message into a vector: for tools and tests, where one more allocation does not matter. It is empty unless
    /// [`Taken::Message`] comes back.
    ///
    /// # Errors
    /// As for [`Subscription::take`].
    pub fn take_into(&self, bytes: &mut Vec<u8>) -> Result<Taken, RosError> {
        struct Into<'a>(&'a mut Vec<u8>);
        impl TakeSink for Into<'_> {
            fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
                self.0.reserve_exact(len);
                Some(self.0.spare_capacity_mut())
            }
        }
        bytes.clear();
        let taken = self.take(&mut Into(bytes))?;
        if let Taken::Message { len, .. } = taken {
            // SAFETY: the vector is empty and its first `len` bytes of capacity are written: that is what `Taken::Message` says of the
            // memory that the sink gave last, and each `reserve_exact` of the vector that was still empty gave all of its capacity.
            unsafe { bytes.set_len(len) };
        }
        Ok(taken)
    }

    /// The QoS in force.
    #[must_use]
    pub fn qos(&self) -> Qos {
        // SAFETY: the handle is valid; the profile lives as long as it.
        unsafe { rcl::rcl_subscription_get_actual_qos(self.handle).as_ref() }
            .map(Qos::from_rmw)
            .unwrap_or_default()
    }

    /// How messages are taken.
    #[must_use]
    pub fn take_path(&self) -> TakePath {
        if self.direct.is_some() {
            TakePath::SingleCopy
        } else {
            TakePath::Serialized
        }
    }

    /// How many publishers it has.
    #[must_use]
    pub fn publishers(&self) -> usize {
        let mut count = 0;
        // SAFETY: the handle is valid; `count` is written during the call.
        let code =
            unsafe { rcl::rcl_subscription_get_publisher_count(self.handle, &raw mut count) };
        check("rcl_subscription_get_publisher_count", code).map_or(0, |()| count)
    }

    /// The topic's name as it was given.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }
}

/// Runs the user's callback; a panic must not unwind into C.
unsafe extern "C" fn arrived(user_data: *const c_void, count: usize) {
    // SAFETY: it is the boxed callback of a subscription that is alive: `drop` takes the callback away before it frees the box.
    let on_message = unsafe { &*user_data.cast::<OnMessage>() };
    let _ = catch_unwind(AssertUnwindSafe(|| on_message(count)));
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // SAFETY: the callback is taken away first (rmw waits for one that runs), then the subscription ended, then both boxes are freed;
        // nobody else has the pointers, since this needs `self` alone.
        unsafe {
            let code = rcl::rcl_subscription_set_on_new_message_callback(
                self.handle,
                None,
                std::ptr::null(),
            );
            if let Err(error) = check("rcl_subscription_set_on_new_message_callback", code) {
                tracing::debug!(%error, "ending a subscription");
            }
            let guard = entities();
            for event in self.events.drain(..) {
                event.end();
            }
            if let Err(error) = check(
                "rcl_subscription_fini",
                rcl::rcl_subscription_fini(self.handle, self.context.node_mut()),
            ) {
                tracing::debug!(%error, "ending a subscription");
            }
            drop(guard);
            drop(Box::from_raw(self.handle));
            drop(Box::from_raw(self.on_message));
        }
    }
}

/// Ids of this process's publishers, for what `ignore_local_publications` lets through.
pub(crate) static OWN_GIDS: RwLock<Vec<[u8; 24]>> = RwLock::new(Vec::new());

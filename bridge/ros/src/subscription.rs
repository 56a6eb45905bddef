//! Subscriptions that take serialized messages.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::events::Event;
use crate::fastdds::{self, DirectTypeSupport};
use crate::ffi::{c_string, check, entities};
use crate::qos::Qos;
use crate::self_test::best_path;
use crate::take::{TakePath, TakeSink, Taken, take_serialized};
use crate::type_support::TypeSupport;
use crate::waiter::Watched;

/// Called with how many messages arrived, on a thread of the middleware that all topics may share: do little, and do not take there.
/// Dropping the subscription waits for a call that is under way, so it must not drop the subscription, nor wait for a lock that is held
/// where the subscription is dropped. A panic in it is reported by the panic hook and goes no further.
type OnMessage = Box<dyn Fn(usize) + Send + Sync>;

/// Options of a subscription beside its QoS.
pub struct SubscriptionOptions {
    /// Called when messages arrive; for those that are there already, before [`Subscription::new`] returns.
    pub on_message: OnMessage,
    /// How to take; `None`: the fastest way that works here.
    pub take_path: Option<TakePath>,
    /// Leave out what this context's own publishers send. Where the middleware cannot do that by itself, such a message is
    /// taken and thrown away: [`Taken::Echo`].
    pub ignore_local: bool,
}

/// A subscription to one topic.
pub struct Subscription {
    shared: Arc<SubscriptionHandle>,
    /// Boxed twice: C gets a thin pointer. Freed by `drop`.
    on_message: *mut OnMessage,
    ignore_local: bool,
    /// It was made with a [`DirectTypeSupport`].
    direct: bool,
    /// Taking from two threads at once is allowed by rcl only where the rmw says so: one at a time.
    taking: Mutex<()>,
}

// SAFETY: `on_message` points to something Send and Sync, which only the middleware and `drop` use; for the handle see there.
unsafe impl Send for Subscription {}
// SAFETY: as for Send.
unsafe impl Sync for Subscription {}

/// The subscription itself, with its events: a look at the events may keep it alive for a moment longer than [`Subscription`].
pub(crate) struct SubscriptionHandle {
    context: Arc<Context>,
    // Boxed: its events keep pointers to it.
    handle: *mut rcl::rcl_subscription_t,
    topic: String,
    events: Vec<Event>,
    _type_support: Arc<TypeSupport>,
}

// SAFETY: rcl ties a subscription to no thread. Asking for its QoS and its publishers is thread-safe; takes are serialised by
// `Subscription::taking`; making and ending happen under `entities()`.
unsafe impl Send for SubscriptionHandle {}
// SAFETY: as for Send.
unsafe impl Sync for SubscriptionHandle {}

impl SubscriptionHandle {
    /// # Safety
    /// `support` is valid for good.
    unsafe fn new(
        context: &Arc<Context>,
        topic: &str,
        type_support: &Arc<TypeSupport>,
        support: *const rcl::rosidl_message_type_support_t,
        qos: &Qos,
        ignore_local: bool,
    ) -> Result<Self, RosError> {
        let name = c_string(topic)?;
        let entities = entities();
        // SAFETY: the handle is zero-initialised by rcl's own function, and boxed; the node outlives it (an Arc), the type support too;
        // name and options live during the call.
        unsafe {
            let handle = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_subscription()));
            let mut options = rcl::rcl_subscription_get_default_options();
            options.qos = qos.to_rmw(options.qos);
            options.rmw_subscription_options.ignore_local_publications =
                ignore_local && fastdds::ignores_local_well(context);
            let (node, name) = (context.node(), name.as_ptr());
            let code = rcl::rcl_subscription_init(handle, node, support, name, &raw const options);
            if let Err(error) = check("rcl_subscription_init", code) {
                drop(Box::from_raw(handle));
                return Err(error);
            }
            Ok(Self {
                context: Arc::clone(context),
                handle,
                topic: topic.to_owned(),
                events: Event::of_subscription(&entities, handle, qos.deadline.is_some()),
                _type_support: Arc::clone(type_support),
            })
        }
    }
}

impl Watched for SubscriptionHandle {
    fn topic(&self) -> &str {
        &self.topic
    }
    fn qos(&self) -> Qos {
        // SAFETY: the handle is valid; the profile lives as long as it.
        unsafe { rcl::rcl_subscription_get_actual_qos(self.handle).as_ref() }
            .map(Qos::from_rmw)
            .unwrap_or_default()
    }
    fn events(&self) -> &[Event] {
        &self.events
    }
}

impl Drop for SubscriptionHandle {
    fn drop(&mut self) {
        let entities = entities();
        // SAFETY: initialised; its events end first, and nobody reads them, since that takes an Arc; made by Box::into_raw, and not used again.
        unsafe {
            self.events.drain(..).for_each(|event| event.end(&entities));
            let code = rcl::rcl_subscription_fini(self.handle, self.context.node_mut());
            if let Err(error) = check("rcl_subscription_fini", code) {
                tracing::debug!(%error, topic = self.topic, "ending a subscription");
            }
            drop(Box::from_raw(self.handle));
        }
    }
}

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
        let direct = match options.take_path.unwrap_or_else(best_path) {
            TakePath::SingleCopy => DirectTypeSupport::of(type_support),
            TakePath::Serialized => None,
        };
        let support = direct.map_or(type_support.handle(), DirectTypeSupport::handle);
        let ignore_local = options.ignore_local;
        // SAFETY: both kinds of type support are never freed.
        let handle = unsafe {
            SubscriptionHandle::new(context, topic, type_support, support, qos, ignore_local)?
        };
        let subscription = Self {
            shared: Arc::new(handle),
            on_message: Box::into_raw(Box::new(options.on_message)),
            ignore_local,
            direct: direct.is_some(),
            taking: Mutex::default(),
        };
        // SAFETY: the callback and what it gets stay until `drop` takes them away, which also happens if this fails.
        let code = unsafe {
            rcl::rcl_subscription_set_on_new_message_callback(
                subscription.shared.handle,
                Some(arrived),
                subscription.on_message.cast(),
            )
        };
        check("rcl_subscription_set_on_new_message_callback", code)?;
        Ok(subscription)
    }

    /// Takes the next message into what `sink` gives.
    ///
    /// # Errors
    /// What rcl says; the message, if there was one, is lost.
    ///
    /// # Panics
    /// If the sink does; the message is lost, the subscription works on.
    pub fn take(&self, sink: &mut dyn TakeSink) -> Result<Taken, RosError> {
        let _one = self.taking.lock();
        // SAFETY: the handle is initialised as long as self; a direct take is what a subscription made with a DirectTypeSupport needs.
        let taken = unsafe {
            if self.direct {
                fastdds::take_direct(self.shared.handle, sink)?
            } else {
                take_serialized(self.shared.handle, sink)?
            }
        };
        Ok(match taken {
            Taken::Message { info, .. }
                if self.ignore_local && self.shared.context.own.contains(&info.gid) =>
            {
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
            // SAFETY: the vector is empty, and the first `len` bytes of its capacity are written: that is what `Taken::Message` says of the
            // memory that the sink gave last, which was all of the capacity.
            unsafe { bytes.set_len(len) };
        }
        Ok(taken)
    }

    /// The QoS in force.
    #[must_use]
    pub fn qos(&self) -> Qos {
        self.shared.qos()
    }

    /// How messages are taken.
    #[must_use]
    pub fn take_path(&self) -> TakePath {
        if self.direct {
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
        let code = unsafe {
            rcl::rcl_subscription_get_publisher_count(self.shared.handle, &raw mut count)
        };
        check("rcl_subscription_get_publisher_count", code).map_or(0, |()| count)
    }

    /// The topic's name as it was given.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    pub(crate) fn watched(&self) -> Weak<dyn Watched> {
        let weak: Weak<SubscriptionHandle> = Arc::downgrade(&self.shared);
        weak
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
        // SAFETY: the handle is valid. When the callback is taken away, the rmw waits for one that runs; after that nobody else has the box.
        unsafe {
            let code = rcl::rcl_subscription_set_on_new_message_callback(
                self.shared.handle,
                None,
                ptr::null(),
            );
            if let Err(error) = check("rcl_subscription_set_on_new_message_callback", code) {
                // It may still be called: keep what it needs.
                tracing::debug!(%error, topic = self.topic(), "ending a subscription");
                return;
            }
            drop(Box::from_raw(self.on_message));
        }
    }
}

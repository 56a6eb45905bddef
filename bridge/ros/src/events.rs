//! Events of subscriptions and publishers.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use r2r_rcl as rcl;
use r2r_rcl::rcl_publisher_event_type_e as PublisherKind;
use r2r_rcl::rcl_subscription_event_type_e as SubscriptionKind;
use r2r_rcl::rmw_qos_policy_kind_e as Policy;

use crate::distribution::{
    PUBLISHER_INCOMPATIBLE_TYPE, SUBSCRIPTION_INCOMPATIBLE_TYPE, incompatible_types,
};
use crate::ffi::{Entities, reset_error};
use crate::qos::Qos;
use crate::waiter::Watched;

/// Whose event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A subscription of ours.
    Subscription,
    /// A publisher of ours.
    Publisher,
}

/// Something that happened to a subscription or publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosEvent {
    /// One side asks for more than the other one offers: nothing passes between them.
    IncompatibleQos {
        /// The topic.
        topic: String,
        /// Whose event it is.
        side: Side,
        /// The profile of that side.
        own: Qos,
        /// The policy that does not fit, e.g. `reliability`.
        policy: &'static str,
        /// Such counterparts so far.
        total: i32,
    },
    /// The middleware lost messages.
    MessageLost {
        /// The topic.
        topic: String,
        /// So far.
        total: u64,
        /// Since the last event.
        new: u64,
    },
    /// A publisher sent nothing for longer than the deadline.
    DeadlineMissed {
        /// The topic.
        topic: String,
        /// So far.
        total: i32,
    },
    /// The other side uses another type: nothing passes between them.
    IncompatibleType {
        /// The topic.
        topic: String,
        /// Whose event it is.
        side: Side,
        /// Such counterparts so far.
        total: i32,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    IncompatibleQos,
    MessageLost,
    DeadlineMissed,
    IncompatibleType,
}

/// One event of a subscription or publisher, which owns it and ends it before itself.
pub(crate) struct Event {
    kind: Kind,
    side: Side,
    handle: *mut rcl::rcl_event_t,
    /// The count at the last look.
    seen: AtomicU64,
}

impl Event {
    /// The events of a subscription that the middleware supports.
    ///
    /// # Safety
    /// `subscription` is initialised and outlives the events.
    pub(crate) unsafe fn of_subscription(
        entities: &Entities,
        subscription: *const rcl::rcl_subscription_t,
        with_deadline: bool,
    ) -> Vec<Self> {
        let deadline = SubscriptionKind::RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED;
        let kinds = [
            Some((
                Kind::IncompatibleQos,
                SubscriptionKind::RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS,
            )),
            Some((
                Kind::MessageLost,
                SubscriptionKind::RCL_SUBSCRIPTION_MESSAGE_LOST,
            )),
            with_deadline.then_some((Kind::DeadlineMissed, deadline)),
            SUBSCRIPTION_INCOMPATIBLE_TYPE.map(|event| (Kind::IncompatibleType, event)),
        ];
        let make = |(kind, event)| {
            // SAFETY: the event that `new` gives is zero-initialised; the subscription is valid by this function's contract.
            Self::new(entities, Side::Subscription, kind, |handle| unsafe {
                rcl::rcl_subscription_event_init(handle, subscription, event)
            })
        };
        kinds.into_iter().flatten().filter_map(make).collect()
    }

    /// The events of a publisher that the middleware supports.
    ///
    /// # Safety
    /// `publisher` is initialised and outlives the events.
    pub(crate) unsafe fn of_publisher(
        entities: &Entities,
        publisher: *const rcl::rcl_publisher_t,
    ) -> Vec<Self> {
        let kinds = [
            Some((
                Kind::IncompatibleQos,
                PublisherKind::RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS,
            )),
            PUBLISHER_INCOMPATIBLE_TYPE.map(|event| (Kind::IncompatibleType, event)),
        ];
        let make = |(kind, event)| {
            // SAFETY: as for subscriptions.
            Self::new(entities, Side::Publisher, kind, |handle| unsafe {
                rcl::rcl_publisher_event_init(handle, publisher, event)
            })
        };
        kinds.into_iter().flatten().filter_map(make).collect()
    }

    fn new(
        _: &Entities,
        side: Side,
        kind: Kind,
        init: impl FnOnce(*mut rcl::rcl_event_t) -> rcl::rcl_ret_t,
    ) -> Option<Self> {
        // SAFETY: returns a struct; no preconditions.
        let handle = Box::into_raw(Box::new(unsafe { rcl::rcl_get_zero_initialized_event() }));
        if init(handle) == 0 {
            return Some(Self {
                kind,
                side,
                handle,
                seen: AtomicU64::new(0),
            });
        }
        reset_error(); // this middleware does not have it
        // SAFETY: it came from Box::into_raw, and rcl keeps nothing of an event that it did not initialise.
        drop(unsafe { Box::from_raw(handle) });
        None
    }

    /// What happened since the last look, if anything.
    pub(crate) fn take(&self, entity: &dyn Watched) -> Option<RosEvent> {
        let (topic, side) = (|| entity.topic().to_owned(), self.side);
        match self.kind {
            Kind::IncompatibleQos => {
                let mut status = rcl::rmw_qos_incompatible_event_status_t {
                    total_count: 0,
                    total_count_change: 0,
                    last_policy_kind: Policy::RMW_QOS_POLICY_INVALID,
                };
                self.read((&raw mut status).cast())?;
                let total = status.total_count;
                self.new_since(total as u64)?;
                let policy = policy_name(status.last_policy_kind);
                Some(RosEvent::IncompatibleQos {
                    topic: topic(),
                    side,
                    own: entity.qos(),
                    policy,
                    total,
                })
            }
            Kind::MessageLost => {
                let mut status = rcl::rmw_message_lost_status_t {
                    total_count: 0,
                    total_count_change: 0,
                };
                self.read((&raw mut status).cast())?;
                let total = status.total_count as u64;
                let new = self.new_since(total)?;
                Some(RosEvent::MessageLost {
                    topic: topic(),
                    total,
                    new,
                })
            }
            Kind::DeadlineMissed => {
                let mut status = rcl::rmw_requested_deadline_missed_status_t {
                    total_count: 0,
                    total_count_change: 0,
                };
                self.read((&raw mut status).cast())?;
                let total = status.total_count;
                self.new_since(total as u64)?;
                Some(RosEvent::DeadlineMissed {
                    topic: topic(),
                    total,
                })
            }
            Kind::IncompatibleType => {
                let total = incompatible_types(|status| self.read(status))?;
                self.new_since(total as u64)?;
                Some(RosEvent::IncompatibleType {
                    topic: topic(),
                    side,
                    total,
                })
            }
        }
    }

    /// How much larger a count is than at the last look; `None` if it is not.
    fn new_since(&self, total: u64) -> Option<u64> {
        let new = total.saturating_sub(self.seen.swap(total, Ordering::Relaxed));
        (new > 0).then_some(new)
    }

    /// Reads the status into the struct that belongs to this kind.
    fn read(&self, status: *mut c_void) -> Option<()> {
        // SAFETY: the event is valid; `status` points to the struct that rmw/events_statuses defines for this kind (see `take`).
        if unsafe { rcl::rcl_take_event(self.handle, status) } == 0 {
            return Some(());
        }
        reset_error(); // some middlewares fail where there is nothing
        None
    }

    /// Ends it.
    ///
    /// # Safety
    /// The subscription or publisher is still initialised.
    pub(crate) unsafe fn end(self, _: &Entities) {
        // SAFETY: by this function's contract; the handle came from Box::into_raw and is not used again.
        unsafe {
            if rcl::rcl_event_fini(self.handle) != 0 {
                reset_error();
            }
            drop(Box::from_raw(self.handle));
        }
    }
}

fn policy_name(kind: Policy) -> &'static str {
    match kind {
        Policy::RMW_QOS_POLICY_DURABILITY => "durability",
        Policy::RMW_QOS_POLICY_DEADLINE => "deadline",
        Policy::RMW_QOS_POLICY_LIVELINESS => "liveliness",
        Policy::RMW_QOS_POLICY_RELIABILITY => "reliability",
        Policy::RMW_QOS_POLICY_HISTORY => "history",
        Policy::RMW_QOS_POLICY_LIFESPAN => "lifespan",
        _ => "another policy",
    }
}

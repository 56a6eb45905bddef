//! Events of subscriptions, in words.
#![allow(unsafe_code)]

use r2r_rcl as rcl;
use r2r_rcl::rcl_subscription_event_type_e as Kind;

use crate::ffi::{check, reset_error};

/// Something that happened to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosEvent {
    /// A publisher offers less than is asked for: nothing of it arrives.
    IncompatibleQos {
        /// The topic.
        topic: String,
        /// Such publishers so far.
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
    /// A publisher uses another type.
    IncompatibleType {
        /// The topic.
        topic: String,
        /// Such publishers so far.
        total: i32,
    },
}

/// The kinds that are watched, where the middleware has them.
const KINDS: [Kind; 4] = [
    Kind::RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS,
    Kind::RCL_SUBSCRIPTION_MESSAGE_LOST,
    Kind::RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED,
    Kind::RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE,
];

/// One event of one subscription, which owns it and ends it before itself.
pub(crate) struct Event {
    kind: Kind,
    handle: *mut rcl::rcl_event_t,
}

impl Event {
    /// All events of a subscription that the middleware supports.
    ///
    /// # Safety
    /// `subscription` is initialised and outlives the events; the caller holds `entities()`.
    pub(crate) unsafe fn all_of(subscription: *const rcl::rcl_subscription_t) -> Vec<Self> {
        let mut events = Vec::new();
        for kind in KINDS {
            // SAFETY: a boxed, zero-initialised event; the subscription is valid by this function's contract.
            unsafe {
                let handle = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_event()));
                if rcl::rcl_subscription_event_init(handle, subscription, kind) == 0 {
                    events.push(Self { kind, handle });
                } else {
                    reset_error(); // this middleware does not have it
                    drop(Box::from_raw(handle));
                }
            }
        }
        events
    }

    pub(crate) fn handle(&self) -> *const rcl::rcl_event_t {
        self.handle
    }

    /// What happened, once the event is ready.
    pub(crate) fn take(&self, topic: &str) -> Option<RosEvent> {
        let topic = topic.to_owned();
        match self.kind {
            Kind::RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS => {
                let mut status = rcl::rmw_requested_qos_incompatible_event_status_t {
                    total_count: 0,
                    total_count_change: 0,
                    last_policy_kind: rcl::rmw_qos_policy_kind_e::RMW_QOS_POLICY_INVALID,
                };
                self.read(&mut status)?;
                Some(RosEvent::IncompatibleQos {
                    topic,
                    total: status.total_count,
                })
            }
            Kind::RCL_SUBSCRIPTION_MESSAGE_LOST => {
                let mut status = rcl::rmw_message_lost_status_t {
                    total_count: 0,
                    total_count_change: 0,
                };
                self.read(&mut status)?;
                let (total, new) = (status.total_count as u64, status.total_count_change as u64);
                Some(RosEvent::MessageLost { topic, total, new })
            }
            Kind::RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED => {
                let mut status = rcl::rmw_requested_deadline_missed_status_t {
                    total_count: 0,
                    total_count_change: 0,
                };
                self.read(&mut status)?;
                Some(RosEvent::DeadlineMissed {
                    topic,
                    total: status.total_count,
                })
            }
            Kind::RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE => {
                let mut status = rcl::rmw_incompatible_type_status_t {
                    total_count: 0,
                    total_count_change: 0,
                };
                self.read(&mut status)?;
                Some(RosEvent::IncompatibleType {
                    topic,
                    total: status.total_count,
                })
            }
            Kind::RCL_SUBSCRIPTION_LIVELINESS_CHANGED | Kind::RCL_SUBSCRIPTION_MATCHED => None,
        }
    }

    /// Reads the status into the struct that belongs to this kind.
    fn read<T>(&self, status: &mut T) -> Option<()> {
        // SAFETY: the event is valid; `status` is the struct that rmw/events_statuses defines for this kind (see `take`).
        let code = unsafe { rcl::rcl_take_event(self.handle, std::ptr::from_mut(status).cast()) };
        check("rcl_take_event", code).ok()
    }

    /// Ends it.
    ///
    /// # Safety
    /// Nobody waits on it; the subscription is still initialised; the caller holds `entities()`.
    pub(crate) unsafe fn end(self) {
        // SAFETY: by this function's contract; the handle came from Box::into_raw and is not used again.
        unsafe {
            if rcl::rcl_event_fini(self.handle) != 0 {
                reset_error();
            }
            drop(Box::from_raw(self.handle));
        }
    }
}

//! What happened to the frames of one route, counted by cause.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters of one route. Every frame that is not delivered is in exactly one of them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: Counter,)* }

        impl Counters {
            /// The counters' values now, by name.
            pub(crate) fn values(&self) -> BTreeMap<String, u64> {
                [$((stringify!($name).to_owned(), self.$name.get()),)*].into()
            }
        }
    };
}

counters! {
    /// Frames taken from ROS and sent into shared memory.
    from_ros,
    /// Their bytes.
    from_ros_bytes,
    /// Frames of AI processes published to ROS.
    to_ros,
    /// Their bytes.
    to_ros_bytes,
    /// Lost in the middleware before the broker took them (gaps in the publishers' sequence numbers).
    lost_in_middleware,
    /// Larger than the route's `max_message_bytes`.
    too_large,
    /// No space left in /dev/shm.
    no_memory,
    /// Every chunk of the route's port was held by receivers.
    out_of_chunks,
    /// Came sooner than the route's `max_rate` allows.
    rate_limited,
    /// Malformed frames of AI processes, refused.
    malformed,
    /// Frames of AI processes that were lost before the broker read them.
    overflow,
    /// Frames that AI processes could not write (no memory, too large).
    writer_drops,
    /// The middleware refused to take or to publish.
    middleware_error,
}

/// One counter; relaxed, since it orders nothing.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes over a total that is counted elsewhere.
    pub(crate) fn set(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one; true when a person should be told: at the first, and at every power of two after it.
    pub(crate) fn one_worth_telling(&self) -> bool {
        (self.0.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two()
    }
}

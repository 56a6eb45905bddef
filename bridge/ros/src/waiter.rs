//! Waiting for the graph to change, and watching for events of subscriptions and publishers: one thread's job.
//!
//! Events are polled. A wait set could wait for them, but in rmw_fastrtps such a wait returns at once, for ever, from the first message of
//! a subscription on: the status it waits for includes "data available". Event callbacks are no way out: there, a callback and reading a
//! status take the same two locks in opposite order.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::events::{Event, RosEvent};
use crate::ffi::{allocator, check, entities, reset_error};
use crate::publisher::Publisher;
use crate::qos::Qos;
use crate::subscription::Subscription;

/// How often events are looked for when the graph does not change. A look costs about a microsecond for each event.
const POLL: Duration = Duration::from_millis(500);

/// Why [`Waiter::wait`] returned.
#[derive(Debug, Default)]
pub struct Woken {
    /// Topics, types, publishers or subscriptions changed.
    pub graph_changed: bool,
    /// What happened to the subscriptions and publishers that are watched.
    pub events: Vec<RosEvent>,
    /// [`Waiter::wake`] was called.
    pub by_hand: bool,
}

impl Woken {
    fn by_nothing(&self) -> bool {
        !self.graph_changed && !self.by_hand && self.events.is_empty()
    }
}

/// What has events.
pub(crate) trait Watched: Send + Sync {
    fn topic(&self) -> &str;
    fn qos(&self) -> Qos;
    fn events(&self) -> &[Event];
}

/// Waits on one thread; everything else may be called from others. Make one for each context: two would take the changes of the graph
/// away from each other.
pub struct Waiter {
    context: Arc<Context>,
    // Boxed: a wait set keeps a pointer to it.
    wake: *mut rcl::rcl_guard_condition_t,
    watched: Mutex<Vec<Weak<dyn Watched>>>,
    /// One wait at a time.
    waiting: Mutex<()>,
}

// SAFETY: triggering a guard condition is thread-safe (rcl/guard_condition.h); waiting happens on one thread at a time by `waiting`; making
// and ending happen under `entities()`.
unsafe impl Send for Waiter {}
// SAFETY: as for Send.
unsafe impl Sync for Waiter {}

impl Waiter {
    /// A waiter for this context.
    ///
    /// # Errors
    /// What rcl says.
    pub fn new(context: &Arc<Context>) -> Result<Self, RosError> {
        let _entities = entities();
        // SAFETY: zero-initialised by rcl's own function; the context outlives it (an Arc).
        unsafe {
            let wake = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_guard_condition()));
            let options = rcl::rcl_guard_condition_get_default_options();
            let code = rcl::rcl_guard_condition_init(wake, context.context_mut(), options);
            if let Err(error) = check("rcl_guard_condition_init", code) {
                drop(Box::from_raw(wake));
                return Err(error);
            }
            Ok(Self {
                context: Arc::clone(context),
                wake,
                watched: Mutex::default(),
                waiting: Mutex::default(),
            })
        }
    }

    /// Reports this subscription's events from now on, as far as the middleware has them, as long as it lives.
    pub fn watch(&self, subscription: &Subscription) {
        self.add(subscription.watched());
    }

    /// Reports this publisher's events from now on, likewise.
    pub fn watch_publisher(&self, publisher: &Publisher) {
        self.add(publisher.watched());
    }

    fn add(&self, entity: Weak<dyn Watched>) {
        let mut watched = self.watched.lock();
        watched.retain(|entity| entity.strong_count() > 0);
        watched.push(entity);
    }

    /// Ends a wait: the one under way, else the next.
    pub fn wake(&self) {
        // SAFETY: valid until `drop`.
        if unsafe { rcl::rcl_trigger_guard_condition(self.wake) } != 0 {
            reset_error();
        }
    }

    /// Waits until something happens.
    ///
    /// # Errors
    /// What rcl says.
    pub fn wait(&self) -> Result<Woken, RosError> {
        self.wait_for(None)
    }

    /// Waits until something happens or the time is up: then nothing in what it returns is set.
    ///
    /// # Errors
    /// What rcl says.
    pub fn wait_for(&self, timeout: Option<Duration>) -> Result<Woken, RosError> {
        let _one = self.waiting.lock();
        let end = timeout.map(|t| Instant::now() + t);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let mut woken = self.wait_once(left.map_or(POLL, |left| left.min(POLL)))?;
            woken.events = self.events();
            if !woken.by_nothing() || left.is_some_and(|left| left.is_zero()) {
                return Ok(woken);
            }
        }
    }

    /// What happened since the last look.
    fn events(&self) -> Vec<RosEvent> {
        // A handle that is upgraded here ends here if its owner drops it meanwhile: not under our lock.
        let alive: Vec<Arc<dyn Watched>> = self
            .watched
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let of = |entity: &Arc<dyn Watched>| -> Vec<RosEvent> {
            entity
                .events()
                .iter()
                .filter_map(|event| event.take(&**entity))
                .collect()
        };
        alive.iter().flat_map(of).collect()
    }

    /// One wait on the graph and the waker.
    fn wait_once(&self, timeout: Duration) -> Result<Woken, RosError> {
        let timeout_ns = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        // SAFETY: the wait set is zero-initialised by rcl and ended by its guard; the guard conditions that are added to it live as long as
        // self and the node, which self keeps. After rcl_wait the entry at an index is NULL, or what was added as that one.
        unsafe {
            let graph = rcl::rcl_node_get_graph_guard_condition(self.context.node());
            let mut set = WaitSet(rcl::rcl_get_zero_initialized_wait_set());
            let code = {
                let _entities = entities();
                let (context, alloc) = (self.context.context_mut(), allocator());
                rcl::rcl_wait_set_init(&raw mut set.0, 0, 2, 0, 0, 0, 0, context, alloc)
            };
            check("rcl_wait_set_init", code)?;
            let set = &raw mut set.0;
            for condition in [self.wake.cast_const(), graph] {
                let code = rcl::rcl_wait_set_add_guard_condition(set, condition, ptr::null_mut());
                check("rcl_wait_set_add_guard_condition", code)?;
            }
            let code = rcl::rcl_wait(set, timeout_ns);
            if code == rcl::RCL_RET_TIMEOUT as i32 {
                reset_error();
                return Ok(Woken::default());
            }
            check("rcl_wait", code)?;
            Ok(Woken {
                by_hand: !(*(*set).guard_conditions).is_null(),
                graph_changed: !(*(*set).guard_conditions.add(1)).is_null(),
                events: Vec::new(),
            })
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _entities = entities();
        // SAFETY: initialised, ended once, and nobody else has the pointer.
        unsafe {
            if rcl::rcl_guard_condition_fini(self.wake) != 0 {
                reset_error();
            }
            drop(Box::from_raw(self.wake));
        }
    }
}

/// Ends the wait set on every way out.
struct WaitSet(rcl::rcl_wait_set_t);

impl Drop for WaitSet {
    fn drop(&mut self) {
        let _entities = entities();
        // SAFETY: zero-initialised or initialised; rcl ends both. Nobody else has it.
        if unsafe { rcl::rcl_wait_set_fini(&raw mut self.0) } != 0 {
            reset_error();
        }
    }
}

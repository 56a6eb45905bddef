//! Waiting for the graph to change and for events of subscriptions and publishers: one thread's job.
//!
//! Events have callbacks too, but in rmw_fastrtps such a callback and a take can wait for each other for ever. A wait set has no such
//! trouble, and guard conditions have nothing else.
#![allow(unsafe_code)]

use std::ops::Deref;
use std::ptr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::events::{Event, RosEvent};
use crate::ffi::{allocator, check, entities, reset_error};
use crate::publisher::Publisher;
use crate::subscription::Subscription;

/// Why [`Waiter::wait`] returned.
#[derive(Debug, Default)]
pub struct Woken {
    /// Topics, types, publishers or subscriptions changed.
    pub graph_changed: bool,
    /// What happened to the subscriptions and publishers that are watched.
    pub events: Vec<RosEvent>,
    /// [`Waiter::wake`] was called, or a subscription or publisher that was watched ended.
    pub by_hand: bool,
}

/// What has events.
pub(crate) trait Watched: Send + Sync {
    fn context(&self) -> &Context;
    fn topic(&self) -> &str;
    fn events(&self) -> &[Event];
}

/// An rcl entity that a wait may hold on to. When it is dropped, such a wait is ended, and with it the entity.
pub(crate) struct Watchable<T: Watched>(Option<Arc<T>>);

impl<T: Watched> Watchable<T> {
    pub(crate) fn new(entity: T) -> Self {
        Self(Some(Arc::new(entity)))
    }

    fn share(&self) -> Weak<T> {
        self.0.as_ref().map(Arc::downgrade).unwrap_or_default()
    }
}

impl<T: Watched> Deref for Watchable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("there until drop")
    }
}

impl<T: Watched> Drop for Watchable<T> {
    fn drop(&mut self) {
        let Some(entity) = self.0.take() else { return };
        let others = Arc::downgrade(&entity);
        drop(entity);
        // Only now: a wait that began before this would hold it again.
        if let Some(held) = others.upgrade() {
            held.context().wake_waiters();
        }
    }
}

/// A guard condition that ends a wait.
pub(crate) struct Waker {
    context: Arc<Context>,
    // Boxed: a wait set keeps a pointer to it.
    guard: *mut rcl::rcl_guard_condition_t,
}

// SAFETY: triggering a guard condition is thread-safe (rcl/guard_condition.h); a wait has it through an Arc; making and ending happen
// under `entities()`.
unsafe impl Send for Waker {}
// SAFETY: as for Send.
unsafe impl Sync for Waker {}

impl Waker {
    fn new(context: &Arc<Context>) -> Result<Self, RosError> {
        let _entities = entities();
        // SAFETY: zero-initialised by rcl's own function; the context outlives it (an Arc).
        unsafe {
            let guard = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_guard_condition()));
            let options = rcl::rcl_guard_condition_get_default_options();
            let code = rcl::rcl_guard_condition_init(guard, context.context_mut(), options);
            if let Err(error) = check("rcl_guard_condition_init", code) {
                drop(Box::from_raw(guard));
                return Err(error);
            }
            Ok(Self {
                context: Arc::clone(context),
                guard,
            })
        }
    }

    pub(crate) fn wake(&self) {
        // SAFETY: valid until `drop`.
        if unsafe { rcl::rcl_trigger_guard_condition(self.guard) } != 0 {
            reset_error();
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        let _entities = entities();
        // SAFETY: initialised, ended once, and nobody else has the pointer.
        unsafe {
            if rcl::rcl_guard_condition_fini(self.guard) != 0 {
                reset_error();
            }
            drop(Box::from_raw(self.guard));
        }
    }
}

/// Waits on one thread; everything else may be called from others. Make one for each context: two would take the changes of the graph
/// away from each other.
pub struct Waiter {
    waker: Arc<Waker>,
    watched: Mutex<Vec<Weak<dyn Watched>>>,
    waiting: Mutex<()>,
}

impl Waiter {
    /// A waiter for this context.
    ///
    /// # Errors
    /// What rcl says.
    pub fn new(context: &Arc<Context>) -> Result<Self, RosError> {
        let waker = Arc::new(Waker::new(context)?);
        context.add_waker(&waker);
        Ok(Self {
            waker,
            watched: Mutex::default(),
            waiting: Mutex::default(),
        })
    }

    /// Reports this subscription's events from now on, as far as the middleware has them. It must be of the same context. A wait that
    /// is under way when the subscription is dropped ends, and the subscription with it.
    pub fn watch(&self, subscription: &Subscription) {
        self.add(subscription.shared().share());
    }

    /// Reports this publisher's events from now on, likewise.
    pub fn watch_publisher(&self, publisher: &Publisher) {
        self.add(publisher.shared().share());
    }

    fn add(&self, entity: Weak<dyn Watched>) {
        self.watched.lock().push(entity);
        self.wake();
    }

    /// Ends a wait: the one under way, else the next.
    pub fn wake(&self) {
        self.waker.wake();
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
        // Held, so that none of their events ends during the wait.
        let alive: Vec<Arc<dyn Watched>> = {
            let mut watched = self.watched.lock();
            watched.retain(|entity| entity.strong_count() > 0);
            watched.iter().filter_map(Weak::upgrade).collect()
        };
        let events: Vec<(&str, &Event)> = alive
            .iter()
            .flat_map(|entity| entity.events().iter().map(|event| (entity.topic(), event)))
            .collect();
        let timeout_ns = timeout.map_or(-1, |t| i64::try_from(t.as_nanos()).unwrap_or(i64::MAX));
        // SAFETY: the events are those of entities of this context which live until the end of this function.
        unsafe { wait(&self.waker, &events, timeout_ns) }
    }
}

/// One wait on the graph, the waker and these events.
///
/// # Safety
/// The events are alive during the call; no other thread waits on them or on the waker.
unsafe fn wait(
    waker: &Waker,
    events: &[(&str, &Event)],
    timeout_ns: i64,
) -> Result<Woken, RosError> {
    let context = &waker.context;
    // SAFETY: the wait set is zero-initialised by rcl and ended by its guard; what is added to it lives as long: the guard conditions with
    // waker and node, the events by this function's contract. After rcl_wait the entry at an index is NULL, or what was added as that one.
    unsafe {
        let graph = rcl::rcl_node_get_graph_guard_condition(context.node());
        let mut set = WaitSet(rcl::rcl_get_zero_initialized_wait_set());
        let code = {
            let _entities = entities();
            let (context, alloc) = (context.context_mut(), allocator());
            rcl::rcl_wait_set_init(&raw mut set.0, 0, 2, 0, 0, 0, events.len(), context, alloc)
        };
        check("rcl_wait_set_init", code)?;
        let set = &raw mut set.0;
        for condition in [waker.guard.cast_const(), graph] {
            let code = rcl::rcl_wait_set_add_guard_condition(set, condition, ptr::null_mut());
            check("rcl_wait_set_add_guard_condition", code)?;
        }
        for (_, event) in events {
            let code = rcl::rcl_wait_set_add_event(set, event.handle(), ptr::null_mut());
            check("rcl_wait_set_add_event", code)?;
        }
        let code = rcl::rcl_wait(set, timeout_ns);
        if code == rcl::RCL_RET_TIMEOUT as i32 {
            reset_error();
            return Ok(Woken::default());
        }
        check("rcl_wait", code)?;
        let ready = |i: usize| !(*(*set).events.add(i)).is_null();
        Ok(Woken {
            by_hand: !(*(*set).guard_conditions).is_null(),
            graph_changed: !(*(*set).guard_conditions.add(1)).is_null(),
            events: events
                .iter()
                .enumerate()
                .filter(|(i, _)| ready(*i))
                .filter_map(|(_, (topic, event))| event.take(topic))
                .collect(),
        })
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

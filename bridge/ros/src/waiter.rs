//! Waiting for the graph to change and for events of subscriptions: one thread's job.
#![allow(unsafe_code)]

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use r2r_rcl as rcl;

use crate::context::Context;
use crate::error::RosError;
use crate::events::RosEvent;
use crate::ffi::{allocator, check, entities, reset_error};
use crate::subscription::Subscription;

/// Why [`Waiter::wait`] returned.
#[derive(Debug, Default)]
pub struct Woken {
    /// Topics, types, publishers or subscriptions changed.
    pub graph_changed: bool,
    /// What happened to the subscriptions that are watched.
    pub events: Vec<RosEvent>,
    /// [`Waiter::wake`] was called.
    pub by_hand: bool,
}

/// Waits on one thread; [`Waiter::wake`] and [`Waiter::watch`] may be called from others.
pub struct Waiter {
    context: Arc<Context>,
    wake: *mut rcl::rcl_guard_condition_t,
    watched: Mutex<Vec<Weak<Subscription>>>,
    waiting: Mutex<()>,
}

// SAFETY: triggering a guard condition is thread-safe; waiting happens on one thread at a time by `waiting`; making and ending by `entities()`.
unsafe impl Send for Waiter {}
// SAFETY: as for Send.
unsafe impl Sync for Waiter {}

impl Waiter {
    /// A waiter for this context.
    ///
    /// # Errors
    /// What rcl says.
    pub fn new(context: &Arc<Context>) -> Result<Self, RosError> {
        let _guard = entities();
        // SAFETY: a boxed, zero-initialised guard condition; the context outlives it.
        unsafe {
            let wake = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_guard_condition()));
            let options = rcl::rcl_guard_condition_get_default_options();
            if let Err(error) = check(
                "rcl_guard_condition_init",
                rcl::rcl_guard_condition_init(wake, context.context_mut(), options),
            ) {
                drop(Box::from_raw(wake));
                return Err(error);
            }
            Ok(Self {
                context: Arc::clone(context),
                wake,
                watched: Mutex::default(),
                waiting: Mutex::new(()),
            })
        }
    }

    /// Reports this subscription's events from now on, as far as the middleware has them. A wait that is under way keeps the
    /// subscription alive: call [`Waiter::wake`] after letting go of it.
    pub fn watch(&self, subscription: &Arc<Subscription>) {
        self.watched.lock().push(Arc::downgrade(subscription));
        self.wake();
    }

    /// Ends a wait.
    pub fn wake(&self) {
        // SAFETY: the guard condition is valid until `drop`.
        if unsafe { rcl::rcl_trigger_guard_condition(self.wake) } != 0 {
            reset_error();
        }
    }

    /// Waits until something happens.
    ///
    /// # Errors
    /// What rcl says.
    pub fn wait(&self) -> Result<Woken, RosError> {
        let _one = self.waiting.lock();
        // Held, so that none of their events ends during the wait.
        let alive: Vec<Arc<Subscription>> = {
            let mut watched = self.watched.lock();
            watched.retain(|subscription| subscription.strong_count() > 0);
            watched.iter().filter_map(Weak::upgrade).collect()
        };
        let events: Vec<_> = alive
            .iter()
            .flat_map(|s| s.events().iter().map(move |event| (s, event)))
            .collect();
        let mut woken = Woken::default();
        // SAFETY: the wait set is zero-initialised by rcl, made and ended here; everything added to it is alive until it is ended: the guard
        // conditions with self, the events with `alive`. After rcl_wait an entry is NULL or what was added at that index.
        unsafe {
            let graph = rcl::rcl_node_get_graph_guard_condition(self.context.node());
            let mut set = rcl::rcl_get_zero_initialized_wait_set();
            {
                let _guard = entities();
                let code = rcl::rcl_wait_set_init(
                    &raw mut set,
                    0,
                    2,
                    0,
                    0,
                    0,
                    events.len(),
                    self.context.context_mut(),
                    allocator(),
                );
                check("rcl_wait_set_init", code)?;
            }
            let outcome = (|| {
                check("rcl_wait_set_clear", rcl::rcl_wait_set_clear(&raw mut set))?;
                for condition in [self.wake.cast_const(), graph] {
                    let code = rcl::rcl_wait_set_add_guard_condition(
                        &raw mut set,
                        condition,
                        std::ptr::null_mut(),
                    );
                    check("rcl_wait_set_add_guard_condition", code)?;
                }
                for (_, event) in &events {
                    let code = rcl::rcl_wait_set_add_event(
                        &raw mut set,
                        event.handle(),
                        std::ptr::null_mut(),
                    );
                    check("rcl_wait_set_add_event", code)?;
                }
                let code = rcl::rcl_wait(&raw mut set, -1);
                if code == rcl::RCL_RET_TIMEOUT as i32 {
                    reset_error();
                    return Ok(());
                }
                check("rcl_wait", code)?;
                woken.by_hand = !(*set.guard_conditions).is_null();
                woken.graph_changed = !(*set.guard_conditions.add(1)).is_null();
                for (i, (subscription, event)) in events.iter().enumerate() {
                    if !(*set.events.add(i)).is_null() {
                        woken.events.extend(event.take(subscription.topic()));
                    }
                }
                Ok(())
            })();
            let _guard = entities();
            check("rcl_wait_set_fini", rcl::rcl_wait_set_fini(&raw mut set))?;
            outcome.map(|()| woken)
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _guard = entities();
        // SAFETY: valid, ended once, and nobody else has the pointer.
        unsafe {
            if rcl::rcl_guard_condition_fini(self.wake) != 0 {
                reset_error();
            }
            drop(Box::from_raw(self.wake));
        }
    }
}

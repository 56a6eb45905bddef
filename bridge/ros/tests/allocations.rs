//! Taking and publishing allocate nothing on this side of the middleware.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{PATHS, context, string, support, until};
use iceway_ros::{Publisher, Qos, Subscription, SubscriptionOptions, TakeSink, Taken};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: by the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the contract of this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Ready(Vec<MaybeUninit<u8>>);

impl TakeSink for Ready {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.0.get_mut(..len)
    }
}

#[test]
fn the_path_of_a_message_allocates_nothing_here() {
    for path in PATHS {
        let (context, support) = (context(), support("std_msgs/msg/String"));
        let topic = format!("/allocations_{path:?}");
        // A channel allocates, and the callback may run on the publishing thread.
        let arrived = Arc::new(AtomicUsize::new(0));
        let arriving = Arc::clone(&arrived);
        let options = SubscriptionOptions {
            on_message: Box::new(move |n| {
                arriving.fetch_add(n, Ordering::Release);
            }),
            take_path: Some(path),
            ignore_local: true,
        };
        let qos = Qos::default();
        let subscription = Subscription::new(&context, &topic, &support, &qos, options).unwrap();
        let publisher = Publisher::new(&context, &topic, &support, &qos).unwrap();
        until("they have found each other", || {
            publisher.subscriptions() == 1
        });
        let message = string(&[b'x'; 5000]);
        let mut large = Ready(vec![MaybeUninit::uninit(); 10_000]);
        let mut none = Ready(Vec::new());
        for round in 0..10 {
            let before = ALLOCATIONS.get();
            publisher.publish(&message).unwrap();
            let published = ALLOCATIONS.get() - before;
            until("it is there", || arrived.load(Ordering::Acquire) > round);
            let before = ALLOCATIONS.get();
            let sink = if round % 3 == 2 {
                &mut none
            } else {
                &mut large
            };
            let taken = subscription.take(sink).unwrap();
            let empty = subscription.take(sink).unwrap();
            assert_eq!(
                (published, ALLOCATIONS.get() - before),
                (0, 0),
                "{path:?}: {taken:?}"
            );
            assert!(
                matches!(taken, Taken::Echo | Taken::Refused { .. }),
                "{taken:?}"
            );
            assert_eq!(empty, Taken::Empty);
        }
    }
}

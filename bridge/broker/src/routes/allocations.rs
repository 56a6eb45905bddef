//! The path of a message through the broker allocates nothing, in either direction. Checked with a real
//! ROS publisher and subscription, and an allocator that counts per thread. (What the middleware allocates in C++ is not seen here.)
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use iceway_bus::control::Role;
use iceway_bus::{Placement, PublisherOptions, SubscriberOptions};
use iceway_ros::{Publisher, Qos, Subscription, SubscriptionOptions};

use super::testbed::{Bed, message, until};

/// Threads that a message passes: of the middleware, of lanes, and of routes to ROS.
const ON_THE_PATH: [&str; 3] = ["dds.", "lane-", "to-ros/allocati"];
/// Messages that may find something to do for the first time.
const WARM_UP: usize = 100;
const COUNTED: usize = 200;

/// Counts allocations by thread.
struct Counting;

const MAX_THREADS: usize = 1024;
static THREADS: [(AtomicI32, AtomicUsize); MAX_THREADS] =
    [const { (AtomicI32::new(0), AtomicUsize::new(0)) }; MAX_THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
}

// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if SLOT.get() == usize::MAX {
            SLOT.set(NEXT.fetch_add(1, Ordering::Relaxed));
            if let Some((id, _)) = THREADS.get(SLOT.get()) {
                id.store(
                    rustix::thread::gettid().as_raw_nonzero().get(),
                    Ordering::Relaxed,
                );
            }
        }
        if let Some((_, count)) = THREADS.get(SLOT.get()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
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

/// Allocations so far by the threads on the path.
fn allocations() -> Vec<(String, usize)> {
    THREADS
        .iter()
        .map(|(id, count)| (id.load(Ordering::Relaxed), count.load(Ordering::Relaxed)))
        .take_while(|(id, _)| *id != 0)
        .filter_map(|(id, count)| {
            let name = std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).ok()?;
            ON_THE_PATH
                .iter()
                .any(|path| name.starts_with(path))
                .then(|| (format!("{} {id}", name.trim()), count))
        })
        .collect()
}

/// Allocations of the calling thread so far.
fn own() -> usize {
    THREADS[SLOT.get()].1.load(Ordering::Relaxed)
}

/// Sends messages one by one, and fails if those after the first allocated anything. `pass_one` says what the calling thread itself allocated
/// on the path.
fn check(what: &str, mut pass_one: impl FnMut() -> usize) {
    (0..WARM_UP).for_each(|_| {
        pass_one();
    });
    let before = allocations();
    let mut allocated: usize = (0..COUNTED).map(|_| pass_one()).sum();
    for (thread, count) in allocations() {
        let earlier = before.iter().find(|(known, _)| *known == thread);
        allocated += count - earlier.map_or(0, |(_, count)| *count);
    }
    assert_eq!(allocated, 0, "{what}: allocations for {COUNTED} messages");
}

#[test]
fn the_path_of_a_message_allocates_nothing() {
    let bed = Bed::new();

    let route = bed.route("allocations_in", Role::Subscriber);
    let client = bed.client();
    let channel = client.open_channel(&route.topic).unwrap();
    let subscriber = channel.subscriber(&SubscriberOptions::default()).unwrap();
    let topic = route.topic.as_str();
    let publisher = Publisher::new(&bed.other, topic, &bed.support, &Qos::default()).unwrap();
    until("ROS finds the broker", || publisher.subscriptions() == 1);
    // Taken on the middleware's thread, in the lane of small messages, and in that of large ones.
    for len in [100, 40_000, 300_000] {
        let cdr = message(len);
        check(&format!("from ROS, {len} bytes"), || {
            let before = own();
            publisher.publish(&cdr).unwrap();
            // In one process Fast DDS calls back on the publishing thread: what is taken at once is taken here.
            let here = own() - before;
            until("it comes from ROS", || {
                subscriber.receive().unwrap().is_some()
            });
            here
        });
    }
    route.release(Role::Subscriber);
    route.stop();

    let route = bed.route("allocations_out", Role::Publisher);
    let client = bed.client();
    let channel = client.open_channel(&route.topic).unwrap();
    let writer = channel.publisher(&PublisherOptions::default()).unwrap();
    let arrived = Arc::new(AtomicUsize::new(0));
    let arriving = Arc::clone(&arrived);
    let options = SubscriptionOptions {
        on_message: Box::new(move |count| {
            arriving.fetch_add(count, Ordering::Release);
        }),
        take_path: None,
        ignore_local: false,
    };
    let topic = route.topic.as_str();
    let subscription =
        Subscription::new(&bed.other, topic, &bed.support, &Qos::default(), options).unwrap();
    until("the broker finds ROS", || subscription.publishers() == 1);
    let mut buffer = Vec::new();
    let mut received = 0;
    for len in [100, 300_000] {
        let cdr = message(len);
        // The first ones may come before everybody is connected.
        until("something goes to ROS", || {
            writer
                .loan(cdr.len(), Placement::UNKNOWN)
                .unwrap()
                .fill(&cdr)
                .send_and_notify()
                .unwrap();
            std::thread::sleep(Duration::from_millis(5));
            arrived.load(Ordering::Acquire) > received
        });
        check(&format!("to ROS, {len} bytes"), || {
            received = arrived.load(Ordering::Acquire);
            let loan = writer.loan(cdr.len(), Placement::UNKNOWN).unwrap();
            loan.fill(&cdr).send_and_notify().unwrap();
            until("it goes to ROS", || {
                arrived.load(Ordering::Acquire) > received
            });
            let _ = subscription.take_into(&mut buffer);
            0
        });
    }
    route.release(Role::Publisher);
    route.stop();
    bed.lanes.stop();
}

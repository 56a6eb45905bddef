//! A message from ROS is copied once after the middleware received it: by the middleware, into the shared memory that receivers map.

use std::fs;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iceway_bus::control::Role;
use iceway_bus::{Placement, PublisherOptions, SubscriberOptions};
use iceway_ros::{Publisher, Qos};

use super::inbound::LoanSink;
use super::testbed::{Bed, message, until};
use crate::ros::{QosWish, TakeSink, Taken};

/// Passes on what the middleware asks for, and notes it.
struct Watched<'a> {
    sink: LoanSink<'a>,
    /// Where and how much memory the middleware was given, each time.
    given: Vec<(usize, usize)>,
}

impl TakeSink for Watched<'_> {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        let memory = self.sink.loan(len)?;
        self.given.push((memory.as_ptr().addr(), memory.len()));
        Some(memory)
    }
}

/// The shared-memory file in which an address of this process lies, and where in it.
fn place(address: usize) -> (String, usize) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let found = maps.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let hex = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (hex(start)?, hex(end)?);
        let offset = hex(fields.nth(1)?)?;
        let file = fields.nth(2)?;
        (start..end)
            .contains(&address)
            .then(|| (file.to_owned(), offset + address - start))
    });
    found.expect("the address is mapped from a file")
}

#[test]
fn the_middleware_writes_where_receivers_read() {
    let bed = Bed::new();
    let route = bed.route("copies", Role::Subscriber);
    // A port and a subscription of the test's own, used as `Inbound` uses its own.
    let port = route
        .channel
        .publisher(&PublisherOptions::default())
        .unwrap();
    let announced = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&announced);
    let on_message = Box::new(move || {
        counting.fetch_add(1, Ordering::Release);
    });
    let support = route.message_type.ros.as_ref().unwrap();
    let subscription = bed
        .ros
        .subscribe(&route.topic, support, QosWish::default(), on_message)
        .unwrap();
    let client = bed.client();
    let channel = client.open_channel(&route.topic).unwrap();
    let subscriber = channel.subscriber(&SubscriberOptions::default()).unwrap();
    // What the route itself receives is of no interest here.
    route.stop();
    let topic = route.topic.as_str();
    let publisher = Publisher::new(&bed.other, topic, &bed.support, &Qos::default()).unwrap();
    until("ROS finds the subscription", || {
        publisher.subscriptions() == 1
    });

    for len in [100, 1_000_000] {
        let cdr = message(len);
        publisher.publish(&cdr).unwrap();
        until("it comes from ROS", || {
            announced.swap(0, Ordering::Acquire) > 0
        });
        let mut sink = Watched {
            sink: LoanSink::new(&port, Placement::UNKNOWN, false),
            given: Vec::new(),
        };
        let Ok(Taken::Message { len: taken, .. }) = subscription.take(&mut sink) else {
            panic!("a message was announced");
        };
        assert_eq!(sink.given.len(), 1, "asked for memory once");
        let (given, size) = sink.given[0];
        assert_eq!((size, taken), (cdr.len(), cdr.len()), "of the exact size");
        let frame = super::filled(sink.sink.loan.take().unwrap(), taken);
        assert_eq!(frame.bytes().as_ptr().addr(), given, "sent from there");
        frame.send_and_notify().unwrap();
        let received = subscriber.receive().unwrap().unwrap();
        assert_eq!(received.cdr()[4..], cdr[4..]);
        let read = received.cdr().as_ptr().addr();
        assert_ne!(read, given, "a mapping of its own");
        assert_eq!(place(read), place(given), "and the same memory");
    }
    drop(subscription);
    bed.lanes.stop();
}

//! Frames through a channel: placement, order, losses, lifetimes.
#![allow(missing_docs)]

mod common;

use common::*;
use iceway_bus::{
    FrameFlags, FrameHeader, Limits, LoanError, Placement, PublisherOptions, ReceiveError,
    SubscriberOptions, SubscriberStats, Wake,
};
use std::time::Duration;

#[test]
fn a_frame_is_the_loans_memory_and_its_array_is_64_aligned() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 1);
    for (array, alignment) in [
        (None, 8),
        (Some(52), 8),
        (Some(60), 8),
        (Some(64), 4),
        (Some(100), 4),
    ] {
        let placement = Placement {
            array_offset: array,
            body_alignment: alignment,
        };
        let mut loan = publisher.loan(1000, placement).unwrap();
        let written_at = place_of(loan.as_mut_ptr().as_ptr());
        let header = loan.header_mut();
        header.source_ns = 5;
        header.cause_ns = 6;
        assert_eq!(loan.as_uninit_slice().len(), 1000);
        assert_eq!(loan.fill(&message(1000, 9)).send().unwrap(), 1);
        let frame = receive(&subscriber);
        assert_eq!(
            place_of(frame.as_ptr()),
            written_at,
            "the same bytes of the same file"
        );
        assert_eq!(frame.cdr(), message(1000, 9));
        assert_eq!((frame.header().source_ns, frame.header().cause_ns), (5, 6));
        assert_eq!(frame.header().origin, writer.id());
        assert!(frame.header().sent_ns > 0 && frame.woken_ns() >= frame.header().sent_ns);
        let address = frame.as_ptr() as usize;
        assert_eq!((address + 4) % alignment, 0, "the body is aligned");
        if let Some(array) = array {
            assert_eq!((address + array) % 64, 0, "array at {array}");
        }
    }
    // Neither the writer's nor the reader's mapping (8 GiB each) would be in a core dump.
    let flags = mapping_flags(&format!("{}.data", publisher.port_id()));
    assert_eq!(flags.len(), 2);
    assert!(flags.iter().all(|flags| flags.contains(" dd")), "{flags:?}");
    assert!(written_paths_are_ours(
        &bed,
        &receive_place(&publisher, &subscriber)
    ));
}

fn receive_place(publisher: &iceway_bus::Publisher, subscriber: &iceway_bus::Subscriber) -> String {
    send(publisher, 8, 0);
    place_of(receive(subscriber).as_ptr())
        .0
        .display()
        .to_string()
}

fn written_paths_are_ours(bed: &Bed, path: &str) -> bool {
    path.starts_with(&format!("/dev/shm/{}", bed.domain.prefix()))
}

#[test]
fn a_loan_can_be_shortened_or_dropped() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 4);
    let mut loan = publisher.loan(100, None).unwrap();
    loan.shrink_to(50);
    let mut filled = loan.fill(&message(50, 1));
    filled.bytes_mut()[49] = 2;
    assert_eq!(filled.bytes().len(), 50);
    filled.send().unwrap();
    drop(publisher.loan(100, None).unwrap());
    drop(publisher.loan(100, None).unwrap().fill_zero());
    let frame = receive(&subscriber);
    assert_eq!(
        (frame.len(), frame.cdr()[49], frame.header().seq),
        (50, 2, 0)
    );
    assert!(subscriber.receive().unwrap().is_none());
    assert_eq!(publisher.next_seq(), 1, "what was not sent has no number");
}

#[test]
fn too_large_is_refused_and_the_rest_goes_on() {
    let bed = Bed::new();
    let node = bed.node("writer");
    let publisher = publisher(&node.create_channel(&topic(), &spec()).unwrap());
    let max = limits().max_message_bytes;
    assert_eq!(publisher.max_message_bytes(), max);
    assert_eq!(
        publisher.loan(max as usize + 1, None).unwrap_err(),
        LoanError::TooLarge { need: max + 1, max }
    );
    publisher
        .loan(max as usize, Some(60))
        .unwrap()
        .fill_zero()
        .send()
        .unwrap();
}

#[test]
fn overflow_and_writer_drops_are_counted_apart() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    // The subscriber is there first, so that every frame is meant for it.
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 2);
    let publisher = publisher(&channel);
    subscriber.update_connections();
    for value in 0..10 {
        send(&publisher, 100, value);
        if value == 8 {
            assert_eq!(publisher.count_dropped(), 1);
        }
    }
    assert_eq!(receive_all(&subscriber), [8, 9]);
    let stats = subscriber.stats();
    assert_eq!(
        (stats.received, stats.overflow, stats.writer_drops),
        (2, 8, 1)
    );
    for value in 0..5 {
        send(&publisher, 100, value);
    }
    assert_eq!(receive_all(&subscriber), [3, 4]);
    assert_eq!(subscriber.stats().overflow, 11);
}

#[test]
fn a_late_subscriber_does_not_count_what_was_before_it() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    for value in 0..10 {
        send(&publisher, 100, value);
    }
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 4);
    send(&publisher, 100, 10);
    assert_eq!(receive_all(&subscriber), [10]);
    assert_eq!(
        subscriber.stats(),
        SubscriberStats {
            received: 1,
            ..SubscriberStats::default()
        }
    );
}

#[test]
fn the_borrow_limit_names_the_count_and_recovers() {
    let bed = Bed::new();
    let small = Limits {
        borrowed: 3,
        ..limits()
    };
    let writer = iceway_bus::BusNode::new(&bed.domain, "writer", &small).unwrap();
    let reader = bed.node("reader");
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 2);
    let mut held = Vec::new();
    for value in 0..3 {
        send(&publisher, 100, value);
        held.push(receive(&subscriber));
    }
    for value in 3..6 {
        send(&publisher, 100, value);
    }
    assert_eq!(
        subscriber.receive().unwrap_err(),
        ReceiveError::BorrowLimit { held: 3 }
    );
    assert_eq!(subscriber.held(), 3);
    // What is held is untouched, and the writer is not blocked.
    assert!(
        held.iter()
            .zip(0..)
            .all(|(frame, value)| frame.cdr() == message(100, value))
    );
    let oldest = held.swap_remove(0);
    drop(held);
    assert_eq!(subscriber.held(), 1);
    assert_eq!(receive_all(&subscriber), [4, 5], "the newest were kept");
    assert_eq!(oldest.cdr(), message(100, 0));
    assert_eq!(subscriber.stats().borrow_limit, 1);
}

#[test]
fn a_frame_outlives_subscriber_writer_and_nodes() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let reader_channel = reader.open_channel(&topic()).unwrap();
    let subscriber = subscriber(&reader_channel, 1);
    send(&publisher, 100_000, 1);
    let frame = receive(&subscriber);
    drop((subscriber, reader_channel, reader));
    // The writer goes on, over all chunks that it can get, and must not touch the frame.
    for value in 2..100 {
        send(&publisher, 100_000, value);
    }
    assert_eq!(frame.cdr(), message(100_000, 1));
    drop((publisher, channel, writer));
    assert_eq!(frame.cdr(), message(100_000, 1));
    let moved = std::thread::spawn(move || {
        assert_eq!(frame.cdr(), message(100_000, 1));
        frame
    });
    drop(moved.join().unwrap());
    assert_eq!(
        bed.shm_files(),
        Vec::<String>::new(),
        "everything is gone with the last frame"
    );
}

#[test]
fn own_frames_are_skipped() {
    let bed = Bed::new();
    let (one, two) = (bed.node("one"), bed.node("two"));
    let channel = one.create_channel(&topic(), &spec()).unwrap();
    let (own_publisher, own_subscriber) = (publisher(&channel), subscriber(&channel, 8));
    let other = two.open_channel(&topic()).unwrap();
    let (other_publisher, other_subscriber) = (publisher(&other), subscriber(&other, 8));
    send(&own_publisher, 100, 1);
    send(&other_publisher, 100, 2);
    send(&own_publisher, 100, 3);
    assert_eq!(receive_all(&own_subscriber), [2]);
    assert_eq!(receive_all(&other_subscriber), [1, 3]);
}

#[test]
fn retained_frames_reach_their_target_only_and_once() {
    let bed = Bed::new();
    let broker = bed.node("broker");
    let channel = broker.create_channel(&topic(), &spec()).unwrap();
    let (live, retaining) = (publisher(&channel), publisher(&channel));
    let latched = SubscriberOptions {
        depth: 16,
        remember: 32,
    };
    let nodes = [bed.node("first"), bed.node("second")];
    let [first, second] = nodes.each_ref().map(|node| {
        node.open_channel(&topic())
            .unwrap()
            .subscriber(&latched)
            .unwrap()
    });
    let retain = |publication_seq: u64, target: u64, value: u8| {
        let mut loan = retaining.loan(100, None).unwrap();
        let header = loan.header_mut();
        (header.flags, header.target) = (FrameFlags::RETAINED.0, target);
        (header.source_ns, header.publication_seq) =
            (1000 + publication_seq as i64, publication_seq);
        loan.fill(&message(100, value)).send().unwrap();
    };
    // A live frame that is retained as well: once only.
    let mut loan = live.loan(100, None).unwrap();
    *loan.header_mut() = FrameHeader {
        source_ns: 1003,
        publication_seq: 3,
        ..FrameHeader::default()
    };
    loan.fill(&message(100, 3)).send().unwrap();
    for value in 1..4 {
        retain(u64::from(value), first.receiver_id(), value);
    }
    let mut received = receive_all(&first);
    received.sort_unstable();
    assert_eq!(received, [1, 2, 3]);
    assert_eq!(first.stats().repeated, 1);
    assert_eq!(receive_all(&second), [3], "the live one");
    // Frames for others are no gaps in the count of losses.
    retain(4, second.receiver_id(), 4);
    assert_eq!(
        (receive_all(&first), receive_all(&second)),
        (vec![], vec![4])
    );
    assert_eq!((first.stats().overflow, second.stats().overflow), (0, 0));
    // For all: whoever has not had it.
    retain(3, FrameHeader::TO_ALL, 3);
    retain(4, FrameHeader::TO_ALL, 4);
    assert_eq!(
        (receive_all(&first), receive_all(&second)),
        (vec![4], vec![])
    );
}

#[test]
fn a_subscriber_is_connected_to_a_writer_that_announces_itself() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 4);
    let announcements = reader.announcements().unwrap();
    let publisher = publisher(&channel);
    writer.announcer().unwrap().notify();
    assert_eq!(announcements.wait(None), Wake::Notified);
    subscriber.update_connections();
    send(&publisher, 100, 1);
    // Gone before the subscriber looks: only a connected one gets its frame.
    drop(publisher);
    assert_eq!(receive_all(&subscriber), [1]);
}

#[test]
fn listeners_wake_and_drain() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let channel = reader.open_channel(&topic()).unwrap();
    let (listener, subscriber) = (channel.listener().unwrap(), subscriber(&channel, 4));
    assert!(listener.fd() >= 0);
    assert_eq!(listener.wait(Some(Duration::ZERO)), Wake::TimedOut);
    assert!(!listener.drain());
    send(&publisher, 100, 1);
    send(&publisher, 100, 2);
    assert_eq!(listener.wait(None), Wake::Notified);
    assert_eq!(receive_all(&subscriber), [1, 2]);
    assert_eq!(
        listener.wait(Some(Duration::ZERO)),
        Wake::TimedOut,
        "both notifications were taken"
    );
    // What is there already is taken, and ends the wait.
    send(&publisher, 100, 3);
    assert_eq!(listener.wait_then_look(None), Wake::Notified);
    assert_eq!(
        listener.wait_then_look(Some(Duration::ZERO)),
        Wake::TimedOut
    );
    let waiting = std::thread::spawn(move || {
        let wake = listener.wait_then_look(None);
        (listener, wake)
    });
    send(&publisher, 100, 4);
    let (listener, wake) = waiting.join().unwrap();
    assert_eq!(wake, Wake::Notified);
    listener.drain();
    let waiting = std::thread::spawn(move || listener.wait(None));
    send(&publisher, 100, 5);
    assert_eq!(waiting.join().unwrap(), Wake::Notified);
}

#[test]
fn nonsense_headers_are_counted_and_not_read() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 8);
    // Shorter than an encapsulation: the only nonsense that this crate's own writer lets through.
    let mut loan = publisher.loan(100, None).unwrap();
    loan.shrink_to(3);
    loan.fill(&[0, 1, 0]).send().unwrap();
    send(&publisher, 4, 1);
    assert_eq!(receive(&subscriber).cdr(), [0, 1, 0, 0]);
    assert_eq!(
        (subscriber.stats().malformed, subscriber.stats().received),
        (1, 1)
    );
    assert_eq!(subscriber.stats().overflow, 0, "it came");
}

#[test]
fn losses_before_the_bus_are_passed_on() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 8);
    for lost_before in [5, 5, 9] {
        let mut loan = publisher.loan(8, None).unwrap();
        loan.header_mut().lost_before = lost_before;
        loan.fill_zero().send().unwrap();
    }
    assert_eq!(receive_all(&subscriber).len(), 3);
    assert_eq!(subscriber.stats().lost_before, 4);
}

#[test]
fn channels_know_their_type_and_refuse_another() {
    let bed = Bed::new();
    let (broker, client) = (bed.node("broker"), bed.node("client"));
    let missing = client.open_channel(&topic()).unwrap_err();
    assert_eq!(missing.to_string(), "there is no channel for /test/topic");
    let channel = broker.create_channel(&topic(), &spec()).unwrap();
    let opened = client.open_channel(&topic()).unwrap();
    assert_eq!(opened.spec(), &spec());
    assert_eq!(opened.type_name().to_string(), "test_msgs/msg/Blob");
    // A restarted broker finds the channel that clients keep open.
    drop((channel, broker));
    let broker = bed.node("broker");
    broker.create_channel(&topic(), &spec()).unwrap();
    let mut other = spec();
    other.type_name = "test_msgs/msg/Other".parse().unwrap();
    let error = broker
        .create_channel(&topic(), &other)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("test_msgs/msg/Blob") && error.contains("test_msgs/msg/Other"),
        "{error}"
    );
    let mut unknown = spec();
    unknown.type_hash = iceway_bus::TypeHash::UNKNOWN;
    broker.create_channel(&topic(), &unknown).unwrap();
}

#[test]
fn limits_are_named_when_they_are_reached() {
    let bed = Bed::new();
    let small = Limits {
        publishers: 2,
        subscribers: 2,
        ..limits()
    };
    let node = iceway_bus::BusNode::new(&bed.domain, "node", &small).unwrap();
    let channel = node.create_channel(&topic(), &spec()).unwrap();
    let _publishers = [publisher(&channel), publisher(&channel)];
    let _subscribers = [subscriber(&channel, 1), subscriber(&channel, 1)];
    assert_eq!(
        (channel.counts().publishers, channel.counts().subscribers),
        (2, 2)
    );
    let error = channel
        .publisher(&PublisherOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "/test/topic has all of its 2 publishers: raise the broker's limit `publishers`"
    );
    let error = channel
        .subscriber(&SubscriberOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "/test/topic has all of its 2 subscribers: raise the broker's limit `subscribers`"
    );
}

#[test]
fn a_subscriber_that_has_not_looked_gets_what_a_living_writer_sent() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 4);
    let publisher = publisher(&channel);
    assert_eq!((send(&publisher, 100, 1), send(&publisher, 100, 2)), (1, 1));
    assert_eq!(receive_all(&subscriber), [1, 2]);
}

#[test]
fn frames_of_too_many_vanished_writers_are_an_error_and_no_panic() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 2);
    let mut held = Vec::new();
    let mut refused = 0;
    for round in 0..400 {
        let publisher = publisher(&channel);
        subscriber.update_connections();
        send(&publisher, 100, (round % 250) as u8);
        match subscriber.receive() {
            Ok(frame) => held.push((round, frame.unwrap())),
            Err(error) => {
                assert_eq!(error, ReceiveError::BorrowLimit { held: held.len() });
                refused += 1;
            }
        }
    }
    assert_eq!((held.len(), refused), (128, 272));
    for (round, frame) in &held {
        assert_eq!(frame.cdr(), message(100, (round % 250) as u8));
    }
    held.clear();
    let publisher = publisher(&channel);
    send(&publisher, 100, 1);
    assert_eq!(receive_all(&subscriber), [1]);
}

#[test]
fn everything_may_move_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<iceway_bus::BusNode>();
    shared::<iceway_bus::Channel>();
    shared::<iceway_bus::Publisher>();
    shared::<iceway_bus::Subscriber>();
    shared::<iceway_bus::Listener>();
    shared::<iceway_bus::Notifier>();
    shared::<iceway_bus::Frame>();
    shared::<iceway_bus::ack::Acker>();
    shared::<iceway_bus::client::Client>();
    shared::<iceway_bus::client::ClientSubscriber>();
    shared::<iceway_bus::client::ClientPublisher>();
    sent::<iceway_bus::Loan>();
    sent::<iceway_bus::FilledLoan>();
}

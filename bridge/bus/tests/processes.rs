//! Processes that die or fork.
#![allow(missing_docs, unsafe_code)]

mod common;

use std::io::Write;

use common::broker::FakeBroker;
use common::*;
use iceway_bus::client::{
    AdvertiseOptions, Client, ClientError, ConnectOptions, SubscribeOptions, never,
};
use iceway_bus::{BusError, BusNode, LoanError, ReceiveError, SendError};

/// Runs `body` in a forked child, which ends without any clean-up of Rust. Returns true if it did not panic.
fn forked(body: impl FnOnce()) -> bool {
    // SAFETY: the child only runs `body`, which uses the objects of this test; other threads of the test runner
    // hold no lock that it needs but for the allocator's, which libc makes usable after a fork.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: ends a child that hangs.
            unsafe { libc::alarm(30) };
            let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_ok();
            // SAFETY: ends the child at once, without running exit handlers of the parent.
            unsafe { libc::_exit(i32::from(!fine)) }
        }
        child => {
            assert!(child > 0);
            let mut status = 0;
            // SAFETY: `status` is valid for writing.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[test]
fn a_forked_child_neither_uses_nor_drops_what_is_the_parents() {
    let bed = Bed::new();
    let (writer, reader) = (bed.node("writer"), bed.node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let reader_channel = reader.open_channel(&topic()).unwrap();
    let subscriber = subscriber(&reader_channel, 8);
    let listener = reader_channel.listener().unwrap();
    let acker = channel.acker().unwrap();
    send(&publisher, 1000, 1);
    let frame = receive(&subscriber);
    let loan = publisher.loan(1000, None).unwrap();
    let filled = publisher.loan(1000, None).unwrap().fill_zero();

    // Everything is used, and then dropped by the child.
    let mut objects = Some((
        writer,
        reader,
        channel,
        publisher,
        reader_channel,
        subscriber,
        listener,
        acker,
    ));
    let mut loans = Some((loan, filled));
    let mut frames = Some(frame);
    let fine = forked(|| {
        let (writer, reader, channel, publisher, reader_channel, subscriber, listener, acker) =
            objects.take().unwrap();
        let (loan, filled) = loans.take().unwrap();
        let frame = frames.take().unwrap();
        assert_eq!(frame.cdr(), message(1000, 1), "readable in the child");
        assert_eq!(subscriber.receive().unwrap_err(), ReceiveError::Forked);
        assert_eq!(publisher.loan(10, None).unwrap_err(), LoanError::Forked);
        assert_eq!(filled.send().unwrap_err(), SendError::Forked);
        assert_eq!(loan.fill_zero().send().unwrap_err(), SendError::Forked);
        assert!(matches!(channel.listener(), Err(BusError::Forked)));
        assert!(matches!(
            writer.open_channel(&topic()),
            Err(BusError::Forked)
        ));
        assert_eq!(
            (publisher.trim(), reader.cleanup_dead(), listener.drain()),
            (0, 0, false)
        );
        publisher.notify();
        subscriber.update_connections();
        acker.ack(&frame);
        drop((
            frame,
            subscriber,
            publisher,
            listener,
            acker,
            channel,
            reader_channel,
            writer,
            reader,
        ));
    });
    assert!(fine);

    let (_writer, _reader, channel, publisher, _reader_channel, subscriber, listener, acker) =
        objects.unwrap();
    let frame = frames.unwrap();
    assert_eq!(
        (channel.counts().publishers, channel.counts().subscribers),
        (1, 1),
        "nothing was unregistered"
    );
    assert_eq!(frame.cdr(), message(1000, 1));
    acker.ack(&frame);
    drop(loans);
    assert_eq!(send(&publisher, 1000, 2), 1);
    assert!(listener.drain());
    assert_eq!(receive_all(&subscriber), [2]);
}

#[test]
fn a_forked_child_can_join_anew() {
    let bed = Bed::new();
    let writer = bed.node("writer");
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let fine = forked(|| {
        let node = bed.node("child");
        let subscriber = subscriber(&node.open_channel(&topic()).unwrap(), 1);
        assert!(subscriber.receive().unwrap().is_none());
    });
    assert!(fine);
    assert_eq!(channel.counts().subscribers, 0);
    assert_eq!(send(&publisher, 10, 1), 0);
}

#[test]
fn a_forked_child_leaves_the_parents_client_alone() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = Client::connect(&bed.domain, &ConnectOptions::default(), &mut never).unwrap();
    let mut subscriber = Some(
        client
            .subscribe("/t1", None, &SubscribeOptions::default(), &mut never)
            .unwrap(),
    );
    let mut publisher = Some(
        client
            .advertise(
                "/t2",
                "test_msgs/msg/Blob",
                &AdvertiseOptions::default(),
                &mut never,
            )
            .unwrap(),
    );
    let mut handle = Some(client);
    let fine = forked(|| {
        let (client, subscriber, publisher) = (
            handle.take().unwrap(),
            subscriber.take().unwrap(),
            publisher.take().unwrap(),
        );
        let is_forked = |error: ClientError| error.to_string().contains("parent process of a fork");
        assert!(is_forked(client.topics(&mut never).unwrap_err()));
        assert!(is_forked(subscriber.try_recv().unwrap_err()));
        assert!(is_forked(subscriber.recv(None, &mut never).unwrap_err()));
        assert!(is_forked(publisher.loan(10, None).map(drop).unwrap_err()));
        client.close();
        drop((subscriber, publisher, client));
    });
    assert!(fine);
    let (client, subscriber) = (handle.unwrap(), subscriber.unwrap());
    assert!(client.broker_alive());
    assert_eq!(broker.state.lock().unwrap().demand.len(), 2);
    client.topics(&mut never).unwrap();
    broker.send("/t1", 100, 5);
    assert_eq!(
        subscriber.recv(None, &mut never).unwrap().cdr(),
        message(100, 5)
    );
    assert_eq!(
        broker
            .state
            .lock()
            .unwrap()
            .log
            .iter()
            .filter(|op| op.starts_with("Un"))
            .count(),
        0
    );
}

#[test]
fn a_killed_receiver_gives_its_frames_and_ports_back() {
    let bed = Bed::new();
    let writer = bed.node("writer");
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let mut holder = child("child_holder", &bed).spawn().unwrap();
    wait_for_line(&mut holder, "subscribed");
    let before = publisher.populated_bytes();
    for value in 0..20 {
        send(&publisher, 1 << 20, value);
    }
    wait_for_line(&mut holder, "holding");
    assert!(publisher.populated_bytes() - before > 16 << 20);
    assert_eq!(channel.counts().subscribers, 1);
    let files = bed.shm_files().len();
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Seen at once; nothing had to time out.
    assert_eq!(writer.cleanup_dead(), 1);
    assert_eq!(channel.counts().subscribers, 0);
    assert!(bed.shm_files().len() < files);
    // Its chunks come back to the writer: now they can be idle, and be trimmed.
    publisher.update_connections();
    publisher.trim();
    send(&publisher, 100, 1);
    let freed = publisher.trim();
    assert!(freed > 16 << 20, "{freed}");
    assert_eq!(writer.cleanup_dead(), 0);
}

#[test]
#[ignore = "run by another test"]
fn child_holder() {
    let node = BusNode::new(&child_domain(), "holder", &limits()).unwrap();
    let channel = node.open_channel(&topic()).unwrap();
    let (listener, subscriber) = (channel.listener().unwrap(), subscriber(&channel, 32));
    println!("subscribed");
    let mut held = Vec::new();
    while held.len() < 20 {
        listener.wait(None);
        held.extend(std::iter::from_fn(|| subscriber.receive().unwrap()));
    }
    println!("holding");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_writers_frames_stay_and_its_successor_is_heard() {
    let bed = Bed::new();
    let reader = bed.node("reader");
    let channel = reader.create_channel(&topic(), &spec()).unwrap();
    let (listener, subscriber) = (channel.listener().unwrap(), subscriber(&channel, 8));
    let mut frames = Vec::new();
    for round in 1..=2 {
        let mut writer = child("child_writer", &bed).spawn().unwrap();
        wait_for_line(&mut writer, "sent");
        while frames.len() < 3 * round {
            listener.wait(None);
            frames.extend(std::iter::from_fn(|| subscriber.receive().unwrap()));
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert_eq!(reader.cleanup_dead(), 1);
        assert_eq!(channel.counts().publishers, 0);
        assert!(subscriber.receive().unwrap().is_none());
    }
    let values: Vec<u8> = frames.iter().map(|frame| frame.cdr()[4]).collect();
    assert_eq!(values, [0, 1, 2, 0, 1, 2]);
    assert!(
        frames
            .iter()
            .all(|frame| frame.cdr() == message(100_000, frame.cdr()[4]))
    );
    drop((frames, subscriber, listener, channel, reader));
    assert_eq!(bed.shm_files(), Vec::<String>::new());
}

#[test]
#[ignore = "run by another test"]
fn child_writer() {
    let node = BusNode::new(&child_domain(), "writer", &limits()).unwrap();
    let channel = node.open_channel(&topic()).unwrap();
    let publisher = publisher(&channel);
    for value in 0..3 {
        send(&publisher, 100_000, value);
    }
    println!("sent");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

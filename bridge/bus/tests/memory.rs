//! A full /dev/shm, and limits of the process. Each test runs itself again in a process of its own with a small
//! tmpfs in place of /dev/shm (a user namespace: no root needed), or with limits set by the shell.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::process::Command;

use common::*;
use iceway_bus::{BusError, BusNode, LoanError, Placement, SubscriberOptions, TopicName};

const MIB: usize = 1 << 20;
const SMALL: &str = "32m";

/// Runs the ignored test `name` with a tmpfs of 32 MB as /dev/shm. Fails if it fails, or dies by a signal.
fn in_small_memory(name: &str) {
    let bed = Bed::new();
    let script = format!("mount -t tmpfs -o size={SMALL} tmpfs /dev/shm && exec \"$0\" \"$@\"");
    let plain = child(name, &bed);
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", &script])
        .arg(plain.get_program())
        .args(plain.get_args());
    command.env("ICEWAY_TEST_ROOT", bed.dir.path());
    let output = command.output().expect("unshare(1) of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    if !said.contains("running 1 test") {
        let why = String::from_utf8_lossy(&output.stderr);
        eprintln!("NOT RUN: this system allows no mounts in user namespaces: {why}");
        return;
    }
    assert!(
        output.status.success(),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs the ignored test `name` after `limit` (a shell command).
fn with_limit(name: &str, limit: &str) {
    let bed = Bed::new();
    let plain = child(name, &bed);
    let output = Command::new("sh")
        .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env("ICEWAY_TEST_ROOT", bed.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A file that takes `bytes` of /dev/shm, all but `leave` if that is more than there is.
fn take(leave: u64) -> fs::File {
    let free = free();
    let path = "/dev/shm/somebody-else";
    let file = fs::File::create(path).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, free - leave).unwrap();
    file
}

fn give_back(file: fs::File) {
    drop(file);
    fs::remove_file("/dev/shm/somebody-else").unwrap();
}

fn free() -> u64 {
    let found = rustix::fs::statfs("/dev/shm").unwrap();
    found.f_bavail * found.f_bsize as u64
}

fn node(name: &str) -> BusNode {
    BusNode::new(&child_domain(), name, &limits()).unwrap()
}

#[test]
fn full_memory_is_an_error_and_recovers() {
    in_small_memory("child_full_memory");
}

#[test]
#[ignore = "run by another test"]
fn child_full_memory() {
    let (writer, reader) = (node("writer"), node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 1);
    let mut held = Vec::new();
    let error = loop {
        match publisher.loan(3 * MIB, None) {
            Ok(loan) => {
                loan.fill(&message(3 * MIB, held.len() as u8))
                    .send()
                    .unwrap();
                held.push(receive(&subscriber));
            }
            Err(error) => break error,
        }
    };
    assert!(
        (8..=10).contains(&held.len()),
        "{} frames of 3 MiB in 32 MiB",
        held.len()
    );
    let LoanError::NoMemory { need, free } = error else {
        panic!("{error}")
    };
    assert!(need > 3 * MIB as u64 && free < need, "{need} {free}");
    publisher.count_dropped();
    // Small ones still go while there is a margin; what is held is as it was.
    send(&publisher, 1000, 99);
    assert_eq!(receive_all(&subscriber), [99]);
    assert_eq!(subscriber.stats().writer_drops, 1);
    for (frame, value) in held.iter().zip(0..) {
        assert_eq!(frame.cdr(), message(3 * MIB, value));
    }
    // The memory of a released frame is used again.
    held.truncate(2);
    for value in 0..20 {
        send(&publisher, 3 * MIB, value);
        assert_eq!(receive(&subscriber).cdr(), message(3 * MIB, value));
    }
    // Somebody else takes all there is.
    drop(held);
    publisher.trim();
    publisher.trim();
    publisher.trim();
    let other = take(100 << 10);
    assert!(matches!(
        publisher.loan(1000, None),
        Err(LoanError::NoMemory { .. })
    ));
    give_back(other);
    send(&publisher, 3 * MIB, 1);
    assert_eq!(receive(&subscriber).cdr(), message(3 * MIB, 1));
}

#[test]
fn a_failed_populate_is_no_sigbus_and_is_given_back() {
    in_small_memory("child_failed_populate");
}

#[test]
#[ignore = "run by another test"]
fn child_failed_populate() {
    failed_populate();
}

#[test]
fn without_madvise_populate_fallocate_does_the_same() {
    in_small_memory("child_old_kernel");
}

#[test]
#[ignore = "run by another test"]
fn child_old_kernel() {
    BusNode::pretend_old_kernel();
    failed_populate();
}

fn failed_populate() {
    let (writer, reader) = (node("writer"), node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 1);
    send(&publisher, MIB, 7);
    let held = receive(&subscriber);
    let other = take(2 * MIB as u64);
    let before = free();
    // The question is answered wrongly, as if another process were faster.
    writer.pretend_free_bytes(Some(u64::MAX - 1));
    for _ in 0..50 {
        assert!(matches!(
            publisher.loan(5 * MIB, None),
            Err(LoanError::NoMemory { .. })
        ));
    }
    let lost = before.saturating_sub(free());
    assert!(lost <= 16 << 10, "{lost} bytes of failed loans were kept");
    send(&publisher, MIB, 8);
    assert_eq!(receive(&subscriber).cdr(), message(MIB, 8));
    assert_eq!(held.cdr(), message(MIB, 7));
    give_back(other);
    send(&publisher, 5 * MIB, 9);
    assert_eq!(receive(&subscriber).cdr(), message(5 * MIB, 9));
}

#[test]
fn creating_things_in_full_memory_is_an_error() {
    in_small_memory("child_creating");
}

#[test]
#[ignore = "run by another test"]
fn child_creating() {
    let domain = child_domain();
    let (one, two) = (node("one"), node("two"));
    let channel = one.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let subscriber = subscriber(&two.open_channel(&topic()).unwrap(), 1);
    let other = take(64 << 10);
    let other_topic = TopicName::new("/other").unwrap();
    let options = SubscriberOptions::default();
    let errors = [
        BusNode::new(&domain, "three", &limits())
            .map(drop)
            .unwrap_err(),
        one.create_channel(&other_topic, &spec())
            .map(drop)
            .unwrap_err(),
        two.open_channel(&topic()).map(drop).unwrap_err(),
        channel
            .publisher(&iceway_bus::PublisherOptions::default())
            .map(drop)
            .unwrap_err(),
        channel.subscriber(&options).map(drop).unwrap_err(),
        channel.listener().map(drop).unwrap_err(),
        channel.acker().map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, BusError::NoMemory { .. }), "{error}");
    }
    give_back(other);
    send(&publisher, 1000, 1);
    assert_eq!(receive_all(&subscriber), [1]);
    one.create_channel(&other_topic, &spec()).unwrap();
}

/// Nothing takes more than was asked for: else the questions would be worth nothing.
#[test]
fn things_take_what_is_asked_for() {
    in_small_memory("child_sizes");
}

#[test]
#[ignore = "run by another test"]
fn child_sizes() {
    let mut last = free();
    let mut took = |what: &str, most: u64| {
        let now = free();
        println!("{what}: {} KiB", (last - now) >> 10);
        assert!(last - now <= most, "{what} took {} bytes", last - now);
        last = now;
    };
    let one = node("one");
    took("a node", 256 << 10);
    let channel = one.create_channel(&topic(), &spec()).unwrap();
    took("a channel", 256 << 10);
    let subscribers: Vec<_> = (0..16).map(|_| subscriber(&channel, 256)).collect();
    took("16 subscribers without a writer", 512 << 10);
    let first = publisher(&channel);
    took("a publisher with 16 subscribers", 512 << 10);
    subscribers
        .iter()
        .for_each(iceway_bus::Subscriber::update_connections);
    took("their connections", 512 << 10);
    let listeners: Vec<_> = (0..16).map(|_| channel.listener().unwrap()).collect();
    took("16 listeners", 16 * (64 << 10));
    let acker = channel.acker().unwrap();
    let reader = channel.ack_reader(&first).unwrap();
    took("acknowledgements", 2 * (256 << 10));
    drop((listeners, acker, reader));
}

#[test]
fn idle_memory_is_given_back() {
    in_small_memory("child_trim");
}

#[test]
#[ignore = "run by another test"]
fn child_trim() {
    let (writer, reader) = (node("writer"), node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 1);
    let before = free();
    let mut burst: Vec<_> = (0..6)
        .map(|value| {
            send(&publisher, 3 * MIB, value);
            receive(&subscriber)
        })
        .collect();
    assert!(before - free() > 18 * MIB as u64);
    let kept = burst.remove(1);
    drop(burst);
    assert_eq!(publisher.trim(), 0, "just used");
    send(&publisher, 3 * MIB, 50); // one chunk stays in use
    assert_eq!(receive(&subscriber).cdr()[4], 50);
    let freed = publisher.trim();
    assert!(
        freed > 11 * MIB,
        "four of six chunks were idle, {freed} bytes freed"
    );
    assert!(before - free() < 7 * MIB as u64, "one is held, one is warm");
    assert_eq!(kept.cdr(), message(3 * MIB, 1), "what is held is untouched");
    assert!(publisher.populated_bytes() < 7 * MIB as u64);
    assert_eq!(
        publisher.trim() + publisher.trim(),
        3 * MIB / 4096 * 4096,
        "the warm one, idle by now"
    );
    // And all of it can be written again.
    let again: Vec<_> = (0..5)
        .map(|value| {
            send(&publisher, 3 * MIB, value);
            receive(&subscriber)
        })
        .collect();
    for (frame, value) in again.iter().zip(0..) {
        assert_eq!(frame.cdr(), message(3 * MIB, value));
    }
    assert_eq!(kept.cdr(), message(3 * MIB, 1));
}

#[test]
fn limited_file_size_shrinks_messages() {
    with_limit("child_file_size", "ulimit -f 65536"); // 32 or 64 MiB, by shell
}

#[test]
#[ignore = "run by another test"]
fn child_file_size() {
    let (writer, reader) = (node("writer"), node("reader"));
    let publisher = publisher(&writer.create_channel(&topic(), &spec()).unwrap());
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 1);
    let max = publisher.max_message_bytes() as usize;
    assert!((MIB..8 * MIB).contains(&max), "{max}");
    send(&publisher, max, 1);
    assert_eq!(receive(&subscriber).cdr(), message(max, 1));
    assert!(matches!(
        publisher.loan(max + 1, Placement::UNKNOWN),
        Err(LoanError::TooLarge { .. })
    ));
}

#[test]
fn limited_address_space_shrinks_messages_and_is_an_error_for_readers() {
    with_limit("child_address_space", "ulimit -v 2097152"); // 2 GiB
}

#[test]
#[ignore = "run by another test"]
fn child_address_space() {
    let (writer, reader) = (node("writer"), node("reader"));
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let publisher = publisher(&channel);
    let subscriber = subscriber(&reader.open_channel(&topic()).unwrap(), 1);
    let max = publisher.max_message_bytes() as usize;
    send(&publisher, max, 1);
    assert_eq!(receive(&subscriber).cdr(), message(max, 1));
}

#[test]
fn a_reader_that_cannot_map_a_writer_is_told() {
    let bed = Bed::new();
    let writer = bed.node("writer");
    let channel = writer.create_channel(&topic(), &spec()).unwrap();
    let _publisher = publisher(&channel); // 8 GiB of address space
    let plain = child("child_cannot_map", &bed);
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 2097152; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env("ICEWAY_TEST_ROOT", bed.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[test]
#[ignore = "run by another test"]
fn child_cannot_map() {
    let channel = node("reader").open_channel(&topic()).unwrap();
    let error = channel
        .subscriber(&SubscriberOptions::default())
        .unwrap_err();
    assert!(matches!(error, BusError::AddressSpace { .. }), "{error}");
    assert!(error.to_string().contains("ulimit -v"));
}

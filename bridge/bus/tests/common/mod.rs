//! What the tests share: private domains, frames, processes of their own.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod broker;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iceway_bus::{
    BusNode, Channel, ChannelSpec, Domain, Frame, Limits, Placement, Publisher, PublisherOptions,
    Subscriber, SubscriberOptions, TopicName, TypeHash,
};
use tempfile::TempDir;

/// A domain of its own below a short folder in /tmp.
pub struct Bed {
    pub dir: TempDir,
    pub domain: Domain,
}

impl Bed {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("iw")
            .tempdir_in("/tmp")
            .unwrap();
        let domain = Domain::new(7, dir.path()).unwrap();
        Self { dir, domain }
    }

    pub fn node(&self, name: &str) -> BusNode {
        BusNode::new(&self.domain, name, &limits()).unwrap()
    }

    /// Names in /dev/shm that belong to this domain.
    pub fn shm_files(&self) -> Vec<String> {
        std::fs::read_dir("/dev/shm")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(self.domain.prefix()))
            .collect()
    }
}

impl Drop for Bed {
    /// What killed processes left, and nobody was there to clean up.
    fn drop(&mut self) {
        for name in self.shm_files() {
            let _ = std::fs::remove_file(format!("/dev/shm/{name}"));
        }
    }
}

pub fn limits() -> Limits {
    Limits {
        max_message_bytes: 8 << 20,
        port_virtual_bytes: 8 << 30,
        ..Limits::default()
    }
}

pub fn topic() -> TopicName {
    TopicName::new("/test/topic").unwrap()
}

pub fn spec() -> ChannelSpec {
    ChannelSpec {
        type_name: "test_msgs/msg/Blob".parse().unwrap(),
        type_hash: TypeHash([7; 32]),
        max_message_bytes: limits().max_message_bytes,
    }
}

pub fn publisher(channel: &Channel) -> Publisher {
    channel.publisher(&PublisherOptions::default()).unwrap()
}

pub fn subscriber(channel: &Channel, depth: usize) -> Subscriber {
    channel
        .subscriber(&SubscriberOptions {
            depth,
            ..SubscriberOptions::default()
        })
        .unwrap()
}

/// A message of `len` bytes with `value` in all of them behind the encapsulation.
pub fn message(len: usize, value: u8) -> Vec<u8> {
    let mut cdr = vec![value; len.max(4)];
    cdr[..4].copy_from_slice(&[0, 1, 0, 0]);
    cdr
}

pub fn send(publisher: &Publisher, len: usize, value: u8) -> usize {
    publisher
        .loan(len, Placement::UNKNOWN)
        .unwrap()
        .fill(&message(len, value))
        .send_and_notify()
        .unwrap()
}

pub fn receive(subscriber: &Subscriber) -> Frame {
    subscriber.receive().unwrap().expect("a frame")
}

/// Values of all frames that there are.
pub fn receive_all(subscriber: &Subscriber) -> Vec<u8> {
    std::iter::from_fn(|| subscriber.receive().unwrap())
        .map(|frame| *frame.cdr().last().unwrap())
        .collect()
}

/// Tries until `check` gives something; for states that other processes or threads reach.
#[track_caller]
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "waited in vain for: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// File and offset behind an address of this process.
pub fn place_of(address: *const u8) -> (PathBuf, u64) {
    let address = address as u64;
    for line in std::fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (start, end) = fields[0].split_once('-').unwrap();
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        if (hex(start)..hex(end)).contains(&address) {
            return (fields[5].into(), hex(fields[2]) + address - hex(start));
        }
    }
    panic!("{address:#x} is not mapped");
}

/// Flags of all mappings of this process whose path contains `part`, as in /proc/self/smaps.
pub fn mapping_flags(part: &str) -> Vec<String> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut flags = Vec::new();
    let mut inside = false;
    for line in smaps.lines() {
        if line
            .split(' ')
            .next()
            .is_some_and(|first| first.contains('-'))
        {
            inside = line.contains(part);
        } else if inside && let Some(found) = line.strip_prefix("VmFlags:") {
            flags.push(found.to_owned());
        }
    }
    flags
}

/// Runs the ignored test `name` of the same binary in another process, with `ICEWAY_TEST_ROOT` set.
pub fn child(name: &str, bed: &Bed) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            name,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("ICEWAY_TEST_ROOT", bed.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// In such a process: the domain.
pub fn child_domain() -> Domain {
    let root = std::env::var_os("ICEWAY_TEST_ROOT").expect("run by another test only");
    // A failed test leaves no process behind.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    Domain::new(7, PathBuf::from(root)).unwrap()
}

/// Reads lines of the child's output until one contains `marker`.
pub fn wait_for_line(child: &mut Child, marker: &str) -> String {
    use std::io::Read;
    let stdout = child.stdout.as_mut().unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        assert_eq!(
            stdout.read(&mut byte).unwrap(),
            1,
            "the child ended before it said {marker:?}"
        );
        if byte[0] == b'\n' {
            let text = String::from_utf8_lossy(&line).into_owned();
            if text.contains(marker) {
                return text;
            }
            line.clear();
        } else {
            line.push(byte[0]);
        }
    }
}

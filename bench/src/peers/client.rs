//! iceway's client core from Rust.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use iceway_bus::client::{
    Client, ClientError, ClientSubscriber, ConnectOptions, SubscribeOptions, never,
};
use iceway_bus::clock::{monotonic_ns, realtime_ns};
use iceway_bus::{Domain, Frame};

use super::inbox::Inbox;
use crate::image::{DEFINITION, TYPE, mark};
use crate::orders::{Order, done, serve, unknown};

/// Parts of a sample's time, from the frame's own times.
const HOPS: [&str; 6] = [
    "publish → source",
    "source → received",
    "received → taken",
    "taken → sent",
    "sent → woken",
    "woken → in hand",
];
/// Parts where the writer is no ROS node.
const SHM_HOPS: [&str; 2] = ["sent → woken", "woken → in hand"];

/// A thread that receives.
struct Receiver {
    stop: Arc<AtomicBool>,
    subscriber: Arc<ClientSubscriber>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let domain = Domain::new(
        variable("ICEWAY_DOMAIN")?.parse()?,
        PathBuf::from(variable("ICEWAY_ROOT")?),
    )?;
    let options = ConnectOptions {
        name: "iceway-bench rust".into(),
        timeout: Duration::from_secs(30),
    };
    let client = Client::connect(&domain, &options, &mut never)?;
    let inbox = Inbox::default();
    let mut receivers: Vec<Receiver> = Vec::new();
    let mut from_ros = true;
    serve(|order| match order {
        Order::Subscribe { topics, depth, .. } => {
            from_ros = client.broker().ros.is_some();
            for topic in topics {
                receivers.push(receive(&client, &topic, depth, from_ros, &inbox)?);
            }
            done()
        }
        Order::Unsubscribe {} => {
            receivers.clear();
            done()
        }
        Order::Forget {} => {
            inbox.forget();
            done()
        }
        Order::Collect { last, timeout_s } => {
            let hops: &[&str] = if from_ros { &HOPS } else { &SHM_HOPS };
            let mut collected = inbox.collect(hops, last, timeout_s);
            for receiver in &receivers {
                let stats = receiver.subscriber.stats();
                for (cause, count) in [
                    ("overflow", stats.overflow),
                    ("lost_in_middleware", stats.port.lost_before),
                    ("writer_drops", stats.port.writer_drops),
                    ("malformed", stats.port.malformed),
                ] {
                    *collected.dropped.entry(cause.to_owned()).or_default() += count;
                }
            }
            Ok(serde_json::to_value(collected)?)
        }
        other => unknown(&other),
    })
}

fn receive(
    client: &Client,
    topic: &str,
    depth: usize,
    from_ros: bool,
    inbox: &Inbox,
) -> anyhow::Result<Receiver> {
    let options = SubscribeOptions {
        depth,
        definition: (!from_ros).then(|| DEFINITION.to_owned()),
        timeout: Duration::from_secs(30),
        ..SubscribeOptions::default()
    };
    let subscriber = Arc::new(client.subscribe(topic, Some(TYPE), &options, &mut never)?);
    let stop = Arc::new(AtomicBool::new(false));
    let (ending, receiving, samples) = (Arc::clone(&stop), Arc::clone(&subscriber), inbox.clone());
    let thread = std::thread::spawn(move || {
        while !ending.load(Ordering::Acquire) {
            match receiving.recv(Some(Duration::from_millis(100)), &mut never) {
                Ok(frame) => {
                    let now = (realtime_ns(), monotonic_ns());
                    samples.extend_with(&frame, now, from_ros);
                }
                Err(ClientError::Timeout) => {}
                Err(_) => return,
            }
        }
    });
    Ok(Receiver {
        stop,
        subscriber,
        thread: Some(thread),
    })
}

impl Inbox {
    /// Adds a frame that was in hand at `now` (CLOCK_REALTIME, CLOCK_MONOTONIC).
    fn extend_with(&self, frame: &Frame, now: (i64, i64), from_ros: bool) {
        let Some(mark) = mark(frame.cdr()) else {
            return;
        };
        let header = frame.header();
        let woken = frame.woken_ns();
        let (number, in_hand) = (i64::from(mark.number), now.1 - woken);
        self.add(if from_ros {
            vec![
                number,
                now.0,
                now.0 - mark.stamp_ns,
                header.source_ns - mark.stamp_ns,
                header.received_ns - header.source_ns,
                header.taken_ns - header.received_ns,
                header.sent_ns - header.taken_mono_ns,
                woken - header.sent_ns,
                in_hand,
            ]
        } else {
            vec![
                number,
                now.0,
                now.1 - header.sent_ns,
                woken - header.sent_ns,
                in_hand,
            ]
        });
    }
}

//! The native ROS publisher: a typed r2r node, as a C++ driver would publish; it also times echoes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use iceway_bus::clock::realtime_ns;
use r2r::sensor_msgs::msg::Image;
use r2r::{Context, NativeMsg, Node, Publisher, QosProfile};

use super::take::Taker;
use crate::image::split;
use crate::orders::{Order, Sent, done, serve, unknown};

/// How long the last echo may take.
const PATIENCE_S: f64 = 2.0;

struct Source {
    node: Node,
    publishers: BTreeMap<String, Publisher<Image>>,
    /// The message in its C form, filled once: what is measured is publishing, not r2r's conversion.
    message: NativeMsg<Image>,
    bytes: usize,
    taker: Taker,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let context = Context::create()?;
    let mut source = Source {
        node: Node::create(context, "iceway_bench_source", "")?,
        publishers: BTreeMap::new(),
        message: NativeMsg::new(),
        bytes: 0,
        taker: Taker::new("iceway_bench_returns")?,
    };
    source.fill(1);
    serve(|order| match order {
        Order::Advertise { topics } => {
            for topic in topics {
                let publisher = source
                    .node
                    .create_publisher(&topic, QosProfile::default())?;
                source.publishers.insert(topic, publisher);
            }
            done()
        }
        Order::AwaitSubscribers {
            topics,
            count,
            timeout_s,
        } => {
            let end = Instant::now() + Duration::from_secs_f64(timeout_s);
            for topic in topics {
                source.await_subscribers(&topic, count, end)?;
            }
            done()
        }
        Order::Send {
            topics,
            bytes,
            first,
            count,
            rate_hz,
        } => {
            source.fill(bytes);
            let begin = Instant::now();
            source.send(&topics, first, count, rate_hz)?;
            Ok(serde_json::to_value(Sent {
                sent: u64::from(count) * topics.len() as u64,
                seconds: begin.elapsed().as_secs_f64(),
            })?)
        }
        Order::Ping {
            to,
            from,
            bytes,
            first,
            count,
            rate_hz,
        } => {
            source.fill(bytes);
            if !source.taker.listens_to(&from) {
                source.taker.subscribe(&[from])?;
            }
            source.taker.inbox.forget();
            source.send(&[to], first, count, rate_hz)?;
            let last = first + count - 1;
            Ok(serde_json::to_value(source.taker.inbox.collect(
                &[],
                last,
                PATIENCE_S,
            ))?)
        }
        Order::Subscribe { topics, .. } => {
            source.taker.subscribe(&topics)?;
            done()
        }
        other => unknown(&other),
    })
}

impl Source {
    fn fill(&mut self, bytes: usize) {
        if self.bytes == bytes {
            return;
        }
        let length = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes = bytes;
        self.message = NativeMsg::from(&Image {
            width: length,
            encoding: "mono8".into(),
            step: length,
            data: (0..bytes).map(|i| (i % 251) as u8).collect(),
            ..Image::default()
        });
    }

    fn await_subscribers(&self, topic: &str, count: usize, end: Instant) -> anyhow::Result<()> {
        let publisher = self.publishers.get(topic).context("advertise it first")?;
        while publisher.get_inter_process_subscription_count()? < count {
            anyhow::ensure!(
                Instant::now() < end,
                "{topic} did not get {count} subscriptions"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Publishes on all topics, evenly over the period. The stamp is taken right before publishing.
    fn send(
        &mut self,
        topics: &[String],
        first: u32,
        count: u32,
        rate_hz: f64,
    ) -> anyhow::Result<()> {
        let publishers = topics
            .iter()
            .map(|t| self.publishers.get(t).context("advertise it first"))
            .collect::<Result<Vec<_>, _>>()?;
        let step = (rate_hz > 0.0)
            .then(|| Duration::from_secs_f64(1.0 / rate_hz / topics.len().max(1) as f64));
        let mut next = Instant::now();
        for number in first..first + count {
            self.message.height = number;
            for publisher in &publishers {
                if let Some(step) = step {
                    next += step;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                (
                    self.message.header.stamp.sec,
                    self.message.header.stamp.nanosec,
                ) = split(realtime_ns());
                publisher.publish_native(&mut self.message)?;
            }
        }
        Ok(())
    }
}

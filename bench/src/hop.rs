//! `iceway-bench hop`: from `send` in one thread to the frame in the hands of another that slept on the channel.
//!
//! Both ends use a participant of their own, as two processes would. Times are CLOCK_MONOTONIC: the frame's `sent_ns` and the receiver's
//! clock right after `receive`.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use hdrhistogram::Histogram;
use iceway_bus::clock::monotonic_ns;
use iceway_bus::{
    BusNode, Channel, ChannelSpec, Domain, Limits, Placement, PublisherOptions, SubscriberOptions,
    TopicName, Wake,
};
use iceway_msg::{TypeHash, TypeName};

/// Times above this count as this: ten seconds.
const LONGEST_NS: u64 = 10_000_000_000;

#[derive(Debug, Args)]
pub(crate) struct HopArgs {
    /// Message sizes in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4096, 65_536, 1_048_576, 6_220_800, 24_883_200])]
    sizes: Vec<usize>,
    /// Messages per second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Messages of each size that count.
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// Messages of each size before that.
    #[arg(long, default_value_t = 50)]
    warm_up: u64,
}

pub(crate) fn run(args: &HopArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.rate.is_finite() && args.rate > 0.0,
        "--rate must be above 0"
    );
    let period = Duration::from_secs_f64(1.0 / args.rate);
    let folder = tempfile::Builder::new().prefix("iwb").tempdir_in("/tmp")?;
    let domain = Domain::new(std::process::id(), folder.path())?;
    let limits = Limits::default();
    let writer = BusNode::new(&domain, "bench writer", &limits)?;
    let reader = BusNode::new(&domain, "bench reader", &limits)?;
    let topic: TopicName = "/bench/hop".parse()?;
    let spec = ChannelSpec {
        type_name: "std_msgs/msg/String".parse::<TypeName>()?,
        type_hash: TypeHash::UNKNOWN,
        max_message_bytes: limits.max_message_bytes,
    };
    let sending = writer.create_channel(&topic, &spec)?;
    let receiving = reader.open_channel(&topic)?;

    let mut table = Table::new();
    table.load_preset(NOTHING).set_header([
        "bytes",
        "hop p50 µs",
        "p90",
        "p99",
        "max",
        "lost",
        "memcpy p50 µs",
    ]);
    for &size in &args.sizes {
        let (hop, lost) = measure(&sending, &receiving, size, args, period)?;
        let copy = memcpy(size, args.count.min(200))?;
        let us = |h: &Histogram<u64>, q: f64| format!("{:.1}", h.value_at_quantile(q) as f64 / 1e3);
        table.add_row([
            size.to_string(),
            us(&hop, 0.5),
            us(&hop, 0.9),
            us(&hop, 0.99),
            format!("{:.1}", hop.max() as f64 / 1e3),
            lost.to_string(),
            us(&copy, 0.5),
        ]);
    }
    println!("{table}");
    println!(
        "{} Hz, {} messages of each size after {} to warm up; receiver asleep between them",
        args.rate, args.count, args.warm_up
    );
    Ok(())
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST_NS, 3)?)
}

fn measure(
    sending: &Channel,
    receiving: &Channel,
    size: usize,
    args: &HopArgs,
    period: Duration,
) -> anyhow::Result<(Histogram<u64>, u64)> {
    let subscriber = receiving.subscriber(&SubscriberOptions {
        depth: 64,
        ..SubscriberOptions::default()
    })?;
    let listener = receiving.listener()?;
    let publisher = sending.publisher(&PublisherOptions::default())?;
    subscriber.update_connections();
    publisher.update_connections();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| -> anyhow::Result<Histogram<u64>> {
            let mut times = histogram()?;
            let mut seen = 0;
            while !stop.load(Ordering::Acquire) {
                if listener.wait(Some(Duration::from_millis(100))) != Wake::Notified {
                    continue;
                }
                while let Some(frame) = subscriber.receive()? {
                    let now = monotonic_ns();
                    seen += 1;
                    if seen > args.warm_up {
                        times.saturating_record(
                            u64::try_from(now - frame.header().sent_ns).unwrap_or(0),
                        );
                    }
                }
            }
            Ok(times)
        });
        let message = vec![1_u8; size.max(8)];
        let mut next = Instant::now();
        for _ in 0..args.warm_up + args.count {
            publisher
                .loan(message.len(), Placement::UNKNOWN)?
                .fill(&message)
                .send_and_notify()?;
            next += period;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        stop.store(true, Ordering::Release);
        publisher.notify();
        let times = receiver
            .join()
            .map_err(|_| anyhow::anyhow!("the receiver panicked"))
            .context("measuring")??;
        let lost = args.count.saturating_sub(times.len());
        Ok((times, lost))
    })
}

/// What copying the same bytes once would cost, with warm memory.
fn memcpy(size: usize, count: u64) -> anyhow::Result<Histogram<u64>> {
    let source = vec![1_u8; size];
    let mut target = vec![0_u8; size];
    let mut times = histogram()?;
    for _ in 0..count {
        let start = Instant::now();
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
        times.saturating_record(u64::try_from(start.elapsed().as_nanos())?);
    }
    Ok(times)
}

//! `iceway hz TOPIC`

use std::time::Duration;

use hdrhistogram::Histogram;
use iceway_bus::client::{ClientError, SubscribeOptions};
use iceway_bus::clock::monotonic_ns;

use crate::cli::HzArgs;

const DEPTH: usize = 256;
/// Longer times count as this: ten minutes.
const LONGEST_US: u64 = 600_000_000;
const REPORT_PERIOD: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &HzArgs) -> anyhow::Result<()> {
    let (client, interrupted) = super::connect(&args.client)?;
    let mut interrupt = || interrupted.get();
    let options = SubscribeOptions {
        depth: DEPTH,
        ..SubscribeOptions::default()
    };
    let subscriber = client.subscribe(
        &args.topic,
        args.type_name.as_deref(),
        &options,
        &mut interrupt,
    )?;
    let mut seen = Seen::new()?;
    let mut reported = monotonic_ns();
    while args.count.is_none_or(|count| seen.frames < count) {
        match subscriber.recv(Some(REPORT_PERIOD), &mut interrupt) {
            Ok(frame) => {
                let now = monotonic_ns();
                let header = frame.header();
                seen.add(
                    now,
                    header.source_ns,
                    header.taken_ns,
                    now - header.taken_mono_ns,
                    frame.len(),
                );
            }
            Err(ClientError::Timeout) => {}
            Err(ClientError::Interrupted) => break,
            Err(error) => return Err(error.into()),
        }
        if monotonic_ns() - reported >= i64::try_from(REPORT_PERIOD.as_nanos())? {
            reported = monotonic_ns();
            seen.report();
        }
    }
    seen.report();
    let stats = subscriber.stats();
    println!(
        "lost: {} before shared memory, {} because this process was too slow",
        stats.port.lost_before, stats.overflow
    );
    Ok(())
}

/// What was seen so far.
struct Seen {
    frames: u64,
    bytes: u64,
    first: Option<i64>,
    last: i64,
    periods_us: Histogram<u64>,
    /// ROS publisher → here.
    latency_us: Histogram<u64>,
    /// Broker → here.
    hop_us: Histogram<u64>,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3);
        Ok(Self {
            frames: 0,
            bytes: 0,
            first: None,
            last: 0,
            periods_us: histogram()?,
            latency_us: histogram()?,
            hop_us: histogram()?,
        })
    }

    fn add(&mut self, now: i64, source_ns: i64, taken_ns: i64, since_taken_ns: i64, bytes: usize) {
        let us = |ns: i64| u64::try_from(ns / 1000).unwrap_or(0);
        if self.first.is_some() {
            self.periods_us.saturating_record(us(now - self.last));
        }
        self.first.get_or_insert(now);
        self.last = now;
        self.frames += 1;
        self.bytes += bytes as u64;
        if source_ns > 0 {
            self.latency_us
                .saturating_record(us(taken_ns - source_ns + since_taken_ns));
            self.hop_us.saturating_record(us(since_taken_ns));
        }
    }

    fn report(&self) {
        let Some(first) = self.first else {
            println!("no message yet");
            return;
        };
        let seconds = (self.last - first) as f64 * 1e-9;
        if seconds <= 0.0 {
            return;
        }
        let rate = (self.frames - 1) as f64 / seconds;
        let bytes = self.bytes as f64 / self.frames as f64 * rate;
        let ms = |h: &Histogram<u64>, q: f64| h.value_at_quantile(q) as f64 / 1000.0;
        print!(
            "{rate:8.2} Hz  {:9.3} MB/s  period p50 {:.2} p99 {:.2} max {:.2} ms",
            bytes / 1e6,
            ms(&self.periods_us, 0.5),
            ms(&self.periods_us, 0.99),
            self.periods_us.max() as f64 / 1000.0
        );
        if !self.latency_us.is_empty() {
            print!(
                "  |  ROS publisher → here p50 {:.2} p99 {:.2} ms, of which broker → here p50 {:.3}",
                ms(&self.latency_us, 0.5),
                ms(&self.latency_us, 0.99),
                ms(&self.hop_us, 0.5)
            );
        }
        println!();
    }
}

//! `iceway-bench hop`: shared memory alone, no middleware. From `send` in one process to the message in the hands of another that slept on
//! the channel; beside it the floor, a raw ring with a reader that spins, and a copy of the same bytes.
//!
//! Times are CLOCK_MONOTONIC: the frame's `sent_ns` (the message is written by then) and the receiver's clock when it has the array.

use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::Args;
use iceway_bus::{BusNode, Limits, Placement, Publisher, PublisherOptions, TopicName};

use crate::gather::{Gather, Watch};
use crate::image::{self, Mark};
use crate::keys::{benchmark, peer, process, transport};
use crate::orders::{Collected, Order};
use crate::peers::{RingWriter, ring_name};
use crate::processes::Process;
use crate::results::Measurement;
use crate::run::Run;
use crate::site::{Program, Site};
use crate::world::PeerKind;

/// Seconds that the last message may take.
const LAST_S: f64 = 1.0;
const PEERS: [PeerKind; 2] = [PeerKind::IcewayPython, PeerKind::IcewayRust];

#[derive(Debug, Clone, Args)]
pub(crate) struct HopArgs {
    /// Sizes of the array in the message, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4096, 65_536, 1_048_576, 6_220_800, 24_883_200])]
    pub(crate) sizes: Vec<usize>,
    /// Messages per second.
    #[arg(long, default_value_t = 100.0)]
    pub(crate) rate: f64,
    /// Messages of each turn that count.
    #[arg(long, default_value_t = 200)]
    pub(crate) count: u32,
    /// Messages of each turn before that.
    #[arg(long, default_value_t = 20)]
    pub(crate) warm_up: u32,
    /// Turns of each peer.
    #[arg(long, default_value_t = 3)]
    pub(crate) repetitions: u32,
}

pub(crate) fn run(run: &mut Run, args: &HopArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.rate.is_finite() && args.rate > 0.0,
        "--rate must be above 0"
    );
    run.say(&format!(
        "hop through shared memory: {} sizes × {} turns",
        args.sizes.len(),
        args.repetitions
    ));
    let mut measurements = Vec::new();
    let outcome = all_sizes(&run.site, args, &mut measurements);
    for measurement in measurements {
        run.add(measurement)?;
    }
    outcome
}

/// A way through shared memory, from this process into the receiver's.
struct Way<'a> {
    name: &'static str,
    receiver: Process<'a>,
    writer: Writer,
}

enum Writer {
    Channel(Publisher),
    Ring(RingWriter),
}

fn all_sizes(
    site: &Site,
    args: &HopArgs,
    measurements: &mut Vec<Measurement>,
) -> anyhow::Result<()> {
    // It hands out the channels; no message passes through it.
    let _broker = Process::start(site, "broker", Program::BrokerAlone, None)?;
    let mut ways = ways(site, args.sizes.iter().copied().max().unwrap_or(0))?;
    let mut next = 1;
    for &bytes in &args.sizes {
        let about = |peer: &str| Measurement {
            benchmark: benchmark::HOP.into(),
            peer: peer.into(),
            transport: transport::NONE.into(),
            bytes: bytes as u64,
            rate_hz: args.rate,
            topics: 1,
            ..Measurement::default()
        };
        let mut gathered = vec![Gather::default(); ways.len()];
        let outcome = (0..args.repetitions).try_for_each(|_| {
            ways.iter_mut()
                .zip(&mut gathered)
                .try_for_each(|(way, gather)| {
                    way.turn(site, args, bytes, next, gather)?;
                    next += args.warm_up + args.count;
                    anyhow::Ok(())
                })
        });
        for (way, gather) in ways.iter().zip(&gathered) {
            if !gather.is_empty() {
                measurements.push(gather.measurement(about(way.name)));
            }
        }
        measurements.push(memcpy(bytes, args.count).measurement(about(peer::MEMCPY)));
        outcome?;
    }
    Ok(())
}

fn ways(site: &Site, largest: usize) -> anyhow::Result<Vec<Way<'_>>> {
    let mut ways = Vec::new();
    for kind in PEERS {
        let topic: TopicName = format!("/iceway_bench/hop/{}", kind.slug()).parse()?;
        let mut receiver = Process::start(site, kind.name(), kind.program(), None)?;
        receiver.tell(&Order::Subscribe {
            topics: vec![topic.to_string()],
            depth: 64,
            spin: false,
        })?;
        // As the broker does it: a port on the channel that the receiver is subscribed to.
        let node = BusNode::new(&site.bus_domain()?, "bench writer", &Limits::default())?;
        let publisher = node
            .open_channel(&topic)?
            .publisher(&PublisherOptions::default())?;
        ways.push(Way {
            name: kind.name(),
            receiver,
            writer: Writer::Channel(publisher),
        });
    }
    let ring = RingWriter::new(largest + image::PROLOGUE)?;
    let mut receiver = Process::start(site, peer::SHARED_MEMORY, Program::Own("ring"), None)?;
    // It spins while it is subscribed: only in its turns.
    receiver.tell(&Order::Unsubscribe {})?;
    ways.push(Way {
        name: peer::SHARED_MEMORY,
        receiver,
        writer: Writer::Ring(ring),
    });
    Ok(ways)
}

impl Way<'_> {
    fn turn(
        &mut self,
        site: &Site,
        args: &HopArgs,
        bytes: usize,
        first: u32,
        gather: &mut Gather,
    ) -> anyhow::Result<()> {
        let mut message = image::encode(
            Mark {
                number: 0,
                stamp_ns: 0,
            },
            &vec![1; bytes],
        );
        let spins = matches!(self.writer, Writer::Ring(_));
        if spins {
            self.receiver.tell(&Order::Subscribe {
                topics: vec![ring_name()],
                depth: 1,
                spin: false,
            })?;
        }
        let counted = first + args.warm_up;
        self.send(site, args, &mut message, first..counted)?;
        self.collect(counted - 1)?;
        let watch = Watch::start(&[(process::RECEIVER, &self.receiver)]);
        self.send(site, args, &mut message, counted..counted + args.count)?;
        let collected = self.collect(counted + args.count - 1)?;
        watch.stop(&[(process::RECEIVER, &self.receiver)], gather);
        if spins {
            self.receiver.tell(&Order::Unsubscribe {})?;
        }
        gather.add(&collected, counted, u64::from(args.count));
        Ok(())
    }

    fn send(
        &mut self,
        site: &Site,
        args: &HopArgs,
        message: &mut [u8],
        numbers: std::ops::Range<u32>,
    ) -> anyhow::Result<()> {
        let period = Duration::from_secs_f64(1.0 / args.rate);
        let data = message.len() - image::PROLOGUE;
        let mut next = Instant::now();
        for number in numbers {
            site.go_on()?;
            let mark = Mark {
                number,
                stamp_ns: 0,
            };
            message[..image::PROLOGUE].copy_from_slice(&image::prologue(mark, data));
            match &mut self.writer {
                Writer::Channel(publisher) => {
                    publisher
                        .loan(message.len(), Placement::UNKNOWN)?
                        .fill(message)
                        .send_and_notify()?;
                }
                Writer::Ring(ring) => ring.write(number, message),
            }
            next += period;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    fn collect(&mut self, last: u32) -> anyhow::Result<Collected> {
        self.receiver.ask(&Order::Collect {
            last,
            timeout_s: LAST_S,
        })
    }
}

/// What copying the same bytes once would cost, with warm memory.
fn memcpy(bytes: usize, count: u32) -> Gather {
    let source = vec![1_u8; bytes];
    let mut target = vec![0_u8; bytes];
    let mut gather = Gather::default();
    for _ in 0..count {
        let start = Instant::now();
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
        gather
            .times
            .add(i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX));
    }
    gather.count(u64::from(count), u64::from(count));
    gather
}

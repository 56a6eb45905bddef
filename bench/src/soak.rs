//! `iceway-bench soak`: a long run at load; whether memory grows.

use std::time::{Duration, Instant};

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::{benchmark, process};
use crate::latency::newly;
use crate::orders::{Collected, Order, Sent};
use crate::procfs::shm_bytes;
use crate::results::Measurement;
use crate::run::{Run, pause};
use crate::site::{Site, Transport};
use crate::world::{PeerKind, World};

/// The part of the time that goes before it counts: allocators and queues reach their size.
const SETTLING: f64 = 0.3;
/// Seconds that the last message may take.
const LAST_S: f64 = 2.0;
/// Sending is ordered in pieces of this many seconds, and samples are fetched between them.
const PIECE_S: f64 = 2.0;

#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArgs {
    /// Size of a message's array in bytes.
    #[arg(long, default_value_t = 6_220_800)]
    pub(crate) bytes: usize,
    /// Messages per second.
    #[arg(long, default_value_t = 60.0)]
    pub(crate) rate: f64,
    /// Seconds in all.
    #[arg(long, default_value_t = 600.0)]
    pub(crate) seconds: f64,
    /// How the ROS side sends.
    #[arg(long, value_enum, default_value_t = Transport::Shm)]
    pub(crate) transport: Transport,
}

pub(crate) fn run(run: &mut Run, args: &SoakArgs) -> anyhow::Result<()> {
    run.say(&format!(
        "soak: {} B at {} Hz for {:.0} s",
        args.bytes, args.rate, args.seconds
    ));
    let mut gather = Gather::default();
    let outcome = soak(&run.site, args, &mut gather);
    if !gather.is_empty() {
        run.add(gather.measurement(Measurement {
            benchmark: benchmark::SOAK.into(),
            peer: PeerKind::IcewayPython.name().into(),
            transport: args.transport.name().into(),
            bytes: args.bytes as u64,
            rate_hz: args.rate,
            topics: 1,
            ..Measurement::default()
        }))?;
    }
    outcome
}

fn soak(site: &Site, args: &SoakArgs, gather: &mut Gather) -> anyhow::Result<()> {
    let kind = PeerKind::IcewayPython;
    let mut world = World::start(site, args.transport, &[kind])?;
    let topics = ["/iceway_bench/soak".to_owned()];
    world.advertise(&topics)?;
    let mut peer = world.peer(kind)?;
    world.subscribe(kind, &mut peer, &topics, 10)?;
    let piece = |world: &mut World<'_>, peer: &mut crate::processes::Process<'_>| {
        let count = (args.rate * PIECE_S).ceil() as u32;
        let first = world.numbers(count);
        world.source.order(&Order::Send {
            topics: topics.to_vec(),
            bytes: args.bytes,
            first,
            count,
            rate_hz: args.rate,
        })?;
        let sent: Sent = world.source.answer(Duration::from_secs_f64(PIECE_S))?;
        let collected: Collected = peer.ask(&Order::Collect {
            last: first + count - 1,
            timeout_s: LAST_S,
        })?;
        anyhow::Ok((first, sent, collected))
    };
    let begin = Instant::now();
    let mut before = Collected::default();
    while begin.elapsed().as_secs_f64() < args.seconds * SETTLING {
        before = piece(&mut world, &mut peer)?.2;
    }
    let prefix = site.bus_domain()?.prefix().to_owned();
    let shm = shm_bytes(&prefix);
    let watch = Watch::start(&world.processes(kind, &peer));
    let mut after = before.clone();
    let mut outcome = Ok(());
    while begin.elapsed().as_secs_f64() < args.seconds && outcome.is_ok() {
        match piece(&mut world, &mut peer) {
            Ok((first, sent, collected)) => {
                gather.add(&collected, first, sent.sent);
                after = collected;
            }
            Err(error) => outcome = Err(error),
        }
    }
    // What the last pieces left behind is given back when it is idle.
    let _ = pause(site, Duration::from_millis(200));
    watch.stop(&world.processes(kind, &peer), gather);
    gather.lose(&newly(&before, &after));
    let grown = shm_bytes(&prefix) as f64 - shm as f64;
    gather.figures.insert("shm_growth_bytes".into(), grown);
    for name in [process::BROKER, process::RECEIVER] {
        let growth = gather.growth(name);
        gather
            .figures
            .insert(format!("{name}_growth_bytes"), growth);
    }
    outcome
}

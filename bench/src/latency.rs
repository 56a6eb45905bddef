//! `iceway-bench latency`: from a ROS publisher to the receiver's array, for one peer after the other in short turns.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::benchmark;
use crate::orders::{Collected, Order, Sent};
use crate::processes::Process;
use crate::results::Measurement;
use crate::run::Run;
use crate::site::Transport;
use crate::world::{PeerKind, World};

/// Seconds that the last message may take.
const LAST_S: f64 = 3.0;
/// As deep as ROS's default, so that nothing is lost for want of a place.
const DEPTH: usize = 10;

/// Options that benchmarks with a stream of messages share.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamArgs {
    /// Sizes of the array in the message, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 6_220_800, 24_883_200])]
    pub(crate) sizes: Vec<usize>,
    /// How the ROS side sends.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Transport::Default, Transport::Shm])]
    pub(crate) transports: Vec<Transport>,
    /// Messages per second.
    #[arg(long, default_value_t = 30.0)]
    pub(crate) rate: f64,
    /// Messages of each turn that count.
    #[arg(long, default_value_t = 100)]
    pub(crate) count: u32,
    /// Messages of each turn before that.
    #[arg(long, default_value_t = 15)]
    pub(crate) warm_up: u32,
    /// Turns of each peer.
    #[arg(long, default_value_t = 4)]
    pub(crate) repetitions: u32,
}

impl StreamArgs {
    /// Messages of a turn.
    pub(crate) fn turn(&self) -> u32 {
        self.warm_up + self.count
    }

    /// How long a turn takes.
    pub(crate) fn turn_time(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.turn()) / self.rate.max(0.1))
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
    /// Who receives.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [PeerKind::IcewayPython, PeerKind::Rclpy, PeerKind::NativeTake, PeerKind::IcewayRust])]
    pub(crate) peers: Vec<PeerKind>,
}

/// A receiver with its topic.
struct Receiver<'a> {
    kind: PeerKind,
    process: Process<'a>,
    topic: String,
}

pub(crate) fn run(run: &mut Run, args: &LatencyArgs) -> anyhow::Result<()> {
    let site = Arc::clone(&run.site);
    for &transport in &args.stream.transports {
        let mut world = World::start(&site, transport, &args.peers)?;
        let mut receivers = receivers(&mut world, &args.peers)?;
        for &bytes in &args.stream.sizes {
            run.say(&format!(
                "latency, {} transport, {bytes} B: {} turns of {} peers, {:.0} s each",
                transport.name(),
                args.stream.repetitions,
                receivers.len(),
                args.stream.turn_time().as_secs_f64()
            ));
            let mut gathered = vec![Gather::default(); receivers.len()];
            let outcome = turns(
                &mut world,
                &mut receivers,
                &args.stream,
                bytes,
                &mut gathered,
            );
            for (receiver, gather) in receivers.iter().zip(&gathered) {
                if !gather.is_empty() {
                    run.add(gather.measurement(Measurement {
                        benchmark: benchmark::LATENCY.into(),
                        peer: receiver.kind.name().into(),
                        transport: transport.name().into(),
                        bytes: bytes as u64,
                        rate_hz: args.stream.rate,
                        topics: 1,
                        ..Measurement::default()
                    }))?;
                }
            }
            outcome?;
        }
    }
    Ok(())
}

fn receivers<'a>(world: &mut World<'a>, peers: &[PeerKind]) -> anyhow::Result<Vec<Receiver<'a>>> {
    let topics: Vec<String> = peers
        .iter()
        .map(|kind| format!("/iceway_bench/latency/{}", kind.slug()))
        .collect();
    world.advertise(&topics)?;
    // Started together, subscribed one after the other.
    let mut receivers = peers
        .iter()
        .zip(topics)
        .map(|(kind, topic)| {
            let process = world.peer(*kind)?;
            Ok(Receiver {
                kind: *kind,
                process,
                topic,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    for receiver in &mut receivers {
        world.subscribe(
            receiver.kind,
            &mut receiver.process,
            std::slice::from_ref(&receiver.topic),
            DEPTH,
        )?;
    }
    Ok(receivers)
}

/// Each peer in turn, and again.
fn turns<'a>(
    world: &mut World<'a>,
    receivers: &mut [Receiver<'a>],
    args: &StreamArgs,
    bytes: usize,
    gathered: &mut [Gather],
) -> anyhow::Result<()> {
    for _ in 0..args.repetitions {
        for (receiver, gather) in receivers.iter_mut().zip(&mut *gathered) {
            turn(world, receiver, args, bytes, gather)?;
        }
    }
    Ok(())
}

fn turn<'a>(
    world: &mut World<'a>,
    receiver: &mut Receiver<'a>,
    args: &StreamArgs,
    bytes: usize,
    gather: &mut Gather,
) -> anyhow::Result<()> {
    world.check()?;
    let first = world.numbers(args.turn());
    let send = |world: &mut World<'a>, first, count| -> anyhow::Result<Sent> {
        world.source.order(&Order::Send {
            topics: vec![receiver.topic.clone()],
            bytes,
            first,
            count,
            rate_hz: args.rate,
        })?;
        world.source.answer(args.turn_time())
    };
    send(world, first, args.warm_up)?;
    let counted = first + args.warm_up;
    // What is counted of losses is counted from the port's birth on: only what is new is this turn's.
    let before: Collected = collect(&mut receiver.process, counted - 1)?;
    let processes = world.processes(receiver.kind, &receiver.process);
    let watch = Watch::start(&processes);
    let sent = send(world, counted, args.count)?;
    let collected = collect(&mut receiver.process, counted + args.count - 1)?;
    let processes = world.processes(receiver.kind, &receiver.process);
    watch.stop(&processes, gather);
    gather.add(&collected, counted, sent.sent);
    gather.lose(&newly(&before, &collected));
    Ok(())
}

fn collect(process: &mut Process<'_>, last: u32) -> anyhow::Result<Collected> {
    process.ask(&Order::Collect {
        last,
        timeout_s: LAST_S,
    })
}

/// Losses since `before`.
pub(crate) fn newly(
    before: &Collected,
    now: &Collected,
) -> std::collections::BTreeMap<String, u64> {
    now.dropped
        .iter()
        .map(|(cause, count)| {
            let earlier = before.dropped.get(cause).copied().unwrap_or(0);
            (cause.clone(), count.saturating_sub(earlier))
        })
        .collect()
}

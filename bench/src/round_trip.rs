//! `iceway-bench round-trip`: ROS → Python → ROS. A peer sends every image back, and the publisher has its own again.

use std::time::{Duration, Instant};

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::benchmark;
use crate::latency::StreamArgs;
use crate::orders::{Collected, Order};
use crate::processes::Process;
use crate::results::Measurement;
use crate::run::Run;
use crate::site::{Site, Transport};
use crate::world::{DISCOVERY_S, PeerKind, World};

/// Seconds that the last echo may take: see `peers/source.rs`.
const LAST: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Args)]
pub(crate) struct RoundTripArgs {
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}

/// Who echoes.
const PEERS: [PeerKind; 2] = [PeerKind::IcewayPython, PeerKind::Rclpy];

struct Echoer<'a> {
    kind: PeerKind,
    process: Process<'a>,
    to: String,
    from: String,
}

pub(crate) fn run(run: &mut Run, args: &RoundTripArgs) -> anyhow::Result<()> {
    for &transport in &args.stream.transports {
        run.say(&format!(
            "round trip, {} transport: {} sizes × {} turns of {} peers, {:.0} s each",
            transport.name(),
            args.stream.sizes.len(),
            args.stream.repetitions,
            PEERS.len(),
            args.stream.turn_time().as_secs_f64()
        ));
        let (measurements, outcome) = on_transport(&run.site, &args.stream, transport);
        for measurement in measurements {
            run.add(measurement)?;
        }
        outcome?;
    }
    Ok(())
}

/// All sizes on one transport; also what there is when it ends early.
fn on_transport(
    site: &Site,
    args: &StreamArgs,
    transport: Transport,
) -> (Vec<Measurement>, anyhow::Result<()>) {
    let mut measurements = Vec::new();
    let outcome = (|| {
        let mut world = World::start(site, transport, &PEERS)?;
        let mut echoers = echoers(&mut world)?;
        for &bytes in &args.sizes {
            let mut gathered = vec![Gather::default(); echoers.len()];
            let outcome = (0..args.repetitions).try_for_each(|_| {
                echoers
                    .iter_mut()
                    .zip(&mut gathered)
                    .try_for_each(|(echoer, gather)| turn(&mut world, echoer, args, bytes, gather))
            });
            for (echoer, gather) in echoers.iter().zip(&gathered) {
                if !gather.is_empty() {
                    measurements.push(gather.measurement(Measurement {
                        benchmark: benchmark::ROUND_TRIP.into(),
                        peer: echoer.kind.name().into(),
                        transport: transport.name().into(),
                        bytes: bytes as u64,
                        rate_hz: args.rate,
                        topics: 1,
                        ..Measurement::default()
                    }));
                }
            }
            outcome?;
        }
        Ok(())
    })();
    (measurements, outcome)
}

fn echoers<'a>(world: &mut World<'a>) -> anyhow::Result<Vec<Echoer<'a>>> {
    let topic = |way: &str, kind: PeerKind| format!("/iceway_bench/{way}/{}", kind.slug());
    world.advertise(&PEERS.map(|kind| topic("ping", kind)))?;
    world.source.tell(&Order::Subscribe {
        topics: PEERS.map(|kind| topic("pong", kind)).to_vec(),
        depth: 10,
        spin: false,
    })?;
    let mut echoers = PEERS
        .iter()
        .map(|&kind| {
            Ok(Echoer {
                kind,
                process: world.peer(kind)?,
                to: topic("ping", kind),
                from: topic("pong", kind),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    for echoer in &mut echoers {
        echoer.process.tell(&Order::Echo {
            source: echoer.to.clone(),
            to: echoer.from.clone(),
        })?;
        world.await_subscribers(std::slice::from_ref(&echoer.to))?;
        // Both ways work once an echo is there.
        let end = Instant::now() + Duration::from_secs_f64(DISCOVERY_S);
        while ping(world, echoer, 1, 1, 30.0)?.samples.is_empty() {
            anyhow::ensure!(
                Instant::now() < end,
                "{} sends nothing back",
                echoer.process.name()
            );
        }
    }
    Ok(echoers)
}

/// Sends images and waits until they are back.
fn ping(
    world: &mut World<'_>,
    echoer: &Echoer<'_>,
    bytes: usize,
    count: u32,
    rate_hz: f64,
) -> anyhow::Result<Collected> {
    let first = world.numbers(count);
    world.source.order(&Order::Ping {
        to: echoer.to.clone(),
        from: echoer.from.clone(),
        bytes,
        first,
        count,
        rate_hz,
    })?;
    let sending = Duration::from_secs_f64(f64::from(count) / rate_hz);
    world.source.answer(sending + LAST)
}

fn turn<'a>(
    world: &mut World<'a>,
    echoer: &mut Echoer<'a>,
    args: &StreamArgs,
    bytes: usize,
    gather: &mut Gather,
) -> anyhow::Result<()> {
    world.check()?;
    echoer.process.check()?;
    ping(world, echoer, bytes, args.warm_up.max(1), args.rate)?;
    let watch = Watch::start(&world.processes(echoer.kind, &echoer.process));
    let echoes = ping(world, echoer, bytes, args.count, args.rate)?;
    watch.stop(&world.processes(echoer.kind, &echoer.process), gather);
    gather.add(&echoes, 0, u64::from(args.count));
    Ok(())
}

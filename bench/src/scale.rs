//! `iceway-bench scale`: many topics at a rate. What the broker needs for it, what an rclpy node needs that subscribes to the same, and what is lost.

use std::time::Duration;

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::{SCALE_RATE_HZ, SCALE_TOPICS, benchmark, figure, process};
use crate::latency::newly;
use crate::orders::{Collected, Order, Sent};
use crate::results::Measurement;
use crate::run::{Run, pause};
use crate::site::{Site, Transport};
use crate::world::{PeerKind, World};

/// Seconds before it counts.
const WARM_UP_S: f64 = 1.0;
/// Seconds that the last messages may take.
const LAST_S: f64 = 1.0;

#[derive(Debug, Clone, Args)]
pub(crate) struct ScaleArgs {
    /// Numbers of topics.
    #[arg(long, value_delimiter = ',', default_values_t = [10, SCALE_TOPICS])]
    pub(crate) topics: Vec<u32>,
    /// Messages per second of each topic.
    #[arg(long, value_delimiter = ',', default_values_t = [SCALE_RATE_HZ])]
    pub(crate) rates: Vec<f64>,
    /// Size of a message's array in bytes.
    #[arg(long, default_value_t = 256)]
    pub(crate) bytes: usize,
    /// Seconds that count.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// How the ROS side sends.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Transport::Default])]
    pub(crate) transports: Vec<Transport>,
    /// Who receives.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [PeerKind::IcewayPython, PeerKind::Rclpy])]
    pub(crate) peers: Vec<PeerKind>,
}

pub(crate) fn run(run: &mut Run, args: &ScaleArgs) -> anyhow::Result<()> {
    for &transport in &args.transports {
        for &topics in &args.topics {
            for &rate in &args.rates {
                for &kind in &args.peers {
                    run.say(&format!(
                        "scale, {topics} topics × {rate} Hz, {} B: {}, {:.0} s",
                        args.bytes,
                        kind.name(),
                        args.seconds
                    ));
                    let gather = one(&run.site, args, transport, topics, rate, kind)?;
                    run.add(gather.measurement(Measurement {
                        benchmark: benchmark::SCALE.into(),
                        peer: kind.name().into(),
                        transport: transport.name().into(),
                        bytes: args.bytes as u64,
                        rate_hz: rate,
                        topics,
                        ..Measurement::default()
                    }))?;
                }
            }
        }
    }
    Ok(())
}

/// A world of its own for each peer: hundreds of endpoints that do nothing would cost the others.
fn one(
    site: &Site,
    args: &ScaleArgs,
    transport: Transport,
    topics: u32,
    rate: f64,
    kind: PeerKind,
) -> anyhow::Result<Gather> {
    let mut gather = Gather::default();
    let mut world = World::start(site, transport, &[kind])?;
    let names: Vec<String> = (0..topics)
        .map(|i| format!("/iceway_bench/scale/topic_{i}"))
        .collect();
    world.advertise(&names)?;
    let mut peer = world.peer(kind)?;
    world.subscribe(kind, &mut peer, &names, 10)?;
    // The graph has settled, and what came of it is over.
    pause(site, Duration::from_millis(500))?;

    let send = |world: &mut World<'_>, seconds: f64| -> anyhow::Result<(u32, Sent)> {
        let count = (rate * seconds).ceil() as u32;
        let first = world.numbers(count);
        world.source.order(&Order::Send {
            topics: names.clone(),
            bytes: args.bytes,
            first,
            count,
            rate_hz: rate,
        })?;
        let sent = world.source.answer(Duration::from_secs_f64(seconds))?;
        Ok((first + count - 1, sent))
    };
    let collect = |peer: &mut crate::processes::Process<'_>, last| -> anyhow::Result<Collected> {
        peer.ask(&Order::Collect {
            last,
            timeout_s: LAST_S,
        })
    };
    let (last, _) = send(&mut world, WARM_UP_S)?;
    let before = collect(&mut peer, last)?;
    pause(site, Duration::from_millis(200))?;
    peer.tell(&Order::Forget {})?;

    let watch = Watch::start(&world.processes(kind, &peer));
    let (last, sent) = send(&mut world, args.seconds)?;
    watch.stop(&world.processes(kind, &peer), &mut gather);
    let collected = collect(&mut peer, last)?;
    gather.count(sent.sent, collected.received);
    for sample in &collected.samples {
        gather.times.add(sample[2]);
    }
    gather.lose(&newly(&before, &collected));
    let stands_for_it = match kind.needs_broker() {
        true => process::BROKER,
        false => process::RECEIVER,
    };
    let share = gather.cpu_share(stands_for_it);
    gather.figures.insert(figure::CPU_SHARE.into(), share);
    gather.figures.insert(
        figure::MESSAGES_PER_S.into(),
        collected.received as f64 / sent.seconds.max(1e-9),
    );
    Ok(gather)
}

//! `iceway-bench throughput`: a publisher that does not wait, and how much of it arrives.

use std::time::Duration;

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::{benchmark, figure};
use crate::latency::newly;
use crate::orders::{Collected, Order, Sent};
use crate::results::Measurement;
use crate::run::Run;
use crate::site::{Site, Transport};
use crate::world::{PeerKind, World};

/// Seconds that the last message may take.
const LAST_S: f64 = 1.5;
/// Sending is ordered in pieces of so many messages.
const MOST: f64 = 1e6;

#[derive(Debug, Clone, Args)]
pub(crate) struct ThroughputArgs {
    /// Sizes of the array in the message, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [256, 65_536, 1_048_576, 6_220_800])]
    pub(crate) sizes: Vec<usize>,
    /// How the ROS side sends.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Transport::Default, Transport::Shm])]
    pub(crate) transports: Vec<Transport>,
    /// Seconds of sending, about.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Queue of the receivers.
    #[arg(long, default_value_t = 10)]
    pub(crate) depth: usize,
    /// Who receives.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [PeerKind::IcewayPython, PeerKind::Rclpy, PeerKind::NativeTake, PeerKind::IcewayRust])]
    pub(crate) peers: Vec<PeerKind>,
}

pub(crate) fn run(run: &mut Run, args: &ThroughputArgs) -> anyhow::Result<()> {
    for &transport in &args.transports {
        for &kind in &args.peers {
            run.say(&format!(
                "throughput, {} transport: {}",
                transport.name(),
                kind.name()
            ));
            for (bytes, gather) in of_peer(&run.site, args, transport, kind)? {
                run.add(gather.measurement(Measurement {
                    benchmark: benchmark::THROUGHPUT.into(),
                    peer: kind.name().into(),
                    transport: transport.name().into(),
                    bytes: bytes as u64,
                    topics: 1,
                    ..Measurement::default()
                }))?;
            }
        }
    }
    Ok(())
}

fn of_peer(
    site: &Site,
    args: &ThroughputArgs,
    transport: Transport,
    kind: PeerKind,
) -> anyhow::Result<Vec<(usize, Gather)>> {
    let mut world = World::start(site, transport, &[kind])?;
    let topics = [format!("/iceway_bench/throughput/{}", kind.slug())];
    world.advertise(&topics)?;
    let mut peer = world.peer(kind)?;
    world.subscribe(kind, &mut peer, &topics, args.depth)?;
    let mut found = Vec::new();
    for &bytes in &args.sizes {
        let mut gather = Gather::default();
        let send = |world: &mut World<'_>, count: u32| -> anyhow::Result<(u32, Sent)> {
            let first = world.numbers(count);
            world.source.order(&Order::Send {
                topics: topics.to_vec(),
                bytes,
                first,
                count,
                rate_hz: 0.0,
            })?;
            let sent = world
                .source
                .answer(Duration::from_secs_f64(args.seconds * 10.0))?;
            Ok((first + count - 1, sent))
        };
        let collect =
            |peer: &mut crate::processes::Process<'_>, last| -> anyhow::Result<Collected> {
                peer.ask(&Order::Collect {
                    last,
                    timeout_s: LAST_S,
                })
            };
        // How many fit into the time.
        let (last, sent) = send(&mut world, 20)?;
        let before = collect(&mut peer, last)?;
        let count = (args.seconds / sent.seconds.max(1e-6) * 20.0).clamp(20.0, MOST) as u32;
        let watch = Watch::start(&world.processes(kind, &peer));
        let (last, sent) = send(&mut world, count)?;
        let collected = collect(&mut peer, last)?;
        watch.stop(&world.processes(kind, &peer), &mut gather);
        gather.count(sent.sent, collected.received);
        gather.lose(&newly(&before, &collected));
        let per_s = rate(&collected);
        gather.figures.insert(figure::MESSAGES_PER_S.into(), per_s);
        gather
            .figures
            .insert("bytes_per_s".into(), per_s * bytes as f64);
        gather.figures.insert(
            "sent_per_s".into(),
            sent.sent as f64 / sent.seconds.max(1e-9),
        );
        found.push((bytes, gather));
    }
    Ok(found)
}

/// Messages per second between the first and the last one.
fn rate(collected: &Collected) -> f64 {
    let at = |sample: &Vec<i64>| sample[1];
    match (
        collected.samples.first().map(at),
        collected.samples.last().map(at),
    ) {
        (Some(first), Some(last)) if last > first => {
            (collected.samples.len() - 1) as f64 / ((last - first) as f64 / 1e9)
        }
        _ => 0.0,
    }
}

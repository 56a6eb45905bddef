//! `iceway-bench interference`: how fast an inference loop runs in Python, alone and while it is subscribed to cameras.

use std::time::Duration;

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::{benchmark, figure, peer};
use crate::orders::{Inferred, Order, Sent};
use crate::processes::Process;
use crate::results::Measurement;
use crate::run::Run;
use crate::site::{Site, Transport};
use crate::world::{PeerKind, World};

#[derive(Debug, Clone, Args)]
pub(crate) struct InterferenceArgs {
    /// Size of an image in bytes.
    #[arg(long, default_value_t = 6_220_800)]
    pub(crate) bytes: usize,
    /// Cameras.
    #[arg(long, default_value_t = 2)]
    pub(crate) topics: u32,
    /// Images per second of each.
    #[arg(long, default_value_t = 30.0)]
    pub(crate) rate: f64,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 4.0)]
    pub(crate) seconds: f64,
    /// Turns, each without and with subscriptions.
    #[arg(long, default_value_t = 4)]
    pub(crate) repetitions: u32,
    /// How the ROS side sends.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Transport::Shm])]
    pub(crate) transports: Vec<Transport>,
}

/// Who computes.
const PEERS: [PeerKind; 2] = [PeerKind::IcewayPython, PeerKind::Rclpy];

/// What a peer's loop reached, without and with subscriptions.
#[derive(Default)]
struct Reached {
    alone: Gather,
    subscribed: Gather,
    ticks: [u64; 2],
    seconds: [f64; 2],
    images: u64,
}

pub(crate) fn run(run: &mut Run, args: &InterferenceArgs) -> anyhow::Result<()> {
    for &transport in &args.transports {
        run.say(&format!(
            "inference beside {} × {} B at {} Hz, {} transport: {} turns of {} peers, {:.0} s each, without and with",
            args.topics,
            args.bytes,
            args.rate,
            transport.name(),
            args.repetitions,
            PEERS.len(),
            args.seconds
        ));
        let (measurements, outcome) = on_transport(&run.site, args, transport);
        for measurement in measurements {
            run.add(measurement)?;
        }
        outcome?;
    }
    Ok(())
}

fn on_transport(
    site: &Site,
    args: &InterferenceArgs,
    transport: Transport,
) -> (Vec<Measurement>, anyhow::Result<()>) {
    let mut reached: Vec<Reached> = PEERS.iter().map(|_| Reached::default()).collect();
    let outcome = (|| {
        let mut world = World::start(site, transport, &PEERS)?;
        let topics: Vec<String> = (0..args.topics)
            .map(|i| format!("/iceway_bench/camera_{i}"))
            .collect();
        world.advertise(&topics)?;
        let mut peers = PEERS
            .iter()
            .map(|kind| world.peer(*kind))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for _ in 0..args.repetitions {
            for ((kind, process), reached) in PEERS.iter().zip(&mut peers).zip(&mut reached) {
                for subscribed in [false, true] {
                    let topics = (topics.as_slice(), subscribed);
                    turn(&mut world, *kind, process, args, topics, reached)?;
                }
            }
        }
        Ok(())
    })();
    let about = Measurement {
        benchmark: benchmark::INTERFERENCE.into(),
        transport: transport.name().into(),
        bytes: args.bytes as u64,
        rate_hz: args.rate,
        topics: args.topics,
        ..Measurement::default()
    };
    let measurements = PEERS
        .iter()
        .zip(reached)
        .filter(|(_, reached)| reached.seconds[1] > 0.0)
        .flat_map(|(kind, reached)| reached.measurements(*kind, &about))
        .collect();
    (measurements, outcome)
}

/// The cameras run in both cases, so that the machine has the same work to do beside.
fn turn<'a>(
    world: &mut World<'a>,
    kind: PeerKind,
    process: &mut Process<'a>,
    args: &InterferenceArgs,
    (topics, subscribed): (&[String], bool),
    reached: &mut Reached,
) -> anyhow::Result<()> {
    world.check()?;
    // The cameras begin a little earlier, and end a little later.
    let count = (args.rate * (args.seconds + 1.0)).ceil() as u32;
    let first = world.numbers(count);
    world.source.order(&Order::Send {
        topics: topics.to_vec(),
        bytes: args.bytes,
        first,
        count,
        rate_hz: args.rate,
    })?;
    let watch = Watch::start(&world.processes(kind, process));
    process.order(&Order::Infer {
        topics: if subscribed {
            topics.to_vec()
        } else {
            Vec::new()
        },
        seconds: args.seconds,
    })?;
    let time = Duration::from_secs_f64(args.seconds);
    let inferred: Inferred = process.answer(time)?;
    let gather = match subscribed {
        false => &mut reached.alone,
        true => &mut reached.subscribed,
    };
    watch.stop(&world.processes(kind, process), gather);
    world.source.answer::<Sent>(time)?;
    reached.ticks[usize::from(subscribed)] += inferred.ticks;
    reached.seconds[usize::from(subscribed)] += inferred.seconds;
    if subscribed {
        reached.images += inferred.images;
    }
    Ok(())
}

impl Reached {
    /// The loop alone, and with subscriptions.
    fn measurements(mut self, kind: PeerKind, about: &Measurement) -> [Measurement; 2] {
        let rate = |i: usize| self.ticks[i] as f64 / self.seconds[i].max(1e-9);
        let (alone, subscribed) = (rate(0), rate(1));
        self.alone.figures.insert(figure::TICKS_PER_S.into(), alone);
        let figures = &mut self.subscribed.figures;
        figures.insert(figure::TICKS_PER_S.into(), subscribed);
        figures.insert("ticks_per_s_unsubscribed".into(), alone);
        figures.insert(
            figure::MESSAGES_PER_S.into(),
            self.images as f64 / self.seconds[1].max(1e-9),
        );
        // Each peer's process has an interpreter and a NumPy of its own, and so a speed of its own; the first one's is what others are shown beside.
        let alone_name = match kind {
            PeerKind::IcewayPython => peer::NONE.to_owned(),
            other => format!("{}:{}", peer::NONE, other.name()),
        };
        [
            self.alone.measurement(Measurement {
                peer: alone_name,
                ..about.clone()
            }),
            self.subscribed.measurement(Measurement {
                peer: kind.name().into(),
                ..about.clone()
            }),
        ]
    }
}

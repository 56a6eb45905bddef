//! `iceway-bench publish`: what publishing a result costs its caller in Python, and when a ROS subscriber has it.

use clap::Args;

use crate::gather::{Gather, Watch};
use crate::keys::{benchmark, peer, process};
use crate::latency::StreamArgs;
use crate::orders::{Collected, Order, Published};
use crate::processes::Process;
use crate::results::Measurement;
use crate::run::Run;
use crate::site::{Site, Transport};
use crate::world::{PeerKind, World};

/// Seconds that the last message may take.
const LAST_S: f64 = 2.0;

#[derive(Debug, Clone, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}

/// A way of publishing.
struct Way {
    name: &'static str,
    kind: PeerKind,
    /// As the peer calls it.
    how: &'static str,
}

const WAYS: [Way; 4] = [
    Way {
        name: peer::ICEWAY_PYTHON_COPY,
        kind: PeerKind::IcewayPython,
        how: "copy",
    },
    Way {
        name: peer::ICEWAY_PYTHON_LOAN,
        kind: PeerKind::IcewayPython,
        how: "loan",
    },
    Way {
        name: peer::RCLPY_ARRAY,
        kind: PeerKind::Rclpy,
        how: "array.array",
    },
    Way {
        name: "rclpy:numpy",
        kind: PeerKind::Rclpy,
        how: "numpy",
    },
];

pub(crate) fn run(run: &mut Run, args: &PublishArgs) -> anyhow::Result<()> {
    for &transport in &args.stream.transports {
        run.say(&format!(
            "publishing from Python, {} transport: {} sizes × {} turns of {} ways, {:.0} s each",
            transport.name(),
            args.stream.sizes.len(),
            args.stream.repetitions,
            WAYS.len(),
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

/// The publishers, and the ROS node that receives what they publish.
struct Stage<'a> {
    world: World<'a>,
    iceway: Process<'a>,
    rclpy: Process<'a>,
    receiver: Process<'a>,
}

/// All sizes on one transport; also what there is when it ends early.
fn on_transport(
    site: &Site,
    args: &StreamArgs,
    transport: Transport,
) -> (Vec<Measurement>, anyhow::Result<()>) {
    let mut measurements = Vec::new();
    let outcome = (|| {
        let mut stage = Stage::start(site, transport)?;
        for &bytes in &args.sizes {
            let mut gathered = WAYS.map(|_| Gather::default());
            let outcome = (0..args.repetitions).try_for_each(|_| {
                WAYS.iter()
                    .zip(&mut gathered)
                    .try_for_each(|(way, gather)| stage.turn(way, args, bytes, gather))
            });
            for (way, gather) in WAYS.iter().zip(&gathered) {
                if !gather.is_empty() {
                    measurements.push(gather.measurement(Measurement {
                        benchmark: benchmark::PUBLISH.into(),
                        peer: way.name.into(),
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

fn topic(kind: PeerKind) -> String {
    format!("/iceway_bench/publish/{}", kind.slug())
}

impl<'a> Stage<'a> {
    fn start(site: &'a Site, transport: Transport) -> anyhow::Result<Self> {
        let kinds = [PeerKind::IcewayPython, PeerKind::Rclpy];
        let world = World::start(site, transport, &kinds)?;
        let mut stage = Self {
            iceway: world.peer(PeerKind::IcewayPython)?,
            rclpy: world.peer(PeerKind::Rclpy)?,
            receiver: world.peer(PeerKind::NativeTake)?,
            world,
        };
        stage.receiver.tell(&Order::Subscribe {
            topics: kinds.map(topic).to_vec(),
            depth: 10,
            spin: false,
        })?;
        Ok(stage)
    }

    fn turn(
        &mut self,
        way: &Way,
        args: &StreamArgs,
        bytes: usize,
        gather: &mut Gather,
    ) -> anyhow::Result<()> {
        self.world.check()?;
        self.publish(way, args, bytes, args.warm_up.max(1))?;
        let watch = Watch::start(&self.processes(way));
        let (first, published, collected) = self.publish(way, args, bytes, args.count)?;
        watch.stop(&self.processes(way), gather);
        gather.count(u64::from(args.count), collected.received);
        for (_, time) in &published.times {
            gather.times.add(*time);
        }
        let arrival = gather.hop("publish → a ROS subscriber has it");
        for sample in &collected.samples {
            if sample[0] >= i64::from(first) {
                arrival.add(sample[2]);
            }
        }
        Ok(())
    }

    fn publish(
        &mut self,
        way: &Way,
        args: &StreamArgs,
        bytes: usize,
        count: u32,
    ) -> anyhow::Result<(u32, Published, Collected)> {
        let first = self.world.numbers(count);
        self.receiver.tell(&Order::Forget {})?;
        let publisher = match way.kind {
            PeerKind::Rclpy => &mut self.rclpy,
            _ => &mut self.iceway,
        };
        publisher.order(&Order::Publish {
            topic: topic(way.kind),
            how: way.how.into(),
            bytes,
            first,
            count,
            rate_hz: args.rate,
        })?;
        let published = publisher.answer(args.turn_time())?;
        let collected = self.receiver.ask(&Order::Collect {
            last: first + count - 1,
            timeout_s: LAST_S,
        })?;
        Ok((first, published, collected))
    }

    fn processes(&self, way: &Way) -> Vec<(&'static str, &Process<'a>)> {
        let mut all = vec![(process::RECEIVER, &self.receiver)];
        match (way.kind, &self.world.broker) {
            (PeerKind::Rclpy, _) => all.push((process::PUBLISHER, &self.rclpy)),
            (_, broker) => {
                all.push((process::PUBLISHER, &self.iceway));
                all.extend(broker.as_ref().map(|broker| (process::BROKER, broker)));
            }
        }
        all
    }
}

//! `iceway-bench all`: every benchmark in one run, and the lines of DESIGN §8 at its end.

use clap::Args;

use crate::hop::{self, HopArgs, OURS};
use crate::interference::{self, InterferenceArgs};
use crate::keys::{SCALE_RATE_HZ, SCALE_TOPICS, bytes};
use crate::latency::{self, LatencyArgs, StreamArgs};
use crate::publish::{self, PublishArgs};
use crate::round_trip::{self, RoundTripArgs};
use crate::run::Run;
use crate::scale::{self, ScaleArgs};
use crate::site::Transport;
use crate::soak::{self, SoakArgs};
use crate::throughput::{self, ThroughputArgs};
use crate::world::PeerKind;

#[derive(Debug, Clone, Args)]
pub(crate) struct AllArgs {
    /// About three minutes: just what the lines of DESIGN §8 need.
    #[arg(long)]
    quick: bool,
    /// Seconds of the soak.
    #[arg(long, value_name = "SECONDS")]
    soak: Option<f64>,
}

/// The options of all benchmarks.
struct Plan {
    latency: LatencyArgs,
    round_trip: RoundTripArgs,
    publish: PublishArgs,
    hop: HopArgs,
    interference: InterferenceArgs,
    scale: ScaleArgs,
    throughput: Option<ThroughputArgs>,
    soak: SoakArgs,
}

const SMALL: usize = bytes::SMALL as usize;
const IMAGE: usize = bytes::IMAGE as usize;
const IMAGE_4K: usize = bytes::IMAGE_4K as usize;
const BOTH: [Transport; 2] = [Transport::Shm, Transport::Default];

fn stream(sizes: &[usize], count: u32, repetitions: u32) -> StreamArgs {
    StreamArgs {
        sizes: sizes.to_vec(),
        transports: BOTH.to_vec(),
        rate: 30.0,
        count,
        warm_up: 10,
        repetitions,
    }
}

impl Plan {
    fn quick() -> Self {
        let peers = [
            PeerKind::IcewayPython,
            PeerKind::Rclpy,
            PeerKind::NativeTake,
        ];
        Self {
            latency: LatencyArgs {
                stream: stream(&[SMALL, IMAGE], 50, 2),
                peers: peers.to_vec(),
            },
            round_trip: RoundTripArgs {
                stream: stream(&[SMALL, IMAGE], 50, 2),
            },
            publish: PublishArgs {
                stream: StreamArgs {
                    transports: vec![Transport::Shm],
                    ..stream(&[IMAGE], 40, 2)
                },
            },
            hop: HopArgs {
                sizes: vec![bytes::TINY as usize, IMAGE_4K],
                rate: 50.0,
                count: 60,
                warm_up: 10,
                repetitions: 2,
                peers: OURS.to_vec(),
            },
            interference: InterferenceArgs {
                bytes: IMAGE,
                topics: 2,
                rate: 30.0,
                seconds: 2.5,
                repetitions: 2,
                transports: vec![Transport::Shm],
            },
            scale: ScaleArgs {
                topics: vec![SCALE_TOPICS],
                rates: vec![SCALE_RATE_HZ],
                bytes: SMALL,
                seconds: 5.0,
                transports: vec![Transport::Default],
                peers: vec![PeerKind::IcewayPython, PeerKind::Rclpy],
            },
            throughput: None,
            soak: SoakArgs {
                bytes: IMAGE,
                rate: 60.0,
                seconds: 15.0,
                transport: Transport::Shm,
            },
        }
    }

    fn thorough() -> Self {
        let sizes = [64, SMALL, 4096, 65_536, 1 << 20, IMAGE, IMAGE_4K];
        let quick = Self::quick();
        Self {
            latency: LatencyArgs {
                stream: stream(&sizes, 100, 4),
                peers: vec![
                    PeerKind::IcewayPython,
                    PeerKind::Rclpy,
                    PeerKind::NativeTake,
                    PeerKind::IcewayRust,
                ],
            },
            round_trip: RoundTripArgs {
                stream: stream(&[SMALL, 1 << 20, IMAGE], 100, 4),
            },
            publish: PublishArgs {
                stream: stream(&[SMALL, 1 << 20, IMAGE], 100, 3),
            },
            hop: HopArgs {
                sizes: sizes.to_vec(),
                count: 200,
                warm_up: 20,
                repetitions: 4,
                ..quick.hop
            },
            interference: InterferenceArgs {
                seconds: 5.0,
                repetitions: 4,
                transports: BOTH.to_vec(),
                ..quick.interference
            },
            scale: ScaleArgs {
                topics: vec![10, SCALE_TOPICS],
                seconds: 10.0,
                ..quick.scale
            },
            throughput: Some(ThroughputArgs {
                sizes: vec![SMALL, 65_536, 1 << 20, IMAGE],
                transports: BOTH.to_vec(),
                seconds: 3.0,
                depth: 10,
                peers: vec![
                    PeerKind::IcewayPython,
                    PeerKind::Rclpy,
                    PeerKind::NativeTake,
                    PeerKind::IcewayRust,
                ],
            }),
            soak: SoakArgs {
                seconds: 600.0,
                ..quick.soak
            },
        }
    }
}

/// Runs them one after the other. One that fails does not keep the others from running.
pub(crate) fn run(run: &mut Run, args: &AllArgs) -> anyhow::Result<()> {
    let mut plan = if args.quick {
        Plan::quick()
    } else {
        Plan::thorough()
    };
    plan.soak.seconds = args.soak.unwrap_or(plan.soak.seconds);
    let mut ran = [
        run.attempt("latency", |run| latency::run(run, &plan.latency))?,
        run.attempt("round trip", |run| round_trip::run(run, &plan.round_trip))?,
        run.attempt("publish", |run| publish::run(run, &plan.publish))?,
        run.attempt("hop", |run| hop::run(run, &plan.hop))?,
        run.attempt("interference", |run| {
            interference::run(run, &plan.interference)
        })?,
        run.attempt("scale", |run| scale::run(run, &plan.scale))?,
        run.attempt("soak", |run| soak::run(run, &plan.soak))?,
    ]
    .to_vec();
    if let Some(throughput) = &plan.throughput {
        ran.push(run.attempt("throughput", |run| throughput::run(run, throughput))?);
    }
    let failed = ran.iter().filter(|ran| !**ran).count();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {} benchmarks did not run; see above",
        ran.len()
    );
    Ok(())
}

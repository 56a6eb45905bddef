//! Made-up results for tests: the shape of a full run, in numbers that nobody measured.

use std::collections::BTreeMap;

use crate::keys::{
    SCALE_RATE_HZ, SCALE_TOPICS, benchmark, bytes, figure, peer, process, transport,
};
use crate::results::{Distribution, FORMAT, Hop, Machine, Measurement, Process, Results};

pub(crate) const SIZES: [u64; 7] = [
    bytes::TINY,
    bytes::SMALL,
    4096,
    65_536,
    1 << 20,
    bytes::IMAGE,
    bytes::IMAGE_4K,
];
const PERCENTILES: [f64; 19] = [
    0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 80.0, 90.0, 95.0, 97.5, 98.0, 99.0, 99.5, 99.8, 99.9,
    99.95, 99.99, 100.0,
];

/// Every benchmark, size, peer and transport.
pub(crate) fn run() -> Results {
    let mut measurements = Vec::new();
    for bytes in SIZES {
        for transport in [transport::DEFAULT, transport::SHM] {
            for peer in [
                peer::ICEWAY_PYTHON,
                peer::ICEWAY_RUST,
                peer::RCLPY,
                peer::NATIVE_TAKE,
            ] {
                measurements.push(latency(
                    peer,
                    transport,
                    bytes,
                    one_way(peer, transport, bytes),
                ));
            }
            for peer in [peer::ICEWAY_PYTHON, peer::RCLPY] {
                let median = 2 * one_way(peer, transport, bytes);
                let mut measurement = latency(peer, transport, bytes, median);
                measurement.benchmark = benchmark::ROUND_TRIP.to_owned();
                measurement.hops.clear();
                measurements.push(measurement);
            }
        }
        for (peer, median) in [
            (peer::ICEWAY_PYTHON, 78_000),
            (peer::ICEWAY_RUST, 61_000),
            (peer::SHARED_MEMORY, 20_000 + bytes / 9),
            (peer::MEMCPY, 40 + bytes / 17),
        ] {
            let mut measurement = latency(peer, transport::NONE, bytes, median);
            measurement.benchmark = benchmark::HOP.to_owned();
            measurement.hops.clear();
            measurements.push(measurement);
        }
    }
    for bytes in [bytes::SMALL, bytes::IMAGE] {
        for (peer, transport, per_byte) in [
            (peer::ICEWAY_PYTHON_COPY, transport::DEFAULT, 0.11),
            (peer::ICEWAY_PYTHON_LOAN, transport::DEFAULT, 0.0),
            (peer::RCLPY_ARRAY, transport::DEFAULT, 0.9),
        ] {
            let median = 14_000 + (bytes as f64 * per_byte) as u64;
            let mut measurement = latency(peer, transport, bytes, median);
            measurement.benchmark = benchmark::PUBLISH.to_owned();
            measurement.hops = vec![Hop {
                name: "publish → a ROS subscriber has it".to_owned(),
                time: distribution(3 * median),
            }];
            measurements.push(measurement);
        }
    }
    for (peer, ticks) in [
        (peer::NONE, 80.0),
        (peer::NONE_RCLPY, 82.0),
        (peer::ICEWAY_PYTHON, 77.1),
        (peer::RCLPY, 31.9),
    ] {
        measurements.push(Measurement {
            benchmark: benchmark::INTERFERENCE.to_owned(),
            peer: peer.to_owned(),
            transport: transport::DEFAULT.to_owned(),
            bytes: bytes::IMAGE,
            rate_hz: 30.0,
            topics: 2,
            figures: BTreeMap::from([(figure::TICKS_PER_S.to_owned(), ticks)]),
            ..Measurement::default()
        });
    }
    for (peer, rate) in [(peer::ICEWAY_PYTHON, 41_000.0), (peer::RCLPY, 6_200.0)] {
        measurements.push(Measurement {
            benchmark: benchmark::THROUGHPUT.to_owned(),
            peer: peer.to_owned(),
            transport: transport::DEFAULT.to_owned(),
            bytes: bytes::SMALL,
            topics: 1,
            sent: 410_000,
            received: 409_000,
            dropped: BTreeMap::from([("overflow".to_owned(), 1000)]),
            figures: BTreeMap::from([(figure::MESSAGES_PER_S.to_owned(), rate)]),
            ..Measurement::default()
        });
    }
    for topics in [10, SCALE_TOPICS] {
        let load = f64::from(topics) / 100.0;
        measurements.push(scale(
            peer::ICEWAY_PYTHON,
            topics,
            &[
                (process::PUBLISHER, 3.0 * load),
                (process::BROKER, 2.4 * load),
                (process::RECEIVER, 1.9 * load),
            ],
        ));
        measurements.push(scale(
            peer::RCLPY,
            topics,
            &[
                (process::PUBLISHER, 3.0 * load),
                (process::RECEIVER, 8.8 * load),
            ],
        ));
    }
    measurements.push(Measurement {
        benchmark: benchmark::SOAK.to_owned(),
        sent: 108_000,
        received: 108_000,
        processes: [
            process_of(process::PUBLISHER, 3600.0, 400.0, [30 << 20, 31 << 20]),
            process_of(process::BROKER, 3600.0, 310.0, [18 << 20, 18 << 20]),
            process_of(process::RECEIVER, 3600.0, 120.0, [64 << 20, 65 << 20]),
        ]
        .into(),
        figures: BTreeMap::from([(figure::SHM_GROWTH_BYTES.to_owned(), 0.0)]),
        ..latency(
            peer::ICEWAY_PYTHON,
            transport::SHM,
            bytes::IMAGE,
            one_way(peer::ICEWAY_PYTHON, transport::SHM, bytes::IMAGE),
        )
    });
    Results {
        format: FORMAT,
        started: "2026-01-02T03:04:05Z".to_owned(),
        command: ["iceway-bench", "all", "--out", "out"]
            .map(str::to_owned)
            .into(),
        machine: Machine {
            cpu: "A CPU that does not exist @ 2.60GHz".to_owned(),
            cores: 2,
            memory: 8 << 30,
            kernel: "6.1.0".to_owned(),
            load: 0.31,
            shm: 4 << 30,
            settings: [
                ("net.core.rmem_max", "212992"),
                ("scaling_governor", "performance"),
                ("shmem_enabled", "never"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        },
        software: [
            ("iceway", "0.1.0"),
            ("rmw", "rmw_fastrtps_cpp"),
            ("Python", "3.12.3"),
            ("NumPy", "2.2.1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        notes: ["These numbers are made up, to test the report.".to_owned()].into(),
        measurements,
    }
}

/// One message's way of this median, at 30 Hz.
pub(crate) fn latency(peer: &str, transport: &str, bytes: u64, median: u64) -> Measurement {
    let hops: &[(&str, f64)] = match peer {
        peer::ICEWAY_PYTHON => &[
            ("publish → source", 0.05),
            ("source → received", 0.5),
            ("received → taken", 0.05),
            ("taken → sent", 0.2),
            ("sent → woken", 0.12),
            ("woken → array", 0.06),
        ],
        peer::ICEWAY_RUST => &[
            ("source → received", 0.6),
            ("received → taken", 0.05),
            ("taken → sent", 0.2),
            ("sent → woken", 0.13),
        ],
        peer::NATIVE_TAKE => &[("source → received", 0.7), ("received → taken", 0.28)],
        _ => &[],
    };
    Measurement {
        benchmark: benchmark::LATENCY.to_owned(),
        peer: peer.to_owned(),
        transport: transport.to_owned(),
        bytes,
        rate_hz: 30.0,
        topics: 1,
        sent: 1000,
        received: 1000,
        latency: Some(distribution(median)),
        hops: hops
            .iter()
            .map(|(name, part)| Hop {
                name: (*name).to_owned(),
                time: distribution((median as f64 * part) as u64),
            })
            .collect(),
        processes: vec![process_of(
            process::RECEIVER,
            33.3,
            1.4,
            [60 << 20, 61 << 20],
        )],
        ..Measurement::default()
    }
}

fn one_way(peer: &str, transport: &str, bytes: u64) -> u64 {
    let (fixed, per_byte) = match (peer, transport) {
        (peer::ICEWAY_PYTHON, transport::SHM) => (430_000, 0.45),
        (peer::ICEWAY_PYTHON, _) => (440_000, 2.6),
        (peer::ICEWAY_RUST, transport::SHM) => (400_000, 0.44),
        (peer::ICEWAY_RUST, _) => (410_000, 2.55),
        (peer::NATIVE_TAKE, transport::SHM) => (470_000, 0.47),
        (peer::NATIVE_TAKE, _) => (470_000, 2.5),
        (_, transport::SHM) => (950_000, 1.8),
        _ => (950_000, 4.7),
    };
    fixed + (bytes as f64 * per_byte) as u64
}

/// A long tail above a median.
fn distribution(median: u64) -> Distribution {
    let time = |percentile: f64| {
        let nines = -(1.0 - percentile.min(99.999) / 100.0).log10();
        (median as f64
            * (0.8 + 0.2 * nines / 2_f64.log10())
                .max(0.8)
                .powf(1.0 + nines / 6.0)) as u64
    };
    Distribution {
        count: 1000,
        min: time(0.0),
        max: time(100.0),
        mean: median as f64 * 1.1,
        percentiles: PERCENTILES
            .iter()
            .map(|&p| (p, if p == 50.0 { median } else { time(p) }))
            .collect(),
    }
}

fn scale(peer: &str, topics: u32, processes: &[(&str, f64)]) -> Measurement {
    Measurement {
        benchmark: benchmark::SCALE.to_owned(),
        peer: peer.to_owned(),
        transport: transport::DEFAULT.to_owned(),
        bytes: bytes::SMALL,
        rate_hz: SCALE_RATE_HZ,
        topics,
        sent: u64::from(topics) * 500,
        received: u64::from(topics) * 500,
        processes: processes
            .iter()
            .map(|(name, cpu_s)| process_of(name, 10.0, *cpu_s, [50 << 20, 50 << 20]))
            .collect(),
        ..Measurement::default()
    }
}

fn process_of(name: &str, wall_s: f64, cpu_s: f64, resident: [u64; 2]) -> Process {
    Process {
        name: name.to_owned(),
        wall_s,
        cpu_s,
        voluntary_switches: 2000,
        involuntary_switches: 40,
        resident,
    }
}

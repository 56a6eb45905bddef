//! The lines of DESIGN §8 as data: which two measurements each compares, and what the ratio must keep to.

use super::Bound;
use crate::keys::{
    SCALE_RATE_HZ, SCALE_TOPICS, benchmark, bytes, figure, peer, process, transport,
};

/// Which number of a measurement a line is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Median,
    Figure(&'static str),
    /// CPU seconds per second of the process with this name.
    Cpu(&'static str),
}

/// One side of a ratio.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    pub(super) benchmark: &'static str,
    pub(super) peer: &'static str,
    /// In order of preference.
    pub(super) transports: &'static [&'static str],
    /// Any, if there is none.
    pub(super) bytes: Option<u64>,
    /// Any, if there is none: topics and the rate of each.
    pub(super) load: Option<(u32, f64)>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// The first over the second.
    Ratio(Side, Side),
    /// The same, and beside it another peer over its own baseline, or over the second where it has none.
    RatioBeside(Side, Side, &'static [Side; 2]),
    /// Resident memory at the end over that at the beginning, of the worst process.
    Growth(Side),
}

pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) how: &'static str,
    pub(super) reach: Bound,
    pub(super) rule: Rule,
}

const DEFAULT: &[&str] = &[transport::DEFAULT];
const SHM: &[&str] = &[transport::SHM];
const NO_MIDDLEWARE: &[&str] = &[transport::NONE];
const ANY: &[&str] = &[transport::DEFAULT, transport::SHM, transport::NONE];

/// Resident memory moves a little by itself (allocator, page cache of mapped files): up to this is "none".
const GROWTH: f64 = 1.02;

const fn side(
    benchmark: &'static str,
    peer: &'static str,
    transports: &'static [&'static str],
    bytes: u64,
) -> Side {
    Side {
        benchmark,
        peer,
        transports,
        bytes: Some(bytes),
        load: None,
        value: Value::Median,
    }
}

const fn ticks(peer: &'static str) -> Side {
    Side {
        benchmark: benchmark::INTERFERENCE,
        peer,
        transports: ANY,
        bytes: None,
        load: None,
        value: Value::Figure(figure::TICKS_PER_S),
    }
}

const fn cpu(peer: &'static str, process: &'static str) -> Side {
    Side {
        benchmark: benchmark::SCALE,
        peer,
        transports: ANY,
        bytes: Some(bytes::SMALL),
        load: Some((SCALE_TOPICS, SCALE_RATE_HZ)),
        value: Value::Cpu(process),
    }
}

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "ROS publish → ndarray, 6.2 MB, SHM transport",
        how: "p50, iceway-python / rclpy",
        reach: Bound::AtMost(0.3),
        rule: Rule::Ratio(
            side(benchmark::LATENCY, peer::ICEWAY_PYTHON, SHM, bytes::IMAGE),
            side(benchmark::LATENCY, peer::RCLPY, SHM, bytes::IMAGE),
        ),
    },
    Target {
        name: "ROS publish → ndarray, 256 B, default transport",
        how: "p50, iceway-python / rclpy",
        reach: Bound::AtMost(0.5),
        rule: Rule::Ratio(
            side(
                benchmark::LATENCY,
                peer::ICEWAY_PYTHON,
                DEFAULT,
                bytes::SMALL,
            ),
            side(benchmark::LATENCY, peer::RCLPY, DEFAULT, bytes::SMALL),
        ),
    },
    Target {
        name: "ROS publish → ndarray, 6.2 MB, default transport",
        how: "p50, iceway-python / rclpy",
        reach: Bound::AtMost(0.7),
        rule: Rule::Ratio(
            side(
                benchmark::LATENCY,
                peer::ICEWAY_PYTHON,
                DEFAULT,
                bytes::IMAGE,
            ),
            side(benchmark::LATENCY, peer::RCLPY, DEFAULT, bytes::IMAGE),
        ),
    },
    Target {
        name: "ROS publish → ndarray, 6.2 MB, SHM transport, against native take",
        how: "p50, iceway-python / native-take",
        reach: Bound::AtMost(1.1),
        rule: Rule::Ratio(
            side(benchmark::LATENCY, peer::ICEWAY_PYTHON, SHM, bytes::IMAGE),
            side(benchmark::LATENCY, peer::NATIVE_TAKE, SHM, bytes::IMAGE),
        ),
    },
    Target {
        name: "shm hop into Python, 24.9 MB against 64 B",
        how: "p50, 24.9 MB / 64 B",
        reach: Bound::AtMost(1.2),
        rule: Rule::Ratio(
            side(
                benchmark::HOP,
                peer::ICEWAY_PYTHON,
                NO_MIDDLEWARE,
                bytes::IMAGE_4K,
            ),
            side(
                benchmark::HOP,
                peer::ICEWAY_PYTHON,
                NO_MIDDLEWARE,
                bytes::TINY,
            ),
        ),
    },
    Target {
        name: "shm hop into Python against the hop into Rust, 24.9 MB",
        how: "p50, iceway-python / iceway-rust",
        reach: Bound::AtMost(1.5),
        rule: Rule::Ratio(
            side(
                benchmark::HOP,
                peer::ICEWAY_PYTHON,
                NO_MIDDLEWARE,
                bytes::IMAGE_4K,
            ),
            side(
                benchmark::HOP,
                peer::ICEWAY_RUST,
                NO_MIDDLEWARE,
                bytes::IMAGE_4K,
            ),
        ),
    },
    Target {
        name: "ROS → Python → ROS, 256 B, default transport",
        how: "p50, iceway-python / rclpy echo",
        reach: Bound::AtMost(0.4),
        rule: Rule::Ratio(
            side(
                benchmark::ROUND_TRIP,
                peer::ICEWAY_PYTHON,
                DEFAULT,
                bytes::SMALL,
            ),
            side(benchmark::ROUND_TRIP, peer::RCLPY, DEFAULT, bytes::SMALL),
        ),
    },
    Target {
        name: "ROS → Python → ROS, 6.2 MB, default transport",
        how: "p50, iceway-python / rclpy echo",
        reach: Bound::AtMost(0.4),
        rule: Rule::Ratio(
            side(
                benchmark::ROUND_TRIP,
                peer::ICEWAY_PYTHON,
                DEFAULT,
                bytes::IMAGE,
            ),
            side(benchmark::ROUND_TRIP, peer::RCLPY, DEFAULT, bytes::IMAGE),
        ),
    },
    Target {
        name: "inference ticks/s beside 2 × 1080p30, newest only",
        how: "ticks/s, subscribed through iceway / unsubscribed",
        reach: Bound::AtLeast(0.9),
        rule: Rule::RatioBeside(
            ticks(peer::ICEWAY_PYTHON),
            ticks(peer::NONE),
            &[ticks(peer::RCLPY), ticks(peer::NONE_RCLPY)],
        ),
    },
    Target {
        name: "publishing 6.2 MB from Python, one copy, time in the caller",
        how: "p50, iceway-python:copy / rclpy:array.array",
        reach: Bound::AtMost(0.5),
        rule: Rule::Ratio(
            side(
                benchmark::PUBLISH,
                peer::ICEWAY_PYTHON_COPY,
                ANY,
                bytes::IMAGE,
            ),
            side(benchmark::PUBLISH, peer::RCLPY_ARRAY, ANY, bytes::IMAGE),
        ),
    },
    Target {
        name: "publishing 6.2 MB from Python, filled in place, time in the caller",
        how: "p50, iceway-python:loan / rclpy:array.array",
        reach: Bound::AtMost(0.1),
        rule: Rule::Ratio(
            side(
                benchmark::PUBLISH,
                peer::ICEWAY_PYTHON_LOAN,
                ANY,
                bytes::IMAGE,
            ),
            side(benchmark::PUBLISH, peer::RCLPY_ARRAY, ANY, bytes::IMAGE),
        ),
    },
    Target {
        name: "broker CPU, 100 topics × 50 Hz, 256 B",
        how: "CPU share, iceway broker / rclpy node",
        reach: Bound::AtMost(0.3),
        rule: Rule::Ratio(
            cpu(peer::ICEWAY_PYTHON, process::BROKER),
            cpu(peer::RCLPY, process::RECEIVER),
        ),
    },
    Target {
        name: "memory over a long run at load",
        how: "resident memory, end / beginning, worst of broker and client",
        reach: Bound::AtMost(GROWTH),
        rule: Rule::Growth(Side {
            benchmark: benchmark::SOAK,
            peer: peer::ICEWAY_PYTHON,
            transports: ANY,
            bytes: None,
            load: None,
            value: Value::Median,
        }),
    },
];

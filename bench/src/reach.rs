//! The speed that DESIGN §8 asks for, line by line, and how far a run is from it.
//!
//! Each line is a ratio of two measurements of the same run. A line whose measurements are missing says which.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::keys::{
    SCALE_RATE_HZ, SCALE_TOPICS, benchmark, bytes, figure, peer, process, transport,
};
use crate::results::{Measurement, Results};
use crate::units;

/// What a ratio must keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= bound,
            Self::AtLeast(bound) => ratio >= bound,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(bound) => write!(formatter, "≤ {bound} ×"),
            Self::AtLeast(bound) => write!(formatter, "≥ {bound} ×"),
        }
    }
}

/// One line of DESIGN §8, for one run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// What is compared, with size and transport.
    pub(crate) name: &'static str,
    /// What stands above and below the line of the ratio.
    pub(crate) how: &'static str,
    pub(crate) reach: Bound,
    pub(crate) outcome: Outcome,
}

/// What the run says about a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Measured {
        ratio: f64,
        /// The two values with their units, and what the reader must know beside them.
        values: String,
    },
    /// The measurements that are not there.
    Missing(Vec<String>),
}

/// A line in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    Short,
    NotMeasured,
}

impl Line {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.outcome {
            Outcome::Measured { ratio, .. } if self.reach.holds(ratio) => Verdict::Ok,
            Outcome::Measured { .. } => Verdict::Short,
            Outcome::Missing(_) => Verdict::NotMeasured,
        }
    }

    /// The ratio, or that there is none.
    pub(crate) fn measured(&self) -> String {
        match &self.outcome {
            Outcome::Measured { ratio, .. } => format!("{} ×", units::ratio(*ratio)),
            Outcome::Missing(_) => Verdict::NotMeasured.to_string(),
        }
    }

    /// The values behind the ratio, or what is missing.
    pub(crate) fn detail(&self) -> String {
        match &self.outcome {
            Outcome::Measured { values, .. } => values.clone(),
            Outcome::Missing(what) => format!("missing: {}", what.join("; ")),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::Short => "short",
            Self::NotMeasured => "not measured",
        })
    }
}

/// Which number of a measurement a line is about.
#[derive(Debug, Clone, Copy)]
enum Value {
    Median,
    Figure(&'static str),
    /// CPU seconds per second of the process with this name.
    Cpu(&'static str),
}

/// One side of a ratio.
#[derive(Debug, Clone, Copy)]
struct Side {
    benchmark: &'static str,
    peer: &'static str,
    /// In order of preference.
    transports: &'static [&'static str],
    /// Any, if there is none.
    bytes: Option<u64>,
    /// Any, if there is none: topics and the rate of each.
    load: Option<(u32, f64)>,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The first over the second.
    Ratio(Side, Side),
    /// The same, and beside it another peer over its own baseline, or over the second where it has none.
    RatioBeside(Side, Side, &'static [Side; 2]),
    /// Resident memory at the end over that at the beginning, of the worst process.
    Growth(Side),
}

struct Target {
    name: &'static str,
    how: &'static str,
    reach: Bound,
    rule: Rule,
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

const TARGETS: &[Target] = &[
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

/// Every line of DESIGN §8 for this run, in its order.
pub(crate) fn lines(results: &Results) -> Vec<Line> {
    TARGETS
        .iter()
        .map(|target| Line {
            name: target.name,
            how: target.how,
            reach: target.reach,
            outcome: match target.rule {
                Rule::Ratio(ours, other) => ratio(results, &ours, &other, None),
                Rule::RatioBeside(ours, other, beside) => {
                    ratio(results, &ours, &other, Some(beside))
                }
                Rule::Growth(side) => growth(results, &side),
            },
        })
        .collect()
}

/// Prints `name · measured · reach · ok/short` with the values behind each ratio.
pub(crate) fn print(results: &Results) {
    println!("{}", table(&lines(results)));
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "measured", "reach", "", "values"]);
    for line in lines {
        table.add_row([
            line.name.to_owned(),
            line.measured(),
            line.reach.to_string(),
            match line.verdict() {
                Verdict::NotMeasured => String::new(),
                verdict => verdict.to_string(),
            },
            line.detail(),
        ]);
    }
    table
}

impl Side {
    /// The measurements that this side may take, the preferred transport first.
    fn candidates<'a>(&self, results: &'a Results) -> Vec<(&'a Measurement, f64)> {
        self.transports
            .iter()
            .flat_map(|transport| {
                results.measurements.iter().filter_map(move |measurement| {
                    self.fits(measurement, transport)
                        .then(|| Some((measurement, self.value(measurement)?)))
                        .flatten()
                })
            })
            .collect()
    }

    fn fits(&self, measurement: &Measurement, transport: &str) -> bool {
        measurement.benchmark == self.benchmark
            && measurement.peer == self.peer
            && measurement.transport == transport
            && self.bytes.is_none_or(|bytes| bytes == measurement.bytes)
            && self.load.is_none_or(|(topics, rate_hz)| {
                topics == measurement.topics && (rate_hz - measurement.rate_hz).abs() < 0.5
            })
    }

    fn value(&self, measurement: &Measurement) -> Option<f64> {
        match self.value {
            Value::Median => Some(measurement.latency.as_ref()?.at(50.0)? as f64),
            Value::Figure(key) => measurement.figures.get(key).copied(),
            Value::Cpu(name) => {
                let process = measurement
                    .processes
                    .iter()
                    .find(|process| process.name == name && process.wall_s > 0.0);
                match process {
                    Some(process) => Some(process.cpu_s / process.wall_s),
                    None => measurement.figures.get(figure::CPU_SHARE).copied(),
                }
            }
        }
    }

    fn show(&self, value: f64) -> String {
        match self.value {
            Value::Median => units::time(value),
            Value::Figure(_) => units::number(value),
            Value::Cpu(_) => format!("{:.1} %", value * 100.0),
        }
    }

    /// What is missing when there is no candidate.
    fn describe(&self) -> String {
        let mut words = vec![self.benchmark.to_owned(), self.peer.to_owned()];
        if let Some(bytes) = self.bytes {
            words.push(units::bytes(bytes));
        }
        if let Some((topics, rate_hz)) = self.load {
            words.push(format!("{topics} topics × {rate_hz} Hz"));
        }
        if let [transport] = self.transports
            && *transport != transport::NONE
        {
            words.push(format!("{transport} transport"));
        }
        words.join(" ")
    }
}

fn ratio(results: &Results, ours: &Side, other: &Side, beside: Option<&[Side; 2]>) -> Outcome {
    let (our, their) = (ours.candidates(results), other.candidates(results));
    let (Some(&(our, our_value)), false) = (our.first(), their.is_empty()) else {
        let sides = [(ours, our.is_empty()), (other, their.is_empty())];
        return Outcome::Missing(
            sides
                .iter()
                .filter(|(_, missing)| *missing)
                .map(|(side, _)| side.describe())
                .collect(),
        );
    };
    let (their, their_value) = alike(our, &their);
    if *their_value <= 0.0 {
        return Outcome::Missing(vec![format!("{} above 0", other.describe())]);
    }
    let mut values = format!("{} / {}", ours.show(our_value), other.show(*their_value));
    if their.rate_hz > 0.0 && our.rate_hz > 0.0 && !same_rate(our, their) {
        values += &format!(" (at {} and {} Hz)", our.rate_hz, their.rate_hz);
    }
    if ours.transports.len() > 1 && our.transport != their.transport {
        values += &format!(" (transports {} and {})", our.transport, their.transport);
    }
    if let Some([beside, baseline]) = beside {
        let (found, baselines) = (beside.candidates(results), baseline.candidates(results));
        values += &if found.is_empty() {
            format!("; not measured: {}", beside.describe())
        } else {
            let (measurement, value) = alike(our, &found);
            let baseline = match baselines.is_empty() {
                true => *their_value,
                false => alike(measurement, &baselines).1,
            };
            format!(
                "; {} {} / {} = {} ×",
                measurement.peer,
                beside.show(*value),
                beside.show(baseline),
                units::ratio(value / baseline)
            )
        };
    }
    Outcome::Measured {
        ratio: our_value / their_value,
        values,
    }
}

/// Of several candidates (more than one rate or transport in a run), the one that was measured like ours. There is at least one.
fn alike<'a, 'r>(
    our: &Measurement,
    candidates: &'a [(&'r Measurement, f64)],
) -> &'a (&'r Measurement, f64) {
    let alike = |other: &Measurement| (same_rate(our, other), our.transport == other.transport);
    candidates
        .iter()
        .rev()
        .max_by_key(|(other, _)| alike(other))
        .unwrap_or(&candidates[0])
}

fn same_rate(one: &Measurement, other: &Measurement) -> bool {
    (one.rate_hz - other.rate_hz).abs() <= 0.01 * one.rate_hz.abs()
}

fn growth(results: &Results, side: &Side) -> Outcome {
    let ours = [process::BROKER, process::RECEIVER];
    let worst = results
        .measurements
        .iter()
        .filter(|measurement| {
            side.transports
                .iter()
                .any(|transport| side.fits(measurement, transport))
        })
        .flat_map(|measurement| &measurement.processes)
        .filter(|process| ours.contains(&process.name.as_str()) && process.resident[0] > 0)
        .map(|process| {
            (
                process.resident[1] as f64 / process.resident[0] as f64,
                process,
            )
        })
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match worst {
        Some((ratio, process)) => Outcome::Measured {
            ratio,
            values: format!(
                "{}: {:.1} MB / {:.1} MB after {} s{}",
                process.name,
                process.resident[1] as f64 / 1e6,
                process.resident[0] as f64 / 1e6,
                units::number(process.wall_s.round()),
                shm_growth(results),
            ),
        },
        None => Outcome::Missing(vec![side.describe()]),
    }
}

/// Shared memory of the bus belongs to no process alone: it is shown beside.
fn shm_growth(results: &Results) -> String {
    results
        .measurements
        .iter()
        .filter(|m| m.benchmark == benchmark::SOAK)
        .find_map(|m| m.figures.get(figure::SHM_GROWTH_BYTES))
        .map_or_else(String::new, |grown| {
            format!("; shared memory {:+.1} MB", grown / 1e6)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn line(results: &Results, start: &str) -> Line {
        lines(results)
            .into_iter()
            .find(|line| line.name.starts_with(start))
            .expect("a line of that name")
    }

    #[test]
    fn a_full_run_has_every_line() {
        let lines = lines(&sample::run());
        assert!(lines.len() >= 13);
        for line in &lines {
            assert_ne!(line.verdict(), Verdict::NotMeasured, "{line:?}");
        }
    }

    #[test]
    fn an_empty_run_names_what_is_missing() {
        let lines = lines(&Results::default());
        assert!(
            lines
                .iter()
                .all(|line| line.verdict() == Verdict::NotMeasured)
        );
        assert_eq!(
            lines[0].detail(),
            "missing: latency iceway-python 6.2 MB shm transport; latency rclpy 6.2 MB shm transport"
        );
        assert!(
            table(&lines)
                .to_string()
                .contains("scale rclpy 256 B 100 topics × 50 Hz")
        );
    }

    #[test]
    fn only_the_missing_side_is_named() {
        let mut results = sample::run();
        results
            .measurements
            .retain(|m| !(m.benchmark == benchmark::LATENCY && m.peer == peer::NATIVE_TAKE));
        let line = line(
            &results,
            "ROS publish → ndarray, 6.2 MB, SHM transport, against",
        );
        assert_eq!(
            line.outcome,
            Outcome::Missing(vec!["latency native-take 6.2 MB shm transport".to_owned()])
        );
    }

    #[test]
    fn ok_and_short_follow_the_bound() {
        let small = |iceway: u64, rclpy: u64| {
            let results = Results {
                measurements: vec![
                    sample::latency(
                        peer::ICEWAY_PYTHON,
                        transport::DEFAULT,
                        bytes::SMALL,
                        iceway,
                    ),
                    sample::latency(peer::RCLPY, transport::DEFAULT, bytes::SMALL, rclpy),
                ],
                ..Results::default()
            };
            line(&results, "ROS publish → ndarray, 256 B").verdict()
        };
        assert_eq!(small(500, 1000), Verdict::Ok);
        assert_eq!(small(501, 1000), Verdict::Short);
        assert_eq!(small(501, 0), Verdict::NotMeasured);
    }

    #[test]
    fn other_transports_and_rates_do_not_stand_in() {
        let mut slow = sample::latency(peer::RCLPY, transport::DEFAULT, bytes::SMALL, 9000);
        slow.rate_hz = 1.0;
        let results = Results {
            measurements: vec![
                sample::latency(peer::ICEWAY_PYTHON, transport::DEFAULT, bytes::SMALL, 100),
                sample::latency(peer::RCLPY, transport::SHM, bytes::SMALL, 5000),
                slow,
                sample::latency(peer::RCLPY, transport::DEFAULT, bytes::SMALL, 400),
            ],
            ..Results::default()
        };
        let Outcome::Measured { ratio, values } =
            line(&results, "ROS publish → ndarray, 256 B").outcome
        else {
            panic!("both sides are there");
        };
        assert!((ratio - 0.25).abs() < 1e-9);
        assert_eq!(values, "100 ns / 400 ns");
    }

    #[test]
    fn interference_has_rclpy_beside_it() {
        let mut results = sample::run();
        assert!(
            line(&results, "inference")
                .detail()
                .contains("; rclpy 31.9 / 82 = 0.389 ×")
        );
        results
            .measurements
            .retain(|m| !(m.benchmark == benchmark::INTERFERENCE && m.peer == peer::RCLPY));
        let line = line(&results, "inference");
        assert_eq!(line.verdict(), Verdict::Ok);
        assert!(
            line.detail()
                .ends_with("; not measured: interference rclpy")
        );
    }

    #[test]
    fn growth_is_that_of_the_worst_process_of_ours() {
        let mut results = sample::run();
        let soak = results
            .measurements
            .iter_mut()
            .find(|m| m.benchmark == benchmark::SOAK)
            .expect("the sample has one");
        for process in &mut soak.processes {
            process.resident = match process.name.as_str() {
                process::PUBLISHER => [100, 900],
                process::BROKER => [1_000_000, 1_000_000],
                _ => [1_000_000, 1_100_000],
            };
        }
        let line = line(&results, "memory");
        assert_eq!(line.verdict(), Verdict::Short);
        assert!(
            line.detail().starts_with("receiver: 1.1 MB / 1.0 MB"),
            "{}",
            line.detail()
        );
    }
}

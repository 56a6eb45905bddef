//! The speed that DESIGN §8 asks for, line by line, and how far a run is from it.
//!
//! Each line is a ratio of two measurements of the same run. A line whose measurements are missing says which.

mod ratio;
mod targets;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::results::Results;
use crate::units;
use ratio::{growth, ratio};
use targets::{Rule, TARGETS};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{benchmark, bytes, peer, process, transport};
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

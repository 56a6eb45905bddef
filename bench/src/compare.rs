//! `iceway-bench compare A.json B.json`: two runs side by side.
//!
//! A change counts as one when the medians are more than 10 % apart and each lies outside the other's middle half (p25 to p75):
//! what is smaller than that, a second run of the same thing shows as well.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::files;
use crate::results::{Distribution, Measurement, Results};
use crate::units;

/// Changes up to this part of the first value are noise.
const NOISE: f64 = 0.10;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// results.json of the first run, e.g. before a change.
    a: PathBuf,
    /// results.json of the second run.
    b: PathBuf,
}

pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<()> {
    let (a, b) = (files::read(&args.a)?, files::read(&args.b)?);
    print!("{}", text(&a, &b));
    Ok(())
}

/// How a value of B stands to that of A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Faster,
    Slower,
    WithinNoise,
}

impl Change {
    fn mark(self) -> &'static str {
        match self {
            Self::Faster => "▼ faster",
            Self::Slower => "▲ slower",
            Self::WithinNoise => "",
        }
    }
}

fn text(a: &Results, b: &Results) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "A: {} · {}\nB: {} · {}",
        a.started,
        a.command.join(" "),
        b.started,
        b.command.join(" ")
    );
    let differences = differences(a, b);
    if differences.is_empty() {
        text.push_str("Same machine, settings and versions.\n");
    } else {
        text.push_str("\nNOT THE SAME CONDITIONS. What differs:\n");
        for (what, a, b) in &differences {
            let _ = writeln!(text, "  {what}: {a} | {b}");
        }
    }
    let pairs: Vec<_> = a
        .measurements
        .iter()
        .filter_map(|one| {
            let other = b.measurements.iter().find(|other| key(other) == key(one))?;
            Some((one, other))
        })
        .collect();
    times(&mut text, &pairs);
    figures(&mut text, &pairs);
    only(&mut text, "A", a, b);
    only(&mut text, "B", b, a);
    text
}

/// What makes two measurements the same one: also rate and topics, of which `scale` has several.
fn key(measurement: &Measurement) -> (&str, &str, &str, u64, u32, i64) {
    (
        &measurement.benchmark,
        &measurement.peer,
        &measurement.transport,
        measurement.bytes,
        measurement.topics,
        (measurement.rate_hz * 10.0).round() as i64,
    )
}

fn name(measurement: &Measurement) -> [String; 4] {
    [
        measurement.benchmark.clone(),
        measurement.peer.clone(),
        measurement.transport.clone(),
        units::bytes(measurement.bytes),
    ]
}

/// Whatever the two runs do not have in common, with both values.
fn differences(a: &Results, b: &Results) -> Vec<(String, String, String)> {
    let facts = |results: &Results| {
        let machine = &results.machine;
        let mut facts = vec![
            ("cpu".to_owned(), machine.cpu.clone()),
            ("cores".to_owned(), machine.cores.to_string()),
            ("memory".to_owned(), units::bytes(machine.memory)),
            ("kernel".to_owned(), machine.kernel.clone()),
            ("/dev/shm".to_owned(), units::bytes(machine.shm)),
        ];
        facts.extend(machine.settings.clone());
        facts.extend(results.software.clone());
        facts
    };
    let (a_facts, b_facts) = (facts(a), facts(b));
    let mut seen = BTreeSet::new();
    let find = |facts: &[(String, String)], name: &str| {
        facts
            .iter()
            .find(|(key, _)| key == name)
            .map_or("(not noted)".to_owned(), |(_, value)| value.clone())
    };
    a_facts
        .iter()
        .chain(&b_facts)
        .filter(|(name, _)| seen.insert(name.clone()))
        .map(|(name, _)| (name.clone(), find(&a_facts, name), find(&b_facts, name)))
        .filter(|(_, a, b)| a != b)
        .collect()
}

fn times(text: &mut String, pairs: &[(&Measurement, &Measurement)]) {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "benchmark",
            "peer",
            "transport",
            "size",
            "p50 A",
            "p50 B",
            "B/A",
            "p99 A",
            "p99 B",
            "B/A",
            "",
        ]);
    for (a, b) in pairs {
        let (Some(a_times), Some(b_times)) = (&a.latency, &b.latency) else {
            continue;
        };
        let mut row = Vec::from(name(a));
        for percentile in [50.0, 99.0] {
            row.extend(columns(a_times.at(percentile), b_times.at(percentile)));
        }
        row.push(change(a_times, b_times).mark().to_owned());
        table.add_row(row);
    }
    if table.row_count() > 0 {
        let _ = writeln!(text, "\n{table}");
        text.push_str(
            "▼ ▲: p50 differs by more than 10 %, and each lies outside of the other's p25 to p75.\n",
        );
    }
}

fn columns(a: Option<u64>, b: Option<u64>) -> [String; 3] {
    let show =
        |time: Option<u64>| time.map_or_else(|| "–".to_owned(), |time| units::time(time as f64));
    let ratio = match (a, b) {
        (Some(a), Some(b)) if a > 0 => units::ratio(b as f64 / a as f64),
        _ => "–".to_owned(),
    };
    [show(a), show(b), ratio]
}

fn change(a: &Distribution, b: &Distribution) -> Change {
    let (Some(a_median), Some(b_median)) = (a.at(50.0), b.at(50.0)) else {
        return Change::WithinNoise;
    };
    let inside = |value: u64, of: &Distribution| {
        of.at(25.0).is_some_and(|low| low <= value) && of.at(75.0).is_some_and(|high| value <= high)
    };
    let apart = (b_median as f64 - a_median as f64).abs() > NOISE * a_median as f64;
    if !apart || inside(a_median, b) || inside(b_median, a) {
        Change::WithinNoise
    } else if b_median < a_median {
        Change::Faster
    } else {
        Change::Slower
    }
}

fn figures(text: &mut String, pairs: &[(&Measurement, &Measurement)]) {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "benchmark",
            "peer",
            "transport",
            "size",
            "figure",
            "A",
            "B",
            "B/A",
        ]);
    for (a, b) in pairs {
        for (figure, a_value) in &a.figures {
            let Some(b_value) = b.figures.get(figure) else {
                continue;
            };
            let mut row = Vec::from(name(a));
            row.extend([
                figure.clone(),
                units::number(*a_value),
                units::number(*b_value),
            ]);
            row.push(if *a_value > 0.0 {
                units::ratio(b_value / a_value)
            } else {
                "–".to_owned()
            });
            table.add_row(row);
        }
    }
    if table.row_count() > 0 {
        let _ = writeln!(text, "\n{table}");
    }
}

fn only(text: &mut String, label: &str, here: &Results, there: &Results) {
    let alone: Vec<_> = here
        .measurements
        .iter()
        .filter(|one| {
            !there
                .measurements
                .iter()
                .any(|other| key(other) == key(one))
        })
        .map(|one| name(one).join(" "))
        .collect();
    if !alone.is_empty() {
        let _ = writeln!(text, "\nOnly in {label}:\n  {}", alone.join("\n  "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{benchmark, bytes, peer, transport};
    use crate::sample;

    fn times(p25: u64, p50: u64, p75: u64) -> Distribution {
        Distribution {
            count: 100,
            percentiles: vec![(25.0, p25), (50.0, p50), (75.0, p75)],
            ..Distribution::default()
        }
    }

    #[test]
    fn a_change_is_large_and_outside_of_both_middles() {
        let a = times(90, 100, 110);
        assert_eq!(change(&a, &times(190, 200, 210)), Change::Slower);
        assert_eq!(change(&times(190, 200, 210), &a), Change::Faster);
        assert_eq!(change(&a, &times(100, 109, 120)), Change::WithinNoise);
        // Far apart, but B scatters over A's median; and the other way round.
        assert_eq!(change(&a, &times(80, 200, 400)), Change::WithinNoise);
        assert_eq!(change(&times(80, 200, 400), &a), Change::WithinNoise);
        assert_eq!(change(&a, &Distribution::default()), Change::WithinNoise);
    }

    #[test]
    fn the_same_run_twice_has_no_marks() {
        let run = sample::run();
        let text = text(&run, &run);
        assert!(text.contains("Same machine, settings and versions."));
        assert!(!text.contains("faster") && !text.contains("slower") && !text.contains("Only in"));
        assert!(text.contains("ticks_per_s"));
    }

    #[test]
    fn another_machine_or_version_is_said_first() {
        let (a, mut b) = (sample::run(), sample::run());
        b.machine.kernel = "6.8.0".to_owned();
        b.software.remove("rmw");
        let text = text(&a, &b);
        assert!(text.contains("NOT THE SAME CONDITIONS"));
        assert!(text.contains("kernel: 6.1.0 | 6.8.0"));
        assert!(text.contains("rmw: rmw_fastrtps_cpp | (not noted)"));
    }

    #[test]
    fn what_only_one_run_has_is_listed() {
        let (mut a, mut b) = (sample::run(), sample::run());
        a.measurements
            .retain(|m| m.benchmark == benchmark::INTERFERENCE);
        b.measurements = vec![sample::latency(
            peer::RCLPY,
            transport::SHM,
            bytes::SMALL,
            5,
        )];
        let text = text(&a, &b);
        assert!(text.contains("Only in A:\n  interference none default 6.2 MB"));
        assert!(text.contains("Only in B:\n  latency rclpy shm 256 B"));
    }
}

//! Finding the two sides of a line in a run.

use super::Outcome;
use super::targets::{Side, Value};
use crate::keys::{benchmark, figure, process, transport};
use crate::results::{Measurement, Results};
use crate::units;

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

/// One side over the other.
pub(super) fn ratio(
    results: &Results,
    ours: &Side,
    other: &Side,
    beside: Option<&[Side; 2]>,
) -> Outcome {
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

/// The worst growth of a process of ours.
pub(super) fn growth(results: &Results, side: &Side) -> Outcome {
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

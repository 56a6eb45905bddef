//! What the page shows of a run, in order: which measurements share a panel, and the words beside it.

mod costs;
mod latency;

use std::collections::BTreeMap;

use super::look::{Cast, Look, Who};
use super::tables::{self, Table};
use crate::keys::{benchmark, bytes, transport};
use crate::results::{Measurement, Results};
use crate::units;

/// A part of the page.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) id: &'static str,
    /// The title in a word, for the list of sections.
    pub(super) short: &'static str,
    pub(super) title: &'static str,
    pub(super) lead: &'static str,
    pub(super) who: Vec<Who>,
    /// Words that the figures use, explained.
    pub(super) terms: Vec<(String, &'static str)>,
    pub(super) figures: Vec<Figure>,
    /// Figures behind a fold.
    pub(super) more: Vec<Figure>,
    pub(super) tables: Vec<Table>,
}

/// A panel with its words.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) legend: Vec<Chip>,
    /// Markup made by [`super::panel`]: the only strings of the page that are not escaped.
    pub(super) svg: String,
}

/// An entry of a legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chip {
    pub(super) label: String,
    pub(super) class: String,
    /// The peer's marker, where the panel draws markers.
    pub(super) marker: Option<String>,
}

/// Colours for parts of a bar.
const PARTS: usize = 8;

pub(super) fn sections(results: &Results, cast: &Cast) -> Vec<Section> {
    let maker = Maker { results, cast };
    let mut sections = vec![
        maker.sizes(),
        maker.curves(),
        maker.hops(),
        maker.interference(),
        maker.publish(),
        maker.scale(),
        maker.throughput(),
        maker.soak(),
    ];
    for section in &mut sections {
        if section.figures.is_empty() {
            // A fold that would stand alone is not folded.
            section.figures = std::mem::take(&mut section.more);
        }
    }
    sections.retain(|section| !section.figures.is_empty() || !section.tables.is_empty());
    sections.push(Section {
        id: "raw",
        short: "All numbers",
        title: "All numbers",
        lead: "Everything that was measured, as in results.json.",
        tables: tables::raw(results),
        ..Section::default()
    });
    sections
}

/// What a benchmark measures, in a few words.
pub(super) fn benchmark_title(benchmark: &str) -> &str {
    match benchmark {
        benchmark::LATENCY => "ROS → receiver",
        benchmark::ROUND_TRIP => "ROS → Python → ROS",
        benchmark::HOP => "Shared memory alone",
        benchmark::PUBLISH => "Publishing from Python",
        benchmark::THROUGHPUT => "Throughput",
        benchmark::INTERFERENCE => "Inference loop",
        benchmark::SCALE => "Many topics",
        benchmark::SOAK => "Long run",
        other => other,
    }
}

pub(super) fn transport_title(transport: &str) -> String {
    match transport {
        transport::NONE | "" => String::new(),
        transport::SHM => "SHM transport".to_owned(),
        other => format!("{other} transport"),
    }
}

struct Maker<'a> {
    results: &'a Results,
    cast: &'a Cast,
}

type Group<'a> = Vec<(Look, &'a Measurement)>;

impl<'a> Maker<'a> {
    /// Measurements in groups by a key, groups in the order of the key and peers in theirs. A peer that is in a group more than once
    /// carries what tells its measurements apart.
    fn groups<K: Ord>(
        &self,
        key: impl Fn(&Measurement) -> Option<K>,
        apart: impl Fn(&Measurement) -> String,
    ) -> BTreeMap<K, Group<'a>> {
        let mut groups: BTreeMap<K, Group<'a>> = BTreeMap::new();
        for measurement in &self.results.measurements {
            if let Some(key) = key(measurement) {
                let look = self.cast.look(&measurement.peer);
                groups.entry(key).or_default().push((look, measurement));
            }
        }
        for group in groups.values_mut() {
            let distinct = |(_, one): &(Look, &Measurement)| {
                group
                    .iter()
                    .any(|(_, other)| other.peer == one.peer && apart(other) != apart(one))
            };
            let marks: Vec<bool> = group.iter().map(distinct).collect();
            for ((look, measurement), mark) in group.iter_mut().zip(marks) {
                if mark {
                    look.label = format!("{}, {}", look.label, apart(measurement));
                }
            }
            group.sort_by(|(one, _), (other, _)| one.order().cmp(&other.order()));
        }
        groups
    }

    fn who(&self, keep: impl Fn(&Measurement) -> bool) -> Vec<Who> {
        let kept = Results {
            measurements: self
                .results
                .measurements
                .iter()
                .filter(|measurement| keep(measurement))
                .cloned()
                .collect(),
            ..Results::default()
        };
        self.cast.who(&kept)
    }
}

fn part_class(names: &[&str], name: &str) -> String {
    let index = names.iter().position(|other| *other == name).unwrap_or(0);
    format!("h{}", index % PARTS)
}

fn part_chips(names: &[&str], present: impl Fn(&str) -> bool) -> Vec<Chip> {
    names
        .iter()
        .filter(|name| present(name))
        .map(|name| Chip {
            label: (*name).to_owned(),
            class: part_class(names, name),
            marker: None,
        })
        .collect()
}

fn chips<'a>(looks: impl Iterator<Item = &'a Look>) -> Vec<Chip> {
    looks
        .map(|look| Chip {
            label: look.label.clone(),
            class: look.class.clone(),
            marker: Some(look.marker(12.0, 7.0).to_string()),
        })
        .collect()
}

/// How the group was loaded: `30 Hz, 1000 messages`.
fn load(group: &Group<'_>) -> String {
    let range = |values: Vec<f64>, unit: &str| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        if high <= 0.0 {
            String::new()
        } else if low < high {
            format!("{} to {} {unit}", units::number(low), units::number(high))
        } else {
            format!("{} {unit}", units::number(high))
        }
    };
    let rates = group
        .iter()
        .map(|(_, m)| m.rate_hz)
        .filter(|rate| *rate > 0.0)
        .collect();
    let counts = group
        .iter()
        .map(|(_, m)| m.latency.as_ref().map_or(m.received, |times| times.count) as f64)
        .collect();
    join(&[&range(rates, "Hz"), &range(counts, "messages of each peer")])
}

fn rate(measurement: &Measurement) -> String {
    format!("{} Hz", units::number(measurement.rate_hz))
}

fn join(parts: &[&str]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(", ")
}

/// Sizes that are shown without unfolding: those that DESIGN §8 speaks of.
fn featured(benchmark: &str, size: u64) -> bool {
    match benchmark {
        benchmark::LATENCY | benchmark::ROUND_TRIP => matches!(size, bytes::SMALL | bytes::IMAGE),
        benchmark::HOP => matches!(size, bytes::TINY | bytes::IMAGE_4K),
        _ => false,
    }
}

/// The key of panels that show one size on one transport.
type PanelKey = (usize, String, u64, usize, String);

fn by_size_and_transport(measurement: &Measurement) -> PanelKey {
    (
        benchmark_place(&measurement.benchmark),
        measurement.benchmark.clone(),
        measurement.bytes,
        transport_place(&measurement.transport),
        measurement.transport.clone(),
    )
}

fn benchmark_place(benchmark: &str) -> usize {
    let order = [
        benchmark::LATENCY,
        benchmark::ROUND_TRIP,
        benchmark::HOP,
        benchmark::PUBLISH,
    ];
    order
        .iter()
        .position(|known| *known == benchmark)
        .unwrap_or(order.len())
}

fn transport_place(transport: &str) -> usize {
    let order = [transport::DEFAULT, transport::SHM, transport::NONE];
    order
        .iter()
        .position(|known| *known == transport)
        .unwrap_or(order.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{figure, peer};
    use crate::sample;

    fn of(measurements: Vec<Measurement>) -> Vec<Section> {
        let results = Results {
            measurements,
            ..Results::default()
        };
        sections(&results, &Cast::of(&results))
    }

    fn find<'a>(sections: &'a [Section], id: &str) -> &'a Section {
        let found = sections.iter().find(|section| section.id == id);
        found.unwrap_or_else(|| panic!("there is no section {id}"))
    }

    #[test]
    fn a_run_has_the_sections_that_it_measured() {
        let sections = of(vec![sample::latency("rclpy", "default", 256, 1000)]);
        let ids: Vec<_> = sections.iter().map(|section| section.id).collect();
        // One size makes no line against size, and rclpy has no hops.
        assert_eq!(ids, ["percentiles", "raw"]);
    }

    #[test]
    fn sizes_of_no_line_are_folded_unless_they_are_all_there_is() {
        let odd = || sample::latency("rclpy", "default", 1000, 1000);
        let alone = of(vec![odd()]);
        let percentiles = find(&alone, "percentiles");
        assert_eq!((percentiles.figures.len(), percentiles.more.len()), (1, 0));
        let both = of(vec![odd(), sample::latency("rclpy", "default", 256, 1000)]);
        let percentiles = find(&both, "percentiles");
        assert_eq!((percentiles.figures.len(), percentiles.more.len()), (1, 1));
    }

    #[test]
    fn the_same_peer_at_two_rates_is_told_apart() {
        let mut fast = sample::latency("rclpy", "default", 256, 1000);
        fast.rate_hz = 500.0;
        let sections = of(vec![fast, sample::latency("rclpy", "default", 256, 1000)]);
        let labels: Vec<_> = find(&sections, "percentiles").figures[0]
            .legend
            .iter()
            .map(|chip| chip.label.as_str())
            .collect();
        assert_eq!(labels, ["rclpy, 30 Hz", "rclpy, 500 Hz"]);
    }

    #[test]
    fn ticks_are_shares_of_the_same_process() {
        let ticks = |peer: &str, ticks: f64| Measurement {
            benchmark: benchmark::INTERFERENCE.to_owned(),
            peer: peer.to_owned(),
            figures: [(figure::TICKS_PER_S.to_owned(), ticks)].into(),
            ..Measurement::default()
        };
        let sections = of(vec![
            ticks(peer::NONE, 100.0),
            ticks(peer::NONE_RCLPY, 50.0),
            ticks(peer::ICEWAY_PYTHON, 95.0),
            ticks(peer::RCLPY, 20.0),
        ]);
        let svg = &find(&sections, "interference").figures[0].svg;
        assert!(svg.contains("95 ticks/s · 95 %") && svg.contains("20 ticks/s · 40 %"));
    }
}

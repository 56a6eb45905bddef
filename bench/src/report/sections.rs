//! What the page shows of a run, in order: which measurements share a panel, and the words beside it.

use std::collections::BTreeMap;

use super::bars::{self, Bar, Guide};
use super::look::{Cast, Look, Who};
use super::tables::{self, Table};
use super::{curves, sizes};
use crate::keys::{benchmark, bytes, figure, peer, process, transport};
use crate::results::{Distribution, Hop, Measurement, Results};
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
    sections.retain(|section| !section.figures.is_empty() || !section.tables.is_empty());
    sections.push(Section {
        id: "raw",
        short: "All numbers",
        title: "All numbers",
        lead: "Everything that was measured, as in results.json.",
        tables: tables::raw(results),
        ..Section::default()
    });
    for section in &mut sections {
        if section.figures.is_empty() {
            // The numbers of a fold that stands alone are the section.
            section.figures = std::mem::take(&mut section.more);
        }
    }
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

    fn sizes(&self) -> Section {
        let of_interest = |measurement: &Measurement| {
            measurement.latency.is_some()
                && !matches!(
                    measurement.benchmark.as_str(),
                    benchmark::PUBLISH | benchmark::SOAK | benchmark::SCALE | benchmark::THROUGHPUT
                )
        };
        let groups = self.groups(
            |m| {
                of_interest(m).then(|| {
                    (
                        benchmark_place(&m.benchmark),
                        m.benchmark.clone(),
                        transport_place(&m.transport),
                        m.transport.clone(),
                    )
                })
            },
            rate,
        );
        // Per panel: series of (size, times).
        let mut panels = Vec::new();
        for ((_, benchmark, _, transport), group) in &groups {
            let mut series: Vec<sizes::Series<'_>> = Vec::new();
            for (look, measurement) in group {
                let Some(times) = &measurement.latency else {
                    continue;
                };
                let point = (measurement.bytes, times);
                match series.iter_mut().find(|(other, _)| other == look) {
                    Some((_, points)) => points.push(point),
                    None => series.push((look.clone(), vec![point])),
                }
            }
            for (_, points) in &mut series {
                points.sort_by_key(|(bytes, _)| *bytes);
            }
            if series.iter().any(|(_, points)| points.len() > 1) {
                panels.push((benchmark.clone(), transport.clone(), series));
            }
        }
        let figures = panels
            .iter()
            .enumerate()
            .map(|(index, (benchmark, transport, series))| {
                let shared: Vec<f64> = panels
                    .iter()
                    .filter(|(other, ..)| other == benchmark)
                    .flat_map(|(_, _, series)| series)
                    .flat_map(|(_, points)| sizes::times(points))
                    .collect();
                let title = join(&[benchmark_title(benchmark), &transport_title(transport)]);
                Figure {
                    svg: sizes::panel(&format!("size{index}"), &title, series, &shared),
                    legend: chips(series.iter().map(|(look, _)| look)),
                    caption: String::new(),
                    title,
                }
            })
            .collect();
        Section {
            id: "sizes",
            short: "Sizes",
            title: "Latency against message size",
            lead: "Both axes are logarithmic. The marker is the median; the whisker reaches up to p99. Panels of one benchmark share \
                   their vertical axis. A flat line means that the size does not matter: nothing is copied.",
            who: self.who(of_interest),
            figures,
            ..Section::default()
        }
    }

    fn curves(&self) -> Section {
        let groups = self.groups(
            |m| {
                m.latency.as_ref().map(|_| {
                    (
                        benchmark_place(&m.benchmark),
                        m.benchmark.clone(),
                        m.bytes,
                        transport_place(&m.transport),
                        m.transport.clone(),
                    )
                })
            },
            rate,
        );
        let mut section = Section {
            id: "percentiles",
            short: "Percentiles",
            title: "Percentiles: how bad the slow ones are",
            lead: "Each step to the right holds ten times fewer messages: p99 is the slowest one in a hundred. A control loop lives with \
                   the right side of this plot, not with the average. A curve ends where its samples do.",
            who: self.who(|m| m.latency.is_some()),
            ..Section::default()
        };
        for (index, ((_, benchmark, size, _, transport), group)) in groups.iter().enumerate() {
            let times: Vec<(Look, &Distribution)> = group
                .iter()
                .filter_map(|(look, m)| Some((look.clone(), m.latency.as_ref()?)))
                .collect();
            let title = join(&[
                benchmark_title(benchmark),
                &units::bytes(*size),
                &transport_title(transport),
            ]);
            let figure = Figure {
                svg: curves::panel(&format!("curve{index}"), &title, &times),
                legend: chips(times.iter().map(|(look, _)| look)),
                caption: load(group),
                title,
            };
            if featured(benchmark, *size) {
                section.figures.push(figure);
            } else {
                section.more.push(figure);
            }
        }
        section
    }

    fn hops(&self) -> Section {
        let mut names: Vec<&str> = Vec::new();
        for hop in self.results.measurements.iter().flat_map(|m| &m.hops) {
            if !names.contains(&hop.name.as_str()) {
                names.push(&hop.name);
            }
        }
        let with_hops: Vec<&str> = self
            .results
            .measurements
            .iter()
            .filter(|m| !m.hops.is_empty())
            .map(|m| m.benchmark.as_str())
            .collect();
        let groups = self.groups(
            |m| {
                (with_hops.contains(&m.benchmark.as_str()) && m.latency.is_some()).then(|| {
                    (
                        benchmark_place(&m.benchmark),
                        m.benchmark.clone(),
                        m.bytes,
                        transport_place(&m.transport),
                        m.transport.clone(),
                    )
                })
            },
            rate,
        );
        let mut section = Section {
            id: "hops",
            short: "Hops",
            title: "Where the time goes",
            lead: "Medians of each part of a message's way, from the times that the frame itself carries; the vertical mark is the median of \
                   the whole, which the parts' medians need not add up to. source and received are CLOCK_REALTIME as the middleware gives \
                   them, sent and later CLOCK_MONOTONIC. A peer that cannot be split is one pale bar of its own colour.",
            who: self.who(|m| with_hops.contains(&m.benchmark.as_str())),
            ..Section::default()
        };
        for (index, ((_, benchmark, size, _, transport), group)) in groups.iter().enumerate() {
            if group.iter().all(|(_, m)| m.hops.is_empty()) {
                continue;
            }
            let title = join(&[
                benchmark_title(benchmark),
                &units::bytes(*size),
                &transport_title(transport),
            ]);
            let bars: Vec<_> = group
                .iter()
                .filter_map(|(look, m)| hop_bar(look, m, &names))
                .collect();
            let figure = Figure {
                svg: bars::panel(&format!("hop{index}"), &title, &bars, None),
                legend: part_chips(&names, |name| {
                    group
                        .iter()
                        .any(|(_, m)| m.hops.iter().any(|hop| hop.name == name))
                }),
                caption: load(group),
                title,
            };
            if featured(benchmark, *size) {
                section.figures.push(figure);
            } else {
                section.more.push(figure);
            }
        }
        section
    }

    fn interference(&self) -> Section {
        let alone = self
            .results
            .measurements
            .iter()
            .find(|m| m.benchmark == benchmark::INTERFERENCE && m.peer == peer::NONE)
            .and_then(|m| m.figures.get(figure::TICKS_PER_S));
        let groups = self.groups(
            |m| {
                (m.benchmark == benchmark::INTERFERENCE && m.peer != peer::NONE).then(|| {
                    (
                        transport_place(&m.transport),
                        m.transport.clone(),
                        m.bytes,
                        m.topics,
                    )
                })
            },
            rate,
        );
        let figures = groups
            .iter()
            .enumerate()
            .map(|(index, ((_, transport, size, topics), group))| {
                let title = join(&[
                    &format!("{topics} × {}", units::bytes(*size)),
                    &transport_title(transport),
                ]);
                let mut bars = Vec::new();
                if let Some(ticks) = alone {
                    let look = self.cast.look(peer::NONE);
                    let value = format!("{} ticks/s", units::number(*ticks));
                    bars.push(Bar::plain("unsubscribed", &look.class, *ticks, value));
                }
                for (look, m) in group {
                    let Some(ticks) = m.figures.get(figure::TICKS_PER_S) else {
                        continue;
                    };
                    let mut value = format!("{} ticks/s", units::number(*ticks));
                    if let Some(alone) = alone.filter(|alone| **alone > 0.0) {
                        value += &format!(" · {:.0} %", 100.0 * ticks / alone);
                    }
                    bars.push(Bar::plain(&look.label, &look.class, *ticks, value));
                }
                let guide = alone.map(|alone| Guide {
                    at: 0.9 * alone,
                    label: "0.9 × unsubscribed".to_owned(),
                });
                Figure {
                    svg: bars::panel(&format!("tick{index}"), &title, &bars, guide.as_ref()),
                    legend: Vec::new(),
                    caption: load(group),
                    title,
                }
            })
            .collect();
        Section {
            id: "interference",
            short: "Interference",
            title: "What receiving costs the inference loop",
            lead: "Turns per second of a loop that computes in the same Python process that subscribes, and keeps the newest message only. \
                   Longer is better. The percentage is the share of what the loop does when it is subscribed to nothing.",
            who: self.who(|m| m.benchmark == benchmark::INTERFERENCE),
            figures,
            ..Section::default()
        }
    }

    fn publish(&self) -> Section {
        let groups = self.groups(
            |m| (m.benchmark == benchmark::PUBLISH && m.latency.is_some()).then_some(m.bytes),
            |m| join(&[&transport_title(&m.transport), &rate(m)]),
        );
        let figures = groups
            .iter()
            .enumerate()
            .map(|(index, (size, group))| {
                let title = units::bytes(*size);
                let bars: Vec<_> = group
                    .iter()
                    .filter_map(|(look, m)| {
                        let times = m.latency.as_ref()?;
                        let median = times.at(50.0)? as f64;
                        let mut value = units::time(median);
                        if let Some(p99) = times.at(99.0) {
                            value += &format!(" · p99 {}", units::time(p99 as f64));
                        }
                        Some(Bar::plain(&look.label, &look.class, median, value))
                    })
                    .collect();
                Figure {
                    svg: bars::panel(&format!("publish{index}"), &title, &bars, None),
                    legend: Vec::new(),
                    caption: load(group),
                    title,
                }
            })
            .collect();
        Section {
            id: "publish",
            short: "Publishing",
            title: "Publishing from Python: time in the caller",
            lead: "How long the Python thread is held until it may go on, median. loan: the result is written straight into shared memory, \
                   without any copy; copy: publish(data=array), one copy; array.array: rclpy with the fastest field type that it takes. \
                   Shorter is better.",
            who: self.who(|m| m.benchmark == benchmark::PUBLISH),
            figures,
            ..Section::default()
        }
    }

    fn scale(&self) -> Section {
        let groups = self.groups(
            |m| {
                (m.benchmark == benchmark::SCALE && !m.processes.is_empty()).then(|| {
                    (
                        m.topics,
                        m.bytes,
                        (m.rate_hz * 10.0) as u64,
                        transport_place(&m.transport),
                        m.transport.clone(),
                    )
                })
            },
            rate,
        );
        let names = [process::BROKER, process::RECEIVER];
        let figures = groups
            .iter()
            .enumerate()
            .map(|(index, ((topics, size, _, _, transport), group))| {
                let title = join(&[
                    &format!("{topics} topics × {} Hz", group[0].1.rate_hz),
                    &units::bytes(*size),
                    &transport_title(transport),
                ]);
                let bars: Vec<_> = group
                    .iter()
                    .filter_map(|(look, m)| cpu_bar(look, m, &names))
                    .collect();
                Figure {
                    svg: bars::panel(&format!("scale{index}"), &title, &bars, None),
                    legend: part_chips(&names, |name| {
                        group
                            .iter()
                            .any(|(_, m)| m.processes.iter().any(|p| p.name == name))
                    }),
                    caption: load(group),
                    title,
                }
            })
            .collect();
        Section {
            id: "scale",
            short: "CPU",
            title: "CPU per message",
            lead: "CPU time of the broker and of the receiving process, divided by the messages received; shorter is better. The publisher is \
                   the same for all and left out.",
            who: self.who(|m| m.benchmark == benchmark::SCALE),
            figures,
            ..Section::default()
        }
    }

    fn throughput(&self) -> Section {
        let groups = self.groups(
            |m| {
                (m.benchmark == benchmark::THROUGHPUT)
                    .then(|| (m.bytes, transport_place(&m.transport), m.transport.clone()))
            },
            rate,
        );
        let figures = groups
            .iter()
            .enumerate()
            .map(|(index, ((size, _, transport), group))| {
                let title = join(&[&units::bytes(*size), &transport_title(transport)]);
                let bars: Vec<_> = group
                    .iter()
                    .filter_map(|(look, m)| {
                        let per_s = *m.figures.get(figure::MESSAGES_PER_S)?;
                        let value = format!(
                            "{} messages/s · {}/s",
                            units::number(per_s.round()),
                            units::bytes((per_s * *size as f64) as u64)
                        );
                        Some(Bar::plain(&look.label, &look.class, per_s, value))
                    })
                    .collect();
                Figure {
                    svg: bars::panel(&format!("throughput{index}"), &title, &bars, None),
                    legend: Vec::new(),
                    caption: load(group),
                    title,
                }
            })
            .collect();
        Section {
            id: "throughput",
            short: "Throughput",
            title: "Throughput",
            lead: "Messages per second that arrive when the publisher sends as fast as it can. Longer is better; what was lost on the way is in \
                   the tables.",
            who: self.who(|m| m.benchmark == benchmark::THROUGHPUT),
            figures,
            ..Section::default()
        }
    }

    fn soak(&self) -> Section {
        let tables = tables::memory(self.results, benchmark::SOAK);
        Section {
            id: "soak",
            short: "Memory",
            title: "Memory over a long run",
            lead: "Resident memory of each process at the beginning and at the end.",
            tables: tables.into_iter().collect(),
            ..Section::default()
        }
    }
}

fn hop_bar(look: &Look, measurement: &Measurement, names: &[&str]) -> Option<Bar> {
    let median = measurement.latency.as_ref()?.at(50.0)? as f64;
    let value = units::time(median);
    if measurement.hops.is_empty() {
        let class = format!("{} pale", look.class);
        return Some(Bar::plain(&look.label, &class, median, value));
    }
    let part = |hop: &Hop| {
        let time = hop.time.at(50.0)? as f64;
        let class = part_class(names, &hop.name);
        Some((class, time, format!("{} {}", hop.name, units::time(time))))
    };
    Some(Bar {
        label: look.label.clone(),
        value,
        parts: measurement.hops.iter().filter_map(part).collect(),
        mark: Some(median),
    })
}

fn cpu_bar(look: &Look, measurement: &Measurement, names: &[&str]) -> Option<Bar> {
    let messages = match measurement.received {
        0 => measurement.sent,
        received => received,
    };
    let processes: Vec<_> = measurement
        .processes
        .iter()
        .filter(|process| names.contains(&process.name.as_str()))
        .collect();
    if messages == 0 || processes.is_empty() {
        return None;
    }
    let per_message = |cpu_s: f64| cpu_s * 1e9 / messages as f64;
    let cpu_s: f64 = processes.iter().map(|process| process.cpu_s).sum();
    let share: f64 = processes
        .iter()
        .filter(|process| process.wall_s > 0.0)
        .map(|process| process.cpu_s / process.wall_s)
        .sum();
    Some(Bar {
        label: look.label.clone(),
        value: format!(
            "{} · {:.0} % of a core",
            units::time(per_message(cpu_s)),
            share * 100.0
        ),
        parts: processes
            .iter()
            .map(|process| {
                let time = per_message(process.cpu_s);
                (
                    process_class(&process.name).to_owned(),
                    time,
                    format!("{} {}", process.name, units::time(time)),
                )
            })
            .collect(),
        mark: None,
    })
}

fn part_class(names: &[&str], name: &str) -> String {
    let index = names.iter().position(|other| *other == name).unwrap_or(0);
    format!("h{}", index % PARTS)
}

/// Far from each other in the scheme, and not the colours of peers.
fn process_class(name: &str) -> &'static str {
    match name {
        process::BROKER => "h0",
        process::RECEIVER => "h3",
        _ => "h7",
    }
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

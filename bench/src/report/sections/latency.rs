//! Sections about time: against size, by percentile, and by hop.

use super::{
    Figure, Maker, Section, benchmark_place, benchmark_title, by_size_and_transport, chips,
    featured, join, load, part_chips, part_class, rate, transport_place, transport_title,
};
use crate::keys::benchmark;
use crate::report::bars::{self, Bar};
use crate::report::look::Look;
use crate::report::{curves, sizes};
use crate::results::{Distribution, Hop, Measurement};
use crate::units;

impl Maker<'_> {
    pub(super) fn sizes(&self) -> Section {
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

    pub(super) fn curves(&self) -> Section {
        let groups = self.groups(
            |m| m.latency.as_ref().map(|_| by_size_and_transport(m)),
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

    pub(super) fn hops(&self) -> Section {
        let split: Vec<&Measurement> = self
            .results
            .measurements
            .iter()
            // What publishing notes as a hop comes after its own time, not within it.
            .filter(|m| !m.hops.is_empty() && m.benchmark != benchmark::PUBLISH)
            .collect();
        let mut names: Vec<&str> = Vec::new();
        for hop in split.iter().flat_map(|m| &m.hops) {
            if !names.contains(&hop.name.as_str()) {
                names.push(&hop.name);
            }
        }
        let shown = |m: &Measurement| {
            m.latency.is_some() && split.iter().any(|other| other.benchmark == m.benchmark)
        };
        let groups = self.groups(|m| shown(m).then(|| by_size_and_transport(m)), rate);
        let mut section = Section {
            id: "hops",
            short: "Hops",
            title: "Where the time goes",
            lead: "Medians of each part of a message's way, from the times that the frame itself carries; the vertical mark is the median of \
                   the whole, which the parts' medians need not add up to. source and received are CLOCK_REALTIME as the middleware gives \
                   them, sent and later CLOCK_MONOTONIC. A peer that cannot be split is one pale bar of its own colour.",
            who: self.who(shown),
            terms: names
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), hop_meaning(name)?)))
                .collect(),
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

/// What happens in a hop.
fn hop_meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "publish → source" => {
            "In the ROS publisher: from right before publish() to the middleware's own stamp."
        }
        "source → received" => {
            "The middleware: from the publisher's stamp until the subscriber's middleware has the whole message."
        }
        "received → taken" => {
            "In the receiving ROS process: waking up and taking. For iceway that is the broker, and holds the one copy of the way, \
             from the middleware into shared memory; for native-take it ends in private memory."
        }
        "taken → sent" => {
            "In the broker: filling in the header and handing the frame to its receivers."
        }
        "sent → woken" => "From the send until the receiver runs again: the operating system.",
        "woken → array" => "In the receiver: from running to an ndarray in hand.",
        "woken → in hand" => {
            "In the receiver: from running to the frame in hand, without Python."
        }
        _ => return None,
    })
}

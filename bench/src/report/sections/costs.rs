//! Sections about what receiving and publishing cost: the inference loop, the caller, CPU, memory.

use super::{
    Chip, Figure, Group, Maker, Section, join, load, rate, transport_place, transport_title,
};
use crate::keys::{benchmark, figure, peer, process};
use crate::report::bars::{self, Bar, Guide};
use crate::report::look::Look;
use crate::report::tables;
use crate::results::{Distribution, Measurement};
use crate::units;

impl Maker<'_> {
    pub(super) fn interference(&self) -> Section {
        let groups = self.groups(
            |m| {
                (m.benchmark == benchmark::INTERFERENCE).then(|| {
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
                let ticks_of = |name: &str| {
                    let (_, m) = group.iter().find(|(_, m)| m.peer == name)?;
                    m.figures.get(figure::TICKS_PER_S).copied()
                };
                let (alone, subscribed): (Vec<_>, Vec<_>) = group
                    .iter()
                    .partition(|(_, m)| m.peer.starts_with(peer::NONE));
                let mut bars = Vec::new();
                for (look, m) in alone.into_iter().chain(subscribed) {
                    let Some(ticks) = m.figures.get(figure::TICKS_PER_S).copied() else {
                        continue;
                    };
                    let mut value = format!("{} ticks/s", units::number(ticks.round()));
                    let mut label = look.label.clone();
                    match m.peer.strip_prefix(peer::NONE) {
                        Some(rest) => {
                            let whose = rest.strip_prefix(':').unwrap_or(peer::ICEWAY_PYTHON);
                            label = format!("unsubscribed, {whose}'s process");
                        }
                        // Against the same process without subscriptions; interpreters differ in speed.
                        None => {
                            let own = ticks_of(&format!("{}:{}", peer::NONE, m.peer));
                            if let Some(alone) = own.or_else(|| ticks_of(peer::NONE))
                                && alone > 0.0
                            {
                                value += &format!(" · {:.0} %", 100.0 * ticks / alone);
                            }
                        }
                    }
                    bars.push(Bar::plain(&label, &look.class, ticks, value));
                }
                let guide = ticks_of(peer::NONE).map(|alone| Guide {
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
                   Longer is better. The percentage is the share of what the same process does when it is subscribed to nothing, while the cameras run all the same.",
            who: self.who(|m| m.benchmark == benchmark::INTERFERENCE),
            figures,
            ..Section::default()
        }
    }

    pub(super) fn publish(&self) -> Section {
        let groups = self.groups(
            |m| {
                (m.benchmark == benchmark::PUBLISH)
                    .then(|| (m.bytes, transport_place(&m.transport), m.transport.clone()))
            },
            rate,
        );
        let mut figures = Vec::new();
        for (index, ((size, _, transport), group)) in groups.iter().enumerate() {
            let size = join(&[&units::bytes(*size), &transport_title(transport)]);
            let mut arrivals: Vec<&str> = Vec::new();
            for hop in group.iter().flat_map(|(_, m)| &m.hops) {
                if !arrivals.contains(&hop.name.as_str()) {
                    arrivals.push(&hop.name);
                }
            }
            let of_caller = |m: &'_ Measurement| m.latency.clone();
            figures.push(publish_figure(
                &format!("publish{index}"),
                format!("{size}: in the caller"),
                group,
                of_caller,
            ));
            // What comes after it, in a panel of its own: when a ROS subscriber has the message.
            for (part, name) in arrivals.iter().enumerate() {
                let of_arrival = |m: &Measurement| {
                    let hop = m.hops.iter().find(|hop| hop.name == *name)?;
                    Some(hop.time.clone())
                };
                figures.push(publish_figure(
                    &format!("publish{index}-{part}"),
                    format!("{size}: {name}"),
                    group,
                    of_arrival,
                ));
            }
        }
        Section {
            id: "publish",
            short: "Publishing",
            title: "Publishing from Python: time in the caller",
            lead: "How long the Python thread is held until it may go on, median. loan: the result is written straight into shared memory, \
                   without any copy; copy: publish(data=array), one copy; array.array and numpy: what rclpy is given. \
                   Shorter is better.",
            who: self.who(|m| m.benchmark == benchmark::PUBLISH),
            figures,
            ..Section::default()
        }
    }

    pub(super) fn scale(&self) -> Section {
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
                    legend: names
                        .iter()
                        .filter(|name| {
                            let mut processes = group.iter().flat_map(|(_, m)| &m.processes);
                            processes.any(|process| process.name == **name)
                        })
                        .map(|name| Chip {
                            label: (*name).to_owned(),
                            class: process_class(name).to_owned(),
                            marker: None,
                        })
                        .collect(),
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

    pub(super) fn throughput(&self) -> Section {
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

    pub(super) fn soak(&self) -> Section {
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

/// Far from each other in the scheme, and not the colours of peers.
fn process_class(name: &str) -> &'static str {
    match name {
        process::BROKER => "h0",
        process::RECEIVER => "h3",
        _ => "h7",
    }
}

fn publish_figure(
    id: &str,
    title: String,
    group: &Group<'_>,
    times: impl Fn(&Measurement) -> Option<Distribution>,
) -> Figure {
    let bars: Vec<_> = group
        .iter()
        .filter_map(|(look, m)| {
            let times = times(m)?;
            let median = times.at(50.0)? as f64;
            let mut value = units::time(median);
            if let Some(p99) = times.at(99.0) {
                value += &format!(" · p99 {}", units::time(p99 as f64));
            }
            Some(Bar::plain(&look.label, &look.class, median, value))
        })
        .collect();
    Figure {
        svg: bars::panel(id, &title, &bars, None),
        legend: Vec::new(),
        caption: load(group),
        title,
    }
}

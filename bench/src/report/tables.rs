//! Tables of raw numbers, for those who want them or cannot see the plots.

use super::sections::{benchmark_title, transport_title};
use crate::results::{Measurement, Results};
use crate::units;

/// A table whose first columns name a row and whose others are numbers.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
}

/// Percentiles to show when a run notes too many for a table.
const USUAL: [f64; 9] = [0.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0];
/// More columns than this nobody reads.
const MOST: usize = 40;

/// Every table of the last section.
pub(super) fn raw(results: &Results) -> Vec<Table> {
    let mut benchmarks: Vec<&str> = Vec::new();
    for measurement in &results.measurements {
        if !benchmarks.contains(&measurement.benchmark.as_str()) {
            benchmarks.push(&measurement.benchmark);
        }
    }
    let mut tables = Vec::new();
    for benchmark in benchmarks {
        let of_it = || {
            results
                .measurements
                .iter()
                .filter(move |m| m.benchmark == benchmark)
        };
        let title = benchmark_title(benchmark);
        tables.extend(percentiles(title, of_it()));
        tables.extend(hops(title, of_it()));
        tables.push(counts(title, of_it()));
        tables.extend(processes(title, of_it()));
    }
    tables
}

/// Resident memory of the processes of one benchmark.
pub(super) fn memory(results: &Results, benchmark: &str) -> Option<Table> {
    let rows: Vec<_> = results
        .measurements
        .iter()
        .filter(|m| m.benchmark == benchmark)
        .flat_map(|m| {
            m.processes.iter().map(move |process| {
                let [begin, end] = process.resident;
                Row {
                    name: format!("{}, {}", m.peer, process.name),
                    cells: vec![
                        megabytes(begin),
                        megabytes(end),
                        if begin > 0 {
                            format!("{:+.2} %", 100.0 * (end as f64 / begin as f64 - 1.0))
                        } else {
                            "–".to_owned()
                        },
                        format!("{} s", units::number(process.wall_s.round())),
                    ],
                }
            })
        })
        .collect();
    table(
        "Resident memory",
        &["process", "beginning", "end", "growth", "over"],
        rows,
    )
}

fn percentiles<'a>(
    title: &str,
    measurements: impl Iterator<Item = &'a Measurement> + Clone,
) -> Option<Table> {
    let mut columns: Vec<f64> = measurements
        .clone()
        .filter_map(|m| m.latency.as_ref())
        .flat_map(|times| times.percentiles.iter().map(|(percentile, _)| *percentile))
        .collect();
    columns.sort_by(f64::total_cmp);
    columns.dedup();
    if columns.len() > MOST {
        columns.retain(|percentile| USUAL.contains(percentile));
    }
    let rows = measurements
        .filter_map(|m| {
            let times = m.latency.as_ref()?;
            let mut cells = vec![units::number(times.count as f64)];
            cells.extend(columns.iter().map(|percentile| {
                times
                    .at(*percentile)
                    .map_or_else(|| "–".to_owned(), |time| units::time(time as f64))
            }));
            cells.push(units::time(times.mean));
            Some(Row {
                name: name(m),
                cells,
            })
        })
        .collect();
    let mut head = vec!["peer, size, transport, rate".to_owned(), "count".to_owned()];
    head.extend(
        columns
            .iter()
            .map(|percentile| units::percentile(*percentile)),
    );
    head.push("mean".to_owned());
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    table(&format!("{title}: percentiles"), &head, rows)
}

fn hops<'a>(title: &str, measurements: impl Iterator<Item = &'a Measurement>) -> Option<Table> {
    let rows = measurements
        .flat_map(|m| {
            m.hops.iter().map(move |hop| Row {
                name: format!("{}: {}", name(m), hop.name),
                cells: [50.0, 90.0, 99.0, 100.0]
                    .iter()
                    .map(|percentile| {
                        hop.time
                            .at(*percentile)
                            .map_or_else(|| "–".to_owned(), |time| units::time(time as f64))
                    })
                    .chain([units::time(hop.time.mean)])
                    .collect(),
            })
        })
        .collect();
    table(
        &format!("{title}: hops"),
        &[
            "peer, size, transport, rate: hop",
            "p50",
            "p90",
            "p99",
            "max",
            "mean",
        ],
        rows,
    )
}

fn counts<'a>(title: &str, measurements: impl Iterator<Item = &'a Measurement>) -> Table {
    let list = |entries: Vec<String>| {
        if entries.is_empty() {
            "–".to_owned()
        } else {
            entries.join(", ")
        }
    };
    Table {
        caption: format!("{title}: messages and figures"),
        head: [
            "peer, size, transport, rate",
            "topics",
            "sent",
            "received",
            "dropped, by cause",
            "figures",
        ]
        .map(str::to_owned)
        .into(),
        rows: measurements
            .map(|m| Row {
                name: name(m),
                cells: vec![
                    m.topics.to_string(),
                    units::number(m.sent as f64),
                    units::number(m.received as f64),
                    list(
                        m.dropped
                            .iter()
                            .map(|(cause, count)| format!("{cause} {count}"))
                            .collect(),
                    ),
                    list(
                        m.figures
                            .iter()
                            .map(|(key, value)| format!("{key} {}", units::number(*value)))
                            .collect(),
                    ),
                ],
            })
            .collect(),
    }
}

fn processes<'a>(
    title: &str,
    measurements: impl Iterator<Item = &'a Measurement>,
) -> Option<Table> {
    let rows = measurements
        .flat_map(|m| {
            m.processes.iter().map(move |process| {
                let messages = m.received.max(1) as f64;
                Row {
                    name: format!("{}: {}", name(m), process.name),
                    cells: vec![
                        if process.wall_s > 0.0 {
                            format!("{:.1} %", 100.0 * process.cpu_s / process.wall_s)
                        } else {
                            "–".to_owned()
                        },
                        units::time(process.cpu_s * 1e9 / messages),
                        format!("{:.2}", process.voluntary_switches as f64 / messages),
                        format!("{:.2}", process.involuntary_switches as f64 / messages),
                        megabytes(process.resident[1]),
                    ],
                }
            })
        })
        .collect();
    table(
        &format!("{title}: processes, per message received"),
        &[
            "peer, size, transport, rate: process",
            "CPU",
            "CPU time",
            "voluntary switches",
            "involuntary switches",
            "resident",
        ],
        rows,
    )
}

fn table(caption: &str, head: &[&str], rows: Vec<Row>) -> Option<Table> {
    (!rows.is_empty()).then(|| Table {
        caption: caption.to_owned(),
        head: head.iter().map(|&column| column.to_owned()).collect(),
        rows,
    })
}

fn name(measurement: &Measurement) -> String {
    let mut parts = vec![measurement.peer.clone(), units::bytes(measurement.bytes)];
    parts.push(transport_title(&measurement.transport));
    if measurement.rate_hz > 0.0 {
        parts.push(format!("{} Hz", units::number(measurement.rate_hz)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

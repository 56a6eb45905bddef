//! Latency against message size, both axes logarithmic: the median as a line, and from it a whisker up to p99.

use super::look::Look;
use super::panel::{Frame, empty, line, polyline, with_tip};
use super::scale::Scale;
use crate::results::Distribution;
use crate::units;

/// A peer's distribution by size, rising.
pub(super) type Series<'a> = (Look, Vec<(u64, &'a Distribution)>);

/// `all_times` are those of every panel that should share this one's vertical axis.
pub(super) fn panel(id: &str, title: &str, series: &[Series<'_>], all_times: &[f64]) -> String {
    let mut sizes: Vec<u64> = series
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(bytes, _)| *bytes))
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    let frame = Frame {
        x: Scale::log_around(sizes.iter().map(|bytes| *bytes as f64)),
        y: Scale::log(all_times.iter().copied()),
    };
    let x_ticks: Vec<_> = sizes
        .iter()
        .map(|bytes| (*bytes as f64, units::bytes(*bytes)))
        .collect();
    let y_ticks: Vec<_> = frame
        .y
        .ticks()
        .into_iter()
        .map(|value| (value, units::time_tick(value)))
        .collect();
    let mut panel = empty(id, title, &describe(series), Frame::HEIGHT).add(frame.axes(
        "message size",
        &x_ticks,
        &y_ticks,
    ));
    for (index, (look, points)) in series.iter().enumerate() {
        // Beside each other, so that whiskers at the same size do not hide each other.
        let aside = (index as f64 - (series.len() as f64 - 1.0) / 2.0) * 3.5;
        let place = |bytes: u64, time: u64| {
            let (x, y) = frame.place(bytes as f64, time as f64);
            (x + aside, y)
        };
        let medians: Vec<_> = points
            .iter()
            .filter_map(|(bytes, times)| Some(place(*bytes, times.at(50.0)?)))
            .collect();
        panel = panel.add(polyline(look, &medians));
        for (bytes, times) in points {
            let (Some(median), Some(p99)) = (times.at(50.0), times.at(99.0)) else {
                continue;
            };
            let (from, to) = (place(*bytes, median), place(*bytes, p99));
            let whisker = format!("whisker {}", look.class);
            let tip = format!(
                "{} {}: p50 {}, p99 {}",
                look.label,
                units::bytes(*bytes),
                units::time(median as f64),
                units::time(p99 as f64)
            );
            let marks = with_tip(line(&whisker, from, to), &tip)
                .add(line(&whisker, (to.0 - 2.5, to.1), (to.0 + 2.5, to.1)))
                .add(look.marker(from.0, from.1));
            panel = panel.add(marks);
        }
    }
    panel.to_string()
}

/// The times that a panel shows.
pub(super) fn times(points: &[(u64, &Distribution)]) -> Vec<f64> {
    points
        .iter()
        .flat_map(|(_, times)| [times.at(50.0), times.at(99.0)])
        .flatten()
        .map(|time| time as f64)
        .collect()
}

fn describe(series: &[Series<'_>]) -> String {
    let peers: Vec<_> = series
        .iter()
        .map(|(look, points)| {
            let medians: Vec<_> = points
                .iter()
                .filter_map(|(bytes, times)| {
                    let median = units::time(times.at(50.0)? as f64);
                    Some(format!("{} {median}", units::bytes(*bytes)))
                })
                .collect();
            format!("{}, p50: {}", look.label, medians.join(", "))
        })
        .collect();
    peers.join("; ")
}

//! Percentile curves: how long a message takes at each percentile, peers over each other.

use super::look::Look;
use super::panel::{Frame, empty, polyline, with_tip};
use super::scale::Scale;
use crate::results::Distribution;
use crate::units;

/// Percentiles that get a marker with a tooltip.
const MARKED: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

pub(super) fn panel(id: &str, title: &str, curves: &[(Look, &Distribution)]) -> String {
    let samples = curves
        .iter()
        .map(|(_, times)| times.count)
        .max()
        .unwrap_or(0);
    let times = || curves.iter().flat_map(|(_, times)| &times.percentiles);
    let frame = Frame {
        x: Scale::percentiles(samples),
        y: Scale::log(times().map(|(_, time)| *time as f64)),
    };
    let x_ticks: Vec<_> = frame
        .x
        .ticks()
        .into_iter()
        .map(|value| (value, units::percentile(value)))
        .collect();
    let y_ticks: Vec<_> = frame
        .y
        .ticks()
        .into_iter()
        .map(|value| (value, units::time_tick(value)))
        .collect();
    let mut panel = empty(id, title, &describe(curves), Frame::HEIGHT).add(frame.axes(
        "percentile of the messages",
        &x_ticks,
        &y_ticks,
    ));
    for (look, times) in curves {
        // The curve of few samples ends where they end.
        let end = Scale::percentiles(times.count);
        let points: Vec<_> = times
            .percentiles
            .iter()
            .filter(|(percentile, _)| *percentile >= 100.0 || end.at(*percentile) < 1.0)
            .map(|(percentile, time)| {
                let percentile = if *percentile >= 100.0 {
                    100.0 - 50.0 / times.count.max(10) as f64
                } else {
                    *percentile
                };
                frame.place(percentile, *time as f64)
            })
            .collect();
        panel = panel.add(polyline(look, &points));
        if let Some((x, y)) = points.last() {
            let tip = format!("{} max: {}", look.label, units::time(times.max as f64));
            panel = panel.add(with_tip(look.marker(*x, *y), &tip));
        }
        for percentile in MARKED {
            if let Some(time) = times.at(percentile)
                && end.at(percentile) < 1.0
            {
                let (x, y) = frame.place(percentile, time as f64);
                let tip = format!(
                    "{} {}: {}",
                    look.label,
                    units::percentile(percentile),
                    units::time(time as f64)
                );
                panel = panel.add(with_tip(look.marker(x, y), &tip));
            }
        }
    }
    panel.to_string()
}

fn describe(curves: &[(Look, &Distribution)]) -> String {
    let show = |times: &Distribution, percentile| {
        times
            .at(percentile)
            .map_or_else(|| "unknown".to_owned(), |time| units::time(time as f64))
    };
    let peers: Vec<_> = curves
        .iter()
        .map(|(look, times)| {
            format!(
                "{}: p50 {}, p99 {}",
                look.label,
                show(times, 50.0),
                show(times, 99.0)
            )
        })
        .collect();
    peers.join("; ")
}

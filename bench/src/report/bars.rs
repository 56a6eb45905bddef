//! Horizontal bars from zero, of one part or several. The name and the value stand above each bar, so that neither is ever cut off.

use svg::node::element::Rectangle;

use super::panel::{WIDTH, empty, line, text, with_tip};
use super::scale::Scale;

/// One bar.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: String,
    /// CSS class, length and tooltip of each part.
    pub(super) parts: Vec<(String, f64, String)>,
    /// A mark across the bar: the whole, where parts do not sum up to it.
    pub(super) mark: Option<f64>,
}

/// A line across all bars.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    pub(super) at: f64,
    pub(super) label: String,
}

const ROW: f64 = 38.0;
const BAR: f64 = 14.0;
const LEFT: f64 = 2.0;
const RIGHT: f64 = WIDTH - 4.0;

pub(super) fn panel(id: &str, title: &str, bars: &[Bar], guide: Option<&Guide>) -> String {
    let longest = bars
        .iter()
        .map(|bar| bar.length().max(bar.mark.unwrap_or(0.0)))
        .chain(guide.map(|guide| guide.at))
        .fold(0.0, f64::max);
    let scale = Scale::linear(longest);
    let x = |value: f64| LEFT + scale.at(value) * (RIGHT - LEFT);
    let head = if guide.is_some() { 18.0 } else { 0.0 };
    let height = head + bars.len() as f64 * ROW;
    let description: Vec<_> = bars.iter().map(Bar::describe).collect();
    let mut panel = empty(id, title, &description.join("; "), height);
    for (index, bar) in bars.iter().enumerate() {
        let top = head + index as f64 * ROW;
        panel = panel
            .add(text(LEFT, top + 14.0, "start", &bar.label))
            .add(text(RIGHT, top + 14.0, "end strong", &bar.value));
        let mut from = 0.0;
        for (class, length, tip) in &bar.parts {
            let part = Rectangle::new()
                .set("class", format!("bar {class}"))
                .set("x", format!("{:.1}", x(from)))
                .set("y", format!("{:.1}", top + 19.0))
                .set(
                    "width",
                    format!("{:.1}", (x(from + length) - x(from)).max(0.5)),
                )
                .set("height", BAR);
            panel = panel.add(with_tip(part, tip));
            from += length;
        }
        if let Some(mark) = bar.mark {
            let x = x(mark);
            panel = panel.add(line("mark", (x, top + 16.5), (x, top + 21.5 + BAR)));
        }
    }
    if let Some(guide) = guide {
        let x = x(guide.at);
        // Beside the bars only, not through the words above them.
        for index in 0..bars.len() {
            let top = head + index as f64 * ROW + 17.0;
            panel = panel.add(line("guide", (x, top), (x, top + BAR + 4.0)));
        }
        let class = if x > WIDTH / 2.0 {
            "end quiet"
        } else {
            "start quiet"
        };
        panel = panel.add(text(x, 12.0, class, &guide.label));
    }
    panel.to_string()
}

impl Bar {
    /// A bar of one part.
    pub(super) fn plain(label: &str, class: &str, length: f64, value: String) -> Self {
        Self {
            label: label.to_owned(),
            parts: vec![(class.to_owned(), length, format!("{label}: {value}"))],
            value,
            mark: None,
        }
    }

    fn length(&self) -> f64 {
        self.parts.iter().map(|(_, length, _)| length).sum()
    }

    fn describe(&self) -> String {
        if self.parts.len() < 2 {
            return format!("{}: {}", self.label, self.value);
        }
        let parts: Vec<_> = self.parts.iter().map(|(_, _, tip)| tip.as_str()).collect();
        format!("{}: {} ({})", self.label, self.value, parts.join(", "))
    }
}

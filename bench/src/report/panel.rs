//! One panel: an SVG with title and description for those who cannot see it, and the frame with axes that line plots share.
//!
//! Panels are 360 units wide, about a phone's width, so that 12-unit letters stay readable there; wide screens show several in a row.

use svg::node::element::{Description, Group, Line, Path, SVG, Text, Title};
use svg::node::{self, Node};

use super::look::Look;
use super::scale::Scale;

pub(super) const WIDTH: f64 = 360.0;

/// A panel without content. `id` must be unique in the page and plain ASCII; title and description may be anything.
pub(super) fn empty(id: &str, title: &str, description: &str, height: f64) -> SVG {
    SVG::new()
        .set("viewBox", format!("0 0 {WIDTH} {height:.0}"))
        .set("role", "img")
        .set("aria-labelledby", format!("{id}-t {id}-d"))
        .add(Title::new(title).set("id", format!("{id}-t")))
        .add(
            Description::new()
                .set("id", format!("{id}-d"))
                .add(node::Text::new(description)),
        )
}

/// Text at a place; `class` gives its alignment and weight.
pub(super) fn text(x: f64, y: f64, class: &str, content: &str) -> Text {
    Text::new(content)
        .set("x", format!("{x:.1}"))
        .set("y", format!("{y:.1}"))
        .set("class", class)
}

pub(super) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Line {
    Line::new()
        .set("class", class)
        .set("x1", format!("{x1:.1}"))
        .set("y1", format!("{y1:.1}"))
        .set("x2", format!("{x2:.1}"))
        .set("y2", format!("{y2:.1}"))
}

/// A line through points.
pub(super) fn polyline(look: &Look, points: &[(f64, f64)]) -> Path {
    let d: Vec<_> = points
        .iter()
        .enumerate()
        .map(|(index, (x, y))| format!("{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" }))
        .collect();
    Path::new()
        .set("class", format!("curve {}", look.class))
        .set("d", d.concat())
}

/// A thing with a tooltip.
pub(super) fn with_tip(shape: impl Into<Box<dyn Node>>, tip: &str) -> Group {
    Group::new().add(Title::new(tip)).add(shape)
}

/// The rectangle of a line plot and its two scales.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) x: Scale,
    pub(super) y: Scale,
}

/// A tick of an axis: the value and its label.
pub(super) type Tick = (f64, String);

impl Frame {
    pub(super) const HEIGHT: f64 = 270.0;
    const LEFT: f64 = 54.0;
    const RIGHT: f64 = WIDTH - 14.0;
    const TOP: f64 = 10.0;
    const BOTTOM: f64 = Self::HEIGHT - 42.0;
    /// Labels on the horizontal axis are left out where they would come nearer than this.
    const LABEL_WIDTH: f64 = 46.0;

    pub(super) fn place(self, x: f64, y: f64) -> (f64, f64) {
        (
            Self::LEFT + self.x.at(x) * (Self::RIGHT - Self::LEFT),
            Self::BOTTOM - self.y.at(y) * (Self::BOTTOM - Self::TOP),
        )
    }

    /// Grid, axes and labels.
    pub(super) fn axes(self, x_name: &str, x_ticks: &[Tick], y_ticks: &[Tick]) -> Group {
        let mut group = Group::new();
        for (value, label) in y_ticks {
            let y = Self::BOTTOM - self.y.at(*value) * (Self::BOTTOM - Self::TOP);
            group = group
                .add(line("grid", (Self::LEFT, y), (Self::RIGHT, y)))
                .add(text(Self::LEFT - 6.0, y + 4.0, "end", label));
        }
        let xs: Vec<f64> = x_ticks
            .iter()
            .map(|(value, _)| Self::LEFT + self.x.at(*value) * (Self::RIGHT - Self::LEFT))
            .collect();
        let labelled = apart(&xs, Self::LABEL_WIDTH);
        for (index, ((_, label), x)) in x_ticks.iter().zip(&xs).enumerate() {
            group = group.add(line("grid", (*x, Self::TOP), (*x, Self::BOTTOM)));
            if labelled.contains(&index) {
                let class = if *x > Self::RIGHT - Self::LABEL_WIDTH / 2.0 {
                    "end"
                } else {
                    "middle"
                };
                let x = if class == "end" { WIDTH - 2.0 } else { *x };
                group = group.add(text(x, Self::BOTTOM + 17.0, class, label));
            }
        }
        group
            .add(line(
                "axis",
                (Self::LEFT, Self::BOTTOM),
                (Self::RIGHT, Self::BOTTOM),
            ))
            .add(text(
                f64::midpoint(Self::LEFT, Self::RIGHT),
                Self::BOTTOM + 35.0,
                "middle quiet",
                x_name,
            ))
    }
}

/// Which of rising positions get a label: both ends, and between them whatever is far enough from its neighbours.
fn apart(xs: &[f64], distance: f64) -> Vec<usize> {
    let Some(last) = xs.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut chosen = vec![0];
    for (index, x) in xs.iter().enumerate().take(last).skip(1) {
        let before = chosen.last().map_or(0, |index: &usize| *index);
        if x - xs[before] >= distance && xs[last] - x >= distance {
            chosen.push(index);
        }
    }
    if xs[last] - xs[0] >= distance {
        chosen.push(last);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance() {
        assert_eq!(apart(&[0.0, 30.0, 60.0, 100.0, 120.0], 46.0), [0, 2, 4]);
        assert_eq!(apart(&[0.0, 30.0], 46.0), [0]);
        assert_eq!(apart(&[], 46.0), Vec::<usize>::new());
    }

    #[test]
    fn names_in_a_panel_are_text_not_markup() {
        let panel = empty("p", "a<b> & \"c\"", "</desc><script>", 10.0).add(text(
            0.0,
            0.0,
            "end",
            "<script>alert(1)</script>",
        ));
        let markup = panel.to_string();
        assert!(!markup.contains("<script"), "{markup}");
        assert!(markup.contains("a&lt;b&gt; &amp; \"c\""));
    }
}

//! How each peer looks, everywhere in the report: its colour, its marker, its place in lists, and what it leaves out.

use std::collections::BTreeSet;

use svg::node::element::Path;

use crate::keys::peer;
use crate::libraries::Library;
use crate::results::Results;

/// A peer in the plots. Colours are CSS classes, so that they follow the light or dark scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// The peer's name in `results.json`.
    pub(super) label: String,
    /// `c0`…`c9`, and for the variants of a peer `v1`, `v2`, … by their alphabetical order.
    pub(super) class: String,
    place: usize,
}

/// A line of the list of peers.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) look: Look,
    pub(super) what: &'static str,
}

/// The peers that have a colour of their own, in the order in which they are listed.
const KNOWN: [(&str, &str); 7] = [
    (
        peer::ICEWAY_PYTHON,
        "Through the broker and shared memory to an ndarray view in a Python process that has no ROS.",
    ),
    (
        peer::ICEWAY_RUST,
        "The same way, received in Rust: no Python, no ndarray.",
    ),
    (
        peer::RCLPY,
        "The node as it is usually written: ROS inside the AI process, every message deserialised into a Python object in it.",
    ),
    (
        peer::NATIVE_TAKE,
        "A bare rcl subscription that takes into private memory: no Python, no ndarray, no other process can see the message.",
    ),
    (
        peer::SHARED_MEMORY,
        "A seqlock ring in raw shared memory, the floor: one writer, no discovery, no types, no wake-up (the reader spins on a core of its own), and the writer may overwrite what is being read.",
    ),
    (
        peer::MEMCPY,
        "Copying the same bytes once inside one process: no hand-over at all.",
    ),
    (
        peer::NONE,
        "The inference loop alone, subscribed to nothing.",
    ),
];

/// Colours for peers that are not known by name.
const OTHERS: usize = 3;

/// More variants of one peer than this look alike.
const VARIANTS: usize = 3;

/// All peers of a run; unknown ones get colours by their alphabetical order.
#[derive(Debug)]
pub(super) struct Cast {
    others: Vec<String>,
    /// Names with a colon.
    variants: BTreeSet<String>,
}

impl Cast {
    pub(super) fn of(results: &Results) -> Self {
        let mut others: Vec<_> = results
            .measurements
            .iter()
            .map(|measurement| family(&measurement.peer).to_owned())
            .filter(|family| known(family).is_none())
            .collect();
        others.sort();
        others.dedup();
        let peers = results.measurements.iter().map(|m| m.peer.clone());
        Self {
            others,
            variants: peers.filter(|peer| peer.contains(':')).collect(),
        }
    }

    pub(super) fn look(&self, peer: &str) -> Look {
        let family = family(peer);
        let (place, colour) = match known(family) {
            Some(index) => (index, index),
            None => {
                let index = self.others.iter().position(|other| other == family);
                let index = index.unwrap_or(self.others.len());
                (KNOWN.len() + index, KNOWN.len() + index % OTHERS)
            }
        };
        let mut class = format!("c{colour}");
        if peer != family {
            let siblings = self
                .variants
                .iter()
                .filter(|other| self::family(other) == family);
            let index = siblings.take_while(|other| *other != peer).count();
            class += &format!(" v{}", index.min(VARIANTS - 1) + 1);
        }
        Look {
            label: peer.to_owned(),
            class,
            place,
        }
    }

    /// The peers of a run, one line each.
    pub(super) fn who(&self, results: &Results) -> Vec<Who> {
        let mut looks: Vec<_> = results
            .measurements
            .iter()
            .map(|measurement| self.look(family(&measurement.peer)))
            .collect();
        looks.sort_by(|one, other| one.order().cmp(&other.order()));
        looks.dedup();
        looks
            .into_iter()
            .map(|look| Who {
                what: what(&look.label),
                look,
            })
            .collect()
    }
}

impl Look {
    /// Lists are sorted by this.
    pub(super) fn order(&self) -> (usize, &str) {
        (self.place, &self.label)
    }

    /// The marker around a point: shapes tell peers apart where colours do not.
    pub(super) fn marker(&self, x: f64, y: f64) -> Path {
        let shape = match self.place % 6 {
            0 => "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
            1 => "m-3.5-3.5h7v7h-7z",
            2 => "m0-4.5l4.5 8h-9z",
            3 => "m0-5l5 5l-5 5l-5-5z",
            4 => "m0 4.5l4.5-8h-9z",
            _ => "m-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
        };
        Path::new()
            .set("class", format!("marker {}", self.class))
            .set("d", format!("M{x:.1} {y:.1}{shape}"))
    }
}

fn family(peer: &str) -> &str {
    peer.split_once(':').map_or(peer, |(family, _)| family)
}

fn known(family: &str) -> Option<usize> {
    KNOWN.iter().position(|(name, _)| *name == family)
}

fn what(family: &str) -> &'static str {
    match (known(family), Library::named(family)) {
        (Some(index), _) => KNOWN[index].1,
        (None, Some(library)) => library.what(),
        (None, None) => "See the notes of the run.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Measurement;

    #[test]
    fn a_peer_has_one_colour_and_variants_share_it() {
        let results = Results {
            measurements: [
                "zenoh-python",
                "rclpy:b",
                "dora",
                "iceway-python:spin",
                "rclpy:a",
            ]
            .map(|peer| Measurement {
                peer: peer.to_owned(),
                ..Measurement::default()
            })
            .into(),
            ..Results::default()
        };
        let cast = Cast::of(&results);
        assert_eq!(cast.look("iceway-python").class, "c0");
        assert_eq!(cast.look("iceway-python:spin").class, "c0 v1");
        assert_eq!(cast.look("rclpy:a").class, "c2 v1");
        assert_eq!(cast.look("rclpy:b").class, "c2 v2");
        assert_eq!(cast.look("dora").class, "c7");
        assert_eq!(cast.look("zenoh-python").class, "c8");
        let names: Vec<_> = cast
            .who(&results)
            .into_iter()
            .map(|who| who.look.label)
            .collect();
        assert_eq!(names, ["iceway-python", "rclpy", "dora", "zenoh-python"]);
        assert_eq!(what("dora"), Library::Dora.what());
        assert_eq!(what("another"), "See the notes of the run.");
    }
}

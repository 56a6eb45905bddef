//! The page: the template and what it is filled with.

use askama::Template;

use super::look::{Cast, Who};
use super::sections::{Section, sections};
use crate::reach::{self, Bound, Line, Outcome, Verdict};
use crate::results::Results;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    summary: String,
    reach: Vec<Reach>,
    peers: Vec<Who>,
    sections: Vec<Section>,
    machine: Vec<(String, String)>,
}

/// A line of DESIGN §8 as the page shows it.
struct Reach {
    line: Line,
    class: &'static str,
    /// Length of the bar in percent of a track in whose middle the reach lies.
    bar: Option<String>,
}

/// The whole page.
pub(super) fn render(results: &Results) -> anyhow::Result<String> {
    let cast = Cast::of(results);
    let lines = reach::lines(results);
    let page = Page {
        results,
        summary: summary(&lines),
        reach: lines.into_iter().map(Reach::from).collect(),
        peers: cast.who(results),
        sections: sections(results, &cast),
        machine: machine(results),
    };
    Ok(page.render()?)
}

impl From<Line> for Reach {
    fn from(line: Line) -> Self {
        let bar = match line.outcome {
            Outcome::Measured { ratio, .. } => {
                let (Bound::AtMost(bound) | Bound::AtLeast(bound)) = line.reach;
                Some(format!("{:.1}", (50.0 * ratio / bound).clamp(0.5, 100.0)))
            }
            Outcome::Missing(_) => None,
        };
        let class = match line.verdict() {
            Verdict::Ok => "ok",
            Verdict::Short => "short",
            Verdict::NotMeasured => "missing",
        };
        Self { line, class, bar }
    }
}

fn summary(lines: &[Line]) -> String {
    let count = |verdict| {
        lines
            .iter()
            .filter(|line| line.verdict() == verdict)
            .count()
    };
    let mut parts = vec![format!("{} of {} reached", count(Verdict::Ok), lines.len())];
    for (verdict, word) in [
        (Verdict::Short, "short"),
        (Verdict::NotMeasured, "not measured"),
    ] {
        if count(verdict) > 0 {
            parts.push(format!("{} {word}", count(verdict)));
        }
    }
    parts.join(", ")
}

fn machine(results: &Results) -> Vec<(String, String)> {
    let machine = &results.machine;
    let mut facts = vec![
        (
            "CPU".to_owned(),
            format!("{}, {} cores", machine.cpu, machine.cores),
        ),
        (
            "Memory".to_owned(),
            format!(
                "{:.1} GB, /dev/shm {:.1} GB",
                machine.memory as f64 / 1e9,
                machine.shm as f64 / 1e9
            ),
        ),
        ("Kernel".to_owned(), machine.kernel.clone()),
        (
            "Load before the run".to_owned(),
            format!("{:.2}", machine.load),
        ),
    ];
    facts.extend(machine.settings.clone());
    facts.extend(results.software.clone());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Measurement;
    use crate::sample;

    #[test]
    fn a_sweep_fits_in_one_small_page_that_asks_for_nothing() {
        let page = render(&sample::run()).unwrap();
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
        for outside in [
            "http:", "https:", "src=", "url(", "@import", "<script", "<link",
        ] {
            let page = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!page.contains(outside), "{outside}");
        }
        for id in [
            "reach",
            "sizes",
            "percentiles",
            "hops",
            "interference",
            "publish",
            "scale",
            "throughput",
            "soak",
            "raw",
        ] {
            assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf\""));
    }

    #[test]
    fn every_panel_has_a_title_and_a_description_of_its_own() {
        let page = render(&sample::run()).unwrap();
        let mut ids: Vec<_> = page
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let panels = page.matches("role=\"img\"").count();
        assert!(panels > 20);
        assert_eq!(ids.iter().filter(|id| id.ends_with("-d")).count(), panels);
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "ids are unique");
    }

    #[test]
    fn strings_of_a_run_are_text() {
        let attack = "\"><script>alert('x')</script>";
        let mut results = sample::run();
        results.notes = vec![attack.to_owned()];
        results.command.push(attack.to_owned());
        results.machine.cpu = attack.to_owned();
        results
            .software
            .insert(attack.to_owned(), attack.to_owned());
        for measurement in &mut results.measurements {
            measurement.dropped.insert(attack.to_owned(), 1);
            for hop in &mut measurement.hops {
                hop.name = attack.to_owned();
            }
        }
        for benchmark in ["latency", "publish", attack] {
            results.measurements.push(Measurement {
                benchmark: benchmark.to_owned(),
                peer: attack.to_owned(),
                transport: attack.to_owned(),
                ..sample::latency("rclpy", "shm", 256, 1000)
            });
        }
        let page = render(&results).unwrap();
        assert!(!page.contains("<script"));
        assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"));
    }

    #[test]
    fn an_empty_run_is_a_page_too() {
        let page = render(&Results::default()).unwrap();
        assert!(page.contains("0 of 13 reached, 13 not measured"));
        let mut results = Results::default();
        results.measurements.push(Measurement::default());
        results
            .measurements
            .push(sample::latency("rclpy", "default", 0, 0));
        assert!(render(&results).is_ok());
    }

    /// `ICEWAY_BENCH_SAMPLE=/tmp/sample.html cargo test -p iceway-bench -- --ignored sample`
    #[test]
    #[ignore = "writes a page with made-up numbers, to look at"]
    fn write_a_sample() {
        let path =
            std::env::var("ICEWAY_BENCH_SAMPLE").expect("ICEWAY_BENCH_SAMPLE: where to write it");
        super::super::write(&sample::run(), path.as_ref()).unwrap();
    }
}

//! A run: measurements as they come in, progress on the terminal, results on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::machine;
use crate::report;
use crate::results::{FORMAT, Measurement, Results};
use crate::site::{Interrupted, Site, SiteArgs};
use crate::units;

/// What all benchmarks of a run share.
pub(crate) struct Run {
    pub(crate) site: Arc<Site>,
    pub(crate) results: Results,
    out: Option<PathBuf>,
    began: Instant,
}

impl Run {
    pub(crate) fn start(args: &SiteArgs) -> anyhow::Result<Self> {
        let site = Site::new(args)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut command: Vec<String> = std::env::args().collect();
        if let Some(program) = command.first_mut() {
            *program = "iceway-bench".into();
        }
        let results = Results {
            format: FORMAT,
            started: rfc3339(now.as_secs()),
            command,
            machine: machine::describe(),
            software: machine::software(&site),
            notes: vec![
                "Times from a ROS publisher to a receiver are differences of CLOCK_REALTIME: the publisher puts it into header.stamp right before it publishes, the receiver \
                 reads it when the array exists; both are processes of this machine. Hops behind the broker are CLOCK_MONOTONIC."
                    .into(),
                "With transport shm, every ROS process of the benchmark has the profile config/fastdds_shm.xml; with default, none has.".into(),
            ],
            measurements: Vec::new(),
        };
        if let Some(out) = &args.out {
            std::fs::create_dir_all(out).with_context(|| format!("{}", out.display()))?;
        }
        Ok(Self {
            site: Arc::new(site),
            results,
            out: args.out.clone(),
            began: Instant::now(),
        })
    }

    /// Shows what is going on.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("[{:4.0} s] {text}", self.began.elapsed().as_secs_f64());
    }

    /// Something that a reader of the results must know.
    pub(crate) fn note(&mut self, text: String) {
        self.say(&text);
        self.results.notes.push(text);
    }

    /// Takes a measurement in, shows it, and saves all there is.
    pub(crate) fn add(&mut self, measurement: Measurement) -> anyhow::Result<()> {
        self.say(&in_words(&measurement));
        self.results.measurements.push(measurement);
        self.save()
    }

    fn save(&self) -> anyhow::Result<()> {
        let Some(out) = &self.out else { return Ok(()) };
        let (file, new) = (out.join("results.json"), out.join(".results.json.new"));
        std::fs::write(&new, serde_json::to_string(&self.results)?)?;
        std::fs::rename(&new, &file).with_context(|| format!("{}", file.display()))
    }

    /// Runs one benchmark. One that fails is noted, and the others go on; an interruption ends the run.
    pub(crate) fn attempt(
        &mut self,
        name: &str,
        benchmark: impl FnOnce(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        match benchmark(self) {
            Ok(()) => Ok(true),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                self.note(format!("{name} failed: {error:#}"));
                Ok(false)
            }
        }
    }

    /// Ends the run with what there is; an interruption is noted, other errors are passed on.
    pub(crate) fn finish(&mut self, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
        let interrupted = outcome
            .as_ref()
            .is_err_and(anyhow::Error::is::<Interrupted>);
        if interrupted {
            self.note("The run was interrupted: what follows is incomplete.".into());
        }
        self.save()?;
        if let Some(out) = &self.out {
            report::write(&self.results, &out.join("report.html"))?;
            self.say(&format!("results: {}", out.join("results.json").display()));
        }
        if interrupted { Ok(()) } else { outcome }
    }
}

/// Sleeps, but not through an interruption.
pub(crate) fn pause(site: &Site, time: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    loop {
        site.go_on()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}

fn in_words(m: &Measurement) -> String {
    let mut text = format!("{} {} {}", m.benchmark, m.transport, units::bytes(m.bytes));
    if m.topics > 1 {
        text += &format!(" × {} topics", m.topics);
    }
    text += &format!(" · {}", m.peer);
    if let Some(latency) = &m.latency {
        let at = |p| units::time(latency.at(p).unwrap_or(0) as f64);
        text += &format!(" · p50 {} · p99 {}", at(50.0), at(99.0));
    }
    for (name, value) in &m.figures {
        text += &format!(" · {name} {}", units::number(*value));
    }
    let lost: u64 = m.dropped.values().sum();
    if lost > 0 {
        text += &format!(" · lost {lost} of {}", m.sent);
    }
    text
}

/// Seconds since 1970 as RFC 3339, UTC.
fn rfc3339(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Days to a date: Howard Hinnant's `civil_from_days`, for days after 1970.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}

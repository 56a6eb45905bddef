//! What one peer did in a benchmark, gathered over its repetitions.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::orders::Collected;
use crate::processes::Process;
use crate::procfs::Usage;
use crate::results::{Hop, Measurement, Process as Used};
use crate::stats::Times;

/// One peer's measurement in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gather {
    pub(crate) times: Times,
    hops: Vec<(String, Times)>,
    sent: u64,
    received: u64,
    dropped: BTreeMap<String, u64>,
    used: Vec<Used>,
    pub(crate) figures: BTreeMap<String, f64>,
}

impl Gather {
    /// Adds the samples of messages from number `first` on, of which `sent` were sent.
    pub(crate) fn add(&mut self, collected: &Collected, first: u32, sent: u64) {
        let counted: Vec<_> = collected
            .samples
            .iter()
            .filter(|s| s.len() > 2 && s[0] >= i64::from(first))
            .collect();
        self.sent += sent;
        self.received += counted.len() as u64;
        if self.hops.is_empty() {
            self.hops = collected
                .hops
                .iter()
                .map(|name| (name.clone(), Times::default()))
                .collect();
        }
        for sample in counted {
            self.times.add(sample[2]);
            for ((_, times), part) in self.hops.iter_mut().zip(&sample[3..]) {
                times.add(*part);
            }
        }
    }

    /// Adds messages that have no samples.
    pub(crate) fn count(&mut self, sent: u64, received: u64) {
        self.sent += sent;
        self.received += received;
    }

    /// Adds losses whose cause is known.
    pub(crate) fn lose(&mut self, dropped: &BTreeMap<String, u64>) {
        for (cause, count) in dropped {
            *self.dropped.entry(cause.clone()).or_default() += count;
        }
    }

    /// A part of the way whose times are measured apart.
    pub(crate) fn hop(&mut self, name: &str) -> &mut Times {
        let index = match self.hops.iter().position(|(known, _)| known == name) {
            Some(index) => index,
            None => {
                self.hops.push((name.to_owned(), Times::default()));
                self.hops.len() - 1
            }
        };
        &mut self.hops[index].1
    }

    fn of_process(&self, name: &str) -> Option<&Used> {
        self.used.iter().find(|used| used.name == name)
    }

    /// CPU seconds per second of a process.
    pub(crate) fn cpu_share(&self, name: &str) -> f64 {
        self.of_process(name)
            .map_or(0.0, |used| used.cpu_s / used.wall_s.max(1e-9))
    }

    /// Bytes by which a process's resident memory grew.
    pub(crate) fn growth(&self, name: &str) -> f64 {
        self.of_process(name).map_or(0.0, |used| {
            used.resident[1] as f64 - used.resident[0] as f64
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.count() == 0 && self.figures.is_empty()
    }

    /// The measurement; `about` has the peer, the size and the like.
    pub(crate) fn measurement(&self, about: Measurement) -> Measurement {
        let mut dropped = self.dropped.clone();
        dropped.retain(|_, count| *count > 0);
        let known: u64 = dropped.values().sum();
        let missing = self
            .sent
            .saturating_sub(self.received)
            .saturating_sub(known);
        if missing > 0 {
            dropped.insert("unknown".into(), missing);
        }
        Measurement {
            sent: self.sent,
            received: self.received,
            dropped,
            latency: (self.times.count() > 0).then(|| self.times.distribution()),
            hops: self
                .hops
                .iter()
                .filter(|(_, times)| times.count() > 0)
                .map(|(name, times)| Hop {
                    name: name.clone(),
                    time: times.distribution(),
                })
                .collect(),
            processes: self.used.clone(),
            figures: self.figures.clone(),
            ..about
        }
    }
}

/// Looks at processes while messages count.
pub(crate) struct Watch(Instant, Vec<(&'static str, Usage)>);

impl Watch {
    /// Processes with the names that they have in the results.
    pub(crate) fn start(processes: &[(&'static str, &Process<'_>)]) -> Self {
        let usages = processes
            .iter()
            .map(|(name, process)| (*name, process.usage()))
            .collect();
        Self(Instant::now(), usages)
    }

    /// Adds what they used since the start; give the same processes.
    pub(crate) fn stop(self, processes: &[(&'static str, &Process<'_>)], gather: &mut Gather) {
        let wall_s = self.0.elapsed().as_secs_f64();
        for ((name, before), (_, process)) in self.1.into_iter().zip(processes) {
            let index = match gather.used.iter().position(|used| used.name == name) {
                Some(index) => index,
                None => {
                    gather.used.push(Used {
                        name: name.to_owned(),
                        ..Used::default()
                    });
                    gather.used.len() - 1
                }
            };
            before.add_to(&mut gather.used[index], process.usage(), wall_s);
        }
    }
}

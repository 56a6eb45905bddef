//! What a run measured: the contents of `results.json`, and all that the report and `compare` are made from.
//!
//! Times are nanoseconds and sizes bytes unless a name says otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the format of `results.json`.
pub(crate) const FORMAT: u32 = 1;

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// When the run began, RFC 3339, UTC.
    pub(crate) started: String,
    /// The command line, without the program's folder.
    pub(crate) command: Vec<String>,
    pub(crate) machine: Machine,
    /// Versions by name: iceway, commit, rmw, rclpy, Python, NumPy, …
    pub(crate) software: BTreeMap<String, String>,
    /// What a reader must know: a peer that is missing and why, a run that was interrupted.
    pub(crate) notes: Vec<String>,
    pub(crate) measurements: Vec<Measurement>,
}

/// The machine that ran it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory: u64,
    pub(crate) kernel: String,
    /// 1-minute load average before the run: other work on the machine.
    pub(crate) load: f64,
    /// Size of /dev/shm.
    pub(crate) shm: u64,
    /// Settings that matter, by name: `net.core.rmem_max`, `scaling_governor`, `shmem_enabled`, …
    pub(crate) settings: BTreeMap<String, String>,
}

/// One benchmark of one peer with one size on one transport: all repetitions together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// `latency`, `round_trip`, `hop`, `publish`, `throughput`, `interference`, `scale` or `soak`.
    pub(crate) benchmark: String,
    /// `iceway-python`, `iceway-rust`, `rclpy`, `native-take`, `shared-memory`, `memcpy`, …; variants after a colon
    /// (`iceway-python:spin`, `rclpy:array.array`).
    pub(crate) peer: String,
    /// The publisher's transport: `default`, `shm` (Fast DDS with the profile) or `none` (no middleware in it).
    pub(crate) transport: String,
    /// Size of the message, or of the array in it.
    pub(crate) bytes: u64,
    /// Messages per second that were sent, of each topic.
    pub(crate) rate_hz: f64,
    pub(crate) topics: u32,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// What did not arrive, by cause (`overflow`, `lost_in_middleware`, `unknown`, …).
    pub(crate) dropped: BTreeMap<String, u64>,
    /// The time that the benchmark is about.
    pub(crate) latency: Option<Distribution>,
    /// Its parts, in order.
    pub(crate) hops: Vec<Hop>,
    pub(crate) processes: Vec<Process>,
    /// Everything that is one number: `ticks_per_s`, `messages_per_s`, `cpu_share`, …
    pub(crate) figures: BTreeMap<String, f64>,
}

/// A part of a message's way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hop {
    /// `source → received`, `received → taken`, …
    pub(crate) name: String,
    pub(crate) time: Distribution,
}

/// A distribution of times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) count: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) mean: f64,
    /// `[percentile, time]`, rising; 0 to 100.
    pub(crate) percentiles: Vec<(f64, u64)>,
}

/// What one process used, over the time in which messages counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// `publisher`, `broker`, `receiver`, …
    pub(crate) name: String,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    /// Resident memory at the beginning and at the end.
    pub(crate) resident: [u64; 2],
}

impl Distribution {
    /// The time at a percentile (0 to 100): the nearest that is noted at or above it.
    pub(crate) fn at(&self, percentile: f64) -> Option<u64> {
        self.percentiles
            .iter()
            .find(|(p, _)| *p >= percentile)
            .map(|(_, time)| *time)
    }
}

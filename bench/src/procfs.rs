//! What processes use, from /proc.

use std::fs;
use std::path::Path;

use crate::results::Process;

/// What a process used up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    cpu_s: f64,
    voluntary_switches: u64,
    involuntary_switches: u64,
    pub(crate) resident: u64,
}

/// Reads a process's use so far; nothing for one that is gone.
pub(crate) fn usage(pid: u32) -> Usage {
    let base = format!("/proc/{pid}");
    let mut usage = Usage {
        cpu_s: cpu_seconds(&base),
        resident: resident(&base),
        ..Usage::default()
    };
    for thread in fs::read_dir(format!("{base}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        usage.voluntary_switches += number_of(&status, "voluntary_ctxt_switches:");
        usage.involuntary_switches += number_of(&status, "nonvoluntary_ctxt_switches:");
    }
    usage
}

/// CPU time of all threads, also those that ended; in ticks of 10 ms.
fn cpu_seconds(base: &str) -> f64 {
    let stat = fs::read_to_string(format!("{base}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold blanks.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_ascii_whitespace().collect())
        .unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok());
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    // utime and stime are the 14th and 15th field; the first here is the 3rd.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / per_second
}

fn resident(base: &str) -> u64 {
    let status = fs::read_to_string(format!("{base}/status")).unwrap_or_default();
    number_of(&status, "VmRSS:") * 1024
}

fn number_of(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

/// Bytes that files with this prefix in /dev/shm really hold.
pub(crate) fn shm_bytes(prefix: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::read_dir(Path::new("/dev/shm"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|f| f.file_name().to_string_lossy().starts_with(prefix))
        .filter_map(|f| f.metadata().ok())
        .map(|m| m.blocks() * 512)
        .sum()
}

impl Usage {
    /// Adds what was used from this moment to `later`.
    pub(crate) fn add_to(self, process: &mut Process, later: Self, wall_s: f64) {
        if process.wall_s == 0.0 {
            process.resident[0] = self.resident;
        }
        process.resident[1] = later.resident;
        process.wall_s += wall_s;
        process.cpu_s += (later.cpu_s - self.cpu_s).max(0.0);
        process.voluntary_switches += later
            .voluntary_switches
            .saturating_sub(self.voluntary_switches);
        process.involuntary_switches += later
            .involuntary_switches
            .saturating_sub(self.involuntary_switches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let before = usage(std::process::id());
        assert!(before.resident > 100_000, "{before:?}");
        assert!(before.voluntary_switches + before.involuntary_switches > 0);
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 60 {
            std::hint::black_box(start);
        }
        let mut process = Process::default();
        before.add_to(&mut process, usage(std::process::id()), 0.06);
        assert!(process.cpu_s > 0.01, "{process:?}");
    }
}

//! Shared memory that may run out: asking first, and populating pages so that a full /dev/shm is an error
//! and not a SIGBUS.

mod limits;
mod maps;
mod segment;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

pub(crate) use limits::{PortBudget, port_budget};
pub(crate) use maps::exclude_from_core_dumps;
pub(crate) use segment::{Segment, pretend_old_kernel};

use crate::clock::monotonic_ns;
use crate::error::BusError;

/// Where iceoryx2 keeps shared memory.
const SHM_FOLDER: &str = "/dev/shm";

/// There is not enough space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSpace {
    pub(crate) need: u64,
    pub(crate) free: u64,
}

/// Answers how much memory is free in /dev/shm.
#[derive(Debug)]
pub(crate) struct SpaceProbe {
    folder: OwnedFd,
    margin: u64,
    /// Bytes to pretend are free; `u64::MAX` = ask.
    pretended: AtomicU64,
    /// When plenty was seen last: `CLOCK_MONOTONIC`, nanoseconds.
    plenty_at_ns: AtomicI64,
}

/// So much beyond the need is plenty: it does not run out within [`PLENTY_FOR_NS`]. Asking costs more than the rest of a
/// small loan; and what a wrong answer could hurt is one page, since all others are populated first.
const PLENTY: u64 = 1 << 30;
const PLENTY_FOR_NS: i64 = 10_000_000;

impl SpaceProbe {
    pub(crate) fn new(margin: u64) -> Result<Self, BusError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(SHM_FOLDER, flags, Mode::empty())
            .map_err(|e| BusError::io(format!("opening {SHM_FOLDER}"), e))?;
        Ok(Self {
            folder,
            margin,
            pretended: AtomicU64::new(u64::MAX),
            plenty_at_ns: AtomicI64::new(i64::MIN / 2),
        })
    }

    /// Bytes free in /dev/shm; `u64::MAX` where that has no limit.
    pub(crate) fn free(&self) -> u64 {
        match self.pretended.load(Ordering::Relaxed) {
            u64::MAX => match rustix::fs::fstatfs(&self.folder) {
                Ok(found) if found.f_blocks > 0 => {
                    found.f_bavail.saturating_mul(found.f_bsize.unsigned_abs())
                }
                _ => u64::MAX,
            },
            pretended => pretended,
        }
    }

    /// Checks that `need` bytes and the margin are free.
    pub(crate) fn require(&self, need: u64) -> Result<(), NoSpace> {
        let need = need.saturating_add(self.margin);
        let now = monotonic_ns();
        if need < PLENTY && now - self.plenty_at_ns.load(Ordering::Relaxed) < PLENTY_FOR_NS {
            return Ok(());
        }
        let free = self.free();
        if free >= 2 * PLENTY {
            self.plenty_at_ns.store(now, Ordering::Relaxed);
        }
        if free >= need {
            Ok(())
        } else {
            Err(NoSpace { need, free })
        }
    }

    pub(crate) fn require_for(&self, what: &'static str, need: u64) -> Result<(), BusError> {
        self.require(need).map_err(|e| BusError::NoMemory {
            what,
            need: e.need,
            free: e.free,
        })
    }

    pub(crate) fn pretend(&self, free: Option<u64>) {
        self.plenty_at_ns.store(i64::MIN / 2, Ordering::Relaxed);
        self.pretended
            .store(free.unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Removes the files in /dev/shm whose names start and end so.
pub(crate) fn remove_files(prefix: &str, suffix: &str) {
    let Ok(entries) = std::fs::read_dir(SHM_FOLDER) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(prefix) && name.ends_with(suffix))
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

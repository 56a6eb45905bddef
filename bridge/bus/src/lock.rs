//! One broker per domain.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::error::BusError;

/// Who a broker is; the content of its lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerInfo {
    /// Its process id.
    pub pid: u32,
    /// Its version of iceway.
    pub version: String,
    /// Its version of the control protocol.
    pub protocol: u32,
    /// Its version of iceoryx2.
    pub iceoryx2: String,
    /// When it started: seconds since 1970.
    pub started: u64,
}

impl BrokerInfo {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        Self {
            pid: std::process::id(),
            version: crate::VERSION.to_owned(),
            protocol: crate::control::PROTOCOL,
            iceoryx2: crate::ICEORYX2_VERSION.to_owned(),
            started: u64::try_from(crate::clock::realtime_ns() / 1_000_000_000).unwrap_or(0),
        }
    }
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another broker holds it.
    #[error("a broker already serves domain {domain}{}", describe(.info.as_ref()))]
    Held {
        /// The domain.
        domain: u32,
        /// Who; `None` if it has not written its name yet.
        info: Option<BrokerInfo>,
    },
    /// The folder or file cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
}

fn describe(info: Option<&BrokerInfo>) -> String {
    info.map_or_else(String::new, |info| {
        format!(": process {}, iceway {}", info.pid, info.version)
    })
}

/// Held by a domain's broker as long as it lives; the kernel frees it when the process ends in any way.
#[derive(Debug)]
pub struct BrokerLock {
    domain: Domain,
    info: BrokerInfo,
    _file: File,
}

fn open(domain: &Domain) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(domain.broker_lock())
}

/// What the holder wrote, all of it.
fn read_info(file: &File) -> Option<BrokerInfo> {
    let mut text = vec![0; 4096];
    let len = file.read_at(&mut text, 0).ok()?;
    serde_json::from_slice(&text[..len]).ok()
}

impl BrokerLock {
    /// Takes the lock of `domain`.
    ///
    /// # Errors
    /// [`LockError::Held`] names the broker that has it.
    pub fn acquire(domain: &Domain, info: BrokerInfo) -> Result<Self, LockError> {
        domain.prepare()?;
        let doing = || format!("locking {}", domain.broker_lock().display());
        let file = open(domain).map_err(|e| BusError::io(doing(), e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Self::held(domain, &file)),
            Err(error) => return Err(BusError::io(doing(), error).into()),
        }
        let text = serde_json::to_vec(&info).map_err(|e| BusError::io(doing(), e))?;
        file.set_len(0)
            .and_then(|()| file.write_all_at(&text, 0))
            .map_err(|e| BusError::io(doing(), e))?;
        Ok(Self {
            domain: domain.clone(),
            info,
            _file: file,
        })
    }

    /// The holder writes its name right after locking: give it a moment.
    fn held(domain: &Domain, file: &File) -> LockError {
        let start = Instant::now();
        let mut info = read_info(file);
        while info.is_none() && start.elapsed() < Duration::from_millis(200) {
            thread::sleep(Duration::from_millis(2));
            info = read_info(file);
        }
        LockError::Held {
            domain: domain.id(),
            info,
        }
    }

    /// Who serves `domain` now, if anyone.
    ///
    /// `Some(None)`: somebody who has not written its name.
    #[must_use]
    pub fn holder(domain: &Domain) -> Option<Option<BrokerInfo>> {
        let file = File::open(domain.broker_lock()).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Some(read_info(&file)),
            _ => None,
        }
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What was written into the lock.
    #[must_use]
    pub fn info(&self) -> &BrokerInfo {
        &self.info
    }
}

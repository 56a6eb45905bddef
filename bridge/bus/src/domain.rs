//! A domain: its folder, its names and its iceoryx2 configuration.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use iceoryx2::prelude::{Config, FileName, SemanticString, ServiceName};

use crate::error::BusError;
use crate::topic::TopicName;
use crate::umask;

/// Longest path of a domain's folder: sockets with long names lie in it.
pub const MAX_ROOT_LEN: usize = 48;

/// Connections to vanished writers that a subscriber keeps while their frames are held or queued. Each costs half
/// a nanosecond in every `receive`.
pub(crate) const EXPIRED_CONNECTIONS: usize = 256;

/// One isolated system: its processes share `<base>/<id>/` and the names in /dev/shm that start with
/// [`Domain::prefix`]. Cheap to clone; creating one touches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    id: u32,
    base: PathBuf,
    root: PathBuf,
    prefix: String,
}

impl Domain {
    /// The domain `id` below the folder `base`.
    ///
    /// # Errors
    /// [`BusError::RootTooLong`] if the sockets' paths would not fit.
    pub fn new(id: u32, base: impl Into<PathBuf>) -> Result<Self, BusError> {
        let base = base.into();
        let root = base.join(id.to_string());
        let len = root.as_os_str().len();
        if len > MAX_ROOT_LEN {
            return Err(BusError::RootTooLong {
                path: root,
                len,
                max: MAX_ROOT_LEN,
            });
        }
        if !root.is_absolute() {
            let reason = "it has to be an absolute path".to_owned();
            return Err(BusError::UnusableRoot { path: root, reason });
        }
        let uid = rustix::process::getuid().as_raw();
        let prefix = if base == Self::default_base() {
            format!("iceway_{uid}_{id}_")
        } else {
            format!(
                "iceway_{uid}_{id}_{:08x}_",
                short_hash(base.as_os_str().as_bytes())
            )
        };
        Ok(Self {
            id,
            base,
            root,
            prefix,
        })
    }

    /// `/tmp/iceway-<uid>`: where domains live unless told otherwise.
    #[must_use]
    pub fn default_base() -> PathBuf {
        format!("/tmp/iceway-{}", rustix::process::getuid().as_raw()).into()
    }

    /// The domain's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The domain's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What all names of this domain in /dev/shm start with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The lock that the domain's broker holds.
    #[must_use]
    pub fn broker_lock(&self) -> PathBuf {
        self.root.join("broker.lock")
    }

    /// The socket on which the domain's broker listens.
    #[must_use]
    pub fn broker_sock(&self) -> PathBuf {
        self.root.join("broker.sock")
    }

    /// Creates the folders, for this user only, or checks that they are so.
    ///
    /// # Errors
    /// [`BusError::UnusableRoot`] if they cannot be created, or belong to or are open to somebody else.
    pub fn prepare(&self) -> Result<(), BusError> {
        let _steady = umask::steady();
        for path in [&self.base, &self.root] {
            let unusable = |reason: String| BusError::UnusableRoot {
                path: path.clone(),
                reason,
            };
            match fs::DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => continue,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(unusable(format!("it cannot be created: {e}"))),
            }
            let found = fs::symlink_metadata(path).map_err(|e| unusable(e.to_string()))?;
            let uid = rustix::process::getuid().as_raw();
            if !found.is_dir() {
                return Err(unusable("it is not a folder".to_owned()));
            }
            if found.uid() != uid {
                return Err(unusable(format!(
                    "it belongs to user {}, not {uid}",
                    found.uid()
                )));
            }
            if found.mode() & 0o022 != 0 {
                let mode = found.mode() & 0o777;
                return Err(unusable(format!(
                    "others may write to it (mode {mode:o}): chmod 700 it"
                )));
            }
        }
        Ok(())
    }

    /// Name of the channel of `topic`, as told in control replies.
    #[must_use]
    pub fn channel_name(&self, topic: &TopicName) -> String {
        format!("iceway/{}/topic{topic}", self.id)
    }

    pub(crate) fn ack_name(&self, topic: &TopicName) -> String {
        format!("iceway/{}/ack{topic}", self.id)
    }

    pub(crate) fn announce_name(&self) -> String {
        format!("iceway/{}/announce", self.id)
    }

    pub(crate) fn iceoryx_config(&self) -> Result<Config, BusError> {
        let invalid = |e: &dyn std::fmt::Debug| BusError::UnusableRoot {
            path: self.root.clone(),
            reason: format!("iceoryx2 does not take it as a path ({e:?})"),
        };
        let mut config = Config::default();
        let root = iceoryx2::prelude::Path::new(self.root.as_os_str().as_bytes())
            .map_err(|e| invalid(&e))?;
        config.global.set_root_path(&root);
        config.global.prefix = FileName::new(self.prefix.as_bytes()).map_err(|e| invalid(&e))?;
        config.global.creation_timeout = Duration::from_secs(2);
        // Brokers clean up on a timer and when a connection ends, and everyone when joining and leaving; scanning
        // at each opening of a channel is not needed.
        config.global.service.cleanup_dead_nodes_on_open = false;
        config
            .defaults
            .publish_subscribe
            .subscriber_expired_connection_buffer = EXPIRED_CONNECTIONS;
        Ok(config)
    }
}

pub(crate) fn service_name(name: &str) -> Result<ServiceName, BusError> {
    ServiceName::new(name).map_err(|e| BusError::iceoryx("naming a channel", e))
}

/// FNV-1a, folded to 32 bits: tells folders apart in names that have to be short.
fn short_hash(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_limits() {
        let domain = Domain::new(7, "/tmp/x").unwrap();
        assert_eq!(domain.root(), Path::new("/tmp/x/7"));
        assert_eq!(
            domain.channel_name(&TopicName::new("/a/b").unwrap()),
            "iceway/7/topic/a/b"
        );
        assert_ne!(domain.prefix(), Domain::new(7, "/tmp/y").unwrap().prefix());
        let default = Domain::new(7, Domain::default_base()).unwrap();
        assert!(default.prefix().ends_with("_7_"), "{}", default.prefix());
        assert!(matches!(
            Domain::new(7, format!("/tmp/{}", "x".repeat(60))),
            Err(BusError::RootTooLong {
                max: MAX_ROOT_LEN,
                ..
            })
        ));
        assert!(Domain::new(7, "relative").is_err());
    }
}

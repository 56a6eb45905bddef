//! What the broker reads from its environment: only here.

use std::path::PathBuf;

/// The domain where neither a flag nor the configuration names one: ICEWAY_DOMAIN is the flag's default, then ROS_DOMAIN_ID, then 0.
pub(crate) fn default_domain() -> anyhow::Result<u32> {
    match std::env::var("ROS_DOMAIN_ID") {
        Ok(text) if !text.is_empty() => text.parse().map_err(|_| {
            anyhow::anyhow!("ROS_DOMAIN_ID is '{text}': it must be a whole number from 0 to 232")
        }),
        _ => Ok(0),
    }
}

/// The folder of all domains: ICEWAY_ROOT, else one of this user's own below /tmp.
pub(crate) fn root() -> PathBuf {
    match std::env::var_os("ICEWAY_ROOT") {
        Some(root) if !root.is_empty() => root.into(),
        _ => format!("/tmp/iceway-{}", rustix::process::getuid().as_raw()).into(),
    }
}

//! Limits of the process that shrink what a port may take.

use rustix::process::{Resource, getrlimit};

use crate::limits::Limits;

/// What a port may take, and why it is less than configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortBudget {
    pub(crate) port_virtual_bytes: u64,
    /// For the log: which limit of the process made it smaller.
    pub(crate) shrunk_by: Option<String>,
}

/// The budget of a port in a process with these limits (`None` = unlimited).
fn budget(
    configured: u64,
    address_space: Option<u64>,
    in_use: u64,
    file_size: Option<u64>,
) -> PortBudget {
    let mut result = PortBudget {
        port_virtual_bytes: configured,
        shrunk_by: None,
    };
    // A sixteenth of what is left per port: a process has several, and maps those of others.
    let by_address_space = address_space.map(|limit| limit.saturating_sub(in_use) / 16);
    // A segment's file is a little larger than its chunks, and one byte too many kills the process.
    let by_file_size = file_size.map(|limit| limit - limit / 8);
    let candidates = [
        ("address space (ulimit -v, RLIMIT_AS)", by_address_space),
        ("file size (ulimit -f, RLIMIT_FSIZE)", by_file_size),
    ];
    for (name, limit) in candidates {
        if let Some(limit) = limit.filter(|limit| *limit < result.port_virtual_bytes) {
            result.port_virtual_bytes = limit;
            result.shrunk_by = Some(format!(
                "the limit on {name} leaves {limit} bytes for a port instead of {configured}"
            ));
        }
    }
    result
}

/// Bytes of address space in use.
fn address_space_in_use() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// The budget of a port in this process.
pub(crate) fn port_budget(limits: &Limits) -> PortBudget {
    budget(
        limits.port_virtual_bytes,
        getrlimit(Resource::As).current,
        address_space_in_use(),
        getrlimit(Resource::Fsize).current,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_shrink_the_budget() {
        let unlimited = budget(1000, None, 500, None);
        assert_eq!(
            unlimited,
            PortBudget {
                port_virtual_bytes: 1000,
                shrunk_by: None
            }
        );
        assert_eq!(
            budget(1000, Some(1 << 20), 0, None).port_virtual_bytes,
            1000
        );
        let file = budget(1000, None, 0, Some(16));
        assert_eq!(file.port_virtual_bytes, 14);
        assert!(file.shrunk_by.unwrap().contains("ulimit -f"));
        let space = budget(1000, Some(900), 100, Some(200));
        assert_eq!(space.port_virtual_bytes, 50);
        assert!(space.shrunk_by.unwrap().contains("ulimit -v"));
    }
}

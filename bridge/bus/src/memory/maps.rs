//! Finding the mapping of an address, and what is done to whole mappings.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::PathBuf;

use rustix::mm::{Advice, madvise};

/// A line of /proc/self/maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) range: Range<usize>,
    pub(super) file_offset: u64,
    pub(super) path: PathBuf,
}

fn parse(line: &str) -> Option<Mapping> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    let range = hex(start)?..hex(end)?;
    let offset = fields.nth(1)?;
    let path = fields.nth(2).unwrap_or("");
    Some(Mapping {
        range,
        file_offset: u64::from_str_radix(offset, 16).ok()?,
        path: path.into(),
    })
}

/// The mapping that holds `address`.
pub(super) fn find(address: usize) -> Option<Mapping> {
    BufReader::new(File::open("/proc/self/maps").ok()?)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| parse(&line))
        .find(|mapping| mapping.range.contains(&address))
}

/// Keeps the mapping that holds `address` (sparse, up to many gigabytes) out of core dumps.
pub(crate) fn exclude_from_core_dumps(address: *const u8) {
    if let Some(mapping) = find(address as usize) {
        let start = mapping.range.start as *mut std::ffi::c_void;
        // SAFETY: DONTDUMP changes no memory and no access to it; it only marks the mapping. A mapping that
        // is gone by now gives an error, which is ignored.
        let _ = unsafe { madvise(start, mapping.range.len(), Advice::LinuxDontDump) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line = "7f12a000-7f13b000 rw-s 00002000 00:1a 5  /dev/shm/iceway_0_0_1.data";
        let mapping = parse(line).unwrap();
        assert_eq!(mapping.range, 0x7f12_a000..0x7f13_b000);
        assert_eq!(mapping.file_offset, 0x2000);
        assert_eq!(mapping.path, PathBuf::from("/dev/shm/iceway_0_0_1.data"));
        assert_eq!(
            parse("55-56 r--p 00000000 00:00 0").unwrap().path,
            PathBuf::new()
        );
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn own_stack_is_found() {
        let local = 0_u8;
        let address = (&raw const local) as usize;
        assert!(find(address).unwrap().range.contains(&address));
    }
}

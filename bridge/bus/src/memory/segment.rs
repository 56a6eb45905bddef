//! The chunks of one publisher port, and how much of each is backed by memory.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use super::maps;
use super::{NoSpace, SpaceProbe};

/// What is known of one chunk: in one word, so that a port with thousands of chunks stays small.
#[derive(Debug, Default)]
struct Chunk(AtomicU64);

impl Chunk {
    /// (Pages backed by memory, from the one in which the chunk starts; the trim round of the last loan).
    fn get(&self) -> (usize, u32) {
        let word = self.0.load(Ordering::Relaxed);
        (word as u32 as usize, (word >> 32) as u32)
    }

    fn set(&self, pages: usize, round: u32) {
        debug_assert!(u32::try_from(pages).is_ok());
        self.0
            .store(u64::from(round) << 32 | pages as u64, Ordering::Relaxed);
    }
}

/// How pages are made to exist before they are written.
#[derive(Debug)]
enum Populate {
    /// `MADV_POPULATE_WRITE` (Linux 5.14).
    Madvise,
    /// `fallocate` on the segment's file; `start` = address of the file's first byte.
    Fallocate { file: OwnedFd, start: usize },
    /// Neither works: only the free space is asked.
    AskOnly,
}

const POPULATE_UNKNOWN: u8 = 0;
const POPULATE_WORKS: u8 = 1;
const POPULATE_MISSING: u8 = 2;

/// Whether this kernel knows `MADV_POPULATE_WRITE`.
static POPULATE_SUPPORT: AtomicU8 = AtomicU8::new(POPULATE_UNKNOWN);

/// The chunks of a port: `count` chunks of `stride` bytes from `base`.
#[derive(Debug)]
pub(crate) struct Segment {
    base: usize,
    stride: usize,
    chunks: Box<[Chunk]>,
    populate: Populate,
    page: usize,
    /// Count of calls of [`Segment::next_round`].
    round: AtomicU32,
}

fn madvise_supported(address: usize, page: usize) -> bool {
    match POPULATE_SUPPORT.load(Ordering::Relaxed) {
        POPULATE_UNKNOWN => {
            let start = (address & !(page - 1)) as *mut c_void;
            // SAFETY: the page holds a chunk's header that was written before (so it is mapped, writable and
            // backed); populating it changes nothing.
            let works =
                unsafe { madvise(start, page, Advice::LinuxPopulateWrite) } != Err(Errno::INVAL);
            let state = if works {
                POPULATE_WORKS
            } else {
                POPULATE_MISSING
            };
            POPULATE_SUPPORT.store(state, Ordering::Relaxed);
            works
        }
        state => state == POPULATE_WORKS,
    }
}

/// For tests: as if `MADV_POPULATE_WRITE` were not known.
pub(crate) fn pretend_old_kernel() {
    POPULATE_SUPPORT.store(POPULATE_MISSING, Ordering::Relaxed);
}

impl Segment {
    /// `first_chunk` is the address of the port's first chunk, whose header has been written.
    pub(crate) fn new(first_chunk: usize, stride: usize, count: usize) -> Self {
        let page = rustix::param::page_size();
        let populate = if madvise_supported(first_chunk, page) {
            Populate::Madvise
        } else {
            Self::fallocate(first_chunk)
        };
        let chunks = (0..count).map(|_| Chunk::default()).collect();
        Self {
            base: first_chunk,
            stride,
            chunks,
            populate,
            page,
            round: AtomicU32::new(0),
        }
    }

    fn fallocate(first_chunk: usize) -> Populate {
        let open = || {
            let mapping = maps::find(first_chunk)?;
            let file = OpenOptions::new().write(true).open(mapping.path).ok()?;
            let start = mapping
                .range
                .start
                .checked_sub(usize::try_from(mapping.file_offset).ok()?)?;
            Some(Populate::Fallocate {
                file: file.into(),
                start,
            })
        };
        open().unwrap_or(Populate::AskOnly)
    }

    fn chunk(&self, address: usize) -> Option<&Chunk> {
        let distance = address.checked_sub(self.base)?;
        self.chunks.get(distance / self.stride)
    }

    fn page_of(&self, address: usize) -> usize {
        address & !(self.page - 1)
    }

    /// Makes the first `need` bytes of the loaned chunk at `address` safe to write.
    pub(crate) fn prepare(
        &self,
        address: usize,
        need: usize,
        space: &SpaceProbe,
    ) -> Result<(), NoSpace> {
        let first = self.page_of(address);
        let end = (address + need).next_multiple_of(self.page);
        let chunk = self.chunk(address);
        let pages = chunk.map_or(0, |chunk| chunk.get().0);
        let round = self.round.load(Ordering::Relaxed);
        let start = first + pages * self.page;
        if start < end {
            space.require((end - start) as u64)?;
            if let Err(error) = self.populate_pages(start, end) {
                tracing::debug!(%error, bytes = end - start, "shared memory ran out while pages were populated");
                // The first page is shared with the chunk before, the last one with the chunk behind.
                self.remove_pages(start.max(address + 1), end.min(address + self.stride));
                return Err(NoSpace {
                    need: (end - start) as u64,
                    free: space.free(),
                });
            }
        }
        if let Some(chunk) = chunk {
            chunk.set(pages.max((end - first) / self.page), round);
        }
        Ok(())
    }

    fn populate_pages(&self, start: usize, end: usize) -> Result<(), Errno> {
        match &self.populate {
            // SAFETY: the range covers pages of the port's own writable shared mapping, from a chunk that the
            // caller has on loan; populating changes no content.
            Populate::Madvise => unsafe {
                madvise(
                    start as *mut c_void,
                    end - start,
                    Advice::LinuxPopulateWrite,
                )
            },
            Populate::Fallocate {
                file,
                start: file_start,
            } => rustix::fs::fallocate(
                file,
                FallocateFlags::KEEP_SIZE,
                (start - file_start) as u64,
                (end - start) as u64,
            ),
            Populate::AskOnly => Ok(()),
        }
    }

    /// Gives the whole pages inside `from..to` back. Their content is lost.
    fn remove_pages(&self, from: usize, to: usize) -> usize {
        let start = from.next_multiple_of(self.page);
        let end = to & !(self.page - 1);
        if start >= end {
            return 0;
        }
        // SAFETY: the range covers whole pages inside one chunk of the port's own writable shared mapping
        // that the caller has on loan, so no receiver has a view of them; they read as zero afterwards.
        match unsafe { madvise(start as *mut c_void, end - start, Advice::LinuxRemove) } {
            Ok(()) => end - start,
            Err(_) => 0,
        }
    }

    /// Starts a trim round; true if a chunk holds memory and was not loaned since the round before.
    pub(crate) fn next_round(&self) -> bool {
        let round = self.round.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.chunks.iter().any(|chunk| self.is_idle(chunk, round))
    }

    /// True if the chunk at `address` was never written: all chunks below it in the free list are so too.
    pub(crate) fn is_untouched(&self, address: usize) -> bool {
        self.chunk(address).is_none_or(|chunk| chunk.get().0 == 0)
    }

    fn is_idle(&self, chunk: &Chunk, round: u32) -> bool {
        let (pages, used_in) = chunk.get();
        pages > 2 && round.wrapping_sub(used_in) > 1
    }

    /// Gives back the memory of the loaned chunk at `address` if it is idle. Returns the bytes.
    pub(crate) fn trim(&self, address: usize) -> usize {
        let Some(chunk) = self.chunk(address) else {
            return 0;
        };
        if !self.is_idle(chunk, self.round.load(Ordering::Relaxed)) {
            return 0;
        }
        let (pages, used_in) = chunk.get();
        let end = self.page_of(address) + pages * self.page;
        let freed = self.remove_pages(address + 1, end.min(address + self.stride));
        if freed > 0 {
            chunk.set(1, used_in); // the page with the chunk's header stays
        }
        freed
    }

    /// Bytes that the chunks hold by what is known here.
    pub(crate) fn populated(&self) -> u64 {
        self.chunks
            .iter()
            .map(|chunk| (chunk.get().0 * self.page) as u64)
            .sum()
    }

    pub(crate) fn count(&self) -> usize {
        self.chunks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A memory file of 64 pages stands for a port's segment; chunks start off page boundaries.
    #[test]
    fn pages_are_populated_once_and_trimmed_when_idle() {
        let page = rustix::param::page_size();
        let file = rustix::fs::memfd_create("segment", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&file, 64 * page as u64).unwrap();
        // SAFETY: a new mapping where the kernel wants it, of a file of its own.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                64 * page,
                rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
                rustix::mm::MapFlags::SHARED,
                &file,
                0,
            )
        }
        .unwrap() as usize;
        let blocks = || rustix::fs::fstat(&file).unwrap().st_blocks as usize * 512 / page;
        let space = SpaceProbe::new(0).unwrap();
        let (base, stride) = (start + 64, 8 * page + 128);
        let segment = Segment::new(base, stride, 7);
        let chunk = |i: usize| base + i * stride;
        let before = blocks();
        segment.prepare(chunk(1), 3 * page, &space).unwrap();
        segment.prepare(chunk(1), 2 * page, &space).unwrap();
        assert_eq!(blocks() - before, 4, "three pages' length touches four");
        assert!(!segment.is_untouched(chunk(1)) && segment.is_untouched(chunk(2)));
        segment.prepare(chunk(1), stride, &space).unwrap();
        segment.prepare(chunk(2), stride, &space).unwrap();
        let full = blocks();
        assert!(!segment.next_round());
        segment.prepare(chunk(2), 100, &space).unwrap();
        assert!(segment.next_round());
        assert_eq!(segment.trim(chunk(2)), 0, "used in the round before");
        let freed = segment.trim(chunk(1));
        assert!(freed >= 6 * page && freed <= 8 * page, "{freed}");
        assert_eq!(full - blocks(), freed / page);
        assert_eq!(segment.trim(chunk(1)), 0);
        segment.prepare(chunk(1), stride, &space).unwrap();
        assert_eq!(blocks(), full);
        // An address that is no chunk is populated, and nothing is remembered.
        segment.prepare(chunk(7), page, &space).unwrap();
        assert!(segment.is_untouched(chunk(7)));
    }
}

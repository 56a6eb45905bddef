//! The chunks of one publisher port, and how much of each is backed by memory.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use super::maps;
use super::{NoSpace, SpaceProbe};

/// What is known of one chunk.
#[derive(Debug, Default)]
struct Chunk {
    /// Bytes from the chunk's start that are backed by memory.
    populated: AtomicUsize,
    /// The trim round in which it was loaned last.
    used_in: AtomicU32,
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

    /// Makes the first `need` bytes of the loaned chunk at `address` safe to write.
    pub(crate) fn prepare(
        &self,
        address: usize,
        need: usize,
        space: &SpaceProbe,
    ) -> Result<(), NoSpace> {
        let chunk = self.chunk(address);
        let populated = chunk.map_or(0, |chunk| {
            chunk
                .used_in
                .store(self.round.load(Ordering::Relaxed), Ordering::Relaxed);
            chunk.populated.load(Ordering::Relaxed)
        });
        if need <= populated {
            return Ok(());
        }
        let start = (address + populated) & !(self.page - 1);
        let end = (address + need).next_multiple_of(self.page);
        space.require((end - start) as u64)?;
        if let Err(error) = self.populate_pages(start, end) {
            tracing::debug!(%error, bytes = end - start, "shared memory ran out while pages were populated");
            // The page at `start` may be older, or shared with the chunk before.
            self.remove_pages(address + populated.max(1), (address + self.stride).min(end));
            return Err(NoSpace {
                need: (end - start) as u64,
                free: space.free(),
            });
        }
        if let Some(chunk) = chunk {
            chunk.populated.store(end - address, Ordering::Relaxed);
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
        self.chunk(address)
            .is_none_or(|chunk| chunk.populated.load(Ordering::Relaxed) == 0)
    }

    fn is_idle(&self, chunk: &Chunk, round: u32) -> bool {
        chunk.populated.load(Ordering::Relaxed) > 2 * self.page
            && round.wrapping_sub(chunk.used_in.load(Ordering::Relaxed)) > 1
    }

    /// Gives back the memory of the loaned chunk at `address` if it is idle. Returns the bytes.
    pub(crate) fn trim(&self, address: usize) -> usize {
        let Some(chunk) = self.chunk(address) else {
            return 0;
        };
        if !self.is_idle(chunk, self.round.load(Ordering::Relaxed)) {
            return 0;
        }
        let populated = chunk.populated.load(Ordering::Relaxed).min(self.stride);
        let freed = self.remove_pages(address + 1, address + populated);
        if freed > 0 {
            // The page with the chunk's header stays.
            let header_page_end = (address + 1).next_multiple_of(self.page);
            chunk
                .populated
                .store(header_page_end - address, Ordering::Relaxed);
        }
        freed
    }

    /// Bytes that the chunks hold by what is known here.
    pub(crate) fn populated(&self) -> u64 {
        self.chunks
            .iter()
            .map(|chunk| chunk.populated.load(Ordering::Relaxed) as u64)
            .sum()
    }

    pub(crate) fn count(&self) -> usize {
        self.chunks.len()
    }
}

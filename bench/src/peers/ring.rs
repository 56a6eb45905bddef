//! The floor: a ring of seqlocked slots in raw shared memory, with a reader that spins. No discovery, no wake-up, no lifetimes, no
//! protection: the writer overwrites what the reader still looks at.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence};
use std::thread::JoinHandle;

use iceway_bus::clock::monotonic_ns;
use shared_memory::{Shmem, ShmemConf};

use super::inbox::Inbox;
use crate::orders::{Order, done, serve, unknown};

const SLOTS: usize = 4;
/// Bytes in front of the slots' data: the control blocks.
const CONTROL_BYTES: usize = 4096;

/// In front of the data.
#[repr(C)]
struct Control {
    /// Messages written so far.
    written: AtomicU64,
    slots: [Slot; SLOTS],
}

#[repr(C)]
struct Slot {
    /// Odd while it is written.
    lock: AtomicU64,
    number: AtomicU64,
    /// When the data was complete: CLOCK_MONOTONIC.
    sent_ns: AtomicI64,
    len: AtomicU64,
}

const _: () = assert!(size_of::<Control>() <= CONTROL_BYTES);

/// A mapping of the ring.
struct Ring {
    memory: Shmem,
    slot_bytes: usize,
}

// SAFETY: a mapping may be used and unmapped from any thread; it is plain memory.
unsafe impl Send for Ring {}

impl Ring {
    fn control(&self) -> &Control {
        // SAFETY: the mapping is page-aligned, longer than a Control (see `RingWriter::new`), zeroed by the system, and made of atomics only.
        unsafe { &*self.memory.as_ptr().cast::<Control>() }
    }

    fn data(&self, slot: usize) -> *mut u8 {
        // SAFETY: the mapping has SLOTS slots behind the control blocks.
        unsafe {
            self.memory
                .as_ptr()
                .add(CONTROL_BYTES + slot * self.slot_bytes)
        }
    }
}

/// The name of a ring of this process.
pub(crate) fn name() -> String {
    format!("/iceway_bench_ring_{}", std::process::id())
}

/// The writing end; the memory goes with it.
pub(crate) struct RingWriter(Ring);

impl RingWriter {
    pub(crate) fn new(slot_bytes: usize) -> anyhow::Result<Self> {
        let memory = ShmemConf::new()
            .os_id(name())
            .size(CONTROL_BYTES + SLOTS * slot_bytes)
            .create()?;
        Ok(Self(Ring { memory, slot_bytes }))
    }

    /// Writes a message of at most `slot_bytes`.
    pub(crate) fn write(&mut self, number: u32, data: &[u8]) {
        assert!(data.len() <= self.0.slot_bytes);
        let control = self.0.control();
        let index = control.written.load(Ordering::Relaxed) as usize % SLOTS;
        let slot = &control.slots[index];
        let lock = slot.lock.load(Ordering::Relaxed);
        slot.lock.store(lock + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        // SAFETY: the slot has room; nobody else writes. A reader that looks meanwhile finds the lock changed and discards what it saw.
        unsafe {
            std::ptr::copy_nonoverlapping(data.as_ptr(), self.0.data(index), data.len());
        }
        slot.number.store(u64::from(number), Ordering::Relaxed);
        slot.len.store(data.len() as u64, Ordering::Relaxed);
        slot.sent_ns.store(monotonic_ns(), Ordering::Relaxed);
        slot.lock.store(lock + 2, Ordering::Release);
        control.written.fetch_add(1, Ordering::Release);
    }
}

/// The reader that spins.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(name: &str, inbox: Inbox) -> anyhow::Result<Self> {
        let memory = ShmemConf::new().os_id(name).open()?;
        let slot_bytes = (memory.len() - CONTROL_BYTES) / SLOTS;
        let ring = Ring { memory, slot_bytes };
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        let thread = std::thread::spawn(move || read(&ring, &ending, &inbox));
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(ring: &Ring, stop: &AtomicBool, inbox: &Inbox) {
    let control = ring.control();
    let mut seen = control.written.load(Ordering::Acquire);
    while !stop.load(Ordering::Relaxed) {
        let written = control.written.load(Ordering::Acquire);
        if written == seen {
            std::hint::spin_loop();
            continue;
        }
        seen = written;
        let index = (written - 1) as usize % SLOTS;
        let slot = &control.slots[index];
        let lock = slot.lock.load(Ordering::Acquire);
        let len = slot.len.load(Ordering::Relaxed) as usize;
        let last = len.saturating_sub(1).min(ring.slot_bytes - 1);
        // SAFETY: inside the slot; volatile, since the writer may be writing: then the lock says so below.
        unsafe { std::ptr::read_volatile(ring.data(index).add(last)) };
        let now = monotonic_ns();
        let (number, sent_ns) = (
            slot.number.load(Ordering::Relaxed),
            slot.sent_ns.load(Ordering::Relaxed),
        );
        fence(Ordering::Acquire);
        if lock.is_multiple_of(2) && slot.lock.load(Ordering::Relaxed) == lock {
            inbox.add(vec![
                i64::try_from(number).unwrap_or(i64::MAX),
                now,
                now - sent_ns,
            ]);
        }
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let inbox = Inbox::default();
    let mut reader: Option<Reader> = None;
    serve(|order| match order {
        Order::Subscribe { topics, .. } => {
            drop(reader.take());
            reader = topics
                .first()
                .map(|name| Reader::start(name, inbox.clone()))
                .transpose()?;
            done()
        }
        Order::Unsubscribe {} => {
            drop(reader.take());
            done()
        }
        Order::Forget {} => {
            inbox.forget();
            done()
        }
        Order::Collect { last, timeout_s } => {
            Ok(serde_json::to_value(inbox.collect(&[], last, timeout_s))?)
        }
        other => unknown(&other),
    })
}

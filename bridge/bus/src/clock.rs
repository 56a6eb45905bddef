//! The clocks of a frame header.

use rustix::time::{ClockId, clock_gettime};

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn monotonic_ns() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

/// `CLOCK_REALTIME` in nanoseconds.
pub fn realtime_ns() -> i64 {
    nanoseconds(ClockId::Realtime)
}

/// Both at (almost) the same moment: `CLOCK_REALTIME`, then `CLOCK_MONOTONIC`, in nanoseconds.
pub fn both_ns() -> (i64, i64) {
    (realtime_ns(), monotonic_ns())
}

//! The two clocks of a frame header.

use rustix::time::{ClockId, clock_gettime};

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn monotonic_ns() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

/// `CLOCK_REALTIME` in nanoseconds.
pub(crate) fn realtime_ns() -> i64 {
    nanoseconds(ClockId::Realtime)
}

//! Samples that one thread adds and another one collects.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::orders::Collected;

/// Samples of a receiver: number, when, whole time, parts.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<(Mutex<Vec<Vec<i64>>>, Condvar)>);

impl Inbox {
    fn samples(&self) -> std::sync::MutexGuard<'_, Vec<Vec<i64>>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, sample: Vec<i64>) {
        self.samples().push(sample);
        self.0.1.notify_all();
    }

    pub(crate) fn forget(&self) {
        self.samples().clear();
    }

    /// Waits for the image numbered `last`, and takes all samples.
    pub(crate) fn collect(&self, hops: &[&str], last: u32, timeout_s: f64) -> Collected {
        let end = Instant::now() + Duration::from_secs_f64(timeout_s);
        let mut samples = self.samples();
        // Messages of one publisher come in their order.
        while samples.last().is_none_or(|s| s[0] < i64::from(last)) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            samples = self
                .0
                .1
                .wait_timeout(samples, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let samples = std::mem::take(&mut *samples);
        Collected {
            hops: hops.iter().map(|h| (*h).to_owned()).collect(),
            received: samples.len() as u64,
            samples,
            ..Collected::default()
        }
    }
}

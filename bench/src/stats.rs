//! Times: collected in HDR histograms, written down as percentiles.

use hdrhistogram::Histogram;

use crate::results::Distribution;

/// Times above this count as this: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// The percentiles that are written down: dense where the curve bends.
const PERCENTILES: [f64; 31] = [
    0.0, 1.0, 2.5, 5.0, 10.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0,
    92.5, 95.0, 96.0, 97.0, 98.0, 98.5, 99.0, 99.25, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999,
    100.0,
];

/// Times in nanoseconds, exact to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constant bounds that are valid"))
    }
}

impl Times {
    /// Adds a time; what clocks that disagree make negative counts as nothing.
    pub(crate) fn add(&mut self, ns: i64) {
        self.0.saturating_record(u64::try_from(ns).unwrap_or(0));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn distribution(&self) -> Distribution {
        Distribution {
            count: self.0.len(),
            min: self.0.min(),
            max: self.0.max(),
            mean: self.0.mean(),
            percentiles: PERCENTILES
                .iter()
                .map(|p| (*p, self.0.value_at_percentile(*p)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_says_what_was_added() {
        let mut times = Times::default();
        (1..=1000).for_each(|us| times.add(us * 1000));
        times.add(-5);
        let found = times.distribution();
        assert_eq!(found.count, 1001);
        assert_eq!(found.min, 0);
        assert!((found.at(50.0).unwrap() as f64 / 500_000.0 - 1.0).abs() < 0.01);
        assert!(found.percentiles.windows(2).all(|w| w[0].1 <= w[1].1));
    }
}

//! Scales: values to positions from 0 to 1, and the ticks between them.

/// A scale that covers the values it was made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    /// Ends, in the scale's own coordinate.
    low: f64,
    high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear,
    Log,
    Percentile,
}

/// No percentile beyond this many nines.
const MOST_NINES: f64 = 5.0;

impl Scale {
    /// From 0 to a value.
    pub(super) fn linear(high: f64) -> Self {
        Self {
            kind: Kind::Linear,
            low: 0.0,
            high: if high > 0.0 { high } else { 1.0 },
        }
    }

    /// Logarithmic, from 1, 2 or 5 times a power of ten to another. Values of 0 stand at its low end.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values.filter(|value| *value > 0.0));
        let low = round_125(low, f64::floor);
        let mut high = round_125(high, f64::ceil);
        if high <= low {
            high = low * 10.0;
        }
        Self {
            kind: Kind::Log,
            low: low.log10(),
            high: high.log10(),
        }
    }

    /// Logarithmic, a little wider than the values.
    pub(super) fn log_around(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values.filter(|value| *value > 0.0));
        let (low, high) = (low.log10(), high.log10());
        let room = ((high - low) * 0.05).max(0.1);
        Self {
            kind: Kind::Log,
            low: low - room,
            high: high + room,
        }
    }

    /// Percentiles by their nines, as in HDR plots: 0, 50, 90, 99, 99.9, as far as so many samples can say.
    pub(super) fn percentiles(samples: u64) -> Self {
        Self {
            kind: Kind::Percentile,
            low: 0.0,
            high: nines_of(samples),
        }
    }

    /// Where a value lies, kept between 0 and 1.
    pub(super) fn at(self, value: f64) -> f64 {
        let own = match self.kind {
            Kind::Linear => value,
            Kind::Log if value > 0.0 => value.log10(),
            Kind::Log => self.low,
            Kind::Percentile if value < 100.0 => -(1.0 - value / 100.0).log10(),
            Kind::Percentile => self.high,
        };
        ((own - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Values worth a line across the plot.
    pub(super) fn ticks(self) -> Vec<f64> {
        let candidates: Vec<f64> = match self.kind {
            Kind::Linear => {
                let step = round_125(self.high / 4.0, f64::ceil);
                (0..=5).map(|index| f64::from(index) * step).collect()
            }
            Kind::Log => {
                let decades = self.low.floor() as i32..=self.high.ceil() as i32;
                let within: &[f64] = match self.high - self.low {
                    ..1.6 => &[1.0, 2.0, 5.0],
                    ..2.6 => &[1.0, 3.0],
                    _ => &[1.0],
                };
                decades
                    .flat_map(|decade| within.iter().map(move |step| step * 10_f64.powi(decade)))
                    .collect()
            }
            Kind::Percentile => vec![50.0, 90.0, 99.0, 99.9, 99.99, 99.999],
        };
        candidates
            .into_iter()
            .filter(|value| {
                let own = match self.kind {
                    Kind::Linear => *value,
                    Kind::Log => value.log10(),
                    Kind::Percentile => -(1.0 - value / 100.0).log10(),
                };
                (self.low - 1e-9..=self.high + 1e-9).contains(&own)
            })
            .collect()
    }
}

/// How many nines the largest of so many samples stands for: half a sample beyond the last but one.
fn nines_of(samples: u64) -> f64 {
    (2.0 * samples.max(10) as f64).log10().min(MOST_NINES)
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
        (low.min(value), high.max(value))
    });
    if low.is_finite() {
        (low, high)
    } else {
        (1.0, 10.0)
    }
}

/// 1, 2 or 5 times a power of ten, next to a value.
fn round_125(value: f64, round: fn(f64) -> f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let down = round(0.5) == 0.0;
    let fits = |step: &&f64| {
        if down {
            **step * decade <= value * (1.0 + 1e-9)
        } else {
            **step * decade >= value * (1.0 - 1e-9)
        }
    };
    let step = if down {
        steps.iter().rfind(fits)
    } else {
        steps.iter().find(fits)
    };
    step.unwrap_or(&1.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn log_ends_are_round_and_ticks_inside() {
        let scale = Scale::log([1_300.0, 4_400_000.0].into_iter());
        assert!(close(scale.at(1_000.0), 0.0) && close(scale.at(5_000_000.0), 1.0));
        assert_eq!(scale.ticks(), [1e3, 1e4, 1e5, 1e6]);
        let narrow = Scale::log([21.0, 180.0].into_iter());
        let ticks: Vec<_> = narrow.ticks().iter().map(|tick| tick.round()).collect();
        assert_eq!(ticks, [20.0, 50.0, 100.0, 200.0]);
    }

    #[test]
    fn a_log_scale_takes_anything() {
        for values in [vec![], vec![0.0], vec![5.0], vec![1.0, 1.0]] {
            let scale = Scale::log(values.into_iter());
            assert!(scale.at(0.0) == 0.0 && scale.at(f64::MAX) == 1.0);
            assert!(scale.ticks().len() >= 2, "{scale:?}");
        }
        let around = Scale::log_around([64.0].into_iter());
        assert!(close(around.at(64.0), 0.5));
    }

    #[test]
    fn percentiles_are_spread_by_their_nines() {
        let scale = Scale::percentiles(50_000);
        assert!(close(scale.at(0.0), 0.0));
        assert!(close(scale.at(90.0), 0.2));
        assert!(close(scale.at(99.0), 0.4));
        assert!(close(scale.at(99.9), 0.6));
        assert!(close(scale.at(100.0), 1.0));
        assert_eq!(scale.ticks(), [50.0, 90.0, 99.0, 99.9, 99.99, 99.999]);
        // 100 samples do not say what p99.9 is.
        assert_eq!(Scale::percentiles(100).ticks(), [50.0, 90.0, 99.0]);
        assert_eq!(Scale::percentiles(0).ticks(), [50.0, 90.0]);
    }

    #[test]
    fn linear_starts_at_zero() {
        let scale = Scale::linear(80.0);
        assert!(close(scale.at(20.0), 0.25));
        assert_eq!(scale.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert!(close(Scale::linear(0.0).at(0.0), 0.0));
    }
}

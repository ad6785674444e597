//! Durations of many calls, and what is told of them.

use std::time::Duration;

/// Durations, each of one call.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least `percent` of all do not exceed (nearest rank); zero when
    /// there is none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// p50, p95 and p99 in milliseconds, as cells of a table.
    pub fn cells(&self) -> [String; 3] {
        [50, 95, 99].map(|percent| millis(self.percentile(percent)))
    }
}

/// Milliseconds with about three digits.
pub fn millis(duration: Duration) -> String {
    number(duration.as_secs_f64() * 1e3)
}

/// A number with about three digits.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let of = |count: u64| {
            let mut samples = Samples::default();
            (1..=count).rev().for_each(|ms| samples.push(Duration::from_millis(ms)));
            [50, 95, 99].map(|percent| samples.percentile(percent).as_millis())
        };
        assert_eq!(of(100), [50, 95, 99]);
        assert_eq!(of(10), [5, 10, 10]);
        assert_eq!(of(1), [1, 1, 1]);
        assert_eq!(of(0), [0, 0, 0]);
    }

    #[test]
    fn numbers_have_about_three_digits() {
        assert_eq!([0.1234, 1.234, 12.34, 123.4, 1234.0].map(number), ["0.123", "1.23", "12.3", "123", "1234"]);
    }
}

//! Durations in classes, from which percentiles are told.
//!
//! Each doubling is divided in four equal parts, so that a class is at most a quarter wider than it
//! begins and a percentile is told at most that far from the call that it is of. Counts in classes add up:
//! those of minutes to those of hours, those of tools to those of servers.

/// Parts of a doubling.
const PARTS: u64 = 4;

/// The class of a duration in microseconds. Longer ones have greater classes.
pub fn class(duration_us: u64) -> i32 {
    if duration_us < PARTS {
        return i32::try_from(duration_us).unwrap_or(i32::MAX);
    }
    let doublings = duration_us.ilog2();
    let part = (duration_us >> (doublings - PARTS.ilog2())) - PARTS;
    // At most 63 doublings.
    i32::try_from(u64::from(doublings - 1) * PARTS + part).unwrap_or(i32::MAX)
}

/// Where a class begins, in microseconds.
fn start(class: i32) -> u64 {
    let class = u64::try_from(class).unwrap_or(0);
    if class < PARTS {
        return class;
    }
    let (doublings, part) = (class / PARTS + 1, class % PARTS);
    let shift = u32::try_from(doublings).unwrap_or(u32::MAX) - PARTS.ilog2();
    (PARTS + part).checked_shl(shift).filter(|value| value >> shift == PARTS + part).unwrap_or(u64::MAX)
}

/// How many calls there were of each class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(std::collections::BTreeMap<i32, u64>);

impl Histogram {
    pub fn add(&mut self, class: i32, calls: u64) {
        *self.0.entry(class).or_default() += calls;
    }

    /// Adds the calls of another one.
    pub fn merge(&mut self, other: &Self) {
        for (class, calls) in &other.0 {
            self.add(*class, *calls);
        }
    }

    /// The duration in microseconds that `percent` of all calls do not exceed, by nearest rank and
    /// as if the calls of a class were spread evenly over it; none without calls.
    pub fn percentile_us(&self, percent: u64) -> Option<f64> {
        let calls: u64 = self.0.values().sum();
        let rank = calls.saturating_mul(percent).div_ceil(100).max(1);
        let mut below = 0;
        for (class, count) in &self.0 {
            if below + count >= rank {
                let (from, to) = (start(*class) as f64, start(class.saturating_add(1)) as f64);
                let share = ((rank - below) as f64 - 0.5) / *count as f64;
                return Some(from + (to - from) * share);
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_follow_each_other_without_a_gap() {
        let mut last = -1;
        for us in 0..100_000 {
            let now = class(us);
            assert!(now == last || now == last + 1, "{us}: {last} {now}");
            if now > last {
                assert_eq!(start(now), us);
            }
            last = now;
        }
        assert_eq!(class(u64::MAX), 251);
        assert_eq!(start(252), u64::MAX);
    }

    #[test]
    fn percentiles_are_near_those_of_the_calls_themselves() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile_us(50), None);
        (1..=10_000).for_each(|us| histogram.add(class(us), 1));
        for percent in [1, 50, 95, 99, 100] {
            let exact = percent as f64 * 100.0;
            let told = histogram.percentile_us(percent).expect("there are calls");
            assert!((told - exact).abs() / exact < 0.05, "{percent}: {told}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_lies_in_its_class_and_the_class_is_narrow(us: u64) {
            let class = class(us);
            prop_assert!(start(class) <= us);
            prop_assert!(us < start(class + 1) || start(class + 1) == u64::MAX);
            prop_assert!(start(class + 1) - start(class) <= (start(class) / 4).max(1).saturating_add(1));
        }
    }
}

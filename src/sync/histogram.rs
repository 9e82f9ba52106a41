//! Histograms over the bounds that metrics show.

use super::{Histogram, Status};
use crate::apic::{BOUNDS, Latency};

impl Histogram {
    /// Counts something that took `seconds`.
    pub(super) fn observe(&mut self, seconds: f64) {
        self.add(seconds, 1);
        self.sum += seconds;
    }

    /// What a client counted, whose bounds are finer.
    pub(super) fn of(latency: &Latency) -> Self {
        let mut histogram = Self { sum: latency.sum.as_secs_f64(), ..Self::default() };
        for (at, count) in latency.counts.iter().enumerate() {
            histogram.add(BOUNDS.get(at).copied().unwrap_or(f64::INFINITY), *count);
        }
        histogram
    }

    fn add(&mut self, seconds: f64, count: u64) {
        let class = Status::BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(bucket) = class.and_then(|class| self.buckets.get_mut(class)) {
            *bucket += count;
        }
        self.count += count;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::apic::Operation;

    #[test]
    fn what_is_longer_than_all_bounds_is_counted_and_in_no_bucket() {
        let mut histogram = Histogram::default();
        for seconds in [0.1, 0.11, 299.0, 301.0] {
            histogram.observe(seconds);
        }
        assert_eq!((histogram.buckets[0], histogram.buckets[1], histogram.buckets[9]), (1, 1, 1));
        assert_eq!(histogram.count, 4);
        assert!((histogram.sum - 600.21).abs() < 1e-9);
    }

    #[test]
    fn finer_bounds_fall_into_the_next_coarser_one() {
        let mut counts = [0; BOUNDS.len() + 1];
        (counts[0], counts[4], counts[BOUNDS.len() - 1], counts[BOUNDS.len()]) = (1, 2, 4, 8);
        let latency = Latency { operation: Operation::Read, counts, sum: Duration::from_secs(9) };
        let histogram = Histogram::of(&latency);
        assert_eq!((histogram.buckets[0], histogram.buckets[8], histogram.count), (3, 4, 15));
        assert_eq!(histogram.buckets.iter().sum::<u64>(), 7);
    }
}

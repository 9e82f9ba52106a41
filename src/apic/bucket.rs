//! A token bucket: so many requests a second, so many at once after a pause.

use std::time::Duration;

use crate::time::Timestamp;

/// A token, as micro-tokens.
const TOKEN: u64 = 1_000_000;

/// What may leave now.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Tokens a second, which are micro-tokens a microsecond.
    rate: u64,
    capacity: u64,
    level: u64,
    filled: Timestamp,
    /// Nothing leaves before.
    closed_until: Timestamp,
}

impl Bucket {
    /// A full one. Both are at least one.
    pub(super) fn new(per_second: u32, burst: u32, now: Timestamp) -> Self {
        let capacity = u64::from(burst.max(1)) * TOKEN;
        Self {
            rate: u64::from(per_second.max(1)),
            capacity,
            level: capacity,
            filled: now,
            closed_until: Timestamp::default(),
        }
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        let passed = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_add(passed.saturating_mul(self.rate)).min(self.capacity);
        self.filled = self.filled.max(now);
        if self.closed_until > now {
            return Err(self.closed_until.since(now));
        }
        if self.level < TOKEN {
            return Err(Duration::from_micros((TOKEN - self.level).div_ceil(self.rate)));
        }
        self.level -= TOKEN;
        Ok(())
    }

    /// Nothing leaves before `until`, as who answers asked for.
    pub(super) fn close(&mut self, until: Timestamp) {
        self.closed_until = self.closed_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    /// Takes whatever is there, each millisecond.
    fn taken(bucket: &mut Bucket, millis: std::ops::Range<u64>) -> usize {
        millis.map(|now| std::iter::from_fn(|| bucket.take(at(now)).ok()).count()).sum()
    }

    #[test]
    fn lets_a_burst_pass_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 20, at(0));
        assert_eq!(taken(&mut bucket, 0..1), 20);
        assert_eq!(taken(&mut bucket, 1..10_001), 100);
    }

    #[test]
    fn a_pause_saves_up_a_burst_at_most() {
        let mut bucket = Bucket::new(10, 20, at(0));
        assert_eq!(taken(&mut bucket, 0..1), 20);
        assert_eq!(taken(&mut bucket, 1000..1001), 10);
        assert_eq!(taken(&mut bucket, 3_600_000..3_600_001), 20);
    }

    #[test]
    fn says_exactly_how_long_it_takes() {
        let mut bucket = Bucket::new(3, 1, at(0));
        assert_eq!(bucket.take(at(0)), Ok(()));
        let wait = bucket.take(at(0)).unwrap_err();
        assert!(bucket.take(at(0).after(wait.saturating_sub(Duration::from_micros(1)))).is_err());
        assert_eq!(bucket.take(at(0).after(wait)), Ok(()));
    }

    #[test]
    fn stays_closed_as_long_as_asked() {
        let mut bucket = Bucket::new(10, 20, at(0));
        bucket.close(at(5000));
        bucket.close(at(3000));
        assert_eq!(bucket.take(at(1000)), Err(Duration::from_secs(4)));
        assert_eq!(taken(&mut bucket, 1000..5000), 0);
        assert_eq!(taken(&mut bucket, 5000..5001), 20);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1, 1, at(5000));
        assert_eq!(bucket.take(at(5000)), Ok(()));
        assert!(bucket.take(at(0)).is_err());
        assert!(bucket.take(at(5500)).is_err());
        assert_eq!(bucket.take(at(6000)), Ok(()));
    }
}

//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait, at most.
const FIRST: Duration = Duration::from_secs(1);
/// No wait is longer.
const CAP: Duration = Duration::from_mins(1);

/// Full jitter: each wait is anywhere between nothing and twice what the one before could be, so that many who
/// failed together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    state: u64,
    first: Duration,
    cap: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits of at most one second at first, and a minute at last.
    pub const fn new(seed: u64) -> Self {
        Self::between(seed, FIRST, CAP)
    }

    /// Waits of at most `first` at first, and `cap` at last.
    pub const fn between(seed: u64, first: Duration, cap: Duration) -> Self {
        Self { state: seed, first, cap, attempts: 0 }
    }

    /// How long to wait now.
    pub fn next_wait(&mut self) -> Duration {
        let longest =
            self.first.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX)).min(self.cap);
        self.attempts = self.attempts.saturating_add(1);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.random() % (micros + 1))
    }

    /// After a success the waits are short again.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The generator `SplitMix64`: a wait needs no better chance.
    const fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_spread_over_twice_the_range_each_time_up_to_the_cap() {
        for attempt in 0..100 {
            let bound = FIRST.saturating_mul(1 << attempt.min(6)).min(CAP);
            let waits: Vec<_> = (0..200_u64)
                .map(|seed| {
                    let mut backoff = Backoff::new(seed);
                    for _ in 0..attempt {
                        backoff.next_wait();
                    }
                    backoff.next_wait()
                })
                .collect();
            assert!(waits.iter().all(|wait| *wait <= bound), "attempt {attempt}");
            assert!(waits.iter().any(|wait| *wait > bound.mul_f64(0.9)), "attempt {attempt}");
            assert!(waits.iter().any(|wait| *wait < bound.mul_f64(0.1)), "attempt {attempt}");
        }
    }

    #[test]
    fn starts_over_after_a_success() {
        let mut backoff = Backoff::new(7);
        for _ in 0..20 {
            backoff.next_wait();
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn two_seeds_wait_differently_and_one_the_same() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            [backoff.next_wait(), backoff.next_wait()]
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}

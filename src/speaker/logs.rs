//! Keeps one peer from filling the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Timestamp;

/// Lines that may come at once.
const BURST: u32 = 10;
/// How long it takes until another line may come.
const INTERVAL: Duration = Duration::from_secs(10);

/// A token bucket for lines of log.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// When the last token came.
    refilled: Timestamp,
    suppressed: u64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { tokens: BURST, refilled: Timestamp::default(), suppressed: 0 }
    }
}

impl Budget {
    /// Whether a line may be written at `now`, and if so, how many were not since the last one.
    pub(super) fn take(&self, now: Timestamp) -> Option<u64> {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let intervals = now.since(bucket.refilled).as_secs() / INTERVAL.as_secs();
        if intervals > 0 {
            let tokens = u32::try_from(intervals).unwrap_or(BURST);
            bucket.tokens = bucket.tokens.saturating_add(tokens).min(BURST);
            bucket.refilled = now;
        }
        if let Some(left) = bucket.tokens.checked_sub(1) {
            bucket.tokens = left;
            Some(std::mem::take(&mut bucket.suppressed))
        } else {
            bucket.suppressed = bucket.suppressed.saturating_add(1);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_line_an_interval_that_says_what_was_left_out() {
        let budget = Budget::default();
        let start = Timestamp::from_micros(1_000_000_000_000);
        assert_eq!((0..50).filter(|_| budget.take(start).is_some()).count(), 10);
        assert_eq!(budget.take(start.after(INTERVAL)), Some(40));
        assert_eq!(budget.take(start.after(INTERVAL)), None);
        assert_eq!(budget.take(start.after(INTERVAL * 2)), Some(1));
    }
}

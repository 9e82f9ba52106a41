//! How long a Calico node waits for what.

use std::time::Duration;

/// The timers of a node's BIRD, as Calico configures them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// From start, or from the end of a session, to the next dial.
    pub connect_delay: Duration,
    /// How long a dial may take.
    pub connect_retry: Duration,
    /// From an error to the next dial; doubles with every further one that is not forgotten...
    pub error_wait: Duration,
    /// ...up to this.
    pub error_wait_max: Duration,
    /// How long an error is remembered.
    pub error_forget: Duration,
    /// How long a restarted daemon waits for the End-of-RIB of all its peers before it announces anything.
    pub recovery_wait: Duration,
    /// How long it takes to notice that there is nothing left to wait for.
    pub recovery_end: Duration,
}

impl Timers {
    /// As measured on a node.
    pub const BIRD: Self = Self {
        connect_delay: Duration::from_secs(2),
        connect_retry: Duration::from_secs(5),
        error_wait: Duration::from_secs(5),
        error_wait_max: Duration::from_secs(30),
        error_forget: Duration::from_mins(5),
        recovery_wait: Duration::from_mins(4),
        recovery_end: Duration::from_secs(1),
    };

    /// The same story `times` as fast.
    #[must_use]
    pub fn faster(self, times: u32) -> Self {
        let times = times.max(1);
        Self {
            connect_delay: self.connect_delay / times,
            connect_retry: self.connect_retry / times,
            error_wait: self.error_wait / times,
            error_wait_max: self.error_wait_max / times,
            error_forget: self.error_forget / times,
            recovery_wait: self.recovery_wait / times,
            recovery_end: self.recovery_end / times,
        }
    }

    /// The wait after the given number of errors in a row.
    pub(super) fn after_errors(&self, errors: u32) -> Duration {
        let doubled = self.error_wait.saturating_mul(1 << errors.saturating_sub(1).min(16));
        doubled.min(self.error_wait_max)
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::BIRD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_double_the_wait_up_to_its_bound() {
        let waits: Vec<u64> = (1..=6).map(|errors| Timers::BIRD.after_errors(errors).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 30, 30, 30]);
    }

    #[test]
    fn faster_divides_every_timer() {
        let fast = Timers::BIRD.faster(20);
        assert_eq!(fast.connect_delay, Duration::from_millis(100));
        assert_eq!(fast.recovery_wait, Duration::from_secs(12));
        assert_eq!(Timers::BIRD.faster(0), Timers::BIRD);
    }
}

//! The timers of all connections fire together, so that one wake-up of the machine serves many of them.

use std::time::Duration;

use crate::time::Timestamp;

/// How far apart they fire: no timer is this much late.
const BEAT: Duration = Duration::from_micros(31_250);

/// The first beat from `due` on.
pub(super) fn from(due: Timestamp) -> Timestamp {
    let beat = u64::try_from(BEAT.as_micros()).unwrap_or(1);
    Timestamp::from_micros(due.as_micros().checked_next_multiple_of(beat).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_together_never_early_and_hardly_late() {
        let second = Timestamp::from_micros(1_000_000);
        assert_eq!(from(second), second, "a keepalive time is so many beats");
        let later = second.after(Duration::from_micros(1));
        let next = second.after(BEAT);
        assert_eq!((from(later), from(next)), (next, next));
        assert_eq!(from(Timestamp::from_micros(u64::MAX)), Timestamp::from_micros(u64::MAX));
    }
}

//! The timers of one session: a table of deadlines, so that the shell needs one clock for all.

use std::time::Duration;

use crate::time::Timestamp;

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The peer's OPEN.
    Open,
    /// Any KEEPALIVE or UPDATE (RFC 4271, 4.4).
    Hold,
    /// The moment to send our KEEPALIVE.
    Keepalive,
    /// The peer taking what we send (RFC 9687).
    SendHold,
}

impl Timer {
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::Hold, Self::Keepalive, Self::SendHold];
}

/// A deadline for each [`Timer`] that runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers([Option<Timestamp>; Timer::ALL.len()]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Timestamp) {
        self.put(timer, Some(deadline));
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.put(timer, None);
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.deadline(timer).is_some()
    }

    pub(crate) fn expired(&self, timer: Timer, now: Timestamp) -> bool {
        self.deadline(timer).is_some_and(|deadline| deadline <= now)
    }

    /// How long it is until the deadline of a timer that runs.
    pub(crate) fn left(&self, timer: Timer, now: Timestamp) -> Option<Duration> {
        self.deadline(timer).map(|deadline| deadline.since(now))
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.iter().flatten().min().copied()
    }

    fn deadline(&self, timer: Timer) -> Option<Timestamp> {
        self.0.get(timer as usize).copied().flatten()
    }

    fn put(&mut self, timer: Timer, deadline: Option<Timestamp>) {
        if let Some(place) = self.0.get_mut(timer as usize) {
            *place = deadline;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_comes_first() {
        let at = Timestamp::from_micros;
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);

        timers.set(Timer::Hold, at(30));
        timers.set(Timer::Keepalive, at(10));
        assert_eq!(timers.next(), Some(at(10)));
        assert!(timers.expired(Timer::Keepalive, at(10)));
        assert!(!timers.expired(Timer::Keepalive, at(9)));
        assert_eq!(timers.left(Timer::Hold, at(10)), Some(Duration::from_micros(20)));
        assert_eq!(timers.left(Timer::Hold, at(40)), Some(Duration::ZERO));
        assert_eq!(timers.left(Timer::Open, at(10)), None);

        timers.stop(Timer::Keepalive);
        assert_eq!(timers.next(), Some(at(30)));
        assert!(timers.is_set(Timer::Hold) && !timers.is_set(Timer::Keepalive));
    }
}

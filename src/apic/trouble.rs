//! What goes wrong at a time is told once, however often it is tried.

use std::time::Duration;

use crate::time::Timestamp;

/// So many failures in a row last; fewer pass by themselves.
const LASTING: u32 = 3;

/// What has gone wrong since the APIC last answered.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    since: Option<Timestamp>,
    failures: u32,
    told: Vec<&'static str>,
}

impl Troubles {
    /// One more of a kind; whether somebody should be told.
    pub(super) fn add(&mut self, kind: &'static str, now: Timestamp) -> bool {
        self.since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        let lasts = self.failures >= LASTING || matches!(kind, "certificate" | "bad_credentials");
        let tell = lasts && !self.told.contains(&kind);
        if tell {
            self.told.push(kind);
        }
        tell
    }

    /// An answer; how long there was none, if somebody was told.
    pub(super) fn end(&mut self, now: Timestamp) -> Option<Duration> {
        let ended = std::mem::take(self);
        ended.since.filter(|_| !ended.told.is_empty()).map(|since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn tells_once_what_lasts_and_that_it_is_over() {
        let mut troubles = Troubles::default();
        let told: Vec<_> = (0..10).map(|now| troubles.add("connection", at(now))).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(told[2]);
        assert_eq!(troubles.end(at(60)), Some(Duration::from_mins(1)));
        assert_eq!(troubles.end(at(61)), None);
    }

    #[test]
    fn a_failure_that_passes_is_not_told() {
        let mut troubles = Troubles::default();
        for now in 0..10 {
            assert!(!troubles.add("throttled", at(now)));
            assert_eq!(troubles.end(at(now)), None);
        }
    }

    #[test]
    fn what_needs_a_human_is_told_at_once_and_each_kind_by_itself() {
        let mut troubles = Troubles::default();
        assert!(troubles.add("certificate", at(0)));
        assert!(troubles.add("bad_credentials", at(0)));
        assert!(troubles.add("connection", at(0)));
        assert!(!troubles.add("certificate", at(0)));
    }
}

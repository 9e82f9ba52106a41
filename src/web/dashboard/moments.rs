//! How many routes there were, and how much changed: a few numbers every few seconds, so that the page can draw the
//! last hours.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::journal;
use crate::observer::Snapshot;
use crate::time::Timestamp;
use crate::web::Shared;

/// How it was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    /// Routes held.
    pub(super) routes: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// Prefixes announced or withdrawn since the moment before.
    pub(super) changes: u64,
    /// Events since the moment before.
    pub(super) events: u64,
}

/// Moments that are kept.
const KEPT: usize = 360;
/// Between two moments at first.
const CLOSEST: Duration = Duration::from_secs(5);
/// Between two moments at last: together they reach back six hours.
const FARTHEST: Duration = Duration::from_mins(1);

/// How far back what was written down is of interest.
const REACH: Duration = Duration::from_hours(6);

/// The last moments. They start close to each other; when there is no room for more, every second one goes, until they
/// are a minute apart: then the oldest goes.
#[derive(Debug, Default)]
pub(in crate::web) struct Moments(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    apart: Duration,
    kept: VecDeque<Moment>,
    /// Counters at the last moment.
    changes: u64,
    events: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Self { apart: CLOSEST, kept: VecDeque::new(), changes: 0, events: 0 }
    }
}

impl Moments {
    /// All, the oldest first.
    pub(super) fn all(&self) -> Vec<Moment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).kept.iter().copied().collect()
    }

    /// What was written down before our start.
    fn recall(&self, before: Vec<journal::Moment>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recall(before);
    }

    /// Takes down how it is; answers after how long to come again.
    fn take(&self, snapshot: &Snapshot, events: u64) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(snapshot, events)
    }
}

impl Ring {
    fn take(&mut self, snapshot: &Snapshot, events: u64) -> Duration {
        let of = |counters: &[u64; 2]| counters.iter().sum::<u64>();
        let changes: u64 = snapshot.peers.iter().map(|peer| of(&peer.announced) + of(&peer.withdrawn)).sum();
        let routes = &snapshot.summary.routes;
        // Counters shrink when a peer is forgotten.
        self.push(Moment {
            at: snapshot.at,
            routes: routes.total,
            accepted: routes.accepted,
            rejected: routes.rejected,
            changes: changes.saturating_sub(self.changes),
            events: events.saturating_sub(self.events),
        });
        (self.changes, self.events) = (changes, events);
        self.apart
    }

    /// They are a minute apart, and so are those that follow.
    fn recall(&mut self, before: Vec<journal::Moment>) {
        for journal::Moment { at, accepted, rejected, changes, events } in before {
            self.apart = FARTHEST;
            self.push(Moment { at, routes: accepted + rejected, accepted, rejected, changes, events });
        }
    }

    fn push(&mut self, moment: Moment) {
        if self.kept.len() == KEPT && self.apart < FARTHEST {
            self.thin();
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(moment);
    }

    /// Keeps every second one, with what happened since the one before.
    fn thin(&mut self) {
        let pairs = self.kept.make_contiguous().chunks(2).filter_map(|pair| {
            let (last, before) = pair.split_last()?;
            let sum = |of: fn(&Moment) -> u64| of(last) + before.iter().map(of).sum::<u64>();
            Some(Moment {
                changes: sum(|moment| moment.changes),
                events: sum(|moment| moment.events),
                ..*last
            })
        });
        self.kept = pairs.collect();
        self.apart = (self.apart * 2).min(FARTHEST);
    }
}

/// Looks again and again until the server stops. An observer that does not answer is asked later.
pub(in crate::web) async fn watch(shared: Arc<Shared>) {
    let mut stop = shared.app.stop.clone();
    let mut apart = CLOSEST;
    if let Some(journal) = &shared.app.journal {
        let since = shared.app.clock.now().before(REACH);
        match journal.ask(move |reader| reader.moments(since)).await {
            Ok(before) => shared.moments.recall(before),
            Err(trouble) => tracing::debug!("the journal does not say how it was: {trouble}"),
        }
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(apart) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Ok(snapshot) = shared.snapshot().await {
            apart = shared.moments.take(&snapshot, shared.app.observer.events().last());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: u64) -> Moment {
        Moment { at: Timestamp::from_micros(second * 1_000_000), changes: 1, events: 2, ..Moment::default() }
    }

    #[test]
    fn hours_fit_and_nothing_that_happened_is_lost_while_they_do() {
        let mut ring = Ring::default();
        let (mut second, mut told) = (0, 0);
        while ring.apart < FARTHEST {
            ring.push(moment(second));
            (second, told) = (second + ring.apart.as_secs(), told + 1);
            assert!(ring.kept.len() <= KEPT);
            let sum: u64 = ring.kept.iter().map(|moment| moment.changes).sum();
            assert_eq!(sum, told);
        }
        for _ in 0..2 * KEPT {
            second += 60;
            ring.push(moment(second));
        }
        let (first, last) = (ring.kept.front().unwrap().at, ring.kept.back().unwrap().at);
        assert_eq!((ring.kept.len(), last.as_secs()), (KEPT, second));
        assert_eq!(last.since(first), FARTHEST * (u32::try_from(KEPT).unwrap() - 1));
    }

    #[test]
    fn what_was_written_down_before_comes_first() {
        let mut ring = Ring::default();
        let before = |second: u64| journal::Moment {
            at: Timestamp::from_micros(second * 1_000_000),
            accepted: 7,
            rejected: 2,
            changes: 1,
            events: 3,
        };
        ring.recall((0..400).map(|minute| before(minute * 60)).collect());
        assert_eq!(ring.take(&Snapshot::default(), 7), FARTHEST);
        assert_eq!((ring.kept.len(), ring.kept[0].at.as_secs(), ring.kept[0].routes), (KEPT, 41 * 60, 9));
    }

    #[test]
    fn counters_that_shrink_are_no_changes() {
        let mut ring = Ring::default();
        ring.take(&Snapshot::default(), 7);
        ring.take(&Snapshot::default(), 5);
        assert_eq!(ring.kept.iter().map(|moment| moment.events).collect::<Vec<_>>(), [7, 0]);
    }
}

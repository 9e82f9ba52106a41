//! Racks that go down as a whole, and all racks at once, which is most likely us.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Settings;
use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof};
use super::peers::Peer;
use crate::time::Timestamp;

/// Losses within this time have one cause.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Who is not back so long after the last that came back is down for reasons of his own.
const STRAGGLES: Duration = Duration::from_mins(5);

/// What the peers of one rack, or of all, are doing.
#[derive(Default)]
struct Losses {
    known: usize,
    down: usize,
    /// Lost within the last [`AT_ONCE`], and the first of them.
    lately: usize,
    first: Option<Timestamp>,
    /// When the last of those came that are there.
    came: Option<Timestamp>,
    proofs: Vec<Proof>,
}

impl Losses {
    fn count(&mut self, peer: &Peer, settings: &Settings, now: Timestamp) {
        self.known += 1;
        if let Some(session) = &peer.session {
            self.came = self.came.max(Some(session.since));
            return;
        }
        self.down += 1;
        if let Some(lost) =
            peer.missed_since(settings).filter(|lost| *lost <= now && now.since(*lost) <= AT_ONCE)
        {
            self.lately += 1;
            // Those who were there before our start are missed together, and were lost when they were.
            let lost = peer.remembered.and(peer.since).unwrap_or(lost);
            self.first = Some(self.first.map_or(lost, |first| first.min(lost)));
        }
        if self.proofs.len() <= MAX_PROOFS {
            self.proofs.push(peer.proof(peer.last_error.as_deref().unwrap_or_default().to_owned()));
        }
    }

    /// Four in five of those that were there are lost at once; of one peer alone, `peer_down` says it all. It
    /// is over when no more than one in five is down, or most are back and the others do not follow: those
    /// who are slow to come back must not be told one by one meanwhile.
    fn is_down(&self, was_down: bool, now: Timestamp) -> bool {
        if was_down {
            self.down * 5 > self.known && self.given_up().is_none_or(|due| due > now)
        } else {
            let there = self.known - self.down + self.lately;
            there > 1 && self.lately * 5 >= there * 4
        }
    }

    /// When those who are not back are waited for no longer, if most are.
    fn given_up(&self) -> Option<Timestamp> {
        self.came.filter(|_| self.down * 2 < self.known).map(|came| came.after(STRAGGLES))
    }

    fn fact(&self) -> String {
        format!("{} of {} known peers have no session", self.down, self.known)
    }
}

impl Core {
    /// Looks at what was lost at once.
    pub(super) fn check_racks(&mut self, now: Timestamp) {
        let (racks, all, seen) = self.losses(now);
        self.check_isolation(&all, seen, now);
        let mut down = BTreeSet::new();
        for (cause, rack) in racks {
            if rack.is_down(self.racks_down.contains(&cause), now) {
                down.insert(cause.clone());
                let since = rack.first.unwrap_or(now);
                self.findings.state_since(cause, vec![rack.fact()], rack.proofs, since);
            }
        }
        for cause in self.racks_down.difference(&down) {
            self.findings.clear(cause, now);
        }
        self.racks_down = down;
    }

    /// What is lost of each rack and of all, and how many racks there are of which anybody was ever seen.
    fn losses(&self, now: Timestamp) -> (BTreeMap<Cause, Losses>, Losses, usize) {
        let mut racks: BTreeMap<Cause, Losses> = BTreeMap::new();
        let mut all = Losses::default();
        let mut seen = BTreeSet::new();
        for (_, peer) in self.peers.iter() {
            let cause = Cause::rack_down(peer.place.scope.clone(), peer.place.rack.clone());
            racks.entry(cause).or_default().count(peer, &self.settings, now);
            if peer.was_seen() {
                seen.insert((&peer.place.scope, &peer.place.rack));
                all.count(peer, &self.settings, now);
            }
        }
        (racks, all, seen.len())
    }

    /// When what is down has to be looked at although nothing more is heard.
    pub(super) fn racks_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.racks_down.is_empty() && !self.isolated {
            return None;
        }
        let (racks, all, _) = self.losses(now);
        let down = racks.into_iter().filter(|(cause, _)| self.racks_down.contains(cause));
        let down = down.map(|(_, rack)| rack).chain(self.isolated.then_some(all));
        down.filter_map(|losses| losses.given_up()).min()
    }

    /// Of one rack alone it cannot be told whether it is gone or we are.
    fn check_isolation(&mut self, all: &Losses, racks: usize, now: Timestamp) {
        let cause = Cause::observer_isolated();
        let isolated = (racks > 1 || self.isolated) && all.is_down(self.isolated, now);
        if isolated {
            let since = all.first.unwrap_or(now);
            self.findings.state_since(cause, vec![all.fact()], Vec::new(), since);
        } else if self.isolated {
            self.findings.clear(&cause, now);
        }
        self.findings.blind(isolated);
        self.isolated = isolated;
    }
}

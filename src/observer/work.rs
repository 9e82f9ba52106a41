//! Work that is too much for one go: it is done in slices between batches.

use super::core::Core;
use super::learn::Step;
use super::peers::Peer;
use crate::bgp::Family;
use crate::policy::{Judgement, Reason, Reasons};
use crate::rib::{AttributesId, Key, PeerIndex, Position};
use crate::time::Timestamp;

/// What is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Take out what the peer has of the old generation.
    Sweep {
        /// Whose.
        peer: PeerIndex,
        /// Of which family.
        family: Family,
    },
    /// Judge and compare again what the peer announced.
    Review {
        /// Whose.
        peer: PeerIndex,
        /// Of which family.
        family: Family,
        /// How far it came.
        after: Option<Position>,
    },
    /// Look for pod hosts that their own block holds.
    Pods,
    /// Count what the fabric has to hold.
    Census,
}

/// How many routes a slice looks at.
const SLICE: usize = 1_000;

impl Core {
    /// Whether there is work to be done.
    pub(super) fn has_work(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Does a slice of it.
    pub(super) fn work(&mut self, now: Timestamp) {
        let Some(job) = self.jobs.pop_front() else { return };
        match job {
            Job::Sweep { peer, family } => {
                if !self.sweep(peer, family, SLICE, now) {
                    self.jobs.push_back(job);
                }
            }
            Job::Review { peer, family, after } => {
                if let Some(after) = self.review_slice(peer, family, after, now) {
                    self.jobs.push_back(Job::Review { peer, family, after: Some(after) });
                }
            }
            Job::Census => {
                if !self.take_census(now) {
                    self.jobs.push_back(job);
                }
            }
            Job::Pods => {
                if !self.look_at_pods(now) {
                    self.jobs.push_back(job);
                }
            }
        }
    }

    /// Has all routes of a peer judged and compared again; what was begun for it is begun anew.
    pub(super) fn review(&mut self, at: PeerIndex) {
        self.jobs.retain(|job| !matches!(job, Job::Review { peer, .. } if *peer == at));
        for family in Family::ALL {
            if self.rib.count(at, family) > 0 {
                self.jobs.push_back(Job::Review { peer: at, family, after: None });
            }
        }
    }

    pub(super) fn is_in_review(&self, at: PeerIndex) -> bool {
        self.jobs.iter().any(|job| matches!(job, Job::Review { peer, .. } if *peer == at))
    }

    fn review_slice(
        &mut self,
        at: PeerIndex,
        family: Family,
        after: Option<Position>,
        now: Timestamp,
    ) -> Option<Position> {
        let mut seen = std::mem::take(&mut self.scratch);
        let mut last = None;
        for (position, prefix, path) in self.rib.paths_of(at, family, after).take(SLICE) {
            last = Some(position);
            seen.push((prefix, path));
        }
        let more = seen.len() == SLICE;
        let mut judge = PathJudge(None);
        for (prefix, path) in seen.drain(..) {
            let Some(peer) = self.peers.get(at) else { break };
            if peer.is_lost(family, path.old) {
                continue;
            }
            let Some(terms) = peer.terms.clone() else { break };
            let reasons = judge.ask(path.attributes, || terms.path(self.rib.attributes(path.attributes)));
            let judgement = peer.limited(terms.judge(prefix, reasons), path.judgement);
            let key = Key { prefix, peer: at, path_id: path.path_id };
            self.judge_again(key, path.attributes, path.judgement, judgement, now);
        }
        self.scratch = seen;
        last.filter(|_| more)
    }

    fn judge_again(
        &mut self,
        key: Key,
        attributes: AttributesId,
        before: Judgement,
        after: Judgement,
        now: Timestamp,
    ) {
        if before == after {
            if let Some(accepted) = after.accepted()
                && self.policy.unique(accepted.class())
            {
                self.compare(key.peer, key.prefix, accepted.class());
            }
            return;
        }
        let keeps = |peer: &Peer, reason| peer.keeps_rejected(reason) || peer.keeps_in_place(before, after);
        let Some(peer) = self.peers.get(key.peer) else { return };
        if after.reasons().first().is_none_or(|reason| keeps(peer, reason)) {
            self.rib.set_judgement(key.peer, key.prefix, key.path_id, after);
            self.changed(Step { key, before: Some(before), after: Some(after), attributes }, now);
        } else {
            self.take_out(key, now);
            if let Some(peer) = self.peers.get_mut(key.peer) {
                peer.tally.count_not_kept(Family::of(&key.prefix), after);
            }
            self.touch(key.peer);
        }
    }
}

impl Peer {
    /// What was above the prefix limit stays so while there is no room.
    fn limited(&self, judgement: Judgement, before: Judgement) -> Judgement {
        if before.reasons().contains(Reason::Limit) && self.holds_above_limit() {
            judgement.over_limit()
        } else {
            judgement
        }
    }
}

/// Judges runs of routes with equal attributes once.
struct PathJudge(Option<(AttributesId, Reasons)>);

impl PathJudge {
    fn ask(&mut self, id: AttributesId, judge: impl FnOnce() -> Reasons) -> Reasons {
        match self.0 {
            Some((last, reasons)) if last == id => reasons,
            _ => self.0.insert((id, judge())).1,
        }
    }
}

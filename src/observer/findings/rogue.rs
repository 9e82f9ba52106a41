//! Rejected routes: a finding each while a peer has few, one for all when it has many.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Findings, Key, Proof, Scope, text};
use crate::policy::Reason;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// A peer with more rogue prefixes than this, or with some that are not known, has one finding for all...
const ROLL_UP_ABOVE: u64 = 10;
/// ...until it has had fewer for so long: a leak that swells and shrinks is one and the same.
const UNROLL_AFTER: Duration = Duration::from_mins(1);

/// Who announces a rejected route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcer {
    /// The peer.
    pub peer: PeerId,
    /// Its cluster and VRF.
    pub scope: Scope,
    /// The node behind it.
    pub node: Option<Arc<str>>,
}

/// A rejected route of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rogue {
    /// The prefix.
    pub prefix: IpNet,
    /// The first reason of its rejection.
    pub reason: Reason,
    /// The path identifier (RFC 7911).
    pub path_id: u32,
}

/// The rejected routes of one peer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Routes {
    announcer: Announcer,
    since: BTreeMap<Rogue, Timestamp>,
    /// How many prefixes `since` holds for which reason.
    reasons: BTreeMap<Reason, u64>,
    not_kept: u64,
    rolled_up: bool,
    /// When they fall apart again, if they are few until then.
    unroll: Option<Timestamp>,
}

impl Findings {
    /// A route is rejected, or is now for another reason or in other words. `detail` is asked for a line on
    /// it if it has a finding of its own.
    pub fn rogue(
        &mut self,
        announcer: &Announcer,
        rogue: Rogue,
        detail: impl FnOnce() -> String,
        now: Timestamp,
    ) {
        let peer = &announcer.peer;
        let routes = self.rogues.entry(peer.clone()).or_insert_with(|| Routes::new(announcer));
        routes.announcer.node.clone_from(&announcer.node);
        // Another reason does not make it a younger trouble.
        let former = routes.other_reason(&rogue);
        let since = former.and_then(|former| routes.since.get(&former).copied()).unwrap_or(now);
        let gone = former.filter(|former| routes.remove(*former)).map(|former| routes.key(&former));
        routes.insert(rogue, since);
        if routes.rolled_up {
            self.look_again(peer, now);
        } else if routes.are_many() {
            self.roll_up(peer, now);
        } else {
            let (key, proof) = (routes.key(&rogue), routes.proof(detail()));
            let told = gone.as_ref().is_some_and(|gone| self.stands_told(gone));
            self.replace(&key, proof, since, told, now);
        }
        if let Some(gone) = gone {
            self.remove(&gone, peer, now);
        }
    }

    /// A route that was rejected is withdrawn or accepted.
    pub fn no_rogue(&mut self, peer: &PeerId, rogue: Rogue, now: Timestamp) {
        let Some(routes) = self.rogues.get_mut(peer) else { return };
        if routes.is_last(&rogue) {
            return self.no_rogues(peer, now);
        }
        if !routes.remove(rogue) {
            return;
        }
        if routes.rolled_up {
            self.look_again(peer, now);
        } else {
            let key = routes.key(&rogue);
            self.remove(&key, peer, now);
        }
    }

    /// No route of `peer` is rejected any longer.
    pub fn no_rogues(&mut self, peer: &PeerId, now: Timestamp) {
        let Some(routes) = self.rogues.get(peer) else { return };
        let keys = if routes.rolled_up {
            vec![routes.whole()]
        } else {
            routes.singles().map(|(key, _)| key).collect()
        };
        // They go while their findings can still tell of them.
        for key in keys {
            self.remove(&key, peer, now);
        }
        if let Some(due) = self.rogues.remove(peer).and_then(|routes| routes.unroll) {
            self.unrolls.remove(&(due, peer.clone()));
        }
    }

    /// How many more routes of the peer are rejected than are kept, and hence than were told by
    /// [`Findings::rogue`].
    pub fn rogues_not_kept(&mut self, announcer: &Announcer, not_kept: u64, now: Timestamp) {
        let peer = &announcer.peer;
        if self.rogues.get(peer).map_or(0, |routes| routes.not_kept) == not_kept {
            return;
        }
        let routes = self.rogues.entry(peer.clone()).or_insert_with(|| Routes::new(announcer));
        if not_kept == 0 && routes.since.is_empty() {
            return self.no_rogues(peer, now);
        }
        routes.not_kept = not_kept;
        if routes.rolled_up {
            self.look_again(peer, now);
        } else {
            self.roll_up(peer, now);
        }
    }

    /// Prefixes of `peer` that are rejected for one of these reasons, at most `limit`, and no hosts.
    pub(in crate::observer) fn rejected(
        &self,
        peer: &PeerId,
        reasons: &[Reason],
        limit: usize,
    ) -> Vec<IpNet> {
        self.rogues.get(peer).map(|routes| routes.prefixes(reasons, limit)).unwrap_or_default()
    }

    /// One finding takes the place of many: it comes before they go, and it is as old as the oldest.
    fn roll_up(&mut self, peer: &PeerId, now: Timestamp) {
        let Some(routes) = self.rogues.get_mut(peer) else { return };
        routes.rolled_up = true;
        let keys: Vec<_> = routes.singles().map(|(key, _)| key).collect();
        let since = routes.since.values().copied().min().unwrap_or(now);
        let (key, proof) = (routes.whole(), routes.proof(String::new()));
        let told = keys.iter().any(|key| self.stands_told(key));
        self.replace(&key, proof, since, told, now);
        for key in keys {
            self.remove(&key, peer, now);
        }
    }

    /// Something changed in the routes of a peer that has one finding for all.
    fn look_again(&mut self, peer: &PeerId, now: Timestamp) {
        self.revision += 1;
        let Some(routes) = self.rogues.get_mut(peer) else { return };
        self.unexplained.extend(self.numbers.get(&routes.whole()));
        if routes.total() == 0 {
            return self.no_rogues(peer, now);
        }
        let unroll = (!routes.are_many()).then(|| routes.unroll.unwrap_or(now.after(UNROLL_AFTER)));
        let former = std::mem::replace(&mut routes.unroll, unroll);
        if former != unroll {
            self.unrolls.extend(unroll.map(|due| (due, peer.clone())));
            if let Some(former) = former {
                self.unrolls.remove(&(former, peer.clone()));
            }
        }
    }

    /// Has those fall apart whose time it is. To be called before it is asked what explains their parts.
    pub(in crate::observer) fn unroll_due(&mut self, now: Timestamp) {
        while self.unrolls.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, peer)) = self.unrolls.pop_first()
        {
            self.unroll(&peer, now);
        }
    }

    /// The other way round: few were left for long enough.
    fn unroll(&mut self, peer: &PeerId, now: Timestamp) {
        let Some(routes) = self.rogues.get_mut(peer) else { return };
        let singles: Vec<_> = routes.singles().collect();
        let (whole, proof) = (routes.whole(), routes.proof(String::new()));
        routes.unroll = None;
        // What everybody was told of as one ends as one.
        let told = self.stands_told(&whole);
        let Some(routes) = self.rogues.get_mut(peer).filter(|_| !told) else { return };
        routes.rolled_up = false;
        for (key, since) in singles {
            self.replace(&key, proof.clone(), since, told, now);
        }
        self.remove(&whole, peer, now);
    }

    /// What takes the place of something that was told must be told before that goes; whatever else there is
    /// may have to be explained first.
    fn replace(&mut self, key: &Key, proof: Proof, since: Timestamp, told: bool, now: Timestamp) {
        self.add_since(key.clone(), proof, since);
        if let Some(&number) = self.numbers.get(key).filter(|_| told) {
            self.fall_due(number, now);
        }
    }
}

impl Routes {
    fn new(announcer: &Announcer) -> Self {
        Self {
            announcer: announcer.clone(),
            since: BTreeMap::new(),
            reasons: BTreeMap::new(),
            not_kept: 0,
            rolled_up: false,
            unroll: None,
        }
    }

    /// How many there are, kept or not.
    pub(super) fn total(&self) -> u64 {
        self.reasons.values().sum::<u64>().saturating_add(self.not_kept)
    }

    /// Whether nothing else of the peer is rejected.
    fn is_last(&self, rogue: &Rogue) -> bool {
        self.not_kept == 0 && self.since.len() == 1 && self.since.contains_key(rogue)
    }

    fn are_many(&self) -> bool {
        self.not_kept > 0 || self.total() > ROLL_UP_ABOVE
    }

    /// How many there are for which reason.
    pub(super) fn reasons(&self) -> String {
        let kept = self.reasons.iter().map(|(reason, count)| format!("{count} {reason}"));
        let not_kept = (self.not_kept > 0).then(|| format!("{} not kept", self.not_kept));
        kept.chain(not_kept).collect::<Vec<_>>().join(", ")
    }

    /// For which reasons they are rejected; none if some are not kept, and their reasons not known.
    pub(super) fn all_reasons(&self) -> Option<impl Iterator<Item = Reason>> {
        (self.not_kept == 0).then(|| self.reasons.keys().copied())
    }

    /// The prefixes rejected for one of these reasons, at most `limit`, and no hosts.
    fn prefixes(&self, reasons: &[Reason], limit: usize) -> Vec<IpNet> {
        if !reasons.iter().any(|reason| self.reasons.contains_key(reason)) {
            return Vec::new();
        }
        let is_host = |prefix: &IpNet| prefix.prefix_len() == prefix.max_prefix_len();
        let rogues =
            self.since.keys().filter(|rogue| reasons.contains(&rogue.reason) && !is_host(&rogue.prefix));
        rogues.map(|rogue| rogue.prefix).take(limit).collect()
    }

    /// Some of them, one a line.
    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.distinct().map(|(rogue, _)| format!("{}: {}", rogue.prefix, rogue.reason));
        text::bounded(lines, self.total())
    }

    fn insert(&mut self, rogue: Rogue, since: Timestamp) {
        if !self.has(&rogue) {
            *self.reasons.entry(rogue.reason).or_default() += 1;
        }
        self.since.entry(rogue).or_insert(since);
    }

    /// Whether this prefix is no longer rejected for this reason.
    fn remove(&mut self, rogue: Rogue) -> bool {
        let gone = self.since.remove(&rogue).is_some() && !self.has(&rogue);
        if gone && let Entry::Occupied(mut count) = self.reasons.entry(rogue.reason) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
        gone
    }

    /// The same path as it was rejected for another reason.
    fn other_reason(&self, rogue: &Rogue) -> Option<Rogue> {
        let others = self.reasons.keys().filter(|reason| **reason != rogue.reason);
        others.map(|reason| Rogue { reason: *reason, ..*rogue }).find(|other| self.since.contains_key(other))
    }

    /// Whether any path of this prefix is rejected for this reason.
    fn has(&self, rogue: &Rogue) -> bool {
        let (first, last) = (Rogue { path_id: 0, ..*rogue }, Rogue { path_id: u32::MAX, ..*rogue });
        self.since.range(first..=last).next().is_some()
    }

    /// One path of each prefix and reason, and since when it is rejected.
    fn distinct(&self) -> impl Iterator<Item = (&Rogue, Timestamp)> {
        let mut last = None;
        self.since.iter().filter_map(move |(rogue, since)| {
            let new = last.replace((rogue.prefix, rogue.reason)) != Some((rogue.prefix, rogue.reason));
            new.then_some((rogue, *since))
        })
    }

    fn singles(&self) -> impl Iterator<Item = (Key, Timestamp)> {
        self.distinct().map(|(rogue, since)| (self.key(rogue), since))
    }

    fn key(&self, rogue: &Rogue) -> Key {
        Key::rogue_route(self.announcer.scope.clone(), rogue.reason, rogue.prefix)
    }

    fn whole(&self) -> Key {
        Key::rogue_peer(self.announcer.scope.clone(), self.announcer.peer.clone())
    }

    fn proof(&self, text: String) -> Proof {
        Proof {
            peer: self.announcer.peer.clone(),
            node: self.announcer.node.clone(),
            cluster: Arc::clone(&self.announcer.scope.cluster),
            text,
        }
    }
}

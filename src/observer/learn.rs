//! Learning: what a peer announces and withdraws, judged and kept.

use ipnet::IpNet;

use super::Command;
use super::core::Core;
use super::findings::Rogue;
use super::peers::{Peer, answers};
use crate::bgp::attribute::Set;
use crate::bgp::batch::{Batch, Item};
use crate::bgp::{Family, Nlri};
use crate::config::model::LimitAction;
use crate::policy::{Class, Judgement, Reason};
use crate::rib::{AttributesId, Change, Key, Path, PeerIndex};
use crate::speaker::SessionId;
use crate::time::Timestamp;

/// Octets by which the attributes of all routes of a peer may be larger than usual. Who sends long messages
/// could else have us keep 64 KiB with each route.
pub(super) const LUGGAGE: u64 = 8 * 1024 * 1024;
/// How many routes of a peer that are transit by design are kept to be shown: they are all alike. Whoever
/// keeps every rejected route keeps every one of these.
const NOTED_KEPT: u64 = 100;
/// Characters of an AS path that a proof tells. A path may fill a message, and proofs are kept for a day.
const TOLD: usize = 200;

/// What became of the judgement on one path: `None` before it came and after it went.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) key: Key,
    pub(super) before: Option<Judgement>,
    pub(super) after: Option<Judgement>,
    /// The attributes of `after`, or else of `before`.
    pub(super) attributes: AttributesId,
}

impl Core {
    /// Takes in what was read from a session.
    pub(super) fn routes(&mut self, session: SessionId, batch: &Batch, now: Timestamp) {
        // Whatever comes from a session that was replaced is void.
        let Some(at) = self.peers.of_session(session) else { return };
        for item in batch.items() {
            match item {
                Item::Announce(nlri, set) => self.announced(at, nlri, set, now),
                Item::Withdraw(nlri) => self.withdrawn(at, nlri, now),
                Item::EndOfRib(family) => self.end_of_rib(at, family),
                Item::BeginRefresh(family) => self.begin_refresh(at, family, now),
                Item::EndRefresh(family) => self.end_refresh(at, family),
            }
        }
    }

    fn announced(&mut self, at: PeerIndex, nlri: Nlri<'_>, set: Set<'_>, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let (Some(terms), Some(session)) = (peer.terms.clone(), &mut peer.session) else { return };
        if session.condemned {
            return;
        }
        let first = !std::mem::replace(&mut session.spoke, true);
        let path = terms.path(set);
        let attributes = self.rib.intern(set);
        self.rib.prefetch(at, nlri.family(), nlri);
        let silent = self.is_silent(at, nlri.family());
        for (path_id, prefix) in nlri {
            let key = Key { prefix, peer: at, path_id };
            if silent {
                self.spoke_of(key, now);
            }
            self.learn(key, attributes, terms.judge(prefix, path), now);
        }
        self.rib.release(attributes);
        if first {
            self.touch(at);
        }
        self.enforce_limit(at, now);
    }

    /// Every announcement, kept or not, replaces the former route of its key.
    fn learn(&mut self, key: Key, attributes: AttributesId, judgement: Judgement, now: Timestamp) {
        let Some(peer) = self.peers.get(key.peer) else { return };
        let only_one = judgement.reasons().first().is_some_and(|reason| peer.tally.rejected_for(reason) == 0);
        if !only_one && self.is_too_heavy(key, attributes) {
            return self.leave_out(key, judgement, now);
        }
        let full = peer.holds_above_limit() && !self.is_admitted(peer, key);
        let judgement = if full { judgement.over_limit() } else { judgement };
        match judgement.reasons().first() {
            Some(reason) if !peer.keeps_rejected(reason) => {
                self.learn_not_kept(key, attributes, judgement, now);
            }
            _ => self.put(key, attributes, judgement, now),
        }
    }

    /// A rejected route above the budget takes the place of a rejected one with its key, unless that was
    /// kept for being the only one of its reason; else it is counted.
    fn learn_not_kept(&mut self, key: Key, attributes: AttributesId, judgement: Judgement, now: Timestamp) {
        let family = Family::of(&key.prefix);
        let former = self.rib.get(key.peer, key.prefix, key.path_id);
        let former = former
            .filter(|path| self.peers.get(key.peer).is_some_and(|peer| !peer.is_lost(family, path.old)));
        let peer = self.peers.get(key.peer);
        let replaces =
            |former: Path| peer.is_some_and(|peer| peer.keeps_in_place(former.judgement, judgement));
        if former.is_some_and(replaces) {
            return self.put(key, attributes, judgement, now);
        }
        self.leave_out(key, judgement, now);
    }

    /// Counts a route that is not kept, which replaces what there was all the same.
    fn leave_out(&mut self, key: Key, judgement: Judgement, now: Timestamp) {
        let family = Family::of(&key.prefix);
        self.take_out(key, now);
        if let Some(peer) = self.peers.get_mut(key.peer) {
            peer.tally.count_not_kept(family, judgement);
            *peer.tally.announced.of_mut(family) += 1;
        }
        self.touch(key.peer);
    }

    /// Whether a route has larger attributes than usual, and the peer has too many of that kind.
    fn is_too_heavy(&self, key: Key, attributes: AttributesId) -> bool {
        let more = self.rib.luggage_of(attributes);
        more > 0 && {
            let former = self.rib.get(key.peer, key.prefix, key.path_id);
            let less = former.map_or(0, |path| self.rib.luggage_of(path.attributes));
            self.rib.luggage(key.peer) + more > LUGGAGE + less
        }
    }

    fn put(&mut self, key: Key, attributes: AttributesId, judgement: Judgement, now: Timestamp) {
        let family = Family::of(&key.prefix);
        let change = self.rib.announce(key.peer, key.prefix, key.path_id, attributes, judgement, now);
        let Some(peer) = self.peers.get_mut(key.peer) else { return };
        let before = match change {
            // BIRD sends everything again after a change of its filters: no change, no flap.
            Change::Same { was_old: false } => return,
            Change::New => None,
            Change::Same { was_old: true } if peer.is_lost(family, true) => None,
            Change::Same { was_old: true } => return self.renewed(key, judgement, now),
            Change::Replaced(former) if peer.is_lost(family, former.old) => {
                self.is_no_rogue(key, former.judgement, now);
                None
            }
            Change::Replaced(former) => Some((former.judgement, former.old)),
        };
        if let Some(peer) = self.peers.get_mut(key.peer) {
            *peer.tally.announced.of_mut(family) += 1;
        }
        match before {
            Some((before, was_old)) if before == judgement => {
                if was_old {
                    self.renewed(key, judgement, now);
                }
                self.note_change(key, now);
                if self.offers.is_on() && self.offers.wants(judgement) {
                    // Rules look at communities, too.
                    self.note(key.peer, key.prefix, now);
                }
            }
            before => {
                let before = before.map(|(before, _)| before);
                self.changed(Step { key, before, after: Some(judgement), attributes }, now);
            }
        }
    }

    /// A stale route was heard again: it counts for comparisons again.
    fn renewed(&mut self, key: Key, judgement: Judgement, now: Timestamp) {
        if self.offers.is_on() && self.offers.wants(judgement) {
            self.note(key.peer, key.prefix, now);
        }
        if let Some(accepted) = judgement.accepted()
            && self.policy.unique(accepted.class())
        {
            self.compare(key.peer, key.prefix, accepted.class());
        }
    }

    fn withdrawn(&mut self, at: PeerIndex, nlri: Nlri<'_>, now: Timestamp) {
        self.rib.prefetch(at, nlri.family(), nlri);
        let silent = self.is_silent(at, nlri.family());
        for (path_id, prefix) in nlri {
            let key = Key { prefix, peer: at, path_id };
            if silent {
                self.spoke_of(key, now);
            }
            if self.take_out(key, now)
                && let Some(peer) = self.peers.get_mut(at)
            {
                *peer.tally.withdrawn.of_mut(nlri.family()) += 1;
            }
        }
    }

    /// Takes a path out; `false` if there was none. BIRD withdraws what it never announced: nothing happens.
    pub(super) fn take_out(&mut self, key: Key, now: Timestamp) -> bool {
        let Some(path) = self.rib.withdraw(key.peer, key.prefix, key.path_id) else { return false };
        let Some(peer) = self.peers.get(key.peer) else { return false };
        if peer.is_lost(Family::of(&key.prefix), path.old) {
            self.note_change(key, now);
            self.is_no_rogue(key, path.judgement, now);
            return false;
        }
        let step = Step { key, before: Some(path.judgement), after: None, attributes: path.attributes };
        self.changed(step, now);
        true
    }

    /// The one place where a judgement comes, changes or goes: all that is derived from routes follows.
    pub(super) fn changed(&mut self, step: Step, now: Timestamp) {
        let Step { key, before, after, .. } = step;
        let family = Family::of(&key.prefix);
        let Some(peer) = self.peers.get_mut(key.peer) else { return };
        if let Some(before) = before {
            peer.tally.count(family, before, false);
        }
        if let Some(after) = after {
            peer.tally.count(family, after, true);
        }
        if peer.is_near_limit() {
            self.touch(key.peer);
        }
        if self.offers.is_on() {
            self.offer_changed(&step, now);
        }
        self.note_change(key, now);
        let was = before.and_then(|judgement| judgement.accepted()).map(|accepted| accepted.class());
        let is = after.and_then(|judgement| judgement.accepted()).map(|accepted| accepted.class());
        if was != is {
            if let Some(class) = was {
                self.lost(key, class);
            }
            if let Some(class) = is {
                self.gained(key, class);
            }
        }
        // A route that stays rogue for another reason keeps the age of its finding.
        match (before, after) {
            (_, Some(after)) if rogue(key, after).is_some() => {
                self.is_rogue(key, after, step.attributes, now);
            }
            (Some(before), _) => self.is_no_rogue(key, before, now),
            (None, _) => {}
        }
        if let Some(peer) = self.peers.get(key.peer) {
            self.chronicle.route(peer, key.prefix, before, after, now);
        }
    }

    fn gained(&mut self, key: Key, class: Class) {
        self.count_accepted(key, class, true);
        if self.policy.unique(class) {
            self.compare(key.peer, key.prefix, class);
        }
    }

    fn lost(&mut self, key: Key, class: Class) {
        self.count_accepted(key, class, false);
        self.compare_without(key.peer, key.prefix, class);
    }

    /// Keeps the digest of the accepted prefixes, and the count of those that the peer owes.
    fn count_accepted(&mut self, key: Key, class: Class, more: bool) {
        let family = Family::of(&key.prefix);
        // Of several paths to one prefix (RFC 7911), only the first that comes and the last that goes count.
        let Some(peer) = self.peers.get(key.peer) else { return };
        let is_other = |path: &Path| {
            path.peer == key.peer
                && path.path_id != key.path_id
                && path.judgement.accepted().is_some()
                && !peer.is_lost(family, path.old)
        };
        let others = peer.add_path.contains(family) && self.rib.exact(key.prefix).any(|path| is_other(&path));
        let Some(peer) = self.peers.get_mut(key.peer) else { return };
        if !others {
            peer.tally.mix(family, &key.prefix, more);
        }
        let mut touched = false;
        if matches!(class, Class::PodBlock | Class::PodHost) {
            touched = !std::mem::replace(&mut peer.pods.changed, true);
        } else {
            let (own, pin) = (peer.id.address, peer.pin.clone());
            for owed in
                peer.owed.iter_mut().filter(|owed| answers(owed.what, &key.prefix, own, pin.as_deref()))
            {
                owed.have = if more { owed.have + 1 } else { owed.have.saturating_sub(1) };
                touched = true;
            }
        }
        if touched {
            self.touch(key.peer);
        }
        self.touch_twin(key.peer);
    }

    pub(super) fn is_rogue(
        &mut self,
        key: Key,
        judgement: Judgement,
        attributes: AttributesId,
        now: Timestamp,
    ) {
        let (Some(rogue), Some(peer)) = (rogue(key, judgement), self.peers.get(key.peer)) else { return };
        let set = self.rib.attributes(attributes);
        self.meshes_dirty = true;
        self.findings.rogue(&peer.announcer(), rogue, || detail(set), now);
    }

    pub(super) fn is_no_rogue(&mut self, key: Key, judgement: Judgement, now: Timestamp) {
        let (Some(rogue), Some(peer)) = (rogue(key, judgement), self.peers.get(key.peer)) else { return };
        self.meshes_dirty = true;
        self.findings.no_rogue(&peer.id, rogue, now);
    }

    /// Whether this key is held under the limit: not one of those above it, nor one that it is not about.
    fn is_admitted(&self, peer: &Peer, key: Key) -> bool {
        let path = self.rib.get(key.peer, key.prefix, key.path_id);
        path.is_some_and(|path| {
            !peer.is_lost(Family::of(&key.prefix), path.old)
                && !path.judgement.reasons().contains(Reason::Limit)
                && !path.judgement.is_noted()
        })
    }

    /// Asks for the end of a session that announced more than it may, if that is what its limit asks for.
    fn enforce_limit(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let Some(limits) = peer.neighbors.as_ref().map(|neighbors| &neighbors.limits) else { return };
        let limit = limits.prefixes;
        if limits.action != LimitAction::Reset || peer.tally.held() <= u64::from(limit) {
            return;
        }
        let Some(session) = &mut peer.session else { return };
        session.condemned = true;
        let refuse = peer.limit.refuse(now);
        self.commands.push(Command::PrefixLimit { peer: peer.id.clone(), refuse });
        self.limit_reset(at, limit, now);
    }
}

/// What the findings call this path, if it is rejected for more than being one too many, and not by design.
fn rogue(key: Key, judgement: Judgement) -> Option<Rogue> {
    let harmless = |reason: &Reason| matches!(reason, Reason::Limit | Reason::Transit);
    let reason = judgement.reasons().first().filter(|reason| !harmless(reason))?;
    Some(Rogue { prefix: key.prefix, reason, path_id: key.path_id })
}

fn detail(set: Set<'_>) -> String {
    let mut path = set.as_path().to_string();
    if path.len() > TOLD {
        path.truncate(TOLD);
        path.push_str(" ...");
    }
    let next_hop = set.next_hop().map(|next_hop| format!(", next hop {next_hop}")).unwrap_or_default();
    format!("AS path {path}{next_hop}")
}

impl Peer {
    /// Whether the budget has room for one more route that is rejected for this reason first: the first
    /// ones, and one of each reason always. What is noted has a budget of its own.
    pub(super) fn keeps_rejected(&self, reason: Reason) -> bool {
        if reason == Reason::Transit {
            return self.tally.noted() < NOTED_KEPT || self.rejected_budget() == u64::from(u32::MAX);
        }
        self.tally.rejected() < self.rejected_budget() || self.tally.rejected_for(reason) == 0
    }

    /// Whether a rejected route may become one that is rejected otherwise: not if it was kept for being the
    /// only one of its reason, for then the next one could take its place. What is noted takes no such place.
    pub(super) fn keeps_in_place(&self, before: Judgement, after: Judgement) -> bool {
        let alike = before.is_noted() == after.is_noted();
        let within = alike && self.tally.rejected() <= self.rejected_budget();
        before.accepted().is_none() && (within || before.reasons().first() == after.reasons().first())
    }

    pub(super) fn rejected_budget(&self) -> u64 {
        self.neighbors.as_ref().map_or(0, |neighbors| u64::from(neighbors.limits.rejected_kept))
    }

    /// Whether further routes are to be rejected because there are too many.
    pub(super) fn holds_above_limit(&self) -> bool {
        self.neighbors.as_ref().is_some_and(|neighbors| {
            neighbors.limits.action == LimitAction::Hold
                && self.tally.admitted() >= u64::from(neighbors.limits.prefixes)
        })
    }

    /// From how many routes on its limit is a finding.
    pub(super) fn warn_at(&self) -> u64 {
        let Some(neighbors) = &self.neighbors else { return u64::MAX };
        let share = (f64::from(neighbors.limits.prefixes) * neighbors.limits.warn_at).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let share = share as u64;
        share.max(1)
    }

    fn is_near_limit(&self) -> bool {
        self.tally.held() >= self.limit.warn
    }
}

/// The hash of a prefix in a digest. What collides here only hides a disagreement.
pub(super) fn hash(prefix: &IpNet) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(prefix)
}

impl super::peers::Tally {
    pub(super) fn mix(&mut self, family: Family, prefix: &IpNet, more: bool) {
        let (hash, digest) = (hash(prefix), self.digest.of_mut(family));
        *digest = if more { digest.wrapping_add(hash) } else { digest.wrapping_sub(hash) };
    }
}

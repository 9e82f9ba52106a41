//! Silence is not withdrawal: what peers announced whose session was lost is remembered until they say that
//! they no longer do.
//!
//! A peer says so when it announces or withdraws the prefix, or is settled again without having announced
//! it; or it never will, because it is forgotten. Of a prefix that it was silent of, policy may think
//! otherwise by then: a route that is not there cannot be judged.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::core::Core;
use super::feed::{self, Witness};
use super::peers::{Old, Peer};
use crate::bgp::Family;
use crate::bgp::attribute::Set;
use crate::policy::Judgement;
use crate::rib::{Key, Path, PeerIndex, Rib};
use crate::time::Timestamp;

/// So many routes are remembered.
const MOST: u64 = 500_000;
/// Under so many names a peer is silent: a session ends in between each time, and nothing else is said.
const MOST_NAMES: usize = 8;

/// The routes of those who fell silent.
pub(super) struct Silent {
    /// With no attributes, since their session was lost. What is of the old generation is no longer silent.
    pub(super) paths: Rib,
    /// Peers of which not all are remembered: until they are settled they are silent of everything.
    pub(super) beyond: BTreeSet<PeerIndex>,
    /// How many are remembered at most.
    pub(super) most: u64,
}

impl Default for Silent {
    fn default() -> Self {
        Self { paths: Rib::new(), beyond: BTreeSet::new(), most: MOST }
    }
}

/// How a family of a peer was lost, as far as its lost or stale routes are concerned.
#[derive(Clone, Default)]
pub(super) struct Lost {
    /// When.
    pub(super) since: Timestamp,
    /// The node as members remember it since then, whatever it is called by now: under each name that it had
    /// when it was lost with something that it has not spoken of yet.
    pub(super) witnesses: Vec<Witness>,
    /// Whether it still has them is not known: it has not told everything since.
    pub(super) unsure: bool,
}

impl Core {
    /// Before all routes of a family are lost or stale: `lost` says when the session was, if it was just now.
    pub(super) fn note_loss(
        &mut self,
        at: PeerIndex,
        family: Family,
        lost: Option<Timestamp>,
        now: Timestamp,
    ) {
        if !self.offers.is_on() {
            return;
        }
        let Some(peer) = self.peers.get(at) else { return };
        let (state, witness) = (*peer.family(family), peer.witness());
        if lost.is_some() && state.is_stale() && !state.sweeping {
            // It came back and was lost again before it could tell whether it still has these.
            self.remember_old(at, family, now);
        }
        let forgiven = self.silent.paths.count(at, family) == self.silent.paths.old_count(at, family);
        let Some(peer) = self.peers.get_mut(at) else { return };
        let noted = peer.lost.of_mut(family);
        noted.unsure = true;
        if let Some(since) = lost {
            noted.since = since;
            if forgiven {
                noted.witnesses.clear();
            }
            if noted.witnesses.len() < MOST_NAMES && !noted.witnesses.contains(&witness) {
                noted.witnesses.push(witness);
            }
        }
    }

    fn remember_old(&mut self, at: PeerIndex, family: Family, now: Timestamp) {
        let Some(since) = self.peers.get(at).map(|peer| peer.lost.of(family).since) else { return };
        let old = self.rib.paths_of(at, family, None).filter(|(_, _, path)| path.old);
        let old = old.filter(|(_, _, path)| self.offers.wants(path.judgement));
        for (prefix, path) in old.map(|(_, prefix, path)| (prefix, path)).collect::<Vec<_>>() {
            self.remember(at, prefix, path.judgement, since, now);
        }
    }

    /// A lost route is out of the table.
    pub(super) fn swept_lost(&mut self, prefix: IpNet, path: &Path, now: Timestamp) {
        if !self.offers.wants(path.judgement) {
            return;
        }
        let Some(peer) = self.peers.get(path.peer) else { return };
        if self.is_silent_on(peer, prefix, path) {
            let since = peer.lost.of(Family::of(&prefix)).since;
            self.remember(path.peer, prefix, path.judgement, since, now);
        }
        self.note(path.peer, prefix, now);
    }

    /// Whether what became of a lost route is not known.
    pub(super) fn is_silent_on(&self, peer: &Peer, prefix: IpNet, path: &Path) -> bool {
        let family = Family::of(&prefix);
        // With several paths to one prefix (RFC 7911), one that it announced since speaks for it.
        let spoke = || {
            let others = self.rib.exact(prefix).filter(|other| other.peer == path.peer);
            peer.add_path.contains(family) && others.into_iter().any(|other| !peer.is_lost(family, other.old))
        };
        !peer.leaving && peer.lost.of(family).unsure && self.offers.wants(path.judgement) && !spoke()
    }

    fn remember(
        &mut self,
        at: PeerIndex,
        prefix: IpNet,
        judgement: Judgement,
        since: Timestamp,
        now: Timestamp,
    ) {
        let counts = Family::ALL.map(|family| self.silent.paths.counters(family).paths);
        if counts.iter().sum::<u64>() >= self.silent.most {
            self.silent.beyond.insert(at);
            return;
        }
        let paths = &mut self.silent.paths;
        let nothing = paths.intern(Set::from_canonical(&[]));
        // Of what is there already, the age stays.
        paths.announce(at, prefix, 0, nothing, judgement, since);
        paths.release(nothing);
        self.note(at, prefix, now);
    }

    /// Whether a peer is silent of anything in this family, or was a moment ago.
    pub(super) fn is_silent(&self, at: PeerIndex, family: Family) -> bool {
        let lost = |peer: &Peer| peer.family(family).old == Old::Lost;
        self.offers.is_on()
            && (self.silent.paths.count(at, family) > 0
                || self.silent.beyond.contains(&at)
                || self.peers.get(at).is_some_and(lost))
    }

    /// The peer is about to say something of a prefix.
    pub(super) fn spoke_of(&mut self, key: Key, now: Timestamp) {
        let family = Family::of(&key.prefix);
        let Some(peer) = self.peers.get(key.peer) else { return };
        let own = self.rib.exact(key.prefix).filter(|path| path.peer == key.peer);
        let lost = |path: Path| peer.is_lost(family, path.old) && self.offers.wants(path.judgement);
        let was_lost = own.into_iter().any(lost);
        if self.silent.paths.withdraw(key.peer, key.prefix, 0).is_some() || was_lost {
            self.note(key.peer, key.prefix, now);
        }
    }

    /// The peer has told everything of a family: what it did not tell is gone.
    pub(super) fn told_all(&mut self, at: PeerIndex, family: Family) {
        if !self.is_silent(at, family) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(at) {
            peer.lost.of_mut(family).unsure = false;
        }
        let paths = &mut self.silent.paths;
        if paths.count(at, family) > paths.old_count(at, family) {
            paths.outdate(at, family);
            self.offers.walk_forgiven(at, family);
        }
        if self.silent.beyond.contains(&at) {
            self.is_within_again(at);
        }
    }

    /// Of what a peer was silent without being remembered, nobody can tell any more whether it was told of.
    fn is_within_again(&mut self, at: PeerIndex) {
        let waits = |family| self.peers.get(at).is_some_and(|peer| peer.lost.of(family).unsure);
        if !Family::ALL.into_iter().any(waits) {
            self.silent.beyond.remove(&at);
            self.offers.lose_track();
        }
    }

    /// Looks whether a peer has had the time to tell everything.
    pub(super) fn look_for_silence(&mut self, at: PeerIndex, now: Timestamp) {
        for family in Family::ALL {
            if self.is_silent(at, family) && self.peers.get(at).is_some_and(|peer| peer.has_told(family, now))
            {
                self.told_all(at, family);
            }
        }
    }

    /// The same of all peers.
    pub(super) fn look_for_silences(&mut self, now: Timestamp) {
        if !self.offers.is_on() {
            return;
        }
        let up = self.peers.iter().filter(|(_, peer)| peer.session.is_some());
        for at in up.map(|(at, _)| at).collect::<Vec<_>>() {
            self.look_for_silence(at, now);
        }
    }

    /// Nobody waits for what a peer was silent of.
    pub(super) fn end_silence(&mut self, at: PeerIndex, now: Timestamp) {
        if !self.offers.is_on() {
            return;
        }
        self.offers.leave(at);
        for family in Family::ALL {
            if let Some(peer) = self.peers.get_mut(at) {
                peer.lost.of_mut(family).unsure = false;
            }
            let mut gone = Vec::new();
            self.silent.paths.outdate(at, family);
            self.silent.paths.sweep(at, family, usize::MAX, |prefix, _| gone.push(prefix));
            for prefix in gone {
                self.note(at, prefix, now);
            }
        }
        if self.silent.beyond.contains(&at) {
            self.is_within_again(at);
        }
    }
}

impl Peer {
    /// Whether the session has told everything of a family, or has had the time for it.
    fn has_told(&self, family: Family, now: Timestamp) -> bool {
        self.session.as_ref().is_some_and(|session| {
            session.negotiated.families.contains(family)
                && (self.family(family).end_of_rib || session.since.after(self.max_stale_time()) <= now)
        })
    }

    /// The node as members remember it.
    pub(super) fn witness(&self) -> Witness {
        feed::witness(&self.place.scope.cluster, self.name.as_deref(), self.id.address)
    }
}

//! One prefix from several nodes, where one should announce it.
//!
//! The hot path only asks whether a prefix that came has a path from elsewhere; what that amounts to is
//! looked at when changes have gathered, and again whenever one of its paths changes.

use std::collections::BTreeSet;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;

use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof, Scope};
use crate::bgp::Family;
use crate::policy::Class;
use crate::rib::{Path, PeerIndex};
use crate::time::Timestamp;

/// How many paths of a prefix the hot path looks at; where there are more, all are looked at later.
const GLANCE: usize = 64;
/// How many prefixes are compared in one go.
const SLICE: usize = 2_000;

pub(super) type Place = (Scope, IpNet);

/// What is announced twice, and what has to be looked at.
#[derive(Default)]
pub(super) struct Duplicates {
    found: HashMap<Place, Class, RandomState>,
    dirty: BTreeSet<Place>,
    all_dirty: bool,
}

impl Duplicates {
    pub(super) fn is_dirty(&self) -> bool {
        self.all_dirty || !self.dirty.is_empty()
    }

    /// What is announced twice, in order.
    pub(super) fn found(&self) -> Vec<(Place, Class)> {
        let mut found: Vec<_> = self.found.iter().map(|(place, class)| (place.clone(), *class)).collect();
        found.sort_unstable();
        found
    }

    /// The pod blocks among them.
    pub(super) fn blocks(&self) -> impl Iterator<Item = IpNet> {
        let blocks = self.found.iter().filter(|(_, class)| **class == Class::PodBlock);
        blocks.map(|((_, prefix), _)| *prefix)
    }

    /// The same again.
    pub(super) fn set_found(&mut self, found: Vec<(Place, Class)>) {
        self.found = found.into_iter().collect();
    }

    /// A path of this prefix went: if it was announced twice, that may be over.
    pub(super) fn look_at(&mut self, scope: &Scope, prefix: IpNet) {
        if self.found.is_empty() {
            return;
        }
        let place = (scope.clone(), prefix);
        if self.found.contains_key(&place) {
            self.dirty.insert(place);
        }
    }

    /// Any of them may be over.
    pub(super) fn look_at_all(&mut self) {
        self.all_dirty = !self.found.is_empty();
    }
}

impl Core {
    /// A path of this prefix came: is there one from another node?
    pub(super) fn compare(&mut self, at: PeerIndex, prefix: IpNet) {
        let Some(peer) = self.peers.get(at) else { return };
        let mut others = self.rib.elsewhere(prefix, at);
        let scope = &peer.place.scope;
        let differs = |path: &Path| {
            self.peers
                .get(path.peer)
                .is_some_and(|other| other.host != peer.host && other.place.scope == *scope)
                && path.judgement.accepted().is_some()
        };
        let glance = others.by_ref().take(GLANCE).any(|path| differs(&path));
        if glance || others.next().is_some() {
            self.duplicates.dirty.insert((scope.clone(), prefix));
        }
    }

    /// Looks at what changed.
    pub(super) fn compare_nodes(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.duplicates.all_dirty) {
            self.duplicates.dirty.extend(self.duplicates.found.keys().cloned());
        }
        for _ in 0..SLICE {
            let Some(place) = self.duplicates.dirty.pop_first() else { break };
            self.compare_prefix(place, now);
        }
    }

    fn compare_prefix(&mut self, place: Place, now: Timestamp) {
        let (class, proofs) = self.announcers(&place.0, place.1);
        let former = self.duplicates.found.get(&place).copied();
        let (scope, prefix) = place.clone();
        if let Some(former) = former.filter(|former| Some(*former) != class)
            && let Some(cause) = Cause::duplicate(scope.clone(), former, prefix)
        {
            self.findings.clear(&cause, now);
            self.duplicates.found.remove(&place);
            self.meshes_dirty = true;
        }
        if let Some(class) = class
            && let Some(cause) = Cause::duplicate(scope, class, prefix)
        {
            self.findings.raise(cause, proofs, now);
            self.duplicates.found.insert(place, class);
            self.meshes_dirty = true;
        }
    }

    /// The class in which several nodes announce this prefix, and who does; none, if it is one at most.
    fn announcers(&self, scope: &Scope, prefix: IpNet) -> (Option<Class>, Vec<Proof>) {
        let family = Family::of(&prefix);
        let mut hosts = BTreeSet::new();
        let (mut class, mut proofs) = (None, Vec::new());
        for path in self.rib.exact(prefix) {
            let Some(peer) = self.peers.get(path.peer) else { continue };
            let Some(accepted) = path.judgement.accepted() else { continue };
            let counts = peer.place.scope == *scope
                && self.policy.unique(accepted.class())
                && !peer.is_stale(family, path.old)
                && !peer.is_lost(family, path.old);
            if !counts {
                continue;
            }
            class = class.or(Some(accepted.class()));
            // One session of each node proves it best; a node's second tells nothing new.
            if hosts.insert(peer.host) {
                let set = self.rib.attributes(path.attributes);
                proofs.push(peer.proof(format!("AS path {}, since {}", set.as_path(), path.since)));
            }
            // There are as many as can be told: who else there is, of a thousand, makes no difference.
            if proofs.len() > MAX_PROOFS {
                break;
            }
        }
        (class.filter(|_| hosts.len() > 1), proofs)
    }
}

//! One prefix from several nodes, where one should announce it.
//!
//! Nodes of one VRF are compared, clusters together: the fabric has one table a VRF. Where a VRF has several
//! clusters, no pod route of one may lie within a pod block of another either.
//!
//! The hot path only asks whether a prefix that came has a path from elsewhere; what that amounts to is
//! looked at when changes have gathered, and again whenever one of its paths changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof, Scope};
use super::peers::Peer;
use crate::bgp::Family;
use crate::policy::Class;
use crate::rib::{Path, PeerIndex};
use crate::time::Timestamp;

/// How many paths of a prefix the hot path looks at; where there are more, all are looked at later.
const GLANCE: usize = 64;
/// How many paths within a block are looked at for one of another cluster.
const WITHIN: usize = 4_096;
/// How many prefixes are compared in one go, and how many paths within blocks.
const SLICE: usize = 2_000;
const SLICE_WITHIN: usize = 20_000;

/// The VRF, and what is announced twice in it.
pub(super) type Place = (Arc<str>, IpNet);

/// What is announced twice, and what has to be looked at.
#[derive(Default)]
pub(super) struct Duplicates {
    found: BTreeMap<Place, Class>,
    dirty: BTreeSet<Place>,
    all_dirty: bool,
}

/// Who announces a prefix, or something within it.
#[derive(Default)]
struct Announcers {
    class: Option<Class>,
    hosts: BTreeSet<PeerIndex>,
    proofs: Vec<Proof>,
    /// Routes of another cluster lie within the prefix.
    overlaps: bool,
    /// How many paths within the prefix were looked at.
    looked_at: usize,
}

impl Announcers {
    /// One session of each node proves it best; a node's second tells nothing new.
    fn add(&mut self, peer: &Peer, text: impl FnOnce() -> String) {
        if self.hosts.insert(peer.host) {
            self.proofs.push(peer.proof(text()));
        }
    }

    /// There are as many as can be told: who else there is, of a thousand, makes no difference.
    fn are_enough(&self) -> bool {
        self.proofs.len() > MAX_PROOFS
    }
}

impl Duplicates {
    pub(super) fn is_dirty(&self) -> bool {
        self.all_dirty || !self.dirty.is_empty()
    }

    /// What is announced twice, in order.
    pub(super) fn found(&self) -> Vec<(Place, Class)> {
        self.found.iter().map(|(place, class)| (place.clone(), *class)).collect()
    }

    /// Pod blocks among them, from all over each VRF: at most about twice `sample` of each.
    pub(super) fn blocks(&self, sample: usize) -> BTreeSet<IpNet> {
        let mut vrfs: BTreeMap<&Arc<str>, Vec<IpNet>> = BTreeMap::new();
        for ((vrf, prefix), _) in self.found.iter().filter(|(_, class)| **class == Class::PodBlock) {
            vrfs.entry(vrf).or_default().push(*prefix);
        }
        let some = |blocks: Vec<IpNet>| {
            let step = (blocks.len() / sample).max(1);
            blocks.into_iter().step_by(step)
        };
        vrfs.into_values().flat_map(some).collect()
    }

    /// The same again.
    pub(super) fn set_found(&mut self, found: Vec<(Place, Class)>) {
        self.found = found.into_iter().collect();
    }

    /// Any of them may be over.
    pub(super) fn look_at_all(&mut self) {
        self.all_dirty = !self.found.is_empty();
    }

    fn look_at(&mut self, vrf: &Arc<str>, prefix: IpNet) {
        let place = (Arc::clone(vrf), prefix);
        if self.found.contains_key(&place) {
            self.dirty.insert(place);
        }
    }
}

impl Core {
    /// A path of this prefix came: is there one from another node?
    pub(super) fn compare(&mut self, at: PeerIndex, prefix: IpNet, class: Class) {
        let Some(peer) = self.peers.get(at) else { return };
        let vrf = &peer.place.scope.vrf;
        let is_shared = peer.place.shared;
        let differs = |path: &Path| {
            self.peers
                .get(path.peer)
                .is_some_and(|other| other.host != peer.host && other.place.scope.vrf == *vrf)
                && path.judgement.accepted().is_some()
        };
        if is_among(self.rib.elsewhere(prefix, at), differs) {
            self.duplicates.dirty.insert((Arc::clone(vrf), prefix));
        }
        if is_shared && is_pod(class) {
            self.compare_clusters(at, prefix);
        }
    }

    /// Is it within a pod block of another cluster, or the other way round?
    fn compare_clusters(&mut self, at: PeerIndex, prefix: IpNet) {
        let Some(peer) = self.peers.get(at) else { return };
        let scope = &peer.place.scope;
        let foreign = |path: &Path| {
            let other = self.peers.get(path.peer).map(|other| &other.place.scope);
            other.is_some_and(|other| other.vrf == scope.vrf && other.cluster != scope.cluster)
                && path.judgement.accepted().is_some_and(|accepted| is_pod(accepted.class()))
        };
        let mut broader = prefix;
        while let Some(next) = broader.supernet().and_then(|next| self.rib.longest(next)) {
            broader = next;
            if is_among(self.rib.exact(broader), foreign) {
                self.duplicates.dirty.insert((Arc::clone(&scope.vrf), broader));
            }
        }
        let within = self.rib.longer(prefix, None).filter(|(longer, _)| *longer != prefix);
        if is_among(within.map(|(_, path)| path), foreign) {
            self.duplicates.dirty.insert((Arc::clone(&scope.vrf), prefix));
        }
    }

    /// A path of this prefix went: if that was announced twice, it may be over.
    pub(super) fn compare_without(&mut self, at: PeerIndex, prefix: IpNet, class: Class) {
        if self.duplicates.found.is_empty() {
            return;
        }
        let Some(place) = self.peers.get(at).map(|peer| &peer.place) else { return };
        let vrf = &place.scope.vrf;
        self.duplicates.look_at(vrf, prefix);
        if place.shared && is_pod(class) {
            let mut broader = prefix;
            while let Some(next) = broader.supernet().and_then(|next| self.rib.longest(next)) {
                broader = next;
                self.duplicates.look_at(vrf, broader);
            }
        }
    }

    /// Looks at what changed.
    pub(super) fn compare_nodes(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.duplicates.all_dirty) {
            self.duplicates.dirty.extend(self.duplicates.found.keys().cloned());
        }
        let mut within = 0;
        for _ in 0..SLICE {
            let Some(place) = self.duplicates.dirty.pop_first() else { break };
            within += self.compare_prefix(place, now);
            if within >= SLICE_WITHIN {
                break;
            }
        }
    }

    /// Answers how many paths within the prefix were looked at.
    fn compare_prefix(&mut self, place: Place, now: Timestamp) -> usize {
        let Announcers { class, hosts, proofs, overlaps, looked_at } = self.announcers(&place.0, place.1);
        let class = class.filter(|_| hosts.len() > 1);
        let former = self.duplicates.found.get(&place).copied();
        let (vrf, prefix) = place.clone();
        let scope = Scope { cluster: "".into(), vrf };
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
            let fact = "several clusters have pods there: the fabric sends a pod's traffic to the longer match, \
                        whichever cluster was meant";
            let facts = overlaps.then(|| fact.to_owned()).into_iter().collect();
            self.findings.state(cause, facts, proofs, now);
            self.duplicates.found.insert(place, class);
            self.meshes_dirty = true;
        }
        looked_at
    }

    /// Who announces this prefix, where one node should; and if that is one node, a pod block: who of
    /// another cluster announces pods within it.
    fn announcers(&self, vrf: &Arc<str>, prefix: IpNet) -> Announcers {
        let mut found = Announcers::default();
        let mut owner = None;
        for path in self.rib.exact(prefix) {
            let Some((peer, class)) = self.counted(vrf, prefix, &path) else { continue };
            found.class = found.class.or(Some(class));
            owner.get_or_insert(&peer.place);
            let set = self.rib.attributes(path.attributes);
            found.add(peer, || format!("AS path {}, since {}", set.as_path(), path.since));
            if found.are_enough() {
                break;
            }
        }
        let block = owner.filter(|owner| owner.shared && found.class == Some(Class::PodBlock));
        let Some(owner) = block.filter(|_| found.hosts.len() == 1) else { return found };
        for (longer, path) in self.rib.longer(prefix, None).take(WITHIN) {
            found.looked_at += 1;
            let Some((peer, class)) = self.counted(vrf, longer, &path) else { continue };
            if longer == prefix || !is_pod(class) || peer.place.scope.cluster == owner.scope.cluster {
                continue;
            }
            found.overlaps = true;
            let set = self.rib.attributes(path.attributes);
            found.add(peer, || format!("{longer}, AS path {}, since {}", set.as_path(), path.since));
            if found.are_enough() {
                break;
            }
        }
        found
    }

    /// Whose path this is and of which class, if one node alone may announce it in this VRF.
    fn counted(&self, vrf: &Arc<str>, prefix: IpNet, path: &Path) -> Option<(&Peer, Class)> {
        let family = Family::of(&prefix);
        let peer = self.peers.get(path.peer).filter(|peer| peer.place.scope.vrf == *vrf)?;
        let class = path.judgement.accepted()?.class();
        let counts =
            self.policy.unique(class) && !peer.is_stale(family, path.old) && !peer.is_lost(family, path.old);
        counts.then_some((peer, class))
    }
}

/// Whether one of these paths is such a one, or may be: there are too many to look at now.
fn is_among(mut paths: impl Iterator<Item = Path>, is_such: impl Fn(&Path) -> bool) -> bool {
    paths.by_ref().take(GLANCE).any(|path| is_such(&path)) || paths.next().is_some()
}

const fn is_pod(class: Class) -> bool {
    matches!(class, Class::PodBlock | Class::PodHost)
}

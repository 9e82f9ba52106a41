//! One AS or one BGP identifier on several nodes.
//!
//! Who might share one is found out when it is found out who is who, of all known peers; whether they do is
//! a question to those that have a session now, for a node that moved to another address has left one
//! behind that is down.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::core::Core;
use super::findings::{Key as Cause, Kind, Scope};
use super::hosts::one_host;
use super::peers::{Peer, Peers};
use crate::config::model::UniqueAs;
use crate::rib::PeerIndex;
use crate::time::Timestamp;

/// Peers with one AS or BGP identifier that are not all one node.
pub(super) struct Shared {
    cause: Cause,
    members: Vec<PeerIndex>,
    /// Those of them that the finding is proven by.
    proven: Vec<PeerIndex>,
}

/// Peers that have something in common, and their hosts.
#[derive(Default)]
struct Group(Vec<(PeerIndex, PeerIndex)>);

impl Core {
    /// Looks anew at who might share something; what was found and is not to be found any more is over.
    pub(super) fn replace_shared(&mut self, now: Timestamp) {
        let former =
            std::mem::replace(&mut self.shared, find(&self.peers, self.config.policy.uniqueness.asn));
        for old in former.into_iter().filter(|old| !old.proven.is_empty()) {
            match self.shared.iter_mut().find(|shared| shared.cause == old.cause) {
                Some(shared) => shared.proven = old.proven,
                None => self.findings.clear(&old.cause, now),
            }
        }
        // Nodes may have other names.
        self.tell_shared(true, now);
    }

    /// Sessions came or went.
    pub(super) fn check_shared(&mut self, now: Timestamp) {
        self.tell_shared(false, now);
    }

    /// What [`replace_shared`](Self::replace_shared) had found, all of which was told.
    pub(super) fn find_shared(&mut self) {
        let mut shared = find(&self.peers, self.config.policy.uniqueness.asn);
        let proven = self.proven(&shared);
        for (shared, nodes) in shared.iter_mut().zip(proven) {
            shared.proven = nodes;
        }
        self.shared = shared;
    }

    fn tell_shared(&mut self, anew: bool, now: Timestamp) {
        let mut all = std::mem::take(&mut self.shared);
        let proven = self.proven(&all);
        for (shared, nodes) in all.iter_mut().zip(proven) {
            if nodes.is_empty() && !shared.proven.is_empty() {
                self.findings.clear(&shared.cause, now);
            } else if !nodes.is_empty() && (anew || nodes != shared.proven) {
                let peers = nodes.iter().filter_map(|at| self.peers.get(*at));
                let by_as = shared.cause.kind() == Kind::DuplicateAs;
                let proofs = peers.map(|peer| peer.proof(what_else(peer, by_as)));
                self.findings.raise(shared.cause.clone(), proofs, now);
            }
            shared.proven = nodes;
        }
        self.shared = all;
    }

    /// Of each, one peer a node, if there are several nodes now. A node that was cloned has an AS and an
    /// identifier twice, which is one mistake: the identifier says it all.
    fn proven(&self, all: &[Shared]) -> Vec<Vec<PeerIndex>> {
        let mut told: Vec<BTreeSet<PeerIndex>> = Vec::new();
        let mut proven = Vec::with_capacity(all.len());
        // Identifiers come last in their order.
        for shared in all.iter().rev() {
            let nodes: BTreeSet<_> = self.nodes_of(&shared.members).into_iter().collect();
            let by_as = shared.cause.kind() == Kind::DuplicateAs;
            let counts = nodes.len() > 1 && !(by_as && told.iter().any(|told| nodes.is_subset(told)));
            proven.push(if counts { nodes.iter().copied().collect() } else { Vec::new() });
            if counts && !by_as {
                told.push(nodes);
            }
        }
        proven.reverse();
        proven
    }

    /// One peer with a session of each node among these. That an address that is down once had the same
    /// AS and identifier does not part the daemons of a node, as it does where hosts are found.
    fn nodes_of(&self, members: &[PeerIndex]) -> Vec<PeerIndex> {
        let mut node: BTreeMap<PeerIndex, PeerIndex> = BTreeMap::new();
        let mut alike: BTreeMap<_, Vec<(PeerIndex, &Peer)>> = BTreeMap::new();
        for (at, peer) in members.iter().filter_map(|at| Some((*at, self.peers.get(*at)?))) {
            let Some(session) = peer.session.as_ref().filter(|_| !peer.leaving) else { continue };
            node.insert(at, peer.host);
            if let Some(identifier) = peer.identifier() {
                let key = (&*peer.place.rack, session.negotiated.peer_as, identifier);
                alike.entry(key).or_default().push((at, peer));
            }
        }
        for group in alike.values().filter(|group| group.len() > 1 && one_host(group)) {
            let hosts: BTreeSet<_> = group.iter().filter_map(|(at, _)| node.get(at).copied()).collect();
            if let Some(first) = hosts.first().filter(|_| hosts.len() > 1) {
                node.values_mut().filter(|host| hosts.contains(*host)).for_each(|host| *host = *first);
            }
        }
        let mut seen = BTreeSet::new();
        node.into_iter().filter(|(_, host)| seen.insert(*host)).map(|(at, _)| at).collect()
    }
}

/// The other of the two that tell nodes apart.
fn what_else(peer: &Peer, by_as: bool) -> String {
    match (peer.identifier(), peer.asn()) {
        (Some(identifier), _) if by_as => format!("BGP identifier {identifier}"),
        (_, Some(asn)) if !by_as => format!("AS {asn}"),
        _ => String::new(),
    }
}

/// What is shared by hosts, whether they have a session or not.
fn find(peers: &Peers, unique: UniqueAs) -> Vec<Shared> {
    let mut by_as: HashMap<(&Scope, u32), Group, RandomState> = HashMap::default();
    let mut identifiers: HashMap<(&Scope, _), Group, RandomState> = HashMap::default();
    for (at, peer) in peers.iter() {
        let scope = &peer.place.scope;
        if let Some(asn) = peer.asn().filter(|_| unique != UniqueAs::Any) {
            by_as.entry((scope, asn)).or_default().add(at, peer);
        }
        if let Some(identifier) = peer.identifier() {
            identifiers.entry((scope, identifier)).or_default().add(at, peer);
        }
    }
    // In each cluster, how many nodes there are, and how many have an AS of their own.
    let mut clusters: HashMap<&Scope, (usize, usize), RandomState> = HashMap::default();
    for ((scope, _), group) in &by_as {
        let (nodes, own) = clusters.entry(scope).or_default();
        *nodes += group.hosts();
        *own += usize::from(group.hosts() == 1);
    }
    let has_one_each = |scope: &Scope| {
        let (nodes, own) = clusters.get(scope).copied().unwrap_or_default();
        unique == UniqueAs::OneNode || own * 2 > nodes
    };
    let by_as = by_as.into_iter().filter(|((scope, _), _)| has_one_each(scope));
    let by_as = by_as.map(|((scope, asn), group)| (Cause::duplicate_as(scope.clone(), asn), group));
    let identifiers = identifiers
        .into_iter()
        .map(|((scope, identifier), group)| (Cause::duplicate_router_id(scope.clone(), identifier), group));
    let several = by_as.chain(identifiers).filter(|(_, group)| group.hosts() > 1);
    let mut shared: Vec<_> = several
        .map(|(cause, group)| Shared { cause, members: group.members(), proven: Vec::new() })
        .collect();
    shared.sort_unstable_by(|one, other| one.cause.cmp(&other.cause));
    shared
}

impl Group {
    fn add(&mut self, at: PeerIndex, peer: &Peer) {
        self.0.push((at, peer.host));
    }

    /// How many hosts they are: nearly always one.
    fn hosts(&self) -> usize {
        let mut hosts = self.0.iter().map(|(_, host)| host);
        let first = hosts.next();
        if hosts.all(|host| Some(host) == first) {
            return usize::from(first.is_some());
        }
        self.0.iter().map(|(_, host)| host).collect::<BTreeSet<_>>().len()
    }

    fn members(&self) -> Vec<PeerIndex> {
        self.0.iter().map(|(at, _)| *at).collect()
    }
}

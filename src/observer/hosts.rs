//! Behind which peers stands the same host.
//!
//! Findings compare nodes, not sessions: a node's two daemons (one a family) and its sessions with several
//! leaves are one node. The same are: peers with the same pin in one cluster and VRF; peers with one address
//! in one VRF, whatever clusters their ranges say; and peers of one rack, cluster and VRF with equal AS and
//! BGP identifier, provided that no leaf of it has two of one family of addresses among them, for then two
//! hosts share an identifier by mistake.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::findings::Scope;
use super::peers::{Peer, Peers};
use crate::rib::PeerIndex;
use crate::time::Timestamp;

/// A node that several leaves of one rack hear: they should hear the same.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Twin {
    pub(super) scope: Scope,
    pub(super) name: Arc<str>,
    pub(super) members: Vec<PeerIndex>,
    /// Since when the leaves hear different things.
    pub(super) differs_since: Option<Timestamp>,
    /// Whether that is a finding already.
    pub(super) raised: bool,
    /// Whether something changed since it was looked at.
    pub(super) dirty: bool,
}

/// Who stands behind the peers.
#[derive(Default)]
pub(super) struct Hosts {
    /// Each peer's representative, and the node's name.
    pub(super) of: Vec<(PeerIndex, PeerIndex, Option<Arc<str>>)>,
    pub(super) twins: Vec<Twin>,
}

/// Finds out anew.
pub(super) fn find(peers: &Peers) -> Hosts {
    let mut sets = Sets::new(peers);
    let mut pins: HashMap<(&Scope, &str), PeerIndex, RandomState> = HashMap::default();
    let mut addresses: HashMap<(&Arc<str>, IpAddr), PeerIndex, RandomState> = HashMap::default();
    let mut groups: HashMap<_, Vec<_>, RandomState> = HashMap::default();
    for (at, peer) in peers.iter() {
        let scope = &peer.place.scope;
        if let Some(pin) = &peer.pin {
            sets.join(at, *pins.entry((scope, &pin.name)).or_insert(at));
        }
        sets.join(at, *addresses.entry((&scope.vrf, peer.id.address)).or_insert(at));
        if let (Some(asn), Some(identifier)) = (peer.heard_as(), peer.identifier()) {
            let key = (scope, &*peer.place.rack, asn, identifier);
            groups.entry(key).or_default().push((at, peer));
        }
    }
    for group in groups.values() {
        if let [(first, _), others @ ..] = &group[..]
            && one_host(group)
        {
            for (at, _) in others {
                sets.join(*at, *first);
            }
        }
    }
    let of = name(peers, &mut sets);
    let twins = twins(peers, &of);
    Hosts { of, twins }
}

/// Whether peers with one AS and one BGP identifier are one host: at most one a leaf and family.
pub(super) fn one_host(group: &[(PeerIndex, &Peer)]) -> bool {
    let mut ends: Vec<_> = group.iter().map(|(_, peer)| (&peer.id.leaf, peer.id.address.is_ipv4())).collect();
    ends.sort_unstable();
    let mut pins = group.iter().filter_map(|(_, peer)| peer.pin.as_ref().map(|pin| &pin.name));
    let pin = pins.next();
    ends.is_sorted_by(|one, next| one < next) && pins.all(|other| Some(other) == pin)
}

fn name(peers: &Peers, sets: &mut Sets) -> Vec<(PeerIndex, PeerIndex, Option<Arc<str>>)> {
    let mut names: HashMap<PeerIndex, Arc<str>, RandomState> = HashMap::default();
    for (at, peer) in peers.iter() {
        if let Some(pin) = &peer.pin {
            names.insert(sets.first(at), Arc::clone(&pin.name));
        }
    }
    let of = peers.iter().map(|(at, peer)| {
        let host = sets.first(at);
        let identifier = || peer.identifier().map(|identifier| identifier.to_string().into());
        (at, host, names.get(&host).cloned().or_else(identifier))
    });
    of.collect()
}

fn twins(peers: &Peers, of: &[(PeerIndex, PeerIndex, Option<Arc<str>>)]) -> Vec<Twin> {
    let mut nodes: BTreeMap<(PeerIndex, &str), Twin> = BTreeMap::new();
    for (at, host, name) in of {
        let (Some(peer), Some(name)) = (peers.get(*at), name) else { continue };
        let twin = nodes.entry((*host, &*peer.place.rack)).or_insert_with(|| Twin {
            scope: peer.place.scope.clone(),
            name: Arc::clone(name),
            members: Vec::new(),
            differs_since: None,
            raised: false,
            dirty: false,
        });
        twin.members.push(*at);
    }
    let several = |twin: &Twin| {
        let mut leaves = twin.members.iter().filter_map(|at| peers.get(*at)).map(|peer| &peer.id.leaf);
        let first = leaves.next();
        leaves.any(|leaf| Some(leaf) != first)
    };
    nodes.into_values().filter(several).collect()
}

/// Disjoint sets of peers; the smallest member stands for its set.
struct Sets(Vec<PeerIndex>);

impl Sets {
    fn new(peers: &Peers) -> Self {
        let end = peers.iter().map(|(at, _)| at.0 + 1).max().unwrap_or(0);
        Self((0..end).map(PeerIndex).collect())
    }

    fn first(&mut self, mut at: PeerIndex) -> PeerIndex {
        while let Some(&parent) = self.0.get(at.0 as usize)
            && parent != at
        {
            let grandparent = self.0.get(parent.0 as usize).copied().unwrap_or(parent);
            if let Some(slot) = self.0.get_mut(at.0 as usize) {
                *slot = grandparent;
            }
            at = parent;
        }
        at
    }

    fn join(&mut self, one: PeerIndex, other: PeerIndex) {
        let (one, other) = (self.first(one), self.first(other));
        let (first, second) = (one.min(other), one.max(other));
        if let Some(slot) = self.0.get_mut(second.0 as usize) {
            *slot = first;
        }
    }
}

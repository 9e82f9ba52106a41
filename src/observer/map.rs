//! What the configuration says of who may be where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::findings::Scope;
use super::peers::Place;
use crate::config::Config;
use crate::config::model::{Leaf, Neighbors, Node};
use crate::speaker::PeerId;

/// Leaves, ranges and pins.
pub(super) struct Map {
    leaves: BTreeMap<Arc<str>, Leaf>,
    neighbors: HashMap<Arc<str>, Vec<Arc<Neighbors>>, RandomState>,
    nodes: Vec<Arc<Node>>,
    /// Pins by each of their addresses.
    pins: HashMap<IpAddr, Vec<Arc<Node>>, RandomState>,
    /// VRFs that have several clusters.
    shared: BTreeSet<Arc<str>>,
}

impl Map {
    pub(super) fn new(config: &Config) -> Self {
        let leaves = config.leaves.iter().map(|leaf| (Arc::clone(&leaf.name), leaf.clone())).collect();
        let mut neighbors: HashMap<Arc<str>, Vec<Arc<Neighbors>>, RandomState> = HashMap::default();
        for entry in &config.neighbors {
            neighbors.entry(Arc::clone(&entry.leaf)).or_default().push(Arc::new(entry.clone()));
        }
        let nodes: Vec<_> = config.nodes.iter().cloned().map(Arc::new).collect();
        let mut pins: HashMap<IpAddr, Vec<Arc<Node>>, RandomState> = HashMap::default();
        for node in &nodes {
            for address in &node.addresses {
                pins.entry(*address).or_default().push(Arc::clone(node));
            }
        }
        let first = |vrf: &Arc<str>| config.neighbors.iter().find(|entry| entry.vrf == *vrf);
        let others = |entry: &&Neighbors| first(&entry.vrf).is_some_and(|one| one.cluster != entry.cluster);
        let shared = config.neighbors.iter().filter(others).map(|entry| Arc::clone(&entry.vrf)).collect();
        Self { leaves, neighbors, nodes, pins, shared }
    }

    /// The entry that lets this address in: the one with the longest range.
    pub(super) fn neighbors(&self, id: &PeerId) -> Option<&Arc<Neighbors>> {
        let fitting = self.neighbors.get(&id.leaf)?.iter().filter(|entry| entry.range.contains(&id.address));
        fitting.max_by_key(|entry| entry.range.prefix_len())
    }

    /// Where a peer that this entry lets in belongs.
    pub(super) fn place(&self, neighbors: &Neighbors) -> Option<Place> {
        let leaf = self.leaves.get(&neighbors.leaf)?;
        let scope = Scope { cluster: Arc::clone(&neighbors.cluster), vrf: Arc::clone(&neighbors.vrf) };
        let shared = self.shared.contains(&scope.vrf);
        Some(Place { scope, shared, rack: Arc::clone(&leaf.rack), local_as: leaf.local_as })
    }

    /// Where the peers of a leaf belong, unless their entry says otherwise.
    pub(super) fn leaf_scope(&self, leaf: &str) -> Option<Scope> {
        self.leaves.get(leaf).map(scope_of)
    }

    /// The one scope that all leaves have, if they have one.
    pub(super) fn only_scope(&self) -> Option<Scope> {
        let mut scopes = self.leaves.values().map(scope_of);
        let first = scopes.next()?;
        scopes.all(|scope| scope == first).then_some(first)
    }

    /// The pin that names this address there.
    pub(super) fn pin(&self, address: IpAddr, place: &Place) -> Option<&Arc<Node>> {
        self.pins.get(&address)?.iter().find(|node| may_stand(node, &place.rack, &place.scope.cluster))
    }

    /// Each pinned address on each leaf that would let it in.
    pub(super) fn pinned(&self) -> Vec<PeerId> {
        let mut pinned = Vec::new();
        for node in &self.nodes {
            for leaf in self.leaves.values() {
                let ids = node
                    .addresses
                    .iter()
                    .map(|address| PeerId { leaf: Arc::clone(&leaf.name), address: *address });
                let lets_in = |entry: &Arc<Neighbors>| may_stand(node, &leaf.rack, &entry.cluster);
                pinned.extend(ids.filter(|id| self.neighbors(id).is_some_and(lets_in)));
            }
        }
        pinned
    }
}

fn scope_of(leaf: &Leaf) -> Scope {
    Scope { cluster: Arc::clone(&leaf.cluster), vrf: Arc::clone(&leaf.vrf) }
}

/// Whether a pin is for this rack and this cluster.
fn may_stand(node: &Node, rack: &str, cluster: &str) -> bool {
    node.rack.as_deref().is_none_or(|pinned| pinned == rack)
        && node.cluster.as_deref().is_none_or(|pinned| pinned == cluster)
}

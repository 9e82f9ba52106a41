//! What is heard, put in order: nodes, and who of them announces which prefix with a path that is right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::observer::view::{Peer, Route};
use crate::policy::Reason;

/// Reasons that are about where a prefix lies and not about its path.
const OF_PREFIX: [Reason; 3] = [Reason::NotAllowed, Reason::TooBroad, Reason::TooSpecific];

/// A node, all its sessions together.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) cluster: String,
    /// The BGP identifier that its sessions showed.
    pub(super) router_id: Option<Ipv4Addr>,
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) racks: BTreeSet<String>,
    pub(super) ases: BTreeSet<u32>,
    /// One of its sessions is up.
    pub(super) up: bool,
    /// And it announces something: it does not wait for anybody any more.
    pub(super) settled: bool,
}

/// What is said of one prefix in one cluster, by nodes.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) accepted: BTreeSet<usize>,
    /// Rejected for nothing but what the prefix is.
    pub(super) rejected: BTreeSet<usize>,
    /// Rejected for what is wrong with the route itself.
    pub(super) wrong: BTreeMap<Reason, BTreeSet<usize>>,
    /// Some peer announces it that it does not hold.
    is_foreign: bool,
}

impl Said {
    /// Whoever announces it with a path that is right.
    pub(super) fn nodes(&self) -> BTreeSet<usize> {
        self.accepted.union(&self.rejected).copied().collect()
    }

    /// Whether it holds the addresses of all peers that announce it.
    pub(super) const fn is_own(&self) -> bool {
        !self.is_foreign
    }
}

/// All that is heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) nodes: Vec<Node>,
    peers: HashMap<(String, IpAddr), usize>,
    /// By cluster.
    pub(super) prefixes: BTreeMap<String, BTreeMap<IpNet, Said>>,
    /// Rejected routes that the daemon did not keep.
    pub(super) not_kept: u64,
}

impl Heard {
    pub(super) fn new(peers: &[Peer]) -> Self {
        let mut heard = Self::default();
        let mut names: BTreeMap<(String, String, String), usize> = BTreeMap::new();
        for peer in peers {
            let name = peer.node.clone().unwrap_or_else(|| peer.peer.to_string());
            let key = (peer.cluster.clone(), peer.vrf.clone(), name.clone());
            let at = *names.entry(key).or_insert_with(|| {
                heard.nodes.push(Node {
                    name,
                    cluster: peer.cluster.clone(),
                    router_id: None,
                    addresses: BTreeSet::new(),
                    racks: BTreeSet::new(),
                    ases: BTreeSet::new(),
                    up: false,
                    settled: false,
                });
                heard.nodes.len() - 1
            });
            heard.peers.insert((peer.leaf.clone(), peer.peer), at);
            heard.not_kept += peer.routes.rejected_not_kept;
            if let Some(node) = heard.nodes.get_mut(at) {
                node.addresses.insert(peer.peer);
                node.racks.insert(peer.rack.clone());
                node.ases.extend(peer.peer_as);
                node.router_id = node.router_id.or(peer.router_id);
                node.up |= peer.is_up();
                node.settled |= peer.is_up() && peer.routes.total > 0;
            }
        }
        heard
    }

    /// More of what they announce; what outlives its session is no news.
    pub(super) fn add(&mut self, routes: &[Route]) {
        for route in routes.iter().filter(|route| !route.stale) {
            let Some(&node) = self.peers.get(&(route.leaf.to_string(), route.peer)) else { continue };
            let prefixes = self.prefixes.entry(route.cluster.to_string()).or_default();
            let said = prefixes.entry(route.prefix).or_default();
            said.is_foreign |= !route.prefix.contains(&route.peer);
            match &*route.state {
                "rejected" => {}
                "accepted" => {
                    said.accepted.insert(node);
                    continue;
                }
                // Handed on by design: it says nothing of the node's own.
                _ => continue,
            }
            match route.reasons.iter().find(|reason| !OF_PREFIX.contains(reason)) {
                None => said.rejected.insert(node),
                Some(reason) => said.wrong.entry(*reason).or_default().insert(node),
            };
        }
    }

    /// The nodes of a cluster that are up and announce something.
    pub(super) fn settled(&self, cluster: &str) -> BTreeSet<usize> {
        let mine = |node: &Node| node.settled && node.cluster == cluster;
        self.nodes.iter().enumerate().filter(|(_, node)| mine(node)).map(|(at, _)| at).collect()
    }

    /// A few names, and how many more.
    pub(super) fn names(&self, nodes: &BTreeSet<usize>) -> String {
        let names = nodes.iter().filter_map(|at| self.nodes.get(*at)).map(|node| node.name.as_str());
        let shown: Vec<_> = names.take(3).collect();
        match nodes.len().saturating_sub(shown.len()) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

//! The node-to-node mesh that was left on: most nodes of a cluster announce the blocks of others.
//!
//! With an AS for each node these routes are rejected for their AS path; with one AS for all they look like
//! the node's own, and only the number of nodes that announce one block tells.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::core::Core;
use super::findings::{Key as Cause, Scope};
use crate::bgp::Family;
use crate::policy::{Class, Reason};
use crate::rib::PeerIndex;
use crate::time::Timestamp;

/// How many prefixes of one peer are looked at.
const SAMPLE: usize = 8;
/// How many of a VRF that several nodes announce.
const SAMPLE_TWICE: usize = 64;
/// For what a block is rejected that another node's mesh handed over.
const REASONS: [Reason; 3] = [Reason::AsPathTooLong, Reason::UnexpectedOriginAs, Reason::NextHopNotPeer];

/// The nodes of a cluster.
#[derive(Default)]
struct Nodes {
    up: BTreeSet<PeerIndex>,
    /// Those that announce a block of another, and which.
    passing_on: BTreeMap<PeerIndex, (PeerIndex, IpNet)>,
}

impl Nodes {
    /// More than half of them, until it is less than a quarter.
    fn is_mesh(&self, was_one: bool) -> bool {
        let (passing_on, up) = (self.passing_on.len(), self.up.len());
        passing_on > 1 && passing_on * if was_one { 4 } else { 2 } > up
    }

    fn fact(&self) -> String {
        format!("{} of {} nodes announce blocks of others", self.passing_on.len(), self.up.len())
    }
}

impl Core {
    /// Looks for clusters whose nodes pass on each other's blocks.
    pub(super) fn check_meshes(&mut self, now: Timestamp) {
        let mut clusters: BTreeMap<Scope, Nodes> = BTreeMap::new();
        let mut owners: BTreeMap<IpNet, Vec<(&Scope, PeerIndex)>> = BTreeMap::new();
        for (at, peer) in self.peers.iter().filter(|(_, peer)| peer.session.is_some()) {
            let nodes = clusters.entry(peer.place.scope.clone()).or_default();
            nodes.up.insert(peer.host);
            let rejected = self.findings.rejected(&peer.id, &REASONS, SAMPLE);
            let of_another = |block: &IpNet| {
                let owners = owners.entry(*block).or_insert_with(|| self.owners(*block));
                owners.iter().any(|(scope, host)| *scope == &peer.place.scope && *host != peer.host)
            };
            if let Some(block) = rejected.into_iter().find(of_another) {
                nodes.passing_on.insert(peer.host, (at, block));
            }
        }
        for block in self.duplicates.blocks(SAMPLE_TWICE) {
            self.count_announcers(block, &mut clusters);
        }
        let mut meshes = BTreeSet::new();
        for (scope, nodes) in clusters {
            let cause = Cause::mesh_left_on(scope);
            if nodes.is_mesh(self.meshes.contains(&cause)) {
                self.findings.state(cause.clone(), vec![nodes.fact()], self.proofs(&nodes), now);
                meshes.insert(cause);
            }
        }
        for cause in self.meshes.difference(&meshes) {
            self.findings.clear(cause, now);
        }
        self.meshes = meshes;
    }

    /// The hosts that announce a pod block as their own, and where; two of each place are as good as all.
    fn owners(&self, block: IpNet) -> Vec<(&Scope, PeerIndex)> {
        let mut owners: Vec<(&Scope, PeerIndex)> = Vec::new();
        for path in self.rib.exact(block) {
            let class = path.judgement.accepted().map(|accepted| accepted.class());
            let Some(peer) = self.peers.get(path.peer).filter(|_| class == Some(Class::PodBlock)) else {
                continue;
            };
            let owner = (&peer.place.scope, peer.host);
            if !owners.contains(&owner) && owners.iter().filter(|(scope, _)| *scope == owner.0).count() < 2 {
                owners.push(owner);
            }
        }
        owners
    }

    /// One of those that announce a block owns it; which of them cannot be told.
    fn count_announcers(&self, block: IpNet, clusters: &mut BTreeMap<Scope, Nodes>) {
        let family = Family::of(&block);
        let mut hosts: BTreeMap<&Scope, BTreeMap<PeerIndex, PeerIndex>> = BTreeMap::new();
        for path in self.rib.exact(block).filter(|path| path.judgement.accepted().is_some()) {
            let Some(peer) = self.peers.get(path.peer) else { continue };
            if peer.session.is_some() && !peer.is_lost(family, path.old) && !peer.is_stale(family, path.old) {
                hosts.entry(&peer.place.scope).or_default().insert(peer.host, path.peer);
            }
        }
        for (scope, hosts) in hosts {
            let Some(nodes) = clusters.get_mut(scope).filter(|_| hosts.len() > 2) else { continue };
            nodes.passing_on.extend(hosts.into_iter().map(|(host, at)| (host, (at, block))));
        }
    }

    fn proofs(&self, nodes: &Nodes) -> Vec<super::findings::Proof> {
        // All of them: whether somebody works on them is asked of each.
        nodes
            .passing_on
            .values()
            .filter_map(|(at, block)| Some(self.peers.get(*at)?.proof(format!("announces {block}"))))
            .collect()
    }
}

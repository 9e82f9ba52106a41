//! As a peer of which leaf, and on which terms, what was recorded is judged.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::bgp::session::Offer;
use crate::bgp::{Families, Family};
use crate::config::Config;
use crate::config::model::{AsRange, Leaf, LimitAction, Limits, Neighbors};

/// The leaves, each with its ranges, the longest first.
pub(super) struct Places {
    leaves: Vec<(Leaf, Vec<Arc<Neighbors>>)>,
}

/// Where a recorded peer belongs.
pub(super) struct Place<'a> {
    pub(super) leaf: &'a Leaf,
    pub(super) neighbors: Arc<Neighbors>,
    /// No range of `[[neighbors]]` holds it.
    pub(super) is_stranger: bool,
}

impl Places {
    pub(super) fn new(config: &Config) -> Self {
        let leaves = config.leaves.iter().map(|leaf| {
            let mine = config.neighbors.iter().filter(|entry| entry.leaf == leaf.name);
            let mut ranges: Vec<_> = mine.cloned().map(Arc::new).collect();
            ranges.sort_by_key(|entry| std::cmp::Reverse(entry.range.prefix_len()));
            (leaf.clone(), ranges)
        });
        Self { leaves: leaves.collect() }
    }

    /// The leaf that listens at this address, and nowhere in general.
    pub(super) fn at(&self, local: IpAddr) -> Option<usize> {
        let listens = |leaf: &Leaf| leaf.listen.iter().any(|listen| listen.ip() == local);
        self.leaves.iter().position(|(leaf, _)| listens(leaf)).filter(|_| !local.is_unspecified())
    }

    /// The leaf with this name.
    pub(super) fn named(&self, name: &[u8]) -> Option<usize> {
        self.leaves.iter().position(|(leaf, _)| leaf.name.as_bytes() == name)
    }

    /// The leaf with a range that holds `address`; of several, and where there is none, the one that the file
    /// names, or else the one with the AS that the writer of the file had, or else the first. None if there is no
    /// leaf.
    pub(super) fn find(
        &self,
        address: IpAddr,
        local_as: Option<u32>,
        named: Option<usize>,
    ) -> Option<Place<'_>> {
        let named = named.and_then(|named| self.leaves.get(named)).map(|(leaf, _)| &leaf.name);
        let wanted = |leaf: &&Leaf| match named {
            Some(named) => leaf.name == *named,
            None => Some(leaf.local_as) == local_as,
        };
        let known: Vec<_> = self
            .leaves
            .iter()
            .filter_map(|(leaf, ranges)| {
                Some((leaf, ranges.iter().find(|entry| entry.range.contains(&address))?))
            })
            .collect();
        if let Some((leaf, neighbors)) = known.iter().find(|(leaf, _)| wanted(leaf)).or(known.first()) {
            return Some(Place { leaf, neighbors: Arc::clone(neighbors), is_stranger: false });
        }
        let leaves = || self.leaves.iter().map(|(leaf, _)| leaf);
        let leaf = leaves().find(wanted).or_else(|| leaves().next())?;
        Some(Place { leaf, neighbors: Arc::new(stranger(leaf, address)), is_stranger: true })
    }
}

/// The terms of a peer that the configuration says nothing of: those of the leaf, the defaults, no limit.
fn stranger(leaf: &Leaf, address: IpAddr) -> Neighbors {
    let range = match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::from(address)),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::from(address)),
    };
    Neighbors {
        leaf: Arc::clone(&leaf.name),
        range,
        peer_as: vec![AsRange { first: 0, last: u32::MAX }],
        cluster: Arc::clone(&leaf.cluster),
        vrf: Arc::clone(&leaf.vrf),
        password: None,
        ttl_security_hops: None,
        hold_time: Duration::from_secs(3),
        passive: true,
        port: 179,
        max_peers: usize::MAX,
        limits: Limits { prefixes: u32::MAX, warn_at: 1.0, action: LimitAction::Warn, rejected_kept: 1_000 },
        max_stale_time: Duration::from_mins(6),
        add_path: true,
        ipv4: true,
        ipv6: true,
    }
}

/// What the leaf offers these peers; additional paths too, for what was recorded may have them.
pub(super) fn offer(leaf_as: u32, identifier: Ipv4Addr, neighbors: &Neighbors) -> Offer {
    let families = [(neighbors.ipv4, Family::Ipv4), (neighbors.ipv6, Family::Ipv6)];
    Offer {
        local_as: leaf_as,
        identifier,
        hold_time: neighbors.hold_time,
        families: families
            .into_iter()
            .filter(|(offered, _)| *offered)
            .map(|(_, family)| family)
            .collect::<Families>(),
        add_path: true,
        peer_as: neighbors.peer_as.clone(),
    }
}

//! Who may peer with which leaf, and on which terms: the configuration as the speaker asks for it.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::PeerId;
use crate::bgp::session::Offer;
use crate::bgp::{Families, Family};
use crate::config::Config;
use crate::config::model::{Leaf, Neighbors, Secret};

/// The terms of one entry of `[[neighbors]]` with one leaf.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) leaf: Arc<str>,
    pub(super) neighbors: Arc<Neighbors>,
    pub(super) offer: Arc<Offer>,
}

impl Terms {
    fn new(leaf: &Leaf, neighbors: &Neighbors) -> Self {
        let mut families = Families::NONE;
        for (offered, family) in [(neighbors.ipv4, Family::Ipv4), (neighbors.ipv6, Family::Ipv6)] {
            if offered {
                families.insert(family);
            }
        }
        let offer = Offer {
            local_as: leaf.local_as,
            identifier: leaf.router_id,
            hold_time: neighbors.hold_time,
            families,
            add_path: neighbors.add_path,
            peer_as: neighbors.peer_as.clone(),
        };
        Self { leaf: Arc::clone(&leaf.name), neighbors: Arc::new(neighbors.clone()), offer: Arc::new(offer) }
    }

    /// Whether a session of `peer_as` goes on unchanged when these terms replace `old`: what its OPEN
    /// offered and how its packets are protected is the same, and its AS may still peer.
    pub(super) fn continues(&self, old: &Self, peer_as: Option<u32>) -> bool {
        let offer = Offer { peer_as: self.offer.peer_as.clone(), ..(*old.offer).clone() };
        *self.offer == offer
            && self.neighbors.password == old.neighbors.password
            && self.neighbors.ttl_security_hops == old.neighbors.ttl_security_hops
            && peer_as.is_none_or(|asn| self.offer.permits(asn))
    }

    /// The least TTL that a peer's packets must arrive with (RFC 5082); 0 if any will do.
    pub(super) fn min_ttl(&self) -> u8 {
        self.neighbors.ttl_security_hops.map_or(0, |hops| u8::MAX - hops.saturating_sub(1))
    }
}

/// All [`Terms`] of a configuration.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By leaf, in the file's order; the longest range first.
    leaves: Vec<(Leaf, Vec<Arc<Terms>>)>,
}

impl Table {
    pub(super) fn new(config: &Config) -> Self {
        let leaves = config.leaves.iter().map(|leaf| {
            let mine = config.neighbors.iter().filter(|neighbors| neighbors.leaf == leaf.name);
            let mut terms: Vec<_> = mine.map(|neighbors| Arc::new(Terms::new(leaf, neighbors))).collect();
            terms.sort_by_key(|terms| std::cmp::Reverse(terms.neighbors.range.prefix_len()));
            (leaf.clone(), terms)
        });
        Self { leaves: leaves.collect() }
    }

    /// The leaves of the configuration.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().map(|(leaf, _)| leaf)
    }

    /// The longest range of `leaf` that holds `address`.
    pub(super) fn lookup(&self, leaf: &str, address: IpAddr) -> Option<&Arc<Terms>> {
        self.of(leaf).iter().find(|terms| terms.neighbors.range.contains(&address))
    }

    /// The addresses to dial, with their terms.
    pub(super) fn dialled(&self) -> impl Iterator<Item = (PeerId, &Arc<Terms>)> {
        self.leaves.iter().flat_map(|(_, terms)| terms).filter_map(|terms| {
            let Neighbors { range, passive, .. } = &*terms.neighbors;
            let single = range.prefix_len() == range.max_prefix_len();
            let peer = PeerId { leaf: Arc::clone(&terms.leaf), address: range.addr() };
            (single && !passive).then_some((peer, terms))
        })
    }

    /// The TCP-MD5 keys that a listening socket of `leaf` needs.
    ///
    /// The kernel knows no exception to a range, so a range with a key is cut where a longer one,
    /// without a key, lies inside.
    pub(super) fn keys(&self, leaf: &str, ipv6: bool) -> Vec<(IpNet, Secret)> {
        let of_family = |terms: &&Arc<Terms>| matches!(terms.neighbors.range, IpNet::V6(_)) == ipv6;
        let open: Vec<IpNet> = self
            .of(leaf)
            .iter()
            .filter(of_family)
            .filter(|terms| terms.neighbors.password.is_none())
            .map(|terms| terms.neighbors.range)
            .collect();
        let mut keys = Vec::new();
        for terms in self.of(leaf).iter().filter(of_family) {
            if let Some(key) = &terms.neighbors.password {
                let mut ranges = Vec::new();
                cut(terms.neighbors.range.trunc(), &open, &mut ranges);
                keys.extend(ranges.into_iter().map(|range| (range, key.clone())));
            }
        }
        keys
    }

    /// Whether any peer of `leaf` has a TCP-MD5 key.
    pub(super) fn has_passwords(&self, leaf: &str) -> bool {
        self.of(leaf).iter().any(|terms| terms.neighbors.password.is_some())
    }

    /// Who may peer with `leaf` over this family of addresses, for people.
    pub(super) fn ranges(&self, leaf: &str, ipv6: bool) -> String {
        let ranges = self.of(leaf).iter().map(|terms| terms.neighbors.range);
        let ranges: Vec<_> = ranges.filter(|range| matches!(range, IpNet::V6(_)) == ipv6).collect();
        if ranges.is_empty() { "no range of its family".to_owned() } else { some(ranges.iter()) }
    }

    /// The least TTL that every peer of `leaf` must keep to, and whether any peer checks ours.
    pub(super) fn ttl(&self, leaf: &str) -> (u8, bool) {
        let least = self.of(leaf).iter().map(|terms| terms.min_ttl()).min().unwrap_or_default();
        (least, self.of(leaf).iter().any(|terms| terms.min_ttl() > 0))
    }

    fn of(&self, leaf: &str) -> &[Arc<Terms>] {
        self.leaves.iter().find(|(candidate, _)| *candidate.name == *leaf).map_or(&[], |(_, terms)| terms)
    }
}

/// The first ones by name, the rest as a number.
pub(super) fn some<T: Display>(items: impl ExactSizeIterator<Item = T>) -> String {
    const SHOWN: usize = 4;
    let more = items.len().saturating_sub(SHOWN);
    let mut text = items.take(SHOWN).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text = format!("{text} or {more} more");
    }
    text
}

/// What is left of `range` without those of `holes` that are inside it.
fn cut(range: IpNet, holes: &[IpNet], left: &mut Vec<IpNet>) {
    let mut inside = holes.iter().filter(|hole| range.contains(*hole) && range != **hole).peekable();
    if holes.contains(&range) {
        return;
    }
    if inside.peek().is_none() {
        left.push(range);
        return;
    }
    if let Ok(halves) = range.subnets(range.prefix_len().saturating_add(1)) {
        for half in halves {
            cut(half, holes, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speaker::tests::{config, leaf, neighbors};

    #[test]
    fn the_longest_range_of_the_leaf_wins() {
        let config = config(
            vec![leaf("a", 65101), leaf("b", 65102)],
            vec![
                neighbors("a", "10.0.0.0/8", "65201"),
                neighbors("a", "10.1.0.0/16", "65202"),
                neighbors("a", "10.1.1.1/32", "65203"),
                neighbors("b", "10.0.0.0/8", "65204"),
            ],
        );
        let table = Table::new(&config);
        let asn = |leaf: &str, address: &str| {
            let terms = table.lookup(leaf, address.parse().unwrap())?;
            Some(terms.offer.peer_as.first()?.first)
        };
        assert_eq!(asn("a", "10.1.1.1"), Some(65203));
        assert_eq!(asn("a", "10.1.1.2"), Some(65202));
        assert_eq!(asn("a", "10.2.0.1"), Some(65201));
        assert_eq!(asn("b", "10.1.1.1"), Some(65204));
        assert_eq!(asn("a", "192.0.2.1"), None);
        assert_eq!(asn("a", "2001:db8::1"), None);
        assert_eq!(asn("c", "10.1.1.1"), None);
    }

    #[test]
    fn a_range_with_a_key_is_cut_where_a_longer_one_has_none() {
        let mut keyed = neighbors("a", "10.0.0.0/30", "65201");
        keyed.password = Some(Secret::new("secret"));
        let table =
            Table::new(&config(vec![leaf("a", 65101)], vec![keyed, neighbors("a", "10.0.0.1/32", "65202")]));
        let keys: Vec<String> =
            table.keys("a", false).into_iter().map(|(range, _)| range.to_string()).collect();
        assert_eq!(keys, ["10.0.0.0/32", "10.0.0.2/31"]);
        assert!(table.keys("a", true).is_empty());
    }

    #[test]
    fn only_what_a_session_is_like_ends_it() {
        let old = Terms::new(&leaf("a", 65101), &neighbors("a", "10.0.0.0/8", "65201"));
        let with = |change: fn(&mut Neighbors)| {
            let mut new = neighbors("a", "10.0.0.0/8", "65201");
            change(&mut new);
            Terms::new(&leaf("a", 65101), &new).continues(&old, Some(65201))
        };
        assert!(with(|_| ()));
        assert!(with(|new| new.range = "10.0.0.0/9".parse().unwrap()));
        assert!(with(|new| new.max_peers = 7));
        assert!(with(|new| new.limits.prefixes = 7));
        assert!(with(|new| new.cluster = "another".into()));
        assert!(!with(|new| new.ttl_security_hops = Some(1)));
        assert!(with(|new| new.peer_as[0].last = 65299));
        assert!(!with(|new| new.peer_as[0].first = 65202));
        assert!(!with(|new| new.password = Some(Secret::new("secret"))));
        assert!(!with(|new| new.ipv6 = false));
        assert!(!with(|new| new.hold_time *= 2));
        assert!(
            !Terms::new(&leaf("a", 65199), &neighbors("a", "10.0.0.0/8", "65201"))
                .continues(&old, Some(65201))
        );
    }

    #[test]
    fn a_leaf_demands_the_ttl_that_all_its_peers_keep_to() {
        let secured = |hops| Neighbors { ttl_security_hops: hops, ..neighbors("a", "10.0.0.0/8", "65201") };
        let ttl = |entries| Table::new(&config(vec![leaf("a", 65101)], entries)).ttl("a");
        assert_eq!(ttl(vec![secured(Some(1)), secured(Some(3))]), (253, true));
        assert_eq!(ttl(vec![secured(Some(1)), secured(None)]), (0, true));
        assert_eq!(ttl(vec![secured(None)]), (0, false));
        assert_eq!(ttl(vec![]), (0, false));
    }
}

//! What a node announces, in the portions in which BIRD sends it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use ipnet::IpNet;

use crate::bgp::Family;

/// How many routes BIRD feeds to a peer in one round; only those of one round share an UPDATE.
const ROUND: usize = 256;

/// A route that a node announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The prefix.
    pub prefix: IpNet,
    /// Where the node has it from.
    pub source: Source,
    /// What is said of it.
    pub attributes: Arc<Attributes>,
}

impl Route {
    /// A route of the node's own, from its configuration: a pod block, a service range, a service.
    pub fn fixed(prefix: IpNet) -> Self {
        Self { prefix, source: Source::Static, attributes: Arc::default() }
    }

    /// A route that the node found in its kernel: a pod whose address is not of the node's own blocks.
    pub fn kernel(prefix: IpNet) -> Self {
        Self { source: Source::Kernel, ..Self::fixed(prefix) }
    }

    /// A route that the node learned from others and passes on: `path` stands behind its own AS.
    pub fn learned(prefix: IpNet, path: &[u32]) -> Self {
        let attributes = Attributes { path: path.to_vec(), ..Attributes::default() };
        Self { prefix, source: Source::Peer, attributes: Arc::new(attributes) }
    }

    /// The same prefix with other attributes.
    #[must_use]
    pub fn with(self, attributes: Attributes) -> Self {
        Self { attributes: Arc::new(attributes), ..self }
    }
}

/// Where a node has a route from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its configuration.
    Static,
    /// Its kernel.
    Kernel,
    /// Another BGP speaker.
    Peer,
}

impl Source {
    /// The path identifier that BIRD gives to routes of this source, where add-path is negotiated.
    pub(super) const fn path_id(self) -> u32 {
        match self {
            Self::Kernel => 3,
            Self::Static => 4,
            Self::Peer => 6,
        }
    }
}

/// What a node says of a route. The default is what Calico says of the node's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The ASes behind the node's own.
    pub path: Vec<u32>,
    /// `path` is the whole path: the node does not put its own AS in front.
    pub verbatim: bool,
    /// A set of ASes at the end of the path.
    pub as_set: Vec<u32>,
    /// The next hop, if it is not the node.
    pub next_hop: Option<IpAddr>,
    /// The multi-exit discriminator.
    pub med: Option<u32>,
    /// Communities, as AS and value.
    pub communities: Vec<(u16, u16)>,
}

/// Routes that go out together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) attributes: Arc<Attributes>,
    pub(super) prefixes: Vec<(u32, IpNet)>,
}

/// What a node announces in one family.
#[derive(Debug, Default)]
pub(super) struct Table {
    routes: BTreeMap<IpNet, (Source, Arc<Attributes>)>,
}

impl Table {
    pub(super) fn of(routes: &[Route], family: Family) -> Self {
        let mut table = Self::default();
        routes
            .iter()
            .filter(|route| Family::of(&route.prefix) == family)
            .cloned()
            .for_each(|route| table.insert(route));
        table
    }

    pub(super) fn insert(&mut self, route: Route) {
        self.routes.insert(route.prefix, (route.source, route.attributes));
    }

    pub(super) fn remove(&mut self, prefix: &IpNet) -> Option<u32> {
        self.routes.remove(prefix).map(|(source, _)| source.path_id())
    }

    /// The round of a feed that comes after `after`, and where the next one goes on; none: the feed is over.
    pub(super) fn round(&self, after: Option<IpNet>) -> (Vec<Group>, Option<IpNet>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let routes = self.routes.range((from, Bound::Unbounded)).take(ROUND);
        let mut last = None;
        let groups = group(routes.map(|(prefix, (source, attributes))| {
            last = Some(*prefix);
            Route { prefix: *prefix, source: *source, attributes: Arc::clone(attributes) }
        }));
        (groups, last)
    }
}

/// Routes by their attributes, both in the order of first appearance.
pub(super) fn group(routes: impl IntoIterator<Item = Route>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Route { prefix, source, attributes } in routes {
        let prefix = (source.path_id(), prefix);
        match groups.iter_mut().find(|group| group.attributes == attributes) {
            Some(group) => group.prefixes.push(prefix),
            None => groups.push(Group { attributes, prefixes: vec![prefix] }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(count: u32) -> Table {
        let mut table = Table::default();
        for host in 0..count {
            let address = std::net::Ipv4Addr::from_bits(0x0af4_0000 + host);
            table.insert(Route::kernel(IpAddr::V4(address).into()));
        }
        table
    }

    #[test]
    fn a_feed_goes_in_rounds_and_misses_nothing() {
        let table = table(2_000);
        let (mut after, mut sizes) = (None, Vec::new());
        loop {
            let (groups, last) = table.round(after);
            if last.is_none() {
                break;
            }
            after = last;
            sizes.push(groups.iter().map(|group| group.prefixes.len()).sum::<usize>());
        }
        assert_eq!(sizes, [256, 256, 256, 256, 256, 256, 256, 208]);
    }

    #[test]
    fn routes_with_equal_attributes_go_together() {
        let tagged = Attributes { communities: vec![(65102, 100)], ..Attributes::default() };
        let groups = group([
            Route::kernel("10.244.9.7/32".parse().unwrap()),
            Route::fixed("10.96.0.0/12".parse().unwrap()).with(tagged.clone()),
            Route::fixed("10.244.1.0/26".parse().unwrap()),
            Route::fixed("10.96.10.20/32".parse().unwrap()).with(tagged),
        ]);
        let prefixes: Vec<Vec<u32>> =
            groups.iter().map(|group| group.prefixes.iter().map(|(id, _)| *id).collect()).collect();
        assert_eq!(prefixes, [[3, 4], [4, 4]]);
    }

    #[test]
    fn a_route_replaces_the_one_of_its_prefix() {
        let mut table = table(1);
        let prefix: IpNet = "10.244.0.0/32".parse().unwrap();
        table.insert(Route::learned(prefix, &[65101]));
        assert_eq!(table.round(None).0.len(), 1);
        assert_eq!(table.remove(&prefix), Some(6));
        assert_eq!(table.remove(&prefix), None);
    }
}

//! `match` of a rule, made to be asked fast.

use std::sync::Arc;

use ipnet::IpNet;

use crate::config::model::{AsRange, Match};
use crate::observer::feed::Offer;

/// What must hold for a route: all of it; of several values, one.
#[derive(Debug)]
pub(super) struct Condition {
    /// A bit for each class.
    classes: u8,
    prefixes: Box<[IpNet]>,
    min_length: u8,
    communities: Names,
    peer_as: Box<[AsRange]>,
    nodes: Names,
    racks: Names,
    leaves: Names,
    clusters: Names,
}

/// Permitted names, sorted; none: any, and also none.
#[derive(Debug)]
struct Names(Box<[Arc<str>]>);

impl Names {
    fn new(names: &[Arc<str>]) -> Self {
        let mut names: Box<[_]> = names.into();
        names.sort_unstable();
        Self(names)
    }

    fn permit(&self, name: Option<&str>) -> bool {
        self.0.is_empty() || name.is_some_and(|name| self.hold(name))
    }

    fn permit_one_of(&self, names: &[Arc<str>]) -> bool {
        self.0.is_empty() || names.iter().any(|name| self.hold(name))
    }

    fn hold(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }
}

impl Condition {
    pub(super) fn new(matches: &Match) -> Self {
        Self {
            classes: matches.classes().iter().fold(0, |bits, class| bits | 1 << *class as u8),
            prefixes: matches.prefix.as_slice().into(),
            min_length: matches.min_length.unwrap_or(0),
            communities: Names::new(&matches.community),
            peer_as: matches.peer_as.as_slice().into(),
            nodes: Names::new(&matches.node),
            racks: Names::new(&matches.rack),
            leaves: Names::new(&matches.leaf),
            clusters: Names::new(&matches.cluster),
        }
    }

    /// Whether any route of `prefix` can match.
    pub(super) fn holds_for(&self, prefix: IpNet) -> bool {
        prefix.prefix_len() >= self.min_length
            && (self.prefixes.is_empty() || self.prefixes.iter().any(|range| range.contains(&prefix)))
    }

    /// Whether this route of such a prefix matches.
    pub(super) fn matches(&self, offer: &Offer) -> bool {
        self.classes & 1 << offer.accepted.class() as u8 != 0
            && (self.peer_as.is_empty() || self.peer_as.iter().any(|range| range.contains(offer.peer_as)))
            && self.racks.permit(Some(&offer.rack))
            && self.clusters.permit(Some(&offer.cluster))
            && self.leaves.permit(Some(&offer.peer.leaf))
            && self.nodes.permit(offer.node.as_deref())
            && self.communities.permit_one_of(&offer.communities)
    }
}

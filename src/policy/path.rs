//! Judging the attributes of a route: AS path and next hop.

use std::net::IpAddr;

use super::{Reason, Reasons, Subject};
use crate::bgp::as_path::AsPath;
use crate::bgp::attribute::Set;
use crate::config::model::{self, AsRange};

/// What the AS path and the next hop of one peer's routes must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    max_as_path: u32,
    leaf: u32,
    peer_as: u32,
    local_as: u32,
    local: IpAddr,
    origin: Origin,
    next_hop: model::NextHop,
    notes_transit: bool,
}

/// Permitted origin ASes.
#[derive(Clone, Debug, PartialEq)]
enum Origin {
    Any,
    /// The peer, or one of these.
    Peer(Box<[AsRange]>),
}

impl Rules {
    pub(super) fn new(rules: &model::Policy, subject: &Subject<'_>) -> Self {
        let origin = match &rules.origin_as {
            model::OriginAs::Peer => Origin::Peer(Box::default()),
            model::OriginAs::Any => Origin::Any,
            model::OriginAs::List(ranges) => Origin::Peer(ranges.as_slice().into()),
        };
        Self {
            max_as_path: rules.max_as_path,
            leaf: u32::from(rules.count_leaf_as),
            peer_as: subject.peer_as,
            local_as: subject.local_as,
            local: subject.local.to_canonical(),
            origin,
            next_hop: rules.next_hop,
            notes_transit: rules.transit == model::Transit::Note,
        }
    }

    /// Whether transit by design is noted.
    pub(super) const fn notes_transit(&self) -> bool {
        self.notes_transit
    }

    /// Whether these rules let pass what `former` did not: `true` if in doubt.
    pub(super) fn widen(&self, former: &Self) -> bool {
        let origins = match (&self.origin, &former.origin) {
            (_, Origin::Any) => false,
            (Origin::Any, Origin::Peer(_)) => true,
            (Origin::Peer(now), Origin::Peer(then)) => {
                let within = |range: &AsRange| {
                    then.iter().any(|former| former.first <= range.first && range.last <= former.last)
                };
                !now.iter().all(within)
            }
        };
        let path = |one: &Self, other: &Self| one.max_as_path.saturating_add(other.leaf);
        origins
            || path(self, former) > path(former, self)
            || (self.next_hop == model::NextHop::Any && former.next_hop != model::NextHop::Any)
            || (self.notes_transit && !former.notes_transit)
            || (self.peer_as, self.local_as, self.local) != (former.peer_as, former.local_as, former.local)
    }

    /// What is wrong with `attributes`, given the peer's own addresses.
    pub(super) fn judge(&self, attributes: Set<'_>, own: &[IpAddr]) -> Reasons {
        let path = attributes.as_path();
        let mut reasons = Reasons::NONE;
        let mut reject = |reason, when| {
            if when {
                reasons.insert(reason);
            }
        };
        reject(Reason::AsPathTooLong, self.effective(path) > self.max_as_path);
        if path.is_empty() {
            reject(Reason::AsPathEmpty, true);
        } else {
            reject(Reason::FirstAsMismatch, path.first() != Some(self.peer_as));
            reject(Reason::UnexpectedOriginAs, !self.origin_permitted(path.origin()));
            reject(Reason::OwnAsInPath, path.contains(self.local_as));
            reject(Reason::AsSet, path.has_set());
        }
        reject(Reason::NextHopNotPeer, !self.next_hop_permitted(attributes.next_hop(), own));
        if self.notes_transit { reasons.or_transit() } else { reasons }
    }

    /// The length of the path as the leaf counts it.
    fn effective(&self, path: AsPath<'_>) -> u32 {
        length(path).saturating_add(self.leaf)
    }

    fn origin_permitted(&self, origin: Option<u32>) -> bool {
        match (&self.origin, origin) {
            (Origin::Any, _) => true,
            (Origin::Peer(_), None) => false,
            (Origin::Peer(others), Some(asn)) => {
                asn == self.peer_as || others.iter().any(|range| range.contains(asn))
            }
        }
    }

    fn next_hop_permitted(&self, next_hop: Option<IpAddr>, own: &[IpAddr]) -> bool {
        let Some(next_hop) = next_hop.map(|address| address.to_canonical()) else { return false };
        // RFC 4271, 5.1.3: never the receiver's own address. Loopback is the peer's own, or nobody's.
        next_hop != self.local
            && match self.next_hop {
                _ if next_hop.is_loopback() => self.local.is_loopback() && own.contains(&next_hop),
                model::NextHop::Any => true,
                model::NextHop::Peer => own.contains(&next_hop) || incomparable(next_hop, own),
            }
    }
}

/// What was compared with what, for people.
impl Rules {
    pub(super) fn length_detail(&self, path: AsPath<'_>) -> String {
        let (received, effective, max) = (length(path), self.effective(path), self.max_as_path);
        let sign = if effective > max { ">" } else { "<=" };
        if self.leaf == 0 {
            format!("received {received} {sign} {max}")
        } else {
            format!("received {received} + leaf {} = {effective} {sign} {max}", self.leaf)
        }
    }

    pub(super) fn empty_detail(path: AsPath<'_>) -> String {
        if path.is_empty() { "the path names no AS at all".into() } else { format!("the path is {path}") }
    }

    pub(super) fn first_detail(&self, path: AsPath<'_>) -> String {
        match path.first() {
            _ if path.is_empty() => "the path is empty".into(),
            Some(first) if first == self.peer_as => format!("leftmost AS {first} is the peer's"),
            Some(first) => format!("leftmost AS {first} is not the peer's AS {}", self.peer_as),
            None => format!("the path starts with a set, not with the peer's AS {}", self.peer_as),
        }
    }

    pub(super) fn origin_detail(&self, path: AsPath<'_>) -> String {
        let permitted = || match &self.origin {
            Origin::Any => "any is permitted".into(),
            Origin::Peer(others) => {
                others.iter().fold(format!("the peer's AS {} is permitted", self.peer_as), |text, range| {
                    format!("{text}, {range} too")
                })
            }
        };
        match path.origin() {
            _ if path.is_empty() => "the path is empty".into(),
            Some(origin) if origin == self.peer_as => format!("origin AS {origin} is the peer's"),
            Some(origin) => format!("origin AS {origin}; {}", permitted()),
            None => format!("the path ends in a set, which names no origin; {}", permitted()),
        }
    }

    pub(super) fn own_as_detail(&self, path: AsPath<'_>) -> String {
        if path.contains(self.local_as) {
            format!(
                "the leaf's own AS {} is in {path}: the node hands back what a leaf gave it",
                self.local_as
            )
        } else {
            format!("the leaf's own AS {} is not in the path", self.local_as)
        }
    }

    pub(super) fn transit_detail(&self, passed: bool, path: AsPath<'_>) -> String {
        let own = self.local_as;
        if !passed {
            format!(
                "the leaf's own AS {own} is behind the peer's in {path}: the node hands on what the fabric gave it, \
                 which policy.transit notes"
            )
        } else if path.contains(own) {
            format!("the leaf's own AS {own} is in {path}, but there is more that is wrong with the route")
        } else {
            format!("the leaf's own AS {own} is not in the path: the fabric did not give this to the node")
        }
    }

    pub(super) fn set_detail(path: AsPath<'_>) -> String {
        if path.has_set() { format!("there is an AS_SET in {path}") } else { "no AS_SET in the path".into() }
    }

    pub(super) fn next_hop_detail(&self, next_hop: Option<IpAddr>, own: &[IpAddr]) -> String {
        let Some(next_hop) = next_hop.map(|address| address.to_canonical()) else {
            return "there is no next hop".into();
        };
        if next_hop == self.local {
            return format!("next hop {next_hop} is the leaf's own address");
        }
        if next_hop.is_loopback() && !self.next_hop_permitted(Some(next_hop), own) {
            return format!("next hop {next_hop} is a loopback address");
        }
        if own.contains(&next_hop) {
            return format!("next hop {next_hop} is the peer");
        }
        match self.next_hop {
            model::NextHop::Any => format!("next hop {next_hop}; any is permitted"),
            model::NextHop::Peer if incomparable(next_hop, own) => {
                format!("next hop {next_hop} is of another family than every known address of the peer")
            }
            model::NextHop::Peer => {
                let own = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                format!("next hop {next_hop} is not the peer, {own}")
            }
        }
    }
}

/// A session over IPv4 may carry IPv6 routes and the other way round. Unless the node is pinned with an
/// address of that family nobody knows what its next hop should be.
fn incomparable(next_hop: IpAddr, own: &[IpAddr]) -> bool {
    own.iter().all(|address| address.is_ipv4() != next_hop.is_ipv4())
}

fn length(path: AsPath<'_>) -> u32 {
    u32::try_from(path.length()).unwrap_or(u32::MAX)
}

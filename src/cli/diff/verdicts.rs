//! Which routes would be judged otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter::Peekable;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::observer::view::Route;
use crate::policy::{Class, Reason};
use crate::speaker::PeerId;

/// What becomes of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It is accepted.
    Accepted(Class),
    /// It is rejected, first of all, for this.
    Rejected(Reason),
    /// It is neither, and counted for this alone.
    Noted(Reason),
    /// Its session may not be.
    Gone,
}

impl Verdict {
    fn of(route: &Route) -> Self {
        match (&*route.state, route.reasons.first()) {
            ("accepted", _) | (_, None) => Self::Accepted(route.class),
            ("rejected", Some(reason)) => Self::Rejected(*reason),
            (_, Some(reason)) => Self::Noted(*reason),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(class) => write!(f, "accepted {class}"),
            Self::Rejected(reason) => write!(f, "rejected {reason}"),
            Self::Noted(reason) => write!(f, "noted {reason}"),
            Self::Gone => f.write_str("gone with its session"),
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A route that would be judged otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Turned {
    pub(super) prefix: IpNet,
    pub(super) leaf: String,
    pub(super) peer: std::net::IpAddr,
    pub(super) node: Option<String>,
    pub(super) path_id: u32,
    pub(super) from: Verdict,
    pub(super) to: Verdict,
}

/// Walks the routes of both sides, each in order, and hands out those whose verdicts differ.
pub(super) fn turned(
    old: impl Iterator<Item = Route>,
    new: impl Iterator<Item = Route>,
    mut each: impl FnMut(Turned) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let next = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(route), None) | (None, Some(route)) => route.prefix,
            (Some(one), Some(other)) => one.prefix.min(other.prefix),
        };
        // The sides may number their peers differently.
        let mut after: BTreeMap<_, _> = group(&mut new, next).map(|route| (key(&route), route)).collect();
        for route in group(&mut old, next) {
            let (from, other) = (Verdict::of(&route), after.remove(&key(&route)));
            let to = other.as_ref().map_or(Verdict::Gone, Verdict::of);
            if from != to {
                each(Turned::new(&other.unwrap_or(route), from, to))?;
            }
        }
        for route in after.into_values() {
            each(Turned::new(&route, Verdict::Gone, Verdict::of(&route)))?;
        }
    }
}

/// The routes of one prefix, which is the next.
fn group<I: Iterator<Item = Route>>(routes: &mut Peekable<I>, prefix: IpNet) -> impl Iterator<Item = Route> {
    std::iter::from_fn(move || routes.next_if(|route| route.prefix == prefix))
}

fn key(route: &Route) -> (PeerId, u32) {
    (PeerId { leaf: route.leaf.clone(), address: route.peer }, route.path_id)
}

impl Turned {
    fn new(route: &Route, from: Verdict, to: Verdict) -> Self {
        Self {
            prefix: route.prefix,
            leaf: route.leaf.to_string(),
            peer: route.peer,
            node: route.node.as_deref().map(str::to_owned),
            path_id: route.path_id,
            from,
            to,
        }
    }
}

/// All that turn the same way, counted.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<(Verdict, Verdict), Group>);

#[derive(Debug)]
struct Group {
    routes: u64,
    peers: BTreeSet<(String, std::net::IpAddr)>,
    example: String,
}

impl Groups {
    pub(super) fn add(&mut self, turned: Turned) {
        let Turned { prefix, leaf, peer, node, from, to, .. } = turned;
        let group = self.0.entry((from, to)).or_insert_with(|| Group {
            routes: 0,
            peers: BTreeSet::new(),
            example: format!("{prefix} of {}", node.unwrap_or_else(|| peer.to_string())),
        });
        group.routes += 1;
        group.peers.insert((leaf, peer));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line each, those with most routes first.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut groups: Vec<_> = self.0.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.routes));
        let line = |(verdicts, group): (&(Verdict, Verdict), &Group)| {
            let routes = super::count(group.routes, "route");
            let peers = super::count(group.peers.len() as u64, "peer");
            format!("{routes} of {peers}: {} -> {}, e.g. {}", verdicts.0, verdicts.1, group.example)
        };
        groups.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::route;

    fn rejected(prefix: &str) -> Route {
        let mut route = route(prefix);
        (route.state, route.reasons) = ("rejected".into(), vec![Reason::NotAllowed, Reason::AsPathTooLong]);
        route
    }

    fn of(mut route: Route, peer: &str) -> Route {
        route.peer = peer.parse().unwrap();
        route
    }

    fn lines(old: Vec<Route>, new: Vec<Route>) -> Vec<String> {
        let mut groups = Groups::default();
        turned(old.into_iter(), new.into_iter(), |turned| {
            groups.add(turned);
            Ok(())
        })
        .unwrap();
        groups.lines()
    }

    #[test]
    fn what_turns_the_same_way_is_one_line() {
        let (first, second) = ("192.168.1.1", "192.168.1.2");
        // The sides have their peers in different orders.
        let old = vec![
            of(rejected("10.0.0.0/26"), first),
            of(rejected("10.0.0.0/26"), second),
            of(rejected("10.0.1.0/26"), first),
            of(route("10.0.2.0/26"), first),
            of(route("10.0.3.0/26"), second),
        ];
        let new = vec![
            of(route("10.0.0.0/26"), second),
            of(route("10.0.0.0/26"), first),
            of(route("10.0.1.0/26"), first),
            of(route("10.0.2.0/26"), first),
            of(route("fd00::/122"), first),
        ];
        assert_eq!(
            lines(old, new),
            [
                "3 routes of 2 peers: rejected not_allowed -> accepted pod_block, e.g. 10.0.0.0/26 of node1",
                "1 route of 1 peer: accepted pod_block -> gone with its session, e.g. 10.0.3.0/26 of node1",
                "1 route of 1 peer: gone with its session -> accepted pod_block, e.g. fd00::/122 of node1",
            ]
        );
    }

    #[test]
    fn what_is_only_noted_is_neither_accepted_nor_rejected() {
        let mut noted = rejected("10.0.0.0/26");
        noted.state = "noted".into();
        let line = "1 route of 1 peer: rejected not_allowed -> noted not_allowed, e.g. 10.0.0.0/26 of node1";
        assert_eq!(lines(vec![rejected("10.0.0.0/26")], vec![noted]), [line]);
    }

    #[test]
    fn paths_of_one_peer_are_told_apart() {
        let mut second = rejected("10.0.0.0/26");
        second.path_id = 7;
        let mut accepted = second.clone();
        (accepted.state, accepted.reasons) = ("accepted".into(), vec![]);
        let changed = lines(vec![rejected("10.0.0.0/26"), second], vec![rejected("10.0.0.0/26"), accepted]);
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].starts_with("1 route of 1 peer: "), "{changed:?}");
    }
}

//! Answers to questions about routes, in slices.
//!
//! Answers are in the order of [`Key`], in which the table is walked. Where few of its routes are wanted,
//! that would be long: then the runs of those peers that may have some are gone through instead, in no
//! order, and the first keys of what is wanted are kept ([`Sift`]). Which of the two is shorter is guessed
//! from counters, and a walk that finds too little turns into the other.

mod filter;
mod sift;

use ipnet::IpNet;

use self::filter::Filter;
use self::sift::Sift;
use super::core::Core;
use super::peers::Peer;
use super::query::{Cursor, Match, RouteQuery, StateFilter};
use super::view;
use crate::bgp::Family;
use crate::policy::{Class, Reason};
use crate::rib::{Key, Path, PeerIndex};

/// How many routes a page has unless the query says otherwise, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;
/// Steps that it takes to show a route: a step is a route looked at in order.
const SHOWN: usize = 4;

/// How far a page may look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// After so many routes looked at in order, the runs of peers are gone through instead.
    pub(super) walk: usize,
    /// After so many routes looked at in order, a page ends wherever it is.
    pub(super) most: usize,
    /// No more routes than this are gone through for one page.
    pub(super) sift: u64,
    /// How many of them in a step.
    pub(super) stride: usize,
}

impl Reach {
    const USUAL: Self = Self { walk: 2_000, most: 20_000, sift: 2_000_000, stride: 64 };
}

/// A question that is being answered.
pub(super) struct Search {
    query: RouteQuery,
    reach: Reach,
    limit: usize,
    items: Vec<view::Route>,
    after: Option<Key>,
    looked_at: usize,
    way: Way,
    done: bool,
}

/// How the next slice looks for routes.
enum Way {
    /// Not decided yet.
    Unknown,
    /// In order.
    Walk { may_sift: bool },
    /// By the runs of peers.
    Sift(Sift),
}

impl Search {
    pub(super) fn new(query: RouteQuery) -> Self {
        Self::within(Reach::USUAL, query)
    }

    pub(super) fn within(reach: Reach, query: RouteQuery) -> Self {
        let limit = if query.limit == 0 { LIMIT } else { query.limit.min(MOST) };
        let after = query.cursor.map(|Cursor { prefix, peer, path_id }| Key {
            prefix,
            peer: PeerIndex(peer),
            path_id,
        });
        let way = Way::Unknown;
        Self { query, reach, limit, items: Vec::new(), after, looked_at: 0, way, done: false }
    }

    /// The page, as far as it came.
    pub(super) fn finish(self, core: &Core) -> view::Page<view::Route> {
        let last = self.after.filter(|_| !self.done);
        let cursor = last.map(|Key { prefix, peer, path_id }| Cursor { prefix, peer: peer.0, path_id });
        let whole = self.done && self.query.cursor.is_none();
        let total = if whole { Some(self.items.len() as u64) } else { core.total(&self.query) };
        view::Page { items: self.items, next_cursor: cursor.map(|cursor| cursor.to_string()), total }
    }
}

impl Core {
    /// Goes on by some steps; answers whether the page is ready.
    pub(super) fn search(&self, search: &mut Search, steps: usize) -> bool {
        match &mut search.way {
            Way::Unknown => {
                search.way = self.first_way(search);
                self.search(search, steps)
            }
            Way::Walk { may_sift } => {
                let may_sift = *may_sift;
                self.walk(search, may_sift, steps)
            }
            Way::Sift(sift) => {
                if !sift.go_on(self, &search.query, steps) {
                    return false;
                }
                self.show_sifted(search);
                true
            }
        }
    }

    /// By what counters say, which way is the shorter one.
    fn first_way(&self, search: &Search) -> Way {
        let query = &search.query;
        if !filter::is_narrow(query) {
            return Way::Walk { may_sift: false };
        }
        // A prefix says how long the walk is at most, and it may be very short.
        if query.prefix.is_some() {
            return Way::Walk { may_sift: true };
        }
        let sift = Sift::new(self, search);
        let all: u64 = Family::ALL.into_iter().map(|family| self.rib.counters(family).paths).sum();
        // What is wanted often stands together: a page that goes on begins in the midst of it, while the
        // first one may have far to go.
        let far = if search.after.is_none() { 2 } else { 1 };
        let walk = (search.limit as u64).saturating_mul(far * all / sift.paths().max(1));
        if sift.paths() <= search.reach.sift && sift.steps() < walk {
            Way::Sift(sift)
        } else {
            Way::Walk { may_sift: true }
        }
    }

    fn walk(&self, search: &mut Search, may_sift: bool, steps: usize) -> bool {
        let mut filter = Filter::new(&search.query);
        let mut routes = self.candidates(&search.query, search.after);
        let mut left = steps;
        while left > 0 {
            if search.items.len() >= search.limit {
                // Whether this is the last page can be told only by one route more.
                search.done = routes.next().is_none();
                return true;
            }
            if may_sift && search.looked_at >= search.reach.walk {
                let sift = Sift::new(self, search);
                let reaches = sift.paths() <= search.reach.sift;
                search.way = if reaches { Way::Sift(sift) } else { Way::Walk { may_sift: false } };
                return false;
            }
            if search.looked_at >= search.reach.most {
                return true;
            }
            let Some((prefix, path)) = routes.next() else {
                search.done = true;
                return true;
            };
            search.looked_at += 1;
            left -= 1;
            search.after = Some(Key { prefix, peer: path.peer, path_id: path.path_id });
            if let Some(peer) = self.peers.get(path.peer)
                && filter.wants(self, peer, &prefix, &path)
            {
                search.items.push(self.view(peer, prefix, &path));
                left = left.saturating_sub(SHOWN);
            }
        }
        false
    }

    /// Shows what was sifted out, as far as it is still there.
    fn show_sifted(&self, search: &mut Search) {
        let Way::Sift(sift) = std::mem::replace(&mut search.way, Way::Unknown) else { return };
        let (keys, more) = sift.finish();
        let mut filter = Filter::new(&search.query);
        for key in keys {
            search.after = Some(key);
            if let Some(path) = self.rib.get(key.peer, key.prefix, key.path_id)
                && let Some(peer) = self.peers.get(key.peer)
                && filter.wants(self, peer, &key.prefix, &path)
            {
                search.items.push(self.view(peer, key.prefix, &path));
            }
        }
        search.done = !more;
    }

    /// The routes whose prefix fits, in order.
    fn candidates<'a>(
        &'a self,
        query: &RouteQuery,
        after: Option<Key>,
    ) -> Box<dyn Iterator<Item = (IpNet, Path)> + 'a> {
        let Some(prefix) = query.prefix.map(|prefix| prefix.trunc()) else {
            return Box::new(self.rib.all(after));
        };
        match query.matching {
            Match::Exact => {
                let paths = self.rib.exact(prefix).map(move |path| (prefix, path));
                let is_after = move |path: &Path| {
                    after.is_none_or(|after| after < Key { prefix, peer: path.peer, path_id: path.path_id })
                };
                Box::new(paths.filter(move |(_, path)| is_after(path)))
            }
            Match::Longer => Box::new(self.rib.longer(prefix, after)),
            Match::Covering => Box::new(self.rib.covering(prefix, after)),
        }
    }

    /// How many routes a query would find, where counters tell.
    fn total(&self, query: &RouteQuery) -> Option<u64> {
        let counted = query.prefix.is_none() && query.reason.is_none() && query.community.is_none();
        if !counted || (query.class.is_some() && query.state != Some(StateFilter::Accepted)) {
            return None;
        }
        let fitting = self.peers.iter().filter(|(_, peer)| filter::is_of(query, peer));
        Some(fitting.map(|(at, peer)| self.count(at, peer, query.state, query.class)).sum())
    }

    fn count(&self, at: PeerIndex, peer: &Peer, state: Option<StateFilter>, class: Option<Class>) -> u64 {
        match (state, class) {
            (Some(StateFilter::Accepted), Some(class)) => {
                peer.tally.accepted.iter().filter_map(|by| by.get(class as usize)).sum()
            }
            (Some(StateFilter::Accepted), None) => peer.tally.accepted(),
            (Some(StateFilter::Rejected), _) => peer.tally.rejected(),
            (Some(StateFilter::Noted), _) => peer.tally.noted(),
            (Some(StateFilter::Stale), _) => self.stale(at, peer).iter().sum(),
            (None, _) => peer.tally.held() + peer.tally.noted(),
        }
    }

    /// How many routes of a peer are stale, by family.
    pub(super) fn stale(&self, at: PeerIndex, peer: &Peer) -> [u64; 2] {
        Family::ALL
            .map(|family| if peer.family(family).is_stale() { self.rib.old_count(at, family) } else { 0 })
    }

    pub(super) fn view(&self, peer: &Peer, prefix: IpNet, path: &Path) -> view::Route {
        let set = self.rib.attributes(path.attributes);
        view::Route {
            prefix,
            leaf: peer.id.leaf.clone(),
            peer: peer.id.address,
            node: peer.name.clone(),
            cluster: peer.place.scope.cluster.clone(),
            vrf: peer.place.scope.vrf.clone(),
            peer_as: peer.asn().unwrap_or_default(),
            path_id: path.path_id,
            class: path.judgement.class(),
            state: path.judgement.verdict().into(),
            stale: peer.is_stale(Family::of(&prefix), path.old),
            reasons: path.judgement.reasons().iter().collect(),
            as_path: set.as_path().to_string(),
            next_hop: set.next_hop(),
            communities: set.communities().map(|community| community.to_string()).collect(),
            med: set.med(),
            origin: set.origin().map(|origin| origin.name().into()),
            since: path.since,
            eepg: None,
        }
    }

    /// How every route was judged that has exactly the query's prefix and comes from a peer that it asks for.
    pub(super) fn why(&self, query: &RouteQuery) -> Vec<view::Why> {
        let Some(prefix) = query.prefix.map(|prefix| prefix.trunc()) else { return Vec::new() };
        let family = Family::of(&prefix);
        let routes = self.rib.exact(prefix).filter_map(|path| Some((self.peers.get(path.peer)?, path)));
        let routes = routes.filter(|(peer, _)| filter::is_of(query, peer));
        let visible = routes.filter(|(peer, path)| !peer.is_lost(family, path.old) && !peer.leaving);
        visible.take(MOST).filter_map(|(peer, path)| self.explain(peer, prefix, &path)).collect()
    }

    fn explain(&self, peer: &Peer, prefix: IpNet, path: &Path) -> Option<view::Why> {
        let checks = peer.terms.as_ref()?.explain(prefix, self.rib.attributes(path.attributes));
        let mut steps: Vec<_> = checks
            .into_iter()
            .map(|check| view::Step { check: check.reason, passed: check.passed, detail: check.detail })
            .collect();
        steps.push(limit_step(peer, path));
        let verdict = path.judgement.verdict().to_owned();
        let eepg = "no EEPG rules are configured".to_owned();
        Some(view::Why { route: self.view(peer, prefix, path), steps, verdict, eepg })
    }
}

fn limit_step(peer: &Peer, path: &Path) -> view::Step {
    let passed = !path.judgement.reasons().contains(Reason::Limit);
    let limit = peer.prefix_limit();
    let detail = if passed {
        format!("the peer has {} of {limit} prefixes", peer.tally.admitted())
    } else {
        format!("the peer had {limit} prefixes already when this one came")
    };
    view::Step { check: Reason::Limit, passed, detail }
}

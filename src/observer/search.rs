//! Answers to questions about routes, in slices.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::core::Core;
use super::peers::Peer;
use super::query::{Cursor, Match, RouteQuery, StateFilter};
use super::view;
use crate::bgp::Family;
use crate::bgp::attribute::Set;
use crate::policy::{Class, Reason};
use crate::rib::{AttributesId, Key, Path, PeerIndex};

/// How many routes a page has unless the query says otherwise, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;
/// After so many routes looked at, a page ends wherever it is.
const PATIENCE: usize = 250_000;

/// A question that is being answered.
pub(super) struct Search {
    query: RouteQuery,
    limit: usize,
    items: Vec<view::Route>,
    after: Option<Key>,
    looked_at: usize,
    done: bool,
}

impl Search {
    pub(super) fn new(query: RouteQuery) -> Self {
        let limit = if query.limit == 0 { LIMIT } else { query.limit.min(MOST) };
        let after = query.cursor.map(|Cursor { prefix, peer, path_id }| Key {
            prefix,
            peer: PeerIndex(peer),
            path_id,
        });
        Self { query, limit, items: Vec::new(), after, looked_at: 0, done: false }
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
    /// Looks at up to `steps` more routes; answers whether the page is ready.
    pub(super) fn search(&self, search: &mut Search, steps: usize) -> bool {
        let mut asked = Asked { query: &search.query, community: None };
        let mut routes = self.candidates(&search.query, search.after);
        for _ in 0..steps {
            if search.items.len() >= search.limit || search.looked_at >= PATIENCE {
                // Whether this is the last page can be told only by one route more.
                search.done = search.looked_at < PATIENCE && routes.next().is_none();
                return true;
            }
            let Some((prefix, path)) = routes.next() else {
                search.done = true;
                return true;
            };
            search.looked_at += 1;
            search.after = Some(Key { prefix, peer: path.peer, path_id: path.path_id });
            if let Some(peer) = self.peers.get(path.peer)
                && asked.wants(self, peer, &prefix, &path)
            {
                search.items.push(self.view(peer, prefix, &path));
            }
        }
        false
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
        let fitting = self.peers.iter().filter(|(_, peer)| is_of(query, peer));
        Some(fitting.map(|(at, peer)| self.count(at, peer, query.state, query.class)).sum())
    }

    fn count(&self, at: PeerIndex, peer: &Peer, state: Option<StateFilter>, class: Option<Class>) -> u64 {
        match (state, class) {
            (Some(StateFilter::Accepted), Some(class)) => {
                peer.tally.accepted.iter().filter_map(|by| by.get(class as usize)).sum()
            }
            (Some(StateFilter::Accepted), None) => peer.tally.accepted(),
            (Some(StateFilter::Rejected), _) => peer.tally.rejected(),
            (Some(StateFilter::Stale), _) => self.stale(at, peer).iter().sum(),
            (None, _) => peer.tally.held(),
        }
    }

    /// How many routes of a peer are stale, by family.
    pub(super) fn stale(&self, at: PeerIndex, peer: &Peer) -> [u64; 2] {
        Family::ALL
            .map(|family| if peer.family(family).is_stale() { self.rib.old_count(at, family) } else { 0 })
    }

    fn view(&self, peer: &Peer, prefix: IpNet, path: &Path) -> view::Route {
        let set = self.rib.attributes(path.attributes);
        let accepted = path.judgement.accepted().is_some();
        view::Route {
            prefix,
            leaf: peer.id.leaf.to_string(),
            peer: peer.id.address,
            node: peer.name.as_deref().map(str::to_owned),
            cluster: peer.place.scope.cluster.to_string(),
            peer_as: peer.asn().unwrap_or_default(),
            path_id: path.path_id,
            class: path.judgement.class(),
            state: verdict(accepted).to_owned(),
            stale: peer.is_stale(Family::of(&prefix), path.old),
            reasons: path.judgement.reasons().iter().collect(),
            as_path: set.as_path().to_string(),
            next_hop: set.next_hop(),
            communities: set.communities().map(|community| community.to_string()).collect(),
            med: set.med(),
            origin: set.origin().map(|origin| origin.name().to_owned()),
            since: path.since,
            eepg: None,
        }
    }

    /// How every route that has exactly this prefix was judged.
    pub(super) fn why(&self, prefix: IpNet) -> Vec<view::Why> {
        let prefix = prefix.trunc();
        let family = Family::of(&prefix);
        let routes = self.rib.exact(prefix).filter_map(|path| Some((self.peers.get(path.peer)?, path)));
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
        let verdict = verdict(path.judgement.accepted().is_some()).to_owned();
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

const fn verdict(accepted: bool) -> &'static str {
    if accepted { "accepted" } else { "rejected" }
}

/// Whether routes of this peer are asked for.
fn is_of(query: &RouteQuery, peer: &Peer) -> bool {
    fn fits(asked: Option<&String>, is: &Arc<str>) -> bool {
        asked.is_none_or(|asked| **asked == **is)
    }
    let address = |asked: IpAddr| asked == peer.id.address;
    fits(query.leaf.as_ref(), &peer.id.leaf)
        && fits(query.cluster.as_ref(), &peer.place.scope.cluster)
        && query.peer.is_none_or(address)
        && query.node.as_ref().is_none_or(|asked| peer.name.as_deref() == Some(asked))
}

/// A query, and what is known of the last set of attributes that was asked about.
struct Asked<'a> {
    query: &'a RouteQuery,
    community: Option<(AttributesId, bool)>,
}

impl Asked<'_> {
    fn wants(&mut self, core: &Core, peer: &Peer, prefix: &IpNet, path: &Path) -> bool {
        let family = Family::of(prefix);
        let query = self.query;
        let judgement = &path.judgement;
        let state = match query.state {
            None => true,
            Some(StateFilter::Accepted) => judgement.accepted().is_some(),
            Some(StateFilter::Rejected) => judgement.accepted().is_none(),
            Some(StateFilter::Stale) => peer.is_stale(family, path.old),
        };
        state
            && !peer.leaving
            && !peer.is_lost(family, path.old)
            && query.class.is_none_or(|class| judgement.class() == class)
            && query.reason.is_none_or(|reason| judgement.reasons().contains(reason))
            && is_of(query, peer)
            && self.has_community(path.attributes, || core.rib.attributes(path.attributes))
    }

    fn has_community<'s>(&mut self, id: AttributesId, set: impl FnOnce() -> Set<'s>) -> bool {
        let Some(asked) = &self.query.community else { return true };
        match self.community {
            Some((last, has)) if last == id => has,
            _ => {
                let has = set().communities().any(|community| community.to_string() == *asked);
                self.community.insert((id, has)).1
            }
        }
    }
}

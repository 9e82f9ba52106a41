//! The first of few wanted routes, out of the runs of the peers that may have them.
//!
//! A run is in no order and close together in memory, so that a route is looked at in a small part of the
//! time that it takes to find the next one in order.

use ipnet::IpNet;

use super::Search;
use super::filter::{self, Filter};
use crate::bgp::Family;
use crate::observer::core::Core;
use crate::observer::query::RouteQuery;
use crate::rib::{Hint, Key, PeerIndex, Position};

/// For how many steps a run is looked at before they are counted.
const CHUNK: usize = 32;

/// A search through the runs of peers.
pub(super) struct Sift {
    /// What is left of them: the last one is being looked at.
    runs: Vec<(PeerIndex, Family)>,
    position: Option<Position>,
    /// How many routes they had at the start.
    paths: u64,
    /// How many routes are looked at in a step.
    stride: usize,
    first: First,
}

impl Sift {
    /// For what the search still lacks.
    pub(super) fn new(core: &Core, search: &Search) -> Self {
        let query = &search.query;
        let may_be = query.community.as_ref().is_none_or(|asked| core.rib.any_may_have(Hint::of(asked)));
        let wanted =
            |family: &Family| may_be && query.prefix.is_none_or(|prefix| Family::of(&prefix) == *family);
        let (mut runs, mut paths) = (Vec::new(), 0_u64);
        for (at, _) in core.peers.iter() {
            for family in Family::ALL.into_iter().filter(wanted) {
                if filter::most_of(query, core, at, family) > 0 {
                    runs.push((at, family));
                    paths = paths.saturating_add(core.rib.count(at, family));
                }
            }
        }
        let room = search.limit.saturating_sub(search.items.len()).max(1);
        let stride = search.reach.stride;
        Self { runs, position: None, paths, stride, first: First::new(room, search.after) }
    }

    /// How many routes there are to be looked at.
    pub(super) const fn paths(&self) -> u64 {
        self.paths
    }

    /// How many steps that takes, about.
    pub(super) const fn steps(&self) -> u64 {
        self.paths / self.stride as u64 + self.runs.len() as u64
    }

    /// Goes on by some steps; answers whether it is through.
    pub(super) fn go_on(&mut self, core: &Core, query: &RouteQuery, steps: usize) -> bool {
        let mut filter = Filter::new(query);
        let mut left = steps;
        while left > 0 {
            let Some(&(at, family)) = self.runs.last() else { return true };
            let chunk = left.min(CHUNK);
            let (sets, kept) = (filter.known.len(), self.first.kept);
            self.position = self.look_at(core, query, &mut filter, at, family, chunk * self.stride);
            if self.position.is_none() {
                self.runs.pop();
            }
            let dear = (filter.known.len() - sets).saturating_add((self.first.kept - kept) / 4);
            left = left.saturating_sub(chunk).saturating_sub(dear);
        }
        self.runs.is_empty()
    }

    /// A part of one run.
    fn look_at(
        &mut self,
        core: &Core,
        query: &RouteQuery,
        filter: &mut Filter<'_>,
        at: PeerIndex,
        family: Family,
        budget: usize,
    ) -> Option<Position> {
        let peer = core.peers.get(at)?;
        let first = &mut self.first;
        let is_wanted = |attributes, judgement, old| {
            filter.counts(peer, family, old) && filter.says(core, attributes, judgement)
        };
        let bounds = first.bounds();
        core.rib.sift((at, family), self.position, budget, bounds, is_wanted, |prefix, path_id| {
            if filter::is_within(query, &prefix) {
                first.offer(Key { prefix, peer: at, path_id });
            }
        })
    }

    /// The first keys in order, and whether there are more.
    pub(super) fn finish(self) -> (Vec<Key>, bool) {
        self.first.finish()
    }
}

/// The first keys of all that are offered.
struct First {
    room: usize,
    after: Option<Key>,
    keys: Vec<Key>,
    /// What is beyond this is not among the first.
    last: Option<Key>,
    /// How many were kept for a while.
    kept: usize,
}

impl First {
    const fn new(room: usize, after: Option<Key>) -> Self {
        Self { room, after, keys: Vec::new(), last: None, kept: 0 }
    }

    /// Between which prefixes an offer may be worth something.
    fn bounds(&self) -> (Option<IpNet>, Option<IpNet>) {
        (self.after.map(|after| after.prefix), self.last.map(|last| last.prefix))
    }

    fn offer(&mut self, key: Key) {
        if self.after.is_some_and(|after| key <= after) || self.last.is_some_and(|last| key > last) {
            return;
        }
        self.keys.push(key);
        self.kept += 1;
        if self.keys.len() >= self.room.saturating_mul(2) {
            self.shrink();
        }
    }

    /// Leaves as many as there is room for. Thus that costs little for each that is offered.
    fn shrink(&mut self) {
        let (_, last, _) = self.keys.select_nth_unstable(self.room.saturating_sub(1));
        self.last = Some(*last);
        self.keys.truncate(self.room);
    }

    /// A path that moved in its run may have been offered twice.
    fn finish(mut self) -> (Vec<Key>, bool) {
        self.keys.sort_unstable();
        self.keys.dedup();
        let more = self.last.is_some() || self.keys.len() > self.room;
        self.keys.truncate(self.room);
        (self.keys, more)
    }
}

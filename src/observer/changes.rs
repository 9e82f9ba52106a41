//! What the journal is told: which routes changed, and how they are now.
//!
//! What changes is a key in a map: however often it changes before it is told, it is told once, as it is then,
//! and how often. Nothing of this is an input of the core, nor does anything else follow from it: without a reader
//! there is none.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, hash_map};
use ipnet::IpNet;

use super::core::Core;
use super::view;
use crate::bgp::Family;
use crate::rib::{Key, PeerIndex};
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// How many changes one answer tells at most.
const MOST_TOLD: usize = 1_000;
/// How many routes a slice of a walk looks at.
const SLICE: usize = 1_000;
/// How many routes are noted. Nodes choose how many they change, and nobody may read.
const MOST_NOTED: usize = 250_000;

/// A route as it is now.
#[derive(Clone, Debug)]
pub struct RouteChange {
    /// Who announced it.
    pub peer: PeerId,
    /// The prefix.
    pub prefix: IpNet,
    /// The path (RFC 7911).
    pub path_id: u32,
    /// When it changed last; of what was found on a walk, since when it is as it is.
    pub at: Timestamp,
    /// How often it changed since it was told last; 0: it was found on a walk.
    pub times: u32,
    /// The route; none, if there is none any more.
    pub route: Option<view::Route>,
}

/// Some of what changed.
#[derive(Clone, Debug, Default)]
pub struct RouteChanges {
    /// Peers that are known no more, and since when: none of their routes is left. They come before the rest.
    pub forgotten: Vec<(PeerId, Timestamp)>,
    /// Routes, in the order in which they changed.
    pub routes: Vec<RouteChange>,
    /// How often more changed than could be noted: whenever this is another number than before, all is told anew.
    pub lost_track: u64,
    /// All that was there was told since it was last asked for, or since the track was lost.
    pub complete: bool,
    /// There is more to be told now.
    pub more: bool,
}

/// The routes of which the journal must be told.
pub(super) struct Changes {
    /// Somebody reads.
    on: bool,
    noted: Notes,
    /// What was noted until lately, and is being told.
    telling: hash_map::IntoIter<Key, Noted>,
    forgotten: Vec<(PeerId, Timestamp)>,
    walk: Option<Walk>,
    /// What is being told was noted when the walk was over.
    last: bool,
    complete: bool,
    lost_track: u64,
    /// How many routes are noted at most.
    pub(super) most: usize,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            on: false,
            noted: Notes::default(),
            telling: Notes::default().into_iter(),
            forgotten: Vec::new(),
            walk: None,
            last: false,
            complete: false,
            lost_track: 0,
            most: MOST_NOTED,
        }
    }
}

/// All that is there after this one is still to be noted.
struct Walk {
    after: Option<Key>,
}

type Notes = HashMap<Key, Noted, RandomState>;

#[derive(Clone, Copy)]
struct Noted {
    at: Timestamp,
    times: u32,
}

impl Changes {
    /// A route came, changed or went.
    pub(super) fn note(&mut self, key: Key, now: Timestamp) {
        let noted = self.noted.entry(key).or_insert(Noted { at: now, times: 0 });
        (noted.at, noted.times) = (now, noted.times.saturating_add(1));
        if self.noted.len() > self.most {
            self.lose_track();
        }
    }

    /// A peer is known no more.
    fn forget(&mut self, peer: PeerId, now: Timestamp) {
        if self.forgotten.len() >= self.most {
            return self.lose_track();
        }
        self.forgotten.push((peer, now));
    }

    /// All that is there is to be told anew, for it is not known any more what was not told.
    fn lose_track(&mut self) {
        let lost_track = self.lost_track + 1;
        *self = Self { on: self.on, lost_track, most: self.most, ..Self::default() };
        self.begin_walk();
    }

    fn begin_walk(&mut self) {
        self.walk = Some(Walk { after: None });
        (self.last, self.complete) = (false, false);
    }

    /// The next that is to be told.
    fn take(&mut self) -> Option<(Key, Noted)> {
        if self.telling.len() == 0 {
            self.complete |= self.last;
            self.last = self.walk.is_none();
            self.telling = std::mem::take(&mut self.noted).into_iter();
        }
        let next = self.telling.next();
        self.complete |= self.last && self.telling.len() == 0;
        next
    }

    /// Whether there is a walk to go on with: it waits for who reads more slowly.
    pub(super) fn has_walk(&self) -> bool {
        self.walk.is_some() && self.noted.len() <= SLICE
    }

    fn is_empty(&self) -> bool {
        self.noted.is_empty() && self.telling.len() == 0 && self.forgotten.is_empty()
    }
}

impl Core {
    /// Somebody reads from now on; all that is there is told anew.
    pub(super) fn walk_changes(&mut self) {
        self.changes.on = true;
        self.changes.begin_walk();
    }

    /// Has told anew what is said of all routes, if anybody reads: their nodes, their clusters.
    pub(super) fn look_at_all_changes(&mut self) {
        if self.changes.on {
            self.changes.begin_walk();
        }
    }

    /// A route came, changed or went.
    #[inline]
    pub(super) fn note_change(&mut self, key: Key, now: Timestamp) {
        if self.changes.on {
            self.changes.note(key, now);
        }
    }

    /// A peer is known no more.
    pub(super) fn change_forgotten(&mut self, at: PeerIndex, now: Timestamp) {
        if self.changes.on
            && let Some(peer) = self.peers.get(at).filter(|peer| !peer.leaving)
        {
            self.changes.forget(peer.id.clone(), now);
        }
    }

    /// Goes a slice further on the walk.
    pub(super) fn change_slice(&mut self) {
        if !self.changes.has_walk() {
            return;
        }
        let Some(Walk { after }) = self.changes.walk.take() else { return };
        let mut last = None;
        for (seen, (prefix, path)) in (1..).zip(self.rib.all(after).take(SLICE)) {
            let key = Key { prefix, peer: path.peer, path_id: path.path_id };
            self.changes.noted.entry(key).or_insert(Noted { at: path.since, times: 0 });
            last = (seen == SLICE).then_some(key);
        }
        self.changes.walk = last.map(|last| Walk { after: Some(last) });
    }

    /// Takes up to `max` of the routes that are noted, and says how they are now.
    pub(super) fn changes(&mut self, max: usize) -> RouteChanges {
        let forgotten = std::mem::take(&mut self.changes.forgotten);
        let mut routes = Vec::new();
        while routes.len() < max.min(MOST_TOLD)
            && let Some((key, noted)) = self.changes.take()
        {
            routes.extend(self.change(key, noted));
        }
        routes.sort_by_key(|change| change.at);
        let Changes { lost_track, complete, .. } = self.changes;
        RouteChanges { forgotten, routes, lost_track, complete, more: !self.changes.is_empty() }
    }

    /// How a route is now; none, if its peer is known no more.
    fn change(&self, key: Key, noted: Noted) -> Option<RouteChange> {
        let Key { prefix, peer, path_id } = key;
        let peer = self.peers.get(peer).filter(|peer| !peer.leaving)?;
        let path = self.rib.get(key.peer, prefix, path_id);
        let path = path.filter(|path| !peer.is_lost(Family::of(&prefix), path.old));
        Some(RouteChange {
            peer: peer.id.clone(),
            prefix,
            path_id,
            at: noted.at,
            times: noted.times,
            route: path.map(|path| self.view(peer, prefix, &path)),
        })
    }
}

//! The routes of one family.
//!
//! A path is a [`Record`] in the run of its peer, and a [`Ref`] at its prefix. Each knows where the
//! other is: from the prefix to what a peer said of it, and from a peer to all that it said.

use ipnet::IpNet;

use super::address::Address;
use super::attributes::{AttributesId, Store};
use super::index::{Entry, Index, Paths, Ref};
use super::judgements::Judgements;
use super::lists::Lists;
use super::peer::{Peer, Record, place};
use super::{Change, Key, Path, PeerIndex, Position};
use crate::policy::Judgement;
use crate::time::Timestamp;

/// The routes of one family.
#[derive(Debug)]
pub(super) struct Table<A> {
    pub(super) index: Index<A>,
    pub(super) lists: Lists,
    pub(super) peers: Vec<Peer<A>>,
    paths: u64,
}

/// The first and the last prefix that are looked for, if there are any.
pub(super) type Bounds<A> = (Option<(A, u8)>, Option<(A, u8)>);

/// What a path says, beside its key.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) attributes: AttributesId,
    pub(super) judgement: Judgement,
    pub(super) now: Timestamp,
}

impl<A: Address> Default for Table<A> {
    fn default() -> Self {
        Self { index: Index::default(), lists: Lists::default(), peers: Vec::new(), paths: 0 }
    }
}

/// Changes.
impl<A: Address> Table<A> {
    pub(super) fn announce(
        &mut self,
        shared: (&mut Store, &mut Judgements),
        (address, length): (A, u8),
        (peer, path_id): (u32, u32),
        said: Said,
    ) -> Change {
        let (store, judgements) = shared;
        self.grow(peer);
        let at = self.peers.get(place(peer)).map_or(u32::MAX, Peer::len);
        if let Some(old) = self.find_or_insert((address, length), (peer, path_id), at) {
            return self.announce_again(store, judgements, old, said);
        }
        store.hold(said.attributes);
        let judgement = judgements.number(said.judgement);
        if let Some(peer) = self.peers.get_mut(place(peer)) {
            let attributes = said.attributes;
            peer.push(Record::new((address, length), attributes, judgement, said.now), path_id);
            peer.pack(store.luggage(attributes), 0);
        }
        self.paths = self.paths.saturating_add(1);
        Change::New
    }

    fn announce_again(
        &mut self,
        store: &mut Store,
        judgements: &mut Judgements,
        at: Ref,
        said: Said,
    ) -> Change {
        let Some(before) = self.path(judgements, at) else { return Change::New };
        let Some(peer) = self.peers.get_mut(place(at.peer)) else { return Change::New };
        peer.refresh(at.at);
        if before.attributes == said.attributes && before.judgement == said.judgement {
            return Change::Same { was_old: before.old };
        }
        if let Some(record) = peer.record_mut(at.at) {
            record.set_judgement(judgements.number(said.judgement));
            if before.attributes != said.attributes {
                record.set_attributes(said.attributes, said.now);
                peer.pack(store.luggage(said.attributes), store.luggage(before.attributes));
                store.hold(said.attributes);
                store.release(before.attributes);
            }
        }
        Change::Replaced(before)
    }

    pub(super) fn withdraw(
        &mut self,
        store: &mut Store,
        judgements: &Judgements,
        prefix: (A, u8),
        key: (u32, u32),
    ) -> Option<Path> {
        let at = self.find(prefix, key)?;
        let path = self.path(judgements, at)?;
        self.remove(store, at);
        Some(path)
    }

    pub(super) fn set_judgement(
        &mut self,
        judgements: &mut Judgements,
        prefix: (A, u8),
        key: (u32, u32),
        judgement: Judgement,
    ) -> Option<Judgement> {
        let at = self.find(prefix, key)?;
        let record = self.peers.get_mut(place(at.peer))?.record_mut(at.at)?;
        let before = judgements.get(record.judgement())?;
        record.set_judgement(judgements.number(judgement));
        Some(before)
    }

    pub(super) fn outdate(&mut self, peer: u32) {
        if let Some(peer) = self.peers.get_mut(place(peer)) {
            peer.outdate();
        }
    }

    pub(super) fn sweep(
        &mut self,
        store: &mut Store,
        judgements: &Judgements,
        peer: u32,
        budget: usize,
        mut removed: impl FnMut(IpNet, Path),
    ) -> bool {
        for _ in 0..budget {
            let Some(at) = self.peers.get_mut(place(peer)).and_then(Peer::next_to_sweep) else { return true };
            let at = Ref { peer, at };
            if let Some(path) = self.path(judgements, at).filter(|path| path.old)
                && let Some(record) = self.peer(peer).and_then(|peer| peer.record(at.at))
            {
                let prefix = record.prefix();
                self.remove(store, at);
                removed(prefix, path);
            }
        }
        self.peer(peer).is_none_or(|peer| peer.old() == 0)
    }

    /// Takes a path out of both places. The peer's last record moves where the path was.
    fn remove(&mut self, store: &mut Store, at: Ref) {
        let Some(peer) = self.peer(at.peer) else { return };
        let (Some(record), path_id) = (peer.record(at.at).copied(), peer.path_id(at.at)) else { return };
        let (last, last_id) = (peer.len().saturating_sub(1), peer.path_id(peer.len().saturating_sub(1)));
        let moved = peer.record(last).filter(|_| last != at.at).copied();
        self.unlink(&record, (at.peer, path_id));
        if let Some(moved) = moved {
            self.relink(&moved, (at.peer, last_id), at);
        }
        if let Some(peer) = self.peers.get_mut(place(at.peer)) {
            peer.swap_remove(at.at);
            peer.pack(0, store.luggage(record.attributes()));
        }
        store.release(record.attributes());
        self.paths = self.paths.saturating_sub(1);
    }

    /// Takes a path's reference from its prefix, and the prefix out with the last.
    fn unlink(&mut self, record: &Record<A>, key: (u32, u32)) {
        let (address, length) = record.place();
        let Some(entry) = self.index.get_mut(address, length) else { return };
        let Paths::Many(list) = entry.paths() else { return self.index.remove(address, length) };
        if let Ok(at) = search(&self.peers, self.lists.get(list), key)
            && let Some(only) = self.lists.remove(list, at)
        {
            entry.set(Paths::One(only));
        }
    }

    /// Tells the prefix of a path where the path is from now on.
    fn relink(&mut self, record: &Record<A>, key: (u32, u32), to: Ref) {
        let (address, length) = record.place();
        let Some(entry) = self.index.get_mut(address, length) else { return };
        match entry.paths() {
            Paths::One(_) => entry.set(Paths::One(to)),
            Paths::Many(list) => {
                if let Ok(at) = search(&self.peers, self.lists.get(list), key) {
                    self.lists.set(list, at, to);
                }
            }
        }
    }

    /// Where the path with this key is; if there is none, it is put at the prefix as the peer's record `at`.
    fn find_or_insert(&mut self, (address, length): (A, u8), key: (u32, u32), at: u32) -> Option<Ref> {
        let new = Ref { peer: key.0, at };
        let entry = self.index.find_or_insert(address, length, Paths::One(new))?;
        match entry.paths() {
            Paths::One(one) => match search(&self.peers, &[one], key) {
                Ok(_) => return Some(one),
                Err(0) => entry.set(Paths::Many(self.lists.pair(new, one))),
                Err(_) => entry.set(Paths::Many(self.lists.pair(one, new))),
            },
            Paths::Many(list) => {
                let refs = self.lists.get(list);
                match search(&self.peers, refs, key) {
                    Ok(at) => return refs.get(at).copied(),
                    Err(at) => self.lists.insert(list, at, new),
                }
            }
        }
        None
    }

    fn grow(&mut self, peer: u32) {
        let peer = place(peer);
        if peer >= self.peers.len() {
            self.peers.resize_with(peer.saturating_add(1), Peer::default);
        }
    }
}

/// Questions.
impl<A: Address> Table<A> {
    pub(super) const fn prefixes(&self) -> usize {
        self.index.len()
    }

    pub(super) const fn paths(&self) -> u64 {
        self.paths
    }

    /// Memory held, about.
    pub(super) fn bytes(&self) -> usize {
        let peers = self.peers.capacity().saturating_mul(size_of::<Peer<A>>());
        let shared = [peers, self.index.bytes(), self.lists.bytes()];
        shared.into_iter().chain(self.peers.iter().map(Peer::bytes)).fold(0, usize::saturating_add)
    }

    pub(super) fn peer(&self, peer: u32) -> Option<&Peer<A>> {
        self.peers.get(place(peer))
    }

    pub(super) fn get(&self, judgements: &Judgements, prefix: (A, u8), key: (u32, u32)) -> Option<Path> {
        self.path(judgements, self.find(prefix, key)?)
    }

    pub(super) fn paths_of<'a>(
        &'a self,
        judgements: &'a Judgements,
        peer: u32,
        after: Option<Position>,
    ) -> impl Iterator<Item = (Position, IpNet, Path)> + use<'a, A> {
        let count = self.peer(peer).map_or(0, Peer::len);
        (0..after.map_or(count, |after| after.0.min(count))).rev().filter_map(move |at| {
            let prefix = self.peer(peer)?.record(at)?.prefix();
            Some((Position(at), prefix, self.path(judgements, Ref { peer, at })?))
        })
    }

    pub(super) fn sift(
        &self,
        judgements: &Judgements,
        (peer, after): (u32, Option<Position>),
        budget: usize,
        (first, bound): Bounds<A>,
        mut wanted: impl FnMut(AttributesId, Judgement, bool) -> bool,
        mut found: impl FnMut(IpNet, u32),
    ) -> Option<Position> {
        let peer = self.peer(peer)?;
        let end = after.map_or(peer.len(), |after| after.0.min(peer.len()));
        let start = end.saturating_sub(u32::try_from(budget).unwrap_or(u32::MAX));
        // What one UPDATE brought stands side by side, and is asked about once.
        let mut last = None;
        peer.records(start, end).for_each(|(at, record)| {
            let said = record.said();
            let is_wanted = match last {
                Some((same, is_wanted)) if same == said => is_wanted,
                _ => {
                    let Some(judgement) = judgements.get(record.judgement()) else { return };
                    let is_wanted = wanted(record.attributes(), judgement, peer.is_old(record));
                    last.insert((said, is_wanted)).1
                }
            };
            let place = record.place();
            let is_within =
                first.is_none_or(|first| first <= place) && bound.is_none_or(|last| place <= last);
            if is_wanted && is_within {
                found(record.prefix(), peer.path_id(at));
            }
        });
        (start > 0).then_some(Position(start))
    }

    pub(super) fn exact<'a>(
        &'a self,
        judgements: &'a Judgements,
        (address, length): (A, u8),
    ) -> impl Iterator<Item = Path> + use<'a, A> {
        let refs = self.index.get(address, length).map(|entry| entry.refs(&self.lists)).unwrap_or_default();
        refs.iter().filter_map(move |&at| self.path(judgements, at))
    }

    pub(super) fn elsewhere<'a>(
        &'a self,
        judgements: &'a Judgements,
        (address, length): (A, u8),
        peer: u32,
    ) -> impl Iterator<Item = Path> + use<'a, A> {
        let refs = self.index.get(address, length).map(|entry| entry.refs(&self.lists)).unwrap_or_default();
        let first = refs.partition_point(|at| at.peer < peer);
        let last = refs.partition_point(|at| at.peer <= peer);
        let others = refs.get(..first).into_iter().chain(refs.get(last..)).flatten();
        others.filter_map(move |&at| self.path(judgements, at))
    }

    pub(super) fn longest(&self, (address, length): (A, u8)) -> Option<IpNet> {
        let length = self
            .index
            .lengths(length)
            .rev()
            .find(|length| self.index.get(address.first(*length), *length).is_some())?;
        Some(address.first(length).prefix(length))
    }

    pub(super) fn covering<'a>(
        &'a self,
        judgements: &'a Judgements,
        (address, length): (A, u8),
        after: Option<Key>,
    ) -> impl Iterator<Item = (IpNet, Path)> + use<'a, A> {
        let after = after.map(Key::parts);
        self.index
            .lengths(length)
            .map(move |length| (address.first(length), length))
            .filter_map(move |(address, length)| {
                let prefix = address.prefix(length);
                let past = after.is_some_and(|(after, _)| prefix < after);
                let entry = self.index.get(address, length).filter(|_| !past)?;
                Some((prefix, entry))
            })
            .flat_map(move |(prefix, entry)| self.after(judgements, prefix, entry, after))
    }

    /// `from`: the prefix of `after`, if it is of this family.
    pub(super) fn longer<'a>(
        &'a self,
        judgements: &'a Judgements,
        (address, length): (A, u8),
        from: Option<(A, u8)>,
        after: Option<Key>,
    ) -> impl Iterator<Item = (IpNet, Path)> + use<'a, A> {
        let after = after.map(Key::parts);
        let first = from.map_or((address, length), |from| from.max((address, length)));
        self.index.range(first, address.last(length)).flat_map(move |(address, length, entry)| {
            self.after(judgements, address.prefix(length), entry, after)
        })
    }

    pub(super) fn prefixes_after(&self, after: Option<(A, u8)>) -> impl Iterator<Item = (IpNet, usize)> {
        let zero = A::default();
        let all = self.index.range(after.unwrap_or((zero, 0)), zero.last(0));
        let past = all.filter(move |(address, length, _)| after != Some((*address, *length)));
        past.map(|(address, length, entry)| (address.prefix(length), entry.refs(&self.lists).len()))
    }

    /// The paths of a prefix, without those up to the cursor if it is at this very prefix.
    fn after<'a>(
        &'a self,
        judgements: &'a Judgements,
        prefix: IpNet,
        entry: &'a Entry,
        after: Option<(IpNet, (u32, u32))>,
    ) -> impl Iterator<Item = (IpNet, Path)> + use<'a, A> {
        let refs = entry.refs(&self.lists);
        let seen = match after {
            Some((at, key)) if at == prefix => {
                search(&self.peers, refs, key).map_or_else(|at| at, |at| at.saturating_add(1))
            }
            _ => 0,
        };
        refs.iter().skip(seen).filter_map(move |&at| Some((prefix, self.path(judgements, at)?)))
    }

    fn find(&self, (address, length): (A, u8), key: (u32, u32)) -> Option<Ref> {
        let refs = self.index.get(address, length)?.refs(&self.lists);
        refs.get(search(&self.peers, refs, key).ok()?).copied()
    }

    fn path(&self, judgements: &Judgements, at: Ref) -> Option<Path> {
        let peer = self.peer(at.peer)?;
        let record = peer.record(at.at)?;
        Some(Path {
            peer: PeerIndex(at.peer),
            path_id: peer.path_id(at.at),
            attributes: record.attributes(),
            judgement: judgements.get(record.judgement())?,
            since: record.since(),
            old: peer.is_old(record),
        })
    }
}

/// Where the path with this key (peer and path identifier) is among the sorted ones of a prefix, or belongs.
#[inline]
pub(super) fn search<A: Address>(peers: &[Peer<A>], refs: &[Ref], key: (u32, u32)) -> Result<usize, usize> {
    let path_id = |at: &Ref| peers.get(place(at.peer)).map_or(0, |peer| peer.path_id(at.at));
    refs.binary_search_by(|at| at.peer.cmp(&key.0).then_with(|| path_id(at).cmp(&key.1)))
}

//! Having fetched from memory what is about to be changed.
//!
//! The way to a path is a few reads, each of which says where the next one is. In a table of a million prefixes
//! hardly any is of what a cache holds, and waiting for memory costs more than all the work between. Many
//! paths are therefore looked for in step: the same read of each, then the next one of each, so that all wait
//! together. What a change looks for afterwards is there.

use std::array;
use std::hint::black_box;

use super::address::Address;
use super::index::{Entry, Ref, find};
use super::peer::Record;
use super::table::{Table, search};

/// How many paths are looked for in step.
const STEP: usize = 16;
/// The places of so many prefixes find room in the cache of a core.
const CACHED: usize = if cfg!(test) { 1 } else { 1 << 17 };

impl<A: Address> Table<A> {
    /// Looks for the paths of a peer with these prefixes and path identifiers. One alone waits for nobody.
    pub(super) fn prefetch(&self, peer: u32, mut keys: impl Iterator<Item = ((A, u8), u32)>) {
        if self.prefixes() < CACHED {
            return;
        }
        loop {
            let step: [_; STEP] = array::from_fn(|_| keys.next());
            if let [_, None, ..] = step {
                return;
            }
            let keys = || step.iter().flatten();
            let mut near: [&[Entry]; STEP] = [&[]; STEP];
            for (near, (prefix, _)) in near.iter_mut().zip(keys()) {
                *near = self.index.near(prefix.0);
            }
            let mut refs: [&[Ref]; STEP] = [&[]; STEP];
            for ((refs, near), (prefix, _)) in refs.iter_mut().zip(near).zip(keys()) {
                *refs = find(near, *prefix).map_or(&[], |entry| entry.refs(&self.lists));
            }
            for (refs, (_, path_id)) in refs.iter().zip(keys()) {
                let at = search(&self.peers, refs, (peer, *path_id)).ok().and_then(|at| refs.get(at));
                black_box(at.and_then(|at| self.peer(peer)?.record(at.at)).map(Record::judgement));
            }
        }
    }
}

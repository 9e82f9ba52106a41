//! The prefixes of one family, in order.
//!
//! A hash finds a block of addresses, a B-tree orders the blocks, and the few prefixes of a block stand
//! sorted side by side. So a prefix is found with one hash and one short search, and a new one rarely
//! touches the tree; no table grows by more than a shard at a time.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::slice;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::ALLOCATION;
use super::address::Address;
use super::lists::Lists;

/// What is hashed is spread over this many tables, so that the growth of one is a short pause.
pub(super) const SHARDS: usize = 64;

/// The prefixes of one family.
#[derive(Debug)]
pub(super) struct Index<A> {
    shards: Vec<HashTable<Block<A>>>,
    /// Peers choose the keys, so the hash is seeded at random.
    seed: RandomState,
    order: BTreeSet<A>,
    /// How many prefixes there are of each length.
    lengths: Vec<u32>,
    prefixes: usize,
    /// Room for entries of all blocks together.
    room: usize,
}

#[derive(Debug)]
struct Block<A> {
    address: A,
    entries: Vec<Entry>,
}

/// One prefix within its block, and where its paths are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Low bits of the address, length, and whether the paths are in a list. Sorts like the prefix.
    place: u32,
    /// The only path; or, in place of the peer, the number of a list.
    only: Ref,
}

/// Where the paths of a prefix are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// There is one, and here it is.
    One(Ref),
    /// They are in the list with this number.
    Many(u32),
}

/// A path: the peer, and the place among its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ref {
    pub(super) peer: u32,
    pub(super) at: u32,
}

const MANY: u32 = 1 << 31;

const fn place(low: u32, length: u8) -> u32 {
    low << 8 | length as u32
}

impl Entry {
    fn new(place: u32, paths: Paths) -> Self {
        let mut entry = Self { place, only: Ref { peer: 0, at: 0 } };
        entry.set(paths);
        entry
    }

    const fn place(&self) -> u32 {
        self.place & !MANY
    }

    const fn low(&self) -> u32 {
        self.place() >> 8
    }

    const fn length(&self) -> u8 {
        self.place.to_le_bytes()[0]
    }

    /// Where the paths are.
    pub(super) const fn paths(&self) -> Paths {
        if self.place & MANY == 0 { Paths::One(self.only) } else { Paths::Many(self.only.peer) }
    }

    /// The paths, in order.
    pub(super) fn refs<'a>(&'a self, lists: &'a Lists) -> &'a [Ref] {
        if self.place & MANY == 0 { slice::from_ref(&self.only) } else { lists.get(self.only.peer) }
    }

    /// Says where the paths are from now on.
    pub(super) const fn set(&mut self, paths: Paths) {
        match paths {
            Paths::One(only) => {
                self.place &= !MANY;
                self.only = only;
            }
            Paths::Many(list) => {
                self.place |= MANY;
                self.only = Ref { peer: list, at: 0 };
            }
        }
    }
}

impl<A: Address> Default for Index<A> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            seed: RandomState::default(),
            order: BTreeSet::new(),
            lengths: vec![0; 1 << u8::BITS],
            prefixes: 0,
            room: 0,
        }
    }
}

impl<A: Address> Index<A> {
    /// How many prefixes there are.
    pub(super) const fn len(&self) -> usize {
        self.prefixes
    }

    /// Memory held, about.
    pub(super) fn bytes(&self) -> usize {
        let shards = self.shards.iter().map(HashTable::allocation_size);
        // The nodes of the tree are two thirds full; a block is its address there, and an allocation here.
        let block = (size_of::<A>().saturating_mul(3) / 2).saturating_add(ALLOCATION);
        let blocks = self.order.len().saturating_mul(block);
        let entries = self.room.saturating_mul(size_of::<Entry>());
        shards.fold(blocks.saturating_add(entries), usize::saturating_add)
    }

    /// The entry of a prefix.
    pub(super) fn get(&self, address: A, length: u8) -> Option<&Entry> {
        find(self.near(address), (address, length))
    }

    /// The entries of all prefixes in the block of an address, in order.
    #[inline]
    pub(super) fn near(&self, address: A) -> &[Entry] {
        self.block(address.split().0)
    }

    /// The entry of a prefix, to change where its paths are.
    pub(super) fn get_mut(&mut self, address: A, length: u8) -> Option<&mut Entry> {
        let (address, low) = address.split();
        let hash = self.seed.hash_one(address);
        let shard = self.shards.get_mut(shard(hash))?;
        let block = shard.find_mut(hash, |block| block.address == address)?;
        let at = search(&block.entries, place(low, length)).ok()?;
        block.entries.get_mut(at)
    }

    /// The entry of a prefix that is there; of one that is not, none, and `paths` is put in.
    pub(super) fn find_or_insert(&mut self, address: A, length: u8, paths: Paths) -> Option<&mut Entry> {
        let (address, low) = address.split();
        let hash = self.seed.hash_one(address);
        let (seed, shard) = (&self.seed, self.shards.get_mut(shard(hash))?);
        let slot = shard.entry(hash, |block| block.address == address, |block| seed.hash_one(block.address));
        let block = match slot {
            Slot::Occupied(block) => block.into_mut(),
            Slot::Vacant(vacant) => {
                self.order.insert(address);
                vacant.insert(Block { address, entries: Vec::new() }).into_mut()
            }
        };
        let place = place(low, length);
        match search(&block.entries, place) {
            Ok(at) => block.entries.get_mut(at),
            Err(at) => {
                let before = block.entries.capacity();
                block.entries.insert(at, Entry::new(place, paths));
                self.room = self.room.saturating_add(block.entries.capacity()).saturating_sub(before);
                self.prefixes = self.prefixes.saturating_add(1);
                if let Some(count) = self.lengths.get_mut(usize::from(length)) {
                    *count = count.saturating_add(1);
                }
                None
            }
        }
    }

    /// Takes a prefix out.
    pub(super) fn remove(&mut self, address: A, length: u8) {
        let (address, low) = address.split();
        let hash = self.seed.hash_one(address);
        let Some(shard) = self.shards.get_mut(shard(hash)) else { return };
        let Ok(mut slot) = shard.find_entry(hash, |block| block.address == address) else { return };
        let entries = &mut slot.get_mut().entries;
        let Ok(at) = search(entries, place(low, length)) else { return };
        let before = entries.capacity();
        entries.remove(at);
        if entries.is_empty() || entries.len() < before / 4 {
            entries.shrink_to(entries.len().saturating_mul(2));
        }
        self.room = self.room.saturating_add(entries.capacity()).saturating_sub(before);
        if entries.is_empty() {
            slot.remove();
            self.order.remove(&address);
            if shard.len() < shard.capacity() / 8 {
                shard.shrink_to(shard.len().saturating_mul(2), |block| self.seed.hash_one(block.address));
            }
        }
        self.prefixes = self.prefixes.saturating_sub(1);
        if let Some(count) = self.lengths.get_mut(usize::from(length)) {
            *count = count.saturating_sub(1);
        }
    }

    /// The lengths up to `longest` that prefixes have, shortest first.
    pub(super) fn lengths(&self, longest: u8) -> impl DoubleEndedIterator<Item = u8> {
        (0..=longest).filter(|length| self.lengths.get(usize::from(*length)).is_some_and(|count| *count > 0))
    }

    /// All prefixes from `first` (address and length) up to the address `last`, in order.
    pub(super) fn range(&self, first: (A, u8), last: A) -> impl Iterator<Item = (A, u8, &Entry)> {
        let (first_block, low) = first.0.split();
        let (last_block, last_low) = last.split();
        let (first_place, last_place) = (place(low, first.1), place(last_low, u8::MAX));
        self.order.range(first_block.min(last_block)..=last_block).flat_map(move |&block| {
            let entries = self.block(block);
            let from = match block.cmp(&first_block) {
                Ordering::Less => entries.len(),
                Ordering::Equal => entries.partition_point(|entry| entry.place() < first_place),
                Ordering::Greater => 0,
            };
            entries
                .get(from..)
                .unwrap_or_default()
                .iter()
                .take_while(move |entry| block < last_block || entry.place() <= last_place)
                .map(move |entry| (A::join(block, entry.low()), entry.length(), entry))
        })
    }

    #[inline]
    fn block(&self, address: A) -> &[Entry] {
        let hash = self.seed.hash_one(address);
        let shard = self.shards.get(shard(hash));
        let block = shard.and_then(|shard| shard.find(hash, |block| block.address == address));
        block.map(|block| block.entries.as_slice()).unwrap_or_default()
    }
}

/// The entry of a prefix among those [`near`](Index::near) it.
#[inline]
pub(super) fn find<A: Address>(near: &[Entry], (address, length): (A, u8)) -> Option<&Entry> {
    let (_, low) = address.split();
    near.get(search(near, place(low, length)).ok()?)
}

/// Which table a hash belongs to, by bits that the table itself does not look at first.
pub(super) fn shard(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[5]) % SHARDS
}

#[inline]
fn search(entries: &[Entry], place: u32) -> Result<usize, usize> {
    entries.binary_search_by_key(&place, Entry::place)
}

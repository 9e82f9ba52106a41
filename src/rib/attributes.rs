//! Sets of attributes by number, each stored once.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::ALLOCATION;
use super::hint::{Hint, Hints};
use super::index::{SHARDS, shard};
use crate::bgp::attribute::Set;

/// The number of an interned set of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributesId(pub(super) u32);

/// Octets of attributes that any route may have: many times what a node's routes do.
const USUAL: usize = 256;

/// The interned sets, counted by those who hold them.
#[derive(Debug)]
pub(super) struct Store {
    sets: Vec<Stored>,
    /// Numbers free to be given out again.
    vacant: Vec<u32>,
    /// Growth hashes all sets of a table again, each from elsewhere in memory: of many tables one at a time.
    numbers: Vec<HashTable<u32>>,
    /// Peers choose the keys, so the hash is seeded at random.
    seed: RandomState,
    /// Sets that are held, and the octets of all together.
    held: usize,
    octets: usize,
    /// Of all sets together.
    hints: Hints,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            sets: Vec::new(),
            vacant: Vec::new(),
            numbers: (0..SHARDS).map(|_| HashTable::new()).collect(),
            seed: RandomState::default(),
            held: 0,
            octets: 0,
            hints: Hints::default(),
        }
    }
}

/// Each set is an allocation of its own: peers choose the sizes too, and only an allocator that splits and
/// joins what was freed never ends with all its memory in sizes that nobody asks for any more.
#[derive(Debug, Default)]
struct Stored {
    octets: Box<[u8]>,
    holds: u32,
    /// In what would be padding.
    hint: Hint,
}

impl Store {
    /// The number of this set, held once more.
    pub(super) fn intern(&mut self, octets: &[u8]) -> AttributesId {
        let hash = self.seed.hash_one(octets);
        let sets = &self.sets;
        let same = |number: &u32| lookup(sets, *number).is_some_and(|set| *set.octets == *octets);
        let known = self.numbers.get(shard(hash)).and_then(|numbers| numbers.find(hash, same));
        if let Some(&number) = known {
            self.hold(AttributesId(number));
            return AttributesId(number);
        }
        let hint = Hint::at(Set::from_canonical(octets));
        self.hints.add(hint);
        let number = self.place(Stored { octets: octets.into(), holds: 1, hint });
        self.held = self.held.saturating_add(1);
        self.octets = self.octets.saturating_add(octets.len());
        let (sets, seed) = (&self.sets, &self.seed);
        let hash_of = |number: &u32| lookup(sets, *number).map_or(0, |set| seed.hash_one(&*set.octets));
        if let Some(numbers) = self.numbers.get_mut(shard(hash)) {
            numbers.insert_unique(hash, number, hash_of);
        }
        AttributesId(number)
    }

    /// Holds a set once more, if anybody holds it.
    #[inline]
    pub(super) fn hold(&mut self, id: AttributesId) {
        if let Some(set) = lookup_mut(&mut self.sets, id.0).filter(|set| set.holds > 0) {
            set.holds = set.holds.saturating_add(1);
        }
    }

    /// Gives up one hold; nobody's set is forgotten.
    #[inline]
    pub(super) fn release(&mut self, id: AttributesId) {
        let Some(set) = lookup_mut(&mut self.sets, id.0) else { return };
        match set.holds {
            0 => {}
            1 => self.forget(id.0),
            more => set.holds = more.saturating_sub(1),
        }
    }

    /// The octets of a set; none of one that nobody holds.
    pub(super) fn get(&self, id: AttributesId) -> &[u8] {
        lookup(&self.sets, id.0).map(|set| &*set.octets).unwrap_or_default()
    }

    /// Whether a set may have a community, as far as a hint tells; none that nobody holds has.
    #[inline]
    pub(super) fn may_have(&self, id: AttributesId, community: Hint) -> bool {
        lookup(&self.sets, id.0).is_some_and(|set| set.hint.may_have(community))
    }

    /// Whether any set may have a community.
    pub(super) fn any_may_have(&self, community: Hint) -> bool {
        self.hints.may_have(community)
    }

    /// By how many octets a set is larger than usual.
    #[inline]
    pub(super) fn luggage(&self, id: AttributesId) -> u64 {
        u64::try_from(self.get(id).len().saturating_sub(USUAL)).unwrap_or(u64::MAX)
    }

    /// How many sets are held.
    pub(super) const fn len(&self) -> usize {
        self.held
    }

    /// Octets of all sets together.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// Memory held, about.
    pub(super) fn bytes(&self) -> usize {
        let sets = self.sets.capacity().saturating_mul(size_of::<Stored>());
        let vacant = self.vacant.capacity().saturating_mul(size_of::<u32>());
        let octets = self.octets.saturating_add(self.len().saturating_mul(ALLOCATION));
        let numbers = self.numbers.iter().map(HashTable::allocation_size);
        numbers.chain([sets, vacant, octets]).fold(0, usize::saturating_add)
    }

    fn place(&mut self, set: Stored) -> u32 {
        if let Some(number) = self.vacant.pop() {
            if let Some(vacant) = lookup_mut(&mut self.sets, number) {
                *vacant = set;
            }
            return number;
        }
        self.sets.push(set);
        u32::try_from(self.sets.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn forget(&mut self, number: u32) {
        let Some(set) = lookup_mut(&mut self.sets, number).map(std::mem::take) else { return };
        let hash = self.seed.hash_one(&*set.octets);
        if let Some(numbers) = self.numbers.get_mut(shard(hash))
            && let Ok(entry) = numbers.find_entry(hash, |other| *other == number)
        {
            entry.remove();
        }
        self.held = self.held.saturating_sub(1);
        self.octets = self.octets.saturating_sub(set.octets.len());
        self.hints.remove(set.hint);
        self.vacant.push(number);
    }
}

fn lookup(sets: &[Stored], number: u32) -> Option<&Stored> {
    sets.get(usize::try_from(number).ok()?)
}

fn lookup_mut(sets: &mut [Stored], number: u32) -> Option<&mut Stored> {
    sets.get_mut(usize::try_from(number).ok()?)
}

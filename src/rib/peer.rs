//! What one peer said in one family.

use ipnet::IpNet;

use super::address::Address;
use super::attributes::AttributesId;
use super::run::Run;
use crate::time::Timestamp;

/// One path: 16 octets for IPv4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<A> {
    address: A,
    attributes: u32,
    /// Seconds since the Unix epoch.
    since: u32,
    /// From the lowest bit: judgement, length of the prefix, generation.
    packed: u32,
}

const JUDGEMENT_BITS: u32 = 17;
const JUDGEMENT: u32 = (1 << JUDGEMENT_BITS) - 1;
const GENERATION_SHIFT: u32 = JUDGEMENT_BITS + u8::BITS;
const GENERATIONS: u32 = 1 << (u32::BITS - GENERATION_SHIFT);

impl<A: Address> Record<A> {
    pub(super) fn new(
        (address, length): (A, u8),
        attributes: AttributesId,
        judgement: u32,
        since: Timestamp,
    ) -> Self {
        let packed = judgement & JUDGEMENT | u32::from(length) << JUDGEMENT_BITS;
        Self { address, attributes: attributes.0, since: seconds(since), packed }
    }

    pub(super) fn place(&self) -> (A, u8) {
        (self.address, (self.packed >> JUDGEMENT_BITS).to_le_bytes()[0])
    }

    pub(super) fn prefix(&self) -> IpNet {
        let (address, length) = self.place();
        address.prefix(length)
    }

    pub(super) const fn attributes(&self) -> AttributesId {
        AttributesId(self.attributes)
    }

    pub(super) fn set_attributes(&mut self, attributes: AttributesId, since: Timestamp) {
        (self.attributes, self.since) = (attributes.0, seconds(since));
    }

    pub(super) const fn judgement(&self) -> u32 {
        self.packed & JUDGEMENT
    }

    pub(super) const fn set_judgement(&mut self, judgement: u32) {
        self.packed = self.packed & !JUDGEMENT | judgement & JUDGEMENT;
    }

    /// What is said of the prefix, and how old that is: alike where these are.
    #[inline]
    pub(super) const fn said(&self) -> (u32, u32) {
        (self.attributes, self.packed & !(0xff << JUDGEMENT_BITS))
    }

    pub(super) fn since(&self) -> Timestamp {
        Timestamp::from_micros(u64::from(self.since).saturating_mul(1_000_000))
    }

    const fn generation(&self) -> u32 {
        self.packed >> GENERATION_SHIFT
    }

    const fn set_generation(&mut self, generation: u32) {
        let rest = (1 << GENERATION_SHIFT) - 1;
        self.packed = self.packed & rest | generation << GENERATION_SHIFT;
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

/// What one peer said in one family, in no order.
#[derive(Debug)]
pub(super) struct Peer<A> {
    records: Run<Record<A>>,
    /// Path identifiers, beside the records; none at all until one is not 0.
    path_ids: Vec<u32>,
    /// The generation of what is heard now; whatever has another is old.
    generation: u32,
    /// How many generations back the oldest may be.
    span: u32,
    /// How many records are old.
    old: u32,
    /// All old records stand before this one.
    sweep: u32,
    /// By how many octets the attributes of its paths are larger than usual, all together.
    luggage: u64,
}

impl<A> Default for Peer<A> {
    fn default() -> Self {
        Self {
            records: Run::default(),
            path_ids: Vec::new(),
            generation: 0,
            span: 0,
            old: 0,
            sweep: 0,
            luggage: 0,
        }
    }
}

/// The index of a record or a peer in its vector.
#[inline]
pub(super) fn place(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

impl<A: Address> Peer<A> {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    pub(super) const fn old(&self) -> u32 {
        self.old
    }

    /// Memory held.
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes().saturating_add(self.path_ids.capacity().saturating_mul(size_of::<u32>()))
    }

    pub(super) fn record(&self, at: u32) -> Option<&Record<A>> {
        self.records.get(place(at))
    }

    /// The records from `start` up to `end` with their places, from the end down.
    pub(super) fn records(&self, start: u32, end: u32) -> impl Iterator<Item = (u32, &Record<A>)> {
        let records = self.records.down(place(start), place(end));
        records.map(|(at, record)| (u32::try_from(at).unwrap_or(u32::MAX), record))
    }

    pub(super) fn record_mut(&mut self, at: u32) -> Option<&mut Record<A>> {
        self.records.get_mut(place(at))
    }

    #[inline]
    pub(super) fn path_id(&self, at: u32) -> u32 {
        self.path_ids.get(place(at)).copied().unwrap_or(0)
    }

    pub(super) const fn is_old(&self, record: &Record<A>) -> bool {
        record.generation() != self.generation
    }

    /// Puts a record of now at the end.
    pub(super) fn push(&mut self, mut record: Record<A>, path_id: u32) {
        record.set_generation(self.generation);
        if path_id != 0 {
            self.path_ids.resize(self.records.len(), 0);
        }
        if path_id != 0 || !self.path_ids.is_empty() {
            self.path_ids.push(path_id);
        }
        self.records.push(record);
    }

    /// Octets by which the attributes of its records are larger than usual.
    pub(super) const fn luggage(&self) -> u64 {
        self.luggage
    }

    /// Notes that the attributes of its records have become larger by `more` and smaller by `less`.
    pub(super) const fn pack(&mut self, more: u64, less: u64) {
        self.luggage = self.luggage.saturating_add(more).saturating_sub(less);
    }

    /// Takes a record out; the last one moves to its place.
    pub(super) fn swap_remove(&mut self, at: u32) {
        let Some(record) = self.record(at) else { return };
        if self.is_old(record) {
            self.old = self.old.saturating_sub(1);
        }
        let at = place(at);
        self.records.swap_remove(at);
        if at < self.path_ids.len() {
            self.path_ids.swap_remove(at);
        }
        if self.records.len() == 0 {
            self.path_ids = Vec::new();
        } else if self.path_ids.len() < self.path_ids.capacity() / 4 {
            self.path_ids.shrink_to(self.path_ids.len().saturating_mul(2));
        }
    }

    /// Counts a record as heard now.
    pub(super) fn refresh(&mut self, at: u32) {
        let generation = self.generation;
        let Some(record) = self.record_mut(at) else { return };
        if record.generation() != generation {
            record.set_generation(generation);
            self.old = self.old.saturating_sub(1);
        }
    }

    /// Makes all records old.
    pub(super) fn outdate(&mut self) {
        if self.old == 0 {
            self.span = 0;
        }
        self.span = self.span.saturating_add(1);
        if self.span >= GENERATIONS {
            // The number that comes next is still in use, by what was outdated 127 times and never swept.
            let previous = self.generation;
            self.records.iter_mut().for_each(|record| record.set_generation(previous));
            self.span = 1;
        }
        self.generation = self.generation.wrapping_add(1) % GENERATIONS;
        self.old = self.len();
        self.sweep = self.len();
    }

    /// The next record to look at for old ones: from the end down, so that what moves from the end into
    /// the place of another was looked at before.
    pub(super) fn next_to_sweep(&mut self) -> Option<u32> {
        if self.old == 0 {
            return None;
        }
        self.sweep = self.sweep.min(self.len()).checked_sub(1)?;
        Some(self.sweep)
    }
}

//! What one read of a socket taught: validated routes, compact, on their way to the observer.
//!
//! A batch owns one run of octets; its items are ranges into it, so nothing is allocated a route.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::attribute::Set;
use super::update::Announced;
use super::{Family, Nlri, Update};

/// Routes and markers of one session, in the order in which they arrived.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    #[serde(with = "octets")]
    octets: Vec<u8>,
    items: Vec<Entry>,
}

/// One step of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Prefixes with the attributes they share.
    Announce(Nlri<'a>, Set<'a>),
    /// Prefixes that are no longer reachable; also every prefix of a treat-as-withdraw UPDATE (RFC 7606).
    Withdraw(Nlri<'a>),
    /// End-of-RIB (RFC 4724, section 2).
    EndOfRib(Family),
    /// Beginning of a route refresh (RFC 7313).
    BeginRefresh(Family),
    /// End of a route refresh (RFC 7313).
    EndRefresh(Family),
}

impl Batch {
    /// Appends what an UPDATE changes, withdrawals first: a prefix that is in both places is announced
    /// (RFC 4271, 4.3).
    pub fn push_update(&mut self, update: &Update<'_>) {
        for nlri in update.withdrawn() {
            let nlri = self.copy(nlri);
            self.items.push(Entry::Withdraw { nlri });
        }
        for announced in update.announced() {
            let attributes = self.attributes(update, announced);
            let nlri = self.copy(announced.nlri);
            self.items.push(Entry::Announce { nlri, attributes });
        }
        if let Some(family) = update.end_of_rib() {
            self.push_end_of_rib(family);
        }
    }

    /// Appends an End-of-RIB marker.
    pub fn push_end_of_rib(&mut self, family: Family) {
        self.items.push(Entry::EndOfRib(family));
    }

    /// Appends the beginning of a route refresh.
    pub fn push_begin_refresh(&mut self, family: Family) {
        self.items.push(Entry::BeginRefresh(family));
    }

    /// Appends the end of a route refresh.
    pub fn push_end_refresh(&mut self, family: Family) {
        self.items.push(Entry::EndRefresh(family));
    }

    /// Everything, in the order in which it arrived.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.items.iter().map(|entry| match entry {
            Entry::Announce { nlri, attributes } => {
                Item::Announce(self.nlri(nlri), Set::from_canonical(self.slice(attributes)))
            }
            Entry::Withdraw { nlri } => Item::Withdraw(self.nlri(nlri)),
            Entry::EndOfRib(family) => Item::EndOfRib(*family),
            Entry::BeginRefresh(family) => Item::BeginRefresh(*family),
            Entry::EndRefresh(family) => Item::EndRefresh(*family),
        })
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Octets of prefixes and attributes held.
    pub fn octets_len(&self) -> usize {
        self.octets.len()
    }

    /// Forgets everything, keeps the space.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.items.clear();
    }

    /// Appends attributes; those of the announcement before, if they are the same, serve for both.
    fn attributes(&mut self, update: &Update<'_>, announced: &Announced<'_>) -> Range<u32> {
        let start = self.octets.len();
        update.write_attributes(announced, &mut self.octets);
        let last = self.items.iter().rev().find_map(|entry| match entry {
            Entry::Announce { attributes, .. } => Some(attributes),
            _ => None,
        });
        if let Some(last) = last.filter(|last| self.octets.get(start..) == Some(self.slice(last))) {
            let last = last.clone();
            self.octets.truncate(start);
            return last;
        }
        self.since(start)
    }

    fn copy(&mut self, nlri: Nlri<'_>) -> Span {
        let start = self.octets.len();
        self.octets.extend_from_slice(nlri.octets());
        Span { family: nlri.family(), add_path: nlri.add_path(), octets: self.since(start) }
    }

    /// From `start` to the end. A batch is a few reads of one socket: far below four gigabytes.
    fn since(&self, start: usize) -> Range<u32> {
        let narrow = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        narrow(start)..narrow(self.octets.len())
    }

    fn nlri(&self, span: &Span) -> Nlri<'_> {
        Nlri::validated(span.family, span.add_path, self.slice(&span.octets))
    }

    fn slice(&self, range: &Range<u32>) -> &[u8] {
        let wide = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        self.octets.get(wide(range.start)..wide(range.end)).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Entry {
    Announce { nlri: Span, attributes: Range<u32> },
    Withdraw { nlri: Span },
    EndOfRib(Family),
    BeginRefresh(Family),
    EndRefresh(Family),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Span {
    family: Family,
    add_path: bool,
    octets: Range<u32>,
}

/// Octets in one piece, not one by one.
mod octets {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(octets)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Octets;
        impl de::Visitor<'_> for Octets {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("octets")
            }

            fn visit_bytes<E: de::Error>(self, octets: &[u8]) -> Result<Vec<u8>, E> {
                Ok(octets.to_vec())
            }
        }
        deserializer.deserialize_bytes(Octets)
    }
}

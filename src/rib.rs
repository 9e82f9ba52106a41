//! What every peer announced (the Adj-RIB-In of RFC 4271, section 3.2, of all of them), and how it was judged.
//!
//! One ordered table a family holds the prefixes; what a peer said of each stands, packed, in the peer's
//! own run of records, so that a session's routes are outdated, walked and swept without a look at anybody
//! else's. Attributes are interned: a path holds a number. Nothing is allocated a path.

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod address;
mod attributes;
mod hint;
mod index;
mod judgements;
mod lists;
mod peer;
mod prefetch;
mod run;
mod table;
#[cfg(test)]
mod tests;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use self::address::{V4, V6};
use self::attributes::Store;
use self::judgements::Judgements;
use self::peer::Peer;
use self::table::{Said, Table};
use crate::bgp::Family;
use crate::bgp::attribute::Set;
use crate::policy::Judgement;
use crate::time::Timestamp;

pub use attributes::AttributesId;
pub use hint::Hint;

/// What an allocation takes beside its octets, about: a header, and the rest to the next size.
const ALLOCATION: usize = 16;

/// A peer's place in the table. The caller numbers its peers from zero and uses numbers again: memory
/// grows with the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerIndex(pub u32);

/// What names a path: also the cursor of a paged query. The order is the order of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The destination.
    pub prefix: IpNet,
    /// Who announced it.
    pub peer: PeerIndex,
    /// Path identifier (RFC 7911); 0 without add-path.
    pub path_id: u32,
}

/// What one peer said of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Who said so.
    pub peer: PeerIndex,
    /// Path identifier (RFC 7911); 0 without add-path.
    pub path_id: u32,
    /// The attributes. Of a path that is no longer in the table they may be gone.
    pub attributes: AttributesId,
    /// What was decided about it.
    pub judgement: Judgement,
    /// When it was first heard with these attributes, to the second.
    pub since: Timestamp,
    /// Whether it is of before the last [`Rib::outdate`] and was not heard again since.
    pub old: bool,
}

/// What an announcement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key had no path.
    New,
    /// The key had this path, of other attributes or another judgement.
    Replaced(Path),
    /// The very same was there; only its age is new.
    Same {
        /// Whether it was of the old generation until now.
        was_old: bool,
    },
}

/// A place in the walk of one peer's routes: see [`Rib::paths_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u32);

/// Sizes of one family's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Prefixes that have a path.
    pub prefixes: u64,
    /// Paths.
    pub paths: u64,
}

impl Key {
    fn parts(self) -> (IpNet, (u32, u32)) {
        (self.prefix.trunc(), (self.peer.0, self.path_id))
    }
}

/// The routes of all peers.
#[derive(Debug, Default)]
pub struct Rib {
    ipv4: Table<V4>,
    ipv6: Table<V6>,
    attributes: Store,
    judgements: Judgements,
}

/// What is kept once for all routes.
impl Rib {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of this set of attributes, held until [`Rib::release`]. Paths hold it on their own.
    pub fn intern(&mut self, set: Set<'_>) -> AttributesId {
        self.attributes.intern(set.octets())
    }

    /// Gives up what [`Rib::intern`] held.
    pub fn release(&mut self, id: AttributesId) {
        self.attributes.release(id);
    }

    /// The attributes of a path in the table, or of what is held; the empty set for any other.
    pub fn attributes(&self, id: AttributesId) -> Set<'_> {
        Set::from_canonical(self.attributes.get(id))
    }

    /// Whether these attributes may have a community: `false` is sure, and costs no look into them.
    #[inline]
    pub fn may_have(&self, id: AttributesId, community: Hint) -> bool {
        self.attributes.may_have(id, community)
    }

    /// Whether any set of attributes that is held may have a community: `false` is sure.
    pub fn any_may_have(&self, community: Hint) -> bool {
        self.attributes.any_may_have(community)
    }

    /// How many different sets of attributes are held.
    pub fn attribute_sets(&self) -> usize {
        self.attributes.len()
    }

    /// How many octets these sets have.
    pub const fn attribute_octets(&self) -> usize {
        self.attributes.octets()
    }

    /// Memory held, from the room that was made: a look at each peer, at no path.
    pub fn bytes(&self) -> u64 {
        let sum = [self.ipv4.bytes(), self.ipv6.bytes(), self.attributes.bytes()].into_iter();
        sum.fold(0, |sum, bytes| u64::try_from(bytes).map_or(u64::MAX, |bytes| bytes.saturating_add(sum)))
    }

    /// Sizes of one family's table.
    pub fn counters(&self, family: Family) -> Counters {
        let (prefixes, paths) = match family {
            Family::Ipv4 => (self.ipv4.prefixes(), self.ipv4.paths()),
            Family::Ipv6 => (self.ipv6.prefixes(), self.ipv6.paths()),
        };
        Counters { prefixes: u64::try_from(prefixes).unwrap_or(u64::MAX), paths }
    }
}

/// Changes. A prefix's bits beyond its length do not matter.
impl Rib {
    /// Puts a path in, in place of the one with the same key.
    pub fn announce(
        &mut self,
        peer: PeerIndex,
        prefix: IpNet,
        path_id: u32,
        attributes: AttributesId,
        judgement: Judgement,
        now: Timestamp,
    ) -> Change {
        let shared = (&mut self.attributes, &mut self.judgements);
        let said = Said { attributes, judgement, now };
        match prefix {
            IpNet::V4(prefix) => self.ipv4.announce(shared, v4(prefix), (peer.0, path_id), said),
            IpNet::V6(prefix) => self.ipv6.announce(shared, v6(prefix), (peer.0, path_id), said),
        }
    }

    /// Takes a path out; none, if it was never announced.
    pub fn withdraw(&mut self, peer: PeerIndex, prefix: IpNet, path_id: u32) -> Option<Path> {
        let (store, judgements, key) = (&mut self.attributes, &self.judgements, (peer.0, path_id));
        match prefix {
            IpNet::V4(prefix) => self.ipv4.withdraw(store, judgements, v4(prefix), key),
            IpNet::V6(prefix) => self.ipv6.withdraw(store, judgements, v6(prefix), key),
        }
    }

    /// Judges a path anew; answers the judgement until now.
    pub fn set_judgement(
        &mut self,
        peer: PeerIndex,
        prefix: IpNet,
        path_id: u32,
        judgement: Judgement,
    ) -> Option<Judgement> {
        let (judgements, key) = (&mut self.judgements, (peer.0, path_id));
        match prefix {
            IpNet::V4(prefix) => self.ipv4.set_judgement(judgements, v4(prefix), key, judgement),
            IpNet::V6(prefix) => self.ipv6.set_judgement(judgements, v6(prefix), key, judgement),
        }
    }

    /// Makes all that the peer announced so far in this family the old generation, at once.
    pub fn outdate(&mut self, peer: PeerIndex, family: Family) {
        match family {
            Family::Ipv4 => self.ipv4.outdate(peer.0),
            Family::Ipv6 => self.ipv6.outdate(peer.0),
        }
    }

    /// Takes out what the peer has of the old generation, looking at no more than `budget` of its paths.
    /// Answers whether none is left; go on by another call.
    pub fn sweep(
        &mut self,
        peer: PeerIndex,
        family: Family,
        budget: usize,
        removed: impl FnMut(IpNet, Path),
    ) -> bool {
        let (store, judgements) = (&mut self.attributes, &self.judgements);
        match family {
            Family::Ipv4 => self.ipv4.sweep(store, judgements, peer.0, budget, removed),
            Family::Ipv6 => self.ipv6.sweep(store, judgements, peer.0, budget, removed),
        }
    }
}

/// Questions about one peer.
impl Rib {
    /// The path with this key.
    pub fn get(&self, peer: PeerIndex, prefix: IpNet, path_id: u32) -> Option<Path> {
        match prefix {
            IpNet::V4(prefix) => self.ipv4.get(&self.judgements, v4(prefix), (peer.0, path_id)),
            IpNet::V6(prefix) => self.ipv6.get(&self.judgements, v6(prefix), (peer.0, path_id)),
        }
    }

    /// Has fetched from memory what is to be changed next: paths of a peer, by path identifier and prefix.
    /// For many at once this takes far less time than it saves.
    pub fn prefetch(&self, peer: PeerIndex, family: Family, keys: impl IntoIterator<Item = (u32, IpNet)>) {
        let keys = keys.into_iter();
        match family {
            Family::Ipv4 => self.ipv4.prefetch(
                peer.0,
                keys.filter_map(|(path_id, prefix)| match prefix {
                    IpNet::V4(prefix) => Some((v4(prefix), path_id)),
                    IpNet::V6(_) => None,
                }),
            ),
            Family::Ipv6 => self.ipv6.prefetch(
                peer.0,
                keys.filter_map(|(path_id, prefix)| match prefix {
                    IpNet::V6(prefix) => Some((v6(prefix), path_id)),
                    IpNet::V4(_) => None,
                }),
            ),
        }
    }

    /// How many paths the peer has in this family.
    pub fn count(&self, peer: PeerIndex, family: Family) -> u64 {
        u64::from(match family {
            Family::Ipv4 => self.ipv4.peer(peer.0).map_or(0, Peer::len),
            Family::Ipv6 => self.ipv6.peer(peer.0).map_or(0, Peer::len),
        })
    }

    /// By how many octets the attributes of the peer's paths are larger than those of usual routes: each
    /// path counts, though equal sets are stored once.
    pub fn luggage(&self, peer: PeerIndex) -> u64 {
        let of = |luggage: Option<u64>| luggage.unwrap_or_default();
        of(self.ipv4.peer(peer.0).map(Peer::luggage))
            .saturating_add(of(self.ipv6.peer(peer.0).map(Peer::luggage)))
    }

    /// What one more path with these attributes would add to it.
    pub fn luggage_of(&self, id: AttributesId) -> u64 {
        self.attributes.luggage(id)
    }

    /// How many of them are of the old generation.
    pub fn old_count(&self, peer: PeerIndex, family: Family) -> u64 {
        u64::from(match family {
            Family::Ipv4 => self.ipv4.peer(peer.0).map_or(0, Peer::old),
            Family::Ipv6 => self.ipv6.peer(peer.0).map_or(0, Peer::old),
        })
    }

    /// Walks the peer's routes of a family, in no order worth a name.
    ///
    /// To go on later, pass the last position seen: whatever was there all the time is seen, whatever
    /// changes meanwhile, though some may be seen twice.
    pub fn paths_of(
        &self,
        peer: PeerIndex,
        family: Family,
        after: Option<Position>,
    ) -> impl Iterator<Item = (Position, IpNet, Path)> {
        let judgements = &self.judgements;
        let (ipv4, ipv6) = match family {
            Family::Ipv4 => (Some(self.ipv4.paths_of(judgements, peer.0, after)), None),
            Family::Ipv6 => (None, Some(self.ipv6.paths_of(judgements, peer.0, after))),
        };
        either(ipv4, ipv6)
    }

    /// Goes through up to `budget` of a peer's routes of a family, as [`Rib::paths_of`] does but in less
    /// time, and tells of those with prefixes within `bounds`, both included, that are `wanted` for what is
    /// said of them (attributes, judgement, whether it is old). Answers where it came to; none at the end.
    pub fn sift(
        &self,
        (peer, family): (PeerIndex, Family),
        after: Option<Position>,
        budget: usize,
        bounds: (Option<IpNet>, Option<IpNet>),
        wanted: impl FnMut(AttributesId, Judgement, bool) -> bool,
        found: impl FnMut(IpNet, u32),
    ) -> Option<Position> {
        let run = (peer.0, after);
        match (family, bounds) {
            // IPv4 comes first.
            (Family::Ipv4, (Some(IpNet::V6(_)), _)) | (Family::Ipv6, (_, Some(IpNet::V4(_)))) => None,
            (Family::Ipv4, (first, last)) => {
                let bounds = (first.and_then(as_v4), last.and_then(as_v4));
                self.ipv4.sift(&self.judgements, run, budget, bounds, wanted, found)
            }
            (Family::Ipv6, (first, last)) => {
                let bounds = (first.and_then(as_v6), last.and_then(as_v6));
                self.ipv6.sift(&self.judgements, run, budget, bounds, wanted, found)
            }
        }
    }
}

/// Questions about prefixes. A prefix's bits beyond its length do not matter.
///
/// Each step of a walk is short. A page ends where the caller stops asking; the next one starts after
/// the [`Key`] of the last path, whether that is still there or not.
impl Rib {
    /// The paths of exactly this prefix, in the order of [`Key`].
    pub fn exact(&self, prefix: IpNet) -> impl Iterator<Item = Path> {
        let (ipv4, ipv6) = match prefix {
            IpNet::V4(prefix) => (Some(self.ipv4.exact(&self.judgements, v4(prefix))), None),
            IpNet::V6(prefix) => (None, Some(self.ipv6.exact(&self.judgements, v6(prefix)))),
        };
        either(ipv4, ipv6)
    }

    /// Those of them that other peers announced; what this one did is not even looked at.
    pub fn elsewhere(&self, prefix: IpNet, peer: PeerIndex) -> impl Iterator<Item = Path> {
        let (ipv4, ipv6) = match prefix {
            IpNet::V4(prefix) => (Some(self.ipv4.elsewhere(&self.judgements, v4(prefix), peer.0)), None),
            IpNet::V6(prefix) => (None, Some(self.ipv6.elsewhere(&self.judgements, v6(prefix), peer.0))),
        };
        either(ipv4, ipv6)
    }

    /// The longest prefix in the table that holds `prefix` (or is it).
    pub fn longest(&self, prefix: IpNet) -> Option<IpNet> {
        match prefix {
            IpNet::V4(prefix) => self.ipv4.longest(v4(prefix)),
            IpNet::V6(prefix) => self.ipv6.longest(v6(prefix)),
        }
    }

    /// The paths of all prefixes that hold `prefix` (or are it), in the order of [`Key`]: shortest first.
    pub fn covering(&self, prefix: IpNet, after: Option<Key>) -> impl Iterator<Item = (IpNet, Path)> {
        let (ipv4, ipv6) = match prefix {
            IpNet::V4(prefix) => (Some(self.ipv4.covering(&self.judgements, v4(prefix), after)), None),
            IpNet::V6(prefix) => (None, Some(self.ipv6.covering(&self.judgements, v6(prefix), after))),
        };
        either(ipv4, ipv6)
    }

    /// The paths of all prefixes that `prefix` holds (or is), in the order of [`Key`].
    pub fn longer(&self, prefix: IpNet, after: Option<Key>) -> impl Iterator<Item = (IpNet, Path)> {
        let judgements = &self.judgements;
        let (ipv4, ipv6) = match (prefix, after.map(|after| after.prefix)) {
            (IpNet::V4(_), Some(IpNet::V6(_))) => (None, None),
            (IpNet::V4(prefix), Some(IpNet::V4(from))) => {
                (Some(self.ipv4.longer(judgements, v4(prefix), Some(v4(from)), after)), None)
            }
            (IpNet::V4(prefix), None) => (Some(self.ipv4.longer(judgements, v4(prefix), None, None)), None),
            (IpNet::V6(prefix), Some(IpNet::V6(from))) => {
                (None, Some(self.ipv6.longer(judgements, v6(prefix), Some(v6(from)), after)))
            }
            (IpNet::V6(prefix), _) => (None, Some(self.ipv6.longer(judgements, v6(prefix), None, None))),
        };
        either(ipv4, ipv6)
    }

    /// All prefixes after this one, in order, IPv4 first, and how many paths each has, without a look at them.
    pub fn prefixes(&self, after: Option<IpNet>) -> impl Iterator<Item = (IpNet, usize)> {
        let (ipv4, ipv6) = match after {
            None => (Some(self.ipv4.prefixes_after(None)), self.ipv6.prefixes_after(None)),
            Some(IpNet::V4(after)) => {
                (Some(self.ipv4.prefixes_after(Some(v4(after)))), self.ipv6.prefixes_after(None))
            }
            Some(IpNet::V6(after)) => (None, self.ipv6.prefixes_after(Some(v6(after)))),
        };
        either(ipv4, Some(ipv6))
    }

    /// All paths in the order of [`Key`]: IPv4 first.
    pub fn all(&self, after: Option<Key>) -> impl Iterator<Item = (IpNet, Path)> {
        let everything = [IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
        everything.into_iter().flat_map(move |prefix| self.longer(prefix, after))
    }
}

fn v4(prefix: Ipv4Net) -> (V4, u8) {
    (V4::from(prefix), prefix.prefix_len())
}

fn v6(prefix: Ipv6Net) -> (V6, u8) {
    (V6::from(prefix), prefix.prefix_len())
}

fn as_v4(prefix: IpNet) -> Option<(V4, u8)> {
    if let IpNet::V4(prefix) = prefix { Some(v4(prefix)) } else { None }
}

fn as_v6(prefix: IpNet) -> Option<(V6, u8)> {
    if let IpNet::V6(prefix) = prefix { Some(v6(prefix)) } else { None }
}

/// The walk of whichever family it is.
fn either<T>(
    ipv4: Option<impl Iterator<Item = T>>,
    ipv6: Option<impl Iterator<Item = T>>,
) -> impl Iterator<Item = T> {
    ipv4.into_iter().flatten().chain(ipv6.into_iter().flatten())
}

//! Four octets that tell which communities a set of attributes has not.

use std::fmt::Write;

use crate::bgp::attribute::Set;

/// Which communities a set of attributes may have: a bit for each, which it shares with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint(u32);

/// Of a set with more communities nothing is ruled out: peers choose how many there are, and each takes time.
const MOST: usize = 8;

impl Hint {
    /// At the community that is written like this.
    pub fn of(text: &str) -> Self {
        let mut hash = Hash::default();
        hash.add(text);
        hash.hint()
    }

    /// At the communities of a set.
    pub(super) fn at(set: Set<'_>) -> Self {
        let mut all = Self::default();
        for (count, community) in set.communities().enumerate() {
            let mut hash = Hash::default();
            if count >= MOST || write!(hash, "{community}").is_err() {
                return Self(u32::MAX);
            }
            all.0 |= hash.hint().0;
        }
        all
    }

    /// Whether what `community` hints at may be there.
    #[inline]
    pub(super) const fn may_have(self, community: Self) -> bool {
        self.0 & community.0 != 0
    }
}

/// How many sets have each bit.
#[derive(Debug, Default)]
pub(super) struct Hints([u32; 32]);

impl Hints {
    pub(super) fn add(&mut self, hint: Hint) {
        self.of(hint).for_each(|count| *count = count.saturating_add(1));
    }

    pub(super) fn remove(&mut self, hint: Hint) {
        self.of(hint).for_each(|count| *count = count.saturating_sub(1));
    }

    pub(super) fn may_have(&self, community: Hint) -> bool {
        let mut bits = (0_u32..).zip(self.0);
        bits.any(|(bit, count)| count > 0 && community.0 >> bit & 1 == 1)
    }

    fn of(&mut self, hint: Hint) -> impl Iterator<Item = &mut u32> {
        (0_u32..).zip(&mut self.0).filter(move |(bit, _)| hint.0 >> bit & 1 == 1).map(|(_, count)| count)
    }
}

/// FNV-1a, which goes on from part to part of a text as if it were whole.
struct Hash(u32);

impl Default for Hash {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Hash {
    fn add(&mut self, text: &str) {
        self.0 = text.bytes().fold(self.0, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    }

    /// The last octets of a text hardly reach the highest bits, and they are what differs: so once more.
    const fn hint(&self) -> Hint {
        Hint(1 << ((self.0 ^ self.0 >> 15).wrapping_mul(0x846c_a68b) >> 27))
    }
}

impl Write for Hash {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        self.add(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::bgp::attribute::{Builder, Community};

    fn at(communities: &[Community]) -> Hint {
        Builder::new(&[65102], Ipv4Addr::LOCALHOST.into()).communities(communities).with_set(Hint::at)
    }

    /// Of every kind, one after the other.
    fn some(count: u32) -> Vec<Community> {
        let of = |number: u32| match number % 4 {
            0 => Community::Standard(65_102 << 16 | number),
            1 => Community::Large(65_102, number, 7),
            2 => Community::Extended([0, 2, 0xfe, 0x4e, 0, 0, 0, number.to_le_bytes()[0]]),
            _ => Community::Ipv6Extended([number.to_le_bytes()[0]; 20]),
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn what_a_set_has_is_never_ruled_out() {
        for count in 0..20 {
            let communities = some(count);
            let hint = at(&communities);
            for community in communities {
                assert!(hint.may_have(Hint::of(&community.to_string())), "{community} of {count}");
            }
        }
    }

    #[test]
    fn most_of_what_it_has_not_is_ruled_out() {
        assert_eq!(at(&[]), Hint::default());
        let one = at(&[Community::Standard(0xFE4E_0064)]);
        for others in [0..100, 200..1_000, 60_000..61_000] {
            let alike = others.clone().filter(|other| one.may_have(Hint::of(&format!("65102:{other}"))));
            assert!(alike.count() < others.len() / 8, "{others:?}");
        }
    }

    #[test]
    fn sets_are_counted_until_they_go() {
        let (mut all, hint) = (Hints::default(), at(&some(3)));
        let asked = Hint::of(&some(1)[0].to_string());
        all.add(hint);
        all.add(hint);
        all.remove(hint);
        assert!(all.may_have(asked));
        all.remove(hint);
        assert!(!all.may_have(asked));
    }
}

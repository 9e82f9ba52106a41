//! Attributes in canonical form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::canonical::put;
use super::community::{self, Community};
use super::{code, flag};
use crate::bgp::AsPath;
use crate::bgp::wire::{Parsed, array, take, u8};

/// A set of attributes in canonical form: in type order, each with the shortest length field, AS_PATH
/// with four-octet numbers after the merge with AS4_PATH (RFC 6793, 4.2.3), NEXT_HOP with four or
/// sixteen octets wherever it came from. Equal sets are equal octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a>(&'a [u8]);

impl<'a> Set<'a> {
    /// A set from octets that came out of [`octets`](Self::octets), or out of an UPDATE.
    ///
    /// Given others, some of it is not found; nothing panics.
    pub(crate) const fn from_canonical(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The canonical form.
    pub const fn octets(&self) -> &'a [u8] {
        self.0
    }

    /// All attributes in type order.
    pub const fn iter(&self) -> Iter<'a> {
        Iter::over(self.0)
    }

    /// The value of the attribute with this type.
    pub fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.iter().find(|attribute| attribute.code == code).map(|attribute| attribute.value)
    }

    /// ORIGIN.
    pub fn origin(&self) -> Option<Origin> {
        Origin::from_code(*self.get(code::ORIGIN)?.first()?)
    }

    /// AS_PATH; empty if there is none.
    pub fn as_path(&self) -> AsPath<'a> {
        AsPath::validated(self.get(code::AS_PATH).unwrap_or_default())
    }

    /// NEXT_HOP, or the next hop of MP_REACH_NLRI.
    pub fn next_hop(&self) -> Option<IpAddr> {
        let value = self.get(code::NEXT_HOP)?;
        if let Some(octets) = value.as_array::<4>() {
            return Some(Ipv4Addr::from(*octets).into());
        }
        value.as_array::<16>().map(|octets| Ipv6Addr::from(*octets).into())
    }

    /// MULTI_EXIT_DISC.
    pub fn med(&self) -> Option<u32> {
        self.get(code::MED)?.as_array().map(|octets| u32::from_be_bytes(*octets))
    }

    /// Standard, extended and large communities, in this order.
    pub fn communities(&self) -> impl Iterator<Item = Community> + use<'a> {
        self.iter().flat_map(|attribute| community::all(attribute.code, attribute.value))
    }
}

impl<'a> IntoIterator for &Set<'a> {
    type Item = Attribute<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Flags, without those that only tell the length of the length.
    pub flags: u8,
    /// Type.
    pub code: u8,
    /// Value.
    pub value: &'a [u8],
}

impl Attribute<'_> {
    /// Appends it in canonical form.
    pub fn put(&self, out: &mut Vec<u8>) {
        put(self.flags, self.code, self.value, out);
    }
}

/// Walks attributes up to the first that makes no sense.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iter<'a> {
    /// Over attributes as an UPDATE carries them.
    pub(super) const fn over(section: &'a [u8]) -> Self {
        Self { rest: section }
    }

    /// What is left.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        let (rest, attribute) = attribute(self.rest).ok()?;
        self.rest = rest;
        Some(Attribute { flags: attribute.flags & !flag::EXTENDED, ..attribute })
    }
}

/// One attribute, flags as received.
#[inline]
pub(super) fn attribute(input: &[u8]) -> Parsed<'_, Attribute<'_>> {
    let (rest, [flags, code, length]) = array(input)?;
    let (rest, value) = if flags & flag::EXTENDED == 0 {
        take(rest, usize::from(length))?
    } else {
        let (rest, low) = u8(rest)?;
        take(rest, usize::from(u16::from_be_bytes([length, low])))?
    };
    Ok((rest, Attribute { flags, code, value }))
}

/// Where a route comes from (RFC 4271, 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in RFC 4271, section 5.1.1")]
pub enum Origin {
    Igp,
    Egp,
    Incomplete,
}

impl Origin {
    /// The origin with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Igp),
            1 => Some(Self::Egp),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }

    /// Its code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Igp => 0,
            Self::Egp => 1,
            Self::Incomplete => 2,
        }
    }

    /// The name used in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        }
    }
}

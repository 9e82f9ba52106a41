//! Network layer reachability information: prefixes as UPDATEs carry them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Family;
use super::wire::{Parsed, take, u8};

/// Prefixes of one family in wire form, already validated: walking them cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nlri<'a> {
    octets: &'a [u8],
    form: Form,
}

/// Family, and whether each prefix is preceded by a path identifier. A whole word, so that an [`Nlri`] has
/// no padding and is moved in three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Form {
    Ipv4,
    Ipv6,
    Ipv4WithPathId,
    Ipv6WithPathId,
}

impl Form {
    #[inline]
    const fn new(family: Family, add_path: bool) -> Self {
        match (family, add_path) {
            (Family::Ipv4, false) => Self::Ipv4,
            (Family::Ipv6, false) => Self::Ipv6,
            (Family::Ipv4, true) => Self::Ipv4WithPathId,
            (Family::Ipv6, true) => Self::Ipv6WithPathId,
        }
    }
}

impl<'a> Nlri<'a> {
    /// NLRI whose octets were validated before (RFC 4271, 4.3; RFC 7911, 3).
    ///
    /// Given octets that were not, the walk ends at the first that makes no sense; it never panics.
    #[inline]
    pub(crate) const fn validated(family: Family, add_path: bool, octets: &'a [u8]) -> Self {
        Self { octets, form: Form::new(family, add_path) }
    }

    /// NLRI, if every prefix is whole and no longer than an address (RFC 7606, 5.3). Prefixes that make
    /// no sense as such, like a multicast one, are none of the parser's business.
    #[inline]
    pub(super) fn parse(family: Family, add_path: bool, octets: &'a [u8]) -> Option<Self> {
        let form = Form::new(family, add_path);
        let bad = match form {
            Form::Ipv4 => bad_prefix::<32, 0, 5>(octets),
            Form::Ipv6 => bad_prefix::<128, 0, 17>(octets),
            Form::Ipv4WithPathId => bad_prefix::<32, 4, 9>(octets),
            Form::Ipv6WithPathId => bad_prefix::<128, 4, 21>(octets),
        };
        if bad.is_none() { Some(Self { octets, form }) } else { None }
    }

    /// The family of every prefix here.
    #[inline]
    pub const fn family(&self) -> Family {
        match self.form {
            Form::Ipv4 | Form::Ipv4WithPathId => Family::Ipv4,
            Form::Ipv6 | Form::Ipv6WithPathId => Family::Ipv6,
        }
    }

    /// Whether each prefix is preceded by a path identifier (RFC 7911).
    #[inline]
    pub const fn add_path(&self) -> bool {
        matches!(self.form, Form::Ipv4WithPathId | Form::Ipv6WithPathId)
    }

    /// The wire form.
    #[inline]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Whether there is no prefix.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

/// Octets into `octets` of the first prefix that is longer than `MAX` bits or cut short; each is preceded
/// by `SKIP` octets of path identifier. `WHOLE`: octets of one that fills the address, all in all.
#[inline]
pub(super) fn bad_prefix<const MAX: u8, const SKIP: usize, const WHOLE: usize>(
    octets: &[u8],
) -> Option<usize> {
    let mut rest = octets;
    while !rest.is_empty() {
        // Nearly all prefixes of nodes fill the address. Said as a branch, this can be foretold, and the next
        // prefix be looked at before the length of this one is known.
        if let Some((whole, after)) = rest.split_first_chunk::<WHOLE>()
            && whole.get(SKIP).is_some_and(|length| fills::<MAX>(*length))
        {
            rest = after;
            continue;
        }
        match prefix::<MAX, SKIP>(rest) {
            Ok((after, ())) => rest = after,
            Err(_) => return Some(octets.len().saturating_sub(rest.len())),
        }
    }
    None
}

/// Whether a prefix of this length takes as many octets as an address of `MAX` bits.
#[inline]
const fn fills<const MAX: u8>(length: u8) -> bool {
    length <= MAX && length > MAX.saturating_sub(8)
}

#[inline]
fn prefix<const MAX: u8, const SKIP: usize>(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, _path_id) = take(input, SKIP)?;
    let (rest, length) = u8(rest)?;
    if length > MAX {
        return Err(nom::Err::Error(()));
    }
    let (rest, _address) = take(rest, usize::from(length).div_ceil(8))?;
    Ok((rest, ()))
}

impl<'a> IntoIterator for Nlri<'a> {
    type Item = (u32, IpNet);
    type IntoIter = Prefixes<'a>;

    #[inline]
    fn into_iter(self) -> Prefixes<'a> {
        Prefixes { nlri: self }
    }
}

/// Walks [`Nlri`]: path identifier (0 without add-path) and prefix, trailing bits masked.
#[derive(Clone, Debug)]
pub struct Prefixes<'a> {
    nlri: Nlri<'a>,
}

impl Iterator for Prefixes<'_> {
    type Item = (u32, IpNet);

    #[inline]
    fn next(&mut self) -> Option<(u32, IpNet)> {
        let octets = self.nlri.octets;
        let (rest, prefix) = match self.nlri.form {
            Form::Ipv4 => ipv4(octets),
            Form::Ipv6 => ipv6(octets),
            Form::Ipv4WithPathId => with_path_id(octets, ipv4),
            Form::Ipv6WithPathId => with_path_id(octets, ipv6),
        }?;
        self.nlri.octets = rest;
        Some(prefix)
    }

    /// As often as `next` would be called, but the family is looked at once.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, each: F) -> B {
        let octets = self.nlri.octets;
        if self.nlri.form == Form::Ipv4 {
            fold(octets, ipv4, init, each)
        } else if self.nlri.form == Form::Ipv6 {
            fold(octets, ipv6, init, each)
        } else {
            let read = match self.nlri.family() {
                Family::Ipv4 => ipv4,
                Family::Ipv6 => ipv6,
            };
            fold(octets, |octets| with_path_id(octets, read), init, each)
        }
    }
}

/// What is left, and a path identifier and a prefix.
type Read<'a> = Option<(&'a [u8], (u32, IpNet))>;

#[inline]
fn fold<'a, B>(
    mut octets: &'a [u8],
    read: impl Fn(&'a [u8]) -> Read<'a>,
    init: B,
    mut each: impl FnMut(B, (u32, IpNet)) -> B,
) -> B {
    let mut folded = init;
    while let Some((rest, prefix)) = read(octets) {
        folded = each(folded, prefix);
        octets = rest;
    }
    folded
}

#[inline]
fn ipv4(octets: &[u8]) -> Read<'_> {
    let (&length, rest) = octets.split_first()?;
    let (rest, bits) = match rest.split_first_chunk() {
        Some((whole, rest)) if fills::<32>(length) => {
            (rest, u32::from_be_bytes(*whole) & u32::MAX.wrapping_shl(spare(length)))
        }
        _ => short(rest, length).map(|(rest, address)| (rest, u32::from_be_bytes(address)))?,
    };
    Some((rest, (0, IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(bits), length).ok()?))))
}

#[inline]
fn ipv6(octets: &[u8]) -> Read<'_> {
    let (&length, rest) = octets.split_first()?;
    let (rest, bits) = match rest.split_first_chunk() {
        Some((whole, rest)) if fills::<128>(length) => {
            (rest, u128::from_be_bytes(*whole) & u128::MAX.wrapping_shl(spare(length)))
        }
        _ => short(rest, length).map(|(rest, address)| (rest, u128::from_be_bytes(address)))?,
    };
    Some((rest, (0, IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(bits), length).ok()?))))
}

#[inline]
fn with_path_id(octets: &[u8], read: impl Fn(&[u8]) -> Read<'_>) -> Read<'_> {
    let (path_id, rest) = octets.split_first_chunk()?;
    let (rest, (_, prefix)) = read(rest)?;
    Some((rest, (u32::from_be_bytes(*path_id), prefix)))
}

/// The address of a prefix that does not fill it, or is the last one.
fn short<const SIZE: usize>(input: &[u8], length: u8) -> Option<(&[u8], [u8; SIZE])> {
    let (present, rest) = input.split_at_checked(usize::from(length).div_ceil(8))?;
    let mut address = [0; SIZE];
    let octets = address.get_mut(..present.len())?;
    octets.copy_from_slice(present);
    if let Some(last) = octets.last_mut() {
        *last &= u8::MAX.wrapping_shl(spare(length));
    }
    Some((rest, address))
}

/// Bits of the last octet that are not part of a prefix of this length.
#[inline]
const fn spare(length: u8) -> u32 {
    (length.wrapping_neg() & 7) as u32
}

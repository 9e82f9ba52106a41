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
            Form::Ipv4 => bad_prefix::<32, 0>(octets),
            Form::Ipv6 => bad_prefix::<128, 0>(octets),
            Form::Ipv4WithPathId => bad_prefix::<32, 4>(octets),
            Form::Ipv6WithPathId => bad_prefix::<128, 4>(octets),
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
/// by `SKIP` octets of path identifier.
#[inline]
pub(super) fn bad_prefix<const MAX: u8, const SKIP: usize>(octets: &[u8]) -> Option<usize> {
    let mut rest = octets;
    while !rest.is_empty() {
        match prefix::<MAX, SKIP>(rest) {
            Ok((after, ())) => rest = after,
            Err(_) => return Some(octets.len().saturating_sub(rest.len())),
        }
    }
    None
}

#[inline]
fn prefix<const MAX: u8, const SKIP: usize>(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, _path_id) = take(input, SKIP)?;
    let (rest, length) = u8(rest)?;
    if length > MAX {
        return Err(nom::Err::Error(()));
    }
    let full = usize::from(MAX / 8);
    let octets = usize::from(length).div_ceil(8);
    // Nearly all prefixes of nodes fill the address. Said as a branch, this can be foretold, and the next
    // prefix be looked at before the length of this one is known.
    let (rest, _address) = if octets == full { take(rest, full)? } else { take(rest, octets)? };
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
        let mut rest = self.nlri.octets;
        let mut path_id = 0;
        if self.nlri.add_path() {
            let (id, after) = rest.split_first_chunk::<4>()?;
            (path_id, rest) = (u32::from_be_bytes(*id), after);
        }
        let (&length, rest) = rest.split_first()?;
        let (after, prefix) = match self.nlri.family() {
            Family::Ipv4 => {
                let (after, octets) = address::<4>(rest, length)?;
                let host = u32::from(32_u8.checked_sub(length)?);
                let bits = u32::from_be_bytes(octets) & u32::MAX.checked_shl(host).unwrap_or(0);
                (after, IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(bits), length).ok()?))
            }
            Family::Ipv6 => {
                let (after, octets) = address::<16>(rest, length)?;
                let host = u32::from(128_u8.checked_sub(length)?);
                let bits = u128::from_be_bytes(octets) & u128::MAX.checked_shl(host).unwrap_or(0);
                (after, IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(bits), length).ok()?))
            }
        };
        self.nlri.octets = after;
        Some((path_id, prefix))
    }
}

/// The octets of an address of which `length` bits are there; what follows those bits may be anything.
#[inline]
fn address<const SIZE: usize>(input: &[u8], length: u8) -> Option<(&[u8], [u8; SIZE])> {
    let octets = usize::from(length).div_ceil(8);
    match input.split_first_chunk() {
        Some((address, after)) if octets == SIZE => Some((after, *address)),
        Some((address, _)) => Some((input.get(octets..)?, *address)),
        None => last_address(input, octets),
    }
}

/// The same, with less than `SIZE` octets left.
#[cold]
fn last_address<const SIZE: usize>(input: &[u8], octets: usize) -> Option<(&[u8], [u8; SIZE])> {
    let (present, after) = input.split_at_checked(octets)?;
    let mut address = [0; SIZE];
    address.get_mut(..octets)?.copy_from_slice(present);
    Some((after, address))
}

//! `TABLE_DUMP` and `TABLE_DUMP_V2`: tables as they were at one moment (RFC 6396, 4.2 and 4.3; RFC 8050, 4).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::Problem;
use super::message::{address, asn};
use super::record::{Body, Kind, terms};
use crate::bgp::announce::put_prefix;
use crate::bgp::attribute::{code, flag, required_flags};
use crate::bgp::wire::{Parsed, counted_by_u8, counted_by_u16, take, u8, u16, u32};
use crate::bgp::{Family, Negotiated, Nlri};
use crate::time::Timestamp;

/// Flags of a peer in the index (RFC 6396, 4.3.1).
pub(super) const IPV6: u8 = 1;
pub(super) const FOUR_OCTET_AS: u8 = 2;

/// Whose route it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The far end's address; daemons write 0.0.0.0 for routes of their own.
    pub address: IpAddr,
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier; none in `TABLE_DUMP`, which does not hold it.
    pub identifier: Option<Ipv4Addr>,
}

/// Routes of one prefix.
#[derive(Clone, Debug)]
pub struct Rib<'a> {
    /// The prefix.
    pub prefix: IpNet,
    /// That of `TABLE_DUMP`, which has one a record.
    only: Option<Entry<'a>>,
    rest: Entries<'a>,
}

impl<'a> Rib<'a> {
    /// The routes.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.only.into_iter().chain(self.rest.clone())
    }
}

/// A route of a [`Rib`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose.
    pub peer: Peer,
    /// When it was learned.
    pub originated: Timestamp,
    /// Path identifier, where the record has them (RFC 8050).
    pub path_id: Option<u32>,
    /// Path attributes.
    pub attributes: &'a [u8],
    /// `AS_PATH` carries 4-octet numbers: always in `TABLE_DUMP_V2`, never in `TABLE_DUMP`.
    pub four_octet_as: bool,
}

impl Entry<'_> {
    /// Writes the body of an UPDATE that announces `prefix` as this entry has it; it is to be read under
    /// [`Entry::terms`].
    ///
    /// `MP_REACH_NLRI` is abbreviated to the next hop (RFC 6396, 4.3.4), but some daemons write all of it.
    /// Flags are the writer's, not the peer's: where they are wrong (BIRD's are 0), they are set right.
    pub fn write_update(&self, prefix: IpNet, out: &mut Vec<u8>) {
        let family = Family::of(&prefix);
        let next_hop = self.find(code::MP_REACH).and_then(mp_next_hop);
        let plain = family == Family::Ipv4 && (next_hop.is_none() || self.find(code::NEXT_HOP).is_some());
        out.clear();
        // Nothing is withdrawn, and the length of the attributes is known at the end.
        out.extend_from_slice(&[0; 4]);
        if !plain {
            put_reach(self.path_id, prefix, next_hop.unwrap_or_default(), out);
        }
        let mut rest = self.attributes;
        while let Ok((after, (code, _))) = attribute(rest) {
            if !matches!(code, code::MP_REACH | code::MP_UNREACH) {
                let whole = rest.len().saturating_sub(after.len());
                put_attribute(rest.get(..whole).unwrap_or_default(), out);
            }
            rest = after;
        }
        // What is cut short is for the UPDATE's parser to judge.
        out.extend_from_slice(rest);
        // Nor must what no UPDATE has room for be taken for prefixes behind the attributes.
        out.truncate(usize::from(u16::MAX).saturating_add(4));
        let length = u16::try_from(out.len().saturating_sub(4)).unwrap_or(u16::MAX);
        if let Some(field) = out.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        if plain {
            put_prefix(self.path_id, prefix, out);
        }
    }

    /// The terms under which [`Entry::write_update`] is to be read.
    pub const fn terms(&self) -> Negotiated {
        terms(self.four_octet_as, self.path_id.is_some())
    }

    fn find(&self, wanted: u8) -> Option<&[u8]> {
        let mut rest = self.attributes;
        while let Ok((after, (code, value))) = attribute(rest) {
            if code == wanted {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

/// Appends an attribute with the flags that its type has.
fn put_attribute(octets: &[u8], out: &mut Vec<u8>) {
    let [flags, code, rest @ ..] = octets else { return };
    let kind = flag::OPTIONAL | flag::TRANSITIVE;
    let flags = required_flags(*code).map_or(*flags, |required| (flags & !kind) | required);
    out.extend_from_slice(&[flags, *code]);
    out.extend_from_slice(rest);
}

/// Type and value of an attribute.
fn attribute(input: &[u8]) -> Parsed<'_, (u8, &[u8])> {
    let (rest, flags) = u8(input)?;
    let (rest, code) = u8(rest)?;
    let (rest, value) =
        if flags & flag::EXTENDED == 0 { counted_by_u8(rest)? } else { counted_by_u16(rest)? };
    Ok((rest, (code, value)))
}

/// The next hop of `MP_REACH_NLRI`: the whole attribute starts with an address family, of which the first
/// octet is 0; the abbreviated one with a length, which is not.
fn mp_next_hop(value: &[u8]) -> Option<&[u8]> {
    let counted = if value.first() == Some(&0) { value.get(3..)? } else { value };
    counted_by_u8(counted).ok().map(|(_, next_hop)| next_hop)
}

/// Appends the whole `MP_REACH_NLRI`.
fn put_reach(path_id: Option<u32>, prefix: IpNet, next_hop: &[u8], out: &mut Vec<u8>) {
    let family = Family::of(&prefix);
    let start = out.len();
    out.extend_from_slice(&[flag::OPTIONAL | flag::EXTENDED, code::MP_REACH, 0, 0]);
    out.extend_from_slice(&family.afi().to_be_bytes());
    out.extend_from_slice(&[1, u8::try_from(next_hop.len()).unwrap_or(u8::MAX)]);
    out.extend_from_slice(next_hop);
    out.push(0);
    put_prefix(path_id, prefix, out);
    let length = out.len().saturating_sub(start).saturating_sub(4);
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    if let Some([_, _, high, low]) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
        [*high, *low] = length;
    }
}

/// Walks the entries of a [`Rib`], checked before: walking them cannot fail.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    octets: &'a [u8],
    peers: &'a [Peer],
    add_path: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (rest, raw) = entry(self.octets, self.add_path).ok()?;
        self.octets = rest;
        Some(Entry {
            peer: *self.peers.get(usize::from(raw.peer))?,
            originated: seconds(raw.originated),
            path_id: raw.path_id,
            attributes: raw.attributes,
            four_octet_as: true,
        })
    }
}

struct Raw<'a> {
    peer: u16,
    originated: u32,
    path_id: Option<u32>,
    attributes: &'a [u8],
}

fn entry(input: &[u8], add_path: bool) -> Parsed<'_, Raw<'_>> {
    let (rest, peer) = u16(input)?;
    let (rest, originated) = u32(rest)?;
    let (rest, path_id) = if add_path { u32(rest).map(|(rest, id)| (rest, Some(id)))? } else { (rest, None) };
    let (rest, attributes) = counted_by_u16(rest)?;
    Ok((rest, Raw { peer, originated, path_id, attributes }))
}

/// `TABLE_DUMP` (RFC 6396, 4.2): one route a record.
pub(super) fn old(kind: Kind, octets: &[u8]) -> Result<Body<'_>, Problem> {
    let family = match kind.subtype {
        1 => Family::Ipv4,
        2 => Family::Ipv6,
        _ => return Ok(Body::Skipped(kind)),
    };
    let short = |_| Problem::Short("fields");
    // View and sequence number.
    let (rest, _) = take(octets, 4).map_err(short)?;
    let (rest, network) = address(rest, family.afi())?;
    let (rest, length) = u8(rest).map_err(short)?;
    let prefix = IpNet::new(network, length).map_err(|_| Problem::PrefixLength(length))?.trunc();
    let (rest, _status) = u8(rest).map_err(short)?;
    let (rest, originated) = u32(rest).map_err(short)?;
    let (rest, address) = address(rest, family.afi())?;
    let (rest, asn) = u16(rest).map_err(short)?;
    let (rest, attributes) = counted_by_u16(rest).map_err(|_| Problem::Short("attributes"))?;
    nothing_left(rest)?;
    let peer = Peer { address, asn: asn.into(), identifier: None };
    let originated = seconds(originated);
    let only = Some(Entry { peer, originated, path_id: None, attributes, four_octet_as: false });
    let rest = Entries { octets: &[], peers: &[], add_path: false };
    Ok(Body::Rib(Rib { prefix, only, rest }))
}

/// `PEER_INDEX_TABLE` (RFC 6396, 4.3.1): the name of the view, and the peers.
pub(super) fn peers(octets: &[u8]) -> Result<(&[u8], Vec<Peer>), Problem> {
    let short = |_| Problem::Short("index of peers");
    let (rest, _collector) = u32(octets).map_err(short)?;
    let (rest, view) = counted_by_u16(rest).map_err(short)?;
    let (mut rest, count) = u16(rest).map_err(short)?;
    let mut peers = Vec::new();
    for _ in 0..count {
        let (after, flags) = u8(rest).map_err(short)?;
        let (after, identifier) = u32(after).map_err(short)?;
        let (after, address) = address(after, if flags & IPV6 == 0 { 1 } else { 2 })?;
        let (after, asn) = asn(after, flags & FOUR_OCTET_AS != 0).map_err(short)?;
        let identifier = Some(Ipv4Addr::from_bits(identifier)).filter(|id| !id.is_unspecified());
        peers.push(Peer { address, asn, identifier });
        rest = after;
    }
    nothing_left(rest)?;
    Ok((view, peers))
}

/// `RIB_IPV4_UNICAST`, `RIB_IPV6_UNICAST`, and both with path identifiers (RFC 6396, 4.3.2; RFC 8050, 4).
pub(super) fn rib<'a>(kind: Kind, octets: &'a [u8], peers: Option<&'a [Peer]>) -> Result<Body<'a>, Problem> {
    let (family, add_path) = match kind.subtype {
        2 => (Family::Ipv4, false),
        4 => (Family::Ipv6, false),
        8 => (Family::Ipv4, true),
        10 => (Family::Ipv6, true),
        _ => return Ok(Body::Skipped(kind)),
    };
    let peers = peers.ok_or(Problem::NoPeers)?;
    let short = |_| Problem::Short("prefix");
    let (rest, _sequence) = u32(octets).map_err(short)?;
    let (_, length) = u8(rest).map_err(short)?;
    if length > if family == Family::Ipv4 { 32 } else { 128 } {
        return Err(Problem::PrefixLength(length));
    }
    let (after, nlri) = take(rest, usize::from(length).div_ceil(8).saturating_add(1)).map_err(short)?;
    let prefix = Nlri::validated(family, false, nlri).into_iter().next();
    let (_, prefix) = prefix.ok_or(Problem::Short("prefix"))?;
    let (octets, count) = u16(after).map_err(|_| Problem::Short("number of entries"))?;
    let mut rest = octets;
    for _ in 0..count {
        let (after, raw) = entry(rest, add_path).map_err(|_| Problem::Short("entries"))?;
        if usize::from(raw.peer) >= peers.len() {
            return Err(Problem::Peer { index: raw.peer, count: peers.len() });
        }
        rest = after;
    }
    nothing_left(rest)?;
    Ok(Body::Rib(Rib { prefix, only: None, rest: Entries { octets, peers, add_path } }))
}

fn nothing_left(rest: &[u8]) -> Result<(), Problem> {
    if rest.is_empty() { Ok(()) } else { Err(Problem::LeftOver(rest.len())) }
}

fn seconds(seconds: u32) -> Timestamp {
    Timestamp::from_micros(u64::from(seconds).saturating_mul(1_000_000))
}

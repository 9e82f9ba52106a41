//! Writing records: `BGP4MP_ET` of sessions, `TABLE_DUMP_V2` of tables (RFC 6396, RFC 8050).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::message::Peering;
use super::table::{FOUR_OCTET_AS, IPV6, Peer};
use crate::bgp::Family;
use crate::bgp::announce::put_prefix;
use crate::bgp::attribute::{Attribute, Set, code, flag};
use crate::bgp::open::AS_TRANS;
use crate::time::Timestamp;

/// Types (RFC 6396, 4).
const TABLE_DUMP_V2: u16 = 13;
const BGP4MP_ET: u16 = 17;
/// Subtypes of `BGP4MP_ET` (RFC 6396, 4.4).
const STATE_CHANGE_AS4: u16 = 5;
/// Subtypes of `TABLE_DUMP_V2` (RFC 6396, 4.3).
const PEER_INDEX_TABLE: u16 = 1;
/// Where a record's length is: behind time, type and subtype.
const LENGTH: usize = 8;

/// How a BGP message was said, which a record of it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The writer of the file sent it; else it was received.
    pub sent: bool,
    /// `AS_PATH` carries 4-octet numbers.
    pub four_octet_as: bool,
    /// Prefixes are preceded by path identifiers.
    pub add_path: bool,
}

impl Said {
    /// RFC 6396, 4.4.2, 4.4.3, 4.4.5 and 4.4.6; RFC 8050, 3.
    const fn subtype(self) -> u16 {
        let wide = match (self.sent, self.four_octet_as) {
            (false, false) => 1,
            (false, true) => 4,
            (true, false) => 6,
            (true, true) => 7,
        };
        match (self.add_path, wide) {
            (false, plain) => plain,
            (true, 1) => 8,
            (true, 4) => 9,
            (true, 6) => 10,
            (true, _) => 11,
        }
    }
}

/// Appends a record of a BGP message, all of which `octets` are.
pub fn put_message(at: Timestamp, ends: &Peering, said: Said, octets: &[u8], out: &mut Vec<u8>) {
    extended(at, said.subtype(), out, |out| {
        put_ends(ends, said.four_octet_as, out);
        out.extend_from_slice(octets);
    });
}

/// Appends a record of a change of state: numbers as RFC 4271 has them, 1 Idle to 6 Established.
pub fn put_state_change(at: Timestamp, ends: &Peering, [old, new]: [u16; 2], out: &mut Vec<u8>) {
    extended(at, STATE_CHANGE_AS4, out, |out| {
        put_ends(ends, true, out);
        out.extend([old, new].into_iter().flat_map(u16::to_be_bytes));
    });
}

/// Appends the beginning of a table: who wrote it, its name, and the peers that its routes name by their place.
/// There may be 65,535; the rest is left out.
pub fn put_peers<'a>(
    at: Timestamp,
    collector: Ipv4Addr,
    view: &str,
    peers: impl Iterator<Item = &'a Peer>,
    out: &mut Vec<u8>,
) {
    record(at, TABLE_DUMP_V2, PEER_INDEX_TABLE, out, |out| {
        out.extend(collector.octets());
        let view = view.as_bytes().get(..usize::from(u16::MAX)).unwrap_or(view.as_bytes());
        out.extend(u16::try_from(view.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(view);
        let place = out.len();
        out.extend([0; 2]);
        let mut count = 0_u16;
        for peer in peers.take(usize::from(u16::MAX)) {
            count = count.saturating_add(1);
            let family = if peer.address.is_ipv4() { 0 } else { IPV6 };
            out.push(family | FOUR_OCTET_AS);
            out.extend(peer.identifier.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
            put_address(peer.address, out);
            out.extend(peer.asn.to_be_bytes());
        }
        set(out, place, &count.to_be_bytes());
    });
}

/// Routes of one prefix, gathered until all are there; either all of them have path identifiers, or none.
#[derive(Clone, Debug)]
pub struct Routes {
    prefix: IpNet,
    add_path: bool,
    count: u16,
    entries: Vec<u8>,
}

impl Routes {
    /// From so many octets on no more are added to one record: readers have bounds of their own.
    const LARGEST: usize = 1 << 20;

    /// None yet.
    pub const fn new(prefix: IpNet, add_path: bool) -> Self {
        Self { prefix, add_path, count: 0, entries: Vec::new() }
    }

    /// Of which prefix.
    pub const fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// Whether one more of this sort belongs here, and has room.
    pub fn takes(&self, prefix: IpNet, add_path: bool) -> bool {
        let room = self.count < u16::MAX && self.entries.len() < Self::LARGEST;
        self.prefix == prefix && self.add_path == add_path && room
    }

    /// Adds one of the peer at this place of the index, first heard then, with this path identifier, which counts
    /// only where all have one.
    pub fn add(&mut self, peer: u16, since: Timestamp, path_id: u32, attributes: Set<'_>) {
        self.count = self.count.saturating_add(1);
        let out = &mut self.entries;
        out.extend(peer.to_be_bytes());
        out.extend(seconds(since).to_be_bytes());
        if self.add_path {
            out.extend(path_id.to_be_bytes());
        }
        let place = out.len();
        out.extend([0; 2]);
        let start = out.len();
        put_attributes(Family::of(&self.prefix), attributes, out);
        // No message carried more than fits.
        out.truncate(start.saturating_add(usize::from(u16::MAX)));
        let length = u16::try_from(out.len().saturating_sub(start)).unwrap_or(u16::MAX);
        set(out, place, &length.to_be_bytes());
    }

    /// Appends the record, the one with this number in its table.
    pub fn put(&self, at: Timestamp, sequence: u32, out: &mut Vec<u8>) {
        // RFC 6396, 4.3.2; RFC 8050, 4.
        let subtype = match (Family::of(&self.prefix), self.add_path) {
            (Family::Ipv4, false) => 2,
            (Family::Ipv6, false) => 4,
            (Family::Ipv4, true) => 8,
            (Family::Ipv6, true) => 10,
        };
        record(at, TABLE_DUMP_V2, subtype, out, |out| {
            out.extend(sequence.to_be_bytes());
            put_prefix(None, self.prefix, out);
            out.extend(self.count.to_be_bytes());
            out.extend_from_slice(&self.entries);
        });
    }
}

/// A next hop that NEXT_HOP has no room for stands in MP_REACH_NLRI, of which it is all there is (RFC 6396, 4.3.4).
fn put_attributes(family: Family, attributes: Set<'_>, out: &mut Vec<u8>) {
    for attribute in &attributes {
        let plain = family == Family::Ipv4 && attribute.value.len() == 4;
        if attribute.code != code::NEXT_HOP || plain {
            attribute.put(out);
            continue;
        }
        let mut value = vec![u8::try_from(attribute.value.len()).unwrap_or(u8::MAX)];
        value.extend_from_slice(attribute.value);
        Attribute { flags: flag::OPTIONAL, code: code::MP_REACH, value: &value }.put(out);
    }
}

fn put_ends(ends: &Peering, wide: bool, out: &mut Vec<u8>) {
    for asn in [ends.peer_as, ends.local_as] {
        if wide {
            out.extend(asn.to_be_bytes());
        } else {
            out.extend(u16::try_from(asn).unwrap_or(AS_TRANS).to_be_bytes());
        }
    }
    // No interface; the addresses are of one family.
    let family = if ends.peer.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    out.extend([0; 2]);
    out.extend(family.afi().to_be_bytes());
    put_address(ends.peer, out);
    put_address(ends.local, out);
}

fn put_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}

/// Appends a record with microseconds (RFC 6396, 3).
fn extended(at: Timestamp, subtype: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    record(at, BGP4MP_ET, subtype, out, |out| {
        let micros = at.as_micros().checked_rem(1_000_000).unwrap_or_default();
        out.extend(u32::try_from(micros).unwrap_or_default().to_be_bytes());
        body(out);
    });
}

fn record(at: Timestamp, kind: u16, subtype: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(seconds(at).to_be_bytes());
    out.extend([kind, subtype].into_iter().flat_map(u16::to_be_bytes));
    out.extend([0; 4]);
    let head = out.len();
    body(out);
    let length = u32::try_from(out.len().saturating_sub(head)).unwrap_or(u32::MAX);
    set(out, start.saturating_add(LENGTH), &length.to_be_bytes());
}

fn set(out: &mut [u8], place: usize, octets: &[u8]) {
    let end = place.saturating_add(octets.len());
    if let Some(field) = out.get_mut(place..end) {
        field.copy_from_slice(octets);
    }
}

/// Times of MRT end in 2106.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

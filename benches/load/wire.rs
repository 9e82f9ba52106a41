//! The few messages that the harness speaks, written out by hand: what measures a daemon shares no code with it.

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};

/// Octets of a message at most (RFC 4271 section 4.1).
const LARGEST: usize = 4_096;

/// Octets of a header.
const HEADER: usize = 19;

/// Seconds of silence after which a session is over.
pub(crate) const HOLD: u16 = 3;

pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;

/// An IPv4 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix {
    pub(crate) bits: u32,
    pub(crate) length: u8,
}

impl Prefix {
    pub(crate) fn new(bits: u32, length: u8) -> Self {
        Self { bits, length }
    }

    pub(crate) fn host(bits: u32) -> Self {
        Self::new(bits, 32)
    }

    fn octets(self) -> usize {
        usize::from(self.length.div_ceil(8))
    }

    fn put(self, out: &mut impl BufMut) {
        out.put_u8(self.length);
        out.put_slice(&self.bits.to_be_bytes()[..self.octets()]);
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.bits), self.length)
    }
}

fn message(kind: u8, body: &[u8], out: &mut BytesMut) {
    out.put_bytes(0xff, 16);
    out.put_u16(u16::try_from(HEADER + body.len()).expect("a message's length"));
    out.put_u8(kind);
    out.put_slice(body);
}

/// An OPEN with a 4-octet AS, IPv4 unicast, route refresh and graceful restart (RFC 4724), which says whether
/// the sender has just restarted.
pub(crate) fn open(asn: u32, identifier: Ipv4Addr, restarted: bool) -> Bytes {
    let mut capabilities = BytesMut::new();
    capabilities.put_slice(&[1, 4, 0, 1, 0, 1, 2, 0, 65, 4]);
    capabilities.put_u32(asn);
    // 120 s to come back, and the flag above them.
    let times: u16 = if restarted { 0x8078 } else { 0x0078 };
    capabilities.put_slice(&[64, 6]);
    capabilities.put_u16(times);
    capabilities.put_slice(&[0, 1, 1, if restarted { 0x80 } else { 0 }]);
    let length = u8::try_from(capabilities.len()).expect("few capabilities");
    let mut body = BytesMut::new();
    body.put_u8(4);
    body.put_u16(u16::try_from(asn).unwrap_or(23_456));
    body.put_u16(HOLD);
    body.put_u32(identifier.to_bits());
    body.put_slice(&[length + 2, 2, length]);
    body.put_slice(&capabilities);
    let mut out = BytesMut::new();
    message(OPEN, &body, &mut out);
    out.freeze()
}

pub(crate) fn keepalive() -> Bytes {
    let mut out = BytesMut::new();
    message(KEEPALIVE, &[], &mut out);
    out.freeze()
}

/// What a speaker says that has heard nothing for the hold time.
pub(crate) fn hold_timer_expired() -> Bytes {
    let mut out = BytesMut::new();
    message(NOTIFICATION, &[4, 0], &mut out);
    out.freeze()
}

/// What says that a table is complete (RFC 4724 section 2), for IPv4 unicast.
pub(crate) fn end_of_rib(out: &mut BytesMut) {
    message(UPDATE, &[0, 0, 0, 0], out);
}

/// A set of path attributes: ORIGIN, AS_PATH, NEXT_HOP.
pub(crate) fn attributes(path: &[u32], next_hop: Ipv4Addr) -> Bytes {
    let count = u8::try_from(path.len()).expect("a short path");
    let mut out = BytesMut::new();
    out.put_slice(&[0x40, 1, 1, 0, 0x40, 2, 2 + 4 * count, 2, count]);
    for asn in path {
        out.put_u32(*asn);
    }
    out.put_slice(&[0x40, 3, 4]);
    out.put_u32(next_hop.to_bits());
    out.freeze()
}

/// UPDATEs that announce `prefixes`, each filled as far as a message may be.
pub(crate) fn announce(attributes: &[u8], prefixes: &[Prefix], out: &mut BytesMut) {
    let room = LARGEST - HEADER - 4 - attributes.len();
    let mut rest = prefixes;
    while !rest.is_empty() {
        let mut body = BytesMut::with_capacity(LARGEST);
        body.put_u16(0);
        body.put_u16(u16::try_from(attributes.len()).expect("few attributes"));
        body.put_slice(attributes);
        let mut used = 0;
        while let Some((prefix, more)) = rest.split_first() {
            used += 1 + prefix.octets();
            if used > room {
                break;
            }
            prefix.put(&mut body);
            rest = more;
        }
        message(UPDATE, &body, out);
    }
}

/// An UPDATE that withdraws one prefix.
pub(crate) fn withdraw(prefix: Prefix, out: &mut BytesMut) {
    let mut body = BytesMut::with_capacity(16);
    body.put_u16(u16::try_from(1 + prefix.octets()).expect("one prefix"));
    prefix.put(&mut body);
    body.put_u16(0);
    message(UPDATE, &body, out);
}

/// The first whole message in `input`: its type, its body, and how many octets it takes.
pub(crate) fn first(input: &[u8]) -> Option<(u8, &[u8], usize)> {
    let length = usize::from(u16::from_be_bytes([*input.get(16)?, *input.get(17)?]));
    let whole = input.get(..length.max(HEADER))?;
    Some((whole[18], &whole[HEADER..], whole.len()))
}

/// Walks the prefixes of a field of an UPDATE.
pub(crate) fn prefixes(mut field: &[u8]) -> impl Iterator<Item = Prefix> {
    std::iter::from_fn(move || {
        let (length, rest) = field.split_first()?;
        let octets = usize::from(length.div_ceil(8)).min(4);
        let (bits, rest) = rest.split_at_checked(octets)?;
        field = rest;
        let mut whole = [0; 4];
        whole[..octets].copy_from_slice(bits);
        Some(Prefix::new(u32::from_be_bytes(whole), *length))
    })
}

/// The three fields of an UPDATE: withdrawn, attributes, announced.
pub(crate) fn fields(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let sized = |field: &'_ [u8]| usize::from(u16::from_be_bytes([field[0], field[1]]));
    let (length, rest) = body.split_at_checked(2)?;
    let (withdrawn, rest) = rest.split_at_checked(sized(length))?;
    let (length, rest) = rest.split_at_checked(2)?;
    let (attributes, announced) = rest.split_at_checked(sized(length))?;
    Some((withdrawn, attributes, announced))
}

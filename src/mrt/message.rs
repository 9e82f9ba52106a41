//! `BGP4MP` and `BGP4MP_ET`: what was said in sessions (RFC 6396, 4.4; RFC 8050, 3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Problem;
use super::record::{Body, Kind, terms};
use crate::bgp::wire::{take, u16, u32};
use crate::bgp::{MessageType, Negotiated, frame};

/// The two ends of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peering {
    /// The AS of the far end.
    pub peer_as: u32,
    /// The AS of who wrote the file.
    pub local_as: u32,
    /// The far end.
    pub peer: IpAddr,
    /// Who wrote the file.
    pub local: IpAddr,
}

/// A BGP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Between whom.
    pub peering: Peering,
    /// Whether the writer of the file sent it; else it was received.
    pub sent: bool,
    /// `AS_PATH` carries 4-octet numbers.
    pub four_octet_as: bool,
    /// Prefixes are preceded by path identifiers.
    pub add_path: bool,
    /// Its type.
    pub kind: MessageType,
    /// What follows its header.
    pub body: &'a [u8],
}

impl Message<'_> {
    /// The terms under which it is read.
    pub const fn terms(&self) -> Negotiated {
        terms(self.four_octet_as, self.add_path)
    }
}

/// The state of a session changed: numbers as RFC 4271 has them, 1 Idle to 6 Established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// Between whom.
    pub peering: Peering,
    /// The state before.
    pub old: u16,
    /// The state now.
    pub new: u16,
}

/// Reads a record of this kind.
pub(super) fn read(kind: Kind, octets: &[u8]) -> Result<Body<'_>, Problem> {
    let (wide, sent, add_path) = match kind.subtype {
        // FRR writes the states of a peer that it has not got yet without interface and addresses.
        0 if octets.len() == 8 => return Ok(Body::Skipped(kind)),
        5 if octets.len() == 12 => return Ok(Body::Skipped(kind)),
        0 => return state_change(octets, false),
        5 => return state_change(octets, true),
        1 => (false, false, false),
        4 => (true, false, false),
        6 => (false, true, false),
        7 => (true, true, false),
        8 => (false, false, true),
        9 => (true, false, true),
        10 => (false, true, true),
        11 => (true, true, true),
        _ => return Ok(Body::Skipped(kind)),
    };
    let (rest, peering) = peering(octets, wide)?;
    let message = match frame(rest, true) {
        Ok(Some(message)) => message,
        Ok(None) => return Err(Problem::MessageShort),
        Err(error) => return Err(Problem::Message(error)),
    };
    match rest.len().saturating_sub(message.octets.len()) {
        0 => {}
        left => return Err(Problem::LeftOver(left)),
    }
    let (kind, body) = (message.kind, message.body);
    Ok(Body::Message(Message { peering, sent, four_octet_as: wide, add_path, kind, body }))
}

fn state_change(octets: &[u8], wide: bool) -> Result<Body<'_>, Problem> {
    let (rest, peering) = peering(octets, wide)?;
    let (rest, old) = u16(rest).map_err(|_| Problem::Short("states"))?;
    let (rest, new) = u16(rest).map_err(|_| Problem::Short("states"))?;
    if rest.is_empty() {
        Ok(Body::StateChange(StateChange { peering, old, new }))
    } else {
        Err(Problem::LeftOver(rest.len()))
    }
}

fn peering(octets: &[u8], wide: bool) -> Result<(&[u8], Peering), Problem> {
    let short = |_| Problem::Short("AS numbers");
    let (rest, peer_as) = asn(octets, wide).map_err(short)?;
    let (rest, local_as) = asn(rest, wide).map_err(short)?;
    let (rest, _interface) = u16(rest).map_err(|_| Problem::Short("interface"))?;
    let (rest, family) = u16(rest).map_err(|_| Problem::Short("family"))?;
    let (rest, peer) = address(rest, family)?;
    let (rest, local) = address(rest, family)?;
    Ok((rest, Peering { peer_as, local_as, peer, local }))
}

/// An AS number, of four octets if `wide`, else of two.
pub(super) fn asn(input: &[u8], wide: bool) -> crate::bgp::wire::Parsed<'_, u32> {
    if wide { u32(input) } else { u16(input).map(|(rest, asn)| (rest, asn.into())) }
}

/// An address of the family with this number (1 IPv4, 2 IPv6).
pub(super) fn address(input: &[u8], family: u16) -> Result<(&[u8], IpAddr), Problem> {
    let short = |_| Problem::Short("addresses");
    match family {
        1 => {
            let (rest, bits) = u32(input).map_err(short)?;
            Ok((rest, Ipv4Addr::from_bits(bits).into()))
        }
        2 => {
            let (rest, octets) = take(input, 16).map_err(short)?;
            let octets = octets.first_chunk::<16>().copied().unwrap_or_default();
            Ok((rest, Ipv6Addr::from(octets).into()))
        }
        other => Err(Problem::Family(other)),
    }
}

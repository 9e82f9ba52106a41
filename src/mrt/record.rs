//! One record, and how what is in it is to be read.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::message::{Message, StateChange};
use super::table::{Peer, Rib};
use crate::bgp::{Families, Negotiated};
use crate::time::Timestamp;

/// A record.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Where it starts, in octets of what was read.
    pub offset: u64,
    /// When it was written: to the second, to the microsecond in the extended form.
    pub at: Timestamp,
    /// When the record behind it was written, to the second; none at the end.
    pub next: Option<Timestamp>,
    /// What it holds.
    pub body: Body<'a>,
}

/// What a record holds.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// A BGP message (RFC 6396, 4.4.2 and 4.4.3; RFC 8050, 3).
    Message(Message<'a>),
    /// The state of a session changed (RFC 6396, 4.4.1 and 4.4.4).
    StateChange(StateChange),
    /// A table begins: these are the peers that its routes name (RFC 6396, 4.3.1).
    Peers {
        /// The table's name, often empty.
        view: &'a [u8],
        /// In the order in which routes name them.
        peers: &'a [Peer],
    },
    /// Routes of one prefix (RFC 6396, 4.2 and 4.3.2; RFC 8050, 4).
    Rib(Rib<'a>),
    /// Nothing that can be judged.
    Skipped(Kind),
}

/// Type and subtype of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Type (RFC 6396, 4).
    pub code: u16,
    /// Subtype.
    pub subtype: u16,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, subtype } = self;
        let name = match code {
            0..=10 => "a deprecated type",
            11 => "OSPFv2",
            12 => "TABLE_DUMP",
            13 => match subtype {
                3 | 5 | 9 | 11 => "multicast of TABLE_DUMP_V2",
                6 | 12 => "RIB_GENERIC of TABLE_DUMP_V2",
                7 => "GEO_PEER_TABLE of TABLE_DUMP_V2",
                _ => "TABLE_DUMP_V2",
            },
            16 => "BGP4MP",
            17 => "BGP4MP_ET",
            32 | 33 => "IS-IS",
            48 | 49 => "OSPFv3",
            _ => "an unknown type",
        };
        write!(f, "{name} ({code}/{subtype})")
    }
}

/// The terms under which UPDATEs of a record are read: both families, any next hop, the rest as its subtype says.
pub const fn terms(four_octet_as: bool, add_path: bool) -> Negotiated {
    Negotiated {
        peer_as: 0,
        peer_id: Ipv4Addr::UNSPECIFIED,
        local_as: 0,
        hold_time: Duration::ZERO,
        keepalive_time: Duration::ZERO,
        families: Families::ALL,
        four_octet_as,
        add_path: if add_path { Families::ALL } else { Families::NONE },
        extended_next_hop: true,
        extended_message: true,
        route_refresh: false,
        enhanced_route_refresh: true,
        graceful_restart: None,
    }
}

//! Every combination of what two OPENs can agree on.

use std::net::Ipv4Addr;
use std::time::Duration;

use thirdleaf::bgp::{Families, Family, Negotiated};

/// Terms as `bits` choose them: two of families, two of add-path, then one each of two-octet AS numbers,
/// extended messages, and enhanced route refresh.
pub fn chosen(bits: u8) -> Negotiated {
    let set = |bits: u8| Family::ALL.into_iter().filter(|family| bits >> (*family as u8) & 1 == 1).collect();
    Negotiated {
        peer_as: 65102,
        peer_id: Ipv4Addr::new(172, 16, 10, 1),
        local_as: 65199,
        hold_time: Duration::from_secs(3),
        keepalive_time: Duration::from_secs(1),
        // Zero, what is at the end of the octets, is the usual.
        families: Families::ALL.difference(set(bits)),
        add_path: set(bits >> 2),
        four_octet_as: bits & 0x10 == 0,
        extended_next_hop: false,
        extended_message: bits & 0x20 != 0,
        route_refresh: true,
        enhanced_route_refresh: bits & 0x40 != 0,
        graceful_restart: None,
    }
}

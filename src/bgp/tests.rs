//! What RFC 4271 and its successors demand of a receiver, row by row, and what real nodes sent.

mod calico;
mod header;
mod open;
mod properties;
mod update;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Families, Negotiated};

/// Octets from hexadecimal digits; anything else is ignored.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        digits.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "half an octet");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The body of the message that `digits` give from its length field on.
fn body(digits: &str) -> Vec<u8> {
    let octets = hex(digits);
    assert_eq!(usize::from(u16::from_be_bytes([octets[0], octets[1]])), octets.len() + 16);
    octets[3..].to_vec()
}

/// Terms with both families and four-octet AS numbers, nothing else.
fn terms() -> Negotiated {
    Negotiated {
        peer_as: 65102,
        peer_id: Ipv4Addr::new(172, 16, 10, 1),
        local_as: 65199,
        hold_time: Duration::from_secs(3),
        keepalive_time: Duration::from_secs(1),
        families: Families::ALL,
        four_octet_as: true,
        add_path: Families::NONE,
        extended_next_hop: false,
        extended_message: false,
        route_refresh: true,
        enhanced_route_refresh: false,
        graceful_restart: None,
    }
}

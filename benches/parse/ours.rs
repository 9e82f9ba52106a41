//! Our parser.

use std::net::Ipv4Addr;
use std::time::Duration;

use thirdleaf::bgp::{Families, MessageType, Negotiated, Nlri, Open, Update, frame};

use super::{attribute_of, prefix_sum};

/// The sum of everything in `octets`, by our parser.
pub(crate) fn parsed(octets: &[u8]) -> u64 {
    let terms = terms();
    let mut scratch = Vec::new();
    let mut sum = 0_u64;
    let mut rest = octets;
    while let Ok(Some(found)) = frame(rest, false) {
        sum = sum.wrapping_add(match found.kind {
            MessageType::Update => match &Update::parse(found.body, &terms) {
                Ok(update) => visited(update, &mut scratch),
                Err(error) => panic!("{error}"),
            },
            MessageType::Open => {
                let open = Open::parse(found.body).unwrap();
                open.capabilities.encoded().map(|(code, _)| u64::from(code)).sum()
            }
            _ => 1,
        });
        rest = &rest[found.octets.len()..];
    }
    sum
}

fn visited(update: &Update<'_>, scratch: &mut Vec<u8>) -> u64 {
    let withdrawn = update.withdrawn().map(prefixes).fold(0, u64::wrapping_add);
    let announced = update.announced().map(|announced| {
        let set = update.attributes(announced, scratch);
        let attributes = set.iter().map(|attribute| attribute_of(attribute.code, attribute.value));
        attributes.fold(prefixes(announced.nlri), u64::wrapping_add)
    });
    announced.fold(withdrawn, u64::wrapping_add)
}

fn prefixes(nlri: Nlri<'_>) -> u64 {
    nlri.into_iter().map(|(path_id, prefix)| prefix_sum(path_id, prefix)).fold(0, u64::wrapping_add)
}

/// The terms of the session.
pub(crate) fn terms() -> Negotiated {
    Negotiated {
        peer_as: 65102,
        peer_id: Ipv4Addr::new(172, 16, 10, 1),
        local_as: 65101,
        hold_time: Duration::from_secs(3),
        keepalive_time: Duration::from_secs(1),
        families: Families::ALL,
        four_octet_as: true,
        add_path: Families::NONE,
        extended_next_hop: false,
        extended_message: false,
        route_refresh: true,
        enhanced_route_refresh: true,
        graceful_restart: None,
    }
}

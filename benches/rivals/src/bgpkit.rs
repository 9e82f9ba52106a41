//! `bgpkit-parser`, which builds everything that a message says.

use std::net::IpAddr;

use bgpkit_parser::models::{
    AsPath, AsPathSegment, AsnLength, AttributeValue, BgpMessage, BgpOpenMessage, BgpUpdateMessage,
    Community, NetworkPrefix, NextHopAddress, ParamValue,
};
use bgpkit_parser::parser::bgp::messages::parse_bgp_message;
use bytes::Bytes;

use crate::work::{attribute_sum, prefix_sum};

pub fn sum(octets: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut rest = Bytes::copy_from_slice(octets);
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
        let mut message = rest.split_to(length);
        sum = sum.wrapping_add(match parse_bgp_message(&mut message, false, &AsnLength::Bits32).unwrap() {
            BgpMessage::Update(update) => update_sum(&update),
            BgpMessage::Open(open) => open_sum(&open),
            _ => 1,
        });
    }
    sum
}

fn open_sum(open: &BgpOpenMessage) -> u64 {
    let mut sum = 0;
    for parameter in &open.opt_params {
        let ParamValue::Capacities(capabilities) = &parameter.param_value else { panic!("{parameter:?}") };
        sum += capabilities.iter().map(|one| u64::from(u8::from(one.ty))).sum::<u64>();
    }
    sum
}

fn update_sum(update: &BgpUpdateMessage) -> u64 {
    let prefixes = prefixes(&update.announced_prefixes).wrapping_add(prefixes(&update.withdrawn_prefixes));
    update.attributes.iter().map(attribute).fold(prefixes, u64::wrapping_add)
}

fn attribute(attribute: &AttributeValue) -> u64 {
    match attribute {
        AttributeValue::Origin(origin) => attribute_sum(1, 1, *origin as u8),
        AttributeValue::AsPath(path) => path_sum(path),
        AttributeValue::NextHop(IpAddr::V4(address)) => attribute_sum(3, 4, address.octets()[0]),
        AttributeValue::MultiExitDiscriminator(med) => attribute_sum(4, 4, med.to_be_bytes()[0]),
        AttributeValue::Communities(list) => {
            let first = list.first().map_or(0, |community| match community {
                Community::Custom(asn, _) => asn.to_u32().to_be_bytes()[2],
                _ => 0xff,
            });
            attribute_sum(8, 4 * list.len(), first)
        }
        AttributeValue::MpReachNlri(nlri) => {
            let Some(NextHopAddress::Ipv6(next_hop)) = nlri.next_hop else { panic!("{nlri:?}") };
            attribute_sum(3, 16, next_hop.octets()[0]).wrapping_add(prefixes(&nlri.prefixes))
        }
        AttributeValue::MpUnreachNlri(nlri) => prefixes(&nlri.prefixes),
        other => panic!("{other:?}"),
    }
}

fn path_sum(path: &AsPath) -> u64 {
    let length = path.segments.iter().map(|segment| 2 + 4 * segment.len()).sum();
    let first = path.segments.first().map_or(0, |segment| match segment {
        AsPathSegment::AsSet(_) => 1,
        AsPathSegment::AsSequence(_) => 2,
        AsPathSegment::ConfedSequence(_) => 3,
        AsPathSegment::ConfedSet(_) => 4,
    });
    attribute_sum(2, length, first)
}

fn prefixes(list: &[NetworkPrefix]) -> u64 {
    list.iter().map(|one| prefix_sum(one.path_id.unwrap_or_default(), one.prefix)).fold(0, u64::wrapping_add)
}

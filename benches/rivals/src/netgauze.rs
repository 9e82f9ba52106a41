//! `netgauze-bgp-pkt`, which builds everything that a message says.

use std::collections::HashMap;

use ipnet::IpNet;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::nlri::{Ipv4UnicastAddress, Ipv6UnicastAddress};
use netgauze_bgp_pkt::open::{BgpOpenMessage, BgpOpenMessageParameter};
use netgauze_bgp_pkt::path_attribute::{AsPath, MpReach, MpUnreach, PathAttributeValue};
use netgauze_bgp_pkt::update::BgpUpdateMessage;
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;

use crate::work::{attribute_sum, prefix_sum};

pub fn sum(octets: &[u8]) -> u64 {
    let mut context = BgpParsingContext::new(true, HashMap::new(), HashMap::new(), true, true, true, true);
    let mut sum = 0_u64;
    let mut reader = SliceReader::new(octets);
    while !reader.is_empty() {
        sum = sum.wrapping_add(match BgpMessage::parse(&mut reader, &mut context).unwrap() {
            BgpMessage::Update(update) => update_sum(&update),
            BgpMessage::Open(open) => open_sum(&open),
            _ => 1,
        });
    }
    sum
}

fn open_sum(open: &BgpOpenMessage) -> u64 {
    let mut sum = 0;
    for BgpOpenMessageParameter::Capabilities(capabilities) in open.params() {
        sum += capabilities
            .iter()
            .map(|one| u64::from(one.code().map_or_else(|code| code, |code| code as u8)))
            .sum::<u64>();
    }
    sum
}

fn update_sum(update: &BgpUpdateMessage) -> u64 {
    let prefixes = v4(update.nlri()).wrapping_add(v4(update.withdraw_routes()));
    update.path_attributes().iter().map(|one| attribute(one.value())).fold(prefixes, u64::wrapping_add)
}

fn attribute(value: &PathAttributeValue) -> u64 {
    match value {
        PathAttributeValue::Origin(origin) => attribute_sum(1, 1, *origin as u8),
        PathAttributeValue::AsPath(AsPath::As4PathSegments(segments)) => {
            let length = segments.iter().map(|segment| 2 + 4 * segment.as_numbers().len()).sum();
            attribute_sum(2, length, segments.first().map_or(0, |segment| segment.segment_type() as u8))
        }
        PathAttributeValue::NextHop(next_hop) => attribute_sum(3, 4, next_hop.next_hop().octets()[0]),
        PathAttributeValue::MultiExitDiscriminator(med) => attribute_sum(4, 4, med.metric().to_be_bytes()[0]),
        PathAttributeValue::Communities(list) => {
            let list = list.communities();
            attribute_sum(8, 4 * list.len(), list.first().map_or(0, |one| one.value().to_be_bytes()[0]))
        }
        PathAttributeValue::MpReach(MpReach::Ipv6Unicast { next_hop_global, nlri, .. }) => {
            attribute_sum(3, 16, next_hop_global.octets()[0]).wrapping_add(v6(nlri))
        }
        PathAttributeValue::MpUnreach(MpUnreach::Ipv6Unicast { nlri }) => v6(nlri),
        other => panic!("{other:?}"),
    }
}

fn v4(nlri: &[Ipv4UnicastAddress]) -> u64 {
    let sum = |one: &Ipv4UnicastAddress| {
        prefix_sum(one.path_id().unwrap_or_default(), IpNet::V4(one.network().address()))
    };
    nlri.iter().map(sum).fold(0, u64::wrapping_add)
}

fn v6(nlri: &[Ipv6UnicastAddress]) -> u64 {
    let sum = |one: &Ipv6UnicastAddress| {
        prefix_sum(one.path_id().unwrap_or_default(), IpNet::V6(one.network().address()))
    };
    nlri.iter().map(sum).fold(0, u64::wrapping_add)
}

//! `zettabgp`, which builds everything that a message says.

use std::net::{IpAddr, Ipv4Addr};

use zettabgp::prelude::*;

use crate::work::{attribute_sum, v4_sum, v6_sum};

pub fn sum(octets: &[u8]) -> u64 {
    let mut terms =
        BgpSessionParams::new(65102, 240, BgpTransportMode::IPv4, Ipv4Addr::new(172, 16, 10, 1), vec![]);
    // Path identifiers are negotiated, not guessed.
    terms.fuzzy_pathid = false;
    let mut sum = 0_u64;
    let mut rest = octets;
    while !rest.is_empty() {
        let (kind, length) = terms.decode_message_head(rest).unwrap();
        let (body, after) = rest[19..].split_at(length);
        sum = sum.wrapping_add(match kind {
            BgpMessageType::Update => {
                let mut update = BgpUpdateMessage::new();
                update.decode_from(&terms, body).unwrap();
                update_sum(&update)
            }
            BgpMessageType::Open => {
                let mut open = BgpOpenMessage::new();
                open.decode_from(&terms, body).unwrap();
                open.caps.iter().map(capability_code).sum()
            }
            _ => 1,
        });
        rest = after;
    }
    sum
}

fn update_sum(update: &BgpUpdateMessage) -> u64 {
    let prefixes = prefixes(&update.updates).wrapping_add(prefixes(&update.withdraws));
    update.attrs.iter().map(attribute).fold(prefixes, u64::wrapping_add)
}

fn attribute(attribute: &BgpAttrItem) -> u64 {
    match attribute {
        BgpAttrItem::Origin(origin) => attribute_sum(1, 1, origin.value.clone() as u8),
        BgpAttrItem::ASPath(path) => {
            let length = path.value.iter().map(|segment| match segment {
                BgpASitem::Seq(sequence) => 2 + 4 * sequence.value.len(),
                BgpASitem::Set(set) => 2 + 4 * set.value.len(),
            });
            let first = path.value.first().map_or(0, |segment| match segment {
                BgpASitem::Seq(_) => 2,
                BgpASitem::Set(_) => 1,
            });
            attribute_sum(2, length.sum(), first)
        }
        BgpAttrItem::NextHop(next_hop) => next_hop_sum(next_hop.value),
        BgpAttrItem::MED(med) => attribute_sum(4, 4, med.value.to_be_bytes()[0]),
        BgpAttrItem::CommunityList(list) => {
            let first = list.value.first().map_or(0, |community| community.value.to_be_bytes()[0]);
            attribute_sum(8, 4 * list.value.len(), first)
        }
        BgpAttrItem::MPUpdates(reach) => {
            let next_hop = match &reach.nexthop {
                BgpAddr::V4(address) => next_hop_sum(IpAddr::V4(*address)),
                BgpAddr::V6(address) => next_hop_sum(IpAddr::V6(*address)),
                other => panic!("{other:?}"),
            };
            next_hop.wrapping_add(prefixes(&reach.addrs))
        }
        BgpAttrItem::MPWithdraws(unreach) => prefixes(&unreach.addrs),
        other => panic!("{other:?}"),
    }
}

fn next_hop_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => attribute_sum(3, 4, address.octets()[0]),
        IpAddr::V6(address) => attribute_sum(3, 16, address.octets()[0]),
    }
}

fn prefixes(addresses: &BgpAddrs) -> u64 {
    match addresses {
        BgpAddrs::None => 0,
        BgpAddrs::IPV4U(list) => {
            list.iter().map(|one| v4_sum(one.addr.to_bits(), one.prefixlen)).fold(0, u64::wrapping_add)
        }
        BgpAddrs::IPV6U(list) => {
            list.iter().map(|one| v6_sum(one.addr.to_bits(), one.prefixlen)).fold(0, u64::wrapping_add)
        }
        other => panic!("{other:?}"),
    }
}

fn capability_code(capability: &BgpCapability) -> u64 {
    match capability {
        BgpCapability::SafiIPv4u => 1,
        BgpCapability::CapRR => 2,
        BgpCapability::CapGR { .. } => 64,
        BgpCapability::CapASN32(_) => 65,
        BgpCapability::CapAddPath(_) => 69,
        BgpCapability::CapEnhancedRR => 70,
        BgpCapability::CapLLGR(_) => 71,
        other => panic!("{other:?}"),
    }
}

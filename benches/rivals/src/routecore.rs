//! `routecore`, which checks a message when it is read and decodes it when it is looked at.

use std::net::IpAddr;

use routecore::bgp::message::{Message, SessionConfig, UpdateMessage};
use routecore::bgp::nlri::afisafi::{Ipv4UnicastNlri, Ipv6UnicastNlri, IsPrefix};
use routecore::bgp::path_attributes::WireformatPathAttribute;

use crate::work::{attribute_sum, v4_sum, v6_sum};

pub fn sum(octets: &[u8]) -> u64 {
    let terms = SessionConfig::modern();
    let mut sum = 0_u64;
    let mut rest = octets;
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
        let (message, after) = rest.split_at(length);
        sum = sum.wrapping_add(match Message::from_octets(message, Some(&terms)).unwrap() {
            Message::Update(update) => update_sum(&update),
            Message::Open(open) => open.capabilities().map(|one| u64::from(u8::from(one.typ()))).sum(),
            _ => 1,
        });
        rest = after;
    }
    sum
}

fn update_sum(update: &UpdateMessage<&[u8]>) -> u64 {
    let mut sum = 0_u64;
    for attribute in update.path_attributes().unwrap() {
        let attribute = attribute.unwrap();
        sum = sum.wrapping_add(match &attribute {
            WireformatPathAttribute::MpReachNlri(_) => {
                let next_hop = update.mp_next_hop().unwrap();
                match next_hop {
                    Some(routecore::bgp::nlri::nexthop::NextHop::Unicast(IpAddr::V6(address))) => {
                        attribute_sum(3, 16, address.octets()[0])
                    }
                    other => panic!("{other:?}"),
                }
            }
            other if other.type_code() == 15 => 0,
            other => {
                let header = if other.flags().is_extended_length() { 4 } else { 3 };
                let value = &other.as_ref()[header..];
                attribute_sum(other.type_code(), value.len(), value.first().copied().unwrap_or_default())
            }
        });
    }
    let announced = update.typed_announcements::<_, Ipv4UnicastNlri>().unwrap();
    let withdrawn = update.typed_withdrawals::<_, Ipv4UnicastNlri>().unwrap();
    for nlri in announced.into_iter().flatten().chain(withdrawn.into_iter().flatten()) {
        sum = sum.wrapping_add(prefix(&nlri.unwrap()));
    }
    let announced = update.typed_announcements::<_, Ipv6UnicastNlri>().unwrap();
    let withdrawn = update.typed_withdrawals::<_, Ipv6UnicastNlri>().unwrap();
    for nlri in announced.into_iter().flatten().chain(withdrawn.into_iter().flatten()) {
        sum = sum.wrapping_add(prefix(&nlri.unwrap()));
    }
    sum
}

fn prefix(nlri: &impl IsPrefix) -> u64 {
    match nlri.prefix().addr_and_len() {
        (IpAddr::V4(address), length) => v4_sum(address.to_bits(), length),
        (IpAddr::V6(address), length) => v6_sum(address.to_bits(), length),
    }
}

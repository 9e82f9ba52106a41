//! A cursor written by hand that knows nothing of errors: what the same work costs at least.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::work::{attribute_of, prefix_sum};

/// The sum of everything in `octets`, by indices into octets that are known to be right.
pub(crate) fn walked(octets: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut at = 0;
    while at < octets.len() {
        let length = u16_at(octets, at + 16);
        let body = &octets[at + 19..at + length];
        sum = sum.wrapping_add(match octets[at + 18] {
            1 => walked_open(body),
            2 => walked_update(body),
            _ => 1,
        });
        at += length;
    }
    sum
}

fn walked_open(body: &[u8]) -> u64 {
    let mut at = 12;
    let mut sum = 0;
    while at < body.len() {
        sum += u64::from(body[at]);
        at += 2 + usize::from(body[at + 1]);
    }
    sum
}

fn walked_update(body: &[u8]) -> u64 {
    let withdrawn = u16_at(body, 0);
    let attributes = 4 + withdrawn + u16_at(body, 2 + withdrawn);
    let mut sum = walked_prefixes(&body[2..2 + withdrawn], false);
    let mut at = 4 + withdrawn;
    while at < attributes {
        let (start, length) = if body[at] & 0x10 == 0 {
            (at + 3, usize::from(body[at + 2]))
        } else {
            (at + 4, u16_at(body, at + 2))
        };
        let value = &body[start..start + length];
        sum = sum.wrapping_add(match body[at + 1] {
            14 => {
                let next_hop = 4 + usize::from(value[3]);
                attribute_of(3, &value[4..next_hop])
                    .wrapping_add(walked_prefixes(&value[next_hop + 1..], true))
            }
            15 => walked_prefixes(&value[3..], true),
            code => attribute_of(code, value),
        });
        at = start + length;
    }
    sum.wrapping_add(walked_prefixes(&body[attributes..], false))
}

fn walked_prefixes(nlri: &[u8], v6: bool) -> u64 {
    let mut sum = 0_u64;
    let mut at = 0;
    while at < nlri.len() {
        let length = nlri[at];
        let end = at + 1 + usize::from(length).div_ceil(8);
        let prefix = if v6 {
            let mut address = [0; 16];
            address[..end - at - 1].copy_from_slice(&nlri[at + 1..end]);
            IpNet::V6(Ipv6Net::new(Ipv6Addr::from(address), length).unwrap().trunc())
        } else {
            let mut address = [0; 4];
            address[..end - at - 1].copy_from_slice(&nlri[at + 1..end]);
            IpNet::V4(Ipv4Net::new(Ipv4Addr::from(address), length).unwrap().trunc())
        };
        sum = sum.wrapping_add(prefix_sum(0, prefix));
        at = end;
    }
    sum
}

fn u16_at(octets: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([octets[at], octets[at + 1]]))
}

/// The least of all: goes from length to length and counts what there is. It comes to another sum.
pub(crate) fn lengths(octets: &[u8]) -> u64 {
    let mut count = 0;
    let mut at = 0;
    while at < octets.len() {
        let length = u16_at(octets, at + 16);
        let body = &octets[at + 19..at + length];
        count += match octets[at + 18] {
            1 => walked_open(body),
            2 => lengths_of_update(body),
            _ => 1,
        };
        at += length;
    }
    count
}

fn lengths_of_update(body: &[u8]) -> u64 {
    let withdrawn = u16_at(body, 0);
    let attributes = 4 + withdrawn + u16_at(body, 2 + withdrawn);
    let mut count = lengths_of_prefixes(&body[2..2 + withdrawn]);
    let mut at = 4 + withdrawn;
    while at < attributes {
        let (start, length) = if body[at] & 0x10 == 0 {
            (at + 3, usize::from(body[at + 2]))
        } else {
            (at + 4, u16_at(body, at + 2))
        };
        count += match body[at + 1] {
            14 => lengths_of_prefixes(&body[start + 5 + usize::from(body[start + 3])..start + length]),
            15 => lengths_of_prefixes(&body[start + 3..start + length]),
            _ => 1,
        };
        at = start + length;
    }
    count + lengths_of_prefixes(&body[attributes..])
}

fn lengths_of_prefixes(nlri: &[u8]) -> u64 {
    let mut count = 0;
    let mut at = 0;
    while at < nlri.len() {
        at += 1 + usize::from(nlri[at]).div_ceil(8);
        count += 1;
    }
    count
}

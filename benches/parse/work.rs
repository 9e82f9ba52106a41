//! The work that parsers are compared by: read a stream of messages, visit every prefix and every attribute.
//! Whoever does it comes to the same sum.

pub(crate) mod messages;
pub(crate) mod ours;

use bytes::BytesMut;
use ipnet::IpNet;

/// A stream of messages.
pub(crate) struct Case {
    /// What is in it.
    pub(crate) name: &'static str,
    /// How many.
    pub(crate) messages: u32,
    /// All of them.
    pub(crate) octets: BytesMut,
}

/// What a prefix adds to the sum.
pub(crate) fn prefix_sum(path_id: u32, prefix: IpNet) -> u64 {
    let sum = match prefix {
        IpNet::V4(prefix) => v4_sum(prefix.addr().to_bits(), prefix.prefix_len()),
        IpNet::V6(prefix) => v6_sum(prefix.addr().to_bits(), prefix.prefix_len()),
    };
    sum.wrapping_add(u64::from(path_id))
}

/// What a prefix of IPv4 adds to the sum.
pub(crate) fn v4_sum(address: u32, length: u8) -> u64 {
    u64::from(address) + u64::from(length)
}

/// What a prefix of IPv6 adds to the sum.
#[expect(clippy::cast_possible_truncation, reason = "both halves are meant")]
pub(crate) fn v6_sum(address: u128, length: u8) -> u64 {
    ((address >> 64) as u64 ^ address as u64).wrapping_add(u64::from(length))
}

/// What an attribute adds to the sum: of its value, the length and the first octet.
pub(crate) fn attribute_sum(code: u8, length: usize, first: u8) -> u64 {
    u64::from(code) << 16 | (length as u64) << 8 | u64::from(first)
}

/// The same, of its octets.
pub(crate) fn attribute_of(code: u8, value: &[u8]) -> u64 {
    attribute_sum(code, value.len(), value.first().copied().unwrap_or_default())
}

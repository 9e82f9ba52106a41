//! Communities of all kinds, as attributes hold them.

use super::code;

pub use crate::config::model::Community;

/// The communities in the value of the attribute `code`, if it holds any.
pub(super) fn all(code: u8, value: &[u8]) -> impl Iterator<Item = Community> + use<'_> {
    let size = match code {
        code::COMMUNITIES => 4,
        code::EXTENDED_COMMUNITIES => 8,
        code::IPV6_EXTENDED_COMMUNITIES => 20,
        code::LARGE_COMMUNITIES => 12,
        _ => usize::MAX,
    };
    value.chunks_exact(size).filter_map(one)
}

fn one(octets: &[u8]) -> Option<Community> {
    let number = |octets: &[u8; 4]| u32::from_be_bytes(*octets);
    match octets.len() {
        4 => octets.as_array().map(|octets| Community::Standard(number(octets))),
        8 => octets.as_array().copied().map(Community::Extended),
        12 => match octets.as_chunks::<4>().0 {
            [global, first, second] => Some(Community::Large(number(global), number(first), number(second))),
            _ => None,
        },
        _ => octets.as_array().copied().map(Community::Ipv6Extended),
    }
}

//! Communities of all kinds, as people write them.

use std::fmt;
use std::net::Ipv4Addr;

use super::code;

/// One community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997: `65102:100`.
    Standard(u32),
    /// RFC 4360: `rt:65000:100`; kinds without a common notation as sixteen hexadecimal digits.
    Extended([u8; 8]),
    /// RFC 5701, as forty hexadecimal digits.
    Ipv6Extended([u8; 20]),
    /// RFC 8092: `65102:1:2`.
    Large(u32, u32, u32),
}

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

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(value) => write!(f, "{}:{}", value >> 16, value & 0xffff),
            Self::Extended(octets) => extended(*octets, f),
            Self::Ipv6Extended(octets) => hexadecimal(octets, f),
            Self::Large(global, first, second) => write!(f, "{global}:{first}:{second}"),
        }
    }
}

/// RFC 4360, sections 3 to 5; RFC 5668.
fn extended(octets: [u8; 8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [kind, subtype, value @ ..] = octets;
    let name = match subtype {
        2 => "rt",
        3 => "ro",
        _ => return hexadecimal(&octets, f),
    };
    let [high, middle, low] = *value.as_chunks::<2>().0 else { return Ok(()) };
    let number = |octets: [u8; 2]| u32::from(u16::from_be_bytes(octets));
    let wide = |high: [u8; 2], low: [u8; 2]| number(high) << 16 | number(low);
    match kind {
        0 => write!(f, "{name}:{}:{}", number(high), wide(middle, low)),
        1 => write!(f, "{name}:{}:{}", Ipv4Addr::from(wide(high, middle)), number(low)),
        2 => write!(f, "{name}:{}:{}", wide(high, middle), number(low)),
        _ => hexadecimal(&octets, f),
    }
}

fn hexadecimal(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

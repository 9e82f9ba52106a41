//! Communities of all kinds, as people write them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

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

/// No community is written like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCommunity;

/// What [`Display`](fmt::Display) writes.
impl FromStr for Community {
    type Err = NoCommunity;

    fn from_str(text: &str) -> Result<Self, NoCommunity> {
        let parts: Vec<&str> = text.split(':').collect();
        let found = match parts[..] {
            [digits] => from_hexadecimal(digits),
            [kind @ ("rt" | "ro"), administrator, value] => from_extended(kind, administrator, value),
            [high, low] => number::<u16>(high)
                .zip(number::<u16>(low))
                .map(|(high, low)| Self::Standard(u32::from(high) << 16 | u32::from(low))),
            [global, first, second] => match (number(global), number(first), number(second)) {
                (Some(global), Some(first), Some(second)) => Some(Self::Large(global, first, second)),
                _ => None,
            },
            _ => None,
        };
        found.ok_or(NoCommunity)
    }
}

/// A decimal number, no sign.
fn number<T: FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn from_extended(kind: &str, administrator: &str, value: &str) -> Option<Community> {
    let subtype = if kind == "rt" { 2_u64 } else { 3 };
    let (kind, value) = if let Ok(address) = administrator.parse::<Ipv4Addr>() {
        (1_u64, (u64::from(u32::from(address)) << 16) | u64::from(number::<u16>(value)?))
    } else if let Some(administrator) = number::<u16>(administrator) {
        (0, (u64::from(administrator) << 32) | u64::from(number::<u32>(value)?))
    } else {
        (2, (u64::from(number::<u32>(administrator)?) << 16) | u64::from(number::<u16>(value)?))
    };
    Some(Community::Extended(((kind << 56) | (subtype << 48) | value).to_be_bytes()))
}

fn from_hexadecimal(digits: &str) -> Option<Community> {
    let octet = |pair: &[u8]| {
        let pair =
            str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    let octets: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(octet).collect();
    let octets = octets?;
    octets
        .as_array()
        .copied()
        .map(Community::Extended)
        .or_else(|| octets.as_array().copied().map(Community::Ipv6Extended))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        for text in [
            "65102:100",
            "65535:65281",
            "65102:1:2",
            "4294967295:0:4294967295",
            "rt:65000:100",
            "rt:65000:4294967295",
            "ro:4200000000:7",
            "rt:10.0.0.1:7",
            "4306000000000064",
            "00112233445566778899aabbccddeeff00112233",
        ] {
            assert_eq!(text.parse::<Community>().unwrap().to_string(), text);
        }
        // One of four octets that says no more than two shows as one of two.
        let wide = Community::Extended([2, 2, 0, 0, 0xfd, 0xe8, 0, 100]);
        assert_eq!(wide.to_string(), "rt:65000:100");
        assert_eq!("0002FDE800000064".parse::<Community>().unwrap().to_string(), "rt:65000:100");
    }

    #[test]
    fn what_is_none_is_not_read() {
        for text in [
            "",
            "1",
            "65536:1",
            "1:65536",
            "+1:2",
            "-1:2",
            "1:",
            "a:b",
            "1:2:3:4",
            "4294967296:0:0",
            "rt:65536:65536",
            "rt:1",
            "xx:1:2",
            "430600000000006",
            "43060000000000zz",
            "é:1",
            "é",
        ] {
            assert_eq!(text.parse::<Community>(), Err(NoCommunity), "{text}");
        }
    }
}

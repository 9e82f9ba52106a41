//! Prefixes that nobody may announce, whatever the configuration allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The reserved range that holds all of `prefix`, and what it is for.
pub(super) fn range(prefix: &IpNet) -> Option<(IpNet, &'static str)> {
    match prefix {
        // All ranges start with one of these: every route asks, and next to none goes on.
        IpNet::V4(prefix) if !matches!(prefix.addr().octets(), [0 | 127 | 169 | 224.., ..]) => None,
        IpNet::V4(prefix) => {
            let (range, name) = RANGES_V4.iter().find(|(range, _)| range.contains(prefix))?;
            Some(((*range).into(), name))
        }
        // As above.
        IpNet::V6(prefix) if !matches!(prefix.addr().octets(), [0 | 0xfe | 0xff, ..]) => None,
        IpNet::V6(prefix) => {
            let (range, name) = RANGES_V6.iter().find(|(range, _)| range.contains(prefix))?;
            Some(((*range).into(), name))
        }
    }
}

/// Whether `address` is in 127/8: the only loopback range with room for several routers.
pub(super) fn loopback(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_loopback())
}

// RFC 6890 and RFC 4291, 2.4 and 2.5; the last entry of IPv4 holds what covers both before it.
const RANGES_V4: [(Ipv4Net, &str); 6] = [
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "class E"),
    (v4([224, 0, 0, 0], 3), "multicast and class E"),
];

const RANGES_V6: [(Ipv6Net, &str); 6] = [
    (v6(0, 128), "unspecified"),
    (v6(1, 128), "loopback"),
    (v6(0, 96), "IPv4-compatible"),
    (v6(0xffff << 32, 96), "IPv4-mapped"),
    (v6(0xfe80 << 112, 10), "link-local"),
    (v6(0xff00 << 112, 8), "multicast"),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(bits: u128, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length)
}

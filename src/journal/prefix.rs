//! Prefixes as the journal keeps them: the family (4 or 6), the address, the length. Octets of this shape sort as
//! prefixes do, shorter ones first, and all that is within a prefix lies between its first and its last address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The key of a prefix.
pub fn key(prefix: &IpNet) -> Vec<u8> {
    at(prefix.network(), prefix.prefix_len())
}

/// The first and the last key that a prefix within this one may have; some between them are shorter than it.
pub fn within(prefix: &IpNet) -> (Vec<u8>, Vec<u8>) {
    (key(prefix), at(prefix.broadcast(), prefix.max_prefix_len()))
}

/// The keys of all prefixes that cover this one, itself included, the shortest first.
pub fn covering(prefix: &IpNet) -> impl Iterator<Item = Vec<u8>> {
    let address = prefix.network();
    (0..=prefix.prefix_len())
        .filter_map(move |length| IpNet::new(address, length).ok())
        .map(|covering| key(&covering.trunc()))
}

/// The prefix of a key; none, if it is no key.
pub fn read(key: &[u8]) -> Option<IpNet> {
    let (family, rest) = key.split_first()?;
    let (length, address) = rest.split_last()?;
    let address = match family {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
        6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
        _ => return None,
    };
    IpNet::new(address, *length).ok()
}

fn at(address: IpAddr, length: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(18);
    match address {
        IpAddr::V4(address) => {
            key.push(4);
            key.extend(address.octets());
        }
        IpAddr::V6(address) => {
            key.push(6);
            key.extend(address.octets());
        }
    }
    key.push(length);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn sorts_as_prefixes_do_and_reads_back() {
        let sorted = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0/26",
            "10.0.0.64/26",
            "255.255.255.255/32",
            "::/0",
            "fd00::/64",
        ];
        let keys: Vec<_> = sorted.iter().map(|prefix| key(&net(prefix))).collect();
        assert!(keys.is_sorted());
        for (prefix, key) in sorted.iter().zip(&keys) {
            assert_eq!(read(key), Some(net(prefix)));
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[4, 10, 0, 0, 33]), None);
        assert_eq!(read(&[4, 10, 0, 0, 0, 33]), None);
        assert_eq!(read(&[5, 10, 0, 0, 0, 8]), None);
    }

    #[test]
    fn knows_what_is_within_and_what_covers() {
        let (first, last) = within(&net("10.0.0.64/26"));
        for (prefix, inside) in [
            ("10.0.0.64/26", true),
            ("10.0.0.64/32", true),
            ("10.0.0.127/32", true),
            ("10.0.0.64/25", false),
            ("10.0.0.63/32", false),
            ("10.0.0.128/32", false),
        ] {
            // Of those at its first address, shorter ones sort before it.
            let key = key(&net(prefix).trunc());
            assert_eq!((&first..=&last).contains(&&key), inside, "{prefix}");
        }
        let covering: Vec<_> = covering(&net("10.1.0.0/16")).filter_map(|key| read(&key)).collect();
        assert_eq!(covering.len(), 17);
        assert!(covering.contains(&net("10.0.0.0/8")) && covering.contains(&net("10.1.0.0/16")));
    }
}

//! Records as RFC 6396 and RFC 8050 lay them out, and back.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::bgp::attribute::Builder;
use crate::mrt::write::{Routes, Said, put_message, put_peers, put_state_change};

const AT: Timestamp = Timestamp::from_micros(1_000_123_456);
/// Second 1,000, and 123,456 microseconds.
const SECONDS: [u8; 4] = [0, 0, 3, 0xe8];
const MICROS: [u8; 4] = [0, 1, 0xe2, 0x40];

fn v4() -> Peering {
    Peering { peer_as: 65102, local_as: 65101, peer: [192, 0, 2, 1].into(), local: [192, 0, 2, 4].into() }
}

fn v6() -> Peering {
    let host = |n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
    Peering { peer: host(1), local: host(4), ..v4() }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn messages_are_laid_out_as_the_rfcs_have_them() {
    for (sent, four_octet_as, add_path, subtype, header) in [
        (false, false, false, 1, &NARROW[..]),
        (false, true, false, 4, &WIDE),
        (true, false, false, 6, &NARROW),
        (true, true, false, 7, &WIDE),
        (false, false, true, 8, &NARROW),
        (false, true, true, 9, &WIDE),
        (true, false, true, 10, &NARROW),
        (true, true, true, 11, &WIDE),
    ] {
        let mut out = vec![];
        put_message(AT, &v4(), Said { sent, four_octet_as, add_path }, &KEEPALIVE, &mut out);
        let length = u8::try_from(4 + header.len() + 19).unwrap();
        let head = [&SECONDS[..], &[0, 17, 0, subtype, 0, 0, 0, length], &MICROS].concat();
        assert_eq!(out, [&head[..], header, &KEEPALIVE].concat(), "{subtype}");
    }
    let said = Said { sent: false, four_octet_as: true, add_path: false };
    let mut out = vec![];
    put_message(AT, &v6(), said, &KEEPALIVE, &mut out);
    assert_eq!(out[16..], [&wide_v6()[..], &KEEPALIVE].concat());
    // Who has more than two octets is AS_TRANS where there are no more (RFC 6793, 9).
    out.clear();
    let wide = Peering { peer_as: 4_200_000_001, ..v4() };
    put_message(AT, &wide, Said { four_octet_as: false, ..said }, &KEEPALIVE, &mut out);
    assert_eq!(out[16..20], [0x5b, 0xa0, 254, 77]);
}

#[test]
fn a_state_change_always_has_wide_numbers() {
    let mut out = vec![];
    put_state_change(AT, &v4(), [5, 6], &mut out);
    let head = [&SECONDS[..], &[0, 17, 0, 5, 0, 0, 0, 28], &MICROS].concat();
    assert_eq!(out, [&head[..], &WIDE, &[0, 5, 0, 6]].concat());
}

#[test]
fn a_table_is_laid_out_as_the_rfcs_have_it() {
    let peers = [
        Peer { address: [192, 0, 2, 1].into(), asn: 65102, identifier: Some(Ipv4Addr::new(10, 0, 0, 1)) },
        Peer { address: v6().peer, asn: 65103, identifier: None },
    ];
    let mut out = vec![];
    put_peers(AT, Ipv4Addr::new(192, 0, 2, 4), "rack1", peers.iter(), &mut out);
    let mut expected = [&SECONDS[..], &[0, 13, 0, 1, 0, 0, 0, 51]].concat();
    expected.extend([192, 0, 2, 4, 0, 5]);
    expected.extend(b"rack1");
    expected.extend([0, 2, 2, 10, 0, 0, 1, 192, 0, 2, 1, 0, 0, 254, 78, 3, 0, 0, 0, 0]);
    expected.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 254, 79]);
    assert_eq!(out, expected);

    let attributes = Builder::new(&[65102], [192, 0, 2, 1].into());
    let plain = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 254, 78, 0x40, 3, 4, 192, 0, 2, 1];
    out.clear();
    let mut routes = Routes::new(net("10.244.1.0/26"), false);
    attributes.with_set(|set| routes.add(1, AT, 7, set));
    routes.put(AT, 9, &mut out);
    let entry = [&[0, 1][..], &SECONDS, &[0, 20], &plain].concat();
    let head = [&SECONDS[..], &[0, 13, 0, 2, 0, 0, 0, 39, 0, 0, 0, 9, 26, 10, 244, 1, 0, 0, 1]].concat();
    assert_eq!(out, [head, entry].concat());

    // RFC 8050, 4: the path identifier stands behind the time.
    out.clear();
    let mut routes = Routes::new(net("10.244.1.0/26"), true);
    attributes.with_set(|set| routes.add(1, AT, 7, set));
    routes.put(AT, 0, &mut out);
    assert_eq!(out[4..8], [0, 13, 0, 8]);
    assert_eq!(out[23..35], [&[0, 1][..], &SECONDS, &[0, 0, 0, 7, 0, 20]].concat());

    // RFC 6396, 4.3.4: of MP_REACH_NLRI only the next hop.
    out.clear();
    let next_hop = v6().peer;
    let mut routes = Routes::new(net("fd00:10:244:1::/122"), false);
    Builder::new(&[], next_hop).with_set(|set| routes.add(0, AT, 0, set));
    routes.put(AT, 0, &mut out);
    assert_eq!(out[4..8], [0, 13, 0, 4]);
    let mut reach = vec![0x80, 14, 17, 16];
    reach.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(out.ends_with(&reach), "{out:?}");
}

fn prefixes() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(octets, length)| IpNet::new(octets.into(), length));
    let v6 = (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(octets, length)| IpNet::new(octets.into(), length));
    prop_oneof![v4, v6].prop_map(|prefix| prefix.unwrap().trunc())
}

proptest! {
    /// Whatever routes a table holds, a reader takes the same from it.
    #[test]
    fn what_was_written_is_read(
        prefix in prefixes(),
        entries in prop::collection::vec((any::<bool>(), 0_u32..4_000_000_000, any::<u32>(), any::<u16>()), 1..8),
        add_path: bool,
    ) {
        let peers = [(1, 65102), (2, 4_200_000_001)]
            .map(|(n, asn)| Peer { address: [192, 0, 2, n].into(), asn, identifier: None });
        let mut out = vec![];
        put_peers(AT, Ipv4Addr::LOCALHOST, "", peers.iter(), &mut out);
        let next_hop: IpAddr = if prefix.addr().is_ipv4() { [192, 0, 2, 9].into() } else { v6().peer };
        let mut routes = Routes::new(prefix, add_path);
        let mut expected = vec![];
        for (second, since, path_id, asn) in entries {
            let since = Timestamp::from_micros(u64::from(since) * 1_000_000);
            let attributes = Builder::new(&[u32::from(asn)], next_hop).med(u32::try_from(since.as_secs()).unwrap());
            attributes.with_set(|set| routes.add(u16::from(second), since, path_id, set));
            expected.push((peers[usize::from(second)], since, add_path.then_some(path_id), attributes.octets()));
        }
        routes.put(AT, 0, &mut out);
        let mut reader = Reader::new(&out[..]);
        reader.next().unwrap();
        let record = reader.next().unwrap().unwrap();
        let Body::Rib(rib) = &record.body else { panic!("{record:?}") };
        prop_assert_eq!(rib.prefix, prefix);
        let mut body = vec![];
        let read: Vec<_> = rib.entries().map(|entry| {
            entry.write_update(prefix, &mut body);
            let terms = entry.terms();
            let update = Update::parse(&body, &terms).unwrap();
            let mut batch = Batch::default();
            batch.push_update(&update);
            let announced = batch.items().find_map(|item| match item {
                Item::Announce(_, set) => Some(set.octets().to_vec()),
                _ => None,
            });
            (entry.peer, entry.originated, entry.path_id, announced.unwrap())
        }).collect();
        prop_assert_eq!(read, expected);
    }
}

mod write;

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;
use crate::bgp::batch::{Batch, Item};
use crate::bgp::{MessageType, Update};
use crate::time::Timestamp;

/// A record written at second 1,000.
fn record(code: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
    let mut octets = 1000_u32.to_be_bytes().to_vec();
    octets.extend(code.to_be_bytes());
    octets.extend(subtype.to_be_bytes());
    octets.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    octets.extend(body);
    octets
}

/// 65102 at 192.0.2.1 talks to 65101 at 192.0.2.4.
const NARROW: [u8; 16] = [254, 78, 254, 77, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 4];
const WIDE: [u8; 20] = [0, 0, 254, 78, 0, 0, 254, 77, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 4];

/// The same between `2001:db8::1` and `2001:db8::4`.
fn wide_v6() -> Vec<u8> {
    let mut octets = vec![0, 0, 254, 78, 0, 0, 254, 77, 0, 0, 0, 2];
    for host in [1, 4] {
        octets.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    octets
}

fn message(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    octets.push(kind.code());
    octets.extend(body);
    octets
}

const KEEPALIVE: [u8; 19] = {
    let mut octets = [0xff; 19];
    (octets[16], octets[17], octets[18]) = (0, 19, 4);
    octets
};

/// What a reader makes of `octets`: every record in its debug form, every error in its words.
fn read(octets: &[u8]) -> Vec<Result<String, String>> {
    let mut reader = Reader::new(octets);
    let mut all = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(record)) => all.push(Ok(format!("{:?}", record.body))),
            Ok(None) => return all,
            Err(error) => all.push(Err(error.to_string())),
        }
    }
}

/// The only record in `octets`.
fn only<T>(octets: &[u8], check: impl FnOnce(&Record<'_>) -> T) -> T {
    let mut reader = Reader::new(octets);
    let answer = check(&reader.next().unwrap().unwrap());
    assert!(reader.next().unwrap().is_none());
    answer
}

/// What is wrong with the only record in `octets`.
fn wrong(octets: &[u8]) -> String {
    let mut all = read(octets);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap_err()
}

#[test]
fn messages_of_every_subtype() {
    for (subtype, header, sent, wide, add_path) in [
        (1, &NARROW[..], false, false, false),
        (4, &WIDE, false, true, false),
        (6, &NARROW, true, false, false),
        (7, &WIDE, true, true, false),
        (8, &NARROW, false, false, true),
        (9, &WIDE, false, true, true),
        (10, &NARROW, true, false, true),
        (11, &WIDE, true, true, true),
    ] {
        let octets = record(16, subtype, &[header, &KEEPALIVE].concat());
        only(&octets, |record| {
            let Body::Message(message) = &record.body else { panic!("{record:?}") };
            assert_eq!((message.sent, message.four_octet_as), (sent, wide), "{subtype}");
            assert_eq!((message.add_path, message.kind), (add_path, MessageType::Keepalive), "{subtype}");
            let Peering { peer_as, local_as, peer, local } = message.peering;
            assert_eq!((peer_as, local_as), (65102, 65101));
            assert_eq!((peer.to_string(), local.to_string()), ("192.0.2.1".into(), "192.0.2.4".into()));
            assert_eq!((record.offset, record.at), (0, Timestamp::from_micros(1_000_000_000)));
        });
    }
}

#[test]
fn extended_timestamps_count_microseconds() {
    let body = [&[0, 1, 0xe2, 0x40][..], &wide_v6(), &KEEPALIVE].concat();
    only(&record(17, 4, &body), |record| {
        let Body::Message(message) = &record.body else { panic!("{record:?}") };
        assert_eq!(message.peering.peer.to_string(), "2001:db8::1");
        assert_eq!(record.at, Timestamp::from_micros(1_000_123_456));
    });
    assert_eq!(wrong(&record(17, 4, &[0, 1])), "the record at octet 0 is cut short within its time");
}

#[test]
fn state_changes_of_both_widths() {
    for (subtype, header) in [(0, &NARROW[..]), (5, &WIDE)] {
        let octets = record(16, subtype, &[header, &[0, 5, 0, 6]].concat());
        only(&octets, |record| {
            let Body::StateChange(change) = record.body else { panic!("{record:?}") };
            assert_eq!((change.old, change.new, change.peering.peer_as), (5, 6, 65102));
        });
        let short = record(16, subtype, &[header, &[0, 5, 0]].concat());
        assert_eq!(wrong(&short), "the record at octet 0 is cut short within its states");
    }
    // FRR's, of nobody.
    only(&record(16, 5, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8]), |record| {
        assert!(matches!(record.body, Body::Skipped(Kind { code: 16, subtype: 5 })));
    });
}

#[test]
fn what_cannot_be_judged_is_named() {
    for (code, subtype, name) in [
        (11, 0, "OSPFv2 (11/0)"),
        (12, 3, "TABLE_DUMP (12/3)"),
        (13, 3, "multicast of TABLE_DUMP_V2 (13/3)"),
        (13, 6, "RIB_GENERIC of TABLE_DUMP_V2 (13/6)"),
        (13, 7, "GEO_PEER_TABLE of TABLE_DUMP_V2 (13/7)"),
        (16, 2, "BGP4MP (16/2)"),
        (33, 0, "IS-IS (33/0)"),
        (49, 0, "OSPFv3 (49/0)"),
        (5, 1, "a deprecated type (5/1)"),
        (0x4242, 1, "an unknown type (16962/1)"),
    ] {
        // An index of no peers first: a table has one.
        let octets = [record(13, 1, &[0; 8]), record(code, subtype, b"whatever")].concat();
        let mut reader = Reader::new(&octets[..]);
        assert!(matches!(reader.next().unwrap().unwrap().body, Body::Peers { view: [], peers: [] }));
        let Body::Skipped(kind) = reader.next().unwrap().unwrap().body else { panic!("{name}") };
        assert_eq!(kind.to_string(), name);
    }
}

/// 192.0.2.1 of 65102 in two octets, `2001:db8::1` of 4200000001 in four.
fn index() -> Vec<u8> {
    let mut body = vec![10, 0, 0, 1, 0, 3, b'a', b'l', b'l', 0, 2];
    body.extend([0, 10, 0, 0, 7, 192, 0, 2, 1, 254, 78]);
    body.extend([3, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend(4_200_000_001_u32.to_be_bytes());
    body
}

const ORIGIN: [u8; 4] = [0x40, 1, 1, 0];
const PATH: [u8; 9] = [0x40, 2, 6, 2, 1, 0, 0, 254, 78];
const NEXT_HOP: [u8; 7] = [0x40, 3, 4, 192, 0, 2, 1];

/// An entry of a table: peer, path identifier if there is one, attributes.
fn entry(peer: u16, path_id: Option<u32>, attributes: &[u8]) -> Vec<u8> {
    let mut octets = peer.to_be_bytes().to_vec();
    octets.extend(900_u32.to_be_bytes());
    octets.extend(path_id.into_iter().flat_map(u32::to_be_bytes));
    octets.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    octets.extend(attributes);
    octets
}

/// Routes of a table record, each as the UPDATE that its entry becomes is understood.
fn routes(octets: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(octets);
    let (mut routes, mut body) = (Vec::new(), Vec::new());
    while let Some(record) = reader.next().unwrap() {
        let Body::Rib(rib) = record.body else { continue };
        for entry in rib.entries() {
            entry.write_update(rib.prefix, &mut body);
            let update = Update::parse(&body, &entry.terms()).unwrap();
            let mut batch = Batch::default();
            batch.push_update(&update);
            for item in batch.items() {
                let (what, nlri, set) = match item {
                    Item::Announce(nlri, set) => ("", nlri, Some(set)),
                    Item::Withdraw(nlri) => ("withdraw ", nlri, None),
                    other => panic!("{other:?}"),
                };
                let told = set.map(|set| format!(" [{}] via {}", set.as_path(), set.next_hop().unwrap()));
                let Peer { address, asn, .. } = entry.peer;
                for (path_id, prefix) in nlri {
                    let told = told.clone().unwrap_or_default();
                    routes.push(format!("{what}{prefix} #{path_id} of {asn} {address}{told}"));
                }
            }
        }
    }
    routes
}

#[test]
fn tables_of_both_families_with_and_without_path_identifiers() {
    let v4 = [&ORIGIN[..], &PATH, &NEXT_HOP].concat();
    let next_hop = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let abbreviated = [&ORIGIN[..], &PATH, &[0x80, 14, 17, 16], &next_hop].concat();
    let whole =
        [&ORIGIN[..], &PATH, &[0x80, 14, 28, 0, 2, 1, 16], &next_hop, &[0, 48, 0x20, 1, 0x0d, 0xb8, 0, 9]];
    let whole = whole.concat();
    let table = |subtype, prefix: &[u8], entries: &[Vec<u8>]| {
        let count = u16::try_from(entries.len()).unwrap().to_be_bytes();
        record(13, subtype, &[&[0, 0, 0, 1], prefix, &count, &entries.concat()].concat())
    };
    let octets = [
        record(13, 1, &index()),
        table(2, &[26, 10, 244, 1, 64], &[entry(0, None, &v4), entry(1, None, &v4)]),
        table(4, &[48, 0x20, 1, 0x0d, 0xb8, 0, 9], &[entry(1, None, &abbreviated), entry(0, None, &whole)]),
        table(8, &[8, 10], &[entry(0, Some(7), &v4), entry(0, Some(8), &v4)]),
        table(10, &[32, 0x20, 1, 0x0d, 0xb8], &[entry(1, Some(9), &abbreviated)]),
        table(2, &[0], &[]),
    ]
    .concat();
    assert_eq!(
        routes(&octets),
        [
            "10.244.1.64/26 #0 of 65102 192.0.2.1 [65102] via 192.0.2.1",
            "10.244.1.64/26 #0 of 4200000001 2001:db8::1 [65102] via 192.0.2.1",
            "2001:db8:9::/48 #0 of 4200000001 2001:db8::1 [65102] via 2001:db8::1",
            "2001:db8:9::/48 #0 of 65102 192.0.2.1 [65102] via 2001:db8::1",
            "10.0.0.0/8 #7 of 65102 192.0.2.1 [65102] via 192.0.2.1",
            "10.0.0.0/8 #8 of 65102 192.0.2.1 [65102] via 192.0.2.1",
            "2001:db8::/32 #9 of 4200000001 2001:db8::1 [65102] via 2001:db8::1",
        ]
    );
}

#[test]
fn flags_of_a_table_are_its_writers() {
    // As BIRD 2.0 has them, with the local preference that it gave the route.
    let attributes = [&ORIGIN[..], &PATH, &[0, 3, 4, 192, 0, 2, 1, 0, 5, 4, 0, 0, 0, 100]].concat();
    let rib = [&[0, 0, 0, 1, 8, 10, 0, 1][..], &entry(0, None, &attributes)].concat();
    let octets = [record(13, 1, &index()), record(13, 2, &rib)].concat();
    assert_eq!(routes(&octets), ["10.0.0.0/8 #0 of 65102 192.0.2.1 [65102] via 192.0.2.1"]);
}

#[test]
fn an_entry_that_is_malformed_withdraws_its_prefix_and_no_other() {
    // The path runs past the attributes.
    let attributes = [&ORIGIN[..], &[0x40, 2, 6, 2]].concat();
    let rib = [&[0, 0, 0, 1, 8, 10, 0, 1][..], &entry(0, None, &attributes)].concat();
    let octets = [record(13, 1, &index()), record(13, 2, &rib)].concat();
    assert_eq!(routes(&octets), ["withdraw 10.0.0.0/8 #0 of 65102 192.0.2.1"]);
}

#[test]
fn attributes_too_long_for_an_update_withdraw_its_prefix_and_no_other() {
    let next_hop = [&[0x80, 14, 17, 16, 0x20, 1][..], &[1; 14]].concat();
    let usual = [&ORIGIN[..], &PATH, &next_hop].concat();
    // With the prefix in MP_REACH_NLRI there is more than before: the last octets no longer fit.
    let length = u16::MAX - u16::try_from(usual.len() + 4).unwrap();
    let [high, low] = length.to_be_bytes();
    let attributes = [&usual[..], &[0xd0, 99, high, low], &vec![0; length.into()]].concat();
    let rib = [&[0, 0, 0, 1, 32, 0x20, 1, 0x0d, 0xb8, 0, 1][..], &entry(0, None, &attributes)].concat();
    let octets = [record(13, 1, &index()), record(13, 4, &rib)].concat();
    assert_eq!(routes(&octets), ["withdraw 2001:db8::/32 #0 of 65102 192.0.2.1"]);
}

#[test]
fn an_index_tells_identifiers_that_are_known() {
    only(&record(13, 1, &index()), |record| {
        let Body::Peers { view: b"all", peers: [first, second] } = record.body else { panic!("{record:?}") };
        assert_eq!((first.identifier, second.identifier), (Some([10, 0, 0, 7].into()), None));
    });
}

#[test]
fn an_index_that_cannot_be_read_leaves_its_table_without_peers() {
    let rib = [0, 0, 0, 1, 8, 10, 0, 0];
    let octets = [record(13, 1, &index()), record(13, 1, &[0; 7]), record(13, 2, &rib)].concat();
    let all = read(&octets);
    assert!(all[0].is_ok());
    assert_eq!(all[1], Err("the record at octet 59 is cut short within its index of peers".to_owned()));
    let nameless = "is part of a table before which there is no index of peers";
    assert_eq!(all[2], Err(format!("the record at octet 78 {nameless}")));
}

/// A `TABLE_DUMP` record of 10.244.1.64/26.
fn old_v4(length: u8) -> Vec<u8> {
    let path = [0x40, 2, 4, 2, 1, 254, 78];
    let mut body = vec![0, 0, 0, 1, 10, 244, 1, 127, length, 1, 0, 0, 3, 132, 192, 0, 2, 1, 254, 78];
    body.extend([0, 18]);
    body.extend([&ORIGIN[..], &path, &NEXT_HOP].concat());
    body
}

#[test]
fn old_tables_have_narrow_paths_and_whole_next_hops() {
    let mut v6 =
        vec![0, 0, 0, 1, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 1, 0, 0, 3, 132];
    v6.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 254, 78]);
    let reach = [0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 32];
    let attributes = [&ORIGIN[..], &[0x40, 2, 4, 2, 1, 254, 78], &reach, &[0x20, 1, 0x0d, 0xb8]].concat();
    v6.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    v6.extend(attributes);
    let octets = [record(12, 1, &old_v4(26)), record(12, 2, &v6)].concat();
    assert_eq!(
        routes(&octets),
        [
            "10.244.1.64/26 #0 of 65102 192.0.2.1 [65102] via 192.0.2.1",
            "2001:db8::/32 #0 of 65102 2001:db8::7 [65102] via 2001:db8::7",
        ]
    );
}

#[test]
fn a_bad_record_is_passed_over_and_says_where_it_is() {
    let cases: [(Vec<u8>, &str); 11] = [
        (record(16, 4, &WIDE[..19]), "is cut short within its addresses"),
        (record(16, 4, &WIDE[..7]), "is cut short within its AS numbers"),
        (record(16, 4, &WIDE), "holds a BGP message that is cut short"),
        (
            record(16, 4, &[&WIDE[..], &[0; 19]].concat()),
            "holds no BGP message: the marker is not sixteen octets of ff (1/1)",
        ),
        (
            record(16, 4, &[&WIDE[..], &message(MessageType::Update, &[0; 9])[..25]].concat()),
            "holds a BGP message that is cut short",
        ),
        (record(16, 4, &[&WIDE[..], &KEEPALIVE, &[7]].concat()), "has octets left over: 1"),
        (record(16, 4, &[&WIDE[..11], &[3], &WIDE[12..]].concat()), "has addresses of the unknown family 3"),
        (record(12, 1, &old_v4(33)), "has a prefix of 33 bits"),
        (record(13, 2, &[0, 0, 0, 1, 33, 1, 2, 3, 4, 5, 0, 0]), "has a prefix of 33 bits"),
        (record(13, 2, &[0, 0, 0, 1, 8, 10, 0, 1, 0]), "is cut short within its entries"),
        (
            record(13, 2, &[&[0, 0, 0, 1, 8, 10, 0, 1][..], &entry(2, None, &[])].concat()),
            "names peer 2 of an index of 2",
        ),
    ];
    let first = record(13, 1, &index());
    for (bad, text) in cases {
        let good = record(16, 4, &[&WIDE[..], &KEEPALIVE].concat());
        let all = read(&[&first[..], &bad, &good].concat());
        assert_eq!(all[1], Err(format!("the record at octet {} {text}", first.len())));
        assert!(all[2].is_ok() && all.len() == 3, "{text}");
    }
}

#[test]
fn a_torn_record_ends_the_file_and_everything_before_it_is_used() {
    let good = record(16, 4, &[&WIDE[..], &KEEPALIVE].concat());
    let whole = [&good[..], &good].concat();
    // The first two octets of its time are zeros, and by themselves would be padding.
    for end in good.len() + 3..whole.len() {
        let all = read(&whole[..end]);
        assert!(all[0].is_ok(), "{end}");
        let have = end - good.len();
        let want = if have < 12 { 12 } else { good.len() };
        let text = format!("the record at octet {} is torn: {have} of {want} octets are there", good.len());
        assert_eq!(all[1..], [Err(text)]);
    }
}

#[test]
fn zeros_where_a_record_would_begin_are_padding() {
    let good = record(16, 4, &[&WIDE[..], &KEEPALIVE].concat());
    for count in [1, 11, 12, 13, 4096] {
        let mut reader = Reader::new(good[..].chain(io::repeat(0).take(count)));
        assert!(reader.next().unwrap().is_some());
        assert!(reader.next().unwrap().is_none(), "{count}");
        assert_eq!(reader.padding(), count);
    }
    let torn = [&good[..], &[0; 24], &good[..20]].concat();
    assert_eq!(read(&torn)[1], Err("the record at octet 75 is torn: 20 of 51 octets are there".to_owned()));
}

#[test]
fn a_record_knows_when_the_one_behind_it_was_written() {
    let good = record(16, 4, &[&WIDE[..], &KEEPALIVE].concat());
    let mut later = good.clone();
    later[3] += 7;
    let octets = [&good[..], &[0; 12], &later].concat();
    let mut reader = Reader::new(&octets[..]);
    let next = |reader: &mut Reader<_>| reader.next().unwrap().unwrap().next;
    assert_eq!(next(&mut reader), Some(Timestamp::from_micros(1_007_000_000)));
    assert_eq!(next(&mut reader), None);
}

#[test]
fn a_length_is_not_believed() {
    let mut octets = record(16, 4, &[]);
    octets[8..12].copy_from_slice(&(16_u32 << 20).to_be_bytes());
    let mut reader = Reader::new(&octets[..]);
    let error = reader.next().unwrap_err();
    assert_eq!(error.to_string(), "the record at octet 0 is torn: 12 of 16777228 octets are there");
    assert!(error.is_final());
    assert!(reader.buffer_capacity() < 1 << 20, "memory follows what is read");

    octets[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    octets.extend(vec![0; 100_000]);
    let text = "the record at octet 0 claims 4294967295 octets: this is no MRT file, or a damaged one";
    assert_eq!(wrong(&octets), text);
    assert!(wrong(b"#!/bin/sh\nexit 0\n").contains("no MRT file"));

    let good = record(16, 4, &[&WIDE[..], &KEEPALIVE].concat());
    let text = "the record at octet 51 claims 4294967295 octets: the file is damaged from there on";
    assert_eq!(read(&[&good[..], &octets].concat())[1], Err(text.to_owned()));
}

#[test]
fn a_reader_that_fails_says_where_and_stops() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let good = record(16, 4, &[&WIDE[..], &KEEPALIVE].concat());
    let mut reader = Reader::new(good[..].chain(Broken));
    assert!(reader.next().unwrap().is_some());
    let error = reader.next().unwrap_err();
    assert_eq!(error.to_string(), format!("the record at octet {} cannot be read: bad sector", good.len()));
    assert!(reader.next().unwrap().is_none());
}

/// Types and subtypes that are read, and some that are not.
fn kinds() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![(11..18_u16, 0..13_u16), (any::<u16>(), any::<u16>())]
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&octets);
    }

    #[test]
    fn no_records_make_it_panic(records in prop::collection::vec(
        (kinds(), prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..80)), 0..8)
    ) {
        let mut octets = record(13, 1, &index());
        for ((code, subtype), body) in &records {
            octets.extend(record(*code, *subtype, body));
        }
        // Lengths frame them: each is one record or one error, whatever is inside.
        prop_assert_eq!(read(&octets).len(), records.len() + 1);
        let mut reader = Reader::new(&octets[..]);
        let mut body = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(record)) => if let Body::Rib(rib) = record.body {
                    for entry in rib.entries() {
                        entry.write_update(rib.prefix, &mut body);
                        let _ = Update::parse(&body, &entry.terms());
                    }
                },
                Ok(None) => break,
                Err(error) => prop_assert!(!error.is_final()),
            }
        }
    }

    #[test]
    fn attributes_of_any_kind_leave_the_prefix_known(attributes in prop::collection::vec(any::<u8>(), 0..200)) {
        let rib = [&[0, 0, 0, 1, 8, 10, 0, 1][..], &entry(0, None, &attributes)].concat();
        let octets = [record(13, 1, &index()), record(13, 2, &rib)].concat();
        let mut reader = Reader::new(&octets[..]);
        reader.next().unwrap();
        let Body::Rib(rib) = reader.next().unwrap().unwrap().body else { panic!() };
        let mut body = Vec::new();
        rib.entries().next().unwrap().write_update(rib.prefix, &mut body);
        if let Ok(update) = Update::parse(&body, &terms(true, false)) {
            let announced = update.announced().map(|announced| announced.nlri);
            let prefixes: Vec<_> = update.withdrawn().chain(announced).flatten().map(|(_, prefix)| prefix).collect();
            prop_assert_eq!(prefixes, [rib.prefix]);
        }
    }
}

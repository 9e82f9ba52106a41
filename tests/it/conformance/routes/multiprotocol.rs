//! MP_REACH_NLRI and MP_UNREACH_NLRI, families, next hops, additional paths.

use super::*;
use crate::conformance::{Case, run};
use crate::wire::{capability, end_of_rib, four_octet_as, hex, mp_unreach, multiprotocol};

const A: &str = "fd00:10:244:1::/122";
const A_LINE: &str = "fd00:10:244:1::/122 accepted";

/// ORIGIN and AS_PATH: all that MP_REACH needs besides itself.
fn others() -> Vec<u8> {
    [origin(0), as_path(&[NODE_AS.into()])].concat()
}

fn only(client: &Client<'_>, afi: u16) -> Open {
    client.open_with(&[multiprotocol(afi, 1), four_octet_as(NODE_AS.into())])
}

/// Each of these attributes ends a session that has routes: N 3/`subcode` with the attribute as data.
/// Good attributes before and behind it change nothing, nor do prefixes outside of it.
fn ends(client: &Client<'_>, attributes: &[(String, Vec<u8>)], subcode: u8) {
    let mut wrong = Vec::new();
    for (name, odd) in attributes {
        let usual = usual(client.address).concat();
        for (shape, said) in [
            ("alone", update(&[], odd, &[])),
            ("last, with prefixes", update(&[], &[&usual[..], odd].concat(), &nlri("10.244.2.0/26"))),
            ("first", update(&[], &[odd, &others()[..]].concat(), &[])),
        ] {
            let mut talk = Talk::start(client);
            talk.announce("10.244.1.0/26");
            talk.say(&announce_v6(A));
            talk.say(&said);
            let heard = talk.peer.expect_notification();
            if heard != (3, subcode, odd.clone()) {
                wrong.push(format!("{name} ({shape}): {heard:02x?}"));
            }
            gone(client);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn named(attributes: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    attributes.into_iter().collect()
}

fn next_hops(afi: u16, lengths: &[usize]) -> Vec<(String, Vec<u8>)> {
    let prefixes = nlri(if afi == 1 { "10.244.2.0/26" } else { A });
    named(lengths.iter().map(|length| {
        (format!("AFI {afi}, {length} octets"), mp_reach(afi, 1, &vec![1; *length], &prefixes))
    }))
}

#[test]
fn families() {
    let cases = [attributes(), negotiation()].into_iter().flatten().collect();
    run("1.4 UPDATE: families", &bench(), cases);
}

/// The two attributes, and what makes them unreadable.
fn attributes() -> Vec<Case> {
    vec![
        Case::new("RFC 4760, 3", "IPv6 by MP_REACH, withdrawn by MP_UNREACH", |client| {
            let mut talk = Talk::start(client);
            talk.say(&announce_v6(&format!("{A} fd00:10:244:2::1/128 fd00::/8")));
            talk.has(&[
                "fd00:10:244:1::/122 accepted",
                "fd00:10:244:2::1/128 accepted",
                "fd00::/8 rejected too_broad",
            ]);
            talk.say(&update(&[], &mp_unreach(2, 1, &nlri("fd00::/8 fd00:10:244:2::1/128")), &[]));
            talk.has(&[A_LINE]);
            talk.peer.expect_up();
        }),
        Case::new("RFC 4760, 3", "IPv4 by MP_REACH, withdrawn by MP_UNREACH or outside of it", ipv4),
        Case::new(
            "RFC 4760, 3",
            "MP_REACH anywhere in the list, of any length field, reserved octet at will",
            places,
        ),
        Case::new("RFC 7606, 3.g", "MP_REACH or MP_UNREACH twice: N 3/1", twice),
        Case::new("RFC 7606, 7.11", "MP_REACH cut short at each octet: N 3/5", |client| {
            let whole = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(A));
            let value = &whole[4..];
            // From the NLRI on it is the prefix that is cut short; without any it is whole.
            let cuts =
                (0..21).map(|count| (format!("{count} octets"), attribute(OPTIONAL, 14, &value[..count])));
            ends(client, &named(cuts.take(21)), 5);
        }),
        Case::new("RFC 7606, 5.3", "MP_REACH whose prefix is too long or cut short: N 3/9", |client| {
            ends(client, &bad_prefixes(|prefixes| mp_reach(2, 1, &V6_NEXT_HOP, prefixes)), 9);
        }),
        Case::new("RFC 7606, 5.3", "MP_REACH of IPv4 whose prefix is too long: N 3/9", |client| {
            let lengths = [33_u8, 34, 64, 128, 255];
            let bad = lengths.map(|length| {
                let octets = [&[length][..], &[10; 32]].concat();
                (format!("/{length}"), mp_reach(1, 1, &client.address.octets(), &octets))
            });
            ends(client, &named(bad), 9);
        }),
        Case::new("RFC 7606, 7.12", "MP_UNREACH cut short at each octet: N 3/5", |client| {
            let cuts =
                (0..3).map(|count| (format!("{count} octets"), attribute(OPTIONAL, 15, &[0, 2, 1][..count])));
            ends(client, &named(cuts), 5);
        }),
        Case::new("RFC 7606, 5.3", "MP_UNREACH whose prefix is too long or cut short: N 3/9", |client| {
            ends(client, &bad_prefixes(|prefixes| mp_unreach(2, 1, prefixes)), 9);
        }),
    ]
}

/// Next hops, and families that were not agreed on.
fn negotiation() -> Vec<Case> {
    vec![
        Case::new("RFC 7606, 7.11", "a next hop that is not of 16 or 32 octets (IPv4: 4): N 3/9", |client| {
            ends(client, &next_hops(2, &[0, 1, 4, 8, 12, 15, 17, 24, 31, 33, 48, 64, 255]), 9);
        }),
        Case::new("RFC 8950, 4", "IPv4 with a next hop of IPv6, not negotiated: N 3/9", |client| {
            ends(client, &next_hops(1, &[0, 3, 5, 12, 16, 24, 32, 48]), 9);
        }),
        Case::new("RFC 7606, 7.11", "a next hop longer than the attribute: N 3/5", |client| {
            let longer = [
                "0002 01 ff",
                "0002 01 11 fd000010000000000000000000000001",
                "0002 01 20 fd00",
                "0001 01 05 7f000001",
            ];
            let longer = longer.map(|value| (value.to_owned(), attribute(OPTIONAL, 14, &hex(value))));
            ends(client, &named(longer), 5);
        }),
        Case::new("RFC 7606, 4", "MP_REACH or MP_UNREACH that runs past the attributes: N 3/1", |client| {
            let runs = [
                "80 0e ff 000201",
                "80 0e",
                "90 0e 00",
                "90 0e ffff 0002",
                "80 0f 04 000201",
                "80 0f",
                "90 0f 00",
            ];
            for digits in runs {
                let mut talk = Talk::start(client);
                talk.announce("10.244.1.0/26");
                let attributes = [&usual(client.address).concat()[..], &hex(digits)].concat();
                talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26")));
                talk.ends_with(3, 1, &hex(digits));
            }
        }),
        Case::new("RFC 4271, 6.3", "an IPv6 next hop that no router has: withdrawn", no_routers),
        Case::new(
            "RFC 2545, 3",
            "a link-local next hop, alone, second, or with no global one: up",
            link_local,
        ),
        Case::new(
            "RFC 4760, 7",
            "a family that was not negotiated is ignored, and never stored",
            not_negotiated,
        ),
        Case::new("RFC 4760, 7", "IPv4 outside of MP_REACH where only IPv6 was negotiated: ignored", v6_only),
        Case::new(
            "RFC 4760, 7",
            "families that nobody knows are ignored, whatever is in them",
            unknown_families,
        ),
        Case::new("RFC 4760, 8", "no multiprotocol capability: IPv4 alone", |client| {
            let mut talk = Talk::start_with(client, &client.open_with(&[four_octet_as(NODE_AS.into())]));
            talk.say(&announce_v6(A));
            talk.announce("10.244.1.0/26");
            talk.has(&["10.244.1.0/26 accepted"]);
            talk.peer.expect_up();
        }),
        Case::new(
            "RFC 7911, 4",
            "path identifiers that were not negotiated: read as prefixes or N 3/10",
            no_add_path,
        ),
    ]
}

/// Prefixes of IPv6 that are none, behind a good one and alone.
fn bad_prefixes(wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut bad: Vec<(String, Vec<u8>)> = [129_u8, 130, 160, 192, 200, 254, 255]
        .map(|length| (format!("/{length}"), wrap(&[&[length][..], &[0xfd; 33]].concat())))
        .to_vec();
    let whole = nlri(A);
    for count in 1..whole.len() {
        bad.push((format!("{count} octets of a prefix"), wrap(&whole[..count])));
        if count % 4 == 1 {
            bad.push((
                format!("behind a good one, {count} octets"),
                wrap(&[&whole[..], &whole[..count]].concat()),
            ));
        }
    }
    bad
}

fn ipv4(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let reach = mp_reach(1, 1, &client.address.octets(), &nlri("10.244.1.0/26 10.244.2.0/26"));
    talk.say(&update(&[], &[others(), reach].concat(), &[]));
    talk.has(&["10.244.1.0/26 accepted", "10.244.2.0/26 accepted"]);
    talk.say(&withdraw("10.244.1.0/26"));
    talk.say(&update(&[], &mp_unreach(1, 1, &nlri("10.244.2.0/26")), &[]));
    talk.has(&[]);
    for bad in [[0, 0, 0, 0], [224, 0, 0, 5], [255; 4]] {
        talk.announce("10.244.1.0/26");
        let reach = mp_reach(1, 1, &bad, &nlri("10.244.1.0/26 10.244.2.0/26"));
        talk.say(&update(&[], &[others(), reach].concat(), &[]));
        talk.has(&[]);
    }
    let reach = mp_reach(1, 1, &[10, 1, 1, 1], &nlri("10.244.1.0/26"));
    talk.say(&update(&[], &[others(), reach].concat(), &[]));
    talk.has(&["10.244.1.0/26 rejected next_hop_not_peer"]);
    talk.peer.expect_up();
}

fn places(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let long = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(A));
    let short = attribute(OPTIONAL, 14, &long[4..]);
    let mut reserved = short.clone();
    reserved[3 + 4 + 16] = 0xff;
    let [a, b] = [origin(0), as_path(&[NODE_AS.into()])];
    for reach in [&long, &short, &reserved] {
        for order in [[reach, &a, &b], [&a, reach, &b], [&b, &a, reach]] {
            talk.say(&update(&[], &mp_unreach(2, 1, &nlri(A)), &[]));
            talk.has(&[]);
            talk.say(&update(&[], &order.map(Clone::clone).concat(), &[]));
            talk.has(&[A_LINE]);
        }
    }
    // NEXT_HOP beside it means nothing for its prefixes (RFC 4760, 3), whatever address it holds.
    talk.say(&update(&[], &[&long[..], &a, &b, &next_hop(Ipv4Addr::UNSPECIFIED)].concat(), &[]));
    talk.has(&[A_LINE]);
    talk.peer.expect_up();
}

fn twice(client: &Client<'_>) {
    let reach = |prefix| mp_reach(2, 1, &V6_NEXT_HOP, &nlri(prefix));
    let unreach = |prefix| mp_unreach(2, 1, &nlri(prefix));
    let (v4, unknown) = (mp_unreach(1, 1, &[]), mp_unreach(0x4004, 71, &[]));
    let pairs = [
        (reach(A), reach(A)),
        (reach(A), reach("fd00:10:244:2::/122")),
        (reach(A), hex("80 0e 00")),
        (reach(A), mp_reach(1, 1, &client.address.octets(), &nlri("10.244.3.0/26"))),
        (mp_reach(0x4004, 71, &[], &[]), reach(A)),
        (unreach(A), unreach(A)),
        (unreach(A), v4.clone()),
        (v4, unknown.clone()),
        (unknown.clone(), unknown),
    ];
    for (first, second) in pairs {
        for between in [vec![], others()] {
            let mut talk = Talk::start(client);
            talk.say(&announce_v6(A));
            talk.say(&update(&[], &[&first[..], &between, &second].concat(), &[]));
            talk.ends_with(3, 1, &second);
        }
    }
    let mut talk = Talk::start(client);
    talk.say(&update(&[], &[reach(A), unreach("fd00:10:244:2::/122"), others()].concat(), &[]));
    talk.has(&[A_LINE]);
}

fn no_routers(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let zero = "00000000000000000000000000000000";
    for address in [
        zero,
        "00000000000000000000000000000001",
        "ff020000000000000000000000000001",
        "ffffffffffffffffffffffffffffffff",
        &format!("{zero}{zero}"),
    ] {
        talk.say(&announce_v6(A));
        talk.announce("10.244.1.0/26");
        let reach = mp_reach(2, 1, &hex(address), &nlri(&format!("{A} fd00:10:244:2::/122")));
        talk.say(&update(&[], &[others(), reach].concat(), &[]));
        assert_eq!(talk.table(), ["10.244.1.0/26 accepted"], "{address}");
    }
    talk.peer.expect_up();
}

fn link_local(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let (global, local) = ("fd000010000000000000000000000001", "fe800000000000000000000000000001");
    let zero = "00000000000000000000000000000000";
    for (octets, shown) in [
        (global.to_owned(), "fd00:10::1"),
        (format!("{global}{local}"), "fd00:10::1"),
        (format!("{global}{zero}"), "fd00:10::1"),
        (local.to_owned(), "fe80::1"),
        (format!("{zero}{local}"), "fe80::1"),
    ] {
        let reach = mp_reach(2, 1, &hex(&octets), &nlri(A));
        talk.say(&update(&[], &[others(), reach].concat(), &[]));
        let routes = talk.routes();
        assert_eq!((routes.len(), &routes[0]["next_hop"]), (1, &Value::from(shown)), "{octets}");
    }
    talk.peer.expect_up();
}

fn not_negotiated(client: &Client<'_>) {
    let mut talk = Talk::start_with(client, &only(client, 1));
    let v4 = "10.244.1.0/26";
    talk.announce(v4);
    for said in [
        announce_v6(A),
        update(
            &[],
            &[mp_reach(2, 1, &V6_NEXT_HOP, &nlri(A)), usual(client.address).concat()].concat(),
            &nlri(v4),
        ),
        update(&[], &mp_unreach(2, 1, &nlri(A)), &[]),
        update(&[], &mp_unreach(2, 1, &[]), &[]),
        // Whatever is wrong inside is nobody's business.
        update(&[], &[others(), mp_reach(2, 1, &[1, 2, 3], &nlri(A))].concat(), &[]),
        update(&[], &[others(), mp_reach(2, 1, &V6_NEXT_HOP, &[200, 1])].concat(), &[]),
        update(&[], &mp_unreach(2, 1, &[129, 1]), &[]),
        update(&[], &[hex("40 01 01 09"), mp_reach(2, 1, &V6_NEXT_HOP, &nlri(A))].concat(), &[]),
    ] {
        talk.say(&said);
        assert_eq!(talk.table(), ["10.244.1.0/26 accepted"], "{said:02x?}");
    }
    shows(client, "IPv4 alone", |peer| peer["families"] == Value::from(vec!["ipv4"]));
    talk.peer.expect_up();
}

fn v6_only(client: &Client<'_>) {
    let mut talk = Talk::start_with(client, &only(client, 2)).marked_by(v6_marker);
    talk.say(&announce_v6(A));
    for said in [
        announce(client.address, "10.244.1.0/26"),
        withdraw("10.244.1.0/26"),
        end_of_rib(),
        update(
            &[],
            &[others(), mp_reach(1, 1, &client.address.octets(), &nlri("10.244.1.0/26"))].concat(),
            &[],
        ),
        update(&[], &mp_unreach(1, 1, &nlri("10.244.1.0/26")), &[]),
        update(&[], &[], &nlri("10.244.1.0/26")),
    ] {
        talk.say(&said);
        assert_eq!(talk.table(), [A_LINE], "{said:02x?}");
    }
    // With both in one UPDATE the errors of one are those of the other.
    let reach = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(A));
    talk.say(&update(&[], &[others(), reach].concat(), &nlri("10.244.1.0/26")));
    talk.has(&[]);
    talk.say(&announce_v6(A));
    talk.has(&[A_LINE]);
    talk.peer.expect_up();
}

fn unknown_families(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    talk.announce("10.244.1.0/26");
    talk.say(&announce_v6(A));
    let safis = (0..=255).map(|safi| (1, safi)).chain((0..=255).map(|safi| (2, safi)));
    let afis = [0, 3, 16, 25, 0x4004, 0x4006, 0xffff].into_iter().flat_map(|afi| [(afi, 1), (afi, 128)]);
    for (afi, safi) in safis.chain(afis).filter(|(afi, safi)| ![(1, 1), (2, 1)].contains(&(*afi, *safi))) {
        talk.say(&update(&[], &[others(), mp_reach(afi, safi, &[9; 24], &[0xff; 9])].concat(), &[]));
        talk.say(&update(&[], &[others(), mp_reach(afi, safi, &[], &[])].concat(), &[]));
        // Nothing more, and a next hop longer than the attribute.
        let [high, low] = u16::to_be_bytes(afi);
        for rest in [&[][..], &[0xff], &[4, 1]] {
            let value = [&[high, low, safi], rest].concat();
            talk.say(&update(&[], &[others(), attribute(OPTIONAL, 14, &value)].concat(), &[]));
        }
        talk.say(&update(&[], &mp_unreach(afi, safi, &[0xff; 9]), &[]));
        talk.say(&update(&[], &mp_unreach(afi, safi, &[]), &[]));
    }
    talk.has(&["10.244.1.0/26 accepted", A_LINE]);
    talk.peer.expect_up();
}

/// Path identifiers, read as prefixes: 0 is a default route, 1 takes one octet that follows.
fn no_add_path(client: &Client<'_>) {
    let usual = usual(client.address).concat();
    let with = |id: u32, prefix: &str| [&id.to_be_bytes()[..], &nlri(prefix)].concat();
    let half = ["0.0.0.0/0 rejected default_route", "0.0.0.0/1 rejected too_broad"];
    for (id, more) in [
        (1, "244.0.0.0/10 rejected martian"),
        (256, "10.244.2.0/26 accepted"),
        (1 << 24, "10.244.2.0/26 accepted"),
    ] {
        let mut talk = Talk::start(client);
        talk.say(&update(&[], &usual, &with(id, "10.244.2.0/26")));
        let mut expected = [&half[..], &[more]].concat();
        expected.sort_unstable();
        talk.has(&expected);
        assert!(talk.routes().iter().all(|route| route["path_id"] == 0));
        drop(talk);
        gone(client);
    }
    for id in [33 << 24, u32::MAX] {
        let mut talk = Talk::start(client);
        talk.announce("10.244.1.0/26");
        talk.say(&update(&[], &usual, &with(id, "10.244.2.0/26")));
        talk.ends_with(3, 10, &[]);
    }
    // A peer that offers add-path to one who did not ask for it has no add-path.
    let offered = capability(69, &[0, 1, 1, 3, 0, 2, 1, 3]);
    let open =
        client.open_with(&[multiprotocol(1, 1), multiprotocol(2, 1), four_octet_as(NODE_AS.into()), offered]);
    let mut talk = Talk::start_with(client, &open);
    talk.announce("10.244.1.0/26");
    talk.has(&["10.244.1.0/26 accepted"]);
    talk.peer.expect_up();
}

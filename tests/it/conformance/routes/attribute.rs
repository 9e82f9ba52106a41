//! Attributes one by one: their values and lengths, known and unknown, missing, doubled, cut short.

use super::variants::{Outcome, Variant, judge, judge_over, kept, variant, withdrawn};
use super::*;
use crate::conformance::{Case, run};
use crate::wire::{EXTENDED, end_of_rib, hex};

/// Type codes that have rules of their own.
pub(super) const KNOWN: [u8; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 25, 32, 35];

fn case(source: &'static str, trigger: &str, variants: Vec<Variant>) -> Case {
    Case::new(source, trigger, move |client| judge(client, &variants))
}

/// Every length from 0 to `most`, of which those that `good` names are right.
fn lengths(flags: u8, code: u8, most: usize, good: impl Fn(usize) -> bool, bad: Outcome) -> Vec<Variant> {
    let variant = |length: usize| {
        let outcome = if good(length) { Outcome::Kept } else { bad };
        // Ones, for an AS 0 would be wrong for another reason.
        variant(format!("length {length}"), attribute(flags, code, &vec![1; length]), outcome)
    };
    let mut all: Vec<Variant> = (0..=most).map(variant).collect();
    // The same lengths with a long length field, which short values may have too.
    all.extend((0..=most.min(9)).map(|length| {
        let mut extended = variant(length);
        extended.name = format!("extended length {length}");
        extended.octets = attribute(flags | EXTENDED, code, &vec![1; length]);
        extended
    }));
    all
}

#[test]
fn attributes() {
    let whole = [
        Case::new("RFC 4271, 6.3", "NEXT_HOP of a third party, our own, or loopback: rejected", next_hops),
        Case::new(
            "RFC 7606, 4",
            "an attribute that runs past the others, 1 to 3 octets left: withdrawn",
            overruns,
        ),
        Case::new("RFC 7606, 3.d", "a mandatory attribute is missing: withdrawn", missing),
        Case::new("RFC 7606, 3.g", "of an attribute that comes twice the first counts", duplicates),
        Case::new("RFC 7606, 3.h", "of several errors the strongest counts", several),
        Case::new(
            "RFC 7606, 5.2",
            "errors and no prefix: reset; dropped attributes: up",
            nothing_to_withdraw,
        ),
    ];
    let cases = [mandatory(), optional(), narrow(), unknown()].into_iter().flatten().chain(whole).collect();
    run("1.4 UPDATE: attributes", &bench(), cases);
}

/// What a route is made of: a bad one withdraws it.
fn mandatory() -> Vec<Case> {
    vec![
        case("RFC 7606, 7.1", "ORIGIN above 2: withdrawn", {
            (3..=255).map(|value| variant(format!("{value}"), origin(value), Outcome::Withdrawn)).collect()
        }),
        case("RFC 7606, 7.1", "ORIGIN whose length is not 1: withdrawn", {
            (0..=255)
                .filter(|length| *length != 1)
                .step_by(3)
                .map(|length| {
                    variant(
                        format!("length {length}"),
                        attribute(TRANSITIVE, 1, &vec![0; length]),
                        Outcome::Withdrawn,
                    )
                })
                .chain([withdrawn("length 2", "40 01 02 0000"), withdrawn("extended, 0", "50 01 0000")])
                .chain([
                    kept("extended, 1", "50 01 0001 00"),
                    withdrawn("extended, cut short", "50 01 01 00"),
                ])
                .collect()
        }),
        case("RFC 7606, 7.3", "NEXT_HOP whose length is not 4: withdrawn", {
            lengths(TRANSITIVE, 3, 40, |_| false, Outcome::Withdrawn)
                .into_iter()
                .filter(|variant| !variant.name.ends_with("length 4"))
                .collect()
        }),
        case("RFC 4271, 6.3", "NEXT_HOP 0.0.0.0, multicast, class E, broadcast: withdrawn", {
            ["00000000", "ffffffff", "e0000001", "e0000005", "efffffff", "f0000001", "f7ffffff", "fffffffe"]
                .map(|address| withdrawn(address, &format!("40 03 04 {address}")))
                .to_vec()
        }),
        case("RFC 7606, 7.4", "MULTI_EXIT_DISC whose length is not 4: withdrawn", {
            lengths(OPTIONAL, 4, 20, |length| length == 4, Outcome::Withdrawn)
        }),
    ]
}

/// What it may have besides.
fn optional() -> Vec<Case> {
    vec![
        case("RFC 7606, 7.5", "LOCAL_PREF from outside, whatever its length: dropped", {
            lengths(TRANSITIVE, 5, 20, |_| true, Outcome::Kept)
        }),
        case("RFC 7606, 7.6", "ATOMIC_AGGREGATE whose length is not 0: dropped", {
            lengths(TRANSITIVE, 6, 20, |_| true, Outcome::Kept)
        }),
        case("RFC 7606, 7.7", "AGGREGATOR whose length is not 8, or of AS 0: dropped", {
            let mut variants = lengths(OPTIONAL | TRANSITIVE, 7, 20, |_| true, Outcome::Kept);
            variants.push(kept("AS 0 (RFC 7607, 2)", "c0 07 08 00000000 0a000001"));
            variants.push(kept("as an old speaker writes it", "c0 07 06 fe4e 0a000001"));
            variants
        }),
        case("RFC 7606, 7.8", "COMMUNITIES of no community or of part of one: withdrawn", {
            lengths(OPTIONAL | TRANSITIVE, 8, 33, |length| length > 0 && length % 4 == 0, Outcome::Withdrawn)
        }),
        case("RFC 7606, 7.9", "ORIGINATOR_ID from outside, whatever its length: dropped", {
            lengths(OPTIONAL, 9, 20, |_| true, Outcome::Kept)
        }),
        case("RFC 7606, 7.10", "CLUSTER_LIST from outside, whatever its length: dropped", {
            lengths(OPTIONAL, 10, 20, |_| true, Outcome::Kept)
        }),
        case("RFC 7606, 7.14", "EXTENDED COMMUNITIES of none or of part of one: withdrawn", {
            lengths(OPTIONAL | TRANSITIVE, 16, 33, |length| length > 0 && length % 8 == 0, Outcome::Withdrawn)
        }),
        case("RFC 6793, 6", "AS4_PATH from a speaker of 4-octet numbers, good or not: dropped", {
            let mut variants = lengths(OPTIONAL | TRANSITIVE, 17, 20, |_| true, Outcome::Kept);
            let values =
                ["0201 0000fe4e", "0201 00000000", "0501 0000fe4e", "02ff 0000fe4e", "0200", "0301 00000001"];
            variants.extend(values.map(|value| {
                variant(value, attribute(OPTIONAL | TRANSITIVE, 17, &hex(value)), Outcome::Kept)
            }));
            variants
        }),
        case("RFC 6793, 6", "AS4_AGGREGATOR from a speaker of 4-octet numbers, good or not: dropped", {
            lengths(OPTIONAL | TRANSITIVE, 18, 20, |_| true, Outcome::Kept)
        }),
        case("RFC 7606, 7.15", "IPv6 EXTENDED COMMUNITIES of none or of part of one: withdrawn", {
            lengths(
                OPTIONAL | TRANSITIVE,
                25,
                61,
                |length| length > 0 && length % 20 == 0,
                Outcome::Withdrawn,
            )
        }),
        case("RFC 8092, 6", "LARGE COMMUNITIES of none or of part of one: withdrawn", {
            lengths(
                OPTIONAL | TRANSITIVE,
                32,
                37,
                |length| length > 0 && length % 12 == 0,
                Outcome::Withdrawn,
            )
        }),
        case("RFC 9234, 5", "ONLY_TO_CUSTOMER whose length is not 4: withdrawn", {
            lengths(OPTIONAL | TRANSITIVE, 35, 20, |length| length == 4, Outcome::Withdrawn)
        }),
    ]
}

/// Attributes whose form depends on the width of AS numbers.
fn narrow() -> Vec<Case> {
    let narrow = |source, trigger: &str, variants: Vec<Variant>| {
        Case::new(source, format!("2-octet numbers: {trigger}"), move |client| {
            let open =
                client.open_with(&[crate::wire::multiprotocol(1, 1), crate::wire::multiprotocol(2, 1)]);
            let usual = [origin(0), narrow_path(&[NODE_AS]), next_hop(client.address)];
            let start = || Talk::start_with(client, &open).marked_by(narrow_marker);
            judge_over(client, start, &usual, &variants);
        })
    };
    let flags = OPTIONAL | TRANSITIVE;
    vec![
        narrow("RFC 7606, 7.7", "AGGREGATOR whose length is not 6, or of AS 0: dropped", {
            let mut variants = lengths(flags, 7, 12, |_| true, Outcome::Kept);
            variants.push(kept("AS 0", "c0 07 06 0000 0a000001"));
            variants
        }),
        narrow("RFC 6793, 6", "AS4_PATH, malformed: dropped", {
            let values = [
                "",
                "02",
                "0201",
                "0201 0000fe",
                "0202 0000fe4e",
                "0501 0000fe4e",
                "0201 00000000",
                "0200",
                "0201 fe4e",
            ];
            values.map(|value| variant(value, attribute(flags, 17, &hex(value)), Outcome::Kept)).to_vec()
        }),
        narrow("RFC 6793, 6", "AS4_AGGREGATOR, good or not: up", {
            lengths(flags, 18, 12, |_| true, Outcome::Kept)
        }),
    ]
}

/// Types that have no rules here: those that brought others down are among them.
fn unknown() -> Vec<Case> {
    let unknown = || (0..=255).filter(|code| !KNOWN.contains(code));
    let every = |flags: u8, value: &[u8], outcome: Outcome| -> Vec<Variant> {
        let one = |code| variant(format!("type {code}"), attribute(flags, code, value), outcome);
        unknown().map(one).collect()
    };
    let mut cases = Vec::new();
    for (what, flags) in [("transitive", OPTIONAL | TRANSITIVE), ("not transitive", OPTIONAL)] {
        for (value, octets) in [("empty", &[][..]), ("1 octet", &[0]), ("garbage", &[0xff; 7])] {
            let trigger = format!("every unknown type, optional, {what}, {value}: passed over");
            cases.push(case("RFC 4271, 5", &trigger, every(flags, octets, Outcome::Kept)));
        }
    }
    cases.push(case("RFC 4271, 6.3", "every unknown type, well-known: withdrawn (RFC 7606, 2)", {
        let mut variants = every(TRANSITIVE, &[], Outcome::Withdrawn);
        variants.extend(every(0, &[1], Outcome::Withdrawn));
        variants
    }));
    let risky =
        [11, 12, 13, 19, 20, 21, 22, 23, 24, 26, 27, 28, 29, 30, 31, 33, 34, 36, 37, 38, 39, 40, 41, 42];
    let risky = risky.into_iter().chain([99, 128, 129, 241, 242, 243, 254, 255]);
    cases.push(case("RFC 7606, 8", "types that crashed others, 3700 octets: passed over", {
        let fills = [0x00, 0x01, 0xff];
        risky
            .clone()
            .zip(fills.into_iter().cycle())
            .map(|(code, fill)| {
                let octets = attribute(OPTIONAL | TRANSITIVE | EXTENDED, code, &[fill; 3700]);
                variant(format!("type {code}"), octets, Outcome::Kept)
            })
            .collect()
    }));
    cases.push(case(
        "RFC 7606, 8",
        "types that crashed others, with lengths inside that lie: passed over",
        {
            let values = [
                "0000",
                "00000000",
                "0001",
                "0100",
                "01ff",
                "ffff",
                "0000ffff",
                "010000",
                "0004 00000000 ff",
                "01 000b ff",
                "03 0000 00",
                "0001 0000 0102 ffff",
                "00000000 00000000",
                "0101ff",
                "80 00",
                "40 01 ff",
            ];
            risky
                .flat_map(|code| {
                    values.map(|value| {
                        let octets = attribute(OPTIONAL | TRANSITIVE, code, &hex(value));
                        variant(format!("type {code}: {value}"), octets, Outcome::Kept)
                    })
                })
                .step_by(5)
                .collect()
        },
    ));
    cases
}

fn next_hops(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let leaf = client.bench.leaf();
    let others = [leaf, Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(1, 0, 0, 1)];
    for other in others {
        talk.announce("10.244.1.0/26");
        talk.has(&["10.244.1.0/26 accepted"]);
        let attributes = [origin(0), as_path(&[NODE_AS.into()]), next_hop(other)].concat();
        talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26")));
        talk.has(&["10.244.1.0/26 rejected next_hop_not_peer"]);
    }
    talk.announce("10.244.1.0/26");
    talk.has(&["10.244.1.0/26 accepted"]);
    talk.peer.expect_up();
}

/// What stands at the end of the attributes is not whole; the prefixes are found by the total length.
fn overruns(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let usual = usual(client.address).concat();
    let v6 = "fd00:10:244:1::/122";
    let rests = [
        "00",
        "40",
        "80",
        "ff",
        "4001",
        "8004",
        "4008",
        "400504",
        "c00804",
        "c0 08 05 00000000",
        "40 01 ff 00",
        "80 04 05 00000000",
        "50 01 00",
        "50 01 00 01",
        "50 01",
        "d0 63 ff ff 00",
        "d0 08 00 05 00000000",
        "40 02 ff 0201 0000fe4e",
        "40 03 05 0a000001",
        "c0 ff ff",
    ];
    for rest in rests {
        let rest = hex(rest);
        talk.announce("10.244.1.0/26");
        talk.say(&announce_v6(v6));
        let reach = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(v6));
        talk.say(&update(&[], &[&reach[..], &usual, &rest].concat(), &nlri("10.244.1.0/26 10.244.2.0/26")));
        assert_eq!(talk.table(), [""; 0], "{rest:02x?}");
        // The usual ones may be what the length runs past.
        talk.announce("10.244.1.0/26");
        talk.say(&update(&[], &rest, &nlri("10.244.1.0/26")));
        assert_eq!(talk.table(), [""; 0], "alone: {rest:02x?}");
    }
    // An earlier one whose length reaches into the next: what follows is read as it falls.
    for digits in ["40 01 02 00", "40 02 07 0201 0000fe4e", "80 04 08 00000001"] {
        let odd = hex(digits);
        talk.announce("10.244.1.0/26");
        let attributes = [&odd[..], &usual].concat();
        talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26 10.244.2.0/26")));
        assert_eq!(talk.table(), [""; 0], "{digits}");
    }
    talk.announce("10.244.1.0/26");
    talk.has(&["10.244.1.0/26 accepted"]);
    talk.peer.expect_up();
}

fn missing(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let (v4, v6) = ("10.244.1.0/26", "fd00:10:244:1::/122");
    let usual = usual(client.address);
    for present in 0..8_usize {
        let some: Vec<Vec<u8>> = usual
            .iter()
            .enumerate()
            .filter(|(at, _)| present >> at & 1 == 1)
            .map(|(_, octets)| octets.clone())
            .collect();
        // With prefixes outside of the attributes, then with MP_REACH, which needs no NEXT_HOP, then both.
        for (plain, multiprotocol) in [(true, false), (false, true), (true, true)] {
            talk.announce(v4);
            talk.say(&announce_v6(v6));
            talk.has(&["10.244.1.0/26 accepted", "fd00:10:244:1::/122 accepted"]);
            let mut attributes = some.clone();
            if multiprotocol {
                attributes.push(mp_reach(2, 1, &V6_NEXT_HOP, &nlri(v6)));
            }
            let prefixes = if plain { nlri(&format!("{v4} 10.244.2.0/26")) } else { Vec::new() };
            talk.say(&update(&[], &attributes.concat(), &prefixes));
            let whole = present & 3 == 3 && (!plain || present == 7);
            let mut expected: Vec<&str> = Vec::new();
            if whole || !plain {
                expected.push("10.244.1.0/26 accepted");
            }
            if whole && plain {
                expected.push("10.244.2.0/26 accepted");
            }
            if whole || !multiprotocol {
                expected.push("fd00:10:244:1::/122 accepted");
            }
            assert_eq!(
                talk.table(),
                expected,
                "attributes {present:03b}, plain {plain}, MP_REACH {multiprotocol}"
            );
            talk.say(&withdraw("10.244.2.0/26"));
        }
        // Without a prefix to announce none of them is needed.
        talk.say(&update(&[], &some.concat(), &[]));
        let unreach = crate::wire::mp_unreach(2, 1, &nlri(v6));
        talk.say(&update(&nlri(v4), &[some.concat(), unreach].concat(), &[]));
        assert_eq!(talk.table(), [""; 0], "attributes {present:03b}, withdrawals");
    }
    talk.peer.expect_up();
}

fn duplicates(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let firsts = [
        origin(2),
        as_path(&[NODE_AS.into()]),
        next_hop(client.address),
        metric(7),
        hex("40 05 04 00000064"),
        hex("40 06 00"),
        hex("c0 07 08 0000fe4e 0a000001"),
        hex("c0 08 04 fe4e0064"),
        hex("80 09 04 0a000001"),
        hex("80 0a 04 0a000001"),
        hex("c0 10 08 0002fe4e00000064"),
        hex("c0 11 06 0201 0000fe4e"),
        hex("c0 12 08 0000fe4e 0a000001"),
        hex("c0 19 14 0000000000000000000000000000000000000000"),
        hex("c0 20 0c 0000fe4e 00000001 00000002"),
        hex("c0 23 04 0000fe4e"),
        hex("c0 63 01 00"),
        hex("80 64 00"),
    ];
    let usual = usual(client.address);
    for first in &firsts {
        let code = first[1];
        // Good or bad, equal or not: the second says nothing.
        for value in [&first[3..], &[], &[9], &[0xff; 4], &[0; 8], &[1; 12]] {
            let second = attribute(first[0], code, value);
            let mut attributes = vec![first.clone()];
            attributes.extend(usual.iter().filter(|attribute| attribute[1] != code).cloned());
            attributes.push(second.clone());
            attributes.push(second.clone());
            talk.say(&withdraw("10.244.1.0/26"));
            talk.say(&update(&[], &attributes.concat(), &nlri("10.244.1.0/26")));
            let routes = talk.routes();
            assert_eq!(routes.len(), 1, "type {code}, again {second:02x?}");
            let route = &routes[0];
            assert_eq!(route["state"], "accepted", "type {code}, again {second:02x?}");
            assert_eq!(route["origin"], if code == 1 { "incomplete" } else { "igp" });
            assert_eq!(route["as_path"], "65102");
            assert_eq!(route["next_hop"], client.address.to_string());
            assert_eq!(route["med"], if code == 4 { Value::from(7) } else { Value::Null });
            let communities = match code {
                8 => vec!["65102:100"],
                32 => vec!["65102:1:2"],
                _ => vec![],
            };
            if [8, 32].contains(&code) {
                assert_eq!(route["communities"], Value::from(communities));
            }
        }
    }
    // A bad first one is not made good by a second.
    for (bad, good) in
        [("40 01 01 09", "40 01 01 00"), ("80 04 00", "80 04 04 00000001"), ("c0 08 00", "c0 08 04 00000001")]
    {
        talk.announce("10.244.1.0/26");
        let others = usual.iter().filter(|attribute| attribute[1] != hex(bad)[1]).cloned();
        let attributes: Vec<Vec<u8>> = [hex(bad)].into_iter().chain(others).chain([hex(good)]).collect();
        talk.say(&update(&[], &attributes.concat(), &nlri("10.244.1.0/26")));
        assert_eq!(talk.table(), [""; 0], "{bad}");
    }
    talk.peer.expect_up();
}

fn several(client: &Client<'_>) {
    let usual = usual(client.address).concat();
    let (drop_it, withdraw_it, reset_it) =
        (hex("40 05 04 00000064"), hex("80 04 01 00"), hex("80 0e 03 000201"));
    let orders: [&[&Vec<u8>]; 6] = [
        &[&drop_it, &withdraw_it],
        &[&withdraw_it, &drop_it],
        &[&drop_it, &drop_it, &drop_it, &drop_it, &drop_it, &drop_it, &withdraw_it],
        &[&withdraw_it, &withdraw_it],
        &[
            &drop_it,
            &hex("40 06 01 00"),
            &hex("c0 07 01 00"),
            &hex("80 09 00"),
            &hex("80 0a 00"),
            &withdraw_it,
        ],
        &[&hex("c0 08 00"), &withdraw_it, &hex("40 63 00")],
    ];
    let mut talk = Talk::start(client);
    for errors in orders {
        let errors: Vec<u8> = errors.iter().flat_map(|octets| octets.iter().copied()).collect();
        for attributes in [[&errors[..], &usual].concat(), [&usual[..], &errors].concat()] {
            talk.announce("10.244.1.0/26");
            talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26 10.244.2.0/26")));
            assert_eq!(talk.table(), [""; 0], "{errors:02x?}");
        }
    }
    for errors in [
        [&drop_it[..], &withdraw_it, &reset_it].concat(),
        [&reset_it[..], &withdraw_it, &drop_it].concat(),
        [&withdraw_it[..], &reset_it].concat(),
    ] {
        for attributes in [[&errors[..], &usual].concat(), [&usual[..], &errors].concat()] {
            talk.announce("10.244.1.0/26");
            talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26")));
            talk.ends_with(3, 5, &reset_it);
            talk = Talk::start(client);
        }
    }
    // Prefixes that cannot be read are stronger than anything in the attributes.
    talk.say(&update(&[], &[&withdraw_it[..], &usual].concat(), &[33, 10, 244, 1, 0, 0]));
    talk.ends_with(3, 10, &[]);
}

fn nothing_to_withdraw(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let none: [&str; 9] = [
        "",
        "40 01 01 00",
        "40 05 00",
        "40 06 01 00",
        "c0 07 00",
        "80 09 00",
        "80 0a 01 00",
        "80 63 02 0000",
        "c0 11 00",
    ];
    for digits in none {
        talk.announce("10.244.1.0/26 10.244.2.0/26");
        talk.say(&update(&[], &hex(digits), &[]));
        talk.say(&update(&nlri("10.244.2.0/26"), &hex(digits), &[]));
        talk.has(&["10.244.1.0/26 accepted"]);
    }
    // Whatever the UPDATE was to announce may have got lost with the attribute. Data are the attribute.
    let bad = [
        (6, "40 01 01 09"),
        (5, "40 01 00"),
        (11, "40 02 02 0200"),
        (5, "40 03 01 00"),
        (5, "80 04 00"),
        (5, "c0 08 00"),
        (5, "c0 10 07 00000000000000"),
        (5, "c0 20 01 00"),
        (5, "c0 23 00"),
        (4, "c0 01 01 00"),
        (2, "40 63 00"),
        (2, "40 00 00"),
        (2, "00 ff 02 0102"),
        (2, "40 1d 04 00000000"),
    ];
    for (subcode, digits) in bad {
        for withdrawn in ["", "10.244.2.0/26"] {
            for others in [vec![], usual(client.address).to_vec()] {
                let octets = hex(digits);
                let others: Vec<Vec<u8>> = others.into_iter().filter(|other| other[1] != octets[1]).collect();
                let orders =
                    [[&others.concat()[..], &octets].concat(), [&octets[..], &others.concat()].concat()];
                for attributes in orders.iter().take(if others.is_empty() { 1 } else { 2 }) {
                    talk.announce("10.244.1.0/26");
                    talk.say(&update(&nlri(withdrawn), attributes, &[]));
                    talk.ends_with(3, subcode, &octets);
                    talk = Talk::start(client);
                }
            }
        }
    }
    // An MP_REACH that announces nothing is no prefix; one of a family that is not ours may have had some.
    let nothing = mp_reach(2, 1, &V6_NEXT_HOP, &[]);
    talk.announce("10.244.1.0/26");
    talk.say(&update(&[], &[&nothing[..], &hex("80 04 00")].concat(), &[]));
    talk.ends_with(3, 5, &hex("80 04 00"));
    let mut talk = Talk::start(client);
    talk.announce("10.244.1.0/26");
    talk.say(&update(&[], &[mp_reach(25, 70, &[1; 4], &[1]), hex("80 04 00")].concat(), &[]));
    talk.has(&["10.244.1.0/26 accepted"]);
    talk.say(&end_of_rib());
    talk.peer.expect_up();
}

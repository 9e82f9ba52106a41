//! The three parts of an UPDATE, and prefixes.

use super::*;
use crate::conformance::{Case, run};
use crate::run::eventually;
use crate::wire::{UPDATE, claiming, end_of_rib, hex, message, mp_unreach};

#[test]
fn updates() {
    let cases = [parts(), prefixes()].into_iter().flatten().collect();
    run("1.4 UPDATE: its parts and prefixes", &bench(), cases);
}

/// On a daemon of their own: what is asked about others meanwhile would have to wait.
#[test]
fn very_many() {
    let cases = vec![
        Case::new("RFC 4271, 3.1", "20,000 changes of 200 prefixes leave the exact table", storm),
        Case::new(
            "RFC 8654, 4",
            "an UPDATE of 65,535 octets announces, another withdraws 13,000 routes",
            longest,
        ),
    ];
    run("1.4 UPDATE: very many", &bench(), cases);
}

/// The parts of the message.
fn parts() -> Vec<Case> {
    vec![
        Case::new("RFC 4271, 4.3", "a route, then its withdrawal", |client| {
            let mut talk = Talk::start(client);
            talk.announce("10.244.1.0/26");
            talk.say(&end_of_rib());
            talk.has(&["10.244.1.0/26 accepted"]);
            talk.say(&withdraw("10.244.1.0/26"));
            talk.has(&[]);
            talk.peer.expect_up();
        }),
        Case::new("RFC 7606, 3.b", "withdrawn routes longer than the message: N 3/1", |client| {
            let bodies = [
                "0001 0000",
                "0002 0000",
                "0005 0000 18 0a",
                "ffff 0000",
                "7fff 0000 0000 0000",
                "0003 0000",
            ];
            ends(client, &bodies, 1);
        }),
        Case::new("RFC 7606, 3.b", "attributes longer than the message: N 3/1", |client| {
            let bodies = [
                "0000 0001",
                "0000 0005 40010100",
                "0000 ffff",
                "0000 ffff 40010100",
                "0000 0100 40010100",
                "0004 18 0af401 0001",
                "0002 08 0a 0003 4001",
                "0002 0000",
            ];
            ends(client, &bodies, 1);
        }),
        Case::new("RFC 4271, 6.3", "NLRI of a length of 33 to 255: N 3/10", |client| {
            let lengths = (33..=255_u8).map(|length| vec![length, 10, 244, 1, 0, 0]);
            bad_prefixes(client, &lengths.step_by(3).collect::<Vec<_>>());
        }),
        Case::new("RFC 4271, 6.3", "NLRI that run past the message: N 3/10", |client| {
            let all = [
                "20",
                "18 0af4",
                "20 0af401",
                "01",
                "08",
                "09 0a",
                "10 0a",
                "18 0af401 20 0af401",
                "00 00 11 0af4",
                "1a 0af40100 1a",
            ];
            bad_prefixes(client, &all.map(hex));
        }),
        Case::new("RFC 7606, 3.h", "bad prefixes and bad attributes: N 3/10", |client| {
            let attributes = hex("40 01 01 09 80 04 00");
            let mut talk = Talk::start(client);
            talk.announce("10.244.1.0/26");
            talk.say(&update(&[], &attributes, &hex("21 0a00000000")));
            talk.ends_with(3, 10, &[]);
        }),
    ]
}

/// What becomes of prefixes.
fn prefixes() -> Vec<Case> {
    vec![
        Case::new("RFC 4271, 4.3", "trailing bits of a prefix do not matter", trailing_bits),
        Case::new(
            "RFC 4271, 6.3",
            "odd prefixes and the default route: rejected, the others used",
            odd_prefixes,
        ),
        Case::new(
            "RFC 4271, 4.3",
            "the same prefix among the withdrawn and the announced: announced",
            both_places,
        ),
        Case::new(
            "RFC 4271, 9.1",
            "withdrawals of what is unknown, twice, of more or less specific ones",
            withdrawals,
        ),
        Case::new("RFC 4271, 3.1", "the latest announcement counts, within an UPDATE too", latest),
        Case::new("RFC 4271, 4.3", "UPDATEs that say nothing: up", nothing),
        Case::new("RFC 4271, 6.1", "UPDATE of less than 23 octets: N 1/2, at once", |client| {
            for length in 19..23_u16 {
                let mut talk = Talk::start(client);
                talk.announce("10.244.1.0/26");
                talk.say(&claiming(UPDATE, length, &[]));
                let [high, low] = length.to_be_bytes();
                talk.ends_with(1, 2, &[high, low]);
            }
        }),
        Case::new("RFC 7606, 2", "what was read before the error counts until the session ends", |client| {
            let mut talk = Talk::start(client);
            let good = announce(client.address, "10.244.1.0/26");
            talk.say(&[good, message(UPDATE, &hex("0001 0000"))].concat());
            talk.ends_with(3, 1, &[]);
            let announced = "thirdleaf_bgp_prefixes_received_total{afi=\"ipv4\",kind=\"announce\"";
            counts(client, announced, 1);
        }),
        Case::new("RFC 8654, 4", "UPDATEs of 4,095 to 4,098 octets, whoever offered long ones", |client| {
            let mut talk = Talk::start(client);
            for length in 4_095..=4_098 {
                let usual = usual(client.address).concat();
                let filling = length - 19 - 4 - usual.len() - 4 - 5;
                let unknown = attribute(OPTIONAL | crate::wire::EXTENDED, 99, &vec![0; filling]);
                let said = update(&[], &[usual, unknown].concat(), &nlri("10.244.1.0/26"));
                assert_eq!(said.len(), length);
                talk.say(&said);
                talk.has(&["10.244.1.0/26 accepted"]);
                talk.say(&withdraw("10.244.1.0/26"));
                talk.has(&[]);
            }
            talk.peer.expect_up();
        }),
        Case::new(
            "RFC 7606, 2",
            "what was treated as withdrawn is told, and the next good UPDATE counts",
            told,
        ),
    ]
}

/// Each of these bodies ends a session that had a route.
fn ends(client: &Client<'_>, bodies: &[&str], subcode: u8) {
    for body in bodies {
        let mut talk = Talk::start(client);
        talk.announce("10.244.1.0/26");
        talk.has(&["10.244.1.0/26 accepted"]);
        talk.say(&message(UPDATE, &hex(body)));
        talk.ends_with(3, subcode, &[]);
    }
}

/// Announced or withdrawn, with attributes or without.
fn bad_prefixes(client: &Client<'_>, all: &[Vec<u8>]) {
    for octets in all {
        let usual = usual(client.address).concat();
        for said in [
            update(&[], &usual, octets),
            update(octets, &[], &[]),
            update(octets, &usual, &nlri("10.244.2.0/26")),
            update(&[], &usual, &[&nlri("10.244.2.0/26")[..], octets].concat()),
        ] {
            let mut talk = Talk::start(client);
            talk.announce("10.244.1.0/26");
            talk.say(&said);
            talk.ends_with(3, 10, &[]);
        }
    }
}

fn trailing_bits(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let usual = usual(client.address).concat();
    talk.say(&update(&[], &usual, &hex("1a 0af4017f 0f 0af5 0c 0a6f")));
    let three = ["10.244.0.0/15 rejected too_broad", "10.244.1.64/26 accepted", "10.96.0.0/12 accepted"];
    talk.has(&three);
    // Whatever the bits, it is the same prefix.
    talk.say(&update(&[], &usual, &hex("1a 0af40140 0c 0a60")));
    talk.has(&three);
    talk.say(&update(&hex("1a 0af40155 0f 0af4 0c 0a65"), &[], &[]));
    talk.has(&[]);
    let reach =
        mp_reach(2, 1, &V6_NEXT_HOP, &hex("7a fd00 0010 0244 0001 0000 0000 0000 003f 30 fd0000100244 7f"));
    let _ = reach;
    let reach = mp_reach(2, 1, &V6_NEXT_HOP, &hex("7a fd00 0010 0244 0001 0000 0000 0000 003f"));
    talk.say(&update(&[], &[&usual[..], &reach].concat(), &[]));
    talk.has(&["fd00:10:244:1::/122 accepted"]);
    talk.say(&update(&[], &mp_unreach(2, 1, &hex("7a fd00 0010 0244 0001 0000 0000 0000 0015")), &[]));
    talk.has(&[]);
    talk.peer.expect_up();
}

fn odd_prefixes(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    talk.announce("10.244.1.0/26 0.0.0.0/0 224.0.0.0/4 239.1.2.3/32 240.0.0.0/4 255.255.255.255/32 169.254.0.0/16 0.0.0.0/8 10.0.0.0/8 8.8.8.8/32 10.244.2.0/27 10.244.2.0/26");
    talk.has(&[
        "0.0.0.0/0 rejected default_route",
        "0.0.0.0/8 rejected martian",
        "10.0.0.0/8 rejected too_broad",
        "10.244.1.0/26 accepted",
        "10.244.2.0/26 accepted",
        "10.244.2.0/27 rejected too_specific",
        "169.254.0.0/16 rejected martian",
        "224.0.0.0/4 rejected martian",
        "239.1.2.3/32 rejected martian",
        "240.0.0.0/4 rejected martian",
        "255.255.255.255/32 rejected martian",
        "8.8.8.8/32 rejected not_allowed",
    ]);
    talk.say(&withdraw("0.0.0.0/0 224.0.0.0/4 239.1.2.3/32 240.0.0.0/4 255.255.255.255/32 169.254.0.0/16 0.0.0.0/8 10.0.0.0/8 8.8.8.8/32 10.244.2.0/27"));
    talk.has(&["10.244.1.0/26 accepted", "10.244.2.0/26 accepted"]);
    talk.say(&announce_v6("::/0 ff02::1/128 fe80::/64 ::1/128 fd00:10:244:1::/122"));
    talk.has(&[
        "10.244.1.0/26 accepted",
        "10.244.2.0/26 accepted",
        "::/0 rejected default_route",
        "::1/128 rejected martian",
        "fd00:10:244:1::/122 accepted",
        "fe80::/64 rejected martian",
        "ff02::1/128 rejected martian",
    ]);
    talk.peer.expect_up();
}

fn both_places(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let usual = usual(client.address).concat();
    let (v4, v6) = ("10.244.1.0/26", "fd00:10:244:1::/122");
    for _ in 0..2 {
        talk.say(&update(&nlri(v4), &usual, &nlri(v4)));
        talk.has(&["10.244.1.0/26 accepted"]);
    }
    let (reach, unreach) = (mp_reach(2, 1, &V6_NEXT_HOP, &nlri(v6)), mp_unreach(2, 1, &nlri(v6)));
    for attributes in [[&reach[..], &unreach, &usual], [&usual, &unreach, &reach], [&unreach, &usual, &reach]]
    {
        talk.say(&update(&nlri("10.244.1.0/26"), &attributes.concat(), &[]));
        talk.has(&["fd00:10:244:1::/122 accepted"]);
    }
    // IPv4 in all four places.
    let reach = mp_reach(1, 1, &client.address.octets(), &nlri("10.244.3.0/26"));
    let unreach = mp_unreach(1, 1, &nlri("10.244.1.0/26 10.244.3.0/26"));
    talk.say(&update(
        &nlri("10.244.3.0/26"),
        &[&usual[..], &unreach, &reach].concat(),
        &nlri("10.244.1.0/26"),
    ));
    talk.has(&["10.244.1.0/26 accepted", "10.244.3.0/26 accepted", "fd00:10:244:1::/122 accepted"]);
    talk.peer.expect_up();
}

fn withdrawals(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    talk.say(&withdraw("10.244.1.0/26 0.0.0.0/0 10.244.1.1/32"));
    talk.has(&[]);
    talk.announce("10.244.1.0/26 10.244.2.0/26 10.96.0.0/12");
    let all = ["10.244.1.0/26 accepted", "10.244.2.0/26 accepted", "10.96.0.0/12 accepted"];
    talk.say(&withdraw("10.244.1.0/27 10.244.1.1/32 10.244.0.0/16 0.0.0.0/0 10.96.0.0/11 10.96.0.0/13"));
    talk.has(&all);
    talk.say(&update(&[], &mp_unreach(2, 1, &nlri("fd00::/8 ::/0")), &[]));
    talk.has(&all);
    talk.say(&withdraw("10.244.1.0/26 10.244.1.0/26 10.244.1.0/26"));
    talk.say(&withdraw("10.244.1.0/26"));
    talk.has(&all[1..]);
    // MP_UNREACH of IPv4 is as good.
    talk.say(&update(&[], &mp_unreach(1, 1, &nlri("10.244.2.0/26")), &[]));
    talk.has(&all[2..]);
    // Attributes beside withdrawals mean nothing.
    talk.say(&update(&nlri("10.96.0.0/12"), &usual(client.address).concat(), &[]));
    talk.has(&[]);
    talk.peer.expect_up();
}

fn latest(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let with = |origin: Vec<u8>| [origin, as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
    talk.say(&update(&[], &with(origin(0)), &nlri("10.244.1.0/26 10.244.1.0/26 10.244.1.0/26")));
    talk.has(&["10.244.1.0/26 accepted"]);
    talk.say(&update(&[], &with(origin(2)), &nlri("10.244.1.0/26")));
    let routes = talk.routes();
    assert_eq!((routes.len(), &routes[0]["origin"]), (1, &Value::from("incomplete")));
    // A bad one takes the good one away, a rejected one replaces it, a good one brings it back.
    talk.say(&update(&[], &with(origin(3)), &nlri("10.244.1.0/26")));
    talk.has(&[]);
    talk.say(&update(&[], &with(origin(1)), &nlri("10.244.1.0/26")));
    talk.has(&["10.244.1.0/26 accepted"]);
    let long = [origin(0), as_path(&[NODE_AS.into(), 65110]), next_hop(client.address)].concat();
    talk.say(&update(&[], &long, &nlri("10.244.1.0/26")));
    talk.has(&["10.244.1.0/26 rejected as_path_too_long"]);
    talk.say(&update(&[], &with(origin(3)), &nlri("10.244.1.0/26")));
    talk.has(&[]);
    talk.peer.expect_up();
}

fn nothing(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    talk.announce("10.244.1.0/26");
    for said in [
        end_of_rib(),
        end_of_rib(),
        update(&[], &mp_unreach(2, 1, &[]), &[]),
        update(&[], &mp_unreach(1, 1, &[]), &[]),
        update(&[], &hex("80 0f 03 000201"), &[]),
        update(&[], &mp_unreach(1, 4, &[]), &[]),
        update(&[], &mp_unreach(1, 128, &[]), &[]),
        update(&[], &mp_unreach(0x4004, 71, &[]), &[]),
        update(&[], &mp_unreach(0, 0, &[]), &[]),
        update(&[], &origin(0), &[]),
        update(&[], &usual(client.address).concat(), &[]),
        update(&[], &mp_reach(2, 1, &V6_NEXT_HOP, &[]), &[]),
        update(&[], &[mp_reach(2, 1, &V6_NEXT_HOP, &[]), mp_unreach(2, 1, &[])].concat(), &[]),
        update(&[], &[&usual(client.address).concat()[..], &mp_reach(2, 1, &V6_NEXT_HOP, &[])].concat(), &[]),
    ] {
        talk.say(&said);
        assert_eq!(talk.table(), ["10.244.1.0/26 accepted"], "{said:02x?}");
    }
    talk.peer.expect_up();
}

/// What is there afterwards is what a table of our own has.
fn storm(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let mut held = std::collections::BTreeSet::new();
    // A generator of Park and Miller: the same storm each time.
    let mut seed = 48_271_u64;
    let mut next = move |below: u64| {
        seed = seed * 48_271 % 0x7fff_ffff;
        seed % below
    };
    for _ in 0..40 {
        let mut octets = Vec::new();
        for _ in 0..500 {
            let (block, kind) = (next(200), next(5));
            let prefix = format!("10.244.{block}.0/26");
            match kind {
                0 | 1 => {
                    octets.extend(announce(client.address, &prefix));
                    held.insert(prefix);
                }
                2 => {
                    // Announced and withdrawn at once is announced.
                    let usual = usual(client.address).concat();
                    octets.extend(update(&nlri(&prefix), &usual, &nlri(&prefix)));
                    held.insert(prefix);
                }
                3 => {
                    octets.extend(withdraw(&prefix));
                    held.remove(&prefix);
                }
                _ => {
                    let bad = [origin(7), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
                    octets.extend(update(&[], &bad, &nlri(&prefix)));
                    held.remove(&prefix);
                }
            }
        }
        talk.say(&octets);
        talk.peer.keep_alive();
    }
    let mut expected: Vec<String> = held.iter().map(|prefix| format!("{prefix} accepted")).collect();
    expected.sort();
    assert_eq!(talk.table(), expected);
    client.note(format!("{} left", expected.len()));
    talk.peer.expect_up();
}

/// Host routes as many as fit.
fn longest(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let attributes = usual(client.address).concat();
    let space = 65_535 - 19 - 4;
    let hosts = |count: usize| {
        (0..count).flat_map(|host| {
            let [_, _, high, low] = u32::try_from(host).unwrap().to_be_bytes();
            [32, 10, 244, high, low]
        })
    };
    let count = (space - attributes.len()) / 5;
    // What is left over is taken up by an attribute that nobody knows.
    let left = space - attributes.len() - 5 * count;
    let filling = if left >= 3 { attribute(OPTIONAL, 99, &vec![0; left - 3]) } else { Vec::new() };
    let said = update(&[], &[attributes, filling].concat(), &hosts(count).collect::<Vec<u8>>());
    assert!(said.len() > 65_530, "{}", said.len());
    talk.say(&said);
    let total = |talk: &mut Talk<'_>, expected: usize| {
        talk.peer
            .until("all are counted", || client.peer().filter(|peer| peer["routes"]["total"] == expected));
    };
    total(&mut talk, count);
    talk.say(&update(&hosts(space / 5).collect::<Vec<u8>>(), &[], &[]));
    total(&mut talk, 0);
    // The longest attribute there can be.
    let giant = attribute(OPTIONAL | TRANSITIVE | crate::wire::EXTENDED, 99, &vec![0xff; 65_000]);
    let attributes = [usual(client.address).concat(), giant].concat();
    talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26")));
    talk.has(&["10.244.1.0/26 accepted"]);
    client.note(format!("{count} routes"));
    talk.peer.expect_up();
}

fn told(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let bad = [origin(7), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
    talk.announce("10.244.1.0/26");
    talk.say(&update(&[], &bad, &nlri("10.244.1.0/26")));
    talk.has(&[]);
    talk.announce("10.244.1.0/26");
    talk.has(&["10.244.1.0/26 accepted"]);
    let path = format!("/api/v1/findings?kind=malformed_updates&peer={}", client.address);
    eventually("it is found", || {
        talk.peer.keep_alive();
        (client.bench.daemon.get(&path)["items"].as_array().unwrap().len() == 1).then_some(())
    });
    talk.peer.expect_up();
}

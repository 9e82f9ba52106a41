//! Attribute flags: Optional and Transitive must be those of the type, the others say nothing.

use super::variants::{Outcome, Variant, judge, variant};
use super::*;
use crate::conformance::{Case, run};
use crate::wire::{hex, mp_unreach};

/// Type, the flags that it must have, a good value, and whether wrong flags only cost the attribute.
const TYPES: [(u8, u8, &str, bool); 16] = [
    (1, 0x40, "00", false),
    (2, 0x40, "0201 0000fe4e", false),
    (3, 0x40, "", false),
    (4, 0x80, "00000001", false),
    (5, 0x40, "00000064", true),
    (6, 0x40, "", true),
    (7, 0xc0, "0000fe4e 0a000001", true),
    (8, 0xc0, "fe4e0064", false),
    (9, 0x80, "0a000001", true),
    (10, 0x80, "0a000001", true),
    (16, 0xc0, "0002fe4e00000064", false),
    (17, 0xc0, "0201 0000fe4e", true),
    (18, 0xc0, "0000fe4e 0a000001", true),
    (25, 0xc0, "0000000000000000000000000000000000000000", false),
    (32, 0xc0, "0000fe4e 00000001 00000002", false),
    (35, 0xc0, "0000fe4e", false),
];

#[test]
fn attribute_flags() {
    let mut cases: Vec<Case> = TYPES
        .into_iter()
        .map(|(code, right, value, dropped)| {
            let verdict = if dropped { "dropped" } else { "withdrawn" };
            let trigger = format!("type {code}, all 16 flags and low bits: {verdict} unless {right:02x}");
            Case::new("RFC 7606, 3.c", trigger, move |client| {
                judge(client, &variants(client, code, right, &hex(value), dropped));
            })
        })
        .collect();
    cases.extend([
        Case::new(
            "RFC 7606, 3.c",
            "MP_REACH, all 16 flags: its prefixes are withdrawn unless 80",
            mp_reach_flags,
        ),
        Case::new(
            "RFC 7606, 3.c",
            "MP_UNREACH, all 16 flags: its prefixes are withdrawn, up",
            mp_unreach_flags,
        ),
    ]);
    run("1.4 UPDATE: attribute flags", &bench(), cases);
}

fn variants(client: &Client<'_>, code: u8, right: u8, value: &[u8], dropped: bool) -> Vec<Variant> {
    // That of a next hop is the client's own.
    let value = if code == 3 { client.address.octets().to_vec() } else { value.to_vec() };
    let mut variants = Vec::new();
    for high in 0..16_u8 {
        for low in [0, 1, 8, 15] {
            let flags = high << 4 | low;
            let good = dropped || flags & 0xc0 == right;
            let outcome = if good { Outcome::Kept } else { Outcome::Withdrawn };
            variants.push(variant(format!("flags {flags:02x}"), attribute(flags, code, &value), outcome));
        }
    }
    variants
}

fn mp_reach_flags(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let usual = usual(client.address);
    let (v4, v6) = ("10.244.1.0/26", "fd00:10:244:1::/122");
    for flags in 0..=255_u8 {
        if ![0, 1, 15].contains(&(flags & 15)) {
            continue;
        }
        let good = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(v6));
        let reach = attribute(flags, 14, &good[4..]);
        talk.announce(v4);
        talk.say(&announce_v6(v6));
        // Alone, and with prefixes outside, which share its fate.
        talk.say(&update(&[], &[usual[0].clone(), reach.clone(), usual[1].clone()].concat(), &[]));
        let right = flags & 0xc0 == OPTIONAL;
        let mut expected = vec!["10.244.1.0/26 accepted"];
        expected.extend(right.then_some("fd00:10:244:1::/122 accepted"));
        assert_eq!(talk.table(), expected, "flags {flags:02x}");
        talk.say(&update(&[], &[reach, usual.concat()].concat(), &nlri(v4)));
        assert_eq!(talk.table().len(), if right { 2 } else { 0 }, "flags {flags:02x}, both");
    }
    talk.peer.expect_up();
}

fn mp_unreach_flags(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let (v4, v6) = ("10.244.1.0/26", "fd00:10:244:1::/122");
    for flags in 0..=255_u8 {
        if ![0, 1, 15].contains(&(flags & 15)) {
            continue;
        }
        let good = mp_unreach(2, 1, &nlri(v6));
        let unreach = attribute(flags, 15, &good[4..]);
        talk.announce(v4);
        talk.say(&announce_v6(v6));
        // All that it tells is known, and nothing else was there that could be lost.
        talk.say(&update(&[], &unreach, &[]));
        assert_eq!(talk.table(), ["10.244.1.0/26 accepted"], "flags {flags:02x}");
        // The routes of the same UPDATE are withdrawn too.
        talk.say(&announce_v6(v6));
        talk.say(&update(&[], &[unreach, usual(client.address).concat()].concat(), &nlri(v4)));
        let right = flags & 0xc0 == OPTIONAL;
        assert_eq!(talk.table().len(), usize::from(right), "flags {flags:02x}, both");
    }
    talk.peer.expect_up();
}

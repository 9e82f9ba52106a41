//! UPDATE, as RFC 7606 revised it.

use std::net::IpAddr;

use super::{hex, terms};
use crate::bgp::attribute::{Cause, Fault, Origin};
use crate::bgp::batch::Item;
use crate::bgp::{Batch, Error, Families, Family, Negotiated, Update};

const ORIGIN: &str = "40 01 01 00";
const AS_PATH: &str = "40 02 06 0201 0000fe4e";
const NEXT_HOP: &str = "40 03 04 ac100a01";
const V6_NEXT_HOP: &str = "fd000010000000000000000000000001";
const NLRI: &str = "18 0a0100";

fn message(withdrawn: &str, attributes: &[&str], nlri: &str) -> Vec<u8> {
    let (withdrawn, attributes, nlri) = (hex(withdrawn), hex(&attributes.concat()), hex(nlri));
    let length = |octets: &[u8]| u16::try_from(octets.len()).unwrap().to_be_bytes();
    [&length(&withdrawn)[..], &withdrawn, &length(&attributes), &attributes, &nlri].concat()
}

/// MP_REACH_NLRI for IPv6 with this next hop and these prefixes.
fn reach(next_hop: &str, nlri: &str) -> String {
    let (next_hop, nlri) = (hex(next_hop), hex(nlri));
    let length = u8::try_from(next_hop.len()).unwrap();
    let value = [&[0, 2, 1, length], &next_hop[..], &[0], &nlri].concat();
    let digits: Vec<_> = value.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("80 0e {:02x} {}", value.len(), digits.concat())
}

fn batch(update: &Update<'_>) -> Batch {
    let mut batch = Batch::default();
    batch.push_update(update);
    batch
}

/// What an UPDATE does, one word a step.
fn effect(body: &[u8], terms: &Negotiated) -> Result<String, Error> {
    let batch = batch(&Update::parse(body, terms)?);
    let prefixes = |nlri: crate::bgp::Nlri<'_>| {
        nlri.into_iter()
            .map(|(id, prefix)| if id == 0 { format!(" {prefix}") } else { format!(" {{{id}}}{prefix}") })
            .collect::<String>()
    };
    let steps = batch.items().map(|item| match item {
        Item::Announce(nlri, _) => format!("+{}", prefixes(nlri)),
        Item::Withdraw(nlri) => format!("-{}", prefixes(nlri)),
        Item::EndOfRib(family) => format!("end of {family}"),
        other => format!("{other:?}"),
    });
    Ok(steps.collect::<Vec<_>>().join("; "))
}

enum Outcome {
    Kept,
    Discarded(u8, Cause),
    Withdrawn(u8, Cause),
    Reset(u8),
}
use Outcome::{Discarded, Kept, Reset, Withdrawn};

/// One more attribute, or one in place of the usual one of the same type.
fn judge(row: &str, attribute: &str, outcome: &Outcome, terms: &Negotiated) {
    let code = hex(attribute).get(1).copied();
    let as_path = if terms.four_octet_as { AS_PATH } else { "40 02 04 0201 fe4e" };
    let usual = [(1, ORIGIN), (2, as_path), (3, NEXT_HOP)];
    let mut attributes: Vec<&str> =
        usual.into_iter().filter(|(usual, _)| Some(*usual) != code).map(|(_, octets)| octets).collect();
    attributes.push(attribute);
    let body = message("", &attributes, NLRI);
    let parsed = Update::parse(&body, terms);
    if let Reset(subcode) = outcome {
        let notification = parsed.expect_err(row).notification();
        assert_eq!((notification.code, notification.subcode), (3, *subcode), "{row}");
        return;
    }
    let update = parsed.unwrap_or_else(|error| panic!("{row}: {error}"));
    let expected = match outcome {
        Kept => vec![],
        Discarded(code, cause) => vec![(*code, Fault::Discard(*cause))],
        Withdrawn(code, cause) => vec![(*code, Fault::Withdraw(*cause))],
        Reset(_) => unreachable!(),
    };
    let faults: Vec<_> = update.faults().iter().map(|found| (found.attribute, found.fault)).collect();
    assert_eq!(faults, expected, "{row}");
    let sign = if matches!(outcome, Withdrawn(..)) { "-" } else { "+" };
    assert_eq!(effect(&body, terms).unwrap(), format!("{sign} 10.1.0.0/24"), "{row}");
    // With nothing else that is valid in the message: no panic, whatever comes of it.
    let _ = Update::parse(&message("", &[attribute], ""), terms);
    let _ = Update::parse(&message("", &[attribute], NLRI), terms);
    // A discarded attribute leaves no trace in what is kept.
    if let Discarded(code, cause) = outcome
        && *cause != Cause::Duplicate
    {
        let batch = batch(&update);
        let Some(Item::Announce(_, set)) = batch.items().next() else { panic!("{row}") };
        assert_eq!(set.get(*code), None, "{row}");
    }
}

#[test]
#[rustfmt::skip]
fn attributes_of_a_peer_with_four_octet_numbers() {
    let rows: &[(&str, &str, Outcome)] = &[
        ("ORIGIN egp", "40 01 01 01", Kept),
        ("ORIGIN 3 (7606, 7.1)", "40 01 01 03", Withdrawn(1, Cause::Value)),
        ("ORIGIN of 0", "40 01 00", Withdrawn(1, Cause::Length)),
        ("ORIGIN of 2", "40 01 02 0000", Withdrawn(1, Cause::Length)),
        ("ORIGIN optional (7606, 3.c)", "c0 01 01 00", Withdrawn(1, Cause::Flags)),
        ("ORIGIN not transitive", "00 01 01 00", Withdrawn(1, Cause::Flags)),
        ("ORIGIN partial: no error by itself", "60 01 01 00", Kept),
        ("ORIGIN low bits (4271, 4.3)", "4f 01 01 00", Kept),
        ("ORIGIN extended length, cut short", "50 01 01 00", Withdrawn(1, Cause::Overrun)),
        ("ORIGIN extended length", "50 01 0001 00", Kept),
        ("AS_PATH empty", "40 02 00", Kept),
        ("AS_PATH of two segments", "40 02 0c 0201 0000fe4e 0101 00000001", Kept),
        ("AS_PATH segment type 0 (7606, 7.2)", "40 02 06 0001 0000fe4e", Withdrawn(2, Cause::Segments)),
        ("AS_PATH segment type 5", "40 02 06 0501 0000fe4e", Withdrawn(2, Cause::Segments)),
        ("AS_PATH overrun", "40 02 06 0202 0000fe4e", Withdrawn(2, Cause::Segments)),
        ("AS_PATH underrun", "40 02 07 0201 0000fe4e 02", Withdrawn(2, Cause::Segments)),
        ("AS_PATH segment of none", "40 02 02 0200", Withdrawn(2, Cause::Segments)),
        ("AS_PATH segment of none at the end", "40 02 08 0201 0000fe4e 0200", Withdrawn(2, Cause::Segments)),
        ("AS_PATH of two-octet numbers", "40 02 04 0201 fe4e", Withdrawn(2, Cause::Segments)),
        ("AS_CONFED_SEQUENCE (5065, 5)", "40 02 06 0301 0000fe4e", Withdrawn(2, Cause::Confederation)),
        ("AS_CONFED_SET", "40 02 0c 0201 0000fe4e 0401 00000001", Withdrawn(2, Cause::Confederation)),
        ("AS 0 (7607, 2)", "40 02 0a 0202 0000fe4e 00000000", Withdrawn(2, Cause::AsZero)),
        ("AS_SET is for policy to judge (9774)", "40 02 0a 0102 00000001 00000002", Kept),
        ("another first AS, our own AS: policy too", "40 02 0a 0202 0000feaf 0000feaf", Kept),
        ("NEXT_HOP of 3 (7606, 7.3)", "40 03 03 ac100a", Withdrawn(3, Cause::Length)),
        ("NEXT_HOP of 0", "40 03 00", Withdrawn(3, Cause::Length)),
        ("NEXT_HOP of 5", "40 03 05 ac100a0100", Withdrawn(3, Cause::Length)),
        ("NEXT_HOP of 16 (8950 not negotiated)", "40 03 10 fd000010000000000000000000000001", Withdrawn(3, Cause::Length)),
        ("NEXT_HOP 0.0.0.0 (4271, 6.3)", "40 03 04 00000000", Withdrawn(3, Cause::Martian)),
        ("NEXT_HOP 255.255.255.255", "40 03 04 ffffffff", Withdrawn(3, Cause::Martian)),
        ("NEXT_HOP multicast", "40 03 04 e0000005", Withdrawn(3, Cause::Martian)),
        ("NEXT_HOP class E", "40 03 04 f0000001", Withdrawn(3, Cause::Martian)),
        ("NEXT_HOP loopback: policy", "40 03 04 7f000001", Kept),
        ("NEXT_HOP of a third party: policy", "40 03 04 0a090909", Kept),
        ("MED", "80 04 04 00000064", Kept),
        ("MED of 3 (7606, 7.4)", "80 04 03 000064", Withdrawn(4, Cause::Length)),
        ("MED transitive", "c0 04 04 00000064", Withdrawn(4, Cause::Flags)),
        ("LOCAL_PREF (7606, 7.5)", "40 05 04 00000064", Discarded(5, Cause::Internal)),
        ("LOCAL_PREF of 0", "40 05 00", Discarded(5, Cause::Internal)),
        ("LOCAL_PREF, wrong flags", "c0 05 04 00000064", Discarded(5, Cause::Flags)),
        ("ATOMIC_AGGREGATE", "40 06 00", Kept),
        ("ATOMIC_AGGREGATE of 1 (7606, 7.6)", "40 06 01 00", Discarded(6, Cause::Length)),
        ("ATOMIC_AGGREGATE, wrong flags", "c0 06 00", Discarded(6, Cause::Flags)),
        ("AGGREGATOR", "c0 07 08 0000fe4e ac100a01", Kept),
        ("AGGREGATOR of 6 (7606, 7.7)", "c0 07 06 fe4e ac100a01", Discarded(7, Cause::Length)),
        ("AGGREGATOR of AS 0 (7607, 2)", "c0 07 08 00000000 ac100a01", Discarded(7, Cause::AsZero)),
        ("COMMUNITIES, partial", "e0 08 04 fe4e0064", Kept),
        ("COMMUNITIES of 0 (7606, 7.8)", "c0 08 00", Withdrawn(8, Cause::Length)),
        ("COMMUNITIES of 5", "c0 08 05 fe4e006400", Withdrawn(8, Cause::Length)),
        ("COMMUNITIES not transitive", "80 08 04 fe4e0064", Withdrawn(8, Cause::Flags)),
        ("ORIGINATOR_ID (7606, 7.9)", "80 09 04 ac100a01", Discarded(9, Cause::Internal)),
        ("ORIGINATOR_ID of 1", "80 09 01 ac", Discarded(9, Cause::Internal)),
        ("CLUSTER_LIST (7606, 7.10)", "80 0a 04 ac100a01", Discarded(10, Cause::Internal)),
        ("CLUSTER_LIST of 3", "80 0a 03 ac100a", Discarded(10, Cause::Internal)),
        ("EXTENDED_COMMUNITIES", "c0 10 08 0002fe4e00000064", Kept),
        ("EXTENDED_COMMUNITIES of 0 (7606, 7.14)", "c0 10 00", Withdrawn(16, Cause::Length)),
        ("EXTENDED_COMMUNITIES of 7", "c0 10 07 0002fe4e000000", Withdrawn(16, Cause::Length)),
        ("AS4_PATH (6793, 3)", "c0 11 06 0201 00000001", Discarded(17, Cause::OldSpeaker)),
        ("AS4_PATH, malformed", "c0 11 01 02", Discarded(17, Cause::OldSpeaker)),
        ("AS4_AGGREGATOR", "c0 12 08 00000001 ac100a01", Discarded(18, Cause::OldSpeaker)),
        ("AS4_AGGREGATOR of 0", "c0 12 00", Discarded(18, Cause::OldSpeaker)),
        ("IPv6 ext. communities (7606, 7.15)", "c0 19 13 00000000000000000000000000000000000000", Withdrawn(25, Cause::Length)),
        ("LARGE_COMMUNITIES", "c0 20 0c 0000fe4e 00000001 00000002", Kept),
        ("LARGE_COMMUNITIES of 0 (8092, 6)", "c0 20 00", Withdrawn(32, Cause::Length)),
        ("LARGE_COMMUNITIES of 13", "c0 20 0d 0000fe4e 00000001 00000002 00", Withdrawn(32, Cause::Length)),
        ("OTC", "c0 23 04 0000fe4e", Kept),
        ("OTC of 3 (9234, 5)", "c0 23 03 00fe4e", Withdrawn(35, Cause::Length)),
        ("unknown, transitive (4271, 5)", "c0 63 02 0102", Kept),
        ("unknown, transitive, partial", "e0 63 02 0102", Kept),
        ("unknown, not transitive", "80 63 02 0102", Kept),
        ("unknown, empty", "c0 63 00", Kept),
        ("unknown, well-known", "40 63 02 0102", Withdrawn(99, Cause::Unrecognized)),
        ("type 0, well-known", "40 00 00", Withdrawn(0, Cause::Unrecognized)),
        ("MP_UNREACH cut short (7606, 7.12)", "80 0f 02 0002", Reset(5)),
        ("MP_UNREACH of nothing", "80 0f 00", Reset(5)),
        ("MP_UNREACH, unknown family", "80 0f 03 400447", Kept),
        ("MP_UNREACH, unknown family, nonsense", "80 0f 05 400447 ffff", Kept),
        ("MP_UNREACH, wrong flags: readable", "c0 0f 03 000201", Withdrawn(15, Cause::Flags)),
        ("MP_UNREACH, prefix of 129 bits (7606, 5.3)", "80 0f 04 000201 81", Reset(9)),
        ("MP_UNREACH, prefix cut short", "80 0f 05 000201 20 fd", Reset(9)),
        ("MP_REACH cut short (7606, 7.11)", "80 0e 03 000201", Reset(5)),
        ("MP_REACH, next hop cut short", "80 0e 06 000201 10 fd00", Reset(5)),
        ("MP_REACH, no reserved octet", "80 0e 14 000201 10 fd000010000000000000000000000001", Reset(5)),
        ("MP_REACH, next hop of 4", "80 0e 09 000201 04 ac100a01 00", Reset(9)),
        ("MP_REACH, next hop of 0", "80 0e 05 000201 00 00", Reset(9)),
        ("MP_REACH, IPv4 with an IPv6 next hop (8950, 4)", "80 0e 15 000101 10 fd000010000000000000000000000001 00", Reset(9)),
        ("MP_REACH, unknown family (4760, 7)", "80 0e 09 400447 02 ffff 00 0102", Kept),
        ("MP_REACH, other SAFI", "80 0e 09 000204 02 ffff 00 0102", Kept),
    ];
    for (row, attribute, outcome) in rows {
        judge(row, attribute, outcome, &terms());
    }
}

#[test]
fn what_is_missing_is_told_beside_a_next_hop_of_no_use() {
    let update = hex("0000 000b 40010100 400304e0000000 20 0a000001");
    let update = Update::parse(&update, &terms()).unwrap();
    let told: Vec<_> = update.faults().iter().map(|reported| (reported.attribute, reported.fault)).collect();
    let martian = (3, Fault::Withdraw(Cause::Martian));
    assert_eq!(told, [martian, (2, Fault::Withdraw(Cause::Missing))]);
}

#[test]
fn attributes_that_others_crashed_on_are_carried_along() {
    // RFC 7606, 2 and 8; RFC 7311; RFC 8669; RFC 9012: corrupt, empty or giant, the session stays.
    let codes = [11, 12, 13, 19, 20, 21, 22, 23, 24, 26, 27, 28, 29, 30, 31, 33, 34, 40, 128, 129, 241, 255];
    for code in codes {
        for value in ["", "00", "ffffffff", "0100000000", "01ffff"] {
            for flags in [0x80, 0xc0, 0xe0] {
                let length = hex(value).len();
                let attribute = format!("{flags:02x} {code:02x} {length:02x} {value}");
                judge(&attribute, &attribute, &Kept, &terms());
            }
        }
        let giant = format!("d0 {code:02x} 0e00 {}", "ff".repeat(0x0e00));
        judge("giant", &giant, &Kept, &terms());
    }
}

#[test]
#[rustfmt::skip]
fn attributes_of_a_peer_with_two_octet_numbers() {
    let terms = Negotiated { four_octet_as: false, ..terms() };
    let rows: &[(&str, &str, Outcome)] = &[
        ("AS_PATH", "40 02 06 0202 fe4e 0001", Kept),
        ("AS_PATH of four-octet numbers", "40 02 06 0201 fe4e0000", Withdrawn(2, Cause::Segments)),
        ("AS 0 (7607, 2)", "40 02 06 0202 fe4e 0000", Withdrawn(2, Cause::AsZero)),
        ("AGGREGATOR", "c0 07 06 fe4e ac100a01", Kept),
        ("AGGREGATOR of 8 (7606, 7.7)", "c0 07 08 0000fe4e ac100a01", Discarded(7, Cause::Length)),
        ("AGGREGATOR of AS 0", "c0 07 06 0000 ac100a01", Discarded(7, Cause::AsZero)),
        ("AS4_PATH", "c0 11 06 0201 00000001", Kept),
        ("AS4_PATH, malformed (6793, 6)", "c0 11 01 02", Discarded(17, Cause::Segments)),
        ("AS4_PATH of AS 0", "c0 11 06 0201 00000000", Discarded(17, Cause::AsZero)),
        ("AS4_AGGREGATOR", "c0 12 08 00000001 ac100a01", Kept),
        ("AS4_AGGREGATOR of 7", "c0 12 07 00000001 ac100a", Discarded(18, Cause::Length)),
    ];
    for (row, attribute, outcome) in rows {
        judge(row, attribute, outcome, &terms);
    }
}

#[test]
fn lengths_that_run_past_the_message_end_the_session() {
    // RFC 7606, 3.b, 3.i and 5.3.
    let rows = [
        ("withdrawn routes", "0001 0000", (3, 1)),
        ("withdrawn routes, by far", "ffff 0000", (3, 1)),
        ("attributes", "0000 0001", (3, 1)),
        ("attributes, by far", "0000 ffff 40010100", (3, 1)),
        ("prefix of 33 bits", "0000 0000 21 0a000000 00", (3, 10)),
        ("prefix cut short", "0000 0000 18 0a00", (3, 10)),
        ("withdrawn prefix of 255 bits", "0001 ff 0000", (3, 10)),
        ("withdrawn prefix cut short", "0002 100a 0000", (3, 10)),
        ("a good prefix before a bad one", "0000 0000 08 0a 18 0a00", (3, 10)),
    ];
    for (row, digits, code) in rows {
        let error = Update::parse(&hex(digits), &terms()).expect_err(row);
        let notification = error.notification();
        assert_eq!((notification.code, notification.subcode), code, "{row}");
    }
    let error = Update::parse(&hex("0000 0000 08 0a 18 0a00"), &terms()).unwrap_err();
    assert_eq!(
        (error.offset(), error.to_string().as_str()),
        (6, "a prefix is too long or cut short at octet 6 (3/10)")
    );
}

#[test]
fn an_attribute_that_overruns_withdraws() {
    // RFC 7606, 4: the prefixes are found by the total length.
    for rest in ["40", "4005", "400504", "c00805 fe4e0064", "d008ffff fe4e0064", "d00800", "c063ff"] {
        let body = message("", &[ORIGIN, AS_PATH, NEXT_HOP, rest], NLRI);
        assert_eq!(effect(&body, &terms()).unwrap(), "- 10.1.0.0/24", "{rest}");
        let update = Update::parse(&body, &terms()).unwrap();
        assert_eq!(update.faults().first_withdraw().unwrap().fault, Fault::Withdraw(Cause::Overrun));
    }
    // Where it carries prefixes itself they are lost, and with them the session.
    for rest in ["800e", "800eff 000201", "900e00", "800f", "800f04 000201"] {
        let body = message("", &[ORIGIN, AS_PATH, NEXT_HOP, rest], NLRI);
        let error = Update::parse(&body, &terms()).unwrap_err();
        assert_eq!(error.notification().subcode, 1, "{rest}");
        assert_eq!(error.notification().data, hex(rest), "{rest}");
    }
}

#[test]
fn mandatory_attributes() {
    // RFC 7606, 3.d.
    let reach = reach(V6_NEXT_HOP, "20 fd000010");
    let rows: [(&[&str], &str, &str); 9] = [
        (&[ORIGIN, AS_PATH, NEXT_HOP], NLRI, "+ 10.1.0.0/24"),
        (&[AS_PATH, NEXT_HOP], NLRI, "- 10.1.0.0/24"),
        (&[ORIGIN, NEXT_HOP], NLRI, "- 10.1.0.0/24"),
        (&[ORIGIN, AS_PATH], NLRI, "- 10.1.0.0/24"),
        (&[], NLRI, "- 10.1.0.0/24"),
        (&[ORIGIN, AS_PATH, &reach], "", "+ fd00:10::/32"),
        (&[ORIGIN, &reach], "", "- fd00:10::/32"),
        (&[&reach], "", "- fd00:10::/32"),
        (&[ORIGIN, AS_PATH, &reach], NLRI, "- 10.1.0.0/24; - fd00:10::/32"),
    ];
    for (attributes, nlri, expected) in rows {
        assert_eq!(effect(&message("", attributes, nlri), &terms()).unwrap(), expected);
    }
}

#[test]
fn of_duplicates_the_first_counts() {
    // RFC 7606, 3.g.
    let again = ["40 01 01 02", "40 01 01 09", "40 01 00"];
    for second in again {
        let body = message("", &[ORIGIN, AS_PATH, second, NEXT_HOP], NLRI);
        let update = Update::parse(&body, &terms()).unwrap();
        let batch = batch(&update);
        let Some(Item::Announce(_, set)) = batch.items().next() else { panic!("{second}") };
        assert_eq!(set.origin(), Some(Origin::Igp));
        assert_eq!(update.faults().to_string(), "ORIGIN: occurs more than once: attribute discarded");
    }
    // A bad first one is not made good by a second.
    let body = message("", &["40 01 01 09", ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(effect(&body, &terms()).unwrap(), "- 10.1.0.0/24");
    let body = message("", &["40 06 01 00", "40 06 00", ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    let update = Update::parse(&body, &terms()).unwrap();
    let batch = batch(&update);
    let Some(Item::Announce(_, set)) = batch.items().next() else { panic!() };
    assert_eq!(set.get(6), None);
    for attribute in [reach(V6_NEXT_HOP, ""), "80 0f 03 000201".into(), "80 0f 03 400447".into()] {
        let body = message("", &[ORIGIN, AS_PATH, NEXT_HOP, &attribute, &attribute], NLRI);
        assert_eq!(Update::parse(&body, &terms()).unwrap_err().notification().subcode, 1);
    }
}

#[test]
fn the_strongest_approach_wins() {
    // RFC 7606, 3.h.
    let discard = "40 05 04 00000064";
    let withdraw = "80 04 01 00";
    let body = message("", &[ORIGIN, AS_PATH, NEXT_HOP, withdraw, discard], NLRI);
    assert_eq!(effect(&body, &terms()).unwrap(), "- 10.1.0.0/24");
    let body = message("", &[ORIGIN, AS_PATH, NEXT_HOP, discard, withdraw, "80 0e 00"], NLRI);
    assert!(Update::parse(&body, &terms()).is_err());
    // However many weak ones come first, the one that counts is not lost.
    let many = [discard; 9].concat();
    let body = message("", &[ORIGIN, AS_PATH, NEXT_HOP, &many, withdraw, discard], NLRI);
    let update = Update::parse(&body, &terms()).unwrap();
    assert_eq!((update.faults().count(), update.faults().iter().count()), (11, 4));
    assert_eq!(update.faults().first_withdraw().unwrap().attribute, 4);
    assert!(update.faults().to_string().ends_with("; and 7 more"));
    assert_eq!(effect(&body, &terms()).unwrap(), "- 10.1.0.0/24");
}

#[test]
fn errors_without_any_prefix_to_withdraw_end_the_session() {
    // RFC 7606, 5.2: what was to be announced is not known.
    for attribute in ["40 01 01 09", "40 63 00", "80 04 00", "c0 08 00"] {
        for withdrawn in ["", NLRI] {
            let body = message(withdrawn, &[AS_PATH, attribute], "");
            let error = Update::parse(&body, &terms()).unwrap_err();
            assert_eq!(error.notification().data, hex(attribute), "{attribute}");
        }
    }
    // An MP_REACH that announces nothing is no prefix either.
    let body = message("", &[&reach(V6_NEXT_HOP, ""), "40 01 01 09", AS_PATH], "");
    assert_eq!(Update::parse(&body, &terms()).unwrap_err().notification().subcode, 6);
    // An attribute that is merely dropped does not, nor one that says all it can although its flags are wrong.
    let body = message(NLRI, &["40 05 00"], "");
    assert_eq!(effect(&body, &terms()).unwrap(), "- 10.1.0.0/24");
    let unreach = "c0 0f 08 000201 20 fd000012";
    assert_eq!(effect(&message("", &[unreach], ""), &terms()).unwrap(), "- fd00:12::/32");
    assert!(effect(&message("", &[unreach, AS_PATH], ""), &terms()).is_err());
    assert!(effect(&message("", &[unreach, "40"], ""), &terms()).is_err());
}

#[test]
fn what_ends_the_session_is_told_and_nothing_else() {
    // RFC 4271, 6.3: type, length and value of the attribute.
    for attribute in ["80 0e 03 000201", "80 0e 00", "80 0f 04 000201 81", "900f 0004 000201 81"] {
        for attributes in [[attribute, ORIGIN, AS_PATH, NEXT_HOP], [ORIGIN, AS_PATH, NEXT_HOP, attribute]] {
            let error = Update::parse(&message("", &attributes, NLRI), &terms()).unwrap_err();
            assert_eq!(error.notification().data, hex(attribute));
        }
    }
    let twice = message("", &["80 0f 03 000201", "80 0f 03 000101", ORIGIN], "");
    assert_eq!(Update::parse(&twice, &terms()).unwrap_err().notification().data, hex("80 0f 03 000101"));
}

#[test]
fn every_prefix_of_a_bad_update_is_withdrawn() {
    // RFC 7606, 2: announced and withdrawn, inside MP_REACH and outside.
    let reach = reach(V6_NEXT_HOP, "20 fd000010 20 fd000011");
    let body = message(
        "08 0b",
        &[ORIGIN, AS_PATH, NEXT_HOP, "80 04 00", &reach, "80 0f 08 000201 20 fd000012"],
        "18 0a0100 10 0a02",
    );
    assert_eq!(
        effect(&body, &terms()).unwrap(),
        "- 11.0.0.0/8; - fd00:12::/32; - 10.1.0.0/24 10.2.0.0/16; - fd00:10::/32 fd00:11::/32"
    );
}

#[test]
fn ipv6_next_hops() {
    // RFC 2545, 3; RFC 7606, 7.11.
    let link_local = "fe800000000000000000000000000001";
    let unspecified = "00".repeat(16);
    let rows = [
        (V6_NEXT_HOP.to_string(), Some("fd00:10::1")),
        (format!("{V6_NEXT_HOP}{link_local}"), Some("fd00:10::1")),
        (link_local.to_string(), Some("fe80::1")),
        (format!("{unspecified}{link_local}"), Some("fe80::1")),
        (unspecified.clone(), None),
        (format!("{unspecified}{unspecified}"), None),
        ("ff020000000000000000000000000001".to_string(), None),
        ("00000000000000000000000000000001".to_string(), None),
    ];
    for (next_hop, expected) in rows {
        let body = message("", &[ORIGIN, AS_PATH, &reach(&next_hop, "20 fd000010")], "");
        let update = Update::parse(&body, &terms()).unwrap();
        let mut scratch = Vec::new();
        let kept = update.announced().next().map(|announced| {
            assert_eq!(announced.nlri.family(), Family::Ipv6);
            update.attributes(announced, &mut scratch).next_hop().unwrap()
        });
        assert_eq!(kept, expected.map(|address| address.parse::<IpAddr>().unwrap()), "{next_hop}");
        let sign = if expected.is_some() { "+" } else { "-" };
        assert_eq!(effect(&body, &terms()).unwrap(), format!("{sign} fd00:10::/32"));
    }
    // NEXT_HOP beside MP_REACH alone means nothing (RFC 4760, 3).
    let body = message("", &[ORIGIN, AS_PATH, "40 03 04 00000000", &reach(V6_NEXT_HOP, "20 fd000010")], "");
    assert_eq!(effect(&body, &terms()).unwrap(), "+ fd00:10::/32");
}

#[test]
fn families_that_were_not_negotiated_are_ignored() {
    // RFC 4760, 7; RFC 7606, 5.4.
    let reach = reach(V6_NEXT_HOP, "20 fd000010");
    let unreach = "80 0f 08 000201 20 fd000012";
    let body = message("08 0b", &[ORIGIN, AS_PATH, NEXT_HOP, &reach, unreach], NLRI);
    let only = |family| Negotiated { families: Families::only(family), ..terms() };
    assert_eq!(effect(&body, &only(Family::Ipv4)).unwrap(), "- 11.0.0.0/8; + 10.1.0.0/24");
    assert_eq!(effect(&body, &only(Family::Ipv6)).unwrap(), "- fd00:12::/32; + fd00:10::/32");
    let end_of = |body: &[u8], family| effect(body, &only(family)).unwrap();
    assert_eq!(end_of(&hex("00000000"), Family::Ipv6), "");
    assert_eq!(end_of(&hex("00000006 800f03000201"), Family::Ipv4), "");
    // Nonsense in a family that is not ours does not matter either.
    let odd = "80 0e 0a 000201 00 00 ff ffffffff";
    assert_eq!(end_of(&message("", &[ORIGIN, AS_PATH, NEXT_HOP, odd], NLRI), Family::Ipv4), "+ 10.1.0.0/24");
}

#[test]
fn end_of_rib() {
    // RFC 4724, 2, and what looks like it.
    let rows = [
        ("00000000", "end of ipv4"),
        ("00000006 800f03000201", "end of ipv6"),
        ("00000007 900f0003000201", "end of ipv6"),
        ("00000006 800f03000101", "end of ipv4"),
        ("00000006 800f03400447", ""),
        ("0000000a 40010100 800f03000201", ""),
        ("00000004 40010100", ""),
        // Nothing else is in it, not even of another family.
        ("0002080b 0006 800f03000201", "- 11.0.0.0/8"),
        ("00000006 800f03000201 180a0100", "- 10.1.0.0/24"),
        ("00000008 800f05000201 00", "nonsense"),
        ("0000000a 800f03000201 40050000", "nonsense"),
    ];
    for (digits, expected) in rows {
        let effect = effect(&hex(digits), &terms()).unwrap_or_else(|_| "nonsense".into());
        assert_eq!(effect, expected, "{digits}");
    }
}

#[test]
fn prefixes() {
    // RFC 4271, 4.3: trailing bits do not matter; a prefix in both places is announced.
    let all = [ORIGIN, AS_PATH, NEXT_HOP];
    let kept = |withdrawn, nlri| effect(&message(withdrawn, &all, nlri), &terms()).unwrap();
    assert_eq!(kept("", "0f 0a03"), "+ 10.2.0.0/15");
    assert_eq!(kept("", "00 20 0a000001"), "+ 0.0.0.0/0 10.0.0.1/32");
    assert_eq!(kept(NLRI, NLRI), "- 10.1.0.0/24; + 10.1.0.0/24");
    // Odd ones are kept for policy to reject, the others are used.
    assert_eq!(kept("", "04 e0 08 7f 18 0a0100"), "+ 224.0.0.0/4 127.0.0.0/8 10.1.0.0/24");
}

#[test]
fn path_identifiers_only_where_negotiated() {
    // RFC 7911, 3 and 4.
    let body = message("00000007 08 0b", &[ORIGIN, AS_PATH, NEXT_HOP], "00000006 18 0a0100 00000001 00");
    let with = Negotiated { add_path: Families::only(Family::Ipv4), ..terms() };
    assert_eq!(effect(&body, &with).unwrap(), "- {7}11.0.0.0/8; + {6}10.1.0.0/24 {1}0.0.0.0/0");
    // Without, the identifier reads as prefixes or as nonsense, and nothing worse.
    assert!(effect(&body, &terms()).is_err());
    let short = message("", &[ORIGIN, AS_PATH, NEXT_HOP], "000000");
    assert_eq!(effect(&short, &terms()).unwrap(), "+ 0.0.0.0/0 0.0.0.0/0 0.0.0.0/0");
    assert!(effect(&short, &with).is_err());
}

fn path(attributes: &[&str], terms: &Negotiated) -> String {
    let body = message("", attributes, NLRI);
    let update = Update::parse(&body, terms).unwrap();
    let batch = batch(&update);
    let Some(Item::Announce(_, set)) = batch.items().next() else { panic!("nothing announced") };
    assert_eq!((set.get(17), set.get(18)), (None, None));
    let aggregator = set.get(7).map(|value| u32::from_be_bytes([value[0], value[1], value[2], value[3]]));
    format!("{}{}", set.as_path(), aggregator.map(|asn| format!(" by {asn}")).unwrap_or_default())
}

#[test]
#[rustfmt::skip]
fn as4_path_is_merged_for_old_speakers_only() {
    // RFC 6793, 4.2.3.
    let old = Negotiated { four_octet_as: false, ..terms() };
    let merged = |path_and_more: &[&str]| path(&[&[ORIGIN, NEXT_HOP], path_and_more].concat(), &old);
    assert_eq!(merged(&["40 02 04 0201 fe4e"]), "65102");
    assert_eq!(merged(&["40 02 06 0202 fe4e 5ba0", "c0 11 06 0201 fa57e84e"]), "65102 4200065102");
    assert_eq!(merged(&["c0 11 06 0201 fa57e84e", "40 02 06 0202 fe4e 5ba0"]), "65102 4200065102", "in any order");
    assert_eq!(merged(&["40 02 04 0201 5ba0", "c0 11 06 0201 fa57e84e"]), "4200065102");
    assert_eq!(merged(&["40 02 04 0201 5ba0", "c0 11 0a 0202 fa57e84e 00000001"]), "23456", "longer than AS_PATH");
    assert_eq!(merged(&["40 02 0c 0202 fe4e 5ba0 0102 0001 0002", "c0 11 06 0201 fa57e84e"]), "65102 23456 4200065102");
    assert_eq!(merged(&["40 02 04 0201 5ba0", "c0 11 00"]), "23456", "an empty one says nothing");
    assert_eq!(merged(&["40 02 06 0202 fe4e 5ba0", "c0 11 0c 0301 00000007 0201 fa57e84e"]), "65102 4200065102", "(6793, 6)");
    assert_eq!(merged(&["40 02 04 0201 5ba0", "c0 11 10 0201 fa57e84e 0402 00000007 00000008"]), "4200065102");
    assert_eq!(merged(&["40 02 04 0201 5ba0", "c0 11 06 0301 00000007"]), "23456", "nothing is left of it");
    let aggregated = ["40 02 06 0202 fe4e 5ba0", "c0 07 06 5ba0 0a000001", "c0 11 06 0201 fa57e84e", "c0 12 08 fa57e84e 0a000001"];
    assert_eq!(merged(&aggregated), "65102 4200065102 by 4200065102");
    let again = ["40 02 06 0202 fe4e 5ba0", "c0 07 06 fe4e 0a000001", "c0 11 06 0201 fa57e84e", "c0 12 08 fa57e84e 0a000001"];
    assert_eq!(merged(&again), "65102 23456 by 65102", "aggregated later by an old speaker");
    assert_eq!(path(&[ORIGIN, NEXT_HOP, AS_PATH, "c0 11 06 0201 fa57e84e"], &terms()), "65102");
}

#[test]
fn equal_attributes_are_equal_octets() {
    let canonical = |attributes: &[&str], terms: &Negotiated| {
        let body = message("", attributes, NLRI);
        let update = Update::parse(&body, terms).unwrap();
        let mut scratch = Vec::new();
        let announced = update.announced().next().unwrap();
        let set = update.attributes(announced, &mut scratch);
        (set.octets().to_vec(), scratch.is_empty())
    };
    let usual = hex(&[ORIGIN, AS_PATH, NEXT_HOP].concat());
    let rows: [&[&str]; 7] = [
        &[NEXT_HOP, AS_PATH, ORIGIN],
        &[ORIGIN, AS_PATH, NEXT_HOP, ORIGIN],
        &["50 01 0001 00", AS_PATH, NEXT_HOP],
        &["47 01 01 00", AS_PATH, NEXT_HOP],
        &[ORIGIN, AS_PATH, NEXT_HOP, "40 05 04 00000064"],
        &[ORIGIN, AS_PATH, NEXT_HOP, "80 63 01 00"],
        &["80 0f 03 000201", ORIGIN, AS_PATH, NEXT_HOP],
    ];
    assert_eq!(canonical(&[ORIGIN, AS_PATH, NEXT_HOP], &terms()), (usual.clone(), true), "taken as it is");
    for attributes in rows {
        assert_eq!(canonical(attributes, &terms()), (usual.clone(), false), "{attributes:?}");
    }
    let old = Negotiated { four_octet_as: false, ..terms() };
    assert_eq!(canonical(&[ORIGIN, "40 02 04 0201 fe4e", NEXT_HOP], &old), (usual, false));
    // Long values keep their long length, and only those.
    let long = format!("d0 08 0100 {}", "00".repeat(256));
    let (octets, as_is) = canonical(&[ORIGIN, AS_PATH, NEXT_HOP, &long], &terms());
    assert!(as_is && octets.ends_with(&hex(&long)));
    // A type 0, which nobody has assigned, is in order before the others.
    let (octets, as_is) = canonical(&["e0 00 00", ORIGIN, AS_PATH, NEXT_HOP], &terms());
    assert!(as_is && octets.starts_with(&hex("e0 00 00")));
}

#[test]
fn a_batch_holds_shared_attributes_once() {
    let mut batch = Batch::default();
    let first = message("", &[ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    let second = message("", &[ORIGIN, AS_PATH, NEXT_HOP], "10 0a02");
    batch.push_update(&Update::parse(&first, &terms()).unwrap());
    let before = batch.octets_len();
    batch.push_update(&Update::parse(&second, &terms()).unwrap());
    assert_eq!(batch.octets_len(), before + 3);
    let sets: Vec<_> = batch
        .items()
        .map(|item| match item {
            Item::Announce(_, set) => set.as_path().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sets, ["65102", "65102"]);
    batch.clear();
    assert!(batch.is_empty() && batch.octets_len() == 0);
}

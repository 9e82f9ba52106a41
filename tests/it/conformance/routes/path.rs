//! AS_PATH: its segments, the numbers in it, and the merge with AS4_PATH.

use super::variants::{Outcome, Variant, judge, judge_over, kept, variant, withdrawn};
use super::*;
use crate::conformance::{Case, LEAF_AS, run};
use crate::wire::{EXTENDED, hex, multiprotocol, segment};

/// What no path may have: segments of 4-octet numbers, then the same with numbers of two octets.
const MALFORMED: [(&str, &str, &str); 22] = [
    ("segment type 0", "0001 0000fe4e", "0001 fe4e"),
    ("segment type 5", "0501 0000fe4e", "0501 fe4e"),
    ("segment type 255", "ff01 0000fe4e", "ff01 fe4e"),
    ("a good segment, then type 6", "0201 0000fe4e 0601 00000001", "0201 fe4e 0601 0001"),
    ("overrun by one number", "0202 0000fe4e", "0202 fe4e"),
    ("overrun by far", "02ff 0000fe4e", "02ff fe4e"),
    ("overrun in the second segment", "0201 0000fe4e 0203 00000001", "0201 fe4e 0203 0001"),
    ("a number cut short", "0201 0000fe", "0201 fe"),
    ("one octet left", "0201 0000fe4e 02", "0201 fe4e 02"),
    ("two octets left", "0201 0000fe4e 0201", "0201 fe4e 0201"),
    ("one octet alone", "02", "02"),
    ("a segment of none", "0200", "0200"),
    ("a segment of none at the start", "0200 0201 0000fe4e", "0200 0201 fe4e"),
    ("a segment of none at the end", "0201 0000fe4e 0200", "0201 fe4e 0200"),
    ("a set of none at the end", "0201 0000fe4e 0100", "0201 fe4e 0100"),
    ("AS_CONFED_SEQUENCE", "0301 0000fe4e", "0301 fe4e"),
    ("AS_CONFED_SET", "0401 0000fe4e", "0401 fe4e"),
    ("AS_CONFED_SEQUENCE before a good one", "0301 00000001 0201 0000fe4e", "0301 0001 0201 fe4e"),
    ("AS_CONFED_SET after a good one", "0201 0000fe4e 0401 00000001", "0201 fe4e 0401 0001"),
    ("AS 0 alone", "0201 00000000", "0201 0000"),
    ("AS 0 last", "0202 0000fe4e 00000000", "0202 fe4e 0000"),
    ("AS 0 in a set", "0201 0000fe4e 0102 00000001 00000000", "0201 fe4e 0102 0001 0000"),
];

#[test]
fn as_paths() {
    let wide = |(name, digits, _): (&str, &str, &str)| -> Vec<Variant> {
        let value = hex(digits);
        let octets = [attribute(TRANSITIVE, 2, &value), attribute(TRANSITIVE | EXTENDED, 2, &value)];
        octets.map(|octets| variant(name, octets, Outcome::Withdrawn)).to_vec()
    };
    let narrow = |(name, _, digits): (&str, &str, &str)| {
        variant(name, attribute(TRANSITIVE, 2, &hex(digits)), Outcome::Withdrawn)
    };
    let cases = vec![
        Case::new("RFC 7606, 7.2; RFC 5065, 5; RFC 7607, 2", "malformed: withdrawn", move |client| {
            let mut variants: Vec<Variant> = MALFORMED.into_iter().flat_map(wide).collect();
            variants.push(withdrawn("numbers of two octets", "40 02 04 0201 fe4e"));
            variants.push(kept("as it should be", "40 02 06 0201 0000fe4e"));
            variants.push(kept("extended length", "50 02 0006 0201 0000fe4e"));
            judge(client, &variants);
        }),
        Case::new("RFC 7606, 7.2; RFC 6793, 4", "malformed, 2-octet numbers: withdrawn", move |client| {
            let mut variants: Vec<Variant> = MALFORMED.into_iter().map(narrow).collect();
            variants.push(withdrawn("numbers of four octets", "40 02 06 0201 0000fe4e"));
            variants.push(kept("as it should be", "40 02 04 0201 fe4e"));
            let open = narrow_open(client);
            let usual = [origin(0), narrow_path(&[NODE_AS]), next_hop(client.address)];
            let start = || Talk::start_with(client, &open).marked_by(narrow_marker);
            judge_over(client, start, &usual, &variants);
        }),
        Case::new("RFC 4271, 9.1.2", "well-formed but unwanted: rejected, in place of a good one", unwanted),
        Case::new("RFC 4271, 4.3", "long: several segments, 255 numbers a segment, 1000 numbers", long),
        Case::new("RFC 6793, 4.2.3", "AS4_PATH is merged, unless it is longer or malformed", merged),
    ];
    run("1.4 UPDATE: AS paths", &bench(), cases);
}

fn narrow_open(client: &Client<'_>) -> Open {
    client.open_with(&[multiprotocol(1, 1), multiprotocol(2, 1)])
}

fn unwanted(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let (node, leaf) = (u32::from(NODE_AS), u32::from(LEAF_AS));
    let sequence = |path: &[u32]| segment(2, path);
    let rows: [(&str, Vec<u8>, &str); 12] = [
        ("empty", vec![], "as_path_empty"),
        ("another first AS", sequence(&[65103]), "first_as_mismatch"),
        ("another first AS of 4 octets", sequence(&[4_200_000_000]), "first_as_mismatch"),
        ("AS_TRANS", sequence(&[23456]), "first_as_mismatch"),
        ("the leaf's", sequence(&[leaf]), "first_as_mismatch"),
        ("the leaf's behind the node's", sequence(&[node, leaf]), "as_path_too_long"),
        ("two", sequence(&[node, 65110]), "as_path_too_long"),
        ("its own twice", sequence(&[node, node]), "as_path_too_long"),
        ("a set", segment(1, &[node]), "first_as_mismatch"),
        ("a set of two", segment(1, &[node, 65110]), "first_as_mismatch"),
        ("a set at the end", [sequence(&[node]), segment(1, &[65110])].concat(), "as_path_too_long"),
        ("the leaf's in a set", [sequence(&[node]), segment(1, &[leaf])].concat(), "as_path_too_long"),
    ];
    for (name, value, reason) in rows {
        talk.announce("10.244.1.0/26");
        talk.has(&["10.244.1.0/26 accepted"]);
        let path = attribute(TRANSITIVE, 2, &value);
        talk.say(&update(&[], &[origin(0), path, next_hop(client.address)].concat(), &nlri("10.244.1.0/26")));
        let routes = talk.routes();
        assert_eq!(super::super::line(&routes[0]), format!("10.244.1.0/26 rejected {reason}"), "{name}");
        let reasons: Vec<&str> =
            routes[0]["reasons"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(reasons.contains(&"own_as_in_path"), name.contains("leaf"), "{name}: {reasons:?}");
        assert_eq!(reasons.contains(&"as_set"), name.contains("set"), "{name}: {reasons:?}");
    }
    talk.announce("10.244.1.0/26");
    talk.has(&["10.244.1.0/26 accepted"]);
    talk.peer.expect_up();
}

fn long(client: &Client<'_>) {
    let mut talk = Talk::start(client);
    let node = u32::from(NODE_AS);
    let full = |count: u8| segment(2, &vec![node; count.into()]);
    let paths = [
        [full(1), full(1)].concat(),
        full(255),
        [full(255), full(255), full(255), full(245)].concat(),
        [full(1), segment(1, &[1; 255]), full(3)].concat(),
        full(1).repeat(600),
    ];
    for value in paths {
        let path = attribute(TRANSITIVE | EXTENDED, 2, &value);
        talk.announce("10.244.1.0/26");
        talk.say(&update(&[], &[origin(0), path, next_hop(client.address)].concat(), &nlri("10.244.1.0/26")));
        let routes = talk.routes();
        assert_eq!(super::super::line(&routes[0]), "10.244.1.0/26 rejected as_path_too_long");
        let shown = routes[0]["as_path"].as_str().unwrap();
        let sent = value.chunks(2).count();
        assert!(shown.starts_with("65102 ") && sent > 2, "{shown}");
    }
    // A gap in what is good: the second of several segments that each would do.
    let path = attribute(TRANSITIVE, 2, &[full(1), hex("0201 00000000")].concat());
    talk.say(&update(&[], &[origin(0), path, next_hop(client.address)].concat(), &nlri("10.244.1.0/26")));
    talk.has(&[]);
    talk.peer.expect_up();
}

/// What the path and the aggregator of a 2-octet peer become.
fn merged(client: &Client<'_>) {
    let mut talk = Talk::start_with(client, &narrow_open(client)).marked_by(narrow_marker);
    let rows: [(&str, &[&str], &str); 19] = [
        ("no AS4_PATH", &["40 02 04 0201 fe4e"], "65102"),
        ("AS_TRANS alone", &["40 02 04 0201 5ba0"], "23456"),
        ("all of it", &["40 02 04 0201 5ba0", "c0 11 06 0201 fa57e84e"], "4200065102"),
        ("the end of it", &["40 02 06 0202 fe4e 5ba0", "c0 11 06 0201 fa57e84e"], "65102 4200065102"),
        ("AS4_PATH first", &["c0 11 06 0201 fa57e84e", "40 02 06 0202 fe4e 5ba0"], "65102 4200065102"),
        ("longer", &["40 02 04 0201 5ba0", "c0 11 0a 0202 fa57e84e 00000001"], "23456"),
        ("longer, in two segments", &["40 02 04 0201 5ba0", "c0 11 0c 0201 fa57e84e 0201 00000001"], "23456"),
        ("longer by a set", &["40 02 04 0201 5ba0", "c0 11 0c 0201 fa57e84e 0101 00000001"], "23456"),
        ("empty", &["40 02 04 0201 5ba0", "c0 11 00"], "23456"),
        ("cut short", &["40 02 04 0201 5ba0", "c0 11 05 0201 fa57e8"], "23456"),
        ("unknown segment", &["40 02 04 0201 5ba0", "c0 11 06 0701 fa57e84e"], "23456"),
        ("AS 0 in it", &["40 02 04 0201 5ba0", "c0 11 06 0201 00000000"], "23456"),
        ("not transitive", &["40 02 04 0201 5ba0", "80 11 06 0201 fa57e84e"], "23456"),
        (
            "confederation segments are taken out of it (RFC 6793, 6)",
            &["40 02 04 0201 5ba0", "c0 11 0c 0301 00000007 0201 fa57e84e"],
            "4200065102",
        ),
        ("nothing but confederation segments", &["40 02 04 0201 5ba0", "c0 11 06 0301 00000007"], "23456"),
        (
            "a set in AS_PATH before",
            &["40 02 0c 0201 fe4e 0101 0001 0201 5ba0", "c0 11 06 0201 fa57e84e"],
            "65102 {1} 4200065102",
        ),
        (
            "twice: the first",
            &["40 02 04 0201 5ba0", "c0 11 06 0201 fa57e84e", "c0 11 06 0201 00000005"],
            "4200065102",
        ),
        (
            "aggregated on the way",
            &[
                "40 02 06 0202 fe4e 5ba0",
                "c0 07 06 5ba0 0a000001",
                "c0 11 06 0201 fa57e84e",
                "c0 12 08 fa57e84e 0a000001",
            ],
            "65102 4200065102",
        ),
        (
            "aggregated later by one who does not know: both are void",
            &[
                "40 02 06 0202 fe4e 5ba0",
                "c0 07 06 fe4e 0a000001",
                "c0 11 06 0201 fa57e84e",
                "c0 12 08 fa57e84e 0a000001",
            ],
            "65102 23456",
        ),
    ];
    for (name, attributes, path) in rows {
        let attributes: Vec<u8> = attributes.iter().flat_map(|digits| hex(digits)).collect();
        let attributes = [origin(0), next_hop(client.address), attributes].concat();
        talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26")));
        let routes = talk.routes();
        assert_eq!(routes[0]["as_path"], path, "{name}");
    }
    // The path that it is merged with may be malformed, before it or after: neither is of any use.
    for attributes in [
        "c0 11 06 0201 fa57e84e 40 02 04 0202 5ba0",
        "40 02 04 0202 5ba0 c0 11 06 0201 fa57e84e",
        "c0 11 06 0201 fa57e84e",
    ] {
        let attributes = [origin(0), next_hop(client.address), hex(attributes)].concat();
        talk.say(&update(&[], &attributes, &nlri("10.244.1.0/26 10.244.2.0/26")));
        talk.has(&[]);
    }
    talk.peer.expect_up();
}

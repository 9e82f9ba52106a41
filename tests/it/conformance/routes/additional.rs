//! Additional paths: path identifiers, where both sides agreed on them.

use super::*;
use crate::conformance::{Case, run};
use crate::wire::{
    EXTENDED, capability, end_of_rib, four_octet_as, graceful_restart, hex, mp_unreach, multiprotocol,
    route_refresh,
};

const A: &str = "fd00:10:244:1::/122";

/// A marker with path identifier 9.
fn add_path_marker(client: &Client<'_>, said: u32) -> Vec<u8> {
    let attributes = [&usual(client.address).concat()[..], &metric(said)].concat();
    update(&[], &attributes, &[&[0, 0, 0, 9], &nlri(MARKERS[0])[..]].concat())
}

fn add_path_config(place: &Place) -> String {
    config(place).replace("peer_as = ", "add_path = true\npeer_as = ")
}

/// A prefix with its path identifier.
fn identified(id: u32, prefix: &str) -> Vec<u8> {
    [&id.to_be_bytes()[..], &nlri(prefix)].concat()
}

/// An OPEN with these entries of the capability.
fn open(client: &Client<'_>, entries: &[u8]) -> Open {
    let usual = [multiprotocol(1, 1), multiprotocol(2, 1), four_octet_as(NODE_AS.into())];
    client.open_with(&[&usual[..], &[capability(69, entries)]].concat())
}

/// The routes with their path identifiers.
fn paths(talk: &mut Talk<'_>) -> Vec<String> {
    let line = |route: &Value| format!("{} {}", super::super::line(route), route["path_id"]);
    let mut paths: Vec<String> = talk.routes().iter().map(line).collect();
    paths.sort();
    paths
}

#[test]
fn additional_paths() {
    let cases = vec![
        Case::new(
            "RFC 7911, 3",
            "two paths of a prefix, each withdrawn by itself, a bad one withdraws its own",
            move |client| {
                let mut talk =
                    Talk::start_with(client, &open(client, &[0, 1, 1, 2])).marked_by(add_path_marker);
                let usual = usual(client.address).concat();
                let both = [identified(1, "10.244.1.0/26"), identified(2, "10.244.1.0/26")].concat();
                talk.say(&update(&[], &usual, &both));
                assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 1", "10.244.1.0/26 accepted 2"]);
                talk.say(&update(&identified(3, "10.244.1.0/26"), &[], &[]));
                talk.say(&update(&identified(1, "10.244.1.0/26"), &[], &[]));
                assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 2"]);
                talk.say(&update(&[], &usual, &both));
                talk.say(&update(
                    &[],
                    &[&hex("80 04 00")[..], &usual].concat(),
                    &identified(2, "10.244.1.0/26"),
                ));
                assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 1"]);
                talk.say(&update(&[], &usual, &identified(u32::MAX, "10.244.1.0/26")));
                assert_eq!(
                    paths(&mut talk),
                    ["10.244.1.0/26 accepted 1", "10.244.1.0/26 accepted 4294967295"]
                );
                talk.peer.expect_up();
            },
        ),
        Case::new("RFC 4724, 4.2", "a restart: path by path, what was not announced again goes", restart),
        Case::new("RFC 7911, 4", "negotiated for one family, the other has none", move |client| {
            let mut talk = Talk::start_with(client, &open(client, &[0, 2, 1, 2, 0, 1, 1, 1]));
            talk.announce("10.244.1.0/26");
            let reach = mp_reach(2, 1, &V6_NEXT_HOP, &[identified(1, A), identified(2, A)].concat());
            talk.say(&update(&[], &[origin(0), as_path(&[NODE_AS.into()]), reach].concat(), &[]));
            assert_eq!(
                paths(&mut talk),
                [
                    "10.244.1.0/26 accepted 0",
                    "fd00:10:244:1::/122 accepted 1",
                    "fd00:10:244:1::/122 accepted 2"
                ]
            );
            talk.say(&update(&[], &mp_unreach(2, 1, &identified(2, A)), &[]));
            assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 0", "fd00:10:244:1::/122 accepted 1"]);
            talk.peer.expect_up();
        }),
        Case::new(
            "RFC 7911, 4",
            "without the peer's capability, or one of mode 0, 1 or 4: none",
            move |client| {
                for entries in
                    [&[][..], &[0, 1, 1, 0], &[0, 1, 1, 1], &[0, 1, 1, 4], &[0, 1, 128, 3], &[0, 1, 1]]
                {
                    let mut talk = Talk::start_with(client, &open(client, entries));
                    talk.announce("10.244.1.0/26");
                    assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 0"], "{entries:?}");
                    drop(talk);
                    gone(client);
                }
            },
        ),
        Case::new(
            "RFC 7606, 5.3",
            "negotiated, but a prefix is too long or cut short: N 3/10",
            move |client| {
                for octets in [
                    "00",
                    "0000 0001",
                    "0000 0001 21",
                    "00000001 20 0af401",
                    "00000001 1a 0af40100 0000 0002",
                    "1a 0af401",
                ] {
                    let mut talk =
                        Talk::start_with(client, &open(client, &[0, 1, 1, 3])).marked_by(add_path_marker);
                    talk.routes();
                    talk.say(&update(&[], &usual(client.address).concat(), &hex(octets)));
                    talk.ends_with(3, 10, &[]);
                }
                for octets in ["00", "00000001", "00000001 81", "00000001 7a fd00"] {
                    let mut talk = Talk::start_with(client, &open(client, &[0, 2, 1, 3]));
                    talk.routes();
                    let unreach =
                        attribute(OPTIONAL | EXTENDED, 15, &[&[0, 2, 1], &hex(octets)[..]].concat());
                    talk.say(&update(&[], &unreach, &[]));
                    talk.ends_with(3, 9, &unreach);
                }
            },
        ),
    ];
    run("1.4 UPDATE: additional paths", &Bench::new(add_path_config), cases);
}

fn restart(client: &Client<'_>) {
    let usual = usual(client.address).concat();
    let all = [
        multiprotocol(1, 1),
        four_octet_as(NODE_AS.into()),
        capability(69, &[0, 1, 1, 2]),
        capability(70, &[]),
        graceful_restart(0x80, 120, &[(1, 0x80)]),
    ];
    let open = client.open_with(&all);
    let three = [1, 2, 3].map(|id| identified(id, "10.244.1.0/26")).concat();
    let mut talk = Talk::start_with(client, &open).marked_by(add_path_marker);
    talk.say(&update(&[], &usual, &three));
    talk.routes();
    talk.peer.close();
    let stale = |id: u32| format!("10.244.1.0/26 accepted stale {id}");
    let mut talk = Talk::start_with(client, &open).marked_by(add_path_marker);
    talk.say(&update(&[], &usual, &identified(2, "10.244.1.0/26")));
    talk.say(&update(&identified(1, "10.244.1.0/26"), &[], &[]));
    assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 2".to_owned(), stale(3)]);
    talk.say(&end_of_rib());
    talk.has(&["10.244.1.0/26 accepted"]);
    assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 2"]);
    // The same by a refresh.
    talk.say(&update(&[], &usual, &three));
    talk.say(&route_refresh(1, 1, 1));
    talk.say(&update(&[], &usual, &identified(3, "10.244.1.0/26")));
    talk.say(&route_refresh(1, 2, 1));
    talk.has(&["10.244.1.0/26 accepted"]);
    assert_eq!(paths(&mut talk), ["10.244.1.0/26 accepted 3"]);
    talk.peer.expect_up();
}

//! ROUTE-REFRESH, plain and enhanced.

use super::restart::{end_of_rib_v6, left};
use super::*;
use crate::conformance::{Case, run};
use crate::wire::{
    ROUTE_REFRESH, capability, end_of_rib, four_octet_as, graceful_restart, hex, message, mp_unreach,
    multiprotocol, route_refresh,
};

const A: &str = "10.244.1.0/26";
const B: &str = "10.244.2.0/26";
const C: &str = "fd00:10:244:1::/122";
const ALL: [&str; 3] = ["10.244.1.0/26 accepted", "10.244.2.0/26 accepted", "fd00:10:244:1::/122 accepted"];

/// Beginning and end of a refresh.
fn begin(afi: u16) -> Vec<u8> {
    route_refresh(afi, 1, 1)
}

fn end(afi: u16) -> Vec<u8> {
    route_refresh(afi, 2, 1)
}

fn open(client: &Client<'_>, more: &[Vec<u8>]) -> Open {
    let usual = [multiprotocol(1, 1), multiprotocol(2, 1), four_octet_as(NODE_AS.into()), capability(2, &[])];
    client.open_with(&[&usual[..], more].concat())
}

/// A session with enhanced refresh and three routes.
fn enhanced<'a>(client: &'a Client<'a>) -> Talk<'a> {
    told(client, &open(client, &[capability(70, &[])]))
}

fn told<'a>(client: &'a Client<'a>, open: &Open) -> Talk<'a> {
    let mut talk = Talk::start_with(client, open);
    talk.announce(&format!("{A} {B}"));
    talk.say(&announce_v6(C));
    talk.say(&[end_of_rib(), end_of_rib_v6()].concat());
    talk.has(&ALL);
    talk
}

#[test]
fn refreshes() {
    let cases = [requests(), contents(), delimiters(), sessions(), lengths()].into_iter().flatten().collect();
    run("1.5 Route refresh", &bench(), cases);
}

/// Requests, and what is none.
fn requests() -> Vec<Case> {
    vec![
        Case::new("RFC 2918, 4; RFC 7313, 5", "requests and unknown subtypes of any family: up", |client| {
            for enhanced in [false, true] {
                let more = if enhanced { vec![capability(70, &[])] } else { vec![] };
                let mut talk = told(client, &open(client, &more));
                for subtype in (0..=255).filter(|subtype| ![1, 2].contains(subtype)) {
                    for (afi, safi) in [(1, 1), (2, 1), (1, 2), (2, 128), (0, 0), (25, 70), (0xffff, 255)] {
                        talk.say(&route_refresh(afi, subtype, safi));
                    }
                    talk.peer.keep_alive();
                }
                talk.has(&ALL);
                talk.peer.expect_up();
                drop(talk);
                left(client, &[]);
            }
        }),
        Case::new("RFC 2918, 4", "a request from a peer that never offered it: up", |client| {
            let mut talk = Talk::start(client);
            talk.announce(A);
            talk.say(&route_refresh(1, 0, 1));
            talk.has(&ALL[..1]);
            talk.peer.expect_up();
        }),
    ]
}

/// What is between the beginning and the end.
fn contents() -> Vec<Case> {
    vec![
        Case::new("RFC 7313, 4.1", "BoRR .. EoRR: what was not sent again goes, the rest stays", |client| {
            let mut talk = enhanced(client);
            talk.say(&begin(1));
            talk.announce(A);
            talk.announce("10.244.3.0/26");
            talk.has(&[ALL[0], ALL[1], "10.244.3.0/26 accepted", ALL[2]]);
            talk.say(&end(1));
            talk.has(&[ALL[0], "10.244.3.0/26 accepted", ALL[2]]);
            talk.say(&[begin(2), end(2)].concat());
            talk.has(&[ALL[0], "10.244.3.0/26 accepted"]);
            // The marker's own place.
            talk.say(&[begin(1), end(1)].concat());
            talk.has(&[]);
            talk.announce(A);
            talk.has(&ALL[..1]);
            talk.peer.expect_up();
        }),
        Case::new("RFC 7313, 4.1", "changed, withdrawn, rejected and malformed between them", |client| {
            let mut talk = enhanced(client);
            talk.announce("10.244.3.0/26 10.244.4.0/26 10.244.5.0/26");
            talk.say(&begin(1));
            let with =
                |origin: Vec<u8>, path: &[u32]| [origin, as_path(path), next_hop(client.address)].concat();
            talk.say(&update(&[], &with(origin(2), &[NODE_AS.into()]), &nlri(A)));
            talk.say(&withdraw(B));
            talk.say(&update(&[], &with(origin(0), &[NODE_AS.into(), 65110]), &nlri("10.244.3.0/26")));
            talk.say(&update(&[], &with(origin(9), &[NODE_AS.into()]), &nlri("10.244.4.0/26")));
            talk.say(&withdraw("10.244.9.0/26"));
            talk.say(&end(1));
            talk.has(&[ALL[0], "10.244.3.0/26 rejected as_path_too_long", ALL[2]]);
            talk.peer.expect_up();
        }),
        Case::new(
            "RFC 7313, 4.1",
            "withdrawn and announced again between them, announced and withdrawn again",
            |client| {
                let mut talk = enhanced(client);
                talk.say(&begin(1));
                talk.say(&withdraw(A));
                talk.announce(A);
                talk.announce(B);
                talk.say(&withdraw(B));
                talk.say(&end(1));
                talk.has(&[ALL[0], ALL[2]]);
            },
        ),
        Case::new("RFC 7313, 3.2", "without capability 70 on both sides: nothing, up", |client| {
            let mut talk = told(client, &open(client, &[]));
            talk.say(&[begin(1), end(1), begin(2), end(2)].concat());
            talk.has(&ALL);
            talk.peer.expect_up();
            drop(talk);
            left(client, &[]);
            let mut talk = told(client, &open(client, &[capability(70, &[0])]));
            talk.say(&[begin(1), end(1)].concat());
            talk.has(&ALL);
        }),
    ]
}

/// Beginnings and ends that do not go together.
fn delimiters() -> Vec<Case> {
    vec![
        Case::new("RFC 7313, 4.1", "BoRR again before EoRR: it begins anew", |client| {
            let mut talk = enhanced(client);
            talk.say(&begin(1));
            talk.announce(A);
            talk.routes();
            talk.say(&begin(1));
            talk.announce(B);
            talk.has(&ALL);
            talk.say(&end(1));
            talk.has(&ALL[1..]);
        }),
        Case::new("RFC 7313, 4.1", "EoRR without BoRR, twice, or of another family: nothing", |client| {
            let mut talk = enhanced(client);
            talk.say(&[end(1), end(2), end(1)].concat());
            talk.has(&ALL);
            talk.say(&begin(1));
            talk.say(&end(2));
            talk.say(&route_refresh(1, 2, 2));
            talk.say(&route_refresh(3, 2, 1));
            talk.has(&ALL);
            talk.announce(A);
            talk.say(&[end(1), end(1)].concat());
            talk.has(&[ALL[0], ALL[2]]);
            talk.peer.expect_up();
        }),
        Case::new("RFC 7313, 4.1", "a refresh of one family leaves the other alone", |client| {
            let mut talk = enhanced(client);
            talk.say(&[begin(2), end(2)].concat());
            talk.has(&ALL[..2]);
            talk.say(&announce_v6(C));
            talk.say(&[begin(1), begin(2)].concat());
            talk.say(&announce_v6(C));
            talk.say(&[end(1), end(2)].concat());
            talk.has(&ALL[2..]);
            for (afi, safi) in [(1, 2), (2, 128), (25, 70), (0, 0)] {
                talk.say(&[route_refresh(afi, 1, safi), route_refresh(afi, 2, safi)].concat());
            }
            talk.has(&ALL[2..]);
        }),
        Case::new("RFC 7313, 5", "of a family that was not negotiated: nothing, up", |client| {
            let only = client.open_with(&[
                multiprotocol(1, 1),
                four_octet_as(NODE_AS.into()),
                capability(2, &[]),
                capability(70, &[]),
            ]);
            let mut talk = Talk::start_with(client, &only);
            talk.announce(A);
            talk.say(&[begin(2), end(2)].concat());
            talk.has(&ALL[..1]);
            talk.peer.expect_up();
        }),
        Case::new(
            "RFC 7313, 4.1",
            "End-of-RIB between them ends nothing, nor does it begin anything",
            |client| {
                let mut talk = enhanced(client);
                talk.say(&begin(1));
                talk.announce(A);
                talk.say(&end_of_rib());
                talk.has(&ALL);
                talk.say(&end(1));
                talk.has(&[ALL[0], ALL[2]]);
            },
        ),
    ]
}

/// What restarts do to refreshes.
fn sessions() -> Vec<Case> {
    vec![
        Case::new(
            "RFC 7313, 4.1",
            "BoRR, then the session is lost without graceful restart: gone",
            |client| {
                let mut talk = enhanced(client);
                talk.say(&begin(1));
                talk.announce(A);
                talk.routes();
                talk.peer.close();
                left(client, &[]);
                // The new session knows nothing of it.
                let mut talk = enhanced(client);
                talk.say(&end(1));
                talk.has(&ALL);
            },
        ),
        Case::new("RFC 4724, 4.2", "BoRR, then a restart: all is stale, End-of-RIB decides", |client| {
            let both = [(1, 0x80), (2, 0x80)];
            let opened = open(client, &[capability(70, &[]), graceful_restart(0x80, 120, &both)]);
            let mut talk = told(client, &opened);
            talk.say(&begin(1));
            talk.announce(A);
            talk.routes();
            talk.peer.close();
            left(
                client,
                &[
                    "10.244.1.0/26 accepted stale",
                    "10.244.2.0/26 accepted stale",
                    "fd00:10:244:1::/122 accepted stale",
                ],
            );
            let mut talk = Talk::start_with(client, &opened);
            talk.announce(B);
            // An end of what the former session began.
            talk.say(&end(1));
            talk.has(&["10.244.1.0/26 accepted stale", ALL[1], "fd00:10:244:1::/122 accepted stale"]);
            talk.say(&end_of_rib());
            talk.has(&[ALL[1], "fd00:10:244:1::/122 accepted stale"]);
            talk.say(&[begin(1), end(1)].concat());
            talk.has(&["fd00:10:244:1::/122 accepted stale"]);
        }),
        Case::new(
            "RFC 7313, 4.1",
            "BoRR before the End-of-RIB of a graceful restart peer: ignored",
            |client| {
                let both = [(1, 0x80), (2, 0x80)];
                for families in [&both[..], &[]] {
                    let opened = open(client, &[capability(70, &[]), graceful_restart(0x80, 120, families)]);
                    let mut talk = Talk::start_with(client, &opened);
                    talk.announce(&format!("{A} {B}"));
                    talk.say(&begin(1));
                    talk.announce(A);
                    talk.say(&end(1));
                    talk.has(&ALL[..2]);
                    talk.say(&begin(1));
                    talk.announce(A);
                    talk.say(&end_of_rib());
                    talk.say(&end(1));
                    talk.has(&ALL[..2]);
                    talk.say(&begin(1));
                    talk.announce(B);
                    talk.say(&end(1));
                    talk.has(&[ALL[1]]);
                    talk.say(&crate::wire::notification(6, 9, &[]));
                    drop(talk);
                    left(client, &[]);
                }
            },
        ),
        Case::new("RFC 7313, 4.1", "BoRR while stale: ignored, End-of-RIB decides", |client| {
            let both = [(1, 0x80), (2, 0x80)];
            let opened = open(client, &[capability(70, &[]), graceful_restart(0x80, 120, &both)]);
            told(client, &opened).peer.close();
            left(
                client,
                &[
                    "10.244.1.0/26 accepted stale",
                    "10.244.2.0/26 accepted stale",
                    "fd00:10:244:1::/122 accepted stale",
                ],
            );
            let mut talk = Talk::start_with(client, &opened);
            talk.announce(A);
            talk.say(&[begin(1), end(1)].concat());
            talk.has(&[ALL[0], "10.244.2.0/26 accepted stale", "fd00:10:244:1::/122 accepted stale"]);
            talk.say(&[end_of_rib(), end_of_rib_v6()].concat());
            talk.has(&ALL[..1]);
        }),
    ]
}

/// Lengths, and very many.
fn lengths() -> Vec<Case> {
    vec![
        Case::new("RFC 7313, 5", "BoRR or EoRR of a wrong length: N 7/1 with the message", |client| {
            for body in ["0001 01", "0001 02", "0001 01 01 00", "0001 02 01 ff", "0001 01 01 0000000000"] {
                let mut talk = enhanced(client);
                let said = message(ROUTE_REFRESH, &hex(body));
                talk.say(&said);
                talk.ends_with(7, 1, &said);
            }
        }),
        Case::new(
            "RFC 7313, 5; RFC 4271, 6.1",
            "other ROUTE-REFRESH of a wrong length, or none negotiated: N 1/2",
            |client| {
                for (enhanced, body) in [
                    (true, ""),
                    (true, "00"),
                    (true, "0001"),
                    (true, "0001 00"),
                    (true, "0001 00 01 00"),
                    (true, "0001 03 01 00"),
                    (false, "0001 01"),
                    (false, "0001 02 01 00"),
                    (false, "0001 00 01 0000"),
                ] {
                    let more = if enhanced { vec![capability(70, &[])] } else { vec![] };
                    let mut talk = told(client, &open(client, &more));
                    let said = message(ROUTE_REFRESH, &hex(body));
                    talk.say(&said);
                    talk.ends_with(1, 2, &said[16..18]);
                }
            },
        ),
        Case::new("RFC 7313, 4.1", "a hundred refreshes in a row leave the exact table", |client| {
            let mut talk = enhanced(client);
            let mut octets = Vec::new();
            for round in 0..100_u8 {
                octets.extend(begin(1));
                octets.extend(announce(client.address, &format!("{A} 10.244.{}.0/26", 100 + round)));
                octets.extend(end(1));
                if round % 10 == 0 {
                    octets.extend(update(&[], &mp_unreach(2, 1, &[]), &[]));
                }
            }
            talk.say(&octets);
            talk.has(&[ALL[0], "10.244.199.0/26 accepted", ALL[2]]);
            talk.peer.expect_up();
        }),
    ]
}

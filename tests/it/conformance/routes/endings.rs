//! Ends of sessions after which routes stay or go, connections that take over, and what bounds their time.

use super::restart::{
    ALL, BOTH, F, N, R, STALE, V4, end_of_rib_v6, held, left, open, open_and, time_to_go, told, within,
};
use super::*;
use crate::conformance::{Case, run};
use crate::wire::{UPDATE, capability, end_of_rib, four_octet_as, hex, message, multiprotocol, notification};

/// Codes and subcodes, defined or not.
#[rustfmt::skip]
const KINDS: [(u8, u8); 19] = [
    (6, 1), (6, 2), (6, 4), (6, 5), (6, 6), (6, 7), (6, 8), (6, 10), (6, 0), (6, 200), (1, 1), (2, 2), (3, 1),
    (4, 0), (5, 3), (7, 1), (8, 0), (0, 0), (99, 99),
];

/// The session ends in this way; `graceful` tells whether its routes stay.
fn endings(client: &Client<'_>, flags: u8, graceful: bool, end: impl Fn(Talk<'_>)) {
    let talk = told(client, &open(client, flags, 120, BOTH));
    end(talk);
    left(client, if graceful { &STALE } else { &[] });
    // A new session ends what is left.
    let mut talk = Talk::start(client);
    talk.has(&[]);
    talk.say(&notification(6, 2, &[]));
    drop(talk);
    left(client, &[]);
}

#[test]
fn notifications() {
    let mut cases = Vec::new();
    for (flags, name) in [(0, "without N"), (N, "with N on both sides")] {
        let graceful = flags == N;
        let stays = if graceful { "stale" } else { "gone" };
        let trigger = |what: &str| format!("{what}, {name}: {stays}");
        cases.push(Case::new("RFC 8538, 3.1", trigger("NOTIFICATION of any kind"), move |client| {
            for (code, subcode) in KINDS {
                endings(client, flags, graceful, |mut talk| {
                    talk.say(&notification(code, subcode, &[]));
                    talk.peer.expect_silent_close();
                });
            }
        }));
        cases.push(Case::new("RFC 8538, 3.1", trigger("hold time over"), move |client| {
            endings(client, flags, graceful, |mut talk| {
                talk.peer.fall_silent();
                assert_eq!(talk.peer.expect_notification(), (4, 0, vec![]));
            });
        }));
        cases.push(Case::new("RFC 8538, 3.1", trigger("an error of the peer's, N 3/1"), move |client| {
            endings(client, flags, graceful, |mut talk| {
                talk.say(&message(UPDATE, &hex("0001 0000")));
                assert_eq!(talk.peer.expect_notification().0, 3);
            });
        }));
    }
    cases.extend([
        Case::new("RFC 8538, 3.1", "Cease/9, hard reset, with N on both sides: gone", |client| {
            for (flags, data) in [(N, &[][..]), (N, &[6, 2]), (N, &[6, 2, 0xff]), (0, &[])] {
                endings(client, flags, false, |mut talk| {
                    talk.say(&notification(6, 9, data));
                    talk.peer.expect_silent_close();
                });
            }
        }),
        Case::new("RFC 8538, 3.1", "Cease/9 before End-of-RIB: what is stale still goes too", |client| {
            told(client, &open(client, N, 120, BOTH)).peer.close();
            left(client, &STALE);
            let mut talk = Talk::start_with(client, &open(client, R | N, 120, BOTH));
            talk.announce(V4);
            talk.has(&[ALL[0], STALE[1], STALE[2]]);
            talk.say(&notification(6, 9, &[]));
            talk.peer.expect_silent_close();
            left(client, &[]);
        }),
        Case::new(
            "RFC 8538, 3.1",
            "Cease/3 with N on both sides: stale; hard reset that says it: gone, and the peer forgotten",
            |client| {
                let mut talk = told(client, &open(client, N, 120, BOTH));
                talk.say(&notification(6, 3, &[]));
                talk.peer.expect_silent_close();
                left(client, &STALE);
                let mut talk = told(client, &open(client, R | N, 120, BOTH));
                talk.say(&notification(6, 9, &[6, 3]));
                talk.peer.expect_silent_close();
                gone(client);
                eventually("the peer is forgotten", || client.peer().is_none().then_some(()));
                Talk::start(client).has(&[]);
            },
        ),
        Case::new("RFC 8538, 2", "N without any family: gone", |client| {
            let mut talk = told(client, &open(client, N, 120, &[]));
            talk.say(&notification(6, 4, &[]));
            talk.peer.expect_silent_close();
            left(client, &[]);
        }),
        Case::new(
            "RFC 8538, 3.1",
            "NOTIFICATION with N, then the restart time of 1 s is over: gone",
            |client| {
                let mut talk = told(client, &open(client, N, 1, BOTH));
                let start = Instant::now();
                talk.say(&notification(6, 4, &[]));
                talk.peer.expect_silent_close();
                let time = time_to_go(client, start);
                within(time, 1);
                client.note(format!("{} ms", time.as_millis()));
            },
        ),
        Case::new(
            "RFC 4724, 4.2",
            "NOTIFICATION without a session leaves the stale routes alone",
            |client| {
                told(client, &open(client, 0, 120, BOTH)).peer.close();
                left(client, &STALE);
                let mut peer = client.connect();
                peer.send(&notification(6, 2, &[]));
                peer.expect_silent_close();
                let mut peer = client.connect();
                peer.open(&open(client, R, 120, BOTH).encode());
                peer.send(&notification(6, 9, &[]));
                peer.expect_silent_close();
                left(client, &STALE);
            },
        ),
    ]);
    run("1.5 Graceful restart: NOTIFICATION", &bench(), cases);
}

#[test]
fn replaced_connections() {
    let cases = vec![
        Case::new(
            "RFC 4724, 5",
            "the node comes back while its old connection stands: silently replaced, stale",
            |client| {
                let opened = open(client, R, 120, BOTH);
                let mut old = told(client, &opened);
                let mut talk = Talk::start_with(client, &opened);
                old.peer.expect_silent_close();
                talk.has(&STALE);
                talk.announce(V4);
                talk.say(&[end_of_rib(), end_of_rib_v6()].concat());
                talk.has(&ALL[..1]);
                talk.peer.expect_up();
            },
        ),
        Case::new("RFC 4724, 4.2", "the same, F not set: the stale routes go at once", |client| {
            let mut old = told(client, &open(client, R, 120, BOTH));
            let mut talk = Talk::start_with(client, &open(client, R, 120, &[(1, 0), (2, F)]));
            old.peer.expect_silent_close();
            talk.has(&STALE[2..]);
        }),
        Case::new("RFC 4724, 4.2", "the same, without the capability: all go at once", |client| {
            let mut old = told(client, &open(client, R, 120, BOTH));
            let mut talk = Talk::start(client);
            old.peer.expect_silent_close();
            talk.has(&[]);
        }),
        Case::new("RFC 4724, 5", "replaced again and again: what was heard last stays", |client| {
            let opened = open(client, R, 120, BOTH);
            let mut old = told(client, &opened);
            for _ in 0..5 {
                let mut talk = Talk::start_with(client, &opened);
                old.peer.expect_silent_close();
                talk.announce(V4);
                talk.routes();
                old = talk;
            }
            // The first replacement left the others stale, the second removed them.
            old.has(&ALL[..1]);
            old.peer.expect_up();
        }),
        Case::new(
            "RFC 4724, 5",
            "a valid OPEN, and no more: the old one is replaced, stale, and comes back",
            |client| {
                let opened = open(client, R, 120, BOTH);
                let mut old = told(client, &opened);
                let mut second = client.connect();
                second.open(&opened.encode());
                old.peer.expect_silent_close();
                second.close();
                left(client, &STALE);
                let mut talk = Talk::start_with(client, &opened);
                talk.announce(V4);
                talk.say(&[end_of_rib(), end_of_rib_v6()].concat());
                talk.has(&ALL[..1]);
                talk.peer.expect_up();
            },
        ),
        Case::new(
            "RFC 4271, 6.8",
            "silent, with another identifier or AS, or broken: the old one and its routes stand",
            |client| {
                let opened = open(client, R, 120, BOTH);
                let mut old = told(client, &opened);
                let silent = client.connect();
                let mut other = client.connect();
                other.send(&Open { identifier: Ipv4Addr::new(10, 9, 9, 9), ..opened.clone() }.encode());
                assert_eq!(other.expect_notification(), (6, 7, vec![]));
                let mut other_as = client.open_with(&[multiprotocol(1, 1), four_octet_as(65103)]);
                other_as.my_as = 65103;
                let mut other = client.connect();
                other.send(&other_as.encode());
                assert_eq!(other.expect_notification(), (6, 7, vec![]));
                let mut other = client.connect();
                other.send(&Open { version: 3, ..opened }.encode());
                assert_eq!(other.expect_notification(), (2, 1, vec![0, 4]));
                old.has(&ALL);
                old.peer.expect_up();
                silent.close();
            },
        ),
        Case::new(
            "RFC 4271, 6.8",
            "without graceful restart: the second ends with N 6/7, the routes stand",
            |client| {
                let mut old = told(client, &client.usual_open());
                let mut second = client.connect();
                second.send(&open(client, R, 120, BOTH).encode());
                assert_eq!(second.expect_notification(), (6, 7, vec![]));
                old.has(&ALL);
                old.peer.expect_up();
            },
        ),
    ];
    run("1.5 Graceful restart: a second connection", &bench(), cases);
}

/// Peers that tell no end, on a daemon that waits 2 seconds for it.
#[test]
fn bounded_by_our_own_time() {
    let config = |place: &Place| {
        config(place).replace("peer_as = ", "graceful_restart = { max_stale_time = \"2s\" }\npeer_as = ")
    };
    let cases = vec![
        Case::new(
            "RFC 4724, 4.2",
            "a restart time of 4095 s is bounded by max_stale_time of 2 s",
            |client| {
                let talk = told(client, &open(client, 0, 4095, BOTH));
                let start = Instant::now();
                talk.peer.close();
                let time = time_to_go(client, start);
                within(time, 2);
                client.note(format!("{} ms", time.as_millis()));
            },
        ),
        Case::new(
            "RFC 4724, 4.2",
            "no End-of-RIB: what was not announced again goes after max_stale_time of 2 s",
            |client| {
                told(client, &open(client, 0, 4095, BOTH)).peer.close();
                left(client, &STALE);
                let start = Instant::now();
                let mut talk = Talk::start_with(client, &open(client, R, 4095, BOTH));
                talk.announce(V4);
                talk.has(&[ALL[0], STALE[1], STALE[2]]);
                let time = talk
                    .peer
                    .until("the stale ones go", || (held(client) == ALL[..1]).then(|| start.elapsed()));
                within(time, 2);
                client.note(format!("{} ms", time.as_millis()));
                talk.peer.expect_up();
            },
        ),
        Case::new("RFC 4724, 4.2", "End-of-RIB of one family only: the other one waits its time", |client| {
            told(client, &open(client, 0, 4095, BOTH)).peer.close();
            left(client, &STALE);
            let start = Instant::now();
            let mut talk = Talk::start_with(client, &open(client, R, 4095, BOTH));
            talk.say(&end_of_rib());
            talk.has(&STALE[2..]);
            let time =
                talk.peer.until("the stale ones go", || held(client).is_empty().then(|| start.elapsed()));
            within(time, 2);
            talk.announce(V4);
            talk.has(&ALL[..1]);
        }),
        Case::new(
            "RFC 7313, 4.1",
            "BoRR and no EoRR: what was not sent again goes after max_stale_time of 2 s",
            |client| {
                let mut talk = told(client, &open_and(client, &[capability(70, &[])]));
                let start = Instant::now();
                talk.say(&crate::wire::route_refresh(1, 1, 1));
                talk.announce("10.244.2.0/26");
                talk.has(&ALL);
                let time = talk.peer.until("what was not sent again goes", || {
                    (held(client) == ALL[1..]).then(|| start.elapsed())
                });
                within(time, 2);
                client.note(format!("{} ms", time.as_millis()));
                // An end that comes late ends nothing.
                talk.announce(V4);
                talk.say(&crate::wire::route_refresh(1, 2, 1));
                talk.has(&ALL);
                talk.peer.expect_up();
            },
        ),
    ];
    run("1.5 Graceful restart: bounds", &Bench::new(config), cases);
}

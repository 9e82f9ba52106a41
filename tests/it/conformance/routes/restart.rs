//! Graceful restart: what becomes of the routes of a node whose session ends, and comes back.

use super::*;
use crate::conformance::{Case, run};
use crate::wire::{
    KEEPALIVE, OPEN, UPDATE, capability, end_of_rib, four_octet_as, graceful_restart, hex, message,
    mp_unreach, multiprotocol, notification,
};

/// Flags of the capability, and of a family in it.
pub(super) const R: u8 = 0x80;
pub(super) const N: u8 = 0x40;
pub(super) const F: u8 = 0x80;
/// Both families, with forwarding state.
pub(super) const BOTH: &[(u16, u8)] = &[(1, F), (2, F)];

pub(super) const V4: &str = "10.244.1.0/26";
const V4_TOO: &str = "10.244.2.0/26";
const V6: &str = "fd00:10:244:1::/122";
pub(super) const ALL: [&str; 3] =
    ["10.244.1.0/26 accepted", "10.244.2.0/26 accepted", "fd00:10:244:1::/122 accepted"];
pub(super) const STALE: [&str; 3] =
    ["10.244.1.0/26 accepted stale", "10.244.2.0/26 accepted stale", "fd00:10:244:1::/122 accepted stale"];

/// An OPEN as BIRD sends it on each start, with this graceful restart capability.
pub(super) fn open(client: &Client<'_>, flags: u8, seconds: u16, families: &[(u16, u8)]) -> Open {
    open_and(client, &[graceful_restart(flags, seconds, families)])
}

pub(super) fn open_and(client: &Client<'_>, more: &[Vec<u8>]) -> Open {
    let usual = [multiprotocol(1, 1), multiprotocol(2, 1), four_octet_as(NODE_AS.into()), capability(2, &[])];
    client.open_with(&[&usual[..], more].concat())
}

/// A session that has told all its routes.
pub(super) fn told<'a>(client: &'a Client<'a>, open: &Open) -> Talk<'a> {
    let mut talk = Talk::start_with(client, open);
    tell(&mut talk);
    talk
}

fn tell(talk: &mut Talk<'_>) {
    talk.announce(&format!("{V4} {V4_TOO}"));
    talk.say(&announce_v6(V6));
    talk.say(&end_of_rib());
    talk.say(&end_of_rib_v6());
    talk.has(&ALL);
}

pub(super) fn end_of_rib_v6() -> Vec<u8> {
    update(&[], &mp_unreach(2, 1, &[]), &[])
}

/// What is held besides markers, whether a session is up or not.
pub(super) fn held(client: &Client<'_>) -> Vec<String> {
    let mut lines = client.table();
    lines.retain(|line| !MARKERS.iter().any(|marker| line.starts_with(marker)));
    lines
}

/// No session is up, and these routes are held.
#[track_caller]
pub(super) fn left(client: &Client<'_>, lines: &[&str]) {
    let start = Instant::now();
    loop {
        let found = held(client);
        let up = client.peer().is_some_and(|peer| peer["state"] == "Established");
        if found == lines && !up {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{found:?} instead of {lines:?}, up: {up}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How long it takes until no route is held.
pub(super) fn time_to_go(client: &Client<'_>, from: Instant) -> Duration {
    eventually("the routes are gone", || held(client).is_empty().then(|| from.elapsed()))
}

/// A time that is to be `seconds`, and a busy machine's delay.
#[track_caller]
pub(super) fn within(time: Duration, seconds: u64) {
    let (least, most) = (Duration::from_secs(seconds), Duration::from_secs(seconds + 3));
    assert!(time >= least && time < most, "{time:?} instead of {seconds} s");
}

#[test]
fn graceful_restarts() {
    let cases = [losses(), returns(), sweeps(), terms()].into_iter().flatten().collect();
    run("1.5 Graceful restart", &bench(), cases);
}

/// The connection is lost.
fn losses() -> Vec<Case> {
    vec![
        Case::new("RFC 4724, 4.2", "FIN: the families of the capability stay, stale", |client| {
            let talk = told(client, &open(client, 0, 120, BOTH));
            talk.peer.close();
            left(client, &STALE);
            // The marker is one of them.
            shows(client, "stale routes", |peer| {
                peer["routes"]["stale"] == 4 && peer["routes"]["accepted"] == 4
            });
            counts(client, "thirdleaf_bgp_stale_routes{afi=\"ipv4\"", 3);
        }),
        Case::new("RFC 4724, 4.2", "RST: the same", |client| {
            let talk = told(client, &open(client, 0, 120, BOTH));
            talk.peer.reset();
            left(client, &STALE);
        }),
        Case::new("RFC 4724, 4.2", "half a message, then FIN: the same", |client| {
            let mut talk = told(client, &open(client, 0, 120, BOTH));
            talk.say(&announce(client.address, V4)[..30]);
            talk.peer.close();
            left(client, &STALE);
        }),
        Case::new("RFC 4724, 4.2", "families that the capability does not name go at once", |client| {
            for (families, lines) in [
                (&[(1, F)][..], &STALE[..2]),
                (&[(2, 0)], &STALE[2..]),
                (&[], &[]),
                (&[(1, F), (25, F)], &STALE[..2]),
            ] {
                told(client, &open(client, 0, 120, families)).peer.close();
                left(client, lines);
            }
        }),
        Case::new(
            "RFC 4724, 4.2",
            "without the capability, or with a malformed one, all go at once",
            |client| {
                for more in [
                    vec![],
                    vec![capability(64, &[])],
                    vec![capability(64, &[0])],
                    vec![capability(64, &hex("0078 0001 01"))],
                ] {
                    told(client, &open_and(client, &more)).peer.close();
                    left(client, &[]);
                }
            },
        ),
        Case::new("RFC 4724, 3", "of two capabilities the last counts", |client| {
            let twice = [graceful_restart(0, 120, BOTH), graceful_restart(0, 120, &[(2, F)])];
            told(client, &open_and(client, &twice)).peer.close();
            left(client, &STALE[2..]);
        }),
        Case::new("RFC 4724, 4.2", "the restart time of 1 s is over: gone", |client| restart_time(client, 1)),
        Case::new("RFC 4724, 4.2", "the restart time of 2 s is over: gone", |client| restart_time(client, 2)),
        Case::new("RFC 4724, 3", "reserved flags beside a restart time of 1 s mean nothing", |client| {
            let talk = told(client, &open(client, 0x30, 1, BOTH));
            let start = Instant::now();
            talk.peer.close();
            within(time_to_go(client, start), 1);
        }),
        Case::new("RFC 4724, 4.2", "a restart time of 0: gone at once", |client| {
            told(client, &open(client, 0, 0, BOTH)).peer.close();
            let time = time_to_go(client, Instant::now());
            within(time, 0);
        }),
    ]
}

/// The node comes back.
fn returns() -> Vec<Case> {
    vec![
        Case::new(
            "RFC 4724, 4.2",
            "new session: a family absent, or F not set: its stale routes go at once",
            |client| {
                for (families, lines) in [
                    (BOTH, &STALE[..]),
                    (&[(1, F)], &STALE[..2]),
                    (&[(1, F), (2, 0)], &STALE[..2]),
                    (&[(2, F)], &STALE[2..]),
                    (&[(1, 0), (2, 0)], &[]),
                    (&[], &[]),
                    // The other bits of a family mean nothing.
                    (&[(1, 0xff), (2, 0x7f)], &STALE[..2]),
                ] {
                    for flags in [0, R, R | N] {
                        told(client, &open(client, 0, 120, BOTH)).peer.close();
                        left(client, &STALE);
                        let mut talk = Talk::start_with(client, &open(client, flags, 120, families));
                        talk.has(lines);
                        talk.say(&[end_of_rib(), end_of_rib_v6()].concat());
                        talk.has(&[]);
                        talk.peer.close();
                        left(client, &[]);
                    }
                }
            },
        ),
        Case::new(
            "RFC 4724, 4.2",
            "new session without the capability: all stale routes go at once",
            |client| {
                told(client, &open(client, 0, 120, BOTH)).peer.close();
                left(client, &STALE);
                Talk::start(client).has(&[]);
            },
        ),
        Case::new(
            "RFC 4724, 4.2",
            "new session without one of the families: its stale routes go at once",
            |client| {
                told(client, &open(client, 0, 120, BOTH)).peer.close();
                left(client, &STALE);
                let only = client.open_with(&[
                    multiprotocol(1, 1),
                    four_octet_as(NODE_AS.into()),
                    graceful_restart(R, 120, BOTH),
                ]);
                Talk::start_with(client, &only).has(&STALE[..2]);
            },
        ),
        Case::new(
            "RFC 4724, 4.2",
            "new session of another BGP identifier or AS: all stale routes go at once",
            |client| {
                let again = open(client, R, 120, BOTH);
                let other_identifier = Open { identifier: Ipv4Addr::new(10, 9, 9, 9), ..again.clone() };
                let mut other_as = client.open_with(&[
                    multiprotocol(1, 1),
                    multiprotocol(2, 1),
                    four_octet_as(65103),
                    graceful_restart(R, 120, BOTH),
                ]);
                other_as.my_as = 65103;
                for other in [other_identifier, other_as] {
                    told(client, &again).peer.close();
                    left(client, &STALE);
                    let mut talk = Talk::start_with(client, &other);
                    talk.has(&[]);
                    talk.say(&notification(6, 2, &[]));
                    drop(talk);
                    left(client, &[]);
                }
            },
        ),
    ]
}

/// It tells its routes again.
fn sweeps() -> Vec<Case> {
    vec![
        Case::new(
            "RFC 4724, 4.2",
            "End-of-RIB removes what was not announced again, family by family",
            end_of_rib_sweeps,
        ),
        Case::new(
            "RFC 4724, 4.2",
            "before End-of-RIB: withdrawn, replaced, treated as withdrawn, new",
            before_end_of_rib,
        ),
        Case::new("RFC 4724, 4.2", "End-of-RIB again, and of families that were not negotiated", |client| {
            told(client, &open(client, 0, 120, BOTH)).peer.close();
            left(client, &STALE);
            let mut talk = Talk::start_with(client, &open(client, R, 120, BOTH));
            talk.say(&update(&[], &mp_unreach(1, 4, &[]), &[]));
            talk.say(&update(&[], &mp_unreach(25, 70, &[]), &[]));
            talk.has(&STALE);
            talk.announce(V4);
            talk.say(&end_of_rib());
            talk.has(&[ALL[0], STALE[2]]);
            talk.say(&end_of_rib());
            talk.has(&[ALL[0], STALE[2]]);
            talk.say(&end_of_rib_v6());
            talk.has(&ALL[..1]);
        }),
        Case::new("RFC 4724, 2", "End-of-RIB of IPv4 as MP_UNREACH, and what only looks like it", |client| {
            told(client, &open(client, 0, 120, BOTH)).peer.close();
            let mut talk = Talk::start_with(client, &open(client, R, 120, BOTH));
            talk.say(&update(&[], &origin(0), &[]));
            talk.say(&update(&[], &[mp_unreach(2, 1, &[]), origin(0)].concat(), &[]));
            talk.say(&update(&[], &mp_reach(2, 1, &V6_NEXT_HOP, &[]), &[]));
            talk.has(&STALE);
            talk.say(&update(&[], &mp_unreach(1, 1, &[]), &[]));
            talk.has(&STALE[2..]);
        }),
        Case::new(
            "RFC 4724, 4.2",
            "restart again while stale: only what was heard again survives",
            again_while_stale,
        ),
        Case::new("RFC 4724, 4.2", "ten restarts in a row leave the exact table", |client| {
            for round in 0..10 {
                let mut talk = Talk::start_with(client, &open(client, R, 120, BOTH));
                talk.announce(&format!("10.244.{round}.0/26"));
                // Those of before are the marker's alone: what is not heard again in two rounds is gone.
                let expected = if round == 0 { 1 } else { 2 };
                assert_eq!(talk.table().len(), expected, "round {round}");
                talk.peer.close();
                left(client, &[&format!("10.244.{round}.0/26 accepted stale")]);
            }
        }),
    ]
}

/// What both sides said of restarts.
fn terms() -> Vec<Case> {
    vec![
        Case::new(
            "RFC 4724, 4.2",
            "connections that do not become a session leave the stale routes alone",
            strangers,
        ),
        Case::new("RFC 4724, 4.1", "R and F on each start, as BIRD sends them: nothing is lost", |client| {
            let mut talk = told(client, &open(client, R, 120, BOTH));
            talk.say(&end_of_rib());
            talk.has(&ALL);
            talk.peer.close();
            left(client, &STALE);
            told(client, &open(client, R, 120, BOTH)).peer.expect_up();
        }),
        Case::new(
            "RFC 4724, 4.1",
            "ours: no family, no time, N; End-of-RIB of each family before anything else",
            ours,
        ),
        Case::new("RFC 4724, 4.2", "nothing to keep: nothing is stale", |client| {
            let talk = Talk::start_with(client, &open(client, 0, 120, BOTH));
            talk.peer.close();
            left(client, &[]);
            let mut talk = Talk::start_with(client, &open(client, R, 120, BOTH));
            talk.say(&end_of_rib());
            talk.announce(V4);
            talk.has(&ALL[..1]);
        }),
        Case::new("RFC 9494, 4.1", "long-lived without graceful restart: ignored", |client| {
            told(client, &open_and(client, &[long_lived()])).peer.close();
            left(client, &[]);
        }),
        Case::new("RFC 9494, 4.2", "long-lived with graceful restart: read, and not honoured", |client| {
            let talk = told(client, &open_and(client, &[graceful_restart(0, 1, BOTH), long_lived()]));
            shows(client, "the capability", |peer| {
                peer["capabilities"].to_string().contains("long-lived-graceful-restart ipv4 3600 s")
            });
            talk.peer.close();
            let time = time_to_go(client, Instant::now());
            within(time, 1);
            client.note(format!("{} ms", time.as_millis()));
        }),
    ]
}

fn long_lived() -> Vec<u8> {
    capability(71, &hex("0001 01 80 000e10 0002 01 80 000e10"))
}

fn restart_time(client: &Client<'_>, seconds: u16) {
    let talk = told(client, &open(client, 0, seconds, BOTH));
    // A little before the program sees it, so that the time is not measured too short.
    let start = Instant::now();
    talk.peer.close();
    let time = time_to_go(client, start);
    within(time, seconds.into());
    client.note(format!("{} ms", time.as_millis()));
    shows(client, "the peer is still known", |_| true);
    told(client, &open(client, R, seconds, BOTH)).peer.expect_up();
}

fn end_of_rib_sweeps(client: &Client<'_>) {
    told(client, &open(client, 0, 120, BOTH)).peer.close();
    left(client, &STALE);
    let mut talk = Talk::start_with(client, &open(client, R, 120, BOTH));
    talk.has(&STALE);
    talk.announce(V4_TOO);
    talk.has(&[STALE[0], ALL[1], STALE[2]]);
    talk.say(&end_of_rib());
    talk.has(&[ALL[1], STALE[2]]);
    talk.announce(V4);
    talk.say(&announce_v6("fd00:10:244:3::/122"));
    talk.say(&end_of_rib_v6());
    talk.has(&[ALL[0], ALL[1], "fd00:10:244:3::/122 accepted"]);
    talk.peer.expect_up();
    shows(client, "nothing is stale", |peer| peer["routes"]["stale"] == 0);
}

fn before_end_of_rib(client: &Client<'_>) {
    let mut talk = told(client, &open(client, 0, 120, BOTH));
    talk.announce("10.244.3.0/26 10.244.4.0/26 10.244.5.0/26");
    talk.routes();
    talk.peer.close();
    let stale = |n: u8| format!("10.244.{n}.0/26 accepted stale");
    left(client, &[STALE[0], STALE[1], &stale(3), &stale(4), &stale(5), STALE[2]]);
    let mut talk = Talk::start_with(client, &open(client, R, 120, BOTH));
    talk.say(&withdraw(V4));
    let bad = [origin(9), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
    talk.say(&update(&[], &bad, &nlri("10.244.3.0/26")));
    let long = [origin(0), as_path(&[NODE_AS.into(), 65110]), next_hop(client.address)].concat();
    talk.say(&update(&[], &long, &nlri("10.244.4.0/26")));
    talk.announce("10.244.6.0/26 10.244.5.0/26");
    talk.say(&update(&[], &mp_unreach(2, 1, &nlri(V6)), &[]));
    let heard =
        ["10.244.4.0/26 rejected as_path_too_long", "10.244.5.0/26 accepted", "10.244.6.0/26 accepted"];
    talk.has(&[&[STALE[1]], &heard[..]].concat());
    talk.say(&[end_of_rib(), end_of_rib_v6()].concat());
    talk.has(&heard);
    talk.peer.expect_up();
}

fn again_while_stale(client: &Client<'_>) {
    let opened = open(client, R, 120, BOTH);
    told(client, &opened).peer.close();
    left(client, &STALE);
    let mut talk = Talk::start_with(client, &opened);
    talk.announce(V4);
    talk.has(&[ALL[0], STALE[1], STALE[2]]);
    talk.peer.reset();
    left(client, &STALE[..1]);
    // Once more with nothing heard at all, then back with the rest of its time.
    let mut talk = Talk::start_with(client, &opened);
    talk.has(&STALE[..1]);
    talk.announce(V4_TOO);
    talk.has(&[STALE[0], ALL[1]]);
    talk.peer.close();
    left(client, &[STALE[1]]);
    let mut talk = Talk::start_with(client, &opened);
    talk.announce(V4_TOO);
    talk.say(&end_of_rib());
    talk.has(&[ALL[1]]);
    talk.peer.expect_up();
}

fn strangers(client: &Client<'_>) {
    told(client, &open(client, 0, 120, BOTH)).peer.close();
    left(client, &STALE);
    client.connect().close();
    let mut silent = client.connect();
    silent.send(b"\xff\xff");
    silent.reset();
    let mut peer = client.connect();
    peer.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(peer.expect_notification(), (1, 1, vec![]));
    let mut other = client.usual_open();
    other.my_as = 65200;
    other.parameters = Vec::new();
    let mut peer = client.connect();
    peer.send(&other.encode());
    assert_eq!(peer.expect_notification().0, 2);
    // Its OPEN is valid, and it goes before the session is up.
    let mut peer = client.connect();
    peer.open(&client.usual_open().encode());
    peer.close();
    left(client, &STALE);
    Talk::start_with(client, &open(client, R, 120, BOTH)).has(&STALE);
}

fn ours(client: &Client<'_>) {
    let mut peer = client.connect();
    peer.send(&open(client, R, 120, BOTH).encode());
    let body = peer.expect(OPEN);
    let capability = capability(64, &[N, 0]);
    assert!(body.windows(4).any(|window| window == capability), "{body:02x?}");
    peer.expect(KEEPALIVE);
    peer.send(&crate::wire::keepalive());
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match peer.hear(PATIENCE) {
            Heard::Message(UPDATE, body) => heard.push(message(UPDATE, &body)),
            other => panic!("{other:?} before End-of-RIB"),
        }
    }
    heard.sort();
    let short = update(&[], &hex("80 0f 03 000201"), &[]);
    assert_eq!(heard, [end_of_rib(), short]);
}

//! 1.3: the hold timer, our own cadence, and how long we wait for an OPEN.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Bench, Case, Client, Place, announce, down, figure, holds, route, run, unknown, up};
use crate::peer::{Heard, Peer};
use crate::wire::{
    KEEPALIVE, NOTIFICATION, OPEN, OPTIONAL, ROUTE_REFRESH, TRANSITIVE, UPDATE, attribute, claiming,
    end_of_rib, keepalive, nlri, origin, route_refresh, update,
};

/// When a hold time of 3 seconds may be found over.
const EXPIRY: Range<Duration> = Duration::from_secs(3)..Duration::from_millis(4500);
/// How long a connection may stay without an OPEN, for one that measures it from outside.
const WITHOUT_OPEN: Range<Duration> = Duration::from_secs(8)..Duration::from_secs(10);
const SOURCE: &str = "RFC 4271, 6.5";
const TICK: Duration = Duration::from_millis(500);

#[test]
fn hold_timer() {
    let bench = Bench::new(Place::config);
    let mut cases = expiries();
    cases.extend(unfinished());
    cases.extend(no_sign_of_life());
    cases.extend(agreed());
    cases.extend(alive());
    run("1.3 Hold timer", &bench, cases);
}

#[test]
fn no_open() {
    let bench = Bench::new(Place::config);
    run("1.3 No OPEN", &bench, silent());
}

#[test]
fn hold_times() {
    let bench = Bench::new(|place| place.config() + &place.range_of_cases("hold_time = \"90s\""));
    run("1.3 Hold time of 90 s", &bench, of_ninety());
    let bench = Bench::new(|place| place.config() + &place.range_of_cases("hold_time = \"0s\""));
    run("1.3 No hold time", &bench, of_none());
}

/// N 4/0 comes when 3 seconds are over since `start`, and not before.
fn expires(client: &Client<'_>, peer: &mut Peer, start: Instant) {
    loop {
        match peer.hear(Duration::from_secs(10)) {
            Heard::Message(NOTIFICATION, body) => {
                assert_eq!(body, [4, 0]);
                break;
            }
            Heard::Message(..) => {}
            other => panic!("instead of a NOTIFICATION: {other:?}"),
        }
    }
    let elapsed = start.elapsed();
    figure(client, "after", elapsed);
    assert!(EXPIRY.contains(&elapsed), "after {elapsed:?}");
    peer.finish();
    peer.expect_silent_close();
}

fn expiries() -> Vec<Case> {
    vec![
        Case::new(SOURCE, "silence in Established: 4/0, the routes are gone", |client| {
            let mut peer = client.establish();
            announce(client, &mut peer);
            peer.fall_silent();
            let start = Instant::now();
            peer.send(&keepalive());
            expires(client, &mut peer, start);
            down(client, "hold timer expired");
            assert_eq!(client.peer().unwrap()["resets"], 1);
        }),
        Case::new(SOURCE, "silence after the KEEPALIVE that confirms: 4/0", |client| {
            let mut peer = client.connect();
            peer.open(&client.usual_open().encode());
            let start = Instant::now();
            peer.send(&keepalive());
            expires(client, &mut peer, start);
            down(client, "hold timer expired");
        }),
        Case::new(SOURCE, "silence in OpenConfirm: 4/0", |client| {
            let mut peer = client.connect();
            peer.expect(OPEN);
            let start = Instant::now();
            peer.send(&client.usual_open().encode());
            expires(client, &mut peer, start);
            unknown(client);
        }),
        Case::new(SOURCE, "half a KEEPALIVE in OpenConfirm: 4/0", |client| {
            let mut peer = client.connect();
            peer.expect(OPEN);
            let start = Instant::now();
            peer.send(&client.usual_open().encode());
            peer.send(&keepalive()[..18]);
            expires(client, &mut peer, start);
            unknown(client);
        }),
        Case::new(SOURCE, "silence after an UPDATE: 4/0", |client| {
            let mut peer = client.establish();
            peer.fall_silent();
            let start = Instant::now();
            peer.send(&route(client));
            expires(client, &mut peer, start);
            down(client, "hold timer expired");
        }),
    ]
}

/// An unfinished message.
type Half = (&'static str, fn(&Client<'_>) -> Vec<u8>);

/// What is buffered is no sign of life.
fn unfinished() -> Vec<Case> {
    let mut cases = Vec::new();
    let halves: [Half; 5] = [
        ("one octet", |_| vec![0xff]),
        ("a header without its body", |_| claiming(UPDATE, 100, &[])),
        ("an UPDATE without its last octet", |client| {
            let mut update = route(client);
            update.pop();
            update
        }),
        ("64 kB of an UPDATE without its last octet", |_| claiming(UPDATE, 65535, &vec![0; 65535 - 20])),
        ("half a ROUTE-REFRESH", |_| claiming(ROUTE_REFRESH, 23, &[0, 1])),
    ];
    for (what, half) in halves {
        cases.push(Case::new(SOURCE, format!("{what} is buffered, then silence: 4/0"), move |client| {
            let mut peer = client.establish();
            announce(client, &mut peer);
            peer.fall_silent();
            let start = Instant::now();
            peer.send(&[keepalive(), half(client)].concat());
            expires(client, &mut peer, start);
            down(client, "hold timer expired");
        }));
    }
    cases
}

/// What does not re-arm the timer, cut into pieces of so many octets.
type Futile = (&'static str, fn() -> Vec<u8>, usize);

fn no_sign_of_life() -> Vec<Case> {
    let mut cases = Vec::new();
    let futile: [Futile; 3] = [
        ("one UPDATE that trickles in, octet by octet", || claiming(UPDATE, 1000, &[0; 981]), 1),
        ("one KEEPALIVE that trickles in, octet by octet", keepalive, 1),
        (
            "ROUTE-REFRESH twice a second: no sign of life (only UPDATE and KEEPALIVE are)",
            || route_refresh(1, 0, 1).repeat(20),
            23,
        ),
    ];
    for (what, octets, step) in futile {
        cases.push(Case::new("RFC 4271, 8.2.2", format!("{what}: 4/0"), move |client| {
            let mut peer = client.establish();
            announce(client, &mut peer);
            peer.fall_silent();
            let start = Instant::now();
            peer.send(&keepalive());
            for octets in octets().chunks(step).take(5) {
                peer.send(octets);
                std::thread::sleep(TICK);
            }
            expires(client, &mut peer, start);
            down(client, "hold timer expired");
        }));
    }
    cases
}

fn agreed() -> Vec<Case> {
    let mut cases = Vec::new();
    for (theirs, ours) in [(4_u16, 3), (3, 3), (240, 3), (65535, 3)] {
        cases.push(Case::new(
            "RFC 4271, 4.2",
            format!("hold time {theirs}: the smaller one, {ours}, counts"),
            move |client| {
                let mut open = client.usual_open();
                open.hold_time = theirs;
                let mut peer = client.establish_with(&open);
                assert_eq!(up(client, &mut peer)["hold_time"], ours);
                peer.fall_silent();
                let start = Instant::now();
                peer.send(&keepalive());
                expires(client, &mut peer, start);
            },
        ));
    }
    cases
}

/// Sends what is given twice a second for longer than the hold time; the session lives.
fn lives_on(trigger: &str, octets: impl Fn(&Client<'_>) -> Vec<u8> + Send + Sync + 'static) -> Case {
    Case::new("RFC 4271, 8.2.2", trigger, move |client| {
        let mut peer = client.establish();
        peer.fall_silent();
        for _ in 0..10 {
            peer.send(&octets(client));
            assert_eq!(peer.until_end(TICK), None, "the session ended");
        }
        up(client, &mut peer);
    })
}

fn alive() -> Vec<Case> {
    let mut cases = vec![
        lives_on("KEEPALIVE alone keeps the session", |_| keepalive()),
        lives_on("UPDATE alone keeps the session", route),
        lives_on("End-of-RIB alone keeps the session", |_| end_of_rib()),
        lives_on("an UPDATE with errors (treated as withdrawal) keeps the session", |client| {
            let malformed = attribute(TRANSITIVE, 1, &[9]);
            update(&[], &[malformed, attribute(OPTIONAL, 99, &[])].concat(), &nlri(&super::block(client)))
        }),
        lives_on("an UPDATE of withdrawals alone keeps the session", |client| {
            update(&nlri(&super::block(client)), &[], &[])
        }),
    ];
    cases.push(Case::new(
        "RFC 4271, 4.4",
        "our KEEPALIVEs at hold time 3: one a second, gap 2 s at most",
        |client| {
            let mut peer = client.establish();
            cadence(client, &mut peer, |_| ());
        },
    ));
    cases.push(Case::new("RFC 4271, 4.4", "the same while routes come without a pause", |client| {
        let mut peer = client.establish();
        let routes: Vec<u8> = (0..50)
            .flat_map(|_| [route(client), update(&nlri(&super::block(client)), &[], &[])].concat())
            .collect();
        cadence(client, &mut peer, |peer| peer.send(&routes));
        announce(client, &mut peer);
    }));
    cases.push(Case::new("RFC 4271, 4.4", "the same while half a message is buffered", |client| {
        let mut peer = client.establish();
        let message = update(&[], &[origin(0)].concat(), &[]);
        let mut octets = message.iter().cycle();
        peer.fall_silent();
        // 27 octets an UPDATE: each second brings one to its end, and most of the time one is under way.
        cadence(client, &mut peer, |peer| {
            peer.send(&[*octets.next().unwrap()]);
            std::thread::sleep(Duration::from_millis(20));
        });
    }));
    cases.push(Case::new(
        "RFC 4271, 4.4",
        "our KEEPALIVEs in OpenConfirm: the first at once, then one a second",
        |client| {
            let mut peer = client.connect();
            peer.open(&client.usual_open().encode());
            let start = Instant::now();
            for _ in 0..2 {
                peer.expect(KEEPALIVE);
            }
            assert!(start.elapsed() > Duration::from_millis(1500), "{:?}", start.elapsed());
            peer.confirm();
            up(client, &mut peer);
        },
    ));
    cases
}

/// Looks at the KEEPALIVEs of 5 seconds, doing something all the time.
fn cadence(client: &Client<'_>, peer: &mut Peer, mut busy: impl FnMut(&mut Peer)) {
    peer.expect_up();
    let start = Instant::now();
    let mut last = start;
    let (mut count, mut largest) = (0_u32, Duration::ZERO);
    while start.elapsed() < Duration::from_secs(5) {
        busy(peer);
        match peer.hear(Duration::from_millis(10)) {
            Heard::Message(KEEPALIVE, _) => {
                largest = largest.max(last.elapsed());
                last = Instant::now();
                count += 1;
            }
            Heard::Message(UPDATE, _) | Heard::Nothing => {}
            other => panic!("{other:?}"),
        }
    }
    largest = largest.max(last.elapsed());
    figure(client, "largest gap", largest);
    assert!(largest <= super::super::GAP, "{largest:?}");
    assert!((3..=6).contains(&count), "{count} in 5 s");
}

fn silent() -> Vec<Case> {
    let mut cases = vec![
        Case::new("RFC 4271, 8.2.2", "no OPEN: 4/0 within 10 s", |client| {
            let start = Instant::now();
            let mut peer = client.connect();
            without_open(client, &mut peer, start);
        }),
        Case::new("RFC 4271, 8.2.2", "an OPEN that trickles in, octet by octet: 4/0 within 10 s", |client| {
            let start = Instant::now();
            let mut peer = client.connect();
            for octet in client.usual_open().encode().iter().take(14) {
                peer.send(&[*octet]);
                std::thread::sleep(TICK);
            }
            without_open(client, &mut peer, start);
        }),
        Case::new("RFC 4271, 8.2.2", "an OPEN without its last octet: 4/0 within 10 s", |client| {
            let start = Instant::now();
            let mut peer = client.connect();
            let open = client.usual_open().encode();
            peer.send(&open[..open.len() - 1]);
            without_open(client, &mut peer, start);
        }),
        Case::new(
            "RFC 4271, 8.2.2",
            "no hold time, no KEEPALIVE in OpenConfirm: 4/0 within 10 s",
            |client| {
                let start = Instant::now();
                let mut peer = client.connect();
                let mut open = client.usual_open();
                open.hold_time = 0;
                peer.open(&open.encode());
                without_open(client, &mut peer, start);
            },
        ),
        Case::new("RFC 4271, 8.2.2", "an OPEN after 7 s: up", |client| {
            let mut peer = client.connect();
            peer.expect(OPEN);
            assert_eq!(peer.hear(Duration::from_secs(7)), Heard::Nothing);
            peer.send(&client.usual_open().encode());
            peer.expect(KEEPALIVE);
            peer.confirm();
            peer.expect_up();
        }),
    ];
    for count in [1_usize, 2, 3, 4, 10, 100] {
        let trigger = format!("{count} silent connections do not delay the same address' next one");
        cases.push(Case::new("ours", trigger, move |client| {
            let mut silent: Vec<Peer> = (0..count).map(|_| client.connect()).collect();
            let start = Instant::now();
            let mut peer = client.establish();
            figure(client, "up after", start.elapsed());
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            announce(client, &mut peer);
            let gone = count.saturating_sub(3);
            // At most four may be silent: the oldest ones had to go, and were told.
            for evicted in silent.iter_mut().take(gone) {
                assert_eq!(evicted.expect_notification(), (6, 8, vec![]));
            }
            for left in silent.iter_mut().skip(gone) {
                left.expect(OPEN);
                left.send(&client.usual_open().encode());
                assert_eq!(left.expect_notification(), (6, 7, vec![]), "it was still there");
            }
            holds(client, &mut peer);
            peer.expect_up();
        }));
    }
    cases
}

fn without_open(client: &Client<'_>, peer: &mut Peer, start: Instant) {
    assert_eq!(peer.expect_notification(), (4, 0, vec![]));
    figure(client, "after", start.elapsed());
    assert!(WITHOUT_OPEN.contains(&start.elapsed()), "after {:?}", start.elapsed());
    unknown(client);
}

/// A session with this hold time in the peer's OPEN.
fn with_theirs(client: &Client<'_>, hold_time: u16) -> Peer {
    let mut open = client.usual_open();
    open.hold_time = hold_time;
    client.establish_with(&open)
}

fn of_ninety() -> Vec<Case> {
    let mut cases = vec![
        Case::new("RFC 4271, 4.2", "the OPEN says 90", |client| {
            let mut peer = client.connect();
            let open = peer.expect(OPEN);
            assert_eq!(open[..5], [4, 254, 77, 0, 90], "version, AS 65101, hold time");
        }),
        Case::new("RFC 4271, 4.4", "hold time 90: no KEEPALIVE for 5 s, none asked of the peer", |client| {
            let mut peer = with_theirs(client, 90);
            peer.fall_silent();
            assert_eq!(up(client, &mut peer)["hold_time"], 90);
            quiet(&mut peer);
            announce(client, &mut peer);
        }),
        Case::new("RFC 4271, 4.2", "hold time 0: no KEEPALIVE, none asked of the peer", |client| {
            let mut peer = with_theirs(client, 0);
            peer.fall_silent();
            assert_eq!(up(client, &mut peer)["hold_time"], 0);
            quiet(&mut peer);
            announce(client, &mut peer);
        }),
        Case::new("RFC 4271, 6.5", "hold time 3 of the peer: 4/0 after 3 s", |client| {
            let mut peer = with_theirs(client, 3);
            assert_eq!(up(client, &mut peer)["hold_time"], 3);
            peer.fall_silent();
            let start = Instant::now();
            peer.send(&keepalive());
            expires(client, &mut peer, start);
        }),
    ];
    for (hold_time, gap) in [(4_u16, 1.0), (6, 2.0), (9, 3.0)] {
        let trigger = format!("hold time {hold_time}: a KEEPALIVE every {gap} s");
        cases.push(Case::new("RFC 4271, 4.4", trigger, move |client| {
            let mut peer = with_theirs(client, hold_time);
            peer.expect_up();
            let start = Instant::now();
            peer.expect(KEEPALIVE);
            figure(client, "gap", start.elapsed());
            let gap = Duration::from_secs_f64(gap);
            let range = gap.mul_f64(0.75).saturating_sub(Duration::from_millis(250))
                ..gap + Duration::from_millis(900);
            assert!(range.contains(&start.elapsed()), "{:?}", start.elapsed());
        }));
    }
    cases
}

fn of_none() -> Vec<Case> {
    let mut cases = Vec::new();
    for theirs in [0, 3, 90] {
        let trigger = format!("ours is 0, the peer's {theirs}: no KEEPALIVE, no expiry");
        cases.push(Case::new("RFC 4271, 4.2", trigger, move |client| {
            let mut peer = with_theirs(client, theirs);
            peer.fall_silent();
            assert_eq!(up(client, &mut peer)["hold_time"], 0);
            quiet(&mut peer);
            announce(client, &mut peer);
            assert_eq!(client.peer().unwrap()["state"], "Established");
        }));
    }
    cases
}

/// Nothing but what a session begins with comes for 5 seconds.
fn quiet(peer: &mut Peer) {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        match peer.hear(end.saturating_duration_since(Instant::now())) {
            Heard::Nothing | Heard::Message(UPDATE, _) => {}
            other => panic!("{other:?}"),
        }
    }
}

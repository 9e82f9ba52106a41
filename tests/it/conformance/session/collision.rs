//! 1.3: a second connection of one peer (RFC 4271, 6.8; RFC 4724, 5).

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use super::{Bench, Case, Client, NODE_AS, Place, announce, block, holds, route, run, up};
use crate::peer::{Heard, Peer};
use crate::run::eventually;
use crate::wire::{
    KEEPALIVE, NOTIFICATION, OPEN, Open, end_of_rib, four_octet_as, graceful_restart, keepalive,
    multiprotocol, notification,
};

/// Below the leaf's identifier, which is in 127/8, and above it.
const LOWER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HIGHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const COLLISION: (u8, u8, Vec<u8>) = (6, 7, vec![]);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// No time to be told of anything that comes at once.
const MOMENT: Duration = Duration::from_millis(200);

#[test]
fn second_connections() {
    let bench = Bench::new(Place::config);
    let mut cases = without_restart();
    cases.extend(with_restart());
    cases.extend(confirming());
    run("1.3 Second connection", &bench, cases);
}

#[test]
fn dialled_connections() {
    let hosts = 10..16;
    let bench = Bench::new(|place| {
        let dialled = hosts.clone().map(|host| {
            let address = place.host(host);
            format!("[[neighbors]]\nleaf = \"rack1\"\nrange = \"{address}/32\"\npeer_as = [\"65102\"]\npassive = false\nport = 1790\n")
        });
        place.config() + &dialled.collect::<String>()
    });
    run("1.3 Collision with a connection of ours", &bench, dialled());
}

fn restarting(client: &Client<'_>) -> Open {
    let restart = graceful_restart(0, 120, &[(1, 0x80), (2, 0x80)]);
    client.open_with(&[multiprotocol(1, 1), multiprotocol(2, 1), restart, four_octet_as(NODE_AS.into())])
}

fn usual(client: &Client<'_>) -> Open {
    client.usual_open()
}

fn with(identifier: Ipv4Addr, open: Open) -> Open {
    Open { identifier, ..open }
}

/// Sends this OPEN over another connection.
fn second(client: &Client<'_>, open: &Open) -> Peer {
    let mut peer = client.connect();
    peer.expect(OPEN);
    peer.send(&open.encode());
    peer
}

/// The first session is what it was.
fn untouched(client: &Client<'_>, first: &mut Peer) {
    first.expect_up();
    holds(client, first);
    let api = up(client, first);
    assert_eq!(api["resets"], 0, "{api}");
}

/// What a second connection may be up to that gets it nowhere; what it is told in the end, if anything.
type Attempt = (&'static str, fn(&Client<'_>, fn(&Client<'_>) -> Open) -> (Peer, Option<(u8, u8)>));

const ATTEMPTS: [Attempt; 11] = [
    ("with another identifier", |client, open| (second(client, &with(HIGHER, open(client))), Some((6, 7)))),
    ("with a lower identifier", |client, open| (second(client, &with(LOWER, open(client))), Some((6, 7)))),
    ("with another AS that is permitted", |client, _| {
        let open = Open { my_as: 65103, ..client.open_with(&[multiprotocol(1, 1), four_octet_as(65103)]) };
        (second(client, &open), Some((6, 7)))
    }),
    ("with an AS that is not", |client, _| {
        (second(client, &Open { my_as: 65300, ..client.open_with(&[]) }), Some((2, 2)))
    }),
    ("with version 3", |client, open| (second(client, &Open { version: 3, ..open(client) }), Some((2, 1)))),
    ("with hold time 1", |client, open| {
        (second(client, &Open { hold_time: 1, ..open(client) }), Some((2, 6)))
    }),
    ("with an OPEN whose capabilities overrun", |client, open| {
        let mut peer = client.connect();
        let open = open(client);
        peer.send(&open.claiming(255));
        (peer, Some((2, 0)))
    }),
    ("with garbage", |client, _| {
        let mut peer = client.connect();
        peer.send(b"GET / HTTP/1.1\r\n\r\n");
        (peer, Some((1, 1)))
    }),
    ("with KEEPALIVE instead of OPEN", |client, _| {
        let mut peer = client.connect();
        peer.send(&keepalive());
        (peer, Some((5, 1)))
    }),
    ("with NOTIFICATION", |client, _| {
        let mut peer = client.connect();
        peer.send(&notification(6, 2, &[]));
        (peer, None)
    }),
    ("that closes at once", |client, _| {
        client.connect().reset();
        let mut peer = client.connect();
        peer.finish();
        (peer, None)
    }),
];

fn attempts(kind: &str, source: &'static str, open: fn(&Client<'_>) -> Open) -> Vec<Case> {
    ATTEMPTS
        .into_iter()
        .map(|(what, attempt)| {
            Case::new(
                source,
                format!("{kind}: a second connection {what}; the first is untouched"),
                move |client| {
                    let mut first = client.establish_with(&open(client));
                    announce(client, &mut first);
                    let (mut second, told) = attempt(client, open);
                    match told {
                        Some(told) => {
                            let (code, subcode, _) = second.expect_notification();
                            assert_eq!((code, subcode), told);
                        }
                        None => second.expect_silent_close(),
                    }
                    untouched(client, &mut first);
                },
            )
        })
        .collect()
}

fn without_restart() -> Vec<Case> {
    const SOURCE: &str = "RFC 4271, 6.8";
    let mut cases = attempts("no graceful restart", SOURCE, usual);
    cases.push(Case::new(
        SOURCE,
        "no graceful restart: a second connection with the same OPEN gets 6/7",
        |client| {
            let mut first = client.establish();
            announce(client, &mut first);
            for _ in 0..3 {
                assert_eq!(second(client, &client.usual_open()).expect_notification(), COLLISION);
            }
            untouched(client, &mut first);
        },
    ));
    cases.push(Case::new(
        SOURCE,
        "no graceful restart: the first session had none, the second OPEN has: 6/7",
        |client| {
            let mut first = client.establish();
            announce(client, &mut first);
            assert_eq!(second(client, &restarting(client)).expect_notification(), COLLISION);
            untouched(client, &mut first);
        },
    ));
    cases.push(Case::new(SOURCE, "20 silent connections beside a session: it is untouched", |client| {
        let mut first = client.establish();
        announce(client, &mut first);
        let _silent: Vec<Peer> = (0..20).map(|_| client.connect()).collect();
        untouched(client, &mut first);
    }));
    cases.push(Case::new(SOURCE, "refused with 6/7, and let in once the first is gone", |client| {
        let first = client.establish();
        assert_eq!(second(client, &client.usual_open()).expect_notification(), COLLISION);
        first.close();
        eventually("it is down", || (client.peer()?["state"] != "Established").then_some(()));
        client.establish().expect_up();
    }));
    cases
}

fn with_restart() -> Vec<Case> {
    const SOURCE: &str = "RFC 4724, 5";
    let mut cases = attempts("graceful restart", SOURCE, restarting);
    cases.push(Case::new(
        SOURCE,
        "graceful restart: a second connection that says nothing changes nothing",
        |client| {
            let mut first = client.establish_with(&restarting(client));
            announce(client, &mut first);
            let mut silent = client.connect();
            silent.expect(OPEN);
            assert_eq!(silent.hear(MOMENT), Heard::Nothing);
            untouched(client, &mut first);
        },
    ));
    cases.push(Case::new(
        SOURCE,
        "graceful restart: the same OPEN ends the first in silence, its routes are stale",
        |client| {
            let mut first = client.establish_with(&restarting(client));
            announce(client, &mut first);
            let mut new = second(client, &restarting(client));
            first.expect_silent_close();
            new.expect(KEEPALIVE);
            let stale = [format!("{} accepted stale", block(client))];
            new.until("the route is stale", || (client.table() == stale).then_some(()));
            new.confirm();
            up(client, &mut new);
            assert_eq!(client.table(), stale);
            new.send(&[route(client), end_of_rib()].concat());
            holds(client, &mut new);
            new.expect_up();
        },
    ));
    cases.push(Case::new(
        SOURCE,
        "graceful restart: the same, all in one segment; what is not said again is gone",
        |client| {
            let mut first = client.establish_with(&restarting(client));
            announce(client, &mut first);
            let mut new = client.connect();
            new.send(&[restarting(client).encode(), keepalive(), end_of_rib()].concat());
            first.expect_silent_close();
            new.until("the route is gone", || client.table().is_empty().then_some(()));
            new.send(&keepalive());
            up(client, &mut new);
        },
    ));
    cases.push(Case::new(SOURCE, "graceful restart: again and again, 20 times", |client| {
        let mut current = client.establish_with(&restarting(client));
        for _ in 0..20 {
            announce(client, &mut current);
            let mut new = second(client, &restarting(client));
            current.expect_silent_close();
            new.expect(KEEPALIVE);
            new.confirm();
            current = new;
        }
        announce(client, &mut current);
        current.expect_up();
    }));
    cases.push(Case::new(
        SOURCE,
        "graceful restart: the second goes before its KEEPALIVE; stale for the restart time",
        |client| {
            let restart = graceful_restart(0, 2, &[(1, 0x80)]);
            let open = client.open_with(&[multiprotocol(1, 1), restart, four_octet_as(NODE_AS.into())]);
            let mut first = client.establish_with(&open);
            announce(client, &mut first);
            let mut new = second(client, &open);
            first.expect_silent_close();
            new.expect(KEEPALIVE);
            eventually("the route is stale", || {
                (client.table() == [format!("{} accepted stale", block(client))]).then_some(())
            });
            new.close();
            eventually("the route is gone", || client.table().is_empty().then_some(()));
        },
    ));
    cases
}

/// One of several connections of one peer.
struct Rival {
    peer: Peer,
    /// The NOTIFICATION that ended it.
    told: Option<Vec<u8>>,
}

impl Rival {
    /// Connections that have all heard our OPEN.
    fn several(client: &Client<'_>, count: usize) -> Vec<Self> {
        let silent = || {
            let mut peer = client.connect();
            peer.expect(OPEN);
            Self { peer, told: None }
        };
        (0..count).map(|_| silent()).collect()
    }

    /// What lost may have got its KEEPALIVE before. Whether anything came.
    fn listen(&mut self, within: Duration) -> bool {
        match self.peer.hear(within) {
            Heard::Message(KEEPALIVE, _) => true,
            Heard::Message(NOTIFICATION, body) => {
                self.told = Some(body);
                true
            }
            Heard::Nothing => false,
            other => panic!("{other:?}"),
        }
    }

    /// Of those that have all sent a valid OPEN, the one left and its place; 6/7 came to the others.
    fn survivor(mut rivals: Vec<Self>) -> (usize, Peer) {
        let start = Instant::now();
        while rivals.iter().filter(|rival| rival.told.is_none()).count() > 1 {
            assert!(start.elapsed() < PATIENCE, "more than one survives");
            for rival in rivals.iter_mut().filter(|rival| rival.told.is_none()) {
                rival.listen(Duration::from_millis(10));
            }
        }
        let left = rivals.iter().position(|rival| rival.told.is_none()).expect("one survives");
        let mut survivor = rivals.remove(left);
        assert!(rivals.iter().all(|rival| rival.told.as_deref() == Some(&[6, 7])));
        while survivor.listen(MOMENT) {
            assert_eq!(survivor.told, None, "none survives");
        }
        (left, survivor.peer)
    }
}

/// Whose identifier a peer has, and whether the last of its connections survives.
type Identified = (&'static str, fn(&Client<'_>) -> Ipv4Addr, bool);

fn confirming() -> Vec<Case> {
    const SOURCE: &str = "RFC 4271, 6.8; 6286, 2.3";
    let mut cases = Vec::new();
    for count in [2, 3, 4] {
        let rows: [Identified; 3] = [
            ("the peer's identifier is lower: the first stays, 6/7 to the others", |_| LOWER, false),
            ("the peer's identifier is higher: the last stays, 6/7 to the others", |_| HIGHER, true),
            (
                "equal identifiers, the peer's AS is higher: the last stays",
                |client| client.bench.leaf(),
                true,
            ),
        ];
        for (what, identifier, last) in rows {
            cases.push(Case::new(
                SOURCE,
                format!("{count} connections in OpenConfirm, {what}"),
                move |client| {
                    let open = with(identifier(client), client.usual_open()).encode();
                    let mut rivals = Rival::several(client, count);
                    for rival in &mut rivals {
                        rival.peer.send(&open);
                        assert!(rival.listen(PATIENCE), "no answer");
                    }
                    let (left, mut peer) = Rival::survivor(rivals);
                    assert_eq!(left, if last { count - 1 } else { 0 });
                    peer.confirm();
                    announce(client, &mut peer);
                    peer.expect_up();
                },
            ));
        }
    }
    for (what, identifier) in [("lower", LOWER), ("higher", HIGHER)] {
        let trigger =
            format!("4 connections, their OPENs at the same moment, a {what} identifier: one survives");
        cases.push(Case::new(SOURCE, trigger, move |client| {
            for _ in 0..5 {
                let mut rivals = Rival::several(client, 4);
                let open = with(identifier, client.usual_open()).encode();
                for rival in &mut rivals {
                    rival.peer.send(&open);
                }
                let (_, mut peer) = Rival::survivor(rivals);
                peer.confirm();
                up(client, &mut peer);
                peer.close();
                eventually("it is down", || (client.peer()?["state"] != "Established").then_some(()));
            }
        }));
    }
    cases.push(Case::new(SOURCE, "garbage beside a connection in OpenConfirm: it is untouched", |client| {
        let mut first = client.connect();
        first.open(&client.usual_open().encode());
        let mut other = client.connect();
        other.send(&[0; 40]);
        assert_eq!(other.expect_notification(), (1, 1, vec![]));
        first.confirm();
        announce(client, &mut first);
        first.expect_up();
    }));
    cases.push(Case::new(SOURCE, "ours is sent to both before either OPEN comes", |client| {
        let mut both = [client.connect(), client.connect()];
        let opens = both.each_mut().map(|peer| peer.expect(OPEN));
        assert_eq!(opens[0], opens[1]);
    }));
    cases
}

/// Waits for the program to dial this client.
fn dialled_by(client: &Client<'_>) -> Peer {
    let listener = TcpListener::bind((client.address, 1790)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (stream, from) = eventually("it dials", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    assert_eq!(from.ip(), client.bench.leaf());
    Peer::over(stream).unwrap()
}

fn dialled() -> Vec<Case> {
    const SOURCE: &str = "RFC 4271, 6.8";
    let mut cases = vec![Case::new(SOURCE, "a connection of ours comes up as any other", |client| {
        let mut peer = dialled_by(client);
        peer.open(&client.usual_open().encode());
        peer.confirm();
        announce(client, &mut peer);
        peer.expect_up();
    })];
    for (identifier, ours_stays) in [(LOWER, true), (HIGHER, false)] {
        for ours_first in [true, false] {
            let (which, stays) = (
                if identifier == LOWER { "lower" } else { "higher" },
                if ours_stays { "the one we opened" } else { "the one the peer opened" },
            );
            let order = if ours_first { "ours first" } else { "the peer's first" };
            let trigger =
                format!("both in OpenConfirm ({order}), the peer's identifier is {which}: {stays} stays");
            cases.push(Case::new(SOURCE, trigger, move |client| {
                let open = with(identifier, client.usual_open()).encode();
                let (mut ours, mut theirs) = (dialled_by(client), client.connect());
                ours.expect(OPEN);
                theirs.expect(OPEN);
                let (first, second) =
                    if ours_first { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
                first.send(&open);
                first.expect(KEEPALIVE);
                second.send(&open);
                let (mut stays, mut goes) = if ours_stays { (ours, theirs) } else { (theirs, ours) };
                assert_eq!(goes.expect_notification(), COLLISION);
                stays.confirm();
                announce(client, &mut stays);
                stays.expect_up();
            }));
        }
    }
    cases.push(Case::new(
        SOURCE,
        "a connection of ours that is refused does not touch the peer's session",
        |client| {
            let mut ours = dialled_by(client);
            let mut theirs = client.establish();
            announce(client, &mut theirs);
            ours.send(&client.usual_open().encode());
            assert_eq!(ours.expect_notification(), COLLISION);
            untouched(client, &mut theirs);
        },
    ));
    cases
}

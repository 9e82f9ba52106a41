//! 1.3: the connection goes, and with it the routes.

use std::time::{Duration, Instant};

use super::{Bench, Case, Client, NODE_AS, Place, Stage, announce, down, figure, run, unknown};
use crate::peer::Heard;
use crate::run::eventually;
use crate::wire::{UPDATE, as_path, claiming, keepalive, next_hop, nlri, origin, update};

const SOURCE: &str = "RFC 4271, 8.2.2";

#[test]
fn losses() {
    let bench = Bench::new(Place::config);
    run("1.3 Loss of the connection", &bench, cases());
}

/// Asks for the routes without a pause until there are none, and tells how long that took.
fn gone(client: &Client<'_>, what: &str, start: Instant) {
    while !client.table().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "they stay");
    }
    figure(client, what, start.elapsed());
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(SOURCE, "FIN: the routes are gone at once", |client| {
            let mut peer = Stage::Established.reach(client);
            announce(client, &mut peer);
            let start = Instant::now();
            peer.close();
            gone(client, "FIN to gone", start);
            down(client, "the peer closed the connection");
        }),
        Case::new(SOURCE, "RST: the routes are gone at once", |client| {
            let mut peer = Stage::Established.reach(client);
            announce(client, &mut peer);
            let start = Instant::now();
            peer.reset();
            gone(client, "RST to gone", start);
            down(client, "connection lost");
        }),
        Case::new(SOURCE, "FIN with half an UPDATE: the routes are gone at once", |client| {
            let mut peer = Stage::Established.reach(client);
            announce(client, &mut peer);
            peer.send(&claiming(UPDATE, 100, &[0; 40]));
            let start = Instant::now();
            peer.close();
            gone(client, "FIN to gone", start);
        }),
        Case::new(SOURCE, "half a FIN: we close our side too, without NOTIFICATION", |client| {
            let mut peer = Stage::Established.reach(client);
            announce(client, &mut peer);
            peer.finish();
            peer.expect_silent_close();
            down(client, "the peer closed the connection");
        }),
        Case::new(SOURCE, "FIN, and a new session at once: only its routes", |client| {
            let [.., host] = client.address.octets();
            let attributes = [origin(0), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
            for round in 0..20 {
                let mut peer = Stage::Established.reach(client);
                let pod = format!("10.244.{host}.{round}/32");
                peer.send(&update(&[], &attributes, &nlri(&pod)));
                if round < 19 {
                    peer.finish();
                    peer.expect_silent_close();
                    continue;
                }
                let expected = [format!("{pod} accepted")];
                peer.until("only its route is there", || (client.table() == expected).then_some(()));
                peer.expect_up();
                assert_eq!(client.table(), expected);
            }
        }),
        Case::new(SOURCE, "the session comes up again after FIN, RST, NOTIFICATION and error", |client| {
            for round in 0..4 {
                let mut peer = Stage::Established.reach(client);
                announce(client, &mut peer);
                match round {
                    0 => peer.close(),
                    1 => peer.reset(),
                    2 => peer.send(&crate::wire::notification(6, 4, &[])),
                    _ => peer.send(&[0; 19]),
                }
                eventually("its routes are gone", || client.table().is_empty().then_some(()));
            }
            eventually("each is counted", || (client.peer()?["resets"] == 4).then_some(()));
        }),
    ];
    for stage in [Stage::OpenSent, Stage::OpenConfirm] {
        cases.push(Case::new(
            SOURCE,
            format!("FIN, RST in {stage}: nobody is told, nothing is held"),
            move |client| {
                stage.reach(client).close();
                stage.reach(client).reset();
                let mut peer = stage.reach(client);
                peer.finish();
                peer.expect_silent_close();
                eventually("nobody is shown", || client.peer().is_none().then_some(()));
                unknown(client);
            },
        ));
    }
    cases.push(Case::new(SOURCE, "50 connections that close before a word, then a session", |client| {
        for round in 0..50 {
            let peer = client.connect();
            if round % 2 == 0 { peer.close() } else { peer.reset() }
        }
        let mut peer = Stage::Established.reach(client);
        peer.send(&keepalive());
        assert!(matches!(peer.hear(super::super::GAP), Heard::Message(..)));
        peer.expect_up();
    }));
    cases
}

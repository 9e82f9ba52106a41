//! 1.3: messages that the state does not allow (RFC 6608).

use super::{Bench, Case, Place, Stage, closed, holds, refused, route, run, up};
use crate::wire::{
    KEEPALIVE, OPEN, ROUTE_REFRESH, UPDATE, end_of_rib, keepalive, nlri, notification, route_refresh, update,
};

#[test]
fn messages_out_of_turn() {
    let bench = Bench::new(Place::config);
    let mut cases = single();
    cases.extend(sequences());
    cases.extend(in_turn());
    run("1.3 Messages out of turn", &bench, cases);
}

fn single() -> Vec<Case> {
    use Stage::{Established, OpenConfirm, OpenSent};
    const SOURCE: &str = "RFC 6608, 3; 4271, 6.6";
    vec![
        refused(SOURCE, "KEEPALIVE", OpenSent, |_| vec![(keepalive(), (5, 1, vec![KEEPALIVE]))]),
        refused(SOURCE, "UPDATE", OpenSent, |client| {
            let updates = [route(client), end_of_rib(), update(&nlri("10.244.1.0/26"), &[], &[])];
            updates.map(|update| (update, (5, 1, vec![UPDATE]))).to_vec()
        }),
        refused(SOURCE, "malformed UPDATE", OpenSent, |_| {
            vec![(update(&[33; 9], &[], &[]), (5, 1, vec![UPDATE]))]
        }),
        refused(SOURCE, "ROUTE-REFRESH", OpenSent, |_| {
            (0..4).map(|subtype| (route_refresh(1, subtype, 1), (5, 1, vec![ROUTE_REFRESH]))).collect()
        }),
        refused(SOURCE, "UPDATE", OpenConfirm, |client| {
            let updates = [route(client), end_of_rib(), update(&nlri("10.244.1.0/26"), &[], &[])];
            updates.map(|update| (update, (5, 2, vec![UPDATE]))).to_vec()
        }),
        refused(SOURCE, "ROUTE-REFRESH", OpenConfirm, |_| {
            (0..4).map(|subtype| (route_refresh(1, subtype, 1), (5, 2, vec![ROUTE_REFRESH]))).collect()
        }),
        refused(SOURCE, "OPEN", OpenConfirm, |client| {
            let other = client.open_with(&[]).encode();
            [client.usual_open().encode(), other].map(|open| (open, (5, 2, vec![OPEN]))).to_vec()
        }),
        refused(SOURCE, "OPEN", Established, |client| {
            let other = client.open_with(&[]).encode();
            [client.usual_open().encode(), other].map(|open| (open, (5, 3, vec![OPEN]))).to_vec()
        }),
        refused(SOURCE, "malformed OPEN", Established, |client| {
            let mut open = client.usual_open();
            open.version = 3;
            vec![(open.encode(), (5, 3, vec![OPEN]))]
        }),
    ]
}

/// Whole conversations in one segment, from the first octet on.
fn sequences() -> Vec<Case> {
    let source = "RFC 6608, 3";
    let start = Stage::OpenSent;
    vec![
        refused(source, "OPEN and OPEN in one segment", start, |client| {
            vec![(client.usual_open().encode().repeat(2), (5, 2, vec![OPEN]))]
        }),
        refused(source, "OPEN and UPDATE in one segment", start, |client| {
            vec![([client.usual_open().encode(), route(client)].concat(), (5, 2, vec![UPDATE]))]
        }),
        refused(source, "OPEN, UPDATE and KEEPALIVE in one segment", start, |client| {
            let octets = [client.usual_open().encode(), route(client), keepalive()].concat();
            vec![(octets, (5, 2, vec![UPDATE]))]
        }),
        refused(source, "KEEPALIVE and OPEN in one segment", start, |client| {
            vec![([keepalive(), client.usual_open().encode()].concat(), (5, 1, vec![KEEPALIVE]))]
        }),
        refused(source, "OPEN and a wrong header in one segment", start, |client| {
            vec![([client.usual_open().encode(), vec![0; 19]].concat(), (1, 1, vec![]))]
        }),
        Case::new(
            source,
            "OPEN, KEEPALIVE, a route and OPEN in one segment: 5/3, the route is gone",
            |client| {
                let open = client.usual_open().encode();
                let mut peer = client.connect();
                peer.send(&[open.clone(), keepalive(), route(client), open].concat());
                assert_eq!(peer.expect_notification(), (5, 3, vec![OPEN]));
                super::down(client, "5/3");
            },
        ),
        closed(source, "NOTIFICATION and OPEN in one segment", start, |client| {
            vec![[notification(6, 2, &[]), client.usual_open().encode()].concat()]
        }),
        closed(source, "OPEN and NOTIFICATION in one segment", start, |client| {
            vec![[client.usual_open().encode(), notification(6, 2, &[])].concat()]
        }),
        closed(source, "NOTIFICATION and a route in one segment", Stage::Established, |client| {
            vec![[notification(6, 2, &[]), route(client)].concat()]
        }),
        closed(source, "NOTIFICATION and garbage in one segment", Stage::Established, |_| {
            vec![[notification(6, 2, &[]), vec![0; 100]].concat()]
        }),
    ]
}

fn in_turn() -> Vec<Case> {
    vec![
        Case::new("RFC 4271, 8.2.2", "OPEN and three KEEPALIVEs: up", |client| {
            let mut peer = client.connect();
            peer.send(&[client.usual_open().encode(), keepalive().repeat(3)].concat());
            up(client, &mut peer);
            peer.expect_up();
        }),
        Case::new("RFC 4271, 8.2.2", "OPEN before ours is read, KEEPALIVE, a route: up", |client| {
            let mut peer = client.connect();
            peer.send(&[client.usual_open().encode(), keepalive(), route(client)].concat());
            holds(client, &mut peer);
            peer.expect_up();
        }),
        Case::new(
            "RFC 4724, 2",
            "our OPEN, KEEPALIVE, then End-of-RIB of each family before all else",
            |client| {
                let mut peer = client.connect();
                peer.open(&client.usual_open().encode());
                peer.confirm_and(|body| assert_eq!(body, [0; 4], "End-of-RIB of IPv4"));
                let six = peer.expect(UPDATE);
                assert_eq!(six, [0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1], "End-of-RIB of IPv6");
                peer.expect_up();
            },
        ),
    ]
}

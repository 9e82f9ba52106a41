//! Who is told of when he is refused, and who is not.

#![expect(clippy::disallowed_methods, reason = "waits for what must not come")]

use std::time::Duration;

use super::client::{Client, Host, open, peer, until};
use super::{config, leaf, neighbors};
use crate::bgp::{Capability, MessageType, Notification, Open, Outgoing};
use crate::config::Config;
use crate::speaker::{Event, Refusal, Refused};

/// Peers of AS 65201 in 127.1.0.0/16.
fn one_range() -> Config {
    config(vec![leaf("a", 65101)], vec![neighbors("a", "127.1.0.0/16", "65201")])
}

/// What is told of a client that says this; it must be the first that is told.
async fn told_of(host: &mut Host, from: &str, said: Outgoing) -> Refused {
    let mut client = Client::connect(from, host.address()).await;
    client.send(&said).await;
    let refused = host.refusal().await;
    assert_eq!(refused.peer, peer(from));
    refused
}

#[tokio::test]
async fn an_as_that_is_not_expected_is_told_with_the_one_that_is() {
    let mut host = Host::start(one_range()).await;
    let refused = told_of(&mut host, "127.1.0.1", Outgoing::Open(open(65300, 1, false))).await;
    assert_eq!((refused.why, refused.offered_as), (Refusal::AsNotAllowed, Some(65300)));
    assert_eq!((refused.expected.as_str(), refused.detail.as_str()), ("AS 65201", ""));
}

#[tokio::test]
async fn who_is_in_no_range_is_told_of_once_he_says_open_and_no_probe_is() {
    let mut host = Host::start(one_range()).await;
    let mut silent = Client::connect("127.2.0.1", host.address()).await;
    assert_eq!(silent.next().await, None);
    drop(silent);
    let mut curious = Client::connect("127.2.0.2", host.address()).await;
    curious.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(curious.next().await, None);
    let mut early = Client::connect("127.2.0.4", host.address()).await;
    early.send(&Outgoing::Keepalive).await;
    assert_eq!(early.next().await, None);
    until(|| host.refused("not_in_range") == 3).await;

    let refused = told_of(&mut host, "127.2.0.3", Outgoing::Open(open(65201, 1, false))).await;
    assert_eq!((refused.why, refused.offered_as), (Refusal::NotInRange, Some(65201)));
    assert_eq!(refused.expected, "an address in 127.1.0.0/16");
}

#[tokio::test]
async fn who_is_one_too_many_is_told_of() {
    let mut few = neighbors("a", "127.1.0.0/16", "65201");
    few.max_peers = 1;
    let mut host = Host::start(config(vec![leaf("a", 65101)], vec![few])).await;
    let _first = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let Event::Established(_) = host.event().await else { panic!() };
    let refused = told_of(&mut host, "127.1.0.2", Outgoing::Open(open(65201, 2, false))).await;
    assert_eq!((refused.why, refused.offered_as), (Refusal::PeerLimit, Some(65201)));
    assert_eq!(refused.expected, "at most 1 peers in 127.1.0.0/16");
}

#[tokio::test]
async fn an_open_that_cannot_be_taken_is_told_of_and_what_is_no_open_is_not() {
    let mut host = Host::start(one_range()).await;
    let mut curious = Client::connect("127.1.0.1", host.address()).await;
    curious.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(curious.dismissal().await, Some((1, 1)));
    let mut early = Client::connect("127.1.0.2", host.address()).await;
    early.send(&Outgoing::Keepalive).await;
    assert_eq!(early.dismissal().await, Some((5, 1)));
    until(|| host.refused("open_error") == 2).await;

    let vpn = vec![Capability::Multiprotocol { afi: 1, safi: 128 }];
    let vpn = Open::new(65201, 240, "192.168.1.3".parse().unwrap(), vpn);
    let refused = told_of(&mut host, "127.1.0.3", Outgoing::Open(vpn)).await;
    assert_eq!((refused.why, refused.offered_as), (Refusal::OpenError, Some(65201)));
    assert!(refused.detail.contains("2/7"), "{refused:?}");

    let mut two_opens = Client::connect("127.1.0.4", host.address()).await;
    two_opens.send(&Outgoing::Open(open(65201, 4, false))).await;
    two_opens.expect(MessageType::Open).await;
    two_opens.expect(MessageType::Keepalive).await;
    two_opens.send(&Outgoing::Open(open(65201, 4, false))).await;
    let refused = host.refusal().await;
    assert_eq!((refused.peer, refused.why), (peer("127.1.0.4"), Refusal::OpenError));
    assert!(refused.detail.contains("5/2"), "{}", refused.detail);
}

#[tokio::test]
async fn a_peer_that_refuses_us_is_told_of_and_one_that_just_goes_is_not() {
    let mut host = Host::start(one_range()).await;
    drop(Client::connect("127.1.0.1", host.address()).await);
    let mut shy = Client::connect("127.1.0.2", host.address()).await;
    shy.send(&Outgoing::Notification(Notification::new(6, 7))).await;
    until(|| host.refused("lost") == 2).await;

    let mut client = Client::connect("127.1.0.3", host.address()).await;
    client.send(&Outgoing::Open(open(65201, 3, false))).await;
    client.expect(MessageType::Open).await;
    client.send(&Outgoing::Notification(Notification::new(2, 2))).await;
    let refused = host.refusal().await;
    assert_eq!((&refused.peer, refused.why), (&peer("127.1.0.3"), Refusal::RefusedByPeer));
    assert_eq!(refused.offered_as, Some(65201));
    assert!(
        refused.detail.contains("2/2") && refused.detail.starts_with("answers the OPEN of AS 65101"),
        "{refused:?}"
    );
    assert_eq!(host.refused("refused_by_peer"), 1);
}

#[tokio::test]
async fn an_open_that_is_never_confirmed_is_told_of() {
    let mut host = Host::start(one_range()).await;
    let refused = told_of(&mut host, "127.1.0.1", Outgoing::Open(open(65201, 1, false))).await;
    assert_eq!(
        (refused.why, refused.expected.as_str()),
        (Refusal::OpenTimeout, "a KEEPALIVE after the OPEN")
    );
}

#[tokio::test]
async fn who_comes_from_too_far_is_told_of() {
    let mut near = neighbors("a", "127.1.0.0/16", "65201");
    near.ttl_security_hops = Some(1);
    let anybody = neighbors("a", "127.3.0.0/16", "65201");
    let mut host = Host::start(config(vec![leaf("a", 65101)], vec![near, anybody])).await;
    let far = Client::connect_with("127.1.0.1", host.address(), |socket| socket.set_ttl_v4(254).unwrap());
    let _far = far.await.unwrap();
    let refused = host.refusal().await;
    assert_eq!((refused.why, refused.expected.as_str()), (Refusal::Ttl, "a TTL of at least 255"));
}

#[tokio::test]
async fn a_flood_of_refused_connections_is_told_in_a_few_words_and_delays_nobody() {
    let mut host = Host::with_room(one_range(), 4).await;
    let mut node = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let Event::Established(_) = host.event().await else { panic!() };
    for round in 0..300 {
        let mut client = Client::connect(&format!("127.1.1.{}", round % 100), host.address()).await;
        client.send(&Outgoing::Open(open(65300, 1, false))).await;
        client.dismissal().await;
    }
    until(|| host.refused("as_not_allowed") == 300).await;
    // The observer takes nothing meanwhile, and the session of the node is as it was.
    node.live(2).await;
    let mut told = 0;
    while host.events.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, 4, "what there was room for");
    assert!(host.speaker.untold_refusals() > 50);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(host.events.is_empty(), "nothing waited for room");
}

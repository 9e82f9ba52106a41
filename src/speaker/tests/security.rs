//! Who gets in, and who does not.

#![expect(clippy::disallowed_methods, reason = "waits for what must not come")]

use std::time::Duration;

use super::client::{Client, Host, open, until};
use super::{config, leaf, neighbors};
use crate::bgp::{MessageType, Outgoing};
use crate::config::model::Secret;
use crate::speaker::sockopt;

#[tokio::test]
async fn unknown_sources_are_closed_and_counted() {
    let host =
        Host::start(config(vec![leaf("a", 65101)], vec![neighbors("a", "127.1.0.0/16", "65201")])).await;
    let mut stranger = Client::connect("127.2.0.1", host.address()).await;
    assert_eq!(stranger.next().await, None, "not even an OPEN");
    until(|| host.refused("not_in_range") == 1).await;
    assert!(host.speaker.peers().is_empty());
}

#[tokio::test]
async fn the_as_must_be_one_of_the_longest_range() {
    let entries = vec![neighbors("a", "127.0.0.0/8", "65201"), neighbors("a", "127.1.0.1/32", "65202")];
    let host = Host::start(config(vec![leaf("a", 65101)], entries)).await;
    let mut client = Client::connect("127.1.0.1", host.address()).await;
    client.send(&Outgoing::Open(open(65201, 1, false))).await;
    assert_eq!(client.dismissal().await, Some((2, 2)));
    until(|| host.refused("as_not_allowed") == 1).await;
    Client::establish("127.1.0.1", host.address(), open(65202, 1, false)).await;
    Client::establish("127.1.0.2", host.address(), open(65201, 1, false)).await;
}

#[tokio::test]
async fn no_more_peers_than_the_range_may_have() {
    let mut few = neighbors("a", "127.0.0.0/8", "65201");
    few.max_peers = 2;
    let host = Host::start(config(vec![leaf("a", 65101)], vec![few])).await;
    let first = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let _second = Client::establish("127.1.0.2", host.address(), open(65201, 2, false)).await;
    let mut third = Client::connect("127.1.0.3", host.address()).await;
    third.send(&Outgoing::Open(open(65201, 3, false))).await;
    assert_eq!(third.dismissal().await, Some((6, 5)));
    assert_eq!(host.refused("peer_limit"), 1);

    drop(first);
    let gone = super::client::peer("127.1.0.1");
    until(|| host.speaker.forget(&gone)).await;
    Client::establish("127.1.0.3", host.address(), open(65201, 3, false)).await;
}

#[tokio::test]
async fn only_the_right_key_gets_through() {
    let keyed = |range: &str, key: &str| {
        let mut entry = neighbors("a", range, "65201");
        entry.password = Some(Secret::new(key));
        entry
    };
    let entries = vec![
        keyed("127.1.0.0/16", "of the range"),
        keyed("127.1.0.1/32", "of the address"),
        neighbors("a", "127.1.0.2/32", "65201"),
    ];
    let host = Host::start(config(vec![leaf("a", 65101)], entries)).await;
    let connect = |from: &'static str, key: Option<&'static str>| {
        let to = host.address();
        let attempt = Client::connect_with(from, to, move |socket| {
            if let Some(key) = key {
                sockopt::set_md5(socket, "127.0.0.1/32".parse().unwrap(), Some(key)).unwrap();
            }
        });
        async move { tokio::time::timeout(Duration::from_millis(500), attempt).await.ok()?.ok() }
    };
    for (from, key) in
        [("127.1.0.1", Some("of the address")), ("127.1.0.9", Some("of the range")), ("127.1.0.2", None)]
    {
        let mut client = connect(from, key).await.unwrap_or_else(|| panic!("{from} with {key:?}"));
        client.greet(open(65201, 1, false)).await;
        client.expect(MessageType::Update).await;
    }
    for (from, key) in [
        ("127.1.0.1", Some("of the range")),
        ("127.1.0.1", None),
        ("127.1.0.9", Some("wrong")),
        ("127.1.0.9", None),
        ("127.1.0.2", Some("of the range")),
    ] {
        assert!(connect(from, key).await.is_none(), "{from} with {key:?}");
    }
}

#[tokio::test]
async fn gtsm_lets_only_neighbours_in() {
    let near = |range: &str| {
        let mut entry = neighbors("a", range, "65201");
        entry.ttl_security_hops = Some(1);
        entry
    };
    let entries = vec![near("127.1.0.0/16"), neighbors("a", "127.2.0.0/16", "65201")];
    let host = Host::start(config(vec![leaf("a", 65101)], entries)).await;
    let connect = |from, ttl| {
        Client::connect_with(from, host.address(), move |socket| {
            socket.set_ttl_v4(ttl).unwrap();
        })
    };
    let mut near = connect("127.1.0.1", 255).await.unwrap();
    near.greet(open(65201, 1, false)).await;
    near.expect(MessageType::Update).await;
    let mut far = connect("127.1.0.2", 254).await.unwrap();
    assert_eq!(far.next().await, None);
    until(|| host.refused("ttl") == 1).await;
    let mut other = connect("127.2.0.1", 64).await.unwrap();
    other.greet(open(65201, 1, false)).await;
    other.expect(MessageType::Update).await;
}

#[tokio::test]
async fn gtsm_counts_hops_over_ipv6_too() {
    let mut six = leaf("a", 65101);
    six.listen = vec!["[::1]:0".parse().unwrap()];
    let mut near = neighbors("a", "::1/128", "65201");
    near.ttl_security_hops = Some(1);
    // With a neighbour that may be anywhere, the listener itself lets everybody in.
    let host = Host::start(config(vec![six], vec![near, neighbors("a", "2001:db8::/32", "65201")])).await;
    let connect = |hops| {
        Client::connect_with("::1", host.address(), move |socket| {
            socket.set_unicast_hops_v6(hops).unwrap();
        })
    };
    let mut far = connect(254).await.unwrap();
    assert_eq!(far.next().await, None);
    until(|| host.refused("ttl") == 1).await;
    let mut near = connect(255).await.unwrap();
    near.greet(open(65201, 1, false)).await;
    near.expect(MessageType::Update).await;
}

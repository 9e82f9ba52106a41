//! What a new configuration does to listeners and sessions, and dialling.

#![expect(clippy::disallowed_types, reason = "tests use real sockets")]

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::client::{Client, Host, open, peer, until, within};
use super::{config, leaf, neighbors};
use crate::bgp::MessageType;
use crate::config::Config;
use crate::config::model::{Leaf, Secret};
use crate::speaker::stats::SessionState;
use crate::speaker::{Event, sockopt};

async fn reload(host: &Host, config: Config) {
    within(host.speaker.reconfigure(Arc::new(config))).await.unwrap();
}

#[tokio::test]
async fn only_sessions_whose_terms_changed_are_reset() {
    let entries = |hold: u64| {
        let mut changing = neighbors("a", "127.2.0.0/16", "65201");
        changing.hold_time = std::time::Duration::from_secs(hold);
        vec![neighbors("a", "127.1.0.0/16", "65201"), changing]
    };
    let mut before = entries(3);
    before.push(neighbors("a", "127.3.0.0/16", "65201"));
    let host = Host::start(config(vec![leaf("a", 65101)], before)).await;
    let mut same = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let mut changed = Client::establish("127.2.0.1", host.address(), open(65201, 2, false)).await;
    let mut removed = Client::establish("127.3.0.1", host.address(), open(65201, 3, false)).await;

    reload(&host, config(vec![leaf("a", 65101)], entries(9))).await;
    assert_eq!(changed.dismissal().await, Some((6, 6)));
    assert_eq!(removed.dismissal().await, Some((6, 3)));
    same.live(2).await;
    until(|| host.speaker.peers().len() == 2).await;
    Client::establish("127.2.0.1", host.address(), open(65201, 2, false)).await;
    assert_eq!(Client::connect("127.3.0.1", host.address()).await.next().await, None);
}

#[tokio::test]
async fn listeners_open_and_close_one_by_one() {
    let entries = || vec![neighbors("a", "127.0.0.0/8", "65201")];
    let at = |addresses: &[SocketAddr]| Leaf { listen: addresses.to_vec(), ..leaf("a", 65101) };
    let host = Host::start(config(vec![leaf("a", 65101)], entries())).await;
    let first = host.address();
    let mut client = Client::establish("127.1.0.1", first, open(65201, 1, false)).await;

    // The free port stays, a new one is added.
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let other: SocketAddr = "127.0.0.2:0".parse().unwrap();
    reload(&host, config(vec![at(&[any, other])], entries())).await;
    let both = host.speaker.listening();
    assert_eq!(both[0], first);
    Client::establish("127.1.0.2", both[1], open(65201, 2, false)).await;

    // An address in use: nothing changes.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wanted = at(&[other, taken.local_addr().unwrap()]);
    let error = host.speaker.reconfigure(Arc::new(config(vec![wanted], entries()))).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("leaf \"a\" cannot listen on 127.0.0.1:"), "{text}");
    assert_eq!(host.speaker.listening(), both);

    // The first closes; its session goes on.
    reload(&host, config(vec![at(&[other])], entries())).await;
    assert!(within(Client::connect_with("127.1.0.3", first, |_| ())).await.is_err());
    client.live(2).await;

    // Another leaf takes the address over without a gap.
    let heir = Leaf { listen: vec![other], ..leaf("b", 65102) };
    reload(&host, config(vec![heir], vec![neighbors("b", "127.0.0.0/8", "65201")])).await;
    assert_eq!(client.dismissal().await, Some((6, 3)));
    assert_eq!(host.address(), both[1]);
    Client::establish("127.1.0.4", host.address(), open(65201, 4, false)).await;
    assert_eq!(host.speaker.peers()[0].0.leaf, "b".into());
}

#[tokio::test]
async fn a_new_key_is_in_force_at_once() {
    let with_key = |key: &str| {
        let mut entry = neighbors("a", "127.1.0.0/16", "65201");
        entry.password = Some(Secret::new(key));
        config(vec![leaf("a", 65101)], vec![entry])
    };
    let host = Host::start(with_key("old")).await;
    reload(&host, with_key("new")).await;
    let attempt = Client::connect_with("127.1.0.1", host.address(), |socket| {
        sockopt::set_md5(socket, "127.0.0.1/32".parse().unwrap(), Some("new")).unwrap();
    });
    let mut client = within(attempt).await.unwrap();
    client.greet(open(65201, 1, false)).await;
    client.expect(MessageType::Update).await;
    reload(&host, config(vec![leaf("a", 65101)], vec![neighbors("a", "127.1.0.0/16", "65201")])).await;
    assert_eq!(client.dismissal().await, Some((6, 6)));
    Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
}

#[tokio::test]
async fn peers_that_do_not_dial_are_dialled() {
    let server = TcpListener::bind("127.1.0.1:0").await.unwrap();
    let mut entry = neighbors("a", "127.1.0.1/32", "65201");
    entry.passive = false;
    entry.port = server.local_addr().unwrap().port();
    let mut host = Host::start(config(vec![leaf("a", 65101)], vec![entry])).await;
    assert_eq!(host.speaker.peers().len(), 1);

    let (stream, from) = within(server.accept()).await.unwrap();
    assert_eq!(from.ip(), host.address().ip(), "from the leaf's own address");
    let mut client = Client::new(stream);
    client.greet(open(65201, 1, true)).await;
    client.expect(MessageType::Update).await;
    let Event::Established(up) = host.event().await else { panic!() };
    assert_eq!(up.peer, peer("127.1.0.1"));

    // No longer wanted: told so, and not dialled again.
    reload(&host, config(vec![leaf("a", 65101)], vec![])).await;
    assert_eq!(client.dismissal().await, Some((6, 3)));
    until(|| host.speaker.peers().is_empty()).await;
    assert_eq!(up.stats.state(), SessionState::Active);
}

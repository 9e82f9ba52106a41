#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a leaf for the node to dial")]

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::bgp::capability::{Capability, RestartFamily};
use crate::bgp::header::{self, MessageType};
use crate::bgp::{Open, Outgoing};

const PATIENCE: Duration = Duration::from_secs(10);
const LEAF_AS: u32 = 65101;

/// A leaf that takes one node.
struct Leaf(TcpListener);

impl Leaf {
    async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn settings(leaves: &[&Self]) -> Settings {
        let peerings = leaves.iter().map(|leaf| Peering {
            source: "127.7.7.7".parse().unwrap(),
            leaf: leaf.0.local_addr().unwrap(),
            leaf_as: Some(LEAF_AS),
        });
        Settings {
            name: "node".to_owned(),
            asn: 65102,
            identifier: Ipv4Addr::new(127, 7, 7, 7),
            peerings: peerings.collect(),
            routes: vec![Route::fixed("10.244.1.0/26".parse().unwrap())],
            hidden: vec![],
            restart_time: RESTART_TIME,
            timers: Timers::BIRD.faster(100),
        }
    }

    async fn accept(&self) -> Link {
        let accepted = tokio::time::timeout(PATIENCE, self.0.accept()).await;
        let (stream, from) = accepted.expect("the node dials").unwrap();
        assert_eq!(from.ip(), IpAddr::from([127, 7, 7, 7]));
        Link { stream, inbox: BytesMut::new() }
    }

    /// Accepts, and brings the session to Established with an End-of-RIB of its own.
    async fn welcome(&self) -> (Link, Open<'static>) {
        let mut link = self.accept().await;
        let open = link.greet(3).await;
        link.say(&Outgoing::EndOfRib(Family::Ipv4)).await;
        (link, open)
    }
}

/// A connection of a [`Leaf`].
struct Link {
    stream: TcpStream,
    inbox: BytesMut,
}

impl Link {
    async fn greet(&mut self, hold_time: u16) -> Open<'static> {
        let capabilities = vec![
            Capability::multiprotocol(Family::Ipv4),
            Capability::RouteRefresh,
            Capability::GracefulRestart { restarting: false, notification: true, time: 0, families: vec![] },
            Capability::FourOctetAs(LEAF_AS),
        ];
        let identifier = Ipv4Addr::LOCALHOST;
        self.say(&Outgoing::Open(Open::new(LEAF_AS, hold_time, identifier, capabilities))).await;
        let (kind, open) = self.hear().await.unwrap();
        assert_eq!(kind, MessageType::Open);
        self.say(&Outgoing::Keepalive).await;
        assert_eq!(self.hear().await.unwrap().0, MessageType::Keepalive);
        Open::parse(&open).unwrap().into_owned()
    }

    async fn say(&mut self, message: &Outgoing) {
        let mut octets = BytesMut::new();
        message.encode(&mut octets);
        self.stream.write_all(&octets).await.unwrap();
    }

    /// The next message: its type and body; none: the node closed.
    async fn hear(&mut self) -> Option<(MessageType, Vec<u8>)> {
        loop {
            if let Some(frame) = header::frame(&self.inbox, false).unwrap() {
                let (kind, body, length) = (frame.kind, frame.body.to_vec(), frame.octets.len());
                let _ = self.inbox.split_to(length);
                return Some((kind, body));
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.inbox)).await;
            if matches!(read.expect("the node says something"), Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    /// The next message but KEEPALIVEs.
    async fn hear_more(&mut self) -> Option<(MessageType, Vec<u8>)> {
        loop {
            let heard = self.hear().await;
            if heard.as_ref().is_none_or(|(kind, _)| *kind != MessageType::Keepalive) {
                return heard;
            }
        }
    }

    /// Nothing comes for half the hold time, in which a node that can speaks.
    async fn stays_silent(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(1500), self.hear()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    async fn hear_update(&mut self) -> Vec<u8> {
        let (kind, body) = self.hear_more().await.expect("the session lives");
        assert_eq!(kind, MessageType::Update);
        body
    }

    /// Hears the whole table and the End-of-RIB.
    async fn hear_table(&mut self) {
        assert!(self.hear_update().await.ends_with(&[26, 10, 244, 1, 0]));
        assert_eq!(self.hear_update().await, [0; 4]);
    }
}

fn restart_bits(open: &Open<'_>) -> (bool, bool) {
    let bits = open.capabilities.iter().find_map(|capability| match capability {
        Capability::GracefulRestart { restarting, families, .. } => Some((restarting, families)),
        _ => None,
    });
    let Some((restarting, families)) = bits else { panic!("{open:?}") };
    let [RestartFamily { forwarding, .. }] = families[..] else { panic!("{open:?}") };
    (restarting, forwarding)
}

#[tokio::test]
async fn it_dials_from_its_address_and_announces_all_it_has() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, open) = leaf.welcome().await;
    assert_eq!((open.asn(), open.hold_time), (65102, 240));
    link.hear_table().await;
    node.established().await;
    assert_eq!(node.status()[0].ends_of_rib, 1);

    node.borrow("10.244.9.7".parse().unwrap()).await;
    assert!(link.hear_update().await.ends_with(&[32, 10, 244, 9, 7]));
    node.release("10.244.9.7".parse().unwrap()).await;
    assert_eq!(link.hear_update().await, [0, 5, 32, 10, 244, 9, 7, 0, 0]);
    // What it never had it does not withdraw.
    node.release("10.244.9.8".parse().unwrap()).await;
    node.withdraw(["10.244.1.0/26".parse().unwrap()]).await;
    assert_eq!(link.hear_update().await, [0, 5, 26, 10, 244, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_crash_says_nothing_and_a_boot_sets_the_restart_bits() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, open) = leaf.welcome().await;
    assert_eq!(restart_bits(&open), (true, true));
    link.hear_table().await;
    node.crash().await;
    assert_eq!(link.hear_more().await, None);
    node.boot().await;
    let (mut link, open) = leaf.welcome().await;
    assert_eq!(restart_bits(&open), (true, true));
    link.hear_table().await;
}

#[tokio::test]
async fn a_stop_and_a_reset_say_why_and_a_reset_is_no_restart() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    node.reset().await;
    assert_eq!(link.hear_more().await, Some((MessageType::Notification, vec![6, 4])));
    assert_eq!(link.hear_more().await, None);
    let (mut link, open) = leaf.welcome().await;
    assert_eq!(restart_bits(&open), (false, false));
    link.hear_table().await;
    node.finish().await;
    assert_eq!(link.hear_more().await, Some((MessageType::Notification, vec![6, 2])));
    assert_eq!(link.hear_more().await, None);
}

#[tokio::test]
async fn a_silent_leaf_delays_what_the_others_get() {
    let (healthy, silent) = (Leaf::listen().await, Leaf::listen().await);
    let settings = Leaf::settings(&[&healthy, &silent]);
    let wait = settings.timers.recovery_wait;
    let start = tokio::time::Instant::now();
    let _node = Node::start(settings);
    let (mut link, _) = healthy.welcome().await;
    silent.accept().await.greet(3).await;
    link.hear_table().await;
    assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_refresh_is_answered_by_the_whole_table() {
    let leaf = Leaf::listen().await;
    let hidden = vec!["0.0.0.0/0".parse().unwrap(), "172.16.10.0/29".parse().unwrap()];
    let _node = Node::start(Settings { hidden, ..Leaf::settings(&[&leaf]) });
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    link.say(&Outgoing::RouteRefresh(Family::Ipv4)).await;
    assert_eq!(link.hear_update().await, [0, 6, 0, 29, 172, 16, 10, 0, 0, 0]);
    assert!(link.hear_update().await.ends_with(&[26, 10, 244, 1, 0]));
}

#[tokio::test]
async fn it_closes_when_the_leaf_is_silent() {
    let leaf = Leaf::listen().await;
    let _node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    assert_eq!(link.hear_more().await, Some((MessageType::Notification, vec![4, 0])));
    assert_eq!(link.hear_more().await, None);
}

#[tokio::test]
async fn it_refuses_a_leaf_of_another_as() {
    let leaf = Leaf::listen().await;
    let settings = Leaf::settings(&[&leaf]);
    let peerings =
        settings.peerings.iter().map(|peering| Peering { leaf_as: Some(65199), ..*peering }).collect();
    let _node = Node::start(Settings { peerings, ..settings });
    let mut link = leaf.accept().await;
    link.say(&Outgoing::Open(Open::new(LEAF_AS, 3, Ipv4Addr::LOCALHOST, vec![]))).await;
    assert_eq!(link.hear().await.unwrap().0, MessageType::Open);
    assert_eq!(link.hear().await, Some((MessageType::Notification, vec![2, 2, 0, 0, 0xfe, 0x4d])));
}

#[tokio::test]
async fn it_hears_why_the_leaf_closes() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    link.say(&Outgoing::Notification(Notification::new(6, 6))).await;
    assert_eq!(link.hear_more().await, None);
    assert_eq!(node.status()[0].told, Some(Notification::new(6, 6)));
    let (_, open) = leaf.welcome().await;
    assert_eq!(restart_bits(&open), (false, false));
}

#[tokio::test]
async fn a_hung_daemon_says_nothing_until_it_wakes() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    node.hang().await;
    node.borrow("10.244.9.7".parse().unwrap()).await;
    link.stays_silent().await;
    node.resume().await;
    assert!(link.hear_update().await.ends_with(&[32, 10, 244, 9, 7]));
}

#[tokio::test]
async fn two_daemons_share_an_identifier_and_no_route() {
    let leaf = Leaf::listen().await;
    let second = TcpListener::bind("[::1]:0").await.unwrap();
    let mut settings = Leaf::settings(&[&leaf]);
    let source = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
    settings.peerings.push(Peering { source, leaf: second.local_addr().unwrap(), leaf_as: None });
    settings.routes.push(Route::fixed("fd00:10:244:1::/122".parse().unwrap()));
    let _node = Node::start(settings);

    let (mut link, ipv4) = leaf.welcome().await;
    let (stream, _) = tokio::time::timeout(PATIENCE, second.accept()).await.unwrap().unwrap();
    let mut other = Link { stream, inbox: BytesMut::new() };
    let ipv6 = other.greet(3).await;
    other.say(&Outgoing::EndOfRib(Family::Ipv6)).await;

    assert_eq!((ipv4.identifier, ipv4.asn()), (ipv6.identifier, ipv6.asn()));
    assert_eq!(ipv4.capabilities.iter().next().unwrap(), Capability::multiprotocol(Family::Ipv4));
    assert_eq!(ipv6.capabilities.iter().next().unwrap(), Capability::multiprotocol(Family::Ipv6));
    link.hear_table().await;
    assert!(other.hear_update().await.ends_with(&[122, 0xfd, 0, 0, 16, 2, 68, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(other.hear_update().await, [0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]);
}

#[tokio::test]
async fn it_says_nonsense_when_told_to() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    let mut nonsense = BytesMut::from(&[0xff; 16][..]);
    nonsense.extend_from_slice(&[0, 23, 2, 0, 9, 0, 0]);
    node.say_raw(nonsense.freeze()).await;
    assert_eq!(link.hear_update().await, [0, 9, 0, 0]);
}

#[tokio::test]
async fn without_power_it_closes_nothing_until_it_boots() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    node.lose_power().await;
    link.stays_silent().await;
    assert!(!node.status()[0].established);
    node.boot().await;
    let (mut next, open) = leaf.welcome().await;
    assert_eq!(restart_bits(&open), (true, true));
    next.hear_table().await;
    assert_eq!(link.hear_more().await, None);
}

#[tokio::test]
async fn a_cut_that_is_short_is_not_noticed() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    node.cut().await;
    node.borrow("10.244.9.7".parse().unwrap()).await;
    link.stays_silent().await;
    node.mend().await;
    assert!(link.hear_update().await.ends_with(&[32, 10, 244, 9, 7]));
    assert_eq!(node.status()[0].sessions, 1);
}

#[tokio::test]
async fn behind_a_cut_cable_it_gives_up_in_silence_and_is_no_restart() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    node.cut().await;
    let mut status = node.sessions[0].status.clone();
    tokio::time::timeout(PATIENCE, status.wait_for(|status| !status.established)).await.unwrap().unwrap();
    node.stop().await;
    node.boot().await;
    node.crash().await;
    link.stays_silent().await;
    node.boot().await;
    node.mend().await;
    let (mut next, _) = leaf.welcome().await;
    next.hear_table().await;
    assert_eq!(link.hear_more().await, None);
}

#[tokio::test]
async fn one_that_is_removed_says_so() {
    let leaf = Leaf::listen().await;
    let node = Node::start(Leaf::settings(&[&leaf]));
    let (mut link, _) = leaf.welcome().await;
    link.hear_table().await;
    node.remove().await;
    assert_eq!(link.hear_more().await, Some((MessageType::Notification, vec![6, 3])));
    assert_eq!(link.hear_more().await, None);
}

#[tokio::test]
async fn in_a_mesh_it_passes_on_what_is_not_its_own() {
    let leaf = Leaf::listen().await;
    let settings = Leaf::settings(&[&leaf]);
    let routes = ["10.244.2.0/26", "10.96.0.0/12"].map(|prefix| Route::fixed(prefix.parse().unwrap()));
    let mut own = settings.clone();
    own.routes.push(routes[1].clone());
    let other = |asn| Node::start(Settings { asn, routes: routes.to_vec(), ..settings.clone() });
    let (node, ebgp, ibgp) = (Node::start(own.clone()), other(65103), other(65102));
    assert_eq!(node.learned_from([&ebgp]), [Route::learned(routes[0].prefix, &[65103])]);
    assert_eq!(node.learned_from([&ibgp]), [Route::learned(routes[0].prefix, &[])]);
}

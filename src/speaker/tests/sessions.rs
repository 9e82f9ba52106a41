//! Sessions from their OPEN to their end, and several connections of one peer.

#![expect(clippy::disallowed_methods, reason = "a flood has a thread and a clock of its own")]

use std::io::Write;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::client::{Client, Host, open, peer, until, within};
use super::{config, leaf, neighbors};
use crate::bgp::batch::Item;
use crate::bgp::capability::Capability;
use crate::bgp::{self, Families, Family, MessageType, Notification, Outgoing};
use crate::speaker::collision::Direction;
use crate::speaker::connection::Connection;
use crate::speaker::stats::{ErrorAction, SessionState};
use crate::speaker::{Cease, Event, Loss, ResetReason};

async fn host() -> Host {
    Host::start(config(vec![leaf("a", 65101)], vec![neighbors("a", "127.0.0.0/8", "65201")])).await
}

/// 10.244.1.0/26 by way of 65201.
fn update() -> Vec<u8> {
    let body = [
        &[0, 0, 0, 20][..],
        &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfe, 0xb1, 0x40, 3, 4, 192, 168, 1, 1],
        &[26, 10, 244, 1, 0],
    ]
    .concat();
    [&[0xff; 16][..], &[0, 19 + 29, 2], &body].concat()
}

/// An OPEN that makes NOTIFICATIONs graceful too (RFC 8538).
fn with_n_bit(last: u8) -> bgp::Open<'static> {
    let open = open(65201, last, true);
    let capabilities = open.capabilities.iter().map(|mut capability| {
        if let Capability::GracefulRestart { notification, .. } = &mut capability {
            *notification = true;
        }
        capability
    });
    bgp::Open { capabilities: capabilities.collect(), ..open }
}

fn octets(messages: &[Outgoing]) -> Vec<u8> {
    let mut octets = bytes::BytesMut::new();
    for message in messages {
        message.encode(&mut octets);
    }
    octets.to_vec()
}

#[tokio::test]
async fn a_session_lives_from_open_to_the_loss_of_its_connection() {
    let mut host = host().await;
    let mut client = Client::connect("127.1.0.1", host.address()).await;
    assert_eq!(client.expect(MessageType::Open).await.len(), 10 + 2 + 6 + 6 + 2 + 2 + 6 + 4 + 2);
    client.send(&Outgoing::Open(open(65201, 1, true))).await;
    client.expect(MessageType::Keepalive).await;
    client.send(&Outgoing::Keepalive).await;
    assert_eq!(client.expect(MessageType::Update).await, [0; 4], "End-of-RIB before anything else");

    let Event::Established(up) = host.event().await else { panic!() };
    assert_eq!((&up.peer, up.negotiated.peer_as), (&peer("127.1.0.1"), 65201));
    assert_eq!((up.local, up.negotiated.families), (host.address().ip(), Families::only(Family::Ipv4)));
    assert_eq!(up.capabilities.len(), 4);
    assert_eq!(up.stats.state(), SessionState::Established);

    client.write(&update()).await;
    let Event::Routes { session, batch, .. } = host.event().await else { panic!() };
    assert_eq!(session, up.session);
    let Some(Item::Announce(nlri, _)) = batch.items().next() else { panic!() };
    assert_eq!(nlri.into_iter().next().unwrap().1.to_string(), "10.244.1.0/26");

    drop(client);
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!((closed.session, closed.reason, closed.loss), (up.session, ResetReason::Tcp, Loss::Graceful));
    assert_eq!(up.stats.received(MessageType::Update), 1);
    assert_eq!(up.stats.sent(MessageType::Open), 1);
    assert_eq!(up.stats.resets(ResetReason::Tcp), 1);
    assert_eq!(up.stats.state(), SessionState::Active);
    assert_eq!(host.speaker.peers().len(), 1, "known until it is forgotten");
    assert!(host.speaker.forget(&peer("127.1.0.1")));
    assert!(host.speaker.peers().is_empty());
}

#[tokio::test]
async fn messages_may_come_in_any_pieces() {
    let mut host = host().await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    assert!(matches!(host.event().await, Event::Established(_)));
    let many = update().repeat(3000);
    client.write(&many[..50]).await;
    client.write(&many[50..70_001]).await;
    client.write(&many[70_001..]).await;
    let mut routes = 0;
    while routes < 3000 {
        let Event::Routes { batch, .. } = host.event().await else { panic!() };
        routes += batch.items().filter(|item| matches!(item, Item::Announce(..))).count();
    }
    assert_eq!(routes, 3000);
}

#[tokio::test]
async fn both_families_speak_over_ipv6() {
    let mut six = leaf("a", 65101);
    six.listen = vec!["[::1]:0".parse().unwrap()];
    let mut host = Host::start(config(vec![six], vec![neighbors("a", "::1/128", "65201")])).await;
    let open = open(65201, 1, false);
    let both = open.capabilities.iter().chain([Capability::Multiprotocol { afi: 2, safi: 1 }]);
    let open = bgp::Open { capabilities: both.collect(), ..open };
    let mut client = Client::establish("::1", host.address(), open).await;
    assert_eq!(client.expect(MessageType::Update).await.len(), 10);
    let Event::Established(up) = host.event().await else { panic!() };
    assert_eq!(up.negotiated.families, Families::ALL);
}

#[tokio::test]
async fn a_restarted_peer_replaces_its_connection_in_silence() {
    let mut host = host().await;
    let mut old = Client::establish("127.1.0.1", host.address(), open(65201, 1, true)).await;
    let Event::Established(first) = host.event().await else { panic!() };

    let mut new = Client::connect("127.1.0.1", host.address()).await;
    new.expect(MessageType::Open).await;
    old.live(2).await;
    new.send(&Outgoing::Open(open(65201, 1, true))).await;
    assert_eq!(old.farewell().await, None);
    new.expect(MessageType::Keepalive).await;
    new.send(&Outgoing::Keepalive).await;
    new.expect(MessageType::Update).await;

    let (mut second, mut closed) = (None, None);
    for _ in 0..2 {
        match host.event().await {
            Event::Established(up) => second = Some(up.session),
            Event::Closed(down) => closed = Some(down),
            other => panic!("{other:?}"),
        }
    }
    let closed = closed.unwrap();
    assert!(second.unwrap() > first.session);
    assert_eq!(
        (closed.session, closed.reason, closed.loss),
        (first.session, ResetReason::Collision, Loss::Graceful)
    );
    new.live(1).await;
}

#[tokio::test]
async fn no_other_second_connection_touches_an_established_one() {
    let mut host = host().await;
    let mut old = Client::establish("127.1.0.1", host.address(), open(65201, 1, true)).await;
    assert!(matches!(host.event().await, Event::Established(_)));

    let mut stranger = Client::connect("127.1.0.1", host.address()).await;
    stranger.send(&Outgoing::Open(open(65201, 2, true))).await;
    assert_eq!(stranger.dismissal().await, Some((6, 7)));
    let mut wrong = Client::connect("127.1.0.1", host.address()).await;
    wrong.send(&Outgoing::Open(open(65299, 1, true))).await;
    assert_eq!(wrong.dismissal().await, Some((2, 2)));
    let mut garbage = Client::connect("127.1.0.1", host.address()).await;
    garbage.write(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(garbage.dismissal().await, Some((1, 1)));
    drop(Client::connect("127.1.0.1", host.address()).await);
    old.live(2).await;
    assert_eq!((host.refused("collision"), host.refused("as_not_allowed")), (1, 1));
    assert_eq!(host.refused("open_error"), 1);

    let mut plain = Client::establish("127.1.0.2", host.address(), open(65201, 1, false)).await;
    let mut second = Client::connect("127.1.0.2", host.address()).await;
    second.send(&Outgoing::Open(open(65201, 1, false))).await;
    assert_eq!(second.dismissal().await, Some((6, 7)), "without graceful restart the first one stays");
    plain.live(1).await;
}

#[tokio::test]
async fn of_two_connections_in_open_confirm_one_survives() {
    // Ours is 10.255.0.5: lower, then higher, than the peer's.
    for (identifier, newer_wins) in [([192, 168, 1, 1], true), ([10, 0, 0, 1], false)] {
        let host = host().await;
        let mut open = open(65201, 1, true);
        open.identifier = identifier.into();
        let mut older = Client::connect("127.1.0.1", host.address()).await;
        older.send(&Outgoing::Open(open.clone())).await;
        older.expect(MessageType::Open).await;
        older.expect(MessageType::Keepalive).await;
        let mut newer = Client::connect("127.1.0.1", host.address()).await;
        newer.send(&Outgoing::Open(open)).await;
        newer.expect(MessageType::Open).await;
        let (mut winner, mut loser) = if newer_wins { (newer, older) } else { (older, newer) };
        assert_eq!(loser.dismissal().await, Some((6, 7)));
        if newer_wins {
            winner.expect(MessageType::Keepalive).await;
        }
        winner.send(&Outgoing::Keepalive).await;
        while winner.next().await.unwrap().0 != MessageType::Update {}
    }
}

#[tokio::test]
async fn silent_connections_do_not_delay_the_next_one() {
    let host = host().await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect("127.1.0.1", host.address()).await;
        client.expect(MessageType::Open).await;
        silent.push(client);
    }
    assert_eq!(silent[0].dismissal().await, Some((6, 8)), "the oldest makes room");
    assert_eq!(silent[1].dismissal().await, Some((6, 8)));
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    client.live(1).await;
    until(|| host.refused("half_open_limit") == 3).await;
}

#[tokio::test]
async fn who_makes_room_makes_it_at_once() {
    let host = host().await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Client::connect("127.1.0.1", host.address()).await);
    }
    silent[0].expect(MessageType::Open).await;
    // What is closed because of an error waits for the peer to read why.
    let mut garbage = Client::connect("127.1.0.2", host.address()).await;
    garbage.write(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(garbage.dismissal().await, Some((1, 1)));
    silent.push(Client::connect("127.1.0.1", host.address()).await);
    assert_eq!(silent[0].dismissal().await, Some((6, 8)));
    silent[0].gone().await;
    assert!(garbage.is_heard().await, "it goes later than who made room");
}

#[tokio::test]
async fn sessions_that_err_again_and_again_leave_no_sockets_behind() {
    let host = host().await;
    let mut bad_length = update();
    bad_length[20] = 99;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
        client.write(&bad_length).await;
        assert_eq!(client.dismissal().await, Some((3, 1)));
        clients.push(client);
    }
    // The first two may wait for a second; of the others, none does.
    for client in &mut clients[2..] {
        client.gone().await;
    }
    assert!(clients[0].is_heard().await || clients[1].is_heard().await, "they wait for longer");
}

#[tokio::test]
async fn nobody_makes_room_whose_open_is_on_its_way() {
    let host = host().await;
    let mut clients = Vec::new();
    for last in 1..20 {
        let from = format!("127.1.0.{last}");
        let mut node = Client::connect(&from, host.address()).await;
        for _ in 0..6 {
            clients.push(Client::connect(&from, host.address()).await);
        }
        node.greet(open(65201, last, false)).await;
        assert_eq!(node.expect(MessageType::Update).await, [0; 4]);
        clients.push(node);
    }
}

#[tokio::test]
async fn while_the_observer_is_busy_keepalives_go_on_and_nobody_is_silent() {
    let config = config(vec![leaf("a", 65101)], vec![neighbors("a", "127.0.0.0/8", "65201")]);
    let mut host = Host::with_room(config, 1).await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    client.write(&update()).await;
    // The peer is silent for longer than its hold time, and we do not read: nobody can tell.
    for _ in 0..4 {
        client.expect(MessageType::Keepalive).await;
    }
    let Event::Established(up) = host.event().await else { panic!() };
    assert_eq!(up.stats.suspended(), 1);
    client.send(&Outgoing::Keepalive).await;
    assert!(matches!(host.event().await, Event::Routes { .. }));
    client.live(1).await;
    assert_eq!(client.dismissal().await, Some((4, 0)), "once we read again, silence counts");
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!(closed.reason, ResetReason::HoldTimer);
}

#[tokio::test]
async fn a_busy_observer_keeps_no_peer_from_its_notification() {
    let config = config(vec![leaf("a", 65101)], vec![neighbors("a", "127.0.0.0/8", "65201")]);
    let mut host = Host::with_room(config, 1).await;
    let mut clients = Vec::new();
    for last in 1..4 {
        let from = format!("127.1.0.{last}");
        clients.push(Client::establish(&from, host.address(), open(65201, last, true)).await);
        clients.last_mut().unwrap().write(&update()).await;
    }
    let speaker = host.speaker.clone();
    let shutdown = tokio::spawn(async move { speaker.shutdown("").await });
    for client in &mut clients {
        assert_eq!(client.dismissal().await, Some((6, 2)));
    }
    let mut open = 0;
    for _ in 0..3 {
        while !matches!(host.event().await, Event::Closed(_)) {
            open += 1;
        }
    }
    assert!(open >= 3, "each was heard of before it ended");
    within(shutdown).await.unwrap();
}

#[tokio::test]
async fn errors_are_counted_and_the_notification_arrives() {
    let mut host = host().await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let Event::Established(up) = host.event().await else { panic!() };
    let mut bad_origin = update();
    bad_origin[26] = 9;
    let mut bad_length = update();
    bad_length[20] = 99;
    client.write(&[bad_origin, bad_length, update().repeat(5000)].concat()).await;
    assert_eq!(client.dismissal().await, Some((3, 1)));
    assert!(matches!(host.event().await, Event::Routes { .. }), "what came before the error counts");
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!((closed.reason, closed.loss), (ResetReason::NotificationSent, Loss::Final));
    assert_eq!(up.stats.errors(ErrorAction::TreatAsWithdraw), 1);
    assert_eq!(up.stats.errors(ErrorAction::SessionReset), 1);
}

#[tokio::test]
async fn a_peer_that_says_it_was_removed_is_no_longer_known() {
    let mut host = host().await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, true)).await;
    assert!(matches!(host.event().await, Event::Established(_)));
    client.send(&Outgoing::Notification(Notification::cease(bgp::Cease::PeerDeconfigured))).await;
    assert_eq!(client.farewell().await, None);
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!((closed.reason, closed.loss), (ResetReason::NotificationReceived, Loss::Deconfigured));
    until(|| host.speaker.peers().is_empty()).await;
}

#[tokio::test]
async fn orders_reach_the_session() {
    let mut host = host().await;
    let to = peer("127.1.0.1");
    assert!(!host.speaker.reset(&to, Cease::AdministrativeReset));
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    assert!(matches!(host.event().await, Event::Established(_)));

    host.speaker.refresh(&to, Families::ALL);
    assert_eq!(client.expect(MessageType::RouteRefresh).await, [0, 1, 0, 1]);
    assert!(host.speaker.reset(&to, Cease::AdministrativeReset));
    assert_eq!(client.dismissal().await, Some((6, 4)));
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!(closed.reason, ResetReason::Admin);

    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    host.speaker.reset(&to, Cease::PrefixLimit(std::time::Duration::from_mins(1)));
    assert_eq!(client.dismissal().await, Some((6, 1)));
    let mut client = Client::connect("127.1.0.1", host.address()).await;
    assert_eq!(client.dismissal().await, Some((6, 5)), "refused for a while");
    assert_eq!(host.refused("prefix_limit"), 1);
}

#[tokio::test]
async fn a_shutdown_tells_everybody_and_waits_for_all() {
    let mut host = host().await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, true)).await;
    let mut silent = Client::connect("127.1.0.2", host.address()).await;
    silent.expect(MessageType::Open).await;
    let address = host.address();
    let (farewell, also, ()) =
        tokio::join!(client.farewell(), silent.dismissal(), within(host.speaker.shutdown("rack 1 moves")));
    let farewell = farewell.unwrap();
    assert_eq!((farewell.code, farewell.subcode), (6, 2));
    assert_eq!(farewell.text().as_deref(), Some("rack 1 moves"));
    assert_eq!(also, Some((6, 2)));
    assert!(host.speaker.listening().is_empty());
    assert!(within(Client::connect_with("127.1.0.1", address, |_| ())).await.is_err());
    assert!(matches!(host.event().await, Event::Established(_)));
    assert!(matches!(host.event().await, Event::Closed(closed) if closed.loss == Loss::Final));
}

#[tokio::test]
async fn a_session_that_fails_in_the_segment_that_made_it_was_one() {
    let mut host = host().await;
    let mut client = Client::connect("127.1.0.1", host.address()).await;
    client.send(&Outgoing::Open(open(65201, 1, true))).await;
    client.expect(MessageType::Open).await;
    client.expect(MessageType::Keepalive).await;
    let mut bad_length = update();
    bad_length[20] = 99;
    client.write(&[&[0xff; 16][..], &[0, 19, 4], &update(), &bad_length].concat()).await;
    assert_eq!(client.expect(MessageType::Update).await, [0; 4]);
    assert_eq!(client.dismissal().await, Some((3, 1)));
    assert!(matches!(host.event().await, Event::Established(_)));
    assert!(matches!(host.event().await, Event::Routes { .. }));
    assert!(matches!(host.event().await, Event::Closed(_)));
    assert_eq!(host.refused("open_error"), 0);
}

#[tokio::test]
async fn a_flood_without_a_sign_of_life_ends_with_the_hold_time() {
    let mut host = host().await;
    let client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let mut stream = client.stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let flood = std::thread::spawn(move || {
        // Requests for routes that we do not have, without a pause, and not for ever.
        let refresh = [&[0xff; 16][..], &[0, 23, 5, 0, 1, 0, 1]].concat().repeat(20_000);
        let start = std::time::Instant::now();
        while start.elapsed().as_secs() < 5 && stream.write_all(&refresh).is_ok() {}
    });
    assert!(matches!(host.event().await, Event::Established(_)));
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!(closed.reason, ResetReason::HoldTimer);
    drop(host);
    tokio::task::spawn_blocking(|| flood.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_rack_may_come_back_at_once() {
    let mut host = host().await;
    let mut clients = Vec::new();
    for node in 0..300 {
        let from = format!("127.9.{}.{}", node / 100, node % 100 + 1);
        clients.push(Client::connect(&from, host.address()).await);
    }
    let mut sessions = JoinSet::new();
    for mut client in clients {
        sessions.spawn(async move {
            client.greet(open(65201, 1, true)).await;
            client.expect(MessageType::Update).await;
            client
        });
    }
    for _ in 0..300 {
        assert!(matches!(host.event().await, Event::Established(_)));
    }
    assert_eq!(sessions.join_all().await.len(), 300);
}

#[tokio::test]
async fn a_peer_that_never_pauses_does_not_stop_our_keepalives() {
    let mut host = host().await;
    let client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let (mut from_us, mut to_us) = client.stream.into_split();
    let mut flood = JoinSet::new();
    flood.spawn(async move {
        let many = update().repeat(5000);
        while to_us.write_all(&many).await.is_ok() {}
    });
    flood.spawn(async move { while host.events.recv().await.is_some() {} });
    for _ in 0..3 {
        within(from_us.read_exact(&mut [0; 19])).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_never_pauses_leaves_room_for_others() {
    let mut host = host().await;
    let flooding = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let Event::Established(up) = host.event().await else { panic!() };
    let mut to_us = flooding.stream;
    let mut flood = JoinSet::new();
    flood.spawn(async move {
        to_us.write_all(&update().repeat(50_000)).await.unwrap();
        to_us
    });
    until(|| up.stats.suspended() > 0).await;
    let mut client = Client::establish("127.1.0.2", host.address(), open(65201, 2, false)).await;
    client.write(&update()).await;

    let mut before = 0;
    let other = loop {
        match host.event().await {
            Event::Routes { session, .. } if session == up.session => before += 1,
            Event::Established(other) => break other.session,
            event => panic!("{event:?}"),
        }
    };
    assert!((1..=2).contains(&before), "{before} reads of the flood were waiting");
    let mut between = 0;
    loop {
        match host.event().await {
            Event::Routes { session, .. } if session == other => break,
            Event::Routes { .. } => between += 1,
            event => panic!("{event:?}"),
        }
    }
    assert!(between <= 4, "{between} reads of the flood came before");
    flood.spawn(async move {
        while host.events.recv().await.is_some() {}
        client.stream
    });
    within(flood.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_closed_while_nobody_read_may_come_back_at_once() {
    let config = config(vec![leaf("a", 65101)], vec![neighbors("a", "127.0.0.0/8", "65201")]);
    let mut host = Host::with_room(config, 1).await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    client.write(&update()).await;
    let stats = Arc::clone(&host.speaker.peers()[0].1);
    until(|| stats.suspended() > 0).await;
    drop(client);
    // The observer takes nothing at all meanwhile.
    let address = host.address();
    let _client = within(async {
        loop {
            let mut client = Client::connect("127.1.0.1", address).await;
            client.send(&Outgoing::Open(open(65201, 1, false))).await;
            client.expect(MessageType::Open).await;
            match client.next().await {
                Some((MessageType::Keepalive, _)) => break client,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(matches!(host.event().await, Event::Established(_)));
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!((closed.reason, closed.loss), (ResetReason::Tcp, Loss::Final));
}

#[tokio::test]
async fn the_end_of_a_session_is_told_before_the_next_one_begins() {
    let goodbye = octets(&[Outgoing::Notification(Notification::new(6, 2))]);
    for (open, loss) in [(open(65201, 1, true), Loss::Final), (with_n_bit(1), Loss::Graceful)] {
        let mut host = host().await;
        let mut client = Client::establish("127.1.0.1", host.address(), open.clone()).await;
        let stats = Arc::clone(&host.speaker.peers()[0].1);
        // Two reads fill the share; with the third, the session ends.
        for read in 1..3 {
            client.write(&update()).await;
            until(|| stats.received(MessageType::Update) == read).await;
        }
        client.write(&[update(), goodbye.clone()].concat()).await;
        assert_eq!(client.farewell().await, None);
        let _next = Client::establish("127.1.0.1", host.address(), open).await;
        let Event::Established(first) = host.event().await else { panic!() };
        let closed = loop {
            match host.event().await {
                Event::Routes { session, .. } => assert_eq!(session, first.session),
                Event::Closed(closed) => break closed,
                other => panic!("{other:?} was told of first"),
            }
        };
        assert_eq!((closed.session, closed.loss), (first.session, loss));
        assert!(matches!(host.event().await, Event::Established(_)));
    }
}

#[tokio::test]
async fn sessions_of_a_moment_do_not_wait_for_the_observer() {
    let goodbye = Outgoing::Notification(Notification::new(6, 2));
    for (open, room) in [(open(65201, 1, true), 256), (with_n_bit(1), 256), (with_n_bit(1), 4)] {
        let config = config(vec![leaf("a", 65101)], vec![neighbors("a", "127.0.0.0/8", "65201")]);
        let host = Host::with_room(config, room).await;
        let hello = octets(&[Outgoing::Open(open), Outgoing::Keepalive]);
        let all = [hello, update(), octets(std::slice::from_ref(&goodbye))].concat();
        for _ in 0..40 {
            let mut client = Client::connect("127.1.0.1", host.address()).await;
            client.write(&all).await;
            while client.next().await.is_some() {}
        }
        // One has the turn, another may have come since.
        until(|| *host.speaker.shared.running.borrow() <= 2).await;
    }
}

#[tokio::test]
async fn connections_that_go_before_they_are_sessions_are_counted() {
    let host = host().await;
    drop(Client::connect("127.1.0.1", host.address()).await);
    until(|| host.refused("lost") == 1).await;
    let mut client = Client::connect("127.1.0.1", host.address()).await;
    client.send(&Outgoing::Open(open(65201, 1, false))).await;
    client.send(&Outgoing::Notification(Notification::new(6, 2))).await;
    until(|| host.refused("lost") == 2).await;
    let mut client = Client::connect("127.1.0.1", host.address()).await;
    client.send(&Outgoing::Open(open(65201, 1, false))).await;
    assert_eq!(client.dismissal().await, Some((4, 0)), "no KEEPALIVE came");
    until(|| host.refused("open_timeout") == 1).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_its_buffers_and_no_more() {
    let host = host().await;
    let small = |socket: &socket2::Socket| socket.set_recv_buffer_size(2048).unwrap();
    let mut deaf = Client::connect_with("127.1.0.1", host.address(), small).await.unwrap();
    deaf.greet(open(65201, 1, true)).await;
    let stats = Arc::clone(&host.speaker.peers()[0].1);
    until(|| stats.state() == SessionState::Established).await;
    let mut other = Client::establish("127.1.0.2", host.address(), open(65201, 2, false)).await;
    let sent = || stats.sent(MessageType::RouteRefresh);
    let (mut last, mut unmoved) = (0, 0);
    within(async {
        while unmoved < 50 {
            host.speaker.refresh(&peer("127.1.0.1"), Families::ALL);
            tokio::time::sleep(std::time::Duration::from_micros(500)).await;
            unmoved = if sent() == last { unmoved + 1 } else { 0 };
            last = sent();
        }
    })
    .await;
    assert!((40..2_000).contains(&last), "{last} requests of 23 octets");
    other.live(1).await;
    assert_eq!(stats.state(), SessionState::Established);
}

/// Up, ended by the peer as `end` says, and up again at once, many times over. How each ended.
async fn come_and_go(restart: bool, end: Option<Notification>) -> Vec<Loss> {
    let mut host = host().await;
    let mut losses = Vec::new();
    let mut client = Client::establish("127.0.0.21", host.address(), open(65201, 21, restart)).await;
    for round in 0.. {
        // Of a session that nobody was told of when the next one is there, nobody is.
        loop {
            match host.event().await {
                Event::Established(_) => break,
                Event::Closed(closed) => losses.push(closed.loss),
                _ => {}
            }
        }
        if round == 100 {
            break;
        }
        if let Some(notification) = end.clone() {
            client.send(&Outgoing::Notification(notification)).await;
        }
        drop(client);
        client = Client::establish("127.0.0.21", host.address(), open(65201, 21, restart)).await;
    }
    assert_eq!(host.refused("collision"), 0);
    losses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_closes_and_connects_again_at_once_is_up_again() {
    assert_eq!(come_and_go(false, None).await, [Loss::Final; 100]);
    assert_eq!(come_and_go(true, None).await, [Loss::Graceful; 100]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_said_last_is_heard_before_the_next_replaces_it() {
    let reset = Notification::cease(bgp::Cease::HardReset);
    assert_eq!(come_and_go(true, Some(reset)).await, [Loss::Final; 100]);
}

#[tokio::test]
async fn a_connection_whose_task_is_gone_has_no_place() {
    let host = host().await;
    let shared = Arc::clone(&host.speaker.shared);
    let id = peer("127.1.0.1");
    let now = shared.clock.now();
    let entry = shared.registry().enter(id.clone(), Direction::Accepted, now).unwrap();
    let stream = Client::connect("127.1.0.1", host.address()).await.stream;
    let connection = Connection::new(Arc::clone(&shared), entry, stream, id.address);
    assert!(shared.registry().is_busy(&id, now));
    drop(connection);
    // The other end of that stream is a connection, too.
    until(|| !shared.registry().is_busy(&id, now)).await;
}

#[tokio::test]
async fn a_peer_whose_hold_timer_expires_is_told_with_what_it_was_sent() {
    let mut host = host().await;
    let mut client = Client::establish("127.1.0.1", host.address(), open(65201, 1, false)).await;
    let Event::Established(up) = host.event().await else { panic!() };
    client.live(1).await;
    client.send(&Outgoing::Notification(Notification::hold_timer_expired())).await;
    let Event::Closed(closed) = host.event().await else { panic!() };
    assert_eq!(closed.reason, ResetReason::HoldTimerPeer);
    assert_eq!(closed.expiry.unwrap().hold_time, up.negotiated.hold_time);
}

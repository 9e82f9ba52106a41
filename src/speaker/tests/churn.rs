//! Everything at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{Client, Host, open, peer, within};
use super::{config, leaf, neighbors};
use crate::bgp::{Families, Notification, Outgoing};
use crate::config::Config;
use crate::speaker::{Cease, Event};

fn with_hold_time(seconds: u64) -> Config {
    let mut entry = neighbors("a", "127.1.0.0/16", "65201");
    entry.hold_time = Duration::from_secs(seconds);
    config(vec![leaf("a", 65101)], vec![entry])
}

/// One connection that does what `act` says.
async fn misbehave(to: std::net::SocketAddr, act: u32) {
    let last = u8::try_from(act % 5).unwrap();
    let Ok(mut client) = Client::connect_with(&format!("127.1.0.{}", 1 + last), to, |_| ()).await else {
        return;
    };
    let all = |messages: &[Outgoing]| {
        let mut octets = bytes::BytesMut::new();
        for message in messages {
            message.encode(&mut octets);
        }
        octets
    };
    let open = Outgoing::Open(open(65201, last, !act.is_multiple_of(3)));
    let octets = match act / 5 % 7 {
        0 => all(&[]),
        1 => all(&[open]),
        2 => all(&[open, Outgoing::Keepalive, Outgoing::Notification(Notification::new(6, 4))]),
        3 => all(&[open, Outgoing::Keepalive, Outgoing::Open(super::client::open(65201, 1, true))]),
        4 => all(&[open, Outgoing::Keepalive, Outgoing::Notification(Notification::new(6, 3))]),
        _ => all(&[open, Outgoing::Keepalive]),
    };
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, &octets).await;
    let _ = tokio::time::timeout(Duration::from_millis(u64::from(act % 40)), client.stream.readable()).await;
    if act.is_multiple_of(2) {
        let _ = tokio::time::timeout(Duration::from_millis(20), client.farewell()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_session_begins_once_and_ends_once() {
    let Host { speaker, mut events } = Host::with_room(with_hold_time(3), 1).await;
    let to = speaker.listening()[0];
    let mut peers = JoinSet::new();
    for task in 0..12_u32 {
        peers.spawn(async move {
            for round in 0..60_u32 {
                misbehave(to, (task * 7919 + round).wrapping_mul(2_654_435_761) >> 16).await;
            }
        });
    }
    let operator = speaker.clone();
    let reader = tokio::spawn(async move {
        let (mut open, mut closed) = (HashSet::new(), HashSet::new());
        while let Some(delivery) = events.recv().await {
            match delivery.event {
                Event::Established(up) => {
                    assert!(open.insert(up.session));
                }
                Event::Routes { session, .. } => assert!(open.contains(&session)),
                Event::Closed(down) => {
                    assert!(open.remove(&down.session), "{down:?}");
                    assert!(closed.insert(down.session));
                }
                Event::Refused(_) | Event::Unsigned(_) => {}
            }
        }
        (open.len(), closed.len())
    });
    peers.spawn(async move {
        for round in 0..40_u8 {
            let to = peer(&format!("127.1.0.{}", 1 + round % 5));
            match round % 4 {
                0 => _ = operator.reset(&to, Cease::AdministrativeReset),
                1 => operator.refresh(&to, Families::ALL),
                2 => _ = operator.forget(&to),
                _ => operator.reconfigure(Arc::new(with_hold_time(3 + u64::from(round % 3)))).await.unwrap(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    peers.join_all().await;
    within(speaker.shutdown("")).await;
    drop(speaker);
    let (open, closed) = within(reader).await.unwrap();
    eprintln!("{open} open, {closed} closed");
    assert_eq!(open, 0);
    assert!(closed > 50, "{closed} sessions");
}

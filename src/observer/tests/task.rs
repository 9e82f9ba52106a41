//! The loop: events in, answers out.

#![expect(clippy::disallowed_methods, reason = "the loop's timers, under tokio's virtual time")]

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::*;
use crate::observer::{Command, Observer, spawn};
use crate::speaker::Delivery;
use crate::time::Clock;

fn start(config: Config) -> (Observer, mpsc::Sender<Delivery>, mpsc::UnboundedReceiver<Command>, Clock) {
    let clock = Clock::start();
    let (sender, events) = mpsc::channel(4);
    let (commands, received) = mpsc::unbounded_channel();
    let settings = Settings { route_grace: Duration::ZERO, peer_grace: Duration::ZERO, strangers: false };
    let observer =
        spawn(Arc::new(config), settings, clock, events, move |command| drop(commands.send(command)));
    (observer, sender, received, clock)
}

fn established(clock: Clock) -> (Event, Negotiated) {
    let terms = terms(NODE_AS, NODE);
    let established = Established {
        session: SessionId(1),
        peer: PeerId { leaf: "leaf1".into(), address: ip(NODE) },
        local: ip("192.168.1.1"),
        at: clock.now(),
        negotiated: Arc::new(terms.clone()),
        capabilities: vec![],
        neighbors: Arc::new(neighbors("leaf1", "192.168.0.0/16")),
        stats: Arc::default(),
    };
    (Event::Established(Box::new(established)), terms)
}

fn routes(clock: Clock, terms: &Negotiated, prefixes: &[String]) -> Event {
    let mut out = BytesMut::new();
    let own = Builder::new(&[NODE_AS], ip(NODE));
    let prefixes = prefixes.iter().map(|prefix| (0, net(prefix)));
    own.with_set(|set| Announcer::default().announce(Family::Ipv4, set, prefixes, &mut out));
    let mut batch = Batch::default();
    let mut octets = &out[..];
    while let Some(message) = frame(octets, true).unwrap() {
        batch.push_update(&Update::parse(message.body, terms).unwrap());
        octets = &octets[message.octets.len()..];
    }
    Event::Routes { session: SessionId(1), at: clock.now(), batch }
}

#[tokio::test(start_paused = true)]
async fn answers_every_question_and_ends_with_its_senders() {
    let (observer, events, mut commands, clock) = start(config());
    assert_eq!(observer.snapshot().await.expect("an answer").summary.peers.known, 0);
    let (up, terms) = established(clock);
    events.send(up.into()).await.unwrap();
    let prefixes: Vec<_> = (0..6_000).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    for some in prefixes.chunks(500) {
        events.send(routes(clock, &terms, some).into()).await.unwrap();
    }
    let rogue = ["0.0.0.0/0".to_owned()];
    events.send(routes(clock, &terms, &rogue).into()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;

    let snapshot = observer.snapshot().await.expect("an answer");
    assert_eq!(snapshot.summary.peers.established, 1);
    assert_eq!((snapshot.summary.routes.accepted, snapshot.summary.routes.rejected), (6_000, 1));
    assert_eq!(snapshot.summary.findings.pending, 1);
    assert_eq!(snapshot.processing.count, 14);
    assert_eq!(snapshot.queue, (0, 4));

    let query = RouteQuery { node: Some(NODE.to_owned()), limit: 1_000, ..RouteQuery::default() };
    let page = observer.routes(query).await.expect("an answer");
    assert_eq!((page.items.len(), page.total), (1_000, Some(6_001)));
    assert!(page.next_cursor.is_some());
    let none = RouteQuery { node: Some("nobody".to_owned()), ..RouteQuery::default() };
    let page = observer.routes(none).await.expect("an answer");
    assert_eq!((page.items.len(), page.next_cursor), (0, None), "all were looked at");
    assert_eq!(observer.why(RouteQuery::of(net("0.0.0.0/0"))).await.expect("an answer").len(), 1);

    assert!(observer.events().newer_than(0).await);
    let kinds: Vec<_> = observer.events().since(0, 1_000).iter().map(|event| event.kind.clone()).collect();
    assert!(
        kinds.contains(&"peer_up".to_owned()) && kinds.contains(&"finding_pending".to_owned()),
        "{kinds:?}"
    );

    assert_eq!(observer.forget(None, ip(NODE)).await, Some(0), "it is up");
    let mut narrow = config();
    narrow.policy.allow.clear();
    observer.reconfigure(Arc::new(narrow)).await.expect("an answer");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let routes = observer.snapshot().await.expect("an answer").summary.routes.clone();
    assert_eq!((routes.accepted, routes.rejected, routes.rejected_not_kept), (0, 1_000, 5_001));
    assert!(commands.try_recv().is_err(), "nothing was not kept when the policy changed");

    drop(events);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(observer.snapshot().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn turns_at_least_once_a_second() {
    let (observer, _events, _commands, clock) = start(config());
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(clock.now().since(observer.heartbeat()) <= Duration::from_millis(1_100));
}

/// Nobody has to ask again and again, and nothing that changes is missed, whenever it does.
#[tokio::test(start_paused = true)]
async fn who_keeps_members_is_woken_for_every_change() {
    let kept = Config { apics: vec![feed::apic()], eepgs: vec![feed::rule(Match::default())], ..config() };
    let (observer, events, _commands, clock) = start(kept);
    let (up, terms) = established(clock);
    events.send(up.into()).await.unwrap();
    let reader = tokio::spawn({
        let observer = observer.clone();
        async move {
            let mut told = BTreeMap::new();
            while told.len() < 300 {
                observer.offered().await.expect("it is there");
                let some = observer.offers(7).await.expect("an answer");
                told.extend(some.into_iter().map(|told| (told.prefix, told.offers.len())));
            }
            told
        }
    });
    for n in 0..300 {
        let prefix = [format!("10.244.{}.{}/32", n / 250, n % 250)];
        events.send(routes(clock, &terms, &prefix).into()).await.unwrap();
        if n % 3 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let told = tokio::time::timeout(MINUTE, reader).await.expect("woken each time").unwrap();
    assert!(told.values().all(|offers| *offers == 1));
    assert!(observer.offers(10).await.expect("an answer").is_empty());
    // One call may be left from before.
    let _ = tokio::time::timeout(MINUTE, observer.offered()).await;
    assert!(tokio::time::timeout(MINUTE, observer.offered()).await.is_err(), "nothing changes");

    observer.offer_all().await.unwrap();
    let mut again = 0;
    while again < 300 {
        observer.offered().await.expect("it is there");
        again += observer.offers(1_000).await.expect("an answer").len();
    }
    let roster = observer.roster().await.expect("an answer");
    assert!(roster.complete && roster.peers.len() == 1);
    drop(events);
    assert_eq!(observer.offered().await, None, "it has ended");
}

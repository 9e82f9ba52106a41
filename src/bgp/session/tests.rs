//! The session machine in virtual time, without a socket.

use std::net::Ipv4Addr;

use bytes::BufMut;

use super::*;
use crate::bgp::batch::Item;
use crate::bgp::capability::{Capabilities, Capability, RestartFamily};
use crate::bgp::notification::Cease;
use crate::bgp::{Family, frame};
use crate::config::model::AsRange;

/// A session and the peer that a test plays.
struct Pair {
    session: Session,
    now: Timestamp,
    heard: Heard,
    /// What the shell keeps of an unfinished message.
    unread: Vec<u8>,
}

/// One message, as the peer sees it: its type and body.
type Sent = (MessageType, Vec<u8>);
/// Code, subcode and data.
type Notified = (u8, u8, Vec<u8>);
/// What is wrong, the OPEN, code and subcode, and the data if it matters.
type BadOpen = (&'static str, Vec<u8>, (u8, u8), Option<&'static [u8]>);

impl Pair {
    fn new() -> Self {
        Self::with(offer())
    }

    fn with(offer: Offer) -> Self {
        let now = Timestamp::from_micros(1_000_000_000);
        Self { session: Session::new(Arc::new(offer), now), now, heard: Heard::default(), unread: vec![] }
    }

    /// After the peer's OPEN and our admission.
    fn confirming(open: &Open<'static>) -> Self {
        let mut pair = Self::new();
        pair.sent();
        pair.feed(&message(&Outgoing::Open(open.clone())));
        assert!(matches!(pair.session.state(), State::Opened(_)), "{:?}", pair.session.state());
        pair.session.admit(pair.now);
        pair
    }

    fn established(open: &Open<'static>) -> Self {
        let mut pair = Self::confirming(open);
        pair.sent();
        pair.feed(&message(&Outgoing::Keepalive));
        assert!(matches!(pair.session.state(), State::Established(_)), "{:?}", pair.session.state());
        pair
    }

    fn feed(&mut self, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        let count = self.session.receive(&self.unread, &mut self.heard, self.now);
        self.unread.drain(..count);
    }

    /// What we sent since the last call; the peer takes it all.
    fn sent(&mut self) -> Vec<Sent> {
        let octets = self.session.outgoing().to_vec();
        self.session.sent(octets.len(), self.now);
        messages(&octets)
    }

    /// Lets time pass, with every timeout at its moment.
    fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some(next) = self.session.next_timeout().filter(|next| *next <= end) {
            self.now = next;
            self.session.timeout(next);
        }
        self.now = end;
    }

    fn ending(&self) -> Option<&Ending> {
        match self.session.state() {
            State::Ended { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// Code and subcode of the NOTIFICATION that was the last we sent.
    fn notification(&mut self) -> Option<Notified> {
        let (kind, body) = self.sent().pop()?;
        let [code, subcode, data @ ..] = &body[..] else { return None };
        (kind == MessageType::Notification).then(|| (*code, *subcode, data.to_vec()))
    }
}

fn offer() -> Offer {
    Offer {
        local_as: 65101,
        identifier: Ipv4Addr::new(10, 0, 0, 101),
        hold_time: Duration::from_secs(3),
        families: Families::ALL,
        add_path: false,
        peer_as: vec![AsRange { first: 65201, last: 65299 }],
    }
}

fn open() -> Open<'static> {
    open_with(vec![])
}

fn open_with(mut capabilities: Vec<Capability>) -> Open<'static> {
    capabilities.extend([
        Capability::Multiprotocol { afi: 1, safi: 1 },
        Capability::RouteRefresh,
        Capability::EnhancedRouteRefresh,
        Capability::FourOctetAs(65201),
    ]);
    Open::new(65201, 240, Ipv4Addr::new(192, 168, 1, 1), capabilities)
}

fn restart(notification: bool) -> Capability {
    let families = vec![RestartFamily { afi: 1, safi: 1, forwarding: true }];
    Capability::GracefulRestart { restarting: false, notification, time: 120, families }
}

fn message(outgoing: &Outgoing) -> Vec<u8> {
    let mut octets = BytesMut::new();
    outgoing.encode(&mut octets);
    octets.to_vec()
}

fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.put_u16(u16::try_from(body.len() + 19).unwrap());
    octets.put_u8(kind);
    octets.extend_from_slice(body);
    octets
}

fn keepalive() -> Vec<u8> {
    message(&Outgoing::Keepalive)
}

/// 10.244.1.0/26 by way of 65201 and 192.168.1.1.
fn update() -> Vec<u8> {
    let body = [
        &[0, 0, 0, 20][..],
        &[0x40, 1, 1, 0],
        &[0x40, 2, 6, 2, 1, 0, 0, 0xfe, 0xb1],
        &[0x40, 3, 4, 192, 168, 1, 1],
        &[26, 10, 244, 1, 0],
    ];
    raw(2, &body.concat())
}

fn messages(mut octets: &[u8]) -> Vec<Sent> {
    let mut messages = Vec::new();
    while let Some(frame) = frame(octets, true).unwrap() {
        messages.push((frame.kind, frame.body.to_vec()));
        octets = &octets[frame.octets.len()..];
    }
    assert!(octets.is_empty(), "we send whole messages");
    messages
}

fn kinds(sent: &[Sent]) -> Vec<MessageType> {
    sent.iter().map(|(kind, _)| *kind).collect()
}

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);

#[test]
fn our_open_goes_out_at_once_and_end_of_rib_comes_first() {
    let mut pair = Pair::new();
    assert_eq!(kinds(&pair.sent()), [MessageType::Open]);

    let both = open_with(vec![Capability::Multiprotocol { afi: 2, safi: 1 }]);
    pair.feed(&message(&Outgoing::Open(both)));
    let State::Opened(agreed) = pair.session.state() else { panic!("{:?}", pair.session.state()) };
    assert_eq!(agreed.negotiated.peer_as, 65201);
    assert_eq!(agreed.capabilities.len(), 5);
    assert!(pair.sent().is_empty(), "nothing before collision detection has decided");

    pair.session.admit(pair.now);
    assert_eq!(kinds(&pair.sent()), [MessageType::Keepalive]);
    pair.feed(&keepalive());
    let sent = pair.sent();
    assert_eq!(
        sent,
        [(MessageType::Update, vec![0; 4]), (MessageType::Update, vec![0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]),]
    );
    assert_eq!(pair.session.take_sent(), [1, 2, 0, 1, 0]);
}

#[test]
fn routes_and_markers_come_out_in_their_order() {
    let mut pair = Pair::established(&open());
    let mut octets = keepalive();
    octets.extend(raw(5, &[0, 1, 1, 1]));
    octets.extend(update());
    octets.extend(raw(5, &[0, 1, 2, 1]));
    octets.extend(raw(5, &[0, 1, 0, 1]));
    octets.extend(raw(5, &[0, 1, 77, 1]));
    octets.extend(raw(5, &[0, 25, 1, 65]));
    octets.extend(raw(2, &[0; 4]));
    pair.feed(&octets);
    assert!(pair.ending().is_none());
    let items: Vec<_> = pair.heard.batch.items().collect();
    assert!(matches!(
        items[..],
        [
            Item::BeginRefresh(Family::Ipv4),
            Item::Announce(..),
            Item::EndRefresh(Family::Ipv4),
            Item::EndOfRib(Family::Ipv4),
        ]
    ));
    assert_eq!(pair.heard.messages, [1, 2, 0, 2, 5]);
    assert_eq!(pair.heard.octets, octets.len() + message(&Outgoing::Open(open())).len() + 19);
}

#[test]
fn octet_by_octet_is_the_same_as_all_at_once() {
    let mut pair = Pair::new();
    let mut octets = message(&Outgoing::Open(open()));
    octets.extend(keepalive());
    octets.extend(update());
    for octet in octets {
        pair.feed(&[octet]);
        if matches!(pair.session.state(), State::Opened(_)) {
            pair.session.admit(pair.now);
        }
    }
    assert!(matches!(pair.session.state(), State::Established(_)));
    assert!(matches!(pair.heard.batch.items().next(), Some(Item::Announce(..))));
    assert!(pair.unread.is_empty());
}

#[test]
fn what_is_wrong_with_an_open_is_said_as_the_rfcs_say_it() {
    let plain = |asn: u16, hold: u16, id: u32, parameters: &[u8]| {
        let mut body = vec![4];
        body.put_u16(asn);
        body.put_u16(hold);
        body.put_u32(id);
        body.extend_from_slice(parameters);
        raw(1, &body)
    };
    let mut version = plain(65201, 3, 1, &[0]);
    version[19] = 3;
    let cases: [BadOpen; 15] = [
        ("version 3", version, (2, 1), Some(&[0, 4])),
        ("AS not permitted", plain(65301, 3, 1, &[0]), (2, 2), None),
        ("our own AS", plain(65101, 3, 1, &[0]), (2, 2), None),
        ("AS 0", plain(0, 3, 1, &[0]), (2, 2), None),
        ("AS 0 in the capability", plain(65201, 3, 1, &[8, 2, 6, 65, 4, 0, 0, 0, 0]), (2, 2), None),
        ("another AS in the capability", plain(65201, 3, 1, &[8, 2, 6, 65, 4, 0, 0, 0, 1]), (2, 2), None),
        ("AS_TRANS alone", plain(23456, 3, 1, &[0]), (2, 2), None),
        ("identifier 0", plain(65201, 3, 0, &[0]), (2, 3), None),
        ("hold time 1", plain(65201, 1, 1, &[0]), (2, 6), None),
        ("hold time 2", plain(65201, 2, 1, &[0]), (2, 6), None),
        ("authentication parameter", plain(65201, 3, 1, &[3, 1, 1, 0]), (2, 4), None),
        ("unknown parameter", plain(65201, 3, 1, &[3, 9, 1, 0]), (2, 4), None),
        ("parameter overruns", plain(65201, 3, 1, &[3, 2, 9, 0]), (2, 0), None),
        ("octets left over", plain(65201, 3, 1, &[0, 0]), (2, 0), None),
        ("no common family", plain(65201, 3, 1, &[8, 2, 6, 1, 4, 0, 25, 0, 65]), (2, 7), None),
    ];
    for (what, octets, code, data) in cases {
        let mut pair = Pair::new();
        pair.feed(&octets);
        let (notified, subcode, sent) = pair.notification().unwrap_or_else(|| panic!("{what}"));
        assert_eq!((notified, subcode), code, "{what}");
        if let Some(data) = data {
            assert_eq!(sent, data, "{what}");
        }
        assert!(matches!(pair.ending(), Some(Ending::Failed { .. })), "{what}");
    }
}

#[test]
fn the_peer_may_offer_anything_lawful() {
    for hold_time in [0, 3, 65535] {
        Pair::established(&Open { hold_time, ..open() });
    }
    Pair::established(&Open { capabilities: Capabilities::default(), ..open() });
    Pair::established(&Open { identifier: offer().identifier, ..open() });
    let unknown = Capability::Unknown { code: 200, data: bytes::Bytes::from_static(b"data") };
    Pair::established(&open_with(vec![unknown.clone(), unknown]));
}

#[test]
fn a_message_that_the_state_does_not_allow_is_refused() {
    let open_message = message(&Outgoing::Open(open()));
    let refresh = raw(5, &[0, 1, 0, 1]);
    let opened = || Pair::new();
    let confirming = || Pair::confirming(&open());
    let established = || Pair::established(&open());
    let cases: [(Pair, &[u8], u8); 8] = [
        (opened(), &keepalive(), 1),
        (opened(), &update(), 1),
        (opened(), &refresh, 1),
        (confirming(), &update(), 2),
        (confirming(), &refresh, 2),
        (confirming(), &open_message, 2),
        (established(), &open_message, 3),
        (Pair::established(&open_with(vec![restart(true)])), &open_message, 3),
    ];
    for (mut pair, octets, subcode) in cases {
        pair.feed(octets);
        assert_eq!(pair.notification(), Some((5, subcode, vec![octets[18]])));
    }
}

#[test]
fn header_errors_are_found_in_the_header() {
    let with = |edit: fn(&mut Vec<u8>)| {
        let mut octets = keepalive();
        edit(&mut octets);
        octets
    };
    let cases: [(Vec<u8>, Notified); 7] = [
        (with(|octets| octets[3] = 0), (1, 1, vec![])),
        // Whatever stands where a type would be: the answer must not depend on how much has come yet.
        (with(|octets| (octets[3], octets[18]) = (0, 3)), (1, 1, vec![])),
        (b"GET / HTTP/1.1\r\n".to_vec(), (1, 1, vec![])),
        (with(|octets| octets[17] = 18), (1, 2, vec![0, 18])),
        (with(|octets| octets[17] = 20), (1, 2, vec![0, 20])),
        (with(|octets| octets[18] = 0), (1, 3, vec![0])),
        (with(|octets| octets[18] = 99), (1, 3, vec![99])),
    ];
    for (octets, notification) in cases {
        let mut pair = Pair::established(&open());
        pair.sent();
        pair.feed(&octets);
        assert_eq!(pair.notification(), Some(notification));
    }
}

#[test]
fn no_notification_answers_a_notification() {
    let mut malformed = raw(3, &[]);
    malformed[17] = 20;
    malformed.push(6);
    let bodies: [&[u8]; 6] =
        [&[6, 2], &[0, 0], &[255, 255], &[6, 2, 200, b'x'], &[6, 2, 2, 0xff, 0xfe], &[6, 4, 0]];
    let mut cases: Vec<_> = bodies.iter().map(|body| raw(3, body)).collect();
    cases.push(raw(3, &[vec![6, 2], vec![7; 4000]].concat()));
    cases.push(malformed);
    for octets in cases {
        for mut pair in [Pair::new(), Pair::confirming(&open()), Pair::established(&open())] {
            pair.sent();
            pair.feed(&octets);
            assert!(pair.ending().is_some());
            assert!(pair.sent().is_empty());
            assert!(!pair.ending().unwrap().to_string().contains(char::is_control));
        }
    }
}

#[test]
fn a_peer_without_open_is_not_given_ten_seconds() {
    let mut pair = Pair::new();
    pair.sent();
    pair.feed(&[0xff; 18]);
    assert!(OPEN_TIME < 10 * SECOND);
    pair.pass(OPEN_TIME.saturating_sub(MOMENT));
    assert!(pair.ending().is_none());
    pair.pass(MOMENT);
    assert_eq!(pair.ending(), Some(&Ending::OpenTimeout));
    assert_eq!(pair.notification(), Some((4, 0, vec![])));
}

#[test]
fn silence_ends_the_session_after_the_hold_time() {
    for mut pair in [Pair::confirming(&open()), Pair::established(&open())] {
        pair.pass((3 * SECOND).saturating_sub(MOMENT));
        assert!(pair.ending().is_none());
        pair.pass(MOMENT);
        assert_eq!(pair.ending(), Some(&Ending::HoldExpired));
        assert_eq!(pair.notification(), Some((4, 0, vec![])));
    }
}

#[test]
fn only_a_complete_keepalive_or_update_counts_as_a_sign_of_life() {
    for life in [keepalive(), update(), raw(2, &[0; 4])] {
        let mut pair = Pair::established(&open());
        for _ in 0..5 {
            pair.pass(2 * SECOND);
            pair.feed(&life);
        }
        assert!(pair.ending().is_none());
    }
    let half = &update()[..30];
    for murmur in [half.to_vec(), raw(5, &[0, 1, 0, 1])] {
        let mut pair = Pair::established(&open());
        pair.pass(2 * SECOND);
        pair.feed(&murmur);
        pair.pass(SECOND);
        assert_eq!(pair.ending(), Some(&Ending::HoldExpired));
    }
}

#[test]
fn what_the_socket_holds_saves_a_session_that_is_overdue() {
    let mut pair = Pair::established(&open());
    pair.now = pair.now.after(5 * SECOND);
    assert!(pair.session.is_overdue(pair.now));
    pair.feed(&keepalive());
    assert!(!pair.session.is_overdue(pair.now));
    pair.session.timeout(pair.now);
    assert!(pair.ending().is_none());
}

#[test]
fn the_hold_timer_rests_while_we_do_not_read() {
    let mut pair = Pair::established(&open());
    pair.sent();
    pair.session.suspend(pair.now);
    let mut sent = Vec::new();
    for _ in 0..60 {
        pair.pass(SECOND);
        sent.extend(pair.sent());
    }
    assert!(pair.ending().is_none());
    assert_eq!(sent.len(), 60, "our own KEEPALIVEs go on");
    pair.session.resume(pair.now);
    pair.pass(3 * SECOND);
    assert_eq!(pair.ending(), Some(&Ending::HoldExpired));
}

#[test]
fn a_rest_does_not_make_the_hold_time_longer() {
    let begin_refresh = raw(5, &[0, 1, 1, 1]);
    let mut pair = Pair::established(&open());
    for _ in 0..3 {
        assert!(pair.ending().is_none());
        pair.pass(SECOND);
        pair.feed(&begin_refresh);
        pair.session.suspend(pair.now);
        pair.pass(60 * SECOND);
        pair.session.resume(pair.now);
    }
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.ending(), Some(&Ending::HoldExpired), "no KEEPALIVE and no UPDATE for 3 s of reading");

    let mut pair = Pair::established(&open());
    pair.pass(2 * SECOND);
    pair.session.suspend(pair.now);
    pair.feed(&keepalive());
    pair.session.resume(pair.now);
    pair.pass(2 * SECOND);
    assert!(pair.ending().is_none(), "it has its whole hold time from its KEEPALIVE on");
}

#[test]
fn only_an_established_session_can_be_suspended() {
    let mut pair = Pair::confirming(&open());
    let next = pair.session.next_timeout();
    pair.session.suspend(pair.now);
    pair.session.resume(pair.now.after(SECOND));
    assert_eq!(pair.session.next_timeout(), next);
    pair.pass(3 * SECOND);
    assert_eq!(pair.ending(), Some(&Ending::HoldExpired));
}

#[test]
fn keepalives_go_out_a_third_of_the_hold_time_apart_and_never_twice_a_second() {
    for (hold_time, gap) in [(3, SECOND), (30, 10 * SECOND), (4, Duration::from_micros(1_333_333))] {
        let ours = Offer { hold_time: Duration::from_secs(90), ..offer() };
        let mut pair = Pair::with(ours);
        pair.feed(&message(&Outgoing::Open(Open { hold_time, ..open() })));
        pair.session.admit(pair.now);
        pair.feed(&keepalive());
        pair.sent();
        for _ in 0..10 {
            pair.pass(gap.saturating_sub(MOMENT));
            assert!(pair.sent().is_empty());
            pair.pass(MOMENT);
            assert_eq!(kinds(&pair.sent()), [MessageType::Keepalive]);
            pair.feed(&keepalive());
        }
    }
}

#[test]
fn without_hold_time_nothing_expires_and_nothing_is_sent() {
    let mut pair = Pair::established(&Open { hold_time: 0, ..open() });
    pair.sent();
    pair.pass(Duration::from_hours(24));
    assert!(pair.ending().is_none() && pair.sent().is_empty());
}

#[test]
fn without_hold_time_open_confirm_ends_all_the_same() {
    let mut pair = Pair::confirming(&Open { hold_time: 0, ..open() });
    pair.pass(OPEN_TIME.saturating_sub(MOMENT));
    assert!(pair.ending().is_none());
    pair.pass(MOMENT);
    assert_eq!(pair.notification(), Some((4, 0, vec![])));
}

#[test]
fn a_peer_that_does_not_read_is_given_up_after_eight_minutes() {
    let mut pair = Pair::established(&open());
    pair.sent();
    for second in 1..=481 {
        pair.pass(SECOND);
        pair.feed(&keepalive());
        assert!(pair.session.outgoing().len() <= 21 + 19, "unsent KEEPALIVEs do not pile up");
        assert_eq!(pair.ending().is_some(), second >= 481, "after {second} s");
    }
    assert_eq!(pair.ending(), Some(&Ending::SendHoldExpired));
    assert_eq!(pair.notification().map(|(code, subcode, _)| (code, subcode)), Some((8, 0)));
}

#[test]
fn reading_slowly_is_reading() {
    let mut pair = Pair::established(&open());
    pair.sent();
    pair.pass(SECOND);
    for _ in 0..18 {
        pair.session.sent(1, pair.now);
        for _ in 0..100 {
            pair.feed(&keepalive());
            pair.pass(2 * SECOND);
        }
    }
    assert!(pair.ending().is_none());
}

#[test]
fn an_update_with_errors_costs_no_more_than_it_must() {
    let mut bad_origin = update();
    bad_origin[26] = 9;
    let mut too_long = update();
    *too_long.iter_mut().nth_back(4).unwrap() = 33;
    let mut pair = Pair::established(&open());
    pair.feed(&bad_origin);
    assert_eq!((pair.heard.withdrawn, pair.heard.discarded), (1, 0));
    assert_eq!(pair.heard.faults.len(), 1);
    assert!(matches!(pair.heard.batch.items().next(), Some(Item::Withdraw(_))));
    pair.sent();
    pair.feed(&too_long);
    assert_eq!(pair.notification().map(|(code, subcode, _)| (code, subcode)), Some((3, 10)));
}

#[test]
fn refresh_is_asked_where_it_was_negotiated() {
    let mut pair = Pair::established(&open());
    pair.sent();
    pair.session.refresh(Families::ALL, pair.now);
    assert_eq!(pair.sent(), [(MessageType::RouteRefresh, vec![0, 1, 0, 1])]);

    let mut deaf = Pair::established(&Open { capabilities: Capabilities::default(), ..open() });
    deaf.sent();
    deaf.session.refresh(Families::ALL, deaf.now);
    assert!(deaf.sent().is_empty());
}

#[test]
fn the_loss_depends_on_both_opens() {
    let loss = |pair: &Pair| match pair.session.state() {
        State::Ended { loss, .. } => *loss,
        state => panic!("{state:?}"),
    };
    for (capabilities, on_loss, on_expiry) in [
        (vec![], Loss::Final, Loss::Final),
        (vec![restart(false)], Loss::Graceful, Loss::Final),
        (vec![restart(true)], Loss::Graceful, Loss::Graceful),
    ] {
        let mut pair = Pair::established(&open_with(capabilities.clone()));
        pair.session.lost(None, pair.now);
        assert_eq!(loss(&pair), on_loss);
        let mut pair = Pair::established(&open_with(capabilities));
        pair.pass(3 * SECOND);
        assert_eq!(loss(&pair), on_expiry);
    }
    for (notifies, expected) in [(false, Loss::Deconfigured), (true, Loss::Graceful)] {
        let mut pair = Pair::established(&open_with(vec![restart(notifies)]));
        pair.feed(&message(&Outgoing::Notification(Notification::cease(Cease::PeerDeconfigured))));
        assert_eq!(loss(&pair), expected);
    }
}

#[test]
fn nothing_follows_the_end() {
    let mut pair = Pair::established(&open());
    pair.sent();
    pair.session.stop(Stop::Cease(Cease::AdministrativeShutdown, "maintenance".into()), pair.now);
    pair.session.stop(Stop::Replaced, pair.now);
    pair.session.lost(None, pair.now);
    pair.session.refresh(Families::ALL, pair.now);
    pair.feed(&update());
    assert_eq!(pair.session.next_timeout(), None);
    assert!(pair.heard.batch.is_empty());
    let text = [&[11][..], b"maintenance"].concat();
    assert_eq!(pair.sent(), [(MessageType::Notification, [&[6, 2][..], &text].concat())]);
}

#[test]
fn nothing_is_awaited_after_the_end() {
    let mut pair = Pair::established(&open());
    pair.sent();
    pair.session.stop(Stop::Cease(Cease::AdministrativeReset, String::new()), pair.now);
    // The NOTIFICATION goes out in two parts.
    pair.session.sent(1, pair.now);
    assert!(!pair.session.outgoing().is_empty());
    assert_eq!(pair.session.next_timeout(), None);
}

#[test]
fn a_connection_that_is_replaced_ends_in_silence() {
    let mut pair = Pair::established(&open_with(vec![restart(false)]));
    pair.session.stop(Stop::Replaced, pair.now);
    assert!(pair.sent().is_empty());
    assert!(matches!(pair.session.state(), State::Ended { loss: Loss::Graceful, .. }));
}

#[test]
fn a_hold_timer_of_the_peer_that_expires_is_told_with_what_we_sent() {
    let expired = || message(&Outgoing::Notification(Notification::hold_timer_expired()));
    let mut pair = Pair::established(&open());
    for _ in 0..8 {
        pair.sent();
        pair.feed(&message(&Outgoing::Keepalive));
        pair.pass(Duration::from_millis(500));
    }
    pair.sent();
    pair.pass(Duration::from_millis(200));
    pair.feed(&expired());
    let expiry = pair.session.expiry().unwrap();
    assert_eq!(
        expiry,
        HoldExpiry {
            hold_time: 3 * SECOND,
            since_sent: Duration::from_millis(200),
            steady_for: 4 * SECOND,
            since_heard: Duration::from_millis(700),
        }
    );
    assert!(expiry.is_not_ours());

    // The KEEPALIVEs are due, but the network takes nothing.
    let mut pair = Pair::established(&open());
    for _ in 0..8 {
        pair.sent();
        pair.feed(&message(&Outgoing::Keepalive));
        pair.pass(Duration::from_millis(500));
    }
    pair.sent();
    pair.pass(2 * SECOND);
    pair.feed(&expired());
    let expiry = pair.session.expiry().unwrap();
    assert_eq!((expiry.since_sent, expiry.is_not_ours()), (2 * SECOND, false));

    // We stood still, and said so much only when we went on.
    let mut pair = Pair::established(&open());
    for _ in 0..8 {
        pair.sent();
        pair.feed(&message(&Outgoing::Keepalive));
        pair.pass(Duration::from_millis(500));
    }
    pair.now = pair.now.after(Duration::from_millis(2400));
    pair.session.timeout(pair.now);
    pair.sent();
    pair.feed(&expired());
    let expiry = pair.session.expiry().unwrap();
    assert_eq!(
        (expiry.since_sent, expiry.steady_for, expiry.is_not_ours()),
        (Duration::ZERO, Duration::ZERO, false)
    );

    for other in [
        message(&Outgoing::Notification(Notification::cease(Cease::AdministrativeReset))),
        message(&Outgoing::Open(open())),
    ] {
        let mut pair = Pair::established(&open());
        pair.sent();
        pair.feed(&other);
        assert!(pair.ending().is_some() && pair.session.expiry().is_none());
    }
    let mut early = Pair::confirming(&open());
    early.feed(&expired());
    assert!(early.ending().is_some() && early.session.expiry().is_none());
}

#[test]
fn the_as_of_an_open_is_known_whether_or_not_it_is_permitted() {
    assert_eq!(Pair::established(&open()).session.peer_as(), Some(65201));
    let mut pair = Pair::new();
    assert_eq!(pair.session.peer_as(), None);
    pair.feed(&message(&Outgoing::Open(Open::new(65300, 3, Ipv4Addr::new(10, 0, 0, 1), vec![]))));
    assert!(pair.ending().is_some());
    assert_eq!(pair.session.peer_as(), Some(65300));
}

//! What a node's BIRD says and answers on one connection; octets in, octets out.

use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;

use super::Settings;
use super::table::{Group, Table};
use super::wire;
use crate::bgp::capability::Capability;
use crate::bgp::header::{self, Frame, MessageType};
use crate::bgp::refresh::{RouteRefresh, Subtype};
use crate::bgp::{Family, Notification, Open};

/// The hold time that BIRD offers: Calico sets none.
const HOLD_TIME: u16 = 240;

/// More than this is not queued for a peer that does not read: the feed waits.
const ENOUGH: usize = 64 * 1024;

/// One connection, from the node's side.
#[derive(Debug)]
pub(super) struct Conversation {
    phase: Phase,
    family: Family,
    source: IpAddr,
    asn: u32,
    leaf_as: Option<u32>,
    /// What waits to be written.
    pub(super) outbox: BytesMut,
    feed: Option<Feed>,
    /// Until it may announce anything, a daemon keeps all to itself.
    announces: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    OpenSent,
    OpenConfirm(Terms),
    Established(Terms),
}

/// What both OPENs agreed on, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    hold_time: Duration,
    add_path: bool,
    enhanced_refresh: bool,
    /// The peer promised an End-of-RIB that a restarted daemon waits for.
    pub(super) promises_end_of_rib: bool,
}

impl Terms {
    /// The hold time, if there is to be one.
    pub(super) fn hold_time(&self) -> Option<Duration> {
        Some(self.hold_time).filter(|time| !time.is_zero())
    }
}

/// A walk over the whole table.
#[derive(Clone, Copy, Debug)]
struct Feed {
    after: Option<IpNet>,
    end: FeedEnd,
}

#[derive(Clone, Copy, Debug)]
enum FeedEnd {
    EndOfRib,
    EndOfRefresh,
    Nothing,
}

/// What the session must know of a message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing new.
    Sound,
    /// The session reached Established.
    Established,
    /// The peer's End-of-RIB.
    EndOfRib,
    /// The peer closes.
    Notification(Notification),
    /// The peer did something wrong: say this and close.
    Wrong(Notification),
}

impl Conversation {
    /// Starts with our OPEN. `restarted`: the daemon has just started and recovers.
    pub(super) fn start(settings: &Settings, source: IpAddr, leaf_as: Option<u32>, restarted: bool) -> Self {
        let family = wire::family_of(source);
        let mut outbox = BytesMut::new();
        wire::open(settings, family, HOLD_TIME, restarted, &mut outbox);
        Self {
            phase: Phase::OpenSent,
            family,
            source,
            asn: settings.asn,
            leaf_as,
            outbox,
            feed: None,
            announces: false,
        }
    }

    /// The terms, once the peer's OPEN has come.
    pub(super) fn terms(&self) -> Option<&Terms> {
        match &self.phase {
            Phase::OpenSent => None,
            Phase::OpenConfirm(terms) | Phase::Established(terms) => Some(terms),
        }
    }

    pub(super) fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established(_))
    }

    /// Whether only [`Conversation::announce_all`] is missing.
    pub(super) fn waits(&self) -> bool {
        self.is_established() && !self.announces
    }

    /// Takes one whole message off the start of `inbox`.
    pub(super) fn hear(&mut self, inbox: &mut BytesMut, settings: &Settings) -> Option<Heard> {
        let (heard, length) = match header::frame(inbox, false) {
            Ok(None) => return None,
            Ok(Some(frame)) => (self.answer(&frame, settings), frame.octets.len()),
            Err(error) => (Heard::Wrong(error.notification()), 0),
        };
        let _ = inbox.split_to(length);
        Some(heard)
    }

    fn answer(&mut self, frame: &Frame<'_>, settings: &Settings) -> Heard {
        match (frame.kind, self.phase) {
            (MessageType::Notification, _) => match Notification::parse(frame.body) {
                Ok(notification) => Heard::Notification(notification),
                Err(error) => Heard::Wrong(error.notification()),
            },
            (MessageType::Open, Phase::OpenSent) => match Open::parse(frame.body) {
                Ok(open) => self.agree(&open),
                Err(error) => Heard::Wrong(error.notification()),
            },
            (MessageType::Keepalive, Phase::OpenConfirm(terms)) => {
                self.phase = Phase::Established(terms);
                wire::keepalive(&mut self.outbox);
                Heard::Established
            }
            (MessageType::Update, Phase::Established(_))
                if wire::is_end_of_rib(frame.octets, self.family) =>
            {
                Heard::EndOfRib
            }
            (MessageType::Update | MessageType::Keepalive, Phase::Established(_)) => Heard::Sound,
            (MessageType::RouteRefresh, Phase::Established(terms)) => {
                self.refresh(frame.body, terms, settings);
                Heard::Sound
            }
            // RFC 6608, 4: the subcode is the state's.
            (_, Phase::OpenSent) => Heard::Wrong(Notification::unexpected_message(1)),
            (_, Phase::OpenConfirm(_)) => Heard::Wrong(Notification::unexpected_message(2)),
            (_, Phase::Established(_)) => Heard::Wrong(Notification::unexpected_message(3)),
        }
    }

    fn agree(&mut self, open: &Open<'_>) -> Heard {
        if self.leaf_as.is_some_and(|asn| asn != open.asn()) {
            return Heard::Wrong(wire::bad_peer_as(open.asn()));
        }
        let hold_time = Duration::from_secs(open.hold_time.min(HOLD_TIME).into());
        let mut terms =
            Terms { hold_time, add_path: false, enhanced_refresh: false, promises_end_of_rib: false };
        for capability in open.capabilities.iter() {
            match capability {
                Capability::EnhancedRouteRefresh => terms.enhanced_refresh = true,
                Capability::GracefulRestart { restarting, .. } => terms.promises_end_of_rib = !restarting,
                Capability::AddPath(offers) => terms.add_path |= wire::takes_path_ids(&offers, self.family),
                _ => {}
            }
        }
        self.phase = Phase::OpenConfirm(terms);
        wire::keepalive(&mut self.outbox);
        Heard::Sound
    }

    /// A refresh makes BIRD 1.6 withdraw what its export filter rejects and announce all the rest again.
    fn refresh(&mut self, body: &[u8], terms: Terms, settings: &Settings) {
        let request = RouteRefresh::parse(body, terms.enhanced_refresh).is_ok_and(|refresh| {
            refresh.subtype == Subtype::Request && refresh.family() == Some(self.family)
        });
        if !request || !self.announces {
            return;
        }
        if terms.enhanced_refresh {
            wire::refresh(self.family, wire::BEGIN, &mut self.outbox);
        }
        let hidden = settings.hidden.iter().filter(|prefix| Family::of(prefix) == self.family);
        let hidden: Vec<(u32, IpNet)> = hidden.map(|prefix| (3, *prefix)).collect();
        self.withdraw(&hidden);
        let end = if terms.enhanced_refresh { FeedEnd::EndOfRefresh } else { FeedEnd::Nothing };
        self.feed = Some(Feed { after: None, end });
    }

    /// Starts to announce the whole table, End-of-RIB at its end.
    pub(super) fn announce_all(&mut self) {
        self.announces = true;
        self.feed = Some(Feed { after: None, end: FeedEnd::EndOfRib });
    }

    /// Goes on with the feed, unless enough is queued.
    pub(super) fn go_on(&mut self, table: &Table) {
        while let Some(feed) = self.feed
            && self.outbox.len() < ENOUGH
        {
            let (groups, last) = table.round(feed.after);
            if last.is_some() {
                self.announce(&groups);
                self.feed = Some(Feed { after: last, ..feed });
                continue;
            }
            self.feed = None;
            match feed.end {
                FeedEnd::EndOfRib => wire::end_of_rib(self.family, &mut self.outbox),
                FeedEnd::EndOfRefresh => wire::refresh(self.family, wire::END, &mut self.outbox),
                FeedEnd::Nothing => {}
            }
        }
    }

    /// Announces routes now, if the time has come; those that wait are in the table.
    pub(super) fn announce(&mut self, groups: &[Group]) {
        let Some(terms) = self.announcing() else { return };
        for group in groups {
            wire::announce(group, self.asn, self.source, terms.add_path, &mut self.outbox);
        }
    }

    /// Withdraws prefixes (with their path identifiers), as few UPDATEs as they need.
    pub(super) fn withdraw(&mut self, prefixes: &[(u32, IpNet)]) {
        let Some(terms) = self.announcing() else { return };
        if !prefixes.is_empty() {
            wire::withdraw(prefixes, self.family, terms.add_path, &mut self.outbox);
        }
    }

    fn announcing(&self) -> Option<Terms> {
        match self.phase {
            Phase::Established(terms) if self.announces => Some(terms),
            _ => None,
        }
    }

    pub(super) fn keepalive(&mut self) {
        wire::keepalive(&mut self.outbox);
    }

    /// The last words: nothing of what was still queued goes out behind them.
    pub(super) fn say(&mut self, notification: &Notification) {
        wire::say(notification, &mut self.outbox);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::table::Route;
    use super::super::{RESTART_TIME, Timers};
    use super::*;
    use crate::bgp::capability::{AddPathFamily, RestartFamily};
    use crate::bgp::{Negotiated, Outgoing, Update};

    fn settings() -> Settings {
        Settings {
            name: "node".to_owned(),
            asn: 65102,
            identifier: Ipv4Addr::new(172, 16, 10, 1),
            peerings: vec![],
            routes: vec![],
            hidden: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            restart_time: RESTART_TIME,
            timers: Timers::BIRD,
        }
    }

    fn conversation() -> Conversation {
        let mut conversation =
            Conversation::start(&settings(), Ipv4Addr::new(172, 16, 10, 1).into(), None, false);
        assert_eq!(said(&mut conversation), ["open"]);
        conversation
    }

    fn open(capabilities: Vec<Capability>) -> Outgoing {
        Outgoing::Open(Open::new(65101, 3, Ipv4Addr::new(172, 16, 10, 4), capabilities))
    }

    fn tell(conversation: &mut Conversation, message: &Outgoing) -> Heard {
        let mut inbox = BytesMut::new();
        message.encode(&mut inbox);
        let heard = conversation.hear(&mut inbox, &settings()).unwrap();
        assert!(inbox.is_empty());
        heard
    }

    fn established(capabilities: Vec<Capability>) -> Conversation {
        let mut conversation = conversation();
        assert_eq!(tell(&mut conversation, &open(capabilities)), Heard::Sound);
        assert_eq!(tell(&mut conversation, &Outgoing::Keepalive), Heard::Established);
        let _ = said(&mut conversation);
        conversation
    }

    /// One that has announced its empty table.
    fn announcing(capabilities: Vec<Capability>) -> Conversation {
        let mut conversation = established(capabilities);
        conversation.announce_all();
        conversation.go_on(&Table::default());
        assert_eq!(said(&mut conversation), ["end of rib"]);
        conversation
    }

    /// The messages that wait to be written, by what they are.
    fn said(conversation: &mut Conversation) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(frame) = header::frame(&conversation.outbox, false).unwrap() {
            said.push(match (frame.kind, frame.body) {
                (MessageType::RouteRefresh, [_, _, subtype, _]) => format!("refresh {subtype}"),
                (MessageType::Update, [0, 0, 0, 0]) => "end of rib".to_owned(),
                (MessageType::Update, [0, 0, ..]) => "announce".to_owned(),
                (MessageType::Update, _) => "withdraw".to_owned(),
                (kind, _) => kind.name().to_owned(),
            });
            let length = frame.octets.len();
            let _ = conversation.outbox.split_to(length);
        }
        said
    }

    fn table(hosts: u32) -> Table {
        let mut table = Table::default();
        for host in 0..hosts {
            table.insert(Route::kernel(IpAddr::from((0x0af4_0000 + host).to_be_bytes()).into()));
        }
        table
    }

    #[test]
    fn the_smaller_hold_time_counts() {
        let conversation = established(vec![]);
        assert_eq!(conversation.terms().unwrap().hold_time(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn only_a_peer_that_has_not_restarted_promises_an_end_of_rib() {
        let graceful = |restarting| {
            let families = vec![RestartFamily { afi: 1, safi: 1, forwarding: false }];
            Capability::GracefulRestart { restarting, notification: false, time: 120, families }
        };
        for (capabilities, promises) in
            [(vec![], false), (vec![graceful(false)], true), (vec![graceful(true)], false)]
        {
            assert_eq!(established(capabilities).terms().unwrap().promises_end_of_rib, promises);
        }
    }

    #[test]
    fn path_identifiers_need_a_peer_that_takes_them() {
        for (mode, takes) in [(1, true), (2, false), (3, true)] {
            let offer = Capability::AddPath(vec![AddPathFamily { afi: 1, safi: 1, mode }]);
            assert_eq!(established(vec![offer]).terms().unwrap().add_path, takes, "mode {mode}");
        }
        let other = Capability::AddPath(vec![AddPathFamily { afi: 2, safi: 1, mode: 1 }]);
        assert!(!established(vec![other]).terms().unwrap().add_path);
    }

    #[test]
    fn a_daemon_that_recovers_keeps_all_to_itself() {
        let mut conversation = established(vec![]);
        conversation.announce(&super::super::table::group([Route::fixed("10.244.1.0/26".parse().unwrap())]));
        conversation.withdraw(&[(4, "10.244.1.0/26".parse().unwrap())]);
        assert_eq!(tell(&mut conversation, &Outgoing::RouteRefresh(Family::Ipv4)), Heard::Sound);
        conversation.go_on(&table(1));
        assert!(said(&mut conversation).is_empty() && conversation.waits());
        conversation.announce_all();
        conversation.go_on(&table(1));
        assert_eq!(said(&mut conversation), ["announce", "end of rib"]);
    }

    #[test]
    fn a_refresh_withdraws_what_was_never_announced() {
        let mut conversation = announcing(vec![]);
        assert_eq!(tell(&mut conversation, &Outgoing::RouteRefresh(Family::Ipv4)), Heard::Sound);
        conversation.go_on(&table(1));
        assert_eq!(said(&mut conversation), ["withdraw", "announce"]);
    }

    #[test]
    fn an_enhanced_refresh_has_a_beginning_and_an_end() {
        let mut conversation = announcing(vec![Capability::EnhancedRouteRefresh]);
        assert_eq!(tell(&mut conversation, &Outgoing::RouteRefresh(Family::Ipv4)), Heard::Sound);
        conversation.go_on(&table(257));
        assert_eq!(said(&mut conversation), ["refresh 1", "withdraw", "announce", "announce", "refresh 2"]);
        assert_eq!(tell(&mut conversation, &Outgoing::RouteRefresh(Family::Ipv6)), Heard::Sound);
        assert!(said(&mut conversation).is_empty());
    }

    #[test]
    fn a_feed_waits_for_a_peer_that_does_not_read() {
        let mut conversation = established(vec![]);
        let table = table(20_000);
        conversation.announce_all();
        let mut last = Vec::new();
        let mut portions = 0;
        while last.last().is_none_or(|last| last != "end of rib") {
            conversation.go_on(&table);
            assert!(conversation.outbox.len() < ENOUGH + 4096);
            last = said(&mut conversation);
            portions += 1;
        }
        assert_eq!(portions, 2);
    }

    #[test]
    fn what_was_announced_can_be_read() {
        let mut conversation = established(vec![]);
        conversation.announce_all();
        conversation.go_on(&table(300));
        let open = |asn| Open::new(asn, 3, Ipv4Addr::new(172, 16, 10, 4), vec![Capability::FourOctetAs(asn)]);
        let terms = Negotiated::between(&open(65101), &open(65102));
        let mut read = Vec::new();
        while let Some(frame) = header::frame(&conversation.outbox, false).unwrap() {
            let update = Update::parse(frame.body, &terms).unwrap();
            for announced in update.announced() {
                read.extend(announced.nlri.into_iter().map(|(_, prefix)| prefix));
            }
            let length = frame.octets.len();
            let _ = conversation.outbox.split_to(length);
        }
        assert_eq!(read.len(), 300);
        assert_eq!(read[299].to_string(), "10.244.1.43/32");
    }

    #[test]
    fn what_is_said_at_the_wrong_time_ends_it() {
        let mut early = conversation();
        assert_eq!(tell(&mut early, &Outgoing::Keepalive), Heard::Wrong(Notification::unexpected_message(1)));
        let mut late = established(vec![]);
        assert_eq!(tell(&mut late, &open(vec![])), Heard::Wrong(Notification::unexpected_message(3)));
        let mut nonsense = BytesMut::from(&b"GET / HTTP/1.1\r\n\r\n.."[..]);
        assert!(matches!(late.hear(&mut nonsense, &settings()), Some(Heard::Wrong(_))));
    }
}

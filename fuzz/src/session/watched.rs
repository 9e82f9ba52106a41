//! A session, and beside it what a bystander knows of the rules.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use thirdleaf::bgp::batch::Item;
use thirdleaf::bgp::session::{Ending, Heard, Loss, OPEN_TIME, Offer, Session, State, Stop};
use thirdleaf::bgp::{Cease, Families, Family, MessageType, Negotiated, Notification, Update, frame};
use thirdleaf::time::Timestamp;

/// More than this is never left waiting: an OPEN, what a peer that does not read is owed, a NOTIFICATION.
const UNSENT: usize = 1024 + 512 + 4096;
/// RFC 9687, 6, for hold times that are not too long.
const SEND_HOLD_TIME: Duration = Duration::from_mins(8);

pub struct Watched {
    pub session: Session,
    /// All that was ever taken from it.
    wire: Vec<u8>,
    started: Timestamp,
    /// Since when the peer is silent, unless we do not listen.
    silent: Option<Timestamp>,
    /// How long it was silent when we stopped listening.
    rested: Option<Duration>,
    /// Since when the peer takes nothing of what waits.
    stuck: Option<Timestamp>,
    /// How it ended.
    ended: Option<(Ending, Loss)>,
    negotiated: Option<Negotiated>,
    /// It was Established.
    established: bool,
    /// Octets cannot be taken back once it is gone.
    gone: bool,
    sent: [u32; MessageType::ALL.len()],
}

impl Watched {
    pub fn new(offer: Arc<Offer>, now: Timestamp) -> Self {
        let watched = Self {
            session: Session::new(offer, now),
            wire: Vec::new(),
            started: now,
            silent: None,
            rested: None,
            stuck: Some(now),
            ended: None,
            negotiated: None,
            established: false,
            gone: false,
            sent: [0; MessageType::ALL.len()],
        };
        assert!(!watched.session.outgoing().is_empty(), "our OPEN goes out at once");
        watched
    }

    pub fn is_over(&self) -> bool {
        matches!(self.session.state(), State::Ended { .. })
    }

    pub fn is_established(&self) -> bool {
        matches!(self.session.state(), State::Established(_))
    }

    /// Gives it octets, and says how many it took; `heard` is for this call alone.
    pub fn receive(&mut self, buffer: &[u8], heard: &mut Heard, now: Timestamp) -> usize {
        let before = rank(self.session.state());
        let counted = heard.octets;
        let count = self.session.receive(buffer, heard, now);
        let octets = heard.octets - counted;
        assert_eq!(octets, count, "what is taken are whole messages");
        assert!(heard.batch.is_empty() || before == ESTABLISHED, "routes come in Established alone");
        let [_, updates, _, keepalives, _] = heard.messages;
        if updates + keepalives > 0 && self.is_established() {
            (self.silent, self.rested) = (Some(now), None);
        }
        for item in heard.batch.items() {
            self.is_negotiated(&item);
        }
        assert!(heard.faults.len() <= 4);
        self.look(before, now);
        count
    }

    fn is_negotiated(&self, item: &Item<'_>) {
        let negotiated = self.negotiated.as_ref().expect("routes follow an OPEN");
        let family = match item {
            Item::Announce(nlri, _) | Item::Withdraw(nlri) => {
                assert_eq!(nlri.add_path(), negotiated.add_path.contains(nlri.family()));
                assert!(!nlri.is_empty());
                nlri.family()
            }
            Item::EndOfRib(family) => *family,
            Item::BeginRefresh(family) | Item::EndRefresh(family) => {
                assert!(negotiated.enhanced_route_refresh);
                *family
            }
        };
        assert!(negotiated.families.contains(family), "{family} was not negotiated");
    }

    pub fn admit(&mut self, now: Timestamp) {
        let before = rank(self.session.state());
        self.session.admit(now);
        if before == OPENED {
            self.silent = Some(now);
        }
        self.look(before, now);
    }

    pub fn stop(&mut self, stop: Stop, now: Timestamp) {
        let before = rank(self.session.state());
        self.session.stop(stop, now);
        assert!(self.is_over());
        self.look(before, now);
    }

    pub fn lost(&mut self, now: Timestamp) {
        let before = rank(self.session.state());
        self.session.lost(None, now);
        assert!(self.is_over());
        self.look(before, now);
    }

    pub fn refresh(&mut self, families: Families, now: Timestamp) {
        let before = rank(self.session.state());
        self.session.refresh(families, now);
        self.look(before, now);
    }

    pub fn suspend(&mut self, now: Timestamp) {
        self.session.suspend(now);
        if self.is_established()
            && let Some(silent) = self.silent.take()
        {
            self.rested = Some(now.since(silent));
        }
    }

    pub fn resume(&mut self, now: Timestamp) {
        self.session.resume(now);
        if self.is_established()
            && let Some(rested) = self.rested.take()
        {
            self.silent = Some(before(now, rested));
        }
        self.look(rank(self.session.state()), now);
    }

    /// Lets the clock show `now`.
    pub fn timeout(&mut self, now: Timestamp) {
        let before = rank(self.session.state());
        let overdue = self.session.is_overdue(now);
        self.session.timeout(now);
        assert!(!overdue || self.is_over(), "overdue is over");
        assert!(self.session.next_timeout().is_none_or(|next| next > now), "what was due is done");
        self.look(before, now);
        if before != ENDED {
            self.ends_in_time(before, now);
        }
    }

    /// What time ends: the wait for an OPEN, silence, and a peer that does not read; nothing else, and always.
    fn ends_in_time(&self, before: u8, now: Timestamp) {
        let over = |since: Option<Timestamp>, limit| since.is_some_and(|since| now.since(since) >= limit);
        let hold_time = match (before, self.hold_time()) {
            (OPEN_CONFIRM, Duration::ZERO) => OPEN_TIME,
            (_, Duration::ZERO) => Duration::MAX,
            (_, hold_time) => hold_time,
        };
        let waited = before <= OPENED && over(Some(self.started), OPEN_TIME);
        let silent = before > OPENED && over(self.silent, hold_time);
        let stuck = over(self.stuck, SEND_HOLD_TIME);
        match &self.ended {
            Some((Ending::OpenTimeout, _)) => assert!(waited),
            Some((Ending::HoldExpired, _)) => assert!(silent),
            Some((Ending::SendHoldExpired, _)) => assert!(stuck && !silent && !waited),
            Some((ending, _)) => panic!("time alone does not lead to {ending}"),
            None => assert!(!waited && !silent && !stuck, "{waited} {silent} {stuck}"),
        }
    }

    fn hold_time(&self) -> Duration {
        self.negotiated.as_ref().map_or(Duration::ZERO, |negotiated| negotiated.hold_time)
    }

    /// The connection takes `count` octets.
    pub fn sent(&mut self, count: usize, now: Timestamp) -> Vec<u8> {
        let before = rank(self.session.state());
        let taken = self.session.outgoing().get(..count).unwrap_or(self.session.outgoing()).to_vec();
        self.session.sent(taken.len(), now);
        if !taken.is_empty() {
            self.stuck = Some(now);
        }
        self.wire.extend(&taken);
        self.look(before, now);
        taken
    }

    /// What holds after every step.
    fn look(&mut self, before: u8, now: Timestamp) {
        let state = self.session.state();
        assert!(rank(state) >= before, "from {before} to {state:?}");
        assert!(self.session.outgoing().len() <= UNSENT, "{} octets wait", self.session.outgoing().len());
        if self.session.outgoing().is_empty() {
            self.stuck = None;
        } else {
            self.stuck.get_or_insert(now);
        }
        match state {
            State::OpenSent => {}
            State::Opened(agreed) | State::OpenConfirm(agreed) => {
                self.negotiated.get_or_insert_with(|| agreed.negotiated.clone());
                assert_eq!(self.negotiated.as_ref(), Some(&agreed.negotiated));
            }
            State::Established(negotiated) => {
                if !self.established {
                    (self.established, self.silent) = (true, Some(now));
                }
                assert_eq!(self.negotiated.as_ref(), Some(&**negotiated));
            }
            State::Ended { ending, loss } => {
                self.has_ended(&ending.clone(), *loss);
            }
        }
        for (sum, more) in self.sent.iter_mut().zip(self.session.take_sent()) {
            *sum += more;
        }
    }

    fn has_ended(&mut self, ending: &Ending, loss: Loss) {
        assert_eq!(self.session.next_timeout(), None, "nothing is awaited after the end");
        if let Some((first, kept)) = &self.ended {
            assert_eq!((first, *kept), (ending, loss), "the end is final");
            return;
        }
        assert!(self.established || loss != Loss::Graceful, "no routes, nothing to keep");
        self.gone = ending.notification().is_none();
        assert!(!self.gone || self.session.outgoing().is_empty(), "nothing is sent to nobody");
        self.ended = Some((ending.clone(), loss));
    }

    /// Everything that was sent, once the session is left: whole messages, in an order that any peer takes.
    pub fn speaks_bgp(mut self, now: Timestamp) {
        let last = self.session.outgoing().len();
        self.sent(last, now);
        let mut counts = [0; MessageType::ALL.len()];
        let mut rest = &self.wire[..];
        let mut kinds = Vec::new();
        while let Some(found) = frame(rest, false).expect("we send what we would take") {
            counts[found.kind as usize] += 1;
            kinds.push(found.kind);
            match found.kind {
                MessageType::Update => self.is_end_of_rib(found.body),
                MessageType::Notification => self.is_the_reason(&Notification::parse(found.body).unwrap()),
                _ => {}
            }
            rest = &rest[found.octets.len()..];
        }
        assert!(rest.is_empty() || self.gone, "cut short");
        if rest.is_empty() && !self.gone {
            assert_eq!(counts, self.sent, "what is counted is what was sent");
        }
        self.come_in_order(&kinds);
    }

    fn is_end_of_rib(&self, body: &[u8]) {
        let negotiated = self.negotiated.as_ref().expect("End-of-RIB follows an OPEN");
        let update = Update::parse(body, negotiated).unwrap();
        assert!(update.end_of_rib().is_some_and(|family| negotiated.families.contains(family)));
    }

    fn is_the_reason(&self, notification: &Notification) {
        let (ending, _) = self.ended.as_ref().expect("NOTIFICATION ends a session");
        assert_eq!(ending.notification().as_ref(), Some(notification));
    }

    fn come_in_order(&self, kinds: &[MessageType]) {
        let Some((first, others)) = kinds.split_first() else { return assert!(self.gone) };
        assert_eq!(*first, MessageType::Open);
        assert!(!others.contains(&MessageType::Open));
        let notified = kinds.iter().position(|kind| *kind == MessageType::Notification);
        assert!(notified.is_none_or(|place| place + 1 == kinds.len()), "nothing follows a NOTIFICATION");
        let routes = |kind: &MessageType| *kind == MessageType::Update;
        let ends = kinds.iter().filter(|kind| routes(kind)).count();
        let families = self.negotiated.as_ref().map_or(0, |negotiated| negotiated.families.iter().count());
        assert!(ends == 0 || self.established);
        assert!(ends == if self.established { families } else { 0 } || self.gone, "one End-of-RIB a family");
        let refresh = kinds.iter().position(|kind| *kind == MessageType::RouteRefresh);
        let last_end = kinds.iter().rposition(routes);
        assert!(refresh.is_none_or(|refresh| last_end < Some(refresh)), "End-of-RIB comes first");
    }
}

pub const OPENED: u8 = 1;
pub const OPEN_CONFIRM: u8 = 2;
pub const ESTABLISHED: u8 = 3;
pub const ENDED: u8 = 4;

fn before(time: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_micros(time.as_micros() - u64::try_from(duration.as_micros()).unwrap())
}

/// States in the only order in which they follow each other.
pub fn rank(state: &State) -> u8 {
    match state {
        State::OpenSent => 0,
        State::Opened(_) => OPENED,
        State::OpenConfirm(_) => OPEN_CONFIRM,
        State::Established(_) => ESTABLISHED,
        State::Ended { .. } => ENDED,
    }
}

/// Orders to stop, of every kind.
pub fn stops(choice: u8) -> Stop {
    match Cease::ALL.get(usize::from(choice)) {
        Some(cease) => Stop::Cease(*cease, "by order".into()),
        None => Stop::Replaced,
    }
}

/// Whether both are in the same state, and heard the same.
pub fn same(one: &Session, other: &Session) -> bool {
    discriminant(one.state()) == discriminant(other.state())
        && format!("{:?}", one.state()) == format!("{:?}", other.state())
        && one.outgoing() == other.outgoing()
        && one.next_timeout() == other.next_timeout()
}

/// Both families.
pub const FAMILIES: [Families; 3] =
    [Families::ALL, Families::only(Family::Ipv4), Families::only(Family::Ipv6)];

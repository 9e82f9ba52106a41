//! One connection from TCP-up to its end: the state machine of RFC 4271, section 8, without IO.
//!
//! The shell feeds it octets ([`receive`](Session::receive)), time ([`timeout`](Session::timeout)) and
//! orders, and after each of these sends what [`outgoing`](Session::outgoing) holds, looks at
//! [`state`](Session::state) and waits no longer than [`next_timeout`](Session::next_timeout) says.
//! Connect, Active and Idle are the dialler's.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::header::{self, Frame, MessageType};
use super::pulse::Pulse;
use super::refresh::{self, RouteRefresh, Subtype};
use super::timers::{Timer, Timers};
use super::{Batch, Error, Families, Negotiated, Notification, Open, Outgoing, Problem, Update};
use crate::time::Timestamp;

pub use super::ending::{Ending, Loss, Stop};
pub use super::offer::Offer;
pub use super::pulse::HoldExpiry;

/// How long a connection may stay silent before its OPEN: it is closed within ten seconds, on the wire.
pub const OPEN_TIME: Duration = Duration::from_secs(9);
/// The least time that a peer may refuse to read (RFC 9687, 6).
const SEND_HOLD_TIME: Duration = Duration::from_mins(8);
/// To a peer that does not read, no more than this is left waiting.
const UNSENT: usize = 1024;
/// Where the header has the message's type.
const TYPE: usize = 18;

/// Where a connection is.
#[derive(Debug)]
pub enum State {
    /// Our OPEN is out, the peer's is awaited.
    OpenSent,
    /// A valid OPEN came: collision detection decides by [`Session::admit`] or [`Session::stop`].
    Opened(Box<Agreed>),
    /// The peer's KEEPALIVE is awaited.
    OpenConfirm(Box<Agreed>),
    /// Routes flow.
    Established(Arc<Negotiated>),
    /// Nothing flows any more, once what is outgoing is out.
    Ended {
        /// Why.
        ending: Box<Ending>,
        /// What becomes of the routes, if there are any.
        loss: Loss,
    },
}

/// What the OPENs say, before the session is Established.
#[derive(Debug)]
pub struct Agreed {
    /// The terms.
    pub negotiated: Negotiated,
    /// The peer's capabilities as shown to people, in the OPEN's order.
    pub capabilities: Vec<String>,
}

/// What one run of octets taught.
#[derive(Debug, Default)]
pub struct Heard {
    /// Routes, in their order.
    pub batch: Batch,
    /// Messages by [`MessageType`].
    pub messages: [u32; MessageType::ALL.len()],
    /// Octets of these messages.
    pub octets: usize,
    /// UPDATEs of which an attribute was discarded (RFC 7606).
    pub discarded: u32,
    /// UPDATEs that were treated as withdrawals (RFC 7606).
    pub withdrawn: u32,
    /// What was wrong with some of them, for people.
    pub faults: Vec<String>,
}

impl Heard {
    /// Faults of one read that are spelled out.
    const FAULTS: usize = 4;

    fn count(&mut self, frame: &Frame<'_>) {
        if let Some(count) = self.messages.get_mut(frame.kind as usize) {
            *count = count.saturating_add(1);
        }
        self.octets = self.octets.saturating_add(frame.octets.len());
    }

    #[cold]
    fn fault(&mut self, update: &Update<'_>) {
        let count = if update.faults().withdraw() { &mut self.withdrawn } else { &mut self.discarded };
        *count = count.saturating_add(1);
        if self.faults.len() < Self::FAULTS {
            self.faults.push(update.faults().to_string());
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    offer: Arc<Offer>,
    state: State,
    timers: Timers,
    /// What is left of the hold time while we do not read.
    left: Option<Duration>,
    outgoing: BytesMut,
    sent: [u32; MessageType::ALL.len()],
    /// The AS that the peer's OPEN named, permitted or not.
    peer_as: Option<u32>,
    pulse: Pulse,
    expiry: Option<HoldExpiry>,
}

impl Session {
    /// A connection that came up `now`: our OPEN goes out at once.
    pub fn new(offer: Arc<Offer>, now: Timestamp) -> Self {
        let mut session = Self {
            state: State::OpenSent,
            timers: Timers::default(),
            left: None,
            outgoing: BytesMut::new(),
            sent: [0; MessageType::ALL.len()],
            peer_as: None,
            pulse: Pulse::default(),
            expiry: None,
            offer,
        };
        session.send(&Outgoing::Open(session.offer.open()), now);
        session.timers.set(Timer::Open, now.after(OPEN_TIME));
        session
    }

    /// Where the connection is.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The AS that the peer's OPEN named, once there was one, permitted or not.
    pub const fn peer_as(&self) -> Option<u32> {
        self.peer_as
    }

    /// How we kept to the peer's hold timer, if the session was Established until the peer said that it expired.
    pub const fn expiry(&self) -> Option<HoldExpiry> {
        self.expiry
    }

    /// Takes the complete messages at the start of `buffer` and says how many octets they had.
    ///
    /// Stops where a decision is due ([`State::Opened`]), where the session has just become Established,
    /// and at the end; call again after the first two.
    pub fn receive(&mut self, buffer: &[u8], heard: &mut Heard, now: Timestamp) -> usize {
        let mut rest = buffer;
        let confirming = matches!(self.state, State::OpenConfirm(_));
        loop {
            match self.state {
                State::Opened(_) | State::Ended { .. } => break,
                State::Established(_) if confirming => break,
                State::OpenSent | State::OpenConfirm(_) | State::Established(_) => {}
            }
            // RFC 8654: OPEN and what precedes it is never long.
            match header::frame(rest, !matches!(self.state, State::OpenSent)) {
                Ok(Some(frame)) => {
                    if let Err(error) = self.check_refresh(&frame) {
                        self.fail(&error, now);
                        break;
                    }
                    rest = rest.get(frame.octets.len()..).unwrap_or_default();
                    heard.count(&frame);
                    self.message(&frame, heard, now);
                }
                Ok(None) => match refresh::check_length(rest, self.refreshes_enhanced()) {
                    Ok(()) => break,
                    Err(error) => self.fail(&error, now),
                },
                // RFC 4271, 6.4: no NOTIFICATION is answered with another. Behind a wrong marker, there is none.
                Err(error) if error.problem() != Problem::Marker && is_notification(rest) => {
                    self.end(Ending::Lost(Some(format!("malformed NOTIFICATION: {error}"))), now);
                }
                Err(error) => self.fail(&error, now),
            }
        }
        buffer.len().saturating_sub(rest.len())
    }

    /// Lets the session proceed whose OPEN was valid.
    pub fn admit(&mut self, now: Timestamp) {
        match std::mem::replace(&mut self.state, State::OpenSent) {
            State::Opened(agreed) => {
                self.timers.stop(Timer::Open);
                self.send(&Outgoing::Keepalive, now);
                // Without a hold time too, OpenConfirm is not for ever.
                let hold_time = agreed.negotiated.hold_time;
                self.hold(if hold_time.is_zero() { OPEN_TIME } else { hold_time }, now);
                self.keep_alive(agreed.negotiated.keepalive_time, now);
                self.state = State::OpenConfirm(agreed);
            }
            other => self.state = other,
        }
    }

    /// Ends the session on our side.
    pub fn stop(&mut self, stop: Stop, now: Timestamp) {
        self.end(Ending::Stopped(stop), now);
    }

    /// The connection is gone; `error` if it was not closed in good order.
    pub fn lost(&mut self, error: Option<String>, now: Timestamp) {
        self.end(Ending::Lost(error), now);
    }

    /// Asks for the routes of `families` again, where the peer offered to send them.
    pub fn refresh(&mut self, families: Families, now: Timestamp) {
        if let State::Established(negotiated) = &self.state
            && negotiated.route_refresh
            && self.outgoing.len() < UNSENT
        {
            for family in families.intersection(negotiated.families).iter() {
                self.send(&Outgoing::RouteRefresh(family), now);
            }
        }
    }

    /// When to call [`timeout`](Self::timeout) at the latest.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Whether [`timeout`](Self::timeout) would end the session because the peer is silent: what the
    /// connection holds unread must be given to [`receive`](Self::receive) before.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.timers.expired(Timer::Hold, now) || self.timers.expired(Timer::Open, now)
    }

    /// Does what is due at `now`.
    pub fn timeout(&mut self, now: Timestamp) {
        if self.timers.expired(Timer::Open, now) {
            self.end(Ending::OpenTimeout, now);
        } else if self.timers.expired(Timer::Hold, now) {
            self.end(Ending::HoldExpired, now);
        } else if self.timers.expired(Timer::SendHold, now) {
            self.end(Ending::SendHoldExpired, now);
        } else if self.timers.expired(Timer::Keepalive, now) {
            // To a peer that does not read, one KEEPALIVE under way is enough.
            if self.outgoing.is_empty() {
                self.send(&Outgoing::Keepalive, now);
            }
            if let Some(negotiated) = self.negotiated() {
                self.keep_alive(negotiated.keepalive_time, now);
            }
        }
    }

    /// Stops the hold timer of an Established session while we do not read.
    pub fn suspend(&mut self, now: Timestamp) {
        if let State::Established(_) = self.state
            && let Some(left) = self.timers.left(Timer::Hold, now)
        {
            self.timers.stop(Timer::Hold);
            self.left = Some(left);
        }
    }

    /// We read again: the peer has what was left of its hold time. Signs of life that came meanwhile are read
    /// before it is found silent.
    pub fn resume(&mut self, now: Timestamp) {
        if let State::Established(_) = self.state
            && let Some(left) = self.left.take()
        {
            self.timers.set(Timer::Hold, now.after(left));
        }
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// `count` octets of [`outgoing`](Self::outgoing) were sent.
    pub fn sent(&mut self, count: usize, now: Timestamp) {
        self.outgoing.advance(count.min(self.outgoing.len()));
        if self.outgoing.is_empty() {
            self.timers.stop(Timer::SendHold);
            let hold_time = self.negotiated().map_or(Duration::ZERO, |negotiated| negotiated.hold_time);
            self.pulse.sent(hold_time, now);
        } else if count > 0 && !matches!(self.state, State::Ended { .. }) {
            self.timers.set(Timer::SendHold, now.after(self.send_hold_time()));
        }
    }

    /// Messages sent by [`MessageType`] since the last call.
    pub fn take_sent(&mut self) -> [u32; MessageType::ALL.len()] {
        std::mem::take(&mut self.sent)
    }

    #[inline]
    fn message(&mut self, frame: &Frame<'_>, heard: &mut Heard, now: Timestamp) {
        match (&self.state, frame.kind) {
            (State::Established(negotiated), MessageType::Update) => {
                // It is looked at where it is: moving it would cost as much as reading some messages.
                match &Update::parse(frame.body, negotiated) {
                    Ok(update) => learn(update, heard),
                    Err(error) => return self.fail(error, now),
                }
                self.hold(negotiated.hold_time, now);
            }
            (State::Established(negotiated), MessageType::Keepalive) => {
                self.hold(negotiated.hold_time, now);
            }
            (State::Established(negotiated), MessageType::RouteRefresh) => {
                match RouteRefresh::parse(frame.body, negotiated.enhanced_route_refresh) {
                    Ok(refresh) => mark(refresh, negotiated, heard),
                    Err(error) => self.fail(&error, now),
                }
            }
            (State::OpenSent, MessageType::Open) => self.open(frame.body, now),
            (State::OpenConfirm(_), MessageType::Keepalive) => self.establish(now),
            (_, MessageType::Notification) => match Notification::parse(frame.body) {
                Ok(notification) => self.end(Ending::Notified(notification), now),
                Err(error) => self.end(Ending::Lost(Some(error.to_string())), now),
            },
            // RFC 4271, 6.1: what is wrong with a header comes first.
            (_, MessageType::RouteRefresh) => match RouteRefresh::parse(frame.body, false) {
                Ok(_) => self.unexpected(frame.kind, now),
                Err(error) => self.fail(&error, now),
            },
            _ => self.unexpected(frame.kind, now),
        }
    }

    fn open(&mut self, body: &[u8], now: Timestamp) {
        let open = match Open::parse(body) {
            Ok(open) => open,
            Err(error) => return self.fail(&error, now),
        };
        self.peer_as = Some(open.asn());
        match self.offer.negotiate(&open) {
            Ok(negotiated) => {
                let capabilities = open.capabilities.iter().map(|one| one.to_string()).collect();
                self.state = State::Opened(Box::new(Agreed { negotiated, capabilities }));
            }
            Err(error) => self.fail(&error, now),
        }
    }

    /// End-of-RIB comes before anything else: a restarting node waits for it (RFC 4724, 4.1).
    fn establish(&mut self, now: Timestamp) {
        match std::mem::replace(&mut self.state, State::OpenSent) {
            State::OpenConfirm(agreed) => {
                for family in agreed.negotiated.families.iter() {
                    self.send(&Outgoing::EndOfRib(family), now);
                }
                self.timers.stop(Timer::Hold);
                self.hold(agreed.negotiated.hold_time, now);
                self.state = State::Established(Arc::new(agreed.negotiated));
            }
            other => self.state = other,
        }
    }

    /// RFC 6608, 3.
    fn unexpected(&mut self, kind: MessageType, now: Timestamp) {
        let subcode = match self.state {
            State::OpenSent => 1,
            State::Opened(_) | State::OpenConfirm(_) => 2,
            State::Established(_) | State::Ended { .. } => 3,
        };
        let notification = Notification {
            data: bytes::Bytes::copy_from_slice(&[kind.code()]),
            ..Notification::unexpected_message(subcode)
        };
        let cause = format!("unexpected {} message", kind.name());
        self.end(Ending::Failed { notification, cause }, now);
    }

    fn fail(&mut self, error: &Error, now: Timestamp) {
        let cause = error.to_string();
        self.end(Ending::Failed { notification: error.notification(), cause }, now);
    }

    fn end(&mut self, ending: Ending, now: Timestamp) {
        let loss = match &self.state {
            State::Ended { .. } => return,
            State::Established(negotiated) => ending.loss(negotiated.graceful_restart.as_ref()),
            State::OpenSent | State::Opened(_) | State::OpenConfirm(_) => ending.loss(None),
        };
        self.expiry = self.find_expiry(&ending, now);
        if let Some(notification) = ending.notification() {
            self.send(&Outgoing::Notification(notification), now);
        } else {
            self.outgoing.clear();
        }
        self.timers = Timers::default();
        self.state = State::Ended { ending: Box::new(ending), loss };
    }

    fn find_expiry(&self, ending: &Ending, now: Timestamp) -> Option<HoldExpiry> {
        let (State::Established(negotiated), Ending::Notified(notification)) = (&self.state, ending) else {
            return None;
        };
        let hold_time = negotiated.hold_time;
        let left = self.left.or_else(|| self.timers.left(Timer::Hold, now))?;
        let expired = notification.code == Notification::hold_timer_expired().code;
        expired.then(|| self.pulse.expiry(hold_time, hold_time.saturating_sub(left), now))
    }

    fn send(&mut self, message: &Outgoing, now: Timestamp) {
        message.encode(&mut self.outgoing);
        if matches!(message, Outgoing::Keepalive | Outgoing::EndOfRib(_)) {
            self.pulse.wait();
        }
        if let Some(count) = self.sent.get_mut(message.kind() as usize) {
            *count = count.saturating_add(1);
        }
        if !self.timers.is_set(Timer::SendHold) {
            self.timers.set(Timer::SendHold, now.after(self.send_hold_time()));
        }
    }

    fn hold(&mut self, hold_time: Duration, now: Timestamp) {
        self.left = None;
        if !hold_time.is_zero() {
            self.timers.set(Timer::Hold, now.after(hold_time));
        }
    }

    fn keep_alive(&mut self, keepalive_time: Duration, now: Timestamp) {
        if !keepalive_time.is_zero() {
            self.timers.set(Timer::Keepalive, now.after(keepalive_time));
        }
    }

    /// RFC 9687, 6.
    fn send_hold_time(&self) -> Duration {
        let hold_time = self.negotiated().map_or(Duration::ZERO, |negotiated| negotiated.hold_time);
        SEND_HOLD_TIME.max(hold_time.saturating_mul(2))
    }

    /// What is wrong with a header is the same whether or not the rest is there by now.
    #[inline]
    fn check_refresh(&self, frame: &Frame<'_>) -> Result<(), Error> {
        match frame.kind {
            MessageType::RouteRefresh => refresh::check_length(frame.octets, self.refreshes_enhanced()),
            _ => Ok(()),
        }
    }

    /// Whether a refresh may be delimited by now.
    fn refreshes_enhanced(&self) -> bool {
        matches!(&self.state, State::Established(negotiated) if negotiated.enhanced_route_refresh)
    }

    fn negotiated(&self) -> Option<&Negotiated> {
        match &self.state {
            State::Opened(agreed) | State::OpenConfirm(agreed) => Some(&agreed.negotiated),
            State::Established(negotiated) => Some(negotiated),
            State::OpenSent | State::Ended { .. } => None,
        }
    }
}

/// By the type in its header.
fn is_notification(message: &[u8]) -> bool {
    message.get(TYPE) == Some(&MessageType::Notification.code())
}

#[inline]
fn learn(update: &Update<'_>, heard: &mut Heard) {
    heard.batch.push_update(update);
    if !update.faults().is_empty() {
        heard.fault(update);
    }
}

/// A refresh that the peer delimits (RFC 7313, 4); requests for our routes need no answer.
fn mark(refresh: RouteRefresh, negotiated: &Negotiated, heard: &mut Heard) {
    let family = refresh.family().filter(|family| negotiated.families.contains(*family));
    if let Some(family) = family.filter(|_| negotiated.enhanced_route_refresh) {
        match refresh.subtype {
            Subtype::Begin => heard.batch.push_begin_refresh(family),
            Subtype::End => heard.batch.push_end_refresh(family),
            Subtype::Request | Subtype::Unknown(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;

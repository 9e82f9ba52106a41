//! One connection: moves octets between its socket and its session, and what comes of it to the observer.
//!
//! A task holds no buffer of its own but the octets of an unfinished message: reading uses one that all
//! tasks of a thread share. It has one timer, re-armed only when it is due too late.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the IO of one connection")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, Interest, Ready};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::collision::Identity;
use super::queue::{Outlet, Turn};
use super::refusal::Refusal;
use super::registry::{Entry, Pending, is_eviction};
use super::shared::{Guard, Shared};
use super::stats::ErrorAction;
use super::tap::{Ends, Tape};
use super::{Closed, Established, Event, Loss, Refused, ResetReason, SessionId, beat, read};
use crate::bgp::notification::Cease;
use crate::bgp::session::{Ending, Heard, Session, State, Stop};
use crate::time::Timestamp;

/// Octets taken from a socket, in one read or several, before other connections have their turn.
const READ: usize = 16 * 1024;
/// The longest unfinished message (RFC 8654).
const UNFINISHED: usize = 64 * 1024;
/// What a connection may keep while nothing is unfinished.
const KEPT: usize = 4096;
/// Reads before silence is believed: what the peer sent in time is among the first, if anything is, and a
/// flood of what is no sign of life must not keep us.
const LAST_READS: usize = 32;
/// How long the OPEN of a connection that must make room is waited for, from its beginning: a node says it
/// at once.
const AT_ONCE: Duration = Duration::from_millis(50);
/// How long a connection that has ended waits for the peer to read why.
const LINGER: Duration = Duration::from_secs(1);
/// How long a connection whose OPEN was valid waits for the peer's others to read what they have: they do so
/// at once, unless the machine is behind.
const LOOK: Duration = Duration::from_millis(500);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ + UNFINISHED].into());
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    /// Tells a shutdown that we are still here.
    _guard: Guard,
    entry: Entry,
    outlet: Outlet,
    stream: TcpStream,
    local: IpAddr,
    since: Timestamp,
    session: Session,
    /// The start of a message of which the rest has not come.
    unfinished: Vec<u8>,
    /// What the observer has not taken yet, in order.
    pending: VecDeque<Event>,
    /// The observer was told of the session.
    turn: Option<Turn>,
    /// The session, once the observer hears of it.
    announced: Option<SessionId>,
    /// The peer's capabilities, until the observer hears of them.
    capabilities: Vec<String>,
    /// Its range has no place for another peer.
    one_too_many: bool,
    /// Nothing can be written any more.
    deaf: bool,
    /// The peer closed while we did not read.
    hung_up: bool,
    /// The peer's other connections, while they read what they have before this one is judged.
    others: Option<Vec<oneshot::Receiver<()>>>,
    /// Newer connections that wait until this one has read what there is.
    looks: Vec<oneshot::Sender<()>>,
    /// When the timer fires.
    armed: Option<Timestamp>,
    /// What was said, for who listens.
    tape: Tape,
}

/// What a connection waited for.
enum Wake {
    Orders,
    Socket { readable: bool },
    Timer,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, entry: Entry, stream: TcpStream, local: IpAddr) -> Self {
        let since = shared.clock.now();
        let session = Session::new(Arc::clone(&entry.terms.offer), since);
        Self {
            _guard: shared.guard(),
            tape: Tape::new(shared.tap.clone()),
            outlet: Outlet::new(shared.events.clone(), entry.share.clone()),
            shared,
            entry,
            stream,
            local,
            since,
            session,
            unfinished: Vec::new(),
            pending: VecDeque::new(),
            turn: None,
            announced: None,
            capabilities: Vec::new(),
            one_too_many: false,
            deaf: false,
            hung_up: false,
            others: None,
            looks: Vec::new(),
            armed: None,
        }
    }

    /// Runs the connection to its end. Whether it became a session.
    pub(super) async fn run(mut self) -> bool {
        let mut sleep = std::pin::pin!(sleep_until(Instant::now()));
        let mut taken = 0_usize;
        while !self.is_over() {
            if !self.pending.is_empty() {
                self.deliver(sleep.as_mut()).await;
                continue;
            }
            if self.others.as_ref().is_some_and(|others| !others.is_empty()) {
                Box::pin(self.await_others()).await;
                continue;
            }
            match self.wait(sleep.as_mut(), true).await {
                Wake::Orders => self.obey().await,
                Wake::Timer => self.tick(),
                Wake::Socket { readable: true } => {
                    taken = taken.saturating_add(self.read(read::what_is_there));
                    if taken >= READ {
                        taken = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Wake::Socket { readable: false } => {}
            }
        }
        let established = self.announced.is_some();
        // What is rare has its memory while it lasts: idle sessions are many.
        Box::pin(self.finish()).await;
        established
    }

    const fn is_over(&self) -> bool {
        matches!(self.session.state(), State::Ended { .. })
    }

    /// Sends what is to be sent, then waits for the socket, the timer or orders.
    async fn wait(&mut self, mut sleep: Pin<&mut Sleep>, reading: bool) -> Wake {
        self.write();
        self.arm(sleep.as_mut());
        let blocked = !self.session.outgoing().is_empty();
        // What is urgent nobody sends: of this interest, only the end of what the peer says is left.
        let awaited =
            if reading { Some(Interest::READABLE) } else { (!self.hung_up).then_some(Interest::PRIORITY) };
        let interest = match (awaited, blocked.then_some(Interest::WRITABLE)) {
            (Some(awaited), Some(writable)) => Some(awaited | writable),
            (awaited, writable) => awaited.or(writable),
        };
        tokio::select! {
            // The timer before the socket: a peer that never pauses must not stop our KEEPALIVEs.
            biased;
            () = self.entry.orders.given() => Wake::Orders,
            () = sleep, if self.armed.is_some() => {
                self.armed = None;
                Wake::Timer
            }
            ready = self.stream.ready(interest.unwrap_or(Interest::READABLE)), if interest.is_some() => {
                // An error shows itself to whoever reads.
                let ready = ready.unwrap_or(Ready::ERROR);
                if !reading && ready.is_read_closed() {
                    self.hang_up();
                }
                Wake::Socket { readable: reading && (ready.is_readable() || ready.is_error()) }
            }
        }
    }

    /// Hands over what the observer is to know. While it is busy, we do not read and the peer cannot be
    /// silent too long, but our KEEPALIVEs go on.
    async fn deliver(&mut self, sleep: Pin<&mut Sleep>) {
        let outlet = self.outlet.clone();
        while let Some(event) = self.pending.pop_front() {
            match outlet.try_reserve(&event) {
                Ok(room) => self.turn = room.send(event).or(self.turn.take()),
                Err(TrySendError::Closed(())) => self.pending.clear(),
                Err(TrySendError::Full(())) => {
                    Box::pin(self.suspend(&outlet, event, sleep)).await;
                    return;
                }
            }
        }
    }

    async fn suspend(&mut self, outlet: &Outlet, event: Event, mut sleep: Pin<&mut Sleep>) {
        self.session.suspend(self.shared.clock.now());
        self.entry.stats.count_suspended();
        let room = {
            let mut reserve = std::pin::pin!(outlet.reserve(&event));
            loop {
                let wake = tokio::select! {
                    biased;
                    room = reserve.as_mut() => break Some(room),
                    wake = self.wait(sleep.as_mut(), false) => wake,
                };
                match wake {
                    Wake::Orders => self.obey().await,
                    Wake::Timer => self.tick(),
                    Wake::Socket { .. } => {}
                }
                if self.is_over() {
                    break None;
                }
            }
        };
        match room {
            Some(Some(room)) => {
                self.turn = room.send(event).or(self.turn.take());
                self.session.resume(self.shared.clock.now());
            }
            Some(None) => self.pending.clear(),
            None => self.pending.push_front(event),
        }
    }

    /// The peer closed while we did not read: what it said before keeps its place in the queue, but its next
    /// connection need not wait for that.
    fn hang_up(&mut self) {
        self.hung_up = true;
        self.shared.registry().hang_up(&self.entry);
    }

    fn arm(&mut self, sleep: Pin<&mut Sleep>) {
        let next = self.session.next_timeout();
        if let Some(next) = next
            && let next = beat::from(next)
            && self.armed.is_none_or(|armed| next < armed)
        {
            sleep.reset(Instant::from_std(self.shared.clock.instant(next)));
            self.armed = Some(next);
        }
    }

    /// Before the peer is found silent, the socket itself is asked: the runtime may be behind.
    fn tick(&mut self) {
        for _ in 0..LAST_READS {
            let overdue = self.session.is_overdue(self.shared.clock.now());
            if !overdue || self.read_now() == 0 {
                break;
            }
        }
        self.session.timeout(self.shared.clock.now());
    }

    async fn obey(&mut self) {
        let Pending { stop, refresh, looks } = self.entry.orders.take();
        if !looks.is_empty() {
            self.looks.extend(looks);
            self.look();
        }
        match stop {
            Some(stop) if is_eviction(&stop) => Box::pin(self.make_room(stop)).await,
            Some(Stop::Replaced) => {
                // The peer may have said its last words before it came again.
                self.look();
                self.session.stop(Stop::Replaced, self.shared.clock.now());
            }
            Some(stop) => self.session.stop(stop, self.shared.clock.now()),
            None => {}
        }
        if !refresh.is_empty() {
            self.session.refresh(refresh, self.shared.clock.now());
        }
    }

    /// Goes, unless the peer's OPEN is there or comes at once.
    async fn make_room(&mut self, stop: Stop) {
        let silent = |session: &Session| matches!(session.state(), State::OpenSent);
        if silent(&self.session) {
            let due = self.shared.clock.instant(self.since.after(AT_ONCE));
            let _ = timeout_at(Instant::from_std(due), self.stream.readable()).await;
            self.read_now();
        }
        if silent(&self.session) {
            self.session.stop(stop, self.shared.clock.now());
        }
    }

    fn write(&mut self) {
        self.tell_outgoing();
        while !self.session.outgoing().is_empty() {
            let octets = self.session.outgoing();
            let outcome = if self.deaf { Ok(octets.len()) } else { self.stream.try_write(octets) };
            match outcome {
                Ok(count) => {
                    self.session.sent(count, self.shared.clock.now());
                    self.tape.sent(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The peer may have said why before it went: reading goes on.
                Err(_) => self.deaf = true,
            }
        }
        self.entry.stats.add_sent(self.session.take_sent());
    }

    /// Who listens hears what is about to be sent, and all that the session said before.
    fn tell_outgoing(&mut self) {
        if !self.deaf && !self.session.outgoing().is_empty() {
            self.tape.outgoing(self.session.outgoing(), self.shared.clock.now());
        }
        if self.turn.is_some() {
            self.tape.pass_on();
        }
    }

    /// Asks the socket itself: the runtime may be behind.
    fn read_now(&mut self) -> usize {
        self.read(read::now)
    }

    /// Reads once, and says how many octets came.
    fn read(&mut self, read: impl FnOnce(&TcpStream, &mut [u8]) -> io::Result<usize>) -> usize {
        SCRATCH.with_borrow_mut(|scratch| {
            let held = self.unfinished.len();
            let Some((start, space)) = scratch.split_at_mut_checked(held) else { return 0 };
            start.copy_from_slice(&self.unfinished);
            match read(&self.stream, space.get_mut(..READ).unwrap_or_default()) {
                Ok(0) => self.session.lost(None, self.shared.clock.now()),
                Ok(count) => {
                    self.take(scratch.get(..held.saturating_add(count)).unwrap_or_default());
                    return count;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => self.session.lost(Some(error.to_string()), self.shared.clock.now()),
            }
            0
        })
    }

    /// Reads what the socket holds for the sake of newer connections; they are answered once the registry
    /// knows of our end, if this is it. A session that waits for the observer reads no further.
    fn look(&mut self) {
        for _ in 0..LAST_READS {
            let waits = self.pending.len() >= LAST_READS;
            if waits || self.is_over() || self.read_now() == 0 {
                break;
            }
        }
        if !self.is_over() {
            self.looks.clear();
        }
    }

    /// Waits until the peer's other connections have read what they have, then judges this one.
    async fn await_others(&mut self) {
        let others = self.others.replace(Vec::new()).unwrap_or_default();
        let looked = async {
            for other in others {
                // Gone is looked at, too.
                let _ = other.await;
            }
        };
        let _ = timeout(LOOK, looked).await;
        let octets = mem::take(&mut self.unfinished);
        self.take(&octets);
    }

    /// Gives `octets` to the session, and keeps what is not a whole message.
    fn take(&mut self, octets: &[u8]) {
        let now = self.shared.clock.now();
        let mut heard = Heard::default();
        let mut rest = octets;
        loop {
            let count = self.session.receive(rest, &mut heard, now);
            self.tape.received(rest.get(..count).unwrap_or_default(), now);
            rest = rest.get(count..).unwrap_or_default();
            if !self.admit(now) && !self.announce(now) {
                break;
            }
        }
        if self.is_over() {
            rest = &[];
        }
        if self.unfinished.capacity() > KEPT && rest.len() < KEPT {
            self.unfinished = Vec::new();
        }
        self.unfinished.clear();
        self.unfinished.extend_from_slice(rest);
        self.account(&heard, now);
        if let Some(session) = self.announced
            && !heard.batch.is_empty()
        {
            self.pending.push_back(Event::Routes { session, at: now, batch: heard.batch });
        }
    }

    /// Decides on a session whose OPEN was valid; whether there was a decision to make.
    fn admit(&mut self, now: Timestamp) -> bool {
        let State::Opened(agreed) = self.session.state() else { return false };
        let who = Identity { asn: agreed.negotiated.peer_as, identifier: agreed.negotiated.peer_id };
        let capabilities = agreed.capabilities.clone();
        if self.others.is_none() {
            let others = self.others.insert(self.shared.registry().look_at_others(&self.entry));
            if !others.is_empty() {
                return false;
            }
        }
        match self.shared.registry().open(&self.entry, who) {
            Ok(()) => {
                self.capabilities = capabilities;
                self.session.admit(now);
            }
            Err(stop) => {
                self.one_too_many = matches!(stop, Stop::Cease(Cease::ConnectionRejected, _));
                self.session.stop(stop, now);
            }
        }
        true
    }

    /// Tells of a session that has just become Established, once our End-of-RIB is on its way; whether
    /// there was one to tell of.
    fn announce(&mut self, now: Timestamp) -> bool {
        let State::Established(negotiated) = self.session.state() else { return false };
        if self.announced.is_some() {
            return false;
        }
        let negotiated = Arc::clone(negotiated);
        let graceful = negotiated.graceful_restart.is_some();
        let Some((session, neighbors)) = self.shared.registry().establish(&self.entry, graceful) else {
            self.session.stop(Stop::Cease(Cease::CollisionResolution, String::new()), now);
            return true;
        };
        let ends = || {
            let (peer, negotiated) = (self.entry.peer.clone(), Arc::clone(&negotiated));
            Ends { session, peer, local: self.local, negotiated }
        };
        self.tape.established(ends, now);
        self.write();
        self.announced = Some(session);
        self.log(format_args!("session up, AS {}, hold {:?}", negotiated.peer_as, negotiated.hold_time), now);
        self.pending.push_back(Event::Established(Box::new(Established {
            session,
            peer: self.entry.peer.clone(),
            local: self.local,
            at: now,
            negotiated,
            capabilities: mem::take(&mut self.capabilities),
            neighbors,
            stats: Arc::clone(&self.entry.stats),
        })));
        true
    }

    fn account(&self, heard: &Heard, now: Timestamp) {
        let stats = &self.entry.stats;
        stats.add_received(heard.messages, heard.octets);
        stats.add_errors(ErrorAction::AttributeDiscard, heard.discarded);
        stats.add_errors(ErrorAction::TreatAsWithdraw, heard.withdrawn);
        for fault in &heard.faults {
            self.warn(format_args!("UPDATE with errors: {fault}"), now);
        }
    }

    /// Says why it ended to everyone who should know, then closes.
    async fn finish(mut self) {
        let State::Ended { ending, loss } = self.session.state() else { return };
        let (ending, loss) = (ending.clone(), *loss);
        let now = self.shared.clock.now();
        if self.announced.is_some() {
            self.shared.registry().hang_up(&self.entry);
        } else {
            self.shared.registry().leave(&self.entry, false);
        }
        // Whoever waits for what is read here finds out now.
        self.looks.clear();
        drop(self.entry.orders.take());
        self.write();
        let closed = self.report(&ending, loss, now);
        self.tape.closed(now);
        // Who makes room makes it at once.
        let pressed = matches!(&*ending, Ending::Stopped(stop) if is_eviction(stop));
        let lingers = ending.notification().is_some() && !self.deaf && !pressed;
        if self.session.outgoing().is_empty() {
            // At once: the observer may keep us waiting.
            let _ = self.stream.shutdown().await;
        }
        if let Some(closed) = closed {
            self.deliver_last(closed, loss).await;
        }
        // Who connects again and again to be refused, or to err, must not pile up sockets here.
        let shared = Arc::clone(&self.shared);
        let places = if self.announced.is_some() { &self.entry.farewells } else { &shared.lingering };
        let place = Arc::clone(places).try_acquire_owned();
        if lingers && place.is_ok() {
            let _ = timeout(LINGER, self.linger()).await;
        }
    }

    /// Hands over what is left, and that the session ended. Until then the connection keeps its place: of each
    /// peer one at most waits so, and the next one does not wait for its routes.
    async fn deliver_last(&mut self, closed: Event, loss: Loss) {
        let outlet = self.outlet.clone();
        while let Some(event) = self.pending.pop_front() {
            let room = tokio::select! {
                biased;
                room = outlet.reserve(&event) => room,
                () = self.has_no_use(loss) => {
                    // And of a session that nobody was told of, nobody need be.
                    self.drop_routes();
                    if self.turn.is_none() {
                        return self.pending.clear();
                    }
                    continue;
                }
            };
            let Some(room) = room else { break };
            self.turn = room.send(event).or(self.turn.take());
        }
        if self.turn.is_some() {
            self.tape.pass_on();
        }
        let room = outlet.reserve(&closed).await;
        self.shared.registry().leave(&self.entry, loss == Loss::Deconfigured);
        if let Some(room) = room {
            drop(room.send(closed));
        }
        self.turn = None;
    }

    /// Until it is not worth waiting for room any more: at once for routes that the end of the session purges,
    /// or when the peer's next connection has taken the place of this one.
    async fn has_no_use(&self, loss: Loss) {
        if loss != Loss::Graceful && self.turn.is_some() {
            return;
        }
        while self.shared.registry().hang_up(&self.entry) {
            self.entry.orders.given().await;
        }
    }

    fn drop_routes(&mut self) {
        self.pending.retain(|event| !matches!(event, Event::Routes { .. }));
    }

    /// A socket closed with octets unread is reset, and the peer would lose the NOTIFICATION.
    async fn linger(&mut self) -> io::Result<()> {
        while !self.session.outgoing().is_empty() && !self.deaf {
            self.stream.writable().await?;
            self.write();
        }
        self.stream.shutdown().await?;
        loop {
            self.stream.readable().await?;
            let outcome = SCRATCH.with_borrow_mut(|scratch| self.stream.try_read(scratch));
            match outcome {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Counts and logs an end, and says what the observer is to hear of it, if it is a session's.
    fn report(&self, ending: &Ending, loss: Loss, now: Timestamp) -> Option<Event> {
        if let Ending::Failed { notification, .. } = ending
            && notification.code == 3
        {
            self.entry.stats.add_errors(ErrorAction::SessionReset, 1);
        }
        let Some(session) = self.announced else {
            self.refused(ending, now);
            return None;
        };
        let reason = reason(ending);
        self.entry.stats.count_reset(reason);
        self.warn(format_args!("session down: {ending}"), now);
        let expiry = self.session.expiry().map(Box::new);
        Some(Event::Closed(Closed { session, at: now, reason, detail: ending.to_string(), loss, expiry }))
    }

    /// For a connection that never became a session.
    fn refused(&self, ending: &Ending, now: Timestamp) {
        let leaf = &self.entry.peer.leaf;
        let refusal = match ending {
            Ending::OpenTimeout | Ending::HoldExpired => Some(Refusal::OpenTimeout),
            Ending::Failed { notification, .. } if (notification.code, notification.subcode) == (2, 2) => {
                Some(Refusal::AsNotAllowed)
            }
            Ending::Failed { .. } => Some(Refusal::OpenError),
            Ending::Lost(_) => {
                // Port probes end so: nothing to tell.
                self.shared.registry().count(leaf, Refusal::Lost);
                return;
            }
            Ending::Notified(notification) if notification.code == 2 => Some(Refusal::RefusedByPeer),
            Ending::Notified(_) => Some(Refusal::Lost),
            Ending::Stopped(stop) if is_eviction(stop) => Some(Refusal::HalfOpenLimit),
            // What else we decided was counted there.
            Ending::Stopped(_) | Ending::SendHoldExpired => None,
        };
        let budget = self.shared.registry().count(leaf, refusal);
        if let Some(suppressed) = budget.take(now) {
            let address = self.entry.peer.address;
            tracing::warn!(%leaf, peer = %address, suppressed, "no session: {ending}");
        }
        let refusal = refusal.or(self.one_too_many.then_some(Refusal::PeerLimit));
        let peer_as = self.session.peer_as();
        if let Some(why) = refusal.filter(|why| why.is_of_a_speaker(ending, peer_as))
            && self.shared.herald.admits(&self.entry.peer, now)
        {
            let (expected, detail) = why.explain(ending, &self.entry.terms);
            let peer = self.entry.peer.clone();
            let refused = Refused { peer, at: now, why, offered_as: peer_as, expected, detail };
            self.shared.herald.tell(Event::Refused(Box::new(refused)));
        }
    }

    fn log(&self, what: std::fmt::Arguments<'_>, now: Timestamp) {
        if let Some(suppressed) = self.entry.logs.take(now) {
            let peer = &self.entry.peer;
            tracing::info!(leaf = %peer.leaf, peer = %peer.address, suppressed, "{what}");
        }
    }

    fn warn(&self, what: std::fmt::Arguments<'_>, now: Timestamp) {
        if let Some(suppressed) = self.entry.logs.take(now) {
            let peer = &self.entry.peer;
            tracing::warn!(leaf = %peer.leaf, peer = %peer.address, suppressed, "{what}");
        }
    }
}

/// Whatever becomes of its task, a connection gives up its place: its peer would be turned away for ever.
impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.registry().leave(&self.entry, false);
    }
}

/// How the end of a session is counted.
const fn reason(ending: &Ending) -> ResetReason {
    match ending {
        Ending::HoldExpired | Ending::OpenTimeout => ResetReason::HoldTimer,
        Ending::Notified(notification) if notification.code == 4 => ResetReason::HoldTimerPeer,
        Ending::Notified(_) => ResetReason::NotificationReceived,
        Ending::SendHoldExpired | Ending::Failed { .. } => ResetReason::NotificationSent,
        Ending::Lost(_) => ResetReason::Tcp,
        Ending::Stopped(Stop::Replaced | Stop::Cease(Cease::CollisionResolution, _)) => {
            ResetReason::Collision
        }
        Ending::Stopped(Stop::Cease(Cease::MaximumPrefixes, _)) => ResetReason::PrefixLimit,
        Ending::Stopped(Stop::Cease(..)) => ResetReason::Admin,
    }
}

//! The loop: the one task that owns the core, and the handle through which everybody else asks it.

#![expect(clippy::disallowed_methods, reason = "the observer's IO: one task and its timer")]

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

use super::changes::RouteChanges;
use super::core::Core;
use super::dump;
use super::feed::{Destination, Roster};
use super::maintenance::{self, NoMaintenance, Whom, Window};
use super::search::Search;
use super::trace::{Recorded, Recorder};
use super::{Actor, EventLog, Processing, Reported, RouteQuery, Snapshot, State, view};
use crate::bgp::Families;
use crate::config::Config;
use crate::speaker::{Delivery, PeerId};
use crate::time::{Clock, Timestamp};

/// What the observer wants of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send ROUTE-REFRESH where it was negotiated.
    Refresh {
        /// To whom.
        peer: PeerId,
        /// For what.
        families: Families,
    },
    /// End the session with Cease/4: the peer comes again.
    Reset {
        /// Whose.
        peer: PeerId,
    },
    /// End the session with Cease/1 and refuse the peer for a while.
    PrefixLimit {
        /// Whose.
        peer: PeerId,
        /// How long.
        refuse: Duration,
    },
    /// Free the place of a peer that is no longer known.
    Forget {
        /// Whose.
        peer: PeerId,
    },
}

/// How patient the observer is with what has not happened yet since it started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Before this, no expected route is missed. A node says with End-of-RIB that it has told everything,
    /// and missing routes are judged after it only; this lets a whole fabric settle besides.
    pub route_grace: Duration,
    /// Before this, no pinned peer is missed that was not seen yet: longer than BIRD's 240 s of recovery
    /// and its error wait.
    pub peer_grace: Duration,
    /// Whether peers that no range of the configuration holds are taken as they come: in what others
    /// recorded there may be any.
    pub strangers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { route_grace: Duration::from_mins(1), peer_grace: Duration::from_mins(6), strangers: false }
    }
}

/// The handle: cheap to clone; every answer is `None` once the observer has ended.
#[derive(Clone, Debug)]
pub struct Observer {
    requests: mpsc::Sender<(Option<Actor>, Request)>,
    /// Who asks, if it is somebody.
    actor: Option<Actor>,
    /// Something is to be told of.
    offered: Arc<Notify>,
    log: Arc<EventLog>,
    heartbeat: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Request {
    Ping(oneshot::Sender<()>),
    Summary(oneshot::Sender<view::Summary>),
    Findings(oneshot::Sender<Arc<[view::Finding]>>),
    Snapshot(oneshot::Sender<Arc<Snapshot>>),
    Routes(Box<RouteQuery>, oneshot::Sender<view::Page<view::Route>>),
    Why(Box<RouteQuery>, oneshot::Sender<Vec<view::Why>>),
    Dump(Arc<str>, Option<dump::Place>, oneshot::Sender<dump::Piece>),
    Reconfigure(Arc<Config>, oneshot::Sender<()>),
    Forget(Option<String>, IpAddr, oneshot::Sender<usize>),
    ForgetNode(String, Option<String>, oneshot::Sender<usize>),
    StartMaintenance(Whom, Duration, String, oneshot::Sender<Result<Window, NoMaintenance>>),
    EndMaintenance(Whom, oneshot::Sender<Option<Window>>),
    Acknowledge(String, String, oneshot::Sender<bool>),
    State(Option<u64>, oneshot::Sender<Option<(u64, State)>>),
    Offers(usize, oneshot::Sender<Vec<Destination>>),
    OfferAll(oneshot::Sender<()>),
    WalkChanges(oneshot::Sender<()>),
    Changes(usize, oneshot::Sender<RouteChanges>),
    Roster(oneshot::Sender<Roster>),
    Report(Arc<str>, Vec<Reported>, oneshot::Sender<()>),
    EndTrace(oneshot::Sender<Option<oneshot::Receiver<()>>>),
}

impl Request {
    const fn is_change(&self) -> bool {
        match self {
            Self::Ping(_)
            | Self::Summary(_)
            | Self::Findings(_)
            | Self::Snapshot(_)
            | Self::Routes(..)
            | Self::Why(..)
            | Self::Dump(..)
            | Self::State(..)
            | Self::Offers(..)
            | Self::OfferAll(_)
            | Self::WalkChanges(_)
            | Self::Changes(..)
            | Self::Roster(_)
            | Self::EndTrace(_) => false,
            Self::Reconfigure(..)
            | Self::Forget(..)
            | Self::ForgetNode(..)
            | Self::StartMaintenance(..)
            | Self::EndMaintenance(..)
            | Self::Acknowledge(..)
            | Self::Report(..) => true,
        }
    }
}

/// Starts the observer. It ends when all senders of `events` are gone.
pub fn spawn(
    config: Arc<Config>,
    settings: Settings,
    clock: Clock,
    events: mpsc::Receiver<Delivery>,
    speaker: impl Fn(Command) + Send + 'static,
) -> Observer {
    spawn_with(None, None, config, settings, clock, events, speaker)
}

/// The same with a recorder that notes all that it is told, and with what was known before.
pub fn spawn_with(
    recorder: Option<Recorder>,
    state: Option<State>,
    config: Arc<Config>,
    settings: Settings,
    clock: Clock,
    events: mpsc::Receiver<Delivery>,
    speaker: impl Fn(Command) + Send + 'static,
) -> Observer {
    let (sender, requests) = mpsc::channel(64);
    let now = clock.now();
    let log = Arc::new(EventLog::new());
    let heartbeat = Arc::new(AtomicU64::new(now.as_micros()));
    let offered = Arc::new(Notify::new());
    let observer = Observer {
        requests: sender,
        actor: None,
        offered: offered.clone(),
        log: log.clone(),
        heartbeat: heartbeat.clone(),
    };
    let mut core = Core::new(config, settings, now);
    core.keep_offers();
    let mut core = Recorded::new(core, recorder);
    if let Some(state) = state {
        core.restore(state, now);
    }
    let task = Task {
        core,
        clock,
        events,
        requests,
        speaker,
        offered,
        log,
        heartbeat,
        searches: VecDeque::new(),
        snapshot: None,
        fresh: FRESH,
        processing: Processing::default(),
    };
    tokio::spawn(task.run());
    observer
}

/// How many batches are taken in before anything else has its turn.
const BATCHES: usize = 16;
/// For how long batches are taken in before anything else has its turn.
const TURN: Duration = Duration::from_millis(5);
/// How many requests are answered before anything else has its turn.
const REQUESTS: usize = 8;
/// How many steps a query goes in one turn: a step is a route looked at in order.
const STEPS: usize = 1_000;
/// For how long a snapshot is good enough.
const FRESH: Duration = Duration::from_millis(50);
/// For how many times as long as it took to be made it is good enough, if that is longer: however many ask,
/// it takes no more than a small part of the time.
const WORTH: u32 = 20;
/// For how long at most: a pause of the machine counts as time that it took.
const STALE: Duration = Duration::from_secs(1);

struct Task<F> {
    core: Recorded,
    clock: Clock,
    events: mpsc::Receiver<Delivery>,
    requests: mpsc::Receiver<(Option<Actor>, Request)>,
    speaker: F,
    offered: Arc<Notify>,
    log: Arc<EventLog>,
    heartbeat: Arc<AtomicU64>,
    /// Queries that are being answered, in turns.
    searches: VecDeque<(Search, oneshot::Sender<view::Page<view::Route>>)>,
    snapshot: Option<Arc<Snapshot>>,
    /// For how long it is good enough.
    fresh: Duration,
    processing: Processing,
}

impl<F: Fn(Command)> Task<F> {
    async fn run(mut self) {
        let mut next = self.clock.now();
        loop {
            // Whatever there is to do, sessions have their turn too.
            tokio::task::yield_now().await;
            if self.is_idle() {
                let due = tokio::time::Instant::from_std(self.clock.instant(next));
                tokio::select! {
                    delivery = self.events.recv() => match delivery {
                        Some(delivery) => _ = self.handle(delivery),
                        None => return,
                    },
                    Some(request) = self.requests.recv() => self.answer(request),
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            if !self.take_what_is_there() {
                return;
            }
            self.answer_some();
            let now = self.clock.now();
            self.core.work(now);
            self.core.offer_slice(now);
            self.core.change_slice();
            self.search();
            next = self.core.tick(now);
            self.tell();
            self.heartbeat.store(now.as_micros(), Relaxed);
        }
    }

    /// Whether there is nothing to go on with.
    fn is_idle(&self) -> bool {
        let walks = self.core.offers.has_walk() || self.core.changes.has_walk();
        !walks && !self.core.has_work() && self.searches.is_empty()
    }

    /// Without waiting, and no more than a turn's worth; `false`: there will be no more.
    fn take_what_is_there(&mut self) -> bool {
        let start = self.clock.now();
        for _ in 0..BATCHES {
            match self.events.try_recv() {
                Ok(delivery) => {
                    if self.handle(delivery).since(start) >= TURN {
                        break;
                    }
                }
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    /// Answers when it was done.
    fn handle(&mut self, delivery: Delivery) -> Timestamp {
        let start = self.clock.now();
        self.core.handle(delivery.event, start);
        let end = self.clock.now();
        self.processing.observe(end.since(start).as_secs_f64());
        end
    }

    fn answer_some(&mut self) {
        for _ in 0..REQUESTS {
            let Ok(request) = self.requests.try_recv() else { return };
            self.answer(request);
        }
    }

    /// Who asked may have gone meanwhile: that is fine.
    fn answer(&mut self, (actor, request): (Option<Actor>, Request)) {
        let now = self.clock.now();
        self.core.attribute_to(actor);
        if request.is_change() {
            // Who changes something sees it changed.
            self.snapshot = None;
        }
        match request {
            Request::Ping(answer) => {
                let _ = answer.send(());
            }
            Request::Summary(answer) => {
                let _ = answer.send(self.core.summary());
            }
            Request::Findings(answer) => {
                let _ = answer.send(self.core.findings.shown());
            }
            Request::Snapshot(answer) => {
                let _ = answer.send(self.snapshot(now));
            }
            Request::Routes(query, answer) => self.go_on(Search::new(*query), answer),
            Request::Why(query, answer) => {
                let _ = answer.send(self.core.why(&query));
            }
            Request::Dump(leaf, after, answer) => {
                let _ = answer.send(self.core.dump(&leaf, after, STEPS));
            }
            Request::Reconfigure(config, answer) => {
                self.core.reconfigure(config, now);
                let _ = answer.send(());
            }
            Request::ForgetNode(node, cluster, answer) => {
                let _ = answer.send(self.core.forget_node(&node, cluster.as_deref(), now));
            }
            Request::StartMaintenance(scope, time, reason, answer) => {
                let until = now.after(time.min(maintenance::LONGEST));
                let _ = answer.send(self.core.start_maintenance(Window { scope, since: now, until, reason }));
            }
            Request::EndMaintenance(scope, answer) => {
                let _ = answer.send(self.core.end_maintenance(&scope, now));
            }
            Request::Acknowledge(id, reason, answer) => {
                let _ = answer.send(self.core.acknowledge(&id, &reason, now));
            }
            Request::State(unless, answer) => {
                let revision = self.core.state_revision();
                let state = (unless != Some(revision)).then(|| (revision, self.core.state(now)));
                let _ = answer.send(state);
            }
            Request::Offers(max, answer) => {
                let _ = answer.send(self.core.offers(max));
            }
            Request::OfferAll(answer) => {
                self.core.offer_all();
                let _ = answer.send(());
            }
            Request::WalkChanges(answer) => {
                self.core.walk_changes();
                let _ = answer.send(());
            }
            Request::Changes(max, answer) => {
                let _ = answer.send(self.core.changes(max));
            }
            Request::Roster(answer) => {
                let _ = answer.send(self.core.roster(now));
            }
            Request::Report(source, found, answer) => {
                self.core.report(&source, found, now);
                let _ = answer.send(());
            }
            Request::EndTrace(answer) => {
                let _ = answer.send(self.core.end());
            }
            Request::Forget(leaf, peer, answer) => {
                let _ = answer.send(self.core.forget_down(leaf.as_deref(), peer, now));
            }
        }
        self.core.attribute_to(None);
    }

    fn snapshot(&mut self, now: Timestamp) -> Arc<Snapshot> {
        if let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| now.since(snapshot.at) < self.fresh)
        {
            return Arc::clone(snapshot);
        }
        let snapshot = Arc::new(Snapshot {
            processing: self.processing,
            queue: (self.events.len(), self.events.max_capacity()),
            trace_lost: self.core.lost(),
            ..self.core.snapshot(now)
        });
        self.fresh = (self.clock.now().since(now) * WORTH).clamp(FRESH, STALE);
        self.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }

    /// A turn of the query that waited longest.
    fn search(&mut self) {
        if let Some((search, answer)) = self.searches.pop_front() {
            self.go_on(search, answer);
        }
    }

    fn go_on(&mut self, mut search: Search, answer: oneshot::Sender<view::Page<view::Route>>) {
        if answer.is_closed() {
            return;
        }
        if self.core.search(&mut search, STEPS) {
            let _ = answer.send(search.finish(&self.core));
        } else {
            self.searches.push_back((search, answer));
        }
    }

    fn tell(&mut self) {
        if self.core.offers.any() {
            self.offered.notify_one();
        }
        let (events, commands) = self.core.take();
        self.log.append(events);
        for command in commands {
            (self.speaker)(command);
        }
    }
}

impl Observer {
    /// The same, of which events say that `actor` did what it asks for.
    #[must_use]
    pub fn by(&self, actor: &Actor) -> Self {
        Self { actor: Some(actor.clone()), ..self.clone() }
    }

    /// Answers when the observer comes round to it.
    pub async fn ping(&self) -> Option<()> {
        self.ask(Request::Ping).await
    }

    /// The counters of all.
    pub async fn summary(&self) -> Option<view::Summary> {
        self.ask(Request::Summary).await
    }

    /// Findings: pending, open, and resolved within 24 h.
    pub async fn findings(&self) -> Option<Arc<[view::Finding]>> {
        self.ask(Request::Findings).await
    }

    /// Peers, counters and findings, at most 50 ms old, or twenty times as long as it takes to collect them, or a second.
    pub async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.ask(Request::Snapshot).await
    }

    /// A piece of the table of one leaf, for who writes all of it down.
    pub async fn dump(&self, leaf: Arc<str>, after: Option<dump::Place>) -> Option<dump::Piece> {
        self.ask(|answer| Request::Dump(leaf, after, answer)).await
    }

    /// A page of routes in the order of prefix, peer and path. A page may end early: only one without
    /// `next_cursor` is the last.
    pub async fn routes(&self, query: RouteQuery) -> Option<view::Page<view::Route>> {
        self.ask(|answer| Request::Routes(Box::new(query), answer)).await
    }

    /// How every route was judged that has exactly the query's prefix and comes from a peer that it asks for.
    pub async fn why(&self, query: RouteQuery) -> Option<Vec<view::Why>> {
        self.ask(|answer| Request::Why(Box::new(query), answer)).await
    }

    /// Takes over policy, nodes, findings and neighbors of `config`: answers when it is in force, while
    /// routes learned before are still being judged again.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Option<()> {
        self.ask(|answer| Request::Reconfigure(config, answer)).await
    }

    /// Forgets peers that are down and not pinned, with what is left of their routes: those with this
    /// address on the named leaf, or on all. Answers how many there were.
    pub async fn forget(&self, leaf: Option<String>, peer: IpAddr) -> Option<usize> {
        self.ask(|answer| Request::Forget(leaf, peer, answer)).await
    }

    /// The same of the peers of `node`, in the named cluster or in all.
    pub async fn forget_node(&self, node: String, cluster: Option<String>) -> Option<usize> {
        self.ask(|answer| Request::ForgetNode(node, cluster, answer)).await
    }

    /// Begins maintenance for `time`, at most [`maintenance::LONGEST`], or changes what was begun before.
    pub async fn start_maintenance(
        &self,
        scope: Whom,
        time: Duration,
        reason: String,
    ) -> Option<Result<Window, NoMaintenance>> {
        self.ask(|answer| Request::StartMaintenance(scope, time, reason, answer)).await
    }

    /// Ends maintenance before its time; `Some(None)`: there was none.
    pub async fn end_maintenance(&self, scope: Whom) -> Option<Option<Window>> {
        self.ask(|answer| Request::EndMaintenance(scope, answer)).await
    }

    /// Notes that somebody knows of a finding, and why that will do. Answers whether it is pending or open.
    pub async fn acknowledge(&self, id: String, reason: String) -> Option<bool> {
        self.ask(|answer| Request::Acknowledge(id, reason, answer)).await
    }

    /// What must survive a restart, and its revision; `Some(None)`: it may not be another than that of revision
    /// `unless`.
    pub async fn state(&self, unless: Option<u64>) -> Option<Option<(u64, State)>> {
        self.ask(|answer| Request::State(unless, answer)).await
    }

    /// Waits until there is something that [`offers`](Self::offers) tells of: it comes back as long as anything is
    /// left. One may wait at a time.
    pub async fn offered(&self) -> Option<()> {
        tokio::select! {
            () = self.offered.notified() => Some(()),
            () = self.requests.closed() => None,
        }
    }

    /// Takes up to `max` prefixes of which something changed that rules look at, the oldest change first, and says
    /// how they are now. Fewer, but one, may come although there are more.
    pub async fn offers(&self, max: usize) -> Option<Vec<Destination>> {
        self.ask(|answer| Request::Offers(max, answer)).await
    }

    /// Has all that rules may want told again; [`Roster::complete`] says when it has been.
    pub async fn offer_all(&self) -> Option<()> {
        self.ask(Request::OfferAll).await
    }

    /// Has the journal told of all routes that are there, and from now on of what changes:
    /// [`changes`](Self::changes).
    pub async fn walk_changes(&self) -> Option<()> {
        self.ask(Request::WalkChanges).await
    }

    /// Takes up to `max` routes that changed, and says how they are now.
    pub async fn changes(&self, max: usize) -> Option<RouteChanges> {
        self.ask(|answer| Request::Changes(max, answer)).await
    }

    /// All known peers.
    pub async fn roster(&self) -> Option<Roster> {
        self.ask(Request::Roster).await
    }

    /// Takes over what is wrong according to `source`: all of it each time, at most 1,000. What it no longer
    /// reports is over; a source that never reports again leaves what it reported as it is. An APIC's trouble is known
    /// to be one because the same source reports all of it.
    pub async fn report(&self, source: Arc<str>, found: Vec<Reported>) -> Option<()> {
        self.ask(|answer| Request::Report(source, found, answer)).await
    }

    /// Ends the trace, if one is recorded, and waits until all of it is written.
    pub async fn end_trace(&self) {
        if let Some(Some(written)) = self.ask(Request::EndTrace).await {
            // What could not be written was warned of.
            let _ = written.await;
        }
    }

    /// What happened.
    pub fn events(&self) -> &EventLog {
        &self.log
    }

    /// When the loop last turned: at least once a second while it is healthy.
    pub fn heartbeat(&self) -> Timestamp {
        Timestamp::from_micros(self.heartbeat.load(Relaxed))
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.requests.send((self.actor.clone(), request(sender))).await.ok()?;
        answer.await.ok()
    }
}

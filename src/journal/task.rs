//! Follows what happens, and has it written: four times a second at most, one batch after the other.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::store::{Batch, Settled, Store, Unwritten, Written};
use super::{Moment, Status, words};
use crate::config::model;
use crate::observer::findings::Kind;
use crate::observer::view::{Event, Finding};
use crate::observer::{Observer, Reported};
use crate::sync::Wrote;
use crate::time::{Clock, Timestamp};

/// How often what happened is written: what comes and goes within is one change.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is written that nothing happened.
const ALIVE: Duration = Duration::from_secs(5);
/// How often it is looked whose routes are all known, while they are not.
const SETTLE: Duration = Duration::from_secs(2);
/// How often it is written how it is.
const MINUTE: Duration = Duration::from_mins(1);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// A disk that takes longer than this for a batch is one that fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after the start a peer that is down may still come and say what it has.
const GRACE: Duration = Duration::from_mins(6);
/// How many route changes, events, and requests to an APIC a batch has at most.
const ROUTES: usize = 4_000;
const EVENTS: usize = 2_000;
const WROTE: usize = 256;
/// Who reports, and what is reported of.
const SOURCE: &str = "journal";

/// A batch, and who waits for its outcome.
type Order = (Batch, oneshot::Sender<Result<Written, Unwritten>>);

/// The thread that writes.
pub(super) struct Scribe {
    pub(super) path: PathBuf,
    orders: mpsc::Sender<Order>,
}

impl Scribe {
    /// Starts it. The file is opened with the first batch, and again after a failure.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(path: &Path, config: model::Journal) -> io::Result<Self> {
        let (orders, mut received) = mpsc::channel::<Order>(1);
        let file = path.to_owned();
        thread::Builder::new().name("journal".to_owned()).spawn(move || {
            let mut store = None;
            while let Some((batch, outcome)) = received.blocking_recv() {
                let written = write(&mut store, &file, &config, &batch);
                // Who waits may have gone.
                let _ = outcome.send(written);
            }
        })?;
        Ok(Self { path: path.to_owned(), orders })
    }
}

fn write(
    store: &mut Option<Store>,
    path: &Path,
    config: &model::Journal,
    batch: &Batch,
) -> Result<Written, Unwritten> {
    let mut opened = match store.take() {
        Some(store) => store,
        None => Store::open(path, config, batch.now)?,
    };
    let written = opened.write(batch);
    // A file that was moved away, or a disk that was, is found again only by opening it.
    *store = written.is_ok().then_some(opened);
    written
}

/// Follows the observer.
pub(super) struct Follower {
    scribe: Scribe,
    observer: Observer,
    clock: Clock,
    wrote: mpsc::Receiver<Wrote>,
    /// What was taken of it and is not written yet: nothing else says what became of a member.
    unwritten: Vec<Wrote>,
    status: watch::Sender<Status>,
    /// The last event that is written.
    event: u64,
    findings: Option<Arc<[Finding]>>,
    lost_track: u64,
    /// Not everything that was there when this began has been told.
    unsure: Unsure,
    /// When it is looked next whose routes are all known.
    settles: Timestamp,
    failing: Option<Failing>,
    /// The finding is there.
    reported: bool,
    last: Timestamp,
    started: Timestamp,
    /// The last minute that was written down, and what happened since.
    minute: Moment,
}

/// Whether it is known what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsure {
    /// It is.
    No,
    /// All of it is to be told anew: that is to be asked for.
    Begin,
    /// It is being told.
    Told,
    /// All was told; peers that have not told everything are waited for.
    Waiting,
}

struct Failing {
    since: Timestamp,
    again: Timestamp,
    why: String,
}

/// The way to end a [`Follower`]: who answers has written for the last time.
pub(super) type Ended = oneshot::Sender<oneshot::Sender<()>>;

impl Follower {
    pub(super) fn start(
        scribe: Scribe,
        observer: Observer,
        clock: Clock,
        wrote: mpsc::Receiver<Wrote>,
        status: watch::Sender<Status>,
    ) -> Ended {
        let (end, ended) = oneshot::channel();
        let now = clock.now();
        let follower = Self {
            scribe,
            observer,
            clock,
            wrote,
            unwritten: Vec::new(),
            status,
            event: 0,
            findings: None,
            lost_track: 0,
            unsure: Unsure::Begin,
            settles: now,
            failing: None,
            reported: false,
            last: now,
            started: now,
            minute: Moment { at: now, ..Moment::default() },
        };
        tokio::spawn(follower.run(ended));
        end
    }

    async fn run(mut self, mut end: oneshot::Receiver<oneshot::Sender<()>>) {
        let mut full = false;
        loop {
            // However much happens, time goes on, and there may be an end.
            let ended = tokio::select! {
                biased;
                ended = &mut end => Some(ended),
                () = sleep(if full { Duration::ZERO } else { EVERY }) => None,
            };
            let now = self.clock.now();
            let waits = self.failing.as_ref().is_some_and(|failing| now < failing.again);
            if ended.is_none() && waits {
                continue;
            }
            full = self.turn(now, ended.is_some()).await == Turn::Full;
            while full && ended.is_some() {
                full = self.turn(self.clock.now(), true).await == Turn::Full;
            }
            if let Some(done) = ended {
                // Who asked may have gone, or nobody did.
                let _ = done.map(|done| done.send(()));
                return;
            }
        }
    }

    /// Has written what happened since the last turn.
    async fn turn(&mut self, now: Timestamp, last: bool) -> Turn {
        let Some((batch, full)) = self.collect(now, last).await else { return Turn::Done };
        let (events, missing, findings) = (batch.last_event, batch.missing, batch.batch.findings.clone());
        match self.order(batch.batch).await {
            Ok(written) => {
                self.event = events.unwrap_or(self.event);
                self.unwritten.clear();
                self.status.send_modify(|status| status.dropped += missing);
                self.findings = findings.or_else(|| self.findings.take());
                self.last = now;
                self.settled(&written);
                self.well(&written, now).await;
                if full { Turn::Full } else { Turn::Done }
            }
            Err(why) => {
                self.failed(why, now).await;
                Turn::Done
            }
        }
    }

    /// What happened since the last turn; none, if nothing did.
    async fn collect(&mut self, now: Timestamp, last: bool) -> Option<(Collected, bool)> {
        let mut batch = Batch { now, last, ..Batch::default() };
        let begins = self.unsure == Unsure::Begin;
        if begins {
            // Of what is told from now on nothing is missed.
            self.observer.walk_changes().await?;
            batch.unsure = true;
            self.unsure = Unsure::Told;
        }
        let mut full = false;
        let mut told = 0;
        while told < ROUTES {
            let changes = self.observer.changes(ROUTES - told).await?;
            if changes.lost_track != self.lost_track {
                self.lost_track = changes.lost_track;
                batch.unsure = true;
                self.unsure = Unsure::Told;
                // What was told just before may be otherwise by now: only what is told from here on is known.
                batch.changes.clear();
            }
            told += changes.routes.len();
            full = changes.more;
            let complete = changes.complete;
            if !(changes.routes.is_empty() && changes.forgotten.is_empty()) {
                batch.changes.push(changes);
            }
            if complete && self.unsure == Unsure::Told {
                self.unsure = Unsure::Waiting;
            }
            if !full {
                break;
            }
        }
        let events = self.observer.events().since(self.event, EVENTS);
        full |= events.len() == EVENTS;
        let last_event = events.last().map(|event| event.id);
        let missing = events.first().map_or(0, |first| first.id - 1 - self.event);
        batch.events = self.gap(missing, now);
        batch.events.extend(events.into_iter().filter(is_kept));
        let findings = self.observer.findings().await?;
        let same = self.findings.as_ref().is_some_and(|known| Arc::ptr_eq(known, &findings));
        batch.findings = (!same).then_some(findings);
        while self.unwritten.len() < WROTE
            && let Ok(wrote) = self.wrote.try_recv()
        {
            self.unwritten.push(wrote);
        }
        batch.wrote.clone_from(&self.unwritten);
        if self.unsure == Unsure::Waiting && (now >= self.settles || last) {
            self.settles = now.after(SETTLE);
            batch.settled = Some(self.unsettled(now).await?);
        }
        self.count(&batch);
        batch.moment = self.moment(now, last).await;
        let idle = batch.is_empty() && now.since(self.last) < ALIVE;
        (!idle || last).then_some((Collected { batch, last_event, missing }, full))
    }

    fn count(&mut self, batch: &Batch) {
        let routes = batch.changes.iter().flat_map(|changes| &changes.routes);
        self.minute.changes += routes.map(|route| u64::from(route.times)).sum::<u64>();
        self.minute.events += batch.events.len() as u64;
    }

    /// How it is, if a minute is over.
    async fn moment(&mut self, now: Timestamp, last: bool) -> Option<Moment> {
        if now.since(self.minute.at) < MINUTE && !last {
            return None;
        }
        let routes = self.observer.summary().await?.routes;
        let moment = Moment { at: now, accepted: routes.accepted, rejected: routes.rejected, ..self.minute };
        self.minute = Moment { at: now, ..Moment::default() };
        Some(moment)
    }

    /// Says that nothing was written for some time, or that events are missing.
    fn gap(&self, missing: u64, now: Timestamp) -> Vec<Arc<Event>> {
        let since = self.failing.as_ref().map(|failing| (failing.since, failing.why.as_str()));
        let Some((since, why)) = since.or_else(|| (missing > 0).then_some((self.last, "too much happened")))
        else {
            return Vec::new();
        };
        vec![Arc::new(words::gap(since, missing, why, now))]
    }

    /// Whose routes are not all known yet: of peers that have not told everything, and may still come.
    async fn unsettled(&self, now: Timestamp) -> Option<Settled> {
        let roster = self.observer.roster().await?;
        let waits = |down_since: Timestamp| now.since(down_since.max(self.started)) < GRACE;
        let unsettled = roster.peers.into_iter().filter(|peer| match peer.down_since {
            None => !peer.settled,
            Some(since) => waits(since),
        });
        let unsettled: HashSet<(Arc<str>, IpAddr)> =
            unsettled.map(|peer| (peer.peer.leaf, peer.peer.address)).collect();
        Some(Settled::AllBut(unsettled))
    }

    fn settled(&mut self, written: &Written) {
        if self.unsure == Unsure::Waiting && !written.unsure {
            self.unsure = Unsure::No;
        }
    }

    /// Has a batch written, and waits for it.
    async fn order(&mut self, batch: Batch) -> Result<Written, String> {
        let ended = || "the thread that writes has ended".to_owned();
        let (outcome, mut written) = oneshot::channel();
        self.scribe.orders.send((batch, outcome)).await.map_err(|_| ended())?;
        let mut waited = Duration::ZERO;
        loop {
            if let Ok(written) = timeout(PATIENCE, &mut written).await {
                return written.map_err(|_| ended())?.map_err(|error| error.to_string());
            }
            waited += PATIENCE;
            self.report(Some(words::slow(waited))).await;
        }
    }

    async fn well(&mut self, written: &Written, now: Timestamp) {
        let bytes = written.bytes;
        self.status
            .send_modify(|status| (status.bytes, status.written, status.trouble) = (bytes, Some(now), None));
        if let Some(failing) = self.failing.take() {
            info!(
                "the journal {} is written again; it has a gap since {}",
                self.scribe.path.display(),
                failing.since
            );
        }
        if self.reported {
            self.report(None).await;
        }
    }

    async fn failed(&mut self, why: String, now: Timestamp) {
        // What was taken of the routes is lost.
        self.unsure = Unsure::Begin;
        self.status.send_modify(|status| {
            status.failures += 1;
            status.trouble = Some(why.clone());
        });
        if self.failing.is_none() {
            warn!(
                "the journal {} cannot be written: {why}; everything else goes on, and it is tried again every {} s",
                self.scribe.path.display(),
                AGAIN.as_secs()
            );
        }
        let since = self.failing.as_ref().map_or(self.last, |failing| failing.since);
        self.report(Some(why.clone())).await;
        self.failing = Some(Failing { since, again: now.after(AGAIN), why });
    }

    /// Says what is wrong, or that nothing is.
    async fn report(&mut self, why: Option<String>) {
        self.reported = why.is_some();
        let found = why.map(|why| Reported {
            kind: Kind::JournalFailing,
            object: super::schema::FILE.into(),
            vrf: "".into(),
            prefix: None,
            severity: None,
            summary: format!(
                "the journal cannot be written: {why}; sessions, verdicts and alerts go on, and what happens meanwhile is \
                 not kept"
            ),
            advice: String::new(),
            evidence: vec![self.scribe.path.display().to_string()],
        });
        // Without an observer there is nothing to be told of.
        let _ = self.observer.report(SOURCE.into(), found.into_iter().collect()).await;
    }
}

/// What is to be written, up to which event, and how many before it are missing.
struct Collected {
    batch: Batch,
    last_event: Option<u64>,
    missing: u64,
}

#[derive(PartialEq, Eq)]
enum Turn {
    /// There is more.
    Full,
    /// There is nothing more now.
    Done,
}

/// Changes of routes come by another way: all of them, and each for itself.
fn is_kept(event: &Arc<Event>) -> bool {
    !event.kind.starts_with("route_") && event.kind != "routes_changed"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Machine};
    use crate::observer;

    const CONFIG: &str = r#"
version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.1:1790"]
[[neighbors]]
leaf = "rack1"
range = "192.168.1.0/26"
peer_as = ["65102-65199"]
"#;

    async fn is_found(observer: &Observer) -> bool {
        let findings = observer.findings().await.unwrap();
        findings.iter().any(|finding| finding.kind == "journal_failing" && finding.state != "resolved")
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_was_slow_and_answers_after_all_is_well() {
        let clock = Clock::start();
        let config = Arc::new(config::parse(CONFIG, "test.toml".as_ref(), &Machine).unwrap());
        let (_events, received) = mpsc::channel(4);
        let observer = observer::spawn(config, observer::Settings::default(), clock, received, |_| {});
        let (orders, mut ordered) = mpsc::channel::<Order>(1);
        let (_told, wrote) = mpsc::channel(1);
        let status = watch::Sender::new(Status::default());
        let scribe = Scribe { path: "journal.db".into(), orders };
        let _end = Follower::start(scribe, observer.clone(), clock, wrote, status);
        let (_, outcome) = ordered.recv().await.unwrap();
        let minutes = Duration::from_mins(5);
        let found = async {
            while !is_found(&observer).await {
                sleep(EVERY).await;
            }
        };
        timeout(minutes, found).await.expect("it is found");
        outcome.send(Ok(Written::default())).unwrap();
        tokio::spawn(async move {
            while let Some((_, outcome)) = ordered.recv().await {
                outcome.send(Ok(Written::default())).unwrap();
            }
        });
        let over = async {
            while is_found(&observer).await {
                sleep(EVERY).await;
            }
        };
        timeout(minutes, over).await.expect("it is over");
    }
}

//! The loop: the one task that owns the engines, and the handle to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use super::access::Written;
use super::audit::Ended;
use super::fabric::{Common, Errand, Fabric, UnderWay};
use super::records::{Place, Records};
use super::saved::Saved;
use super::{Controller, Histogram, Request, Wrote};
use crate::apic::{self, Roles};
use crate::config::Config;
use crate::config::model::Mode;
use crate::eepg::{Comparison, Scope};
use crate::observer::feed::Roster;
use crate::observer::findings::{Kind, Severity};
use crate::observer::{Actor, Observer, Reported};
use crate::time::{Clock, Timestamp};

/// Requests that wait for their turn.
const REQUESTS: usize = 64;
/// Destinations that the observer is asked for at once: it does nothing else meanwhile.
const DESTINATIONS: usize = 1_000;
/// So many times it is asked before the controller has other turns.
const TURNS: usize = 1_000;
/// Between two times that it is asked: routes come one by one, and are told in tens.
const PACE: Duration = Duration::from_millis(10);
/// How often the roster is called, and findings are told.
const TICK: Duration = Duration::from_secs(1);
/// Errands of one fabric that are begun before anything else has its turn.
const ERRANDS: usize = 64;
/// How long a write that is under way may take once we stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to end the controller; if it is dropped, that ends it too.
#[derive(Debug)]
pub struct End(oneshot::Sender<oneshot::Sender<()>>);

impl End {
    /// Writes nothing new from now on, and waits two seconds at most for what is under way.
    pub async fn end(self) {
        let (done, ended) = oneshot::channel();
        if self.0.send(done).is_ok() {
            // It ends, or has ended.
            let _ = ended.await;
        }
    }
}

/// Starts the controller; without an `[[apic]]` it waits for a configuration that has one.
pub fn start(
    config: Arc<Config>,
    observer: Observer,
    clock: Clock,
    records: Records,
    told: Option<mpsc::Sender<Wrote>>,
) -> (Controller, End) {
    let Records { place, saved, audit, audited } = records;
    let instance = saved.instance.as_str().into();
    let (sender, requests) = mpsc::channel(REQUESTS);
    let (end, ended) = oneshot::channel();
    let task = Task {
        config,
        observer,
        common: Common { clock, audit, instance, told },
        place,
        saved,
        fabrics: Vec::new(),
        serial: 0,
        work: JoinSet::new(),
        under_way: HashMap::new(),
        heard: clock.now(),
        tick: clock.now(),
        reported: BTreeMap::new(),
        convergence: Histogram::default(),
    };
    task.warn();
    let observer = task.observer.clone();
    let running = tokio::spawn(task.run(requests, ended, audited));
    tokio::spawn(async move {
        if let Err(trouble) = running.await {
            error!("the controller of EEPGs broke off: {trouble}");
            // There may be nobody left to tell.
            let _ = observer.report("sync".into(), vec![broken_off()]).await;
        }
    });
    (Controller::of(sender), End(end))
}

/// What is wrong when the controller itself is.
fn broken_off() -> Reported {
    Reported {
        kind: Kind::EepgWriteFailing,
        object: "controller".into(),
        vrf: "".into(),
        prefix: None,
        severity: Some(Severity::Critical),
        summary:
            "the controller of EEPGs broke off: nothing is written to any APIC, members stay as they are"
                .into(),
        advice: "restart thirdleaf, and report what its log says".into(),
        evidence: Vec::new(),
    }
}

pub(super) struct Task {
    pub(super) config: Arc<Config>,
    observer: Observer,
    pub(super) common: Common,
    pub(super) place: Place,
    pub(super) saved: Saved,
    /// In the order of the file.
    pub(super) fabrics: Vec<Fabric>,
    /// Of the last of them.
    serial: u64,
    work: JoinSet<Done>,
    /// Whose each task is, and what it does.
    under_way: HashMap<Id, (u64, UnderWay, AbortHandle)>,
    /// When routes were last asked for.
    heard: Timestamp,
    /// When the roster is called next.
    tick: Timestamp,
    /// What was reported last, by APIC.
    reported: BTreeMap<Arc<str>, Vec<Reported>>,
    pub(super) convergence: Histogram,
}

/// What a task brings back.
enum Done {
    LoggedIn(Result<Roles, apic::Error>),
    Compared(Scope, Result<Box<Comparison>, apic::Error>, Timestamp),
    Written(Written),
}

/// The observer has ended, and so do we.
pub(super) struct NoObserver;

impl Task {
    async fn run(
        mut self,
        mut requests: mpsc::Receiver<(Option<Actor>, Request)>,
        mut end: oneshot::Receiver<oneshot::Sender<()>>,
        audited: Option<Ended>,
    ) {
        self.found_fabrics();
        let mut running = self.hear_all().await;
        while running.is_ok() {
            let wake = self.set_out();
            let now = self.common.clock.now();
            let may_hear = !self.fabrics.is_empty() && now >= self.heard.after(PACE);
            let wake = if may_hear { wake } else { wake.min(self.heard.after(PACE)) };
            // A wait that is over already is a turn for everybody else.
            let wake =
                Instant::from_std(self.common.clock.instant(wake.max(now.after(Duration::from_millis(1)))));
            running = tokio::select! {
                Some(joined) = self.work.join_next_with_id() => {
                    self.returned(joined);
                    Ok(())
                }
                Some((actor, request)) = requests.recv() => self.answer(actor, request).await,
                offered = self.observer.offered(), if may_hear => match offered {
                    Some(()) => self.hear(None).await,
                    None => Err(NoObserver),
                },
                () = sleep_until(wake) => Ok(()),
                done = &mut end => return self.finish(done.ok(), audited).await,
            };
            if running.is_ok() && self.common.clock.now() >= self.tick {
                running = self.tick().await;
            }
        }
        self.finish(None, audited).await;
    }

    fn warn(&self) {
        if self.config.apics.is_empty() || self.config.safety.mode == Mode::Observe {
            return;
        }
        match &self.place {
            Place::Directory(_) => {}
            Place::Nowhere => warn!(
                "global.state_dir is not set: no audit file says what is written to the APIC, and a pause does not \
                 survive a restart"
            ),
            Place::Unusable(directory) => warn!(
                "nothing will be written to the APIC: global.state_dir {} cannot be used, and no write leaves without \
                 its line in the audit file",
                directory.display()
            ),
        }
    }

    /// One for each `[[apic]]`; those that are there already stay.
    fn found_fabrics(&mut self) {
        let mut old = std::mem::take(&mut self.fabrics);
        let now = self.common.clock.now();
        let config = Arc::clone(&self.config);
        for apic in &config.apics {
            if let Some(at) = old.iter().position(|fabric| *fabric.name() == apic.name) {
                let mut fabric = old.swap_remove(at);
                fabric.reconfigure(apic, &config, &self.common);
                self.fabrics.push(fabric);
            } else {
                self.serial += 1;
                let mut fabric = Fabric::new(apic, &config, &self.common, self.serial);
                if let Some(pause) = self.saved.pause.as_ref().filter(|pause| pause.until > now) {
                    fabric.engine.pause(Some(pause.clone()), now);
                }
                self.fabrics.push(fabric);
            }
        }
        old.iter_mut().for_each(Fabric::take_back);
    }

    /// Another configuration: what was read by the old one says too little.
    pub(super) async fn reconfigure(&mut self, config: Arc<Config>) -> Result<(), NoObserver> {
        self.break_off(|what| matches!(what, UnderWay::Compare(_) | UnderWay::Login));
        self.config = config;
        self.found_fabrics();
        self.warn();
        self.hear_all().await
    }

    /// Begins what is to be done now; answers when to look again.
    fn set_out(&mut self) -> Timestamp {
        let now = self.common.clock.now();
        let mut wake = if self.fabrics.is_empty() { now.after(Duration::from_hours(1)) } else { self.tick };
        let mut errands = Vec::new();
        for fabric in &mut self.fabrics {
            for _ in 0..ERRANDS {
                match fabric.next(now) {
                    Ok(errand) => errands.push((fabric.serial, fabric.engine.rules().clone(), errand)),
                    Err(later) => {
                        wake = wake.min(later);
                        break;
                    }
                }
            }
        }
        if errands.len() >= ERRANDS {
            wake = now;
        }
        for (serial, rules, errand) in errands {
            let (what, clock) = (errand.under_way(), self.common.clock);
            let task = async move {
                match errand {
                    Errand::Login(reader) => Done::LoggedIn(reader.login().await),
                    Errand::Compare(reader, scope) => {
                        let begun = clock.now();
                        let compared = reader.compare(scope.clone(), rules).await;
                        Done::Compared(scope, compared.map(Box::new), begun)
                    }
                    Errand::Write(writer, batch, taken_back) => {
                        Done::Written(writer.carry_out(batch, taken_back, clock).await)
                    }
                }
            };
            let handle = self.work.spawn(task);
            self.under_way.insert(handle.id(), (serial, what, handle));
        }
        wake
    }

    /// A task ended.
    fn returned(&mut self, joined: Result<(Id, Done), JoinError>) {
        let now = self.common.clock.now();
        let id = match &joined {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some((serial, what, _)) = self.under_way.remove(&id) else { return };
        let Some(fabric) = self.fabrics.iter_mut().find(|fabric| fabric.serial == serial) else { return };
        match joined {
            Ok((_, Done::LoggedIn(result))) => fabric.logged_in(&result, now),
            Ok((_, Done::Compared(scope, result, begun))) => fabric.compared(&scope, result, begun, now),
            Ok((_, Done::Written(written))) => {
                // What is deleted waits for its brakes.
                self.common.tell(fabric.name(), &written);
                let deletes = written.batch.changes.iter().any(|change| change.operation == "delete");
                if fabric.written(&written, now)
                    && !deletes
                    && let Some(heard) = written.batch.since
                {
                    self.convergence.observe(written.at.since(heard).as_secs_f64());
                }
            }
            Err(trouble) => {
                error!(apic = &**fabric.name(), ?what, "a task of the controller broke off: {trouble}");
                fabric.broke_off(&what, now);
            }
        }
    }

    /// Ends tasks of a kind, as if they had failed.
    fn break_off(&mut self, which: impl Fn(&UnderWay) -> bool) {
        let now = self.common.clock.now();
        let chosen = self.under_way.extract_if(|_, (_, what, _)| which(what));
        for (_, (serial, what, handle)) in chosen {
            handle.abort();
            if let Some(fabric) = self.fabrics.iter_mut().find(|fabric| fabric.serial == serial) {
                fabric.broke_off(&what, now);
            }
        }
    }

    /// Has everything told anew.
    async fn hear_all(&mut self) -> Result<(), NoObserver> {
        // Of what is gone from the configuration, that is told, too.
        self.tick = self.common.clock.now();
        if self.fabrics.is_empty() {
            return Ok(());
        }
        self.observer.offer_all().await.ok_or(NoObserver)
    }

    /// Takes in what routes there are. What was announced before the moment of `roster` is told before it is.
    async fn hear(&mut self, roster: Option<Roster>) -> Result<(), NoObserver> {
        for _ in 0..TURNS {
            let destinations = self.observer.offers(DESTINATIONS).await.ok_or(NoObserver)?;
            let now = self.common.clock.now();
            self.heard = now;
            if destinations.is_empty() {
                return match roster {
                    Some(roster) => self.call(&roster, now).await,
                    None => Ok(()),
                };
            }
            for destination in &destinations {
                self.fabrics.iter_mut().for_each(|fabric| fabric.engine.offer(destination, now));
            }
            tokio::task::yield_now().await;
        }
        // There is more, and there will be another roster.
        Ok(())
    }

    /// Who is there; if the observer lost track of what changed, everything is told anew.
    async fn call(&mut self, roster: &Roster, now: Timestamp) -> Result<(), NoObserver> {
        let mut anew = false;
        for fabric in &mut self.fabrics {
            fabric.engine.roster(roster, now);
            anew |= fabric.engine.starts_anew();
        }
        if anew { self.observer.offer_all().await.ok_or(NoObserver) } else { Ok(()) }
    }

    async fn tick(&mut self) -> Result<(), NoObserver> {
        self.tick = self.common.clock.now().after(TICK);
        if !self.fabrics.is_empty() {
            let roster = self.observer.roster().await.ok_or(NoObserver)?;
            self.hear(Some(roster)).await?;
        }
        let now = self.common.clock.now();
        let found = self.fabrics.iter_mut().map(|fabric| (Arc::clone(fabric.name()), fabric.findings(now)));
        let mut found: BTreeMap<Arc<str>, Vec<Reported>> = found.collect();
        for source in self.reported.keys() {
            // Of an APIC that is gone from the configuration nothing is wrong any more.
            found.entry(Arc::clone(source)).or_default();
        }
        for (source, found) in found {
            if self.reported.get(&source).is_none_or(|reported| *reported != found) {
                self.observer.report(Arc::clone(&source), found.clone()).await.ok_or(NoObserver)?;
                self.reported.insert(source, found);
            }
        }
        Ok(())
    }

    /// Lets writes come to their end that are under way.
    async fn finish(mut self, done: Option<oneshot::Sender<()>>, audited: Option<Ended>) {
        self.break_off(|what| !matches!(what, UnderWay::Write(_)));
        self.fabrics.iter_mut().for_each(Fabric::take_back);
        let writes = self.under_way.len();
        if writes > 0 {
            info!(writes, "waiting for writes that are under way");
        }
        let rest = async {
            while let Some(joined) = self.work.join_next_with_id().await {
                self.returned(joined);
            }
        };
        if timeout(FAREWELL, rest).await.is_err() {
            warn!(
                writes = self.under_way.len(),
                "broken off: whether they were carried out is seen at the next start"
            );
        }
        self.work.shutdown().await;
        drop(self);
        if let Some(audited) = audited {
            // A disk that hangs is not waited for.
            let _ = timeout(FAREWELL, audited).await;
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

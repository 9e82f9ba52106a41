//! The task that looks at the findings, and those of receivers that it starts and ends.
#![expect(clippy::disallowed_methods, reason = "the tasks of alerts and their timers")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, warn};

use super::alertmanager::Pusher;
use super::board::{Board, Entry, rank};
use super::book::{Book, Change, Event};
use super::message::{self, Terms};
use super::notice::{Labels, Notice};
use super::queue::Queue;
use super::receiver::Receiver;
use super::webhook::Courier;
use super::{Alerts, Counts, Request, Tested, view};
use crate::config::Config;
use crate::config::model::{self, Alertmanager, LeastSeverity, Webhook};
use crate::observer::findings::Kind;
use crate::observer::view::Finding;
use crate::observer::{EventLog, Observer, Reported};
use crate::time::{Clock, Timestamp};

/// Requests that wait for their turn.
const REQUESTS: usize = 16;
/// Tests at once.
const TESTS: usize = 4;
/// Between two looks at the findings.
const PACE: Duration = Duration::from_millis(250);
/// For so many times as long as a look took there is no other one, if that is longer.
const WORTH: u32 = 20;
/// For how long at most.
const LONGEST_PACE: Duration = Duration::from_secs(5);
/// Between two looks at what happened.
const GLANCE: Duration = Duration::from_millis(50);
/// How often findings are looked at although nothing is known to have happened.
const TICK: Duration = Duration::from_secs(1);
/// How long what waits may take once we stop.
const FAREWELL: Duration = Duration::from_secs(2);
/// As whom we report.
const SOURCE: &str = "alerts";

/// The way to end it; if it is dropped, that ends it, too.
#[derive(Debug)]
pub struct End(oneshot::Sender<oneshot::Sender<()>>);

impl End {
    /// Tells what there is to tell, and waits two seconds at most for what leaves.
    pub async fn end(self) {
        let (done, ended) = oneshot::channel();
        if self.0.send(done).is_ok() {
            // It ends, or has ended.
            let _ = ended.await;
        }
    }
}

/// Starts it; where nobody is to be told it waits for a configuration that names somebody.
pub fn start(config: Arc<Config>, observer: Observer, clock: Clock) -> (Alerts, End) {
    let (sender, requests) = mpsc::channel(REQUESTS);
    let (end, ended) = oneshot::channel();
    let board = Arc::from(Vec::new());
    let mut task = Task {
        terms: Terms::of(&config),
        config,
        observer,
        clock,
        chance: RandomState::new(),
        channels: Vec::new(),
        book: Book::default(),
        board: Board::default(),
        posted: watch::Sender::new(board),
        seen: None,
        event: 0,
        not_before: Timestamp::default(),
        tick: Timestamp::default(),
        reported: Vec::new(),
        tests: JoinSet::new(),
    };
    task.open_channels();
    let observer = task.observer.clone();
    let running = tokio::spawn(task.run(requests, ended));
    tokio::spawn(async move {
        if let Err(trouble) = running.await {
            error!("the task of alerts broke off: {trouble}");
            // There may be nobody left to tell.
            let _ = observer.report(SOURCE.into(), vec![broken_off()]).await;
        }
    });
    (Alerts { requests: sender }, End(end))
}

/// What is wrong when the task itself is.
fn broken_off() -> Reported {
    reported("every receiver", "the task of alerts broke off: nobody is told of anything".into(), Vec::new())
}

fn reported(object: &str, summary: String, evidence: Vec<String>) -> Reported {
    Reported {
        kind: Kind::AlertsFailing,
        object: object.into(),
        vrf: "".into(),
        prefix: None,
        severity: None,
        summary,
        advice: String::new(),
        evidence,
    }
}

struct Task {
    config: Arc<Config>,
    terms: Terms,
    observer: Observer,
    clock: Clock,
    chance: RandomState,
    channels: Vec<Channel>,
    book: Book,
    board: Board,
    posted: watch::Sender<Arc<[Entry]>>,
    /// The findings that were looked at last.
    seen: Option<Arc<[Finding]>>,
    /// The last thing that happened of which we know.
    event: u64,
    /// When findings may be looked at again.
    not_before: Timestamp,
    /// When they are, at the latest.
    tick: Timestamp,
    reported: Vec<Reported>,
    tests: JoinSet<()>,
}

/// The way to one receiver.
struct Channel {
    receiver: Arc<Receiver>,
    to: To,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

enum To {
    Alertmanager {
        config: Arc<Alertmanager>,
        owed: Arc<AtomicU64>,
    },
    /// `told`: the findings that it was told of and whose end it has not been told.
    Webhook {
        config: Arc<Webhook>,
        queue: Arc<Queue>,
        told: BTreeSet<String>,
    },
}

/// The observer has ended, and so do we.
struct NoObserver;

impl Task {
    async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut end: oneshot::Receiver<oneshot::Sender<()>>,
    ) {
        let mut running = Ok(());
        while running.is_ok() {
            let now = self.clock.now();
            let may_look = now >= self.not_before;
            let wake = if may_look { self.tick } else { self.not_before };
            let wake = Instant::from_std(self.clock.instant(wake));
            let observer = self.observer.clone();
            running = tokio::select! {
                Some(request) = requests.recv() => self.answer(request).await,
                alive = observer.events().newer_than(self.event), if may_look && self.config.alerts.are_sent() => {
                    if !alive {
                        Err(NoObserver)
                    } else if self.hears_of_findings() {
                        self.look().await
                    } else {
                        self.not_before = self.clock.now().after(GLANCE);
                        Ok(())
                    }
                }
                Some(_) = self.tests.join_next() => Ok(()),
                () = sleep_until(wake) => Ok(()),
                done = &mut end => return self.finish(done.ok()).await,
            };
            if running.is_ok() && self.clock.now() >= self.tick {
                running = self.tick().await;
            }
        }
        self.finish(None).await;
    }

    /// Whether anything happened since the last time that findings may look different for.
    fn hears_of_findings(&mut self) -> bool {
        let since = std::mem::replace(&mut self.event, self.observer.events().last());
        let concerns = |kind: &str| {
            ["finding", "maintenance", "restored", "reload"].iter().any(|start| kind.starts_with(start))
        };
        self.observer.events().since(since, EventLog::CAPACITY).iter().any(|event| concerns(&event.kind))
    }

    async fn tick(&mut self) -> Result<(), NoObserver> {
        self.tick = self.clock.now().after(TICK);
        if self.config.alerts.are_sent() {
            self.look().await?;
        }
        self.report().await
    }

    /// Looks at the findings, and has told what there is to tell.
    async fn look(&mut self) -> Result<(), NoObserver> {
        let now = self.clock.now();
        let findings = self.observer.findings().await.ok_or(NoObserver)?;
        let took = self.clock.now().since(now);
        self.not_before = self.clock.now().after((took * WORTH).clamp(PACE, LONGEST_PACE));
        if self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &findings)) {
            if self.board.expire(now) {
                self.posted.send_replace(self.board.entries());
            }
            return Ok(());
        }
        let changes = self.book.take(&findings, now);
        self.seen = Some(findings);
        self.board.set(self.book.firing(), now);
        self.posted.send_replace(self.board.entries());
        for channel in &mut self.channels {
            for change in &changes {
                channel.tell(change, &self.terms);
            }
        }
        Ok(())
    }

    /// Receivers that take nothing are findings themselves.
    async fn report(&mut self) -> Result<(), NoObserver> {
        let found = self.channels.iter().filter_map(|channel| {
            let name = &channel.receiver.name;
            let record = channel.receiver.health.record();
            let (since, (_, error)) = (record.failing?, record.last_error?);
            let summary = format!(
                "alerts do not reach {name} since {since}: who relies on them there hears of nothing"
            );
            Some(reported(name, summary, vec![error]))
        });
        let found: Vec<_> = found.collect();
        if found != self.reported {
            self.observer.report(SOURCE.into(), found.clone()).await.ok_or(NoObserver)?;
            self.reported = found;
        }
        Ok(())
    }

    async fn answer(&mut self, request: Request) -> Result<(), NoObserver> {
        match request {
            // Who asked may have gone meanwhile: that is fine.
            Request::Overview(answer) => _ = answer.send(self.overview()),
            Request::Counts(answer) => _ = answer.send(self.counts()),
            Request::Test(receiver, answer) => self.test(receiver.as_deref(), answer),
            Request::Reconfigure(config, answer) => {
                self.reconfigure(config).await?;
                let _ = answer.send(());
            }
        }
        Ok(())
    }

    async fn reconfigure(&mut self, config: Arc<Config>) -> Result<(), NoObserver> {
        let were_sent = self.config.alerts.are_sent();
        let terms = Terms::of(&config);
        let same_terms = terms == self.terms;
        (self.config, self.terms) = (config, terms);
        if !same_terms {
            // What is said is said differently.
            self.channels.retain(|channel| matches!(channel.to, To::Webhook { .. }));
        }
        self.open_channels();
        if !self.config.alerts.are_sent() {
            (self.book, self.board, self.seen) = (Book::default(), Board::default(), None);
            self.posted.send_replace(self.board.entries());
        } else if !were_sent {
            self.look().await?;
        }
        self.report().await
    }

    /// One for each receiver of the configuration: those that stay as they are stay.
    fn open_channels(&mut self) {
        let mut old = std::mem::take(&mut self.channels);
        let config = Arc::clone(&self.config);
        let model::Alerts { alertmanager, webhooks, .. } = &config.alerts;
        let mut keep =
            |same: &dyn Fn(&Channel) -> bool| old.iter().position(same).map(|at| old.swap_remove(at));
        if let Some(alertmanager) = alertmanager {
            let shared = Arc::new(alertmanager.clone());
            for url in &alertmanager.urls {
                let same = |channel: &Channel| match &channel.to {
                    To::Alertmanager { config, .. } => {
                        channel.receiver.name == *url && **config == *alertmanager
                    }
                    To::Webhook { .. } => false,
                };
                let channel = keep(&same).unwrap_or_else(|| self.open_alertmanager(url, &shared));
                self.channels.push(channel);
            }
        }
        for webhook in webhooks {
            let same = |channel: &Channel| {
                matches!(&channel.to, To::Webhook { .. }) && channel.receiver.name == webhook.name
            };
            let former = keep(&same);
            let channel = match former {
                Some(channel) if channel.to.is(webhook) => channel,
                former => {
                    // What waited for it still does, and what it was told is told to its end.
                    let (queue, told) = former.and_then(|mut channel| channel.to.left()).unwrap_or_default();
                    self.open_webhook(webhook, queue, told)
                }
            };
            self.channels.push(channel);
        }
    }

    fn open_alertmanager(&self, url: &Arc<str>, config: &Arc<Alertmanager>) -> Channel {
        let there = format!("{url}/api/v2/alerts");
        let no_headers = std::iter::empty();
        let receiver = Receiver::new(
            Arc::clone(url),
            "alertmanager",
            &there,
            &config.credentials,
            &config.trust,
            no_headers,
        );
        let receiver = Arc::new(receiver);
        let owed = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = watch::channel(false);
        let pusher = Pusher {
            receiver: Arc::clone(&receiver),
            config: Arc::clone(config),
            terms: self.terms.clone(),
            clock: self.clock,
            owed: Arc::clone(&owed),
        };
        let task = tokio::spawn(pusher.run(self.posted.subscribe(), stopped, self.chance.hash_one(url)));
        Channel { receiver, to: To::Alertmanager { config: Arc::clone(config), owed }, stop, task }
    }

    /// Tells it of all that fires and that it wants to hear of and has not.
    fn open_webhook(&self, webhook: &Webhook, queue: Arc<Queue>, told: BTreeSet<String>) -> Channel {
        let Webhook { name, url, secret, credentials, trust, headers, .. } = webhook;
        let headers = headers.iter().map(|(name, value)| (&**name, &**value));
        let receiver = Receiver::new(Arc::clone(name), "webhook", url.expose(), credentials, trust, headers);
        let receiver = Arc::new(receiver);
        let (stop, stopped) = watch::channel(false);
        let courier = Courier {
            receiver: Arc::clone(&receiver),
            secret: secret.clone(),
            queue: Arc::clone(&queue),
            clock: self.clock,
        };
        let task = tokio::spawn(courier.run(stopped, self.chance.hash_one(name)));
        let mut channel = Channel {
            receiver,
            to: To::Webhook { config: Arc::new(webhook.clone()), queue, told },
            stop,
            task,
        };
        for notice in self.book.firing() {
            let (event, notice, at) = (Event::Firing, Arc::clone(notice), notice.fired);
            channel.tell(&Change { event, notice, at }, &self.terms);
        }
        channel
    }

    /// Has every receiver that is meant sent a test, beside what else is on its way there.
    fn test(&mut self, name: Option<&str>, answer: oneshot::Sender<Tested>) {
        let meant: Vec<_> = self
            .channels
            .iter()
            .filter(|channel| name.is_none_or(|name| *channel.receiver.name == *name))
            .collect();
        let known = || self.channels.iter().map(|channel| channel.receiver.name.to_string()).collect();
        if meant.is_empty() {
            let _ = answer.send(Tested::Nobody(known()));
            return;
        }
        if self.tests.len() >= TESTS {
            let _ = answer.send(Tested::Busy);
            return;
        }
        let notice = Arc::new(Notice::test(self.clock.now()));
        let tests =
            meant.iter().map(|channel| channel.test(Arc::clone(&notice), self.terms.clone(), self.clock));
        let tests = futures_util::future::join_all(tests.collect::<Vec<_>>());
        self.tests.spawn(async move {
            let _ = answer.send(Tested::Outcomes(tests.await));
        });
    }

    fn overview(&self) -> view::Overview {
        let text = |labels: &Labels, name: &str| labels.get(name).cloned().unwrap_or_default();
        let alerts = self.board.firing().map(|alert| view::Alert {
            alertname: text(&alert.labels, "alertname"),
            severity: text(&alert.labels, "severity"),
            labels: alert.labels.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            summary: alert.annotations.get("summary").cloned().unwrap_or_default(),
            since: alert.starts,
        });
        let mut alerts: Vec<_> = alerts.collect();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(rank(&alert.severity)), alert.since));
        view::Overview { alerts, receivers: self.channels.iter().map(Channel::view).collect() }
    }

    fn counts(&self) -> Counts {
        let mut alerts: BTreeMap<(String, String), u64> = BTreeMap::new();
        for alert in self.board.firing() {
            let text = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
            *alerts.entry((text("alertname"), text("severity"))).or_default() += 1;
        }
        let alerts = alerts.into_iter().map(|((name, severity), count)| (name, severity, count));
        Counts { alerts: alerts.collect(), receivers: self.channels.iter().map(Channel::view).collect() }
    }

    /// Lets what waits leave, as far as it is taken in time.
    async fn finish(mut self, done: Option<oneshot::Sender<()>>) {
        if done.is_some() && self.config.alerts.are_sent() {
            // What opened a moment ago is told, too.
            let _ = timeout(FAREWELL / 4, self.look()).await;
        }
        let rest = self.channels.iter_mut().map(|channel| {
            channel.stop.send_replace(true);
            &mut channel.task
        });
        if timeout(FAREWELL, futures_util::future::join_all(rest)).await.is_err() {
            let waiting: u64 = self.channels.iter().map(|channel| channel.view().queue).sum();
            warn!(waiting, "not all alerts could leave in time");
        }
        self.channels.clear();
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

impl To {
    /// What it leaves to the next one of its name: what waits, and of what it was told.
    fn left(&mut self) -> Option<(Arc<Queue>, BTreeSet<String>)> {
        match self {
            Self::Alertmanager { .. } => None,
            Self::Webhook { queue, told, .. } => Some((Arc::clone(queue), std::mem::take(told))),
        }
    }

    fn is(&self, webhook: &Webhook) -> bool {
        matches!(self, Self::Webhook { config, .. } if **config == *webhook)
    }
}

impl Channel {
    /// A webhook is told of `change`, if it wants to hear of such, once; and of the end of what it was told.
    /// Alertmanagers look at the board.
    fn tell(&mut self, change: &Change, terms: &Terms) {
        let To::Webhook { config, queue, told } = &mut self.to else { return };
        let Finding { id, kind, severity, .. } = &change.notice.finding;
        let least = match config.severity {
            LeastSeverity::Info => 0,
            LeastSeverity::Warning => 1,
            LeastSeverity::Critical => 2,
        };
        let wanted = config.kinds.is_empty() || config.kinds.iter().any(|wanted| **wanted == **kind);
        let news = match change.event {
            Event::Firing => wanted && rank(severity) >= least && told.insert(id.clone()),
            Event::Resolved => told.remove(id),
        };
        if news {
            queue.push(|sequence| message::change(change, terms, sequence));
        }
    }

    fn test(
        &self,
        notice: Arc<Notice>,
        terms: Terms,
        clock: Clock,
    ) -> impl Future<Output = view::Outcome> + Send + use<> {
        let receiver = Arc::clone(&self.receiver);
        let way = match &self.to {
            To::Alertmanager { config, owed } => Ok(Pusher {
                receiver: Arc::clone(&receiver),
                config: Arc::clone(config),
                terms: terms.clone(),
                clock,
                owed: Arc::clone(owed),
            }),
            To::Webhook { config, queue, .. } => Err(Courier {
                receiver: Arc::clone(&receiver),
                secret: config.secret.clone(),
                queue: Arc::clone(queue),
                clock,
            }),
        };
        async move {
            let outcome = match way {
                Ok(pusher) => pusher.test(&notice).await,
                Err(courier) => courier.post(&message::test(&notice, &terms)).await,
            };
            receiver.note(&outcome, clock.now());
            view::Outcome {
                receiver: receiver.name.to_string(),
                integration: receiver.integration.to_owned(),
                delivered: outcome.is_ok(),
                error: outcome.err().map(|failure| failure.text),
            }
        }
    }

    fn view(&self) -> view::Receiver {
        let record = self.receiver.health.record();
        let (queue, dropped) = match &self.to {
            To::Alertmanager { owed, .. } => (owed.load(Relaxed), 0),
            To::Webhook { queue, .. } => (queue.len() as u64, queue.dropped()),
        };
        let state = match (record.failing, record.last_success) {
            (Some(_), _) => "failing",
            (None, Some(_)) => "ok",
            (None, None) => "idle",
        };
        let (last_failure, last_error) = record.last_error.unzip();
        view::Receiver {
            name: self.receiver.name.to_string(),
            integration: self.receiver.integration.to_owned(),
            state: state.to_owned(),
            failing_since: record.failing,
            last_success: record.last_success,
            last_failure,
            last_error,
            queue,
            dropped,
            succeeded: record.succeeded,
            failed: record.failed,
            rejected: record.rejected,
        }
    }
}

/// What is left of it is not waited for.
impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

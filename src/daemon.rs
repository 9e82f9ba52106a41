//! Wires the rooms together: start, reload, shutdown.

#![expect(clippy::disallowed_methods, reason = "the daemon's own tasks, and the thread that keeps its state")]

mod keeper;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::alert::{self, Alerts};
use crate::config::{self, Config, Machine};
use crate::journal;
use crate::journal::archive::Archive;
use crate::metrics::{Reload, StateFile};
use crate::observer::trace::Recorder;
use crate::observer::view::Event;
use crate::observer::{self, Actor, Command, Observer, Settings};
use crate::speaker::{Cease, ListenError, Speaker};
use crate::sync::{self, Controller, Place, Records};
use crate::time::Clock;
use crate::web::{App, BindError, Control, Status, Web};
use keeper::Keeper;

/// How many events may wait for the observer before sessions stand still; each holds one read of a socket,
/// and of each peer only a few may be among them.
const EVENTS: usize = 1_024;

/// How long peers wait at shutdown for the trace and the state to be written before they are told.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// A thirdleaf that runs.
#[derive(Debug)]
pub struct Daemon {
    speaker: Speaker,
    observer: Observer,
    http: Vec<SocketAddr>,
    control: mpsc::Sender<Control>,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
    keeper: Option<keeper::End>,
    sync: sync::End,
    journal: Option<journal::End>,
    archive: Option<Archive>,
    alerts: alert::End,
}

/// Something that is needed cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Of a leaf.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Of the HTTP server.
    #[error(transparent)]
    Http(#[from] BindError),
    /// The directory of the trace, rather.
    #[error("cannot record a trace in {}: {source}", directory.display())]
    Trace {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread that writes what must survive a restart.
    #[error("cannot keep what must survive a restart: {0}")]
    State(io::Error),
}

impl Daemon {
    /// Starts everything that `config` asks for; `source` is the file that a reload reads again.
    ///
    /// # Errors
    /// An address that cannot be had; nothing is left running then.
    pub async fn start(config: Arc<Config>, source: Option<PathBuf>) -> Result<Self, StartError> {
        Self::start_with(config, source, Settings::default(), None).await
    }

    /// The same, with another patience of the observer, and with a trace in a directory.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        config: Arc<Config>,
        source: Option<PathBuf>,
        settings: Settings,
        trace: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        let clock = Clock::start();
        let recorder = trace.map(|directory| {
            Recorder::start(&directory).map_err(|source| StartError::Trace { directory, source })
        });
        let recorder = recorder.transpose()?;
        // Clients that ask which file it is may stand elsewhere.
        let source = source.map(|source| std::path::absolute(&source).unwrap_or(source));
        let web = Web::bind(&config.http.listen)?;
        let http = web.addresses();
        let state_dir = config.global.state_dir.clone();
        let keeps = state_dir.is_some();
        let (known, writer) = state_dir.clone().and_then(keeper::open).unzip();
        let known = known.flatten();
        let place = match state_dir {
            None => Place::Nowhere,
            // Only who holds the lock writes there.
            Some(directory) if writer.is_some() => Place::Directory(directory),
            Some(directory) => Place::Unusable(directory),
        };
        let journal = match &place {
            Place::Directory(directory) if config.journal.enabled => {
                Some(journal::open(directory, &config.journal))
            }
            _ => None,
        };
        let (journal, wrote) = journal.transpose().map_err(StartError::State)?.unzip();
        let records = Records::open(place).map_err(StartError::State)?;
        if let Some(known) = &known {
            let (peers, findings) = (known.peers.len(), known.findings.len());
            info!(peers, findings, as_of = %known.at, "known from before");
        }
        let orders = writer.map(keeper::start).transpose().map_err(StartError::State)?;
        let (events, received) = mpsc::channel(EVENTS);
        let archive = config.journal.mrt.as_ref().map(|settings| Archive::start(settings, clock));
        let archive = archive.transpose().map_err(StartError::State)?;
        let tap = archive.as_ref().map(Archive::tap);
        let speaker = Speaker::start(Arc::clone(&config), clock, events, tap).await?;
        speaker.watch_signatures().await;
        let commands = speaker.clone();
        let obey = move |command| obey(&commands, command);
        let observer =
            observer::spawn_with(recorder, known, Arc::clone(&config), settings, clock, received, obey);
        let (controller, sync) = sync::start(Arc::clone(&config), observer.clone(), clock, records, wrote);
        let (journal, end_journal) = journal.map(|journal| journal.start(observer.clone(), clock)).unzip();
        let (alerts, end_alerts) = alert::start(Arc::clone(&config), observer.clone(), clock);

        let (control, requests) = mpsc::channel(8);
        let (stop, stopped) = watch::channel(false);
        let status = watch::Sender::new(Status {
            ready: true,
            // A place that cannot be used is one failure, for those who watch them.
            state: keeps.then(|| StateFile { failures: u64::from(orders.is_none()), ..StateFile::default() }),
            started: clock.now(),
            config_file: source.clone().unwrap_or_default(),
            reload: Reload { successful: true, succeeded: clock.now() },
            reload_error: None,
        });
        let current = watch::Sender::new(config);
        if let Some(archive) = &archive {
            archive.follow(observer.clone(), current.subscribe());
        }
        let keep = |orders| Keeper::start(orders, observer.clone(), clock, status.clone());
        let (keeper, keep) = orders.map(keep).unzip();
        let app = App {
            keep,
            observer: observer.clone(),
            sessions: Arc::new(speaker.clone()),
            sync: Some(controller.clone()),
            journal,
            alerts: Some(alerts.clone()),
            clock,
            control: control.clone(),
            config: current.subscribe(),
            archive: archive.clone(),
            status: status.subscribe(),
            stop: stopped,
        };
        let (speakers, observers) = (speaker.clone(), observer.clone());
        let steward = Steward {
            source,
            clock,
            current,
            status,
            speaker: speakers,
            observer: observers,
            controller,
            alerts,
        };
        let tasks = [tokio::spawn(web.serve(app)), tokio::spawn(steward.serve(requests))];
        Ok(Self {
            speaker,
            observer,
            http,
            control,
            stop,
            tasks,
            keeper,
            sync,
            journal: end_journal,
            archive,
            alerts: end_alerts,
        })
    }

    /// Where the HTTP server listens.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where leaves listen.
    pub fn bgp(&self) -> Vec<SocketAddr> {
        self.speaker.listening()
    }

    /// What it has learned.
    pub const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Reads the configuration file again. Answers what changed.
    ///
    /// # Errors
    /// Why nothing did.
    pub async fn reload(&self) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let ended = || "thirdleaf is stopping".to_owned();
        self.control.send(Control::Reload(None, answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// Says goodbye to every peer and to every client, and waits until all have ended.
    pub async fn stop(self, text: &str) {
        // Nothing that follows is a reason to write to the APIC.
        if tokio::time::timeout(LAST_WRITES * 3, self.sync.end()).await.is_err() {
            warn!("what was under way to the APIC could not be waited for");
        }
        // How sessions end now is nobody's doing but ours.
        let trace = tokio::time::timeout(LAST_WRITES, self.observer.end_trace());
        let state = tokio::time::timeout(LAST_WRITES, last_write(self.keeper));
        let journal = tokio::time::timeout(LAST_WRITES, async {
            if let Some(journal) = self.journal {
                journal.end().await;
            }
        });
        let alerts = tokio::time::timeout(LAST_WRITES * 2, self.alerts.end());
        let (trace, state, journal, alerts) = tokio::join!(trace, state, journal, alerts);
        if journal.is_err() {
            warn!("the journal could not be written to its end in time");
        }
        if alerts.is_err() {
            warn!("what was to be told by alerts could not be waited for");
        }
        if trace.is_err() {
            warn!("the trace could not be written to its end in time");
        }
        if state.is_err() {
            warn!("what must survive a restart could not be written in time");
        }
        self.speaker.shutdown(text).await;
        if let Some(archive) = &self.archive
            && tokio::time::timeout(LAST_WRITES, archive.end()).await.is_err()
        {
            warn!("the MRT archive could not be written to its end in time");
        }
        self.stop.send_replace(true);
        let [web, steward] = self.tasks;
        steward.abort();
        drop(web.await);
    }
}

/// Has written for the last time what must survive a restart.
async fn last_write(keeper: Option<keeper::End>) {
    let (done, written) = oneshot::channel();
    if keeper.is_some_and(|keeper| keeper.send(done).is_ok()) {
        // What could not be written was warned of.
        let _ = written.await;
    }
}

/// Does what the observer wants of a session.
fn obey(speaker: &Speaker, command: Command) {
    match command {
        Command::Refresh { peer, families } => speaker.refresh(&peer, families),
        Command::Reset { peer } => {
            speaker.reset(&peer, Cease::AdministrativeReset);
        }
        Command::PrefixLimit { peer, refuse } => {
            speaker.reset(&peer, Cease::PrefixLimit(refuse));
        }
        Command::Forget { peer } => {
            speaker.forget(&peer);
        }
    }
}

/// Does what only the daemon as a whole can do, one request at a time.
struct Steward {
    source: Option<PathBuf>,
    clock: Clock,
    current: watch::Sender<Arc<Config>>,
    status: watch::Sender<Status>,
    speaker: Speaker,
    observer: Observer,
    controller: Controller,
    alerts: Alerts,
}

impl Steward {
    async fn serve(self, mut requests: mpsc::Receiver<Control>) {
        while let Some(Control::Reload(actor, answer)) = requests.recv().await {
            drop(answer.send(self.reload(actor.as_ref()).await));
        }
    }

    async fn reload(&self, actor: Option<&Actor>) -> Result<String, String> {
        let outcome = match &self.source {
            Some(source) => self.take_up(source, actor).await,
            None => Err("there is no configuration file to read".to_owned()),
        };
        match &outcome {
            Ok(changed) => info!(changed, "configuration reloaded"),
            Err(error) => {
                warn!("configuration not reloaded, the old one stays in force:\n{error}");
                let why = error.lines().next().unwrap_or_default();
                self.tell(actor, "reload_failed", &format!("the configuration was not reloaded: {why}"));
            }
        }
        self.status.send_modify(|status| {
            let error = outcome.as_ref().err();
            status.reload.successful = error.is_none();
            if error.is_none() {
                status.reload.succeeded = self.clock.now();
            }
            status.reload_error = error.cloned();
        });
        outcome
    }

    /// Tells what the observer does not.
    fn tell(&self, actor: Option<&Actor>, kind: &str, text: &str) {
        let at = self.clock.now();
        let nobody = || Event { at, kind: kind.to_owned(), text: text.to_owned(), ..Event::default() };
        let event = actor.map_or_else(nobody, |actor| actor.event(at, kind, text));
        self.observer.events().append([event]);
    }

    /// All of the file, or nothing of it.
    async fn take_up(&self, source: &Path, actor: Option<&Actor>) -> Result<String, String> {
        let path = source.to_owned();
        // A disk that is slow must not hold up sessions.
        let loaded = tokio::task::spawn_blocking(move || config::load(&path, &Machine)).await;
        let new = loaded.map_err(|error| error.to_string())?.map_err(|errors| errors.to_string())?;
        let changes = config::diff(&self.current.borrow(), &new);
        let refused: Vec<String> = changes.refused().map(ToString::to_string).collect();
        if !refused.is_empty() {
            return Err(refused.join("\n"));
        }
        if **self.current.borrow() == new {
            return Ok("nothing changed".to_owned());
        }
        let new = Arc::new(new);
        self.speaker.reconfigure(Arc::clone(&new)).await.map_err(|error| error.to_string())?;
        let observer = actor.map_or_else(|| self.observer.clone(), |actor| self.observer.by(actor));
        if observer.reconfigure(Arc::clone(&new)).await.is_none() {
            return Err("the observer has ended".to_owned());
        }
        if self.controller.reconfigure(Arc::clone(&new)).await.is_none() {
            // All the rest is in force by now.
            warn!("the controller of EEPGs has ended: nothing is written to an APIC until a restart");
        }
        if self.alerts.reconfigure(Arc::clone(&new)).await.is_none() {
            warn!("the task of alerts has ended: nobody is told of findings until a restart");
        }
        self.current.send_replace(new);
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        Ok(if lines.is_empty() { "nothing changed".to_owned() } else { lines.join("\n") })
    }
}

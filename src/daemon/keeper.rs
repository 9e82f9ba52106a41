//! Keeps what must survive a restart: a file, and the thread that writes it. Nothing waits for the disk.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::disk;
use crate::observer::{Observer, State};
use crate::time::{Clock, Timestamp};
use crate::web::{Keep, Status};

/// Below `global.state_dir`.
const FILE: &str = "state.json";
/// Whoever writes here holds a lock on this file.
const LOCK: &str = "state.lock";

/// Which edition of the format the file is written in.
const VERSION: u32 = 1;
/// No file is larger, and none that is will be read.
const LARGEST: u64 = 32 << 20;

/// How often to look whether something changed; what somebody asks for is written at once.
const EVERY: Duration = Duration::from_secs(3);
/// How old the file may be if nothing did: a peer that is up counts as seen when it was written.
const OLDEST: Duration = Duration::from_mins(10);

/// Takes `directory` for this process alone, and reads what is known from before; none: nothing is to be read
/// there, nor written.
pub(super) fn open(directory: PathBuf) -> Option<(Option<State>, Writer)> {
    let mut writer = Writer { directory, lock: None };
    match writer.prepare().and_then(|()| read(&writer.directory)) {
        Ok(known) => Some((known, writer)),
        Err(error) => {
            warn!(
                "starting without what was known before, and writing nothing until a restart: \
                 global.state_dir {} cannot be used, {error}",
                writer.directory.display()
            );
            None
        }
    }
}

/// What is known from before; none at the first start. What is damaged is set aside.
///
/// # Errors
/// What is there may be whole, but cannot be read now.
fn read(directory: &Path) -> io::Result<Option<State>> {
    disk::read(&directory.join(FILE), VERSION, LARGEST)
}

/// Writes the file.
pub(super) struct Writer {
    directory: PathBuf,
    lock: Option<File>,
}

/// What is to be written, and who waits for the outcome.
type Order = (State, oneshot::Sender<io::Result<()>>);

/// The way to a thread that writes the file.
pub(super) struct Orders {
    directory: PathBuf,
    sender: SyncSender<Order>,
}

/// Starts a thread that writes what must survive a restart.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn start(writer: Writer) -> io::Result<Orders> {
    let (sender, orders) = sync_channel(1);
    let directory = writer.directory.clone();
    thread::Builder::new().name("state".to_owned()).spawn(move || writer.run(&orders))?;
    Ok(Orders { directory, sender })
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        for (state, outcome) in orders {
            // Who ordered may have gone.
            let _ = outcome.send(self.write(state));
        }
    }

    /// All of it or nothing: the old file stays until the new one is on the disk.
    fn write(&mut self, state: State) -> io::Result<()> {
        self.prepare()?;
        disk::write(&self.directory.join(FILE), &encode(state)?)
    }

    /// There is a place to write, and nobody else writes there.
    fn prepare(&mut self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        self.lock()
    }

    /// Two who write into one place would forget each other's peers.
    fn lock(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let file = disk::open(&self.directory.join(LOCK), options.truncate(false).write(true))?;
        match file.try_lock() {
            Ok(()) => self.lock = Some(file),
            Err(TryLockError::WouldBlock) => {
                let why = "another thirdleaf writes there; stop it, or set another `global.state_dir`";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(())
    }
}

/// What does not fit is left out: the newest findings, which are found again soonest.
fn encode(mut state: State) -> io::Result<Vec<u8>> {
    loop {
        let octets = disk::encode(VERSION, &state)?;
        if octets.len() as u64 <= LARGEST || state.findings.is_empty() {
            return Ok(octets);
        }
        state.findings.truncate(state.findings.len() / 2);
    }
}

/// Has the file written when something changed.
pub(super) struct Keeper {
    observer: Observer,
    clock: Clock,
    status: watch::Sender<Status>,
    orders: Orders,
    /// What is in the file, of which revision.
    last: Option<(u64, State)>,
    /// It was said that the file cannot be written.
    failing: bool,
}

/// The way to end a [`Keeper`]: who answers has written for the last time.
pub(super) type End = oneshot::Sender<oneshot::Sender<()>>;

/// How many may wait for what they asked for to be written; more wait for their turn.
const WAITING: usize = 8;

impl Keeper {
    /// Starts to have written what `observer` knows, and says in `status` how that goes.
    pub(super) fn start(
        orders: Orders,
        observer: Observer,
        clock: Clock,
        status: watch::Sender<Status>,
    ) -> (End, Keep) {
        let keeper = Self { observer, clock, status, orders, last: None, failing: false };
        let (end, ended) = oneshot::channel();
        let (keep, asked) = mpsc::channel(WAITING);
        tokio::spawn(keeper.run(ended, asked));
        (end, keep)
    }

    async fn run(
        mut self,
        mut end: oneshot::Receiver<oneshot::Sender<()>>,
        mut asked: mpsc::Receiver<oneshot::Sender<bool>>,
    ) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {
                    self.keep(false).await;
                }
                Some(answer) = asked.recv() => {
                    // Who asked may have gone.
                    let _ = answer.send(self.keep(false).await);
                }
                ended = &mut end => {
                    self.keep(true).await;
                    // Who asked may have gone, or nobody did.
                    let _ = ended.map(|done| done.send(()));
                    return;
                }
            }
        }
    }

    /// Has written what changed, or what is there anyway, and waits for it. Answers whether all is on the disk.
    async fn keep(&mut self, anyway: bool) -> bool {
        let overdue = |at: Timestamp| self.clock.now().since(at) >= OLDEST;
        let last = self.last.as_ref().filter(|(_, state)| !anyway && !overdue(state.at));
        let (revision, state) = match self.observer.state(last.map(|(revision, _)| *revision)).await {
            Some(Some(changed)) => changed,
            unchanged => return unchanged.is_some(),
        };
        if last.is_some_and(|(_, last)| last.is_like(&state)) {
            self.last = self.last.take().map(|(_, last)| (revision, last));
            return true;
        }
        let (outcome, written) = oneshot::channel();
        // Only what was ordered before and is done may be followed by another: there is room.
        let _ = self.orders.sender.try_send((state.clone(), outcome));
        match written.await {
            Ok(Ok(())) => {
                self.written(revision, state);
                return true;
            }
            Ok(Err(error)) => self.failed(&error),
            Err(_) => self.failed(&io::Error::other("the thread that writes has ended")),
        }
        false
    }

    fn written(&mut self, revision: u64, state: State) {
        if std::mem::take(&mut self.failing) {
            info!("what must survive a restart is written again, to {}", self.orders.directory.display());
        }
        let at = state.at;
        self.status.send_modify(|status| status.state.get_or_insert_default().written = Some(at));
        self.last = Some((revision, state));
    }

    fn failed(&mut self, error: &io::Error) {
        self.last = None;
        if !std::mem::replace(&mut self.failing, true) {
            warn!(
                "what must survive a restart cannot be written to {}: {error}; what was written before stays, \
                 thirdleaf_state_write_failures_total counts further attempts",
                self.orders.directory.display()
            );
        }
        self.status.send_modify(|status| status.state.get_or_insert_default().failures += 1);
    }
}

#[cfg(test)]
mod tests;

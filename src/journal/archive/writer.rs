//! The thread that writes.

#![expect(clippy::disallowed_methods, reason = "the archive's thread")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

use super::files::{self, Listed, Packing, Squeeze};
use super::queue::{Part, Piece, Queue};
use super::records;
use crate::config::model::MrtArchive;
use crate::speaker::PeerId;
use crate::speaker::tap::{Ends, Heard, What};
use crate::time::{Clock, Timestamp};

/// How many parts are written at once.
const PARTS: usize = 256;
/// How long nothing is waited for at most: what was lost is to be told, and files end.
const LOOK: Duration = Duration::from_secs(1);
/// After something failed, how long until it is tried again: twice as long each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A file that is this part of all that there may be is closed before its time.
const PART: u64 = 4;
/// Octets that the buffer keeps from one time to the next.
const KEPT: usize = 1 << 20;

/// Starts it.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn start(
    settings: Arc<MrtArchive>,
    clock: Clock,
    queue: Arc<Queue>,
    parts: Receiver<Part>,
) -> io::Result<()> {
    let writer = Writer::new(settings, clock, queue);
    thread::Builder::new().name("mrt".to_owned()).spawn(move || writer.run(&parts))?;
    Ok(())
}

/// Sessions, one a peer.
type Sessions = BTreeMap<PeerId, Arc<Ends>>;

/// The file of messages that is written.
#[derive(Debug)]
struct Updates {
    path: PathBuf,
    file: File,
    /// Octets of whole records.
    octets: u64,
    /// When another begins.
    until: Timestamp,
}

/// Nothing can be written.
#[derive(Debug)]
struct Failing {
    again: Timestamp,
    pause: Duration,
}

pub(super) struct Writer {
    settings: Arc<MrtArchive>,
    clock: Clock,
    queue: Arc<Queue>,
    /// Held as long as the directory is ours.
    lock: Option<File>,
    updates: Option<Updates>,
    failing: Option<Failing>,
    table: Option<Packing>,
    squeeze: Option<Squeeze>,
    /// Files that are to be compressed.
    closed: Vec<PathBuf>,
    /// Who is up, and who is according to the files.
    up: Sessions,
    told: Sessions,
    /// Both may differ.
    turned: bool,
    /// What is to be written next, and how many messages that is.
    out: Vec<u8>,
    messages: u64,
}

impl Writer {
    pub(super) fn new(settings: Arc<MrtArchive>, clock: Clock, queue: Arc<Queue>) -> Self {
        Self {
            settings,
            clock,
            queue,
            lock: None,
            updates: None,
            failing: None,
            table: None,
            squeeze: None,
            closed: Vec::new(),
            up: Sessions::new(),
            told: Sessions::new(),
            turned: false,
            out: Vec::new(),
            messages: 0,
        }
    }

    fn run(mut self, parts: &Receiver<Part>) {
        self.turn();
        loop {
            let wait = if self.squeeze.is_some() { Duration::ZERO } else { LOOK };
            let first = match parts.recv_timeout(wait) {
                Ok(part) => Some(part),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let some: Vec<_> = first.into_iter().chain(parts.try_iter().take(PARTS)).collect();
            let drained = some.len() <= PARTS;
            for part in some {
                self.queue.taken(&part);
                match part {
                    Part::Heard(heard) => self.hear(&heard),
                    Part::Table(piece, answer) => {
                        // Who asked may have gone.
                        let _ = answer.send(self.table(piece));
                    }
                    Part::End(done) => {
                        self.end();
                        let _ = done.send(());
                        return;
                    }
                }
            }
            if drained {
                self.miss();
            }
            self.turn();
        }
    }

    /// Writes what was taken in, then does what is due.
    pub(super) fn turn(&mut self) {
        let now = self.clock.now();
        self.write();
        let MrtArchive { dir, max_bytes, .. } = &*self.settings;
        let ends = |updates: &Updates| {
            let is_large = updates.octets > max_bytes.saturating_div(PART);
            // In the same minute it would be the same file.
            updates.until <= now || is_large && updates.path != files::updates(dir, now)
        };
        if self.updates.as_ref().is_some_and(ends) {
            self.close();
        }
        let waits = self.failing.as_ref().is_some_and(|failing| now < failing.again);
        if self.updates.is_none() && !waits {
            self.begin(now);
        }
        self.squeeze();
    }

    /// Takes in what a session said.
    pub(super) fn hear(&mut self, heard: &Heard) {
        let ends = &heard.ends;
        if self.up.get(&ends.peer).is_some_and(|later| later.session > ends.session) {
            // Its peer was forgotten and came back: what arrives later of the older session is void.
            return;
        }
        for step in &heard.steps {
            match step.what {
                What::Established => _ = self.up.insert(ends.peer.clone(), Arc::clone(ends)),
                What::Closed => _ = self.up.remove(&ends.peer),
                What::Received | What::Sent => continue,
            }
            self.turned = true;
        }
        if self.updates.is_none() {
            return self.queue.count_lost(heard.messages());
        }
        records::put(heard, &mut self.out);
        self.messages += heard.messages();
    }

    /// Of some sessions something was lost on the way here: the files say where, and a table what.
    pub(super) fn miss(&mut self) {
        let missing = self.queue.take_missing();
        if missing.is_empty() {
            return;
        }
        let now = self.clock.now();
        let writes = self.updates.is_some();
        self.turned = true;
        for (ends, is_up) in missing {
            if self.up.get(&ends.peer).is_some_and(|later| later.session > ends.session) {
                continue;
            }
            if writes {
                records::put_down(&ends, now, &mut self.out);
            }
            if writes && is_up {
                records::put_up(&ends, now, &mut self.out);
            }
            if is_up {
                self.up.insert(ends.peer.clone(), ends);
            } else {
                self.up.remove(&ends.peer);
            }
        }
        warn!("the MRT archive lacks messages: they came faster than they could be written; a table follows");
        self.queue.gap.notify_one();
    }

    fn write(&mut self) {
        let out = std::mem::take(&mut self.out);
        let messages = std::mem::take(&mut self.messages);
        if !out.is_empty() {
            match self.append(&out) {
                Ok(()) => {
                    self.tell();
                    self.queue.count_written(messages);
                }
                Err(error) => {
                    self.queue.count_lost(messages);
                    self.fail(&error);
                }
            }
        }
        self.out = out;
        self.out.clear();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
    }

    /// The files say who is up.
    fn tell(&mut self) {
        if std::mem::take(&mut self.turned) {
            self.told.clone_from(&self.up);
        }
    }

    /// All of it, or nothing.
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(updates) = &mut self.updates else { return Ok(()) };
        let whole = updates.octets;
        updates.file.write_all(octets).or_else(|error| updates.file.set_len(whole).and(Err(error)))?;
        updates.octets += octets.len() as u64;
        self.queue.grow(octets.len() as u64);
        Ok(())
    }

    /// Begins a file of messages; after a gap, with what is up by now.
    fn begin(&mut self, now: Timestamp) {
        let mut octets = Vec::new();
        if self.failing.is_some() {
            self.told.values().for_each(|ends| records::put_down(ends, now, &mut octets));
            self.up.values().for_each(|ends| records::put_up(ends, now, &mut octets));
        }
        let begun = self.open(now).and_then(|()| self.append(&octets));
        if let Err(error) = begun {
            return self.fail(&error);
        }
        self.tell();
        if self.failing.take().is_some() {
            info!("the MRT archive goes on; a table follows");
            self.queue.set_messages(None);
            self.queue.gap.notify_one();
        }
    }

    fn open(&mut self, now: Timestamp) -> io::Result<()> {
        let directory = &self.settings.dir;
        if self.lock.is_none() {
            let lock = files::take(directory)?;
            files::tidy(directory)?;
            let files = files::list(directory)?.into_iter();
            self.closed = files.rev().filter(Listed::is_plain).map(|file| file.path).collect();
            // Whoever wrote here before may have been killed.
            self.closed.iter().try_for_each(|path| files::open(path).map(drop))?;
            self.lock = Some(lock);
        }
        let path = files::updates(directory, now);
        let (file, octets) = files::open(&path)?;
        self.closed.retain(|closed| *closed != path);
        let until = files::floor(now, self.settings.rotate).after(self.settings.rotate);
        self.updates = Some(Updates { path, file, octets, until });
        self.trim(now)
    }

    fn trim(&self, now: Timestamp) -> io::Result<()> {
        let MrtArchive { dir, rotate, keep, max_bytes, .. } = &*self.settings;
        let kept = u64::try_from((*keep + *rotate).as_micros()).unwrap_or(u64::MAX);
        let before = Timestamp::from_micros(now.as_micros().saturating_sub(kept));
        let open = self.updates.as_ref().map(|updates| &*updates.path);
        self.queue.set_size(files::trim(dir, open, before, *max_bytes)?);
        Ok(())
    }

    fn close(&mut self) {
        let Some(updates) = self.updates.take() else { return };
        if let Err(error) = updates.file.sync_all() {
            warn!("{} may not be on the disk: {error}", updates.path.display());
        }
        self.closed.insert(0, updates.path);
    }

    fn fail(&mut self, error: &io::Error) {
        let now = self.clock.now();
        if let Some(updates) = self.updates.take() {
            if updates.octets == 0 {
                // There is nothing in it, and it takes the room of something.
                let _ = fs::remove_file(&updates.path);
            } else {
                self.closed.insert(0, updates.path);
            }
        }
        let pause = self.failing.take().map_or(PAUSE, |failing| LONGEST_PAUSE.min(failing.pause * 2));
        self.failing = Some(Failing { again: now.after(pause), pause });
        let why = error.to_string();
        warn!("the MRT archive in {} cannot be written: {why}", self.settings.dir.display());
        self.queue.set_messages(Some(why));
    }

    /// Compresses a piece of a file that is closed.
    fn squeeze(&mut self) {
        let outcome = match self.squeeze.take() {
            Some(squeeze) => squeeze.step(),
            None if self.failing.is_some() => return,
            None => match self.closed.pop() {
                Some(path) => Squeeze::new(path),
                None => return,
            },
        };
        match outcome {
            Ok(squeeze) => self.squeeze = squeeze,
            // It stays as it is, and can be read all the same.
            Err(error) => warn!("a file of the MRT archive cannot be compressed: {error}"),
        }
    }

    fn table(&mut self, piece: Piece) -> io::Result<()> {
        match piece {
            Piece::Begin(at) => {
                self.table = None;
                if self.lock.is_none() {
                    return Err(io::Error::other("the directory cannot be had"));
                }
                self.table = Some(Packing::new(files::table(&self.settings.dir, at))?);
            }
            Piece::Records(octets) => {
                if let Some(table) = &mut self.table {
                    table.write(&octets).inspect_err(|_| self.table = None)?;
                }
            }
            Piece::End(at) => {
                let Some(table) = self.table.take() else { return Ok(()) };
                table.finish()?;
                self.queue.set_table(at);
                self.trim(self.clock.now())?;
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.miss();
        self.write();
        self.close();
    }
}

/// For tests of what disks do.
#[cfg(test)]
impl Writer {
    pub(super) fn set_file(&mut self, file: File) {
        if let Some(updates) = &mut self.updates {
            updates.file = file;
        }
    }
}

//! The audit file: a line of JSON for every write, on the disk before the request leaves, and one for its outcome; and
//! one for what somebody asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::records::Place;
use crate::disk;
use crate::eepg::{Mo, view};
use crate::time::Timestamp;

/// Below `global.state_dir`.
const FILE: &str = "audit.jsonl";
/// The file is no larger than this many octets, or one line.
const LARGEST: u64 = 64 << 20;
/// So many older ones are kept beside it: `audit.jsonl.1` is the newest of them.
const KEPT: u32 = 3;
/// Lines that wait for the disk.
const WAITING: usize = 64;
/// A disk that takes longer than this to take a line counts as one that does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first line of a write: what is about to leave, and who asked for it.
#[derive(Serialize)]
pub(super) struct Asked<'a> {
    pub(super) time: Timestamp,
    pub(super) event: &'static str,
    pub(super) instance: &'a str,
    pub(super) apic: &'a str,
    pub(super) batch: u64,
    pub(super) dn: &'a str,
    pub(super) body: &'a Mo,
    pub(super) changes: &'a [view::Change],
}

/// The second line: what became of it.
#[derive(Serialize)]
pub(super) struct Answered<'a> {
    pub(super) time: Timestamp,
    pub(super) event: &'static str,
    pub(super) instance: &'a str,
    pub(super) apic: &'a str,
    pub(super) batch: u64,
    pub(super) controller: Arc<str>,
    /// `done`, or the kind of the error.
    pub(super) outcome: &'static str,
    pub(super) text: String,
    pub(super) seconds: f64,
}

/// The line of what somebody asked of us, and what we answered.
#[derive(Serialize)]
pub(super) struct Ordered<'a> {
    pub(super) time: Timestamp,
    /// `apply`, `approve`, `pause`, `resume`, `adopt` or `release`.
    pub(super) event: &'static str,
    pub(super) instance: &'a str,
    /// The name of the token, and where the request came from.
    pub(super) by: Option<&'a str>,
    pub(super) client: Option<IpAddr>,
    /// The plan, the object, or why.
    pub(super) about: Option<&'a str>,
    /// `done`, or why not.
    pub(super) outcome: &'static str,
    pub(super) text: String,
}

/// A line is not on the disk.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritten(Arc<str>);

/// Who waits for a line hears of it.
type Outcome = oneshot::Sender<Result<(), Unwritten>>;

/// The way to the file.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    way: Way,
    failures: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Way {
    /// There is no place for it, and nobody asked for one.
    Nowhere,
    /// There is one, and it cannot be used.
    Closed(Unwritten),
    Thread(mpsc::Sender<(Vec<u8>, Option<Outcome>)>),
}

/// Answers once all lines are written and the thread has ended.
pub(super) type Ended = oneshot::Receiver<()>;

impl Audit {
    /// Starts the thread that writes the file, if there is a place for it.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(place: &Place) -> io::Result<(Self, Option<Ended>)> {
        let failures: Arc<AtomicU64> = Arc::default();
        let (way, ended) = match place {
            Place::Nowhere => (Way::Nowhere, None),
            Place::Unusable(directory) => {
                let why = format!("global.state_dir {} cannot be used", directory.display());
                (Way::Closed(Unwritten(why.into())), None)
            }
            Place::Directory(directory) => {
                let (lines, received) = mpsc::channel(WAITING);
                let (done, ended) = oneshot::channel();
                let (log, lost) = (Log::new(directory.join(FILE), LARGEST), Arc::clone(&failures));
                thread::Builder::new().name("audit".to_owned()).spawn(move || {
                    log.run(received, &lost);
                    // Nobody need wait for it.
                    let _ = done.send(());
                })?;
                (Way::Thread(lines), Some(ended))
            }
        };
        Ok((Self { way, failures }, ended))
    }

    /// How many lines could not be written.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Writes a line, and waits until it is on the disk.
    ///
    /// # Errors
    /// It is not, as far as we know.
    pub(super) async fn write(&self, line: &impl Serialize) -> Result<(), Unwritten> {
        let lines = match &self.way {
            Way::Nowhere => return Ok(()),
            Way::Closed(why) => return self.failed(why.clone()),
            Way::Thread(lines) => lines,
        };
        let octets = encode(line);
        let (outcome, written) = oneshot::channel();
        let taken = async {
            lines.send((octets, Some(outcome))).await.ok()?;
            written.await.ok()
        };
        match tokio::time::timeout(PATIENCE, taken).await {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(why))) => self.failed(why),
            Ok(None) => self.failed(Unwritten("the thread that writes it has ended".into())),
            Err(_) => {
                let why = format!("the disk did not take a line within {} s", PATIENCE.as_secs());
                self.failed(Unwritten(why.into()))
            }
        }
    }

    /// Has a line written, and does not wait.
    pub(super) fn note(&self, line: &impl Serialize) {
        if let Way::Thread(lines) = &self.way
            && lines.try_send((encode(line), None)).is_err()
        {
            self.failures.fetch_add(1, Relaxed);
        }
    }

    fn failed(&self, why: Unwritten) -> Result<(), Unwritten> {
        self.failures.fetch_add(1, Relaxed);
        Err(why)
    }
}

fn encode(line: &impl Serialize) -> Vec<u8> {
    // Text and numbers alone: that cannot fail.
    let mut octets = serde_json::to_vec(line).unwrap_or_default();
    octets.push(b'\n');
    octets
}

/// The file, and those before it.
struct Log {
    path: PathBuf,
    largest: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    length: u64,
    /// The last line breaks off: whoever wrote it was killed, or the disk was full.
    torn: bool,
}

impl Log {
    const fn new(path: PathBuf, largest: u64) -> Self {
        Self { path, largest, open: None }
    }

    /// Counts in `lost` what was not written and nobody waits for.
    fn run(mut self, mut lines: mpsc::Receiver<(Vec<u8>, Option<Outcome>)>, lost: &AtomicU64) {
        let mut failing = false;
        while let Some(first) = lines.blocking_recv() {
            // The disk is waited for once for all that there is.
            let mut group = vec![first];
            while group.len() < WAITING
                && let Ok(next) = lines.try_recv()
            {
                group.push(next);
            }
            let octets: Vec<u8> = group.iter().flat_map(|(line, _)| line).copied().collect();
            let result = self.append(&octets).map_err(|error| Unwritten(error.to_string().into()));
            let path = self.path.display();
            match &result {
                Ok(()) if failing => info!("the audit file {path} is written again"),
                Err(error) if !failing => {
                    warn!(
                        "the audit file {path} cannot be written, and no write leaves without its line: {error}"
                    );
                }
                _ => {}
            }
            failing = result.is_err();
            for (_, outcome) in group {
                match outcome {
                    // Who waited may have gone.
                    Some(outcome) => drop(outcome.send(result.clone())),
                    None => drop(lost.fetch_add(u64::from(failing), Relaxed)),
                }
            }
        }
    }

    /// All of it is on the disk, or nothing of it is in the file.
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        let outcome = self.attempt(octets);
        if outcome.is_err() {
            self.open = None;
        }
        outcome
    }

    fn attempt(&mut self, octets: &[u8]) -> io::Result<()> {
        let size = octets.len() as u64;
        self.current()?;
        if self.open.as_ref().is_some_and(|open| open.length > 0 && open.length + size > self.largest) {
            self.rotate()?;
            self.current()?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let ended = if open.torn { open.file.write_all(b"\n") } else { Ok(()) };
        let written = ended.and_then(|()| open.file.write_all(octets)).and_then(|()| open.file.sync_data());
        if written.is_err() {
            // What is left of it otherwise ends with the next line.
            let _ = open.file.set_len(open.length);
            return written;
        }
        open.length += size + u64::from(open.torn);
        open.torn = false;
        Ok(())
    }

    /// Opens the file, or opens it anew if somebody took it away.
    fn current(&mut self) -> io::Result<()> {
        if let Some(open) = &self.open {
            let (ours, there) = (open.file.metadata()?, fs::symlink_metadata(&self.path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                return Ok(());
            }
        }
        let mut file = disk::open(&self.path, OpenOptions::new().read(true).append(true))?;
        let length = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::Start(length - 1))?;
            file.read_exact(&mut last)?;
        }
        disk::settle(&self.path)?;
        self.open = Some(Open { file, length, torn: last != *b"\n" });
        Ok(())
    }

    /// Makes place for another file; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        let numbered = |number: u32| disk::beside(&self.path, &format!(".{number}"));
        for number in (1..KEPT).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))?;
        disk::settle(&self.path)
    }
}

#[cfg(test)]
mod tests;

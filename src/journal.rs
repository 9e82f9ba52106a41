//! The journal: what happened, and who announced what at any time in the past.
//!
//! One `SQLite` file, `journal.db` below `global.state_dir`. Not files of lines, because what is asked of it is
//! "as of then": a route is a row from when it was announced until it went, so a moment of the past is one
//! question with an index, whatever happened since; a file that a crash leaves behind is whole, others may read it
//! while it is written (`sqlite3 -readonly`), and old rows can go one by one.
//!
//! | table | a row is |
//! |---|---|
//! | `event` | something that happened, in words: all that the stream tells, and every change of a route |
//! | `route` | a route from `since` to `until`, as it was announced and judged; `until` is null while it is there |
//! | `peer`, `announcer`, `attributes` | what many routes have in common, once |
//! | `finding` | an open finding from when it opened until it resolved |
//! | `member` | a member of an EEPG or redirect policy from when it was written until it was deleted |
//! | `moment` | how many routes there were at a minute, and how much happened in it |
//! | `run` | a run of thirdleaf: outside of all runs nobody listened |
//!
//! Times are microseconds since the Unix epoch. Prefixes are a key that sorts as prefixes do: see [`prefix`].
//! Nothing waits for the journal: what cannot be written is made good by looking at all routes again.

#![expect(clippy::disallowed_methods, reason = "a task, its timer, and the thread that writes")]

pub mod archive;
pub mod prefix;
pub mod query;
pub mod read;
pub mod schema;
mod store;
mod task;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod view;
mod words;
mod writing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::config::model;
use crate::observer::Observer;
use crate::sync::Wrote;
use crate::time::{Clock, Timestamp};
use read::{Reader, Trouble};
use task::{Ended, Follower, Scribe};

/// How many requests to an APIC wait to be written down.
const WROTE: usize = 1_024;

/// Questions that are answered at once; each takes a thread and a part of the disk's time.
const READERS: usize = 3;
/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// The handle: cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    path: Arc<Path>,
    status: watch::Receiver<Status>,
    turns: Arc<Semaphore>,
}

/// How many routes there were at one moment, and how much happened in the minute before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Accepted routes.
    pub accepted: u64,
    /// Rejected routes.
    pub rejected: u64,
    /// Routes that came, changed or went.
    pub changes: u64,
    /// Events besides.
    pub events: u64,
}

/// How the journal does.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Octets of the file that are in use.
    pub bytes: u64,
    /// When it was written last.
    pub written: Option<Timestamp>,
    /// Batches that could not be written.
    pub failures: u64,
    /// Events that are missing because too many came while it could not be written.
    pub dropped: u64,
    /// Why it cannot be written now.
    pub trouble: Option<String>,
}

/// A journal that is about to start: the thread is there, and nothing is written yet.
pub struct Opened {
    scribe: Scribe,
    wrote: mpsc::Receiver<Wrote>,
}

/// The way to end it.
#[derive(Debug)]
pub struct End(Ended);

/// Makes ready to write into `directory`; what an APIC was told is to be sent the way that comes with it.
///
/// # Errors
/// There is no thread to be had.
pub fn open(directory: &Path, config: &model::Journal) -> io::Result<(Opened, mpsc::Sender<Wrote>)> {
    let (sender, wrote) = mpsc::channel(WROTE);
    let scribe = Scribe::start(&directory.join(schema::FILE), config.clone())?;
    Ok((Opened { scribe, wrote }, sender))
}

impl Opened {
    /// Starts to follow `observer`; within a runtime.
    pub fn start(self, observer: Observer, clock: Clock) -> (Journal, End) {
        let path: PathBuf = self.scribe.path.clone();
        let (status, watched) = watch::channel(Status::default());
        let end = Follower::start(self.scribe, observer, clock, self.wrote, status);
        (Journal::at(path, watched), End(end))
    }
}

impl Journal {
    fn at(path: PathBuf, status: watch::Receiver<Status>) -> Self {
        Self { path: path.into(), status, turns: Arc::new(Semaphore::new(READERS)) }
    }

    /// What the journal answers, read by a thread that may block.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return Err(Trouble::Busy) };
        // What is begun at the start is there a moment later.
        let mut status = self.status.clone();
        let is_begun = |status: &Status| status.written.is_some() || status.trouble.is_some();
        // Whether it is or not: the file itself says what is the matter.
        let _ = tokio::time::timeout(TURN, status.wait_for(is_begun)).await;
        let path = Arc::clone(&self.path);
        let answer = tokio::task::spawn_blocking(move || {
            // An asker that is gone leaves its question: that counts until it is answered.
            let _turn = turn;
            question(&Reader::live(&path)?)
        });
        answer.await.unwrap_or_else(|error| Err(Trouble::Failed(error.to_string())))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it does.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }
}

impl End {
    /// Has what happened so far written, and ends.
    pub async fn end(self) {
        let (done, written) = oneshot::channel();
        if self.0.send(done).is_ok() {
            // What could not be written was warned of.
            let _ = written.await;
        }
    }
}

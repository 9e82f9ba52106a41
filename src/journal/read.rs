//! What the journal answers: events, who announced what at a time, what differs between two times.
//!
//! A reader stands beside the writer and never waits for it, nor the writer for it; each question sees the journal
//! as it is at one moment. A route is there at T if it came at T or before and did not go until after T. What was
//! there when thirdleaf stopped and was not found again after it had come back went when it stopped; so while
//! nobody listens, what was there at the end of the run before is shown.
//!
//! Whether a route is stale is not kept: a session that is lost is an event, and its routes are there until they go.

mod compare;
mod events;
mod limit;
mod moments;
mod names;
mod past;
mod range;
mod runs;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rusqlite::{CachedStatement, Connection, ErrorCode, Transaction};

use super::schema::{self, Unusable};
use crate::observer::BadCursor;
use limit::Limit;

pub use compare::Place as ComparePlace;
pub use past::Place as RoutePlace;

/// Why the journal has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// There is no file.
    #[error("there is no journal at {}", .0.display())]
    Missing(PathBuf),
    /// It cannot be opened.
    #[error("the journal {} cannot be opened: {cause}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Unusable,
    },
    /// It would take too long.
    #[error("there is no answer after {0} s: ask for less, by a prefix, a peer or a shorter time")]
    Slow(u64),
    /// Too much for one answer.
    #[error("more than {0} routes differ: ask for less, by a prefix, a peer or a shorter time")]
    TooMuch(usize),
    /// Others read already.
    #[error("too many read the journal at once: try again in a moment")]
    Busy,
    /// Somebody else holds the file.
    #[error("the journal is locked by another program; who has it open, `fuser` tells")]
    Locked,
    /// What was read makes no sense.
    #[error("the journal is damaged: {0}; move it away, and a new one is begun at the next start")]
    Damaged(String),
    /// What `SQLite` says otherwise.
    #[error("the journal cannot be read: {0}")]
    Failed(String),
    /// The question makes no sense.
    #[error("{0}")]
    Question(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Slow(limit::PATIENCE.as_secs()),
            _ if is_locked(&error) => Self::Locked,
            // What is no error of `SQLite` is a value of a kind that is not meant to be there.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
                Self::Damaged(error.to_string())
            }
            Some(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<BadCursor> for Trouble {
    fn from(error: BadCursor) -> Self {
        Self::Question(format!("parameter \"cursor\": {error}"))
    }
}

/// Answers questions about one journal.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    limit: Limit,
    /// Whoever writes it runs.
    live: bool,
}

impl Reader {
    /// Opens the journal at `path`, be it written or not.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        if !path.try_exists().unwrap_or(true) {
            return Err(Trouble::Missing(path.to_owned()));
        }
        let unusable = |cause| match cause {
            Unusable::Sqlite(cause) if is_locked(&cause) => Trouble::Locked,
            cause => Trouble::Unusable { path: path.to_owned(), cause },
        };
        let mut connection = schema::read(path)
            .or_else(|cause| if is_still(path, &cause) { schema::read_still(path) } else { Err(cause) })
            .map_err(unusable)?;
        let limit = Limit::on(&mut connection, limit::PATIENCE)?;
        Ok(Self { connection, limit, live: false })
    }

    /// Opens the journal that this very process writes.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn live(path: &Path) -> Result<Self, Trouble> {
        Ok(Self { live: true, ..Self::open(path)? })
    }

    /// Begins to answer a question: from now on its time runs, and nothing that is written is seen any more.
    fn begin(&self) -> Result<Transaction<'_>, Trouble> {
        self.limit.begin();
        Ok(self.connection.unchecked_transaction()?)
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Trouble> {
        #[cfg(test)]
        tests::plans::note(sql);
        Ok(self.connection.prepare_cached(sql)?)
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the file cannot be opened because its folder cannot be written, and there is nothing beside it: a copy.
fn is_still(path: &Path, cause: &Unusable) -> bool {
    let Unusable::Sqlite(cause) = cause else { return false };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    matches!(cause.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
        && !Path::new(&log).exists()
}

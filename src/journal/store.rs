//! The one that writes: what happened since the last batch, in one transaction.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, params};

use super::schema::{self, Unusable};
use super::writing::{Known, Unsure, Writing, micros, time};
use super::{Moment, words};
use crate::config::model;
use crate::observer::RouteChanges;
use crate::observer::view::{Event, Finding};
use crate::sync::Wrote;
use crate::time::Timestamp;

/// How often what is too old is looked for.
const PRUNE: Duration = Duration::from_secs(10);
/// How many rows of a table go at once: that must not hold up what happens.
const ROWS: i64 = 5_000;

/// What makes a row of a table old; a route is when it is over, too.
const TIMES: [(&str, &str); 4] =
    [("event", "at"), ("finding", "until"), ("member", "until"), ("moment", "at")];

/// What happened since the last batch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) now: Timestamp,
    pub(super) events: Vec<Arc<Event>>,
    /// All findings, if any of them changed.
    pub(super) findings: Option<Arc<[Finding]>>,
    pub(super) changes: Vec<RouteChanges>,
    pub(super) wrote: Vec<Wrote>,
    /// How it is, once a minute.
    pub(super) moment: Option<Moment>,
    /// Whatever is there is told anew: what is not told by the time that this is settled is gone since then.
    pub(super) unsure: bool,
    /// Of which peers nothing more is to come: what was not told of them is gone.
    pub(super) settled: Option<Settled>,
    /// It is the last.
    pub(super) last: bool,
}

impl Batch {
    /// Whether there is nothing to be written but that we are there.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.findings.is_none()
            && self.changes.is_empty()
            && self.wrote.is_empty()
            && self.moment.is_none()
            && !self.unsure
            && self.settled.is_none()
    }
}

/// Whose routes are known by now.
pub(super) enum Settled {
    /// Those of all but these.
    AllBut(HashSet<(Arc<str>, IpAddr)>),
}

/// How the journal does.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// Octets of the file that are in use.
    pub(super) bytes: u64,
    /// There are routes of which it is not known whether they are there.
    pub(super) unsure: bool,
}

/// A batch could not be written: nothing of it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    #[error("{0}")]
    Unusable(#[from] Unusable),
    #[error("{}", words::trouble(.0))]
    Sqlite(#[from] rusqlite::Error),
}

impl Unwritten {
    /// Whether there is no room.
    fn is_full(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

/// The file, and what is remembered of it.
pub(super) struct Store {
    connection: Connection,
    config: model::Journal,
    /// This run; none before its first batch.
    run: Option<i64>,
    known: Known,
    /// Rows of routes that are open, and of which nothing was heard since `lapse`, by peer.
    unsure: Unsure,
    /// Up to when it was known what there is.
    lapse: Timestamp,
    /// Up to when what happened is written: by the run before, until this one has written something.
    alive: Timestamp,
    /// Open findings, and their rows.
    findings: HashMap<String, i64, RandomState>,
    pruned: Timestamp,
}

impl Store {
    /// Opens the file; a run begins with its first batch.
    ///
    /// # Errors
    /// Why that cannot be.
    pub(super) fn open(path: &Path, config: &model::Journal, now: Timestamp) -> Result<Self, Unwritten> {
        let connection = schema::open(path, config.fsync)?;
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let most = i64::try_from(config.max_bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update(None, "max_page_count", most)?;
        let alive = "SELECT ifnull(ended, alive) FROM run ORDER BY id DESC LIMIT 1";
        let alive = connection.query_row(alive, [], |row| time(row, 0)).optional()?.unwrap_or(now).min(now);
        let mut store = Self {
            connection,
            config: config.clone(),
            run: None,
            known: Known::default(),
            unsure: Unsure::new(),
            lapse: alive,
            alive,
            findings: HashMap::default(),
            pruned: now,
        };
        store.look_at_all()?;
        Ok(store)
    }

    /// Writes a batch, all of it or nothing.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<Written, Unwritten> {
        match self.write_all(batch) {
            Ok(written) => Ok(written),
            Err(error) => {
                // What was remembered of it is not there.
                self.known = Known::default();
                if error.is_full() {
                    // If the disk is, and not the file, nothing may go either.
                    let _ = self.make_room(batch.now);
                }
                Err(error)
            }
        }
    }

    /// A batch did not fit: the oldest goes until one that is larger does, unless there is nothing old.
    fn make_room(&mut self, now: Timestamp) -> rusqlite::Result<()> {
        let mut bytes = self.bytes()?;
        while bytes > self.config.max_bytes / 4 * 3 {
            let left = self.let_go(now, true)?;
            if left >= bytes {
                break;
            }
            bytes = left;
        }
        Ok(())
    }

    fn write_all(&mut self, batch: &Batch) -> Result<Written, Unwritten> {
        if batch.unsure {
            self.look_at_all()?;
        }
        let transaction = self.connection.transaction()?;
        let mut writing = Writing::new(transaction, &mut self.known, &mut self.unsure, self.lapse, batch.now);
        writing.events(batch.events.iter().map(|event| &**event))?;
        for changes in &batch.changes {
            writing.changes(changes)?;
        }
        writing.wrote(&batch.wrote)?;
        writing.moment(batch.moment.as_ref())?;
        if let Some(Settled::AllBut(unsettled)) = &batch.settled {
            writing.settle(unsettled)?;
        }
        let findings = match &batch.findings {
            Some(findings) => Some(writing.findings(&self.findings, findings)?),
            None => None,
        };
        let run = writing.run(self.run, batch.last)?;
        writing.commit()?;
        (self.run, self.alive) = (Some(run), batch.now);
        self.findings = findings.unwrap_or_else(|| std::mem::take(&mut self.findings));
        let bytes = self.prune(batch.now)?;
        if batch.last {
            self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").or_else(ignore_busy)?;
        }
        Ok(Written { bytes, unsure: !self.unsure.is_empty() })
    }

    /// Nothing is known any more of what is there: it was up to what is written.
    fn look_at_all(&mut self) -> rusqlite::Result<()> {
        self.lapse = self.alive;
        self.unsure.clear();
        let mut open = self.connection.prepare("SELECT peer, id FROM route WHERE until IS NULL")?;
        let mut rows = open.query([])?;
        while let Some(row) = rows.next()? {
            self.unsure.entry(row.get(0)?).or_default().insert(row.get(1)?);
        }
        let mut open = self.connection.prepare("SELECT finding, id FROM finding WHERE until IS NULL")?;
        let rows = open.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.findings = rows.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Octets in use.
    fn bytes(&self) -> rusqlite::Result<u64> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or_default())
    }

    /// Lets go what is too old, or too much; answers how many octets are in use.
    fn prune(&mut self, now: Timestamp) -> rusqlite::Result<u64> {
        let bytes = self.bytes()?;
        let is_much = bytes > self.config.max_bytes / 10 * 9;
        if now.since(self.pruned) < PRUNE && !is_much {
            return Ok(bytes);
        }
        self.pruned = now;
        self.let_go(now, is_much)
    }

    /// Lets some of what is too old go, and of the oldest if there is too much; answers how many octets are in use.
    fn let_go(&mut self, now: Timestamp, is_much: bool) -> rusqlite::Result<u64> {
        let keep = i64::try_from(self.config.keep.as_micros()).unwrap_or(i64::MAX);
        let mut before = micros(now).saturating_sub(keep);
        let transaction = self.connection.transaction()?;
        if is_much {
            // The oldest that happened, and what was over by then.
            let oldest = "SELECT max(at) FROM (SELECT at FROM event ORDER BY at LIMIT ?1)";
            let oldest: Option<i64> = transaction.query_row(oldest, [ROWS], |row| row.get(0))?;
            before = before.max(oldest.unwrap_or_default().saturating_add(1));
        }
        for (table, time) in TIMES {
            let old = format!(
                "DELETE FROM {table} WHERE id IN \
                 (SELECT id FROM {table} WHERE {time} < ?1 ORDER BY {time} LIMIT ?2)"
            );
            transaction.prepare_cached(&old)?.execute(params![before, ROWS])?;
        }
        let old = "DELETE FROM route WHERE id IN \
             (SELECT id FROM route WHERE until < ?1 ORDER BY until LIMIT ?2) RETURNING attributes";
        let mut old = transaction.prepare_cached(old)?;
        let had = old.query_map(params![before, ROWS], |row| row.get(0))?;
        let had: HashSet<i64, RandomState> = had.collect::<Result<_, _>>()?;
        drop(old);
        // Nodes choose how many different ones there are.
        let unused = "DELETE FROM attributes WHERE id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM route WHERE route.attributes = ?1)";
        let mut unused = transaction.prepare_cached(unused)?;
        let mut gone = HashSet::default();
        for id in had {
            if unused.execute([id])? > 0 {
                gone.insert(id);
            }
        }
        drop(unused);
        transaction.execute("DELETE FROM run WHERE alive < ?1 AND id < ?2", params![before, self.run])?;
        transaction.commit()?;
        self.known.forget_attributes(&gone);
        self.connection.execute_batch("PRAGMA incremental_vacuum(1000)")?;
        self.bytes()
    }
}

/// Somebody reads: what is left to be put in its place is, next time.
fn ignore_busy(error: rusqlite::Error) -> rusqlite::Result<()> {
    let busy = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
    if busy { Ok(()) } else { Err(error) }
}

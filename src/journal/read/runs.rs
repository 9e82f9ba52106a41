//! When thirdleaf listened, and when nobody did.

use super::names::{micros, timestamp};
use super::{Reader, Trouble};
use crate::journal::view::Gap;
use crate::time::Timestamp;

/// How long a run may be silent that did not end: it tells that it is alive every few seconds.
const SILENCE: i64 = 15_000_000;

/// How many gaps are told one by one.
const MOST_GAPS: usize = 100;

/// A moment that is asked for.
#[derive(Debug)]
pub(super) struct Moment {
    /// The time that is shown: that which is asked for, or when somebody listened last.
    at: i64,
    /// What went at this very time had been there at the end of the run before: nobody listened.
    held: Option<i64>,
    pub(super) gap: Option<Gap>,
}

impl Moment {
    /// Whether what came at `since` and went at `until` is there.
    pub(super) fn shows(&self, since: i64, until: Option<i64>) -> bool {
        since <= self.at && until.is_none_or(|until| until > self.at || Some(until) == self.held)
    }

    /// The time itself.
    pub(super) const fn at(&self) -> i64 {
        self.at
    }

    /// What went before this time is not there.
    pub(super) fn earliest_end(&self) -> i64 {
        self.held.unwrap_or(self.at).min(self.at)
    }

    /// As a parameter: no time is -1.
    pub(super) fn held(&self) -> i64 {
        self.held.unwrap_or(-1)
    }
}

/// A run: from when to when it is known to have listened.
struct Run {
    started: i64,
    /// When it was last known to listen.
    end: i64,
    /// Until when it is taken to have listened.
    covers: i64,
}

impl Reader {
    /// What is known of the time `at`.
    pub(super) fn moment(&self, at: Timestamp) -> Result<Moment, Trouble> {
        let at = micros(at);
        let runs = self.runs()?;
        let before = runs.iter().rev().find(|run| run.started <= at);
        let next = runs.iter().map(|run| run.started).filter(|started| *started > at).min();
        let Some(run) = before else {
            let text = match next {
                Some(begin) => {
                    format!("the journal begins at {}; nothing is known of before", timestamp(begin))
                }
                None => "the journal is empty: nothing is known yet".to_owned(),
            };
            let gap = Gap { from: None, until: next.map(timestamp), text };
            return Ok(Moment { at, held: None, gap: Some(gap) });
        };
        if at > run.covers {
            let told =
                format!("{}; shown is what was there at {}", silent(run.end, next), timestamp(run.end));
            let gap = Gap { from: Some(timestamp(run.end)), until: next.map(timestamp), text: told };
            // What came before anybody wrote again is known by then, but not what went.
            return Ok(Moment { at: run.end, held: Some(run.end), gap: Some(gap) });
        }
        Ok(Moment { at, held: None, gap: self.forgotten(at)? })
    }

    /// When nobody listened between two times, and when not all was written that was heard.
    pub(super) fn gaps(&self, from: &Moment, to: &Moment) -> Result<Vec<Gap>, Trouble> {
        let mut gaps: Vec<Gap> = from.gap.iter().cloned().collect();
        let runs = self.runs()?;
        for pair in runs.windows(2) {
            let [run, next] = pair else { continue };
            // A clock that was set back leaves none.
            if run.end > from.at && next.started <= to.at && run.end < next.started {
                gaps.push(Gap {
                    from: Some(timestamp(run.end)),
                    until: Some(timestamp(next.started)),
                    text: silent(run.end, Some(next.started)),
                });
            }
        }
        gaps.extend(to.gap.iter().filter(|gap| Some(*gap) != from.gap.as_ref()).cloned());
        let mut told = self.prepare(
            "SELECT at, text FROM event INDEXED BY event_kind WHERE kind = 'journal_gap' AND at > ?1 AND at <= ?2",
        )?;
        let mut rows = told.query([from.at, to.at])?;
        while let Some(row) = rows.next()? {
            gaps.push(Gap { from: None, until: Some(timestamp(row.get(0)?)), text: row.get(1)? });
        }
        if gaps.len() > MOST_GAPS {
            let more = gaps.len() - MOST_GAPS;
            gaps.truncate(MOST_GAPS);
            gaps.push(Gap {
                from: None,
                until: None,
                text: format!("thirdleaf did not run {more} more times"),
            });
        }
        Ok(gaps)
    }

    /// What is older than the oldest event was dropped with it.
    fn forgotten(&self, at: i64) -> Result<Option<Gap>, Trouble> {
        let oldest = self.oldest_event()?;
        Ok(oldest.filter(|(id, oldest)| *id > 1 && at < *oldest).map(|(_, oldest)| {
            let oldest = timestamp(oldest);
            let text =
                format!("the journal goes back to {oldest}: of before, only what lasted longer is known");
            Gap { from: None, until: Some(oldest), text }
        }))
    }

    /// The number and the time of the first event that is kept.
    fn oldest_event(&self) -> Result<Option<(i64, i64)>, Trouble> {
        let mut statement =
            self.prepare("SELECT id, at FROM event WHERE id = (SELECT min(id) FROM event)")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((row.get(0)?, row.get(1)?)))
    }

    /// All runs, one after the other.
    fn runs(&self) -> Result<Vec<Run>, Trouble> {
        let sql = "SELECT started, alive, ended FROM run ORDER BY id";
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query([])?;
        let (mut runs, mut is_open) = (Vec::new(), false);
        while let Some(row) = rows.next()? {
            let (alive, ended) = (row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?);
            is_open = ended.is_none();
            let end = ended.unwrap_or(alive);
            runs.push(Run { started: row.get(0)?, end, covers: end });
        }
        // Only the last one may still run.
        if let Some(last) = runs.last_mut().filter(|_| is_open) {
            last.covers = if self.live { i64::MAX } else { last.end.saturating_add(SILENCE) };
        }
        Ok(runs)
    }
}

fn silent(from: i64, until: Option<i64>) -> String {
    let from = timestamp(from);
    match until {
        Some(until) => format!("thirdleaf did not run from {from} to {}", timestamp(until)),
        None => format!("thirdleaf did not run since {from}"),
    }
}

//! How many routes there were, minute by minute.

use rusqlite::params;

use super::{Reader, Trouble};
use crate::journal::Moment;
use crate::journal::writing::{micros, time};
use crate::time::Timestamp;

/// How many are told at most.
const MOST: i64 = 10_000;

impl Reader {
    /// Moments since then, the oldest first.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn moments(&self, since: Timestamp) -> Result<Vec<Moment>, Trouble> {
        let _seen = self.begin()?;
        let mut moments = self.prepare(
            "SELECT at, accepted, rejected, changes, events FROM moment WHERE at >= ?1 ORDER BY at LIMIT ?2",
        )?;
        let moments = moments.query_map(params![micros(since), MOST], |row| {
            let count =
                |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
            Ok(Moment {
                at: time(row, 0)?,
                accepted: count(1)?,
                rejected: count(2)?,
                changes: count(3)?,
                events: count(4)?,
            })
        })?;
        Ok(moments.collect::<Result<_, _>>()?)
    }
}

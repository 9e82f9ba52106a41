//! How a receiver does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use crate::time::Timestamp;

/// What is over sooner is not worth a line.
const LASTING: Duration = Duration::from_secs(10);

/// How a receiver does, as its task notes it and others read it.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Record>);

/// What became of what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Requests that were taken.
    pub(super) succeeded: u64,
    /// Requests that failed, and are tried again.
    pub(super) failed: u64,
    /// Requests that were refused for good.
    pub(super) rejected: u64,
    /// When one was last taken.
    pub(super) last_success: Option<Timestamp>,
    /// Why one last failed or was refused, and when.
    pub(super) last_error: Option<(Timestamp, String)>,
    /// Since when none was taken.
    pub(super) failing: Option<Timestamp>,
    /// That was said in the log.
    said: bool,
}

impl Health {
    pub(super) fn record(&self) -> Record {
        self.lock().clone()
    }

    /// `name` took something.
    pub(super) fn succeeded(&self, name: &str, now: Timestamp) {
        let mut record = self.lock();
        record.succeeded += 1;
        record.last_success = Some(now);
        record.failing = None;
        if std::mem::take(&mut record.said) {
            info!(receiver = name, "alerts reach the receiver again");
        }
    }

    /// `name` did not take something, or would never; said once, when it lasts.
    pub(super) fn failed(&self, name: &str, error: &str, for_good: bool, now: Timestamp) {
        let mut record = self.lock();
        if for_good {
            record.rejected += 1;
        } else {
            record.failed += 1;
        }
        record.last_error = Some((now, error.to_owned()));
        let since = *record.failing.get_or_insert(now);
        if (for_good || since.after(LASTING) <= now) && !std::mem::replace(&mut record.said, true) {
            warn!(receiver = name, %since, "alerts do not reach the receiver: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

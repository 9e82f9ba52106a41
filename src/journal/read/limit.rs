//! No question takes forever.

#![expect(clippy::disallowed_methods, reason = "measures how long a question takes")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// How long one question may take; less than what its asker waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// When a page that has something is given out though it is not full.
const SOON: Duration = Duration::from_secs(1);

/// Steps of `SQLite` between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 2_000;

/// How long the question lasts that is being answered.
#[derive(Debug)]
pub(super) struct Limit {
    opened: Instant,
    /// Milliseconds from `opened` to the question's begin.
    begun: Arc<AtomicU64>,
}

impl Limit {
    /// Limits what is asked of `connection`: questions that take longer than `patience` end.
    pub(super) fn on(connection: &mut Connection, patience: Duration) -> rusqlite::Result<Self> {
        let limit = Self { opened: Instant::now(), begun: Arc::default() };
        let watch = Self { opened: limit.opened, begun: Arc::clone(&limit.begun) };
        connection.progress_handler(STEPS, Some(move || watch.lasted() > patience))?;
        Ok(limit)
    }

    /// A question begins.
    pub(super) fn begin(&self) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.begun.store(since, Ordering::Relaxed);
    }

    /// Whether it lasts so long that a part of the answer is better than to wait for all of it.
    pub(super) fn is_late(&self) -> bool {
        self.lasted() > SOON
    }

    fn lasted(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.begun.load(Ordering::Relaxed)))
    }
}

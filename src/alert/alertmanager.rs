//! The task of one Alertmanager: keeps it holding what is on the board.
#![expect(clippy::disallowed_methods, reason = "waits for its turn")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::board::Entry;
use super::ledger::Ledger;
use super::message::{self, Terms};
use super::notice::{Alert, Notice};
use super::receiver::{Failure, Receiver};
use crate::apic::Backoff;
use crate::config::model::Alertmanager;
use crate::time::{Clock, Timestamp};

/// How many alerts go in one request.
const BATCH: usize = 100;
/// An alert counts as over when it was not sent again for so many times `resend`.
const LIVES: u32 = 4;
/// Between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What its task needs.
pub(super) struct Pusher {
    pub(super) receiver: Arc<Receiver>,
    pub(super) config: Arc<Alertmanager>,
    pub(super) terms: Terms,
    pub(super) clock: Clock,
    /// How much it does not hold yet.
    pub(super) owed: Arc<AtomicU64>,
}

impl Pusher {
    /// Sends what is on the board until `stop` turns true, and then what is due, once.
    pub(super) async fn run(
        self,
        mut board: watch::Receiver<Arc<[Entry]>>,
        mut stop: watch::Receiver<bool>,
        seed: u64,
    ) {
        let mut ledger = Ledger::new(self.config.resend);
        let mut backoff = Backoff::between(seed, Duration::from_secs(1), LONGEST_WAIT);
        let mut not_before = Timestamp::default();
        // With nothing to say, one that could not be reached is asked whether it is back.
        let mut probing = false;
        loop {
            let stopping = *stop.borrow();
            let entries = Arc::clone(&board.borrow_and_update());
            ledger.keep(&entries);
            self.owed.store(ledger.owed(&entries) as u64, Relaxed);
            let now = self.clock.now();
            let due = ledger.due(&entries, BATCH, now);
            if (!due.is_empty() || probing && !stopping) && (now >= not_before || stopping) {
                let outcome = self.post(&due, now).await;
                let now = self.clock.now();
                self.receiver.note(&outcome, now);
                probing = outcome.as_ref().is_err_and(|failure| !failure.for_good);
                match outcome {
                    Ok(()) => {
                        backoff.reset();
                        not_before = Timestamp::default();
                        ledger.note(&due, now);
                    }
                    // Of those that it refuses it takes the others: all of them go again when it is time.
                    Err(failure) if failure.for_good => {
                        ledger.note(&due, now);
                        not_before = Timestamp::default();
                    }
                    Err(_) if stopping => return,
                    Err(Failure { wait, .. }) => {
                        not_before = now.after(backoff.next_wait().max(wait.unwrap_or_default()));
                    }
                }
                continue;
            }
            if stopping {
                return;
            }
            let next = ledger.next(&entries).or_else(|| probing.then_some(not_before));
            let next = next.map_or(now.after(self.config.resend), |next| next.max(not_before));
            tokio::select! {
                changed = board.changed() => if changed.is_err() { return },
                _ = stop.changed() => if stop.has_changed().is_err() { return },
                () = sleep_until(Instant::from_std(self.clock.instant(next))) => {}
            }
        }
    }

    async fn post(&self, entries: &[Entry], now: Timestamp) -> Result<(), Failure> {
        let lifetime = self.config.resend * LIVES;
        let wall = |at| self.clock.on_wall(at);
        let body = message::alerts(entries, &self.terms, &self.config.labels, now, lifetime, wall);
        self.receiver.post(body, HeaderMap::new()).await
    }

    /// Sends a test: it ends by itself.
    pub(super) async fn test(&self, notice: &Notice) -> Result<(), Failure> {
        self.post(&[Entry { alert: Alert::of(notice), over: None }], self.clock.now()).await
    }
}

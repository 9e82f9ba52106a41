//! The task of one webhook: delivers what waits, in order.
#![expect(clippy::disallowed_methods, reason = "waits for its turn")]

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::message::Delivery;
use super::queue::Queue;
use super::receiver::{Failure, Receiver};
use super::sign;
use crate::apic::Backoff;
use crate::config::model::Secret;
use crate::time::Clock;

/// Between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What a receiver answers so often with a failure is what it fails at: the others are not to wait for it.
const ATTEMPTS: u32 = 20;

const DELIVERY: HeaderName = HeaderName::from_static("x-thirdleaf-delivery");
const EVENT: HeaderName = HeaderName::from_static("x-thirdleaf-event");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-thirdleaf-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-thirdleaf-signature");

/// What its task needs.
pub(super) struct Courier {
    pub(super) receiver: Arc<Receiver>,
    pub(super) secret: Option<Secret>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
}

impl Courier {
    /// Delivers until `stop` turns true, and then what waits, as far as it is taken at once.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>, seed: u64) {
        let mut backoff = Backoff::between(seed, Duration::from_secs(1), LONGEST_WAIT);
        let (mut attempts, mut tried) = (0, None);
        loop {
            let stopping = *stop.borrow();
            let Some(delivery) = self.queue.front() else {
                if stopping {
                    return;
                }
                tokio::select! {
                    () = self.queue.more() => {}
                    _ = stop.changed() => if stop.has_changed().is_err() { return },
                }
                continue;
            };
            if tried.as_ref().is_none_or(|tried| !Arc::ptr_eq(tried, &delivery)) {
                (attempts, tried) = (0, Some(Arc::clone(&delivery)));
            }
            let outcome = self.post(&delivery).await;
            self.receiver.note(&outcome, self.clock.now());
            match outcome {
                Ok(()) => self.queue.done(&delivery),
                Err(failure) if failure.for_good => self.queue.done(&delivery),
                Err(_) if stopping => return,
                Err(Failure { wait, answered, .. }) => {
                    attempts += u32::from(answered);
                    if attempts < ATTEMPTS {
                        let again = self.clock.now().after(backoff.next_wait().max(wait.unwrap_or_default()));
                        tokio::select! {
                            () = sleep_until(Instant::from_std(self.clock.instant(again))) => {}
                            _ = stop.changed() => if stop.has_changed().is_err() { return },
                        }
                        continue;
                    }
                    self.queue.drop_front(&delivery);
                }
            }
            backoff.reset();
        }
    }

    /// One attempt: each is signed anew, for it is of its own time.
    pub(super) async fn post(&self, delivery: &Delivery) -> Result<(), Failure> {
        // The receiver judges by its own clock whether that is now.
        let timestamp = self.clock.on_wall(self.clock.now()).as_secs();
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        add(DELIVERY, &delivery.id);
        add(EVENT, delivery.event);
        add(TIMESTAMP, &timestamp.to_string());
        if let Some(secret) = &self.secret {
            add(SIGNATURE, &sign::signature(secret.expose(), timestamp, &delivery.body));
        }
        self.receiver.post(delivery.body.clone(), headers).await
    }
}

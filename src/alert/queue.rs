//! What waits for a webhook.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::message::Delivery;

/// How many notifications wait for one webhook.
pub(super) const MOST: usize = 1_000;

/// Notifications in order: where there is no room, the oldest go. Who puts something in never waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    deliveries: VecDeque<Arc<Delivery>>,
    sequence: u64,
    dropped: u64,
}

impl Queue {
    /// Puts in what `make` makes of its place in the sequence.
    pub(super) fn push(&self, make: impl FnOnce(u64) -> Delivery) {
        let mut waiting = self.waiting();
        waiting.sequence += 1;
        let delivery = Arc::new(make(waiting.sequence));
        if waiting.deliveries.len() >= MOST {
            waiting.deliveries.pop_front();
            waiting.dropped += 1;
        }
        waiting.deliveries.push_back(delivery);
        drop(waiting);
        self.more.notify_one();
    }

    /// What is to be delivered next.
    pub(super) fn front(&self) -> Option<Arc<Delivery>> {
        self.waiting().deliveries.front().cloned()
    }

    /// `delivery` needs no more: it may have been dropped meanwhile.
    pub(super) fn done(&self, delivery: &Arc<Delivery>) {
        let mut waiting = self.waiting();
        if waiting.deliveries.front().is_some_and(|front| Arc::ptr_eq(front, delivery)) {
            waiting.deliveries.pop_front();
        }
    }

    /// `delivery` is given up.
    pub(super) fn drop_front(&self, delivery: &Arc<Delivery>) {
        let before = self.len();
        self.done(delivery);
        if self.len() < before {
            self.waiting().dropped += 1;
        }
    }

    /// Waits until something was put in.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().deliveries.len()
    }

    /// How many were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.waiting().dropped
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

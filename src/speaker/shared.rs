//! What all tasks of the speaker share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};

use super::Delivery;
use super::herald::Herald;
use super::md5::Counters;
use super::registry::Registry;
use super::tap::Tap;
use crate::time::Clock;

/// Connections that were refused and may wait at once for their peers to read why.
const LINGERING: usize = 512;
/// Connections from outside every range that may be listened to at once.
const STRANGERS: usize = 64;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<Delivery>,
    /// Hears what sessions say.
    pub(super) tap: Option<Arc<dyn Tap>>,
    registry: Mutex<Registry>,
    /// Places for connections that were refused and wait until their peers have read why.
    pub(super) lingering: Arc<Semaphore>,
    /// Places for connections from outside every range that may turn out to be speakers of BGP.
    pub(super) strangers: Arc<Semaphore>,
    /// Tells who was refused.
    pub(super) herald: Herald,
    /// What the kernel counts of TCP-MD5.
    pub(super) signatures: Counters,
    /// Connections that have not ended.
    pub(super) running: watch::Sender<usize>,
}

impl Shared {
    pub(super) fn new(clock: Clock, events: mpsc::Sender<Delivery>, tap: Option<Arc<dyn Tap>>) -> Self {
        Self {
            clock,
            herald: Herald::new(events.clone()),
            events,
            tap,
            registry: Mutex::default(),
            lingering: Arc::new(Semaphore::new(LINGERING)),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
            signatures: Counters::default(),
            running: watch::Sender::new(0),
        }
    }

    /// Held for moments only, and never across an `await`.
    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection for as long as the guard lives.
    pub(super) fn guard(self: &Arc<Self>) -> Guard {
        self.running.send_modify(|running| *running = running.saturating_add(1));
        Guard(Arc::clone(self))
    }

    /// Until every connection has ended.
    pub(super) async fn idle(&self) {
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// One connection that has not ended.
#[derive(Debug)]
pub(super) struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running = running.saturating_sub(1));
    }
}

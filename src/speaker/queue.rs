//! The way from sessions to the observer: bounded, and fair to every peer.
//!
//! One channel keeps the order of what one session says. Of each peer it holds a few reads at most: one that
//! never pauses fills its own share, and all others find the way as short as it is without it.

use std::sync::Arc;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::Event;

/// Reads of one peer that the observer has or that wait for it, over all sessions of the peer: one is read
/// while another is worked on.
const SHARE: usize = 2;

/// An event on its way; its place is free again when this is dropped.
#[derive(Debug)]
pub struct Delivery {
    /// What happened.
    pub event: Event,
    _place: Option<OwnedSemaphorePermit>,
}

/// Without a place in anybody's share.
impl From<Event> for Delivery {
    fn from(event: Event) -> Self {
        Self { event, _place: None }
    }
}

/// What one peer may have waiting.
#[derive(Clone, Debug)]
pub(super) struct Share(Arc<Semaphore>);

impl Default for Share {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARE)))
    }
}

/// One peer's end of the channel.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<Delivery>,
    share: Share,
}

/// Room for one event.
pub(super) struct Room<'a> {
    permit: mpsc::Permit<'a, Delivery>,
    place: Option<OwnedSemaphorePermit>,
}

impl Outlet {
    pub(super) const fn new(events: mpsc::Sender<Delivery>, share: Share) -> Self {
        Self { events, share }
    }

    /// Room for an event like this, if there is some: else the event must wait, or nobody wants it any more.
    pub(super) fn try_reserve(&self, event: &Event) -> Result<Room<'_>, TrySendError<()>> {
        let claim = || Arc::clone(&self.share.0).try_acquire_owned();
        let place = is_bulk(event).then(claim).transpose().map_err(|error| match error {
            TryAcquireError::NoPermits => TrySendError::Full(()),
            TryAcquireError::Closed => TrySendError::Closed(()),
        })?;
        Ok(Room { permit: self.events.try_reserve()?, place })
    }

    /// Waits for room for an event like this. None: nobody wants it any more.
    pub(super) async fn reserve(&self, event: &Event) -> Option<Room<'_>> {
        let place = if is_bulk(event) { Arc::clone(&self.share.0).acquire_owned().await.ok() } else { None };
        Some(Room { permit: self.events.reserve().await.ok()?, place })
    }
}

impl Room<'_> {
    pub(super) fn send(self, event: Event) {
        self.permit.send(Delivery { event, _place: self.place });
    }
}

/// Sessions that come and go are few; what they say is not.
const fn is_bulk(event: &Event) -> bool {
    matches!(event, Event::Routes { .. })
}

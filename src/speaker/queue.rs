//! The way from sessions to the observer: bounded, and fair to every peer.
//!
//! One channel keeps the order of what one session says. Of each peer it holds a few reads at most: one that
//! never pauses fills its own share, and all others find the way as short as it is without it. And of each
//! peer, one session is told of at a time: none begins before the end of the former one is told.

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

impl Delivery {
    /// With a place that it takes until it is dropped.
    pub(super) const fn at(place: OwnedSemaphorePermit, event: Event) -> Self {
        Self { event, _place: Some(place) }
    }
}

/// Without a place in anybody's share.
impl From<Event> for Delivery {
    fn from(event: Event) -> Self {
        Self { event, _place: None }
    }
}

/// What one peer may have waiting.
#[derive(Clone, Debug)]
pub(super) struct Share {
    reads: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// Held by the session of a peer that the observer was told of, and not of its end.
pub(super) type Turn = OwnedSemaphorePermit;

impl Default for Share {
    fn default() -> Self {
        Self { reads: Arc::new(Semaphore::new(SHARE)), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Share {
    #[cfg(test)]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reads, &other.reads) && Arc::ptr_eq(&self.turn, &other.turn)
    }

    /// Where an event like this needs a place besides that in the channel.
    fn places(&self, event: &Event) -> Option<Arc<Semaphore>> {
        match event {
            Event::Routes { .. } => Some(Arc::clone(&self.reads)),
            Event::Established(_) => Some(Arc::clone(&self.turn)),
            Event::Closed(_) | Event::Refused(_) | Event::Unsigned(_) => None,
        }
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
        let place = self.share.places(event).map(Semaphore::try_acquire_owned);
        let place = place.transpose().map_err(|error| match error {
            TryAcquireError::NoPermits => TrySendError::Full(()),
            TryAcquireError::Closed => TrySendError::Closed(()),
        })?;
        Ok(Room { permit: self.events.try_reserve()?, place })
    }

    /// Waits for room for an event like this. None: nobody wants it any more.
    pub(super) async fn reserve(&self, event: &Event) -> Option<Room<'_>> {
        let place = match self.share.places(event) {
            Some(places) => places.acquire_owned().await.ok(),
            None => None,
        };
        Some(Room { permit: self.events.reserve().await.ok()?, place })
    }
}

impl Room<'_> {
    /// Sends it; what comes back is to be kept until the session's end was sent.
    #[must_use]
    pub(super) fn send(self, event: Event) -> Option<Turn> {
        let (place, turn) = match event {
            Event::Established(_) => (None, self.place),
            Event::Routes { .. } | Event::Closed(_) | Event::Refused(_) | Event::Unsigned(_) => {
                (self.place, None)
            }
        };
        self.permit.send(Delivery { event, _place: place });
        turn
    }
}

//! Tells the observer who was refused: as much as it takes in passing, and never at anybody's cost.
//!
//! Whoever connects again and again, or from very many addresses, takes neither memory nor time of a session:
//! nothing is remembered of an address but when one like it was told of, and few reports are under way.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::{Delivery, Event, PeerId};
use crate::time::Timestamp;

/// How often one peer is told of: nodes come again after two seconds or more.
const EVERY: Duration = Duration::from_secs(1);
/// How many peers are told apart: of those who share a place, one is told of at a time.
const PLACES: usize = 1024;
/// How many reports the observer has not taken in: few of what its queue holds.
const UNDER_WAY: usize = 16;

/// The way of refusals to the observer.
#[derive(Debug)]
pub(super) struct Herald {
    events: mpsc::Sender<Delivery>,
    under_way: Arc<Semaphore>,
    /// When somebody with this place was told of, in microseconds.
    told: Box<[AtomicU64]>,
    hasher: RandomState,
    untold: AtomicU64,
}

impl Herald {
    pub(super) fn new(events: mpsc::Sender<Delivery>) -> Self {
        Self {
            events,
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
            told: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            untold: AtomicU64::new(0),
        }
    }

    /// Whether it is time to tell of `peer` again; then it is not for a while.
    pub(super) fn admits(&self, peer: &PeerId, now: Timestamp) -> bool {
        let place = self.hasher.hash_one(peer) % PLACES as u64;
        let Some(told) = usize::try_from(place).ok().and_then(|place| self.told.get(place)) else {
            return false;
        };
        let admits = now.since(Timestamp::from_micros(told.load(Relaxed))) >= EVERY;
        if admits {
            told.store(now.as_micros(), Relaxed);
        }
        admits
    }

    /// Tells of it, unless there is no room: then it is counted.
    pub(super) fn tell(&self, event: Event) {
        let place = Arc::clone(&self.under_way).try_acquire_owned();
        match (place, self.events.try_reserve()) {
            (Ok(place), Ok(room)) => room.send(Delivery::at(place, event)),
            _ => _ = self.untold.fetch_add(1, Relaxed),
        }
    }

    /// How many reports there was no room for.
    pub(super) fn untold(&self) -> u64 {
        self.untold.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::speaker::Unsigned;
    use crate::speaker::md5::Signature;

    fn peer(number: u32) -> PeerId {
        PeerId { leaf: "a".into(), address: Ipv4Addr::from(number).into() }
    }

    #[test]
    fn a_peer_is_told_of_once_in_a_while_and_many_do_not_take_memory() {
        let (events, _received) = mpsc::channel(1);
        let herald = Herald::new(events);
        let start = Timestamp::from_micros(1_763_760_000_000_000);
        assert!(herald.admits(&peer(1), start));
        assert!(!herald.admits(&peer(1), start.after(EVERY / 2)));
        assert!(herald.admits(&peer(1), start.after(EVERY)), "being refused meanwhile does not count");
        let later = start.after(EVERY * 2);
        let admitted = (0..100_000).filter(|number| herald.admits(&peer(*number), later)).count();
        assert_eq!(admitted, PLACES, "those at one moment");
    }

    #[test]
    fn few_are_under_way_and_the_rest_is_counted() {
        let (events, mut received) = mpsc::channel(UNDER_WAY * 2);
        let herald = Herald::new(events.clone());
        let event =
            Unsigned { leaf: None, at: Timestamp::default(), signature: Signature::Wrong, segments: 1 };
        let tell = || herald.tell(Event::Unsigned(event.clone()));
        (0..UNDER_WAY + 3).for_each(|_| tell());
        assert_eq!((received.len(), herald.untold()), (UNDER_WAY, 3));
        drop(received.try_recv());
        tell();
        assert_eq!((received.len(), herald.untold()), (UNDER_WAY, 3));

        let full: Vec<_> = events.try_reserve_many(UNDER_WAY).unwrap().collect();
        while received.try_recv().is_ok() {}
        let rest: Vec<_> = events.try_reserve_many(UNDER_WAY).unwrap().collect();
        tell();
        assert_eq!(herald.untold(), 4, "a full queue does not keep anybody");
        drop((full, rest));
    }
}

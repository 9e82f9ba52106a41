//! What happened, in order: a ring that readers follow at their own pace.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::view::Event;

/// The last 10,000 events. A reader that falls further behind misses the oldest, and can see that it did
/// from their identifiers, which have no gaps. The writer never waits.
#[derive(Debug)]
pub struct EventLog {
    ring: Mutex<VecDeque<Arc<Event>>>,
    last: watch::Sender<u64>,
}

impl EventLog {
    /// How many events are kept.
    pub const CAPACITY: usize = 10_000;

    pub(super) fn new() -> Self {
        Self { ring: Mutex::default(), last: watch::Sender::new(0) }
    }

    /// The identifier of the newest event; 0 before the first, which is 1.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// At most `limit` events newer than `id`, oldest first.
    pub fn since(&self, id: u64, limit: usize) -> Vec<Arc<Event>> {
        let ring = self.ring();
        let start = ring.partition_point(|event| event.id <= id);
        ring.range(start..).take(limit).cloned().collect()
    }

    /// The newest `limit` events, oldest first.
    pub fn newest(&self, limit: usize) -> Vec<Arc<Event>> {
        let ring = self.ring();
        ring.range(ring.len().saturating_sub(limit)..).cloned().collect()
    }

    /// Waits until there is an event newer than `id`; `false`: there will be none, the observer is gone.
    pub async fn newer_than(&self, id: u64) -> bool {
        self.last.subscribe().wait_for(|last| *last > id).await.is_ok()
    }

    /// Appends what happened and gives it its place in the sequence.
    pub fn append(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.ring();
        let mut last = self.last();
        for mut event in events {
            last += 1;
            event.id = last;
            if ring.len() == Self::CAPACITY {
                ring.pop_front();
            }
            ring.push_back(Arc::new(event));
        }
        // Who else appends must not take the same places.
        self.last.send_if_modified(|id| std::mem::replace(id, last) != last);
        drop(ring);
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn event(text: &str) -> Event {
        let at = Timestamp::default();
        let kind = "peer_up".to_owned();
        Event { at, kind, text: text.to_owned(), ..Event::default() }
    }

    #[test]
    fn numbers_events_without_gaps_and_keeps_the_newest() {
        let log = EventLog::new();
        log.append((0..EventLog::CAPACITY + 5).map(|n| event(&n.to_string())));
        assert_eq!(log.last(), 10_005);
        let oldest = log.since(0, 1);
        assert_eq!((oldest[0].id, oldest[0].text.as_str()), (6, "5"));
        let ids: Vec<u64> = log.since(10_003, 100).iter().map(|event| event.id).collect();
        assert_eq!(ids, [10_004, 10_005]);
        assert_eq!(log.newest(1)[0].id, 10_005);
        assert!(log.since(10_005, 100).is_empty());
        assert!(log.since(u64::MAX, 100).is_empty());
    }

    #[tokio::test]
    async fn wakes_a_reader_when_there_is_more() {
        let log = Arc::new(EventLog::new());
        let reader = Arc::clone(&log);
        let (newer, ()) = tokio::join!(reader.newer_than(1), async {
            log.append([event("one")]);
            log.append([event("two")]);
        });
        assert!(newer);
        assert_eq!(log.last(), 2);
    }
}

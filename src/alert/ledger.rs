//! What one Alertmanager was sent, and what it is to be sent next.

use std::collections::HashMap;
use std::time::Duration;

use super::board::Entry;
use super::notice::Labels;
use crate::time::Timestamp;

/// What one Alertmanager was sent.
#[derive(Debug)]
pub(super) struct Ledger {
    resend: Duration,
    sent: HashMap<Labels, Sent>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Timestamp,
    over: bool,
}

impl Ledger {
    pub(super) fn new(resend: Duration) -> Self {
        Self { resend, sent: HashMap::new() }
    }

    /// At most `most` of what is to be sent now, what changed first.
    pub(super) fn due(&self, entries: &[Entry], most: usize, now: Timestamp) -> Vec<Entry> {
        let mut due: Vec<_> = entries.iter().filter(|entry| self.when(entry) <= now).collect();
        due.sort_by_key(|entry| self.when(entry));
        due.into_iter().take(most).cloned().collect()
    }

    /// When something is to be sent, if nothing changes.
    pub(super) fn next(&self, entries: &[Entry]) -> Option<Timestamp> {
        entries.iter().map(|entry| self.when(entry)).min()
    }

    /// The epoch: at once.
    fn when(&self, entry: &Entry) -> Timestamp {
        match self.sent.get(&entry.alert.labels) {
            Some(sent) if sent.over == entry.over.is_some() => sent.at.after(self.resend),
            Some(_) | None => Timestamp::default(),
        }
    }

    /// How many of `entries` it does not hold as they are.
    pub(super) fn owed(&self, entries: &[Entry]) -> usize {
        entries.iter().filter(|entry| self.when(entry) == Timestamp::default()).count()
    }

    /// These were sent, and taken or refused for good.
    pub(super) fn note(&mut self, sent: &[Entry], now: Timestamp) {
        for Entry { alert, over } in sent {
            self.sent.insert(alert.labels.clone(), Sent { at: now, over: over.is_some() });
        }
    }

    /// Forgets what is on no board any more.
    pub(super) fn keep(&mut self, entries: &[Entry]) {
        if self.sent.len() > entries.len() {
            let on: std::collections::HashSet<_> = entries.iter().map(|entry| &entry.alert.labels).collect();
            self.sent.retain(|labels, _| on.contains(labels));
        }
    }
}

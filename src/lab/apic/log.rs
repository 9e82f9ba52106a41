//! What was asked: counted, and the last requests word by word.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::tree::Change;
use crate::time::Timestamp;

/// What was asked since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests of any kind, except those to knobs.
    pub requests: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Refreshes that succeeded.
    pub refreshes: u64,
    /// GETs of objects, by the class that they named or of the object that they named.
    pub reads: BTreeMap<String, u64>,
    /// POSTs and DELETEs, by method and class of the outermost object: `POST l3extOut`.
    pub writes: BTreeMap<String, u64>,
    /// Objects that writes changed, by class and what became of them: `l3extSubnet created`.
    pub changes: BTreeMap<String, u64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that met trouble on order.
    pub troubled: u64,
}

impl Counters {
    /// All GETs of objects.
    pub fn all_reads(&self) -> u64 {
        self.reads.values().sum()
    }

    /// All POSTs and DELETEs of objects, whatever came of them.
    pub fn all_writes(&self) -> u64 {
        self.writes.values().sum()
    }

    /// How many objects of a class were `created`, `modified` or `deleted`.
    pub fn changed(&self, class: &str, what: &str) -> u64 {
        self.changes.get(&format!("{class} {what}")).copied().unwrap_or_default()
    }

    pub(super) fn read(&mut self, class: &str) {
        count(&mut self.reads, class.to_owned());
    }

    pub(super) fn write(&mut self, method: &str, class: &str) {
        count(&mut self.writes, format!("{method} {class}"));
    }

    pub(super) fn change(&mut self, changes: &[Change]) {
        for change in changes {
            count(&mut self.changes, format!("{} {}", change.class, change.what.name()));
        }
    }
}

/// Names in one map; clients make names up.
const MAX_NAMES: usize = 1000;

fn count(map: &mut BTreeMap<String, u64>, name: String) {
    let name = if map.len() < MAX_NAMES || map.contains_key(&name) { name } else { "others".to_owned() };
    *map.entry(name).or_default() += 1;
}

/// A request, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it was answered, by the simulator's clock.
    pub at: Timestamp,
    /// The controller that was asked, from 1.
    pub controller: usize,
    /// The method.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// The body, at most its first 256 KiB; none of a login.
    pub body: String,
    /// The status of the answer; none if the connection ended without.
    pub status: Option<u16>,
}

/// The last requests.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    octets: usize,
}

/// Entries at once.
const MAX_ENTRIES: usize = 1000;

/// Octets of all bodies and targets at once.
const MAX_OCTETS: usize = 16 << 20;

/// Octets of one body.
pub(super) const MAX_BODY: usize = 256 << 10;

impl Log {
    pub(super) fn add(&mut self, entry: Entry) {
        self.octets += size(&entry);
        self.entries.push_back(entry);
        while self.entries.len() > MAX_ENTRIES || self.octets > MAX_OCTETS {
            let Some(first) = self.entries.pop_front() else { break };
            self.octets -= size(&first);
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn size(entry: &Entry) -> usize {
    entry.body.len() + entry.target.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_in_entries_and_octets() {
        let entry = |body: String| Entry {
            at: Timestamp::default(),
            controller: 1,
            method: "POST".to_owned(),
            target: String::new(),
            body,
            status: None,
        };
        let mut log = Log::default();
        (0..1500).for_each(|number| log.add(entry(number.to_string())));
        assert_eq!(log.entries().len(), MAX_ENTRIES);
        assert_eq!(log.entries()[0].body, "500");
        (0..100).for_each(|_| log.add(entry("x".repeat(MAX_BODY))));
        assert_eq!(log.entries().len(), MAX_OCTETS / MAX_BODY);
    }
}

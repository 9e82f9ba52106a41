//! What others find wrong: each says all of it each time, and what it says no more is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Reported;
use super::core::Core;
use super::findings::{Key, Kind};
use crate::time::Timestamp;

/// How much one may report at once, and how many may report.
pub(super) const MOST: usize = 1_000;
const MOST_SOURCES: usize = 100;

/// What is reported now, by whom.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reports(BTreeMap<Arc<str>, BTreeMap<Key, Reported>>);

impl Reports {
    /// Whether anybody reports it.
    fn has(&self, key: &Key) -> bool {
        self.0.values().any(|found| found.contains_key(key))
    }

    /// The APICs that are down according to who reports this, too.
    pub(super) fn down_beside<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Key> {
        let beside = self.0.values().filter(|found| found.contains_key(key));
        beside.flat_map(BTreeMap::keys).filter(|key| key.kind() == Kind::ApicDown)
    }
}

impl Core {
    /// Takes over all that `source` finds wrong.
    pub(super) fn report(&mut self, source: &Arc<str>, found: Vec<Reported>, now: Timestamp) {
        let reports = &mut self.reports;
        if !reports.0.contains_key(source) && reports.0.len() >= MOST_SOURCES {
            return;
        }
        let keyed = found.into_iter().take(MOST).filter_map(|found| Some((Key::reported(&found)?, found)));
        let found: BTreeMap<_, _> = keyed.collect();
        let former = reports.0.insert(Arc::clone(source), found.clone()).unwrap_or_default();
        for key in former.keys().filter(|key| !self.reports.has(key)) {
            self.findings.clear(key, now);
        }
        for (key, found) in found {
            if former.get(&key) != Some(&found) || !self.findings.has(&key) {
                self.findings.report(key, &found, now);
            }
        }
    }
}

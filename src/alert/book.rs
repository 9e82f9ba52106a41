//! What everybody is to be told, kept from one look at the findings to the next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::notice::Notice;
use crate::observer::view::Finding;
use crate::time::Timestamp;

/// What fires, by the identity of its finding.
#[derive(Debug, Default)]
pub(super) struct Book {
    firing: BTreeMap<String, Arc<Notice>>,
    /// When findings were last looked at.
    looked: Option<Timestamp>,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It opened, or nobody mutes it any longer.
    Firing,
    /// It is over, or somebody mutes it: the finding says which.
    Resolved,
}

impl Event {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Something became of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) event: Event,
    pub(super) notice: Arc<Notice>,
    /// When.
    pub(super) at: Timestamp,
}

impl Book {
    /// What fires, in the order of identities.
    pub(super) fn firing(&self) -> impl Iterator<Item = &Arc<Notice>> {
        self.firing.values()
    }

    /// What is to be told, given all findings as they were at `now` or later: what opened first, then what is over.
    pub(super) fn take(&mut self, findings: &[Finding], now: Timestamp) -> Vec<Change> {
        let looked = self.looked.replace(now);
        let mut before = std::mem::take(&mut self.firing);
        let (mut opened, mut over, mut quiet) = (Vec::new(), Vec::new(), HashMap::new());
        for finding in findings {
            match before.remove(&finding.id) {
                Some(notice) if finding.is_told() => {
                    let notice = if notice.finding == *finding {
                        notice
                    } else {
                        Arc::new(Notice::of(finding.clone(), notice.fired))
                    };
                    self.firing.insert(finding.id.clone(), notice);
                }
                Some(notice) => {
                    quiet.insert(finding.id.as_str(), finding);
                    before.insert(finding.id.clone(), notice);
                }
                None => {
                    let Some(at) = finding.opened else { continue };
                    // What opened long ago was muted meanwhile.
                    let lately = looked.is_none_or(|looked| at >= looked);
                    let notice = || Arc::new(Notice::of(finding.clone(), if lately { at } else { now }));
                    if finding.is_told() {
                        let notice = notice();
                        opened.push(Change {
                            event: Event::Firing,
                            at: notice.fired,
                            notice: Arc::clone(&notice),
                        });
                        self.firing.insert(finding.id.clone(), notice);
                    } else if let Some(resolved) = finding.resolved
                        && lately
                        && looked.is_some()
                        && finding.muted.is_none()
                    {
                        let notice = notice();
                        opened.push(Change { event: Event::Firing, at, notice: Arc::clone(&notice) });
                        over.push(Change { event: Event::Resolved, at: resolved, notice });
                    }
                }
            }
        }
        for (id, notice) in before {
            let last = quiet.get(id.as_str());
            let at = last.and_then(|finding| finding.resolved).unwrap_or(now);
            let notice = last.map_or_else(
                || Arc::clone(&notice),
                |finding| Arc::new(Notice::of((*finding).clone(), notice.fired)),
            );
            over.push(Change { event: Event::Resolved, notice, at });
        }
        opened.sort_by_key(|change| change.at);
        over.sort_by_key(|change| change.at);
        opened.append(&mut over);
        opened
    }
}

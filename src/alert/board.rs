//! What Alertmanagers are to hold: what fires, so much of it as they are given, and what fired lately.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::notice::{Alert, Labels, Notice};
use crate::time::Timestamp;

/// How many findings are pushed one by one.
pub const MOST: usize = 200;
/// How long what is over is told.
pub(super) const TOLD: Duration = Duration::from_mins(5);
/// How much that is over is told.
const MOST_OVER: usize = 1_000;

/// An alert, and when it was over, if it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) alert: Arc<Alert>,
    pub(super) over: Option<Timestamp>,
}

/// What Alertmanagers are to hold.
#[derive(Debug, Default)]
pub(super) struct Board {
    firing: BTreeMap<Labels, Arc<Alert>>,
    over: BTreeMap<Labels, (Arc<Alert>, Timestamp)>,
    /// Since when there is more than is pushed.
    more_since: Option<Timestamp>,
}

impl Board {
    /// Takes over what fires now.
    pub(super) fn set<'a>(&mut self, notices: impl Iterator<Item = &'a Arc<Notice>>, now: Timestamp) {
        let mut ranked: Vec<_> = notices.collect();
        ranked.sort_by_key(|notice| {
            (Reverse(rank(&notice.finding.severity)), notice.fired, &notice.finding.id)
        });
        let unpushed: BTreeSet<&Labels> = ranked.iter().skip(MOST).map(|notice| &notice.labels).collect();
        let mut firing: BTreeMap<_, _> =
            ranked.iter().take(MOST).map(|notice| (notice.labels.clone(), self.alert(notice))).collect();
        match ranked.get(MOST) {
            None => self.more_since = None,
            Some(worst) => {
                let since = *self.more_since.get_or_insert(now);
                let more = Alert::more(ranked.len() - MOST, &worst.finding.severity, since);
                firing.insert(more.labels.clone(), more);
            }
        }
        for (labels, alert) in std::mem::take(&mut self.firing) {
            // What others displace is not over: it is not pushed again, and runs out.
            if !firing.contains_key(&labels) && !unpushed.contains(&labels) {
                self.over.insert(labels, (alert, now));
            }
        }
        self.over.retain(|labels, _| !firing.contains_key(labels));
        self.firing = firing;
        self.expire(now);
    }

    /// The same alert again while nothing of it is another.
    fn alert(&self, notice: &Notice) -> Arc<Alert> {
        let alert = Alert::of(notice);
        self.firing.get(&notice.labels).filter(|former| ***former == *alert).map_or(alert, Arc::clone)
    }

    /// Forgets what was over long ago; answers whether there was any.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.over.len();
        self.over.retain(|_, (_, over)| over.after(TOLD) > now);
        while self.over.len() > MOST_OVER {
            let oldest =
                self.over.iter().min_by_key(|(_, (_, over))| *over).map(|(labels, _)| labels.clone());
            oldest.map(|labels| self.over.remove(&labels));
        }
        self.over.len() < before
    }

    /// All of it.
    pub(super) fn entries(&self) -> Arc<[Entry]> {
        let firing = self.firing.values().map(|alert| Entry { alert: Arc::clone(alert), over: None });
        let over = self.over.values().map(|(alert, at)| Entry { alert: Arc::clone(alert), over: Some(*at) });
        firing.chain(over).collect()
    }

    /// What fires.
    pub(super) fn firing(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.firing.values()
    }
}

/// How bad, as a number.
pub(super) fn rank(severity: &str) -> u8 {
    match severity {
        "critical" => 2,
        "warning" => 1,
        _ => 0,
    }
}

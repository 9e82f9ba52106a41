//! What is written by one request at a time: an L3Out, or a redirect policy.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::dn::Container;
use super::super::reading::{FoundContainer, Scope};
use super::super::rule::RuleId;
use super::entry::{Entry, Key};
use super::{Engine, LONGEST, WINDOW};
use crate::config::model;
use crate::time::Timestamp;

/// How long nothing is written before what was written is read back.
const QUIET: Duration = Duration::from_secs(5);
/// How long after a comparison its slot is believed when something is deleted.
const FRESH: Duration = Duration::from_secs(30);
/// How long after the first write it is read back at the latest.
const READ_BACK: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Additions, changes and moves that no brake holds.
    pub(super) ready: BTreeSet<Key>,
    /// Deletes, held or not.
    pub(super) deletes: BTreeSet<Key>,
    /// Additions and changes that must wait.
    pub(super) blocked: BTreeSet<Key>,
    /// Halves of what was refused as a whole, to be sent as they stand.
    pub(super) halves: VecDeque<Vec<Key>>,
    /// EEPGs and policies that are to be made alone, to see whether it is they that are refused.
    pub(super) alone: VecDeque<Arc<Container>>,
    first_change: Option<Timestamp>,
    last_change: Option<Timestamp>,
    /// Nothing is sent before.
    pub(super) retry_at: Option<Timestamp>,
    /// When deletes are looked at next; none: with the next comparison.
    pub(super) deletes_at: Option<Timestamp>,
    /// When what had to wait is looked at again.
    looks_at: Option<Timestamp>,
    /// Since when it is not known what a request did: nothing is sent before it was compared.
    pub(super) uncertain: Option<Timestamp>,
    /// The last request met what was not expected there, and it was looked at since.
    pub(super) surprised: bool,
    /// When it is to be compared for itself.
    pub(super) compare_at: Option<Timestamp>,
    /// The first write that was not read back.
    unread_since: Option<Timestamp>,
    /// When the comparison began that its content was last taken from.
    pub(super) compared: Option<Timestamp>,
    /// Until when that is believed if something is to be deleted.
    fresh_until: Timestamp,
    /// Members of ours that are there.
    pub(super) ours: usize,
    /// When which entry lost its routes and did not get them back, within the window of `mass_withdraw`.
    pub(super) losses: BTreeSet<(Timestamp, Key)>,
    pub(super) hold: Option<MassHold>,
    /// When what was deleted, within ten minutes.
    pub(super) deleted: VecDeque<Timestamp>,
}

/// Too many members lost their routes at once.
#[derive(Debug)]
pub(super) struct MassHold {
    /// When the last one joined.
    pub(super) last: Timestamp,
    pub(super) keys: BTreeSet<Key>,
    /// How many there were at first, of how many members.
    pub(super) lost: usize,
    pub(super) of: usize,
}

/// What we know of an EEPG or a redirect policy.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// None: it is not there.
    pub(super) found: Option<FoundContainer>,
    /// The rule that routes want members here by, or that names it.
    pub(super) rule: Option<RuleId>,
    /// It was looked for.
    pub(super) compared: bool,
    /// Members that routes want here.
    pub(super) wanted: usize,
    /// Members of ours.
    pub(super) ours: usize,
    /// Members of others.
    pub(super) foreign: usize,
    /// Since when it is ours and empty.
    pub(super) empty_since: Option<Timestamp>,
    pub(super) approved: bool,
    pub(super) written: Option<Timestamp>,
    /// What the APIC said when it was to be made, how often in a row, and when it is tried again.
    pub(super) refused: Option<(String, u32, Timestamp)>,
}

impl Slot {
    /// Something is to be sent.
    pub(super) fn changed(&mut self, now: Timestamp) {
        self.first_change.get_or_insert(now);
        self.last_change = Some(now);
    }

    /// What gathered is sent now.
    pub(super) fn begin(&mut self) {
        (self.first_change, self.last_change) = (None, None);
    }

    /// When there may be something to send: at once what fills a request of `batch` members, for nothing that
    /// comes later would go with it.
    pub(super) fn due(&self, batch: usize) -> Option<Timestamp> {
        if self.uncertain.is_some() {
            return None;
        }
        let window = self.last_change.map(|last| last.after(WINDOW));
        let longest = self.first_change.map(|first| first.after(LONGEST));
        let full = (self.ready.len() >= batch).then(Timestamp::default);
        let gathered = [window, longest, full].into_iter().flatten().min().filter(|_| !self.ready.is_empty());
        let halves = (!self.halves.is_empty() || !self.alone.is_empty()).then(Timestamp::default);
        let deletes = self.deletes_at;
        let looks = self.looks_at.filter(|_| !self.blocked.is_empty());
        let due = [gathered, halves, deletes, looks].into_iter().flatten().min()?;
        Some(self.retry_at.map_or(due, |retry| due.max(retry)))
    }

    /// Whether additions may be sent now, or are still gathering.
    pub(super) fn has_gathered(&self, batch: usize, now: Timestamp) -> bool {
        let window = self.last_change.is_none_or(|last| last.after(WINDOW) <= now);
        self.ready.len() >= batch
            || window
            || self.first_change.is_none_or(|first| first.after(LONGEST) <= now)
    }

    /// A request was answered: what it did is read back by and by.
    pub(super) fn read_back(&mut self, now: Timestamp) {
        let first = *self.unread_since.get_or_insert(now);
        self.compare_at = Some(now.after(QUIET).min(first.after(READ_BACK)));
    }

    /// Its content was read by a comparison that began at `begun`.
    pub(super) fn was_compared(&mut self, begun: Timestamp, now: Timestamp) {
        self.compared = Some(begun);
        self.fresh_until = now.after(FRESH);
        self.deletes_at = Some(begun);
        if self.uncertain.is_some_and(|since| since >= begun) {
            // It began too early to know.
            return;
        }
        self.uncertain = None;
        if self.unread_since.is_some_and(|since| since <= begun) {
            self.unread_since = None;
            self.compare_at = None;
        }
    }

    /// Whether it was compared a moment ago: nothing is deleted by what is only remembered.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.compared.is_some() && self.fresh_until > now
    }

    /// What had to wait is to be looked at again at this time.
    pub(super) fn look_again(&mut self, at: Timestamp) {
        self.looks_at = Some(self.looks_at.map_or(at, |other| other.min(at)));
    }

    pub(super) fn looks_again(&self, now: Timestamp) -> bool {
        self.looks_at.is_some_and(|at| at <= now)
    }

    pub(super) const fn looked(&mut self) {
        self.looks_at = None;
    }

    pub(super) fn take_out(&mut self, key: &Key) {
        self.ready.remove(key);
        self.deletes.remove(key);
        self.blocked.remove(key);
    }
}

impl Scope {
    /// What a request that changes `container` occupies.
    pub(super) fn slot(container: &Arc<Container>) -> Self {
        match &**container {
            Container::Eepg { l3out, .. } => Self::L3out(l3out.clone()),
            Container::Policy { .. } => Self::Policy(Arc::clone(container)),
        }
    }
}

impl Held {
    /// Whether both our marks are on it.
    pub(super) fn is_ours(&self, owner: &str) -> bool {
        let found = self.found.as_ref();
        found.is_some_and(|found| {
            found.annotated && found.mark.as_ref().is_some_and(|mark| *mark.owner == *owner)
        })
    }
}

impl Engine {
    pub(super) fn slot(&mut self, scope: &Scope) -> &mut Slot {
        if !self.slots.contains_key(scope) {
            self.slots.insert(scope.clone(), Slot::default());
        }
        self.slots.entry(scope.clone()).or_default()
    }

    /// The rule by which there are members, or that names it.
    pub(super) fn rule_of(&self, container: &Arc<Container>) -> Option<RuleId> {
        self.containers.get(container)?.rule
    }

    pub(super) fn of_eepg(&self, container: &Arc<Container>) -> Option<&model::Eepg> {
        self.rules.eepg(self.rule_of(container)?)
    }

    pub(super) fn of_policy(&self, container: &Arc<Container>) -> Option<&model::Redirect> {
        self.rules.redirect(self.rule_of(container)?)
    }

    pub(super) fn held(&mut self, container: &Arc<Container>) -> &mut Held {
        self.containers.entry(Arc::clone(container)).or_default()
    }

    /// Keeps the count of what routes want in each container.
    pub(super) fn count_wanted(&mut self, former: Option<&Arc<Container>>, now: Option<&Arc<Container>>) {
        if former == now {
            return;
        }
        if let Some(held) = former.and_then(|container| self.containers.get_mut(container)) {
            held.wanted = held.wanted.saturating_sub(1);
        }
        if let Some(container) = now {
            self.held(container).wanted += 1;
        }
    }

    /// Keeps the count of what is in each container.
    pub(super) fn count_seen(&mut self, entry: &Entry, more: bool) {
        let change = |count: &mut usize| *count = if more { *count + 1 } else { count.saturating_sub(1) };
        let owner = Arc::clone(&self.identity.name);
        for seen in &entry.seen {
            let ours = seen.is_of(&owner);
            let held = self.held(&seen.container);
            change(if ours { &mut held.ours } else { &mut held.foreign });
            if ours {
                change(&mut self.slot(&Scope::slot(&seen.container)).ours);
            }
        }
    }
}

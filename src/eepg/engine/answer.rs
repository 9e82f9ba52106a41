//! Answers: what became of a request, and what that means.

use std::sync::Arc;
use std::time::Duration;

use super::super::body::wanted_digest;
use super::super::dn::Container;
use super::super::mark::Mark;
use super::super::reading::{FoundContainer, Scope, Seen};
use super::super::rule::RuleId;
use super::entry::{Key, Todo};
use super::write::{InFlight, Unit};
use super::{Engine, Outcome};
use crate::time::Timestamp;

/// What the APIC says of an object that is not there, and of one that is.
const ABSENT: &str = "102";
const EXISTS: &str = "103";
/// What the APIC refused is tried again after this, twice as long each time, an hour at most.
const TRY_AGAIN: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

impl Engine {
    /// What became of a request.
    pub fn answered(&mut self, id: u64, outcome: Outcome, now: Timestamp) {
        let Some(batch) = self.in_flight.remove(&id) else { return };
        if outcome != Outcome::Done {
            self.give_back(&batch);
        }
        match outcome {
            Outcome::Done => {
                self.denied = None;
                self.done(&batch, now);
            }
            Outcome::Refused { code, text } => {
                self.uncount_deletes(&batch);
                if !self.is_surprised(&batch, &code, now) {
                    self.refused(&batch, &code, &text, now);
                }
            }
            Outcome::TooLarge => {
                self.uncount_deletes(&batch);
                self.refused(&batch, "413", "the request is too large, with this one change alone", now);
            }
            Outcome::Again(wait) => self.uncertain(&batch, now.after(wait), now),
            Outcome::Denied(text) => {
                self.denied = Some(text);
                self.uncertain(&batch, now.after(TRY_AGAIN), now);
            }
        }
        for key in &batch.keys {
            self.settle(*key, now);
        }
        let slots: Vec<Scope> = batch.slots.iter().cloned().collect();
        for scope in slots {
            self.unblock(&scope, now);
        }
    }

    fn give_back(&mut self, batch: &InFlight) {
        for unit in &batch.units {
            if let Some(entry) = self.entries.get_mut(&unit.key) {
                entry.changed = entry.changed.into_iter().chain(unit.changed).min();
            }
        }
    }

    fn done(&mut self, batch: &InFlight, now: Timestamp) {
        for (container, rule, mark) in &batch.makes {
            self.made(container, *rule, mark, now);
        }
        for container in &batch.unmakes {
            let held = self.held(container);
            (held.found, held.empty_since, held.approved, held.written) = (None, None, false, Some(now));
            self.count_change(container, "delete", "success");
        }
        for unit in &batch.units {
            self.done_unit(unit, now);
        }
        for scope in &batch.slots {
            let slot = self.slot(scope);
            slot.surprised = false;
            slot.read_back(now);
        }
    }

    fn made(&mut self, container: &Arc<Container>, rule: RuleId, mark: &Mark, now: Timestamp) {
        let (mut provides, mut consumes) = Default::default();
        if let Some(rule) = self.rules.eepg(rule) {
            provides = rule.contracts.provide.iter().map(ToString::to_string).collect();
            consumes = rule.contracts.consume.iter().map(ToString::to_string).collect();
        }
        let held = self.held(container);
        let is_new = held.found.is_none();
        let found = held.found.get_or_insert_with(FoundContainer::default);
        found.annotated = true;
        found.mark = Some(mark.clone());
        found.provides.append(&mut provides);
        found.consumes.append(&mut consumes);
        (held.refused, held.written) = (None, Some(now));
        if is_new && let Some(eepgs) = &mut self.eepgs {
            *eepgs += 1;
        }
        self.count_change(container, if is_new { "create" } else { "modify" }, "success");
    }

    fn done_unit(&mut self, unit: &Unit, now: Timestamp) {
        let Some(mut entry) = self.entries.remove(&unit.key) else { return };
        self.count_seen(&entry, false);
        let removed = &unit.todo.remove;
        entry.seen.retain(|seen| !(removed.contains(&seen.container) && seen.is_of(&self.identity.name)));
        for seen in entry.seen.iter_mut().filter(|seen| unit.todo.release.contains(&seen.container)) {
            (seen.annotated, seen.mark) = (false, None);
        }
        if let (Some(container), Some(put)) = (&unit.todo.put, &unit.put) {
            entry.seen.retain(|seen| seen.container != *container);
            entry.seen.push(Seen {
                container: Arc::clone(container),
                prefix: unit.key.1,
                annotated: true,
                mark: Some(put.mark.clone()),
                scope: self.scopes(put.rule).union(put.keep),
                text: wanted_digest(&self.rules, put.class, put.rule, &put.mark),
            });
        }
        if let Some(trouble) = &mut entry.trouble {
            trouble.refused = None;
            trouble.unsure.clear();
        }
        (entry.written, entry.drift, entry.adopted) = (Some(now), None, false);
        self.count_seen(&entry, true);
        self.entries.insert(unit.key, entry);
        if unit.todo.is_delete() {
            for container in removed {
                self.slot(&Scope::slot(container)).let_go(&unit.key);
            }
        }
        if let Some(container) = unit.todo.at() {
            self.count_change(container, unit.todo.operation(), "success");
        }
        self.note_emptiness(unit, now);
    }

    /// Since when containers are empty that may be ours to delete.
    fn note_emptiness(&mut self, unit: &Unit, now: Timestamp) {
        for container in unit.todo.all() {
            if let Some(held) = self.containers.get_mut(container) {
                held.note_emptiness(now);
            }
        }
    }

    pub(super) fn count_delete(&mut self, scope: &Scope, now: Timestamp) {
        self.deletes.push_back(now);
        self.slot(scope).deleted.push_back(now);
    }

    /// What was refused deleted nothing.
    fn uncount_deletes(&mut self, batch: &InFlight) {
        for scope in batch.units.iter().flat_map(Unit::deletes).chain(batch.unmakes.iter().map(Scope::slot)) {
            self.deletes.pop_back();
            self.slot(&scope).deleted.pop_back();
        }
    }

    fn count_change(&mut self, container: &Arc<Container>, operation: &'static str, result: &'static str) {
        *self.changes.entry((Arc::clone(container), operation, result)).or_default() += 1;
    }

    /// What it did is not known: nothing is sent there before it was looked at.
    fn uncertain(&mut self, batch: &InFlight, again: Timestamp, now: Timestamp) {
        for unit in &batch.units {
            if let Some(entry) = self.entries.get_mut(&unit.key) {
                entry.trouble().unsure = unit.todo.all().map(Scope::slot).collect();
            }
        }
        for scope in &batch.slots {
            let slot = self.slot(scope);
            slot.retry_at = Some(again);
            slot.compare_at = Some(again);
            slot.uncertain = Some(now);
        }
    }

    /// Whether something is there that we thought was not (103), or the other way round (102): what is there is
    /// looked at before anybody is to blame. Once in a row: what is refused all the same is refused.
    fn is_surprised(&mut self, batch: &InFlight, code: &str, now: Timestamp) -> bool {
        let calm = batch.slots.iter().all(|scope| self.slots.get(scope).is_some_and(|slot| !slot.surprised));
        if !calm || !matches!(code, ABSENT | EXISTS) {
            return false;
        }
        for scope in &batch.slots {
            let slot = self.slot(scope);
            // Nothing of it was done: whatever is read from now on will do.
            (slot.surprised, slot.compare_at, slot.uncertain) = (true, Some(now), Some(Timestamp::default()));
        }
        true
    }

    /// Halves go again for themselves, down to the one that is at fault.
    fn refused(&mut self, batch: &InFlight, code: &str, text: &str, now: Timestamp) {
        let Some(scope) = batch.slots.first().cloned() else { return };
        let said = if code.is_empty() { text.to_owned() } else { format!("{code}: {text}") };
        let keys: Vec<Key> = batch.units.iter().map(|unit| unit.key).collect();
        match (keys.as_slice(), batch.makes.as_slice(), batch.unmakes.as_slice()) {
            ([], makes, unmakes) => {
                for container in makes.iter().map(|(container, ..)| container).chain(unmakes) {
                    self.refuse_container(container, &said, now);
                }
            }
            (_, _, [_, ..]) => {
                // Those that are to go wait for the next turn, for themselves.
                self.slot(&scope).halves.push_back(keys);
                for container in &batch.unmakes {
                    self.held(container).refused = Some((said.clone(), 1, now.after(TRY_AGAIN)));
                }
            }
            ([_], [(container, ..)], _) => {
                // Is it the member, or what it is to stand in?
                self.slot(&scope).alone.push_back(Arc::clone(container));
            }
            ([key], [], _) => self.refuse(*key, &said, now),
            (keys, _, _) => {
                let (first, second) = keys.split_at(keys.len() / 2);
                let halves = &mut self.slot(&scope).halves;
                // The second first: what is put in front last comes out first.
                halves.push_front(second.to_vec());
                halves.push_front(first.to_vec());
            }
        }
    }

    fn refuse(&mut self, key: Key, said: &str, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let container = entry.todo.as_ref().and_then(|todo| todo.at().cloned());
        let operation = entry.todo.as_ref().map_or("modify", Todo::operation);
        let trouble = entry.trouble();
        let times = trouble.refused.as_ref().map_or(0, |(_, times, _)| *times).saturating_add(1);
        trouble.refused = Some((said.to_owned(), times, now.after(patience(times))));
        if let Some(container) = container {
            self.count_change(&container, operation, "error");
        }
    }

    fn refuse_container(&mut self, container: &Arc<Container>, said: &str, now: Timestamp) {
        let held = self.held(container);
        let times = held.refused.as_ref().map_or(0, |(_, times, _)| *times).saturating_add(1);
        held.refused = Some((said.to_owned(), times, now.after(patience(times))));
        self.count_change(container, "create", "error");
    }
}

/// How long what was refused so many times in a row waits.
fn patience(times: u32) -> Duration {
    TRY_AGAIN.saturating_mul(1 << times.saturating_sub(1).min(6)).min(LONGEST_WAIT)
}

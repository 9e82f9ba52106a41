//! Requests: what goes into one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::body::{Op, Scopes, request};
use super::super::dn::{Container, L3out};
use super::super::mark::Mark;
use super::super::reading::Scope;
use super::super::rule::RuleId;
use super::super::view;
use super::entry::{Key, Todo};
use super::{Batch, Engine};
use crate::policy::Class;
use crate::time::Timestamp;

/// How soon a slot is asked again that waits for another.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How often deletes are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A request whose answer is not there yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) slots: BTreeSet<Scope>,
    pub(super) keys: BTreeSet<Key>,
    pub(super) units: Vec<Unit>,
    added: Added,
    pub(super) makes: Vec<(Arc<Container>, RuleId, Mark)>,
    pub(super) unmakes: Vec<Arc<Container>>,
}

/// What is done about one entry.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) key: Key,
    pub(super) todo: Todo,
    /// Of a member that is made or mended.
    pub(super) put: Option<Put>,
    pub(super) changed: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Put {
    pub(super) rule: RuleId,
    pub(super) class: Class,
    pub(super) mark: Mark,
    pub(super) keep: Scopes,
}

impl Unit {
    /// Where it deletes.
    pub(super) fn deletes(&self) -> impl Iterator<Item = Scope> {
        self.todo.remove.iter().filter(|_| self.todo.is_delete()).map(Scope::slot)
    }
}

impl InFlight {
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }
}

/// What goes into a request.
impl Engine {
    /// The next request, if one may be sent now. Several may be under way, one for each L3Out or policy.
    pub fn batch(&mut self, now: Timestamp) -> Option<Batch> {
        if !self.may_write(now) {
            return None;
        }
        self.forget_old_deletes(now);
        let scopes: Vec<Scope> = self.slots.keys().cloned().collect();
        scopes.into_iter().find_map(|scope| {
            let due = self.slots.get(&scope)?.due(self.batch_size).is_some_and(|due| due <= now);
            if due && !self.is_busy(&scope) { self.fill_or_wait(&scope, now) } else { None }
        })
    }

    /// Who has nothing to send though it was due waits for somebody else, and asks again a little later.
    fn fill_or_wait(&mut self, scope: &Scope, now: Timestamp) -> Option<Batch> {
        let batch = self.fill(scope, now);
        let batch_size = self.batch_size;
        let slot = self.slots.get_mut(scope)?;
        if batch.is_none() && slot.due(batch_size).is_some_and(|due| due <= now) {
            slot.retry_at = Some(now.after(ASK_AGAIN));
        }
        batch
    }

    fn fill(&mut self, scope: &Scope, now: Timestamp) -> Option<Batch> {
        if self.slots.get(scope)?.looks_again(now) {
            self.unblock(scope, now);
        }
        self.slots.get_mut(scope)?.retry_at = None;
        if let Some(container) = self.slots.get_mut(scope)?.alone.pop_front() {
            return self.send_alone(scope, &container, now);
        }
        let half = self.slots.get_mut(scope)?.halves.pop_front();
        if let Some(keys) = half {
            let keys = self.of_half(scope, keys, now);
            return self.send(scope, keys, Vec::new(), now).or_else(|| self.fill(scope, now));
        }
        let (mut keys, gathered) = self.gathered(scope, now);
        let (deletes, unmakes) = self.deletable(scope, self.batch_size.saturating_sub(keys.len()), now);
        keys.extend(deletes);
        let batch = self.send(scope, keys, unmakes, now);
        if gathered && self.slots.get(scope).is_some_and(|slot| slot.ready.is_empty()) {
            self.slots.get_mut(scope)?.begin();
        }
        batch
    }

    /// What is ready and has gathered for long enough.
    fn gathered(&mut self, scope: &Scope, now: Timestamp) -> (Vec<Key>, bool) {
        let Some(slot) = self.slots.get(scope).filter(|slot| slot.has_gathered(self.batch_size, now)) else {
            return (Vec::new(), false);
        };
        let candidates: Vec<Key> = slot.ready.iter().copied().take(self.batch_size).collect();
        let (may, held): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|key| self.still_may(*key, now));
        for key in held {
            // What it is to stand in may have gone since it was found ready.
            self.settle(key, now);
        }
        let keys = may.into_iter().filter(|key| !self.waits_for_another(scope, *key)).collect();
        (keys, true)
    }

    /// What is sent of a half: what may still be done, and no more deletes than at any other time.
    fn of_half(&self, scope: &Scope, keys: Vec<Key>, now: Timestamp) -> Vec<Key> {
        let (budget, _) = self.delete_budget(scope, now);
        let is_fresh = self.slots.get(scope).is_some_and(|slot| slot.is_fresh(now));
        let mut room = budget.min(self.spare_of(scope).unwrap_or(usize::MAX));
        let may = |key: &Key| {
            let is_free = !self.is_in_flight(key) && !self.waits_for_another(scope, *key);
            is_free && self.still_may(*key, now)
        };
        let mut keys: Vec<Key> = keys.into_iter().filter(may).collect();
        keys.retain(|key| {
            let todo = self.entries.get(key).and_then(|entry| entry.todo.as_ref());
            if !todo.is_some_and(Todo::is_delete) {
                return true;
            }
            let fits = is_fresh && room > 0;
            room = room.saturating_sub(1);
            fits
        });
        keys
    }

    /// Whether it is a move between slots of which another is busy: it waits there for its turn.
    fn waits_for_another(&self, scope: &Scope, key: Key) -> bool {
        let todo = self.entries.get(&key).and_then(|entry| entry.todo.as_ref());
        todo.is_some_and(|todo| {
            let is_closed = |other: &Scope| {
                self.is_busy(other) || self.slots.get(other).is_some_and(|slot| slot.uncertain.is_some())
            };
            todo.all().map(Scope::slot).any(|other| other != *scope && is_closed(&other))
        })
    }

    /// Whether what was refused with others is still to be done.
    fn still_may(&self, key: Key, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get(&key) else { return false };
        entry.todo.as_ref().is_some_and(|todo| {
            if todo.is_delete() {
                self.hold_delete(key, entry, now).is_none()
            } else {
                self.hold_put(key, todo, now).is_none()
            }
        })
    }

    /// Deletes that nothing holds, once the slot was compared a moment ago.
    fn deletable(&mut self, scope: &Scope, room: usize, now: Timestamp) -> (Vec<Key>, Vec<Arc<Container>>) {
        let none = (Vec::new(), Vec::new());
        let Some(slot) = self.slots.get(scope) else { return none };
        if slot.deletes_at.is_none_or(|at| at > now) {
            return none;
        }
        let (budget, _) = self.delete_budget(scope, now);
        let mut keys = Vec::new();
        let mut spare = self.spare_of(scope);
        for key in &slot.deletes {
            if keys.len() >= budget.min(room) || spare == Some(0) {
                break;
            }
            let Some(entry) = self.entries.get(key) else { continue };
            if self.hold_delete(*key, entry, now).is_none() {
                keys.push(*key);
                spare = spare.map(|spare| spare.saturating_sub(1));
            }
        }
        let mut unmakes = self.to_unmake(scope, now);
        // What was refused before goes alone, so that it keeps no other.
        let was_refused =
            |at: &Arc<Container>| self.containers.get(at).is_some_and(|held| held.refused.is_some());
        if unmakes.iter().all(was_refused) {
            unmakes.truncate(1);
        } else {
            unmakes.retain(|container| !was_refused(container));
        }
        unmakes.truncate(budget.saturating_sub(keys.len()));
        let is_fresh = slot.is_fresh(now);
        let anything = !keys.is_empty() || !unmakes.is_empty();
        let slot = self.slot(scope);
        if anything && !is_fresh {
            // Nothing is deleted by what we only remember.
            slot.deletes_at = None;
            slot.compare_at.get_or_insert(now);
            return none;
        }
        slot.deletes_at = (!slot.deletes.is_empty()).then(|| now.after(LOOK));
        (keys, unmakes)
    }

    fn spare_of(&self, scope: &Scope) -> Option<usize> {
        match scope {
            Scope::Policy(container) => self.spare(container),
            Scope::All | Scope::L3out(_) => None,
        }
    }

    /// EEPGs that we made, that nothing needs and that have been empty for long enough.
    fn to_unmake(&self, scope: &Scope, now: Timestamp) -> Vec<Arc<Container>> {
        let over = |container: &Arc<Container>| {
            Scope::slot(container) == *scope
                && self
                    .unneeded_since(container)
                    .is_some_and(|since| self.hold_unmake(container, since, now).is_none())
        };
        self.containers.keys().filter(|container| over(container)).cloned().collect()
    }

    fn send_alone(&mut self, scope: &Scope, container: &Arc<Container>, now: Timestamp) -> Option<Batch> {
        let held = self.containers.get(container)?;
        let op = if self.is_released(container) {
            if !held.is_ours(&self.identity.name) {
                return None;
            }
            Op::Release { container: Arc::clone(container), prefix: None }
        } else {
            let may =
                if held.found.is_some() { self.lacks(container, held) } else { self.may_make(container) };
            if !may {
                return None;
            }
            self.make(container, self.rule_of(container)?)
        };
        let slots = BTreeSet::from([scope.clone()]);
        self.dispatch(slots, Vec::new(), vec![op], Added::default(), now)
    }

    /// Whether the rules of now say that it is to be made.
    fn may_make(&self, container: &Arc<Container>) -> bool {
        let Some(rule) = self.rule_of(container) else { return false };
        let eepg = self.rules.eepg(rule).is_some_and(|rule| rule.create && rule.manage);
        let policy = self.rules.redirect(rule).is_some_and(|rule| rule.create);
        (eepg || policy) && self.fed == Some(self.epoch) && !self.has_no_room_for(container, rule)
    }

    /// One request for all of this.
    fn send(
        &mut self,
        scope: &Scope,
        keys: Vec<Key>,
        unmakes: Vec<Arc<Container>>,
        now: Timestamp,
    ) -> Option<Batch> {
        let mut slots = BTreeSet::from([scope.clone()]);
        let mut units = Vec::new();
        let mut ops = Vec::new();
        let mut made = BTreeSet::new();
        let mut added = Added::default();
        for key in keys {
            let Some(unit) = self.unit(key) else { continue };
            if let Some(container) = unit.todo.put.as_ref().filter(|_| unit.todo.is_new) {
                if self.is_full_with(&unit, &added) {
                    self.block(key, now);
                    continue;
                }
                let is_missing = self.containers.get(container).is_none_or(|held| held.found.is_none());
                added.count(&unit, is_missing);
            }
            slots.extend(unit.todo.all().map(Scope::slot));
            self.add_ops(&unit, &mut made, &mut ops);
            units.push(unit);
        }
        ops.extend(unmakes.into_iter().map(|container| Op::Unmake { container }));
        self.dispatch(slots, units, ops, added, now)
    }

    fn block(&mut self, key: Key, now: Timestamp) {
        let scope = self.entries.get(&key).and_then(|entry| entry.todo.as_ref()?.at().map(Scope::slot));
        if let Some(slot) = scope.and_then(|scope| self.slots.get_mut(&scope)) {
            slot.ready.remove(&key);
            slot.blocked.insert(key);
            slot.look_again(now.after(LOOK));
        }
    }

    fn dispatch(
        &mut self,
        slots: BTreeSet<Scope>,
        units: Vec<Unit>,
        ops: Vec<Op>,
        added: Added,
        now: Timestamp,
    ) -> Option<Batch> {
        if ops.is_empty() {
            return None;
        }
        let (dn, body) = request(&self.rules, &ops);
        let changes = ops.iter().filter_map(|op| self.change_of(op, now)).collect();
        let keys: BTreeSet<Key> = units.iter().map(|unit| unit.key).collect();
        let since = units.iter().filter_map(|unit| unit.changed).min();
        let mut makes = Vec::new();
        let mut unmakes = Vec::new();
        for op in ops {
            match op {
                Op::Make { container, rule, mark, .. } => makes.push((container, rule, mark)),
                Op::Unmake { container } => unmakes.push(container),
                _ => {}
            }
        }
        for key in &keys {
            if let Some(slot) = units_slot(&units, key).and_then(|scope| self.slots.get_mut(&scope)) {
                slot.take_out(key);
            }
            if let Some(entry) = self.entries.get_mut(key) {
                entry.changed = None;
            }
        }
        for scope in units.iter().flat_map(Unit::deletes).chain(unmakes.iter().map(Scope::slot)) {
            // Whatever becomes of it.
            self.count_delete(&scope, now);
        }
        self.last_batch += 1;
        let id = self.last_batch;
        self.in_flight.insert(id, InFlight { slots, keys, units, added, makes, unmakes });
        Some(Batch { id, dn, body, changes, since })
    }

    fn unit(&self, key: Key) -> Option<Unit> {
        let entry = self.entries.get(&key)?;
        let todo = entry.todo.clone()?;
        let put = entry.wish.claim().filter(|_| todo.put.is_some()).map(|claim| {
            let wanted = self.scopes(claim.rule);
            let there = entry.seen.iter().find(|seen| seen.container == claim.container);
            let keep = there.map(|seen| seen.scope.without(wanted)).unwrap_or_default();
            Put { rule: claim.rule, class: entry.class, mark: self.mark(entry), keep }
        });
        Some(Unit { key, todo, put, changed: entry.changed })
    }

    /// What is done about entries, as it is sent.
    pub(super) fn ops_of(&self, keys: &[Key]) -> Vec<Op> {
        let (mut made, mut ops) = (BTreeSet::new(), Vec::new());
        for unit in keys.iter().filter_map(|key| self.unit(*key)) {
            self.add_ops(&unit, &mut made, &mut ops);
        }
        ops
    }

    fn add_ops(&self, unit: &Unit, made: &mut BTreeSet<Arc<Container>>, ops: &mut Vec<Op>) {
        let prefix = unit.key.1;
        if let (Some(container), Some(put)) = (&unit.todo.put, &unit.put) {
            let is_there = self.containers.get(container).is_some_and(|held| held.found.is_some());
            if !is_there && made.insert(Arc::clone(container)) {
                ops.push(self.make(container, put.rule));
            }
            let Put { rule, class, mark, keep } = put.clone();
            let is_new = unit.todo.is_new;
            ops.push(Op::Put { container: Arc::clone(container), prefix, class, rule, mark, keep, is_new });
        }
        let removed = unit.todo.remove.iter().cloned();
        ops.extend(removed.map(|container| Op::Remove { container, prefix }));
        let released = unit.todo.release.iter().cloned();
        ops.extend(released.map(|container| Op::Release { container, prefix: Some(prefix) }));
    }

    /// What makes a container, or mends one of ours.
    pub(super) fn make(&self, container: &Arc<Container>, rule: RuleId) -> Op {
        let (owner, instance) = (Arc::clone(&self.identity.name), Arc::clone(&self.identity.instance));
        let mark = Mark::new(owner, instance, Vec::new());
        let is_new = self.containers.get(container).is_none_or(|held| held.found.is_none());
        Op::Make { container: Arc::clone(container), rule, mark, is_new }
    }

    /// Whether there is no room for this beside what is under way, and `added` before it.
    fn is_full_with(&self, unit: &Unit, added: &Added) -> bool {
        let (Some(container @ Container::Eepg { l3out, .. }), Some(put)) =
            (unit.todo.put.as_deref(), &unit.put)
        else {
            return false;
        };
        let Some(rule) = self.rules.eepg(put.rule) else { return false };
        let under_way = || self.in_flight.values().map(|batch| &batch.added).chain([added]);
        let scope = Scope::L3out(l3out.clone());
        let here = self.containers.get(container).map_or(0, |held| held.ours);
        let here = here + under_way().filter_map(|added| added.here.get(container)).sum::<usize>();
        let slot = self.slots.get(&scope).map_or(0, |slot| slot.ours);
        let slot = slot + under_way().filter_map(|added| added.slots.get(&scope)).sum::<usize>();
        let all = self.all_members() + under_way().map(|added| added.all).sum::<usize>();
        let is_missing = self.containers.get(container).is_none_or(|held| held.found.is_none());
        let made = |added: &Added| added.made.iter().filter(|other| other.is_in(l3out)).count();
        let eepgs = self.eepgs_of(l3out) + under_way().map(made).sum::<usize>();
        let all_eepgs = self.eepgs.unwrap_or(0) + under_way().map(|added| added.made.len()).sum::<usize>();
        let is_to_be_made = is_missing && !added.made.contains(container);
        here >= rule.caps.members
            || (!unit.todo.moves_within() && slot >= rule.caps.l3out_members)
            || (unit.todo.remove.is_empty() && all >= self.caps.members)
            || (is_to_be_made && (eepgs >= rule.caps.eepgs || all_eepgs >= self.caps.eepgs))
    }
}

/// For what a request takes room.
#[derive(Debug, Default)]
pub(super) struct Added {
    here: BTreeMap<Arc<Container>, usize>,
    slots: BTreeMap<Scope, usize>,
    all: usize,
    made: BTreeSet<Arc<Container>>,
}

impl Added {
    fn count(&mut self, unit: &Unit, is_missing: bool) {
        let Some(container) = &unit.todo.put else { return };
        *self.here.entry(Arc::clone(container)).or_default() += 1;
        *self.slots.entry(Scope::slot(container)).or_default() += usize::from(!unit.todo.moves_within());
        self.all += usize::from(unit.todo.remove.is_empty() && matches!(**container, Container::Eepg { .. }));
        if is_missing && matches!(**container, Container::Eepg { .. }) {
            self.made.insert(Arc::clone(container));
        }
    }
}

impl Container {
    fn is_in(&self, of: &L3out) -> bool {
        matches!(self, Self::Eepg { l3out, .. } if l3out == of)
    }
}

fn units_slot(units: &[Unit], key: &Key) -> Option<Scope> {
    units.iter().find(|unit| unit.key == *key)?.todo.at().map(Scope::slot)
}

/// How it is shown.
impl Engine {
    /// What an operation of a request says in the plan and in the audit.
    fn change_of(&self, op: &Op, now: Timestamp) -> Option<view::Change> {
        let (container, prefix) = match op {
            Op::Make { container, .. } | Op::Unmake { container } => (container, None),
            Op::Put { container, prefix, .. } | Op::Remove { container, prefix } => {
                (container, Some(*prefix))
            }
            Op::Release { container, prefix } => (container, *prefix),
        };
        let operation = match op {
            Op::Make { .. } if self.containers.get(container).is_some_and(|held| held.found.is_some()) => {
                "modify"
            }
            Op::Make { .. } => "create",
            Op::Unmake { .. } | Op::Remove { .. } => "delete",
            Op::Put { .. } => {
                let there = self
                    .entry_of(container, prefix?)
                    .is_some_and(|(_, entry)| entry.seen.iter().any(|seen| seen.container == *container));
                if there { "modify" } else { "create" }
            }
            Op::Release { .. } => "modify",
        };
        Some(self.shown_change(container, prefix, operation, None, now))
    }
}

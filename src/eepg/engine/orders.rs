//! What operators order.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::dn::{Container, member_prefix};
use super::super::reading::Scope;
use super::super::view;
use super::entry::{Entry, Key};
use super::slot::Held;
use super::{Answer, Engine, Refusal};
use crate::time::Timestamp;

impl Engine {
    /// Lets through what the plan of this id holds back.
    ///
    /// # Errors
    /// Nobody was shown that plan lately, or nothing is written at all.
    pub fn approve(&mut self, id: &str, now: Timestamp) -> Answer {
        self.refuse_in_observe_mode()?;
        let Some(plan) = self.shown.iter().find(|plan| plan.id == id) else {
            let current = self.plan(0, 0, false, now).id;
            return Err(Refusal::Changed(current));
        };
        let (keys, containers) = (plan.keys.clone(), plan.containers.clone());
        let mut count = 0_usize;
        for (key, todo, lost) in keys {
            let is_same = |entry: &Entry| {
                entry.todo.as_ref() == Some(&todo) && (entry.lost == lost || !todo.is_delete())
            };
            if self.entries.get(&key).is_some_and(is_same) {
                count += usize::from(self.approve_member(key, now));
            }
        }
        for (container, empty_since) in containers {
            let held = self.containers.get_mut(&container);
            let is_same = |held: &&mut Held| held.found.is_some() && held.empty_since == Some(empty_since);
            if let Some(held) = held.filter(is_same) {
                held.approved = true;
                count += 1;
            }
        }
        for slot in self.slots.values_mut() {
            slot.deletes_at = slot.deletes_at.map(|_| now);
        }
        Ok(format!("{count} changes of plan {id} may go ahead"))
    }

    fn approve_member(&mut self, key: Key, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let Some(todo) = &entry.todo else { return false };
        if let Some(trouble) = &mut entry.trouble {
            trouble.refused = None;
            trouble.repairs.clear();
        }
        if !todo.is_delete() {
            self.settle(key, now);
            return true;
        }
        entry.approved = true;
        let scopes: Vec<_> = todo.remove.iter().map(Scope::slot).collect();
        for scope in scopes {
            if let Some(slot) = self.slots.get_mut(&scope) {
                slot.let_go(&key);
            }
        }
        true
    }

    /// Stops all writing until `pause.until`, or goes on.
    pub fn pause(&mut self, pause: Option<view::Pause>, now: Timestamp) {
        if pause.is_none() && self.foreign_instance.take().is_some() {
            // Whoever says so knows that there is one of us again; what it left is ours.
            let marks =
                self.entries.values().flat_map(|entry| &entry.seen).filter_map(|seen| seen.mark.as_ref());
            let instances: BTreeSet<_> = marks.map(|mark| Arc::clone(&mark.instance)).collect();
            self.predecessors.extend(instances);
        }
        self.paused = pause;
        self.compare_at = now;
    }

    /// Marks a member of others as ours, by its distinguished name, or all members of an EEPG, if rules want them.
    ///
    /// # Errors
    /// There is none, or no rule wants it there.
    pub fn adopt(&mut self, dn: &str, now: Timestamp) -> Answer {
        self.refuse_in_observe_mode()?;
        let container = Container::of(dn).map(Arc::new);
        let unknown =
            || Refusal::Unknown(format!("{dn} is no EEPG, no redirect policy and no member of one"));
        let container = container.filter(|at| self.containers.contains_key(at)).ok_or_else(unknown)?;
        let prefix =
            if container.to_string() == dn { None } else { Some(member_prefix(dn).ok_or_else(unknown)?) };
        let wanted = self.entries.iter().filter(|(key, entry)| {
            entry.wish.container() == Some(&container)
                && prefix.is_none_or(|prefix| key.1 == prefix)
                && entry.seen.iter().any(|seen| {
                    seen.container == container && seen.prefix == key.1 && !seen.is_of(&self.identity.name)
                })
        });
        let keys: Vec<Key> = wanted.map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return Err(Refusal::Unknown(format!(
                "nothing of others is there in {dn} that a rule wants there"
            )));
        }
        for key in &keys {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.adopted = true;
            }
            self.settle(*key, now);
        }
        Ok(format!("{} members of {container} become ours", keys.len()))
    }

    /// Takes our marks off everything, or off what is in one EEPG or policy, and writes nothing there from then on
    /// until the next start or reload.
    ///
    /// # Errors
    /// There is no such EEPG or policy.
    pub fn release(&mut self, dn: Option<&str>, now: Timestamp) -> Answer {
        self.refuse_in_observe_mode()?;
        match dn {
            None => self.all_released = true,
            Some(dn) => {
                let container = Container::of(dn).map(Arc::new).filter(|at| self.containers.contains_key(at));
                let unknown =
                    || Refusal::Unknown(format!("{dn} is no EEPG and no redirect policy that we know"));
                self.released.insert(container.ok_or_else(unknown)?);
            }
        }
        let keys: Vec<Key> = self.entries.keys().copied().collect();
        for key in keys {
            self.settle(key, now);
        }
        let concerned = self
            .containers
            .iter()
            .filter(|(container, held)| self.is_released(container) && held.is_ours(&self.identity.name));
        let containers: Vec<_> = concerned.map(|(container, _)| Arc::clone(container)).collect();
        for container in containers {
            let slot = self.slot(&Scope::slot(&container));
            if !slot.alone.contains(&container) {
                slot.alone.push_back(container);
            }
        }
        Ok("our marks are taken off, and members stay; nothing is written there until the next start or reload".into())
    }

    fn refuse_in_observe_mode(&self) -> Result<(), Refusal> {
        if self.is_observing() {
            return Err(Refusal::Held("safety.mode is \"observe\": nothing is written".to_owned()));
        }
        Ok(())
    }
}

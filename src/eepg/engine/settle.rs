//! What is to be done about one prefix: the difference of what routes want and what the APIC has.

use std::sync::Arc;
use std::time::Duration;

use super::super::body::{Scopes, wanted_digest};
use super::super::brake::{Brake, Hold};
use super::super::dn::Container;
use super::super::mark::Mark;
use super::super::reading::{Scope, Seen};
use super::super::rule::{Claim, Domain, RuleId, Wish};
use super::Engine;
use super::entry::{Entry, Key, Todo, Trouble};
use crate::config::model::SubnetScope;
use crate::observer::feed::Witness;
use crate::time::Timestamp;

/// How soon it is looked again whether what may have been done is known.
const SOON: Duration = Duration::from_secs(1);

impl Seen {
    /// Whether both marks are on it, and the mark names `owner`.
    pub(super) fn is_of(&self, owner: &str) -> bool {
        self.annotated && self.mark.as_ref().is_some_and(|mark| *mark.owner == *owner)
    }
}

impl Engine {
    /// Finds out what is to be done about an entry, and puts it where it waits for that.
    pub(super) fn settle(&mut self, key: Key, now: Timestamp) {
        self.displace(key);
        if self.is_in_flight(&key) {
            // It is settled again when the answer is there.
            return;
        }
        self.count_loss(key, now);
        let Some(entry) = self.entries.get(&key) else { return };
        if entry.is_empty() {
            self.entries.remove(&key);
            return;
        }
        let todo = self.todo(key, entry);
        let explained = entry.silent.is_none() && self.is_explained(entry);
        let stands = entry.seen.iter().any(|seen| seen.is_of(&self.identity.name));
        let is_delete = todo.as_ref().is_some_and(Todo::is_delete);
        let is_gone = (!entry.is_supported() || is_delete) && explained && stands;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.gone = if is_gone { Some(entry.gone.unwrap_or(now)) } else { None };
        entry.todo.clone_from(&todo);
        if let Some(todo) = todo {
            self.place(key, &todo, now);
        }
    }

    /// What is ours and without route is a loss, and nothing else is.
    fn count_loss(&mut self, key: Key, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let stands = entry.seen.iter().any(|seen| seen.is_of(&self.identity.name));
        if !stands {
            entry.approved = false;
            self.forget_loss(key);
        } else if self.started_up && !entry.is_supported() {
            self.lost(key, now);
        }
    }

    /// Takes an entry out of where it waits.
    fn displace(&mut self, key: Key) {
        let Some(todo) = self.entries.get_mut(&key).and_then(|entry| entry.todo.take()) else { return };
        if let Some(slot) = todo.at().map(Scope::slot).and_then(|scope| self.slots.get_mut(&scope)) {
            slot.take_out(&key);
        }
    }

    fn place(&mut self, key: Key, todo: &Todo, now: Timestamp) {
        let Some(scope) = todo.at().map(Scope::slot) else { return };
        let blocked = if todo.is_delete() { None } else { self.hold_put(key, todo, now) };
        let is_read = self.comparing.as_ref().is_some_and(|read| *read == Scope::All || *read == scope);
        let is_known = |at: &Arc<Container>| self.containers.get(at).is_some_and(|held| held.compared);
        let is_unknown = todo.put.as_ref().is_some_and(|at| !is_known(at));
        let may_read = self.compared.is_some() && !is_read && is_unknown;
        let fails = self.failure.is_some();
        let slot = self.slot(&scope);
        if todo.is_delete() {
            slot.deletes.insert(key);
            slot.deletes_at.get_or_insert(now);
        } else if let Some(hold) = blocked {
            slot.blocked.insert(key);
            if hold.brake == Brake::Comparison && may_read {
                // Whether there is an EEPG of a name that was made up just now, nobody has looked yet.
                slot.compare_at = Some(slot.compare_at.filter(|_| fails).unwrap_or(now));
            }
            if let Some(until) = hold.until {
                slot.look_again(until);
            }
        } else {
            slot.ready.insert(key);
            slot.changed(now);
        }
    }

    fn todo(&self, key: Key, entry: &Entry) -> Option<Todo> {
        let ours = entry.seen.iter().filter(|seen| seen.is_of(&self.identity.name));
        let (released, ours): (Vec<_>, Vec<_>) = ours.partition(|seen| self.is_released(&seen.container));
        let mut todo = Todo::default();
        todo.release.extend(released.iter().map(|seen| Arc::clone(&seen.container)));
        let elsewhere = |at: Option<&Arc<Container>>| {
            let others =
                ours.iter().map(|seen| &seen.container).filter(move |container| Some(*container) != at);
            others.cloned().collect::<Vec<_>>()
        };
        match &entry.wish {
            Wish::Untouched | Wish::Disputed(_) | Wish::Unnamed { .. } => {}
            Wish::Nothing => todo.remove = elsewhere(None),
            Wish::Member(claim) if self.is_released(&claim.container) => {}
            Wish::Member(claim) => {
                todo.remove = elsewhere(Some(&claim.container));
                match entry.seen.iter().find(|seen| seen.container == claim.container) {
                    None => (todo.put, todo.is_new) = (Some(Arc::clone(&claim.container)), true),
                    Some(seen) if seen.is_of(&self.identity.name) => {
                        let is_right = self.is_as_wanted(entry, claim, seen);
                        todo.put = (!is_right).then(|| Arc::clone(&claim.container));
                    }
                    // Whoever put it there keeps it.
                    Some(_) => todo.put = entry.adopted.then(|| Arc::clone(&claim.container)),
                }
                if todo.is_new && !self.rivals(key, entry, &claim.container).is_empty() {
                    // A second one would be refused by the leaves: ours stays where it is.
                    todo.remove.clear();
                }
                if todo.is_new && !todo.release.is_empty() {
                    // What is released stays, and a second one is one too many.
                    (todo.put, todo.is_new) = (None, false);
                    todo.remove.clear();
                }
            }
        }
        (todo.at().is_some()).then_some(todo)
    }

    /// Members of others in the same VRF that classify the same prefix.
    pub(super) fn rivals<'a>(&self, key: Key, entry: &'a Entry, at: &Arc<Container>) -> Vec<&'a Seen> {
        if !matches!(self.domains.get(usize::from(key.0)), Some(Domain::Vrf(_))) {
            return Vec::new();
        }
        let others = entry.seen.iter().filter(|seen| seen.container != *at);
        others
            .filter(|seen| {
                !seen.is_of(&self.identity.name) && seen.scope.contains(SubnetScope::ImportSecurity)
            })
            .collect()
    }

    fn is_as_wanted(&self, entry: &Entry, claim: &Claim, seen: &Seen) -> bool {
        let mark = self.mark(entry);
        let scopes = self.scopes(claim.rule);
        seen.mark.as_ref().is_some_and(|there| (&there.nodes, there.more) == (&mark.nodes, mark.more))
            && scopes.without(seen.scope).is_empty()
            && seen.text == wanted_digest(&self.rules, entry.class, claim.rule, &mark)
    }

    /// The flags that a rule wants.
    pub(super) fn scopes(&self, rule: RuleId) -> Scopes {
        self.rules.eepg(rule).map(|rule| Scopes::of(&rule.scope)).unwrap_or_default()
    }

    /// The mark that belongs on an entry: nodes that announce it or are silent about it, and those that an
    /// earlier process wrote down and that were not heard since.
    pub(super) fn mark(&self, entry: &Entry) -> Mark {
        let before = entry.seen.iter().filter(|seen| seen.is_of(&self.identity.name));
        let before = before.filter_map(|seen| seen.mark.as_ref()).flat_map(|mark| &mark.nodes);
        let unheard = before.filter(|node| !self.heard.contains(*node));
        let nodes: Vec<Witness> = entry.nodes.iter().chain(unheard).cloned().collect();
        let more = entry.seen.iter().filter(|seen| seen.is_of(&self.identity.name));
        let more = !self.started_up && more.filter_map(|seen| seen.mark.as_ref()).any(|mark| mark.more);
        let (owner, instance) = (Arc::clone(&self.identity.name), Arc::clone(&self.identity.instance));
        let mut mark = Mark::new(owner, instance, nodes);
        mark.more |= more;
        mark
    }

    /// Whether every node that its marks name has said since our start what it has.
    pub(super) fn is_explained(&self, entry: &Entry) -> bool {
        let ours = entry.seen.iter().filter(|seen| seen.is_of(&self.identity.name));
        ours.filter_map(|seen| seen.mark.as_ref()).all(|mark| {
            let unknown = mark.nodes.is_empty() || mark.more;
            (!unknown || entry.written.is_some()) && mark.nodes.iter().all(|node| self.heard.contains(node))
        })
    }

    pub(super) fn is_released(&self, container: &Arc<Container>) -> bool {
        self.all_released || self.released.contains(container)
    }

    pub(super) fn is_in_flight(&self, key: &Key) -> bool {
        self.in_flight.values().any(|batch| batch.holds(key))
    }

    /// Who is heard explains what stands there without route.
    pub(super) fn explain(&mut self, now: Timestamp) {
        let waiting = self.slots.values().flat_map(|slot| slot.deletes.iter().copied());
        for key in waiting.collect::<Vec<_>>() {
            self.settle(key, now);
        }
        // Marks that name who is known now to have nothing are written anew.
        let marked = self.entries.iter().filter(|(_, entry)| {
            let marks = entry.seen.iter().filter_map(|seen| seen.mark.as_ref());
            entry.is_supported() && marks.flat_map(|mark| &mark.nodes).any(|node| !entry.nodes.contains(node))
        });
        for key in marked.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.settle(key, now);
        }
    }

    /// Looks again at what had to wait in a slot.
    pub(super) fn unblock(&mut self, scope: &Scope, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(scope) else { return };
        slot.looked();
        for key in std::mem::take(&mut slot.blocked) {
            self.settle(key, now);
        }
    }

    /// What keeps a member from being made or mended.
    pub(super) fn hold_put(&self, key: Key, todo: &Todo, now: Timestamp) -> Option<Hold> {
        let entry = self.entries.get(&key)?;
        let container = todo.put.as_ref()?;
        if entry.epoch != self.epoch {
            // The rules that want it now were not asked yet.
            return Some(Hold { brake: Brake::Comparison, until: None });
        }
        if let Some(trouble) = &entry.trouble {
            if self.is_unsure(trouble) {
                return Some(Hold { brake: Brake::Comparison, until: Some(now.after(SOON)) });
            }
            if let Some((.., until)) = trouble.refused.as_ref().filter(|(.., until)| *until > now) {
                return Some(Hold { brake: Brake::Refused, until: Some(*until) });
            }
            if let Some(until) = trouble.repaired_too_often(self.safety.repair_limit, now) {
                return Some(Hold { brake: Brake::RepairLimit, until: Some(until) });
            }
        }
        if todo.is_new && !self.rivals(key, entry, container).is_empty() {
            return Some(Hold { brake: Brake::Conflict, until: None });
        }
        self.hold_container(container, entry.wish.claim()?, now).or_else(|| {
            (todo.is_new && self.is_full(container, todo)).then_some(Hold { brake: Brake::Cap, until: None })
        })
    }

    /// Whether a request that may have put it somewhere else was not looked into yet.
    fn is_unsure(&self, trouble: &Trouble) -> bool {
        trouble.unsure.iter().any(|scope| self.slots.get(scope).is_some_and(|slot| slot.uncertain.is_some()))
    }

    /// What keeps anything from being put there.
    fn hold_container(&self, container: &Arc<Container>, claim: &Claim, now: Timestamp) -> Option<Hold> {
        let missing = Some(Hold { brake: Brake::Missing, until: None });
        let Some(held) = self.containers.get(container).filter(|held| held.compared) else {
            return Some(Hold { brake: Brake::Comparison, until: None });
        };
        if let Container::Eepg { l3out, .. } = &**container
            && !self.is_in_its_vrf(l3out, claim.rule)
        {
            return missing;
        }
        if held.found.is_some() {
            return None;
        }
        let creates = self.rules.eepg(claim.rule).is_some_and(|rule| rule.create)
            || self.rules.redirect(claim.rule).is_some_and(|rule| rule.create);
        if !creates || self.lacks_tenant(container) {
            return missing;
        }
        if let Some((.., until)) = held.refused.as_ref().filter(|(.., until)| *until > now) {
            return Some(Hold { brake: Brake::Refused, until: Some(*until) });
        }
        self.has_no_room_for(container, claim.rule).then_some(Hold { brake: Brake::Cap, until: None })
    }
}

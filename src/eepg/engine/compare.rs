//! Comparisons: what the APIC really has takes the place of what we believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::dn::{self, Container, L3out, vrf_name};
use super::super::reading::{Comparison, Found, Scope, Seen};
use super::super::rule::Domain;
use super::Engine;
use super::entry::{Entry, Key};
use super::hold::TEN_MINUTES;
use super::slot::Held;
use crate::time::Timestamp;

/// A comparison that failed is tried again after this, twice as long each time, a minute at most.
const TRY_AGAIN: Duration = Duration::from_secs(2);

impl Engine {
    /// A comparison that was begun at `begun` is complete.
    pub fn compared(&mut self, comparison: Comparison, begun: Timestamp, now: Timestamp) {
        let Comparison { scope, found, .. } = comparison;
        self.comparing = None;
        self.failure = None;
        let Found { l3outs, containers, members, present, eepgs, faults } = found;
        if scope == Scope::All {
            self.present = present;
            self.faults = faults;
            self.eepgs = eepgs;
            self.l3outs = l3outs;
            self.compare_at = now.after(self.compare_every);
        } else {
            self.l3outs.extend(l3outs);
        }
        let first = self.compared.is_none();
        self.take_containers(&scope, containers, begun, now);
        self.take_members(&scope, members, first, begun, now);
        for (slot_scope, slot) in &mut self.slots {
            if scope == Scope::All || scope == *slot_scope {
                slot.was_compared(begun, now);
            }
        }
        if scope == Scope::All {
            self.compared = Some(begun);
        }
        self.look_at_containers(&scope, now);
        let scopes: Vec<_> =
            self.slots.keys().filter(|slot| scope == Scope::All || scope == **slot).cloned().collect();
        for scope in scopes {
            self.unblock(&scope, now);
        }
    }

    /// A comparison failed: it is tried again.
    pub fn not_compared(&mut self, scope: &Scope, why: String, now: Timestamp) {
        self.comparing = None;
        let times = self.failure.as_ref().map_or(0, |(_, times)| *times).saturating_add(1);
        self.failure = Some((why, times));
        let wait = TRY_AGAIN.saturating_mul(1 << times.saturating_sub(1).min(5)).min(Duration::from_mins(1));
        match self.slots.get_mut(scope) {
            Some(slot) => slot.compare_at = Some(now.after(wait)),
            None => self.compare_at = now.after(wait),
        }
    }

    fn take_containers(
        &mut self,
        scope: &Scope,
        found: BTreeMap<Arc<Container>, super::super::reading::FoundContainer>,
        begun: Timestamp,
        now: Timestamp,
    ) {
        let unchanged = |held: &Held| held.written.is_none_or(|written| written < begun);
        for (container, held) in &mut self.containers {
            if !(*scope == Scope::All || *scope == Scope::slot(container)) || !unchanged(held) {
                continue;
            }
            held.compared = true;
            if !found.contains_key(container) {
                held.found = None;
                held.empty_since = None;
            }
        }
        for (container, found) in found {
            let held = self.held(&container);
            if unchanged(held) {
                (held.found, held.compared) = (Some(found), true);
                held.note_emptiness(now);
            }
        }
    }

    fn take_members(
        &mut self,
        scope: &Scope,
        members: Vec<Seen>,
        first: bool,
        begun: Timestamp,
        now: Timestamp,
    ) {
        let mut by_key: BTreeMap<Key, Vec<Seen>> = BTreeMap::new();
        let mut others: BTreeSet<Arc<str>> = BTreeSet::new();
        for seen in members {
            let Some(domain) = self.domain_of(&seen.container) else { continue };
            by_key.entry((domain, seen.prefix.trunc())).or_default().push(seen);
        }
        let concerned = |entry: &Entry| entry.seen.iter().any(|seen| scope.holds(&seen.container));
        let known = self.entries.iter().filter(|(_, entry)| concerned(entry)).map(|(key, _)| *key);
        let gone: Vec<Key> = known.filter(|key| !by_key.contains_key(key)).collect();
        let all = by_key.into_iter().chain(gone.into_iter().map(|key| (key, Vec::new())));
        for (key, seen) in all.collect::<Vec<_>>() {
            self.take_member(key, scope, seen, (first, begun, now), &mut others);
        }
        if first {
            self.predecessors = others;
        } else if self.foreign_instance.is_none() {
            self.foreign_instance = others.into_iter().find(|other| !self.predecessors.contains(other));
        }
    }

    fn take_member(
        &mut self,
        key: Key,
        scope: &Scope,
        mut seen: Vec<Seen>,
        (first, begun, now): (bool, Timestamp, Timestamp),
        others: &mut BTreeSet<Arc<str>>,
    ) {
        let owner = Arc::clone(&self.identity.name);
        for mark in seen.iter().filter(|seen| seen.is_of(&owner)).filter_map(|seen| seen.mark.as_ref()) {
            if mark.instance != self.identity.instance && !others.contains(&mark.instance) {
                others.insert(Arc::clone(&mark.instance));
            }
        }
        let in_flight = self.is_in_flight(&key);
        let mut entry = self.entries.remove(&key).unwrap_or_else(|| Entry::new(now));
        if in_flight || entry.written.is_some_and(|written| written >= begun) {
            // What we did meanwhile, the reading may have seen or not.
            self.entries.insert(key, entry);
            return;
        }
        seen.extend(entry.seen.iter().filter(|seen| !scope.holds(&seen.container)).cloned());
        self.count_seen(&entry, false);
        let stood = entry.seen.iter().any(|seen| seen.is_of(&owner));
        if !first {
            entry.drift = drift(&entry.seen, &seen, &owner);
            let was_unsure = entry.trouble.as_ref().is_some_and(|trouble| !trouble.unsure.is_empty());
            if was_unsure {
                // What is there now may be ours.
                entry.drift = None;
            }
            if entry.drift.is_some() && entry.is_supported() {
                entry.trouble().repaired(now);
            }
        }
        if let Some(trouble) = &mut entry.trouble {
            trouble.unsure.retain(|other| *scope != Scope::All && other != scope);
        }
        entry.seen = seen;
        let stands = entry.seen.iter().any(|seen| seen.is_of(&owner));
        if stands && !stood {
            entry.known = now;
        }
        self.count_seen(&entry, true);
        self.entries.insert(key, entry);
        self.settle(key, now);
    }

    /// Where the prefixes of a container are compared with others.
    fn domain_of(&mut self, container: &Arc<Container>) -> Option<u16> {
        let domain = match &**container {
            Container::Policy { .. } => Domain::Policy(Arc::clone(container)),
            Container::Eepg { l3out, .. } => Domain::Vrf(self.vrf_of(l3out)?.into()),
        };
        Some(self.domain(domain))
    }

    fn vrf_of(&self, l3out: &L3out) -> Option<&str> {
        vrf_name(self.l3outs.get(l3out)?.vrf.as_deref()?)
    }

    /// Containers of ours that lack what their rule says are made again, which mends them.
    fn look_at_containers(&mut self, scope: &Scope, now: Timestamp) {
        let concerned = self.containers.iter().filter(|(container, _)| scope.holds(container));
        // No more often than members are repaired: somebody else may want it otherwise.
        let limit = u32::try_from(self.safety.repair_limit.max(1)).unwrap_or(u32::MAX);
        let rests =
            |held: &Held| held.written.is_some_and(|written| written.after(TEN_MINUTES / limit) > now);
        let lacking: Vec<_> = concerned
            .filter(|(container, held)| self.lacks(container, held) && !rests(held))
            .map(|(at, _)| Arc::clone(at))
            .collect();
        for container in lacking {
            let slot = self.slot(&Scope::slot(&container));
            if !slot.alone.contains(&container) {
                slot.alone.push_back(container);
            }
        }
    }

    pub(super) fn lacks(&self, container: &Arc<Container>, held: &Held) -> bool {
        let Some(found) = held.found.as_ref().filter(|_| held.is_ours(&self.identity.name)) else {
            return false;
        };
        if self.is_released(container) || held.refused.is_some() {
            return false;
        }
        if let Some(rule) = self.of_eepg(container).filter(|rule| rule.create && rule.manage) {
            return rule.contracts.provide.iter().any(|contract| !found.provides.contains(&**contract))
                || rule.contracts.consume.iter().any(|contract| !found.consumes.contains(&**contract));
        }
        let policy = self.of_policy(container).filter(|rule| rule.create);
        policy.and_then(|rule| rule.ip_sla.as_ref()).is_some_and(|wanted| {
            let wanted = dn::ip_sla(container.tenant(), wanted);
            found.ip_sla.as_deref() != Some(&wanted)
        })
    }
}

impl Scope {
    /// Whether what is in `container` is compared.
    pub(super) fn holds(&self, container: &Arc<Container>) -> bool {
        *self == Self::All || *self == Self::slot(container)
    }
}

impl super::entry::Trouble {
    fn repaired(&mut self, now: Timestamp) {
        while self.repairs.front().is_some_and(|at| at.after(TEN_MINUTES) <= now) {
            self.repairs.pop_front();
        }
        if self.repairs.len() < 1_000 {
            self.repairs.push_back(now);
        }
    }
}

impl Held {
    /// Keeps since when it has been empty.
    pub(super) fn note_emptiness(&mut self, now: Timestamp) {
        let is_empty = self.found.is_some() && self.ours == 0 && self.foreign == 0 && self.wanted == 0;
        self.empty_since = if is_empty { Some(self.empty_since.unwrap_or(now)) } else { None };
        self.approved &= is_empty;
    }
}

/// In what the APIC differs from what we left there, as metrics call it.
fn drift(before: &[Seen], now: &[Seen], owner: &str) -> Option<&'static str> {
    let ours = |list: &[Seen], at: &Arc<Container>| {
        list.iter().find(|seen| seen.container == *at && seen.is_of(owner)).cloned()
    };
    for seen in before.iter().filter(|seen| seen.is_of(owner)) {
        match ours(now, &seen.container) {
            None => return Some("missing"),
            Some(there)
                if (there.scope, there.text) != (seen.scope, seen.text) || there.mark != seen.mark =>
            {
                return Some("wrong_scope");
            }
            Some(_) => {}
        }
    }
    let more =
        now.iter().filter(|seen| seen.is_of(owner)).find(|seen| ours(before, &seen.container).is_none());
    more.map(|_| "extra")
}

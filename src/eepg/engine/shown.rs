//! What readers see: the plan, EEPGs, members.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::body::{Op, request};
use super::super::brake::{Brake, Hold};
use super::super::dn::Container;
use super::super::reading::{Scope, Seen};
use super::super::rule::{Domain, Wish};
use super::super::view;
use super::Engine;
use super::entry::{Entry, Key, Todo};
use super::slot::{Held, Slot};
use crate::config::model::{Mode, SubnetScope};
use crate::time::Timestamp;

/// Plans that were shown and may be approved.
const PLANS: usize = 4;
/// Nodes that a line names.
const NAMES: usize = 3;

/// A plan that somebody saw.
#[derive(Debug)]
pub(super) struct ShownPlan {
    pub(super) id: String,
    /// What was held, what was to be done about it, and when it lost its routes.
    pub(super) keys: Vec<(Key, Todo, Option<Timestamp>)>,
    /// What was to be deleted and held, and since when it is empty.
    pub(super) containers: Vec<(Arc<Container>, Timestamp)>,
}

/// A change of the plan, by where it is kept.
enum Item {
    Container(Arc<Container>, &'static str, Option<Hold>),
    Member(Key, Arc<Container>, &'static str, Option<Hold>),
}

impl Engine {
    /// The plan: at most `limit` changes, those after `offset` others; with the requests, if `requests`.
    pub fn plan(&mut self, offset: usize, limit: usize, requests: bool, now: Timestamp) -> view::Plan {
        let items = self.items(now);
        let id = self.plan_id(&items);
        self.remember(&id, &items);
        let page: Vec<_> = items.iter().skip(offset).take(limit).collect();
        view::Plan {
            id,
            mode: self.safety.mode.name().to_owned(),
            paused: self.paused.clone().filter(|pause| pause.until > now),
            held: self.held_back(&items, now),
            changes: page.iter().map(|item| self.shown_item(item, now)).collect(),
            total: items.len(),
            compared: self.compared,
            requests: if requests { self.requests(&page) } else { Vec::new() },
        }
    }

    fn items(&self, now: Timestamp) -> Vec<Item> {
        let mut items = Vec::new();
        let stopped = self.stopped(now);
        for (scope, slot) in &self.slots {
            self.container_items(scope, slot, stopped, &mut items, now);
            let keys = slot.ready.iter().chain(&slot.blocked).chain(&slot.deletes);
            let mut keys: Vec<Key> = keys.copied().collect();
            keys.sort();
            let (mut budget, exhausted) = self.delete_budget(scope, now);
            let mut spare = match scope {
                Scope::Policy(container) => self.spare(container),
                Scope::All | Scope::L3out(_) => None,
            };
            for key in keys {
                let Some(entry) = self.entries.get(&key) else { continue };
                let Some(todo) = &entry.todo else { continue };
                let mut hold = stopped.or_else(|| {
                    if todo.is_delete() {
                        self.hold_delete(key, entry, now)
                    } else {
                        self.hold_put(key, todo, now)
                    }
                });
                if todo.is_delete() && hold.is_none() {
                    hold = match (spare, budget) {
                        (Some(0), _) => Some(Hold { brake: Brake::MinDestinations, until: None }),
                        (_, 0) => Some(exhausted),
                        _ => None,
                    };
                    spare = spare.map(|spare| spare.saturating_sub(usize::from(hold.is_none())));
                    budget = budget.saturating_sub(usize::from(hold.is_none()));
                }
                let put = todo.put.iter().map(|at| (at, if todo.is_new { "create" } else { "modify" }));
                let removes = todo.remove.iter().map(|at| (at, "delete"));
                let releases = todo.release.iter().map(|at| (at, "modify"));
                let all = removes.chain(put).chain(releases);
                items.extend(all.map(|(at, operation)| Item::Member(key, Arc::clone(at), operation, hold)));
            }
        }
        items
    }

    /// EEPGs and policies of a slot that are to be made, mended or deleted.
    fn container_items(
        &self,
        scope: &Scope,
        slot: &Slot,
        stopped: Option<Hold>,
        items: &mut Vec<Item>,
        now: Timestamp,
    ) {
        for container in &slot.alone {
            let is_there = self.containers.get(container).is_some_and(|held| held.found.is_some());
            let operation = if is_there { "modify" } else { "create" };
            items.push(Item::Container(Arc::clone(container), operation, stopped));
        }
        let wishes = slot.ready.iter().filter_map(|key| self.entries.get(key)?.wish.container());
        let waiting: BTreeSet<&Arc<Container>> = wishes.collect();
        let of = self.containers.iter().filter(|(container, _)| Scope::slot(container) == *scope);
        for (container, held) in of {
            let waits = waiting.contains(container);
            if held.found.is_none() && held.wanted > 0 && waits && !slot.alone.contains(container) {
                items.push(Item::Container(Arc::clone(container), "create", stopped));
            }
            if let Some(since) = self.unneeded_since(container) {
                let hold = self.hold_unmake(container, since, now);
                items.push(Item::Container(Arc::clone(container), "delete", stopped.or(hold)));
            }
        }
    }

    /// Plans have one name that hold back the same by the same brakes: what comes and goes beside that, on its
    /// own, leaves who looked at it the time to approve it.
    fn plan_id(&self, items: &[Item]) -> String {
        let hasher = foldhash::fast::FixedState::default();
        let held = items.iter().filter_map(|item| match item {
            Item::Container(container, operation, hold) => {
                Some(hasher.hash_one((container, operation, (*hold)?.brake)))
            }
            Item::Member(key, container, operation, hold) => {
                Some(hasher.hash_one((key, container, operation, (*hold)?.brake)))
            }
        });
        let sum = held.fold(0_u64, |sum, hash| sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(hash));
        format!("{:012x}", hasher.hash_one((&self.apic, sum)) >> 16)
    }

    /// What was held back when it was shown can be approved.
    fn remember(&mut self, id: &str, items: &[Item]) {
        let mut plan = ShownPlan { id: id.to_owned(), keys: Vec::new(), containers: Vec::new() };
        for item in items {
            match item {
                // What stops everything hides what else holds it: nobody saw that.
                Item::Member(.., Some(hold)) | Item::Container(.., Some(hold)) if hold.brake.stops_all() => {}
                Item::Member(key, _, _, Some(_)) => {
                    let entry = self.entries.get(key);
                    let todo = entry.and_then(|entry| Some((*key, entry.todo.clone()?, entry.lost)));
                    plan.keys.extend(todo.filter(|todo| plan.keys.last() != Some(todo)));
                }
                Item::Container(container, "delete", Some(_)) => {
                    let since = self.containers.get(container).and_then(|held| held.empty_since);
                    plan.containers.extend(since.map(|since| (Arc::clone(container), since)));
                }
                _ => {}
            }
        }
        self.shown.retain(|shown| shown.id != id);
        self.shown.truncate(PLANS - 1);
        self.shown.push_front(plan);
    }

    fn held_back(&self, items: &[Item], now: Timestamp) -> Vec<view::Held> {
        let mut all: BTreeMap<(Brake, String), (usize, Option<Timestamp>)> = BTreeMap::new();
        for item in items {
            let (Item::Container(container, _, Some(hold)) | Item::Member(_, container, _, Some(hold))) =
                item
            else {
                continue;
            };
            let (count, until) = all.entry((hold.brake, scope_name(hold.brake, container))).or_default();
            *count += 1;
            *until = (*until).max(hold.until);
        }
        let shown = all.into_iter().map(|((brake, scope), (changes, until))| view::Held {
            brake: brake.name().to_owned(),
            apic: self.apic.to_string(),
            reason: self.brake_reason(brake, &scope, changes, now),
            scope,
            until,
            changes,
        });
        shown.collect()
    }

    fn shown_item(&self, item: &Item, now: Timestamp) -> view::Change {
        match item {
            Item::Container(container, operation, hold) => {
                self.shown_change(container, None, operation, *hold, now)
            }
            Item::Member(key, container, operation, hold) => {
                self.shown_change(container, Some(key.1), operation, *hold, now)
            }
        }
    }

    pub(super) fn shown_change(
        &self,
        container: &Arc<Container>,
        prefix: Option<IpNet>,
        operation: &'static str,
        hold: Option<Hold>,
        now: Timestamp,
    ) -> view::Change {
        let entry = prefix.and_then(|prefix| self.entry_of(container, prefix)).map(|(_, entry)| entry);
        let dn = prefix.map_or_else(|| container.to_string(), |prefix| container.member(prefix));
        view::Change {
            operation: operation.to_owned(),
            apic: self.apic.to_string(),
            dn,
            eepg: container.name().to_string(),
            prefix,
            because: self.because(container, entry),
            reason: self.reason(container, entry, operation, now),
            held_by: hold.map(|hold| hold.brake.name().to_owned()),
            until: hold.and_then(|hold| hold.until),
        }
    }

    fn because(&self, container: &Arc<Container>, entry: Option<&Entry>) -> view::Because {
        let rule = self.rule_of(container).map(|rule| self.rules.name(rule));
        let Some(entry) = entry else { return view::Because { rule, ..view::Because::default() } };
        match entry.wish.claim() {
            Some(claim) => view::Because {
                peer: Some(claim.peer),
                node: Some(claim.witness.to_string()),
                rule: Some(self.rules.name(claim.rule)),
            },
            None => view::Because {
                peer: None,
                node: self.nodes_of(entry).first().map(ToString::to_string),
                rule,
            },
        }
    }

    /// Nodes that announce it, or that its mark names.
    fn nodes_of(&self, entry: &Entry) -> Vec<Arc<str>> {
        if !entry.nodes.is_empty() {
            return entry.nodes.to_vec();
        }
        let ours = entry.seen.iter().filter(|seen| seen.is_of(&self.identity.name));
        ours.filter_map(|seen| seen.mark.as_ref()).flat_map(|mark| mark.nodes.iter().cloned()).collect()
    }

    fn reason(
        &self,
        container: &Arc<Container>,
        entry: Option<&Entry>,
        operation: &str,
        now: Timestamp,
    ) -> String {
        let Some(entry) = entry else {
            return match operation {
                "create" => "members are wanted there, and the rule says create".to_owned(),
                "delete" => "we made it, and it has been empty".to_owned(),
                _ => "it lacks what its rule says".to_owned(),
            };
        };
        let nodes = names(&self.nodes_of(entry));
        match (operation, entry.wish.claim()) {
            ("delete", Some(claim)) => format!("it moves to {}", claim.container.name()),
            ("delete", None) => match (entry.silent, entry.gone) {
                (Some(since), _) => format!("nothing announces it; {nodes} fell silent at {since}"),
                (None, Some(since)) => format!("nothing has announced it since {since}; {nodes} did before"),
                (None, None) => {
                    format!("nothing announces it; {nodes} did before we started, and was not heard since")
                }
            },
            (_, Some(claim)) => {
                let from = entry.todo.as_ref().and_then(|todo| todo.remove.first());
                let from = from.map(|from| format!(", moved from {}", from.name())).unwrap_or_default();
                let what = if operation == "modify" { "what it says of itself is out of date: " } else { "" };
                format!("{what}announced by {nodes} and taken by rule {}{from}", self.rules.name(claim.rule))
            }
            _ if self.is_released(container) => "our marks are taken off, and it stays".to_owned(),
            _ => self.why_entry(entry, now),
        }
    }

    /// The requests that would be sent for these changes, those left out that a brake holds.
    fn requests(&self, page: &[&Item]) -> Vec<view::Request> {
        let mut slots: BTreeMap<Scope, (Vec<Key>, Vec<Op>)> = BTreeMap::new();
        for item in page {
            match item {
                Item::Member(key, container, _, None) => {
                    let todo = self.entries.get(key).and_then(|entry| entry.todo.as_ref());
                    let at = todo.and_then(|todo| todo.at()).unwrap_or(container);
                    let (keys, _) = slots.entry(Scope::slot(at)).or_default();
                    if keys.last() != Some(key) {
                        keys.push(*key);
                    }
                }
                Item::Container(container, "delete", None) => {
                    let (_, ops) = slots.entry(Scope::slot(container)).or_default();
                    ops.push(Op::Unmake { container: Arc::clone(container) });
                }
                _ => {}
            }
        }
        let mut requests = Vec::new();
        for (keys, unmakes) in slots.into_values() {
            for chunk in keys.chunks(self.batch_size) {
                requests.push(self.ops_of(chunk));
            }
            requests.push(unmakes);
        }
        let sent = requests.into_iter().filter(|ops| !ops.is_empty()).map(|ops| {
            let (dn, body) = request(&self.rules, &ops);
            view::Request { apic: self.apic.to_string(), dn, body }
        });
        sent.collect()
    }

    /// EEPGs and redirect policies.
    pub fn eepgs(&self, now: Timestamp) -> Vec<view::Eepg> {
        let mut pending: BTreeMap<&Arc<Container>, (usize, usize)> = BTreeMap::new();
        let stopped = self.stopped(now).is_some();
        for slot in self.slots.values() {
            for key in slot.ready.iter().chain(&slot.blocked).chain(&slot.deletes) {
                let Some(entry) = self.entries.get(key) else { continue };
                let Some(container) = entry.todo.as_ref().and_then(|todo| todo.at()) else { continue };
                let held = stopped
                    || slot.blocked.contains(key)
                    || (slot.deletes.contains(key) && self.hold_delete(*key, entry, now).is_some());
                let (all, held_back) = pending.entry(container).or_default();
                *all += 1;
                *held_back += usize::from(held);
            }
        }
        let named = self
            .containers
            .iter()
            .filter(|(_, held)| held.rule.is_some() || held.ours > 0 || held.wanted > 0);
        named
            .map(|(container, held)| self.shown_eepg(container, held, pending.get(container).copied(), now))
            .collect()
    }

    fn shown_eepg(
        &self,
        container: &Arc<Container>,
        held: &Held,
        pending: Option<(usize, usize)>,
        now: Timestamp,
    ) -> view::Eepg {
        let (pending, held_back) = pending.unwrap_or_default();
        let (kind, l3out) = match &**container {
            Container::Eepg { l3out, .. } => ("eepg", l3out.name.to_string()),
            Container::Policy { .. } => ("redirect", String::new()),
        };
        let rule = self.of_eepg(container);
        let vrf = rule.map(|rule| rule.vrf.to_string());
        let vrf = vrf.or_else(|| self.of_policy(container).map(|rule| rule.vrf.to_string()));
        let state = match &held.found {
            _ if !held.compared => "unknown",
            None => "missing",
            Some(_) if held.is_ours(&self.identity.name) => "ours",
            Some(_) => "present",
        };
        view::Eepg {
            apic: self.apic.to_string(),
            kind: kind.to_owned(),
            dn: container.to_string(),
            tenant: container.tenant().to_string(),
            l3out,
            name: container.name().to_string(),
            vrf: vrf.unwrap_or_default(),
            state: state.to_owned(),
            desired: held.wanted,
            observed: held.ours,
            foreign: held.foreign,
            pending,
            held: held_back,
            cap: rule.map_or(self.caps.members, |rule| rule.caps.members),
            compared: self
                .slots
                .get(&Scope::slot(container))
                .and_then(|slot| slot.compared)
                .or(self.compared),
            trouble: self.trouble_of(container, held, now),
        }
    }

    /// Members of one of them, by its distinguished name, after `after` in order; none: there is no such.
    pub fn members(
        &self,
        dn: &str,
        after: Option<IpNet>,
        limit: usize,
        now: Timestamp,
    ) -> Option<Vec<view::Member>> {
        let container = Arc::new(Container::of(dn).filter(|container| container.to_string() == dn)?);
        self.containers.get(&container)?;
        let all = self.entries.iter().filter(|((_, prefix), _)| after.is_none_or(|after| *prefix > after));
        let mut members: Vec<_> =
            all.filter_map(|(key, entry)| self.member(key.1, entry, &container, now)).collect();
        members.sort_by_key(|member| member.prefix);
        members.truncate(limit);
        Some(members)
    }

    fn member(
        &self,
        prefix: IpNet,
        entry: &Entry,
        at: &Arc<Container>,
        now: Timestamp,
    ) -> Option<view::Member> {
        let seen = entry.seen.iter().find(|seen| seen.container == *at);
        let wanted = entry.wish.container() == Some(at);
        let state = match seen {
            Some(seen) if seen.is_of(&self.identity.name) => "ours",
            Some(_) => "foreign",
            None if wanted => "missing",
            None => return None,
        };
        Some(view::Member {
            prefix,
            state: state.to_owned(),
            wanted,
            nodes: self.nodes_of(entry).iter().map(ToString::to_string).collect(),
            rule: entry.wish.claim().map(|claim| self.rules.name(claim.rule)),
            note: (entry.todo.is_some() || !wanted).then(|| self.why_entry(entry, now)),
        })
    }

    /// The EEPG that holds a prefix of ours or of others, by its distinguished name.
    pub fn holder(&self, vrf: &str, prefix: IpNet) -> Option<String> {
        let (_, entry) = self.entry_in(vrf, prefix)?;
        let ours = entry.seen.iter().find(|seen| seen.is_of(&self.identity.name));
        let seen = ours.or_else(|| {
            entry.seen.iter().find(|seen: &&Seen| seen.scope.contains(SubnetScope::ImportSecurity))
        })?;
        Some(seen.container.to_string())
    }

    fn entry_in(&self, vrf: &str, prefix: IpNet) -> Option<(Key, &Entry)> {
        let is = |domain: &Domain| matches!(domain, Domain::Vrf(name) if **name == *vrf);
        let place = u16::try_from(self.domains.iter().position(is)?).ok()?;
        let key = (place, prefix);
        Some((key, self.entries.get(&key)?))
    }

    pub(super) fn entry_of(&self, container: &Arc<Container>, prefix: IpNet) -> Option<(Key, &Entry)> {
        let has = |entry: &Entry| {
            entry.wish.container() == Some(container)
                || entry.seen.iter().any(|seen| seen.container == *container)
        };
        let places = (0..u16::try_from(self.domains.len()).unwrap_or(u16::MAX)).map(|place| (place, prefix));
        places.filter_map(|key| Some((key, self.entries.get(&key)?))).find(|(_, entry)| has(entry))
    }

    /// One line: which rule takes a prefix, and what becomes of it.
    pub fn why(&self, vrf: &str, prefix: IpNet, now: Timestamp) -> String {
        match self.entry_in(vrf, prefix) {
            Some((key, entry)) => {
                let hold = entry.todo.as_ref().and_then(|todo| {
                    self.stopped(now).or_else(|| {
                        if todo.is_delete() {
                            self.hold_delete(key, entry, now)
                        } else {
                            self.hold_put(key, todo, now)
                        }
                    })
                });
                let waits = hold.map(|hold| match hold.until {
                    Some(until) => format!("; held back by {} until {until}", hold.brake.name()),
                    None => format!("; held back by {}", hold.brake.name()),
                });
                format!("{}{}", self.why_entry(entry, now), waits.unwrap_or_default())
            }
            None => format!("no rule of {} takes it, and no EEPG of VRF {vrf} holds it", self.apic),
        }
    }

    fn why_entry(&self, entry: &Entry, now: Timestamp) -> String {
        let _ = now;
        let at = entry.seen.iter().find(|seen| seen.is_of(&self.identity.name));
        let there = |container: &Arc<Container>| at.is_some_and(|seen| seen.container == *container);
        match &entry.wish {
            Wish::Member(claim) => {
                let (rule, name) = (self.rules.name(claim.rule), claim.container.name());
                let foreign = entry.seen.iter().any(|seen| seen.container == claim.container)
                    && !there(&claim.container);
                let state = match () {
                    () if foreign => "is there, kept by somebody else",
                    () if there(&claim.container) && entry.todo.is_none() => "is a member",
                    () if there(&claim.container) => "is a member, and is to be changed",
                    () => "is to be a member",
                };
                format!("rule {rule} takes it, and it {state} of {name}")
            }
            Wish::Untouched => {
                "the first rule that takes it says manage = \"never\": it is left alone".to_owned()
            }
            Wish::Unnamed { rule, witness } => self.rules.unnamed(*rule, witness),
            Wish::Disputed(claims) => {
                let names: Vec<_> = claims
                    .iter()
                    .map(|claim| format!("{} ({})", claim.container.name(), claim.witness))
                    .collect();
                format!(
                    "its routes lead to different EEPGs, {}: what is there stays until they agree",
                    names.join(" and ")
                )
            }
            Wish::Nothing => match at {
                Some(seen) => {
                    format!("nothing announces it, and it is still a member of {}", seen.container.name())
                }
                None => "nothing announces it, and no member of ours has it".to_owned(),
            },
        }
    }

    /// In numbers.
    pub fn counts(&self, now: Timestamp) -> view::Counts {
        let eepgs = self.eepgs(now);
        let sum = |of: fn(&view::Eepg) -> usize| eepgs.iter().map(of).sum();
        view::Counts {
            total: eepgs.len(),
            desired: sum(|eepg| eepg.desired),
            observed: sum(|eepg| eepg.observed),
            pending: sum(|eepg| eepg.pending),
            held: sum(|eepg| eepg.held),
        }
    }

    pub(super) fn is_observing(&self) -> bool {
        self.safety.mode == Mode::Observe
    }
}

/// What a brake is about: all, or one slot.
fn scope_name(brake: Brake, container: &Arc<Container>) -> String {
    match brake {
        Brake::Paused | Brake::ForeignInstance | Brake::Comparison | Brake::Startup | Brake::DeleteRate => {
            String::new()
        }
        _ => match Scope::slot(container) {
            Scope::L3out(l3out) => l3out.to_string(),
            Scope::Policy(container) => container.to_string(),
            Scope::All => String::new(),
        },
    }
}

/// Some nodes, for people.
pub(super) fn names(nodes: &[Arc<str>]) -> String {
    match nodes {
        [] => "nobody known".to_owned(),
        nodes if nodes.len() <= NAMES => nodes.join(", "),
        nodes => {
            let shown: Vec<_> = nodes.iter().take(NAMES).map(|node| &**node).collect();
            format!("{} and {} more", shown.join(", "), nodes.len() - NAMES)
        }
    }
}

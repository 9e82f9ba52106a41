//! Findings: what is wrong and lasts.
//!
//! A finding is pending as soon as its cause is there, open once the cause has lasted for the kind's
//! `open_after`, and resolved when the cause is gone. One that goes before it opened is dropped: nobody
//! was told. Whoever sees causes come and go says so with [`Findings::raise`], [`Findings::add`],
//! [`Findings::remove`], [`Findings::clear`], [`Findings::event`] and, for rejected routes, with
//! [`Findings::rogue`] and its kin; after that, and at the time [`Findings::next`] names,
//! [`Findings::tick`] tells what became of it. Every call costs O(log n).

#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod advice;
mod burst;
mod cause;
mod key;
mod kind;
mod muting;
mod refused;
mod reported;
mod rogue;
mod room;
mod saved;
mod silence;
mod text;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::view;
use crate::config::model;
use crate::speaker::PeerId;
use crate::time::Timestamp;

pub(super) use cause::Muted;
use cause::{Cause, State, Witness};
pub use key::{Capacity, Key, Proof, Scope};
pub use kind::{Kind, Severity};
pub(super) use muting::Subject;
pub use rogue::{Announcer, Rogue};
pub use saved::Saved;

/// At most this many findings are pending or open.
pub const MAX_FINDINGS: usize = 10_000;
/// At most this many of one kind.
pub const MAX_OF_KIND: usize = 1_000;
/// At most this many proofs of one finding are shown.
pub const MAX_PROOFS: usize = 8;
/// How long an event must not have happened for its finding to resolve, unless its kind takes longer.
pub const QUIET: Duration = Duration::from_mins(10);
/// How long resolved findings are kept.
pub const KEEP_RESOLVED: Duration = Duration::from_hours(24);

/// Causes above the bounds that are remembered until there is room; the rest is only counted.
const MAX_WAITING: usize = 10_000;
const KINDS: usize = Kind::ALL.len();

/// All findings, pending, open and lately resolved.
#[derive(Debug, Serialize, Deserialize)]
pub struct Findings {
    open_after: [Duration; KINDS],
    resolve_after: [Duration; KINDS],
    causes: BTreeMap<u64, Cause>,
    numbers: BTreeMap<Key, u64>,
    due: BTreeSet<(Timestamp, u64)>,
    /// Causes above the bounds, by kind, the oldest first.
    waiting: [BTreeSet<u64>; KINDS],
    pending: [usize; KINDS],
    open: [usize; KINDS],
    /// Of those that are pending or open, how many another explains or somebody works on.
    hushed: [usize; KINDS],
    uncounted: u64,
    resolved: VecDeque<(Timestamp, view::Finding)>,
    rogues: BTreeMap<PeerId, rogue::Routes>,
    /// When which peer's findings on rejected routes fall apart into one each.
    unrolls: BTreeSet<(Timestamp, PeerId)>,
    /// Pending causes of which nobody was told yet: what goes before is not worth a word.
    untold: BTreeSet<u64>,
    transitions: Vec<Transition>,
    /// Who cannot be heard since when its session was lost, and the causes that it proved.
    silent: BTreeMap<PeerId, BTreeSet<u64>>,
    /// We are cut off, and nothing can be seen.
    blind: bool,
    /// Before that, nothing is missed yet that may be missing.
    misses_from: Timestamp,
    /// Of these it was not asked yet what explains them.
    unexplained: BTreeSet<u64>,
    explain_all: bool,
    last_number: u64,
    revision: u64,
    /// What was shown last, and of which revision.
    #[serde(skip)]
    shown: RefCell<Option<(u64, Arc<[view::Finding]>)>>,
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// What happened.
    pub change: Change,
    /// The finding after it.
    pub finding: view::Finding,
}

/// What happens to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Its cause is there.
    Pending,
    /// Its cause lasted: somebody should know.
    Open,
    /// It was open and its cause is gone.
    Resolved,
    /// It was pending and its cause is gone: there is no trace of it.
    Dropped,
}

impl Findings {
    /// No findings.
    pub fn new(config: &model::Findings) -> Self {
        Self {
            open_after: open_after(config),
            resolve_after: resolve_after(config),
            causes: BTreeMap::new(),
            numbers: BTreeMap::new(),
            due: BTreeSet::new(),
            waiting: Default::default(),
            pending: [0; KINDS],
            open: [0; KINDS],
            hushed: [0; KINDS],
            uncounted: 0,
            resolved: VecDeque::new(),
            rogues: BTreeMap::new(),
            unrolls: BTreeSet::new(),
            untold: BTreeSet::new(),
            transitions: Vec::new(),
            silent: BTreeMap::new(),
            blind: false,
            misses_from: Timestamp::default(),
            unexplained: BTreeSet::new(),
            explain_all: false,
            last_number: 0,
            revision: 0,
            shown: RefCell::default(),
        }
    }

    /// Takes over a new configuration: what is pending opens by the new terms, what is open stays.
    pub fn reconfigure(&mut self, config: &model::Findings) {
        self.open_after = open_after(config);
        self.resolve_after = resolve_after(config);
        let numbers: Vec<_> = self.causes.keys().copied().collect();
        for number in numbers {
            self.schedule(number);
        }
    }

    /// `key` is wrong until it is cleared, and `proofs` are all that prove it.
    pub fn raise(&mut self, key: Key, proofs: impl IntoIterator<Item = Proof>, now: Timestamp) {
        self.update(key, now, |cause| {
            cause.lasting = true;
            cause.witnesses = proofs.into_iter().map(Witness::of).collect();
        });
    }

    /// `key` is wrong until it is cleared, and `proof` is one more that proves it.
    pub fn add(&mut self, key: Key, proof: Proof, now: Timestamp) {
        self.add_since(key, proof, now);
    }

    /// `key` is wrong until it is cleared: `facts` are what is known of it, and `proofs` of whom.
    pub fn state(
        &mut self,
        key: Key,
        facts: Vec<String>,
        proofs: impl IntoIterator<Item = Proof>,
        now: Timestamp,
    ) {
        self.state_since(key, facts, proofs, now);
    }

    /// The same of what began a while ago.
    pub(super) fn state_since(
        &mut self,
        key: Key,
        facts: Vec<String>,
        proofs: impl IntoIterator<Item = Proof>,
        since: Timestamp,
    ) {
        self.update(key, since, |cause| {
            cause.lasting = true;
            cause.facts = facts;
            cause.witnesses = proofs.into_iter().map(Witness::of).collect();
        });
    }

    /// What `peer` had to do with `key` is gone. The cause goes with its last proof; that several nodes
    /// announce one prefix ends when one node is left.
    pub fn remove(&mut self, key: &Key, peer: &PeerId, now: Timestamp) {
        let Some(&number) = self.numbers.get(key) else { return };
        let told = self.is_told(number);
        let Some(cause) = self.causes.get_mut(&number) else { return };
        let Some(mut last) = cause.witnesses.remove(peer) else { return };
        let silent = self.silent.get_mut(peer).filter(|_| told && key.kind.is_of_routes());
        last.silent = silent.is_some();
        if let Some(numbers) = silent {
            numbers.insert(number);
            cause.witnesses.insert(peer.clone(), last);
            if !cause.is_proven() {
                self.clear(key, now);
            }
        } else if !cause.is_proven() {
            // What is resolved still says whom it was about.
            cause.witnesses.insert(peer.clone(), last);
            self.clear(key, now);
        }
        self.unexplained.insert(number);
        self.revision += 1;
    }

    /// Something happened that stays a finding until its kind has been quiet for a while: ten minutes, mostly. `proof` tells what it was.
    pub fn event(&mut self, key: Key, proof: Proof, now: Timestamp) {
        let quiet = now.after(key.kind.quiet());
        self.update(key, now, |cause| {
            cause.quiet = Some(quiet);
            cause.events = cause.events.saturating_add(1);
            cause.notes.push_front(proof.text.clone());
            cause.notes.truncate(MAX_PROOFS);
            let (peer, witness) = Witness::of(Proof { text: String::new(), ..proof });
            cause.witnesses.entry(peer).or_insert(witness);
        });
    }

    /// `key` is no longer wrong, except for its events, which need their quiet minutes. What somebody was
    /// told of stays a while, for it may come back, and longer if nobody is there to tell whether it is over.
    pub fn clear(&mut self, key: &Key, now: Timestamp) {
        let Some(&number) = self.numbers.get(key) else { return };
        let told = self.is_told(number);
        let silenced = told && self.is_silenced(number);
        let frozen = self.causes.get(&number).filter(|_| silenced).map(|cause| self.frozen(cause));
        let resolve_after = self.resolve_after.get(key.kind.index()).copied().unwrap_or_default();
        let Some(cause) = self.causes.get_mut(&number) else { return };
        cause.lasting = false;
        self.revision += 1;
        if silenced {
            if !std::mem::replace(&mut cause.unseen, true) {
                cause.lingers = Some(now.after(silence::SILENCE));
                (cause.said, cause.facts) = frozen.unwrap_or_default();
            }
        } else {
            let seen = std::mem::take(&mut cause.unseen) | std::mem::take(&mut cause.restored);
            let until = (told && !key.is_burst()).then(|| now.after(resolve_after));
            cause.lingers = cause.lingers.filter(|_| !seen).or(until);
        }
        if cause.is_over(now) {
            self.finish(number, now);
        } else {
            self.schedule(number);
        }
    }

    /// Nothing that is about `peer` itself, its sessions and routes, matters any longer.
    pub fn forget(&mut self, scope: &Scope, peer: &PeerId, now: Timestamp) {
        self.heard(peer, now);
        self.no_rogues(peer, now);
        let numbers: Vec<_> = Kind::ALL
            .into_iter()
            .flat_map(|kind| {
                let first = Key::first_about(kind, scope, peer);
                self.numbers.range(first..).take_while(move |(key, _)| {
                    key.kind == kind && key.scope == *scope && key.peer() == Some(peer)
                })
            })
            .map(|(_, number)| *number)
            .collect();
        for number in numbers {
            self.finish(number, now);
        }
    }

    /// What became of findings since the last call, in order.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Transition> {
        self.unroll_due(now);
        while let Some(&(due, number)) = self.due.first()
            && due <= now
        {
            self.due.pop_first();
            self.fall_due(number, now);
        }
        for number in std::mem::take(&mut self.untold) {
            self.tell(Change::Pending, number);
        }
        while self.resolved.front().is_some_and(|(resolved, _)| resolved.after(KEEP_RESOLVED) <= now) {
            self.resolved.pop_front();
            self.revision += 1;
        }
        std::mem::take(&mut self.transitions)
    }

    /// When [`Findings::tick`] has something to do; the epoch if it has already.
    pub fn next(&self) -> Option<Timestamp> {
        if !self.transitions.is_empty() || !self.untold.is_empty() {
            return Some(Timestamp::default());
        }
        let due = self.due.first().map(|(due, _)| *due);
        let unroll = self.unrolls.first().map(|(due, _)| *due);
        let expiry = self.resolved.front().map(|(resolved, _)| resolved.after(KEEP_RESOLVED));
        [due, unroll, expiry].into_iter().flatten().min()
    }

    /// Pending and open findings, in the order in which their causes were seen.
    pub fn current(&self) -> impl Iterator<Item = view::Finding> {
        self.causes.values().filter(|cause| cause.state != State::Waiting).map(|cause| self.view(cause))
    }

    /// Resolved findings of the last 24 hours, the oldest first.
    pub fn resolved(&self) -> impl Iterator<Item = &view::Finding> {
        self.resolved.iter().map(|(_, finding)| finding)
    }

    /// The current ones and the resolved ones: the same list again while none of them looks different.
    pub fn shown(&self) -> Arc<[view::Finding]> {
        let mut shown = self.shown.borrow_mut();
        if let Some((_, list)) = shown.as_ref().filter(|(revision, _)| *revision == self.revision) {
            return Arc::clone(list);
        }
        let list: Arc<[_]> = self.current().chain(self.resolved().cloned()).collect();
        *shown = Some((self.revision, Arc::clone(&list)));
        list
    }

    /// How many causes and resolved findings are remembered.
    pub fn size(&self) -> u64 {
        self.causes.len().saturating_add(self.resolved.len()) as u64
    }

    /// A number that changes whenever a finding may look different.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether `key` is a finding, or waits to be one.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.numbers.contains_key(key)
    }

    /// What is found of `kind`.
    pub(super) fn current_of(&self, kind: Kind) -> impl Iterator<Item = &Key> {
        let numbers = self.numbers.range(Key::first_of(kind)..);
        numbers.map(|(key, _)| key).take_while(move |key| key.kind == kind)
    }
}

/// The way of a cause: waiting, pending, open, gone.
impl Findings {
    /// The same, of what was wrong since some time ago.
    pub(in crate::observer) fn add_since(&mut self, key: Key, proof: Proof, since: Timestamp) {
        self.update(key, since, |cause| {
            cause.lasting = true;
            cause.witnesses.extend([Witness::of(proof)]);
        });
    }

    fn update(&mut self, key: Key, since: Timestamp, change: impl FnOnce(&mut Cause)) {
        self.revision += 1;
        if let Some(&number) = self.numbers.get(&key) {
            if let Some(cause) = self.causes.get_mut(&number) {
                if std::mem::take(&mut cause.restored) {
                    cause.witnesses.clear();
                }
                if std::mem::take(&mut cause.unseen) {
                    cause.facts.clear();
                    cause.said = None;
                }
                let lingered = cause.lingers.take().is_some();
                let proofs = cause.witnesses.len();
                change(cause);
                // Whom else it is about may explain what was found in them.
                self.explain_all |= key.kind.explains_others() && cause.witnesses.len() > proofs;
                if since < cause.since || lingered {
                    cause.since = cause.since.min(since);
                    self.schedule(number);
                }
            }
            self.unexplained.insert(number);
            return;
        }
        let kind = key.kind;
        // What explains others always has room.
        let room = self.has_room(kind)
            || key.is_burst()
            || matches!(kind, Kind::ObserverIsolated | Kind::MeshLeftOn);
        if !room && self.above_bounds().0 >= MAX_WAITING {
            self.uncounted += 1;
            return;
        }
        self.last_number += 1;
        let number = self.last_number;
        let mut cause = Cause::new(key.clone(), since, number);
        change(&mut cause);
        self.numbers.insert(key, number);
        self.causes.insert(number, cause);
        self.explain_all |= kind.explains_others();
        if room {
            self.admit(number);
        } else if let Some(waiting) = self.waiting.get_mut(kind.index()) {
            waiting.insert(number);
            self.schedule(number);
        }
    }

    fn admit(&mut self, number: u64) {
        self.enter(number, State::Pending);
        self.untold.insert(number);
        self.unexplained.insert(number);
        self.schedule(number);
    }

    /// Does what is due, if anything is, and schedules what comes next.
    fn fall_due(&mut self, number: u64, now: Timestamp) {
        let Some(cause) = self.causes.get(&number) else { return };
        if cause.is_over(now) {
            if cause.unseen && self.blind {
                let until = Some(now.after(silence::SILENCE));
                self.causes.entry(number).and_modify(|cause| cause.lingers = until);
                return self.schedule(number);
            }
            return self.finish(number, now);
        }
        if self.opens(cause).is_some_and(|opens| opens <= now) && cause.is_there(now) {
            if self.untold.remove(&number) {
                self.tell(Change::Pending, number);
            }
            self.enter(number, State::Open(now));
            self.tell(Change::Open, number);
            self.explain_more(number);
        }
        self.schedule(number);
    }

    /// When a cause opens: not while nobody is to be told.
    fn opens(&self, cause: &Cause) -> Option<Timestamp> {
        let from = cause.released.map_or(cause.since, |released| released.max(cause.since));
        let after = self.open_after.get(cause.key.kind.index()).copied().unwrap_or_default();
        (cause.state == State::Pending && !cause.is_muted()).then(|| from.after(after))
    }

    fn schedule(&mut self, number: u64) {
        let Some(cause) = self.causes.get(&number) else { return };
        let opens = self.opens(cause).filter(|_| cause.lasting || cause.quiet.is_some());
        let over = cause.quiet.max(cause.lingers).filter(|_| !cause.lasting);
        let due = opens.into_iter().chain(over).min();
        let Some(cause) = self.causes.get_mut(&number) else { return };
        if let Some(former) = std::mem::replace(&mut cause.due, due) {
            self.due.remove(&(former, number));
        }
        self.due.extend(due.map(|due| (due, number)));
    }

    fn finish(&mut self, number: u64, now: Timestamp) {
        let Some(cause) = self.causes.get(&number) else { return };
        let (kind, state) = (cause.key.kind, cause.state);
        match state {
            State::Waiting => {}
            State::Pending if self.untold.remove(&number) => {}
            State::Pending => self.tell(Change::Dropped, number),
            State::Open(_) => {
                let finding = self.resolved_view(cause, now);
                self.transitions.push(Transition { change: Change::Resolved, finding: finding.clone() });
                self.resolved.push_back((now, finding));
                if self.resolved.len() > MAX_FINDINGS {
                    self.resolved.pop_front();
                }
            }
        }
        self.leave(state, kind, number);
        self.erase(number, now);
        self.admit_waiting(kind, now);
    }

    fn erase(&mut self, number: u64, now: Timestamp) {
        self.revision += 1;
        let Some(cause) = self.causes.remove(&number) else { return };
        self.numbers.remove(&cause.key);
        self.unexplained.remove(&number);
        if let Some(due) = cause.due {
            self.due.remove(&(due, number));
        }
        if let Some(muted) = cause.muted {
            if cause.state != State::Waiting
                && let Some(hushed) = self.hushed.get_mut(cause.key.kind.index())
            {
                *hushed = hushed.saturating_sub(1);
            }
            self.no_longer_explained(number, &muted, now);
        }
        self.release(cause.explains, now);
    }

    fn tell(&mut self, change: Change, number: u64) {
        if let Some(cause) = self.causes.get(&number) {
            self.transitions.push(Transition { change, finding: self.view(cause) });
        }
    }
}

fn open_after(config: &model::Findings) -> [Duration; KINDS] {
    Kind::ALL.map(|kind| {
        let own = config.open_after.iter().rev().find(|(name, _)| name == kind.name());
        own.map_or_else(|| kind.open_after(), |(_, duration)| *duration)
    })
}

/// What comes and goes is one finding: as long as it takes to open it takes to resolve.
fn resolve_after(config: &model::Findings) -> [Duration; KINDS] {
    let open_after = open_after(config);
    Kind::ALL.map(|kind| {
        let own = config.resolve_after.iter().rev().find(|(name, _)| name == kind.name());
        let symmetric = || {
            if kind.flaps() {
                open_after.get(kind.index()).copied().unwrap_or_default()
            } else {
                Duration::ZERO
            }
        };
        own.map_or_else(symmetric, |(_, duration)| *duration)
    })
}

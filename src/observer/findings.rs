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
mod key;
mod kind;
mod rogue;
mod saved;
mod text;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::view;
use crate::config::model;
use crate::speaker::PeerId;
use crate::time::Timestamp;

pub use key::{Capacity, Key, Proof, Scope};
pub use kind::{Kind, Severity};
pub use rogue::{Announcer, Rogue};
pub use saved::Saved;

/// At most this many findings are pending or open.
pub const MAX_FINDINGS: usize = 10_000;
/// At most this many of one kind.
pub const MAX_OF_KIND: usize = 1_000;
/// At most this many proofs of one finding are shown.
pub const MAX_PROOFS: usize = 8;
/// How long an event must not have happened for its finding to resolve.
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
    causes: BTreeMap<u64, Cause>,
    numbers: BTreeMap<Key, u64>,
    due: BTreeSet<(Timestamp, u64)>,
    /// Causes above the bounds, by kind, the oldest first.
    waiting: [BTreeSet<u64>; KINDS],
    pending: [usize; KINDS],
    open: [usize; KINDS],
    uncounted: u64,
    resolved: VecDeque<(Timestamp, view::Finding)>,
    rogues: BTreeMap<PeerId, rogue::Routes>,
    /// When which peer's findings on rejected routes fall apart into one each.
    unrolls: BTreeSet<(Timestamp, PeerId)>,
    /// Pending causes of which nobody was told yet: what goes before is not worth a word.
    untold: BTreeSet<u64>,
    transitions: Vec<Transition>,
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

/// Something that is wrong now.
#[derive(Debug, Serialize, Deserialize)]
struct Cause {
    key: Key,
    id: Box<str>,
    since: Timestamp,
    state: State,
    /// Wrong until it is cleared, whatever events there are.
    lasting: bool,
    /// Until when the last event counts.
    quiet: Option<Timestamp>,
    /// Known from before a restart, and not seen since: `quiet` says how long that is believed.
    restored: bool,
    /// Where in `due`.
    due: Option<Timestamp>,
    witnesses: BTreeMap<PeerId, Witness>,
    /// What is known of it, whoever proves it; at most [`MAX_PROOFS`] are shown.
    facts: Vec<String>,
    /// What the last events were, the newest first.
    notes: VecDeque<String>,
    /// How many events there were.
    events: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Above the bounds: nobody sees it.
    Waiting,
    Pending,
    Open(Timestamp),
}

#[derive(Debug, Serialize, Deserialize)]
struct Witness {
    node: Option<Arc<str>>,
    cluster: Arc<str>,
    text: String,
}

impl Findings {
    /// No findings.
    pub fn new(config: &model::Findings) -> Self {
        Self {
            open_after: open_after(config),
            causes: BTreeMap::new(),
            numbers: BTreeMap::new(),
            due: BTreeSet::new(),
            waiting: Default::default(),
            pending: [0; KINDS],
            open: [0; KINDS],
            uncounted: 0,
            resolved: VecDeque::new(),
            rogues: BTreeMap::new(),
            unrolls: BTreeSet::new(),
            untold: BTreeSet::new(),
            transitions: Vec::new(),
            last_number: 0,
            revision: 0,
            shown: RefCell::default(),
        }
    }

    /// Takes over a new configuration: what is pending opens by the new terms, what is open stays.
    pub fn reconfigure(&mut self, config: &model::Findings) {
        self.open_after = open_after(config);
        let numbers: Vec<_> = self.causes.keys().copied().collect();
        for number in numbers {
            self.schedule(number);
        }
    }

    /// `key` is wrong until it is cleared, and `proofs` are all that prove it.
    pub fn raise(&mut self, key: Key, proofs: impl IntoIterator<Item = Proof>, now: Timestamp) {
        self.update(key, now, now, |cause| {
            cause.lasting = true;
            cause.witnesses = proofs.into_iter().map(Witness::of).collect();
        });
    }

    /// `key` is wrong until it is cleared, and `proof` is one more that proves it.
    pub fn add(&mut self, key: Key, proof: Proof, now: Timestamp) {
        self.add_since(key, proof, now, now);
    }

    /// `key` is wrong until it is cleared: `facts` are what is known of it, and `proofs` of whom.
    pub fn state(
        &mut self,
        key: Key,
        facts: Vec<String>,
        proofs: impl IntoIterator<Item = Proof>,
        now: Timestamp,
    ) {
        self.update(key, now, now, |cause| {
            cause.lasting = true;
            cause.facts = facts;
            cause.witnesses = proofs.into_iter().map(Witness::of).collect();
        });
    }

    /// What `peer` had to do with `key` is gone. The cause goes with its last proof; that several nodes
    /// announce one prefix ends when one node is left.
    pub fn remove(&mut self, key: &Key, peer: &PeerId, now: Timestamp) {
        let Some(cause) = self.cause(key) else { return };
        let Some(last) = cause.witnesses.remove(peer) else { return };
        if !cause.is_proven() {
            // What is resolved still says whom it was about.
            cause.witnesses.insert(peer.clone(), last);
            self.clear(key, now);
        }
        self.revision += 1;
    }

    /// Something happened that stays a finding for ten quiet minutes. `proof` tells what it was.
    pub fn event(&mut self, key: Key, proof: Proof, now: Timestamp) {
        self.update(key, now, now, |cause| {
            cause.quiet = Some(now.after(QUIET));
            cause.events = cause.events.saturating_add(1);
            cause.notes.push_front(proof.text);
            cause.notes.truncate(MAX_PROOFS);
            cause.witnesses.entry(proof.peer).or_insert(Witness {
                node: proof.node,
                cluster: proof.cluster,
                text: String::new(),
            });
        });
    }

    /// `key` is no longer wrong, except for its events, which need their quiet minutes.
    pub fn clear(&mut self, key: &Key, now: Timestamp) {
        let Some(&number) = self.numbers.get(key) else { return };
        let Some(cause) = self.causes.get_mut(&number) else { return };
        cause.lasting = false;
        if cause.quiet.is_some_and(|quiet| quiet > now) {
            self.schedule(number);
        } else {
            self.finish(number, now);
        }
    }

    /// Nothing that is about `peer` itself, its sessions and routes, matters any longer.
    pub fn forget(&mut self, scope: &Scope, peer: &PeerId, now: Timestamp) {
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
        while self.unrolls.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, peer)) = self.unrolls.pop_first()
        {
            self.unroll(&peer, now);
        }
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

    /// How many findings there are.
    pub fn counts(&self) -> view::FindingCounts {
        let by_kind = Kind::ALL.iter().zip(self.open).filter(|(_, open)| *open > 0);
        view::FindingCounts {
            open: self.open.iter().sum(),
            pending: self.pending.iter().sum(),
            muted: 0,
            by_kind: by_kind.map(|(kind, open)| (kind.name().to_owned(), open)).collect(),
        }
    }

    /// How many findings of `kind` are pending and open.
    pub fn count(&self, kind: Kind) -> (usize, usize) {
        let of = |counts: &[usize]| counts.get(kind.index()).copied().unwrap_or_default();
        (of(&self.pending), of(&self.open))
    }

    /// How many causes are above the bounds now and wait for room, and how many were not even remembered.
    pub fn above_bounds(&self) -> (usize, u64) {
        (self.waiting.iter().map(BTreeSet::len).sum(), self.uncounted)
    }
}

/// The way of a cause: waiting, pending, open, gone.
impl Findings {
    fn cause(&mut self, key: &Key) -> Option<&mut Cause> {
        self.causes.get_mut(self.numbers.get(key)?)
    }

    fn add_since(&mut self, key: Key, proof: Proof, since: Timestamp, now: Timestamp) {
        self.update(key, since, now, |cause| {
            cause.lasting = true;
            cause.witnesses.extend([Witness::of(proof)]);
        });
    }

    fn update(&mut self, key: Key, since: Timestamp, now: Timestamp, change: impl FnOnce(&mut Cause)) {
        self.revision += 1;
        if let Some(&number) = self.numbers.get(&key) {
            if let Some(cause) = self.causes.get_mut(&number) {
                if std::mem::take(&mut cause.restored) {
                    cause.quiet = None;
                    cause.witnesses.clear();
                }
                change(cause);
                if since < cause.since {
                    cause.since = since;
                    self.schedule(number);
                }
            }
            return;
        }
        let kind = key.kind;
        let room = self.has_room(kind);
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
        if room {
            self.admit(number, now);
        } else if let Some(waiting) = self.waiting.get_mut(kind.index()) {
            waiting.insert(number);
            self.schedule(number);
        }
    }

    fn has_room(&self, kind: Kind) -> bool {
        let (pending, open) = self.count(kind);
        let all = self.pending.iter().chain(&self.open).sum::<usize>();
        pending.saturating_add(open) < MAX_OF_KIND && all < MAX_FINDINGS
    }

    fn admit(&mut self, number: u64, now: Timestamp) {
        self.enter(number, State::Pending);
        self.untold.insert(number);
        // What is as old as what it takes the place of must be told before that goes.
        if self.causes.get(&number).is_some_and(|cause| cause.since < now) {
            self.fall_due(number, now);
        } else {
            self.schedule(number);
        }
    }

    /// Does what is due, if anything is, and schedules what comes next.
    fn fall_due(&mut self, number: u64, now: Timestamp) {
        let Some(cause) = self.causes.get(&number) else { return };
        if cause.is_over(now) {
            return self.finish(number, now);
        }
        if cause.state == State::Pending && self.opens(cause) <= now {
            if self.untold.remove(&number) {
                self.tell(Change::Pending, number);
            }
            self.enter(number, State::Open(now));
            self.tell(Change::Open, number);
        }
        self.schedule(number);
    }

    fn opens(&self, cause: &Cause) -> Timestamp {
        cause.since.after(self.open_after.get(cause.key.kind.index()).copied().unwrap_or_default())
    }

    fn schedule(&mut self, number: u64) {
        let Some(cause) = self.causes.get(&number) else { return };
        let opens = (cause.state == State::Pending).then(|| self.opens(cause));
        let quiet = cause.quiet.filter(|_| !cause.lasting);
        let due = opens.into_iter().chain(quiet).min();
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
                let finding =
                    view::Finding { state: "resolved".into(), resolved: Some(now), ..self.view(cause) };
                self.transitions.push(Transition { change: Change::Resolved, finding: finding.clone() });
                self.resolved.push_back((now, finding));
                if self.resolved.len() > MAX_FINDINGS {
                    self.resolved.pop_front();
                }
            }
        }
        self.leave(state, kind, number);
        self.erase(number);
        self.admit_waiting(kind, now);
    }

    fn erase(&mut self, number: u64) {
        if let Some(cause) = self.causes.remove(&number) {
            self.numbers.remove(&cause.key);
            if let Some(due) = cause.due {
                self.due.remove(&(due, number));
            }
        }
        self.revision += 1;
    }

    /// Gives the room that one of `kind` left to the oldest causes that wait for it.
    fn admit_waiting(&mut self, kind: Kind, now: Timestamp) {
        for kind in std::iter::once(kind).chain(Kind::ALL) {
            while self.has_room(kind)
                && let Some(number) = self.waiting.get_mut(kind.index()).and_then(BTreeSet::pop_first)
            {
                if self.causes.get(&number).is_some_and(|cause| cause.is_over(now)) {
                    self.erase(number);
                } else {
                    self.admit(number, now);
                }
            }
        }
    }

    fn enter(&mut self, number: u64, state: State) {
        let Some(cause) = self.causes.get_mut(&number) else { return };
        let (kind, former) = (cause.key.kind, std::mem::replace(&mut cause.state, state));
        self.leave(former, kind, number);
        let counts = if state == State::Pending { &mut self.pending } else { &mut self.open };
        if let Some(count) = counts.get_mut(kind.index()) {
            *count += 1;
        }
        self.revision += 1;
    }

    fn leave(&mut self, state: State, kind: Kind, number: u64) {
        let counts = match state {
            State::Waiting => {
                if let Some(waiting) = self.waiting.get_mut(kind.index()) {
                    waiting.remove(&number);
                }
                return;
            }
            State::Pending => &mut self.pending,
            State::Open(_) => &mut self.open,
        };
        if let Some(count) = counts.get_mut(kind.index()) {
            *count = count.saturating_sub(1);
        }
    }

    fn tell(&mut self, change: Change, number: u64) {
        if let Some(cause) = self.causes.get(&number) {
            self.transitions.push(Transition { change, finding: self.view(cause) });
        }
    }
}

impl Cause {
    fn new(key: Key, since: Timestamp, number: u64) -> Self {
        let hash = foldhash::quality::FixedState::default().hash_one((&key, since, number));
        Self {
            id: format!("{}-{:010x}", key.kind, hash >> 24).into(),
            key,
            since,
            state: State::Waiting,
            lasting: false,
            quiet: None,
            restored: false,
            due: None,
            witnesses: BTreeMap::new(),
            facts: Vec::new(),
            notes: VecDeque::new(),
            events: 0,
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        !self.lasting && self.quiet.is_none_or(|quiet| quiet <= now)
    }

    fn is_proven(&self) -> bool {
        let mut nodes = self.witnesses.iter().map(|(peer, witness)| witness.node(peer));
        match nodes.next() {
            None => false,
            Some(first) => !self.key.kind.takes_two() || nodes.any(|node| node != first),
        }
    }
}

impl Witness {
    fn of(proof: Proof) -> (PeerId, Self) {
        (proof.peer, Self { node: proof.node, cluster: proof.cluster, text: proof.text })
    }

    fn proof((peer, witness): (&PeerId, &Self)) -> Proof {
        Proof {
            peer: peer.clone(),
            node: witness.node.clone(),
            cluster: Arc::clone(&witness.cluster),
            text: witness.text.clone(),
        }
    }

    /// What tells nodes apart: the name, or else the peer itself.
    fn node<'a>(&'a self, peer: &'a PeerId) -> Result<&'a str, &'a PeerId> {
        self.node.as_deref().ok_or(peer)
    }
}

fn open_after(config: &model::Findings) -> [Duration; KINDS] {
    Kind::ALL.map(|kind| {
        let own = config.open_after.iter().rev().find(|(name, _)| name == kind.name());
        own.map_or_else(|| kind.open_after(), |(_, duration)| *duration)
    })
}

//! The engine: what is to be written, when, and what must wait.
//!
//! Pure: it is told what routes want, what the APIC has and what became of each request; it says what to read and
//! what to write next. What it believes the APIC to hold comes from comparisons and from its own requests that
//! were answered, nothing else, so that a process that starts anew comes to the same.

mod answer;
mod compare;
mod entry;
mod hold;
mod orders;
mod settle;
mod shown;
mod slot;
mod trouble;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::entry::{Entry, Key};
use self::shown::ShownPlan;
use self::slot::{Held, Slot};
use self::write::InFlight;
use super::brake::Brake;
use super::dn::{Container, L3out};
use super::mo::Mo;
use super::reading::{Fault, FoundL3out, Scope};
use super::rule::{Domain, RuleId, Rules, Wish};
use super::view;
use crate::config::Config;
use crate::config::model::{FabricCaps, Mode, Safety};
use crate::observer::feed::{Destination, Roster, Witness};
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// How long after the last change of a slot its changes are sent, unless [`LONGEST`] comes first.
pub(super) const WINDOW: Duration = Duration::from_millis(250);
/// How long after the first change they are sent at the latest.
pub(super) const LONGEST: Duration = Duration::from_secs(1);

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `global.name`.
    pub name: Arc<str>,
    /// This process' own, or that of those before it that kept the same state.
    pub instance: Arc<str>,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its number.
    pub id: u64,
    /// The object that it is posted to.
    pub dn: String,
    /// What is posted.
    pub body: Mo,
    /// What it changes, and why.
    pub changes: Vec<view::Change>,
    /// When the first route changed that it follows; none: it follows no route that changed.
    pub since: Option<Timestamp>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// Nothing of it is, and will not be as it stands.
    Refused {
        /// The APIC's code.
        code: String,
        /// What it said.
        text: String,
    },
    /// It is too large.
    TooLarge,
    /// It may be done or not: nothing is sent there before this long, and before it was compared.
    Again(Duration),
    /// We may not.
    Denied(String),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read this, and tell [`Engine::compared`] or [`Engine::not_compared`].
    Compare(Scope),
    /// Ask for the next batch.
    Write,
    /// Nothing before this time, unless something is told.
    Wait(Timestamp),
}

/// What a call of an operator came to.
pub type Answer = Result<String, Refusal>;

/// Why a call of an operator is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing of this name.
    #[error("{0}")]
    Unknown(String),
    /// The plan is another by now.
    #[error("the plan is another by now; look at it again, it is {0}")]
    Changed(String),
    /// A brake, or observe mode.
    #[error("{0}")]
    Held(String),
}

/// Counters for metrics.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Changes sent, by container, operation (`create`, `modify`, `delete`) and result (`success`, `error`).
    pub changes: Vec<(String, &'static str, &'static str, u64)>,
    /// Engaged brakes by scope.
    pub holds: Vec<(String, Brake)>,
    /// Drift that comparisons found and that is not repaired, by container and kind: `missing`, `extra`,
    /// `wrong_scope`, `conflict`.
    pub drift: Vec<(String, &'static str, u64)>,
}

/// Keeps one fabric in step.
#[derive(Debug)]
pub struct Engine {
    apic: Arc<str>,
    identity: Identity,
    safety: Safety,
    caps: FabricCaps,
    batch_size: usize,
    compare_every: Duration,
    rules: Rules,
    /// Grows with each configuration.
    epoch: u32,
    /// The epoch of which every destination was offered.
    fed: Option<u32>,
    /// How often the observer lost track of what changed, at last.
    lost_track: u64,
    anew: bool,
    started: Timestamp,
    /// Never shrinks, so that keys stay what they are.
    domains: Vec<Domain>,
    entries: BTreeMap<Key, Entry>,
    containers: BTreeMap<Arc<Container>, Held>,
    slots: BTreeMap<Scope, Slot>,
    l3outs: BTreeMap<L3out, FoundL3out>,
    /// Names of other objects that are there: see [`Found::present`](super::reading::Found::present).
    present: BTreeSet<String>,
    faults: Vec<Fault>,
    /// EEPGs of the fabric.
    eepgs: Option<usize>,
    /// Nodes that said since our start what they have.
    heard: BTreeSet<Witness>,
    /// Nodes that had a peer when the roster was last called.
    called: BTreeSet<Witness>,
    maintained: BTreeMap<Witness, Timestamp>,
    /// Peers known at our start that are not settled yet; none before the first roster.
    awaited: Option<BTreeMap<PeerId, Timestamp>>,
    /// The brake of the start let go.
    started_up: bool,
    paused: Option<view::Pause>,
    /// Instances that wrote under our name before us.
    predecessors: BTreeSet<Arc<str>>,
    foreign_instance: Option<Arc<str>>,
    /// When the last complete comparison began.
    compared: Option<Timestamp>,
    comparing: Option<Scope>,
    compare_at: Timestamp,
    failure: Option<(String, u32)>,
    denied: Option<String>,
    in_flight: BTreeMap<u64, InFlight>,
    last_batch: u64,
    /// When what was deleted, within a minute.
    deletes: VecDeque<Timestamp>,
    /// What is left alone until the next start or reload.
    released: BTreeSet<Arc<Container>>,
    all_released: bool,
    shown: VecDeque<ShownPlan>,
    changes: BTreeMap<(Arc<Container>, &'static str, &'static str), u64>,
}

impl Engine {
    /// One for the named `[[apic]]` of `config`.
    pub fn new(apic: &str, config: &Config, identity: Identity, now: Timestamp) -> Self {
        let mut engine = Self {
            apic: apic.into(),
            identity,
            safety: config.safety.clone(),
            caps: FabricCaps::default(),
            batch_size: 500,
            compare_every: Duration::from_mins(5),
            rules: Rules::new(apic, config),
            epoch: 0,
            fed: None,
            lost_track: 0,
            anew: false,
            started: now,
            domains: Vec::new(),
            entries: BTreeMap::new(),
            containers: BTreeMap::new(),
            slots: BTreeMap::new(),
            l3outs: BTreeMap::new(),
            present: BTreeSet::new(),
            faults: Vec::new(),
            eepgs: None,
            heard: BTreeSet::new(),
            called: BTreeSet::new(),
            maintained: BTreeMap::new(),
            awaited: None,
            started_up: false,
            paused: None,
            predecessors: BTreeSet::new(),
            foreign_instance: None,
            compared: None,
            comparing: None,
            compare_at: now,
            failure: None,
            denied: None,
            in_flight: BTreeMap::new(),
            last_batch: 0,
            deletes: VecDeque::new(),
            released: BTreeSet::new(),
            all_released: false,
            shown: VecDeque::new(),
            changes: BTreeMap::new(),
        };
        engine.configure(config);
        engine
    }

    /// Takes over another configuration of the same APIC. Every destination must be offered again after it.
    pub fn reconfigure(&mut self, config: &Config, now: Timestamp) {
        self.rules = Rules::new(&self.apic, config);
        self.safety = config.safety.clone();
        self.epoch += 1;
        self.released.clear();
        self.all_released = false;
        self.configure(config);
        // Other L3Outs may have to be looked at.
        self.compare_at = now;
    }

    fn configure(&mut self, config: &Config) {
        if let Some(apic) = config.apics.iter().find(|apic| apic.name == self.apic) {
            (self.caps, self.batch_size) = (apic.caps, apic.batch_size.max(1));
            self.compare_every = apic.full_compare_every;
        }
        for held in self.containers.values_mut() {
            held.rule = None;
        }
        for domain in self.rules.domains() {
            self.domain(domain);
        }
        self.know_named(config);
    }

    /// EEPGs whose names rules say, and policies, are known whether there are members or not.
    fn know_named(&mut self, config: &Config) {
        let apic = Arc::clone(&self.apic);
        for (place, rule) in config.eepgs.iter().enumerate().filter(|(_, rule)| rule.apic == apic) {
            let Some(name) = rule.name.fixed() else { continue };
            let l3out = L3out { tenant: Arc::clone(&rule.tenant), name: Arc::clone(&rule.l3out) };
            self.held(&Arc::new(Container::Eepg { l3out, name })).rule.get_or_insert(RuleId::Eepg(place));
        }
        for (place, rule) in config.redirects.iter().enumerate().filter(|(_, rule)| rule.apic == apic) {
            let (tenant, name) = (Arc::clone(&rule.tenant), Arc::clone(&rule.policy));
            self.held(&Arc::new(Container::Policy { tenant, name }))
                .rule
                .get_or_insert(RuleId::Redirect(place));
        }
    }

    /// When the last complete comparison began; none: there was none yet.
    pub const fn last_compared(&self) -> Option<Timestamp> {
        self.compared
    }

    /// The rules in force.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    fn enforces(&self) -> bool {
        self.safety.mode == Mode::Enforce
    }

    fn domain(&mut self, domain: Domain) -> u16 {
        let place = self.domains.iter().position(|other| *other == domain).unwrap_or_else(|| {
            self.domains.push(domain);
            self.domains.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// What routes say of a prefix.
    pub fn offer(&mut self, destination: &Destination, now: Timestamp) {
        for (domain, wish) in self.rules.decide(destination) {
            let key = (self.domain(domain), destination.prefix);
            if wish == Wish::Nothing && destination.silent.is_empty() && !self.entries.contains_key(&key) {
                continue;
            }
            self.wish(key, wish, destination, now);
        }
    }

    fn wish(&mut self, key: Key, wish: Wish, destination: &Destination, now: Timestamp) {
        let epoch = self.epoch;
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(now));
        let (was_supported, was_silent) = (entry.is_supported(), entry.silent.is_some());
        if entry.wish != wish {
            entry.changed.get_or_insert(destination.changed);
        }
        let former = entry.told(wish, destination);
        entry.epoch = epoch;
        let is_supported = entry.is_supported();
        let ends_silence = was_silent && entry.silent.is_none();
        let claim = entry.wish.claim().map(|claim| (Arc::clone(&claim.container), claim.rule));
        // What was adopted was so for one place.
        entry.adopted &= former.as_ref() == claim.as_ref().map(|(container, _)| container);
        self.count_wanted(former.as_ref(), claim.as_ref().map(|(container, _)| container));
        if let Some((container, rule)) = claim {
            self.held(&container).rule = Some(rule);
        }
        match (was_supported, is_supported) {
            (true, false) => self.lost(key, now),
            (_, true) => self.regained(key),
            (false, false) if ends_silence => self.lost_after_silence(key, now),
            (false, false) => {}
        }
        self.settle(key, now);
    }

    /// Every destination was offered that there was when `roster` was taken.
    pub fn roster(&mut self, roster: &Roster, now: Timestamp) {
        let mut peers: BTreeMap<&Witness, bool> = BTreeMap::new();
        for peer in &roster.peers {
            *peers.entry(&peer.witness).or_insert(true) &= peer.settled;
        }
        let before = self.heard.len();
        // Who is known no more is waited for no more.
        let gone = self.called.iter().filter(|witness| !peers.contains_key(*witness)).cloned();
        let gone: Vec<_> = gone.collect();
        let settled =
            peers.iter().filter(|(_, settled)| **settled).map(|(witness, _)| Witness::clone(witness));
        let settled: Vec<_> = settled.collect();
        self.heard.extend(gone.into_iter().chain(settled));
        self.called = peers.keys().map(|witness| Witness::clone(witness)).collect();
        let maintained = roster
            .peers
            .iter()
            .filter_map(|peer| Some((peer.witness.clone(), peer.maintenance.as_ref()?.until)));
        self.maintained = maintained.collect();
        self.anew |= std::mem::replace(&mut self.lost_track, roster.lost_track) != roster.lost_track;
        if roster.complete && !self.anew && self.fed != Some(self.epoch) {
            self.fed = Some(self.epoch);
            self.forget_unoffered(now);
        }
        self.await_peers(roster, now);
        if self.heard.len() != before {
            self.explain(now);
        }
    }

    /// Whether every destination must be offered again, for the observer lost track of what changed: who is told
    /// so does that.
    pub const fn starts_anew(&mut self) -> bool {
        if self.anew {
            self.epoch += 1;
        }
        std::mem::replace(&mut self.anew, false)
    }

    /// What nobody offered since the configuration changed is wanted no more.
    fn forget_unoffered(&mut self, now: Timestamp) {
        let old = self.entries.iter().filter(|(_, entry)| entry.epoch != self.epoch);
        let old: Vec<Key> = old.map(|(key, _)| *key).collect();
        for key in old {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let was_supported = entry.is_supported();
            let former = entry.wish.container().cloned();
            (entry.wish, entry.silent) = (Wish::Nothing, None);
            entry.epoch = self.epoch;
            self.count_wanted(former.as_ref(), None);
            if was_supported {
                self.lost(key, now);
            }
            self.settle(key, now);
        }
    }

    /// What to do next.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if self.comparing.is_none() {
            if self.compare_at <= now {
                return self.compare(Scope::All);
            }
            let due = self.slots.iter().find(|(_, slot)| slot.compare_at.is_some_and(|at| at <= now));
            if let Some(scope) = due.map(|(scope, _)| scope.clone()) {
                return self.compare(scope);
            }
        }
        let mut next = now.after(Duration::from_secs(1));
        if self.comparing.is_none() {
            let compares = self.slots.values().filter_map(|slot| slot.compare_at);
            next = compares.chain([self.compare_at]).fold(next, Timestamp::min);
        }
        if self.may_write(now) {
            let dues = self
                .slots
                .iter()
                .filter(|(scope, _)| !self.is_busy(scope))
                .filter_map(|(_, slot)| slot.due(self.batch_size));
            next = dues.fold(next, Timestamp::min);
        }
        if next <= now { Next::Write } else { Next::Wait(next) }
    }

    /// Everything is to be compared at once.
    pub const fn compare_now(&mut self, now: Timestamp) {
        self.compare_at = now;
    }

    fn compare(&mut self, scope: Scope) -> Next {
        if let Some(slot) = self.slots.get_mut(&scope) {
            slot.compare_at = None;
        }
        self.comparing = Some(scope.clone());
        Next::Compare(scope)
    }

    /// Whether anything at all may be sent.
    fn may_write(&self, now: Timestamp) -> bool {
        self.enforces() && self.compared.is_some() && self.stopped(now).is_none()
    }

    fn is_busy(&self, scope: &Scope) -> bool {
        self.in_flight.values().any(|batch| batch.slots.contains(scope))
    }
}

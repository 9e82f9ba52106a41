//! The engine: what is to be written, when, and what must wait.
//!
//! Pure: it is told what routes want, what the APIC has and what became of each request; it says what to read and
//! what to write next.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::brake::Brake;
use super::mo::Mo;
use super::reading::{Comparison, Scope};
use super::rule::Rules;
use super::view;
use crate::config::Config;
use crate::observer::feed::{Destination, Roster};
use crate::time::Timestamp;

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
    /// When the first route changed that it follows.
    pub since: Timestamp,
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
    /// It may be done or not: it is to be sent again, not before this long.
    Again(Duration),
    /// We may not.
    Denied(String),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read this, and tell [`Engine::compared`].
    Compare(Scope),
    /// Ask for the next batch.
    Write,
    /// Nothing before this time.
    Wait(Timestamp),
}

/// Something wrong that readers of findings should know: see [`Observer::report`](crate::observer::Observer).
pub use crate::observer::Reported;

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
    /// Members by container and operation (`create`, `modify`, `delete`) and result (`success`, `error`).
    pub changes: Vec<(String, &'static str, &'static str, u64)>,
    /// Engaged brakes by scope.
    pub holds: Vec<(String, Brake)>,
    /// Drift found at the last comparison, by container and kind: `missing`, `extra`, `wrong_scope`, `conflict`.
    pub drift: Vec<(String, &'static str, u64)>,
}

/// Keeps one fabric in step.
#[derive(Debug)]
pub struct Engine {
    rules: Rules,
}

impl Engine {
    /// One for the named `[[apic]]` of `config`.
    pub fn new(apic: &str, config: &Config, identity: Identity, now: Timestamp) -> Self {
        todo!("{apic} {config:?} {identity:?} {now}")
    }

    /// Takes over another configuration of the same APIC. Every destination must be offered again after it.
    pub fn reconfigure(&mut self, config: &Config, now: Timestamp) {
        todo!("{config:?} {now}")
    }

    /// The rules in force.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What routes say of a prefix.
    pub fn offer(&mut self, destination: &Destination, now: Timestamp) {
        todo!("{destination:?} {now}")
    }

    /// Every destination was offered that there was when we asked for all, or when `roster` was taken.
    pub fn roster(&mut self, roster: &Roster, now: Timestamp) {
        todo!("{roster:?} {now}")
    }

    /// What to do next.
    pub fn next(&mut self, now: Timestamp) -> Next {
        todo!("{now}")
    }

    /// The next request, if one may be sent now. Several may be under way, one for each L3Out or policy.
    pub fn batch(&mut self, now: Timestamp) -> Option<Batch> {
        todo!("{now}")
    }

    /// What became of a request.
    pub fn answered(&mut self, id: u64, outcome: Outcome, now: Timestamp) {
        todo!("{id} {outcome:?} {now}")
    }

    /// A comparison that was begun at `begun` is complete.
    pub fn compared(&mut self, comparison: Comparison, begun: Timestamp, now: Timestamp) {
        todo!("{comparison:?} {begun} {now}")
    }

    /// A comparison failed: it is tried again.
    pub fn not_compared(&mut self, scope: &Scope, why: String, now: Timestamp) {
        todo!("{scope:?} {why} {now}")
    }

    /// The plan: at most `limit` changes, those after `offset` others; with the requests, if `requests`.
    pub fn plan(&mut self, offset: usize, limit: usize, requests: bool, now: Timestamp) -> view::Plan {
        todo!("{offset} {limit} {requests} {now}")
    }

    /// EEPGs and redirect policies.
    pub fn eepgs(&self, now: Timestamp) -> Vec<view::Eepg> {
        todo!("{now}")
    }

    /// Members of one of them, by its distinguished name, after `after` in order; none: there is no such.
    pub fn members(
        &self,
        dn: &str,
        after: Option<IpNet>,
        limit: usize,
        now: Timestamp,
    ) -> Option<Vec<view::Member>> {
        todo!("{dn} {after:?} {limit} {now}")
    }

    /// The EEPG that holds a prefix of ours or of others, by its distinguished name.
    pub fn holder(&self, vrf: &str, prefix: IpNet) -> Option<String> {
        todo!("{vrf} {prefix}")
    }

    /// One line: which rule takes a prefix, and what becomes of it.
    pub fn why(&self, vrf: &str, prefix: IpNet, now: Timestamp) -> String {
        todo!("{vrf} {prefix} {now}")
    }

    /// In numbers.
    pub fn counts(&self) -> view::Counts {
        todo!()
    }

    /// For metrics.
    pub fn counters(&self, now: Timestamp) -> Counters {
        todo!("{now}")
    }

    /// What is wrong now: all of it, each time.
    pub fn findings(&self, now: Timestamp) -> Vec<Reported> {
        todo!("{now}")
    }

    /// Lets through what the plan of this id holds back.
    pub fn approve(&mut self, id: &str, now: Timestamp) -> Answer {
        todo!("{id} {now}")
    }

    /// Stops all writing until `pause.until`, or goes on.
    pub fn pause(&mut self, pause: Option<view::Pause>, now: Timestamp) {
        todo!("{pause:?} {now}")
    }

    /// Marks a member or an EEPG of others as ours, by its distinguished name, if a rule wants it.
    pub fn adopt(&mut self, dn: &str, now: Timestamp) -> Answer {
        todo!("{dn} {now}")
    }

    /// Takes our marks off everything, or off what is in one EEPG or policy, and writes nothing there from then on
    /// until the next start or reload.
    pub fn release(&mut self, dn: Option<&str>, now: Timestamp) -> Answer {
        todo!("{dn:?} {now}")
    }
}

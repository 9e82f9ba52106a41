//! What is read of the APIC, and what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::body::Scopes;
use super::dn::{Container, L3out};
use super::mark::Mark;
use super::mo::Mo;
use super::rule::Rules;

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where to look.
    pub target: Target,
    /// Classes of objects to be listed (`target-subtree-class` of a subtree).
    pub classes: &'static [&'static str],
    /// Classes of children to be shown with each (`rsp-subtree=children`).
    pub children: &'static [&'static str],
    /// `query-target-filter`.
    pub filter: Option<String>,
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All objects of a class.
    Class(&'static str),
    /// An object and all that it contains.
    Tree(String),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// One L3Out.
    L3out(L3out),
    /// One redirect policy.
    Policy(Arc<Container>),
}

/// A comparison: what to read, and what was read so far.
#[derive(Debug)]
pub struct Comparison {
    /// What is compared.
    pub scope: Scope,
    /// What was found.
    pub found: Found,
    /// Objects that are not what was asked for.
    pub odd: usize,
}

/// What the APIC has.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The L3Outs of our VRFs and those that rules name.
    pub l3outs: BTreeMap<L3out, FoundL3out>,
    /// EEPGs and redirect policies.
    pub containers: BTreeMap<Arc<Container>, FoundContainer>,
    /// Members of them, ours or not.
    pub members: Vec<Seen>,
    /// Tenants, health groups and IP SLA policies that rules name and that are there, by their names.
    pub present: BTreeSet<String>,
    /// How many EEPGs the fabric has.
    pub eepgs: Option<usize>,
    /// Faults on members, by prefix: `F0467`, with the VRF or EEPG in the text; and `F3544` of leaves.
    pub faults: Vec<Fault>,
}

/// An L3Out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundL3out {
    /// It is there.
    pub present: bool,
    /// The VRF that it is in (`l3extRsEctx.tDn`).
    pub vrf: Option<String>,
}

/// An EEPG or a redirect policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundContainer {
    /// It has our annotation.
    pub annotated: bool,
    /// Its `tagAnnotation`, if it is one of ours or of another instance.
    pub mark: Option<Mark>,
    /// Contracts that it provides.
    pub provides: BTreeSet<String>,
    /// Contracts that it consumes.
    pub consumes: BTreeSet<String>,
    /// The IP SLA policy of a redirect policy (`tDn`).
    pub ip_sla: Option<String>,
    /// It contains what neither a rule nor a mark of ours explains.
    pub foreign_children: bool,
    /// `configIssues`, if there are any.
    pub issues: String,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub container: Arc<Container>,
    /// Which. A prefix with host bits is another object than the one without, and is never ours.
    pub prefix: IpNet,
    /// It has our annotation.
    pub annotated: bool,
    /// Its `tagAnnotation`, if it is one of ours or of another instance.
    pub mark: Option<Mark>,
    /// `scope`.
    pub scope: Scopes,
    /// A digest of what else we are responsible for: `name`, `descr`, MAC, health group.
    pub text: u64,
}

/// A fault on what we may have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `F0467` or `F3544`.
    pub code: String,
    /// The object that it is about: an EEPG's distinguished name, or a leaf's.
    pub object: String,
    /// The prefix, if the text says it.
    pub prefix: Option<IpNet>,
    /// `descr` or `changeSet`, cut to a line.
    pub text: String,
}

impl Comparison {
    /// Begins one.
    pub fn new(scope: Scope) -> Self {
        Self { scope, found: Found::default(), odd: 0 }
    }

    /// What is to be read next, given what was read so far: first the L3Outs of the VRFs, then all of them;
    /// empty: it is complete.
    pub fn next(&mut self, rules: &Rules) -> Vec<Reading> {
        todo!("{rules:?}")
    }

    /// Takes in one object of an answer.
    pub fn take(&mut self, mo: Mo) {
        todo!("{mo}")
    }
}

//! What is read of the APIC, and what it says.
//!
//! A comparison of everything goes in three rounds. A *survey* asks by class which L3Outs are in our VRFs, and
//! which hold something with our annotation though no rule names them. Then each of these L3Outs is listed, and
//! each redirect policy: one ordered, paged query for each, however many members there are. Last, whatever we made
//! and is empty is listed with all that it contains, of any class: only of that it matters what else is in it.

mod faults;
mod survey;
mod take;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use self::take::Pool;
use super::body::Scopes;
use super::dn::{Container, L3out, vrf_name};
use super::mark::Mark;
use super::rule::{Rules, is_name};

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where to look.
    pub target: Target,
    /// Classes of objects to be listed (`target-subtree-class` of a subtree); of a subtree none: all.
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Objects that are not what was asked for, or not as they should be.
    pub odd: usize,
    round: Round,
    rules: Option<Rules>,
    /// What is listed in the second round.
    l3outs: BTreeSet<L3out>,
    policies: BTreeSet<Arc<Container>>,
    /// Distinguished names of what is asked for singly, and may be there.
    asked: BTreeSet<String>,
    /// What is listed whole in the third round: it is there, and holds something foreign.
    whole: BTreeMap<Arc<Container>, (bool, bool)>,
    pool: Pool,
}

/// What was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Nothing,
    Survey,
    Trees,
    Whole,
    Done,
}

/// What the APIC has.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The L3Outs of our VRFs and those that rules name.
    pub l3outs: BTreeMap<L3out, FoundL3out>,
    /// EEPGs and redirect policies.
    pub containers: BTreeMap<Arc<Container>, FoundContainer>,
    /// Members of them, ours or not; once all is read, by container and prefix, each once.
    pub members: Vec<Seen>,
    /// Tenants, health groups and IP SLA policies that rules name and that are there, by their distinguished
    /// names.
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
    /// It contains what neither a rule nor a mark of ours explains, or nobody looked: only what has both our
    /// marks and no member is listed whole.
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
        Self {
            scope,
            found: Found::default(),
            odd: 0,
            round: Round::Nothing,
            rules: None,
            l3outs: BTreeSet::new(),
            policies: BTreeSet::new(),
            asked: BTreeSet::new(),
            whole: BTreeMap::new(),
            pool: Pool::default(),
        }
    }

    /// What is to be read next, given what was read so far; empty: it is complete.
    pub fn next(&mut self, rules: &Rules) -> Vec<Reading> {
        self.rules = Some(rules.clone());
        loop {
            let readings = match self.round {
                Round::Nothing => self.begin(rules),
                Round::Survey => {
                    self.choose(rules);
                    self.round = Round::Trees;
                    self.trees(rules)
                }
                Round::Trees => {
                    self.settle();
                    self.round = Round::Whole;
                    self.whole_ones()
                }
                Round::Whole => {
                    self.explain();
                    self.round = Round::Done;
                    self.pool = Pool::default();
                    Vec::new()
                }
                Round::Done => return Vec::new(),
            };
            if !readings.is_empty() {
                return readings;
            }
        }
    }

    fn begin(&mut self, rules: &Rules) -> Vec<Reading> {
        self.round = Round::Survey;
        match &self.scope {
            Scope::All => {
                self.found.eepgs = Some(0);
                return survey::readings(rules);
            }
            Scope::L3out(l3out) => self.l3outs.insert(l3out.clone()),
            Scope::Policy(policy) => self.policies.insert(Arc::clone(policy)),
        };
        Vec::new()
    }

    /// After the survey: of L3Outs in VRFs of the names that rules name, those that are in the same VRFs as the
    /// L3Outs of rules, as other tenants may have VRFs of these names too.
    fn choose(&mut self, rules: &Rules) {
        if self.scope != Scope::All {
            return;
        }
        let ours = rules.l3outs();
        let vrf_of = |l3out: &L3out| self.found.l3outs.get(l3out)?.vrf.as_deref();
        let vrfs: BTreeSet<&str> = ours.iter().filter_map(|(l3out, _)| vrf_of(l3out)).collect();
        let resolved = |name: &str| vrfs.iter().any(|vrf| vrf_name(vrf) == Some(name));
        let is_meant = |vrf: &str| {
            let name = vrf_name(vrf).filter(|name| is_name(name));
            vrfs.contains(vrf) || name.is_none_or(|name| !resolved(name))
        };
        let found = self.found.l3outs.iter();
        let meant = found.filter(|(_, found)| found.vrf.as_deref().is_none_or(is_meant));
        let meant: Vec<L3out> = meant.map(|(l3out, _)| l3out.clone()).collect();
        self.l3outs.extend(meant);
        self.l3outs.extend(ours.into_iter().map(|(l3out, _)| l3out));
        self.policies.extend(rules.policies());
    }

    fn trees(&mut self, rules: &Rules) -> Vec<Reading> {
        self.found.l3outs = self.l3outs.iter().map(|l3out| (l3out.clone(), FoundL3out::default())).collect();
        let mut readings: Vec<_> = self.l3outs.iter().map(survey::l3out).collect();
        readings.extend(self.policies.iter().map(|policy| survey::policy(policy)));
        if self.scope == Scope::All {
            let (singly, asked) = survey::singly(rules);
            self.asked = asked;
            readings.extend(singly);
            readings.extend(faults::readings());
        }
        readings
    }

    /// After the trees: in order, each once. What stands twice is counted; the one with our mark stays.
    fn settle(&mut self) {
        let members = &mut self.found.members;
        members.sort_by(|one, other| {
            let key = |seen: &Seen| (seen.prefix, !seen.annotated, seen.mark.is_none());
            one.container.cmp(&other.container).then_with(|| key(one).cmp(&key(other)))
        });
        let before = members.len();
        members.dedup_by(|one, other| one.container == other.container && one.prefix == other.prefix);
        self.odd += before - members.len();
        members.shrink_to_fit();
        // What was made while we read: its members were listed after it was not.
        for seen in &self.found.members {
            if !self.found.containers.contains_key(&seen.container) {
                let unknown = FoundContainer { foreign_children: true, ..FoundContainer::default() };
                self.found.containers.insert(Arc::clone(&seen.container), unknown);
                self.odd += 1;
            }
        }
    }

    fn whole_ones(&mut self) -> Vec<Reading> {
        let members = &self.found.members;
        let is_empty = |container: &Arc<Container>| {
            members
                .binary_search_by(|seen| seen.container.cmp(container).then(Ordering::Greater))
                .is_err_and(|place| members.get(place).is_none_or(|seen| seen.container != *container))
        };
        let made = self.found.containers.iter().filter(|(_, found)| found.annotated && found.mark.is_some());
        let made = made.filter(|(container, _)| is_empty(container));
        self.whole = made.map(|(container, _)| (Arc::clone(container), (false, false))).collect();
        self.whole.keys().map(|container| survey::whole(container)).collect()
    }

    /// After everything: what was seen whole, and held nothing foreign, holds nothing foreign.
    fn explain(&mut self) {
        for (container, (seen, foreign)) in &self.whole {
            if let Some(found) = self.found.containers.get_mut(container) {
                found.foreign_children = !*seen || *foreign;
            }
        }
    }
}

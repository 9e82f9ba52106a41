//! One object of an answer after the other: whatever it says is taken for what it is, or counted as odd.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Comparison, FoundContainer, Round, Scope, Seen};
use crate::eepg::body::{Owned, Scopes, digest};
use crate::eepg::dn::{self, Container, L3out};
use crate::eepg::mark::{ANNOTATION, KEY, Mark};
use crate::eepg::mo::Mo;
use crate::eepg::rule::Rules;

/// Members that are kept: far above what a fabric holds.
const MEMBERS: usize = 1_000_000;
/// EEPGs and policies that are kept.
const CONTAINERS: usize = 100_000;
/// L3Outs that are kept.
const L3OUTS: usize = 10_000;
/// Names that are kept once for all.
const NAMES: usize = 100_000;

/// What many members have in common, once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    names: HashSet<Arc<str>, RandomState>,
    containers: BTreeSet<Arc<Container>>,
    /// The container that was met last, and its distinguished name with a `/` behind it.
    last: Option<(String, Arc<Container>)>,
}

impl Pool {
    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.names.len() < NAMES {
            self.names.insert(Arc::clone(&name));
        }
        name
    }

    /// The container with this distinguished name, or within which it lies.
    fn container(&mut self, dn: &str) -> Option<Arc<Container>> {
        if let Some((path, container)) = &self.last
            && dn.starts_with(path)
        {
            return Some(Arc::clone(container));
        }
        let container = Arc::new(Container::of(dn)?);
        let path = format!("{container}/");
        if !dn.starts_with(&path) && dn != path.trim_end_matches('/') {
            return None;
        }
        let container = match self.containers.get(&container) {
            Some(known) => Arc::clone(known),
            None if self.containers.len() < CONTAINERS => {
                self.containers.insert(Arc::clone(&container));
                container
            }
            None => return None,
        };
        self.last = Some((path, Arc::clone(&container)));
        Some(container)
    }
}

impl Comparison {
    /// All attributes that [`take`](Self::take) looks at: the APIC sends many more, of many objects.
    pub const ATTRIBUTES: [&str; 18] = [
        "annotation",
        "changeSet",
        "code",
        "configIssues",
        "descr",
        "dn",
        "key",
        "lc",
        "lcOwn",
        "mac",
        "name",
        "scope",
        "severity",
        "tDn",
        "tnFvCtxName",
        "tnQosCustomPolName",
        "tnVzBrCPName",
        "value",
    ];

    /// Takes in one object of an answer.
    #[expect(clippy::needless_pass_by_value, reason = "each object of an answer is taken once")]
    pub fn take(&mut self, mo: Mo) {
        let taken = match self.round {
            Round::Survey => self.survey(&mo),
            Round::Trees => self.listed(&mo),
            Round::Whole => self.contained(&mo),
            Round::Nothing | Round::Done => None,
        };
        if taken.is_none() {
            self.odd += 1;
        }
    }

    /// None: it is not what was asked for.
    fn survey(&mut self, mo: &Mo) -> Option<()> {
        let is_ours = mo.get("annotation") == ANNOTATION;
        match &*mo.class {
            "l3extRsEctx" => {
                let rules = self.rules.as_ref()?;
                let is_named = rules.vrfs().iter().any(|vrf| **vrf == *mo.get("tnFvCtxName"));
                let l3out = within_l3out(mo.dn(), "/rsectx").filter(|_| is_named)?;
                self.belongs(l3out, mo.get("tDn"))
            }
            "l3extInstP" => {
                *self.found.eepgs.get_or_insert(0) += 1;
                self.stray(mo, is_ours)
            }
            "l3extSubnet" | "vnsSvcRedirectPol" | "vnsRedirectDest" if is_ours => self.stray(mo, true),
            _ => None,
        }
    }

    /// What has our annotation where no rule leads is compared too: a rule may have led there.
    fn stray(&mut self, mo: &Mo, is_ours: bool) -> Option<()> {
        let container = self.pool.container(mo.dn())?;
        if is_ours && self.l3outs.len() < L3OUTS && self.policies.len() < CONTAINERS {
            match &*container {
                Container::Eepg { l3out, .. } => drop(self.l3outs.insert(l3out.clone())),
                Container::Policy { .. } => drop(self.policies.insert(container)),
            }
        }
        Some(())
    }

    /// An L3Out is there, and in this VRF.
    fn belongs(&mut self, l3out: L3out, vrf: &str) -> Option<()> {
        if self.found.l3outs.len() >= L3OUTS && !self.found.l3outs.contains_key(&l3out) {
            return None;
        }
        let found = self.found.l3outs.entry(l3out).or_default();
        found.present = true;
        found.vrf = Some(vrf).filter(|vrf| !vrf.is_empty()).map(str::to_owned);
        Some(())
    }

    fn listed(&mut self, mo: &Mo) -> Option<()> {
        match &*mo.class {
            "l3extOut" => {
                let l3out = within_l3out(mo.dn(), "").filter(|l3out| self.l3outs.contains(l3out))?;
                self.found.l3outs.entry(l3out).or_default().present = true;
                Some(())
            }
            "l3extRsEctx" => {
                let l3out = within_l3out(mo.dn(), "/rsectx").filter(|l3out| self.l3outs.contains(l3out))?;
                self.belongs(l3out, mo.get("tDn"))
            }
            "l3extInstP" | "vnsSvcRedirectPol" => self.container(mo),
            "l3extSubnet" | "vnsRedirectDest" => self.member(mo),
            "fvTenant" | "vnsRedirectHealthGroup" | "fvIPSLAMonitoringPol" => {
                let dn = self.asked.get(mo.dn())?;
                self.found.present.insert(dn.clone());
                Some(())
            }
            "faultInst" if self.scope == Scope::All => {
                self.take_fault(mo);
                Some(())
            }
            _ => None,
        }
    }

    /// The container of an object that was asked for.
    fn place(&mut self, dn: &str, is_policy: bool) -> Option<Arc<Container>> {
        let container = self.pool.container(dn)?;
        let is_asked = match &*container {
            Container::Eepg { l3out, .. } => !is_policy && self.l3outs.contains(l3out),
            Container::Policy { .. } => is_policy && self.policies.contains(&container),
        };
        is_asked.then_some(container)
    }

    fn container(&mut self, mo: &Mo) -> Option<()> {
        let container = self.place(mo.dn(), mo.class == "vnsSvcRedirectPol")?;
        if container.to_string() != mo.dn() {
            return None;
        }
        let mark = self.mark(mo);
        let contracts = |class| {
            let names = mo.of_class(class).map(|contract| contract.get("tnVzBrCPName").to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        let ip_sla = mo.of_class("vnsRsIPSLAMonitoringPol").map(|relation| relation.get("tDn").to_owned());
        let found = FoundContainer {
            annotated: mo.get("annotation") == ANNOTATION,
            mark,
            provides: contracts("fvRsProv"),
            consumes: contracts("fvRsCons"),
            ip_sla: ip_sla.filter(|dn| !dn.is_empty()).last(),
            foreign_children: true,
            issues: mo.get("configIssues").to_owned(),
        };
        self.found.containers.insert(container, found);
        Some(())
    }

    fn member(&mut self, mo: &Mo) -> Option<()> {
        let is_destination = mo.class == "vnsRedirectDest";
        let container = self.place(mo.dn(), is_destination)?;
        let prefix = dn::member_prefix(mo.dn())?;
        if self.found.members.len() >= MEMBERS {
            return None;
        }
        // What we write has this very name: another spelling of a prefix is another object, and none of ours.
        let is_canonical = prefix == prefix.trunc() && container.member(prefix) == mo.dn();
        let (annotated, mark) =
            if is_canonical { (mo.get("annotation") == ANNOTATION, self.mark(mo)) } else { (false, None) };
        let (scope, is_known) = Scopes::read(mo.get("scope"));
        self.odd += usize::from(!is_known);
        let text = if is_destination {
            let rules = self.rules.as_ref()?;
            let owned = Owned::of(rules, container.tenant(), container.name());
            let group = mo.of_class("vnsRsRedirectHealthGroup").last().map_or("", |group| group.get("tDn"));
            let mac = if owned.mac { mo.get("mac") } else { "" };
            digest("", mo.get("descr"), mac, if owned.health_group { group } else { "" })
        } else {
            digest(mo.get("name"), mo.get("descr"), "", "")
        };
        self.found.members.push(Seen { container, prefix, annotated, mark, scope, text });
        Some(())
    }

    /// Our `tagAnnotation` on an object; one that we cannot read is odd.
    fn mark(&mut self, mo: &Mo) -> Option<Mark> {
        let tag = mo.of_class("tagAnnotation").find(|tag| tag.get("key") == KEY)?;
        let mark = Mark::decode_with(tag.get("value"), &mut |name| self.pool.name(name));
        self.odd += usize::from(mark.is_none());
        mark
    }

    /// Something within a container that is listed whole.
    fn contained(&mut self, mo: &Mo) -> Option<()> {
        let container = self.pool.container(mo.dn())?;
        let is_explained = self.is_explained(&container, mo);
        let (seen, foreign) = self.whole.get_mut(&container)?;
        if matches!(&*mo.class, "l3extInstP" | "vnsSvcRedirectPol") && container.to_string() == mo.dn() {
            *seen = true;
        } else {
            *foreign |= !is_explained;
        }
        Some(())
    }

    /// Whether an object in a container that we made is ours, a rule's, or the APIC's own. Whoever is in doubt
    /// says no: the container stays.
    fn is_explained(&self, container: &Container, mo: &Mo) -> bool {
        let is_ours = mo.get("annotation") == ANNOTATION;
        match &*mo.class {
            "tagAnnotation" => mo.get("key") == KEY,
            "fvRsProv" => is_ours || self.names_contract(container, mo.get("tnVzBrCPName"), true),
            "fvRsCons" => is_ours || self.names_contract(container, mo.get("tnVzBrCPName"), false),
            "vnsRsIPSLAMonitoringPol" => is_ours || self.names_ip_sla(container, mo.get("tDn")),
            // Every EEPG has one; without a name it says nothing.
            "fvRsCustQosPol" => mo.get("tnQosCustomPolName").is_empty(),
            // What the APIC says of the others.
            "faultInst" | "faultDelegate" | "faultCounts" | "healthInst" => true,
            // What the APIC made for itself, see `lcOwn`.
            _ => matches!(mo.get("lcOwn"), "implicit" | "resolveOnBehalf"),
        }
    }

    /// Whether a rule for the L3Out has EEPGs made that have this contract.
    fn names_contract(&self, container: &Container, contract: &str, provided: bool) -> bool {
        let Container::Eepg { l3out, .. } = container else { return false };
        let mut rules = self.rules.iter().flat_map(Rules::eepgs);
        rules.any(|rule| {
            let names = if provided { &rule.contracts.provide } else { &rule.contracts.consume };
            rule.create
                && (&rule.tenant, &rule.l3out) == (&l3out.tenant, &l3out.name)
                && names.iter().any(|name| **name == *contract)
        })
    }

    /// Whether a rule for the policy tracks by this IP SLA policy.
    fn names_ip_sla(&self, container: &Container, dn: &str) -> bool {
        let mut rules = self.rules.iter().flat_map(Rules::redirects);
        rules.any(|rule| {
            (&rule.tenant, &rule.policy) == (container.tenant(), container.name())
                && rule.ip_sla.as_ref().is_some_and(|name| dn::ip_sla(&rule.tenant, name) == dn)
        })
    }
}

/// The L3Out whose distinguished name has this end.
fn within_l3out(dn: &str, end: &str) -> Option<L3out> {
    let l3out = L3out::of(dn)?;
    (dn.strip_suffix(end) == Some(&l3out.to_string())).then_some(l3out)
}

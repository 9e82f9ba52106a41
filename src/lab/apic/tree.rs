//! The tree of managed objects: what is where, and what it shows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::faults::Faults;
use super::filter;
use super::refusal::Refusal;
use super::rules::{COMMON, Class, rules};
use super::value::Type;
use crate::eepg::Mo;
use crate::eepg::dn::rns;
use crate::time::Timestamp;

/// The fabric around the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fabric {
    /// The ids of the leaves that have every VRF.
    pub leaves: Vec<u16>,
    /// How many controllers there are: the nodes from 1 on.
    pub controllers: u16,
    /// How long after the conflict F0467 is raised.
    pub soak: Duration,
    /// How many prefixes with `import-security` fit into a leaf: F3544 above.
    pub capacity: usize,
    /// How many objects the tree holds at most.
    pub max_objects: usize,
    /// How many objects one answer holds at most.
    pub max_results: usize,
    /// What the order of objects depends on where no `order-by` gives one.
    pub seed: u64,
}

impl Default for Fabric {
    fn default() -> Self {
        Self {
            leaves: vec![101, 102],
            controllers: 1,
            soak: Duration::from_secs(90),
            capacity: 20_000,
            max_objects: 500_000,
            max_results: 100_000,
            seed: 0,
        }
    }
}

/// The objects of one fabric, the same on all its controllers. Takes the time as an argument.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) objects: BTreeMap<Arc<str>, Arc<Object>>,
    pub(super) classes: BTreeMap<&'static str, BTreeSet<Arc<str>>>,
    pub(super) fabric: Fabric,
    pub(super) refuse: Vec<Refuse>,
    pub(super) faults: Faults,
    /// Objects that were ever made.
    pub(super) births: u64,
    /// Answers that were given a page at a time.
    pub(super) pages: u64,
}

/// An object: what differs from the defaults.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) class: &'static str,
    pub(super) values: BTreeMap<&'static str, String>,
    pub(super) born: u64,
    pub(super) modified: Timestamp,
    /// Since when leaves have it (`l3extSubnet`: with `import-security`).
    pub(super) deployed: Timestamp,
}

/// What tests want refused, besides what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Of objects whose distinguished name has this in it; patterns as `wcard` of filters takes them.
    pub dn: String,
    /// How.
    pub refusal: Refusal,
    /// So often; none: until told otherwise.
    pub times: Option<u32>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub dn: Arc<str>,
    /// Its class.
    pub class: &'static str,
    /// What.
    pub what: What,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Created,
    /// A value of it changed.
    Modified,
    /// It is gone, with all below it.
    Deleted,
}

impl What {
    /// As `status` says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }
}

/// The names of the tenants that every fabric has.
const TENANTS: [&str; 3] = ["common", "infra", "mgmt"];

/// The version that controllers and leaves run.
pub(super) const VERSION: &str = "6.0(2h)";

impl Tree {
    /// A fabric without configuration.
    pub fn new(fabric: Fabric, now: Timestamp) -> Self {
        let mut tree = Self {
            objects: BTreeMap::new(),
            classes: BTreeMap::new(),
            fabric,
            refuse: Vec::new(),
            faults: Faults::default(),
            births: 0,
            pages: 0,
        };
        for dn in ["uni", "topology", "topology/pod-1", "uni/userext", "uni/userext/pkiext"] {
            tree.keep(dn, &[], now);
        }
        let controllers = (1..=tree.fabric.controllers).map(|id| (id, "controller", "apic"));
        let leaves = tree.fabric.leaves.clone().into_iter().map(|id| (id, "leaf", "leaf"));
        for (id, role, prefix) in controllers.chain(leaves).collect::<Vec<_>>() {
            tree.node(id, role, &format!("{prefix}{id}"), now);
        }
        for tenant in TENANTS {
            let mo = Mo::new("fvTenant").with("name", tenant);
            _ = tree.post("uni", &mo, now);
        }
        tree.settle(now);
        tree
    }

    fn node(&mut self, id: u16, role: &str, name: &str, now: Timestamp) {
        let node = format!("topology/pod-1/node-{id}");
        let (number, address) = (id.to_string(), format!("10.0.{}.{}", id / 256, id % 256));
        let known = [("id", number.as_str()), ("name", name), ("role", role), ("version", VERSION)];
        self.keep(&node, &[&known[..], &[("address", &address)]].concat(), now);
        self.keep(&format!("{node}/sys"), &[&known[..], &[("address", &address)]].concat(), now);
        if role == "controller" {
            let known = [("id", number.as_str()), ("nodeName", name), ("addr", &address)];
            self.keep(&format!("{node}/av"), &known, now);
            self.keep(&format!("{node}/sys/ctrlrfwstatuscont"), &[], now);
            self.keep(&format!("{node}/sys/ctrlrfwstatuscont/ctrlrrunning"), &[("version", VERSION)], now);
        } else {
            self.keep(&format!("{node}/sys/eqptcapacity"), &[], now);
            self.keep(&format!("{node}/sys/fwdscaleprof"), &[], now);
        }
    }

    /// Has the APIC itself write an object.
    pub(super) fn keep(&mut self, dn: &str, values: &[(&'static str, &str)], now: Timestamp) {
        if let Ok(class) = rules().class_of(dn) {
            self.keep_as(class.name, dn, values, now);
        }
    }

    /// Has the APIC itself write an object, wherever.
    pub(super) fn keep_as(
        &mut self,
        class: &'static str,
        dn: &str,
        values: &[(&'static str, &str)],
        now: Timestamp,
    ) {
        let values: BTreeMap<_, _> =
            values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if self.objects.get(dn).is_some_and(|object| object.values == values) {
            return;
        }
        let object = Object { class, values, born: self.births, modified: now, deployed: now };
        self.set(dn.into(), Some(Arc::new(object)));
    }

    /// Puts an object there, or takes it away; answers what was there.
    pub(super) fn set(&mut self, dn: Arc<str>, object: Option<Arc<Object>>) -> Option<Arc<Object>> {
        let class = object.as_ref().or_else(|| self.objects.get(&dn)).map(|object| object.class)?;
        self.faults.touched(class);
        let index = self.classes.entry(class).or_default();
        if let Some(object) = object {
            self.births += 1;
            index.insert(Arc::clone(&dn));
            self.objects.insert(dn, object)
        } else {
            index.remove(&dn);
            self.objects.remove(&dn)
        }
    }

    /// An object with all its attributes, without its children.
    pub fn get(&self, dn: &str) -> Option<Mo> {
        self.objects.get_key_value(dn).map(|(dn, object)| self.show(dn, object, Props::All, false))
    }

    /// The value of an attribute of an object; none if there is no such object or attribute.
    pub fn value(&self, dn: &str, attribute: &str) -> Option<Cow<'_, str>> {
        let (dn, object) = self.objects.get_key_value(dn)?;
        self.value_of(dn, object, attribute)
    }

    /// Whether there is an object.
    pub fn has(&self, dn: &str) -> bool {
        self.objects.contains_key(dn)
    }

    /// The names of all objects of a class, in order.
    pub fn of_class<'a>(&'a self, class: &str) -> impl Iterator<Item = &'a str> {
        self.classes.get(class).into_iter().flatten().map(AsRef::as_ref)
    }

    /// All objects in order: name and class.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.objects.iter().map(|(dn, object)| (dn.as_ref(), object.class))
    }

    /// Has objects refused. At most 1,000 such rules are kept.
    pub fn refuse(&mut self, refuse: Refuse) {
        if self.refuse.len() < 1000 {
            self.refuse.push(refuse);
        }
    }

    /// Refuses only what is wrong.
    pub fn refuse_nothing(&mut self) {
        self.refuse.clear();
    }

    /// How many prefixes fit into a leaf from now on.
    pub fn set_capacity(&mut self, prefixes: usize) {
        self.fabric.capacity = prefixes;
        self.faults.touched("l3extSubnet");
    }

    /// Puts an older tree back, as a restored backup does. What is refused and what fits stays as it is.
    pub fn restore(&mut self, older: Self) {
        let Self { refuse, fabric, births, pages, .. } = self;
        let kept = (std::mem::take(refuse), fabric.clone(), *births, *pages);
        *self = older;
        (self.refuse, self.fabric, self.births, self.pages) = kept;
        self.faults.touched("l3extSubnet");
    }

    /// All below an object, without it.
    pub(super) fn below(&self, dn: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<Object>)> {
        // '0' follows '/': all names that begin with `dn/` stand between the two.
        let (from, to) = (format!("{dn}/"), format!("{dn}0"));
        let root = dn.is_empty();
        let range = if root {
            (Bound::Unbounded, Bound::Unbounded)
        } else {
            (Bound::Included(from.as_str()), Bound::Excluded(to.as_str()))
        };
        self.objects.range::<str, _>(range)
    }

    /// The children of an object.
    pub(super) fn children(&self, dn: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<Object>)> {
        let own = if dn.is_empty() { 0 } else { dn.len() + 1 };
        self.below(dn)
            .filter(move |(below, _)| below.get(own..).is_some_and(|rest| rns(rest).nth(1).is_none()))
    }

    /// The value of any attribute that an object of its class has.
    pub(super) fn value_of<'a>(
        &'a self,
        dn: &'a str,
        object: &'a Object,
        attribute: &str,
    ) -> Option<Cow<'a, str>> {
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        match attribute {
            "dn" => return Some(Cow::Borrowed(dn)),
            "rn" => return rns(dn).last().map(Cow::Borrowed),
            "modTs" => return Some(Cow::Owned(stamp(object.modified))),
            "lcOwn" => return text("local"),
            "uid" => return text("15374"),
            "monPolDn" => return text("uni/tn-common/monepg-default"),
            "status" | "childAction" | "extMngdBy" => return text(""),
            _ => {}
        }
        let property = rules().class(object.class).ok()?.properties.get(attribute)?;
        if let Some(value) = self.derived(dn, object, attribute, &property.kind) {
            return Some(value);
        }
        let own = object.values.get(attribute).map(|value| Cow::Borrowed(value.as_str()));
        own.or(Some(Cow::Borrowed(property.default)))
    }

    /// What follows from other objects.
    fn derived<'a>(
        &'a self,
        dn: &'a str,
        object: &'a Object,
        attribute: &str,
        kind: &Type,
    ) -> Option<Cow<'a, str>> {
        if let Type::Target(property, prefix) = kind {
            let name = object.values.get(property).map_or("", String::as_str);
            return Some(
                self.target(dn, prefix, name).map_or(Cow::Borrowed(""), |dn| Cow::Owned(dn.to_owned())),
            );
        }
        match (object.class, attribute) {
            ("l3extInstP", "scope") => {
                let scope = self.vrf(dn).and_then(|vrf| self.objects.get(vrf)?.values.get("scope"));
                Some(Cow::Borrowed(scope.map_or("0", String::as_str)))
            }
            ("l3extInstP", "configSt") => {
                Some(Cow::Borrowed(if self.vrf(dn).is_some() { "applied" } else { "not-applied" }))
            }
            ("l3extInstP", "configIssues") => {
                Some(Cow::Borrowed(if self.vrf(dn).is_some() { "" } else { "context-not-present" }))
            }
            (_, "state") if object.class.contains("Rs") => {
                let formed = match self.value_of(dn, object, "tDn") {
                    Some(target) => self.objects.contains_key(target.as_ref()),
                    None => true,
                };
                Some(Cow::Borrowed(if formed { "formed" } else { "missing-target" }))
            }
            _ => None,
        }
    }

    /// The object with this name in the tenant of `dn`, else in `common`.
    fn target(&self, dn: &str, prefix: &str, name: &str) -> Option<&str> {
        let tenant = rns(dn).nth(1).filter(|_| !name.is_empty())?;
        [tenant, "tn-common"]
            .iter()
            .find_map(|tenant| self.objects.get_key_value(format!("uni/{tenant}/{prefix}{name}").as_str()))
            .map(|(dn, _)| dn.as_ref())
    }

    /// The VRF of an L3Out, or of what is in it.
    pub(super) fn vrf(&self, dn: &str) -> Option<&str> {
        let mut rns = rns(dn).skip(1);
        let relation = format!("uni/{}/{}/rsectx", rns.next()?, rns.next()?);
        let name = self.objects.get(relation.as_str())?.values.get("tnFvCtxName")?;
        self.target(dn, "ctx-", name)
    }

    /// An object as answers show it. One that is `nested` has its relative name only.
    pub(super) fn show(&self, dn: &str, object: &Object, props: Props, nested: bool) -> Mo {
        let mut mo = Mo::new(object.class);
        let mut add = |name: &'static str| {
            if let Some(value) = self.value_of(dn, object, name) {
                mo.attributes.insert(Cow::Borrowed(name), value.into_owned());
            }
        };
        add(if nested { "rn" } else { "dn" });
        if props == Props::All {
            COMMON.into_iter().for_each(&mut add);
        }
        if let Ok(class) = rules().class(object.class) {
            for (name, property) in &class.properties {
                let shown = match props {
                    Props::All => true,
                    Props::Configured => property.kind.is_settable(),
                    Props::Naming => property.naming,
                };
                if shown {
                    add(name);
                }
            }
        }
        mo
    }

    /// Whether a filter wants an object.
    pub(super) fn wanted(&self, filter: Option<&filter::Filter>, dn: &str, object: &Object) -> bool {
        filter.is_none_or(|filter| filter.wants(object.class, &|name: &str| self.value_of(dn, object, name)))
    }

    /// The class of an object that is there, or of what its name would lead to.
    pub(super) fn class_at(&self, dn: &str) -> Result<&'static Class, Refusal> {
        match self.objects.get(dn) {
            Some(object) => rules().class(object.class),
            None => rules().class_of(dn),
        }
    }
}

/// Which attributes an answer shows (`rsp-prop-include`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Props {
    #[default]
    All,
    Configured,
    Naming,
}

/// As `modTs` shows times.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_string().replace('Z', "+00:00")
}

#[cfg(test)]
mod tests;

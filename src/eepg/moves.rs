//! A plan as people read it: what leaves one EEPG for another is one line.

use std::collections::{HashMap, HashSet};

use super::dn::Container;
use super::view::{Change, Eepg};

/// A change, or two that are one to people.
pub(crate) struct Line<'a> {
    /// What is to be changed; of two, the one that creates.
    pub(crate) change: &'a Change,
    /// What the prefix leaves, when it moves.
    pub(crate) from: Option<&'a Change>,
}

impl Line<'_> {
    /// As in a diff: `+`, `-`, or `~` for what is there before and after.
    pub(crate) fn sign(&self) -> &'static str {
        match (self.from, self.change.operation.as_str()) {
            (None, "create") => "+",
            (None, "delete") => "-",
            _ => "~",
        }
    }

    /// What is changed in its EEPG or policy.
    pub(crate) fn prefix(&self) -> String {
        match (self.change.prefix, Container::of(&self.change.dn)) {
            (Some(prefix), _) => prefix.to_string(),
            (None, Some(Container::Policy { .. })) => "(policy)".to_owned(),
            (None, _) => "(EEPG)".to_owned(),
        }
    }

    /// The names; with their L3Outs where these alone differ.
    pub(crate) fn eepg(&self) -> String {
        let Change { eepg: to, dn, .. } = self.change;
        match self.from {
            None => to.clone(),
            Some(Change { eepg: from, .. }) if from != to => format!("{from} -> {to}"),
            Some(from) => format!("{} -> {}", place(&from.dn), place(dn)),
        }
    }
}

fn place(dn: &str) -> String {
    match Container::of(dn) {
        Some(Container::Eepg { l3out, name }) => format!("{}/{}/{name}", l3out.tenant, l3out.name),
        _ => dn.to_owned(),
    }
}

/// The changes as lines: what leaves one EEPG for another of the same VRF is one.
pub(crate) fn lines<'a>(changes: &'a [Change], eepgs: &'a [Eepg]) -> Vec<Line<'a>> {
    let vrf = |eepg: &'a Eepg| Some(((&*eepg.apic, Container::of(&eepg.dn)?), &*eepg.vrf));
    let vrfs: HashMap<(&str, Container), &str> = eepgs.iter().filter_map(vrf).collect();
    let domain = |change: &'a Change| {
        let eepg = Container::of(&change.dn).filter(|eepg| matches!(eepg, Container::Eepg { .. }))?;
        let vrf = *vrfs.get(&(&*change.apic, eepg))?;
        Some((&*change.apic, vrf, change.prefix?, change.held_by.as_deref()))
    };
    let of = |operation| changes.iter().filter(move |change| change.operation == operation);
    let mut leaving: HashMap<_, _> =
        of("delete").filter_map(|change| Some((domain(change)?, change))).collect();
    let mut origins = HashMap::new();
    for change in of("create") {
        if let Some(from) = domain(change).and_then(|domain| leaving.remove(&domain)) {
            origins.insert((&*change.apic, &*change.dn), from);
        }
    }
    let moved: HashSet<_> = origins.values().map(|from| (&*from.apic, &*from.dn)).collect();
    let shown = changes
        .iter()
        .filter(|change| change.operation != "delete" || !moved.contains(&(&*change.apic, &*change.dn)));
    shown
        .map(|change| {
            let from = origins.get(&(&*change.apic, &*change.dn)).filter(|_| change.operation == "create");
            Line { change, from: from.copied() }
        })
        .collect()
}

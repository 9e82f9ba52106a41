//! `[[eepg]]`: which routes are members of which external EPG.

use super::super::error::Error;
use super::super::model::{Caps, Contracts, Eepg, SubnetScope};
use super::super::table::{Place, Section, Value};
use super::matching::{self, Ground, Members, covers};
use super::names::{of_apic, several_of_apic};
use super::template::{is_taken, template};

/// A rule, and where it and its `match` stand.
struct Rule {
    eepg: Eepg,
    place: Place,
    matches: Place,
    caps: StatedCaps,
}

/// What a rule says itself.
#[derive(Clone, Copy, Default)]
struct StatedCaps {
    members: Option<usize>,
    l3out_members: Option<usize>,
    eepgs: Option<usize>,
}

/// All rules, in their order.
pub(super) fn eepgs(root: &mut Section<'_, '_>, ground: &Ground<'_>) -> Vec<Eepg> {
    let sections = root.sections("eepg");
    matching::has_apic(&sections, ground);
    let mut rules: Vec<Rule> = Vec::new();
    for mut section in sections {
        let wrong_before = section.reporter().count();
        let rule = rule(&mut section, ground);
        // Of one that is not readable in full it cannot be told what it meant to take.
        if let Some(rule) = rule.filter(|_| section.reporter().count() == wrong_before) {
            is_reached(&section, &rule, &rules);
            agrees(&section, &rule, &rules);
            rules.push(rule);
        }
    }
    let caps: Vec<Caps> = rules.iter().map(|rule| caps(rule, &rules)).collect();
    rules.into_iter().zip(caps).map(|(rule, caps)| Eepg { caps, ..rule.eepg }).collect()
}

/// Reads every key, whatever is wrong with the others.
fn rule(section: &mut Section<'_, '_>, ground: &Ground<'_>) -> Option<Rule> {
    let name = section.require("name").and_then(|value| Some((template(&value)?, value)));
    let apic = matching::apic(section, ground);
    let tenant = section.need("tenant", of_apic);
    let l3out = section.need("l3out", of_apic);
    let vrf = matching::vrf(section, ground);
    let (matches, matches_at) = matching::matches(section, ground, vrf.as_deref(), Members::Subnets);
    let manages = [("always", true), ("never", false)];
    let manage = section.read("manage", |value| value.choice(&manages)).unwrap_or(true);
    let create = create(section, manage);
    let contracts = contracts(section, create);
    let scope = section.take("scope").map_or_else(|| vec![SubnetScope::ImportSecurity], scope);
    let caps = stated_caps(section.section("caps"));
    let (name, value) = name?;
    if ground.complete {
        is_taken(&value, &name, &matches, &ground.names);
    }
    let (apic, tenant, l3out, vrf) = (apic?, tenant?, l3out?, vrf?);
    let eepg = Eepg {
        name,
        apic,
        tenant,
        l3out,
        vrf,
        matches,
        create,
        contracts,
        scope,
        manage,
        caps: Caps::default(),
    };
    Some(Rule { eepg, place: section.place().clone(), matches: matches_at, caps })
}

fn create(section: &mut Section<'_, '_>, manage: bool) -> bool {
    let Some(value) = section.take("create") else { return false };
    let create = value.bool().unwrap_or(false);
    if create && !manage {
        value.fail("an EEPG that is left alone is not made either: `manage` is \"never\"");
    }
    create
}

fn contracts(section: &mut Section<'_, '_>, create: bool) -> Contracts {
    let Some(value) = section.take("contracts") else { return Contracts::default() };
    let place = value.place.clone();
    let Some(mut inner) = value.section() else { return Contracts::default() };
    let provide = several_of_apic(&mut inner, "provide");
    let consume = several_of_apic(&mut inner, "consume");
    let none = provide.is_empty() && consume.is_empty();
    if !create && !none {
        let error = Error::at(&place, "contracts are those of an EEPG that we make, and `create` is false");
        let help = "add create = true, or leave its contracts to whoever made it";
        inner.reporter().report(error.help(help));
    }
    Contracts { provide, consume }
}

fn scope(value: Value<'_, '_>) -> Vec<SubnetScope> {
    let place = value.place.clone();
    let reporter = value.reporter();
    let wrong_before = reporter.count();
    let choices = SubnetScope::ALL.map(|flag| (flag.name(), flag));
    let mut flags = Vec::new();
    for value in value.some() {
        match value.choice(&choices) {
            Some(flag @ (SubnetScope::ImportSecurity | SubnetScope::SharedSecurity)) => flags.push(flag),
            Some(flag) => value.fail_with(
                format!("`{}` controls routes, and a member only classifies", flag.name()),
                "set it on a subnet of your own: what is set on a member besides is left as it is",
            ),
            None => {}
        }
    }
    if reporter.count() == wrong_before && !flags.contains(&SubnetScope::ImportSecurity) {
        let error = Error::at(&place, "without `import-security` a member classifies nothing");
        reporter.report(error.help("write [\"import-security\", \"shared-security\"]"));
    }
    flags.sort_unstable();
    flags.dedup();
    flags
}

fn stated_caps(mut section: Section<'_, '_>) -> StatedCaps {
    StatedCaps {
        members: section.read("members", |value| value.number(1..=1_000_000)),
        l3out_members: section.read("l3out_members", |value| value.number(1..=1_000_000)),
        eepgs: section.read("eepgs", |value| value.number(1..=100_000)),
    }
}

/// What one rule says of an EEPG or an L3Out holds for all its rules.
fn caps(rule: &Rule, rules: &[Rule]) -> Caps {
    let default = Caps::default();
    let of_eepg = || rules.iter().filter(|other| same_eepg(&other.eepg, &rule.eepg));
    let of_l3out = || rules.iter().filter(|other| same_l3out(&other.eepg, &rule.eepg));
    Caps {
        members: of_eepg().find_map(|rule| rule.caps.members).unwrap_or(default.members),
        l3out_members: of_l3out().find_map(|rule| rule.caps.l3out_members).unwrap_or(default.l3out_members),
        eepgs: of_l3out().find_map(|rule| rule.caps.eepgs).unwrap_or(default.eepgs),
    }
}

fn same_l3out(one: &Eepg, other: &Eepg) -> bool {
    (&one.apic, &one.tenant, &one.l3out) == (&other.apic, &other.tenant, &other.l3out)
}

fn same_eepg(one: &Eepg, other: &Eepg) -> bool {
    same_l3out(one, other) && one.name == other.name
}

/// The first rule that matches wins, so that one behind a wider one would never be asked.
fn is_reached(section: &Section<'_, '_>, rule: &Rule, before: &[Rule]) {
    let in_place = |other: &&Rule| (&other.eepg.apic, &other.eepg.vrf) == (&rule.eepg.apic, &rule.eepg.vrf);
    let wider = |other: &&Rule| covers(&other.eepg.matches, &rule.eepg.matches);
    if let Some(first) = before.iter().filter(in_place).find(wider) {
        let line = section.reporter().line(&first.matches, &rule.matches);
        let message =
            format!("nothing reaches this rule: the one for `{}` on {line} takes it all", first.eepg.name);
        let help = "the first rule that matches wins: put the narrower one first";
        section.reporter().report(Error::at(&rule.matches, message).help(help));
    }
}

/// Rules for one EEPG, or one L3Out, must say the same of it.
fn agrees(section: &Section<'_, '_>, rule: &Rule, before: &[Rule]) {
    let managed = |other: &Rule| other.eepg.manage && rule.eepg.manage;
    for other in before {
        let (one, two) = (&other.eepg, &rule.eepg);
        let differ =
            |one: Option<usize>, two: Option<usize>| matches!((one, two), (Some(a), Some(b)) if a != b);
        let of_eepg: [(&str, bool); 4] = [
            ("create", one.create != two.create),
            ("contracts", one.contracts != two.contracts),
            ("scope", one.scope != two.scope),
            ("caps.members", differ(other.caps.members, rule.caps.members)),
        ];
        let of_l3out: [(&str, bool); 3] = [
            ("vrf", one.vrf != two.vrf),
            ("caps.l3out_members", differ(other.caps.l3out_members, rule.caps.l3out_members)),
            ("caps.eepgs", differ(other.caps.eepgs, rule.caps.eepgs)),
        ];
        let find =
            |keys: &[(&'static str, bool)]| keys.iter().find(|(_, differs)| *differs).map(|(key, _)| *key);
        let (key, what) = if let Some(key) = find(&of_l3out).filter(|_| same_l3out(one, two)) {
            (key, format!("L3Out `{}`", two.l3out))
        } else if let Some(key) = find(&of_eepg).filter(|_| same_eepg(one, two) && managed(other)) {
            (key, format!("EEPG `{}`", two.name))
        } else {
            continue;
        };
        let line = section.reporter().line(&other.place, &rule.place);
        let message = format!("{what} has another `{key}` in the rule on {line}");
        section
            .reporter()
            .report(Error::at(&rule.place, message).help(format!("give both the same `{key}`")));
        return;
    }
}

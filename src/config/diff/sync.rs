//! What becomes of fabrics, rules and brakes: all of it at once, and deletes that follow pass the brakes.

use super::super::model::{Apic, Auth, Config, Eepg, Mode, Redirect};
use super::{Changes, Effect, differences, json, lines};

pub(super) fn sync(changes: &mut Changes, old: &Config, new: &Config) {
    apics(changes, &old.apics, &new.apics);
    eepgs(changes, &old.eepgs, &new.eepgs);
    redirects(changes, &old.redirects, &new.redirects);
    for (key, line) in differences("safety", &json(&old.safety), &json(&new.safety)) {
        let so = match new.safety.mode {
            _ if key != "safety.mode" => "",
            Mode::Enforce => ": from now on the plan is carried out",
            Mode::Observe => ": from now on nothing is written",
        };
        changes.add(Effect::Apply, line + so);
    }
}

fn apics(changes: &mut Changes, old: &[Apic], new: &[Apic]) {
    for apic in old {
        if let Some(next) = new.iter().find(|next| next.name == apic.name) {
            changes.add_all(Effect::Apply, &format!("apic `{}`: ", apic.name), same_apic(apic, next));
        } else {
            let text = format!("apic `{}` is removed: what was written there stays", apic.name);
            changes.add(Effect::Apply, text);
        }
    }
    for apic in new.iter().filter(|apic| old.iter().all(|other| other.name != apic.name)) {
        changes.add(Effect::Apply, format!("apic `{}` is added", apic.name));
    }
}

fn same_apic(old: &Apic, new: &Apic) -> Vec<String> {
    // Of long texts it is told that they differ, not how.
    let line = |(key, line)| if key == "ca" { "other authorities (ca)".to_owned() } else { line };
    let mut lines: Vec<String> = differences("", &json(old), &json(new)).into_iter().map(line).collect();
    match (&old.auth, &new.auth) {
        (Auth::Password { password: one, .. }, Auth::Password { password: other, .. }) if one != other => {
            lines.push("another password".to_owned());
        }
        (Auth::Certificate { key: one, .. }, Auth::Certificate { key: other, .. }) if one != other => {
            lines.push("another private key".to_owned());
        }
        _ => {}
    }
    lines
}

/// Rules have no name: equal ones stay, of the rest those for one EEPG are the same rule. Their order counts.
fn eepgs(changes: &mut Changes, old: &[Eepg], new: &[Eepg]) {
    let mut added: Vec<(usize, &Eepg)> = (1..).zip(new).collect();
    let mut removed: Vec<(usize, &Eepg)> = Vec::new();
    let mut stay: Vec<(usize, usize)> = Vec::new();
    let mut take = |wanted: &dyn Fn(&Eepg) -> bool| {
        added.iter().position(|(_, rule)| wanted(rule)).map(|at| added.remove(at))
    };
    for (number, rule) in (1..).zip(old) {
        match take(&|other| other == rule) {
            Some((next, _)) => stay.push((number, next)),
            None => removed.push((number, rule)),
        }
    }
    for (number, rule) in removed {
        let same = |other: &Eepg| {
            (&other.apic, &other.tenant, &other.l3out, &other.name)
                == (&rule.apic, &rule.tenant, &rule.l3out, &rule.name)
        };
        if let Some((next, new)) = take(&same) {
            stay.push((number, next));
            let lines = lines("", &json(rule), &json(new));
            changes.add_all(Effect::Apply, &format!("{}: ", title(next, new)), lines);
        } else {
            let so = "members that no other rule wants are deleted, within the brakes";
            changes.add(Effect::Apply, format!("{} is removed: {so}", title(number, rule)));
        }
    }
    for (number, rule) in added {
        changes.add(Effect::Apply, format!("{} is added", title(number, rule)));
    }
    stay.sort_unstable();
    if !stay.iter().is_sorted_by_key(|(_, next)| next) {
        changes.add(Effect::Apply, "eepg rules stand in another order: the first that matches wins");
    }
}

fn title(number: usize, rule: &Eepg) -> String {
    format!("eepg rule {number} ({})", rule.name)
}

fn redirects(changes: &mut Changes, old: &[Redirect], new: &[Redirect]) {
    let same = |one: &Redirect, other: &Redirect| {
        (&one.apic, &one.tenant, &one.policy) == (&other.apic, &other.tenant, &other.policy)
    };
    for redirect in old {
        if let Some(next) = new.iter().find(|next| same(next, redirect)) {
            let lines = lines("", &json(redirect), &json(next));
            changes.add_all(Effect::Apply, &format!("redirect {}: ", redirect.policy), lines);
        } else {
            let so = "its destinations are deleted, within the brakes";
            changes.add(Effect::Apply, format!("redirect {} is removed: {so}", redirect.policy));
        }
    }
    for redirect in new.iter().filter(|redirect| old.iter().all(|other| !same(other, redirect))) {
        changes.add(Effect::Apply, format!("redirect {} is added", redirect.policy));
    }
}

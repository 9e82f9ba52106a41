//! Families about EEPGs and redirect policies, and about what holds changes of them back.

use std::collections::{BTreeMap, BTreeSet};

use super::samples::{About, Samples};
use crate::eepg::{Brake, Container, L3out, view};
use crate::sync::{ApicStatus, Status};

/// EEPGs and policies with series of their own: as many EEPGs as a fabric has. The rest is counted.
const MOST: usize = 600;

/// Brakes that hold back deletes, or all writing, beyond what each delete waits for anyhow. What a single change
/// waits for shows as drift, failed change or limit.
const HOLDS: [Brake; 10] = [
    Brake::Paused,
    Brake::ForeignInstance,
    Brake::Startup,
    Brake::Silence,
    Brake::MassWithdraw,
    Brake::Maintenance,
    Brake::DeleteRate,
    Brake::DeleteFraction,
    Brake::MinDestinations,
    Brake::RepairLimit,
];

/// The scope of what holds all of a fabric.
const FABRIC: &str = "fabric";

const OPERATIONS: [&str; 3] = ["create", "modify", "delete"];
const RESULTS: [&str; 2] = ["success", "error"];
const DRIFT: [&str; 4] = ["missing", "extra", "wrong_scope", "conflict"];

pub(super) fn write(status: &Status, text: &mut String) {
    pending(status, text);
    holds(status, text);
    let all = Known::of(status);
    let about = About::gauge("eepgs_omitted", "EEPGs and redirect policies without series of their own.");
    Samples::new(about, text).add(&[], all.len().saturating_sub(MOST));
    let shown: Vec<_> = all.into_iter().take(MOST).collect();
    members(&shown, text);
    drift(&shown, text);
    changes(&shown, text);
}

/// What is known of an EEPG or a policy.
#[derive(Default)]
struct Known<'a> {
    now: Option<&'a view::Eepg>,
    drift: BTreeMap<&'a str, u64>,
    changes: BTreeMap<(&'a str, &'a str), u64>,
}

/// `(apic, label)`: two distinguished names that have one label are one.
type Name<'a> = (&'a str, String);

impl<'a> Known<'a> {
    fn of(status: &'a Status) -> BTreeMap<Name<'a>, Self> {
        let mut all: BTreeMap<_, Self> = BTreeMap::new();
        for ApicStatus { name, eepgs, counters, .. } in &status.apics {
            let key = |dn: &str| (name.as_str(), label(dn));
            for eepg in eepgs {
                all.entry(key(&eepg.dn)).or_default().now = Some(eepg);
            }
            for (dn, kind, count) in &counters.drift {
                *all.entry(key(dn)).or_default().drift.entry(kind).or_default() += count;
            }
            for (dn, operation, result, count) in &counters.changes {
                *all.entry(key(dn)).or_default().changes.entry((operation, result)).or_default() += count;
            }
        }
        all
    }
}

/// A short name of the EEPG or policy with this distinguished name, and of no other.
fn label(dn: &str) -> String {
    match Container::of(dn) {
        Some(Container::Eepg { l3out, name }) => format!("{}/{}/{name}", l3out.tenant, l3out.name),
        Some(Container::Policy { tenant, name }) => format!("{tenant}/{name}"),
        None => dn.to_owned(),
    }
}

/// A short name of what a brake is about.
fn scope(dn: &str) -> String {
    if dn.is_empty() {
        return FABRIC.to_owned();
    }
    match (Container::of(dn), L3out::of(dn)) {
        (None, Some(l3out)) => format!("{}/{}", l3out.tenant, l3out.name),
        _ => label(dn),
    }
}

fn pending(status: &Status, text: &mut String) {
    let mut sum = |name, help, count: fn(&view::Eepg) -> usize| {
        let mut samples = Samples::new(About::gauge(name, help), text);
        for apic in &status.apics {
            samples.add(&[("apic", &apic.name)], apic.eepgs.iter().map(count).sum::<usize>());
        }
    };
    sum("eepg_pending_changes", "Changes to come.", |eepg| eepg.pending);
    sum("eepg_held_changes", "Changes to come that a brake holds back.", |eepg| eepg.held);
}

/// Zeros for every brake of the fabric, so that an alert has something to compare; of single L3Outs and policies those
/// that hold.
fn holds(status: &Status, text: &mut String) {
    let about = About::gauge(
        "hold_down_active",
        "1: this brake holds changes back, in the whole fabric, in an L3Out (tenant/l3out) or in an EEPG or policy.",
    );
    let mut samples = Samples::new(about, text);
    for apic in &status.apics {
        let engaged: BTreeSet<_> =
            apic.counters.holds.iter().map(|(dn, brake)| (scope(dn), *brake)).collect();
        for brake in HOLDS {
            let labels = [("apic", apic.name.as_str()), ("reason", brake.name()), ("scope", FABRIC)];
            samples.add(&labels, u8::from(engaged.contains(&(FABRIC.to_owned(), brake))));
        }
        let single = engaged.iter().filter(|(scope, brake)| scope != FABRIC && HOLDS.contains(brake));
        for (scope, brake) in single.take(MOST) {
            samples.add(&[("apic", &apic.name), ("reason", brake.name()), ("scope", scope)], 1);
        }
    }
}

type Shown<'a> = [(Name<'a>, Known<'a>)];

fn members(shown: &Shown<'_>, text: &mut String) {
    let about = About::gauge(
        "eepg_members",
        "Members: desired by routes, observed there of ours, and foreign, of others.",
    );
    let mut samples = Samples::new(about, text);
    let now = || shown.iter().filter_map(|((apic, eepg), known)| Some((*apic, eepg.as_str(), known.now?)));
    for (apic, eepg, now) in now() {
        let states = [("desired", now.desired), ("observed", now.observed), ("foreign", now.foreign)];
        for (state, count) in states {
            samples.add(&[("apic", apic), ("eepg", eepg), ("state", state)], count);
        }
    }
    let about = About::gauge("eepg_member_limit", "How many members there may be (caps).");
    let mut samples = Samples::new(about, text);
    for (apic, eepg, now) in now() {
        samples.add(&[("apic", apic), ("eepg", eepg)], now.cap);
    }
}

fn drift(shown: &Shown<'_>, text: &mut String) {
    let about = About::gauge("eepg_drift", "What was not as it should be when it was last compared.");
    let mut samples = Samples::new(about, text);
    for ((apic, eepg), known) in shown {
        for kind in DRIFT {
            let count = known.drift.get(kind).copied().unwrap_or_default();
            samples.add(&[("apic", apic), ("eepg", eepg), ("kind", kind)], count);
        }
    }
}

/// Zeros too: a rate of what appears with its first event would miss that event.
fn changes(shown: &Shown<'_>, text: &mut String) {
    let about = About::counter("eepg_changes_total", "Changes that were written, by what became of them.");
    let mut samples = Samples::new(about, text);
    for ((apic, eepg), known) in shown {
        for operation in OPERATIONS {
            for result in RESULTS {
                let count = known.changes.get(&(operation, result)).copied().unwrap_or_default();
                let labels = [("apic", *apic), ("eepg", eepg), ("operation", operation), ("result", result)];
                samples.add(&labels, count);
            }
        }
    }
}

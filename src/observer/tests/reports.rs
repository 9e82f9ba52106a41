//! What others find wrong.

use super::*;
use crate::observer::Reported;
use crate::observer::findings::{Key, Kind, Severity};
use crate::observer::maintenance::{Whom, Window};
use crate::observer::trace::to_memory;

fn found(kind: Kind, object: &str) -> Reported {
    Reported {
        kind,
        object: object.into(),
        vrf: "default".into(),
        prefix: None,
        severity: None,
        summary: format!("{object} is not as it must be"),
        advice: String::new(),
        evidence: vec![format!("{object} was looked at")],
    }
}

impl World {
    fn report(&mut self, source: &str, found: &[Reported]) {
        self.core.report(&source.into(), found.to_vec(), self.now);
    }

    /// Kind, state and what mutes it, of all that is not resolved.
    fn reported(&self) -> Vec<String> {
        let current = self.core.findings.current();
        let of = current.map(|found| {
            let muted = found.muted.map(|muted| muted.split('-').next().unwrap_or_default().to_owned());
            format!("{} {} {}", found.kind, found.state, muted.unwrap_or_default()).trim().to_owned()
        });
        of.collect()
    }
}

#[test]
fn what_is_reported_is_a_finding_until_it_is_reported_no_more() {
    let mut world = World::new();
    let prefix = Some(net("10.244.1.7/32"));
    let conflict = Reported { prefix, ..found(Kind::EepgConflict, "uni/tn-prod/out-core/instP-hosts") };
    world.report("fabric1", std::slice::from_ref(&conflict));
    world.pass(SECOND * 61);
    let open = world.finding("eepg_conflict");
    assert_eq!((open.state.as_str(), open.severity.as_str(), open.prefix), ("open", "critical", prefix));
    assert_eq!((open.cluster.as_str(), open.vrf.as_str(), open.node), ("", "default", None));
    assert_eq!(open.summary, "uni/tn-prod/out-core/instP-hosts is not as it must be");
    assert_eq!(open.evidence, ["uni/tn-prod/out-core/instP-hosts was looked at"]);
    assert!(open.advice.contains("make the rules agree"), "{}", open.advice);

    let more = Reported {
        severity: Some(Severity::Warning),
        summary: "two rules disagree".to_owned(),
        advice: "ask the tenant".to_owned(),
        evidence: vec!["one".to_owned(), "two".to_owned()],
        ..conflict
    };
    world.report("fabric1", std::slice::from_ref(&more));
    world.settle();
    let same = world.finding("eepg_conflict");
    assert_eq!((same.id, same.opened), (open.id, open.opened));
    assert_eq!((same.severity.as_str(), same.summary, same.advice), ("warning", more.summary, more.advice));
    assert_eq!(same.evidence, ["one", "two"]);
    let kinds = |world: &World| world.events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&world), ["started", "finding_pending", "finding_open"]);

    world.report("fabric1", &[]);
    world.settle();
    assert!(world.is_resolved("eepg_conflict"));
    let resolved = world.core.findings.resolved().next().expect("it was open").clone();
    assert_eq!((resolved.summary.as_str(), resolved.severity.as_str()), ("two rules disagree", "warning"));
    assert_eq!(kinds(&world).last().map(String::as_str), Some("finding_resolved"));
}

#[test]
fn the_same_again_changes_nothing() {
    let mut world = World::new();
    let drift = found(Kind::EepgDrift, "uni/tn-prod/out-core/instP-hosts");
    world.report("fabric1", std::slice::from_ref(&drift));
    world.settle();
    let revision = world.core.findings.revision();
    world.report("fabric1", &[drift]);
    assert_eq!(world.core.findings.revision(), revision);
}

#[test]
fn what_several_report_is_over_with_the_last() {
    let mut world = World::new();
    let missing = found(Kind::AciConfig, "uni/tn-prod/ctx-prod");
    world.report("fabric1", std::slice::from_ref(&missing));
    world.report("fabric2", std::slice::from_ref(&missing));
    world.pass(MINUTE * 2);
    world.report("fabric1", &[]);
    world.settle();
    assert_eq!(world.reported(), ["aci_config open"]);
    world.report("fabric2", &[]);
    world.settle();
    assert!(world.is_resolved("aci_config"));
}

#[test]
fn an_apic_that_is_down_explains_what_cannot_be_written_there() {
    let mut world = World::new();
    let trouble = |fabric: &str| {
        let object = format!("uni/tn-{fabric}/out-core/instP-hosts");
        [Kind::EepgDrift, Kind::EepgWriteFailing, Kind::EepgConflict, Kind::HoldDown]
            .map(|kind| found(kind, &object))
    };
    let mut down = trouble("one").to_vec();
    down.push(found(Kind::ApicDown, "fabric1"));
    world.report("fabric2", &trouble("two"));
    world.report("fabric1", &down);
    world.pass(MINUTE * 6);
    assert_eq!(
        world.reported(),
        [
            "eepg_conflict open",
            "eepg_drift open",
            "eepg_write_failing open",
            "hold_down open",
            "eepg_conflict open",
            "eepg_drift pending absorbed:apic_down",
            "eepg_write_failing pending absorbed:apic_down",
            "hold_down open",
            "apic_down open",
        ]
    );
    world.report("fabric1", &trouble("one"));
    world.pass(MINUTE * 6);
    assert!(world.reported().iter().all(|found| found.ends_with("open")), "{:?}", world.reported());
}

#[test]
fn a_human_must_look_at_deletes_that_wait_whatever_else_there_is() {
    let mut world = World::new();
    world.healthy_node();
    let rack = Key::rack_down(world.core.map.leaf_scope("leaf1").expect("a leaf"), "rack1".into());
    for key in [Key::observer_isolated(), rack] {
        world.core.findings.raise(key, [], world.now);
    }
    let scope = Whom::Cluster("default".into());
    let window =
        Window { scope, since: world.now, until: world.now.after(MINUTE), reason: "swap".to_owned() };
    world.core.start_maintenance(window).expect("a window");
    let holds: Vec<_> =
        (0..8).map(|n| found(Kind::HoldDown, &format!("uni/tn-prod/out-core/instP-{n}"))).collect();
    world.report("fabric1", &holds);
    world.pass(SECOND * 31);
    let held: Vec<_> = world.reported().into_iter().filter(|found| found.starts_with("hold_down")).collect();
    assert_eq!(held, ["hold_down open"; 8]);
}

#[test]
fn many_conflicts_at_once_are_one_finding() {
    let mut world = World::new();
    let conflicts: Vec<_> = (0..6).map(|n| found(Kind::EepgConflict, &format!("instP-{n}"))).collect();
    world.report("fabric1", &conflicts);
    world.pass(SECOND * 61);
    let current: Vec<_> = world.core.findings.current().filter(|found| found.muted.is_none()).collect();
    assert_eq!(current.len(), 1);
    assert!(
        current[0].summary.contains("about instP-0, instP-1, instP-2 and 3 more"),
        "{}",
        current[0].summary
    );
}

#[test]
fn who_knows_of_it_hears_no_more() {
    let mut world = World::new();
    world.report("fabric1", &[found(Kind::HoldDown, "uni/tn-prod/out-core/instP-hosts")]);
    world.settle();
    let id = world.finding("hold_down").id;
    assert!(world.core.acknowledge(&id, "gone for good", world.now));
    world.settle();
    assert_eq!(world.finding("hold_down").muted.as_deref(), Some("acknowledged"));
}

#[test]
fn what_was_reported_survives_a_restart_and_is_over_if_nobody_reports_it_again() {
    let mut world = World::new();
    let reported = |object| Reported {
        severity: Some(Severity::Info),
        advice: "wait".to_owned(),
        ..found(Kind::HoldDown, object)
    };
    world.report("fabric1", &[reported("one"), reported("two")]);
    world.settle();
    let before: Vec<_> = world.core.findings.current().collect();
    let state = serde_json::to_string(&world.core.state(world.now)).unwrap();
    let mut after = World::new();
    after.core.restore(serde_json::from_str(&state).unwrap(), after.now);
    assert_eq!(after.core.findings.current().collect::<Vec<_>>(), before, "in the same words");
    after.report("fabric1", &[]);
    after.report("fabric1", &[reported("two")]);
    after.pass(MINUTE * 20);
    let now: Vec<_> = after.core.findings.current().collect();
    assert_eq!(now, before[1..], "nobody is told twice");
    assert!(!after.events.iter().any(|event| event.kind == "finding_open"));
}

#[test]
fn a_report_is_bounded_and_says_nothing_of_routes() {
    let mut world = World::new();
    let drift = |n: usize| Reported {
        summary: "ä".repeat(5_000),
        evidence: vec!["x".repeat(5_000); 20],
        ..found(Kind::EepgDrift, &format!("{n:05}"))
    };
    let mut many = vec![found(Kind::PeerDown, "nobody")];
    many.extend((0..1_200).map(drift));
    world.report("fabric1", &many);
    let current: Vec<_> = world.core.findings.current().collect();
    assert_eq!(current.len(), 999);
    assert!(current.iter().all(|found| found.kind == "eepg_drift"));
    assert!(current[0].summary.chars().count() < 1_010 && current[0].evidence.len() == 8);
    assert!(current[0].evidence[0].len() < 1_010);
}

#[test]
fn a_trace_holds_what_was_reported() {
    let (recorder, memory) = to_memory(500);
    let settings = Settings { route_grace: Duration::ZERO, peer_grace: Duration::ZERO, strangers: false };
    let mut world = World::recorded(config(), settings, Some(recorder));
    let drift = [found(Kind::EepgDrift, "one"), found(Kind::EepgDrift, "two")];
    world.report("fabric1", &drift);
    world.pass(MINUTE);
    world.healthy_node();
    world.pass(MINUTE);
    world.report("fabric1", &drift[1..]);
    world.report("fabric2", &[found(Kind::ApicDown, "fabric2")]);
    world.pass(MINUTE * 5);
    trace::same(&memory.segments(), &world);
}

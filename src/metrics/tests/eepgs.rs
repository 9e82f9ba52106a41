use super::*;
use crate::eepg::{Brake, Counters};
use crate::sync::{ApicStatus, Histogram, Status};
use crate::web::testing::controller::{eepg, policy};

const L3OUT: &str = "uni/tn-k8s/out-calico";
const WEB: &str = "uni/tn-k8s/out-calico/instP-web";

fn histogram() -> Histogram {
    Histogram { buckets: [1, 0, 2, 0, 0, 0, 0, 0, 0, 0], count: 4, sum: 301.25 }
}

/// An APIC that is up, with an EEPG and a policy of which one is held back.
pub(super) fn status() -> Status {
    let apic = ApicStatus {
        name: "fabric1".into(),
        up: true,
        compared: Some(START),
        requests: vec![("read", "2xx", 12), ("write", "4xx", 1)],
        durations: vec![("read", histogram())],
        counters: Counters {
            changes: vec![(WEB.into(), "create", "success", 3), (WEB.into(), "modify", "error", 1)],
            holds: vec![(String::new(), Brake::Startup), (L3OUT.into(), Brake::Silence)],
            drift: vec![(WEB.into(), "wrong_scope", 2)],
        },
        eepgs: vec![eepg("fabric1", "calico", "web", "prod"), policy("fabric1", "fw")],
    };
    Status {
        mode: "observe".into(),
        apics: vec![apic],
        convergence: histogram(),
        audit_failures: 1,
        ..Status::default()
    }
}

fn samples_of(status: Status) -> Vec<String> {
    samples(Report { sync: Some(status), ..report(vec![]) })
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|given| given == line)
}

#[test]
fn without_a_controller_there_are_no_families_of_it() {
    let lines = samples(report(vec![]));
    for name in ["eepg", "apic", "hold_down", "dry_run", "audit"] {
        assert!(!lines.iter().any(|line| line.starts_with(name)), "{name}");
    }
}

#[test]
fn names_tell_eepgs_of_several_l3outs_and_fabrics_apart() {
    let mut status = status();
    let mut other = status.apics[0].clone();
    other.name = "fabric2".into();
    status.apics[0].eepgs.push(eepg("fabric1", "other", "web", "prod"));
    // An EEPG of a tenant called `k8s` in an L3Out called `fw` is no policy called `fw`.
    status.apics[0].eepgs.push(eepg("fabric1", "fw", "fw", "prod"));
    status.apics.push(other);
    let lines = samples_of(status);
    for (apic, name) in [
        ("fabric1", "k8s/calico/web"),
        ("fabric1", "k8s/other/web"),
        ("fabric1", "k8s/fw/fw"),
        ("fabric1", "k8s/fw"),
        ("fabric2", "k8s/calico/web"),
    ] {
        let line = format!("eepg_members{{apic=\"{apic}\",eepg=\"{name}\",state=\"observed\"}} 2");
        assert_eq!(lines.iter().filter(|given| **given == line).count(), 1, "{line}");
    }
    let mut series: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "no series comes twice");
}

#[test]
fn a_brake_that_holds_is_one_and_the_others_of_the_fabric_zero() {
    let mut status = status();
    let apic = &mut status.apics[0];
    // What every delete waits for is no alarm.
    apic.counters.holds.push((L3OUT.into(), Brake::DeleteAfter));
    apic.counters.holds.push((String::new(), Brake::Comparison));
    apic.counters.holds.push(("uni/tn-k8s/svcCont/svcRedirectPol-fw".into(), Brake::MinDestinations));
    // Told twice, it is one.
    apic.counters.holds.push((L3OUT.into(), Brake::Silence));
    let lines = samples_of(status);
    let holds: Vec<_> = lines.iter().filter(|line| line.starts_with("hold_down_active")).collect();
    let engaged: Vec<_> =
        holds.iter().filter(|line| line.ends_with(" 1")).map(|line| line.as_str()).collect();
    assert_eq!(
        engaged,
        [
            r#"hold_down_active{apic="fabric1",reason="startup",scope="fabric"} 1"#,
            r#"hold_down_active{apic="fabric1",reason="peer_loss",scope="k8s/calico"} 1"#,
            r#"hold_down_active{apic="fabric1",reason="min_destinations",scope="k8s/fw"} 1"#,
        ]
    );
    assert!(has(&lines, r#"hold_down_active{apic="fabric1",reason="mass_withdraw",scope="fabric"} 0"#));
    assert_eq!(holds.len(), 12, "{holds:#?}");
}

#[test]
fn eepgs_beyond_a_fabric_full_are_counted() {
    let mut status = status();
    status.apics[0].eepgs =
        (0..700).map(|at| eepg("fabric1", "calico", &format!("e{at:03}"), "prod")).collect();
    let lines = samples_of(status);
    for (family, each) in
        [("eepg_members{", 3), ("eepg_drift{", 4), ("eepg_changes_total{", 6), ("eepg_member_limit{", 1)]
    {
        let count = lines.iter().filter(|line| line.starts_with(family)).count();
        assert_eq!(count, 600 * each, "{family}");
    }
    // That of which changes alone are known is one more.
    assert!(has(&lines, "eepgs_omitted 101"));
    assert!(has(&lines, r#"eepg_pending_changes{apic="fabric1"} 1400"#), "the sum is of all");
}

#[test]
fn what_is_gone_keeps_its_changes() {
    let mut status = status();
    status.apics[0].eepgs.clear();
    let lines = samples_of(status);
    assert!(has(
        &lines,
        r#"eepg_changes_total{apic="fabric1",eepg="k8s/calico/web",operation="create",result="success"} 3"#
    ));
    assert!(!lines.iter().any(|line| line.starts_with("eepg_members{")));
}

#[test]
fn what_never_was_is_zero() {
    let mut status = status();
    (status.apics[0].up, status.apics[0].compared, status.mode) = (false, None, "enforce".into());
    let lines = samples_of(status);
    for line in [
        r#"apic_up{apic="fabric1"} 0"#,
        r#"apic_last_reconcile_timestamp_seconds{apic="fabric1"} 0"#,
        "dry_run 0",
    ] {
        assert!(has(&lines, line), "{line}");
    }
}

//! An APIC that refuses, falls silent or is written to by others.

use super::*;
use crate::config::model::{Caps, Match};
use crate::eepg::samples::eepg;
use crate::lab::apic::Refuse;

const HOST: &str = "10.96.1.1/32";
const WEB: &str = "uni/tn-k8s/out-calico/instP-web";

fn hosts(count: u8) -> Vec<String> {
    (0..count).map(|last| format!("10.96.1.{last}/32")).collect()
}

fn member(prefix: &str) -> String {
    format!("{WEB}/extsubnet-[{prefix}]")
}

fn refusal() -> Refusal {
    let mut tree = Tree::new(Fabric::default(), Timestamp::from_micros(0));
    tree.post("uni", &Mo::new("fvTenant").with("name", "no spaces"), Timestamp::from_micros(0)).unwrap_err()
}

#[test]
fn of_a_batch_that_is_refused_all_others_land() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    for bad in ["*10.96.1.7/32*", "*10.96.1.31/32*"] {
        let dn = bad.replace('*', ".*");
        world.tree.refuse(Refuse { dn, refusal: refusal(), times: None });
    }
    for host in hosts(64) {
        world.announce("a", &host);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.ours().len(), 62);
    assert!(world.posts.len() < 40, "{}", world.posts.len());
    let found = world.found(Kind::EepgWriteFailing);
    assert!(found.len() == 1 && found[0].evidence.len() == 2, "{found:?}");
    assert_eq!(world.holds(), [("refused".to_owned(), 2)]);
    world.tree.refuse_nothing();
    world.sleep(10 * MINUTE);
    assert_eq!(world.ours().len(), 64);
    assert_eq!(world.found(Kind::EepgWriteFailing), []);
}

#[test]
fn an_eepg_that_is_refused_is_told_from_its_members() {
    let mut world = World::new(vec![Eepg { create: true, ..eepg("made") }], vec![]);
    world.tree.refuse(Refuse { dn: ".*instP-made$".to_owned(), refusal: refusal(), times: None });
    for host in hosts(10) {
        world.announce("a", &host);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.ours().len(), 0);
    let posts = world.posts.len();
    assert!(posts < 20, "{posts}");
    world.tree.refuse_nothing();
    world.sleep(5 * MINUTE);
    assert_eq!(world.ours().len(), 10);
}

#[test]
fn what_is_not_known_to_be_done_is_looked_at_before_anything_else() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.weather = Weather::Deaf;
    world.announce("a", HOST);
    world.run_for(3 * SECOND);
    assert!(world.has(&member(HOST)));
    // It is withdrawn before the answer was known: without a look it would stay for ever.
    world.withdraw("a", HOST);
    world.run_for(MINUTE);
    world.weather = Weather::Fair;
    world.sleep(15 * MINUTE);
    assert!(!world.has(&member(HOST)));
}

#[test]
fn what_could_not_be_sent_is_sent_when_it_can() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.weather = Weather::Down;
    for host in hosts(10) {
        world.announce("a", &host);
    }
    world.sleep(HOUR);
    assert_eq!(world.ours().len(), 0);
    world.weather = Weather::Fair;
    world.sleep(2 * MINUTE);
    assert_eq!(world.ours().len(), 10);
}

#[test]
fn drift_is_repaired_until_it_is_a_fight() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    world.tree.delete(&member(HOST), world.now).unwrap();
    world.sleep(6 * MINUTE);
    assert!(world.has(&member(HOST)), "a full comparison finds it");
    let mut repairs = 0;
    for _ in 0..60 {
        world.tree.delete(&member(HOST), world.now).unwrap();
        world.engine.compare_now(world.now);
        world.run_for(10 * SECOND);
        repairs += usize::from(world.has(&member(HOST)));
    }
    assert!((5..=6).contains(&repairs), "{repairs}");
    let found = world.found(Kind::EepgDrift);
    assert!(found.iter().any(|found| found.summary.contains("somebody else writes there")), "{found:?}");
    world.sleep(12 * MINUTE);
    assert!(world.has(&member(HOST)), "it is tried again when the fight is over");
}

#[test]
fn attributes_that_somebody_changes_are_put_back() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    world.meddle(
        &member(HOST),
        &Mo::new("l3extSubnet").with("scope", "shared-security").with("descr", "mine"),
    );
    world.sleep(6 * MINUTE);
    let scope = world.tree.value(&member(HOST), "scope");
    assert_eq!(scope.as_deref(), Some("import-security,shared-security"));
    assert!(world.tree.value(&member(HOST), "descr").is_some_and(|descr| descr != "mine"));
}

#[test]
fn a_prefix_that_somebody_else_has_is_not_written_a_second_time() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.foreign("uni/tn-k8s/out-other/instP-foreign", HOST);
    world.engine.compare_now(world.now);
    world.announce("a", HOST);
    world.sleep(HOUR);
    assert!(!world.has(&member(HOST)));
    let found = world.found(Kind::EepgConflict);
    assert!(found.len() == 1 && found[0].prefix == Some(net(HOST)), "{found:?}");
    assert_eq!(world.holds(), [("conflict".to_owned(), 1)]);
    world.tree.delete("uni/tn-k8s/out-other/instP-foreign/extsubnet-[10.96.1.1/32]", world.now).unwrap();
    world.sleep(6 * MINUTE);
    assert!(world.has(&member(HOST)));
    assert_eq!(world.found(Kind::EepgConflict), []);
}

#[test]
fn routes_that_disagree_leave_everything_as_it_is() {
    let of = |node: &str| Match { node: vec![node.into()], ..Match::default() };
    let rules = vec![Eepg { matches: of("a"), ..eepg("web") }, Eepg { matches: of("b"), ..eepg("other") }];
    let mut world = World::new(rules, vec![]);
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    world.announce("b", HOST);
    world.announce("a", "10.96.1.2/32");
    world.announce("b", "10.96.1.2/32");
    world.run_for(2 * SECOND);
    world.sleep(48 * HOUR);
    assert!(world.has(&member(HOST)), "it stays until they agree");
    assert_eq!(world.found(Kind::EepgConflict).len(), 2);
    assert_eq!(world.ours().len(), 1, "what is new is written nowhere");
    world.withdraw("a", HOST);
    world.run_for(2 * SECOND);
    assert!(world.has("uni/tn-k8s/out-calico/instP-other/extsubnet-[10.96.1.1/32]"));
    assert!(!world.has(&member(HOST)));
}

#[test]
fn another_instance_of_our_name_stops_us() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    let mut other = Engine::new("fabric", &world.config, identity(9), world.now);
    std::mem::swap(&mut world.engine, &mut other);
    world.announce("b", "10.96.1.9/32");
    world.run_for(2 * SECOND);
    std::mem::swap(&mut world.engine, &mut other);
    assert!(world.has(&member("10.96.1.9/32")));
    world.engine.compare_now(world.now);
    world.run_for(2 * SECOND);
    world.forget_requests();
    world.announce("c", "10.96.1.10/32");
    world.withdraw("a", HOST);
    world.sleep(HOUR);
    assert_eq!(world.posts, []);
    let found = world.found(Kind::EepgWriteFailing);
    assert!(found.iter().any(|found| found.summary.contains("under our name")), "{found:?}");
    world.engine.pause(None, world.now);
    world.sleep(HOUR);
    assert!(world.has(&member("10.96.1.10/32")) && !world.has(&member(HOST)));
}

#[test]
fn what_is_missing_is_said_and_waited_for_and_never_made() {
    let mut world = World::new(vec![Eepg { l3out: "absent".into(), create: true, ..eepg("web") }], vec![]);
    world.announce("a", HOST);
    world.sleep(HOUR);
    assert_eq!(world.posts, []);
    let found = world.found(Kind::AciConfig);
    assert!(found.iter().any(|found| found.summary.contains("out-absent is not there")), "{found:?}");
    assert_eq!(world.holds(), [("missing".to_owned(), 1)]);
    let out = Mo::new("l3extOut").with("name", "absent");
    let out = out.holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"));
    world.meddle("uni/tn-k8s", &Mo::new("fvTenant").holding(out));
    world.sleep(6 * MINUTE);
    assert!(world.has("uni/tn-k8s/out-absent/instP-web/extsubnet-[10.96.1.1/32]"));

    let mut world = World::new(vec![eepg("web")], vec![]);
    world.tree.delete(WEB, world.now).unwrap();
    world.engine.compare_now(world.now);
    world.announce("a", HOST);
    world.sleep(HOUR);
    assert!(!world.has(WEB), "it is not ours to make");
}

#[test]
fn an_l3out_of_another_vrf_gets_nothing() {
    let mut world = World::new(vec![Eepg { vrf: "elsewhere".into(), ..eepg("web") }, eepg("all")], vec![]);
    world.sleep(MINUTE);
    let found = world.found(Kind::AciConfig);
    assert!(found.iter().any(|found| found.summary.contains("VRF elsewhere")), "{found:?}");
}

#[test]
fn caps_refuse_and_warn_before() {
    let caps = Caps { members: 10, ..Caps::default() };
    let mut world = World::new(vec![Eepg { caps, ..eepg("web") }], vec![]);
    for host in hosts(8) {
        world.announce("a", &host);
    }
    world.run_for(5 * SECOND);
    let found = world.found(Kind::FabricCapacity);
    assert!(
        found.len() == 1 && found[0].severity == Some(crate::observer::findings::Severity::Warning),
        "{found:?}"
    );
    for host in hosts(14) {
        world.announce("a", &host);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.ours().len(), 10);
    assert_eq!(world.holds(), [("cap".to_owned(), 4)]);
    let found = world.found(Kind::FabricCapacity);
    assert!(found[0].severity == Some(crate::observer::findings::Severity::Critical), "{found:?}");
    for host in &hosts(14)[..2] {
        world.withdraw("a", host);
    }
    world.sleep(12 * MINUTE);
    assert_eq!(world.ours().len(), 10, "room that is free is used");
}

#[test]
fn an_older_backup_is_brought_up_to_date() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    for host in &hosts(10)[..6] {
        world.announce("a", host);
    }
    world.run_for(10 * SECOND);
    let backup = world.tree.clone();
    for host in &hosts(10)[..3] {
        world.withdraw("a", host);
    }
    for host in &hosts(10)[6..] {
        world.announce("a", host);
    }
    world.sleep(15 * MINUTE);
    assert_eq!(world.ours().len(), 7);
    world.tree.restore(backup);
    world.sleep(25 * MINUTE);
    let expected: Vec<String> =
        hosts(10)[3..].iter().map(|host| format!("out-calico/instP-web/extsubnet-[{host}]")).collect();
    assert_eq!(world.ours(), expected);
}

#[test]
fn what_somebody_made_since_we_looked_is_not_taken_over() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.run_for(10 * SECOND);
    world.foreign(WEB, HOST);
    world.announce("a", HOST);
    world.announce("a", "10.96.1.2/32");
    world.run_for(10 * SECOND);
    assert!(world.has(&member(HOST)) && !world.is_ours(&member(HOST)), "it is theirs");
    assert!(world.is_ours(&member("10.96.1.2/32")), "what went with it lands");
    assert_eq!(world.found(Kind::EepgWriteFailing), []);
    world.withdraw("a", HOST);
    world.sleep(HOUR);
    assert!(world.has(&member(HOST)));

    let mut world = World::new(vec![Eepg { create: true, ..eepg("made") }], vec![]);
    world.meddle(
        "uni/tn-k8s/out-calico",
        &Mo::new("l3extOut").holding(Mo::new("l3extInstP").with("name", "made")),
    );
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    let made = "uni/tn-k8s/out-calico/instP-made";
    assert!(world.has(&format!("{made}/extsubnet-[{HOST}]")));
    assert!(!world.has(&format!("{made}/annotationKey-[thirdleaf-owner]")), "the EEPG is theirs");
}

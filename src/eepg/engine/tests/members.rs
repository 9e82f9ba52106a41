//! Members follow routes.

use super::*;
use crate::config::model::{Contracts, Match};
use crate::eepg::samples::{eepg, redirect};

const HOST: &str = "10.96.1.1/32";

fn web_and_all() -> Vec<Eepg> {
    let matches = Match { prefix: vec![net("10.96.1.0/24")], ..Match::default() };
    vec![Eepg { matches, ..eepg("web") }, eepg("all")]
}

#[test]
fn what_is_announced_becomes_a_member_and_a_second_pass_writes_nothing() {
    let mut world = World::new(web_and_all(), vec![]);
    world.announce("a", HOST);
    world.announce("b", "10.244.7.5/32");
    world.run_for(2 * SECOND);
    let (web, all) =
        ("out-calico/instP-web/extsubnet-[10.96.1.1/32]", "out-calico/instP-all/extsubnet-[10.244.7.5/32]");
    assert_eq!(world.ours(), [all, web]);
    assert_eq!(world.posts.len(), 1, "{:?}", world.posts);
    let dn = format!("uni/tn-k8s/{web}");
    assert_eq!(world.tree.value(&dn, "scope").as_deref(), Some("import-security"));
    assert!(world.tree.value(&dn, "descr").is_some_and(|descr| descr.contains('a') && descr.contains("web")));
    world.forget_requests();
    world.sleep(2 * HOUR);
    assert_eq!(world.posts, []);
    assert!(world.reads > 10, "it is compared again and again");
    assert_eq!(world.plan().changes, []);
    // Nor does another process that knows nothing.
    world.restart(2);
    world.sleep(HOUR);
    assert_eq!(world.posts, []);
}

#[test]
fn changes_gather_for_a_window_and_no_longer_than_a_second() {
    let mut world = World::new(web_and_all(), vec![]);
    let step = Duration::from_millis(100);
    let begun = world.now;
    let mut sent = None;
    for count in 0..50_u8 {
        world.announce("a", &format!("10.96.1.{count}/32"));
        world.work();
        if sent.is_none() && !world.posts.is_empty() {
            sent = Some(world.now);
        }
        world.now = world.now.after(step);
    }
    assert_eq!(sent, Some(begun.after(SECOND)));
    assert_eq!(world.posts.len(), 4);
    world.run_for(2 * SECOND);
    assert_eq!(world.ours().len(), 50);
}

#[test]
fn a_member_moves_in_one_request() {
    let mut world = World::new(web_and_all(), vec![]);
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    world.forget_requests();
    world.reload(vec![eepg("all")], vec![]);
    world.run_for(2 * SECOND);
    assert_eq!(world.ours(), ["out-calico/instP-all/extsubnet-[10.96.1.1/32]"]);
    assert_eq!(world.posts.len(), 1, "{:?}", world.posts);
    assert_eq!(world.posts[0].0, "uni/tn-k8s/out-calico");
}

#[test]
fn a_move_to_another_l3out_is_one_request_to_what_holds_both() {
    let mut world = World::new(web_and_all(), vec![]);
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    world.forget_requests();
    world.reload(vec![Eepg { l3out: "other".into(), ..eepg("foreign") }], vec![]);
    world.run_for(2 * SECOND);
    assert_eq!(world.ours(), ["out-other/instP-foreign/extsubnet-[10.96.1.1/32]"]);
    assert_eq!(world.posts.len(), 1);
    assert_eq!(world.posts[0].0, "uni/tn-k8s");
}

#[test]
fn marks_follow_the_nodes_that_announce() {
    let mut world = World::new(web_and_all(), vec![]);
    let tag = "uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.1.1/32]/annotationKey-[thirdleaf-owner]";
    for (node, value) in
        [("b", "1;prod-sync;i1;b"), ("a", "1;prod-sync;i1;a,b"), ("c", "1;prod-sync;i1;a,b,c")]
    {
        world.announce(node, HOST);
        world.run_for(2 * SECOND);
        assert_eq!(world.tree.value(tag, "value").as_deref(), Some(value));
    }
    world.lose("a");
    world.withdraw("b", HOST);
    world.run_for(2 * SECOND);
    assert_eq!(
        world.tree.value(tag, "value").as_deref(),
        Some("1;prod-sync;i1;a,c"),
        "silence is remembered"
    );
}

#[test]
fn an_eepg_is_made_with_its_contracts_and_deleted_when_it_has_been_empty_for_long() {
    let contracts = Contracts { provide: vec!["http".into()], consume: vec!["dns".into()] };
    let mut world = World::new(vec![Eepg { create: true, contracts, ..eepg("made") }], vec![]);
    assert!(!world.has("uni/tn-k8s/out-calico/instP-made"), "nothing wants it yet");
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    assert_eq!(world.posts.len(), 1);
    for rn in ["rsprov-http", "rscons-dns", "annotationKey-[thirdleaf-owner]", "extsubnet-[10.96.1.1/32]"] {
        assert!(world.has(&format!("uni/tn-k8s/out-calico/instP-made/{rn}")), "{rn}");
    }
    // A contract that somebody takes away is put back.
    world.tree.delete("uni/tn-k8s/out-calico/instP-made/rsprov-http", world.now).unwrap();
    world.sleep(10 * MINUTE);
    assert!(world.has("uni/tn-k8s/out-calico/instP-made/rsprov-http"));
    world.withdraw("a", HOST);
    world.sleep(12 * MINUTE);
    assert_eq!(world.ours(), Vec::<String>::new());
    world.sleep(23 * HOUR);
    assert!(world.has("uni/tn-k8s/out-calico/instP-made"));
    world.sleep(2 * HOUR);
    assert!(!world.has("uni/tn-k8s/out-calico/instP-made"));
}

#[test]
fn an_eepg_whose_name_comes_with_a_route_is_looked_for_and_made_at_once() {
    let mut world = World::new(vec![Eepg { create: true, ..eepg("of-{rack}") }], vec![]);
    // Something was written a moment ago, and is about to be read back.
    let mut rules = vec![eepg("web")];
    rules[0].matches.prefix = vec![net("10.96.2.0/24")];
    rules.extend(world.config.eepgs.clone());
    world
        .tree
        .post(
            "uni/tn-k8s/out-calico",
            &Mo::new("l3extOut").holding(Mo::new("l3extInstP").with("name", "web")),
            world.now,
        )
        .unwrap();
    world.reload(rules, vec![]);
    world.run_for(3 * SECOND);
    world.announce("a", "10.96.2.1/32");
    world.run_for(2 * SECOND);
    assert_eq!(world.ours().len(), 1);
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    assert!(world.has("uni/tn-k8s/out-calico/instP-of-rack1/extsubnet-[10.96.1.1/32]"));
}

#[test]
fn an_eepg_that_we_made_stays_if_somebody_put_something_into_it() {
    let mut world = World::new(vec![Eepg { create: true, ..eepg("made") }], vec![]);
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    world.meddle(
        "uni/tn-k8s/out-calico/instP-made",
        &Mo::new("l3extInstP").holding(Mo::new("fvRsCons").with("tnVzBrCPName", "theirs")),
    );
    world.withdraw("a", HOST);
    world.sleep(30 * HOUR);
    assert!(world.has("uni/tn-k8s/out-calico/instP-made/rscons-theirs"));
    assert_eq!(world.ours(), Vec::<String>::new());
}

#[test]
fn an_eepg_of_others_gets_members_and_is_left_alone_otherwise() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.meddle(
        "uni/tn-k8s/out-calico/instP-web",
        &Mo::new("l3extInstP").with("descr", "theirs").with("prefGrMemb", "include"),
    );
    world.foreign("uni/tn-k8s/out-calico/instP-web", "10.0.0.0/8");
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    world.withdraw("a", HOST);
    world.sleep(48 * HOUR);
    let eepg = "uni/tn-k8s/out-calico/instP-web";
    assert_eq!(world.tree.value(eepg, "descr").as_deref(), Some("theirs"));
    assert_eq!(world.tree.value(eepg, "prefGrMemb").as_deref(), Some("include"));
    assert!(world.has(&format!("{eepg}/extsubnet-[10.0.0.0/8]")));
    assert!(!world.has(&format!("{eepg}/extsubnet-[{HOST}]")));
    assert!(!world.has(&format!("{eepg}/annotationKey-[thirdleaf-owner]")));
}

#[test]
fn what_others_put_there_is_theirs_until_it_is_adopted() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    let eepg = "uni/tn-k8s/out-calico/instP-web";
    let subnet = Mo::new("l3extSubnet").with("ip", HOST).with("scope", "import-security,shared-security");
    world.meddle(eepg, &Mo::new("l3extInstP").holding(subnet));
    world.sleep(6 * MINUTE);
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    assert_eq!(world.posts, []);
    let member = format!("{eepg}/extsubnet-[{HOST}]");
    world.engine.adopt(&member, world.now).unwrap();
    world.run_for(2 * SECOND);
    assert!(world.is_ours(&member));
    let scope = world.tree.value(&member, "scope");
    assert_eq!(scope.as_deref(), Some("import-security,shared-security"), "flags of others stay");
    assert!(world.engine.adopt(&member, world.now).is_err(), "it is ours by now");
}

#[test]
fn release_takes_our_marks_off_and_leaves_the_members() {
    let mut world = World::new(vec![Eepg { create: true, ..eepg("made") }], vec![]);
    world.announce("a", HOST);
    world.run_for(2 * SECOND);
    world.engine.release(None, world.now).unwrap();
    world.run_for(10 * SECOND);
    let made = "uni/tn-k8s/out-calico/instP-made";
    let member = format!("{made}/extsubnet-[{HOST}]");
    assert!(world.has(&member) && !world.is_ours(&member));
    assert!(!world.has(&format!("{made}/annotationKey-[thirdleaf-owner]")));
    world.forget_requests();
    world.withdraw("a", HOST);
    world.announce("a", "10.96.1.2/32");
    world.sleep(30 * HOUR);
    assert_eq!(world.posts, []);
}

#[test]
fn destinations_of_a_policy_follow_hosts() {
    let rule = Redirect { health_group: Some("pods".into()), min_destinations: 0, ..redirect("fw") };
    let mut world = World::new(vec![], vec![rule]);
    world.announce("a", HOST);
    world.announce("b", "10.244.7.5/32");
    world.run_for(2 * SECOND);
    let (one, other) = (
        "svcCont/svcRedirectPol-fw/RedirectDest_ip-[10.96.1.1]",
        "svcCont/svcRedirectPol-fw/RedirectDest_ip-[10.244.7.5]",
    );
    assert_eq!(world.ours(), [other, one]);
    assert!(world.has(&format!("uni/tn-k8s/{one}/rsRedirectHealthGroup")));
    let found = world.found(Kind::AciConfig);
    assert!(found.iter().any(|found| found.summary.contains("health group pods")), "{found:?}");
    world.meddle(&format!("uni/tn-k8s/{one}"), &Mo::new("vnsRedirectDest").with("weight", "7"));
    world.announce("b", HOST);
    world.run_for(2 * SECOND);
    assert_eq!(world.tree.value(&format!("uni/tn-k8s/{one}"), "weight").as_deref(), Some("7"));
    world.withdraw("b", "10.244.7.5/32");
    world.sleep(12 * MINUTE);
    assert_eq!(world.ours(), [one]);
    world.forget_requests();
    world.sleep(HOUR);
    assert_eq!(world.posts, []);
}

#[test]
fn the_plan_says_what_would_be_sent_and_observing_sends_nothing() {
    let mut world = World::with(web_and_all(), vec![], Safety::default());
    world.announce("a", HOST);
    world.sleep(HOUR);
    assert_eq!(world.posts, []);
    let plan = world.plan();
    let [change] = &plan.changes[..] else { panic!("{plan:?}") };
    assert_eq!(
        (change.operation.as_str(), change.eepg.as_str(), change.held_by.as_deref()),
        ("create", "web", None)
    );
    assert_eq!(change.because.node.as_deref(), Some("a"));
    assert!(change.because.peer.is_some());
    let [request] = &plan.requests[..] else { panic!("{plan:?}") };
    world.config.safety.mode = Mode::Enforce;
    world.reload(web_and_all(), vec![]);
    world.run_for(2 * SECOND);
    assert_eq!(world.posts, [(request.dn.clone(), request.body.clone())]);
}

#[test]
fn what_fills_a_request_waits_for_nothing() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    for count in 0..600_u16 {
        world.announce("a", &format!("10.96.{}.{}/32", count / 200, count % 200));
    }
    world.work();
    assert_eq!(world.ours().len(), 500);
    world.run_for(2 * SECOND);
    assert_eq!(world.ours().len(), 600);
}

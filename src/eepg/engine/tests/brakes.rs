//! What holds deletes back: without each of these brakes, members would go that must stay.

use super::*;
use crate::eepg::samples::{eepg, redirect};

const HOST: &str = "10.96.1.1/32";

fn member(prefix: &str) -> String {
    format!("out-calico/instP-web/extsubnet-[{prefix}]")
}

fn hosts(count: u8) -> Vec<String> {
    (0..count).map(|last| format!("10.96.1.{last}/32")).collect()
}

/// `a` announces so many hosts, and they are members.
fn with_members(count: u8, safety: Safety) -> World {
    let mut world = World::with(vec![eepg("web")], vec![], safety);
    for host in hosts(count) {
        world.announce("a", &host);
    }
    world.run_for(10 * SECOND);
    assert_eq!(world.ours().len(), usize::from(count));
    world.forget_requests();
    world
}

#[test]
fn what_is_withdrawn_stays_for_delete_after_and_goes_then() {
    let mut world = with_members(1, enforcing());
    world.withdraw("a", "10.96.1.0/32");
    world.run_for(9 * MINUTE);
    assert_eq!(world.ours().len(), 1);
    assert_eq!(world.holds(), [("delete_after".to_owned(), 1)]);
    world.run_for(2 * MINUTE);
    assert_eq!(world.ours().len(), 0);
}

#[test]
fn what_comes_back_in_time_was_never_gone() {
    let mut world = with_members(1, enforcing());
    for _ in 0..5 {
        world.withdraw("a", "10.96.1.0/32");
        world.run_for(9 * MINUTE);
        world.announce("a", "10.96.1.0/32");
        world.run_for(MINUTE);
    }
    assert_eq!(world.done, []);
}

#[test]
fn silence_is_not_withdrawal() {
    let mut world = with_members(3, enforcing());
    world.lose("a");
    world.sleep(20 * HOUR);
    assert_eq!(world.ours().len(), 3);
    assert_eq!(world.holds(), [("peer_loss".to_owned(), 3)]);
    let found = world.found(Kind::HoldDown);
    assert!(found.len() == 1 && found[0].summary.contains("3 members"), "{found:?}");
    // It is back without one of them: that one is withdrawn as of now.
    world.come_back("a", &["10.96.1.0/32", "10.96.1.1/32"]);
    world.run_for(9 * MINUTE);
    assert_eq!(world.ours().len(), 3);
    world.run_for(2 * MINUTE);
    assert_eq!(world.ours(), [member("10.96.1.0/32"), member("10.96.1.1/32")]);
    assert_eq!(world.found(Kind::HoldDown), []);
}

#[test]
fn silence_ends_with_hold_down_or_when_the_node_is_forgotten() {
    let mut world = with_members(2, enforcing());
    world.lose("a");
    world.sleep(23 * HOUR);
    assert_eq!(world.ours().len(), 2);
    world.sleep(2 * HOUR);
    assert_eq!(world.ours().len(), 0, "hold_down has passed");

    let mut world = with_members(2, enforcing());
    world.lose("a");
    world.run_for(MINUTE);
    world.forget("a");
    world.run_for(9 * MINUTE);
    assert_eq!(world.ours().len(), 2);
    world.run_for(2 * MINUTE);
    assert_eq!(world.ours().len(), 0, "delete_after has passed");
}

#[test]
fn a_prefix_must_be_gone_from_every_node() {
    let mut world = with_members(1, enforcing());
    world.announce("b", "10.96.1.0/32");
    world.run_for(2 * SECOND);
    world.lose("b");
    world.withdraw("a", "10.96.1.0/32");
    world.sleep(HOUR);
    assert_eq!(world.ours().len(), 1, "b has not said that it has it no more");
    world.come_back("b", &[]);
    world.sleep(12 * MINUTE);
    assert_eq!(world.ours().len(), 0);
}

#[test]
fn who_starts_anew_in_the_dark_deletes_nothing() {
    let mut world = with_members(3, enforcing());
    world.announce("b", HOST);
    world.run_for(2 * SECOND);
    world.lose("a");
    world.node("a").down_since = None;
    world.restart(2);
    world.sleep(20 * HOUR);
    assert_eq!(world.ours().len(), 3);
    assert_eq!(world.holds(), [("peer_loss".to_owned(), 2)]);
    assert_eq!(world.found(Kind::HoldDown).len(), 1);
    let tag = format!("uni/tn-k8s/{}/annotationKey-[thirdleaf-owner]", member(HOST));
    assert!(
        world.tree.value(&tag, "value").is_some_and(|tag| tag.ends_with(";a,b")),
        "a is still waited for"
    );
    world.come_back("a", &["10.96.1.0/32"]);
    world.sleep(12 * MINUTE);
    assert_eq!(world.ours(), [member("10.96.1.0/32"), member(HOST)]);
}

#[test]
fn nothing_is_deleted_before_the_start_is_over() {
    let mut world = with_members(2, enforcing());
    world.withdraw("a", "10.96.1.0/32");
    world.restart(2);
    world.run_for(5 * MINUTE);
    assert_eq!(world.holds(), [("startup".to_owned(), 1)]);
    // A node that was known at the start, and had nothing, must have said so.
    let mut world = with_members(2, enforcing());
    world.lose("c");
    world.withdraw("a", "10.96.1.0/32");
    world.restart(2);
    world.sleep(12 * HOUR);
    assert_eq!(world.ours().len(), 2);
    assert_eq!(world.holds(), [("startup".to_owned(), 1)]);
    world.come_back("c", &[]);
    world.sleep(12 * MINUTE);
    assert_eq!(world.ours().len(), 1);
}

#[test]
fn many_withdrawals_at_once_wait_for_a_human() {
    let mut world = with_members(100, enforcing());
    for host in &hosts(100)[..30] {
        world.withdraw("a", host);
    }
    world.sleep(12 * HOUR);
    assert_eq!(world.ours().len(), 100);
    assert_eq!(world.holds(), [("mass_withdraw".to_owned(), 30)]);
    let found = world.found(Kind::HoldDown);
    assert!(found[0].summary.contains("of the 100 members"), "{found:?}");
    let plan = world.plan();
    // What joins later was not approved.
    world.withdraw("a", "10.96.1.99/32");
    world.run_for(5 * SECOND);
    assert!(world.engine.approve("nonsense", world.now).is_err());
    world.engine.approve(&plan.id, world.now).unwrap();
    world.sleep(2 * HOUR);
    assert_eq!(world.ours().len(), 70);
    assert_eq!(world.holds(), [("mass_withdraw".to_owned(), 1)]);
    world.announce("a", "10.96.1.99/32");
    world.run_for(5 * SECOND);
    assert_eq!(world.holds(), []);
}

#[test]
fn a_mass_hold_ends_when_the_routes_are_back_and_few_or_slow_ones_never_begin_one() {
    let mut world = with_members(100, enforcing());
    for host in &hosts(100)[..30] {
        world.withdraw("a", host);
    }
    world.run_for(MINUTE);
    for host in &hosts(100)[..30] {
        world.announce("a", host);
    }
    world.run_for(MINUTE);
    assert_eq!((world.holds(), world.found(Kind::HoldDown)), (vec![], vec![]));

    let mut world = with_members(100, enforcing());
    for host in &hosts(100)[..30] {
        world.withdraw("a", host);
        world.run_for(2 * SECOND);
    }
    world.sleep(30 * MINUTE);
    assert_eq!(world.ours().len(), 70);

    let mut world = with_members(20, enforcing());
    for host in &hosts(20) {
        world.withdraw("a", host);
    }
    world.run_for(SECOND);
    assert_eq!(world.holds(), [("delete_after".to_owned(), 20)], "more than 20 members are many");
}

#[test]
fn many_that_nobody_explains_at_a_start_wait_too() {
    let mut world = with_members(100, enforcing());
    for host in &hosts(100)[..30] {
        world.node("a").routes.remove(&net(host));
    }
    world.restart(2);
    world.sleep(12 * HOUR);
    assert_eq!(world.ours().len(), 100);
    assert_eq!(world.holds(), [("mass_withdraw".to_owned(), 30)]);
}

#[test]
fn a_rule_that_goes_meets_the_same_brakes() {
    let mut world = with_members(100, enforcing());
    world.reload(
        vec![eepg("elsewhere")].into_iter().map(|rule| Eepg { vrf: "none".into(), ..rule }).collect(),
        vec![],
    );
    world.sleep(12 * HOUR);
    assert_eq!(world.ours().len(), 100);
    let mut world = with_members(5, enforcing());
    world.reload(vec![], vec![]);
    world.run_for(9 * MINUTE);
    assert_eq!(world.ours().len(), 5);
    world.run_for(3 * MINUTE);
    assert_eq!(world.ours().len(), 0);
}

#[test]
fn deletes_are_few_a_minute_and_a_share_of_what_there_is() {
    let safety = Safety { max_deletes_per_minute: 2, ..enforcing() };
    let mut world = with_members(15, safety);
    for host in &hosts(15)[..8] {
        world.withdraw("a", host);
    }
    world.run_for(10 * MINUTE + 5 * SECOND);
    assert_eq!(world.ours().len(), 13);
    world.run_for(MINUTE);
    assert_eq!(world.ours().len(), 11);
    assert_eq!(world.holds(), [("delete_rate".to_owned(), 4)]);

    let mut world = with_members(100, enforcing());
    for chunk in hosts(100)[..60].chunks(10) {
        for host in chunk {
            world.withdraw("a", host);
        }
        world.run_for(40 * SECOND);
    }
    world.run_for(14 * MINUTE);
    assert_eq!(world.ours().len(), 80, "a fifth in ten minutes");
    assert_eq!(world.holds(), [("delete_fraction".to_owned(), 40)]);
    world.sleep(HOUR);
    assert_eq!(world.ours().len(), 40);
}

#[test]
fn additions_and_moves_are_held_by_no_brake_on_deletes() {
    let mut world = with_members(100, enforcing());
    for host in &hosts(100)[..50] {
        world.withdraw("a", host);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.holds()[0].0, "mass_withdraw");
    world.announce("b", "10.96.2.1/32");
    world.run_for(2 * SECOND);
    assert!(world.ours().contains(&member("10.96.2.1/32")));
}

#[test]
fn a_pause_stops_everything_until_its_time() {
    let mut world = with_members(1, enforcing());
    let until = world.now.after(HOUR);
    world.engine.pause(Some(view::Pause { until, reason: "change freeze".to_owned() }), world.now);
    world.announce("b", HOST);
    world.withdraw("a", "10.96.1.0/32");
    world.sleep(55 * MINUTE);
    assert_eq!(world.posts, []);
    assert_eq!(world.holds(), [("paused".to_owned(), 2)]);
    world.sleep(10 * MINUTE);
    assert_eq!(world.ours(), [member(HOST)]);
}

#[test]
fn maintenance_of_the_node_holds_its_deletes() {
    let mut world = with_members(1, enforcing());
    world.node("a").maintenance = Some(world.now.after(2 * HOUR));
    world.withdraw("a", "10.96.1.0/32");
    world.sleep(HOUR);
    assert_eq!(world.holds(), [("maintenance".to_owned(), 1)]);
    world.sleep(2 * HOUR);
    assert_eq!(world.ours().len(), 0);
}

#[test]
fn a_policy_keeps_its_last_destinations() {
    let mut world = World::new(vec![], vec![Redirect { min_destinations: 2, ..redirect("fw") }]);
    for host in hosts(4) {
        world.announce("a", &host);
    }
    world.run_for(2 * SECOND);
    for host in hosts(4) {
        world.withdraw("a", &host);
    }
    world.sleep(2 * HOUR);
    assert_eq!(world.ours().len(), 2);
    assert_eq!(world.holds(), [("min_destinations".to_owned(), 2)]);
}

#[test]
fn nothing_is_deleted_that_does_not_carry_both_marks() {
    let mut world = with_members(3, enforcing());
    let dn = |place: usize| format!("uni/tn-k8s/{}", member(&hosts(3)[place]));
    world.meddle(&dn(0), &Mo::new("l3extSubnet").with("annotation", "orchestrator:terraform"));
    world.tree.delete(&format!("{}/annotationKey-[thirdleaf-owner]", dn(1)), world.now).unwrap();
    let other = Mo::new("tagAnnotation").with("key", "thirdleaf-owner").with("value", "1;another;x;a");
    world.meddle(&dn(2), &Mo::new("l3extSubnet").holding(other));
    for host in hosts(3) {
        world.withdraw("a", &host);
    }
    world.sleep(48 * HOUR);
    assert!((0..3).all(|place| world.has(&dn(place))));
}

#[test]
fn marks_are_looked_at_again_right_before_a_delete() {
    let mut world = with_members(1, enforcing());
    world.withdraw("a", "10.96.1.0/32");
    world.run_for(9 * MINUTE + 58 * SECOND);
    // The last comparison was minutes ago.
    let dn = format!("uni/tn-k8s/{}", member("10.96.1.0/32"));
    world.meddle(&dn, &Mo::new("l3extSubnet").with("annotation", "orchestrator:terraform"));
    world.run_for(MINUTE);
    assert!(world.has(&dn));
}

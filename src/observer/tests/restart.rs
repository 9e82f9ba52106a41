//! The rows of RFC 4724, 8538 and 7313.

use super::*;

const BOTH: [&str; 2] = ["10.96.0.0/12 accepted", "10.244.1.0/26 accepted"];
const BOTH_STALE: [&str; 2] = ["10.96.0.0/12 accepted stale", "10.244.1.0/26 accepted stale"];
const NONE: [&str; 0] = [];

#[test]
fn a_lost_connection_leaves_routes_stale_until_the_restart_time_is_over() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    world.settle();
    assert_eq!(world.routes_of(&node), BOTH_STALE);
    assert_eq!(world.peer(&node).stale, [2, 0]);
    world.check();
    world.pass(Duration::from_secs(119));
    assert_eq!(world.routes_of(&node), BOTH_STALE);
    world.pass(SECOND);
    assert_eq!(world.routes_of(&node), NONE);
    assert_eq!(world.snapshot().rib.paths, [0, 0]);
    assert!(!world.peer(&node).up, "the peer is still known");
    world.check();
}

#[test]
fn the_restart_time_is_bounded_by_our_own() {
    let mut world = World::new();
    let mut terms = terms(NODE_AS, NODE);
    terms.graceful_restart = Some(restart(4_095));
    let node = world.up_with("leaf1", NODE, terms);
    world.announce(&node, &OWN);
    world.close(&node, Loss::Graceful);
    world.pass(Duration::from_secs(359));
    assert_eq!(world.routes_of(&node), BOTH_STALE);
    world.pass(SECOND);
    assert_eq!(world.routes_of(&node), NONE);
}

#[test]
fn only_families_of_the_capability_outlive_the_session() {
    let mut world = World::new();
    let mut terms = terms(NODE_AS, NODE);
    terms.families = Families::ALL;
    terms.graceful_restart = Some(GracefulRestart { families: Families::only(Family::Ipv4), ..restart(120) });
    let node = world.up_with("leaf1", NODE, terms);
    world.announce(&node, &OWN);
    world.announce_as(&node, &Builder::new(&[NODE_AS], ip("fd00:1::2")), &["fd00:244::40/122"]);
    assert_eq!(world.routes_of(&node).len(), 3);
    world.close(&node, Loss::Graceful);
    assert_eq!(world.routes_of(&node), BOTH_STALE);
    world.check();
    world.settle();
    assert_eq!(world.snapshot().rib.paths, [2, 0]);
}

#[test]
fn without_the_capability_or_grace_routes_go_at_once() {
    for (capability, loss) in [(None, Loss::Graceful), (Some(restart(120)), Loss::Final)] {
        let mut world = World::new();
        let mut terms = terms(NODE_AS, NODE);
        terms.graceful_restart = capability;
        let node = world.up_with("leaf1", NODE, terms);
        world.announce(&node, &OWN);
        world.announce(&node, &["10.0.0.0/8"]);
        world.close(&node, loss);
        // Before any work was done on it.
        assert_eq!(world.routes_of(&node), NONE);
        assert_eq!(world.peer(&node).held(), 0);
        world.check();
        world.settle();
        assert_eq!(world.snapshot().rib.paths, [0, 0]);
        assert!(!world.found().iter().any(|found| found.starts_with("rogue_route")), "{:?}", world.found());
    }
}

#[test]
fn end_of_rib_removes_what_was_not_announced_again() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["10.244.2.0/26"]);
    world.close(&node, Loss::Graceful);
    world.pass(SECOND);
    let again = world.node();
    assert_eq!(world.routes_of(&again).len(), 3);
    world.announce(&again, &["10.244.1.0/26"]);
    world.settle();
    assert_eq!(
        world.routes_of(&again),
        ["10.96.0.0/12 accepted stale", "10.244.1.0/26 accepted", "10.244.2.0/26 accepted stale"]
    );
    // An explicit withdrawal works before End-of-RIB.
    world.withdraw(&again, &["10.244.2.0/26"]);
    world.settle();
    assert_eq!(world.routes_of(&again), ["10.96.0.0/12 accepted stale", "10.244.1.0/26 accepted"]);
    world.check();
    world.end_of_rib(&again);
    world.settle();
    assert_eq!(world.routes_of(&again), ["10.244.1.0/26 accepted"]);
    assert_eq!(world.peer(&again).stale, [0, 0]);
    world.check();
    // Nothing is left to expire.
    world.pass(MINUTE * 10);
    assert_eq!(world.routes_of(&again), ["10.244.1.0/26 accepted"]);
}

#[test]
fn end_of_rib_is_waited_for_only_so_long() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    let again = world.node();
    world.announce(&again, &["10.244.1.0/26"]);
    world.pass(Duration::from_secs(359));
    assert_eq!(world.routes_of(&again).len(), 2);
    world.pass(SECOND * 2);
    assert_eq!(world.routes_of(&again), ["10.244.1.0/26 accepted"]);
}

#[test]
fn a_family_whose_forwarding_state_was_lost_is_removed_at_once() {
    let lost = [
        Some(GracefulRestart { forwarding: Families::NONE, ..restart(120) }),
        Some(GracefulRestart { families: Families::only(Family::Ipv6), ..restart(120) }),
        None,
    ];
    for capability in lost {
        let mut world = World::new();
        let node = world.healthy_node();
        world.close(&node, Loss::Graceful);
        world.settle();
        let mut terms = terms(NODE_AS, NODE);
        terms.graceful_restart = capability;
        let again = world.up_with("leaf1", NODE, terms);
        assert_eq!(world.routes_of(&again), NONE);
        world.announce(&again, &OWN);
        world.settle();
        assert_eq!(world.routes_of(&again), BOTH);
        world.check();
    }
}

#[test]
fn another_as_or_identifier_flushes_what_was_stale() {
    for terms in [terms(65103, NODE), terms(NODE_AS, "192.168.1.3")] {
        let mut world = World::new();
        let node = world.healthy_node();
        world.close(&node, Loss::Graceful);
        let again = world.up_with("leaf1", NODE, terms);
        assert_eq!(world.routes_of(&again), NONE);
        world.check();
    }
}

#[test]
fn a_second_restart_while_stale_keeps_only_what_was_refreshed() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    let again = world.node();
    world.announce(&again, &["10.244.1.0/26"]);
    world.close(&again, Loss::Graceful);
    world.settle();
    assert_eq!(world.routes_of(&again), ["10.244.1.0/26 accepted stale"]);
    world.check();
    let third = world.node();
    world.announce(&third, &["10.244.1.0/26"]);
    world.end_of_rib(&third);
    world.settle();
    assert_eq!(world.routes_of(&third), ["10.244.1.0/26 accepted"]);
    world.check();
}

#[test]
fn an_end_of_rib_whose_sweep_was_overtaken_by_a_restart_removes_nothing_that_was_refreshed() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    let again = world.node();
    world.announce(&again, &["10.244.1.0/26"]);
    // No time for the sweep.
    world.end_of_rib(&again);
    world.close(&again, Loss::Graceful);
    world.settle();
    assert_eq!(world.routes_of(&again), ["10.244.1.0/26 accepted stale"]);
    world.check();
}

#[test]
fn what_was_lost_may_come_back_before_it_is_swept() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["0.0.0.0/0"]);
    world.close(&node, Loss::Final);
    let again = world.node();
    world.announce(&again, &OWN);
    world.announce_as(&again, &Builder::new(&[NODE_AS, 1], ip(NODE)), &["0.0.0.0/0"]);
    assert_eq!(world.peer(&again).held(), 3);
    world.check();
    world.settle();
    assert_eq!(
        world.routes_of(&again),
        ["0.0.0.0/0 rejected", "10.96.0.0/12 accepted", "10.244.1.0/26 accepted"]
    );
    assert_eq!(world.finding("rogue_route").prefix, Some(net("0.0.0.0/0")));
    world.check();
    // And once more, before anything of it was swept.
    world.close(&again, Loss::Final);
    let third = world.node();
    world.announce(&third, &OWN);
    world.close(&third, Loss::Graceful);
    assert_eq!(world.routes_of(&third), BOTH_STALE);
    world.check();
    world.settle();
    assert_eq!(world.routes_of(&third), BOTH_STALE);
    world.check();
}

#[test]
fn a_refresh_removes_what_was_not_sent_again_and_marks_nothing_stale() {
    let mut world = World::new();
    let node = world.healthy_node();
    let mut begin = Batch::default();
    begin.push_begin_refresh(Family::Ipv4);
    world.batch(&node, begin);
    assert_eq!(world.routes_of(&node), BOTH);
    world.announce(&node, &["10.244.1.0/26"]);
    world.settle();
    assert_eq!(world.routes_of(&node), BOTH);
    let mut end = Batch::default();
    end.push_end_refresh(Family::Ipv4);
    world.batch(&node, end);
    world.settle();
    assert_eq!(world.routes_of(&node), ["10.244.1.0/26 accepted"]);
    // An end without a beginning means nothing.
    let mut end = Batch::default();
    end.push_end_refresh(Family::Ipv4);
    world.batch(&node, end);
    world.settle();
    assert_eq!(world.routes_of(&node), ["10.244.1.0/26 accepted"]);
    world.check();
}

#[test]
fn a_refresh_that_never_ends_is_ended() {
    let mut world = World::new();
    let node = world.healthy_node();
    let mut begin = Batch::default();
    begin.push_begin_refresh(Family::Ipv4);
    world.batch(&node, begin);
    world.announce(&node, &["10.244.1.0/26"]);
    world.pass(Duration::from_secs(358));
    assert_eq!(world.routes_of(&node), BOTH);
    world.pass(SECOND * 4);
    assert_eq!(world.routes_of(&node), ["10.244.1.0/26 accepted"]);
}

#[test]
fn refreshes_without_pause_leave_no_work_behind() {
    let mut world = World::new();
    let node = world.healthy_node();
    let mut batch = Batch::default();
    for _ in 0..1_000 {
        batch.push_begin_refresh(Family::Ipv4);
        batch.push_end_refresh(Family::Ipv4);
    }
    // Nothing is done between them: the next comes before the sweep of the last.
    world.batch(&node, batch.clone());
    world.announce(&node, &OWN);
    world.batch(&node, batch);
    assert!(world.core.jobs.len() <= 1, "{} jobs", world.core.jobs.len());
    world.settle();
    assert_eq!(world.routes_of(&node), NONE);
    world.check();
}

#[test]
fn routes_of_sessions_that_ended_do_not_pile_up() {
    let mut world = World::new();
    for session in 0..50 {
        let node = world.node();
        let pods: Vec<String> = (0..100).map(|pod| format!("10.244.{session}.{pod}/32")).collect();
        world.announce_all(&node, &pods);
        // Before anything of it was swept.
        world.close(&node, Loss::Final);
    }
    let held = world.core.rib.counters(Family::Ipv4).paths;
    assert!(held <= 200, "{held} of two sessions at most");
    world.settle();
    assert_eq!(world.core.rib.counters(Family::Ipv4).paths, 0);
    assert!(world.core.jobs.is_empty());
    world.check();
}

#[test]
fn no_refresh_begins_before_the_end_of_rib_of_a_peer_that_owes_one() {
    // RFC 7313, 4.
    let refresh = |world: &mut World, node: &Session| {
        let mut batch = Batch::default();
        batch.push_begin_refresh(Family::Ipv4);
        batch.push_end_refresh(Family::Ipv4);
        world.batch(node, batch);
        world.settle();
        world.routes_of(node)
    };
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &OWN);
    assert_eq!(refresh(&mut world, &node), BOTH);
    world.end_of_rib(&node);
    assert_eq!(refresh(&mut world, &node), NONE);
    // One that never comes is not waited for any longer than stale routes are.
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &OWN);
    world.pass(MINUTE * 6);
    assert_eq!(refresh(&mut world, &node), NONE);
    // A peer without graceful restart may never send one.
    let mut world = World::new();
    let node = world.up_with("leaf1", NODE, Negotiated { graceful_restart: None, ..terms(NODE_AS, NODE) });
    world.announce(&node, &OWN);
    assert_eq!(refresh(&mut world, &node), NONE);
}

#[test]
fn a_peer_that_removed_us_is_no_longer_known() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Deconfigured);
    world.settle();
    assert_eq!(world.snapshot().summary.peers.known, 0);
    assert_eq!(world.found(), NONE);
    assert_eq!(world.snapshot().rib.paths, [0, 0]);
    world.check();
    let again = world.healthy_node();
    assert_eq!(world.routes_of(&again), BOTH);
}

#[test]
fn a_peer_that_comes_back_unknown_keeps_what_is_found_in_it_now() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["0.0.0.0/0"]);
    world.close(&node, Loss::Deconfigured);
    // Before what it had was swept.
    let again = world.node();
    world.announce(&again, &["0.0.0.0/0"]);
    world.settle();
    assert_eq!(world.found(), ["rogue_route pending"]);
}

#[test]
fn a_refresh_right_after_end_of_rib_is_one() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    let again = world.node();
    world.announce(&again, &OWN);
    // No time for the sweep.
    world.end_of_rib(&again);
    let mut refresh = Batch::default();
    refresh.push_begin_refresh(Family::Ipv4);
    world.batch(&again, refresh);
    world.announce(&again, &["10.244.1.0/26"]);
    let mut refresh = Batch::default();
    refresh.push_end_refresh(Family::Ipv4);
    world.batch(&again, refresh);
    world.settle();
    assert_eq!(world.routes_of(&again), ["10.244.1.0/26 accepted"]);
}

#[test]
fn routes_that_were_withdrawn_before_their_time_was_over_do_not_expire() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    let again = world.node();
    world.withdraw(&again, &OWN);
    world.close(&again, Loss::Final);
    world.pass(MINUTE * 7);
    assert!(!world.events.iter().any(|event| event.kind == "stale_routes_removed"));
}

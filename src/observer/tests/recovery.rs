//! Nodes that restarted and wait for one of their peers.

use super::*;

const NONE: [&str; 0] = [];

/// Findings that were ever told of.
fn told(world: &World) -> Vec<&view::Event> {
    world.events.iter().filter(|event| event.kind.starts_with("finding")).collect()
}

#[test]
fn a_node_that_restarted_and_says_nothing_for_15_seconds_waits_for_another_peer() {
    let mut world = World::new();
    let node = world.node();
    world.pass(Duration::from_millis(3_999));
    assert_eq!(world.found(), NONE);
    world.pass(SECOND * 2 + Duration::from_millis(1));
    let finding = world.finding("recovery_wait");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("pending", "warning"));
    assert_eq!((finding.since, finding.node.as_deref()), (START, Some(NODE)));
    world.pass(Duration::from_millis(8_999));
    assert_eq!(world.finding("recovery_wait").state, "pending");
    world.pass(Duration::from_millis(1));
    assert_eq!(world.finding("recovery_wait").state, "open");
    world.announce(&node, &["0.0.0.0/0"]);
    world.settle();
    assert!(world.is_resolved("recovery_wait"));
}

#[test]
fn a_node_that_announces_within_three_seconds_is_not_even_pending() {
    let mut world = World::new();
    let node = world.node();
    world.pass(SECOND * 3);
    world.announce(&node, &OWN);
    world.pass(MINUTE);
    assert_eq!((told(&world).len(), world.found()), (0, vec![]));
    // And if all that it has is withdrawn again, it has spoken all the same.
    world.withdraw(&node, &OWN);
    world.pass(MINUTE);
    assert_eq!(world.found(), NONE);
}

#[test]
fn end_of_rib_ends_the_wait_also_of_a_node_without_routes() {
    let mut config = config();
    config.policy.allow[1].expect = Expect::None;
    let mut world = World::with(config);
    let both = Negotiated { families: Families::ALL, ..terms(NODE_AS, NODE) };
    let node = world.up_with("leaf1", NODE, both);
    world.pass(SECOND * 20);
    let mut one = Batch::default();
    one.push_end_of_rib(Family::Ipv4);
    world.batch(&node, one);
    world.settle();
    assert_eq!(world.found(), ["recovery_wait open"], "it owes one for the other family");
    world.end_of_rib(&node);
    world.settle();
    assert!(world.is_resolved("recovery_wait"));
}

#[test]
fn the_wait_ends_with_its_session() {
    for loss in [Loss::Graceful, Loss::Final, Loss::Deconfigured] {
        let mut world = World::new();
        let node = world.node();
        world.pass(SECOND * 6);
        assert_eq!(world.found(), ["recovery_wait pending"]);
        world.close(&node, loss);
        world.settle();
        assert!(!world.found().contains(&"recovery_wait pending".to_owned()), "{loss:?}");
    }
}

#[test]
fn a_node_that_did_not_restart_or_does_not_know_graceful_restart_may_be_silent() {
    let mut world = World::new();
    let running = GracefulRestart { restarting: false, ..restart(120) };
    for (n, graceful_restart) in [(2, Some(running)), (3, None)] {
        let own = format!("192.168.1.{n}");
        world.up_with("leaf1", &own, Negotiated { graceful_restart, ..terms(NODE_AS, &own) });
    }
    world.pass(MINUTE);
    assert_eq!(world.found(), NONE);
}

#[test]
fn what_it_announced_before_and_announces_again_ends_the_wait() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    world.settle();
    let again = world.node();
    world.pass(SECOND * 6);
    assert!(world.found().contains(&"recovery_wait pending".to_owned()), "{:?}", world.found());
    world.announce(&again, &OWN);
    world.settle();
    assert_eq!(world.found(), ["stale_routes pending"]);
}

#[test]
fn nodes_of_a_rack_wait_for_one_cause_and_those_of_another_for_another() {
    let mut world = World::new();
    let own = |n: u8| format!("192.168.1.{n}");
    let mut nodes = vec![];
    for n in 2..12 {
        let leaf = if n % 2 == 0 { "leaf1" } else { "leaf2" };
        nodes.push(world.up(leaf, &own(n), NODE_AS, &own(n)));
        world.pass(SECOND);
    }
    world.pass(SECOND * 10);
    let finding = world.finding("recovery_wait");
    assert_eq!((finding.since, finding.state.as_str()), (START, "open"));
    assert_eq!((finding.leaf, finding.node), (None, None));
    assert!(finding.evidence[7].contains("3 more"), "{:?}", finding.evidence);
    world.up("leaf3", &own(30), NODE_AS, &own(30));
    world.pass(SECOND * 6);
    assert_eq!(world.found(), ["recovery_wait open", "recovery_wait pending"]);
    for node in &nodes {
        assert!(world.found().contains(&"recovery_wait open".to_owned()));
        world.announce(node, &OWN[1..]);
        world.settle();
    }
    assert!(!world.found().contains(&"recovery_wait open".to_owned()), "{:?}", world.found());
}

#[test]
fn who_is_forgotten_or_moves_to_another_rack_is_no_longer_waiting_there() {
    let mut world = World::new();
    world.node();
    world.pass(SECOND * 20);
    let first = world.finding("recovery_wait");
    let mut moved = world.config.clone();
    moved.leaves[0].rack = "rack3".into();
    world.core.reconfigure(Arc::new(moved.clone()), world.now);
    world.settle();
    let second = world.finding("recovery_wait");
    assert_ne!(first.id, second.id);
    assert_eq!((second.state.as_str(), second.since), ("open", first.since));
    moved.neighbors.retain(|entry| &*entry.leaf != "leaf1");
    world.core.reconfigure(Arc::new(moved), world.now);
    world.settle();
    assert_eq!(world.found(), NONE);
}

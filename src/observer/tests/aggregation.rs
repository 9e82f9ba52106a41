//! Pod hosts beside the block of their node that holds them.

use super::{trace, *};
use crate::observer::trace::to_memory;

const NONE: [&str; 0] = [];

/// The first pods of the block that every node here announces.
fn pods(count: u8) -> Vec<String> {
    (0..count).map(|n| format!("10.244.1.{n}/32")).collect()
}

#[test]
fn own_pods_announced_for_over_45_seconds_are_found() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce_all(&node, &pods(3));
    world.pass(SECOND * 34);
    assert_eq!(world.found(), NONE);
    world.pass(SECOND * 3);
    let finding = world.finding("aggregation_missing");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("pending", "warning"));
    assert_eq!(finding.evidence, ["192.168.1.2 on leaf1: 3 pod hosts within its block 10.244.1.0/26"]);
    world.pass(SECOND * 9);
    assert_eq!(world.finding("aggregation_missing").state, "open");
    world.withdraw(&node, &["10.244.1.0/32", "10.244.1.1/32"]);
    world.pass(SECOND * 16);
    assert!(world.finding("aggregation_missing").evidence[0].contains(": 1 pod host within"));
    world.withdraw(&node, &["10.244.1.2/32"]);
    world.pass(SECOND * 16);
    assert!(world.is_resolved("aggregation_missing"));
}

#[test]
fn live_migrations_one_after_the_other_are_no_finding() {
    let mut world = World::new();
    let node = world.healthy_node();
    for pod in pods(20) {
        world.announce(&node, &[&pod]);
        world.pass(SECOND * 30);
        world.withdraw(&node, &[&pod]);
        world.pass(SECOND * 2);
    }
    assert!(!world.events.iter().any(|event| event.kind.starts_with("finding")));
}

#[test]
fn borrowed_and_rejected_pods_are_none_of_the_own_block() {
    let mut world = World::new();
    let node = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.244.2.0/26", "10.96.0.0/12"]);
    // Of the other's block, of nobody's, and one that nobody believes.
    world.announce(&node, &["10.244.2.7/32", "10.244.9.9/32"]);
    world.announce_as(&node, &Builder::new(&[NODE_AS, 1], ip(NODE)), &["10.244.1.7/32"]);
    world.pass(MINUTE * 3);
    assert!(!world.found().iter().any(|found| found.starts_with("aggregation")), "{:?}", world.found());
}

#[test]
fn blocks_come_and_go() {
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &["10.96.0.0/12"]);
    world.announce_all(&node, &pods(2));
    world.end_of_rib(&node);
    world.pass(MINUTE * 2);
    assert_eq!(world.found(), NONE);
    world.announce(&node, &["10.244.1.0/26"]);
    world.pass(SECOND * 16);
    assert_eq!(world.found(), ["aggregation_missing open"], "the hosts are old enough");
    world.withdraw(&node, &["10.244.1.0/26"]);
    world.pass(SECOND * 16);
    assert!(world.is_resolved("aggregation_missing"));
}

#[test]
fn it_is_one_finding_a_cluster_of_both_families() {
    let mut world = World::new();
    let own = |n: u8| format!("192.168.1.{n}");
    for n in 2..=6 {
        let leaf = if n % 2 == 0 { "leaf1" } else { "leaf3" };
        let node = world.up(leaf, &own(n), 65100 + u32::from(n), &own(n));
        let block = [format!("10.244.{n}.0/26"), format!("10.244.{n}.64/26")];
        let hosts = [format!("10.244.{n}.1/32"), format!("10.244.{n}.65/32")];
        world.announce_all(&node, &[block, hosts].concat());
        world.announce(&node, &["10.96.0.0/12"]);
    }
    let ipv6 = Negotiated { families: Families::only(Family::Ipv6), ..terms(65102, &own(2)) };
    let node = world.up_with("leaf1", "fd00:1::2", ipv6);
    world.announce(&node, &["fd00:244::40/122", "fd00:244::41/128"]);
    world.pass(MINUTE);
    let finding = world.finding("aggregation_missing");
    assert_eq!((finding.state.as_str(), finding.evidence.len()), ("open", 6));
    assert!(
        finding.evidence[3].ends_with("1 pod host within its block fd00:244::40/122"),
        "{:?}",
        finding.evidence
    );
    let two = "2 pod hosts within 2 of its blocks, 10.244.2.0/26 among them";
    assert!(finding.evidence[0].ends_with(two), "{:?}", finding.evidence);
}

#[test]
fn stale_pods_do_not_count_until_they_are_heard_again() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce_all(&node, &pods(2));
    world.pass(MINUTE);
    world.close(&node, Loss::Graceful);
    world.pass(SECOND * 16);
    assert!(world.finding("aggregation_missing").summary.contains("cannot be seen"));
    let again = world.node();
    world.announce_all(&again, &pods(2));
    world.announce(&again, &OWN);
    world.end_of_rib(&again);
    world.pass(SECOND * 16);
    assert_eq!(world.found(), ["aggregation_missing open"]);
    assert!(!world.finding("aggregation_missing").summary.contains("cannot be seen"));
    world.close(&again, Loss::Final);
    world.pass(MINUTE * 11);
    assert_eq!(world.found(), ["peer_down open"]);
}

#[test]
fn more_than_one_look_can_hold_are_counted_all() {
    let mut world = World::new();
    world.config.policy.allow[0].lengths = vec![20, 26, 32];
    world.core.reconfigure(Arc::new(world.config.clone()), world.now);
    let node = world.healthy_node();
    let pods: Vec<_> = (0..6_000).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    world.announce_all(&node, &pods);
    // The first and the second 4,096 addresses.
    world.announce(&node, &["10.244.0.0/20", "10.244.16.0/20"]);
    world.pass(MINUTE);
    let told = "192.168.1.2 on leaf1: 6000 pod hosts within 2 of its blocks, 10.244.0.0/20 among them";
    assert_eq!(world.finding("aggregation_missing").evidence, [told]);
}

#[test]
fn who_is_forgotten_or_is_of_another_cluster_is_no_proof() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce_all(&node, &pods(2));
    world.pass(MINUTE);
    let first = world.finding("aggregation_missing");
    let mut moved = world.config.clone();
    moved.neighbors.iter_mut().for_each(|entry| entry.cluster = "blue".into());
    world.core.reconfigure(Arc::new(moved.clone()), world.now);
    world.pass(SECOND * 16);
    let second = world.finding("aggregation_missing");
    assert_eq!((first.cluster.as_str(), second.cluster.as_str()), ("default", "blue"));
    moved.neighbors.clear();
    world.core.reconfigure(Arc::new(moved), world.now);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn a_trace_that_begins_later_comes_to_the_same() {
    let (recorder, memory) = to_memory(1);
    let mut world = World::recorded(config(), Settings::default(), Some(recorder));
    let node = world.healthy_node();
    world.announce_all(&node, &pods(2));
    world.pass(SECOND * 20);
    world.announce(&node, &["10.244.1.9/32"]);
    world.pass(SECOND * 28);
    assert_eq!(world.found(), ["aggregation_missing open"]);
    world.withdraw(&node, &["10.244.1.0/26"]);
    world.pass(MINUTE);
    assert!(world.is_resolved("aggregation_missing"));
    trace::same(&memory.segments(), &world);
}

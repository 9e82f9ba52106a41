//! What the fabric can hold.

use super::{trace, *};
use crate::observer::trace::to_memory;

const NONE: [&str; 0] = [];

/// A world whose leaves hold `lpm` prefixes, and `ecmp` next hops of one.
fn world(lpm: u64, ecmp: u32) -> World {
    World::patient(limited(lpm, ecmp), Settings::default())
}

fn limited(lpm: u64, ecmp: u32) -> Config {
    let mut config = config();
    config.limits = FabricLimits { lpm, ecmp };
    config.policy.allow[1].expect = Expect::None;
    config
}

fn pods(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect()
}

impl World {
    /// Nodes that are up and have said everything, which is nothing.
    fn crowd(&mut self, leaf: &str, count: u8) -> Vec<Session> {
        (2..2 + count)
            .map(|n| {
                let own = format!("192.168.1.{n}");
                let node = self.up(leaf, &own, NODE_AS, &own);
                self.end_of_rib(&node);
                node
            })
            .collect()
    }

    /// Long enough for a census.
    fn count(&mut self) {
        self.pass(SECOND * 31);
    }

    fn withdraw_these(&mut self, node: &Session, prefixes: &[String]) {
        self.withdraw(node, &prefixes.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn summary(&self) -> String {
        self.finding("fabric_capacity").summary
    }
}

#[test]
fn most_of_what_a_leaf_can_hold_is_a_warning_and_more_is_critical() {
    let mut world = world(100, 64);
    let [one, other] = &world.crowd("leaf1", 2)[..] else { panic!() };
    world.announce_all(one, &pods(0, 79));
    // What two nodes announce is one prefix, and what is rejected none.
    world.announce_all(other, &pods(0, 10));
    world.announce(other, &["172.16.0.0/24", "172.16.1.0/24"]);
    world.count();
    assert!(!world.found().iter().any(|found| found.starts_with("fabric")), "{:?}", world.found());
    world.announce(one, &["10.244.9.0/26"]);
    world.count();
    let finding = world.finding("fabric_capacity");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("pending", "warning"));
    assert_eq!((finding.cluster.as_str(), finding.vrf.as_str(), &finding.node), ("", "", &None));
    assert!(
        finding.summary.starts_with("the nodes announce 80 prefixes, 80 % of the 100 that"),
        "{finding:?}"
    );
    world.pass(MINUTE);
    assert_eq!(world.finding("fabric_capacity").state, "open");

    world.announce_all(one, &pods(79, 100));
    world.count();
    let finding = world.finding("fabric_capacity");
    assert_eq!(finding.severity, "critical");
    assert!(
        finding.summary.starts_with("the nodes announce 101 prefixes, more than the 100 that"),
        "{finding:?}"
    );

    // There is room again below 75 %.
    world.withdraw_these(one, &pods(74, 100));
    world.count();
    let finding = world.finding("fabric_capacity");
    assert_eq!(finding.severity, "critical");
    assert!(finding.summary.starts_with("the nodes announce 75 prefixes, 75 % of"), "{finding:?}");
    world.withdraw_these(one, &pods(73, 74));
    world.count();
    assert!(world.is_resolved("fabric_capacity"));
    world.announce_all(one, &pods(73, 78));
    world.count();
    assert!(world.is_resolved("fabric_capacity"), "80 % are many anew");
    world.announce_all(one, &pods(78, 79));
    world.count();
    world.withdraw_these(one, &pods(75, 80));
    world.count();
    assert!(world.finding("fabric_capacity").summary.starts_with("the nodes announce 76 prefixes"));
}

#[test]
fn too_much_at_once_is_one_finding() {
    let mut world = world(100, 64);
    let node = &world.crowd("leaf1", 1)[0];
    world.announce_all(node, &pods(0, 150));
    world.count();
    assert_eq!(world.finding("fabric_capacity").severity, "critical");
    world.close(node, Loss::Final);
    world.count();
    assert!(!world.found().iter().any(|found| found.starts_with("fabric")), "{:?}", world.found());
}

#[test]
fn both_families_and_all_vrfs_are_in_one_table() {
    let mut config = limited(100, 64);
    for entry in config.neighbors.iter_mut().filter(|entry| &*entry.leaf == "leaf3") {
        entry.vrf = "other".into();
    }
    let mut world = World::patient(config, Settings::default());
    let here = world.crowd("leaf1", 1);
    let there = world.crowd("leaf3", 1);
    world.announce_all(&here[0], &pods(0, 30));
    world.announce_all(&there[0], &pods(0, 30));
    let ipv6 = Negotiated { families: Families::only(Family::Ipv6), ..terms(NODE_AS, "192.168.1.2") };
    let daemon = world.up_with("leaf1", "fd00:1::2", ipv6);
    let hosts: Vec<_> = (0..20).map(|n| format!("fd00:244::{n:x}/128")).collect();
    world.announce_all(&daemon, &hosts);
    world.count();
    assert!(world.summary().starts_with("the nodes announce 80 prefixes"), "{}", world.summary());
}

#[test]
fn a_census_goes_on_from_slice_to_slice() {
    let mut world = world(10_000, 64);
    let nodes = world.crowd("leaf1", 2);
    world.announce_all(&nodes[0], &pods(0, 9_001));
    world.announce_all(&nodes[1], &pods(2_000, 4_000));
    world.count();
    assert!(world.summary().starts_with("the nodes announce 9001 prefixes, 90 % of"), "{}", world.summary());
}

#[test]
fn a_service_of_more_nodes_than_a_leaf_spreads_over_is_found() {
    let mut world = world(20_000, 64);
    let nodes = world.crowd("leaf1", 66);
    // The other session of a node is no other node.
    for node in world.crowd("leaf3", 30) {
        world.announce(&node, &["10.96.0.10/32", "10.96.0.11/32"]);
    }
    for node in &nodes[..64] {
        world.announce(node, &["10.96.0.10/32", "10.96.0.11/32", "10.96.0.0/12"]);
    }
    world.count();
    assert_eq!(world.found(), NONE);
    world.announce(&nodes[64], &["10.96.0.10/32"]);
    world.count();
    let finding = world.finding("fabric_capacity");
    assert_eq!((finding.severity.as_str(), finding.vrf.as_str()), ("warning", "default"));
    assert!(
        finding.summary.starts_with("10.96.0.10/32 is announced by 65 nodes, more than the 64 over"),
        "{finding:?}"
    );
    for node in &nodes[64..] {
        world.announce(node, &["10.96.0.11/32"]);
    }
    world.count();
    let finding = world.finding("fabric_capacity");
    assert!(finding.summary.starts_with("2 services are announced by more than the 64 nodes"), "{finding:?}");
    assert_eq!(finding.evidence[1..], ["10.96.0.11/32: 66 nodes", "10.96.0.10/32: 65 nodes"]);
    // A range that all announce is not a service that is full.
    for node in &nodes[64..] {
        world.announce(node, &["10.96.0.0/12"]);
    }
    world.close(&nodes[65], Loss::Final);
    world.withdraw(&nodes[64], &["10.96.0.10/32", "10.96.0.11/32"]);
    world.count();
    assert!(world.is_resolved("fabric_capacity"));
}

#[test]
fn what_the_fabric_holds_may_be_said_anew() {
    let mut world = world(20_000, 64);
    for node in world.crowd("leaf1", 5) {
        world.announce(&node, &["10.96.0.10/32"]);
    }
    world.count();
    assert_eq!(world.found(), NONE);
    world.core.reconfigure(Arc::new(limited(20_000, 4)), world.now);
    world.count();
    assert_eq!(world.found(), ["fabric_capacity pending"]);
    world.core.reconfigure(Arc::new(limited(20_000, 5)), world.now);
    world.count();
    assert_eq!(world.found(), NONE);
    world.core.reconfigure(Arc::new(limited(1, 5)), world.now);
    world.count();
    assert_eq!(world.found(), ["fabric_capacity pending"]);
}

#[test]
fn a_trace_that_begins_later_comes_to_the_same() {
    let (recorder, memory) = to_memory(1);
    let mut world = World::recorded(limited(100, 3), Settings::default(), Some(recorder));
    let nodes = world.crowd("leaf1", 5);
    world.announce_all(&nodes[0], &pods(0, 90));
    for node in &nodes {
        world.announce(node, &["10.96.0.10/32"]);
    }
    world.pass(MINUTE * 2);
    assert_eq!(world.found(), ["fabric_capacity open"; 2]);
    world.withdraw_these(&nodes[0], &pods(0, 80));
    world.count();
    assert_eq!(world.found(), ["fabric_capacity open"]);
    trace::same(&memory.segments(), &world);
}

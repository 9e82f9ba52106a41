//! Nodes that share what each should have of its own.

use super::{trace, *};
use crate::observer::trace::to_memory;

const NONE: [&str; 0] = [];

fn own(n: u8) -> String {
    format!("192.168.1.{n}")
}

impl World {
    /// A node that says what a node with nothing to say does.
    fn idle(&mut self, leaf: &str, address: &str, asn: u32, identifier: &str) -> Session {
        let families = Families::only(if address.contains(':') { Family::Ipv6 } else { Family::Ipv4 });
        let node = self.up_with(leaf, address, Negotiated { families, ..terms(asn, identifier) });
        self.announce(&node, &["10.96.0.0/12"]);
        self.end_of_rib(&node);
        self.settle();
        node
    }

    /// Nodes with an AS and an identifier each.
    fn nodes(&mut self, numbers: std::ops::RangeInclusive<u8>) -> Vec<Session> {
        numbers.map(|n| self.idle("leaf1", &own(n), 65100 + u32::from(n), &own(n))).collect()
    }

    /// What is found of nodes that share something.
    fn shared(&self) -> Vec<String> {
        self.found().into_iter().filter(|found| found.contains("_as ") || found.contains("_id ")).collect()
    }
}

#[test]
fn one_as_on_two_nodes_is_found_where_most_have_one_of_their_own() {
    let mut world = World::new();
    world.nodes(2..=5);
    let other = world.idle("leaf1", &own(9), 65104, &own(9));
    let finding = world.finding("duplicate_as");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("pending", "warning"));
    assert!(finding.summary.contains("65104"), "{}", finding.summary);
    let evidence = [
        "192.168.1.4 on leaf1: BGP identifier 192.168.1.4",
        "192.168.1.9 on leaf1: BGP identifier 192.168.1.9",
    ];
    assert_eq!(finding.evidence, evidence);
    world.pass(MINUTE);
    assert_eq!(world.shared(), ["duplicate_as open"]);
    // Also if at the same time it is found out anew who is who.
    world.close(&other, Loss::Final);
    world.nodes(10..=10);
    world.pass(MINUTE * 9);
    assert_eq!(world.shared(), ["duplicate_as open"], "silence is not the end");
    world.pass(MINUTE);
    assert!(world.is_resolved("duplicate_as"));
}

#[test]
fn one_as_for_a_cluster_is_by_design() {
    let mut world = World::new();
    for n in 2..=9 {
        world.idle("leaf1", &own(n), NODE_AS, &own(n));
    }
    assert_eq!(world.found(), NONE);
    // Half are not most, and of two nodes nothing can be told.
    let mut world = World::new();
    world.nodes(3..=4);
    world.idle("leaf1", &own(8), NODE_AS, &own(8));
    world.idle("leaf1", &own(9), NODE_AS, &own(9));
    assert_eq!(world.found(), NONE);
}

#[test]
fn how_many_nodes_may_have_one_as_can_be_said() {
    let mut world = World::new();
    world.idle("leaf1", &own(2), NODE_AS, &own(2));
    world.idle("leaf1", &own(3), NODE_AS, &own(3));
    let mut config = world.config.clone();
    config.policy.uniqueness.asn = UniqueAs::OneNode;
    world.core.reconfigure(Arc::new(config.clone()), world.now);
    world.pass(MINUTE * 2);
    assert_eq!(world.shared(), ["duplicate_as open"]);
    world.nodes(4..=9);
    config.policy.uniqueness.asn = UniqueAs::Any;
    world.core.reconfigure(Arc::new(config), world.now);
    world.settle();
    assert!(world.is_resolved("duplicate_as"));
}

#[test]
fn sessions_of_one_node_share_its_as_and_identifier() {
    let mut world = World::new();
    world.nodes(2..=5);
    for leaf in ["leaf2", "leaf3"] {
        world.idle(leaf, &own(2), 65102, &own(2));
    }
    world.idle("leaf1", "fd00:1::2", 65102, &own(2));
    assert_eq!(world.shared(), NONE);
}

#[test]
fn clusters_and_vrfs_have_identities_of_their_own() {
    for other in ["cluster", "vrf"] {
        let mut config = config();
        for entry in config.neighbors.iter_mut().filter(|entry| &*entry.leaf == "leaf3") {
            let place = if other == "vrf" { &mut entry.vrf } else { &mut entry.cluster };
            *place = "other".into();
        }
        let mut world = World::with(config);
        world.nodes(2..=5);
        world.idle("leaf3", &own(9), 65102, &own(2));
        assert_eq!(world.shared(), NONE, "{other}");
    }
}

#[test]
fn one_identifier_on_two_nodes_is_found_whatever_their_as() {
    let mut world = World::new();
    let nodes =
        [(2, 65102), (3, 65103), (4, 65104)].map(|(n, asn)| world.idle("leaf1", &own(n), asn, &own(9)));
    let finding = world.finding("duplicate_router_id");
    assert!(finding.summary.contains("192.168.1.9"), "{}", finding.summary);
    assert_eq!(finding.evidence[0], "192.168.1.9 (192.168.1.2 on leaf1): AS 65102");
    assert_eq!(finding.evidence.len(), 3);
    world.pass(MINUTE);
    for node in &nodes[1..] {
        assert_eq!(world.shared(), ["duplicate_router_id open"]);
        world.close(node, Loss::Final);
        world.settle();
    }
    world.pass(MINUTE * 10);
    assert!(world.is_resolved("duplicate_router_id"));
}

#[test]
fn identifiers_that_are_not_known_do_not_make_two_nodes_one() {
    let mut world = World::new();
    world.nodes(2..=6);
    world.idle("leaf1", &own(8), 65107, "0.0.0.0");
    world.idle("leaf2", &own(9), 65107, "0.0.0.0");
    assert_eq!(world.shared(), ["duplicate_as pending"]);
}

#[test]
fn a_node_that_was_cloned_is_one_finding() {
    let mut world = World::new();
    world.nodes(2..=6);
    let clone = world.idle("leaf1", &own(9), 65102, &own(2));
    assert_eq!(world.shared(), ["duplicate_router_id pending"]);
    // That a third has its AS is another mistake.
    world.idle("leaf1", &own(8), 65102, &own(8));
    assert_eq!(world.shared(), ["duplicate_as pending", "duplicate_router_id pending"]);
    world.close(&clone, Loss::Final);
    world.settle();
    assert_eq!(world.shared(), ["duplicate_as pending"]);
}

#[test]
fn a_node_that_moves_to_another_address_is_no_duplicate() {
    let mut world = World::new();
    world.nodes(3..=7);
    let v4 = world.idle("leaf1", &own(2), 65102, "10.9.9.9");
    world.idle("leaf1", "fd00:1::2", 65102, "10.9.9.9");
    world.close(&v4, Loss::Final);
    world.settle();
    // Of the same AS and identifier there are now two of one family on one leaf, of which one is down.
    world.idle("leaf1", &own(9), 65102, "10.9.9.9");
    world.pass(MINUTE * 2);
    assert_eq!(world.shared(), NONE);
    // Until that one is back.
    world.idle("leaf1", &own(2), 65102, "10.9.9.9");
    assert_eq!(world.shared(), ["duplicate_router_id pending"]);
}

#[test]
fn a_trace_that_begins_later_comes_to_the_same() {
    let (recorder, memory) = to_memory(1);
    let mut world = World::recorded(config(), Settings::default(), Some(recorder));
    world.nodes(2..=9);
    let other = world.idle("leaf1", &own(20), 65102, &own(20));
    world.idle("leaf1", &own(21), 65103, &own(3));
    world.pass(MINUTE * 2);
    assert_eq!(world.shared(), ["duplicate_as open", "duplicate_router_id open"]);
    world.close(&other, Loss::Final);
    world.pass(MINUTE * 11);
    assert_eq!(world.shared(), ["duplicate_router_id open"]);
    trace::same(&memory.segments(), &world);
}

//! Which peers are one node.

use super::*;

/// Whether these peers, who all announce one block, are found to be several nodes.
fn several(world: &mut World, peers: &[Session]) -> bool {
    for peer in peers {
        world.announce(peer, &["10.244.1.0/26"]);
    }
    world.settle();
    world.found().iter().any(|found| found.starts_with("duplicate_pod_block"))
}

#[test]
fn one_address_on_several_leaves_is_one_node() {
    let mut world = World::new();
    let peers = [
        world.up("leaf1", NODE, NODE_AS, NODE),
        world.up("leaf2", NODE, 65103, "192.168.9.9"),
        world.up("leaf3", NODE, NODE_AS, NODE),
    ];
    assert!(!several(&mut world, &peers));
}

#[test]
fn one_as_and_identifier_on_leaves_of_one_rack_is_one_node() {
    let mut world = World::new();
    let peers =
        [world.up("leaf1", "192.168.1.2", NODE_AS, NODE), world.up("leaf2", "192.168.2.2", NODE_AS, NODE)];
    assert!(!several(&mut world, &peers));
}

#[test]
fn identifiers_that_are_not_known_are_not_equal() {
    let mut world = World::new();
    let peers = [
        world.up("leaf1", "192.168.1.2", NODE_AS, "0.0.0.0"),
        world.up("leaf2", "192.168.2.2", NODE_AS, "0.0.0.0"),
    ];
    assert!(several(&mut world, &peers));
    assert!(world.snapshot().peers.iter().all(|peer| peer.node.is_none()));
}

#[test]
fn one_as_and_identifier_twice_on_a_leaf_are_two_nodes() {
    let mut world = World::new();
    let peers =
        [world.up("leaf1", "192.168.1.2", NODE_AS, NODE), world.up("leaf1", "192.168.1.3", NODE_AS, NODE)];
    assert!(several(&mut world, &peers));
}

#[test]
fn one_as_for_all_nodes_does_not_make_them_one() {
    let mut world = World::new();
    let peers = [
        world.up("leaf1", "192.168.1.2", NODE_AS, "192.168.1.2"),
        world.up("leaf1", "192.168.1.3", NODE_AS, "192.168.1.3"),
    ];
    assert!(several(&mut world, &peers));
}

#[test]
fn a_pin_holds_its_addresses_together() {
    let mut config = config();
    config.nodes.push(pin("worker-1", &["192.168.1.2", "192.168.1.3"]));
    let mut world = World::with(config);
    let peers = [
        world.up("leaf1", "192.168.1.2", NODE_AS, "192.168.1.2"),
        world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3"),
    ];
    assert!(!several(&mut world, &peers));
    assert_eq!(world.peer(&peers[1]).node.as_deref(), Some("worker-1"));
}

#[test]
fn the_two_daemons_of_a_dual_stack_node_are_one_node_and_share_a_pin() {
    let mut config = config();
    config.nodes.push(pin("worker-1", &["192.168.1.2"]));
    let mut world = World::with(config);
    let v4 = world.node();
    let mut terms = terms(NODE_AS, NODE);
    terms.families = Families::only(Family::Ipv6);
    let v6 = world.up_with("leaf1", "fd00:1::2", terms);
    world.settle();
    assert_eq!(world.peer(&v4).node.as_deref(), Some("worker-1"));
    assert_eq!(world.peer(&v6).node.as_deref(), Some("worker-1"));
    // And after the next session, too.
    let v6 = world.up_with("leaf1", "fd00:1::2", (*v6.terms).clone());
    world.settle();
    assert_eq!(world.peer(&v6).node.as_deref(), Some("worker-1"));
}

#[test]
fn a_second_host_with_an_identifier_parts_what_was_held_to_be_one() {
    let mut world = World::new();
    let peers =
        [world.up("leaf1", "192.168.1.2", NODE_AS, NODE), world.up("leaf2", "192.168.2.2", NODE_AS, NODE)];
    assert!(!several(&mut world, &peers));
    // A third shows that the identifier tells nothing: now the first two are compared as two nodes.
    world.up("leaf1", "192.168.1.3", NODE_AS, NODE);
    world.settle();
    assert_eq!(world.finding("duplicate_pod_block").evidence.len(), 2);
}

#[test]
fn who_turns_out_to_be_one_node_announces_nothing_twice() {
    let mut world = World::new();
    let peers =
        [world.up("leaf1", "192.168.1.2", NODE_AS, NODE), world.up("leaf2", "192.168.2.2", NODE_AS, NODE)];
    world.up("leaf1", "192.168.1.3", NODE_AS, NODE);
    assert!(several(&mut world, &peers));
    // The third has an identifier of its own now.
    world.up("leaf1", "192.168.1.3", NODE_AS, "192.168.1.3");
    world.settle();
    assert!(
        !world.found().iter().any(|found| found.starts_with("duplicate_pod_block")),
        "{:?}",
        world.found()
    );
}

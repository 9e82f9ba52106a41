//! Clusters and VRFs: what is compared with what.

use super::*;

const NONE: [&str; 0] = [];
const BLOCK: &str = "10.244.1.0/26";

/// Leaves 1 and 2 hear cluster `blue`, leaf 3 hears cluster `green`; each in this VRF.
fn clusters(blue_vrf: &str, green_vrf: &str) -> Config {
    let mut config = config();
    for entry in &mut config.neighbors {
        let (cluster, vrf) = if &*entry.leaf == "leaf3" { ("green", green_vrf) } else { ("blue", blue_vrf) };
        (entry.cluster, entry.vrf) = (cluster.into(), vrf.into());
    }
    config.policy.allow[0].lengths = vec![24, 26, 32];
    config.policy.allow[1].expect = Expect::None;
    config
}

/// A node of each cluster: their addresses, ASes and identifiers may be what they like.
fn nodes(world: &mut World) -> [Session; 2] {
    let blue = world.up("leaf1", NODE, NODE_AS, NODE);
    [blue, world.up("leaf3", "192.168.3.2", 65103, "192.168.3.2")]
}

#[test]
fn two_clusters_with_one_pod_range_in_two_vrfs_announce_nothing_twice() {
    let mut world = World::with(clusters("prod", "test"));
    let [blue, green] = nodes(&mut world);
    world.announce(&blue, &[BLOCK, "192.168.1.0/29"]);
    world.announce(&green, &[BLOCK, "10.244.1.7/32", "10.244.1.0/24"]);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn one_block_of_two_clusters_in_one_vrf_is_a_duplicate_of_both() {
    let mut world = World::with(clusters("prod", "prod"));
    let [blue, green] = nodes(&mut world);
    world.announce(&blue, &[BLOCK]);
    world.announce(&green, &[BLOCK]);
    world.settle();
    let finding = world.finding("duplicate_pod_block");
    assert_eq!((finding.cluster.as_str(), finding.vrf.as_str()), ("blue, green", "prod"));
    assert_eq!((finding.prefix, finding.evidence.len()), (Some(net(BLOCK)), 2));
    world.pass(SECOND * 6);
    world.withdraw(&blue, &[BLOCK]);
    world.settle();
    assert!(world.is_resolved("duplicate_pod_block"));
}

#[test]
fn a_pod_within_a_block_of_another_cluster_is_a_duplicate_of_the_block() {
    for pod_first in [false, true] {
        let mut world = World::with(clusters("prod", "prod"));
        let [blue, green] = nodes(&mut world);
        if pod_first {
            world.announce(&green, &["10.244.1.7/32"]);
            world.announce(&blue, &[BLOCK]);
        } else {
            world.announce(&blue, &[BLOCK]);
            world.announce(&green, &["10.244.1.7/32"]);
        }
        world.pass(SECOND * 6);
        let finding = world.finding("duplicate_pod_block");
        assert_eq!((finding.prefix, finding.cluster.as_str()), (Some(net(BLOCK)), "blue, green"));
        assert_eq!(finding.evidence.len(), 3, "{:?}", finding.evidence);
        assert!(finding.evidence.iter().any(|line| line.contains("10.244.1.7/32")), "{:?}", finding.evidence);
        world.withdraw(if pod_first { &blue } else { &green }, &[BLOCK, "10.244.1.7/32"]);
        world.settle();
        assert!(world.is_resolved("duplicate_pod_block"));
    }
}

#[test]
fn a_block_that_covers_one_of_another_cluster_is_the_duplicate() {
    let mut world = World::with(clusters("prod", "prod"));
    let [blue, green] = nodes(&mut world);
    world.announce(&green, &["10.244.1.0/24"]);
    world.announce(&blue, &["10.244.1.64/26", "10.244.2.0/26"]);
    world.pass(SECOND * 6);
    assert_eq!(world.finding("duplicate_pod_block").prefix, Some(net("10.244.1.0/24")));
    world.withdraw(&blue, &["10.244.1.64/26"]);
    world.settle();
    assert!(world.is_resolved("duplicate_pod_block"));
}

#[test]
fn pods_within_blocks_of_their_own_cluster_are_what_calico_does() {
    let mut world = World::with(clusters("prod", "prod"));
    let [blue, _] = nodes(&mut world);
    let other = world.up("leaf2", "192.168.2.2", 65104, "192.168.2.2");
    world.announce(&blue, &[BLOCK]);
    world.announce(&other, &["10.244.1.7/32"]);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn what_may_be_anywhere_is_no_overlap() {
    let mut config = clusters("prod", "prod");
    config.policy.uniqueness.pod_host = Unique::Any;
    let mut world = World::with(config);
    let [blue, green] = nodes(&mut world);
    world.announce(&blue, &[BLOCK]);
    world.announce(&green, &["10.244.1.7/32"]);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn a_vrf_that_gets_a_second_cluster_is_compared_from_then_on() {
    let mut config = clusters("prod", "prod");
    config.neighbors.iter_mut().for_each(|entry| entry.cluster = "blue".into());
    let mut world = World::with(config);
    let [blue, green] = nodes(&mut world);
    world.announce(&blue, &[BLOCK]);
    world.announce(&green, &["10.244.1.7/32"]);
    world.settle();
    assert_eq!(world.found(), NONE);
    let reload = |world: &mut World, cluster: &str| {
        let of_leaf3 = world.config.neighbors.iter_mut().filter(|entry| &*entry.leaf == "leaf3");
        of_leaf3.for_each(|entry| entry.cluster = cluster.into());
        world.core.reconfigure(Arc::new(world.config.clone()), world.now);
        world.settle();
    };
    reload(&mut world, "green");
    assert_eq!(world.found(), ["duplicate_pod_block pending"]);
    reload(&mut world, "blue");
    assert_eq!(world.found(), NONE);
}

#[test]
fn an_address_that_ranges_of_two_clusters_in_one_vrf_let_in_is_one_host() {
    let mut world = World::with(clusters("prod", "prod"));
    let peers = [world.node(), world.up("leaf3", NODE, NODE_AS, NODE)];
    for peer in &peers {
        world.announce(peer, &[BLOCK]);
    }
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn two_clusters_may_have_nodes_of_one_name_and_one_address() {
    let mut config = clusters("prod", "test");
    config.nodes = vec![
        Node { cluster: Some("blue".into()), asn: Some(NODE_AS), ..pin("node1", &[NODE]) },
        Node { cluster: Some("green".into()), asn: Some(65103), ..pin("node1", &[NODE]) },
    ];
    let mut world = World::with(config);
    let snapshot = world.snapshot();
    let known: Vec<_> =
        snapshot.peers.iter().map(|peer| (&*peer.id.leaf, &*peer.cluster, peer.peer_as)).collect();
    let expected =
        [("leaf1", "blue", Some(NODE_AS)), ("leaf2", "blue", Some(NODE_AS)), ("leaf3", "green", Some(65103))];
    assert_eq!(known, expected);
    world.pass(SECOND);
    let blue = world.node();
    world.settle();
    assert_eq!(world.found(), ["peer_down pending", "peer_down pending", "rack_down pending"]);
    // What one of them loses is not the other's.
    let green = world.up("leaf3", NODE, 65103, NODE);
    world.announce(&green, &["0.0.0.0/0"]);
    world.announce(&blue, &["0.0.0.0/0"]);
    world.settle();
    let rogues = |world: &World| {
        let rogues = world.core.findings.current().filter(|finding| finding.kind == "rogue_route");
        let mut rogues: Vec<_> = rogues.map(|finding| (finding.cluster, finding.vrf)).collect();
        rogues.sort_unstable();
        rogues
    };
    let of = |cluster: &str, vrf: &str| (cluster.to_owned(), vrf.to_owned());
    assert_eq!(rogues(&world), [of("blue", "prod"), of("green", "test")]);
    world.close(&green, Loss::Deconfigured);
    world.settle();
    assert_eq!(rogues(&world), [of("blue", "prod")]);
    assert_eq!(world.peer(&blue).node.as_deref(), Some("node1"));
}

#[test]
fn nodes_of_one_name_in_two_clusters_of_a_vrf_are_two_in_what_is_found() {
    let mut config = clusters("prod", "prod");
    config.nodes = vec![
        Node { cluster: Some("blue".into()), ..pin("node1", &[NODE]) },
        Node { cluster: Some("green".into()), ..pin("node1", &["192.168.3.2"]) },
    ];
    let mut world = World::with(config);
    let [blue, green] = nodes(&mut world);
    world.announce(&blue, &[BLOCK]);
    world.announce(&green, &[BLOCK]);
    world.settle();
    let finding = world.finding("duplicate_pod_block");
    assert_eq!(finding.node, None);
    assert!(finding.summary.contains("node1 of blue and node1 of green"), "{}", finding.summary);
}

#[test]
fn an_entry_for_a_vrf_permits_nothing_in_another() {
    let mut config = clusters("prod", "test");
    config.policy.allow[0].vrfs = vec!["prod".into()];
    let mut world = World::with(config);
    let [blue, green] = nodes(&mut world);
    world.announce(&blue, &[BLOCK]);
    world.announce(&green, &[BLOCK]);
    world.settle();
    assert_eq!(world.routes_of(&blue), [format!("{BLOCK} accepted")]);
    assert_eq!(world.routes_of(&green), [format!("{BLOCK} rejected")]);
}

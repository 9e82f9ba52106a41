//! Every kind of finding: pending at once, open after its time, resolved when its cause is gone.

use super::*;
use crate::observer::findings::MAX_PROOFS;
use crate::speaker::stats::ErrorAction;

const NONE: [&str; 0] = [];

#[test]
fn a_rogue_route_is_pending_at_once_open_after_five_seconds_and_gone_with_its_withdrawal() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["0.0.0.0/0"]);
    world.settle();
    let finding = world.finding("rogue_route");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("pending", "critical"));
    assert_eq!(finding.reason, Some(crate::policy::Reason::DefaultRoute));
    assert_eq!((finding.peer, finding.leaf.as_deref()), (Some(ip(NODE)), Some("leaf1")));
    world.pass(SECOND * 5);
    assert_eq!(world.finding("rogue_route").state, "open");
    world.withdraw(&node, &["0.0.0.0/0"]);
    world.settle();
    assert!(world.is_resolved("rogue_route"));
    let kinds: Vec<_> = world.events.iter().map(|event| event.kind.as_str()).collect();
    for kind in ["finding_pending", "finding_open", "finding_resolved", "route_rejected", "route_withdrawn"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn a_proof_tells_the_beginning_of_a_path_that_fills_a_message() {
    let mut world = World::new();
    let node = world.healthy_node();
    let path: Vec<u32> = (0..900).map(|hop| NODE_AS + hop).collect();
    world.announce_as(&node, &Builder::new(&path, ip(NODE)), &["10.244.1.0/26"]);
    world.settle();
    let proof = &world.finding("rogue_route").evidence[0];
    assert!(proof.contains("AS path 65102 65103 ") && proof.ends_with(" ..., next hop 192.168.1.2"));
    assert!(proof.len() < 400, "{proof}");
}

#[test]
fn one_rogue_prefix_of_several_peers_is_one_finding() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf2", NODE, NODE_AS, NODE);
    world.announce(&one, &["0.0.0.0/0"]);
    world.announce(&other, &["0.0.0.0/0"]);
    world.settle();
    assert_eq!(world.finding("rogue_route").evidence.len(), 2);
    world.withdraw(&one, &["0.0.0.0/0"]);
    world.settle();
    assert_eq!(world.finding("rogue_route").leaf.as_deref(), Some("leaf2"));
    world.close(&other, Loss::Final);
    world.settle();
    assert!(!world.found().iter().any(|found| found.starts_with("rogue_route")));
}

#[test]
fn a_leak_of_many_prefixes_is_one_finding_that_says_how_many() {
    let mut world = World::new();
    let node = world.healthy_node();
    let leak: Vec<_> = (0..50).map(|n| format!("172.16.{n}.0/24")).collect();
    world.announce(&node, &leak.iter().map(String::as_str).collect::<Vec<_>>());
    world.settle();
    let finding = world.finding("rogue_route");
    assert!(finding.summary.contains("50 routes"), "{}", finding.summary);
    world.close(&node, Loss::Final);
    world.settle();
    assert!(!world.found().iter().any(|found| found.starts_with("rogue_route")));
}

#[test]
fn a_rogue_route_that_turns_good_is_resolved() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce_as(&node, &Builder::new(&[NODE_AS, 65103], ip(NODE)), &["10.244.1.0/26"]);
    world.pass(SECOND * 6);
    assert_eq!(world.finding("rogue_route").state, "open");
    world.announce(&node, &OWN);
    world.settle();
    assert!(world.is_resolved("rogue_route"));
}

#[test]
fn one_block_from_two_nodes_is_a_duplicate_until_one_is_left() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.96.0.0/12", "10.244.1.0/26"]);
    world.settle();
    let finding = world.finding("duplicate_pod_block");
    assert_eq!((finding.state.as_str(), finding.prefix), ("pending", Some(net("10.244.1.0/26"))));
    assert_eq!(finding.evidence.len(), 2);
    assert_eq!((&finding.node, &finding.peer), (&None, &None));
    world.pass(SECOND * 5);
    assert_eq!(world.finding("duplicate_pod_block").state, "open");
    world.withdraw(&one, &["10.244.1.0/26"]);
    world.settle();
    assert!(world.is_resolved("duplicate_pod_block"));
}

#[test]
fn of_a_block_from_very_many_nodes_it_is_enough_to_name_some() {
    let mut world = World::new();
    let nodes: Vec<_> = (1..=40)
        .map(|n| {
            let address = format!("192.168.2.{n}");
            let node = world.up("leaf1", &address, 65103, &address);
            world.announce(&node, &["10.96.0.0/12", "10.244.1.0/26"]);
            node
        })
        .collect();
    // Of most nodes it would be the mesh.
    for n in 1..=60 {
        let address = format!("192.168.3.{n}");
        let node = world.up("leaf1", &address, 65104, &address);
        world.announce(&node, &["10.96.0.0/12"]);
    }
    world.pass(SECOND * 6);
    let finding = world.finding("duplicate_pod_block");
    assert_eq!((finding.state.as_str(), finding.evidence.len()), ("open", MAX_PROOFS));
    for node in &nodes[1..] {
        assert_eq!(world.finding("duplicate_pod_block").state, "open");
        world.withdraw(node, &["10.244.1.0/26"]);
        world.settle();
    }
    assert!(world.is_resolved("duplicate_pod_block"));
}

#[test]
fn a_stale_or_rejected_or_lost_route_is_no_duplicate() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.244.1.0/26"]);
    world.pass(SECOND * 6);
    world.withdraw(&one, &["10.244.1.0/26"]);
    world.settle();
    assert!(world.is_resolved("duplicate_pod_block"));
    world.announce(&one, &["10.244.1.0/26"]);
    world.settle();
    assert_eq!(world.finding("duplicate_pod_block").state, "pending");
    world.close(&one, Loss::Graceful);
    world.settle();
    assert!(!world.found().iter().any(|found| found.starts_with("duplicate_pod_block")));
    // The very same comes back: it counts again.
    let again = world.node();
    world.announce(&again, &["10.244.1.0/26"]);
    world.settle();
    assert_eq!(world.finding("duplicate_pod_block").state, "pending");
    world.announce_as(&again, &Builder::new(&[NODE_AS, 1], ip(NODE)), &["10.244.1.0/26"]);
    world.settle();
    assert!(!world.found().contains(&"duplicate_pod_block pending".to_owned()));
    world.announce(&again, &["10.244.1.0/26"]);
    world.settle();
    world.close(&other, Loss::Final);
    world.settle();
    assert!(!world.found().contains(&"duplicate_pod_block pending".to_owned()));
}

#[test]
fn a_pod_host_may_be_in_two_places_for_a_minute() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&one, &["10.244.7.7/32"]);
    world.announce(&other, &["10.244.7.7/32", "10.96.0.0/12"]);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.finding("duplicate_pod_host").state, "pending");
    world.withdraw(&one, &["10.244.7.7/32"]);
    world.settle();
    assert_eq!(world.found(), NONE);
    world.announce(&one, &["10.244.7.7/32"]);
    world.pass(MINUTE + SECOND);
    assert_eq!(world.finding("duplicate_pod_host").state, "open");
}

#[test]
fn a_node_subnet_of_two_nodes_is_a_duplicate_and_a_service_of_two_nodes_is_none() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.96.0.0/12", "10.96.0.10/32", "192.168.1.0/29"]);
    world.announce(&one, &["10.96.0.10/32", "192.168.1.0/29"]);
    world.settle();
    assert_eq!(world.found(), ["duplicate_node_subnet pending"]);
}

#[test]
fn a_service_that_one_node_is_to_announce_is_a_duplicate_on_two() {
    let mut config = config();
    config.policy.uniqueness.service_host = Unique::OneNode;
    let mut world = World::with(config);
    let one = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.96.0.0/12", "10.96.0.10/32"]);
    world.announce(&one, &["10.96.0.10/32"]);
    world.settle();
    assert_eq!(world.found(), ["duplicate_service_host pending"]);
    world.withdraw(&one, &["10.96.0.10/32"]);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn ipv6_is_watched_as_ipv4_is() {
    let mut config = config();
    config
        .policy
        .allow
        .push(Allow { expect: Expect::EveryNode, ..allow(AllowClass::Node, "fd00:1::/32", &[64]) });
    let mut world = World::with(config);
    let ipv6 = |asn, own: &str| Negotiated { families: Families::only(Family::Ipv6), ..terms(asn, own) };
    let one = world.up_with("leaf1", "fd00:1::2", ipv6(NODE_AS, NODE));
    let other = world.up_with("leaf1", "fd00:1::3", ipv6(65103, "192.168.1.3"));
    world.end_of_rib(&one);
    world.end_of_rib(&other);
    world.settle();
    assert_eq!(world.found(), ["missing_node_subnet pending"; 2]);

    for node in [&one, &other] {
        world.announce(node, &["fd00:1::/64", "fd00:244::40/122", "fd00:244::7/128"]);
    }
    world.settle();
    let duplicates =
        ["duplicate_node_subnet pending", "duplicate_pod_block pending", "duplicate_pod_host pending"];
    assert_eq!(world.found(), duplicates);
    world.close(&other, Loss::Final);
    world.settle();
    assert_eq!(world.found(), ["peer_down pending"]);

    world.announce(&one, &["::/0"]);
    let twin = world.up_with("leaf2", "fd00:1::2", ipv6(NODE_AS, NODE));
    world.announce(&twin, &["fd00:1::/64"]);
    world.end_of_rib(&twin);
    world.pass(SECOND * 2);
    assert_eq!(world.found(), ["leaf_disagreement pending", "peer_down pending", "rogue_route pending"]);
    assert_eq!(world.finding("rogue_route").prefix, Some(net("::/0")));

    world.close(&one, Loss::Graceful);
    world.settle();
    assert!(world.found().contains(&"stale_routes pending".to_owned()), "{:?}", world.found());
}

#[test]
fn clusters_and_vrfs_are_not_compared() {
    let mut config = config();
    for entry in config.neighbors.iter_mut().filter(|entry| &*entry.leaf == "leaf3") {
        entry.vrf = "other".into();
    }
    let mut world = World::with(config);
    world.healthy_node();
    let other = world.up("leaf3", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &OWN);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn a_service_range_is_missed_only_after_end_of_rib() {
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &["10.244.1.0/26"]);
    world.pass(MINUTE * 2);
    assert_eq!(world.found(), NONE);
    world.end_of_rib(&node);
    world.settle();
    let finding = world.finding("missing_service_cidr");
    assert_eq!((finding.state.as_str(), finding.prefix), ("pending", Some(net("10.96.0.0/12"))));
    assert_eq!(world.peer(&node).missing_service_cidrs, 1);
    world.pass(MINUTE);
    assert_eq!(world.finding("missing_service_cidr").state, "open");
    world.announce(&node, &["10.96.0.0/12"]);
    world.settle();
    assert!(world.is_resolved("missing_service_cidr"));
    assert_eq!(world.peer(&node).missing_service_cidrs, 0);
    // And when it is withdrawn later.
    world.withdraw(&node, &["10.96.0.0/12"]);
    world.settle();
    assert_eq!(world.finding("missing_service_cidr").state, "pending");
}

#[test]
fn without_end_of_rib_a_range_is_missed_after_the_stale_time() {
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &OWN[..1]);
    world.pass(Duration::from_secs(359));
    assert_eq!(world.found(), NONE);
    world.pass(SECOND * 2);
    assert_eq!(world.found(), ["missing_service_cidr pending"]);
}

#[test]
fn nothing_is_missed_of_a_peer_that_is_down_or_stale() {
    let mut world = World::new();
    let node = world.node();
    world.end_of_rib(&node);
    world.settle();
    assert_eq!(world.found(), ["missing_service_cidr pending"]);
    world.announce(&node, &["10.244.1.0/26"]);
    world.close(&node, Loss::Graceful);
    world.settle();
    assert_eq!(world.found(), ["peer_down pending", "stale_routes pending"]);
    let again = world.node();
    world.settle();
    assert_eq!(world.found(), ["stale_routes pending"]);
    world.end_of_rib(&again);
    world.settle();
    assert_eq!(world.found(), ["missing_service_cidr pending"]);
}

#[test]
fn a_peer_owes_nothing_in_a_family_that_it_does_not_speak() {
    let mut config = config();
    config.policy.allow.push(allow(AllowClass::Service, "fd00:96::/108", &[108, 128]));
    let mut world = World::with(config);
    let ipv6 = Negotiated { families: Families::only(Family::Ipv6), ..terms(NODE_AS, NODE) };
    let (four, six) = (world.node(), world.up_with("leaf1", "fd00:1::2", ipv6));
    world.end_of_rib(&four);
    world.end_of_rib(&six);
    // Not even when whoever sends no End-of-RIB has had its time.
    world.pass(MINUTE * 7);
    let mut missed: Vec<_> = world
        .snapshot()
        .findings
        .iter()
        .map(|finding| (finding.kind.clone(), finding.peer.unwrap(), finding.prefix.unwrap()))
        .collect();
    missed.sort_unstable();
    let expected = [(ip(NODE), net("10.96.0.0/12")), (ip("fd00:1::2"), net("fd00:96::/108"))];
    assert_eq!(missed, expected.map(|(peer, range)| ("missing_service_cidr".to_owned(), peer, range)));
    world.announce(&four, &["10.96.0.0/12"]);
    world.announce(&six, &["fd00:96::/108"]);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn a_node_subnet_is_missed_where_it_is_expected() {
    let mut config = config();
    config.policy.allow[2].expect = Expect::EveryNode;
    let mut world = World::with(config);
    let node = world.healthy_node();
    assert_eq!(world.found(), ["missing_node_subnet pending"]);
    assert_eq!(world.peer(&node).missing_node_subnets, 1);
    world.announce(&node, &["192.168.1.8/29"]);
    world.settle();
    assert!(world.found().contains(&"missing_node_subnet pending".to_owned()), "not its own");
    world.announce(&node, &["192.168.1.0/29"]);
    world.settle();
    assert!(!world.found().contains(&"missing_node_subnet pending".to_owned()));
}

#[test]
fn no_absence_is_found_within_the_start_up_grace() {
    let mut config = config();
    config.nodes.push(pin("worker-9", &["192.168.1.9"]));
    let mut world = World::patient(config, Settings::default());
    let node = world.node();
    world.end_of_rib(&node);
    world.pass(Duration::from_secs(59));
    assert_eq!(world.found(), NONE);
    assert_eq!(world.peer(&node).missing_service_cidrs, 0);
    world.pass(SECOND * 2);
    assert_eq!(world.found(), ["missing_service_cidr pending"]);
    world.pass(Duration::from_secs(297));
    assert_eq!(world.found(), ["missing_service_cidr open"]);
    world.pass(SECOND * 3);
    // On each of the three leaves that would let it in.
    assert_eq!(world.found().iter().filter(|found| *found == "peer_down pending").count(), 3);
}

#[test]
fn leaves_of_one_rack_that_hear_different_things_disagree() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf2", NODE, NODE_AS, NODE);
    world.announce(&other, &["10.96.0.0/12"]);
    world.pass(SECOND * 2);
    assert_eq!(world.found(), NONE, "before End-of-RIB");
    world.end_of_rib(&other);
    world.pass(SECOND * 2);
    let finding = world.finding("leaf_disagreement");
    assert_eq!((finding.state.as_str(), finding.node.as_deref()), ("pending", Some(NODE)));
    assert!(finding.evidence[0].contains("10.244.1.0/26"), "{:?}", finding.evidence);
    world.pass(MINUTE);
    assert_eq!(world.finding("leaf_disagreement").state, "open");
    world.announce(&other, &OWN);
    world.settle();
    assert!(world.is_resolved("leaf_disagreement"));
    // What is stale or down is not compared.
    world.withdraw(&one, &["10.244.1.0/26"]);
    world.pass(SECOND * 2);
    assert!(world.found().contains(&"leaf_disagreement pending".to_owned()));
    world.close(&other, Loss::Graceful);
    world.settle();
    assert!(!world.found().contains(&"leaf_disagreement pending".to_owned()));
}

#[test]
fn a_change_that_reaches_one_leaf_before_the_other_is_no_disagreement() {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf2", NODE, NODE_AS, NODE);
    world.announce(&other, &OWN);
    world.end_of_rib(&other);
    world.settle();
    world.events.clear();
    world.announce(&one, &["10.244.5.5/32"]);
    world.pass(Duration::from_millis(500));
    world.announce(&other, &["10.244.5.5/32"]);
    world.pass(SECOND * 2);
    assert!(!world.events.iter().any(|event| event.kind.starts_with("finding")));
}

#[test]
fn leaves_of_different_racks_may_hear_different_things() {
    let mut world = World::new();
    world.healthy_node();
    let other = world.up("leaf3", NODE, NODE_AS, NODE);
    world.announce(&other, &["10.96.0.0/12"]);
    world.end_of_rib(&other);
    world.pass(SECOND * 2);
    assert_eq!(world.found(), NONE);
}

#[test]
fn a_peer_that_is_down_is_found_and_one_that_comes_back_is_not() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Final);
    world.settle();
    let finding = world.finding("peer_down");
    assert_eq!((finding.state.as_str(), finding.node.as_deref()), ("pending", Some(NODE)));
    assert!(finding.evidence[0].contains("the test ended it"), "{:?}", finding.evidence);
    world.pass(MINUTE);
    assert_eq!(world.finding("peer_down").state, "open");
    world.node();
    world.settle();
    assert!(world.is_resolved("peer_down"));
}

#[test]
fn a_dynamic_peer_is_forgotten_in_the_end_and_a_pinned_one_never() {
    let mut config = config();
    config.nodes.push(Node { rack: Some("rack2".into()), ..pin("worker-9", &["192.168.1.9"]) });
    let mut world = World::with(config);
    let node = world.healthy_node();
    world.close(&node, Loss::Final);
    world.pass(MINUTE * (7 * 24 * 60 - 1));
    assert_eq!(world.snapshot().summary.peers.known, 2);
    world.pass(MINUTE * 2);
    let snapshot = world.snapshot();
    assert_eq!(snapshot.summary.peers.known, 1);
    assert_eq!(snapshot.peers[0].node.as_deref(), Some("worker-9"));
    assert_eq!(world.found(), ["peer_down open"]);
    assert_eq!(world.core.forget_down(None, ip("192.168.1.9"), world.now), 0);
}

#[test]
fn a_rack_is_down_when_most_of_its_peers_are_lost_at_once() {
    let mut world = World::new();
    let addresses: Vec<_> = (2..12).map(|n| format!("192.168.1.{n}")).collect();
    let nodes: Vec<_> = addresses.iter().map(|own| world.up("leaf1", own, NODE_AS, own)).collect();
    let far = world.up("leaf3", "192.168.3.2", NODE_AS, "192.168.3.2");
    nodes[..7].iter().for_each(|node| world.close(node, Loss::Final));
    world.pass(SECOND);
    assert!(!world.found().contains(&"rack_down pending".to_owned()));
    world.close(&nodes[7], Loss::Final);
    world.pass(SECOND);
    assert!(world.found().contains(&"rack_down pending".to_owned()), "{:?}", world.found());
    world.pass(Duration::from_secs(30));
    assert_eq!(world.finding("rack_down").state, "open");
    let summary = world.finding("rack_down").summary;
    assert!(summary.starts_with("the known peers of rack rack1, all or most of them, lost"), "{summary}");
    assert_eq!(world.finding("rack_down").evidence[0], "8 of 10 known peers have no session");
    for address in &addresses[..5] {
        world.up("leaf1", address, NODE_AS, address);
        world.settle();
        assert_eq!(world.finding("rack_down").state, "open", "more than one in five are down");
    }
    world.up("leaf1", &addresses[5], NODE_AS, &addresses[5]);
    world.settle();
    assert!(world.is_resolved("rack_down"));
    assert!(world.peer(&far).up);
}

#[test]
fn peers_lost_one_after_the_other_are_no_rack() {
    let mut world = World::new();
    let addresses: Vec<_> = (2..7).map(|n| format!("192.168.1.{n}")).collect();
    let nodes: Vec<_> = addresses.iter().map(|own| world.up("leaf1", own, NODE_AS, own)).collect();
    for node in &nodes {
        world.close(node, Loss::Final);
        world.pass(SECOND * 11);
    }
    assert!(!world.found().iter().any(|found| found.starts_with("rack_down")));
}

#[test]
fn more_than_three_losses_in_ten_minutes_are_flapping_until_ten_quiet_minutes() {
    let mut world = World::new();
    for _ in 0..3 {
        let node = world.node();
        world.pass(MINUTE);
        world.close(&node, Loss::Graceful);
        world.pass(SECOND);
    }
    let node = world.node();
    world.settle();
    assert_eq!(world.found(), NONE);
    world.close(&node, Loss::Final);
    world.settle();
    assert_eq!(world.finding("peer_flapping").state, "open");
    let node = world.healthy_node();
    world.pass(MINUTE * 9);
    assert_eq!(world.found(), ["peer_flapping open"]);
    world.pass(MINUTE);
    assert!(world.is_resolved("peer_flapping"));
    assert!(world.peer(&node).up);
}

#[test]
fn stale_routes_are_a_finding_until_they_are_gone_or_fresh() {
    let mut world = World::new();
    let mut long = terms(NODE_AS, NODE);
    long.graceful_restart = Some(restart(200));
    let node = world.up_with("leaf1", NODE, long);
    world.announce(&node, &OWN);
    world.close(&node, Loss::Graceful);
    world.settle();
    assert_eq!(world.finding("stale_routes").state, "pending");
    world.pass(Duration::from_secs(130));
    let (stale, down) = (world.finding("stale_routes"), world.finding("peer_down"));
    assert_eq!((stale.state.as_str(), down.state.as_str()), ("pending", "open"));
    assert_eq!(stale.muted, Some(format!("absorbed:{}", down.id)), "its session is told to be lost");
    world.pass(Duration::from_secs(71));
    assert_eq!(world.found(), ["peer_down open"]);

    // It comes back, and does not say that it has told everything.
    let node = world.healthy_node();
    world.close(&node, Loss::Graceful);
    world.settle();
    let node = world.node();
    world.announce(&node, &OWN[..1]);
    world.pass(Duration::from_secs(131));
    assert_eq!(world.finding("stale_routes").state, "open");
    world.end_of_rib(&node);
    world.settle();
    assert!(world.is_resolved("stale_routes"));
}

#[test]
fn updates_with_errors_are_a_finding_for_ten_quiet_minutes() {
    let mut world = World::new();
    let node = world.healthy_node();
    node.stats.count_error(ErrorAction::TreatAsWithdraw);
    world.pass(SECOND * 2);
    let finding = world.finding("malformed_updates");
    assert_eq!(finding.state, "open");
    assert!(finding.evidence[0].contains("1 treat_as_withdraw"), "{:?}", finding.evidence);
    world.pass(MINUTE * 8);
    node.stats.count_error(ErrorAction::AttributeDiscard);
    world.pass(MINUTE * 8);
    assert_eq!(world.found(), ["malformed_updates open"]);
    world.pass(MINUTE * 3);
    assert!(world.is_resolved("malformed_updates"));
}

#[test]
fn a_resolved_finding_still_tells_who_it_was() {
    let leak: Vec<_> = (0..20).map(|n| format!("172.16.{n}.0/24")).collect();
    let leak: Vec<_> = leak.iter().map(String::as_str).collect();
    for (routes, by_withdrawal) in
        [(&["0.0.0.0/0"][..], true), (&["0.0.0.0/0"], false), (&leak, true), (&leak, false)]
    {
        let mut world = World::new();
        let node = world.healthy_node();
        world.announce(&node, routes);
        world.pass(SECOND * 6);
        let open = world.finding("rogue_route");
        assert_eq!(
            (open.node.as_deref(), open.leaf.as_deref(), open.peer),
            (Some(NODE), Some("leaf1"), Some(ip(NODE)))
        );
        if by_withdrawal {
            world.withdraw(&node, routes);
        } else {
            world.close(&node, Loss::Final);
            world.pass(MINUTE * 9);
            assert!(world.finding("rogue_route").summary.contains("cannot be seen"));
            world.pass(MINUTE);
        }
        world.settle();
        let resolved = world.core.findings.resolved().find(|finding| finding.kind == "rogue_route").unwrap();
        assert_eq!((&resolved.id, resolved.state.as_str()), (&open.id, "resolved"));
        assert_eq!((&resolved.node, &resolved.leaf, resolved.peer), (&open.node, &open.leaf, open.peer));
        assert!(!resolved.evidence.is_empty());
        if !by_withdrawal || routes.len() == 1 {
            assert!(resolved.summary.starts_with(&open.summary), "{}", resolved.summary);
            assert_eq!(resolved.evidence, open.evidence);
        }
    }
}

#[test]
fn of_very_many_routes_it_is_told_how_many_each_leaf_hears() {
    let pods: Vec<_> = (0..20_001).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    let pods: Vec<_> = pods.iter().map(String::as_str).collect();
    let mut world = World::new();
    world.healthy_node();
    let other = world.up("leaf2", NODE, NODE_AS, NODE);
    world.announce(&other, &OWN);
    world.announce(&other, &pods);
    world.end_of_rib(&other);
    world.pass(SECOND * 2);
    let evidence = world.finding("leaf_disagreement").evidence;
    assert!(evidence[0].ends_with("announces 2 routes here"), "{evidence:?}");
    assert!(evidence[1].ends_with("announces 20003 routes here"), "{evidence:?}");
}

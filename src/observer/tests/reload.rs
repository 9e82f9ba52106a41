//! A new configuration.

use super::*;
use crate::observer::Command;

const NONE: [&str; 0] = [];

impl World {
    fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.core.reconfigure(Arc::new(self.config.clone()), self.now);
        self.settle();
    }
}

#[test]
fn routes_are_judged_again_and_no_session_is_touched() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["172.16.0.0/24"]);
    world.pass(SECOND * 6);
    assert_eq!(world.found(), ["rogue_route open"]);
    world.reload(|config| config.policy.allow.push(allow(AllowClass::Pod, "172.16.0.0/16", &[24])));
    assert!(world.routes_of(&node).contains(&"172.16.0.0/24 accepted".to_owned()));
    assert!(world.is_resolved("rogue_route"));
    world.check();
    world.reload(|config| config.policy.allow.clear());
    assert!(world.routes_of(&node).iter().all(|route| route.ends_with("rejected")));
    assert_eq!(world.found().len(), 3);
    assert!(world.peer(&node).up);
    assert_eq!(world.commands, []);
    assert!(world.events.iter().any(|event| event.kind == "reload"));
    world.check();
}

#[test]
fn a_policy_that_changes_asks_only_peers_with_routes_not_kept_to_send_them_again() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 2);
    let mut world = World::with(config);
    let node = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&node, &["172.16.0.0/24", "172.16.1.0/24", "172.16.2.0/24"]);
    world.announce(&other, &["172.16.3.0/24"]);
    world.settle();
    assert_eq!(world.commands, []);
    world.reload(|config| config.policy.allow.push(allow(AllowClass::Pod, "172.16.0.0/16", &[24])));
    let refresh = Command::Refresh { peer: node.peer.clone(), families: Families::only(Family::Ipv4) };
    assert_eq!(world.commands, [refresh]);
    world.check();
}

#[test]
fn what_was_not_kept_is_found_until_it_is_sent_again_and_accepted() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 2);
    let mut world = World::with(config);
    let node = world.healthy_node();
    let leak = ["172.16.0.0/24", "172.16.1.0/24", "172.16.2.0/24"];
    world.announce(&node, &leak);
    world.pass(SECOND * 6);
    assert_eq!(world.found(), ["rogue_route open"]);
    world.reload(|config| config.policy.allow.push(allow(AllowClass::Pod, "172.16.0.0/16", &[24])));
    assert_eq!(world.commands.len(), 1);
    world.pass(SECOND);
    assert_eq!(world.found(), ["rogue_route open"], "the third is still to come");
    world.announce(&node, &leak);
    world.pass(SECOND * 6);
    assert_eq!(world.peer(&node).view().routes.accepted, 5);
    assert_eq!(world.found(), NONE);
}

#[test]
fn a_policy_that_narrows_asks_nobody() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 2);
    config.policy.allow.push(allow(AllowClass::Service, "10.112.0.0/16", &[16]));
    let mut world = World::with(config);
    let node = world.healthy_node();
    world.announce(&node, &["172.16.0.0/24", "172.16.1.0/24", "172.16.2.0/24"]);
    world.settle();
    world.reload(|config| config.policy.allow[0].lengths = vec![26]);
    world.reload(|config| config.policy.allow[3].expect = Expect::None);
    world.reload(|config| drop(config.policy.allow.pop()));
    world.reload(|config| config.policy.uniqueness.pod_block = Unique::Any);
    world.pass(MINUTE);
    assert_eq!(world.peer(&node).view().routes.rejected_not_kept, 1);
    assert_eq!(world.commands, []);
}

#[test]
fn a_policy_that_narrows_keeps_to_the_budget() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 5);
    let mut world = World::with(config);
    let node = world.healthy_node();
    let pods: Vec<_> = (0..50).map(|n| format!("10.244.7.{n}/32")).collect();
    world.announce(&node, &pods.iter().map(String::as_str).collect::<Vec<_>>());
    world.settle();
    world.reload(|config| config.policy.allow[0].lengths = vec![26]);
    let peer = world.peer(&node).view();
    assert_eq!((peer.routes.accepted, peer.routes.rejected, peer.routes.rejected_not_kept), (2, 5, 45));
    world.check();
}

#[test]
fn expectations_come_and_go() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.reload(|config| config.policy.allow.push(allow(AllowClass::Service, "10.112.0.0/16", &[16])));
    assert_eq!(world.found(), ["missing_service_cidr pending"]);
    world.reload(|config| drop(config.policy.allow.pop()));
    assert_eq!(world.found(), NONE);
    assert!(world.peer(&node).up);
}

#[test]
fn uniqueness_may_change() {
    let mut world = World::new();
    world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &OWN);
    world.pass(SECOND * 6);
    assert_eq!(world.found(), ["duplicate_pod_block open"]);
    world.reload(|config| config.policy.uniqueness.pod_block = Unique::Any);
    assert_eq!(world.found(), NONE);
    world.reload(|config| config.policy.uniqueness.pod_block = Unique::OneNode);
    assert_eq!(world.found(), ["duplicate_pod_block pending"]);
}

#[test]
fn peers_whose_range_is_removed_are_forgotten_and_pins_come_and_go() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["0.0.0.0/0"]);
    world.reload(|config| config.nodes.push(pin("worker-1", &[NODE, "192.168.1.9"])));
    // Two addresses on three leaves.
    assert_eq!(world.snapshot().summary.peers.known, 6);
    assert_eq!(world.peer(&node).node.as_deref(), Some("worker-1"));
    world.reload(|config| config.nodes.clear());
    assert_eq!(world.snapshot().summary.peers.known, 1);
    assert_eq!(world.peer(&node).node.as_deref(), Some(NODE));
    world.reload(|config| config.neighbors.retain(|entry| &*entry.leaf != "leaf1"));
    assert_eq!(world.snapshot().summary.peers.known, 0);
    assert_eq!(world.found(), NONE);
    assert_eq!(world.snapshot().rib.paths, [0, 0]);
    // What the session still says, and its end, mean nothing any more.
    world.announce(&node, &OWN);
    world.close(&node, Loss::Final);
    world.settle();
    assert_eq!(world.snapshot().summary.peers.known, 0);
    world.check();
}

#[test]
fn a_session_that_comes_up_amid_a_reload_is_made_again() {
    let mut world = World::new();
    let whole = world.config.clone();
    world.reload(|config| config.neighbors.retain(|entry| &*entry.leaf != "leaf1"));
    // The speaker knows the range already, or still.
    world.config = whole;
    let node = world.node();
    world.announce(&node, &OWN);
    world.settle();
    assert_eq!(world.commands, [Command::Reset { peer: node.peer.clone() }]);
    world.close(&node, Loss::Final);
    world.settle();
    assert_eq!(world.snapshot().summary.peers.known, 0);
    world.reload(|_| ());
    world.healthy_node();
    assert_eq!(world.snapshot().summary.peers.established, 1);
    world.check();
}

#[test]
fn a_peer_that_moves_to_another_vrf_takes_its_findings_along() {
    let mut world = World::new();
    let node = world.healthy_node();
    let other = world.up("leaf3", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &OWN);
    world.announce(&node, &["0.0.0.0/0"]);
    world.settle();
    assert_eq!(world.found(), ["duplicate_pod_block pending", "rogue_route pending"]);
    world.reload(|config| {
        for entry in config.neighbors.iter_mut().filter(|entry| &*entry.leaf == "leaf1") {
            entry.vrf = "blue".into();
        }
    });
    assert_eq!(world.found(), ["rogue_route pending"]);
    assert_eq!(world.finding("rogue_route").vrf, "blue");
    world.reload(|config| {
        for entry in &mut config.neighbors {
            entry.vrf = "blue".into();
        }
    });
    assert_eq!(world.found(), ["duplicate_pod_block pending", "rogue_route pending"]);
    world.check();
}

#[test]
fn a_limit_that_is_raised_admits_what_was_one_too_many() {
    let mut config = config();
    for entry in &mut config.neighbors {
        (entry.limits.prefixes, entry.limits.action) = (1, LimitAction::Hold);
    }
    let mut world = World::with(config);
    let node = world.healthy_node();
    assert_eq!(world.peer(&node).view().routes.accepted, 1);
    world.reload(|config| config.neighbors.iter_mut().for_each(|entry| entry.limits.prefixes = 100));
    assert_eq!(world.peer(&node).view().routes.accepted, 2);
    assert!(!world.found().iter().any(|found| found.starts_with("prefix_limit")));
    world.check();
}

#[test]
fn findings_open_by_the_new_terms() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.close(&node, Loss::Final);
    world.pass(SECOND * 5);
    assert_eq!(world.found(), ["peer_down pending"]);
    world.reload(|config| config.findings.open_after.push(("peer_down".to_owned(), SECOND * 2)));
    assert_eq!(world.found(), ["peer_down open"]);
}

#[test]
fn a_refresh_that_would_come_too_soon_comes_later() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 2);
    let mut world = World::with(config);
    let node = world.healthy_node();
    let leak = ["172.16.0.0/24", "172.16.1.0/24", "172.16.2.0/24"];
    world.announce(&node, &leak);
    // A first attempt that does not permit them yet.
    world.reload(|config| config.policy.allow.push(allow(AllowClass::Pod, "172.16.0.0/16", &[25])));
    assert_eq!(std::mem::take(&mut world.commands).len(), 1);
    world.announce(&node, &leak);
    world.reload(|config| config.policy.allow.push(allow(AllowClass::Pod, "172.16.2.0/24", &[24])));
    assert_eq!(world.commands, []);
    world.pass(SECOND * 31);
    let refresh = Command::Refresh { peer: node.peer.clone(), families: Families::only(Family::Ipv4) };
    assert_eq!(world.commands, [refresh]);
}

#[test]
fn the_speaker_hears_of_every_peer_that_is_forgotten() {
    let mut world = World::new();
    let node = world.healthy_node();
    let forget = [Command::Forget { peer: node.peer.clone() }];
    world.close(&node, Loss::Deconfigured);
    world.settle();
    assert_eq!(std::mem::take(&mut world.commands), forget);
    world.healthy_node();
    world.reload(|config| config.neighbors.retain(|entry| &*entry.leaf != "leaf1"));
    assert_eq!(std::mem::take(&mut world.commands), forget);
    world.reload(|config| config.neighbors.push(neighbors("leaf1", "192.168.0.0/16")));
    let node = world.healthy_node();
    world.close(&node, Loss::Final);
    world.pass(MINUTE * (7 * 24 * 60 + 1));
    assert_eq!(world.commands, forget);
}

#[test]
fn an_address_that_leaves_a_pin_no_longer_answers_for_its_peers() {
    let mut config = config();
    (config.policy.allow[2].own_only, config.policy.allow[2].expect) = (false, Expect::EveryNode);
    config.nodes.push(pin("worker-1", &[NODE, "192.168.2.2"]));
    config.neighbors.retain(|entry| &*entry.leaf == "leaf1");
    let mut world = World::with(config);
    let node = world.healthy_node();
    world.announce(&node, &["192.168.2.0/29"]);
    world.settle();
    world.reload(|config| config.nodes[0].addresses.truncate(1));
    assert_eq!(world.peer(&node).missing_node_subnets, 1);
    world.check();
}

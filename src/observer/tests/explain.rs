//! What explains what, and what it does not.

use super::*;
use crate::observer::maintenance::{Whom, Window};
use crate::speaker::{Refusal, Refused};

/// `count` nodes of a leaf, each with an AS of its own.
fn nodes(world: &mut World, leaf: u8, count: u8) -> Vec<Session> {
    (0..count).map(|n| come_up(world, leaf, n)).collect()
}

fn come_up(world: &mut World, leaf: u8, n: u8) -> Session {
    let address = format!("192.168.{leaf}.{}", n + 2);
    let node = world.up(&format!("leaf{leaf}"), &address, 65102 + u32::from(leaf * 30 + n), &address);
    world.announce(&node, &[&format!("10.244.{leaf}.{}/26", u32::from(n % 4) * 64), "10.96.0.0/12"]);
    world.end_of_rib(&node);
    node
}

/// What somebody was told of, in order.
fn told(world: &World) -> Vec<String> {
    let opened = world.events.iter().filter(|event| event.kind == "finding_open");
    opened.map(|event| event.text.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_rack_that_is_back_but_for_one_node_is_no_longer_down() {
    let mut world = World::new();
    let all = nodes(&mut world, 1, 4);
    world.settle();
    for node in &all {
        world.close(node, Loss::Final);
    }
    world.pass(MINUTE);
    assert_eq!(told(&world), ["rack_down"]);
    let back: Vec<_> = (0..3).map(|n| come_up(&mut world, 1, n)).collect();
    world.pass(MINUTE * 30);
    assert!(world.is_resolved("rack_down"), "{:?}", world.found());
    assert_eq!(told(&world), ["rack_down", "peer_down"]);
    world.close(&back[0], Loss::Final);
    world.pass(MINUTE * 2);
    assert_eq!(told(&world), ["rack_down", "peer_down", "peer_down"]);
}

#[test]
fn we_are_no_longer_isolated_when_most_are_back() {
    let mut world = World::new();
    let all: Vec<_> = [1, 3].into_iter().flat_map(|leaf| nodes(&mut world, leaf, 5)).collect();
    world.settle();
    for node in &all {
        world.close(node, Loss::Final);
    }
    world.pass(MINUTE);
    assert_eq!(told(&world), ["observer_isolated"]);
    let back: Vec<_> = (0..5).map(|n| come_up(&mut world, 1, n)).collect();
    (0..2).for_each(|n| drop(come_up(&mut world, 3, n)));
    world.pass(MINUTE * 30);
    assert!(world.is_resolved("observer_isolated"), "{:?}", world.found());
    let before = told(&world).len();
    world.close(&back[0], Loss::Final);
    world.pass(MINUTE * 2);
    assert_eq!(told(&world)[before..], ["peer_down"]);
}

#[test]
fn a_rack_of_which_a_node_was_down_before_goes_down_as_one() {
    let mut world = World::new();
    let all = nodes(&mut world, 1, 4);
    world.settle();
    world.close(&all[0], Loss::Final);
    world.pass(MINUTE * 10);
    for node in &all[1..] {
        world.close(node, Loss::Final);
    }
    world.pass(MINUTE * 10);
    assert_eq!(told(&world), ["peer_down", "rack_down"]);
}

#[test]
fn what_a_node_does_on_two_leaves_is_told_once() {
    let leak: Vec<_> = (0..20).map(|n| format!("172.16.{n}.0/24")).collect();
    let leak: Vec<_> = leak.iter().map(String::as_str).collect();
    let mut world = World::new();
    let both = ["leaf1", "leaf2"].map(|leaf| world.up(leaf, NODE, NODE_AS, NODE));
    world.settle();
    for session in &both {
        world.announce(session, &leak);
    }
    world.pass(MINUTE);
    assert_eq!(told(&world), ["rogue_route"]);
}

#[test]
fn a_limit_that_a_node_reaches_on_two_leaves_is_told_once() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.prefixes = 4);
    let mut world = World::with(config);
    let both = ["leaf1", "leaf2"].map(|leaf| world.up(leaf, NODE, NODE_AS, NODE));
    world.settle();
    let many: Vec<_> = (0..8).map(|n| format!("10.244.{n}.0/26")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for session in &both {
        world.announce(session, &many);
    }
    world.pass(MINUTE);
    assert_eq!(told(&world), ["prefix_limit"]);
}

/// Somebody tries with an AS that is not allowed, and ten seconds pass.
fn refuse(world: &mut World, address: &str) {
    let refused = Refused {
        peer: PeerId { leaf: "leaf1".into(), address: ip(address) },
        at: world.now,
        why: Refusal::AsNotAllowed,
        offered_as: Some(65300),
        expected: String::new(),
        detail: String::new(),
    };
    world.hear(Event::Refused(Box::new(refused)));
    world.pass(SECOND * 10);
}

#[test]
fn a_stranger_that_is_known_does_not_hide_a_node_that_is_refused() {
    let mut world = World::new();
    let node = world.healthy_node();
    (0..12).for_each(|_| refuse(&mut world, "192.168.1.77"));
    assert_eq!(told(&world), ["peer_refused"]);
    let id = world.finding("peer_refused").id;
    assert!(world.core.acknowledge(&id, "an old switch", world.now));
    world.close(&node, Loss::Final);
    for n in 0..12 {
        refuse(&mut world, NODE);
        refuse(&mut world, "192.168.1.77");
        // Whoever comes, all is asked anew.
        come_up(&mut world, 2, n);
    }
    assert!(told(&world).contains(&"peer_down".to_owned()), "{:?}", told(&world));
}

/// Every node passes on what `n` announces.
fn leave_mesh_on(world: &mut World, all: &[Session], prefixes: impl Fn(usize) -> Vec<String>) {
    for (at, node) in all.iter().enumerate() {
        for (other, source) in all.iter().enumerate().filter(|(other, _)| *other != at) {
            let path = [node.terms.peer_as, source.terms.peer_as];
            let prefixes = prefixes(other);
            let prefixes: Vec<_> = prefixes.iter().map(String::as_str).collect();
            world.announce_as(node, &Builder::new(&path, node.peer.address), &prefixes);
        }
    }
}

fn mesh_nodes(world: &mut World, count: usize) -> Vec<Session> {
    (0..count)
        .map(|n| {
            let (leaf, rack) = if n < 70 { ("leaf1", 1) } else { ("leaf3", 3) };
            let address = format!("192.168.{rack}.{}", n + 2);
            let node = world.up(leaf, &address, 65102 + u32::try_from(n).unwrap(), &address);
            world.announce(&node, &[&format!("10.244.{n}.0/26"), "10.96.0.0/12"]);
            world.end_of_rib(&node);
            node
        })
        .collect()
}

#[test]
fn a_mesh_that_hands_on_services_too_is_a_mesh() {
    let mut world = World::new();
    let all = mesh_nodes(&mut world, 12);
    for (n, node) in all.iter().enumerate() {
        world.announce(node, &[&format!("10.96.0.{n}/32")]);
    }
    world.settle();
    leave_mesh_on(&mut world, &all, |n| vec![format!("10.244.{n}.0/26"), format!("10.96.0.{n}/32")]);
    world.pass(MINUTE);
    assert_eq!(told(&world), ["mesh_left_on"]);
}

#[test]
fn work_on_one_rack_does_not_hide_the_mesh_of_all() {
    let mut world = World::new();
    let all = mesh_nodes(&mut world, 80);
    world.settle();
    let (since, until) = (world.now, world.now.after(MINUTE * 60));
    let window = Window { scope: Whom::Rack("rack1".into()), since, until, reason: "work".to_owned() };
    world.core.start_maintenance(window).unwrap();
    leave_mesh_on(&mut world, &all, |n| vec![format!("10.244.{n}.0/26")]);
    world.pass(MINUTE);
    assert_eq!(told(&world), ["mesh_left_on"]);
}

#[test]
fn a_node_more_in_a_mesh_that_is_known_is_no_news() {
    let mut world = World::new();
    let all = mesh_nodes(&mut world, 11);
    world.settle();
    leave_mesh_on(&mut world, &all, |n| vec![format!("10.244.{n}.0/26")]);
    world.pass(MINUTE * 5);
    assert_eq!(told(&world), ["mesh_left_on"]);
    for node in &all {
        let path = [node.terms.peer_as, 65190];
        world.announce_as(node, &Builder::new(&path, node.peer.address), &["10.244.99.0/26"]);
        world.pass(SECOND);
    }
    world.pass(MINUTE * 5);
    assert_eq!(told(&world), ["mesh_left_on"]);
}

#[test]
fn blocks_that_two_nodes_announce_do_not_hide_a_mesh() {
    // In blue, one AS for all: the mesh shows in blocks that many announce.
    for round in 0..10 {
        let mut config = config();
        config.leaves[2].cluster = "green".into();
        config.leaves[2].vrf = "green".into();
        config.neighbors.iter_mut().filter(|entry| &*entry.leaf == "leaf3").for_each(|entry| {
            entry.cluster = "green".into();
            entry.vrf = "green".into();
        });
        let mut world = World::with(config);
        let blocks: Vec<_> = (0..40).map(|n| format!("10.244.{n}.0/26")).collect();
        let blocks: Vec<_> = blocks.iter().map(String::as_str).collect();
        for n in 2..4 {
            let address = format!("192.168.3.{n}");
            let node = world.up("leaf3", &address, 65102 + n, &address);
            world.announce(&node, &blocks);
        }
        for n in 2..8 {
            let address = format!("192.168.1.{n}");
            let node = world.up("leaf1", &address, NODE_AS, &address);
            world.announce(&node, &["10.244.1.0/26", "10.244.2.0/26"]);
        }
        world.pass(MINUTE);
        assert!(told(&world).contains(&"mesh_left_on".to_owned()), "round {round}: {:?}", told(&world));
    }
}

#[test]
fn a_node_that_is_refused_as_others_are_is_not_lost_besides() {
    let mut world = World::new();
    let node = world.healthy_node();
    (0..12).for_each(|_| refuse(&mut world, "192.168.1.77"));
    assert_eq!(told(&world), ["peer_refused"]);
    world.close(&node, Loss::Final);
    (0..12).for_each(|_| refuse(&mut world, NODE));
    assert_eq!(told(&world), ["peer_refused"]);
    let lost = world.finding("peer_down");
    assert_eq!(lost.muted, Some(format!("absorbed:{}", world.finding("peer_refused").id)));
}

#[test]
fn work_on_one_rack_mutes_no_session_in_another() {
    let mut world = World::new();
    // Others stay, so that it is neither the rack nor us.
    for n in 10..16 {
        come_up(&mut world, 1, n);
        come_up(&mut world, 3, n);
    }
    let sessions = [world.healthy_node(), world.up("leaf3", NODE, NODE_AS, NODE)];
    world.announce(&sessions[1], &OWN);
    world.end_of_rib(&sessions[1]);
    world.pass(MINUTE);
    let window = Window {
        scope: Whom::Rack("rack1".into()),
        since: world.now,
        until: world.now.after(MINUTE * 60),
        reason: "new disks".to_owned(),
    };
    world.core.start_maintenance(window).unwrap();
    for session in &sessions {
        world.close(session, Loss::Final);
    }
    world.pass(MINUTE * 2);
    assert_eq!(told(&world).iter().filter(|kind| *kind == "peer_down").count(), 1);
}

#[test]
fn two_owners_of_a_block_are_told_beside_the_mesh() {
    let mut world = World::new();
    let all = mesh_nodes(&mut world, 12);
    world.settle();
    leave_mesh_on(&mut world, &all, |n| vec![format!("10.244.{n}.0/26")]);
    world.pass(MINUTE);
    assert_eq!(told(&world), ["mesh_left_on"]);
    world.announce(&all[3], &["10.244.4.0/26"]);
    world.pass(MINUTE);
    assert_eq!(told(&world), ["mesh_left_on", "duplicate_pod_block"]);
}

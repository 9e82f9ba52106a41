//! What is learned, and what is no news.

use super::*;

#[test]
fn tells_accepted_from_rejected_routes_and_counts_both() {
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &["10.244.1.0/26", "10.96.0.0/12", "10.244.9.7/32", "0.0.0.0/0"]);
    world.settle();
    assert_eq!(
        world.routes_of(&node),
        ["0.0.0.0/0 rejected", "10.96.0.0/12 accepted", "10.244.1.0/26 accepted", "10.244.9.7/32 accepted"]
    );
    let peer = world.peer(&node).view();
    assert_eq!((peer.routes.total, peer.routes.accepted, peer.routes.rejected), (4, 3, 1));
    let by_class: Vec<_> = peer.routes.by_class.iter().map(|(class, count)| (class.name(), *count)).collect();
    assert_eq!(by_class, [("pod_block", 1), ("pod_host", 1), ("service_cidr", 1)]);
    let by_reason: Vec<_> = peer.rejected_by_reason.iter().map(|(reason, n)| (reason.name(), *n)).collect();
    assert_eq!(by_reason, [("default_route", 1)]);
    assert_eq!(
        (peer.state.as_str(), peer.peer_as, peer.node.as_deref()),
        ("Established", Some(65102), Some(NODE))
    );
    world.check();
}

#[test]
fn an_identical_announcement_and_a_withdrawal_of_nothing_are_no_news() {
    let mut world = World::new();
    let node = world.healthy_node();
    let before = (world.peer(&node).announced, world.peer(&node).withdrawn, world.events.len());
    world.announce(&node, &OWN);
    world.withdraw(&node, &["0.0.0.0/0", "192.168.1.0/29", "10.244.1.1/32"]);
    world.settle();
    assert_eq!((world.peer(&node).announced, world.peer(&node).withdrawn, world.events.len()), before);
    assert_eq!(world.routes_of(&node).len(), 2);
}

#[test]
fn an_unwanted_announcement_replaces_what_was_accepted() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce_as(&node, &Builder::new(&[65102, 65103], ip(NODE)), &["10.244.1.0/26"]);
    world.settle();
    assert_eq!(world.routes_of(&node), ["10.96.0.0/12 accepted", "10.244.1.0/26 rejected"]);
    world.check();
    world.announce(&node, &OWN);
    world.settle();
    assert_eq!(world.routes_of(&node), ["10.96.0.0/12 accepted", "10.244.1.0/26 accepted"]);
    world.check();
}

#[test]
fn both_families_and_several_paths_of_one_prefix_are_kept_apart() {
    let mut world = World::new();
    let mut terms = terms(NODE_AS, NODE);
    terms.families = Families::ALL;
    terms.add_path = Families::ALL;
    let node = world.up_with("leaf1", NODE, terms);
    let own = Builder::new(&[NODE_AS], ip(NODE));
    let long = Builder::new(&[NODE_AS, 65103], ip(NODE));
    world.announce_paths(&node, &own, &[(3, net("10.244.1.0/26"))]);
    world.announce_paths(&node, &long, &[(6, net("10.244.1.0/26"))]);
    let v6 = Builder::new(&[NODE_AS], ip("fd00:1::2"));
    world.announce_paths(&node, &v6, &[(1, net("fd00:244::40/122"))]);
    world.settle();
    let routes = world.page_all();
    let shown: Vec<_> = routes.iter().map(|route| (route.path_id, &*route.state)).collect();
    assert_eq!(shown[..2], [(3, "accepted"), (6, "rejected")]);
    assert_eq!(routes[2].prefix, net("fd00:244::40/122"));
    assert_eq!(world.snapshot().rib.paths, [2, 1]);
    assert_eq!(world.snapshot().rib.prefixes, [1, 1]);
    world.check();
}

#[test]
fn route_changes_are_told_one_by_one_until_there_are_too_many() {
    let mut world = World::new();
    let node = world.node();
    let prefixes: Vec<_> = (0..500).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    world.announce(&node, &prefixes.iter().map(String::as_str).collect::<Vec<_>>());
    world.pass(SECOND * 3);
    let told = world.events.iter().filter(|event| event.kind == "route_accepted").count();
    assert_eq!(told, 100);
    let rest = world.events.iter().find(|event| event.kind == "routes_changed").expect("a line on the rest");
    assert!(rest.text.starts_with("400 more"), "{}", rest.text);
    world.withdraw(&node, &["10.244.0.7/32"]);
    world.settle();
    let event = world.events.iter().find(|event| event.kind == "route_withdrawn").expect("an event");
    assert_eq!(event.prefix, Some(net("10.244.0.7/32")));
    assert_eq!(event.peer, Some(ip(NODE)));
}

#[test]
fn routes_of_a_session_that_was_replaced_are_void() {
    let mut world = World::new();
    let old = world.healthy_node();
    let new = world.node();
    world.announce(&old, &["10.244.77.0/26"]);
    world.close(&old, Loss::Final);
    world.settle();
    assert!(world.peer(&new).up);
    assert_eq!(world.routes_of(&new), ["10.96.0.0/12 accepted stale", "10.244.1.0/26 accepted stale"]);
    // An Established that arrives after a later one is void, too.
    world.establish(&old);
    world.close(&old, Loss::Final);
    assert!(world.peer(&new).up);
    world.check();
}

/// A session that may send several paths to one prefix (RFC 7911).
fn many_paths() -> Negotiated {
    Negotiated { add_path: Families::only(Family::Ipv4), ..terms(NODE_AS, NODE) }
}

#[test]
fn of_several_paths_to_a_prefix_each_is_seen_to_go() {
    let own = Builder::new(&[NODE_AS], ip(NODE));
    let block = net("10.244.2.0/26");
    let mut world = World::new();
    let other = world.up("leaf2", NODE, NODE_AS, NODE);
    world.announce(&other, &OWN);
    world.end_of_rib(&other);
    let node = world.up_with("leaf1", NODE, many_paths());
    world.announce_paths(&node, &own, &[(1, block), (2, block)]);
    world.close(&node, Loss::Graceful);
    // Both are swept, and it tells both leaves the same.
    let node = world.up_with("leaf1", NODE, many_paths());
    world.announce(&node, &OWN);
    world.end_of_rib(&node);
    world.pass(SECOND * 3);
    assert_eq!(world.found(), [""; 0]);
    // What is lost hides no path that comes before it was swept.
    world.announce_paths(&node, &own, &[(1, block)]);
    world.close(&node, Loss::Final);
    let node = world.up_with("leaf1", NODE, many_paths());
    world.announce_paths(&node, &own, &[(2, block)]);
    world.announce(&node, &OWN);
    world.end_of_rib(&node);
    world.announce(&other, &["10.244.2.0/26"]);
    world.pass(SECOND * 3);
    assert_eq!(world.found(), [""; 0]);
    // Nor do paths of a session that was the last to have several.
    world.announce_paths(&node, &own, &[(1, block)]);
    world.close(&node, Loss::Graceful);
    let node = world.node();
    world.announce(&node, &OWN);
    world.announce(&node, &["10.244.2.0/26"]);
    world.end_of_rib(&node);
    world.pass(SECOND * 3);
    assert_eq!(world.found(), [""; 0]);
    world.check();
}

//! Pages of routes, and why.

use super::*;
use crate::bgp::attribute::Community;
use crate::observer::{Match, StateFilter};
use crate::policy::{Class, Reason};

/// Two nodes, one of which leaks.
fn world() -> World {
    let mut world = World::new();
    let one = world.healthy_node();
    let other = world.up("leaf2", "192.168.1.3", 65103, "192.168.1.3");
    let tagged =
        Builder::new(&[65103], ip("192.168.1.3")).communities(&[Community::Standard(0xFE4E_0064)]).med(7);
    world.announce_as(&other, &tagged, &["10.244.2.0/26", "10.244.9.7/32"]);
    world.announce(&other, &["10.96.0.0/12"]);
    world.announce_as(
        &one,
        &Builder::new(&[NODE_AS, 64999, 65103], ip(NODE)),
        &["10.244.2.0/26", "0.0.0.0/0"],
    );
    world.settle();
    world
}

fn prefixes(page: &view::Page<view::Route>) -> Vec<String> {
    page.items.iter().map(|route| route.prefix.to_string()).collect()
}

#[test]
fn every_filter_narrows() {
    let world = world();
    let all = RouteQuery::default;
    let ask = |query| prefixes(&world.page(query));
    assert_eq!(ask(all()).len(), 7);
    assert_eq!(ask(RouteQuery { prefix: Some(net("10.244.2.0/26")), ..all() }).len(), 2);
    let longer = RouteQuery { prefix: Some(net("10.244.0.0/16")), matching: Match::Longer, ..all() };
    assert_eq!(ask(longer), ["10.244.1.0/26", "10.244.2.0/26", "10.244.2.0/26", "10.244.9.7/32"]);
    let covering = RouteQuery { prefix: Some(net("10.244.2.5/32")), matching: Match::Covering, ..all() };
    assert_eq!(ask(covering), ["0.0.0.0/0", "10.244.2.0/26", "10.244.2.0/26"]);
    assert_eq!(ask(RouteQuery { class: Some(Class::PodHost), ..all() }), ["10.244.9.7/32"]);
    assert_eq!(ask(RouteQuery { node: Some("192.168.1.3".to_owned()), ..all() }).len(), 3);
    assert_eq!(ask(RouteQuery { leaf: Some("leaf1".to_owned()), ..all() }).len(), 4);
    assert_eq!(ask(RouteQuery { peer: Some(ip(NODE)), ..all() }).len(), 4);
    assert_eq!(ask(RouteQuery { cluster: Some("other".to_owned()), ..all() }).len(), 0);
    assert_eq!(ask(RouteQuery { state: Some(StateFilter::Accepted), ..all() }).len(), 5);
    assert_eq!(ask(RouteQuery { state: Some(StateFilter::Rejected), ..all() }).len(), 2);
    assert_eq!(ask(RouteQuery { state: Some(StateFilter::Stale), ..all() }).len(), 0);
    assert_eq!(ask(RouteQuery { reason: Some(Reason::AsPathTooLong), ..all() }).len(), 2);
    assert_eq!(ask(RouteQuery { reason: Some(Reason::DefaultRoute), ..all() }), ["0.0.0.0/0"]);
    let tagged = RouteQuery { community: Some("65102:100".to_owned()), ..all() };
    assert_eq!(ask(tagged), ["10.244.2.0/26", "10.244.9.7/32"]);
}

#[test]
fn a_route_is_shown_with_all_that_is_known_of_it() {
    let world = world();
    let page = world.page(RouteQuery { class: Some(Class::PodHost), ..RouteQuery::default() });
    let route = &page.items[0];
    assert_eq!((route.as_path.as_str(), route.next_hop), ("65103", Some(ip("192.168.1.3"))));
    assert_eq!((route.communities.join(" ").as_str(), route.med), ("65102:100", Some(7)));
    assert_eq!((route.origin.as_deref(), route.peer_as, route.path_id), (Some("igp"), 65103, 0));
    assert_eq!((&*route.leaf, route.node.as_deref()), ("leaf2", Some("192.168.1.3")));
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let world = world();
    let whole = prefixes(&world.page(RouteQuery::default()));
    for limit in 1..9 {
        let (mut parts, mut pages) = (vec![], 0);
        let mut query = RouteQuery { limit, ..RouteQuery::default() };
        loop {
            let page = world.page(query.clone());
            assert!(page.items.len() <= limit);
            assert_eq!(page.total, Some(7));
            parts.extend(prefixes(&page));
            pages += 1;
            let Some(cursor) = page.next_cursor else { break };
            query.cursor = Some(cursor.parse().unwrap());
        }
        assert_eq!((parts.len(), pages), (whole.len(), whole.len().div_ceil(limit)));
        assert_eq!(parts, whole);
    }
}

#[test]
fn pages_of_one_prefix_follow_each_other_too() {
    let world = world();
    for matching in [Match::Exact, Match::Longer, Match::Covering] {
        let query =
            RouteQuery { prefix: Some(net("10.244.2.0/26")), matching, limit: 1, ..RouteQuery::default() };
        let first = world.page(query.clone());
        let cursor = first.next_cursor.as_ref().expect("a second page").parse().unwrap();
        let second = world.page(RouteQuery { cursor: Some(cursor), ..query });
        assert_ne!(first.items[0], second.items[0], "{matching:?}");
    }
}

#[test]
fn totals_come_from_counters_or_not_at_all() {
    let world = world();
    let total = |query| world.page(RouteQuery { limit: 1, ..query }).total;
    let all = RouteQuery::default;
    assert_eq!(total(all()), Some(7));
    assert_eq!(total(RouteQuery { state: Some(StateFilter::Accepted), ..all() }), Some(5));
    assert_eq!(total(RouteQuery { state: Some(StateFilter::Rejected), ..all() }), Some(2));
    assert_eq!(total(RouteQuery { leaf: Some("leaf1".to_owned()), ..all() }), Some(4));
    assert_eq!(total(RouteQuery { reason: Some(Reason::AsPathTooLong), ..all() }), None);
    assert_eq!(total(RouteQuery { class: Some(Class::PodBlock), ..all() }), None);
    let blocks = RouteQuery { class: Some(Class::PodBlock), state: Some(StateFilter::Accepted), ..all() };
    assert_eq!(total(blocks), Some(2));
}

#[test]
fn why_tells_every_step_for_every_route_of_the_prefix() {
    let world = world();
    let why = world.core.why(&RouteQuery::of(net("10.244.2.0/26")));
    assert_eq!(why.len(), 2);
    let rejected = why.iter().find(|why| why.verdict == "rejected").expect("the leak");
    let failed: Vec<_> = rejected.steps.iter().filter(|step| !step.passed).map(|step| step.check).collect();
    assert_eq!(failed, rejected.route.reasons);
    assert!(failed.contains(&Reason::AsPathTooLong));
    let order: Vec<_> = rejected.steps.iter().map(|step| step.check).collect();
    assert_eq!(order, Reason::ALL[1..], "of transit it is told where that is noted");
    assert!(world.core.why(&RouteQuery::of(net("10.244.3.0/26"))).is_empty());
}

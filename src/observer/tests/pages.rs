//! Pages while everything changes: what is there all the time is shown, and nothing comes twice.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::{Play, happening};
use super::*;
use crate::bgp::attribute::Community;
use crate::observer::search::{Reach, Search};
use crate::observer::{Match, StateFilter};
use crate::policy::{Class, Reason};
use crate::rib::Hint;

/// What names a route to readers.
type Name = (IpNet, Arc<str>, IpAddr, u32);

fn name(route: &view::Route) -> Name {
    (route.prefix, route.leaf.clone(), route.peer, route.path_id)
}

/// Whether the query asks for this route, by what is shown of it.
fn is_asked_for(query: &RouteQuery, route: &view::Route) -> bool {
    let within = query.prefix.is_none_or(|asked| match query.matching {
        Match::Exact => route.prefix == asked,
        Match::Longer => asked.contains(&route.prefix),
        Match::Covering => route.prefix.contains(&asked),
    });
    let state = query.state.is_none_or(|state| match state {
        StateFilter::Accepted => route.state == "accepted",
        StateFilter::Rejected => route.state == "rejected",
        StateFilter::Stale => route.stale,
        StateFilter::Noted => route.state == "noted",
    });
    within
        && state
        && query.class.is_none_or(|class| route.class == class)
        && query.reason.is_none_or(|reason| route.reasons.contains(&reason))
        && query.peer.is_none_or(|peer| route.peer == peer)
        && query.leaf.as_ref().is_none_or(|leaf| *route.leaf == **leaf)
        && query.node.as_ref().is_none_or(|node| route.node.as_deref() == Some(node))
        && query.community.as_ref().is_none_or(|community| route.communities.contains(community))
}

/// All that the query asks for, without its filters' help.
fn all(world: &World, query: &RouteQuery) -> BTreeSet<Name> {
    world.page_all().iter().filter(|route| is_asked_for(query, route)).map(name).collect()
}

fn query() -> impl Strategy<Value = RouteQuery> {
    let some = |texts: &'static [&'static str]| prop::option::weighted(0.3, prop::sample::select(texts));
    let prefix = some(&["10.244.0.0/16", "0.0.0.0/0", "10.244.1.0/26", "10.244.1.7/32", "fd00::/16"]);
    let matching = prop::sample::select(vec![Match::Exact, Match::Longer, Match::Covering]);
    let class = prop::option::weighted(0.2, prop::sample::select(Class::ALL.to_vec()));
    let states = vec![StateFilter::Accepted, StateFilter::Rejected, StateFilter::Stale, StateFilter::Noted];
    let state = prop::option::weighted(0.4, prop::sample::select(states));
    let reasons = vec![Reason::DefaultRoute, Reason::NotAllowed, Reason::AsPathTooLong, Reason::Transit];
    let reason = prop::option::weighted(0.2, prop::sample::select(reasons));
    let who = (some(&[NODE, "192.168.1.3"]), some(&["leaf1", "leaf2"]), some(&[NODE, "192.168.1.3"]));
    let most = (prefix, matching, class, state, reason, some(&["65102:1", "65102:2", "65102:3"]));
    (most, who, 1_usize..4).prop_map(|(most, (peer, leaf, node), limit)| {
        let (prefix, matching, class, state, reason, community) = most;
        RouteQuery {
            prefix: prefix.map(net),
            matching,
            class,
            state,
            reason,
            peer: peer.map(ip),
            leaf: leaf.map(str::to_owned),
            node: node.map(str::to_owned),
            community: community.map(str::to_owned),
            limit,
            ..RouteQuery::default()
        }
    })
}

fn reach() -> impl Strategy<Value = Reach> {
    (0_usize..6, 1_usize..9, prop_oneof![Just(0_u64), Just(5), Just(1_000)], 1_usize..4)
        .prop_map(|(walk, most, sift, stride)| Reach { walk, most, sift, stride })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stays_is_shown_once_whatever_else_changes(
        before in prop::collection::vec(happening(), 10..60),
        during in prop::collection::vec(happening(), 0..30),
        query in query(),
        reach in reach(),
        steps in 1_usize..4,
    ) {
        let roomy = Limits { prefixes: 10_000, warn_at: 0.8, action: LimitAction::Warn, rejected_kept: 1_000 };
        let mut play = Play::new(&roomy);
        for happening in &before {
            play.happens(happening);
        }
        let mut stays = all(&play.world, &query);
        let (mut ever, mut shown) = (stays.clone(), Vec::new());
        let mut during = during.iter();
        let mut next = query.clone();
        for turn in 0.. {
            prop_assert!(turn < 1_000, "no end");
            let mut search = Search::within(reach, next.clone());
            while !play.world.core.search(&mut search, steps) {
                if let Some(happening) = during.next() {
                    play.happens(happening);
                    let now = all(&play.world, &query);
                    stays = &stays & &now;
                    ever.extend(now);
                }
            }
            let page = search.finish(&play.world.core);
            prop_assert!(page.items.len() <= query.limit);
            shown.extend(page.items.iter().map(name));
            let Some(cursor) = page.next_cursor else { break };
            next.cursor = Some(cursor.parse().unwrap());
        }
        prop_assert!(shown.is_sorted_by_key(|(prefix, ..)| *prefix), "{shown:?}");
        let once: BTreeSet<_> = shown.iter().cloned().collect();
        prop_assert_eq!(once.len(), shown.len(), "something comes twice: {:?}", shown);
        prop_assert!(once.is_superset(&stays), "missing: {:?}", &stays - &once);
        prop_assert!(once.is_subset(&ever), "never asked for: {:?}", &once - &ever);
    }
}

/// What a slice found out about a set of attributes says nothing of the next one, in which the number may
/// stand for another set.
#[test]
fn a_number_that_is_given_out_again_between_slices_hides_nothing() {
    let asked = "65102:1";
    let tagged = |value: u32| {
        Builder::new(&[NODE_AS], ip(NODE)).communities(&[Community::Standard(NODE_AS << 16 | value)])
    };
    let alike = |value: &u32| Hint::of(&format!("{NODE_AS}:{value}")) == Hint::of(asked);
    let other = (2..10_000).find(alike).expect("hints are few");
    let mut world = World::new();
    let node = world.up("leaf1", NODE, NODE_AS, NODE);
    world.announce_as(&node, &tagged(1).med(1), &["10.244.1.0/26"]);
    world.announce_as(&node, &tagged(other), &["10.244.1.64/26"]);
    let attributes = |world: &World, prefix| {
        let mut paths = world.core.rib.exact(net(prefix));
        paths.next().expect("the route").attributes
    };
    let looked_at = attributes(&world, "10.244.1.64/26");

    let query = RouteQuery { community: Some(asked.to_owned()), ..RouteQuery::default() };
    let mut search = Search::within(Reach { walk: 0, most: 10, sift: 10, stride: 1 }, query);
    assert!(!world.core.search(&mut search, 1), "one route was looked at");
    world.withdraw(&node, &["10.244.1.64/26"]);
    world.announce_as(&node, &tagged(1).med(2), &["10.244.1.0/26"]);
    assert_eq!(attributes(&world, "10.244.1.0/26"), looked_at, "the number of the other set");
    while !world.core.search(&mut search, 1) {}
    let page = search.finish(&world.core);
    assert_eq!(page.items.iter().map(|route| route.prefix).collect::<Vec<_>>(), [net("10.244.1.0/26")]);
}

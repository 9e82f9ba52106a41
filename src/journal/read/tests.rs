mod compare;
mod events;
mod model;
pub(super) mod plans;
mod runs;
mod trouble;

use super::*;
use crate::journal::testing::{Book, route};
use crate::observer::view::Route;
use crate::observer::{Match, RouteQuery};
use crate::time::Timestamp;

/// What a route is, but for when it came.
fn named(routes: &[Route]) -> Vec<String> {
    let name = |it: &Route| {
        let reasons: Vec<_> = it.reasons.iter().map(|reason| reason.name()).collect();
        format!("{} {} {} {} {} {}", it.prefix, it.leaf, it.peer, it.path_id, it.state, reasons.join(","))
    };
    routes.iter().map(name).collect()
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// All pages of what was there, each of at most `limit` routes.
fn all(reader: &Reader, time: u64, query: &RouteQuery) -> Vec<Route> {
    let (mut after, mut routes) = (None, Vec::new());
    loop {
        let page = reader.routes(at(time), query, after).unwrap();
        assert!(query.limit == 0 || page.items.len() <= query.limit);
        assert_eq!(page.at, Some(at(time)));
        routes.extend(page.items);
        let Some(cursor) = page.next_cursor else { return routes };
        after = Some(cursor.parse().unwrap());
    }
}

#[test]
fn shows_who_announced_what_at_a_time() {
    let book = Book::new();
    book.run(0, 900, None);
    let block = route("10.244.0.0/26", "192.168.1.1");
    let mut leak = route("0.0.0.0/0", "192.168.1.2");
    (leak.class, leak.state) = (crate::policy::Class::Other, "rejected".into());
    leak.reasons = vec![crate::policy::Reason::DefaultRoute, crate::policy::Reason::AsPathTooLong];
    (leak.as_path, leak.med, leak.node) = ("65102 65103 {64512}".into(), Some(7), None);
    leak.communities = vec!["65102:1".into(), "65102:2:3".into()];
    book.announce(&block, 100);
    book.announce(&leak, 200);
    book.withdraw(&leak, 300);
    let reader = Reader::open(&book.path).unwrap();
    let shown = |time| all(&reader, time, &RouteQuery::default());
    assert!(shown(99).is_empty());
    assert_eq!(named(&shown(100)), ["10.244.0.0/26 rack1 192.168.1.1 0 accepted "]);
    let both = shown(200);
    assert_eq!(both.len(), 2);
    leak.since = at(200);
    assert_eq!(both[0], leak);
    assert_eq!(shown(299).len(), 2);
    assert_eq!(named(&shown(300)), named(&shown(100)));
}

#[test]
fn every_filter_finds_its_own() {
    let book = Book::new();
    book.run(0, 900, None);
    let mut routes = vec![route("10.244.0.0/26", "192.168.1.1"), route("10.244.0.64/26", "192.168.1.2")];
    let mut other = route("10.244.0.9/32", "fd00::1");
    (other.leaf, other.node, other.cluster, other.vrf) =
        ("rack2".into(), Some("n2".into()), "blue".into(), "prod".into());
    (other.class, other.state) = (crate::policy::Class::PodHost, "rejected".into());
    other.reasons = vec![crate::policy::Reason::AsPathTooLong, crate::policy::Reason::OwnAsInPath];
    other.communities = vec!["1:2".into(), "3:4".into()];
    routes.push(other);
    for route in &routes {
        book.announce(route, 100);
    }
    let reader = Reader::open(&book.path).unwrap();
    let prefix = |text: &str, matching| RouteQuery { matching, ..RouteQuery::of(text.parse().unwrap()) };
    let text = |text: &str| Some(text.to_owned());
    for (query, expected) in [
        (prefix("10.244.0.0/26", Match::Exact), &[0][..]),
        (prefix("10.244.0.0/26", Match::Longer), &[0, 2]),
        (prefix("10.244.0.9/32", Match::Covering), &[0, 2]),
        (prefix("10.244.0.0/25", Match::Longer), &[0, 2, 1]),
        (prefix("10.244.0.0/25", Match::Exact), &[]),
        (prefix("::/0", Match::Longer), &[]),
        (RouteQuery { class: Some(crate::policy::Class::PodHost), ..RouteQuery::default() }, &[2]),
        (RouteQuery { node: text("n2"), ..RouteQuery::default() }, &[2]),
        (RouteQuery { leaf: text("rack1"), ..RouteQuery::default() }, &[0, 1]),
        (RouteQuery { peer: "192.168.1.2".parse().ok(), ..RouteQuery::default() }, &[1]),
        (RouteQuery { cluster: text("blue"), ..RouteQuery::default() }, &[2]),
        (RouteQuery { vrf: text("default"), ..RouteQuery::default() }, &[0, 1]),
        (RouteQuery { reason: Some(crate::policy::Reason::OwnAsInPath), ..RouteQuery::default() }, &[2]),
        (RouteQuery { reason: Some(crate::policy::Reason::AsSet), ..RouteQuery::default() }, &[]),
        (RouteQuery { community: text("3:4"), ..RouteQuery::default() }, &[2]),
        (RouteQuery { community: text("3"), ..RouteQuery::default() }, &[]),
        (RouteQuery { state: Some(crate::observer::StateFilter::Rejected), ..RouteQuery::default() }, &[2]),
        (
            RouteQuery { state: Some(crate::observer::StateFilter::Accepted), ..RouteQuery::default() },
            &[0, 1],
        ),
        (RouteQuery { node: text("n2"), leaf: text("rack1"), ..RouteQuery::default() }, &[]),
    ] {
        let expected: Vec<Route> = expected.iter().map(|which| routes[*which].clone()).collect();
        for limit in [0, 1, 2] {
            let query = RouteQuery { limit, ..query.clone() };
            assert_eq!(named(&all(&reader, 500, &query)), named(&expected), "{query:?}");
        }
    }
    let stale = RouteQuery { state: Some(crate::observer::StateFilter::Stale), ..RouteQuery::default() };
    assert!(matches!(reader.routes(at(500), &stale, None), Err(Trouble::Question(_))));
}

#[test]
fn a_cursor_holds_while_rows_are_added() {
    let book = Book::new();
    book.run(0, 9_000, None);
    let peers: Vec<_> = (1..=5).map(|n| format!("192.168.1.{n}")).collect();
    for prefix in ["10.244.0.0/26", "10.244.0.64/26", "10.244.0.128/26"] {
        for peer in &peers {
            book.announce(&route(prefix, peer), 100);
        }
    }
    let reader = Reader::open(&book.path).unwrap();
    let query = RouteQuery { limit: 4, ..RouteQuery::default() };
    let whole = named(&all(&reader, 500, &query));
    assert_eq!(whole.len(), 15);
    let (mut after, mut seen, mut time) = (None, Vec::new(), 500);
    loop {
        // What is asked for later is the time that was asked for first.
        let page = reader.routes(at(time), &query, after).unwrap();
        seen.extend(named(&page.items));
        let Some(cursor) = page.next_cursor else { break };
        after = Some(cursor.parse().unwrap());
        time += 1_000;
        let time = i64::try_from(time).unwrap();
        book.announce(&route("10.244.0.64/26", "192.168.1.0"), time);
        book.withdraw(&route("10.244.0.64/26", "192.168.1.3"), time);
        book.announce(&route("10.244.0.128/26", "192.168.1.3"), time);
    }
    assert_eq!(seen, whole);
}

#[test]
fn a_history_tells_who_announced_a_prefix_when() {
    let book = Book::new();
    book.run(0, 900, None);
    let (one, two) = (route("10.244.0.0/26", "192.168.1.1"), route("10.244.0.0/26", "192.168.1.2"));
    book.announce(&one, 100);
    book.withdraw(&one, 200);
    book.announce(&two, 200);
    book.announce(&route("10.244.0.64/26", "192.168.1.1"), 250);
    let mut other = two.clone();
    other.communities = vec!["1:2".into()];
    book.announce(&other, 300);
    let reader = Reader::open(&book.path).unwrap();
    let history = |query: &RouteQuery, since: Option<u64>, until: Option<u64>| {
        let (mut cursor, mut spells): (Option<String>, Vec<_>) = (None, Vec::new());
        loop {
            let page = reader.history(query, since.map(at), until.map(at), cursor.as_deref()).unwrap();
            spells.extend(page.items.into_iter().map(|spell| {
                let until = spell.until.map(Timestamp::as_micros);
                (spell.route.since.as_micros(), until, spell.route.peer.to_string())
            }));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return spells;
            }
        }
    };
    let spell = |since, until, peer: &str| (since, until, format!("192.168.1.{peer}"));
    let expected = [spell(100, Some(200), "1"), spell(200, Some(300), "2"), spell(300, None, "2")];
    for limit in [0, 1, 2] {
        let query = RouteQuery { limit, ..RouteQuery::of("10.244.0.0/26".parse().unwrap()) };
        assert_eq!(history(&query, None, None), expected);
        assert_eq!(history(&query, Some(250), None), expected[1..]);
        assert_eq!(history(&query, None, Some(250)), expected[..2]);
        let covering = RouteQuery {
            limit,
            matching: Match::Covering,
            ..RouteQuery::of("10.244.0.1/32".parse().unwrap())
        };
        assert_eq!(history(&covering, None, None), expected);
        let longer =
            RouteQuery { limit, matching: Match::Longer, ..RouteQuery::of("10.244.0.0/16".parse().unwrap()) };
        assert_eq!(history(&longer, None, None).len(), 4);
        let of_peer = RouteQuery { peer: "192.168.1.1".parse().ok(), ..query };
        assert_eq!(history(&of_peer, None, None), expected[..1]);
    }
}

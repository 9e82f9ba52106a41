use super::*;
use crate::journal::query::EventQuery;
use crate::observer::view::Event;

fn event(time: u64, kind: &str, prefix: Option<&str>, node: &str) -> Event {
    Event {
        at: at(time),
        kind: kind.to_owned(),
        cluster: Some("default".into()),
        leaf: Some("rack1".into()),
        peer: "192.168.1.1".parse().ok(),
        node: Some(node.to_owned()),
        prefix: prefix.map(|prefix| prefix.parse().unwrap()),
        text: "\u{1b}[2J<script>alert('\"')</script>".into(),
        ..Event::default()
    }
}

fn ids(reader: &Reader, query: &EventQuery) -> Vec<u64> {
    let (mut query, mut ids) = (query.clone(), Vec::new());
    loop {
        let page = reader.events(&query).unwrap();
        ids.extend(page.items.iter().map(|event| event.id));
        let Some(cursor) = page.next_cursor else { return ids };
        query.cursor = Some(cursor.parse().unwrap());
    }
}

#[test]
fn filters_events_as_the_ring_would() {
    let book = Book::new();
    let mut events = vec![
        event(100, "peer_up", None, "node1"),
        event(200, "route_accepted", Some("10.244.0.0/26"), "node1"),
        event(300, "route_rejected", Some("0.0.0.0/0"), "node2"),
        // Written a moment late.
        event(250, "route_accepted", Some("10.244.0.9/32"), "node2"),
        event(400, "peer_down", None, "node2"),
        event(500, "reload", None, "node3"),
        event(600, "route_withdrawn", Some("fd00::/64"), "node1"),
    ];
    events[5].actor = Some("alice".into());
    for event in &mut events {
        event.id = book.event(event);
    }
    let reader = Reader::open(&book.path).unwrap();
    assert_eq!(reader.events(&EventQuery::default()).unwrap().items, events);
    let kinds = |text: &str| EventQuery { kinds: text.parse().ok(), ..EventQuery::default() };
    let prefix =
        |text: &str, matching| EventQuery { prefix: text.parse().ok(), matching, ..EventQuery::default() };
    let queries = [
        EventQuery::default(),
        EventQuery { after: 3, ..EventQuery::default() },
        EventQuery { since: Some(at(250)), ..EventQuery::default() },
        EventQuery { until: Some(at(250)), ..EventQuery::default() },
        EventQuery { since: Some(at(250)), until: Some(at(400)), ..EventQuery::default() },
        EventQuery { since: Some(at(700)), ..EventQuery::default() },
        kinds("peer"),
        kinds("route_*"),
        kinds("reload,peer_up"),
        kinds("nothing"),
        prefix("10.244.0.0/26", Match::Exact),
        prefix("10.244.0.0/16", Match::Longer),
        prefix("10.244.0.9/32", Match::Covering),
        prefix("::/0", Match::Longer),
        EventQuery { kinds: "route_re*,peer".parse().ok(), ..prefix("0.0.0.0/0", Match::Longer) },
        EventQuery { node: Some("node2".into()), ..EventQuery::default() },
        EventQuery { node: Some("node2".into()), ..kinds("route") },
        EventQuery { leaf: Some("rack2".into()), ..EventQuery::default() },
        EventQuery { cluster: Some("default".into()), after: 6, ..EventQuery::default() },
        EventQuery { vrf: Some("default".into()), ..EventQuery::default() },
        EventQuery { peer: "192.168.1.1".parse().ok(), ..EventQuery::default() },
        EventQuery { actor: Some("alice".into()), ..EventQuery::default() },
    ];
    for query in queries {
        let mut expected: Vec<u64> = events.iter().filter(|it| query.wants(it)).map(|it| it.id).collect();
        for limit in [0, 1, 2] {
            let query = EventQuery { limit, ..query.clone() };
            assert_eq!(ids(&reader, &query), expected, "{query:?}");
        }
        expected.reverse();
        for limit in [0, 1, 2] {
            let query = EventQuery { limit, newest: true, ..query.clone() };
            assert_eq!(ids(&reader, &query), expected, "{query:?}");
        }
    }
}

#[test]
fn windows_leave_nothing_out() {
    // As many events as three windows hold, of which few are wanted.
    let book = Book::new();
    book.at_once(|| {
        book.event(&event(1, "reload", None, "a"));
        book.connection.execute("UPDATE event SET id = 99999", []).unwrap();
        for id in [99_999, 100_000, 200_000, 250_000] {
            let next = format!("UPDATE sqlite_sequence SET seq = {id} WHERE name = 'event'");
            book.connection.execute(&next, []).unwrap();
            book.event(&event(id, "reload", None, "a"));
        }
    });
    let reader = Reader::open(&book.path).unwrap();
    let expected = [99_999, 100_000, 100_001, 200_001, 250_001];
    for limit in [0, 1, 2] {
        let query = EventQuery { limit, kinds: "reload".parse().ok(), ..EventQuery::default() };
        assert_eq!(ids(&reader, &query), expected);
        let mut newest = ids(&reader, &EventQuery { newest: true, ..query });
        newest.reverse();
        assert_eq!(newest, expected);
    }
}

#[test]
fn pages_hold_while_events_are_added() {
    let book = Book::new();
    for n in 1..=5 {
        book.event(&event(n * 100, "reload", None, "a"));
    }
    let reader = Reader::open(&book.path).unwrap();
    for newest in [false, true] {
        let mut query = EventQuery { limit: 2, newest, ..EventQuery::default() };
        let last = reader.events(&query).unwrap().last;
        let mut seen = Vec::new();
        loop {
            let page = reader.events(&query).unwrap();
            seen.extend(page.items.iter().map(|event| event.id));
            book.event(&event(1_000, "reload", None, "a"));
            let Some(cursor) = page.next_cursor else { break };
            query.cursor = Some(cursor.parse().unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    }
}

//! How `SQLite` looks for the answers: by an index, whatever is asked, though the tables are large.

use std::cell::RefCell;

use super::*;
use crate::journal::query::EventQuery;
use crate::observer::view::Event;

/// 200,000 rows of routes and as many events, of 2,000 prefixes.
fn large() -> Book {
    let book = Book::new();
    book.run(0, 1 << 40, None);
    let one = route("10.0.0.0/26", "192.168.1.1");
    book.at_once(|| {
        book.announce(&one, 1);
        let event = Event { kind: "route_accepted".into(), prefix: Some(one.prefix), ..Event::default() };
        book.event(&event);
        book.connection
            .execute_batch(
                "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 200000)
                 INSERT INTO route (prefix, peer, path_id, announcer, attributes, class, state, reasons, since, until)
                 SELECT unhex(printf('040a%04x401a', n % 2000 + 1)), 1, n, 1, 1, 'pod_block', 'accepted', '',
                        n, CASE WHEN n % 4 THEN n + 10 END FROM n;
                 WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 200000)
                 INSERT INTO event (at, kind, prefix, text)
                 SELECT n, CASE n % 3 WHEN 0 THEN 'peer_up' ELSE 'route_accepted' END,
                        unhex(printf('040a%04x401a', n % 2000 + 1)), 'x' FROM n;",
            )
            .unwrap();
    });
    book
}

thread_local! {
    /// What was asked of `SQLite` while somebody wants to know.
    static ASKED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// A reader asks this.
pub(in crate::journal::read) fn note(sql: &str) {
    ASKED.with_borrow_mut(|asked| asked.iter_mut().for_each(|asked| asked.push(sql.to_owned())));
}

/// All plans of what `question` asks.
fn plans(book: &Book, question: impl FnOnce(&Reader)) -> Vec<String> {
    ASKED.set(Some(Vec::new()));
    question(&Reader::open(&book.path).unwrap());
    let mut plans = Vec::new();
    for sql in ASKED.take().unwrap() {
        let mut explain = book.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = explain.raw_query();
        while let Some(row) = rows.next().unwrap() {
            plans.push(row.get::<_, String>(3).unwrap());
        }
    }
    assert!(!plans.is_empty());
    plans
}

#[test]
fn every_question_goes_by_an_index() {
    let book = large();
    let prefix = |text: &str, matching| RouteQuery { matching, ..RouteQuery::of(text.parse().unwrap()) };
    let routes = [
        prefix("10.1.0.64/26", Match::Exact),
        prefix("10.1.0.0/16", Match::Longer),
        prefix("10.1.0.64/32", Match::Covering),
        RouteQuery { node: Some("nobody".into()), ..RouteQuery::default() },
    ];
    let now = at(100_000);
    for query in routes {
        let plans = [
            plans(&book, |reader| drop(reader.routes(now, &query, None).unwrap())),
            plans(&book, |reader| drop(reader.history(&query, None, None, None).unwrap())),
            plans(&book, |reader| drop(reader.compare(at(99_000), now, &query, None).unwrap())),
        ];
        for plan in plans.iter().flatten() {
            let is_large = ["SCAN route", "SCAN event", "SCAN finding", "SCAN member"]
                .iter()
                .any(|it| plan.starts_with(it));
            assert!(!is_large, "{query:?}: {plan}");
        }
        assert!(plans[0].iter().any(|plan| plan.starts_with("SEARCH route USING INDEX route_prefix (prefix>? AND prefix<?)")), "{plans:?}");
        assert!(
            plans[1].iter().any(|plan| plan.starts_with("SEARCH route USING INDEX route_prefix")),
            "{plans:?}"
        );
        assert!(!plans.iter().flatten().any(|plan| plan.contains("TEMP B-TREE")), "{plans:?}");
    }
    let event =
        |text: &str, matching| EventQuery { prefix: text.parse().ok(), matching, ..EventQuery::default() };
    for (query, expected) in [
        (event("10.1.0.64/26", Match::Exact), "SEARCH event USING INDEX event_prefix (prefix=? AND"),
        (event("10.1.0.64/32", Match::Covering), "SEARCH event USING INDEX event_prefix (prefix=? AND"),
        (event("10.1.0.0/16", Match::Longer), "SEARCH event USING INDEX event_prefix (prefix>? AND prefix<?"),
        (
            EventQuery { kinds: "peer".parse().ok(), ..EventQuery::default() },
            "SEARCH event USING INDEX event_kind (kind=? AND",
        ),
        (
            EventQuery { since: Some(now), ..EventQuery::default() },
            "SEARCH event USING COVERING INDEX event_at (at>? AND at<?)",
        ),
        (
            EventQuery { after: 150_000, ..EventQuery::default() },
            "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
        (
            EventQuery { node: Some("a".into()), ..EventQuery::default() },
            "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
    ] {
        for newest in [false, true] {
            let plans =
                plans(&book, |reader| drop(reader.events(&EventQuery { newest, ..query.clone() }).unwrap()));
            assert!(!plans.iter().any(|plan| plan.starts_with("SCAN event")), "{query:?}: {plans:?}");
            assert!(plans.iter().any(|plan| plan.starts_with(expected)), "{query:?}: {plans:?}");
        }
    }
}

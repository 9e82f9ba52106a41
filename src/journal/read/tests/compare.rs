use super::*;
use crate::journal::view::{Changes, Difference};
use crate::observer::view::Finding;

fn finding(id: &str, summary: &str) -> Finding {
    let text = format!(
        r#"{{"id":"{id}","kind":"rogue_route","severity":"critical","state":"open","muted":null,"muted_because":null,
        "cluster":"default","vrf":"default","leaf":"rack1","peer":"192.168.1.1","node":"node1","prefix":"0.0.0.0/0",
        "reason":"default_route","summary":"{summary}","advice":"","evidence":[],"absorbs":[],"absorbs_total":0,
        "since":"2026-11-21T03:12:00Z","opened":null,"resolved":null}}"#
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn finds_what_differs_and_nothing_that_came_back() {
    let book = Book::new();
    book.run(0, 900, None);
    let [gone, new, flapped, moved, judged, calm] =
        [1, 2, 3, 4, 5, 6].map(|n| route(&format!("10.244.{n}.0/26"), "192.168.1.1"));
    for it in [&gone, &flapped, &moved, &judged, &calm] {
        book.announce(it, 100);
    }
    book.withdraw(&gone, 300);
    book.announce(&new, 300);
    book.withdraw(&flapped, 300);
    book.announce(&flapped, 310);
    let mut moved_on = moved.clone();
    moved_on.node = Some("node2".into());
    book.announce(&moved_on, 300);
    let mut rejected = judged.clone();
    (rejected.state, rejected.reasons) = ("rejected".into(), vec![crate::policy::Reason::NotAllowed]);
    rejected.med = Some(5);
    book.announce(&rejected, 300);
    book.finding(&finding("f1", "lasts"), 100, None);
    book.finding(&finding("f2", "over"), 100, Some(350));
    book.finding(&finding("f3", "one"), 100, Some(320));
    book.finding(&finding("f3", "one and 2 more"), 320, None);
    book.finding(&finding("f4", "begins"), 330, None);
    book.member("fabric1", "uni/tn-a/out-b/instP-c", "10.244.1.7/32", 100, Some(340));
    book.member("fabric1", "uni/tn-a/out-b/instP-d", "10.244.1.7/32", 340, None);
    let reader = Reader::open(&book.path).unwrap();

    let seen = |query: &RouteQuery| {
        let (mut after, mut lines) = (None, Vec::new());
        loop {
            let page = reader.compare(at(200), at(400), query, after).unwrap();
            lines.extend(page.items.iter().map(line));
            let Some(cursor) = page.next_cursor else { return (lines, page.counts) };
            after = Some(cursor.parse().unwrap());
        }
    };
    let expected = [
        "route gone 10.244.1.0/26",
        "route new 10.244.2.0/26",
        "route changed 10.244.4.0/26",
        "verdict changed 10.244.5.0/26",
        "finding gone f2",
        "finding changed f3",
        "finding new f4",
        "member gone uni/tn-a/out-b/instP-c",
        "member new uni/tn-a/out-b/instP-d",
    ];
    for limit in [0, 1, 2, 4] {
        let (lines, counts) = seen(&RouteQuery { limit, ..RouteQuery::default() });
        assert_eq!(lines, expected);
        assert_eq!(counts.routes, Changes { new: 1, gone: 1, changed: 1 });
        assert_eq!(counts.verdicts, Changes { changed: 1, ..Changes::default() });
        assert_eq!(counts.total(), 9);
    }
    let node = |node: &str| RouteQuery { node: Some(node.to_owned()), ..RouteQuery::default() };
    // Either side counts; members have no node.
    assert_eq!(seen(&node("node2")).0, ["route changed 10.244.4.0/26"]);
    assert_eq!(seen(&node("node1")).0, expected[..7]);
    let leaf = RouteQuery { leaf: Some("rack9".to_owned()), ..RouteQuery::default() };
    assert!(seen(&leaf).0.is_empty());
    let prefix = RouteQuery { matching: Match::Longer, ..RouteQuery::of("10.244.1.0/24".parse().unwrap()) };
    assert_eq!(seen(&prefix).0, [expected[0], expected[7], expected[8]]);

    let same = reader.compare(at(400), at(400), &RouteQuery::default(), None).unwrap();
    assert_eq!((same.items.len(), same.counts.total()), (0, 0));
    let backwards = reader.compare(at(400), at(200), &RouteQuery::default(), None);
    assert!(matches!(backwards, Err(Trouble::Question(_))));
}

fn line(difference: &Difference) -> String {
    match difference {
        Difference::Route(it) => {
            format!("route {} {}", it.change, it.after.as_ref().or(it.before.as_ref()).unwrap().prefix)
        }
        Difference::Verdict(it) => {
            format!("verdict {} {}", it.change, it.after.as_ref().or(it.before.as_ref()).unwrap().prefix)
        }
        Difference::Finding(it) => {
            format!("finding {} {}", it.change, it.after.as_ref().or(it.before.as_ref()).unwrap().id)
        }
        Difference::Member(it) => {
            format!("member {} {}", it.change, it.after.as_ref().or(it.before.as_ref()).unwrap().container)
        }
    }
}

#[test]
fn survives_being_written_as_json() {
    let book = Book::new();
    book.run(0, 900, None);
    book.announce(&route("10.244.1.0/26", "192.168.1.1"), 300);
    book.finding(&finding("f4", "begins"), 330, None);
    book.member("fabric1", "uni/tn-a", "10.244.1.7/32", 340, None);
    let reader = Reader::open(&book.path).unwrap();
    let page = reader.compare(at(0), at(800), &RouteQuery::default(), None).unwrap();
    let text = serde_json::to_string(&page).unwrap();
    assert!(
        text.contains(r#"{"what":"route","change":"new","before":null,"after":{"prefix":"10.244.1.0/26""#),
        "{text}"
    );
    // What people read has milliseconds.
    let read: crate::journal::view::Comparison = serde_json::from_str(&text).unwrap();
    assert_eq!((read.counts, read.items.len()), (page.counts, 3));
    let history =
        reader.history(&RouteQuery::of("10.244.1.0/26".parse().unwrap()), None, None, None).unwrap();
    let text = serde_json::to_string(&history).unwrap();
    assert!(text.contains(r#""until":null"#) && text.contains(r#""prefix":"10.244.1.0/26""#), "{text}");
    let read: crate::journal::view::Past<crate::journal::view::Spell> = serde_json::from_str(&text).unwrap();
    assert_eq!(read.items.len(), 1);
}

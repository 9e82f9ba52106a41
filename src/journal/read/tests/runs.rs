use super::*;

/// Two runs with nothing between 500 and 700, a third one that was killed at 900.
fn book() -> (Book, [Route; 3]) {
    let book = Book::new();
    book.run(100, 480, Some(500));
    book.run(700, 900, None);
    book.run(1_000, 1_000, None);
    let [lost, kept, late] = [1, 2, 3].map(|n| route(&format!("10.244.{n}.0/26"), "192.168.1.1"));
    book.announce(&lost, 200);
    book.announce(&kept, 200);
    // The run after found it gone.
    book.withdraw(&lost, 500);
    book.announce(&late, 800);
    (book, [lost, kept, late])
}

#[test]
fn says_when_nobody_listened_and_shows_what_was_there_before() {
    let (book, [lost, kept, late]) = book();
    let reader = Reader::open(&book.path).unwrap();
    let shown = |time| {
        let page = reader.routes(at(time), &RouteQuery::default(), None).unwrap();
        let prefixes: Vec<_> = page.items.iter().map(|route| route.prefix).collect();
        (prefixes, page.gaps)
    };
    for (time, expected, from, until) in [
        (50, &[][..], None, Some(100)),
        (499, &[&lost, &kept], None, None),
        // It stopped at this very time.
        (500, &[&kept], None, None),
        (501, &[&lost, &kept], Some(500), Some(700)),
        (699, &[&lost, &kept], Some(500), Some(700)),
        (700, &[&kept], None, None),
        (850, &[&kept, &late], None, None),
        (950, &[&kept, &late], Some(900), Some(1_000)),
        (1_000, &[&kept, &late], None, None),
    ] {
        let (prefixes, gaps) = shown(time);
        let expected: Vec<_> = expected.iter().map(|route| route.prefix).collect();
        assert_eq!(prefixes, expected, "{time}");
        let told = gaps.first().map_or((None, None), |gap| (gap.from, gap.until));
        assert_eq!(told, (from.map(at), until.map(at)), "{time}");
        assert_eq!(gaps.len(), usize::from(from.or(until).is_some()), "{time}");
    }
    assert!(shown(600).1[0].text.starts_with("thirdleaf did not run from 1970-01-01T00:00:00.000Z to "));
    assert!(shown(50).1[0].text.starts_with("the journal begins at "));
    // The last run may run still, but not for long without a sign of it.
    assert!(shown(1_000 + 14_000_000).1.is_empty());
    assert_eq!(
        shown(1_000 + 16_000_000).1[0].text,
        "thirdleaf did not run since 1970-01-01T00:00:00.001Z; shown is what was there at 1970-01-01T00:00:00.001Z"
    );
    let live = Reader::live(&book.path).unwrap();
    assert!(live.routes(at(1 << 50), &RouteQuery::default(), None).unwrap().gaps.is_empty());
}

#[test]
fn while_nothing_could_be_written_what_was_there_before_is_shown_alone() {
    let book = Book::new();
    book.run(100, 500, None);
    book.run(700, 900, None);
    let before = route("10.244.1.0/26", "192.168.1.1");
    let after = Route { as_path: "65102 65102".into(), ..before.clone() };
    book.announce(&before, 200);
    // What took its place at 600 was known at 700.
    book.withdraw(&before, 500);
    book.announce(&after, 600);
    let reader = Reader::open(&book.path).unwrap();
    for (time, expected) in [(499, &before), (550, &before), (650, &before), (700, &after)] {
        let page = reader.routes(at(time), &RouteQuery::default(), None).unwrap();
        let paths: Vec<_> = page.items.iter().map(|route| &route.as_path).collect();
        assert_eq!(paths, [&expected.as_path], "{time}");
    }
}

#[test]
fn compares_times_when_nobody_listened() {
    let (book, [lost, _, late]) = book();
    book.event(&crate::observer::view::Event {
        at: at(850),
        kind: "journal_gap".into(),
        text: "not all was written".into(),
        ..Default::default()
    });
    let reader = Reader::open(&book.path).unwrap();
    let compared = |from, to| {
        let page = reader.compare(at(from), at(to), &RouteQuery::default(), None).unwrap();
        let texts: Vec<_> = page.gaps.into_iter().map(|gap| gap.text).collect();
        let changes: Vec<_> = page
            .items
            .into_iter()
            .map(|item| match item {
                crate::journal::view::Difference::Route(pair) => {
                    let route = pair.after.or(pair.before).unwrap();
                    (pair.change.to_string(), route.prefix)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        (changes, texts)
    };
    let (gone, new) = ("gone".to_owned(), "new".to_owned());
    assert_eq!(compared(450, 600).0, []);
    assert_eq!(compared(550, 600).0, []);
    assert_eq!(compared(550, 600).1.len(), 1);
    let (changes, texts) = compared(550, 750);
    assert_eq!(changes, [(gone.clone(), lost.prefix)]);
    assert_eq!(texts.len(), 1, "{texts:?}");
    let (changes, texts) = compared(450, 1_000);
    assert_eq!(changes, [(gone.clone(), lost.prefix), (new, late.prefix)]);
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(texts[2], "not all was written");
    assert_eq!(compared(450, 720).0, [(gone, lost.prefix)]);
}

#[test]
fn says_how_far_back_it_goes() {
    let book = Book::new();
    book.run(100, 900, None);
    for time in [300, 400] {
        book.event(&crate::observer::view::Event { at: at(time), kind: "x".into(), ..Default::default() });
    }
    let gaps = |time| {
        let reader = Reader::open(&book.path).unwrap();
        reader.routes(at(time), &RouteQuery::default(), None).unwrap().gaps
    };
    assert!(gaps(200).is_empty());
    book.connection.execute("DELETE FROM event WHERE id = 1", []).unwrap();
    assert!(gaps(300)[0].text.starts_with("the journal goes back to "), "{:?}", gaps(300));
    assert!(gaps(400).is_empty());
}

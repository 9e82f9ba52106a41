use super::super::tests::{HOSTILE, is_clean};
use super::*;
use crate::journal::view::Source;
use crate::web::params::Params;

const NOW: Timestamp = Timestamp::from_micros(1_763_760_000_000_000);

fn event(id: u64, kind: &str) -> Event {
    Event { id, at: NOW, kind: kind.into(), text: format!("text {id}"), ..Event::default() }
}

fn query(pairs: &[(&str, &str)]) -> Query {
    Query::new(Params::of(
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    ))
}

fn wanted(event: &Event, pairs: &[(&str, &str)]) -> bool {
    read(&query(pairs)).unwrap().wants(event)
}

#[test]
fn events_are_found_by_what_they_are_about() {
    let up = Event { node: Some("node1".into()), ..event(1, "peer_up") };
    let route = Event { prefix: "10.244.0.64/26".parse().ok(), ..event(4, "route_rejected") };
    assert!(wanted(&up, &[]) && !wanted(&route, &[]), "not every route");
    assert!(wanted(&route, &[("kind", "all")]) && wanted(&up, &[("kind", "all")]));
    assert!(!wanted(&up, &[("kind", "reload")]) && wanted(&event(3, "reload"), &[("kind", "reload")]));
    assert!(wanted(&up, &[("node", "node1")]) && !wanted(&up, &[("node", "node2")]));
    assert!(wanted(&route, &[("prefix", "10.244.0.0/16")]) && !wanted(&route, &[("prefix", "10.1.0.0/16")]));
    for wrong in [("cursor", "x"), ("prefix", "x"), ("x", "y"), ("kind", "No kind")] {
        assert!(read(&query(&[wrong])).is_err(), "{wrong:?}");
    }
}

#[test]
fn older_ones_are_a_page_further() {
    let events = |next: Option<&str>| Events {
        items: (1..=40).rev().map(|id| event(id, "peer_up")).collect(),
        next_cursor: next.map(str::to_owned),
        total: None,
        last: 40,
        source: Source::Memory,
    };
    let drawn = list(&events(Some("1~0")), &Query::default(), NOW).into_string();
    assert!(drawn.contains("href=\"timeline?cursor=1~0\"") && !drawn.contains("newest</a>"), "{drawn}");
    assert!(drawn.matches("<tr data-key").count() == 40 && drawn.len() < 20_000, "{}", drawn.len());
    let last = list(&events(None), &query(&[("cursor", "41~0"), ("node", "n")]), NOW).into_string();
    assert!(last.contains("href=\"timeline?node=n\"") && !last.contains("older</a>"), "{last}");
}

#[test]
fn what_others_wrote_is_text() {
    for hostile in HOSTILE.map(str::to_owned).into_iter().chain(["x".repeat(10_000)]) {
        let (node, actor) = (Some(hostile.clone()), Some(hostile.clone()));
        let wrong = Event { kind: hostile.clone(), text: hostile.clone(), node, actor, ..event(1, "") };
        let drawn =
            row(&wrong, NOW).into_string() + &form(&Query::default(), &[Arc::new(wrong)]).into_string();
        assert!(is_clean(&drawn), "{drawn}");
    }
}

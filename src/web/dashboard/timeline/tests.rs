use super::super::tests::{HOSTILE, is_clean};
use super::*;
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

fn shown(events: &[Event], pairs: &[(&str, &str)]) -> Vec<u64> {
    let kept: Vec<_> = events.iter().cloned().map(Arc::new).collect();
    let query = query(pairs);
    let drawn = list(&kept, &Filter::read(&query).unwrap(), &query, NOW).into_string();
    let keys = drawn.split("<tr data-key=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok());
    keys.collect()
}

#[test]
fn events_are_found_by_what_they_are_about() {
    let mut all =
        vec![event(1, "peer_up"), event(2, "route_accepted"), event(3, "reload"), event(4, "route_rejected")];
    all[0].node = Some("node1".into());
    all[3].prefix = "10.244.0.64/26".parse().ok();
    assert_eq!(shown(&all, &[]), [3, 1], "the newest first, and not every route");
    assert_eq!(shown(&all, &[("kind", "all")]), [4, 3, 2, 1]);
    assert_eq!(shown(&all, &[("kind", "reload")]), [3]);
    assert_eq!(shown(&all, &[("node", "node1")]), [1]);
    assert_eq!(shown(&all, &[("prefix", "10.244.0.0/16")]), [4]);
    assert_eq!(shown(&all, &[("prefix", "10.1.0.0/16")]), [0_u64; 0]);
    assert_eq!(shown(&all, &[("kind", "all"), ("before", "3")]), [2, 1]);
    for wrong in [("before", "x"), ("prefix", "x"), ("x", "y")] {
        assert!(Filter::read(&query(&[wrong])).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_full_ring_is_paged() {
    let all: Vec<_> = (1..=10_000).map(|id| event(id, "peer_up")).collect();
    let first = shown(&all, &[]);
    assert_eq!((first.len(), first[0], first[39]), (40, 10_000, 9_961));
    assert_eq!(shown(&all, &[("before", "9961")])[0], 9_960);
    let kept: Vec<_> = all.into_iter().map(Arc::new).collect();
    let drawn = list(&kept, &Filter::default(), &Query::default(), NOW).into_string();
    assert!(drawn.contains("href=\"timeline?before=9961\"") && drawn.len() < 20_000, "{}", drawn.len());
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

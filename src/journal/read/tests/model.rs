//! The journal against a list of all that happened, at random times.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::journal::view::{Change, Difference};
use crate::policy::Reason;

/// A route came, is another, or went.
#[derive(Clone, Debug)]
struct Step {
    prefix: usize,
    peer: u8,
    path_id: u32,
    what: What,
    later: u64,
}

#[derive(Clone, Debug)]
enum What {
    Announce { community: u8, rejected: bool },
    Withdraw,
}

const PREFIXES: [&str; 6] =
    ["0.0.0.0/0", "10.244.0.0/16", "10.244.0.0/26", "10.244.0.64/26", "fd00::/64", "fd00::1/128"];

fn step() -> impl Strategy<Value = Step> {
    let announce =
        (0..3_u8, any::<bool>()).prop_map(|(community, rejected)| What::Announce { community, rejected });
    let what = prop_oneof![3 => announce, 2 => Just(What::Withdraw)];
    (0..PREFIXES.len(), 1..4_u8, 0..2_u32, what, 0..3_u64)
        .prop_map(|(prefix, peer, path_id, what, later)| Step { prefix, peer, path_id, what, later })
}

fn routed(step: &Step) -> Route {
    let mut route = route(PREFIXES[step.prefix], &format!("192.168.1.{}", step.peer));
    route.path_id = step.path_id;
    if let What::Announce { community, rejected } = step.what {
        route.communities = vec![format!("65102:{community}")];
        if rejected {
            (route.state, route.reasons) = ("rejected".into(), vec![Reason::NotAllowed]);
        }
    }
    route
}

/// What is there after each step, by its time; of equal times the last counts.
type State = BTreeMap<String, Route>;

fn states(steps: &[Step], book: &Book) -> Vec<(u64, State)> {
    let (mut now, mut state, mut states) = (100, State::new(), vec![(0, State::new())]);
    for step in steps {
        now += step.later;
        let mut route = routed(step);
        let key = format!("{} {} {}", route.prefix, route.peer, route.path_id);
        let micros = i64::try_from(now).unwrap();
        match step.what {
            What::Announce { .. } => {
                // The writer opens no row for what is as it was.
                let is_same = state.get(&key).is_some_and(|known| {
                    (&known.communities, &known.state) == (&route.communities, &route.state)
                });
                if !is_same {
                    route.since = at(now);
                    book.announce(&route, micros);
                    state.insert(key, route);
                }
            }
            What::Withdraw => {
                book.withdraw(&route, micros);
                state.remove(&key);
            }
        }
        states.push((now, state.clone()));
    }
    states
}

fn state_at(states: &[(u64, State)], time: u64) -> &State {
    &states.iter().rfind(|(since, _)| *since <= time).unwrap().1
}

/// Whether they differ in more than when they came.
fn differ(a: Option<&Route>, b: Option<&Route>) -> bool {
    let plain = |route: &Route| Route { since: at(0), ..route.clone() };
    a.map(plain) != b.map(plain)
}

/// What differs by the list of what was there.
fn expected(before: &State, after: &State) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut lines: Vec<_> = keys
        .into_iter()
        .filter_map(|key| {
            let (a, b) = (before.get(key), after.get(key));
            differ(a, b).then(|| {
                let is_verdict = a.is_some_and(|a| b.is_some_and(|b| a.state != b.state));
                format!("{} {a:?} {b:?}", if is_verdict { "verdict" } else { "route" })
            })
        })
        .collect();
    lines.sort();
    lines
}

fn compared(reader: &Reader, from: u64, to: u64, limit: usize) -> Vec<String> {
    let query = RouteQuery { limit, ..RouteQuery::default() };
    let (mut after, mut lines) = (None, Vec::new());
    loop {
        let page = reader.compare(at(from), at(to), &query, after).unwrap();
        for item in page.items {
            let (what, pair) = match item {
                Difference::Route(pair) => ("route", pair),
                Difference::Verdict(pair) => ("verdict", pair),
                other => panic!("{other:?}"),
            };
            let change = match (&pair.before, &pair.after) {
                (None, _) => Change::New,
                (_, None) => Change::Gone,
                _ => Change::Changed,
            };
            assert_eq!(pair.change, change);
            lines.push(format!("{what} {:?} {:?}", pair.before.as_ref(), pair.after.as_ref()));
        }
        let Some(cursor) = page.next_cursor else {
            assert_eq!(page.counts.total(), lines.len() as u64);
            lines.sort();
            return lines;
        };
        after = Some(cursor.parse().unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn answers_what_a_list_of_all_that_happened_would(
        steps in prop::collection::vec(step(), 1..60),
        times in prop::collection::vec((90..220_u64, 90..220_u64), 1..6),
        limit in 1..5_usize,
    ) {
        let book = Book::new();
        book.run(0, 1_000, None);
        let mut states = Vec::new();
        book.at_once(|| states = self::states(&steps, &book));
        let reader = Reader::open(&book.path).unwrap();
        for (a, b) in times {
            let (from, to) = (a.min(b), a.max(b));
            for matching in [Match::Exact, Match::Longer, Match::Covering] {
                for prefix in [None, Some("10.244.0.0/16"), Some("fd00::1/128")] {
                    let prefix = prefix.map(|prefix| prefix.parse().unwrap());
                    let query = RouteQuery { prefix, matching, limit, ..RouteQuery::default() };
                    let mut wanted: Vec<_> = state_at(&states, from).values().cloned().collect();
                    wanted.retain(|route| {
                        prefix.is_none_or(|wanted| crate::journal::query::relates(&route.prefix, matching, &wanted))
                    });
                    wanted.sort_by_key(|route| {
                        (crate::journal::prefix::key(&route.prefix), route.peer, route.path_id)
                    });
                    prop_assert_eq!(&all(&reader, from, &query), &wanted);
                }
            }
            let differs = expected(state_at(&states, from), state_at(&states, to));
            prop_assert_eq!(compared(&reader, from, to, limit), differs);
        }
    }
}

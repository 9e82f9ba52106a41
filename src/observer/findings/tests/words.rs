//! What is said of findings, and what to do about them.

use std::collections::BTreeMap;

use super::super::advice;
use super::*;

/// Every key for which something is said of its own.
fn keys() -> Vec<Key> {
    let routes = Reason::ALL.map(|reason| Key::rogue_route(scope(), reason, net("10.0.0.0/8")));
    let capacity = [Capacity::LpmExceeded, Capacity::Ecmp].map(|what| Key::fabric_capacity(scope(), what));
    let others = [Key::rogue_peer(scope(), peer(1)), Key::prefix_limit_near(scope(), peer(1))];
    let keys = every_key().into_iter().filter(|key| key.kind() != Kind::RogueRoute);
    keys.chain(routes).chain(capacity).chain(others).collect()
}

#[test]
fn for_every_cause_there_is_something_to_do_and_no_two_are_the_same() {
    let mut said = BTreeMap::new();
    for key in keys() {
        let advice = advice::of(&key);
        assert!(advice.len() > 60 && advice.len() < 420, "{key:?}: {advice}");
        assert!(!advice.ends_with('.') && !advice.contains("  "), "{key:?}: {advice}");
        assert_eq!(said.insert(advice, key.clone()), None, "{key:?}");
    }
}

#[test]
fn every_cause_is_told_in_a_sentence_of_its_own() {
    let mut told = BTreeMap::new();
    for key in keys() {
        let mut world = World::new();
        world.raise(&key);
        world.pass(0);
        let summary = world.only().summary;
        assert!(summary.contains(": ") || summary.len() > 60, "{key:?}: {summary}");
        assert!(!summary.contains("trouble of its kind"), "{key:?}: {summary}");
        assert_eq!(told.insert(summary, key.clone()), None, "{key:?}");
    }
}

#[test]
fn near_a_limit_is_a_warning_and_above_it_critical() {
    let limit = [Key::prefix_limit_near(scope(), peer(1)), Key::prefix_limit(scope(), peer(1))];
    let table = [Capacity::Lpm, Capacity::LpmExceeded].map(|what| Key::fabric_capacity(scope(), what));
    for [near, above] in [limit, table] {
        assert_eq!((near.severity(), above.severity()), (Severity::Warning, Severity::Critical));
        let mut world = World::new();
        world.raise(&above);
        world.pass(0);
        assert_eq!(world.only().severity, "critical");
    }
}

#[test]
fn the_readme_says_of_every_kind_how_bad_it_is_and_when_it_opens() {
    let readme = include_str!("../../../../README.md");
    for kind in Kind::ALL {
        let head = format!("| `{kind}` | ");
        let row = readme.lines().find(|line| line.starts_with(&head)).unwrap_or_else(|| panic!("{kind}"));
        let after = match kind.open_after().as_secs() {
            0 => "at once".to_owned(),
            seconds => format!("{seconds} s"),
        };
        assert!(row.contains(&format!(" | {} | {after} | ", kind.severity())), "{row}");
    }
}

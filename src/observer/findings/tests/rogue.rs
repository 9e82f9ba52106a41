use super::*;

#[test]
fn a_rogue_route_lasts_until_its_last_peer_is_gone() {
    let mut world = World::new();
    world.rogue(1, rogue(1));
    world.pass(3);
    world.rogue(2, rogue(1));
    assert_eq!(world.changes(2), [Change::Open], "five seconds after the first");
    let finding = world.only();
    assert_eq!((finding.prefix, finding.reason), (Some(net("8.0.1.0/24")), Some(Reason::NotAllowed)));
    assert_eq!(finding.evidence[0], "node-1 (192.168.1.1 on rack1): AS path 1 2");
    assert_eq!((finding.leaf.as_deref(), finding.peer, finding.node), (Some("rack1"), None, None));

    world.no_rogue(1, rogue(1));
    assert_eq!(world.changes(0), []);
    let last = world.only();
    assert_eq!(last.node.as_deref(), Some("node-2"));
    world.no_rogue(2, rogue(1));
    let resolved = world.findings.tick(world.now).remove(0).finding;
    assert_eq!((resolved.state.as_str(), resolved.node.as_deref()), ("resolved", Some("node-2")));
    assert_eq!((resolved.summary, resolved.evidence), (last.summary, last.evidence), "who it was about");
}

#[test]
fn a_rogue_route_with_several_paths_lasts_until_the_last_path_is_gone() {
    let mut world = World::new();
    let other = Rogue { path_id: 7, ..rogue(1) };
    world.rogue(1, rogue(1));
    world.rogue(1, other);
    world.no_rogue(1, rogue(1));
    world.no_rogue(1, rogue(1));
    assert_eq!(world.changes(5), [Change::Pending, Change::Open]);
    world.no_rogue(1, other);
    assert_eq!(world.changes(0), [Change::Resolved]);
}

#[test]
fn more_than_ten_rogue_prefixes_of_a_peer_are_one_finding() {
    let mut world = World::new();
    for number in 1..=10 {
        world.rogue(1, rogue(number));
    }
    world.rogue(2, rogue(1));
    assert_eq!(world.current().len(), 10);
    world.pass(5);
    assert_eq!(world.counts(Kind::RogueRoute), (0, 10));

    world.rogue(1, rogue(11));
    let told = world.pass(0);
    let (changes, told): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    assert_eq!(changes[..2], [Change::Pending, Change::Open], "it lasts as long as the oldest: open at once");
    assert_eq!(changes[2..], [Change::Resolved; 9], "then those go that it replaces");
    let [single, whole] = &world.current()[..] else { panic!() };
    assert_eq!(
        single.evidence,
        ["node-2 (192.168.1.2 on rack1): AS path 1 2"],
        "another peer's stays its own"
    );
    assert_eq!(*whole, told[1]);
    assert_eq!((whole.peer, whole.prefix, whole.reason), (Some(peer(1).address), None, None));
    assert!(
        whole.summary.starts_with(
            "node-1 (192.168.1.1 on rack1) announces 11 routes that are rejected (11 not_allowed), "
        ),
        "{}",
        whole.summary
    );
    assert_eq!(whole.evidence.len(), MAX_PROOFS);
    assert_eq!(whole.evidence[0], "8.0.1.0/24: not_allowed");
    assert_eq!(whole.evidence[7], "and 4 more");

    for number in 12..=500 {
        world.rogue(1, rogue(number));
    }
    world.findings.rogues_not_kept(&announcer(1), 1000, world.now);
    assert_eq!(world.changes(60), []);
    let whole = &world.current()[1];
    assert_eq!(whole.evidence[7], "and 1493 more");
    assert!(whole.summary.contains(" 1500 routes that are rejected (500 not_allowed, 1000 not kept), "));
}

#[test]
fn a_roll_up_that_was_told_ends_with_the_last_of_its_routes() {
    let mut world = World::new();
    for number in 1..=11 {
        world.rogue(1, rogue(number));
    }
    world.pass(5);
    let whole = world.only();
    for number in (2..=11).rev() {
        world.no_rogue(1, rogue(number));
        assert_eq!((world.changes(60), world.only().id), (vec![], whole.id.clone()), "{number} is gone");
    }
    assert!(world.only().summary.contains("announces 1 route that is rejected"), "{}", world.only().summary);
    world.no_rogue(1, rogue(1));
    assert_eq!(world.changes(0), [Change::Resolved]);
    assert!(world.findings.rogues.is_empty() && world.findings.unrolls.is_empty());
}

#[test]
fn a_roll_up_that_nobody_was_told_of_falls_apart_when_few_were_left_for_a_minute_and_not_before() {
    let mut world = World::with(&[(Kind::RogueRoute, 300)]);
    for number in 1..=11 {
        world.rogue(1, rogue(number));
    }
    world.pass(5);
    for number in (3..=11).rev() {
        world.no_rogue(1, rogue(number));
        world.pass(6);
        assert_eq!(world.only().prefix, None, "{number} is gone");
    }
    world.pass(6);
    assert_eq!(world.counts(Kind::RogueRoute), (2, 0));
}

#[test]
fn a_roll_up_ends_at_once_with_the_last_of_its_routes() {
    let mut world = World::new();
    (1..=11).for_each(|number| world.rogue(1, rogue(number)));
    world.pass(5);
    (1..=11).for_each(|number| world.no_rogue(1, rogue(number)));
    assert_eq!(world.changes(0), [Change::Resolved]);
    assert!(world.findings.rogues.is_empty() && world.findings.unrolls.is_empty());
}

#[test]
fn routes_that_are_not_kept_count_for_the_roll_up() {
    let mut world = World::with(&[(Kind::RogueRoute, 300)]);
    world.rogue(1, rogue(1));
    world.findings.rogues_not_kept(&announcer(1), 10, world.now);
    assert_eq!(world.only().prefix, None);
    world.findings.rogues_not_kept(&announcer(1), 0, world.now);
    world.pass(60);
    assert_eq!(world.only().prefix, Some(net("8.0.1.0/24")));
    world.findings.no_rogues(&peer(1), world.now);
    assert_eq!(world.current(), []);
    world.findings.rogues_not_kept(&announcer(1), 100, world.now);
    world.findings.no_rogues(&peer(1), world.now);
    assert_eq!(world.current(), []);
    assert!(world.findings.rogues.is_empty());
}

#[test]
fn what_comes_and_goes_between_two_looks_is_not_told() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.rogue(1, rogue(1));
        world.no_rogue(1, rogue(1));
    }
    assert_eq!(world.pass(0), []);
    world.rogue(1, rogue(1));
    world.no_rogue(1, rogue(1));
    world.rogue(1, rogue(1));
    assert_eq!(world.changes(0), [Change::Pending]);
}

#[test]
fn a_rogue_route_that_keeps_changing_opens_all_the_same() {
    let mut world = World::new();
    let other = Rogue { reason: Reason::AsPathTooLong, ..rogue(1) };
    world.rogue(1, rogue(1));
    world.pass(4);
    world.findings.rogue(&announcer(1), rogue(1), || "AS path 3".into(), world.now);
    assert_eq!(world.only().evidence, ["node-1 (192.168.1.1 on rack1): AS path 3"], "the route as it is now");
    world.rogue(1, other);
    world.pass(0);
    assert_eq!((world.only().reason, world.only().state), (Some(Reason::AsPathTooLong), "pending".into()));
    assert_eq!(world.changes(1), [Change::Open], "five seconds after the first");
    world.rogue(1, rogue(1));
    assert_eq!(world.changes(0), [Change::Pending, Change::Open, Change::Resolved]);
    world.no_rogue(1, rogue(1));
    assert_eq!(world.changes(0), [Change::Resolved]);
    assert!(world.findings.rogues.is_empty() && world.findings.causes.is_empty());
}

#[test]
fn a_peer_with_routes_that_are_not_kept_has_a_finding_that_says_so() {
    let mut world = World::new();
    world.rogue(1, rogue(1));
    world.findings.rogues_not_kept(&announcer(1), 2, world.now);
    let whole = world.only();
    assert_eq!(
        (whole.prefix, whole.evidence),
        (None, vec!["8.0.1.0/24: not_allowed".to_owned(), "and 2 more".to_owned()])
    );
}

#[test]
fn a_peer_whose_leak_swells_and_shrinks_all_the_time_is_told_once() {
    let mut world = World::new();
    for number in 1..=5 {
        world.rogue(1, rogue(number));
    }
    world.pass(10);
    let mut told = Vec::new();
    for _ in 0..50 {
        (6..=11).for_each(|number| world.rogue(1, rogue(number)));
        told.extend(world.changes(1));
        (6..=11).for_each(|number| world.no_rogue(1, rogue(number)));
        told.extend(world.changes(1));
    }
    assert_eq!(told.iter().filter(|change| **change == Change::Open).count(), 1, "{told:?}");
    assert_eq!(world.only().prefix, None);
}

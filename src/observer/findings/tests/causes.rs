//! What comes and goes, what cannot be seen, what explains what.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

impl World {
    /// Findings that resolve by the defaults.
    fn patient() -> Self {
        let config = model::Findings { resolve_after: vec![], ..config(&[]) };
        Self { findings: Findings::new(&config), ..Self::new() }
    }

    /// What the core does before findings open.
    fn explain(&mut self) {
        let numbers = self.findings.take_unexplained();
        for number in numbers {
            self.findings.mute(number, None, self.now);
        }
        self.findings.gather(self.now);
    }

    fn raise_of(&mut self, key: &Key, node: u8) {
        self.findings.raise(key.clone(), [proof(node)], self.now);
    }
}

fn kinds(findings: &[view::Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {}", finding.kind, finding.state)).collect()
}

#[test]
fn what_comes_back_soon_is_the_same_finding() {
    let mut world = World::patient();
    let key = Key::rogue_route(scope(), Reason::DefaultRoute, net("0.0.0.0/0"));
    world.raise(&key);
    world.pass(5);
    let id = world.only().id;
    for _ in 0..10 {
        world.clear(&key);
        assert_eq!(world.changes(4), []);
        assert!(world.only().summary.contains("this is gone"), "{}", world.only().summary);
        world.raise(&key);
        assert!(!world.only().summary.contains("this is gone"));
    }
    assert_eq!(world.only().id, id);
    world.clear(&key);
    assert_eq!(world.changes(4), []);
    assert_eq!(world.changes(1), [Change::Resolved]);
}

#[test]
fn it_resolves_after_as_long_as_the_configuration_says_or_as_it_took_to_open() {
    let after = |open: &[(Kind, u64)], resolve: &[(Kind, u64)], key: &Key| {
        let own = |(kind, seconds): &(Kind, u64)| (kind.name().to_owned(), Duration::from_secs(*seconds));
        let config = model::Findings { resolve_after: resolve.iter().map(own).collect(), ..config(open) };
        let mut world = World { findings: Findings::new(&config), ..World::new() };
        world.raise(key);
        world.pass(200);
        assert_eq!(world.only().state, "open");
        world.clear(key);
        let start = world.now;
        let told = world.pass(1_000);
        told.last().map(|(_, finding)| finding.resolved.unwrap().since(start).as_secs()).unwrap()
    };
    let down = Key::peer_down(scope(), peer(1));
    assert_eq!(after(&[], &[], &down), 60);
    assert_eq!(after(&[(Kind::PeerDown, 7)], &[], &down), 7);
    assert_eq!(after(&[(Kind::PeerDown, 7)], &[(Kind::PeerDown, 90)], &down), 90);
    assert_eq!(after(&[(Kind::PeerDown, 0)], &[], &down), 0);
    assert_eq!(after(&[], &[], &Key::stale_routes(scope(), peer(1))), 0, "it is over when it is over");
}

#[test]
fn what_is_pending_goes_at_once_and_never_opens_for_having_been_there() {
    let mut world = World::patient();
    for _ in 0..10 {
        world.raise(&block(1));
        world.pass(4);
        world.clear(&block(1));
        assert_eq!(world.current(), []);
        world.pass(1);
    }
    assert_eq!(world.findings.resolved().count(), 0);
}

#[test]
fn silence_is_not_the_end() {
    let mut world = World::new();
    world.raise_of(&block(1), 1);
    world.pass(5);
    world.findings.lost(&peer(1));
    world.clear(&block(1));
    assert_eq!(world.changes(9 * 60), []);
    assert!(world.only().summary.contains("cannot be seen"));
    // It is back and does it again: nobody is told.
    world.raise_of(&block(1), 1);
    world.findings.heard(&peer(1), world.now);
    assert_eq!(world.changes(3600), []);
    assert!(!world.only().summary.contains("cannot be seen"));
    // The next time it does not.
    world.findings.lost(&peer(1));
    world.clear(&block(1));
    assert_eq!(world.changes(60), []);
    world.findings.heard(&peer(1), world.now);
    assert_eq!(world.changes(0), [Change::Resolved]);
}

#[test]
fn silence_ends_in_the_end_but_not_while_we_are_cut_off() {
    for blind in [false, true] {
        let mut world = World::new();
        world.raise_of(&block(1), 1);
        world.pass(5);
        world.findings.lost(&peer(1));
        world.clear(&block(1));
        world.findings.blind(blind);
        assert_eq!(world.changes(599), []);
        assert_eq!(world.changes(1), if blind { vec![] } else { vec![Change::Resolved] });
        assert_eq!(world.changes(3600), []);
        world.findings.blind(false);
        assert_eq!(world.changes(600), if blind { vec![Change::Resolved] } else { vec![] });
    }
}

#[test]
fn of_several_who_prove_it_those_who_are_heard_are_not_enough_to_end_it() {
    let mut world = World::new();
    for node in 1..=3 {
        world.rogue(node, rogue(1));
    }
    world.pass(5);
    world.findings.lost(&peer(1));
    world.findings.lost(&peer(2));
    for node in 1..=3 {
        world.no_rogue(node, rogue(1));
    }
    assert_eq!(world.changes(60), []);
    world.findings.heard(&peer(2), world.now);
    assert_eq!(world.changes(60), [], "one of them is still silent");
    world.findings.heard(&peer(1), world.now);
    assert_eq!(world.changes(0), [Change::Resolved]);
}

#[test]
fn what_is_forgotten_is_not_waited_for() {
    let mut world = World::new();
    world.rogue(1, rogue(1));
    world.pass(5);
    world.findings.lost(&peer(1));
    world.no_rogue(1, rogue(1));
    world.findings.forget(&scope(), &peer(1), world.now);
    assert_eq!(world.changes(0), [Change::Resolved]);
}

#[test]
fn a_lost_session_is_over_when_it_is_back() {
    let mut world = World::new();
    let down = Key::peer_down(scope(), peer(1));
    world.findings.lost(&peer(1));
    world.raise(&down);
    world.pass(60);
    world.clear(&down);
    assert_eq!(world.changes(0), [Change::Resolved], "though it has not told everything yet");
}

#[test]
fn many_at_once_are_one() {
    let mut world = World::new();
    for number in 0..20 {
        world.raise(&block(number));
        world.explain();
        world.pass(0);
    }
    world.explain();
    let told = world.pass(60);
    let opened: Vec<_> = told.iter().filter(|(change, _)| *change == Change::Open).collect();
    assert_eq!(opened.len(), 1, "{opened:#?}");
    let burst = &opened[0].1;
    assert_eq!(
        (burst.kind.as_str(), burst.absorbs.len(), burst.absorbs_total),
        ("duplicate_pod_block", 20, 20)
    );
    assert!(burst.summary.starts_with("20 findings duplicate_pod_block began at the same moment"));
    let muted = Some(format!("absorbed:{}", burst.id));
    let parts: Vec<_> = world.current().into_iter().filter(|finding| finding.id != burst.id).collect();
    assert!(parts.iter().all(|part| part.muted == muted && part.state == "pending"));
    assert!(parts.iter().all(|part| burst.absorbs.contains(&part.id)));
    // It lasts as long as any of them.
    for number in 0..19 {
        world.clear(&block(number));
    }
    world.explain();
    assert_eq!(world.changes(3600), [Change::Dropped; 19]);
    world.clear(&block(19));
    assert_eq!(world.changes(0), [Change::Dropped, Change::Resolved]);
    assert_eq!(world.current(), []);
}

#[test]
fn a_burst_takes_five_more_than_one_and_half_a_minute() {
    let opened = |count: u32, apart: u64| {
        let mut world = World::with(&[(Kind::DuplicatePodBlock, 300)]);
        let mut told = vec![];
        for number in 0..count {
            world.raise(&block(number));
            world.explain();
            told.extend(world.pass(apart));
        }
        for _ in 0..400 {
            world.explain();
            told.extend(world.pass(1));
        }
        told.iter().filter(|(change, _)| *change == Change::Open).count()
    };
    assert_eq!(opened(5, 0), 5);
    assert_eq!(opened(6, 0), 1);
    assert_eq!(opened(6, 6), 1, "within 30 seconds");
    assert_eq!(opened(6, 7), 6);
    assert_eq!(opened(20, 5), 1, "each within half a minute of the one before");
}

#[test]
fn what_was_told_before_stays_told_beside_a_burst() {
    let mut world = World::new();
    world.raise(&block(0));
    world.explain();
    world.pass(5);
    for number in 1..10 {
        world.raise(&block(number));
    }
    world.explain();
    let told = world.pass(60);
    assert_eq!(told.iter().filter(|(change, _)| *change == Change::Open).count(), 1);
    let first = world.current().into_iter().find(|finding| finding.prefix == block(0).prefix()).unwrap();
    assert!(first.state == "open" && first.muted.is_some());
}

#[test]
fn other_kinds_and_scopes_are_no_burst() {
    let mut world = World::new();
    let other = Scope { cluster: "green".into(), ..scope() };
    for node in 1..=4 {
        world.raise(&Key::peer_down(scope(), peer(node)));
        world.raise(&Key::peer_down(other.clone(), peer(node)));
        world.raise(&Key::stale_routes(scope(), peer(node)));
    }
    world.explain();
    world.pass(200);
    assert_eq!(world.findings.counts().open, 12);
}

#[test]
fn a_burst_from_before_a_restart_takes_in_what_is_found_again() {
    let mut before = World::new();
    for number in 0..20 {
        before.raise_of(&block(number), u8::try_from(number + 1).unwrap());
    }
    before.explain();
    before.pass(60);
    let saved: Vec<Saved> =
        serde_json::from_str(&serde_json::to_string(&before.findings.saved()).unwrap()).unwrap();
    assert_eq!(saved.len(), 1);
    let mut after = World { now: before.now.after(MINUTE), ..World::new() };
    after.findings.restore(saved, after.now.after(MINUTE * 7));
    assert_eq!(kinds(&after.current()), ["duplicate_pod_block open"]);
    assert_eq!(after.only().summary, before.current().into_iter().last().unwrap().summary);
    for number in 0..20 {
        after.raise_of(&block(number), u8::try_from(number + 1).unwrap());
        after.explain();
        after.pass(1);
    }
    assert!(!after.changes(3600).contains(&Change::Open));
    assert_eq!(after.current()[0].absorbs_total, 20);
}

#[test]
fn an_acknowledgement_lasts_as_long_as_its_finding_even_over_a_restart() {
    let mut before = World::new();
    before.raise(&block(1));
    before.pass(5);
    assert!(before.findings.acknowledge(&before.only().id, "known".to_owned()));
    let mut after = World { now: before.now, ..World::new() };
    after.findings.restore(before.findings.saved(), after.now.after(MINUTE));
    assert_eq!(after.only().muted.as_deref(), Some("acknowledged"));
    after.raise(&block(1));
    assert_eq!(after.changes(600), []);
    after.findings.heard(&peer(1), after.now);
    after.clear(&block(1));
    assert_eq!(after.changes(0), [Change::Resolved]);
    after.raise(&block(1));
    assert_eq!(after.only().muted, None);
}

#[test]
fn what_is_muted_does_not_open_and_begins_anew_when_it_is_not() {
    let mut world = World::new();
    world.raise(&block(1));
    let number = world.findings.take_unexplained()[0];
    let muted = Some(Muted::Maintenance("work".to_owned()));
    world.findings.mute(number, muted.clone(), world.now);
    assert_eq!(world.changes(600), [Change::Pending]);
    assert_eq!(world.only().muted_because.as_deref(), Some("work"));
    world.findings.mute(number, None, world.now);
    assert_eq!(world.changes(4), []);
    assert_eq!(world.changes(1), [Change::Open]);
    // What was told stays told.
    world.findings.mute(number, muted, world.now);
    assert_eq!((world.only().state.as_str(), world.changes(600)), ("open", vec![]));
}

#[test]
fn a_default_route_is_no_part_of_a_burst() {
    let mut world = World::new();
    for number in 1..=8 {
        world.rogue(u8::try_from(number).unwrap(), rogue(number));
    }
    let default = Rogue { prefix: net("0.0.0.0/0"), reason: Reason::DefaultRoute, path_id: 0 };
    world.rogue(9, default);
    world.explain();
    let told = world.pass(60);
    assert_eq!(told.iter().filter(|(change, _)| *change == Change::Open).count(), 2);
}

#[test]
fn a_burst_does_not_go_on_for_ever() {
    let mut world = World::new();
    let mut told = vec![];
    for number in 0..60 {
        world.raise(&block(number));
        world.explain();
        told.extend(world.pass(if number < 6 { 0 } else { 20 }));
    }
    let opened = told.iter().filter(|(change, _)| *change == Change::Open).count();
    assert!(opened > 1, "what begins a quarter of an hour later is not of the same moment: {opened}");
}

#[test]
fn a_burst_from_before_a_restart_is_not_for_others() {
    let mut before = World::new();
    for number in 0..20 {
        before.raise_of(&block(number), u8::try_from(number + 1).unwrap());
    }
    before.explain();
    before.pass(60);
    let mut after = World { now: before.now.after(MINUTE), ..World::new() };
    after.findings.restore(before.findings.saved(), after.now.after(MINUTE * 7));
    after.raise_of(&block(99), 99);
    after.explain();
    assert!(after.changes(60).contains(&Change::Open));
}

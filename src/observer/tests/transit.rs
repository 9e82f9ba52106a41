//! Routes that nodes hand on from the fabric by design: noted, and no more.

use super::*;
use crate::observer::{Command, StateFilter};
use crate::policy::Reason;

const NONE: [&str; 0] = [];

fn noting() -> World {
    let mut config = config();
    config.policy.transit = Transit::Note;
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 5);
    World::with(config)
}

impl World {
    /// The node hands on these of the fabric's routes.
    fn hand_on(&mut self, node: &Session, prefixes: &[String]) {
        let path = [NODE_AS, LEAF_AS, LEAF_AS];
        let prefixes: Vec<_> = prefixes.iter().map(String::as_str).collect();
        self.announce_as(node, &Builder::new(&path, node.peer.address), &prefixes);
    }

    fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.core.reconfigure(Arc::new(self.config.clone()), self.now);
        self.settle();
    }
}

/// So many pod blocks of others.
fn blocks(count: u8) -> Vec<String> {
    (0..count).map(|n| format!("10.244.{n}.64/26")).collect()
}

#[test]
fn they_are_counted_and_shown_and_no_finding() {
    let mut world = noting();
    let node = world.healthy_node();
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.244.2.64/26", "10.96.0.0/12"]);
    world.hand_on(&node, &blocks(3));
    world.pass(MINUTE);
    assert_eq!(world.found(), NONE, "no rogue route, and no duplicate of what the other announces");
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.accepted, counts.rejected, counts.noted, counts.total), (2, 0, 3, 5));
    let summary = world.snapshot().summary.routes;
    assert_eq!((summary.rejected, summary.noted, summary.total), (0, 3, 7));
    assert_eq!(world.peer(&node).held(), 2, "the limit is not about them");
    let asked = |state, reason| {
        let page = world.page(RouteQuery { state, reason, ..RouteQuery::default() });
        (page.items.len(), page.total)
    };
    assert_eq!(asked(Some(StateFilter::Noted), None), (3, Some(3)));
    assert_eq!(asked(Some(StateFilter::Rejected), None), (0, Some(0)));
    assert_eq!(asked(Some(StateFilter::Accepted), None), (4, Some(4)));
    assert_eq!(asked(None, Some(Reason::Transit)), (3, Some(3)));
    assert_eq!(asked(None, None), (7, Some(7)));
    let why =
        world.core.why(&RouteQuery { leaf: Some("leaf1".into()), ..RouteQuery::of(net("10.244.0.64/26")) });
    assert_eq!((why[0].verdict.as_str(), &*why[0].route.state), ("noted", "noted"));
    assert_eq!((why[0].steps[0].check, why[0].steps[0].passed), (Reason::Transit, false));
    assert!(world.events.iter().any(|event| event.kind == "route_noted"));
    assert!(!world.events.iter().any(|event| event.kind == "route_rejected"));
    world.withdraw(&node, &["10.244.0.64/26"]);
    assert_eq!(world.peer(&node).view().routes.noted, 2);
    world.check();
}

#[test]
fn what_is_wrong_beside_that_is_a_finding() {
    let mut world = noting();
    let node = world.healthy_node();
    world.hand_on(&node, &["0.0.0.0/0".to_owned()]);
    world.announce_as(&node, &Builder::new(&[NODE_AS, 65103], ip(NODE)), &["10.244.7.0/26"]);
    world.settle();
    assert_eq!(world.found(), ["rogue_route pending"; 2]);
    world.check();
}

#[test]
fn they_have_a_budget_of_their_own_and_are_never_asked_for_again() {
    let mut world = noting();
    let node = world.healthy_node();
    world.hand_on(&node, &blocks(150));
    let leak: Vec<_> = (0..5).map(|n| format!("172.16.{n}.0/24")).collect();
    world.announce(&node, &leak.iter().map(String::as_str).collect::<Vec<_>>());
    world.pass(MINUTE * 2);
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.noted, counts.noted_not_kept), (100, 50));
    assert_eq!((counts.rejected, counts.rejected_not_kept), (5, 0), "the budget of rejected ones is whole");
    assert_eq!(world.commands, []);
    // Room that they leave is not filled by asking.
    world.withdraw(&node, &blocks(150).iter().map(String::as_str).collect::<Vec<_>>());
    world.pass(MINUTE * 2);
    assert_eq!(world.commands, []);
    // One that is kept may become rejected only within that budget, and the other way round.
    world.hand_on(&node, &blocks(100));
    let mesh = Builder::new(&[NODE_AS, 65103], ip(NODE));
    world.announce_as(&node, &mesh, &["10.244.1.64/26", "10.244.2.64/26"]);
    world.settle();
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.noted, counts.rejected, counts.rejected_not_kept), (98, 6, 1));
    world.check();
}

#[test]
fn a_reload_makes_notes_of_findings_and_findings_of_notes() {
    let mut world = noting();
    world.config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 1_000);
    world.configure(|config| config.policy.transit = Transit::Reject);
    let node = world.healthy_node();
    world.hand_on(&node, &blocks(5));
    world.pass(SECOND * 6);
    assert_eq!(world.found(), ["rogue_route open"; 5]);
    world.configure(|config| config.policy.transit = Transit::Note);
    assert_eq!(world.found(), NONE);
    world.check();
    world.hand_on(&node, &blocks(120));
    world.settle();
    assert_eq!(world.peer(&node).view().routes.noted_not_kept, 20);
    assert_eq!(world.commands, []);
    world.configure(|config| config.policy.transit = Transit::Reject);
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.noted, counts.noted_not_kept, counts.rejected), (0, 0, 100));
    assert!(world.finding("rogue_route").summary.contains("120 routes"), "what was not kept counts too");
    world.check();
}

#[test]
fn findings_beyond_the_budget_become_notes_by_asking_for_them() {
    let mut world = noting();
    world.configure(|config| config.policy.transit = Transit::Reject);
    let node = world.healthy_node();
    world.hand_on(&node, &blocks(50));
    world.pass(SECOND * 6);
    assert_eq!(world.peer(&node).view().routes.rejected_not_kept, 45);
    assert_eq!(std::mem::take(&mut world.commands), []);
    world.configure(|config| config.policy.transit = Transit::Note);
    let refresh = Command::Refresh { peer: node.peer.clone(), families: Families::only(Family::Ipv4) };
    assert_eq!(world.commands, [refresh]);
    world.hand_on(&node, &blocks(50));
    world.settle();
    assert_eq!(world.peer(&node).view().routes.noted, 50);
    world.pass(SECOND * 6);
    assert_eq!(world.found(), NONE);
    world.check();
}

#[test]
fn they_hold_no_place_under_the_prefix_limit() {
    let mut world = noting();
    for entry in &mut world.config.neighbors {
        (entry.limits.prefixes, entry.limits.action) = (2, LimitAction::Hold);
    }
    world.configure(|_| ());
    let node = world.healthy_node();
    world.hand_on(&node, &blocks(3));
    world.settle();
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.accepted, counts.rejected, counts.noted), (2, 0, 3));
    world.announce(&node, &["10.244.0.64/26"]);
    world.settle();
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.accepted, counts.rejected, counts.noted), (2, 1, 2));
    assert_eq!(
        world.page(RouteQuery { reason: Some(Reason::Limit), ..RouteQuery::default() }).items.len(),
        1
    );
    world.check();
}

#[test]
fn they_go_with_their_session() {
    let mut world = noting();
    let node = world.healthy_node();
    world.hand_on(&node, &blocks(120));
    world.close(&node, Loss::Graceful);
    world.settle();
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.noted, counts.stale), (100, 102));
    world.pass(MINUTE * 3);
    let counts = world.peer(&node).view().routes;
    assert_eq!((counts.total, counts.noted, counts.noted_not_kept), (0, 0, 0));
    world.check();
}

//! Budgets and limits.

use super::*;
use crate::observer::Command;

const NONE: [&str; 0] = [];

fn limited(limits: &Limits) -> World {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits = limits.clone());
    World::with(config)
}

fn leak(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("172.16.{n}.0/24")).collect()
}

impl World {
    pub(super) fn announce_all(&mut self, node: &Session, prefixes: &[String]) {
        self.announce(node, &prefixes.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn withdraw_all(&mut self, node: &Session, prefixes: &[String]) {
        self.withdraw(node, &prefixes.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn budget(kept: u32) -> Limits {
    Limits { prefixes: 10_000, warn_at: 0.8, action: LimitAction::Warn, rejected_kept: kept }
}

#[test]
fn rejected_routes_are_kept_up_to_the_budget_and_one_of_each_reason_always() {
    let mut world = limited(&budget(4));
    let node = world.healthy_node();
    world.announce_all(&node, &leak(0, 10));
    world.announce(&node, &["0.0.0.0/0", "10.244.1.0/27"]);
    world.announce(&node, &["10.244.1.64/27"]);
    world.settle();
    let peer = world.peer(&node);
    assert_eq!(peer.view().routes.rejected, 6);
    assert_eq!(peer.not_kept, 7);
    let finding = world.finding("rogue_route");
    assert!(finding.summary.contains("13 routes"), "{}", finding.summary);
    // The first ones stay.
    assert!(world.routes_of(&node).contains(&"172.16.3.0/24 rejected".to_owned()));
    assert!(!world.routes_of(&node).contains(&"172.16.4.0/24 rejected".to_owned()));
    world.check();
}

#[test]
fn an_announcement_that_is_not_kept_still_replaces_the_former_route() {
    let mut world = limited(&budget(1));
    let node = world.healthy_node();
    let leaked = Builder::new(&[NODE_AS, 65103], ip(NODE));
    world.announce_as(&node, &leaked, &["172.16.0.0/24", "10.244.2.0/26"]);
    world.announce_as(&node, &leaked, &["10.244.1.0/26"]);
    world.settle();
    assert!(
        !world.routes_of(&node).iter().any(|route| route.starts_with("10.244.1.0/26")),
        "{:?}",
        world.routes_of(&node)
    );
    world.check();
    // A kept one is replaced in its place, whatever the new reason is.
    world.announce_as(&node, &Builder::new(&[65103], ip(NODE)), &["172.16.0.0/24"]);
    world.settle();
    assert!(world.routes_of(&node).contains(&"172.16.0.0/24 rejected".to_owned()));
    world.check();
}

#[test]
fn a_kept_route_whose_reason_changes_makes_no_room_for_another() {
    let mut world = limited(&budget(0));
    let node = world.healthy_node();
    let leaked = Builder::new(&[NODE_AS, 65103], ip(NODE));
    for n in 0..50 {
        // Each is the first of one reason, and would then be another of the other.
        let prefix = format!("10.244.{n}.64/26");
        world.announce_as(&node, &leaked, &[&prefix]);
        world.announce_as(&node, &Builder::new(&[65103], ip(NODE)), &[&prefix]);
    }
    let peer = world.peer(&node).view();
    assert_eq!((peer.routes.accepted, peer.routes.rejected), (2, 1));
    world.check();
}

#[test]
fn what_is_to_come_in_comes_in_however_little_is_done_at_a_time() {
    let mut world = limited(&Limits { prefixes: 3_001, action: LimitAction::Hold, ..budget(10_000) });
    let node = world.healthy_node();
    let pods: Vec<_> = (0..4_000).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    world.announce_all(&node, &pods);
    world.settle();
    assert_eq!(world.peer(&node).view().routes.accepted, 3_001);
    world.withdraw_all(&node, &pods[3_500..]);
    // The oldest are the last to be looked at.
    world.withdraw_all(&node, &pods[..500]);
    for _ in 0..6 {
        world.now = world.now.after(SECOND);
        world.core.tick(world.now);
        world.core.work(world.now);
    }
    assert_eq!(world.peer(&node).view().routes.accepted, 3_001);
}

#[test]
fn when_half_of_the_kept_ones_are_gone_the_rest_is_asked_for_again() {
    let mut world = limited(&budget(4));
    let node = world.healthy_node();
    world.announce_all(&node, &leak(0, 10));
    world.settle();
    assert_eq!(world.commands, []);
    world.withdraw_all(&node, &leak(0, 3));
    world.pass(SECOND * 2);
    let refresh = Command::Refresh { peer: node.peer.clone(), families: Families::only(Family::Ipv4) };
    assert_eq!(world.commands, [refresh]);
    assert_eq!(world.peer(&node).not_kept, 0);
    let mut begin = Batch::default();
    begin.push_begin_refresh(Family::Ipv4);
    world.batch(&node, begin);
    world.announce(&node, &OWN);
    world.announce_all(&node, &leak(3, 10));
    let mut end = Batch::default();
    end.push_end_refresh(Family::Ipv4);
    world.batch(&node, end);
    world.settle();
    let peer = world.peer(&node).view();
    assert_eq!((peer.routes.rejected, peer.routes.rejected_not_kept), (4, 3));
    assert_eq!(peer.routes.accepted, 2);
    world.check();
}

#[test]
fn what_was_not_kept_is_lost_with_its_session() {
    let mut world = limited(&budget(4));
    let node = world.healthy_node();
    world.announce_all(&node, &leak(0, 50));
    world.settle();
    assert!(world.finding("rogue_route").summary.contains("50 routes"));
    world.close(&node, Loss::Final);
    world.settle();
    assert_eq!(world.peer(&node).not_kept, 0);
    assert_eq!(world.found(), ["peer_down pending"]);
    // And the same again.
    let node = world.healthy_node();
    world.announce_all(&node, &leak(0, 50));
    world.settle();
    assert!(world.finding("rogue_route").summary.contains("50 routes"));
}

#[test]
fn a_new_session_counts_anew() {
    let mut world = limited(&budget(4));
    let node = world.healthy_node();
    world.announce_all(&node, &leak(0, 10));
    assert_eq!(world.peer(&node).not_kept, 6);
    world.close(&node, Loss::Graceful);
    let again = world.node();
    assert_eq!(world.peer(&again).not_kept, 0);
}

#[test]
fn a_peer_near_its_limit_is_a_finding() {
    let mut world = limited(&Limits { prefixes: 10, ..budget(1_000) });
    let node = world.healthy_node();
    world.announce_all(&node, &leak(0, 5));
    world.settle();
    assert!(!world.found().contains(&"prefix_limit open".to_owned()));
    world.announce_all(&node, &leak(5, 6));
    world.settle();
    let finding = world.finding("prefix_limit");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("open", "warning"));
    assert!(finding.evidence[0].contains("8 of 10"), "{:?}", finding.evidence);
    world.announce_all(&node, &leak(6, 8));
    world.settle();
    assert_eq!(world.finding("prefix_limit").severity, "warning", "a full limit is kept");
    world.announce_all(&node, &leak(8, 9));
    world.settle();
    let above = world.finding("prefix_limit");
    assert_eq!((above.state.as_str(), above.severity.as_str()), ("open", "critical"));
    assert!(above.id != finding.id && above.evidence[0].contains("11 of 10"), "{above:?}");
    world.announce_all(&node, &leak(9, 20));
    assert_eq!(world.peer(&node).held(), 22, "a warning refuses nothing");
    // What comes and goes at the limit is the same story.
    world.withdraw_all(&node, &leak(7, 20));
    world.settle();
    assert_eq!(world.finding("prefix_limit").id, above.id);
    world.withdraw_all(&node, &leak(5, 20));
    world.pass(SECOND * 2);
    assert!(world.is_resolved("prefix_limit"));
    world.announce_all(&node, &leak(5, 6));
    world.settle();
    assert_eq!(world.finding("prefix_limit").severity, "warning");
    let at = world.core.peers.find(&node.peer).unwrap();
    world.core.forget(at, world.now);
    world.settle();
    assert_eq!(world.found(), NONE);
}

#[test]
fn what_is_above_a_holding_limit_is_rejected_until_there_is_room() {
    let mut world = limited(&Limits { prefixes: 3, action: LimitAction::Hold, ..budget(1_000) });
    let node = world.healthy_node();
    world.announce(&node, &["10.244.2.0/26", "10.244.3.0/26", "10.244.4.0/26"]);
    world.settle();
    let expected = [
        "10.96.0.0/12 accepted",
        "10.244.1.0/26 accepted",
        "10.244.2.0/26 accepted",
        "10.244.3.0/26 rejected",
        "10.244.4.0/26 rejected",
    ];
    assert_eq!(world.routes_of(&node), expected);
    assert_eq!(world.found(), ["prefix_limit open"]);
    // What is admitted may be announced again and again.
    world.announce(&node, &OWN);
    world.settle();
    assert_eq!(world.routes_of(&node), expected);
    world.withdraw(&node, &["10.244.1.0/26"]);
    world.settle();
    let accepted = world.routes_of(&node).iter().filter(|route| route.ends_with("accepted")).count();
    assert_eq!((accepted, world.routes_of(&node).len()), (3, 4));
    world.check();
    let why = world.core.why(&RouteQuery::of(net("10.244.2.0/26")));
    assert!(why[0].steps.last().unwrap().passed);
}

#[test]
fn a_limit_is_about_both_families_together() {
    use crate::policy::Reason;
    let mut world = limited(&Limits { prefixes: 3, action: LimitAction::Hold, ..budget(1_000) });
    let node = world.up_with("leaf1", NODE, Negotiated { families: Families::ALL, ..terms(NODE_AS, NODE) });
    let ipv6 = Builder::new(&[NODE_AS], ip("fd00:1::2"));
    world.announce(&node, &OWN);
    world.announce_as(&node, &ipv6, &["fd00:244::40/122", "fd00:244::80/122"]);
    world.announce(&node, &["10.244.2.0/26"]);
    world.settle();
    let refused = world.peer(&node).rejected.map(|by_reason| by_reason[Reason::Limit as usize]);
    assert_eq!(refused, [1, 1]);
    assert_eq!(world.peer(&node).held(), 5);
    let why = world.core.why(&RouteQuery::of(net("fd00:244::80/122")));
    assert_eq!(why[0].route.reasons, [Reason::Limit]);
}

#[test]
fn a_resetting_limit_ends_the_session_and_refuses_the_peer_for_longer_each_time() {
    let mut world = limited(&Limits { prefixes: 3, action: LimitAction::Reset, ..budget(1_000) });
    for minutes in [1, 2, 4, 8, 10, 10] {
        let node = world.healthy_node();
        world.announce_all(&node, &leak(0, 2));
        // What comes until the session ends is not learned.
        world.announce_all(&node, &leak(2, 50));
        world.settle();
        let reset = Command::PrefixLimit { peer: node.peer.clone(), refuse: MINUTE * minutes };
        assert_eq!(std::mem::take(&mut world.commands), [reset]);
        assert_eq!(world.peer(&node).held(), 4);
        world.close(&node, Loss::Final);
        world.pass(MINUTE * minutes);
    }
    let findings: Vec<_> = world.found().into_iter().filter(|found| found.starts_with("prefix")).collect();
    assert_eq!(findings, NONE, "ten quiet minutes have passed since the last");
    assert!(world.is_resolved("prefix_limit"));
}

#[test]
fn large_attributes_are_kept_up_to_a_budget() {
    let mut world = World::new();
    let node = world.healthy_node();
    let large = |n: u8| Builder::new(&[NODE_AS], ip(NODE)).raw(0xd0, 99, &[n; 3_000]);
    let many: Vec<String> = (0..4_000).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    for prefix in &many {
        world.announce_as(&node, &large(0), &[prefix]);
    }
    world.settle();
    let routes = world.peer(&node).view().routes.clone();
    let kept = routes.accepted;
    assert!((2_900..3_100).contains(&kept), "{kept} of 2,775 octets above the usual, in 8 MiB");
    let asked =
        |world: &World| world.commands.iter().any(|command| matches!(command, Command::Refresh { .. }));
    world.pass(5 * MINUTE);
    assert!(!asked(&world), "what is too much would be so again");
    // As large as before: it fits. Larger: it goes. A usual route always fits.
    world.announce_as(&node, &large(1), &[&many[0]]);
    world.announce(&node, &["10.244.100.0/26"]);
    world.settle();
    assert_eq!(world.peer(&node).view().routes.accepted, kept + 1);
    world.announce_as(
        &node,
        &Builder::new(&[NODE_AS], ip(NODE)).raw(0xd0, 99, &vec![2; 30_000]),
        &[&many[0]],
    );
    world.settle();
    assert_eq!(world.peer(&node).view().routes.accepted, kept);
    // The reason of a rejected route is told, however large it is.
    world.announce_as(&node, &large(4), &["0.0.0.0/0"]);
    world.settle();
    assert!(world.routes_of(&node).contains(&"0.0.0.0/0 rejected".to_owned()));
    // Room that is given back is used again.
    world.withdraw_all(&node, &many);
    world.pass(MINUTE);
    assert!(asked(&world));
    world.announce_as(&node, &large(3), &["10.244.101.0/26"]);
    world.settle();
    assert!(world.routes_of(&node).contains(&"10.244.101.0/26 accepted".to_owned()));
    world.check();
}

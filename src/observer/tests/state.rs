//! What is known beyond a restart.

use super::*;
use crate::observer::State;
use crate::observer::trace::to_memory;

/// Long enough for whatever opens to open.
const OPENS: Duration = Duration::from_secs(70);

/// What a file keeps of a state.
fn through_json(state: &State) -> State {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

/// Another life, `later`, which knows what this one did.
pub(super) fn reborn(world: &World, config: Config, later: Duration) -> World {
    reborn_of(&world.core.state(world.now), config, world.now.after(later), None)
}

pub(super) fn reborn_of(
    state: &State,
    config: Config,
    start: Timestamp,
    recorder: Option<Recorder>,
) -> World {
    let core = Core::new(Arc::new(config.clone()), Settings::default(), start);
    let mut core = Recorded::new(core, recorder);
    core.restore(through_json(state), start);
    let (commands, events, heard) = (vec![], vec![], vec![]);
    World { core, config, now: start, sessions: 0, commands, events, heard }
}

fn kinds(world: &World) -> Vec<&str> {
    world.events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn a_peer_is_known_and_down_after_a_restart_and_missed_only_after_the_grace() {
    let mut before = World::new();
    let node = before.healthy_node();
    let mut after = reborn(&before, config(), MINUTE);
    after.pass(SECOND * 359);
    let peer = after.peer(&node);
    assert!(!peer.up);
    assert_eq!((peer.node.as_deref(), peer.peer_as), (Some(NODE), Some(NODE_AS)));
    assert_eq!(peer.since.unwrap().as_secs(), before.now.as_secs(), "it was there when it was written");
    assert_eq!(after.found(), [""; 0]);
    after.pass(SECOND * 2);
    assert_eq!(after.found(), ["peer_down open"], "it is missing since before our start");
    assert_eq!(after.finding("peer_down").evidence[0].matches("never seen since we started").count(), 1);
    after.healthy_node();
    after.settle();
    assert_eq!(after.found(), [""; 0]);
    assert!(after.core.state(after.now).peers[0].down_since.is_none());
}

#[test]
fn an_open_finding_keeps_its_name_and_its_times_and_nobody_is_told_again() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.close(&node, Loss::Final);
    before.pass(OPENS);
    let old = before.finding("peer_down");
    assert_eq!(old.state, "open");

    let mut after = reborn(&before, config(), MINUTE);
    after.pass(MINUTE * 30);
    let new = after.finding("peer_down");
    assert_eq!((&new.id, new.opened.map(Timestamp::as_secs)), (&old.id, old.opened.map(Timestamp::as_secs)));
    assert_eq!(after.found(), ["peer_down open"], "for as long as it is not there");
    assert!(!kinds(&after).contains(&"finding_open"), "{:?}", after.events);
    after.healthy_node();
    after.pass(OPENS);
    assert!(after.is_resolved("peer_down"));

    // Two lives later it still is.
    let again = reborn(&reborn(&before, config(), MINUTE), config(), MINUTE);
    assert_eq!(again.finding("peer_down").id, old.id);
    assert_eq!(again.peer(&node).since, reborn(&before, config(), MINUTE).peer(&node).since);
}

#[test]
fn a_finding_of_a_clock_that_was_ahead_began_when_we_did() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.close(&node, Loss::Final);
    before.pass(OPENS);
    let mut state = serde_json::to_value(before.core.state(before.now)).unwrap();
    for time in ["since", "opened"] {
        state["findings"][0][time] = "9999-12-31T23:59:59.999Z".into();
    }
    let after = reborn_of(&serde_json::from_value(state).unwrap(), config(), before.now.after(MINUTE), None);
    let finding = after.finding("peer_down");
    assert_eq!((finding.since, finding.opened), (after.now, Some(after.now)));
}

/// Of such a peer nothing is known but its pin, and the finding.
#[test]
fn a_pinned_peer_that_never_came_is_missed_on_and_no_more_once_it_comes() {
    let mut pinned = config();
    pinned.nodes.push(Node { rack: Some("rack2".into()), ..pin("node-1", &[NODE]) });
    let mut before = World::with(pinned.clone());
    before.pass(OPENS);
    let old = before.finding("peer_down");
    let mut after = reborn(&before, pinned, MINUTE);
    after.pass(MINUTE);
    assert_eq!(
        (after.finding("peer_down").id, after.finding("peer_down").state),
        (old.id, "open".to_owned())
    );
    after.up("leaf3", NODE, NODE_AS, NODE);
    after.pass(OPENS);
    assert!(after.is_resolved("peer_down"));
}

#[test]
fn a_rack_that_was_down_is_down_until_it_is_back() {
    let mut before = World::new();
    let nodes = [2, 3, 4].map(|n| {
        let address = format!("192.168.1.{n}");
        before.up("leaf3", &address, NODE_AS + n, &address)
    });
    for node in &nodes {
        before.close(node, Loss::Final);
    }
    before.pass(OPENS);
    let old = before.finding("rack_down");
    let mut after = reborn(&before, config(), MINUTE);
    after.pass(MINUTE * 2);
    assert_eq!((after.finding("rack_down").id, after.finding("rack_down").state.as_str()), (old.id, "open"));
    assert!(!kinds(&after).contains(&"finding_open"), "{:?}", after.events);
    for node in &nodes {
        after.up(
            "leaf3",
            &node.peer.address.to_string(),
            node.terms.peer_as,
            &node.terms.peer_id.to_string(),
        );
    }
    after.pass(OPENS);
    assert!(after.is_resolved("rack_down"));
}

#[test]
fn what_is_not_found_again_is_over_once_all_is_told() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.announce(&node, &["0.0.0.0/0"]);
    before.pass(MINUTE);
    let mut after = reborn(&before, config(), MINUTE);
    after.healthy_node();
    after.pass(SECOND);
    assert_eq!(after.found(), ["rogue_route open"]);
    after.pass(SECOND * 5);
    assert!(after.is_resolved("rogue_route"));
}

#[test]
fn what_nobody_tells_of_is_believed_for_a_grace_and_a_minute() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.announce(&node, &["0.0.0.0/0"]);
    before.pass(MINUTE);
    assert_eq!(before.found(), ["rogue_route open"]);
    let mut after = reborn(&before, config(), MINUTE);
    after.pass(Settings::default().peer_grace);
    assert!(after.found().contains(&"rogue_route open".to_owned()));
    after.pass(MINUTE + SECOND);
    assert!(after.is_resolved("rogue_route"));
}

#[test]
fn a_peer_is_forgotten_so_long_after_it_went_down_whoever_restarts_meanwhile() {
    let week = config().findings.forget_after;
    let mut before = World::new();
    let node = before.healthy_node();
    before.close(&node, Loss::Final);
    before.pass(week / 2);
    let mut after = reborn(&before, config(), MINUTE);
    after.pass(MINUTE * (7 * 24 * 60 / 2 - 2));
    assert!(after.snapshot().peer(&node.peer).is_some());
    after.pass(MINUTE * 2);
    assert!(after.snapshot().peer(&node.peer).is_none());
    assert_eq!(after.found(), [""; 0], "nor is anything found in it");

    // Of one that was up, it is not known for how long it had been.
    let mut before = World::new();
    let node = before.healthy_node();
    before.pass(week * 2);
    let mut after = reborn(&before, config(), MINUTE * (7 * 24 * 60 - 1));
    after.pass(SECOND * 2);
    assert!(after.snapshot().peer(&node.peer).is_some());
    after.pass(MINUTE);
    assert!(after.snapshot().peer(&node.peer).is_none());
}

#[test]
fn who_was_forgotten_is_not_remembered() {
    let mut world = World::new();
    let (node, other) = (world.healthy_node(), world.up("leaf3", "192.168.1.9", 65109, "192.168.1.9"));
    let revision = world.core.state_revision();
    world.close(&other, Loss::Deconfigured);
    world.settle();
    assert_ne!(world.core.state_revision(), revision);
    let known = |world: &World| world.core.state(world.now).peers.len();
    assert_eq!(known(&world), 1, "Cease/3: it will not come back");
    world.close(&node, Loss::Final);
    let revision = world.core.state_revision();
    assert_eq!(world.core.forget_down(None, ip(NODE), world.now), 1);
    assert_ne!(world.core.state_revision(), revision);
    assert_eq!(known(&world), 0);
    let mut after = reborn(&world, config(), MINUTE);
    after.pass(MINUTE * 30);
    assert_eq!((after.snapshot().peers.len(), after.found()), (0, vec![]));
}

#[test]
fn a_peer_that_no_range_holds_any_more_is_not_taken_over() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.up("leaf3", "192.168.1.9", 65109, "192.168.1.9");
    let mut narrow = config();
    narrow.neighbors.retain(|entry| &*entry.leaf != "leaf1");
    let after = reborn(&before, narrow, MINUTE);
    assert!(after.snapshot().peer(&node.peer).is_none());
    assert_eq!(after.snapshot().peers.len(), 1);
}

#[test]
fn no_more_peers_than_may_be_known_are_taken_over_and_those_who_were_there_last() {
    let mut before = World::new();
    for n in 2..=6 {
        let address = format!("192.168.1.{n}");
        let node = before.up("leaf1", &address, NODE_AS, &address);
        before.pass(SECOND);
        if n < 5 {
            before.close(&node, Loss::Final);
        }
    }
    let mut small = config();
    small.neighbors.iter_mut().for_each(|entry| entry.max_peers = 3);
    let after = reborn(&before, small, MINUTE);
    let known: Vec<_> = after.snapshot().peers.iter().map(|peer| peer.id.address).collect();
    assert_eq!(known, ["192.168.1.4", "192.168.1.5", "192.168.1.6"].map(ip));
}

/// A node's daemons are one node from the start, and who is pinned by now has the pin's name.
#[test]
fn hosts_are_found_behind_remembered_peers() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.up("leaf2", "192.168.1.3", NODE_AS, NODE);
    before.settle();
    let mut pinned = config();
    pinned.nodes.push(pin("node-1", &[NODE]));
    let mut after = reborn(&before, pinned, MINUTE);
    after.settle();
    assert_eq!(after.peer(&node).node.as_deref(), Some("node-1"));
    let names: Vec<_> = after.snapshot().peers.iter().map(|peer| peer.node.clone()).collect();
    assert_eq!(names.iter().filter(|name| name.as_deref() == Some("node-1")).count(), names.len());
    // What is no longer pinned stays known, for it was there.
    let mut unpinned = after.config.clone();
    unpinned.nodes.clear();
    after.core.reconfigure(Arc::new(unpinned), after.now);
    assert!(after.snapshot().peer(&node.peer).is_some());
}

#[test]
fn a_clock_that_was_wrong_does_no_harm() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.close(&node, Loss::Final);
    before.pass(OPENS);
    let mut after = reborn_of(&before.core.state(before.now), config(), START, None);
    assert_eq!(after.peer(&node).since, Some(START));
    after.pass(config().findings.forget_after + SECOND * 2);
    assert_eq!(after.snapshot().peers.len(), 0);
}

#[test]
fn a_trace_begins_with_what_was_known() {
    let mut before = World::new();
    let node = before.healthy_node();
    before.announce(&node, &["0.0.0.0/0"]);
    before.up("leaf3", "192.168.1.9", 65109, "192.168.1.9");
    before.close(&node, Loss::Final);
    before.pass(OPENS);
    for full in [usize::MAX, 1] {
        let (recorder, memory) = to_memory(full);
        let start = before.now.after(MINUTE);
        let mut after = reborn_of(&before.core.state(before.now), config(), start, Some(recorder));
        after.pass(MINUTE * 2);
        after.healthy_node();
        after.pass(MINUTE * 10);
        assert_eq!(after.found(), ["peer_down open"]);
        trace::same(&memory.segments(), &after);
    }
}

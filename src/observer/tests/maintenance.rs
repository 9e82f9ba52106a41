//! What somebody works on, and what somebody knows of.

use super::*;
use crate::observer::maintenance::{MAX_WINDOWS, NoMaintenance, Whom, Window};
use crate::observer::trace::to_memory;

fn node(name: &str) -> Whom {
    Whom::Node(name.into())
}

fn window(world: &World, scope: Whom, time: Duration) -> Window {
    Window { scope, since: world.now, until: world.now.after(time), reason: "new disks".to_owned() }
}

fn start(world: &mut World, scope: Whom, time: Duration) -> Result<Window, NoMaintenance> {
    let window = window(world, scope, time);
    world.core.start_maintenance(window)
}

/// What was told of maintenance, by kind.
fn told(world: &mut World) -> Vec<(String, String)> {
    let events = world.events.drain(..).filter(|event| event.kind.starts_with("maintenance"));
    events.map(|event| (event.kind, event.text)).collect()
}

#[test]
fn a_window_shows_everywhere_and_ends_by_itself_and_on_time() {
    let mut world = World::new();
    let (one, other) = (world.healthy_node(), world.up("leaf3", "192.168.1.9", 65109, "192.168.1.9"));
    world.settle();
    let window = start(&mut world, node(NODE), MINUTE).unwrap();
    assert!(world.core.muting_dirty);
    world.settle();
    assert_eq!(world.snapshot().summary.maintenance, std::slice::from_ref(&window));
    let shown = world.peer(&one).view().maintenance.unwrap();
    assert_eq!((shown.reason.as_str(), shown.until), ("new disks", window.until));
    assert_eq!(world.peer(&other).maintenance, None);
    let text = format!("maintenance of node {NODE} until {}: new disks", window.until);
    assert_eq!(told(&mut world), [("maintenance_started".to_owned(), text)]);

    world.pass(SECOND * 59);
    world.pass(Duration::from_millis(749));
    assert_eq!(told(&mut world), []);
    world.pass(Duration::from_millis(1));
    let text = format!("maintenance of node {NODE} is over: new disks");
    assert_eq!(told(&mut world), [("maintenance_ended".to_owned(), text)]);
    assert_eq!(world.snapshot().summary.maintenance, []);
    assert_eq!(world.peer(&one).maintenance, None);
}

#[test]
fn whole_racks_and_clusters_are_covered() {
    let mut world = World::new();
    let (one, other) = (world.healthy_node(), world.up("leaf3", "192.168.1.9", 65109, "192.168.1.9"));
    world.settle();
    let covered = |world: &World| [&one, &other].map(|peer| world.peer(peer).maintenance.is_some());
    start(&mut world, Whom::Rack("rack2".into()), MINUTE).unwrap();
    assert_eq!(covered(&world), [false, true]);
    start(&mut world, Whom::Cluster("default".into()), MINUTE).unwrap();
    assert_eq!(covered(&world), [true, true]);
}

#[test]
fn a_window_may_be_changed_and_ended_before_its_time() {
    let mut world = World::new();
    let rack = Whom::Rack("rack1".into());
    let first = start(&mut world, rack.clone(), MINUTE).unwrap();
    world.pass(SECOND * 30);
    let second = start(&mut world, rack.clone(), MINUTE * 5).unwrap();
    assert_eq!((second.since, second.until), (first.since, world.now.after(MINUTE * 5)));
    world.pass(MINUTE * 2);
    assert_eq!(world.snapshot().summary.maintenance, [second]);
    // A reload is about other things.
    let config = world.config.clone();
    world.core.reconfigure(Arc::new(config), world.now);
    world.settle();
    assert_eq!(world.snapshot().summary.maintenance.len(), 1);
    assert!(world.core.end_maintenance(&rack, world.now).is_some());
    assert!(world.core.end_maintenance(&rack, world.now).is_none());
    world.settle();
    let kinds: Vec<_> = told(&mut world).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["maintenance_started", "maintenance_started", "maintenance_ended"]);
}

#[test]
fn what_nobody_knows_is_not_worked_on() {
    let mut with_pin = config();
    with_pin.nodes.push(pin("worker-1", &["192.168.1.77"]));
    let mut world = World::with(with_pin);
    let refused = |scope, nearest: Option<&str>| {
        Err(NoMaintenance::Unknown { scope, nearest: nearest.map(str::to_owned) })
    };
    for (scope, nearest) in [
        (node("worker-2"), Some("worker-1")),
        (node("rack1"), None),
        (Whom::Rack("rock1".into()), Some("rack1")),
        (Whom::Cluster("defualt".into()), Some("default")),
    ] {
        assert_eq!(start(&mut world, scope.clone(), MINUTE), refused(scope, nearest));
    }
    assert!(start(&mut world, node("worker-1"), MINUTE).is_ok(), "it is pinned");
    assert!(start(&mut world, node(NODE), MINUTE).is_err());
    world.healthy_node();
    assert!(start(&mut world, node(NODE), MINUTE).is_ok(), "it was seen");
}

#[test]
fn windows_are_bounded() {
    let mut many = config();
    many.nodes = (0..=MAX_WINDOWS).map(|n| pin(&format!("node-{n}"), &[])).collect();
    let mut world = World::with(many);
    for n in 0..MAX_WINDOWS {
        start(&mut world, node(&format!("node-{n}")), MINUTE).unwrap();
    }
    let one_more = node(&format!("node-{MAX_WINDOWS}"));
    assert_eq!(start(&mut world, one_more, MINUTE), Err(NoMaintenance::TooMany));
    assert!(start(&mut world, node("node-0"), MINUTE * 2).is_ok(), "what is there may be changed");
}

#[test]
fn windows_survive_a_restart_and_those_that_are_over_end_then() {
    let mut before = World::new();
    start(&mut before, Whom::Rack("rack1".into()), MINUTE).unwrap();
    let long = start(&mut before, Whom::Rack("rack2".into()), MINUTE * 60).unwrap();
    let mut after = state::reborn(&before, config(), MINUTE * 2);
    assert!(after.core.muting_dirty);
    after.settle();
    assert_eq!(after.snapshot().summary.maintenance, [long]);
    let ended = told(&mut after);
    assert_eq!(ended.len(), 1);
    assert!(ended[0].1.contains("rack rack1 is over"), "{ended:?}");
    // By a clock that was a year ahead it would have lasted for a year.
    let early = START.as_micros() - 365 * 24 * 3_600_000_000;
    let after =
        state::reborn_of(&before.core.state(before.now), config(), Timestamp::from_micros(early), None);
    let longest = after.now.after(crate::observer::maintenance::LONGEST);
    assert!(after.snapshot().summary.maintenance.iter().all(|window| window.until <= longest));
}

#[test]
fn the_peers_of_a_node_are_forgotten_if_they_are_down_and_not_pinned() {
    let mut world = World::new();
    let one = world.healthy_node();
    let two = world.up("leaf2", "192.168.1.3", NODE_AS, NODE);
    let other = world.up("leaf3", "192.168.1.9", 65109, "192.168.1.9");
    world.settle();
    let forget = |world: &mut World, node: &str, cluster| world.core.forget_node(node, cluster, world.now);
    assert_eq!(forget(&mut world, NODE, None), 0, "they are up");
    for peer in [&one, &two, &other] {
        world.close(peer, Loss::Final);
    }
    world.settle();
    assert_eq!(forget(&mut world, NODE, Some("elsewhere")), 0);
    assert_eq!(forget(&mut world, NODE, Some("default")), 2);
    let known: Vec<_> = world.snapshot().peers.iter().map(|peer| peer.id.clone()).collect();
    assert_eq!(known, [other.peer]);
}

#[test]
fn somebody_knows_of_a_finding() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.announce(&node, &["0.0.0.0/0"]);
    world.settle();
    let id = world.finding("rogue_route").id;
    assert!(!world.core.acknowledge("rogue_route-0", "why not", world.now));
    assert!(world.core.acknowledge(&id, "it is a test", world.now));
    world.settle();
    let events: Vec<_> = world.events.iter().filter(|event| event.kind == "finding_acknowledged").collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].text, format!("{id} is acknowledged: it is a test"));
}

#[test]
fn a_trace_holds_what_operators_did() {
    for full in [usize::MAX, 1] {
        let (recorder, memory) = to_memory(full);
        let mut world = World::recorded(config(), Settings::default(), Some(recorder));
        let one = world.healthy_node();
        let other = world.up("leaf3", "192.168.1.9", 65109, "192.168.1.9");
        world.announce(&one, &["0.0.0.0/0"]);
        world.pass(MINUTE);
        let id = world.finding("rogue_route").id;
        assert!(world.core.acknowledge(&id, "it is a test", world.now));
        start(&mut world, node(NODE), MINUTE * 60).unwrap();
        start(&mut world, node("nobody"), MINUTE * 60).unwrap_err();
        start(&mut world, Whom::Rack("rack2".into()), MINUTE).unwrap();
        start(&mut world, Whom::Cluster("default".into()), MINUTE * 60).unwrap();
        world.pass(MINUTE * 2);
        assert!(world.core.end_maintenance(&Whom::Cluster("default".into()), world.now).is_some());
        world.close(&other, Loss::Final);
        world.pass(MINUTE * 2);
        assert_eq!(world.core.forget_node("192.168.1.9", None, world.now), 1);
        world.pass(MINUTE);
        assert_eq!(world.snapshot().summary.maintenance.len(), 1);
        assert_eq!(world.snapshot().peers.len(), 1);
        trace::same(&memory.segments(), &world);
    }
}

//! The core under the time of files: as under the loop's, but long silences are gone over in leaps.

use super::*;
use crate::observer::Offline;

const HOUR: Duration = Duration::from_hours(1);

/// What the world heard, told again to a core without a task, comes to the same.
#[track_caller]
pub(super) fn same(config: Config, world: &World) {
    let mut offline = tell_again(config, world);
    let (told, live) = (offline.snapshot(world.now), world.snapshot());
    assert_eq!(told.summary, live.summary);
    assert_eq!(told.findings, live.findings);
    assert_eq!(all_pages(7, |query| offline.routes(query)), world.page_all());
}

fn tell_again(config: Config, world: &World) -> Offline {
    let mut offline = Offline::new(Arc::new(config), world.core.settings, START);
    for (event, at) in &world.heard {
        offline.handle(event.clone(), *at);
    }
    offline
}

#[test]
fn what_falls_due_in_a_long_silence_does_so_at_its_time() {
    let mut config = config();
    config.findings.forget_after = HOUR * 2;
    config.nodes.push(pin("never-seen", &["192.168.1.9"]));
    let mut world = World::patient(config.clone(), Settings::default());
    let node = world.up_with(
        "leaf1",
        NODE,
        Negotiated { graceful_restart: Some(restart(300)), ..terms(NODE_AS, NODE) },
    );
    world.announce(&node, &["10.244.1.0/26", "172.16.0.0/24"]);
    world.pass(MINUTE * 10);
    assert_eq!(world.finding("missing_service_cidr").opened, Some(START.after(MINUTE * 7)));
    same(config.clone(), &world);
    world.close(&node, Loss::Graceful);
    world.pass(HOUR);
    assert!(!world.found().iter().any(|found| found.starts_with("stale_routes")));
    same(config.clone(), &world);
    world.pass(HOUR);
    let down = ["peer_down open", "peer_down pending", "peer_down pending"];
    assert_eq!(world.found(), down, "the pinned one on each leaf, told once");
    same(config, &world);
}

/// A world in which `story` happens in its first minute, not just when the house is kept, and then nothing for
/// an hour: what is found then is found in time.
#[track_caller]
fn found_in_silence(config: &Config, found: &[&str], story: impl FnOnce(&mut World)) {
    let mut world = World::patient(config.clone(), Settings::default());
    world.pass(Duration::from_millis(300));
    story(&mut world);
    world.pass(HOUR);
    assert_eq!(world.found(), found);
    same(config.clone(), &world);
}

#[test]
fn what_takes_its_time_to_be_found_is_found_in_a_long_silence() {
    let mut config = config();
    config.policy.allow[1].expect = Expect::None;
    config.limits.lpm = 4;
    found_in_silence(&config, &["recovery_wait open"], |world| drop(world.node()));
    found_in_silence(&config, &["aggregation_missing open"], |world| {
        let node = world.node();
        world.announce(&node, &["10.244.1.0/26", "10.244.1.1/32"]);
    });
    found_in_silence(&config, &["aggregation_missing open"], |world| {
        let node = world.node();
        world.announce(&node, &["10.244.1.1/32"]);
        world.pass(SECOND * 2);
        // It was just looked at.
        world.announce(&node, &["10.244.1.0/26"]);
    });
    found_in_silence(&config, &["fabric_capacity open"], |world| {
        let node = world.node();
        world.announce(&node, &["10.244.1.0/26", "10.244.2.0/26", "10.244.3.0/26", "10.244.4.0/26"]);
        world.pass(SECOND * 5);
        assert_eq!(world.finding("fabric_capacity").severity, "warning");
        world.announce(&node, &["10.244.5.0/26"]);
    });
}

#[test]
fn a_thousand_years_of_silence_pass_at_once() {
    let mut config = config();
    config.neighbors.iter_mut().for_each(|entry| entry.limits.rejected_kept = 0);
    let mut world = World::with(config.clone());
    let node = world.up_with("leaf1", NODE, Negotiated { route_refresh: false, ..terms(NODE_AS, NODE) });
    world.announce(&node, &["172.16.0.0/24", "172.16.1.0/24"]);
    let mut offline = tell_again(config, &world);
    let end = START.after(HOUR * 24 * 365_000);
    offline.finish(end);
    let snapshot = offline.snapshot(end);
    assert_eq!(snapshot.summary.routes.rejected_not_kept, 1);
    assert_eq!(snapshot.summary.findings.by_kind["rogue_route"], 1);
}

#[test]
fn the_end_waits_for_what_is_begun() {
    let mut world = World::with(config());
    let node = world.node();
    let many: Vec<_> = (0..5_000).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    world.announce(&node, &many.iter().map(String::as_str).collect::<Vec<_>>());
    world.announce(&node, &["0.0.0.0/0"]);
    world.close(&node, Loss::Final);
    let mut offline = tell_again(config(), &world);
    offline.finish(START);
    let snapshot = offline.snapshot(START);
    assert_eq!(snapshot.rib.paths, [0, 0], "all are swept");
    assert_eq!(snapshot.summary.findings.pending, 1, "the peer is down, and nothing else is wrong");
}

#[test]
fn strangers_are_taken_as_they_come_where_files_may_hold_any() {
    let mut told = World::with(config());
    let node = told.node();
    told.announce(&node, &["10.244.1.0/26", "0.0.0.0/0"]);
    told.close(&node, Loss::Final);
    let mut elsewhere = config();
    elsewhere.neighbors.retain(|entry| !entry.range.contains(&ip(NODE)));
    for strangers in [true, false] {
        let settings = Settings { strangers, ..told.core.settings };
        let mut offline = Offline::new(Arc::new(elsewhere.clone()), settings, START);
        let peers = told.heard.iter().map(|(event, at)| {
            offline.handle(event.clone(), *at);
            offline.snapshot(at.after(MINUTE)).summary.peers
        });
        let known = peers.map(|peers| (peers.known, peers.established)).collect::<Vec<_>>();
        // A stranger that is down is still known, and missed.
        let expected = if strangers { [(1, 1), (1, 1), (1, 0)] } else { [(0, 0); 3] };
        assert_eq!(known, expected);
    }
}

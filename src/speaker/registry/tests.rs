//! Places, evictions and reloads, without a socket.

use super::*;
use crate::speaker::tests::{config, leaf, neighbors};

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn registry(max_peers: usize) -> Registry {
    let mut registry = Registry::default();
    let mut range = neighbors("a", "10.0.0.0/8", "65201");
    range.max_peers = max_peers;
    registry.reconfigure(Table::new(&config(vec![leaf("a", 65101)], vec![range])));
    registry
}

fn peer(last: u8) -> PeerId {
    PeerId { leaf: "a".into(), address: [10, 0, 0, last].into() }
}

fn enter(registry: &mut Registry, last: u8) -> Entry {
    registry.enter(peer(last), Direction::Accepted, NOW).unwrap()
}

fn who(last: u8) -> Identity {
    Identity { asn: 65201, identifier: [192, 168, 1, last].into() }
}

fn establish(registry: &mut Registry, last: u8) -> Entry {
    let entry = enter(registry, last);
    registry.open(&entry, who(last)).unwrap();
    registry.establish(&entry, true).unwrap();
    entry
}

fn silent(registry: &Registry) -> usize {
    registry.ranges.values().map(|occupancy| occupancy.silent.len()).sum()
}

#[test]
fn every_place_that_is_taken_is_given_back() {
    let mut registry = registry(2);
    let probes: Vec<_> = (0..7).map(|_| enter(&mut registry, 1)).collect();
    assert_eq!(silent(&registry), SILENT);
    let session = establish(&mut registry, 1);
    assert_eq!(silent(&registry), SILENT - 1);
    for probe in &probes {
        registry.leave(probe, false);
    }
    assert_eq!(silent(&registry), 0);
    registry.leave(&session, false);
    assert_eq!(registry.peers().len(), 1, "it is known");
    assert!(registry.forget(&peer(1)));
    assert!(registry.peers.is_empty());
    assert!(registry.ranges.values().all(|occupancy| occupancy.peers == 0));
}

#[test]
fn a_range_bounds_its_peers_and_its_silent_connections() {
    let mut registry = registry(2);
    let first = establish(&mut registry, 1);
    establish(&mut registry, 2);
    let third = enter(&mut registry, 3);
    assert_eq!(registry.open(&third, who(3)), Err(Stop::Cease(Cease::ConnectionRejected, String::new())));
    registry.leave(&third, false);
    registry.leave(&first, false);
    let third = enter(&mut registry, 3);
    assert!(registry.open(&third, who(3)).is_err(), "the first one is still known");
    registry.leave(&third, false);
    assert!(registry.forget(&peer(1)));
    establish(&mut registry, 3);

    for last in 10..18 {
        enter(&mut registry, last);
    }
    assert_eq!(silent(&registry), 2 * SILENT);
}

#[test]
fn the_oldest_silent_connection_of_a_full_range_makes_room() {
    let mut registry = registry(2);
    let silent_ones: Vec<_> = (10..18).map(|last| enter(&mut registry, last)).collect();
    let newest = enter(&mut registry, 99);
    assert_eq!(silent(&registry), 2 * SILENT);
    let stopped = |entry: &Entry| entry.orders.take().stop;
    assert_eq!(stopped(&silent_ones[0]), Some(out_of_room()));
    assert!(silent_ones[1..].iter().all(|entry| stopped(entry).is_none()));
    registry.open(&newest, who(99)).unwrap();
    registry.relieve();
    assert_eq!(silent(&registry), 0);
    assert!(silent_ones[1..].iter().all(|entry| stopped(entry) == Some(out_of_room())));
    for entry in &silent_ones {
        registry.leave(entry, false);
    }
    assert_eq!(registry.peers.len(), 1);
}

#[test]
fn a_connection_whose_open_is_there_makes_no_room() {
    let mut registry = registry(2);
    let evicted: Vec<_> = (0..8).map(|_| enter(&mut registry, 1)).collect();
    registry.open(&evicted[0], who(1)).unwrap();
    assert_eq!(evicted[0].orders.take().stop, None, "it need not go");
    assert_eq!(evicted[1].orders.take().stop, Some(out_of_room()));
    assert!(registry.establish(&evicted[0], true).is_some());
    // What else it is told is not taken back with that.
    let stop = Stop::Cease(Cease::AdministrativeShutdown, String::new());
    registry.close(&stop);
    assert!(registry.open(&evicted[2], who(2)).is_err(), "it is no restart");
    assert_eq!(evicted[2].orders.take().stop, Some(stop));
}

#[test]
fn who_was_never_established_is_not_remembered() {
    let mut registry = registry(1);
    let entry = enter(&mut registry, 1);
    registry.open(&entry, who(1)).unwrap();
    registry.leave(&entry, false);
    assert!(registry.peers().is_empty());
    establish(&mut registry, 2);
}

#[test]
fn a_reload_keeps_count() {
    let mut registry = registry(2);
    let session = establish(&mut registry, 1);
    let probe = enter(&mut registry, 2);
    let mut narrower = neighbors("a", "10.0.0.0/24", "65201");
    narrower.max_peers = 1;
    registry.reconfigure(Table::new(&config(vec![leaf("a", 65101)], vec![narrower])));
    assert_eq!(session.orders.take().stop, None);
    assert_eq!(silent(&registry), 1);
    assert!(registry.open(&probe, who(2)).is_err(), "there is a place for one now");
    registry.leave(&probe, false);
    assert_eq!(silent(&registry), 0);

    registry.reconfigure(Table::new(&config(vec![leaf("a", 65101)], vec![])));
    assert_eq!(session.orders.take().stop, Some(Stop::Cease(Cease::PeerDeconfigured, String::new())));
    registry.leave(&session, false);
    assert!(registry.peers.is_empty());
}

#[test]
fn an_open_is_judged_by_the_configuration_in_force() {
    let mut registry = registry(2);
    let probe = enter(&mut registry, 1);
    let other = neighbors("a", "10.0.0.0/8", "65299");
    registry.reconfigure(Table::new(&config(vec![leaf("a", 65101)], vec![other])));
    let removed = Stop::Cease(Cease::PeerDeconfigured, String::new());
    assert_eq!(registry.open(&probe, who(1)), Err(removed), "65201 may not peer any more");
}

#[test]
fn the_oldest_silent_connection_makes_room() {
    let mut registry = registry(2);
    let mut probes: Vec<_> = (0..4).map(|_| enter(&mut registry, 1)).collect();
    registry.leave(&probes.remove(0), false);
    probes.extend((0..2).map(|_| enter(&mut registry, 1)));
    let stopped: Vec<_> = probes.iter().map(|probe| probe.orders.take().stop.is_some()).collect();
    assert_eq!(stopped, [true, false, false, false, false]);
}

#[test]
fn coming_and_going_earns_no_lines_of_log() {
    let mut registry = registry(2);
    let first = establish(&mut registry, 1);
    registry.leave(&first, true);
    assert!(registry.peers.is_empty());
    assert!(Arc::ptr_eq(&first.logs, &enter(&mut registry, 1).logs));
    for number in 0..2000_u16 {
        let [high, low] = number.to_be_bytes();
        let passer = PeerId { leaf: "a".into(), address: [10, 1, high, low].into() };
        let entry = registry.enter(passer, Direction::Accepted, NOW).unwrap();
        registry.leave(&entry, false);
    }
    assert!(registry.leaves.values().all(|counts| counts.remembered.len() <= DEPARTED));
}

#[test]
fn who_was_forgotten_comes_back_to_his_share() {
    let mut registry = registry(2);
    let session = establish(&mut registry, 1);
    registry.leave(&session, true);
    assert!(registry.peers().is_empty());
    assert!(enter(&mut registry, 1).share.is(&session.share), "of a peer, one session is told of at a time");
    assert!(!enter(&mut registry, 2).share.is(&session.share));
}

#[test]
fn a_refused_peer_is_told_so_until_its_time_is_over() {
    let mut registry = registry(2);
    let session = establish(&mut registry, 1);
    let until = NOW.after(std::time::Duration::from_mins(1));
    registry.refuse(&peer(1), until);
    registry.leave(&session, false);
    assert!(registry.is_busy(&peer(1), NOW));
    let rejected = Some(Stop::Cease(Cease::ConnectionRejected, String::new()));
    let entry = enter(&mut registry, 1);
    assert_eq!(entry.orders.take().stop, rejected);
    registry.leave(&entry, false);
    let entry = registry.enter(peer(1), Direction::Accepted, until).unwrap();
    assert_eq!(entry.orders.take().stop, None);
}

proptest::proptest! {
    #[test]
    fn the_count_is_right_whatever_happens(
        steps in proptest::collection::vec((0_u8..9, 0_u8..4, 0_usize..8), 0..200)
    ) {
        stir(steps);
    }
}

fn stir(steps: Vec<(u8, u8, usize)>) {
    let mut registry = registry(2);
    let mut entries: Vec<Entry> = Vec::new();
    let mut opened = std::collections::HashSet::new();
    for (step, last, pick) in steps {
        let picked = pick.checked_rem(entries.len());
        match (step, picked) {
            (0..=2, _) => entries.extend(registry.enter(peer(last), Direction::Accepted, NOW)),
            // A connection has one OPEN.
            (3 | 4, Some(place)) if opened.insert(entries[place].id) => {
                _ = registry.open(&entries[place], who(u8::from(pick > 3)));
            }
            (5, Some(place)) => _ = registry.establish(&entries[place], pick % 2 == 0),
            (6, Some(place)) => registry.leave(&entries.swap_remove(place), pick % 2 == 0),
            (7, _) => _ = registry.forget(&peer(last)),
            (8, _) => {
                let ranges = [&["10.0.0.0/8"][..], &["10.0.0.0/31", "10.0.0.0/8"], &["10.0.0.2/31"], &[]];
                let entries = ranges[usize::from(last)].iter().map(|range| {
                    let mut entry = neighbors("a", range, if pick % 3 == 0 { "65299" } else { "65201" });
                    entry.max_peers = 1 + pick % 3;
                    entry
                });
                registry.reconfigure(Table::new(&config(vec![leaf("a", 65101)], entries.collect())));
            }
            _ => {}
        }
        let connections = || registry.peers.values().flat_map(|peer| &peer.connections);
        let quiet = connections().filter(|connection| connection.is_silent()).count();
        assert_eq!(silent(&registry), quiet);
        let counted = registry.peers.values().filter(|peer| peer.counted.is_some()).count();
        assert_eq!(registry.ranges.values().map(|range| range.peers).sum::<usize>(), counted);
        for peer in registry.peers.values() {
            let talking = peer.connections.iter().filter(|connection| connection.stage != Stage::Silent);
            assert!(talking.count() <= 1, "{peer:?}");
            assert!(peer.is_wanted());
        }
    }
    for entry in entries {
        registry.leave(&entry, false);
    }
    for last in 0..4 {
        registry.forget(&peer(last));
    }
    assert!(registry.peers.is_empty());
    assert!(registry.ranges.values().all(|range| range.peers == 0 && range.silent.is_empty()));
}

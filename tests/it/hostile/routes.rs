//! Peers that announce more than anybody has room for.

use std::time::{Duration, Instant};

use super::Scene;
use super::floods::{HOSTILE, announce, attributes, pods};
use crate::peer::Peer;
use crate::wire::{EXTENDED, OPTIONAL, TRANSITIVE, attribute, update};

/// A host with a limit of 10,000 prefixes and several paths.
const LIMITED: u8 = 130;
/// How many routes are too many.
const MANY: u32 = 100_000;

/// Prefixes that nobody may announce.
pub(super) fn rejected(scene: &Scene) -> String {
    let prefixes: Vec<u8> = (0..MANY).flat_map(|n| [32, 11].into_iter().chain(low(n))).collect();
    let mut peer = scene.establish(HOSTILE + 10);
    peer.send(&announce(&attributes(scene, HOSTILE + 10), &prefixes, 5));
    held(scene, peer, HOSTILE + 10, MANY, 1_000)
}

/// Prefixes that would be accepted one by one.
pub(super) fn above_limit(scene: &Scene) -> String {
    let prefixes: Vec<u8> =
        (0..MANY).flat_map(|n| [0, 0, 0, 1, 32, 10].into_iter().chain(service(n))).collect();
    let mut peer = scene.establish(LIMITED);
    peer.send(&announce(&attributes(scene, LIMITED), &prefixes, 9));
    held(scene, peer, LIMITED, MANY, 11_000)
}

pub(super) fn path_ids(scene: &Scene) -> String {
    let paths: Vec<u8> =
        (0..MANY).flat_map(|n| n.to_be_bytes().into_iter().chain([32, 10, 244, 1, 1])).collect();
    let mut peer = scene.establish(LIMITED + 1);
    peer.send(&announce(&attributes(scene, LIMITED + 1), &paths, 9));
    held(scene, peer, LIMITED + 1, MANY, 11_000)
}

/// Octets 2 to 4 of an address.
fn low(number: u32) -> [u8; 3] {
    let [_, rest @ ..] = number.to_be_bytes();
    rest
}

/// The same within 10.96.0.0/12.
fn service(number: u32) -> [u8; 3] {
    low(number + (96 << 16))
}

/// Waits until all were counted, and says how many of them are kept.
fn held(scene: &Scene, mut peer: Peer, host: u8, sent: u32, most: u32) -> String {
    let address = scene.host(host);
    let label = format!("peer=\"{address}\"");
    peer.until("all were counted", || {
        // To render all metrics is work: not all the time.
        std::thread::sleep(Duration::from_millis(100));
        let announced = scene.metric(("thirdleaf_bgp_prefixes_received_total", &label));
        (announced >= f64::from(sent)).then_some(())
    });
    let kept = scene.metric(("thirdleaf_bgp_prefixes_held", &label));
    assert!(kept > 0.0 && kept <= f64::from(most), "{kept} are kept");
    peer.expect_up();
    format!("{kept} of {sent} are kept")
}

/// What can be told apart is kept apart, yet not without bound: all of it would be 320 MB.
pub(super) fn attributes_of_their_own(scene: &Scene) -> String {
    let host = HOSTILE + 11;
    let usual = attributes(scene, host);
    let mut peer = scene.establish(host);
    for n in 0..10_000_u16 {
        let communities = attribute(OPTIONAL | TRANSITIVE | EXTENDED, 8, &n.to_be_bytes().repeat(16_000));
        let [high, low] = n.to_be_bytes();
        peer.send(&update(&[], &[&usual[..], &communities].concat(), &[32, 10, 244, high, low]));
    }
    held(scene, peer, host, 10_000, 1_000)
}

pub(super) fn flapping(scene: &Scene) -> String {
    let host = HOSTILE + 12;
    let routes = announce(&attributes(scene, host), &pods(1_000), 5);
    let start = Instant::now();
    for _ in 0..200 {
        let mut peer = scene.establish(host);
        peer.send(&routes);
        peer.close();
    }
    let took = start.elapsed();
    // The last word stands: the session is down.
    let address = scene.host(host).to_string();
    crate::run::eventually("the peer is down", || {
        let peers = scene.daemon.get(&format!("/api/v1/peers?peer={address}"));
        (peers["items"][0]["state"] != "Established").then_some(())
    });
    format!("within {took:.1?}, {:.1?} each", took / 200)
}

//! Sessions that send as much as the daemon takes.

use std::time::{Duration, Instant};

use super::Scene;
use crate::conformance::NODE_AS;
use crate::peer::{Heard, Peer};
use crate::wire::{
    self, EXTENDED, OPTIONAL, TRANSITIVE, as_path, attribute, keepalive, next_hop, nlri, origin,
    route_refresh, update,
};

/// A node that means well, and what it announces.
const NODE: u8 = 20;
/// Hosts that do not; the second half of the place has a prefix limit, and several paths.
pub(super) const HOSTILE: u8 = 30;
/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(2);
/// The longest that a healthy peer's route may take to be seen meanwhile, with room for a busy machine.
const VISIBLE: Duration = Duration::from_secs(5);

/// What else was seen during a flood.
#[derive(Default)]
struct Seen {
    /// The slowest answer of the API.
    answer: Duration,
    /// The longest that a healthy peer's route took until the API showed it.
    visible: Duration,
}

/// The attributes of a route of this host.
pub(super) fn attributes(scene: &Scene, host: u8) -> Vec<u8> {
    [origin(0), as_path(&[NODE_AS.into()]), next_hop(scene.host(host))].concat()
}

/// Host routes of the pods' range as NLRI.
pub(super) fn pods(count: u16) -> Vec<u8> {
    (0..count).flat_map(|n| [&[32, 10, 244][..], &n.to_be_bytes()].concat()).collect()
}

/// UPDATEs of at most 4,000 octets of NLRI that announce all of it.
pub(super) fn announce(attributes: &[u8], nlri: &[u8], size: usize) -> Vec<u8> {
    nlri.chunks(4000 / size * size).flat_map(|nlri| update(&[], attributes, nlri)).collect()
}

fn withdraw(nlri: &[u8], size: usize) -> Vec<u8> {
    nlri.chunks(4000 / size * size).flat_map(|nlri| update(nlri, &[], &[])).collect()
}

pub(super) fn same_routes(scene: &Scene) -> String {
    let octets = announce(&attributes(scene, HOSTILE), &pods(1_000), 5);
    flood(scene, &[HOSTILE], FLOOD, &octets)
}

pub(super) fn churn(scene: &Scene) -> String {
    let octets = churning(scene, HOSTILE);
    flood(scene, &[HOSTILE], FLOOD, &octets)
}

fn churning(scene: &Scene, host: u8) -> Vec<u8> {
    let pods = pods(10_000);
    [announce(&attributes(scene, host), &pods, 5), withdraw(&pods, 5)].concat()
}

/// An ORIGIN of two octets and a community of three: each UPDATE is treated as a withdrawal.
pub(super) fn faults(scene: &Scene) -> String {
    let bad = [attribute(TRANSITIVE, 1, &[0, 0]), attribute(OPTIONAL | TRANSITIVE, 8, &[1, 2, 3])].concat();
    let good = [as_path(&[NODE_AS.into()]), next_hop(scene.host(HOSTILE))].concat();
    let octets = update(&[], &[bad, good].concat(), &nlri("10.244.9.0/26"));
    flood(scene, &[HOSTILE], FLOOD, &octets)
}

pub(super) fn refreshes(scene: &Scene) -> String {
    let storm: Vec<u8> =
        [0, 1, 2, 1, 1, 2, 2].iter().flat_map(|subtype| route_refresh(1, *subtype, 1)).collect();
    let routes = announce(&attributes(scene, HOSTILE), &pods(500), 5);
    flood(scene, &[HOSTILE], FLOOD, &[routes, storm.repeat(100), wire::end_of_rib().repeat(100)].concat())
}

pub(super) fn keepalives(scene: &Scene) -> String {
    flood(scene, &[HOSTILE], FLOOD, &keepalive())
}

pub(super) fn four_at_once(scene: &Scene) -> String {
    let octets = churning(scene, HOSTILE);
    flood(scene, &[HOSTILE, HOSTILE + 1, HOSTILE + 2, HOSTILE + 3], Duration::from_secs(5), &octets)
}

/// Its receive buffer is full from the first seconds on.
pub(super) fn deaf(scene: &Scene) -> String {
    let rejected = [origin(0), as_path(&[NODE_AS.into()]), next_hop(scene.host(NODE))].concat();
    let padding = attribute(OPTIONAL | TRANSITIVE | EXTENDED, 32, &[7; 1200]);
    let octets = announce(&[rejected, padding].concat(), &pods(500), 5);
    flood(scene, &[HOSTILE], FLOOD, &octets)
}

/// Each of `hosts` says `octets` again and again, while a healthy peer announces and the API is asked.
fn flood(scene: &Scene, hosts: &[u8], time: Duration, octets: &[u8]) -> String {
    let octets = octets.repeat((256 * 1024_usize).div_ceil(octets.len()));
    let peers: Vec<Peer> = hosts.iter().map(|host| scene.establish(*host)).collect();
    let end = Instant::now() + time;
    let (sent, seen) = std::thread::scope(|scope| {
        let flooding: Vec<_> = peers
            .into_iter()
            .map(|mut peer| {
                let octets = &octets;
                scope.spawn(move || {
                    let mut sent = 0;
                    while Instant::now() < end {
                        peer.send(octets);
                        sent += octets.len();
                    }
                    // Whatever it said, it is no reason to end the session.
                    assert!(!matches!(peer.hear(Duration::from_millis(1)), Heard::Closed | Heard::Reset));
                    sent
                })
            })
            .collect();
        let seen = look(scene, end);
        (flooding.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), seen)
    });
    assert!(seen.visible < VISIBLE, "a route was seen after {:?}", seen.visible);
    let rate = sent / usize::try_from(time.as_millis()).unwrap();
    let (visible, answer) = (seen.visible, seen.answer);
    format!(
        "{rate} kB/s; a healthy peer's route is seen within {visible:.1?}, the API answers within {answer:.1?}"
    )
}

fn look(scene: &Scene, end: Instant) -> Seen {
    let mut node = scene.establish(NODE);
    let attributes = attributes(scene, NODE);
    let mut seen = Seen::default();
    let mut number = 0_u8;
    while Instant::now() < end {
        let start = Instant::now();
        scene.daemon.get("/api/v1/summary");
        seen.answer = seen.answer.max(start.elapsed());

        number = number.wrapping_add(1);
        let prefix = format!("10.97.0.{number}/32");
        let start = Instant::now();
        node.send(&update(&[], &attributes, &nlri(&prefix)));
        node.until("the route is seen", || is_there(scene, &prefix).then_some(()));
        seen.visible = seen.visible.max(start.elapsed());
        node.keep_alive();
    }
    node.send(&notification_of_goodbye());
    seen
}

fn notification_of_goodbye() -> Vec<u8> {
    wire::notification(6, 2, &[])
}

fn is_there(scene: &Scene, prefix: &str) -> bool {
    let routes = scene.daemon.get(&format!("/api/v1/routes?prefix={prefix}"));
    !routes["items"].as_array().unwrap().is_empty()
}

//! Connections that never become sessions, and a daemon that cannot answer for a while.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{Scene, again_and_again};
use crate::peer::{Heard, Peer};
use crate::run::eventually;
use crate::wire::{self, notification, update};

const HALF_OPEN: (&str, &str) = ("thirdleaf_bgp_connections_rejected_total", r#"reason="half_open_limit""#);
/// A node that means well.
const NODE: u8 = 20;
/// Hosts that do not.
const HOSTILE: std::ops::Range<u8> = 30..230;
/// The first host of a range that has room for two peers.
pub(super) const SMALL: u8 = 24;
/// How long a storm lasts.
const STORM: Duration = Duration::from_millis(1200);
/// How often a node comes in a storm of its own address at least.
const NODES: u32 = 4;

pub(super) fn silent_first(scene: &Scene) -> String {
    let alone = best_of_three(|| scene.handshake(NODE));
    let mut delays = Vec::new();
    let counted = scene.metric(HALF_OPEN);
    for count in [1, 4] {
        let silent: Vec<Peer> = (0..count).map(|_| scene.connect(NODE)).collect();
        delays.push(best_of_three(|| scene.handshake(NODE)));
        if count == 4 {
            let made_room = || (scene.metric(HALF_OPEN) > counted).then_some(());
            eventually("the oldest makes room", made_room);
        }
        drop(silent);
    }
    // With room for a busy machine: what must not happen is a wait for somebody's timer.
    assert!(delays.iter().all(|delay| *delay < Duration::from_secs(1)), "{delays:?}");
    let [one, four] = delays[..] else { unreachable!() };
    format!("handshake alone {alone:.1?}, behind one {one:.1?}, behind four {four:.1?}")
}

fn best_of_three(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| measure()).min().unwrap()
}

pub(super) fn half_open_from_one(scene: &Scene) -> String {
    let silent: Vec<Peer> = (0..500).map(|_| scene.connect(HOSTILE.start)).collect();
    let same = scene.handshake(HOSTILE.start);
    let other = scene.handshake(NODE);
    drop(silent);
    assert!(same.max(other) < Duration::from_secs(1), "{same:?} {other:?}");
    format!("handshake from the same address {same:.1?}, from another {other:.1?}")
}

pub(super) fn half_open_from_many(scene: &Scene) -> String {
    let start = Instant::now();
    let hosts = HOSTILE.cycle().take(500);
    let silent: Vec<Peer> = hosts.map(|host| scene.connect(host)).collect();
    let opened = start.elapsed();
    let took: Vec<_> = (0..3).map(|_| scene.handshake(NODE)).collect();
    let took = took.into_iter().max().unwrap();
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(silent);
    format!("handshake of another {took:.1?}; all opened within {opened:.1?}")
}

pub(super) fn slow_octets(scene: &Scene) -> String {
    let mut opening = scene.connect(HOSTILE.start);
    let mut updating = scene.establish(HOSTILE.start + 1);
    updating.fall_silent();
    let open = scene.open(HOSTILE.start).encode();
    let routes = update(&[], &[], &wire::nlri("10.244.0.0/26").repeat(100));
    let ends = |peer: &mut Peer, octets: &[u8]| {
        let start = Instant::now();
        for octet in octets {
            let _ = peer.try_send(&[*octet]);
            let due = Instant::now() + Duration::from_secs(1);
            while Instant::now() < due {
                match peer.hear(due.saturating_duration_since(Instant::now())) {
                    Heard::Message(wire::NOTIFICATION, body) => return (start.elapsed(), body[0]),
                    Heard::Closed | Heard::Reset => panic!("closed without NOTIFICATION"),
                    Heard::Message(..) | Heard::Nothing => {}
                }
            }
        }
        panic!("it may go on for ever")
    };
    let (in_open, in_update) = std::thread::scope(|scope| {
        let slow = scope.spawn(|| ends(&mut opening, &open));
        let in_update = ends(&mut updating, &routes);
        (slow.join().unwrap(), in_update)
    });
    assert_eq!((in_open.1, in_update.1), (4, 4), "hold timer expired");
    assert!(
        (Duration::from_millis(2900)..Duration::from_millis(4500)).contains(&in_update.0),
        "{in_update:?}"
    );
    assert!((Duration::from_secs(8)..Duration::from_secs(13)).contains(&in_open.0), "{in_open:?}");
    format!("ended after {:.1?} in OPEN, {:.1?} in UPDATE", in_open.0, in_update.0)
}

pub(super) fn close_storm(scene: &Scene) -> String {
    storm(scene, |peer, _| peer.close())
}

/// Every connection but the node's own says nothing; the node says all at once, or waits for our OPEN. The storm
/// lasts until the node has come often enough, however busy the machine is.
pub(super) fn close_storm_from_a_node(scene: &Scene) -> String {
    let (node, leaf) = (scene.host(SMALL + 1), scene.leaf());
    let all = [scene.open(SMALL + 1).encode(), wire::keepalive(), wire::end_of_rib()].concat();
    let come = || {
        scene.establish(SMALL + 1).close();
        let mut peer = Peer::connect(node, leaf);
        peer.send(&all);
        peer.expect(wire::OPEN);
        peer.expect(wire::KEEPALIVE);
        peer.expect(wire::UPDATE);
        std::thread::sleep(Duration::from_millis(5));
    };
    let (storms, nodes) = std::thread::scope(|scope| {
        let nodes = scope.spawn(|| {
            let mut times = again_and_again(STORM, |_| come());
            while times < NODES {
                come();
                times += 1;
            }
            times
        });
        let storm = || std::iter::repeat_with(|| drop(Peer::try_connect(node, leaf)));
        let storm = || storm().take_while(|()| !nodes.is_finished()).count();
        let storms = std::thread::scope(|scope| {
            let other = scope.spawn(storm);
            storm() + other.join().unwrap()
        });
        (storms, nodes.join().unwrap())
    });
    assert!(storms > 100, "{storms} times");
    format!("{storms} times, and each of {nodes} times two sessions of the node came up")
}

pub(super) fn reset_storm(scene: &Scene) -> String {
    storm(scene, |peer, _| peer.reset())
}

pub(super) fn garbage_storm(scene: &Scene) -> String {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client hello of TLS 1.3";
    let noise: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let said = [&b"GET / HTTP/1.1\r\nHost: leaf\r\n\r\n"[..], &hello[..], &noise];
    storm(scene, move |mut peer, time| {
        let _ = peer.try_send(said[time as usize % said.len()]);
    })
}

pub(super) fn notification_storm(scene: &Scene) -> String {
    let farewell = notification(6, 2, b"\x05never").repeat(10);
    let octets = [scene.open(HOSTILE.start).encode(), farewell].concat();
    storm(scene, move |mut peer, _| {
        let _ = peer.try_send(&octets);
    })
}

pub(super) fn wrong_as_storm(scene: &Scene) -> String {
    let mut open = scene.open(HOSTILE.start);
    open.parameters.clear();
    open.my_as = 64999;
    let octets = open.encode();
    storm(scene, move |mut peer, _| {
        let _ = peer.try_send(&octets);
    })
}

/// Two at once come again and again, and a node comes meanwhile.
fn storm(scene: &Scene, act: impl Fn(Peer, u32) + Sync) -> String {
    let hosts = u32::from(HOSTILE.end - HOSTILE.start);
    let attack = |time: u32| {
        let host = HOSTILE.start + u8::try_from(time % hosts).unwrap();
        // The backlog may be full for a moment: that is the attacker's concern.
        if let Ok(peer) = Peer::try_connect(scene.host(host), scene.leaf()) {
            act(peer, time);
        }
    };
    weather(scene, attack)
}

pub(super) fn stranger_storm(scene: &Scene) -> String {
    let [a, b, c, _] = scene.leaf().octets();
    weather(scene, |time| {
        let [.., high, low] = time.to_be_bytes();
        let stranger = Ipv4Addr::new(a, b, c ^ 0x80, high.wrapping_add(low).max(1));
        drop(Peer::try_connect(stranger, scene.leaf()));
    })
}

fn weather(scene: &Scene, attack: impl Fn(u32) + Sync) -> String {
    let (times, took) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| again_and_again(STORM, &attack))).collect();
        let mut took = Duration::ZERO;
        again_and_again(STORM, |_| {
            took = took.max(scene.handshake(NODE));
            std::thread::sleep(Duration::from_millis(50));
        });
        (threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>(), took)
    });
    assert!(times > 100, "{times} times is no storm");
    // What must not happen is a wait for somebody's timer: those of silent connections are 10 s.
    assert!(took < Duration::from_secs(5), "a node needed {took:?}");
    format!("{times} times in {STORM:?}, a node's slowest handshake meanwhile {took:.1?}")
}

/// Longer than the hold time: what peers said meanwhile must be read before they are found silent.
pub(super) fn standstill(scene: &Scene) -> String {
    scene.daemon.signal("STOP");
    let mut node = scene.connect(NODE);
    let said = node.try_send(&scene.open(NODE).encode());
    std::thread::sleep(Duration::from_secs(4));
    scene.daemon.signal("CONT");
    let start = Instant::now();
    said.unwrap();
    node.expect(wire::OPEN);
    node.expect(wire::KEEPALIVE);
    node.confirm();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Time for who was found silent to hear of it; from the first KEEPALIVE after it, witnesses wait no more.
    std::thread::sleep(Duration::from_millis(1200));
    scene.watch.forget();
    std::thread::sleep(Duration::from_millis(1200));
    format!("all sessions go on, and who connected meanwhile is up {took:.1?} after it")
}

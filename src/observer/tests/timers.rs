//! Hold timers of peers that expire although KEEPALIVEs left in time.

use super::*;
use crate::observer::findings::MAX_PROOFS;
use crate::speaker::HoldExpiry;

const NONE: [&str; 0] = [];

impl World {
    /// Its hold timer expires.
    pub(super) fn expire(&mut self, node: &Session, since_sent: Duration) {
        let expiry = HoldExpiry {
            hold_time: SECOND * 3,
            since_sent,
            steady_for: MINUTE,
            since_heard: Duration::from_millis(500),
        };
        self.hear(Event::Closed(Closed {
            session: node.id,
            at: self.now,
            reason: ResetReason::HoldTimerPeer,
            detail: "received NOTIFICATION 4/0".to_owned(),
            loss: Loss::Final,
            expiry: Some(Box::new(expiry)),
        }));
    }
}

#[test]
fn a_hold_timer_that_expires_twice_a_day_is_trouble_and_once_is_not() {
    let mut world = World::new();
    let node = world.healthy_node();
    world.expire(&node, SECOND);
    let other = world.up("leaf1", "192.168.1.3", 65103, "192.168.1.3");
    world.announce(&other, &["10.244.2.0/26", "10.96.0.0/12"]);
    world.end_of_rib(&other);
    world.healthy_node();
    world.pass(MINUTE * 60 * 23);
    assert_eq!(world.found(), NONE);
    let first = START.after(Duration::from_millis(250));
    let second = world.now;
    world.expire(&other, SECOND);
    world.settle();
    let finding = world.finding("timer_trouble");
    assert_eq!((finding.state.as_str(), finding.cluster.as_str()), ("open", "default"));
    let line = |at: Timestamp, address: &str| {
        format!(
            "{at}: {address} on leaf1 ended the session, its hold timer of 3 s expired 1.0 s after our last \
             KEEPALIVE left; its own had come 0.5 s before"
        )
    };
    assert_eq!(finding.evidence, [line(second, "192.168.1.3"), line(first, NODE)]);
    assert!(
        finding.summary.contains("192.168.1.2") && finding.summary.contains("192.168.1.3"),
        "{finding:?}"
    );
    assert!(finding.advice.contains("hold_time = \"9s\""), "{}", finding.advice);
    // It happens daily: a day must pass without.
    world.pass(MINUTE * 60 * 23);
    assert!(world.found().contains(&"timer_trouble open".to_owned()), "{:?}", world.found());
    world.pass(MINUTE * 60 * 2);
    assert!(world.is_resolved("timer_trouble"));
}

#[test]
fn what_is_our_fault_or_farther_apart_or_one_moment_of_many_is_no_trouble_of_timers() {
    let mut world = World::new();
    for (since_sent, apart) in [(SECOND * 2, MINUTE * 5), (SECOND, MINUTE * 60 * 25)] {
        for _ in 0..3 {
            let node = world.healthy_node();
            world.expire(&node, since_sent);
            world.healthy_node();
            world.pass(apart);
        }
    }
    assert_eq!(world.found(), NONE);
    let nodes: Vec<_> = (10..40)
        .map(|n| world.up("leaf1", &format!("192.168.1.{n}"), 65103, &format!("192.168.1.{n}")))
        .collect();
    for node in &nodes {
        world.expire(node, SECOND);
    }
    world.pass(MINUTE / 2);
    assert!(!world.found().iter().any(|found| found.starts_with("timer_trouble")), "{:?}", world.found());
    // Another time, it is: and now the first ones count too.
    let node = world.up("leaf1", "192.168.1.10", 65103, "192.168.1.10");
    world.pass(MINUTE);
    world.expire(&node, SECOND);
    world.settle();
    assert_eq!(world.finding("timer_trouble").evidence.len(), MAX_PROOFS);
}

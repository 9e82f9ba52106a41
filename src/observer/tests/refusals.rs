//! Who tries to peer and is refused, and how long that is told.

use super::*;
use crate::observer::findings::{MAX_PROOFS, QUIET};
use crate::observer::trace::to_memory;
use crate::speaker::{Refusal, Refused, Signature, Unsigned};

const NONE: [&str; 0] = [];
const STRANGER: &str = "192.168.1.77";

impl World {
    fn refuse(&mut self, leaf: &str, address: &str, why: Refusal) {
        let refused = Refused {
            peer: PeerId { leaf: leaf.into(), address: ip(address) },
            at: self.now,
            why,
            offered_as: Some(65300),
            expected: "AS 65102-65199".to_owned(),
            detail: String::new(),
        };
        self.hear(Event::Refused(Box::new(refused)));
    }

    /// One try, and another each time that so much passed.
    fn tries(&mut self, address: &str, times: usize, apart: Duration) {
        for _ in 0..times {
            self.refuse("leaf1", address, Refusal::AsNotAllowed);
            self.pass(apart);
        }
    }

    fn drops(&mut self, leaf: Option<&str>, signature: Signature, segments: u64) {
        let leaf = leaf.map(Into::into);
        self.hear(Event::Unsigned(Unsigned { leaf, at: self.now, signature, segments }));
    }
}

#[test]
fn who_is_refused_again_and_again_is_found_and_once_or_twice_is_nothing() {
    let mut world = World::new();
    world.tries(STRANGER, 2, SECOND * 15);
    assert_eq!(world.found(), NONE);
    let first = START;
    world.tries(STRANGER, 1, SECOND * 2);
    let finding = world.finding("peer_refused");
    assert_eq!((finding.state.as_str(), finding.severity.as_str()), ("pending", "warning"));
    assert_eq!((finding.leaf.as_deref(), finding.peer), (Some("leaf1"), Some(ip(STRANGER))));
    let line =
        format!("{STRANGER} on leaf1: AS 65300 offered, AS 65102-65199 expected, 3 tries since {first}");
    assert_eq!(finding.evidence, [line]);
    assert!(finding.summary.contains("their AS is none that may peer"), "{}", finding.summary);
    assert!(finding.summary.contains("a leaf that is configured alike refuses them"), "{}", finding.summary);
    assert!(finding.advice.contains("peer_as"), "{}", finding.advice);
    world.tries(STRANGER, 5, SECOND * 15);
    let finding = world.finding("peer_refused");
    assert_eq!(finding.state, "open");
    assert!(finding.evidence[0].ends_with(&format!("8 tries since {first}")), "{:?}", finding.evidence);

    // It gives up.
    world.pass(MINUTE * 9);
    assert_eq!(world.found(), ["peer_refused open"]);
    world.pass(MINUTE * 3);
    assert!(world.is_resolved("peer_refused"));
}

#[test]
fn speakers_that_retry_slowly_are_found_and_chance_visitors_are_not() {
    // GoBGP's retry, jitter and all.
    let mut world = World::new();
    world.tries(STRANGER, 3, SECOND * 150);
    assert_eq!(world.found(), ["peer_refused open"]);
    let mut world = World::new();
    world.tries(STRANGER, 10, MINUTE * 6);
    assert_eq!(world.found(), NONE);
    // What once was often stays so as long as it goes on at all.
    let mut world = World::new();
    world.tries(STRANGER, 4, SECOND * 30);
    world.tries(STRANGER, 3, MINUTE * 6);
    assert!(world.finding("peer_refused").evidence[0].contains("7 tries"));
}

#[test]
fn a_session_ends_the_finding_with_the_last_who_was_refused() {
    let mut world = World::new();
    for _ in 0..6 {
        world.tries(STRANGER, 1, SECOND * 10);
        world.tries("192.168.1.78", 1, SECOND * 10);
    }
    let finding = world.finding("peer_refused");
    assert_eq!((finding.state.as_str(), finding.evidence.len(), finding.peer), ("open", 2, None));
    world.up("leaf1", STRANGER, NODE_AS, STRANGER);
    world.pass(SECOND * 2);
    let finding = world.finding("peer_refused");
    assert_eq!((finding.evidence.len(), finding.peer), (1, Some(ip("192.168.1.78"))));
    // A session with another leaf is another matter.
    world.up("leaf2", "192.168.1.78", 65103, "192.168.1.78");
    world.pass(SECOND * 2);
    assert_eq!(world.finding("peer_refused").state, "open");
    world.up("leaf1", "192.168.1.78", 65103, "192.168.1.78");
    world.pass(MINUTE + SECOND * 2);
    assert!(world.is_resolved("peer_refused"));
}

#[test]
fn each_reason_of_each_leaf_is_a_finding_of_its_own() {
    let mut world = World::new();
    for _ in 0..3 {
        world.refuse("leaf1", STRANGER, Refusal::AsNotAllowed);
        world.refuse("leaf1", "10.9.9.9", Refusal::NotInRange);
        world.refuse("leaf2", STRANGER, Refusal::AsNotAllowed);
        world.refuse("leaf1", STRANGER, Refusal::RefusedByPeer);
        world.pass(SECOND * 5);
    }
    assert_eq!(world.found(), ["peer_refused pending"; 4]);
    for finding in world.core.findings.current() {
        assert_eq!((finding.cluster.as_str(), finding.vrf.as_str()), ("default", "default"));
    }
}

#[test]
fn every_reason_has_words_of_its_own() {
    let mut world = World::new();
    let whys = [
        Refusal::NotInRange,
        Refusal::AsNotAllowed,
        Refusal::PeerLimit,
        Refusal::OpenError,
        Refusal::OpenTimeout,
        Refusal::Ttl,
        Refusal::RefusedByPeer,
    ];
    for _ in 0..3 {
        for why in whys {
            world.refuse("leaf1", STRANGER, why);
        }
        world.drops(None, Signature::Wrong, 1);
        world.pass(SECOND * 5);
    }
    let (mut sentences, mut advice) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    // So many at once are a burst besides.
    for finding in world.core.findings.current().filter(|finding| finding.absorbs.is_empty()) {
        assert!(
            finding.summary.contains("traffic") || finding.summary.contains("routes"),
            "{}",
            finding.summary
        );
        sentences.insert(finding.summary);
        advice.insert(finding.advice);
    }
    assert_eq!((sentences.len(), advice.len()), (8, 8));
}

#[test]
fn a_thousand_who_try_are_remembered_and_the_oldest_goes() {
    let mut world = World::new();
    let address = |n: u16| format!("10.{}.{}.1", n / 250, n % 250);
    for _ in 0..3 {
        (0..1_000).for_each(|n| world.refuse("leaf1", &address(n), Refusal::NotInRange));
        world.pass(SECOND * 5);
    }
    let finding = world.finding("peer_refused");
    assert_eq!(finding.evidence.len(), MAX_PROOFS);
    assert!(finding.evidence[0] == "1000 addresses", "{:?}", finding.evidence);
    assert!(finding.summary.contains("of 1000 addresses"), "{}", finding.summary);
    world.pass(MINUTE);
    for _ in 0..3 {
        (1_000..1_300).for_each(|n| world.refuse("leaf1", &address(n), Refusal::NotInRange));
        world.pass(SECOND * 5);
    }
    let finding = world.finding("peer_refused");
    assert!(finding.evidence[0] == "1000 addresses", "{:?}", finding.evidence);
    // The latest are shown, and they are new.
    assert!(finding.evidence[1..].iter().all(|line| line.starts_with("10.4.") || line.starts_with("10.5.")));
    world.pass(QUIET + MINUTE * 3);
    assert!(world.is_resolved("peer_refused"));
}

#[test]
fn who_uses_a_new_address_each_time_pushes_nobody_out() {
    let mut world = World::new();
    let address = |n: u32| Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
    world.tries(STRANGER, 3, SECOND * 20);
    (0..3).for_each(|_| world.refuse("leaf1", "10.255.0.1", Refusal::NotInRange));
    world.pass(MINUTE * 2);
    assert_eq!(world.found(), ["peer_refused open"; 2]);
    for minute in 0..5 {
        (0..600).for_each(|n| world.refuse("leaf1", &address(minute * 600 + n), Refusal::NotInRange));
        world.pass(MINUTE);
        assert_eq!(world.found(), ["peer_refused open"; 2], "minute {minute}");
    }
    let evidence: Vec<_> = world.core.findings.current().flat_map(|finding| finding.evidence).collect();
    assert!(evidence.len() == 2, "{evidence:?}");
}

#[test]
fn what_the_kernel_drops_is_found_without_a_name() {
    let mut world = World::new();
    for _ in 0..2 {
        world.drops(Some("leaf2"), Signature::Wrong, 3);
        world.pass(SECOND * 5);
    }
    assert_eq!(world.found(), NONE);
    world.drops(Some("leaf2"), Signature::Wrong, 4);
    world.drops(Some("leaf2"), Signature::Missing, 1);
    world.pass(SECOND * 2);
    let finding = world.finding("peer_refused");
    assert_eq!((finding.leaf.as_deref(), finding.peer), (Some("leaf2"), None));
    let line = format!("10 segments signed with another password, since {START} (TCPMD5Failure)");
    assert_eq!(finding.evidence, [line]);
    assert!(finding.summary.contains("who it is the kernel does not say"), "{}", finding.summary);

    let mut world = World::new();
    for _ in 0..3 {
        world.drops(None, Signature::Unexpected, 1);
        world.pass(SECOND * 5);
    }
    let finding = world.finding("peer_refused");
    assert_eq!((finding.leaf, finding.cluster.as_str()), (None, "default"), "all leaves have one cluster");
    assert!(finding.summary.contains("one of the leaves"), "{}", finding.summary);
}

#[test]
fn what_was_refused_follows_the_configuration() {
    let mut world = World::new();
    for _ in 0..3 {
        world.refuse("leaf1", STRANGER, Refusal::AsNotAllowed);
        world.refuse("leaf3", STRANGER, Refusal::AsNotAllowed);
        world.pass(SECOND * 5);
    }
    assert_eq!(world.found(), ["peer_refused pending"; 2]);
    let mut config = world.config.clone();
    config.leaves.retain(|leaf| *leaf.name != *"leaf3");
    config.neighbors.retain(|entry| *entry.leaf != *"leaf3");
    config.neighbors.iter_mut().for_each(|entry| entry.cluster = "blue".into());
    world.core.reconfigure(Arc::new(config), world.now);
    world.pass(SECOND * 2);
    let finding = world.finding("peer_refused");
    assert_eq!((finding.leaf.as_deref(), finding.cluster.as_str()), (Some("leaf1"), "blue"));
}

#[test]
fn a_trace_of_refusals_comes_to_the_same_from_any_segment() {
    let (recorder, memory) = to_memory(1);
    let mut world = World::recorded(config(), Settings::default(), Some(recorder));
    let node = world.healthy_node();
    for round in 0..8 {
        world.tries(STRANGER, 1, SECOND * 20);
        world.drops(None, Signature::Wrong, round);
        world.refuse("leaf2", "10.9.9.9", Refusal::NotInRange);
        world.pass(SECOND * 10);
    }
    world.expire(&node, SECOND);
    world.pass(MINUTE * 2);
    let node = world.healthy_node();
    world.expire(&node, SECOND);
    world.healthy_node();
    world.pass(MINUTE);
    assert!(world.found().contains(&"timer_trouble open".to_owned()), "{:?}", world.found());
    assert!(world.found().contains(&"peer_refused open".to_owned()), "{:?}", world.found());
    let segments = memory.segments();
    assert!(segments.len() > 4, "{}", segments.len());
    trace::same(&segments, &world);
}

mod causes;
mod identity;
mod rogue;
mod told;
mod words;

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::*;
use crate::observer::Reported;
use crate::policy::{Class, Expected, Reason};

/// Findings under virtual time: seconds after the start.
struct World {
    findings: Findings,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(open_after: &[(Kind, u64)]) -> Self {
        let now = Timestamp::from_micros(1_763_760_000_000_000);
        Self { findings: Findings::new(&config(open_after)), now }
    }

    /// Lets `seconds` pass, waking up whenever the findings want it; tells what became of them.
    fn pass(&mut self, seconds: u64) -> Vec<(Change, view::Finding)> {
        let end = self.now.after(Duration::from_secs(seconds));
        let mut told = Vec::new();
        while let Some(next) = self.findings.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            told.extend(self.findings.tick(self.now));
        }
        self.now = end;
        told.into_iter().map(|transition| (transition.change, transition.finding)).collect()
    }

    fn changes(&mut self, seconds: u64) -> Vec<Change> {
        self.pass(seconds).into_iter().map(|(change, _)| change).collect()
    }

    fn raise(&mut self, key: &Key) {
        self.findings.raise(key.clone(), [proof(1)], self.now);
    }

    fn clear(&mut self, key: &Key) {
        self.findings.clear(key, self.now);
    }

    fn rogue(&mut self, node: u8, rogue: Rogue) {
        self.findings.rogue(&announcer(node), rogue, || "AS path 1 2".into(), self.now);
    }

    fn no_rogue(&mut self, node: u8, rogue: Rogue) {
        self.findings.no_rogue(&peer(node), rogue, self.now);
    }

    fn current(&self) -> Vec<view::Finding> {
        let current: Vec<_> = self.findings.current().collect();
        let all = current.iter().chain(self.findings.resolved());
        assert!(self.findings.shown().iter().eq(all), "what is shown is of now");
        current
    }

    fn only(&self) -> view::Finding {
        let current = self.current();
        assert_eq!(current.len(), 1, "{current:#?}");
        current.into_iter().next().unwrap()
    }

    fn counts(&self, kind: Kind) -> (usize, usize) {
        self.findings.count(kind)
    }
}

fn config(open_after: &[(Kind, u64)]) -> model::Findings {
    let own = |(kind, seconds): &(Kind, u64)| (kind.name().to_owned(), Duration::from_secs(*seconds));
    model::Findings {
        open_after: open_after.iter().map(own).collect(),
        resolve_after: Kind::ALL.map(|kind| (kind.name().to_owned(), Duration::ZERO)).to_vec(),
        forget_after: Duration::from_secs(1),
    }
}

fn scope() -> Scope {
    Scope { cluster: "blue".into(), vrf: "default".into() }
}

fn peer(node: u8) -> PeerId {
    PeerId { leaf: "rack1".into(), address: Ipv4Addr::new(192, 168, 1, node).into() }
}

fn proof(node: u8) -> Proof {
    Proof {
        peer: peer(node),
        node: Some(format!("node-{node}").into()),
        cluster: scope().cluster,
        text: String::new(),
    }
}

fn announcer(node: u8) -> Announcer {
    Announcer { peer: peer(node), scope: scope(), node: Some(format!("node-{node}").into()) }
}

fn rogue(number: u32) -> Rogue {
    let prefix = Ipv4Net::new(Ipv4Addr::from(0x0800_0000 + (number << 8)), 24).unwrap();
    Rogue { prefix: prefix.into(), reason: Reason::NotAllowed, path_id: 0 }
}

fn block(number: u32) -> Key {
    let prefix = Ipv4Net::new(Ipv4Addr::from(0x0af4_0000 + (number << 6)), 26).unwrap();
    Key::duplicate(scope(), Class::PodBlock, prefix.into()).unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn object(kind: Kind, prefix: Option<&str>) -> Key {
    Key::reported(&found(kind, prefix)).unwrap()
}

fn found(kind: Kind, prefix: Option<&str>) -> Reported {
    Reported {
        kind,
        object: "uni/tn-prod/out-core/instP-hosts".into(),
        vrf: "default".into(),
        prefix: prefix.map(net),
        severity: None,
        summary: "10.244.1.7/32 is somewhere else".to_owned(),
        advice: String::new(),
        evidence: vec!["so it is".to_owned()],
    }
}

/// One key of every kind.
fn every_key() -> Vec<Key> {
    let duplicate = |class| Key::duplicate(scope(), class, net("10.244.1.0/26")).unwrap();
    let missing =
        |expected: fn(IpNet) -> Expected| Key::missing(scope(), peer(1), expected(net("10.96.0.0/12")));
    let keys = vec![
        Key::rogue_route(scope(), Reason::DefaultRoute, net("::/0")),
        duplicate(Class::PodBlock),
        duplicate(Class::NodeSubnet),
        duplicate(Class::PodHost),
        duplicate(Class::ServiceHost),
        missing(Expected::ServiceCidr),
        missing(Expected::NodeSubnet),
        Key::leaf_disagreement(scope(), "node-1".into()),
        Key::peer_down(scope(), peer(1)),
        Key::rack_down(scope(), "rack1".into()),
        Key::peer_flapping(scope(), peer(1)),
        Key::stale_routes(scope(), peer(1)),
        Key::prefix_limit(scope(), peer(1)),
        Key::malformed_updates(scope(), peer(1)),
        Key::mesh_left_on(scope()),
        Key::observer_isolated(),
        Key::recovery_wait(scope(), "rack1".into()),
        Key::peer_refused(scope(), "rack1".into(), "as_not_allowed".into()),
        Key::duplicate_as(scope(), 65102),
        Key::duplicate_router_id(scope(), Ipv4Addr::new(192, 168, 1, 1)),
        Key::aggregation_missing(scope()),
        Key::fabric_capacity(scope(), Capacity::Lpm),
        Key::timer_trouble(scope()),
        object(Kind::EepgConflict, Some("10.244.1.7/32")),
        object(Kind::EepgDrift, Some("10.244.1.7/32")),
        object(Kind::EepgWriteFailing, None),
        object(Kind::HoldDown, None),
        object(Kind::ApicDown, None),
        object(Kind::AciConfig, None),
        object(Kind::JournalFailing, None),
        object(Kind::AlertsFailing, None),
    ];
    assert_eq!(keys.iter().map(Key::kind).collect::<Vec<_>>(), Kind::ALL);
    keys
}

#[test]
fn every_kind_is_pending_at_once_opens_in_time_and_resolves_with_its_cause() {
    let severities = [
        "critical", "critical", "critical", "warning", "warning", "warning", "warning", "warning", "warning",
        "critical", "warning", "warning", "critical", "warning", "critical", "critical", "warning",
        "warning", "warning", "warning", "warning", "warning", "warning", "critical", "warning", "critical",
        "critical", "critical", "warning", "warning", "warning",
    ];
    let delays = [
        5, 5, 5, 60, 60, 60, 60, 60, 60, 30, 0, 130, 0, 0, 5, 30, 15, 60, 60, 60, 45, 60, 0, 60, 300, 300, 0,
        120, 60, 30, 180,
    ];
    for ((key, severity), delay) in every_key().into_iter().zip(severities).zip(delays) {
        let mut world = World::new();
        world.raise(&key);
        let since = world.now;
        let mut told = world.pass(0);
        if delay > 0 {
            assert_eq!((world.only().state.as_str(), world.only().opened), ("pending", None), "{key:?}");
            assert_eq!(world.pass(delay - 1), []);
            told.extend(world.pass(1));
        }
        let (changes, seen): (Vec<_>, Vec<_>) = told.into_iter().unzip();
        assert_eq!(changes, [Change::Pending, Change::Open], "{key:?}");
        let open = world.only();
        assert_eq!(seen[1], open);
        assert_eq!((open.kind.as_str(), open.severity.as_str()), (key.kind().name(), severity));
        assert_eq!(
            (open.state.as_str(), open.since, open.opened),
            ("open", since, Some(since.after(Duration::from_secs(delay))))
        );
        assert_eq!(open.id, seen[0].id, "the identity stays");

        world.pass(40);
        world.clear(&key);
        let told = world.pass(0);
        let resolved = view::Finding { state: "resolved".into(), resolved: Some(world.now), ..open };
        assert_eq!(told, [(Change::Resolved, resolved.clone())]);
        assert_eq!(world.current(), []);
        assert_eq!(world.findings.resolved().collect::<Vec<_>>(), [&resolved]);
    }
}

#[test]
fn what_goes_before_it_opened_leaves_no_trace() {
    let mut world = World::new();
    world.raise(&block(1));
    assert_eq!(world.changes(4), [Change::Pending]);
    world.clear(&block(1));
    assert_eq!(world.changes(0), [Change::Dropped]);
    assert_eq!(world.changes(100), []);
    assert_eq!((world.current(), world.findings.resolved().count()), (vec![], 0));
    assert_eq!(world.findings.next(), None, "nothing is left to wait for");
    world.clear(&block(1));
    assert_eq!(world.changes(0), [], "what is not there cannot be cleared");
}

#[test]
fn every_episode_waits_anew_and_has_an_identity_of_its_own() {
    let mut world = World::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        world.raise(&block(1));
        assert_eq!(world.changes(4), [Change::Pending]);
        ids.push(world.only().id);
        world.clear(&block(1));
        assert_eq!(world.changes(0), [Change::Dropped], "three times four seconds are not five");
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn raising_again_renews_the_proofs_and_nothing_else() {
    let mut world = World::new();
    world.raise(&block(1));
    world.pass(3);
    let before = (world.only(), world.findings.revision());
    world.findings.raise(block(1), [proof(1), proof(2)], world.now);
    assert_eq!(world.pass(0), []);
    let after = world.only();
    assert_eq!(after.evidence, ["node-1 (192.168.1.1 on rack1)", "node-2 (192.168.1.2 on rack1)"]);
    assert_eq!((after.id, after.since), (before.0.id, before.0.since));
    assert_ne!(world.findings.revision(), before.1);
    assert_eq!(world.changes(2), [Change::Open], "five seconds after the first");
}

#[test]
fn the_configuration_says_when_a_kind_opens() {
    let mut world = World::with(&[(Kind::PeerDown, 10), (Kind::DuplicatePodBlock, 0)]);
    world.raise(&block(1));
    assert_eq!(world.changes(0), [Change::Pending, Change::Open]);
    let down = Key::peer_down(scope(), peer(1));
    world.raise(&down);
    assert_eq!(world.changes(9), [Change::Pending]);

    world.findings.reconfigure(&config(&[(Kind::PeerDown, 20), (Kind::DuplicatePodBlock, 20)]));
    assert_eq!(world.changes(10), [], "what is pending waits longer, what is open stays");
    assert_eq!(world.changes(1), [Change::Open]);
}

#[test]
fn an_event_resolves_after_ten_quiet_minutes() {
    let mut world = World::new();
    let key = Key::malformed_updates(scope(), peer(1));
    let event = |world: &mut World, text: &str| {
        world.findings.event(key.clone(), Proof { text: text.into(), ..proof(1) }, world.now);
    };
    event(&mut world, "ORIGIN 7");
    assert_eq!(world.changes(599), [Change::Pending, Change::Open]);
    event(&mut world, "AGGREGATOR of 3 octets");
    assert_eq!(world.changes(599), []);
    assert_eq!(world.only().evidence, ["AGGREGATOR of 3 octets", "ORIGIN 7"]);
    assert_eq!(world.changes(1), [Change::Resolved]);

    for number in 0..20 {
        event(&mut world, &number.to_string());
    }
    let evidence = ["19", "18", "17", "16", "15", "14", "13", "and 13 more"];
    assert_eq!(world.only().evidence, evidence, "the newest first");
}

#[test]
fn an_event_outlasts_the_lasting_cause_beside_it() {
    let mut world = World::new();
    let key = Key::prefix_limit(scope(), peer(1));
    world.raise(&key);
    world.findings.event(key.clone(), proof(1), world.now);
    assert_eq!(world.changes(3600), [Change::Pending, Change::Open], "as long as it lasts");
    world.findings.event(key.clone(), proof(1), world.now);
    world.clear(&key);
    assert_eq!(world.changes(599), []);
    assert_eq!(world.changes(1), [Change::Resolved]);
}

#[test]
fn a_peer_that_is_forgotten_takes_its_findings_along() {
    let mut world = World::new();
    for key in every_key() {
        if key.peer().is_some() {
            world.raise(&key);
        }
    }
    world.findings.event(Key::malformed_updates(scope(), peer(1)), proof(1), world.now);
    world.raise(&Key::peer_down(scope(), peer(2)));
    world.rogue(1, rogue(1));
    world.pass(0);
    assert_eq!(world.current().len(), 9);
    world.findings.forget(&scope(), &peer(1), world.now);
    assert_eq!(world.only().peer, Some(peer(2).address));
}

#[test]
fn a_duplicate_ends_when_one_node_is_left() {
    let mut world = World::new();
    let leaf2 = |node| PeerId { leaf: "rack1b".into(), ..peer(node) };
    for proof in [proof(1), proof(2), Proof { peer: leaf2(1), ..proof(1) }] {
        world.findings.add(block(1), proof, world.now);
    }
    assert_eq!(world.changes(5), [Change::Pending, Change::Open]);
    let finding = world.only();
    assert_eq!((finding.leaf, finding.peer, finding.node), (None, None, None), "more than one");
    assert!(
        finding.summary.starts_with("10.244.0.64/26 comes from node-1 and node-2: "),
        "{}",
        finding.summary
    );

    world.findings.remove(&block(1), &leaf2(1), world.now);
    assert_eq!(world.changes(0), [], "two nodes are left");
    world.findings.remove(&block(1), &peer(2), world.now);
    assert_eq!(world.changes(0), [Change::Resolved]);
}

#[test]
fn nodes_of_one_name_in_two_clusters_are_two() {
    let mut world = World::new();
    let everywhere = Scope { cluster: "".into(), ..scope() };
    let key = Key::duplicate(everywhere, Class::PodBlock, net("10.244.1.0/26")).unwrap();
    let of = |node, cluster: &str| Proof { node: Some("a".into()), cluster: cluster.into(), ..proof(node) };
    world.findings.raise(key.clone(), [of(1, "blue"), of(2, "green"), of(3, "green")], world.now);
    world.findings.remove(&key, &peer(3), world.now);
    let finding = world.only();
    assert_eq!((finding.cluster.as_str(), finding.node), ("blue, green", None));
    world.findings.remove(&key, &peer(2), world.now);
    assert_eq!(world.findings.current().count(), 0);
}

#[test]
fn two_sessions_of_one_node_are_no_duplicate() {
    let mut world = World::new();
    let other = Proof { peer: PeerId { leaf: "rack1b".into(), ..peer(1) }, ..proof(1) };
    world.findings.raise(block(1), [proof(1), other, proof(2)], world.now);
    world.findings.remove(&block(1), &peer(2), world.now);
    assert_eq!(world.current(), []);
}

#[test]
fn a_node_without_a_name_is_named_once() {
    let mut world = World::new();
    let proof = Proof { node: Some("192.168.1.1".into()), ..proof(1) };
    world.findings.raise(Key::peer_down(scope(), peer(1)), [proof], world.now);
    let finding = world.only();
    assert!(finding.summary.starts_with("192.168.1.1 on rack1 has no session"), "{}", finding.summary);
}

#[test]
fn a_thousand_of_a_kind_are_found_and_the_rest_waits_for_room() {
    let mut world = World::new();
    let of_kind = u32::try_from(MAX_OF_KIND).unwrap();
    let (all, above) = (of_kind + 500, 500);
    for number in 0..all {
        world.raise(&block(number));
    }
    world.raise(&Key::peer_down(scope(), peer(1)));
    assert_eq!(world.pass(5).len(), MAX_OF_KIND * 2 + 1);
    assert_eq!(world.counts(Kind::DuplicatePodBlock), (0, MAX_OF_KIND));
    assert_eq!(world.counts(Kind::PeerDown), (1, 0), "another kind has room of its own");
    assert_eq!(world.findings.above_bounds(), (above, 0));

    world.clear(&block(all - 1));
    assert_eq!((world.changes(0), world.findings.above_bounds()), (vec![], (above - 1, 0)));
    world.clear(&block(3));
    assert_eq!(
        world.changes(0),
        [Change::Resolved, Change::Pending, Change::Open],
        "the oldest that waits comes in"
    );
    assert_eq!(world.current()[MAX_OF_KIND - 1].prefix, block(of_kind).prefix());
    for number in 0..all {
        world.clear(&block(number));
    }
    world.pass(0);
    assert_eq!((world.current().len(), world.findings.above_bounds()), (1, (0, 0)));
}

#[test]
fn all_bounds_hold_whatever_comes() {
    let mut world = World::new();
    let many = |number: u32| PeerId { leaf: "rack1".into(), address: Ipv4Addr::from(number).into() };
    let kinds: [fn(Scope, PeerId) -> Key; 5] =
        [Key::peer_down, Key::peer_flapping, Key::stale_routes, Key::prefix_limit, Key::malformed_updates];
    let missing = |number| Key::missing(scope(), many(number), Expected::ServiceCidr(net("10.96.0.0/12")));
    let subnet = |number| Key::missing(scope(), many(number), Expected::NodeSubnet(net("10.96.0.0/12")));
    let name = |number: u32| -> Arc<str> { number.to_string().into() };
    let all = |number| {
        let mut keys: Vec<_> = kinds.iter().map(|key| key(scope(), many(number))).collect();
        keys.extend([missing(number), subnet(number), block(number)]);
        keys.extend([Key::rack_down(scope(), name(number)), Key::leaf_disagreement(scope(), name(number))]);
        let (reason, prefix) = (Reason::NotAllowed, rogue(number).prefix);
        keys.extend([Key::rogue_route(scope(), reason, prefix)]);
        keys.extend(Key::duplicate(scope(), Class::PodHost, prefix));
        keys
    };
    for number in 0..2000 {
        for key in all(number) {
            world.raise(&key);
        }
    }
    world.pass(200);
    assert_eq!(world.findings.counts().open, MAX_FINDINGS);
    let (waiting, uncounted) = world.findings.above_bounds();
    assert_eq!((waiting, uncounted), (MAX_WAITING, 24_000 - (MAX_FINDINGS + MAX_WAITING) as u64));
    assert!(world.findings.counts().by_kind.values().all(|open| *open <= MAX_OF_KIND));

    for number in 0..2000 {
        for key in all(number) {
            world.clear(&key);
        }
    }
    world.pass(0);
    assert_eq!(world.findings.counts(), view::FindingCounts::default());
    assert_eq!(world.findings.resolved().count(), MAX_FINDINGS);
    assert_eq!(world.findings.above_bounds().0, 0);
    assert!(
        world.findings.causes.is_empty()
            && world.findings.numbers.is_empty()
            && world.findings.due.is_empty()
    );
}

#[test]
fn resolved_findings_are_kept_for_a_day() {
    let mut world = World::new();
    world.raise(&block(1));
    world.pass(5);
    world.clear(&block(1));
    world.pass(24 * 3600 - 1);
    assert_eq!(world.findings.resolved().count(), 1);
    world.pass(1);
    assert_eq!(world.findings.resolved().count(), 0);
    assert_eq!(world.findings.next(), None);
}

#[test]
fn at_most_eight_proofs_are_shown_and_the_rest_is_counted() {
    let mut world = World::new();
    world.findings.raise(block(1), (1..=8).map(proof), world.now);
    assert_eq!(world.only().evidence[7], "node-8 (192.168.1.8 on rack1)");
    world.findings.raise(block(1), (1..=20).map(proof), world.now);
    let finding = world.only();
    assert_eq!((finding.evidence.len(), finding.evidence[7].as_str()), (8, "and 13 more"));
    assert!(finding.summary.contains("node-1, node-10, node-11 and 17 more"), "{}", finding.summary);
}

#[test]
fn every_kind_and_every_reason_is_told_in_a_sentence() {
    let reasons = Reason::ALL.map(|reason| Key::rogue_route(scope(), reason, net("10.0.0.0/8")));
    let mut seen = BTreeSet::new();
    for key in every_key().into_iter().chain(reasons) {
        let mut world = World::new();
        world.raise(&key);
        let finding = world.only();
        assert!(finding.summary.len() > 40 && !finding.summary.contains("  "), "{}", finding.summary);
        if let Some(prefix) = key.prefix() {
            assert!(finding.summary.contains(&prefix.to_string()), "{}", finding.summary);
        }
        seen.insert(finding.summary);
    }
    assert_eq!(seen.len(), Kind::ALL.len() + Reason::ALL.len(), "no two are the same");
}

#[test]
fn open_findings_survive_a_restart_if_their_cause_does() {
    let mut before = World::new();
    before.raise(&block(1));
    before.raise(&block(2));
    before.pass(5);
    before.raise(&block(3));
    let saved: Vec<Saved> =
        serde_json::from_str(&serde_json::to_string(&before.findings.saved()).unwrap()).unwrap();
    assert_eq!(saved.len(), 2, "what is pending is found anew");

    let mut after = World::new();
    after.now = before.now.after(Duration::from_mins(1));
    let grace = after.now.after(Duration::from_mins(6));
    after.findings.restore(saved, grace);
    assert_eq!(after.pass(100), [], "nobody is told twice");
    after.raise(&block(2));
    let (old, new) = (&before.current()[1], &after.current()[1]);
    assert_eq!((&new.id, new.since, new.opened), (&old.id, old.since, old.opened));
    assert_eq!((after.findings.counts().open, after.changes(259)), (2, vec![]));
    let told = after.pass(1);
    assert_eq!((told.len(), told[0].0, told[0].1.prefix), (1, Change::Resolved, block(1).prefix()));
    assert_eq!(after.only().id, old.id);
    after.findings.heard(&peer(1), after.now);
    after.clear(&block(2));
    assert_eq!(after.changes(0), [Change::Resolved]);
}

#[test]
fn a_restored_finding_whose_cause_came_and_went_resolves_at_once() {
    let mut before = World::new();
    before.raise(&block(1));
    before.pass(5);
    let mut after = World::new();
    after.now = before.now;
    after.findings.restore(before.findings.saved(), after.now.after(Duration::from_mins(6)));
    after.raise(&block(1));
    after.clear(&block(1));
    assert_eq!(after.changes(0), [], "not all was told yet");
    after.findings.heard(&peer(1), after.now);
    assert_eq!(after.changes(0), [Change::Resolved]);
}

/// What others rely on, and what the reference of the configuration promises.
#[test]
fn names_and_delays_are_those_of_the_documents() {
    let reference = include_str!("../../../deploy/thirdleaf.toml");
    for kind in Kind::ALL {
        let line = format!("#{} = \"{}s\"\n", kind.name(), kind.open_after().as_secs());
        assert!(reference.contains(&line), "{line}");
    }
    assert_eq!(
        Kind::ALL.map(Kind::name).join(" "),
        "rogue_route duplicate_pod_block duplicate_node_subnet duplicate_pod_host duplicate_service_host \
         missing_service_cidr missing_node_subnet leaf_disagreement peer_down rack_down peer_flapping stale_routes prefix_limit \
         malformed_updates mesh_left_on observer_isolated recovery_wait peer_refused duplicate_as duplicate_router_id \
         aggregation_missing fabric_capacity timer_trouble eepg_conflict eepg_drift eepg_write_failing hold_down apic_down \
         aci_config journal_failing alerts_failing"
    );
}

#[test]
fn kinds_are_found_by_name() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(Kind::from_name("roque_route"), None);
}

#[test]
fn events_that_wait_for_room_end_with_their_quiet_minutes_all_at_once() {
    let mut world = World::new();
    let flapping = |number: u32| {
        let peer = PeerId { leaf: "rack1".into(), address: Ipv4Addr::from(number).into() };
        (Key::peer_flapping(scope(), peer.clone()), Proof { peer, ..proof(1) })
    };
    for (key, proof) in (0..11_000).map(flapping) {
        world.findings.event(key, proof, world.now);
    }
    assert_eq!(world.pass(1).len(), 2 * MAX_OF_KIND);
    assert_eq!(world.findings.above_bounds(), (MAX_WAITING, 0));
    assert_eq!(world.changes(600), vec![Change::Resolved; MAX_OF_KIND], "the others are as quiet");
    assert_eq!(world.findings.above_bounds(), (0, 0));
    assert!(world.findings.causes.is_empty() && world.findings.numbers.is_empty());
    assert!(world.findings.due.is_empty());
}

#[test]
fn proofs_of_what_lasts_and_of_what_happened_stand_side_by_side() {
    let mut world = World::new();
    let key = Key::prefix_limit(scope(), peer(1));
    world.findings.event(key.clone(), Proof { text: "session reset".into(), ..proof(1) }, world.now);
    world.findings.raise(key, [Proof { text: "9000 of 10000".into(), ..proof(1) }], world.now);
    assert_eq!(world.only().evidence, ["node-1 (192.168.1.1 on rack1): 9000 of 10000", "session reset"]);
}

#[test]
fn forgetting_a_peer_leaves_other_scopes_alone() {
    let mut world = World::new();
    let other = Scope { vrf: "red".into(), ..scope() };
    world.raise(&Key::peer_down(scope(), peer(1)));
    world.raise(&Key::peer_down(other, peer(1)));
    world.findings.forget(&scope(), &peer(1), world.now);
    assert_eq!(world.current().len(), 1);
}

#[test]
fn a_restored_finding_still_says_who() {
    let mut before = World::new();
    before.rogue(1, rogue(1));
    before.pass(5);
    let mut after = World::new();
    after.now = before.now;
    after.findings.restore(before.findings.saved(), after.now.after(Duration::from_mins(6)));
    assert_eq!(after.only(), before.only());
    // Somebody else announces it now: who did before does not count any more.
    after.rogue(2, rogue(1));
    assert_eq!(after.only().node.as_deref(), Some("node-2"));
    after.no_rogue(2, rogue(1));
    assert_eq!(after.current(), []);
}

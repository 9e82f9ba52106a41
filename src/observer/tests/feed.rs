//! What keepers of members are told: which prefixes, when, and who counts as silent.

mod silence;

use std::collections::BTreeMap;

use super::*;
use crate::bgp::attribute::Community;
use crate::observer::feed::Destination;
use crate::policy::Class;

/// Pod hosts of the node, which rules look at unless they say otherwise.
const HOSTS: [&str; 2] = ["10.244.1.7/32", "10.244.1.8/32"];
const HOST: &str = HOSTS[0];

pub(super) fn apic() -> Apic {
    Apic {
        name: "fabric1".into(),
        urls: vec!["https://apic1".into()],
        auth: Auth::Password { user: "admin".into(), password: Secret::new("secret") },
        trust: Trust::System,
        requests_per_second: 10,
        burst: 20,
        full_compare_every: MINUTE * 5,
        batch_size: 500,
        caps: FabricCaps::default(),
    }
}

pub(super) fn rule(matches: Match) -> Eepg {
    Eepg {
        name: Template(vec![Piece::Text("hosts".into())]),
        apic: "fabric1".into(),
        tenant: "tn".into(),
        l3out: "l3out".into(),
        vrf: "default".into(),
        matches,
        create: true,
        contracts: Contracts::default(),
        scope: vec![SubnetScope::ImportSecurity],
        manage: true,
        caps: Caps::default(),
    }
}

fn with_rule(matches: Match) -> Config {
    Config { apics: vec![apic()], eepgs: vec![rule(matches)], ..config() }
}

/// A world in which somebody keeps members of pod and service hosts.
fn kept() -> World {
    kept_by(with_rule(Match::default()))
}

fn kept_by(config: Config) -> World {
    let mut world = World::with(config);
    world.core.keep_offers();
    world
}

/// Who reads the feed: what it was told last of each prefix.
#[derive(Default)]
pub(super) struct Reader(pub(super) BTreeMap<(Arc<str>, IpNet), Destination>);

impl Reader {
    /// Reads all there is, and answers how many destinations that were.
    pub(super) fn read(&mut self, world: &mut World) -> usize {
        let mut count = 0;
        loop {
            while world.core.offers.has_walk() {
                world.core.offer_slice(world.now);
            }
            let told = world.core.offers(7);
            if told.is_empty() {
                return count;
            }
            count += told.len();
            for destination in told {
                let key = (Arc::clone(&destination.vrf), destination.prefix);
                self.0.insert(key, destination);
            }
        }
    }

    /// The same of what it was told last, after it read.
    fn now(&mut self, world: &mut World) -> Vec<String> {
        self.read(world);
        self.0.values().filter_map(line).collect()
    }
}

/// What there is to a prefix: "10.244.1.7/32 leaf1 leaf2 stale, silent: leaf3 since 5"; none if there is nothing.
fn line(destination: &Destination) -> Option<String> {
    if destination.offers.is_empty() && destination.silent.is_empty() {
        return None;
    }
    let mut line = destination.prefix.to_string();
    for offer in &destination.offers {
        line.extend([" ", &offer.peer.leaf, if offer.stale { " stale" } else { "" }]);
    }
    for silence in &destination.silent {
        let since = silence.since.since(START).as_secs().to_string();
        line.extend([", silent: ", &silence.peer.leaf, " since ", &since]);
    }
    Some(line)
}

fn told(world: &mut World) -> Vec<String> {
    let mut reader = Reader::default();
    world.core.offer_all();
    reader.now(world)
}

impl World {
    /// A node that announces pods one by one, and has said so.
    fn node_with_hosts(&mut self) -> Session {
        let node = self.node();
        self.announce(&node, &HOSTS);
        self.end_of_rib(&node);
        self.settle();
        node
    }

    fn take_over(&mut self, config: Config) {
        self.config = config;
        self.core.reconfigure(Arc::new(self.config.clone()), self.now);
        self.settle();
    }

    /// Until so many seconds after the start.
    fn pass_to(&mut self, seconds: u64) {
        let end = START.after(Duration::from_secs(seconds));
        self.pass(end.since(self.now));
    }

    fn forget(&mut self, node: &Session) {
        assert_eq!(self.core.forget_down(Some(&node.peer.leaf), node.peer.address, self.now), 1);
    }
}

#[test]
fn what_changes_often_is_told_once_as_it_is_then() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node();
    world.announce(&node, &HOSTS);
    world.withdraw(&node, &HOSTS);
    world.announce(&node, &HOSTS);
    assert_eq!(reader.read(&mut world), 2);
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1", "10.244.1.8/32 leaf1"]);
    world.announce(&node, &HOSTS);
    assert_eq!(reader.read(&mut world), 0, "nothing changed");
    world.withdraw(&node, &HOSTS[1..]);
    assert_eq!(reader.read(&mut world), 1);
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1"]);
}

#[test]
fn the_oldest_change_is_told_first_and_says_when_it_was() {
    let mut world = kept();
    let node = world.node();
    world.announce(&node, &HOSTS[1..]);
    let first = world.now;
    world.pass(SECOND);
    world.announce(&node, &HOSTS);
    world.withdraw(&node, &HOSTS[1..]);
    let told = world.core.offers(1);
    assert_eq!((told[0].prefix, told[0].changed), (net(HOSTS[1]), first));
    let told = world.core.offers(10);
    assert_eq!((told.len(), told[0].prefix, told[0].changed), (1, net(HOST), world.now));
}

#[test]
fn only_classes_that_rules_name_are_told() {
    let all = ["10.244.1.7/32", "10.96.0.1/32", "10.244.1.0/26", "10.96.0.0/12", "172.16.0.0/24"];
    for (classes, expected) in [
        (vec![], vec!["10.96.0.1/32 leaf1", "10.244.1.7/32 leaf1"]),
        (vec![Class::PodBlock], vec!["10.244.1.0/26 leaf1"]),
    ] {
        let mut world = kept_by(with_rule(Match { class: classes, ..Match::default() }));
        let node = world.node();
        world.announce(&node, &all);
        assert_eq!(Reader::default().now(&mut world), expected);
    }
}

#[test]
fn without_an_apic_or_without_a_reader_nothing_is_noted() {
    let mut no_apic = World::with(config());
    no_apic.core.keep_offers();
    for mut world in [no_apic, World::with(with_rule(Match::default()))] {
        let node = world.node_with_hosts();
        world.close(&node, Loss::Final);
        world.settle();
        world.core.offer_all();
        assert_eq!(Reader::default().read(&mut world), 0);
        assert!(!world.core.offers.any() && !world.core.offers.has_walk());
        assert_eq!(world.core.silent.paths.counters(Family::Ipv4).paths, 0);
    }
}

#[test]
fn communities_that_rules_name_are_told_and_their_changes() {
    let mut world = kept_by(with_rule(Match { community: vec!["65102:1".into()], ..Match::default() }));
    let node = world.node();
    let communities = |world: &mut World| {
        let told = world.core.offers(10);
        told.into_iter().map(|told| told.offers[0].communities.concat()).collect::<Vec<_>>()
    };
    let tagged = |tags: &[u32]| {
        let tags: Vec<_> = tags.iter().map(|tag| Community::Standard(65_102 << 16 | tag)).collect();
        Builder::new(&[NODE_AS], ip(NODE)).communities(&tags)
    };
    world.announce_as(&node, &tagged(&[1, 2]), &[HOST]);
    assert_eq!(communities(&mut world), ["65102:1"]);
    world.announce_as(&node, &tagged(&[2]), &[HOST]);
    assert_eq!(communities(&mut world), [""]);
    world.announce_as(&node, &tagged(&[2]), &[HOST]);
    assert!(communities(&mut world).is_empty());
}

#[test]
fn stale_routes_are_told_and_that_they_are_fresh_again() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    reader.read(&mut world);
    world.close(&node, Loss::Graceful);
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1 stale", "10.244.1.8/32 leaf1 stale"]);
    let node = world.node();
    world.announce(&node, &[HOST]);
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1", "10.244.1.8/32 leaf1 stale"]);
    world.end_of_rib(&node);
    world.settle();
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1"], "what it no longer has is withdrawn");
}

#[test]
fn an_offer_says_who_announces_what_and_a_new_name_or_rack_is_told() {
    let (mut world, mut reader) = (kept(), Reader::default());
    world.node_with_hosts();
    reader.read(&mut world);
    let offer = |reader: &Reader| {
        let offer = &reader.0[&("default".into(), net(HOST))].offers[0];
        let node = offer.node.as_deref().unwrap_or_default();
        assert_eq!(
            (offer.accepted.class(), offer.peer_as, &*offer.cluster),
            (Class::PodHost, NODE_AS, "default")
        );
        format!("{node} {} {}", offer.witness, offer.rack)
    };
    assert_eq!(offer(&reader), "192.168.1.2 192.168.1.2 rack1");
    let pinned = Config { nodes: vec![pin("worker1", &[NODE])], ..with_rule(Match::default()) };
    world.take_over(pinned.clone());
    assert_eq!(reader.read(&mut world), 2);
    assert_eq!(offer(&reader), "worker1 worker1 rack1");
    let mut moved = pinned;
    moved.leaves.iter_mut().for_each(|leaf| leaf.rack = "rack9".into());
    world.take_over(moved);
    assert_eq!(reader.read(&mut world), 2);
    assert_eq!(offer(&reader), "worker1 worker1 rack9");
}

#[test]
fn a_verdict_that_a_reload_changes_is_told() {
    let (mut world, mut reader) = (kept(), Reader::default());
    world.node_with_hosts();
    reader.read(&mut world);
    let mut narrow = with_rule(Match::default());
    narrow.policy.allow[0] = allow(AllowClass::Pod, "10.244.1.8/29", &[32]);
    world.take_over(narrow);
    assert_eq!(reader.now(&mut world), ["10.244.1.8/32 leaf1"]);
    world.take_over(with_rule(Match::default()));
    assert_eq!(reader.now(&mut world).len(), 2);
}

#[test]
fn other_classes_and_communities_by_a_reload_have_all_told_anew() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    world.announce(&node, &["10.244.1.0/26"]);
    reader.read(&mut world);
    world.take_over(with_rule(Match { class: vec![Class::PodBlock], ..Match::default() }));
    assert!(!world.core.roster(world.now).complete);
    assert_eq!(reader.now(&mut world), ["10.244.1.0/26 leaf1"], "hosts are told to be nothing");
    assert!(world.core.roster(world.now).complete);
    let tagged = Match { class: vec![Class::PodBlock], community: vec!["1:1".into()], ..Match::default() };
    world.take_over(with_rule(tagged.clone()));
    assert_ne!(reader.read(&mut world), 0);
    world.take_over(with_rule(tagged));
    assert_eq!(reader.read(&mut world), 0, "nothing changed");
    world.take_over(config());
    assert_eq!(reader.read(&mut world), 0, "there is nobody to keep members for");
    world.take_over(with_rule(Match::default()));
    assert_eq!(reader.read(&mut world), 2);
}

#[test]
fn all_is_told_again_in_slices_and_complete_once_it_is_taken() {
    let mut world = kept();
    let node = world.node();
    let hosts: Vec<_> = (0..2_500).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    hosts.chunks(500).for_each(|some| world.announce(&node, some));
    let mut reader = Reader::default();
    assert_eq!(reader.read(&mut world), 2_500);
    assert!(world.core.roster(world.now).complete);

    world.core.offer_all();
    let mut slices = 0;
    while world.core.offers.has_walk() {
        assert!(!world.core.roster(world.now).complete);
        world.core.offer_slice(world.now);
        slices += 1;
    }
    assert!(slices > 2);
    // What changes later does not put it off.
    for (count, complete) in [(1_000, false), (1_000, false), (499, false), (1, true)] {
        assert_eq!(world.core.offers(count).len(), count);
        world.withdraw(&node, &hosts[..1]);
        world.announce(&node, &hosts[..1]);
        assert_eq!(world.core.roster(world.now).complete, complete);
    }
}

#[test]
fn an_answer_looks_at_no_more_than_so_many_routes() {
    let mut world = kept();
    let hosts: Vec<_> = (1..=60).map(|n| format!("10.96.0.{n}/32")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    for n in 0..300_u32 {
        let node = format!("192.168.{}.{}", 1 + n / 200, 2 + n % 200);
        let node = world.up("leaf1", &node, NODE_AS, &node);
        world.announce(&node, &hosts);
    }
    let told = world.core.offers(1_000).len();
    assert!((1..60).contains(&told), "{told}");
    let rest: Vec<_> =
        std::iter::repeat_with(|| world.core.offers(1_000).len()).take_while(|told| *told > 0).collect();
    assert_eq!(told + rest.iter().sum::<usize>(), 60);
}

#[test]
fn more_than_can_be_noted_is_all_told_anew() {
    let (mut world, mut reader) = (kept(), Reader::default());
    world.core.offers.most = 2_000;
    let node = world.node();
    let hosts: Vec<_> = (0..2_500).map(|n| format!("10.244.{}.{}/32", n / 250, n % 250)).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    hosts.chunks(500).for_each(|some| world.announce(&node, some));
    assert!(world.core.roster(world.now).lost_track > 0);
    assert!(!world.core.roster(world.now).complete);
    assert_eq!(reader.now(&mut world).len(), 2_500);
    let roster = world.core.roster(world.now);
    assert!(roster.complete);
    assert_eq!(reader.read(&mut world), 0);
}

#[test]
fn the_roster_says_who_is_settled_down_or_worked_on() {
    let mut with_pin = with_rule(Match::default());
    with_pin.nodes = vec![Node { rack: Some("rack1".into()), ..pin("worker9", &["192.168.1.9"]) }];
    let mut world = kept_by(with_pin);
    let of = |world: &World, address: &str| {
        let roster = world.core.roster(world.now);
        let peer = roster.peers.iter().find(|peer| peer.peer.address == ip(address)).expect("known").clone();
        let down = peer.down_since.map(|since| since.since(START).as_secs());
        (peer.settled, down, peer.maintenance.is_some(), peer.witness.to_string())
    };
    world.pass(SECOND * 5);
    assert_eq!(of(&world, "192.168.1.9"), (false, Some(0), false, "worker9".to_owned()), "since we started");
    let node = world.node();
    world.announce(&node, &HOSTS);
    assert_eq!(of(&world, NODE), (false, None, false, NODE.to_owned()));
    world.end_of_rib(&node);
    assert_eq!(of(&world, NODE), (true, None, false, NODE.to_owned()));
    let window = crate::observer::maintenance::Window {
        scope: crate::observer::maintenance::Whom::Rack("rack1".into()),
        since: world.now,
        until: world.now.after(MINUTE),
        reason: "swap".to_owned(),
    };
    world.core.start_maintenance(window).expect("a window");
    world.close(&node, Loss::Graceful);
    assert_eq!(of(&world, NODE), (false, Some(5), true, NODE.to_owned()));
    let node = world.node();
    assert_eq!(of(&world, NODE), (false, None, true, NODE.to_owned()));
    world.pass(MINUTE * 6 + SECOND);
    assert_eq!(of(&world, NODE), (true, None, false, NODE.to_owned()), "it had the time");
    drop(node);
}

#[test]
fn witnesses_are_of_their_cluster() {
    let witness = |cluster, node| crate::observer::feed::witness(cluster, node, ip(NODE));
    assert_eq!(&*witness("default", Some("worker1")), "worker1");
    assert_eq!(&*witness("default", None), NODE);
    assert_eq!(&*witness("blue", Some("worker1")), "blue/worker1");
    assert_eq!(&*witness("blue", None), "blue/192.168.1.2");
}

#[test]
fn a_node_that_is_named_by_another_of_its_peers_is_told() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.up("leaf3", NODE, NODE_AS, NODE);
    world.announce(&node, &[HOST]);
    reader.read(&mut world);
    // In the rack of leaf1; what stands behind the same address in the VRF is the same node.
    let named = Node { rack: Some("rack1".into()), ..pin("worker1", &[NODE]) };
    world.take_over(Config { nodes: vec![named], ..with_rule(Match::default()) });
    assert_eq!(reader.read(&mut world), 1);
    assert_eq!(&*reader.0[&("default".into(), net(HOST))].offers[0].witness, "worker1");
}

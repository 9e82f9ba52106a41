//! A day in the life of a fabric of six racks and sixty nodes: how often somebody is told, and of what.

use std::collections::BTreeMap;

use super::*;
use crate::observer::maintenance::{Whom, Window};
use crate::policy::Class;

const RACKS: usize = 6;
const NODES: usize = 60;
const RACK: usize = NODES / RACKS;
const SERVICES: &str = "10.96.0.0/12";

/// A fabric and the sessions of its nodes.
struct Day {
    world: World,
    nodes: Vec<Option<Session>>,
    /// One AS for the whole cluster.
    one_as: bool,
    /// What each node leaks.
    leaks: Vec<Vec<String>>,
}

fn fabric() -> Config {
    let mut config = config();
    let name = |rack: usize| format!("leaf{rack}");
    config.leaves = (1..=RACKS).map(|rack| leaf(&name(rack), &format!("rack{rack}"))).collect();
    config.neighbors =
        (1..=RACKS).map(|rack| neighbors(&name(rack), &format!("192.168.{rack}.0/24"))).collect();
    config.findings.resolve_after.clear();
    config
}

impl Day {
    /// All nodes are up and well, and have been for a while.
    fn begin(config: Config) -> Self {
        let mut day = Self::empty(config);
        day.come_up(0..NODES);
        day.world.pass(MINUTE * 10);
        assert_eq!(day.told(), [""; 0]);
        day
    }

    fn empty(config: Config) -> Self {
        let world = World::patient(config, Settings::default());
        Self { world, nodes: vec![None; NODES * 2], one_as: false, leaks: vec![Vec::new(); NODES * 2] }
    }

    fn asn(&self, node: usize) -> u32 {
        if self.one_as { NODE_AS } else { NODE_AS + u32::try_from(node % 90).unwrap() }
    }

    fn address(node: usize) -> String {
        format!("192.168.{}.{}", node % NODES / RACK + 1, node % RACK + 2 + node / NODES * 100)
    }

    fn block(node: usize) -> String {
        format!("10.244.{node}.0/26")
    }

    /// As after a boot, one shortly after the other: BIRD dials every few seconds.
    fn come_up(&mut self, nodes: impl IntoIterator<Item = usize>) {
        for node in nodes {
            let address = Self::address(node);
            let leaf = format!("leaf{}", node % NODES / RACK + 1);
            let session = self.world.up(&leaf, &address, self.asn(node), &address);
            self.world.announce(&session, &[&Self::block(node), SERVICES]);
            self.world.announce(&session, &texts(&self.leaks[node]));
            self.world.end_of_rib(&session);
            self.nodes[node] = Some(session);
            self.world.pass(Duration::from_millis(80));
        }
    }

    /// Hold timers run out, one shortly after the other.
    fn fall_silent(&mut self, nodes: impl IntoIterator<Item = usize>, loss: Loss) {
        for node in nodes {
            let session = self.nodes[node].take().unwrap();
            self.world.close(&session, loss);
            self.world.pass(Duration::from_millis(20));
        }
    }

    fn announce(&mut self, node: usize, path: &[u32], prefixes: &[&str]) {
        let session = self.nodes[node].clone().unwrap();
        let attributes = Builder::new(path, session.peer.address);
        self.world.announce_as(&session, &attributes, prefixes);
    }

    fn withdraw(&mut self, node: usize, prefixes: &[&str]) {
        let session = self.nodes[node].clone().unwrap();
        self.world.withdraw(&session, prefixes);
    }

    fn reload(&mut self, config: Config) {
        self.world.config = config.clone();
        self.world.core.reconfigure(Arc::new(config), self.world.now);
    }

    fn work_on(&mut self, scope: Whom, time: Duration) {
        let (since, until) = (self.world.now, self.world.now.after(time));
        self.world.core.maintenance.start(Window { scope, since, until, reason: "upgrade".to_owned() });
        self.world.core.muting_dirty = true;
    }

    /// The kinds of the findings of which somebody was told so far, in order.
    fn told(&self) -> Vec<String> {
        let opened = self.world.events.iter().filter(|event| event.kind == "finding_open");
        opened.map(|event| event.text.split(' ').nth(1).unwrap().to_owned()).collect()
    }

    /// Whether exactly these were told, and all is over and done with at the end.
    #[track_caller]
    fn end(mut self, told: &[&str]) {
        self.world.pass(MINUTE * 20);
        let texts: Vec<_> = self.world.events.iter().filter(|event| event.kind == "finding_open").collect();
        assert_eq!(self.told(), told, "{texts:#?}");
        assert_eq!(self.world.found(), [""; 0]);
        self.world.check();
    }
}

fn texts(prefixes: &[String]) -> Vec<&str> {
    prefixes.iter().map(String::as_str).collect()
}

/// The nodes of rack `rack`.
fn rack(rack: usize) -> std::ops::Range<usize> {
    rack * RACK..(rack + 1) * RACK
}

#[test]
fn an_install_with_an_incomplete_allow_list() {
    let mut config = fabric();
    config.policy.allow[0].prefix = net("10.244.0.0/19");
    let mut day = Day::empty(config.clone());
    day.come_up(0..NODES);
    day.world.pass(MINUTE * 10);
    config.policy.allow[0].prefix = net("10.244.0.0/16");
    day.reload(config);
    day.end(&["rogue_route"]);
}

#[test]
fn a_rack_loses_its_power_and_comes_back() {
    let mut day = Day::begin(fabric());
    day.fall_silent(rack(2), Loss::Final);
    day.world.pass(MINUTE * 15);
    for node in rack(2) {
        day.come_up([node]);
        day.world.pass(SECOND * 20);
    }
    day.end(&["rack_down"]);
}

#[test]
fn of_a_rack_that_came_back_who_did_not_is_told() {
    let mut day = Day::begin(fabric());
    day.fall_silent(rack(2), Loss::Final);
    day.world.pass(MINUTE * 5);
    day.come_up(rack(2).skip(1));
    day.world.pass(MINUTE * 5);
    assert_eq!(day.told(), ["rack_down", "peer_down"]);
    day.come_up([rack(2).start]);
    day.end(&["rack_down", "peer_down"]);
}

#[test]
fn a_rolling_upgrade_in_a_maintenance_window() {
    let mut day = Day::begin(fabric());
    day.work_on(Whom::Cluster("default".into()), MINUTE * 60 * 5);
    for node in 0..NODES {
        day.fall_silent([node], Loss::Final);
        day.world.pass(MINUTE * 3);
        day.come_up([node]);
        day.world.pass(SECOND * 30);
    }
    day.end(&[]);
}

#[test]
fn what_is_still_down_when_the_window_ends_is_told() {
    let mut day = Day::begin(fabric());
    day.work_on(Whom::Rack("rack1".into()), MINUTE * 60);
    day.fall_silent([3], Loss::Final);
    day.world.pass(MINUTE * 59);
    assert_eq!(day.told(), [""; 0]);
    assert_eq!(day.world.finding("peer_down").muted.as_deref(), Some("maintenance"));
    assert_eq!(day.world.finding("peer_down").muted_because.as_deref(), Some("upgrade"));
    day.world.core.maintenance.end(&Whom::Rack("rack1".into()));
    day.world.core.muting_dirty = true;
    day.world.pass(SECOND * 59);
    assert_eq!(day.told(), [""; 0], "it may be about to come back");
    day.world.pass(SECOND * 2);
    assert_eq!(day.told(), ["peer_down"]);
}

#[test]
fn nodes_are_added_and_removed() {
    let mut day = Day::begin(fabric());
    day.come_up(NODES..NODES + 20);
    day.world.pass(MINUTE * 10);
    day.fall_silent(NODES..NODES + 10, Loss::Deconfigured);
    day.world.pass(MINUTE * 10);
    assert_eq!(day.told(), [""; 0]);
    // Nobody said that these would not come back.
    day.fall_silent(NODES + 10..NODES + 20, Loss::Final);
    day.world.pass(MINUTE * 10);
    for node in NODES + 10..NODES + 20 {
        day.world.core.forget_down(None, ip(&Day::address(node)), day.world.now);
    }
    day.end(&["peer_down"]);
}

#[test]
fn a_new_pool_of_addresses() {
    let mut config = fabric();
    let mut day = Day::begin(config.clone());
    for node in 0..NODES {
        day.announce(node, &[day.asn(node)], &[&format!("10.245.{node}.0/26")]);
        day.world.pass(Duration::from_millis(300));
    }
    day.world.pass(MINUTE * 5);
    config.policy.allow.push(allow(AllowClass::Pod, "10.245.0.0/16", &[26, 32]));
    day.reload(config);
    day.end(&["rogue_route"]);
}

#[test]
fn the_mesh_is_left_on() {
    let mut day = Day::begin(fabric());
    let others = |node: usize| (0..NODES).filter(move |other| *other != node);
    for node in 0..NODES {
        for other in others(node) {
            day.announce(node, &[day.asn(node), day.asn(other)], &[&Day::block(other)]);
        }
        day.world.pass(Duration::from_millis(30));
    }
    day.world.pass(MINUTE * 5);
    for node in 0..NODES {
        let blocks: Vec<_> = others(node).map(Day::block).collect();
        day.withdraw(node, &blocks.iter().map(String::as_str).collect::<Vec<_>>());
    }
    day.end(&["mesh_left_on"]);
}

#[test]
fn the_mesh_of_a_cluster_with_one_as_is_left_on() {
    let mut day = Day::empty(fabric());
    day.one_as = true;
    day.come_up(0..NODES);
    day.world.pass(MINUTE);
    let others = |node: usize| (0..NODES).filter(move |other| *other != node);
    for node in 0..NODES {
        let blocks: Vec<_> = others(node).map(Day::block).collect();
        day.announce(node, &[NODE_AS], &blocks.iter().map(String::as_str).collect::<Vec<_>>());
        day.world.pass(Duration::from_millis(30));
    }
    day.world.pass(MINUTE * 5);
    for node in 0..NODES {
        let blocks: Vec<_> = others(node).map(Day::block).collect();
        day.withdraw(node, &blocks.iter().map(String::as_str).collect::<Vec<_>>());
    }
    day.end(&["mesh_left_on"]);
}

/// What each node leaks by one and the same filter.
fn leak(prefixes: impl Fn(usize) -> Vec<String>) {
    let mut day = Day::begin(fabric());
    for node in 0..NODES {
        day.leaks[node] = prefixes(node);
        day.announce(node, &[day.asn(node)], &texts(&day.leaks[node].clone()));
        day.world.pass(Duration::from_millis(30));
    }
    day.world.pass(MINUTE * 5);
    // While it lasts, our own uplink is cut: that is told, and the leak is not told again.
    day.fall_silent(0..NODES, Loss::Final);
    day.world.pass(MINUTE * 30);
    day.come_up(0..NODES);
    day.world.pass(MINUTE * 5);
    for node in 0..NODES {
        day.withdraw(node, &texts(&day.leaks[node].clone()));
    }
    day.end(&["rogue_route", "observer_isolated"]);
}

#[test]
fn all_nodes_leak_the_default_route() {
    leak(|_| vec!["0.0.0.0/0".to_owned()]);
}

#[test]
fn each_node_leaks_a_route_of_its_own() {
    leak(|node| vec![format!("172.16.{node}.0/24")]);
}

#[test]
fn all_nodes_leak_the_same_forty_routes() {
    leak(|_| (0..40).map(|n| format!("172.17.{n}.0/24")).collect());
}

#[test]
fn each_node_leaks_forty_routes_of_its_own() {
    leak(|node| (0..40).map(|n| format!("172.{}.{n}.0/24", 16 + node % 8 * 2)).collect());
}

#[test]
fn our_own_uplink_is_cut() {
    let mut day = Day::begin(fabric());
    day.fall_silent(0..NODES, Loss::Final);
    day.world.pass(MINUTE * 20);
    let found: BTreeMap<_, _> =
        day.world.core.findings.current().map(|finding| (finding.kind.clone(), finding.muted)).collect();
    assert!(found["observer_isolated"].is_none() && found["peer_down"].is_some(), "{found:?}");
    day.come_up(0..NODES);
    day.end(&["observer_isolated"]);
}

#[test]
fn one_service_range_is_expected_that_nobody_announces() {
    let mut config = fabric();
    let mut day = Day::begin(config.clone());
    let former = config.clone();
    config.policy.allow.push(allow(AllowClass::Service, "10.112.0.0/16", &[16, 32]));
    day.reload(config);
    day.world.pass(MINUTE * 5);
    day.reload(former);
    day.end(&["missing_service_cidr"]);
}

#[test]
fn many_blocks_of_two_nodes_are_one_trouble() {
    let mut day = Day::begin(fabric());
    let blocks: Vec<_> = (1..20).map(Day::block).collect();
    let blocks: Vec<_> = blocks.iter().map(String::as_str).collect();
    day.announce(0, &[NODE_AS], &blocks);
    day.world.pass(MINUTE * 5);
    day.withdraw(0, &blocks);
    day.end(&["duplicate_pod_block"]);
}

#[test]
fn a_node_with_two_sessions_is_lost_once() {
    let mut config = fabric();
    config.leaves.push(leaf("leaf7", "rack1"));
    config.neighbors.push(neighbors("leaf7", "192.168.1.0/24"));
    let mut day = Day::begin(config);
    let second = day.world.up("leaf7", &Day::address(0), day.asn(0), &Day::address(0));
    day.world.announce(&second, &[&Day::block(0), SERVICES]);
    day.world.end_of_rib(&second);
    day.world.pass(MINUTE * 10);
    day.world.close(&second, Loss::Final);
    day.fall_silent([0], Loss::Final);
    day.world.pass(MINUTE * 10);
    let second = day.world.up("leaf7", &Day::address(0), day.asn(0), &Day::address(0));
    day.world.announce(&second, &[&Day::block(0), SERVICES]);
    day.world.end_of_rib(&second);
    day.come_up([0]);
    day.end(&["peer_down"]);
}

#[test]
fn independent_troubles_are_told_each() {
    let mut day = Day::begin(fabric());
    for node in 0..8 {
        day.announce(node, &[day.asn(node)], &[&format!("172.16.{node}.0/24")]);
        day.world.pass(MINUTE * 2);
    }
    assert_eq!(day.told(), ["rogue_route"; 8], "none of them hides another");
    for node in 0..8 {
        day.withdraw(node, &[&format!("172.16.{node}.0/24")]);
    }
    day.end(&["rogue_route"; 8]);
}

#[test]
fn a_leak_beside_the_mesh_is_not_hidden_by_it() {
    let mut day = Day::begin(fabric());
    for node in 0..NODES {
        for other in (0..NODES).filter(|other| *other != node) {
            day.announce(node, &[day.asn(node), day.asn(other)], &[&Day::block(other)]);
        }
        day.world.pass(Duration::from_millis(30));
    }
    day.world.pass(MINUTE);
    day.announce(7, &[day.asn(7)], &["0.0.0.0/0"]);
    day.world.pass(MINUTE);
    assert_eq!(day.told(), ["mesh_left_on", "rogue_route"]);
}

#[test]
fn what_comes_and_goes_is_one_finding() {
    let mut day = Day::begin(fabric());
    day.announce(5, &[day.asn(5)], &["0.0.0.0/0"]);
    day.world.pass(SECOND * 6);
    for _ in 0..20 {
        day.withdraw(5, &["0.0.0.0/0"]);
        day.world.pass(SECOND * 4);
        day.announce(5, &[day.asn(5)], &["0.0.0.0/0"]);
        day.world.pass(SECOND * 2);
    }
    day.withdraw(5, &["0.0.0.0/0"]);
    day.end(&["rogue_route"]);
}

#[test]
fn an_acknowledged_finding_is_quiet_until_its_cause_is_gone() {
    let mut day = Day::begin(fabric());
    day.announce(5, &[day.asn(5)], &["0.0.0.0/0"]);
    day.world.pass(SECOND * 6);
    let id = day.world.finding("rogue_route").id;
    assert!(!day.world.core.findings.acknowledge("rogue_route-0", "why".to_owned()));
    assert!(day.world.core.findings.acknowledge(&id, "it is known".to_owned()));
    let found = day.world.finding("rogue_route");
    assert_eq!((found.state.as_str(), found.muted.as_deref()), ("open", Some("acknowledged")));
    assert_eq!(found.muted_because.as_deref(), Some("it is known"));
    let counts = day.world.core.findings.counts();
    assert_eq!((counts.open, counts.muted), (0, 1));
    day.withdraw(5, &["0.0.0.0/0"]);
    day.world.pass(MINUTE);
    day.announce(5, &[day.asn(5)], &["0.0.0.0/0"]);
    day.world.pass(MINUTE);
    assert_eq!(day.told(), ["rogue_route"; 2], "another one is another one");
    assert_eq!(
        day.world.page(RouteQuery { class: Some(Class::Other), ..RouteQuery::default() }).items.len(),
        1
    );
}

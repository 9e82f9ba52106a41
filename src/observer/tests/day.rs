//! A day in the life of a fabric of six racks and sixty nodes: how often somebody is told, and of what; the same
//! with our own restart in the middle of each; and, to compare, without any grace time.

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
    /// What each node announces besides, and with which path.
    said: Vec<BTreeMap<String, Vec<u32>>>,
    /// We are restarted in the middle.
    restarts: bool,
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
        day.be_well();
        day
    }

    fn be_well(&mut self) {
        self.come_up(0..NODES);
        self.world.pass(MINUTE * 10);
        assert_eq!(self.told(), [""; 0]);
    }

    fn empty(config: Config) -> Self {
        let world = World::patient(config, Settings::default());
        Self {
            world,
            nodes: vec![None; NODES * 2],
            one_as: false,
            said: vec![BTreeMap::new(); NODES * 2],
            restarts: false,
        }
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
            self.nodes[node] = Some(session.clone());
            let mut paths: BTreeMap<Vec<u32>, Vec<String>> = BTreeMap::new();
            for (prefix, path) in &self.said[node] {
                paths.entry(path.clone()).or_default().push(prefix.clone());
            }
            for (path, prefixes) in paths {
                self.announce(node, &path, &texts(&prefixes));
            }
            self.world.end_of_rib(&session);
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
        self.said[node].extend(prefixes.iter().map(|prefix| ((*prefix).to_owned(), path.to_vec())));
    }

    fn withdraw(&mut self, node: usize, prefixes: &[&str]) {
        let session = self.nodes[node].clone().unwrap();
        self.world.withdraw(&session, prefixes);
        self.said[node].retain(|prefix, _| !prefixes.contains(&prefix.as_str()));
    }

    /// In the middle of it all: nothing, or we are killed and started again, and nodes come back as BIRD does.
    fn middle(&mut self) {
        if !self.restarts {
            return;
        }
        let state = self.world.core.state(self.world.now);
        self.world.now = self.world.now.after(SECOND * 2);
        let config = Arc::new(self.world.config.clone());
        let mut core = Core::new(config, Settings::default(), self.world.now);
        core.restore(state, self.world.now);
        self.world.core = Recorded::new(core, None);
        self.world.pass(SECOND);
        let up: Vec<_> = (0..self.nodes.len()).filter(|node| self.nodes[*node].take().is_some()).collect();
        self.come_up(up);
        self.world.pass(MINUTE * 2);
    }

    fn reload(&mut self, config: Config) {
        self.world.config = config.clone();
        self.world.core.reconfigure(Arc::new(config), self.world.now);
    }

    fn work_on(&mut self, scope: Whom, time: Duration) {
        let (since, until) = (self.world.now, self.world.now.after(time));
        let window = Window { scope, since, until, reason: "upgrade".to_owned() };
        self.world.core.start_maintenance(window).unwrap();
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
        assert_eq!(self.told(), told, "restarts: {}, {texts:#?}", self.restarts);
        assert_eq!(self.world.found(), [""; 0]);
        self.world.check();
    }

    fn announce_others(&mut self, path: impl Fn(&Self, usize, usize) -> Vec<u32>) {
        for node in 0..NODES {
            let mut paths: BTreeMap<Vec<u32>, Vec<String>> = BTreeMap::new();
            for other in (0..NODES).filter(|other| *other != node) {
                paths.entry(path(self, node, other)).or_default().push(Self::block(other));
            }
            for (path, blocks) in paths {
                self.announce(node, &path, &texts(&blocks));
            }
            self.world.pass(Duration::from_millis(30));
        }
    }

    fn withdraw_all(&mut self) {
        for node in 0..NODES {
            let said: Vec<_> = self.said[node].keys().cloned().collect();
            self.withdraw(node, &texts(&said));
        }
    }
}

fn texts(prefixes: &[String]) -> Vec<&str> {
    prefixes.iter().map(String::as_str).collect()
}

/// The nodes of rack `rack`.
fn rack(rack: usize) -> std::ops::Range<usize> {
    rack * RACK..(rack + 1) * RACK
}

/// Plays a scenario in a fabric that is well: as it is, with our own restart in the middle, and without grace
/// times. In the end `told` is what was told, each time, but without grace times more often.
#[track_caller]
fn play(name: &str, told: &[&str], scenario: impl Fn(&mut Day)) {
    play_from(name, told, fabric(), |day| {
        day.be_well();
        scenario(day);
    });
}

#[track_caller]
fn play_from(name: &str, told: &[&str], config: Config, scenario: impl Fn(&mut Day)) {
    for restarts in [false, true] {
        let mut day = Day { restarts, ..Day::empty(config.clone()) };
        scenario(&mut day);
        day.end(told);
    }
    let mut hasty = Day::empty(config);
    hasty.world.config.findings.open_after = at_once();
    hasty.reload(hasty.world.config.clone());
    scenario(&mut hasty);
    hasty.world.pass(MINUTE * 20);
    let without = hasty.told().len();
    println!("{name}: told {} {told:?}; without grace times {without}", told.len());
    assert!(without >= told.len());
}

#[test]
fn an_install_with_an_incomplete_allow_list() {
    let mut narrow = fabric();
    narrow.policy.allow[0].prefix = net("10.244.0.0/19");
    play_from("incomplete allow-list", &["rogue_route"], narrow, |day| {
        day.come_up(0..NODES);
        day.world.pass(MINUTE * 5);
        day.middle();
        let mut config = day.world.config.clone();
        config.policy.allow[0].prefix = net("10.244.0.0/16");
        day.reload(config);
    });
}

#[test]
fn a_rack_loses_its_power_and_comes_back() {
    play("rack power", &["rack_down"], |day| {
        day.fall_silent(rack(2), Loss::Final);
        day.world.pass(MINUTE * 7);
        day.middle();
        day.world.pass(MINUTE * 7);
        for node in rack(2) {
            day.come_up([node]);
            day.world.pass(SECOND * 20);
        }
    });
}

#[test]
fn of_a_rack_that_came_back_who_did_not_is_told() {
    play("rack power, one node stays down", &["rack_down", "peer_down"], |day| {
        day.fall_silent(rack(2), Loss::Final);
        day.world.pass(MINUTE * 5);
        day.middle();
        day.come_up(rack(2).skip(1));
        day.world.pass(MINUTE * 10);
        day.come_up([rack(2).start]);
    });
}

#[test]
fn a_rolling_upgrade_in_a_maintenance_window() {
    play("rolling upgrade in a window", &[], |day| {
        day.work_on(Whom::Cluster("default".into()), MINUTE * 60 * 5);
        for node in 0..NODES {
            day.fall_silent([node], Loss::Final);
            day.world.pass(MINUTE * 3);
            if node == NODES / 2 {
                day.middle();
            }
            day.come_up([node]);
            day.world.pass(SECOND * 30);
        }
    });
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
    day.world.pass(MINUTE + SECOND);
    assert_eq!(day.world.finding("peer_down").muted, None, "the window ended by itself");
    day.world.pass(SECOND * 58);
    assert_eq!(day.told(), [""; 0], "it may be about to come back");
    day.world.pass(SECOND * 2);
    assert_eq!(day.told(), ["peer_down"]);
}

#[test]
fn nodes_are_added_and_removed() {
    play("scale-out and scale-in", &["peer_down"], |day| {
        day.come_up(NODES..NODES + 20);
        day.world.pass(MINUTE * 10);
        day.fall_silent(NODES..NODES + 10, Loss::Deconfigured);
        day.world.pass(MINUTE * 10);
        assert!(!day.told().contains(&"peer_down".to_owned()));
        // Nobody said that these would not come back.
        day.fall_silent(NODES + 10..NODES + 20, Loss::Final);
        day.world.pass(MINUTE * 5);
        day.middle();
        day.world.pass(MINUTE * 5);
        for node in NODES + 10..NODES + 20 {
            day.world.core.forget_down(None, ip(&Day::address(node)), day.world.now);
        }
    });
}

#[test]
fn a_new_pool_of_addresses() {
    play("new IP pool", &["rogue_route"], |day| {
        for node in 0..NODES {
            day.announce(node, &[day.asn(node)], &[&format!("10.245.{node}.0/26")]);
            day.world.pass(Duration::from_millis(300));
        }
        day.world.pass(MINUTE * 5);
        day.middle();
        let mut config = day.world.config.clone();
        config.policy.allow.push(allow(AllowClass::Pod, "10.245.0.0/16", &[26, 32]));
        day.reload(config);
    });
}

#[test]
fn the_mesh_is_left_on() {
    play("mesh left on, an AS for each node", &["mesh_left_on"], |day| {
        day.announce_others(|day, node, other| vec![day.asn(node), day.asn(other)]);
        day.world.pass(MINUTE * 5);
        day.middle();
        day.withdraw_all();
    });
}

#[test]
fn the_mesh_of_a_cluster_with_one_as_is_left_on() {
    play_from("mesh left on, one AS", &["mesh_left_on"], fabric(), |day| {
        day.one_as = true;
        day.come_up(0..NODES);
        day.world.pass(MINUTE);
        day.announce_others(|_, _, _| vec![NODE_AS]);
        day.world.pass(MINUTE * 5);
        day.middle();
        day.withdraw_all();
    });
}

/// What each node leaks by one and the same filter; while that lasts, our own uplink is cut, which is told, and
/// the leak is not told again.
#[track_caller]
fn leak(name: &str, prefixes: impl Fn(usize) -> Vec<String>) {
    play(name, &["rogue_route", "observer_isolated"], |day| {
        for node in 0..NODES {
            day.announce(node, &[day.asn(node)], &texts(&prefixes(node)));
            day.world.pass(Duration::from_millis(30));
        }
        day.world.pass(MINUTE * 5);
        day.middle();
        day.fall_silent(0..NODES, Loss::Final);
        day.world.pass(MINUTE * 30);
        day.come_up(0..NODES);
        day.world.pass(MINUTE * 5);
        day.withdraw_all();
    });
}

#[test]
fn all_nodes_leak_the_default_route() {
    leak("leak of one route, uplink cut", |_| vec!["0.0.0.0/0".to_owned()]);
}

#[test]
fn each_node_leaks_a_route_of_its_own() {
    leak("leak of one route each, uplink cut", |node| vec![format!("172.16.{node}.0/24")]);
}

#[test]
fn all_nodes_leak_the_same_forty_routes() {
    let routes = |_| (0..40).map(|n| format!("172.17.{n}.0/24")).collect();
    leak("leak of 40 routes, uplink cut", routes);
}

#[test]
fn each_node_leaks_forty_routes_of_its_own() {
    let routes = |node| (0..40).map(|n| format!("172.{}.{n}.0/24", 16 + node % 8 * 2)).collect();
    leak("leak of 40 routes each, uplink cut", routes);
}

#[test]
fn our_own_uplink_is_cut() {
    play("uplink cut", &["observer_isolated"], |day| {
        day.fall_silent(0..NODES, Loss::Final);
        day.world.pass(MINUTE * 20);
        let found: BTreeMap<_, _> =
            day.world.core.findings.current().map(|finding| (finding.kind.clone(), finding.muted)).collect();
        assert!(found["observer_isolated"].is_none() && found["peer_down"].is_some(), "{found:?}");
        day.middle();
        day.world.pass(MINUTE * 20);
        day.come_up(0..NODES);
    });
}

#[test]
fn one_service_range_is_expected_that_nobody_announces() {
    play("expected range that nobody announces", &["missing_service_cidr"], |day| {
        let former = day.world.config.clone();
        let mut config = former.clone();
        config.policy.allow.push(allow(AllowClass::Service, "10.112.0.0/16", &[16, 32]));
        day.reload(config);
        day.world.pass(MINUTE * 5);
        day.middle();
        day.reload(former);
    });
}

#[test]
fn many_blocks_of_two_nodes_are_one_trouble() {
    play("one node announces 19 blocks of others", &["duplicate_pod_block"], |day| {
        let blocks: Vec<_> = (1..20).map(Day::block).collect();
        day.announce(0, &[NODE_AS], &texts(&blocks));
        day.world.pass(MINUTE * 5);
        day.middle();
        day.withdraw(0, &texts(&blocks));
    });
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
fn what_is_lost_later_is_told_beside_what_was_lost_before() {
    let mut config = fabric();
    config.leaves.push(leaf("leaf7", "rack1"));
    config.neighbors.push(neighbors("leaf7", "192.168.1.0/24"));
    let mut day = Day::begin(config);
    // Of a rack of which a third never comes back, another node is lost the next day.
    day.fall_silent(rack(2), Loss::Final);
    day.world.pass(MINUTE * 5);
    day.come_up(rack(2).skip(3));
    day.world.pass(MINUTE * 60 * 24);
    let mut told = vec!["rack_down", "peer_down", "peer_down", "peer_down"];
    assert_eq!(day.told(), told, "the third, by their names");
    day.fall_silent([rack(2).end - 1], Loss::Final);
    day.world.pass(MINUTE * 2);
    told.push("peer_down");
    assert_eq!(day.told(), told);
    // Of a node of which one session is lost, so is the other, the next day.
    let second = day.world.up("leaf7", &Day::address(0), day.asn(0), &Day::address(0));
    day.world.announce(&second, &[&Day::block(0), SERVICES]);
    day.world.end_of_rib(&second);
    day.world.pass(MINUTE * 10);
    day.world.close(&second, Loss::Final);
    day.world.pass(MINUTE * 60 * 24);
    day.fall_silent([0], Loss::Final);
    day.world.pass(MINUTE * 2);
    told.extend(["peer_down", "peer_down"]);
    assert_eq!(day.told(), told);
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
    day.announce_others(|day, node, other| vec![day.asn(node), day.asn(other)]);
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

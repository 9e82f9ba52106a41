//! The core under virtual time: sessions say things, time passes, findings and tables follow.

mod aggregation;
mod capacity;
pub(crate) mod changes;
mod day;
mod explain;
mod feed;
mod findings;
mod hosts;
mod identity;
mod learn;
mod limits;
mod maintenance;
pub(crate) mod model;
mod offline;
mod pages;
mod query;
mod recovery;
mod refusals;
mod reload;
mod reports;
mod restart;
mod scope;
mod state;
mod task;
mod timers;
mod trace;
mod transit;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;

use super::core::Core;
use super::trace::{Recorded, Recorder};
use super::{PeerSnapshot, RouteQuery, Settings, Snapshot, view};
use crate::bgp::announce::Announcer;
use crate::bgp::attribute::Builder;
use crate::bgp::header::frame;
use crate::bgp::negotiated::GracefulRestart;
use crate::bgp::{Batch, Families, Family, Negotiated, Update};
use crate::config::Config;
use crate::config::model::*;
use crate::speaker::{Closed, Established, Event, Loss, PeerId, PeerStats, ResetReason, SessionId};
use crate::time::Timestamp;

const START: Timestamp = Timestamp::from_micros(1_763_760_000_000_000);
const LEAF_AS: u32 = 65101;
const NODE_AS: u32 = 65102;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The node that most tests are about, on the leaf that they are about.
const NODE: &str = "192.168.1.2";
/// What it announces when all is well.
const OWN: [&str; 2] = ["10.244.1.0/26", "10.96.0.0/12"];

/// Two leaves of rack1 and one of rack2, who all hear nodes of one cluster.
fn config() -> Config {
    Config {
        global: Global {
            name: None,
            state_dir: None,
            log: Log { format: LogFormat::Text, level: LogLevel::Info },
        },
        http: Http { listen: vec!["127.0.0.1:9179".parse().unwrap()], ..Http::default() },
        leaves: vec![leaf("leaf1", "rack1"), leaf("leaf2", "rack1"), leaf("leaf3", "rack2")],
        neighbors: ["leaf1", "leaf2", "leaf3"]
            .iter()
            .flat_map(|leaf| [neighbors(leaf, "192.168.0.0/16"), neighbors(leaf, "fd00:1::/32")])
            .collect(),
        nodes: vec![],
        policy: Policy {
            max_as_path: 2,
            count_leaf_as: true,
            origin_as: OriginAs::Peer,
            next_hop: NextHop::Peer,
            transit: Transit::Reject,
            uniqueness: Uniqueness {
                node_subnet: Unique::OneNode,
                pod_block: Unique::OneNode,
                pod_host: Unique::OneNode,
                service_host: Unique::Any,
                asn: UniqueAs::Auto,
            },
            allow: vec![
                allow(AllowClass::Pod, "10.244.0.0/16", &[26, 32]),
                allow(AllowClass::Service, "10.96.0.0/12", &[12, 32]),
                allow(AllowClass::Node, "192.168.0.0/16", &[29]),
                allow(AllowClass::Pod, "fd00:244::/32", &[122, 128]),
            ],
        },
        findings: Findings {
            open_after: vec![],
            resolve_after: at_once(),
            forget_after: Duration::from_hours(7 * 24),
        },
        limits: FabricLimits::default(),
        metrics: Metrics { per_peer: PerPeer::All, rogue_routes_max: 100 },
        apics: vec![],
        eepgs: vec![],
        redirects: vec![],
        safety: Safety::default(),
        journal: Journal::default(),
        alerts: Alerts::default(),
    }
}

/// What is over is told at once.
fn at_once() -> Vec<(String, Duration)> {
    super::findings::Kind::ALL.map(|kind| (kind.name().to_owned(), Duration::ZERO)).to_vec()
}

fn leaf(name: &str, rack: &str) -> Leaf {
    Leaf {
        name: name.into(),
        local_as: LEAF_AS,
        router_id: Ipv4Addr::new(10, 0, 0, 101),
        listen: ["127.0.0.", "[fd00:1::"]
            .into_iter()
            .zip(["", "]"])
            .map(|(from, to)| format!("{from}{}{to}:1790", &name[4..]).parse().unwrap())
            .collect(),
        rack: rack.into(),
        cluster: "default".into(),
        vrf: "default".into(),
    }
}

fn neighbors(leaf: &str, range: &str) -> Neighbors {
    Neighbors {
        leaf: leaf.into(),
        range: net(range),
        peer_as: vec![AsRange { first: 65102, last: 65199 }],
        cluster: "default".into(),
        vrf: "default".into(),
        password: None,
        ttl_security_hops: None,
        hold_time: Duration::from_secs(3),
        passive: true,
        port: 179,
        max_peers: 400,
        limits: Limits { prefixes: 10_000, warn_at: 0.8, action: LimitAction::Warn, rejected_kept: 1_000 },
        max_stale_time: MINUTE * 6,
        add_path: false,
        ipv4: true,
        ipv6: true,
    }
}

fn allow(class: AllowClass, prefix: &str, lengths: &[u8]) -> Allow {
    Allow {
        class,
        prefix: net(prefix),
        lengths: lengths.to_vec(),
        own_only: class == AllowClass::Node,
        clusters: vec![],
        vrfs: vec![],
        racks: vec![],
        nodes: vec![],
        expect: if class == AllowClass::Service { Expect::EveryNode } else { Expect::None },
        except: Except::default(),
    }
}

fn pin(name: &str, addresses: &[&str]) -> Node {
    let addresses = addresses.iter().map(|address| ip(address)).collect();
    Node { name: name.into(), rack: None, cluster: None, addresses, asn: None }
}

fn net(prefix: &str) -> IpNet {
    prefix.parse().unwrap()
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// What a Calico node's OPEN and ours agree on.
fn terms(asn: u32, identifier: &str) -> Negotiated {
    Negotiated {
        peer_as: asn,
        peer_id: identifier.parse().unwrap(),
        local_as: LEAF_AS,
        hold_time: Duration::from_secs(3),
        keepalive_time: SECOND,
        families: Families::only(Family::Ipv4),
        four_octet_as: true,
        add_path: Families::NONE,
        extended_next_hop: false,
        extended_message: false,
        route_refresh: true,
        enhanced_route_refresh: true,
        graceful_restart: Some(restart(120)),
    }
}

/// As BIRD says it after every start.
fn restart(seconds: u64) -> GracefulRestart {
    GracefulRestart {
        restarting: true,
        notification: false,
        restart_time: Duration::from_secs(seconds),
        families: Families::ALL,
        forwarding: Families::ALL,
    }
}

/// The core and its time.
struct World {
    core: Recorded,
    config: Config,
    now: Timestamp,
    sessions: u64,
    commands: Vec<super::Command>,
    events: Vec<view::Event>,
    /// All that sessions said, and when.
    heard: Vec<(Event, Timestamp)>,
}

/// One session of a simulated node.
#[derive(Clone)]
struct Session {
    id: SessionId,
    peer: PeerId,
    terms: Arc<Negotiated>,
    stats: Arc<PeerStats>,
}

impl World {
    /// A world in which nothing is missed for lack of patience.
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: Config) -> Self {
        let settings = Settings { route_grace: Duration::ZERO, peer_grace: Duration::ZERO, strangers: false };
        Self::patient(config, settings)
    }

    fn patient(config: Config, settings: Settings) -> Self {
        Self::recorded(config, settings, None)
    }

    fn recorded(config: Config, settings: Settings, recorder: Option<Recorder>) -> Self {
        let core = Core::new(Arc::new(config.clone()), settings, START);
        let core = Recorded::new(core, recorder);
        Self { core, config, now: START, sessions: 0, commands: vec![], events: vec![], heard: vec![] }
    }

    /// Lets time pass, as the loop does.
    fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            while self.core.has_work() {
                self.core.work(self.now);
            }
            let next = self.core.tick(self.now);
            self.commands.extend(self.core.take_commands());
            self.events.extend(self.core.take_events());
            if self.core.has_work() {
                continue;
            }
            if next > end {
                break;
            }
            self.now = next.max(self.now.after(Duration::from_millis(1)));
        }
        self.now = end;
    }

    /// Long enough for whatever is done at once.
    fn settle(&mut self) {
        self.pass(Duration::from_millis(250));
    }

    fn up(&mut self, leaf: &str, address: &str, asn: u32, identifier: &str) -> Session {
        self.up_with(leaf, address, terms(asn, identifier))
    }

    /// The node that most tests are about.
    fn node(&mut self) -> Session {
        self.up("leaf1", NODE, NODE_AS, NODE)
    }

    /// The same with its routes and End-of-RIB.
    fn healthy_node(&mut self) -> Session {
        let node = self.node();
        self.announce(&node, &OWN);
        self.end_of_rib(&node);
        self.settle();
        node
    }

    fn up_with(&mut self, leaf: &str, address: &str, terms: Negotiated) -> Session {
        let peer = PeerId { leaf: leaf.into(), address: ip(address) };
        let known = self.core.peers.find(&peer).and_then(|at| self.core.peers.get(at)?.last.as_ref());
        let stats = known.map_or_else(Arc::default, |last| Arc::clone(&last.stats));
        self.sessions += 1;
        let id = SessionId(self.sessions);
        let node = Session { id, peer, terms: Arc::new(terms), stats };
        self.establish(&node);
        node
    }

    fn establish(&mut self, node: &Session) {
        let entries = self.config.neighbors.iter();
        let entry = entries
            .filter(|entry| entry.leaf == node.peer.leaf && entry.range.contains(&node.peer.address))
            .max_by_key(|entry| entry.range.prefix_len());
        let local = if node.peer.address.is_ipv4() { ip("192.168.1.1") } else { ip("fd00:1::1") };
        let established = Established {
            session: node.id,
            peer: node.peer.clone(),
            local,
            at: self.now,
            negotiated: Arc::clone(&node.terms),
            capabilities: vec!["route refresh".to_owned()],
            neighbors: Arc::new(entry.expect("a range that lets it in").clone()),
            stats: Arc::clone(&node.stats),
        };
        self.hear(Event::Established(Box::new(established)));
    }

    /// Its own routes, as a node announces them.
    fn announce(&mut self, node: &Session, prefixes: &[&str]) {
        let path = [node.terms.peer_as];
        self.announce_as(node, &Builder::new(&path, node.peer.address), prefixes);
    }

    fn announce_as(&mut self, node: &Session, attributes: &Builder, prefixes: &[&str]) {
        let prefixes: Vec<_> = prefixes.iter().map(|prefix| (0, net(prefix))).collect();
        self.announce_paths(node, attributes, &prefixes);
    }

    fn announce_paths(&mut self, node: &Session, attributes: &Builder, prefixes: &[(u32, IpNet)]) {
        let announcer = Announcer { add_path: node.terms.add_path };
        let mut out = BytesMut::new();
        for family in Family::ALL {
            attributes.with_set(|set| announcer.announce(family, set, prefixes.iter().copied(), &mut out));
        }
        self.say(node, &out);
    }

    fn withdraw(&mut self, node: &Session, prefixes: &[&str]) {
        let announcer = Announcer { add_path: node.terms.add_path };
        let mut out = BytesMut::new();
        for family in Family::ALL {
            let prefixes = prefixes.iter().map(|prefix| (0, net(prefix)));
            announcer.withdraw(family, prefixes, &mut out);
        }
        self.say(node, &out);
    }

    /// Whole messages, as they would come from the socket.
    fn say(&mut self, node: &Session, mut octets: &[u8]) {
        let mut batch = Batch::default();
        while let Some(message) = frame(octets, true).unwrap() {
            batch.push_update(&Update::parse(message.body, &node.terms).unwrap());
            octets = &octets[message.octets.len()..];
        }
        self.batch(node, batch);
    }

    fn batch(&mut self, node: &Session, batch: Batch) {
        self.hear(Event::Routes { session: node.id, at: self.now, batch });
    }

    fn hear(&mut self, event: Event) {
        self.heard.push((event.clone(), self.now));
        self.core.handle(event, self.now);
    }

    fn end_of_rib(&mut self, node: &Session) {
        let mut batch = Batch::default();
        node.terms.families.iter().for_each(|family| batch.push_end_of_rib(family));
        self.batch(node, batch);
    }

    fn close(&mut self, node: &Session, loss: Loss) {
        let reason =
            if loss == Loss::Graceful { ResetReason::Tcp } else { ResetReason::NotificationReceived };
        let detail = "the test ended it".to_owned();
        let closed = Closed { session: node.id, at: self.now, reason, detail, loss, expiry: None };
        self.hear(Event::Closed(closed));
    }

    fn snapshot(&self) -> Snapshot {
        self.core.snapshot(self.now)
    }

    fn peer(&self, node: &Session) -> PeerSnapshot {
        self.snapshot().peer(&node.peer).expect("a known peer").clone()
    }

    /// Prefixes of a peer's routes with what is said of them: "10.244.1.0/26 accepted stale".
    fn routes_of(&self, node: &Session) -> Vec<String> {
        let query = RouteQuery {
            leaf: Some(node.peer.leaf.to_string()),
            peer: Some(node.peer.address),
            limit: 1_000,
            ..RouteQuery::default()
        };
        let page = self.page(query);
        let stale = |route: &view::Route| if route.stale { " stale" } else { "" };
        page.items.iter().map(|route| format!("{} {}{}", route.prefix, route.state, stale(route))).collect()
    }

    fn page(&self, query: RouteQuery) -> view::Page<view::Route> {
        let mut search = super::search::Search::new(query);
        while !self.core.search(&mut search, 3) {}
        search.finish(&self.core)
    }

    /// Kind and state of all findings that are not resolved, in no order worth a name.
    fn found(&self) -> Vec<String> {
        let findings = self.core.findings.current();
        let mut found: Vec<_> =
            findings.map(|finding| format!("{} {}", finding.kind, finding.state)).collect();
        found.sort_unstable();
        found
    }

    fn finding(&self, kind: &str) -> view::Finding {
        let mut findings = self.core.findings.current().filter(|finding| finding.kind == kind);
        let finding = findings.next().unwrap_or_else(|| panic!("no {kind} among {:?}", self.found()));
        assert!(findings.next().is_none(), "several {kind}");
        finding
    }

    /// Whether a finding of this kind was open and is resolved, and none is left.
    fn is_resolved(&self, kind: &str) -> bool {
        let resolved = self.core.findings.resolved().any(|finding| finding.kind == kind);
        resolved && !self.core.findings.current().any(|finding| finding.kind == kind)
    }

    /// What the counters say must be what is in the table: accepted, rejected.
    #[track_caller]
    fn check(&self) {
        let snapshot = self.snapshot();
        let routes = self.page_all();
        let accepted = routes.iter().filter(|route| route.state == "accepted").count() as u64;
        let stale = routes.iter().filter(|route| route.stale).count() as u64;
        let counts = &snapshot.summary.routes;
        assert_eq!((counts.total, counts.accepted), (routes.len() as u64, accepted));
        assert_eq!(counts.stale, stale);
        assert_eq!(counts.by_class.values().sum::<u64>(), accepted);
    }

    fn page_all(&self) -> Vec<view::Route> {
        all_pages(7, |query| self.page(query))
    }
}

/// All routes, page by page.
fn all_pages(limit: usize, page: impl Fn(RouteQuery) -> view::Page<view::Route>) -> Vec<view::Route> {
    let mut routes = vec![];
    let mut query = RouteQuery { limit, ..RouteQuery::default() };
    loop {
        let page = page(query.clone());
        routes.extend(page.items);
        let Some(cursor) = page.next_cursor else { return routes };
        query.cursor = Some(cursor.parse().unwrap());
    }
}

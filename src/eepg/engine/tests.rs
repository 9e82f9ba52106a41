//! The engine against a simulated APIC's tree, in virtual time.

mod brakes;
mod late;
mod members;
mod random;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::{Batch, Engine, Identity, Next, Outcome};
use crate::config::Config;
use crate::config::model::{Apic, Auth, Eepg, FabricCaps, Mode, Redirect, Safety, Secret, Trust};
use crate::eepg::samples::{config, destination, net, offer};
use crate::eepg::{Comparison, Mo, Reading, Target, view};
use crate::lab::apic::{Fabric, Query, Refusal, Scope, Tree, What};
use crate::observer::Reported;
use crate::observer::feed::{Roster, RosterPeer, Silence};
use crate::observer::findings::Kind;
use crate::policy::Class;
use crate::speaker::PeerId;
use crate::time::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A node as its leaf sees it.
#[derive(Clone, Default)]
struct Node {
    up: bool,
    down_since: Option<Timestamp>,
    /// What it announces while it is up.
    routes: BTreeSet<IpNet>,
    /// What it had when its session was lost.
    silent: BTreeMap<IpNet, Timestamp>,
    maintenance: Option<Timestamp>,
}

/// What the next requests meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing is answered, and nothing is done.
    Down,
    /// What is posted is done, and the answer is lost.
    Deaf,
}

struct World {
    config: Config,
    engine: Engine,
    tree: Tree,
    now: Timestamp,
    nodes: BTreeMap<&'static str, Node>,
    weather: Weather,
    /// Bodies that were posted, with what they were posted to.
    posts: Vec<(String, Mo)>,
    reads: usize,
    /// What our requests did: the distinguished name and what became of it.
    done: Vec<(Arc<str>, What)>,
    instance: u32,
    /// The subnets that the last comparison of all found.
    compared: BTreeSet<Arc<str>>,
    /// What we put into a second EEPG, and could have known.
    doubles: Vec<String>,
}

fn apic() -> Apic {
    Apic {
        name: "fabric".into(),
        urls: vec!["https://127.0.0.1".into()],
        auth: Auth::Password { user: "admin".into(), password: Secret::new("secret") },
        trust: Trust::Insecure,
        requests_per_second: 10,
        burst: 20,
        full_compare_every: 5 * MINUTE,
        batch_size: 500,
        caps: FabricCaps::default(),
    }
}

/// `uni/tn-k8s/out-calico` in VRF `prod`, with these EEPGs; and L3Outs `other` and, in tenant `two`, `far`.
fn fabric(eepgs: &[&str], now: Timestamp) -> Tree {
    let out = |name: &str, eepgs: &[&str]| {
        let out = Mo::new("l3extOut").with("name", name);
        let out = out.holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"));
        eepgs.iter().fold(out, |out, name| out.holding(Mo::new("l3extInstP").with("name", *name)))
    };
    let k8s = Mo::new("fvTenant").with("name", "k8s");
    let k8s = k8s.holding(Mo::new("fvCtx").with("name", "prod"));
    let k8s = k8s.holding(out("calico", eepgs)).holding(out("other", &["foreign"]));
    let k8s = ["fw"].iter().fold(k8s, |tenant, policy| {
        let policy = Mo::new("vnsSvcRedirectPol").with("name", *policy);
        tenant.holding(Mo::new("vnsSvcCont").holding(policy))
    });
    let mut tree = Tree::new(Fabric::default(), now);
    tree.post("uni", &k8s, now).unwrap();
    tree
}

fn enforcing() -> Safety {
    Safety { mode: Mode::Enforce, ..Safety::default() }
}

impl World {
    /// One whose start is over, with the nodes `a`, `b` and `c` up and silent.
    fn new(eepgs: Vec<Eepg>, redirects: Vec<Redirect>) -> Self {
        Self::with(eepgs, redirects, enforcing())
    }

    fn with(eepgs: Vec<Eepg>, redirects: Vec<Redirect>, safety: Safety) -> Self {
        let mut world = Self::starting(eepgs, redirects, safety);
        world.run_for(7 * MINUTE);
        world.forget_requests();
        world
    }

    fn starting(eepgs: Vec<Eepg>, redirects: Vec<Redirect>, safety: Safety) -> Self {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let config = Config { apics: vec![apic()], eepgs, redirects, safety, ..config() };
        let names: Vec<String> = config
            .eepgs
            .iter()
            .filter(|rule| !rule.create)
            .filter_map(|rule| rule.name.fixed())
            .map(|name| name.to_string())
            .collect();
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let tree = fabric(&names.into_iter().collect::<Vec<_>>(), now);
        let engine = Engine::new("fabric", &config, identity(1), now);
        let up = Node { up: true, ..Node::default() };
        let nodes = ["a", "b", "c"].into_iter().map(|name| (name, up.clone())).collect();
        Self {
            config,
            engine,
            tree,
            now,
            nodes,
            weather: Weather::Fair,
            posts: Vec::new(),
            reads: 0,
            done: Vec::new(),
            instance: 1,
            compared: BTreeSet::new(),
            doubles: Vec::new(),
        }
    }

    fn forget_requests(&mut self) {
        self.posts.clear();
        self.done.clear();
        self.reads = 0;
    }

    /// Another process takes over: it knows nothing, not even who was known.
    fn restart(&mut self, instance: u32) {
        self.instance = instance;
        self.engine = Engine::new("fabric", &self.config, identity(instance), self.now);
        for node in self.nodes.values_mut() {
            node.silent.clear();
        }
        self.offer_all();
    }

    fn reload(&mut self, eepgs: Vec<Eepg>, redirects: Vec<Redirect>) {
        (self.config.eepgs, self.config.redirects) = (eepgs, redirects);
        self.engine.reconfigure(&self.config, self.now);
        self.offer_all();
    }

    fn offer_all(&mut self) {
        let mut prefixes = BTreeSet::new();
        for node in self.nodes.values() {
            prefixes.extend(node.routes.iter().filter(|_| node.up).chain(node.silent.keys()).copied());
        }
        for prefix in prefixes {
            self.offer(prefix);
        }
        self.tell_roster();
    }

    fn offer(&mut self, prefix: IpNet) {
        let mut told = destination(&prefix.to_string(), Vec::new());
        told.changed = self.now;
        for (name, node) in &self.nodes {
            if node.up && node.routes.contains(&prefix) {
                told.offers.push(offer(class_of(prefix), name, number(name)));
            }
            if let Some(since) = node.silent.get(&prefix) {
                told.silent.push(Silence { peer: peer(name), witness: (*name).into(), since: *since });
            }
        }
        self.engine.offer(&told, self.now);
    }

    fn tell_roster(&mut self) {
        let known = self.nodes.iter().filter(|(_, node)| node.up || node.down_since.is_some());
        let peers = known.map(|(name, node)| RosterPeer {
            peer: peer(name),
            witness: (*name).into(),
            vrf: "prod".into(),
            rack: "rack1".into(),
            settled: node.up,
            down_since: node.down_since,
            maintenance: node
                .maintenance
                .map(|until| crate::observer::view::Maintenance { reason: "work".to_owned(), until }),
        });
        let roster = Roster { at: self.now, complete: true, lost_track: 0, peers: peers.collect() };
        self.engine.roster(&roster, self.now);
    }

    fn announce(&mut self, name: &str, prefix: &str) {
        self.node(name).routes.insert(net(prefix));
        self.offer(net(prefix));
    }

    fn withdraw(&mut self, name: &str, prefix: &str) {
        self.node(name).routes.remove(&net(prefix));
        self.offer(net(prefix));
    }

    /// Its session is lost, without a word.
    fn lose(&mut self, name: &str) {
        let now = self.now;
        let node = self.node(name);
        if !std::mem::take(&mut node.up) {
            return;
        }
        node.down_since = Some(now);
        for prefix in node.routes.clone() {
            node.silent.entry(prefix).or_insert(now);
        }
        for prefix in self.node(name).routes.clone() {
            self.offer(prefix);
        }
        self.tell_roster();
    }

    /// It is back, and has said what it has: these routes.
    fn come_back(&mut self, name: &str, routes: &[&str]) {
        let node = self.node(name);
        (node.up, node.down_since) = (true, None);
        let silent = std::mem::take(&mut node.silent);
        node.routes = routes.iter().map(|prefix| net(prefix)).collect();
        let all: BTreeSet<IpNet> = silent.keys().chain(&node.routes).copied().collect();
        for prefix in all {
            self.offer(prefix);
        }
        self.tell_roster();
    }

    fn forget(&mut self, name: &str) {
        let silent = std::mem::take(&mut self.node(name).silent);
        self.node(name).down_since = None;
        for prefix in silent.keys() {
            self.offer(*prefix);
        }
        self.tell_roster();
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap()
    }

    /// Lets time pass, a second at a time.
    fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(SECOND);
            self.tell_roster();
            self.work();
        }
    }

    /// Lets much time pass, a minute at a time.
    fn sleep(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(MINUTE);
            self.tell_roster();
            self.work();
        }
    }

    /// Does what the engine wants done now.
    fn work(&mut self) {
        for _ in 0..1_000 {
            match self.engine.next(self.now) {
                Next::Compare(scope) => self.compare(&scope),
                Next::Write => {
                    while let Some(batch) = self.engine.batch(self.now) {
                        self.post(&batch);
                    }
                }
                Next::Wait(_) => return,
            }
        }
        panic!("the engine is never done");
    }

    fn compare(&mut self, scope: &crate::eepg::Scope) {
        if self.weather != Weather::Fair {
            return self.engine.not_compared(scope, "no answer".to_owned(), self.now);
        }
        let comparison = self.read_all(scope);
        assert_eq!(comparison.odd, 0, "{scope:?}");
        if *scope == crate::eepg::Scope::All {
            self.compared = self.tree.of_class("l3extSubnet").map(Arc::from).collect();
        }
        self.engine.compared(comparison, self.now, self.now);
    }

    /// What a comparison reads.
    fn read_all(&mut self, scope: &crate::eepg::Scope) -> Comparison {
        let mut comparison = Comparison::new(scope.clone());
        let rules = self.engine.rules().clone();
        loop {
            let readings = comparison.next(&rules);
            if readings.is_empty() {
                break;
            }
            for reading in readings {
                self.reads += 1;
                for mo in read(&mut self.tree, &reading, self.now) {
                    comparison.take(mo.only(&Comparison::ATTRIBUTES));
                }
            }
        }
        comparison
    }

    fn post(&mut self, batch: &Batch) {
        self.posts.push((batch.dn.clone(), batch.body.clone()));
        if self.weather == Weather::Down {
            return self.engine.answered(batch.id, Outcome::Again(SECOND), self.now);
        }
        let outcome = match self.tree.post(&batch.dn, &batch.body, self.now) {
            Ok(changes) => {
                for change in changes.iter().filter(|change| change.what == What::Created) {
                    self.look_for_doubles(&change.dn);
                }
                self.done.extend(changes.into_iter().map(|change| (change.dn, change.what)));
                if self.weather == Weather::Deaf { Outcome::Again(SECOND) } else { Outcome::Done }
            }
            Err(Refusal { code, text, .. }) => Outcome::Refused { code: code.to_string(), text },
        };
        self.engine.answered(batch.id, outcome, self.now);
    }

    /// What somebody made since the last comparison, nobody could know of.
    fn look_for_doubles(&mut self, dn: &str) {
        let Some((_, rn)) = dn.split_once("/extsubnet-") else { return };
        let same = self.tree.of_class("l3extSubnet").filter(|other| *other != dn && other.ends_with(rn));
        let known = same.filter(|other| self.is_ours(other) || self.compared.contains(*other));
        self.doubles.extend(known.map(|other| format!("{dn} and {other}")).collect::<Vec<_>>());
    }

    /// Somebody else writes.
    fn meddle(&mut self, dn: &str, mo: &Mo) {
        self.tree.post(dn, mo, self.now).unwrap();
    }

    /// Somebody else adds a member.
    fn foreign(&mut self, eepg: &str, prefix: &str) {
        let subnet = Mo::new("l3extSubnet").with("ip", prefix).with("scope", "import-security");
        self.meddle(eepg, &Mo::new("l3extInstP").holding(subnet));
    }

    /// Where our members are, with their prefixes.
    fn ours(&self) -> Vec<String> {
        let members = self.tree.of_class("l3extSubnet").chain(self.tree.of_class("vnsRedirectDest"));
        let ours = members.filter(|dn| self.is_ours(dn));
        ours.filter_map(|dn| dn.strip_prefix("uni/tn-k8s/").map(str::to_owned)).collect()
    }

    fn is_ours(&self, dn: &str) -> bool {
        let tag = self.tree.value(&format!("{dn}/annotationKey-[thirdleaf-owner]"), "value");
        let annotation = self.tree.value(dn, "annotation");
        annotation.as_deref() == Some("orchestrator:thirdleaf")
            && tag.is_some_and(|tag| tag.starts_with("1;prod-sync;"))
    }

    fn has(&self, dn: &str) -> bool {
        self.tree.has(dn)
    }

    fn found(&self, kind: Kind) -> Vec<Reported> {
        self.engine.findings(self.now).into_iter().filter(|found| found.kind == kind).collect()
    }

    fn plan(&mut self) -> view::Plan {
        self.engine.plan(0, 10_000, true, self.now)
    }

    /// What holds the changes of the plan, each with how many.
    fn holds(&mut self) -> Vec<(String, usize)> {
        self.plan().held.into_iter().map(|held| (held.brake, held.changes)).collect()
    }
}

fn identity(instance: u32) -> Identity {
    Identity { name: "prod-sync".into(), instance: format!("i{instance}").into() }
}

fn number(name: &str) -> u8 {
    name.bytes().next().map_or(0, |letter| letter - b'a' + 2)
}

fn peer(name: &str) -> PeerId {
    PeerId { leaf: "leaf1".into(), address: IpAddr::from([192, 168, 1, number(name)]) }
}

fn class_of(prefix: IpNet) -> Class {
    if net("10.96.0.0/12").contains(&prefix) { Class::ServiceHost } else { Class::PodHost }
}

/// What a query of the client comes to.
fn read(tree: &mut Tree, reading: &Reading, now: Timestamp) -> Vec<Mo> {
    let (classes, children) = (reading.classes.join(","), reading.children.join(","));
    let mut options = Vec::new();
    let scope = match &reading.target {
        Target::Class(class) => Scope::Class { classes: vec![(*class).to_owned()], below: String::new() },
        Target::Tree(dn) => {
            options.push(("query-target", "subtree"));
            Scope::Object(dn.clone())
        }
    };
    if !classes.is_empty() {
        options.push(("target-subtree-class", classes.as_str()));
    }
    if !children.is_empty() {
        options.extend([("rsp-subtree", "children"), ("rsp-subtree-class", children.as_str())]);
    }
    if let Some(filter) = &reading.filter {
        options.push(("query-target-filter", filter));
    }
    let query = Query::read(options).unwrap();
    tree.query(&scope, &query, now).unwrap().objects
}

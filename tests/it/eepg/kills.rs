//! kill -9 wherever a pass may be, again and again: whoever starts after it comes to the same end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use thirdleaf::eepg::ANNOTATION;
use thirdleaf::lab::apic::{Dose, Only, Tree, Trouble};
use thirdleaf::lab::node::{Attributes, Route};

use super::*;

/// An EEPG that others made, two that two rules share, and one a node that we make and delete.
const RULES: &str = r#"
[[eepg]]
name = "gold"
tenant = "k8s"
l3out = "other"
match = { class = "service_host", community = "65102:100" }
[[eepg]]
name = "web"
tenant = "k8s"
l3out = "calico"
match = { class = "service_host" }
[[eepg]]
name = "pods-{node}"
tenant = "k8s"
l3out = "calico"
create = true
match = { class = "pod_host" }
"#;

/// Graces in seconds, and no brake that a few hundred rounds would run into.
const SAFETY: &str = r#"
[safety]
mode = "enforce"
startup_grace = "0s"
delete_after = "1s"
eepg_delete_after = "1s"
mass_withdraw = { fraction = 1.0, count = 1000000 }
max_deletes_per_minute = 100000
max_delete_fraction = 1.0
repair_limit = 1000
"#;

/// What others have beside ours.
fn tree() -> Mo {
    let mut all = super::tree();
    let vrf = Mo::new("l3extRsEctx").with("tnFvCtxName", "default");
    let foreign = Mo::new("l3extSubnet").with("ip", "10.9.8.0/24").with("descr", "by hand");
    let gold = Mo::new("l3extInstP").with("name", "gold").with("descr", "made by hand").holding(foreign);
    let other = Mo::new("l3extOut").with("name", "other").holding(vrf).holding(gold);
    all.children[0].children.push(other);
    all
}

/// A sequence of numbers that the seed gives.
struct Dice(u64);

impl Dice {
    /// Below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX; its high bits are good enough.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What the nodes announce, and where it belongs.
struct World {
    nodes: [Node; 2],
    /// Who announces a service, and whether as gold.
    services: BTreeMap<Ipv4Addr, (usize, bool)>,
    /// Whose a pod is.
    pods: BTreeMap<Ipv4Addr, usize>,
}

impl World {
    /// One thing changes somewhere.
    async fn change(&mut self, dice: &mut Dice) {
        let low = u8::try_from(1 + dice.roll(12)).unwrap();
        let node = usize::from(dice.roll(2) == 1);
        if dice.roll(3) == 0 {
            self.pod(Ipv4Addr::new(10, 244, 200, low), node).await;
            return;
        }
        let service = Ipv4Addr::new(10, 96, 7, low);
        match self.services.get(&service).copied() {
            Some((node, _)) if dice.roll(2) == 0 => {
                self.services.remove(&service);
                self.nodes[node].withdraw([prefix(service)]).await;
            }
            Some((node, gold)) => self.serve(service, node, !gold).await,
            None => self.serve(service, node, dice.roll(2) == 0).await,
        }
    }

    async fn serve(&mut self, service: Ipv4Addr, node: usize, gold: bool) {
        let communities = if gold { vec![(65102, 100)] } else { vec![] };
        let route = Route::fixed(prefix(service)).with(Attributes { communities, ..Attributes::default() });
        self.nodes[node].announce([route]).await;
        self.services.insert(service, (node, gold));
    }

    /// A pod that is there goes, one that is not comes.
    async fn pod(&mut self, pod: Ipv4Addr, node: usize) {
        if let Some(node) = self.pods.remove(&pod) {
            self.nodes[node].release(pod.into()).await;
        } else {
            self.nodes[node].borrow(pod.into()).await;
            self.pods.insert(pod, node);
        }
    }

    /// Sixty pods of a node come or go at once: a request of some 30 kB.
    async fn many(&mut self) {
        for low in 100..160 {
            self.pod(Ipv4Addr::new(10, 244, 200, low), 0).await;
        }
    }

    /// The members that there should be, and their EEPGs.
    fn wanted(&self) -> BTreeMap<String, String> {
        let eepg = |gold| if gold { "out-other/instP-gold" } else { "out-calico/instP-web" }.to_owned();
        let services = self.services.iter().map(|(host, (_, gold))| (prefix(*host).to_string(), eepg(*gold)));
        let pods = |node: usize| format!("out-calico/instP-pods-{}", self.nodes[node].settings().identifier);
        let pods = self.pods.iter().map(|(host, node)| (prefix(*host).to_string(), pods(*node)));
        services.chain(pods).collect()
    }
}

fn prefix(host: Ipv4Addr) -> IpNet {
    IpNet::from(IpAddr::from(host))
}

/// The members of the tree by prefix, those of others aside; panics if one prefix is in two EEPGs.
fn members(tree: &Tree) -> BTreeMap<String, String> {
    let mut members = BTreeMap::new();
    for dn in tree.of_class("l3extSubnet") {
        let (eepg, prefix) = dn.split_once("/extsubnet-").unwrap();
        let prefix = prefix.trim_matches(['[', ']']).to_owned();
        let eepg = eepg.trim_start_matches("uni/tn-k8s/").to_owned();
        if let Some(other) = members.insert(prefix.clone(), eepg.clone()) {
            panic!("{prefix} is in {other} and in {eepg} at once");
        }
    }
    members.retain(|prefix, _| !prefix.starts_with("10.9."));
    members
}

/// Everything that bears a mark of ours, marks aside.
fn ours(tree: &Tree) -> BTreeSet<String> {
    let annotated =
        tree.objects().filter(|(dn, _)| tree.value(dn, "annotation").as_deref() == Some(ANNOTATION));
    let tags =
        tree.of_class("tagAnnotation").filter_map(|dn| dn.strip_suffix("/annotationKey-[thirdleaf-owner]"));
    annotated.map(|(dn, _)| dn).chain(tags).map(str::to_owned).collect()
}

/// What others have, word by word.
fn theirs(tree: &Tree) -> BTreeMap<String, Vec<String>> {
    let ours = ours(tree);
    let is_ours = |dn: &str| ours.iter().any(|own| dn.starts_with(own.as_str()));
    let all = tree.objects().filter(|(dn, _)| dn.starts_with("uni/") && !is_ours(dn));
    let values = |dn: &str| {
        ["name", "ip", "scope", "descr", "annotation", "modTs"]
            .map(|key| tree.value(dn, key).map(std::borrow::Cow::into_owned).unwrap_or_default())
            .to_vec()
    };
    all.map(|(dn, _)| (dn.to_owned(), values(dn))).collect()
}

/// Where in a pass kills came.
#[derive(Debug, Default)]
struct Places {
    /// Before there was a line in the audit file.
    before_the_line: u32,
    /// Between that and the APIC's answer.
    under_way: u32,
    /// The APIC had answered and there was no line of it.
    before_the_answers_line: u32,
    /// After all that.
    after: u32,
    /// The file broke off in the middle of a line.
    torn: u32,
}

impl Places {
    /// Counts one: `text` is what the audit file got since the change.
    fn count(&mut self, text: &str, answered: usize) {
        self.torn += u32::from(!text.is_empty() && !text.ends_with('\n'));
        let has = |event: &str| text.matches(&format!("\"event\":\"{event}\"")).count();
        let place = match (has("write"), has("answer")) {
            (0, _) => &mut self.before_the_line,
            (asked, told) if told == asked => &mut self.after,
            (asked, _) if answered < asked => &mut self.under_way,
            _ => &mut self.before_the_answers_line,
        };
        *place += 1;
    }
}

fn rounds() -> u32 {
    std::env::var("THIRDLEAF_KILLS").map_or(20, |rounds| rounds.parse().expect("THIRDLEAF_KILLS is a number"))
}

/// `THIRDLEAF_KILLS` says how many kills, 20 if it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_leads_to_the_same_end() {
    let rounds = rounds();
    let site = Arc::new(Site::with(1, tree()).await.saying(&format!("{RULES}{SAFETY}")));
    let audit = site.config().with_file_name("state").join("audit.jsonl");
    let mut daemon = site.start();
    let mut world = World {
        nodes: [site.node(1).await, site.node(2).await],
        services: BTreeMap::new(),
        pods: BTreeMap::new(),
    };
    let before = site.apic.tree(|tree, _| theirs(tree));
    let over = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (site, over) = (Arc::clone(&site), Arc::clone(&over));
        move || {
            while !over.load(Ordering::Relaxed) {
                site.apic.tree(|tree, _| members(tree));
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    let (mut dice, mut places, start) = (Dice(u64::from(rounds)), Places::default(), Instant::now());
    for round in 0..rounds {
        let told = std::fs::read(&audit).map_or(0, |octets| octets.len());
        site.apic.reset();
        let latency = dice.roll(60);
        site.apic.set_latency(Duration::from_millis(latency));
        let trouble = [Trouble::DropAfter, Trouble::DropBefore, Trouble::Cut, Trouble::Status(503)];
        if let Some(trouble) = trouble.get(usize::try_from(dice.roll(12)).unwrap()) {
            site.apic.trouble(Dose::of(*trouble).times(1).only(Only::Writes));
        }
        for _ in 0..=dice.roll(5) {
            world.change(&mut dice).await;
        }
        if dice.roll(3) == 0 {
            world.many().await;
        }
        if dice.roll(4) == 0 {
            // The window is 250 ms; what a withdrawal leads to comes after more than a second.
            tokio::time::sleep(Duration::from_millis(150 + dice.roll(2_000))).await;
        } else {
            // From the first line on, a request and its answer take as long as the APIC does.
            let began = Instant::now();
            let length = || std::fs::metadata(&audit).map_or(0, |file| file.len());
            while length() <= told as u64 && began.elapsed() < Duration::from_secs(3) {
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            tokio::time::sleep(Duration::from_micros(dice.roll(2 * latency * 1_000 + 5_000))).await;
        }
        daemon.signal("KILL");
        daemon.wait();
        let octets = std::fs::read(&audit).unwrap_or_default();
        let answered = site
            .apic
            .log()
            .iter()
            .filter(|entry| entry.method == "POST" && entry.target.starts_with("/api/mo"))
            .count();
        places.count(&String::from_utf8_lossy(&octets[told..]), answered);
        // Time goes on without us.
        if dice.roll(3) == 0 {
            world.change(&mut dice).await;
        }
        site.apic.calm();
        daemon = site.start();
        let wanted = world.wanted();
        let eepgs: BTreeSet<String> =
            wanted.values().filter(|eepg| eepg.contains("pods-")).cloned().collect();
        let ends = || {
            let (there, marked) = site.apic.tree(|tree, _| (members(tree), ours(tree)));
            let made: BTreeSet<String> = marked
                .iter()
                .filter_map(|dn| Some(dn.split_once("/tn-k8s/")?.1.split_once("/extsubnet")?.0.to_owned()))
                .collect();
            let known: BTreeSet<String> = wanted.values().cloned().collect();
            let empty = marked.iter().filter(|dn| !dn.contains("/extsubnet")).count();
            (there == wanted && made == known && empty == eepgs.len()).then_some(())
        };
        let began = Instant::now();
        while ends().is_none() {
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "round {round}: {:?} is there, {wanted:?} is wanted; {}",
                site.apic.tree(|tree, _| members(tree)),
                daemon.get("/api/v1/plan")
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(site.apic.tree(|tree, _| theirs(tree)), before, "round {round}");
        for line in std::fs::read_to_string(&audit).unwrap_or_default().lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "round {round}: {line}");
        }
    }
    over.store(true, Ordering::Relaxed);
    watcher.join().expect("never in two EEPGs");
    println!("{rounds} kills in {:?}: {places:?}", start.elapsed());
    // A kill before each pass, or after it, would prove nothing.
    assert!(rounds < 20 || places.before_the_line < rounds && places.after < rounds, "{places:?}");
}

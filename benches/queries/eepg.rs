//! Members of an EEPG: from the UPDATE to the request, how many requests ten thousand of them take, and what 128,000
//! of them take in memory.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};
use thirdleaf::eepg::Mo;
use thirdleaf::lab::apic::{Apic, Settings};
use thirdleaf::lab::node::{self, Node, Peering, RESTART_TIME, Route, Timers};
use thirdleaf::time::Clock;
use tokio::runtime::Runtime;

use crate::daemon::{Daemon, Temporary, free, wait};
use crate::results::{Results, median, quantile};

/// Host routes that change in a second: half of them come, half of them go.
const CHANGES: u32 = 1_000;
const TICK: Duration = Duration::from_millis(10);
const CHURN: Duration = Duration::from_secs(20);
/// What the engine waits for more changes, and at the longest.
const QUIET: f64 = 0.25;
const LONGEST: f64 = 1.0;

/// A fabric, a daemon that writes to it, and a node.
struct World {
    daemon: Daemon,
    node: Node,
    apic: Apic,
    runtime: Runtime,
    directory: PathBuf,
    _password: Temporary,
}

impl World {
    /// `mode`: of `[safety]`; none: no APIC is configured.
    fn new(mode: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let mut settings = Settings::new("thirdleaf", "open-sesame");
        settings.tree = Some(tree());
        settings.fabric.max_objects = 2_000_000;
        settings.fabric.capacity = 1_000_000;
        let apic = runtime.block_on(Apic::start(settings)).expect("it starts");
        let (http, leaf) = (free(Ipv4Addr::LOCALHOST), free(Ipv4Addr::new(127, 0, 1, 1)));
        let (password, state) = (Temporary::new("password"), Temporary::new("state"));
        std::fs::write(&password.0, "open-sesame").expect("a password");
        let (url, digest) = (&apic.urls()[0], apic.digest().expect("it has a certificate"));
        let mut text = format!(
            "version = 1\n[global]\nname = \"bench\"\nstate_dir = \"{state}\"\n[http]\nlisten = [\"{http}\"]\n\
             [[leaf]]\nname = \"leaf\"\nlocal_as = 65101\nrouter_id = \"10.0.0.1\"\nlisten = [\"{leaf}\"]\n\
             [[neighbors]]\nleaf = \"leaf\"\nrange = \"127.0.2.0/24\"\npeer_as = [\"65102-65199\"]\nlimits = {{ prefixes = 200000 }}\n\
             [[policy.allow]]\nclass = \"pod\"\nprefix = \"10.0.0.0/8\"\nlengths = [26, 32]\n",
            state = state.0.display(),
        );
        if let Some(mode) = mode {
            let _ = write!(
                text,
                "[[apic]]\nname = \"fabric1\"\nurls = [\"{url}\"]\npin_sha256 = [\"{digest}\"]\nfull_compare_every = \"30s\"\n\
                 auth = {{ user = \"thirdleaf\", password_file = \"{password}\" }}\ncaps = {{ members = 200000 }}\n\
                 [[eepg]]\nname = \"hosts\"\ntenant = \"k8s\"\nl3out = \"calico\"\nmatch = {{ class = \"pod_host\" }}\n\
                 caps = {{ members = 200000, l3out_members = 200000 }}\n\
                 [safety]\nmode = \"{mode}\"\n",
                password = password.0.display(),
            );
        }
        let daemon = Daemon::start_from(http, vec![leaf], &text);
        let node = runtime.block_on(async { Node::start(settings_of(leaf)) });
        runtime.block_on(node.established());
        Self { daemon, node, apic, runtime, directory: state.0.clone(), _password: password }
    }

    fn members(&self) -> usize {
        self.apic.tree(|tree, _| tree.of_class("l3extSubnet").count())
    }

    fn announce(&self, hosts: std::ops::Range<u32>) {
        self.runtime.block_on(self.node.announce(hosts.map(|host| Route::kernel(prefix(host)))));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn settings_of(leaf: SocketAddr) -> node::Settings {
    let own = Ipv4Addr::new(127, 0, 2, 1);
    node::Settings {
        name: "node".to_owned(),
        asn: 65102,
        identifier: own,
        peerings: vec![Peering { source: own.into(), leaf, leaf_as: None }],
        routes: Vec::new(),
        hidden: Vec::new(),
        restart_time: RESTART_TIME,
        timers: Timers::BIRD.faster(10),
    }
}

fn tree() -> Mo {
    let l3out = Mo::new("l3extOut")
        .with("name", "calico")
        .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "default"))
        .holding(Mo::new("l3extInstP").with("name", "hosts"));
    let vrf = Mo::new("fvCtx").with("name", "default");
    Mo::new("polUni").holding(Mo::new("fvTenant").with("name", "k8s").holding(vrf).holding(l3out))
}

fn prefix(host: u32) -> IpNet {
    Ipv4Net::new_assert(Ipv4Addr::from_bits(0x0a00_0000 + host), 32).into()
}

/// The members that a request makes: its body may break off.
fn made(body: &str) -> impl Iterator<Item = IpNet> {
    body.split("\"ip\":\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok())
}

/// From the announcement to the request's arrival, less the window that the engine waits on purpose.
pub(crate) fn reaction(results: &mut Results) {
    let world = World::new(Some("enforce"));
    let clock = Clock::start();
    let mut said: BTreeMap<IpNet, u64> = BTreeMap::new();
    world.apic.reset();
    let a_tick = CHANGES / 2 / 100;
    let start = Instant::now();
    let mut tick = 0_u32;
    while start.elapsed() < CHURN {
        let hosts = tick * a_tick..(tick + 1) * a_tick;
        let now = clock.now().as_micros();
        said.extend(hosts.clone().map(|host| (prefix(host), now)));
        world.announce(hosts);
        if let Some(old) = tick.checked_sub(500) {
            let gone = (old * a_tick..(old + 1) * a_tick).map(prefix);
            world.runtime.block_on(world.node.withdraw(gone));
        }
        tick += 1;
        std::thread::sleep((start + TICK * tick).saturating_duration_since(Instant::now()));
    }
    wait("all are members", || world.members() >= said.len());
    let (mut beyond, mut whole) = (Vec::new(), Vec::new());
    for entry in world.apic.log().iter().filter(|entry| entry.method == "POST" && entry.status == Some(200)) {
        let times: Vec<u64> = made(&entry.body).filter_map(|prefix| said.get(&prefix).copied()).collect();
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { continue };
        let at = entry.at.as_micros();
        let since = |time: u64| at.saturating_sub(time) as f64 / 1e6;
        whole.extend(times.iter().map(|time| since(*time)));
        beyond.push((since(*first) - LONGEST).max(0.0).min((since(*last) - QUIET).max(0.0)) * 1e3);
    }
    beyond.sort_by(f64::total_cmp);
    whole.sort_by(f64::total_cmp);
    let group = "eepg";
    results.note(group, "members made at 1,000 changes a second", whole.len() as f64, "members");
    results.note(group, "requests for them", beyond.len() as f64, "requests");
    results.note(group, "UPDATE to request, window included, median", quantile(&whole, 0.5), "s");
    results.note(group, "UPDATE to request, window included, p99", quantile(&whole, 0.99), "s");
    results.at_most(
        group,
        "UPDATE to request beyond the window, median",
        (median(beyond.clone()), "ms"),
        50.0,
    );
    results.at_most(group, "UPDATE to request beyond the window, p99", (quantile(&beyond, 0.99), "ms"), 50.0);
}

/// Requests for ten thousand members at once, and for another look at them.
pub(crate) fn requests(results: &mut Results) {
    let world = World::new(Some("enforce"));
    wait("it was compared", || world.apic.counters().all_reads() > 0);
    std::thread::sleep(Duration::from_secs(2));
    world.apic.reset();
    let start = Instant::now();
    world.announce(0..10_000);
    wait("all are members", || world.members() >= 10_000);
    let took = start.elapsed();
    // They are read back, too.
    std::thread::sleep(Duration::from_secs(5));
    let counters = world.apic.counters();
    let group = "eepg";
    results.note(group, "10,000 members, from UPDATE to the last one", took.as_secs_f64(), "s");
    results.note(group, "10,000 members, writes", counters.all_writes() as f64, "requests");
    results.note(group, "10,000 members, reads", counters.all_reads() as f64, "requests");
    results.at_most(group, "10,000 members, all requests", (counters.requests as f64, "requests"), 25.0);
    // Another pass over the same.
    let before = world.apic.counters();
    let compared = || world.daemon.plan()["compared"].clone();
    let last = compared();
    wait("it was compared again", || compared() != last);
    std::thread::sleep(Duration::from_secs(3));
    let counters = world.apic.counters();
    let writes = counters.all_writes() - before.all_writes();
    results.at_most(group, "second pass, writes", (writes as f64, "requests"), 0.0);
    results.note(group, "second pass, reads", (counters.all_reads() - before.all_reads()) as f64, "requests");
}

/// What the program takes for the same routes without an APIC, and with one.
pub(crate) fn memory(results: &mut Results) {
    const MEMBERS: u32 = 128_000;
    for (name, mode) in [("no APIC", None), ("observe", Some("observe")), ("enforce", Some("enforce"))] {
        let world = World::new(mode);
        let (empty, _) = world.daemon.memory();
        world.announce(0..MEMBERS);
        world.daemon.wait_for(1, MEMBERS.into());
        match mode {
            Some("enforce") => {
                wait("all are members", || world.members() >= MEMBERS as usize);
                std::thread::sleep(Duration::from_secs(15));
            }
            Some(_) => wait("all are in the plan", || world.daemon.plan()["total"] == MEMBERS),
            None => {}
        }
        std::thread::sleep(Duration::from_secs(2));
        let (now, most) = world.daemon.memory();
        let group = "eepg";
        results.note(group, format!("128,000 routes, {name}: resident before"), empty, "MB");
        results.note(group, format!("128,000 routes, {name}: resident"), now, "MB");
        results.note(group, format!("128,000 routes, {name}: most"), most, "MB");
    }
}

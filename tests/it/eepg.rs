//! The whole way: nodes announce, the daemon maps, and a simulated APIC shows what became of it.

mod audit;
mod brakes;
mod faults;
mod kills;
mod storms;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use thirdleaf::eepg::Mo;
use thirdleaf::lab::apic::{Apic, Settings};
use thirdleaf::lab::node::Node;

use crate::daemon::node;
use crate::run::{Daemon, Place};

/// The EEPG of the rule.
const WEB: &str = "uni/tn-k8s/out-calico/instP-web";

/// A rule for service hosts, everything else as short as the file permits.
const RULE: &str = r#"
[[eepg]]
name = "web"
tenant = "k8s"
l3out = "calico"
match = { class = "service_host" }
"#;

/// Brakes that let go within seconds.
const SAFETY: &str = r#"
[safety]
mode = "enforce"
startup_grace = "0s"
delete_after = "2s"
"#;

/// A fabric, a place for a daemon, and what it is told of both.
struct Site {
    place: Place,
    apic: Apic,
    /// What the file says besides.
    more: String,
    /// The keys of `[[apic]]` by which controllers prove who they are.
    trust: String,
}

impl Site {
    async fn new(controllers: u16) -> Self {
        Self::with(controllers, tree()).await
    }

    /// One whose APIC holds this.
    async fn with(controllers: u16, tree: Mo) -> Self {
        let mut settings = Settings::new("thirdleaf", "open-sesame");
        settings.controllers = controllers;
        settings.tree = Some(tree);
        let apic = Apic::start(settings).await.unwrap();
        let trust = format!("pin_sha256 = [\"{}\"]", apic.digest().unwrap());
        Self { place: Place::new(), apic, more: format!("{RULE}{SAFETY}"), trust }
    }

    /// Says something else besides.
    fn saying(mut self, more: &str) -> Self {
        more.clone_into(&mut self.more);
        self
    }

    fn config(&self) -> PathBuf {
        let token = self.place.write("token", "open-sesame");
        self.place.write("password", "open-sesame\n");
        let head = format!(
            "[global]\nname = \"dc1\"\nstate_dir = \"state\"\nlog = {{ level = \"debug\" }}\n[http]\ntoken_file = \"{}\"",
            token.display()
        );
        let fabric = format!(
            "[[apic]]\nname = \"fabric1\"\nurls = {:?}\nauth = {{ user = \"thirdleaf\", password_file = \"password\" }}\n\
             full_compare_every = \"10s\"\nrequests_per_second = 100\nburst = 100\n{}\n",
            self.apic.urls(),
            self.trust
        );
        let text = self.place.config().replace("[http]", &head) + &fabric + &self.more;
        self.place.write("thirdleaf.toml", &text)
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.place, &self.config())
    }

    async fn node(&self, n: u8) -> Node {
        let node = node(&self.place, n);
        node.established().await;
        node
    }

    /// An attribute of an object that is there.
    fn value(&self, dn: &str, attribute: &str) -> Option<String> {
        self.apic.tree(|tree, _| tree.value(dn, attribute).map(std::borrow::Cow::into_owned))
    }

    fn has(&self, prefix: &str) -> bool {
        self.apic.tree(|tree, _| tree.has(&member(prefix)))
    }

    /// Waits until a member is there, or is not.
    fn becomes(&self, prefix: &str, there: bool) {
        let what = if there { "there" } else { "gone" };
        within(60, &format!("{prefix} is {what}"), || (self.has(prefix) == there).then_some(()));
    }

    /// The lines of the audit file.
    fn audit(&self) -> Vec<Value> {
        let file = self.config().with_file_name("state").join("audit.jsonl");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
    }
}

/// The tenant with an L3Out, and a EEPG for the rule; a EEPG of others beside it.
fn tree() -> Mo {
    let eepg = |name: &str| Mo::new("l3extInstP").with("name", name);
    let foreign = Mo::new("l3extSubnet").with("ip", "10.9.9.0/24").with("descr", "by hand");
    let l3out = Mo::new("l3extOut")
        .with("name", "calico")
        .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "default"))
        .holding(eepg("web").with("descr", "made by hand"))
        .holding(eepg("other").holding(foreign));
    let tenant = Mo::new("fvTenant")
        .with("name", "k8s")
        .holding(Mo::new("fvCtx").with("name", "default"))
        .holding(l3out);
    Mo::new("polUni").holding(tenant)
}

fn member(prefix: &str) -> String {
    format!("{WEB}/extsubnet-[{prefix}]")
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Open findings of a kind.
fn findings(daemon: &Daemon, kind: &str) -> Vec<Value> {
    let page = daemon.get(&format!("/api/v1/findings?kind={kind}"));
    page["items"].as_array().unwrap().clone()
}

/// Waits until everything was compared that there is now, and what that causes was written.
fn settles(daemon: &Daemon) {
    let compared = || daemon.get("/api/v1/plan")["compared"].clone();
    for _ in 0..2 {
        let before = compared();
        within(60, "everything is compared", || (compared() != before).then_some(()));
    }
}

/// Polls until `probe` gives something.
fn within<T>(seconds: u64, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_comes_with_its_route_and_goes_after_it() {
    let site = Site::new(1).await;
    let _daemon = site.start();
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    site.becomes("10.96.7.7/32", true);
    let dn = member("10.96.7.7/32");
    assert_eq!(site.value(&dn, "annotation").unwrap(), "orchestrator:thirdleaf");
    assert_eq!(site.value(&dn, "scope").unwrap(), "import-security");
    let mark = site.value(&format!("{dn}/annotationKey-[thirdleaf-owner]"), "value").unwrap();
    assert!(mark.contains("dc1"), "{mark}");

    let withdrawn = Instant::now();
    node.withdraw(["10.96.7.7/32".parse().unwrap()]).await;
    site.becomes("10.96.7.7/32", false);
    assert!(withdrawn.elapsed() >= Duration::from_secs(2), "not before delete_after");
    // What others made is as it was.
    assert_eq!(site.value(WEB, "descr").unwrap(), "made by hand");
    let foreign = "uni/tn-k8s/out-calico/instP-other/extsubnet-[10.9.9.0/24]";
    assert_eq!(site.value(foreign, "descr").unwrap(), "by hand");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_pass_writes_nothing() {
    let site = Site::new(1).await;
    let daemon = site.start();
    let node = site.node(1).await;
    for host in 1..=20 {
        node.serve(IpAddr::from([10, 96, 7, host])).await;
    }
    for host in 1..=20 {
        site.becomes(&format!("10.96.7.{host}/32"), true);
    }
    settles(&daemon);
    let writes = site.apic.counters().all_writes();
    settles(&daemon);
    assert_eq!(site.apic.counters().all_writes(), writes);
    let plan = daemon.get("/api/v1/plan");
    assert_eq!(plan["total"], 0, "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observe_mode_shows_what_it_would_write_and_writes_nothing() {
    let site = Site::new(1).await.saying(RULE);
    let daemon = site.start();
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    let plan = within(60, "the plan has it", || {
        let plan = daemon.get("/api/v1/plan");
        (plan["total"] == 1).then_some(plan)
    });
    let change = &plan["changes"][0];
    assert_eq!((&change["operation"], &change["prefix"]), (&"create".into(), &"10.96.7.7/32".into()));
    assert_eq!(change["because"]["node"], site.place.host(8).to_string());
    settles(&daemon);
    assert_eq!(site.apic.counters().all_writes(), 0);
    assert!(site.audit().is_empty());
    assert_eq!(daemon.post("/api/v1/plan/apply", "open-sesame", "{}"), 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_fabric_may_come_with_a_reload() {
    let site = Site::new(1).await;
    let whole = std::fs::read_to_string(site.config()).unwrap();
    let (without, _) = whole.split_once("[[apic]]").unwrap();
    let path = site.place.write("thirdleaf.toml", without);
    let daemon = Daemon::start(&site.place, &path);
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    site.place.write("thirdleaf.toml", &whole);
    daemon.signal("HUP");
    site.becomes("10.96.7.7/32", true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_fabric_that_is_gone_from_the_file_nothing_is_wrong() {
    let site = Site::new(1).await;
    let whole = std::fs::read_to_string(site.config()).unwrap();
    let daemon = site.start();
    site.apic.kill(1).await;
    within(60, "that it is down is found", || (!findings(&daemon, "apic_down").is_empty()).then_some(()));
    let (without, _) = whole.split_once("[[apic]]").unwrap();
    site.place.write("thirdleaf.toml", without);
    daemon.signal("HUP");
    within(60, "it is over", || findings(&daemon, "apic_down").is_empty().then_some(()));
}

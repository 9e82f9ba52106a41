//! A small data centre on loopback with the program that watches it: simulated nodes and a simulated APIC, so that
//! everything that the page shows can be made to happen.

#![expect(clippy::disallowed_types, reason = "looks for free ports")]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use thirdleaf::eepg::Mo;
use thirdleaf::lab::apic::{Apic, Settings};
use thirdleaf::lab::fabric::Fabric as Racks;
use thirdleaf::lab::node::{Node, Timers};
use tokio::runtime::Runtime;

use crate::net::{Process, eventually};

/// How long the daemon may take to come to what it is told of, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// Whoever has this token may do everything, and is called this.
pub(crate) const TOKEN: &str = "open-sesame";
pub(crate) const ACTOR: &str = "alice";
/// Members of the EEPG that rules name.
pub(crate) const L3OUT: &str = "uni/tn-k8s/out-calico";

/// A directory of a test's own. Gone when dropped, unless the test failed.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("thirdleaf-page-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs are kept in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// The program, on addresses that stay the same when it starts again. `THIRDLEAF_PROGRAM` names another build of it,
/// for figures.
pub(crate) struct Daemon {
    process: Option<Process>,
    http: SocketAddr,
    pub(crate) leaves: Vec<SocketAddr>,
    folder: Folder,
    asks: (Runtime, reqwest::Client),
}

impl Daemon {
    /// Starts it with what `text` makes of the addresses of HTTP and of this many leaves.
    pub(crate) fn start(
        leaves: &[Ipv4Addr],
        text: impl FnOnce(SocketAddr, &[SocketAddr], &Folder) -> String,
    ) -> Self {
        let folder = Folder::new();
        let http = free(Ipv4Addr::LOCALHOST);
        let leaves: Vec<SocketAddr> = leaves.iter().map(|leaf| free(*leaf)).collect();
        std::fs::write(folder.file("thirdleaf.toml"), text(http, &leaves, &folder)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let mut daemon = Self { process: None, http, leaves, folder, asks: (runtime, client) };
        daemon.begin();
        daemon
    }

    /// Starts it, as it is configured now.
    pub(crate) fn begin(&mut self) {
        let program = std::env::var("THIRDLEAF_PROGRAM");
        let mut command = Command::new(program.as_deref().unwrap_or(env!("CARGO_BIN_EXE_thirdleaf")));
        command.arg("run").arg("-c").arg(self.folder.file("thirdleaf.toml"));
        let process = Process::start(command, &self.folder.file("thirdleaf.log"));
        self.process = Some(process);
        eventually("thirdleaf answers", PATIENCE, || self.try_get("/readyz"));
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn end(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal("TERM");
        assert!(process.wait().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    fn try_get(&self, path: &str) -> Option<String> {
        let (runtime, client) = &self.asks;
        runtime.block_on(async {
            let answer = client.get(format!("{}{path}", self.url())).bearer_auth(TOKEN).send().await.ok()?;
            answer.error_for_status().ok()?.text().await.ok()
        })
    }

    /// What the API answers to who may change something.
    pub(crate) fn post(&self, path: &str, body: &Value) {
        let (runtime, client) = &self.asks;
        let request = client.post(format!("{}{path}", self.url())).bearer_auth(TOKEN).json(body);
        let answer = runtime.block_on(async { request.send().await?.error_for_status() });
        answer.unwrap_or_else(|error| panic!("{path} {body}: {error}"));
    }

    /// What the API answers.
    pub(crate) fn get(&self, path: &str) -> Value {
        let text = self.try_get(path).unwrap_or_else(|| panic!("no answer to {path}"));
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until what the API answers is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let wanted = || Some(self.get(path)).filter(|answer| wanted(answer));
        eventually(what, PATIENCE, wanted).0
    }
}

/// Two racks of three nodes in the cluster `prod`, one of two in `test`, and an APIC.
pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    pub(crate) nodes: Vec<Node>,
    pub(crate) apic: Apic,
    pub(crate) runtime: Runtime,
}

impl Site {
    /// With everything in step: all nodes are up, and everything was compared.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With more in its file.
    pub(crate) fn start_with(more: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let settings = Settings { tree: Some(tree()), ..Settings::new("thirdleaf", "it is simulated") };
        let apic = runtime.block_on(Apic::start(settings)).unwrap();
        let racks = Racks::white_paper();
        let addresses: Vec<Ipv4Addr> = racks.racks.iter().map(|rack| rack.leaf).collect();
        let daemon = Daemon::start(&addresses, |http, leaves, folder| {
            let mut text = racks.config(&(fabric(&apic, folder) + more));
            text = text.replacen("127.0.0.1:0", &http.to_string(), 1);
            for leaf in leaves {
                text = text.replacen(&format!("{}:0", leaf.ip()), &leaf.to_string(), 1);
            }
            std::fs::write(folder.file("token"), TOKEN).unwrap();
            let file = folder.file("token").display().to_string();
            text + &format!(
                "\n[[http.tokens]]\nname = \"{ACTOR}\"\nscope = \"approve\"\ntoken_file = {file:?}\n"
            )
        });
        let nodes = {
            let _runtime = runtime.enter();
            racks.start(&daemon.leaves, Timers::BIRD.faster(20))
        };
        let site = Self { daemon, nodes, apic, runtime };
        site.settle();
        site
    }

    /// Waits until all nodes are up, nothing is wrong, and members are as routes want them.
    pub(crate) fn settle(&self) {
        let (sessions, routes) = (self.nodes.len(), 2 * self.nodes.len());
        self.daemon.until("/api/v1/summary", "all nodes are up", |summary| {
            summary["peers"]["established"] == sessions && summary["routes"]["accepted"] == routes
        });
        eventually("members follow routes", PATIENCE, || {
            self.apic.tree(|tree, _| tree.has(&member("services", "10.96.0.0/12"))).then_some(())
        });
        self.daemon.until("/api/v1/plan", "nothing is left to change", |plan| plan["total"] == 0);
    }

    /// Has a node of this name do something.
    pub(crate) fn node(&self, name: &str, deed: impl AsyncFnOnce(&Node)) {
        let node = self.nodes.iter().find(|node| node.settings().name == name).unwrap();
        self.runtime.block_on(deed(node));
    }
}

/// The name of a member there.
pub(crate) fn member(eepg: &str, prefix: &str) -> String {
    format!("{L3OUT}/instP-{eepg}/extsubnet-[{prefix}]")
}

/// What the file says of the APIC, and the pace of findings and brakes.
fn fabric(apic: &Apic, folder: &Folder) -> String {
    std::fs::write(folder.file("password"), "it is simulated").unwrap();
    let quoted = |name: &str| format!("{:?}", folder.file(name).display().to_string());
    let mut text = String::new();
    let (state, password, digest) = (quoted("state"), quoted("password"), apic.digest().unwrap());
    let _ = write!(
        text,
        r#"
[global]
name = "dc1"
state_dir = {state}
[findings.open_after]
rogue_route = "0s"
duplicate_pod_block = "0s"
rack_down = "1s"
peer_down = "1s"
[[apic]]
name = "fabric1"
urls = {:?}
auth = {{ user = "thirdleaf", password_file = {password} }}
pin_sha256 = ["{digest}"]
full_compare_every = "10s"
[[eepg]]
name = "web"
tenant = "k8s"
l3out = "calico"
vrf = "prod"
match = {{ class = "service_host" }}
[[eepg]]
name = "services"
tenant = "k8s"
l3out = "calico"
vrf = "prod"
match = {{ class = "service_cidr" }}
[safety]
mode = "enforce"
startup_grace = "2s"
delete_after = "1s"
max_delete_fraction = 1.0
"#,
        apic.urls()
    );
    text
}

/// A tenant with a VRF and an L3Out with two EEPGs that administrators made; one has a member of theirs.
fn tree() -> Mo {
    let eepg = |name| Mo::new("l3extInstP").with("name", name).with("descr", "made by hand");
    let foreign = Mo::new("l3extSubnet").with("ip", "192.0.2.0/24");
    let l3out = Mo::new("l3extOut")
        .with("name", "calico")
        .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"))
        .holding(eepg("web").holding(foreign))
        .holding(eepg("services"));
    let vrf = Mo::new("fvCtx").with("name", "prod");
    Mo::new("polUni").holding(Mo::new("fvTenant").with("name", "k8s").holding(vrf).holding(l3out))
}

/// An address on which nobody listens.
fn free(address: Ipv4Addr) -> SocketAddr {
    TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr()).unwrap()
}

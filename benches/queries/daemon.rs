//! The program in a process of its own, and what the kernel counts of it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Client;

/// The program; `THIRDLEAF_PROGRAM` names another build of it, to compare with.
pub(crate) fn program() -> String {
    std::env::var("THIRDLEAF_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_thirdleaf").to_owned())
}

/// How many times a second the kernel counts CPU time.
const HERTZ: f64 = 100.0;

/// A file or directory that goes with this value.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("thirdleaf-queries-{}-{name}", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A daemon that listens on `leaves` addresses, one a leaf.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) leaves: Vec<SocketAddr>,
    _config: Temporary,
}

impl Daemon {
    pub(crate) fn start(leaves: u8) -> Self {
        let http = free(Ipv4Addr::LOCALHOST);
        let leaves: Vec<_> = (0..leaves).map(|leaf| free(Ipv4Addr::new(127, 0, 1, leaf + 1))).collect();
        let text = text(http, &leaves);
        Self::start_from(http, leaves, &text)
    }

    /// One with another configuration, which must name these addresses.
    pub(crate) fn start_from(http: SocketAddr, leaves: Vec<SocketAddr>, text: &str) -> Self {
        let config = Temporary::new("config.toml");
        std::fs::write(&config.0, text).expect("a configuration");
        let child = Command::new(program())
            .args(["run", "-c"])
            .arg(&config.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let daemon = Self { child, http, leaves, _config: config };
        wait("the daemon answers", || Client::try_new(http).is_some());
        daemon
    }

    /// CPU time so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let of = |path: PathBuf| {
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default()
        };
        // Threads that ended count here no more: none of those of the runtime does.
        threads.flatten().map(|thread| of(thread.path())).sum::<f64>() / 1e9
    }

    /// Memory in megabytes: now, and the most so far.
    pub(crate) fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kilo| kilo.parse::<f64>().ok()).unwrap_or_default()
        };
        (field("VmRSS:") / 1024.0, field("VmHWM:") / 1024.0)
    }

    pub(crate) fn summary(&self) -> Value {
        Client::new(self.http).get("/api/v1/summary").json()
    }

    pub(crate) fn plan(&self) -> Value {
        Client::new(self.http).get("/api/v1/plan?limit=1").json()
    }

    /// Waits until so many routes are held and so many peers are established.
    pub(crate) fn wait_for(&self, peers: u64, routes: u64) {
        wait("everything is learned", || {
            let summary = self.summary();
            summary["peers"]["established"].as_u64() == Some(peers)
                && summary["routes"]["total"].as_u64() == Some(routes)
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of this process' children that have ended.
pub(crate) fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a kernel that tells");
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: f64 =
        fields.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / HERTZ
}

pub(crate) fn free(address: Ipv4Addr) -> SocketAddr {
    TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Paths of two ASes are accepted, whoever announces the same; a page of limits beside.
fn text(http: SocketAddr, leaves: &[SocketAddr]) -> String {
    let mut text = format!("version = 1\n[http]\nlisten = [\"{http}\"]\n");
    for (number, leaf) in leaves.iter().enumerate() {
        let _ = write!(
            text,
            "[[leaf]]\nname = \"leaf{number}\"\nlocal_as = 65101\nrouter_id = \"10.0.0.{}\"\nlisten = [\"{leaf}\"]\n\
             [[neighbors]]\nleaf = \"leaf{number}\"\nrange = \"127.{}.0.0/16\"\npeer_as = [\"60000-65000\"]\n\
             limits = {{ prefixes = 200000 }}\n",
            number + 1,
            number + 1,
        );
    }
    text + "[policy]\nmax_as_path = 3\norigin_as = \"any\"\nuniqueness = { pod_block = \"any\" }\n\
            [[policy.allow]]\nclass = \"pod\"\nprefix = \"8.0.0.0/5\"\nlengths = [26, 32]\n"
}

/// Waits for something that must come.
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(3), "in vain: {what}");
        sleep(Duration::from_millis(100));
    }
}

//! Network namespaces as racks: one for thirdleaf, one for each node, a /29 between each pair.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A network of its own: a hub, and nodes that only the hub can reach. Gone when dropped.
pub(crate) struct Fabric {
    tag: String,
    hub: Namespace,
    nodes: Vec<Namespace>,
    directory: PathBuf,
}

impl Fabric {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let tag = format!("tl{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&tag);
        std::fs::create_dir_all(&directory).unwrap();
        let hub = Namespace::new(format!("{tag}-hub"));
        Self { tag, hub, nodes: Vec::new(), directory }
    }

    /// Adds node `n`: `172.16.n.1` and `fd00:16:n::1`; on that wire the hub is `.4` and `::4`.
    pub(crate) fn node(&mut self, n: u8) -> Namespace {
        let node = Namespace::new(format!("{}-n{n}", self.tag));
        let (inside, outside) = ("eth0".to_owned(), format!("node{n}"));
        ip(&[
            "link",
            "add",
            &outside,
            "netns",
            &self.hub.name,
            "type",
            "veth",
            "peer",
            "name",
            &inside,
            "netns",
            &node.name,
        ]);
        for (namespace, link, host) in [(&self.hub, &outside, 4), (&node, &inside, 1)] {
            namespace.ip(&["link", "set", link, "up"]);
            namespace.ip(&["addr", "add", &format!("172.16.{n}.{host}/29"), "dev", link]);
            namespace.ip(&["-6", "addr", "add", &format!("fd00:16:{n}::{host}/64"), "dev", link, "nodad"]);
        }
        self.nodes.push(node.clone());
        node
    }

    pub(crate) fn hub(&self) -> &Namespace {
        &self.hub
    }

    /// A path for a file of this fabric.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        for namespace in self.nodes.iter().chain([&self.hub]) {
            let _ = Command::new("ip").args(["netns", "del", &namespace.name]).status();
        }
        if std::thread::panicking() {
            eprintln!("logs are kept in {}", self.directory.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

#[derive(Clone)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    fn new(name: String) -> Self {
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    pub(crate) fn ip(&self, arguments: &[&str]) {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend(arguments);
        ip(&all);
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// What is answered at a URL in here; none if it is not answered with success.
    pub(crate) fn get(&self, url: &str) -> Option<String> {
        let script =
            "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode(), end='')";
        let done = self.command("/usr/bin/python3").args(["-c", script, url]).output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    assert!(done.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A process that ends with its owner.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, its output in `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Ends it without giving it time to say goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end of its own accord.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `probe` gives something; says what it waited for if that takes over `limit`.
pub(crate) fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return (found, start.elapsed());
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! Runs the program: its verbs, and the daemon on addresses of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Held for reading by tests that keep time against the daemon, for writing by those that keep the machine busy.
pub(crate) static QUIET: RwLock<()> = RwLock::new(());

/// While it lives, nobody keeps the machine busy who holds [`QUIET`] for that.
pub(crate) struct Quiet {
    _guard: RwLockReadGuard<'static, ()>,
}

/// For tests that keep the machine busy themselves, in a small way.
pub(crate) fn quiet() -> Quiet {
    Quiet { _guard: QUIET.read().unwrap_or_else(PoisonError::into_inner) }
}

/// The program under test.
pub(crate) fn thirdleaf(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thirdleaf"));
    command.args(arguments).env_remove("THIRDLEAF_SERVER");
    command
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder and loopback addresses that no other test uses, so that fixed ports never meet.
pub(crate) struct Place {
    net: [u8; 2],
    directory: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let [.., low] = std::process::id().to_be_bytes();
        let net = [low.max(1), COUNT.fetch_add(1, Ordering::Relaxed)];
        let directory = std::env::temp_dir().join(format!("thirdleaf-{}-{}", std::process::id(), net[1]));
        std::fs::create_dir_all(&directory).unwrap();
        Self { net, directory }
    }

    /// The address of host `n`; host 4 is thirdleaf.
    pub(crate) fn host(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.net[0], self.net[1], n)
    }

    pub(crate) fn server(&self) -> String {
        format!("http://{}:9179", self.host(4))
    }

    /// A leaf, its nodes in this place's range, the white paper's policy.
    pub(crate) fn config(&self) -> String {
        let (leaf, range) = (self.host(4), self.host(0));
        format!(
            r#"version = 1
[http]
listen = ["{leaf}:9179"]
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "{leaf}"
listen = ["{leaf}:1790"]
[[neighbors]]
leaf = "rack1"
range = "{range}/24"
peer_as = ["65102-65199"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]
[[policy.allow]]
class = "service"
prefix = "10.96.0.0/12"
lengths = [12, 32]
"#
        )
    }

    /// More entries, with these keys, for hosts 8 to 31.
    pub(crate) fn range_of_cases(&self, keys: &str) -> String {
        let entry = |range: String| {
            format!(
                "[[neighbors]]\nleaf = \"rack1\"\nrange = \"{range}\"\npeer_as = [\"65102-65199\"]\n{keys}\n"
            )
        };
        entry(format!("{}/29", self.host(8))) + &entry(format!("{}/28", self.host(16)))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// `thirdleaf run`, ended when dropped.
pub(crate) struct Daemon {
    child: Child,
    server: String,
    /// Lines that it logged.
    logged: Arc<AtomicUsize>,
    /// Those of them that are more than for the record.
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    pub(crate) fn start(place: &Place, config: &Path) -> Self {
        Self::start_with(place, config, &[])
    }

    pub(crate) fn start_with(place: &Place, config: &Path, more: &[&str]) -> Self {
        // Named as people name it, from the folder that it stands in.
        let (folder, file) = (config.parent().unwrap(), config.file_name().unwrap());
        let mut command = command(&["run", "-c", file.to_str().unwrap()]);
        command.args(more).current_dir(folder);
        Self::spawn(place, command)
    }

    /// The same by a command of the test's own.
    pub(crate) fn spawn(place: &Place, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Its log must be read, or it would stand still on a full pipe.
        let log = BufReader::new(child.stderr.take().unwrap());
        let logged = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&logged);
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let warned = Arc::clone(&warnings);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                println!("{line}");
                if line.contains("WARN") || line.contains("ERROR") {
                    warned.lock().unwrap().push(line);
                }
            }
        });
        let daemon = Self { child, server: place.server(), logged, warnings };
        eventually("it is ready", || daemon.ask(&["summary"]).status.success().then_some(()));
        daemon
    }

    /// What a verb answers.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        command(arguments).env("THIRDLEAF_SERVER", &self.server).output().unwrap()
    }

    /// The items that a listing verb prints.
    pub(crate) fn items(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        let output = self.ask(&all);
        let value: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
        value.get("items").unwrap_or(&value).as_array().unwrap().clone()
    }

    /// What the API answers, asked directly: starting the program for each question takes its time.
    pub(crate) fn get(&self, path: &str) -> Value {
        let body = self.text(path);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// The same, as it is.
    pub(crate) fn text(&self, path: &str) -> String {
        let authority = self.server.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        body.to_owned()
    }

    /// The status of what the API answers to a call that changes something.
    pub(crate) fn post(&self, path: &str, token: &str, body: &str) -> u16 {
        let authority = self.server.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }

    /// How many lines it has logged.
    pub(crate) fn logged(&self) -> usize {
        self.logged.load(Ordering::Relaxed)
    }

    /// What it warned of since this was last asked.
    pub(crate) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `probe` gives something, for 20 seconds at most.
pub(crate) fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    in_time(20, what, probe)
}

/// Polls until `probe` gives something, for so many seconds at most.
pub(crate) fn in_time<T>(seconds: u64, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

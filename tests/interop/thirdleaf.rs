//! thirdleaf itself, run and asked as an operator would.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::net::{Fabric, Namespace, Process, eventually};

/// The program under test.
const THIRDLEAF: &str = env!("CARGO_BIN_EXE_thirdleaf");

/// What every test's nodes may announce.
pub(crate) const POLICY: &str = r#"
    [[policy.allow]]
    class = "pod"
    prefix = "10.244.0.0/16"
    lengths = [26, 32]
    [[policy.allow]]
    class = "pod"
    prefix = "fd00:10:244::/48"
    lengths = [122, 128]
    [[policy.allow]]
    class = "service"
    prefix = "10.96.0.0/12"
    lengths = [12, 32]
    [[policy.allow]]
    class = "service"
    prefix = "fd00:10:96::/112"
    lengths = [112, 128]
    expect = "none"
"#;

/// A running thirdleaf in the hub of a fabric: leaf `rack1`, AS 65199.
pub(crate) struct Thirdleaf {
    process: Process,
    hub: Namespace,
}

impl Thirdleaf {
    /// Starts it with the ordinary configuration, `more` added to its one neighbors entry.
    pub(crate) fn start(fabric: &Fabric, more: &str) -> Self {
        Self::start_with(fabric, more, "")
    }

    /// The same, with more tables at the end of the file.
    pub(crate) fn start_with(fabric: &Fabric, more: &str, tables: &str) -> Self {
        Self::start_from(fabric, &config("", more, tables))
    }

    /// Starts it from this text.
    pub(crate) fn start_from(fabric: &Fabric, text: &str) -> Self {
        let config = fabric.file("thirdleaf.toml");
        std::fs::write(&config, text).unwrap();
        let hub = fabric.hub().clone();
        let mut command = hub.command(THIRDLEAF);
        command.arg("run").arg("-c").arg(&config);
        let process = Process::start(command, &fabric.file("thirdleaf.log"));
        let this = Self { process, hub };
        eventually("thirdleaf is ready", Duration::from_secs(10), || {
            this.ask(&["summary", "-o", "json"]).ok()
        });
        this
    }

    /// Gives it another text.
    pub(crate) fn reload(&self, fabric: &Fabric, text: &str) {
        std::fs::write(fabric.file("thirdleaf.toml"), text).unwrap();
        self.process.signal("HUP");
    }

    /// Ends it at once.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// What a verb prints, as JSON; its error output if it answers with anything but 0 or 1.
    fn ask(&self, arguments: &[&str]) -> Result<Value, String> {
        let done = self.cli().args(arguments).output().unwrap();
        match done.status.code() {
            Some(0 | 1) => serde_json::from_slice(&done.stdout).map_err(|error| {
                format!("{arguments:?}: {error}: {}", String::from_utf8_lossy(&done.stdout))
            }),
            _ => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }

    /// The command line, in thirdleaf's namespace.
    pub(crate) fn cli(&self) -> Command {
        self.hub.command(THIRDLEAF)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        self.ask(&all).unwrap()
    }

    pub(crate) fn summary(&self) -> Value {
        self.json(&["summary"])
    }

    /// The items that a listing verb prints.
    pub(crate) fn items(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = self.json(arguments);
        if let Some(items) = all.get_mut("items") {
            all = items.take();
        }
        match all {
            Value::Array(items) => items,
            other => panic!("{arguments:?} gave no list: {other}"),
        }
    }

    /// `(peer, prefix, class, state, stale)` of every route, sorted.
    pub(crate) fn routes(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.items(&["routes"]).iter().map(Row::read).collect();
        rows.sort();
        rows
    }

    /// The peer's state as RFC 4271 names it.
    pub(crate) fn state_of(&self, peer: &str) -> String {
        let peers = self.items(&["peers"]);
        let found = peers.iter().find(|item| item["peer"] == peer);
        found.map_or_else(|| "unknown".to_owned(), |item| text(&item["state"]))
    }

    /// Findings that are pending or open, as `(kind, state, prefix, reason)`.
    pub(crate) fn findings(&self) -> Vec<(String, String, String, String)> {
        let items = self.items(&["findings"]);
        items
            .iter()
            .map(|item| {
                (text(&item["kind"]), text(&item["state"]), text(&item["prefix"]), text(&item["reason"]))
            })
            .collect()
    }

    pub(crate) fn metrics(&self) -> String {
        self.hub.get("http://127.0.0.1:9179/metrics").unwrap()
    }

    pub(crate) fn wait_established(&self, peers: &[&str]) {
        for peer in peers {
            eventually(&format!("{peer} is established"), Duration::from_secs(40), || {
                (self.state_of(peer) == "Established").then_some(())
            });
        }
    }

    /// Asks it to stop, as systemd does, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.process.signal("TERM");
        assert!(self.process.wait().success());
    }
}

/// The ordinary configuration, with more keys of `[global]` and of every neighbors entry, and more tables.
pub(crate) fn config(global: &str, more: &str, tables: &str) -> String {
    format!(
        r#"
    version = 1
    [global]
    log = {{ level = "debug" }}
    {global}
    [[leaf]]
    name = "rack1"
    local_as = 65199
    router_id = "172.16.0.4"
    listen = ["0.0.0.0:179", "[::]:179"]
    [[neighbors]]
    leaf = "rack1"
    range = "172.16.0.0/16"
    peer_as = ["65102-65150", "4200065102-4200065150"]
    {more}
    [[neighbors]]
    leaf = "rack1"
    range = "fd00:16::/32"
    peer_as = ["65102-65150", "4200065102-4200065150"]
    {more}
    {POLICY}
    {tables}"#
    )
}

/// A route as the tests compare it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) peer: String,
    pub(crate) prefix: String,
    pub(crate) class: String,
    /// `accepted`, or the first reason of rejection.
    pub(crate) verdict: String,
    pub(crate) stale: bool,
}

impl Row {
    pub(crate) fn new(peer: &str, prefix: &str, class: &str, verdict: &str) -> Self {
        let [peer, prefix, class, verdict] = [peer, prefix, class, verdict].map(str::to_owned);
        Self { peer, prefix, class, verdict, stale: false }
    }

    pub(crate) fn read(item: &Value) -> Self {
        let reason = item["reasons"].as_array().and_then(|reasons| reasons.first());
        Self {
            peer: text(&item["peer"]),
            prefix: text(&item["prefix"]),
            class: text(&item["class"]),
            verdict: reason.map_or_else(|| text(&item["state"]), text),
            stale: item["stale"] == true,
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

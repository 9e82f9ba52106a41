//! Prometheus and Alertmanager in the hub of a fabric, and a receiver of webhooks that writes down what it is told.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::daemons::unpacked;
use crate::net::{Fabric, Namespace, Process, eventually};

/// How long a daemon may take to start.
const START: Duration = Duration::from_secs(30);

/// A running Prometheus, on port 9090 of the hub.
pub(crate) struct Prometheus {
    hub: Namespace,
    _process: Process,
}

impl Prometheus {
    /// Starts it with this configuration file.
    pub(crate) fn start(fabric: &Fabric, config: &Path) -> Self {
        let mut command = fabric.hub().command(unpacked("prometheus", "usr/bin/prometheus"));
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", fabric.file("prometheus").display()));
        command.args(["--web.listen-address=127.0.0.1:9090"]);
        let process = Process::start(command, &fabric.file("prometheus.log"));
        let hub = fabric.hub().clone();
        eventually("Prometheus is ready", START, || hub.get("http://127.0.0.1:9090/-/ready"));
        Self { hub, _process: process }
    }

    /// What it knows of alerts that are pending or firing.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        list(&self.answer("alerts")["data"]["alerts"])
    }

    /// What it knows of what it scrapes.
    pub(crate) fn targets(&self) -> Vec<Value> {
        list(&self.answer("targets")["data"]["activeTargets"])
    }

    fn answer(&self, what: &str) -> Value {
        let url = format!("http://127.0.0.1:9090/api/v1/{what}");
        serde_json::from_str(&self.hub.get(&url).expect("Prometheus answers")).unwrap()
    }
}

/// A running Alertmanager, on a port of the hub.
pub(crate) struct Alertmanager {
    hub: Namespace,
    port: u16,
    _process: Process,
}

impl Alertmanager {
    /// Starts it on port 9093 with this configuration file.
    pub(crate) fn start(fabric: &Fabric, config: &Path) -> Self {
        Self::start_at(fabric, config, 9093)
    }

    /// The same on another port.
    pub(crate) fn start_at(fabric: &Fabric, config: &Path, port: u16) -> Self {
        let hub = fabric.hub().clone();
        // Debian's reads its templates from /usr/share, where they are not, for it is not installed. `ip netns exec` has
        // given the process mounts of its own.
        let share = unpacked("prometheus-alertmanager", "usr/share");
        let mut command = hub.command("/bin/sh");
        command.args(["-c", "mount --bind \"$1\" /usr/share && shift && exec \"$@\"", "sh"]).arg(share);
        command.arg(unpacked("prometheus-alertmanager", "usr/bin/prometheus-alertmanager"));
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", fabric.file(&format!("alertmanager-{port}")).display()));
        command.arg("--cluster.listen-address=");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(command, &fabric.file(&format!("alertmanager-{port}.log")));
        eventually("Alertmanager is ready", START, || hub.get(&format!("http://127.0.0.1:{port}/-/ready")));
        Self { hub, port, _process: process }
    }

    /// The alerts that it has, muted ones included (`GET /api/v2/alerts`).
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.port);
        list(&serde_json::from_str(&self.hub.get(&url).expect("Alertmanager answers")).unwrap())
    }

    /// Tells it of alerts (`POST /api/v2/alerts`).
    pub(crate) fn post(&self, alerts: &Value) {
        let script = "import sys, urllib.request; urllib.request.urlopen(urllib.request.Request(sys.argv[1], \
                      data=sys.argv[2].encode(), headers={'Content-Type': 'application/json'}))";
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.port);
        let done =
            self.hub.command("/usr/bin/python3").args(["-c", script, &url, &alerts.to_string()]).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Takes whatever is posted to it, on port 9095 of the hub.
pub(crate) struct Receiver {
    told: PathBuf,
    _process: Process,
}

impl Receiver {
    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/receiver.py");

    pub(crate) fn start(fabric: &Fabric) -> Self {
        let told = fabric.file("told.jsonl");
        std::fs::write(&told, "").unwrap();
        let mut command = fabric.hub().command("/usr/bin/python3");
        command.args([Self::SCRIPT, "9095"]).arg(&told);
        Self { told, _process: Process::start(command, &fabric.file("receiver.log")) }
    }

    /// What it was sent, in order: `path`, `headers` and the `body`'s text.
    pub(crate) fn told(&self) -> Vec<Value> {
        let told = std::fs::read_to_string(&self.told).unwrap();
        let whole = told.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The alerts of all of Alertmanager's notifications, in order.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let bodies = self.told().into_iter().filter_map(|told| told["body"].as_str().map(str::to_owned));
        let notifications = bodies.map(|body| serde_json::from_str::<Value>(&body).unwrap());
        notifications.flat_map(|notification| list(&notification["alerts"])).collect()
    }
}

/// Runs `promtool`.
pub(crate) fn promtool() -> Command {
    Command::new(unpacked("prometheus", "usr/bin/promtool"))
}

/// Runs `amtool`.
pub(crate) fn amtool() -> Command {
    Command::new(unpacked("prometheus-alertmanager", "usr/bin/amtool"))
}

/// Whether it succeeded, and all that it said.
pub(crate) fn said(done: &Output) -> (bool, String) {
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    (done.status.success(), text.into_owned())
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).clone()
}

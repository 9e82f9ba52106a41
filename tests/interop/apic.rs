//! A simulated APIC as a process beside thirdleaf, and somebody who never looks away from it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use thirdleaf::eepg::{Mo, dn::rns};
use thirdleaf::lab::apic::{Fabric as Shape, Tree};
use thirdleaf::time::Timestamp;

use crate::net::{Fabric, Namespace, Process, eventually};

/// Where it listens, in the hub.
pub(crate) const URL: &str = "https://127.0.0.1:8443";
/// Asks once: a URL, and a body if it is a POST.
const ASK: &str = "import ssl, sys, urllib.request as web
context = ssl._create_unverified_context()
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
print(web.urlopen(web.Request(sys.argv[1], data=body), context=context).read().decode())";
/// Looks at all there is, again and again, over one connection; a line a look.
const WATCH: &str = "import http.client, json, ssl, sys
def members(mo, dn):
    for cls, content in mo.items():
        attributes = content['attributes']
        own = dn + '/' + attributes.get('rn', attributes.get('name', ''))
        if cls == 'l3extSubnet':
            yield [dn, attributes['ip']]
        for child in content.get('children', []):
            yield from members(child, own)
apic = http.client.HTTPSConnection('127.0.0.1', 8443, context=ssl._create_unverified_context())
while True:
    apic.request('GET', '/_sim/tree')
    print(json.dumps(list(members(json.loads(apic.getresponse().read()), ''))), flush=True)";

/// The simulated APIC: its user is `thirdleaf`, its certificate the fabric's file `apic.pem`.
pub(crate) struct Apic {
    _process: Process,
    hub: Namespace,
    tree: Mo,
}

impl Apic {
    pub(crate) fn start(fabric: &Fabric, tree: Mo) -> Self {
        let (password, file) = (fabric.file("password"), fabric.file("tree.json"));
        std::fs::write(&password, "open-sesame\n").unwrap();
        std::fs::write(&file, tree.to_string()).unwrap();
        let hub = fabric.hub().clone();
        let mut command = hub.command(env!("CARGO_BIN_EXE_thirdleaf"));
        command.args(["sim", "apic", "--user", "thirdleaf", "--password-file"]).arg(&password);
        command.arg("--tree").arg(&file).arg("--cert-out").arg(fabric.file("apic.pem"));
        let process = Process::start(command, &fabric.file("apic.log"));
        let apic = Self { _process: process, hub, tree };
        eventually("the APIC answers", Duration::from_secs(20), || apic.asks("/_sim", None));
        apic
    }

    fn asks(&self, path: &str, body: Option<&Value>) -> Option<Value> {
        let mut command = self.hub.command("/usr/bin/python3");
        command.args(["-c", ASK, &format!("{URL}{path}")]).args(body.map(Value::to_string));
        let done = command.output().unwrap();
        done.status.success().then(|| serde_json::from_slice(&done.stdout).unwrap())
    }

    /// What a knob answers.
    fn ask(&self, path: &str) -> Value {
        self.asks(path, None).unwrap_or_else(|| panic!("{path} has no answer"))
    }

    /// All that is there.
    pub(crate) fn now(&self) -> Tree {
        loaded(&serde_json::from_value(self.ask("/_sim/tree")).unwrap())
    }

    /// Whether a member is there.
    pub(crate) fn has(&self, dn: &str) -> bool {
        self.now().has(dn)
    }

    /// The writes that took effect: where to, and what.
    pub(crate) fn writes(&self) -> Vec<(String, Mo)> {
        let Value::Array(entries) = self.ask("/_sim/log") else { panic!("no list") };
        let is_write = |entry: &&Value| {
            let target = entry["target"].as_str().unwrap();
            entry["method"] == "POST" && entry["status"] == 200 && target.starts_with("/api/mo/")
        };
        let write = |entry: &Value| {
            let target = entry["target"].as_str().unwrap();
            let (path, _) = target.split_once(".json").unwrap();
            let dn = path.trim_start_matches("/api/mo/").to_owned();
            (dn, serde_json::from_str(entry["body"].as_str().unwrap()).unwrap())
        };
        entries.iter().filter(is_write).map(write).collect()
    }

    /// Carries all writes out again, one by one: there is no moment between them, for each is atomic. Answers the
    /// EEPGs that held the prefix, one after the other, and panics if two held it at once.
    pub(crate) fn stations(&self, prefix: &str) -> Vec<String> {
        let mut tree = loaded(&self.tree);
        let mut stations: Vec<String> = Vec::new();
        for (dn, mo) in self.writes() {
            tree.post(&dn, &mo, Timestamp::default()).unwrap();
            let members = tree.of_class("l3extSubnet").map(|dn| dn.rsplit_once("/extsubnet-").unwrap());
            let members =
                members.map(|(eepg, prefix)| [eepg, prefix.trim_matches(['[', ']'])].map(str::to_owned));
            let now = holder(members, prefix);
            if let Some(now) = now.filter(|now| stations.last() != Some(now)) {
                stations.push(now);
            }
        }
        stations
    }

    /// Starts somebody who looks at all members all the time.
    pub(crate) fn watched(&self, fabric: &Fabric) -> Watcher {
        let file = fabric.file("watch.log");
        let mut command = self.hub.command("/usr/bin/python3");
        command.args(["-c", WATCH]);
        let process = Process::start(command, &file);
        eventually("somebody looks", Duration::from_secs(20), || {
            std::fs::read_to_string(&file).unwrap().contains('\n').then_some(())
        });
        Watcher { process, file }
    }
}

/// Looks at all members until it is asked what it saw.
pub(crate) struct Watcher {
    process: Process,
    file: std::path::PathBuf,
}

impl Watcher {
    /// The EEPGs in which it saw the prefix, and how often it looked; panics if it saw it in two at once.
    pub(crate) fn saw(self, prefix: &str) -> (Vec<String>, usize) {
        self.process.kill();
        let text = std::fs::read_to_string(self.file).unwrap();
        // The last line may break off.
        let looks: Vec<Vec<[String; 2]>> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut stations: Vec<String> = Vec::new();
        let count = looks.len();
        for members in looks {
            let now = holder(members.into_iter(), prefix);
            if let Some(now) = now.filter(|now| stations.last() != Some(now)) {
                stations.push(now);
            }
        }
        (stations, count)
    }
}

/// The name of the one EEPG that holds the prefix; panics if any prefix is in two.
fn holder(members: impl Iterator<Item = [String; 2]>, prefix: &str) -> Option<String> {
    let mut holders: BTreeMap<String, String> = BTreeMap::new();
    for [eepg, prefix] in members {
        if let Some(other) = holders.insert(prefix.clone(), eepg.clone()) {
            panic!("{prefix} is in {other} and in {eepg} at once");
        }
    }
    let eepg = holders.remove(prefix)?;
    rns(&eepg).last().map(|rn| rn.trim_start_matches("instP-").to_owned())
}

fn loaded(mo: &Mo) -> Tree {
    let mut tree = Tree::new(Shape::default(), Timestamp::default());
    tree.load(mo, Timestamp::default()).unwrap();
    tree
}

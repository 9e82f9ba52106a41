//! Who is told, and of what: the rules of `deploy/prometheus`, in real Prometheus and real Alertmanager.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemons::CalicoNode;
use crate::monitoring::{Alertmanager, Prometheus, Receiver, amtool, promtool, said};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::{POLICY, Thirdleaf, config};

/// Where what is shipped for Prometheus stands.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus");
/// Scrapes, evaluations and notifications are a second apart; BIRD takes up to 30 s to come again.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn what_is_shipped_is_what_prometheus_and_alertmanager_take() {
    let tests: Vec<PathBuf> = files(&Path::new(SHIPPED).join("tests"), ".test.yml");
    let rules: Vec<PathBuf> =
        [files(SHIPPED.as_ref(), ".rules.yml"), files(SHIPPED.as_ref(), ".recording.yml")].concat();
    assert_eq!((tests.len(), rules.len()), (11, 4), "none is forgotten");
    let config = |name: &str| vec![Path::new(SHIPPED).join(name)];
    for (mut command, words, files) in [
        (promtool(), &["check", "rules"][..], rules),
        (promtool(), &["check", "config"], config("prometheus.yml")),
        (promtool(), &["test", "rules"], tests),
        (amtool(), &["check-config"], config("alertmanager.yml")),
    ] {
        let (well, told) = said(&command.args(words).args(files).output().unwrap());
        assert!(well, "{words:?}: {told}");
    }
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    found.sort();
    found
}

/// What is shipped, in a hurry: all intervals are a second, and the receivers are one.
fn hastened(name: &str) -> String {
    let mut text = std::fs::read_to_string(Path::new(SHIPPED).join(name)).unwrap();
    let mut count = 0;
    for (slow, fast) in [
        ("_interval: 15s", "_interval: 1s"),
        ("for: 1m", "for: 1s"),
        ("group_wait: 10s", "group_wait: 1s"),
        ("group_interval: 1m", "group_interval: 1s"),
        ("http://pager.example.net/thirdleaf", "http://127.0.0.1:9095/page"),
        ("http://tickets.example.net/thirdleaf", "http://127.0.0.1:9095/ticket"),
    ] {
        count += text.matches(slow).count();
        text = text.replace(slow, fast);
    }
    assert!(
        count > 0 || name.contains("findings") || name.contains("recording"),
        "{name} has nothing that could be hastened"
    );
    text
}

/// Everything between thirdleaf and whoever is told.
struct Watch {
    receiver: Receiver,
    _alertmanager: Alertmanager,
    prometheus: Prometheus,
}

impl Watch {
    fn start(fabric: &Fabric) -> Self {
        let names = [
            "alertmanager.yml",
            "prometheus.yml",
            "thirdleaf.rules.yml",
            "thirdleaf.findings.rules.yml",
            "thirdleaf.daemon.rules.yml",
            "thirdleaf.recording.yml",
        ];
        for name in names {
            std::fs::write(fabric.file(name), hastened(name)).unwrap();
        }
        Self {
            receiver: Receiver::start(fabric),
            _alertmanager: Alertmanager::start(fabric, &fabric.file("alertmanager.yml")),
            prometheus: Prometheus::start(fabric, &fabric.file("prometheus.yml")),
        }
    }

    /// The first time that somebody was told of this alert in this state.
    fn told(&self, name: &str, status: &str) -> Value {
        let is = |alert: &Value| alert["labels"]["alertname"] == name && alert["status"] == status;
        let what = format!("{name} is told as {status}");
        eventually(&what, PATIENCE, || self.receiver.alerts().into_iter().find(is)).0
    }

    /// All that anybody was told of: labels and status, in order, the same again if it was told again.
    fn all_told(&self) -> Vec<(Value, String)> {
        let alerts = self.receiver.alerts();
        alerts
            .iter()
            .map(|alert| (alert["labels"].clone(), alert["status"].as_str().unwrap().to_owned()))
            .collect()
    }

    /// What was told of the alerts of one name, and of which others there was anything to tell.
    fn told_of(&self, name: &str) -> (Vec<(Value, String)>, BTreeSet<String>) {
        let (own, others): (Vec<_>, Vec<_>) =
            self.all_told().into_iter().partition(|(labels, _)| labels["alertname"] == name);
        let others = others.into_iter().map(|(labels, _)| labels["alertname"].as_str().unwrap().to_owned());
        (own, others.collect())
    }
}

/// The findings that the tests wait for, soon.
const SOON: &str = "[findings.open_after]\nrogue_route = \"1s\"\nrack_down = \"1s\"\npeer_down = \"1s\"\n";

/// A node's `BGPFilter` lets the default route out.
const LEAK: &str = "  if net = 0.0.0.0/0 then accept;\n";

#[test]
fn a_leak_in_a_node_is_told_and_so_is_its_end() {
    let mut fabric = Fabric::new();
    let wires = (fabric.node(1), fabric.node(2));
    let thirdleaf = Thirdleaf::start_from(&fabric, &config("", "", SOON));
    let watch = Watch::start(&fabric);
    let one = CalicoNode::new(1, &["10.244.1.0/26", "10.96.0.0/12"]);
    let mut two = CalicoNode::new(2, &["10.244.2.0/26", "10.96.0.0/12"]);
    let _one = one.start(&fabric, &wires.0);
    let bird = two.start(&fabric, &wires.1);
    thirdleaf.wait_established(&["172.16.1.1", "172.16.2.1"]);
    let scraped = || watch.prometheus.targets().iter().any(|target| target["health"] == "up");
    eventually("thirdleaf is scraped", PATIENCE, || scraped().then_some(()));

    let quiet = two.clone();
    two.statics.push("0.0.0.0/0");
    two.export = LEAK;
    two.reconfigure(&fabric, &bird);
    let told = watch.told("ThirdleafRogueRoute", "firing");
    let labels = json!({
        "alertname": "ThirdleafRogueRoute", "severity": "critical", "kind": "rogue_route",
        "job": "thirdleaf", "instance": "127.0.0.1:9179", "cluster": "default", "rack": "rack1", "leaf": "rack1",
        "peer": "172.16.2.1", "node": "172.16.2.1", "reason": "default_route",
    });
    assert_eq!(told["labels"], labels);
    let summary = "172.16.2.1 (172.16.2.1 on rack1) announces routes that are rejected, default_route: 1";
    assert_eq!(told["annotations"]["summary"], summary);
    assert!(told["annotations"]["runbook_url"].as_str().unwrap().ends_with("/runbook.md#rogue_route"));
    let paths = watch.receiver.told();
    assert!(paths.iter().all(|told| told["path"] == "/page"), "it is critical: {paths:?}");

    quiet.reconfigure(&fabric, &bird);
    watch.told("ThirdleafRogueRoute", "resolved");
    let both = [(labels.clone(), "firing".to_owned()), (labels, "resolved".to_owned())];
    assert_eq!(watch.all_told(), both, "nobody is told of anything else, or twice");
    assert_eq!(watch.prometheus.alerts(), Vec::<Value>::new());
    thirdleaf.stop();
}

/// Two leaves, a rack each: nodes 1 to 3 peer with the one, 4 and 5 with the other.
fn two_racks() -> String {
    let leaf = |rack: u8, nodes: &[u8]| {
        let listen: Vec<_> = nodes.iter().map(|node| format!("172.16.{node}.4:179")).collect();
        format!(
            "[[leaf]]\nname = \"rack{rack}\"\nlocal_as = 65199\nrouter_id = \"172.16.0.{rack}\"\nlisten = {listen:?}\n\
             [[neighbors]]\nleaf = \"rack{rack}\"\nrange = \"172.16.0.0/16\"\npeer_as = [\"65102-65150\"]\n"
        )
    };
    format!("version = 1\n{}{}{POLICY}{SOON}", leaf(1, &[1, 2, 3]), leaf(2, &[4, 5]))
}

#[test]
fn a_rack_that_goes_down_is_told_once_and_its_peers_are_not() {
    let mut fabric = Fabric::new();
    let wires: Vec<_> = (1..=5).map(|n| fabric.node(n)).collect();
    let thirdleaf = Thirdleaf::start_from(&fabric, &two_racks());
    let watch = Watch::start(&fabric);
    let blocks = ["10.244.1.0/26", "10.244.2.0/26", "10.244.3.0/26", "10.244.4.0/26", "10.244.5.0/26"];
    let mut nodes: Vec<_> =
        (1..=5).zip(blocks).map(|(n, block)| CalicoNode::new(n, &[block, "10.96.0.0/12"])).collect();
    let mut birds: Vec<_> = nodes.iter().zip(&wires).map(|(node, wire)| node.start(&fabric, wire)).collect();
    thirdleaf.wait_established(&["172.16.1.1", "172.16.2.1", "172.16.3.1", "172.16.4.1", "172.16.5.1"]);

    for bird in birds.drain(..3) {
        bird.process.kill();
    }
    let told = watch.told("ThirdleafRackDown", "firing");
    assert_eq!(told["labels"]["rack"], "rack1");
    assert_eq!(
        told["annotations"]["summary"],
        "Rack rack1 in cluster default is down: 0% of its known peers have a session"
    );
    // What happens later is told later: by then whatever else there is to tell of the rack would have been told.
    let open = |kind: &str| thirdleaf.findings().iter().filter(|found| found.0 == kind).count();
    eventually("thirdleaf found the peers that are down, too", PATIENCE, || {
        (open("peer_down") == 3).then_some(())
    });
    let last = nodes.last_mut().unwrap();
    last.statics.push("0.0.0.0/0");
    last.export = LEAK;
    last.reconfigure(&fabric, birds.last().unwrap());
    watch.told("ThirdleafRogueRoute", "firing");
    let (rack, others) = watch.told_of("ThirdleafRackDown");
    assert_eq!(rack, [(told["labels"].clone(), "firing".to_owned())], "it is told once");
    let leak = BTreeSet::from(["ThirdleafRogueRoute".to_owned()]);
    assert_eq!(others, leak);

    for (node, wire) in nodes.iter().zip(&wires).take(3) {
        birds.push(node.start(&fabric, wire));
    }
    watch.told("ThirdleafRackDown", "resolved");
    let (rack, others) = watch.told_of("ThirdleafRackDown");
    let statuses: Vec<_> = rack.iter().map(|(_, status)| status.as_str()).collect();
    assert_eq!(statuses, ["firing", "resolved"]);
    assert_eq!(others, leak);
    thirdleaf.stop();
}

/// `cause` mutes `what` of the same `equal`, and nothing else.
struct Mutes {
    cause: &'static str,
    what: &'static [&'static str],
    equal: &'static [&'static str],
}

const MUTES: [Mutes; 10] = [
    Mutes {
        cause: "Down",
        what: &["RogueRoute", "PeerDown", "ApicDown", "ConfigReloadFailed", "HoldDownEngaged"],
        equal: &["job", "instance"],
    },
    Mutes {
        cause: "ObserverIsolated",
        what: &[
            "RackDown",
            "PeerDown",
            "PeerFlapping",
            "GracefulRestartStale",
            "RecoveryWait",
            "LeafDisagreement",
            "ServiceCidrMissing",
            "NodeSubnetMissing",
            "TimerTrouble",
        ],
        equal: &["job", "instance"],
    },
    Mutes {
        cause: "RackDown",
        what: &[
            "PeerDown",
            "PeerFlapping",
            "GracefulRestartStale",
            "ServiceCidrMissing",
            "NodeSubnetMissing",
            "RouteChurnHigh",
        ],
        equal: &["job", "instance", "cluster", "rack"],
    },
    Mutes {
        cause: "PrefixLimitHit",
        what: &["PrefixLimitNear", "PeerDown", "PeerFlapping", "GracefulRestartStale"],
        equal: &["job", "instance", "cluster", "leaf", "peer"],
    },
    Mutes {
        cause: "PeerDown",
        what: &[
            "PeerFlapping",
            "GracefulRestartStale",
            "ServiceCidrMissing",
            "NodeSubnetMissing",
            "RouteChurnHigh",
            "PrefixLimitNear",
        ],
        equal: &["job", "instance", "cluster", "leaf", "peer"],
    },
    Mutes {
        cause: "PeerFlapping",
        what: &["RouteChurnHigh"],
        equal: &["job", "instance", "cluster", "leaf", "peer"],
    },
    Mutes {
        cause: "MeshLeftOn",
        what: &["AsPathTooLong", "UnexpectedOriginAs"],
        equal: &["job", "instance", "cluster"],
    },
    Mutes {
        cause: "ApicDown",
        what: &["EepgWriteFailing", "EepgDrift", "ReconcileStale"],
        equal: &["job", "instance", "apic"],
    },
    Mutes {
        cause: "AuditWriteFailing",
        what: &["EepgWriteFailing", "StateWriteFailing", "JournalFailing", "TraceLost"],
        equal: &["job", "instance"],
    },
    Mutes { cause: "StateWriteFailing", what: &["JournalFailing", "TraceLost"], equal: &["job", "instance"] },
];

/// An alert called `name` with these labels; `case` and `muted` tell it from others, and whether it is to be told.
fn alert(name: &str, labels: &[(&str, &str)], case: &str, muted: bool) -> Value {
    let mut all = json!({"alertname": format!("Thirdleaf{name}"), "case": case, "muted": muted.to_string()});
    for (label, value) in labels {
        all[label] = json!(value);
    }
    json!({"labels": all})
}

/// What a cause mutes, on an instance of its own: `what` of the same labels, and nothing that differs in one label or
/// has another name.
fn family(number: usize, mutes: &Mutes, what: &str) -> Vec<Value> {
    let own = format!("tl{number}-{what}:9179");
    let same: Vec<_> =
        mutes.equal.iter().map(|label| (*label, if *label == "instance" { &*own } else { "same" })).collect();
    let mut all = vec![alert(mutes.cause, &same, "cause", false), alert(what, &same, "same", true)];
    let value = format!("other than {own}");
    for (at, label) in mutes.equal.iter().enumerate() {
        let mut other = same.clone();
        other[at].1 = &value;
        all.push(alert(what, &other, &format!("another {label}"), false));
    }
    if mutes.cause != "Down" {
        all.push(alert("DuplicatePodBlock", &same, "bystander", false));
    }
    all
}

/// An alert that does not say whom it is about mutes nobody.
fn nameless() -> Vec<Value> {
    let of = |instance| [("job", "thirdleaf"), ("instance", instance), ("cluster", "prod")];
    vec![
        alert("RackDown", &of("tl90:9179"), "no rack", false),
        alert("PeerDown", &of("tl90:9179"), "no peer", false),
        alert("PeerFlapping", &of("tl90:9179"), "no peer", false),
        alert("PrefixLimitHit", &of("tl91:9179"), "no peer", false),
        alert("PrefixLimitNear", &of("tl91:9179"), "no peer", false),
        alert("PeerFlapping", &of("tl92:9179"), "no peer", false),
        alert("RouteChurnHigh", &of("tl92:9179"), "no peer", false),
        alert("ApicDown", &of("tl93:9179"), "no apic", false),
        alert("EepgDrift", &of("tl93:9179"), "no apic", false),
    ]
}

/// What the push tells, the rule of the same name need not.
fn pushed() -> Vec<Value> {
    let push = [("source", "push"), ("cluster", "prod"), ("instance", "dc1"), ("prefix", "0.0.0.0/0")];
    let rule = |cluster| [("cluster", cluster), ("job", "thirdleaf"), ("instance", "tl99:9179")];
    vec![
        alert("RogueRoute", &push, "push", false),
        alert("RogueRoute", &rule("prod"), "rule", true),
        alert("RogueRoute", &rule("dev"), "rule of another cluster", false),
        alert("DuplicatePodBlock", &rule("prod"), "rule of another name", false),
    ]
}

#[test]
fn what_follows_from_something_else_is_muted_and_nothing_besides() {
    let fabric = Fabric::new();
    let config = fabric.file("alertmanager.yml");
    std::fs::write(&config, hastened("alertmanager.yml")).unwrap();
    let alertmanager = Alertmanager::start(&fabric, &config);
    let mut all = Vec::new();
    for (number, mutes) in MUTES.iter().enumerate() {
        all.extend(mutes.what.iter().flat_map(|what| family(number, mutes, what)));
    }
    all.extend(nameless());
    all.extend(pushed());
    let count = all.len();
    alertmanager.post(&Value::Array(all));
    let (alerts, _) = eventually("all that is to be muted is", Duration::from_secs(30), || {
        let alerts = alertmanager.alerts();
        let muted = |alert: &&Value| alert["labels"]["muted"] == "true";
        let are_muted = alerts.iter().filter(muted).all(|alert| alert["status"]["state"] == "suppressed");
        (alerts.len() == count && are_muted).then_some(alerts)
    });
    let told = alerts.iter().filter(|alert| alert["labels"]["muted"] == "false");
    let wrong: Vec<_> =
        told.filter(|alert| alert["status"]["state"] != "active").map(|alert| &alert["labels"]).collect();
    assert_eq!(wrong, Vec::<&Value>::new(), "what is not to be muted is");
}

//! The file as an operator writes it: good ones, and the carets under bad ones.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::{prop_assert, proptest};
use serde_json::{Value, json};

use self::tls::OURS;
use super::model::{
    AllowClass, AsRange, Expect, LimitAction, LogFormat, LogLevel, MrtArchive, NextHop, OriginAs, PerPeer,
    Reading, Scope, Secret, Transit, Unique, UniqueAs,
};
use super::{Config, Environment, Errors, load, parse};

mod alerts;
mod carets;
mod changes;
mod include;
mod secrets;
mod sync;
mod tls;
mod tokens;

/// The shortest useful file.
const SHORTEST: &str = r#"
version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["0.0.0.0:1790"]            # Calico: BGPPeer.peerIP = "10.0.0.101:1790"
[[neighbors]]                        # dynamic and passive: a range of addresses, a range of ASes
leaf = "rack1"
range = "192.168.1.0/26"
peer_as = ["65102-65199"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]                   # host length -> pod_host, any other -> pod_block
[[policy.allow]]
class = "service"
prefix = "10.96.0.0/12"
lengths = [12, 32]                   # host length -> service_host, any other -> service_cidr
[[policy.allow]]
class = "node"
prefix = "192.168.0.0/16"
lengths = [29]
"#;

const REFERENCE: &str = include_str!("../../deploy/thirdleaf.toml");

/// Files and variables that exist.
#[derive(Default)]
struct Fake {
    files: HashMap<&'static str, String>,
    variables: HashMap<String, String>,
}

impl Fake {
    fn file(mut self, path: &'static str, text: impl Into<String>) -> Self {
        self.files.insert(path, text.into());
        self
    }

    fn variable(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.variables.insert(name.into(), text.into());
        self
    }
}

impl Environment for Fake {
    fn file(&self, path: &Path) -> io::Result<String> {
        let text = path.to_str().and_then(|path| self.files.get(path));
        text.cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let within = |file: &&str| Path::new(file).parent() == Some(path);
        let name = |file: &str| Some(Path::new(file).file_name()?.to_str()?.to_owned());
        let names: Vec<_> =
            self.files.keys().filter(|file| within(file)).filter_map(|file| name(file)).collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

fn read_in(text: &str, environment: &Fake) -> Result<Config, Errors> {
    parse(text, Path::new("/etc/thirdleaf/t.toml"), environment)
}

fn read(text: &str) -> Result<Config, Errors> {
    parse(text, Path::new("t.toml"), &Fake::default())
}

/// The shortest file with one line replaced by others.
fn with(line: &str, lines: &str) -> String {
    assert_eq!(SHORTEST.matches(line).count(), 1, "{line}");
    SHORTEST.replace(line, lines)
}

/// The shortest file with `more` at its end.
fn and(more: &str) -> String {
    format!("{SHORTEST}{more}")
}

#[test]
fn the_shortest_file_has_the_defaults() {
    let config = read(SHORTEST).unwrap();
    assert_eq!((config.global.name, config.global.state_dir), (None, None));
    assert_eq!((config.global.log.format, config.global.log.level), (LogFormat::Text, LogLevel::Info));
    assert_eq!(config.http.listen, ["127.0.0.1:9179".parse().unwrap()]);
    assert_eq!((config.http.tokens.len(), config.http.read, config.http.hosts.len()), (0, Reading::Open, 0));
    let [leaf] = config.leaves.as_slice() else { panic!() };
    assert_eq!(
        (&*leaf.name, &*leaf.rack, &*leaf.cluster, &*leaf.vrf),
        ("rack1", "rack1", "default", "default")
    );
    assert_eq!((leaf.local_as, leaf.router_id), (65101, "10.0.0.101".parse().unwrap()));
    assert_eq!(leaf.listen, ["0.0.0.0:1790".parse().unwrap()]);
    let [entry] = config.neighbors.as_slice() else { panic!() };
    assert_eq!((&*entry.leaf, entry.range), ("rack1", "192.168.1.0/26".parse().unwrap()));
    assert_eq!(entry.peer_as, [AsRange { first: 65102, last: 65199 }]);
    assert_eq!((&*entry.cluster, &*entry.vrf, &entry.password), ("default", "default", &None));
    assert_eq!((entry.ttl_security_hops, entry.hold_time), (None, Duration::from_secs(3)));
    assert_eq!((entry.passive, entry.port, entry.max_peers), (true, 179, 400));
    assert_eq!((entry.limits.prefixes, entry.limits.rejected_kept), (10_000, 1_000));
    assert_eq!((entry.limits.warn_at, entry.limits.action), (0.8, LimitAction::Warn));
    assert_eq!((entry.max_stale_time, entry.add_path), (Duration::from_mins(6), false));
    assert_eq!((entry.ipv4, entry.ipv6), (true, true));
    assert!(config.nodes.is_empty());
    assert_eq!((config.policy.max_as_path, config.policy.count_leaf_as), (2, true));
    assert_eq!((&config.policy.origin_as, config.policy.next_hop), (&OriginAs::Peer, NextHop::Peer));
    assert_eq!(config.policy.transit, Transit::Reject);
    let unique = config.policy.uniqueness;
    assert_eq!([unique.node_subnet, unique.pod_block, unique.pod_host], [Unique::OneNode; 3]);
    assert_eq!((unique.service_host, unique.asn), (Unique::Any, UniqueAs::Auto));
    let [pod, service, node] = config.policy.allow.as_slice() else { panic!() };
    assert_eq!((pod.class, pod.own_only, pod.expect), (AllowClass::Pod, false, Expect::None));
    assert_eq!((pod.prefix, pod.lengths.as_slice()), ("10.244.0.0/16".parse().unwrap(), &[26, 32][..]));
    assert_eq!((service.class, service.own_only), (AllowClass::Service, false));
    assert_eq!(service.expect, Expect::EveryNode);
    assert_eq!((node.class, node.own_only, node.expect), (AllowClass::Node, true, Expect::None));
    assert!(pod.clusters.is_empty() && pod.racks.is_empty() && pod.nodes.is_empty());
    assert!(config.findings.open_after.is_empty());
    assert_eq!(config.findings.forget_after, Duration::from_hours(7 * 24));
    assert_eq!((config.metrics.per_peer, config.metrics.rogue_routes_max), (PerPeer::All, 100));
}

#[test]
fn the_reference_is_the_shortest_file() {
    assert_eq!(read(REFERENCE).unwrap(), read(SHORTEST).unwrap());
}

#[test]
fn what_the_documents_show_is_valid() {
    for (document, start, end) in [
        (include_str!("../../README.md"), "```toml\n", "```"),
        (include_str!("../../deploy/kubernetes/thirdleaf.yaml"), "thirdleaf.toml: |\n", "---"),
    ] {
        let (_, file) = document.split_once(start).unwrap();
        let (file, _) = file.split_once(end).unwrap();
        let config = read(file).unwrap();
        assert_eq!((config.leaves.len(), config.policy.allow.len()), (1, 2), "{file}");
    }
}

/// The reference with every commented key in force.
fn whole_reference() -> Config {
    let prose = |line: &str| line == "#" || line.starts_with("# ");
    let line = |line| if prose(line) { "" } else { line.strip_prefix('#').unwrap_or(line) };
    let text: Vec<&str> = REFERENCE.lines().map(line).collect();
    let secrets = Fake::default()
        .file("/etc/thirdleaf/token", "open-sesame\n")
        .file("/etc/thirdleaf/prometheus.token", "prometheus\n")
        .file("/etc/thirdleaf/http.pem", &OURS.cert)
        .file("/etc/thirdleaf/http.key", &OURS.key)
        .file("/etc/thirdleaf/clients.pem", &OURS.cert)
        .file("/etc/thirdleaf/rack1.md5", "key of rack 1\n")
        .file("/etc/thirdleaf/apic.password", "sesame\n")
        .file("/etc/thirdleaf/apic-ca.pem", sync::CERTIFICATE)
        .file("/etc/thirdleaf/alertmanager.password", "sesame\n")
        .file("/etc/thirdleaf/alertmanager-ca.pem", sync::CERTIFICATE)
        .file("/etc/thirdleaf/pager.secret", "key of the pager\n")
        .file("/etc/thirdleaf/pager.token", "sesame\n");
    read_in(&text.join("\n"), &secrets).unwrap()
}

#[test]
fn the_keys_of_the_reference_show_the_defaults() {
    let mut config = whole_reference();
    assert_eq!(config.global.name.take().as_deref(), Some("dc1"));
    assert_eq!(config.global.state_dir.take(), Some("/var/lib/thirdleaf".into()));
    let tokens: Vec<_> = std::mem::take(&mut config.http.tokens);
    let tokens: Vec<_> =
        tokens.iter().map(|token| (&*token.name, token.scope, token.secret.expose())).collect();
    assert_eq!(tokens, [("admin", Scope::Approve, "open-sesame"), ("prometheus", Scope::Read, "prometheus")]);
    assert_eq!(std::mem::take(&mut config.http.hosts).concat(), "thirdleaf.example.net");
    let tls = config.http.tls.take().unwrap();
    assert_eq!((&*tls.cert, tls.client_ca.as_deref()), (&*OURS.cert, Some(&*OURS.cert)));
    assert_eq!(config.neighbors[0].password.take(), Some(Secret::new("key of rack 1")));
    assert_eq!(config.neighbors[0].ttl_security_hops.take(), Some(1));
    let node = config.nodes.pop().unwrap();
    assert_eq!(node.cluster.as_deref(), Some("default"));
    assert_eq!((&*node.name, node.rack.as_deref(), node.asn), ("node1", Some("rack1"), Some(65111)));
    assert_eq!(node.addresses, ["192.168.1.11".parse::<IpAddr>().unwrap()]);
    let pod = &mut config.policy.allow[0];
    let named = [&mut pod.clusters, &mut pod.vrfs, &mut pod.racks, &mut pod.nodes].map(std::mem::take);
    assert_eq!(named.map(|names| names.concat()), ["default", "default", "rack1", "node1"]);
    let except = std::mem::take(&mut config.policy.allow[1].except);
    assert_eq!([except.nodes.concat(), except.racks.concat()], ["node1", "rack1"]);
    assert_eq!(std::mem::take(&mut config.findings.open_after).len(), 31);
    let minute = Duration::from_mins(1);
    assert_eq!(std::mem::take(&mut config.findings.resolve_after), [("peer_down".to_owned(), minute)]);
    let archive = MrtArchive::at("/var/lib/thirdleaf/mrt".into());
    assert_eq!(config.journal.mrt.take(), Some(archive));
    sync::is_the_shortest_fabric(&mut config);
    alerts::are_shown_with_their_defaults(std::mem::take(&mut config.alerts));
    assert_eq!(config, read(SHORTEST).unwrap());
}

#[test]
fn the_reference_has_every_key() {
    fn keys(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(table) => table.iter().for_each(|(key, value)| {
                found.push(key.clone());
                keys(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    let mut found = [
        "secret_file",
        "secret_env",
        "url_file",
        "url_env",
        "password_env",
        "token_env",
        "key_file",
        "key_env",
        "cert_name",
        "pin_sha256",
        "ca =",
    ]
    .map(String::from)
    .to_vec();
    keys(&serde_json::to_value(whole_reference()).unwrap(), &mut found);
    assert!(found.len() > 120, "{found:?}");
    for key in found {
        assert!(REFERENCE.contains(&key), "{key}");
    }
}

#[test]
fn shows_the_keys_and_notations_of_the_file() {
    let shown = serde_json::to_value(whole_reference()).unwrap();
    assert_eq!(shown["leaf"][0]["listen"], json!(["0.0.0.0:1790"]));
    let entry = &shown["neighbors"][0];
    assert_eq!(entry["hold_time"], "3s");
    assert_eq!(entry["graceful_restart"]["max_stale_time"], "6m");
    assert_eq!(entry["families"], json!(["ipv4", "ipv6"]));
    assert_eq!(entry["peer_as"], json!(["65102-65199"]));
    assert_eq!(shown["nodes"][0]["as"], 65111);
    assert_eq!(shown["policy"]["origin_as"], "peer");
    assert_eq!(shown["findings"]["open_after"]["stale_routes"], "2m 10s");
    assert_eq!(shown["findings"]["forget_after"], "7days");
}

#[test]
fn every_key_says_something_else_than_its_default() {
    let text = with(
        "peer_as = [\"65102-65199\"]",
        "peer_as = [65102, \"65110\", \"65120 - 65130\"]\nhold_time = \"9s\"\n\
        cluster = \"blue\"\nvrf = \"red\"\nmax_peers = 7\nadd_path = true\nfamilies = \"ipv4\"\nttl_security_hops = 2\n\
        limits = { prefixes = 5, warn_at = 1, action = \"reset\", rejected_kept = 0 }\n\
        graceful_restart.max_stale_time = \"0s\"",
    );
    let config = read(&format!("{text}\n[[neighbors]]\nleaf = \"rack1\"\nrange = \"192.168.2.5/32\"\npeer_as = 1\n\
        passive = false\nport = 1179\nhold_time = \"0s\"\n[policy]\nmax_as_path = 1\ncount_leaf_as = false\norigin_as = [65001, \"65100-65199\"]\n\
        next_hop = \"any\"\ntransit = \"note\"\nuniqueness.pod_host = \"any\"\nuniqueness.as = \"one_node\"\n[findings.open_after]\npeer_down = \"2m\"\n\
        [metrics]\nper_peer = \"off\"\nrogue_routes_max = 0\n[global]\nlog.level = \"trace\"\n[http]\nlisten = [\"[::1]:9179\"]\n")).unwrap();
    let [first, second] = config.neighbors.as_slice() else { panic!() };
    assert_eq!(
        first.peer_as.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["65102", "65110", "65120-65130"]
    );
    assert_eq!((&*first.cluster, &*first.vrf, first.hold_time), ("blue", "red", Duration::from_secs(9)));
    assert_eq!((first.max_peers, first.add_path, first.ttl_security_hops), (7, true, Some(2)));
    assert_eq!((first.ipv4, first.ipv6, first.max_stale_time), (true, false, Duration::ZERO));
    assert_eq!((first.limits.prefixes, first.limits.warn_at), (5, 1.0));
    assert_eq!((first.limits.action, first.limits.rejected_kept), (LimitAction::Reset, 0));
    assert_eq!((second.passive, second.port, second.hold_time), (false, 1179, Duration::ZERO));
    assert_eq!((config.policy.max_as_path, config.policy.count_leaf_as), (1, false));
    let list = vec![AsRange { first: 65001, last: 65001 }, AsRange { first: 65100, last: 65199 }];
    assert_eq!((config.policy.origin_as, config.policy.next_hop), (OriginAs::List(list), NextHop::Any));
    assert_eq!((config.policy.uniqueness.pod_host, config.policy.transit), (Unique::Any, Transit::Note));
    assert_eq!(config.policy.uniqueness.asn, UniqueAs::OneNode);
    assert_eq!(config.findings.open_after, [("peer_down".to_owned(), Duration::from_mins(2))]);
    assert_eq!((config.metrics.per_peer, config.metrics.rogue_routes_max), (PerPeer::Off, 0));
    assert_eq!(config.global.log.level, LogLevel::Trace);
    assert_eq!(config.http.listen, ["[::1]:9179".parse().unwrap()]);
}

#[test]
fn lengths_are_sorted_and_single() {
    let config = read(&with("lengths = [26, 32] ", "lengths = [32, 26, 32] ")).unwrap();
    assert_eq!(config.policy.allow[0].lengths, [26, 32]);
}

#[test]
fn a_file_that_cannot_be_read_is_one_clear_line() {
    let errors = load(Path::new("/none.toml"), &Fake::default()).unwrap_err();
    assert_eq!(errors.to_string(), "error: cannot read /none.toml: entity not found");
}

proptest! {
    /// Whatever a hand or a disk does to a file, the answer is a configuration or its errors.
    #[test]
    fn damaged_files_are_answered(at in 0..REFERENCE.len(), length in 0_usize..40, put in "[\\[\\]{}=\"'#.,a-z0-9\n é]{0,8}") {
        let (Some(before), Some(after)) = (REFERENCE.get(..at), REFERENCE.get(at + length..)) else {
            return Ok(());
        };
        if let Err(errors) = read(&format!("{before}{put}{after}")) {
            prop_assert!(errors.to_string().starts_with("error: "));
        }
    }
}

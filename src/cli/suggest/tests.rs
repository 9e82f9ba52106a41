use std::net::IpAddr;

use super::*;
use crate::cli::testing::{Stub, page, peer, route};
use crate::cli::tests::ask;
use crate::config::{self, Machine};
use crate::policy::Reason;

/// Two clusters on two leaves, and nothing allowed yet.
const SKELETON: &str = r#"
version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.1:1790", "[::1]:1790"]
[[leaf]]
name = "rack2"
cluster = "green"
vrf = "green"
local_as = 65201
router_id = "10.0.0.102"
listen = ["127.0.0.2:1790"]
[[neighbors]]
leaf = "rack1"
range = "192.168.1.0/24"
peer_as = ["65102-65199"]
[[neighbors]]
leaf = "rack1"
range = "fd00:1::/64"
peer_as = ["65102-65199"]
[[neighbors]]
leaf = "rack2"
range = "192.168.2.0/24"
peer_as = ["65202-65299"]
[policy]
max_as_path = 2
"#;

/// What is heard of some nodes.
#[derive(Default)]
struct Fabric {
    peers: Vec<Peer>,
    routes: Vec<Route>,
}

impl Fabric {
    /// `count` nodes of rack1, .1 and on, each with a block of its own and the service range.
    fn healthy(count: u8) -> Self {
        let mut fabric = Self::default();
        for n in 1..=count {
            fabric.node(n);
            fabric.says(n, &format!("10.244.{n}.0/26"), &[Reason::NotAllowed]);
            fabric.says(n, "10.96.0.0/12", &[Reason::NotAllowed]);
        }
        fabric
    }

    fn node(&mut self, n: u8) -> &mut Peer {
        let mut peer = peer(&format!("192.168.1.{n}"));
        (peer.node, peer.rack, peer.peer_as) =
            (Some(peer.peer.to_string()), "rack1".into(), Some(65101 + u32::from(n)));
        peer.router_id = peer.peer.to_string().parse().ok();
        self.peers.push(peer);
        self.peers.last_mut().unwrap()
    }

    fn says(&mut self, n: u8, prefix: &str, reasons: &[Reason]) {
        self.routes.push(of(&format!("192.168.1.{n}"), prefix, reasons));
    }

    fn suggestion(&self, config: &str) -> String {
        let config = config::parse(config, "x".as_ref(), &Machine).unwrap();
        let stub = Stub::new(&[
            ("/api/v1/config", serde_json::to_value(&config).unwrap()),
            ("/api/v1/peers", page(&self.peers)),
            ("/api/v1/routes", page(&self.routes)),
        ]);
        let (code, text) = ask(&stub.url, &["suggest"]);
        assert_eq!(code, 0, "{text}");
        text
    }
}

fn of(peer: &str, prefix: &str, reasons: &[Reason]) -> Route {
    let mut route = route(prefix);
    route.peer = peer.parse().unwrap();
    route.reasons = reasons.to_vec();
    if !reasons.is_empty() {
        route.state = "rejected".into();
    }
    route
}

/// The configuration that it is with `skeleton` before it; every line that is not commented out counts.
fn parsed(skeleton: &str, suggestion: &str) -> config::Config {
    let text = format!("{skeleton}{suggestion}");
    config::parse(&text, "x".as_ref(), &Machine).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// Class, prefix and lengths of what is allowed.
fn allowed(config: &config::Config) -> Vec<String> {
    let entry =
        |entry: &config::model::Allow| format!("{:?} {} {:?}", entry.class, entry.prefix, entry.lengths);
    config.policy.allow.iter().map(entry).collect()
}

fn leaks(text: &str) -> Vec<&str> {
    let (_, leaks) = text.split_once("looks like a leak").unwrap_or_default();
    leaks.lines().skip(1).map(|line| line.trim_start_matches("# ")).collect()
}

#[test]
fn a_healthy_fabric_is_understood() {
    let mut fabric = Fabric::healthy(3);
    fabric.says(1, "10.96.7.7/32", &[Reason::NotAllowed]);
    fabric.says(2, "10.244.1.9/32", &[Reason::NotAllowed]);
    for n in 1..=3 {
        fabric.says(n, "192.168.1.0/24", &[Reason::NotAllowed]);
    }
    let text = fabric.suggestion(SKELETON);
    let config = parsed(SKELETON, &text);
    assert_eq!(
        allowed(&config),
        ["Node 192.168.1.0/24 [24]", "Service 10.96.0.0/12 [12, 32]", "Pod 10.244.0.0/22 [26, 32]",],
        "{text}"
    );
    assert!(leaks(&text).is_empty(), "{text}");
    assert_eq!(config.policy.allow[1].expect, config::model::Expect::EveryNode);
    assert_eq!(&*config.policy.allow[1].clusters[0], "default", "there are several clusters");
    let pins: Vec<_> =
        config.nodes.iter().map(|node| (&*node.name, node.addresses.len(), node.asn)).collect();
    assert_eq!(pins[0], ("192.168.1.1", 1, Some(65102)));
    assert_eq!((pins.len(), config.nodes[0].rack.as_deref()), (3, Some("rack1")));
}

#[test]
fn what_looks_like_a_leak_is_not_suggested() {
    let mut fabric = Fabric::healthy(3);
    let not_allowed = &[Reason::NotAllowed][..];
    let leaked = [
        ("0.0.0.0/0", &[Reason::DefaultRoute][..], "default_route"),
        ("127.0.0.0/8", &[Reason::Martian, Reason::NotAllowed], "martian"),
        ("10.244.9.0/26", &[Reason::NotAllowed, Reason::AsPathTooLong], "as_path_too_long"),
        ("10.244.10.0/26", &[Reason::OwnAsInPath], "own_as_in_path"),
        ("10.244.11.0/26", &[Reason::TooBroad, Reason::NextHopNotPeer], "next_hop_not_peer"),
        ("10.99.1.0/26", not_allowed, "overlaps a service range"),
        ("10.245.1.0/26", not_allowed, "no block beside it"),
        ("10.0.0.0/7", not_allowed, "wider than"),
        ("8.8.8.0/24", not_allowed, "public addresses"),
        ("10.7.7.7/32", not_allowed, "a single address outside"),
        ("192.168.1.2/32", not_allowed, "a node's own address"),
        ("192.168.0.0/16", not_allowed, "wider than a node's subnet"),
        ("192.168.1.0/29", not_allowed, "one node only"),
    ];
    for (prefix, reasons, _) in leaked {
        fabric.says(2, prefix, reasons);
    }
    let text = fabric.suggestion(SKELETON);
    let config = parsed(SKELETON, &text);
    assert_eq!(allowed(&config), ["Service 10.96.0.0/12 [12]", "Pod 10.244.0.0/22 [26, 32]"], "{text}");
    let leaks = leaks(&text);
    for (prefix, _, why) in leaked {
        let line = leaks.iter().find(|line| line.starts_with(&format!("{prefix} ")));
        let line = line.unwrap_or_else(|| panic!("{prefix}: {text}"));
        assert!(line.contains(why) && line.ends_with("from 192.168.1.2"), "{line}");
    }
    assert_eq!(leaks.len(), leaked.len(), "{text}");
}

#[test]
fn a_mesh_is_no_service() {
    let mut fabric = Fabric::default();
    for n in 1..=6 {
        fabric.node(n);
        for block in 1..=6 {
            fabric.says(n, &format!("10.244.{block}.0/26"), &[Reason::NotAllowed]);
        }
    }
    let text = fabric.suggestion(SKELETON);
    assert!(allowed(&parsed(SKELETON, &text)).is_empty(), "{text}");
    assert!(leaks(&text)[0].contains("is the node-to-node mesh on?"), "{text}");
}

#[test]
fn what_covers_the_pods_is_no_service_and_hides_none_of_them() {
    let mut fabric = Fabric::healthy(4);
    for n in 1..=4 {
        fabric.says(n, "10.0.0.0/8", &[Reason::NotAllowed]);
    }
    let healthy = ["Service 10.96.0.0/12 [12]", "Pod 10.244.0.0/21 [26, 32]"];
    let text = fabric.suggestion(SKELETON);
    assert_eq!(allowed(&parsed(SKELETON, &text)), healthy, "{text}");
    let found = leaks(&text);
    assert!(found[0].starts_with("10.0.0.0/8 ") && found[0].contains("covers pods"), "{text}");

    // Few nodes that leak into a service range do not make it one of pods.
    let mut fabric = Fabric::healthy(5);
    fabric.says(1, "10.100.1.0/26", &[Reason::NotAllowed]);
    fabric.says(2, "10.100.2.0/26", &[Reason::NotAllowed]);
    let text = fabric.suggestion(SKELETON);
    assert_eq!(allowed(&parsed(SKELETON, &text)), healthy, "{text}");
}

#[test]
fn what_not_every_node_announces_is_not_expected_of_every_node() {
    let expect = |count: u8, silent: &[u8]| {
        let mut fabric = Fabric::healthy(count);
        let silent: Vec<IpAddr> = silent.iter().map(|n| format!("192.168.1.{n}").parse().unwrap()).collect();
        fabric.routes.retain(|route| route.prefix.prefix_len() != 12 || !silent.contains(&route.peer));
        let text = fabric.suggestion(SKELETON);
        let start = text.find("class = \"service\"").unwrap();
        let section = text[start..].split("\n\n").next().unwrap().to_owned();
        section.lines().skip(4).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(expect(10, &[]), "expect = \"every_node\"");
    assert_eq!(expect(10, &[4]), "expect = \"every_node\" except = { nodes = [\"192.168.1.4\"] }");
    assert_eq!(expect(10, &[4, 5]), "expect = \"none\"");
    assert_eq!(expect(9, &[4]), "expect = \"none\"");
}

#[test]
fn a_node_that_waits_is_not_counted_and_one_that_is_down_is_not_pinned() {
    let mut fabric = Fabric::healthy(3);
    fabric.node(4).routes.total = 0;
    fabric.node(5).state = "Idle".into();
    let text = fabric.suggestion(SKELETON);
    assert_eq!(parsed(SKELETON, &text).policy.allow[0].expect, config::model::Expect::EveryNode, "{text}");
    assert_eq!(parsed(SKELETON, &text).nodes.len(), 4);
    assert!(text.contains("\n# 192.168.1.5 (192.168.1.5) is down: pin it"), "{text}");
}

#[test]
fn what_is_allowed_already_is_kept() {
    let allow = r#"
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26]
racks = ["rack1"]
[[policy.allow]]
class = "service"
prefix = "10.200.0.0/16"
lengths = [16]
expect = "none"
[[nodes]]
name = "node \"one\""
address = "192.168.1.1"
"#;
    let mut fabric = Fabric::healthy(2);
    fabric.peers[0].node = Some("node \"one\"".into());
    let mut second = peer("fd00:1::1");
    (second.node, second.rack, second.peer_as) = (Some("node \"one\"".into()), "rack1".into(), Some(65102));
    fabric.peers.push(second);
    fabric.routes.retain(|route| route.prefix.prefix_len() == 12);
    fabric.says(1, "10.244.1.0/26", &[]);
    fabric.says(1, "10.244.2.9/32", &[Reason::TooSpecific]);
    fabric.says(2, "10.244.1.9/32", &[Reason::TooSpecific]);
    let text = fabric.suggestion(&format!("{SKELETON}{allow}"));
    let config = parsed(SKELETON, &text);
    assert_eq!(
        allowed(&config),
        ["Pod 10.244.0.0/16 [26, 32]", "Service 10.200.0.0/16 [16]", "Service 10.96.0.0/12 [12]"],
        "{text}"
    );
    assert_eq!(
        (&*config.policy.allow[0].racks[0], config.policy.allow[1].expect),
        ("rack1", config::model::Expect::None)
    );
    assert!(
        text.contains(
            "# Allowed already; nothing of it is heard now.\n[[policy.allow]]\nclass = \"service\""
        ),
        "{text}"
    );
    assert!(text.contains("# New: the length 32; single addresses from several nodes: 2.\n"), "{text}");
    let pinned = &config.nodes[0];
    assert_eq!((&*pinned.name, pinned.addresses.len(), config.nodes.len()), ("node \"one\"", 2, 2), "{text}");
}

#[test]
fn blocks_that_are_allowed_stand_for_those_of_their_pool_that_are_not() {
    let allow = "[[policy.allow]]\nclass = \"pod\"\nprefix = \"10.244.2.0/23\"\nlengths = [26]\n";
    let mut fabric = Fabric::healthy(3);
    for route in &mut fabric.routes {
        if [2, 3].iter().any(|n| route.prefix.to_string() == format!("10.244.{n}.0/26")) {
            (route.state, route.reasons) = ("accepted".into(), vec![]);
        }
    }
    let text = fabric.suggestion(&format!("{SKELETON}{allow}"));
    let expected = ["Pod 10.244.2.0/23 [26]", "Service 10.96.0.0/12 [12]", "Pod 10.244.0.0/22 [26, 32]"];
    assert_eq!(allowed(&parsed(SKELETON, &text)), expected, "{text}");
    // Nothing is new where all is allowed.
    fabric.routes.retain(|route| route.state == "accepted");
    let text = fabric.suggestion(&format!("{SKELETON}{allow}"));
    assert_eq!(allowed(&parsed(SKELETON, &text)), expected[..1], "{text}");
    assert!(leaks(&text).is_empty(), "{text}");
}

#[test]
fn what_is_handed_on_by_design_is_neither_suggested_nor_a_leak() {
    let mut fabric = Fabric::healthy(2);
    for route in &mut fabric.routes {
        route.state = "noted".into();
    }
    let text = fabric.suggestion(SKELETON);
    assert!(allowed(&parsed(SKELETON, &text)).is_empty() && leaks(&text).is_empty(), "{text}");
}

#[test]
fn what_is_the_same_in_several_clusters_is_said_once() {
    let mut fabric = Fabric::healthy(2);
    for n in 1..=2_u8 {
        let address = format!("192.168.2.{n}");
        let mut peer = peer(&address);
        (peer.leaf, peer.cluster, peer.vrf) = ("rack2".into(), "green".into(), "green".into());
        (peer.node, peer.rack, peer.peer_as) = (Some(format!("192.168.1.{n}")), "rack2".into(), Some(65202));
        fabric.peers.push(peer);
        for prefix in ["10.96.0.0/12".to_owned(), format!("10.32.{n}.0/26")] {
            let mut route = of(&address, &prefix, &[Reason::NotAllowed]);
            (route.leaf, route.cluster) = ("rack2".into(), "green".into());
            fabric.routes.push(route);
        }
    }
    let text = fabric.suggestion(SKELETON);
    let config = parsed(SKELETON, &text);
    let scoped = |at: usize| config.policy.allow[at].clusters.iter().map(|name| &**name).collect::<Vec<_>>();
    assert_eq!(
        allowed(&config),
        ["Service 10.96.0.0/12 [12]", "Pod 10.244.0.0/22 [26, 32]", "Pod 10.32.0.0/22 [26, 32]"]
    );
    assert_eq!((scoped(0), scoped(1), scoped(2)), (vec!["default", "green"], vec!["default"], vec!["green"]));
    // Two nodes with one name.
    assert!(config.nodes.iter().any(|node| &*node.name == "192.168.1.1-green"), "{text}");
}

#[test]
fn nothing_heard_is_nothing_suggested_and_json_is_refused() {
    let fabric = Fabric::default();
    let text = fabric.suggestion(SKELETON);
    assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    assert_eq!(ask("http://127.0.0.1:9", &["suggest", "-o", "json"]).0, 2);
}

#[test]
fn nodes_of_two_vrfs_may_have_one_address() {
    let mut fabric = Fabric::healthy(1);
    let mut twin = peer("192.168.1.1");
    (twin.leaf, twin.cluster, twin.vrf) = ("rack2".into(), "green".into(), "green".into());
    twin.node = Some("other".into());
    fabric.peers.push(twin);
    let text = fabric.suggestion(SKELETON);
    for pin in [
        "name = \"192.168.1.1\"\nrack = \"rack1\"\ncluster = \"default\"\n",
        "name = \"other\"\nrack = \"r1\"\ncluster = \"green\"\n",
    ] {
        assert!(text.contains(pin), "{text}");
    }
}

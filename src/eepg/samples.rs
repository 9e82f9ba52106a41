//! Rules and routes as tests need them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Rules;
use crate::config::model::{Caps, Contracts, Eepg, Match, Node, Piece, Redirect, SubnetScope, Template};
use crate::config::{self, Config, Machine};
use crate::observer::feed::{Destination, Offer};
use crate::policy::{Accepted, Class, Policy, Reasons, Subject};
use crate::speaker::PeerId;
use crate::time::Timestamp;

const FILE: &str = r#"
version = 1
[[leaf]]
name = "leaf1"
rack = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.1:1790"]
[[leaf]]
name = "leaf2"
rack = "rack2"
local_as = 65201
router_id = "10.0.0.102"
listen = ["127.0.0.2:1790"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]
[[policy.allow]]
class = "service"
prefix = "10.96.0.0/12"
lengths = [12, 32]
[[policy.allow]]
class = "node"
prefix = "192.168.0.0/16"
lengths = [29]
"#;

/// Two leaves, and no rule yet.
pub(super) fn config() -> Config {
    config::parse(FILE, "test.toml".as_ref(), &Machine).unwrap()
}

/// The rules of `fabric`.
pub(super) fn rules(eepgs: Vec<Eepg>, redirects: Vec<Redirect>) -> Rules {
    Rules::new("fabric", &Config { eepgs, redirects, ..config() })
}

/// A rule that takes all hosts to an EEPG of this name in `uni/tn-k8s/out-calico`.
pub(super) fn eepg(name: &str) -> Eepg {
    let piece = |text: &str| match text {
        "{node}" => Piece::Node,
        "{rack}" => Piece::Rack,
        text => Piece::Text(text.into()),
    };
    let name = name.replace('{', "|{").replace('}', "}|");
    Eepg {
        name: Template(name.split('|').filter(|text| !text.is_empty()).map(piece).collect()),
        apic: "fabric".into(),
        tenant: "k8s".into(),
        l3out: "calico".into(),
        vrf: "prod".into(),
        matches: Match::default(),
        create: false,
        contracts: Contracts::default(),
        scope: vec![SubnetScope::ImportSecurity],
        manage: true,
        caps: Caps::default(),
    }
}

/// A rule that takes all hosts to a redirect policy of this name in `uni/tn-k8s`.
pub(super) fn redirect(policy: &str) -> Redirect {
    Redirect {
        apic: "fabric".into(),
        tenant: "k8s".into(),
        policy: policy.into(),
        vrf: "prod".into(),
        matches: Match::default(),
        create: false,
        mac: None,
        health_group: None,
        ip_sla: None,
        min_destinations: 1,
    }
}

/// A pinned node.
pub(super) fn pin(name: &str, rack: Option<&str>, cluster: Option<&str>) -> Node {
    let (rack, cluster) = (rack.map(Arc::from), cluster.map(Arc::from));
    Node { name: name.into(), rack, cluster, addresses: vec![], asn: None }
}

/// A route of a node in `rack1`, heard by `leaf1`. Nodes have the names of letters or `unnamed`.
pub(super) fn offer(class: Class, node: &str, last: u8) -> Offer {
    Offer {
        accepted: accepted(class),
        peer: PeerId { leaf: "leaf1".into(), address: IpAddr::from([192, 168, 1, last]) },
        node: Some(node.into()).filter(|_| node != "unnamed"),
        witness: node.into(),
        cluster: "default".into(),
        rack: "rack1".into(),
        peer_as: 65_100 + u32::from(last),
        communities: Vec::new(),
        stale: false,
    }
}

/// What is announced of a prefix in the VRF `prod`.
pub(super) fn destination(prefix: &str, offers: Vec<Offer>) -> Destination {
    Destination {
        vrf: "prod".into(),
        prefix: net(prefix),
        offers,
        silent: Vec::new(),
        changed: Timestamp::from_micros(1),
    }
}

/// The proof that a route of this class was accepted.
fn accepted(class: Class) -> Accepted {
    let prefix = match class {
        Class::NodeSubnet => "192.168.1.0/29",
        Class::PodBlock => "10.244.1.0/26",
        Class::PodHost => "10.244.1.1/32",
        Class::ServiceCidr => "10.96.0.0/12",
        _ => "10.96.7.7/32",
    };
    let subject = Subject {
        address: [192, 168, 1, 2].into(),
        local: [192, 168, 1, 1].into(),
        peer_as: 65102,
        local_as: 65101,
        cluster: "default",
        vrf: "prod",
        rack: "rack1",
        node: None,
    };
    let accepted =
        Policy::new(&config()).terms(&subject).judge(net(prefix), Reasons::NONE).accepted().unwrap();
    assert_eq!(accepted.class(), class);
    accepted
}

pub(super) fn net(prefix: &str) -> IpNet {
    prefix.parse().unwrap()
}

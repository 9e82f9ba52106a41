//! The speaker over loopback, against a peer that is nothing but a socket.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::Config;
use crate::config::model::{
    Alerts, AsRange, FabricLimits, Findings, Global, Http, Journal, Leaf, LimitAction, Limits, Log,
    LogFormat, LogLevel, Metrics, Neighbors, NextHop, OriginAs, PerPeer, Policy, Safety, Transit, Unique,
    UniqueAs, Uniqueness,
};

mod churn;
mod client;
mod refusals;
mod reload;
mod security;
mod sessions;

pub(super) fn leaf(name: &str, local_as: u32) -> Leaf {
    Leaf {
        name: name.into(),
        local_as,
        router_id: Ipv4Addr::new(10, 255, 0, 5),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        rack: name.into(),
        cluster: "default".into(),
        vrf: "default".into(),
    }
}

pub(super) fn neighbors(leaf: &str, range: &str, peer_as: &str) -> Neighbors {
    let peer_as: u32 = peer_as.parse().unwrap();
    Neighbors {
        leaf: leaf.into(),
        range: range.parse().unwrap(),
        peer_as: vec![AsRange { first: peer_as, last: peer_as }],
        cluster: "default".into(),
        vrf: "default".into(),
        password: None,
        ttl_security_hops: None,
        hold_time: Duration::from_secs(3),
        passive: true,
        port: 179,
        max_peers: 400,
        limits: Limits { prefixes: 10000, warn_at: 0.8, action: LimitAction::Warn, rejected_kept: 1000 },
        max_stale_time: Duration::from_mins(6),
        add_path: false,
        ipv4: true,
        ipv6: true,
    }
}

pub(super) fn config(leaves: Vec<Leaf>, neighbors: Vec<Neighbors>) -> Config {
    Config {
        global: Global {
            name: None,
            state_dir: None,
            log: Log { format: LogFormat::Text, level: LogLevel::Info },
        },
        http: Http { listen: vec![], ..Http::default() },
        leaves,
        neighbors,
        nodes: vec![],
        policy: Policy {
            max_as_path: 2,
            count_leaf_as: true,
            origin_as: OriginAs::Peer,
            next_hop: NextHop::Peer,
            transit: Transit::Reject,
            uniqueness: Uniqueness {
                node_subnet: Unique::OneNode,
                pod_block: Unique::OneNode,
                pod_host: Unique::OneNode,
                service_host: Unique::Any,
                asn: UniqueAs::Auto,
            },
            allow: vec![],
        },
        findings: Findings {
            open_after: vec![],
            resolve_after: vec![],
            forget_after: Duration::from_hours(168),
        },
        limits: FabricLimits::default(),
        metrics: Metrics { per_peer: PerPeer::All, rogue_routes_max: 100 },
        apics: vec![],
        eepgs: vec![],
        redirects: vec![],
        safety: Safety::default(),
        journal: Journal::default(),
        alerts: Alerts::default(),
    }
}

//! What a valid configuration says. Everybody else reads this; only this room can make one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::shown;

mod alerts;
mod archive;
mod class;
mod community;
mod http;
mod journal;
mod sync;
mod tls;

pub use alerts::{Alertmanager, Alerts, Credentials, HiddenUrl, LeastSeverity, Webhook};
pub use archive::MrtArchive;
pub use class::Class;
pub use community::{Community, NoCommunity};
pub use http::{Http, Reading, Scope, Token};
pub use journal::{Fsync, Journal};
pub use sync::{
    Apic, Auth, Caps, Contracts, Digest, Eepg, FabricCaps, MassWithdraw, Match, Mode, Piece, Redirect,
    Safety, SubnetScope, Template, Trust,
};
pub use tls::{Tls, Unfit};

/// A whole, valid configuration, secrets read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// `[global]`.
    pub global: Global,
    /// `[http]`.
    pub http: Http,
    /// `[[leaf]]`, in the file's order.
    #[serde(rename = "leaf")]
    pub leaves: Vec<Leaf>,
    /// `[[neighbors]]`, in the file's order.
    pub neighbors: Vec<Neighbors>,
    /// `[[nodes]]`: pins.
    pub nodes: Vec<Node>,
    /// `[policy]`.
    pub policy: Policy,
    /// `[findings]`.
    pub findings: Findings,
    /// `[limits]`.
    pub limits: FabricLimits,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[[apic]]`, in the file's order.
    #[serde(rename = "apic")]
    pub apics: Vec<Apic>,
    /// `[[eepg]]`, in the file's order.
    #[serde(rename = "eepg")]
    pub eepgs: Vec<Eepg>,
    /// `[[redirect]]`, in the file's order.
    #[serde(rename = "redirect")]
    pub redirects: Vec<Redirect>,
    /// `[safety]`.
    pub safety: Safety,
    /// `[journal]`.
    pub journal: Journal,
    /// `[alerts]`.
    pub alerts: Alerts,
}

/// `[global]`: restart-only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Global {
    /// Who we are among several instances.
    pub name: Option<String>,
    /// Where state that outlives the process is kept.
    pub state_dir: Option<PathBuf>,
    /// `log`.
    pub log: Log,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// What is worth a line.
    pub level: LogLevel,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of prose.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And why.
    Debug,
    /// And everything.
    Trace,
}

/// `[[leaf]]`: a virtual leaf.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leaf {
    /// Its name, unique.
    pub name: Arc<str>,
    /// Its AS.
    pub local_as: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Where nodes reach it.
    pub listen: Vec<SocketAddr>,
    /// The rack it stands in.
    pub rack: Arc<str>,
    /// The cluster whose nodes peer with it, unless a neighbors entry says otherwise.
    pub cluster: Arc<str>,
    /// The VRF, likewise.
    pub vrf: Arc<str>,
}

/// `[[neighbors]]`: who may peer with a leaf, and on which terms.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own switches")]
pub struct Neighbors {
    /// The leaf's name.
    pub leaf: Arc<str>,
    /// Source addresses; the longest range that holds an address wins.
    pub range: IpNet,
    /// Permitted ASes.
    pub peer_as: Vec<AsRange>,
    /// The cluster these peers belong to.
    pub cluster: Arc<str>,
    /// The VRF these peers belong to.
    pub vrf: Arc<str>,
    /// TCP-MD5 key (RFC 2385).
    pub password: Option<Secret>,
    /// GTSM: how many hops away a peer may be (RFC 5082).
    pub ttl_security_hops: Option<u8>,
    /// Hold time that we offer.
    pub hold_time: Duration,
    /// Wait for the peer to connect.
    pub passive: bool,
    /// Port to dial.
    pub port: u16,
    /// How many peers of this range may be known at once.
    pub max_peers: usize,
    /// Prefix limits.
    pub limits: Limits,
    /// The longest that routes stay stale (RFC 4724).
    pub max_stale_time: Duration,
    /// Offer to receive additional paths (RFC 7911).
    pub add_path: bool,
    /// Offer IPv4 unicast.
    pub ipv4: bool,
    /// Offer IPv6 unicast.
    pub ipv6: bool,
}

/// Inclusive range of AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AsRange {
    /// First AS.
    pub first: u32,
    /// Last AS.
    pub last: u32,
}

impl AsRange {
    /// Whether `asn` lies in the range.
    pub const fn contains(&self, asn: u32) -> bool {
        self.first <= asn && asn <= self.last
    }
}

impl fmt::Display for AsRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// `limits` of a neighbors entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Prefixes a peer may announce.
    pub prefixes: u32,
    /// Share of `prefixes` at which to warn.
    pub warn_at: f64,
    /// What happens above.
    pub action: LimitAction,
    /// How many rejected routes of a peer are kept.
    pub rejected_kept: u32,
}

/// `limits.action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitAction {
    /// A finding, nothing else.
    #[default]
    Warn,
    /// Further routes are rejected with reason `limit`.
    Hold,
    /// Cease/1; refused for a while.
    Reset,
}

/// `[[nodes]]`: a pinned node, always known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Its rack.
    pub rack: Option<Arc<str>>,
    /// Its cluster; none: that of whichever range lets it in.
    pub cluster: Option<Arc<str>>,
    /// Its addresses.
    #[serde(rename = "address")]
    pub addresses: Vec<IpAddr>,
    /// Its AS, if it must be that one.
    #[serde(rename = "as")]
    pub asn: Option<u32>,
}

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Longest permitted effective AS path.
    pub max_as_path: u32,
    /// Count the AS that the leaf would prepend.
    pub count_leaf_as: bool,
    /// Permitted origin ASes.
    pub origin_as: OriginAs,
    /// Permitted next hops.
    pub next_hop: NextHop,
    /// What routes are that nodes hand on by design.
    pub transit: Transit,
    /// `uniqueness`.
    pub uniqueness: Uniqueness,
    /// `[[policy.allow]]`, in the file's order.
    pub allow: Vec<Allow>,
}

/// `policy.origin_as`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginAs {
    /// The peer itself.
    Peer,
    /// Anyone.
    Any,
    /// The peer or one of these.
    #[serde(untagged)]
    List(Vec<AsRange>),
}

/// `policy.next_hop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NextHop {
    /// The session's far end.
    Peer,
    /// Any.
    Any,
}

/// `policy.transit`: what becomes of a route that a node hands on from the fabric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transit {
    /// It is rejected as any other.
    #[default]
    Reject,
    /// It is noted: shown and counted, and no finding.
    Note,
}

/// `policy.uniqueness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Uniqueness {
    /// Node subnets.
    pub node_subnet: Unique,
    /// Pod blocks.
    pub pod_block: Unique,
    /// Pod hosts.
    pub pod_host: Unique,
    /// Service hosts.
    pub service_host: Unique,
    /// AS numbers of nodes.
    #[serde(rename = "as")]
    pub asn: UniqueAs,
}

/// How many nodes of a cluster may have one AS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UniqueAs {
    /// One, where most nodes have an AS of their own.
    #[default]
    Auto,
    /// One.
    OneNode,
    /// Any number.
    Any,
}

/// How many nodes may announce one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unique {
    /// One.
    OneNode,
    /// Any number.
    Any,
}

/// `[[policy.allow]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Allow {
    /// What the prefix is for.
    pub class: AllowClass,
    /// The prefix.
    pub prefix: IpNet,
    /// Permitted lengths, ascending.
    pub lengths: Vec<u8>,
    /// The route must contain the peer's own address.
    pub own_only: bool,
    /// Clusters it applies to; empty: all.
    pub clusters: Vec<Arc<str>>,
    /// VRFs it applies to; empty: all.
    pub vrfs: Vec<Arc<str>>,
    /// Racks it applies to; empty: all.
    pub racks: Vec<Arc<str>>,
    /// Pinned nodes it applies to; empty: all.
    pub nodes: Vec<Arc<str>>,
    /// Who must announce the prefix itself.
    pub expect: Expect,
    /// Who need not.
    #[serde(skip_serializing_if = "Except::is_nobody")]
    pub except: Except,
}

/// `class` of an allow entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AllowClass {
    /// `pod_block`, `pod_host`.
    Pod,
    /// `service_cidr`, `service_host`.
    Service,
    /// `node_subnet`.
    Node,
}

/// `expect` of an allow entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Every node that the entry applies to: the prefix itself (service) or one that holds its address (node).
    EveryNode,
    /// Nobody.
    None,
}

/// `except` of an allow entry: of whom nothing is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Except {
    /// These pinned nodes.
    pub nodes: Vec<Arc<str>>,
    /// All nodes of these racks.
    pub racks: Vec<Arc<str>>,
}

impl Except {
    /// Whether nobody is excepted.
    pub const fn is_nobody(&self) -> bool {
        self.nodes.is_empty() && self.racks.is_empty()
    }
}

/// `[findings]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// `open_after`: kind to duration, where it differs from the kind's default.
    #[serde(serialize_with = "shown::durations")]
    pub open_after: Vec<(String, Duration)>,
    /// `resolve_after`: the same for how long the cause must be gone.
    #[serde(serialize_with = "shown::durations")]
    pub resolve_after: Vec<(String, Duration)>,
    /// How long a dynamic peer may be down before it is forgotten.
    #[serde(serialize_with = "shown::duration")]
    pub forget_after: Duration,
}

/// `[limits]`: what the fabric can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FabricLimits {
    /// Prefixes in the longest-prefix-match table of a leaf.
    pub lpm: u64,
    /// Next hops of one prefix over which a leaf spreads traffic.
    pub ecmp: u32,
}

impl Default for FabricLimits {
    fn default() -> Self {
        Self { lpm: 20_000, ecmp: 64 }
    }
}

/// `[metrics]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Which peers get series of their own.
    pub per_peer: PerPeer,
    /// How many rogue routes get a series of their own.
    pub rogue_routes_max: usize,
}

/// `metrics.per_peer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PerPeer {
    /// Every known peer.
    #[default]
    All,
    /// Those that are down or have rejected, stale or missing routes.
    Problem,
    /// None.
    Off,
}

/// A secret: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("********")
    }
}

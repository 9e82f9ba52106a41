//! What readers see: the items of the HTTP API, and of the command line that reads it.
//!
//! Field names are the API's; they do not change without a new version of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::maintenance::Window;
use crate::policy::{Class, Reason};
use crate::time::Timestamp;

/// `GET /api/v1/summary`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Peers.
    pub peers: PeerCounts,
    /// Routes.
    pub routes: RouteCounts,
    /// Findings.
    pub findings: FindingCounts,
    /// What is worked on.
    pub maintenance: Vec<Window>,
    /// `observe` or `enforce`.
    pub mode: String,
}

/// Peers of all leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCounts {
    /// Pinned, or seen Established before.
    pub known: usize,
    /// Established now.
    pub established: usize,
}

/// Routes, of one peer or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCounts {
    /// Paths held: accepted, rejected and noted.
    pub total: u64,
    /// Accepted, stale ones included.
    pub accepted: u64,
    /// Rejected and kept.
    pub rejected: u64,
    /// Transit by design that is kept: neither accepted nor rejected.
    pub noted: u64,
    /// Stale, whatever the verdict.
    pub stale: u64,
    /// Rejected above the budget since the last (re)learn: counted, not kept.
    pub rejected_not_kept: u64,
    /// Noted above what is kept, since the last (re)learn: counted, not kept.
    pub noted_not_kept: u64,
    /// Accepted, by class.
    pub by_class: BTreeMap<Class, u64>,
}

/// Findings, by state and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Open, those that are muted aside.
    pub open: usize,
    /// Pending, those that are muted aside.
    pub pending: usize,
    /// Pending or open, and nobody is told.
    pub muted: usize,
    /// Open and not muted, by kind.
    pub by_kind: BTreeMap<String, usize>,
}

/// An item of `GET /api/v1/peers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The leaf's name.
    pub leaf: String,
    /// The far end's address.
    pub peer: IpAddr,
    /// The node's name: a pin's, or the peer's BGP identifier; none before the first session.
    pub node: Option<String>,
    /// Its BGP identifier; none before the first session.
    #[serde(default)]
    pub router_id: Option<Ipv4Addr>,
    /// The rack.
    pub rack: String,
    /// The cluster.
    pub cluster: String,
    /// The VRF.
    pub vrf: String,
    /// The peer's AS; none before the first session of a peer that is not pinned to one.
    pub peer_as: Option<u32>,
    /// The leaf's AS.
    pub local_as: u32,
    /// The state's name as in RFC 4271.
    pub state: String,
    /// Since when it is Established, or down.
    pub since: Option<Timestamp>,
    /// Negotiated hold time in seconds.
    pub hold_time: Option<u64>,
    /// Negotiated families.
    pub families: Vec<String>,
    /// What the peer's OPEN offered.
    pub capabilities: Vec<String>,
    /// Its routes.
    pub routes: RouteCounts,
    /// Rejected and kept, by first reason.
    pub rejected_by_reason: BTreeMap<Reason, u64>,
    /// Messages.
    pub messages: Messages,
    /// How often its sessions were reset.
    pub resets: u64,
    /// Why the last session ended.
    pub last_error: Option<String>,
    /// The window of maintenance that it is in.
    pub maintenance: Option<Maintenance>,
}

/// Why nobody is told of what is found in a peer, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// As whoever began it said.
    pub reason: String,
    /// It ends by itself.
    pub until: Timestamp,
}

/// Messages of a peer over all its sessions, by type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Received.
    pub received: BTreeMap<String, u64>,
    /// Sent.
    pub sent: BTreeMap<String, u64>,
}

/// An item of `GET /api/v1/routes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Canonical form.
    pub prefix: IpNet,
    /// The leaf's name.
    pub leaf: Arc<str>,
    /// The far end's address.
    pub peer: IpAddr,
    /// The node's name.
    pub node: Option<Arc<str>>,
    /// The cluster.
    pub cluster: Arc<str>,
    /// The VRF.
    pub vrf: Arc<str>,
    /// The peer's AS.
    pub peer_as: u32,
    /// Path identifier (RFC 7911); 0 without add-path.
    pub path_id: u32,
    /// What the prefix is for.
    pub class: Class,
    /// `accepted`, `rejected` or `noted`.
    pub state: Cow<'static, str>,
    /// Whether it outlives its session (RFC 4724).
    pub stale: bool,
    /// Why it is rejected or noted, first reason first.
    pub reasons: Vec<Reason>,
    /// The AS path as received, after the `AS4_PATH` merge.
    pub as_path: String,
    /// The next hop.
    pub next_hop: Option<IpAddr>,
    /// Communities of all three kinds.
    pub communities: Vec<String>,
    /// `MULTI_EXIT_DISC`.
    pub med: Option<u32>,
    /// `igp`, `egp` or `incomplete`.
    pub origin: Option<Cow<'static, str>>,
    /// Since when this announcement stands.
    pub since: Timestamp,
    /// The EEPG that holds it.
    pub eepg: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; none: this was the last.
    pub next_cursor: Option<String>,
    /// How many there are in all, where a counter tells.
    pub total: Option<u64>,
}

/// `GET /api/v1/routes/why`: how one route was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The route.
    pub route: Route,
    /// The steps of the judgement in order.
    pub steps: Vec<Step>,
    /// `accepted`, `rejected` or `noted`.
    pub verdict: String,
    /// The EEPG rule that took it, or why none did.
    pub eepg: String,
}

/// One step of a judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was asked: the reason that a "no" would give.
    pub check: Reason,
    /// Whether the route passed.
    pub passed: bool,
    /// What was compared with what.
    pub detail: String,
}

/// What tells a finding from all others of its kind: names of this API, and `rack` and `object` for what has none.
pub type Identity = BTreeMap<Cow<'static, str>, Arc<str>>;

/// The prefix of a finding that stands for many.
pub const MANY: &str = "many";

/// An item of `GET /api/v1/findings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its identity: the same cause has the same one while it lasts.
    pub id: String,
    /// What is wrong.
    pub kind: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// `pending`, `open` or `resolved`.
    pub state: String,
    /// Why nobody is told of it: `absorbed:ID` (the finding that explains it), `maintenance` or
    /// `acknowledged`.
    pub muted: Option<String>,
    /// What was said when it was muted.
    pub muted_because: Option<String>,
    /// The cluster; several are separated by `, `, and empty stands for all.
    pub cluster: String,
    /// The VRF; empty stands for all.
    pub vrf: String,
    /// The leaf, if only one is concerned.
    pub leaf: Option<String>,
    /// The peer, if only one is concerned.
    pub peer: Option<IpAddr>,
    /// The node, if only one is concerned.
    pub node: Option<String>,
    /// The prefix, if the finding is about one.
    pub prefix: Option<IpNet>,
    /// The reason of rejection, if the finding is about one.
    pub reason: Option<Reason>,
    /// What tells it from others of its kind; it stays the same whatever becomes known of it.
    #[serde(default)]
    pub identity: Identity,
    /// One sentence: what is wrong and what it does to traffic.
    pub summary: String,
    /// What to do about it.
    pub advice: String,
    /// Proofs, at most eight.
    pub evidence: Vec<String>,
    /// Findings that it explains, at most a hundred, by their identity.
    pub absorbs: Vec<String>,
    /// How many it explains.
    pub absorbs_total: usize,
    /// Since when the cause lasts.
    pub since: Timestamp,
    /// When it opened.
    pub opened: Option<Timestamp>,
    /// When its cause was gone.
    pub resolved: Option<Timestamp>,
}

impl Finding {
    /// Whether it is open, and somebody is told of it.
    pub fn is_told(&self) -> bool {
        self.state == "open" && self.muted.is_none()
    }
}

/// An item of `GET /api/v1/events` and of `/api/v1/stream`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the sequence: of all events since start in the stream, of all that are kept in the journal.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// `peer_up`, `peer_down`, `finding_pending`, `finding_open`, `finding_resolved`, `route_accepted`,
    /// `route_rejected`, `route_noted`, `route_withdrawn`, `reload`, `restored`, `maintenance_started`,
    /// `maintenance_ended`, `finding_acknowledged`, ...; of what clients ask for: `reload_failed`, `peer_reset`,
    /// `peer_forgotten`, `plan_applied`, `plan_approved`, `eepg_adopted`, `eepg_released`, `sync_paused`,
    /// `sync_resumed`, and `access_refused` (no token, or one that may not) or `change_refused` (it cannot be done).
    pub kind: String,
    /// The cluster, if one is concerned.
    pub cluster: Option<String>,
    /// The VRF, if one is concerned.
    pub vrf: Option<String>,
    /// The leaf, if one is concerned.
    pub leaf: Option<String>,
    /// The peer, if one is concerned.
    pub peer: Option<IpAddr>,
    /// The node, if one is concerned.
    pub node: Option<String>,
    /// The prefix, if one is concerned.
    pub prefix: Option<IpNet>,
    /// Who did it, if somebody did: the name of a token.
    pub actor: Option<String>,
    /// One line for people.
    pub text: String,
}

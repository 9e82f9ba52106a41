//! What keepers of members hear: which routes there are to a prefix, and who fell silent that had one.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::findings::{Kind, Severity};
use super::view;
use crate::policy::Accepted;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// A node as members remember it: its name, or its address if it has none, behind `CLUSTER/` unless its cluster
/// is called `default`.
pub type Witness = Arc<str>;

/// A node of `cluster` as members remember it.
pub fn witness(cluster: &str, node: Option<&str>, address: IpAddr) -> Witness {
    let name = node.map_or_else(|| address.to_string(), str::to_owned);
    if cluster == "default" { name.into() } else { format!("{cluster}/{name}").into() }
}

/// What is announced of one prefix in one VRF.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The VRF.
    pub vrf: Arc<str>,
    /// The prefix.
    pub prefix: IpNet,
    /// Its accepted routes, stale ones included, in the order of peers.
    pub offers: Vec<Offer>,
    /// Who had an accepted route when its session was lost, and did not say since whether it still has.
    pub silent: Vec<Silence>,
    /// When the first change was heard that was not told yet.
    pub changed: Timestamp,
}

/// An accepted route.
#[derive(Clone, Debug)]
pub struct Offer {
    /// That it is.
    pub accepted: Accepted,
    /// Who announces it.
    pub peer: PeerId,
    /// The node's name.
    pub node: Option<Arc<str>>,
    /// The node as members remember it.
    pub witness: Witness,
    /// Its cluster.
    pub cluster: Arc<str>,
    /// Its rack.
    pub rack: Arc<str>,
    /// Its AS.
    pub peer_as: u32,
    /// Those of its communities that a rule names.
    pub communities: Vec<Arc<str>>,
    /// It outlives its session (RFC 4724).
    pub stale: bool,
}

/// A peer that fell silent. It is told under each name that its node had when it was lost.
#[derive(Clone, Debug)]
pub struct Silence {
    /// Which.
    pub peer: PeerId,
    /// The node as members remember it.
    pub witness: Witness,
    /// When its session was lost, to the second.
    pub since: Timestamp,
}

/// All known peers at one moment. What was announced before that moment has been told or is to be told next.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The moment.
    pub at: Timestamp,
    /// All that was there was taken since it was last asked for, or since what rules name changed.
    pub complete: bool,
    /// How often more changed than could be noted. Whenever this is another number than before, all is told
    /// anew, and what was not told by the time that this is complete is gone.
    pub lost_track: u64,
    /// The peers.
    pub peers: Vec<RosterPeer>,
}

/// A known peer.
#[derive(Clone, Debug)]
pub struct RosterPeer {
    /// Which.
    pub peer: PeerId,
    /// The node as members remember it.
    pub witness: Witness,
    /// Its VRF.
    pub vrf: Arc<str>,
    /// Its rack.
    pub rack: Arc<str>,
    /// It is Established, and has sent End-of-RIB in every family or has had the time for it.
    pub settled: bool,
    /// Since when it is down: of one that was never seen, since we started.
    pub down_since: Option<Timestamp>,
    /// The window of maintenance that it is in.
    pub maintenance: Option<view::Maintenance>,
}

/// Something that who keeps members found wrong, as [`Observer::report`](super::Observer::report) takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// What sort of thing: one of those that no route shows.
    pub kind: Kind,
    /// What it is about: with `kind`, `vrf` and `prefix` its identity. A distinguished name, or an APIC's name.
    pub object: Arc<str>,
    /// The VRF; empty: none, or all.
    pub vrf: Arc<str>,
    /// The prefix, if it is about one.
    pub prefix: Option<IpNet>,
    /// How bad it is, if not as its kind.
    pub severity: Option<Severity>,
    /// One sentence: what is wrong and what it does to traffic.
    pub summary: String,
    /// What to do about it; empty: what its kind says.
    pub advice: String,
    /// Proofs, the weightiest first.
    pub evidence: Vec<String>,
}

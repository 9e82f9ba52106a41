//! What readers of state get: everything but the routes, at one moment.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::view;
use crate::bgp::Families;
use crate::policy::{Class, Reason};
use crate::speaker::stats::{Kind, SessionState};
use crate::speaker::{PeerId, PeerStats};
use crate::time::Timestamp;

/// Peers, counters and findings at one moment. Cheap to share; never changes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The moment.
    pub at: Timestamp,
    /// `GET /api/v1/summary`.
    pub summary: view::Summary,
    /// Known peers, by leaf and address.
    pub peers: Vec<PeerSnapshot>,
    /// Findings: pending, open, and resolved within 24 h.
    pub findings: Arc<[view::Finding]>,
    /// How many findings the bounds hid.
    pub findings_omitted: u64,
    /// The table.
    pub rib: RibSnapshot,
    /// How long batches took.
    pub processing: Processing,
    /// Events that wait for the observer, and how many may.
    pub queue: (usize, usize),
    /// How many inputs the trace lacks; none, if none is recorded.
    pub trace_lost: Option<u64>,
}

impl Snapshot {
    /// The peer with this identity, if it is known.
    pub fn peer(&self, id: &PeerId) -> Option<&PeerSnapshot> {
        let at = self.peers.binary_search_by(|peer| peer.id.cmp(id)).ok()?;
        self.peers.get(at)
    }
}

/// One known peer.
#[derive(Clone, Debug)]
pub struct PeerSnapshot {
    /// Who it is.
    pub id: PeerId,
    /// The node's name: a pin's, or the peer's BGP identifier; none before the first session.
    pub node: Option<Arc<str>>,
    /// Its BGP identifier; none before the first session.
    pub router_id: Option<Ipv4Addr>,
    /// Its rack.
    pub rack: Arc<str>,
    /// Its cluster.
    pub cluster: Arc<str>,
    /// Its VRF.
    pub vrf: Arc<str>,
    /// Its AS; none before the first session of a peer that is not pinned to one.
    pub peer_as: Option<u32>,
    /// The leaf's AS.
    pub local_as: u32,
    /// Whether it is Established.
    pub up: bool,
    /// Since when it is Established, or down.
    pub since: Option<Timestamp>,
    /// Negotiated hold time in seconds.
    pub hold_time: Option<u64>,
    /// Negotiated families.
    pub families: Families,
    /// What the peer's OPEN offered, for people.
    pub capabilities: Arc<[String]>,
    /// Counters of its sessions; none before the first.
    pub stats: Option<Arc<PeerStats>>,
    /// Why the last session ended.
    pub last_error: Option<Arc<str>>,
    /// Accepted routes, stale ones included, by [`Family`](crate::bgp::Family) and [`Class`].
    pub accepted: [[u64; Class::ALL.len()]; 2],
    /// Rejected and kept routes, by [`Family`](crate::bgp::Family) and first [`Reason`].
    pub rejected: [[u64; Reason::ALL.len()]; 2],
    /// Transit by design that is kept, by [`Family`](crate::bgp::Family).
    pub noted: [u64; 2],
    /// The same above what is kept, since the last (re)learn: counted, not kept.
    pub noted_not_kept: u64,
    /// Stale routes, whatever the verdict, by [`Family`](crate::bgp::Family).
    pub stale: [u64; 2],
    /// Rejected routes above the budget since the last (re)learn: counted, not kept.
    pub not_kept: u64,
    /// Prefixes announced since we started, by [`Family`](crate::bgp::Family).
    pub announced: [u64; 2],
    /// Prefixes withdrawn since we started, by [`Family`](crate::bgp::Family).
    pub withdrawn: [u64; 2],
    /// The limit on its prefixes.
    pub prefix_limit: u32,
    /// Expected service CIDRs that it does not announce.
    pub missing_service_cidrs: u64,
    /// Expected node subnets that it does not announce.
    pub missing_node_subnets: u64,
    /// The window of maintenance that it is in.
    pub maintenance: Option<view::Maintenance>,
}

impl PeerSnapshot {
    /// The state's name as in RFC 4271.
    pub fn state(&self) -> SessionState {
        match &self.stats {
            _ if self.up => SessionState::Established,
            // Between the session's end and our hearing of it, or the other way round.
            Some(stats) if stats.state() < SessionState::Established => stats.state(),
            Some(_) | None => SessionState::Idle,
        }
    }

    /// How many routes are held, accepted or rejected.
    pub fn held(&self) -> u64 {
        let rejected: u64 = self.rejected.iter().flatten().sum();
        rejected + self.accepted.iter().flatten().sum::<u64>()
    }

    /// How often its sessions were reset.
    pub fn resets(&self) -> u64 {
        use crate::speaker::ResetReason;
        let Some(stats) = &self.stats else { return 0 };
        ResetReason::ALL.into_iter().map(|reason| stats.resets(reason)).sum()
    }

    /// As `GET /api/v1/peers` shows it.
    pub fn view(&self) -> view::Peer {
        view::Peer {
            leaf: self.id.leaf.to_string(),
            peer: self.id.address,
            node: self.node.as_deref().map(str::to_owned),
            router_id: self.router_id,
            rack: self.rack.to_string(),
            cluster: self.cluster.to_string(),
            vrf: self.vrf.to_string(),
            peer_as: self.peer_as,
            local_as: self.local_as,
            state: self.state().name().to_owned(),
            since: self.since,
            hold_time: self.hold_time,
            families: self.families.iter().map(|family| family.name().to_owned()).collect(),
            capabilities: self.capabilities.to_vec(),
            routes: self.routes(),
            rejected_by_reason: self.rejected_by_reason(),
            messages: self.messages(),
            resets: self.resets(),
            last_error: self.last_error.as_deref().map(str::to_owned),
            maintenance: self.maintenance.clone(),
        }
    }

    /// Its routes, both families together.
    pub fn routes(&self) -> view::RouteCounts {
        let by_class = Class::ALL.into_iter().zip(both(&self.accepted)).filter(|(_, count)| *count > 0);
        let accepted = self.accepted.iter().flatten().sum();
        let rejected = self.rejected.iter().flatten().sum();
        let noted = self.noted.iter().sum::<u64>();
        view::RouteCounts {
            total: accepted + rejected + noted,
            accepted,
            rejected,
            noted,
            stale: self.stale.iter().sum(),
            rejected_not_kept: self.not_kept,
            noted_not_kept: self.noted_not_kept,
            by_class: by_class.collect(),
        }
    }

    fn rejected_by_reason(&self) -> std::collections::BTreeMap<Reason, u64> {
        Reason::ALL.into_iter().zip(both(&self.rejected)).filter(|(_, count)| *count > 0).collect()
    }

    fn messages(&self) -> view::Messages {
        let Some(stats) = &self.stats else { return view::Messages::default() };
        let name = |kind: Kind| kind.name().to_owned();
        view::Messages {
            received: Kind::ALL.into_iter().map(|kind| (name(kind), stats.received(kind))).collect(),
            sent: Kind::ALL.into_iter().map(|kind| (name(kind), stats.sent(kind))).collect(),
        }
    }
}

/// Adds up the two families.
fn both<const N: usize>([v4, v6]: &[[u64; N]; 2]) -> impl Iterator<Item = u64> {
    v4.iter().zip(v6).map(|(v4, v6)| v4 + v6)
}

/// The table of all routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct RibSnapshot {
    /// Prefixes, by [`Family`](crate::bgp::Family).
    pub prefixes: [u64; 2],
    /// Paths, by [`Family`](crate::bgp::Family).
    pub paths: [u64; 2],
    /// Octets of memory, estimated.
    pub bytes: u64,
    /// Sets of attributes.
    pub attribute_sets: u64,
}

/// How long batches took: a histogram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processing {
    /// Batches that took at most as long as the [bound](Self::BOUNDS) of the same place, not cumulative.
    pub buckets: [u64; Self::BOUNDS.len()],
    /// All batches.
    pub count: u64,
    /// Their time together, in seconds.
    pub sum: f64,
}

impl Processing {
    /// Upper bounds in seconds; what is above is in `count` alone.
    pub const BOUNDS: [f64; 8] = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0];

    pub(super) fn observe(&mut self, seconds: f64) {
        let mut buckets = self.buckets.iter_mut().zip(Self::BOUNDS);
        if let Some((bucket, _)) = buckets.find(|(_, bound)| seconds <= *bound) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

//! Families about peers: one sample a peer where that is wanted, and one a leaf always.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::Report;
use super::samples::Samples;
use crate::bgp::Family;
use crate::config::model::PerPeer;
use crate::observer::PeerSnapshot;
use crate::policy::{Class, Reason};
use crate::speaker::ResetReason;
use crate::speaker::stats::{ErrorAction, Kind, SessionState};

pub(super) fn collect(report: &Report) -> Vec<MetricFamily> {
    let mut families = leaves(report);
    let peers: Vec<_> =
        report.snapshot.peers.iter().filter(|peer| is_wanted(report, peer)).map(Labelled::new).collect();
    families.extend(sessions(&peers));
    families.extend(messages(&peers));
    families.extend(routes(&peers));
    families.extend(limits(&peers));
    families
}

fn is_wanted(report: &Report, peer: &PeerSnapshot) -> bool {
    match report.config.per_peer {
        PerPeer::All => true,
        PerPeer::Off => false,
        PerPeer::Problem => is_problem(peer),
    }
}

/// Down, or with rejected, stale or missing routes.
fn is_problem(peer: &PeerSnapshot) -> bool {
    let rejected = peer.not_kept + peer.rejected.iter().flatten().sum::<u64>();
    let missing = peer.missing_service_cidrs + peer.missing_node_subnets;
    !peer.up || rejected > 0 || missing > 0 || peer.stale.iter().any(|stale| *stale > 0)
}

/// A peer and the labels that name it: the bare address, for a port would make another series of it.
struct Labelled<'a> {
    peer: &'a PeerSnapshot,
    leaf: &'a str,
    address: String,
}

impl<'a> Labelled<'a> {
    fn new(peer: &'a PeerSnapshot) -> Self {
        Self { peer, leaf: &peer.id.leaf, address: peer.id.address.to_string() }
    }

    const fn labels(&self) -> [(&str, &str); 2] {
        [("leaf", self.leaf), ("peer", self.address.as_str())]
    }

    fn and<'l>(&'l self, name: &'l str, value: &'l str) -> [(&'l str, &'l str); 3] {
        let [leaf, peer] = self.labels();
        [leaf, peer, (name, value)]
    }

    /// With the address family, and `name` in its alphabetical place.
    fn with_afi<'l>(&'l self, family: Family, name: &'l str, value: &'l str) -> [(&'l str, &'l str); 4] {
        let [leaf, peer] = self.labels();
        [("afi", family.name()), (name, value), leaf, peer]
    }
}

/// What is counted over all peers that ever spoke to a leaf, so that no sum shrinks when one is forgotten.
#[derive(Default)]
struct Totals {
    states: [u64; SessionState::ALL.len()],
    errors: [u64; ErrorAction::ALL.len()],
    octets: u64,
    suspensions: u64,
}

fn totals(report: &Report) -> BTreeMap<&str, Totals> {
    let mut totals: BTreeMap<&str, Totals> = BTreeMap::new();
    for leaf in &report.leaves {
        totals.entry(leaf).or_default();
    }
    for peer in &report.snapshot.peers {
        let leaf = totals.entry(&peer.id.leaf).or_default();
        leaf.states[peer.state() as usize] += 1;
    }
    for (leaf, stats) in &report.counters {
        let leaf = totals.entry(leaf).or_default();
        for (sum, action) in leaf.errors.iter_mut().zip(ErrorAction::ALL) {
            *sum += stats.errors(action);
        }
        leaf.octets += stats.octets();
        leaf.suspensions += stats.suspended();
    }
    totals
}

fn leaves(report: &Report) -> Vec<MetricFamily> {
    let mut peers = Samples::gauge("bgp_peers", "Known peers, by the state of their session.");
    let mut errors = Samples::counter(
        "bgp_update_errors_total",
        "UPDATEs with errors, by what became of them (RFC 7606).",
    );
    let mut octets = Samples::counter("bgp_received_bytes_total", "Octets of BGP received.");
    let mut suspensions = Samples::counter(
        "bgp_suspensions_total",
        "Times a session waited until what was said before was taken in.",
    );
    for (leaf, totals) in totals(report) {
        for (state, count) in SessionState::ALL.into_iter().zip(totals.states) {
            peers.count(&[("leaf", leaf), ("state", state.name())], count);
        }
        for (action, count) in ErrorAction::ALL.into_iter().zip(totals.errors) {
            errors.count(&[("action", action.name()), ("leaf", leaf)], count);
        }
        octets.count(&[("leaf", leaf)], totals.octets);
        suspensions.count(&[("leaf", leaf)], totals.suspensions);
    }
    vec![peers.finish(), errors.finish(), octets.finish(), suspensions.finish(), refusals(report)]
}

fn refusals(report: &Report) -> MetricFamily {
    let mut refused = Samples::counter("bgp_connections_rejected_total", "Connections that a leaf refused.");
    for refusal in &report.refusals {
        refused.count(&[("leaf", &refusal.leaf), ("reason", refusal.reason)], refusal.count);
    }
    refused.finish()
}

fn sessions(peers: &[Labelled<'_>]) -> [MetricFamily; 4] {
    let mut up = Samples::gauge("bgp_session_up", "1: the session is Established; 0: a known peer is down.");
    let mut info = Samples::gauge("bgp_peer_info", "Always 1; to be joined on leaf and peer.");
    let mut since = Samples::gauge(
        "bgp_session_established_timestamp_seconds",
        "When the session reached Established, since the Unix epoch.",
    );
    let mut resets = Samples::counter("bgp_session_resets_total", "Sessions that ended, by the cause.");
    for labelled in peers {
        let peer = labelled.peer;
        up.count(&labelled.labels(), peer.up.into());
        info.count(&info_labels(labelled, &peer.local_as.to_string(), &number_or_empty(peer.peer_as)), 1);
        if let Some(at) = peer.since.filter(|_| peer.up) {
            since.add(&labelled.labels(), at.as_secs_f64());
        }
        let Some(stats) = &peer.stats else { continue };
        for reason in ResetReason::ALL {
            // Zeros too: a rate of what appears with its first event would miss that event.
            resets.count(&labelled.and("reason", reason.name()), stats.resets(reason));
        }
    }
    [up.finish(), info.finish(), since.finish(), resets.finish()]
}

fn info_labels<'l>(
    labelled: &'l Labelled<'_>,
    local_as: &'l str,
    peer_as: &'l str,
) -> [(&'l str, &'l str); 6] {
    let [leaf, peer] = labelled.labels();
    let node = labelled.peer.node.as_deref().unwrap_or_default();
    [leaf, ("local_as", local_as), ("node", node), peer, ("peer_as", peer_as), ("rack", &labelled.peer.rack)]
}

fn number_or_empty(number: Option<u32>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn messages(peers: &[Labelled<'_>]) -> [MetricFamily; 3] {
    let mut received = Samples::counter("bgp_messages_received_total", "BGP messages received, by type.");
    let mut sent = Samples::counter("bgp_messages_sent_total", "BGP messages sent, by type.");
    let mut prefixes = Samples::counter("bgp_prefixes_received_total", "Prefixes announced and withdrawn.");
    for labelled in peers {
        let peer = labelled.peer;
        for (family, (announced, withdrawn)) in by_family(peer.announced, peer.withdrawn) {
            if peer.families.contains(family) || announced + withdrawn > 0 {
                prefixes.count(&labelled.with_afi(family, "kind", "announce"), announced);
                prefixes.count(&labelled.with_afi(family, "kind", "withdraw"), withdrawn);
            }
        }
        let Some(stats) = &peer.stats else { continue };
        for kind in Kind::ALL {
            received.some(&labelled.and("type", kind.name()), stats.received(kind));
            sent.some(&labelled.and("type", kind.name()), stats.sent(kind));
        }
    }
    [received.finish(), sent.finish(), prefixes.finish()]
}

fn by_family<A, B>(a: [A; 2], b: [B; 2]) -> impl Iterator<Item = (Family, (A, B))> {
    Family::ALL.into_iter().zip(a.into_iter().zip(b))
}

fn routes(peers: &[Labelled<'_>]) -> [MetricFamily; 4] {
    let mut accepted = Samples::gauge("bgp_routes", "Accepted routes, stale ones included, by class.");
    let mut rejected =
        Samples::gauge("bgp_rejected_routes", "Rejected routes that are kept, by first reason.");
    let mut stale = Samples::gauge("bgp_stale_routes", "Routes that outlive their session (RFC 4724).");
    let mut not_kept = Samples::gauge(
        "bgp_rejected_routes_not_kept",
        "Routes above what is kept of rejected or very large ones: counted only.",
    );
    for labelled in peers {
        let peer = labelled.peer;
        for (family, (by_class, by_reason)) in by_family(peer.accepted, peer.rejected) {
            for (class, count) in Class::ALL.into_iter().zip(by_class) {
                accepted.some(&labelled.with_afi(family, "class", class.name()), count);
            }
            for (reason, count) in Reason::ALL.into_iter().zip(by_reason) {
                let [afi, reason, leaf, peer] = labelled.with_afi(family, "reason", reason.name());
                rejected.some(&[afi, leaf, peer, reason], count);
            }
        }
        for (family, count) in Family::ALL.into_iter().zip(peer.stale) {
            let [leaf, address] = labelled.labels();
            stale.some(&[("afi", family.name()), leaf, address], count);
        }
        not_kept.some(&labelled.labels(), peer.not_kept);
    }
    [accepted.finish(), rejected.finish(), stale.finish(), not_kept.finish()]
}

fn limits(peers: &[Labelled<'_>]) -> [MetricFamily; 3] {
    let mut held =
        Samples::gauge("bgp_prefixes_held", "Routes held, accepted and rejected: what the limit is about.");
    let mut limit = Samples::gauge("bgp_prefix_limit", "How many prefixes the peer may announce.");
    let mut missing =
        Samples::gauge("rib_missing_expected", "Expected prefixes that the peer does not announce, by kind.");
    for labelled in peers {
        let peer = labelled.peer;
        held.count(&labelled.labels(), peer.held());
        limit.count(&labelled.labels(), peer.prefix_limit.into());
        let kinds =
            [("service_cidr", peer.missing_service_cidrs), ("node_subnet", peer.missing_node_subnets)];
        for (kind, count) in kinds {
            let [leaf, address] = labelled.labels();
            missing.some(&[("kind", kind), leaf, address], count);
        }
    }
    [held.finish(), limit.finish(), missing.finish()]
}

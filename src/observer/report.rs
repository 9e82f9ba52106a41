//! The snapshot: everything but the routes, as it is now.

use std::sync::Arc;

use super::core::Core;
use super::peers::{Peer, Place};
use super::snapshot::{PeerSnapshot, RibSnapshot, Snapshot};
use super::view;
use crate::bgp::{Families, Family};
use crate::policy::Class;
use crate::rib::PeerIndex;
use crate::time::Timestamp;

impl Core {
    /// Everything but the routes. What only the loop knows, it adds.
    pub(super) fn snapshot(&self, now: Timestamp) -> Snapshot {
        let (waiting, uncounted) = self.findings.above_bounds();
        Snapshot {
            at: now,
            summary: self.summary(),
            peers: self.peers.in_order().map(|(at, peer)| self.peer(at, peer, now)).collect(),
            findings: self.findings.shown(),
            findings_omitted: uncounted.saturating_add(waiting as u64),
            rib: self.table(),
            ..Snapshot::default()
        }
    }

    /// The counters of all.
    pub(super) fn summary(&self) -> view::Summary {
        let mut by_class = [0; Class::ALL.len()];
        let (mut routes, mut peers) = (view::RouteCounts::default(), view::PeerCounts::default());
        for (at, peer) in self.peers.iter() {
            peers.known += 1;
            peers.established += usize::from(peer.session.is_some());
            for own in peer.tally.accepted.iter() {
                by_class.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
            routes.rejected += peer.tally.rejected();
            routes.stale += self.stale(at, peer).iter().sum::<u64>();
            routes.rejected_not_kept += peer.tally.not_kept.iter().sum::<u64>();
            routes.noted += peer.tally.noted();
            routes.noted_not_kept += peer.tally.noted_not_kept.iter().sum::<u64>();
        }
        routes.accepted = by_class.iter().sum();
        routes.total = routes.accepted + routes.rejected + routes.noted;
        routes.by_class = Class::ALL.into_iter().zip(by_class).filter(|(_, count)| *count > 0).collect();
        view::Summary {
            peers,
            routes,
            findings: self.findings.counts(),
            maintenance: self.maintenance.windows().to_vec(),
            mode: "observe".to_owned(),
        }
    }

    fn peer(&self, at: PeerIndex, peer: &Peer, now: Timestamp) -> PeerSnapshot {
        let in_grace = self.started.after(self.settings.route_grace) > now;
        let (missing_service_cidrs, missing_node_subnets) = if in_grace { (0, 0) } else { peer.missing(now) };
        let terms = peer.last.as_ref().map(|last| &last.negotiated);
        let up = peer.session.is_some();
        let Place { scope, rack, .. } = &peer.place;
        let window = self.maintenance.covering(peer.name.as_deref(), rack, &scope.cluster);
        PeerSnapshot {
            id: peer.id.clone(),
            node: peer.name.clone(),
            router_id: peer.identifier(),
            rack: peer.place.rack.clone(),
            cluster: peer.place.scope.cluster.clone(),
            vrf: peer.place.scope.vrf.clone(),
            peer_as: peer.asn(),
            local_as: peer.place.local_as,
            up,
            since: peer.since,
            hold_time: terms.filter(|_| up).map(|terms| terms.hold_time.as_secs()),
            families: terms.filter(|_| up).map_or(Families::NONE, |terms| terms.families),
            capabilities: peer
                .last
                .as_ref()
                .map_or_else(|| Arc::new([]) as _, |last| last.capabilities.clone()),
            stats: peer.last.as_ref().map(|last| last.stats.clone()),
            last_error: peer.last_error.clone(),
            accepted: peer.tally.accepted.array(),
            rejected: peer.tally.rejected.array(),
            noted: peer.tally.noted.array(),
            noted_not_kept: peer.tally.noted_not_kept.iter().sum(),
            stale: self.stale(at, peer),
            not_kept: peer.tally.not_kept.iter().sum(),
            announced: peer.tally.announced.array(),
            withdrawn: peer.tally.withdrawn.array(),
            prefix_limit: peer.prefix_limit(),
            missing_service_cidrs,
            missing_node_subnets,
            maintenance: window
                .map(|window| view::Maintenance { reason: window.reason.clone(), until: window.until }),
        }
    }

    fn table(&self) -> RibSnapshot {
        let counters = Family::ALL.map(|family| self.rib.counters(family));
        RibSnapshot {
            prefixes: counters.map(|counters| counters.prefixes),
            paths: counters.map(|counters| counters.paths),
            bytes: self.rib.bytes(),
            attribute_sets: self.rib.attribute_sets() as u64,
        }
    }
}

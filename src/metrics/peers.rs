//! Families about single peers, where they are wanted, in parts.

use super::Report;
use super::samples::{About, Samples};
use crate::bgp::Family;
use crate::config::model::PerPeer;
use crate::observer::PeerSnapshot;
use crate::policy::{Class, Reason};
use crate::speaker::ResetReason;
use crate::speaker::stats::Kind;

/// How many peers a part is about.
const PART: usize = 256;

/// How far the families are written.
#[derive(Default)]
pub(super) struct Place {
    family: usize,
    peer: usize,
    is_begun: bool,
}

/// The peers of a report that have samples, and their addresses as labels have them: the bare ones, for a
/// port would make another series of a peer.
pub(super) struct Wanted(Vec<(usize, Box<str>)>);

impl Wanted {
    pub(super) fn of(report: &Report) -> Self {
        let peers = report.snapshot.peers.iter().enumerate();
        let wanted = peers.filter(|(_, peer)| is_wanted(report, peer));
        Self(wanted.map(|(at, peer)| (at, peer.id.address.to_string().into())).collect())
    }
}

/// Writes the next part; `false`: all are written.
pub(super) fn write(report: &Report, wanted: &Wanted, place: &mut Place, text: &mut String) -> bool {
    let Some((about, write)) = FAMILIES.get(place.family) else { return false };
    let mut samples = Samples::again(*about, place.is_begun, text);
    for (at, address) in wanted.0.iter().skip(place.peer).take(PART) {
        if let Some(peer) = report.snapshot.peers.get(*at) {
            write(&Labelled { peer, leaf: &peer.id.leaf, address }, &mut samples);
        }
    }
    place.is_begun = samples.is_begun();
    place.peer += PART;
    if place.peer >= wanted.0.len() {
        *place = Place { family: place.family + 1, ..Place::default() };
    }
    true
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
    address: &'a str,
}

impl Labelled<'_> {
    const fn labels(&self) -> [(&str, &str); 2] {
        [("leaf", self.leaf), ("peer", self.address)]
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

/// Writes the samples that a peer has in a family.
type Write = fn(&Labelled<'_>, &mut Samples<'_>);

const FAMILIES: [(About, Write); 16] = [
    (About::gauge("bgp_session_up", "1: the session is Established; 0: a known peer is down."), up),
    (About::gauge("bgp_peer_info", "Always 1; to be joined on leaf and peer."), info),
    (
        About::gauge(
            "bgp_session_established_timestamp_seconds",
            "When the session reached Established, since the Unix epoch.",
        ),
        since,
    ),
    (About::counter("bgp_session_resets_total", "Sessions that ended, by the cause."), resets),
    (About::counter("bgp_messages_received_total", "BGP messages received, by type."), received),
    (About::counter("bgp_messages_sent_total", "BGP messages sent, by type."), sent),
    (About::counter("bgp_prefixes_received_total", "Prefixes announced and withdrawn."), prefixes),
    (About::gauge("bgp_routes", "Accepted routes, stale ones included, by class."), accepted),
    (About::gauge("bgp_rejected_routes", "Rejected routes that are kept, by first reason."), rejected),
    (About::gauge("bgp_noted_routes", "Transit by design (policy.transit = \"note\") that is kept."), noted),
    (
        About::gauge(
            "bgp_noted_routes_not_kept",
            "Transit by design above what is kept of it: counted only.",
        ),
        |peer, out| out.some(&peer.labels(), peer.peer.noted_not_kept),
    ),
    (About::gauge("bgp_stale_routes", "Routes that outlive their session (RFC 4724)."), stale),
    (
        About::gauge(
            "bgp_rejected_routes_not_kept",
            "Routes above what is kept of rejected or very large ones: counted only.",
        ),
        |peer, out| out.some(&peer.labels(), peer.peer.not_kept),
    ),
    (
        About::gauge("bgp_prefixes_held", "Routes held, accepted and rejected: what the limit is about."),
        |peer, out| out.add(&peer.labels(), peer.peer.held()),
    ),
    (About::gauge("bgp_prefix_limit", "How many prefixes the peer may announce."), |peer, out| {
        out.add(&peer.labels(), peer.peer.prefix_limit);
    }),
    (
        About::gauge("rib_missing_expected", "Expected prefixes that the peer does not announce, by kind."),
        missing,
    ),
];

fn up(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    out.add(&labelled.labels(), u8::from(labelled.peer.up));
}

fn info(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    let [leaf, address] = labelled.labels();
    let peer = labelled.peer;
    let node = peer.node.as_deref().unwrap_or_default();
    let peer_as = peer.peer_as.map(|number| number.to_string()).unwrap_or_default();
    let (local_as, rack) = (peer.local_as.to_string(), &*peer.rack);
    let labels = [
        ("cluster", &*peer.cluster),
        leaf,
        ("local_as", &*local_as),
        ("node", node),
        address,
        ("peer_as", &*peer_as),
        ("rack", rack),
        ("vrf", &*peer.vrf),
    ];
    out.add(&labels, 1);
}

fn since(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    if let Some(at) = labelled.peer.since.filter(|_| labelled.peer.up) {
        out.add(&labelled.labels(), at.as_secs_f64());
    }
}

fn resets(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    let Some(stats) = &labelled.peer.stats else { return };
    for reason in ResetReason::ALL {
        // Zeros too: a rate of what appears with its first event would miss that event.
        out.add(&labelled.and("reason", reason.name()), stats.resets(reason));
    }
}

fn received(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    let Some(stats) = &labelled.peer.stats else { return };
    for kind in Kind::ALL {
        out.some(&labelled.and("type", kind.name()), stats.received(kind));
    }
}

fn sent(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    let Some(stats) = &labelled.peer.stats else { return };
    for kind in Kind::ALL {
        out.some(&labelled.and("type", kind.name()), stats.sent(kind));
    }
}

fn prefixes(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    let peer = labelled.peer;
    for (family, (announced, withdrawn)) in by_family(peer.announced, peer.withdrawn) {
        if peer.families.contains(family) || announced + withdrawn > 0 {
            out.add(&labelled.with_afi(family, "kind", "announce"), announced);
            out.add(&labelled.with_afi(family, "kind", "withdraw"), withdrawn);
        }
    }
}

fn accepted(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    for (family, by_class) in Family::ALL.into_iter().zip(labelled.peer.accepted) {
        for (class, count) in Class::ALL.into_iter().zip(by_class) {
            out.some(&labelled.with_afi(family, "class", class.name()), count);
        }
    }
}

fn rejected(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    for (family, by_reason) in Family::ALL.into_iter().zip(labelled.peer.rejected) {
        for (reason, count) in Reason::ALL.into_iter().zip(by_reason) {
            let [afi, reason, leaf, peer] = labelled.with_afi(family, "reason", reason.name());
            out.some(&[afi, leaf, peer, reason], count);
        }
    }
}

fn noted(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    for (family, count) in Family::ALL.into_iter().zip(labelled.peer.noted) {
        let [leaf, address] = labelled.labels();
        out.some(&[("afi", family.name()), leaf, address], count);
    }
}

fn stale(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    for (family, count) in Family::ALL.into_iter().zip(labelled.peer.stale) {
        let [leaf, address] = labelled.labels();
        out.some(&[("afi", family.name()), leaf, address], count);
    }
}

fn missing(labelled: &Labelled<'_>, out: &mut Samples<'_>) {
    let peer = labelled.peer;
    let kinds = [("service_cidr", peer.missing_service_cidrs), ("node_subnet", peer.missing_node_subnets)];
    for (kind, count) in kinds {
        let [leaf, address] = labelled.labels();
        out.some(&[("kind", kind), leaf, address], count);
    }
}

fn by_family<A, B>(a: [A; 2], b: [B; 2]) -> impl Iterator<Item = (Family, (A, B))> {
    Family::ALL.into_iter().zip(a.into_iter().zip(b))
}

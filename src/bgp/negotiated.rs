//! What two OPENs agreed on. Parsing an UPDATE requires one of these.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::capability::RestartFamily;
use super::{Capability, Families, Family, Open};

/// The terms of an Established session: the only way to read an UPDATE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "one for each capability, named as the RFCs name them")]
pub struct Negotiated {
    /// The peer's AS, from the 4-octet capability where it was sent (RFC 6793).
    pub peer_as: u32,
    /// The peer's BGP identifier.
    pub peer_id: Ipv4Addr,
    /// Our AS on this session: the leaf's.
    pub local_as: u32,
    /// The smaller of both hold times; zero: no hold timer and no KEEPALIVEs (RFC 4271, 4.2).
    pub hold_time: Duration,
    /// A third of the hold time, at most 1 KEEPALIVE a second (RFC 4271, 4.4).
    pub keepalive_time: Duration,
    /// Families both sides offered; a peer without the capability offers IPv4 (RFC 4760, 8).
    pub families: Families,
    /// AS_PATH carries 4-octet numbers (RFC 6793).
    pub four_octet_as: bool,
    /// Families in which NLRI from the peer carries path identifiers (RFC 7911).
    pub add_path: Families,
    /// IPv4 prefixes may have a next hop of IPv6 (RFC 8950). Never offered; what others recorded may have it.
    #[serde(skip)]
    pub extended_next_hop: bool,
    /// We announced that we take messages above 4,096 octets (RFC 8654).
    pub extended_message: bool,
    /// The peer answers ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// Both delimit refreshes by BoRR and EoRR (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// The peer's graceful restart capability, if it sent one (RFC 4724).
    pub graceful_restart: Option<GracefulRestart>,
}

impl Negotiated {
    /// What two OPENs that are both acceptable agree on.
    pub fn between(ours: &Open<'_>, theirs: &Open<'_>) -> Self {
        let hold_time = Duration::from_secs(ours.hold_time.min(theirs.hold_time).into());
        let families = families(ours).intersection(families(theirs));
        let both =
            |capability| ours.capabilities.contains(&capability) && theirs.capabilities.contains(&capability);
        Self {
            peer_as: theirs.asn(),
            peer_id: theirs.identifier,
            local_as: ours.asn(),
            hold_time,
            keepalive_time: keepalive_time(hold_time),
            families,
            four_octet_as: ours.four_octet_as().is_some() && theirs.four_octet_as().is_some(),
            add_path: add_path(ours, true).intersection(add_path(theirs, false)).intersection(families),
            extended_next_hop: false,
            extended_message: ours.capabilities.contains(&Capability::ExtendedMessage),
            route_refresh: theirs.capabilities.contains(&Capability::RouteRefresh),
            enhanced_route_refresh: both(Capability::EnhancedRouteRefresh),
            graceful_restart: graceful_restart(ours, theirs, families),
        }
    }
}

fn keepalive_time(hold_time: Duration) -> Duration {
    match hold_time.checked_div(3) {
        Some(third) if !hold_time.is_zero() => third.max(Duration::from_secs(1)),
        _ => Duration::ZERO,
    }
}

/// Families offered; IPv4 where the capability is missing altogether (RFC 4760, 8).
fn families(open: &Open<'_>) -> Families {
    let mut offered = open.capabilities.iter().filter_map(|capability| match capability {
        Capability::Multiprotocol { afi, safi } => Some(Family::from_wire(afi, safi)),
        _ => None,
    });
    match offered.next() {
        None => Families::only(Family::Ipv4),
        Some(first) => first.into_iter().chain(offered.flatten()).collect(),
    }
}

/// Families of which `open` offers to receive, or to send, several paths a prefix (RFC 7911, 4).
fn add_path(open: &Open<'_>, receive: bool) -> Families {
    let mut families = Families::NONE;
    for capability in open.capabilities.iter() {
        let Capability::AddPath(entries) = capability else { continue };
        for entry in entries {
            let offered = if receive { entry.receives() } else { entry.sends() };
            if let Some(family) = Family::from_wire(entry.afi, entry.safi).filter(|_| offered) {
                families.insert(family);
            }
        }
    }
    families
}

/// Of several graceful restart capabilities the last counts (RFC 4724, 3).
fn graceful_restart(ours: &Open<'_>, theirs: &Open<'_>, negotiated: Families) -> Option<GracefulRestart> {
    let (restarting, notification, time, entries) = last_graceful_restart(theirs)?;
    let (_, our_notification, _, _) = last_graceful_restart(ours)?;
    let named = |entry: &&RestartFamily| Family::from_wire(entry.afi, entry.safi);
    let families: Families = entries.iter().filter_map(|entry| named(&entry)).collect();
    let forwarding: Families =
        entries.iter().filter(|entry| entry.forwarding).filter_map(|entry| named(&entry)).collect();
    Some(GracefulRestart {
        restarting,
        notification: notification && our_notification,
        restart_time: Duration::from_secs(time.into()),
        families: families.intersection(negotiated),
        forwarding: forwarding.intersection(negotiated),
    })
}

fn last_graceful_restart(open: &Open<'_>) -> Option<(bool, bool, u16, Vec<RestartFamily>)> {
    let offered = open.capabilities.iter().filter_map(|capability| match capability {
        Capability::GracefulRestart { restarting, notification, time, families } => {
            Some((restarting, notification, time, families))
        }
        _ => None,
    });
    offered.last()
}

/// What the peer said of graceful restart (RFC 4724, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GracefulRestart {
    /// R bit: the peer has restarted and waits for our End-of-RIB.
    pub restarting: bool,
    /// N bit in both OPENs: NOTIFICATION and hold expiry are graceful too (RFC 8538).
    pub notification: bool,
    /// How long the peer asks us to keep its routes.
    pub restart_time: Duration,
    /// Families named in the capability: their routes outlive the session.
    pub families: Families,
    /// Families with the F bit: forwarding state was preserved over the restart.
    pub forwarding: Families,
}

//! What the daemon heard, judged once more by an observer without sessions.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::path;
use crate::bgp::attribute::{Builder, Origin, code, flag};
use crate::bgp::negotiated::GracefulRestart;
use crate::bgp::session::Loss;
use crate::bgp::{Batch, Families, Family, Negotiated, Update};
use crate::cli::patience;
use crate::config::Config;
use crate::config::model::Neighbors;
use crate::mrt::{self, Entry};
use crate::observer::view::{Finding, Peer, Route};
use crate::observer::{Offline, RouteQuery, Settings};
use crate::speaker::stats::SessionState;
use crate::speaker::{Closed, Established, Event, PeerId, PeerStats, ResetReason, SessionId};
use crate::time::Timestamp;

/// Longer than any other time that is waited for here.
const RESTART_TIME: Duration = Duration::from_secs(4095);

/// An observer under one configuration, that is told what another has heard.
pub(super) struct Shadow {
    config: Arc<Config>,
    offline: Offline,
    now: Timestamp,
    sessions: HashMap<PeerId, SessionId>,
    /// Those that are down, and whether they left stale routes.
    down: Vec<(SessionId, bool)>,
}

/// Routes of one page, as their peers announced them.
#[derive(Default)]
pub(super) struct Said {
    by_peer: BTreeMap<PeerId, Batch>,
    /// Those that could not be put together again.
    pub(super) unreadable: u64,
}

impl Shadow {
    pub(super) fn new(config: &Config, now: Timestamp) -> Self {
        let mut config = config.clone();
        // All that is told is compared.
        for entry in &mut config.neighbors {
            entry.limits.rejected_kept = u32::MAX;
        }
        let config = Arc::new(config);
        let settings =
            Settings { route_grace: Duration::ZERO, peer_grace: Duration::ZERO, ..Settings::default() };
        let offline = Offline::new(Arc::clone(&config), settings, now);
        Self { config, offline, now, sessions: HashMap::new(), down: Vec::new() }
    }

    /// A known peer has its session, unless this configuration does not permit it.
    pub(super) fn peer(&mut self, peer: &Peer) {
        let Some(asn) = peer.peer_as else { return };
        let id = PeerId { leaf: peer.leaf.as_str().into(), address: peer.peer };
        let Some(neighbors) = permitted(&self.config, &id, asn) else { return };
        let Some(leaf) = self.config.leaves.iter().find(|leaf| leaf.name == id.leaf) else { return };
        let session = SessionId(self.sessions.len() as u64 + 1);
        let unspecified: IpAddr =
            if peer.peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let listens = leaf.listen.iter().map(std::net::SocketAddr::ip);
        let local = listens.into_iter().find(|address| address.is_ipv4() == peer.peer.is_ipv4());
        let stats = PeerStats::default();
        stats.set_state(SessionState::Established);
        let event = Established {
            session,
            peer: id.clone(),
            local: local.unwrap_or(unspecified),
            at: self.now,
            negotiated: Arc::new(terms(peer, asn, leaf.local_as)),
            capabilities: peer.capabilities.clone(),
            neighbors: Arc::new(neighbors.clone()),
            stats: Arc::new(stats),
        };
        self.offline.handle(Event::Established(Box::new(event)), self.now);
        if !peer.is_up() {
            self.down.push((session, peer.routes.stale > 0));
        }
        self.sessions.insert(id, session);
    }

    /// More of what peers said.
    pub(super) fn routes(&mut self, said: &Said) {
        for (peer, batch) in &said.by_peer {
            if let Some(session) = self.sessions.get(peer) {
                let event = Event::Routes { session: *session, at: self.now, batch: batch.clone() };
                self.offline.handle(event, self.now);
            }
        }
    }

    /// All is said: sessions that are down end, the others told everything.
    pub(super) fn settle(&mut self) {
        let mut end = Batch::default();
        for family in Family::ALL {
            end.push_end_of_rib(family);
        }
        let mut sessions: Vec<_> = self.sessions.values().copied().collect();
        sessions.sort_unstable();
        for session in sessions {
            let event = match self.down.iter().find(|(down, _)| *down == session) {
                None => Event::Routes { session, at: self.now, batch: end.clone() },
                Some((_, has_stale)) => Event::Closed(Closed {
                    session,
                    at: self.now,
                    reason: ResetReason::Tcp,
                    detail: String::new(),
                    loss: if *has_stale { Loss::Graceful } else { Loss::Final },
                    expiry: None,
                }),
            };
            self.offline.handle(event, self.now);
        }
        self.offline.finish(self.now);
    }

    /// All routes, in order, prefix by prefix.
    pub(super) fn walk(&self) -> Walk<'_> {
        let query = RouteQuery { limit: 1_000, ..RouteQuery::default() };
        Walk { offline: &self.offline, query: Some(query), page: Vec::new().into_iter() }
    }

    /// What is found, once all that is wrong has lasted; whoever it is told to.
    pub(super) fn findings(&mut self) -> Vec<Finding> {
        self.offline.finish(self.now.after(patience::of(&self.config)));
        let now = self.offline.now();
        let findings = self.offline.snapshot(now).findings;
        findings.iter().filter(|finding| finding.is_told()).cloned().collect()
    }
}

/// Walks the routes of a [`Shadow`].
pub(super) struct Walk<'a> {
    offline: &'a Offline,
    /// None after the last page.
    query: Option<RouteQuery>,
    page: std::vec::IntoIter<Route>,
}

impl Iterator for Walk<'_> {
    type Item = Route;

    fn next(&mut self) -> Option<Route> {
        loop {
            if let Some(route) = self.page.next() {
                return Some(route);
            }
            let query = self.query.take()?;
            let found = self.offline.routes(query.clone());
            let cursor = found.next_cursor.and_then(|cursor| cursor.parse().ok());
            self.query = cursor.map(|cursor| RouteQuery { cursor: Some(cursor), ..query });
            self.page = found.items.into_iter();
        }
    }
}

impl Said {
    /// What was announced for these routes to be there.
    pub(super) fn of(routes: &[Route]) -> Self {
        let mut said = Self::default();
        let mut body = Vec::new();
        for route in routes {
            let id = PeerId { leaf: Arc::clone(&route.leaf), address: route.peer };
            if said.add(id, route, &mut body).is_none() {
                said.unreadable += 1;
            }
        }
        said
    }

    fn add(&mut self, id: PeerId, route: &Route, body: &mut Vec<u8>) -> Option<()> {
        let attributes = attributes(route)?;
        let peer = mrt::Peer { address: route.peer, asn: route.peer_as, identifier: None };
        let entry = Entry {
            peer,
            originated: route.since,
            path_id: Some(route.path_id),
            attributes: &attributes,
            four_octet_as: true,
        };
        entry.write_update(route.prefix, body);
        let terms = entry.terms();
        let update = Update::parse(body, &terms).ok()?;
        update.announced().next()?;
        self.by_peer.entry(id).or_default().push_update(&update);
        Some(())
    }
}

/// The attributes by which a route is judged; communities are not among them.
fn attributes(route: &Route) -> Option<Vec<u8>> {
    let path = path::read(&route.as_path)?;
    let path: Vec<_> = path.iter().map(|(kind, numbers)| (kind.code(), numbers.as_slice())).collect();
    let origin = match route.origin.as_deref() {
        Some("egp") => Origin::Egp,
        Some("incomplete") => Origin::Incomplete,
        _ => Origin::Igp,
    };
    let said = Builder::default().origin(origin).as_path(&path);
    let said = match (route.next_hop?, Family::of(&route.prefix)) {
        (next_hop @ IpAddr::V4(_), Family::Ipv4) => said.next_hop(next_hop),
        // Abbreviated to the next hop, as tables have it (RFC 6396, 4.3.4).
        (IpAddr::V6(next_hop), _) => {
            said.raw(flag::OPTIONAL, code::MP_REACH, &[&[16], &next_hop.octets()[..]].concat())
        }
        (IpAddr::V4(_), Family::Ipv6) => return None,
    };
    Some(said.octets())
}

/// The range that lets a peer with this AS in, if one does.
fn permitted<'c>(config: &'c Config, id: &PeerId, asn: u32) -> Option<&'c Neighbors> {
    let of_leaf = config.neighbors.iter().filter(|entry| entry.leaf == id.leaf);
    let holding = of_leaf.filter(|entry| entry.range.contains(&id.address));
    let longest = holding.max_by_key(|entry| entry.range.prefix_len())?;
    longest.peer_as.iter().any(|range| range.contains(asn)).then_some(longest)
}

fn terms(peer: &Peer, asn: u32, local_as: u32) -> Negotiated {
    let named = |family: &Family| peer.families.iter().any(|name| name == family.name());
    // Of a session that is over it is not told what it had.
    let families: Families =
        Family::ALL.into_iter().filter(|family| named(family) || !peer.is_up()).collect();
    let restart = GracefulRestart {
        restarting: false,
        notification: false,
        restart_time: RESTART_TIME,
        families,
        forwarding: families,
    };
    Negotiated {
        peer_as: asn,
        peer_id: peer.router_id.unwrap_or(Ipv4Addr::UNSPECIFIED),
        local_as,
        families,
        graceful_restart: Some(restart),
        ..mrt::terms(true, true)
    }
}

//! One recorded peer: the session that it has by what the file says so far.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::places::{Place, offer};
use crate::bgp::negotiated::GracefulRestart;
use crate::bgp::session::{Ending, Offer};
use crate::bgp::{Batch, Families, Family, Negotiated, Open};
use crate::config::model::Neighbors;
use crate::mrt;
use crate::speaker::stats::SessionState;
use crate::speaker::{Closed, Established, Event, PeerId, PeerStats, ResetReason, SessionId};
use crate::time::Timestamp;

/// A recorded peer.
pub(super) struct Far {
    id: PeerId,
    neighbors: Arc<Neighbors>,
    offer: Offer,
    /// The leaf's end, where the file does not tell.
    local: IpAddr,
    pub(super) stats: Arc<PeerStats>,
    /// The AS of the session, or of the last one.
    pub(super) asn: u32,
    /// How the session, or the last one, came to be known.
    pub(super) how: How,
    /// An OPEN of the peer that has not become a session yet.
    pub(super) opened: Option<Open<'static>>,
    /// Its last OPEN, for what a session that began before the file does not tell.
    open: Option<Open<'static>>,
    /// Its BGP identifier, as an index of peers tells it.
    identifier: Option<Ipv4Addr>,
    pub(super) session: Option<SessionId>,
    restart: Option<GracefulRestart>,
    /// The session came up, and the file did not say so yet.
    pub(super) is_fresh: bool,
    /// Where the routes of each family are from.
    pub(super) source: [Option<Source>; 2],
    pub(super) mark: Option<Mark>,
    /// Routes of a table that are still to be handed over.
    pub(super) held: Batch,
}

/// Where routes are from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Messages.
    Messages,
    /// A table: which file's, and a hash of its name.
    Table { file: u32, view: u64 },
}

/// What a table has told of the peer.
pub(super) struct Mark {
    /// Which table, of all so far.
    pub(super) table: u64,
    /// Who it is, as the table says.
    pub(super) peer: mrt::Peer,
    /// By family.
    pub(super) told: [Told; 2],
}

/// What a table has told of a family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// The first that is known of it.
    New,
    /// All there is, in place of what was known.
    Again,
}

/// How a session comes to be known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It began before the file: nobody knows what it announced.
    Silent,
    /// Its beginning is in the file.
    Started,
    /// All that it announced is in a table.
    Table,
}

impl Far {
    pub(super) fn new(place: &Place<'_>, address: IpAddr) -> Self {
        let leaf = place.leaf;
        let listens = leaf.listen.iter().map(std::net::SocketAddr::ip);
        let unknown =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Self {
            id: PeerId { leaf: Arc::clone(&leaf.name), address },
            offer: offer(leaf.local_as, leaf.router_id, &place.neighbors),
            neighbors: Arc::clone(&place.neighbors),
            local: listens.into_iter().find(|local| local.is_ipv4() == address.is_ipv4()).unwrap_or(unknown),
            stats: Arc::default(),
            asn: 0,
            how: How::Silent,
            opened: None,
            open: None,
            identifier: None,
            session: None,
            restart: None,
            is_fresh: false,
            source: [None; 2],
            mark: None,
            held: Batch::default(),
        }
    }

    /// The session comes up: what the observer is told.
    pub(super) fn establish(
        &mut self,
        how: How,
        asn: u32,
        local: Option<IpAddr>,
        add_path: bool,
        (session, at): (SessionId, Timestamp),
    ) -> Event {
        let own = Families::only(if self.id.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 });
        let opened = self.opened.take();
        // What no OPEN says, nobody misses: families that are not negotiated owe nothing.
        let families = match (&opened, how) {
            (Some(_), _) => None,
            (None, How::Silent) => Some(Families::NONE),
            (None, How::Started | How::Table) => Some(own),
        };
        if opened.is_some() {
            self.open = opened;
        }
        let mut negotiated = match &self.open {
            Some(open) => Negotiated::between(&self.offer.open(), open),
            None => mrt::terms(true, false),
        };
        if let Some(families) = families {
            negotiated.families = families;
        }
        if add_path {
            negotiated.add_path = Families::ALL;
        }
        if let Some(identifier) = self.identifier {
            negotiated.peer_id = identifier;
        }
        (negotiated.peer_as, negotiated.local_as) = (asn, self.offer.local_as);
        (self.asn, self.how) = (asn, how);
        self.session = Some(session);
        self.restart = negotiated.graceful_restart;
        self.source = [None; 2];
        self.stats.set_state(SessionState::Established);
        Event::Established(Box::new(Established {
            session,
            peer: self.id.clone(),
            local: local.unwrap_or(self.local),
            at,
            capabilities: self
                .open
                .iter()
                .flat_map(|open| open.capabilities.iter())
                .map(|one| one.to_string())
                .collect(),
            negotiated: Arc::new(negotiated),
            neighbors: Arc::clone(&self.neighbors),
            stats: Arc::clone(&self.stats),
        }))
    }

    /// A table says who it is.
    pub(super) fn identify(&mut self, peer: &mrt::Peer) {
        self.identifier = peer.identifier;
    }

    /// The session ends, if there is one: what the observer is told.
    pub(super) fn close(&mut self, ending: &Ending, detail: String, at: Timestamp) -> Option<Event> {
        let session = self.session.take()?;
        let reason = match ending {
            Ending::Notified(notification) if notification.code == 4 => ResetReason::HoldTimerPeer,
            Ending::Notified(_) => ResetReason::NotificationReceived,
            Ending::Failed { .. } => ResetReason::NotificationSent,
            _ => ResetReason::Tcp,
        };
        self.stats.set_state(SessionState::Idle);
        self.stats.count_reset(reason);
        self.source = [None; 2];
        self.is_fresh = false;
        let loss = ending.loss(self.restart.as_ref());
        Some(Event::Closed(Closed { session, at, reason, detail, loss, expiry: None }))
    }

    /// Whether it is permitted to peer, were it alive.
    pub(super) fn is_permitted(&self, asn: u32) -> bool {
        self.offer.permits(asn)
    }

    pub(super) const fn id(&self) -> &PeerId {
        &self.id
    }
}

//! What is known beyond the life of the process: peers, open findings, maintenance.

use std::cmp::Reverse;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::core::Core;
use super::findings::{Kind, Saved};
use super::maintenance::Window;
use super::peers::{Peer, Remembered};
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// How much longer than its peers an open finding is believed that nobody has proven again.
const BENEFIT: Duration = Duration::from_mins(1);

/// Everything that must survive a restart, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The moment.
    pub at: Timestamp,
    /// Peers that had a session, by leaf and address.
    pub peers: Vec<KnownPeer>,
    /// Open findings.
    pub findings: Vec<Saved>,
    /// What is worked on.
    pub maintenance: Vec<Window>,
}

impl State {
    /// Whether both say the same, if of different moments.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.peers, &self.findings, &self.maintenance)
            == (&other.peers, &other.findings, &other.maintenance)
    }
}

/// A peer that had a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPeer {
    /// Who it is.
    pub peer: PeerId,
    /// Its AS.
    pub peer_as: u32,
    /// Its BGP identifier.
    pub identifier: Option<Ipv4Addr>,
    /// The node's name.
    pub node: Option<Arc<str>>,
    /// Since when it is known.
    pub known_since: Timestamp,
    /// Since when it is down; none: it is Established.
    pub down_since: Option<Timestamp>,
    /// Why its last session ended.
    pub last_error: Option<Arc<str>>,
}

impl KnownPeer {
    /// None: it never had a session.
    fn of(peer: &Peer) -> Option<Self> {
        Some(Self {
            peer: peer.id.clone(),
            peer_as: peer.heard_as()?,
            identifier: peer.identifier(),
            node: peer.name.clone(),
            known_since: peer.known_since,
            down_since: peer.since.filter(|_| peer.session.is_none()),
            last_error: peer.last_error.clone(),
        })
    }
}

impl Core {
    /// What must survive a restart.
    pub(super) fn state(&self, now: Timestamp) -> State {
        State {
            at: now,
            peers: self.peers.in_order().filter_map(|(_, peer)| KnownPeer::of(peer)).collect(),
            findings: self.findings.saved(),
            maintenance: self.maintenance.windows().to_vec(),
        }
    }

    /// A number that changes whenever [`state`](Self::state) may be another.
    pub(super) const fn state_revision(&self) -> u64 {
        self.known_revision.wrapping_add(self.findings.revision())
    }

    /// Takes over what was known before the process started. To be called before anything is heard.
    pub(super) fn restore(&mut self, state: State, now: Timestamp) {
        let believed = self.started.after(self.settings.peer_grace).after(BENEFIT);
        let before = self.peers.iter().count();
        let begun = state.findings.into_iter().map(|saved| saved.begun_by(now));
        self.findings.restore(begun, believed);
        let of = |kind| self.findings.current_of(kind).filter(|key| !key.is_burst()).cloned();
        self.racks_down = of(Kind::RackDown).collect();
        self.meshes = of(Kind::MeshLeftOn).collect();
        self.isolated = of(Kind::ObserverIsolated).next().is_some();
        self.maintenance.restore(state.maintenance, now);
        self.muting_dirty = true;
        self.restore_peers(state.peers, state.at, now);
        // Whom nothing lets in any more nobody will hear of.
        for gone in self.findings.silent().into_iter().filter(|peer| self.peers.find(peer).is_none()) {
            self.findings.heard(&gone, now);
        }
        self.miss_restored(now);
        (self.hosts_dirty, self.racks_dirty) = (true, true);
        self.known_revision += 1;
        let new = self.peers.iter().count().saturating_sub(before);
        self.chronicle.restored(new, self.findings.counts().open, state.at, now);
    }

    /// No more of a range than may be known at once: those who were there last.
    fn restore_peers(&mut self, mut known: Vec<KnownPeer>, written: Timestamp, now: Timestamp) {
        known.sort_by_key(|known| Reverse(known.down_since.unwrap_or(written)));
        let mut places: HashMap<(Arc<str>, IpNet), usize, RandomState> = HashMap::default();
        for known in known {
            let Some(neighbors) = self.map.neighbors(&known.peer) else { continue };
            let taken = places.entry((Arc::clone(&neighbors.leaf), neighbors.range)).or_default();
            *taken += 1;
            if *taken > neighbors.max_peers {
                continue;
            }
            self.restore_peer(known, written, now);
        }
    }

    /// None of the peers is there yet: what was found in them goes on.
    fn miss_restored(&mut self, now: Timestamp) {
        for at in self.peers.indexes() {
            if let Some(peer) = self.peers.get(at).filter(|peer| peer.heard_as().is_some()) {
                self.findings.lost(&peer.id);
            }
            self.miss_again(at, now);
        }
    }

    /// It is down, and was there when it was written of.
    fn restore_peer(&mut self, known: KnownPeer, written: Timestamp, now: Timestamp) -> Option<()> {
        let neighbors = Arc::clone(self.map.neighbors(&known.peer)?);
        let place = self.map.place(&neighbors)?;
        let pin = self.map.pin(known.peer.address, &place).cloned();
        let found = self.peers.find(&known.peer);
        let at = found.unwrap_or_else(|| self.peers.learn(known.peer, place, now));
        let patience = self.started.after(self.settings.peer_grace);
        let peer = self.peers.get_mut(at)?;
        if peer.heard_as().is_some() {
            return None;
        }
        peer.name = pin.as_ref().map(|pin| Arc::clone(&pin.name)).or(known.node);
        (peer.pin, peer.neighbors) = (pin, Some(neighbors));
        peer.known_since = known.known_since.min(now);
        peer.since = Some(known.down_since.unwrap_or(written).min(now));
        peer.last_error = known.last_error;
        let (asn, identifier) = (known.peer_as, known.identifier);
        peer.remembered = Some(Remembered { asn, identifier, patience });
        Some(())
    }
}

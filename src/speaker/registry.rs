//! Every connection of every peer, and what each may do: admission, collisions, orders. No IO.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::collision::{Direction, Identity, Stage, Verdict, judge};
use super::logs::Budget;
use super::queue::Share;
use super::refusal::Refusal;
use super::stats::SessionState;
use super::terms::{Table, Terms};
use super::{PeerId, PeerStats, SessionId};
use crate::bgp::Families;
use crate::bgp::notification::Cease;
use crate::bgp::session::Stop;
use crate::config::model::Neighbors;
use crate::time::Timestamp;

/// Connections of one address that may be silent at once.
const SILENT: usize = 4;
/// Silent connections that go when the machine has no resources for another.
const RELIEF: usize = 64;
/// Sessions of one peer that may wait at once for it to read why they ended.
const FAREWELLS: usize = 2;
/// Peers of a leaf whose budgets and shares outlive them.
const DEPARTED: usize = 1024;

/// All peers and their connections.
#[derive(Debug, Default)]
pub(super) struct Registry {
    table: Table,
    peers: HashMap<PeerId, Peer>,
    /// How full each range is.
    ranges: HashMap<(Arc<str>, IpNet), Occupancy>,
    leaves: HashMap<Arc<str>, Counts>,
    last_connection: u64,
    last_session: u64,
    /// No connection is let in any more, for this reason.
    closing: Option<Stop>,
}

#[derive(Debug, Default)]
struct Occupancy {
    /// Peers that were Established, or are about to be.
    peers: usize,
    /// Connections without an OPEN, those that make room already aside: the oldest first.
    silent: BTreeMap<u64, PeerId>,
}

#[derive(Debug, Default)]
struct Counts {
    refusals: [u64; Refusal::ALL.len()],
    logs: Arc<Budget>,
    /// What peers counted that are remembered no more.
    departed: Arc<PeerStats>,
    /// Their budgets for the log and shares of the observer's time: who comes and goes all the time does not
    /// get new ones each time.
    remembered: HashMap<IpAddr, (Arc<Budget>, Share)>,
}

#[derive(Debug)]
struct Peer {
    stats: Arc<PeerStats>,
    logs: Arc<Budget>,
    share: Share,
    farewells: Arc<Semaphore>,
    /// A valid OPEN came, once.
    heard: bool,
    /// A session was Established, and nobody asked to forget it.
    known: bool,
    /// What the dialler does, if we dial.
    dialling: Option<SessionState>,
    /// The range in which it takes a place.
    counted: Option<(Arc<str>, IpNet)>,
    refused_until: Timestamp,
    /// The oldest first.
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    direction: Direction,
    stage: Stage,
    terms: Arc<Terms>,
    orders: Arc<Orders>,
    /// It must make room for others, unless its OPEN is there when it hears of that.
    evicted: bool,
}

/// What a connection's task is told from outside.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pending: Mutex<Pending>,
    wake: Notify,
}

/// Orders that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) stop: Option<Stop>,
    pub(super) refresh: Families,
    /// Who waits until what the socket holds has been read.
    pub(super) looks: Vec<oneshot::Sender<()>>,
}

impl Orders {
    /// Until there may be something to [`take`](Self::take).
    pub(super) async fn given(&self) {
        self.wake.notified().await;
    }

    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the connection read what its socket holds. The answer comes when that is done, or it is gone.
    fn look(&self) -> oneshot::Receiver<()> {
        let (looked, answer) = oneshot::channel();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.looks.push(looked);
        self.wake.notify_one();
        answer
    }

    fn stop(&self, stop: Stop) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match &pending.stop {
            Some(first) if !is_eviction(first) => {}
            _ => pending.stop = Some(stop),
        }
        self.wake.notify_one();
    }

    /// There is no need to make room any more.
    fn spare(&self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.stop.take_if(|stop| is_eviction(stop));
    }

    fn refresh(&self, families: Families) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.refresh = pending.refresh.iter().chain(families.iter()).collect();
        self.wake.notify_one();
    }
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) peer: PeerId,
    pub(super) terms: Arc<Terms>,
    pub(super) orders: Arc<Orders>,
    pub(super) stats: Arc<PeerStats>,
    pub(super) logs: Arc<Budget>,
    pub(super) share: Share,
    /// Places for sessions of this peer that wait until it has read why they ended.
    pub(super) farewells: Arc<Semaphore>,
}

impl Registry {
    /// Lets in a connection from or to `address`, or says why not.
    pub(super) fn enter(
        &mut self,
        peer: PeerId,
        direction: Direction,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let Some(terms) = self.table.lookup(&peer.leaf, peer.address).map(Arc::clone) else {
            return Err(Refusal::NotInRange);
        };
        self.make_room(&terms);
        self.last_connection = self.last_connection.saturating_add(1);
        let id = self.last_connection;
        self.ranges.entry(place(&terms)).or_default().silent.insert(id, peer.clone());
        let entry = remember(&mut self.peers, &mut self.leaves, &peer);
        let evicted = entry.evict();
        let orders = Arc::new(Orders::default());
        if let Some(stop) = &self.closing {
            orders.stop(stop.clone());
        }
        let refused = entry.refused_until > now;
        if refused {
            orders.stop(Stop::Cease(Cease::ConnectionRejected, String::new()));
        }
        entry.connections.push(Connection {
            id,
            direction,
            stage: Stage::Silent,
            terms: Arc::clone(&terms),
            orders: Arc::clone(&orders),
            evicted: false,
        });
        entry.show();
        let (stats, logs, share) = (Arc::clone(&entry.stats), Arc::clone(&entry.logs), entry.share.clone());
        let farewells = Arc::clone(&entry.farewells);
        if refused {
            self.count(&peer.leaf, Refusal::PrefixLimit);
        }
        if let Some((oldest, terms)) = evicted {
            self.leave_silence(oldest, &terms);
        }
        Ok(Entry { id, peer, terms, orders, stats, logs, share, farewells })
    }

    /// Has the peer's other connections that sent an OPEN look at what they have not read: it may be their
    /// end. Who closes and connects again at once must not collide with himself.
    pub(super) fn look_at_others(&self, entry: &Entry) -> Vec<oneshot::Receiver<()>> {
        let connections = self.peers.get(&entry.peer).map_or(&[][..], |peer| &peer.connections);
        let talks = |stage| matches!(stage, Stage::Confirming(_) | Stage::Established { .. });
        let others = connections.iter().filter(|other| other.id != entry.id && talks(other.stage));
        others.map(|other| other.orders.look()).collect()
    }

    /// Judges a connection whose OPEN was valid. `Err`: what it must end with.
    pub(super) fn open(&mut self, entry: &Entry, who: Identity) -> Result<(), Stop> {
        let Some(peer) = self.peers.get_mut(&entry.peer) else { return Err(gone()) };
        let Some(newer) = peer.find(entry.id) else { return Err(gone()) };
        let (direction, terms) = (newer.direction, Arc::clone(&newer.terms));
        // The session judged the OPEN by the terms of its beginning.
        if !terms.offer.permits(who.asn) {
            return Err(Stop::Cease(Cease::PeerDeconfigured, String::new()));
        }
        let ours = Identity { asn: terms.offer.local_as, identifier: terms.offer.identifier };
        let mut losers = Vec::new();
        for older in peer.connections.iter().filter(|older| older.id != entry.id) {
            match judge(ours, (older.direction, older.stage), (direction, who)) {
                Verdict::Unrelated => {}
                Verdict::NewerLoses => {
                    self.count(&entry.peer.leaf, Refusal::Collision);
                    return Err(Stop::Cease(Cease::CollisionResolution, String::new()));
                }
                Verdict::OlderReplaced => losers.push((older.id, Stop::Replaced)),
                Verdict::OlderLoses => {
                    losers.push((older.id, Stop::Cease(Cease::CollisionResolution, String::new())));
                }
            }
        }
        if peer.counted.is_none() {
            let occupancy = self.ranges.entry(place(&terms)).or_default();
            if occupancy.peers >= terms.neighbors.max_peers {
                self.count(&entry.peer.leaf, Refusal::PeerLimit);
                return Err(Stop::Cease(Cease::ConnectionRejected, String::new()));
            }
            occupancy.peers = occupancy.peers.saturating_add(1);
            peer.counted = Some(place(&terms));
        }
        for (id, stop) in losers {
            peer.expel(id, stop);
        }
        peer.heard = true;
        if let Some(connection) = peer.find(entry.id) {
            connection.stage = Stage::Confirming(who);
            connection.evicted = false;
            connection.orders.spare();
        }
        peer.show();
        self.leave_silence(entry.id, &terms);
        Ok(())
    }

    /// A connection became Established: its session, and the entry that lets it in by now. None: it was
    /// expelled meanwhile.
    pub(super) fn establish(&mut self, entry: &Entry, graceful: bool) -> Option<(SessionId, Arc<Neighbors>)> {
        let peer = self.peers.get_mut(&entry.peer)?;
        let connection = peer.find(entry.id)?;
        let Stage::Confirming(who) = connection.stage else { return None };
        connection.stage = Stage::Established { who, graceful };
        let neighbors = Arc::clone(&connection.terms.neighbors);
        peer.known = true;
        peer.show();
        self.last_session = self.last_session.saturating_add(1);
        Some((SessionId(self.last_session), neighbors))
    }

    /// A connection ended; `forget`: its peer said that it will not come back.
    pub(super) fn leave(&mut self, entry: &Entry, forget: bool) {
        let Some(peer) = self.peers.get_mut(&entry.peer) else { return };
        let place = peer.connections.iter().position(|connection| connection.id == entry.id);
        if let Some(left) = place.map(|place| peer.connections.remove(place)) {
            peer.known &= !forget;
            if left.stage == Stage::Silent {
                self.leave_silence(left.id, &left.terms);
            }
        }
        self.tidy(&entry.peer);
    }

    /// A connection ended of which the observer has not heard everything yet: the peer's next one takes its
    /// place. `false`: it did so already.
    pub(super) fn hang_up(&mut self, entry: &Entry) -> bool {
        let peer = self.peers.get_mut(&entry.peer);
        let Some(connection) = peer.and_then(|peer| peer.find(entry.id)) else { return false };
        if let Stage::Established { who, .. } = connection.stage {
            connection.stage = Stage::HungUp(who);
        }
        true
    }

    /// What the dialler of `peer` does; none: it stopped.
    pub(super) fn dialling(&mut self, peer: &PeerId, state: Option<SessionState>) {
        let entry = remember(&mut self.peers, &mut self.leaves, peer);
        entry.dialling = state;
        entry.show();
        self.tidy(peer);
    }

    /// Whether `peer` has any connection, or is refused: no time to dial.
    pub(super) fn is_busy(&self, peer: &PeerId, now: Timestamp) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.connections.is_empty() || peer.refused_until > now)
    }

    /// Ends what connections `peer` has; whether there was one.
    pub(super) fn reset(&mut self, peer: &PeerId, cease: Cease) -> bool {
        let Some(peer) = self.peers.get(peer) else { return false };
        for connection in &peer.connections {
            connection.orders.stop(Stop::Cease(cease, String::new()));
        }
        !peer.connections.is_empty()
    }

    /// Refuses `peer` until then.
    pub(super) fn refuse(&mut self, peer: &PeerId, until: Timestamp) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.refused_until = peer.refused_until.max(until);
        }
    }

    pub(super) fn refresh(&self, peer: &PeerId, families: Families) {
        let connections = self.peers.get(peer).map_or(&[][..], |peer| &peer.connections);
        for connection in connections {
            if matches!(connection.stage, Stage::Established { .. }) {
                connection.orders.refresh(families);
            }
        }
    }

    /// Gives up the place of a peer that is down; whether there was such a peer.
    pub(super) fn forget(&mut self, peer: &PeerId) -> bool {
        let Some(entry) = self.peers.get_mut(peer) else { return false };
        if entry.stats.state() == SessionState::Established {
            return false;
        }
        entry.known = false;
        self.tidy(peer);
        true
    }

    /// Ends every connection, and every one that comes yet.
    pub(super) fn close(&mut self, stop: &Stop) {
        self.closing = Some(stop.clone());
        for connection in self.peers.values().flat_map(|peer| &peer.connections) {
            connection.orders.stop(stop.clone());
        }
    }

    /// Puts new terms in force. Ends the connections whose terms changed, and no other.
    pub(super) fn reconfigure(&mut self, table: Table) {
        self.table = table;
        self.ranges.clear();
        for (id, peer) in &mut self.peers {
            let terms = self.table.lookup(&id.leaf, id.address);
            for connection in &mut peer.connections {
                let asn = match connection.stage {
                    Stage::Silent => None,
                    Stage::Confirming(who) | Stage::Established { who, .. } | Stage::HungUp(who) => {
                        Some(who.asn)
                    }
                };
                match terms {
                    Some(new) if new.continues(&connection.terms, asn) => connection.terms = Arc::clone(new),
                    Some(new) if asn.is_none_or(|asn| new.offer.permits(asn)) => {
                        connection.orders.stop(Stop::Cease(Cease::ConfigurationChange, String::new()));
                    }
                    _ => {
                        connection.orders.stop(Stop::Cease(Cease::PeerDeconfigured, String::new()));
                        peer.known = false;
                    }
                }
            }
            peer.known &= terms.is_some();
            peer.counted = peer.counted.take().and(terms).map(|terms| place(terms));
            if let Some(place) = &peer.counted {
                let occupancy = self.ranges.entry(place.clone()).or_default();
                occupancy.peers = occupancy.peers.saturating_add(1);
            }
            for silent in peer.connections.iter().filter(|connection| connection.is_silent()) {
                let occupancy = self.ranges.entry(place(&silent.terms)).or_default();
                occupancy.silent.insert(silent.id, id.clone());
            }
        }
        for (id, peer) in self.peers.extract_if(|_, peer| !peer.is_wanted()) {
            self.leaves.entry(id.leaf).or_default().take_over(id.address, peer);
        }
    }

    /// Counts a connection that was refused on `leaf`; returns the budget for saying so.
    pub(super) fn count(&mut self, leaf: &Arc<str>, refusal: impl Into<Option<Refusal>>) -> Arc<Budget> {
        let counts = self.leaves.entry(Arc::clone(leaf)).or_default();
        let refused = refusal.into().and_then(|refusal| counts.refusals.get_mut(refusal as usize));
        if let Some(count) = refused {
            *count = count.saturating_add(1);
        }
        Arc::clone(&counts.logs)
    }

    /// Connections refused, by leaf and reason.
    pub(super) fn refusals(&self) -> Vec<(Arc<str>, &'static str, u64)> {
        let none = Counts::default();
        let mut refusals = Vec::new();
        for leaf in self.table.leaves() {
            let counts = self.leaves.get(&leaf.name).unwrap_or(&none);
            let counts = Refusal::ALL.iter().zip(counts.refusals);
            refusals.extend(counts.map(|(refusal, count)| (Arc::clone(&leaf.name), refusal.name(), count)));
        }
        refusals
    }

    /// Every peer that ever sent a valid OPEN, or is dialled.
    pub(super) fn peers(&self) -> Vec<(PeerId, Arc<PeerStats>)> {
        let shown = self.peers.iter().filter(|(_, peer)| peer.heard || peer.dialling.is_some());
        shown.map(|(id, peer)| (id.clone(), Arc::clone(&peer.stats))).collect()
    }

    /// Counters by leaf: of each peer, and of all that are remembered no more.
    pub(super) fn counters(&self) -> Vec<(Arc<str>, Arc<PeerStats>)> {
        let peers = self.peers.iter().map(|(id, peer)| (&id.leaf, &peer.stats));
        let departed = self.leaves.iter().map(|(leaf, counts)| (leaf, &counts.departed));
        peers.chain(departed).map(|(leaf, stats)| (Arc::clone(leaf), Arc::clone(stats))).collect()
    }

    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    fn leave_silence(&mut self, id: u64, terms: &Terms) {
        if let Some(occupancy) = self.ranges.get_mut(&place(terms)) {
            occupancy.silent.remove(&id);
        }
    }

    /// Makes room for a silent connection in a range that has too many: a node says its OPEN at once, and one
    /// whose OPEN is there stays, so the oldest is nobody's loss.
    fn make_room(&mut self, terms: &Terms) {
        let most = terms.neighbors.max_peers.saturating_mul(SILENT);
        let Some(occupancy) = self.ranges.get(&place(terms)).filter(|range| range.silent.len() >= most)
        else {
            return;
        };
        if let Some((id, peer)) = occupancy.silent.first_key_value().map(|(id, peer)| (*id, peer.clone())) {
            self.dismiss(id, &peer);
        }
    }

    /// The machine has no resources for another connection: the oldest silent ones of all leaves go.
    pub(super) fn relieve(&mut self) {
        let mut oldest: Vec<_> =
            self.ranges.values().flat_map(|range| range.silent.iter().take(RELIEF)).collect();
        oldest.sort_unstable();
        let oldest: Vec<_> = oldest.into_iter().take(RELIEF).map(|(id, peer)| (*id, peer.clone())).collect();
        for (id, peer) in oldest {
            self.dismiss(id, &peer);
        }
    }

    /// Tells a silent connection that others need its room.
    fn dismiss(&mut self, id: u64, of: &PeerId) {
        let Some(connection) = self.peers.get_mut(of).and_then(|peer| peer.find(id)) else { return };
        connection.evict();
        let terms = Arc::clone(&connection.terms);
        self.leave_silence(id, &terms);
    }

    /// Drops what nobody needs any more of a peer that changed.
    fn tidy(&mut self, id: &PeerId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.show();
        let idle = peer.connections.iter().all(|connection| connection.stage == Stage::Silent);
        if idle
            && !peer.known
            && let Some(occupancy) = peer.counted.take().and_then(|place| self.ranges.get_mut(&place))
        {
            occupancy.peers = occupancy.peers.saturating_sub(1);
        }
        if !peer.is_wanted()
            && let Some(peer) = self.peers.remove(id)
        {
            self.leaves.entry(Arc::clone(&id.leaf)).or_default().take_over(id.address, peer);
        }
    }
}

/// The peer, with what outlived it if it is new again.
fn remember<'a>(
    peers: &'a mut HashMap<PeerId, Peer>,
    leaves: &mut HashMap<Arc<str>, Counts>,
    id: &PeerId,
) -> &'a mut Peer {
    peers.entry(id.clone()).or_insert_with(|| {
        let counts = leaves.get_mut(&id.leaf);
        let kept = counts.and_then(|counts| counts.remembered.remove(&id.address));
        let (logs, share) = kept.unwrap_or_default();
        Peer::new(logs, share)
    })
}

impl Counts {
    /// Keeps what must outlive a peer that is remembered no more.
    fn take_over(&mut self, address: IpAddr, peer: Peer) {
        self.departed.absorb(&peer.stats);
        if self.remembered.len() >= DEPARTED {
            self.remembered.clear();
        }
        self.remembered.insert(address, (peer.logs, peer.share));
    }
}

impl Connection {
    /// Whether it counts among those without an OPEN.
    fn is_silent(&self) -> bool {
        self.stage == Stage::Silent && !self.evicted
    }

    fn evict(&mut self) {
        self.evicted = true;
        self.orders.stop(out_of_room());
    }
}

impl Peer {
    fn new(logs: Arc<Budget>, share: Share) -> Self {
        Self {
            stats: Arc::default(),
            logs,
            share,
            farewells: Arc::new(Semaphore::new(FAREWELLS)),
            heard: false,
            known: false,
            dialling: None,
            counted: None,
            refused_until: Timestamp::default(),
            connections: Vec::new(),
        }
    }

    fn find(&mut self, id: u64) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    /// Makes room for a silent connection: the oldest goes, so that none delays the peer's next one.
    fn evict(&mut self) -> Option<(u64, Arc<Terms>)> {
        let mut silent = self.connections.iter_mut().filter(|connection| connection.is_silent());
        let oldest = silent.next()?;
        if silent.count() < SILENT - 1 {
            return None;
        }
        oldest.evict();
        Some((oldest.id, Arc::clone(&oldest.terms)))
    }

    fn expel(&mut self, id: u64, stop: Stop) {
        if let Some(connection) = self.find(id) {
            connection.orders.stop(stop);
        }
        self.connections.retain(|connection| connection.id != id);
    }

    fn is_wanted(&self) -> bool {
        !self.connections.is_empty() || self.known || self.dialling.is_some()
    }

    /// Publishes the state of the furthest connection.
    fn show(&self) {
        let furthest = self.connections.iter().map(|connection| match connection.stage {
            Stage::Silent => SessionState::OpenSent,
            Stage::Confirming(_) => SessionState::OpenConfirm,
            Stage::Established { .. } | Stage::HungUp(_) => SessionState::Established,
        });
        let waiting = self.dialling.unwrap_or(SessionState::Active);
        self.stats.set_state(furthest.max().unwrap_or(waiting));
    }
}

fn place(terms: &Terms) -> (Arc<str>, IpNet) {
    (Arc::clone(&terms.leaf), terms.neighbors.range)
}

fn out_of_room() -> Stop {
    Stop::Cease(Cease::OutOfResources, String::new())
}

/// Whether a connection that is not silent need not obey.
pub(super) const fn is_eviction(stop: &Stop) -> bool {
    matches!(stop, Stop::Cease(Cease::OutOfResources, _))
}

/// For a connection that was expelled while it was on its way.
fn gone() -> Stop {
    Stop::Cease(Cease::CollisionResolution, String::new())
}

#[cfg(test)]
mod tests;

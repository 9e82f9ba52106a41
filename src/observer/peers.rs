//! The known peers: who they are, what their sessions are doing, what they announced in numbers.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::aggregation::Pods;
use super::alarms::Raised;
use super::each::Each;
use super::findings::{Announcer, Scope};
use super::silent::Lost;
use crate::bgp::{Families, Family, Negotiated};
use crate::config::model::{Neighbors, Node};
use crate::policy::{Class, Expected, Judgement, Reason, Terms};
use crate::rib::PeerIndex;
use crate::speaker::stats::ErrorAction;
use crate::speaker::{PeerId, PeerStats, SessionId};
use crate::time::Timestamp;

/// One known peer.
#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "no two exclude each other")]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) place: Place,
    /// The pin that names its address, if one does.
    #[serde(skip)]
    pub(super) pin: Option<Arc<Node>>,
    /// Since when it is known.
    pub(super) known_since: Timestamp,
    /// The representative of all peers behind which the same host stands: see [`super::hosts`].
    pub(super) host: PeerIndex,
    /// The node's name.
    pub(super) name: Option<Arc<str>>,
    /// Its place among the nodes that several leaves of a rack hear.
    pub(super) twin: Option<usize>,
    pub(super) session: Option<Session>,
    /// What is kept of the last session, or of the present one.
    pub(super) last: Option<Last>,
    /// What is known of it from before our start, until its first session since.
    pub(super) remembered: Option<Remembered>,
    /// Since when it is Established, or down.
    pub(super) since: Option<Timestamp>,
    pub(super) last_error: Option<Arc<str>>,
    #[serde(skip)]
    pub(super) terms: Option<Arc<Terms>>,
    #[serde(skip)]
    pub(super) neighbors: Option<Arc<Neighbors>>,
    pub(super) families: Each<FamilyState>,
    /// Families in which a prefix may have several paths, if only of an earlier session.
    pub(super) add_path: Families,
    /// When its stale routes go, or stop waiting for End-of-RIB.
    pub(super) stale_until: Option<Timestamp>,
    pub(super) tally: Tally,
    #[serde(skip)]
    pub(super) owed: Vec<Owed>,
    /// Its latest losses, at most four.
    pub(super) losses: VecDeque<Timestamp>,
    pub(super) limit: LimitState,
    /// When it was last asked to send everything again.
    pub(super) refreshed: Option<Timestamp>,
    /// Some of what was not kept may be acceptable now: it is to be asked as soon as it may be.
    pub(super) refresh_due: bool,
    /// UPDATEs with errors as counted when the house was last kept.
    pub(super) errors: [u64; ErrorAction::ALL.len()],
    /// How many of them its finding tells of.
    pub(super) errors_told: u64,
    /// How many routes that were not kept its finding tells of.
    pub(super) not_kept_told: u64,
    /// What is known of its pods.
    pub(super) pods: Pods,
    /// Which findings about it were raised and not cleared.
    pub(super) raised: Raised,
    /// Its session was lost, and it has not told everything again since.
    pub(super) silent: bool,
    /// How it was last lost.
    #[serde(skip)]
    pub(super) lost: Each<Lost>,
    /// Since when it has told everything.
    pub(super) settled_since: Option<Timestamp>,
    /// Whether something about it changed since its findings were looked at.
    pub(super) dirty: bool,
    /// No longer known: only its routes have yet to be swept.
    pub(super) leaving: bool,
}

/// Where a peer belongs.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) scope: Scope,
    /// Its VRF has several clusters.
    pub(super) shared: bool,
    pub(super) rack: Arc<str>,
    pub(super) local_as: u32,
}

/// An Established session.
#[derive(Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) since: Timestamp,
    pub(super) negotiated: Arc<Negotiated>,
    /// Its prefix limit was hit and its end is asked for: nothing more is learned from it.
    pub(super) condemned: bool,
    /// It announced something.
    pub(super) spoke: bool,
}

/// What is shown of a session, also after its end.
#[derive(Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) id: SessionId,
    /// Our end.
    pub(super) local: IpAddr,
    pub(super) negotiated: Arc<Negotiated>,
    pub(super) capabilities: Arc<[String]>,
    pub(super) stats: Arc<PeerStats>,
}

/// Who was there before we started.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) asn: u32,
    pub(super) identifier: Option<Ipv4Addr>,
    /// Before this it is not missed: it may not have found us yet.
    pub(super) patience: Timestamp,
}

/// What a family of a peer is going through.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct FamilyState {
    /// End-of-RIB was heard in this session.
    pub(super) end_of_rib: bool,
    pub(super) old: Old,
    /// The old generation is being swept.
    pub(super) sweeping: bool,
}

/// What the old generation of a family's paths stands for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Old {
    /// Routes like any others.
    #[default]
    Current,
    /// It outlives its session (RFC 4724).
    Stale,
    /// It is lost, and counts nowhere.
    Lost,
    /// The peer sends everything again (RFC 7313); this is what it did not send yet, and until when we wait.
    Refreshing(Timestamp),
}

impl FamilyState {
    pub(super) fn is_stale(&self) -> bool {
        self.old == Old::Stale
    }

    /// When a refresh that is under way must end.
    pub(super) const fn refresh_ends(&self) -> Option<Timestamp> {
        if let Old::Refreshing(until) = self.old { Some(until) } else { None }
    }

    /// Whether a refresh should have ended.
    pub(super) fn is_refresh_over(&self, now: Timestamp) -> bool {
        self.refresh_ends().is_some_and(|until| until <= now)
    }
}

/// Numbers, exact at any time.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) accepted: Each<[u64; Class::ALL.len()]>,
    pub(super) rejected: Each<[u64; Reason::ALL.len()]>,
    /// Transit by design that is kept, and above what is kept of it since the last (re)learn.
    pub(super) noted: Each<u64>,
    pub(super) noted_not_kept: Each<u64>,
    /// The sums of both.
    accepted_paths: u64,
    rejected_paths: u64,
    /// The sum of the hashes of the accepted prefixes: equal sets have equal sums in whatever order.
    pub(super) digest: Each<u64>,
    /// Rejected above the budget since the last (re)learn.
    pub(super) not_kept: Each<u64>,
    pub(super) announced: Each<u64>,
    pub(super) withdrawn: Each<u64>,
}

/// Something that the peer must announce.
#[derive(Clone, Copy)]
pub(super) struct Owed {
    pub(super) what: Expected,
    /// How many routes answer it.
    pub(super) have: u64,
}

impl Owed {
    /// The family that must answer it.
    pub(super) const fn family(&self) -> Family {
        match &self.what {
            Expected::ServiceCidr(prefix) | Expected::NodeSubnet(prefix) => Family::of(prefix),
        }
    }
}

/// What became of a peer's prefix limit.
#[derive(Serialize, Deserialize)]
pub(super) struct LimitState {
    /// From how many routes on it is a finding.
    pub(super) warn: u64,
    /// The last reset for it.
    reset: Option<Timestamp>,
    /// How many there were in a row.
    resets: u32,
}

impl LimitState {
    /// How long a peer is refused after a reset: 60 s, doubling to 10 min until it kept within for as long.
    pub(super) fn refuse(&mut self, now: Timestamp) -> Duration {
        const FIRST: Duration = Duration::from_mins(1);
        const LONGEST: Duration = Duration::from_mins(10);
        let in_a_row = self.reset.is_some_and(|reset| now.since(reset) < LONGEST * 2);
        self.resets = if in_a_row { self.resets.saturating_add(1) } else { 0 };
        self.reset = Some(now);
        FIRST.saturating_mul(1 << self.resets.min(4)).min(LONGEST)
    }
}

impl Peer {
    fn new(id: PeerId, place: Place, host: PeerIndex, now: Timestamp) -> Self {
        Self {
            id,
            place,
            pin: None,
            known_since: now,
            host,
            name: None,
            twin: None,
            session: None,
            last: None,
            remembered: None,
            since: None,
            last_error: None,
            terms: None,
            neighbors: None,
            families: Each::default(),
            add_path: Families::NONE,
            stale_until: None,
            tally: Tally::default(),
            owed: Vec::new(),
            losses: VecDeque::new(),
            limit: LimitState { warn: u64::MAX, reset: None, resets: 0 },
            refreshed: None,
            refresh_due: false,
            errors: [0; ErrorAction::ALL.len()],
            errors_told: 0,
            not_kept_told: 0,
            pods: Pods::default(),
            raised: Raised::default(),
            silent: false,
            lost: Each::default(),
            settled_since: None,
            dirty: false,
            leaving: false,
        }
    }

    pub(super) const fn family(&self, family: Family) -> &FamilyState {
        self.families.of(family)
    }

    pub(super) const fn family_mut(&mut self, family: Family) -> &mut FamilyState {
        self.families.of_mut(family)
    }

    /// Families of the present session, or of the last one.
    pub(super) fn negotiated_families(&self) -> Families {
        self.last.as_ref().map_or(Families::NONE, |last| last.negotiated.families)
    }

    /// How long its routes may be stale.
    pub(super) fn max_stale_time(&self) -> Duration {
        self.neighbors.as_ref().map_or(Duration::ZERO, |neighbors| neighbors.max_stale_time)
    }

    /// Whether the session has said all it has to say of this family, or has had the time for it.
    pub(super) fn settled(&self, family: Family, now: Timestamp) -> bool {
        let state = self.family(family);
        let Some(session) = &self.session else { return false };
        !state.is_stale()
            && session.negotiated.families.contains(family)
            && (state.end_of_rib || session.since.after(self.max_stale_time()) <= now)
    }

    /// Whether a path of this peer outlives its session.
    pub(super) fn is_stale(&self, family: Family, old: bool) -> bool {
        old && self.family(family).is_stale()
    }

    /// Whether a path of this peer is lost, though it still has to be swept.
    pub(super) fn is_lost(&self, family: Family, old: bool) -> bool {
        old && self.family(family).old == Old::Lost
    }

    /// Who announces, as the findings want to know it.
    pub(super) fn announcer(&self) -> Announcer {
        let scope = self.place.scope.clone();
        Announcer { peer: self.id.clone(), scope, node: self.name.clone() }
    }

    /// Its BGP identifier, of the present session or the last: no OPEN has 0, which stands for one that was
    /// not recorded.
    pub(super) fn identifier(&self) -> Option<Ipv4Addr> {
        let identifier = match &self.last {
            Some(last) => last.negotiated.peer_id,
            None => self.remembered?.identifier?,
        };
        (!identifier.is_unspecified()).then_some(identifier)
    }

    /// The peer's AS, also before its first session if its pin says so.
    pub(super) fn asn(&self) -> Option<u32> {
        let pinned = || self.pin.as_ref().and_then(|pin| pin.asn);
        self.heard_as().or_else(pinned)
    }

    /// The AS of its present session, or of the last one; none: it never had one.
    pub(super) fn heard_as(&self) -> Option<u32> {
        let last = self.last.as_ref().map(|last| last.negotiated.peer_as);
        last.or_else(|| self.remembered.map(|before| before.asn))
    }
}

impl Tally {
    /// Counts one path more, or less.
    pub(super) fn count(&mut self, family: Family, judgement: Judgement, more: bool) {
        let step = |count: &mut u64| *count = if more { *count + 1 } else { count.saturating_sub(1) };
        let (by, sum) = match judgement.reasons().first() {
            Some(Reason::Transit) => return step(self.noted.of_mut(family)),
            None => {
                (self.accepted.of_mut(family).get_mut(judgement.class() as usize), &mut self.accepted_paths)
            }
            Some(reason) => (self.rejected.of_mut(family).get_mut(reason as usize), &mut self.rejected_paths),
        };
        by.map(step);
        step(sum);
    }

    /// Accepted, stale ones included.
    pub(super) const fn accepted(&self) -> u64 {
        self.accepted_paths
    }

    /// Rejected and kept.
    pub(super) const fn rejected(&self) -> u64 {
        self.rejected_paths
    }

    /// Noted and kept.
    pub(super) fn noted(&self) -> u64 {
        self.noted.iter().sum()
    }

    /// Counts a route that is not kept.
    pub(super) fn count_not_kept(&mut self, family: Family, judgement: Judgement) {
        let counts = if judgement.is_noted() { &mut self.noted_not_kept } else { &mut self.not_kept };
        *counts.of_mut(family) += 1;
    }

    /// What was noted and not kept is rejected from now on.
    pub(super) fn reject_noted(&mut self) {
        for family in Family::ALL {
            *self.not_kept.of_mut(family) += std::mem::take(self.noted_not_kept.of_mut(family));
        }
    }

    /// Begins to count anew what of a family is not kept.
    pub(super) const fn keep_all(&mut self, family: Family) {
        *self.not_kept.of_mut(family) = 0;
        *self.noted_not_kept.of_mut(family) = 0;
    }

    /// Accepted or rejected: what a prefix limit is about.
    pub(super) const fn held(&self) -> u64 {
        self.accepted_paths + self.rejected_paths
    }

    /// Rejected, or noted, for this reason first, both families together.
    pub(super) fn rejected_for(&self, reason: Reason) -> u64 {
        if reason == Reason::Transit {
            return self.noted();
        }
        self.rejected.iter().filter_map(|by| by.get(reason as usize)).sum()
    }

    /// Held, the ones above the prefix limit aside.
    pub(super) fn admitted(&self) -> u64 {
        self.held().saturating_sub(self.rejected_for(Reason::Limit))
    }

    /// Forgets what is held of a family.
    pub(super) fn clear(&mut self, family: Family) {
        *self.accepted.of_mut(family) = Default::default();
        *self.rejected.of_mut(family) = Default::default();
        *self.noted.of_mut(family) = 0;
        *self.digest.of_mut(family) = 0;
        self.keep_all(family);
        self.accepted_paths = self.accepted.iter().flatten().sum();
        self.rejected_paths = self.rejected.iter().flatten().sum();
    }
}

/// All known peers.
#[derive(Default)]
pub(super) struct Peers {
    slots: Vec<Option<Peer>>,
    free: Vec<PeerIndex>,
    /// In the order in which they are shown.
    by_id: BTreeMap<PeerId, PeerIndex>,
    by_session: HashMap<SessionId, PeerIndex, RandomState>,
}

impl Peers {
    pub(super) fn get(&self, at: PeerIndex) -> Option<&Peer> {
        self.slots.get(at.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: PeerIndex) -> Option<&mut Peer> {
        self.slots.get_mut(at.0 as usize)?.as_mut()
    }

    /// The peer with this identity, if it is known.
    pub(super) fn find(&self, id: &PeerId) -> Option<PeerIndex> {
        self.by_id.get(id).copied()
    }

    /// The peer whose present session this is.
    pub(super) fn of_session(&self, session: SessionId) -> Option<PeerIndex> {
        self.by_session.get(&session).copied()
    }

    pub(super) fn bind(&mut self, session: SessionId, at: PeerIndex) {
        self.by_session.insert(session, at);
    }

    pub(super) fn unbind(&mut self, session: SessionId) {
        self.by_session.remove(&session);
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The known ones, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerIndex, &Peer)> {
        let numbered = (0..).map(PeerIndex).zip(&self.slots);
        numbered.filter_map(|(at, peer)| Some((at, peer.as_ref()?))).filter(|(_, peer)| !peer.leaving)
    }

    /// The known ones, by leaf and address.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (PeerIndex, &Peer)> {
        self.by_id.values().filter_map(|at| Some((*at, self.get(*at)?)))
    }

    /// The known ones, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.slots.iter_mut().flatten().filter(|peer| !peer.leaving)
    }

    /// Where they are, those included that are about to leave.
    pub(super) fn indexes(&self) -> Vec<PeerIndex> {
        let numbered = (0..).map(PeerIndex).zip(&self.slots);
        numbered.filter_map(|(at, peer)| peer.as_ref().map(|_| at)).collect()
    }

    /// Whether some that left still have routes.
    pub(super) fn any_leaving(&self) -> bool {
        self.slots.iter().flatten().any(|peer| peer.leaving)
    }

    /// All places, and those that are free to be used again.
    pub(super) fn slots(&self) -> (&[Option<Peer>], &[PeerIndex]) {
        (&self.slots, &self.free)
    }

    /// The same again.
    pub(super) fn of_slots(slots: Vec<Option<Peer>>, free: Vec<PeerIndex>) -> Self {
        let mut peers = Self { slots, free, ..Self::default() };
        for (at, slot) in (0..).map(PeerIndex).zip(&peers.slots) {
            let Some(peer) = slot else { continue };
            peers.by_id.insert(peer.id.clone(), at);
            peers.by_session.extend(peer.session.as_ref().map(|session| (session.id, at)));
        }
        peers
    }

    /// Makes a peer known.
    pub(super) fn learn(&mut self, id: PeerId, place: Place, now: Timestamp) -> PeerIndex {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            PeerIndex(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        });
        self.by_id.insert(id.clone(), at);
        if let Some(slot) = self.slots.get_mut(at.0 as usize) {
            *slot = Some(Peer::new(id, place, at, now));
        }
        at
    }

    /// Makes a peer unknown; it stays until [`Peers::remove`], once its routes are gone.
    pub(super) fn leave(&mut self, at: PeerIndex) {
        let Some(peer) = self.slots.get_mut(at.0 as usize).and_then(Option::as_mut) else { return };
        peer.leaving = true;
        self.by_id.remove(&peer.id);
    }

    /// Takes out a peer that left and has no routes any more: its place is used again.
    pub(super) fn remove(&mut self, at: PeerIndex) {
        if let Some(slot) = self.slots.get_mut(at.0 as usize)
            && slot.take_if(|peer| peer.leaving).is_some()
        {
            self.free.push(at);
        }
    }
}

/// Whether `prefix` answers what is expected of a peer with these addresses.
pub(super) fn answers(what: Expected, prefix: &IpNet, own: IpAddr, pin: Option<&Node>) -> bool {
    match what {
        Expected::ServiceCidr(expected) => expected == *prefix,
        Expected::NodeSubnet(within) => {
            within.contains(prefix) && own_addresses(own, pin).any(|own| prefix.contains(&own))
        }
    }
}

/// The session's far end, and the pinned addresses of the other family: as policy has it, a session of the
/// same family leaves no doubt.
pub(super) fn own_addresses(own: IpAddr, pin: Option<&Node>) -> impl Iterator<Item = IpAddr> {
    let pinned = pin.into_iter().flat_map(|pin| pin.addresses.iter().copied());
    std::iter::once(own).chain(pinned.filter(move |other| other.is_ipv4() != own.is_ipv4()))
}

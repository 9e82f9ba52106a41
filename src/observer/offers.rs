//! The change feed: of which prefixes keepers of members must be told, and what there is to tell.
//!
//! What changes is a key in a set: however often it changes before it is told, it is told once, as it is
//! then. Nothing of this is an input of the core, nor does anything else follow from it: without a reader
//! there is none.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use super::core::Core;
use super::feed::{Destination, Offer, Roster, RosterPeer, Silence};
use super::learn::Step;
use super::peers::Peer;
use super::view;
use crate::bgp::Family;
use crate::config::Config;
use crate::policy::{Class, Judgement};
use crate::rib::{AttributesId, Hint, Key, Path, PeerIndex, Position, Rib};
use crate::time::Timestamp;

/// How many destinations one answer holds at most.
const MOST_TOLD: usize = 1_000;
/// How many routes are looked at for one answer, and the last destination's more.
const MOST_LOOKED_AT: usize = 10_000;
/// How many routes a slice of a walk looks at.
const SLICE: usize = 1_000;
/// How many prefixes are noted. Nodes choose which ones they announce and withdraw again, and nobody may read.
const MOST_NOTED: usize = 500_000;

/// The prefixes of which somebody must be told.
pub(super) struct Offers {
    /// Somebody reads.
    read: bool,
    /// And there is somebody to keep members for.
    on: bool,
    wanted: Wanted,
    /// Classes that were wanted until the last reload: that they are not is to be told, too.
    former: [bool; Class::ALL.len()],
    noted: HashSet<(Arc<str>, IpNet), RandomState>,
    /// The same in the order in which they came.
    queue: VecDeque<(Timestamp, Arc<str>, IpNet)>,
    /// How many were put in the queue, how many of these are out again, and how many must be for all to be told.
    put: u64,
    taken: u64,
    owed: u64,
    lost_track: u64,
    walks: VecDeque<Walk>,
    /// How many prefixes are noted at most.
    pub(super) most: usize,
}

impl Default for Offers {
    fn default() -> Self {
        Self {
            read: false,
            on: false,
            wanted: Wanted::default(),
            former: Default::default(),
            noted: HashSet::default(),
            queue: VecDeque::new(),
            put: 0,
            taken: 0,
            owed: 0,
            lost_track: 0,
            walks: VecDeque::new(),
            most: MOST_NOTED,
        }
    }
}

/// What rules name.
#[derive(Default, PartialEq)]
struct Wanted {
    classes: [bool; Class::ALL.len()],
    communities: Vec<(Arc<str>, Hint)>,
}

/// Routes that are to be noted, a slice at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// All that are there, after this one.
    Routes(Option<Key>),
    /// All that fell silent, after this one.
    Silent(Option<Key>),
    /// Those of a peer.
    Peer(PeerIndex, Family, Option<Position>),
    /// Those that a peer was silent of, and is no more.
    Forgiven(PeerIndex, Family),
}

impl Wanted {
    fn new(config: &Config) -> Self {
        let matches = config.eepgs.iter().map(|rule| &rule.matches);
        let matches = matches.chain(config.redirects.iter().map(|rule| &rule.matches));
        let mut wanted = Self::default();
        for matches in matches {
            for class in matches.classes() {
                wanted.classes.get_mut(*class as usize).into_iter().for_each(|wants| *wants = true);
            }
            let communities = matches.community.iter();
            wanted.communities.extend(communities.map(|text| (Arc::clone(text), Hint::of(text))));
        }
        wanted.communities.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        wanted.communities.dedup_by(|(one, _), (other, _)| one == other);
        wanted
    }

    /// Those of the communities of these attributes that rules name.
    fn communities(&self, rib: &Rib, id: AttributesId) -> Vec<Arc<str>> {
        if !self.communities.iter().any(|(_, hint)| rib.may_have(id, *hint)) {
            return Vec::new();
        }
        let has: Vec<_> = rib.attributes(id).communities().map(|community| community.to_string()).collect();
        let named = self.communities.iter().map(|(text, _)| text);
        named.filter(|text| has.iter().any(|own| **own == ***text)).cloned().collect()
    }
}

impl Offers {
    /// Whether anything is to be noted at all.
    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// Whether rules may want a route that was judged like this, or did until the last reload.
    pub(super) fn wants(&self, judgement: Judgement) -> bool {
        judgement.accepted().is_some_and(|accepted| {
            let class = accepted.class() as usize;
            [&self.wanted.classes, &self.former].into_iter().any(|of| of.get(class) == Some(&true))
        })
    }

    /// Something changed that concerns this prefix.
    pub(super) fn note(&mut self, vrf: &Arc<str>, prefix: IpNet, now: Timestamp) {
        let prefix = prefix.trunc();
        if !self.noted.insert((Arc::clone(vrf), prefix)) {
            return;
        }
        if self.queue.len() >= self.most {
            return self.lose_track();
        }
        self.queue.push_back((now, Arc::clone(vrf), prefix));
        self.put += 1;
    }

    /// All that is there is to be told anew, for it is not known any more what was not told.
    pub(super) fn lose_track(&mut self) {
        self.lost_track += 1;
        self.taken = self.put;
        (self.noted, self.queue) = (HashSet::default(), VecDeque::new());
        self.walk_all();
    }

    fn walk_all(&mut self) {
        self.walks.retain(|walk| !matches!(walk, Walk::Routes(_) | Walk::Silent(_)));
        self.walks.extend([Walk::Routes(None), Walk::Silent(None)]);
    }

    /// What was said of all routes of a peer changed.
    pub(super) fn walk_peer(&mut self, at: PeerIndex, family: Family) {
        self.walks.retain(
            |walk| !matches!(walk, Walk::Peer(of, of_family, _) if (*of, *of_family) == (at, family)),
        );
        self.walks.push_back(Walk::Peer(at, family, None));
    }

    /// What a peer was silent of is no more.
    pub(super) fn walk_forgiven(&mut self, at: PeerIndex, family: Family) {
        if !self.walks.contains(&Walk::Forgiven(at, family)) {
            self.walks.push_back(Walk::Forgiven(at, family));
        }
    }

    /// No walk goes to this peer any more.
    pub(super) fn leave(&mut self, at: PeerIndex) {
        self.walks.retain(|walk| !matches!(walk, Walk::Peer(of, ..) | Walk::Forgiven(of, _) if *of == at));
    }

    /// Whether anything is noted that nobody was told of.
    pub(super) fn any(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether there is a walk to go on with: it waits for who reads more slowly.
    pub(super) fn has_walk(&self) -> bool {
        !self.walks.is_empty() && self.queue.len() <= self.most / 2
    }

    fn is_complete(&self) -> bool {
        self.taken >= self.owed
            && !self.walks.iter().any(|walk| matches!(walk, Walk::Routes(_) | Walk::Silent(_)))
    }

    fn take(&mut self) -> Option<(Timestamp, Arc<str>, IpNet)> {
        let (changed, vrf, prefix) = self.queue.pop_front()?;
        self.taken += 1;
        let key = (vrf, prefix);
        self.noted.remove(&key);
        if self.queue.is_empty() {
            (self.noted, self.queue) = (HashSet::default(), VecDeque::new());
        }
        Some((changed, key.0, key.1))
    }
}

/// What is to be told.
impl Core {
    /// Somebody reads from now on.
    pub(super) fn keep_offers(&mut self) {
        self.offers.read = true;
        self.reconfigure_offers();
    }

    /// Takes over what rules name.
    pub(super) fn reconfigure_offers(&mut self) {
        let on = self.offers.read && !self.config.apics.is_empty();
        if !on {
            self.offers = Offers { read: self.offers.read, ..Offers::default() };
            self.silent = super::silent::Silent::default();
            return;
        }
        let wanted = Wanted::new(&self.config);
        let is_new = !std::mem::replace(&mut self.offers.on, true);
        if is_new || wanted != self.offers.wanted {
            let former = std::mem::replace(&mut self.offers.wanted, wanted);
            self.offers.former = former.classes;
            self.offer_all();
        }
    }

    /// Has all that is there told anew.
    pub(super) fn offer_all(&mut self) {
        if self.offers.is_on() {
            self.offers.walk_all();
        }
    }

    /// Of a route came, changed or went what rules look at.
    pub(super) fn offer_changed(&mut self, step: &Step, now: Timestamp) {
        let Step { key, before, after, .. } = step;
        if [before, after].into_iter().flatten().any(|judgement| self.offers.wants(*judgement)) {
            self.note(key.peer, key.prefix, now);
        }
    }

    /// Something changed that concerns this prefix of a peer.
    pub(super) fn note(&mut self, at: PeerIndex, prefix: IpNet, now: Timestamp) {
        if let Some(peer) = self.peers.get(at) {
            self.offers.note(&peer.place.scope.vrf, prefix, now);
        }
    }

    /// What is said of all routes of a peer changed: its name, its rack.
    pub(super) fn offer_peer(&mut self, at: PeerIndex) {
        if self.offers.is_on() {
            for family in Family::ALL {
                self.offers.walk_peer(at, family);
            }
        }
    }

    /// A peer goes to another VRF: what it announced, or was silent of, is gone in this one.
    pub(super) fn leave_vrf(&mut self, at: PeerIndex, now: Timestamp) {
        if !self.offers.is_on() {
            return;
        }
        self.end_silence(at, now);
        let Some(vrf) = self.peers.get(at).map(|peer| &peer.place.scope.vrf) else { return };
        for family in Family::ALL {
            for (_, prefix, path) in self.rib.paths_of(at, family, None) {
                if self.offers.wants(path.judgement) {
                    self.offers.note(vrf, prefix, now);
                }
            }
        }
    }

    /// Goes a slice further on a walk.
    pub(super) fn offer_slice(&mut self, now: Timestamp) {
        if !self.offers.has_walk() {
            return;
        }
        let Some(walk) = self.offers.walks.pop_front() else { return };
        let (mut seen, mut next) = (Vec::with_capacity(SLICE), None);
        match walk {
            Walk::Routes(after) | Walk::Silent(after) => {
                let is_silent = matches!(walk, Walk::Silent(_));
                let routes = if is_silent { &self.silent.paths } else { &self.rib };
                seen.extend(routes.all(after).take(SLICE));
                let last = seen.last().filter(|_| seen.len() == SLICE);
                let key = |(prefix, path): &(IpNet, Path)| Key {
                    prefix: *prefix,
                    peer: path.peer,
                    path_id: path.path_id,
                };
                next = last.map(key).map(Some).map(if is_silent { Walk::Silent } else { Walk::Routes });
            }
            Walk::Peer(at, family, after) => {
                let mut last = None;
                let paths = self.rib.paths_of(at, family, after).take(SLICE);
                seen.extend(paths.map(|(position, prefix, path)| {
                    last = Some(position);
                    (prefix, path)
                }));
                next = last.filter(|_| seen.len() == SLICE).map(|last| Walk::Peer(at, family, Some(last)));
            }
            Walk::Forgiven(at, family) => {
                if !self.silent.paths.sweep(at, family, SLICE, |prefix, path| seen.push((prefix, path))) {
                    next = Some(walk);
                }
            }
        }
        for (prefix, path) in seen {
            if self.offers.wants(path.judgement) || matches!(walk, Walk::Silent(_) | Walk::Forgiven(..)) {
                self.note(path.peer, prefix, now);
            }
        }
        self.offers.walks.extend(next);
        if next.is_none() && matches!(walk, Walk::Routes(_) | Walk::Silent(_)) {
            self.offers.owed = self.offers.put;
        }
    }

    /// Takes up to `max` of the prefixes that are noted, the oldest change first, and says how they are now.
    pub(super) fn offers(&mut self, max: usize) -> Vec<Destination> {
        let (mut told, mut left) = (Vec::new(), MOST_LOOKED_AT);
        let mut communities = HashMap::default();
        while told.len() < max.min(MOST_TOLD)
            && left > 0
            && let Some((changed, vrf, prefix)) = self.offers.take()
        {
            let mut destination =
                Destination { vrf, prefix, offers: Vec::new(), silent: Vec::new(), changed };
            let looked_at = self.look_at(&mut destination, &mut communities);
            left = left.saturating_sub(looked_at);
            told.push(destination);
        }
        told
    }

    /// Fills in what there is to a prefix; answers how many routes that took to look at.
    fn look_at(
        &self,
        destination: &mut Destination,
        communities: &mut HashMap<AttributesId, Vec<Arc<str>>, RandomState>,
    ) -> usize {
        let (prefix, family) = (destination.prefix, Family::of(&destination.prefix));
        let mut looked_at = 1;
        // Thousands may have fallen silent at once.
        let mut silent_ones: HashSet<PeerIndex, RandomState> = HashSet::default();
        let mut offering: HashSet<PeerIndex, RandomState> = HashSet::default();
        let silent = self.silent.paths.exact(prefix).filter(|path| !path.old);
        for path in silent {
            looked_at += 1;
            if let Some(peer) = self.of_vrf(path.peer, &destination.vrf) {
                silent_ones.insert(path.peer);
                destination.silent.extend(silences(peer, family, path.since));
            }
        }
        for path in self.rib.exact(prefix) {
            looked_at += 1;
            let Some(peer) = self.of_vrf(path.peer, &destination.vrf) else { continue };
            if peer.is_lost(family, path.old) {
                if !silent_ones.contains(&path.peer) && self.is_silent_on(peer, prefix, &path) {
                    silent_ones.insert(path.peer);
                    destination.silent.extend(silences(peer, family, peer.lost.of(family).since));
                }
            } else if let Some(offer) = self.offer(peer, family, &path, communities) {
                if !self.silent.beyond.is_empty() {
                    offering.insert(path.peer);
                }
                destination.offers.push(offer);
            }
        }
        for at in &self.silent.beyond {
            looked_at += 1;
            let Some(peer) = self.of_vrf(*at, &destination.vrf) else { continue };
            if !silent_ones.contains(at) && !offering.contains(at) {
                destination.silent.extend(silences(peer, family, peer.lost.of(family).since));
            }
        }
        destination.offers.sort_by(|one, other| one.peer.cmp(&other.peer));
        destination.silent.sort_by(|one, other| one.peer.cmp(&other.peer));
        looked_at
    }

    fn of_vrf(&self, at: PeerIndex, vrf: &Arc<str>) -> Option<&Peer> {
        self.peers.get(at).filter(|peer| !peer.leaving && peer.place.scope.vrf == *vrf)
    }

    fn offer(
        &self,
        peer: &Peer,
        family: Family,
        path: &Path,
        communities: &mut HashMap<AttributesId, Vec<Arc<str>>, RandomState>,
    ) -> Option<Offer> {
        let accepted = path.judgement.accepted()?;
        if self.offers.wanted.classes.get(accepted.class() as usize) != Some(&true) {
            return None;
        }
        let named = communities.entry(path.attributes);
        let named = named.or_insert_with(|| self.offers.wanted.communities(&self.rib, path.attributes));
        Some(Offer {
            accepted,
            peer: peer.id.clone(),
            witness: peer.witness(),
            node: peer.name.clone(),
            cluster: Arc::clone(&peer.place.scope.cluster),
            rack: Arc::clone(&peer.place.rack),
            peer_as: peer.asn().unwrap_or_default(),
            communities: named.clone(),
            stale: peer.is_stale(family, path.old),
        })
    }

    /// All known peers.
    pub(super) fn roster(&self, now: Timestamp) -> Roster {
        let peers = self.peers.in_order().map(|(_, peer)| {
            let (place, node) = (&peer.place, peer.name.as_deref());
            let families = peer.negotiated_families();
            let window = self.maintenance.covering(node, &place.rack, &place.scope.cluster);
            RosterPeer {
                peer: peer.id.clone(),
                witness: peer.witness(),
                vrf: Arc::clone(&place.scope.vrf),
                rack: Arc::clone(&place.rack),
                settled: peer.session.is_some() && families.iter().all(|family| peer.settled(family, now)),
                down_since: peer.session.is_none().then(|| peer.since.unwrap_or(self.started)),
                maintenance: window
                    .map(|window| view::Maintenance { reason: window.reason.clone(), until: window.until }),
            }
        });
        let (complete, lost_track) = (self.offers.is_complete(), self.offers.lost_track);
        Roster { at: now, complete, lost_track, peers: peers.collect() }
    }
}

/// A peer that is silent, under each of its names.
fn silences(peer: &Peer, family: Family, since: Timestamp) -> impl Iterator<Item = Silence> {
    let names = &peer.lost.of(family).witnesses;
    let own = names.is_empty().then(|| peer.witness());
    let silence = move |witness| Silence { peer: peer.id.clone(), witness, since };
    names.iter().cloned().chain(own).map(silence)
}

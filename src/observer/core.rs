//! All routes and findings, and the one place that changes them. Pure: time is an argument.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::aggregation::Looks;
use super::alarms::LOOK_AFTER;
use super::capacity::Fabric;
use super::changes::Changes;
use super::duplicates::Duplicates;
use super::findings::{Findings, Key};
use super::hosts::{self, Twin};
use super::identity::Shared;
use super::maintenance::Maintenance;
use super::map::Map;
use super::offers::Offers;
use super::peers::{Peer, Peers};
use super::refusals::Refusals;
use super::reports::Reports;
use super::silent::Silent;
use super::timers::Expiries;
use super::work::Job;
use super::{Command, Settings, chronicle::Chronicle, view};
use crate::config::Config;
use crate::policy::Policy;
use crate::rib::{PeerIndex, Rib};
use crate::speaker::stats::ErrorAction;
use crate::speaker::{Event, PeerId};
use crate::time::Timestamp;

/// How long changes gather before findings are looked at.
const GATHER: Duration = Duration::from_millis(100);
/// How often what only time changes is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// A peer's UPDATEs with errors, by [`ErrorAction`].
pub(super) type Errors = (PeerId, [u64; ErrorAction::ALL.len()]);

/// The core of the observer.
#[expect(clippy::struct_excessive_bools, reason = "what is to be looked at, each for itself")]
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) settings: Settings,
    pub(super) map: Map,
    pub(super) policy: Policy,
    pub(super) rib: Rib,
    pub(super) peers: Peers,
    pub(super) findings: Findings,
    pub(super) duplicates: Duplicates,
    pub(super) twins: Vec<Twin>,
    /// Twins in which something changed.
    pub(super) dirty_twins: Vec<usize>,
    /// What several nodes have of which each should have its own.
    pub(super) shared: Vec<Shared>,
    /// Peers about which something changed.
    pub(super) dirty_peers: Vec<PeerIndex>,
    /// When stale routes of which peer expire.
    pub(super) stale_until: BTreeSet<(Timestamp, PeerIndex)>,
    /// Who is behind which peer has to be found out anew.
    pub(super) hosts_dirty: bool,
    pub(super) racks_dirty: bool,
    /// Counts what changes of that which must survive a restart, findings aside.
    pub(super) known_revision: u64,
    /// Racks that are down.
    pub(super) racks_down: BTreeSet<Key>,
    /// Most peers of all racks are: it is us.
    pub(super) isolated: bool,
    /// Clusters whose mesh is on.
    pub(super) meshes: BTreeSet<Key>,
    /// Rejected routes or blocks of several nodes came or went: there may be a mesh, or no more.
    pub(super) meshes_dirty: bool,
    /// What nobody is to be told of has to be found out anew.
    pub(super) muting_dirty: bool,
    /// Who was refused lately.
    pub(super) refusals: Refusals,
    /// Hold timers of peers that expired lately.
    pub(super) expiries: Expiries,
    /// What is worked on.
    pub(super) maintenance: Maintenance,
    pub(super) fabric: Fabric,
    /// Peers whose pods are to be looked at.
    pub(super) looks: Looks,
    /// What others find wrong.
    pub(super) reports: Reports,
    /// What keepers of members are to be told.
    pub(super) offers: Offers,
    /// What the journal is to be told.
    pub(super) changes: Changes,
    pub(super) silent: Silent,
    pub(super) jobs: VecDeque<Job>,
    pub(super) chronicle: Chronicle,
    pub(super) commands: Vec<Command>,
    /// Whose UPDATEs with errors were found to be more, and what they were counted to.
    errors: Vec<Errors>,
    /// What a slice of a walk found, kept for its memory.
    pub(super) scratch: Vec<(IpNet, crate::rib::Path)>,
    pub(super) started: Timestamp,
    flushed: Timestamp,
    explained: Timestamp,
    kept_house: Timestamp,
}

/// When what was done last.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Clocks {
    pub(super) started: Timestamp,
    flushed: Timestamp,
    explained: Timestamp,
    kept_house: Timestamp,
}

impl Core {
    /// A core that knows the pinned peers and no route.
    pub(super) fn new(config: Arc<Config>, settings: Settings, now: Timestamp) -> Self {
        let mut core = Self {
            map: Map::new(&config),
            policy: Policy::new(&config),
            rib: Rib::new(),
            peers: Peers::default(),
            findings: Findings::new(&config.findings),
            duplicates: Duplicates::default(),
            twins: Vec::new(),
            dirty_twins: Vec::new(),
            shared: Vec::new(),
            dirty_peers: Vec::new(),
            stale_until: BTreeSet::new(),
            hosts_dirty: false,
            racks_dirty: false,
            known_revision: 0,
            racks_down: BTreeSet::new(),
            isolated: false,
            meshes: BTreeSet::new(),
            meshes_dirty: false,
            muting_dirty: false,
            refusals: Refusals::default(),
            expiries: Expiries::default(),
            maintenance: Maintenance::default(),
            fabric: Fabric::default(),
            looks: Looks::default(),
            reports: Reports::default(),
            offers: Offers::default(),
            changes: Changes::default(),
            silent: Silent::default(),
            jobs: VecDeque::new(),
            chronicle: Chronicle::new(now),
            commands: Vec::new(),
            errors: Vec::new(),
            scratch: Vec::new(),
            started: now,
            flushed: now,
            explained: now,
            kept_house: now,
            config,
            settings,
        };
        core.findings.miss_nothing_before(now.after(core.settings.route_grace).after(LOOK_AFTER));
        core.learn_pins(now);
        core
    }

    /// Takes in what a session says.
    pub(super) fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Established(established) => self.established(*established, now),
            Event::Routes { session, batch, .. } => self.routes(session, &batch, now),
            Event::Closed(closed) => self.closed(&closed, now),
            Event::Refused(refused) => self.refused(*refused),
            Event::Unsigned(unsigned) => self.unsigned(&unsigned),
        }
    }

    /// Does what is due; answers when to call again at the latest.
    pub(super) fn tick(&mut self, now: Timestamp) -> Timestamp {
        if self.kept_house.after(HOUSEKEEPING) <= now {
            self.kept_house = now;
            self.keep_house(now);
        }
        self.expire_stale(now);
        self.expire_maintenance(now);
        if self.is_dirty() && self.flushed.after(GATHER) <= now {
            self.flushed = now;
            self.flush(now);
        }
        self.findings.unroll_due(now);
        // What opens must be explained before.
        if self.explained.after(GATHER) <= now || self.findings.is_due(now) {
            self.explained = now;
            self.explain_findings(now);
        }
        for transition in self.findings.tick(now) {
            self.chronicle.finding(&transition, now);
        }
        self.chronicle.tick(now);
        self.next_tick()
    }

    /// When to call [`tick`](Self::tick) again at the latest.
    pub(super) fn next_tick(&self) -> Timestamp {
        let house = self.kept_house.after(HOUSEKEEPING);
        self.next_due().map_or(house, |due| due.min(house))
    }

    /// When the next tick is that changes anything, if nothing more is heard: many in between need not be.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let grace = self.started.after(self.settings.route_grace);
        let looks = self.peers.iter().flat_map(|(_, peer)| peer.looks(&self.settings));
        let forgets = self.peers.iter().filter_map(|(_, peer)| self.forgets(peer));
        let refusals = self.refusals.next().map(|due| due.max(self.kept_house.after(HOUSEKEEPING)));
        let racks = self.racks_due(self.kept_house);
        let dues = looks.chain(forgets).chain(refusals).chain(racks).chain([grace]);
        let to_come = dues.filter(|due| *due > self.kept_house).chain(self.next_census());
        to_come.map(|due| self.house_kept_before(due).after(HOUSEKEEPING)).chain(self.next_due()).min()
    }

    /// Goes without the ticks that change nothing before the next one at `next`.
    pub(super) fn leap(&mut self, next: Timestamp) {
        self.kept_house = self.house_kept_before(next);
    }

    fn house_kept_before(&self, time: Timestamp) -> Timestamp {
        let before = time.since(self.kept_house).saturating_sub(Duration::from_micros(1));
        // Whole turns of `HOUSEKEEPING`, which is a second.
        self.kept_house.after(Duration::from_secs(before.as_secs()))
    }

    fn next_due(&self) -> Option<Timestamp> {
        let flush = self.is_dirty().then(|| self.flushed.after(GATHER));
        let stale = self.stale_until.first().map(|(due, _)| *due);
        let unexplained = self.muting_dirty || self.findings.any_unexplained();
        let explain = unexplained.then(|| self.explained.after(GATHER));
        let maintenance = self.maintenance.next();
        [flush, explain, stale, maintenance, self.findings.next()].into_iter().flatten().min()
    }

    /// Whether all that it was told is done, and everybody was told of it.
    pub(super) fn is_at_rest(&self) -> bool {
        let told = self.findings.next() != Some(Timestamp::default());
        let unexplained = self.muting_dirty || self.findings.any_unexplained();
        let looked_at = !self.is_dirty() && !self.meshes_dirty && !unexplained;
        told && looked_at && !self.has_work() && self.commands.is_empty() && !self.peers.any_leaving()
    }

    /// When what was done last.
    pub(super) const fn clocks(&self) -> Clocks {
        Clocks {
            started: self.started,
            flushed: self.flushed,
            explained: self.explained,
            kept_house: self.kept_house,
        }
    }

    /// Takes over what another core had come to and is put in its place here: it was at rest then.
    pub(super) fn rest(&mut self, clocks: Clocks) {
        (self.started, self.flushed, self.kept_house) = (clocks.started, clocks.flushed, clocks.kept_house);
        self.explained = clocks.explained;
        self.muting_dirty = false;
        self.meshes_dirty = false;
        (self.hosts_dirty, self.racks_dirty) = (false, false);
        let stale = self.peers.iter().filter_map(|(at, peer)| Some((peer.stale_until?, at)));
        self.stale_until = stale.collect();
        drop((self.take_events(), self.take_commands()));
    }

    /// Counters of errors as the next tick is to find them.
    pub(super) fn count_errors_of(&mut self, peer: &PeerId, errors: [u64; ErrorAction::ALL.len()]) {
        let at = self.peers.find(peer);
        if let Some(last) = at.and_then(|at| self.peers.get(at)?.last.as_ref()) {
            last.stats.set_errors(errors);
        }
    }

    /// What the speaker should do.
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Counters of errors that the last tick found to have changed: all that it read beside the time.
    pub(super) fn take_errors(&mut self) -> Vec<Errors> {
        std::mem::take(&mut self.errors)
    }

    /// What happened, for the log; identifiers are given there.
    pub(super) fn take_events(&mut self) -> Vec<view::Event> {
        self.chronicle.take()
    }

    /// Something about this peer changed: its findings must be looked at.
    pub(super) fn touch(&mut self, at: PeerIndex) {
        if let Some(peer) = self.peers.get_mut(at)
            && !std::mem::replace(&mut peer.dirty, true)
        {
            self.dirty_peers.push(at);
        }
    }

    /// What this peer's node tells its leaves may have changed.
    pub(super) fn touch_twin(&mut self, at: PeerIndex) {
        if let Some(place) = self.peers.get(at).and_then(|peer| peer.twin)
            && let Some(twin) = self.twins.get_mut(place)
            && !std::mem::replace(&mut twin.dirty, true)
        {
            self.dirty_twins.push(place);
        }
    }

    /// Whether there are findings to be looked at.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty_peers.is_empty()
            || !self.dirty_twins.is_empty()
            || self.hosts_dirty
            || self.racks_dirty
            || self.duplicates.is_dirty()
    }

    /// Somebody knows of a finding and wants to hear no more of it; `false`: there is none with this identity.
    pub(super) fn acknowledge(&mut self, id: &str, reason: &str, now: Timestamp) -> bool {
        let known = self.findings.acknowledge(id, reason.to_owned());
        if known {
            self.chronicle.acknowledged(id, reason, now);
        }
        known
    }

    /// Looks at the findings of all that changed.
    fn flush(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.hosts_dirty) {
            self.find_hosts(now);
        }
        for at in std::mem::take(&mut self.dirty_peers) {
            if let Some(peer) = self.peers.get_mut(at) {
                peer.dirty = false;
                self.check_peer(at, now);
            }
        }
        self.compare_nodes(now);
        self.compare_leaves(now);
        if std::mem::take(&mut self.racks_dirty) {
            self.check_racks(now);
            self.check_shared(now);
        }
    }

    fn find_hosts(&mut self, now: Timestamp) {
        let found = hosts::find(&self.peers);
        for (at, host, name) in found.of {
            let Some(peer) = self.peers.get_mut(at) else { continue };
            let moved = std::mem::replace(&mut peer.host, host) != host;
            let renamed = std::mem::replace(&mut peer.name, name) != peer.name;
            peer.twin = None;
            if moved && peer.tally.accepted() > 0 {
                // It may announce what another does, and what it did may be no other's any more.
                self.review(at);
                self.duplicates.look_at_all();
            }
            if renamed {
                self.offer_peer(at);
            }
        }
        self.meshes_dirty = true;
        self.muting_dirty = true;
        self.replace_twins(found.twins, now);
        self.replace_shared(now);
    }

    /// What only time changes.
    fn keep_house(&mut self, now: Timestamp) {
        let mut forgotten = Vec::new();
        let mut touched = Vec::new();
        for peer in self.peers.iter_mut() {
            if peer.count_errors() {
                self.errors.push((peer.id.clone(), peer.errors));
            }
        }
        for (at, peer) in self.peers.iter() {
            if self.is_to_be_forgotten(peer, now) {
                forgotten.push(at);
            } else if peer.wants_a_look(now, &self.settings) {
                touched.push(at);
            }
        }
        for at in forgotten {
            self.forget(at, now);
        }
        if std::mem::take(&mut self.meshes_dirty) {
            self.check_meshes(now);
        }
        for at in touched {
            self.touch(at);
        }
        self.racks_dirty |= self.racks_due(now).is_some_and(|due| due <= now);
        self.check_capacity(now);
        self.check_refusals(now);
        self.look_for_silences(now);
    }

    /// The range of a peer may be gone if its session came up while that was removed.
    fn is_to_be_forgotten(&self, peer: &Peer, now: Timestamp) -> bool {
        let Some(due) = self.forgets(peer) else { return false };
        let has_range = || self.settings.strangers || self.map.neighbors(&peer.id).is_some();
        due <= now || !has_range()
    }

    /// When a peer that is down and not pinned has been so for too long.
    fn forgets(&self, peer: &Peer) -> Option<Timestamp> {
        let down = peer.session.is_none() && peer.pin.is_none();
        down.then(|| peer.since.unwrap_or(peer.known_since).after(self.config.findings.forget_after))
    }
}

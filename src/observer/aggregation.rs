//! Pod hosts that a node announces beside its own block that holds them.
//!
//! Calico announces a block whole, and a pod of it alone only while it migrates, for 30 s. The hot path
//! notes that something changed in a peer's pods; the pods are walked later, in slices, and not often.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::core::Core;
use super::findings::Key as Cause;
use super::peers::Peer;
use super::work::Job;
use crate::bgp::Family;
use crate::policy::Class;
use crate::rib::{Path, PeerIndex, Position};
use crate::time::Timestamp;

/// How long a pod host may be announced for a live migration (30 s), and a little more.
const MIGRATION: Duration = Duration::from_secs(35);
/// How often a peer is looked at, at most.
const EVERY: Duration = Duration::from_secs(15);
/// How many of its paths are looked at in one go.
const SLICE: usize = 2_000;

/// What is known of a peer's pods.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pods {
    /// Blocks or hosts came or went since the last look.
    pub(super) changed: bool,
    /// A look at them is about to begin or under way.
    queued: bool,
    looked: Option<Timestamp>,
    /// When a host that is there will have been there for too long.
    matures: Option<Timestamp>,
    /// It is a proof of the finding.
    raised: bool,
}

/// Peers to be looked at.
#[derive(Default)]
pub(super) struct Looks {
    queue: VecDeque<PeerIndex>,
    look: Option<Look>,
}

/// A look at one peer.
struct Look {
    peer: PeerIndex,
    begun: Timestamp,
    /// What is still to be walked, the last first: of which family, and for blocks or for hosts.
    walks: Vec<(Family, Class)>,
    after: Option<Position>,
    blocks: HashSet<IpNet, RandomState>,
    /// Lengths that blocks have.
    lengths: BTreeSet<u8>,
    found: Found,
}

/// Hosts within own blocks.
#[derive(Default)]
struct Found {
    /// Those that have been there for too long.
    hosts: u64,
    /// Since when the oldest of them is there.
    oldest: Option<Timestamp>,
    /// The blocks that they lie in.
    within: BTreeSet<IpNet>,
    /// Since when the oldest of the others is there.
    young: Option<Timestamp>,
}

impl Pods {
    /// When they are to be looked at: past or to come.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let rested = self.looked.map_or_else(Timestamp::default, |looked| looked.after(EVERY));
        let due = self.changed.then_some(rested).into_iter().chain(self.matures.map(|due| due.max(rested)));
        due.min().filter(|_| !self.queued)
    }
}

impl Core {
    /// Has the pods of a peer looked at if it is time.
    pub(super) fn check_pods(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if peer.pods.due().is_none_or(|due| due > now) {
            return;
        }
        if !peer.has_accepted(Class::PodHost) || !peer.has_accepted(Class::PodBlock) {
            peer.pods.changed = false;
            return self.tell_pods(at, &Found::default(), now);
        }
        peer.pods.queued = true;
        if self.looks.is_empty() {
            self.jobs.push_back(Job::Pods);
        }
        self.looks.queue.push_back(at);
    }

    /// A slice of the looks at pods; answers whether all are done.
    pub(super) fn look_at_pods(&mut self, now: Timestamp) -> bool {
        let mut budget = SLICE;
        while budget > 0 {
            let look = self.looks.look.take().or_else(|| self.begin_look(now));
            let Some(mut look) = look else { return true };
            if !self.go_on(&mut look, &mut budget) {
                self.looks.look = Some(look);
            } else if self.peers.get(look.peer).is_some_and(|peer| peer.pods.queued) {
                self.tell_pods(look.peer, &look.found, now);
            }
        }
        self.looks.is_empty()
    }

    fn begin_look(&mut self, now: Timestamp) -> Option<Look> {
        while let Some(at) = self.looks.queue.pop_front() {
            let Some(peer) = self.peers.get_mut(at).filter(|peer| peer.pods.queued) else { continue };
            peer.pods.changed = false;
            return Some(Look::new(at, now));
        }
        None
    }

    /// `true`: all of the peer was looked at.
    fn go_on(&self, look: &mut Look, budget: &mut usize) -> bool {
        let Some(peer) = self.peers.get(look.peer) else { return true };
        while let Some((family, class)) = look.walks.last().copied() {
            if *budget == 0 {
                return false;
            }
            let of_host = class == Class::PodHost;
            let (at, after) = (look.peer, look.after);
            look.after = self.rib.sift(
                (at, family),
                after,
                *budget,
                (None, None),
                |_, judgement, old| {
                    let fits = judgement.accepted().is_some_and(|accepted| accepted.class() == class);
                    fits && !peer.is_lost(family, old) && !(of_host && peer.is_stale(family, old))
                },
                |prefix, path_id| {
                    let path = || self.rib.get(at, prefix, path_id);
                    if of_host { look.take_host(prefix, path) } else { look.take_block(prefix) }
                },
            );
            // A peer without paths costs something, too.
            let all = usize::try_from(self.rib.count(at, family)).unwrap_or(usize::MAX);
            let looked_at = if look.after.is_some() { *budget } else { all.saturating_add(1) };
            *budget = budget.saturating_sub(looked_at);
            if look.after.is_none() {
                look.walks.pop();
            }
        }
        true
    }

    fn tell_pods(&mut self, at: PeerIndex, found: &Found, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at).filter(|peer| !peer.leaving) else { return };
        peer.pods.queued = false;
        peer.pods.looked = Some(now);
        peer.pods.matures = found.young.map(|since| since.after(MIGRATION));
        let Some(oldest) = found.oldest else { return self.end_pods(at, now) };
        peer.pods.raised = true;
        let cause = Cause::aggregation_missing(peer.place.scope.clone());
        self.findings.add_since(cause, peer.proof(found.text()), oldest);
    }

    /// The peer is no proof any more, or not of that cluster.
    pub(super) fn end_pods(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if std::mem::take(&mut peer.pods.raised) {
            let cause = Cause::aggregation_missing(peer.place.scope.clone());
            self.findings.remove(&cause, &peer.id, now);
        }
    }
}

impl Looks {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.look.is_none()
    }
}

impl Look {
    fn new(peer: PeerIndex, begun: Timestamp) -> Self {
        let of = |class| Family::ALL.into_iter().map(move |family| (family, class));
        Self {
            peer,
            begun,
            walks: of(Class::PodHost).chain(of(Class::PodBlock)).collect(),
            after: None,
            blocks: HashSet::default(),
            lengths: BTreeSet::new(),
            found: Found::default(),
        }
    }

    fn take_block(&mut self, prefix: IpNet) {
        self.lengths.insert(prefix.prefix_len());
        self.blocks.insert(prefix);
    }

    /// Few hosts lie in a block of their own node: the path is asked for of these alone.
    fn take_host(&mut self, prefix: IpNet, path: impl FnOnce() -> Option<Path>) {
        if let Some(block) = self.block_of(prefix)
            && let Some(path) = path()
        {
            self.found.add(block, path.since, self.begun);
        }
    }

    fn block_of(&self, host: IpNet) -> Option<IpNet> {
        let blocks = self.lengths.iter().filter_map(|length| IpNet::new(host.addr(), *length).ok());
        blocks.map(|block| block.trunc()).find(|block| self.blocks.contains(block))
    }
}

impl Found {
    fn add(&mut self, block: IpNet, since: Timestamp, now: Timestamp) {
        let older = |other: Option<Timestamp>| Some(other.map_or(since, |other| other.min(since)));
        if since.after(MIGRATION) > now {
            self.young = older(self.young);
            return;
        }
        self.hosts += 1;
        self.oldest = older(self.oldest);
        self.within.insert(block);
    }

    fn text(&self) -> String {
        let hosts = if self.hosts == 1 { "host" } else { "hosts" };
        let first = self.within.first().map(ToString::to_string).unwrap_or_default();
        match self.within.len() {
            0 | 1 => format!("{} pod {hosts} within its block {first}", self.hosts),
            blocks => format!("{} pod {hosts} within {blocks} of its blocks, {first} among them", self.hosts),
        }
    }
}

impl Peer {
    fn has_accepted(&self, class: Class) -> bool {
        self.tally.accepted.iter().any(|by| by.get(class as usize).is_some_and(|count| *count > 0))
    }
}

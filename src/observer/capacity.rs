//! What the fabric can hold, against what there is.
//!
//! A census walks all prefixes in slices when something accepted changed, every 30 s at most. It looks at
//! the paths of a prefix only where there may be too many nodes, or where prefixes may be too many: how
//! many there are in all, accepted or not, costs nothing to know.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::core::Core;
use super::findings::{Capacity, Key as Cause, MAX_PROOFS, Scope};
use super::work::Job;
use crate::bgp::Family;
use crate::policy::Class;
use crate::rib::{Path, PeerIndex};
use crate::time::Timestamp;

/// How often there is a census, at most.
const EVERY: Duration = Duration::from_secs(30);
/// How many prefixes and paths are looked at in one go; a prefix is not left half way.
const SLICE: usize = 4_000;

/// What is known of how full the fabric is.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Fabric {
    /// What was found, and in which words.
    told: BTreeMap<Cause, Vec<String>>,
    /// When the last census began and ended, and of what.
    last: Option<(Timestamp, u64)>,
    #[serde(skip)]
    census: Option<Census>,
}

/// A census under way.
#[derive(Clone)]
struct Census {
    /// Of what is accepted.
    digest: u64,
    after: Option<IpNet>,
    /// Whether prefixes are counted, and in how many VRFs one may be.
    counts: bool,
    vrfs: usize,
    /// Those that are accepted, in each VRF.
    prefixes: u64,
    /// By VRF: service hosts of too many nodes, and how many nodes.
    crowded: BTreeMap<Arc<str>, Vec<(IpNet, usize)>>,
}

impl Core {
    /// When the next census is due, past or to come; none, if it could find nothing new.
    pub(super) fn next_census(&self) -> Option<Timestamp> {
        let fabric = &self.fabric;
        let many = self.peers.len() > self.ecmp() || self.may_be_full() || !fabric.told.is_empty();
        if fabric.census.is_some() || !many {
            return None;
        }
        let Some((ended, digest)) = fabric.last else { return Some(Timestamp::default()) };
        (digest != self.digest()).then(|| ended.after(EVERY))
    }

    pub(super) fn check_capacity(&mut self, now: Timestamp) {
        // That there is nothing new is not to be found out every second.
        let rests = self.fabric.last.is_some_and(|(ended, _)| ended.after(EVERY) > now);
        if rests || self.next_census().is_none_or(|due| due > now) {
            return;
        }
        let counts = self.may_be_full()
            || self.fabric.told.contains_key(&lpm(Capacity::Lpm))
            || self.fabric.told.contains_key(&lpm(Capacity::LpmExceeded));
        let (digest, vrfs, crowded) = (self.digest(), self.vrfs(), BTreeMap::new());
        self.fabric.census = Some(Census { digest, after: None, counts, vrfs, prefixes: 0, crowded });
        self.jobs.push_back(Job::Census);
    }

    /// A slice of the census; answers whether it is done.
    pub(super) fn take_census(&mut self, now: Timestamp) -> bool {
        let Some(mut census) = self.fabric.census.take() else { return true };
        let mut budget = SLICE;
        let mut prefixes = self.rib.prefixes(census.after);
        let mut next = prefixes.next();
        while let Some((prefix, paths)) = next.filter(|_| budget > 0) {
            let looked = self.count_prefix(&mut census, prefix, paths);
            budget = budget.saturating_sub(1 + looked);
            census.after = Some(prefix);
            next = prefixes.next();
        }
        drop(prefixes);
        if next.is_some() {
            self.fabric.census = Some(census);
            return false;
        }
        self.fabric.last = Some((now, census.digest));
        self.tell_capacity(&census, now);
        true
    }

    /// Answers how many paths were looked at.
    fn count_prefix(&self, census: &mut Census, prefix: IpNet, paths: usize) -> usize {
        let crowd = paths > self.ecmp();
        if !census.counts && !crowd {
            return 0;
        }
        let mut vrfs: Vec<(&Arc<str>, BTreeSet<PeerIndex>)> = Vec::with_capacity(1);
        let family = Family::of(&prefix);
        let accepted = |path: &Path| {
            let accepted = path.judgement.accepted()?;
            let peer = self.peers.get(path.peer).filter(|peer| !peer.is_lost(family, path.old))?;
            Some((&peer.place.scope.vrf, peer.host, accepted.class()))
        };
        let mut looked = 0;
        for path in self.rib.exact(prefix) {
            looked += 1;
            let Some((vrf, host, class)) = accepted(&path) else { continue };
            let place = vrfs.iter().position(|(other, _)| *other == vrf).unwrap_or(vrfs.len());
            if place == vrfs.len() {
                vrfs.push((vrf, BTreeSet::new()));
            }
            if !crowd && vrfs.len() >= census.vrfs {
                // There is no other to be found.
                break;
            }
            if let Some((_, nodes)) = vrfs.get_mut(place).filter(|_| class == Class::ServiceHost) {
                nodes.insert(host);
            }
        }
        census.prefixes += vrfs.len() as u64;
        for (vrf, nodes) in vrfs.into_iter().filter(|(_, nodes)| nodes.len() > self.ecmp()) {
            census.crowded.entry(Arc::clone(vrf)).or_default().push((prefix, nodes.len()));
        }
        looked
    }

    fn tell_capacity(&mut self, census: &Census, now: Timestamp) {
        let found = self.findings_of(census);
        for (cause, _) in self.fabric.told.iter().filter(|(cause, _)| !found.contains_key(*cause)) {
            self.findings.clear(cause, now);
        }
        for (cause, facts) in
            found.iter().filter(|(cause, facts)| self.fabric.told.get(*cause) != Some(*facts))
        {
            self.findings.state(cause.clone(), facts.clone(), [], now);
        }
        self.fabric.told = found;
    }

    fn findings_of(&self, census: &Census) -> BTreeMap<Cause, Vec<String>> {
        let (count, room) = (census.prefixes, self.config.limits.lpm);
        let was = |what| self.fabric.told.contains_key(&lpm(what));
        let (was_near, was_above) = (was(Capacity::Lpm), was(Capacity::LpmExceeded));
        // What was found lasts until there is room again.
        let lasts = count.saturating_mul(4) >= room.saturating_mul(3);
        let above = count > room || (was_above && lasts);
        let near = !above && (is_near(count, room) || (was_near && lasts));
        let mut found = BTreeMap::new();
        for what in
            [near.then_some(Capacity::Lpm), above.then_some(Capacity::LpmExceeded)].into_iter().flatten()
        {
            found.insert(lpm(what), vec![how_full(count, room)]);
        }
        for (vrf, services) in &census.crowded {
            let scope = Scope { cluster: "".into(), vrf: Arc::clone(vrf) };
            found.insert(Cause::fabric_capacity(scope, Capacity::Ecmp), crowds(services, self.ecmp()));
        }
        found
    }

    /// Whether there may be more prefixes than are no trouble. One may be in several VRFs.
    fn may_be_full(&self) -> bool {
        let counters = Family::ALL.map(|family| self.rib.counters(family));
        let paths = counters.iter().map(|counters| counters.paths).sum::<u64>();
        let prefixes = counters.iter().map(|counters| counters.prefixes).sum::<u64>();
        let room = self.config.limits.lpm;
        is_near(paths, room) && is_near(prefixes.saturating_mul(self.vrfs() as u64), room)
    }

    fn vrfs(&self) -> usize {
        let vrfs: BTreeSet<_> = self.config.neighbors.iter().map(|entry| &entry.vrf).collect();
        vrfs.len() + usize::from(self.settings.strangers)
    }

    fn ecmp(&self) -> usize {
        usize::try_from(self.config.limits.ecmp).unwrap_or(usize::MAX)
    }

    /// Differs if what is accepted of whom does, or what there may be.
    fn digest(&self) -> u64 {
        let hasher = foldhash::fast::FixedState::default();
        let limits = &self.config.limits;
        let of = |peer: &super::peers::Peer| {
            hasher.hash_one((peer.tally.digest.array(), peer.host, &peer.place.scope.vrf))
        };
        let peers = self.peers.iter().filter(|(_, peer)| peer.tally.accepted() > 0);
        let limits = hasher.hash_one((limits.lpm, limits.ecmp));
        peers.fold(limits, |sum, (_, peer)| sum.wrapping_add(of(peer)))
    }
}

/// The table of a leaf is one for all VRFs.
fn lpm(what: Capacity) -> Cause {
    Cause::fabric_capacity(Scope::all(), what)
}

/// 80 %.
fn is_near(count: u64, room: u64) -> bool {
    count.saturating_mul(5) >= room.saturating_mul(4)
}

fn how_full(count: u64, room: u64) -> String {
    if count > room {
        return format!(
            "the nodes announce {count} prefixes, more than the {room} that a leaf's table can hold"
        );
    }
    let share = count.saturating_mul(100) / room.max(1);
    format!("the nodes announce {count} prefixes, {share} % of the {room} that a leaf's table can hold")
}

/// The first line says it all; the others, which services have most.
fn crowds(services: &[(IpNet, usize)], room: usize) -> Vec<String> {
    let head = match services {
        [(prefix, nodes)] => {
            return vec![format!(
                "{prefix} is announced by {nodes} nodes, more than the {room} over which a leaf spreads traffic"
            )];
        }
        _ => format!(
            "{} services are announced by more than the {room} nodes over which a leaf spreads traffic",
            services.len()
        ),
    };
    let mut services: Vec<_> = services.iter().collect();
    services.sort_by_key(|(prefix, nodes)| (std::cmp::Reverse(*nodes), *prefix));
    let shown = services.iter().take(MAX_PROOFS - 2);
    let more = services.len().saturating_sub(MAX_PROOFS - 2);
    let more = (more > 0).then(|| format!("and {more} more"));
    let lines = shown.map(|(prefix, nodes)| format!("{prefix}: {nodes} nodes"));
    std::iter::once(head).chain(lines).chain(more).collect()
}

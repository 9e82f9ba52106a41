//! Whether a node tells all leaves of its rack the same.

use std::collections::BTreeMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use ipnet::IpNet;

use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof};
use super::hosts::Twin;
use crate::bgp::Family;
use crate::rib::PeerIndex;
use crate::time::Timestamp;

/// A change reaches one leaf before the other: differences younger than this are no finding yet.
const IN_FLIGHT: Duration = Duration::from_secs(1);
/// Of more routes it is told how many there are, not which differ: that is looked at whenever one changes.
const COMPARED: u64 = 20_000;

impl Core {
    /// Takes over the nodes that several leaves hear; what was known of them goes on.
    pub(super) fn replace_twins(&mut self, twins: Vec<Twin>, now: Timestamp) {
        let differing = self.twins.drain(..).filter(|old| old.differs_since.is_some());
        let mut former: BTreeMap<_, _> = differing.map(|old| (cause(&old), old)).collect();
        self.twins = twins;
        self.dirty_twins.clear();
        for (place, twin) in self.twins.iter_mut().enumerate() {
            if !former.is_empty()
                && let Some(old) = former.remove(&cause(twin))
            {
                (twin.differs_since, twin.raised) = (old.differs_since, old.raised);
            }
            twin.dirty = true;
            self.dirty_twins.push(place);
            for at in &twin.members {
                if let Some(peer) = self.peers.get_mut(*at) {
                    peer.twin = Some(place);
                }
            }
        }
        for (cause, old) in former {
            if old.raised {
                self.findings.clear(&cause, now);
            }
        }
    }

    /// Looks at the nodes in which something changed.
    pub(super) fn compare_leaves(&mut self, now: Timestamp) {
        for place in std::mem::take(&mut self.dirty_twins) {
            let Some(twin) = self.twins.get(place) else { continue };
            let differs = Family::ALL.into_iter().any(|family| self.differs(twin, family, now));
            let since = differs.then(|| twin.differs_since.unwrap_or(now));
            let lasts = since.is_some_and(|since| since.after(IN_FLIGHT) <= now);
            if lasts {
                let proofs = self.differences(twin, now);
                self.findings.raise(cause(twin), proofs, now);
            } else if twin.raised && !differs {
                self.findings.clear(&cause(twin), now);
            }
            let Some(twin) = self.twins.get_mut(place) else { continue };
            twin.differs_since = since;
            twin.raised = lasts || (twin.raised && differs);
            // What differs but for a moment is looked at again; what is known to differ, when it changes.
            twin.dirty = differs && !lasts;
            if twin.dirty {
                self.dirty_twins.push(place);
            }
        }
    }

    /// Whether two leaves that have heard all of a family heard different things.
    fn differs(&self, twin: &Twin, family: Family, now: Timestamp) -> bool {
        let heard = self.heard(twin, family, now);
        let mut digests = heard.values().map(|(digest, _)| digest);
        let first = digests.next();
        digests.any(|other| Some(other) != first)
    }

    /// By leaf: the digest of what the node's sessions told, and which they are. A leaf of whose sessions
    /// one has not told everything yet is not heard.
    fn heard(&self, twin: &Twin, family: Family, now: Timestamp) -> BTreeMap<&str, (u64, Vec<PeerIndex>)> {
        let mut heard: BTreeMap<&str, Option<(u64, Vec<PeerIndex>)>> = BTreeMap::new();
        for at in &twin.members {
            let Some(peer) = self.peers.get(*at) else { continue };
            if !peer.negotiated_families().contains(family) {
                continue;
            }
            let leaf = heard.entry(&peer.id.leaf).or_insert_with(|| Some((0, Vec::new())));
            if !peer.settled(family, now) || peer.family(family).sweeping {
                *leaf = None;
            } else if let Some((digest, members)) = leaf {
                *digest = digest.wrapping_add(*peer.tally.digest.of(family));
                members.push(*at);
            }
        }
        heard.into_iter().filter_map(|(leaf, told)| Some((leaf, told?))).collect()
    }

    /// Which prefixes one leaf heard and another did not.
    fn differences(&self, twin: &Twin, now: Timestamp) -> Vec<Proof> {
        let mut proofs = Vec::new();
        for family in Family::ALL {
            if !self.differs(twin, family, now) {
                continue;
            }
            let heard = self.heard(twin, family, now);
            let counts = heard.values().map(|(_, members)| self.count_accepted_of(members, family));
            if counts.clone().sum::<u64>() > COMPARED {
                let firsts = heard.values().filter_map(|(_, members)| self.peers.get(*members.first()?));
                let told = firsts.zip(counts);
                proofs.extend(told.map(|(peer, count)| peer.proof(format!("announces {count} routes here"))));
                continue;
            }
            let sets: Vec<_> =
                heard.values().map(|(_, members)| (members, self.accepted(members, family))).collect();
            for (members, own) in &sets {
                let all = sets.iter().flat_map(|(_, set)| set);
                let missing: HashSet<&IpNet, RandomState> =
                    all.filter(|prefix| !own.contains(*prefix)).collect();
                let peer = members.first().and_then(|at| self.peers.get(*at));
                if let (Some(peer), false) = (peer, missing.is_empty()) {
                    proofs.push(peer.proof(lacks(missing)));
                }
            }
        }
        proofs
    }

    fn count_accepted_of(&self, members: &[PeerIndex], family: Family) -> u64 {
        let peers = members.iter().filter_map(|at| self.peers.get(*at));
        peers.flat_map(|peer| peer.tally.accepted.of(family)).sum()
    }

    fn accepted(&self, members: &[PeerIndex], family: Family) -> HashSet<IpNet, RandomState> {
        let paths = members.iter().flat_map(|at| self.rib.paths_of(*at, family, None));
        paths
            .filter(|(_, _, path)| path.judgement.accepted().is_some())
            .map(|(_, prefix, _)| prefix)
            .collect()
    }
}

fn cause(twin: &Twin) -> Cause {
    Cause::leaf_disagreement(twin.scope.clone(), twin.name.clone())
}

fn lacks(missing: HashSet<&IpNet, RandomState>) -> String {
    let total = missing.len();
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_unstable();
    let shown: Vec<_> = missing.iter().take(MAX_PROOFS).map(ToString::to_string).collect();
    let more = if total > shown.len() { format!(" and {} more", total - shown.len()) } else { String::new() };
    format!("does not announce {}{more} here", shown.join(", "))
}

//! Who tries to peer and is refused.
//!
//! Once is not trying: a node that is to be a peer comes again, BIRD after 5 to 30 seconds, FRR within a minute,
//! GoBGP every two. Who was refused three times in a row is found, until it came in or gave up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof, QUIET, Scope};
use crate::speaker::{PeerId, Refusal, Refused, Signature, Unsigned};
use crate::time::Timestamp;

/// How often somebody must be refused ...
const OFTEN: u64 = 3;
/// ... no two times farther apart than this.
const IN_A_ROW: Duration = Duration::from_mins(5);
/// Who is remembered of one leaf for one reason, and as many again who did not try often yet: who uses a new
/// address each time pushes nobody out that is found. Of more, the one goes that came last the longest ago.
const MAX_TRIES: usize = 1_000;

/// Everybody who was refused lately.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Refusals {
    /// By leaf; without a name, where it is not known which.
    leaves: BTreeMap<Arc<str>, BTreeMap<Who, Tries>>,
    raised: BTreeSet<Cause>,
    /// Something changed since the findings were looked at.
    dirty: bool,
}

/// Who tries, and why in vain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Who {
    Address(Refusal, IpAddr),
    /// The kernel does not say who.
    Somebody(Signature),
}

#[derive(Serialize, Deserialize)]
struct Tries {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// The last one for people; of those that the kernel counts, how many segments there were.
    text: String,
    segments: u64,
}

impl Who {
    /// As it is counted.
    const fn why(self) -> &'static str {
        match self {
            Self::Address(why, _) => why.name(),
            Self::Somebody(_) => "md5",
        }
    }
}

impl Tries {
    const fn new(at: Timestamp) -> Self {
        Self { count: 0, first: at, last: at, text: String::new(), segments: 0 }
    }

    /// One more.
    fn count(&mut self, at: Timestamp) {
        if self.count < OFTEN && at.since(self.last) > IN_A_ROW {
            *self = Self::new(at);
        }
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(at);
    }

    fn over(&self) -> Timestamp {
        self.last.after(QUIET)
    }

    fn line(&self, who: Who) -> String {
        match who {
            Who::Address(..) => {
                let before = if self.text.is_empty() { "" } else { ", " };
                format!("{}{before}{} tries since {}", self.text, self.count, self.first)
            }
            Who::Somebody(signature) => {
                let how = match signature {
                    Signature::Missing => "not signed although a password is configured here",
                    Signature::Unexpected => "signed although no password is configured here",
                    Signature::Wrong => "signed with another password",
                };
                let (segments, first, counter) = (self.segments, self.first, signature.counter());
                format!("{segments} segments {how}, since {first} ({counter})")
            }
        }
    }
}

/// There is one more of this reason, or one more of it that tried often: of too many, another one goes.
fn make_room(leaf: &mut BTreeMap<Who, Tries>, newest: Who) {
    let Who::Address(why, _) = newest else { return };
    let is_often = |tries: &Tries| tries.count >= OFTEN;
    let often = leaf.get(&newest).is_some_and(is_often);
    let first = Who::Address(why, Ipv4Addr::UNSPECIFIED.into());
    let others = || {
        let of_reason = leaf.range(first..).take_while(|(who, _)| who.why() == newest.why());
        of_reason.filter(|(who, tries)| **who != newest && is_often(tries) == often)
    };
    if others().count() >= MAX_TRIES {
        let oldest = others().min_by_key(|(_, tries)| tries.last).map(|(who, _)| *who);
        oldest.and_then(|oldest| leaf.remove(&oldest));
    }
}

impl Refusals {
    fn note(&mut self, leaf: &Arc<str>, who: Who, at: Timestamp) -> &mut Tries {
        self.dirty = true;
        let leaf = self.leaves.entry(Arc::clone(leaf)).or_default();
        let tries = leaf.entry(who).or_insert_with(|| Tries::new(at));
        tries.count(at);
        if matches!(tries.count, 1 | OFTEN) {
            make_room(leaf, who);
        }
        leaf.entry(who).or_insert_with(|| Tries::new(at))
    }

    /// `peer` has a session: it does not matter any more why it had none.
    pub(super) fn came_in(&mut self, peer: &PeerId) {
        let Some(leaf) = self.leaves.get_mut(&peer.leaf) else { return };
        let before = leaf.len();
        leaf.retain(|who, _| !matches!(who, Who::Address(_, address) if *address == peer.address));
        self.dirty |= leaf.len() != before;
    }

    /// Whose it is may have changed.
    pub(super) fn look_again(&mut self) {
        self.dirty = true;
    }

    /// When there is something to look at, if nothing more is heard.
    pub(super) fn next(&self) -> Option<Timestamp> {
        if self.dirty {
            return Some(Timestamp::default());
        }
        self.leaves.values().flat_map(BTreeMap::values).map(Tries::over).min()
    }

    /// Forgets those of leaves that are not there any more, and those who gave up.
    fn expire(&mut self, is_there: impl Fn(&str) -> bool, now: Timestamp) {
        let is_over = |tries: &Tries| tries.over() <= now;
        self.leaves.retain(|name, leaf| {
            let before = leaf.len();
            leaf.retain(|_, tries| !is_over(tries));
            self.dirty |= leaf.len() != before;
            let stays = !leaf.is_empty() && (name.is_empty() || is_there(name));
            self.dirty |= !stays;
            stays
        });
    }
}

impl Core {
    pub(super) fn refused(&mut self, refused: Refused) {
        let Refused { peer, at, why, offered_as, expected, detail } = refused;
        let tries = self.refusals.note(&peer.leaf, Who::Address(why, peer.address), at);
        let offered = offered_as.map(|asn| format!("AS {asn} offered"));
        let expected = (!expected.is_empty()).then(|| format!("{expected} expected"));
        let detail = (!detail.is_empty()).then_some(detail);
        let parts: Vec<_> = [offered, expected, detail].into_iter().flatten().collect();
        tries.text = parts.join(", ");
    }

    pub(super) fn unsigned(&mut self, unsigned: &Unsigned) {
        let leaf = unsigned.leaf.clone().unwrap_or_default();
        let tries = self.refusals.note(&leaf, Who::Somebody(unsigned.signature), unsigned.at);
        tries.segments = tries.segments.saturating_add(unsigned.segments);
    }

    /// Finds who is refused again and again.
    pub(super) fn check_refusals(&mut self, now: Timestamp) {
        self.refusals.expire(|leaf| self.map.leaf_scope(leaf).is_some(), now);
        if !std::mem::take(&mut self.refusals.dirty) {
            return;
        }
        let found = self.find_refused();
        let raised = found.keys().cloned().collect();
        for cause in std::mem::replace(&mut self.refusals.raised, raised) {
            if !found.contains_key(&cause) {
                self.findings.clear(&cause, now);
            }
        }
        for (cause, (facts, proofs)) in found {
            self.findings.state(cause, facts, proofs, now);
        }
    }

    /// Those who try again and again, by what is found of them.
    fn find_refused(&self) -> BTreeMap<Cause, (Vec<String>, Vec<Proof>)> {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (leaf, tries) in &self.refusals.leaves {
            for (who, tries) in tries.iter().filter(|(_, tries)| tries.count >= OFTEN) {
                let cause = Cause::peer_refused(self.scope_of(leaf, *who), leaf.clone(), who.why().into());
                found.entry(cause).or_default().push((*who, tries));
            }
        }
        let told = |(cause, tries)| {
            let told = self.tell_refused(&cause, tries);
            (cause, told)
        };
        found.into_iter().map(told).collect()
    }

    /// Where somebody belongs; everywhere, if that cannot be told.
    fn scope_of(&self, leaf: &Arc<str>, who: Who) -> Scope {
        let entry = match who {
            Who::Address(_, address) => self.map.neighbors(&PeerId { leaf: Arc::clone(leaf), address }),
            Who::Somebody(_) => None,
        };
        let place = entry.and_then(|entry| self.map.place(entry));
        let scope = place.map(|place| place.scope).or_else(|| self.map.leaf_scope(leaf));
        scope.or_else(|| self.map.only_scope()).unwrap_or_else(Scope::all)
    }

    /// Facts and proofs: those who came last, if they are many.
    fn tell_refused(&self, cause: &Cause, mut tries: Vec<(Who, &Tries)>) -> (Vec<String>, Vec<Proof>) {
        let (mut facts, mut proofs) = (Vec::new(), Vec::new());
        if tries.len() > MAX_PROOFS {
            facts.push(format!("{} addresses", tries.len()));
            tries.sort_by_key(|(who, tries)| (std::cmp::Reverse(tries.last), *who));
            tries.truncate(MAX_PROOFS - 1);
        }
        for (who, tries) in tries {
            let text = tries.line(who);
            match (who, cause.leaf()) {
                (Who::Address(_, address), Some(leaf)) => {
                    let peer = PeerId { leaf: Arc::clone(leaf), address };
                    let (node, cluster) = (self.name_of(&peer), Arc::clone(&cause.scope().cluster));
                    proofs.push(Proof { peer, node, cluster, text });
                }
                _ => facts.push(text),
            }
        }
        (facts, proofs)
    }

    /// The node at an address, if it is known or pinned.
    fn name_of(&self, peer: &PeerId) -> Option<Arc<str>> {
        let known = self.peers.find(peer).and_then(|at| self.peers.get(at)?.name.clone());
        let place = || self.map.place(self.map.neighbors(peer)?);
        let pinned = || Some(Arc::clone(&self.map.pin(peer.address, &place()?)?.name));
        known.or_else(pinned)
    }
}

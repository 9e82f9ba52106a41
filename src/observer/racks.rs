//! Racks that go down as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof};
use super::peers::Peer;
use crate::time::Timestamp;

/// Losses within this time have one cause.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What the peers of one rack are doing.
#[derive(Default)]
struct Rack {
    known: usize,
    down: usize,
    /// Lost within the last [`AT_ONCE`].
    lately: usize,
    proofs: Vec<Proof>,
}

impl Rack {
    fn count(&mut self, peer: &Peer, now: Timestamp) {
        self.known += 1;
        if peer.session.is_some() {
            return;
        }
        self.down += 1;
        let lately = peer.last.is_some() && peer.since.is_some_and(|since| now.since(since) <= AT_ONCE);
        self.lately += usize::from(lately);
        if self.proofs.len() <= MAX_PROOFS {
            self.proofs.push(peer.proof(peer.last_error.as_deref().unwrap_or_default().to_owned()));
        }
    }

    /// Of one peer alone, `peer_down` says it all.
    fn is_most(&self, part: usize) -> bool {
        self.known > 1 && part * 5 >= self.known * 4
    }
}

impl Core {
    /// A rack is down when 80 % of its known peers are lost at once, until fewer are down.
    pub(super) fn check_racks(&mut self, now: Timestamp) {
        let mut racks: BTreeMap<Cause, Rack> = BTreeMap::new();
        for (_, peer) in self.peers.iter() {
            let cause = Cause::rack_down(peer.place.scope.clone(), peer.place.rack.clone());
            racks.entry(cause).or_default().count(peer, now);
        }
        let mut down = BTreeSet::new();
        for (cause, rack) in racks {
            let was_down = self.racks_down.contains(&cause);
            if rack.is_most(if was_down { rack.down } else { rack.lately }) {
                down.insert(cause.clone());
                self.findings.raise(cause, rack.proofs, now);
            }
        }
        for cause in self.racks_down.difference(&down) {
            self.findings.clear(cause, now);
        }
        self.racks_down = down;
    }
}

//! Nodes that restarted and say nothing: they wait for one of their peers.
//!
//! A BIRD that restarts announces nothing, to nobody, before each peer that knows graceful restart sent it
//! End-of-RIB, for up to 240 s. We send it at once, so it is another that the node waits for; nodes of a
//! rack have the same leaves, and hence the same cause.

use std::time::Duration;

use super::core::Core;
use super::findings::Key as Cause;
use super::peers::Peer;
use crate::rib::PeerIndex;
use crate::time::Timestamp;

/// A node that need not wait announces what it has within one to three seconds.
const USUAL: Duration = Duration::from_secs(4);

impl Core {
    /// A peer that waits is one more proof, from the time on at which its session came up.
    pub(super) fn check_recovery(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if peer.waits_too_long(now) == peer.raised.waiting {
            return;
        }
        let Some(since) = peer.waits_since().filter(|_| !peer.raised.waiting) else {
            return self.end_wait(at, now);
        };
        peer.raised.waiting = true;
        let proof = peer.proof(format!("no route and no End-of-RIB since its session came up at {since}"));
        self.findings.add_since(cause(peer), proof, since);
    }

    /// It waits no longer, or is no longer one of its rack.
    pub(super) fn end_wait(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if std::mem::take(&mut peer.raised.waiting) {
            self.findings.remove(&cause(peer), &peer.id, now);
        }
    }
}

impl Peer {
    pub(super) fn waits_too_long(&self, now: Timestamp) -> bool {
        self.waits_too_long_at().is_some_and(|due| due <= now)
    }

    /// When its silence is longer than usual, if it lasts.
    pub(super) fn waits_too_long_at(&self) -> Option<Timestamp> {
        Some(self.waits_since()?.after(USUAL))
    }

    /// Since when it says nothing after a restart (the R bit of RFC 4724, 3).
    fn waits_since(&self) -> Option<Timestamp> {
        let session = self.session.as_ref()?;
        let restarting = session.negotiated.graceful_restart.is_some_and(|said| said.restarting);
        let owes = || session.negotiated.families.iter().any(|family| !self.family(family).end_of_rib);
        (restarting && !session.spoke && owes()).then_some(session.since)
    }
}

fn cause(peer: &Peer) -> Cause {
    Cause::recovery_wait(peer.place.scope.clone(), peer.place.rack.clone())
}

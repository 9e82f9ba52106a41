//! Silence is not the end of a finding: who cannot be heard may still do what he did.
//!
//! What a peer proved before its session was lost stays open until the peer is back and has told everything
//! again, is forgotten, or was silent for [`SILENCE`]. While we are cut off ourselves that time does not pass.

use std::time::Duration;

use super::Findings;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// How long what was not seen to end is believed to last.
pub(super) const SILENCE: Duration = Duration::from_mins(10);

impl Findings {
    /// The session of `peer` is lost: what it does not say from now on is not over for that.
    pub fn lost(&mut self, peer: &PeerId) {
        self.silent.entry(peer.clone()).or_default();
    }

    /// Whether that is so.
    pub fn is_lost(&self, peer: &PeerId) -> bool {
        self.silent.contains_key(peer)
    }

    /// Of whom.
    pub(in crate::observer) fn silent(&self) -> Vec<PeerId> {
        self.silent.keys().cloned().collect()
    }

    /// `peer` has told everything again, or never will: what was not found again is over.
    pub fn heard(&mut self, peer: &PeerId, now: Timestamp) {
        for number in self.silent.remove(peer).unwrap_or_default() {
            let Some(cause) = self.causes.get_mut(&number) else { continue };
            // The last one stays, so that what is resolved still says whom it was about.
            let waits = cause.key.kind.is_of_absence() && self.misses_from > now;
            if cause.witnesses.len() > 1 && !waits {
                cause.witnesses.retain(|other, witness| other != peer || !witness.silent);
            }
            let unheard = cause.peers().any(|other| self.silent.contains_key(other));
            self.revision += 1;
            if let Some(cause) = self.causes.get_mut(&number).filter(|cause| cause.unseen && !unheard) {
                (cause.unseen, cause.restored) = (waits, waits && cause.restored);
                cause.lingers = waits.then_some(self.misses_from);
                if cause.is_over(now) {
                    self.finish(number, now);
                } else {
                    self.schedule(number);
                }
            }
        }
    }

    /// Nothing is missed before `time`: till then, what was missing before is believed to be so.
    pub fn miss_nothing_before(&mut self, time: Timestamp) {
        self.misses_from = time;
    }

    /// Whether we are cut off, and nothing can be seen.
    pub fn blind(&mut self, blind: bool) {
        self.blind = blind;
    }

    /// Notes those who prove a cause and are not heard; `true`: there are some.
    pub(super) fn is_silenced(&mut self, number: u64) -> bool {
        let Some(cause) = self.causes.get_mut(&number) else { return false };
        if !cause.key.kind.is_of_routes() {
            return false;
        }
        let mut any = false;
        let owner = cause.key.peer().cloned();
        for (peer, witness) in &mut cause.witnesses {
            if let Some(numbers) = self.silent.get_mut(peer) {
                numbers.insert(number);
                (witness.silent, any) = (true, true);
            }
        }
        if let Some(numbers) = owner.and_then(|owner| self.silent.get_mut(&owner)) {
            numbers.insert(number);
            any = true;
        }
        any
    }
}

//! Hold timers of peers that expire although we kept to them.
//!
//! One is a blip. Twice in a day, and not at one moment, is trouble: with timers of 1 and 3 seconds a busy BIRD
//! ends a session about once a day although KEEPALIVEs arrive.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::core::Core;
use super::findings::{Key as Cause, MAX_PROOFS, Proof, Scope};
use crate::speaker::HoldExpiry;
use crate::time::Timestamp;

/// Within this time, twice is trouble.
const DAY: Duration = Duration::from_hours(24);
/// What expires within this time has one cause, as when packets of many nodes are lost.
const AT_ONCE: Duration = Duration::from_mins(1);

/// Those of the last day, by where they were: the last few, the oldest first.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Expiries(BTreeMap<Scope, VecDeque<Expired>>);

#[derive(Serialize, Deserialize)]
struct Expired {
    at: Timestamp,
    proof: Proof,
    told: bool,
}

impl Core {
    /// The hold timer of a peer expired, and not for want of KEEPALIVEs.
    pub(super) fn expired(
        &mut self,
        scope: &Scope,
        proof: Proof,
        expiry: &HoldExpiry,
        at: Timestamp,
        now: Timestamp,
    ) {
        let text = format!(
            "{at}: {} ended the session, its hold timer of {} s expired {:.1} s after our last KEEPALIVE left; \
             its own had come {:.1} s before",
            proof.peer,
            expiry.hold_time.as_secs(),
            expiry.since_sent.as_secs_f64(),
            expiry.since_heard.as_secs_f64()
        );
        let expired = self.expiries.0.entry(scope.clone()).or_default();
        expired.retain(|before| at.since(before.at) < DAY);
        let trouble = expired.iter().any(|before| before.told || at.since(before.at) >= AT_ONCE);
        if expired.len() >= MAX_PROOFS {
            expired.pop_front();
        }
        expired.push_back(Expired { at, proof: Proof { text, ..proof }, told: false });
        for expired in expired.iter_mut().filter(|expired| trouble && !expired.told) {
            expired.told = true;
            self.findings.event(Cause::timer_trouble(scope.clone()), expired.proof.clone(), now);
        }
    }
}

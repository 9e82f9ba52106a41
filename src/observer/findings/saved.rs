//! Open findings across a restart: they keep their identity and nobody is told twice.

use serde::{Deserialize, Serialize};

use super::{Cause, Findings, Key, MAX_PROOFS, Proof, State, Witness};
use crate::time::Timestamp;

/// An open finding, to be kept while the process is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    id: Box<str>,
    key: Key,
    since: Timestamp,
    opened: Timestamp,
    proofs: Vec<Proof>,
}

impl Findings {
    /// What must survive a restart.
    pub fn saved(&self) -> Vec<Saved> {
        let saved = |cause: &Cause| match cause.state {
            State::Open(opened) => Some(Saved {
                id: cause.id.clone(),
                key: cause.key.clone(),
                since: cause.since,
                opened,
                proofs: cause.witnesses.iter().take(MAX_PROOFS).map(Witness::proof).collect(),
            }),
            State::Waiting | State::Pending => None,
        };
        self.causes.values().filter_map(saved).collect()
    }

    /// Takes over what was open before the restart. To be called first of all. What is not found again
    /// until `believed` resolves then.
    pub fn restore(&mut self, saved: impl IntoIterator<Item = Saved>, believed: Timestamp) {
        for Saved { id, key, since, opened, proofs } in saved {
            if self.numbers.contains_key(&key) || !self.has_room(key.kind()) {
                continue;
            }
            self.last_number += 1;
            let number = self.last_number;
            let mut cause = Cause::new(key.clone(), since, number);
            (cause.id, cause.quiet, cause.restored) = (id, Some(believed), true);
            cause.witnesses = proofs.into_iter().map(Witness::of).collect();
            self.numbers.insert(key, number);
            self.causes.insert(number, cause);
            self.enter(number, State::Open(opened));
            self.schedule(number);
        }
    }
}

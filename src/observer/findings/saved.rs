//! Open findings across a restart: they keep their identity and nobody is told twice.

use serde::{Deserialize, Serialize};

use super::{Cause, Findings, Key, Proof, Severity, State, Witness};
use crate::time::Timestamp;

/// How many proofs of a finding are kept: all that could still tell whether it is over.
const PROOFS: usize = 100;

/// A finding that is open or acknowledged, to be kept while the process is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    id: Box<str>,
    key: Key,
    since: Timestamp,
    /// None: it was acknowledged before.
    opened: Option<Timestamp>,
    proofs: Vec<Proof>,
    said: Option<String>,
    facts: Vec<String>,
    acknowledged: Option<String>,
    #[serde(default)]
    advice: Option<String>,
    #[serde(default)]
    severity: Option<Severity>,
}

impl Saved {
    /// What it is about.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The same, begun by `now` at the latest: the clock may have been wrong when it was written.
    #[must_use]
    pub fn begun_by(self, now: Timestamp) -> Self {
        Self { since: self.since.min(now), opened: self.opened.map(|opened| opened.min(now)), ..self }
    }
}

impl Findings {
    /// What must survive a restart.
    pub fn saved(&self) -> Vec<Saved> {
        let saved = |cause: &Cause| {
            let opened = match cause.state {
                State::Open(opened) => Some(opened),
                State::Pending if cause.acknowledged.is_some() => None,
                State::Pending | State::Waiting => return None,
            };
            let (said, facts) = self.frozen(cause);
            Some(Saved {
                id: cause.id.clone(),
                key: cause.key.clone(),
                since: cause.since,
                opened,
                proofs: cause.witnesses.iter().take(PROOFS).map(Witness::proof).collect(),
                said,
                facts,
                acknowledged: cause.acknowledged.clone(),
                advice: cause.advice.clone(),
                severity: cause.severity,
            })
        };
        self.causes.values().filter_map(saved).collect()
    }

    /// Takes over what was open before the restart. To be called first of all. What is not found again
    /// until `believed`, or once all who proved it have told everything, resolves then.
    pub fn restore(&mut self, saved: impl IntoIterator<Item = Saved>, believed: Timestamp) {
        for saved in saved {
            let Saved { id, key, since, opened, proofs, said, facts, acknowledged, advice, severity } = saved;
            if self.numbers.contains_key(&key) || !self.has_room(key.kind()) {
                continue;
            }
            self.last_number += 1;
            let number = self.last_number;
            let mut cause = Cause::new(key.clone(), since, number);
            (cause.id, cause.lingers, cause.acknowledged) = (id, Some(believed), acknowledged);
            (cause.unseen, cause.restored, cause.said, cause.facts) = (true, true, said, facts);
            (cause.advice, cause.severity) = (advice, severity);
            for (peer, mut witness) in proofs.into_iter().map(Witness::of) {
                self.silent.entry(peer.clone()).or_default().insert(number);
                witness.silent = true;
                cause.witnesses.insert(peer, witness);
            }
            if let Some(owner) = key.peer() {
                self.silent.entry(owner.clone()).or_default().insert(number);
            }
            self.explain_all = true;
            self.numbers.insert(key, number);
            self.causes.insert(number, cause);
            self.enter(number, opened.map_or(State::Pending, State::Open));
            self.schedule(number);
        }
    }
}

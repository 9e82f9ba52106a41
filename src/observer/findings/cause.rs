//! Something that is wrong now.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Key, Proof, Severity};
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// Something that is wrong now.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cause {
    pub(super) key: Key,
    pub(super) id: Box<str>,
    pub(super) since: Timestamp,
    pub(super) state: State,
    /// Wrong until it is cleared, whatever events there are.
    pub(super) lasting: bool,
    /// Until when the last event counts.
    pub(super) quiet: Option<Timestamp>,
    /// Until when it stays although it is gone, for it may come back.
    pub(super) lingers: Option<Timestamp>,
    /// Whether it is over cannot be seen: who proved it is not heard.
    pub(super) unseen: bool,
    /// Known from before a restart, and not seen since: `lingers` says how long that is believed.
    pub(super) restored: bool,
    /// Why nobody is told.
    pub(super) muted: Option<Muted>,
    /// What was said by who knows of it and wants to hear no more.
    pub(super) acknowledged: Option<String>,
    /// Since when it stands for itself again, after it was muted.
    pub(super) released: Option<Timestamp>,
    /// What it explains.
    pub(super) explains: BTreeSet<u64>,
    /// The youngest of what it explains.
    pub(super) latest: Timestamp,
    /// Where in `due`.
    pub(super) due: Option<Timestamp>,
    pub(super) witnesses: BTreeMap<PeerId, Witness>,
    /// What is told of it: by whoever reports it, or when it could still be seen.
    pub(super) said: Option<String>,
    /// What is to be done about it, if not as its kind says.
    pub(super) advice: Option<String>,
    /// How bad it is, if not as its key says.
    pub(super) severity: Option<Severity>,
    /// What is known of it, whoever proves it.
    pub(super) facts: Vec<String>,
    /// What the last events were, the newest first.
    pub(super) notes: VecDeque<String>,
    /// How many events there were.
    pub(super) events: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Above the bounds: nobody sees it.
    Waiting,
    Pending,
    Open(Timestamp),
}

/// Why nobody is told of a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::observer) enum Muted {
    /// The cause with this number explains it.
    Absorbed(u64),
    /// Somebody works on what it is about, for this reason.
    Maintenance(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Witness {
    pub(super) node: Option<Arc<str>>,
    pub(super) cluster: Arc<str>,
    pub(super) text: String,
    /// Its session was lost since: what it does now is not seen.
    pub(super) silent: bool,
}

impl Cause {
    pub(super) fn new(key: Key, since: Timestamp, number: u64) -> Self {
        let hash = foldhash::quality::FixedState::default().hash_one((&key, since, number));
        Self {
            id: format!("{}-{:010x}", key.kind, hash >> 24).into(),
            key,
            since,
            state: State::Waiting,
            lasting: false,
            quiet: None,
            lingers: None,
            unseen: false,
            restored: false,
            muted: None,
            acknowledged: None,
            released: None,
            explains: BTreeSet::new(),
            latest: since,
            due: None,
            witnesses: BTreeMap::new(),
            said: None,
            advice: None,
            severity: None,
            facts: Vec::new(),
            notes: VecDeque::new(),
            events: 0,
        }
    }

    /// Whether it is wrong now, or was lately enough to be told of.
    pub(super) fn is_there(&self, now: Timestamp) -> bool {
        self.lasting || self.quiet.is_some_and(|quiet| quiet > now)
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        !self.is_there(now) && self.lingers.is_none_or(|lingers| lingers <= now)
    }

    pub(super) const fn is_muted(&self) -> bool {
        self.muted.is_some() || self.acknowledged.is_some()
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether those who are heard prove it.
    pub(super) fn is_proven(&self) -> bool {
        let heard = self.witnesses.iter().filter(|(_, witness)| !witness.silent);
        let mut nodes = heard.map(|(peer, witness)| witness.node(peer));
        match nodes.next() {
            None => false,
            Some(first) => !self.key.kind.takes_two() || nodes.any(|node| node != first),
        }
    }

    /// Whom it is about.
    pub(super) fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.witnesses.keys().chain(self.key.peer().filter(|peer| !self.witnesses.contains_key(peer)))
    }
}

impl Witness {
    pub(super) fn of(proof: Proof) -> (PeerId, Self) {
        let Proof { peer, node, cluster, text } = proof;
        (peer, Self { node, cluster, text, silent: false })
    }

    pub(super) fn proof((peer, witness): (&PeerId, &Self)) -> Proof {
        Proof {
            peer: peer.clone(),
            node: witness.node.clone(),
            cluster: Arc::clone(&witness.cluster),
            text: witness.text.clone(),
        }
    }

    /// What tells nodes apart: cluster and name, or else the peer itself.
    fn node<'a>(&'a self, peer: &'a PeerId) -> Result<(&'a str, &'a str), &'a PeerId> {
        self.node.as_deref().map(|node| (&*self.cluster, node)).ok_or(peer)
    }
}

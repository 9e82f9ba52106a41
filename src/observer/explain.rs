//! One cause, one finding: what explains what.
//!
//! | finding | explains |
//! |---|---|
//! | `observer_isolated` | every loss, within ten minutes |
//! | `rack_down` | losses of its rack, within ten minutes |
//! | `mesh_left_on` | what its nodes hand on, and the blocks that seem to be of several nodes for it |
//! | `peer_refused` | that a node is lost which tries to come back and is refused |
//! | `recovery_wait` | stale routes of the nodes that wait |
//! | `peer_down`, once told | stale routes of the peer |
//! | `apic_down` | what cannot be written there, and what is not as it was left, as far as the same reports it |
//! | the first of a node's sessions | the same trouble of its other sessions |
//! | a burst | findings of one kind that began at once |
//!
//! And what somebody works on is no news.

use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::core::Core;
use super::findings::{Key as Cause, Kind, Muted, Subject};
use super::peers::Peer;
use crate::policy::Reason;
use crate::rib::PeerIndex;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// Reasons that the routes have that a node hands on.
const HANDED_ON: [Reason; 5] = [
    Reason::AsPathTooLong,
    Reason::FirstAsMismatch,
    Reason::UnexpectedOriginAs,
    Reason::OwnAsInPath,
    Reason::NextHopNotPeer,
];

/// What is lost later than that has another cause, however long the first one lasts.
const AFTER: Duration = Duration::from_mins(10);

/// The peers behind which one host stands.
type Hosts = HashMap<PeerIndex, Vec<PeerId>, RandomState>;

impl Core {
    /// Finds out what explains those causes that came or changed.
    pub(super) fn explain_findings(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.muting_dirty) {
            self.findings.explain_all();
        }
        if !self.findings.any_unexplained() {
            return;
        }
        let hosts = self.hosts();
        let numbers = self.findings.take_unexplained();
        for number in &numbers {
            self.explain_siblings(*number, &hosts);
        }
        let more = self.findings.take_unexplained();
        for number in numbers.into_iter().chain(more) {
            let Some(subject) = self.findings.subject(number) else { continue };
            let muted = self
                .explanation(&subject, &hosts)
                .filter(|by| *by != number)
                .map(Muted::Absorbed)
                .or_else(|| self.worked_on(&subject).map(Muted::Maintenance));
            self.findings.mute(number, muted, now);
        }
        self.findings.gather(now);
    }

    fn hosts(&self) -> Hosts {
        let mut hosts = Hosts::default();
        for (_, peer) in self.peers.iter() {
            hosts.entry(peer.host).or_default().push(peer.id.clone());
        }
        hosts
    }

    /// What came may explain the same of the node's other sessions, and what else these lost.
    fn explain_siblings(&mut self, number: u64, hosts: &Hosts) {
        let Some(key) = self.findings.subject(number).map(|subject| subject.key().clone()) else { return };
        let Some(peer) = key.peer().and_then(|id| self.known(id)) else { return };
        for sibling in hosts.get(&peer.host).into_iter().flatten() {
            self.findings.explain_again(&key.of_peer(sibling.clone()));
        }
    }

    /// The number of the cause that explains this one.
    fn explanation(&self, subject: &Subject<'_>, hosts: &Hosts) -> Option<u64> {
        self.by_isolation(subject)
            .or_else(|| self.by_rack(subject))
            .or_else(|| self.by_mesh(subject))
            .or_else(|| self.by_refusal(subject))
            .or_else(|| self.by_wait(subject))
            .or_else(|| self.by_apic(subject))
            .or_else(|| self.by_node(subject, hosts))
    }

    fn by_isolation(&self, subject: &Subject<'_>) -> Option<u64> {
        let (number, since) = self.findings.present(&Cause::observer_isolated())?;
        (is_loss(subject.key().kind()) && follows(subject.since(), since)).then_some(number)
    }

    fn by_rack(&self, subject: &Subject<'_>) -> Option<u64> {
        let kind = subject.key().kind();
        if !is_loss(kind) || kind == Kind::RackDown {
            return None;
        }
        let first = self.known(subject.peers().next()?)?;
        let place = &first.place;
        let cause = Cause::rack_down(place.scope.clone(), Arc::clone(&place.rack));
        let (number, since) = self.findings.present(&cause)?;
        let same = |id: &PeerId| self.known(id).is_some_and(|peer| peer.place == *place);
        (follows(subject.since(), since) && subject.peers().all(same)).then_some(number)
    }

    fn by_mesh(&self, subject: &Subject<'_>) -> Option<u64> {
        let key = subject.key();
        let scope = &self.known(subject.peers().next()?)?.place.scope;
        let (number, _) = self.findings.present(&Cause::mesh_left_on(scope.clone()))?;
        if subject.clusters().any(|cluster| *cluster != *scope.cluster) {
            return None;
        }
        let explained = match key.kind() {
            Kind::RogueRoute => match (key.reason(), key.peer()) {
                (Some(reason), _) => HANDED_ON.contains(&reason),
                (None, Some(peer)) => self
                    .findings
                    .reasons(peer)
                    .is_none_or(|mut reasons| reasons.all(|reason| HANDED_ON.contains(&reason))),
                (None, None) => false,
            },
            // What two announce is theirs alone.
            Kind::DuplicatePodBlock | Kind::DuplicatePodHost => subject.peers().count() > 2,
            Kind::PrefixLimit => true,
            _ => false,
        };
        explained.then_some(number)
    }

    fn by_refusal(&self, subject: &Subject<'_>) -> Option<u64> {
        let lost = subject.key().peer().filter(|_| subject.key().kind() == Kind::PeerDown)?;
        // Who is known to be refused says nothing of somebody else, who is among the proofs since.
        let refused = self.findings.current_of(Kind::PeerRefused);
        let refused = refused.filter(|key| !self.findings.is_acknowledged(key));
        let refused = refused.filter_map(|key| self.findings.present(key));
        let mut numbers = refused.map(|(number, _)| number);
        numbers.find(|number| {
            self.findings.subject(*number).is_some_and(|subject| subject.peers().any(|peer| peer == lost))
        })
    }

    fn by_wait(&self, subject: &Subject<'_>) -> Option<u64> {
        let peer = self.known(subject.key().peer().filter(|_| subject.key().kind() == Kind::StaleRoutes)?)?;
        let cause = Cause::recovery_wait(peer.place.scope.clone(), Arc::clone(&peer.place.rack));
        let (number, _) = self.findings.present(&cause)?;
        self.findings.subject(number)?.peers().any(|id| *id == peer.id).then_some(number)
    }

    fn by_apic(&self, subject: &Subject<'_>) -> Option<u64> {
        let key = subject.key();
        if !matches!(key.kind(), Kind::EepgWriteFailing | Kind::EepgDrift) {
            return None;
        }
        let mut down = self.reports.down_beside(key).filter_map(|down| self.findings.present(down));
        down.next().map(|(number, _)| number)
    }

    fn by_node(&self, subject: &Subject<'_>, hosts: &Hosts) -> Option<u64> {
        let key = subject.key();
        let id = key.peer()?;
        let down = || self.findings.told(&Cause::peer_down(key.scope().clone(), id.clone()));
        if let Some(number) = (key.kind() == Kind::StaleRoutes).then(down).flatten() {
            return Some(number);
        }
        if !is_of_sessions(key.kind()) {
            return None;
        }
        let peer = self.known(id)?;
        let alike = |sibling: &&PeerId| {
            **sibling < *id && (key.kind() != Kind::RogueRoute || self.leak_alike(sibling, id))
        };
        let siblings = hosts.get(&peer.host)?.iter().filter(alike);
        let same = siblings.filter_map(|sibling| self.findings.present(&key.of_peer(sibling.clone())));
        let since = subject.since();
        let near = same.filter(|(_, other)| follows(since, *other) || follows(*other, since));
        let mut near = near.filter(|(number, _)| !self.findings.is_worked_on(*number));
        if let Some((number, _)) = near.next() {
            return Some(number);
        }
        let missing = matches!(key.kind(), Kind::MissingServiceCidr | Kind::MissingNodeSubnet);
        let name = peer.name.clone().filter(|_| missing)?;
        self.findings.present(&Cause::leaf_disagreement(key.scope().clone(), name)).map(|(number, _)| number)
    }

    /// Whether the routes of both are rejected for the same reasons, as far as these are known.
    fn leak_alike(&self, one: &PeerId, other: &PeerId) -> bool {
        match (self.findings.reasons(one), self.findings.reasons(other)) {
            (Some(one), Some(other)) => one.eq(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// What somebody works on, if all that the cause is about is that.
    fn worked_on(&self, subject: &Subject<'_>) -> Option<String> {
        if self.maintenance.windows().is_empty() {
            return None;
        }
        let mut reason = None;
        for id in subject.peers() {
            let peer = self.known(id)?;
            let place = &peer.place;
            let window =
                self.maintenance.covering(peer.name.as_deref(), &place.rack, &place.scope.cluster)?;
            reason.get_or_insert_with(|| window.reason.clone());
        }
        reason
    }

    fn known(&self, id: &PeerId) -> Option<&Peer> {
        self.peers.get(self.peers.find(id)?)
    }
}

/// Whether what began then may follow from what began at `cause`.
fn follows(since: Timestamp, cause: Timestamp) -> bool {
    cause <= since && since <= cause.after(AFTER)
}

/// What follows from sessions that are lost.
const fn is_loss(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PeerDown
            | Kind::RackDown
            | Kind::StaleRoutes
            | Kind::PeerFlapping
            | Kind::RecoveryWait
            | Kind::LeafDisagreement
            | Kind::MissingServiceCidr
            | Kind::MissingNodeSubnet
    )
}

/// What a node's sessions suffer alike.
const fn is_of_sessions(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PeerDown
            | Kind::StaleRoutes
            | Kind::PeerFlapping
            | Kind::PrefixLimit
            | Kind::MalformedUpdates
            | Kind::RogueRoute
            | Kind::MissingServiceCidr
            | Kind::MissingNodeSubnet
    )
}

//! Findings of which nobody is told: because another one explains them, because somebody works there, or
//! because somebody knows.
//!
//! What is muted does not open; once it stands for itself again, it opens after as long as if it began then.

use super::cause::{Cause, State};
use super::{Findings, Key, Kind, Muted};
use crate::policy::Reason;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// A cause, as who looks for what explains it wants to know it.
pub(in crate::observer) struct Subject<'a> {
    cause: &'a Cause,
}

impl<'a> Subject<'a> {
    pub(in crate::observer) const fn key(&self) -> &'a Key {
        &self.cause.key
    }

    pub(in crate::observer) const fn since(&self) -> Timestamp {
        self.cause.since
    }

    /// Whom it is about.
    pub(in crate::observer) fn peers(&self) -> impl Iterator<Item = &'a PeerId> + use<'a> {
        self.cause.peers()
    }

    /// In which clusters those are.
    pub(in crate::observer) fn clusters(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.cause.witnesses.values().map(|witness| &*witness.cluster)
    }
}

impl Findings {
    /// Somebody knows of the finding with this identity and wants to hear no more of it; `false`: there is
    /// none.
    pub fn acknowledge(&mut self, id: &str, reason: String) -> bool {
        let Some((&number, cause)) =
            self.causes.iter_mut().find(|(_, cause)| *cause.id == *id && cause.state != State::Waiting)
        else {
            return false;
        };
        cause.acknowledged = Some(reason);
        self.revision += 1;
        self.schedule(number);
        true
    }

    /// Causes that came or changed, or all, if what explains others did, since the last call.
    pub(in crate::observer) fn take_unexplained(&mut self) -> Vec<u64> {
        let some = std::mem::take(&mut self.unexplained);
        if std::mem::take(&mut self.explain_all) {
            self.causes.keys().copied().collect()
        } else {
            some.into_iter().collect()
        }
    }

    /// Whether there are such causes.
    pub(in crate::observer) fn any_unexplained(&self) -> bool {
        self.explain_all || !self.unexplained.is_empty()
    }

    /// Whether one of them opens or is over by `now`.
    pub(in crate::observer) fn is_due(&self, now: Timestamp) -> bool {
        self.due.first().is_some_and(|(due, _)| *due <= now)
    }

    /// All of them must be looked at.
    pub(in crate::observer) const fn explain_all(&mut self) {
        self.explain_all = true;
    }

    /// Something changed that `key` may be explained by.
    pub(in crate::observer) fn explain_again(&mut self, key: &Key) {
        self.unexplained.extend(self.numbers.get(key));
    }

    /// Somebody is told of this cause: of what follows from it nobody need be.
    pub(super) fn explain_more(&mut self, number: u64) {
        let Some(key) = self.causes.get(&number).map(|cause| &cause.key) else { return };
        if let Some(peer) = key.peer().filter(|_| key.kind == Kind::PeerDown) {
            let stale = Key::stale_routes(key.scope.clone(), peer.clone());
            self.explain_again(&stale);
        }
    }

    /// The number of the cause with this key, if somebody was told of it.
    pub(in crate::observer) fn told(&self, key: &Key) -> Option<u64> {
        let number = *self.numbers.get(key)?;
        self.causes.get(&number).is_some_and(Cause::is_open).then_some(number)
    }

    /// Whether somebody was told of the cause with this key, and would be now.
    pub(super) fn stands_told(&self, key: &Key) -> bool {
        let cause = self.numbers.get(key).and_then(|number| self.causes.get(number));
        cause.is_some_and(|cause| cause.is_open() && !cause.is_muted())
    }

    /// Whether somebody said to know of the cause with this key.
    pub(in crate::observer) fn is_acknowledged(&self, key: &Key) -> bool {
        let cause = self.numbers.get(key).and_then(|number| self.causes.get(number));
        cause.is_some_and(|cause| cause.acknowledged.is_some())
    }

    /// Whether nobody is told of the cause with this number because somebody works there.
    pub(in crate::observer) fn is_worked_on(&self, number: u64) -> bool {
        self.causes.get(&number).is_some_and(|cause| matches!(cause.muted, Some(Muted::Maintenance(_))))
    }

    /// The cause with this number; none if nobody sees it.
    pub(in crate::observer) fn subject(&self, number: u64) -> Option<Subject<'_>> {
        let cause = self.causes.get(&number).filter(|cause| cause.state != State::Waiting)?;
        Some(Subject { cause })
    }

    /// The cause with this key, and since when it lasts; none if nobody sees it.
    pub(in crate::observer) fn present(&self, key: &Key) -> Option<(u64, Timestamp)> {
        let number = *self.numbers.get(key)?;
        self.subject(number).map(|subject| (number, subject.since()))
    }

    /// For which reasons routes of `peer` are rejected, as far as they are kept; none if there are more.
    pub(in crate::observer) fn reasons(&self, peer: &PeerId) -> Option<impl Iterator<Item = Reason>> {
        self.rogues.get(peer).and_then(super::rogue::Routes::all_reasons)
    }

    /// Says why nobody is told of a cause; none: everybody is, unless it belongs to a burst.
    pub(in crate::observer) fn mute(&mut self, number: u64, muted: Option<Muted>, now: Timestamp) {
        let Some(cause) = self.causes.get(&number) else { return };
        let former = cause.muted.clone();
        if former == muted || (muted.is_none() && former.as_ref().is_some_and(|former| self.is_burst(former)))
        {
            return;
        }
        let (since, kind) = (cause.since, cause.key.kind);
        if let Some(Muted::Absorbed(by)) = &muted {
            let Some(absorber) = self.causes.get_mut(by) else { return };
            absorber.explains.insert(number);
            absorber.latest = absorber.latest.max(since);
        }
        self.hush(number, muted, now);
        if let Some(former) = former {
            self.no_longer_explained(number, &former, now);
        }
        self.settle(number, now);
        self.admit_waiting(kind, now);
    }

    fn is_burst(&self, muted: &Muted) -> bool {
        let Muted::Absorbed(by) = muted else { return false };
        self.causes.get(by).is_some_and(|absorber| absorber.key.is_burst())
    }

    /// Takes a cause from what `former` explained. A burst ends with the last of what it is made of.
    pub(super) fn no_longer_explained(&mut self, number: u64, former: &Muted, now: Timestamp) {
        let Muted::Absorbed(by) = former else { return };
        let Some(absorber) = self.causes.get_mut(by) else { return };
        absorber.explains.remove(&number);
        if absorber.key.is_burst() && absorber.explains.is_empty() {
            let key = absorber.key.clone();
            self.clear(&key, now);
        }
    }

    /// What a cause explained stands for itself.
    pub(super) fn release(&mut self, explained: impl IntoIterator<Item = u64>, now: Timestamp) {
        for number in explained {
            self.hush(number, None, now);
            self.unexplained.insert(number);
            self.settle(number, now);
        }
    }

    /// What was only kept because another finding told of it goes.
    fn settle(&mut self, number: u64, now: Timestamp) {
        let Some(cause) = self.causes.get(&number) else { return };
        if cause.state == State::Pending && !cause.is_muted() && !cause.is_there(now) {
            self.finish(number, now);
        } else {
            self.schedule(number);
        }
    }

    /// Whether somebody was told of this cause, or of what explains it.
    pub(super) fn is_told(&self, number: u64) -> bool {
        self.causes.get(&number).is_some_and(|cause| {
            let explained = match &cause.muted {
                Some(Muted::Absorbed(by)) => self.causes.get(by).is_some_and(Cause::is_open),
                _ => false,
            };
            cause.is_open() || explained
        })
    }
}

impl Kind {
    /// Whether a finding of this kind may explain ones of other kinds, of any peer of a place.
    pub(super) const fn explains_others(self) -> bool {
        matches!(
            self,
            Self::ObserverIsolated
                | Self::RackDown
                | Self::MeshLeftOn
                | Self::RecoveryWait
                | Self::PeerRefused
                | Self::LeafDisagreement
                | Self::ApicDown
        )
    }
}

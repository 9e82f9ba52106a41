//! The bounds: how many findings there are of which kind and state, and who waits for room.

use std::collections::BTreeSet;

use super::{Findings, Kind, MAX_FINDINGS, MAX_OF_KIND, Muted, State};
use crate::observer::view;
use crate::time::Timestamp;

impl Findings {
    /// How many findings there are.
    pub fn counts(&self) -> view::FindingCounts {
        let (mut pending, mut open, mut muted) = (self.pending, self.open, 0);
        for cause in self.causes.values().filter(|cause| cause.is_muted()) {
            let counts = match cause.state {
                State::Waiting => continue,
                State::Pending => &mut pending,
                State::Open(_) => &mut open,
            };
            muted += 1;
            counts.get_mut(cause.key.kind.index()).into_iter().for_each(|count| *count -= 1);
        }
        let by_kind = Kind::ALL.iter().zip(open).filter(|(_, open)| *open > 0);
        view::FindingCounts {
            open: open.iter().sum(),
            pending: pending.iter().sum(),
            muted,
            by_kind: by_kind.map(|(kind, open)| (kind.name().to_owned(), open)).collect(),
        }
    }

    /// How many findings of `kind` are pending and open.
    pub fn count(&self, kind: Kind) -> (usize, usize) {
        let of = |counts: &[usize]| counts.get(kind.index()).copied().unwrap_or_default();
        (of(&self.pending), of(&self.open))
    }

    /// How many causes are above the bounds now and wait for room, and how many were not even remembered.
    pub fn above_bounds(&self) -> (usize, u64) {
        (self.waiting.iter().map(BTreeSet::len).sum(), self.uncounted)
    }

    /// What nobody is told of takes no room from what somebody should be; of both there are bounds.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        let (pending, open) = self.count(kind);
        let hushed = self.hushed.get(kind.index()).copied().unwrap_or_default();
        let all = self.pending.iter().chain(&self.open).sum::<usize>();
        let all_hushed = self.hushed.iter().sum::<usize>();
        (pending + open).saturating_sub(hushed) < MAX_OF_KIND
            && all.saturating_sub(all_hushed) < MAX_FINDINGS
            && all_hushed < MAX_FINDINGS
    }

    /// Notes why nobody is told of a cause, or that it stands for itself from now on.
    pub(super) fn hush(&mut self, number: u64, muted: Option<Muted>, now: Timestamp) {
        let Some(cause) = self.causes.get_mut(&number) else { return };
        cause.released = muted.is_none().then_some(now);
        let (before, after) = (cause.muted.is_some(), muted.is_some());
        cause.muted = muted;
        self.revision += 1;
        if cause.state != State::Waiting
            && let Some(hushed) = self.hushed.get_mut(cause.key.kind.index())
        {
            *hushed = (*hushed + usize::from(after)).saturating_sub(usize::from(before));
        }
    }

    /// Gives the room that one of `kind` left to the oldest causes that wait for it.
    pub(super) fn admit_waiting(&mut self, kind: Kind, now: Timestamp) {
        for kind in std::iter::once(kind).chain(Kind::ALL) {
            while self.has_room(kind)
                && let Some(number) = self.waiting.get_mut(kind.index()).and_then(BTreeSet::pop_first)
            {
                if self.causes.get(&number).is_some_and(|cause| cause.is_over(now)) {
                    self.erase(number, now);
                } else {
                    self.admit(number);
                }
            }
        }
    }

    pub(super) fn enter(&mut self, number: u64, state: State) {
        let Some(cause) = self.causes.get_mut(&number) else { return };
        let (kind, former) = (cause.key.kind, std::mem::replace(&mut cause.state, state));
        self.leave(former, kind, number);
        let counts = if state == State::Pending { &mut self.pending } else { &mut self.open };
        if let Some(count) = counts.get_mut(kind.index()) {
            *count += 1;
        }
        self.revision += 1;
    }

    pub(super) fn leave(&mut self, state: State, kind: Kind, number: u64) {
        let counts = match state {
            State::Waiting => {
                if let Some(waiting) = self.waiting.get_mut(kind.index()) {
                    waiting.remove(&number);
                }
                return;
            }
            State::Pending => &mut self.pending,
            State::Open(_) => &mut self.open,
        };
        if let Some(count) = counts.get_mut(kind.index()) {
            *count = count.saturating_sub(1);
        }
    }
}

//! Many findings of one kind that begin at the same moment have one cause: they become one finding.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cause::State;
use super::{Findings, Key, Kind, Muted, Proof, Scope, Witness};
use crate::policy::Reason;
use crate::time::Timestamp;

/// So many of one kind in one cluster and VRF...
const MANY: usize = 6;
/// ...that begin within this time, or this much after the last one.
const AT_ONCE: Duration = Duration::from_secs(30);
/// What begins later than this after the first has another cause, however many came between.
const LONGEST: Duration = Duration::from_mins(10);
/// How many of the peers concerned are remembered.
const PEERS: usize = 100;

impl Findings {
    /// Finds what belongs together among what stands for itself.
    pub(in crate::observer) fn gather(&mut self, now: Timestamp) {
        let mut groups: BTreeMap<(Kind, Scope), Vec<(Timestamp, u64)>> = BTreeMap::new();
        for (number, cause) in &self.causes {
            let alone = cause.state != State::Waiting && !cause.is_muted() && !cause.key.is_burst();
            if alone && cause.key.comes_in_bursts() && cause.is_there(now) {
                let group = (cause.key.kind, cause.key.scope.clone());
                groups.entry(group).or_default().push((cause.since, *number));
            }
        }
        for ((kind, scope), mut alone) in groups {
            alone.retain(|(since, number)| !self.joins(kind, &scope, *since, *number, now));
            alone.sort_unstable();
            while let Some((first, last)) = burst(&alone) {
                let members: Vec<_> = alone.drain(first..=last).collect();
                self.begin(kind, &scope, &members, now);
            }
        }
    }

    /// Whether a pending cause belongs to a burst that is there already.
    fn joins(&mut self, kind: Kind, scope: &Scope, since: Timestamp, number: u64, now: Timestamp) -> bool {
        let Some(cause) = self.causes.get(&number).filter(|cause| cause.state == State::Pending) else {
            return false;
        };
        let first = Key::burst(kind, scope.clone(), Timestamp::default());
        let bursts =
            self.numbers.range(first..).take_while(|(key, _)| key.kind == kind && key.scope == *scope);
        let near = |by: &&u64| {
            self.causes.get(by).is_some_and(|burst| {
                let (from, to) = (burst.since, burst.latest.after(AT_ONCE).min(burst.since.after(LONGEST)));
                // Of those whom it was about before a restart, or before we were deaf, it is not known when
                // they began.
                let known = || cause.witnesses.keys().any(|peer| burst.witnesses.contains_key(peer));
                (burst.unseen && known()) || (from <= since.after(AT_ONCE) && since <= to)
            })
        };
        let Some(&by) = bursts.map(|(_, number)| number).find(near) else { return false };
        self.join(by, number, now);
        true
    }

    fn begin(&mut self, kind: Kind, scope: &Scope, members: &[(Timestamp, u64)], now: Timestamp) {
        let Some(&(since, _)) = members.first() else { return };
        // There is no burst of what everybody was told already.
        let pending = |number| self.causes.get(&number).is_some_and(|cause| cause.state == State::Pending);
        if !members.iter().any(|(_, number)| pending(*number)) {
            return;
        }
        let key = Key::burst(kind, scope.clone(), since);
        self.update(key.clone(), since, |cause| cause.lasting = true);
        let Some(&by) = self.numbers.get(&key) else { return };
        for (_, number) in members {
            self.join(by, *number, now);
        }
    }

    fn join(&mut self, by: u64, number: u64, now: Timestamp) {
        let Some(cause) = self.causes.get(&number) else { return };
        let proofs: Vec<Proof> = cause.witnesses.iter().take(PEERS).map(Witness::proof).collect();
        if let Some(burst) = self.causes.get_mut(&by) {
            (burst.lasting, burst.unseen, burst.restored, burst.lingers) = (true, false, false, None);
            let room = PEERS.saturating_sub(burst.witnesses.len());
            burst.witnesses.extend(proofs.into_iter().take(room).map(Witness::of));
        }
        self.schedule(by);
        self.mute(number, Some(Muted::Absorbed(by)), now);
    }
}

/// The places of the first that are many and begin at once.
fn burst(alone: &[(Timestamp, u64)]) -> Option<(usize, usize)> {
    let first = alone.windows(MANY).position(|window| match window {
        [(first, _), .., (last, _)] => last.since(*first) <= AT_ONCE,
        _ => false,
    })?;
    let mut last = first + MANY - 1;
    while let (Some((one, _)), Some((next, _))) = (alone.get(last), alone.get(last + 1))
        && next.since(*one) <= AT_ONCE
    {
        last += 1;
    }
    Some((first, last))
}

impl Key {
    /// Whether many of this kind at once are more likely one than many. Of default routes there are no two in
    /// one cluster, and whatever else is leaked, they are worth a word of their own; and so is what only a human can
    /// decide.
    fn comes_in_bursts(&self) -> bool {
        !matches!(self.kind, Kind::ObserverIsolated | Kind::MeshLeftOn | Kind::ApicDown | Kind::HoldDown)
            && self.reason() != Some(Reason::DefaultRoute)
    }
}

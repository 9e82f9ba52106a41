//! What holds back, and when it lets go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::brake::{Brake, Hold};
use super::super::dn::{self, Container, L3out, vrf_name};
use super::super::reading::Scope;
use super::super::rule::RuleId;
use super::Engine;
use super::entry::{Entry, Key, Todo, Trouble};
use super::slot::{MassHold, Slot};
use crate::config::model::{Eepg, MassWithdraw};
use crate::observer::feed::Roster;
use crate::time::Timestamp;

/// Within which `repair_limit` and `max_delete_fraction` count.
pub(super) const TEN_MINUTES: Duration = Duration::from_mins(10);
const MINUTE: Duration = Duration::from_mins(1);
/// So many members of an L3Out may be deleted within ten minutes at any rate.
const FLOOR: usize = 10;

impl Trouble {
    /// Until when it is not repaired once more.
    pub(super) fn repaired_too_often(&self, limit: usize, now: Timestamp) -> Option<Timestamp> {
        let since =
            self.repairs.len().checked_sub(limit.saturating_add(1)).and_then(|at| self.repairs.get(at))?;
        let until = since.after(TEN_MINUTES);
        (until > now).then_some(until)
    }
}

/// What stops everything.
impl Engine {
    /// What stops everything at this time.
    pub(super) fn stopped(&self, now: Timestamp) -> Option<Hold> {
        if let Some(pause) = self.paused.as_ref().filter(|pause| pause.until > now) {
            return Some(Hold { brake: Brake::Paused, until: Some(pause.until) });
        }
        if self.foreign_instance.is_some() {
            return Some(Hold { brake: Brake::ForeignInstance, until: None });
        }
        self.compared.is_none().then_some(Hold { brake: Brake::Comparison, until: None })
    }
}

/// The start.
impl Engine {
    /// Every peer that was known at the start must settle, or have been down for `hold_down`.
    pub(super) fn await_peers(&mut self, roster: &Roster, now: Timestamp) {
        let unsettled = roster.peers.iter().filter(|peer| !peer.settled);
        let down: BTreeMap<_, _> =
            unsettled.map(|peer| (peer.peer.clone(), peer.down_since.unwrap_or(now))).collect();
        match &mut self.awaited {
            None => self.awaited = Some(down),
            Some(awaited) => {
                // Who settled once, or is known no more, is not awaited again.
                awaited.retain(|peer, since| {
                    down.get(peer).is_some_and(|down| {
                        *since = *down;
                        true
                    })
                });
            }
        }
        if !self.started_up && self.starts_until(now).is_none() {
            self.started_up = true;
            self.count_what_was_lost_before(now);
        }
    }

    /// Whether the start is not over yet, and until when, if time alone ends it.
    pub(super) fn starts_until(&self, now: Timestamp) -> Option<Hold> {
        let grace = self.started.after(self.safety.startup_grace);
        if self.fed != Some(self.epoch) || self.awaited.is_none() {
            return Some(Hold { brake: Brake::Startup, until: None });
        }
        let patience = |since: &Timestamp| since.after(self.safety.hold_down);
        let last = self.awaited.iter().flatten().map(|(_, since)| patience(since)).max();
        let until = last.map_or(grace, |last| last.max(grace));
        (until > now).then_some(Hold { brake: Brake::Startup, until: Some(until) })
    }

    /// The peers that it waits for.
    pub(super) fn awaited(&self, now: Timestamp) -> usize {
        let patience = self.safety.hold_down;
        self.awaited.iter().flatten().filter(|(_, since)| since.after(patience) > now).count()
    }

    /// Members without route that were there when we started are lost as of now.
    fn count_what_was_lost_before(&mut self, now: Timestamp) {
        let deletes = self.slots.values().flat_map(|slot| slot.deletes.iter().copied());
        for key in deletes.collect::<Vec<_>>() {
            self.lost(key, now);
        }
    }
}

/// Too many at once.
impl Engine {
    /// An entry has no route any more.
    pub(super) fn lost(&mut self, key: Key, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let ours = entry.seen.iter().find(|seen| seen.is_of(&self.identity.name));
        let Some(scope) = ours.map(|seen| Scope::slot(&seen.container)) else { return };
        if entry.lost.is_some() {
            return;
        }
        entry.lost = Some(now);
        let limit = self.safety.mass_withdraw;
        let slot = self.slot(&scope);
        slot.forget_old_losses(limit.window, now);
        slot.losses.insert((now, key));
        if let Some(hold) = &mut slot.hold {
            hold.keys.insert(key);
            hold.last = now;
        } else if slot.loses_too_many(&limit) {
            let keys = slot.losses.iter().map(|(_, key)| *key).collect();
            slot.hold = Some(MassHold { last: now, keys, lost: slot.losses.len(), of: slot.ours });
        }
    }

    /// What fell silent is now withdrawn: that counts as a loss of its own.
    pub(super) fn lost_after_silence(&mut self, key: Key, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.lost = None;
        }
        self.lost(key, now);
    }

    /// An entry has a route, or one again.
    pub(super) fn regained(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.approved = false;
        self.forget_loss(key);
    }

    /// It is no loss any more, for its route is back or nothing of ours is there.
    pub(super) fn forget_loss(&mut self, key: Key) {
        let Some(lost) = self.entries.get_mut(&key).and_then(|entry| entry.lost.take()) else { return };
        for slot in self.slots.values_mut() {
            slot.losses.remove(&(lost, key));
            slot.let_go(&key);
        }
    }
}

impl Slot {
    fn forget_old_losses(&mut self, window: Duration, now: Timestamp) {
        while self.losses.first().is_some_and(|(at, _)| at.after(window) <= now) {
            self.losses.pop_first();
        }
    }

    fn loses_too_many(&self, limit: &MassWithdraw) -> bool {
        let lost = self.losses.len();
        lost > limit.count && exceeds(lost, limit.fraction, self.ours)
    }

    /// A hold ends when it holds nothing any more.
    pub(super) fn let_go(&mut self, key: &Key) {
        if let Some(hold) = &mut self.hold {
            hold.keys.remove(key);
            if hold.keys.is_empty() {
                self.hold = None;
            }
        }
    }
}

/// Whether `part` is more than this fraction of `whole`.
fn exceeds(part: usize, fraction: f64, whole: usize) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "members are far fewer than 2^52")]
    let (part, whole) = (part as f64, whole as f64);
    part > fraction * whole
}

/// What holds a delete.
impl Engine {
    pub(super) fn hold_delete(&self, key: Key, entry: &Entry, now: Timestamp) -> Option<Hold> {
        if self.fed != Some(self.epoch) && self.started_up {
            // Rules that were not asked yet may want it.
            return Some(Hold { brake: Brake::Startup, until: None });
        }
        if let Some((.., until)) = entry
            .trouble
            .as_ref()
            .and_then(|trouble| trouble.refused.as_ref())
            .filter(|(.., until)| *until > now)
        {
            return Some(Hold { brake: Brake::Refused, until: Some(*until) });
        }
        if entry.approved {
            return None;
        }
        if let Some(hold) = self.starts_until(now).filter(|_| !self.started_up) {
            return Some(hold);
        }
        self.hold_lost(key, entry, now)
            .or_else(|| self.hold_silent(entry, now))
            .or_else(|| self.hold_maintained(entry, now))
            .or_else(|| self.hold_misplaced(entry))
    }

    /// In an L3Out that is in another VRF than its rules say, nothing is written, and nothing deleted.
    fn hold_misplaced(&self, entry: &Entry) -> Option<Hold> {
        let is_misplaced = |container: &Container| {
            let Container::Eepg { l3out, .. } = container else { return false };
            let vrf = self.l3outs.get(l3out).and_then(|found| vrf_name(found.vrf.as_deref()?));
            let of = |rule: &&Eepg| (&rule.tenant, &rule.l3out) == (&l3out.tenant, &l3out.name);
            let mut rules = self.rules.eepgs().filter(of).peekable();
            rules.peek().is_some() && rules.all(|rule| vrf != Some(&*rule.vrf))
        };
        let misplaced = entry.seen.iter().any(|seen| is_misplaced(&seen.container));
        misplaced.then_some(Hold { brake: Brake::Missing, until: None })
    }

    /// Silence is not withdrawal.
    fn hold_silent(&self, entry: &Entry, now: Timestamp) -> Option<Hold> {
        let unexplained = (!self.is_explained(entry)).then_some(entry.known);
        let Some(since) = entry.silent.into_iter().chain(unexplained).max() else {
            let until = entry.gone.unwrap_or(now).after(self.safety.delete_after);
            return (until > now).then_some(Hold { brake: Brake::DeleteAfter, until: Some(until) });
        };
        let until = since.after(self.safety.hold_down);
        (until > now).then_some(Hold { brake: Brake::Silence, until: Some(until) })
    }

    fn hold_lost(&self, key: Key, entry: &Entry, now: Timestamp) -> Option<Hold> {
        entry.seen.iter().find_map(|seen| {
            let hold = self.slots.get(&Scope::slot(&seen.container))?.hold.as_ref()?;
            let until = entry.lost.unwrap_or(hold.last).after(self.safety.hold_down);
            let holds = hold.keys.contains(&key) && until > now;
            holds.then_some(Hold { brake: Brake::MassWithdraw, until: Some(until) })
        })
    }

    fn hold_maintained(&self, entry: &Entry, now: Timestamp) -> Option<Hold> {
        let marked = entry.seen.iter().filter_map(|seen| seen.mark.as_ref()).flat_map(|mark| &mark.nodes);
        let until = entry.nodes.iter().chain(marked).filter_map(|node| self.maintained.get(node)).max()?;
        (*until > now).then_some(Hold { brake: Brake::Maintenance, until: Some(*until) })
    }

    /// How many deletes may follow now in a slot, and what holds the others.
    pub(super) fn delete_budget(&self, scope: &Scope, now: Timestamp) -> (usize, Hold) {
        let minute = self.deletes.iter().filter(|at| at.after(MINUTE) > now).count();
        let rate = self.safety.max_deletes_per_minute.saturating_sub(minute);
        let by_rate =
            Hold { brake: Brake::DeleteRate, until: self.deletes.front().map(|at| at.after(MINUTE)) };
        let Some(slot) = self.slots.get(scope) else { return (rate, by_rate) };
        let deleted = slot.deleted.iter().filter(|at| at.after(TEN_MINUTES) > now).count();
        // The share is of what there was before.
        let all = slot.ours.saturating_add(deleted);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of what is far below 2^52, and not negative"
        )]
        let share = (self.safety.max_delete_fraction.max(0.0) * all as f64) as usize;
        let room = share.max(FLOOR).saturating_sub(deleted);
        if room < rate {
            let until = slot.deleted.front().map(|at| at.after(TEN_MINUTES));
            return (room, Hold { brake: Brake::DeleteFraction, until });
        }
        (rate, by_rate)
    }

    /// How many destinations a policy can spare; none: it is no policy, or has no rule.
    pub(super) fn spare(&self, container: &Arc<Container>) -> Option<usize> {
        let least = self.of_policy(container)?.min_destinations;
        let held = self.containers.get(container)?;
        Some(held.ours.saturating_add(held.foreign).saturating_sub(least))
    }

    /// Since when an EEPG that we made has been empty and nothing needs it; none: it stays.
    pub(super) fn unneeded_since(&self, container: &Arc<Container>) -> Option<Timestamp> {
        let held = self.containers.get(container)?;
        let spared = !matches!(**container, Container::Eepg { .. }) || self.is_released(container);
        let found = held.found.as_ref().filter(|_| !spared && held.is_ours(&self.identity.name))?;
        held.empty_since.filter(|_| held.wanted == 0 && !found.foreign_children)
    }

    /// What holds one that nothing needs since then.
    pub(super) fn hold_unmake(
        &self,
        container: &Arc<Container>,
        since: Timestamp,
        now: Timestamp,
    ) -> Option<Hold> {
        let held = self.containers.get(container).filter(|held| !held.approved)?;
        if let Some(hold) = self.starts_until(now).filter(|_| !self.started_up) {
            return Some(hold);
        }
        let refused = held.refused.as_ref().map(|(.., until)| (Brake::Refused, *until));
        let waits = [Some((Brake::DeleteAfter, since.after(self.safety.eepg_delete_after))), refused];
        let wait = waits.into_iter().flatten().find(|(_, until)| *until > now);
        wait.map(|(brake, until)| Hold { brake, until: Some(until) })
    }

    pub(super) fn forget_old_deletes(&mut self, now: Timestamp) {
        while self.deletes.front().is_some_and(|at| at.after(MINUTE) <= now) {
            self.deletes.pop_front();
        }
        for slot in self.slots.values_mut() {
            while slot.deleted.front().is_some_and(|at| at.after(TEN_MINUTES) <= now) {
                slot.deleted.pop_front();
            }
            if slot.hold.as_ref().is_some_and(|hold| hold.last.after(self.safety.hold_down) <= now) {
                slot.hold = None;
            }
        }
    }
}

/// What there is room for.
impl Engine {
    /// Whether one more member would be too many.
    pub(super) fn is_full(&self, container: &Arc<Container>, todo: &Todo) -> bool {
        let Some(held) = self.containers.get(container) else { return false };
        let Container::Eepg { l3out, .. } = &**container else { return false };
        let Some(caps) = self.of_eepg(container).map(|rule| rule.caps) else { return false };
        let slot = self.slots.get(&Scope::L3out(l3out.clone())).map_or(0, |slot| slot.ours);
        // What moves within takes no more room.
        let within = todo.remove.iter().any(|other| Scope::slot(other) == Scope::slot(container));
        held.ours >= caps.members
            || (!within && slot >= caps.l3out_members)
            || (todo.remove.is_empty() && self.all_members() >= self.caps.members)
    }

    /// Members of ours in all EEPGs.
    pub(super) fn all_members(&self) -> usize {
        let eepgs = self.slots.iter().filter(|(scope, _)| matches!(scope, Scope::L3out(_)));
        eepgs.map(|(_, slot)| slot.ours).sum()
    }

    /// EEPGs of an L3Out that are there.
    pub(super) fn eepgs_of(&self, of: &L3out) -> usize {
        let there = self.containers.iter().filter(|(_, held)| held.found.is_some());
        there
            .filter(|(container, _)| matches!(&***container, Container::Eepg { l3out, .. } if l3out == of))
            .count()
    }

    /// Whether one more EEPG would be too many.
    pub(super) fn has_no_room_for(&self, container: &Arc<Container>, rule: RuleId) -> bool {
        let (Container::Eepg { l3out, .. }, Some(rule)) = (&**container, self.rules.eepg(rule)) else {
            return false;
        };
        self.eepgs_of(l3out) >= rule.caps.eepgs || self.eepgs.is_some_and(|eepgs| eepgs >= self.caps.eepgs)
    }

    /// Whether an L3Out is there, and in the VRF that the rule says.
    pub(super) fn is_in_its_vrf(&self, l3out: &L3out, rule: RuleId) -> bool {
        let Some(rule) = self.rules.eepg(rule) else { return false };
        let vrf = self.l3outs.get(l3out).filter(|found| found.present).and_then(|found| found.vrf.as_deref());
        vrf.and_then(vrf_name) == Some(&*rule.vrf)
    }

    /// Whether the tenant of a policy is missing.
    pub(super) fn lacks_tenant(&self, container: &Arc<Container>) -> bool {
        matches!(**container, Container::Policy { .. })
            && !self.present.contains(&dn::tenant(container.tenant()))
    }
}

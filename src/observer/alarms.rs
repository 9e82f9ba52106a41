//! What can be wrong with one peer, looked at when something about it changed and once a second.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Command;
use super::Settings;
use super::core::Core;
use super::findings::Key as Cause;
use super::learn::LUGGAGE;
use super::peers::{FamilyState, Owed, Peer, answers, own_addresses};
use crate::bgp::{Families, Family};
use crate::policy::{Expected, Reason};
use crate::rib::PeerIndex;
use crate::speaker::stats::ErrorAction;
use crate::time::Timestamp;

/// Which findings about a peer were raised and not cleared.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind, and no two exclude each other")]
pub(super) struct Raised {
    down: bool,
    stale: bool,
    near_limit: bool,
    above_limit: bool,
    missing: bool,
    /// See [`super::recovery`].
    pub(super) waiting: bool,
}

/// How often a peer is asked to send everything again, at most.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// How long what a peer told takes to be looked at from all sides, at most.
pub(super) const LOOK_AFTER: Duration = Duration::from_secs(3);
/// How long it has to send it: until then, what it did not send yet is not known to be gone.
const ANSWER: Duration = Duration::from_secs(5);

impl Core {
    /// Looks at everything that is found in one peer.
    pub(super) fn check_peer(&mut self, at: PeerIndex, now: Timestamp) {
        if self.peers.get(at).is_none_or(|peer| peer.leaving) {
            return;
        }
        self.check_down(at, now);
        self.check_stale(at, now);
        self.check_missing(at, now);
        self.check_limit(at, now);
        self.check_errors(at, now);
        self.check_not_kept(at, now);
        self.check_refresh(at, now);
        self.check_heard(at, now);
        self.check_recovery(at, now);
        self.check_pods(at, now);
        if self.peers.get(at).is_some_and(|peer| peer.has_just_settled(now)) {
            self.touch_twin(at);
        }
    }

    /// A peer that was never seen is missed only after a grace: it may not have found us yet.
    fn check_down(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let down = peer.is_missed(now, &self.settings);
        if down == peer.raised.down {
            return;
        }
        peer.raised.down = down;
        let cause = Cause::peer_down(peer.place.scope.clone(), peer.id.clone());
        if down {
            let text = peer.last_error.as_deref().unwrap_or("never seen since we started");
            let proof = peer.proof(text.to_owned());
            // Who was there before our start is lost since then, if it did not come back.
            let since = peer.remembered.and(peer.since).unwrap_or(now);
            self.findings.state_since(cause, Vec::new(), [proof], since);
            // Many that never came are missed at the same moment, too.
            self.racks_dirty = true;
        } else {
            self.findings.clear(&cause, now);
        }
    }

    /// A peer that was missed before our start is missed until it comes.
    pub(super) fn miss_again(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let cause = Cause::peer_down(peer.place.scope.clone(), peer.id.clone());
        if self.findings.has(&cause) {
            peer.raised.down = true;
            let text = peer.last_error.as_deref().unwrap_or("not seen since we started");
            self.findings.raise(cause, [peer.proof(text.to_owned())], now);
        }
    }

    fn check_stale(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let stale = peer.has_stale();
        if stale == peer.raised.stale {
            return;
        }
        peer.raised.stale = stale;
        let cause = Cause::stale_routes(peer.place.scope.clone(), peer.id.clone());
        if stale {
            let families = Family::ALL.into_iter().filter(|family| peer.family(*family).is_stale());
            let routes: u64 = families.map(|family| self.rib.old_count(at, family)).sum();
            let proof = peer.proof(format!("{routes} routes since {}", peer.since.unwrap_or(now)));
            self.findings.raise(cause, [proof], now);
        } else {
            self.findings.clear(&cause, now);
        }
    }

    /// What the peer must announce is missed only once it said that it has told everything.
    fn check_missing(&mut self, at: PeerIndex, now: Timestamp) {
        let in_grace = self.started.after(self.settings.route_grace) > now;
        let Some(peer) = self.peers.get_mut(at) else { return };
        let mut any = false;
        let (scope, id) = (&peer.place.scope, &peer.id);
        for owed in &peer.owed {
            let missing = owed.have == 0 && !in_grace && peer.settled(owed.family(), now);
            any |= missing;
            if missing {
                let proof = peer.proof(String::new());
                self.findings.raise(Cause::missing(scope.clone(), id.clone(), owed.what), [proof], now);
            } else if peer.raised.missing {
                self.findings.clear(&Cause::missing(scope.clone(), id.clone(), owed.what), now);
            }
        }
        peer.raised.missing = any;
    }

    /// What is no longer expected is no longer missing.
    pub(super) fn no_longer_owed(&mut self, at: PeerIndex, former: &[Owed], now: Timestamp) {
        let Some(peer) = self.peers.get(at) else { return };
        for owed in former.iter().filter(|former| peer.owed.iter().all(|owed| owed.what != former.what)) {
            self.findings.clear(&Cause::missing(peer.place.scope.clone(), peer.id.clone(), owed.what), now);
        }
    }

    /// Counts the routes that answer what is expected of a peer.
    pub(super) fn count_owed(&self, at: PeerIndex, peer: &Peer, what: Expected) -> Owed {
        let family = match what {
            Expected::ServiceCidr(prefix) | Expected::NodeSubnet(prefix) => Family::of(&prefix),
        };
        let fits = |prefix: &IpNet| answers(what, prefix, peer.id.address, peer.pin.as_deref());
        let counts = |path: &crate::rib::Path| {
            path.peer == at && path.judgement.accepted().is_some() && !peer.is_lost(family, path.old)
        };
        let have = match what {
            Expected::ServiceCidr(prefix) => self.rib.exact(prefix).filter(counts).count(),
            Expected::NodeSubnet(_) => {
                let mut holding: Vec<_> = own_addresses(peer.id.address, peer.pin.as_deref())
                    .flat_map(|own| self.rib.covering(IpNet::from(own), None))
                    .filter(|(prefix, path)| fits(prefix) && counts(path))
                    .map(|(prefix, path)| (prefix, path.path_id))
                    .collect();
                holding.sort_unstable();
                holding.dedup();
                holding.len()
            }
        };
        Owed { what, have: have as u64 }
    }

    /// Near the limit is a warning; above it is a finding of its own, which is over when the limit is far
    /// again: a few routes that come and go at the limit are one story.
    fn check_limit(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let (held, limit) = (peer.tally.held(), peer.prefix_limit());
        let near = held >= peer.limit.warn;
        let above = near && (peer.raised.above_limit || peer.is_above_limit());
        let near = near && !above;
        let refused = match peer.tally.rejected_for(Reason::Limit) {
            0 => String::new(),
            refused => format!(", {refused} of them refused"),
        };
        let causes = [
            (Cause::prefix_limit_near as fn(_, _) -> _, near, peer.raised.near_limit),
            (Cause::prefix_limit, above, peer.raised.above_limit),
        ];
        for (cause, is, was) in causes {
            let cause = cause(peer.place.scope.clone(), peer.id.clone());
            if is {
                let proof = peer.proof(format!("{held} of {limit} prefixes{refused}"));
                self.findings.raise(cause, [proof], now);
            } else if was {
                self.findings.clear(&cause, now);
            }
        }
        (peer.raised.near_limit, peer.raised.above_limit) = (near, above);
        // Routes went: those that were one too many may come in. Begun anew each time, it might never end.
        let may_enter = peer.tally.rejected_for(Reason::Limit) > 0 && !peer.holds_above_limit();
        if may_enter && !self.is_in_review(at) {
            self.review(at);
        }
    }

    /// The session is reset for its prefix limit: that stays a finding for a while.
    pub(super) fn limit_reset(&mut self, at: PeerIndex, limit: u32, now: Timestamp) {
        let Some(peer) = self.peers.get(at) else { return };
        let cause = Cause::prefix_limit(peer.place.scope.clone(), peer.id.clone());
        let proof = peer.proof(format!("{now}: session reset, more than {limit} prefixes"));
        self.findings.event(cause, proof, now);
    }

    fn check_errors(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let errors = peer.errors.iter().sum();
        if errors <= std::mem::replace(&mut peer.errors_told, errors) {
            return;
        }
        let counts = ErrorAction::ALL.map(ErrorAction::name).into_iter().zip(peer.errors);
        let counts = counts.filter(|(_, count)| *count > 0);
        let text: Vec<_> = counts.map(|(name, count)| format!("{count} {name}")).collect();
        let proof = peer.proof(format!("{now}: {} in all", text.join(", ")));
        let cause = Cause::malformed_updates(peer.place.scope.clone(), peer.id.clone());
        self.findings.event(cause, proof, now);
    }

    fn check_not_kept(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let not_kept = peer.not_kept();
        let tells = not_kept > peer.not_kept_told || peer.has_answered(now);
        if tells && std::mem::replace(&mut peer.not_kept_told, not_kept) != not_kept {
            self.findings.rogues_not_kept(&peer.announcer(), not_kept, now);
        }
        peer.refresh_due &= not_kept > 0;
        // What was too heavy would be so again.
        let light = self.rib.luggage(at) < LUGGAGE / 2;
        let few = not_kept > 0 && light && peer.tally.rejected() < peer.rejected_budget() / 2;
        if few || peer.refresh_due {
            self.refresh(at, now);
        }
    }

    /// Asks a peer that has routes we did not keep to send everything again.
    fn refresh(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let Some(session) = &peer.session else { return };
        let lately = peer.refreshed.is_some_and(|last| now.since(last) < REFRESH_EVERY);
        let not_kept = peer.not_kept_families().intersection(session.negotiated.families);
        if lately || not_kept.is_empty() || !session.negotiated.route_refresh {
            return;
        }
        (peer.refreshed, peer.refresh_due) = (Some(now), false);
        not_kept.iter().for_each(|family| peer.tally.keep_all(family));
        self.commands.push(Command::Refresh { peer: peer.id.clone(), families: not_kept });
        self.chronicle.refresh(peer, not_kept, now);
    }

    /// A peer that came back and has told everything: what it did before and was not found again is over.
    fn check_heard(&mut self, at: PeerIndex, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at).filter(|peer| peer.silent) else { return };
        let told = peer.has_told_everything(now);
        peer.settled_since = if told { Some(peer.settled_since.unwrap_or(now)) } else { None };
        if peer.is_heard(now) {
            (peer.silent, peer.settled_since) = (false, None);
            self.findings.heard(&peer.id, now);
        }
    }

    /// The end of a refresh (RFC 7313) that never came.
    fn check_refresh(&mut self, at: PeerIndex, now: Timestamp) {
        for family in Family::ALL {
            let Some(peer) = self.peers.get(at) else { return };
            if peer.family(family).is_refresh_over(now) {
                self.end_refresh(at, family);
            }
        }
    }
}

impl Peer {
    /// Whether its findings must be looked at although nothing was heard.
    pub(super) fn wants_a_look(&self, now: Timestamp, settings: &Settings) -> bool {
        self.is_missed(now, settings) != self.raised.down
            || (self.tally.held() >= self.limit.warn) != (self.raised.near_limit || self.raised.above_limit)
            || (self.is_above_limit() && !self.raised.above_limit)
            || (self.tally.rejected_for(Reason::Limit) > 0 && !self.holds_above_limit())
            || (!self.raised.missing && self.missing(now) != (0, 0))
            || self.errors.iter().sum::<u64>() != self.errors_told
            || !self.not_kept_families().is_empty()
            || (self.not_kept() != self.not_kept_told && self.has_answered(now))
            || self.families.iter().any(|family| family.is_refresh_over(now))
            || self.has_just_settled(now)
            || self.is_heard(now)
            || self.waits_too_long(now) != self.raised.waiting
            || self.pods.due().is_some_and(|due| due <= now)
    }

    /// When [`wants_a_look`](Self::wants_a_look) may begin to hold if nothing more is heard: past or to come.
    pub(super) fn looks(&self, settings: &Settings) -> impl Iterator<Item = Timestamp> {
        let missed = self.session.is_none().then(|| self.missed_from(settings));
        let again = (!self.not_kept_families().is_empty())
            .then(|| self.refreshed.map(|refreshed| refreshed.after(REFRESH_EVERY)));
        let answered = (self.not_kept() != self.not_kept_told)
            .then(|| self.refreshed.map(|refreshed| refreshed.after(ANSWER)));
        let refreshes = self.families.iter().filter_map(FamilyState::refresh_ends);
        let heard = self.settled_since.map(|since| since.after(LOOK_AFTER));
        let told = [heard, answered.flatten(), self.waits_too_long_at(), self.pods.due()];
        let looks = [missed, self.settles(), again.flatten()].into_iter().chain(told);
        looks.flatten().chain(refreshes)
    }

    /// Of each family, and no sweep is under way.
    fn has_told_everything(&self, now: Timestamp) -> bool {
        let families = self.negotiated_families();
        self.session.is_some()
            && families.iter().all(|family| self.settled(family, now) && !self.family(family).sweeping)
    }

    /// Whether it has told everything, and all of that was looked at.
    fn is_heard(&self, now: Timestamp) -> bool {
        self.settled_since.is_some_and(|since| since.after(LOOK_AFTER) <= now)
    }

    /// Whether it ever had a session.
    pub(super) const fn was_seen(&self) -> bool {
        self.last.is_some() || self.remembered.is_some()
    }

    /// Since when it is missed: since it was lost, or since it should have come.
    pub(super) fn missed_since(&self, settings: &Settings) -> Option<Timestamp> {
        if self.session.is_some() {
            return None;
        }
        let lost = self.since.filter(|_| self.last.is_some());
        Some(lost.unwrap_or_else(|| self.missed_from(settings)))
    }

    fn is_missed(&self, now: Timestamp, settings: &Settings) -> bool {
        let seen = || self.last.is_some() || self.raised.down || self.missed_from(settings) <= now;
        self.session.is_none() && seen()
    }

    /// From when on it is missed if it has not come since we started.
    fn missed_from(&self, settings: &Settings) -> Timestamp {
        let known = || self.known_since.after(settings.peer_grace);
        self.remembered.map_or_else(known, |remembered| remembered.patience)
    }

    /// Whether the time that it had for End-of-RIB ran out just now.
    fn has_just_settled(&self, now: Timestamp) -> bool {
        let just = |settles| settles <= now && now.since(settles) < Duration::from_secs(3);
        self.settles().is_some_and(just)
    }

    fn settles(&self) -> Option<Timestamp> {
        self.session.as_ref().map(|session| session.since.after(self.max_stale_time()))
    }

    /// Reads what sessions count beside what they say. `true`: there is more.
    pub(super) fn count_errors(&mut self) -> bool {
        let Some(last) = &self.last else { return false };
        let errors = ErrorAction::ALL.map(|action| last.stats.errors(action));
        std::mem::replace(&mut self.errors, errors) != errors
    }

    /// How many of its rejected routes were not kept, both families together.
    fn not_kept(&self) -> u64 {
        self.tally.not_kept.iter().sum()
    }

    /// Whether it had the time to send again what it was asked for.
    fn has_answered(&self, now: Timestamp) -> bool {
        self.refreshed.is_none_or(|refreshed| refreshed.after(ANSWER) <= now)
    }

    pub(super) fn not_kept_families(&self) -> Families {
        Family::ALL.into_iter().filter(|family| *self.tally.not_kept.of(*family) > 0).collect()
    }

    fn is_above_limit(&self) -> bool {
        self.tally.held() > u64::from(self.prefix_limit()) || self.tally.rejected_for(Reason::Limit) > 0
    }

    pub(super) fn prefix_limit(&self) -> u32 {
        self.neighbors.as_ref().map_or(0, |neighbors| neighbors.limits.prefixes)
    }

    /// How many routes of each kind it must announce and does not; none while that cannot be told.
    pub(super) fn missing(&self, now: Timestamp) -> (u64, u64) {
        let missing = self.owed.iter().filter(|owed| owed.have == 0 && self.settled(owed.family(), now));
        missing.fold((0, 0), |(cidrs, subnets), owed| match owed.what {
            Expected::ServiceCidr(_) => (cidrs + 1, subnets),
            Expected::NodeSubnet(_) => (cidrs, subnets + 1),
        })
    }
}

//! Sessions that come and go, and what becomes of their routes: the helper of graceful restart (RFC 4724,
//! 4.2; RFC 8538) and refreshes (RFC 7313).

use std::sync::Arc;

use ipnet::IpNet;

use super::Command;
use super::core::Core;
use super::findings::{Key as Cause, Proof};
use super::learn::Step;
use super::peers::{FamilyState, Last, Old, Peer, Session};
use super::work::Job;
use crate::bgp::negotiated::GracefulRestart;
use crate::bgp::{Families, Family};
use crate::policy::{Subject, Terms};
use crate::rib::{Key, Path, PeerIndex};
use crate::speaker::{Closed, Established, Loss, ResetReason, SessionId};
use crate::time::Timestamp;

impl Core {
    pub(super) fn established(&mut self, mut news: Established, now: Timestamp) {
        match self.map.neighbors(&news.peer) {
            Some(entry) => news.neighbors = Arc::clone(entry),
            None if self.settings.strangers => {}
            // A reload is under way, and the speaker is ahead of us or behind.
            None => return self.commands.push(Command::Reset { peer: news.peer }),
        }
        let Some(at) = self.admit(&news, now) else { return };
        let Some(peer) = self.peers.get_mut(at) else { return };
        let same_host = peer.last.as_ref().is_some_and(|last| {
            let (then, now) = (&last.negotiated, &news.negotiated);
            (then.peer_as, then.peer_id) == (now.peer_as, now.peer_id)
        });
        peer.session = Some(Session {
            id: news.session,
            since: news.at,
            negotiated: Arc::clone(&news.negotiated),
            condemned: false,
            spoke: false,
        });
        peer.last = Some(Last {
            id: news.session,
            local: news.local,
            negotiated: Arc::clone(&news.negotiated),
            capabilities: news.capabilities.into(),
            stats: news.stats,
        });
        peer.neighbors = Some(news.neighbors);
        peer.add_path = peer.add_path.iter().chain(news.negotiated.add_path.iter()).collect();
        peer.since = Some(news.at);
        peer.silent |= self.findings.is_lost(&peer.id);
        peer.remembered = None;
        if !same_host {
            let identifier = || peer.identifier().map(|identifier| identifier.to_string().into());
            peer.name = peer.pin.as_ref().map(|pin| Arc::clone(&pin.name)).or_else(identifier);
        }
        for family in Family::ALL {
            peer.tally.keep_all(family);
        }
        peer.limit.warn = peer.warn_at();
        self.refusals.came_in(&news.peer);
        self.peers.bind(news.session, at);
        self.hosts_dirty |= !same_host;
        self.racks_dirty = true;
        self.known_revision += 1;
        self.resume_families(at, same_host, news.at, now);
        self.judge_by_new_terms(at, now);
        self.touch(at);
        self.touch_twin(at);
        if let Some(peer) = self.peers.get(at) {
            self.chronicle.peer_up(peer, now);
        }
    }

    /// Finds the peer's place, or makes one; ends the session that this one replaces. `None`: it is void.
    fn admit(&mut self, news: &Established, now: Timestamp) -> Option<PeerIndex> {
        let place = self.map.place(&news.neighbors)?;
        let Some(at) = self.peers.find(&news.peer) else {
            let pin = self.map.pin(news.peer.address, &place).cloned();
            let at = self.peers.learn(news.peer.clone(), place, now);
            self.peers.get_mut(at)?.pin = pin;
            self.hosts_dirty = true;
            return Some(at);
        };
        let peer = self.peers.get(at)?;
        if peer.last.as_ref().is_some_and(|last| last.id >= news.session) {
            return None;
        }
        if let Some(session) = peer.session.as_ref().map(|session| session.id) {
            self.closed(&replaced(session, news.at), now);
        }
        self.move_peer(at, place, now);
        Some(at)
    }

    /// Stale routes live on only if the peer says that it forwarded all the while, family by family.
    fn resume_families(&mut self, at: PeerIndex, same_host: bool, since: Timestamp, now: Timestamp) {
        let Some(peer) = self.peers.get(at) else { return };
        let Some(terms) = peer.last.as_ref().map(|last| Arc::clone(&last.negotiated)) else { return };
        let preserved = terms.graceful_restart.map_or(Families::NONE, |said| {
            said.families.intersection(said.forwarding).intersection(terms.families)
        });
        for family in Family::ALL {
            let Some(peer) = self.peers.get_mut(at) else { return };
            let state = peer.family_mut(family);
            state.end_of_rib = false;
            if state.is_stale() && !(same_host && preserved.contains(family)) {
                self.purge(at, family, None, now);
            }
        }
        let Some(peer) = self.peers.get(at) else { return };
        let wait = peer.has_stale().then(|| since.after(peer.max_stale_time()));
        self.set_stale_until(at, wait);
    }

    pub(super) fn closed(&mut self, closed: &Closed, now: Timestamp) {
        let Some(at) = self.peers.of_session(closed.session) else { return };
        self.peers.unbind(closed.session);
        self.look_for_silence(at, closed.at);
        let Some(peer) = self.peers.get_mut(at) else { return };
        let Some(session) = peer.session.take() else { return };
        peer.since = Some(closed.at);
        peer.last_error = Some(closed.detail.as_str().into());
        let flaps = peer.lose(closed.at);
        if flaps {
            let proof = peer.proof(format!("{}: {}", closed.at, closed.detail));
            self.findings.event(Cause::peer_flapping(peer.place.scope.clone(), peer.id.clone()), proof, now);
        }
        peer.silent = true;
        peer.settled_since = None;
        self.findings.lost(&peer.id);
        self.chronicle.peer_down(peer, closed, now);
        if let Some(expiry) = closed.expiry.as_deref().filter(|expiry| expiry.is_not_ours()) {
            let (scope, proof) = (peer.place.scope.clone(), peer.proof(String::new()));
            self.expired(&scope, proof, expiry, closed.at, now);
        }
        let said = session.negotiated.graceful_restart;
        match closed.loss {
            Loss::Graceful => self.keep_stale(at, said, closed.at, now),
            Loss::Final | Loss::Deconfigured => {
                self.set_stale_until(at, None);
                for family in Family::ALL {
                    self.purge(at, family, Some(closed.at), now);
                }
            }
        }
        let pinned = self.peers.get(at).is_some_and(|peer| peer.pin.is_some());
        if closed.loss == Loss::Deconfigured && !pinned {
            self.forget(at, now);
        }
        self.racks_dirty = true;
        self.known_revision += 1;
        self.touch(at);
        self.touch_twin(at);
    }

    fn keep_stale(&mut self, at: PeerIndex, said: Option<GracefulRestart>, lost: Timestamp, now: Timestamp) {
        let kept = said.map_or(Families::NONE, |said| said.families);
        for family in Family::ALL {
            if kept.contains(family) && self.rib.count(at, family) > 0 {
                self.go_stale(at, family, lost, now);
            } else {
                self.purge(at, family, Some(lost), now);
            }
        }
        let Some(peer) = self.peers.get(at) else { return };
        let time = said.map(|said| said.restart_time.min(peer.max_stale_time())).unwrap_or_default();
        let until = peer.has_stale().then(|| lost.after(time));
        self.set_stale_until(at, until);
    }

    fn go_stale(&mut self, at: PeerIndex, family: Family, lost: Timestamp, now: Timestamp) {
        if self.peers.get(at).is_some_and(|peer| peer.family(family).old == Old::Lost) {
            self.finish_sweep(at, family, now);
        }
        self.note_loss(at, family, Some(lost), now);
        // What was stale already and did not come back is not kept for a second restart.
        self.finish_sweep(at, family, now);
        self.rib.outdate(at, family);
        let any = self.rib.old_count(at, family) > 0;
        if let Some(peer) = self.peers.get_mut(at) {
            let old = if any { Old::Stale } else { Old::Current };
            *peer.family_mut(family) = FamilyState { old, ..FamilyState::default() };
            peer.pods.changed = true;
        }
        self.duplicates.look_at_all();
        if self.offers.is_on() {
            self.offers.walk_peer(at, family);
        }
    }

    /// All routes of a family are lost: they count nowhere from now on, and are swept by and by. `lost` says
    /// when their session was, if that was just now.
    pub(super) fn purge(&mut self, at: PeerIndex, family: Family, lost: Option<Timestamp>, now: Timestamp) {
        // Who comes and goes with other routes each time must not be faster than the sweep; and what is swept
        // because the peer has it no more was not lost with the session.
        let state = self.peers.get(at).map(|peer| *peer.family(family));
        if state.is_some_and(|state| state.old == Old::Lost || state.sweeping) {
            self.finish_sweep(at, family, now);
        }
        if self.rib.count(at, family) == 0 {
            let Some(peer) = self.peers.get_mut(at) else { return };
            *peer.family_mut(family) = FamilyState::default();
            peer.tally.keep_all(family);
            self.touch(at);
            return;
        }
        self.note_loss(at, family, lost, now);
        self.rib.outdate(at, family);
        let Some(peer) = self.peers.get_mut(at) else { return };
        *peer.family_mut(family) = FamilyState { end_of_rib: false, old: Old::Lost, sweeping: true };
        peer.tally.clear(family);
        for owed in peer.owed.iter_mut().filter(|owed| owed.family() == family) {
            owed.have = 0;
        }
        if peer.tally.rejected() == 0 {
            self.findings.no_rogues(&peer.id, now);
            peer.not_kept_told = 0;
        }
        self.duplicates.look_at_all();
        self.touch(at);
        self.touch_twin(at);
        self.queue_sweep(at, family);
    }

    /// End-of-RIB: what was not announced again is gone (RFC 4724, 4.2).
    pub(super) fn end_of_rib(&mut self, at: PeerIndex, family: Family) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let state = peer.family_mut(family);
        state.end_of_rib = true;
        if state.is_stale() {
            self.start_sweep(at, family);
        }
        if self.peers.get(at).is_some_and(|peer| peer.negotiated_families().contains(family)) {
            self.told_all(at, family);
        }
        self.touch(at);
        self.touch_twin(at);
    }

    /// The peer sends all its routes again (RFC 7313, 4).
    pub(super) fn begin_refresh(&mut self, at: PeerIndex, family: Family, now: Timestamp) {
        let Some(peer) = self.peers.get(at) else { return };
        if peer.owes_end_of_rib(family, now) {
            // It must not begin any before, and what of its stale routes remains is decided then.
            return;
        }
        self.finish_sweep(at, family, now);
        self.rib.outdate(at, family);
        let Some(peer) = self.peers.get_mut(at) else { return };
        peer.tally.keep_all(family);
        let until = now.after(peer.max_stale_time());
        peer.family_mut(family).old = Old::Refreshing(until);
    }

    /// What it did not send again is gone.
    pub(super) fn end_refresh(&mut self, at: PeerIndex, family: Family) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let state = peer.family_mut(family);
        if matches!(state.old, Old::Refreshing(_)) {
            state.old = Old::Current;
            self.start_sweep(at, family);
        }
    }

    /// Restart timers that ran out, and those that waited for End-of-RIB.
    pub(super) fn expire_stale(&mut self, now: Timestamp) {
        while let Some(&(due, at)) = self.stale_until.first()
            && due <= now
        {
            self.stale_until.pop_first();
            let Some(peer) = self.peers.get_mut(at) else { continue };
            peer.stale_until = None;
            let up = peer.session.is_some();
            let stale = Family::ALL.into_iter().filter(|family| peer.family(*family).is_stale());
            for family in stale.collect::<Vec<_>>() {
                if up {
                    self.start_sweep(at, family);
                } else {
                    self.purge(at, family, None, now);
                }
            }
            if let Some(peer) = self.peers.get(at).filter(|_| !up) {
                self.chronicle.stale_expired(peer, now);
            }
        }
    }

    pub(super) fn set_stale_until(&mut self, at: PeerIndex, until: Option<Timestamp>) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if let Some(former) = std::mem::replace(&mut peer.stale_until, until) {
            self.stale_until.remove(&(former, at));
        }
        self.stale_until.extend(until.map(|until| (until, at)));
    }

    /// Has the old generation swept, by and by.
    fn start_sweep(&mut self, at: PeerIndex, family: Family) {
        if let Some(peer) = self.peers.get_mut(at)
            && !std::mem::replace(&mut peer.family_mut(family).sweeping, true)
        {
            self.queue_sweep(at, family);
        }
    }

    /// Once: refreshes that are begun and ended without pause finish sweeps whose job is still waiting.
    fn queue_sweep(&mut self, at: PeerIndex, family: Family) {
        let job = Job::Sweep { peer: at, family };
        if !self.jobs.contains(&job) {
            self.jobs.push_back(job);
        }
    }

    /// Sweeps now what is stale, lost or being swept already.
    fn finish_sweep(&mut self, at: PeerIndex, family: Family, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let state = peer.family_mut(family);
        if !(matches!(state.old, Old::Stale | Old::Lost) || state.sweeping) {
            return;
        }
        state.sweeping = true;
        while !self.sweep(at, family, usize::MAX, now) {}
    }

    /// Takes out a slice of the old generation, if it is to be swept; answers whether nothing is left to do.
    pub(super) fn sweep(&mut self, at: PeerIndex, family: Family, budget: usize, now: Timestamp) -> bool {
        let Some(state) = self.peers.get(at).map(|peer| *peer.family(family)) else { return true };
        if !state.sweeping {
            return true;
        }
        // Of several paths to one prefix each must be seen to go while the others are still there.
        let paths = self.peers.get(at).is_some_and(|peer| peer.add_path.contains(family));
        let step = if paths { 1 } else { budget };
        let mut removed = std::mem::take(&mut self.scratch);
        let (mut done, mut left) = (false, budget);
        while !done && left > 0 {
            left = left.saturating_sub(step);
            done = self.rib.sweep(at, family, step, |prefix, path| removed.push((prefix, path)));
            for (prefix, path) in removed.drain(..) {
                self.swept(prefix, &path, state.old == Old::Lost, now);
            }
        }
        self.scratch = removed;
        if done {
            self.swept_all(at, family);
        }
        done
    }

    fn swept(&mut self, prefix: IpNet, path: &Path, lost: bool, now: Timestamp) {
        let key = Key { prefix, peer: path.peer, path_id: path.path_id };
        if lost {
            self.note_change(key, now);
            // A peer that is unknown has no findings; one of the same name may have come since.
            if self.peers.get(path.peer).is_some_and(|peer| !peer.leaving) {
                self.is_no_rogue(key, path.judgement, now);
            }
            if self.offers.is_on() {
                self.swept_lost(prefix, path, now);
            }
        } else {
            let before = Some(path.judgement);
            self.changed(Step { key, before, after: None, attributes: path.attributes }, now);
        }
    }

    fn swept_all(&mut self, at: PeerIndex, family: Family) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let state = peer.family_mut(family);
        (state.old, state.sweeping) = (Old::Current, false);
        peer.pods.changed = true;
        let (any_stale, leaving) = (peer.has_stale(), peer.leaving);
        if !any_stale {
            self.set_stale_until(at, None);
        }
        self.touch(at);
        self.touch_twin(at);
        if leaving && Family::ALL.into_iter().all(|family| self.rib.count(at, family) == 0) {
            self.peers.remove(at);
        }
    }

    /// Compiles what applies to the peer now; what it announced before is judged again if that differs.
    pub(super) fn judge_by_new_terms(&mut self, at: PeerIndex, now: Timestamp) -> bool {
        let Some(terms) = self.terms(at) else { return false };
        let Some(peer) = self.peers.get(at) else { return false };
        if peer.terms.as_deref() == Some(&terms) {
            return false;
        }
        let no_more_notes =
            peer.terms.as_ref().is_some_and(|former| former.notes_transit()) && !terms.notes_transit();
        let owed = terms.expected().iter().map(|what| self.count_owed(at, peer, *what)).collect();
        let Some(peer) = self.peers.get_mut(at) else { return false };
        let former = std::mem::replace(&mut peer.owed, owed);
        peer.terms = Some(Arc::new(terms));
        if no_more_notes {
            peer.tally.reject_noted();
        }
        self.no_longer_owed(at, &former, now);
        self.review(at);
        true
    }

    /// Finds out by what a peer is judged, of which all is known but what the configuration says.
    pub(super) fn find_terms(&mut self, at: PeerIndex) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        peer.neighbors = self.map.neighbors(&peer.id).cloned();
        peer.pin = self.map.pin(peer.id.address, &peer.place).cloned();
        let terms = self.terms(at).map(Arc::new);
        if let Some(peer) = self.peers.get_mut(at) {
            peer.terms = terms;
        }
    }

    /// Finds out what it owes, once its routes are there.
    pub(super) fn find_owed(&mut self, at: PeerIndex) {
        let Some(peer) = self.peers.get(at) else { return };
        let expected = peer.terms.iter().flat_map(|terms| terms.expected());
        let owed = expected.map(|what| self.count_owed(at, peer, *what)).collect();
        if let Some(peer) = self.peers.get_mut(at) {
            peer.owed = owed;
        }
    }

    fn terms(&self, at: PeerIndex) -> Option<Terms> {
        let peer = self.peers.get(at)?;
        let last = peer.last.as_ref()?;
        Some(self.policy.terms(&Subject {
            address: peer.id.address,
            local: last.local,
            peer_as: last.negotiated.peer_as,
            local_as: last.negotiated.local_as,
            cluster: &peer.place.scope.cluster,
            vrf: &peer.place.scope.vrf,
            rack: peer.pin.as_ref().and_then(|pin| pin.rack.as_deref()).unwrap_or(&peer.place.rack),
            node: peer.pin.as_ref().map(|pin| &*pin.name),
        }))
    }
}

impl Peer {
    pub(super) fn has_stale(&self) -> bool {
        self.families.iter().any(FamilyState::is_stale)
    }

    /// Whether End-of-RIB is still to come: a peer that knows graceful restart sends it always (RFC 4724, 4.1),
    /// and is waited for as long as its stale routes are.
    fn owes_end_of_rib(&self, family: Family, now: Timestamp) -> bool {
        let Some(session) = &self.session else { return false };
        session.negotiated.graceful_restart.is_some()
            && !self.family(family).end_of_rib
            && session.since.after(self.max_stale_time()) > now
    }

    /// Notes the loss of a session; answers whether there were more than three within ten minutes.
    fn lose(&mut self, at: Timestamp) -> bool {
        const MANY: usize = 4;
        if self.losses.len() == MANY {
            self.losses.pop_front();
        }
        self.losses.push_back(at);
        let first = self.losses.front().filter(|_| self.losses.len() == MANY);
        first.is_some_and(|first| at.since(*first) <= super::findings::QUIET)
    }

    pub(super) fn proof(&self, text: String) -> Proof {
        Proof {
            peer: self.id.clone(),
            node: self.name.clone(),
            cluster: Arc::clone(&self.place.scope.cluster),
            text,
        }
    }
}

/// How a session ends whose peer came back on another connection before we saw the loss of the first.
fn replaced(session: SessionId, at: Timestamp) -> Closed {
    Closed {
        session,
        at,
        reason: ResetReason::Collision,
        detail: "another connection of the peer took over".to_owned(),
        loss: Loss::Graceful,
        expiry: None,
    }
}

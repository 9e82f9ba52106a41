//! Who is known, and what a new configuration changes.

use std::net::IpAddr;
use std::sync::Arc;

use super::Command;
use super::alarms::Raised;
use super::core::Core;
use super::map::Map;
use super::peers::{Peer, Place};
use crate::bgp::Family;
use crate::config::Config;
use crate::policy::{Class, Policy};
use crate::rib::PeerIndex;
use crate::time::Timestamp;

impl Core {
    /// Makes known what is pinned.
    pub(super) fn learn_pins(&mut self, now: Timestamp) {
        for id in self.map.pinned() {
            let Some(neighbors) = self.map.neighbors(&id).cloned() else { continue };
            let Some(place) = self.map.place(&neighbors) else { continue };
            let pin = self.map.pin(id.address, &place).cloned();
            let known = self.peers.find(&id);
            let at = known.unwrap_or_else(|| self.peers.learn(id, place, now));
            let Some(peer) = self.peers.get_mut(at) else { continue };
            if known.is_none() {
                peer.name = pin.as_ref().map(|pin| Arc::clone(&pin.name));
                peer.neighbors = Some(neighbors);
            }
            peer.pin = pin;
            self.hosts_dirty = true;
        }
    }

    /// Takes over a new configuration. Routes learned before are judged again by and by.
    pub(super) fn reconfigure(&mut self, config: Arc<Config>, now: Timestamp) {
        let unique = Class::ALL.map(|class| self.policy.unique(class));
        self.map = Map::new(&config);
        self.policy = Policy::new(&config);
        self.findings.reconfigure(&config.findings);
        self.config = config;
        self.reconfigure_offers();
        self.look_at_all_changes();
        let compare = unique != Class::ALL.map(|class| self.policy.unique(class));
        for at in self.peers.indexes() {
            self.reconfigure_peer(at, compare, now);
        }
        self.learn_pins(now);
        self.duplicates.look_at_all();
        self.hosts_dirty = true;
        self.racks_dirty = true;
        self.refusals.look_again();
        self.chronicle.reload(now);
    }

    fn reconfigure_peer(&mut self, at: PeerIndex, compare: bool, now: Timestamp) {
        let Some(peer) = self.peers.get(at).filter(|peer| !peer.leaving) else { return };
        let neighbors = self.map.neighbors(&peer.id).cloned();
        let place = neighbors.as_ref().and_then(|neighbors| self.map.place(neighbors));
        let (Some(neighbors), Some(place)) = (neighbors, place) else { return self.forget(at, now) };
        let pin = self.map.pin(peer.id.address, &place).cloned();
        if pin.is_none() && peer.heard_as().is_none() {
            return self.forget(at, now);
        }
        self.move_peer(at, place, now);
        let Some(peer) = self.peers.get_mut(at) else { return };
        let kept = peer.neighbors.replace(Arc::clone(&neighbors)).map(|former| former.limits.rejected_kept);
        let widened = kept.is_some_and(|kept| kept < neighbors.limits.rejected_kept);
        peer.pin = pin;
        peer.limit.warn = peer.warn_at();
        let not_kept = !peer.not_kept_families().is_empty();
        let former = peer.terms.clone();
        let judged = self.judge_by_new_terms(at, now);
        if let Some(peer) = self.peers.get_mut(at) {
            // What was not kept may be accepted now, or kept.
            let widens = |former| peer.terms.as_ref().is_some_and(|terms| terms.widen(former));
            peer.refresh_due |= not_kept && (widened || (judged && former.as_deref().is_some_and(widens)));
        }
        if compare && !judged {
            self.review(at);
        }
        self.touch(at);
    }

    /// A peer may move to another cluster, VRF or rack: what was found in it there is no longer true.
    pub(super) fn move_peer(&mut self, at: PeerIndex, place: Place, now: Timestamp) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if peer.place == place {
            return;
        }
        self.end_wait(at, now);
        self.end_pods(at, now);
        let Some(peer) = self.peers.get_mut(at) else { return };
        peer.pods.changed = true;
        if peer.place.scope.vrf != place.scope.vrf {
            self.leave_vrf(at, now);
        }
        self.offer_peer(at);
        let Some(peer) = self.peers.get_mut(at) else { return };
        let former = std::mem::replace(&mut peer.place, place);
        if former.scope != peer.place.scope {
            self.findings.forget(&former.scope, &peer.id, now);
            (peer.raised, peer.not_kept_told) = (Raised::default(), 0);
            self.duplicates.look_at_all();
            // Its rejected routes are rogue here too.
            self.find_rogues_again(at, now);
            self.review(at);
        }
        self.hosts_dirty = true;
        self.racks_dirty = true;
        self.touch(at);
    }

    fn find_rogues_again(&mut self, at: PeerIndex, now: Timestamp) {
        for family in Family::ALL {
            let rejected: Vec<_> = self
                .rib
                .paths_of(at, family, None)
                .filter(|(_, _, path)| path.judgement.accepted().is_none())
                .map(|(_, prefix, path)| (prefix, path))
                .collect();
            for (prefix, path) in rejected {
                if self.peers.get(at).is_some_and(|peer| !peer.is_lost(family, path.old)) {
                    let key = crate::rib::Key { prefix, peer: at, path_id: path.path_id };
                    self.is_rogue(key, path.judgement, path.attributes, now);
                }
            }
        }
    }

    /// Makes a peer unknown, with all that was found in it; its routes are swept by and by.
    pub(super) fn forget(&mut self, at: PeerIndex, now: Timestamp) {
        self.change_forgotten(at, now);
        let Some(peer) = self.peers.get_mut(at).filter(|peer| !peer.leaving) else { return };
        if let Some(session) = peer.session.take() {
            self.peers.unbind(session.id);
        }
        for family in Family::ALL {
            self.purge(at, family, None, now);
        }
        self.end_silence(at, now);
        self.set_stale_until(at, None);
        self.end_wait(at, now);
        self.end_pods(at, now);
        if let Some(peer) = self.peers.get(at) {
            self.findings.forget(&peer.place.scope, &peer.id, now);
            self.commands.push(Command::Forget { peer: peer.id.clone() });
        }
        self.jobs.retain(|job| !matches!(job, super::work::Job::Review { peer, .. } if *peer == at));
        self.peers.leave(at);
        if Family::ALL.into_iter().all(|family| self.rib.count(at, family) == 0) {
            self.peers.remove(at);
        }
        self.hosts_dirty = true;
        self.racks_dirty = true;
        self.known_revision += 1;
    }

    /// Forgets the peers with this address, on one leaf or on all, that are down and not pinned.
    pub(super) fn forget_down(&mut self, leaf: Option<&str>, address: IpAddr, now: Timestamp) -> usize {
        self.forget_those(
            |peer| peer.id.address == address && leaf.is_none_or(|leaf| *peer.id.leaf == *leaf),
            now,
        )
    }

    /// The same of the peers of a node, in one cluster or in all.
    pub(super) fn forget_node(&mut self, node: &str, cluster: Option<&str>, now: Timestamp) -> usize {
        let is_in = |peer: &Peer| cluster.is_none_or(|cluster| *peer.place.scope.cluster == *cluster);
        self.forget_those(|peer| peer.name.as_deref() == Some(node) && is_in(peer), now)
    }

    fn forget_those(&mut self, meant: impl Fn(&Peer) -> bool, now: Timestamp) -> usize {
        let down = |peer: &Peer| peer.session.is_none() && peer.pin.is_none();
        let all = self.peers.iter();
        let forgotten: Vec<_> = all.filter(|(_, peer)| down(peer) && meant(peer)).map(|(at, _)| at).collect();
        for at in &forgotten {
            self.forget(*at, now);
        }
        forgotten.len()
    }
}

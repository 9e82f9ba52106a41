//! Why a restarted BIRD keeps silent for a while.
//!
//! A daemon that starts waits for the End-of-RIB of *every* peer that promised one before it announces
//! anything to *anyone* (RFC 4724, 4.1), because it chooses its routes only then.
#![expect(clippy::disallowed_methods, reason = "this room does IO")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::Timers;

/// The wait of one start of one daemon, shared by its sessions.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    held_by: Arc<watch::Sender<BTreeSet<SocketAddr>>>,
    deadline: Instant,
    timers: Timers,
}

impl Recovery {
    /// A daemon with these peers starts now.
    pub(super) fn start(peers: impl IntoIterator<Item = SocketAddr>, timers: Timers) -> Self {
        let held_by = Arc::new(watch::Sender::new(peers.into_iter().collect()));
        Self { held_by, deadline: Instant::now() + timers.recovery_wait, timers }
    }

    /// This peer need not be waited for, or no longer.
    pub(super) fn release(&self, peer: SocketAddr) {
        self.held_by.send_modify(|held_by| {
            held_by.remove(&peer);
        });
    }

    pub(super) fn is_over(&self) -> bool {
        self.held_by.borrow().is_empty() || self.deadline <= Instant::now()
    }

    /// Returns when there is nothing more to wait for and the daemon has noticed.
    pub(super) async fn over(self) {
        let mut held_by = self.held_by.subscribe();
        let released = async {
            // The sender lives as long as this does: the wait cannot fail.
            let _ = held_by.wait_for(BTreeSet::is_empty).await;
            sleep(self.timers.recovery_end).await;
        };
        let _ = timeout_at(self.deadline, released).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_peers() -> (Recovery, [SocketAddr; 2]) {
        let peers = [([172, 16, 10, 4], 179).into(), ([172, 16, 10, 6], 179).into()];
        (Recovery::start(peers, Timers::BIRD), peers)
    }

    #[tokio::test(start_paused = true)]
    async fn one_silent_peer_delays_all() {
        let (start, (recovery, peers)) = (Instant::now(), two_peers());
        recovery.release(peers[0]);
        recovery.release(peers[0]);
        assert!(!recovery.is_over());
        recovery.over().await;
        assert_eq!(start.elapsed(), Timers::BIRD.recovery_wait);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_all_peers_have_spoken() {
        let (start, (recovery, peers)) = (Instant::now(), two_peers());
        for peer in peers {
            recovery.release(peer);
        }
        assert!(recovery.is_over());
        recovery.over().await;
        assert_eq!(start.elapsed(), Timers::BIRD.recovery_end);
    }
}

//! Sessions that nothing must disturb.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::peer::{Heard, Peer};
use crate::wire::KEEPALIVE;

/// Hosts of the witnesses.
const WITNESSES: std::ops::Range<u8> = 5..9;

/// Four sessions, each with a thread that keeps it alive and listens.
pub(super) struct Watch {
    seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    /// The longest wait for a KEEPALIVE, in microseconds.
    gap: AtomicU64,
    down: AtomicBool,
    stop: AtomicBool,
}

impl Watch {
    pub(super) fn start(establish: impl Fn(u8) -> Peer) -> Self {
        let seen = Arc::new(Seen::default());
        let witness = |host| {
            let (peer, seen) = (establish(host), Arc::clone(&seen));
            std::thread::spawn(move || seen.watch(peer))
        };
        Self { threads: WITNESSES.map(witness).collect(), seen }
    }

    /// What was until now does not count: for any attack, and for what a test itself does to the daemon.
    pub(super) fn forget(&self) {
        self.seen.gap.store(0, Relaxed);
    }

    pub(super) fn largest_gap(&self) -> Duration {
        Duration::from_micros(self.seen.gap.load(Relaxed))
    }

    pub(super) fn is_up(&self) -> bool {
        !self.seen.down.load(Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn watch(&self, mut peer: Peer) {
        let mut last = Instant::now();
        while !self.stop.load(Relaxed) {
            match peer.hear(Duration::from_millis(20)) {
                Heard::Message(KEEPALIVE, _) => {
                    self.waited(last);
                    last = Instant::now();
                }
                Heard::Nothing | Heard::Message(..) => self.waited(last),
                Heard::Closed | Heard::Reset => return self.down.store(true, Relaxed),
            }
        }
    }

    fn waited(&self, since: Instant) {
        let waited = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.gap.fetch_max(waited, Relaxed);
    }
}

//! Our signs of life in one session: what to say when the peer misses them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How much later than a third of the hold time a KEEPALIVE may leave and still be in time: what timers and
/// a busy machine take.
const SLACK: Duration = Duration::from_millis(500);

/// When KEEPALIVEs and UPDATEs of ours left, which re-arm the peer's hold timer (RFC 4271, 4.4).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// One waits to be taken by the network.
    waits: bool,
    last: Timestamp,
    /// Since when none was late.
    steady_since: Timestamp,
}

/// The peer says that its hold timer expired: how we kept to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldExpiry {
    /// The negotiated hold time.
    pub hold_time: Duration,
    /// How long before, our last KEEPALIVE or UPDATE had left: the kernel had it, and more is not known.
    pub since_sent: Duration,
    /// For how long none of ours had left late.
    pub steady_for: Duration,
    /// How long before, the peer's last KEEPALIVE or UPDATE had come.
    pub since_heard: Duration,
}

impl HoldExpiry {
    /// Whether no fault of ours made it expire: for a whole hold time and more, KEEPALIVEs left in time.
    pub fn is_not_ours(&self) -> bool {
        self.since_sent <= in_time(self.hold_time) && self.steady_for >= self.hold_time
    }
}

impl Pulse {
    /// A KEEPALIVE or UPDATE waits to be sent.
    pub(super) const fn wait(&mut self) {
        self.waits = true;
    }

    /// All that waited was sent.
    pub(super) fn sent(&mut self, hold_time: Duration, now: Timestamp) {
        if std::mem::take(&mut self.waits) {
            if now.since(self.last) > in_time(hold_time) {
                self.steady_since = now;
            }
            self.last = now;
        }
    }

    /// What is known if the peer's hold timer expired by `now`.
    pub(super) fn expiry(&self, hold_time: Duration, since_heard: Duration, now: Timestamp) -> HoldExpiry {
        let steady_for = self.last.since(self.steady_since);
        HoldExpiry { hold_time, since_sent: now.since(self.last), steady_for, since_heard }
    }
}

fn in_time(hold_time: Duration) -> Duration {
    hold_time.checked_div(3).unwrap_or_default().saturating_add(SLACK)
}

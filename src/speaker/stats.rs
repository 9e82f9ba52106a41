//! Counters of a peer, shared by its sessions (which add) and by whoever shows them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use super::ResetReason;
use crate::bgp::MessageType;

/// The type of a message, as counted.
pub use crate::bgp::MessageType as Kind;

/// Counters of one peer over all its sessions since we started.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PeerStats {
    /// The furthest state that any connection of this peer is in.
    state: AtomicU8,
    /// Messages received, by [`MessageType`].
    received: [AtomicU64; 5],
    /// Messages sent, by [`MessageType`].
    sent: [AtomicU64; 5],
    /// Octets received.
    octets: AtomicU64,
    /// Sessions that were reset, by [`ResetReason`].
    resets: [AtomicU64; 8],
    /// UPDATEs with errors, by [`ErrorAction`].
    errors: [AtomicU64; 3],
    /// Times a session stood still until the observer had taken in what was said before, by its peer or by all.
    suspended: AtomicU64,
}

/// What became of an UPDATE with errors (RFC 7606, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in RFC 7606")]
pub enum ErrorAction {
    AttributeDiscard,
    TreatAsWithdraw,
    SessionReset,
}

impl ErrorAction {
    /// All, from weak to strong.
    pub const ALL: [Self; 3] = [Self::AttributeDiscard, Self::TreatAsWithdraw, Self::SessionReset];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AttributeDiscard => "attribute_discard",
            Self::TreatAsWithdraw => "treat_as_withdraw",
            Self::SessionReset => "session_reset",
        }
    }
}

/// The state of a peer's furthest connection (RFC 4271, 8.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as in RFC 4271")]
pub enum SessionState {
    #[default]
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

impl SessionState {
    /// All, in the order of RFC 4271.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Connect, Self::Active, Self::OpenSent, Self::OpenConfirm, Self::Established];

    /// As RFC 4271 and `show ip bgp summary` write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl PeerStats {
    /// The state of the furthest connection.
    pub fn state(&self) -> SessionState {
        let state = usize::from(self.state.load(Relaxed));
        SessionState::ALL.get(state).copied().unwrap_or_default()
    }

    /// Messages of `kind` received.
    pub fn received(&self, kind: MessageType) -> u64 {
        self.received[kind as usize].load(Relaxed)
    }

    /// Messages of `kind` sent.
    pub fn sent(&self, kind: MessageType) -> u64 {
        self.sent[kind as usize].load(Relaxed)
    }

    /// Octets received.
    pub fn octets(&self) -> u64 {
        self.octets.load(Relaxed)
    }

    /// Sessions reset for `reason`.
    pub fn resets(&self, reason: ResetReason) -> u64 {
        self.resets[reason as usize].load(Relaxed)
    }

    /// UPDATEs with errors that had this outcome.
    pub fn errors(&self, action: ErrorAction) -> u64 {
        self.errors[action as usize].load(Relaxed)
    }

    /// Times a session stood still until the observer had taken in what was said before, by its peer or by all.
    pub fn suspended(&self) -> u64 {
        self.suspended.load(Relaxed)
    }

    pub(crate) fn set_state(&self, state: SessionState) {
        self.state.store(state as u8, Relaxed);
    }

    /// Adds messages received, by [`MessageType`], and their octets.
    pub(crate) fn add_received(&self, messages: [u32; MessageType::ALL.len()], octets: usize) {
        add(&self.received, messages);
        self.octets.fetch_add(octets as u64, Relaxed);
    }

    /// Adds messages sent, by [`MessageType`].
    pub(crate) fn add_sent(&self, messages: [u32; MessageType::ALL.len()]) {
        add(&self.sent, messages);
    }

    pub(crate) fn count_reset(&self, reason: ResetReason) {
        self.resets[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn add_errors(&self, action: ErrorAction, updates: u32) {
        if updates > 0 {
            self.errors[action as usize].fetch_add(updates.into(), Relaxed);
        }
    }

    /// Counts again what was counted elsewhere, by [`ErrorAction`].
    pub(crate) fn set_errors(&self, errors: [u64; ErrorAction::ALL.len()]) {
        self.errors.iter().zip(errors).for_each(|(counter, count)| counter.store(count, Relaxed));
    }

    /// Adds what `other` counted, which counts no more.
    pub(super) fn absorb(&self, other: &Self) {
        self.octets.fetch_add(other.octets(), Relaxed);
        self.suspended.fetch_add(other.suspended(), Relaxed);
        for (mine, theirs) in [
            (&self.received[..], &other.received[..]),
            (&self.sent, &other.sent),
            (&self.resets, &other.resets),
            (&self.errors, &other.errors),
        ] {
            for (counter, count) in mine.iter().zip(theirs) {
                counter.fetch_add(count.load(Relaxed), Relaxed);
            }
        }
    }

    pub(crate) fn count_suspended(&self) {
        self.suspended.fetch_add(1, Relaxed);
    }
}

/// One at a time, for tests of those who show them.
#[cfg(test)]
impl PeerStats {
    pub(crate) fn count_received(&self, kind: MessageType, octets: usize) {
        self.add_received(std::array::from_fn(|index| u32::from(index == kind as usize)), octets);
    }

    pub(crate) fn count_sent(&self, kind: MessageType) {
        self.add_sent(std::array::from_fn(|index| u32::from(index == kind as usize)));
    }

    pub(crate) fn count_error(&self, action: ErrorAction) {
        self.add_errors(action, 1);
    }
}

fn add(counters: &[AtomicU64], counts: [u32; MessageType::ALL.len()]) {
    for (counter, count) in counters.iter().zip(counts).filter(|(_, count)| *count > 0) {
        counter.fetch_add(count.into(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absorbed_adds_up_and_has_no_state() {
        let (departed, peer) = (PeerStats::default(), PeerStats::default());
        peer.set_state(SessionState::Established);
        peer.count_received(MessageType::Update, 23);
        peer.count_sent(MessageType::Open);
        peer.count_reset(ResetReason::Tcp);
        peer.count_error(ErrorAction::TreatAsWithdraw);
        peer.count_suspended();
        departed.absorb(&peer);
        departed.absorb(&peer);
        assert_eq!((departed.received(MessageType::Update), departed.octets()), (2, 46));
        assert_eq!((departed.sent(MessageType::Open), departed.resets(ResetReason::Tcp)), (2, 2));
        assert_eq!((departed.errors(ErrorAction::TreatAsWithdraw), departed.suspended()), (2, 2));
        assert_eq!(departed.state(), SessionState::Idle);
    }
}

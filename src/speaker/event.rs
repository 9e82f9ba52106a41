//! What sessions tell the observer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::md5::Signature;
use super::{PeerStats, Refusal};
pub use crate::bgp::session::{HoldExpiry, Loss};
use crate::bgp::{Batch, Negotiated};
use crate::config::model::Neighbors;
use crate::time::Timestamp;

/// A session's far end: never identified by its BGP identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId {
    /// The leaf's name.
    pub leaf: Arc<str>,
    /// The far end's address.
    pub address: IpAddr,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.address, self.leaf)
    }
}

/// One connection that reached Established; never used twice, and later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Something the observer must know, in the order in which the session saw it.
///
/// Sessions of one peer do not overlap: its next [`Established`] comes after the [`Closed`] of the one before.
/// Should a peer that was forgotten come back meanwhile, its new session ends the older one gracefully, and
/// whatever arrives later from the older one is void.
#[derive(Clone, Debug)]
pub enum Event {
    /// A session reached Established; our End-of-RIB is already on the wire.
    Established(Box<Established>),
    /// Routes of an Established session.
    Routes {
        /// Whose.
        session: SessionId,
        /// When they were read from the socket.
        at: Timestamp,
        /// The routes.
        batch: Batch,
    },
    /// A session that was Established ended.
    Closed(Closed),
    /// Somebody wants to peer and will not get in. Not every time is told: see [`Refused`].
    Refused(Box<Refused>),
    /// The kernel dropped segments for their TCP-MD5 signature.
    Unsigned(Unsigned),
}

/// A session reached Established.
#[derive(Clone, Debug)]
pub struct Established {
    /// This session.
    pub session: SessionId,
    /// The far end.
    pub peer: PeerId,
    /// Our end's address.
    pub local: IpAddr,
    /// When.
    pub at: Timestamp,
    /// The terms.
    pub negotiated: Arc<Negotiated>,
    /// The peer's capabilities as shown to people, in the OPEN's order.
    pub capabilities: Vec<String>,
    /// The entry of the configuration that let it in.
    pub neighbors: Arc<Neighbors>,
    /// Counters of this peer, kept over its sessions.
    pub stats: Arc<PeerStats>,
}

/// A session that was Established ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Closed {
    /// Which.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// Why, as [`PeerStats`] counts it.
    pub reason: ResetReason,
    /// Why, for people: one line.
    pub detail: String,
    /// What becomes of its routes.
    pub loss: Loss,
    /// How we kept to the peer's hold timer, if the peer said that it expired.
    pub expiry: Option<Box<HoldExpiry>>,
}

/// Somebody wants to peer, for an OPEN came, or something that only a speaker of BGP sends, and will not get
/// in. Port probes are not told (but with too low a TTL a bare connection is), nor who has another connection or
/// is above its prefix limit; of one peer, one attempt in a second is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Who, on which leaf.
    pub peer: PeerId,
    /// When.
    pub at: Timestamp,
    /// Why, as it is counted.
    pub why: Refusal,
    /// The AS that its OPEN named, if it came so far.
    pub offered_as: Option<u32>,
    /// What would have been right, for people, as in "AS 65102-65199"; may be empty.
    pub expected: String,
    /// What else is known, for people; may be empty.
    pub detail: String,
}

/// Segments that the kernel dropped for their TCP-MD5 signature (RFC 2385). It says neither whose they were
/// nor to whom they went, and counts for all programs in this network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsigned {
    /// The one leaf that may be meant; none if several may be.
    pub leaf: Option<Arc<str>>,
    /// When that was found.
    pub at: Timestamp,
    /// What is wrong with them.
    pub signature: Signature,
    /// How many since the last look.
    pub segments: u64,
}

/// Why a session was reset: the `reason` label of `thirdleaf_bgp_session_resets_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResetReason {
    /// Our hold timer expired.
    HoldTimer,
    /// The peer said that its hold timer expired.
    HoldTimerPeer,
    /// The peer sent another NOTIFICATION.
    NotificationReceived,
    /// We sent NOTIFICATION for an error.
    NotificationSent,
    /// The connection was lost.
    Tcp,
    /// An operator or a configuration change.
    Admin,
    /// Too many prefixes.
    PrefixLimit,
    /// Another connection of the same peer took over.
    Collision,
}

impl ResetReason {
    /// All, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::HoldTimer,
        Self::HoldTimerPeer,
        Self::NotificationReceived,
        Self::NotificationSent,
        Self::Tcp,
        Self::Admin,
        Self::PrefixLimit,
        Self::Collision,
    ];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldTimer => "hold_timer",
            Self::HoldTimerPeer => "hold_timer_peer",
            Self::NotificationReceived => "notification_received",
            Self::NotificationSent => "notification_sent",
            Self::Tcp => "tcp",
            Self::Admin => "admin",
            Self::PrefixLimit => "prefix_limit",
            Self::Collision => "collision",
        }
    }
}

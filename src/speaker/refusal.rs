//! Why connections are turned away before they become sessions.

use serde::{Deserialize, Serialize};

use super::terms::{Terms, some};
use crate::bgp::session::Ending;

/// The `reason` label of `thirdleaf_bgp_connections_rejected_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// No range of the leaf holds the source address.
    NotInRange,
    /// The OPEN names an AS that the range does not permit.
    AsNotAllowed,
    /// As many peers are known as the range may have.
    PeerLimit,
    /// The OPEN is malformed or unacceptable, or something else came instead.
    OpenError,
    /// No OPEN, or no KEEPALIVE after it, came in time.
    OpenTimeout,
    /// Too many connections without an OPEN.
    HalfOpenLimit,
    /// The peer has another connection already.
    Collision,
    /// The peer exceeded its prefix limit a while ago.
    PrefixLimit,
    /// It comes from farther away than GTSM permits (RFC 5082).
    Ttl,
    /// The peer went before it was a session: a port probe, mostly.
    Lost,
    /// The machine has no descriptor or no memory for it.
    Resources,
    /// The peer refuses our OPEN: it expects another AS, mostly (RFC 4271, 6.2).
    RefusedByPeer,
}

impl Refusal {
    /// All, in the order of their counters.
    pub const ALL: [Self; 12] = [
        Self::NotInRange,
        Self::AsNotAllowed,
        Self::PeerLimit,
        Self::OpenError,
        Self::OpenTimeout,
        Self::HalfOpenLimit,
        Self::Collision,
        Self::PrefixLimit,
        Self::Ttl,
        Self::Lost,
        Self::Resources,
        Self::RefusedByPeer,
    ];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotInRange => "not_in_range",
            Self::AsNotAllowed => "as_not_allowed",
            Self::PeerLimit => "peer_limit",
            Self::OpenError => "open_error",
            Self::OpenTimeout => "open_timeout",
            Self::HalfOpenLimit => "half_open_limit",
            Self::Collision => "collision",
            Self::PrefixLimit => "prefix_limit",
            Self::Ttl => "ttl",
            Self::Lost => "lost",
            Self::Resources => "resources",
            Self::RefusedByPeer => "refused_by_peer",
        }
    }

    /// Whether who was refused speaks BGP, and will not get in as things are. `peer_as`: what its OPEN named.
    pub(super) fn is_of_a_speaker(self, ending: &Ending, peer_as: Option<u32>) -> bool {
        match self {
            Self::AsNotAllowed | Self::RefusedByPeer | Self::PeerLimit => true,
            Self::OpenError => peer_as.is_some() || ending.notification().is_some_and(|said| said.code == 2),
            Self::OpenTimeout => peer_as.is_some(),
            _ => false,
        }
    }

    /// What would have been right, and what else is known: for people, and either may be empty.
    pub(super) fn explain(self, ending: &Ending, terms: &Terms) -> (String, String) {
        let neighbors = &terms.neighbors;
        match self {
            Self::AsNotAllowed => (format!("AS {}", some(neighbors.peer_as.iter())), String::new()),
            Self::PeerLimit => {
                (format!("at most {} peers in {}", neighbors.max_peers, neighbors.range), String::new())
            }
            Self::RefusedByPeer => {
                let Ending::Notified(said) = ending else { return (String::new(), ending.to_string()) };
                let detail =
                    format!("answers the OPEN of AS {} with NOTIFICATION {said}", terms.offer.local_as);
                (String::new(), detail)
            }
            Self::OpenTimeout => ("a KEEPALIVE after the OPEN".to_owned(), String::new()),
            _ => (String::new(), ending.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::Notification;

    #[test]
    fn silence_and_what_is_no_bgp_are_no_attempts_to_peer() {
        let failed = |code, subcode| {
            let notification = Notification::new(code, subcode);
            Ending::Failed { notification, cause: String::new() }
        };
        let cases = [
            (Refusal::OpenTimeout, Ending::OpenTimeout, None, false),
            (Refusal::OpenTimeout, Ending::HoldExpired, Some(65201), true),
            (Refusal::OpenError, failed(1, 1), None, false),
            (Refusal::OpenError, failed(5, 1), None, false),
            (Refusal::OpenError, failed(2, 1), None, true),
            (Refusal::OpenError, failed(5, 2), Some(65201), true),
            (Refusal::AsNotAllowed, failed(2, 2), Some(65201), true),
            (Refusal::Lost, Ending::Lost(None), Some(65201), false),
            (Refusal::Collision, Ending::Lost(None), Some(65201), false),
            (Refusal::PrefixLimit, Ending::Lost(None), Some(65201), false),
        ];
        for (why, ending, peer_as, expected) in cases {
            assert_eq!(why.is_of_a_speaker(&ending, peer_as), expected, "{why:?}, {ending}");
        }
    }
}

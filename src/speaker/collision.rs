//! Which of two connections of one peer survives (RFC 4271, 6.8; RFC 4724, 5; RFC 6286, 2.3).

use std::net::Ipv4Addr;

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The peer.
    Accepted,
    /// We.
    Dialled,
}

/// Who is at the other end, by its OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) asn: u32,
    pub(super) identifier: Ipv4Addr,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// `OpenSent`: nobody knows who it is.
    Silent,
    /// `OpenConfirm`.
    Confirming(Identity),
    /// `Established`; `graceful` if the peer sent the graceful restart capability.
    Established { who: Identity, graceful: bool },
    /// It was `Established` until it ended; what it said before is still being read.
    HungUp(Identity),
}

/// What becomes of a connection when another one of the same peer sends a valid OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both go on.
    Unrelated,
    /// The older one ends in silence: its peer restarted. Its routes stay for the while.
    OlderReplaced,
    /// The older one ends with Cease/7.
    OlderLoses,
    /// The newer one ends with Cease/7.
    NewerLoses,
}

/// Judges an `older` connection and a `newer` one, whose valid OPEN came just now.
pub(super) fn judge(ours: Identity, older: (Direction, Stage), newer: (Direction, Identity)) -> Verdict {
    match older.1 {
        Stage::Silent => Verdict::Unrelated,
        Stage::HungUp(_) => Verdict::OlderReplaced,
        Stage::Established { who, graceful: true } if who == newer.1 => Verdict::OlderReplaced,
        Stage::Established { .. } => Verdict::NewerLoses,
        Stage::Confirming(_) => {
            let ours_wins = (ours.identifier, ours.asn) > (newer.1.identifier, newer.1.asn);
            // The connection that the higher identifier opened survives. Where the peer opened both,
            // RFC 4271 keeps the older if we are higher, and the newer if the peer is.
            let newer_wins = match newer.0 {
                Direction::Dialled => ours_wins,
                Direction::Accepted => !ours_wins,
            };
            if newer_wins { Verdict::OlderLoses } else { Verdict::NewerLoses }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Accepted, Dialled};
    use super::Stage::{Confirming, Established, HungUp, Silent};
    use super::*;

    const fn who(asn: u32, last: u8) -> Identity {
        Identity { asn, identifier: Ipv4Addr::new(10, 0, 0, last) }
    }

    #[test]
    fn decides_as_the_rfcs_do() {
        let (ours, lower, higher) = (who(65101, 5), who(65201, 1), who(65201, 9));
        let same_id = |asn| who(asn, 5);
        let established = |who, graceful| Established { who, graceful };
        let cases = [
            // A silent connection stands in nobody's way.
            ((Accepted, Silent), (Accepted, lower), Verdict::Unrelated),
            // Established: only the same speaker, restarted, takes over.
            ((Accepted, established(lower, true)), (Accepted, lower), Verdict::OlderReplaced),
            ((Dialled, established(lower, true)), (Accepted, lower), Verdict::OlderReplaced),
            ((Accepted, established(lower, true)), (Accepted, higher), Verdict::NewerLoses),
            ((Accepted, established(lower, true)), (Accepted, who(65202, 1)), Verdict::NewerLoses),
            ((Accepted, established(lower, false)), (Accepted, lower), Verdict::NewerLoses),
            // What the peer has closed is over, whoever comes now.
            ((Accepted, HungUp(lower)), (Accepted, lower), Verdict::OlderReplaced),
            ((Accepted, HungUp(lower)), (Accepted, higher), Verdict::OlderReplaced),
            // OpenConfirm: the connection of the higher identifier.
            ((Dialled, Confirming(lower)), (Accepted, lower), Verdict::NewerLoses),
            ((Dialled, Confirming(higher)), (Accepted, higher), Verdict::OlderLoses),
            ((Accepted, Confirming(lower)), (Dialled, lower), Verdict::OlderLoses),
            ((Accepted, Confirming(higher)), (Dialled, higher), Verdict::NewerLoses),
            ((Accepted, Confirming(lower)), (Accepted, lower), Verdict::NewerLoses),
            ((Accepted, Confirming(higher)), (Accepted, higher), Verdict::OlderLoses),
            // Equal identifiers: the higher AS (RFC 6286, 2.3).
            ((Dialled, Confirming(same_id(65001))), (Accepted, same_id(65001)), Verdict::NewerLoses),
            ((Dialled, Confirming(same_id(65201))), (Accepted, same_id(65201)), Verdict::OlderLoses),
        ];
        for (older, newer, verdict) in cases {
            assert_eq!(judge(ours, older, newer), verdict, "{older:?} {newer:?}");
        }
    }
}

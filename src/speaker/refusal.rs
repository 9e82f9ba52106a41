//! Why connections are turned away before they become sessions.

/// The `reason` label of `thirdleaf_bgp_connections_rejected_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
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
}

impl Refusal {
    /// All, in the order of their counters.
    pub(super) const ALL: [Self; 11] = [
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
    ];

    /// The label's value.
    pub(super) const fn name(self) -> &'static str {
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
        }
    }
}

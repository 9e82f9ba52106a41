//! Accepted, or rejected and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Class;

/// Why a route is not accepted. The order is the order of precedence: a route is counted under its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The node hands on what the fabric gave it, as it is meant to (`policy.transit = "note"`). A route for
    /// which this is the first reason is noted, not rejected.
    Transit,
    /// The default route of either family.
    DefaultRoute,
    /// Loopback, multicast, link-local, unspecified or class E.
    Martian,
    /// Overlaps no allowed prefix of the peer.
    NotAllowed,
    /// Shorter than every allowed length there, or covers the allowed prefix.
    TooBroad,
    /// Of a length that is not allowed there.
    TooSpecific,
    /// A node subnet that does not hold the peer's address.
    NotOwnNodeSubnet,
    /// More ASes than `policy.max_as_path`, as the leaf counts them.
    AsPathTooLong,
    /// No AS at all, from an eBGP peer.
    AsPathEmpty,
    /// The leftmost AS is not the peer's.
    FirstAsMismatch,
    /// The origin AS is not permitted.
    UnexpectedOriginAs,
    /// The leaf's own AS is in the path: the node hands back what a leaf gave it.
    OwnAsInPath,
    /// A set instead of a sequence in the path (RFC 9774).
    AsSet,
    /// A third party's next hop.
    NextHopNotPeer,
    /// Above the peer's prefix limit.
    Limit,
}

impl Reason {
    /// All reasons in order of precedence.
    pub const ALL: [Self; 15] = [
        Self::Transit,
        Self::DefaultRoute,
        Self::Martian,
        Self::NotAllowed,
        Self::TooBroad,
        Self::TooSpecific,
        Self::NotOwnNodeSubnet,
        Self::AsPathTooLong,
        Self::AsPathEmpty,
        Self::FirstAsMismatch,
        Self::UnexpectedOriginAs,
        Self::OwnAsInPath,
        Self::AsSet,
        Self::NextHopNotPeer,
        Self::Limit,
    ];

    /// The name used in metrics, the API and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transit => "transit",
            Self::DefaultRoute => "default_route",
            Self::Martian => "martian",
            Self::NotAllowed => "not_allowed",
            Self::TooBroad => "too_broad",
            Self::TooSpecific => "too_specific",
            Self::NotOwnNodeSubnet => "not_own_node_subnet",
            Self::AsPathTooLong => "as_path_too_long",
            Self::AsPathEmpty => "as_path_empty",
            Self::FirstAsMismatch => "first_as_mismatch",
            Self::UnexpectedOriginAs => "unexpected_origin_as",
            Self::OwnAsInPath => "own_as_in_path",
            Self::AsSet => "as_set",
            Self::NextHopNotPeer => "next_hop_not_peer",
            Self::Limit => "limit",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`Reason`]; empty: accepted. One with [`Reason::Transit`] holds no fault but those of transit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Reasons(u16);

impl Reasons {
    /// No reason to reject.
    pub const NONE: Self = Self(0);

    /// The set of `reason` alone.
    pub const fn only(reason: Reason) -> Self {
        Self(1 << reason as u16)
    }

    /// The faults of the AS path that a route has by nature which the fabric gave to the node.
    const OF_TRANSIT: Self = Self(
        Self::only(Reason::AsPathTooLong).0
            | Self::only(Reason::UnexpectedOriginAs).0
            | Self::only(Reason::OwnAsInPath).0,
    );

    /// The same as transit by design, if the leaf's own AS is in the path and all else is as it must be.
    #[must_use]
    pub(in crate::policy) const fn or_transit(self) -> Self {
        let faults = Self::OF_TRANSIT.0;
        let is_transit = self.contains(Reason::OwnAsInPath) && self.0 & !faults == 0;
        if is_transit { Self(self.0 | Self::only(Reason::Transit).0) } else { self }
    }

    /// Adds a fault of the prefix: nobody hands that on by design.
    pub(in crate::policy) const fn reject(&mut self, reason: Reason) {
        self.0 = (self.0 | Self::only(reason).0) & !Self::only(Reason::Transit).0;
    }

    /// Adds `reason`.
    pub const fn insert(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u16;
    }

    /// What either set holds.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `reason` is in the set.
    pub const fn contains(self, reason: Reason) -> bool {
        self.0 & (1 << reason as u16) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reason that takes precedence: the one a route is counted under.
    #[inline]
    pub fn first(self) -> Option<Reason> {
        // The order of precedence is that of the bits.
        Reason::ALL.get(usize::try_from(self.0.trailing_zeros()).ok()?).copied()
    }

    /// The members in order of precedence.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |reason| self.contains(*reason))
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Self {
        reasons.into_iter().fold(Self::NONE, |set, reason| set.union(Self::only(reason)))
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What was decided about a route: small enough to be stored with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Judgement {
    class: Class,
    reasons: Reasons,
}

impl Judgement {
    /// Only this room judges.
    pub(in crate::policy) const fn new(class: Class, reasons: Reasons) -> Self {
        Self { class, reasons }
    }

    /// A rejection for one reason. Unlike an acceptance, anybody may have one.
    pub const fn rejected(class: Class, reason: Reason) -> Self {
        Self { class, reasons: Reasons::only(reason) }
    }

    /// The same route, over its peer's prefix limit. What is noted is under none.
    #[must_use]
    pub const fn over_limit(mut self) -> Self {
        if !self.is_noted() {
            self.reasons.insert(Reason::Limit);
        }
        self
    }

    /// Whether the route is transit by design: neither accepted nor rejected.
    pub const fn is_noted(&self) -> bool {
        self.reasons.contains(Reason::Transit)
    }

    /// `accepted`, `rejected` or `noted`, as the API says it.
    pub const fn verdict(&self) -> &'static str {
        match self.reasons {
            reasons if reasons.is_empty() => "accepted",
            _ if self.is_noted() => "noted",
            _ => "rejected",
        }
    }

    /// What the prefix is for.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Why it is rejected or noted; empty if it is accepted.
    pub const fn reasons(&self) -> Reasons {
        self.reasons
    }

    /// The proof of acceptance, if it is accepted.
    pub const fn accepted(&self) -> Option<Accepted> {
        if self.reasons.is_empty() { Some(Accepted { class: self.class }) } else { None }
    }
}

/// Proof that policy accepted a route. Nothing that reaches the fabric takes less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accepted {
    class: Class,
}

impl Accepted {
    /// What the prefix is for; never [`Class::Other`].
    pub const fn class(&self) -> Class {
        self.class
    }
}

//! What applies to one peer, made to judge its routes fast.

use std::net::IpAddr;

use ipnet::IpNet;

use super::allow::{Entries, Fit};
use super::path::Rules;
use super::{Class, Judgement, Reason, Reasons, Subject, martian};
use crate::bgp::Family;
use crate::bgp::attribute::Set;
use crate::config::model::{self, Allow, AllowClass, Expect};

/// What applies to one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    pub(super) ipv4: Entries,
    pub(super) ipv6: Entries,
    pub(super) rules: Rules,
    /// The peer's own addresses: the session's far end first.
    pub(super) own: Box<[IpAddr]>,
    /// Both ends of the session are in 127/8.
    loopback: bool,
    expected: Box<[Expected]>,
}

/// What a peer must announce. An IPv4 session owes no IPv6 route and the other way round: compare with
/// the families that were negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expected {
    /// This prefix itself.
    ServiceCidr(IpNet),
    /// Any accepted route inside this prefix that holds the peer's address.
    NodeSubnet(IpNet),
}

impl Terms {
    pub(super) fn new<'a>(
        rules: &model::Policy,
        allow: impl Iterator<Item = &'a Allow> + Clone,
        subject: &Subject<'_>,
        pinned: &[IpAddr],
    ) -> Self {
        let own = own_addresses(subject.address.to_canonical(), pinned);
        let of = |family| allow.clone().filter(move |entry| Family::of(&entry.prefix) == family);
        Self {
            ipv4: Entries::new(of(Family::Ipv4)),
            ipv6: Entries::new(of(Family::Ipv6)),
            rules: Rules::new(rules, subject),
            loopback: martian::loopback(subject.address.to_canonical())
                && martian::loopback(subject.local.to_canonical()),
            expected: expected(allow, subject, &own),
            own,
        }
    }

    /// What is wrong with these attributes, whatever the prefix. To be asked once an attribute set.
    pub fn path(&self, attributes: Set<'_>) -> Reasons {
        self.rules.judge(attributes, &self.own)
    }

    /// The judgement on a route to `prefix` whose attributes were judged by [`Terms::path`].
    #[inline]
    pub fn judge(&self, prefix: IpNet, path: Reasons) -> Judgement {
        let mut reasons = path;
        let (fit, mut class) = self.entries(&prefix).fit(&prefix, || self.holds_own(&prefix));
        match fit {
            Fit::Permitted => {}
            Fit::NotOwn => reasons.reject(Reason::NotOwnNodeSubnet),
            Fit::TooBroad => reasons.reject(Reason::TooBroad),
            Fit::TooSpecific => reasons.reject(Reason::TooSpecific),
            Fit::NotAllowed => reasons.reject(Reason::NotAllowed),
        }
        if prefix.prefix_len() == 0 {
            reasons.reject(Reason::DefaultRoute);
            class = Class::Other;
        } else if martian::range(&prefix).is_some() && !self.own_loopback(&prefix) {
            reasons.reject(Reason::Martian);
        }
        Judgement::new(class, reasons)
    }

    /// Whether routes that `former` rejected may pass now: `true` if in doubt.
    pub fn widen(&self, former: &Self) -> bool {
        let same_ends =
            self.loopback == former.loopback && self.own.iter().all(|own| former.own.contains(own));
        !same_ends
            || self.rules.widen(&former.rules)
            || self.ipv4.widen(&former.ipv4)
            || self.ipv6.widen(&former.ipv6)
    }

    /// Whether transit by design is noted.
    pub const fn notes_transit(&self) -> bool {
        self.rules.notes_transit()
    }

    /// What the peer must announce.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    pub(super) fn entries(&self, prefix: &IpNet) -> &Entries {
        match prefix {
            IpNet::V4(_) => &self.ipv4,
            IpNet::V6(_) => &self.ipv6,
        }
    }

    pub(super) fn holds_own(&self, prefix: &IpNet) -> bool {
        self.own.iter().any(|address| prefix.contains(address))
    }

    /// Whether `prefix` is the peer's own subnet of a session within 127/8, as in a demonstration.
    pub(super) fn own_loopback(&self, prefix: &IpNet) -> bool {
        self.loopback && martian::loopback(prefix.network()) && self.holds_own(prefix)
    }
}

/// The session's far end, and of a pinned node its addresses of the other family: those are what it must
/// use for routes of that family. A session of the same family leaves no doubt.
fn own_addresses(peer: IpAddr, pinned: &[IpAddr]) -> Box<[IpAddr]> {
    let others = pinned.iter().copied().filter(|address| address.is_ipv4() != peer.is_ipv4());
    std::iter::once(peer).chain(others).collect()
}

fn expected<'a>(
    allow: impl Iterator<Item = &'a Allow>,
    subject: &Subject<'_>,
    own: &[IpAddr],
) -> Box<[Expected]> {
    let mut expected: Vec<_> = allow
        .filter(|entry| entry.expect == Expect::EveryNode && !excepted(entry, subject))
        .filter_map(|entry| match entry.class {
            AllowClass::Service => Some(Expected::ServiceCidr(entry.prefix.trunc())),
            // A node that stands elsewhere cannot have a subnet in there.
            AllowClass::Node => own
                .iter()
                .any(|address| entry.prefix.contains(address))
                .then(|| Expected::NodeSubnet(entry.prefix.trunc())),
            AllowClass::Pod => None,
        })
        .collect();
    expected.sort_unstable();
    expected.dedup();
    expected.into()
}

fn excepted(entry: &Allow, subject: &Subject<'_>) -> bool {
    entry.except.racks.iter().any(|rack| **rack == *subject.rack)
        || subject.node.is_some_and(|name| entry.except.nodes.iter().any(|node| **node == *name))
}

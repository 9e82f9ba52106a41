//! The allow entries of one peer, compiled.

use std::cmp::Reverse;
use std::fmt;

use ipnet::IpNet;

use super::Class;
use crate::config::model::{Allow, AllowClass};

/// Allow entries of one family, the most specific first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entries(Box<[Entry]>);

/// An allow entry of one peer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    bits: u128,
    /// The [`bit`] of each allowed length.
    lengths: u128,
    length: u8,
    host: u8,
    shortest: u8,
    class: AllowClass,
    own_only: bool,
    prefix: IpNet,
}

/// How a prefix fits the allow entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Permitted,
    NotOwn,
    TooBroad,
    TooSpecific,
    NotAllowed,
}

impl Entries {
    pub(super) fn new<'a>(allow: impl Iterator<Item = &'a Allow>) -> Self {
        let mut entries: Vec<_> = allow.map(Entry::new).collect();
        entries.sort_by_key(|entry| Reverse(entry.length));
        Self(entries.into())
    }

    /// How `prefix` fits, and what it is for: according to the most specific entry that permits it, or
    /// else that overlaps it. `own` tells whether the prefix holds the peer's own address.
    pub(super) fn fit(&self, prefix: &IpNet, own: impl Fn() -> bool) -> (Fit, Class) {
        let (bits, length) = bits(prefix);
        let wanted = bit(length).unwrap_or_default();
        let (mut nearest, mut not_own) = (None, None);
        let (mut shortest, mut covers) = (u8::MAX, false);
        for entry in &self.0 {
            if !alike(bits, entry.bits, length.min(entry.length)) {
                continue;
            }
            if entry.lengths & wanted != 0 {
                if !entry.own_only || own() {
                    return (Fit::Permitted, entry.class(length));
                }
                not_own = not_own.or(Some(entry));
            }
            nearest = nearest.or(Some(entry));
            shortest = shortest.min(entry.shortest);
            covers |= length <= entry.length;
        }
        match (not_own, nearest) {
            (Some(entry), _) => (Fit::NotOwn, entry.class(length)),
            (None, Some(entry)) if covers || length < shortest => (Fit::TooBroad, entry.class(length)),
            (None, Some(entry)) => (Fit::TooSpecific, entry.class(length)),
            (None, None) => (Fit::NotAllowed, Class::Other),
        }
    }

    /// Whether these permit what `former` did not: `true` if in doubt, as where it takes several of those to
    /// hold one of these.
    pub(super) fn widen(&self, former: &Self) -> bool {
        let within = |entry: &Entry, length: u8| {
            former.0.iter().any(|other| {
                other.permits(length)
                    && other.prefix.contains(&entry.prefix)
                    && (entry.own_only || !other.own_only)
            })
        };
        self.0.iter().any(|entry| !entry.lengths().all(|length| within(entry, length)))
    }

    /// The entries that overlap `prefix`.
    pub(super) fn overlapping(&self, prefix: &IpNet) -> impl Iterator<Item = &Entry> {
        let (bits, length) = bits(prefix);
        self.0.iter().filter(move |entry| alike(bits, entry.bits, length.min(entry.length)))
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}

impl Entry {
    fn new(allow: &Allow) -> Self {
        let (bits, length) = bits(&allow.prefix);
        let usable = || allow.lengths.iter().copied().filter(|one| *one >= length.max(1));
        Self {
            bits,
            lengths: usable().filter_map(bit).fold(0, |set, bit| set | bit),
            length,
            host: allow.prefix.max_prefix_len(),
            shortest: usable().min().unwrap_or(u8::MAX),
            class: allow.class,
            own_only: allow.own_only,
            prefix: allow.prefix.trunc(),
        }
    }

    /// The lengths that it allows, ascending.
    pub(super) fn lengths(&self) -> impl Iterator<Item = u8> {
        (1..=self.host).filter(|length| self.permits(*length))
    }

    pub(super) fn prefix(&self) -> &IpNet {
        &self.prefix
    }

    pub(super) fn permits(&self, length: u8) -> bool {
        bit(length).is_some_and(|bit| self.lengths & bit != 0)
    }

    fn class(&self, length: u8) -> Class {
        match (self.class, length) {
            (AllowClass::Node, _) => Class::NodeSubnet,
            (AllowClass::Pod, length) if length == self.host => Class::PodHost,
            (AllowClass::Pod, _) => Class::PodBlock,
            (AllowClass::Service, length) if length == self.host => Class::ServiceHost,
            (AllowClass::Service, _) => Class::ServiceCidr,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            AllowClass::Pod => "pod",
            AllowClass::Service => "service",
            AllowClass::Node => "node",
        };
        write!(f, "{class} {}", self.prefix)
    }
}

/// Bit n-1 for length n. There is none for length 0: that is the default route, which nothing permits.
fn bit(length: u8) -> Option<u128> {
    1_u128.checked_shl(u32::from(length.checked_sub(1)?))
}

/// The prefix as the upper bits of 128, so that both families are compared by the same code.
fn bits(prefix: &IpNet) -> (u128, u8) {
    match prefix {
        IpNet::V4(prefix) => (u128::from(u32::from(prefix.network())) << 96, prefix.prefix_len()),
        IpNet::V6(prefix) => (u128::from(prefix.network()), prefix.prefix_len()),
    }
}

fn alike(one: u128, other: u128, length: u8) -> bool {
    (one ^ other).leading_zeros() >= u32::from(length)
}

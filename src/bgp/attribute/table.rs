//! The one table of attributes.

use std::fmt;

use super::section::Pass;
use super::{Cause, Fault, Origin, code, flag};
use crate::bgp::as_path::SegmentKind;
use crate::bgp::wire::{take, u8};

/// What we know of an attribute.
pub(super) struct Definition {
    code: u8,
    name: &'static str,
    /// What the Optional and Transitive bits must be.
    flags: u8,
    /// Checks the value and notes down what the UPDATE as a whole depends on.
    pub(super) decode: Decode,
    /// What becomes of the UPDATE if the value is wrong.
    verdict: fn(Cause) -> Fault,
}

type Decode = for<'a> fn(&mut Pass<'_, 'a>, &'a [u8]) -> Result<(), Cause>;

const WELL_KNOWN: u8 = flag::TRANSITIVE;
const NON_TRANSITIVE: u8 = flag::OPTIONAL;
const TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;

#[rustfmt::skip]
static TABLE: [Definition; 18] = [
    row(code::ORIGIN,                    "ORIGIN",                    WELL_KNOWN,     origin,              Fault::Withdraw),
    row(code::AS_PATH,                   "AS_PATH",                   WELL_KNOWN,     as_path,             Fault::Withdraw),
    row(code::NEXT_HOP,                  "NEXT_HOP",                  WELL_KNOWN,     next_hop,            Fault::Withdraw),
    row(code::MED,                       "MULTI_EXIT_DISC",           NON_TRANSITIVE, exactly::<4>,        Fault::Withdraw),
    row(code::LOCAL_PREF,                "LOCAL_PREF",                WELL_KNOWN,     internal,            Fault::Discard),
    row(code::ATOMIC_AGGREGATE,          "ATOMIC_AGGREGATE",          WELL_KNOWN,     exactly::<0>,        Fault::Discard),
    row(code::AGGREGATOR,                "AGGREGATOR",                TRANSITIVE,     aggregator,          Fault::Discard),
    row(code::COMMUNITIES,               "COMMUNITIES",               TRANSITIVE,     some::<4>,           Fault::Withdraw),
    row(code::ORIGINATOR_ID,             "ORIGINATOR_ID",             NON_TRANSITIVE, internal,            Fault::Discard),
    row(code::CLUSTER_LIST,              "CLUSTER_LIST",              NON_TRANSITIVE, internal,            Fault::Discard),
    row(code::MP_REACH,                  "MP_REACH_NLRI",             NON_TRANSITIVE, mp_reach,            Fault::Reset),
    row(code::MP_UNREACH,                "MP_UNREACH_NLRI",           NON_TRANSITIVE, mp_unreach,          Fault::Reset),
    row(code::EXTENDED_COMMUNITIES,      "EXTENDED_COMMUNITIES",      TRANSITIVE,     some::<8>,           Fault::Withdraw),
    row(code::AS4_PATH,                  "AS4_PATH",                  TRANSITIVE,     as4_path,            Fault::Discard),
    row(code::AS4_AGGREGATOR,            "AS4_AGGREGATOR",            TRANSITIVE,     as4_aggregator,      Fault::Discard),
    row(code::IPV6_EXTENDED_COMMUNITIES, "IPV6_EXTENDED_COMMUNITIES", TRANSITIVE,     some::<20>,          Fault::Withdraw),
    row(code::LARGE_COMMUNITIES,         "LARGE_COMMUNITIES",         TRANSITIVE,     some::<12>,          Fault::Withdraw),
    row(code::ONLY_TO_CUSTOMER,          "ONLY_TO_CUSTOMER",          TRANSITIVE,     exactly::<4>,        Fault::Withdraw),
];

const fn row(
    code: u8,
    name: &'static str,
    flags: u8,
    decode: Decode,
    verdict: fn(Cause) -> Fault,
) -> Definition {
    Definition { code, name, flags, decode, verdict }
}

impl Definition {
    /// The row of this code.
    #[inline]
    pub(super) fn of(code: u8) -> Option<&'static Self> {
        TABLE.get(usize::from(*ROWS.get(usize::from(code))?))
    }

    /// Whether the flags are those of the table; the Partial bit and the low four say nothing
    /// (RFC 7606, 3.c; RFC 4271, 4.3).
    #[inline]
    pub(super) const fn suits(&self, flags: u8) -> bool {
        flags & TRANSITIVE == self.flags
    }

    /// What a wrong value leads to.
    pub(super) fn wrong(&self, cause: Cause) -> Fault {
        (self.verdict)(cause)
    }

    /// What wrong flags lead to: the value can still be read, so the session stays (RFC 7606, 3.c).
    pub(super) fn wrong_flags(&self) -> Fault {
        match self.wrong(Cause::Flags) {
            Fault::Reset(cause) => Fault::Withdraw(cause),
            fault => fault,
        }
    }
}

/// The Optional and Transitive bits that an attribute must have, if it is one that we know.
pub(crate) fn required_flags(code: u8) -> Option<u8> {
    Definition::of(code).map(|definition| definition.flags)
}

/// Where in [`TABLE`] each code is; a place outside of it for those that are not there.
static ROWS: [u8; 256] = {
    let mut rows = [u8::MAX; 256];
    let mut row = 0;
    let mut left: &[Definition] = &TABLE;
    while let [first, rest @ ..] = left {
        let (_, from) = rows.split_at_mut(first.code as usize);
        if let [place, ..] = from {
            *place = row;
        }
        row = row.saturating_add(1);
        left = rest;
    }
    rows
};

/// An attribute's name, from its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub u8);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Definition::of(self.0) {
            Some(definition) => f.write_str(definition.name),
            None if self.0 == 0 => f.write_str("path attributes"),
            None => write!(f, "attribute {}", self.0),
        }
    }
}

fn origin(_: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    match value {
        [code] if Origin::from_code(*code).is_some() => Ok(()),
        [_] => Err(Cause::Value),
        _ => Err(Cause::Length),
    }
}

fn as_path(pass: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    let confederation =
        if pass.negotiated.four_octet_as { segments::<4>(value) } else { segments::<2>(value) }?;
    if confederation { Err(Cause::Confederation) } else { Ok(()) }
}

fn next_hop(pass: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    pass.next_hop = Some(*value.as_array().ok_or(Cause::Length)?);
    Ok(())
}

fn exactly<const LENGTH: usize>(_: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    if value.len() == LENGTH { Ok(()) } else { Err(Cause::Length) }
}

/// One or more entries of `SIZE` octets.
fn some<const SIZE: usize>(_: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    if !value.is_empty() && value.len().is_multiple_of(SIZE) { Ok(()) } else { Err(Cause::Length) }
}

/// Attributes of internal sessions. All ours are external.
fn internal(_: &mut Pass<'_, '_>, _: &[u8]) -> Result<(), Cause> {
    Err(Cause::Internal)
}

fn aggregator(pass: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    match (value, pass.negotiated.four_octet_as) {
        ([0, 0, 0, 0, _, _, _, _], true) | ([0, 0, _, _, _, _], false) => Err(Cause::AsZero),
        ([_, _, _, _, _, _, _, _], true) | ([_, _, _, _, _, _], false) => Ok(()),
        _ => Err(Cause::Length),
    }
}

fn mp_reach<'a>(pass: &mut Pass<'_, 'a>, value: &'a [u8]) -> Result<(), Cause> {
    pass.mp_reach(value)
}

fn mp_unreach<'a>(pass: &mut Pass<'_, 'a>, value: &'a [u8]) -> Result<(), Cause> {
    pass.mp_unreach(value)
}

/// Confederation segments alone are dropped from it (RFC 6793, 6), which is the merge's part.
fn as4_path(pass: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    if pass.negotiated.four_octet_as {
        return Err(Cause::OldSpeaker);
    }
    if segments::<4>(value)? {
        pass.report(code::AS4_PATH, Fault::Discard(Cause::Confederation));
    }
    Ok(())
}

fn as4_aggregator(pass: &mut Pass<'_, '_>, value: &[u8]) -> Result<(), Cause> {
    match value {
        _ if pass.negotiated.four_octet_as => Err(Cause::OldSpeaker),
        [0, 0, 0, 0, _, _, _, _] => Err(Cause::AsZero),
        [_, _, _, _, _, _, _, _] => Ok(()),
        _ => Err(Cause::Length),
    }
}

/// AS_PATH segments of numbers of `WIDTH` octets (RFC 7606, 7.2; RFC 7607, 2); whether one is of a
/// confederation (RFC 5065, 5).
#[inline]
fn segments<const WIDTH: usize>(mut value: &[u8]) -> Result<bool, Cause> {
    let mut confederation = false;
    while !value.is_empty() {
        let (rest, kind) = u8(value).map_err(|_| Cause::Segments)?;
        let (rest, count) = u8(rest).map_err(|_| Cause::Segments)?;
        let length = usize::from(count).saturating_mul(WIDTH);
        let (rest, numbers) = take(rest, length).map_err(|_| Cause::Segments)?;
        match SegmentKind::from_code(kind) {
            _ if count == 0 => return Err(Cause::Segments),
            None => return Err(Cause::Segments),
            Some(SegmentKind::ConfedSequence | SegmentKind::ConfedSet) => confederation = true,
            Some(SegmentKind::Sequence | SegmentKind::Set) => {}
        }
        if numbers.as_chunks::<WIDTH>().0.contains(&[0; WIDTH]) {
            return Err(Cause::AsZero);
        }
        value = rest;
    }
    Ok(confederation)
}

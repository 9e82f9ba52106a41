//! The one table of attributes.

use std::fmt;

use super::{Cause, Fault, Origin, code, flag};
use crate::bgp::as_path::SegmentKind;
use crate::bgp::wire::{take, u8};

/// What we know of an attribute.
#[derive(Clone, Copy)]
pub(super) struct Definition {
    code: u8,
    name: &'static str,
    /// What the Optional and Transitive bits must be.
    pub(super) flags: u8,
    /// How the value is checked.
    pub(super) form: Form,
    /// What becomes of the UPDATE if the value is wrong.
    verdict: fn(Cause) -> Fault,
}

/// What a value must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Origin,
    AsPath,
    NextHop,
    /// So many octets.
    Exactly(u8),
    /// One or more entries of so many octets.
    Some(u8),
    /// An attribute of internal sessions. All ours are external.
    Internal,
    Aggregator,
    MpReach,
    MpUnreach,
    As4Path,
    As4Aggregator,
}

const WELL_KNOWN: u8 = flag::TRANSITIVE;
const NON_TRANSITIVE: u8 = flag::OPTIONAL;
const TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;

#[rustfmt::skip]
const TABLE: [Definition; 18] = [
    row(code::ORIGIN,                    "ORIGIN",                    WELL_KNOWN,     Form::Origin,        Fault::Withdraw),
    row(code::AS_PATH,                   "AS_PATH",                   WELL_KNOWN,     Form::AsPath,        Fault::Withdraw),
    row(code::NEXT_HOP,                  "NEXT_HOP",                  WELL_KNOWN,     Form::NextHop,       Fault::Withdraw),
    row(code::MED,                       "MULTI_EXIT_DISC",           NON_TRANSITIVE, Form::Exactly(4),    Fault::Withdraw),
    row(code::LOCAL_PREF,                "LOCAL_PREF",                WELL_KNOWN,     Form::Internal,      Fault::Discard),
    row(code::ATOMIC_AGGREGATE,          "ATOMIC_AGGREGATE",          WELL_KNOWN,     Form::Exactly(0),    Fault::Discard),
    row(code::AGGREGATOR,                "AGGREGATOR",                TRANSITIVE,     Form::Aggregator,    Fault::Discard),
    row(code::COMMUNITIES,               "COMMUNITIES",               TRANSITIVE,     Form::Some(4),       Fault::Withdraw),
    row(code::ORIGINATOR_ID,             "ORIGINATOR_ID",             NON_TRANSITIVE, Form::Internal,      Fault::Discard),
    row(code::CLUSTER_LIST,              "CLUSTER_LIST",              NON_TRANSITIVE, Form::Internal,      Fault::Discard),
    row(code::MP_REACH,                  "MP_REACH_NLRI",             NON_TRANSITIVE, Form::MpReach,       Fault::Reset),
    row(code::MP_UNREACH,                "MP_UNREACH_NLRI",           NON_TRANSITIVE, Form::MpUnreach,     Fault::Reset),
    row(code::EXTENDED_COMMUNITIES,      "EXTENDED_COMMUNITIES",      TRANSITIVE,     Form::Some(8),       Fault::Withdraw),
    row(code::AS4_PATH,                  "AS4_PATH",                  TRANSITIVE,     Form::As4Path,       Fault::Discard),
    row(code::AS4_AGGREGATOR,            "AS4_AGGREGATOR",            TRANSITIVE,     Form::As4Aggregator, Fault::Discard),
    row(code::IPV6_EXTENDED_COMMUNITIES, "IPV6_EXTENDED_COMMUNITIES", TRANSITIVE,     Form::Some(20),      Fault::Withdraw),
    row(code::LARGE_COMMUNITIES,         "LARGE_COMMUNITIES",         TRANSITIVE,     Form::Some(12),      Fault::Withdraw),
    row(code::ONLY_TO_CUSTOMER,          "ONLY_TO_CUSTOMER",          TRANSITIVE,     Form::Exactly(4),    Fault::Withdraw),
];

const fn row(code: u8, name: &'static str, flags: u8, form: Form, verdict: fn(Cause) -> Fault) -> Definition {
    Definition { code, name, flags, form, verdict }
}

impl Definition {
    /// The row of this code.
    #[inline]
    pub(super) fn of(code: u8) -> Option<&'static Self> {
        BY_CODE.get(usize::from(code))?.as_ref()
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

/// The rows of [`TABLE`] by their codes.
static BY_CODE: [Option<Definition>; 256] = {
    let mut definitions = [None; 256];
    let mut left: &[Definition] = &TABLE;
    while let [first, rest @ ..] = left {
        let (_, from) = definitions.split_at_mut(first.code as usize);
        if let [place, ..] = from {
            *place = Some(*first);
        }
        left = rest;
    }
    definitions
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

/// ORIGIN (RFC 7606, 7.1).
#[inline]
pub(super) fn origin(value: &[u8]) -> Result<(), Cause> {
    match value {
        [code] if Origin::from_code(*code).is_some() => Ok(()),
        [_] => Err(Cause::Value),
        _ => Err(Cause::Length),
    }
}

/// AS_PATH (RFC 7606, 7.2). Segments of a confederation are not for us (RFC 5065, 5).
#[inline]
pub(super) fn as_path(value: &[u8], four_octet_as: bool) -> Result<(), Cause> {
    let confederation = if four_octet_as { segments::<4>(value) } else { segments::<2>(value) }?;
    if confederation { Err(Cause::Confederation) } else { Ok(()) }
}

/// Everything else that is right or wrong by itself (RFC 7606, 7).
#[inline(never)]
pub(super) fn other(form: Form, value: &[u8], four_octet_as: bool) -> Result<(), Cause> {
    let right = match form {
        Form::Exactly(length) => value.len() == usize::from(length),
        Form::Some(size) => !value.is_empty() && value.len().is_multiple_of(usize::from(size)),
        Form::Aggregator => return aggregator(value, four_octet_as),
        Form::As4Aggregator if four_octet_as => return Err(Cause::OldSpeaker),
        Form::As4Aggregator => return aggregator(value, true),
        _ => return Err(Cause::Internal),
    };
    if right { Ok(()) } else { Err(Cause::Length) }
}

fn aggregator(value: &[u8], four_octet_as: bool) -> Result<(), Cause> {
    match (value, four_octet_as) {
        ([0, 0, 0, 0, _, _, _, _], true) | ([0, 0, _, _, _, _], false) => Err(Cause::AsZero),
        ([_, _, _, _, _, _, _, _], true) | ([_, _, _, _, _, _], false) => Ok(()),
        _ => Err(Cause::Length),
    }
}

/// AS4_PATH (RFC 6793, 6): whether there is a segment of a confederation, which the merge drops.
pub(super) fn as4_path(value: &[u8], four_octet_as: bool) -> Result<bool, Cause> {
    if four_octet_as { Err(Cause::OldSpeaker) } else { segments::<4>(value) }
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
        if count == 0 || SegmentKind::from_code(kind).is_none() {
            return Err(Cause::Segments);
        }
        confederation |= kind >= SegmentKind::ConfedSequence.code();
        if numbers.as_chunks::<WIDTH>().0.contains(&[0; WIDTH]) {
            return Err(Cause::AsZero);
        }
        value = rest;
    }
    Ok(confederation)
}

//! The attributes of one UPDATE: a short loop for those that are as usual, and a pass with all checks for the rest.

use std::net::Ipv6Addr;

use super::canonical::is_canonical;
use super::set::{Attribute, attribute};
use super::table::{Definition, Form, as_path, origin, other};
use super::trouble::Trouble;
use super::{Cause, Fault, Faults, code, flag};
use crate::bgp::update::Announced;
use crate::bgp::wire::{Parsed, counted_by_u8, u8, u16};
use crate::bgp::{Family, Negotiated, Nlri};

/// What was found in the attributes of an UPDATE. What only one with errors needs is elsewhere.
#[derive(Clone, Debug)]
pub(in crate::bgp) struct Section<'a> {
    pub(super) octets: &'a [u8],
    pub(in crate::bgp) reach: Option<Announced<'a>>,
    pub(in crate::bgp) unreach: Option<Nlri<'a>>,
    pub(super) encoding: Encoding,
    trouble: Trouble,
}

/// What stands between the octets and the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Encoding {
    /// Nothing.
    Canonical,
    /// The attributes with prefixes, which are no part of it.
    Prefixes,
    /// Order, lengths, or attributes that do not belong there.
    Other,
    /// Those, and AS numbers of two octets.
    TwoOctetAs,
}

/// What the pass over the attributes remembers on its way.
struct Pass<'a> {
    /// Types of the table that occurred, all of them below 64.
    seen: u64,
    /// The type before, prefixes aside; below all of them at first, for there is a type 0.
    last: i16,
    /// In order so far, prefixes aside, and nothing is to be left out.
    canonical: bool,
    reach: Option<Announced<'a>>,
    unreach: Option<Nlri<'a>>,
}

impl<'a> Pass<'a> {
    const fn new() -> Self {
        Self { seen: 0, last: -1, canonical: true, reach: None, unreach: None }
    }

    /// Takes in one attribute; an error leaves the prefixes of the UPDATE unknown.
    fn take(
        &mut self,
        attribute: &Attribute<'a>,
        plain: bool,
        unknown: &mut Codes,
        trouble: &mut Trouble,
        negotiated: &Negotiated,
    ) -> Result<(), Cause> {
        let Attribute { flags, code, value } = *attribute;
        let Some(definition) = Definition::of(code) else {
            self.keep(attribute);
            self.canonical &= trouble.unknown(flags, code, unknown);
            return Ok(());
        };
        if self.has(code) {
            return trouble.duplicate(code);
        }
        self.seen |= bit(code);
        if !definition.suits(flags) {
            trouble.fault(code, definition.wrong_flags())?;
            if !carries_prefixes(code) {
                return Ok(());
            }
        }
        let checked = match definition.form {
            Form::MpReach => mp_reach(value, negotiated, trouble).map(|reach| self.reach = reach),
            Form::MpUnreach => mp_unreach(value, negotiated).map(|unreach| self.unreach = unreach),
            form => {
                self.keep(attribute);
                match form {
                    Form::Origin => origin(value),
                    Form::AsPath => as_path(value, negotiated.four_octet_as),
                    Form::NextHop => next_hop(value, plain, trouble),
                    Form::As4Path => trouble.as4_path(value, negotiated),
                    form => other(form, value, negotiated.four_octet_as),
                }
            }
        };
        match checked {
            Ok(()) => Ok(()),
            Err(cause) => trouble.fault(code, definition.wrong(cause)),
        }
    }

    /// Notes down an attribute that belongs into the canonical form.
    fn keep(&mut self, attribute: &Attribute<'_>) {
        let code = i16::from(attribute.code);
        self.canonical &= code > self.last && is_canonical(attribute);
        self.last = code;
    }

    const fn has(&self, code: u8) -> bool {
        self.seen & bit(code) != 0
    }

    /// Whether nothing mandatory is missing (RFC 7606, 3.d).
    fn is_complete(&self, plain: bool) -> bool {
        let origin_and_path = bit(code::ORIGIN) | bit(code::AS_PATH);
        let mandatory = if plain {
            origin_and_path | bit(code::NEXT_HOP)
        } else if self.reach.is_some_and(|reach| !reach.nlri.is_empty()) {
            origin_and_path
        } else {
            0
        };
        self.seen & mandatory == mandatory
    }

    const fn encoding(&self, good: bool, negotiated: &Negotiated) -> Encoding {
        let prefixes = self.seen & (bit(code::MP_REACH) | bit(code::MP_UNREACH)) != 0;
        match (negotiated.four_octet_as, self.canonical && good, prefixes) {
            (true, true, false) => Encoding::Canonical,
            (true, true, true) => Encoding::Prefixes,
            (true, false, _) => Encoding::Other,
            (false, _, _) => Encoding::TwoOctetAs,
        }
    }
}

/// What prefixes outside of the attributes need (RFC 7606, 3.d).
const MANDATORY: u64 = bit(code::ORIGIN) | bit(code::AS_PATH) | bit(code::NEXT_HOP);

const fn bit(code: u8) -> u64 {
    1 << (code & 63)
}

/// An attribute that leaves the prefixes of the UPDATE unknown.
#[derive(Debug)]
pub(in crate::bgp) struct Unreadable<'a> {
    pub(in crate::bgp) attribute: u8,
    pub(in crate::bgp) cause: Cause,
    /// The attribute, as far as it is there.
    pub(in crate::bgp) octets: &'a [u8],
}

impl<'a> Section<'a> {
    /// The attributes, if there is nothing to be said of them but that they are there: each is right, known,
    /// in its place, short and in canonical form, none carries prefixes, and none is missing. Those of nearly
    /// all UPDATEs are so. `plain`: there are prefixes outside of the attributes.
    #[inline]
    pub(in crate::bgp) fn usual(octets: &'a [u8], plain: bool, negotiated: &Negotiated) -> Option<Self> {
        let four_octet_as = negotiated.four_octet_as;
        let encoding = if four_octet_as { Encoding::Canonical } else { Encoding::TwoOctetAs };
        are_usual(octets, plain, four_octet_as).then(|| Self {
            octets,
            reach: None,
            unreach: None,
            encoding,
            trouble: Trouble::default(),
        })
    }

    /// Checks any attributes (RFC 7606, 3 to 7).
    pub(in crate::bgp) fn read(
        octets: &'a [u8],
        plain: bool,
        negotiated: &Negotiated,
    ) -> Result<Self, Unreadable<'a>> {
        let mut pass = Pass::new();
        let (mut unknown, mut trouble) = (Codes::default(), Trouble::default());
        let mut rest = octets;
        while let Ok((after, attribute)) = attribute(rest) {
            if let Err(cause) = pass.take(&attribute, plain, &mut unknown, &mut trouble, negotiated) {
                let octets = before(rest, after);
                return Err(Unreadable { attribute: attribute.code, cause, octets });
            }
            rest = after;
        }
        let octets = if rest.is_empty() { octets } else { trouble.overrun(octets, rest)? };
        let encoding = pass.encoding(trouble.is_none(), negotiated);
        if !trouble.is_none() || !pass.is_complete(plain) {
            let seen = unknown.with(pass.seen);
            trouble.judge(octets, &seen, plain, pass.reach.map(|reach| !reach.nlri.is_empty()))?;
        }
        Ok(Self { octets, reach: pass.reach, unreach: pass.unreach, encoding, trouble })
    }

    /// Whether an error makes a withdrawal of what was to be announced (RFC 7606, 2).
    #[inline]
    pub(in crate::bgp) fn is_withdrawal(&self) -> bool {
        !self.trouble.is_none() && self.faults().withdraw()
    }

    /// What is wrong.
    pub(in crate::bgp) fn faults(&self) -> &Faults {
        self.trouble.faults()
    }

    /// Whether the first attribute with this code was dropped.
    pub(super) fn dropped(&self, code: u8) -> bool {
        self.trouble.dropped(code)
    }

    /// Whether there are no attributes.
    #[inline]
    pub(in crate::bgp) const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The family whose End-of-RIB this is, if there is nothing else (RFC 4724, 2).
    pub(in crate::bgp) fn end_of_rib(&self) -> Option<Family> {
        let nlri = self.unreach.filter(Nlri::is_empty)?;
        let (rest, _) = attribute(self.octets).ok()?;
        (rest.is_empty() && self.trouble.is_none()).then(|| nlri.family())
    }
}

#[inline]
fn are_usual(octets: &[u8], plain: bool, four_octet_as: bool) -> bool {
    let (mut rest, mut last, mut seen) = (octets, 0, 0_u64);
    while let Ok((after, attribute)) = attribute(rest) {
        let Attribute { flags, code, value } = attribute;
        let Some(definition) = Definition::of(code) else { return false };
        // In its place, and with no flag that says that it is long.
        if code <= last || flags & !flag::PARTIAL != definition.flags {
            return false;
        }
        // The three that every announcement has, in their order, then the rest: branches that can be foretold.
        let right = if definition.form == Form::Origin {
            origin(value).is_ok()
        } else if definition.form == Form::AsPath {
            as_path(value, four_octet_as).is_ok()
        } else if definition.form == Form::NextHop {
            value.as_array().is_some_and(|address| !is_martian_v4(*address))
        } else {
            other(definition.form, value, four_octet_as).is_ok()
        };
        if !right {
            return false;
        }
        seen |= bit(code);
        (rest, last) = (after, code);
    }
    rest.is_empty() && (!plain || seen & MANDATORY == MANDATORY)
}

/// MP_REACH_NLRI (RFC 4760, 3; RFC 2545, 3; RFC 7606, 5.3 and 7.11).
fn mp_reach<'a>(
    value: &'a [u8],
    negotiated: &Negotiated,
    trouble: &mut Trouble,
) -> Result<Option<Announced<'a>>, Cause> {
    let (rest, family) = mp_family(value, negotiated).map_err(|_| Cause::Length)?;
    // What another family's octets mean is not known (RFC 4760, 7).
    let Some(family) = family else { return Ok(None) };
    let (rest, next_hop) = counted_by_u8(rest).map_err(|_| Cause::Length)?;
    let (rest, _reserved) = u8(rest).map_err(|_| Cause::Length)?;
    let next_hop = mp_next_hop(family, next_hop, negotiated).ok_or(Cause::NextHopLength)?;
    let nlri = nlri(family, rest, negotiated)?;
    if !nlri.is_empty() && is_martian(next_hop) {
        trouble.report(code::MP_REACH, Fault::Withdraw(Cause::Martian));
    }
    Ok(Some(Announced { nlri, next_hop: Some(next_hop) }))
}

/// MP_UNREACH_NLRI (RFC 4760, 4; RFC 7606, 5.3 and 7.12).
fn mp_unreach<'a>(value: &'a [u8], negotiated: &Negotiated) -> Result<Option<Nlri<'a>>, Cause> {
    let (rest, family) = mp_family(value, negotiated).map_err(|_| Cause::Length)?;
    family.map(|family| nlri(family, rest, negotiated)).transpose()
}

fn nlri<'a>(family: Family, octets: &'a [u8], negotiated: &Negotiated) -> Result<Nlri<'a>, Cause> {
    Nlri::parse(family, negotiated.add_path.contains(family), octets).ok_or(Cause::Prefix)
}

/// NEXT_HOP (RFC 4271, 6.3). It is of no use without prefixes that are reached by it.
fn next_hop(value: &[u8], plain: bool, trouble: &mut Trouble) -> Result<(), Cause> {
    let address = value.as_array().ok_or(Cause::Length)?;
    if plain && is_martian_v4(*address) {
        trouble.report(code::NEXT_HOP, Fault::Withdraw(Cause::Martian));
    }
    Ok(())
}

/// Attributes without which it is not known what the UPDATE is about.
pub(super) const fn carries_prefixes(code: u8) -> bool {
    matches!(code, code::MP_REACH | code::MP_UNREACH)
}

/// The family, if it was negotiated; whatever was not is ignored (RFC 4760, 7; RFC 7606, 5.4).
#[inline]
fn mp_family<'a>(value: &'a [u8], negotiated: &Negotiated) -> Parsed<'a, Option<Family>> {
    let (rest, afi) = u16(value)?;
    let (rest, safi) = u8(rest)?;
    Ok((rest, Family::from_wire(afi, safi).filter(|family| negotiated.families.contains(*family))))
}

/// The global address of a next hop; a link-local one only where there is no other.
#[inline]
fn mp_next_hop<'a>(family: Family, octets: &'a [u8], negotiated: &Negotiated) -> Option<&'a [u8]> {
    let wide = family == Family::Ipv6 || negotiated.extended_next_hop;
    match octets.len() {
        4 if family == Family::Ipv4 => Some(octets),
        16 if wide => Some(octets),
        32 if wide => {
            let (global, link_local) = octets.split_at_checked(16)?;
            Some(if global == [0; 16] { link_local } else { global })
        }
        _ => None,
    }
}

/// Addresses that no router has (RFC 4271, 6.3).
fn is_martian(next_hop: &[u8]) -> bool {
    if let Some(octets) = next_hop.as_array::<4>() {
        return is_martian_v4(*octets);
    }
    next_hop.as_array::<16>().is_none_or(|octets| {
        let address = Ipv6Addr::from(*octets);
        address.is_unspecified() || address.is_loopback() || address.is_multicast()
    })
}

/// 127/8 is for policy to judge: two ends in there may use their own addresses.
const fn is_martian_v4(octets: [u8; 4]) -> bool {
    matches!(octets, [0, 0, 0, 0] | [224..=255, ..])
}

/// The octets of the first attribute in `section` that has this code.
pub(super) fn find(section: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = section;
    while let Ok((after, found)) = attribute(rest) {
        if found.code == code {
            return Some(before(rest, after));
        }
        rest = after;
    }
    None
}

/// What of `octets` stands before `rest`, which ends it.
#[cold]
pub(super) fn before<'a>(octets: &'a [u8], rest: &[u8]) -> &'a [u8] {
    octets.get(..octets.len().saturating_sub(rest.len())).unwrap_or_default()
}

/// A set of attribute types.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Codes([u64; 4]);

impl Codes {
    /// Adds `code`; whether it was not there before.
    #[inline]
    pub(super) fn insert(&mut self, code: u8) -> bool {
        let bit = 1 << (code & 63);
        let Some(word) = self.0.get_mut(usize::from(code >> 6)) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Those, and the ones below 64 that have a bit in `low`.
    fn with(&self, low: u64) -> Self {
        let Self([first, rest @ ..]) = *self;
        let [second, third, fourth] = rest;
        Self([first | low, second, third, fourth])
    }

    #[inline]
    pub(super) fn contains(&self, code: u8) -> bool {
        self.0.get(usize::from(code >> 6)).is_some_and(|word| word & (1 << (code & 63)) != 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u8> {
        let words = self.0.into_iter().zip([0u8, 64, 128, 192]);
        words.flat_map(|(mut word, base)| {
            std::iter::from_fn(move || {
                let bit = u8::try_from(word.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                word &= !(1 << bit);
                base.checked_add(bit)
            })
        })
    }
}

//! The attributes of one UPDATE: checked in one pass.

use std::net::Ipv6Addr;

use super::canonical::is_canonical;
use super::set::Attribute;
use super::table::Definition;
use super::{Cause, Fault, Faults, code, flag};
use crate::bgp::wire::{Parsed, counted_by_u8, counted_by_u16, u8, u16};
use crate::bgp::{Family, Negotiated, Nlri};

/// What one pass over the attributes of an UPDATE found. It is moved about: made of whole words, and what
/// only an UPDATE with errors needs is elsewhere.
#[derive(Clone, Debug)]
pub(in crate::bgp) struct Section<'a> {
    pub(super) octets: &'a [u8],
    pub(in crate::bgp) reach: Option<Reach<'a>>,
    pub(in crate::bgp) unreach: Option<Nlri<'a>>,
    pub(super) encoding: Encoding,
    trouble: Option<Box<Trouble>>,
}

/// What stands between the octets and the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Encoding {
    /// Nothing.
    Canonical,
    /// Order, lengths, or attributes that do not belong there.
    Other,
    /// Those, and AS numbers of two octets.
    TwoOctetAs,
}

/// What the pass over the attributes remembers on its way.
pub(super) struct Pass<'s, 'a> {
    section: &'s mut Section<'a>,
    pub(super) negotiated: &'s Negotiated,
    /// Types that occurred.
    seen: Codes,
    canonical: bool,
    pub(super) next_hop: Option<[u8; 4]>,
}

/// What is wrong with attributes.
#[derive(Clone, Debug, Default)]
struct Trouble {
    faults: Faults,
    /// Types of which the first occurrence does not belong into the canonical form.
    dropped: Codes,
}

/// MP_REACH_NLRI of a negotiated family (RFC 4760, 3).
#[derive(Clone, Copy, Debug)]
pub(in crate::bgp) struct Reach<'a> {
    /// Four or sixteen octets.
    pub(in crate::bgp) next_hop: &'a [u8],
    pub(in crate::bgp) nlri: Nlri<'a>,
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
    #[inline]
    pub(in crate::bgp) const fn new(octets: &'a [u8]) -> Self {
        Self { octets, reach: None, unreach: None, encoding: Encoding::Canonical, trouble: None }
    }

    /// Checks every attribute (RFC 7606, 3 to 7). `plain`: there are prefixes outside of the attributes.
    #[inline]
    pub(in crate::bgp) fn check(
        &mut self,
        plain: bool,
        negotiated: &Negotiated,
    ) -> Result<(), Unreadable<'a>> {
        let mut rest = self.octets;
        let mut previous = 0;
        let seen = Codes::default();
        let mut pass = Pass { section: self, negotiated, seen, canonical: true, next_hop: None };
        while let Ok((after, attribute)) = attribute(rest) {
            pass.canonical &= attribute.code > previous && is_canonical(&attribute);
            previous = attribute.code;
            if let Err(cause) = pass.take(&attribute) {
                let octets = before(rest, after);
                return Err(Unreadable { attribute: attribute.code, cause, octets });
            }
            rest = after;
        }
        if !rest.is_empty() {
            pass.overrun(rest)?;
        }
        pass.finish(plain)
    }

    #[cold]
    fn report(&mut self, code: u8, fault: Fault) {
        self.trouble.get_or_insert_default().faults.report(code, fault);
    }

    /// Whether an error makes a withdrawal of what was to be announced (RFC 7606, 2).
    #[inline]
    pub(in crate::bgp) fn is_withdrawal(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.faults.withdraw())
    }

    /// RFC 7606, 5.2: whatever an UPDATE without a prefix to announce was about may have got lost with a bad
    /// attribute, unless it is one that only withdraws.
    #[cold]
    fn may_have_lost_prefixes(&self, seen: &Codes) -> bool {
        let announces = match self.reach {
            Some(reach) => !reach.nlri.is_empty(),
            // Those of a family that was not negotiated.
            None => seen.contains(code::MP_REACH),
        };
        let overran = self.faults().iter().any(|reported| reported.fault.cause() == Cause::Overrun);
        let only_withdraws = seen.iter().all(|code| code == code::MP_UNREACH) && !overran;
        !announces && !only_withdraws
    }

    /// What is wrong.
    pub(in crate::bgp) fn faults(&self) -> &Faults {
        self.trouble.as_ref().map_or(&Faults::NONE, |trouble| &trouble.faults)
    }

    /// Whether the first attribute with this code was dropped.
    pub(super) fn dropped(&self, code: u8) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.dropped.contains(code))
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

impl<'a> Pass<'_, 'a> {
    /// Takes in one attribute; an error leaves the prefixes of the UPDATE unknown.
    #[inline]
    fn take(&mut self, attribute: &Attribute<'a>) -> Result<(), Cause> {
        let Attribute { flags, code, value } = *attribute;
        if !self.seen.insert(code) {
            return self.duplicate(code);
        }
        let Some(definition) = Definition::of(code) else {
            self.unknown(flags, code);
            return Ok(());
        };
        if !definition.suits(flags) {
            self.fault(code, definition.wrong_flags())?;
            if !carries_prefixes(code) {
                return Ok(());
            }
        }
        match (definition.decode)(self, value) {
            Ok(()) => Ok(()),
            Err(cause) => self.fault(code, definition.wrong(cause)),
        }
    }

    #[cold]
    fn fault(&mut self, code: u8, fault: Fault) -> Result<(), Cause> {
        if let Fault::Reset(cause) = fault {
            return Err(cause);
        }
        self.canonical = false;
        let trouble = self.section.trouble.get_or_insert_default();
        trouble.dropped.insert(code);
        trouble.faults.report(code, fault);
        Ok(())
    }

    /// Something was wrong with an attribute that is used all the same.
    #[cold]
    pub(super) fn report(&mut self, code: u8, fault: Fault) {
        self.section.report(code, fault);
    }

    /// The first stays, except where it carries prefixes (RFC 7606, 3.g).
    #[cold]
    fn duplicate(&mut self, code: u8) -> Result<(), Cause> {
        if carries_prefixes(code) {
            return Err(Cause::Duplicate);
        }
        self.canonical = false;
        self.section.report(code, Fault::Discard(Cause::Duplicate));
        Ok(())
    }

    /// Kept if it is meant to travel, passed over in silence if not (RFC 4271, 5 and 9).
    #[cold]
    fn unknown(&mut self, flags: u8, code: u8) {
        self.canonical &= flags & flag::TRANSITIVE != 0;
        if flags & flag::OPTIONAL == 0 {
            self.section.report(code, Fault::Withdraw(Cause::Unrecognized));
        }
    }

    /// RFC 7606, 4: the prefixes outside of the attributes are still known, those inside are not.
    #[cold]
    fn overrun(&mut self, rest: &'a [u8]) -> Result<(), Unreadable<'a>> {
        let code = rest.get(1).copied().unwrap_or_default();
        if carries_prefixes(code) {
            return Err(Unreadable { attribute: code, cause: Cause::Overrun, octets: rest });
        }
        let octets = self.section.octets;
        self.section.octets = octets.get(..octets.len().saturating_sub(rest.len())).unwrap_or_default();
        self.canonical = false;
        self.section.report(code, Fault::Withdraw(Cause::Overrun));
        Ok(())
    }

    /// MP_REACH_NLRI (RFC 4760, 3; RFC 2545, 3; RFC 7606, 5.3 and 7.11).
    pub(super) fn mp_reach(&mut self, value: &'a [u8]) -> Result<(), Cause> {
        self.canonical = false;
        let (rest, family) = mp_family(value, self.negotiated).map_err(|_| Cause::Length)?;
        // What another family's octets mean is not known (RFC 4760, 7).
        let Some(family) = family else { return Ok(()) };
        let (rest, next_hop) = counted_by_u8(rest).map_err(|_| Cause::Length)?;
        let (rest, _reserved) = u8(rest).map_err(|_| Cause::Length)?;
        let next_hop = mp_next_hop(family, next_hop, self.negotiated).ok_or(Cause::NextHopLength)?;
        let nlri = self.nlri(family, rest)?;
        self.section.reach = Some(Reach { next_hop, nlri });
        Ok(())
    }

    /// MP_UNREACH_NLRI (RFC 4760, 4; RFC 7606, 5.3 and 7.12).
    pub(super) fn mp_unreach(&mut self, value: &'a [u8]) -> Result<(), Cause> {
        self.canonical = false;
        let (rest, family) = mp_family(value, self.negotiated).map_err(|_| Cause::Length)?;
        let Some(family) = family else { return Ok(()) };
        self.section.unreach = Some(self.nlri(family, rest)?);
        Ok(())
    }

    fn nlri(&self, family: Family, octets: &'a [u8]) -> Result<Nlri<'a>, Cause> {
        Nlri::parse(family, self.negotiated.add_path.contains(family), octets).ok_or(Cause::Prefix)
    }

    /// What can only be judged once all is read.
    #[inline]
    fn finish(self, plain: bool) -> Result<(), Unreadable<'a>> {
        let Pass { section, negotiated, seen, canonical, next_hop } = self;
        section.encoding = match (negotiated.four_octet_as, canonical) {
            (true, true) => Encoding::Canonical,
            (true, false) => Encoding::Other,
            (false, _) => Encoding::TwoOctetAs,
        };
        let reach = section.reach.as_ref().filter(|reach| !reach.nlri.is_empty());
        let martian = reach.is_some_and(|reach| is_martian(reach.next_hop));
        // What is missing after an overrun may well have been there.
        if (plain || reach.is_some()) && !section.is_withdrawal() {
            for code in [code::ORIGIN, code::AS_PATH, code::NEXT_HOP] {
                if !seen.contains(code) && (plain || code != code::NEXT_HOP) {
                    section.report(code, Fault::Withdraw(Cause::Missing));
                }
            }
        }
        if martian {
            section.report(code::MP_REACH, Fault::Withdraw(Cause::Martian));
        }
        if plain && next_hop.is_some_and(is_martian_v4) {
            section.report(code::NEXT_HOP, Fault::Withdraw(Cause::Martian));
        }
        if section.is_withdrawal() && !plain && section.may_have_lost_prefixes(&seen) {
            return Err(nothing_to_withdraw(section));
        }
        Ok(())
    }
}

#[cold]
fn nothing_to_withdraw<'a>(section: &Section<'a>) -> Unreadable<'a> {
    let first = section.faults().first_withdraw();
    let (attribute, cause) =
        first.map_or((0, Cause::Overrun), |reported| (reported.attribute, reported.fault.cause()));
    Unreadable { attribute, cause, octets: find(section.octets, attribute).unwrap_or_default() }
}

/// One attribute, flags as received.
#[inline]
fn attribute(input: &[u8]) -> Parsed<'_, Attribute<'_>> {
    let (rest, flags) = u8(input)?;
    let (rest, code) = u8(rest)?;
    let (rest, value) =
        if flags & flag::EXTENDED == 0 { counted_by_u8(rest)? } else { counted_by_u16(rest)? };
    Ok((rest, Attribute { flags, code, value }))
}

/// Attributes without which it is not known what the UPDATE is about.
const fn carries_prefixes(code: u8) -> bool {
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
fn find(section: &[u8], code: u8) -> Option<&[u8]> {
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
fn before<'a>(octets: &'a [u8], rest: &[u8]) -> &'a [u8] {
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

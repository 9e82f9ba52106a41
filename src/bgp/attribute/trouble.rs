//! What a pass over attributes found wrong. Good UPDATEs have none of it: one word that is empty.

use super::section::{Codes, Unreadable, before, carries_prefixes, find};
use super::table::as4_path;
use super::{Cause, Fault, Faults, code, flag};
use crate::bgp::Negotiated;

/// What is wrong with attributes, if anything is.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Option<Box<Found>>);

#[derive(Clone, Debug, Default)]
struct Found {
    faults: Faults,
    /// Types of which the first occurrence does not belong into the canonical form.
    dropped: Codes,
}

impl Trouble {
    /// Whether there is none.
    #[inline]
    pub(super) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn faults(&self) -> &Faults {
        self.0.as_ref().map_or(&Faults::NONE, |found| &found.faults)
    }

    /// Whether the first attribute with this code was dropped.
    pub(super) fn dropped(&self, code: u8) -> bool {
        self.0.as_ref().is_some_and(|found| found.dropped.contains(code))
    }

    /// Something is wrong with an attribute that is used all the same, or was not there.
    #[cold]
    pub(super) fn report(&mut self, code: u8, fault: Fault) {
        self.0.get_or_insert_default().faults.report(code, fault);
    }

    /// An attribute is wrong; an error leaves the prefixes of the UPDATE unknown.
    #[cold]
    pub(super) fn fault(&mut self, code: u8, fault: Fault) -> Result<(), Cause> {
        if let Fault::Reset(cause) = fault {
            return Err(cause);
        }
        let found = self.0.get_or_insert_default();
        found.dropped.insert(code);
        found.faults.report(code, fault);
        Ok(())
    }

    /// The first stays, except where it carries prefixes (RFC 7606, 3.g).
    #[cold]
    pub(super) fn duplicate(&mut self, code: u8) -> Result<(), Cause> {
        if carries_prefixes(code) {
            return Err(Cause::Duplicate);
        }
        self.report(code, Fault::Discard(Cause::Duplicate));
        Ok(())
    }

    /// Whether an attribute that is not in the table is kept: if it is meant to travel, and the first of its
    /// type; if not, it is passed over in silence (RFC 4271, 5 and 9).
    #[cold]
    pub(super) fn unknown(&mut self, flags: u8, code: u8, seen: &mut Codes) -> bool {
        if !seen.insert(code) {
            self.report(code, Fault::Discard(Cause::Duplicate));
        } else if flags & flag::OPTIONAL == 0 {
            self.report(code, Fault::Withdraw(Cause::Unrecognized));
        }
        flags & flag::TRANSITIVE != 0
    }

    /// Confederation segments alone are dropped from AS4_PATH (RFC 6793, 6), which is the merge's part.
    #[cold]
    pub(super) fn as4_path(&mut self, value: &[u8], negotiated: &Negotiated) -> Result<(), Cause> {
        if as4_path(value, negotiated.four_octet_as)? {
            self.report(code::AS4_PATH, Fault::Discard(Cause::Confederation));
        }
        Ok(())
    }

    /// The attributes in `octets` before `rest`, which is none. The prefixes outside of them are still known,
    /// those inside are not (RFC 7606, 4).
    #[cold]
    pub(super) fn overrun<'a>(
        &mut self,
        octets: &'a [u8],
        rest: &'a [u8],
    ) -> Result<&'a [u8], Unreadable<'a>> {
        let code = rest.get(1).copied().unwrap_or_default();
        if carries_prefixes(code) {
            return Err(Unreadable { attribute: code, cause: Cause::Overrun, octets: rest });
        }
        self.report(code, Fault::Withdraw(Cause::Overrun));
        Ok(before(octets, rest))
    }

    /// Judges what can only be judged once all attributes in `octets` are read, if there is anything wrong.
    ///
    /// `plain`: there are prefixes outside of the attributes. `reach`: whether there is a prefix in
    /// MP_REACH_NLRI, if that is there, of a negotiated family.
    #[cold]
    pub(super) fn judge<'a>(
        &mut self,
        octets: &'a [u8],
        seen: &Codes,
        plain: bool,
        reach: Option<bool>,
    ) -> Result<(), Unreadable<'a>> {
        // What is missing after an overrun may well have been there. A next hop that is of no use leaves no
        // doubt about the rest.
        let doubtful = |fault: Fault| matches!(fault, Fault::Withdraw(cause) if cause != Cause::Martian);
        let doubt = self.faults().iter().any(|reported| doubtful(reported.fault));
        if (plain || reach == Some(true)) && !doubt {
            for code in [code::ORIGIN, code::AS_PATH, code::NEXT_HOP] {
                if !seen.contains(code) && (plain || code != code::NEXT_HOP) {
                    self.report(code, Fault::Withdraw(Cause::Missing));
                }
            }
        }
        // Prefixes of a family that was not negotiated are announced too.
        let announces = plain || reach.unwrap_or(seen.contains(code::MP_REACH));
        if self.faults().withdraw() && !announces && !self.only_withdraws(seen) {
            return Err(self.nothing_to_withdraw(octets));
        }
        Ok(())
    }

    /// RFC 7606, 5.2: whatever an UPDATE without a prefix to announce was about may have got lost with a bad
    /// attribute, unless it is one that only withdraws.
    fn only_withdraws(&self, seen: &Codes) -> bool {
        let overran = self.faults().iter().any(|reported| reported.fault.cause() == Cause::Overrun);
        seen.iter().all(|code| code == code::MP_UNREACH) && !overran
    }

    fn nothing_to_withdraw<'a>(&self, octets: &'a [u8]) -> Unreadable<'a> {
        let first = self.faults().first_withdraw();
        let (attribute, cause) =
            first.map_or((0, Cause::Overrun), |reported| (reported.attribute, reported.fault.cause()));
        Unreadable { attribute, cause, octets: find(octets, attribute).unwrap_or_default() }
    }
}

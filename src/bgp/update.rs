//! UPDATE (RFC 4271, 4.3 and 6.3, as revised by RFC 7606).

use super::attribute::{Faults, Section, Set, Unreadable};
use super::nlri::bad_prefix;
use super::wire::counted_by_u16;
use super::{Error, Family, Negotiated, Nlri, Problem};

/// A validated UPDATE. What was wrong with it and could be lived with is in [`faults`](Self::faults).
#[derive(Clone, Debug)]
pub struct Update<'a> {
    /// None if IPv4 was not negotiated.
    withdrawn: Option<Nlri<'a>>,
    /// None if IPv4 was not negotiated, too.
    announced: Option<Announced<'a>>,
    section: Section<'a>,
}

/// Prefixes of an UPDATE that share attributes.
#[derive(Clone, Copy, Debug)]
pub struct Announced<'a> {
    /// The prefixes.
    pub nlri: Nlri<'a>,
    /// That of MP_REACH, if they are from there.
    pub(super) next_hop: Option<&'a [u8]>,
}

impl<'a> Update<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// Those after which it is not known which prefixes the UPDATE is about: the session ends.
    pub fn parse(body: &'a [u8], negotiated: &Negotiated) -> Result<Self, Error> {
        let Ok((rest, withdrawn)) = counted_by_u16(body) else {
            return Err(Error::new(Problem::WithdrawnLength));
        };
        let Ok((announced, attributes)) = counted_by_u16(rest) else {
            return Err(Error::new(Problem::AttributesLength).at(offset(body, rest)));
        };
        let add_path = negotiated.add_path.contains(Family::Ipv4);
        let nlri = |octets| match Nlri::parse(Family::Ipv4, add_path, octets) {
            Some(nlri) => Ok(nlri),
            None => Err(bad_nlri(body, octets, add_path)),
        };
        let (withdrawn, announced) = (nlri(withdrawn)?, nlri(announced)?);
        if negotiated.families.contains(Family::Ipv4)
            && let Some(section) = Section::usual(attributes, !announced.is_empty(), negotiated)
        {
            let announced = Announced { nlri: announced, next_hop: None };
            return Ok(Self { withdrawn: Some(withdrawn), announced: Some(announced), section });
        }
        Self::unusual(body, withdrawn, announced, attributes, negotiated)
    }

    /// One with prefixes among its attributes, with errors, or of a session without IPv4.
    #[inline(never)]
    fn unusual(
        body: &[u8],
        withdrawn: Nlri<'a>,
        announced: Nlri<'a>,
        attributes: &'a [u8],
        negotiated: &Negotiated,
    ) -> Result<Self, Error> {
        let section = match Section::read(attributes, !announced.is_empty(), negotiated) {
            Ok(section) => section,
            Err(unreadable) => return Err(reset(body, &unreadable)),
        };
        // Prefixes of a family that was not negotiated are ignored (RFC 4760, 7).
        let plain = negotiated.families.contains(Family::Ipv4);
        let announced = Announced { nlri: announced, next_hop: None };
        Ok(Self { withdrawn: plain.then_some(withdrawn), announced: plain.then_some(announced), section })
    }

    /// Prefixes that are reachable, none if an error withdraws them.
    #[inline]
    pub fn announced(&self) -> impl Iterator<Item = &Announced<'a>> {
        self.announcements(!self.section.is_withdrawal())
    }

    /// Prefixes that are not reachable any more, those of an UPDATE with errors among them.
    #[inline]
    pub fn withdrawn(&self) -> impl Iterator<Item = Nlri<'a>> + use<'_, 'a> {
        let explicit = self.withdrawn.iter().chain(&self.section.unreach).copied();
        let by_error = self.announcements(self.section.is_withdrawal()).map(|announced| announced.nlri);
        explicit.filter(|nlri| !nlri.is_empty()).chain(by_error)
    }

    /// What is announced, if it is asked for.
    #[inline]
    fn announcements(&self, all: bool) -> impl Iterator<Item = &Announced<'a>> {
        let announcements = self.announced.iter().chain(&self.section.reach);
        announcements.filter(move |announced| all && !announced.nlri.is_empty())
    }

    /// The attributes of `announced`, in canonical form: as they are where they have it already,
    /// rewritten to `scratch` where they do not.
    #[inline]
    pub fn attributes<'s>(&self, announced: &Announced<'_>, scratch: &'s mut Vec<u8>) -> Set<'s>
    where
        'a: 's,
    {
        match (announced.next_hop, self.section.canonical()) {
            (None, Some(octets)) => Set::from_canonical(octets),
            (next_hop, _) => {
                scratch.clear();
                self.section.write(next_hop, scratch);
                Set::from_canonical(scratch)
            }
        }
    }

    /// Appends the canonical form of the attributes of `announced`.
    pub(super) fn write_attributes(&self, announced: &Announced<'_>, out: &mut Vec<u8>) {
        self.section.write(announced.next_hop, out);
    }

    /// The family that is complete now: nothing else is in the UPDATE, not even of another (RFC 4724, 2).
    #[inline]
    pub fn end_of_rib(&self) -> Option<Family> {
        let mut plain = self.withdrawn.into_iter().chain(self.announced.map(|announced| announced.nlri));
        if plain.any(|nlri| !nlri.is_empty()) {
            None
        } else if self.section.is_empty() {
            self.withdrawn.map(|nlri| nlri.family())
        } else {
            self.section.end_of_rib()
        }
    }

    /// What was wrong with the attributes and what RFC 7606 made of it.
    pub fn faults(&self) -> &Faults {
        self.section.faults()
    }
}

#[cold]
fn bad_nlri(body: &[u8], octets: &[u8], add_path: bool) -> Error {
    let bad = if add_path { bad_prefix::<32, 4, 9>(octets) } else { bad_prefix::<32, 0, 5>(octets) };
    Error::new(Problem::Prefix).at(offset(body, octets).saturating_add(bad.unwrap_or_default()))
}

#[cold]
fn reset(body: &[u8], unreadable: &Unreadable<'_>) -> Error {
    let Unreadable { attribute, cause, octets } = unreadable;
    Error::new(Problem::Attribute(*cause)).in_attribute(*attribute).at(offset(body, octets)).with_data(octets)
}

/// Where `part`, a slice of `body`, starts in it.
fn offset(body: &[u8], part: &[u8]) -> usize {
    body.as_ptr_range().start.addr().abs_diff(part.as_ptr_range().start.addr()).min(body.len())
}

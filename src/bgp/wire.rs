//! Leaf parsers. Their error is zero-sized: what and where is found out again once a message is known
//! to be bad, so that good ones do not pay for it.

use nom::number::complete::{be_u8, be_u16, be_u32};

/// The rest of the input, and what was read.
pub(crate) type Parsed<'a, T> = nom::IResult<&'a [u8], T, ()>;

#[inline]
pub(crate) fn u8(input: &[u8]) -> Parsed<'_, u8> {
    be_u8(input)
}

#[inline]
pub(crate) fn u16(input: &[u8]) -> Parsed<'_, u16> {
    be_u16(input)
}

#[inline]
pub(crate) fn u32(input: &[u8]) -> Parsed<'_, u32> {
    be_u32(input)
}

/// So many octets, in one look.
#[inline]
pub(crate) fn array<const COUNT: usize>(input: &[u8]) -> Parsed<'_, [u8; COUNT]> {
    match input.split_first_chunk() {
        Some((octets, rest)) => Ok((rest, *octets)),
        None => Err(nom::Err::Error(())),
    }
}

#[inline]
pub(crate) fn take(input: &[u8], count: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(count) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => Err(nom::Err::Error(())),
    }
}

/// As many octets as the octet before them says.
#[inline]
pub(crate) fn counted_by_u8(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, count) = u8(input)?;
    take(input, usize::from(count))
}

/// As many octets as the two octets before them say.
#[inline]
pub(crate) fn counted_by_u16(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, count) = u16(input)?;
    take(input, usize::from(count))
}

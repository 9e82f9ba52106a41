//! The capabilities of an OPEN, as they are on the wire.

use std::borrow::Cow;
use std::iter;

use bytes::BytesMut;

use super::Capability;
use crate::bgp::wire::{Parsed, counted_by_u8, u8};

/// All capabilities of an OPEN in their order: octets whose lengths are right, decoded as they are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities<'a>(Cow<'a, [u8]>);

impl<'a> Capabilities<'a> {
    /// Adds those of one more optional parameter; only where there are several, they are copied.
    ///
    /// # Errors
    /// The octets from the first capability on that is longer than what is left of `value`.
    pub(in crate::bgp) fn append(&mut self, value: &'a [u8]) -> Result<(), &'a [u8]> {
        let mut rest = value;
        while !rest.is_empty() {
            (rest, _) = encoded(rest).map_err(|_| rest)?;
        }
        if self.0.is_empty() {
            self.0 = Cow::Borrowed(value);
        } else {
            self.0.to_mut().extend_from_slice(value);
        }
        Ok(())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        self.encoded().map(|(code, value)| Capability::decode(code, value))
    }

    /// The code and the value of each.
    #[inline]
    pub fn encoded(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.octets();
        iter::from_fn(move || {
            let (after, found) = encoded(rest).ok()?;
            rest = after;
            Some(found)
        })
    }

    /// Whether `capability` is one of them.
    pub fn contains(&self, capability: &Capability) -> bool {
        self.iter().any(|offered| offered == *capability)
    }

    /// The same, borrowed from nobody.
    pub fn into_owned(self) -> Capabilities<'static> {
        Capabilities(Cow::Owned(self.0.into_owned()))
    }

    /// All of them on the wire.
    #[inline]
    pub(in crate::bgp) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl FromIterator<Capability> for Capabilities<'static> {
    fn from_iter<T: IntoIterator<Item = Capability>>(capabilities: T) -> Self {
        let mut octets = BytesMut::new();
        capabilities.into_iter().for_each(|capability| capability.encode(&mut octets));
        Self(Cow::Owned(octets.into()))
    }
}

/// One capability: code, length, value (RFC 5492, 4).
#[inline]
fn encoded(input: &[u8]) -> Parsed<'_, (u8, &[u8])> {
    let (input, code) = u8(input)?;
    let (input, value) = counted_by_u8(input)?;
    Ok((input, (code, value)))
}

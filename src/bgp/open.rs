//! OPEN (RFC 4271, 4.2), with extended optional parameters (RFC 9072).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::capability::Capabilities;
use super::wire::{Parsed, counted_by_u8, counted_by_u16, u8, u16, u32};
use super::{Capability, Error, Problem};

/// The AS that stands for one of more than two octets (RFC 6793, 9).
pub const AS_TRANS: u16 = 23456;

const VERSION: u8 = 4;
/// The type of the optional parameter that holds capabilities (RFC 5492, 4).
const CAPABILITIES: u8 = 2;
/// Length and type that announce extended optional parameters (RFC 9072, 2).
const EXTENDED: u8 = 255;
/// Octets before the length of the optional parameters.
const FIXED: usize = 9;

/// An OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// The two-octet AS field; [`AS_TRANS`] where the number does not fit.
    pub my_as: u16,
    /// Seconds; 0: no KEEPALIVEs.
    pub hold_time: u16,
    /// BGP identifier, not zero.
    pub identifier: Ipv4Addr,
    /// All capabilities in their order.
    pub capabilities: Capabilities<'a>,
}

impl Open<'static> {
    /// An OPEN of `asn`; the four-octet AS capability is up to `capabilities`.
    pub fn new(
        asn: u32,
        hold_time: u16,
        identifier: Ipv4Addr,
        capabilities: impl IntoIterator<Item = Capability>,
    ) -> Self {
        let my_as = u16::try_from(asn).unwrap_or(AS_TRANS);
        Self { my_as, hold_time, identifier, capabilities: capabilities.into_iter().collect() }
    }
}

impl<'a> Open<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// RFC 4271, 6.2, as far as the OPEN alone can tell: whether the AS is the right one is not
    /// decided here, nor whether [`AS_TRANS`] may stand alone.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let malformed = |_| Error::new(Problem::MalformedOpen);
        let (rest, version) = u8(body).map_err(malformed)?;
        if version != VERSION {
            return Err(Error::new(Problem::Version).with_data(&[0, VERSION]));
        }
        let (rest, my_as) = u16(rest).map_err(malformed)?;
        let (rest, hold_time) = u16(rest).map_err(malformed)?;
        let (rest, identifier) = u32(rest).map_err(malformed)?;
        if my_as == 0 {
            return Err(Error::new(Problem::PeerAs).at(1));
        }
        if identifier == 0 {
            return Err(Error::new(Problem::Identifier).at(5));
        }
        if matches!(hold_time, 1 | 2) {
            return Err(Error::new(Problem::HoldTime).at(3).with_data(&hold_time.to_be_bytes()));
        }
        let capabilities = parameters(rest)?;
        if capabilities.encoded().any(|one| one == (Capability::FOUR_OCTET_AS, &[0; 4])) {
            return Err(Error::new(Problem::PeerAs).at(FIXED));
        }
        Ok(Self { my_as, hold_time, identifier: Ipv4Addr::from(identifier), capabilities })
    }

    /// The same, borrowed from nobody.
    pub fn into_owned(self) -> Open<'static> {
        Open { capabilities: self.capabilities.into_owned(), ..self }
    }

    /// The AS: the capability's where there is one (RFC 6793, 4.1).
    pub fn asn(&self) -> u32 {
        self.four_octet_as().unwrap_or(u32::from(self.my_as))
    }

    /// The AS of the capability (RFC 6793).
    pub fn four_octet_as(&self) -> Option<u32> {
        self.capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(asn) => Some(asn),
            _ => None,
        })
    }

    /// Whether it claims several roles that are not the same (RFC 9234, 4.2).
    pub(super) fn contradicts_its_role(&self) -> bool {
        let mut roles = self.capabilities.iter().filter_map(|capability| match capability {
            Capability::Role(role) => Some(role),
            _ => None,
        });
        roles.next().is_some_and(|first| roles.any(|role| role != first))
    }

    /// Appends the body.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(VERSION);
        out.put_u16(self.my_as);
        out.put_u16(self.hold_time);
        out.put_slice(&self.identifier.octets());
        let capabilities = self.capabilities.octets();
        let length = u16::try_from(capabilities.len()).unwrap_or(u16::MAX);
        match u8::try_from(length) {
            Ok(0) => out.put_u8(0),
            Ok(length @ ..=252) => out.put_slice(&[length.saturating_add(2), CAPABILITIES, length]),
            _ => {
                out.put_slice(&[EXTENDED, EXTENDED]);
                out.put_u16(length.saturating_add(3));
                out.put_u8(CAPABILITIES);
                out.put_u16(length);
            }
        }
        out.put_slice(capabilities);
    }
}

fn parameters(input: &[u8]) -> Result<Capabilities<'_>, Error> {
    let malformed = |rest: &[u8]| Error::new(Problem::MalformedOpen).at(offset(input, rest));
    // RFC 9072, 2: type 255 announces the extended form whatever the length before it says, except 0.
    let (counted, extended) = match input {
        [length, EXTENDED, rest @ ..] if *length != 0 => (counted_by_u16(rest), true),
        _ => (counted_by_u8(input), false),
    };
    let mut parameters = match counted {
        Ok(([], parameters)) => parameters,
        Ok((left, _)) => return Err(malformed(left)),
        Err(_) => return Err(malformed(input)),
    };
    let mut capabilities = Capabilities::default();
    while !parameters.is_empty() {
        let (after, (code, value)) = parameter(parameters, extended).map_err(|_| malformed(parameters))?;
        if code != CAPABILITIES {
            return Err(Error::new(Problem::OptionalParameter).at(offset(input, parameters)));
        }
        capabilities.append(value).map_err(malformed)?;
        parameters = after;
    }
    Ok(capabilities)
}

fn parameter(input: &[u8], extended: bool) -> Parsed<'_, (u8, &[u8])> {
    let (input, code) = u8(input)?;
    let (input, value) = if extended { counted_by_u16(input)? } else { counted_by_u8(input)? };
    Ok((input, (code, value)))
}

/// Where `rest`, the end of `input`, starts in the body.
fn offset(input: &[u8], rest: &[u8]) -> usize {
    input.len().saturating_sub(rest.len()).saturating_add(FIXED)
}

//! ROUTE-REFRESH (RFC 2918; RFC 7313).

use super::header::{HEADER, MessageType};
use super::wire::{u8, u16};
use super::{Error, Family, Problem};

/// Octets of the message.
const LENGTH: usize = HEADER + 4;
/// Where the body has the subtype.
const SUBTYPE: usize = 2;

/// A ROUTE-REFRESH of any family and subtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// Address family.
    pub afi: u16,
    /// Subsequent address family.
    pub safi: u8,
    /// What it means.
    pub subtype: Subtype,
}

/// The meaning of a ROUTE-REFRESH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subtype {
    /// 0: send your routes again.
    Request,
    /// 1: what follows are all routes (BoRR).
    Begin,
    /// 2: that was all of them (EoRR).
    End,
    /// To be ignored (RFC 7313, 5).
    Unknown(u8),
}

impl RouteRefresh {
    /// Reads the body. `enhanced`: both sides offered RFC 7313.
    ///
    /// # Errors
    /// A body that is not four octets long: 7/1 with the whole message if it would begin or end a
    /// refresh (RFC 7313, 5), 1/2 otherwise.
    pub fn parse(body: &[u8], enhanced: bool) -> Result<Self, Error> {
        match body {
            [a, b, subtype, safi] => Ok(Self {
                afi: u16::from_be_bytes([*a, *b]),
                safi: *safi,
                subtype: Subtype::from_code(*subtype),
            }),
            _ => Err(wrong_length(body, enhanced)),
        }
    }

    /// The family, if it is one of ours.
    pub const fn family(&self) -> Option<Family> {
        Family::from_wire(self.afi, self.safi)
    }
}

impl Subtype {
    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Request,
            1 => Self::Begin,
            2 => Self::End,
            other => Self::Unknown(other),
        }
    }
}

/// The length of a ROUTE-REFRESH at the start of `buffer` that is not all there: wrong as soon as what is
/// there shows it. Only one that would begin or end a refresh is waited for, to be sent back as a whole.
///
/// # Errors
/// 1/2, as [`RouteRefresh::parse`] would say it.
pub(super) fn check_length(buffer: &[u8], enhanced: bool) -> Result<(), Error> {
    let Some(([.., high, low, code], body)) = buffer.split_first_chunk::<HEADER>() else { return Ok(()) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if *code != MessageType::RouteRefresh.code() || length == LENGTH {
        return Ok(());
    }
    let undecided = match body.get(SUBTYPE) {
        Some(subtype) => matches!(subtype, 1 | 2),
        None => length > HEADER.saturating_add(SUBTYPE),
    };
    if enhanced && undecided {
        return Ok(());
    }
    Err(Error::new(Problem::MessageLength).with_data(&[*high, *low]))
}

#[cold]
fn wrong_length(body: &[u8], enhanced: bool) -> Error {
    let length = u16::try_from(body.len().saturating_add(HEADER)).unwrap_or(u16::MAX).to_be_bytes();
    let subtype = u16(body).and_then(|(rest, _)| u8(rest)).map(|(_, subtype)| subtype);
    if enhanced && matches!(subtype, Ok(1 | 2)) {
        let kind = [MessageType::RouteRefresh.code()];
        let message = [&[0xff; 16][..], &length, &kind, body].concat();
        Error::new(Problem::RefreshLength).with_data(&message)
    } else {
        Error::new(Problem::MessageLength).with_data(&length)
    }
}

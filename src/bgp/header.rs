//! Framing: where a message ends in a stream of octets (RFC 4271, 4.1; RFC 8654).

use super::{Error, Problem};

/// Octets of the header.
pub const HEADER: usize = 19;
/// The longest message without RFC 8654.
pub const MAX: usize = 4096;
/// The longest message with it.
const EXTENDED_MAX: usize = 65535;

const MARKER: [u8; 16] = [0xff; 16];

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in RFC 4271, section 4.1, and RFC 2918")]
pub enum MessageType {
    Open,
    Update,
    Notification,
    Keepalive,
    RouteRefresh,
}

impl MessageType {
    /// All, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Open, Self::Update, Self::Notification, Self::Keepalive, Self::RouteRefresh];

    /// The type with this code.
    #[inline]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            _ => None,
        }
    }

    /// The code in the header.
    pub const fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Update => 2,
            Self::Notification => 3,
            Self::Keepalive => 4,
            Self::RouteRefresh => 5,
        }
    }

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Update => "update",
            Self::Notification => "notification",
            Self::Keepalive => "keepalive",
            Self::RouteRefresh => "route_refresh",
        }
    }
}

/// The least and the most octets that a message may have, by its code; the last row is for every other.
/// ROUTE-REFRESH is left to its own parser: what a wrong length means there depends on its subtype
/// (RFC 7313, 5).
const LENGTHS: [[usize; 2]; 7] = [
    [HEADER, EXTENDED_MAX],
    [29, MAX],
    [23, EXTENDED_MAX],
    [21, EXTENDED_MAX],
    [HEADER, HEADER],
    [HEADER, EXTENDED_MAX],
    [HEADER, EXTENDED_MAX],
];

/// Whether a message with this code may be as long as its header says. One look into a table: types come in
/// any order, and a branch for each could not be foretold.
#[inline]
fn allows(code: u8, length: usize, extended: bool) -> bool {
    let row = usize::from(code).min(LENGTHS.len().saturating_sub(1));
    let [least, most] = LENGTHS.get(row).copied().unwrap_or_default();
    length >= least && length <= if extended { most } else { most.min(MAX) }
}

/// A complete message in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its type.
    pub kind: MessageType,
    /// What follows the header.
    pub body: &'a [u8],
    /// All of it.
    pub octets: &'a [u8],
}

/// The message at the start of `buffer`; none: more octets are needed.
///
/// `extended`: we advertised that we take long messages (RFC 8654).
///
/// # Errors
/// Header errors (RFC 4271, 6.1), as soon as the octets that are there show them: garbage is refused at
/// its first octet, a wrong length without waiting for the body.
#[inline]
pub fn frame(buffer: &[u8], extended: bool) -> Result<Option<Frame<'_>>, Error> {
    let Some((header, _)) = buffer.split_first_chunk::<HEADER>() else {
        return if starts_like_a_marker(buffer) { Ok(None) } else { Err(Error::new(Problem::Marker)) };
    };
    let [marker @ .., high, low, code] = header;
    if *marker != MARKER {
        return Err(Error::new(Problem::Marker));
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if !allows(*code, length, extended) {
        return Err(bad(Problem::MessageLength, &[*high, *low]));
    }
    let Some(kind) = MessageType::from_code(*code) else {
        return Err(bad(Problem::MessageType, &[*code]));
    };
    let Some(octets) = buffer.get(..length) else { return Ok(None) };
    let body = octets.get(HEADER..).unwrap_or_default();
    Ok(Some(Frame { kind, body, octets }))
}

#[cold]
fn bad(problem: Problem, data: &[u8]) -> Error {
    Error::new(problem).with_data(data)
}

#[cold]
fn starts_like_a_marker(buffer: &[u8]) -> bool {
    buffer.iter().take(MARKER.len()).all(|octet| *octet == 0xff)
}

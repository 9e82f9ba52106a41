//! NOTIFICATION: why a session ends (RFC 4271, 4.5 and 6; RFC 4486; RFC 9003).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::wire::{counted_by_u8, u8};
use super::{Error, Problem};

/// The most data that fits a NOTIFICATION without RFC 8654.
pub const MAX_DATA: usize = 4096 - 21;

/// A NOTIFICATION, sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code (RFC 4271, 4.5).
    pub code: u8,
    /// Error subcode; 0 where unspecific.
    pub subcode: u8,
    /// Diagnostic data.
    pub data: Bytes,
}

impl Notification {
    /// A NOTIFICATION without data.
    pub const fn new(code: u8, subcode: u8) -> Self {
        Self { code, subcode, data: Bytes::new() }
    }

    /// The end of a session for a reason that is not an error (RFC 4486).
    pub const fn cease(cease: Cease) -> Self {
        Self::new(6, cease.code())
    }

    /// The same, with a text for the operator at the far end (RFC 9003): cut to 255 octets, and only
    /// where the RFC provides for it, in administrative shutdown and reset.
    pub fn cease_with_text(cease: Cease, text: &str) -> Self {
        let text = text.get(..text.floor_char_boundary(255)).unwrap_or_default();
        let mut notification = Self::cease(cease);
        if cease.has_text() && !text.is_empty() {
            let mut data = BytesMut::new();
            data.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
            data.put_slice(text.as_bytes());
            notification.data = data.freeze();
        }
        notification
    }

    /// Our hold timer expired (RFC 4271, 6.5).
    pub const fn hold_timer_expired() -> Self {
        Self::new(4, 0)
    }

    /// The peer has not read for too long (RFC 9687).
    pub const fn send_hold_timer_expired() -> Self {
        Self::new(8, 0)
    }

    /// A message that the state does not allow (RFC 6608); `subcode` 1 OpenSent, 2 OpenConfirm,
    /// 3 Established.
    pub const fn unexpected_message(subcode: u8) -> Self {
        Self::new(5, subcode)
    }

    /// Reads the body.
    ///
    /// # Errors
    /// Less than two octets; framing lets none such pass.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        match body {
            [code, subcode, data @ ..] => {
                Ok(Self { code: *code, subcode: *subcode, data: Bytes::copy_from_slice(data) })
            }
            _ => Err(Error::new(Problem::MessageLength)),
        }
    }

    /// The reason, if this is Cease with a subcode that we know.
    pub const fn as_cease(&self) -> Option<Cease> {
        if self.code == 6 { Cease::from_code(self.subcode) } else { None }
    }

    /// The reason behind a hard reset, which carries the NOTIFICATION that it stands for (RFC 8538, 3.1).
    pub fn as_hard_reset(&self) -> Option<Option<Cease>> {
        if self.as_cease()? != Cease::HardReset {
            return None;
        }
        let inner = self.data.split_first_chunk::<2>();
        Some(inner.and_then(|([code, subcode], _)| Self::new(*code, *subcode).as_cease()))
    }

    /// The text of the operator at the far end (RFC 9003), fit to be shown: no control characters,
    /// whatever is not UTF-8 replaced, whatever the length octet promises in vain left out.
    pub fn text(&self) -> Option<String> {
        if !self.as_cease()?.has_text() {
            return None;
        }
        let text = match counted_by_u8(&self.data) {
            Ok((_, text)) => text,
            Err(_) => u8(&self.data).ok()?.0,
        };
        let text = sanitised(text);
        (!text.is_empty()).then_some(text)
    }

    /// What code and subcode are called.
    pub const fn names(&self) -> (&'static str, &'static str) {
        names(self.code, self.subcode)
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, subcode) = self.names();
        write!(f, "{}/{} ({code}", self.code, self.subcode)?;
        if !subcode.is_empty() {
            write!(f, ": {subcode}")?;
        }
        f.write_str(")")?;
        if let Some(text) = self.text() {
            return write!(f, " \"{text}\"");
        }
        if !self.data.is_empty() {
            f.write_str(" data ")?;
            for octet in self.data.iter().take(16) {
                write!(f, "{octet:02x}")?;
            }
            if self.data.len() > 16 {
                f.write_str("...")?;
            }
        }
        Ok(())
    }
}

/// `text` as it may stand in a log line: one line, valid, at most 255 characters.
pub(super) fn sanitised(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..1024).unwrap_or(text));
    let shown = |c: char| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c };
    text.trim().chars().take(255).map(shown).collect()
}

/// Characters that rearrange or hide what stands beside them.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Why a session ends although nothing is wrong with it (RFC 4486, 8538, 9384).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cease {
    /// 1.
    MaximumPrefixes,
    /// 2.
    AdministrativeShutdown,
    /// 3.
    PeerDeconfigured,
    /// 4.
    AdministrativeReset,
    /// 5.
    ConnectionRejected,
    /// 6.
    ConfigurationChange,
    /// 7.
    CollisionResolution,
    /// 8.
    OutOfResources,
    /// 9.
    HardReset,
    /// 10.
    BfdDown,
}

impl Cease {
    /// All, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::MaximumPrefixes,
        Self::AdministrativeShutdown,
        Self::PeerDeconfigured,
        Self::AdministrativeReset,
        Self::ConnectionRejected,
        Self::ConfigurationChange,
        Self::CollisionResolution,
        Self::OutOfResources,
        Self::HardReset,
        Self::BfdDown,
    ];

    /// The subcode.
    pub const fn code(self) -> u8 {
        match self {
            Self::MaximumPrefixes => 1,
            Self::AdministrativeShutdown => 2,
            Self::PeerDeconfigured => 3,
            Self::AdministrativeReset => 4,
            Self::ConnectionRejected => 5,
            Self::ConfigurationChange => 6,
            Self::CollisionResolution => 7,
            Self::OutOfResources => 8,
            Self::HardReset => 9,
            Self::BfdDown => 10,
        }
    }

    /// The reason with this subcode.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::MaximumPrefixes),
            2 => Some(Self::AdministrativeShutdown),
            3 => Some(Self::PeerDeconfigured),
            4 => Some(Self::AdministrativeReset),
            5 => Some(Self::ConnectionRejected),
            6 => Some(Self::ConfigurationChange),
            7 => Some(Self::CollisionResolution),
            8 => Some(Self::OutOfResources),
            9 => Some(Self::HardReset),
            10 => Some(Self::BfdDown),
            _ => None,
        }
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaximumPrefixes => "maximum number of prefixes reached",
            Self::AdministrativeShutdown => "administrative shutdown",
            Self::PeerDeconfigured => "peer de-configured",
            Self::AdministrativeReset => "administrative reset",
            Self::ConnectionRejected => "connection rejected",
            Self::ConfigurationChange => "other configuration change",
            Self::CollisionResolution => "connection collision resolution",
            Self::OutOfResources => "out of resources",
            Self::HardReset => "hard reset",
            Self::BfdDown => "BFD down",
        }
    }

    const fn has_text(self) -> bool {
        matches!(self, Self::AdministrativeShutdown | Self::AdministrativeReset)
    }
}

const fn names(code: u8, subcode: u8) -> (&'static str, &'static str) {
    match code {
        1 => ("message header error", header_name(subcode)),
        2 => ("OPEN message error", open_name(subcode)),
        3 => ("UPDATE message error", update_name(subcode)),
        4 => ("hold timer expired", ""),
        5 => ("finite state machine error", state_name(subcode)),
        6 => match Cease::from_code(subcode) {
            Some(cease) => ("cease", cease.name()),
            None => ("cease", ""),
        },
        7 => ("ROUTE-REFRESH message error", if subcode == 1 { "invalid message length" } else { "" }),
        8 => ("send hold timer expired", ""),
        _ => ("unknown error", ""),
    }
}

const fn header_name(subcode: u8) -> &'static str {
    match subcode {
        1 => "connection not synchronized",
        2 => "bad message length",
        3 => "bad message type",
        _ => "",
    }
}

const fn open_name(subcode: u8) -> &'static str {
    match subcode {
        1 => "unsupported version number",
        2 => "bad peer AS",
        3 => "bad BGP identifier",
        4 => "unsupported optional parameter",
        6 => "unacceptable hold time",
        7 => "unsupported capability",
        11 => "role mismatch",
        _ => "",
    }
}

const fn update_name(subcode: u8) -> &'static str {
    match subcode {
        1 => "malformed attribute list",
        2 => "unrecognized well-known attribute",
        3 => "missing well-known attribute",
        4 => "attribute flags error",
        5 => "attribute length error",
        6 => "invalid ORIGIN attribute",
        8 => "invalid NEXT_HOP attribute",
        9 => "optional attribute error",
        10 => "invalid network field",
        11 => "malformed AS_PATH",
        _ => "",
    }
}

const fn state_name(subcode: u8) -> &'static str {
    match subcode {
        1 => "unexpected message in OpenSent",
        2 => "unexpected message in OpenConfirm",
        3 => "unexpected message in Established",
        _ => "",
    }
}

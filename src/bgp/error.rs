//! What is wrong with a message, and where: every error here ends the session.

use std::fmt;

use bytes::Bytes;

use super::Notification;
use super::attribute::{self, Cause};
use super::notification::MAX_DATA;

/// An error that ends the session (RFC 4271, section 6; RFC 7606, section 2: "session reset").
///
/// One word: results that could hold it are returned by every good message too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    problem: Problem,
    attribute: Option<u8>,
    offset: usize,
    data: Bytes,
}

impl Error {
    /// An error of the whole message.
    #[cold]
    pub fn new(problem: Problem) -> Self {
        Self(Box::new(Details { problem, attribute: None, offset: 0, data: Bytes::new() }))
    }

    /// At `offset` octets into the message's body.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.0.offset = offset;
        self
    }

    /// With the octets that the NOTIFICATION carries back to the peer.
    #[must_use]
    pub fn with_data(mut self, data: &[u8]) -> Self {
        self.0.data = Bytes::copy_from_slice(data.get(..MAX_DATA).unwrap_or(data));
        self
    }

    /// In the path attribute with type `code`.
    #[must_use]
    pub fn in_attribute(mut self, code: u8) -> Self {
        self.0.attribute = Some(code);
        self
    }

    /// What is wrong.
    pub fn problem(&self) -> Problem {
        self.0.problem
    }

    /// The type of the path attribute that is wrong, if it is one.
    pub fn attribute(&self) -> Option<u8> {
        self.0.attribute
    }

    /// Octets into the message's body at which the error was found.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// What to tell the peer before the connection is closed.
    pub fn notification(&self) -> Notification {
        let (code, subcode) = self.0.problem.code();
        Notification { code, subcode, data: self.0.data.clone() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, subcode) = self.0.problem.code();
        if let Some(attribute) = self.0.attribute {
            write!(f, "{}: ", attribute::Name(attribute))?;
        }
        write!(f, "{}", self.0.problem)?;
        if self.0.offset > 0 {
            write!(f, " at octet {}", self.0.offset)?;
        }
        write!(f, " ({code}/{subcode})")
    }
}

impl std::error::Error for Error {}

/// Every way in which a message can end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// RFC 4271, 6.1.
    #[error("the marker is not sixteen octets of ff")]
    Marker,
    /// RFC 4271, 6.1.
    #[error("the length does not suit the message type")]
    MessageLength,
    /// RFC 4271, 6.1.
    #[error("unknown message type")]
    MessageType,
    /// RFC 4271, 6.2: a length in an OPEN contradicts another, or octets are left over.
    #[error("malformed OPEN")]
    MalformedOpen,
    /// RFC 4271, 6.2.
    #[error("BGP version is not 4")]
    Version,
    /// RFC 4271, 6.2; RFC 7607, 2.
    #[error("unacceptable AS number")]
    PeerAs,
    /// RFC 6286, 2.2.
    #[error("unacceptable BGP identifier")]
    Identifier,
    /// RFC 4271, 6.2.
    #[error("unknown optional parameter")]
    OptionalParameter,
    /// RFC 4271, 6.2.
    #[error("unacceptable hold time")]
    HoldTime,
    /// RFC 5492, 5.
    #[error("a required capability is missing")]
    Capability,
    /// RFC 9234, 4.2.
    #[error("BGP roles do not match")]
    Role,
    /// RFC 7606, 3.b.
    #[error("withdrawn routes run past the message")]
    WithdrawnLength,
    /// RFC 7606, 3.b.
    #[error("path attributes run past the message")]
    AttributesLength,
    /// RFC 7606, 3.i and 5.3.
    #[error("a prefix is too long or cut short")]
    Prefix,
    /// RFC 7606: an attribute error that leaves the prefixes of the UPDATE unknown.
    #[error("{0}")]
    Attribute(Cause),
    /// RFC 7313, 5.
    #[error("ROUTE-REFRESH of the wrong length")]
    RefreshLength,
}

impl Problem {
    /// Error code and subcode of the NOTIFICATION.
    pub const fn code(self) -> (u8, u8) {
        match self {
            Self::Marker => (1, 1),
            Self::MessageLength => (1, 2),
            Self::MessageType => (1, 3),
            Self::MalformedOpen => (2, 0),
            Self::Version => (2, 1),
            Self::PeerAs => (2, 2),
            Self::Identifier => (2, 3),
            Self::OptionalParameter => (2, 4),
            Self::HoldTime => (2, 6),
            Self::Capability => (2, 7),
            Self::Role => (2, 11),
            Self::WithdrawnLength | Self::AttributesLength => (3, 1),
            Self::Prefix => (3, 10),
            Self::Attribute(cause) => (3, cause.subcode()),
            Self::RefreshLength => (7, 1),
        }
    }
}

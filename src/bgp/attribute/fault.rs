//! What is wrong with an attribute, and what that does to its UPDATE.

use std::fmt;

use super::Name;

/// What becomes of an UPDATE with a wrong attribute (RFC 7606, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The attribute is dropped, the routes stay.
    Discard(Cause),
    /// All prefixes of the UPDATE are withdrawn.
    Withdraw(Cause),
    /// The session ends.
    Reset(Cause),
}

impl Fault {
    /// What is wrong.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Discard(cause) | Self::Withdraw(cause) | Self::Reset(cause) => cause,
        }
    }
}

/// What is wrong with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// RFC 7606, 4.
    #[error("runs past the attributes")]
    Overrun,
    /// RFC 7606, 3.c.
    #[error("wrong flags")]
    Flags,
    /// RFC 7606, 7.
    #[error("wrong length")]
    Length,
    /// RFC 7606, 3.d.
    #[error("missing")]
    Missing,
    /// RFC 7606, 3.g.
    #[error("occurs more than once")]
    Duplicate,
    /// RFC 4271, 6.3.
    #[error("well-known, but not known to us")]
    Unrecognized,
    /// RFC 7606, 7.1.
    #[error("undefined value")]
    Value,
    /// RFC 7606, 7.2.
    #[error("malformed segments")]
    Segments,
    /// RFC 5065, 5.
    #[error("confederation segments from outside")]
    Confederation,
    /// RFC 7607, 2.
    #[error("AS 0")]
    AsZero,
    /// RFC 4271, 6.3.
    #[error("not the address of a router")]
    Martian,
    /// RFC 7606, 7.5, 7.9 and 7.10.
    #[error("not for external peers")]
    Internal,
    /// RFC 6793, 3.
    #[error("not from a peer with four-octet AS numbers")]
    OldSpeaker,
    /// RFC 7606, 7.11.
    #[error("wrong next hop length")]
    NextHopLength,
    /// RFC 7606, 5.3.
    #[error("a prefix is too long or cut short")]
    Prefix,
}

impl Cause {
    /// The subcode of the UPDATE message error, where it ends the session (RFC 4271, 6.3; RFC 4760, 7).
    pub(crate) const fn subcode(self) -> u8 {
        match self {
            Self::Overrun | Self::Duplicate => 1,
            Self::Unrecognized => 2,
            Self::Missing => 3,
            Self::Flags => 4,
            Self::Length => 5,
            Self::Value => 6,
            Self::Martian => 8,
            Self::Internal | Self::OldSpeaker | Self::NextHopLength | Self::Prefix => 9,
            Self::Segments | Self::Confederation | Self::AsZero => 11,
        }
    }
}

/// A fault and the attribute it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The attribute's type.
    pub attribute: u8,
    /// What became of it.
    pub fault: Fault,
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.fault {
            Fault::Discard(_) => "attribute discarded",
            Fault::Withdraw(_) => "routes withdrawn",
            Fault::Reset(_) => "session reset",
        };
        write!(f, "{}: {}: {action}", Name(self.attribute), self.fault.cause())
    }
}

/// The first faults of an UPDATE, and how many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    kept: [Option<Reported>; 4],
    count: u16,
    withdraw: bool,
}

impl Faults {
    /// Nothing is wrong.
    pub const NONE: Self = Self { kept: [None; 4], count: 0, withdraw: false };

    /// The first four, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Reported> {
        self.kept.into_iter().flatten()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there was none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether one of them, kept or not, makes the UPDATE a withdrawal.
    pub const fn withdraw(&self) -> bool {
        self.withdraw
    }

    /// The first that makes the UPDATE a withdrawal, if it is among those kept.
    pub fn first_withdraw(&self) -> Option<Reported> {
        self.iter().find(|reported| matches!(reported.fault, Fault::Withdraw(_)))
    }

    #[cold]
    pub(crate) fn report(&mut self, attribute: u8, fault: Fault) {
        self.count = self.count.saturating_add(1);
        let reported = Reported { attribute, fault };
        let withdraw = matches!(fault, Fault::Withdraw(_));
        if let Some(free) = self.kept.iter_mut().find(|kept| kept.is_none()) {
            *free = Some(reported);
        } else if withdraw && !self.withdraw {
            // Whatever is dropped, what the UPDATE died of stays.
            if let Some(last) = self.kept.last_mut() {
                *last = Some(reported);
            }
        }
        self.withdraw |= withdraw;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reported) in self.iter().enumerate() {
            write!(f, "{}{reported}", if index == 0 { "" } else { "; " })?;
        }
        match self.count().saturating_sub(self.kept.len()) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

//! What is wrong with a file, and where.

use std::io;

use crate::bgp;

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
#[error("the record at octet {offset} {problem}")]
pub struct Error {
    /// Where the record starts, in octets of what was read; of a compressed file, once it is unpacked.
    pub offset: u64,
    /// What is wrong.
    pub problem: Problem,
}

impl Error {
    /// Whether nothing that follows can be read: where the next record starts is not known.
    pub const fn is_final(&self) -> bool {
        matches!(
            self.problem,
            Problem::Torn { .. } | Problem::NoMrt(_) | Problem::TooLong(_) | Problem::Read(_)
        )
    }
}

/// Every way in which a record can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file ends within it.
    #[error("is torn: {have} of {want} octets are there")]
    Torn {
        /// Octets that it should have.
        want: usize,
        /// Octets that it has.
        have: usize,
    },
    /// No record is that long, and it is the first.
    #[error("claims {0} octets: this is no MRT file, or a damaged one")]
    NoMrt(u32),
    /// No record is that long: the octets are not a record's, though there were records before.
    #[error("claims {0} octets: the file is damaged from there on")]
    TooLong(u32),
    /// Reading failed, or the compressed file is damaged.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A field runs past the end.
    #[error("is cut short within its {0}")]
    Short(&'static str),
    /// Something follows the last field.
    #[error("has octets left over: {0}")]
    LeftOver(usize),
    /// Addresses of neither IPv4 nor IPv6.
    #[error("has addresses of the unknown family {0}")]
    Family(u16),
    /// A prefix longer than an address.
    #[error("has a prefix of {0} bits")]
    PrefixLength(u8),
    /// `TABLE_DUMP_V2` without its `PEER_INDEX_TABLE` (RFC 6396, 4.3.1).
    #[error("is part of a table before which there is no index of peers")]
    NoPeers,
    /// A place outside of the index of peers.
    #[error("names peer {index} of an index of {count}")]
    Peer {
        /// The place.
        index: u16,
        /// How many peers there are.
        count: usize,
    },
    /// The BGP message in it has no sound header.
    #[error("holds no BGP message: {0}")]
    Message(bgp::Error),
    /// The BGP message in it is longer than what is there.
    #[error("holds a BGP message that is cut short")]
    MessageShort,
}

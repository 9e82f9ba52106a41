//! Path attributes (RFC 4271, 4.3 and 5), with the error handling of RFC 7606.
//!
//! [`table`](self) says of each attribute what it is called, which flags it has, how it is checked and
//! what becomes of an UPDATE in which it is wrong. What is left of the attributes of an UPDATE is a
//! [`Set`]: one canonical form, so that equal sets are equal octets.

mod builder;
mod canonical;
mod community;
mod fault;
mod section;
mod set;
mod table;
mod trouble;

pub use builder::Builder;
pub use community::Community;
pub use fault::{Cause, Fault, Faults, Reported};
pub use set::{Attribute, Iter, Origin, Set};
pub use table::Name;
pub(crate) use table::required_flags;

pub(super) use section::{Section, Unreadable};

/// Type codes.
#[expect(missing_docs, reason = "named as in the IANA registry")]
pub mod code {
    pub const ORIGIN: u8 = 1;
    pub const AS_PATH: u8 = 2;
    pub const NEXT_HOP: u8 = 3;
    pub const MED: u8 = 4;
    pub const LOCAL_PREF: u8 = 5;
    pub const ATOMIC_AGGREGATE: u8 = 6;
    pub const AGGREGATOR: u8 = 7;
    pub const COMMUNITIES: u8 = 8;
    pub const ORIGINATOR_ID: u8 = 9;
    pub const CLUSTER_LIST: u8 = 10;
    pub const MP_REACH: u8 = 14;
    pub const MP_UNREACH: u8 = 15;
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    pub const AS4_PATH: u8 = 17;
    pub const AS4_AGGREGATOR: u8 = 18;
    pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
    pub const LARGE_COMMUNITIES: u8 = 32;
    pub const ONLY_TO_CUSTOMER: u8 = 35;
}

/// Flags.
pub(crate) mod flag {
    pub(crate) const OPTIONAL: u8 = 0x80;
    pub(crate) const TRANSITIVE: u8 = 0x40;
    pub(crate) const PARTIAL: u8 = 0x20;
    pub(crate) const EXTENDED: u8 = 0x10;
}

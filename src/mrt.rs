//! MRT: what routing daemons write of their sessions and tables to files (RFC 6396; RFC 8050 for additional
//! paths).
//!
//! [`Reader`] takes octets from anywhere and hands out one [`Record`] at a time, borrowed from a buffer that
//! grows with what is read, never with what a length field claims. Lengths frame the records: one whose
//! inside makes no sense is an [`Error`], and the next call goes on behind it. [`write`](mod@write) has the way back.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod error;
mod message;
mod reader;
mod record;
mod table;
#[cfg(test)]
mod tests;
pub mod write;

pub use error::{Error, Problem};
pub use message::{Message, Peering, StateChange};
pub use reader::Reader;
pub use record::{Body, Kind, Record, terms};
pub use table::{Entries, Entry, Peer, Rib};

//! The single writer: batches in; verdicts, findings and a change feed out.
//!
//! Sessions send [`Event`](crate::speaker::Event)s over one bounded channel; one task owns all routes and
//! findings, so that nothing is locked. Readers take a [`Snapshot`], ask for pages of routes, which the
//! task answers in short slices between batches, or follow the [`EventLog`].

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod actor;
mod aggregation;
mod agreement;
mod alarms;
mod capacity;
mod changes;
mod chronicle;
mod core;
pub mod dump;
mod duplicates;
mod each;
mod events;
mod explain;
pub mod feed;
pub mod findings;
mod hosts;
mod identity;
mod learn;
pub mod maintenance;
mod map;
mod mesh;
mod offers;
mod offline;
mod peers;
mod query;
mod racks;
mod recovery;
mod refusals;
mod reload;
mod report;
mod reports;
mod restart;
mod search;
mod silent;
mod snapshot;
pub mod state;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod timers;
pub mod trace;
pub mod view;
mod work;

pub use actor::Actor;
pub use changes::{RouteChange, RouteChanges};
pub use events::EventLog;
pub use feed::Reported;
pub use offline::Offline;
pub use query::{BadCursor, Cursor, Match, RouteQuery, StateFilter};
pub use snapshot::{PeerSnapshot, Processing, RibSnapshot, Snapshot};
pub use state::State;
pub use task::{Command, Observer, Settings, spawn, spawn_with};

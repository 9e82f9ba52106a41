//! The protocol, sans-IO: messages (nom in, bytes out), the session state machine, error handling.
//!
//! Nothing here opens a socket, asks for the time or allocates what a length field alone claims.

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

pub mod announce;
pub mod as_path;
pub mod attribute;
pub mod batch;
pub mod capability;
pub mod error;
pub mod family;
pub mod header;
pub mod message;
pub mod negotiated;
pub mod nlri;
pub mod notification;
pub mod open;
pub mod outgoing;
pub mod refresh;
pub mod session;
pub mod update;

mod ending;
mod offer;
mod pulse;
mod timers;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

pub use as_path::AsPath;
pub use batch::Batch;
pub use capability::Capability;
pub use error::{Error, Problem};
pub use family::{Families, Family};
pub use header::{Frame, MessageType, frame};
pub use message::Message;
pub use negotiated::Negotiated;
pub use nlri::Nlri;
pub use notification::{Cease, Notification};
pub use open::Open;
pub use outgoing::Outgoing;
pub use refresh::RouteRefresh;
pub use update::Update;

//! The trace: every input of the core, kept in a ring of files, and the core run over it again.
//!
//! The core is deterministic: what it is told, with the time of each call, is all there is to know. A
//! [`Recorder`] notes it on its way in; a thread writes it, and nothing ever waits for the disk: what cannot
//! be written is counted, and the trace goes on after the gap.
//!
//! A trace is a directory of segments, `trace-1`, `trace-2` and so on, of which the oldest go. Each begins
//! with a *base*, from which the core can go on without what went before: see `base`. It is left out where it
//! would be too large; such a segment only goes on. A segment is one
//! line that names the writer, as no other version reads it, and frames: the length of the body in four octets, its check sum in four,
//! the body (see `frame`). No secret is in it, but all routes are: only its owner may read it.

mod base;
mod frame;
mod player;
mod record;
mod recorder;
mod ring;

pub use player::{Played, Player, Unplayable};
pub(super) use recorder::Recorded;
pub use recorder::Recorder;
pub use ring::segments;
#[cfg(test)]
pub(super) use ring::to_memory;

/// Where the trace is, below `global.state_dir`.
pub const DIRECTORY: &str = "trace";
/// How many segments are kept.
pub const SEGMENTS: usize = 8;
/// From how many octets on a segment is ended as soon as the core is at rest.
pub const SEGMENT: usize = 8 << 20;
/// The most routes and findings that a base holds, octets of their attributes, and octets of all: to write
/// more would hold up the core.
pub const MOST_IN_BASE: u64 = 100_000;
const MOST_OF_ATTRIBUTES: usize = 8 << 20;
const LARGEST_BASE: usize = 16 << 20;

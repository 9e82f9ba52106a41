//! What must hold whatever comes, one `check` a fuzz target: it panics where something does not hold.
//!
//! Each takes bare octets, so that what a fuzzer found and what is kept in `corpus/` is replayed by ordinary
//! tests too: `tests/it/corpus.rs` includes this file, which therefore depends on thirdleaf and what it
//! depends on alone. The target `differential` does not, and lives in `targets/`.

pub mod config;
pub mod frame;
pub mod mrt;
pub mod notification;
pub mod open;
pub mod session;
pub mod update;

mod input;
mod recipe;
mod terms;

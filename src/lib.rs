//! thirdleaf, the third leaf of the rack.

pub mod config;
pub mod time;

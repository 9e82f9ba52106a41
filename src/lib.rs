//! thirdleaf, the third leaf of the rack.

pub mod time;

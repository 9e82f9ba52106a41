//! thirdleaf, the third leaf of the rack.

pub mod bgp;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod lab;
pub mod metrics;
pub mod observer;
pub mod policy;
pub mod rib;
pub mod speaker;
pub mod time;
pub mod web;

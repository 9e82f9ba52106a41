//! A small simulated data centre: what `demo`, `sim`, tests and benches peer with.
//!
//! A [`Node`] is one Kubernetes node as the wire shows it: it speaks BGP over real TCP in the manner of
//! the BIRD that Calico ships, with its capabilities, timers, grouping of routes and its ways to leave.
//! A [`Fabric`] makes racks of them, with addresses on loopback and prefixes derived from their place.
//! [`apic`] answers as the controllers of an ACI fabric do.
//! This is the one room that announces prefixes; a daemon that observes never comes here.

pub mod apic;
pub mod demo;
pub mod fabric;
pub mod node;
pub mod sim;

pub use fabric::Fabric;
pub use node::{Attributes, Node, Route, Settings, Source, Timers};

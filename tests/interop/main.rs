//! The real thing against real daemons: `tests/run` unpacks them and runs this as root.
//!
//! Every test makes its own network namespaces, starts its own daemons and ends them by process id.

#![expect(clippy::disallowed_methods, reason = "runs the program and real daemons")]

mod aciclient;
mod apic;
mod archive;
mod calico;
mod daemons;

mod dashboard;
mod dashboards;
mod eepg;
mod monitoring;
mod mrt;
mod net;
mod peers;
mod refused;
mod restart;
mod rules;
mod thirdleaf;

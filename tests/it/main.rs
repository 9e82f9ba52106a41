//! The program as its users run it, on loopback; needs nothing installed. (`tests/interop` needs daemons.)

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "runs the program and its peers")]

mod access;
mod alerts;
mod apic;
mod archive;
mod bad_input;
mod conformance;
mod corpus;
mod daemon;
mod dashboards;
mod day;
mod demo;
mod eepg;
mod hostile;
mod journal;
mod peer;
mod refused;
mod replay;
mod run;
mod runbook;
mod sim;
mod state;
mod trace;
mod verbs;
mod wire;

//! thirdleaf, the third leaf of the rack: a BGP speaker that Kubernetes nodes peer with as they do with
//! their leaf switches. It advertises nothing and forwards nothing; it judges what it hears, and tells.
//!
//! # The house
//!
//! Data goes one way, from the bottom of this list to the top. A room may use what stands below it and
//! nothing above.
//!
//! | room | what it is for |
//! |---|---|
//! | [`cli`] | the command line: a verb a file; most are clients of the HTTP API |
//! | [`lab`] | simulated Calico nodes, a simulated APIC, the demo; the one room that announces prefixes |
//! | [`daemon`] | wires the rooms together: start, reload, shutdown; keeps what must survive a restart |
//! | [`web`] | HTTP: metrics, health, the API, the dashboard; owns no state |
//! | [`metrics`] | a snapshot as Prometheus text |
//! | [`journal`] | what happened, and who announced what at any time in the past; the archive of MRT |
//! | [`alert`] | findings to Alertmanagers and webhooks, each with a task of its own |
//! | [`sync`] | the EEPG controller: one task, what routes want in, requests to the APIC out, each in the audit first |
//! | [`apic`] | the client of the APIC's REST API: sessions, signatures, trust, pacing, complete reads |
//! | [`eepg`] | mapping rules, marks, brakes, and the engine that decides each request |
//! | [`observer`] | the single writer: routes in; verdicts, findings, events and snapshots out |
//! | [`rib`] | Adj-RIB-In of every peer: interned attributes, a prefix index, judgements of a few bytes |
//! | [`policy`] | what a prefix is for, and why a route is rejected |
//! | [`speaker`] | the IO of BGP: listeners, socket options, a task a connection, collision detection |
//! | [`mrt`] | files that routing daemons write of sessions and tables, and so do we |
//! | [`bgp`] | the protocol, sans-IO: messages, the session state machine, error handling |
//! | [`config`] | the file: model, defaults, validation that points at the place, what a reload changes |
//! | `disk` | files that must survive: whole or not there at all |
//! | `trust` | whether a server that is asked is who it should be |
//! | [`time`] | the one clock |
//!
//! `config`, `bgp`, `mrt`, `policy`, `rib`, `eepg` and the observer's core are pure: no socket, no task, no clock; time
//! is an argument. `clippy.toml` forbids clocks, sockets, tasks and threads by name, and the rooms that do IO say
//! so at their head; in the observer these are its task and the ring of its trace.
//!
//! # The way of a route
//!
//! A [`speaker`] task reads its socket and has [`bgp`] frame, parse and validate in place. What was learned
//! leaves as a [`bgp::Batch`], one a read, on one bounded channel. The [`observer`] walks it once: it interns
//! the attributes, asks [`policy`], updates the [`rib`], and derives findings. Readers take snapshots or ask
//! for pages of routes, answered in short slices between batches; no lock stands on that way. A slow reader
//! slows nobody down; a slow observer suspends sessions, whose keepalives go on.
//!
//! # The way into the past
//!
//! The observer notes which routes changed, once each however often. The [`journal`] asks how they are now, four times a
//! second, and has a thread of its own write that down, with what else happened; whatever cannot be written is made
//! good by looking at all routes again. Nobody waits for a disk, nor for who is told: [`alert`] has a task for each
//! receiver, which takes up findings as they are by then.
//!
//! # The way to the fabric
//!
//! The observer notes which prefixes changed, and who fell silent that had one: silence is not withdrawal.
//! [`sync`] takes these notes, never the other way round, and has one [`eepg::Engine`] for each fabric decide:
//! what rules want, less what was read of the APIC, less what a brake holds, is the next request. What became
//! of it is read back. Nothing of that is needed after a restart: the APIC and the routes say it all, and marks
//! on each member say which nodes to wait for.
//!
//! # What the types hold
//!
//! - An UPDATE cannot be read without the [`bgp::Negotiated`] that only an Established session has, or the
//!   record of one.
//! - [`bgp::outgoing::Outgoing`] has no variant that could carry a route.
//! - [`policy::Accepted`] can be made by [`policy`] alone, and no route is offered to [`eepg`] without one.
//! - What writes to an APIC exists in enforce mode alone.
//!
//! # RFCs
//!
//! 2385 (TCP-MD5), 2918 and 7313 (route refresh), 4271 (BGP-4), 4360, 1997 and 8092 (communities), 4456
//! (attributes of reflectors, discarded), 4486, 8203 and 9003 (Cease), 4724 and 8538 (graceful restart, as
//! helper), 4760 (multiprotocol), 5065 (confederation segments, refused), 5082 (GTSM), 5492 and 9072
//! (capabilities), 6286 (identifiers), 6396 and 8050 (MRT), 6608 (state machine errors), 6793 (4-octet AS),
//! 7606 and 7607 (error handling), 7911 (additional paths, received), 8212 (nothing is accepted without a
//! policy), 8654 (extended messages), 9234 (roles, shown), 9494 (long-lived graceful restart, shown), 9687
//! (send hold timer), 9774 (AS sets, rejected).

pub mod alert;
pub mod apic;
pub mod bgp;
pub mod cli;
pub mod config;
pub mod daemon;
mod disk;
pub mod eepg;
pub mod journal;
pub mod lab;
pub mod metrics;
pub mod mrt;
pub mod observer;
pub mod policy;
pub mod rib;
pub mod speaker;
pub mod sync;
pub mod time;
mod trust;
pub mod web;

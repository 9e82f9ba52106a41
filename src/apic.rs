//! The client of the APIC's REST API.
//!
//! A [`Client`] speaks with one cluster: one controller at a time, another one after three failures of the
//! connection in a row, and then it stays there. It logs in by password, once for however many requests wait,
//! renews its token at half its life, and logs in once more when a request is answered with 403; or it signs
//! each request. All requests of a client share one rate.
//!
//! [`Client::read`] gives all objects or an error, never some of them. [`Client::post`] sends one atomic
//! request. An [`Error`] says what there is to do about it: [`Refused`](Error::Refused) never passes,
//! [`Throttled`](Error::Throttled) passes by itself, after a [`Connection`](Error::Connection) with
//! `outcome_unknown` only a read shows what happened.
//!
//! An APIC is believed nothing: answers are bounded, are parsed only if they look like JSON, must hold what was
//! asked for, and their texts are shortened and made printable before they get into an error. Passwords, keys,
//! tokens and signatures get into no text at all.
//!
//! Proxies of the environment are not used, and redirects are not followed: the APIC is reached as configured,
//! or not.
//!
//! # Roles
//!
//! The least that the user needs, with the write privilege, in the security domain of the tenant.
//! [`Roles::missing`] says what is not there.
//!
//! | class | one of the roles |
//! |---|---|
//! | `l3extInstP`, `l3extSubnet` | `admin`, `tenant-ext-connectivity` |
//! | `fvRsCons`, `fvRsProv` | `admin`, `tenant-epg`, `tenant-network-profile` |
//! | `vnsSvcRedirectPol`, `vnsRedirectDest`, `vnsRsRedirectHealthGroup`, `vnsRsIPSLAMonitoringPol` | `admin`, `nw-svc-policy` |
//! | `tagAnnotation` | `admin`, `ops` |
//!
//! Reading takes the read privilege on the tenant, and on the fabric for `faultInst`; `read-all` has it. An APIC
//! leaves out of an answer what the user may not read, and does not say so.

mod answer;
mod backoff;
mod bucket;
mod client;
mod error;
mod query;
mod read;
mod roles;
mod session;
mod sign;
mod stats;
mod target;
#[cfg(test)]
mod tests;
mod token;
mod trouble;

pub use backoff::Backoff;
pub use client::{Client, May, Settings};
pub use error::{Error, Unusable};
pub use query::{Filter, Query};
pub use read::Read;
pub use roles::{Missing, Roles};
pub use stats::{BOUNDS, CODES, Latency, Operation, Snapshot, Stats};

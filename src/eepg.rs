//! From routes to members of external EPGs (EEPGs) and to destinations of redirect policies.
//!
//! [`Rules`] say which route wants which member; the [`Engine`] compares that with what the APIC has, holds back
//! what a [`Brake`] holds, and makes requests of the rest. Pure: it is told the time, what routes there are, what
//! was read and what became of a request.

mod body;
mod brake;
pub mod dn;
mod engine;
mod mark;
pub mod mo;
pub(crate) mod moves;
mod reading;
mod rule;
#[cfg(test)]
mod samples;
pub mod view;

pub use body::{Op, Scopes, digest, request, texts, wanted_digest};
pub use brake::{Brake, Hold};
pub use dn::{Container, L3out};
pub use engine::{Answer, Batch, Counters, Engine, Identity, Next, Outcome, Refusal};
pub use mark::{ANNOTATION, KEY, Mark};
pub use mo::Mo;
pub use reading::{Comparison, Fault, Found, FoundContainer, FoundL3out, Reading, Scope, Seen, Target};
pub use rule::{Claim, Domain, RuleId, Rules, Wish};

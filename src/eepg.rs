//! From routes to members of external EPGs (EEPGs) and to destinations of redirect policies.

pub mod dn;
pub mod mo;

pub use dn::{Container, L3out};
pub use mo::Mo;

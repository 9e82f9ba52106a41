//! The marks by which we know what is ours: nothing without both is ever changed or deleted.

use std::sync::Arc;

use crate::observer::feed::Witness;

/// `annotation` of what we write.
pub const ANNOTATION: &str = "orchestrator:thirdleaf";
/// `key` of our `tagAnnotation`.
pub const KEY: &str = "thirdleaf-owner";
/// `value` of a `tagAnnotation` is no longer (octets).
pub const LONGEST: usize = 2_048;

/// Our `tagAnnotation`: who keeps an object, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `global.name` of who keeps it.
    pub owner: Arc<str>,
    /// Which process wrote it: two that have one name are told apart by it.
    pub instance: Arc<str>,
    /// The nodes that announce it, sorted.
    pub nodes: Vec<Witness>,
    /// There are more than fit.
    pub more: bool,
}

impl Mark {
    /// The value of the `tagAnnotation`, at most [`LONGEST`] octets: nodes that do not fit are left out.
    pub fn encode(&self) -> String {
        todo!()
    }

    /// None: it is not ours, or was tampered with.
    pub fn decode(value: &str) -> Option<Self> {
        todo!("{value}")
    }
}

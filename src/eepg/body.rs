//! Changes as one request: what is posted, and where.

use std::sync::Arc;

use ipnet::IpNet;

use super::dn::Container;
use super::mark::Mark;
use super::mo::Mo;
use super::rule::{RuleId, Rules};
use crate::policy::Class;

/// One step of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Make an EEPG or a policy, with contracts or IP SLA as its rule says, and our marks.
    Make {
        /// Which.
        container: Arc<Container>,
        /// The rule that asks for it.
        rule: RuleId,
        /// Our mark on it.
        mark: Mark,
    },
    /// Delete an EEPG or a policy.
    Unmake {
        /// Which.
        container: Arc<Container>,
    },
    /// Make a member, or give it all attributes that we are responsible for.
    Put {
        /// Where.
        container: Arc<Container>,
        /// Which.
        prefix: IpNet,
        /// What it is for.
        class: Class,
        /// The rule that asks for it.
        rule: RuleId,
        /// Our mark on it.
        mark: Mark,
        /// Flags of `scope` that others set and that stay.
        keep: Scopes,
    },
    /// Delete a member.
    Remove {
        /// Where.
        container: Arc<Container>,
        /// Which.
        prefix: IpNet,
    },
    /// Take our marks off an object, and leave it.
    Release {
        /// Its container.
        container: Arc<Container>,
        /// Which member; none: the container itself.
        prefix: Option<IpNet>,
    },
}

/// A set of flags of `l3extSubnet.scope`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(pub u8);

/// One request that does all of `ops`, and nothing if any of it is refused: the object that it is posted to, the
/// nearest that contains everything, and what is posted. Containers are posted with `status: modified`, so that
/// none is made by accident, unless one of `ops` makes it.
pub fn request(rules: &Rules, ops: &[Op]) -> (String, Mo) {
    todo!("{rules:?} {ops:?}")
}

/// What a member says of itself: `name` and `descr`.
pub fn texts(rules: &Rules, class: Class, rule: RuleId, mark: &Mark) -> (String, String) {
    todo!("{rules:?} {class} {rule:?} {mark:?}")
}

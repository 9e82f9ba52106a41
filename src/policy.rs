//! Judging: route classes, verdicts and the reasons of rejection.
//!
//! A [`Policy`] is the configuration's view of what may be announced at all. [`Policy::terms`] compiles
//! what applies to one peer; [`Terms`] then judge every route of that peer in some tens of nanoseconds:
//! [`Terms::path`] once an attribute set, [`Terms::judge`] once a prefix.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod allow;
mod explain;
mod martian;
mod path;
mod terms;
pub mod verdict;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::Config;
use crate::config::model::{Allow, Node, Unique};

pub use crate::config::model::Class;
pub use explain::Check;
pub use terms::{Expected, Terms};
pub use verdict::{Accepted, Judgement, Reason, Reasons};

/// What may be announced, by whom.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: crate::config::model::Policy,
    /// Pinned nodes by name: several clusters may have one of the same name.
    pins: BTreeMap<Arc<str>, Vec<Node>>,
}

/// The peer whose routes are to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its address.
    pub address: IpAddr,
    /// Our end of the session.
    pub local: IpAddr,
    /// Its AS.
    pub peer_as: u32,
    /// The leaf's AS.
    pub local_as: u32,
    /// Its cluster.
    pub cluster: &'a str,
    /// Its VRF.
    pub vrf: &'a str,
    /// The leaf's rack, or that of the pinned node.
    pub rack: &'a str,
    /// The pinned node's name, if it is one.
    pub node: Option<&'a str>,
}

impl Policy {
    /// The policy that `config` asks for.
    pub fn new(config: &Config) -> Self {
        let mut pins: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for node in &config.nodes {
            pins.entry(Arc::clone(&node.name)).or_default().push(node.clone());
        }
        Self { rules: config.policy.clone(), pins }
    }

    /// What applies to one peer.
    ///
    /// Equal terms judge alike: after a reload only peers whose terms differ need to be judged again.
    pub fn terms(&self, subject: &Subject<'_>) -> Terms {
        let pins = subject.node.and_then(|name| self.pins.get(name)).into_iter().flatten();
        let is_of = |cluster: &Arc<str>| **cluster == *subject.cluster;
        let mut pins = pins.filter(|pin| pin.cluster.as_ref().is_none_or(is_of));
        let pinned = pins.find(|pin| pin.addresses.contains(&subject.address.to_canonical()));
        let pinned = pinned.map_or(&[][..], |pin| &pin.addresses);
        let allow = self.rules.allow.iter().filter(|entry| applies(entry, subject));
        Terms::new(&self.rules, allow, subject, pinned)
    }

    /// Whether only one node may announce a prefix of this class.
    pub fn unique(&self, class: Class) -> bool {
        let uniqueness = &self.rules.uniqueness;
        let rule = match class {
            Class::NodeSubnet => uniqueness.node_subnet,
            Class::PodBlock => uniqueness.pod_block,
            Class::PodHost => uniqueness.pod_host,
            Class::ServiceHost => uniqueness.service_host,
            Class::ServiceCidr | Class::Other => Unique::Any,
        };
        rule == Unique::OneNode
    }
}

fn applies(entry: &Allow, subject: &Subject<'_>) -> bool {
    let among = |names: &[Arc<str>], name: Option<&str>| {
        names.is_empty() || name.is_some_and(|name| names.iter().any(|one| **one == *name))
    };
    among(&entry.clusters, Some(subject.cluster))
        && among(&entry.vrfs, Some(subject.vrf))
        && among(&entry.racks, Some(subject.rack))
        && among(&entry.nodes, subject.node)
}

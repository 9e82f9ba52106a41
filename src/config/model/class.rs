//! What a prefix is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The class of a route, from the allow entry that holds its prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The subnet that a node stands in.
    NodeSubnet,
    /// A block of pod addresses that is affine to one node (Calico IPAM: /26, /122).
    PodBlock,
    /// One pod, borrowed from another node's block or moving between nodes.
    PodHost,
    /// A service range, announced by every node.
    ServiceCidr,
    /// One service, announced by the nodes that run it (`externalTrafficPolicy: Local`).
    ServiceHost,
    /// None of these.
    #[default]
    Other,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 6] =
        [Self::NodeSubnet, Self::PodBlock, Self::PodHost, Self::ServiceCidr, Self::ServiceHost, Self::Other];

    /// The name used in configuration, metrics, the API and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeSubnet => "node_subnet",
            Self::PodBlock => "pod_block",
            Self::PodHost => "pod_host",
            Self::ServiceCidr => "service_cidr",
            Self::ServiceHost => "service_host",
            Self::Other => "other",
        }
    }

    /// The class with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

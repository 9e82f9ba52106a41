//! What identifies a finding, and what proves it.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::{Kind, Severity, view};
use crate::policy::{Class, Expected, Reason};
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// Within what prefixes and nodes are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The cluster.
    pub cluster: Arc<str>,
    /// The VRF.
    pub vrf: Arc<str>,
}

impl Scope {
    /// Everywhere.
    pub(in crate::observer) fn all() -> Self {
        Self { cluster: "".into(), vrf: "".into() }
    }
}

/// What identifies a finding: the same cause has the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    Route {
        reason: Reason,
        prefix: IpNet,
    },
    Prefix(IpNet),
    Peer(PeerId),
    /// Its prefix limit: near, or above.
    Limit {
        peer: PeerId,
        above: bool,
    },
    Owed {
        peer: PeerId,
        prefix: IpNet,
    },
    Node(Arc<str>),
    Rack(Arc<str>),
    /// All of its scope.
    Scope,
    As(u32),
    Identifier(Ipv4Addr),
    Refused {
        leaf: Arc<str>,
        why: Arc<str>,
    },
    Capacity(Capacity),
    /// Something in an APIC, or the APIC itself, and a prefix there if it is about one.
    Object {
        object: Arc<str>,
        prefix: Option<IpNet>,
    },
    /// Many of one kind that began at this time, more or less.
    Burst(Timestamp),
}

/// What there can be too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// Prefixes, for the longest-prefix-match table of a leaf.
    Lpm,
    /// The same, and there are more than it holds.
    LpmExceeded,
    /// Next hops of one prefix.
    Ecmp,
}

impl Key {
    /// Routes to `prefix` that are rejected, first of all, for `reason`.
    pub(super) const fn rogue_route(scope: Scope, reason: Reason, prefix: IpNet) -> Self {
        Self { kind: Kind::RogueRoute, scope, about: About::Route { reason, prefix } }
    }

    /// More rejected routes of one peer than are worth a finding each.
    pub(super) const fn rogue_peer(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::RogueRoute, scope, about: About::Peer(peer) }
    }

    /// Several nodes announce `prefix` although one should; none if that is nothing to wonder at in `class`.
    pub fn duplicate(scope: Scope, class: Class, prefix: IpNet) -> Option<Self> {
        let kind = match class {
            Class::NodeSubnet => Kind::DuplicateNodeSubnet,
            Class::PodBlock => Kind::DuplicatePodBlock,
            Class::PodHost => Kind::DuplicatePodHost,
            Class::ServiceHost => Kind::DuplicateServiceHost,
            Class::ServiceCidr | Class::Other => return None,
        };
        Some(Self { kind, scope, about: About::Prefix(prefix) })
    }

    /// `peer` does not announce what it must.
    pub fn missing(scope: Scope, peer: PeerId, expected: Expected) -> Self {
        let (kind, prefix) = match expected {
            Expected::ServiceCidr(prefix) => (Kind::MissingServiceCidr, prefix),
            Expected::NodeSubnet(prefix) => (Kind::MissingNodeSubnet, prefix),
        };
        Self { kind, scope, about: About::Owed { peer, prefix } }
    }

    /// `node` tells leaves of one rack different things.
    pub const fn leaf_disagreement(scope: Scope, node: Arc<str>) -> Self {
        Self { kind: Kind::LeafDisagreement, scope, about: About::Node(node) }
    }

    /// No known peer of `rack` has a session.
    pub const fn rack_down(scope: Scope, rack: Arc<str>) -> Self {
        Self { kind: Kind::RackDown, scope, about: About::Rack(rack) }
    }

    /// `peer` has no session.
    pub const fn peer_down(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::PeerDown, scope, about: About::Peer(peer) }
    }

    /// The sessions of `peer` are reset again and again.
    pub const fn peer_flapping(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::PeerFlapping, scope, about: About::Peer(peer) }
    }

    /// Routes of `peer` outlive their session.
    pub const fn stale_routes(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::StaleRoutes, scope, about: About::Peer(peer) }
    }

    /// `peer` is above its prefix limit.
    pub const fn prefix_limit(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::PrefixLimit, scope, about: About::Limit { peer, above: true } }
    }

    /// `peer` is near its prefix limit.
    pub const fn prefix_limit_near(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::PrefixLimit, scope, about: About::Limit { peer, above: false } }
    }

    /// `peer` sends UPDATEs with errors.
    pub const fn malformed_updates(scope: Scope, peer: PeerId) -> Self {
        Self { kind: Kind::MalformedUpdates, scope, about: About::Peer(peer) }
    }

    /// Most nodes of a cluster pass on each other's blocks.
    pub const fn mesh_left_on(scope: Scope) -> Self {
        Self { kind: Kind::MeshLeftOn, scope, about: About::Scope }
    }

    /// Most peers of all racks are lost at once.
    pub fn observer_isolated() -> Self {
        Self { kind: Kind::ObserverIsolated, scope: Scope::all(), about: About::Scope }
    }

    /// Nodes of `rack` restarted and announce nothing.
    pub const fn recovery_wait(scope: Scope, rack: Arc<str>) -> Self {
        Self { kind: Kind::RecoveryWait, scope, about: About::Rack(rack) }
    }

    /// `leaf` refuses connections, and why: the name of a refusal, or "md5". It has no name if it is not known
    /// which it is.
    pub const fn peer_refused(scope: Scope, leaf: Arc<str>, why: Arc<str>) -> Self {
        Self { kind: Kind::PeerRefused, scope, about: About::Refused { leaf, why } }
    }

    /// Several nodes have this AS.
    pub const fn duplicate_as(scope: Scope, asn: u32) -> Self {
        Self { kind: Kind::DuplicateAs, scope, about: About::As(asn) }
    }

    /// Several nodes have this BGP identifier.
    pub const fn duplicate_router_id(scope: Scope, identifier: Ipv4Addr) -> Self {
        Self { kind: Kind::DuplicateRouterId, scope, about: About::Identifier(identifier) }
    }

    /// Nodes announce pod hosts beside their own block that holds them.
    pub const fn aggregation_missing(scope: Scope) -> Self {
        Self { kind: Kind::AggregationMissing, scope, about: About::Scope }
    }

    /// There is more of something than the fabric can hold.
    pub const fn fabric_capacity(scope: Scope, what: Capacity) -> Self {
        Self { kind: Kind::FabricCapacity, scope, about: About::Capacity(what) }
    }

    /// Nodes' hold timers expire although keepalives are sent in time.
    pub const fn timer_trouble(scope: Scope) -> Self {
        Self { kind: Kind::TimerTrouble, scope, about: About::Scope }
    }

    /// Many of one kind that began at `since`, more or less.
    pub(super) const fn burst(kind: Kind, scope: Scope, since: Timestamp) -> Self {
        Self { kind, scope, about: About::Burst(since) }
    }

    /// Whether it stands for many that began at once.
    pub const fn is_burst(&self) -> bool {
        matches!(self.about, About::Burst(_))
    }

    /// The same of another peer, if it is about one.
    #[must_use]
    pub(in crate::observer) fn of_peer(&self, other: PeerId) -> Self {
        let about = match &self.about {
            About::Peer(_) => About::Peer(other),
            About::Limit { above, .. } => About::Limit { peer: other, above: *above },
            About::Owed { prefix, .. } => About::Owed { peer: other, prefix: *prefix },
            about => about.clone(),
        };
        Self { about, ..self.clone() }
    }

    /// The rack that it is about, if it is about one.
    pub const fn rack(&self) -> Option<&Arc<str>> {
        match &self.about {
            About::Rack(rack) => Some(rack),
            _ => None,
        }
    }

    /// The least key of `kind` that can be about `peer`.
    pub(super) fn first_about(kind: Kind, scope: &Scope, peer: &PeerId) -> Self {
        let about = match kind {
            Kind::MissingServiceCidr | Kind::MissingNodeSubnet => {
                About::Owed { peer: peer.clone(), prefix: Ipv4Net::default().into() }
            }
            Kind::PrefixLimit => About::Limit { peer: peer.clone(), above: false },
            _ => About::Peer(peer.clone()),
        };
        Self { kind, scope: scope.clone(), about }
    }

    /// The least key of `kind`.
    pub(super) fn first_of(kind: Kind) -> Self {
        let prefix = Ipv4Net::default().into();
        let reason = Reason::ALL.into_iter().min().unwrap_or(Reason::DefaultRoute);
        Self { kind, scope: Scope::all(), about: About::Route { reason, prefix } }
    }

    /// What is wrong.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The prefix that it is about, if it is about one.
    pub const fn prefix(&self) -> Option<IpNet> {
        match &self.about {
            About::Route { prefix, .. } | About::Prefix(prefix) | About::Owed { prefix, .. } => Some(*prefix),
            About::Object { prefix, .. } => *prefix,
            _ => None,
        }
    }

    /// The peer that it is about, if it is about one.
    pub const fn peer(&self) -> Option<&PeerId> {
        match &self.about {
            About::Peer(peer) | About::Owed { peer, .. } | About::Limit { peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// How bad it is. That there is little room left is a warning, that there is none is critical.
    pub const fn severity(&self) -> Severity {
        match &self.about {
            About::Capacity(Capacity::LpmExceeded) => Severity::Critical,
            About::Limit { above: false, .. } => Severity::Warning,
            _ => self.kind.severity(),
        }
    }

    /// The leaf that it is about, if it is about one.
    pub(in crate::observer) fn leaf(&self) -> Option<&Arc<str>> {
        match &self.about {
            About::Refused { leaf, .. } => Some(leaf).filter(|leaf| !leaf.is_empty()),
            _ => self.peer().map(|peer| &peer.leaf),
        }
    }

    /// The object of an APIC that it is about, if it is about one.
    pub const fn object(&self) -> Option<&Arc<str>> {
        match &self.about {
            About::Object { object, .. } => Some(object),
            _ => None,
        }
    }

    /// What tells it from all others of its kind, by name: what else may become known of it is not in it.
    pub(super) fn identity(&self) -> view::Identity {
        let scope = [("cluster", &self.scope.cluster), ("vrf", &self.scope.vrf)];
        let scope = scope.into_iter().filter(|(_, name)| !name.is_empty());
        let mut identity: view::Identity =
            scope.map(|(name, value)| (Cow::Borrowed(name), Arc::clone(value))).collect();
        let mut add = |name: &'static str, value: Arc<str>| _ = identity.insert(name.into(), value);
        if let Some(PeerId { leaf, address }) = self.peer() {
            add("leaf", Arc::clone(leaf));
            add("peer", address.to_string().into());
        }
        if let Some(prefix) = self.prefix() {
            add("prefix", prefix.to_string().into());
        }
        match &self.about {
            About::Route { reason, .. } => add("reason", reason.name().into()),
            About::Peer(_) if self.kind == Kind::RogueRoute => add("prefix", view::MANY.into()),
            About::Prefix(_) | About::Peer(_) | About::Owed { .. } | About::Scope => {}
            About::Limit { above, .. } => add("object", if *above { "above" } else { "near" }.into()),
            About::Node(node) => add("node", Arc::clone(node)),
            About::Rack(rack) => add("rack", Arc::clone(rack)),
            About::As(asn) => add("object", asn.to_string().into()),
            About::Identifier(identifier) => add("object", identifier.to_string().into()),
            About::Refused { leaf, why } => {
                let known =
                    [("leaf", leaf), ("object", why)].into_iter().filter(|(_, value)| !value.is_empty());
                known.for_each(|(name, value)| add(name, Arc::clone(value)));
            }
            About::Capacity(Capacity::Lpm) => add("object", "lpm".into()),
            About::Capacity(Capacity::LpmExceeded) => add("object", "lpm_exceeded".into()),
            About::Capacity(Capacity::Ecmp) => add("object", "ecmp".into()),
            About::Object { object, .. } => add("object", Arc::clone(object)),
            About::Burst(since) => {
                add("prefix", view::MANY.into());
                add("object", format!("since {since}").into());
            }
        }
        identity
    }

    /// The reason of rejection that it is about, if it is about one.
    pub const fn reason(&self) -> Option<Reason> {
        match &self.about {
            About::Route { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// What one peer has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The peer.
    pub peer: PeerId,
    /// The node behind it.
    pub node: Option<Arc<str>>,
    /// Its cluster.
    pub cluster: Arc<str>,
    /// What was seen there, as in "AS path 65102 65101"; empty: what the summary says.
    pub text: String,
}

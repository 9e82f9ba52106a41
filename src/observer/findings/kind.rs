//! What can be found wrong.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A route that policy rejects.
    RogueRoute,
    /// One pod block from several nodes.
    DuplicatePodBlock,
    /// One node subnet from several nodes.
    DuplicateNodeSubnet,
    /// One pod host from several nodes, for longer than a migration takes.
    DuplicatePodHost,
    /// One service host from several nodes, where the configuration says that one announces it.
    DuplicateServiceHost,
    /// A service range that a node does not announce.
    MissingServiceCidr,
    /// A node that does not announce its subnet.
    MissingNodeSubnet,
    /// A node that tells leaves of one rack different things.
    LeafDisagreement,
    /// A known peer without session.
    PeerDown,
    /// A rack whose known peers, all or most of them, lost their sessions at once.
    RackDown,
    /// A peer whose sessions are reset again and again.
    PeerFlapping,
    /// Routes that outlive their session.
    StaleRoutes,
    /// A peer near or above its prefix limit.
    PrefixLimit,
    /// A peer that sends UPDATEs with errors (RFC 7606).
    MalformedUpdates,
    /// Most nodes of a cluster pass on each other's blocks.
    MeshLeftOn,
    /// Most peers of all racks lost at once: it is us.
    ObserverIsolated,
    /// Nodes that restarted and wait for one of their peers before they announce anything.
    RecoveryWait,
    /// Somebody tries to peer and is refused.
    PeerRefused,
    /// One AS on several nodes of a cluster whose nodes have one each.
    DuplicateAs,
    /// One BGP identifier on several nodes.
    DuplicateRouterId,
    /// Pod hosts announced beside the block of the same node that holds them.
    AggregationMissing,
    /// More than the fabric can hold.
    FabricCapacity,
    /// Hold timers of nodes that expire although keepalives are sent in time.
    TimerTrouble,
    /// Routes to one prefix lead to different EEPGs, or another holds what they want.
    EepgConflict,
    /// Members are not as we left them.
    EepgDrift,
    /// Members cannot be written.
    EepgWriteFailing,
    /// Deletes wait for nodes that are silent, or for a human.
    HoldDown,
    /// No controller of an APIC answers.
    ApicDown,
    /// Something that the configuration names is missing in the APIC, or is not as it must be.
    AciConfig,
    /// What happens is not written down.
    JournalFailing,
    /// Alerts do not reach a receiver.
    AlertsFailing,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 31] = [
        Self::RogueRoute,
        Self::DuplicatePodBlock,
        Self::DuplicateNodeSubnet,
        Self::DuplicatePodHost,
        Self::DuplicateServiceHost,
        Self::MissingServiceCidr,
        Self::MissingNodeSubnet,
        Self::LeafDisagreement,
        Self::PeerDown,
        Self::RackDown,
        Self::PeerFlapping,
        Self::StaleRoutes,
        Self::PrefixLimit,
        Self::MalformedUpdates,
        Self::MeshLeftOn,
        Self::ObserverIsolated,
        Self::RecoveryWait,
        Self::PeerRefused,
        Self::DuplicateAs,
        Self::DuplicateRouterId,
        Self::AggregationMissing,
        Self::FabricCapacity,
        Self::TimerTrouble,
        Self::EepgConflict,
        Self::EepgDrift,
        Self::EepgWriteFailing,
        Self::HoldDown,
        Self::ApicDown,
        Self::AciConfig,
        Self::JournalFailing,
        Self::AlertsFailing,
    ];

    /// The name used in configuration, metrics, the API and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RogueRoute => "rogue_route",
            Self::DuplicatePodBlock => "duplicate_pod_block",
            Self::DuplicateNodeSubnet => "duplicate_node_subnet",
            Self::DuplicatePodHost => "duplicate_pod_host",
            Self::DuplicateServiceHost => "duplicate_service_host",
            Self::MissingServiceCidr => "missing_service_cidr",
            Self::MissingNodeSubnet => "missing_node_subnet",
            Self::LeafDisagreement => "leaf_disagreement",
            Self::PeerDown => "peer_down",
            Self::RackDown => "rack_down",
            Self::PeerFlapping => "peer_flapping",
            Self::StaleRoutes => "stale_routes",
            Self::PrefixLimit => "prefix_limit",
            Self::MalformedUpdates => "malformed_updates",
            Self::MeshLeftOn => "mesh_left_on",
            Self::ObserverIsolated => "observer_isolated",
            Self::RecoveryWait => "recovery_wait",
            Self::PeerRefused => "peer_refused",
            Self::DuplicateAs => "duplicate_as",
            Self::DuplicateRouterId => "duplicate_router_id",
            Self::AggregationMissing => "aggregation_missing",
            Self::FabricCapacity => "fabric_capacity",
            Self::TimerTrouble => "timer_trouble",
            Self::EepgConflict => "eepg_conflict",
            Self::EepgDrift => "eepg_drift",
            Self::EepgWriteFailing => "eepg_write_failing",
            Self::HoldDown => "hold_down",
            Self::ApicDown => "apic_down",
            Self::AciConfig => "aci_config",
            Self::JournalFailing => "journal_failing",
            Self::AlertsFailing => "alerts_failing",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How bad it is; [`Key::severity`](super::Key::severity) may know better.
    pub const fn severity(self) -> Severity {
        match self {
            Self::RogueRoute
            | Self::DuplicatePodBlock
            | Self::DuplicateNodeSubnet
            | Self::RackDown
            | Self::PrefixLimit
            | Self::MeshLeftOn
            | Self::ObserverIsolated
            | Self::EepgConflict
            | Self::EepgWriteFailing
            | Self::HoldDown
            | Self::ApicDown => Severity::Critical,
            Self::DuplicatePodHost
            | Self::DuplicateServiceHost
            | Self::MissingServiceCidr
            | Self::MissingNodeSubnet
            | Self::LeafDisagreement
            | Self::PeerDown
            | Self::PeerFlapping
            | Self::StaleRoutes
            | Self::MalformedUpdates
            | Self::RecoveryWait
            | Self::PeerRefused
            | Self::DuplicateAs
            | Self::DuplicateRouterId
            | Self::AggregationMissing
            | Self::FabricCapacity
            | Self::TimerTrouble
            | Self::EepgDrift
            | Self::AciConfig
            | Self::JournalFailing
            | Self::AlertsFailing => Severity::Warning,
        }
    }

    /// How long its cause must last before it opens, unless `findings.open_after` says otherwise.
    pub const fn open_after(self) -> Duration {
        Duration::from_secs(match self {
            Self::RogueRoute | Self::DuplicatePodBlock | Self::DuplicateNodeSubnet | Self::MeshLeftOn => 5,
            Self::RecoveryWait => 15,
            Self::DuplicatePodHost
            | Self::DuplicateServiceHost
            | Self::MissingServiceCidr
            | Self::MissingNodeSubnet
            | Self::LeafDisagreement
            | Self::PeerDown
            | Self::PeerRefused
            | Self::DuplicateAs
            | Self::DuplicateRouterId
            | Self::FabricCapacity
            | Self::EepgConflict
            | Self::AciConfig => 60,
            Self::AggregationMissing => 45,
            Self::RackDown | Self::ObserverIsolated | Self::JournalFailing => 30,
            Self::StaleRoutes => 130,
            Self::ApicDown => 120,
            Self::AlertsFailing => 180,
            Self::EepgDrift | Self::EepgWriteFailing => 300,
            Self::PeerFlapping
            | Self::PrefixLimit
            | Self::MalformedUpdates
            | Self::TimerTrouble
            | Self::HoldDown => 0,
        })
    }

    /// How long its event must not have happened again for its finding to resolve.
    pub(super) const fn quiet(self) -> Duration {
        match self {
            // It happens once a day.
            Self::TimerTrouble => Duration::from_hours(24),
            _ => super::QUIET,
        }
    }

    /// Whether its cause is that several nodes announce one prefix.
    pub(super) const fn takes_two(self) -> bool {
        matches!(
            self,
            Self::DuplicatePodBlock
                | Self::DuplicateNodeSubnet
                | Self::DuplicatePodHost
                | Self::DuplicateServiceHost
        )
    }

    /// Whether its cause comes and goes by itself; of events, the quiet minutes see to that.
    pub(super) const fn flaps(self) -> bool {
        !matches!(
            self,
            Self::StaleRoutes
                | Self::PeerFlapping
                | Self::MalformedUpdates
                | Self::PeerRefused
                | Self::TimerTrouble
                | Self::RecoveryWait
        )
    }

    /// Whether its cause is that something is not there.
    pub(super) const fn is_of_absence(self) -> bool {
        matches!(self, Self::MissingServiceCidr | Self::MissingNodeSubnet | Self::LeafDisagreement)
    }

    /// Whether it is about what peers announce, so that who is not heard may still cause it.
    pub(super) const fn is_of_routes(self) -> bool {
        !matches!(
            self,
            Self::PeerDown
                | Self::RackDown
                | Self::ObserverIsolated
                | Self::PeerFlapping
                | Self::StaleRoutes
                | Self::RecoveryWait
                | Self::PeerRefused
                | Self::MalformedUpdates
                | Self::TimerTrouble
                | Self::EepgConflict
                | Self::EepgDrift
                | Self::EepgWriteFailing
                | Self::HoldDown
                | Self::ApicDown
                | Self::AciConfig
                | Self::JournalFailing
                | Self::AlertsFailing
        )
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// The name used in the API and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

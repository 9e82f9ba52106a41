//! Brakes: what holds changes back, above all deletes.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What holds a change back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Brake {
    /// Somebody paused all writing.
    Paused,
    /// Another instance writes under our name.
    ForeignInstance,
    /// The fabric was not compared completely yet.
    Comparison,
    /// It is too soon after our start.
    Startup,
    /// Nodes that had a route are silent.
    Silence,
    /// The last withdrawal is too fresh.
    DeleteAfter,
    /// Too many members lost their routes at once.
    MassWithdraw,
    /// Somebody works on a node that had the route.
    Maintenance,
    /// Too many deletes within a minute.
    DeleteRate,
    /// Too large a share of an L3Out's members was deleted within ten minutes.
    DeleteFraction,
    /// A redirect policy must keep its last destinations.
    MinDestinations,
    /// An object was repaired again and again: somebody else changes it.
    RepairLimit,
    /// The APIC refused it; it is tried again later.
    Refused,
    /// Routes to the prefix lead to different EEPGs.
    Conflict,
    /// A cap of the configuration is reached.
    Cap,
    /// The EEPG, the policy or what they stand in is missing.
    Missing,
}

impl Brake {
    /// All.
    pub const ALL: [Self; 16] = [
        Self::Paused,
        Self::ForeignInstance,
        Self::Comparison,
        Self::Startup,
        Self::Silence,
        Self::DeleteAfter,
        Self::MassWithdraw,
        Self::Maintenance,
        Self::DeleteRate,
        Self::DeleteFraction,
        Self::MinDestinations,
        Self::RepairLimit,
        Self::Refused,
        Self::Conflict,
        Self::Cap,
        Self::Missing,
    ];

    /// The name used in metrics, the API and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::ForeignInstance => "foreign_instance",
            Self::Comparison => "comparison",
            Self::Startup => "startup",
            Self::Silence => "peer_loss",
            Self::DeleteAfter => "delete_after",
            Self::MassWithdraw => "mass_withdraw",
            Self::Maintenance => "maintenance",
            Self::DeleteRate => "delete_rate",
            Self::DeleteFraction => "delete_fraction",
            Self::MinDestinations => "min_destinations",
            Self::RepairLimit => "repair_limit",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Cap => "cap",
            Self::Missing => "missing",
        }
    }
}

impl Brake {
    /// Whether it stops all writing, whatever else may hold a change.
    pub(super) const fn stops_all(self) -> bool {
        matches!(self, Self::Paused | Self::ForeignInstance | Self::Comparison)
    }
}

/// That a change is held back, and until when, if time alone lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// By what.
    pub brake: Brake,
    /// Until when.
    pub until: Option<Timestamp>,
}

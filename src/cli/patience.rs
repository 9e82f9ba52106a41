//! How long what is wrong is taken to last, where no clock runs.

use std::time::Duration;

use crate::config::Config;
use crate::observer::findings::Kind;

/// What routes alone do not show: no fabric is asked here. Routes that are stale are left as they are.
const NOT_FOUND: [Kind; 9] = [
    Kind::StaleRoutes,
    Kind::EepgConflict,
    Kind::EepgDrift,
    Kind::EepgWriteFailing,
    Kind::HoldDown,
    Kind::ApicDown,
    Kind::AciConfig,
    Kind::JournalFailing,
    Kind::AlertsFailing,
];

/// Until all kinds of findings have opened that routes show.
pub(super) fn of(config: &Config) -> Duration {
    let kinds = Kind::ALL.into_iter().filter(|kind| !NOT_FOUND.contains(kind));
    let open_after = kinds.map(|kind| {
        let own = config.findings.open_after.iter().rev().find(|(name, _)| name == kind.name());
        own.map_or_else(|| kind.open_after(), |(_, duration)| *duration)
    });
    // What is derived from others is pending a moment after them.
    open_after.max().unwrap_or_default().saturating_add(Duration::from_secs(3))
}

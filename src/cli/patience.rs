//! How long what is wrong is taken to last, where no clock runs.

use std::time::Duration;

use crate::config::Config;
use crate::observer::findings::Kind;

/// Until all kinds of findings have opened. Routes that are stale are left as they are.
pub(super) fn of(config: &Config) -> Duration {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::StaleRoutes);
    let open_after = kinds.map(|kind| {
        let own = config.findings.open_after.iter().rev().find(|(name, _)| name == kind.name());
        own.map_or_else(|| kind.open_after(), |(_, duration)| *duration)
    });
    // What is derived from others is pending a moment after them.
    open_after.max().unwrap_or_default().saturating_add(Duration::from_secs(3))
}

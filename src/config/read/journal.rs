//! `[journal]`: what is kept of the past.

use std::time::Duration;

use super::super::model::{Fsync, Journal};
use super::super::table::{Section, Value};
use super::{archive, within};

pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DECADE: Duration = Duration::from_hours(87_660);

/// What it says.
pub(super) fn journal(mut section: Section<'_, '_>) -> Journal {
    let default = Journal::default();
    let enabled = section.read("enabled", Value::bool).unwrap_or(default.enabled);
    let max_bytes = section.read("max_bytes", |value| value.number(16 << 20..=1 << 40));
    let keep = section.read("keep", |value| {
        let range = HOUR..=DECADE;
        within(value, range, "what is older goes, and what is still announced stays")
    });
    let choices = [("commit", Fsync::Commit), ("checkpoint", Fsync::Checkpoint)];
    let fsync = section.read("fsync", |value| value.choice(&choices));
    let mrt = section.take("mrt").and_then(Value::section).and_then(archive::archive);
    Journal {
        enabled,
        mrt,
        max_bytes: max_bytes.unwrap_or(default.max_bytes),
        keep: keep.unwrap_or(default.keep),
        fsync: fsync.unwrap_or(default.fsync),
    }
}

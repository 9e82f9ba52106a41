//! `journal.mrt`: messages and tables in files that other tools read.

use std::time::Duration;

use super::super::model::MrtArchive;
use super::super::table::{Section, Value};
use super::journal::{DECADE, HOUR};
use super::{DAY, within};

const MINUTE: Duration = Duration::from_mins(1);

/// What it says; none, if nothing is to be written or nobody knows where.
pub(super) fn archive(mut section: Section<'_, '_>) -> Option<MrtArchive> {
    let dir = section.need("dir", Value::path);
    let rotate = section.read("rotate", part_of_a_day);
    let table_every = section.read("table_every", part_of_a_day);
    let keep = section.read("keep", |value| within(value, HOUR..=DECADE, "files that began longer ago go"));
    let max_bytes = section.read("max_bytes", |value| value.number(16 << 20..=1 << 44));
    let default = MrtArchive::at(dir?);
    Some(MrtArchive {
        rotate: rotate.unwrap_or(default.rotate),
        table_every: table_every.unwrap_or(default.table_every),
        keep: keep.unwrap_or(default.keep),
        max_bytes: max_bytes.unwrap_or(default.max_bytes),
        ..default
    })
}

/// Whole minutes that a day is a multiple of: files are named by the minute, and are the same every day.
fn part_of_a_day(value: &Value<'_, '_>) -> Option<Duration> {
    let time = within(value, MINUTE..=DAY, "a file is named by the minute in which it begins")?;
    let is_whole = time.subsec_nanos() == 0 && time.as_secs().is_multiple_of(60);
    if is_whole && DAY.as_secs().is_multiple_of(time.as_secs()) {
        return Some(time);
    }
    value.fail_with("a day is no multiple of it", "write \"15m\", \"1h\", \"8h\" or \"1day\"");
    None
}

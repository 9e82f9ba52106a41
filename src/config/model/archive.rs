//! `journal.mrt`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::shown;

/// `journal.mrt`: what sessions say, and the tables that come of it, in files of MRT (RFC 6396).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MrtArchive {
    /// Where.
    pub dir: PathBuf,
    /// How long a file of messages goes on; times are multiples of it, in UTC.
    #[serde(serialize_with = "shown::duration")]
    pub rotate: Duration,
    /// How often a table is written; times are multiples of it, in UTC.
    #[serde(serialize_with = "shown::duration")]
    pub table_every: Duration,
    /// How long files are kept.
    #[serde(serialize_with = "shown::duration")]
    pub keep: Duration,
    /// How large all files together may grow, in octets.
    pub max_bytes: u64,
}

impl MrtArchive {
    /// The archive in this directory, all else by default.
    pub const fn at(dir: PathBuf) -> Self {
        Self {
            dir,
            rotate: Duration::from_hours(1),
            table_every: Duration::from_hours(2),
            keep: Duration::from_hours(7 * 24),
            max_bytes: 4 << 30,
        }
    }
}

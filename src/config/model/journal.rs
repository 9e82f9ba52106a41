//! `[journal]`.

use std::time::Duration;

use serde::Serialize;

use super::MrtArchive;
use crate::config::shown;

/// `[journal]`: what is kept of the past; restart-only. Without a `global.state_dir`, only the MRT archive is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Journal {
    /// Whether it is kept.
    pub enabled: bool,
    /// How large the file may grow, in octets.
    pub max_bytes: u64,
    /// How long what is over is kept.
    #[serde(serialize_with = "shown::duration")]
    pub keep: Duration,
    /// When the disk must have it.
    pub fsync: Fsync,
    /// What sessions say, in files that other tools read; none: it is not written.
    pub mrt: Option<MrtArchive>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            enabled: true,
            max_bytes: 1 << 30,
            keep: Duration::from_hours(30 * 24),
            fsync: Fsync::default(),
            mrt: None,
        }
    }
}

/// `journal.fsync`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// With every write, some four a second while much happens.
    Commit,
    /// When what was written is put in its place, every few MiB: a machine that loses its power loses what came
    /// after; a process that dies loses nothing.
    #[default]
    Checkpoint,
}

impl Fsync {
    /// As `SQLite` calls it.
    pub(crate) const fn synchronous(self) -> &'static str {
        match self {
            Self::Commit => "FULL",
            Self::Checkpoint => "NORMAL",
        }
    }
}

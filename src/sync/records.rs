//! The controller's files: where they are, and that they are open before anything is done.

use std::io;
use std::path::PathBuf;

use tracing::warn;

use super::audit::{Audit, Ended};
use super::saved::Saved;

/// Where the controller keeps its files.
#[derive(Clone, Debug)]
pub enum Place {
    /// Nowhere: `global.state_dir` is not set.
    Nowhere,
    /// In this directory, into which nobody else writes.
    Directory(PathBuf),
    /// In this one, which is another's or cannot be used: nothing is read or written there.
    Unusable(PathBuf),
}

impl Place {
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => Some(directory.join(name)),
            Self::Nowhere | Self::Unusable(_) => None,
        }
    }

    fn unusable(self) -> Self {
        match self {
            Self::Directory(directory) => Self::Unusable(directory),
            other => other,
        }
    }
}

/// The files of a controller that is about to start.
#[derive(Debug)]
pub struct Records {
    pub(super) place: Place,
    pub(super) saved: Saved,
    pub(super) audit: Audit,
    pub(super) audited: Option<Ended>,
}

impl Records {
    /// Reads what was kept in `place`, and starts to write there.
    ///
    /// # Errors
    /// There is no thread to be had that writes the audit file.
    pub fn open(place: Place) -> io::Result<Self> {
        let (place, saved) = match (Saved::open(&place), place) {
            (Ok(saved), place) => (place, saved),
            (Err(error), place) => {
                warn!(
                    "nothing will be written to the APIC: whether somebody paused that cannot be read: {error}"
                );
                (place.unusable(), Saved::new())
            }
        };
        let (audit, audited) = Audit::start(&place)?;
        Ok(Self { place, saved, audit, audited })
    }
}

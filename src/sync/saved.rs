//! What the controller knows of itself after a restart: which instance it is, and that somebody paused it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::records::Place;
use crate::disk;
use crate::eepg::view::Pause;

/// Below `global.state_dir`.
const FILE: &str = "sync.json";
/// Which edition of the format the file is written in.
const VERSION: u32 = 1;
/// No file is larger, and none that is will be read.
const LARGEST: u64 = 64 << 10;

/// What is in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Sixteen hexadecimal digits, ours for as long as the file lives.
    pub(super) instance: String,
    /// That somebody paused all writing.
    #[serde(default)]
    pub(super) pause: Option<Pause>,
}

impl Saved {
    /// What was kept in `place`; else a new instance, which is kept there.
    ///
    /// # Errors
    /// What is there cannot be read now, and stays: somebody may have paused all writing.
    pub(super) fn open(place: &Place) -> io::Result<Self> {
        let Some(path) = place.file(FILE) else { return Ok(Self::new()) };
        if let Some(saved) = disk::read(&path, VERSION, LARGEST)?.filter(Self::is_sound) {
            return Ok(saved);
        }
        let saved = Self::new();
        if let Err(error) = saved.keep(place) {
            warn!("which instance this is will be forgotten at the next start: {}: {error}", path.display());
        }
        Ok(saved)
    }

    /// Writes the file, if there is a place for it. Answers whether there is.
    ///
    /// # Errors
    /// What was kept before stays.
    pub(super) fn keep(&self, place: &Place) -> io::Result<bool> {
        let Some(path) = place.file(FILE) else { return Ok(false) };
        disk::write(&path, &disk::encode(VERSION, self)?)?;
        Ok(true)
    }

    /// Hash maps are keyed by the machine's chance, and so are we.
    pub(super) fn new() -> Self {
        let instance = format!("{:016x}", RandomState::new().build_hasher().finish());
        Self { instance, pause: None }
    }

    fn is_sound(&self) -> bool {
        let digit = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
        self.instance.len() == 16 && self.instance.bytes().all(digit)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::records::Records;
    use super::*;
    use crate::time::Timestamp;

    fn place(name: &str) -> (PathBuf, Place) {
        let directory = std::env::temp_dir().join(format!("thirdleaf-saved-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        (directory.clone(), Place::Directory(directory))
    }

    #[test]
    fn an_instance_stays_the_same_and_so_does_its_pause() {
        let (directory, place) = place("same");
        let first = Saved::open(&place).unwrap();
        assert!(first.is_sound() && first.pause.is_none(), "{first:?}");
        let pause =
            Pause { until: Timestamp::from_micros(1_763_740_000_000_000), reason: "an upgrade".into() };
        let paused = Saved { pause: Some(pause), ..first };
        assert!(paused.keep(&place).unwrap());
        assert_eq!(Saved::open(&place).unwrap(), paused);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn another_place_is_another_instance() {
        let instances = [Place::Nowhere, Place::Nowhere, Place::Unusable("/".into())].map(|place| {
            let saved = Saved::open(&place).unwrap();
            assert!(!saved.keep(&place).unwrap());
            saved.instance
        });
        assert!(instances[0] != instances[1] && instances[1] != instances[2], "{instances:?}");
    }

    #[test]
    fn what_is_damaged_is_set_aside_and_what_is_no_instance_is_not_believed() {
        let (directory, place) = place("damaged");
        let file = directory.join(FILE);
        fs::write(&file, "{\"version\":1,\"sta").unwrap();
        let saved = Saved::open(&place).unwrap();
        assert!(saved.is_sound() && directory.join("sync.json.damaged").exists());
        assert_eq!(Saved::open(&place).unwrap(), saved, "the new one is kept");
        for instance in ["", "0123", "0123456789ABCDEF", "../../../../etc/x"] {
            let odd = Saved { instance: instance.to_owned(), pause: None };
            odd.keep(&place).unwrap();
            assert!(Saved::open(&place).unwrap().is_sound(), "{instance}");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    /// A pause may stand in it.
    #[tokio::test]
    async fn what_cannot_be_read_now_stays_and_nothing_is_written_meanwhile() {
        let (directory, place) = place("unreadable");
        let file = directory.join(FILE);
        fs::create_dir(&file).unwrap();
        let records = Records::open(place).unwrap();
        assert!(records.saved.is_sound() && file.is_dir());
        records.audit.write(&1).await.unwrap_err();
        drop(records);
        fs::remove_dir_all(directory).unwrap();
    }
}

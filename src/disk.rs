//! Files that must survive: whole or not there at all, and for their owner alone.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

/// What such a file holds.
#[derive(Serialize)]
struct Written<'a, T> {
    version: u32,
    state: &'a T,
}

#[derive(Deserialize)]
struct Found<T> {
    state: T,
}

#[derive(Deserialize)]
struct Edition {
    version: u32,
}

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no file")]
    NoFile,
    #[error("it is larger than {0} octets")]
    TooLarge(u64),
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("it is of version {found}, and this thirdleaf reads version {version}")]
    Version { found: u32, version: u32 },
}

/// What a file of this version holds, as [`encode`] wrote it. One that is larger than `largest` octets is not read.
///
/// # Errors
/// Why it is not believed, that there is none included.
pub(crate) fn load<T: DeserializeOwned>(path: &Path, version: u32, largest: u64) -> Result<T, Unreadable> {
    // A pipe would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Err(Unreadable::NoFile);
    }
    let mut octets = Vec::new();
    File::open(path)?.take(largest + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > largest {
        return Err(Unreadable::TooLarge(largest));
    }
    let Edition { version: found } = serde_json::from_slice(&octets)?;
    if version != found {
        return Err(Unreadable::Version { found, version });
    }
    let Found { state } = serde_json::from_slice(&octets)?;
    Ok(state)
}

/// The same; none if there is no file, or one that is damaged, too large or of another version: that is set aside.
///
/// # Errors
/// What is there may be whole, but cannot be read now.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, version: u32, largest: u64) -> io::Result<Option<T>> {
    let named = |error: io::Error| Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
    let error = match load(path, version, largest) {
        Ok(state) => return Ok(Some(state)),
        Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(Unreadable::Io(error)) => return named(error),
        Err(error @ Unreadable::NoFile) => return named(io::Error::other(error)),
        Err(error) => error,
    };
    let aside = beside(path, ".damaged");
    let outcome = match fs::rename(path, &aside) {
        Ok(()) => format!("it is kept as {}", aside.display()),
        Err(error) => format!("it cannot be set aside: {error}"),
    };
    warn!("starting without what was known before: {} cannot be used, {error}; {outcome}", path.display());
    Ok(None)
}

/// A document of this version that holds `state`.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn encode<T: Serialize>(version: u32, state: &T) -> io::Result<Vec<u8>> {
    let mut octets = serde_json::to_vec(&Written { version, state })?;
    octets.push(b'\n');
    Ok(octets)
}

/// A file with this in it, on the disk: all of it or nothing. The old file stays until the new one is there.
///
/// # Errors
/// Why it stays.
pub(crate) fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let partial = beside(path, ".partial");
    let renamed = create(&partial, octets).and_then(|()| fs::rename(&partial, path));
    if renamed.is_err() {
        // There may be none; what failed is said, and this would say the same.
        let _ = fs::remove_file(&partial);
    }
    renamed?;
    settle(path)
}

/// What was made, renamed or deleted beside `path` is on the disk.
///
/// # Errors
/// It may not be.
pub(crate) fn settle(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// A file of ours, made if it is not there: neither a pipe, which would be waited for, nor a link, which may lead
/// anywhere.
///
/// # Errors
/// It is none, or cannot be opened; the message names it.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let options = options.create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).map_err(named)?;
    if !file.metadata()?.is_file() {
        return Err(named(io::Error::other(Unreadable::NoFile)));
    }
    Ok(file)
}

/// The path of another file, that has this after its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// A file with this in it, on the disk, which only its owner may read; what another left there is gone.
fn create(path: &Path, octets: &[u8]) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

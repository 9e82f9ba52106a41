//! The files: their names, their ends, and which of them stay.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::disk;
use crate::time::Timestamp;

/// Whoever writes here holds a lock on this file.
const LOCK: &str = "lock";
/// What a file is called until all of it is there.
const PARTIAL: &str = ".partial";
/// Octets packed at a time: the thread has other things to do.
const PACKED: usize = 256 << 10;
/// Octets of the header of a record (RFC 6396, 2).
const HEADER: usize = 12;

/// The time of a file, as its name has it: to the minute, in UTC. Names sort as times do.
pub(super) fn stamp(at: Timestamp) -> String {
    let text = at.to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(12).collect();
    match digits.split_at_checked(8) {
        Some((day, minute)) => format!("{day}.{minute}"),
        None => digits,
    }
}

/// The place of a file of messages.
pub(super) fn updates(directory: &Path, at: Timestamp) -> PathBuf {
    directory.join(format!("updates.{}.mrt", stamp(at)))
}

/// The place of a table.
pub(super) fn table(directory: &Path, at: Timestamp) -> PathBuf {
    directory.join(format!("rib.{}.mrt.gz", stamp(at)))
}

/// Makes the directory if need be, for its owner alone, and takes it for this process.
///
/// # Errors
/// It cannot be had, or another writes there.
pub(super) fn take(directory: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let lock = disk::open(&directory.join(LOCK), OpenOptions::new().truncate(false).write(true))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another thirdleaf writes there; stop it, or set another `journal.mrt.dir`",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file of messages, to go on with: what a kill left of a last record is cut off, for nothing behind it could be
/// read. Also how many octets are in it.
///
/// # Errors
/// It cannot be had.
pub(super) fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = disk::open(path, OpenOptions::new().truncate(false).read(true).write(true))?;
    let length = file.metadata()?.len();
    let whole = whole(&mut file, length)?;
    if whole < length {
        file.set_len(whole)?;
    }
    file.seek(SeekFrom::Start(whole))?;
    Ok((file, whole))
}

/// Where the last whole record ends.
fn whole(file: &mut File, length: u64) -> io::Result<u64> {
    let mut at = 0;
    let mut header = [0; HEADER];
    let mut file = BufReader::new(file);
    while at + HEADER as u64 <= length {
        file.read_exact(&mut header)?;
        let body = header.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
        let next = at + HEADER as u64 + u64::from(body);
        if next > length {
            break;
        }
        file.seek_relative(body.into())?;
        at = next;
    }
    Ok(at)
}

/// A file that appears under its name when it is whole.
#[derive(Debug)]
pub(super) struct Packing {
    name: PathBuf,
    partial: PathBuf,
    output: Option<GzEncoder<File>>,
}

impl Packing {
    /// One to be called this.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn new(name: PathBuf) -> io::Result<Self> {
        let partial = disk::beside(&name, PARTIAL);
        remove(&partial)?;
        let file = disk::open(&partial, OpenOptions::new().write(true))?;
        Ok(Self { name, partial, output: Some(GzEncoder::new(file, Compression::fast())) })
    }

    /// # Errors
    /// They cannot be written.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.output.as_mut().map_or(Ok(()), |output| output.write_all(octets))
    }

    /// It is whole, and has its name.
    ///
    /// # Errors
    /// It is not on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let Some(output) = self.output.take() else { return Ok(()) };
        let done = output.finish().and_then(|file| file.sync_all());
        done.and_then(|()| fs::rename(&self.partial, &self.name)).inspect_err(|_| {
            let _ = remove(&self.partial);
        })?;
        disk::settle(&self.name)
    }
}

/// What is not finished leaves nothing behind.
impl Drop for Packing {
    fn drop(&mut self) {
        if self.output.take().is_some() {
            let _ = remove(&self.partial);
        }
    }
}

/// A closed file that is being compressed, a piece at a time.
#[derive(Debug)]
pub(super) struct Squeeze {
    plain: PathBuf,
    input: File,
    packing: Packing,
    buffer: Vec<u8>,
}

impl Squeeze {
    /// None: there is one of that name already, of the same minute.
    ///
    /// # Errors
    /// It cannot be read, or nothing be made beside it.
    pub(super) fn new(plain: PathBuf) -> io::Result<Option<Self>> {
        let name = disk::beside(&plain, ".gz");
        if name.exists() {
            return Ok(None);
        }
        let input = File::open(&plain)?;
        Ok(Some(Self { input, packing: Packing::new(name)?, plain, buffer: vec![0; PACKED] }))
    }

    /// Goes on by a piece; answers itself, if there is more to do.
    ///
    /// # Errors
    /// The file stays as it is.
    pub(super) fn step(mut self) -> io::Result<Option<Self>> {
        let count = self.input.read(&mut self.buffer)?;
        if count > 0 {
            self.packing.write(self.buffer.get(..count).unwrap_or_default())?;
            return Ok(Some(self));
        }
        self.packing.finish()?;
        remove(&self.plain)?;
        Ok(None)
    }
}

/// A file of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    stamp: String,
    pub(super) path: PathBuf,
    octets: u64,
}

impl Listed {
    /// Whether it is a file of messages that is not compressed.
    pub(super) fn is_plain(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "mrt")
    }
}

/// Our files, the oldest first. What else is there is not ours.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn list(directory: &Path) -> io::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(stamp) = entry.file_name().to_str().and_then(stamp_of)
            && entry.file_type()?.is_file()
        {
            // One that is gone by now takes no room.
            let octets = entry.metadata().map_or(0, |metadata| metadata.len());
            files.push(Listed { stamp: stamp.to_owned(), path: entry.path(), octets });
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The time in the name of a file of ours.
fn stamp_of(name: &str) -> Option<&str> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let stamp = plain.strip_suffix(".mrt")?;
    let stamp = match stamp.strip_prefix("rib.") {
        Some(stamp) if plain != name => stamp,
        _ => stamp.strip_prefix("updates.")?,
    };
    let (day, minute) = stamp.split_once('.')?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit());
    (digits(day, 8) && digits(minute, 4)).then_some(stamp)
}

/// Deletes what is too old and, the oldest first, what is too much, but never `open`. Answers how many octets stay.
///
/// # Errors
/// Something cannot be deleted, or the directory not be read.
pub(super) fn trim(
    directory: &Path,
    open: Option<&Path>,
    before: Timestamp,
    max_bytes: u64,
) -> io::Result<u64> {
    let files = list(directory)?;
    let mut octets: u64 = files.iter().map(|file| file.octets).sum();
    let before = stamp(before);
    for file in files.iter().filter(|file| Some(&*file.path) != open) {
        if octets <= max_bytes && file.stamp >= before {
            break;
        }
        remove(&file.path)?;
        octets = octets.saturating_sub(file.octets);
    }
    Ok(octets)
}

/// Deletes what another process left unfinished.
///
/// # Errors
/// It stays.
pub(super) fn tidy(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let whole = name.to_str().and_then(|name| name.strip_suffix(PARTIAL));
        if whole.is_some_and(|name| stamp_of(name).is_some()) {
            remove(&directory.join(&name))?;
        }
    }
    Ok(())
}

/// `at`, or the last multiple of `every` before it, counted from midnight in UTC.
pub(super) fn floor(at: Timestamp, every: Duration) -> Timestamp {
    let every = u64::try_from(every.as_micros()).unwrap_or(u64::MAX).max(1);
    Timestamp::from_micros(at.as_micros() / every * every)
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

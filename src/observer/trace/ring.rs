//! The ring: segments in a directory, written by a thread of their own.

#![expect(clippy::disallowed_methods, reason = "the trace's IO: files, and the thread that writes them")]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::{Recorder, SEGMENT, SEGMENTS};

/// How many parts may wait for the disk, and how many octets.
const PARTS: usize = 4_096;
const WAITING: usize = 32 << 20;

/// What the beginning of a segment is called until all of it is written.
const PARTIAL: &str = "partial";
/// Whoever writes here holds a lock on this file.
const LOCK: &str = "lock";

/// What there is to write.
pub(super) enum Part {
    /// The beginning of another segment.
    Segment {
        /// That of the file.
        number: u64,
        /// Whether it goes on from the one before.
        continues: bool,
        /// What it holds.
        octets: Vec<u8>,
    },
    /// More of the present one.
    Inputs { octets: Vec<u8>, inputs: u64 },
}

impl Part {
    const fn octets(&self) -> &Vec<u8> {
        match self {
            Self::Segment { octets, .. } | Self::Inputs { octets, .. } => octets,
        }
    }

    const fn inputs(&self) -> u64 {
        match self {
            Self::Segment { .. } => 0,
            Self::Inputs { inputs, .. } => *inputs,
        }
    }
}

/// The way to the thread that writes: nothing here ever waits for it.
pub(super) struct Ring {
    parts: SyncSender<Part>,
    shared: Arc<Shared>,
    written: oneshot::Receiver<()>,
}

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    lost: AtomicU64,
    /// Why writing failed, until that is taken.
    failure: Mutex<Option<io::Error>>,
}

impl Shared {
    fn replace_failure(&self, with: Option<io::Error>) -> Option<io::Error> {
        std::mem::replace(&mut *self.failure.lock().unwrap_or_else(PoisonError::into_inner), with)
    }
}

impl Recorder {
    /// A recorder that keeps a ring of segments in `directory`, which it makes if need be, for its owner alone.
    ///
    /// # Errors
    /// The directory cannot be made or read, another writes there, or there is no thread to be had.
    pub fn start(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        keep_to_the_owner(directory)?;
        let lock = lock(directory)?;
        let last = segments(directory)?.last().map_or(0, |(number, _)| *number);
        let (ring, writer, received) = Ring::new(directory, lock);
        thread::Builder::new().name("trace".to_owned()).spawn(move || writer.run(&received))?;
        Ok(Self::new(ring, last, SEGMENT))
    }
}

impl Ring {
    fn new(directory: &Path, lock: File) -> (Self, Writer, Receiver<Part>) {
        let (parts, received) = sync_channel(PARTS);
        let (done, written) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let directory = directory.to_owned();
        let writer = Writer { directory, file: None, shared: Arc::clone(&shared), done, _lock: lock };
        (Self { parts, shared, written }, writer, received)
    }

    /// Hands a part over; `false`: there is no room, and what it held is counted as lost.
    pub(super) fn send(&self, part: Part) -> bool {
        let (octets, inputs) = (part.octets().len(), part.inputs());
        let room = self.shared.waiting.fetch_add(octets, Relaxed) < WAITING;
        let sent = room && self.parts.try_send(part).is_ok();
        if !sent {
            self.shared.waiting.fetch_sub(octets, Relaxed);
            self.lose(inputs);
        }
        sent
    }

    pub(super) fn lose(&self, inputs: u64) {
        self.shared.lost.fetch_add(inputs, Relaxed);
    }

    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// Why writing failed, if it did since this was asked last.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.shared.replace_failure(None)
    }

    /// There will be no more; the answer comes when all is written.
    pub(super) fn end(self) -> oneshot::Receiver<()> {
        self.written
    }
}

/// A recorder whose segments are full after so many octets, and what it would have written.
#[cfg(test)]
pub(in crate::observer) fn to_memory(full: usize) -> (Recorder, Memory) {
    let (parts, received) = sync_channel(1 << 20);
    let (_, written) = oneshot::channel();
    let shared = Arc::new(Shared::default());
    (Recorder::new(Ring { parts, shared: Arc::clone(&shared), written }, 0, full), Memory(received, shared))
}

/// Segments that no disk has seen.
#[cfg(test)]
pub(in crate::observer) struct Memory(Receiver<Part>, Arc<Shared>);

#[cfg(test)]
impl Memory {
    pub(in crate::observer) fn segments(&self) -> Vec<Vec<u8>> {
        let mut segments: Vec<Vec<u8>> = Vec::new();
        for part in self.0.try_iter() {
            match part {
                Part::Segment { octets, .. } => segments.push(octets),
                Part::Inputs { octets, .. } => segments.last_mut().unwrap().extend(octets),
            }
        }
        segments
    }

    /// How many segments were begun since the last time; none could be written.
    pub(in crate::observer) fn fail(&self) -> usize {
        let begun = self.0.try_iter().filter(|part| matches!(part, Part::Segment { .. })).count();
        if begun > 0 {
            self.1.replace_failure(Some(io::ErrorKind::StorageFull.into()));
        }
        begun
    }
}

/// The numbers and places of the segments in `directory`, in order. What else is there is not ours.
///
/// # Errors
/// The directory cannot be read.
pub fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(number)
            && entry.file_type()?.is_file()
        {
            segments.push((number, entry.path()));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Which segment has this name.
fn number(file: &str) -> Option<u64> {
    let number = file.strip_prefix("trace-")?.parse().ok()?;
    (name(number) == file).then_some(number)
}

struct Writer {
    directory: PathBuf,
    /// None until a segment is begun, and after something failed.
    file: Option<File>,
    shared: Arc<Shared>,
    done: oneshot::Sender<()>,
    /// Held as long as this writes.
    _lock: File,
}

impl Writer {
    fn run(mut self, parts: &Receiver<Part>) {
        for part in parts {
            self.shared.waiting.fetch_sub(part.octets().len(), Relaxed);
            if let Err(error) = self.write(&part) {
                self.file = None;
                self.shared.replace_failure(Some(error));
            }
            if self.file.is_none() {
                self.shared.lost.fetch_add(part.inputs(), Relaxed);
            }
        }
        // Who asked may have gone.
        let _ = self.done.send(());
    }

    fn write(&mut self, part: &Part) -> io::Result<()> {
        match (part, &mut self.file) {
            // Such a segment was on its way when the one before failed, and goes on from what is not there.
            (Part::Segment { continues: true, .. } | Part::Inputs { .. }, None) => {}
            (Part::Segment { number, octets, .. }, _) => self.file = Some(self.begin(*number, octets)?),
            (Part::Inputs { octets, .. }, Some(file)) => {
                let whole = file.stream_position()?;
                // What is counted as lost is not there in part either: a gap is no damage.
                file.write_all(octets).or_else(|error| file.set_len(whole).and(Err(error)))?;
            }
        }
        Ok(())
    }

    /// Begins a segment: it has its name, and the oldest goes, only when its beginning is written.
    fn begin(&self, number: u64, octets: &[u8]) -> io::Result<File> {
        self.keep_the_newest()?;
        let partial = self.directory.join(PARTIAL);
        let begun = create(&partial, octets).and_then(|file| {
            fs::rename(&partial, self.directory.join(name(number)))?;
            Ok(file)
        });
        if begun.is_err() {
            // There may be none; what failed is said, and this would say the same.
            let _ = fs::remove_file(&partial);
        }
        let file = begun?;
        self.keep_the_newest()?;
        Ok(file)
    }

    fn keep_the_newest(&self) -> io::Result<()> {
        let segments = segments(&self.directory)?;
        let many = segments.len().saturating_sub(SEGMENTS);
        segments.iter().take(many).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// All routes are in a trace, and it may be that others made the directory.
fn keep_to_the_owner(directory: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(directory)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o700);
        fs::set_permissions(directory, permissions)?;
    }
    Ok(())
}

/// Two who write into one ring would take each other's segments for theirs.
fn lock(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another thirdleaf records there; stop it, or set another `global.state_dir`",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn name(number: u64) -> String {
    format!("trace-{number}")
}

/// A file with this in it, which only its owner may read; what was left there by another is gone.
fn create(path: &Path, octets: &[u8]) -> io::Result<File> {
    fs::remove_file(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(octets)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(directory: &Path) -> (Ring, thread::JoinHandle<()>) {
        let (ring, writer, received) = Ring::new(directory, lock(directory).unwrap());
        (ring, thread::Builder::new().spawn(move || writer.run(&received)).unwrap())
    }

    fn segment(number: u64, octets: &[u8]) -> Part {
        Part::Segment { number, continues: false, octets: octets.to_vec() }
    }

    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("thirdleaf-{name}-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn numbers(directory: &Path) -> Vec<u64> {
        segments(directory).unwrap().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn the_oldest_segments_go() {
        let directory = Temporary::new("ring");
        for more in [1..=7, 8..=12] {
            let (ring, thread) = started(&directory.0);
            for number in more {
                assert!(ring.send(segment(number, b"begins")));
                assert!(ring.send(Part::Inputs { octets: b", goes on".to_vec(), inputs: 1 }));
            }
            let done = ring.end();
            done.blocking_recv().unwrap();
            thread.join().unwrap();
        }
        assert_eq!(numbers(&directory.0), (5..=12).collect::<Vec<_>>());
        assert_eq!(fs::read(directory.0.join("trace-12")).unwrap(), b"begins, goes on");
    }

    #[test]
    fn what_cannot_be_written_is_counted_until_there_is_another_segment() {
        let directory = Temporary::new("full-ring");
        let (ring, thread) = started(&directory.0);
        fs::create_dir(directory.0.join("trace-1")).unwrap();
        assert!(ring.send(segment(1, b"begins")));
        assert!(ring.send(Part::Inputs { octets: b", goes on".to_vec(), inputs: 3 }));
        assert!(ring.send(Part::Segment { number: 2, continues: true, octets: b"continues".to_vec() }));
        assert!(ring.send(Part::Inputs { octets: b", goes on".to_vec(), inputs: 4 }));
        while ring.lost() < 7 {
            thread::yield_now();
        }
        assert!(ring.failure().is_some() && ring.failure().is_none(), "it is said once");
        assert!(ring.send(segment(3, b"again")));
        assert!(ring.send(Part::Inputs { octets: b", goes on".to_vec(), inputs: 5 }));
        let shared = Arc::clone(&ring.shared);
        ring.end().blocking_recv().unwrap();
        thread.join().unwrap();
        assert_eq!(fs::read(directory.0.join("trace-3")).unwrap(), b"again, goes on");
        assert_eq!(shared.lost.load(Relaxed), 7);
        let mut names: Vec<_> =
            fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, [LOCK, "trace-1", "trace-3"], "nothing half done stays");
    }

    #[test]
    fn what_cannot_be_begun_takes_nothing_of_what_is_kept() {
        let directory = Temporary::new("kept-ring");
        for numbers in [1..=8, 9..=12] {
            let (ring, thread) = started(&directory.0);
            for number in numbers {
                assert!(ring.send(segment(number, b"begins")));
            }
            ring.end().blocking_recv().unwrap();
            thread.join().unwrap();
            // A disk that is full fails where this does.
            let in_its_way = directory.0.join(PARTIAL);
            fs::create_dir_all(&in_its_way).unwrap();
            fs::write(in_its_way.join("file"), "").unwrap();
        }
        assert_eq!(numbers(&directory.0), (1..=8).collect::<Vec<_>>());
    }

    #[test]
    fn one_at_a_time_writes_into_a_ring_and_nobody_else_reads_it() {
        let directory = Temporary::new("shared-ring");
        fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o755)).unwrap();
        let one = Recorder::start(&directory.0).unwrap();
        let mode = fs::metadata(&directory.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "it is its owner's alone, whoever made it");
        let error = Recorder::start(&directory.0).err().unwrap();
        assert!(error.to_string().contains("another thirdleaf records there"), "{error}");
        drop(one);
        // The thread that writes ends soon.
        while Recorder::start(&directory.0).is_err() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_is_not_ours_stays_and_counts_for_nothing() {
        let directory = Temporary::new("foreign-ring");
        fs::create_dir(directory.0.join("trace-1")).unwrap();
        for name in ["trace-007", "trace-+8", "trace-9.bak", "trace-", "notes"] {
            fs::write(directory.0.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", directory.0.join("trace-10")).unwrap();
        assert_eq!(numbers(&directory.0), [0_u64; 0]);
        fs::write(directory.0.join(name(u64::MAX)), "").unwrap();
        assert_eq!(numbers(&directory.0), [u64::MAX]);
        assert_eq!(Recorder::start(&directory.0).unwrap().next(), u64::MAX);
    }
}

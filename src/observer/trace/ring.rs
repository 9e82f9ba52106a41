//! The ring: segments in a directory, written by a thread of their own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;
use tracing::warn;

use super::{Recorder, SEGMENT, SEGMENTS};

/// How many parts may wait for the disk, and how many octets.
const PARTS: usize = 4_096;
const WAITING: usize = 32 << 20;

/// What there is to write.
pub(super) enum Part {
    /// The beginning of another segment.
    Segment(Vec<u8>),
    /// More of the present one.
    Inputs { octets: Vec<u8>, inputs: u64 },
}

impl Part {
    const fn octets(&self) -> &Vec<u8> {
        match self {
            Self::Segment(octets) | Self::Inputs { octets, .. } => octets,
        }
    }

    const fn inputs(&self) -> u64 {
        match self {
            Self::Segment(_) => 0,
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
    failed: AtomicBool,
}

impl Recorder {
    /// A recorder that keeps a ring of segments in `directory`, which it makes if need be, for its owner alone.
    ///
    /// # Errors
    /// The directory cannot be made or read, or there is no thread to be had.
    pub fn start(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let last = segments(directory)?.last().map_or(0, |(number, _)| *number);
        let (parts, received) = sync_channel(PARTS);
        let (done, written) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let writer =
            Writer { directory: directory.to_owned(), last, file: None, shared: Arc::clone(&shared), done };
        thread::Builder::new().name("trace".to_owned()).spawn(move || writer.run(&received))?;
        Ok(Self::new(Ring { parts, shared, written }, SEGMENT))
    }
}

impl Ring {
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

    /// Whether writing failed since this was asked last.
    pub(super) fn has_failed(&self) -> bool {
        self.shared.failed.swap(false, Relaxed)
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
    (Recorder::new(Ring { parts, shared: Arc::default(), written }, full), Memory(received))
}

/// Segments that no disk has seen.
#[cfg(test)]
pub(in crate::observer) struct Memory(Receiver<Part>);

#[cfg(test)]
impl Memory {
    pub(in crate::observer) fn segments(&self) -> Vec<Vec<u8>> {
        let mut segments: Vec<Vec<u8>> = Vec::new();
        for part in self.0.try_iter() {
            match part {
                Part::Segment(octets) => segments.push(octets),
                Part::Inputs { octets, .. } => segments.last_mut().unwrap().extend(octets),
            }
        }
        segments
    }
}

/// The numbers and places of the segments in `directory`, in order.
///
/// # Errors
/// The directory cannot be read.
pub fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix("trace-")?.parse().ok());
        segments.extend(number.map(|number| (number, path)));
    }
    segments.sort_unstable();
    Ok(segments)
}

struct Writer {
    directory: PathBuf,
    last: u64,
    /// None until a segment is begun, and after something failed.
    file: Option<File>,
    shared: Arc<Shared>,
    done: oneshot::Sender<()>,
}

impl Writer {
    fn run(mut self, parts: &Receiver<Part>) {
        for part in parts {
            self.shared.waiting.fetch_sub(part.octets().len(), Relaxed);
            if let Err(error) = self.write(&part) {
                warn!("cannot write the trace in {}: {error}", self.directory.display());
                self.file = None;
                self.shared.failed.store(true, Relaxed);
            }
            if self.file.is_none() {
                self.shared.lost.fetch_add(part.inputs(), Relaxed);
            }
        }
        // Who asked may have gone.
        let _ = self.done.send(());
    }

    fn write(&mut self, part: &Part) -> io::Result<()> {
        if matches!(part, Part::Segment(_)) {
            self.file = None;
            self.make_room()?;
            self.last += 1;
            let path = self.directory.join(format!("trace-{}", self.last));
            self.file = Some(OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?);
        }
        match &mut self.file {
            Some(file) => file.write_all(part.octets()),
            None => Ok(()),
        }
    }

    /// The oldest go.
    fn make_room(&self) -> io::Result<()> {
        let segments = segments(&self.directory)?;
        let many = (segments.len() + 1).saturating_sub(SEGMENTS);
        segments.iter().take(many).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(directory: &Path) -> (Ring, thread::JoinHandle<()>) {
        let (parts, received) = sync_channel(PARTS);
        let (done, written) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let last = segments(directory).unwrap().last().map_or(0, |(number, _)| *number);
        let writer =
            Writer { directory: directory.to_owned(), last, file: None, shared: Arc::clone(&shared), done };
        let thread = thread::Builder::new().spawn(move || writer.run(&received)).unwrap();
        (Ring { parts, shared, written }, thread)
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
        for more in [7, 5] {
            let (ring, thread) = started(&directory.0);
            for _ in 0..more {
                assert!(ring.send(Part::Segment(b"begins".to_vec())));
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
        fs::write(directory.0.join("trace-1"), "in its way").unwrap();
        assert!(ring.send(Part::Segment(b"begins".to_vec())));
        assert!(ring.send(Part::Inputs { octets: b", goes on".to_vec(), inputs: 3 }));
        while ring.lost() < 3 {
            thread::yield_now();
        }
        assert!(ring.has_failed() && !ring.has_failed(), "it is said once");
        assert!(ring.send(Part::Segment(b"again".to_vec())));
        assert!(ring.send(Part::Inputs { octets: b", goes on".to_vec(), inputs: 5 }));
        let shared = Arc::clone(&ring.shared);
        ring.end().blocking_recv().unwrap();
        thread.join().unwrap();
        assert_eq!(fs::read(directory.0.join("trace-2")).unwrap(), b"again, goes on");
        assert_eq!(shared.lost.load(Relaxed), 3);
    }
}

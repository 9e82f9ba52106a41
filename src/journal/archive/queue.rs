//! The way to the thread that writes: bounded in octets and in parts. Who hands over never waits.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::Status;
use crate::speaker::PeerId;
use crate::speaker::tap::{Ends, Heard, Step, Tap};
use crate::time::Timestamp;

/// How many parts may wait, and how many octets.
const PARTS: usize = 16_384;
const OCTETS: usize = 32 << 20;
/// What a part takes besides, about.
const PART: usize = 128;

/// What there is to write.
#[derive(Debug)]
pub(super) enum Part {
    /// What a session said.
    Heard(Heard),
    /// A table, piece by piece: each answer comes when it is written.
    Table(Piece, oneshot::Sender<io::Result<()>>),
    /// Nothing more; the answer comes when all is written.
    End(oneshot::Sender<()>),
}

/// Of a table.
#[derive(Debug)]
pub(super) enum Piece {
    /// One begins that bears this time; one that was begun before is none.
    Begin(Timestamp),
    /// Records of it.
    Records(Vec<u8>),
    /// It is whole.
    End(Timestamp),
}

/// What the thread that writes and all others share.
#[derive(Debug)]
pub(super) struct Queue {
    parts: SyncSender<Part>,
    waiting: AtomicUsize,
    written: AtomicU64,
    lost: AtomicU64,
    size: AtomicU64,
    table: AtomicU64,
    trouble: Mutex<Trouble>,
    /// What cannot be written changed.
    pub(super) troubled: Notify,
    /// Something is missing in the files: a table is to make it good.
    pub(super) gap: Notify,
}

#[derive(Debug, Default)]
struct Trouble {
    /// Sessions of which something was lost on the way here, and whether they are up: one a peer, the last.
    missing: HashMap<PeerId, (Arc<Ends>, bool)>,
    /// Why messages, and why tables, cannot be written.
    messages: Option<String>,
    tables: Option<String>,
}

impl Queue {
    pub(super) fn new() -> (Arc<Self>, Receiver<Part>) {
        let (parts, received) = sync_channel(PARTS);
        let queue = Self {
            parts,
            waiting: AtomicUsize::default(),
            written: AtomicU64::default(),
            lost: AtomicU64::default(),
            size: AtomicU64::default(),
            table: AtomicU64::default(),
            trouble: Mutex::default(),
            troubled: Notify::new(),
            gap: Notify::new(),
        };
        (Arc::new(queue), received)
    }

    /// Hands a part over. It comes back if there is no room for it now; nothing does if there never will be.
    pub(super) fn send(&self, part: Part) -> Result<(), Option<Part>> {
        let size = size(&part);
        let room = self.waiting.fetch_add(size, Relaxed).saturating_add(size) <= OCTETS;
        let rejected = if room {
            match self.parts.try_send(part) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(part)) => Some(part),
                Err(TrySendError::Disconnected(_)) => None,
            }
        } else {
            Some(part)
        };
        self.waiting.fetch_sub(size, Relaxed);
        Err(rejected)
    }

    /// A part was taken out.
    pub(super) fn taken(&self, part: &Part) {
        self.waiting.fetch_sub(size(part), Relaxed);
    }

    pub(super) fn count_written(&self, messages: u64) {
        self.written.fetch_add(messages, Relaxed);
    }

    pub(super) fn count_lost(&self, messages: u64) {
        self.lost.fetch_add(messages, Relaxed);
    }

    pub(super) fn set_size(&self, octets: u64) {
        self.size.store(octets, Relaxed);
    }

    /// The files have grown by so much since that was set.
    pub(super) fn grow(&self, octets: u64) {
        self.size.fetch_add(octets, Relaxed);
    }

    pub(super) fn set_table(&self, at: Timestamp) {
        self.table.store(at.as_micros(), Relaxed);
    }

    /// Takes the sessions of which something was lost on the way here, and whether they are up.
    pub(super) fn take_missing(&self) -> Vec<(Arc<Ends>, bool)> {
        std::mem::take(&mut self.trouble().missing).into_values().collect()
    }

    /// Why messages cannot be written; none: they can.
    pub(super) fn set_messages(&self, why: Option<String>) {
        self.trouble().messages = why;
        self.troubled.notify_one();
    }

    /// Why tables cannot be written; none: they can.
    pub(super) fn set_tables(&self, why: Option<String>) {
        self.trouble().tables = why;
        self.troubled.notify_one();
    }

    /// Why messages cannot be written, and why tables cannot.
    pub(super) fn why(&self) -> [Option<String>; 2] {
        let trouble = self.trouble();
        [trouble.messages.clone(), trouble.tables.clone()]
    }

    pub(super) fn status(&self) -> Status {
        let table = self.table.load(Relaxed);
        Status {
            written: self.written.load(Relaxed),
            lost: self.lost.load(Relaxed),
            queue: (self.waiting.load(Relaxed), OCTETS),
            size: self.size.load(Relaxed),
            table: (table > 0).then(|| Timestamp::from_micros(table)),
            failing: self.why().iter().any(Option::is_some),
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Queue {
    fn hear(&self, heard: Heard) {
        let (ends, up, messages) = (Arc::clone(&heard.ends), !heard.is_end(), heard.messages());
        if self.send(Part::Heard(heard)).is_err() {
            self.count_lost(messages);
            self.trouble().missing.insert(ends.peer.clone(), (ends, up));
        }
    }
}

const fn size(part: &Part) -> usize {
    match part {
        Part::Heard(heard) => PART + heard.octets.len() + heard.steps.len() * size_of::<Step>(),
        // Their writer waits for each.
        Part::Table(..) | Part::End(_) => 0,
    }
}

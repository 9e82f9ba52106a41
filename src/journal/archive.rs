//! The MRT archive: what sessions say, octet by octet, and the tables that come of it, in files that other tools
//! read (`bgpdump`), and that `thirdleaf replay` judges again.
//!
//! | file | what is in it |
//! |---|---|
//! | `updates.20261122.1300.mrt` | `BGP4MP_ET`: from then on, OPENs, UPDATEs, NOTIFICATIONs and ROUTE-REFRESHs of both sides as they were on the wire, and when sessions reached Established and left it. Compressed once it is closed: `.mrt.gz` |
//! | `rib.20261122.1400.mrt.gz` | `TABLE_DUMP_V2`: a table for each leaf, which has the leaf's name: all that it held, whatever the verdict, stale routes too; not what was rejected and only counted |
//!
//! KEEPALIVEs are left out, and connections that never became a session.
//!
//! One thread writes, and nothing waits for it: sessions hand over what they read, and go on. What does not fit into
//! the queue, or not on the disk, is lost and counted, and the files say so: once writing goes on, the sessions of
//! which something is missing leave Established and reach it again, and a table is written that tells what they
//! announced.
//!
//! # What a table is worth
//!
//! It is written in pieces, and each route is in it as it was when its piece was taken, some time after the time that
//! the table bears. Nothing is missing for that: whoever reads a table, then all messages from its time on, has in
//! the end what the observer has, for a message says the same the second time. Tables begin a few seconds late, so
//! that whatever was heard before their time has been taken in.

#![expect(clippy::disallowed_methods, reason = "waits for room")]

mod files;
mod keeper;
mod queue;
mod records;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::config::model::MrtArchive;
use crate::observer::Observer;
use crate::speaker::Tap;
use crate::time::{Clock, Timestamp};
use queue::{Part, Queue};

/// How long a look for room takes at the end, when nobody adds anything any more.
const ROOM: Duration = Duration::from_millis(10);

/// The archive, and the thread that writes it: a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    settings: Arc<MrtArchive>,
    clock: Clock,
    queue: Arc<Queue>,
}

/// How it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Messages written since the start.
    pub written: u64,
    /// Messages lost since the start.
    pub lost: u64,
    /// Octets that wait to be written, and how many may.
    pub queue: (usize, usize),
    /// Octets of all files.
    pub size: u64,
    /// The time of the last table that was written.
    pub table: Option<Timestamp>,
    /// Something cannot be written.
    pub failing: bool,
}

impl Archive {
    /// Starts the thread that writes. What is wrong with the directory is told later, and tried again.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(settings: &MrtArchive, clock: Clock) -> io::Result<Self> {
        let (queue, parts) = Queue::new();
        let settings = Arc::new(settings.clone());
        writer::start(Arc::clone(&settings), clock, Arc::clone(&queue), parts)?;
        Ok(Self { settings, clock, queue })
    }

    /// What sessions are to be heard by.
    pub fn tap(&self) -> Arc<dyn Tap> {
        Arc::clone(&self.queue) as _
    }

    /// Writes tables when they are due, and reports to the observer what cannot be written, until the observer ends.
    pub fn follow(&self, observer: Observer, config: watch::Receiver<Arc<Config>>) {
        keeper::start(self, observer, config);
    }

    /// How it does.
    pub fn status(&self) -> Status {
        self.queue.status()
    }

    /// Writes what waits, and closes the files.
    pub async fn end(&self) {
        let (mut part, ended) = {
            let (done, ended) = oneshot::channel();
            (Part::End(done), ended)
        };
        while let Err(rejected) = self.queue.send(part) {
            let Some(again) = rejected else { return };
            part = again;
            tokio::time::sleep(ROOM).await;
        }
        // What could not be written was told.
        let _ = ended.await;
    }
}

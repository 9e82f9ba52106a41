//! Where log lines go: standard error, as text or JSON, and never at a session's expense.

#![expect(clippy::disallowed_methods, reason = "the thread that writes lines")]

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::model::{Log, LogFormat, LogLevel};

/// Lines that may wait for a slow reader of our standard error; what comes then is counted, not kept.
const WAITING: usize = 4_096;

/// Logs as `log` says, from now on. Lines still waiting are written when the guard is dropped.
pub(super) fn start(log: &Log) -> Guard {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let (lines, waiting) = sync_channel(WAITING);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue { lines: lines.clone(), lost: Arc::clone(&lost) };
    let writer = std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&waiting, &lost));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(queue);
    // Fails only if logging was started before, and then it goes on as it did.
    let started = match log.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    drop((writer, started));
    Guard { lines }
}

/// Writes what waits until nothing can come any more.
fn write(waiting: &Receiver<Entry>, lost: &AtomicU64) {
    let mut out = io::stderr();
    for entry in waiting {
        // Nobody is left to tell that standard error is gone.
        let _ = match entry {
            Entry::Line(line) => out.write_all(&line),
            Entry::Flush(done) => done.send(()).map_err(io::Error::other),
        };
        let lost = lost.swap(0, Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{lost} log lines were lost: standard error is read too slowly");
        }
    }
}

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Writes out what waits when it is dropped.
pub(super) struct Guard {
    lines: SyncSender<Entry>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (done, flushed) = sync_channel(1);
        if self.lines.try_send(Entry::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(std::time::Duration::from_secs(1));
        }
    }
}

/// Takes lines without ever waiting.
#[derive(Clone)]
struct Queue {
    lines: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Entry::Line(line.to_vec())) {
            self.lost.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

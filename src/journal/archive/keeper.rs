//! Sees to it that tables are written when they are due, and that the observer hears of what cannot be written.

#![expect(clippy::disallowed_methods, reason = "the archive's tasks and timers")]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::{Archive, files, tables};
use crate::config::Config;
use crate::observer::findings::Kind;
use crate::observer::{Observer, Reported};

/// How long after its time a table is begun: what was heard before is taken in by then.
const SETTLED: Duration = Duration::from_secs(5);
/// After a table could not be written, how long until it is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// By whom the observer is told.
const SOURCE: &str = "mrt archive";

/// Does so until the observer ends.
pub(super) fn start(archive: &Archive, observer: Observer, config: watch::Receiver<Arc<Config>>) {
    tokio::spawn(report(archive.clone(), observer.clone()));
    tokio::spawn(write_tables(archive.clone(), observer, config));
}

async fn write_tables(archive: Archive, observer: Observer, config: watch::Receiver<Arc<Config>>) {
    let (every, clock) = (archive.settings.table_every, archive.clock);
    let mut due = files::floor(clock.now(), every).after(every);
    loop {
        let at = tokio::select! {
            () = sleep_until(Instant::from_std(clock.instant(due))) => due,
            () = archive.queue.gap.notified() => clock.now(),
        };
        sleep(SETTLED).await;
        let leaves = config.borrow().leaves.clone();
        while let Err(error) = tables::write(&observer, &archive.queue, &leaves, at).await {
            if observer.ping().await.is_none() {
                return;
            }
            warn!("a table of the MRT archive cannot be written: {error}");
            archive.queue.set_tables(Some(error.to_string()));
            sleep(AGAIN).await;
        }
        archive.queue.set_tables(None);
        if clock.now() >= due {
            due = files::floor(clock.now(), every).after(every);
        }
    }
}

async fn report(archive: Archive, observer: Observer) {
    loop {
        archive.queue.troubled.notified().await;
        let why = archive.queue.why();
        let found = found(&archive.settings.dir.display().to_string(), &why);
        if observer.report(SOURCE.into(), found.into_iter().collect()).await.is_none() {
            return;
        }
    }
}

/// What is wrong, if anything is.
fn found(directory: &str, [messages, tables]: &[Option<String>; 2]) -> Option<Reported> {
    let evidence = [("messages", messages), ("tables", tables)];
    let evidence: Vec<_> =
        evidence.iter().filter_map(|(what, why)| Some(format!("{what}: {}", why.as_ref()?))).collect();
    if evidence.is_empty() {
        return None;
    }
    Some(Reported {
        kind: Kind::JournalFailing,
        object: format!("journal.mrt {directory}").into(),
        vrf: "".into(),
        prefix: None,
        severity: None,
        summary: format!(
            "the MRT archive in {directory} cannot be written: sessions and verdicts go on, and what is said meanwhile \
             is not kept"
        ),
        advice: String::new(),
        evidence,
    })
}

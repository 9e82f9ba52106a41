//! What happens, as server-sent events.
//!
//! A client that was away names the last event it saw (`Last-Event-ID`) and gets what it missed. What the
//! ring no longer holds is not repeated: the client gets `resync`, reads the lists again, and then the
//! events that there are.
//!
//! Hundreds of clients cost little more than one. What happened is written once, by the first that asks for what came
//! after an event, and the others get the same octets. After it a client is left alone for [`PACE`], however much
//! happens; and one that does not read is not even asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use super::auth::{Ends, may_read};
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::config::Config;
use crate::config::model::Tls;
use crate::metrics;
use crate::observer::EventLog;
use crate::observer::view::Event;

/// Streams at once.
pub(super) const MAX: usize = 256;

/// So often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// After it got what there was, a client gets nothing for so long: ten times a second is often enough to look at.
const PACE: Duration = Duration::from_millis(100);

/// Events in a chunk, at most.
const CHUNK: usize = 256;

/// Chunks that are kept for others: clients that are not left behind want one of the last few.
const KEPT: usize = 8;

/// What all streams have in common.
pub(super) struct Streams {
    room: Arc<Semaphore>,
    chunks: Mutex<VecDeque<Chunk>>,
    missed: AtomicU64,
}

/// Consecutive events as they are sent.
#[derive(Clone)]
struct Chunk {
    after: u64,
    last: u64,
    /// There may be more already.
    is_full: bool,
    octets: Bytes,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(MAX)), chunks: Mutex::default(), missed: AtomicU64::new(0) }
    }

    pub(super) fn counts(&self) -> metrics::Streams {
        let open = MAX.saturating_sub(self.room.available_permits());
        metrics::Streams { open, limit: MAX, missed: self.missed.load(Relaxed) }
    }

    /// What came after this event, as far as it fits; none: nothing has.
    fn after(&self, id: u64, log: &EventLog) -> Option<Chunk> {
        if let Some(chunk) = self.chunks().iter().find(|chunk| chunk.after == id) {
            return Some(chunk.clone());
        }
        let events = log.since(id, CHUNK);
        let (first, last) = (events.first()?.id, events.last()?.id);
        let mut text = String::new();
        if first > id + 1 {
            // Who asks for everything there is misses nothing.
            self.missed.fetch_add(if id > 0 { first - id - 1 } else { 0 }, Relaxed);
            text = resync(first - 1);
        }
        let is_full = events.len() == CHUNK;
        for event in events {
            append(&event, &mut text);
        }
        let chunk = Chunk { after: id, last, is_full, octets: text.into() };
        if first == id + 1 {
            let mut chunks = self.chunks();
            chunks.truncate(KEPT - 1);
            chunks.push_front(chunk.clone());
        }
        Some(chunk)
    }

    fn chunks(&self) -> MutexGuard<'_, VecDeque<Chunk>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event as a message; nothing, should it have no JSON.
fn append(event: &Event, text: &mut String) {
    if let Ok(data) = serde_json::to_string(event) {
        // A string takes everything.
        let _ = write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.kind);
    }
}

/// Says that events are missing before the one after `last`.
fn resync(last: u64) -> String {
    format!("id: {last}\nevent: resync\ndata: {{\"after\":{last}}}\n\n")
}

pub(super) async fn stream(
    state: State,
    ends: Ends,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Problem> {
    let since = params.parse("since", "the number of an event")?;
    params.finish()?;
    let last = match headers.get("last-event-id") {
        None => since,
        Some(value) => {
            let id = value.to_str().ok().and_then(|id| id.parse().ok());
            Some(id.ok_or_else(|| Problem::bad_request("Last-Event-ID is not the number of an event"))?)
        }
    };
    let permit = Arc::clone(&state.streams.room)
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable(format!("there are {MAX} streams already")))?;
    let leave = Leave::new(&state, ends, &headers);
    let reader = Reader::new(state.0, last, leave, permit);
    let octets = stream::unfold(reader, |mut reader| async {
        let octets = reader.next().await?;
        Some((Ok::<_, Infallible>(octets), reader))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(octets)).into_response())
}

/// The leave to read that a client was given when it came; a reload may take it back.
struct Leave {
    ends: Ends,
    /// Those that decide.
    headers: HeaderMap,
    tls: Option<Tls>,
    config: watch::Receiver<Arc<Config>>,
}

impl Leave {
    fn new(shared: &Shared, ends: Ends, headers: &HeaderMap) -> Self {
        let mut config = shared.app.config.clone();
        let tls = config.borrow_and_update().http.tls.clone();
        let deciding = [header::AUTHORIZATION, header::HOST].into_iter();
        let headers = deciding.filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        Self { ends, headers, tls, config }
    }

    /// Waits until another configuration is in force; answers whether this client may still read by it.
    async fn changed(&mut self) -> bool {
        if self.config.changed().await.is_err() {
            // There will be no other; who stops tells streams so.
            std::future::pending::<()>().await;
        }
        let http = &self.config.borrow_and_update().http;
        http.tls == self.tls && may_read(http, &self.ends, &self.headers).is_ok()
    }
}

/// One client's place in the sequence of events.
struct Reader {
    shared: Arc<Shared>,
    last: u64,
    /// When it may be told more.
    pace: Instant,
    /// When it is told at least that we live.
    heartbeat: Instant,
    leave: Leave,
    stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// A reader of what comes after event `last`; of what is new, if there is none.
    fn new(shared: Arc<Shared>, last: Option<u64>, leave: Leave, permit: OwnedSemaphorePermit) -> Self {
        let last = last.unwrap_or_else(|| shared.app.observer.events().last());
        let (stop, now) = (shared.app.stop.clone(), Instant::now());
        Self { shared, last, pace: now, heartbeat: now + HEARTBEAT, leave, stop, _permit: permit }
    }

    /// What is sent next; none when we stop, or when this client may read no more.
    async fn next(&mut self) -> Option<Bytes> {
        let shared = Arc::clone(&self.shared);
        let log = shared.app.observer.events();
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => return None,
            () = sleep_until(self.pace) => {}
        }
        // A number that we have not reached is one of an earlier run.
        if self.last > log.last() {
            self.last = 0;
            return Some(resync(0).into());
        }
        loop {
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return None,
                still = self.leave.changed() => still.then_some(())?,
                newer = log.newer_than(self.last) => {
                    newer.then_some(())?;
                    break;
                }
                () = sleep_until(self.heartbeat) => {
                    self.heartbeat = Instant::now() + HEARTBEAT;
                    return Some(Bytes::from_static(b": heartbeat\n\n"));
                }
            }
        }
        let chunk = shared.streams.after(self.last, log)?;
        self.last = chunk.last;
        let now = Instant::now();
        // Who is behind catches up without a pause.
        self.pace = if chunk.is_full { now } else { now + PACE };
        self.heartbeat = now + HEARTBEAT;
        Some(chunk.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::{self, Observer, Settings};
    use crate::time::Clock;

    fn event(text: &str) -> Event {
        Event { kind: "peer_up".to_owned(), text: text.to_owned(), ..Event::default() }
    }

    /// An observer that nobody tells anything; its events are those of the test.
    fn observer() -> (Observer, tokio::sync::mpsc::Sender<crate::speaker::Delivery>) {
        let config =
            crate::config::parse(crate::web::testing::CONFIG, "test.toml".as_ref(), &crate::config::Machine);
        let (events, receiver) = tokio::sync::mpsc::channel(1);
        (
            observer::spawn(Arc::new(config.unwrap()), Settings::default(), Clock::start(), receiver, |_| {}),
            events,
        )
    }

    fn ids(octets: &Bytes) -> Vec<u64> {
        let text = std::str::from_utf8(octets).unwrap();
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_happened_is_written_once_for_all() {
        let (observer, _events) = observer();
        let (streams, log) = (Streams::new(), observer.events());
        log.append((0..300).map(|at| event(&at.to_string())));
        let last = log.last();
        let first = streams.after(1, log).unwrap();
        assert_eq!(ids(&first.octets), (2..=257).collect::<Vec<_>>());
        assert!(first.is_full);
        let again = streams.after(1, log).unwrap();
        assert_eq!(first.octets.as_ptr(), again.octets.as_ptr(), "the same octets, not equal ones");
        let rest = streams.after(first.last, log).unwrap();
        assert_eq!((rest.last, rest.is_full), (last, false));
        assert!(streams.after(last, log).is_none());
        for after in 2..100 {
            streams.after(after, log).unwrap();
        }
        assert_eq!(streams.chunks().len(), KEPT);
        assert_eq!(streams.counts().missed, 0);
    }

    #[tokio::test]
    async fn what_the_ring_no_longer_holds_is_counted_and_told() {
        let (observer, _events) = observer();
        let (streams, log) = (Streams::new(), observer.events());
        log.append((0..EventLog::CAPACITY + 50).map(|_| event("x")));
        let oldest = log.since(0, 1)[0].id;
        let chunk = streams.after(5, log).unwrap();
        let text = std::str::from_utf8(&chunk.octets).unwrap();
        assert!(text.starts_with(&format!("id: {}\nevent: resync\n", oldest - 1)), "{text:.100}");
        assert_eq!(ids(&chunk.octets)[1], oldest);
        assert_eq!(streams.counts().missed, oldest - 6);
        // Who asks for all there is has missed nothing.
        streams.after(0, log).unwrap();
        assert_eq!(streams.counts().missed, oldest - 6);
    }
}

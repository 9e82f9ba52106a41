//! What happens, as server-sent events.
//!
//! A client that was away names the last event it saw (`Last-Event-ID`) and gets what it missed. What the
//! ring no longer holds is not repeated: the client gets `resync`, reads the lists again, and then the
//! events that there are.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::params::Params;
use super::problem::Problem;
use super::{MAX_STREAMS, State};
use crate::observer::Observer;
use crate::observer::view::Event;

/// So often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events taken out of the ring at once.
const CHUNK: usize = 256;

pub(super) async fn stream(
    state: State,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let since = params.parse("since", "the number of an event")?;
    params.finish()?;
    let last = match headers.get("last-event-id") {
        None => since,
        Some(value) => {
            let id = value.to_str().ok().and_then(|id| id.parse().ok());
            Some(id.ok_or_else(|| Problem::bad_request("Last-Event-ID is not the number of an event"))?)
        }
    };
    let permit = Arc::clone(&state.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable(format!("there are {MAX_STREAMS} streams already")))?;
    let reader = Reader::new(state.app.observer.clone(), last, state.app.stop.clone(), permit);
    let messages = stream::unfold(reader, |mut reader| async {
        let message = reader.next().await?;
        Some((Ok(message), reader))
    });
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat")))
}

/// One client's place in the sequence of events.
struct Reader {
    observer: Observer,
    last: u64,
    ready: VecDeque<Arc<Event>>,
    stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// A reader of what comes after event `last`; of what is new, if there is none.
    fn new(
        observer: Observer,
        last: Option<u64>,
        stop: watch::Receiver<bool>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let last = last.unwrap_or_else(|| observer.events().last());
        Self { observer, last, ready: VecDeque::new(), stop, _permit: permit }
    }

    /// The next message; none when we stop.
    async fn next(&mut self) -> Option<Message> {
        // A number that we have not reached is one of an earlier run.
        if self.last > self.observer.events().last() {
            return Some(self.resync(0));
        }
        while self.ready.is_empty() {
            self.ready = self.observer.events().since(self.last, CHUNK).into();
            if self.ready.is_empty() {
                tokio::select! {
                    newer = self.observer.events().newer_than(self.last) => newer.then_some(())?,
                    _ = self.stop.wait_for(|stop| *stop) => return None,
                }
            }
        }
        let oldest = self.ready.front()?.id;
        if oldest > self.last + 1 {
            self.ready.clear();
            return Some(self.resync(oldest - 1));
        }
        let event = self.ready.pop_front()?;
        self.last = event.id;
        let message = Message::default().id(event.id.to_string()).event(&event.kind);
        message.json_data(&*event).ok()
    }

    /// Says that events are missing before the one after `last`, and goes on there.
    fn resync(&mut self, last: u64) -> Message {
        self.last = last;
        Message::default().id(last.to_string()).event("resync").data(format!("{{\"after\":{last}}}"))
    }
}

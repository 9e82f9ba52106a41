//! Events as they happen.
//!
//! Where there is a journal its numbers go on over restarts: whoever asks for what came after the last one, again and
//! again, misses nothing and gets nothing twice. Without one there is the stream, which begins anew with the daemon.

#![expect(clippy::disallowed_methods, reason = "waits a moment before it asks again")]

use std::io::Write;
use std::time::Duration;

use super::{Events, Last};
use crate::cli::Error;
use crate::cli::client::Client;
use crate::cli::output::Printer;
use crate::cli::past;
use crate::journal::query::EventQuery;
use crate::journal::view::{self, Source};
use crate::observer::view::Event;

/// Before a lost daemon is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two questions for what is new.
const POLL: Duration = Duration::from_millis(500);

/// Goes on until the output is closed; a daemon that restarts is waited for.
pub(super) async fn follow<W: Write>(
    client: &Client,
    asked: &Events,
    query: &EventQuery,
    last: Last,
    printer: &mut Printer<'_, W>,
) -> Result<(), Error> {
    let mut after = last.id;
    if last.source == Source::Journal {
        while let Some(next) = poll(client, asked, after, printer).await? {
            after = next;
        }
        eprintln!(
            "thirdleaf: the daemon keeps no journal any more; what it remembers since it started follows"
        );
        after = 0;
    }
    stream(client, query, after, printer).await
}

/// Shows what came after an event, and says up to which one; none: there is no journal any more.
async fn poll<W: Write>(
    client: &Client,
    asked: &Events,
    after: u64,
    printer: &mut Printer<'_, W>,
) -> Result<Option<u64>, Error> {
    let (mut cursor, mut last) = (None, None);
    loop {
        let mut parameters = asked.filters();
        parameters.push(("after", Some(after.to_string())));
        parameters.push(("limit", Some(past::PAGE.to_string())));
        parameters.push(("cursor", cursor.clone()));
        let page: view::Events = match client.get("/api/v1/events", &parameters).await {
            Ok(page) => page,
            // Pages that were shown are not asked for again.
            Err(Error::Unreachable { .. } | Error::Refused { status: 500.., .. }) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        if page.source == Source::Memory {
            return Ok(None);
        }
        if page.last < after {
            eprintln!("thirdleaf: the journal was begun anew");
            return Ok(Some(0));
        }
        printer.page(&page.items)?;
        let last = *last.get_or_insert(page.last);
        cursor = page.next_cursor;
        if cursor.is_none() {
            tokio::time::sleep(POLL).await;
            return Ok(Some(last));
        }
    }
}

async fn stream<W: Write>(
    client: &Client,
    query: &EventQuery,
    mut last: u64,
    printer: &mut Printer<'_, W>,
) -> Result<(), Error> {
    // The numbers are those of the stream, which may begin anew.
    let query = EventQuery { after: 0, ..query.clone() };
    loop {
        let mut response = match client.stream("/api/v1/stream", Some(last)).await {
            Ok(response) => response,
            Err(Error::Unreachable { .. }) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut messages = Messages::default();
        while let Ok(Some(octets)) = response.chunk().await {
            for message in messages.read(&octets) {
                last = show(&message, &query, last, printer)?;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn show<W: Write>(
    message: &Message,
    query: &EventQuery,
    last: u64,
    printer: &mut Printer<'_, W>,
) -> Result<u64, Error> {
    if message.event == "resync" {
        eprintln!("thirdleaf: some events were missed");
        return Ok(message.id.unwrap_or(last));
    }
    let event: Event =
        serde_json::from_str(&message.data).map_err(|error| Error::Answer(error.to_string()))?;
    let id = event.id;
    if query.wants(&event) {
        printer.page(&[event])?;
    }
    Ok(id)
}

/// A message of a stream of server-sent events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<u64>,
    event: String,
    data: String,
}

/// Puts messages together from the pieces in which they arrive.
#[derive(Default)]
struct Messages {
    octets: Vec<u8>,
    message: Message,
}

impl Messages {
    /// The messages that are complete with these octets.
    fn read(&mut self, octets: &[u8]) -> Vec<Message> {
        let mut complete = Vec::new();
        for octet in octets {
            if *octet == b'\n' {
                let line = std::mem::take(&mut self.octets);
                complete.extend(self.line(&String::from_utf8_lossy(&line)));
            } else {
                self.octets.push(*octet);
            }
        }
        complete
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return Some(message).filter(|message| !message.data.is_empty());
        }
        let (field, value) = line.split_once(':')?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.message.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.message.event),
            "data" => self.message.data.push_str(value),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_being_cut_anywhere() {
        let stream = "id: 7\nevent: peer_up\ndata: {\"a\": 1}\n\n: heartbeat\n\ndata: x\n\n";
        let expected = [
            Message { id: Some(7), event: "peer_up".into(), data: "{\"a\": 1}".into() },
            Message { id: None, event: String::new(), data: "x".into() },
        ];
        for cut in 0..stream.len() {
            let mut messages = Messages::default();
            let (first, second) = stream.as_bytes().split_at(cut);
            let read = [messages.read(first), messages.read(second)].concat();
            assert_eq!(read, expected, "cut at {cut}");
        }
    }
}

//! `thirdleaf events`: what happened, and with `--follow` what happens.

#![expect(clippy::disallowed_methods, reason = "waits a moment before it connects again")]

use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::client::Client;
use super::output::{Format, Printer, Row, Style};
use super::table::{Cell, Column};
use super::{Error, Exit};
use crate::observer::view::Event;
use crate::time::Timestamp;

/// Before a lost stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Events {
    /// Only what came after the event with this number
    #[arg(long, value_name = "ID")]
    since: Option<u64>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Go on with what happens
    #[arg(short, long, conflicts_with = "limit")]
    follow: bool,
    /// At most so many
    #[arg(long, value_parser = super::positive)]
    limit: Option<usize>,
}

impl Events {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        // An array never ends while it is followed.
        let format = if self.follow && style.format == Format::Json { Format::Jsonl } else { style.format };
        let style = Style { format, ..*style };
        let mut printer = Printer::new::<Event>(&style, out);
        let query = [("since", self.since.map(|id| id.to_string())), ("kind", self.kind.clone())];
        let mut pages = client.pages::<Event>("/api/v1/events", &query, self.limit);
        let mut last = self.since;
        while let Some(events) = pages.next().await? {
            last = events.last().map(|event| event.id).max(last);
            printer.page(&events)?;
        }
        if self.follow {
            self.follow(client, last.unwrap_or(0), &mut printer).await?;
        }
        printer.finish()?;
        Ok(Exit::FINE)
    }

    /// Goes on until the output is closed; a daemon that restarts is waited for.
    async fn follow<W: Write>(
        &self,
        client: &Client,
        mut last: u64,
        printer: &mut Printer<'_, W>,
    ) -> Result<(), Error> {
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
                    last = self.show(&message, last, printer)?;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn show<W: Write>(
        &self,
        message: &Message,
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
        if self.kind.as_ref().is_none_or(|kind| *kind == event.kind) {
            printer.page(&[event])?;
        }
        Ok(id)
    }
}

impl Row for Event {
    const COLUMNS: &'static [Column] = &[
        Column::right("ID"),
        Column::left("TIME"),
        Column::left("KIND"),
        Column::left("LEAF").wide(),
        Column::left("PEER").wide(),
        Column::left("PREFIX").wide(),
        Column::left("TEXT"),
    ];

    fn cells(&self, _now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::new(self.id),
            Cell::new(self.at),
            Cell::new(&self.kind),
            Cell::maybe(self.leaf.as_ref()),
            Cell::maybe(self.peer),
            Cell::maybe(self.prefix),
            Cell::new(&self.text),
        ]
    }
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

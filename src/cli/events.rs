//! `thirdleaf events`: what happened, and with `--follow` what happens.

mod follow;

use std::io::Write;
use std::net::IpAddr;

use clap::Args;

use super::client::Client;
use super::output::{Format, Printer, Row, Style};
use super::past::{self, File, Memory, Question};
use super::routes::{Matching, Prefix};
use super::scope::Scope;
use super::table::{Cell, Column};
use super::{Error, Exit};
use crate::journal::query::{EventQuery, Kinds};
use crate::journal::view::Source;
use crate::observer::view::Event;
use crate::time::{Timestamp, When};

/// How many are shown if nothing says from when on: the newest.
const NEWEST: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct Events {
    /// From this time on: 2026-11-21T03:12:00Z, or how long ago, like 1h [default: the newest 1000]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<When>,
    /// Up to this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "follow")]
    until: Option<When>,
    /// Only what came after the event with this number
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// Of these kinds, separated by commas: `peer` stands for `peer_up` and `peer_down`, `route_re*` for a beginning
    #[arg(long, value_name = "KINDS")]
    kind: Option<String>,
    /// About this prefix, or what covers this address
    #[arg(long)]
    prefix: Option<Prefix>,
    #[command(flatten)]
    matching: Matching,
    /// About this node
    #[arg(long)]
    node: Option<String>,
    /// About this leaf
    #[arg(long)]
    leaf: Option<String>,
    /// About this peer
    #[arg(long)]
    peer: Option<IpAddr>,
    #[command(flatten)]
    scope: Scope,
    /// Done by this one: the name of a token
    #[arg(long)]
    actor: Option<String>,
    /// Go on with what happens
    #[arg(short, long, conflicts_with_all = ["limit", "journal"])]
    follow: bool,
    /// At most so many: the newest, or with --after the next ones
    #[arg(long, value_parser = super::positive)]
    limit: Option<usize>,
    #[command(flatten)]
    file: File,
}

/// What was shown last, and whose number that is.
#[derive(Clone, Copy)]
struct Last {
    id: u64,
    source: Source,
}

impl Events {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let query = self.query(style.now)?;
        // An array never ends while it is followed.
        let format = if self.follow && style.format == Format::Json { Format::Jsonl } else { style.format };
        let style = Style { format, ..*style };
        let mut printer = Printer::new::<Event>(&style, out);
        let memory = Memory::of(client, self.file.journal.as_deref(), style.now)?;
        let last = match self.newest() {
            Some(most) => self.show_newest(&memory, &query, most, &mut printer).await?,
            None => self.show_all(&memory, &query, &mut printer).await?,
        };
        if self.follow {
            follow::follow(client, &self, &query, last, &mut printer).await?;
        }
        printer.finish()?;
        Ok(Exit::FINE)
    }

    /// How many of the newest are wanted; none: all from some time on.
    fn newest(&self) -> Option<usize> {
        let is_open = self.since.is_none() && self.until.is_none();
        match self.limit {
            _ if self.after.is_some() => None,
            None if is_open => Some(NEWEST),
            limit => limit,
        }
    }

    async fn show_newest<W: Write>(
        &self,
        memory: &Memory<'_>,
        query: &EventQuery,
        most: usize,
        printer: &mut Printer<'_, W>,
    ) -> Result<Last, Error> {
        let query = EventQuery { newest: true, ..query.clone() };
        let mut parameters = self.parameters();
        parameters.push(("order", Some("newest".to_owned())));
        let (mut events, mut cursor, mut last) = (Vec::new(), None, None);
        loop {
            let limit = (most - events.len()).min(past::PAGE);
            let page = memory.events(Question { parameters: &parameters, limit, cursor }, &query).await?;
            last = last.or(Some(Last { id: page.last, source: page.source }));
            events.extend(page.items.into_iter().take(limit));
            cursor = page.next_cursor;
            if cursor.is_none() || events.len() == most {
                break;
            }
        }
        if cursor.is_some() && self.limit.is_none() {
            eprintln!("thirdleaf: shown are the newest {most}; --since shows earlier ones");
        }
        events.reverse();
        printer.page(&events)?;
        Ok(last.unwrap_or(Last { id: 0, source: Source::Memory }))
    }

    async fn show_all<W: Write>(
        &self,
        memory: &Memory<'_>,
        query: &EventQuery,
        printer: &mut Printer<'_, W>,
    ) -> Result<Last, Error> {
        let parameters = self.parameters();
        let (mut left, mut cursor, mut last) = (self.limit.unwrap_or(usize::MAX), None, None);
        loop {
            let limit = left.min(past::PAGE);
            let page = memory.events(Question { parameters: &parameters, limit, cursor }, query).await?;
            // What comes after the first page was asked for is not on the others.
            let last = *last.get_or_insert(Last { id: page.last, source: page.source });
            let items = page.items.get(..limit.min(page.items.len())).unwrap_or_default();
            printer.page(items)?;
            left -= items.len();
            cursor = page.next_cursor;
            if cursor.is_none() || left == 0 {
                return Ok(last);
            }
        }
    }

    /// What is asked for, in the words of the API.
    fn parameters(&self) -> Vec<(&'static str, Option<String>)> {
        let mut parameters = self.filters();
        parameters.push(("since", self.since.map(|when| when.to_string())));
        parameters.push(("until", self.until.map(|when| when.to_string())));
        parameters.push(("after", self.after.map(|id| id.to_string())));
        parameters
    }

    /// The same without times.
    fn filters(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("kind", self.kind.clone()),
            ("match", self.matching.name(self.prefix)),
            ("prefix", self.prefix.map(|prefix| prefix.net.to_string())),
            ("node", self.node.clone()),
            ("leaf", self.leaf.clone()),
            ("peer", self.peer.map(|peer| peer.to_string())),
            ("cluster", self.scope.cluster.clone()),
            ("vrf", self.scope.vrf.clone()),
            ("actor", self.actor.clone()),
        ]
    }

    /// The same for a file, and for events of a stream.
    fn query(&self, now: Timestamp) -> Result<EventQuery, Error> {
        let kinds = self.kind.as_deref().map(str::parse::<Kinds>).transpose();
        Ok(EventQuery {
            since: self.since.map(|when| when.from(now)),
            until: self.until.map(|when| when.from(now)),
            after: self.after.unwrap_or(0),
            kinds: kinds.map_err(|error| Error::Usage(format!("--kind: {error}")))?,
            prefix: self.prefix.map(|prefix| prefix.net),
            matching: self.matching.of(self.prefix),
            cluster: self.scope.cluster.clone(),
            vrf: self.scope.vrf.clone(),
            leaf: self.leaf.clone(),
            peer: self.peer,
            node: self.node.clone(),
            actor: self.actor.clone(),
            ..EventQuery::default()
        })
    }
}

impl Row for Event {
    const COLUMNS: &'static [Column] = &[
        Column::right("ID"),
        Column::left("TIME"),
        Column::left("KIND"),
        Column::left("NODE").wide(),
        Column::left("LEAF").wide(),
        Column::left("PEER").wide(),
        Column::left("PREFIX").wide(),
        Column::left("ACTOR").wide(),
        Column::left("TEXT"),
    ];

    fn cells(&self, _now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::new(self.id),
            Cell::new(self.at),
            Cell::new(&self.kind),
            Cell::maybe(self.node.as_ref()),
            Cell::maybe(self.leaf.as_ref()),
            Cell::maybe(self.peer),
            Cell::maybe(self.prefix),
            Cell::maybe(self.actor.as_ref()),
            Cell::new(&self.text),
        ]
    }
}

#[cfg(test)]
mod tests;

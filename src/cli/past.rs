//! Who is asked about the past: the daemon, or a file that it wrote.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;

use super::Error;
use super::client::Client;
use super::table::printable;
use crate::journal::query::EventQuery;
use crate::journal::read::Reader;
use crate::journal::view::{Comparison, Events, Gap, Past};
use crate::observer::RouteQuery;
use crate::observer::view::Route;
use crate::time::{Timestamp, When};

/// Items that one question asks for.
pub(super) const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct File {
    /// Read this journal (`journal.db` in `global.state_dir`, or a copy) instead of asking the daemon
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
}

/// Answers questions about the past.
pub(super) enum Memory<'a> {
    Daemon(&'a Client),
    File { reader: Box<Reader>, now: Timestamp },
}

/// What the API and a file understand alike.
pub(super) struct Question<'a> {
    /// For the API, with times as they were given: it counts back from its own now.
    pub(super) parameters: &'a [(&'a str, Option<String>)],
    pub(super) limit: usize,
    pub(super) cursor: Option<String>,
}

impl<'a> Memory<'a> {
    pub(super) fn of(client: &'a Client, file: Option<&Path>, now: Timestamp) -> Result<Self, Error> {
        Ok(match file {
            None => Self::Daemon(client),
            Some(file) => Self::File { reader: Box::new(Reader::open(file)?), now },
        })
    }

    /// Some of what happened.
    pub(super) async fn events(&self, asked: Question<'_>, query: &EventQuery) -> Result<Events, Error> {
        match self {
            Self::Daemon(client) => ask(client, "/api/v1/events", asked).await,
            Self::File { reader, .. } => {
                let cursor = place(asked.cursor.as_deref())?;
                Ok(reader.events(&EventQuery { limit: asked.limit, cursor, ..query.clone() })?)
            }
        }
    }

    /// Some of what was there.
    pub(super) async fn routes(
        &self,
        asked: Question<'_>,
        at: When,
        query: &RouteQuery,
    ) -> Result<Past<Route>, Error> {
        match self {
            Self::Daemon(client) => ask(client, "/api/v1/routes", asked).await,
            Self::File { reader, now } => {
                let query = RouteQuery { limit: asked.limit, ..query.clone() };
                Ok(reader.routes(at.from(*now), &query, place(asked.cursor.as_deref())?)?)
            }
        }
    }

    /// Some of what differs.
    pub(super) async fn compare(
        &self,
        asked: Question<'_>,
        (from, to): (When, When),
        query: &RouteQuery,
    ) -> Result<Comparison, Error> {
        match self {
            Self::Daemon(client) => ask(client, "/api/v1/compare", asked).await,
            Self::File { reader, now } => {
                let query = RouteQuery { limit: asked.limit, ..query.clone() };
                let cursor = place(asked.cursor.as_deref())?;
                Ok(reader.compare(from.from(*now), to.from(*now), &query, cursor)?)
            }
        }
    }
}

async fn ask<T: DeserializeOwned>(client: &Client, path: &str, asked: Question<'_>) -> Result<T, Error> {
    let mut query = asked.parameters.to_vec();
    query.push(("limit", Some(asked.limit.to_string())));
    query.push(("cursor", asked.cursor));
    client.get(path, &query).await
}

/// A cursor that a file gave out is one that it understands.
fn place<T: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<T>, Error> {
    let place = cursor.map(str::parse).transpose();
    place.map_err(|_| Error::Answer("a cursor that makes no sense".to_owned()))
}

/// Says on standard error of which times little is known.
pub(super) fn warn(gaps: &[Gap]) {
    for gap in gaps {
        eprintln!("thirdleaf: {}", printable(&gap.text));
    }
}

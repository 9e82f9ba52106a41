//! About the daemon itself: health, metrics, configuration, version.

use std::io;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::gzip::Packer;
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::journal::Journal;
use crate::journal::archive::Archive;
use crate::metrics::{Http, Pieces, REVISION, Report};
use crate::observer::{RouteQuery, StateFilter, view};
use crate::time::Timestamp;

/// A healthy observer answers within this.
const HEALTHY: Duration = Duration::from_secs(1);

/// Pages that a scrape turns to find rejected routes.
const MAX_PAGES: usize = 64;

/// How long a scrape may be read: its snapshot takes memory meanwhile, and Prometheus gives up after 10 s.
const UNREAD: Duration = Duration::from_secs(30);

/// Whether the observer turns: the one task that everything else waits for.
pub(super) async fn healthz(state: State) -> Result<&'static str, Problem> {
    match timeout(HEALTHY, state.app.observer.ping()).await {
        Ok(Some(())) => Ok("ok\n"),
        Ok(None) => Err(Problem::unavailable("the observer has ended")),
        Err(_) => Err(Problem::unavailable("the observer has not answered for a second")),
    }
}

/// Whether peers can connect; not whether they do.
pub(super) async fn readyz(state: State) -> Result<&'static str, Problem> {
    if state.app.status.borrow().ready {
        Ok("ready\n")
    } else {
        Err(Problem::unavailable("configuration or listeners are not ready"))
    }
}

/// Thousands of peers make megabytes of text. It is written as fast as it is read, and others have their
/// turn after each piece: who reads slowly keeps nobody else from asking, and is not waited for.
pub(super) async fn metrics(state: State, headers: HeaderMap) -> Result<Response, Problem> {
    let stopping = |_| Problem::unavailable("stopping");
    let permit = state.scrapes.acquire().await.map_err(stopping)?;
    let pieces = state.report().await?.pieces();
    drop(permit);
    let pieces = pieces.map_err(|error| Problem::unavailable(error.to_string()))?;
    let packer = state.packers.packer(&headers);
    let mut response = Response::builder().header(header::CONTENT_TYPE, Report::MEDIA_TYPE);
    if packer.is_some() {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let until = Instant::now() + UNREAD;
    let body = stream::unfold((pieces, packer), move |(mut pieces, mut packer)| async move {
        tokio::task::yield_now().await;
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let piece = next(&mut pieces, packer.as_mut())?;
        Some((if Instant::now() < until { piece } else { Err(late()) }, (pieces, packer)))
    });
    response.body(Body::from_stream(body)).map_err(|error| Problem::unavailable(error.to_string()))
}

/// The next octets of a scrape; none at its end.
fn next(pieces: &mut Pieces, packer: Option<&mut Packer>) -> Option<io::Result<Bytes>> {
    let Some(packer) = packer else { return Some(Ok(pieces.next()?.into())) };
    loop {
        let piece = pieces.next();
        let written = match &piece {
            Some(piece) => packer.pack(piece.as_bytes()),
            None => packer.finish(),
        };
        match written {
            // What went in is still on its way.
            Ok(octets) if octets.is_empty() && piece.is_some() => {}
            Ok(octets) => return (!octets.is_empty()).then(|| Ok(octets.into())),
            Err(error) => return Some(Err(error)),
        }
    }
}

impl Shared {
    async fn report(&self) -> Result<Report, Problem> {
        let snapshot = self.snapshot().await?;
        let config = self.config();
        let sync = match self.sync() {
            Some(sync) => self.aside(sync.status()).await,
            None => None,
        };
        let alerts = match &self.app.alerts {
            Some(alerts) => self.aside(alerts.counts()).await,
            None => None,
        };
        let rejected = usize::try_from(snapshot.summary.routes.rejected).unwrap_or(usize::MAX);
        let rogues = self.rogues(config.metrics.rogue_routes_max.min(rejected)).await?;
        let (started, reload, state) = {
            let status = self.app.status.borrow();
            (status.started, status.reload, status.state)
        };
        Ok(Report {
            snapshot,
            counters: self.app.sessions.counters(),
            rogues,
            refusals: self.app.sessions.refusals(),
            untold_refusals: self.app.sessions.untold_refusals(),
            signatures: self.app.sessions.signatures(),
            reload,
            state,
            started,
            leaves: config.leaves.iter().map(|leaf| leaf.name.clone()).collect(),
            config: config.metrics.clone(),
            streams: self.streams.counts(),
            http: Http {
                connections: self.gate.connections(),
                rejected: self.gate.rejected(),
                refused: self.refusals.count(),
            },
            sync,
            journal: self.app.journal.as_ref().map(Journal::status),
            archive: self.app.archive.as_ref().map(Archive::status),
            alerts,
        })
    }

    /// The first `max` rejected routes; fewer if they are too far apart to be found at the price of a scrape.
    async fn rogues(&self, max: usize) -> Result<Vec<view::Route>, Problem> {
        let (mut rogues, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            if rogues.len() >= max {
                break;
            }
            let state = Some(StateFilter::Rejected);
            let limit = max - rogues.len();
            let query = RouteQuery { state, limit, cursor, ..RouteQuery::default() };
            let page = self.ask(self.app.observer.routes(query)).await?;
            rogues.extend(page.items);
            cursor = page.next_cursor.and_then(|cursor| cursor.parse().ok());
            if cursor.is_none() {
                break;
            }
        }
        Ok(rogues)
    }
}

/// The configuration in force; secrets print as asterisks.
pub(super) async fn config(state: State, params: Params) -> Result<Json<serde_json::Value>, Problem> {
    params.finish()?;
    let value = serde_json::to_value(&*state.config());
    value.map(Json).map_err(|error| Problem::unavailable(error.to_string()))
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the API's name")]
pub(super) struct Version {
    version: &'static str,
    revision: &'static str,
    started: Timestamp,
    config_file: String,
    reload: Reload,
}

#[derive(Serialize)]
struct Reload {
    successful: bool,
    succeeded: Timestamp,
    error: Option<String>,
}

pub(super) async fn version(state: State, params: Params) -> Result<Json<Version>, Problem> {
    params.finish()?;
    let status = state.app.status.borrow();
    Ok(Json(Version {
        version: env!("CARGO_PKG_VERSION"),
        revision: REVISION,
        started: status.started,
        config_file: status.config_file.display().to_string(),
        reload: Reload {
            successful: status.reload.successful,
            succeeded: status.reload.succeeded,
            error: status.reload_error.clone(),
        },
    }))
}

//! What happened and what was there, out of the journal.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::lists::{self, route_query};
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::journal::Journal;
use crate::journal::query::{EventQuery, Kinds, Place};
use crate::journal::read::Trouble;
use crate::journal::view::{Comparison, Events, Past, Source, Spell};
use crate::observer::view::{Event, Route};
use crate::observer::{EventLog, RouteQuery};
use crate::time::Timestamp;

/// How far a client's clock may be ahead of ours.
const SKEW: Duration = Duration::from_mins(1);

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Question(text) => Self::bad_request(text),
            Trouble::Slow(_) | Trouble::TooMuch(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_much", trouble.to_string())
            }
            _ => Self::unavailable(trouble.to_string()),
        }
    }
}

impl Shared {
    fn journal(&self) -> Result<&Journal, Problem> {
        self.app.journal.as_ref().ok_or_else(|| {
            let text = "there is no journal: it is kept where global.state_dir is set, unless journal.enabled is false";
            Problem::new(StatusCode::NOT_FOUND, "no_journal", text)
        })
    }

    /// What happened: out of the journal, if there is one and nobody says otherwise.
    pub(super) async fn happened(
        &self,
        query: EventQuery,
        source: Option<Source>,
    ) -> Result<Events, Problem> {
        let usual = if self.app.journal.is_some() { Source::Journal } else { Source::Memory };
        Ok(match source.unwrap_or(usual) {
            Source::Journal => self.journal()?.ask(move |reader| reader.events(&query)).await?,
            Source::Memory => remembered(self.app.observer.events(), &query),
        })
    }

    /// The routes of the time that `at` says.
    pub(super) async fn past_routes(&self, mut params: Params) -> Result<Past<Route>, Problem> {
        let at = self.past(&mut params, "at")?.unwrap_or_else(|| self.app.clock.now());
        let cursor = params.parse("cursor", "one of an earlier page")?;
        let query = route_query(&mut params)?;
        params.finish()?;
        Ok(self.journal()?.ask(move |reader| reader.routes(at, &query, cursor)).await?)
    }

    /// A time that has been; by a clock that is a little ahead of ours, now.
    fn past(&self, params: &mut Params, name: &str) -> Result<Option<Timestamp>, Problem> {
        let now = self.app.clock.now();
        let at = params.time(name, now)?;
        match at.filter(|at| at.since(now) > SKEW) {
            Some(at) => Err(Problem::bad_request(format!("parameter {name:?}: {at} has not come yet"))),
            None => Ok(at.map(|at| at.min(now))),
        }
    }
}

pub(super) async fn events(state: State, mut params: Params) -> Result<Json<Events>, Problem> {
    let query = event_query(&state, &mut params)?;
    let wanted = params.one_of("source", source, &["journal", "memory"])?;
    params.finish()?;
    state.happened(query, wanted).await.map(Json)
}

fn source(name: &str) -> Option<Source> {
    match name {
        "journal" => Some(Source::Journal),
        "memory" => Some(Source::Memory),
        _ => None,
    }
}

fn event_query(state: &Shared, params: &mut Params) -> Result<EventQuery, Problem> {
    let now = state.app.clock.now();
    let (prefix, matching) = lists::prefix(params)?;
    Ok(EventQuery {
        since: params.time("since", now)?,
        until: params.time("until", now)?,
        after: params.parse("after", "the number of an event")?.unwrap_or(0),
        kinds: params.parse::<Kinds>("kind", "a list of kinds, like peer_up, peer, or route_*")?,
        prefix,
        matching,
        cluster: params.text("cluster")?,
        vrf: params.text("vrf")?,
        leaf: params.text("leaf")?,
        peer: params.address("peer")?,
        node: params.text("node")?,
        actor: params.text("actor")?,
        newest: params.one_of("order", order, &["oldest", "newest"])?.unwrap_or(false),
        limit: params.limit()?,
        cursor: params.parse::<Place>("cursor", "one of an earlier page")?,
    })
}

/// Whether the newest come first.
fn order(name: &str) -> Option<bool> {
    match name {
        "oldest" => Some(false),
        "newest" => Some(true),
        _ => None,
    }
}

/// What the daemon remembers without a journal.
fn remembered(log: &EventLog, query: &EventQuery) -> Events {
    let last = log.last();
    let (low, high) = match query.cursor {
        Some(Place { at, end }) if query.newest => (end, at),
        Some(Place { at, end }) => (at, end),
        None => (0, last),
    };
    let kept = log.since(low.max(query.after), usize::MAX);
    let wanted = kept.iter().filter(|event| event.id <= high && query.wants(event));
    let mut items: Vec<Event> = if query.newest {
        wanted.rev().take(query.limit + 1).map(|event| (**event).clone()).collect()
    } else {
        wanted.take(query.limit + 1).map(|event| (**event).clone()).collect()
    };
    let is_full = items.len() > query.limit;
    items.truncate(query.limit);
    let next = items.last().filter(|_| is_full).map(|event| {
        if query.newest { Place { at: event.id - 1, end: low } } else { Place { at: event.id, end: high } }
    });
    let next_cursor = next.map(|place| place.to_string());
    Events { items, next_cursor, total: None, last, source: Source::Memory }
}

/// Routes as they are, or as they were at a time.
pub(super) async fn routes(state: State, params: Params) -> Result<Response, Problem> {
    if params.has("at") {
        return Ok(Json(state.past_routes(params).await?).into_response());
    }
    Ok(lists::routes(state, params).await?.into_response())
}

/// Who announced a prefix, and when.
pub(super) async fn history(state: State, mut params: Params) -> Result<Json<Past<Spell>>, Problem> {
    let (since, until) = (state.past(&mut params, "since")?, state.past(&mut params, "until")?);
    let cursor = params.text("cursor")?;
    let query = route_query(&mut params)?;
    params.finish()?;
    if query.prefix.is_none() {
        return Err(Problem::bad_request("parameter \"prefix\" is missing"));
    }
    let answer = state.journal()?.ask(move |reader| reader.history(&query, since, until, cursor.as_deref()));
    Ok(Json(answer.await?))
}

/// What differs between two times.
pub(super) async fn compare(state: State, mut params: Params) -> Result<Json<Comparison>, Problem> {
    let from = state.past(&mut params, "from")?;
    let to = state.past(&mut params, "to")?.unwrap_or_else(|| state.app.clock.now());
    let cursor = params.parse("cursor", "one of an earlier page")?;
    let (prefix, matching) = lists::prefix(&mut params)?;
    let query = RouteQuery {
        prefix,
        matching,
        node: params.text("node")?,
        leaf: params.text("leaf")?,
        peer: params.address("peer")?,
        cluster: params.text("cluster")?,
        vrf: params.text("vrf")?,
        limit: params.limit()?,
        ..RouteQuery::default()
    };
    params.finish()?;
    let from = from.ok_or_else(|| Problem::bad_request("parameter \"from\" is missing"))?;
    Ok(Json(state.journal()?.ask(move |reader| reader.compare(from, to, &query, cursor)).await?))
}

#[cfg(test)]
mod tests;

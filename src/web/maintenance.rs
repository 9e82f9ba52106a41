//! Maintenance: what somebody works on, of which nobody is told.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::State;
use super::auth::Operator;
use super::changes::{Body, Done, duration, octets, parse, reason};
use super::page;
use super::params::Params;
use super::problem::Problem;
use crate::observer::maintenance::{LONGEST, NoMaintenance, Whom, Window};
use crate::observer::view::Page;

/// What is worked on, as it is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    node: Option<Arc<str>>,
    rack: Option<Arc<str>>,
    cluster: Option<Arc<str>>,
}

impl Scope {
    fn whom(self) -> Result<Whom, Problem> {
        match self {
            Self { node: Some(name), rack: None, cluster: None } => Ok(Whom::Node(name)),
            Self { node: None, rack: Some(name), cluster: None } => Ok(Whom::Rack(name)),
            Self { node: None, rack: None, cluster: Some(name) } => Ok(Whom::Cluster(name)),
            _ => Err(Problem::bad_request(
                "body: `scope` names exactly one of \"node\", \"rack\" and \"cluster\", such as {\"node\": \"node1\"}",
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    scope: Scope,
    #[serde(rename = "for")]
    time: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    scope: Scope,
}

/// `(sort, name)`.
type WindowKey = (String, String);

pub(super) async fn list(state: State, mut params: Params) -> Result<Json<Page<Window>>, Problem> {
    let limit = params.limit()?;
    let after = page::read::<WindowKey>(params.text("cursor")?)?;
    params.finish()?;
    let summary = state.ask(state.app.observer.summary()).await?;
    let key = |window: &Window| (window.scope.sort().to_owned(), window.scope.name().to_owned());
    Ok(Json(page::page(summary.maintenance.into_iter(), key, after.as_ref(), limit)))
}

pub(super) async fn start(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Begun { scope, time, reason: given } = parse(&octets(body)?)?;
    let (scope, time, reason) = (scope.whom()?, duration(&time, LONGEST)?, reason(&given)?);
    match state.ask(state.app.observer.by(&actor).start_maintenance(scope, time, reason)).await? {
        Ok(Window { scope, until, reason, .. }) => {
            Ok(state.kept(&actor, format!("maintenance of {scope} until {until}: {reason}")).await)
        }
        Err(error @ NoMaintenance::Unknown { .. }) => Err(Problem::not_found(error.to_string())),
        Err(error @ NoMaintenance::TooMany) => {
            Err(Problem::new(StatusCode::CONFLICT, "too_many", error.to_string()))
        }
    }
}

pub(super) async fn end(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Ended { scope } = parse(&octets(body)?)?;
    let scope = scope.whom()?;
    match state.ask(state.app.observer.by(&actor).end_maintenance(scope.clone())).await? {
        Some(_) => Ok(state.kept(&actor, format!("maintenance of {scope} ended")).await),
        None => Err(Problem::not_found(format!("there is no maintenance of {scope}"))),
    }
}

#[cfg(test)]
mod tests;

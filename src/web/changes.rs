//! Calls that change something.

use std::net::IpAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::auth::Authorized;
use super::params::Params;
use super::problem::Problem;
use super::{Control, Shared, State};
use crate::speaker::PeerId;

/// What was done.
#[derive(Serialize)]
pub(super) struct Done {
    result: String,
}

type Body = Result<Bytes, BytesRejection>;

/// `{}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Which peers: those with this address, on one leaf or on all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    leaf: Option<String>,
    peer: IpAddr,
}

pub(super) async fn reload(
    _: Authorized,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let body = octets(body)?;
    if !body.is_empty() {
        let Nothing {} = parse(&body)?;
    }
    match state.command(Control::Reload).await? {
        Ok(result) => Ok(done(result)),
        Err(message) => Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_config", message)),
    }
}

pub(super) async fn reset(
    _: Authorized,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let whom: Whom = parse(&octets(body)?)?;
    let candidates = state.candidates(&whom)?;
    match candidates.iter().filter(|peer| state.app.sessions.reset(peer)).count() {
        0 => Err(Problem::not_found(format!("{} has no session", whom.peer))),
        1 => Ok(done(format!("session with {} reset", whom.peer))),
        count => Ok(done(format!("{count} sessions with {} reset", whom.peer))),
    }
}

pub(super) async fn forget(
    _: Authorized,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let whom: Whom = parse(&octets(body)?)?;
    let candidates = state.candidates(&whom)?;
    let snapshot = state.snapshot().await?;
    if !candidates.iter().any(|peer| snapshot.peer(peer).is_some()) {
        return Err(Problem::not_found(format!("{} is not known", whom.peer)));
    }
    let count = state.ask(state.app.observer.forget(whom.leaf, whom.peer)).await?;
    if count == 0 {
        let message =
            format!("{} is up or pinned; only a dynamic peer that is down can be forgotten", whom.peer);
        return Err(Problem::new(StatusCode::CONFLICT, "still_known", message));
    }
    Ok(done(format!("{} forgotten", whom.peer)))
}

/// Says what was done, to the client and in the log.
fn done(result: String) -> Json<Done> {
    tracing::info!(result, "asked over HTTP");
    Json(Done { result })
}

impl Shared {
    /// Has the daemon do something, and waits until it is done.
    async fn command<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Control) -> Result<T, Problem> {
        let (sender, answer) = oneshot::channel();
        let ended = || Problem::unavailable("the daemon is stopping");
        self.app.control.send(command(sender)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }

    /// The peers that may be meant: on every leaf, or on the one that is named.
    fn candidates(&self, whom: &Whom) -> Result<Vec<PeerId>, Problem> {
        let config = self.config();
        let names = config.leaves.iter().map(|leaf| &leaf.name);
        let wanted =
            names.filter(|name| whom.leaf.as_ref().is_none_or(|leaf| leaf.as_str() == name.as_ref()));
        let peers: Vec<_> = wanted.map(|leaf| PeerId { leaf: leaf.clone(), address: whom.peer }).collect();
        match &whom.leaf {
            Some(leaf) if peers.is_empty() => Err(Problem::not_found(format!("there is no leaf {leaf:?}"))),
            _ => Ok(peers),
        }
    }
}

fn octets(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|error| {
        let code = if error.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "bad_request" };
        Problem::new(error.status(), code, error.body_text())
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("body: {error}")))
}

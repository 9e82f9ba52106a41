//! Calls that change something.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::auth::Operator;
use super::params::Params;
use super::problem::Problem;
use super::{Control, DISK, Shared, State};
use crate::config;
use crate::observer::Actor;
use crate::observer::maintenance::did_you_mean;
use crate::speaker::PeerId;

/// What was done.
#[derive(Serialize)]
pub(super) struct Done {
    result: String,
}

pub(super) type Body = Result<Bytes, BytesRejection>;

/// `{}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A body that says nothing.
pub(super) fn nothing(body: Body) -> Result<(), Problem> {
    let body = octets(body)?;
    if !body.is_empty() {
        let Nothing {} = parse(&body)?;
    }
    Ok(())
}

/// Which peers: those with this address, on one leaf or on all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    leaf: Option<String>,
    peer: IpAddr,
}

/// Which peers: as [`Whom`], or those of a node in one cluster or in all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    leaf: Option<String>,
    peer: Option<IpAddr>,
    node: Option<String>,
    cluster: Option<String>,
}

/// Which finding, and why that will do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledged {
    id: String,
    reason: String,
}

/// Shorter is over before anybody has begun.
const SHORTEST: Duration = Duration::from_secs(1);

/// Octets of what somebody says.
const LONGEST_REASON: usize = 500;

pub(super) async fn reload(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    nothing(body)?;
    state.reload(&actor).await
}

pub(super) async fn reset(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let whom: Whom = parse(&octets(body)?)?;
    let candidates = state.candidates(&whom)?;
    let reset = candidates.iter().filter(|peer| state.app.sessions.reset(peer)).inspect(|peer| {
        let leaf = peer.leaf.to_string();
        state.did(&actor, "peer_reset", &format!("the session with {peer} was reset"), |event| {
            (event.leaf, event.peer) = (Some(leaf), Some(peer.address));
        });
    });
    match reset.count() {
        0 => Err(Problem::not_found(format!("{} has no session", whom.peer))),
        1 => Ok(done(&actor, format!("session with {} reset", whom.peer))),
        count => Ok(done(&actor, format!("{count} sessions with {} reset", whom.peer))),
    }
}

pub(super) async fn forget(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    match parse(&octets(body)?)? {
        Forgotten { leaf, peer: Some(peer), node: None, cluster: None } => {
            state.forget_peer(&actor, Whom { leaf, peer }).await
        }
        Forgotten { leaf: None, peer: None, node: Some(node), cluster } => {
            state.forget_node(&actor, node, cluster).await
        }
        _ => Err(Problem::bad_request(
            "body: name a \"peer\", and a \"leaf\" if one alone is meant, or a \"node\", and a \"cluster\" if one alone is meant",
        )),
    }
}

pub(super) async fn acknowledge(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Acknowledged { id, reason: given } = parse(&octets(body)?)?;
    state.acknowledge(&actor, &id, &given).await
}

impl Done {
    /// In words.
    pub(super) fn result(&self) -> &str {
        &self.result
    }
}

impl Shared {
    pub(super) async fn reload(&self, actor: &Actor) -> Result<Json<Done>, Problem> {
        match self.command(|answer| Control::Reload(Some(actor.clone()), answer)).await? {
            Ok(result) => Ok(done(actor, result)),
            Err(message) => Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_config", message)),
        }
    }

    pub(super) async fn acknowledge(
        &self,
        actor: &Actor,
        id: &str,
        given: &str,
    ) -> Result<Json<Done>, Problem> {
        let reason = reason(given)?;
        if self.ask(self.app.observer.by(actor).acknowledge(id.to_owned(), reason.clone())).await? {
            return Ok(self.kept(actor, format!("{id} acknowledged: {reason}")).await);
        }
        Err(Problem::not_found(format!("there is no finding {id:?} that is pending or open")))
    }

    async fn forget_peer(&self, actor: &Actor, whom: Whom) -> Result<Json<Done>, Problem> {
        let candidates = self.candidates(&whom)?;
        let snapshot = self.snapshot().await?;
        if !candidates.iter().any(|peer| snapshot.peer(peer).is_some()) {
            return Err(Problem::not_found(format!("{} is not known", whom.peer)));
        }
        let address = whom.peer;
        let leaf = whom.leaf.clone();
        if self.ask(self.app.observer.forget(whom.leaf, whom.peer)).await? == 0 {
            let is_up = |peer| snapshot.peer(peer).is_some_and(|peer| peer.up);
            let pinned = self.config().nodes.iter().any(|node| node.addresses.contains(&address));
            return Err(still_known(&address.to_string(), candidates.iter().any(is_up), pinned));
        }
        let result = format!("{address} forgotten");
        self.did(actor, "peer_forgotten", &result, |event| {
            (event.leaf, event.peer) = (leaf, Some(address));
        });
        Ok(self.kept(actor, result).await)
    }

    async fn forget_node(
        &self,
        actor: &Actor,
        node: String,
        cluster: Option<String>,
    ) -> Result<Json<Done>, Problem> {
        let snapshot = self.snapshot().await?;
        let peers = snapshot.peers.iter();
        let names = peers.filter(|peer| cluster.as_deref().is_none_or(|cluster| *peer.cluster == *cluster));
        let names: BTreeSet<_> = names.filter_map(|peer| peer.node.as_deref()).collect();
        if !names.contains(node.as_str()) {
            let hint = did_you_mean(config::nearest(&node, names.into_iter()));
            return Err(Problem::not_found(format!("there is no node {node:?}{hint}")));
        }
        match self.ask(self.app.observer.forget_node(node.clone(), cluster.clone())).await? {
            0 => {
                let is_meant = |name: Option<&str>, of: &str| {
                    name == Some(node.as_str()) && cluster.as_deref().is_none_or(|cluster| cluster == of)
                };
                let mut peers = snapshot.peers.iter();
                let up = peers.any(|peer| peer.up && is_meant(peer.node.as_deref(), &peer.cluster));
                let pinned = self.config().nodes.iter().any(|pin| *pin.name == *node);
                Err(still_known(&node, up, pinned))
            }
            count => {
                let result = match count {
                    1 => format!("{node} forgotten"),
                    _ => format!("{node} forgotten, {count} peers"),
                };
                self.did(actor, "peer_forgotten", &result, |event| {
                    (event.node, event.cluster) = (Some(node), cluster);
                });
                Ok(self.kept(actor, result).await)
            }
        }
    }
}

fn still_known(whom: &str, up: bool, pinned: bool) -> Problem {
    let why = match (up, pinned) {
        (true, true) => {
            "is up, and pinned: end its session, and take it out of [[nodes]] in the configuration"
        }
        (false, true) => "is pinned: take it out of [[nodes]] in the configuration",
        // Who is neither has come up meanwhile.
        (_, false) => "is up: end its session",
    };
    let message = format!("{whom} {why}; only a dynamic peer that is down can be forgotten");
    Problem::new(StatusCode::CONFLICT, "still_known", message)
}

/// Why somebody wants it so: a line for others to read.
pub(super) fn reason(given: &str) -> Result<String, Problem> {
    let reason = given.trim();
    if reason.is_empty() || reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
        let message = format!("body: `reason` is one line of at most {LONGEST_REASON} octets, and not empty");
        return Err(Problem::bad_request(message));
    }
    Ok(reason.to_owned())
}

/// How long something is to last that ends by itself.
pub(super) fn duration(text: &str, longest: Duration) -> Result<Duration, Problem> {
    let time = humantime::parse_duration(text).ok().filter(|time| (SHORTEST..=longest).contains(time));
    time.ok_or_else(|| {
        let days = longest.as_secs() / 86_400;
        let message =
            format!("body: `for` is a duration from \"1s\" to \"{days}d\", such as \"2h\", and not {text:?}");
        Problem::bad_request(message)
    })
}

/// Says what was done, to the client and in the log.
pub(super) fn done(actor: &Actor, result: String) -> Json<Done> {
    tracing::info!(actor = &*actor.name, client = %actor.client, result, "asked over HTTP");
    Json(Done { result })
}

impl Shared {
    /// Says what was done, once that is on the disk; a disk that does not answer is not waited for.
    pub(super) async fn kept(&self, actor: &Actor, result: String) -> Json<Done> {
        let asked = async {
            let Some(keep) = &self.app.keep else { return Some(true) };
            let (answer, kept) = oneshot::channel();
            keep.send(answer).await.ok()?;
            kept.await.ok()
        };
        if timeout(DISK, asked).await == Ok(Some(true)) {
            return done(actor, result);
        }
        tracing::warn!(result, "what was asked for is in force, but not on the disk");
        done(actor, format!("{result} (not on the disk yet: a restart may forget it)"))
    }

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

pub(super) fn octets(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|error| {
        let code = if error.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "bad_request" };
        Problem::new(error.status(), code, error.body_text())
    })
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("body: {error}")))
}

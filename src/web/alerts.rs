//! Who is told of findings, and whether it gets there.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::auth::Operator;
use super::changes::{Body, octets, parse};
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::alert::view::{Outcome, Overview};
use crate::alert::{Alerts, Tested};
use crate::config;
use crate::observer::maintenance::did_you_mean;

/// Longer than a receiver may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// Which receiver; none: all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    receiver: Option<String>,
}

/// What became of a test.
#[derive(Serialize)]
pub(super) struct Results {
    receivers: Vec<Outcome>,
}

pub(super) async fn list(state: State, params: Params) -> Result<Json<Overview>, Problem> {
    params.finish()?;
    let overview = match &state.app.alerts {
        Some(alerts) => timely(alerts.overview()).await?,
        None => Overview::default(),
    };
    Ok(Json(overview))
}

pub(super) async fn test(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Results>, Problem> {
    params.finish()?;
    let body = octets(body)?;
    let Tried { receiver } = if body.is_empty() { Tried { receiver: None } } else { parse(&body)? };
    match timely(state.alerts()?.test(receiver.clone())).await? {
        Tested::Outcomes(receivers) => {
            let what = format!("a test alert was sent to {} receivers", receivers.len());
            state.did(&actor, "alerts_tested", &what, |_| ());
            Ok(Json(Results { receivers }))
        }
        Tested::Nobody(known) => Err(nobody(receiver.as_deref().unwrap_or_default(), &known)),
        Tested::Busy => {
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "other tests are still under way"))
        }
    }
}

/// What the task of alerts answers, in time.
async fn timely<T>(answer: impl Future<Output = Option<T>>) -> Result<T, Problem> {
    match timeout(PATIENCE, answer).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(Problem::unavailable("the task of alerts has ended")),
        Err(_) => Err(Problem::unavailable("the task of alerts does not answer in time")),
    }
}

fn nobody(name: &str, known: &[String]) -> Problem {
    if known.is_empty() {
        return Problem::not_found(
            "nobody is told of alerts: [alerts] in the configuration names no receiver",
        );
    }
    let hint = did_you_mean(config::nearest(name, known.iter().map(String::as_str)));
    Problem::not_found(format!("there is no receiver {name:?}{hint}"))
}

impl Shared {
    fn alerts(&self) -> Result<&Alerts, Problem> {
        self.app.alerts.as_ref().ok_or_else(|| nobody("", &[]))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::web::testing::{Server, TOKEN};

    #[tokio::test]
    async fn where_nobody_is_told_there_is_nothing_to_test() {
        let server = Server::start(Some(TOKEN)).await;
        let (status, overview) = server.get("/api/v1/alerts").await;
        assert_eq!((status, overview), (StatusCode::OK, json!({ "alerts": [], "receivers": [] })));
        let (status, answer) = server.post("/api/v1/alerts/test", json!({})).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(answer["error"]["message"].as_str().unwrap().contains("[alerts]"), "{answer}");
        let (status, _) = server.post("/api/v1/alerts/test", json!({ "reciever": "x" })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

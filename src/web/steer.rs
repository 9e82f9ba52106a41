//! What people have the EEPG controller do, and not do.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::auth::Operator;
use super::changes::{Body, Done, done, duration, nothing, octets, parse, reason};
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::eepg::view::Pause;
use crate::eepg::{Answer, Refusal};
use crate::observer::Actor;
use crate::sync::Controller;

/// A pause is no way to switch the sync off for good.
const LONGEST_PAUSE: Duration = Duration::from_hours(7 * 24);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paused {
    #[serde(rename = "for")]
    time: String,
    reason: String,
}

pub(super) async fn pause(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Paused { time, reason: given } = parse(&octets(body)?)?;
    let (time, reason) = (duration(&time, LONGEST_PAUSE)?, reason(&given)?);
    let pause = Pause { until: state.app.clock.now().after(time), reason };
    let answer = state.told(state.controller()?.by(&actor).pause(Some(pause))).await?;
    state.outcome(&actor, "sync_paused", answer)
}

pub(super) async fn resume(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    nothing(body)?;
    let answer = state.told(state.controller()?.by(&actor).pause(None)).await?;
    state.outcome(&actor, "sync_resumed", answer)
}

impl Shared {
    /// The controller, for what cannot be done without one.
    pub(super) fn controller(&self) -> Result<&Controller, Problem> {
        let none = || Problem::not_found("no [[apic]] is configured: there are no EEPGs to keep in step");
        self.sync().ok_or_else(none)
    }

    /// What a call came to.
    pub(super) fn outcome(&self, actor: &Actor, kind: &str, answer: Answer) -> Result<Json<Done>, Problem> {
        let refused = |refusal: Refusal| {
            let (status, code) = match &refusal {
                Refusal::Unknown(_) => (StatusCode::NOT_FOUND, "not_found"),
                Refusal::Changed(_) => (StatusCode::CONFLICT, "changed"),
                Refusal::Held(_) => (StatusCode::CONFLICT, "held"),
            };
            Problem::new(status, code, refusal.to_string())
        };
        let result = answer.map_err(refused)?;
        self.did(actor, kind, &result, |_| {});
        Ok(done(actor, result))
    }
}

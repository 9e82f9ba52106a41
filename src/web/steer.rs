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
    state.pause(&actor, &time, &given).await
}

pub(super) async fn resume(
    Operator(actor): Operator,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    nothing(body)?;
    state.resume(&actor).await
}

impl Shared {
    pub(super) async fn pause(&self, actor: &Actor, time: &str, given: &str) -> Result<Json<Done>, Problem> {
        let (time, reason) = (duration(time, LONGEST_PAUSE)?, reason(given)?);
        let pause = Pause { until: self.app.clock.now().after(time), reason };
        let answer = self.told(self.controller()?.by(actor).pause(Some(pause))).await?;
        self.outcome(actor, "sync_paused", answer)
    }

    pub(super) async fn resume(&self, actor: &Actor) -> Result<Json<Done>, Problem> {
        let answer = self.told(self.controller()?.by(actor).pause(None)).await?;
        self.outcome(actor, "sync_resumed", answer)
    }

    pub(super) async fn approve(&self, actor: &Actor, plan: String) -> Result<Json<Done>, Problem> {
        let answer = self.told(self.controller()?.by(actor).approve(plan)).await?;
        self.outcome(actor, "plan_approved", answer)
    }

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

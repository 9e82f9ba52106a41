//! The plan: what is to be changed in the fabric, what holds it back, and what lets it through.

use axum::Json;
use serde::{Deserialize, Serialize};

use super::auth::Approver;
use super::changes::{Body, Done, nothing, octets, parse};
use super::page;
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::config::model::Mode;
use crate::eepg::Brake;
use crate::eepg::view::{self, Change};
use crate::sync::Controller;

/// Changes that are looked at for a page under a filter: so many, so often.
const PART: usize = 1_000;
const MAX_PARTS: usize = 16;

/// `GET /api/v1/plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The plan, with the changes of this page.
    #[serde(flatten)]
    pub plan: view::Plan,
    /// Where the next page starts; none: this was the last.
    pub next_cursor: Option<String>,
}

/// Which changes.
#[derive(Default)]
struct Filter {
    operation: Option<&'static str>,
    held: Option<Held>,
}

#[derive(Clone, Copy)]
enum Held {
    Yes,
    No,
    By(Brake),
}

const OPERATIONS: [&str; 3] = ["create", "modify", "delete"];

impl Held {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "true" => Some(Self::Yes),
            "false" => Some(Self::No),
            _ => Brake::ALL.into_iter().find(|brake| brake.name() == name).map(Self::By),
        }
    }
}

impl Filter {
    fn read(params: &mut Params) -> Result<Self, Problem> {
        let operation = |name: &str| OPERATIONS.into_iter().find(|operation| *operation == name);
        let held: Vec<_> =
            ["true", "false"].into_iter().chain(Brake::ALL.iter().map(|brake| brake.name())).collect();
        Ok(Self {
            operation: params.one_of("operation", operation, &OPERATIONS)?,
            held: params.one_of("held", Held::from_name, &held)?,
        })
    }

    const fn is_none(&self) -> bool {
        self.operation.is_none() && self.held.is_none()
    }

    fn finds(&self, change: &Change) -> bool {
        let by = change.held_by.as_deref();
        self.operation.is_none_or(|operation| change.operation == operation)
            && self.held.is_none_or(|held| match held {
                Held::Yes => by.is_some(),
                Held::No => by.is_none(),
                Held::By(brake) => by == Some(brake.name()),
            })
    }
}

pub(super) async fn plan(state: State, mut params: Params) -> Result<Json<Plan>, Problem> {
    let filter = Filter::read(&mut params)?;
    let known = |name: &str| name.parse::<bool>().ok();
    let requests = params.one_of("requests", known, &["true", "false"])?.unwrap_or_default();
    let limit = params.limit()?;
    let after = page::read::<u64>(params.text("cursor")?)?.unwrap_or_default();
    params.finish()?;
    if requests && !filter.is_none() {
        let message = "parameter \"requests\" goes without \"operation\" and \"held\": requests are made of all changes";
        return Err(Problem::bad_request(message));
    }
    let Some(sync) = state.sync() else {
        let plan = view::Plan { mode: Mode::Observe.name().to_owned(), ..view::Plan::default() };
        return Ok(Json(Plan { plan, next_cursor: None }));
    };
    let after = usize::try_from(after).unwrap_or(usize::MAX);
    let (plan, end) = if filter.is_none() {
        let plan = state.told(sync.plan(after, limit, requests)).await?;
        let end = after.saturating_add(plan.changes.len());
        (plan, end)
    } else {
        state.find(sync, &filter, after, limit).await?
    };
    // Where nothing was given, there is nothing to go on to.
    let next_cursor = (after < end && end < plan.total).then(|| end.to_string());
    Ok(Json(Plan { plan, next_cursor }))
}

impl Shared {
    /// At most `limit` changes that a filter finds, of those after `after` others; and how many were looked at.
    async fn find(
        &self,
        sync: &Controller,
        filter: &Filter,
        after: usize,
        limit: usize,
    ) -> Result<(view::Plan, usize), Problem> {
        let mut plan = self.told(sync.plan(after, PART, false)).await?;
        let (mut found, mut end) = (Vec::new(), after);
        let (mut part, mut parts) = (std::mem::take(&mut plan.changes), 1);
        loop {
            for change in part {
                end += 1;
                if filter.finds(&change) {
                    found.push(change);
                }
                if found.len() == limit {
                    return Ok((view::Plan { changes: found, ..plan }, end));
                }
            }
            if end >= plan.total || parts == MAX_PARTS {
                break;
            }
            parts += 1;
            let next = self.told(sync.plan(end, PART, false)).await?;
            // What is of another plan is for the next page.
            if next.id != plan.id || next.changes.is_empty() {
                break;
            }
            part = next.changes;
        }
        Ok((view::Plan { changes: found, ..plan }, end))
    }
}

/// Which plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approved {
    id: String,
}

pub(super) async fn apply(
    Approver(actor): Approver,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    nothing(body)?;
    let answer = state.told(state.controller()?.by(&actor).apply()).await?;
    state.outcome(&actor, "plan_applied", answer)
}

pub(super) async fn approve(
    Approver(actor): Approver,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Approved { id } = parse(&octets(body)?)?;
    state.approve(&actor, id).await
}

#[cfg(test)]
mod tests;

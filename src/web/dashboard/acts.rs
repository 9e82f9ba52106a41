//! What a form has done.

use std::sync::Arc;

use axum::Form;
use axum::Json;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};

use super::level::Level;
use super::query::Query;
use super::words::text;
use super::{Section, Stage, View, answer, around};
use crate::config::model::Scope;
use crate::web::auth::{Ends, authorize};
use crate::web::changes::Done;
use crate::web::params::Params;
use crate::web::problem::Problem;
use crate::web::{Shared, State};

/// Something that can be done from the page.
#[derive(Clone, Copy)]
enum Act {
    Acknowledge,
    Approve,
    Pause,
    Resume,
    Reload,
}

type Fields = Result<Form<Vec<(String, String)>>, FormRejection>;

impl Act {
    const ALL: [Self; 5] = [Self::Acknowledge, Self::Approve, Self::Pause, Self::Resume, Self::Reload];

    const fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Approve => "approve",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reload => "reload",
        }
    }

    /// What its token must be good for.
    const fn scope(self) -> Scope {
        match self {
            Self::Approve => Scope::Approve,
            Self::Acknowledge | Self::Pause | Self::Resume | Self::Reload => Scope::Operate,
        }
    }

    const fn section(self) -> Section {
        match self {
            Self::Acknowledge => Section::Findings,
            Self::Approve | Self::Pause | Self::Resume => Section::Eepgs,
            Self::Reload => Section::Configuration,
        }
    }

    /// Does it, if the token of the form allows that.
    async fn carry_out(self, shared: &Shared, ends: &Ends, fields: Fields) -> Result<Json<Done>, Problem> {
        let Form(fields) = fields.map_err(|error| Problem::bad_request(error.body_text()))?;
        let fields = Query::new(Params::of(fields));
        let token = fields.get("token").map(str::as_bytes);
        let actor = authorize(shared, ends, token, self.scope())?;
        let fields = fields.with("token", None);
        match self {
            Self::Acknowledge => {
                fields.only(&["id", "reason"])?;
                shared.acknowledge(&actor, fields.need("id")?, fields.need("reason")?).await
            }
            Self::Approve => {
                fields.only(&["plan"])?;
                shared.approve(&actor, fields.need("plan")?.to_owned()).await
            }
            Self::Pause => {
                fields.only(&["for", "reason"])?;
                shared.pause(&actor, fields.need("for")?, fields.need("reason")?).await
            }
            Self::Resume => fields.only(&[]).map(|()| shared.resume(&actor))?.await,
            Self::Reload => fields.only(&[]).map(|()| shared.reload(&actor))?.await,
        }
    }
}

pub(super) fn add(mut router: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    for act in Act::ALL {
        let page = move |state: State, ends: Ends, headers: HeaderMap, fields: Fields| async move {
            let done = act.carry_out(&state, &ends, fields).await;
            let notice = notice(&done);
            answered(done, below(&state, act, notice).await, &headers)
        };
        let fragment = move |state: State, ends: Ends, headers: HeaderMap, fields: Fields| async move {
            let done = act.carry_out(&state, &ends, fields).await;
            let notice = notice(&done);
            answered(done, notice, &headers)
        };
        router = router.route(&format!("/{}", act.name()), post(page));
        router = router.route(&format!("/fragment/{}", act.name()), post(fragment));
    }
    router
}

fn answered(done: Result<Json<Done>, Problem>, markup: Markup, headers: &HeaderMap) -> Response {
    match done {
        Ok(_) => answer::html(StatusCode::OK, markup, headers),
        Err(problem) => {
            let mut response = answer::html(problem.status(), markup, headers);
            // Whoever keeps the trail hears why.
            response.extensions_mut().insert(problem.told());
            response
        }
    }
}

/// What came of it, above the section that it was about.
async fn below(shared: &Shared, act: Act, notice: Markup) -> Markup {
    let stage = Stage::new(shared);
    let section = act.section();
    let drawn = section.draw(&stage, &Query::default()).await;
    let title = View::Section(section).title(&Query::default());
    around(&stage, Some(section), Some(&title), html! { (notice) (drawn) }).await
}

fn notice(done: &Result<Json<Done>, Problem>) -> Markup {
    match done {
        Ok(Json(done)) => {
            html! { p .notice data-state="ok" role="status" { (Level::Ok.mark()) " " (text(done.result())) } }
        }
        Err(problem) => {
            html! { p .notice data-state="refused" role="alert" { (Level::Critical.mark()) " " (text(problem.message())) } }
        }
    }
}

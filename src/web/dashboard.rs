//! The dashboard: one page for people, drawn by the server.
//!
//! | `GET` | what |
//! |---|---|
//! | `/` | the glance bar and all sections; a section's query is `section.name=value` |
//! | `/sessions`, `/findings`, `/routes`, `/eepgs`, `/timeline`, `/configuration` | one section as a page of its own |
//! | `/rack`, `/finding`, `/why`, `/members`, `/plan`, `/file` | a detail, likewise |
//! | `/fragment/...` | each of them without a page around it: what the script puts in place |
//! | `/routes.csv` | all routes that a search finds |
//! | `/assets/...` | style, script and icon |
//!
//! `POST` to `/acknowledge`, `/approve`, `/pause`, `/resume` and `/reload` takes a form with the field `token`.
//!
//! Everything works without the script: links are links, forms are forms, what is folded unfolds. The script keeps
//! the page up to date: the stream of events tells it that something changed, and it fetches the sections again that
//! somebody looks at.

mod acts;
mod answer;
mod assets;
mod chart;
mod configuration;
mod csv;
mod eepgs;
mod findings;
mod forms;
mod glance;
mod layout;
mod level;
mod moments;
mod query;
mod routes;
mod sessions;
mod timeline;
mod why;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use maud::{Markup, html};

use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::time::Timestamp;
use glance::Glance;
use layout::Page;
use level::Level;
use query::Query;
use words::{count, text};

pub(super) use glance::Seen;
pub(super) use moments::{Moments, watch};

/// A part of the page, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Sessions,
    Findings,
    Routes,
    Eepgs,
    Timeline,
    Configuration,
}

/// What can be looked at alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Glance,
    Section(Section),
    Rack,
    Finding,
    Why,
    Members,
    Plan,
    File,
}

impl Section {
    const ALL: [Self; 6] =
        [Self::Sessions, Self::Findings, Self::Routes, Self::Eepgs, Self::Timeline, Self::Configuration];

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Findings => "findings",
            Self::Routes => "routes",
            Self::Eepgs => "eepgs",
            Self::Timeline => "timeline",
            Self::Configuration => "configuration",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::Findings => "Findings",
            Self::Routes => "Routes",
            Self::Eepgs => "EEPGs",
            Self::Timeline => "Timeline",
            Self::Configuration => "Configuration",
        }
    }

    async fn draw(self, stage: &Stage<'_>, query: &Query) -> Markup {
        let drawn = match self {
            Self::Sessions => sessions::draw(stage, query).await,
            Self::Findings => findings::draw(stage, query).await,
            Self::Routes => routes::draw(stage, query).await,
            Self::Eepgs => eepgs::draw(stage, query).await,
            Self::Timeline => timeline::draw(stage, query).await,
            Self::Configuration => query.only(&[]).map(|()| configuration::draw(stage)),
        };
        layout::section(self, &query.link(self.name()), drawn)
    }
}

impl View {
    const ALL: [Self; 13] = [
        Self::Glance,
        Self::Section(Section::Sessions),
        Self::Section(Section::Findings),
        Self::Section(Section::Routes),
        Self::Section(Section::Eepgs),
        Self::Section(Section::Timeline),
        Self::Section(Section::Configuration),
        Self::Rack,
        Self::Finding,
        Self::Why,
        Self::Members,
        Self::Plan,
        Self::File,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Glance => "glance",
            Self::Section(section) => section.name(),
            Self::Rack => "rack",
            Self::Finding => "finding",
            Self::Why => "why",
            Self::Members => "members",
            Self::Plan => "plan",
            Self::File => "file",
        }
    }

    /// The section that it belongs to.
    const fn section(self) -> Section {
        match self {
            Self::Section(section) => section,
            Self::Glance | Self::Rack => Section::Sessions,
            Self::Finding => Section::Findings,
            Self::Why => Section::Routes,
            Self::Members | Self::Plan => Section::Eepgs,
            Self::File => Section::Configuration,
        }
    }

    /// What it is about, for its own page.
    fn title(self, query: &Query) -> String {
        let of = |what: &str, name: &str| format!("{what} {}", query.get(name).unwrap_or_default());
        match self {
            Self::Rack => of("Rack", "rack"),
            Self::Finding => of("Finding", "id"),
            Self::Why => of("Why", "prefix"),
            Self::Members => of("Members of", "dn"),
            Self::Plan => "Plan".to_owned(),
            Self::File => "The file in force".to_owned(),
            Self::Glance | Self::Section(_) => self.section().title().to_owned(),
        }
    }

    async fn draw(self, stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
        match self {
            Self::Glance => Ok(html! {}),
            Self::Section(section) => Ok(section.draw(stage, query).await),
            Self::Rack => sessions::rack(stage, query).await,
            Self::Finding => findings::finding(stage, query).await,
            Self::Why => why::draw(stage, query).await,
            Self::Members => eepgs::members(stage, query).await,
            Self::Plan => eepgs::plan(stage, query).await,
            Self::File => configuration::file(stage, query),
        }
    }
}

/// Whom to ask, and what time it is.
struct Stage<'a> {
    shared: &'a Shared,
    now: Timestamp,
}

impl<'a> Stage<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, now: shared.app.clock.now() }
    }
}

pub(super) fn router() -> Router<Arc<Shared>> {
    let mut router = Router::new()
        .route("/", get(whole))
        .route("/routes.csv", get(csv::routes))
        .route("/assets/{name}", get(assets::serve));
    for view in View::ALL {
        let (page, fragment) = handlers(view);
        router = router.route(&format!("/{}", view.name()), page);
        router = router.route(&format!("/fragment/{}", view.name()), fragment);
    }
    acts::add(router)
}

fn handlers(view: View) -> (MethodRouter<Arc<Shared>>, MethodRouter<Arc<Shared>>) {
    let page = move |state: State, params: Params, headers: HeaderMap| async move {
        let (status, page) = alone(&state, view, &Query::new(params)).await;
        answer::html(status, page, &headers)
    };
    let fragment = move |state: State, params: Params, headers: HeaderMap| async move {
        let (status, fragment) = fragment(&state, view, &Query::new(params)).await;
        answer::html(status, fragment, &headers)
    };
    (get(page), get(fragment))
}

/// All of it.
async fn whole(shared: State, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    let query = Query::new(params);
    if let Some(stranger) = query.stranger(&Section::ALL.map(Section::name)) {
        return Err(Problem::bad_request(format!("unknown parameter {stranger:?}")));
    }
    let stage = Stage::new(&shared);
    let mut main = Vec::with_capacity(Section::ALL.len());
    for section in Section::ALL {
        main.push(section.draw(&stage, &query.of(section.name())).await);
    }
    let main = html! { @for section in main { (section) } };
    Ok(answer::html(StatusCode::OK, around(&stage, None, None, main).await, &headers))
}

/// A view as a page of its own.
async fn alone(shared: &Shared, view: View, query: &Query) -> (StatusCode, Markup) {
    let stage = Stage::new(shared);
    let drawn = view.draw(&stage, query).await;
    let status = drawn.as_ref().map_or_else(Problem::status, |_| StatusCode::OK);
    let main = match view {
        View::Glance | View::Section(_) => layout::or_problem(drawn),
        _ => html! {
            section {
                h2 { (text(&view.title(query))) }
                (layout::piece(view, drawn))
            }
        },
    };
    let title = view.title(query);
    (status, around(&stage, Some(view.section()), Some(&title), main).await)
}

/// A view without a page around it.
async fn fragment(shared: &Shared, view: View, query: &Query) -> (StatusCode, Markup) {
    let stage = Stage::new(shared);
    if view == View::Glance {
        return match Glance::look(shared).await {
            Ok(glance) => (StatusCode::OK, glance.render()),
            Err(problem) => (problem.status(), glance::blind(&problem)),
        };
    }
    let drawn = view.draw(&stage, query).await;
    let status = drawn.as_ref().map_or_else(Problem::status, |_| StatusCode::OK);
    (
        status,
        if matches!(view, View::Section(_)) { layout::or_problem(drawn) } else { layout::piece(view, drawn) },
    )
}

/// A page around what it is about.
async fn around(stage: &Stage<'_>, of: Option<Section>, title: Option<&str>, main: Markup) -> Markup {
    let (whole, name, level, glance) = match Glance::look(stage.shared).await {
        Ok(glance) => (glance.title(), glance.name.clone(), glance.worst(), glance.render()),
        Err(problem) => {
            let name = glance::name(&stage.shared.config());
            ("not known - thirdleaf".to_owned(), name, Level::Critical, glance::blind(&problem))
        }
    };
    let title = title.map_or_else(|| whole.clone(), |title| format!("{} - {whole}", words::visible(title)));
    Page { title: &title, name: &name, level, glance, main, of }.render()
}

/// The place where a list that is counted goes on.
fn offset(query: &Query) -> Result<usize, Problem> {
    Ok(query.params().parse("from", "a number")?.unwrap_or_default())
}

/// Where one is in a list that is counted, and the ways on.
fn pages(query: &Query, path: &str, from: usize, each: usize, all: usize, what: &str) -> Markup {
    let to = from.saturating_add(each).min(all);
    let at = |from: usize| query.with("from", (from > 0).then(|| from.to_string()).as_deref()).link(path);
    html! {
        @if from > 0 || to < all {
            nav .pages aria-label={ "Pages of " (what) "s" } {
                @if from < to { (count(from + 1)) " to " (count(to)) " of " (count(all)) " " (what) "s " }
                @if from > 0 { a .previous href=(at(from.saturating_sub(each))) { "previous page" } " " }
                @if to < all { a .next href=(at(to)) { "next page" } }
            }
        }
    }
}

#[cfg(test)]
mod tests;

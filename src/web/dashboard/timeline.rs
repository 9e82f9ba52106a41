//! The last hours: how many routes there were, and what happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use maud::{Markup, html};

use super::query::Query;
use super::words::{link, moment, name, or_dash, text, visible};
use super::{Stage, chart};
use crate::journal::query::{EventQuery, Kinds};
use crate::journal::view::Events;
use crate::observer::Match;
use crate::observer::view::Event;
use crate::time::Timestamp;
use crate::web::problem::Problem;

/// Events on a page.
const SHOWN: usize = 40;
/// There are more events of routes than of all else together.
const BUT_ROUTES: &str = "!route";

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let kept = stage.shared.app.observer.events().newest(usize::MAX);
    let found = match read(query) {
        Ok(asked) => stage.shared.happened(asked, None).await,
        Err(problem) => Err(problem),
    };
    Ok(html! {
        (chart::draw(&stage.shared.moments.all(), stage.now))
        (form(query, &kept))
        @match &found {
            Err(problem) => p .problem role="alert" { (text(problem.message())) },
            Ok(events) => (list(events, query, stage.now)),
        }
    })
}

/// Which events are meant.
fn read(query: &Query) -> Result<EventQuery, Problem> {
    let mut params = query.params();
    let cursor = params.parse("cursor", "one of an earlier page")?;
    let (kind, node) = (params.text("kind")?, params.text("node")?);
    let prefix = params.prefix("prefix")?;
    params.finish()?;
    // Who asks for a prefix wants its routes.
    let kind = kind.or_else(|| prefix.is_none().then(|| BUT_ROUTES.to_owned()));
    let kinds = kind.filter(|kind| kind != "all").map(|kind| {
        kind.parse::<Kinds>().map_err(|error| Problem::bad_request(format!("parameter \"kind\": {error}")))
    });
    Ok(EventQuery {
        kinds: kinds.transpose()?,
        node,
        prefix,
        matching: Match::Longer,
        newest: true,
        limit: SHOWN,
        cursor,
        ..EventQuery::default()
    })
}

fn form(query: &Query, kept: &[Arc<Event>]) -> Markup {
    let kinds: BTreeSet<&str> = kept.iter().map(|event| event.kind.as_str()).collect();
    let is = |kind| query.get("kind") == Some(kind);
    html! {
        form method="get" action="timeline" role="search" {
            label {
                "Kind"
                select name="kind" {
                    option value="" { "all but routes" }
                    option value="all" selected[is("all")] { "all" }
                    @for kind in kinds { option value=(kind) selected[is(kind)] { (visible(kind)) } }
                }
            }
            label { "Node" input type="search" name="node" value=[query.get("node")] maxlength="200"; }
            label { "Prefix" input type="search" name="prefix" value=[query.get("prefix")] maxlength="64" spellcheck="false"; }
            button { "Show" }
            @if !query.is_empty() { a href="timeline" { "all events" } }
        }
    }
}

fn list(events: &Events, query: &Query, now: Timestamp) -> Markup {
    html! {
        @if events.items.is_empty() { p .empty { "No event is like that." } } @else {
            div .scroll { table .events {
                caption .hidden { "Events, the newest first" }
                thead { tr {
                    th scope="col" { "Time (UTC)" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Node" }
                    th scope="col" { "Text" }
                    th scope="col" { "Who" }
                } }
                tbody { @for event in &events.items { (row(event, now)) } }
            } }
        }
        @if events.next_cursor.is_some() || query.get("cursor").is_some() {
            nav .pages aria-label="Pages of events" {
                @if query.get("cursor").is_some() { a href=(query.with("cursor", None).link("timeline")) { "newest" } " " }
                @if let Some(next) = &events.next_cursor {
                    a .next href=(query.with("cursor", Some(next)).link("timeline")) { "older" }
                }
            }
        }
    }
}

fn row(event: &Event, now: Timestamp) -> Markup {
    html! {
        tr data-key=(event.id) data-kind=(event.kind) data-state=[weight(event)] {
            td { (moment(event.at, now)) }
            td { code { (visible(&event.kind)) } }
            td { (or_dash(event.node.as_deref().map(|node| html! { a href=(link("timeline", &[("node", node)])) { (name(node)) } }))) }
            td .prose { (text(&event.text)) }
            td { (or_dash(event.actor.as_deref().map(name))) }
        }
    }
}

/// How it is drawn: what opens in the colour of its severity, what resolves as well.
fn weight(event: &Event) -> Option<&'static str> {
    match event.kind.as_str() {
        "finding_open" if event.text.starts_with("critical") => Some("critical"),
        "finding_open" | "peer_down" | "route_rejected" => Some("warning"),
        "finding_resolved" | "peer_up" => Some("ok"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! The last hours: how many routes there were, and what happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use maud::{Markup, html};

use super::query::Query;
use super::words::{count, link, moment, name, or_dash, text, visible};
use super::{Stage, chart};
use crate::observer::view::Event;
use crate::time::Timestamp;
use crate::web::problem::Problem;

/// Events on a page.
const SHOWN: usize = 40;
/// Kinds of what routes do: there are more of them than of all else together.
const ROUTES: &str = "route";

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let filter = Filter::read(query)?;
    let kept = stage.shared.app.observer.events().newest(usize::MAX);
    Ok(html! {
        (chart::draw(&stage.shared.moments.all(), stage.now))
        (form(query, &kept))
        (list(&kept, &filter, query, stage.now))
    })
}

/// Which events.
#[derive(Debug, Default)]
struct Filter {
    kind: Option<String>,
    node: Option<String>,
    prefix: Option<IpNet>,
    before: Option<u64>,
}

impl Filter {
    fn read(query: &Query) -> Result<Self, Problem> {
        let mut params = query.params();
        let before = params.parse("before", "the number of an event")?;
        let (kind, node) = (params.text("kind")?, params.text("node")?);
        let prefix = params.prefix("prefix")?;
        params.finish()?;
        Ok(Self { kind, node, prefix, before })
    }

    fn finds(&self, event: &Event) -> bool {
        let kind = match self.kind.as_deref() {
            Some("all") => true,
            Some(kind) => event.kind == kind,
            // Who asks for a prefix wants its routes.
            None => self.prefix.is_some() || !event.kind.starts_with(ROUTES),
        };
        kind && self.before.is_none_or(|before| event.id < before)
            && self.node.as_deref().is_none_or(|node| event.node.as_deref() == Some(node))
            && self.prefix.is_none_or(|prefix| event.prefix.is_some_and(|other| prefix.contains(&other)))
    }
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

fn list(kept: &[Arc<Event>], filter: &Filter, query: &Query, now: Timestamp) -> Markup {
    let mut found = kept.iter().rev().filter(|event| filter.finds(event));
    let shown: Vec<_> = found.by_ref().take(SHOWN).collect();
    let more = found.next().is_some();
    let oldest = shown.last().map(|event| event.id.to_string());
    html! {
        @if shown.is_empty() { p .empty { "No event is like that, of the " (count(kept.len())) " that are kept." } } @else {
            div .scroll { table .events {
                caption .hidden { "Events, the newest first" }
                thead { tr {
                    th scope="col" { "Time (UTC)" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Node" }
                    th scope="col" { "Text" }
                    th scope="col" { "Who" }
                } }
                tbody { @for event in &shown { (row(event, now)) } }
            } }
        }
        @if more || query.get("before").is_some() {
            nav .pages aria-label="Pages of events" {
                @if query.get("before").is_some() { a href=(query.with("before", None).link("timeline")) { "newest" } " " }
                @if more { a .next href=(query.with("before", oldest.as_deref()).link("timeline")) { "older" } }
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

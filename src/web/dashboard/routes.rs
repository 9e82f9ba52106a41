//! Routes: a search whose every field stands in the address, and pages that the server makes.

use std::net::IpAddr;

use ipnet::IpNet;
use maud::{Markup, html};

use super::Stage;
use super::query::Query;
use super::words::{ago, count, link, name, or_dash, path, text, visible};
use crate::eepg::Container;
use crate::journal::view::Gap;
use crate::observer::view::{Page, Route};
use crate::observer::{RouteQuery, StateFilter};
use crate::policy::{Class, Reason};
use crate::time::Timestamp;
use crate::web::lists::page_query;
use crate::web::problem::Problem;

/// Routes on a page, if the query does not say.
const SHOWN: &str = "25";
/// Communities of a route that are named.
const COMMUNITIES: usize = 4;
/// Fields that are not needed every day.
const MORE: [&str; 7] = ["leaf", "peer", "cluster", "vrf", "reason", "community", "at"];

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let summary = stage.shared.ask(stage.shared.app.observer.summary()).await?;
    let found = find(stage, query).await;
    let total = summary.routes.total;
    Ok(html! {
        (form(query))
        @match &found {
            Err(problem) => p .problem role="alert" { (text(problem.message())) },
            Ok((page, gaps)) => {
                @for gap in gaps { p .problem role="status" { (text(&gap.text)) } }
                (table(page, query, total, stage.now))
            }
        }
    })
}

/// Those that are there, or that were there at a time; and why that may not be all.
async fn find(stage: &Stage<'_>, query: &Query) -> Result<(Page<Route>, Vec<Gap>), Problem> {
    if query.get("at").is_none() {
        return Ok((stage.shared.routes(read(query)?).await?, Vec::new()));
    }
    let past = stage.shared.past_routes(meant(query).params()).await?;
    Ok((Page { items: past.items, next_cursor: past.next_cursor, total: None }, past.gaps))
}

/// What a query means.
pub(super) fn read(query: &Query) -> Result<RouteQuery, Problem> {
    page_query(meant(query).params())
}

/// An address alone is looked for in what covers it.
fn meant(query: &Query) -> Query {
    let mut query = query.clone();
    if let Some(address) = query.get("prefix").and_then(|prefix| prefix.parse::<IpAddr>().ok()) {
        let matching =
            query.get("match").filter(|matching| *matching != "exact").unwrap_or("covering").to_owned();
        let host = IpNet::from(address).to_string();
        query = query.with("prefix", Some(&host)).with("match", Some(&matching));
    }
    if query.get("prefix").is_none() {
        query = query.with("match", None);
    }
    if query.get("limit").is_none() {
        query = query.with("limit", Some(SHOWN));
    }
    query
}

fn form(query: &Query) -> Markup {
    let field = |name: &'static str, label: &'static str| {
        html! { label { (label) input type="search" name=(name) value=[query.get(name)] maxlength="200"; } }
    };
    let choose = |name: &'static str, label: &'static str, all: &'static str, names: &[&'static str]| {
        html! {
            label {
                (label)
                select name=(name) {
                    @if !all.is_empty() { option value="" { (all) } }
                    @for option in names { option selected[query.get(name) == Some(*option)] { (option) } }
                }
            }
        }
    };
    let is_used = MORE.iter().any(|name| query.get(name).is_some());
    html! {
        form .search method="get" action="routes" role="search" {
            label .wide {
                span { "Prefix " kbd { "/" } }
                input type="search" name="prefix" value=[query.get("prefix")] maxlength="200" placeholder="10.244.0.0/16 or an address" autocomplete="off" spellcheck="false";
            }
            (choose("match", "Match", "", &["exact", "longer", "covering"]))
            (choose("class", "Class", "all", &Class::ALL.map(Class::name)))
            (choose("state", "State", "all", &StateFilter::NAMES))
            (field("node", "Node"))
            details .fold data-key="routes-more" open[is_used] {
                summary { "more" }
                div .row {
                    (choose("reason", "Reason", "all", &Reason::ALL.map(Reason::name)))
                    (field("community", "Community"))
                    (field("leaf", "Leaf"))
                    (field("peer", "Peer"))
                    (field("cluster", "Cluster"))
                    (field("vrf", "VRF"))
                    label {
                        "At"
                        input type="search" name="at" value=[query.get("at")] maxlength="40" placeholder="1h, or 2026-11-21T03:12:00Z";
                    }
                }
            }
            button { "Show" }
            @if !query.is_empty() { a href="routes" { "all routes" } }
        }
    }
}

fn table(page: &Page<Route>, query: &Query, total: u64, now: Timestamp) -> Markup {
    let whole = query.with("cursor", None);
    let is_past = query.get("at").is_some();
    html! {
        p .about {
            @match page.total {
                Some(found) => { b { (count(found)) } " routes" },
                None if page.items.is_empty() && page.next_cursor.is_none() => "No route is like that",
                None => { b { (count(page.items.len())) } " routes on this page, of " (count(total)) " held in all" },
            }
            span .links {
                @if !is_past { a .csv href=(whole.with("limit", None).link("routes.csv")) download="routes.csv" { "CSV" } " " }
                a .json href=(json(&whole)) { "JSON" }
            }
        }
        @if !page.items.is_empty() {
            div .scroll { table .routes {
                caption .hidden { "Routes" }
                thead { tr {
                    th scope="col" { "Prefix" }
                    th scope="col" { "State" }
                    th scope="col" { "Class" }
                    th scope="col" { "Node" }
                    th scope="col" { "Leaf" }
                    th scope="col" { "AS path" }
                    th scope="col" { "Communities" }
                    th scope="col" { "EEPG" }
                    th .number scope="col" { "Since" }
                    th scope="col" { span .hidden { "Judgement" } }
                } }
                tbody { @for route in &page.items { (row(route, is_past, now)) } }
            } }
        }
        @if page.next_cursor.is_some() || query.get("cursor").is_some() {
            nav .pages aria-label="Pages of routes" {
                @if query.get("cursor").is_some() { a href=(whole.link("routes")) { "first page" } " " }
                @if let Some(next) = &page.next_cursor {
                    a .next rel="next" href=(query.with("cursor", Some(next)).link("routes")) {
                        @if page.items.is_empty() { "go on looking" } @else { "next page" }
                    }
                }
            }
        }
    }
}

/// The same question to the API.
fn json(query: &Query) -> String {
    let query = if query.get("prefix").is_none() { query.with("match", None) } else { query.clone() };
    query.link("api/v1/routes")
}

fn row(route: &Route, is_past: bool, now: Timestamp) -> Markup {
    let key = format!("{} {} {} {}", route.prefix, route.leaf, route.peer, route.path_id);
    let (prefix, peer) = (route.prefix.to_string(), route.peer.to_string());
    let meant = [
        ("prefix", prefix.as_str()),
        ("cluster", &route.cluster),
        ("vrf", &route.vrf),
        ("leaf", &route.leaf),
        ("peer", &peer),
    ];
    let why = link("why", &meant);
    html! {
        tr data-key=(key) data-state=(route.state) {
            th scope="row" { code { (route.prefix) } }
            td {
                b .verdict data-state=(route.state) { (route.state) }
                @if route.stale { " " b .verdict data-state="stale" { "stale" } }
                @for reason in &route.reasons { " " code .reason { (reason) } }
            }
            td { (route.class) }
            td {
                @match &route.node {
                    Some(node) => a href=(link("sessions", &[("node", node)])) { (name(node)) },
                    None => code { (route.peer) },
                }
            }
            td { (name(&route.leaf)) }
            td { (path(&route.as_path)) }
            td { (communities(&route.communities)) }
            td { (or_dash(route.eepg.as_deref().map(eepg))) }
            td .number { (ago(route.since, now)) }
            td { @if !is_past { a .why data-below href=(why) { "why" } } }
        }
    }
}

fn communities(all: &[String]) -> Markup {
    html! {
        @if all.is_empty() { span .none { "-" } }
        @for community in all.iter().take(COMMUNITIES) { code { (name(community)) } " " }
        @if all.len() > COMMUNITIES { "and " (count(all.len() - COMMUNITIES)) " more" }
    }
}

/// The name at the end of a distinguished name says it; the whole is there for who asks.
fn eepg(dn: &str) -> Markup {
    let called = Container::of(dn).map_or_else(|| dn.to_owned(), |container| container.name().to_string());
    html! { span title=(visible(dn)) { (name(&called)) } }
}

#[cfg(test)]
mod tests;

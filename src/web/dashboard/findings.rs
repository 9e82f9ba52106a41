//! Findings, the worst first: what is wrong, what it does to traffic, what to do, and what shows it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::Stage;
use super::forms;
use super::level::Level;
use super::query::Query;
use super::why;
use super::words::{ago, count, counted, left, link, moment, name, prose, text};
use crate::observer::maintenance::Window;
use crate::observer::view::{Finding, Page};
use crate::time::Timestamp;
use crate::web::lists::findings_page;
use crate::web::params::Params;
use crate::web::problem::Problem;

/// Findings on a page.
const SHOWN: &str = "20";
/// Windows of maintenance that are named.
const WINDOWS: usize = 5;
/// Muted and resolved ones on a page, each.
const ASIDE: usize = 20;
/// Explained findings that are named.
const NAMED: usize = 40;

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let all = stage.shared.ask(stage.shared.app.observer.findings()).await?;
    let page = page(&all, query, stage.now)?;
    let summary = stage.shared.ask(stage.shared.app.observer.summary()).await?;
    Ok(html! { (windows(&summary.maintenance, stage.now)) (page) })
}

/// What is worked on: nobody is told of what is found there.
fn windows(all: &[Window], now: Timestamp) -> Markup {
    html! {
        @for Window { scope, until, reason, .. } in all.iter().take(WINDOWS) {
            p .hold .maintenance {
                "maintenance of " (scope.sort()) " " b { (text(scope.name())) } " until " (moment(*until, now))
                " (" (left(*until, now)) " left): " (text(reason))
            }
        }
        @if all.len() > WINDOWS {
            p .more { a href="api/v1/maintenance" { "and " (counted(all.len() - WINDOWS, "more window")) " of maintenance" } }
        }
    }
}

fn page(all: &[Finding], query: &Query, now: Timestamp) -> Result<Markup, Problem> {
    let is_over = |finding: &&Finding| finding.state == "resolved";
    let (loud, rest): (Vec<_>, Vec<_>) =
        all.iter().partition(|finding| finding.muted.is_none() && !is_over(finding));
    let (resolved, muted): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_over);
    let limited = if query.get("limit").is_some() { query.clone() } else { query.with("limit", Some(SHOWN)) };
    let Page { items, next_cursor, total } = findings_page(loud.iter().copied(), limited.params())?;
    let (mut resolved, muted) = (quiet(&resolved, query)?, quiet(&muted, query)?);
    resolved.sort_by_key(|finding| std::cmp::Reverse(finding.resolved));
    Ok(html! {
        (kinds(&loud, query))
        @if items.is_empty() {
            p .empty {
                (Level::Ok.mark()) " "
                @if loud.is_empty() { "No findings" } @else { "No finding is like that." }
            }
        }
        @for finding in &items { (article(finding, now)) }
        @if next_cursor.is_some() || query.get("cursor").is_some() {
            nav .pages aria-label="Pages of findings" {
                @if let Some(total) = total { (counted(usize::try_from(total).unwrap_or(usize::MAX), "finding")) " in all " }
                @if query.get("cursor").is_some() { a href=(query.with("cursor", None).link("findings")) { "first page" } " " }
                @if let Some(next) = &next_cursor { a .next href=(query.with("cursor", Some(next)).link("findings")) { "next page" } }
            }
        }
        (aside("muted", "muted: nobody is told", &muted, now))
        (aside("resolved", "resolved within 24 h", &resolved, now))
    })
}

/// Those of `list` that a query finds, whatever their state.
fn quiet<'a>(list: &[&'a Finding], query: &Query) -> Result<Vec<&'a Finding>, Problem> {
    let query = query.with("cursor", None).with("limit", Some("1000")).with("state", Some("all"));
    findings_page(list.iter().copied(), query.params()).map(|page| page.items)
}

/// A link for each kind that there is.
fn kinds(loud: &[&Finding], query: &Query) -> Markup {
    let mut kinds: BTreeMap<&str, (usize, Level)> = BTreeMap::new();
    for finding in loud {
        let (count, worst) = kinds.entry(&finding.kind).or_default();
        *count += 1;
        *worst = (*worst).max(Level::of(finding));
    }
    let chosen = query.get("kind");
    html! {
        @if kinds.len() > 1 || chosen.is_some() {
            p .kinds {
                a href="findings" aria-current=[chosen.is_none().then_some("true")] { "all " b { (count(loud.len())) } }
                @for (kind, (number, level)) in kinds {
                    a href=(link("findings", &[("kind", kind)])) aria-current=[(chosen == Some(kind)).then_some("true")] {
                        (level.mark()) " " (kind) " " b { (count(number)) }
                    }
                }
            }
        }
    }
}

fn article(finding: &Finding, now: Timestamp) -> Markup {
    let level = Level::of(finding);
    html! {
        article .finding #{ "finding-" (finding.id) } data-severity=(finding.severity) data-state=(finding.state) data-kind=(finding.kind) {
            h3 {
                span .badge data-state=(level) { (level.mark()) " " (finding.severity) }
                " " code { (finding.kind) } " "
                span .place { (place(finding)) }
                span .since { (finding.state) " " (ago(finding.opened.unwrap_or(finding.since), now)) }
            }
            p { (text(&finding.summary)) }
            @if !finding.advice.is_empty() { p .advice { b { "What to do: " } (prose(&finding.advice)) } }
            @if finding.absorbs_total > 0 { p .advice { b { "It explains " } (counted(finding.absorbs_total, "finding")) } }
            (proof(finding))
        }
    }
}

/// The way to what shows it, which is fetched when it is opened.
fn proof(finding: &Finding) -> Markup {
    let there = link("finding", &[("id", &finding.id)]);
    html! {
        details .why data-key={ "why-" (finding.id) } {
            summary { "why" }
            div data-src={ "fragment/" (there) } { a href=(there) { "What shows it" } }
        }
    }
}

/// Where: the prefix, the node, the leaf.
fn place(finding: &Finding) -> Markup {
    html! {
        @if let Some(prefix) = finding.prefix {
            a href=(link("routes", &[("prefix", prefix)])) { code { (prefix) } } " "
        }
        @if let Some(node) = &finding.node { a href=(link("sessions", &[("node", node)])) { (name(node)) } " " }
        @if let Some(leaf) = &finding.leaf { (name(leaf)) }
    }
}

/// Findings of which nobody is told, folded.
fn aside(id: &str, what: &str, list: &[&Finding], now: Timestamp) -> Markup {
    let shown = list.len().min(ASIDE);
    html! {
        @if !list.is_empty() {
            details .aside id=(id) {
                summary { (count(list.len())) " " (what) }
                @for finding in list.iter().take(ASIDE) {
                    article .finding #{ "finding-" (finding.id) } data-severity=(finding.severity) data-state=(finding.state) data-kind=(finding.kind) {
                        h3 {
                            span .badge { (finding.severity) } " " code { (finding.kind) } " "
                            span .place { (place(finding)) }
                            span .since {
                                (finding.state) " "
                                (ago(finding.resolved.unwrap_or(finding.since), now))
                            }
                        }
                        p { (text(&finding.summary)) }
                        @if let Some(muted) = muted(finding) { p .advice { (muted) } }
                        (proof(finding))
                    }
                }
                @if shown < list.len() { p .more { "and " (counted(list.len() - shown, "more finding")) } }
            }
        }
    }
}

/// Why nobody is told.
fn muted(finding: &Finding) -> Option<Markup> {
    let muted = finding.muted.as_deref()?;
    let why = finding.muted_because.as_deref().filter(|why| !why.is_empty());
    Some(html! {
        b { "muted, " }
        @match muted.strip_prefix("absorbed:") {
            Some(by) => { "explained by " a href=(link("finding", &[("id", by)])) { code { (text(by)) } } },
            None => (text(muted)),
        }
        @if let Some(why) = why { ": " (text(why)) }
    })
}

/// One finding with its proof, as somebody needs it who was woken by it.
pub(super) async fn finding(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let all = stage.shared.ask(stage.shared.app.observer.findings()).await?;
    let id = query.need("id")?;
    let found = all.iter().find(|finding| finding.id == id);
    let found = found.ok_or_else(|| Problem::not_found(format!("no finding has the identity {id:?}")))?;
    let judged = match found.prefix {
        Some(prefix) if found.state != "resolved" => {
            let one = |scope: &str| !scope.is_empty() && !scope.contains(", ");
            let mut pairs = vec![("prefix".to_owned(), prefix.to_string())];
            pairs.extend(one(&found.cluster).then(|| ("cluster".to_owned(), found.cluster.clone())));
            pairs.extend(one(&found.vrf).then(|| ("vrf".to_owned(), found.vrf.clone())));
            let mut judged = stage.shared.why(Params::of(pairs)).await?;
            // What the finding is about stands first.
            judged.sort_by_key(|why| {
                (found.peer.is_some_and(|peer| peer != why.route.peer), why.verdict == "accepted")
            });
            judged
        }
        _ => Vec::new(),
    };
    Ok(html! {
        (whole(found, &all, stage.now))
        @if !judged.is_empty() {
            h4 { "How it is judged" }
            (why::blocks(&judged, stage.now))
        }
        @if found.state != "resolved" && found.muted.as_deref() != Some("acknowledged") { (forms::acknowledge(found)) }
    })
}

fn whole(finding: &Finding, all: &[Finding], now: Timestamp) -> Markup {
    let absorbed = |other: &&Finding| {
        other.muted.as_deref().and_then(|muted| muted.strip_prefix("absorbed:")) == Some(finding.id.as_str())
    };
    let explained: Vec<_> = all.iter().filter(absorbed).collect();
    let total = finding.absorbs_total.max(explained.len());
    let fields = [
        ("cluster", Some(finding.cluster.as_str())),
        ("VRF", Some(finding.vrf.as_str())),
        ("leaf", finding.leaf.as_deref()),
        ("node", finding.node.as_deref()),
    ];
    html! {
        dl .fields {
            dt { "since" } dd { (moment(finding.since, now)) " (" (ago(finding.since, now)) ")" }
            @if let Some(opened) = finding.opened { dt { "opened" } dd { (moment(opened, now)) } }
            @if let Some(resolved) = finding.resolved { dt { "resolved" } dd { (moment(resolved, now)) } }
            @for (name, value) in fields {
                @if let Some(value) = value.filter(|value| !value.is_empty()) { dt { (name) } dd { (text(value)) } }
            }
            @if let Some(peer) = finding.peer { dt { "peer" } dd { code { (peer) } } }
            @if let Some(prefix) = finding.prefix { dt { "prefix" } dd { code { (prefix) } } }
            @if let Some(reason) = finding.reason { dt { "reason" } dd { code { (reason) } } }
            @if let Some(muted) = muted(finding) { dt { "muted" } dd { (muted) } }
            dt { "identity" } dd { code { (finding.id) } }
        }
        @if !finding.evidence.is_empty() {
            h4 { "What shows it" }
            ul .evidence { @for line in &finding.evidence { li { (text(line)) } } }
        }
        @if total > 0 {
            h4 { "It explains " (counted(total, "finding")) }
            ul .evidence {
                @for other in explained.iter().take(NAMED) {
                    li { a href=(link("finding", &[("id", &other.id)])) { code { (other.id) } } " " (text(&other.summary)) }
                }
                @let more = total - explained.len().min(NAMED);
                @if more > 0 { li { "and " (count(more)) " more" } }
            }
        }
    }
}

#[cfg(test)]
mod tests;

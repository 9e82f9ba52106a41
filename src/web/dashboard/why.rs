//! How routes of a prefix were judged, step by step.

use maud::{Markup, html};

use super::Stage;
use super::query::Query;
use super::words::{ago, counted, text};
use crate::observer::view::Why;
use crate::time::Timestamp;
use crate::web::problem::Problem;

/// Routes whose steps are shown.
const SHOWN: usize = 16;

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let (leaf, peer) = (query.get("leaf"), query.get("peer"));
    let mut judged = stage.shared.why(query.with("leaf", None).with("peer", None).params()).await?;
    let prefix = query.need("prefix")?;
    let is_other = |why: &Why| {
        leaf.is_some_and(|leaf| leaf != &*why.route.leaf)
            || peer.is_some_and(|peer| peer != why.route.peer.to_string())
    };
    judged.sort_by_key(is_other);
    Ok(html! {
        @if judged.is_empty() { p .empty { "no peer announces " code { (text(prefix)) } } }
        (blocks(&judged, stage.now))
    })
}

pub(super) fn blocks(judged: &[Why], now: Timestamp) -> Markup {
    html! {
        @if let Some((first, rest)) = judged.split_first() {
            (block(first, now))
            @if !rest.is_empty() {
                details data-key="other-routes" {
                    summary { "and " (counted(rest.len(), "more route")) " of this prefix" }
                    @for why in rest.iter().take(SHOWN) { (block(why, now)) }
                    @if rest.len() > SHOWN { p .more { "and " (counted(rest.len() - SHOWN, "more route")) } }
                }
            }
        }
    }
}

fn block(why: &Why, now: Timestamp) -> Markup {
    let route = &why.route;
    html! {
        div .judged {
            p {
                code { (route.prefix) } " from " code { (route.peer) }
                @if let Some(node) = &route.node { " (" (text(node)) ")" }
                " on " (text(&route.leaf)) ", cluster " (text(&route.cluster)) ", VRF " (text(&route.vrf))
                ", AS path " code { @if route.as_path.is_empty() { "empty" } @else { (text(&route.as_path)) } }
                ", since " (ago(route.since, now)) ": "
                b .verdict data-state=(why.verdict) { (why.verdict) @if route.stale { ", stale" } }
            }
            div .scroll { table .steps {
                caption .hidden { "Steps of the judgement of " (route.prefix) }
                thead .hidden { tr { th scope="col" { "Result" } th scope="col" { "Check" } th scope="col" { "Detail" } } }
                tbody { @for step in &why.steps {
                    tr data-passed=(step.passed) {
                        td { b { @if step.passed { "ok" } @else { "NO" } } }
                        th scope="row" { code { (step.check) } }
                        td { (text(&step.detail)) }
                    }
                } }
            } }
            @if !why.eepg.is_empty() { p { b { "EEPG: " } (text(&why.eepg)) } }
        }
    }
}

//! EEPGs and redirect policies with their members, and the plan: what is to be changed in the fabric, what holds
//! it back, and what lets it through.

use maud::{Markup, html};

use super::level::Level;
use super::query::Query;
use super::words::{ago, count, counted, left, link, moment, name, or_dash, text, visible};
use super::{Stage, forms};
use crate::eepg::Brake;
use crate::eepg::moves::{self, Line};
use crate::eepg::view::{Eepg, Held, Member, Pause, Plan};
use crate::time::Timestamp;
use crate::web::eepgs::members_page;
use crate::web::problem::Problem;

/// EEPGs on a page.
const SHOWN: usize = 40;
/// Changes on a page.
const CHANGES: usize = 40;
/// Members on a page.
const MEMBERS: &str = "100";
/// Nodes of a member that are named.
const NODES: usize = 4;

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let Some(sync) = stage.shared.sync() else {
        return Ok(html! {
            p .empty { "No [[apic]] is configured: there are no EEPGs to keep in step." }
        });
    };
    let eepgs = stage.shared.told(sync.eepgs()).await?;
    query.only(&["from"])?;
    let from = super::offset(query)?;
    let plan = stage.shared.told(sync.plan(0, CHANGES, false)).await?;
    Ok(html! {
        (table(&eepgs, query, from, stage.now))
        (planned(&plan, &eepgs, 0, stage.now))
    })
}

/// The plan alone, page by page.
pub(super) async fn plan(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    query.only(&["from"])?;
    let sync = stage.shared.controller()?;
    let from = super::offset(query)?;
    let eepgs = stage.shared.told(sync.eepgs()).await?;
    let plan = stage.shared.told(sync.plan(from, CHANGES, false)).await?;
    Ok(planned(&plan, &eepgs, from, stage.now))
}

fn table(eepgs: &[Eepg], query: &Query, from: usize, now: Timestamp) -> Markup {
    // What is in trouble stands first; else the order of names.
    let mut sorted: Vec<_> = eepgs.iter().collect();
    sorted.sort_by_key(|eepg| (eepg.trouble.is_empty(), eepg.held == 0, eepg.pending == 0));
    html! {
        @if eepgs.is_empty() { p .empty { "No EEPG: no rule has named one yet." } } @else {
            div .scroll { table .eepgs {
                caption .hidden { "EEPGs and redirect policies" }
                thead { tr {
                    th scope="col" { "EEPG" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Tenant" }
                    th scope="col" { "L3Out" }
                    th scope="col" { "VRF" }
                    th scope="col" { "State" }
                    th .number scope="col" { "Desired" }
                    th .number scope="col" { "Observed" }
                    th .number scope="col" { "Foreign" }
                    th .number scope="col" { "Pending" }
                    th .number scope="col" { "Held" }
                    th .number scope="col" { "Compared" }
                    th scope="col" { span .hidden { "Members" } }
                } }
                tbody { @for eepg in sorted.into_iter().skip(from).take(SHOWN) { (row(eepg, now)) } }
            } }
            (super::pages(query, "eepgs", from, SHOWN, eepgs.len(), "EEPG"))
        }
    }
}

fn row(eepg: &Eepg, now: Timestamp) -> Markup {
    let differs = eepg.desired != eepg.observed;
    html! {
        tr data-key={ (eepg.apic) " " (eepg.dn) } data-eepg=(eepg.name) {
            th scope="row" { span title=(visible(&eepg.dn)) { (name(&eepg.name)) } }
            td { (eepg.kind) }
            td { (name(&eepg.tenant)) }
            td { @if eepg.l3out.is_empty() { span .none { "-" } } @else { (name(&eepg.l3out)) } }
            td { (name(&eepg.vrf)) }
            td data-state=[(eepg.state == "missing" || !eepg.trouble.is_empty()).then_some("warning")] {
                (eepg.state)
                @for line in &eepg.trouble { br; small { (text(line)) } }
            }
            td .number { (count(eepg.desired)) }
            td .number data-state=[differs.then_some("warning")] { @if differs { "≠ " } (count(eepg.observed)) }
            td .number { (count(eepg.foreign)) }
            td .number { (count(eepg.pending)) }
            td .number data-state=[(eepg.held > 0).then_some("warning")] { (count(eepg.held)) }
            td .number { (or_dash(eepg.compared.map(|at| ago(at, now)))) }
            td { a .members data-below href=(link("members", &[("dn", &eepg.dn)])) { "members" } }
        }
    }
}

/// Members of one EEPG or policy, page by page.
pub(super) async fn members(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let limited =
        if query.get("limit").is_some() { query.clone() } else { query.with("limit", Some(MEMBERS)) };
    let page = members_page(stage.shared, limited.params()).await?;
    Ok(html! {
        @if page.items.is_empty() { p .empty { "no members" } } @else {
            div .scroll { table .member {
                caption .hidden { "Members of " (text(query.need("dn")?)) }
                thead { tr {
                    th scope="col" { "Prefix" }
                    th scope="col" { "State" }
                    th scope="col" { "Rule" }
                    th scope="col" { "Nodes" }
                    th scope="col" { "Note" }
                } }
                tbody { @for one in &page.items { (member(one)) } }
            } }
        }
        @if page.next_cursor.is_some() || query.get("cursor").is_some() {
            nav .pages aria-label="Pages of members" {
                @if query.get("cursor").is_some() { a href=(query.with("cursor", None).link("members")) { "first page" } " " }
                @if let Some(next) = &page.next_cursor { a .next href=(query.with("cursor", Some(next)).link("members")) { "next page" } }
            }
        }
    })
}

fn member(member: &Member) -> Markup {
    html! {
        tr data-key=(member.prefix) {
            th scope="row" { a href=(link("routes", &[("prefix", member.prefix)])) { code { (member.prefix) } } }
            td data-state=[(member.state == "missing").then_some("warning")] {
                (member.state) @if !member.wanted { ", not wanted" }
            }
            td { (or_dash(member.rule.as_deref().map(name))) }
            td {
                @if member.nodes.is_empty() { span .none { "-" } }
                @for node in member.nodes.iter().take(NODES) { (name(node)) " " }
                @if member.nodes.len() > NODES { "and " (count(member.nodes.len() - NODES)) " more" }
            }
            td .prose { (or_dash(member.note.as_deref().map(text))) }
        }
    }
}

fn planned(plan: &Plan, eepgs: &[Eepg], from: usize, now: Timestamp) -> Markup {
    let lines = moves::lines(&plan.changes, eepgs);
    let held: usize = plan.held.iter().map(|held| held.changes).sum();
    html! {
        div #plan data-plan=(plan.id) {
            h3 { "Plan " code { (text(&plan.id)) } }
            p .about {
                @if plan.total == 0 { (Level::Ok.mark()) " Nothing to change; " } @else {
                    b { (count(plan.total)) } " to change, " b { (count(held)) } " held back; "
                }
                @match plan.compared {
                    Some(at) => { "compared with the APIC " (ago(at, now)) " ago" },
                    None => "not compared with the APIC yet",
                }
                @if plan.mode == "observe" { "; safety.mode is \"observe\": nothing is written" }
            }
            @if let Some(Pause { until, reason }) = &plan.paused {
                p .hold data-state="warning" { (Level::Warning.mark()) " Paused until " (moment(*until, now)) " (" (left(*until, now)) " left): " (text(reason)) }
            }
            @for held in &plan.held { (brake(held, now)) }
            @if !lines.is_empty() { (diff(&lines, now)) }
            @if plan.total > CHANGES || from > 0 {
                (super::pages(&Query::default(), "plan", from, CHANGES, plan.total, "change"))
            }
            div .acts {
                @if held > 0 { (forms::approve(&plan.id)) }
                @if plan.paused.is_some() { (forms::resume()) } @else { (forms::pause()) }
            }
        }
    }
}

/// A brake that is engaged.
fn brake(held: &Held, now: Timestamp) -> Markup {
    html! {
        @let level = weight(&held.brake);
        p .hold data-state=[(level > Level::Ok).then_some(level)] {
            @if level > Level::Ok { (level.mark()) " " }
            "Held by " code { (text(&held.brake)) }
            @if let Some(until) = held.until { " until " (moment(until, now)) " (" (left(until, now)) " left)" }
            ": " @if held.scope.is_empty() { "everything" } @else { (text(&held.scope)) }
            " on " (text(&held.apic)) ", " (counted(held.changes, "change")) ": " (text(&held.reason))
        }
    }
}

/// What a brake says: some let go by themselves within minutes, and are how things go; what waits for nodes that are
/// silent or for somebody is not.
fn weight(brake: &str) -> Level {
    match Brake::ALL.into_iter().find(|one| one.name() == brake) {
        Some(
            Brake::Comparison | Brake::Startup | Brake::DeleteAfter | Brake::DeleteRate | Brake::Maintenance,
        ) => Level::Ok,
        Some(Brake::Paused | Brake::DeleteFraction | Brake::MinDestinations) => Level::Warning,
        _ => Level::Critical,
    }
}

fn diff(lines: &[Line<'_>], now: Timestamp) -> Markup {
    html! {
        div .scroll { table .diff {
            caption .hidden { "What is to be changed: + is created, - is deleted, ~ is modified or moves" }
            thead { tr {
                th scope="col" { span .hidden { "Operation" } }
                th scope="col" { "Prefix" }
                th scope="col" { "EEPG" }
                th scope="col" { "Rule" }
                th scope="col" { "Node" }
                th scope="col" { "Held by" }
                th .number scope="col" { "Left" }
                th scope="col" { "Why" }
            } }
            tbody { @for line in lines { (change(line, now)) } }
        } }
    }
}

fn change(line: &Line<'_>, now: Timestamp) -> Markup {
    let change = line.change;
    let operation = if line.from.is_some() { "move" } else { &change.operation };
    html! {
        tr data-key={ (operation) " " (change.apic) " " (change.dn) } data-operation=(operation) data-held=[change.held_by.as_deref()] {
            td { b aria-hidden="true" { (line.sign()) } span .hidden { (operation) } }
            th scope="row" { code { (line.prefix()) } }
            td { (name(&line.eepg())) }
            td { (or_dash(change.because.rule.as_deref().map(name))) }
            td { (or_dash(change.because.node.as_deref().map(name))) }
            td { (or_dash(change.held_by.as_deref().map(|brake| html! { code { (text(brake)) } }))) }
            td .number { (or_dash(change.until.map(|until| left(until, now)))) }
            td .prose { (text(&change.reason)) }
        }
    }
}

#[cfg(test)]
mod tests;

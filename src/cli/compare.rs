//! `thirdleaf compare`: what differs between two times, as before and after a change window.

use std::io::Write;
use std::net::IpAddr;

use clap::Args;

use super::client::Client;
use super::output::{self, Format, Style};
use super::past::{self, File, Memory, Question};
use super::routes::{Matching, Prefix, reasons};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, Table};
use super::{Error, Exit};
use crate::journal::view::{Change, Changes, Comparison, Counts, Difference, Member, Pair};
use crate::observer::RouteQuery;
use crate::observer::view::{Finding, Route};
use crate::time::When;

#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The earlier time: 2026-11-21T03:12:00Z, or how long ago, like 1h
    from: When,
    /// The later time
    #[arg(default_value = "now")]
    to: When,
    /// Only what is about this prefix, or covers this address
    #[arg(long)]
    prefix: Option<Prefix>,
    #[command(flatten)]
    matching: Matching,
    /// Of this node
    #[arg(long)]
    node: Option<String>,
    /// Heard by this leaf
    #[arg(long)]
    leaf: Option<String>,
    /// Announced by this address
    #[arg(long)]
    peer: Option<IpAddr>,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    file: File,
}

impl Compare {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let memory = Memory::of(client, self.file.journal.as_deref(), style.now)?;
        let (parameters, query) = (self.parameters(), self.query());
        let mut report = Report { style, section: None, table: table(style), out };
        let mut whole: Option<Comparison> = None;
        let mut cursor = None;
        loop {
            let asked = Question { parameters: &parameters, limit: past::PAGE, cursor };
            let mut page = memory.compare(asked, (self.from, self.to), &query).await?;
            cursor = page.next_cursor.take();
            match style.format {
                Format::Table | Format::Wide | Format::Csv => report.people(&page)?,
                Format::Jsonl => {
                    for item in &page.items {
                        output::value(item, style, report.out)?;
                    }
                }
                Format::Json => {}
            }
            match &mut whole {
                None => {
                    past::warn(&page.gaps);
                    whole = Some(page);
                }
                Some(whole) if style.format == Format::Json => whole.items.append(&mut page.items),
                Some(_) => {}
            }
            if cursor.is_none() {
                break;
            }
        }
        let Some(whole) = whole else { return Ok(Exit::FINE) };
        match style.format {
            Format::Table | Format::Wide | Format::Csv => {
                if whole.counts.total() > 0 {
                    writeln!(out)?;
                }
                writeln!(out, "{}", summary(&whole))?;
            }
            Format::Json => output::value(&whole, style, out)?,
            Format::Jsonl => {}
        }
        Ok(Exit::negative_if(whole.counts.total() > 0))
    }

    /// What is asked for, in the words of the API.
    fn parameters(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("from", Some(self.from.to_string())),
            ("to", Some(self.to.to_string())),
            ("match", self.matching.name(self.prefix)),
            ("prefix", self.prefix.map(|prefix| prefix.net.to_string())),
            ("node", self.node.clone()),
            ("leaf", self.leaf.clone()),
            ("peer", self.peer.map(|peer| peer.to_string())),
            ("cluster", self.scope.cluster.clone()),
            ("vrf", self.scope.vrf.clone()),
        ]
    }

    /// The same for a file.
    fn query(&self) -> RouteQuery {
        RouteQuery {
            prefix: self.prefix.map(|prefix| prefix.net),
            matching: self.matching.of(self.prefix),
            node: self.node.clone(),
            leaf: self.leaf.clone(),
            peer: self.peer,
            cluster: self.scope.cluster.clone(),
            vrf: self.scope.vrf.clone(),
            ..RouteQuery::default()
        }
    }
}

/// A mark, what it is, and what became of it.
const COLUMNS: [Column; 6] = [const { Column::left("") }; 6];

fn table(style: &Style) -> Table<'static> {
    Table::new(&COLUMNS, true, false, style.colour)
}

/// Prints differences for people, a section after another.
struct Report<'a, W> {
    style: &'a Style,
    section: Option<&'static str>,
    table: Table<'static>,
    out: &'a mut W,
}

impl<W: Write> Report<'_, W> {
    fn people(&mut self, page: &Comparison) -> Result<(), Error> {
        let mut items = page.items.iter().peekable();
        while let Some(first) = items.peek() {
            let title = title(first);
            if self.section != Some(title) {
                if self.section.replace(title).is_some() {
                    writeln!(self.out)?;
                }
                if self.style.headings {
                    writeln!(self.out, "{title}: {}", told(of(&page.counts, first)))?;
                }
                self.table = table(self.style);
            }
            let mut rows = Vec::new();
            while let Some(item) = items.next_if(|item| self::title(item) == title) {
                rows.push(cells(item));
            }
            self.table.page(&rows, self.out)?;
        }
        self.out.flush()?;
        Ok(())
    }
}

const fn title(item: &Difference) -> &'static str {
    match item {
        Difference::Route(_) => "Routes",
        Difference::Verdict(_) => "Verdicts",
        Difference::Finding(_) => "Findings",
        Difference::Member(_) => "Members",
    }
}

const fn of(counts: &Counts, item: &Difference) -> Changes {
    match item {
        Difference::Route(_) => counts.routes,
        Difference::Verdict(_) => counts.verdicts,
        Difference::Finding(_) => counts.findings,
        Difference::Member(_) => counts.members,
    }
}

/// `3 new, 1 gone`.
fn told(changes: Changes) -> String {
    let parts = [(changes.new, "new"), (changes.gone, "gone"), (changes.changed, "changed")];
    let parts =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    parts.collect::<Vec<_>>().join(", ")
}

fn summary(page: &Comparison) -> String {
    let Comparison { from, to, counts, .. } = page;
    let parts = [
        (counts.routes, "route", "routes"),
        (counts.verdicts, "verdict", "verdicts"),
        (counts.findings, "finding", "findings"),
        (counts.members, "member", "members"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(changes, one, many)| (changes.total(), one, many))
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    match (&parts[..], counts.total()) {
        ([], _) => format!("nothing differs between {from} and {to}"),
        ([one], 1) => format!("{one} differs between {from} and {to}"),
        ([one], _) => format!("{one} differ between {from} and {to}"),
        ([first @ .., last], _) => format!("{} and {last} differ between {from} and {to}", first.join(", ")),
    }
}

fn cells(item: &Difference) -> Vec<Cell> {
    match item {
        Difference::Route(pair) => route(pair, &attributes(pair)),
        Difference::Verdict(pair) => route(pair, &verdicts(pair)),
        Difference::Finding(pair) => finding(pair),
        Difference::Member(pair) => member(pair),
    }
}

fn mark(change: Change, paint: Paint) -> Cell {
    let mark = match change {
        Change::New => "+",
        Change::Gone => "-",
        Change::Changed => "~",
    };
    Cell::new(mark).paint(paint)
}

/// The later one, if there is one.
fn shown<T>(pair: &Pair<T>) -> Option<&T> {
    pair.after.as_ref().or(pair.before.as_ref())
}

fn route(pair: &Pair<Route>, what: &str) -> Vec<Cell> {
    let Some(route) = shown(pair) else { return vec![] };
    let paint = match pair.after.as_ref().map(|route| &*route.state) {
        Some("rejected") => Paint::Bad,
        Some("accepted") if pair.before.as_ref().is_some_and(|before| before.state != "accepted") => {
            Paint::Good
        }
        _ => Paint::Plain,
    };
    vec![
        mark(pair.change, paint),
        Cell::new(route.prefix),
        Cell::maybe(route.node.as_ref()),
        Cell::new(&route.leaf),
        Cell::new(route.peer),
        Cell::new(what).paint(paint),
    ]
}

/// What a route is taken for.
fn verdict(route: &Route) -> String {
    match &*route.state {
        "accepted" => format!("accepted as {}", route.class),
        state => format!("{state}: {}", reasons(route)),
    }
}

fn verdicts(pair: &Pair<Route>) -> String {
    let side = |route: &Option<Route>| route.as_ref().map(verdict).unwrap_or_default();
    let (before, after) = (side(&pair.before), side(&pair.after));
    let others = differing(pair);
    let others = if others.is_empty() { others } else { format!("; {others}") };
    format!("{before} -> {after}{others}")
}

fn attributes(pair: &Pair<Route>) -> String {
    match (&pair.before, &pair.after) {
        (Some(_), Some(_)) => differing(pair),
        (Some(route), None) => format!("was {}, AS path {}", verdict(route), route.as_path),
        (None, Some(route)) => format!("{}, AS path {}", verdict(route), route.as_path),
        (None, None) => String::new(),
    }
}

/// What is said of a route, if anything.
type Side = fn(&Route) -> Option<String>;

/// The attributes that are others than before, and what else is.
fn differing(pair: &Pair<Route>) -> String {
    let (Some(before), Some(after)) = (&pair.before, &pair.after) else { return String::new() };
    let text =
        |value: Option<String>| value.filter(|text| !text.is_empty()).unwrap_or_else(|| "none".to_owned());
    let sides: [(&str, Side); 9] = [
        ("node", |route| route.node.as_deref().map(str::to_owned)),
        ("AS", |route| Some(route.peer_as.to_string())),
        ("cluster", |route| Some(route.cluster.to_string())),
        ("VRF", |route| Some(route.vrf.to_string())),
        ("AS path", |route| Some(route.as_path.clone())),
        ("next hop", |route| route.next_hop.map(|hop| hop.to_string())),
        ("communities", |route| Some(route.communities.join(" "))),
        ("MED", |route| route.med.map(|med| med.to_string())),
        ("origin", |route| route.origin.as_deref().map(str::to_owned)),
    ];
    let others = sides.iter().filter_map(|(name, side)| {
        let (before, after) = (text(side(before)), text(side(after)));
        (before != after).then(|| format!("{name} {before} -> {after}"))
    });
    others.collect::<Vec<_>>().join("; ")
}

fn finding(pair: &Pair<Finding>) -> Vec<Cell> {
    let Some(finding) = shown(pair) else { return vec![] };
    let paint = match pair.change {
        Change::New if finding.severity == "critical" => Paint::Bad,
        Change::New => Paint::Warning,
        Change::Gone => Paint::Good,
        Change::Changed => Paint::Plain,
    };
    let was = match (&pair.before, pair.change) {
        (Some(before), Change::Changed) => format!(" (was: {})", before.summary),
        _ => String::new(),
    };
    vec![
        mark(pair.change, paint),
        Cell::new(&finding.severity),
        Cell::new(&finding.kind),
        Cell::new(&finding.id),
        Cell::new(format!("{}{was}", finding.summary)).paint(paint),
    ]
}

fn member(pair: &Pair<Member>) -> Vec<Cell> {
    let Some(member) = shown(pair) else { return vec![] };
    vec![
        mark(pair.change, Paint::Plain),
        Cell::new(member.prefix),
        Cell::new(&member.apic),
        Cell::new(&member.container),
    ]
}

#[cfg(test)]
mod tests;

//! `thirdleaf findings`: what is wrong, what explains what, and a page on each.

mod page;
mod tree;

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::client::Client;
use super::output::{self, Format, Printer, Row, Style};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, age, printable};
use super::{Error, Exit};
use crate::observer::findings::Kind;
use crate::observer::view::Finding;
use crate::time::Timestamp;
use tree::Line;

/// How many findings a table shows beneath the one that explains them.
const BENEATH: usize = 8;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Findings {
    #[command(subcommand)]
    action: Option<Action>,
    /// All that is known of this one
    #[arg(conflicts_with_all = ["state", "kind", "limit"])]
    id: Option<String>,
    /// In this state [default: pending and open ones]
    #[arg(long)]
    state: Option<State>,
    /// Of this kind
    #[arg(long, value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::name)))]
    kind: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// At most so many
    #[arg(long, value_parser = super::positive)]
    limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show all that is known of one; exit 1 if there is none with this identity
    Show(Show),
    /// Somebody knows: nobody is told of it any more, for as long as it lasts
    Ack(Ack),
}

#[derive(Debug, Args)]
struct Show {
    /// As `findings -o wide` shows it
    id: String,
}

#[derive(Debug, Args, Serialize)]
struct Ack {
    /// As `findings -o wide` shows it
    id: String,
    /// Why, for who sees it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Pending,
    Open,
    Resolved,
    All,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::All => "all",
        }
    }
}

impl Findings {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        match (&self.action, &self.id) {
            (Some(Action::Ack(ack)), _) => {
                let done = client.post("/api/v1/findings/ack", ack).await?;
                writeln!(out, "{}", printable(&done))?;
                Ok(Exit::FINE)
            }
            (Some(Action::Show(Show { id })), _) | (None, Some(id)) => show(id, client, style, out).await,
            (None, None) => self.list(client, style, out).await,
        }
    }

    async fn list(self, client: &Client, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
        let query = [
            ("state", self.state.map(|state| state.name().to_owned())),
            ("kind", self.kind),
            ("cluster", self.scope.cluster),
            ("vrf", self.scope.vrf),
        ];
        let mut pages = client.pages::<Finding>("/api/v1/findings", &query, self.limit);
        let mut open = false;
        if style.is_json() {
            let mut printer = Printer::new::<Finding>(style, out);
            while let Some(findings) = pages.next().await? {
                open |= findings.iter().any(Finding::is_told);
                printer.page(&findings)?;
            }
            printer.finish()?;
            return Ok(Exit::negative_if(open));
        }
        // What explains others may be on another page than they are.
        let mut all = Vec::new();
        while let Some(findings) = pages.next().await? {
            open |= findings.iter().any(Finding::is_told);
            all.extend(findings);
        }
        table(all, style, out)?;
        Ok(Exit::negative_if(open))
    }
}

/// Findings as a table, those that others explain beneath them.
pub(super) fn table(findings: Vec<Finding>, style: &Style, out: &mut impl Write) -> Result<(), Error> {
    let beneath = if style.format == Format::Wide { usize::MAX } else { BENEATH };
    let mut printer = Printer::new::<Line>(style, out);
    printer.page(&tree::arrange(findings, beneath))?;
    printer.finish()?;
    Ok(())
}

async fn show(id: &str, client: &Client, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
    let query = [("state", Some(State::All.name().to_owned()))];
    let mut pages = client.pages::<Finding>("/api/v1/findings", &query, None);
    let (mut found, mut explained) = (None, Vec::new());
    while let Some(findings) = pages.next().await? {
        for finding in findings {
            if finding.id == id {
                found = Some(finding);
            } else if tree::explained_by(&finding) == Some(id) {
                explained.push(finding);
            }
        }
    }
    match found {
        None if style.is_json() => writeln!(out, "null")?,
        None => writeln!(out, "no finding has the identity {}", printable(id))?,
        Some(finding) if style.is_json() => {
            output::value(&finding, style, out)?;
            return Ok(Exit::FINE);
        }
        Some(finding) => {
            page::print(&finding, &explained, style.now, out)?;
            return Ok(Exit::FINE);
        }
    }
    Ok(Exit::NEGATIVE)
}

impl Row for Finding {
    const COLUMNS: &'static [Column] = &[
        Column::left("SEVERITY"),
        Column::left("STATE"),
        Column::left("KIND"),
        Column::right("AGE"),
        Column::left("WHERE").wide(),
        Column::left("ID").wide(),
        Column::left("SUMMARY"),
        Column::left("ADVICE").wide(),
        Column::left("EVIDENCE").wide(),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        cells(self, 0, "", now)
    }
}

impl Row for Line {
    const COLUMNS: &'static [Column] = Finding::COLUMNS;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        cells(&self.finding, self.depth, &self.note, now)
    }
}

/// The cells of a finding that stands beneath `depth` others.
fn cells(finding: &Finding, depth: usize, note: &str, now: Timestamp) -> Vec<Cell> {
    let paint = match (finding.state.as_str(), finding.severity.as_str()) {
        _ if finding.muted.is_some() => Paint::Plain,
        ("open", "critical") => Paint::Bad,
        ("open", _) => Paint::Warning,
        ("resolved", _) => Paint::Good,
        _ => Paint::Plain,
    };
    let muted = if finding.muted.is_some() { ",muted" } else { "" };
    let note = if note.is_empty() { String::new() } else { format!(" [{note}]") };
    vec![
        Cell::new(format!("{}{}", "  ".repeat(depth), finding.severity)).paint(paint),
        Cell::new(format!("{}{muted}", finding.state)),
        Cell::new(&finding.kind),
        Cell::new(age(now, finding.since)),
        Cell::all(place(finding)),
        Cell::new(&finding.id),
        Cell::new(format!("{}{note}", finding.summary)),
        Cell::new(&finding.advice),
        Cell::new(finding.evidence.join("; ")),
    ]
}

/// What it is about, the narrowest first.
fn place(finding: &Finding) -> impl Iterator<Item = String> {
    let place = [
        finding.prefix.map(|prefix| prefix.to_string()),
        finding.node.clone(),
        finding.peer.map(|peer| peer.to_string()),
        finding.leaf.clone(),
    ];
    place.into_iter().flatten()
}

#[cfg(test)]
mod tests;

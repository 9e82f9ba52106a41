//! `thirdleaf findings`: what is wrong.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::client::Client;
use super::output::{Printer, Row, Style};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, age};
use super::{Error, Exit};
use crate::observer::findings::Kind;
use crate::observer::view::Finding;
use crate::time::Timestamp;

#[derive(Debug, Args)]
pub(super) struct Findings {
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
        let query = [
            ("state", self.state.map(|state| state.name().to_owned())),
            ("kind", self.kind),
            ("cluster", self.scope.cluster),
            ("vrf", self.scope.vrf),
        ];
        let mut pages = client.pages::<Finding>("/api/v1/findings", &query, self.limit);
        let mut printer = Printer::new::<Finding>(style, out);
        let mut open = false;
        while let Some(findings) = pages.next().await? {
            open |= findings.iter().any(|finding| finding.state == "open");
            printer.page(&findings)?;
        }
        printer.finish()?;
        Ok(Exit::negative_if(open))
    }
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
        Column::left("EVIDENCE").wide(),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let paint = match (self.state.as_str(), self.severity.as_str()) {
            ("open", "critical") => Paint::Bad,
            ("open", _) => Paint::Warning,
            ("resolved", _) => Paint::Good,
            _ => Paint::Plain,
        };
        let place = [
            self.prefix.map(|prefix| prefix.to_string()),
            self.node.clone(),
            self.peer.map(|peer| peer.to_string()),
            self.leaf.clone(),
        ];
        vec![
            Cell::new(&self.severity).paint(paint),
            Cell::new(&self.state),
            Cell::new(&self.kind),
            Cell::new(age(now, self.since)),
            Cell::all(place.into_iter().flatten()),
            Cell::new(&self.id),
            Cell::new(&self.summary),
            Cell::new(self.evidence.join("; ")),
        ]
    }
}

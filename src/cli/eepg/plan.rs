//! `thirdleaf eepg plan`: what is to be changed in the fabric, as `+`, `~` and `-`.

use std::io::{self, Write};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::super::client::Client;
use super::super::output::{self, Format, Style};
use super::super::table::{Cell, Column, Paint, Table, age, printable};
use super::super::{Error, Exit};
use crate::eepg::moves::{Line, lines};
use crate::eepg::view::{self, Change, Eepg, Held, Request};
use crate::time::Timestamp;
use crate::web;

/// Changes that one request asks for.
const PAGE: usize = 1_000;

/// How often the reading begins anew if the plan becomes another meanwhile.
const ATTEMPTS: usize = 3;

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Print the requests that would be sent, as JSON
    #[arg(long, conflicts_with_all = ["held", "operation"])]
    requests: bool,
    /// Only what is held back
    #[arg(long)]
    held: bool,
    /// Only this
    #[arg(long, value_parser = PossibleValuesParser::new(["create", "modify", "delete"]))]
    operation: Option<String>,
}

impl Plan {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let plan = self.read(client).await?;
        let exit = Exit::negative_if(!plan.changes.is_empty());
        if self.requests {
            requests(&plan, style, out)?;
            return Ok(exit);
        }
        match style.format {
            Format::Json => output::value(&plan, style, out)?,
            Format::Jsonl => {
                for change in &plan.changes {
                    output::value(change, style, out)?;
                }
            }
            Format::Table | Format::Wide | Format::Csv => {
                let is_move = ["create", "delete"]
                    .map(|operation| plan.changes.iter().any(|change| change.operation == operation));
                let eepgs = if is_move == [true; 2] { super::all(client).await? } else { Vec::new() };
                print(&plan, &eepgs, style, out)?;
            }
        }
        Ok(exit)
    }

    /// The whole plan, which is one if it stands still for as long as it is read.
    async fn read(&self, client: &Client) -> Result<view::Plan, Error> {
        let mut attempt = 1;
        loop {
            let (plan, is_one) = self.pages(client).await?;
            if is_one || attempt == ATTEMPTS {
                return Ok(plan);
            }
            attempt += 1;
        }
    }

    /// All pages, and whether they are of one plan.
    async fn pages(&self, client: &Client) -> Result<(view::Plan, bool), Error> {
        let mut whole: Option<view::Plan> = None;
        let (mut cursor, mut is_one) = (None, true);
        loop {
            let query = [
                ("limit", Some(PAGE.to_string())),
                ("cursor", cursor),
                ("operation", self.operation.clone()),
                ("held", self.held.then(|| "true".to_owned())),
                ("requests", self.requests.then(|| "true".to_owned())),
            ];
            let web::Plan { plan: page, next_cursor } = client.get("/api/v1/plan", &query).await?;
            match &mut whole {
                None => whole = Some(page),
                Some(whole) => {
                    is_one &= whole.id == page.id;
                    whole.changes.extend(page.changes);
                    whole.requests.extend(page.requests);
                }
            }
            cursor = next_cursor;
            if cursor.is_none() || !is_one {
                return Ok((whole.unwrap_or_default(), is_one));
            }
        }
    }
}

/// What would be sent, octet by octet.
fn requests(plan: &view::Plan, style: &Style, out: &mut impl Write) -> Result<(), Error> {
    match style.format {
        Format::Json => output::value(&plan.requests, style, out)?,
        Format::Jsonl => {
            for request in &plan.requests {
                output::value(request, style, out)?;
            }
        }
        Format::Table | Format::Wide | Format::Csv => {
            for Request { apic, dn, body } in &plan.requests {
                writeln!(out, "POST {} /api/mo/{}.json", printable(apic), printable(dn))?;
                writeln!(out, "{body}")?;
            }
        }
    }
    Ok(())
}

const COLUMNS: [Column; 12] = [
    Column::left("OP"),
    Column::left("PREFIX"),
    Column::left("EEPG"),
    Column::left("RULE"),
    Column::left("PEER"),
    Column::left("NODE"),
    Column::left("HELD-BY"),
    Column::right("LEFT"),
    Column::left("UNTIL").wide(),
    Column::left("APIC").wide(),
    Column::left("DN").wide(),
    Column::left("WHY"),
];

fn cells(line: &Line<'_>, now: Timestamp) -> Vec<Cell> {
    let sign = line.sign();
    let paint = match sign {
        "+" => Paint::Good,
        "-" => Paint::Bad,
        _ => Paint::Warning,
    };
    let Change { because, held_by, until, apic, dn, reason, .. } = line.change;
    vec![
        Cell::new(sign).paint(paint),
        Cell::new(line.prefix()),
        Cell::new(line.eepg()),
        Cell::maybe(because.rule.as_ref()),
        Cell::maybe(because.peer),
        Cell::maybe(because.node.as_ref()),
        Cell::maybe(held_by.as_ref()).paint(super::paint_if(held_by.is_some(), Paint::Bad)),
        Cell::maybe(until.map(|until| age(until, now))),
        Cell::maybe(*until),
        Cell::new(apic),
        Cell::new(dn),
        Cell::new(reason),
    ]
}

fn print(plan: &view::Plan, eepgs: &[Eepg], style: &Style, out: &mut impl Write) -> Result<(), Error> {
    let lines = lines(&plan.changes, eepgs);
    if !lines.is_empty() {
        let rows: Vec<_> = lines.iter().map(|line| cells(line, style.now)).collect();
        let wide = style.format == Format::Wide;
        Table::new(&COLUMNS, wide, style.headings, style.colour).page(&rows, out)?;
        writeln!(out)?;
    }
    summary(plan, &lines, style.now, out)?;
    Ok(())
}

fn summary(plan: &view::Plan, lines: &[Line<'_>], now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let compared = match plan.compared {
        Some(at) => format!("compared with the APIC {} ago", age(now, at)),
        None => "not compared with the APIC yet".to_owned(),
    };
    if lines.is_empty() {
        writeln!(out, "Nothing to change; {compared}")?;
    } else {
        let count = |wanted, moves| {
            lines
                .iter()
                .filter(|line| line.change.operation == wanted && line.from.is_some() == moves)
                .count()
        };
        let held = lines.iter().filter(|line| line.change.held_by.is_some()).count();
        writeln!(
            out,
            "Plan {}: {} to create, {} to move, {} to modify, {} to delete; {held} held back; {compared}",
            printable(&plan.id),
            count("create", false),
            count("create", true),
            count("modify", false),
            count("delete", false),
        )?;
    }
    for Held { brake, apic, scope, until, reason, changes } in &plan.held {
        let scope = if scope.is_empty() { "everything" } else { scope };
        let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
        let [brake, apic, scope, reason] = [brake, apic, scope, reason].map(|text: &str| printable(text));
        writeln!(out, "Held by {brake}{until}: {scope} on {apic}, {changes} changes: {reason}")?;
    }
    if lines.iter().any(|line| line.change.held_by.is_some()) {
        writeln!(out, "`thirdleaf eepg approve {}` lets what is held through", printable(&plan.id))?;
    }
    if let Some(view::Pause { until, reason }) = &plan.paused {
        writeln!(out, "Paused until {until}: {}", printable(reason))?;
    }
    if plan.mode == "observe" {
        writeln!(out, "safety.mode is \"observe\": nothing is written")?;
    }
    Ok(())
}

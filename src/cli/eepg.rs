//! `thirdleaf eepg`: what routes make of external EPGs and redirect policies, and who has a say in it.

mod plan;
mod show;

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use humantime::{format_duration, parse_duration};
use serde::Serialize;
use serde_json::json;

use super::client::Client;
use super::output::{self, Row, Style};
use super::table::{Cell, Column, Paint, age, printable};
use super::{Error, Exit};
use crate::eepg::view;
use crate::time::Timestamp;

#[derive(Debug, Args)]
pub(super) struct Eepg {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// EEPGs and redirect policies, and how many members they have (the default)
    List(List),
    /// The members of one of them
    Show(show::Show),
    /// What is to be changed, why, and what holds it back; exit 1 if anything
    Plan(plan::Plan),
    /// Compare everything now, and write what no brake holds
    Apply(Confirmed),
    /// Let through what a plan holds back, and nothing that joined it later
    Approve {
        /// The plan, as `eepg plan` names it
        id: String,
    },
    /// Take over a member or an EEPG of others, if a rule wants it: it gets our marks
    Adopt {
        /// Its distinguished name
        dn: String,
    },
    /// Write nothing for a while; it ends by itself, and survives a restart
    Pause(Pause),
    /// End a pause before its time
    Resume,
    /// Let go of everything, or of one EEPG or policy: our marks go, members stay
    Release(Release),
}

#[derive(Debug, Default, Args)]
struct List {
    /// Of this APIC
    #[arg(long)]
    apic: Option<String>,
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Of this L3Out
    #[arg(long)]
    l3out: Option<String>,
    /// Of this VRF
    #[arg(long)]
    vrf: Option<String>,
}

#[derive(Debug, Args)]
struct Confirmed {
    /// Really
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct Pause {
    /// How long, 7 days at most (30m, 2h, 1day)
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Duration,
    /// Why, for who sees it
    reason: String,
}

#[derive(Debug, Args)]
struct Release {
    /// Its name or its distinguished name; without it, everything
    eepg: Option<String>,
    #[command(flatten)]
    confirmed: Confirmed,
}

#[derive(Serialize)]
struct Released<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    eepg: Option<&'a str>,
}

impl Eepg {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let done = match self.action.unwrap_or_else(|| Action::List(List::default())) {
            Action::List(list) => return list.execute(client, style, out).await,
            Action::Show(show) => return show.execute(client, style, out).await,
            Action::Plan(plan) => return plan.execute(client, style, out).await,
            Action::Apply(confirmed) => {
                confirmed.required("this writes to the fabric: look at `thirdleaf eepg plan`")?;
                client.post("/api/v1/plan/apply", &json!({})).await?
            }
            Action::Approve { id } => client.post("/api/v1/plan/approve", &json!({ "id": id })).await?,
            Action::Adopt { dn } => client.post("/api/v1/eepgs/adopt", &json!({ "dn": dn })).await?,
            Action::Pause(Pause { duration, reason }) => {
                let body = json!({ "for": format_duration(duration).to_string(), "reason": reason });
                client.post("/api/v1/sync/pause", &body).await?
            }
            Action::Resume => client.post("/api/v1/sync/resume", &json!({})).await?,
            Action::Release(Release { eepg, confirmed }) => {
                confirmed.required("what is let go of is nobody's from then on: routes that come and go change nothing there")?;
                client.post("/api/v1/eepgs/release", &Released { eepg: eepg.as_deref() }).await?
            }
        };
        writeln!(out, "{}", printable(&done))?;
        Ok(Exit::FINE)
    }
}

impl Confirmed {
    /// What cannot be taken back is not done by a slip.
    fn required(&self, why: &str) -> Result<(), Error> {
        if self.yes { Ok(()) } else { Err(Error::Usage(format!("{why}; then say --yes"))) }
    }
}

impl List {
    async fn execute(self, client: &Client, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
        let query = [("apic", self.apic), ("tenant", self.tenant), ("l3out", self.l3out), ("vrf", self.vrf)];
        let pages = client.pages::<view::Eepg>("/api/v1/eepgs", &query, None);
        output::list(pages, style, out).await?;
        Ok(Exit::FINE)
    }
}

/// All of them.
async fn all(client: &Client) -> Result<Vec<view::Eepg>, Error> {
    let mut pages = client.pages::<view::Eepg>("/api/v1/eepgs", &[], None);
    let mut eepgs = Vec::new();
    while let Some(page) = pages.next().await? {
        eepgs.extend(page);
    }
    Ok(eepgs)
}

fn paint_if(bad: bool, paint: Paint) -> Paint {
    if bad { paint } else { Paint::Plain }
}

impl Row for view::Eepg {
    const COLUMNS: &'static [Column] = &[
        Column::left("NAME"),
        Column::left("KIND").wide(),
        Column::left("APIC").wide(),
        Column::left("TENANT"),
        Column::left("L3OUT"),
        Column::left("VRF"),
        Column::left("STATE"),
        Column::right("DESIRED"),
        Column::right("OBSERVED"),
        Column::right("FOREIGN"),
        Column::right("CAP").wide(),
        Column::right("PENDING"),
        Column::right("HELD"),
        Column::right("COMPARED").wide(),
        Column::left("DN").wide(),
        Column::left("TROUBLE"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let state = match self.state.as_str() {
            "missing" => Paint::Bad,
            "unknown" => Paint::Warning,
            _ => Paint::Good,
        };
        vec![
            Cell::new(&self.name),
            Cell::new(&self.kind),
            Cell::new(&self.apic),
            Cell::new(&self.tenant),
            Cell::new(&self.l3out),
            Cell::new(&self.vrf),
            Cell::new(&self.state).paint(state),
            Cell::new(self.desired),
            Cell::new(self.observed),
            Cell::new(self.foreign),
            Cell::new(self.cap),
            Cell::new(self.pending).paint(paint_if(self.pending > 0, Paint::Warning)),
            Cell::new(self.held).paint(paint_if(self.held > 0, Paint::Bad)),
            Cell::maybe(self.compared.map(|at| age(now, at))),
            Cell::new(&self.dn),
            Cell::new(self.trouble.join("; ")).paint(paint_if(!self.trouble.is_empty(), Paint::Bad)),
        ]
    }
}

#[cfg(test)]
mod tests;

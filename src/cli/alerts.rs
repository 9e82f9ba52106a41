//! `thirdleaf alerts`: what is pushed, who is told, and whether it gets there.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::output::{self, Printer, Row, Style};
use super::table::{Cell, Column, Paint, age};
use super::{Error, Exit};
use crate::alert::view::{Alert, Outcome, Overview, Receiver};
use crate::time::Timestamp;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Alerts {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is pushed now, and how receivers do (the default)
    List,
    /// Send a test alert the way that all go; exit 1 if a receiver did not take it
    Test(Test),
}

#[derive(Debug, Args, Serialize)]
struct Test {
    /// To this receiver only, as `alerts` shows it
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<String>,
}

#[derive(Deserialize)]
struct Results {
    receivers: Vec<Outcome>,
}

impl Alerts {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        match self.action {
            None | Some(Action::List) => list(client, style, out).await,
            Some(Action::Test(test)) => {
                let Results { receivers } = client.post_for("/api/v1/alerts/test", &test).await?;
                let mut printer = Printer::new::<Outcome>(style, out);
                printer.page(&receivers)?;
                printer.finish()?;
                Ok(exit(&receivers))
            }
        }
    }
}

/// Whether all took it.
fn exit(outcomes: &[Outcome]) -> Exit {
    Exit::negative_if(outcomes.iter().any(|outcome| !outcome.delivered))
}

async fn list(client: &Client, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
    let overview: Overview = client.get("/api/v1/alerts", &[]).await?;
    if style.is_json() {
        output::value(&overview, style, out)?;
        return Ok(Exit::FINE);
    }
    let mut printer = Printer::new::<Receiver>(style, out);
    printer.page(&overview.receivers)?;
    printer.finish()?;
    writeln!(out)?;
    let mut printer = Printer::new::<Alert>(style, out);
    printer.page(&overview.alerts)?;
    printer.finish()?;
    Ok(Exit::FINE)
}

impl Row for Receiver {
    const COLUMNS: &'static [Column] = &[
        Column::left("RECEIVER"),
        Column::left("INTEGRATION"),
        Column::left("STATE"),
        Column::right("LAST-SUCCESS"),
        Column::right("QUEUE"),
        Column::right("DROPPED"),
        Column::left("LAST-ERROR"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let paint = match self.state.as_str() {
            "ok" => Paint::Good,
            "failing" => Paint::Bad,
            _ => Paint::Plain,
        };
        vec![
            Cell::new(&self.name),
            Cell::new(&self.integration),
            Cell::new(&self.state).paint(paint),
            Cell::maybe(self.last_success.map(|at| age(now, at))),
            Cell::new(self.queue),
            Cell::new(self.dropped),
            Cell::maybe(self.last_error.as_ref()),
        ]
    }
}

impl Row for Alert {
    const COLUMNS: &'static [Column] = &[
        Column::left("ALERT"),
        Column::left("SEVERITY"),
        Column::right("SINCE"),
        Column::left("LABELS").wide(),
        Column::left("SUMMARY"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let paint = if self.severity == "critical" { Paint::Bad } else { Paint::Warning };
        let labels = self.labels.iter().map(|(name, value)| format!("{name}={value}"));
        vec![
            Cell::new(&self.alertname),
            Cell::new(&self.severity).paint(paint),
            Cell::new(age(now, self.since)),
            Cell::all(labels),
            Cell::new(&self.summary),
        ]
    }
}

impl Row for Outcome {
    const COLUMNS: &'static [Column] = &[
        Column::left("RECEIVER"),
        Column::left("INTEGRATION"),
        Column::left("DELIVERED"),
        Column::left("ERROR"),
    ];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        let (word, paint) = if self.delivered { ("yes", Paint::Good) } else { ("no", Paint::Bad) };
        vec![
            Cell::new(&self.receiver),
            Cell::new(&self.integration),
            Cell::new(word).paint(paint),
            Cell::maybe(self.error.as_ref()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{NOW, Stub};
    use crate::cli::tests::ask;

    fn receiver(name: &str, state: &str) -> Receiver {
        Receiver {
            name: name.into(),
            integration: "webhook".into(),
            state: state.into(),
            failing_since: None,
            last_success: None,
            last_failure: None,
            last_error: (state == "failing").then(|| "it answered 500: no\u{1b}[1m".into()),
            queue: 3,
            dropped: 1,
            succeeded: 0,
            failed: 0,
            rejected: 0,
        }
    }

    #[test]
    fn receivers_stand_above_what_they_are_told() {
        let alert = Alert {
            alertname: "ThirdleafRackDown".into(),
            severity: "critical".into(),
            labels: [("rack".to_owned(), "r1".to_owned())].into(),
            summary: "r1 is down".into(),
            since: NOW,
        };
        let overview = Overview {
            alerts: vec![alert],
            receivers: vec![receiver("pager", "failing"), receiver("chat", "idle")],
        };
        let stub = Stub::new(&[("/api/v1/alerts", serde_json::to_value(&overview).unwrap())]);
        let (code, text) = ask(&stub.url, &["alerts"]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(code, 0, "{text}");
        assert_eq!(
            lines[..4],
            [
                "RECEIVER  INTEGRATION  STATE    LAST-SUCCESS  QUEUE  DROPPED  LAST-ERROR",
                "pager     webhook      failing             -      3        1  it answered 500: no\\u{1b}[1m",
                "chat      webhook      idle                -      3        1  -",
                "",
            ]
        );
        assert!(lines[4].starts_with("ALERT ") && lines[5].ends_with("r1 is down"), "{text}");
        let (_, json) = ask(&stub.url, &["alerts", "list", "-o", "json"]);
        assert_eq!(serde_json::from_str::<Overview>(&json).unwrap(), overview);
    }

    #[test]
    fn a_test_that_not_all_take_is_a_negative_answer() {
        let outcomes = serde_json::json!({ "receivers": [
            { "receiver": "pager", "integration": "webhook", "delivered": false, "error": "no answer in time" },
        ] });
        let results: Results = serde_json::from_value(outcomes).unwrap();
        assert_eq!(exit(&results.receivers), Exit::NEGATIVE);
        assert_eq!(exit(&[]), Exit::FINE);
    }
}

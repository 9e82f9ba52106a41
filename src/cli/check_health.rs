//! `thirdleaf check-health`: a plugin for Nagios, Icinga, Checkmk and their kin.

use std::fmt;
use std::io::Write;

use clap::Args;

use super::client::Client;
use super::{Error, Exit, Options};
use crate::observer::view::{Finding, Page, Summary};

#[derive(Debug, Args)]
pub(super) struct CheckHealth {
    /// Warn from so many peers down on
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    warning_peers: u64,
    /// Critical from so many peers down on
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    critical_peers: u64,
    /// Critical above so many rejected routes
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    rogues: u64,
}

/// The convention's four states and their exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// What the line is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    known: u64,
    up: u64,
    rogues: u64,
    critical: u64,
    warning: u64,
}

/// Says on one line what makes no sense of the words that it was called with.
pub(super) fn misused(error: &clap::Error) -> Exit {
    let error = error.to_string();
    let line = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
    _ = writeln!(std::io::stdout(), "THIRDLEAF {} - {line}", Health::Unknown);
    Exit(Health::Unknown as u8)
}

impl CheckHealth {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        let (health, line) = match options.ask(async |client, _| facts(&client).await) {
            Ok(facts) => self.judge(facts),
            Err(error) => (Health::Unknown, error.to_string()),
        };
        writeln!(out, "THIRDLEAF {health} - {line}")?;
        Ok(Exit(health as u8))
    }

    fn judge(&self, facts: Facts) -> (Health, String) {
        let Facts { known, up, rogues, critical, warning } = facts;
        let down = known.saturating_sub(up);
        let health = if down >= self.critical_peers.max(1) || rogues > self.rogues || critical > 0 {
            Health::Critical
        } else if down >= self.warning_peers.max(1) || warning > 0 {
            Health::Warning
        } else {
            Health::Ok
        };
        let (warn_at, critical_at) = (self.warning_peers.max(1), self.critical_peers.max(1));
        let line = format!(
            "{up}/{known} peers up, {rogues} rogue routes, {critical} critical and {warning} other findings open \
             | peers_up={up};{}:;{}:;0;{known} rogues={rogues};;{};0 findings_critical={critical};;0;0 \
             findings_warning={warning};0;;0",
            // Alert below what is left with one peer less than the threshold down.
            (known + 1).saturating_sub(warn_at),
            (known + 1).saturating_sub(critical_at),
            self.rogues,
        );
        (health, line)
    }
}

async fn facts(client: &Client) -> Result<Facts, Error> {
    let summary: Summary = client.get("/api/v1/summary", &[]).await?;
    let critical = open(client, "critical").await?;
    Ok(Facts {
        known: summary.peers.known as u64,
        up: summary.peers.established as u64,
        rogues: summary.routes.rejected + summary.routes.rejected_not_kept,
        critical,
        warning: (summary.findings.open as u64).saturating_sub(critical),
    })
}

async fn open(client: &Client, severity: &str) -> Result<u64, Error> {
    let parameter = |text: &str| Some(text.to_owned());
    let query = [("state", parameter("open")), ("severity", parameter(severity)), ("limit", parameter("1"))];
    let page: Page<Finding> = client.get("/api/v1/findings", &query).await?;
    Ok(page.total.unwrap_or(page.items.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: CheckHealth = CheckHealth { warning_peers: 1, critical_peers: 2, rogues: 0 };
    const FINE: Facts = Facts { known: 12, up: 12, rogues: 0, critical: 0, warning: 0 };

    #[test]
    fn says_what_is_wrong_in_one_line() {
        let (health, line) = CHECK.judge(Facts { up: 11, rogues: 2, ..FINE });
        assert_eq!(health, Health::Critical);
        assert_eq!(
            line,
            "11/12 peers up, 2 rogue routes, 0 critical and 0 other findings open \
             | peers_up=11;12:;11:;0;12 rogues=2;;0;0 findings_critical=0;;0;0 findings_warning=0;0;;0"
        );
    }

    #[test]
    fn the_worst_wins() {
        let health = |facts| CHECK.judge(facts).0;
        assert_eq!(health(FINE), Health::Ok);
        assert_eq!(health(Facts { up: 11, ..FINE }), Health::Warning);
        assert_eq!(health(Facts { up: 10, ..FINE }), Health::Critical);
        assert_eq!(health(Facts { warning: 1, ..FINE }), Health::Warning);
        assert_eq!(health(Facts { warning: 1, critical: 1, ..FINE }), Health::Critical);
        assert_eq!(health(Facts { rogues: 1, ..FINE }), Health::Critical);
        assert_eq!(CheckHealth { rogues: 1, ..CHECK }.judge(Facts { rogues: 1, ..FINE }).0, Health::Ok);
    }

    #[test]
    fn codes_are_those_of_the_convention() {
        let codes =
            [Health::Ok, Health::Warning, Health::Critical, Health::Unknown].map(|health| health as u8);
        assert_eq!(codes, [0, 1, 2, 3]);
    }
}

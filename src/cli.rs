//! The command line: one verb a file, each a client of the HTTP API unless it is about a file.
//!
//! Exit codes: 0 fine, 1 a negative answer, 2 usage or configuration, 3 the daemon is not reachable,
//! 4 refused by a brake or by observe mode. Only `check-health` speaks the Nagios convention instead.

mod alerts;
mod calico;
mod check;
mod check_health;
mod client;
mod compare;
mod completions;
mod csv;
mod demo;
mod diff;
mod eepg;
mod error;
mod events;
mod findings;
mod logging;
mod maintenance;
mod man;
mod output;
mod past;
mod patience;
mod peers;
mod reload;
mod replay;
mod routes;
mod run;
mod scope;
mod sim;
mod suggest;
mod summary;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod why;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::time::Clock;
use client::Client;
pub use error::Error;
pub use output::Format;
use output::Style;

/// The third leaf of the rack: a BGP peer that advertises nothing and understands what it hears.
#[derive(Debug, Parser)]
#[command(name = "thirdleaf", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

/// The heading of what every verb understands.
const GLOBAL: &str = "Global options";

/// What every verb understands.
#[derive(Debug, Args)]
struct Options {
    /// The daemon's HTTP address
    #[arg(long, global = true, help_heading = GLOBAL, env = "THIRDLEAF_SERVER", default_value = "http://127.0.0.1:9179")]
    server: String,
    /// File that holds the bearer token, for what changes something, or where reading needs one
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE", env = "THIRDLEAF_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Certificates of those who may have signed that of the daemon (https), PEM; default: those of the machine
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE", env = "THIRDLEAF_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Our own certificate and its key, PEM, where the daemon asks clients for one
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE", env = "THIRDLEAF_CERT_FILE")]
    cert_file: Option<PathBuf>,
    /// How to print lists
    #[arg(short, long, global = true, help_heading = GLOBAL, value_enum, default_value_t)]
    output: Format,
    /// Leave the headings of tables out
    #[arg(long, global = true, help_heading = GLOBAL)]
    no_headers: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon
    Run(run::Run),
    /// A small data centre on loopback, and what thirdleaf tells of it
    Demo(demo::Demo),
    /// Check a configuration file
    Check(check::Check),
    /// Show what a reload with a new file would do to sessions, routes and findings; exit 1 if anything
    Diff(diff::Diff),
    /// Judge what routing daemons recorded (MRT), offline; exit 1 if a finding is open or a file is damaged
    Replay(replay::Replay),
    /// Make the daemon read its configuration file again
    Reload,
    /// Sessions, as the leaf's `show ip bgp summary` shows them
    Summary(summary::Show),
    /// Known peers
    Peers(peers::Peers),
    /// Routes that peers advertise, accepted or rejected; with --at, those of a time that is over
    Routes(routes::Routes),
    /// How the routes of a prefix were judged, step by step; exit 1 if there are none
    Why(why::Why),
    /// What is wrong; exit 1 if a finding is open
    Findings(findings::Findings),
    /// What is pushed to Alertmanagers, who is told of findings, and whether it gets there
    Alerts(alerts::Alerts),
    /// What somebody works on: findings there are kept, and nobody is told
    Maintenance(maintenance::Maintenance),
    /// External EPGs and redirect policies that follow routes: members, what is to be changed, what holds it back
    Eepg(eepg::Eepg),
    /// What happened: the newest, or since a time; with --follow, what happens
    Events(events::Events),
    /// What differs between two times: routes, verdicts, findings, members; exit 1 if anything
    Compare(compare::Compare),
    /// One line for Nagios and its kin; exit 0, 1, 2 or 3 as they expect it
    CheckHealth(check_health::CheckHealth),
    /// Suggest what to allow, pin and expect, from what is heard: TOML to review
    Suggest(suggest::Suggest),
    /// Print the Calico objects that make nodes peer with the leaves, as YAML
    Calico(calico::Calico),
    /// Simulate what thirdleaf peers with
    Sim(sim::Sim),
    /// Print a completion script
    Completions(completions::Completions),
    /// Print the manual page
    Man,
}

/// How a verb ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Nothing to complain about.
    const FINE: Self = Self(0);
    /// It worked, and the answer is no.
    const NEGATIVE: Self = Self(1);

    /// The negative answer, if `negative`.
    const fn negative_if(negative: bool) -> Self {
        if negative { Self::NEGATIVE } else { Self::FINE }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.0.into()
    }
}

impl Cli {
    /// What `arguments`, the program's name first, ask for.
    ///
    /// # Errors
    /// The code to end with, once help, or what makes no sense, is printed.
    pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, ExitCode> {
        let arguments: Vec<_> = arguments.collect();
        Self::try_parse_from(&arguments).map_err(|error| {
            // To who runs a plugin, the code of usage would be an alarm.
            if error.use_stderr() && arguments.iter().any(|argument| argument == "check-health") {
                return check_health::misused(&error).into();
            }
            // Nobody is left to tell that the terminal is gone.
            _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(2).into()
        })
    }

    /// Does what was asked for, on standard output.
    ///
    /// # Errors
    /// What prevented it; [`Error::exit`] gives the code to end with.
    pub fn execute(self) -> Result<Exit, Error> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let exit = self.verb.execute(&self.options, &mut out)?;
        out.flush()?;
        Ok(exit)
    }
}

impl Verb {
    fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        match self {
            Self::Run(verb) => verb.execute(),
            Self::Demo(verb) => verb.execute(out),
            Self::Check(verb) => verb.execute(out),
            Self::Diff(verb) => verb.execute(options, out),
            Self::Replay(verb) => verb.execute(options, out),
            Self::Suggest(verb) => {
                options.ask(async |client, style| verb.execute(&client, &style, out).await)
            }
            Self::Calico(verb) => verb.execute(options, out),
            Self::Sim(verb) => verb.execute(out),
            Self::Completions(verb) => verb.execute(out),
            Self::Man => man::execute(out),
            Self::Reload => options.ask(async |client, _| reload::execute(&client, out).await),
            Self::Summary(verb) => {
                options.ask(async |client, style| verb.execute(&client, &style, out).await)
            }
            Self::Peers(verb) => options.ask(async |client, style| verb.execute(&client, &style, out).await),
            Self::Routes(verb) => options.ask(async |client, style| verb.execute(&client, &style, out).await),
            Self::Why(verb) => options.ask(async |client, style| verb.execute(&client, &style, out).await),
            Self::Findings(verb) => {
                options.ask(async |client, style| verb.execute(&client, &style, out).await)
            }
            Self::Alerts(verb) => options.ask(async |client, style| verb.execute(&client, &style, out).await),
            Self::Maintenance(verb) => {
                options.ask(async |client, style| verb.execute(&client, &style, out).await)
            }
            Self::Eepg(verb) => options.ask(async |client, style| verb.execute(&client, &style, out).await),
            Self::Events(verb) => options.ask(async |client, style| verb.execute(&client, &style, out).await),
            Self::Compare(verb) => {
                options.ask(async |client, style| verb.execute(&client, &style, out).await)
            }
            Self::CheckHealth(verb) => verb.execute(options, out),
        }
    }
}

/// A number that asks for something.
fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "not a positive number".to_owned())
}

impl Options {
    /// Runs a verb that asks the daemon.
    fn ask<T>(&self, verb: impl AsyncFnOnce(Client, Style) -> Result<T, Error>) -> Result<T, Error> {
        let [token, ca, cert] = [&self.token_file, &self.ca_file, &self.cert_file].map(Option::as_deref);
        let client = Client::with(&self.server, token, ca, cert)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(verb(client, self.style()))
    }

    fn style(&self) -> Style {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style {
            format: self.output,
            headings: !self.no_headers,
            colour: !no_color && io::stdout().is_terminal(),
            now: Clock::start().now(),
        }
    }
}

#[cfg(test)]
mod tests;

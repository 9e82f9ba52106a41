//! Feeds BGP daemons and measures what it costs them: `benches/run` builds all that is needed and runs it.
//!
//! A feeder is all nodes at once; a receiver is thirdleaf, another daemon, or a floor. Both live in a network
//! namespace that is made for the run. Figures go to `target/bench-results`, a file a part, and `load report`
//! makes `benches/RESULTS.md` of them.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "runs daemons, speaks to them, keeps time"
)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod feeder;
mod floor;
mod http;
mod measure;
mod namespace;
mod parts;
mod process;
mod receiver;
mod report;
mod results;
mod run;
mod take;
mod wire;
mod workload;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Feeds BGP daemons and measures what it costs them.
///
/// Takes root: it makes a network namespace of its own, and removes it.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure
    Run(run::Run),
    /// Take in what another bench wrote
    Take(take::Take),
    /// Write the page of all figures
    Report(report::Report),
    /// Be the nodes of a workload
    #[command(hide = true)]
    Feed(feeder::Feed),
    /// Be the least that a receiver can be
    #[command(hide = true)]
    Floor(floor::Floor),
}

fn main() -> ExitCode {
    // `cargo bench` adds a flag for benches that it times itself.
    let arguments = Arguments::parse_from(std::env::args_os().filter(|argument| argument != "--bench"));
    let result = match arguments.verb {
        None => {
            println!(
                "load measures thirdleaf beside other daemons; run benches/run as root, or see `--help`"
            );
            Ok(())
        }
        Some(Verb::Run(run)) => match run.execute() {
            Ok(true) => Ok(()),
            // The figures are there, and what failed is among them.
            Ok(false) => return ExitCode::from(run::FAILED),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return ExitCode::from(run::INTERRUPTED);
            }
            Err(error) => Err(error),
        },
        Some(Verb::Take(take)) => take.execute(),
        Some(Verb::Report(report)) => report.execute(),
        Some(Verb::Feed(feed)) => feed.execute(),
        Some(Verb::Floor(floor)) => floor.execute(),
    };
    match result.map_err(|error: io::Error| eprintln!("{error}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

//! `thirdleaf replay`: judges what routing daemons recorded, offline, by the same policy as the daemon.
//!
//! Records are played to the observer under their own time. A peer is a peer of the leaf whose range holds
//! its address, and one that no range holds is judged too, and said to be. What nobody recorded is not
//! missed: a session that began before the file owes no route, a table owes what it should hold. After the
//! end, time goes on for as long as findings take to open, so that what was wrong then is open.

mod far;
mod input;
mod judge;
mod notes;
mod places;
pub(in crate::cli) mod report;
#[cfg(test)]
mod tests;
mod trace;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Error, Exit, Options, check};
use crate::mrt::Reader;
use judge::Judge;
use report::{Part, Verdict};

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// MRT files in order, packed with gzip or bzip2 or not at all; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "trace", conflicts_with = "trace")]
    files: Vec<PathBuf>,
    /// A trace that `thirdleaf run --record` kept: its directory, or one segment of it
    #[arg(long, value_name = "PATH")]
    trace: Option<PathBuf>,
    /// Configuration file; a trace holds its own, and is judged by this one instead
    #[arg(short, long, value_name = "FILE", required_unless_present = "trace")]
    config: Option<PathBuf>,
    /// Only this part of the answer; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
}

impl Replay {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        let config = self.config.as_deref().map(check::load).transpose()?.map(Arc::new);
        if let Some(trace) = &self.trace {
            return trace::replay(trace, config, &self.only, options, out);
        }
        let Some(config) = config else {
            return Err(Error::Usage("records need a configuration to be judged by: -c FILE".to_owned()));
        };
        if config.leaves.is_empty() {
            return Err(Error::Usage("the configuration has no leaf to judge for".to_owned()));
        }
        let mut judge = Judge::new(Arc::clone(&config));
        for file in &self.files {
            let input = input::open(file)
                .map_err(|error| Error::Usage(format!("cannot read {}: {error}", file.display())))?;
            // Octets are counted in what records are read from.
            let unpacked = if input.is_packed { ", unpacked" } else { "" };
            play(format!("{}{unpacked}", file.display()), input.octets, &mut judge);
        }
        if judge.notes.first.is_none() {
            judge.notes.damaged("there is nothing that can be judged");
        }
        let (mut offline, end, notes) = judge.finish();
        let damage = notes.damage();
        for line in &damage {
            eprintln!("thirdleaf: {line}");
        }
        let mut verdict =
            Verdict { config: &config, offline: &mut offline, end, notes: notes.lines(end), damage };
        let open = verdict.print(&self.only, &options.style(), out)?;
        Ok(Exit::negative_if(open || notes.is_damaged()))
    }
}

/// Plays one file up to its end, or to where it breaks.
fn play(name: String, input: impl Read, judge: &mut Judge) {
    judge.begin_file(name);
    let mut reader = Reader::new(input);
    loop {
        match reader.next() {
            Ok(Some(record)) => judge.record(&record),
            Ok(None) => break,
            Err(error) => {
                judge.bad_record(&error);
                if error.is_final() {
                    break;
                }
            }
        }
    }
    judge.end_of_file(reader.padding());
}

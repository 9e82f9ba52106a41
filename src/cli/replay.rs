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

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Error, Exit, Options, check};
use crate::mrt::Reader;
use judge::Judge;
use report::{Part, Verdict};

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// MRT files in order, packed with gzip or bzip2 or not at all; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Only this part of the answer; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
}

impl Replay {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        let config = Arc::new(check::load(&self.config)?);
        if config.leaves.is_empty() {
            return Err(Error::Usage("the configuration has no leaf to judge for".to_owned()));
        }
        let mut judge = Judge::new(Arc::clone(&config));
        for file in &self.files {
            let input = input::open(file)
                .map_err(|error| Error::Usage(format!("cannot read {}: {error}", file.display())))?;
            play(file, input, &mut judge);
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
fn play(file: &Path, input: impl Read, judge: &mut Judge) {
    let mut reader = Reader::new(input);
    loop {
        match reader.next() {
            Ok(Some(record)) => judge.record(&record),
            Ok(None) => break,
            Err(error) => {
                judge.bad_record();
                judge.notes.damaged(format_args!("{}: {error}", file.display()));
                if error.is_final() {
                    break;
                }
            }
        }
    }
    judge.end_of_file();
}

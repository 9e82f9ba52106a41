//! `thirdleaf diff`: what a reload would do, sessions that it would reset first.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::check::load;
use super::output::{Printer, Row, Style};
use super::table::{Cell, Column, Paint};
use super::{Error, Exit, Options};
use crate::config::{self, Change, Effect};
use crate::time::Timestamp;

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The file as it shall be
    new: PathBuf,
    /// The file as it is [default: the file that the daemon was started with]
    old: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Version {
    config_file: PathBuf,
}

impl Diff {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        let new = load(&self.new)?;
        let old = match self.old {
            Some(old) => old,
            None => options
                .ask(async |client, _| client.get("/api/v1/version", &[]).await)
                .map(|Version { config_file }| config_file)?,
        };
        let changes = config::diff(&load(&old)?, &new);
        let changes: Vec<_> = changes.iter().cloned().collect();
        print(&changes, &options.style(), out)?;
        Ok(Exit::negative_if(!changes.is_empty()))
    }
}

fn print(changes: &[Change], style: &Style, out: &mut impl Write) -> Result<(), Error> {
    if changes.is_empty() && !style.is_json() {
        writeln!(out, "nothing changes")?;
        return Ok(());
    }
    let mut printer = Printer::new::<Change>(style, out);
    printer.page(changes)?;
    printer.finish()?;
    if !style.is_json() && changes.iter().any(|change| change.effect == Effect::Restart) {
        writeln!(out, "\na reload would refuse this file: what needs a restart cannot change while we run")?;
    }
    Ok(())
}

impl Row for Change {
    const COLUMNS: &'static [Column] = &[Column::left("EFFECT"), Column::left("CHANGE")];

    fn cells(&self, _now: Timestamp) -> Vec<Cell> {
        let (effect, paint) = match self.effect {
            Effect::Reset => ("reset", Paint::Bad),
            Effect::Listen => ("listen", Paint::Warning),
            Effect::Apply => ("apply", Paint::Plain),
            Effect::Restart => ("restart", Paint::Bad),
        };
        vec![Cell::new(effect).paint(paint), Cell::new(&self.text)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;
    use crate::cli::testing::NOW;

    fn text(changes: &[(Effect, &str)]) -> String {
        let style = Style { format: Format::Table, headings: true, colour: false, now: NOW };
        let changes =
            changes.iter().map(|(effect, text)| Change { effect: *effect, text: (*text).to_owned() });
        let mut out = Vec::new();
        print(&changes.collect::<Vec<_>>(), &style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn says_what_a_reload_would_do() {
        assert_eq!(text(&[]), "nothing changes\n");
        assert_eq!(
            text(&[(Effect::Reset, "hold_time: 3s -> 9s"), (Effect::Apply, "max_as_path: 2 -> 3")]),
            "EFFECT  CHANGE\n\
             reset   hold_time: 3s -> 9s\n\
             apply   max_as_path: 2 -> 3\n"
        );
        assert!(text(&[(Effect::Restart, "http.listen")]).ends_with("cannot change while we run\n"));
    }
}

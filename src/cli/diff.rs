//! `thirdleaf diff`: what a reload would do, sessions that it would reset first; then, of what the daemon
//! hears now, which routes would be judged otherwise, and which findings would open and close.

mod forecast;
mod path;
mod shadow;
#[cfg(test)]
mod tests;
mod verdicts;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::load;
use super::client::Client;
use super::output::{Format, Printer, Row, Style};
use super::table::{Cell, Column, Paint, printable};
use super::{Error, Exit, Options};
use crate::config::{self, Change, Config, Effect};
use crate::observer::view::Finding;
use crate::time::Timestamp;
use forecast::{Forecast, Outcome};
use verdicts::Groups;

/// Lines of each part for people; machines get all.
const LINES: usize = 40;

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

/// What the daemon runs by: its file, if it took that up as it is now.
async fn in_force(client: &Client) -> Result<Config, Error> {
    let Version { config_file } = client.get("/api/v1/version", &[]).await?;
    let file = load(&config_file)?;
    let config: Value = client.get("/api/v1/config", &[]).await?;
    // Both without their secrets: a new one alone is not seen, and changes no verdict.
    if serde_json::to_value(&file).is_ok_and(|file| file == config) {
        return Ok(file);
    }
    Err(Error::Usage(format!(
        "{} has changed since the daemon took it up, so it does not say what would change: give the file as it was \
         as OLD, or undo the change and write it to another file, NEW",
        config_file.display()
    )))
}

impl Diff {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        let new = load(&self.new)?;
        let is_given = self.old.is_some();
        let old = match self.old {
            Some(old) => load(&old)?,
            None => options.ask(async |client, _| in_force(&client).await)?,
        };
        let changes: Vec<_> = config::diff(&old, &new).iter().cloned().collect();
        let style = options.style();
        if changes.is_empty() {
            if style.is_json() {
                Report { style: &style, out }.machine(&changes, None, &[])?;
            } else {
                writeln!(out, "nothing changes")?;
            }
            return Ok(Exit::FINE);
        }
        let ask = async |client, style: Style| Forecast::ask(&client, &old, &new, style.now).await;
        let (forecast, unknown) = match options.ask(ask) {
            Ok(forecast) => {
                let unknown = forecast.unknown();
                (Some(forecast), unknown)
            }
            Err(error) if is_given => {
                let line = format!("what would become of routes and findings is not known: {error}");
                (None, vec![line])
            }
            Err(error) => return Err(error),
        };
        let mut report = Report { style: &style, out };
        if style.is_json() {
            report.machine(&changes, forecast, &unknown)?;
        } else {
            report.people(&changes, forecast, &unknown)?;
        }
        Ok(Exit::NEGATIVE)
    }
}

/// Prints what a reload would do.
struct Report<'a, W> {
    style: &'a Style,
    out: &'a mut W,
}

impl<W: Write> Report<'_, W> {
    fn people(
        &mut self,
        changes: &[Change],
        forecast: Option<Forecast>,
        unknown: &[String],
    ) -> Result<(), Error> {
        print(changes, self.style, self.out)?;
        writeln!(self.out)?;
        if let Some(mut forecast) = forecast {
            let mut groups = Groups::default();
            forecast.turned(|turned| {
                groups.add(turned);
                Ok(())
            })?;
            if groups.is_empty() {
                writeln!(self.out, "no route would be judged otherwise")?;
            }
            self.lines("", &groups.lines())?;
            let Outcome { open, close } = forecast.outcome();
            let (opened, closed) = (count(open.len() as u64, "finding"), close.len());
            writeln!(self.out, "\n{opened} would open, {closed} would close")?;
            self.lines("+ ", &open.iter().map(line).collect::<Vec<_>>())?;
            self.lines("- ", &close.iter().map(line).collect::<Vec<_>>())?;
        }
        for line in unknown {
            writeln!(self.out, "{}", printable(line))?;
        }
        Ok(())
    }

    /// The first lines, and how many more there are.
    fn lines(&mut self, mark: &str, lines: &[String]) -> io::Result<()> {
        for line in lines.iter().take(LINES) {
            writeln!(self.out, "{mark}{}", printable(line))?;
        }
        match lines.len().saturating_sub(LINES) {
            0 => Ok(()),
            more => writeln!(self.out, "{mark}and {more} more (-o json has them all)"),
        }
    }

    /// All there is: for `json` lists by name, for `jsonl` a line each that says what it is.
    fn machine(
        &mut self,
        changes: &[Change],
        forecast: Option<Forecast>,
        unknown: &[String],
    ) -> Result<(), Error> {
        let mut document = Document { lines: self.style.format == Format::Jsonl, lists: 0, out: self.out };
        document.list("changes", "change", |list| changes.iter().try_for_each(|change| list.item(change)))?;
        if let Some(mut forecast) = forecast {
            document.list("verdicts", "verdict", |list| forecast.turned(|turned| list.item(&turned)))?;
            let Outcome { open, close } = forecast.outcome();
            document.list("opens", "opens", |list| open.iter().try_for_each(|one| list.item(one)))?;
            document.list("closes", "closes", |list| close.iter().try_for_each(|one| list.item(one)))?;
        }
        document.list("unknown", "unknown", |list| unknown.iter().try_for_each(|line| list.item(line)))?;
        document.finish()?;
        Ok(())
    }
}

/// Lists that are written as they come.
struct Document<'a, W> {
    lines: bool,
    lists: usize,
    out: &'a mut W,
}

/// One of them.
struct List<'a, W> {
    /// What each line is, if it is a line each.
    name: Option<&'static str>,
    items: usize,
    out: &'a mut W,
}

impl<W: Write> Document<'_, W> {
    fn list(
        &mut self,
        all: &'static str,
        one: &'static str,
        fill: impl FnOnce(&mut List<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.lines {
            write!(self.out, "{}\"{all}\":[", if self.lists == 0 { "{" } else { ",\n" })?;
        }
        let mut list = List { name: self.lines.then_some(one), items: 0, out: self.out };
        fill(&mut list)?;
        self.lists += 1;
        if self.lines { Ok(()) } else { self.out.write_all(b"]") }
    }

    fn finish(self) -> io::Result<()> {
        if self.lines { Ok(()) } else { self.out.write_all(b"}\n") }
    }
}

impl<W: Write> List<'_, W> {
    fn item(&mut self, item: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(item)?;
        match self.name {
            Some(name) => writeln!(self.out, "{{\"{name}\":{text}}}")?,
            None => write!(self.out, "{}{text}", if self.items == 0 { "\n" } else { ",\n" })?,
        }
        self.items += 1;
        Ok(())
    }
}

/// So many of something.
fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn line(finding: &Finding) -> String {
    format!("{} {}: {}", finding.severity, finding.kind, finding.summary)
}

fn print(changes: &[Change], style: &Style, out: &mut impl Write) -> Result<(), Error> {
    let mut printer = Printer::new::<Change>(style, out);
    printer.page(changes)?;
    printer.finish()?;
    if changes.iter().any(|change| change.effect == Effect::Restart) {
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

//! The verdict: what the daemon's verbs would show, and what to know of where it comes from.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::Error;
use crate::cli::findings;
use crate::cli::output::{Format, Printer, Row, Style};
use crate::cli::summary::{self, Leaf};
use crate::cli::table::printable;
use crate::config::Config;
use crate::observer::view::{Finding, Peer, Route};
use crate::observer::{Offline, RouteQuery, Snapshot};
use crate::time::Timestamp;

/// A part of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Part {
    /// Peers, leaf by leaf, and what is to be known of the files
    Summary,
    /// Routes, accepted or rejected
    Routes,
    /// What is wrong
    Findings,
}

/// What there is to print.
pub(in crate::cli) struct Verdict<'a> {
    pub(in crate::cli) config: &'a Config,
    pub(in crate::cli) offline: &'a mut Offline,
    /// What ages are counted to: the end of what was played.
    pub(in crate::cli) end: Timestamp,
    /// What is to be known of where it comes from, a line each.
    pub(in crate::cli) notes: Vec<String>,
    /// Where files are damaged, a line each.
    pub(in crate::cli) damage: Vec<String>,
}

impl Verdict<'_> {
    /// Prints these parts, all if there are none; whether a finding is open.
    pub(in crate::cli) fn print(
        &mut self,
        parts: &[Part],
        style: &Style,
        out: &mut impl Write,
    ) -> Result<bool, Error> {
        let style = Style { now: self.end, ..*style };
        let now = self.offline.now();
        let snapshot = self.offline.snapshot(now);
        let wanted = |part| parts.is_empty() || parts.contains(&part);
        match style.format {
            Format::Table | Format::Wide | Format::Csv => self.tables(&snapshot, wanted, &style, out)?,
            Format::Json => self.document(&snapshot, wanted, &style, out)?,
            Format::Jsonl => self.lines(&snapshot, wanted, out)?,
        }
        out.flush()?;
        Ok(snapshot.findings.iter().any(Finding::is_told))
    }

    fn tables(
        &self,
        snapshot: &Snapshot,
        wanted: impl Fn(Part) -> bool,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        if wanted(Part::Summary) {
            self.summary(snapshot, style, out)?;
        }
        if wanted(Part::Routes) && snapshot.summary.routes.total > 0 {
            let mut printer = Printer::new::<Route>(style, out);
            self.routes(|page| printer.page(page))?;
            printer.finish()?;
            writeln!(out)?;
        }
        let current = current(snapshot);
        if wanted(Part::Findings) && !current.is_empty() {
            findings::table(current, style, out)?;
            writeln!(out)?;
        }
        if wanted(Part::Summary) || wanted(Part::Findings) {
            summary::findings(&snapshot.summary, out)?;
        }
        Ok(())
    }

    /// Leaves that have peers.
    fn summary(&self, snapshot: &Snapshot, style: &Style, out: &mut impl Write) -> Result<(), Error> {
        let peers = peers(snapshot);
        for leaf in &self.config.leaves {
            let mine: Vec<_> = peers.iter().filter(|peer| *peer.leaf == *leaf.name).cloned().collect();
            if !mine.is_empty() {
                summary::leaf_block(&Leaf::from(leaf), &mine, style, out)?;
            }
        }
        for note in &self.notes {
            writeln!(out, "{}", printable(note))?;
        }
        writeln!(out)?;
        Ok(())
    }

    fn document(
        &self,
        snapshot: &Snapshot,
        wanted: impl Fn(Part) -> bool,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        out.write_all(b"{\"notes\":")?;
        json(&self.notes, out)?;
        out.write_all(b",\"damage\":")?;
        json(&self.damage, out)?;
        if wanted(Part::Summary) {
            out.write_all(b",\n\"summary\":")?;
            json(&snapshot.summary, out)?;
            out.write_all(b",\n\"peers\":")?;
            list(&peers(snapshot), style, out)?;
        }
        if wanted(Part::Routes) {
            out.write_all(b",\n\"routes\":")?;
            let mut printer = Printer::new::<Route>(style, out);
            self.routes(|page| printer.page(page))?;
            printer.finish()?;
        }
        if wanted(Part::Findings) {
            out.write_all(b",\n\"findings\":")?;
            list(&current(snapshot), style, out)?;
        }
        out.write_all(b"}\n")?;
        Ok(())
    }

    /// Each line says what it is: `{"route": {...}}`.
    fn lines(
        &self,
        snapshot: &Snapshot,
        wanted: impl Fn(Part) -> bool,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        for note in &self.notes {
            line("note", note, out)?;
        }
        for damage in &self.damage {
            line("damage", damage, out)?;
        }
        if wanted(Part::Summary) {
            line("summary", &snapshot.summary, out)?;
            peers(snapshot).iter().try_for_each(|peer| line("peer", peer, out))?;
        }
        if wanted(Part::Routes) {
            self.routes(|page| page.iter().try_for_each(|route| line("route", route, out)))?;
        }
        if wanted(Part::Findings) {
            current(snapshot).iter().try_for_each(|finding| line("finding", finding, out))?;
        }
        Ok(())
    }

    /// All routes, page by page.
    fn routes(&self, mut page: impl FnMut(&[Route]) -> Result<(), Error>) -> Result<(), Error> {
        let mut query = RouteQuery { limit: 1_000, ..RouteQuery::default() };
        loop {
            let found = self.offline.routes(query.clone());
            page(&found.items)?;
            let Some(cursor) = found.next_cursor.and_then(|cursor| cursor.parse().ok()) else {
                return Ok(());
            };
            query.cursor = Some(cursor);
        }
    }
}

fn peers(snapshot: &Snapshot) -> Vec<Peer> {
    snapshot.peers.iter().map(crate::observer::PeerSnapshot::view).collect()
}

/// Findings that are pending or open.
fn current(snapshot: &Snapshot) -> Vec<Finding> {
    snapshot.findings.iter().filter(|finding| finding.state != "resolved").cloned().collect()
}

fn list<T: Row>(items: &[T], style: &Style, out: &mut impl Write) -> Result<(), Error> {
    let mut printer = Printer::new::<T>(style, out);
    printer.page(items)?;
    printer.finish()?;
    Ok(())
}

fn line(name: &str, item: &impl Serialize, out: &mut impl Write) -> Result<(), Error> {
    write!(out, "{{\"{name}\":")?;
    json(item, out)?;
    out.write_all(b"}\n")?;
    Ok(())
}

fn json(item: &impl Serialize, out: &mut impl Write) -> Result<(), Error> {
    Ok(serde_json::to_writer(out, item).map_err(std::io::Error::from)?)
}

//! One finding on a page, for somebody who was woken by it.

use std::io::{self, Write};

use super::tree;
use crate::cli::table::{age, printable};
use crate::observer::view::Finding;
use crate::time::Timestamp;

/// Columns of a line.
const WIDTH: usize = 100;
/// Explained findings that are named.
const NAMED: usize = 40;

/// What, since when, what it does to traffic, what to do, what shows it, and what it explains.
pub(super) fn print(
    finding: &Finding,
    explained: &[Finding],
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    let Finding { id, kind, severity, state, .. } = finding;
    writeln!(out, "{severity} {kind}, {state}\n")?;
    paragraph("", &finding.summary, out)?;
    writeln!(out)?;
    field("since", Some(&format!("{} ({})", finding.since, age(now, finding.since))), out)?;
    field("opened", finding.opened.map(|at| at.to_string()).as_ref(), out)?;
    field("resolved", finding.resolved.map(|at| at.to_string()).as_ref(), out)?;
    field("muted", muted(finding).as_ref(), out)?;
    field("cluster", Some(&finding.cluster), out)?;
    field("VRF", Some(&finding.vrf), out)?;
    field("leaf", finding.leaf.as_ref(), out)?;
    field("node", finding.node.as_ref(), out)?;
    field("peer", finding.peer.map(|peer| peer.to_string()).as_ref(), out)?;
    field("prefix", finding.prefix.map(|prefix| prefix.to_string()).as_ref(), out)?;
    field("reason", finding.reason.map(|reason| reason.to_string()).as_ref(), out)?;
    field("identity", Some(id), out)?;
    if !finding.advice.is_empty() {
        writeln!(out, "\nWhat to do:")?;
        paragraph("  ", &finding.advice, out)?;
    }
    if !finding.evidence.is_empty() {
        writeln!(out, "\nWhat shows it:")?;
        for line in &finding.evidence {
            writeln!(out, "  {}", printable(line))?;
        }
    }
    explains(finding, explained, out)
}

fn explains(finding: &Finding, explained: &[Finding], out: &mut impl Write) -> io::Result<()> {
    let total = finding.absorbs_total.max(explained.len());
    if total == 0 {
        return Ok(());
    }
    writeln!(out, "\nIt explains {}:", tree::count(total))?;
    for one in explained.iter().take(NAMED) {
        writeln!(out, "  {}  {}", one.id, printable(&one.summary))?;
    }
    let more = total - explained.len().min(NAMED);
    if more > 0 {
        writeln!(out, "  and {more} more")?;
    }
    Ok(())
}

fn muted(finding: &Finding) -> Option<String> {
    tree::muted(finding).map(|muted| muted.trim_start_matches("muted, ").to_owned())
}

fn field(name: &str, value: Option<&String>, out: &mut impl Write) -> io::Result<()> {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => writeln!(out, "{name:<10}{}", printable(value)),
        None => Ok(()),
    }
}

/// Words in lines that fit.
fn paragraph(indent: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut line = indent.to_owned();
    for word in printable(text).split_whitespace() {
        if line.len() > indent.len() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{line}")?;
            indent.clone_into(&mut line);
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{line}")
}

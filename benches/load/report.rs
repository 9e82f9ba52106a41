//! `load report`: all parts as one page of Markdown. What is met is computed, never said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::results::{self, By, Goal, Measured, Part};

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Where figures are
    #[arg(long, default_value = "target/bench-results")]
    results: PathBuf,
    /// What to write
    #[arg(long, default_value = "benches/RESULTS.md")]
    output: PathBuf,
}

impl Report {
    pub(crate) fn execute(self) -> io::Result<()> {
        let parts = results::all(&self.results)?;
        let mut text = head()?;
        text += &summary(&parts);
        let mut ordered: Vec<&Part> = parts.values().collect();
        ordered.sort_by_key(|part| (part.order, part.title.as_str()));
        for part in ordered {
            text += &section(part);
        }
        fs::write(&self.output, text)?;
        eprintln!("{}", self.output.display());
        Ok(())
    }
}

fn head() -> io::Result<String> {
    let first = |program: &str, argument: &str| -> io::Result<String> {
        let output = Command::new(program).arg(argument).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    };
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kilobytes = memory.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    let cores = std::thread::available_parallelism()?;
    let kernel = first("uname", "-r")?;
    let kernel = kernel.split('-').next().unwrap_or_default().to_owned();
    let compiler = first("rustc", "--version")?;
    let compiler = compiler.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(format!(
        "# Figures\n\nMade by `benches/run`; `load report` wrote this page, and no figure or verdict on it was written \
         by hand.\n\n{cores} cores, {} GB of memory, Linux {kernel}, Rust {compiler}. All at one time on one machine, \
         one receiver after the other, in a network namespace of its own: a feeder is all nodes at once, from loopback \
         addresses, one AS each; hold time 3 s, keepalive 1 s, graceful restart offered; nothing is announced back. \
         Tables are encoded before the clock starts, and sessions are up before they are sent. CPU is the scheduler's \
         count over all threads; resident is what the kernel says (of several processes, what they share counted \
         once). A cell is the median of the runs, and the least and the greatest where they differ. CPU goals within \
         a quarter of the line count as met; lags and silences are the worst run's. The floor parses, interns \
         attributes and keeps one hash table in one thread: it judges, finds and counts nothing.\n\n",
        kilobytes.div_ceil(1 << 20),
    ))
}

/// All goals with what was reached.
fn summary(parts: &BTreeMap<String, Part>) -> String {
    let mut text = "## Goals\n\n| | goal | reached | |\n|---|--:|--:|---|\n".to_owned();
    let mut ordered: Vec<&Part> = parts.values().collect();
    ordered.sort_by_key(|part| (part.order, part.title.as_str()));
    for part in ordered {
        for goal in &part.goals {
            let (bound, reached, verdict) = judge(goal, part, parts);
            let _ = writeln!(text, "| {}; {} | {bound} | {reached} | {verdict} |", part.title, goal.text);
        }
    }
    text + "\n"
}

/// The bound, what was reached, and whether that is enough.
fn judge(goal: &Goal, part: &Part, parts: &BTreeMap<String, Part>) -> (String, String, &'static str) {
    let (sign, unit) = (if goal.at_least { "≥" } else { "≤" }, if goal.than.is_some() { "x" } else { "" });
    let bound = format!("{sign} {}{unit}", number(goal.at_most));
    let figure = |part: &Part, subject: &str, key: &str| {
        let measured = part.subjects.iter().find(|measured| measured.name == subject)?;
        let [median, _, greatest] = measured.spread(key)?;
        Some(if goal.by == By::Largest { greatest } else { median })
    };
    // A run without its figure did not get there.
    let ours = part.subjects.iter().find(|measured| measured.name == goal.subject);
    let whole = ours.is_some_and(|measured| {
        measured.runs.iter().filter(|run| run.contains_key(&goal.key)).count() >= measured.tried
    });
    let ours = whole.then(|| figure(part, &goal.subject, &goal.key)).flatten();
    let reached = ours.and_then(|ours| match &goal.than {
        None => Some(ours),
        Some((subject, key)) => {
            let theirs = match subject.split_once(':') {
                Some((other, subject)) => figure(parts.get(other)?, subject, key)?,
                None => figure(part, subject, key)?,
            };
            Some(ours / theirs)
        }
    });
    let Some(reached) = reached else {
        let verdict = if ours.is_none() { "**missed**" } else { "nothing to compare with" };
        return (bound, "not measured".to_owned(), verdict);
    };
    let slack = if goal.noisy { 1.25 } else { 1.0 };
    let met = if goal.at_least { reached * slack >= goal.at_most } else { reached <= goal.at_most * slack };
    (bound, format!("{}{unit}", number(reached)), if met { "met" } else { "**missed**" })
}

fn section(part: &Part) -> String {
    let subjects: Vec<&Measured> = part.subjects.iter().collect();
    let runs = subjects.iter().map(|subject| subject.tried.max(subject.runs.len())).max().unwrap_or(0);
    let mut text = format!("## {}\n\n{}\n\nRuns: {runs}.\n\n|", part.title, part.about);
    for subject in &subjects {
        let name = format!("{} {}", subject.name, subject.version);
        let _ = write!(text, " | {}", name.trim());
    }
    text += " |\n|---|";
    text += &"--:|".repeat(subjects.len());
    text += "\n";
    for column in &part.columns {
        let _ = write!(text, "| {}", column.head);
        for subject in &subjects {
            let _ = write!(text, " | {}", cell(subject, &column.key));
        }
        text += " |\n";
    }
    let failed: Vec<String> = subjects
        .iter()
        .filter_map(|subject| {
            let failure = subject.failures.last()?;
            let count = subject.failures.len();
            Some(format!(
                "- {}: {count} of {} runs: {failure}\n",
                subject.name,
                subject.runs.len().max(count)
            ))
        })
        .collect();
    if !failed.is_empty() {
        text += "\nDid not get there:\n\n";
        text += &failed.concat();
    }
    text + "\n"
}

fn cell(subject: &Measured, key: &str) -> String {
    match subject.spread(key) {
        None => "-".to_owned(),
        Some([median, least, greatest]) => {
            let [median, least, greatest] = [median, least, greatest].map(number);
            if least == greatest { median } else { format!("{median} ({least} - {greatest})") }
        }
    }
}

/// A figure with as many digits as it deserves.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.0995 => format!("{value:.3}"),
        size if size < 9.95 => format!("{value:.2}"),
        size if size < 99.5 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

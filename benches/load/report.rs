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
    /// What is said about them, by people; none if there is no such file
    #[arg(long, default_value = "benches/load/findings.md")]
    findings: PathBuf,
    /// What to write
    #[arg(long, default_value = "benches/RESULTS.md")]
    output: PathBuf,
}

impl Report {
    pub(crate) fn execute(self) -> io::Result<()> {
        let parts = results::all(&self.results)?;
        let mut text = head()?;
        text += &summary(&parts);
        for part in ordered(&parts) {
            text += &section(part);
        }
        match fs::read_to_string(&self.findings) {
            Ok(findings) => {
                let _ = writeln!(text, "## Where the time goes\n\n{}", findings.trim());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
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
        "# Figures\n\nMade by `benches/run`; `load report` wrote this page, and no figure or verdict in its tables was \
         written by hand.\n\n{cores} cores, {} GB of memory, Linux {kernel}, Rust {compiler}. On one machine, one receiver \
         after the other, each first in its turn. Workloads W1 to W6, the control and 4,800 sessions run in a network \
         namespace of its own; queries and parsers run beside it. A feeder is all nodes at once, from loopback \
         addresses, one AS each; hold time 3 s, keepalive 1 s, graceful restart offered; nothing is announced back. \
         Tables are encoded before the clock starts, and sessions are up before they are sent. CPU is the scheduler's \
         count over all threads; resident is what the kernel says (of several processes, what they share counted \
         once). A cell is the median of the runs, and the least and the greatest where they differ. CPU goals within \
         a quarter of the line count as met; lags and silences are the worst run's. The floor parses, interns \
         attributes and keeps one hash table in one thread: it judges, finds and counts nothing.\n\n",
        kilobytes.div_ceil(1 << 20),
    ))
}

fn ordered(parts: &BTreeMap<String, Part>) -> Vec<&Part> {
    let mut ordered: Vec<&Part> = parts.values().collect();
    ordered.sort_by_key(|part| (part.order, part.title.as_str()));
    ordered
}

/// All goals with what was reached.
fn summary(parts: &BTreeMap<String, Part>) -> String {
    let mut text = "## Goals\n\n| | goal | reached | |\n|---|--:|--:|---|\n".to_owned();
    for part in ordered(parts) {
        if part.goals.is_empty() && part.subjects.iter().any(|subject| !subject.failures.is_empty()) {
            let _ = writeln!(text, "| {} | | - | **missed**: it failed |", part.title);
        }
        for goal in &part.goals {
            let [bound, reached, verdict] = judge(goal, part, parts);
            let _ = writeln!(text, "| {}; {} | {bound} | {reached} | {verdict} |", part.title, goal.text);
        }
    }
    text + "\n"
}

/// The bound, what was reached, and whether that is enough.
fn judge(goal: &Goal, part: &Part, parts: &BTreeMap<String, Part>) -> [String; 3] {
    let (sign, unit) = (if goal.at_least { "≥" } else { "≤" }, if goal.than.is_some() { "x" } else { "" });
    let bound = format!("{sign} {}{unit}", number(goal.at_most));
    let unknown = |why: &str| [bound.clone(), "-".to_owned(), why.to_owned()];
    let Some(ours) = part.measured(&goal.subject).filter(|measured| measured.tried > 0) else {
        return unknown("not measured");
    };
    // A run without its figure did not get there.
    let figure = (ours.with(&goal.key) >= ours.tried).then(|| reached(goal, ours, &goal.key)).flatten();
    let Some(figure) = figure else {
        let (failed, tried) = (ours.tried.saturating_sub(ours.with(&goal.key)), ours.tried);
        return unknown(&format!("**missed**: {failed} of {tried} runs did not get there"));
    };
    let (mut figure, mut remark) = (figure, String::new());
    if let Some((name, key)) = &goal.than {
        let (part, name) = match name.split_once(':') {
            Some((other, name)) => (parts.get(other), name),
            None => (Some(part), name.as_str()),
        };
        let other = part.and_then(|part| part.measured(name));
        let theirs = other.and_then(|other| Some((other, reached(goal, other, key)?)));
        figure = match theirs {
            Some((other, _)) if other.id != ours.id => {
                return unknown("nothing to compare with, measured apart");
            }
            Some((other, theirs)) => {
                let (with, tried) = (other.with(key), other.tried);
                if with < tried {
                    remark = format!("; {name} got there in {with} of {tried} runs");
                }
                figure / theirs
            }
            None if goal.needs_other => return unknown("**missed**: nothing to compare with"),
            None => return unknown("nothing to compare with"),
        };
    }
    let slack = if goal.noisy { 1.25 } else { 1.0 };
    let met = if goal.at_least { figure * slack >= goal.at_most } else { figure <= goal.at_most * slack };
    let verdict = if met { "met" } else { "**missed**" };
    [bound, format!("{}{unit}", number(figure)), verdict.to_owned() + &remark]
}

/// What a goal makes of the runs' figures.
fn reached(goal: &Goal, measured: &Measured, key: &str) -> Option<f64> {
    let [median, least, greatest] = measured.spread(key)?;
    Some(match goal.by {
        By::Median => median,
        By::Largest if goal.at_least => least,
        By::Largest => greatest,
    })
}

fn section(part: &Part) -> String {
    // Whom nobody asked for is absent.
    let subjects: Vec<&Measured> =
        part.subjects.iter().filter(|subject| subject.tried > 0 || subject.version.is_none()).collect();
    let mut text = format!("## {}\n\n{}\n\n{}\n\n|", part.title, part.about, runs(&subjects));
    for subject in &subjects {
        let name = format!("{} {}", subject.name, subject.version.as_deref().unwrap_or_default());
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
    let mut failed = String::new();
    for subject in &subjects {
        let (name, count, tried) = (&subject.name, subject.failures.len(), subject.tried);
        if let Some(failure) = subject.failures.last() {
            let _ = writeln!(failed, "- {name}: {count} of {tried} runs: {failure}");
        } else if tried == 0 {
            let _ = writeln!(failed, "- {name}: cannot be had on this machine");
        }
    }
    if !failed.is_empty() {
        text += "\nDid not get there:\n\n";
        text += &failed;
    }
    text + "\n"
}

/// How often each was measured, and what was.
fn runs(subjects: &[&Measured]) -> String {
    let first = subjects.iter().find(|subject| subject.tried > 0);
    let counts: Vec<String> = subjects
        .iter()
        .filter(|subject| subject.tried > 0)
        .map(|subject| {
            let apart = first.is_some_and(|first| first.id != subject.id);
            format!("{} {}{}", subject.name, subject.tried, if apart { " (measured apart)" } else { "" })
        })
        .collect();
    let mut text =
        format!("Runs: {}.", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") });
    for subject in subjects.iter().filter(|subject| !subject.commit.is_empty()) {
        let _ = write!(text, " {} is of commit {}.", subject.name, subject.commit);
    }
    text
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

//! `load take`: what other benches wrote of a run, as one more run of a part.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use crate::measure::Figures;
use crate::results::{By, Column, Goal, Part};

/// Whose figures these are.
const OURS: &str = "thirdleaf";

/// The parsers that ours is compared with: one that is absent is not beaten.
const RIVALS: [&str; 4] = ["netgauze-bgp-pkt", "routecore", "bgpkit-parser", "zettabgp"];

/// The cursor that is written by hand.
const CURSOR: &str = "cursor";

#[derive(Debug, Args)]
pub(crate) struct Take {
    /// Under which name it is kept
    part: String,
    /// What the bench wrote; nothing if it failed
    file: Option<PathBuf>,
    /// The part's title
    #[arg(long)]
    title: String,
    /// What was done, and how to read the table
    #[arg(long, default_value = "")]
    about: String,
    /// Where it stands among the others
    #[arg(long, default_value_t = 5)]
    order: u32,
    /// The name of this measuring: runs of another are forgotten
    #[arg(long, default_value = "")]
    id: String,
    /// Which commit was measured
    #[arg(long, default_value = "")]
    commit: String,
    /// Where figures are
    #[arg(long, default_value = "target/bench-results")]
    results: PathBuf,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    /// Nanoseconds a message, by parsers, in cases.
    Parsers { cases: Vec<Case> },
    /// Figures of our own.
    Figures(Vec<Figure>),
}

#[derive(Deserialize)]
struct Case {
    case: String,
    parsers: Vec<Parser>,
}

#[derive(Deserialize)]
struct Parser {
    #[serde(rename = "parser")]
    name: String,
    ns: f64,
    allocations: f64,
}

#[derive(Deserialize)]
struct Figure {
    group: String,
    name: String,
    value: f64,
    unit: String,
    goal: Option<f64>,
    /// `most` or `least`.
    at: Option<String>,
}

impl Take {
    pub(crate) fn execute(self) -> io::Result<()> {
        let written =
            self.file.map(|file| io::Result::Ok(serde_json::from_slice(&fs::read(file)?)?)).transpose()?;
        let mut part = Part::read(&self.results, &self.part)?;
        if part.subjects.iter().any(|subject| subject.id != self.id) {
            part = Part::default();
        }
        (part.order, part.title, part.about) = (self.order, self.title, self.about);
        let ours = part.subject(OURS);
        ours.stamp(&self.id, &self.commit);
        (ours.version, ours.tried) = (Some(String::new()), ours.tried + 1);
        match written {
            Some(Written::Parsers { cases }) => parsers(&cases, &mut part),
            Some(Written::Figures(figures)) => own(&figures, &mut part),
            None => part.subject(OURS).failures.push("the bench failed".to_owned()),
        }
        for subject in &mut part.subjects {
            subject.id.clone_from(&self.id);
            if subject.name != OURS {
                subject.tried = subject.runs.len();
            }
        }
        part.write(&self.results, &self.part)
    }
}

fn column(key: String) -> Column {
    Column { head: key.clone(), key }
}

fn own(figures: &[Figure], part: &mut Part) {
    let key = |figure: &Figure| format!("{}: {}, {}", figure.group, figure.name, figure.unit);
    part.columns = figures.iter().map(|figure| column(key(figure))).collect();
    part.goals = figures
        .iter()
        .filter_map(|figure| {
            let key = key(figure);
            let at_least = figure.at.as_deref() == Some("least");
            let (text, subject, at_most) = (key.clone(), OURS.to_owned(), figure.goal?);
            // One session that is lost is lost, whatever the other runs gave.
            let worst = ["sessions lost", "longest silence"].iter().any(|name| figure.name.starts_with(name));
            let by = if worst { By::Largest } else { By::Median };
            Some(Goal { text, subject, key, by, at_most, at_least, ..Goal::default() })
        })
        .collect();
    let run: Figures = figures.iter().map(|figure| (key(figure), figure.value)).collect();
    part.subject(OURS).runs.push(run);
}

/// Ours is to be faster than every crate in every case, and near a hand-written cursor where all are mixed.
fn parsers(cases: &[Case], part: &mut Part) {
    let allocations = |case: &Case| format!("{}, allocations", case.case);
    part.columns =
        cases.iter().flat_map(|case| [column(case.case.clone()), column(allocations(case))]).collect();
    part.goals.clear();
    let mut runs: Vec<(String, Figures)> = Vec::new();
    for case in cases {
        for parser in &case.parsers {
            let name = named(&parser.name);
            let figures = [(case.case.clone(), parser.ns), (allocations(case), parser.allocations)];
            match runs.iter_mut().find(|(other, _)| other == name) {
                Some((_, run)) => run.extend(figures),
                None => runs.push((name.to_owned(), Figures::from(figures))),
            }
        }
        let rivals = RIVALS.iter().map(|name| (*name, 1.0));
        let cursor = case.case.contains("mixed").then_some((CURSOR, 1.35));
        part.goals.extend(rivals.chain(cursor).map(|(name, times)| Goal {
            text: format!("{}, against {name}", case.case),
            subject: OURS.to_owned(),
            key: case.case.clone(),
            at_most: times,
            than: Some((name.to_owned(), case.case.clone())),
            needs_other: true,
            ..Goal::default()
        }));
        let text = allocations(case);
        let (key, subject) = (text.clone(), OURS.to_owned());
        part.goals.push(Goal { text, subject, key, ..Goal::default() });
    }
    for (name, run) in runs {
        part.subject(&name).runs.push(run);
    }
}

fn named(parser: &str) -> &str {
    if parser == "ours" { OURS } else { parser }
}

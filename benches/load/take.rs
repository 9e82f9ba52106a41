//! `load take`: what other benches wrote of a run, as one more run of a part.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use crate::measure::Figures;
use crate::results::{Column, Goal, Part};

/// Whose figures these are.
const OURS: &str = "thirdleaf";

#[derive(Debug, Args)]
pub(crate) struct Take {
    /// Under which name it is kept
    part: String,
    /// What the bench wrote
    file: PathBuf,
    /// The part's title
    #[arg(long)]
    title: String,
    /// What was done, and how to read the table
    #[arg(long, default_value = "")]
    about: String,
    /// Where it stands among the others
    #[arg(long, default_value_t = 5)]
    order: u32,
    /// Forget the runs before
    #[arg(long)]
    first: bool,
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
        let written = serde_json::from_slice(&fs::read(&self.file)?)?;
        let mut part = if self.first { Part::default() } else { Part::read(&self.results, &self.part)? };
        (part.order, part.title, part.about) = (self.order, self.title, self.about);
        match written {
            Written::Parsers { cases } => parsers(&cases, &mut part),
            Written::Figures(figures) => own(&figures, &mut part),
        }
        for subject in &mut part.subjects {
            subject.tried = subject.runs.len();
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
            Some(Goal { text, subject, key, at_most, at_least, ..Goal::default() })
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
            let times = match name {
                OURS | "lengths" => continue,
                "cursor" if !case.case.contains("mixed") => continue,
                "cursor" => 1.35,
                _ => 1.0,
            };
            part.goals.push(Goal {
                text: format!("{}, against {name}", case.case),
                subject: OURS.to_owned(),
                key: case.case.clone(),
                at_most: times,
                than: Some((name.to_owned(), case.case.clone())),
                ..Goal::default()
            });
        }
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

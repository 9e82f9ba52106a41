//! What runs gave, kept as JSON: a file a part, so that parts can be measured apart and by different programs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::measure::Figures;

/// A part of the report.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Part {
    /// Where it stands among the others.
    pub(crate) order: u32,
    pub(crate) title: String,
    /// What was done, and how to read the table.
    pub(crate) about: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) subjects: Vec<Measured>,
    pub(crate) goals: Vec<Goal>,
}

/// A figure of the table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Column {
    /// Its name among a run's figures.
    pub(crate) key: String,
    pub(crate) head: String,
}

/// All runs of one subject.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Measured {
    pub(crate) name: String,
    /// Nothing if it cannot be had.
    pub(crate) version: Option<String>,
    /// In which measuring; figures of several are not compared.
    pub(crate) id: String,
    /// What the program was built from.
    pub(crate) commit: String,
    /// How many runs there were, with those that gave nothing.
    pub(crate) tried: usize,
    pub(crate) runs: Vec<Figures>,
    /// Why runs did not get there.
    pub(crate) failures: Vec<String>,
}

/// What is to be reached: a figure of a subject, at most a bound, or at most so many times another's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Goal {
    pub(crate) text: String,
    pub(crate) subject: String,
    pub(crate) key: String,
    /// How runs become one figure.
    pub(crate) by: By,
    pub(crate) at_most: f64,
    /// Whose figure `at_most` is to be multiplied with: a subject, and a key if it is another.
    pub(crate) than: Option<(String, String)>,
    /// Whether a quarter more is met as well.
    pub(crate) noisy: bool,
    /// Whether it is missed if the other has no figure.
    pub(crate) needs_other: bool,
    /// Whether more is better, and `at_most` is at least.
    pub(crate) at_least: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    #[default]
    Median,
    /// The largest: a 99th percentile of one run is the figure of that run, and the largest of few runs stands
    /// for all.
    Largest,
}

impl Part {
    pub(crate) fn read(directory: &Path, name: &str) -> io::Result<Self> {
        match fs::read(file(directory, name)) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn write(&self, directory: &Path, name: &str) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(file(directory, name), serde_json::to_string_pretty(self)? + "\n")
    }

    /// What is known of a subject, if anything.
    pub(crate) fn measured(&self, name: &str) -> Option<&Measured> {
        self.subjects.iter().find(|subject| subject.name == name)
    }

    /// What is known of a subject.
    pub(crate) fn subject(&mut self, name: &str) -> &mut Measured {
        let at = self.subjects.iter().position(|subject| subject.name == name).unwrap_or_else(|| {
            self.subjects.push(Measured { name: name.to_owned(), ..Measured::default() });
            self.subjects.len() - 1
        });
        &mut self.subjects[at]
    }
}

fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.json"))
}

impl Measured {
    /// What follows belongs to this measuring; what was measured in another is forgotten.
    pub(crate) fn stamp(&mut self, id: &str, commit: &str) {
        if self.id != id || self.commit != commit {
            let name = std::mem::take(&mut self.name);
            *self = Self { name, id: id.to_owned(), commit: commit.to_owned(), ..Self::default() };
        }
    }

    /// In how many runs there was this figure.
    pub(crate) fn with(&self, key: &str) -> usize {
        self.runs.iter().filter(|run| run.contains_key(key)).count()
    }

    /// The median, the least and the greatest of a figure.
    pub(crate) fn spread(&self, key: &str) -> Option<[f64; 3]> {
        let mut values: Vec<f64> = self.runs.iter().filter_map(|run| run.get(key).copied()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let (least, greatest) = (*values.first()?, *values.last()?);
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some([median, least, greatest])
    }
}

/// Parts by their names.
pub(crate) fn all(directory: &Path) -> io::Result<BTreeMap<String, Part>> {
    let mut parts = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            // Other benches write there too; `load take` makes parts of that.
            match Part::read(directory, name) {
                Ok(part) if !part.title.is_empty() => drop(parts.insert(name.to_owned(), part)),
                _ => eprintln!("{} is no part", path.display()),
            }
        }
    }
    Ok(parts)
}

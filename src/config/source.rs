//! The files that a configuration is made of, as one text: every octet of every file has a place of its own.

use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// As errors name it.
    pub(super) shown: PathBuf,
    /// Where its relative paths start.
    pub(super) directory: PathBuf,
    pub(super) text: String,
    /// The place of its first octet.
    pub(super) start: usize,
}

/// All files, the one that includes the others first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources {
    first: Source,
    included: Vec<Source>,
}

impl Sources {
    pub(super) const fn new(shown: PathBuf, directory: PathBuf, text: String) -> Self {
        Self { first: Source { shown, directory, text, start: 0 }, included: Vec::new() }
    }

    pub(super) fn include(&mut self, shown: PathBuf, directory: PathBuf, text: String) {
        // The end of a file is a place too.
        let start = self.iter().last().map_or(0, |last| last.start + last.text.len() + 1);
        self.included.push(Source { shown, directory, text, start });
    }

    /// The file that includes the others.
    pub(super) const fn first(&self) -> &Source {
        &self.first
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(&self.included)
    }

    /// The file that this place is in.
    pub(super) fn of(&self, place: usize) -> &Source {
        let later = self.included.partition_point(|source| source.start <= place);
        later.checked_sub(1).and_then(|at| self.included.get(at)).unwrap_or(&self.first)
    }
}

impl Source {
    /// Line and column of a place, both from 1.
    pub(super) fn position(&self, place: usize) -> Option<(usize, usize)> {
        let before = self.text.get(..place.checked_sub(self.start)?)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
        Some((line, column))
    }

    /// Where a path that this file names is.
    pub(super) fn path(&self, named: &str) -> PathBuf {
        self.directory.join(named)
    }

    /// The same as errors name it.
    pub(super) fn shown_path(&self, named: &str) -> PathBuf {
        self.shown.parent().unwrap_or(Path::new("")).join(named)
    }
}

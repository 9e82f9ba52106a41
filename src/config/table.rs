//! Tables and values of a TOML file that know their place: whoever reads one that is not what it should be
//! has reported it. Nothing stops at the first error.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Error;
use super::source::{Source, Sources};

/// Where something stands in a file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Octets of all files.
    pub(super) span: Range<usize>,
    /// `neighbors[0].range`.
    pub(super) path: String,
}

/// Collects what is wrong.
#[derive(Debug)]
pub(super) struct Reporter<'t> {
    sources: &'t Sources,
    errors: RefCell<Vec<Error>>,
}

impl<'t> Reporter<'t> {
    pub(super) const fn new(sources: &'t Sources) -> Self {
        Self { sources, errors: RefCell::new(Vec::new()) }
    }

    pub(super) fn report(&self, error: Error) {
        self.errors.borrow_mut().push(error);
    }

    pub(super) fn into_errors(self) -> Vec<Error> {
        self.errors.into_inner()
    }

    /// How much is wrong so far.
    pub(super) fn count(&self) -> usize {
        self.errors.borrow().len()
    }

    /// The file that `place` is in.
    pub(super) fn source(&self, place: &Place) -> &'t Source {
        self.sources.of(place.span.start)
    }

    /// The line that `place` begins on, for somebody who looks at `here`.
    pub(super) fn line(&self, place: &Place, here: &Place) -> String {
        let source = self.source(place);
        let (line, _) = source.position(place.span.start).unwrap_or((1, 1));
        let elsewhere = source.start != self.source(here).start;
        let file = if elsewhere { format!(" of {}", source.shown.display()) } else { String::new() };
        format!("line {line}{file}")
    }
}

/// A table being read. When it goes, the keys that nobody asked for are reported as unknown.
pub(super) struct Section<'r, 't> {
    reporter: &'r Reporter<'t>,
    place: Place,
    entries: DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'r, 't> Section<'r, 't> {
    pub(super) const fn root(reporter: &'r Reporter<'t>, entries: DeTable<'t>) -> Self {
        Self { reporter, place: Place { span: 0..0, path: String::new() }, entries, known: Vec::new() }
    }

    pub(super) const fn reporter(&self) -> &'r Reporter<'t> {
        self.reporter
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// The value of `key`, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'r, 't>> {
        self.known.push(key);
        self.take_unlisted(key)
    }

    /// As [`Self::take`], of a key that is never suggested.
    pub(super) fn take_unlisted(&mut self, key: &str) -> Option<Value<'r, 't>> {
        let value = self.entries.remove(key)?;
        let place = Place { span: value.span(), path: self.path_of(key) };
        Some(Value { reporter: self.reporter, place, content: value.into_inner() })
    }

    /// The value of `key`, which must be there.
    pub(super) fn require(&mut self, key: &'static str) -> Option<Value<'r, 't>> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("`{key}` is missing{}", self.inside());
            self.reporter.report(Error::at(&self.place, message));
        }
        value
    }

    /// What `read` makes of the value of `key`, if it is there.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'r, 't>) -> Option<T>,
    ) -> Option<T> {
        self.take(key).and_then(|value| read(&value))
    }

    /// What `read` makes of the value of `key`, which must be there.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'r, 't>) -> Option<T>,
    ) -> Option<T> {
        self.require(key).and_then(|value| read(&value))
    }

    /// The table `key`; an empty one if it is not there.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        self.take(key).and_then(Value::section).unwrap_or_else(|| Section {
            reporter: self.reporter,
            place: Place { span: self.place.span.clone(), path: self.path_of(key) },
            entries: DeTable::new(),
            known: Vec::new(),
        })
    }

    /// The tables `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        if matches!(value.content, DeValue::Table(_)) {
            let message = format!("`{}` is a list of tables", value.place.path);
            value.fail_with(message, format!("write [[{}]]", value.place.path));
            return Vec::new();
        }
        value.list().into_iter().filter_map(Value::section).collect()
    }

    /// All entries, for a table whose keys are data.
    pub(super) fn entries(&mut self) -> Vec<(String, Place, Value<'r, 't>)> {
        let entries = std::mem::take(&mut self.entries);
        entries
            .into_iter()
            .map(|(key, value)| {
                let path = self.path_of(key.get_ref());
                let place = Place { span: key.span(), path: path.clone() };
                let value = Value {
                    reporter: self.reporter,
                    place: Place { span: value.span(), path },
                    content: value.into_inner(),
                };
                (key.into_inner().into_owned(), place, value)
            })
            .collect()
    }

    fn path_of(&self, key: &str) -> String {
        if self.place.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.path) }
    }

    fn inside(&self) -> String {
        if self.place.path.is_empty() { String::new() } else { format!(" in `{}`", self.place.path) }
    }

    fn unknown(&self, key: &str, place: &Place) -> Error {
        Error::at(place, format!("unknown key `{}`{}", key.escape_debug(), self.inside())).help(suggestion(
            key,
            self.known.iter().copied(),
            "the keys here are",
        ))
    }
}

impl Drop for Section<'_, '_> {
    fn drop(&mut self) {
        for (key, place, _) in self.entries() {
            self.reporter.report(self.unknown(&key, &place));
        }
    }
}

/// A value being read.
pub(super) struct Value<'r, 't> {
    reporter: &'r Reporter<'t>,
    /// Where it stands.
    pub(super) place: Place,
    content: DeValue<'t>,
}

impl<'r, 't> Value<'r, 't> {
    /// The value of a key of the first file.
    pub(super) fn of(key: &str, value: Spanned<DeValue<'t>>, reporter: &'r Reporter<'t>) -> Self {
        let place = Place { span: value.span(), path: key.to_owned() };
        Value { reporter, place, content: value.into_inner() }
    }

    pub(super) const fn reporter(&self) -> &'r Reporter<'t> {
        self.reporter
    }

    /// Reports that something is wrong with it.
    pub(super) fn fail(&self, message: impl Into<String>) {
        self.reporter.report(Error::at(&self.place, message));
    }

    /// As [`Self::fail`], with what to do about it.
    pub(super) fn fail_with(&self, message: impl Into<String>, help: impl Into<String>) {
        self.reporter.report(Error::at(&self.place, message).help(help));
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.fail(format!("expected {what}, found {}", named(&self.content)));
        None
    }

    pub(super) fn section(self) -> Option<Section<'r, 't>> {
        match self.content {
            DeValue::Table(entries) => {
                let (reporter, place) = (self.reporter, self.place);
                Some(Section { reporter, place, entries, known: Vec::new() })
            }
            _ => self.expected("a table"),
        }
    }

    /// The items of a list; a single value stands for a list of one.
    pub(super) fn list(self) -> Vec<Self> {
        let DeValue::Array(items) = self.content else { return vec![self] };
        let item = |(index, item): (usize, Spanned<DeValue<'t>>)| Value {
            reporter: self.reporter,
            place: Place { span: item.span(), path: format!("{}[{index}]", self.place.path) },
            content: item.into_inner(),
        };
        items.into_iter().enumerate().map(item).collect()
    }

    /// As [`Self::list`], but an empty list is an error.
    pub(super) fn some(self) -> Vec<Self> {
        if matches!(&self.content, DeValue::Array(items) if items.is_empty()) {
            self.fail("this list must not be empty");
        }
        self.list()
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            DeValue::String(text) => Some(text),
            _ => self.expected("a string"),
        }
    }

    /// A path, relative to the file that names it.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.text().map(|path| self.reporter.source(&self.place).path(path))
    }

    pub(super) const fn is_text(&self) -> bool {
        matches!(self.content, DeValue::String(_))
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match &self.content {
            DeValue::Boolean(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    /// An integer in `range`.
    pub(super) fn number<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + fmt::Display,
    {
        let DeValue::Integer(digits) = &self.content else { return self.expected("a whole number") };
        let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
        let number =
            number.and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number));
        if number.is_none() {
            self.fail(format!("must be a number from {} to {}", range.start(), range.end()));
        }
        number
    }

    pub(super) fn float(&self) -> Option<f64> {
        match &self.content {
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            DeValue::Integer(digits) if digits.radix() == 10 => digits.as_str().parse().ok(),
            _ => self.expected("a number"),
        }
    }

    /// A string that says a `T`.
    pub(super) fn parse<T: FromStr>(&self, what: &str, example: &str) -> Option<T> {
        let text = self.text()?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fail_with(
                format!("`{}` is not {what}", text.escape_debug()),
                format!("write it as {example}"),
            );
        }
        parsed
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        let DeValue::String(text) = &self.content else {
            return self.expected("a duration in a string, such as \"30s\"");
        };
        let duration = humantime::parse_duration(text);
        if let Err(error) = &duration {
            let message = format!("`{}` is not a duration: {error}", text.escape_debug());
            self.fail_with(message, "write it as \"30s\", \"6m\", \"24h\" or \"7d\"");
        }
        duration.ok()
    }

    /// One of a fixed set of words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.unknown_word("value", text, choices.iter().map(|(name, _)| *name), "the values are");
        }
        found
    }

    /// Reports that `word`, a `what`, is not one of `known`.
    pub(super) fn unknown_word<'k>(
        &self,
        what: &str,
        word: &str,
        known: impl Iterator<Item = &'k str> + Clone,
        are: &str,
    ) {
        let message = format!("unknown {what} `{}`", word.escape_debug());
        self.reporter.report(Error::at(&self.place, message).help(suggestion(word, known, are)));
    }
}

/// The nearest of `known`, or all of them.
pub(super) fn suggestion<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone, are: &str) -> String {
    match nearest(word, known.clone()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.clone().next().is_none() => "there are none".to_owned(),
        None => format!("{are} {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The one of `known` that somebody may have meant who wrote `word`.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = known
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| *distance <= known.chars().count().max(3) / 3);
    near.min().map(|(_, nearest)| nearest)
}

/// How far `word` is from `known`; who writes `pasword` means `password_file`.
fn distance(word: &str, known: &str) -> usize {
    let stem = known.strip_suffix("_file").unwrap_or(known);
    strsim::damerau_levenshtein(word, known).min(strsim::damerau_levenshtein(word, stem))
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

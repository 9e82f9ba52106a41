//! What is wrong with a file, shown at its place.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::source::{Source, Sources};
use super::table::Place;

/// Everything that is wrong with a file and those it includes, in their order; displays as carets under the
/// places.
///
/// Values of keys that look as if they held a secret are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Errors {
    sources: Box<Sources>,
    hidden: Vec<Range<usize>>,
    found: Vec<Error>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    span: Option<Range<usize>>,
    path: String,
    message: String,
    help: Option<String>,
}

impl Errors {
    pub(super) fn new(sources: Sources, mut errors: Vec<Error>) -> Self {
        errors.sort_by_key(|error| error.span.as_ref().map_or(0, |span| span.start));
        let within = |source: &Source| {
            let start = source.start;
            secrets(&source.text).into_iter().map(move |range| range.start + start..range.end + start)
        };
        let hidden = sources.iter().flat_map(within).collect();
        Self { sources: Box::new(sources), hidden, found: errors }
    }

    /// The errors, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.found.iter()
    }

    /// The file that an error is in.
    pub fn file(&self, error: &Error) -> &Path {
        &self.source(error).shown
    }

    /// Line and column of an error in its file, both from 1.
    pub fn position(&self, error: &Error) -> Option<(usize, usize)> {
        self.source(error).position(error.span.as_ref()?.start)
    }

    fn source(&self, error: &Error) -> &Source {
        self.sources.of(error.span.as_ref().map_or(0, |span| span.start))
    }

    /// The text of a file in `range` as it may be shown.
    fn shown(&self, source: &Source, range: Range<usize>) -> String {
        let text = |range: Range<usize>| {
            let local = range.start.saturating_sub(source.start)..range.end.saturating_sub(source.start);
            source.text.get(local).unwrap_or_default()
        };
        let mut shown = String::new();
        let mut at = range.start;
        for hidden in &self.hidden {
            if hidden.end <= at || range.end <= hidden.start {
                continue;
            }
            shown.push_str(text(at..hidden.start));
            shown.push_str("********");
            at = hidden.end;
        }
        shown.push_str(text(at..range.end));
        shown.replace(|char: char| char.is_control() && char != '\t', "\u{fffd}")
    }

    fn render(&self, error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", error.message)?;
        let mut gutter = 0;
        if let (Some(span), Some((line, column))) = (&error.span, self.position(error)) {
            let number = line.to_string();
            gutter = number.len();
            let source = self.source(error);
            let before = source.text.get(..span.start - source.start).unwrap_or_default();
            let first = before.rfind('\n').map_or(0, |at| at + 1);
            let rest = source.text.get(first..).unwrap_or_default();
            let start = source.start + first;
            let end = start + rest.lines().next().unwrap_or_default().trim_end().len();
            let shown = |range| self.shown(source, range);
            let indent: String = shown(start..span.start).chars().map(blank).collect();
            let width = shown(span.start..span.end.min(end.max(span.start))).chars().count().max(1);
            write!(f, "\n{:gutter$}--> {}:{line}:{column}", "", source.shown.display())?;
            write!(f, "\n{:gutter$} |\n{number} | {}", "", shown(start..end))?;
            write!(f, "\n{:gutter$} | {indent}{}", "", "^".repeat(width))?;
        }
        if let Some(help) = &error.help {
            write!(f, "\n{:gutter$} = help: {help}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            self.render(error, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errors {}

impl Error {
    /// An error of the file as a whole.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self { span: None, path: String::new(), message: message.into(), help: None }
    }

    pub(super) fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { span: Some(place.span.clone()), path: place.path.clone(), message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The key it is about: `neighbors[0].range`; empty for the file as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// A tab stays a tab, so that the caret stands below its place.
const fn blank(char: char) -> char {
    if char == '\t' { '\t' } else { ' ' }
}

/// Where `text` holds values of keys that look as if they held a secret. Works on the bare text, because
/// the line that does not parse may be the one with the secret.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((word, end)) = next_word(text, at) {
        at = end;
        if !looks_secret(word) || opens_table(text, word, end) {
            continue;
        }
        if let Some(value) = value_after(text, end) {
            at = value.end;
            found.push(value);
        }
    }
    found.extend(users(text));
    found.sort_unstable_by_key(|range| range.start);
    found
}

/// The users of URLs, with their passwords.
fn users(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let start = at + mark.len();
        let rest = text.get(start..)?;
        let url = rest.split(['"', '\'', '\n']).next()?;
        Some(start..start + url.rfind('@')?)
    })
}

fn next_word(text: &str, from: usize) -> Option<(&str, usize)> {
    let of_word = |char: char| char.is_alphanumeric() || char == '_' || char == '-';
    let start = from + text.get(from..)?.find(of_word)?;
    let rest = text.get(start..)?;
    let word = rest.get(..rest.find(|char| !of_word(char)).unwrap_or(rest.len()))?;
    Some((word, start + word.len()))
}

fn looks_secret(word: &str) -> bool {
    let word = word.to_lowercase();
    if word.ends_with("_file") || word.ends_with("_env") {
        return false;
    }
    let alike = |secret: &str| strsim::normalized_damerau_levenshtein(&word, secret) >= 0.7;
    ["pass", "pw", "pwd", "psk", "auth"].contains(&word.as_str())
        || word.starts_with("key")
        || word.ends_with("key")
        || ["passw", "secret", "token", "md5", "authoriz", "cookie"].iter().any(|part| word.contains(part))
        || ["password", "secret", "token"].into_iter().any(alike)
}

/// Whether this is `auth = {`: what stands within is looked at key by key.
fn opens_table(text: &str, word: &str, end: usize) -> bool {
    let rest = text.get(end..).unwrap_or_default().trim_start_matches([' ', '\t']);
    let value = rest.strip_prefix('=').map(|value| value.trim_start_matches([' ', '\t']));
    word == "auth" && value.is_some_and(|value| value.starts_with('{'))
}

/// The value behind a key that ends at `from`, if a value follows: to the end of its string, or of the line.
fn value_after(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
    let value = rest.trim_start_matches([' ', '\t']);
    let value = match value.strip_prefix(['=', ':']) {
        Some(value) => value.trim_start_matches([' ', '\t']),
        None if value.len() < rest.len() && value.starts_with(['"', '\'']) => value,
        None => return None,
    };
    let start = text.len() - value.len();
    let line = |from: usize| from + value.get(from..).map_or(0, |rest| rest.find('\n').unwrap_or(rest.len()));
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| value.starts_with(quote));
    let length = match quote.map(|quote| (quote, closing(value, quote))) {
        Some((_, Some(end))) if followed_well(value, end) => end,
        Some((_, Some(end))) => line(end),
        Some((quote, None)) if quote.len() == 3 => value.len(),
        _ => line(0),
    };
    Some(start..start + length)
}

/// Whether what stands behind a string belongs to the table around it, not to a mistyped secret.
fn followed_well(value: &str, end: usize) -> bool {
    let rest = value.get(end..).unwrap_or_default().trim_start_matches([' ', '\t', '\r']);
    rest.is_empty() || rest.starts_with(['\n', ',', '}', ']'])
}

/// Where the string that `value` starts with ends, its closing `quote` included.
fn closing(value: &str, quote: &str) -> Option<usize> {
    let mut at = quote.len();
    loop {
        let rest = value.get(at..)?;
        let next = rest.chars().next()?;
        if rest.starts_with(quote) {
            return Some(at + quote.len());
        } else if next == '\\' && quote.starts_with('"') {
            at += 1 + rest.chars().nth(1)?.len_utf8();
        } else if next == '\n' && quote.len() == 1 {
            return None;
        } else {
            at += next.len_utf8();
        }
    }
}

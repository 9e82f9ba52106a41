//! `include`: further files, read as if their entries stood in this one.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::environment::Environment;
use super::super::error::Error;
use super::super::source::{Source, Sources};
use super::super::table::{Place, Reporter, Value};

/// How many files there may be.
const MOST: usize = 1_000;

/// Reads the files that the first one includes.
pub(super) fn read(sources: &mut Sources, environment: &dyn Environment) -> Vec<Error> {
    let patterns = match patterns(sources) {
        Ok(patterns) => patterns,
        Err(errors) => return errors,
    };
    let own = sources.first().shown.file_name().map(|name| sources.first().directory.join(name));
    let (mut errors, mut seen) = (Vec::new(), own.into_iter().collect::<Vec<_>>());
    for (pattern, place) in patterns {
        let names = match matching(sources.first(), &pattern, environment) {
            Ok(names) => names,
            Err(message) => {
                errors.push(Error::at(&place, message));
                continue;
            }
        };
        for name in names {
            let path = sources.first().path(&name);
            if seen.contains(&path) {
                continue;
            }
            if seen.len() > MOST {
                errors.push(Error::at(&place, format!("more than {MOST} files are included")));
                return errors;
            }
            match environment.file(&path) {
                Ok(text) => {
                    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
                    sources.include(sources.first().shown_path(&name), directory, text);
                }
                Err(error) => {
                    errors.push(Error::at(&place, format!("cannot read {}: {error}", path.display())));
                }
            }
            seen.push(path);
        }
    }
    errors
}

/// What the first file includes. One that does not parse is told by whoever reads it.
fn patterns(sources: &Sources) -> Result<Vec<(String, Place)>, Vec<Error>> {
    let Ok(mut entries) = DeTable::parse(&sources.first().text) else { return Ok(Vec::new()) };
    let Some(value) = entries.get_mut().remove("include") else { return Ok(Vec::new()) };
    let reporter = Reporter::new(sources);
    let values = Value::of("include", value, &reporter).list();
    let patterns = values.iter().filter_map(|value| {
        let text = value.text()?;
        let name = text.rsplit('/').next().unwrap_or_default();
        let directory = text.strip_suffix(name).unwrap_or_default();
        if name.is_empty() {
            value.fail("this names no file");
        } else if is_pattern(directory) {
            value.fail("only the name of the file may hold `*` and `?`, not that of a directory");
        } else {
            return Some((text.to_owned(), value.place.clone()));
        }
        None
    });
    let patterns = patterns.collect();
    drop(values);
    let errors = reporter.into_errors();
    if errors.is_empty() { Ok(patterns) } else { Err(errors) }
}

/// The files that a pattern means, in order; one that is no pattern means itself.
fn matching(source: &Source, pattern: &str, environment: &dyn Environment) -> Result<Vec<String>, String> {
    if !is_pattern(pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let (directory, pattern) = pattern.rsplit_once('/').map_or(("", pattern), |(directory, name)| {
        (if directory.is_empty() { "/" } else { directory }, name)
    });
    let path: PathBuf = source.path(directory);
    let names = match environment.names(&path) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("cannot list {}: {error}", path.display())),
    };
    let mut names: Vec<_> = names.into_iter().filter(|name| is_match(pattern, name)).collect();
    names.sort_unstable();
    let within = |name: String| Path::new(directory).join(name).to_str().map(str::to_owned);
    Ok(names.into_iter().filter_map(within).collect())
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a name is meant: `*` stands for any characters, `?` for one; a hidden file is named by its dot.
fn is_match(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while let Some(char) = name.get(seen) {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, seen));
                at += 1;
            }
            (Some(meant), _) if meant == char || *meant == '?' => (at, seen) = (at + 1, seen + 1),
            // The last star stands for one character more.
            (_, Some((last, from))) => {
                star = Some((last, from + 1));
                (at, seen) = (last + 1, from + 1);
            }
            (_, None) => return false,
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|char| *char == '*'))
}

/// The entries of all files in one table.
pub(super) fn merged<'t>(sources: &'t Sources) -> Result<DeTable<'t>, Vec<Error>> {
    let (mut tables, mut errors) = (Vec::new(), Vec::new());
    for source in sources.iter() {
        match DeTable::parse(&source.text) {
            Ok(entries) => tables.push(shifted(entries.into_inner(), source.start)),
            Err(error) => errors.push(syntax(source, &error)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut tables = tables.into_iter();
    let mut all: DeTable<'t> = tables.next().unwrap_or_default();
    for mut table in tables {
        if let Some((key, _)) = table.remove_entry("include") {
            let place = Place { span: key.span(), path: "include".to_owned() };
            errors.push(Error::at(&place, "an included file cannot include others"));
        }
        merge(&mut all, table, "", &mut |key, former, path| {
            let source = sources.of(former.start);
            let line = source.position(former.start).map_or(0, |(line, _)| line);
            let message = format!("`{path}` is set already, on line {line} of {}", source.shown.display());
            errors.push(Error::at(&Place { span: key, path: path.to_owned() }, message));
        });
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

fn syntax(source: &Source, error: &toml::de::Error) -> Error {
    let span = error.span().unwrap_or(0..0);
    let place = |at: usize| source.start + at.min(source.text.len());
    let place = Place { span: place(span.start)..place(span.end), path: String::new() };
    Error::at(&place, error.message().trim().replace('\n', ", ").replace(", expected nothing", ""))
}

/// The same, its places those among all files.
fn shifted(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let entries = table
        .into_iter()
        .map(|(key, value)| (Spanned::new(moved(key.span()), key.into_inner()), shifted_value(value, by)));
    entries.collect()
}

fn shifted_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let content = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted(table, by)),
        DeValue::Array(mut items) => {
            for item in items.iter_mut() {
                let taken = std::mem::replace(item, Spanned::new(0..0, DeValue::Boolean(false)));
                *item = shifted_value(taken, by);
            }
            DeValue::Array(items)
        }
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, content)
}

/// Adds `more` to `all`: lists of tables become longer, what is set twice is told (its place, the former
/// one, its path).
fn merge<'t>(
    all: &mut DeTable<'t>,
    more: DeTable<'t>,
    path: &str,
    twice: &mut impl FnMut(Range<usize>, Range<usize>, &str),
) {
    for (key, value) in more {
        let Some((former_key, mut former)) = all.remove_entry(key.get_ref().as_ref()) else {
            all.insert(key, value);
            continue;
        };
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", key.get_ref());
        let only_adds = adds(former.get_ref()) || adds(value.get_ref());
        match (former.get_mut(), value.into_inner()) {
            (DeValue::Array(items), DeValue::Array(more)) if are_tables(items) && are_tables(&more) => {
                more.into_iter().for_each(|item| items.push(item));
            }
            (DeValue::Table(all), DeValue::Table(more)) if only_adds => merge(all, more, &path, twice),
            _ => twice(key.span(), former_key.span(), &path),
        }
        all.insert(former_key, former);
    }
}

fn are_tables(items: &[Spanned<DeValue<'_>>]) -> bool {
    items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_)))
}

/// Whether a value does no more than to add entries to lists of tables.
fn adds(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Array(items) => are_tables(items),
        DeValue::Table(table) => table.values().all(|value| adds(value.get_ref())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn stars_stand_for_any_characters_and_question_marks_for_one() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", false),
            ("*.toml", ".a.toml", false),
            (".*", ".a.toml", true),
            ("*.toml", "a.toml~", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "é", true),
            ("?", "", false),
            ("??", "a", false),
            ("rack*-?.toml", "rack12-b.toml", true),
            ("rack*-?.toml", "rack12-bc.toml", false),
            ("a*b*c", "abxbc", true),
            ("a*b*c", "abxb", false),
            ("**", "x", true),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }
}

//! Aligned text: columns, ages, and words that are safe on a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::bgp::notification::is_invisible;
pub(super) use crate::time::age;

/// A column of a table.
pub(super) struct Column {
    /// Heading.
    pub(super) title: &'static str,
    /// Numbers stand on the right.
    pub(super) right: bool,
    /// Only in the wide form.
    pub(super) wide: bool,
}

impl Column {
    pub(super) const fn left(title: &'static str) -> Self {
        Self { title, right: false, wide: false }
    }

    pub(super) const fn right(title: &'static str) -> Self {
        Self { title, right: true, wide: false }
    }

    /// The same column, shown only in the wide form.
    pub(super) const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}

/// What a word says about the state of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
}

impl Paint {
    const fn escape(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("\x1b[32m"),
            Self::Warning => Some("\x1b[33m"),
            Self::Bad => Some("\x1b[31m"),
        }
    }
}

/// A word or a line of prose in a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// What `value` prints. Text of a peer may hold anything, so control characters are made visible.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and references alike, dozens of times")]
    pub(super) fn new(value: impl ToString) -> Self {
        let text = printable(&value.to_string());
        Self { text: if text.is_empty() { "-".into() } else { text }, paint: Paint::Plain }
    }

    /// What `value` prints, a dash if there is none.
    pub(super) fn maybe(value: Option<impl ToString>) -> Self {
        value.map_or_else(|| Self::new(""), Self::new)
    }

    /// Several values, separated by blanks.
    pub(super) fn all<T: ToString>(values: impl IntoIterator<Item = T>) -> Self {
        Self::new(values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" "))
    }

    /// What a program reads; nothing where a table has a dash.
    pub(super) fn plain(&self) -> &str {
        if self.text == "-" { "" } else { &self.text }
    }

    /// The same, in colour.
    pub(super) fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }
}

/// `text` without anything that a terminal would obey, or that rearranges what stands beside it.
pub(super) fn printable(text: &str) -> String {
    let is_unsafe = |c: char| c.is_control() || is_invisible(c);
    if !text.contains(is_unsafe) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if is_unsafe(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

/// Prints rows in aligned columns, page by page: widths only ever grow, so that the first page
/// need not wait for the last.
pub(super) struct Table<'a> {
    columns: Vec<(usize, &'a Column)>,
    widths: Vec<usize>,
    colour: bool,
    headings: bool,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a [Column], wide: bool, headings: bool, colour: bool) -> Self {
        let columns: Vec<_> = columns.iter().enumerate().filter(|(_, column)| wide || !column.wide).collect();
        let widths =
            columns.iter().map(|(_, column)| if headings { column.title.len() } else { 0 }).collect();
        Self { columns, widths, colour, headings }
    }

    /// Prints a page; above the first one, the headings.
    pub(super) fn page(&mut self, rows: &[Vec<Cell>], out: &mut impl Write) -> io::Result<()> {
        for row in rows {
            for ((index, _), width) in self.columns.iter().zip(&mut self.widths) {
                *width = row.get(*index).map_or(0, |cell| cell.text.chars().count()).max(*width);
            }
        }
        if std::mem::take(&mut self.headings) {
            let titles: Vec<_> = self.columns.iter().map(|(_, column)| Cell::new(column.title)).collect();
            self.line(titles.iter(), out)?;
        }
        for row in rows {
            self.line(self.columns.iter().filter_map(|(index, _)| row.get(*index)), out)?;
        }
        Ok(())
    }

    fn line<'c>(&self, cells: impl Iterator<Item = &'c Cell>, out: &mut impl Write) -> io::Result<()> {
        let (mut line, mut owed) = (String::new(), 0);
        for (at, ((cell, width), (_, column))) in cells.zip(&self.widths).zip(&self.columns).enumerate() {
            let padding = width.saturating_sub(cell.text.chars().count());
            if at > 0 {
                owed += 2;
            }
            if column.right {
                owed += padding;
            }
            // Blanks are written only when something follows them.
            _ = write!(line, "{:owed$}", "");
            self.write(cell, &mut line);
            owed = if column.right { 0 } else { padding };
        }
        writeln!(out, "{line}")
    }

    fn write(&self, cell: &Cell, line: &mut String) {
        match cell.paint.escape().filter(|_| self.colour) {
            Some(escape) => _ = write!(line, "{escape}{}\x1b[0m", cell.text),
            None => line.push_str(&cell.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::Timestamp;

    const COLUMNS: [Column; 4] =
        [Column::left("NAME"), Column::right("COUNT"), Column::left("ID").wide(), Column::left("TEXT")];

    fn row(name: &str, count: u32, id: &str, text: &str) -> Vec<Cell> {
        vec![Cell::new(name), Cell::new(count), Cell::new(id), Cell::new(text)]
    }

    fn print(wide: bool, headings: bool, colour: bool, pages: &[Vec<Vec<Cell>>]) -> String {
        let (mut table, mut out) = (Table::new(&COLUMNS, wide, headings, colour), Vec::new());
        for page in pages {
            table.page(page, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn aligns_and_leaves_no_blanks_at_the_end() {
        let rows = vec![row("a", 7, "x", ""), row("longer", 1234, "y", "some text")];
        assert_eq!(
            print(false, true, false, &[rows]),
            "NAME    COUNT  TEXT\n\
             a           7  -\n\
             longer   1234  some text\n"
        );
    }

    #[test]
    fn wide_shows_all_columns_and_headings_may_go() {
        assert_eq!(print(true, false, false, &[vec![row("a", 7, "x", "t")]]), "a  7  x  t\n");
    }

    #[test]
    fn later_pages_keep_the_widths_or_widen_them() {
        let pages =
            [vec![row("abcdef", 1, "", "t")], vec![row("a", 22, "", "t")], vec![row("abcdefgh", 3, "", "t")]];
        assert_eq!(print(false, false, false, &pages), "abcdef  1  t\na       22  t\nabcdefgh   3  t\n");
    }

    #[test]
    fn colour_does_not_count_as_width() {
        let rows = vec![
            vec![Cell::new("a").paint(Paint::Bad), Cell::new(1), Cell::new(""), Cell::new("t")],
            row("abc", 1, "", "t"),
        ];
        assert_eq!(print(false, false, true, &[rows]), "\x1b[31ma\x1b[0m    1  t\nabc  1  t\n");
    }

    #[test]
    fn a_peer_cannot_write_to_the_terminal() {
        assert_eq!(Cell::new("down\x1b[2Jfor good\n").text, "down\\u{1b}[2Jfor good\\n");
    }

    #[test]
    fn ages_read_as_on_the_leaf() {
        let then = Timestamp::from_micros(0);
        let at = |seconds| age(then.after(Duration::from_secs(seconds)), then);
        assert_eq!(at(0), "00:00:00");
        assert_eq!(at(723), "00:12:03");
        assert_eq!(at(86_399), "23:59:59");
        assert_eq!(at(3 * 86_400 + 4 * 3600 + 59), "3d04h");
        assert_eq!(age(then, then.after(Duration::from_secs(5))), "00:00:00");
    }
}

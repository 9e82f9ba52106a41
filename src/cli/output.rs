//! How lists are printed: page by page, in the form that was asked for.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::Pages;
use super::csv;
use super::error::Error;
use super::table::{Cell, Column, Table};
use crate::time::Timestamp;

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// Comma-separated values of lists, all columns; what is no list is printed as a table.
    Csv,
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// In which form.
    pub(super) format: Format,
    /// With headings.
    pub(super) headings: bool,
    /// With colours.
    pub(super) colour: bool,
    /// What ages are counted to.
    pub(super) now: Timestamp,
}

impl Style {
    /// Whether machines are to read it.
    pub(super) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }
}

/// An item of a list.
pub(super) trait Row: Serialize {
    const COLUMNS: &'static [Column];

    /// A cell for each column.
    fn cells(&self, now: Timestamp) -> Vec<Cell>;
}

/// Prints items as they come in.
pub(super) struct Printer<'a, W> {
    style: &'a Style,
    table: Table<'a>,
    /// Of comma-separated values: they are still to come.
    headings: bool,
    items: usize,
    out: &'a mut W,
}

impl<'a, W: Write> Printer<'a, W> {
    pub(super) fn new<T: Row>(style: &'a Style, out: &'a mut W) -> Self {
        let wide = style.format == Format::Wide;
        let table = Table::new(T::COLUMNS, wide, style.headings, style.colour);
        Self { style, table, headings: style.headings, items: 0, out }
    }

    /// Prints some more items, and lets go of them at once.
    pub(super) fn page<T: Row>(&mut self, items: &[T]) -> Result<(), Error> {
        match self.style.format {
            Format::Table | Format::Wide => {
                let rows: Vec<_> = items.iter().map(|item| item.cells(self.style.now)).collect();
                self.table.page(&rows, self.out)?;
            }
            Format::Csv => {
                if std::mem::take(&mut self.headings) {
                    let titles: Vec<_> = T::COLUMNS.iter().map(|column| Cell::new(column.title)).collect();
                    self.out.write_all(csv::line(titles.iter()).as_bytes())?;
                }
                for item in items {
                    self.out.write_all(csv::line(item.cells(self.style.now).iter()).as_bytes())?;
                }
            }
            Format::Json => {
                for (at, item) in items.iter().enumerate() {
                    self.out.write_all(if self.items + at == 0 { b"[\n" } else { b",\n" })?;
                    self.out.write_all(&json(item)?)?;
                }
            }
            Format::Jsonl => {
                for item in items {
                    self.out.write_all(&json(item)?)?;
                    self.out.write_all(b"\n")?;
                }
            }
        }
        self.items += items.len();
        self.out.flush()?;
        Ok(())
    }

    /// Ends the list and tells how long it was.
    pub(super) fn finish(self) -> Result<usize, Error> {
        if self.style.format == Format::Json {
            self.out.write_all(if self.items == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()?;
        Ok(self.items)
    }
}

/// Prints all pages and tells how many items there were.
pub(super) async fn list<T: Row + DeserializeOwned>(
    mut pages: Pages<'_, T>,
    style: &Style,
    out: &mut impl Write,
) -> Result<usize, Error> {
    let mut printer = Printer::new::<T>(style, out);
    while let Some(items) = pages.next().await? {
        printer.page(&items)?;
    }
    printer.finish()
}

/// Prints one value as JSON: on one line for `jsonl`, readable for `json`.
pub(super) fn value(value: &impl Serialize, style: &Style, out: &mut impl Write) -> Result<(), Error> {
    let text = if style.format == Format::Jsonl {
        serde_json::to_string(value)
    } else {
        serde_json::to_string_pretty(value)
    };
    writeln!(out, "{}", text.map_err(std::io::Error::from)?)?;
    Ok(())
}

fn json(item: &impl Serialize) -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec(item).map_err(std::io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::testing::{NOW, peer, route};
    use crate::policy::{Class, Reason};

    fn print<T: Row>(format: Format, pages: &[&[T]]) -> String {
        let now = NOW.after(Duration::from_hours(76));
        let style = Style { format, headings: true, colour: false, now };
        let mut out = Vec::new();
        let mut printer = Printer::new::<T>(&style, &mut out);
        for page in pages {
            printer.page(page).unwrap();
        }
        printer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn routes_in_a_table() {
        let mut leak = route("0.0.0.0/0");
        (leak.class, leak.state, leak.node) = (Class::Other, "rejected".into(), None);
        leak.reasons = vec![Reason::DefaultRoute, Reason::AsPathTooLong];
        leak.as_path = "65102 65101 64512".into();
        let mut stale = route("10.244.0.0/26");
        stale.stale = true;
        assert_eq!(
            print(Format::Table, &[&[leak, stale]]),
            "PREFIX         CLASS      NODE   LEAF   PEER         AS-PATH              AGE  STATE           REASON\n\
             0.0.0.0/0      other      -      rack1  192.168.1.1  65102 65101 64512  3d04h  rejected        default_route,as_path_too_long\n\
             10.244.0.0/26  pod_block  node1  rack1  192.168.1.1  65102              3d04h  accepted,stale  -\n"
        );
    }

    #[test]
    fn peers_in_a_table() {
        let mut down = peer("fd00::2");
        (down.state, down.since, down.resets) = ("Idle".into(), None, 3);
        down.last_error = Some("hold timer expired\x1b[1m".into());
        assert_eq!(
            print(Format::Table, &[&[peer("192.168.1.1")], &[down]]),
            "LEAF   PEER            AS  NODE   STATE        SINCE  RECV  ACC  REJ  STALE  RESETS  LAST-ERROR\n\
             rack1  192.168.1.1  65102  node1  Established  3d04h     1    1    0      0       0  -\n\
             rack1  fd00::2      65102  node1  Idle             -     1    1    0      0       3  hold timer expired\\u{1b}[1m\n"
        );
    }

    #[test]
    fn csv_has_every_column_and_one_line_of_headings() {
        let mut down = peer("fd00::2");
        down.last_error = Some("=HYPERLINK(\"x\"), gone".into());
        let text = print(Format::Csv, &[&[peer("192.168.1.1")], &[down]]);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("LEAF,PEER,") && lines[1].starts_with("rack1,192.168.1.1,"), "{text}");
        assert!(lines[2].contains(",\"'=HYPERLINK(\"\"x\"\"), gone\""), "{text}");
    }

    #[test]
    fn json_is_one_document_however_many_pages() {
        let pages: [&[_]; 3] = [&[route("10.0.0.0/26"), route("10.0.1.0/26")], &[], &[route("10.0.2.0/26")]];
        let items: Vec<crate::observer::view::Route> =
            serde_json::from_str(&print(Format::Json, &pages)).unwrap();
        assert_eq!(items, [pages[0], pages[2]].concat());
        assert_eq!(print::<crate::observer::view::Route>(Format::Json, &[&[]]), "[]\n");
        let lines = print(Format::Jsonl, &pages);
        let lines: Vec<crate::observer::view::Route> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, items);
    }
}

//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

use super::table::Cell;

/// A line of cells, its end included.
pub(super) fn line<'c>(cells: impl Iterator<Item = &'c Cell>) -> String {
    let fields: Vec<_> = cells.map(|cell| field(cell.plain())).collect();
    fields.join(",") + "\r\n"
}

/// A field; what a spreadsheet would take for a formula is a text there.
fn field(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r', '\'', ';']) || text.starts_with(' ') || text.ends_with(' ') {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_formulas_are_texts() {
        for (text, expected) in [
            ("node1", "node1"),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("=cmd()", "\"'=cmd()\""),
            ("+1+1", "\"'+1+1\""),
            ("-2+3", "\"'-2+3\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-5", "-5"),
            ("", ""),
        ] {
            assert_eq!(field(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_has_all_its_cells_and_one_end() {
        let cells = [Cell::new("a"), Cell::maybe(None::<u8>), Cell::new("b\nc\u{202e}")];
        assert_eq!(line(cells.iter()), "a,,b\\nc\\u{202e}\r\n");
    }
}

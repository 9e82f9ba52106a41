//! As much YAML as objects of Kubernetes need, always quoted where it would mean something else.

use std::io::{self, Write};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// Text, whatever it looks like.
    Text(String),
    /// A number.
    Number(u32),
    /// A list.
    List(Vec<Yaml>),
    /// Keys in order.
    Map(Vec<(&'static str, Yaml)>),
}

impl Yaml {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Writes a document, without its end.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.lines(0, "", out)
    }

    /// Writes lines that are indented by `depth`; the first begins with `lead` instead.
    fn lines(&self, depth: usize, lead: &str, out: &mut impl Write) -> io::Result<()> {
        let indent = " ".repeat(depth);
        let first = |at| if at == 0 && !lead.is_empty() { lead } else { indent.as_str() };
        match self {
            Self::Text(text) => writeln!(out, "{}{}", first(0), scalar(text)),
            Self::Number(number) => writeln!(out, "{}{number}", first(0)),
            Self::List(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| item.lines(depth + 2, &format!("{}- ", first(at)), out)),
            Self::Map(entries) => entries.iter().enumerate().try_for_each(|(at, (key, value))| match value {
                Self::Text(_) | Self::Number(_) => value.lines(0, &format!("{}{key}: ", first(at)), out),
                Self::List(_) | Self::Map(_) => {
                    writeln!(out, "{}{key}:", first(at))?;
                    value.lines(depth + 2, "", out)
                }
            }),
        }
    }
}

/// Text as a scalar: plain where every reader takes it for text, else in double quotes, where YAML reads what
/// JSON writes.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn is_plain(text: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._/=' :".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic()) || is_address(text);
    let ends_well = !text.ends_with([' ', ':']);
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    starts_well
        && ends_well
        && text.chars().all(harmless)
        && !text.contains(": ")
        && !words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `10.0.0.101:1790` is no number in any version of YAML: it has three dots.
fn is_address(text: &str) -> bool {
    text.parse::<std::net::SocketAddrV4>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        for plain in ["rack1", "rack == 'rack1'", "10.0.0.101:1790", "projectcalico.org/v3", "thirdleaf-r.1"]
        {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in [
            ("", r#""""#),
            ("1", r#""1""#),
            ("1e3", r#""1e3""#),
            ("0x1f", r#""0x1f""#),
            ("12:30", r#""12:30""#),
            ("no", r#""no""#),
            ("Null", r#""Null""#),
            ("- a", r#""- a""#),
            ("a: b", r#""a: b""#),
            ("a:", r#""a:""#),
            ("a #b", r#""a #b""#),
            ("[fd00::1]:1790", r#""[fd00::1]:1790""#),
            ("'a'", r#""'a'""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("a\nb", r#""a\nb""#),
            (" a", r#"" a""#),
            ("a ", r#""a ""#),
            ("räck", "\"räck\""),
        ] {
            assert_eq!(scalar(text), quoted);
        }
    }

    #[test]
    fn nests_as_people_write_it() {
        let yaml = Yaml::Map(vec![
            ("a", Yaml::Number(1)),
            (
                "b",
                Yaml::List(vec![
                    Yaml::text("x"),
                    Yaml::Map(vec![("c", Yaml::text("w")), ("d", Yaml::text("z"))]),
                ]),
            ),
            ("e", Yaml::Map(vec![("f", Yaml::Map(vec![("g", Yaml::text("h"))]))])),
        ]);
        let mut out = Vec::new();
        yaml.write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a: 1\nb:\n  - x\n  - c: w\n    d: z\ne:\n  f:\n    g: h\n"
        );
    }
}

//! Samples in the text format, written as they come: thousands of peers have hundreds of thousands.

use std::fmt::{Display, Write};

/// What a family's name begins with.
const PREFIX: &str = "thirdleaf_";

/// What a family is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
}

impl About {
    /// Values that go up and down.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: "gauge" }
    }

    /// Values that only grow, until the next start.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: "counter" }
    }

    /// Values in buckets.
    pub(super) const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: "histogram" }
    }
}

/// The samples of one family, on their way into a text. Without samples, it is not shown.
pub(super) struct Samples<'a> {
    about: About,
    is_begun: bool,
    text: &'a mut String,
}

impl<'a> Samples<'a> {
    pub(super) const fn new(about: About, text: &'a mut String) -> Self {
        Self { about, is_begun: false, text }
    }

    /// Goes on with a family of which some samples may be written.
    pub(super) const fn again(about: About, is_begun: bool, text: &'a mut String) -> Self {
        Self { about, is_begun, text }
    }

    /// Whether any sample is written.
    pub(super) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.add_of("", labels, value);
    }

    /// Adds a sample, unless it is zero.
    pub(super) fn some(&mut self, labels: &[(&str, &str)], count: u64) {
        if count > 0 {
            self.add(labels, count);
        }
    }

    /// Adds a sample of a part of a histogram.
    fn add_of(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        if !self.is_begun {
            self.is_begun = true;
            let About { name, help, kind } = self.about;
            self.write(format_args!("# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n"));
        }
        for part in [PREFIX, self.about.name, part] {
            self.text.push_str(part);
        }
        let mut before = "{";
        for (name, value) in labels {
            for part in [before, name, "=\""] {
                self.text.push_str(part);
            }
            self.put_escaped(value);
            before = "\",";
        }
        self.text.push_str(if labels.is_empty() { " " } else { "\"} " });
        self.write(format_args!("{value}\n"));
    }

    /// Adds a histogram: how many values there are at most as large as each bound and larger than the one before, how
    /// many in all, and their sum.
    pub(super) fn add_histogram(
        &mut self,
        labels: &[(&str, &str)],
        bounds: &[f64],
        counts: &[u64],
        count: u64,
        sum: f64,
    ) {
        let mut labels = labels.to_vec();
        let mut inside = 0;
        for (bound, own) in bounds.iter().zip(counts) {
            inside += own;
            let bound = bound.to_string();
            self.add_of("_bucket", &[&labels[..], &[("le", &bound)]].concat(), inside);
        }
        labels.push(("le", "+Inf"));
        self.add_of("_bucket", &labels, count);
        labels.pop();
        self.add_of("_sum", &labels, sum);
        self.add_of("_count", &labels, count);
    }

    /// The value of a label: any text.
    fn put_escaped(&mut self, value: &str) {
        if !value.contains(['\\', '"', '\n']) {
            return self.text.push_str(value);
        }
        for letter in value.chars() {
            match letter {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_hold_any_text() {
        let mut text = String::new();
        let mut samples = Samples::new(About::gauge("a", "About a."), &mut text);
        samples.add(&[("b", "plain"), ("c", "a \"quote\", a \\ and\na line")], 1);
        samples.add(&[], 0.5);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [r#"thirdleaf_a{b="plain",c="a \"quote\", a \\ and\na line"} 1"#, "thirdleaf_a 0.5"]
        );
    }
}

//! Metrics, labels and values that there are.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::promql::{self, Value};
use super::rules::Rule;

/// Labels that Prometheus gives to each series that it scrapes.
pub(super) const PROMETHEUS: [&str; 2] = ["instance", "job"];

/// What Prometheus says of a target itself.
const OF_TARGETS: [&str; 3] = ["scrape_duration_seconds", "scrape_samples_scraped", "up"];

type Labels = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
pub(super) struct Known {
    metrics: BTreeMap<String, Labels>,
    rules: BTreeMap<String, Rule>,
    /// Variables of the dashboard at hand.
    pub(super) variables: BTreeSet<String>,
    /// Rules that are looked up right now.
    asked: RefCell<Vec<String>>,
}

impl Known {
    pub(super) fn new() -> Self {
        let mut known = Self::default();
        for name in OF_TARGETS {
            known.metrics.entry(name.to_owned()).or_default();
        }
        known
    }

    /// Takes in the text of a scrape.
    pub(super) fn scrape(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').expect("a sample");
            let (name, rest) = series.split_once('{').unwrap_or((series, ""));
            let labels = self.metrics.entry(name.to_owned()).or_default();
            for (label, value) in pairs(rest) {
                labels.entry(label).or_default().insert(value);
            }
        }
    }

    /// Values of a label that may come, though none has in a scrape.
    pub(super) fn values(&mut self, metric: &str, label: &str, values: impl Iterator<Item = String>) {
        self.metrics.get_mut(metric).unwrap().get_mut(label).unwrap().extend(values);
    }

    /// Takes in what rules record.
    pub(super) fn record(&mut self, rules: Vec<Rule>) {
        let recorded = rules.into_iter().filter_map(|rule| Some((rule.record.clone()?, rule)));
        self.rules.extend(recorded);
    }

    pub(super) fn has(&self, metric: &str) -> bool {
        self.metrics.contains_key(metric)
    }

    /// The labels that samples of this metric can have; none: it is a rule that goes by what it recorded before.
    pub(super) fn labels(&self, metric: &str) -> Result<Option<BTreeSet<String>>, String> {
        if let Some(rule) = self.rules.get(metric) {
            if self.asked.borrow().iter().any(|asked| asked == metric) {
                return Ok(None);
            }
            self.asked.borrow_mut().push(metric.to_owned());
            let value = promql::check(&rule.expr, self);
            self.asked.borrow_mut().pop();
            return match value? {
                Value::Vector(labels) => {
                    Ok(Some(labels.into_iter().chain(rule.labels.iter().cloned()).collect()))
                }
                Value::Scalar => Ok(Some(rule.labels.iter().cloned().collect())),
                Value::Itself => Err(format!("{metric} is recorded from itself alone")),
            };
        }
        let labels = self.metrics.get(metric).ok_or_else(|| format!("there is no metric {metric}"))?;
        Ok(Some(labels.keys().cloned().chain(PROMETHEUS.map(str::to_owned)).collect()))
    }

    /// Whether a label can have what is looked for: what is no plain word, or a variable, may be anything.
    pub(super) fn value(
        &self,
        metric: &str,
        label: &str,
        is_pattern: bool,
        wanted: &str,
    ) -> Result<(), String> {
        if let Some((_, variable)) = wanted.split_once('$') {
            let end = variable.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            return self.is_variable(&variable[..end.unwrap_or(variable.len())]);
        }
        let words: Vec<_> = if is_pattern { wanted.split('|').collect() } else { vec![wanted] };
        let is_plain =
            |word: &&str| !is_pattern || word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        let Some(found) = self.values_of(metric, label) else { return Ok(()) };
        for word in words.into_iter().filter(is_plain).filter(|word| !word.is_empty()) {
            if !found.contains(word) {
                return Err(format!("{metric}: {label} is never {word:?}, but one of {found:?}"));
            }
        }
        Ok(())
    }

    /// Values of a label; of a recorded one, those that it has in anything that is recorded. None: any, for the rule
    /// makes them.
    fn values_of(&self, metric: &str, label: &str) -> Option<BTreeSet<String>> {
        let Some(rule) = self.rules.get(metric) else {
            return Some(
                self.metrics.get(metric).and_then(|labels| labels.get(label)).cloned().unwrap_or_default(),
            );
        };
        if rule.expr.contains(&format!("\"{label}\"")) || rule.labels.iter().any(|own| own == label) {
            return None;
        }
        let words = rule.expr.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
        let is_metric = |word: &&str| self.metrics.contains_key(*word) || self.rules.contains_key(*word);
        let mut values = BTreeSet::new();
        for word in words.filter(|word| *word != metric).filter(is_metric) {
            values.extend(self.values_of(word, label)?);
        }
        Some(values)
    }

    pub(super) fn is_variable(&self, name: &str) -> Result<(), String> {
        let is_known = name.starts_with("__") || self.variables.contains(name);
        if is_known { Ok(()) } else { Err(format!("there is no variable {name}")) }
    }
}

/// Labels and values, of `a="b",c="d"}`.
fn pairs(mut rest: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut end = 0;
        while let Some(at) = after[end..].find('"') {
            end += at;
            if !after[..end].ends_with('\\') {
                break;
            }
            end += 1;
        }
        pairs.push((label.trim_start_matches(',').to_owned(), after[..end].to_owned()));
        rest = &after[end + 1..];
    }
    pairs
}

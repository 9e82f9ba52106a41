//! A family of samples under construction.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// What a family's name begins with.
const PREFIX: &str = "thirdleaf_";

/// A family, and the samples it has so far.
pub(super) struct Samples {
    family: MetricFamily,
    metrics: Vec<Metric>,
}

impl Samples {
    /// Values that go up and down.
    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::GAUGE)
    }

    /// Values that only grow, until the next start.
    pub(super) fn counter(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::COUNTER)
    }

    /// Values in buckets.
    pub(super) fn histogram(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::HISTOGRAM)
    }

    fn new(name: &str, help: &str, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(format!("{PREFIX}{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self { family, metrics: Vec::new() }
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let mut metric = Metric::from_label(labels.iter().map(pair).collect());
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// Adds a count.
    pub(super) fn count(&mut self, labels: &[(&str, &str)], count: u64) {
        self.add(labels, number(count));
    }

    /// Adds a count, unless it is zero.
    pub(super) fn some(&mut self, labels: &[(&str, &str)], count: u64) {
        if count > 0 {
            self.count(labels, count);
        }
    }

    /// Adds a sample that is complete but for its labels.
    pub(super) fn metric(&mut self, metric: Metric) {
        self.metrics.push(metric);
    }

    /// The family; without samples it is not shown.
    pub(super) fn finish(mut self) -> MetricFamily {
        self.family.set_metric(self.metrics);
        self.family
    }
}

fn pair((name, value): &(&str, &str)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name((*name).to_owned());
    pair.set_value((*value).to_owned());
    pair
}

/// A count as Prometheus has it.
#[expect(clippy::cast_precision_loss, reason = "samples are floats; counts above 2^53 lose their last digit")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

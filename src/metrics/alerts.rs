//! Families about alerts: what is pushed, and whether it gets there.

use super::samples::{About, Samples};
use crate::alert::Counts;
use crate::alert::view::Receiver;

pub(super) fn write(counts: &Counts, text: &mut String) {
    let about = About::gauge("alerts", "Alerts that are pushed to Alertmanagers now.");
    let mut samples = Samples::new(about, text);
    for (name, severity, count) in &counts.alerts {
        samples.add(&[("alertname", name), ("severity", severity)], count);
    }
    let about = About::counter(
        "alert_notifications_total",
        "Requests to receivers of alerts: success, failure (tried again) or rejected (refused for good).",
    );
    let mut samples = Samples::new(about, text);
    for receiver in &counts.receivers {
        let Receiver { succeeded, failed, rejected, .. } = receiver;
        for (result, count) in [("success", succeeded), ("failure", failed), ("rejected", rejected)] {
            let [integration, name] = labels(receiver);
            samples.add(&[integration, name, ("result", result)], count);
        }
    }
    each(
        About::gauge("alert_receiver_up", "1: the receiver took what it was sent last; 0: it takes nothing."),
        counts,
        |receiver| u64::from(receiver.failing_since.is_none()),
        text,
    );
    each(
        About::gauge("alert_queue_length", "What waits for the receiver."),
        counts,
        |receiver| receiver.queue,
        text,
    );
    each(
        About::counter(
            "alert_notifications_dropped_total",
            "Notifications that the receiver never got: too many waited, or it failed at one too often.",
        ),
        counts,
        |receiver| receiver.dropped,
        text,
    );
}

fn each(about: About, counts: &Counts, value: fn(&Receiver) -> u64, text: &mut String) {
    let mut samples = Samples::new(about, text);
    for receiver in &counts.receivers {
        samples.add(&labels(receiver), value(receiver));
    }
}

fn labels(receiver: &Receiver) -> [(&str, &str); 2] {
    [("integration", &receiver.integration), ("receiver", &receiver.name)]
}

//! Families about APICs and the requests to them.

use super::samples::{About, Samples};
use crate::sync::{ApicStatus, Histogram, Status};

pub(super) fn write(status: &Status, text: &mut String) {
    let observes = u8::from(status.mode != "enforce");
    let about = About::gauge("dry_run", "1: safety.mode is \"observe\", and nothing is written to an APIC.");
    Samples::new(about, text).add(&[], observes);
    let about = About::counter(
        "audit_write_failures_total",
        "Lines of the audit file that could not be written: no request leaves without its first one.",
    );
    Samples::new(about, text).add(&[], status.audit_failures);
    let about = About::gauge("apic_up", "1: the last request was answered.");
    each(status, about, text, |apic, out| out.add(&label(apic), u8::from(apic.up)));
    let about = About::gauge(
        "apic_last_reconcile_timestamp_seconds",
        "When everything was last compared with the APIC, since the Unix epoch; 0: not yet.",
    );
    each(status, about, text, |apic, out| {
        out.add(&label(apic), apic.compared.unwrap_or_default().as_secs_f64());
    });
    let about = About::counter("apic_requests_total", "Requests to the APIC, by what became of them.");
    each(status, about, text, |apic, out| {
        for (operation, code, count) in &apic.requests {
            out.add(&[("apic", &apic.name), ("code", code), ("operation", operation)], count);
        }
    });
    let about = About::histogram("apic_request_duration_seconds", "How long requests to the APIC took.");
    each(status, about, text, |apic, out| {
        for (operation, took) in &apic.durations {
            add(&[("apic", &apic.name), ("operation", operation)], took, out);
        }
    });
    let about = About::histogram(
        "eepg_convergence_seconds",
        "Time from an UPDATE to the APIC's answer to what follows from it.",
    );
    add(&[], &status.convergence, &mut Samples::new(about, text));
}

fn each(status: &Status, about: About, text: &mut String, write: impl Fn(&ApicStatus, &mut Samples<'_>)) {
    let mut samples = Samples::new(about, text);
    for apic in &status.apics {
        write(apic, &mut samples);
    }
}

fn label(apic: &ApicStatus) -> [(&str, &str); 1] {
    [("apic", &apic.name)]
}

fn add(labels: &[(&str, &str)], histogram: &Histogram, out: &mut Samples<'_>) {
    let Histogram { buckets, count, sum } = histogram;
    out.add_histogram(labels, &Status::BOUNDS, buckets, *count, *sum);
}

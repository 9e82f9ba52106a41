//! Families about the whole: the process, its configuration, the table, findings.

use std::collections::{BTreeMap, BTreeSet};

use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily};

use super::samples::Samples;
use super::{REVISION, Report};
use crate::bgp::Family;
use crate::observer::{Processing, Snapshot};

pub(super) fn collect(report: &Report) -> Vec<MetricFamily> {
    let mut families = vec![build_info(), start_time(report), processing(&report.snapshot.processing)];
    families.extend(reload(report));
    families.extend(table(&report.snapshot));
    families.extend(findings(&report.snapshot));
    families.extend(rogues(report));
    families.extend(queue(&report.snapshot));
    families.extend(trace(&report.snapshot));
    families
}

fn build_info() -> MetricFamily {
    let mut info = Samples::gauge("build_info", "Always 1; the labels say what is running.");
    info.count(&[("revision", REVISION), ("version", env!("CARGO_PKG_VERSION"))], 1);
    info.finish()
}

fn start_time(report: &Report) -> MetricFamily {
    let mut start = Samples::gauge("start_time_seconds", "When the daemon started, since the Unix epoch.");
    start.add(&[], report.started.as_secs_f64());
    start.finish()
}

fn reload(report: &Report) -> [MetricFamily; 2] {
    let mut successful = Samples::gauge(
        "config_last_reload_successful",
        "Whether the last attempt to read the configuration succeeded.",
    );
    successful.count(&[], report.reload.successful.into());
    let mut at = Samples::gauge(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration in force was read, since the Unix epoch.",
    );
    at.add(&[], report.reload.succeeded.as_secs_f64());
    [successful.finish(), at.finish()]
}

fn table(snapshot: &Snapshot) -> [MetricFamily; 5] {
    let mut prefixes = Samples::gauge("rib_prefixes", "Prefixes in the table, all peers together.");
    let mut paths = Samples::gauge("rib_paths", "Paths in the table: accepted and rejected.");
    let counts = snapshot.rib.prefixes.into_iter().zip(snapshot.rib.paths);
    for (family, (prefix_count, path_count)) in Family::ALL.into_iter().zip(counts) {
        prefixes.count(&[("afi", family.name())], prefix_count);
        paths.count(&[("afi", family.name())], path_count);
    }
    let mut bytes = Samples::gauge("rib_bytes", "Memory that the table takes, estimated.");
    bytes.count(&[], snapshot.rib.bytes);
    let mut sets = Samples::gauge("rib_attribute_sets", "Distinct sets of path attributes in the table.");
    sets.count(&[], snapshot.rib.attribute_sets);
    [prefixes.finish(), paths.finish(), bytes.finish(), sets.finish(), conflicts(snapshot)]
}

/// What several nodes announce and only one may: one sample a prefix-wise kind of finding, zeros too, so
/// that an alert has something to compare.
fn conflicts(snapshot: &Snapshot) -> MetricFamily {
    let mut conflicts =
        Samples::gauge("rib_conflicts", "Prefixes that more nodes announce than may, confirmed or not yet.");
    for kind in
        ["duplicate_node_subnet", "duplicate_pod_block", "duplicate_pod_host", "duplicate_service_host"]
    {
        let current =
            snapshot.findings.iter().filter(|finding| finding.kind == kind && is_current(&finding.state));
        conflicts.count(&[("kind", kind)], current.count() as u64);
    }
    conflicts.finish()
}

fn findings(snapshot: &Snapshot) -> [MetricFamily; 2] {
    let mut counts = BTreeMap::new();
    for finding in snapshot.findings.iter().filter(|finding| is_current(&finding.state)) {
        *counts.entry((&finding.kind, &finding.state)).or_default() += 1;
    }
    let mut findings = Samples::gauge("findings", "What is wrong now, by kind; pending ones may not last.");
    for ((kind, state), count) in counts {
        findings.count(&[("kind", kind), ("state", state)], count);
    }
    let mut omitted = Samples::gauge("findings_omitted", "Findings above the bounds: counted, not kept.");
    omitted.count(&[], snapshot.findings_omitted);
    [findings.finish(), omitted.finish()]
}

fn is_current(state: &str) -> bool {
    matches!(state, "pending" | "open")
}

fn rogues(report: &Report) -> [MetricFamily; 2] {
    let mut info =
        Samples::gauge("rogue_route_info", "A rejected route; always 1, at most metrics.rogue_routes_max.");
    let shown = report.rogues.iter().take(report.config.rogue_routes_max);
    let mut named = BTreeSet::new();
    for route in shown.clone() {
        let reason = route.reasons.first().map_or("", |reason| reason.name());
        // Several paths of one prefix (RFC 7911) are one series.
        if named.insert((&route.leaf, route.peer, route.prefix, reason)) {
            let (peer, prefix) = (route.peer.to_string(), route.prefix.to_string());
            info.count(&[("leaf", &route.leaf), ("peer", &peer), ("prefix", &prefix), ("reason", reason)], 1);
        }
    }
    let counts = &report.snapshot.summary.routes;
    let mut omitted = Samples::gauge(
        "rogue_routes_omitted",
        "Rejected routes, kept or not, without a series of their own.",
    );
    omitted.count(&[], (counts.rejected + counts.rejected_not_kept).saturating_sub(shown.len() as u64));
    [info.finish(), omitted.finish()]
}

fn queue(snapshot: &Snapshot) -> [MetricFamily; 2] {
    let labels = [("queue", "observer")];
    let (waiting, capacity) = snapshot.queue;
    let mut depth = Samples::gauge("queue_depth", "What waits in a bounded queue.");
    depth.count(&labels, waiting as u64);
    let mut bound = Samples::gauge("queue_capacity", "How much a bounded queue holds.");
    bound.count(&labels, capacity as u64);
    [depth.finish(), bound.finish()]
}

fn processing(processing: &Processing) -> MetricFamily {
    let mut count = 0;
    let buckets = Processing::BOUNDS.into_iter().zip(processing.buckets).map(|(bound, inside)| {
        count += inside;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(processing.count);
    histogram.set_sample_sum(processing.sum);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    let mut samples = Samples::histogram(
        "update_processing_duration_seconds",
        "How long the observer worked on a batch of UPDATEs.",
    );
    samples.metric(metric);
    samples.finish()
}

fn trace(snapshot: &Snapshot) -> Option<MetricFamily> {
    let mut lost = Samples::counter(
        "trace_lost_total",
        "Inputs that the trace lacks, because the disk was too slow or full. Only with --record.",
    );
    lost.count(&[], snapshot.trace_lost?);
    Some(lost.finish())
}

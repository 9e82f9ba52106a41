//! Families about the whole: the process, its configuration, the table, findings.

use std::collections::{BTreeMap, BTreeSet};

use super::samples::{About, Samples};
use super::{REVISION, Report, Streams};
use crate::bgp::Family;
use crate::observer::{Processing, Snapshot};

pub(super) fn write(report: &Report, text: &mut String) {
    build_info(text);
    start_time(report, text);
    processing(&report.snapshot.processing, text);
    reload(report, text);
    table(&report.snapshot, text);
    conflicts(&report.snapshot, text);
    findings(&report.snapshot, text);
    rogues(report, text);
    queue(&report.snapshot, text);
    streams(report, text);
    trace(&report.snapshot, text);
    maintenance(&report.snapshot, text);
    state(report, text);
    http(report, text);
    mrt(report, text);
}

fn gauge<'a>(name: &'static str, help: &'static str, text: &'a mut String) -> Samples<'a> {
    Samples::new(About::gauge(name, help), text)
}

fn build_info(text: &mut String) {
    let mut info = gauge("build_info", "Always 1; the labels say what is running.", text);
    info.add(&[("revision", REVISION), ("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn start_time(report: &Report, text: &mut String) {
    let mut start = gauge("start_time_seconds", "When the daemon started, since the Unix epoch.", text);
    start.add(&[], report.started.as_secs_f64());
}

fn reload(report: &Report, text: &mut String) {
    let help = "Whether the last attempt to read the configuration succeeded.";
    let mut successful = gauge("config_last_reload_successful", help, text);
    successful.add(&[], u8::from(report.reload.successful));
    let help = "When the configuration in force was read, since the Unix epoch.";
    let mut at = gauge("config_last_reload_success_timestamp_seconds", help, text);
    at.add(&[], report.reload.succeeded.as_secs_f64());
}

fn table(snapshot: &Snapshot, text: &mut String) {
    let mut by_family = |name, help, counts: [u64; 2]| {
        let mut samples = gauge(name, help, text);
        for (family, count) in Family::ALL.into_iter().zip(counts) {
            samples.add(&[("afi", family.name())], count);
        }
    };
    by_family("rib_prefixes", "Prefixes in the table, all peers together.", snapshot.rib.prefixes);
    by_family("rib_paths", "Paths in the table: accepted, rejected and noted.", snapshot.rib.paths);
    let mut bytes = gauge("rib_bytes", "Memory that the table takes, estimated.", text);
    bytes.add(&[], snapshot.rib.bytes);
    let mut sets = gauge("rib_attribute_sets", "Distinct sets of path attributes in the table.", text);
    sets.add(&[], snapshot.rib.attribute_sets);
}

/// What several nodes announce and only one may: one sample a prefix-wise kind of finding, zeros too, so
/// that an alert has something to compare.
fn conflicts(snapshot: &Snapshot, text: &mut String) {
    let help = "Prefixes that more nodes announce than may, confirmed or not yet.";
    let mut conflicts = gauge("rib_conflicts", help, text);
    for kind in
        ["duplicate_node_subnet", "duplicate_pod_block", "duplicate_pod_host", "duplicate_service_host"]
    {
        let current =
            snapshot.findings.iter().filter(|finding| finding.kind == kind && is_current(&finding.state));
        conflicts.add(&[("kind", kind)], current.count());
    }
}

fn findings(snapshot: &Snapshot, text: &mut String) {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for finding in snapshot.findings.iter().filter(|finding| is_current(&finding.state)) {
        let state = if finding.muted.is_some() { "muted" } else { finding.state.as_str() };
        *counts.entry((&finding.cluster, &finding.kind, state)).or_default() += 1;
    }
    let mut findings = gauge(
        "findings",
        "What is wrong now, by kind and cluster (of several: all names; empty: all); pending ones may not last, of \
         muted ones nobody is told.",
        text,
    );
    for ((cluster, kind, state), count) in counts {
        findings.add(&[("cluster", cluster), ("kind", kind), ("state", state)], count);
    }
    let mut omitted = gauge("findings_omitted", "Findings above the bounds: counted, not kept.", text);
    omitted.add(&[], snapshot.findings_omitted);
}

fn is_current(state: &str) -> bool {
    matches!(state, "pending" | "open")
}

fn rogues(report: &Report, text: &mut String) {
    let help = "A rejected route; always 1, at most metrics.rogue_routes_max.";
    let mut info = gauge("rogue_route_info", help, text);
    let shown = report.rogues.iter().take(report.config.rogue_routes_max);
    let mut named = BTreeSet::new();
    for route in shown.clone() {
        let reason = route.reasons.first().map_or("", |reason| reason.name());
        // Several paths of one prefix (RFC 7911) are one series.
        if named.insert((&route.leaf, route.peer, route.prefix, reason)) {
            let (peer, prefix) = (route.peer.to_string(), route.prefix.to_string());
            info.add(&[("leaf", &route.leaf), ("peer", &peer), ("prefix", &prefix), ("reason", reason)], 1);
        }
    }
    let counts = &report.snapshot.summary.routes;
    let help = "Rejected routes, kept or not, without a series of their own.";
    let mut omitted = gauge("rogue_routes_omitted", help, text);
    omitted.add(&[], (counts.rejected + counts.rejected_not_kept).saturating_sub(shown.len() as u64));
}

fn queue(snapshot: &Snapshot, text: &mut String) {
    let labels = [("queue", "observer")];
    let (waiting, capacity) = snapshot.queue;
    gauge("queue_depth", "What waits in a bounded queue.", text).add(&labels, waiting);
    gauge("queue_capacity", "How much a bounded queue holds.", text).add(&labels, capacity);
}

fn streams(report: &Report, text: &mut String) {
    let Streams { open, limit, missed } = report.streams;
    gauge("http_streams", "Clients that follow events.", text).add(&[], open);
    gauge("http_streams_limit", "How many clients may follow events.", text).add(&[], limit);
    let about = About::counter(
        "event_log_dropped_total",
        "Events that somebody who follows them missed, because they were too many before they were fetched.",
    );
    let mut dropped = Samples::new(about, text);
    if let Some(journal) = &report.journal {
        dropped.add(&[("sink", "journal")], journal.dropped);
    }
    dropped.add(&[("sink", "stream")], missed);
}

fn processing(processing: &Processing, text: &mut String) {
    let about = About::histogram(
        "update_processing_duration_seconds",
        "How long the observer worked on a batch of UPDATEs.",
    );
    let Processing { buckets, count, sum } = processing;
    Samples::new(about, text).add_histogram(&[], &Processing::BOUNDS, buckets, *count, *sum);
}

fn maintenance(snapshot: &Snapshot, text: &mut String) {
    let help = "Until when nobody is told of what is found there, since the Unix epoch.";
    let mut until = gauge("maintenance_until_timestamp_seconds", help, text);
    for window in &snapshot.summary.maintenance {
        let labels = [("name", window.scope.name()), ("scope", window.scope.sort())];
        until.add(&labels, window.until.as_secs_f64());
    }
}

fn state(report: &Report, text: &mut String) {
    let Some(file) = report.state else { return };
    let about = About::counter(
        "state_write_failures_total",
        "How often what must survive a restart could not be written. Only with global.state_dir.",
    );
    Samples::new(about, text).add(&[], file.failures);
    let help = "When what must survive a restart was last written, since the Unix epoch.";
    let mut written = gauge("state_last_write_timestamp_seconds", help, text);
    if let Some(at) = file.written {
        written.add(&[], at.as_secs_f64());
    }
}

fn http(report: &Report, text: &mut String) {
    let mut connections = gauge("http_connections", "Connections to the HTTP server.", text);
    connections.add(&[], report.http.connections);
    let mut counter = |name, help, count| Samples::new(About::counter(name, help), text).add(&[], count);
    let help = "Connections that were closed at once because their client had its share.";
    counter("http_connections_rejected_total", help, report.http.rejected);
    let help = "Requests to change something that were refused, access or change.";
    counter("http_changes_refused_total", help, report.http.refused);
}

/// Only with `journal.mrt`.
fn mrt(report: &Report, text: &mut String) {
    let Some(archive) = report.archive else { return };
    let mut counter = |name, help, count| Samples::new(About::counter(name, help), text).add(&[], count);
    counter("mrt_messages_written_total", "BGP messages written to the MRT archive.", archive.written);
    let help = "BGP messages that the MRT archive lacks, because the disk was too slow or full.";
    counter("mrt_messages_lost_total", help, archive.lost);
    let mut of_now = |name, help, count: u64| gauge(name, help, text).add(&[], count);
    of_now("mrt_failing", "Whether the MRT archive cannot be written.", archive.failing.into());
    of_now("mrt_size_bytes", "What the files of the MRT archive take.", archive.size);
    let (waiting, room) = archive.queue;
    of_now("mrt_queue_bytes", "What waits to be written to the MRT archive.", waiting as u64);
    of_now("mrt_queue_capacity_bytes", "How much may wait to be written to the MRT archive.", room as u64);
    let help = "The time of the last table that was written to the MRT archive, since the Unix epoch.";
    let mut table = gauge("mrt_last_table_timestamp_seconds", help, text);
    if let Some(at) = archive.table {
        table.add(&[], at.as_secs_f64());
    }
}

fn trace(snapshot: &Snapshot, text: &mut String) {
    let about = About::counter(
        "trace_lost_total",
        "Inputs that the trace lacks, because the disk was too slow or full. Only with --record.",
    );
    if let Some(lost) = snapshot.trace_lost {
        Samples::new(about, text).add(&[], lost);
    }
}

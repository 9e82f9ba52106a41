//! Families about leaves: they are there even where those of single peers are not wanted.

use std::collections::BTreeMap;

use super::Report;
use super::samples::{About, Samples};
use crate::speaker::stats::{ErrorAction, SessionState};

pub(super) fn write(report: &Report, text: &mut String) {
    let totals = totals(report);
    peers(&totals, text);
    errors(&totals, text);
    let octets = About::counter("bgp_received_bytes_total", "Octets of BGP received.");
    let mut octets = Samples::new(octets, text);
    for (leaf, totals) in &totals {
        octets.add(&[("leaf", leaf)], totals.octets);
    }
    let suspensions = About::counter(
        "bgp_suspensions_total",
        "Times a session waited until what was said before was taken in.",
    );
    let mut suspensions = Samples::new(suspensions, text);
    for (leaf, totals) in &totals {
        suspensions.add(&[("leaf", leaf)], totals.suspensions);
    }
    refusals(report, text);
    signatures(report, text);
}

/// What is counted over all peers that ever spoke to a leaf, so that no sum shrinks when one is forgotten.
#[derive(Default)]
struct Totals {
    states: [u64; SessionState::ALL.len()],
    errors: [u64; ErrorAction::ALL.len()],
    octets: u64,
    suspensions: u64,
}

fn totals(report: &Report) -> BTreeMap<&str, Totals> {
    let mut totals: BTreeMap<&str, Totals> = BTreeMap::new();
    for leaf in &report.leaves {
        totals.entry(leaf).or_default();
    }
    for peer in &report.snapshot.peers {
        let leaf = totals.entry(&peer.id.leaf).or_default();
        leaf.states[peer.state() as usize] += 1;
    }
    for (leaf, stats) in &report.counters {
        let leaf = totals.entry(leaf).or_default();
        for (sum, action) in leaf.errors.iter_mut().zip(ErrorAction::ALL) {
            *sum += stats.errors(action);
        }
        leaf.octets += stats.octets();
        leaf.suspensions += stats.suspended();
    }
    totals
}

fn peers(totals: &BTreeMap<&str, Totals>, text: &mut String) {
    let about = About::gauge("bgp_peers", "Known peers, by the state of their session.");
    let mut peers = Samples::new(about, text);
    for (leaf, totals) in totals {
        for (state, count) in SessionState::ALL.into_iter().zip(totals.states) {
            peers.add(&[("leaf", leaf), ("state", state.name())], count);
        }
    }
}

fn errors(totals: &BTreeMap<&str, Totals>, text: &mut String) {
    let about =
        About::counter("bgp_update_errors_total", "UPDATEs with errors, by what became of them (RFC 7606).");
    let mut errors = Samples::new(about, text);
    for (leaf, totals) in totals {
        for (action, count) in ErrorAction::ALL.into_iter().zip(totals.errors) {
            errors.add(&[("action", action.name()), ("leaf", leaf)], count);
        }
    }
}

fn refusals(report: &Report, text: &mut String) {
    let about = About::counter("bgp_connections_rejected_total", "Connections that a leaf refused.");
    let mut refused = Samples::new(about, text);
    for refusal in &report.refusals {
        refused.add(&[("leaf", &refusal.leaf), ("reason", refusal.reason)], refusal.count);
    }
    let about = About::counter(
        "bgp_refusals_untold_total",
        "Refused connections that no finding counts, because there were too many at once.",
    );
    Samples::new(about, text).add(&[], report.untold_refusals);
}

fn signatures(report: &Report, text: &mut String) {
    let about = About::counter(
        "tcp_md5_failures_total",
        "TCP segments that the kernel dropped for their MD5 signature, in this network namespace.",
    );
    let mut failures = Samples::new(about, text);
    for (signature, count) in report.signatures.into_iter().flatten() {
        failures.add(&[("kind", signature.name())], count);
    }
}

//! From the text to the model, a section at a time, top-down; each section is checked against those
//! before it.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use humantime::format_duration;
use ipnet::IpNet;

use super::environment::Environment;
use super::error::{Error, Errors};
use super::model::{Config, FabricLimits, Findings, Global, Log, LogFormat, LogLevel, Metrics, PerPeer};
use super::source::Sources;
use super::table::{Place, Reporter, Section, Value, suggestion};

mod alerts;
mod apic;
mod archive;
mod eepg;
mod http;
mod include;
mod journal;
mod leaf;
mod matching;
mod names;
mod neighbors;
mod node;
mod policy;
mod redirect;
mod safety;
mod secret;
mod template;

use leaf::Listeners;
use matching::Ground;
use names::Names;
use secret::Secrets;

/// What speakers of two octets hear instead of a longer number (RFC 6793, 9).
const AS_TRANS: u32 = 23456;
const WEEK: Duration = Duration::from_hours(7 * 24);
const DAY: Duration = Duration::from_hours(24);

/// A finding that waits longer might as well be off, and a typo must not switch one off.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// The kinds of findings that `findings.open_after` may name.
const FINDINGS: [&str; 31] = [
    "rogue_route",
    "duplicate_pod_block",
    "duplicate_node_subnet",
    "duplicate_pod_host",
    "duplicate_service_host",
    "missing_service_cidr",
    "missing_node_subnet",
    "leaf_disagreement",
    "peer_down",
    "rack_down",
    "peer_flapping",
    "stale_routes",
    "prefix_limit",
    "malformed_updates",
    "mesh_left_on",
    "observer_isolated",
    "recovery_wait",
    "peer_refused",
    "duplicate_as",
    "duplicate_router_id",
    "aggregation_missing",
    "fabric_capacity",
    "timer_trouble",
    "eepg_conflict",
    "eepg_drift",
    "eepg_write_failing",
    "hold_down",
    "apic_down",
    "aci_config",
    "journal_failing",
    "alerts_failing",
];

/// Reads the whole file, and the files that it includes.
pub(super) fn config(mut sources: Sources, environment: &dyn Environment) -> Result<Config, Errors> {
    let errors = include::read(&mut sources, environment);
    if !errors.is_empty() {
        return Err(Errors::new(sources, errors));
    }
    let read = include::merged(&sources).and_then(|entries| {
        let reporter = Reporter::new(&sources);
        let config = root(Section::root(&reporter, entries), &Secrets { environment });
        let errors = reporter.into_errors();
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    });
    read.map_err(|errors| Errors::new(sources, errors))
}

fn root(mut root: Section<'_, '_>, secrets: &Secrets<'_>) -> Config {
    version(&mut root);
    // What it names is read by now.
    root.take("include");
    let mut listeners = Listeners::default();
    let (global, own_name) = global(root.section("global"));
    let http = http::http(root.section("http"), secrets, &mut listeners);
    let wrong_before = root.reporter().count();
    let leaves = leaf::leaves(&mut root, &mut listeners);
    let neighbors = neighbors::neighbors(&mut root, &leaves, secrets);
    let nodes = node::nodes(&mut root, &neighbors);
    let names = Names::of(&leaves, &neighbors, &nodes);
    let policy = policy::policy(root.section("policy"), &names);
    let complete = root.reporter().count() == wrong_before;
    let findings = findings(root.section("findings"));
    let limits = limits(root.section("limits"));
    let metrics = metrics(root.section("metrics"));
    let fabrics = apic::apics(&mut root, secrets, own_name.as_ref());
    let ground = Ground { names, allow: &policy.allow, complete, fabrics: &fabrics };
    let eepgs = eepg::eepgs(&mut root, &ground);
    let redirects = redirect::redirects(&mut root, &ground);
    let safety = safety::safety(root.section("safety"), &fabrics);
    let journal = journal::journal(root.section("journal"));
    let alerts = alerts::alerts(root.section("alerts"), secrets);
    let apics = fabrics.read;
    let neighbors = neighbors.read;
    Config {
        global,
        http,
        leaves,
        neighbors,
        nodes,
        policy,
        findings,
        limits,
        metrics,
        apics,
        eepgs,
        redirects,
        safety,
        journal,
        alerts,
    }
}

fn version(root: &mut Section<'_, '_>) {
    match root.take("version") {
        Some(version) => {
            if version.number(0..=u32::MAX).is_some_and(|version| version != 1) {
                version.fail_with("this version of the file is not supported", "write version = 1");
            }
        }
        None => root.reporter().report(Error::plain("`version` is missing").help("begin with version = 1")),
    }
}

/// And where its name stands.
fn global(mut section: Section<'_, '_>) -> (Global, Option<(Arc<str>, Place)>) {
    let named = section.read("name", |value| Some((name(value)?, value.place.clone())));
    let name = named.as_ref().map(|(name, _)| name.to_string());
    let state_dir = section.read("state_dir", Value::path);
    let mut log = section.section("log");
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let format = log.read("format", |value| value.choice(&formats)).unwrap_or_default();
    let level = log.read("level", |value| value.choice(&levels)).unwrap_or_default();
    (Global { name, state_dir, log: Log { format, level } }, named)
}

fn findings(mut section: Section<'_, '_>) -> Findings {
    let open_after = by_kind(&mut section, "open_after");
    let resolve_after = by_kind(&mut section, "resolve_after");
    let forget_after = section.read("forget_after", forget_after).unwrap_or(WEEK);
    Findings { open_after, resolve_after, forget_after }
}

fn forget_after(value: &Value<'_, '_>) -> Option<Duration> {
    let duration = value.duration()?;
    if (Duration::from_mins(1)..=DAY * 3_653).contains(&duration) {
        return Some(duration);
    }
    value.fail("a peer that is down is forgotten after 1 minute at the soonest and 10 years at the latest");
    None
}

/// How long a finding waits.
fn wait(value: &Value<'_, '_>) -> Option<Duration> {
    let duration = value.duration()?;
    if duration <= LONGEST_WAIT {
        return Some(duration);
    }
    value.fail("a finding waits for at most 30 days");
    None
}

/// A duration for each kind of finding that is named.
fn by_kind(section: &mut Section<'_, '_>, key: &'static str) -> Vec<(String, Duration)> {
    let mut durations = Vec::new();
    for (kind, place, value) in section.section(key).entries() {
        let duration = wait(&value);
        if !FINDINGS.contains(&kind.as_str()) {
            let message = format!("unknown kind of finding `{}`", kind.escape_debug());
            let help = suggestion(&kind, FINDINGS.into_iter(), "the kinds are");
            section.reporter().report(Error::at(&place, message).help(help));
        }
        durations.extend(duration.map(|duration| (kind, duration)));
    }
    durations
}

fn limits(mut section: Section<'_, '_>) -> FabricLimits {
    let default = FabricLimits::default();
    FabricLimits {
        lpm: section.read("lpm", |value| value.number(1..=100_000_000)).unwrap_or(default.lpm),
        ecmp: section.read("ecmp", |value| value.number(1..=100_000)).unwrap_or(default.ecmp),
    }
}

fn metrics(mut section: Section<'_, '_>) -> Metrics {
    let choices = [("all", PerPeer::All), ("problem", PerPeer::Problem), ("off", PerPeer::Off)];
    let per_peer = section.read("per_peer", |value| value.choice(&choices)).unwrap_or_default();
    let rogue_routes_max = section.read("rogue_routes_max", |value| value.number(0..=100_000)).unwrap_or(100);
    Metrics { per_peer, rogue_routes_max }
}

/// A name that people give: shown in labels and lines, so it must be visible and on one line.
fn name(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let text = value.text()?;
    if text.is_empty() {
        value.fail("a name must not be empty");
    } else if text.trim() != text || text.contains(char::is_control) {
        value.fail("a name must not begin or end with a space, nor hold control characters");
    } else {
        return Some(text.into());
    }
    None
}

/// An AS number that a speaker may have.
fn asn(value: &Value<'_, '_>) -> Option<u32> {
    let asn = value.number(0..=u32::MAX)?;
    match unusable(asn) {
        Some(reason) => {
            value.fail(format!("AS {asn} {reason}"));
            None
        }
        None => Some(asn),
    }
}

/// Why no speaker may have this AS, if so.
const fn unusable(asn: u32) -> Option<&'static str> {
    match asn {
        0 => Some("is reserved (RFC 7607)"),
        AS_TRANS => Some("is AS_TRANS, which stands for other ASes (RFC 6793)"),
        _ => None,
    }
}

/// A duration in `range`; `why` says what the bounds are for.
fn within(value: &Value<'_, '_>, range: RangeInclusive<Duration>, why: &str) -> Option<Duration> {
    let duration = value.duration()?;
    if range.contains(&duration) {
        return Some(duration);
    }
    let [least, most] = [range.start(), range.end()].map(|end| format_duration(*end));
    value.fail_with(format!("must be from {least} to {most}"), why);
    None
}

/// A share: above 0, at most 1.
fn share(value: &Value<'_, '_>, help: &str) -> Option<f64> {
    let share = value.float()?;
    if share > 0.0 && share <= 1.0 {
        return Some(share);
    }
    value.fail_with("must be above 0 and at most 1", help);
    None
}

/// A prefix without host bits.
fn prefix(value: &Value<'_, '_>) -> Option<IpNet> {
    let text = value.text()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        value.fail_with("a prefix needs a length", format!("write \"{}\"", IpNet::from(address)));
        return None;
    }
    let prefix: IpNet = value.parse("a prefix", "\"10.0.0.0/8\" or \"fd00::/8\"")?;
    if prefix != prefix.trunc() {
        value.fail_with(format!("`{prefix}` has host bits set"), format!("write \"{}\"", prefix.trunc()));
        return None;
    }
    Some(prefix)
}

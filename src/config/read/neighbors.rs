//! `[[neighbors]]`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::super::error::Error;
use super::super::model::{AsRange, Leaf, LimitAction, Limits, Neighbors};
use super::super::table::{Place, Section, Value};
use super::secret::Secrets;
use super::{AS_TRANS, name, prefix, share, unusable};

/// The white paper's leaf.
const HOLD_TIME: Duration = Duration::from_secs(3);
/// Longer than BIRD's recovery wait of 240 s plus its error wait.
const MAX_STALE_TIME: Duration = Duration::from_mins(6);

/// What `[[neighbors]]` says.
pub(super) struct Entries {
    /// The entries.
    pub(super) read: Vec<Neighbors>,
    /// Whether the ranges of all entries could be read.
    pub(super) complete: bool,
}

/// All entries whose leaf and range are readable.
pub(super) fn neighbors(root: &mut Section<'_, '_>, leaves: &[Leaf], secrets: &Secrets<'_>) -> Entries {
    let mut entries = Entries { read: Vec::new(), complete: true };
    let mut places: Vec<Place> = Vec::new();
    for mut section in root.sections("neighbors") {
        let leaf = section.require("leaf").and_then(|value| leaf_of(&value, leaves));
        let range = section.require("range").and_then(|value| prefix(&value).map(|range| (range, value)));
        if let (Some(leaf), Some((range, value))) = (leaf, &range) {
            let equal = |entry: &Neighbors| entry.leaf == leaf.name && entry.range == *range;
            if let Some(first) = entries.read.iter().position(equal).and_then(|at| places.get(at)) {
                let line = section.reporter().line(first, &value.place);
                value.fail(format!("leaf `{}` has the range {range} already, on {line}", leaf.name));
            }
            places.push(value.place.clone());
        }
        let range = range.map(|(range, _)| range);
        match entry(&mut section, leaf, range, secrets) {
            Some(entry) => entries.read.push(entry),
            None => entries.complete = false,
        }
    }
    entries
}

fn leaf_of<'l>(value: &Value<'_, '_>, leaves: &'l [Leaf]) -> Option<&'l Leaf> {
    let name = value.text()?;
    let found = leaves.iter().find(|leaf| &*leaf.name == name);
    let complete = leaves.iter().all(|leaf| !leaf.name.is_empty());
    if found.is_none() && complete && !leaves.is_empty() {
        value.unknown_word("leaf", name, leaves.iter().map(|leaf| &*leaf.name), "the leaves are");
    }
    found
}

/// Reads every key, whatever is wrong with the others.
fn entry(
    section: &mut Section<'_, '_>,
    leaf: Option<&Leaf>,
    range: Option<IpNet>,
    secrets: &Secrets<'_>,
) -> Option<Neighbors> {
    let peer_as = section.require("peer_as").map(|value| ranges(value, leaf)).unwrap_or_default();
    let of_leaf =
        |part: fn(&Leaf) -> &Arc<str>| leaf.map_or_else(|| "default".into(), |leaf| part(leaf).clone());
    let cluster = section.read("cluster", name);
    let vrf = section.read("vrf", name);
    let password = secrets.password(section);
    let ttl_security_hops = section.read("ttl_security_hops", |value| value.number(1..=254));
    let hold_time = section.read("hold_time", hold_time).unwrap_or(HOLD_TIME);
    let passive = section.take("passive").and_then(|value| passive(&value, range)).unwrap_or(true);
    let port = section.read("port", |value| value.number(1..=u16::MAX)).unwrap_or(179);
    let max_peers = section.read("max_peers", |value| value.number(1..=1_000_000)).unwrap_or(400);
    let limits = limits(section.section("limits"));
    let max_stale_time = max_stale_time(section.section("graceful_restart"));
    let add_path = section.read("add_path", Value::bool).unwrap_or(false);
    let (ipv4, ipv6) = section.take("families").map_or((true, true), families);
    let (leaf, range) = (leaf?, range?);
    if passive {
        reachable(section, leaf, range);
    }
    Some(Neighbors {
        leaf: leaf.name.clone(),
        range,
        peer_as,
        cluster: cluster.unwrap_or_else(|| of_leaf(|leaf| &leaf.cluster)),
        vrf: vrf.unwrap_or_else(|| of_leaf(|leaf| &leaf.vrf)),
        password,
        ttl_security_hops,
        hold_time,
        passive,
        port,
        max_peers,
        limits,
        max_stale_time,
        add_path,
        ipv4,
        ipv6,
    })
}

/// A peer that has to connect needs an address to connect to.
fn reachable(section: &Section<'_, '_>, leaf: &Leaf, range: IpNet) {
    let is_v4 = matches!(range, IpNet::V4(_));
    if !leaf.listen.is_empty() && !leaf.listen.iter().any(|listen| listen.is_ipv4() == is_v4) {
        let family = if is_v4 { "IPv4" } else { "IPv6" };
        let message =
            format!("nobody in {range} can connect: leaf `{}` listens on no {family} address", leaf.name);
        let port = leaf.listen.first().map_or(179, SocketAddr::port);
        let wildcard = if is_v4 { "0.0.0.0" } else { "[::]" };
        let help = format!("add \"{wildcard}:{port}\" to the leaf's `listen`");
        section.reporter().report(Error::at(section.place(), message).help(help));
    }
}

fn hold_time(value: &Value<'_, '_>) -> Option<Duration> {
    let time = value.duration()?;
    if time.subsec_nanos() != 0 {
        value.fail("a hold time is a whole number of seconds (RFC 4271, 4.2)");
    } else if (1..3).contains(&time.as_secs()) {
        value.fail_with(
            "a hold time of one or two seconds is not permitted (RFC 4271, 4.2)",
            "use \"3s\" or more, or \"0s\" for none",
        );
    } else if time.as_secs() > u64::from(u16::MAX) {
        value.fail("a hold time has at most 65535 seconds (RFC 4271, 4.2)");
    } else {
        return Some(time);
    }
    None
}

fn passive(value: &Value<'_, '_>, range: Option<IpNet>) -> Option<bool> {
    let passive = value.bool()?;
    if let Some(range) = range.filter(|range| !passive && range.prefix_len() != range.max_prefix_len()) {
        value.fail_with(
            format!("only a single address can be dialled, and {range} is a range"),
            format!("leave peers of a range to connect, or use a range of length {}", range.max_prefix_len()),
        );
    }
    Some(passive)
}

fn limits(mut section: Section<'_, '_>) -> Limits {
    let actions = [("warn", LimitAction::Warn), ("hold", LimitAction::Hold), ("reset", LimitAction::Reset)];
    Limits {
        prefixes: section.read("prefixes", |value| value.number(1..=u32::MAX)).unwrap_or(10_000),
        warn_at: section.read("warn_at", warn_at).unwrap_or(0.8),
        action: section.read("action", |value| value.choice(&actions)).unwrap_or_default(),
        rejected_kept: section.read("rejected_kept", |value| value.number(0..=u32::MAX)).unwrap_or(1_000),
    }
}

fn warn_at(value: &Value<'_, '_>) -> Option<f64> {
    share(value, "it is a share of `prefixes`: 0.8 warns at 80 %")
}

fn max_stale_time(mut section: Section<'_, '_>) -> Duration {
    section.read("max_stale_time", Value::duration).unwrap_or(MAX_STALE_TIME)
}

fn families(value: Value<'_, '_>) -> (bool, bool) {
    let (mut ipv4, mut ipv6) = (false, false);
    for value in value.some() {
        match value.choice(&[("ipv4", true), ("ipv6", false)]) {
            Some(true) => ipv4 = true,
            Some(false) => ipv6 = true,
            None => {}
        }
    }
    (ipv4, ipv6)
}

/// A list of ASes and ranges of ASes; never the leaf's own.
pub(super) fn ranges(value: Value<'_, '_>, leaf: Option<&Leaf>) -> Vec<AsRange> {
    let mut ranges = Vec::new();
    for value in value.some() {
        let Some(range) = range(&value) else { continue };
        match leaf.filter(|leaf| range.contains(leaf.local_as)) {
            Some(leaf) => refuse_own(&value, range, leaf),
            None => ranges.push(range),
        }
    }
    ranges
}

fn range(value: &Value<'_, '_>) -> Option<AsRange> {
    let (first, last) = ends(value)?;
    // One that sends AS_TRANS without a capability has to be meant (RFC 6793, 4.2).
    let reason = [first, last].into_iter().find_map(|end| Some((end, unusable(end)?)));
    if let Some((end, reason)) = reason.filter(|_| (first, last) != (AS_TRANS, AS_TRANS)) {
        value.fail(format!("AS {end} {reason}"));
        return None;
    }
    if first > last {
        let text = AsRange { first, last };
        value.fail_with(format!("`{text}` runs backwards"), format!("write \"{last}-{first}\""));
        return None;
    }
    Some(AsRange { first, last })
}

fn ends(value: &Value<'_, '_>) -> Option<(u32, u32)> {
    if !value.is_text() {
        return value.number(0..=u32::MAX).map(|asn| (asn, asn));
    }
    let text = value.text()?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse()) {
        return Some((first, last));
    }
    let message = format!("`{}` is not a range of ASes", text.escape_debug());
    value.fail_with(message, "write 65102, \"65102\" or \"65102-65199\"");
    None
}

fn refuse_own(value: &Value<'_, '_>, range: AsRange, leaf: &Leaf) {
    let own = leaf.local_as;
    let below = (range.first < own).then(|| AsRange { first: range.first, last: own.saturating_sub(1) });
    let above = (own < range.last).then(|| AsRange { first: own.saturating_add(1), last: range.last });
    let rest: Vec<String> = below.into_iter().chain(above).map(|range| format!("\"{range}\"")).collect();
    let message = format!("{own} is the AS of leaf `{}` itself, and iBGP peers are not supported", leaf.name);
    let reason = "over iBGP a node's AS is not in its paths, so they could not be judged";
    let help =
        if rest.is_empty() { reason.to_owned() } else { format!("{reason}; write {}", rest.join(", ")) };
    value.fail_with(message, help);
}

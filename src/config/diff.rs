//! What going from one configuration to another means.
//!
//! A session is reset only if one of its terms changed: what its OPEN offered, how its packets are
//! protected, or whether its AS may peer at all. Everything else takes effect without touching it.

use std::fmt;
use std::net::SocketAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use super::model::{Allow, AsRange, Config, Leaf, Neighbors, Node};

mod alerts;
mod http;
mod sync;

/// Keys of a neighbors entry that are terms of a session; `password` and `peer_as` are, too.
const TERMS: [&str; 4] = ["add_path", "families", "hold_time", "ttl_security_hops"];

/// What a change does, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Sessions are reset or end.
    Reset,
    /// An address is listened on no more, or from now on.
    Listen,
    /// Takes effect at once, no session touched.
    Apply,
    /// Needs a restart: a reload refuses the whole file.
    Restart,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it does.
    pub effect: Effect,
    /// One line for people.
    pub text: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All changes, sessions to be reset first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Whether nothing changed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, sessions to be reset first.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    /// Those for which a reload refuses the file; none: it may go ahead.
    pub fn refused(&self) -> impl Iterator<Item = &Change> {
        self.0.iter().filter(|change| change.effect == Effect::Restart)
    }

    /// Whether sessions are reset or end.
    pub fn resets(&self) -> bool {
        self.0.iter().any(|change| change.effect == Effect::Reset)
    }

    fn add(&mut self, effect: Effect, text: impl Into<String>) {
        self.0.push(Change { effect, text: text.into() });
    }

    fn add_all(&mut self, effect: Effect, prefix: &str, lines: Vec<String>) {
        for line in lines {
            self.add(effect, format!("{prefix}{line}"));
        }
    }
}

/// What a reload from `old` to `new` would do.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let mut changes = Changes::default();
    restart(&mut changes, old, new);
    leaves(&mut changes, old, new);
    neighbors(&mut changes, old, new);
    nodes(&mut changes, old, new);
    allow(&mut changes, &old.policy.allow, &new.policy.allow);
    let rest = [
        ("policy", json(&old.policy), json(&new.policy)),
        ("findings", json(&old.findings), json(&new.findings)),
        ("limits", json(&old.limits), json(&new.limits)),
        ("metrics", json(&old.metrics), json(&new.metrics)),
    ];
    for (name, mut old, mut new) in rest {
        for side in [&mut old, &mut new] {
            side.as_object_mut().and_then(|table| table.remove("allow"));
        }
        changes.add_all(Effect::Apply, "", lines(name, &old, &new));
    }
    http::http(&mut changes, &old.http, &new.http);
    sync::sync(&mut changes, old, new);
    alerts::alerts(&mut changes, &old.alerts, &new.alerts);
    changes.0.sort_by_key(|change| change.effect);
    changes
}

/// Whether a session of a peer that permits its AS can go on when its entry changes from `old` to `new`.
pub fn same_terms(old: &Neighbors, new: &Neighbors) -> bool {
    (old.add_path, old.ipv4, old.ipv6, old.hold_time, old.ttl_security_hops, &old.password)
        == (new.add_path, new.ipv4, new.ipv6, new.hold_time, new.ttl_security_hops, &new.password)
}

fn restart(changes: &mut Changes, old: &Config, new: &Config) {
    let mut restart = lines("global", &json(&old.global), &json(&new.global));
    restart.extend(lines("journal", &json(&old.journal), &json(&new.journal)));
    restart.extend(lines("http.listen", &json(&old.http.listen), &json(&new.http.listen)));
    let restart = restart.into_iter().map(|line| format!("{line} (needs a restart)")).collect();
    changes.add_all(Effect::Restart, "", restart);
}

fn leaves(changes: &mut Changes, old: &Config, new: &Config) {
    for leaf in &old.leaves {
        if let Some(next) = find(&new.leaves, &leaf.name) {
            same_leaf(changes, leaf, next);
        } else {
            changes.add(Effect::Reset, format!("leaf `{}` is removed: its sessions end", leaf.name));
            listen(changes, leaf, &[], "stops listening on", &leaf.listen);
        }
    }
    for leaf in new.leaves.iter().filter(|leaf| find(&old.leaves, &leaf.name).is_none()) {
        changes.add(Effect::Apply, format!("leaf `{}` is added", leaf.name));
        listen(changes, leaf, &[], "begins listening on", &leaf.listen);
    }
}

fn same_leaf(changes: &mut Changes, old: &Leaf, new: &Leaf) {
    let (mut before, mut after) = (json(old), json(new));
    for side in [&mut before, &mut after] {
        side.as_object_mut().and_then(|table| table.remove("listen"));
    }
    let identity = (old.local_as, old.router_id) != (new.local_as, new.router_id);
    let effect = if identity { Effect::Reset } else { Effect::Apply };
    let which = if identity { "all sessions are reset: " } else { "" };
    let lines = lines("", &before, &after);
    if !lines.is_empty() {
        changes.add(effect, format!("leaf `{}`: {which}{}", old.name, lines.join(", ")));
    }
    listen(changes, old, &new.listen, "stops listening on", &old.listen);
    listen(changes, new, &old.listen, "begins listening on", &new.listen);
}

fn listen(changes: &mut Changes, leaf: &Leaf, but: &[SocketAddr], verb: &str, addresses: &[SocketAddr]) {
    for address in addresses.iter().filter(|address| !but.contains(address)) {
        changes.add(Effect::Listen, format!("leaf `{}` {verb} {address}", leaf.name));
    }
}

fn find<'l>(leaves: &'l [Leaf], name: &str) -> Option<&'l Leaf> {
    leaves.iter().find(|leaf| &*leaf.name == name)
}

/// Entries of leaves that stay; of others, the leaf says it all.
fn neighbors(changes: &mut Changes, old: &Config, new: &Config) {
    let stays = |leaf: &str| find(&old.leaves, leaf).is_some() && find(&new.leaves, leaf).is_some();
    for entry in old.neighbors.iter().filter(|entry| stays(&entry.leaf)) {
        if let Some(next) = exact(&new.neighbors, entry) {
            same_range(changes, entry, next);
        } else if let Some(next) = covering(&new.neighbors, &entry.leaf, entry.range) {
            moved(changes, entry, next, entry.range);
        } else {
            let text = format!("{} is removed: sessions that no other range holds end", title(entry));
            changes.add(Effect::Reset, text);
        }
    }
    for entry in new.neighbors.iter().filter(|entry| exact(&old.neighbors, entry).is_none()) {
        changes.add(Effect::Apply, format!("{} is added", title(entry)));
        let before = covering(&old.neighbors, &entry.leaf, entry.range);
        if let Some(before) = before.filter(|_| stays(&entry.leaf)) {
            moved(changes, before, entry, entry.range);
        }
    }
}

fn same_range(changes: &mut Changes, old: &Neighbors, new: &Neighbors) {
    let (terms, others) = compare(old, new);
    if !terms.is_empty() {
        let text = format!("{}: sessions are reset: {}", title(new), terms.join(", "));
        changes.add(Effect::Reset, text);
    }
    changes.add_all(Effect::Apply, &format!("{}: ", title(new)), others);
}

/// Addresses in `range` fall to another entry.
fn moved(changes: &mut Changes, old: &Neighbors, new: &Neighbors, range: IpNet) {
    let (terms, _) = compare(old, new);
    let (leaf, from, to) = (&new.leaf, old.range, new.range);
    if terms.is_empty() {
        let text = format!("neighbors of leaf `{leaf}` in {range} move from {from} to {to}");
        changes.add(Effect::Apply, text);
    } else {
        let text = format!(
            "neighbors of leaf `{leaf}` in {range} move from {from} to {to}: sessions are reset: {}",
            terms.join(", ")
        );
        changes.add(Effect::Reset, text);
    }
}

fn exact<'n>(entries: &'n [Neighbors], entry: &Neighbors) -> Option<&'n Neighbors> {
    entries.iter().find(|other| other.leaf == entry.leaf && other.range == entry.range)
}

fn covering<'n>(entries: &'n [Neighbors], leaf: &str, range: IpNet) -> Option<&'n Neighbors> {
    let covers = |entry: &&Neighbors| &*entry.leaf == leaf && entry.range.contains(&range);
    entries.iter().filter(covers).max_by_key(|entry| entry.range.prefix_len())
}

fn title(entry: &Neighbors) -> String {
    format!("neighbors of leaf `{}` in {}", entry.leaf, entry.range)
}

/// Changed terms of sessions, and what else changed.
fn compare(old: &Neighbors, new: &Neighbors) -> (Vec<String>, Vec<String>) {
    let (mut terms, mut others) = (Vec::new(), Vec::new());
    for (key, line) in differences("", &json(old), &json(new)) {
        match key.as_str() {
            "leaf" | "range" | "password" => {}
            "peer_as" if !narrower(&old.peer_as, &new.peer_as) => others.push(line),
            "peer_as" => terms.push(format!("{line} (those of other ASes only)")),
            key if TERMS.contains(&key) => terms.push(line),
            _ => others.push(line),
        }
    }
    match (&old.password, &new.password) {
        (None, Some(_)) => terms.push("a password is set".to_owned()),
        (Some(_), None) => terms.push("the password is removed".to_owned()),
        (old, new) if old != new => terms.push("another password".to_owned()),
        _ => {}
    }
    (terms, others)
}

/// Whether an AS that `old` permits is not permitted by `new`.
fn narrower(old: &[AsRange], new: &[AsRange]) -> bool {
    old.iter().any(|range| {
        let mut next = Some(range.first);
        while let Some(asn) = next.filter(|asn| *asn <= range.last) {
            match new.iter().filter(|range| range.contains(asn)).map(|range| range.last).max() {
                Some(last) => next = last.checked_add(1),
                None => return true,
            }
        }
        false
    })
}

fn nodes(changes: &mut Changes, old: &Config, new: &Config) {
    let mut added: Vec<&Node> = new.nodes.iter().collect();
    for node in &old.nodes {
        // Several clusters may have a node of this name.
        let alike: Vec<usize> =
            (0..).zip(&added).filter(|(_, next)| next.name == node.name).map(|(at, _)| at).collect();
        let same = |at: &&usize| added.get(**at).is_some_and(|next| next.cluster == node.cluster);
        match alike.iter().find(same).or(alike.first()) {
            Some(at) => {
                let lines = lines("", &json(node), &json(added.remove(*at)));
                changes.add_all(Effect::Apply, &format!("{}: ", node_title(node)), lines);
            }
            None => changes.add(Effect::Apply, format!("{} is no longer pinned", node_title(node))),
        }
    }
    for node in added {
        changes.add(Effect::Apply, format!("{} is pinned", node_title(node)));
    }
}

fn node_title(node: &Node) -> String {
    let of = node.cluster.as_ref().map_or(String::new(), |cluster| format!(" of cluster `{cluster}`"));
    format!("node `{}`{of}", node.name)
}

/// Entries have no name: equal ones stay, of the rest those of one class and prefix are the same entry.
fn allow(changes: &mut Changes, old: &[Allow], new: &[Allow]) {
    let mut added: Vec<&Allow> = new.iter().collect();
    let mut removed: Vec<&Allow> = Vec::new();
    for entry in old {
        match added.iter().position(|other| *other == entry) {
            Some(at) => drop(added.remove(at)),
            None => removed.push(entry),
        }
    }
    for entry in removed {
        let name = format!("policy.allow {} {}", class(entry), entry.prefix);
        let same = |other: &&Allow| (other.class, other.prefix) == (entry.class, entry.prefix);
        match added.iter().position(same) {
            Some(at) => {
                let lines = lines("", &json(entry), &json(added.remove(at)));
                changes.add_all(Effect::Apply, &format!("{name}: "), lines);
            }
            None => changes.add(Effect::Apply, format!("{name} is removed")),
        }
    }
    for entry in added {
        changes.add(Effect::Apply, format!("policy.allow {} {} is added", class(entry), entry.prefix));
    }
}

fn class(entry: &Allow) -> String {
    shown(&json(&entry.class)).replace('"', "")
}

/// The model as the file writes it; it always can be.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A line for each difference.
fn lines(path: &str, old: &Value, new: &Value) -> Vec<String> {
    differences(path, old, new).into_iter().map(|(_, line)| line).collect()
}

/// Path and line of each difference.
fn differences(path: &str, old: &Value, new: &Value) -> Vec<(String, String)> {
    if let (Value::Object(before), Value::Object(after)) = (old, new) {
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let path_of = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let of_key = |key: &String| {
            let (old, new) = (before.get(key), after.get(key));
            let null = Value::Null;
            differences(&path_of(key), old.unwrap_or(&null), new.unwrap_or(&null))
        };
        return keys.into_iter().flat_map(of_key).collect();
    }
    if old == new {
        return Vec::new();
    }
    vec![(path.to_owned(), format!("{path} {} -> {}", shown(old), shown(new)))]
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    }
}

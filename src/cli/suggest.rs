//! `thirdleaf suggest`: from what is heard, what the configuration may allow, pin and expect, to be reviewed.

mod document;
mod heard;
mod nodes;
mod pools;
mod prefixes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Client;
use super::output::Style;
use super::{Error, Exit};
use crate::observer::view::{Peer, Route};
use document::Document;
use heard::{Heard, Said};
use prefixes::Allowed;

#[derive(Debug, Args)]
pub(super) struct Suggest {}

/// What is in force, of `GET /api/v1/config`. Entries are kept as they are, keys included that this does not
/// know.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(rename = "leaf")]
    leaves: Vec<Scope>,
    neighbors: Vec<Scope>,
    nodes: Vec<Map<String, Value>>,
    policy: Policy,
}

#[derive(Debug, Deserialize)]
struct Scope {
    cluster: String,
}

#[derive(Debug, Deserialize)]
struct Policy {
    allow: Vec<Map<String, Value>>,
}

/// What of an entry says where it holds.
#[derive(Debug, Deserialize)]
struct Allow {
    class: String,
    prefix: IpNet,
    lengths: BTreeSet<u8>,
    #[serde(default)]
    clusters: Vec<String>,
}

impl Suggest {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        if style.is_json() {
            return Err(Error::Usage("suggest prints TOML alone: leave --output out".to_owned()));
        }
        let config: Config = client.get("/api/v1/config", &[]).await?;
        let mut pages = client.pages::<Peer>("/api/v1/peers", &[], None);
        let mut peers = Vec::new();
        while let Some(page) = pages.next().await? {
            peers.extend(page);
        }
        let mut heard = Heard::new(&peers);
        let mut pages = client.pages::<Route>("/api/v1/routes", &[], None);
        while let Some(routes) = pages.next().await? {
            heard.add(&routes);
        }
        suggest(&config, &heard)?.write(out)?;
        Ok(Exit::FINE)
    }
}

fn suggest(config: &Config, heard: &Heard) -> Result<Document, Error> {
    let places = config.leaves.iter().chain(&config.neighbors);
    let clusters: BTreeSet<&str> = places.map(|place| place.cluster.as_str()).collect();
    let read = |entry: &Map<String, Value>| serde_json::from_value(Value::Object(entry.clone()));
    let allowed: Result<Vec<Allow>, _> = config.policy.allow.iter().map(read).collect();
    let allowed = allowed.map_err(|error| Error::Answer(format!("its configuration: {error}")))?;
    let scoped = clusters.len() > 1;

    let mut hosts = vec![0; allowed.len()];
    let (mut new, mut leaks) = (Vec::new(), Vec::new());
    for cluster in heard.prefixes.keys() {
        let applies = |entry: &Allow| entry.clusters.is_empty() || entry.clusters.contains(cluster);
        let mine: Vec<_> = allowed
            .iter()
            .enumerate()
            .filter(|(_, entry)| applies(entry))
            .map(|(at, Allow { class, prefix, .. })| Allowed { at, class: class.clone(), prefix: *prefix })
            .collect();
        let suggested = prefixes::suggest(heard, cluster, &mine);
        new.extend(suggested.entries.into_iter().map(|entry| (cluster.clone(), entry)));
        for (at, count) in suggested.hosts {
            if let Some(hosts) = hosts.get_mut(at) {
                *hosts += count;
            }
        }
        let within = if scoped { format!(" (cluster {cluster})") } else { String::new() };
        leaks.extend(suggested.leaks.into_iter().map(|(prefix, why)| format!("{prefix}{within}: {why}")));
    }
    let (pins, left_out) = nodes::pins(heard, &config.nodes);
    let allowed = config
        .policy
        .allow
        .iter()
        .zip(&allowed)
        .zip(hosts)
        .map(|((entry, allow), hosts)| keep(entry, allow, hosts, heard))
        .collect();
    Ok(Document { heard: counts(heard), pins, left_out, allowed, new, scoped, leaks })
}

/// What is allowed already, with the length of a single address if several nodes announce some.
fn keep(
    entry: &Map<String, Value>,
    allow: &Allow,
    hosts: usize,
    heard: &Heard,
) -> (Vec<String>, Map<String, Value>) {
    let mut entry = entry.clone();
    let mut notes = Vec::new();
    let within = |(prefix, said): (&IpNet, &Said)| {
        allow.prefix.contains(prefix)
            && allow.lengths.contains(&prefix.prefix_len())
            && !said.accepted.is_empty()
    };
    let is_heard = heard.prefixes.values().flatten().any(within);
    let heard = if is_heard { "" } else { "; nothing of it is heard now" };
    notes.push(format!("Allowed already{heard}."));
    if hosts > 0 {
        let longest = allow.prefix.max_prefix_len();
        notes.push(format!("New: the length {longest}; single addresses from several nodes: {hosts}."));
        if let Some(Value::Array(lengths)) = entry.get_mut("lengths") {
            lengths.push(longest.into());
        }
    }
    // What the class has by default need not be said.
    let own_only = entry.get("own_only").and_then(Value::as_bool);
    if own_only == Some(allow.class == "node") {
        entry.remove("own_only");
    }
    if allow.class != "service" && entry.get("expect").is_some_and(|expect| expect == "none") {
        entry.remove("expect");
    }
    (notes, entry)
}

/// What was heard, in numbers.
fn counts(heard: &Heard) -> Vec<String> {
    let count = |wanted: fn(&heard::Node) -> bool| heard.nodes.iter().filter(|node| wanted(node)).count();
    let mut lines = vec![format!(
        "Heard: {} nodes known, {} up, {} of them announce something.",
        heard.nodes.len(),
        count(|node| node.up),
        count(|node| node.settled),
    )];
    if heard.not_kept > 0 {
        lines.push(format!(
            "{} rejected routes were not kept, and are not considered: ask again after the reload.",
            heard.not_kept
        ));
    }
    lines
}

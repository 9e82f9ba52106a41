//! Pins: every node that is up, with the addresses of all its sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::heard::{Heard, Node};

/// A pin, as the file has it, and what to know of it.
#[derive(Debug, PartialEq)]
pub(super) struct Pin {
    pub(super) comment: Option<String>,
    pub(super) entry: Map<String, Value>,
}

/// The pins there are, with what is heard of them besides, then those of nodes that have none; and what is left
/// out, a line each.
pub(super) fn pins(heard: &Heard, pinned: &[Map<String, Value>]) -> (Vec<Pin>, Vec<String>) {
    let (mut pins, mut left_out) = (Vec::new(), Vec::new());
    let shared = shared(heard);
    let mut taken: BTreeSet<IpAddr> = pinned.iter().flat_map(addresses).collect();
    // Where clusters have nodes with one address, pins say whose they are.
    taken.retain(|address| !shared.contains(address));
    let mut names: BTreeSet<String> = pinned.iter().filter_map(name).collect();
    for entry in pinned {
        let mut entry = entry.clone();
        let own: BTreeSet<IpAddr> = addresses(&entry).collect();
        let is_it =
            |node: &&Node| name(&entry).as_ref() == Some(&node.name) && !node.addresses.is_disjoint(&own);
        let node = heard.nodes.iter().find(is_it);
        let more: Vec<_> = node
            .into_iter()
            .flat_map(|node| &node.addresses)
            .filter(|address| !own.contains(address) && taken.insert(**address))
            .map(ToString::to_string)
            .collect();
        let comment = (!more.is_empty()).then(|| format!("new: {}", more.join(", ")));
        if let Some(Value::Array(list)) = entry.get_mut("address") {
            list.extend(more.into_iter().map(Value::from));
        }
        pins.push(Pin { comment, entry });
    }
    for node in &heard.nodes {
        let is_pinned = |entry: &Map<String, Value>| {
            name(entry).as_ref() == Some(&node.name)
                && addresses(entry).any(|own| node.addresses.contains(&own))
        };
        let free: Vec<_> = node.addresses.iter().filter(|address| !taken.contains(address)).collect();
        if free.is_empty() || pinned.iter().any(is_pinned) {
            continue;
        }
        let is_shared = free.iter().any(|address| shared.contains(address));
        let shown = free.iter().map(ToString::to_string).collect::<Vec<_>>();
        if !node.up {
            left_out.push(format!(
                "{} ({}) is down: pin it if it is to come back",
                node.name,
                shown.join(", ")
            ));
            continue;
        }
        let mut own_name = node.name.clone();
        while !names.insert(own_name.clone()) {
            own_name = format!("{own_name}-{}", node.cluster);
        }
        taken.extend(node.addresses.iter().filter(|address| !shared.contains(address)));
        let unnamed = node.router_id.is_some_and(|id| id.to_string() == node.name);
        let comment = match (unnamed, node.router_id) {
            (true, _) => Some("its BGP identifier; call it what Kubernetes calls it".to_owned()),
            (false, Some(id)) => Some(format!("BGP identifier {id}")),
            (false, None) => None,
        };
        let mut entry = Map::new();
        entry.insert("name".into(), own_name.into());
        entry.insert("rack".into(), json!(only(&node.racks)));
        if is_shared {
            entry.insert("cluster".into(), node.cluster.clone().into());
        }
        entry.insert("address".into(), shown.into());
        entry.insert("as".into(), json!(only(&node.ases)));
        pins.push(Pin { comment, entry });
    }
    (pins, left_out)
}

/// Addresses that nodes of several clusters have: their VRFs differ.
fn shared(heard: &Heard) -> BTreeSet<IpAddr> {
    let mut clusters: BTreeMap<IpAddr, &str> = BTreeMap::new();
    let mut shared = BTreeSet::new();
    for node in &heard.nodes {
        for address in &node.addresses {
            if *clusters.entry(*address).or_insert(&node.cluster) != node.cluster {
                shared.insert(*address);
            }
        }
    }
    shared
}

/// What all sessions of a node have, if it is the same.
fn only<T: Clone + Ord>(values: &BTreeSet<T>) -> Option<T> {
    values.first().filter(|_| values.len() == 1).cloned()
}

fn name(entry: &Map<String, Value>) -> Option<String> {
    entry.get("name")?.as_str().map(str::to_owned)
}

fn addresses(entry: &Map<String, Value>) -> impl Iterator<Item = IpAddr> {
    let list = entry.get("address").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|address| address.as_str()?.parse().ok())
}

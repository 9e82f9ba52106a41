//! `[[nodes]]`.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::model::{Neighbors, Node};
use super::super::table::{Section, Value};
use super::neighbors::Entries;
use super::{asn, name};

/// All pins.
pub(super) fn nodes(root: &mut Section<'_, '_>, neighbors: &Entries) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for mut section in root.sections("nodes") {
        let node = node(&mut section, &nodes, neighbors);
        nodes.push(node);
    }
    nodes
}

fn node(section: &mut Section<'_, '_>, before: &[Node], neighbors: &Entries) -> Node {
    let named = section.require("name").and_then(|value| name(&value).map(|name| (name, value)));
    let rack = section.read("rack", name);
    let stated = section.take("cluster");
    let cluster = stated.as_ref().and_then(|value| cluster(value, neighbors));
    // Of a cluster that is not known it cannot be told whom it meets there.
    let before = if stated.is_some() && cluster.is_none() { &[] } else { before };
    let mut node = Node { name: Arc::default(), rack, cluster, addresses: Vec::new(), asn: None };
    for value in section.require("address").map(Value::some).unwrap_or_default() {
        let Some(address) = address(&value, &node, before, neighbors) else { continue };
        if node.addresses.contains(&address) {
            value.fail(format!("{address} stands here twice"));
        } else {
            node.addresses.push(address);
        }
    }
    if let Some((name, value)) = named {
        node.name = name;
        unique(&value, &node, before, neighbors);
    }
    node.asn = section.take("as").and_then(|value| {
        let asn = asn(&value)?;
        permitted(&value, asn, &node, neighbors);
        Some(asn)
    });
    node
}

fn cluster(value: &Value<'_, '_>, neighbors: &Entries) -> Option<Arc<str>> {
    let cluster = name(value)?;
    let known = || neighbors.read.iter().map(|entry| &entry.cluster);
    if neighbors.complete && known().all(|known| *known != cluster) {
        let mut clusters: Vec<&str> = known().map(|known| &**known).collect();
        clusters.sort_unstable();
        clusters.dedup();
        value.unknown_word("cluster", &cluster, clusters.into_iter(), "the clusters of [[neighbors]] are");
        return None;
    }
    Some(cluster)
}

/// Nodes of different clusters may have one name.
fn unique(value: &Value<'_, '_>, node: &Node, before: &[Node], neighbors: &Entries) {
    let meet = |other: &&Node| {
        let (own, others) = (clusters(node, neighbors), clusters(other, neighbors));
        own.is_empty() || others.is_empty() || own.iter().any(|cluster| others.contains(cluster))
    };
    let mut named_alike = before.iter().filter(|other| other.name == node.name);
    if named_alike.any(|other| meet(&other)) {
        let help = "a node of another cluster may have the same name: say so with `cluster`";
        value.fail_with(format!("node `{}` is already defined", node.name), help);
    }
}

/// The clusters that a node may turn up in.
fn clusters<'n>(node: &'n Node, neighbors: &'n Entries) -> Vec<&'n Arc<str>> {
    let of_ranges = || node.addresses.iter().flat_map(|address| ranges(node, *address, neighbors));
    node.cluster.as_ref().map_or_else(|| of_ranges().map(|entry| &entry.cluster).collect(), |one| vec![one])
}

/// The entries that let a node in from this address: one of each leaf.
fn ranges<'n>(
    node: &'n Node,
    address: IpAddr,
    neighbors: &'n Entries,
) -> impl Iterator<Item = &'n Neighbors> {
    let holding = neighbors.read.iter().filter(move |entry| longest(&neighbors.read, entry, address));
    holding.filter(|entry| node.cluster.as_ref().is_none_or(|cluster| *cluster == entry.cluster))
}

/// One address may be that of two nodes only where their VRFs differ.
fn address(value: &Value<'_, '_>, node: &Node, before: &[Node], neighbors: &Entries) -> Option<IpAddr> {
    let address: IpAddr = value.parse("an address", "\"192.168.1.11\" or \"fd00::11\"")?;
    let vrfs = |node: &Node| -> Vec<Arc<str>> {
        ranges(node, address, neighbors).map(|entry| entry.vrf.clone()).collect()
    };
    let own = vrfs(node);
    let meets = |other: &&Node| {
        let others = vrfs(other);
        own.is_empty() || others.is_empty() || own.iter().any(|vrf| others.contains(vrf))
    };
    let mut holders = before.iter().filter(|other| other.addresses.contains(&address));
    if let Some(other) = holders.find(meets) {
        value.fail(format!("{address} belongs to node `{}` already", other.name));
    } else if neighbors.complete && own.is_empty() {
        let help = "a node peers from its address, and [[neighbors]] says from which";
        let of = node.cluster.as_ref().map_or(String::new(), |cluster| format!(" of cluster `{cluster}`"));
        value.fail_with(format!("{address} is in no range of [[neighbors]]{of}"), help);
    }
    Some(address)
}

/// A pin whose AS no range of its addresses permits would be down for ever.
fn permitted(value: &Value<'_, '_>, asn: u32, node: &Node, neighbors: &Entries) {
    for address in &node.addresses {
        let mut entries = ranges(node, *address, neighbors).peekable();
        let Some(first) = entries.peek().copied() else { continue };
        if !entries
            .any(|entry| entry.peer_as.is_empty() || entry.peer_as.iter().any(|range| range.contains(asn)))
        {
            value.fail(format!("AS {asn} is not in `peer_as` of {}, where {address} is", first.range));
            return;
        }
    }
}

/// Whether `entry` is the one of its leaf that holds for `address`.
fn longest(entries: &[Neighbors], entry: &Neighbors, address: IpAddr) -> bool {
    let length = |entry: &Neighbors| entry.range.contains(&address).then(|| entry.range.prefix_len());
    let of_leaf = entries.iter().filter(|other| other.leaf == entry.leaf);
    length(entry).is_some() && length(entry) == of_leaf.filter_map(length).max()
}

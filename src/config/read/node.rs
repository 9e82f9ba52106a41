//! `[[nodes]]`.

use std::net::IpAddr;

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
    let own_name = section.require("name").and_then(|value| {
        let name = name(&value)?;
        if before.iter().any(|node| node.name == name) {
            value.fail(format!("node `{name}` is already defined"));
        }
        Some(name)
    });
    let rack = section.read("rack", name);
    let mut addresses = Vec::new();
    for value in section.require("address").map(Value::some).unwrap_or_default() {
        let Some(address) = address(&value, before, neighbors) else { continue };
        if addresses.contains(&address) {
            value.fail(format!("{address} stands here twice"));
        } else {
            addresses.push(address);
        }
    }
    let asn = section.take("as").and_then(|value| {
        let asn = asn(&value)?;
        permitted(&value, asn, &addresses, neighbors);
        Some(asn)
    });
    Node { name: own_name.unwrap_or_default(), rack, addresses, asn }
}

fn address(value: &Value<'_, '_>, before: &[Node], neighbors: &Entries) -> Option<IpAddr> {
    let address: IpAddr = value.parse("an address", "\"192.168.1.11\" or \"fd00::11\"")?;
    if let Some(other) = before.iter().find(|node| node.addresses.contains(&address)) {
        value.fail(format!("{address} belongs to node `{}` already", other.name));
    } else if neighbors.complete && !neighbors.read.iter().any(|entry| entry.range.contains(&address)) {
        let help = "a node peers from its address, and [[neighbors]] says from which";
        value.fail_with(format!("{address} is in no range of [[neighbors]]"), help);
    }
    Some(address)
}

/// A pin whose AS no range of its addresses permits would be down for ever.
fn permitted(value: &Value<'_, '_>, asn: u32, addresses: &[IpAddr], neighbors: &Entries) {
    for address in addresses {
        let mut entries =
            neighbors.read.iter().filter(|entry| longest(&neighbors.read, entry, *address)).peekable();
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

//! Names: those that the file defines, and those that the APIC takes.

use std::sync::Arc;

use super::super::model::{Leaf, Neighbors, Node};
use super::super::table::{Section, Value};
use super::neighbors::Entries;

/// The longest name that the APIC takes.
pub(super) const LONGEST: usize = 64;

/// What later sections may name.
pub(super) struct Names<'n> {
    pub(super) clusters: Vec<&'n str>,
    pub(super) vrfs: Vec<&'n str>,
    pub(super) racks: Vec<&'n str>,
    pub(super) nodes: Vec<&'n str>,
    pub(super) leaves: Vec<&'n str>,
    /// The VRF that all peers are in, if there is one.
    pub(super) only_vrf: Option<&'n str>,
    /// Whether all sections that give names could be read.
    pub(super) complete: bool,
}

impl<'n> Names<'n> {
    pub(super) fn of(leaves: &'n [Leaf], neighbors: &'n Entries, nodes: &'n [Node]) -> Self {
        let entries: &'n [Neighbors] = &neighbors.read;
        let clusters = leaves.iter().map(|leaf| &*leaf.cluster);
        let of_leaves = || leaves.iter().map(|leaf| &*leaf.vrf);
        let of_peers = || entries.iter().map(|entry| &*entry.vrf);
        let racks = leaves.iter().map(|leaf| &*leaf.rack);
        let meant = if entries.is_empty() { unique(of_leaves()) } else { unique(of_peers()) };
        Self {
            clusters: unique(clusters.chain(entries.iter().map(|entry| &*entry.cluster))),
            vrfs: unique(of_leaves().chain(of_peers())),
            racks: unique(racks.chain(nodes.iter().filter_map(|node| node.rack.as_deref()))),
            nodes: unique(nodes.iter().map(|node| &*node.name)),
            leaves: unique(leaves.iter().map(|leaf| &*leaf.name)),
            only_vrf: if let [only] = meant[..] { Some(only) } else { None },
            complete: neighbors.complete
                && leaves.iter().all(|leaf| !leaf.name.is_empty())
                && nodes.iter().all(|node| !node.name.is_empty()),
        }
    }

    /// The names under `key`, each of which must be one of `known`; none if the key is not there.
    pub(super) fn known(
        &self,
        section: &mut Section<'_, '_>,
        key: &'static str,
        what: &str,
        known: &[&str],
    ) -> Vec<Arc<str>> {
        let values = section.take(key).map(Value::some).unwrap_or_default();
        let name = |value: &Value<'_, '_>| {
            let name = value.text()?;
            if known.contains(&name) || !self.complete {
                return Some(name.into());
            }
            value.unknown_word(what, name, known.iter().copied(), &format!("the {what}s are"));
            None
        };
        values.iter().filter_map(name).collect()
    }
}

/// Whether the APIC takes `name` for an object.
pub(super) fn is_of_apic(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.chars().all(is_letter)
}

/// Whether the names of the APIC may hold `char`.
pub(super) const fn is_letter(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | ':' | '-')
}

/// What [`is_of_apic`] takes, for people.
pub(super) const RULE: &str = "it takes up to 64 letters, digits, `_`, `.`, `:` and `-`";

/// The name of an object of the APIC.
pub(super) fn of_apic(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let name = value.text()?;
    if is_of_apic(name) {
        return Some(name.into());
    }
    value.fail_with(format!("the APIC does not take `{}` for a name", name.escape_debug()), RULE);
    None
}

/// Names of objects of the APIC, each once.
pub(super) fn several_of_apic(section: &mut Section<'_, '_>, key: &'static str) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for value in section.take(key).map(Value::list).unwrap_or_default() {
        match of_apic(&value) {
            Some(name) if names.contains(&name) => value.fail(format!("`{name}` stands here twice")),
            Some(name) => names.push(name),
            None => {}
        }
    }
    names
}

fn unique<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut unique: Vec<&str> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

//! The suggestion as sections of a configuration file, with the reasons beside them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::nodes::Pin;
use super::prefixes::Entry;
use crate::cli::table::printable;

/// Leaks that are listed one by one.
const LEAKS: usize = 50;

/// Keys of an entry, in the order in which people write them.
const KEYS: [&str; 8] = ["class", "prefix", "lengths", "own_only", "clusters", "racks", "nodes", "expect"];

/// What the file shall hold.
pub(super) struct Document {
    /// Lines about what was heard.
    pub(super) heard: Vec<String>,
    pub(super) pins: Vec<Pin>,
    /// Nodes that are not pinned.
    pub(super) left_out: Vec<String>,
    /// What is allowed already, with what is to be known of each.
    pub(super) allowed: Vec<(Vec<String>, Map<String, Value>)>,
    /// New entries, by cluster.
    pub(super) new: Vec<(String, Entry)>,
    /// There are several clusters: entries say of which they are.
    pub(super) scoped: bool,
    /// What is not suggested, a line each.
    pub(super) leaks: Vec<String>,
}

const HEAD: &str = "\
What is heard now, as sections of a configuration. Review it before you use it: what is wrong in the
fabric today would be allowed tomorrow. [[nodes]] and [[policy.allow]] below take the place of those in
the file; all else stays. `thirdleaf diff FILE` then says what a reload would change.

How it was made: only routes count whose path and next hop are right.
- service: a prefix that most nodes announce. It is expected of every node if every node that is up and
  announces something has it, or all but a tenth, which are excepted.
- pod: prefixes of one length from different nodes that lie within one /16 (IPv6: one /48), and what covers
  them; neighbouring ranges are one if they are half full, up to a /12 (IPv6: a /32). Single pods may be
  announced within it, as Calico does with pods that borrow an address.
- node: prefixes that hold the addresses of the nodes that announce them.
- a leak, and not suggested: what one node alone says, public addresses, the default route, reserved
  ranges, what is wider than /8 (IPv6: /32), single addresses outside of all ranges.";

impl Document {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        comments(HEAD.lines(), out)?;
        if !self.heard.is_empty() {
            writeln!(out, "#")?;
            comments(self.heard.iter().map(String::as_str), out)?;
        }
        for Pin { comment, entry } in &self.pins {
            section("nodes", comment.as_slice(), entry, &["name", "rack", "cluster", "address", "as"], out)?;
        }
        if !self.left_out.is_empty() {
            writeln!(out, "\n# Not pinned:")?;
            comments(self.left_out.iter().map(String::as_str), out)?;
        }
        for (notes, entry) in &self.allowed {
            section("policy.allow", notes, entry, &KEYS, out)?;
        }
        for (clusters, entry) in self.merged() {
            let note = format!("New: {}.", entry.because);
            section("policy.allow", &[note], &self.entry(&clusters, entry), &KEYS, out)?;
        }
        if !self.leaks.is_empty() {
            writeln!(out, "\n# Not suggested, for it looks like a leak (`thirdleaf why PREFIX` says more):")?;
            comments(self.leaks.iter().take(LEAKS).map(String::as_str), out)?;
            let more = self.leaks.len().saturating_sub(LEAKS);
            if more > 0 {
                writeln!(out, "# and {more} more")?;
            }
        }
        Ok(())
    }

    /// New entries, those that are the same in several clusters once.
    fn merged(&self) -> Vec<(Vec<&str>, &Entry)> {
        let mut merged: Vec<(Vec<&str>, &Entry)> = Vec::new();
        let mut places = BTreeMap::new();
        for (cluster, entry) in &self.new {
            let key = (entry.class, entry.prefix, &entry.lengths, entry.expect, &entry.except);
            let at = *places.entry(key).or_insert_with(|| {
                merged.push((Vec::new(), entry));
                merged.len() - 1
            });
            if let Some((clusters, _)) = merged.get_mut(at) {
                clusters.push(cluster);
            }
        }
        merged
    }

    fn entry(&self, clusters: &[&str], entry: &Entry) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("class".into(), entry.class.into());
        map.insert("prefix".into(), entry.prefix.to_string().into());
        map.insert("lengths".into(), json!(entry.lengths));
        if self.scoped {
            map.insert("clusters".into(), json!(clusters));
        }
        map.insert("expect".into(), json!(entry.expect));
        if !entry.except.is_empty() {
            map.insert("except".into(), json!({ "nodes": entry.except }));
        }
        map
    }
}

fn comments<'l>(lines: impl Iterator<Item = &'l str>, out: &mut impl Write) -> io::Result<()> {
    for line in lines {
        let line = printable(line);
        writeln!(out, "#{}{line}", if line.is_empty() { "" } else { " " })?;
    }
    Ok(())
}

/// A section: the keys that are named first, then all others; what is empty is left out.
fn section(
    name: &str,
    notes: &[String],
    entry: &Map<String, Value>,
    first: &[&str],
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out)?;
    comments(notes.iter().map(String::as_str), out)?;
    writeln!(out, "[[{name}]]")?;
    let others = entry.keys().map(String::as_str).filter(|key| !first.contains(key));
    for key in first.iter().copied().chain(others) {
        if let Some(value) = entry.get(key).and_then(toml) {
            writeln!(out, "{key} = {value}")?;
        }
    }
    Ok(())
}

/// A value as TOML writes it in line; none of what is empty.
fn toml(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Array(list) => {
            let list: Vec<_> = list.iter().filter_map(toml).collect();
            if list.is_empty() {
                return None;
            }
            toml::Value::Array(list)
        }
        Value::Object(map) => {
            let table: toml::Table =
                map.iter().filter_map(|(key, value)| Some((key.clone(), toml(value)?))).collect();
            if table.is_empty() {
                return None;
            }
            toml::Value::Table(table)
        }
        Value::Bool(value) => toml::Value::Boolean(*value),
        Value::Number(number) => toml::Value::Integer(number.as_i64()?),
        Value::String(text) => toml::Value::String(text.clone()),
    })
}

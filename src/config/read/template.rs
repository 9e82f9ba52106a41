//! Names with places for what is known of a route.

use std::net::Ipv4Addr;

use super::super::model::{Match, Piece, Template};
use super::super::table::Value;
use super::names::{Names, RULE, is_letter, is_of_apic};

/// Placeholders that a version to come fills.
const LATER: [&str; 3] = ["namespace", "deployment", "service"];

/// A name such as `web-{rack}`.
pub(super) fn template(value: &Value<'_, '_>) -> Option<Template> {
    let text = value.text()?;
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        fixed(value, before, &mut pieces)?;
        let Some((word, after)) = brace.strip_prefix('{').and_then(|word| word.split_once('}')) else {
            let message = format!("`{}` has a brace without its other half", text.escape_debug());
            value.fail_with(message, "write {node} or {rack}");
            return None;
        };
        pieces.push(placeholder(value, word)?);
        rest = after;
    }
    fixed(value, rest, &mut pieces)?;
    if pieces.is_empty() {
        value.fail("a name must not be empty");
        return None;
    }
    Some(Template(pieces))
}

fn fixed(value: &Value<'_, '_>, text: &str, pieces: &mut Vec<Piece>) -> Option<()> {
    if let Some(char) = text.chars().find(|char| !is_letter(*char)) {
        value.fail_with(format!("the APIC takes no `{}` in a name", char.escape_debug()), RULE);
        return None;
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Some(())
}

fn placeholder(value: &Value<'_, '_>, word: &str) -> Option<Piece> {
    match word {
        "node" => return Some(Piece::Node),
        "rack" => return Some(Piece::Rack),
        word if LATER.contains(&word) => {
            value.fail_with(
                format!("`{{{word}}}` comes with a later version"),
                "it is not known yet which workload a route is of; {node} and {rack} are",
            );
        }
        _ => value.unknown_word("placeholder", word, ["node", "rack"].into_iter(), "the placeholders are"),
    }
    None
}

/// Whether the APIC takes every name that comes of it for the nodes and racks that are known now. Others are
/// left out when they turn up.
pub(super) fn is_taken(value: &Value<'_, '_>, template: &Template, matches: &Match, names: &Names<'_>) {
    let longest_identifier = Ipv4Addr::BROADCAST.to_string();
    let nodes: Vec<&str> = if matches.node.is_empty() {
        names.nodes.iter().copied().chain([&*longest_identifier]).collect()
    } else {
        matches.node.iter().map(|node| &**node).collect()
    };
    let racks: Vec<&str> = if matches.rack.is_empty() {
        names.racks.clone()
    } else {
        matches.rack.iter().map(|rack| &**rack).collect()
    };
    let has = |piece: &Piece| template.0.contains(piece);
    let none = [""];
    let nodes: &[&str] = if has(&Piece::Node) { &nodes } else { &none };
    let racks: &[&str] = if has(&Piece::Rack) { &racks } else { &none };
    let wrong = nodes.iter().find_map(|node| {
        racks.iter().map(|rack| filled(template, node, rack)).find(|name| !is_of_apic(name))
    });
    if let Some(name) = wrong {
        value.fail_with(format!("the APIC would not take `{}` for a name", name.escape_debug()), RULE);
    }
}

fn filled(template: &Template, node: &str, rack: &str) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.to_string(),
        Piece::Node => node.to_owned(),
        Piece::Rack => rack.to_owned(),
    };
    template.0.iter().map(piece).collect()
}

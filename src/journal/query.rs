//! Questions about what happened.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::observer::view::Event;
use crate::observer::{BadCursor, Match};
use crate::time::Timestamp;

/// Which events to show: `GET /api/v1/events`. Every filter that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// At this time or earlier.
    pub until: Option<Timestamp>,
    /// Later in the sequence than this one.
    pub after: u64,
    /// Of one of these kinds.
    pub kinds: Option<Kinds>,
    /// About a prefix that relates to this one as `matching` says.
    pub prefix: Option<IpNet>,
    /// How `prefix` is meant.
    pub matching: Match,
    /// About this cluster.
    pub cluster: Option<String>,
    /// About this VRF.
    pub vrf: Option<String>,
    /// About this leaf.
    pub leaf: Option<String>,
    /// About this peer.
    pub peer: Option<IpAddr>,
    /// About this node.
    pub node: Option<String>,
    /// Done by this actor.
    pub actor: Option<String>,
    /// The newest first.
    pub newest: bool,
    /// At most so many on a page.
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<Place>,
}

impl EventQuery {
    /// Whether this is one of the events.
    pub fn wants(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        event.id > self.after
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at <= until)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contain(&event.kind))
            && self.prefix.is_none_or(|wanted| {
                event.prefix.is_some_and(|prefix| relates(&prefix, self.matching, &wanted))
            })
            && is(&self.cluster, &event.cluster)
            && is(&self.vrf, &event.vrf)
            && is(&self.leaf, &event.leaf)
            && (self.peer.is_none() || self.peer == event.peer)
            && is(&self.node, &event.node)
            && is(&self.actor, &event.actor)
    }
}

/// Whether `prefix` is, lies within, or covers `wanted`.
pub(super) fn relates(prefix: &IpNet, matching: Match, wanted: &IpNet) -> bool {
    match matching {
        Match::Exact => prefix == wanted,
        Match::Longer => wanted.contains(prefix),
        Match::Covering => prefix.contains(wanted),
    }
}

/// Kinds of events: names (`reload`), first words of names (`peer` stands for `peer_up`, `peer_down`, ...), or
/// beginnings (`route_re*`), separated by commas; behind a `!`, those that are not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinds(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Beginning(String),
    Not(String),
}

/// The text names no kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kinds of events: like peer_up, peer, or route_*, separated by commas")]
pub struct NoKinds;

impl Kinds {
    /// Whether events of this kind are wanted.
    pub fn contain(&self, kind: &str) -> bool {
        let is =
            |name: &str| kind.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        let mut wanted = None;
        for pattern in &self.0 {
            match pattern {
                Pattern::Not(name) if is(name) => return false,
                Pattern::Not(_) => {}
                Pattern::Name(name) => wanted = Some(wanted == Some(true) || is(name)),
                Pattern::Beginning(beginning) => {
                    wanted = Some(wanted == Some(true) || kind.starts_with(beginning));
                }
            }
        }
        wanted.unwrap_or(true)
    }
}

impl Kinds {
    /// The same for `SQLite`, which gets the values of its parameters.
    pub(super) fn condition(&self, values: &mut Vec<rusqlite::types::Value>) -> String {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for pattern in &self.0 {
            match pattern {
                Pattern::Name(name) => wanted.push(vec![name.clone(), format!("{name}_*")]),
                Pattern::Beginning(beginning) => wanted.push(vec![format!("{beginning}*")]),
                Pattern::Not(name) => unwanted.push(vec![name.clone(), format!("{name}_*")]),
            }
        }
        let any = |patterns: &[Vec<String>]| {
            let count = patterns.iter().map(Vec::len).sum();
            vec!["kind GLOB ?"; count].join(" OR ")
        };
        let mut conditions = Vec::new();
        if !wanted.is_empty() {
            conditions.push(format!("({})", any(&wanted)));
        }
        if !unwanted.is_empty() {
            conditions.push(format!("NOT ({})", any(&unwanted)));
        }
        values.extend(wanted.into_iter().chain(unwanted).flatten().map(Into::into));
        conditions.join(" AND ")
    }
}

impl FromStr for Kinds {
    type Err = NoKinds;

    fn from_str(text: &str) -> Result<Self, NoKinds> {
        let pattern = |part: &str| {
            let (part, is_not) = part.strip_prefix('!').map_or((part, false), |part| (part, true));
            let (name, is_whole) = part.strip_suffix('*').map_or((part, true), |name| (name, false));
            let is_word =
                name.bytes().all(|octet| octet.is_ascii_lowercase() || b"_0123456789".contains(&octet));
            match is_word {
                true if is_not && is_whole && !name.is_empty() => Ok(Pattern::Not(name.to_owned())),
                _ if is_not => Err(NoKinds),
                true if is_whole && !name.is_empty() => Ok(Pattern::Name(name.to_owned())),
                true if !is_whole => Ok(Pattern::Beginning(name.to_owned())),
                _ => Err(NoKinds),
            }
        };
        text.split(',').map(|part| pattern(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// A place in the sequence of events: the one where a page ended, and the one where the last page will. Opaque to
/// clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last event that was looked at.
    pub at: u64,
    /// The last one to be looked at: before this one if the newest come first.
    pub end: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.at, self.end)
    }
}

impl FromStr for Place {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (at, end) = text.split_once('~').ok_or(BadCursor)?;
        let number = |text: &str| text.parse().map_err(|_| BadCursor);
        Ok(Self { at: number(at)?, end: number(end)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_names_first_words_or_beginnings() {
        for (text, kind, expected) in [
            ("reload", "reload", true),
            ("reload", "reloaded", false),
            ("peer", "peer_up", true),
            ("peer", "peers_lost", false),
            ("peer_up", "peer_down", false),
            ("route_*", "route_accepted", true),
            ("route_re*", "route_accepted", false),
            ("*", "anything", true),
            ("reload, finding", "finding_open", true),
            ("!route", "route_accepted", false),
            ("!route", "routes_gone", true),
            ("!route,!peer_up", "peer_down", true),
            ("peer,!peer_up", "peer_up", false),
            ("peer,!peer_up", "reload", false),
        ] {
            assert_eq!(text.parse::<Kinds>().unwrap().contain(kind), expected, "{text} {kind}");
        }
        for text in ["", "peer,", "peer%", "Peer", "a*b", "!", "!route_*", "!!route"] {
            assert_eq!(text.parse::<Kinds>(), Err(NoKinds), "{text}");
        }
    }

    #[test]
    fn places_survive_printing() {
        let place = Place { at: 17, end: u64::MAX };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "17", "17~", "~", "-1~2", "1~2~3"] {
            assert_eq!(text.parse::<Place>(), Err(BadCursor), "{text}");
        }
    }
}

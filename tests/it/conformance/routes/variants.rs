//! UPDATEs with one thing out of the ordinary, wherever it may stand, over routes that are there already.

use super::*;
use crate::wire::{hex, mp_unreach};

/// What must come of an UPDATE.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// Its routes are there, in place of the former ones; the attribute may be dropped.
    Kept,
    /// Its routes are gone, and the former ones too (RFC 7606, 2: treat-as-withdraw).
    Withdrawn,
}

/// An attribute in place of the one of its type, or besides the usual ones.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) octets: Vec<u8>,
    pub(super) outcome: Outcome,
}

pub(super) fn variant(name: impl Into<String>, octets: Vec<u8>, outcome: Outcome) -> Variant {
    Variant { name: name.into(), octets, outcome }
}

pub(super) fn kept(name: &str, digits: &str) -> Variant {
    variant(name, hex(digits), Outcome::Kept)
}

pub(super) fn withdrawn(name: &str, digits: &str) -> Variant {
    variant(name, hex(digits), Outcome::Withdrawn)
}

/// Where the attribute stands, and which routes the UPDATE is about.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// First, prefixes of IPv4.
    First,
    /// In the middle, prefixes of both families.
    Middle,
    /// Last, prefixes of IPv4.
    Last,
    /// Last, prefixes of IPv6.
    LastV6,
}

/// Routes that a good UPDATE announced before, one of each family, and those that come with the bad one.
const FORMER: [&str; 2] = ["10.244.1.0/26", "fd00:10:244:1::/122"];
const OTHER: [&str; 2] = ["10.244.2.0/26", "fd00:10:244:2::/122"];

impl Shape {
    const ALL: [Self; 4] = [Self::First, Self::Middle, Self::Last, Self::LastV6];

    const fn has_v4(self) -> bool {
        !matches!(self, Self::LastV6)
    }

    const fn has_v6(self) -> bool {
        matches!(self, Self::Middle | Self::LastV6)
    }

    fn update(self, usual: &[Vec<u8>], odd: &[u8]) -> Vec<u8> {
        let mut attributes: Vec<Vec<u8>> =
            usual.iter().filter(|attribute| odd.get(1) != attribute.get(1)).cloned().collect();
        if self.has_v6() {
            // Not last: what follows must not cost it its prefixes.
            let both = format!("{} {}", FORMER[1], OTHER[1]);
            attributes.insert(0, mp_reach(2, 1, &V6_NEXT_HOP, &nlri(&both)));
            if !self.has_v4() {
                attributes.retain(|attribute| attribute[1] != 3);
            }
        }
        let place = match self {
            Self::First => 0,
            Self::Middle => attributes.len() / 2,
            Self::Last | Self::LastV6 => attributes.len(),
        };
        attributes.insert(place, odd.to_vec());
        let both = format!("{} {}", FORMER[0], OTHER[0]);
        let plain = if self.has_v4() { nlri(&both) } else { Vec::new() };
        update(&[], &attributes.concat(), &plain)
    }

    /// Prefixes and origins that must be there afterwards; those of before are of origin `incomplete`.
    fn expected(self, outcome: Outcome) -> Vec<String> {
        let mut expected = Vec::new();
        for (family, touched) in [self.has_v4(), self.has_v6()].into_iter().enumerate() {
            match outcome {
                _ if !touched => expected.push(format!("{} incomplete", FORMER[family])),
                Outcome::Kept => {
                    expected.extend([FORMER, OTHER].map(|prefixes| format!("{} igp", prefixes[family])));
                }
                Outcome::Withdrawn => {}
            }
        }
        expected
    }
}

/// Says every variant in every place to sessions with this OPEN, and fails naming those that went wrong.
pub(super) fn judge(client: &Client<'_>, variants: &[Variant]) {
    judge_over(client, || Talk::start(client), &usual(client.address), variants);
}

/// The same with sessions and usual attributes of their own.
pub(super) fn judge_over<'a>(
    client: &'a Client<'a>,
    start: impl Fn() -> Talk<'a>,
    usual: &[Vec<u8>],
    variants: &[Variant],
) {
    assert!(!variants.is_empty());
    let mut talk = start();
    let mut wrong = Vec::new();
    let mut count = 0;
    for variant in variants {
        for shape in Shape::ALL {
            // NEXT_HOP has no part in an UPDATE that has MP_REACH alone (RFC 4760, 3).
            if variant.octets.get(1) == Some(&3) && !shape.has_v4() {
                continue;
            }
            count += 1;
            talk.say(&former(usual));
            let said = shape.update(usual, &variant.octets);
            talk.say(&said);
            if let Err(why) = held(&mut talk, &shape.expected(variant.outcome)) {
                wrong.push(format!("{} ({shape:?}): {why}", variant.name));
                drop(talk);
                talk = start();
            }
        }
    }
    client.note(format!("{count} UPDATEs"));
    assert!(wrong.is_empty(), "{} of {count} went wrong:\n{}", wrong.len(), wrong.join("\n"));
    talk.peer.expect_up();
}

/// One route of each family, and nothing else.
fn former(usual: &[Vec<u8>]) -> Vec<u8> {
    let mut attributes = usual.to_vec();
    attributes[0] = origin(2);
    attributes.push(mp_reach(2, 1, &V6_NEXT_HOP, &nlri(FORMER[1])));
    attributes.push(mp_unreach(2, 1, &nlri(OTHER[1])));
    update(&nlri(OTHER[0]), &attributes.concat(), &nlri(FORMER[0]))
}

fn held(talk: &mut Talk<'_>, expected: &[String]) -> Result<(), String> {
    let mut found: Vec<String> = talk.try_routes()?.iter().map(describe).collect();
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

fn describe(route: &Value) -> String {
    let text = |key: &str| route[key].as_str().unwrap_or("?").to_owned();
    let state = if route["state"] == "accepted" { String::new() } else { format!(" {}", text("state")) };
    format!("{} {}{state}", text("prefix"), text("origin"))
}

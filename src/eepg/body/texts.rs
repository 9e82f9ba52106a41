//! What a member says of itself to who looks at it in the APIC.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use crate::eepg::dn;
use crate::eepg::mark::Mark;
use crate::eepg::rule::{RuleId, Rules};
use crate::policy::Class;

/// `name` is no longer.
const LONGEST_NAME: usize = 64;
/// `descr` is no longer.
const LONGEST_DESCR: usize = 128;

/// What a member says of itself: `name` and `descr`. Destinations of redirect policies have `descr` alone.
///
/// The APIC takes 64 of `[a-zA-Z0-9_.:-]` and 128 of a wider set: what it may not take is written as `_`.
pub fn texts(rules: &Rules, class: Class, rule: RuleId, mark: &Mark) -> (String, String) {
    let rule = rules.name(rule);
    let first = mark.nodes.first().map_or("", |node| &**node);
    let name = format!("{class}:{rule}:{first}");
    let mut descr = format!("thirdleaf: {class} by rule {rule}, announced by ");
    if mark.nodes.is_empty() {
        descr.push_str(if mark.more { "nodes with long names" } else { "nobody" });
    }
    let room = LONGEST_DESCR - " and more".len();
    for (place, node) in mark.nodes.iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let left_out = mark.nodes.len() - place;
        let is_last = left_out == 1 && !mark.more;
        if descr.len() + comma.len() + node.len() > if is_last { LONGEST_DESCR } else { room } {
            descr.push_str(if place > 0 { " and more" } else { "nodes with long names" });
            break;
        }
        descr.push_str(comma);
        descr.push_str(node);
        if left_out == 1 && mark.more {
            descr.push_str(" and more");
        }
    }
    (cut(&name, b"_.:-", LONGEST_NAME), cut(&descr, b"_.:-/,() ", LONGEST_DESCR))
}

/// At most `longest` characters, of letters, digits and `also`.
fn cut(text: &str, also: &[u8], longest: usize) -> String {
    let permitted = |letter: char| {
        letter.is_ascii_alphanumeric() || u8::try_from(letter).is_ok_and(|letter| also.contains(&letter))
    };
    text.chars().take(longest).map(|letter| if permitted(letter) { letter } else { '_' }).collect()
}

/// What we are responsible for of a member beside `scope` and the marks, as one number. The MAC address counts
/// in upper case, as the APIC writes it; of the health group its distinguished name counts.
pub fn digest(name: &str, descr: &str, mac: &str, health_group: &str) -> u64 {
    FixedState::default().hash_one((name, descr, mac.to_ascii_uppercase(), health_group))
}

/// The [`digest`] of a member as [`request`](super::request) writes it.
pub fn wanted_digest(rules: &Rules, class: Class, rule: RuleId, mark: &Mark) -> u64 {
    let (name, descr) = texts(rules, class, rule, mark);
    let Some(redirect) = rules.redirect(rule) else { return digest(&name, &descr, "", "") };
    let owned = Owned::of(rules, &redirect.tenant, &redirect.policy);
    let mac = redirect.mac.as_deref().filter(|_| owned.mac).unwrap_or_default();
    let group = redirect.health_group.as_ref().filter(|_| owned.health_group);
    let group = group.map(|group| dn::health_group(&redirect.tenant, group)).unwrap_or_default();
    digest("", &descr, mac, &group)
}

/// Which attributes of a policy's destinations are ours: those that every rule of it names. What some rules
/// leave open is not compared, as a destination does not say by which rule it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::eepg) struct Owned {
    pub(in crate::eepg) mac: bool,
    pub(in crate::eepg) health_group: bool,
}

impl Owned {
    pub(in crate::eepg) fn of(rules: &Rules, tenant: &str, policy: &str) -> Self {
        let mut of = rules.redirects().filter(|rule| *rule.tenant == *tenant && *rule.policy == *policy);
        let Some(first) = of.next() else { return Self::default() };
        let first = Self { mac: first.mac.is_some(), health_group: first.health_group.is_some() };
        of.fold(first, |owned, rule| Self {
            mac: owned.mac && rule.mac.is_some(),
            health_group: owned.health_group && rule.health_group.is_some(),
        })
    }
}

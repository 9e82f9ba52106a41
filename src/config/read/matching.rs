//! `match` of a rule, and what all rules have in common.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::error::Error;
use super::super::model::{Allow, AllowClass, Class, Community, Match};
use super::super::table::{Place, Section, Value};
use super::apic::Fabrics;
use super::names::{Names, RULE, is_of_apic};
use super::neighbors::ranges;
use super::prefix;

/// What rules stand on.
pub(super) struct Ground<'g> {
    pub(super) names: Names<'g>,
    pub(super) allow: &'g [Allow],
    /// Whether all of this could be read.
    pub(super) complete: bool,
    pub(super) fabrics: &'g Fabrics,
}

/// What a rule is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    /// Prefixes.
    Subnets,
    /// Addresses.
    Hosts,
}

/// The `[[apic]]` of a rule: by default the only one.
pub(super) fn apic(section: &mut Section<'_, '_>, ground: &Ground<'_>) -> Option<Arc<str>> {
    let Fabrics { names, complete, .. } = ground.fabrics;
    let known = || names.iter().map(|name| &**name);
    match (section.take("apic"), &names[..]) {
        (Some(value), _) => {
            let name = value.text()?;
            let found = names.iter().find(|known| ***known == *name).cloned();
            if found.is_none() && *complete && !names.is_empty() {
                value.unknown_word("apic", name, known(), "those of [[apic]] are");
            }
            found
        }
        (None, [only]) if *complete => Some(only.clone()),
        (None, []) => None,
        (None, _) => {
            let message = format!("`apic` is missing in `{}`, and there are several", section.place().path);
            let help = format!("write one of {}", known().collect::<Vec<_>>().join(", "));
            section.reporter().report(Error::at(section.place(), message).help(help));
            None
        }
    }
}

/// That rules have an `[[apic]]`: told at the first of them.
pub(super) fn has_apic(sections: &[Section<'_, '_>], ground: &Ground<'_>) {
    if let Some(first) = sections.first().filter(|_| ground.fabrics.is_empty()) {
        let message = "there is no [[apic]]: nobody could hold what this says";
        let help = "say in [[apic]] where the controllers are and who we are there";
        first.reporter().report(Error::at(first.place(), message).help(help));
    }
}

/// The VRF of a rule: by default the only one.
pub(super) fn vrf(section: &mut Section<'_, '_>, ground: &Ground<'_>) -> Option<Arc<str>> {
    let Names { vrfs, only_vrf, complete, .. } = &ground.names;
    let (name, place): (Arc<str>, Place) = match (section.take("vrf"), only_vrf) {
        (Some(value), _) => {
            let name = value.text()?;
            if *complete && !vrfs.contains(&name) {
                let are = "no peer is in it, so nothing could match; the VRFs are";
                value.unknown_word("VRF", name, vrfs.iter().copied(), are);
                return None;
            }
            (name.into(), value.place.clone())
        }
        (None, Some(only)) => ((*only).into(), section.place().clone()),
        (None, None) => {
            if *complete && !vrfs.is_empty() {
                let message =
                    format!("`vrf` is missing in `{}`, and peers are in several", section.place().path);
                let help = format!("write one of {}", vrfs.join(", "));
                section.reporter().report(Error::at(section.place(), message).help(help));
            }
            return None;
        }
    };
    if !is_of_apic(&name) {
        let message = format!("the APIC has no VRF `{}`", name.escape_debug());
        let help = format!("`vrf` of leaves and neighbors must be the name of the fvCtx, and {RULE}");
        section.reporter().report(Error::at(&place, message).help(help));
        return None;
    }
    Some(name)
}

/// The `match` of a rule, and where it stands.
pub(super) fn matches(
    section: &mut Section<'_, '_>,
    ground: &Ground<'_>,
    vrf: Option<&str>,
    members: Members,
) -> (Match, Place) {
    let reporter = section.reporter();
    let wrong_before = reporter.count();
    let stated = section.take("match");
    let place = stated.as_ref().map_or_else(|| section.place().clone(), |value| value.place.clone());
    let allow: Vec<&Allow> = ground.allow.iter().filter(|entry| applies(entry, vrf)).collect();
    let allow = ground.complete.then_some(&allow[..]);
    let inner = stated.and_then(Value::section);
    let matches = inner.map(|mut inner| read(&mut inner, ground, allow, members)).unwrap_or_default();
    if reporter.count() == wrong_before && !allow.is_none_or(|allow| can_match(&matches, allow, members)) {
        let help = if matches.class.is_empty() {
            "without `class` only hosts match: permit their length in [[policy.allow]], or name the class"
        } else {
            "compare `class`, `prefix` and `min_length` with the prefixes and `lengths` of [[policy.allow]]"
        };
        let error = Error::at(&place, "no route that [[policy.allow]] permits could match");
        reporter.report(error.help(help));
    }
    (matches, place)
}

/// Reads every key; `allow` is what is allowed in the rule's VRF, if that is known.
fn read(
    section: &mut Section<'_, '_>,
    ground: &Ground<'_>,
    allow: Option<&[&Allow]>,
    members: Members,
) -> Match {
    if let Some(value) = section.take_unlisted("kubernetes") {
        value.fail_with(
            "`kubernetes` comes with a later version",
            "until then communities, prefixes and nodes tell workloads apart",
        );
    }
    let names = &ground.names;
    let class = classes(section, allow, members);
    let prefix = prefixes(section, allow);
    let longest = prefix.iter().map(IpNet::max_prefix_len).max().unwrap_or(128);
    Match {
        class,
        min_length: section.read("min_length", |value| min_length(value, longest)),
        prefix,
        community: several(section, "community", community),
        peer_as: section.take("peer_as").map(|value| ranges(value, None)).unwrap_or_default(),
        node: several(section, "node", |value| node(value, names)),
        rack: names.known(section, "rack", "rack", &names.racks),
        leaf: known_leaves(section, names),
        cluster: names.known(section, "cluster", "cluster", &names.clusters),
    }
}

/// One value or several.
fn several<T>(
    section: &mut Section<'_, '_>,
    key: &'static str,
    read: impl Fn(&Value<'_, '_>) -> Option<T>,
) -> Vec<T> {
    section.take(key).map(Value::some).unwrap_or_default().iter().filter_map(read).collect()
}

fn known_leaves(section: &mut Section<'_, '_>, names: &Names<'_>) -> Vec<Arc<str>> {
    several(section, "leaf", |value| {
        let name = value.text()?;
        if names.leaves.contains(&name) || !names.complete {
            return Some(name.into());
        }
        value.unknown_word("leaf", name, names.leaves.iter().copied(), "the leaves are");
        None
    })
}

/// Nodes that are not pinned have their BGP identifier for a name.
fn node(value: &Value<'_, '_>, names: &Names<'_>) -> Option<Arc<str>> {
    let name = value.text()?;
    if names.nodes.contains(&name) || name.parse::<Ipv4Addr>().is_ok() || !names.complete {
        return Some(name.into());
    }
    let are = "a node that is not pinned is named by its BGP identifier; pinned are";
    value.unknown_word("node", name, names.nodes.iter().copied(), are);
    None
}

fn classes(section: &mut Section<'_, '_>, allow: Option<&[&Allow]>, members: Members) -> Vec<Class> {
    let choices = Class::ALL.map(|class| (class.name(), class));
    let mut classes = several(section, "class", |value| {
        let class = value.choice(&choices)?;
        let of = |allow: &[&Allow]| allow.iter().any(|entry| kinds(entry).any(|(other, _)| other == class));
        if class == Class::Other {
            value.fail("no accepted route is of the class `other`");
        } else if members == Members::Hosts && !matches!(class, Class::PodHost | Class::ServiceHost) {
            let help = "only `pod_host` and `service_host` are one address each";
            value.fail_with(format!("a destination is an address, and `{class}` is for prefixes"), help);
        } else if !allow.is_none_or(of) {
            let message = format!("no [[policy.allow]] permits a route of the class `{class}`");
            value
                .fail_with(message, "the length of a host makes a `_host`, any other the range or the block");
        } else {
            return Some(class);
        }
        None
    });
    classes.sort_unstable();
    classes.dedup();
    classes
}

fn prefixes(section: &mut Section<'_, '_>, allow: Option<&[&Allow]>) -> Vec<IpNet> {
    several(section, "prefix", |value| {
        let prefix = prefix(value)?;
        if allow.is_none_or(|allow| allow.iter().any(|entry| overlap(prefix, entry.prefix))) {
            return Some(prefix);
        }
        let help = "permit what is announced there with [[policy.allow]] first";
        value.fail_with(format!("no route within {prefix} is allowed, so none could match"), help);
        None
    })
}

fn min_length(value: &Value<'_, '_>, longest: u8) -> Option<u8> {
    let length = value.number(1..=128)?;
    if length <= longest {
        return Some(length);
    }
    value.fail(format!("a prefix of this family has a length of at most {longest}"));
    None
}

/// As the API shows it.
fn community(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let example = "\"65102:100\", \"65102:1:2\" or \"rt:65102:100\"";
    let community: Community = value.parse("a community", example)?;
    Some(community.to_string().into())
}

/// Whether some allowed route could match at all.
fn can_match(matches: &Match, allow: &[&Allow], members: Members) -> bool {
    let within = |entry: &Allow, length: u8| {
        let holds = |prefix: &IpNet| overlap(*prefix, entry.prefix) && prefix.prefix_len() <= length;
        matches.prefix.is_empty() || matches.prefix.iter().any(holds)
    };
    let fits = |entry: &Allow, class: Class, length: u8| {
        matches.classes().contains(&class)
            && matches.min_length.is_none_or(|least| least <= length)
            && (members == Members::Subnets || length == entry.prefix.max_prefix_len())
            && within(entry, length)
    };
    allow.iter().any(|entry| kinds(entry).any(|(class, length)| fits(entry, class, length)))
}

fn applies(entry: &Allow, vrf: Option<&str>) -> bool {
    entry.vrfs.is_empty() || vrf.is_none_or(|vrf| entry.vrfs.iter().any(|other| **other == *vrf))
}

/// The classes and lengths of the routes that an entry permits.
fn kinds(entry: &Allow) -> impl Iterator<Item = (Class, u8)> {
    let host = entry.prefix.max_prefix_len();
    entry.lengths.iter().map(move |length| {
        let class = match (entry.class, *length == host) {
            (AllowClass::Pod, true) => Class::PodHost,
            (AllowClass::Pod, false) => Class::PodBlock,
            (AllowClass::Service, true) => Class::ServiceHost,
            (AllowClass::Service, false) => Class::ServiceCidr,
            (AllowClass::Node, _) => Class::NodeSubnet,
        };
        (class, *length)
    })
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Whether whatever `later` matches is matched by `earlier` too.
pub(super) fn covers(earlier: &Match, later: &Match) -> bool {
    fn each<T>(earlier: &[T], later: &[T], holds: impl Fn(&T, &T) -> bool) -> bool {
        earlier.is_empty()
            || !later.is_empty() && later.iter().all(|one| earlier.iter().any(|other| holds(other, one)))
    }
    let names = |earlier: &[Arc<str>], later: &[Arc<str>]| each(earlier, later, |one, other| one == other);
    each(earlier.classes(), later.classes(), |one, other| one == other)
        && each(&earlier.prefix, &later.prefix, |one, other| one.contains(other))
        && earlier.min_length.is_none_or(|least| later.min_length.is_some_and(|length| least <= length))
        && each(&earlier.peer_as, &later.peer_as, |one, other| {
            one.first <= other.first && other.last <= one.last
        })
        && names(&earlier.community, &later.community)
        && names(&earlier.node, &later.node)
        && names(&earlier.rack, &later.rack)
        && names(&earlier.leaf, &later.leaf)
        && names(&earlier.cluster, &later.cluster)
}

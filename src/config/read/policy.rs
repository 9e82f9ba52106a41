//! `[policy]` and `[[policy.allow]]`.

use ipnet::IpNet;

use super::super::error::Error;
use super::super::model::{
    Allow, AllowClass, Except, Expect, NextHop, OriginAs, Policy, Transit, Unique, UniqueAs, Uniqueness,
};
use super::super::table::{Section, Value};
use super::names::Names;
use super::neighbors::ranges;
use super::prefix;

/// The policy; the other sections say which names it may use.
pub(super) fn policy(mut section: Section<'_, '_>, names: &Names<'_>) -> Policy {
    let max_as_path = section.take("max_as_path");
    let count_leaf_as = section.read("count_leaf_as", Value::bool).unwrap_or(true);
    let next_hops = [("peer", NextHop::Peer), ("any", NextHop::Any)];
    let transits = [("reject", Transit::Reject), ("note", Transit::Note)];
    Policy {
        max_as_path: max_as_path.and_then(|value| longest_path(&value, count_leaf_as)).unwrap_or(2),
        count_leaf_as,
        origin_as: section.take("origin_as").and_then(origin_as).unwrap_or(OriginAs::Peer),
        next_hop: section.read("next_hop", |value| value.choice(&next_hops)).unwrap_or(NextHop::Peer),
        transit: section.read("transit", |value| value.choice(&transits)).unwrap_or_default(),
        uniqueness: uniqueness(section.section("uniqueness")),
        allow: section.sections("allow").iter_mut().filter_map(|entry| allow(entry, names)).collect(),
    }
}

fn longest_path(value: &Value<'_, '_>, count_leaf_as: bool) -> Option<u32> {
    let length = value.number(1..=1000)?;
    if length == 1 && count_leaf_as {
        value.fail_with(
            "no route could pass: a node's own AS and the leaf's are two already",
            "add count_leaf_as = false if the fabric's leaves put no AS of their own in front",
        );
    }
    Some(length)
}

fn origin_as(value: Value<'_, '_>) -> Option<OriginAs> {
    match value.is_text().then(|| value.text()).flatten() {
        Some("peer") => Some(OriginAs::Peer),
        Some("any") => Some(OriginAs::Any),
        Some(text) if !text.starts_with(|char: char| char.is_ascii_digit()) => {
            value.unknown_word("value", text, ["peer", "any"].into_iter(), "write a list of ASes, or");
            None
        }
        _ => Some(OriginAs::List(ranges(value, None))),
    }
}

fn uniqueness(mut section: Section<'_, '_>) -> Uniqueness {
    let choices = [("one_node", Unique::OneNode), ("any", Unique::Any)];
    let of_as = [("auto", UniqueAs::Auto), ("one_node", UniqueAs::OneNode), ("any", UniqueAs::Any)];
    let asn = section.read("as", |value| value.choice(&of_as)).unwrap_or_default();
    let mut of = |key, default| section.read(key, |value| value.choice(&choices)).unwrap_or(default);
    Uniqueness {
        node_subnet: of("node_subnet", Unique::OneNode),
        pod_block: of("pod_block", Unique::OneNode),
        pod_host: of("pod_host", Unique::OneNode),
        service_host: of("service_host", Unique::Any),
        asn,
    }
}

/// Reads every key, whatever is wrong with the others.
fn allow(section: &mut Section<'_, '_>, names: &Names<'_>) -> Option<Allow> {
    let classes = [("pod", AllowClass::Pod), ("service", AllowClass::Service), ("node", AllowClass::Node)];
    let class = section.need("class", |value| value.choice(&classes));
    let prefix = section.need("prefix", prefix);
    let lengths = section.require("lengths").map(|value| lengths(value, prefix)).unwrap_or_default();
    let own_only = section.read("own_only", Value::bool);
    let clusters = names.known(section, "clusters", "cluster", &names.clusters);
    let vrfs = names.known(section, "vrfs", "VRF", &names.vrfs);
    let racks = names.known(section, "racks", "rack", &names.racks);
    let nodes = names.known(section, "nodes", "node", &names.nodes);
    let expect = section.take("expect");
    let excepting = section.take("except").map(|value| (value.place.clone(), value.section()));
    let (class, prefix) = (class?, prefix?);
    let own_length = lengths.contains(&prefix.prefix_len());
    let default = match class {
        AllowClass::Service if own_length => Expect::EveryNode,
        _ => Expect::None,
    };
    let expect = expect.and_then(|value| expected(&value, class, prefix, own_length)).unwrap_or(default);
    let mut except = Except::default();
    if let Some((place, inner)) = excepting {
        if expect == Expect::None {
            let message = format!("{prefix} is expected of nobody, so nobody can be excepted");
            let error = Error::at(&place, message);
            section.reporter().report(error.help("leave `except` out, or add expect = \"every_node\""));
        }
        if let Some(mut inner) = inner {
            except.nodes = names.known(&mut inner, "nodes", "node", &names.nodes);
            except.racks = names.known(&mut inner, "racks", "rack", &names.racks);
        }
    }
    let own_only = own_only.unwrap_or(class == AllowClass::Node);
    Some(Allow { class, prefix, lengths, own_only, clusters, vrfs, racks, nodes, expect, except })
}

fn lengths(value: Value<'_, '_>, prefix: Option<IpNet>) -> Vec<u8> {
    let (own, longest) = prefix.map_or((0, 128), |prefix| (prefix.prefix_len(), prefix.max_prefix_len()));
    let mut lengths = Vec::new();
    for value in value.some() {
        let Some(length) = value.number(0..=u8::MAX) else { continue };
        if length > longest {
            value.fail(format!("a prefix of this family has a length of at most {longest}"));
        } else if length == 0 {
            value.fail("the default route is never accepted");
        } else if length < own {
            value.fail(format!("nothing inside a /{own} has the length {length}: it could never match"));
        } else {
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

fn expected(value: &Value<'_, '_>, class: AllowClass, prefix: IpNet, own_length: bool) -> Option<Expect> {
    let expect = value.choice(&[("every_node", Expect::EveryNode), ("none", Expect::None)])?;
    match class {
        AllowClass::Pod if expect == Expect::EveryNode => {
            value.fail("no pod prefix can be expected of every node");
        }
        AllowClass::Service if expect == Expect::EveryNode && !own_length => {
            let help = format!("add {} to `lengths`", prefix.prefix_len());
            value.fail_with(format!("{prefix} is expected but its own length is not allowed"), help);
        }
        _ => {}
    }
    Some(expect)
}

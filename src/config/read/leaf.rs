//! `[[leaf]]`, and every address that we listen on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::super::error::Error;
use super::super::model::Leaf;
use super::super::table::{Place, Section, Value};
use super::{asn, name};

/// All leaves. One that is not readable in full is there with what could be read, so that what refers to
/// it does not seem wrong too.
pub(super) fn leaves(root: &mut Section<'_, '_>, listeners: &mut Listeners) -> Vec<Leaf> {
    let sections = root.sections("leaf");
    if sections.is_empty() {
        let message = "there is no [[leaf]]: nobody could peer with this configuration";
        root.reporter().report(Error::plain(message));
    }
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut places: Vec<Option<Place>> = Vec::new();
    for mut section in sections {
        let reporter = section.reporter();
        let name_of = section.require("name").and_then(|value| {
            let name = name(&value)?;
            let same = leaves.iter().position(|leaf| leaf.name == name);
            if let Some(Some(first)) = same.and_then(|at| places.get(at)) {
                let line = reporter.line(first, &value.place);
                value.fail(format!("leaf `{name}` is already defined on {line}"));
            }
            Some((name, value.place))
        });
        let (name, place) = name_of.unzip();
        leaves.push(leaf(&mut section, name.unwrap_or_default(), listeners));
        places.push(place);
    }
    leaves
}

fn leaf(section: &mut Section<'_, '_>, own_name: Arc<str>, listeners: &mut Listeners) -> Leaf {
    let local_as = section.need("local_as", asn).unwrap_or_default();
    let router_id = section.need("router_id", router_id);
    let owner = format!("leaf `{own_name}`");
    let listen = section.require("listen").map(|value| listeners.claim(value, &owner)).unwrap_or_default();
    let rack = section.read("rack", name).unwrap_or_else(|| own_name.clone());
    let cluster = section.read("cluster", name).unwrap_or_else(|| "default".into());
    let vrf = section.read("vrf", name).unwrap_or_else(|| "default".into());
    let router_id = router_id.unwrap_or(Ipv4Addr::UNSPECIFIED);
    Leaf { name: own_name, local_as, router_id, listen, rack, cluster, vrf }
}

fn router_id(value: &Value<'_, '_>) -> Option<Ipv4Addr> {
    let id: Ipv4Addr = value.parse("a BGP identifier", "an IPv4 address: \"10.0.0.101\"")?;
    if id.is_unspecified() {
        value.fail("a BGP identifier must not be zero (RFC 6286)");
    }
    Some(id)
}

/// The addresses that are taken.
#[derive(Default)]
pub(super) struct Listeners(Vec<Taken>);

struct Taken {
    address: SocketAddr,
    /// None: by a default.
    place: Option<Place>,
    owner: String,
}

impl Listeners {
    /// The addresses of a `listen` list of `owner`.
    pub(super) fn claim(&mut self, list: Value<'_, '_>, owner: &str) -> Vec<SocketAddr> {
        list.some().iter().filter_map(|value| self.claim_one(value, owner)).collect()
    }

    /// A default of `owner`.
    pub(super) fn claim_default(&mut self, address: SocketAddr, owner: &str) -> Vec<SocketAddr> {
        self.0.push(Taken { address, place: None, owner: owner.to_owned() });
        vec![address]
    }

    fn claim_one(&mut self, value: &Value<'_, '_>, owner: &str) -> Option<SocketAddr> {
        let address = value.parse("an address and a port", "\"0.0.0.0:1790\" or \"[::]:1790\"")?;
        let claim = Taken { address, place: Some(value.place.clone()), owner: owner.to_owned() };
        if let Some(taken) = self.0.iter().find(|taken| overlap(taken.address, address)) {
            value.reporter().report(clash(taken, &claim));
        }
        self.0.push(claim);
        Some(address)
    }
}

/// The error, at the one of both that stands later in the file.
fn clash(one: &Taken, other: &Taken) -> Error {
    let start = |taken: &Taken| taken.place.as_ref().map(|place| place.span.start);
    let (first, second) = if start(one) < start(other) { (one, other) } else { (other, one) };
    let whose = if first.owner == second.owner { String::new() } else { format!(" of {}", first.owner) };
    let message = format!("`{}` overlaps `{}`{whose}", second.address, first.address);
    match &second.place {
        Some(place) => Error::at(place, message),
        None => Error::plain(message),
    }
}

/// Whether two sockets could not both be bound; IPv6 ones are v6-only, and port 0 is any free port.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let wildcard = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port()
        && one.port() != 0
        && (one == other || (wildcard && one.is_ipv4() == other.is_ipv4()))
}

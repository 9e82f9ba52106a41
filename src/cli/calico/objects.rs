//! Which objects a cluster needs: one peer address a leaf by the label of a rack, and one filter.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::Deserialize;

use super::yaml::Yaml;
use crate::cli::table::printable;

/// What the objects are made of, as `GET /api/v1/config` shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Fabric {
    #[serde(rename = "leaf")]
    leaves: Vec<Leaf>,
    neighbors: Vec<Neighbors>,
}

#[derive(Debug, Deserialize)]
struct Leaf {
    name: String,
    local_as: u32,
    router_id: Ipv4Addr,
    listen: Vec<SocketAddr>,
    rack: String,
    cluster: String,
}

#[derive(Debug, Deserialize)]
struct Neighbors {
    leaf: String,
    range: IpNet,
    cluster: String,
    password: Option<String>,
}

/// What is called as the operator wants it.
pub(super) struct Names<'a> {
    /// The label of nodes.
    pub(super) label: &'a str,
    /// The Secret with the passwords.
    pub(super) secret: &'a str,
}

/// An object, and what to know of it.
struct Object {
    comments: Vec<String>,
    yaml: Yaml,
}

impl Fabric {
    /// The clusters, in the file's order.
    pub(super) fn clusters(&self) -> Vec<String> {
        let mut clusters = Vec::new();
        for leaf in &self.leaves {
            let mut own: Vec<_> = self.of(leaf).map(|entry| &entry.cluster).collect();
            // Nobody may peer yet.
            if own.is_empty() {
                own.push(&leaf.cluster);
            }
            for cluster in own {
                if !clusters.contains(cluster) {
                    clusters.push(cluster.clone());
                }
            }
        }
        clusters
    }

    /// Writes the objects of `cluster`, documents of one stream.
    pub(super) fn write(&self, cluster: &str, names: &Names<'_>, out: &mut impl Write) -> io::Result<()> {
        let several = self.clusters().len() > 1;
        let only = if several { "these objects are for this cluster alone; apply" } else { "apply" };
        writeln!(out, "# Cluster {}: {only} them with calicoctl or kubectl.", printable(cluster))?;
        writeln!(out, "# Nodes need the label {}, which names their rack.", printable(names.label))?;
        writeln!(out, "# Delete the BGPPeer objects before you switch thirdleaf off for long.")?;
        let (mut objects, mut comments) = (Vec::new(), Vec::new());
        let mut taken = BTreeSet::new();
        for leaf in &self.leaves {
            let own: Vec<_> = self.of(leaf).filter(|entry| entry.cluster == cluster).collect();
            if own.is_empty() && (leaf.cluster != cluster || self.of(leaf).next().is_some()) {
                continue;
            }
            comments.extend(self.beside(leaf, cluster));
            peers(leaf, &own, names, (&mut comments, &mut taken), &mut objects);
        }
        objects.push(filter(comments));
        for (at, object) in objects.into_iter().enumerate() {
            if at > 0 {
                writeln!(out, "---")?;
            }
            for comment in &object.comments {
                writeln!(out, "# {}", printable(comment))?;
            }
            object.yaml.write(out)?;
        }
        Ok(())
    }

    fn of(&self, leaf: &Leaf) -> impl Iterator<Item = &Neighbors> {
        self.neighbors.iter().filter(move |entry| entry.leaf == leaf.name)
    }

    /// What to know of other leaves in the rack.
    fn beside(&self, leaf: &Leaf, cluster: &str) -> Option<String> {
        let peers = |other: &Leaf| self.of(other).any(|entry| entry.cluster == cluster);
        let others = self.leaves.iter().filter(|other| other.rack == leaf.rack && other.name != leaf.name);
        let names: Vec<_> = others.filter(|other| peers(other)).map(|other| other.name.as_str()).collect();
        (!names.is_empty()).then(|| {
            let (rack, names) = (&leaf.rack, names.join(", "));
            format!("Rack {rack} has other leaves, too ({names}): each is one more that a restarting node waits for.")
        })
    }
}

/// Appends the `BGPPeer`s of a leaf, one a family that its neighbors have, each with the comments so far.
fn peers(
    leaf: &Leaf,
    own: &[&Neighbors],
    names: &Names<'_>,
    (comments, taken): (&mut Vec<String>, &mut BTreeSet<String>),
    objects: &mut Vec<Object>,
) {
    for is_v4 in [true, false] {
        let ranges: Vec<_> = own.iter().filter(|entry| entry.range.addr().is_ipv4() == is_v4).collect();
        let listens = leaf.listen.iter().any(|address| address.is_ipv4() == is_v4);
        if ranges.is_empty() && !(own.is_empty() && listens) {
            continue;
        }
        let Some(address) = leaf.address(is_v4) else {
            comments.push(format!(
                "Leaf {} has {} neighbors but no address in `listen` that nodes could be told: no BGPPeer for them.",
                leaf.name,
                if is_v4 { "IPv4" } else { "IPv6" }
            ));
            continue;
        };
        let with_password = ranges.iter().filter(|entry| entry.password.is_some()).count();
        if with_password > 0 && with_password < ranges.len() {
            comments.push(format!(
                "Leaf {} wants a password of some of its neighbors only: leave it out for the others.",
                leaf.name
            ));
        }
        let suffix = if is_v4 { "" } else { "-v6" };
        let name = unique(format!("thirdleaf-{}{suffix}", slug(&leaf.name)), taken);
        let password = (with_password > 0).then_some(names.secret);
        let yaml = peer(leaf, &name, address, names.label, password);
        objects.push(Object { comments: std::mem::take(comments), yaml });
    }
}

impl Leaf {
    /// Where nodes reach it: what it listens on, or its BGP identifier where that is every address.
    fn address(&self, is_v4: bool) -> Option<SocketAddr> {
        let mut listen = self.listen.iter().filter(|address| address.is_ipv4() == is_v4);
        let real = listen.clone().find(|address| !address.ip().is_unspecified());
        let any = || listen.next().filter(|_| is_v4).map(|any| (self.router_id, any.port()).into());
        real.copied().or_else(any)
    }
}

fn peer(leaf: &Leaf, name: &str, address: SocketAddr, label: &str, secret: Option<&str>) -> Yaml {
    // The selector's own strings have no escapes, but two kinds of quotes.
    let quote = if leaf.rack.contains('\'') { '"' } else { '\'' };
    let mut spec = vec![
        ("nodeSelector", Yaml::text(format!("{label} == {quote}{}{quote}", leaf.rack))),
        ("peerIP", Yaml::text(address.to_string())),
        ("asNumber", Yaml::Number(leaf.local_as)),
    ];
    if let Some(secret) = secret {
        let key = Yaml::Map(vec![("name", Yaml::text(secret)), ("key", Yaml::text(slug(&leaf.name)))]);
        spec.push(("password", Yaml::Map(vec![("secretKeyRef", key)])));
    }
    spec.push(("filters", Yaml::List(vec![Yaml::text(FILTER)])));
    object("BGPPeer", name, spec)
}

/// The name of the one filter.
const FILTER: &str = "thirdleaf";

/// Nodes learn nothing, and tell only what is their own.
fn filter(mut comments: Vec<String>) -> Object {
    let action = || ("action", Yaml::text("Reject"));
    let nothing = || Yaml::List(vec![Yaml::Map(vec![action()])]);
    let own = || Yaml::List(vec![Yaml::Map(vec![action(), ("source", Yaml::text("RemotePeers"))])]);
    let spec =
        vec![("importV4", nothing()), ("importV6", nothing()), ("exportV4", own()), ("exportV6", own())];
    comments.extend([
        "The node learns nothing from thirdleaf, and tells it only what is its own.".to_owned(),
        "Without the export rules, nodes hand on what their leaves told them.".to_owned(),
    ]);
    Object { comments, yaml: object("BGPFilter", FILTER, spec) }
}

fn object(kind: &str, name: &str, spec: Vec<(&'static str, Yaml)>) -> Yaml {
    Yaml::Map(vec![
        ("apiVersion", Yaml::text("projectcalico.org/v3")),
        ("kind", Yaml::text(kind)),
        ("metadata", Yaml::Map(vec![("name", Yaml::text(name))])),
        ("spec", Yaml::Map(spec)),
    ])
}

/// A name as Kubernetes permits them (RFC 1123).
fn slug(name: &str) -> String {
    let permitted =
        |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let slug: String = name.chars().map(permitted).collect();
    slug.trim_matches(['-', '.']).to_owned()
}

/// The name, or the first like it that is not taken.
fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let more = (2..).map(|n: u32| format!("{name}-{n}"));
    let free = std::iter::once(name.clone()).chain(more).find(|name| !taken.contains(name));
    let name = free.unwrap_or(name);
    taken.insert(name.clone());
    name
}

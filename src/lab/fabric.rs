//! Racks of simulated nodes, with addresses on loopback and prefixes derived from their place.
//!
//! On Linux the whole of 127.0.0.0/8 is loopback, so every node can have an address of its own without
//! root: leaf *r* is 127.0.*r*.1, and node *n* of its rack stands in the *n*th /29 of 127.1.*r*.0/24.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::node::{Node, Peering, RESTART_TIME, Route, Settings, Timers};

/// What every node announces for the services of the cluster.
pub const SERVICE_RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12);
/// Where all pods have their addresses.
pub const POD_RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16);
/// Where all nodes stand.
pub const NODE_RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 1, 0, 0), 16);

/// A data centre: racks with one virtual leaf each, and nodes that peer with it.
#[derive(Clone, Debug, Default)]
pub struct Fabric {
    /// The racks of all clusters.
    pub racks: Vec<Rack>,
    /// The nodes of all racks.
    pub hosts: Vec<Host>,
}

/// A rack and its leaf.
#[derive(Clone, Debug)]
pub struct Rack {
    /// Its name, and its leaf's.
    pub name: String,
    /// The cluster of its nodes, and the VRF that they are in.
    pub cluster: String,
    /// The AS of its leaf.
    pub asn: u32,
    /// The address of its leaf.
    pub leaf: Ipv4Addr,
    /// Where its nodes stand.
    pub nodes: Ipv4Net,
}

/// A place for a node.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its rack's place in [`Fabric::racks`].
    pub rack: usize,
    /// Its AS.
    pub asn: u32,
    /// Its address.
    pub address: Ipv4Addr,
    /// The subnet that it shares with the leaves.
    pub subnet: Ipv4Net,
    /// Its first block of pod addresses.
    pub block: Ipv4Net,
}

impl Fabric {
    /// The white paper's, two racks of three nodes with an AS for each, and beside it a rack of two nodes whose
    /// cluster has the same addresses for its pods and services, in a VRF of its own.
    pub fn white_paper() -> Self {
        Self::default().with_cluster("prod", 2, 3).with_cluster("test", 1, 2)
    }

    /// One cluster: `racks` racks of `nodes` nodes each; at most 32 fit into a rack's range of addresses.
    pub fn new(racks: u8, nodes: u8) -> Self {
        Self::default().with_cluster("default", racks, nodes)
    }

    /// One cluster more, in a VRF of the same name. The pods and services of every cluster have the same addresses.
    #[must_use]
    pub fn with_cluster(mut self, cluster: &str, racks: u8, nodes: u8) -> Self {
        let (all, mut number) = (self.hosts.len(), 0);
        for _ in 0..racks {
            let place = self.racks.len();
            let rack = u8::try_from(place + 1).unwrap_or(u8::MAX);
            let asn = 65_001 + 100 * u32::from(rack);
            self.racks.push(Rack {
                name: format!("rack{rack}"),
                cluster: cluster.to_owned(),
                asn,
                leaf: Ipv4Addr::new(127, 0, rack, 1),
                nodes: Ipv4Net::new_assert(Ipv4Addr::new(127, 1, rack, 0), 24),
            });
            for node in 0..nodes.min(32) {
                number += 1;
                self.hosts.push(Host {
                    name: format!("node-{}", all + number),
                    rack: place,
                    asn: asn + 1 + u32::from(node),
                    address: Ipv4Addr::new(127, 1, rack, node * 8 + 1),
                    subnet: Ipv4Net::new_assert(Ipv4Addr::new(127, 1, rack, node * 8), 29),
                    block: block(number),
                });
            }
        }
        self
    }

    /// The place with this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// What its node is told: whom to dial and what to announce. `leaves`: where the leaves listen.
    pub fn settings(&self, host: &Host, leaves: &[SocketAddr], timers: Timers) -> Settings {
        let rack = self.racks.get(host.rack);
        let peerings = leaves
            .iter()
            .filter(|leaf| rack.is_some_and(|rack| leaf.ip() == IpAddr::V4(rack.leaf)))
            .map(|leaf| Peering {
                source: host.address.into(),
                leaf: *leaf,
                leaf_as: rack.map(|rack| rack.asn),
            })
            .collect();
        Settings {
            name: host.name.clone(),
            asn: host.asn,
            identifier: host.address,
            peerings,
            routes: vec![Route::fixed(host.block.into()), Route::fixed(SERVICE_RANGE.into())],
            hidden: vec![default_route(), host.subnet.into()],
            restart_time: RESTART_TIME,
            timers,
        }
    }

    /// All nodes, started, in the order of [`Fabric::hosts`].
    pub fn start(&self, leaves: &[SocketAddr], timers: Timers) -> Vec<Node> {
        self.hosts.iter().map(|host| Node::start(self.settings(host, leaves, timers))).collect()
    }

    /// A configuration that observes it, all ports chosen by the system; `more` is appended.
    pub fn config(&self, more: &str) -> String {
        let mut text = String::from("version = 1\n\n[http]\nlisten = [\"127.0.0.1:0\"]\n");
        // Writing to a String cannot fail.
        let _ = self.write_config(&mut text);
        text.push_str(more);
        text
    }

    fn write_config(&self, text: &mut String) -> std::fmt::Result {
        for Rack { name, cluster, asn, leaf, nodes } in &self.racks {
            writeln!(text, "\n[[leaf]]\nname = \"{name}\"\nlocal_as = {asn}\nrouter_id = \"{leaf}\"")?;
            writeln!(text, "listen = [\"{leaf}:0\"]\ncluster = \"{cluster}\"\nvrf = \"{cluster}\"")?;
            writeln!(text, "\n[[neighbors]]\nleaf = \"{name}\"\nrange = \"{nodes}\"")?;
            writeln!(text, "peer_as = [\"{}-{}\"]", asn + 1, asn + 98)?;
        }
        for Host { name, rack, asn, address, .. } in &self.hosts {
            let rack = self.racks.get(*rack).map_or("", |rack| &rack.name);
            writeln!(text, "\n[[nodes]]\nname = \"{name}\"\nrack = \"{rack}\"")?;
            writeln!(text, "address = [\"{address}\"]\nas = {asn}")?;
        }
        for (class, prefix, lengths) in
            [("pod", POD_RANGE, "26, 32"), ("service", SERVICE_RANGE, "12, 32"), ("node", NODE_RANGE, "29")]
        {
            writeln!(text, "\n[[policy.allow]]\nclass = \"{class}\"\nprefix = \"{prefix}\"")?;
            writeln!(text, "lengths = [{lengths}]")?;
        }
        Ok(())
    }
}

/// The first block of pod addresses of node `number`: 10.244.`number`.0/26, then the quarters behind those.
fn block(number: usize) -> Ipv4Net {
    let third = u8::try_from(number % 256).unwrap_or_default();
    let quarter = u8::try_from(number / 256 % 4).unwrap_or_default();
    Ipv4Net::new_assert(Ipv4Addr::new(10, 244, third, quarter * 64), 26)
}

/// Every route; no node has a reason to announce it.
pub(super) fn default_route() -> IpNet {
    IpNet::V4(Ipv4Net::default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_white_paper_has_two_racks_and_six_nodes_and_there_is_one_cluster_more() {
        let fabric = Fabric::white_paper();
        let ases: Vec<u32> = fabric.hosts.iter().map(|host| host.asn).collect();
        assert_eq!(ases, [65102, 65103, 65104, 65202, 65203, 65204, 65302, 65303]);
        let last = fabric.host("node-6").unwrap();
        assert_eq!(last.address, Ipv4Addr::new(127, 1, 2, 17));
        assert_eq!(last.block.to_string(), "10.244.6.0/26");
        assert!(last.subnet.contains(&last.address));
    }

    #[test]
    fn clusters_share_blocks_and_nothing_else() {
        let fabric = Fabric::white_paper();
        let clusters: Vec<&str> = fabric.racks.iter().map(|rack| rack.cluster.as_str()).collect();
        assert_eq!(clusters, ["prod", "prod", "test"]);
        let [one, other] = ["node-1", "node-7"].map(|name| fabric.host(name).unwrap());
        assert_eq!((one.block, one.rack, other.rack), (other.block, 0, 2));
        assert!(one.asn != other.asn && one.address != other.address);
    }

    #[test]
    fn no_two_nodes_of_a_cluster_share_anything() {
        let fabric = Fabric::new(7, 32);
        let blocks: BTreeSet<Ipv4Net> = fabric.hosts.iter().map(|host| host.block).collect();
        let addresses: BTreeSet<Ipv4Addr> = fabric.hosts.iter().map(|host| host.address).collect();
        assert_eq!((blocks.len(), addresses.len()), (224, 224));
    }

    #[test]
    fn its_configuration_is_one() {
        let text = Fabric::white_paper().config("");
        let config = crate::config::parse(&text, "fabric".as_ref(), &crate::config::Machine).unwrap();
        assert_eq!((config.leaves.len(), config.nodes.len(), config.policy.allow.len()), (3, 8, 3));
        let terms = &config.neighbors[1];
        assert!(terms.peer_as[0].contains(65204) && !terms.peer_as[0].contains(65201));
        let scopes = config.leaves.iter().map(|leaf| (&*leaf.cluster, &*leaf.vrf));
        assert_eq!(scopes.collect::<Vec<_>>(), [("prod", "prod"), ("prod", "prod"), ("test", "test")]);
    }

    #[test]
    fn a_node_dials_the_leaf_of_its_own_rack() {
        let fabric = Fabric::white_paper();
        let leaves = ["127.0.1.1:1790".parse().unwrap(), "127.0.2.1:1791".parse().unwrap()];
        let settings = fabric.settings(&fabric.hosts[4], &leaves, Timers::BIRD);
        let dialled: Vec<SocketAddr> = settings.peerings.iter().map(|peering| peering.leaf).collect();
        assert_eq!(dialled, [leaves[1]]);
    }
}

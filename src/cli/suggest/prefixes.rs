//! What prefixes are for, by who announces them: cautious, for a leak that is allowed is one that nobody sees.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::heard::{Heard, Said};
use super::pools::{Block, Pool, pools};

/// More prefixes of one length that most nodes announce are not service ranges, but what a mesh passes on.
const SERVICE_RANGES: usize = 4;

/// An entry to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) class: &'static str,
    pub(super) prefix: IpNet,
    pub(super) lengths: BTreeSet<u8>,
    /// `expect`; none: the default of the class.
    pub(super) expect: Option<&'static str>,
    /// Nodes that are not expected to announce it.
    pub(super) except: Vec<String>,
    /// Why, for people.
    pub(super) because: String,
}

/// An entry that there is: what of it matters here.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    /// Its place among all.
    pub(super) at: usize,
    pub(super) class: String,
    pub(super) prefix: IpNet,
}

/// What is suggested for one cluster, and what is not.
#[derive(Debug, Default)]
pub(super) struct Suggested {
    pub(super) entries: Vec<Entry>,
    /// Places of entries whose ranges have hosts that they do not allow, and how many.
    pub(super) hosts: BTreeMap<usize, usize>,
    /// What looks like a leak, and why.
    pub(super) leaks: Vec<(IpNet, String)>,
}

/// A prefix, and who announces it.
type Announced = (IpNet, BTreeSet<usize>);

/// Prefixes that are announced with a right path and allowed by nothing, by what they may be.
#[derive(Default)]
struct Candidates<'a> {
    /// By length.
    subnets: BTreeMap<u8, Vec<(IpNet, &'a Said)>>,
    services: BTreeMap<u8, Vec<(IpNet, &'a Said)>>,
    /// By family and length, with the nodes; those that are allowed already stand for their pool.
    blocks: BTreeMap<(bool, u8), Vec<Announced>>,
    /// Those that are not allowed.
    new_blocks: BTreeSet<IpNet>,
    hosts: Vec<(IpNet, &'a Said)>,
}

/// Sorts out what `cluster` announces.
pub(super) fn suggest(heard: &Heard, cluster: &str, allowed: &[Allowed]) -> Suggested {
    let mut suggested = Suggested::default();
    let Some(prefixes) = heard.prefixes.get(cluster) else { return suggested };
    let settled = heard.settled(cluster);
    let mut candidates = Candidates::default();
    for (prefix, said) in prefixes {
        if said.rejected.is_empty() {
            suggested.wrong(heard, *prefix, said);
            candidates.allowed(*prefix, said, allowed);
            continue;
        }
        if let Err(why) = candidates.add(*prefix, said, settled.len()) {
            suggested.leak(*prefix, why, heard, &said.rejected);
        }
    }
    suggested.subnets(heard, &candidates);
    suggested.services(heard, &candidates, &settled);
    suggested.pools(heard, cluster, &candidates, allowed);
    suggested.host_routes(heard, &candidates, allowed);
    suggested
}

impl<'a> Candidates<'a> {
    /// A block of a pool that is allowed, as far as it is.
    fn allowed(&mut self, prefix: IpNet, said: &Said, allowed: &[Allowed]) {
        let is_pod = |entry: &Allowed| entry.class == "pod" && entry.prefix.contains(&prefix);
        let is_host = prefix.prefix_len() == prefix.max_prefix_len();
        if !said.accepted.is_empty() && !is_host && allowed.iter().any(is_pod) {
            self.blocks_like(&prefix).push((prefix, said.accepted.clone()));
        }
    }

    fn blocks_like(&mut self, prefix: &IpNet) -> &mut Vec<Announced> {
        self.blocks.entry((prefix.addr().is_ipv4(), prefix.prefix_len())).or_default()
    }

    /// Whether `range` covers what most nodes have of their own, and not what a few of them leak.
    fn most_have_blocks_within(&self, range: &IpNet, settled: &BTreeSet<usize>) -> bool {
        let within = self.blocks.values().flatten().filter(|(block, _)| range.contains(block));
        let nodes: BTreeSet<usize> = within.flat_map(|(_, nodes)| nodes.iter().copied()).collect();
        nodes.intersection(settled).count() * 2 > settled.len()
    }

    fn add(&mut self, prefix: IpNet, said: &'a Said, settled: usize) -> Result<(), &'static str> {
        let (length, nodes) = (prefix.prefix_len(), said.nodes());
        let is_host = length == prefix.max_prefix_len();
        let (widest, widest_subnet) = if prefix.addr().is_ipv4() { (8, 20) } else { (32, 56) };
        if length < widest {
            return Err("wider than any pool or service range");
        }
        if said.is_own() {
            if is_host {
                return Err("a node's own address");
            }
            if length < widest_subnet {
                return Err("holds the addresses of the nodes, but is wider than a node's subnet");
            }
            self.subnets.entry(length).or_default().push((prefix, said));
            return Ok(());
        }
        if !is_private(&prefix) {
            return Err("public addresses");
        }
        if is_host {
            self.hosts.push((prefix, said));
        } else if nodes.len() > 1 && nodes.len() * 2 > settled {
            self.services.entry(length).or_default().push((prefix, said));
        } else {
            self.new_blocks.insert(prefix);
            self.blocks_like(&prefix).push((prefix, nodes));
        }
        Ok(())
    }
}

impl Suggested {
    fn leak(&mut self, prefix: IpNet, why: &str, heard: &Heard, nodes: &BTreeSet<usize>) {
        self.leaks.push((prefix, format!("{why}; from {}", heard.names(nodes))));
    }

    /// Routes whose path, next hop or place says that they are not the node's.
    fn wrong(&mut self, heard: &Heard, prefix: IpNet, said: &Said) {
        if let Some((reason, nodes)) = said.wrong.first_key_value() {
            self.leak(prefix, reason.name(), heard, nodes);
        }
    }

    fn subnets(&mut self, heard: &Heard, candidates: &Candidates<'_>) {
        for (length, subnets) in &candidates.subnets {
            let sets: Vec<_> = subnets.iter().map(|(prefix, said)| (*prefix, said.nodes())).collect();
            let all: BTreeSet<usize> = sets.iter().flat_map(|(_, nodes)| nodes.iter().copied()).collect();
            if all.len() < 2 {
                for (prefix, nodes) in &sets {
                    self.leak(*prefix, "one node only", heard, nodes);
                }
                continue;
            }
            // One subnet that several nodes stand in is its own range.
            let (shared, apart): (Vec<_>, Vec<_>) = sets.iter().partition(|(_, nodes)| nodes.len() > 1);
            for (prefix, nodes) in shared {
                self.subnet(*prefix, *length, 1, nodes.len());
            }
            let apart: Vec<Block<'_>> = apart.iter().map(|(prefix, nodes)| (*prefix, nodes)).collect();
            let (found, single) = pools(&apart);
            for Pool { prefix, blocks, nodes } in found {
                self.subnet(prefix, *length, blocks, nodes.len());
            }
            for (prefix, nodes) in single {
                self.leak(prefix, "one node only", heard, nodes);
            }
        }
    }

    fn subnet(&mut self, prefix: IpNet, length: u8, subnets: usize, nodes: usize) {
        self.entries.push(Entry {
            class: "node",
            prefix,
            lengths: [length].into(),
            expect: None,
            except: Vec::new(),
            because: format!("{subnets} subnets of length {length} that hold the addresses of the {nodes} nodes that announce them"),
        });
    }

    fn services(&mut self, heard: &Heard, candidates: &Candidates<'_>, settled: &BTreeSet<usize>) {
        for services in candidates.services.values() {
            for (prefix, said) in services {
                let nodes = said.nodes();
                if services.len() > SERVICE_RANGES {
                    let why = "most nodes announce it and others of its length: is the node-to-node mesh on?";
                    self.leak(*prefix, why, heard, &nodes);
                    continue;
                }
                if candidates.most_have_blocks_within(prefix, settled) {
                    let why = "blocks of most nodes lie within it: it covers pods, and is no service range";
                    self.leak(*prefix, why, heard, &nodes);
                    continue;
                }
                let within = candidates.hosts.iter().filter(|(host, _)| prefix.contains(host)).count();
                let hosts = (within > 0).then(|| prefix.max_prefix_len());
                let silent: BTreeSet<usize> = settled.difference(&nodes).copied().collect();
                let (expect, except) = match silent.len() {
                    0 => ("every_node", Vec::new()),
                    few if few * 10 <= settled.len() => {
                        let name = |at: &usize| heard.nodes.get(*at).map(|node| node.name.clone());
                        ("every_node", silent.iter().filter_map(name).collect())
                    }
                    _ => ("none", Vec::new()),
                };
                self.entries.push(Entry {
                    class: "service",
                    prefix: *prefix,
                    lengths: [prefix.prefix_len()].into_iter().chain(hosts).collect(),
                    expect: Some(expect),
                    except,
                    because: format!(
                        "{} of {} nodes announce it; single addresses within it: {within}",
                        settled.intersection(&nodes).count(),
                        settled.len()
                    ),
                });
            }
        }
    }

    fn pools(&mut self, heard: &Heard, cluster: &str, candidates: &Candidates<'_>, allowed: &[Allowed]) {
        let new = self.entries.iter().filter(|entry| entry.class == "service").map(|entry| entry.prefix);
        let old = allowed.iter().filter(|entry| entry.class == "service").map(|entry| entry.prefix);
        let services: Vec<IpNet> = new.chain(old).collect();
        let overlaps =
            |prefix: &IpNet| services.iter().any(|one| one.contains(prefix) || prefix.contains(one));
        let addresses =
            || heard.nodes.iter().filter(|node| node.cluster == cluster).flat_map(|node| &node.addresses);
        for ((_, length), blocks) in &candidates.blocks {
            let (within, blocks): (Vec<_>, Vec<_>) = blocks.iter().partition(|(block, _)| overlaps(block));
            let is_new = |prefix: &IpNet| candidates.new_blocks.contains(prefix);
            for (prefix, nodes) in within.into_iter().filter(|(prefix, _)| is_new(prefix)) {
                self.leak(*prefix, "overlaps a service range", heard, nodes);
            }
            let blocks: Vec<Block<'_>> = blocks.iter().map(|(block, nodes)| (*block, nodes)).collect();
            let (found, single) = pools(&blocks);
            for (prefix, nodes) in single.into_iter().filter(|(prefix, _)| is_new(prefix)) {
                self.leak(prefix, "no block beside it from another node", heard, nodes);
            }
            let has_new = |pool: &Pool| {
                candidates
                    .new_blocks
                    .iter()
                    .any(|block| block.prefix_len() == *length && pool.prefix.contains(block))
            };
            for Pool { prefix, blocks, nodes } in found.into_iter().filter(has_new) {
                if overlaps(&prefix) {
                    self.leak(prefix, "what covers some blocks overlaps a service range", heard, &nodes);
                } else if addresses().any(|address| prefix.contains(address)) {
                    self.leak(prefix, "what covers some blocks holds addresses of nodes", heard, &nodes);
                } else {
                    self.entries.push(Entry {
                        class: "pod",
                        prefix,
                        lengths: [*length, prefix.max_prefix_len()].into(),
                        expect: None,
                        except: Vec::new(),
                        because: format!(
                            "{blocks} blocks of length {length} from {} nodes; make it the CIDR of their IPPool",
                            nodes.len()
                        ),
                    });
                }
            }
        }
    }

    fn host_routes(&mut self, heard: &Heard, candidates: &Candidates<'_>, allowed: &[Allowed]) {
        let mut by_entry: BTreeMap<usize, Vec<&(IpNet, &Said)>> = BTreeMap::new();
        for host in &candidates.hosts {
            let (prefix, said) = host;
            let is_new =
                |entry: &Entry| entry.prefix.contains(prefix) && entry.lengths.contains(&prefix.prefix_len());
            if self.entries.iter().any(is_new) {
                continue;
            }
            let holds = |entry: &&Allowed| entry.class != "node" && entry.prefix.contains(prefix);
            match allowed.iter().find(holds) {
                Some(entry) => by_entry.entry(entry.at).or_default().push(host),
                None => self.leak(*prefix, "a single address outside of any range", heard, &said.rejected),
            }
        }
        for (at, hosts) in by_entry {
            let nodes: BTreeSet<usize> = hosts.iter().flat_map(|(_, said)| said.nodes()).collect();
            if nodes.len() > 1 {
                self.hosts.insert(at, hosts.len());
                continue;
            }
            for (prefix, said) in hosts {
                self.leak(
                    *prefix,
                    "a single address that its range does not allow, from one node only",
                    heard,
                    &said.rejected,
                );
            }
        }
    }
}

/// Not of the Internet: RFC 1918, RFC 6598, RFC 4193.
fn is_private(prefix: &IpNet) -> bool {
    const RANGES: [(&str, u8); 5] =
        [("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("100.64.0.0", 10), ("fc00::", 7)];
    RANGES.iter().any(|(address, length)| {
        let range = address.parse().ok().and_then(|address| IpNet::new(address, *length).ok());
        range.is_some_and(|range| range.contains(prefix))
    })
}

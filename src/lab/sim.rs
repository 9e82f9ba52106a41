//! `sim node`: one or many simulated nodes against a leaf that runs elsewhere.

#![expect(clippy::disallowed_methods, reason = "this room does IO")]

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;
use tokio::time::{Instant, interval_at, sleep};

use super::fabric::default_route;
use super::node::{Node, Peering, RESTART_TIME, Route, Settings, Source, Timers};

/// How often a change of the number of sessions is told.
const REPORT: Duration = Duration::from_secs(2);

/// What to simulate. The addresses, ASes and blocks of the nodes follow each other.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Where the leaf listens.
    pub leaf: SocketAddr,
    /// How many nodes.
    pub count: u32,
    /// The address of the first node, one that this machine has.
    pub address: IpAddr,
    /// How far apart the nodes' addresses are.
    pub address_step: u32,
    /// The AS of the first node.
    pub asn: u32,
    /// One AS for each node, or one for all.
    pub as_step: u32,
    /// The first pod block of the first node; of the same family as `address`.
    pub block: IpNet,
    /// How many pod blocks each node has.
    pub blocks: u32,
    /// Service ranges that every node announces.
    pub services: Vec<IpNet>,
    /// Pod hosts, from the end of its last block on, that each node announces besides.
    pub hosts: u32,
    /// Services with `externalTrafficPolicy: Local` that run on every node.
    pub service_hosts: Vec<IpAddr>,
    /// Routes that every node passes on and should not.
    pub leaks: Vec<IpNet>,
    /// The ASes behind the node's own in the path of what it leaks.
    pub behind: Vec<u32>,
    /// When the nodes are drained; none: never.
    pub drain_after: Option<Duration>,
    /// How long the daemons live until they die (kill -9); none: until the end.
    pub crash_every: Option<Duration>,
    /// How long they are gone then.
    pub down: Duration,
    /// How many times as fast as BIRD a node dials and recovers.
    pub faster: u32,
}

impl Simulation {
    /// One node from 127.0.0.1 as the white paper has it.
    pub fn new(leaf: SocketAddr) -> Self {
        Self {
            leaf,
            count: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            address_step: 1,
            asn: 65_102,
            as_step: 1,
            block: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 26)),
            blocks: 1,
            services: vec![IpNet::V4(super::fabric::SERVICE_RANGE)],
            hosts: 0,
            service_hosts: Vec::new(),
            leaks: Vec::new(),
            behind: Vec::new(),
            drain_after: None,
            crash_every: None,
            down: Duration::from_secs(3),
            faster: 1,
        }
    }

    /// What each node is told.
    ///
    /// # Errors
    ///
    /// Numbers that lead out of the address family or of the AS numbers.
    pub fn settings(&self) -> Result<Vec<Settings>, Impossible> {
        if self.address.is_ipv4() != self.leaf.is_ipv4()
            || self.address.is_ipv4() != self.block.addr().is_ipv4()
        {
            return Err(Impossible::Families { address: self.address, leaf: self.leaf, block: self.block });
        }
        (0..self.count).map(|number| self.node(number)).collect()
    }

    fn node(&self, number: u32) -> Result<Settings, Impossible> {
        let address = add(self.address, u128::from(number) * u128::from(self.address_step))
            .ok_or(Impossible::Address { number })?;
        let asn = number
            .checked_mul(self.as_step)
            .and_then(|offset| self.asn.checked_add(offset))
            .filter(|asn| *asn != 0)
            .ok_or(Impossible::As { number })?;
        let first = u128::from(number) * (u128::from(self.blocks) + u128::from(self.borrowed_blocks()));
        let mut routes = Vec::new();
        for block in 0..self.blocks {
            let prefix = nth(self.block, first + u128::from(block)).ok_or(Impossible::Blocks { number })?;
            routes.push(Route::fixed(prefix));
        }
        let borrowed =
            nth(self.block, first + u128::from(self.blocks)).ok_or(Impossible::Blocks { number })?;
        for host in 0..self.hosts {
            let pod = add(borrowed.network(), host.into()).ok_or(Impossible::Blocks { number })?;
            routes.push(Route::kernel(pod.into()));
        }
        routes.extend(self.services.iter().map(|range| Route::fixed(*range)));
        routes.extend(self.service_hosts.iter().map(|service| Route::fixed((*service).into())));
        routes.extend(self.leaks.iter().map(|prefix| Route::learned(*prefix, &self.behind)));
        let default = if address.is_ipv4() { default_route() } else { IpNet::V6(Ipv6Net::default()) };
        Ok(Settings {
            name: format!("node-{}", number + 1),
            asn,
            identifier: identifier(address, number),
            peerings: vec![Peering { source: address, leaf: self.leaf, leaf_as: None }],
            routes,
            hidden: if self.leaks.contains(&default) { vec![] } else { vec![default] },
            restart_time: RESTART_TIME,
            timers: Timers::BIRD.faster(self.faster),
        })
    }

    /// How many blocks' worth of addresses the pod hosts of one node need.
    fn borrowed_blocks(&self) -> u32 {
        let bits = self.block.max_prefix_len() - self.block.prefix_len();
        let per_block = 1_u32.checked_shl(bits.into()).unwrap_or(u32::MAX).max(1);
        self.hosts.div_ceil(per_block)
    }
}

/// Why a simulation cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Impossible {
    /// The addresses are not of one family.
    #[error("{address}, {leaf} and {block} are not of one address family")]
    Families {
        /// The first node's address.
        address: IpAddr,
        /// The leaf.
        leaf: SocketAddr,
        /// The first block.
        block: IpNet,
    },
    /// Too many nodes for the addresses.
    #[error("there is no address for node {}", number + 1)]
    Address {
        /// The first node without one, from 0.
        number: u32,
    },
    /// Too many nodes for the AS numbers.
    #[error("there is no AS number for node {}", number + 1)]
    As {
        /// The first node without one, from 0.
        number: u32,
    },
    /// Too many blocks for the address family.
    #[error("there is no pod block for node {}", number + 1)]
    Blocks {
        /// The first node without one, from 0.
        number: u32,
    },
}

/// What ended a simulation before its time.
#[derive(Debug, Error)]
pub enum Error {
    /// It cannot be.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// Nobody can be told, or interrupt.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Simulates until Ctrl-C, then stops the nodes as SIGTERM would.
///
/// # Errors
///
/// A simulation that cannot be; an `out` that cannot be written to.
pub async fn run(simulation: &Simulation, mut out: impl Write) -> Result<(), Error> {
    let settings = simulation.settings()?;
    let routes: usize = settings.iter().map(|settings| settings.routes.len()).sum();
    let nodes: Vec<Node> = settings.into_iter().map(Node::start).collect();
    tell(&mut out, &format!("{} nodes with {routes} routes dial {}", nodes.len(), simulation.leaf))?;
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut drain = pin!(after(simulation.drain_after));
    let mut crash = pin!(after(simulation.crash_every));
    let mut boot = pin!(after(None));
    let mut report = interval_at(Instant::now() + REPORT, REPORT);
    let mut reported = String::new();
    loop {
        tokio::select! {
            biased;
            interrupted = &mut interrupt => break interrupted?,
            () = &mut drain => {
                drain.set(after(None));
                tell(&mut out, "the nodes are drained")?;
                empty(&nodes, &simulation.service_hosts).await;
            }
            () = &mut crash => {
                crash.set(after(None));
                boot.set(after(Some(simulation.down)));
                tell(&mut out, "the daemons die")?;
                for node in &nodes {
                    node.crash().await;
                }
            }
            () = &mut boot => {
                boot.set(after(None));
                crash.set(after(simulation.crash_every));
                tell(&mut out, "the daemons start again")?;
                for node in &nodes {
                    node.boot().await;
                }
            }
            _ = report.tick() => {
                let line = status(&nodes);
                if line != reported {
                    tell(&mut out, &line)?;
                    reported = line;
                }
            }
        }
    }
    for node in nodes {
        node.finish().await;
    }
    Ok(())
}

/// Returns when `time` has passed; without one, never.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

fn tell(out: &mut impl Write, line: &str) -> io::Result<()> {
    writeln!(out, "{line}")?;
    out.flush()
}

/// Drains the nodes: the pods they borrowed addresses for leave, and the services' with them.
async fn empty(nodes: &[Node], services: &[IpAddr]) {
    for node in nodes {
        for pod in node.settings().routes.iter().filter(|route| route.source == Source::Kernel) {
            node.release(pod.prefix.addr()).await;
        }
        node.drain(services.iter().copied()).await;
    }
}

/// How many nodes are there, and what keeps the first of the others away.
fn status(nodes: &[Node]) -> String {
    let waiting = |node: &&Node| node.status().iter().any(|status| !status.established);
    let up = nodes.len() - nodes.iter().filter(waiting).count();
    let mut line = format!("{up} of {} nodes have their sessions", nodes.len());
    if let Some(node) = nodes.iter().find(waiting) {
        for status in node.status() {
            let told = status.told.map(|notification| format!("told {notification}"));
            if let Some(cause) = status.failure.or(told) {
                let _ = write!(line, "; {}: {cause}", node.settings().name);
            }
        }
    }
    line
}

/// Both daemons of a node have an IPv4 BGP identifier; one that has no IPv4 address gets one from 192.0.2.0.
fn identifier(address: IpAddr, number: u32) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::from_bits(0xc000_0201_u32.wrapping_add(number)),
    }
}

fn add(address: IpAddr, offset: u128) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits().checked_add(u32::try_from(offset).ok()?)?;
            Some(Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(address) => {
            Some(std::net::Ipv6Addr::from_bits(address.to_bits().checked_add(offset)?).into())
        }
    }
}

/// The `number`th prefix of the same length behind `first`.
fn nth(first: IpNet, number: u128) -> Option<IpNet> {
    let bits = u32::from(first.max_prefix_len() - first.prefix_len());
    let offset = number.checked_mul(1_u128.checked_shl(bits)?)?;
    IpNet::new(add(first.network(), offset)?, first.prefix_len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulation() -> Simulation {
        Simulation { count: 3, blocks: 2, hosts: 65, ..Simulation::new(([127, 0, 0, 1], 1790).into()) }
    }

    #[test]
    fn nodes_follow_each_other() {
        let settings = simulation().settings().unwrap();
        let last = &settings[2];
        assert_eq!((last.name.as_str(), last.asn), ("node-3", 65104));
        assert_eq!(last.peerings[0].source, "127.0.0.3".parse::<IpAddr>().unwrap());
        // Each node has two blocks of its own and two blocks' worth of 65 pods.
        assert_eq!(last.routes[0].prefix.to_string(), "10.244.2.0/26");
        assert_eq!(last.routes[2].prefix.to_string(), "10.244.2.128/32");
        assert_eq!(last.routes.len(), 2 + 65 + 1);
    }

    #[test]
    fn no_prefix_is_announced_twice_but_the_service_range() {
        let settings = simulation().settings().unwrap();
        let prefixes = settings.iter().flat_map(|settings| &settings.routes).map(|route| route.prefix);
        let mut prefixes: Vec<IpNet> = prefixes.collect();
        let all = prefixes.len();
        prefixes.sort();
        prefixes.dedup();
        assert_eq!(all - prefixes.len(), 2);
    }

    #[test]
    fn leaks_have_the_path_of_what_is_passed_on_and_are_not_held_back() {
        let leaky = Simulation { leaks: vec![default_route()], behind: vec![65101, 65103], ..simulation() };
        for settings in leaky.settings().unwrap() {
            let leak = settings.routes.last().unwrap();
            assert_eq!(
                (leak.prefix, leak.attributes.path.as_slice()),
                (default_route(), &[65101, 65103][..])
            );
            assert_eq!(settings.hidden, []);
        }
        assert_eq!(simulation().settings().unwrap()[0].hidden, [default_route()]);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let mixed = Simulation { address: "::1".parse().unwrap(), ..simulation() };
        assert!(matches!(mixed.settings(), Err(Impossible::Families { .. })));
        let high = Simulation { address: "255.255.255.254".parse().unwrap(), ..simulation() };
        assert_eq!(high.settings().unwrap_err(), Impossible::Address { number: 2 });
        let many = Simulation { asn: u32::MAX, ..simulation() };
        assert_eq!(many.settings().unwrap_err(), Impossible::As { number: 1 });
        let full = Simulation { block: "255.255.255.192/26".parse().unwrap(), ..simulation() };
        assert_eq!(full.settings().unwrap_err(), Impossible::Blocks { number: 0 });
    }

    #[test]
    fn ipv6_nodes_have_an_ipv4_identifier() {
        let simulation = Simulation {
            address: "fd00::1".parse().unwrap(),
            block: "fd00:10:244::/122".parse().unwrap(),
            services: Vec::new(),
            ..Simulation::new("[fd00::ff]:1790".parse().unwrap())
        };
        let settings = simulation.settings().unwrap();
        assert_eq!(settings[0].identifier, Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(settings[0].routes[0].prefix.to_string(), "fd00:10:244::/122");
    }
}

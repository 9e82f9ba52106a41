//! `thirdleaf sim`: something to peer with, or to write to.

mod apic;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::{Error, Exit};
use crate::lab::sim::{self, Simulation};

#[derive(Debug, Args)]
pub(super) struct Sim {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Nodes that speak BGP as Calico's do, until Ctrl-C
    Node(Node),
    /// Controllers that answer as an APIC does, until Ctrl-C; `GET /_sim` lists what tests can order
    Apic(apic::Apic),
}

#[derive(Debug, Args)]
struct Node {
    /// The leaf to dial
    leaf: SocketAddr,
    /// How many nodes
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// The first node's address, one that this machine has; the others' follow
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// From one node's address to the next
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    address_step: u32,
    /// The first node's AS; the others' follow
    #[arg(long = "as", default_value_t = 65_102, value_name = "AS")]
    asn: u32,
    /// One AS for all nodes
    #[arg(long)]
    same_as: bool,
    /// The first node's first pod block; the others follow
    #[arg(long, default_value = "10.244.0.0/26", value_name = "PREFIX")]
    block: IpNet,
    /// Pod blocks of each node
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    blocks: u32,
    /// Borrowed pod addresses of each node
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    hosts: u32,
    /// Service ranges that every node announces
    #[arg(long, default_value = "10.96.0.0/12", value_name = "PREFIX")]
    service: Vec<IpNet>,
    /// A service that runs on every node: announced as a host route, until the nodes are drained
    #[arg(long, value_name = "ADDRESS")]
    service_host: Vec<IpAddr>,
    /// A route that every node passes on and should not
    #[arg(long, value_name = "PREFIX")]
    leak: Vec<IpNet>,
    /// The ASes behind the node's own in the path of what it leaks
    #[arg(long, value_name = "AS", value_delimiter = ',', requires = "leak")]
    behind: Vec<u32>,
    /// Drain the nodes after this time: borrowed pods and service hosts go
    #[arg(long, value_name = "TIME", value_parser = time)]
    drain_after: Option<Duration>,
    /// Let the daemons die (kill -9) whenever they have lived this long, and restart gracefully
    #[arg(long, value_name = "TIME", value_parser = time)]
    crash_every: Option<Duration>,
    /// How long they are gone then
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "3s")]
    down: Duration,
    /// Dial and recover so many times as fast as BIRD
    #[arg(long, default_value_t = 1, value_name = "TIMES")]
    faster: u32,
}

impl Sim {
    pub(super) fn execute(self, out: &mut impl Write) -> Result<Exit, Error> {
        let node = match self.what {
            What::Node(node) => node,
            What::Apic(apic) => return apic.execute(out),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        match runtime.block_on(sim::run(&node.simulation(), out)) {
            Ok(()) => Ok(Exit::FINE),
            Err(sim::Error::Impossible(cause)) => Err(Error::Usage(cause.to_string())),
            Err(sim::Error::Io(error)) => Err(error.into()),
        }
    }
}

impl Node {
    fn simulation(self) -> Simulation {
        Simulation {
            leaf: self.leaf,
            count: self.count,
            address: self.address,
            address_step: self.address_step,
            asn: self.asn,
            as_step: u32::from(!self.same_as),
            block: self.block,
            blocks: self.blocks,
            services: self.service,
            hosts: self.hosts,
            service_hosts: self.service_host,
            leaks: self.leak,
            behind: self.behind,
            drain_after: self.drain_after,
            crash_every: self.crash_every,
            down: self.down,
            faster: self.faster,
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("it takes some time".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

//! The workloads: who speaks, from where, and what each announces. The same octets in every run.

use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::wire::{self, Prefix};

/// Nodes of a rack, which is what one leaf serves at most.
pub(crate) const RACK: u32 = 400;

/// The AS of every leaf.
pub(crate) const LEAF_AS: u32 = 64_999;

/// The AS of the first node; each has its own.
pub(crate) const FIRST_AS: u32 = 4_200_000_000;

/// How many routes less a node has after a restart.
pub(crate) const GONE: u32 = 16;

/// What the sessions announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Table {
    /// 400 nodes of 320 routes, as in a rack
    Fabric,
    /// 10 sessions of 100,000 disjoint blocks
    Million,
    /// 20 sessions with the same 50,000 blocks
    Overlap,
    /// 128,000 disjoint blocks from 10 sessions
    Few,
    /// The same from 400
    Some,
    /// The same from 4,000
    Most,
    /// 4,800 nodes of 26 routes, in twelve racks
    Racks,
}

impl Table {
    pub(crate) fn sessions(self) -> u32 {
        match self {
            Self::Fabric | Self::Some => RACK,
            Self::Million | Self::Few => 10,
            Self::Overlap => 20,
            Self::Most => 4_000,
            Self::Racks => 12 * RACK,
        }
    }

    /// Routes of each session.
    pub(crate) fn routes(self) -> u32 {
        match self {
            Self::Fabric | Self::Some => 320,
            Self::Million => 100_000,
            Self::Overlap => 50_000,
            Self::Few => 12_800,
            Self::Most => 32,
            Self::Racks => 26,
        }
    }

    pub(crate) fn paths(self) -> u64 {
        u64::from(self.sessions()) * u64::from(self.routes())
    }

    /// Whether paths have two ASes as they are received, and prefixes are as no fabric has them.
    pub(crate) fn is_foreign(self) -> bool {
        !matches!(self, Self::Fabric | Self::Racks)
    }

    /// The leaves' addresses, one a rack.
    pub(crate) fn leaves(self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.sessions().div_ceil(RACK)).map(leaf)
    }

    /// Those who speak.
    pub(crate) fn nodes(self) -> impl Iterator<Item = Node> {
        (0..self.sessions()).map(Node)
    }
}

fn leaf(rack: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc0a8_f001 + rack)
}

/// A node, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    /// Its address: the first of a /29 of its own, in its rack's /20 of 192.168.0.0/16.
    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.subnet() + 1)
    }

    fn subnet(self) -> u32 {
        0xc0a8_0000 + (self.rack() << 12) + ((self.0 % RACK) << 3)
    }

    pub(crate) fn rack(self) -> u32 {
        self.0 / RACK
    }

    /// The leaf that it speaks to.
    pub(crate) fn leaf(self) -> Ipv4Addr {
        leaf(self.rack())
    }

    pub(crate) fn asn(self) -> u32 {
        FIRST_AS + self.0
    }

    /// The attributes of all that it announces, where that is one set.
    pub(crate) fn attributes(self) -> Bytes {
        wire::attributes(&[self.asn()], self.address())
    }
}

/// What one node announces: all of it, and what is left of it after a restart.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) all: Bytes,
    pub(crate) less: Bytes,
    /// Host routes that may come and go.
    pub(crate) hosts: Vec<Prefix>,
}

/// What every node of a table announces.
pub(crate) fn encode(table: Table) -> Vec<Announced> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let services = Services::new(table, &mut random);
    table
        .nodes()
        .map(|node| {
            let mut prefixes = match table {
                Table::Fabric | Table::Racks => fabric(table, node, &services),
                Table::Overlap => (0..50_000).map(block).collect(),
                _ => (0..table.routes()).map(|turn| block(node.0 * table.routes() + turn)).collect(),
            };
            assert_eq!(prefixes.len(), table.routes() as usize);
            match table {
                // The first to announce a prefix is the first always: what comes later is no better to anybody.
                Table::Overlap => Random(1).shuffle(&mut prefixes),
                _ => random.shuffle(&mut prefixes),
            }
            let kept = prefixes.len() - GONE as usize;
            Announced {
                all: updates(table, node, &prefixes),
                less: updates(table, node, &prefixes[..kept]),
                hosts: prefixes.into_iter().filter(|prefix| prefix.length == 32).collect(),
            }
        })
        .collect()
}

/// UPDATEs and the End-of-RIB.
fn updates(table: Table, node: Node, prefixes: &[Prefix]) -> Bytes {
    let mut out = BytesMut::new();
    match table {
        Table::Million | Table::Overlap => {
            for (turn, some) in (0..).zip(prefixes.chunks(50)) {
                let attributes = wire::attributes(&[node.asn(), 4_210_000_000 + turn], node.address());
                wire::announce(&attributes, some, &mut out);
            }
        }
        _ => wire::announce(&node.attributes(), prefixes, &mut out),
    }
    wire::end_of_rib(&mut out);
    out.freeze()
}

/// A /26 of 16.0.0.0/6.
fn block(number: u32) -> Prefix {
    Prefix::new(0x1000_0000 + (number << 6), 26)
}

/// Four blocks of pods for each node, from 10.0.0.0 on.
fn pods(node: u32) -> u32 {
    0x0a00_0000 + (node << 8)
}

/// What a Calico node announces: its subnet, its blocks, the service range, services' hosts, and hosts in the
/// next node's blocks.
fn fabric(table: Table, node: Node, services: &Services) -> Vec<Prefix> {
    let mut prefixes = vec![Prefix::new(node.subnet(), 29), Prefix::new(0x0a60_0000, 12)];
    prefixes.extend((0..4).map(|turn| Prefix::new(pods(node.0) + (turn << 6), 26)));
    prefixes.extend(services.of(node));
    let next = (node.0 + 1) % table.sessions();
    let borrowed = table.routes() - u32::try_from(prefixes.len()).expect("few");
    prefixes.extend((0..borrowed).map(|turn| Prefix::host(pods(next) + turn * 4)));
    prefixes
}

/// Services' addresses, each on three nodes far from one another.
struct Services {
    each: u32,
    addresses: Vec<u32>,
}

impl Services {
    fn new(table: Table, random: &mut Random) -> Self {
        let each = match table {
            Table::Fabric => 255,
            Table::Racks => 15,
            _ => 0,
        };
        let mut addresses: Vec<u32> =
            (1..=table.sessions() * each / 3).map(|turn| 0x0a60_0000 + turn).collect();
        random.shuffle(&mut addresses);
        Self { each, addresses }
    }

    fn of(&self, node: Node) -> impl Iterator<Item = Prefix> {
        let first = (node.0 * self.each) as usize;
        (first..first + self.each as usize)
            .map(|turn| Prefix::host(self.addresses[turn % self.addresses.len()]))
    }
}

/// A host route that no table holds, for asking when it is seen.
pub(crate) fn probe() -> Prefix {
    Prefix::host(0x0a6f_fffe)
}

/// xorshift: the same numbers every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for (last, limit) in (1..items.len()).zip(2..) {
            items.swap(last, self.below(limit));
        }
    }
}

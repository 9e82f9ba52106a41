//! The messages that are parsed.

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thirdleaf::bgp::announce::Announcer;
use thirdleaf::bgp::attribute::{Builder, Community};
use thirdleaf::bgp::capability::{AddPathFamily, RestartFamily};
use thirdleaf::bgp::{Capability, Family, Open, Outgoing};

use super::Case;

const MIXED: u32 = 100_000;

type Write = fn(&mut Random, &mut BytesMut);

const CASES: [(&str, u32, Write); 5] = [
    ("open", 1, |_, out| open(out)),
    ("update, one /32", 1, |random, out| plain(random, 1, 32, out)),
    ("update, 500 x /26", 1, |random, out| plain(random, 500, 26, out)),
    ("mp_reach, 200 x /122", 1, |random, out| reach(random, 200, out)),
    ("mixed", MIXED, mixed),
];

/// The cases, the same in every run, made when they are asked for.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    CASES.iter().map(|(name, messages, write)| {
        let mut octets = BytesMut::new();
        write(&mut Random(7), &mut octets);
        Case { name, messages: *messages, octets }
    })
}

/// 100,000 messages in the shares of a busy fabric.
fn mixed(random: &mut Random, out: &mut BytesMut) {
    for _ in 0..MIXED {
        match random.below(1000) {
            0..400 => Outgoing::Keepalive.encode(out),
            400..650 => plain(random, 1, 32, out),
            650..800 => {
                let prefix = random.v4(32);
                Announcer::default().withdraw(Family::Ipv4, [(0, prefix)], out);
            }
            800..900 => {
                let count = 1 + random.below(8);
                plain(random, count, 26, out);
            }
            900..930 => rich(random, out),
            930..980 => {
                let count = 1 + random.below(8);
                reach(random, count, out);
            }
            980..990 => {
                let prefix = random.v6(128);
                Announcer::default().withdraw(Family::Ipv6, [(0, prefix)], out);
            }
            990..995 => plain(random, 500, 26, out),
            995..998 => Outgoing::EndOfRib(Family::Ipv4).encode(out),
            _ => open(out),
        }
    }
}

fn open(out: &mut BytesMut) {
    let families = vec![RestartFamily { afi: 1, safi: 1, forwarding: true }];
    let capabilities = vec![
        Capability::multiprotocol(Family::Ipv4),
        Capability::RouteRefresh,
        Capability::GracefulRestart { restarting: true, notification: false, time: 120, families },
        Capability::FourOctetAs(65102),
        Capability::AddPath(vec![AddPathFamily { afi: 1, safi: 1, mode: 3 }]),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(vec![]),
    ];
    Outgoing::Open(Open::new(65102, 240, Ipv4Addr::new(172, 16, 10, 1), capabilities)).encode(out);
}

fn plain(random: &mut Random, count: u32, length: u8, out: &mut BytesMut) {
    let prefixes = (0..count).map(|_| (0, random.v4(length)));
    announce(&Builder::new(&[65102], IpAddr::from([172, 16, 10, 1])), Family::Ipv4, prefixes, out);
}

fn rich(random: &mut Random, out: &mut BytesMut) {
    let communities = [100, 101, 102, 103].map(|tag| Community::Standard(65102 << 16 | tag));
    let builder = Builder::new(&[65102, 65101], IpAddr::from([172, 16, 10, 1]));
    let prefix = random.v4(26);
    announce(&builder.med(100).communities(&communities), Family::Ipv4, [(0, prefix)], out);
}

fn reach(random: &mut Random, count: u32, out: &mut BytesMut) {
    let next_hop = IpAddr::from([0xfd00, 0x10, 0, 0, 0, 0, 0, 1]);
    let prefixes = (0..count).map(|_| (0, random.v6(122)));
    announce(&Builder::new(&[65102], next_hop), Family::Ipv6, prefixes, out);
}

fn announce(
    attributes: &Builder,
    family: Family,
    prefixes: impl IntoIterator<Item = (u32, IpNet)>,
    out: &mut BytesMut,
) {
    let updates = attributes.with_set(|set| Announcer::default().announce(family, set, prefixes, out));
    assert_eq!(updates, 1);
}

/// The same numbers in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).unwrap()
    }

    fn v4(&mut self, length: u8) -> IpNet {
        let address = 0x0a00_0000 | self.below(1 << 24);
        Ipv4Net::new(address.into(), length).unwrap().trunc().into()
    }

    fn v6(&mut self, length: u8) -> IpNet {
        let address = 0xfd00_0010 << 96 | u128::from(self.next());
        Ipv6Net::new(address.into(), length).unwrap().trunc().into()
    }
}

//! What a message costs: framing, parsing, visiting every prefix and attribute.
//!
//! The floor is a cursor written by hand that knows nothing of errors; it must come to the same sum.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thirdleaf::bgp::announce::Announcer;
use thirdleaf::bgp::attribute::{Builder, Community};
use thirdleaf::bgp::capability::{AddPathFamily, RestartFamily};
use thirdleaf::bgp::{
    Capability, Families, Family, MessageType, Negotiated, Nlri, Open, Outgoing, Update, frame,
};

const MIXED: u32 = 100_000;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    let mut random = Random(7);
    let streams = [
        ("open", 1, stream(open)),
        ("update, one /32", 1, stream(|out| plain(&mut random, 1, 32, out))),
        ("update, 500 x /26", 1, stream(|out| plain(&mut random, 500, 26, out))),
        ("mp_reach, 200 x /122", 1, stream(|out| reach(&mut random, 200, out))),
        ("mixed", MIXED, stream(|out| mixed(&mut random, out))),
    ];
    for (name, messages, octets) in &streams {
        assert_eq!(parsed(octets), walked(octets), "{name}");
        group.throughput(Throughput::Elements(u64::from(*messages)));
        group.bench_function(*name, |b| b.iter(|| parsed(black_box(octets))));
    }
    let [.., (_, _, mixed)] = &streams;
    group.bench_function("mixed, cursor written by hand", |b| b.iter(|| walked(black_box(mixed))));
    group.finish();
}

fn stream(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out);
    out
}

/// The sum of everything in `octets`, by the parsers.
fn parsed(octets: &[u8]) -> u64 {
    let terms = terms();
    let mut scratch = Vec::new();
    let mut sum = 0_u64;
    let mut rest = octets;
    while let Ok(Some(found)) = frame(rest, false) {
        sum = sum.wrapping_add(match found.kind {
            MessageType::Update => visited(&Update::parse(found.body, &terms).unwrap(), &mut scratch),
            MessageType::Open => {
                let open = Open::parse(found.body).unwrap();
                open.capabilities.iter().map(|one| u64::from(one.code())).sum()
            }
            _ => 1,
        });
        rest = &rest[found.octets.len()..];
    }
    sum
}

fn visited(update: &Update<'_>, scratch: &mut Vec<u8>) -> u64 {
    let withdrawn = update.withdrawn().map(prefixes).fold(0, u64::wrapping_add);
    let announced = update.announced().map(|announced| {
        let set = update.attributes(announced, scratch);
        let attributes = set.iter().map(|attribute| attribute_sum(attribute.code, attribute.value));
        attributes.fold(prefixes(announced.nlri), u64::wrapping_add)
    });
    announced.fold(withdrawn, u64::wrapping_add)
}

fn prefixes(nlri: Nlri<'_>) -> u64 {
    nlri.into_iter().map(|(path_id, prefix)| prefix_sum(path_id, prefix)).fold(0, u64::wrapping_add)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are meant")]
fn prefix_sum(path_id: u32, prefix: IpNet) -> u64 {
    let address = match prefix {
        IpNet::V4(prefix) => u64::from(prefix.addr().to_bits()),
        IpNet::V6(prefix) => {
            let bits = prefix.addr().to_bits();
            (bits >> 64) as u64 ^ bits as u64
        }
    };
    address.wrapping_add(u64::from(path_id)).wrapping_add(u64::from(prefix.prefix_len()))
}

fn attribute_sum(code: u8, value: &[u8]) -> u64 {
    let first = value.first().copied().unwrap_or_default();
    u64::from(code) << 16 | (value.len() as u64) << 8 | u64::from(first)
}

/// The same sum, by indices into octets that are known to be right.
fn walked(octets: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut at = 0;
    while at < octets.len() {
        let length = u16_at(octets, at + 16);
        let body = &octets[at + 19..at + length];
        sum = sum.wrapping_add(match octets[at + 18] {
            1 => walked_open(body),
            2 => walked_update(body),
            _ => 1,
        });
        at += length;
    }
    sum
}

fn walked_open(body: &[u8]) -> u64 {
    let mut at = 12;
    let mut sum = 0;
    while at < body.len() {
        sum += u64::from(body[at]);
        at += 2 + usize::from(body[at + 1]);
    }
    sum
}

fn walked_update(body: &[u8]) -> u64 {
    let withdrawn = u16_at(body, 0);
    let attributes = 4 + withdrawn + u16_at(body, 2 + withdrawn);
    let mut sum = walked_prefixes(&body[2..2 + withdrawn], false);
    let mut at = 4 + withdrawn;
    while at < attributes {
        let (start, length) = if body[at] & 0x10 == 0 {
            (at + 3, usize::from(body[at + 2]))
        } else {
            (at + 4, u16_at(body, at + 2))
        };
        let value = &body[start..start + length];
        sum = sum.wrapping_add(match body[at + 1] {
            14 => {
                let next_hop = 4 + usize::from(value[3]);
                attribute_sum(3, &value[4..next_hop])
                    .wrapping_add(walked_prefixes(&value[next_hop + 1..], true))
            }
            15 => walked_prefixes(&value[3..], true),
            code => attribute_sum(code, value),
        });
        at = start + length;
    }
    sum.wrapping_add(walked_prefixes(&body[attributes..], false))
}

fn walked_prefixes(nlri: &[u8], v6: bool) -> u64 {
    let mut sum = 0_u64;
    let mut at = 0;
    while at < nlri.len() {
        let length = nlri[at];
        let end = at + 1 + usize::from(length).div_ceil(8);
        let prefix = if v6 {
            let mut address = [0; 16];
            address[..end - at - 1].copy_from_slice(&nlri[at + 1..end]);
            IpNet::V6(Ipv6Net::new(Ipv6Addr::from(address), length).unwrap().trunc())
        } else {
            let mut address = [0; 4];
            address[..end - at - 1].copy_from_slice(&nlri[at + 1..end]);
            IpNet::V4(Ipv4Net::new(Ipv4Addr::from(address), length).unwrap().trunc())
        };
        sum = sum.wrapping_add(prefix_sum(0, prefix));
        at = end;
    }
    sum
}

fn u16_at(octets: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([octets[at], octets[at + 1]]))
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

fn terms() -> Negotiated {
    Negotiated {
        peer_as: 65102,
        peer_id: Ipv4Addr::new(172, 16, 10, 1),
        local_as: 65101,
        hold_time: Duration::from_secs(3),
        keepalive_time: Duration::from_secs(1),
        families: Families::ALL,
        four_octet_as: true,
        add_path: Families::NONE,
        extended_next_hop: false,
        extended_message: false,
        route_refresh: true,
        enhanced_route_refresh: true,
        graceful_restart: None,
    }
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

criterion_group!(benches, parse);
criterion_main!(benches);

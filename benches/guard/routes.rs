//! The table and the policy: 16 peers of 2,000 routes each, every prefix from two of them, 50 prefixes to a
//! set of attributes.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use thirdleaf::bgp::Family;
use thirdleaf::bgp::attribute::Builder;
use thirdleaf::policy::{Class, Judgement, Policy, Reason, Subject};
use thirdleaf::rib::{Key, PeerIndex, Rib};
use thirdleaf::time::Timestamp;

use crate::fabric;
use crate::kernels::measured;

const PEERS: u32 = 16;
const ROUTES: u32 = 2_000;
const PREFIXES: u32 = PEERS / 2 * ROUTES;

pub(crate) fn announce_new() {
    let updates = updates(100);
    measured(|| {
        black_box(learnt(&updates));
    });
}

pub(crate) fn announce_same() {
    let updates = updates(100);
    let mut rib = learnt(&updates);
    measured(|| announce(&mut rib, &updates));
}

pub(crate) fn announce_other() {
    let mut rib = learnt(&updates(100));
    let updates = updates(200);
    measured(|| announce(&mut rib, &updates));
}

pub(crate) fn withdraw() {
    let updates = updates(100);
    let mut rib = learnt(&updates);
    measured(|| {
        for update in &updates {
            for prefix in &update.prefixes {
                black_box(rib.withdraw(update.peer, *prefix, 0));
            }
        }
    });
}

pub(crate) fn sweep() {
    let mut rib = learnt(&updates(100));
    measured(|| {
        for peer in (0..PEERS).map(PeerIndex) {
            rib.outdate(peer, Family::Ipv4);
            while !rib.sweep(peer, Family::Ipv4, 1_000, |prefix, path| {
                black_box((prefix, path));
            }) {}
        }
    });
}

pub(crate) fn exact() {
    let rib = learnt(&updates(100));
    measured(|| {
        let prefixes = (0..PREFIXES).map(scattered);
        black_box(prefixes.map(|prefix| rib.exact(prefix).count()).sum::<usize>());
    });
}

pub(crate) fn longer() {
    let rib = learnt(&updates(100));
    measured(|| {
        for prefix in (0..PREFIXES).step_by(50).map(scattered) {
            let after = Key { prefix, peer: PeerIndex(0), path_id: 0 };
            for (prefix, path) in rib.longer(Ipv4Net::default().into(), Some(after)).take(100) {
                black_box((prefix, path));
            }
        }
    });
}

pub(crate) fn judge() {
    let config = fabric::config();
    let policy = Policy::new(&config);
    let address = IpAddr::from([192, 168, 0, 1]);
    let subject = Subject {
        address,
        local: IpAddr::from([192, 168, 0, 2]),
        peer_as: fabric::AS,
        local_as: 65_000,
        cluster: "default",
        vrf: "default",
        rack: "leaf",
        node: None,
    };
    let terms = policy.terms(&subject);
    let builder = Builder::new(&[fabric::AS], address);
    let prefixes: Vec<IpNet> = fabric::prefixes(0).chain((0..100).map(scattered)).collect();
    measured(|| {
        for _ in 0..100 {
            let path = builder.with_set(|set| terms.path(set));
            for prefix in &prefixes {
                black_box(terms.judge(*prefix, path));
            }
        }
    });
}

/// UPDATEs of 50 prefixes that share a set of attributes.
struct Update {
    peer: PeerIndex,
    attributes: Builder,
    prefixes: Vec<IpNet>,
}

fn updates(med: u32) -> Vec<Update> {
    let update = |(turn, peer): (u32, u32)| {
        let first = peer / 2 * ROUTES + turn * 50;
        let next_hop = IpAddr::from(Ipv4Addr::from_bits(0xac10_0000 + peer));
        let attributes = Builder::new(&[64_512 + peer, 4_200_000_000 + turn], next_hop).med(med);
        Update { peer: PeerIndex(peer), attributes, prefixes: (first..first + 50).map(scattered).collect() }
    };
    // All sessions send at once.
    (0..ROUTES / 50).flat_map(|turn| (0..PEERS).map(move |peer| (turn, peer))).map(update).collect()
}

fn learnt(updates: &[Update]) -> Rib {
    let mut rib = Rib::new();
    announce(&mut rib, updates);
    rib
}

fn announce(rib: &mut Rib, updates: &[Update]) {
    let judgement = Judgement::rejected(Class::PodBlock, Reason::NotAllowed);
    for update in updates {
        let attributes = update.attributes.with_set(|set| rib.intern(set));
        for prefix in &update.prefixes {
            rib.announce(update.peer, *prefix, 0, attributes, judgement, Timestamp::default());
        }
        rib.release(attributes);
    }
}

/// The prefixes in no order: a number without a common factor with theirs, times `number`.
fn scattered(number: u32) -> IpNet {
    let block = u64::from(number) * 7_919 % u64::from(PREFIXES);
    let bits = 0x0a00_0000 + (u32::try_from(block).expect("a small number") << 6);
    Ipv4Net::new(Ipv4Addr::from_bits(bits), 26).expect("a length").into()
}
